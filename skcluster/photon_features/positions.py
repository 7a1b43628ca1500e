"""Photons of one cluster, gathered at the distinct positions that a camera records."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Positions:
    """Distinct positions of one cluster's photons, sorted, so that no result depends on
    the order of the photons.

    Parameters
    ----------
    x, y : ndarray of shape (n_positions,)
        Offsets from the center [comoving Mpc/h], sorted by x, then by y.
    n_photons : ndarray of int of shape (n_positions,)
        Photons at each position.
    log_energy_sum : ndarray of shape (n_positions,)
        Sum of their log10 energies, added in the order of the energies.
    exposure : ndarray of shape (n_positions,) or 1
        Exposure at each position, over that at the center.
    of_photon : ndarray of int of shape (n_photons,)
        Position of each photon, in the order in which the photons came.
    """

    x: np.ndarray
    y: np.ndarray
    n_photons: np.ndarray
    log_energy_sum: np.ndarray
    exposure: np.ndarray | int
    of_photon: np.ndarray

    @classmethod
    def of(cls, x, y, log_energy, exposure=None):
        """Gather at least one photon."""
        order = np.lexsort((log_energy, y, x))
        x, y = x[order], y[order]
        is_new = np.ones(len(x), bool)
        is_new[1:] = (x[1:] != x[:-1]) | (y[1:] != y[:-1])
        first = np.flatnonzero(is_new)
        of_photon = np.empty(len(x), np.intp)
        of_photon[order] = np.cumsum(is_new) - 1
        return cls(
            x[first],
            y[first],
            np.diff(first, append=len(x)),
            np.add.reduceat(log_energy[order], first),
            1 if exposure is None else exposure[order[first]],
            of_photon,
        )

    def __len__(self):
        return len(self.x)

    @property
    def counts(self):
        """Photons at each position, as they would be in the exposure of the center."""
        return self.n_photons / self.exposure

    @property
    def radius(self):
        return np.hypot(self.x, self.y)
