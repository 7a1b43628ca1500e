"""Tests of whether posteriors are calibrated: coverage of intervals, and the PIT.

The probability integral transform (PIT) of a cluster is the posterior probability of a
mass below the true one, ``posterior.cdf(log_mass)``. Calibrated posteriors have PITs
that are uniform in [0, 1], and 68 % of their 68 % intervals contain the true mass.
"""

import numpy as np
from astropy.table import MaskedColumn, Table
from scipy import stats
from scipy.special import ndtr

from ..cluster_weights import effective_number
from ..parameters import Integer
from ..plausible_masses import MASS_RANGE, check_evident_unit, check_same_unit
from ..sample.units import in_our_unit
from .columns import checked_columns, group_numbers

LEVELS = (0.5, 0.68, 0.9, 0.95)


def gaussian_pit(y_true, mean, std):
    r"""Probability integral transform (PIT) of true masses under Gaussian posteriors.

    .. math::

        u = \Phi \left( \frac{\mu_\mathrm{true} - m}{\sigma} \right)

    For other posteriors, use ``posterior.cdf(y_true)``.

    Parameters
    ----------
    y_true : array-like of shape (n_clusters,)
        True log10 masses.
    mean : array-like of shape (n_clusters,)
        Predicted log10 masses.
    std : float or array-like of shape (n_clusters,)
        Errors of the predicted masses [dex].

    Returns
    -------
    pit : ndarray of shape (n_clusters,)
        Above 1/2 where the mass is underestimated.

    Examples
    --------
    >>> from skcluster.metrics import gaussian_pit
    >>> gaussian_pit([14.0, 14.1, 14.8], [14.0, 14.0, 15.0], 0.1).round(3)
    array([0.5  , 0.841, 0.023])
    """
    std = in_our_unit("log_mass", std, "std")
    std = np.broadcast_to(std, np.shape(y_true)) if np.ndim(std) == 0 else std
    y_true, mean, std = checked_columns(y_true=y_true, mean=mean, std=std)
    check_same_unit(y_true=y_true, mean=mean)
    if MASS_RANGE[0] <= np.median(mean) <= MASS_RANGE[1]:
        check_evident_unit(y_true, by="gaussian_pit")
    wrong = np.flatnonzero(std <= 0)
    if len(wrong):
        raise ValueError(
            f"std must be positive, but for {len(wrong)} of {len(std)} clusters it is not "
            f"(first: cluster {wrong[0]}, {std[wrong[0]]:.4g})."
        )
    return ndtr((y_true - mean) / std)


def interval_coverage(pit, levels=LEVELS, *, groups=None):
    r"""Fraction of true masses inside central intervals, and its binomial error.

    A central interval of level p holds the truth where :math:`|u - 1/2| \le p/2`. The
    error is the one that calibrated posteriors would have,

    .. math::

        \sqrt{p (1 - p) / n},

    which does not depend on the measured fraction, so deviations from p can be measured
    in it.

    Parameters
    ----------
    pit : array-like of shape (n_clusters,)
    levels : float or array-like of shape (n_levels,), default=(0.5, 0.68, 0.9, 0.95)
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster. Snapshots of one halo are not independent: with
        :math:`n_g` clusters in group g, n is :math:`(\sum n_g)^2 / \sum n_g^2` in the
        error (Kish 1965), the lowest that it can be.

    Returns
    -------
    coverage, error : float or ndarray of shape (n_levels,)

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.metrics import gaussian_pit, interval_coverage
    >>> error = np.random.default_rng(0).normal(0, 0.1, 900)
    >>> pit = gaussian_pit(error, np.zeros(900), 0.1)
    >>> for level in interval_coverage(pit, (0.68, 0.95)):
    ...     print(level.round(3))
    [0.682 0.961]
    [0.016 0.007]
    """
    pit, levels = _checked_pit(pit), _checked_levels(levels)
    inside = np.abs(pit[:, None] - 0.5) <= levels.ravel() / 2
    coverage = inside.mean(axis=0).reshape(levels.shape)[()]
    n = _n_independent(group_numbers(groups, len(pit)))
    return coverage, np.sqrt(levels * (1 - levels) / n)


