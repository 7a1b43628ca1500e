r"""Sum of Gaussian kernels on the cells of a cube, tile by tile.

A galaxy at h adds :math:`\exp(-|W (u - h)|^2 / 2)` to the cell at u, with both counted from
the center of a tile and W the lower triangular matrix of `Kernel`. With s for the two axes
on the sky (y, x), v for the velocity, :math:`t = W_{vs} u_s` and
:math:`\eta = (W h)_v`, the exponent is the sum of three parts:

.. math::

    \mathrm{envelope}(u) &= -\tfrac{1}{2} |W_s u_s|^2 - \tfrac{1}{2} t^2 - W_{vv} u_v t \\
    \mathrm{sky}(u_s, h) &= u_s \cdot (W^T W h)_s - \tfrac{1}{2} |(W h)_s|^2 \\
    \mathrm{depth}(u_v, h) &= -\tfrac{1}{2} (W_{vv} u_v - \eta)^2

The constant :math:`d^2 / 2` of `Kernel` is added to sky. The envelope is the same for all
galaxies and tiles, and the exponential of sky is a product of geometric series along y and
x. So the sum over galaxies is one matrix product, of a table (y, x | galaxy) with a table
(galaxy | v), however the axes are correlated. A kernel may be so thin that these tables
stay in the range of float32 only for very small tiles; then the exponents are added before
the exponential is taken.

No number on the way is subnormal, because arithmetic with subnormal floats is up to a
hundred times slower on some processors. Table entries that are too small to count become
zero or the smallest normal number, each sum begins with a term that keeps it normal, and
cells in which the sum is negligible are set to zero.
"""

from dataclasses import dataclass

import numpy as np

TOLERANCE = 3e-7
"""Error of a cell, in units of the cube's maximum, that omitted galaxies may cause."""

TILE_BINS = 16
"""Cells of the largest tile along y and x, which is fastest for 30 to 500 galaxies."""

SMALL_TILE_BINS = 4
"""Cells per side of a tile whose exponents are added before the exponential is taken."""

TILE_CELLS_MIN = 128
"""Cells of the smallest tile for which matrix products are faster."""

EXPONENT_MAX = 86.0
"""Largest exponent, of either sign, in a table: float32 ends at 87."""

LEAST = np.float32(1.2e-38)
"""Smallest table entry that counts, a normal number; smaller ones are set to zero."""

FLOOR = np.float32(3.5e-19)
"""Two table entries of the term that starts each sum; their product is normal."""

NEGLIGIBLE, EMPTY = 1e-20, 1e38
"""Density, relative to the closest cell, below which a cell is left empty; and an upper
limit of any sum over galaxies."""

LARGEST = 500.0
"""Largest exponent of the ratio between neighbors in a table of float64."""

CLOSE = 40.0
"""Squared distance, in units of the kernel, up to which the nearest cell in pixels is
assumed to be also the closest in units of the kernel. The sum is then too high by at most
exp(20), which float32 can hold."""

PAIRS_PER_BLOCK = 100_000
"""Number of pairs of a tile and a galaxy that are compared at a time."""

PAIRS_PER_TABLE = 1_000
"""Number of pairs with factors in memory, small enough for the processor's cache."""

# The other four corners lie opposite to these, where every product below is the same.
CORNERS = np.array([[1, 1, 1], [1, 1, -1], [1, -1, 1], [-1, 1, 1]])


