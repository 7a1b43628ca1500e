"""Sum of Gaussian kernels on the cells of a cube, tile by tile.

Let W whiten the kernel, a lower triangular matrix, so that a galaxy at h adds
exp(-|W (u - h)|² / 2) to the cell at u, both from the centre of a tile. With s for the sky
(y, x), t = W_vs u_s and η = (W h)_v, the exponent is that of

    envelope (u)           -|W_s u_s|² / 2 - t² / 2 - W_vv u_v t
    sky (u_s, galaxy)      u_s · (Wᵀ W h)_s - |(W h)_s|² / 2
    depth (u_v, galaxy)    -(W_vv u_v - η)² / 2

The envelope is the same for all galaxies and tiles, and sky a product of geometric series
along y and x. So the sum over galaxies is one matrix product, of a table (y, x | galaxy)
with a table (galaxy | v), whatever the correlations. Where a kernel is so thin that the
tables stay in the range of float32 on very small tiles only, exponents are added before the
exponential is taken.
"""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 3e-7
"""Galaxies may be left out of a cell where they add less than this part of the maximum."""

TILE_BINS = 16
"""Cells of the largest tile along y and x: the fastest for 30 to 500 galaxies."""

SMALL_TILE_BINS = 4
"""Cells a side of a tile whose exponentials are taken one by one."""

TILE_CELLS_MIN = 128
"""Cells of a tile from which on matrix products are the faster way."""

EXPONENT_MAX = 86.0
"""No table is further from 1 than its exponential where it counts: float32 ends at 87."""

LARGEST = 500.0
"""Exponent of the ratio of two neighbours in a table of float64."""

CLOSE = 40.0
"""Squared distance, in units of the kernel, up to which any close cell will do for the
closest one: the sum is then too high by exp(20), which float32 can hold."""

PAIRS_PER_BLOCK = 100_000
"""Pairs of a tile and a galaxy that are looked at together."""

PAIRS_PER_TABLE = 1_000
"""Pairs whose factors are held at a time: so many stay in the processor's cache."""

CORNERS = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])


@dataclass(frozen=True)
class Kernel:
    """A Gaussian, and how far from a galaxy it has to be summed.

    An offset x has the length |W x| in units of the kernel, where W, the inverse of the
    covariance's Cholesky factor, is lower triangular. Unlike xᵀ P x this does not cancel
    where the axes are strongly correlated.
    """

    whitening: np.ndarray
    width: np.ndarray
    stretch: float
    closest: float
    reach: float

    @classmethod
    def about(cls, galaxies, covariance, n_bins):
        """The kernel of a covariance for galaxies (3, n) in a cube."""
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        width = np.sqrt(np.diag(covariance))
        # No eigenvalue of the correlation matrix is larger (Gershgorin).
        stretch = (np.abs(covariance) / width / width[:, None]).sum(axis=0).max()
        # All is relative to the cell closest to a galaxy, lest a narrow kernel underflow
        # everywhere. Beyond `reach` a galaxy adds less than TOLERANCE / n of the maximum.
        closest = _closest(galaxies, whitening, n_bins)
        reach = np.sqrt(closest + 2 * np.log(galaxies.shape[1] / TOLERANCE))
        return cls(whitening, width, stretch, closest, reach)

    def largest_exponent(self, shape):
        """Of the tables of a tile, where they count."""
        corners = (CORNERS * (np.array(shape) - 1) / 2).T
        whitened = self.whitening @ corners
        depth = self.whitening[2, 2] * corners[2]
        tilt = np.abs(whitened[2] - depth).max()
        slant = tilt * np.abs(depth).max()
        # With envelope and depth at their smallest, sky is at its largest; its factors
        # are the root of that at most, and at least sky, where it counts, over that.
        sky = 0.5 * (_squared(whitened[:2]).max() + tilt**2 + (self.reach + tilt) ** 2)
        return max(sky + slant, 0.5 * (sky + slant + self.reach**2) + slant)


def fill_cube(cube, galaxies, covariance):
    """Write the density of galaxies (3, n), in units of cells, into a cube."""
    kernel = Kernel.about(galaxies, covariance, len(cube))
    shape = _tile_shape(kernel, len(cube))
    if np.prod(shape) >= TILE_CELLS_MIN:
        _sum_by_products(cube, galaxies, kernel, shape)
    else:
        _sum_one_by_one(cube, galaxies, kernel)
    cube *= 1 / cube.sum()


