"""Sum of Gaussian kernels on the cells of a cube, tile by tile.

With a tile's centre as origin, a cell at u and a galaxy at h, and with P the inverse of the
kernel's covariance,

    exp(-(u - h)ᵀ P (u - h) / 2) = exp(-uᵀ P u / 2) · exp(-hᵀ P h / 2) · exp(uᵀ P h)

The first factor is the same for all galaxies and all tiles, and the last one is a product
over the axes, exp(Σₖ uₖ (P h)ₖ). So the sum over galaxies is one matrix product, of a table
(y, x | galaxy) with a table (galaxy | v), whatever the correlations. Where a kernel is so
thin that the factors stay in the range of float64 on very small tiles only, the exponents
are added before the exponential is taken.
"""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

TOLERANCE = 1e-7
"""Galaxies may be left out of a cell where they add less than this part of the maximum."""

TILE_BINS = 16
"""Cells a side of the largest tile: the fastest for 30 to 500 galaxies."""

SMALL_TILE_BINS = 4
"""Cells a side of a tile whose exponentials are taken one by one."""

TILE_CELLS_MIN = 128
"""Cells of a tile from which on matrix products are the faster way."""

EXPONENT_MAX = 690.0
"""No exponential in a tile is further from 1 than this, nor overflows in float64."""

CLOSE = 40.0
"""Squared distance, in units of the kernel, up to which any close cell will do for the
closest one: the sum is then too high by exp(20), which float32 can hold."""

PAIRS_PER_BLOCK = 100_000
"""Pairs of a tile and a galaxy that are looked at together."""

CORNERS = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])


@dataclass(frozen=True)
class Kernel:
    """A Gaussian, and how far from a galaxy it has to be summed."""

    precision: np.ndarray
    width: np.ndarray
    closest: float
    reach: float

    @classmethod
    def about(cls, galaxies, covariance, n_bins):
        """The kernel of a covariance for galaxies (3, n) in a cube."""
        precision = np.linalg.inv(covariance)
        # All is relative to the cell closest to a galaxy, lest a narrow kernel underflow
        # everywhere. Beyond `reach` a galaxy adds less than TOLERANCE / n of the maximum.
        closest = _closest(galaxies, precision, n_bins)
        reach = np.sqrt(closest + 2 * np.log(galaxies.shape[1] / TOLERANCE))
        return cls(precision, np.sqrt(np.diag(covariance)), closest, reach)

    def radius(self, shape):
        """Half the diagonal of a tile."""
        corners = (CORNERS * (np.array(shape) - 1) / 2).T
        return np.sqrt(_squared_length(corners, self.precision).max())


def fill_cube(cube, galaxies, covariance):
    """Write the density of galaxies (3, n), in units of cells, into a cube of zeros."""
    n_bins = len(cube)
    kernel = Kernel.about(galaxies, covariance, n_bins)
    shape = _tile_shape(kernel, n_bins)
    if np.prod(shape) >= TILE_CELLS_MIN:
        total = _sum_by_products(cube, galaxies, kernel, shape)
    else:
        total = _sum_one_by_one(cube, galaxies, kernel)
    cube *= np.float32(1 / total)


def _sum_by_products(cube, galaxies, kernel, shape):
    """Fill a cube of zeros by one matrix product a tile; returns the sum of its cells."""
    n_bins, total, axes = len(cube), 0.0, _axes(shape)
    envelope = np.exp(
        -0.5 * _squared_length(np.meshgrid(*axes, indexing="ij"), kernel.precision)
    )
    # From P h and a constant to the exponents along y, x and v.
    basis = np.zeros((4, sum(shape)))
    ends = np.cumsum([0, *shape])
    for axis, (start, stop) in enumerate(pairwise(ends)):
        basis[axis, start:stop] = axes[axis]
    basis[3, : shape[0]] = 1
    for corners, starts, slopes in _tiles(galaxies, kernel, shape, n_bins):
        factors = np.exp(slopes.T @ basis)
        y, x, v = (factors[:, a:b] for a, b in pairwise(ends))
        bounds = pairwise([*starts.tolist(), len(factors)])
        for corner, bound in zip(corners.T.tolist(), bounds, strict=True):
            rows = slice(*bound)
            sky = y[rows, :, None] * x[rows, None, :]
            tile = sky.reshape(-1, shape[0] * shape[1]).T @ v[rows]
            tile = tile.reshape(shape) * envelope
            # The last tile of a row may reach beyond the cube.
            part = tile[tuple(slice(n_bins - low) for low in corner)]
            total += part.sum()
            low_y, low_x, low_v = corner
            cube[low_y:, low_x:, low_v:][tuple(map(slice, part.shape))] = part
    return total


