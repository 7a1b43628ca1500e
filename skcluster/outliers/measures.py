"""Numbers by which clusters are compared with those of training: measures of maps."""

from typing import NamedTuple

import numpy as np

from ..sample import ClusterSample, SparseMaps, require

RING_EDGES = (0.15, 0.35, 0.65, 1.0)
"""Edges of the rings in which a map is measured, in half-widths."""


class Measures(NamedTuple):
    """Numbers, of shape (n_clusters, n_measures), that describe clusters without maps."""

    values: np.ndarray


def measures(X):
    """Describe each cluster by numbers, from its maps or as it comes.

    Parameters
    ----------
    X : ClusterSample with maps, SparseMaps, Measures, or array of maps

    Returns
    -------
    measures : ndarray of shape (n_clusters, n_measures)
    """
    if isinstance(X, Measures):
        return X.values
    maps = _maps(X)
    n_bands, height, width = maps.shape[1:]
    in_ring = _in_rings(maps)
    in_band = np.repeat(np.eye(n_bands)[:, 1:], height * width, axis=0)
    filled = maps.rows.astype(bool).astype(float)
    rows = maps.rows.astype(float)
    brightest = rows.max(axis=1).toarray().reshape(-1, 1)
    parts = _root(rows @ in_ring), _root(filled @ in_ring), _root(rows @ in_band)
    return np.hstack([*parts, brightest])


def first_views(group):
    """Rows of the first view of each halo, which are independent; all without labels."""
    if group is None:
        return slice(None)
    return np.sort(np.unique(group, return_index=True)[1])


def measures_apart(X, group):
    """Return the `Measures` of the first view of each halo."""
    return Measures(measures(X)[first_views(group)])


def population_measures(X):
    """Return the `measures`, and how much pixels, and pairs of neighbors, vary."""
    if isinstance(X, Measures):
        return X.values
    maps = _maps(X)
    rows = maps.rows.astype(float)
    squares = rows.multiply(rows) @ _in_rings(maps)
    pixel = np.arange(rows.shape[1]).reshape(maps.shape[1:])
    pairs = (pixel[:, 1:], pixel[:, :-1]), (pixel[..., 1:], pixel[..., :-1])
    products = sum(
        rows[:, one.ravel()].multiply(rows[:, other.ravel()]).sum(axis=1)
        for one, other in pairs
    )
    return np.hstack([measures(maps), _root(squares), _root(products)[:, None]])


def _maps(X):
    if isinstance(X, ClusterSample):
        return require(X, "maps", by="MapOutlierDetector").maps
    return SparseMaps.from_dense(X)


def _in_rings(maps):
    """Whether each pixel of each band lies in each ring, as 0 or 1."""
    n_bands, height, width = maps.shape[1:]
    y, x = (np.arange(size) * 2 / size - 1 + 1 / size for size in (height, width))
    ring = np.digitize(np.hypot(*np.meshgrid(x, y)), RING_EDGES)
    return np.tile(np.eye(len(RING_EDGES) + 1)[ring.ravel()], (n_bands, 1))


def _root(values):
    return np.sign(values) * np.sqrt(np.abs(values))
