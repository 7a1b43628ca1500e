"""Which halos are on both sides of a fold, and which have a neighbor there."""

import html
import textwrap

import numpy as np
from astropy.table import Table
from scipy.spatial import KDTree

from ..paper import BOX_SIZE
from ..parameters import Quantity
from ..printable import counted, printable
from ..sample import ClusterSample
from .fold_policy import draw_folds
from .octant_folds import BOX, check_one_box

SNAPSHOT_DISTANCE = 1.5
"""How far a halo may move from one snapshot to the next [comoving Mpc/h]."""
LINE_LENGTH = 88
N_NAMED = 3
"""Number of groups that the report names."""


def leakage_report(
    X, cv=None, *, y=None, groups=None, distance=SNAPSHOT_DISTANCE, box_size=None
):
    """Report which halos cross folds: in other snapshots, or as neighbors over a border.

    Parameters
    ----------
    X : ClusterSample or array-like
        Positions, groups and redshifts are those of the sample.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`.
    y : array-like of shape (n_clusters,), default=None
        Only for splitters that need it, such as ``StratifiedKFold``.
    groups : array-like of shape (n_clusters,) or (n_clusters, 3), default=None
        Labels in place of ``X.group``, or positions in place of ``X.position``.
    distance : float, default=1.5
        Clusters closer than this are neighbors [comoving Mpc/h].
    box_size : float, default=None
        Side of the periodic box of the positions [comoving Mpc/h]. None: that of the
        splitter, or 352 if it has none.

    Returns
    -------
    report : LeakageReport
        ``print(report)`` says it in words; its tables name the halos.

    Examples
    --------
    >>> from skcluster import ClusterSample, QuadrantGroupKFold, leakage_report
    >>> sample = ClusterSample(
    ...     [0.1, 0.2, 0.1, 0.1],
    ...     position=[[1, 9, 9], [2, 9, 9], [351.6, 9, 9], [180, 9, 9]],
    ...     group=["a", "a", "b", "c"],
    ... )
    >>> report = leakage_report(sample, QuadrantGroupKFold())
    >>> print(report)
    2 folds of 4 clusters.
    Groups: none of 3 is on both sides of a fold.
    Neighbors: 2 test clusters have one within 1.5 Mpc/h in training (closest: clusters 0
    and 2, 1.4 Mpc/h apart).
    Leave out the training clusters in report.neighbors, or give halos as group.
    >>> report.table.pprint()
    fold n_train n_test n_in_group n_near
    ---- ------- ------ ---------- ------
       0       2      2          0      1
       1       2      2          0      1
    """
    distance = Quantity("radius_max").check("distance", distance)
    n_clusters = X.shape[0] if hasattr(X, "shape") else len(X)
    y = np.zeros(n_clusters) if y is None else y
    folds, position, group = draw_folds(cv, X, y, groups)
    if not folds:
        raise ValueError("cv makes no fold, so there is nothing to report.")
    if box_size is None:
        box_size = getattr(cv, "box_size", BOX_SIZE)
    box_size = BOX.check("box_size", box_size)
    # Without labels, a cluster is only of one group with itself.
    label = np.arange(n_clusters) if group is None else group
    in_both = _groups_in_both(folds, label)
    pairs = _neighbors(folds, label, position, distance, box_size)
    lines = [f"{counted(len(folds), 'fold')} of {counted(n_clusters, 'cluster')}."]
    lines += _about_groups(in_both, group)
    lines += ["Neighbors: not known without positions."] if position is None else []
    if position is not None:
        redshift = X.redshift if isinstance(X, ClusterSample) else None
        lines += _about_neighbors(pairs, distance, redshift)
    table = _counts(folds, in_both, pairs)
    crosses = len(in_both) + len(pairs) > 0
    is_known = crosses or position is not None or group is not None
    return LeakageReport(
        table, in_both, pairs, not crosses if is_known else None, lines
    )


class LeakageReport:
    """Halos that cross folds, as found by `leakage_report`.

    Attributes
    ----------
    table : astropy Table
        One row per fold: its number, ``n_train``, ``n_test``, and how many of the test
        clusters have their group (``n_in_group``) or a neighbor (``n_near``) in training.
    groups : astropy Table
        One row per fold and group on both sides of it: ``fold``, ``group``, ``n_train``,
        ``n_test``. Without labels, each row of the data is a group of its own.
    neighbors : astropy Table
        One row per fold and pair of neighbors on both sides of it that are not of one
        group: ``fold``, the rows ``test`` and ``train``, their ``distance`` [comoving
        Mpc/h].
    is_clean : bool or None
        Whether nothing crosses; None if neither groups nor positions are known.
    """

    def __init__(self, table, groups, neighbors, is_clean, lines):
        self.table, self.groups, self.neighbors = table, groups, neighbors
        self.is_clean = is_clean
        self._lines = lines

    def __repr__(self):
        return "\n".join(textwrap.fill(line, LINE_LENGTH) for line in self._lines)

    def _repr_html_(self):
        return "<br/>".join(map(html.escape, self._lines)) + self.table._repr_html_()


