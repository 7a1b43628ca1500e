"""Which part of the sky a cluster was observed in, and for how long."""

import warnings
from itertools import pairwise

import numpy as np

from ..cosmology import sky_to_plane
from ..sample import ClusterSample, SkyImage, SkyImages, require
from ..sample.described_columns import without_descriptions
from ..sample.lists import MADE_OF_PHOTONS, OF_THE_FIELD
from ..sample.units import check_plausible, unit_factor

LEAST_EXPOSURE = 0.1
"""Share of the exposure at the center below which a place counts as not observed."""
SAME_EXPOSURE = 1e-3
"""Relative difference up to which two maps are taken to show the same observation."""
MARGIN = 1e-9
"""Added to the reach of positions, so that rounding leaves no hole out [deg]."""
MOST_LOST = 0.01
"""Share of a cluster's photons that another exposure map may hold without a warning."""
ROUNDING = 1.01
"""Ratio of vignetted to unvignetted exposure that rounding may leave on the axis."""


def with_exposure_map(sample, exposure_map, *, unvignetted=None) -> ClusterSample:
    """Give the clusters of a sample their exposure map, and their exposures from it.

    Counts are then corrected for the exposure within the field, and what lies outside of
    the map or in its gaps counts as not observed: see `PhotonMapper` and `ProxyMeasurer`.

    Parameters
    ----------
    sample : ClusterSample
        Sample with centers.
    exposure_map : SkyImage or list of SkyImage
        Exposures [s, or the unit of the map], from `read_image`; of several, each cluster
        gets that with the longest exposure at its center; photons that lie in another one
        are not counted. Sky photons follow vignetted maps. One map serves all energies.
    unvignetted : SkyImage or list of SkyImage, default=None
        The same without vignetting, as many as there are in `exposure_map` and in their
        order: particles do not come through the mirrors. Only the shape is used, by
        ``ProxyMeasurer(background=..., particle_share=...)``.

    Returns
    -------
    exposed : ClusterSample
        With `exposure_map` and, unless the sample has its own, `exposure`: the values of
        the maps at the centers. Own exposures stay, and the map then gives only the shape:
        exposures relative to that at the center. With `unvignetted`, also
        `unvignetted_map`.

    Raises
    ------
    ValueError
        A center lies outside of all maps or where they have no exposure; or the map does
        not hold seconds, but a product with an area, and the sample has no exposures; or
        the two kinds of maps are exchanged.

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> from skcluster import ClusterSample, SkyImage, with_exposure_map
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0,
    ...            "CRVAL2": 0.0, "CRPIX1": 2, "CRPIX2": 2, "CDELT1": -0.1, "CDELT2": 0.1})
    >>> exposure_map = SkyImage([[0, 800, 0], [900, 1500, 900], [0, 800, 0]], wcs)
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]])
    >>> with_exposure_map(sample, exposure_map).exposure
    array([1500.])
    """
    require(sample, "center", by="with_exposure_map")
    images = _listed(exposure_map)
    values = np.array([image.at(*sample.center.T) for image in images], float)
    values *= _seconds(images, are_needed=sample.exposure is None)
    outside = np.isnan(values).all(axis=0)
    values = np.nan_to_num(values)
    deepest = values.argmax(axis=0)
    exposure = values.max(axis=0)
    wrong = np.flatnonzero(exposure <= 0)
    if len(wrong):
        first, where = wrong[0], "where it has no exposure"
        if outside[wrong[0]]:
            ra, dec = images[0].center
            where = f"outside of the map, which is about RA {ra:.4f}, Dec {dec:.4f}"
        raise ValueError(
            f"The centers of {len(wrong)} of {len(sample)} clusters lie outside of "
            f"{_named(images)} or where it has no exposure (first: cluster {first}, at RA "
            f"{sample.center[first, 0]:.4f}, Dec {sample.center[first, 1]:.4f}, {where}). "
            "Give the map of their field, or leave these clusters out."
        )
    if sample.exposure is None:
        subject = f"exposure in {_named(images)}"
        check_plausible("exposure", exposure, subject, rows="cluster")
    else:
        exposure = sample.exposure
    vignetted, particles = SkyImages(images, deepest), None
    if sample.photons is not None and len(images) > 1:
        _warn_of_several(values)
        _warn_of_other_fields(sample, images, deepest)
    if unvignetted is not None:
        particles = SkyImages(_unvignetted(unvignetted, images), deepest)
        _check_not_exchanged(sample, vignetted, particles)
    bare = without_descriptions(sample.drop(*MADE_OF_PHOTONS), "photons")
    return bare.assign(
        exposure_map=vignetted, unvignetted_map=particles, exposure=exposure
    )


def _listed(images):
    return [images] if isinstance(images, SkyImage) else [*images]


