"""Ranges of a model's training clusters, and a warning where it has to extrapolate."""

import warnings

import numpy as np

from .printable import cluster_label

REDSHIFT_MARGIN, SHARE_OF_RANGE = 0.02, 0.1
FACTOR = 3.0
"""Factor beyond the training clusters' counts from which a count is far outside."""

LEAST_SPREAD = 1e-3
"""Standard deviation below which training redshifts, or logarithms, count as equal.

Rounding, or one snapshot in two precisions, spreads equal redshifts by 1e-17 to 1e-8.
Divided by that, any other redshift would be beyond all bounds.
"""


def hardly_vary(values):
    """Return whether numbers of training clusters are too similar to be standardized.

    Examples
    --------
    >>> hardly_vary([0.25209, 0.25209, 0.25209]), hardly_vary([0.25, 0.27])
    (True, False)
    """
    return bool(np.std(values) < LEAST_SPREAD)


def common_redshift(redshift):
    """Return the redshift that all training clusters have, or None if they differ in it.

    From one redshift nobody can learn what another means. A single cluster has none,
    because nothing can be learned from it.

    Parameters
    ----------
    redshift : ndarray of shape (n_clusters,)

    Returns
    -------
    redshift : float or None
        Median of redshifts that `hardly_vary`.

    Examples
    --------
    >>> common_redshift([0.25, 0.25, 0.25 + 1e-9]), common_redshift([0.25, 0.27])
    (0.25, None)
    """
    has_one = len(redshift) > 1 and hardly_vary(redshift)
    return float(np.median(redshift)) if has_one else None


def redshift_column(X, fitted):
    """Return the redshifts that an estimator may use: equal ones if it has seen only one.

    Standardized by the rounding of that one, any other would be beyond all bounds.

    Parameters
    ----------
    X : ClusterSample
    fitted : estimator
        Its attribute ``redshift_`` is what `common_redshift` returned in fit; without it,
        or if it is None, redshifts stay as they are.

    Returns
    -------
    redshift : ndarray of shape (n_clusters,)
    """
    common = getattr(fitted, "redshift_", None)
    if common is None:
        return X.redshift
    seen = {"redshift": (common, common)}
    by = type(fitted).__name__
    warn_outside({"redshift": X.redshift}, seen, by=by, names=X.name)
    return np.full(len(X), common)


def range_of(values):
    """Return the lowest and highest of some numbers as floats, ignoring NaN."""
    return float(np.nanmin(values)), float(np.nanmax(values))


def warn_outside(values, training_ranges, *, by, names=None):
    """Warn of clusters far outside of the ranges that `by` was trained on.

    Counts (or their logarithms) are far outside if they are a factor of three beyond
    the range; redshifts, if they are beyond by more than 0.02 and by more than a tenth
    of the range.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_clusters,)
        ``"redshift"``, natural logarithms under names that start with ``"ln "``, and
        counts under all other names. NaN is never far.
    training_ranges : dict of str to tuple of 2 float
        Lowest and highest value of the training clusters. A quantity without a range is
        not checked.
    by : str
        Name of the estimator, for the message.
    names : sequence of str, default=None
        Names of the clusters, for the message.

    Examples
    --------
    >>> import warnings
    >>> import numpy as np
    >>> trained = {"redshift": (0.1, 0.3)}
    >>> warn_outside({"redshift": np.array([0.31])}, trained, by="RedshiftNormalizer")
    >>> with warnings.catch_warnings(record=True) as caught:
    ...     warnings.simplefilter("always")
    ...     warn_outside({"redshift": np.array([0.9])}, trained, by="RedshiftNormalizer")
    >>> print(caught[0].message)
    1 of 1 clusters lie far outside the training range of RedshiftNormalizer, redshift 0.1
    to 0.3 (first: cluster 0, redshift 0.9): it extrapolates.
    """
    for quantity in values.keys() & training_ranges.keys():
        value, (low, high) = values[quantity], training_ranges[quantity]
        lowest, highest = _limits(quantity, low, high)
        far = np.flatnonzero((value < lowest) | (value > highest))
        if len(far):
            warnings.warn(
                f"{len(far)} of {len(value)} clusters lie far outside the training range "
                f"of {by}, {quantity} {low:.4g} to {high:.4g} (first: "
                f"{cluster_label(far[0], names)}, {quantity} {value[far[0]]:.4g}): it "
                "extrapolates.",
                UserWarning,
                stacklevel=4,
            )


def _limits(quantity, low, high):
    """Values beyond which a quantity is far from its training range."""
    if quantity == "redshift":
        margin = max(REDSHIFT_MARGIN, SHARE_OF_RANGE * (high - low))
    elif quantity.startswith("ln "):
        margin = np.log(FACTOR)
    else:
        beyond = FACTOR - 1
        return low - abs(low) * beyond / FACTOR, high + beyond * abs(high)
    return low - margin, high + margin
