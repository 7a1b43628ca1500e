"""One policy for every cv of the package: folds that split no halo.

See the page "Folds and leakage" for the policy in a table.
"""

import inspect
import warnings
from numbers import Integral

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GroupKFold, KFold, LeaveOneGroupOut, check_cv
from sklearn.utils import indexable

from ..estimator_parts import fit_parameters, weight_parameters
from ..printable import all_of
from ..sample import ClusterSample
from .octant_folds import (
    QuadrantGroupKFold,
    check_one_box,
    group_of,
    keep_together,
    octants,
    position_of,
    read_groups,
)

N_FOLDS = 5
MAX_SPLITS_PER_AXIS = 10


def spatial_folds(cv, X, y, groups=None):
    """Return the training and test rows of every fold, by the policy of the package.

    Parameters
    ----------
    cv : cross-validation splitter, int, iterable or None
        None: octants of the box where there are positions, otherwise five folds. An int:
        that many folds, of complete octants (or smaller cells) where there are positions.
        Neither splits a group. A splitter and an iterable are taken as they are, with a
        warning if they split a group; a splitter is given the groups if it takes them.
    X : ClusterSample or array-like
        Positions and groups are those of the sample.
    y : array-like of shape (n_clusters,)
    groups : array-like of shape (n_clusters,) or (n_clusters, 3), default=None
        Labels in place of ``X.group``, or positions in place of ``X.position``.

    Returns
    -------
    folds : list of (ndarray, ndarray)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((10, 1))
    >>> [len(test) for _, test in spatial_folds(None, X, np.zeros(10))]
    [2, 2, 2, 2, 2]
    >>> night = [0, 0, 0, 0, 1, 1, 1, 2, 2, 2]
    >>> [test.tolist() for _, test in spatial_folds(3, X, np.zeros(10), night)]
    [[0, 1, 2, 3], [7, 8, 9], [4, 5, 6]]
    """
    folds, _, group = draw_folds(cv, X, y, groups)
    if group is not None:
        _warn_of_split_groups(cv, folds, group)
    return folds


def draw_folds(cv, X, y, groups=None):
    """Draw the folds of `spatial_folds`, whatever they split.

    Returns
    -------
    folds : list of (ndarray, ndarray)
    position : ndarray of shape (n_clusters, 3), or None
    group : ndarray of shape (n_clusters,), or None
        What the folds may not split.
    """
    indexable(X, y)  # an error if they are of different lengths
    given = None if groups is None else _checked_groups(groups, len(y))
    is_position = given is not None and given.ndim == 2
    position = given if is_position else position_of(X)
    group = group_of(X) if given is None or is_position else given
    if cv is None or isinstance(cv, Integral):
        cv, labels = _chosen_splitter(cv, position, group)
        return list(cv.split(np.zeros(len(y)), y, labels)), position, group
    splitter = check_cv(cv, y)
    # QuadrantGroupKFold reads the group of a sample itself; labels are its folds.
    labels = given if isinstance(splitter, QuadrantGroupKFold) or is_position else group
    X, _ = with_groups(X, groups)
    if labels is not None and not _takes_groups(splitter):
        labels = None
    folds = [tuple(map(_as_rows, fold)) for fold in splitter.split(X, y, labels)]
    return folds, position, group


def rows_of(X, rows):
    """Return some clusters of a sample, an array, a list or a data frame."""
    if hasattr(X, "iloc"):
        return X.iloc[rows]
    return (X if hasattr(X, "shape") else np.asarray(X))[rows]


def with_groups(X, groups):
    """Give labels to a sample as its own.

    Parameters
    ----------
    X : ClusterSample or array-like
    groups : array-like or None
        Labels; positions are left alone.

    Returns
    -------
    X : as given, with the labels if it is a sample
    groups : ndarray or None
        The labels, if X cannot hold them.
    """
    if groups is None or (groups := read_groups(groups)).ndim != 1:
        return X, None
    if isinstance(X, ClusterSample):
        return X.assign(group=groups), None
    return X, groups


def fit_fold(estimator, X, y, rows, groups=None, sample_weight=None):
    """Fit a clone to some clusters, with the groups that it must not split either.

    Parameters
    ----------
    estimator : estimator
    X : ClusterSample or array-like
    y : ndarray of shape (n_clusters,)
    rows : ndarray of int, or slice
    groups : array-like of shape (n_clusters,), default=None
        A sample is given them as its `group`; otherwise ``fit`` is, if it takes them, as
        that of `CalibratedMassRegressor` does.
    sample_weight : ndarray of shape (n_clusters,), default=None
        The regressor inside is fitted with them.

    Returns
    -------
    estimator : fitted estimator
    """
    X, groups = with_groups(X, groups)
    params = {} if groups is None else fit_parameters(estimator, groups=groups[rows])
    if sample_weight is not None:
        params |= weight_parameters(estimator, sample_weight[rows])
    return clone(estimator).fit(rows_of(X, rows), y[rows], **params)


