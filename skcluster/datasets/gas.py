"""The gas of a halo: its density, temperature, luminosity and photons.

Profiles are functions of x = r / R500c.
"""

from functools import cache

import numpy as np

from .dynamical_state import CLUMP_EMISSION, CLUMP_SIZE, CLUMP_TEMPERATURE
from .instrument import Photons
from .spectra import CM_PER_MPC, bolometric_emissivity, temperature_row

GRAM_PER_MSUN = 1.989e33
PROTON_MASS = 1.6726e-24
ELECTRON_WEIGHT = 1.17  # gas mass per electron [proton masses]
ELECTRONS_PER_HYDROGEN = 1.2

RADIUS = np.geomspace(2e-3, 4.5, 160)
LOG_STEP = np.log(RADIUS[1] / RADIUS[0])
SHELL = 4 * np.pi * RADIUS**3 * LOG_STEP
"""Volumes of the shells about `RADIUS`, in R500c³."""
WITHIN_R500C = np.clip(0.5 - np.log(RADIUS) / LOG_STEP, 0, 1)
"""Share of each shell that lies within R500c."""

CORE_RADIUS, CORE_RADIUS_SCATTER = 0.18, 0.25
STEEP_RADIUS = 0.75
BETA, CUSP, STEEPENING = 0.62, 0.6, 2.2
CLUMPING_SCATTER = 0.11

DENSE_CORE_EMISSION = 0.22
DENSE_CORE_RADIUS = 0.05
DENSE_CORE_TEMPERATURE = 0.65


def density_profile(x, core_radius):
    r"""Shape of the electron density (Vikhlinin et al. 2006, ApJ 640, 691, Eq. 3).

    .. math::

        n(x) \propto (x/x_c)^{-\alpha/2} \, [1 + (x/x_c)^2]^{\alpha/4 - 3\beta/2} \,
                     [1 + (x/x_s)^3]^{-\epsilon/6}
    """
    y = x / core_radius
    body = y ** (-CUSP / 2) * (1 + y * y) ** (CUSP / 4 - 1.5 * BETA)
    return body * (1 + (x / STEEP_RADIUS) ** 3) ** (-STEEPENING / 6)


def temperature_profile(x):
    """Shape of kT(x) over its mean, without a cool core (Vikhlinin et al. 2006)."""
    return 1.19 / (1 + (x / 0.6) ** 2) ** 0.45


@cache
def _dense_core():
    """Return radii, and the fraction of the dense core's emission within each.

    A squared beta profile, :math:`n^2 \\propto [1 + (x/0.05)^2]^{-3}`.
    """
    x = np.geomspace(1e-3, 0.6, 80)
    share = np.cumsum(x**3 / (1 + (x / DENSE_CORE_RADIUS) ** 2) ** 3)
    return x, share / share[-1]