@dataclass(frozen=True)
class Kernel:
    r"""Gaussian kernel of one cluster, and the distance beyond which it may be ignored.

    A galaxy at g adds to the cell at u

    .. math::

        k(u, g) = \exp\left[ -\tfrac{1}{2} \left( |W (u - g)|^2 - d^2 \right) \right],
        \qquad W = L^{-1}, \quad H = L L^T

    with H the covariance of the kernel and d the smallest distance :math:`|W (u - g)|` of
    any cell from any galaxy. So the largest term is 1, and a narrow kernel does not
    underflow in every cell. W is lower triangular, and :math:`|W x|^2` keeps its digits
    where the axes are strongly correlated, which :math:`x^T H^{-1} x` does not.

    Beyond the distance

    .. math::

        r = \sqrt{d^2 + 2 \ln (n / \epsilon)}

    a galaxy adds less than :math:`\epsilon / n`, so all n galaxies together less than
    :math:`\epsilon` (`TOLERANCE`).

    Parameters
    ----------
    whitening : ndarray of shape (3, 3)
        W, for offsets in (y, x, v) [cells].
    width : ndarray of shape (3,)
        Standard deviation :math:`\sigma` along each axis [cells].
    stretch : float
        :math:`\lambda`, at least the largest eigenvalue of the correlation matrix, so that
        :math:`\sum_i (x_i / \sigma_i)^2 \le \lambda |W x|^2`.
    closest : float
        :math:`d^2`
    reach : float
        r
    """

    whitening: np.ndarray
    width: np.ndarray
    stretch: float
    closest: float
    reach: float

    @classmethod
    def about(cls, galaxies, covariance, n_bins):
        """Return the kernel of this covariance H for galaxies (3, n) in a cube."""
        whitening = np.linalg.inv(np.linalg.cholesky(covariance))
        width = np.sqrt(np.diag(covariance))
        correlation = np.abs(covariance) / width / width[:, None]
        stretch = correlation.sum(axis=0).max()  # Gershgorin's bound
        closest = _closest(galaxies, whitening, n_bins)
        reach = np.sqrt(closest + 2 * np.log(galaxies.shape[1] / TOLERANCE))
        return cls(whitening, width, stretch, closest, reach)

    def largest_exponent(self, shape):
        r"""Return the largest exponent, of either sign, in the tables of a tile.

        With u the corners of the tile, r the reach, and

        .. math::

            \tau = \max |W_{vs} u_s|, \qquad \delta = \tau \max |W_{vv} u_v|, \qquad
            S = \tfrac{1}{2} \left[ \max |W_s u_s|^2 + \tau^2 + (r + \tau)^2 \right]
                + \delta

        it is

        .. math::

            \max \left[ S, \; \tfrac{1}{2} (S + r^2) + \delta \right]

        because envelope + sky + depth, the exponent of k, is at most 0, and at least
        :math:`-r^2 / 2` where a galaxy is within reach. There, depth is from
        :math:`-(r + \tau)^2 / 2` to 0 and envelope at most :math:`\delta`, so sky is from
        :math:`-r^2 / 2 - \delta` to S. Its two factors, along y and x, are each at most
        :math:`e^{S / 2}`, and so at least :math:`e^{-r^2 / 2 - \delta - S / 2}`.

        Parameters
        ----------
        shape : sequence of 3 int
            Cells of the tile along y, x and v.
        """
        corners = (CORNERS * (np.array(shape) - 1) / 2).T
        whitened = self.whitening @ corners
        depth = self.whitening[2, 2] * corners[2]
        tau = np.abs(whitened[2] - depth).max()
        delta = tau * np.abs(depth).max()
        on_sky = _squared(whitened[:2]).max()
        largest = 0.5 * (on_sky + tau**2 + (self.reach + tau) ** 2) + delta
        return max(largest, 0.5 * (largest + self.reach**2) + delta)


# Entries underflow to zero on purpose, so np.seterr of the caller must not matter.
@np.errstate(under="ignore")
def fill_cube(cube, galaxies, covariance):
    """Fill a cube with the density of galaxies at (3, n) [cells], normalized to 1."""
    kernel = Kernel.about(galaxies, covariance, len(cube))
    shape = _tile_shape(kernel, len(cube))
    if np.prod(shape) >= TILE_CELLS_MIN:
        _sum_by_products(cube, galaxies, kernel, shape)
    else:
        _sum_one_by_one(cube, galaxies, kernel)
    cube *= 1 / cube.sum()


