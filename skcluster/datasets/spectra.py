"""Spectra of hot gas and of AGN, and their count rates at a redshift."""

from copy import copy
from functools import cache, cached_property

import numpy as np
from scipy.special import k0e

from ..cosmology import comoving_distance, get_cosmology, r500c_of_mass
from .instrument import ENERGY, EXPOSURE, SpectrumTable, absorption_cross_section

COSMOLOGY = "WMAP7"
CM_PER_MPC = 3.0857e24
ERG_PER_KEV = 1.602e-9

TEMPERATURE = np.geomspace(0.25, 15.0, 48)
"""Gas temperatures that are tabulated [keV]."""

TORUS_COLUMN = np.array([20.5, 21.5, 22.0, 22.5, 23.0, 23.5])
"""log10 of the hydrogen column in front of an AGN [1/cm²]."""

PHOTON_INDEX = np.array([1.7, 1.9, 2.1])

# Line blends: energy, width [keV], then a0 … a3 of
# ln(amplitude / 1e-15) = a0 + a1 l + a2 l² + a3 l³ with l = ln kT, at 0.3 solar.
LINES = np.array(
    [
        [0.63, 0.05, -1.715, -1.725, 0.852, -0.510],
        [0.80, 0.05, -1.282, -3.696, -2.508, -0.256],
        [1.00, 0.07, 0.519, -1.662, -1.008, 0.375],
        [1.33, 0.10, -1.086, -0.995, -0.457, 0.131],
        [1.92, 0.08, -2.354, -0.338, -0.825, 0.240],
        [2.50, 0.09, -3.444, 0.920, -1.335, 0.275],
        [3.35, 0.30, -4.488, 1.662, -0.705, 0.014],
        [6.68, 0.08, -7.321, 6.249, -3.062, 0.477],
    ]
)

BOLOMETRIC_CORRECTION = 1.08
"""Factor by which the formula's bolometric emissivity is below that of APEC."""


def gas_emissivity(energy, temperature):
    r"""Photon emissivity of hot gas at 0.3 solar metallicity.

    .. math::

        \Lambda = 10^{-15} \left[ \frac{2.55}{\sqrt{T} E} \, e^{-E/2T} K_0(E/2T)
        \left(1 + 0.7 \, T^{-1.9} \min[1, (E/1.5)^{0.9}]\right)
        + \sum_j A_j(T) \, N(E; c_j, s_j) \right]

    Born bremsstrahlung times a free-bound factor, plus eight line blends: within 6 %
    of APEC in wide bands for T above 0.8 keV.

    Parameters
    ----------
    energy : array-like
        Rest-frame E [keV].
    temperature : array-like
        kT [keV], broadcast against `energy`.

    Returns
    -------
    emissivity : ndarray
        Emissivity per :math:`n_e n_H` [photons cm³ / s / keV].

    Examples
    --------
    >>> hot, cool = gas_emissivity(5.0, 6.0), gas_emissivity(5.0, 1.0)
    >>> bool(hot > cool)
    True
    """
    log_t = np.log(temperature)
    x = energy / temperature
    free_bound = np.minimum(1, (np.asarray(energy) / 1.5) ** 0.9)
    total = 2.55 / np.sqrt(temperature) / energy * k0e(x / 2) * np.exp(-x)
    total = total * (1 + 0.7 * temperature**-1.9 * free_bound)
    for center, width, *a in LINES:
        amplitude = np.exp(np.clip(np.polyval(a[::-1], log_t), -12, 3))
        shape = np.exp(-0.5 * ((energy - center) / width) ** 2)
        total = total + amplitude * shape / (width * np.sqrt(2 * np.pi))
    return 1e-15 * total


@cache
def bolometric_emissivity():
    """Energy that gas of each tabulated temperature emits [erg cm³ / s]."""
    energy = np.geomspace(0.05, 60, 400)
    emissivity = gas_emissivity(energy, TEMPERATURE[:, None])
    total = np.trapezoid(emissivity * energy**2, np.log(energy), axis=1)
    return total * ERG_PER_KEV * BOLOMETRIC_CORRECTION


