"""Cross-validation folds that split no halo: one policy for every cv of the package.

See the page "Folds and leakage" for the policy in a table.
"""

import inspect
import warnings
from numbers import Integral

import numpy as np
from sklearn.base import clone
from sklearn.model_selection import (
    BaseCrossValidator,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    check_cv,
)
from sklearn.utils import indexable

from .estimator_parts import is_pipeline
from .paper import BOX_SIZE
from .parameters import Integer, Quantity, check_parameters
from .printable import all_of
from .sample import ClusterSample
from .sample.plain_arrays import as_labels
from .sample.units import check_plausible

__all__ = ["QuadrantGroupKFold", "keep_together", "octants", "spatial_folds"]

BOX, SPLITS = Quantity("box_size"), Integer(1, 1000)
"""Kinds of the parameters of `QuadrantGroupKFold`."""

N_FOLDS = 5
MAX_SPLITS_PER_AXIS = 10
BOXES_SPANNED = 1.1
"""Largest extent of positions in one periodic box, in units of its side."""


class QuadrantGroupKFold(BaseCrossValidator):
    """Leave out one octant of the simulation box at a time.

    The same halo recurs in several snapshots at nearly the same place, so folds must be
    spatial (paper section 4.1): cell ``floor(position / (box_size / m))`` along each
    axis, with m = `n_splits_per_axis`.

    Parameters
    ----------
    box_size : float, default=352
        Side of the periodic box [comoving Mpc/h].
    n_splits_per_axis : int, default=2
        Number of cells along each axis; 2 gives the paper's eight octants.

    Notes
    -----
    Positions come from ``X.position``; or give ``groups``: positions of shape (n, 3),
    or one label per cluster, which then names its fold. Octants without a cluster are
    no folds. Clusters with one label in ``X.group`` stay together, in the octant that
    holds most of them. Without such labels a halo that crosses the boundary of an octant
    is on both sides: of the halos of the public Magneticum list, 0.4 % are in another
    octant in the next snapshot.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, QuadrantGroupKFold
    >>> position = [[10.0, 10.0, 10.0], [300.0, 10.0, 10.0], [12.0, 10.0, 10.0]]
    >>> sample = ClusterSample([0.1, 0.2, 0.3], position=position)
    >>> for train, test in QuadrantGroupKFold().split(sample):
    ...     print(train, test)
    [1] [0 2]
    [0 2] [1]
    """

    _parameter_kinds = {"box_size": BOX, "n_splits_per_axis": SPLITS}

    def __init__(self, *, box_size=BOX_SIZE, n_splits_per_axis=2):
        self.box_size = box_size
        self.n_splits_per_axis = n_splits_per_axis

    def get_n_splits(self, X=None, y=None, groups=None):
        """Number of folds: octants that hold a cluster, or all octants without data."""
        if X is None and groups is None:
            return check_parameters(self).n_splits_per_axis ** 3
        return len(np.unique(self._labels(X, groups)))

    def _iter_test_masks(self, X=None, y=None, groups=None):
        labels = self._labels(X, groups)
        octants = np.unique(labels)
        if len(octants) < 2:
            raise ValueError(
                f"{all_of(len(labels), 'cluster lies', 'clusters lie')} in one part of the "
                f"box, so there is nothing to train on. Check box_size={self.box_size} "
                f"[Mpc/h] and n_splits_per_axis={self.n_splits_per_axis}."
            )
        for octant in octants:
            yield labels == octant

    def _labels(self, X, groups):
        parameters = check_parameters(self)
        groups = _position_of(X) if groups is None else np.asarray(groups)
        if groups is None:
            raise ValueError(
                "QuadrantGroupKFold needs X.position of shape (n, 3) in Mpc/h, or "
                "groups= with positions or one label per cluster."
            )
        if groups.ndim == 1:
            return groups
        if parameters.n_splits_per_axis > 1 and groups.shape[1:] == (3,):
            _check_one_box(groups, parameters.box_size)
        cell = octants(groups, parameters.box_size, parameters.n_splits_per_axis)
        group = _group_of(X)
        return cell if group is None else keep_together(cell, group)


def octants(position, box_size=BOX_SIZE, n_splits_per_axis=2):
    """Return the number of the sub-cube of a periodic box that holds each position.

    Parameters
    ----------
    position : array-like of shape (n_clusters, 3)
        [comoving Mpc/h]
    box_size : float, default=352
        [comoving Mpc/h]
    n_splits_per_axis : int, default=2

    Returns
    -------
    label : ndarray of shape (n_clusters,)
        0 … n_splits_per_axis³ - 1; z varies fastest.

    Examples
    --------
    >>> octants([[0.0, 0.0, 0.0], [0.0, 0.0, 200.0], [352.0, 200.0, 0.0]])
    array([0, 1, 2])
    """
    box_size = BOX.check("box_size", box_size)
    m = SPLITS.check("n_splits_per_axis", n_splits_per_axis)
    position = np.asarray(position, float)
    if position.ndim != 2 or position.shape[1] != 3:
        raise ValueError(f"Positions must have shape (n, 3), got {position.shape}.")
    if not np.isfinite(position).all():
        wrong = np.flatnonzero(~np.isfinite(position).all(axis=1))
        raise ValueError(
            f"{len(wrong)} of {len(position)} positions are NaN or infinite (first: "
            f"cluster {wrong[0]})."
        )
    # The modulo of a tiny negative number rounds up to box_size itself.
    check_plausible("position", position, rows="cluster")
    cell = np.floor(position % box_size * (m / box_size)).astype(int) % m
    return cell @ [m**2, m, 1]


