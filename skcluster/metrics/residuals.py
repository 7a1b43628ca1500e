"""Bias and scatter of predicted masses about the true ones, and their errors.

Everywhere ``y_true`` and ``y_pred`` are log10 masses, as regressors take and return
them. A residual in dex times 100 ln 10 is per cent in ln M.
"""

from collections.abc import Callable
from functools import partial
from itertools import groupby, islice

import numpy as np
from sklearn.metrics import make_scorer
from sklearn.utils import check_random_state

from ..cluster_weights import checked_weights, weighted_quantile, weighted_std
from ..parameters import Choice, Integer
from ..plausible_masses import MASS_RANGE, check_evident_unit, check_same_unit
from ..sample.plain_arrays import refuse_masked
from ..sample.units import in_our_unit
from .columns import checked_columns, independent_groups


def mass_residual(y_true, y_pred, *, mass_range=MASS_RANGE):
    r"""Residual of each predicted mass (paper Eq. 9).

    .. math::

        \epsilon = \log_{10} \frac{M_\mathrm{pred}}{M_\mathrm{true}}

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_clusters,)
        log10 masses.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Where log10 masses [Msun/h] lie; true masses that evidently are in another unit are
        refused. None takes any numbers.

    Returns
    -------
    residual : ndarray of shape (n_clusters,)
        [dex], positive where the mass is overestimated.

    Examples
    --------
    >>> from skcluster.metrics import mass_residual
    >>> mass_residual([14.0, 14.5], [14.1, 14.25])
    array([ 0.1 , -0.25])
    """
    y_true, y_pred = _checked_masses(y_true, y_pred, mass_range, by="mass_residual")
    return y_pred - y_true


def mass_bias(
    y_true,
    y_pred,
    *,
    kind="median",
    unit="dex",
    sample_weight=None,
    mass_range=MASS_RANGE,
) -> float:
    """Bias of predicted masses: the median or mean of their residuals.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_clusters,)
        log10 masses.
    kind : {"median", "mean"}, default="median"
    unit : {"dex", "percent"}, default="dex"
    sample_weight : array-like of shape (n_clusters,), default=None
        Number of times that each cluster counts.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Where log10 masses [Msun/h] lie; true masses that evidently are in another unit are
        refused. None takes any numbers.

    Returns
    -------
    bias : float
        [`unit`], positive where masses are overestimated.

    Examples
    --------
    >>> from skcluster.metrics import mass_bias
    >>> y_true, y_pred = [14.0, 14.0, 14.0], [14.0, 14.1, 14.8]
    >>> round(mass_bias(y_true, y_pred), 3)
    0.1
    >>> round(mass_bias(y_true, y_pred, kind="mean"), 3)
    0.3
    """
    y_true, y_pred = _checked_masses(y_true, y_pred, mass_range, by="mass_bias")
    center = BIASES[Choice(BIASES).check("kind", kind)]
    weight = checked_weights(sample_weight, len(y_true), by="mass_bias")
    return UNITS[Choice(UNITS).check("unit", unit)](center(y_pred - y_true, weight))


