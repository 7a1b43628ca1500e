r"""Density of true masses at a predicted one, from pairs of held-out clusters.

Kodi Ramanah et al. (2021) describe how the predictions m of a network and the true masses
:math:`\mu` scatter by a Gaussian kernel estimate of their joint density, and take its slice
at the prediction of a new cluster as the posterior. The covariance of the kernel is that of
the pairs times :math:`h^2`, with h = 0.2, so that the slice is

.. math::

    p(\mu | m) \propto \sum_i \exp \left[ -\frac{(m - m_i)^2}{2 h^2 \sigma_m^2} \right]
        \exp \left[ -\frac{(\mu - b m - r_i)^2}{2 h^2 \sigma_r^2} \right] , \qquad
    r_i = \mu_i - b m_i

where b is the slope of the regression of :math:`\mu` on m, and :math:`\sigma_m` and
:math:`\sigma_r` are the standard deviations of the predictions and of the residuals r.
"""

import numpy as np
from sklearn.utils import gen_batches

from ..cluster_weights import weighted_std
from .mass_posterior import N_CELLS
from .smoothing import smoothed_counts

BANDWIDTH = 0.2
"""Width h of the kernel in the released code of Kodi Ramanah et al. 2021."""
CLUSTERS_AT_ONCE = 1024


def cells_at(predicted, pairs):
    """Return cells of true mass, and their probabilities, at each predicted mass.

    Parameters
    ----------
    predicted : ndarray of shape (n_clusters,)
        log10 M.
    pairs : ndarray of shape (3, n_pairs)
        Predicted and true log10 M of held-out clusters, and their weights.

    Returns
    -------
    edges : ndarray of shape (n_clusters, 513)
    probability : ndarray of shape (n_clusters, 512)

    Examples
    --------
    >>> true = np.random.default_rng(0).uniform(13, 15, 2000)
    >>> pairs = np.array([true, true + 0.5, np.ones(2000)])
    >>> pairs[1] += np.random.default_rng(1).normal(0, 0.1, 2000)
    >>> edges, probability = cells_at(np.array([14.0]), pairs)
    >>> middle = (edges[:, 1:] + edges[:, :-1]) / 2
    >>> (probability * middle).sum(axis=1).round(1)
    array([14.5])
    """
    near, true, weight = pairs
    deviation = near - np.average(near, weights=weight)
    slope = np.average(deviation * true, weights=weight)
    slope /= np.average(deviation**2, weights=weight)
    residual = true - slope * near
    widths = BANDWIDTH * np.array(
        [weighted_std(each, weight) for each in (near, residual)]
    )
    low, high = residual.min() - 6 * widths[1], residual.max() + 6 * widths[1]
    edges = np.linspace(low, high, N_CELLS + 1)
    probability = np.empty((len(predicted), N_CELLS))
    for block in gen_batches(len(predicted), CLUSTERS_AT_ONCE):
        log_share = -0.5 * ((predicted[block] - near[:, None]) / widths[0]) ** 2
        # The nearest pair counts, however far off it is.
        share = weight[:, None] * np.exp(log_share - log_share.max(axis=0))
        counts = smoothed_counts(residual, widths[1], edges, share)
        probability[block] = (counts / counts.sum(axis=0)).T
    return slope * predicted[:, None] + edges, probability
