"""The photons of one cluster, and each of the columns that describe them."""

from functools import cached_property

import numpy as np

from ..sample.described_columns import SOFTENING
from .neighbors import Neighborhood
from .positions import Positions
from .shape import centroid, log_mean_density, main_axis


class PhotonField:
    """Photons of one cluster inside its aperture: a method per name of the table.

    Parameters
    ----------
    x, y : ndarray of shape (n_photons,)
        Offsets from the center [comoving Mpc/h].
    energy : ndarray of shape (n_photons,)
        [keV]
    half_width : float
        Half the side of the aperture [comoving Mpc/h].
    pixel : float
        Side of the camera's pixels [comoving Mpc/h].
    exposure : ndarray of shape (n_photons,), default=None
        Exposure at each photon over that at the center. None: the same everywhere.
    ring_exposure : ndarray of shape (n_rings,), default=None
        That of the rings of `log_mean_density`.
    """

    def __init__(
        self, x, y, energy, *, half_width, pixel, exposure=None, ring_exposure=None
    ):
        self.log_energies = np.log10(energy.astype(float))
        self.positions = Positions.of(x, y, self.log_energies, exposure)
        self.half_width, self.pixel = half_width, pixel
        self.ring_exposure = ring_exposure

    def __len__(self):
        return len(self.log_energies)

    def columns(self, names):
        """Return the named columns, a float32 array of shape (n_names, n_photons)."""
        columns = np.empty((len(names), len(self)), np.float32)
        for column, name in zip(columns, names, strict=True):
            column[:] = getattr(self, name)()
        return columns

    def log_radius(self):
        return self._each(np.log10(self.positions.radius + SOFTENING))

    def log_energy(self):
        return self.log_energies

    def log_contrast_6(self):
        return self._each(self._log_contrast_near)

    def log_contrast_24(self):
        return self._each(self._log_contrast(self._log_density_wide))

    def log_density_6(self):
        return self._each(self._log_density_near)

    def neighbor_log_energy(self):
        near = self._neighborhood
        others = self._each(self.positions.log_energy_sum) - self.log_energies
        here = self._each(near.own_share) * others
        return (here + self._each(near.log_energy_elsewhere)) / near.n_near

    def cos_twice_angle(self):
        x, y = self.positions.x, self.positions.y
        cos, sin = main_axis(self.positions, 10**self._log_contrast_near)
        square = np.maximum(x**2 + y**2, np.finfo(float).tiny)
        return self._each(((x**2 - y**2) * cos + 2 * x * y * sin) / square)

    def log_centroid_distance(self):
        x, y = centroid(self.positions, 10**self._log_contrast_near)
        distance = np.hypot(self.positions.x - x, self.positions.y - y)
        return self._each(np.log10(distance + SOFTENING))

    def relative_exposure(self):
        return self._each(self.positions.exposure)

    @cached_property
    def _neighborhood(self):
        if len(self) == 1:
            log_density = -np.log10(4 * self.half_width**2)
            return Neighborhood.of_one_photon(self.positions, log_density)
        return Neighborhood.of(self.positions, self.pixel)

    @cached_property
    def _log_mean_density(self):
        return log_mean_density(self.positions, self.half_width, self.ring_exposure)

    @cached_property
    def _log_density_near(self):
        return self._neighborhood.log_density_near - np.log10(self.positions.exposure)

    @property
    def _log_density_wide(self):
        return self._neighborhood.log_density_wide - np.log10(self.positions.exposure)

    @cached_property
    def _log_contrast_near(self):
        return self._log_contrast(self._log_density_near)

    def _log_contrast(self, log_density):
        if len(self) == 1:
            return np.zeros(1)
        return log_density - self._log_mean_density

    def _each(self, values):
        """Return for each photon the value at its position."""
        return values[self.positions.of_photon]