def mass_scatter(
    y_true, y_pred, *, kind="std", unit="dex", sample_weight=None, mass_range=MASS_RANGE
) -> float:
    r"""Scatter of predicted masses: the width of their residuals about their center.

    Compare only scatters of the same kind: outliers widen ``"std"``, but hardly
    ``"robust"``,

    .. math::

        \sigma_\mathrm{robust} = (p_{84} - p_{16}) / 2

    with :math:`p_q` the q-th percentile of the residuals.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_clusters,)
        log10 masses.
    kind : {"std", "robust"}, default="std"
        The standard deviation divides by n.
    unit : {"dex", "percent"}, default="dex"
    sample_weight : array-like of shape (n_clusters,), default=None
        Number of times that each cluster counts; the percentiles then are those of
        `numpy.quantile` with ``method="averaged_inverted_cdf"``.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Where log10 masses [Msun/h] lie; true masses that evidently are in another unit are
        refused. None takes any numbers.

    Returns
    -------
    scatter : float
        [`unit`]

    Examples
    --------
    >>> from skcluster.metrics import mass_scatter
    >>> y_true, y_pred = [14.0, 14.0, 14.0, 14.0], [14.1, 13.9, 14.1, 13.9]
    >>> round(mass_scatter(y_true, y_pred), 3)
    0.1
    >>> round(mass_scatter(y_true, y_pred, unit="percent"), 1)
    23.0
    """
    y_true, y_pred = _checked_masses(y_true, y_pred, mass_range, by="mass_scatter")
    width = SCATTERS[Choice(SCATTERS).check("kind", kind)]
    weight = checked_weights(sample_weight, len(y_true), by="mass_scatter")
    return UNITS[Choice(UNITS).check("unit", unit)](width(y_pred - y_true, weight))


def dex_to_percent(dex):
    r"""Convert a scatter or bias in log10 M to per cent in ln M.

    .. math::

        100 \, \sigma_{\ln M} = 100 \, \ln 10 \; \sigma_{\log_{10} M}

    Parameters
    ----------
    dex : float or array-like

    Returns
    -------
    percent : float or ndarray

    Examples
    --------
    >>> from skcluster.metrics import dex_to_percent
    >>> dex_to_percent([0.1, 0.2]).round(2)
    array([23.03, 46.05])
    """
    refuse_masked(dex, "dex")
    percent = 100 * np.log(10) * np.asarray(in_our_unit("log_mass", dex, "dex"), float)
    return percent if percent.ndim else float(percent)


def bootstrap_error(
    metric, y_true, y_pred, *, groups=None, n_resamples=1000, random_state=None
):
    """Bootstrap standard error of a metric, from clusters drawn with replacement.

    Parameters
    ----------
    metric : callable
        ``metric(y_true, y_pred)``: one number, or an array of several.
    y_true, y_pred : array-like of shape (n_clusters,)
        log10 masses.
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster. The snapshots of one halo are not independent, so halos
        are drawn with all their snapshots.
    n_resamples : int, default=1000
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    error : float or ndarray
        Same shape and unit as the result of `metric`.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.metrics import bootstrap_error, mass_scatter
    >>> y_true = np.full(1250, 14.0)
    >>> y_pred = np.random.default_rng(0).normal(14.0, 0.1, 1250)
    >>> error = bootstrap_error(mass_scatter, y_true, y_pred, random_state=0)
    >>> round(error, 3)  # 0.1 / sqrt(2 * 1249)
    0.002
    """
    y_true, y_pred = checked_columns(y_true=y_true, y_pred=y_pred)
    resamples = _checked_resamples(groups, len(y_true), n_resamples, random_state)
    values = [metric(y_true[rows], y_pred[rows]) for rows in resamples]
    error = np.std(values, axis=0, ddof=1)
    return error if error.ndim else float(error)


