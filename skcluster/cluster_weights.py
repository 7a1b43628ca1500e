"""Weights of clusters: the `sample_weight` of fits and metrics, checked and used alike."""

from collections.abc import Mapping

import numpy as np

from .printable import counted
from .sample.plain_arrays import LARGEST, plain_array

LARGEST_RATIO = 1e30
"""Largest ratio of two weights; single precision ends at 3e38."""


def checked_weights(sample_weight, n_clusters, *, by):
    """Return weights as finite numbers of 0 or more, one per cluster; None stays None.

    Parameters
    ----------
    sample_weight : float, array-like of shape (n_clusters,) or None
        One number stands for as many equal ones.
    n_clusters : int
    by : str
        Who takes the weights, for messages.

    Returns
    -------
    weight : ndarray of shape (n_clusters,) or None

    Examples
    --------
    >>> checked_weights([1, 2, 0], 3, by="fit")
    array([1., 2., 0.])
    >>> checked_weights([1, -2, 0], 3, by="fit")
    Traceback (most recent call last):
    ...
    ValueError: 1 of 3 sample_weight of fit are negative, NaN or infinite (first: cluster 1,
    -2).
    """
    if sample_weight is None:
        return None
    weight = plain_array(sample_weight, "sample_weight", "sample_weight")
    if weight.dtype.kind not in "biuf":
        raise ValueError(
            f"sample_weight of {by} must be numbers, got an array of {weight.dtype}."
        )
    weight = weight.astype(float)
    if weight.ndim == 0:
        weight = np.full(n_clusters, weight)
    if weight.shape != (n_clusters,):
        raise ValueError(
            f"sample_weight of {by} has the shape {weight.shape}, but there are "
            f"{counted(n_clusters, 'cluster')}. Give one number per cluster."
        )
    wrong = np.flatnonzero(~(np.isfinite(weight) & (weight >= 0)))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {n_clusters} sample_weight of {by} are negative, NaN or "
            f"infinite (first: cluster {wrong[0]}, {weight[wrong[0]]:g})."
        )
    if n_clusters and not weight.any():
        raise ValueError(
            f"sample_weight of {by} is zero for {counted(n_clusters, 'cluster')}, so there "
            "is nothing to learn from."
        )
    _check_span(weight, by)
    return weight


def _check_span(weight, by):
    """Refuse weights whose ratios or squares are beyond the range of floats."""
    heaviest = weight.max(initial=0)
    lightest = weight.min(initial=heaviest, where=weight > 0)
    if heaviest > min(LARGEST, LARGEST_RATIO * lightest):
        raise ValueError(
            f"sample_weight of {by} goes from {lightest:g} to {heaviest:g} (cluster "
            f"{np.argmax(weight)}), but weights may be {LARGEST:g} at most, and differ by "
            f"factors of {LARGEST_RATIO:g} at most. Give the number of times that each "
            "cluster counts."
        )


def weights_in(params, n_clusters, *, by):
    """Return the weights among the parameters that folds hand to fits, checked.

    Parameters
    ----------
    params : dict or None
        As of scikit-learn's `~sklearn.model_selection.cross_val_predict`, but
        ``sample_weight`` is all that it may hold.
    n_clusters, by
        As in `checked_weights`.

    Returns
    -------
    weight : ndarray of shape (n_clusters,) or None

    Examples
    --------
    >>> weights_in({"sample_weight": 2}, 3, by="compare_estimators")
    array([2., 2., 2.])
    """
    if params is None:
        return None
    if not isinstance(params, Mapping) or {*params} - {"sample_weight"}:
        raise ValueError(
            f"params of {by} must be a dict that holds sample_weight and nothing else, got "
            f"{[*params] if isinstance(params, Mapping) else type(params).__name__}. Set "
            "other parameters of the estimator itself."
        )
    return checked_weights(params.get("sample_weight"), n_clusters, by=by)


def weighted_quantile(values, probability, weight):
    r"""Quantiles of weighted numbers, those of repeated numbers if weights are integers.

    The p-quantile is the number at which the cumulative weight passes :math:`p \sum w`,
    or the mean of two numbers between which it equals that (NumPy's
    ``"averaged_inverted_cdf"``). For p = 1/2 and equal weights that is the median.

    Parameters
    ----------
    values : ndarray of shape (n,)
    probability : float or ndarray
    weight : ndarray of shape (n,)

    Returns
    -------
    quantile : float or ndarray
        Shaped as `probability`.

    Examples
    --------
    >>> import numpy as np
    >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), 0.5, np.array([1, 1, 4]))
    3.0
    >>> weighted_quantile(np.array([1.0, 2.0, 3.0]), 0.5, np.array([2, 1, 1]))
    1.5
    """
    values, weight = values[weight > 0], weight[weight > 0]
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order])
    passed = np.asarray(probability) * cumulative[-1]
    last = len(values) - 1
    ends = [
        values[order][np.minimum(np.searchsorted(cumulative, passed, side), last)]
        for side in ("left", "right")
    ]
    quantile = (ends[0] + ends[1]) / 2
    return quantile if np.ndim(probability) else float(quantile)


def effective_number(weight):
    r"""Number of equal weights that average as well: :math:`(\sum w)^2 / \sum w^2`.

    References
    ----------
    Kish (1965), Survey Sampling.

    Examples
    --------
    >>> import numpy as np
    >>> float(effective_number(np.full(7, 0.3)).round(9))
    7.0
    >>> float(effective_number(np.array([1.0, 1.0, 0.0])))
    2.0
    """
    return weight.sum() ** 2 / (weight @ weight)


def weighted_std(values, weight=None):
    r"""Standard deviation about the weighted mean: the root of :math:`\sum w d^2 / \sum w`.

    Examples
    --------
    >>> import numpy as np
    >>> round(weighted_std(np.array([0.0, 4.0]), np.array([3.0, 1.0])) ** 2, 9)
    3.0
    """
    if weight is None:
        return float(np.std(values))
    center = np.average(values, weights=weight)
    return float(np.sqrt(np.average((values - center) ** 2, weights=weight)))