def _warn_of_other_fields(sample, images, chosen):
    """Warn of photons that lie outside of their cluster's map, but inside of another."""
    shares = np.zeros(len(sample))
    for i, photons in enumerate(sample.photons):
        ra, dec = photons["ra"], photons["dec"]
        outside = ~(images[chosen[i]].at(ra, dec) > 0)
        if outside.any():
            elsewhere = [image.at(ra[outside], dec[outside]) > 0 for image in images]
            shares[i] = np.any(elsewhere, axis=0).sum() / len(outside)
    wrong = np.flatnonzero(shares > MOST_LOST)
    if len(wrong):
        warnings.warn(
            f"{len(wrong)} of {len(sample)} clusters have photons outside of their "
            f"exposure map that lie in another of the {len(images)} (first: cluster "
            f"{wrong[0]}, {shares[wrong[0]]:.0%} of them). A cluster has one map, so that "
            "these are not counted: give one mosaic of overlapping maps.",
            UserWarning,
            stacklevel=3,
        )


def _warn_of_several(exposures):
    """Warn of centers with an exposure in several maps, of which only one is taken.

    Overlapping tiles of one survey have equal exposures, two observations hardly ever.
    """
    most = exposures.max(axis=0)
    other = np.where(exposures < (1 - SAME_EXPOSURE) * most, exposures, 0)
    second = other.max(axis=0)
    wrong = np.flatnonzero(second >= LEAST_EXPOSURE * most)
    if len(wrong):
        first = wrong[0]
        warnings.warn(
            f"{len(wrong)} of {exposures.shape[1]} clusters lie in several of the "
            f"{len(exposures)} exposure maps (first: cluster {first}, with "
            f"{most[first]:.4g} and {second[first]:.4g} at its center). The deepest is "
            "taken, not their sum: for photons of several observations give one map of "
            "their summed exposures.",
            UserWarning,
            stacklevel=3,
        )


def _unvignetted(images, vignetted):
    images = _listed(images)
    if len(images) != len(vignetted):
        raise ValueError(
            f"There are {len(vignetted)} exposure maps and {len(images)} unvignetted ones: "
            "give one for each, in the same order."
        )
    return images


def _check_not_exchanged(sample, vignetted, particles):
    """Refuse a vignetted map that exceeds the unvignetted one, where both hold seconds."""
    for i, center in enumerate(sample.center):
        pair = vignetted.image(i), particles.image(i)
        sky, all_of_it = (float(image.at(center[:1], center[1:])[0]) for image in pair)
        if not all_of_it > 0:
            raise ValueError(
                f"The unvignetted map has no exposure at the center of cluster {i} (RA "
                f"{center[0]:.4f}, Dec {center[1]:.4f}), where the exposure map has some. "
                "Give both maps of one field."
            )
        if sample.exposure is None and sky > ROUNDING * all_of_it * _to_unit(*pair):
            raise ValueError(
                f"The exposure map has {sky:.5g} at the center of cluster {i} and the "
                f"unvignetted one only {all_of_it:.5g}, but vignetting shortens exposures. "
                "Are the two exchanged?"
            )


def _to_unit(image, other):
    """Return the factor from the unit of another exposure map to that of an image."""
    ((factor,),) = _seconds([image], are_needed=True)
    ((from_other,),) = _seconds([other], are_needed=False)
    return from_other / factor


def _seconds(images, *, are_needed):
    """Return the factors from the units of exposure maps to seconds, as a column."""
    factors = []
    for image in images:
        try:
            factors.append(unit_factor("exposure", image.unit, str(image)))
        except ValueError as error:
            if are_needed:
                raise ValueError(
                    f"{error} Or give the clusters their exposures: the map then gives "
                    "only the shape of the field."
                ) from error
            factors.append(1.0)
    return np.array(factors)[:, None]


def has_field(sample):
    """Return whether a sample knows more of its field than a circle."""
    return any(getattr(sample, name) is not None for name in OF_THE_FIELD)


def knows_field(sample):
    """Return whether a sample knows anything of its field, if only a circle."""
    return has_field(sample) or sample.field_radius is not None


def field_edge(sample, rows=slice(None)):
    """Radius of the circular fields of view on the tangent plane [radian].

    Parameters
    ----------
    sample : ClusterSample
    rows : slice or int, default=slice(None)
        The clusters asked for.

    Returns
    -------
    edge : ndarray or float
        Infinite where the sample has no `field_radius`.
    """
    if sample.field_radius is None:
        return np.full(len(sample), np.inf)[rows]
    return np.tan(np.radians(sample.field_radius[rows]))