def _sum_by_products(cube, galaxies, kernel, shape):
    """Fill a cube of zeros by one matrix product a tile, in float32."""
    side_y, side_x, side_v = shape
    n_y, n_x, n_v = (-(-len(cube) // side) for side in shape)
    whole = cube
    if any(len(cube) % side for side in shape):  # the last tiles reach beyond the cube
        whole = np.zeros((n_y * side_y, n_x * side_x, n_v * side_v), np.float32)
    columns = whole.reshape(n_y, side_y, n_x, side_x * n_v * side_v).swapaxes(1, 2)
    envelope = np.tile(_envelope(kernel, shape), n_v).reshape(side_y, -1)
    # Tiles behind each other along v, side by side as their cells in the cube.
    product = np.zeros((side_y * side_x, n_v * side_v), np.float32)
    rows = product.reshape(envelope.shape)
    for filled, bounds, offset in _tiles(galaxies, kernel, shape, len(cube)):
        sky, depth = _tables(offset, kernel, shape)
        places = [divmod(tile, n_v) for tile in filled.tolist()]
        for i, (column, place) in enumerate(places):
            start, stop, first = bounds[i], bounds[i + 1], place * side_v
            out = product[:, first : first + side_v]
            np.matmul(sky[:, start:stop], depth[start:stop], out=out)
            if i + 1 == len(places) or places[i + 1][0] != column:
                np.multiply(rows, envelope, out=columns[divmod(column, n_x)])
                product.fill(0)
    if whole is not cube:
        cube[:] = whole[tuple(map(slice, cube.shape))]


def _envelope(kernel, shape):
    """What the galaxies of all tiles share, of shape (y, x, v)."""
    sky = _cells([*shape[:2], 1]).reshape(3, -1)
    whitened = kernel.whitening @ sky
    tilt = kernel.whitening[2, 2] * whitened[2]
    first = np.exp(tilt * ((shape[2] - 1) / 2) - 0.5 * _squared(whitened))
    return _powers(first, np.exp(-tilt), shape[2]).T.astype(np.float32).reshape(shape)


def _tables(offset, kernel, shape):
    """Tables (y, x | galaxy) and (galaxy | v) of a tile's galaxies."""
    half = (np.array(shape) - 1) / 2
    slopes = (kernel.whitening.T @ offset)[:2]
    at_edge = half[:2, None] * slopes
    span = np.abs(at_edge)
    # Only a galaxy beyond reach can have more than the largest exponent.
    height = 0.5 * (kernel.closest - _squared(offset[:2])) + span.sum(axis=0)
    first = np.exp(0.5 * np.minimum(height, EXPONENT_MAX) - span - at_edge)
    y, x = map(_powers, first, np.exp(np.minimum(slopes, LARGEST)), shape)
    sky = y.astype(np.float32)[:, None] * x.astype(np.float32)
    v = kernel.whitening[2, 2] * (np.arange(shape[2]) - half[2])
    depth = (v - offset[2][:, None]).astype(np.float32)
    depth *= depth
    depth *= np.float32(-0.5)
    return sky.reshape(-1, len(depth)), np.exp(depth, out=depth)


def _powers(first, ratio, size):
    """Table of a geometric series a column, of shape (size, n)."""
    table = np.empty((size, len(first)))
    table[0], done = first, 1
    while done < size:
        more = min(done, size - done)
        np.multiply(table[:more], ratio, out=table[done : done + more])
        done += more
        if done < size:
            ratio = ratio * ratio
    return table


def _sum_one_by_one(cube, galaxies, kernel):
    """Fill a cube by small tiles, many together."""
    side = min(SMALL_TILE_BINS, len(cube))
    shape, n_tiles = 3 * [side], -(-len(cube) // side)
    cells = kernel.whitening @ _cells(shape).reshape(3, -1)
    tiles = np.zeros((n_tiles**3, side**3), np.float32)
    for filled, bounds, offset in _tiles(galaxies, kernel, shape, len(cube)):
        squared = sum(
            (cell - from_galaxy[:, None]) ** 2
            for cell, from_galaxy in zip(cells, offset, strict=True)
        )
        # Only cells of a tile beyond the cube can be closer to a galaxy than the closest.
        exponent = np.minimum(0.5 * (kernel.closest - squared), CLOSE / 2)
        tiles[filled] = np.add.reduceat(np.exp(exponent), bounds[:-1])
    whole = tiles.reshape(3 * [n_tiles] + shape).transpose(0, 3, 1, 4, 2, 5)
    whole = whole.reshape(3 * [n_tiles * side])
    cube[:] = whole[tuple(map(slice, cube.shape))]


def _closest(galaxies, whitening, n_bins):
    """Squared distance of a cell from the galaxy that it is closest to."""
    nearest = np.clip(np.rint(galaxies), 0, n_bins - 1)
    found = _squared(whitening @ (nearest - galaxies)).min()
    if found <= CLOSE:
        return found
    # In a slanted kernel the closest cell may be another one: look at all y and x, with
    # the best v of each, row by row.
    (y, x, v), cells = galaxies, np.arange(n_bins)
    to_x = cells[:, None] - x
    for row in cells:
        to_y = np.broadcast_to(row - y, to_x.shape)
        slant = (whitening[2, 0] * to_y + whitening[2, 1] * to_x) / whitening[2, 2]
        to_v = np.clip(np.rint(v - slant), 0, n_bins - 1) - v
        offset = np.stack([to_y, to_x, to_v]).reshape(3, -1)
        found = min(found, _squared(whitening @ offset).min())
    return found


def _squared(whitened):
    """Squared length of whitened offsets (3, n)."""
    return np.einsum("ij,ij->j", whitened, whitened)


def _cells(shape):
    """Cells of a tile about its centre, of shape (3, y, x, v)."""
    axes = [np.arange(size) - (size - 1) / 2 for size in shape]
    return np.array(np.meshgrid(*axes, indexing="ij"))


def _tile_shape(kernel, n_bins):
    """Cells of the largest tile whose tables stay in the range of float32."""
    shape = [min(TILE_BINS, n_bins), min(TILE_BINS, n_bins), n_bins]
    across = np.linalg.norm(kernel.whitening, axis=0)
    while kernel.largest_exponent(shape) > EXPONENT_MAX and max(shape) > 1:
        longest = np.argmax((np.array(shape) - 1) * across)
        shape[longest] = -(-shape[longest] // 2)
    return shape


def _tiles(galaxies, kernel, shape, n_bins):
    """Tiles that have galaxies within reach, many at a time.

    Yields
    ------
    filled : ndarray of int of shape (n_tiles,)
        Numbers of the tiles.
    bounds : list of int of length n_tiles + 1
        Where the galaxies of each begin and end.
    offset : ndarray of shape (3, n)
        From the tile's centre to the galaxy, whitened, tile by tile.
    """
    n = galaxies.shape[1]
    counts = [-(-n_bins // size) for size in shape]
    middle = [
        np.arange(m) * size + (size - 1) / 2
        for m, size in zip(counts, shape, strict=True)
    ]
    y, x, v = _gaps(galaxies, kernel, middle, shape)
    limit = kernel.stretch * kernel.reach**2
    per_block = max(1, PAIRS_PER_BLOCK // (len(x) * len(v) * n))
    for start in range(0, len(y), per_block):
        gaps = y[start : start + per_block, None, None] + x[:, None] + v
        tile, galaxy = np.nonzero(gaps.reshape(-1, n) <= limit)
        if not len(tile):
            continue
        tile += start * len(x) * len(v)
        places = np.unravel_index(tile, counts)
        offset = galaxies[:, galaxy]
        offset -= [axis[place] for axis, place in zip(middle, places, strict=True)]
        starts = np.flatnonzero(np.diff(tile, prepend=-1))
        bounds = np.append(starts, len(tile))
        yield from _parts(tile[starts], bounds, kernel.whitening @ offset, len(v))


def _gaps(galaxies, kernel, middle, shape):
    """Squared gaps between tiles and galaxies along y, x and v, in widths of the kernel.

    With λ the largest eigenvalue of the kernel's correlation matrix, the squared distance
    of a galaxy from a tile, in units of the kernel, is at least their sum over λ.
    """
    axis = np.repeat([0, 1, 2], [len(centers) for centers in middle])
    gaps = np.abs(galaxies[axis] - np.concatenate(middle)[:, None])
    gaps -= (np.array(shape)[axis, None] - 1) / 2
    gaps = (np.maximum(gaps, 0) / kernel.width[axis, None]) ** 2
    gaps[gaps > kernel.reach**2] = np.inf
    return (gaps[axis == k] for k in range(3))


def _parts(filled, bounds, offset, n_v):
    """Whole columns of tiles with about PAIRS_PER_TABLE galaxies together."""
    ends = np.flatnonzero(np.diff(filled // n_v, append=-1)) + 1
    start = 0
    while start < len(filled):
        wanted = np.searchsorted(bounds[ends], bounds[start] + PAIRS_PER_TABLE)
        stop = ends[min(wanted, len(ends) - 1)]
        part = bounds[start : stop + 1]
        yield (
            filled[start:stop],
            (part - part[0]).tolist(),
            offset[:, part[0] : part[-1]],
        )
        start = stop
