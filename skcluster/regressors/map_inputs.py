"""`MapInputs`: what regressors that take maps have in common."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ..sample import ClusterSample, SparseMaps, require
from ..sample.sparse_maps import check_same_steps, steps_of
from .map_batches import pixel_moments
from .scalars import counts_behind


@dataclass(eq=False)
class MapsAndMore:
    """Maps of clusters and what else a network sees of them; rows can be selected.

    Parameters
    ----------
    maps : SparseMaps
    scalars : ndarray of shape (n, n_scalars), default=None
    unobserved : SparseMaps of shape (n, 1, n_pixels, n_pixels), default=None
    """

    maps: SparseMaps
    scalars: np.ndarray | None = None
    unobserved: SparseMaps | None = None

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, rows):
        more = (
            None if each is None else each[rows]
            for each in (self.scalars, self.unobserved)
        )
        return MapsAndMore(self.maps[rows], *more)


class MapInputs:
    """Mixin of regressors that take maps, alone or among other inputs."""

    _takes = "maps"
    scalars: Sequence[str]

    def _read_maps(self, X):
        if isinstance(X, ClusterSample):
            return require(X, "maps", by=type(self).__name__).maps
        maps = X if isinstance(X, SparseMaps) else SparseMaps.from_dense(X)
        if len(maps) == 0:
            raise ValueError(
                f"Found 0 sample(s) while a minimum of 1 is required by "
                f"{type(self).__name__}."
            )
        return maps

    def _learn_map_scaling(self, maps):
        self.map_shape_, self.map_geometry_ = maps.shape[1:], maps.geometry
        self.map_steps_ = steps_of(maps)
        self.pixel_mean_, self.pixel_scale_ = pixel_moments(maps)
        if self.pixel_scale_ == 0:
            raise ValueError(
                f"All pixels of the {len(maps)} maps hold the same value, so there is "
                "nothing to learn from. Are there photons in the maps?"
            )

    def _check_map_shape(self, maps):
        if maps.shape[1:] != self.map_shape_:
            raise ValueError(
                f"X holds maps of shape {maps.shape[1:]}, but {type(self).__name__} was "
                f"fitted to maps of shape {self.map_shape_}."
            )
        by = type(self).__name__
        if len({maps.geometry, self.map_geometry_} - {None}) == 2:
            raise ValueError(
                f"X holds maps of {maps.geometry}, but {by} was fitted to maps of "
                f"{self.map_geometry_}. Make X with that PhotonMapper."
            )
        # Models of version 0.1.0 do not say which steps.
        check_same_steps(maps, getattr(self, "map_steps_", None), by=by)

    def _filled_up(self, inputs, n_clusters):
        """Return at least `n_clusters` inputs, of which the last do not matter."""
        return inputs[np.minimum(np.arange(n_clusters), len(inputs) - 1)]

    def _described(self, inputs):
        """Return what outliers are found by: maps, or `skcluster.outliers.Measures`."""
        return inputs.maps

    def _counted(self, inputs):
        """Return counts whose ranges in training are remembered, by name."""
        counted = {"map_sum": inputs.maps.total()}
        return counted | counts_behind(inputs.scalars, self.scalars)


def stored_arrays(maps):
    """Return the arrays that hold sparse maps, for a fingerprint."""
    return maps.rows.data, maps.rows.indices, maps.rows.indptr
