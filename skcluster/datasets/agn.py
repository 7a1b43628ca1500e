"""Active galactic nuclei: point sources in the cluster's galaxies and behind the
cluster."""

from functools import cache

import numpy as np

from .instrument import EXPOSURE, FIELD_RADIUS, Photons, uniform_offsets
from .population import DEPTH
from .spectra import PHOTON_INDEX, TORUS_COLUMN, field_agn_response

HOST_FRACTION = 0.095
"""Share of the galaxies that host a nucleus: ten times the observed share, because the
counts of the paper's Table 1 require it."""
CENTRAL_FRACTION, CENTRAL_BOOST = 0.5, 1.5

LOG_LUMINOSITY = (42.2, 46.0)  # 2-10 keV [erg/s]
LOG_LUMINOSITY_BREAK, SLOPES = 43.4, (0.7, 2.0)
TORUS_SHARE = (0.35, 0.10, 0.12, 0.14, 0.15, 0.14)

FLUX_BREAK = 1e-14  # 0.5-2 keV [erg / cm² / s]
FLUX_RANGE = (3e-16, 1e-12)
SOURCES_AT_BREAK = 200 * (1e-14 / 7e-15) ** -1.5  # per deg²
FLUX_SLOPES = (-0.9, -1.5)


@cache
def _luminosity_function():
    """Return a table of log10 L and of the fraction of nuclei below it.

    The luminosity function is :math:`[(L/L_*)^{0.7} + (L/L_*)^2]^{-1}`.
    """
    log_l = np.linspace(*LOG_LUMINOSITY, 200)
    x = log_l - LOG_LUMINOSITY_BREAK
    share = np.cumsum(1 / (10 ** (SLOPES[0] * x) + 10 ** (SLOPES[1] * x)))
    return log_l, share / share[-1]


def sources_above(flux):
    r"""Number of field AGN per square degree above a 0.5-2 keV flux.

    .. math::

        N(>S) = 200 \left(\frac{S}{7 \times 10^{-15}}\right)^{-1.5}

    above :math:`10^{-14}` erg / cm² / s, and with the slope -0.9 below.

    Examples
    --------
    >>> sources_above([7e-14, 1e-14]).round(1)
    array([  6.3, 117.1])
    """
    x = np.asarray(flux) / FLUX_BREAK
    return SOURCES_AT_BREAK * np.where(x < 1, x ** FLUX_SLOPES[0], x ** FLUX_SLOPES[1])


def flux_of_number(number):
    """Flux above which there are `number` field AGN per deg²: inverts `sources_above`."""
    x = np.asarray(number) / SOURCES_AT_BREAK
    faint, bright = FLUX_SLOPES
    return FLUX_BREAK * np.where(x > 1, x ** (1 / faint), x ** (1 / bright))


def cluster_agn(galaxies, response, rng, abundance=1.0):
    """Draw the photons of AGN in the central galaxy and in others within `DEPTH`.

    Parameters
    ----------
    galaxies : Galaxies
        Galaxies of the field, the central one first.
    response : Response
    rng : numpy.random.Generator
    abundance : float, default=1.0
        Number of nuclei in units of that which the paper's counts require.
    """
    uniform = rng.random(len(galaxies)) / abundance
    hosts = (np.abs(galaxies.position[:, 2]) < DEPTH) & (uniform < HOST_FRACTION)
    hosts[0] = uniform[0] < CENTRAL_FRACTION
    hosts = np.flatnonzero(hosts)
    boost = np.where(hosts == 0, CENTRAL_BOOST, 1.0)
    log_l, share = _luminosity_function()
    luminosity = 10 ** np.interp(rng.random(len(hosts)), share, log_l) * boost
    torus = rng.choice(len(TORUS_COLUMN), len(hosts), p=TORUS_SHARE)
    row = rng.integers(len(PHOTON_INDEX), size=len(hosts)) * len(TORUS_COLUMN) + torus
    counts = rng.poisson(luminosity * response.agn.rate[row] * response.counts_per_rate)
    source = np.repeat(np.arange(len(hosts)), counts)
    offset = galaxies.position[hosts, :2] / response.distance
    energy = response.agn.energies(row[source], rng.random(len(source)))
    return Photons(offset[source], energy)


def field_agn(rng, exposure=EXPOSURE, least_flux=FLUX_RANGE[0]):
    """Draw the photons of AGN behind the cluster, evenly over the field of view.

    Parameters
    ----------
    rng : numpy.random.Generator
    exposure : float
        [s]
    least_flux : float
        0.5-2 keV flux of the faintest ones [erg / cm² / s].
    """
    brightest, faintest = sources_above([FLUX_RANGE[1], least_flux])
    area = np.pi * FIELD_RADIUS**2
    n = rng.poisson(area * (faintest - brightest))
    flux = flux_of_number(brightest + (faintest - brightest) * rng.random(n))
    offset = uniform_offsets(rng.random((n, 2)))
    table = field_agn_response()
    source = np.repeat(np.arange(n), rng.poisson(flux * table.rate[0] * exposure))
    return Photons(offset[source], table.energies(0, rng.random(len(source))))