def coverage_table(pit, *, by=None, n_bins=4, levels=LEVELS, groups=None):
    r"""Coverage of all clusters, and in bins of mass, redshift or other quantities.

    Parameters
    ----------
    pit : array-like of shape (n_clusters,)
    by : dict of str to array-like of shape (n_clusters,), default=None
        Quantities to bin by, with equally many clusters per bin. Clusters of equal
        value, such as those of one snapshot, stay in one bin.
    n_bins : int, default=4
        Number of bins per quantity; fewer if it has fewer values.
    levels : array-like of shape (n_levels,), default=(0.5, 0.68, 0.9, 0.95)
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `interval_coverage`.

    Returns
    -------
    table : astropy Table
        One row for all clusters and one per bin. Columns: ``quantity``; ``low`` and
        ``high``, its least and greatest value in the bin; ``n``; for the level 0.68
        ``coverage_68`` and ``error_68`` as in `interval_coverage`, and so on.

    Notes
    -----
    In bins of predicted mass, of redshift and of anything else that an observer knows,
    the coverage should be that of the sample. In bins of *true* mass it is not, even
    for perfect posteriors: predictions regress to the mean, so in the highest bin of
    true mass most masses are underestimated and in the lowest overestimated. A
    posterior is calibrated for clusters that look alike, not for those of equal true
    mass. A test in bins of true mass measures the prior.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.metrics import coverage_table, gaussian_pit
    >>> rng = np.random.default_rng(0)
    >>> predicted = rng.uniform(13.5, 15, 800)
    >>> true = predicted + rng.normal(0, 0.1, 800)
    >>> pit = gaussian_pit(true, predicted, 0.1)
    >>> table = coverage_table(pit, by={"mass": predicted}, n_bins=2, levels=[0.68])
    >>> table["coverage_68"].format = table["error_68"].format = ".3f"
    >>> table["low"].format = table["high"].format = ".2f"
    >>> print(table)
    quantity  low   high  n  coverage_68 error_68
    -------- ----- ----- --- ----------- --------
         all    --    -- 800       0.695    0.016
        mass 13.50 14.29 400       0.685    0.023
        mass 14.29 15.00 400       0.705    0.023
    """
    pit, levels = _checked_pit(pit), np.atleast_1d(_checked_levels(levels))
    n_bins = Integer(1).check("n_bins", n_bins)
    groups = group_numbers(groups, len(pit))
    rows = [_row("all", np.full(len(pit), np.nan), pit, levels, groups)]
    for name, values in ({} if by is None else by).items():
        if hasattr(values, "unit"):
            values = getattr(values, "value", values)  # in its own unit
        pit, values = checked_columns(**{"pit": pit, name: values})
        for chosen in _equally_filled(values, n_bins):
            part = pit[chosen], levels, groups[chosen]
            rows.append(_row(name, values[chosen], *part))
    table = Table(rows)
    for name in ("low", "high"):
        table[name] = MaskedColumn(table[name], mask=np.isnan(table[name]))
    return table


def pit_histogram(pit, n_bins=10, *, groups=None):
    r"""Fraction of clusters per bin of PIT, which is 1/n_bins for calibrated posteriors.

    A hump says that errors are overestimated, a trough that they are underestimated, a
    slope that masses are biased: if it rises to the right, they are underestimated.

    Parameters
    ----------
    pit : array-like of shape (n_clusters,)
    n_bins : int, default=10
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `interval_coverage`.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)
    fraction : ndarray of shape (n_bins,)
    error : float
        Binomial error of a fraction of 1/n_bins.

    Examples
    --------
    >>> from skcluster.metrics import pit_histogram
    >>> edges, fraction, error = pit_histogram([0.1, 0.3, 0.6, 0.9], n_bins=2)
    >>> edges, fraction, round(float(error), 3)
    (array([0. , 0.5, 1. ]), array([0.5, 0.5]), 0.25)
    """
    pit = _checked_pit(pit)
    n_bins = Integer(2).check("n_bins", n_bins)
    count, edges = np.histogram(pit, bins=n_bins, range=(0, 1))
    n = _n_independent(group_numbers(groups, len(pit)))
    return edges, count / len(pit), np.sqrt((n_bins - 1) / n) / n_bins


def pit_uniformity(pit, *, groups=None):
    """Probability (p-value) that calibrated posteriors give PITs as uneven as these.

    It comes from the Kolmogorov-Smirnov test against a uniform distribution. It says
    whether n clusters suffice to see that the posteriors are wrong, not how wrong they
    are; for that, see `interval_coverage`.

    Parameters
    ----------
    pit : array-like of shape (n_clusters,)
    groups : array-like of shape (n_clusters,), default=None
        The halo of each cluster, see `interval_coverage`.

    Returns
    -------
    p_value : float

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.metrics import pit_uniformity
    >>> pit_uniformity(np.linspace(0, 1, 100)) > 0.99
    True
    >>> pit_uniformity(np.linspace(0.2, 0.8, 100)) < 0.001
    True
    """
    pit = _checked_pit(pit)
    n = _n_independent(group_numbers(groups, len(pit)))
    distance = stats.ks_1samp(pit, stats.uniform.cdf, method="asymp").statistic
    return float(stats.kstwo.sf(distance, max(round(n), 1)))


def _row(name, values, pit, levels, groups):
    row = {"quantity": name, "low": values.min(), "high": values.max(), "n": len(pit)}
    for level, coverage, error in zip(
        levels, *interval_coverage(pit, levels, groups=groups), strict=True
    ):
        row[f"coverage_{100 * level:.6g}"] = coverage
        row[f"error_{100 * level:.6g}"] = error
    return row


def _equally_filled(values, n_bins):
    """Masks of equally filled bins, in which equal values stay together."""
    start = np.unique(values)
    if len(start) > n_bins:
        share = np.arange(n_bins) / n_bins
        start = np.unique(np.quantile(values, share))
    number = np.searchsorted(start, values, side="right")
    return [number == i for i in np.unique(number)]


def _n_independent(groups):
    """Effective number of independent clusters, if those of a group are all alike."""
    return effective_number(np.bincount(groups))


def _checked_pit(pit):
    (pit,) = checked_columns(pit=pit)
    wrong = np.flatnonzero((pit < 0) | (pit > 1))
    if len(wrong):
        raise ValueError(
            f"pit is outside of [0, 1] for {len(wrong)} of {len(pit)} clusters (first: "
            f"cluster {wrong[0]}, {pit[wrong[0]]:.4g}). Give posterior.cdf(y_true)."
        )
    return pit


def _checked_levels(levels):
    levels = np.asarray(levels, float)
    if levels.ndim > 1 or not ((levels > 0) & (levels < 1)).all() or not levels.size:
        raise ValueError(
            f"levels must be between 0 and 1, such as 0.68, got {levels.tolist()}."
        )
    return levels