def is_observed(sample, photons):
    """Return which photons lie where their cluster has any exposure, one bool per photon.

    Parameters
    ----------
    sample, photons
        As for `relative_exposures`.
    """
    return relative_exposures(sample, photons) > 0


def relative_exposures(sample, photons):
    """Return the exposure at each photon, over that at the center of its cluster.

    Parameters
    ----------
    sample : ClusterSample
        With centers.
    photons : Ragged
        Lists of the same clusters, with the columns ``ra`` and ``dec``.

    Returns
    -------
    relative : ndarray of shape (n_photons,)
        See `relative_exposure_at`.
    """
    relative = np.empty(photons.offsets[-1])
    for i, (start, stop) in enumerate(pairwise(photons.offsets.tolist())):
        ra, dec = photons["ra"][start:stop], photons["dec"][start:stop]
        relative[start:stop] = relative_exposure_at(sample, i, ra, dec)
    return relative


def relative_exposure_at(sample, i, ra, dec, *, of="exposure_map"):
    """Exposure at sky positions about one cluster, over the exposure at its center.

    Parameters
    ----------
    sample : ClusterSample
        With centers.
    i : int
        Number of the cluster.
    ra, dec : ndarray of shape (n_points,)
        [deg]
    of : {"exposure_map", "unvignetted_map"}, default="exposure_map"
        Exposure to photons of the sky, or to particles.

    Returns
    -------
    relative : ndarray of shape (n_points,)
        0 where nothing was observed: outside of the exposure map or of the field of view,
        in masked pixels and in holes.
    """
    center = sample.center[i]
    images = getattr(sample, of)
    image = None if images is None else images.image(i)
    if image is not None:
        relative = np.nan_to_num(image.at(ra, dec)).astype(float).clip(0)
        relative /= _at_center(image, center, i)
    else:
        relative = np.ones(len(ra))
    if of != "exposure_map":
        # Where the sky has no exposure nothing is counted, whatever it is.
        relative[relative_exposure_at(sample, i, ra, dec) == 0] = 0
        return relative
    if sample.field_radius is not None:
        x, y = sky_to_plane(ra, dec, *center)
        # Positions without an image on the plane are NaN.
        relative[~(np.hypot(x, y) <= field_edge(sample, i))] = 0
    relative[is_removed(sample, i, ra, dec)] = 0
    return relative


def is_removed(sample, i, ra, dec):
    """Return whether sky positions about one cluster are masked or lie in a hole."""
    removed = np.zeros(len(ra), bool)
    mask = None if sample.mask is None else sample.mask.image(i)
    if mask is not None:
        # Outside of the image (NaN) the mask says nothing.
        removed |= mask.at(ra, dec) == 0
    if sample.holes is not None:
        for at_ra, at_dec, radius in _holes_within_reach(
            sample.holes.table(i), ra, dec
        ):
            near = np.flatnonzero(np.abs(dec - at_dec) <= radius)
            inside = separation(ra[near], dec[near], at_ra, at_dec) <= radius
            removed[near[inside]] = True
    return removed


def _holes_within_reach(holes, ra, dec):
    """Return RA, Dec and radius of the holes that may hold any of the positions."""
    where = np.column_stack([holes[name] for name in ("ra", "dec", "radius")])
    is_known = np.flatnonzero(np.isfinite(ra + dec))
    if not len(is_known):
        return where[:0]
    first = ra[is_known[0]], dec[is_known[0]]
    # No position is farther than the way along the parallel and then along the meridian.
    east = (ra - first[0] + 180) % 360 - 180
    reach = np.nanmax(np.abs(dec - first[1]))
    reach += np.nanmax(np.abs(east)) * np.cos(np.radians(first[1]))
    apart = separation(holes["ra"], holes["dec"], *first)
    return where[apart <= reach + holes["radius"] + MARGIN]


def separation(ra, dec, other_ra, other_dec):
    """Angle between sky positions [deg], to full precision also where it is small."""
    dec, other_dec = np.radians(dec), np.radians(other_dec)
    sin_dec = np.sin((dec - other_dec) / 2)
    sin_ra = np.sin(np.radians(ra - other_ra) / 2)
    haversine = sin_dec**2 + np.cos(dec) * np.cos(other_dec) * sin_ra**2
    return np.degrees(2 * np.arcsin(np.sqrt(haversine.clip(0, 1))))


def _at_center(image, center, i):
    value = float(image.at(center[:1], center[1:])[0])
    if not value > 0:
        raise ValueError(
            f"{image} has no exposure at the center of cluster {i} (RA {center[0]:.4f}, "
            f"Dec {center[1]:.4f}). Give the map of its field by with_exposure_map."
        )
    return value


def _named(images):
    if len(images) > 1:
        return f"the {len(images)} exposure maps"
    return f"the exposure map {images[0].name}".rstrip()
