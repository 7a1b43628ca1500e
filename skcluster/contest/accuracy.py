"""How good predicted masses are: statistics of one estimator, with bootstrap errors."""

import numpy as np

from ..metrics import bootstrap_error, dex_to_percent, gaussian_pit, interval_coverage

N_SIGMA_OUTLIER = 3.0
"""Residuals farther from the median than this many robust half-widths are outliers; of
Gaussian residuals, 0.27 %."""
N_RESAMPLES, SEED = 1000, 0
"""Number of bootstrap samples, and their seed."""
LEVELS = (0.68, 0.95)
IN_DEX = ("std", "robust", "mean_bias", "median_bias")
"""Statistics in dex, which are also given in per cent of ln M."""
OTHERS = ("outlier_fraction", "mass_slope", "redshift_slope")
WITH_ERRORS = ("coverage_68", "coverage_95")
"""Statistics of estimators that predict errors."""


def summarize(fold):
    r"""Summarize the residuals of one estimator: every statistic and its bootstrap error.

    With :math:`\epsilon = \log_{10} M_\mathrm{pred} - \log_{10} M_\mathrm{true}`:

    ==================== ===============================================================
    ``std``              standard deviation of :math:`\epsilon` [dex]
    ``robust``           half-width of its central 68 per cent [dex]
    ``mean_bias``        mean of :math:`\epsilon` [dex]
    ``median_bias``      median of :math:`\epsilon` [dex]
    ``outlier_fraction`` fraction farther from the median than three times ``robust``
    ``mass_slope``       slope of the regression of :math:`\epsilon` on the true log10 M
    ``redshift_slope``   slope of its regression on the redshift [dex]
    ``coverage_68``      fraction of true masses inside the central 68 per cent of the
                         Gaussians that are predicted; NaN without predicted errors
    ``coverage_95``      the same for 95 per cent
    ==================== ===============================================================

    Parameters
    ----------
    fold : Bunch
        Columns ``log_mass``, ``predicted``, ``redshift``, and ``std`` and ``group`` or
        None for them. Clusters of one group are drawn together.

    Returns
    -------
    summary : dict of str to float
        ``n_clusters``, each statistic, and its error under the name with ``_error``.
        Those in dex have ``_dex`` in their name, and are also given with ``_percent``.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> rng = np.random.default_rng(0)
    >>> true, redshift = rng.uniform(13.5, 15, 500), rng.uniform(0.1, 0.4, 500)
    >>> predicted = true + rng.normal(0, 0.1, 500)
    >>> fold = Bunch(log_mass=true, predicted=predicted, redshift=redshift,
    ...              std=np.full(500, 0.1), group=None)
    >>> summary = summarize(fold)
    >>> print("{std_percent:.1f} ± {std_percent_error:.1f}".format_map(summary))
    23.6 ± 0.7
    >>> print("{coverage_68:.2f} ± {coverage_68_error:.2f}".format_map(summary))
    0.66 ± 0.02
    """
    columns = _float_columns(fold)
    values = _statistics(columns)
    errors = _error_of(_statistics, columns, fold.group)
    summary: dict[str, float] = {"n_clusters": len(fold.log_mass)}
    names = [*IN_DEX, *OTHERS, *WITH_ERRORS]
    for name, value, error in zip(names, values, errors, strict=True):
        if name not in IN_DEX:
            summary |= {name: float(value), f"{name}_error": float(error)}
            continue
        for unit, convert in (("dex", float), ("percent", dex_to_percent)):
            summary[f"{name}_{unit}"] = convert(value)
            summary[f"{name}_{unit}_error"] = convert(error)
    return summary


def gain_over(reference, fold):
    """Compare the scatters of an estimator with those of a reference, cluster by cluster.

    The bootstrap draws the same clusters for both, so the error is that of the difference.

    Parameters
    ----------
    reference, fold : Bunch
        As in `summarize`, with the same clusters in the same order.

    Returns
    -------
    gain : dict of str to float
        ``std_gain`` and ``robust_gain``: how much smaller the scatter is than that of the
        reference, in units of the reference's; and their errors.

    Examples
    --------
    >>> from sklearn.utils import Bunch
    >>> error = np.random.default_rng(0).normal(0, 0.1, 500)
    >>> true = np.full(500, 14.0)
    >>> one, half = (Bunch(log_mass=true, predicted=true + f * error, group=None)
    ...              for f in (1.0, 0.5))
    >>> {name: round(value, 3) for name, value in gain_over(one, half).items()}
    {'std_gain': 0.5, 'std_gain_error': 0.0, 'robust_gain': 0.5, 'robust_gain_error': 0.0}
    """
    residuals = {
        name: np.asarray(each.predicted, float) - np.asarray(each.log_mass, float)
        for name, each in (("reference", reference), ("own", fold))
    }
    values = _gains(residuals)
    errors = _error_of(_gains, residuals, fold.group)
    return {
        key: float(value)
        for name, gain, error in zip(("std", "robust"), values, errors, strict=True)
        for key, value in ((f"{name}_gain", gain), (f"{name}_gain_error", error))
    }


def _float_columns(fold):
    columns = {
        name: np.asarray(fold[name], float)
        for name in ("log_mass", "predicted", "redshift")
    }
    std = None if fold.std is None else np.asarray(fold.std, float)
    # Infinite errors, as of snapshots with few clusters, have no coverage.
    if std is not None and (np.isfinite(std) & (std > 0)).all():
        columns["pit"] = gaussian_pit(columns["log_mass"], columns["predicted"], std)
    return columns


def _error_of(statistics, columns, group):
    """Bootstrap errors of several statistics of columns."""
    rows = np.arange(len(next(iter(columns.values()))), dtype=float)
    if len(rows) < 2 or (group is not None and len(np.unique(group)) < 2):
        return np.full(len(statistics(columns)), np.nan)

    def of_rows(drawn, _):
        drawn = drawn.astype(int)
        return statistics({name: column[drawn] for name, column in columns.items()})

    return bootstrap_error(
        of_rows,
        rows,
        rows,
        groups=group,
        n_resamples=N_RESAMPLES,
        random_state=SEED,
    )


def _statistics(columns):
    residual = columns["predicted"] - columns["log_mass"]
    low, median, high = np.percentile(residual, [16, 50, 84])
    robust = (high - low) / 2
    is_outlier = np.abs(residual - median) > N_SIGMA_OUTLIER * robust
    coverage = np.full(len(LEVELS), np.nan)
    if "pit" in columns:
        coverage, _ = interval_coverage(columns["pit"], LEVELS)
    return np.array(
        [
            residual.std(),
            robust,
            residual.mean(),
            median,
            is_outlier.mean(),
            _slope(columns["log_mass"], residual),
            _slope(columns["redshift"], residual),
            *coverage,
        ]
    )


def _slope(x, y):
    """Slope of the least-squares line; NaN if x is constant."""
    offset = x - x.mean()
    variance = offset @ offset
    return offset @ y / variance if variance > 0 else np.nan


def _gains(residuals):
    own, reference = (
        np.array([each.std(), np.diff(np.percentile(each, [16, 84]))[0]])
        for each in (residuals["own"], residuals["reference"])
    )
    return 1 - own / np.where(reference > 0, reference, np.nan)