def keep_together(cell, group):
    """Move each group of clusters into the cell that holds most of them.

    Parameters
    ----------
    cell, group : array-like of shape (n_clusters,)
        Labels.

    Returns
    -------
    cell : ndarray of shape (n_clusters,)
        Cell of each cluster, equal within a group. If several cells hold the most
        clusters of a group, the lowest is taken.

    Examples
    --------
    >>> keep_together([0, 0, 7, 7], ["a", "a", "a", "b"])
    array([0, 0, 0, 7])
    """
    cells, c = np.unique(cell, return_inverse=True)
    groups, g = np.unique(group, return_inverse=True)
    count = np.zeros((len(groups), len(cells)), int)
    np.add.at(count, (g, c), 1)
    return cells[count.argmax(axis=1)][g]


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
    indexable(X, y)  # an error if they are of different lengths
    given = None if groups is None else _checked_groups(groups, len(y))
    is_position = given is not None and given.ndim == 2
    position = given if is_position else _position_of(X)
    group = _group_of(X) if given is None or is_position else given
    if cv is None or isinstance(cv, Integral):
        cv, labels = _chosen_splitter(cv, position, group)
        return list(cv.split(np.zeros(len(y)), y, labels))
    splitter = check_cv(cv, y)
    # QuadrantGroupKFold reads the group of a sample itself; labels would be its folds.
    labels = given if isinstance(splitter, QuadrantGroupKFold) or is_position else group
    if labels is not None and not _takes_groups(splitter):
        labels = None
    folds = [tuple(map(_as_rows, fold)) for fold in splitter.split(X, y, labels)]
    if group is not None:
        _warn_of_split_groups(cv, folds, group)
    return folds


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
    if groups is None or np.ndim(groups) != 1:
        return X, None
    if isinstance(X, ClusterSample):
        return X.assign(group=groups), None
    return X, np.asarray(groups)


def fit_fold(estimator, X, y, rows, groups=None):
    """Fit a clone to some clusters, and hand on the groups that it must not split either.

    Parameters
    ----------
    estimator : estimator
    X : ClusterSample or array-like
    y : ndarray of shape (n_clusters,)
    rows : ndarray of int, or slice
    groups : array-like of shape (n_clusters,), default=None
        A sample is given them as its `group`; otherwise ``fit`` is, if it takes them, as
        that of `CalibratedMassRegressor` does.

    Returns
    -------
    estimator : fitted estimator
    """
    X, groups = with_groups(X, groups)
    params, prefix, last = {}, "", estimator
    while is_pipeline(last):
        name, last = last.steps[-1]
        prefix += f"{name}__"
    if groups is not None and "groups" in inspect.signature(last.fit).parameters:
        params[f"{prefix}groups"] = groups[rows]
    return clone(estimator).fit(rows_of(X, rows), y[rows], **params)


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
    _check_one_box(position, splitter.box_size)
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


def _position_of(X):
    return X.position if isinstance(X, ClusterSample) else None


def _group_of(X):
    return X.group if isinstance(X, ClusterSample) else None


def _checked_groups(groups, n_clusters):
    groups = np.asarray(groups)
    if groups.ndim == 2 and groups.shape[1] == 1:
        groups = groups[:, 0]
    if groups.ndim == 1:
        groups = as_labels(groups, "groups")
    if groups.ndim not in (1, 2) or len(groups) != n_clusters:
        raise ValueError(
            f"groups has the shape {groups.shape}, but there are {n_clusters} clusters. "
            "Give one label per cluster, or positions of shape (n, 3)."
        )
    return groups


def _check_one_box(position, box_size):
    extent = np.ptp(np.asarray(position, float), axis=0).max(initial=0.0)
    if not extent > BOXES_SPANNED * box_size:  # NaN is refused where cells are numbered
        return
    advice = "Give the size of your box: QuadrantGroupKFold(box_size=...)."
    if extent > 100 * box_size:
        advice = "They look like kpc/h: divide them by 1000."
    raise ValueError(
        f"The positions span {extent:.4g}, more than a periodic box of "
        f"box_size={box_size:g} [Mpc/h], so the cells would be interleaved instead of "
        f"octants. {advice}"
    )


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