def _sum_by_products(cube, galaxies, kernel, shape):
    """Fill a cube of zeros by one matrix product per tile, in float32."""
    side_y, side_x, side_v = shape
    n_y, n_x, n_v = (-(-len(cube) // side) for side in shape)
    padded = cube
    if any(len(cube) % side for side in shape):  # the last tiles extend beyond the cube
        padded = np.zeros((n_y * side_y, n_x * side_x, n_v * side_v), np.float32)
    columns = padded.reshape(n_y, side_y, n_x, side_x * n_v * side_v).swapaxes(1, 2)
    envelope = np.tile(_envelope(kernel, shape), n_v).reshape(side_y, -1)
    least = np.minimum(NEGLIGIBLE / envelope, EMPTY).astype(np.float32)
    # One column of tiles along v, with its cells in the order of the cube.
    product = np.zeros((side_y * side_x, n_v * side_v), np.float32)
    rows = product.reshape(envelope.shape)
    for filled, bounds, offset in _tiles(galaxies, kernel, shape, len(cube)):
        sky, depth, bounds = _tables(offset, bounds, kernel, shape)
        places = [divmod(tile, n_v) for tile in filled.tolist()]
        for i, (column, place) in enumerate(places):
            start, stop, first = bounds[i], bounds[i + 1], place * side_v
            out = product[:, first : first + side_v]
            np.matmul(sky[:, start:stop], depth[start:stop], out=out)
            if i + 1 == len(places) or places[i + 1][0] != column:
                rows *= rows > least
                np.multiply(rows, envelope, out=columns[divmod(column, n_x)])
                product.fill(0)
    if padded is not cube:
        cube[:] = padded[tuple(map(slice, cube.shape))]


def _envelope(kernel, shape):
    """Exponential of the envelope (y, x, v), which all tiles and galaxies share."""
    sky = _cells([*shape[:2], 1]).reshape(3, -1)
    whitened = kernel.whitening @ sky
    tilt = kernel.whitening[2, 2] * whitened[2]
    first = np.exp(tilt * ((shape[2] - 1) / 2) - 0.5 * _squared(whitened))
    return _powers(first, np.exp(-tilt), shape[2]).T.astype(np.float32).reshape(shape)


def _tables(offset, bounds, kernel, shape):
    """Exponentials of sky and depth for the galaxies of some tiles, and tile bounds."""
    bounds = np.array(bounds) + np.arange(len(bounds))
    is_galaxy = np.ones(bounds[-1], bool)
    is_galaxy[bounds[:-1]] = False
    with_floor = np.zeros((3, len(is_galaxy)))
    with_floor[:, is_galaxy] = offset
    sky, depth = _sky(with_floor, kernel, shape), _depth(with_floor, kernel, shape)
    sky[:, bounds[:-1]], depth[bounds[:-1]] = FLOOR, FLOOR
    return sky, depth, bounds.tolist()


def _sky(offset, kernel, shape):
    """Exponential of sky (y, x | galaxy): geometric series along y times those along x."""
    half = (np.array(shape[:2]) - 1) / 2
    slopes = (kernel.whitening.T @ offset)[:2]
    at_edge = half[:, None] * slopes
    span = np.abs(at_edge)
    # Only for a galaxy beyond reach can this exceed the largest exponent.
    height = 0.5 * (kernel.closest - _squared(offset[:2])) + span.sum(axis=0)
    height = np.minimum(height, EXPONENT_MAX)
    first = np.exp(0.5 * height - span - at_edge)
    y, x = map(_powers, first, np.exp(np.minimum(slopes, LARGEST)), shape)
    y, x = y.astype(np.float32), x.astype(np.float32)
    y *= y >= LEAST
    x *= x >= LEAST
    # No product may be below LEAST, so x is at least LEAST / y.
    sky = np.maximum(x, (LEAST / np.maximum(y, LEAST) * (y < 1))[:, None])
    sky *= y[:, None]
    return sky.reshape(-1, offset.shape[1])


def _depth(offset, kernel, shape):
    """Exponential of depth (galaxy | v)."""
    v = kernel.whitening[2, 2] * (np.arange(shape[2]) - (shape[2] - 1) / 2)
    depth = (v - offset[2][:, None]).astype(np.float32)
    depth *= depth
    depth *= np.float32(-0.5)
    np.putmask(depth, depth < -EXPONENT_MAX, -np.inf)
    return np.exp(depth, out=depth)


def _powers(first, ratio, size):
    """Geometric series down each of n columns, of shape (size, n)."""
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
    """Fill a cube by small tiles, with one exponential per cell and galaxy."""
    side = min(SMALL_TILE_BINS, len(cube))
    shape, n_tiles = 3 * [side], -(-len(cube) // side)
    cells = kernel.whitening @ _cells(shape).reshape(3, -1)
    tiles = np.zeros((n_tiles**3, side**3), np.float32)
    for filled, bounds, offset in _tiles(galaxies, kernel, shape, len(cube)):
        squared = sum(
            (cell - from_galaxy[:, None]) ** 2
            for cell, from_galaxy in zip(cells, offset, strict=True)
        )
        # A tile may extend beyond the cube, where a cell can be nearer than `closest`.
        exponent = np.minimum(0.5 * (kernel.closest - squared), CLOSE / 2)
        total = np.add.reduceat(np.exp(exponent), bounds[:-1])
        tiles[filled] = np.where(total > NEGLIGIBLE, total, 0)
    padded = tiles.reshape(3 * [n_tiles] + shape).transpose(0, 3, 1, 4, 2, 5)
    padded = padded.reshape(3 * [n_tiles * side])
    cube[:] = padded[tuple(map(slice, cube.shape))]


def _closest(galaxies, whitening, n_bins):
    """Smallest squared distance |W (u - g)|² between any cell and any galaxy."""
    nearest = np.clip(np.rint(galaxies), 0, n_bins - 1)
    found = _squared(whitening @ (nearest - galaxies)).min()
    if found <= CLOSE:
        return found
    # With correlated axes another cell may be the closest: compare all y and x, each with
    # its best v, row by row.
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
    """Squared lengths of n vectors of shape (2, n) or (3, n)."""
    return np.einsum("ij,ij->j", whitened, whitened)


def _cells(shape):
    """Positions of a tile's cells about its center, of shape (3, y, x, v)."""
    axes = [np.arange(size) - (size - 1) / 2 for size in shape]
    return np.array(np.meshgrid(*axes, indexing="ij"))


def _tile_shape(kernel, n_bins):
    """Shape of the largest tile whose tables stay in the range of float32."""
    shape = [min(TILE_BINS, n_bins), min(TILE_BINS, n_bins), n_bins]
    across = np.linalg.norm(kernel.whitening, axis=0)
    while kernel.largest_exponent(shape) > EXPONENT_MAX and max(shape) > 1:
        longest = np.argmax((np.array(shape) - 1) * across)
        shape[longest] = -(-shape[longest] // 2)
    return shape


def _tiles(galaxies, kernel, shape, n_bins):
    """Yield tiles and the galaxies within reach of each, many tiles at a time.

    Yields
    ------
    filled : ndarray of int of shape (n_tiles,)
        Numbers of the tiles.
    bounds : list of int of length n_tiles + 1
        Where the galaxies of each tile begin and end in `offset`.
    offset : ndarray of shape (3, n)
        W times the galaxy's position about the center of its tile, tile by tile.
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

    The squared distance |W x|² between a galaxy and any cell of a tile is at least the sum
    of the three gaps divided by the kernel's `stretch`.
    """
    axis = np.repeat([0, 1, 2], [len(centers) for centers in middle])
    gaps = np.abs(galaxies[axis] - np.concatenate(middle)[:, None])
    gaps -= (np.array(shape)[axis, None] - 1) / 2
    gaps = (np.maximum(gaps, 0) / kernel.width[axis, None]) ** 2
    gaps[gaps > kernel.reach**2] = np.inf
    return (gaps[axis == k] for k in range(3))


def _parts(filled, bounds, offset, n_v):
    """Split tiles into parts of complete columns, each with about PAIRS_PER_TABLE pairs."""
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
