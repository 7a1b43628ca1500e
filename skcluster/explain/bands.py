"""Which bands a saliency falls on."""

import numpy as np
from sklearn.utils import Bunch

from .over_clusters import log_summary, ratio, seed_of
from .radial import checked_saliency


def band_attention(saliency, *, groups=None, random_state=None):
    """Mean saliency of each band (paper section 6.3).

    Parameters
    ----------
    saliency : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Without sign.
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Of the bootstrap errors.

    Returns
    -------
    result : Bunch
        ``attention`` and ``share`` of shape (n_clusters, n_bands), a band's mean over its
        pixels and its part of the cluster's summed saliency; and of shape (n_bands,)
        ``log_median``, ``log_low``, ``log_high``, ``log_median_error`` and ``n_clusters``,
        as of `source_attention`.

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
