r"""Surface density and mean energy of the photons about each photon, on scales of the sky.

Photons are counted in the camera's pixels, and the counts are convolved with Gaussians of
a fixed width :math:`\sigma` on the sky, whatever the redshift: on the scale of a point
source, of the core and of the cluster. With

.. math::

    S_i = \sum_{j \ne i} w_{ij}, \qquad
    w_{ij} = \exp \left( -\frac{r_{ij}^2}{2 \sigma^2} \right)

over the other photons j, at the distances of their pixels, the density is

.. math::

    \rho_i = \frac{S_i + 0.1}{2 \pi \sigma^2}

and the mean of the log energies

.. math::

    e_i = \frac{\sum_{j \ne i} w_{ij} \log_{10} E_j + 0.1 \, \langle \log_{10} E \rangle}
    {S_i + 0.1}

where the tenth of a photon of the cluster's mean energy gives lonely photons a value.
"""

from functools import cached_property

import numpy as np
from scipy import fft

PRIOR = 0.1
"""Photons that are added to those about each photon."""

FARTHEST = 5.0
"""Distance from which photons are not seen [sigma]."""

CELLS_MAX = 2048
"""Largest number of cells along an axis; of wider fields the cells are larger."""


class SkyScales:
    """Photons of one cluster, counted in cells to be smoothed.

    Parameters
    ----------
    positions : Positions
    cell : float
        Side of a cell [comoving Mpc/h].
    arcsec : float
        Length of an arcsecond at the cluster [comoving Mpc/h].
    """

    def __init__(self, positions, cell, arcsec):
        offsets = [each - each.min() for each in (positions.x, positions.y)]
        cell = max(cell, max(each.max() for each in offsets) / CELLS_MAX)
        self.positions, self.cell = positions, cell / arcsec
        self.index = tuple(np.rint(each / cell).astype(int) for each in offsets)

    def log_density(self, scale):
        """log10 of the density about the photons at each position [1/arcsec²]."""
        area = 2 * np.pi * scale**2
        return np.log10((self._others(scale) + PRIOR) / area)

    def log_energy(self, scale, own):
        """Mean log10 energy about each photon, whose own is `own`."""
        mean = self.positions.log_energy_sum.sum() / self.positions.n_photons.sum()
        each = self.positions.of_photon
        total = self._smoothed(self._energies, scale)[each] - own
        return (total + PRIOR * mean) / (self._others(scale)[each] + PRIOR)

    def _others(self, scale):
        # Rounding must not make a lonely photon's sum negative.
        return np.maximum(self._smoothed(self._counts, scale) - 1, 0)

    @cached_property
    def _counts(self):
        return self._in_cells(self.positions.n_photons)

    @cached_property
    def _energies(self):
        return self._in_cells(self.positions.log_energy_sum)

    def _in_cells(self, values):
        cells = np.zeros([each.max() + 1 for each in self.index])
        np.add.at(cells, self.index, values)
        return cells

    def _smoothed(self, cells, scale):
        """Sum of the cells with Gaussian weights, at each position."""
        reach = int(np.ceil(FARTHEST * scale / self.cell))
        # The transform is periodic: beyond the last cell there must be room for a kernel.
        shape = [fft.next_fast_len(n + reach, real=True) for n in cells.shape]
        transform = fft.rfft2(cells, shape)
        rows, columns = (_kernel(n, reach, scale / self.cell) for n in shape)
        transform *= fft.fft(rows).real[:, None] * fft.rfft(columns).real
        return fft.irfft2(transform, shape)[self.index]


def _kernel(n, reach, sigma):
    """Gaussian about cell 0 of a periodic row of n cells, 0 beyond its reach."""
    distance = np.minimum(np.arange(n), n - np.arange(n))
    return np.where(distance <= reach, np.exp(-0.5 * (distance / sigma) ** 2), 0.0)
