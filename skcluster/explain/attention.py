"""Attention: mean saliency of sources (gas, active nuclei, background) and energy
bands."""

import numpy as np
from sklearn.utils import Bunch, gen_batches

from ..paper import ORIGINS
from ..sample import require
from ..sample.plain_arrays import plain_array
from .cluster_statistics import (
    CLUSTERS_PER_BLOCK,
    log10_or_nan,
    log_summary,
    ratio,
    seed_of,
    summary,
)
from .radial_profile import checked_saliency


def source_maps(sample, mapper):
    """Map the photons of each origin separately.

    Parameters
    ----------
    sample : ClusterSample
        Its photons need the column ``origin``: 0 ICM, 1 AGN, 2 background.
    mapper : PhotonMapper
        The mapper of the explained pipeline, so that the maps have its bands and pixels.

    Returns
    -------
    sources : Bunch
        ``icm``, ``agn`` and ``background``: SparseMaps of shape (n_clusters, n_bands,
        n_pixels, n_pixels), whose sum is the map of all photons.

    Examples
    --------
    >>> from skcluster import ClusterSample, PhotonMapper, source_maps
    >>> photons = {"ra": [10.0, 10.0, 9.99], "dec": [0.0, 0.0, 0.0],
    ...            "energy": [1.0, 1.5, 3.0], "origin": [0, 0, 1]}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> sources = source_maps(sample, PhotonMapper(n_pixels=4))
    >>> [float(sources[name].total()[0]) for name in ("icm", "agn", "background")]
    [2.0, 1.0, 0.0]
    """
    photons = require(sample, "photons", by="source_maps").photons
    origin = origin_of(photons, by="source_maps")
    return Bunch(
        **{
            name: mapper.transform(
                sample.assign(photons=photons.select(origin == code))
            ).maps
            for name, code in ORIGINS.items()
        }
    )


def source_masks(sources):
    """Find the pixels with more photons of gas than of AGN, or more of AGN (section 6.2).

    The bands are summed.

    Parameters
    ----------
    sources : Bunch or dict
        Maps of each source, from `source_maps`.

    Returns
    -------
    masks : Bunch
        Boolean arrays of shape (n_clusters, n_pixels, n_pixels): ``icm``, pixels with more
        photons of the ICM than of AGN; ``agn``, with more of AGN; ``background``, with
        photons of the background alone. Pixels with as many photons of the ICM as of AGN
        belong to neither, and pixels without photons to none.

    Examples
    --------
    >>> from skcluster import SparseMaps, source_masks
    >>> counts = {"icm": [[2, 1], [0, 0]], "agn": [[1, 1], [3, 0]],
    ...           "background": [[1, 0], [0, 1]]}
    >>> sources = {k: SparseMaps.from_dense([[v]]) for k, v in counts.items()}
    >>> {name: mask[0].astype(int).tolist() for name, mask in source_masks(sources).items()}
    {'icm': [[1, 0], [0, 0]], 'agn': [[0, 0], [1, 0]], 'background': [[0, 0], [0, 1]]}
    """
    shape = sources["icm"].shape
    icm, agn, background = (sources[name].band_sum() for name in ORIGINS)
    masks = {
        "icm": (icm > agn).toarray(),
        "agn": (agn > icm).toarray(),
        "background": (background > 0).toarray() & ~(icm + agn > 0).toarray(),
    }
    pixels = (shape[0], *shape[2:])
    return Bunch(**{name: mask.reshape(pixels) for name, mask in masks.items()})


def source_attention(saliency, masks, *, counts=None, groups=None, random_state=None):
    r"""Mean saliency of the pixels that each source dominates (paper Eq. 14).

    .. math::

        S_\mathrm{mask} = \frac{\sum_{ij} M_{ij} S_{ij}}{\sum_{ij} M_{ij}}

    for each cluster, with S the mean over the bands and M a mask.

    Parameters
    ----------
    saliency : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Absolute values.
    masks : Bunch or dict of str to bool array of shape (n_clusters, n_pixels, n_pixels)
        Masks from `source_masks`, and any others, by name.
    counts : Bunch or dict of str to SparseMaps, default=None
        Maps from `source_maps`, for the saliency per photon.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap errors.

    Returns
    -------
    result : Bunch
        One Bunch per mask, under its name, with arrays of shape (n_clusters,):
        ``attention``, the mean saliency, NaN where the mask is empty; ``share``, the part
        of the cluster's summed saliency inside the mask; and with `counts`,
        ``per_photon``, the summed S in the mask per photon of that source in it: photons
        of all bands, S their mean, so that it falls with the number of bands. It also has
        numbers over all clusters: ``log_median``, ``log_low`` and ``log_high`` (16th and
        84th percentile) of log10 attention, ``log_median_error`` (bootstrap) and
        ``n_clusters``.
        With masks ``icm`` and ``agn`` there is also ``log_ratio``, a Bunch with
        ``per_cluster`` of shape (n_clusters,),
        :math:`\log_{10} (S_\mathrm{AGN} / S_\mathrm{ICM})`, and its ``median``, ``low``,
        ``high``, ``median_error`` and ``n_clusters``.

    Notes
    -----
    Pixels of zero saliency are part of the mean. A cluster whose mask is empty, or holds no
    saliency at all, has no logarithm and is not part of ``n_clusters``.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import source_attention
    >>> saliency = np.array([[[[4.0, 2.0], [1.0, 0.0]]]])
    >>> icm = np.array([[[True, True], [False, False]]])
    >>> agn = np.array([[[False, False], [True, True]]])
    >>> result = source_attention(saliency, {"icm": icm, "agn": agn})
    >>> result.icm.attention, result.agn.attention, result.log_ratio.per_cluster.round(2)
    (array([3.]), array([0.5]), array([-0.78]))
    """
    saliency = checked_saliency(saliency, without_sign=True)
    masks = {name: checked_mask(name, masks[name], saliency) for name in masks}
    sums, total = _masked_sums(saliency, masks)
    seed = seed_of(random_state)
    result = Bunch()
    for name, mask in masks.items():
        attention = ratio(sums[name], mask.sum(axis=(1, 2)))
        result[name] = Bunch(attention=attention, share=ratio(sums[name], total))
        if counts is not None and name in counts:
            n_photons = _photons_inside(counts[name], mask)
            result[name]["per_photon"] = ratio(sums[name], n_photons)
        result[name].update(log_summary(attention, groups, seed))
    if {"icm", "agn"} <= set(masks):
        log_ratio = log10_or_nan(ratio(result.agn.attention, result.icm.attention))
        found = summary(log_ratio, groups, seed)
        result["log_ratio"] = Bunch(per_cluster=log_ratio, **found)
    return result


