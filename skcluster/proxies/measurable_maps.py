"""Which maps `MorphologyMeasurer` can measure: counts, and all of the aperture."""

from itertools import pairwise

import numpy as np

from ..cosmology import comoving_distance
from ..sample.lists import OF_THE_FIELD
from ..sky import exposure_of_rings, knows_field

N_RINGS = 8
"""Rings of equal area of the aperture, in which gaps are looked for."""

ROUNDING = 1e-5
"""Share of an aperture that may be lost by rounding."""


def check_measurable(X, radius, half_width, band):
    """Refuse maps on which quantities would mean something else.

    Parameters
    ----------
    X : ClusterSample
        With maps.
    radius : ndarray of shape (n_clusters,)
        Radii of the apertures [comoving Mpc/h].
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    band : int or None
        Band of the maps; None stands for the sum of all.
    """
    _check_contained(radius, half_width)
    _check_counts(X)
    _check_observed(X, radius)
    if band is None:
        _check_apart(X.maps.geometry)


def _check_contained(radius, half_width):
    outside = np.flatnonzero(radius > half_width)
    if len(outside):
        raise ValueError(
            f"The apertures of {len(outside)} of {len(radius)} clusters reach beyond their "
            f"maps (first: cluster {outside[0]}, {radius[outside[0]]:.3g} of "
            f"{half_width:g} Mpc/h). Give wider maps or a smaller aperture."
        )


def _check_counts(X):
    maps, data = X.maps, X.maps.rows.data
    wrong = np.flatnonzero((data < 0) | (data != np.rint(data)))
    if len(wrong):
        wrong = np.unique(np.searchsorted(maps.rows.indptr, wrong, side="right") - 1)
        raise ValueError(
            f"MorphologyMeasurer measures counts, but {len(wrong)} of {len(maps)} maps "
            f"hold negative or fractional numbers (first: cluster {wrong[0]}). "
            f"{_cure_of_fractions(X)}"
        )


def _check_observed(X, radius):
    """Refuse apertures with gaps, which would look like an empty sky."""
    if not knows_field(X):
        return
    distance = _distance(X)
    edges = np.outer(radius, np.sqrt(np.linspace(0, 1, N_RINGS + 1)))
    observed = exposure_of_rings(X, distance, edges).mean(axis=1)
    wrong = np.flatnonzero(observed < 1 - ROUNDING)
    if len(wrong):
        raise ValueError(
            f"MorphologyMeasurer needs apertures that were observed, but those of "
            f"{len(wrong)} of {len(X)} clusters have gaps (first: cluster {wrong[0]}, "
            f"{1 - observed[wrong[0]]:.2%} of the area). Leave these clusters out, or give "
            "a smaller aperture. To take what was not observed for an empty sky, give "
            "sample.drop('exposure_map', 'mask', 'holes', 'field_radius') to PhotonMapper."
        )


def _distance(X):
    """Comoving distances [Mpc/h] in the cosmology of the maps, if its name tells it."""
    if X.maps.geometry is not None:
        try:
            return comoving_distance(X.redshift, X.maps.geometry.cosmology)
        except ValueError:
            pass  # a cosmology without a name; the default places gaps to a few per cent
    return comoving_distance(X.redshift)


def _check_apart(geometry):
    """Refuse the sum of bands that overlap, in which some photons count twice."""
    bands = sorted(() if geometry is None else geometry.bands)
    for (_, end), (start, high) in pairwise(bands):
        if start < end:
            raise ValueError(
                f"The bands of the maps overlap (up to {end:g} keV and {start:g}-{high:g} "
                "keV), so that their sum would count photons twice. Name one: band=0, ..."
            )


def _cure_of_fractions(X):
    fields = [name for name in X.fields if name in OF_THE_FIELD]
    if X.maps.steps or not fields:
        return "Put it before RedshiftNormalizer and LogScaler."
    return (
        f"PhotonMapper has corrected them for {' and '.join(fields)}. For counts as they "
        f"were observed, give sample.drop({', '.join(map(repr, fields))}) to PhotonMapper; "
        "what was not observed then looks like an empty sky."
    )
