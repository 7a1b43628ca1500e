"""How the scores of a calibration depend on predicted mass and redshift, smoothly."""

import numpy as np
from scipy.special import log_ndtr

from ..cluster_weights import effective_number, weighted_std
from ..sample import ClusterSample

PRIOR_WIDTH = 0.3
"""Expected size of the coefficients, which matters for some hundred clusters at most.

The inputs have a variance of 1. So the mean of the scores is expected to change by 0.3 of
their standard deviation within one of redshift or mass, and their width by 30 %.
"""
PRIOR_WIDTH_AT_ENDS = 1.0
"""The same of the terms at the ends: 1 where predictions know nothing of the ends."""
LARGEST = 4.0
"""Scores count as no more than this many standard deviations, lest a few decide."""
MOST_STEPS, LARGEST_STEP = 100, 0.5


def trend_inputs(X, mean, rows):
    """Return what scores may depend on: predicted masses and, of a sample, redshifts."""
    if not isinstance(X, ClusterSample):
        return mean[:, None]
    return np.column_stack([mean, X.redshift[rows]])


def learn_trend(scores, inputs, weight=None, ends=None):
    r"""Learn the mean and the width of scores as functions of other quantities.

    .. math::

        t \sim N(b, w^2), \qquad b = t_0 + w_0 \sum_k \beta_k P_k, \qquad
        \ln w = \ln w_0 + \sum_k \gamma_k P_k

    with the mean :math:`t_0` and the standard deviation :math:`w_0` of all scores. The
    :math:`P_k` are products of up to two of the standardized inputs, and their cubes. Of
    predictions that do not know where training masses end, those near the lower end are too
    low, and those near the upper end too high, by the mean of a truncated Gaussian. So each
    end adds :math:`\varphi(d) / \Phi(d)`, with the distance d of the first input from it in
    units of the input's errors. The coefficients have the highest likelihood, with a
    Gaussian prior on all but those of :math:`P_0 = 1`.

    Parameters
    ----------
    scores : ndarray of shape (n,)
    inputs : ndarray of shape (n, n_inputs)
    weight : ndarray of shape (n,), default=None
        Weights of the logarithms of the likelihood, scaled such that they sum up to the
        effective number of scores.
    ends : tuple of 3 float, default=None
        Least and greatest mass, between which the first input is predicted, and the
        standard deviation of its errors; without errors, nothing is learned at the ends.

    Returns
    -------
    trend : dict of str to ndarray
        What `follow_trend` needs.
    left : ndarray of shape (n,)
        Scores without their trend, :math:`(t - b) / w`, each with the trend of all others
        (to first order), so that they vary as those of new clusters do.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> mass = rng.uniform(13.5, 15, 5000)
    >>> t = rng.normal(mass - 14, 0.5 + 0.5 * (mass - 13.5))
    >>> trend, left = learn_trend(t, mass[:, None])
    >>> mean, width = follow_trend(trend, np.array([[13.75], [14.75]]))
    >>> bool(np.allclose(mean, [-0.25, 0.75], atol=0.1))
    True
    >>> bool(np.allclose(width, [0.625, 1.125], rtol=0.1))
    True
    """
    deviation = inputs.std(axis=0)
    if weight is not None:
        weight = weight * (effective_number(weight) / weight.sum())
        deviation = np.array([weighted_std(column, weight) for column in inputs.T])
    middle = np.average(inputs, axis=0, weights=weight)
    trend = {
        "moments": np.array([middle, np.where(deviation > 0, deviation, 1)]),
        "limits": np.array([inputs.min(axis=0), inputs.max(axis=0)]),
        "score_moments": np.array(
            [np.average(scores, weights=weight), weighted_std(scores, weight)]
        ),
    }
    at_ends = ends is not None and ends[2] > 0
    if at_ends:
        trend["ends"] = np.array(ends)
    terms = _terms(trend, inputs)
    expected = np.full(terms.shape[1], PRIOR_WIDTH)
    if at_ends:
        expected[-2:] = PRIOR_WIDTH_AT_ENDS
    penalty = np.diag(np.append(0.0, expected[1:] ** -2))
    center, scale = trend["score_moments"]
    times = 1.0 if weight is None else weight
    t = (scores - center) / scale
    trend["coefficients"], left = _most_likely(t, terms, penalty, times)
    return trend, left


def _most_likely(t, terms, penalty, times):
    """Coefficients with which standardized scores are most likely, and what they leave."""
    coefficients = np.zeros((2, terms.shape[1]))
    for _ in range(MOST_STEPS):
        # Fisher's scoring: the information matrix of a Gaussian is block-diagonal.
        width = np.exp(terms @ coefficients[1])
        left = (t - terms @ coefficients[0]) / width
        clipped = np.clip(left, -LARGEST, LARGEST)
        inverse = _inverses(terms, width, penalty, times)
        slopes = times * clipped / width, times * (clipped**2 - 1)
        gradient = np.array([terms.T @ slope for slope in slopes])
        gradient -= coefficients @ penalty
        step = np.einsum("kij,kj->ki", inverse, gradient)
        change = np.abs(step @ terms.T).max()
        coefficients += step / max(1.0, change / LARGEST_STEP)
        if np.abs(step).max() < 1e-9:
            break
    leverage = times * np.einsum("ni,kij,nj->kn", terms, inverse, terms)
    left_out = left / (1 - np.minimum(leverage[0] / width**2, 0.9))
    return coefficients, left_out * np.exp(leverage[1] * (clipped**2 - 1))


def follow_trend(trend, inputs):
    """Mean and width of the scores that are expected at some inputs.

    Beyond the least and the greatest input that the trend was learned from, it is constant.

    Parameters
    ----------
    trend : dict of str to ndarray
        Result of `learn_trend`.
    inputs : ndarray of shape (n, n_inputs)

    Returns
    -------
    mean, width : ndarray of shape (n,)
    """
    (center, scale), terms = trend["score_moments"], _terms(trend, inputs)
    shift, log_width = trend["coefficients"] @ terms.T
    return center + scale * shift, scale * np.exp(log_width)


def _terms(trend, inputs):
    """Products of up to two standardized inputs, their cubes, and ends: (n, n_terms)."""
    (middle, scale), limits = trend["moments"], trend["limits"]
    inside = np.clip(inputs, *limits)
    x = (inside - middle) / scale
    one_and_x = np.column_stack([np.ones(len(x)), x])
    first, second = np.triu_indices(one_and_x.shape[1])
    terms = [one_and_x[:, first] * one_and_x[:, second], x**3]
    if "ends" in trend:  # older models have none
        low, high, width = trend["ends"]
        distance = np.stack([inside[:, 0] - low, high - inside[:, 0]], axis=1) / width
        terms.append(
            np.exp(-(distance**2) / 2 - log_ndtr(distance)) / np.sqrt(2 * np.pi)
        )
    return np.column_stack(terms)


def _inverses(terms, width, penalty, times):
    """Covariances of the coefficients of the mean and of the logarithm of the width."""
    root = np.sqrt(times * np.ones(len(terms)))[:, None]
    weighted = root * terms / width[:, None]
    terms = root * terms
    return np.linalg.inv(
        np.array([weighted.T @ weighted + penalty, 2 * terms.T @ terms + penalty])
    )