def temperature_row(temperature):
    """Rows of `TEMPERATURE` that are nearest in ln kT."""
    step = np.log(TEMPERATURE[1] / TEMPERATURE[0])
    row = np.log(temperature / TEMPERATURE[0]) / step + 0.5
    return np.clip(row.astype(int), 0, len(TEMPERATURE) - 1)


def power_law(energy, photon_index, low, high):
    r"""Photon spectrum :math:`k E^{-\Gamma}` that carries 1 erg/s between two energies.

    Examples
    --------
    >>> energy = np.linspace(2, 10, 10_001)
    >>> photons = power_law(energy, 1.9, 2, 10)
    >>> float(np.trapezoid(energy * photons * ERG_PER_KEV, energy).round(6))
    1.0
    """
    slope = 2 - photon_index
    energy_flux = ERG_PER_KEV * (high**slope - low**slope) / slope
    return energy**-photon_index / energy_flux


def agn_spectra(energy):
    """Spectra of unit 2-10 keV luminosity behind each torus, 1 % of it scattered.

    Rows run over `PHOTON_INDEX`, and within it over `TORUS_COLUMN`.
    """
    opacity = 10 ** TORUS_COLUMN[:, None] * absorption_cross_section(energy)
    seen = np.exp(-opacity) + 0.01
    return np.concatenate([power_law(energy, g, 2, 10) * seen for g in PHOTON_INDEX])


class Response:
    r"""Distances, and count rates of gas and of AGN, which depend only on the redshift.

    A source that emits :math:`L(E)` photons per second and keV gives

    .. math::

        N = t \int dE \, A(E) \, e^{-N_H \sigma(E)}
            \frac{L(E (1 + z))}{4 \pi D_M^2}

    Parameters
    ----------
    redshift : float

    Attributes
    ----------
    distance : float
        Comoving :math:`D_M` [Mpc/h].
    efunc : float
        H(z) / H0.
    exposure : float
        Exposure on the axis [s].
    gas, agn : SpectrumTable
        Spectra for unit emission measure [1/cm³] at each `TEMPERATURE`, and for unit
        2-10 keV luminosity [erg/s] of each row of `agn_spectra`.

    Examples
    --------
    >>> near, far = response(0.1), response(0.3)
    >>> bool(near.counts_per_rate > far.counts_per_rate)
    True
    """

    def __init__(self, redshift):
        cosmology = get_cosmology(COSMOLOGY)
        self.redshift = float(redshift)
        self.exposure = EXPOSURE
        self.distance = float(comoving_distance([redshift], cosmology)[0])
        self.efunc = float(cosmology.efunc(redshift))
        self.h = cosmology.h
        self._r500c_of_1e14 = float(r500c_of_mass(1e14, redshift, cosmology))

    def r500c(self, mass):
        """Comoving R500c [Mpc/h] of a mass [Msun/h]."""
        return self._r500c_of_1e14 * np.cbrt(mass / 1e14)

    @property
    def counts_per_rate(self):
        """Exposure over the area of the sphere that the light has reached [s/cm²]."""
        distance = self.distance / self.h * CM_PER_MPC
        return self.exposure / (4 * np.pi * distance**2)

    def exposed(self, exposure):
        """Return this response for another exposure [s], with the same tables."""
        if exposure == self.exposure:
            return self
        other = copy(self)
        other.exposure = exposure
        other.gas, other.agn = self.gas, self.agn
        return other

    @cached_property
    def gas(self):
        return SpectrumTable(
            gas_emissivity(ENERGY * (1 + self.redshift), TEMPERATURE[:, None])
        )

    @cached_property
    def agn(self):
        return SpectrumTable(agn_spectra(ENERGY * (1 + self.redshift)))


@cache
def response(redshift):
    """Return the `Response` at a redshift, computed once."""
    return Response(redshift)


@cache
def field_agn_response():
    """Power law of index 1.9 with unit observed 0.5-2 keV flux [erg / cm² / s]."""
    return SpectrumTable(power_law(ENERGY, 1.9, 0.5, 2.0)[None])