class HaloGas:
    r"""Emission of one halo: a smooth triaxial body and a dense core.

    The body's emission measure in a shell is

    .. math::

        \Delta EM = n_e n_H \, \Delta V \, e^{0.11 \, c}, \quad
        \int_{R_{500c}} 1.17 \, m_p \, n_e \, dV = M_{gas}

    with the clumping c. The core adds
    :math:`0.22 \, e^{s \, k} \, EM(<R_{500c})`, where k is the halo's ``core``.

    Parameters
    ----------
    halo : Halo
    response : Response
        Response at the halo's redshift.
    core_scatter : float
        Scatter s in ln of the emission of the dense core.
    state : DynamicalState, default=None
        What a merger does to the gas; None for relaxed gas.

    Attributes
    ----------
    measure : ndarray of shape (n_shells,)
        Emission measure of the body [1/cm³].
    core_measure : float
        Emission measure of the dense core [1/cm³].
    clump_measures : ndarray of shape (n_clumps,)
        Emission measures of the clumps that a merger has left [1/cm³].
    luminosity : float
        Bolometric luminosity within R500c [erg/s].
    """

    def __init__(self, halo, response, core_scatter, state=None):
        self.halo, self.response, self.state = halo, response, state
        self.r500c = response.r500c(halo.mass)
        self.measure = self._body_measure()
        if state:
            # In the median cluster the clumps shine in place of smooth gas.
            self.measure /= 1 + CLUMP_EMISSION
        within = self.measure @ WITHIN_R500C
        self.core_measure = DENSE_CORE_EMISSION * np.exp(core_scatter * halo.core)
        self.core_measure *= within
        self.rows = temperature_row(halo.temperature * temperature_profile(RADIUS))
        self.core_row = temperature_row(
            np.asarray(halo.temperature * DENSE_CORE_TEMPERATURE)
        )
        self.clump_row = temperature_row(
            np.asarray(halo.temperature * CLUMP_TEMPERATURE)
        )
        self.clump_measures = within * (state.clump_emissions if state else np.zeros(0))

    def _body_measure(self):
        halo, at = self.halo, self.response
        radius = self.r500c / (1 + at.redshift) / at.h * CM_PER_MPC
        volume = SHELL * radius**3
        core_radius = CORE_RADIUS * np.exp(CORE_RADIUS_SCATTER * halo.shape)
        density = density_profile(RADIUS, core_radius)
        electrons = halo.gas_mass / at.h * GRAM_PER_MSUN
        electrons /= ELECTRON_WEIGHT * PROTON_MASS
        density *= electrons / (density * volume @ WITHIN_R500C)
        clumps = np.exp(CLUMPING_SCATTER * halo.clumping) * halo.emission_left
        return density**2 / ELECTRONS_PER_HYDROGEN * volume * clumps

    @property
    def luminosity(self):
        emissivity = bolometric_emissivity()
        body = self.measure * emissivity[self.rows]
        core = self.core_measure * emissivity[self.core_row]
        clumps = self.clump_measures.sum() * emissivity[self.clump_row]
        return float(body @ WITHIN_R500C + core + clumps)

    def body_photons(self, rng):
        """Draw the photons of the smooth body, before the telescope."""
        at = self.response
        counts = np.cumsum(self.measure * at.gas.rate[self.rows] * at.counts_per_rate)
        n = rng.poisson(counts[-1])
        x = np.interp(rng.random(n) * counts[-1], counts, RADIUS)
        row = np.interp(x, RADIUS, self.rows).astype(int)
        return self._photons(x, row, rng)

    def core_photons(self, rng):
        """Draw the photons of the dense core, before the telescope."""
        at = self.response
        rate = self.core_measure * at.gas.rate[self.core_row]
        n = rng.poisson(rate * at.counts_per_rate)
        radius, share = _dense_core()
        x = np.interp(rng.random(n), share, radius)
        return self._photons(x, self.core_row, rng)

    def _photons(self, x, row, rng):
        cosine, turn, share = rng.random((3, len(x)))
        cosine, angle = 2 * cosine - 1, 2 * np.pi * turn
        sine = np.sqrt(1 - cosine**2)
        unit = np.column_stack([sine * np.cos(angle), sine * np.sin(angle), cosine])
        place = (self.r500c * x)[:, None] * unit @ self.halo.axes
        if self.state is not None:
            place = self.r500c * self.state.moved(place / self.r500c, x)
        place += np.asarray(self.halo.position)[:2]
        return Photons(
            place / self.response.distance, self.response.gas.energies(row, share)
        )

    def clump_photons(self, rng):
        """Draw the photons of the clumps, before the telescope."""
        at = self.response
        rate = self.clump_measures * at.gas.rate[self.clump_row]
        numbers = rng.poisson(rate * at.counts_per_rate)
        place = np.repeat(self.state.clump_places, numbers, axis=0)
        place += CLUMP_SIZE * rng.standard_normal(place.shape)
        energy = at.gas.energies(self.clump_row, rng.random(len(place)))
        return Photons(place * self.r500c / at.distance, energy)
