"""Ratio of the saliency in two kinds of pixels at the same distance from the center."""

import numpy as np
from sklearn.utils import Bunch, gen_batches

from ..parameters import NonNegative
from .attention import checked_mask
from .cluster_statistics import (
    CLUSTERS_PER_BLOCK,
    log10_or_nan,
    ratio,
    seed_of,
    summary,
)
from .radial_profile import checked_saliency


def equal_radius_contrast(
    saliency, over, under, *, ring_width=0.0, groups=None, random_state=None
):
    r"""Ratio of the saliency in two kinds of pixels, compared at equal radius.

    Different sources lie at different radii, and saliency falls with radius for all of
    them. The ratio of the means over two masks (`source_attention`) mixes both effects.
    Here each pixel p of one mask is compared with the mean over the other mask's pixels
    at its own radius,

    .. math::

        C = \log_{10} \frac{\sum_p S_p}{\sum_p \langle S \rangle_{r(p)}}

    for each cluster, with S the mean over the bands and p running over the pixels for which
    the other mask has any at that radius. An estimator that is k times as sensitive to the
    first kind of pixels as to the second at the same radius has :math:`C = \log_{10} k`,
    however its sensitivity falls with radius.

    Parameters
    ----------
    saliency : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Absolute values.
    over, under : bool array of shape (n_clusters, n_pixels, n_pixels)
        Masks of the pixels in the numerator, such as ``source_masks(...)["agn"]``, and
        in the denominator, such as ``["icm"]``.
    ring_width : float, default=0
        Width of the rings in which pixels count as equally far out [pixels]. With 0,
        their centers must lie at exactly the same distance, which eight pixels or more
        can share. In wider rings more pixels can be compared, but saliency may fall a
        little within a ring.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap error.

    Returns
    -------
    contrast : Bunch
        ``per_cluster``, C [dex], NaN where nothing can be compared, and ``compared``, the
        fraction of the pixels in `over` that could be compared, both of shape
        (n_clusters,); and ``median``, ``low``, ``high`` (16th and 84th percentile),
        ``median_error`` (bootstrap) and ``n_clusters`` of C.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.explain import equal_radius_contrast
    >>> saliency = np.array([[[[1.0, 5.0], [1.0, 1.0]]]])
    >>> agn = np.array([[[False, True], [False, False]]])
    >>> (10 ** equal_radius_contrast(saliency, agn, ~agn).per_cluster).round(3)
    array([5.])
    """
    saliency = checked_saliency(saliency, without_sign=True)
    over = checked_mask("over", over, saliency)
    under = checked_mask("under", under, saliency)
    ring = _rings(saliency.shape[-2:], ring_width)
    n = len(saliency)
    seen, expected, compared = np.empty((3, n))
    for rows in gen_batches(n, CLUSTERS_PER_BLOCK):
        parts = _compared(saliency[rows].mean(1, float), over[rows], under[rows], ring)
        seen[rows], expected[rows], compared[rows] = parts
    per_cluster = log10_or_nan(ratio(seen, expected))
    found = summary(per_cluster, groups, seed_of(random_state))
    return Bunch(per_cluster=per_cluster, compared=compared, **found)


def _rings(shape, width):
    """Number of the ring of each pixel, equal for pixels at equal distance."""
    width = NonNegative().check("ring_width", width)
    # Doubled offsets are integers, so equal distances are exactly equal.
    y, x = (2 * np.arange(size) - (size - 1) for size in shape)
    square = (y[:, None] ** 2 + x**2).ravel()
    if width > 0:
        square = np.floor(np.sqrt(square) / (2 * width))
    return np.unique(square, return_inverse=True)[1]


def _compared(pixels, over, under, ring):
    """Sums of S and of its mean at the same radius, and the fraction compared."""
    n, n_rings = len(pixels), ring.max() + 1
    pixels, over, under = (part.reshape(n, -1) for part in (pixels, over, under))
    place = np.arange(n)[:, None] * n_rings + ring
    total = np.bincount(place[under], pixels[under], n * n_rings)
    count = np.bincount(place[under], minlength=n * n_rings)
    expected = ratio(total, count)[place]
    has_partner = over & np.isfinite(expected)
    return (
        np.where(has_partner, pixels, 0).sum(axis=1),
        np.where(has_partner, expected, 0).sum(axis=1),
        ratio(has_partner.sum(axis=1), over.sum(axis=1)),
    )
