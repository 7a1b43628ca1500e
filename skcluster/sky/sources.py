"""Remove sources, and remember the holes that they leave."""

import warnings

import numpy as np

from ..sample import ClusterSample, Ragged, SkyImage, SkyImages, require
from ..sample.described_columns import undescribed
from ..sample.lists import MADE_OF_PHOTONS, checked_holes
from ..sample.plain_arrays import (
    column_names,
    find_column,
    find_sky_columns,
    one_per_cluster,
    plain_column,
)
from ..sample.units import check_plausible
from .field import is_removed, separation


def remove_sources(sample, catalog, *, radius=None) -> ClusterSample:
    """Remove the photons of point sources, and remember where.

    `PhotonMapper` and `ProxyMeasurer` then correct for the area that is lost.

    Parameters
    ----------
    sample : ClusterSample
        Sample with photons and centers.
    catalog : table or SkyImage
        Catalog of sources with the columns ``ra`` and ``dec`` [deg] (as catalogs spell
        them), in any kind of table; or a mask from `read_image`, which is 0 where photons
        are to be removed. A mask says nothing about what lies outside of it.
    radius : float, array-like of shape (n_sources,) or str, default=None
        Radius of the circle that is removed about each source of a catalog [deg], or the
        column that holds it. 30 arcsec are ``30 / 3600``. About photons of count images it
        grows by half the diagonal of a pixel.

    Returns
    -------
    cleaned : ClusterSample
        Sample with fewer photons and with `mask` or `holes`. Maps and coverage, which
        show the old photons, are dropped.

    Raises
    ------
    ValueError
        No photon would be left: a mask may be inverted. Or the mask holds other values than
        two, as an exposure map does.

    Warns
    -----
    UserWarning
        The center of a cluster is removed: catalogs may list the cluster itself. Or the
        mask, or all sources of the catalog, lie in another field.

    Examples
    --------
    >>> from skcluster import ClusterSample, remove_sources
    >>> photons = {"ra": [10.0, 10.1, 10.101], "dec": [0.0] * 3, "energy": [1.0] * 3}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> sources = {"RAJ2000": [10.1, 80.0], "DEJ2000": [0.0, 0.0]}
    >>> cleaned = remove_sources(sample, sources, radius=30 / 3600)
    >>> cleaned.photons["ra"], cleaned.holes.lengths
    (array([10.]), array([1]))
    """
    require(sample, "photons", "center", by="remove_sources")
    n_clusters = len(sample)
    if isinstance(catalog, SkyImage):
        if radius is not None:
            raise TypeError("A mask has no radius: leave it out.")
        if sample.mask is not None:
            raise ValueError(
                "The sample has a mask already. Multiply the two, and give their product."
            )
        _check_mask(catalog, sample)
        mask = SkyImages([catalog], np.zeros(n_clusters, int))
        marked = sample.assign(mask=mask)
    else:
        marked = sample.assign(holes=_holes(sample, *_circles(catalog, radius)))
    photons = sample.photons
    removed = [
        is_removed(marked, i, photons[i]["ra"], photons[i]["dec"])
        for i in range(n_clusters)
    ]
    kept = undescribed(photons, "photons").select(~np.concatenate(removed))
    _check_what_is_left(marked, photons, kept)
    return marked.drop(*MADE_OF_PHOTONS).assign(photons=kept)


def _check_mask(mask, sample):
    """Refuse an image of more than two values, and warn if no photon lies in it."""
    kinds = np.unique(mask.values)
    if not np.isfinite(kinds).all() or len(kinds[kinds != 0]) > 1:
        raise ValueError(
            f"{mask} must be 0 where photons are removed and 1 where they are kept, but it "
            f"holds {len(kinds)} values from {kinds[0]:.4g} to {kinds[-1]:.4g}. Is it an "
            "exposure map? Give such to with_exposure_map."
        )
    photons = sample.photons
    if len(photons["ra"]) and np.isnan(mask.at(photons["ra"], photons["dec"])).all():
        (ra, dec), (mask_ra, mask_dec) = sample.center[0], mask.center
        warnings.warn(
            f"{mask} lies in another field than the photons (its middle is RA "
            f"{mask_ra:.4f}, Dec {mask_dec:.4f}, the first cluster at RA {ra:.4f}, Dec "
            f"{dec:.4f}), so it removes nothing. Give the mask of their field.",
            UserWarning,
            stacklevel=3,
        )


