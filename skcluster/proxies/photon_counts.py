"""Photons within apertures: less the background, for the area that was observed."""

import warnings
from dataclasses import dataclass

import numpy as np

from ..cosmology import comoving_distance, sky_to_plane
from ..printable import cluster_label
from ..sample import Ragged
from ..sample.lists import check_field_radius
from ..sky import exposure_of_rings, field_edge, has_field, is_observed, knows_field

N_RINGS = 16
"""Rings of an aperture, in each of which the lost area is made up for."""

SHARES = np.linspace(0, 1, N_RINGS + 1)
"""Edges of these rings over the radius of the aperture."""

LEAST_OBSERVED = 0.05
"""Relative exposure below which a ring counts as not observed."""

BY_CHANCE = 1e-6
"""Probability below which an empty part of a list is not taken for chance."""

MOST_LOST = 0.5
"""Share of an aperture's area, lost and not made up for, from which a warning comes.

The field of view of eROSITA ends within 2.3 Mpc/h below redshift 0.09. At 0.066 a third
of the area is lost, but not a third of the photons, for these crowd about the center."""

CLOSEST = 1e-100
"""Distance below which the area of an aperture would be infinite [comoving Mpc/h]."""

ROUNDING = 1.001
"""Ratio of the radius of an aperture to that of the annulus that is not yet inside it."""

ARCMIN2 = (180 * 60 / np.pi) ** 2  # per steradian


@dataclass(frozen=True)
class PhotonCounts:
    """Photons of each cluster within one aperture.

    Attributes
    ----------
    photons : ndarray of shape (n_clusters,)
        Photons in the aperture and band, where the field was observed.
    background : ndarray of shape (n_clusters,)
        Background expected among them; 0 where none is subtracted, and NaN where it
        cannot be measured.
    background_error : ndarray of shape (n_clusters,)
        Standard error of `background`.
    observed : ndarray of shape (n_clusters,)
        Mean exposure of the aperture over that at the center.
    net : ndarray of shape (n_clusters,)
        Photons less background that the complete aperture would show in the exposure at
        the center, if the rings that were observed in part look alike all round. Rings
        that were not observed at all are left out.
    error : ndarray of shape (n_clusters,)
        Standard error of `net`: Poisson noise of the photons and of the background.
    """

    photons: np.ndarray
    background: np.ndarray
    background_error: np.ndarray
    observed: np.ndarray
    net: np.ndarray
    error: np.ndarray

    @property
    def log_error(self):
        """Standard error of ln of the net counts; NaN where these are not positive."""
        return np.divide(
            self.error, self.net, where=self.net > 0, out=np.full(len(self.net), np.nan)
        )


def count_photons(X, parameters):
    """Count the photons of a sample within the apertures of a `ProxyMeasurer`.

    Parameters
    ----------
    X : ClusterSample
    parameters : ProxyMeasurer
        With plain values of the parameters.

    Returns
    -------
    counts : dict of str to PhotonCounts
        Of ``n_phot`` and ``n_phot_500c``, as far as a proxy needs them.
    """
    check_field_radius(X)
    distance = comoving_distance(X.redshift, parameters.cosmology)
    distance = np.maximum(distance, CLOSEST)
    apertures = {}
    if "n_phot" in parameters.proxies:
        apertures["n_phot"] = np.full(len(X), parameters.half_width)
    if {"n_phot_500c", "count_rate"} & set(parameters.proxies):
        r500c = X.r500c if parameters.r500c == "true" else parameters.r500c
        apertures["n_phot_500c"] = np.full(len(X), parameters.radius_factor * r500c)
    reach = np.max([*apertures.values()], axis=0)
    if parameters.background == "annulus":
        _warn_of_inner_annulus(X, apertures, parameters.background_annulus[0])
        reach = np.maximum(reach, parameters.background_annulus[1])
    edge = distance * field_edge(X)
    in_rings = parameters.background is not None or has_field(X)
    if in_rings:
        reach = np.minimum(reach, edge)
    photons = _observed_photons(X, distance, reach, parameters.band)
    if not in_rings:
        for name, radius in apertures.items():
            _warn_of_lost_area(X, name, 1 - np.minimum(1, edge / radius) ** 2)
        return {
            name: _plain(_within(photons, radius)) for name, radius in apertures.items()
        }
    background = _background_density(X, photons, distance, parameters)
    counts = {}
    for name, radius in apertures.items():
        counts[name], lost = _in_rings(
            X, photons, distance, radius, background, parameters
        )
        _warn_of_lost_area(X, name, lost)
    return counts


