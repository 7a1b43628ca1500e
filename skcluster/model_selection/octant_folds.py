"""Folds by octant of the simulation box, and groups that stay together in them."""

import warnings

import numpy as np
from sklearn.model_selection import BaseCrossValidator

from ..paper import BOX_SIZE
from ..parameters import Integer, Quantity, check_parameters
from ..printable import all_of
from ..sample import ClusterSample
from ..sample.plain_arrays import as_labels, as_numbers, plain_array
from ..sample.units import check_plausible

BOX, SPLITS = Quantity("box_size"), Integer(1, 1000)
"""Kinds of the parameters of `QuadrantGroupKFold`."""

BOXES_SPANNED = 1.1
"""Largest extent of positions in one periodic box, in units of its side."""
OF_SMALLER_BOX = 0.5, 0.75
"""Extents along all axes, in units of the side, that no set of octants has."""
ENOUGH_TO_SPAN = 100
"""Number of clusters that do not lie in a part of the box by chance."""


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
    no folds. Clusters with one label in ``X.group`` stay together, in the octant or fold
    that holds most of them. Without such labels a halo that crosses the boundary of an
    octant is on both sides: of the halos of the public Magneticum list, 0.4 % are in
    another octant in the next snapshot.

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
    # With metadata routing on, as in scikit-learn's own splitters of groups.
    __metadata_request__split = {"groups": True}

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
        groups = position_of(X) if groups is None else read_groups(groups)
        if groups is None:
            raise ValueError(
                "QuadrantGroupKFold needs X.position of shape (n, 3) in Mpc/h, or "
                "groups= with positions or one label per cluster."
            )
        cell = groups
        if groups.ndim > 1:
            if parameters.n_splits_per_axis > 1 and groups.shape[1:] == (3,):
                check_one_box(groups, parameters.box_size)
            cell = octants(groups, parameters.box_size, parameters.n_splits_per_axis)
        group = group_of(X)
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
    position = as_numbers(position, "position", "position")
    if position.ndim != 2 or position.shape[1] != 3:
        raise ValueError(f"Positions must have shape (n, 3), got {position.shape}.")
    if not np.isfinite(position).all():
        wrong = np.flatnonzero(~np.isfinite(position).all(axis=1))
        raise ValueError(
            f"{len(wrong)} of {len(position)} positions are NaN or infinite (first: "
            f"cluster {wrong[0]})."
        )
    check_plausible("position", position, rows="cluster")
    # The modulo of a tiny negative number rounds up to box_size itself.
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


def read_groups(groups):
    """Return labels as a 1-d array, also of one column, and positions as a 2-d array."""
    groups = plain_array(groups, "groups", "position")
    if groups.ndim == 2 and groups.shape[1] == 1:
        groups = groups[:, 0]
    return as_labels(groups, "groups") if groups.ndim == 1 else groups


def position_of(X):
    """Return the positions of a sample in its box, or None."""
    return X.position if isinstance(X, ClusterSample) else None


def group_of(X):
    """Return the labels of a sample that no fold may split, or None."""
    return X.group if isinstance(X, ClusterSample) else None


def check_one_box(position, box_size):
    """Refuse positions that span more than one periodic box, and warn of a smaller one."""
    extents = np.ptp(np.asarray(position, float), axis=0)
    low, high = np.multiply(OF_SMALLER_BOX, box_size)
    if len(position) >= ENOUGH_TO_SPAN and low < extents.min() <= extents.max() < high:
        warnings.warn(
            f"The positions span only {extents.max():.4g} of box_size={box_size:g} [Mpc/h] "
            "along each axis, so one octant holds most clusters. If your box is smaller, "
            "give its size: QuadrantGroupKFold(box_size=...).",
            UserWarning,
            stacklevel=3,
        )
    extent = extents.max(initial=0.0)
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