def _circles(catalog, radius):
    """Return RA, Dec and radius of the sources [deg]."""
    names = column_names(catalog)
    found = find_sky_columns(names)
    if found is None:
        raise ValueError(
            f"The catalog of sources lacks the columns ra and dec; it has {names}."
        )
    ra, dec = (
        plain_column(catalog[column], column, row).astype(float)
        for column, row in zip(found, ("ra", "dec"), strict=True)
    )
    unknown = np.flatnonzero(~np.isfinite(ra + dec))
    if len(unknown):
        raise ValueError(
            f"{len(unknown)} of {len(ra)} sources have no position (first: row "
            f"{unknown[0]}). Drop them."
        )
    if radius is None:
        raise TypeError(
            "remove_sources needs the radius of a catalog's sources. Give radius: one "
            "number for all [deg], one per source, or the name of the catalog's column."
        )
    if isinstance(radius, str):
        column = find_column(names, radius)
        if column is None:
            raise ValueError(f"The catalog has no column {radius!r}; it has {names}.")
        radius = plain_column(catalog[column], column, "source_radius")
    else:
        single = np.ndim(radius) == 0
        radius = one_per_cluster("source_radius", radius, len(ra))
        if single and len(ra):
            check_plausible("source_radius", radius[0], "radius")
    check_plausible("source_radius", radius, "radius", rows="source")
    return ra, dec, radius.astype(float)


def _holes(sample, ra, dec, radius):
    """Return the holes of each cluster: sources that touch its field or its photons."""
    tables = []
    for i, center in enumerate(sample.center):
        photons = sample.photons[i]
        field = 0 if sample.field_radius is None else sample.field_radius[i]
        reach = separation(photons["ra"], photons["dec"], *center).max(initial=field)
        # A pixel that a source touches holds photons of it, wherever its center is.
        touching = radius + _half_diagonal(photons)
        near = separation(ra, dec, *center) <= reach + touching
        tables.append({"ra": ra[near], "dec": dec[near], "radius": touching[near]})
    holes = checked_holes(Ragged.from_tables(tables))
    if len(ra) and not holes.lengths.any():
        warnings.warn(
            f"None of the {len(ra)} sources is near the photons of a cluster (the first is "
            f"at RA {ra[0]:.4f}, Dec {dec[0]:.4f}), so nothing is removed. They must be in "
            "degrees, and of the same field.",
            UserWarning,
            stacklevel=3,
        )
    if sample.holes is None:
        return holes
    both = [
        {name: np.append(old[name], new[name]) for name in ("ra", "dec", "radius")}
        for old, new in zip(sample.holes, holes, strict=True)
    ]
    return Ragged.from_tables(both)


def _half_diagonal(photons):
    """Half the diagonal of the pixels of photons that are from count images [deg]."""
    if "pixel" not in photons:
        return 0.0
    return photons["pixel"].max(initial=0) / np.sqrt(2)


def _check_what_is_left(sample, before, after):
    """Refuse what leaves no cluster, and warn of clusters whose center is removed."""
    center = sample.center
    lost = np.array(
        [is_removed(sample, i, *center[i : i + 1].T)[0] for i in range(len(center))]
    )
    n_before, n_after = before.offsets[-1], after.offsets[-1]
    if n_before and (n_after == 0 or (lost.all() and 2 * n_after < n_before)):
        raise ValueError(
            f"{n_before - n_after} of {n_before} photons would be removed, those of the "
            "clusters' centers among them. Is the mask inverted? It must be 1 where photons"
            " are kept and 0 where they are removed. Or does the catalog list the clusters "
            "themselves, or is its radius too large?"
        )
    if lost.any():
        warnings.warn(
            f"The centers of {lost.sum()} of {len(lost)} clusters are removed (first: "
            f"cluster {np.argmax(lost)}). Leave the clusters themselves out of the mask or "
            "catalog of sources.",
            UserWarning,
            stacklevel=3,
        )