def over_folds(
    function, estimator, X, y, folds, groups=None, sample_weight=None, n_jobs=None
):
    """Yield what a function returns for each fold's fitted clone and test clusters.

    Other parameters are as in `fit_fold`; `n_jobs` folds run at the same time. The calling
    process repeats their warnings.
    """
    work = delayed(_work_on_fold)
    results = Parallel(n_jobs=n_jobs, return_as="generator")(
        work(function, estimator, X, y, train, test, groups, sample_weight)
        for train, test in folds
    )
    for result, caught in results:
        for warning in caught:
            warnings.warn(warning, stacklevel=3)
        yield result


def _work_on_fold(function, estimator, X, y, train, test, groups, sample_weight):
    with warnings.catch_warnings(record=True) as caught:
        fitted = fit_fold(estimator, X, y, train, groups, sample_weight)
        result = function(fitted, rows_of(X, test))
    return result, [warning.message for warning in caught]


def check_partition(folds, n_clusters):
    """Return the test clusters of all folds, or refuse some that are in none or several."""
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(n_clusters)):
        n_missed = n_clusters - len(np.unique(tested))
        raise ValueError(
            "Every cluster must be in one test fold, but the test folds hold "
            f"{len(tested)} clusters and leave out {n_missed} of {n_clusters}. Give folds "
            "that partition the sample, such as KFold(5)."
        )
    return tested


def _chosen_splitter(n_folds, position, group):
    """Choose the splitter by the policy, and the labels that it must not split."""
    if position is not None:
        return _folds_in_space(n_folds, position, group)
    if group is not None:
        n_groups = len(np.unique(group))
        if n_groups < 2:
            raise ValueError(
                f"{all_of(len(group), 'cluster is', 'clusters are')} of one group, so "
                "there is nothing to train on."
            )
        return GroupKFold(min(N_FOLDS, n_groups) if n_folds is None else n_folds), group
    if n_folds is None:
        return KFold(N_FOLDS, shuffle=True, random_state=0), None
    return KFold(n_folds), None


def _folds_in_space(n_folds, position, group):
    splitter = QuadrantGroupKFold()
    check_one_box(position, splitter.box_size)
    for m in range(2, MAX_SPLITS_PER_AXIS + 1):
        cell = octants(position, splitter.box_size, m)
        cell = cell if group is None else keep_together(cell, group)
        n_cells = len(np.unique(cell))
        if n_folds is None:
            if n_cells < 2:
                break
            return LeaveOneGroupOut(), cell
        if n_cells >= n_folds:
            return GroupKFold(n_folds), cell
    raise ValueError(
        f"The positions of {len(position)} clusters lie in {n_cells} of the {m**3} cells "
        f"of a box of {splitter.box_size:g} Mpc/h, which are not enough for "
        f"{'two' if n_folds is None else n_folds} folds in space. Give "
        "cv=QuadrantGroupKFold(box_size=...), or a splitter of scikit-learn."
    )


def _checked_groups(groups, n_clusters):
    groups = read_groups(groups)
    if groups.ndim not in (1, 2) or len(groups) != n_clusters:
        raise ValueError(
            f"groups has the shape {groups.shape}, but there are {n_clusters} clusters. "
            "Give one label per cluster, or positions of shape (n, 3)."
        )
    return groups


def _takes_groups(splitter):
    # KFold and its like accept groups, too, but only to warn that they ignore them.
    if type(splitter).__module__.startswith("sklearn."):
        return "groups" in splitter.get_metadata_routing().split.requests
    return "groups" in inspect.signature(splitter.split).parameters


def _as_rows(rows):
    rows = np.asarray(rows)
    return np.flatnonzero(rows) if rows.dtype == bool else rows


def _warn_of_split_groups(cv, folds, group):
    split = {
        label
        for train, test in folds
        for label in np.intersect1d(group[train], group[test]).tolist()
    }
    if split:
        warnings.warn(
            f"{cv!r:.60} puts {len(split)} of {len(np.unique(group))} groups (first: "
            f"{min(split)!r}) on both sides of a fold, so that errors look too small. "
            "Give cv=None, an int, or GroupKFold.",
            UserWarning,
            stacklevel=4,
        )