def band_attention(saliency, *, groups=None, random_state=None):
    """Mean saliency of each energy band (paper section 6.3).

    Parameters
    ----------
    saliency : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Absolute values.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap errors.

    Returns
    -------
    result : Bunch
        ``attention`` and ``share`` of shape (n_clusters, n_bands): the mean over a band's
        pixels, and the band's part of the cluster's summed saliency. And of shape
        (n_bands,): ``log_median``, ``log_low``, ``log_high``, ``log_median_error`` and
        ``n_clusters``, as in `source_attention`.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import band_attention
    >>> saliency = np.ones((1, 2, 4, 4)) * [[[[3.0]], [[1.0]]]]
    >>> band_attention(saliency).share
    array([[0.75, 0.25]])
    """
    saliency = checked_saliency(saliency, without_sign=True)
    attention = saliency.mean(axis=(2, 3), dtype=float)
    seed = seed_of(random_state)
    bands = [log_summary(column, groups, seed) for column in attention.T]
    of_bands = {key: np.array([band[key] for band in bands]) for key in bands[0]}
    share = ratio(attention, attention.sum(axis=1, keepdims=True))
    return Bunch(attention=attention, share=share, **of_bands)


def _masked_sums(saliency, masks):
    """Sum each cluster's band-averaged saliency over each mask and over all pixels."""
    n = len(saliency)
    sums, total = {name: np.empty(n) for name in masks}, np.empty(n)
    for rows in gen_batches(n, CLUSTERS_PER_BLOCK):
        pixels = saliency[rows].mean(axis=1, dtype=float)
        total[rows] = pixels.sum(axis=(1, 2))
        for name, mask in masks.items():
            sums[name][rows] = np.einsum("nyx,nyx->n", pixels, mask[rows])
    return sums, total


def origin_of(photons, by):
    """Return the origin of each photon, or refuse photons of unknown origin."""
    if "origin" not in photons:
        raise ValueError(
            f"{by} needs the photons' origin; they have {list(photons.columns)}. "
            "Simulations know it (0 ICM, 1 AGN, 2 background): give it as a column "
            "'origin' of the photon tables."
        )
    origin = photons["origin"]
    unknown = origin[~np.isin(origin, [*ORIGINS.values()])]
    if len(unknown):
        raise ValueError(
            f"The photons' origin must be 0 (ICM), 1 (AGN) or 2 (background); "
            f"{len(unknown)} of {len(origin)} have another (first: "
            f"{unknown[0]})."
        )
    return origin


def _photons_inside(maps, mask):
    if maps.shape[:1] + maps.shape[2:] != mask.shape:
        raise ValueError(
            f"Counts have the shape {maps.shape}, which does not fit masks of shape "
            f"{mask.shape}. Make both from the same source_maps."
        )
    return maps.band_sum().multiply(mask.reshape(len(mask), -1)).sum(axis=1)


def as_booleans(mask, subject):
    """Return a mask as an array of booleans, or refuse masked values and NaN."""
    mask = plain_array(mask, subject, "")
    if mask.dtype.kind == "f" and np.isnan(mask).any():
        raise ValueError(
            f"{subject} is NaN in {np.isnan(mask).sum()} of {mask.size} pixels. Give True "
            "or False."
        )
    return mask.astype(bool)


def checked_mask(name, mask, saliency):
    """Return a mask as booleans, one per pixel of the saliency, or refuse it."""
    mask = as_booleans(mask, f"The mask {name!r}")
    wanted = (len(saliency), *saliency.shape[2:])
    if mask.shape != wanted:
        raise ValueError(
            f"The mask {name!r} has the shape {mask.shape}, but the saliency needs "
            f"{wanted}."
        )
    return mask