def _observed_photons(X, distance, reach, band):
    """Return the ``radius`` [comoving Mpc/h] of the photons that may be counted.

    Those are the photons in the band and within `reach` where the field was observed: rings
    are divided by their mean exposure, so that others would count for more than they are.
    """
    low, high = band
    radii, counted = [np.zeros(0)], [np.zeros(0, bool)]
    for block in X.photons.blocks():
        photons = X.photons[block]
        x, y = sky_to_plane(
            photons["ra"], photons["dec"], *X.center[block].T, repeats=photons.lengths
        )
        radius = np.hypot(x, y) * np.repeat(distance[block], photons.lengths)
        is_near = radius <= np.repeat(reach[block], photons.lengths)
        energy = photons["energy"]
        counted.append(is_near & (energy >= low) & (energy < high))
        radii.append(radius[counted[-1]])
    is_counted = np.concatenate(counted)
    ends = np.concatenate([[0], np.cumsum(is_counted)])[X.photons.offsets]
    columns = {"radius": np.concatenate(radii)}
    if not has_field(X):
        return Ragged(columns, ends)
    columns |= {name: X.photons[name][is_counted] for name in ("ra", "dec")}
    photons = Ragged(columns, ends)
    # Without the circle, which `reach` respects.
    return photons.select(is_observed(X.drop("field_radius"), photons))


def _warn_of_inner_annulus(X, apertures, inner):
    """Warn of apertures that reach into the annulus in which the background is measured."""
    for name, radius in apertures.items():
        wrong = np.flatnonzero(radius > ROUNDING * inner)
        if len(wrong):
            warnings.warn(
                f"The background's annulus begins at {inner:g} Mpc/h, within the aperture "
                f"of {name} of {len(wrong)} of {len(X)} clusters (first: "
                f"{cluster_label(wrong[0], X.name)}, {radius[wrong[0]]:.3g} Mpc/h): there "
                "it holds the photons of these clusters, and their net counts are too low. "
                "Give a wider background_annulus.",
                UserWarning,
                stacklevel=5,
            )


def _warn_of_empty_annulus(X, is_observed, is_empty):
    """Warn of clusters with photons, but none in the annulus of the background.

    Where the field is known to reach there, a few may be empty in a short exposure.
    """
    wrong = np.flatnonzero(is_observed & is_empty)
    if len(wrong) > (is_observed.sum() / 2 if knows_field(X) else 0):
        warnings.warn(
            f"There is no photon in the background's annulus of {len(wrong)} of {len(X)} "
            f"clusters (first: {cluster_label(wrong[0], X.name)}), so that nothing is "
            "subtracted from their counts. Do their lists end before it? Then give the "
            "sample its field_radius, or another background_annulus.",
            UserWarning,
            stacklevel=6,
        )


def _warn_of_short_lists(X, photons, edges):
    """Warn of lists that end within the annulus, by the empty ring at its outer border.

    Of n photons spread evenly over an area, none lies in a share s of it with the
    probability (1 - s)^n. Only the outer half of what the list covers is looked at, where
    fewer photons are the cluster's.
    """
    inner, outer = edges.T
    radius, farthest = photons["radius"], inner.copy()
    in_annulus = radius <= np.repeat(outer, photons.lengths)
    np.maximum.at(farthest, photons.cluster[in_annulus], radius[in_annulus])
    middle = np.sqrt((inner**2 + farthest**2) / 2)
    n_beyond = _within(photons, farthest) - _within(photons, middle)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = (farthest**2 - middle**2) / (outer**2 - middle**2)
        is_short = n_beyond * np.log(share) < np.log(BY_CHANCE)
    wrong = np.flatnonzero(is_short)
    if len(wrong):
        first = wrong[0]
        warnings.warn(
            f"The photons of {len(wrong)} of {len(X)} clusters end within the background's "
            f"annulus (first: {cluster_label(first, X.name)}, at {farthest[first]:.3g} "
            f"Mpc/h of {outer[first]:.3g}), so that their background is too low. Give the "
            "sample its field_radius, or a background_annulus within their lists.",
            UserWarning,
            stacklevel=6,
        )