def summarize_residuals(
    y_true,
    y_pred,
    *,
    groups=None,
    n_resamples=1000,
    random_state=None,
    mass_range=MASS_RANGE,
):
    """Return both scatters and both biases with their bootstrap errors, as a table row.

    Parameters
    ----------
    y_true, y_pred : array-like of shape (n_clusters,)
        log10 masses.
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `bootstrap_error`.
    n_resamples : int, default=1000
    random_state : int, RandomState instance or None, default=None
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Where log10 masses [Msun/h] lie; true masses that evidently are in another unit are
        refused. None takes any numbers.

    Returns
    -------
    summary : dict of str to float
        ``n_clusters``; then ``std``, ``robust``, ``mean_bias`` and ``median_bias``,
        each as ``…_dex``, ``…_dex_error``, ``…_percent`` and ``…_percent_error``.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.metrics import summarize_residuals
    >>> y_true = np.full(200, 14.0)
    >>> y_pred = np.random.default_rng(0).normal(14.0, 0.1, 200)
    >>> summary = summarize_residuals(y_true, y_pred, random_state=0)
    >>> summary["n_clusters"]
    200
    >>> print("{std_percent:.1f} ± {std_percent_error:.1f} %".format_map(summary))
    22.1 ± 1.0 %
    """
    y_true, y_pred = _checked_masses(
        y_true, y_pred, mass_range, by="summarize_residuals"
    )
    residual = y_pred - y_true
    resamples = _checked_resamples(groups, len(residual), n_resamples, random_state)
    values = [_summary(residual[rows]) for rows in _stacked(resamples, len(residual))]
    errors = np.std(np.concatenate(values), axis=0, ddof=1)
    summary = {"n_clusters": len(y_true)}
    for name, value, error in zip(SUMMARY, _summary(residual), errors, strict=True):
        for unit, convert in UNITS.items():
            summary[f"{name}_{unit}"] = convert(value)
            summary[f"{name}_{unit}_error"] = convert(error)
    return summary


def _mean(residual, weight=None):
    return np.average(residual, axis=-1, weights=weight)


def _median(residual, weight=None):
    if weight is None:
        return np.median(residual, axis=-1)
    return weighted_quantile(residual, 0.5, weight)


def _robust_width(residual, weight=None):
    if weight is None:
        low, high = np.percentile(residual, [16, 84], axis=-1)
    else:
        low, high = weighted_quantile(residual, [0.16, 0.84], weight)
    return (high - low) / 2


BIASES = {"median": _median, "mean": _mean}
SCATTERS = {"std": weighted_std, "robust": _robust_width}
UNITS = {"dex": float, "percent": dex_to_percent}
SUMMARY: dict[str, Callable] = {
    "std": partial(np.std, axis=-1),
    "robust": _robust_width,
    "mean_bias": _mean,
    "median_bias": _median,
}

neg_mass_scatter = make_scorer(mass_scatter, greater_is_better=False)
"""Scorer: minus the standard deviation of the residuals [dex]."""
neg_mass_scatter_robust = make_scorer(
    mass_scatter, greater_is_better=False, kind="robust"
)
"""Scorer: minus the robust scatter of the residuals [dex]."""


def _checked_masses(y_true, y_pred, mass_range, *, by):
    """Return both columns, or refuse them if one evidently is in another unit."""
    y_true, y_pred = checked_columns(y_true=y_true, y_pred=y_pred)
    check_evident_unit(y_true, by=by, mass_range=mass_range)
    if mass_range is not None:
        check_same_unit(y_true=y_true, y_pred=y_pred)
    return y_true, y_pred


def _summary(residual):
    """Return both scatters and both biases along the last axis."""
    return np.stack([statistic(residual) for statistic in SUMMARY.values()], axis=-1)


def _checked_resamples(groups, n_clusters, n_resamples, random_state):
    """Yield the rows of bootstrap samples, whose groups are drawn with replacement."""
    n_resamples = Integer(2).check("n_resamples", n_resamples)
    groups = independent_groups(groups, n_clusters)
    return _resampled_rows(groups, n_resamples, check_random_state(random_state))


def _resampled_rows(groups, n_resamples, rng):
    order = np.argsort(groups, kind="stable")
    length = np.bincount(groups)
    start = np.cumsum(length) - length
    for _ in range(n_resamples):
        drawn = rng.randint(len(length), size=len(length))
        n = length[drawn]
        shift = np.repeat(start[drawn] - (np.cumsum(n) - n), n)
        yield order[np.arange(len(shift)) + shift]


def _stacked(resamples, n_clusters):
    """Yield arrays of shape (n_resamples, n_rows) of successive resamples of one length."""
    n_at_once = max(1, 2**16 // n_clusters)
    for _, equally_long in groupby(resamples, key=len):
        while rows := [*islice(equally_long, n_at_once)]:
            yield np.array(rows)