def _sum_one_by_one(cube, galaxies, kernel):
    """Fill a cube of zeros by small tiles, many together; returns the sum of its cells."""
    n_bins = len(cube)
    side = min(SMALL_TILE_BINS, n_bins)
    n_tiles = -(-n_bins // side)
    cells = np.array(np.meshgrid(*_axes([side] * 3), indexing="ij")).reshape(3, -1)
    basis = np.vstack([cells, np.ones(side**3)])
    constant = -0.5 * _squared_length(cells, kernel.precision)
    padded = np.zeros((n_tiles, side, n_tiles, side, n_tiles, side), np.float32)
    for corners, starts, slopes in _tiles(galaxies, kernel, [side] * 3, n_bins):
        exponents = slopes.T @ basis + constant
        # Only cells of a tile beyond the cube can be closer to a galaxy than the closest.
        values = np.exp(np.minimum(exponents, CLOSE / 2))
        y, x, v = corners // side
        tiles = np.add.reduceat(values, starts).reshape(-1, side, side, side)
        padded[y, :, x, :, v, :] = tiles
    cube[:] = padded.reshape(3 * [n_tiles * side])[:n_bins, :n_bins, :n_bins]
    return cube.sum(dtype=float)


def _closest(galaxies, precision, n_bins):
    """Squared distance of a cell from the galaxy that it is closest to."""
    nearest = np.clip(np.rint(galaxies), 0, n_bins - 1)
    found = _squared_length(nearest - galaxies, precision).min()
    if found <= CLOSE:
        return found
    # In a slanted kernel the closest cell may be another one: look at all y and x, with
    # the best v of each, row by row.
    (y, x, v), cells = galaxies, np.arange(n_bins)
    to_x = cells[:, None] - x
    for row in cells:
        to_y = np.broadcast_to(row - y, to_x.shape)
        slant = (precision[2, 0] * to_y + precision[2, 1] * to_x) / precision[2, 2]
        to_v = np.clip(np.rint(v - slant), 0, n_bins - 1) - v
        squared = _squared_length(np.stack([to_y, to_x, to_v]), precision)
        found = min(found, squared.min())
    return found


def _squared_length(offset, precision):
    """Of offsets (3, ...) in units of the kernel."""
    return np.einsum("i...,ij,j...->...", offset, precision, offset)


def _axes(shape):
    """Cells of a tile along each axis, about its centre."""
    return [np.arange(size) - (size - 1) / 2 for size in shape]


def _tile_shape(kernel, n_bins):
    """Cells of the largest tile in which no factor leaves the range of float64."""
    shape = [min(TILE_BINS, n_bins)] * 3
    while True:
        radius = kernel.radius(shape)
        farthest = max((radius + kernel.reach) ** 2 - kernel.closest, kernel.closest)
        largest = farthest / 2 + radius * (radius + kernel.reach)
        if largest <= EXPONENT_MAX or max(shape) == 1:
            return shape
        edges = (np.array(shape) - 1) * np.sqrt(np.diag(kernel.precision))
        longest = np.argmax(edges)
        shape[longest] = -(-shape[longest] // 2)


def _tiles(galaxies, kernel, shape, n_bins):
    """Tiles that have galaxies within reach, many at a time.

    Yields
    ------
    corners : ndarray of int of shape (3, n_tiles)
        First cell of each tile.
    starts : ndarray of shape (n_tiles,)
        First of its galaxies.
    slopes : ndarray of shape (4, n)
        P h and -hᵀ P h / 2 of these galaxies, tile by tile; the latter is relative to the
        closest cell.
    """
    first = [np.arange(0, n_bins, size) for size in shape]
    half = (np.array(shape) - 1) / 2
    box, far = half + kernel.reach * kernel.width, kernel.radius(shape) + kernel.reach
    y, x, v = (
        np.abs(galaxies[k] - first[k][:, None] - half[k]) <= box[k] for k in range(3)
    )
    n = galaxies.shape[1]
    per_block = max(1, PAIRS_PER_BLOCK // (len(x) * len(v) * n))
    for start in range(0, len(y), per_block):
        rows = slice(start, start + per_block)
        near = (y[rows, None, None] & x[:, None] & v).reshape(-1, n)
        tile, galaxy = np.nonzero(near)
        corners = np.array(np.meshgrid(first[0][rows], *first[1:], indexing="ij"))
        corners = corners.reshape(3, -1)
        h = galaxies[:, galaxy] - (corners + half[:, None])[:, tile]
        slope = kernel.precision @ h
        squared = np.einsum("in,in->n", h, slope)
        reached = squared <= far**2
        if reached.any():
            filled, starts = np.unique(tile[reached], return_index=True)
            constant = 0.5 * (kernel.closest - squared)
            yield corners[:, filled], starts, np.vstack([slope, constant])[:, reached]
