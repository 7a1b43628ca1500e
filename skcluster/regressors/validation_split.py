"""Split clusters into those for training and those that decide when it stops."""

from itertools import combinations

import numpy as np
from sklearn.model_selection import ShuffleSplit

from ..model_selection import keep_together

MIN_TO_VALIDATE = 10
MAX_SHARE = 1 / 3


def validation_split(n_clusters, fraction, *, position=None, groups=None, seed=0):
    """Clusters to train on, and clusters held out: complete octants if possible.

    The octants are those of the box that the positions span. A set of octants will do if
    it holds at least half of `fraction` of the clusters, and at most a third of them (or
    `fraction`, if that is more). The seed draws one of those sets whose share differs from
    `fraction` by less than half of it; if there is none, the closest set is taken. Where no
    set will do, for instance with all clusters in two corners, clusters are drawn at
    random. With fewer than ten clusters (or groups), none is held out.

    Parameters
    ----------
    n_clusters : int
    fraction : float or None
        Fraction of the clusters to hold out; None holds out none.
    position : ndarray of shape (n_clusters, 3), default=None
        Without it, clusters are drawn at random.
    groups : array-like of shape (n_clusters,), default=None
        Clusters with one label, such as rotated copies of one cluster, stay on one
        side, in the octant that holds most of them.
    seed : int, default=0

    Returns
    -------
    train, held_out : ndarray of int

    Examples
    --------
    >>> position = np.repeat([[0, 0, 0], [9, 0, 0], [9, 9, 0]], [80, 12, 8], axis=0)
    >>> train, held_out = validation_split(100, 0.1, position=position, seed=1)
    >>> len(train), len(held_out)
    (88, 12)
    """
    groups = np.arange(n_clusters) if groups is None else groups
    _, first, group = np.unique(groups, return_index=True, return_inverse=True)
    everyone = np.arange(n_clusters)
    if fraction is None or len(first) < MIN_TO_VALIDATE:
        return everyone, everyone[:0]
    is_held_out = None
    if position is not None:
        octant = keep_together(octants_spanned(position), group)
        is_held_out = _held_out_octants(octant, fraction, seed)
    if is_held_out is None:
        splitter = ShuffleSplit(1, test_size=fraction, random_state=seed)
        _, drawn = next(splitter.split(first))
        is_held_out = np.isin(group, drawn)
    return everyone[~is_held_out], everyone[is_held_out]


def octants_spanned(position):
    """Octant of each cluster in the box that the positions span, as a number."""
    middle = (position.min(axis=0) + position.max(axis=0)) / 2
    return (position >= middle) @ [4, 2, 1]


def _held_out_octants(octant, fraction, seed):
    """Mask of the clusters in the octants held out, or None if no choice will do."""
    labels, counts = np.unique(octant, return_counts=True)
    chosen = [
        list(rows)
        for size in range(1, len(labels))
        for rows in combinations(range(len(labels)), size)
    ]
    share = np.array([counts[rows].sum() for rows in chosen]) / len(octant)
    will_do = (share >= fraction / 2) & (share <= max(MAX_SHARE, fraction))
    if not will_do.any():
        return None
    distance = np.where(will_do, np.abs(share - fraction), np.inf)
    near = np.flatnonzero(distance <= max(fraction / 2, distance.min()))
    drawn = near[np.random.default_rng(seed).integers(len(near))]
    return np.isin(octant, labels[chosen[drawn]])
