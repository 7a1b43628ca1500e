r"""Surface density and mean energy of the nearest neighbors, where positions may coincide.

A camera puts photons at the centers of pixels, so that many neighbors are at the same
distance, and some at none. Where photons share positions, each is therefore taken to be
spread over its pixel, of side p, and neighbors at equal distances share their places in
the order of neighbors. If :math:`N_j` photons other than the photon itself are within the
j-th distinct distance :math:`d_j` (:math:`d_0 = 0`), the k-th neighbor lies at the share

.. math::

    f = \frac{k - N_{j-1}}{N_j - N_{j-1}}, \qquad N_{j-1} < k \le N_j

of shell j, and k neighbors lie in an area of :math:`\pi a_k` with

.. math::

    a_k = a(j - 1) + f \, [a(j) - a(j - 1)], \qquad
    a(j) = d_j^2 + p^2 / 2, \quad a(0) = p^2 / \pi, \quad a(-1) = 0

The pixels with their centers within :math:`d_j` have this area, on average over the shells.
Where no two of the photons up to the 24th neighbor share a position, the camera has no
pixels that count there: p is a hundredth of its value, and :math:`a_k \approx d_k^2`. So
densities of one sky agree, with and without pixels. In a field of Poisson noise,
:math:`\ln (\pi a_k)` averages to :math:`\psi(k)` minus the log density, so that

.. math::

    \rho_k = \frac{e^{\psi(k)}}{\pi a_k}

has an unbiased logarithm; with pixels, to 0.06 dex. Energies are averaged with the same
shares.
"""

from dataclasses import dataclass

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma
from sklearn.utils import gen_batches

N_NEAR, N_WIDE = 6, 24
"""Neighbors that tell a point source, and a clump, from what surrounds them."""

N_POSITIONS = 32
"""Positions to look at: the own, 24 others, and what may be as far as the last of these."""

SAME_DISTANCE = 1e-6
"""Relative difference between distances that are equal but for rounding."""

WITHOUT_PIXELS = 0.01
"""Size of a pixel, in units of the camera's, where no photons share a position."""

POSITIONS_PER_QUERY = 20_000
"""Positions whose neighbors are in memory at a time."""


@dataclass(frozen=True)
class Neighborhood:
    """Neighbors of the photons at each position.

    Parameters
    ----------
    log_density_near, log_density_wide : ndarray of shape (n_positions,)
        log10 of the density from the 6th and the 24th neighbor [photons per (Mpc/h)²].
    own_share : ndarray of shape (n_positions,)
        Fraction of the other photons at the same position that are among the 6 nearest.
    log_energy_elsewhere : ndarray of shape (n_positions,)
        Sum of log10 energies of those of the 6 nearest that are at other positions.
    n_near : int
        Neighbors in the sums of energies: 6, or all where there are fewer.
    """

    log_density_near: np.ndarray
    log_density_wide: np.ndarray
    own_share: np.ndarray
    log_energy_elsewhere: np.ndarray
    n_near: int

    @classmethod
    def of(cls, positions, pixel):
        """Find the neighbors of at least two photons; `pixel` is p [Mpc/h]."""
        points = np.column_stack([positions.x, positions.y])
        tree = KDTree(points, leafsize=16)
        parts = [
            _neighbors_at(points[rows], tree, positions, pixel)
            for rows in gen_batches(len(points), POSITIONS_PER_QUERY)
        ]
        near, wide, share, energy = map(np.concatenate, zip(*parts, strict=True))
        n_near = min(N_NEAR, len(positions.of_photon) - 1)
        return cls(near, wide, share, energy, n_near)

    @classmethod
    def of_one_photon(cls, positions, log_density):
        """Return this density, and the photon's own energy in place of its neighbors'."""
        density = np.array([log_density])
        return cls(density, density, np.zeros(1), positions.log_energy_sum, 1)


def _neighbors_at(points, tree, positions, pixel):
    """Return the four arrays of a `Neighborhood` at some of the positions."""
    distance, index = tree.query(points, k=N_POSITIONS)
    # Where there are fewer positions, the index is one beyond the last.
    n_photons = np.append(positions.n_photons, 0)[index]
    is_shared = n_photons > 1
    n_photons[:, 0] -= 1  # the nearest position is the photon's own
    within = np.cumsum(n_photons, axis=1)
    n_others = len(positions.of_photon) - 1
    wide = _Shell.of(min(N_WIDE, n_others), distance, within)
    near = _Shell.of(min(N_NEAR, n_others), distance, within)
    log_energy = np.append(positions.log_energy_sum, 0.0)[index]
    is_shared &= np.arange(N_POSITIONS) <= wide.last[:, None]
    pixel = np.where(is_shared.any(axis=1), pixel, WITHOUT_PIXELS * pixel)
    return (
        near.log_density(distance, pixel),
        wide.log_density(distance, pixel),
        np.where(near.first == 0, near.share, 1.0),
        (near.weights(distance)[:, 1:] * log_energy[:, 1:]).sum(axis=1),
    )


@dataclass(frozen=True)
class _Shell:
    """Where the k-th neighbor lies: columns first to last are at its distance."""

    k: int
    first: np.ndarray
    last: np.ndarray
    share: np.ndarray

    @classmethod
    def of(cls, k, distance, within):
        row = np.arange(len(distance))
        d_k = distance[row, np.argmax(within >= k, axis=1)][:, None]
        first = (distance < d_k * (1 - SAME_DISTANCE)).sum(axis=1)
        last = (distance <= d_k * (1 + SAME_DISTANCE)).sum(axis=1) - 1
        nearer = np.where(first > 0, within[row, first - 1], 0)
        return cls(k, first, last, (k - nearer) / (within[row, last] - nearer))

    def log_density(self, distance, pixel):
        row = np.arange(len(distance))
        area = _area(distance[row, self.last], pixel)
        before = _area(distance[row, self.first - 1], pixel)
        before = np.where(self.first > 0, before, 0.0)
        area = before + self.share * (area - before)
        return (digamma(self.k) - np.log(np.pi * area)) / np.log(10)

    def weights(self, distance):
        """Shares of the photons at each position that are among the k nearest."""
        column = np.arange(distance.shape[1])
        first, last = self.first[:, None], self.last[:, None]
        return np.where(
            column < first, 1.0, np.where(column <= last, self.share[:, None], 0.0)
        )


def _area(distance, pixel):
    """Area over pi of the pixels with their centers within a distance: a(j) above."""
    return np.where(distance > 0, distance**2 + pixel**2 / 2, pixel**2 / np.pi)