def _groups_in_both(folds, label):
    """Table of the groups that are on both sides of a fold."""
    names, code = np.unique(label, return_inverse=True)
    parts = []
    for i, fold in enumerate(folds):
        n_train, n_test = (
            np.bincount(code[rows], minlength=len(names)) for rows in fold
        )
        both = np.flatnonzero((n_train > 0) & (n_test > 0))
        parts.append((np.full(len(both), i), names[both], n_train[both], n_test[both]))
    return _stacked(parts, names=("fold", "group", "n_train", "n_test"))


def _neighbors(folds, label, position, distance, box_size):
    """Table of the pairs of test and training clusters that are closer than a distance."""
    if position is None:
        parts = [(np.zeros(0, int),) * 3 + (np.zeros(0),)]
    else:
        check_one_box(position, box_size)
        place = np.asarray(position, float) % box_size
        place %= box_size  # the modulo of a tiny negative number is box_size itself
        found = [
            _pairs(train, test, label, place, distance, box_size)
            for train, test in folds
        ]
        parts = [(np.full(len(pairs[0]), i), *pairs) for i, pairs in enumerate(found)]
    return _stacked(parts, names=("fold", "test", "train", "distance"))


def _pairs(train, test, label, place, distance, box_size):
    """Rows and distances of neighbors in a fold that are not of one group."""
    here, there = (KDTree(place[rows], boxsize=box_size) for rows in (test, train))
    found = here.sparse_distance_matrix(there, distance, output_type="ndarray")
    found = found[label[test[found["i"]]] != label[train[found["j"]]]]
    found.sort(order=["i", "j"])
    return test[found["i"]], train[found["j"]], found["v"]


def _stacked(parts, names):
    return Table(
        [np.concatenate(column) for column in zip(*parts, strict=True)], names=names
    )


def _counts(folds, in_both, pairs):
    """Table of the clusters of each fold, and of those that leak."""
    rows = []
    for i, (train, test) in enumerate(folds):
        n_in_group = int(in_both["n_test"][in_both["fold"] == i].sum())
        n_near = len(np.unique(pairs["test"][pairs["fold"] == i]))
        rows.append((i, len(train), len(test), n_in_group, n_near))
    return Table(rows=rows, names=("fold", "n_train", "n_test", "n_in_group", "n_near"))


def _about_groups(in_both, group):
    """Lines of the report about groups on both sides of a fold."""
    found = np.unique(in_both["group"])
    if group is None:
        lines = ["Groups: not known. Give ClusterSample(group=...), or groups=."]
        if len(found):
            lines.append(
                f"{counted(len(found), 'cluster is', 'clusters are')} in the training and "
                f"in the test of one fold (first: {_first(found)}). Correct the folds."
            )
        return lines
    n_groups = len(np.unique(group))
    if not len(found):
        return [f"Groups: none of {n_groups:,} is on both sides of a fold."]
    n_test = in_both["n_test"].sum()
    verb = "is" if len(found) == 1 else "are"
    return [
        f"Groups: {len(found):,} of {n_groups:,} {verb} on both sides of a fold (first: "
        f"{_first(found)}), with {counted(n_test, 'test cluster')}.",
        "Give the labels as group, and cv=None, an int, GroupKFold or QuadrantGroupKFold.",
    ]


def _about_neighbors(pairs, distance, redshift):
    """Lines of the report about neighbors."""
    if not len(pairs):
        return [
            f"Neighbors: no test cluster has one within {distance:g} Mpc/h in training."
        ]
    n_near = len(np.unique(pairs["test"]))
    closest = pairs[np.argmin(pairs["distance"])]
    those = counted(n_near, "test cluster has", "test clusters have")
    line = (
        f"Neighbors: {those} one within "
        f"{distance:g} Mpc/h in training (closest: clusters {closest['test']} and "
        f"{closest['train']}, {closest['distance']:.3g} Mpc/h apart)."
    )
    n_other = 0
    if redshift is not None:
        is_other = redshift[pairs["test"]] != redshift[pairs["train"]]
        n_other = len(np.unique(pairs["test"][is_other]))
    if n_other:
        line += (
            f" For {n_other:,} of them it is at another redshift, so perhaps the same halo "
            "in another snapshot."
        )
    return [
        line,
        "Leave out the training clusters in report.neighbors, or give halos as group.",
    ]


def _first(found):
    few = ", ".join(printable(each) for each in found[:N_NAMED])
    return few + (", …" if len(found) > N_NAMED else "")
