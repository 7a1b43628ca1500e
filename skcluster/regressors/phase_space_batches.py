"""Batches of maps and phase-space cubes, which are made when they are read."""

from dataclasses import KW_ONLY, dataclass, replace
from typing import Any

import numpy as np
import torch
from sklearn.utils import gen_batches

from ..sample import Ragged, SparseMaps
from .map_batches import MapBatches

CLUSTERS_PER_BLOCK = 50


@dataclass(eq=False)
class JointInputs:
    """Maps and cubes of clusters, from which rows can be selected.

    Cubes are looked up, or made from the galaxies, when a batch asks for them. A selection
    copies no cubes, so memory does not grow with the survey.

    Parameters
    ----------
    maps : SparseMaps
    cubes : ndarray of shape (n_all, n_bins, n_bins, n_bins), default=None
    galaxies : Ragged of n_all clusters, default=None
        Galaxies to make the cubes from, instead of `cubes`.
    phase_space : PhaseSpaceKDE
        Makes the cubes from galaxies.
    extent : tuple of (half_width, velocity_max), default=None
        Half-width [Mpc/h] and highest speed [km/s] of the cubes; None if not known.
    scalars : ndarray of shape (n, n_scalars), default=None
        Numbers of the clusters of the maps.
    rows : ndarray of int, default=None
        Clusters of `cubes` or `galaxies` that the maps belong to; None means all.
    """

    maps: SparseMaps
    _: KW_ONLY
    cubes: np.ndarray | None = None
    galaxies: Ragged | None = None
    phase_space: Any = None
    extent: tuple | None = None
    scalars: np.ndarray | None = None
    rows: Any = None

    def __post_init__(self):
        if self.rows is None:
            self.rows = np.arange(len(self.maps))

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, rows):
        rows = np.arange(len(self))[rows]
        return replace(
            self,
            maps=self.maps[rows],
            scalars=None if self.scalars is None else self.scalars[rows],
            rows=self.rows[rows],
        )

    @property
    def n_bins(self):
        """Cells per side of the cubes; None if there are no cubes and no galaxies."""
        if self.cubes is not None:
            return self.cubes.shape[-1]
        return None if self.galaxies is None else self.phase_space.n_bins

    def cubes_of(self, rows, n_bins):
        """Cubes of some clusters as float32; all zeros where a cluster has none."""
        rows = self.rows[rows]
        if self.cubes is not None:
            return np.asarray(self.cubes[rows], np.float32)
        if self.galaxies is not None:
            return self.phase_space.cubes_of(self.galaxies[rows])
        return np.zeros((len(rows), *3 * [n_bins]), np.float32)

    def missing(self):
        """Row numbers of the clusters without a cube."""
        if self.cubes is not None:
            has_cube = np.array([cubes.any() for cubes in self.cubes[self.rows]])
        elif self.galaxies is not None:
            has_cube = self.phase_space.has_kernel(self.galaxies[self.rows])
        else:
            has_cube = np.zeros(len(self), bool)
        return np.flatnonzero(np.logical_not(has_cube))

    def blocks_of_cubes(self):
        """Yield row numbers and cubes of all clusters, block by block."""
        for block in gen_batches(len(self), CLUSTERS_PER_BLOCK):
            rows = np.arange(block.start, block.stop)
            yield rows, self.cubes_of(rows, self.n_bins)


class JointBatches(MapBatches):
    """Standardized maps, cubes and targets as a torch dataset of complete batches.

    Parameters
    ----------
    inputs : JointInputs
    target : ndarray of shape (n,), default=None
    mean, deviation : float
        Moments of the training pixels.
    n_bins : int
        Cells per side of the cubes.
    cube_mean, cube_deviation : float
        Moments of the training cells. A missing cube is replaced by their mean.
    """

    def __init__(
        self, inputs, target=None, *, n_bins, cube_mean, cube_deviation, **of_maps
    ):
        super().__init__(inputs.maps, target, **of_maps)
        self.inputs, self.n_bins = inputs, n_bins
        self.cube_mean, self.cube_deviation = cube_mean, cube_deviation

    def __getitems__(self, rows):
        """Return a batch, inputs by name and targets: torch's loader calls this."""
        batch, target = super().__getitems__(rows)
        cubes = torch.from_numpy(self.inputs.cubes_of(np.asarray(rows), self.n_bins))
        has_cube = cubes.flatten(1).any(1)
        cubes = cubes.sub(self.cube_mean).div_(self.cube_deviation)
        cubes[~has_cube] = 0
        return {**batch, "cubes": cubes, "has_cube": has_cube.float()}, target


def cube_extent(sample, phase_space):
    """Half-width [Mpc/h] and highest speed [km/s] of a sample's cubes; None if unknown.

    Parameters
    ----------
    sample : ClusterSample
    phase_space : PhaseSpaceKDE
        Makes the cubes if the sample has only galaxies.
    """
    if sample.cubes is None:
        if sample.galaxies is None:
            return None
        return float(phase_space.half_width), float(phase_space.velocity_max)
    if sample.cube_extent is None:
        return None
    extents = sorted(set(map(tuple, sample.cube_extent.tolist())))
    if len(extents) > 1:
        raise ValueError(
            f"The cubes of {len(sample)} clusters have {len(extents)} half-widths and "
            f"highest speeds: {extents}. Make them with one PhaseSpaceKDE."
        )
    return extents[0]


def cube_moments(blocks):
    """Mean and standard deviation of all cells of the cubes that are not missing.

    Parameters
    ----------
    blocks : iterable of (rows, cubes)
        See `JointInputs.blocks_of_cubes`.

    Returns
    -------
    mean, deviation : float
        NaN if no cluster has a cube.
    missing : ndarray of int
        Row numbers of the clusters without a cube.
    """
    total = squares = n_cells = 0
    missing = []
    for rows, cubes in blocks:
        cubes = cubes.reshape(len(cubes), -1)
        has_cube = cubes.any(axis=1)
        missing.append(rows[~has_cube])
        n_cells += has_cube.sum() * cubes.shape[1]
        total += cubes.sum(dtype=float)
        squares += np.einsum("ij,ij->", cubes, cubes, dtype=float)
    if n_cells == 0:
        return np.nan, np.nan, np.concatenate(missing)
    mean = total / n_cells
    deviation = np.sqrt(max(squares / n_cells - mean**2, 0))
    return float(mean), float(deviation), np.concatenate(missing)
