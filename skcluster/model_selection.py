"""Folds that keep what is close in space, and so the same halo, together."""

from numbers import Integral

import numpy as np
from sklearn.model_selection import BaseCrossValidator, KFold, check_cv


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
        2 makes the paper's eight octants.

    Notes
    -----
    Positions come from ``X.position``; or give ``groups``: positions of shape (n, 3),
    or one label a cluster. Octants that hold no cluster make no fold.

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

    def __init__(self, *, box_size=352.0, n_splits_per_axis=2):
        self.box_size = box_size
        self.n_splits_per_axis = n_splits_per_axis

    def get_n_splits(self, X=None, y=None, groups=None):
        """Number of folds: octants that hold a cluster, or all if no data is given."""
        if X is None and groups is None:
            return self.n_splits_per_axis**3
        return len(np.unique(self._labels(X, groups)))

    def _iter_test_masks(self, X=None, y=None, groups=None):
        labels = self._labels(X, groups)
        octants = np.unique(labels)
        if len(octants) < 2:
            raise ValueError(
                f"All {len(labels)} clusters lie in one part of the box, so there is "
                f"nothing to train on. Check box_size={self.box_size} [Mpc/h] and "
                f"n_splits_per_axis={self.n_splits_per_axis}."
            )
        for octant in octants:
            yield labels == octant

    def _labels(self, X, groups):
        if groups is None:
            groups = getattr(X, "position", None)
        if groups is None:
            raise ValueError(
                "QuadrantGroupKFold needs X.position of shape (n, 3) in Mpc/h, or "
                "groups= with positions or one label a cluster."
            )
        groups = np.asarray(groups)
        if groups.ndim == 1:
            return groups
        return octants(groups, self.box_size, self.n_splits_per_axis)


def octants(position, box_size=352.0, n_splits_per_axis=2):
    """Label of the sub-cube of a periodic box that each position lies in.

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
    if not box_size > 0:
        raise ValueError(f"box_size must be positive, got {box_size!r}.")
    if not isinstance(n_splits_per_axis, Integral) or n_splits_per_axis < 1:
        raise ValueError(
            f"n_splits_per_axis must be a positive int, got {n_splits_per_axis!r}."
        )
    position = np.asarray(position, float)
    if position.ndim != 2 or position.shape[1] != 3:
        raise ValueError(f"Positions must have shape (n, 3), got {position.shape}.")
    if not np.isfinite(position).all():
        wrong = np.flatnonzero(~np.isfinite(position).all(axis=1))
        raise ValueError(
            f"{len(wrong)} of {len(position)} positions are NaN or infinite (first: "
            f"cluster {wrong[0]})."
        )
    m = n_splits_per_axis
    # The modulo of a tiny negative number rounds up to box_size itself.
    cell = np.floor(position % box_size * (m / box_size)).astype(int) % m
    return cell @ [m**2, m, 1]


def spatial_folds(cv, X, y):
    """Train and test rows of every fold: octants unless told otherwise.

    Parameters
    ----------
    cv : cross-validation splitter, int, iterable or None
        None: octants of the box where X has positions, otherwise five folds.
    X : ClusterSample or array-like
    y : array-like of shape (n_clusters,)

    Returns
    -------
    folds : list of (ndarray, ndarray)

    Examples
    --------
    >>> import numpy as np
    >>> X = np.zeros((10, 1))
    >>> [len(test) for _, test in spatial_folds(None, X, np.zeros(10))]
    [2, 2, 2, 2, 2]
    """
    if cv is None and getattr(X, "position", None) is not None:
        cv = QuadrantGroupKFold()
    elif cv is None:
        cv = KFold(5, shuffle=True, random_state=0)
    return list(check_cv(cv, y).split(X, y))
