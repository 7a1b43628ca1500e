"""Profiles of the saliency with distance from the cluster's center."""

import numpy as np
from sklearn.utils import Bunch, gen_batches

from ..parameters import REFUSED, Edges, Integer
from ..sample import half_width_of
from ..sample.plain_arrays import as_numbers, plain_array
from ..sample.units import check_plausible
from .cluster_statistics import CLUSTERS_PER_BLOCK, percentiles, ratio

RADIUS_MAX, N_BINS = 3.0, 60
"""Default bins, 0.05 R500c wide: about one pixel of a median cluster."""
FARTHEST = 50.0
"""Largest edge of an annulus [R500c]: beyond are no photons, but radii in kpc or arcsec."""


def radial_saliency(saliency, r500c, *, half_width=None, bins=None, band=None):
    r"""Profile of the saliency with radius in units of R500c (paper Fig. 7).

    For each cluster, the mean over the pixels whose centers lie in an annulus; then, for
    each annulus, the median and the 16th and 84th percentile over clusters.

    Parameters
    ----------
    saliency : array-like or SparseMaps of shape (n_clusters, n_bands, n_pixels, n_pixels)
    r500c : array-like of shape (n_clusters,)
        [comoving Mpc/h]
    half_width : float, default=None
        Half the side of the maps [comoving Mpc/h]. None takes it from SparseMaps made
        by a `PhotonMapper`; for an array give that mapper's, such as
        ``pipeline[0].half_width``.
    bins : int or array-like of shape (n_bins + 1,), default=None
        Edges of the annuli in :math:`r / R_{500c}`, which are half-open; or their number,
        with equal widths between 0 and 3. None is 60.
    band : int, default=None
        Number of the energy band; None takes the mean over the bands.

    Returns
    -------
    profile : Bunch
        ``edges`` (n_bins + 1,); ``radius`` (n_bins,), the middle of each annulus;
        ``median``, ``low`` and ``high`` (n_bins,); ``n_clusters`` (n_bins,), the number of
        clusters with a pixel in the annulus; and ``profiles`` (n_clusters, n_bins), NaN
        where the center of no pixel lies in the annulus.

    Notes
    -----
    The paper does not say whether its 16th to 84th percentile is over pixels or over
    clusters. Over clusters, each has the same weight, whatever the number of its pixels.
    The corners of the square, beyond `half_width`, are part of the profile. So are pixels
    that were not observed, where saliency with ``per_photon=True`` is 0: under masks,
    gaps, and beyond the field of view such means are too low, unlike those of the gradient
    itself.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import radial_saliency
    >>> saliency = np.zeros((1, 1, 4, 4))
    >>> saliency[:, :, 1:3, 1:3] = 7
    >>> profile = radial_saliency(saliency, [1.0], half_width=1.0, bins=[0, 0.5, 1, 1.5])
    >>> profile.median
    array([7., 0., 0.])
    """
    half_width = half_width_of(saliency, half_width, by="radial_saliency")
    saliency = _checked_finite(checked_saliency(saliency))
    n = len(saliency)
    r500c = checked_r500c(r500c, n)
    edges = _checked_edges(bins)
    band = (Integer() | None).check("band", band)
    if band is not None and band not in range(-saliency.shape[1], saliency.shape[1]):
        raise ValueError(
            f"band={band!r} is not one of the {saliency.shape[1]} bands of the saliency."
        )
    radius = pixel_radius(saliency.shape[-2:], half_width).ravel()
    order = np.argsort(radius, kind="stable")
    profiles = np.empty((n, len(edges) - 1))
    for rows in gen_batches(n, CLUSTERS_PER_BLOCK):
        part = saliency[rows].mean(1, float) if band is None else saliency[rows, band]
        pixels = part.reshape(len(part), -1)[:, order]
        profiles[rows] = _annulus_means(pixels, radius[order], edges, r500c[rows])
    return profiles_of_sample(edges, profiles)


def profiles_of_sample(edges, profiles):
    """Bundle the profiles of clusters, of shape (n_clusters, n_bins), with their median."""
    low, median, high = percentiles(profiles)
    return Bunch(
        edges=edges,
        radius=(edges[1:] + edges[:-1]) / 2,
        median=median,
        low=low,
        high=high,
        n_clusters=np.isfinite(profiles).sum(axis=0),
        profiles=profiles,
    )


def pixel_radius(shape, half_width):
    """Distance of each pixel's center from the center of the map.

    Examples
    --------
    >>> pixel_radius((2, 2), 2.0).round(3)
    array([[1.414, 1.414],
           [1.414, 1.414]])
    """
    y, x = ((np.arange(size) + 0.5) * (2 / size) - 1 for size in shape)
    return half_width * np.hypot(y[:, None], x)


def checked_saliency(saliency, *, without_sign=False):
    """Return saliency as an array with four axes, or refuse it."""
    saliency = plain_array(saliency, "Saliency", "")
    if saliency.ndim != 4 or len(saliency) == 0:
        raise ValueError(
            "Saliency must have shape (n_clusters, n_bands, n_pixels, n_pixels) with at "
            f"least 1 cluster, got {saliency.shape}."
        )
    if without_sign and not (saliency >= 0).all():
        raise ValueError(
            "Attention is a mean of saliency without sign, but some is negative or NaN. "
            "Explain with signed=False, or take np.abs(saliency)."
        )
    return saliency


def _checked_finite(saliency):
    # In a running sum, one NaN would spoil all annuli beyond it.
    wrong = np.flatnonzero(~np.isfinite(saliency).all(axis=(1, 2, 3)))
    if len(wrong):
        raise ValueError(
            f"The saliency of {len(wrong)} of {len(saliency)} clusters has NaN or infinite "
            f"pixels (first: cluster {wrong[0]}). Leave these clusters out."
        )
    return saliency


def checked_r500c(r500c, n_clusters):
    """Return radii as positive numbers, one per cluster, or refuse them."""
    r500c = as_numbers(r500c, "r500c", "r500c")
    if r500c.shape != (n_clusters,):
        raise ValueError(
            f"r500c has the shape {r500c.shape}, but there are {n_clusters} clusters."
        )
    check_plausible("r500c", r500c, rows="cluster")
    return r500c


def _annulus_means(pixels, radius, edges, r500c):
    """Mean of each map's pixels in annuli; `pixels` and `radius` are sorted by radius."""
    ends = np.searchsorted(radius, edges * r500c[:, None], side="left")
    summed = np.zeros((len(pixels), pixels.shape[1] + 1))
    np.cumsum(pixels, axis=1, dtype=float, out=summed[:, 1:])
    total = np.diff(np.take_along_axis(summed, ends, axis=1), axis=1)
    return ratio(total, np.diff(ends, axis=1))


class EdgesInR500c(Edges):
    """Edges of annuli in units of R500c, not in kpc or arcsec."""

    def read(self, value):
        edges = super().read(value)
        if edges is REFUSED or (edges[np.isfinite(edges)] > FARTHEST).any():
            return REFUSED
        return edges

    def hint(self, value):
        if super().read(value) is REFUSED:
            return ""
        return f"Edges are in R500c: finite ones are {FARTHEST:g} at most."


def _checked_edges(bins):
    edges = (Integer(1) | EdgesInR500c() | None).check("bins", bins)
    edges = N_BINS if edges is None else edges
    return np.linspace(0, RADIUS_MAX, edges + 1) if isinstance(edges, int) else edges
