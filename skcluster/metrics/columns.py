"""Checks of the columns that metrics take, with one number per cluster."""

import numpy as np

from ..printable import counted
from ..sample.plain_arrays import as_labels
from ..sample.units import in_our_unit

MASSES = ("y_true", "y_pred", "mean", "std")
"""Names of the columns that hold log10 masses, or their errors."""


def checked_columns(**columns):
    """Return columns as arrays of finite numbers, one per cluster, of the same length.

    Examples
    --------
    >>> checked_columns(y_true=[14, 15], y_pred=[14.1, 14.8])
    [array([14., 15.]), array([14.1, 14.8])]
    """
    # A masked number is one that is missing.
    columns = {
        name: np.ma.filled(np.ma.asarray(_plain(name, column), float), np.nan)
        for name, column in columns.items()
    }
    for name, column in columns.items():
        if column.ndim != 1 or not len(column):
            raise ValueError(
                f"{name} must be 1-d with at least 1 cluster, got the shape "
                f"{column.shape}."
            )
        wrong = np.flatnonzero(~np.isfinite(column))
        if len(wrong):
            raise ValueError(
                f"{name} is NaN or infinite for {len(wrong)} of {len(column)} clusters "
                f"(first: cluster {wrong[0]}). Leave these clusters out."
            )
    (first, n), *others = [(name, len(column)) for name, column in columns.items()]
    for name, n_other in others:
        if n_other != n:
            raise ValueError(
                f"{first} has {counted(n, 'cluster')}, but {name} has {n_other}."
            )
    return list(columns.values())


def _plain(name, column):
    """Return masses without their unit, or refuse it if it is not log10 Msun/h."""
    return in_our_unit("log_mass" if name in MASSES else "", column, name)


def group_numbers(groups, n_clusters):
    """Number the groups from 0; without groups, every cluster is its own group.

    Examples
    --------
    >>> group_numbers(["b", "a", "b"], 3)
    array([1, 0, 1])
    """
    if groups is None:
        return np.arange(n_clusters)
    if np.shape(groups) != (n_clusters,):
        raise ValueError(
            f"groups has the shape {np.shape(groups)}, but there are {n_clusters} "
            "clusters. Give one label per cluster."
        )
    return np.unique(as_labels(groups, "groups"), return_inverse=True)[1]


def independent_groups(groups, n_clusters):
    """Number the groups as `group_numbers` does, and refuse one that has all clusters.

    Examples
    --------
    >>> independent_groups(["a", "a"], 2)
    Traceback (most recent call last):
    ...
    ValueError: An error needs at least 2 clusters, of at least 2 groups; all 2 are one.
    """
    numbers = group_numbers(groups, n_clusters)
    if numbers.max() == 0:
        raise ValueError(
            "An error needs at least 2 clusters, of at least 2 groups; all "
            f"{n_clusters} are one."
        )
    return numbers
