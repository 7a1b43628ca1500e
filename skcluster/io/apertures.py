"""Apertures: the circles about clusters in which photons are taken from shared lists."""

import numpy as np

from ..cosmology import comoving_distance
from ..sample import FIELDS
from ..sample.units import TABLE, check_plausible

APERTURE = 4.0
"""Radius of the photons that a cluster gets from a shared list [comoving Mpc/h]. It reaches
beyond the corners of a default map (3.25) and the background's annulus (3)."""


def aperture_angles(catalog, aperture, cosmology):
    """Return the angles that an aperture in comoving Mpc/h has at the clusters [deg].

    Parameters
    ----------
    catalog : dict of ndarray
        Columns of the table by our names.
    aperture : float or None
        None is `APERTURE`.
    cosmology : as in `read_sample`
    """
    if "ra" not in catalog:
        raise ValueError(
            "Clusters share a photon list or have an aperture, but the table has no "
            "columns ra and dec, which say what photons belong to which of them. Add them."
        )
    aperture = APERTURE if aperture is None else aperture
    if np.ndim(aperture) or isinstance(aperture, str | bytes | bool):
        raise TypeError(
            f"aperture must be one number in comoving Mpc/h, got {aperture!r}."
        )
    check_plausible("radius_max", aperture, "aperture")
    redshift = FIELDS["redshift"].checked("redshift", catalog["redshift"])
    center = np.column_stack([catalog["ra"], catalog["dec"]])
    FIELDS["center"].checked("center", center, len(center))
    angles = np.degrees(np.arctan(aperture / comoving_distance(redshift, cosmology)))
    low, high = TABLE["field_radius"].low, TABLE["field_radius"].high
    if angles.min() < low:
        first = int(angles.argmin())
        raise ValueError(
            f"aperture={aperture:g} comoving Mpc/h is an angle of {angles[first]:.2g} deg "
            f"at redshift {redshift[first]:g} (row {first}), but at least {low:g} deg are "
            "needed. Give a larger one."
        )
    return np.minimum(angles, high)
