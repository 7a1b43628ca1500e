"""Sum of Gaussian kernels on the cells of a cube, tile by tile.

The density is summed tile by tile. With a tile's centre as origin, a cell at u and a galaxy
at h, and with P the inverse of the kernel's covariance,

    exp(-(u - h)ᵀ P (u - h) / 2) = exp(-uᵀ P u / 2) · exp(-hᵀ P h / 2) · exp(uᵀ P h)

The first factor is the same for all galaxies and all tiles, and the last one is a product
over the axes, exp(Σₖ uₖ (P h)ₖ). So the sum over galaxies is one matrix product, of a table
(y, x | galaxy) with a table (galaxy | v), whatever the correlations.
"""

from itertools import pairwise, permutations

import numpy as np

TOLERANCE = 1e-7
"""Galaxies may be left out of a cell where they add less than this part of the maximum."""

TILE_BINS = 16
"""Cells a side of the largest tile: the fastest for 30 to 500 galaxies."""

EXPONENT_MAX = 690.0
"""No exponential in a tile is further from 1 than this, nor overflows in float64."""

TOTAL_MAX = 1e20
"""Largest sum of a cube before the last, common factor: it is to fit into float32."""

WIDE, NARROW = 40.0, 1000.0
"""Squared distances of the closest cell from a galaxy, in units of the kernel: up to the
first any close cell does, and beyond the second the density underflows."""

PAIRS_PER_BLOCK = 1_000_000
"""Pairs of a tile and a galaxy that are looked at together."""

CORNERS = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])


def fill_cube(cube, galaxies, covariance):
    """Write the density of galaxies (3, n), in units of cells, into a cube of zeros."""
    precision = np.linalg.inv(covariance)
    cell, closest = _closest_cell(galaxies, precision, len(cube))
    if closest > NARROW:
        cube[cell] = 1
        return
    margin = np.sqrt(np.diag(covariance))
    total = np.inf
    while total > TOTAL_MAX:
        # The cell found may not be the closest of all, in which case the sum is high.
        total = _sum_tiles(cube, galaxies, precision, margin, closest)
        closest -= 2 * np.log(total / cube.size)
    cube *= np.float32(1 / total)


def _sum_tiles(cube, galaxies, precision, margin, closest):
    """Write the density, relative to that of one galaxy at the distance of `closest`.

    Returns
    -------
    total : float
        Sum of the cells. Beyond TOTAL_MAX, it is not finished.
    """
    n_bins = len(cube)
    cube[:] = 0
    # A galaxy beyond `reach` of a cell adds less than TOLERANCE / n of the maximum there.
    reach = np.sqrt(closest + 2 * np.log(galaxies.shape[1] / TOLERANCE))
    shape, radius = _tile_shape(precision, closest, reach, n_bins)
    axes = [np.arange(size) - (size - 1) / 2 for size in shape]
    envelope = _envelope(axes, precision)
    # From a galaxy's P h and -hᵀ P h / 2 to the exponents along y, x and v.
    basis = np.zeros((4, sum(shape)))
    ends = np.cumsum([0, *shape])
    for axis, (start, stop) in enumerate(pairwise(ends)):
        basis[axis, start:stop] = axes[axis]
    basis[3, : shape[0]] = 1
    total = 0.0
    for corners, counts, h in _tiles(galaxies, shape, reach * margin, n_bins):
        sloped = precision @ h
        squared = np.einsum("in,in->n", h, sloped)
        near = squared <= (radius + reach) ** 2
        exponents = np.concatenate([sloped, 0.5 * (closest - squared)[None]])
        factors = np.exp(exponents[:, near].T @ basis)
        y, x, v = (factors[:, a:b] for a, b in pairwise(ends))
        stops = np.cumsum(near)[np.cumsum(counts) - 1].tolist()
        for corner, start, stop in zip(corners, [0, *stops[:-1]], stops, strict=True):
            rows = slice(start, stop)
            sky = y[rows, :, None] * x[rows, None, :]
            tile = sky.reshape(stop - start, shape[0] * shape[1]).T @ v[rows]
            tile = tile.reshape(shape) * envelope
            # The last tile of a row may reach beyond the cube.
            part = tile[tuple(slice(n_bins - low) for low in corner)]
            total += part.sum()
            if total > TOTAL_MAX:
                return total
            low_y, low_x, low_v = corner
            cube[low_y:, low_x:, low_v:][tuple(map(slice, part.shape))] = part
    return total


