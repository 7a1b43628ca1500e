"""Saliency of one kind of pixels over that of another, equally far from the centre."""

import numpy as np
from sklearn.utils import Bunch

from ..parameters import NonNegative
from .attention import checked_mask
from .cluster_statistics import log10_or_nan, ratio, seed_of, summary
from .radial_profile import checked_saliency

CLUSTERS_PER_BLOCK = 128


def equal_radius_contrast(
    saliency, over, under, *, ring_width=0.0, groups=None, random_state=None
):
    r"""How much harder an estimator looks at some pixels than at others equally far out.

    Sources differ in where they lie, and saliency falls with radius whatever is there, so
    the ratio of two masks' means (`source_attention`) mixes both. Here each pixel p of
    one mask is compared with the mean over the pixels of the other at its own radius,

    .. math::

        C = \log_{10} \frac{\sum_p S_p}{\sum_p \langle S \rangle_{r(p)}}

    for each cluster, over those p that have such a partner, with S the mean over the
    bands. An estimator that looks k times as hard at the first kind of pixels, with any
    weighting by radius, has :math:`C = \log_{10} k`.

    Parameters
    ----------
    saliency : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Without sign.
    over, under : bool array of shape (n_clusters, n_pixels, n_pixels)
        The pixels in question, such as ``source_masks(...)["agn"]``, and those that they
        are compared with, such as ``["icm"]``.
    ring_width : float, default=0
        Pixels are equally far out if they lie in one ring of this width [pixels]. With 0
        their centres lie at the very same distance, which holds for eight or more pixels
        of a square; wider rings give more pixels a partner, and weight by radius a
        little.
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Of the bootstrap error.

    Returns
    -------
    contrast : Bunch
        ``per_cluster``, C [dex], NaN where nothing can be compared, and ``compared``, the
        part of the pixels in `over` with a partner, both of shape (n_clusters,);
        ``median``, ``low``, ``high`` (16th and 84th percentile), ``median_error``
        (bootstrap) and ``n_clusters`` of C.

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
    for start in range(0, n, CLUSTERS_PER_BLOCK):
        rows = slice(start, start + CLUSTERS_PER_BLOCK)
        parts = _compared(saliency[rows].mean(1, float), over[rows], under[rows], ring)
        seen[rows], expected[rows], compared[rows] = parts
    per_cluster = log10_or_nan(ratio(seen, expected))
    found = summary(per_cluster, groups, seed_of(random_state))
    return Bunch(per_cluster=per_cluster, compared=compared, **found)


def _rings(shape, width):
    """A number for each pixel, the same for pixels that are equally far out."""
    width = NonNegative().check("ring_width", width)
    # Twice the offsets are integers, so that equal distances are equal.
    y, x = (2 * np.arange(size) - (size - 1) for size in shape)
    square = (y[:, None] ** 2 + x**2).ravel()
    if width > 0:
        square = np.floor(np.sqrt(square) / (2 * width))
    return np.unique(square, return_inverse=True)[1]


def _compared(pixels, over, under, ring):
    """Sums of saliency and of its expectation, and the part of pixels with a partner."""
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