def _warn_of_lost_area(X, name, lost):
    """Warn of apertures of which most of the area is lost and not made up for."""
    wrong = np.flatnonzero(lost > MOST_LOST)
    if len(wrong):
        warnings.warn(
            f"Most of the aperture of {name} of {len(wrong)} of {len(X)} clusters lies "
            f"outside of the observed field (first: {cluster_label(wrong[0], X.name)}, "
            f"{lost[wrong[0]]:.0%} of the area), so that the counts are too low. Give a "
            "smaller aperture, or leave these clusters out.",
            UserWarning,
            stacklevel=5,
        )


def _plain(counts):
    none = np.zeros(len(counts))
    return PhotonCounts(counts, none, none, none + 1, counts, np.sqrt(counts))


def _within(photons, radius):
    """Count the photons within a radius per cluster."""
    return photons.sum(photons["radius"] <= np.repeat(radius, photons.lengths))


def _per_ring(photons, radius):
    """Count the photons in each ring of apertures, of shape (n_clusters, N_RINGS)."""
    share = photons["radius"] / np.repeat(radius, photons.lengths)
    ring = np.searchsorted(SHARES[1:], share)
    kept = ring < N_RINGS
    index = photons.cluster[kept] * N_RINGS + ring[kept]
    found = np.bincount(index, minlength=len(photons) * N_RINGS)
    return found.reshape(-1, N_RINGS).astype(float)


def _in_rings(X, photons, distance, radius, background, parameters):
    """Return the `PhotonCounts` within a radius per cluster, and the share of lost rings.

    `background` is the result of `_background_density`.
    """
    density, density_error = background
    counted = _per_ring(photons, radius)
    area = np.pi * np.outer(radius / distance, SHARES[1:]) ** 2 * ARCMIN2
    area = np.diff(area, axis=1, prepend=0)
    edges = np.outer(radius, SHARES)
    exposure = exposure_of_rings(X, distance, edges)
    share = parameters.particle_share
    to_background = _exposure_to_background(X, distance, edges, share, exposure)
    seen = exposure >= LEAST_OBSERVED
    exposed = (area * exposure * seen).sum(axis=1)
    expected = (area * to_background * seen).sum(axis=1)
    per_ring = np.divide(counted, exposure, where=seen, out=np.zeros_like(counted))
    variance = np.divide(counted, exposure**2, where=seen, out=np.zeros_like(counted))
    ratio = np.divide(to_background, exposure, where=seen, out=np.zeros_like(counted))
    area_of_background = (area * ratio).sum(axis=1)
    counts = PhotonCounts(
        photons=counted.sum(axis=1),
        background=density * expected,
        background_error=density_error * expected,
        observed=exposed / area.sum(axis=1),
        net=per_ring.sum(axis=1) - density * area_of_background,
        error=np.sqrt(variance.sum(axis=1) + (density_error * area_of_background) ** 2),
    )
    return counts, (area * ~seen).sum(axis=1) / area.sum(axis=1)


def _exposure_to_background(X, distance, edges, particle_share, to_sky):
    """Mean exposure of rings to the background, of which a share are particles."""
    if particle_share is None:
        return to_sky
    to_particles = exposure_of_rings(X, distance, edges, of="unvignetted_map")
    return (1 - particle_share) * to_sky + particle_share * to_particles


def _background_density(X, photons, distance, parameters):
    """Return background counts per arcmin² at the center's exposure, and their error."""
    background = parameters.background
    if background is None:
        return np.zeros((2, len(X)))
    if background != "annulus":
        return np.array([background * X.exposure, np.zeros(len(X))])
    edges = np.tile(parameters.background_annulus, (len(X), 1))
    counts = _within(photons, edges[:, 1]) - _within(photons, edges[:, 0])
    area = np.pi * (edges[:, 1] ** 2 - edges[:, 0] ** 2) / distance**2 * ARCMIN2
    exposure = exposure_of_rings(X, distance, edges)
    share = parameters.particle_share
    exposure = _exposure_to_background(X, distance, edges, share, exposure)[:, 0]
    exposed = np.where(exposure >= LEAST_OBSERVED, area * exposure, np.nan)
    _warn_of_empty_annulus(X, (exposed > 0) & (photons.lengths > 0), counts == 0)
    if not knows_field(X):
        _warn_of_short_lists(X, photons, edges)
    return np.array([counts / exposed, np.sqrt(counts) / exposed])