def _closest_cell(galaxies, precision, n_bins):
    """A cell close to a galaxy in units of the kernel, and its squared distance."""
    cells = np.clip(np.rint(galaxies), 0, n_bins - 1)
    squared = _squared_distance(cells - galaxies, precision)
    if squared.min() > WIDE:
        # In a slanted kernel the nearest cell is another one. Round one axis after the
        # other, each where the kernel is widest given the ones before.
        found = [cells]
        for order in permutations(range(3)):
            found.append(_rounded(galaxies, precision, order, n_bins))
        cells = np.concatenate(found, axis=1)
        squared = _squared_distance(cells - np.tile(galaxies, len(found)), precision)
    nearest = squared.argmin()
    return tuple(np.rint(cells[:, nearest]).astype(int)), squared[nearest]


def _rounded(galaxies, precision, order, n_bins):
    """Cells near the galaxies: rounded along one axis after the other."""
    offset = np.zeros_like(galaxies)
    for k, axis in enumerate(order):
        free, done = list(order[k:]), list(order[:k])
        shift = np.zeros(galaxies.shape[1])
        if done:
            # The most likely place of the free axes, given the offsets of the others.
            gain = np.linalg.solve(
                precision[np.ix_(free, free)], precision[np.ix_(free, done)]
            )
            shift = -(gain @ offset[done])[0]
        cell = np.clip(np.rint(galaxies[axis] + shift), 0, n_bins - 1)
        offset[axis] = cell - galaxies[axis]
    return galaxies + offset


def _squared_distance(offset, precision):
    return np.einsum("in,ij,jn->n", offset, precision, offset)


def _tile_shape(precision, closest, reach, n_bins):
    """Cells of a tile along each axis, and half its diagonal in units of the kernel."""
    shape = [min(TILE_BINS, n_bins)] * 3
    while True:
        corners = CORNERS * (np.array(shape) - 1) / 2
        squared = np.einsum("ci,ij,cj->c", corners, precision, corners)
        radius = np.sqrt(squared.max())
        farthest = max((radius + reach) ** 2 - closest, closest)
        largest = farthest / 2 + radius * (radius + reach)
        if largest <= EXPONENT_MAX or max(shape) == 1:
            return shape, radius
        longest = np.argmax((np.array(shape) - 1) * np.sqrt(np.diag(precision)))
        shape[longest] = -(-shape[longest] // 2)


def _envelope(axes, precision):
    """exp(-uᵀ P u / 2) of the cells u of a tile about its centre."""
    y, x, v = np.ix_(*axes)
    sky = precision[0, 0] * y**2 + precision[1, 1] * x**2 + 2 * precision[0, 1] * y * x
    slope = 2 * (precision[0, 2] * y + precision[1, 2] * x)
    return np.exp(-0.5 * (sky + slope * v + precision[2, 2] * v**2))


def _tiles(galaxies, shape, margin, n_bins):
    """Tiles with galaxies in their box and a margin, many at a time.

    Yields
    ------
    corners : list of 3 int
        First cell of each tile.
    counts : ndarray of shape (n_tiles,)
        Its galaxies.
    h : ndarray of shape (3, n)
        These galaxies about the centres of their tiles, tile by tile.
    """
    corners = [np.arange(0, n_bins, size) for size in shape]
    half = (np.array(shape) - 1) / 2
    y, x, v = (
        np.abs(galaxies[k] - corners[k][:, None] - half[k]) <= half[k] + margin[k]
        for k in range(3)
    )
    n = galaxies.shape[1]
    per_block = max(1, PAIRS_PER_BLOCK // (len(x) * len(v) * n))
    for start in range(0, len(y), per_block):
        rows = slice(start, start + per_block)
        near = y[rows, None, None] & x[:, None] & v
        tile, galaxy = np.nonzero(near.reshape(-1, n))
        if len(tile) == 0:
            continue
        tile, counts = np.unique(tile, return_counts=True)
        place = np.unravel_index(tile, near.shape[:3])
        chosen = np.array(
            [corners[0][rows][place[0]], corners[1][place[1]], corners[2][place[2]]]
        )
        centres = np.repeat(chosen + half[:, None], counts, axis=1)
        yield chosen.T.tolist(), counts, galaxies[:, galaxy] - centres
