"""eROSITA as the mock survey sees it: area, absorption, mirror, camera, background.

Energies are keV, angles on the tangent plane are radians, West and North of the
field's center.
"""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np

from ..paper import WIDE_BAND
from ..sky.catalog_errors import ARCSEC_PER_RADIAN

EXPOSURE = 2000.0
"""Exposure of a field on the axis, unless it is given another [s]."""

FIELD_RADIUS = 0.51
"""Radius of the circular field of view [deg]."""

CUTOUT_RADIUS = 3.5
"""Radius of the cutouts of a scanned sky [comoving Mpc/h], if it is below `FIELD_RADIUS`.

They then hold the corners of maps of the paper's size."""

PIXEL_SIZE = 9.6
"""Side of a camera pixel [arcsec]."""

ENERGY_RANGE = WIDE_BAND
"""Thresholds of the event lists [keV]."""

GALACTIC_COLUMN = 3e20
"""Hydrogen column of the Milky Way at high latitude [1/cm²]."""

BACKGROUND_RATE = 5.52e-3
"""Measured background, 0.5-9 keV, seven telescopes [counts / s / arcmin²]."""

ENERGY_STEP = 0.02
ENERGY = 0.31 + ENERGY_STEP * np.arange(510)
"""Centers of the cells in which spectra are folded [keV]."""

N_QUANTILES = 256

# Morrison & McCammon (1983), ApJ 270, 119: upper edge [keV], then c0, c1, c2 of
# sigma = (c0 + c1 E + c2 E²) / E³ [1e-24 cm²].
ISM = np.array(
    [
        [0.284, 34.6, 267.9, -476.1],
        [0.4, 78.1, 18.8, 4.3],
        [0.532, 71.4, 66.8, -51.4],
        [0.707, 95.5, 145.8, -61.1],
        [0.867, 308.9, -380.6, 294.0],
        [1.303, 120.6, 169.3, -47.7],
        [1.84, 141.3, 146.8, -31.5],
        [2.471, 202.7, 104.7, -17.0],
        [3.21, 342.7, 18.7, 0.0],
        [4.038, 352.2, 18.7, 0.0],
        [7.111, 433.9, -2.4, 0.75],
        [8.331, 629.0, 30.9, 0.0],
        [99.0, 701.2, 25.2, 0.0],
    ]
)

# Energy [keV] and area of the seven telescopes on axis [cm²]: the calibration file of
# the eFEDS field, its point-spread correction undone.
# fmt: off
AREA = np.array(
    [
        [0.2, 92], [0.3, 147], [0.4, 712], [0.5, 1083], [0.6, 1278], [0.7, 1610],
        [0.8, 1853], [0.9, 2031], [1.0, 2190], [1.1, 2315], [1.2, 2415], [1.4, 2492],
        [1.55, 2504], [1.6, 2136], [1.8, 2164], [1.9, 2051], [2.0, 1983], [2.1, 1830],
        [2.2, 1416], [2.3, 557], [2.5, 673], [2.75, 623], [3.0, 684], [3.5, 634],
        [4.0, 589], [5.0, 432], [6.0, 299], [7.0, 203], [8.0, 134], [9.0, 87],
        [10.5, 45],
    ]
)

# Energy [keV] and cumulative counts of the background measured in the eFEDS field,
# with the fluorescent lines of aluminium (1.49) and iron (6.4).
BACKGROUND = np.array(
    [
        [0.5, 0], [0.6, 216], [0.8, 401], [1.0, 564], [1.2, 693], [1.45, 826],
        [1.55, 895], [2.0, 1132], [2.5, 1388], [3.0, 1548], [4.0, 1893], [6.0, 2545],
        [6.2, 2626], [6.6, 2804], [7.0, 2960], [9.0, 3563],
    ]
)
# fmt: on


def absorption_cross_section(energy):
    """Cross-section of the interstellar gas per hydrogen atom [cm²].

    Examples
    --------
    >>> float(absorption_cross_section(1.0).round(24))
    2.42e-22
    """
    energy = np.asarray(energy, float)
    c0, c1, c2 = ISM[np.searchsorted(ISM[:, 0], energy), 1:].T
    # .T reverses the axes of a 2-d energy: reverse them back.
    return (c0.T + c1.T * energy + c2.T * energy**2) / energy**3 * 1e-24


def effective_area(energy):
    """Area of the seven telescopes on the optical axis [cm²]."""
    return np.interp(energy, *AREA.T)


@cache
def redistribution():
    """Probability of each measured energy (columns) for each true one (rows).

    A Gaussian with FWHM² = 1.705e-3 + 2.939e-3 E [keV²]: 78 eV at 1.49 keV.
    """
    width = np.sqrt(1.705e-3 + 2.939e-3 * ENERGY)[:, None] / 2.355
    matrix = np.exp(-0.5 * ((ENERGY - ENERGY[:, None]) / width) ** 2)
    return matrix / matrix.sum(axis=1, keepdims=True)


def folded(flux, column=GALACTIC_COLUMN):
    r"""Count spectrum that the telescope measures on axis.

    .. math::

        R_j = \sum_i f(E_i) \, e^{-N_H \sigma(E_i)} A(E_i) \, \Delta E \, D_{ij}

    Parameters
    ----------
    flux : array-like of shape (..., n_energies)
        Photon flux before the Milky Way, on `ENERGY` [1 / cm² / s / keV].
    column : float, default=GALACTIC_COLUMN
        :math:`N_H` of the Milky Way [1/cm²].

    Returns
    -------
    rate : ndarray of shape (..., n_energies)
        Count rate in each cell of `ENERGY` [counts / s].

    Examples
    --------
    >>> bool(folded(ENERGY**-1.9).sum() < folded(ENERGY**-1.9, column=0).sum())
    True
    """
    transmission = np.exp(-column * absorption_cross_section(ENERGY))
    seen = flux * (effective_area(ENERGY) * transmission * ENERGY_STEP)
    return seen @ redistribution()


class SpectrumTable:
    """Count rates of a family of spectra, and a sampler of their photon energies.

    Parameters
    ----------
    flux : array-like of shape (n_spectra, n_energies)
        Photon fluxes on `ENERGY` [1 / cm² / s / keV].

    Attributes
    ----------
    rate : ndarray of shape (n_spectra,)
        [counts / s] within `ENERGY_RANGE`.
    quantiles : ndarray of shape (n_spectra, N_QUANTILES + 1)
        Energies below which equal shares of the counts lie [keV].

    Examples
    --------
    >>> table = SpectrumTable(ENERGY ** np.array([[-1.5], [-2.5]]))
    >>> hard, soft = table.energies([0, 1], [0.5, 0.5])
    >>> bool(hard > soft)
    True
    """

    def __init__(self, flux):
        low, high = ENERGY_RANGE
        inside = (low < ENERGY) & (high > ENERGY)
        edges = np.append(low, ENERGY[inside] + ENERGY_STEP / 2)
        cumulative = np.cumsum(folded(flux)[:, inside], axis=1)
        self.rate = cumulative[:, -1]
        share = np.linspace(0, 1, N_QUANTILES + 1)
        self.quantiles = np.array(
            [np.interp(share, np.append(0, c / c[-1]), edges) for c in cumulative]
        )

    def energies(self, row, uniform):
        """Energies of photons of the spectra `row`, from uniform numbers in [0, 1)."""
        position = np.asarray(uniform) * N_QUANTILES
        i = position.astype(np.int32)
        low = self.quantiles[row, i]
        return low + (position - i) * (self.quantiles[row, i + 1] - low)


def vignetting(angle, energy):
    r"""Share of the photons that the mirrors pass at an angle off the axis.

    .. math::

        V = (1 - 0.7 \, \theta / 30.6')^{p}, \quad p = 1 + 0.28 \max(E - 1.3, 0)

    Parameters
    ----------
    angle : array-like
        Angle off the axis [rad], at most the field's radius.
    energy : array-like
        Photon energy [keV].
    """
    share = np.minimum(np.degrees(angle) / FIELD_RADIUS, 1)
    return (1 - 0.7 * share) ** (1 + 0.28 * np.maximum(energy - 1.3, 0))


def mean_vignetting(energy):
    r"""Mean of `vignetting` over the field of view: what a scan of the sky averages.

    .. math::

        \bar V = 2 \int_0^1 (1 - 0.7 x)^p \, x \, dx
               = 2 \, \frac{1 - 0.3^{p + 1} (1.7 + 0.7 p)}{0.49 \, (p + 1)(p + 2)}

    Parameters
    ----------
    energy : array-like
        Photon energy [keV].

    Examples
    --------
    >>> mean_vignetting([1.0, 5.0]).round(2)
    array([0.53, 0.31])
    """
    p = 1 + 0.28 * np.maximum(np.asarray(energy) - 1.3, 0)
    return 2 * (1 - 0.3 ** (p + 1) * (1.7 + 0.7 * p)) / (0.49 * (p + 1) * (p + 2))


SURVEY_VIGNETTING = float(mean_vignetting(1.0))
"""Vignetted over unvignetted exposure of a scan, up to 1.3 keV."""


def psf_radius(uniform, hew):
    r"""Distance of photons from their source: a Moffat profile with index 1.8.

    .. math::

        r = a \sqrt{(1 - 0.98 \, u)^{-1/0.8} - 1}, \quad a = 0.427 \, \mathrm{HEW}

    The wings are cut where they hold 2 % of the photons.

    Parameters
    ----------
    uniform : array-like
        Numbers in [0, 1).
    hew : float
        Half-energy width, which is a diameter. The radius is in its unit.
    """
    return 0.427 * hew * np.sqrt((1 - 0.98 * np.asarray(uniform)) ** (-1 / 0.8) - 1)


@dataclass(frozen=True)
class Photons:
    """Photons, given by their offsets on the tangent plane and their energies.

    Parameters
    ----------
    offset : ndarray of shape (n_photons, 2)
        Offsets to the West and to the North of the field's center [rad].
    energy : ndarray of shape (n_photons,)
        Energies [keV].
    """

    offset: np.ndarray
    energy: np.ndarray

    def __len__(self):
        return len(self.energy)

    @classmethod
    def concatenate(cls, parts):
        """Join photons in the order given."""
        parts = list(parts)
        return cls(
            np.concatenate([part.offset for part in parts]),
            np.concatenate([part.energy for part in parts]),
        )


@dataclass(frozen=True)
class Telescope:
    """Telescope model: blur and vignetting of the mirror, field of view and pixels.

    Parameters
    ----------
    psf_hew : float, default=30.0
        Half-energy width of the point-spread function [arcsec]; 0 for none.
    pixelize : bool, default=True
        Whether photons are put at the centers of the camera's pixels.
    dither : bool, default=False
        Whether each is then moved to a uniformly random place in its pixel.
    scans : bool, default=False
        Whether the field of view is scanned across the sky, so that all of it is seen
        through the mean of the vignetting; or else points at the cluster.
    field_radius : float, default=FIELD_RADIUS
        Radius about the cluster within which photons are listed [deg].
    """

    psf_hew: float = 30.0
    pixelize: bool = True
    dither: bool = False
    scans: bool = False
    field_radius: float = FIELD_RADIUS

    def near(self, distance):
        """Return the telescope as it sees a cluster at a comoving distance [Mpc/h].

        The sky of a scan has no edge of its own: it is cut out within `CUTOUT_RADIUS`, but
        at low redshift within `FIELD_RADIUS`, so that no list grows without bounds.
        """
        if not self.scans:
            return self
        radius = float(np.degrees(CUTOUT_RADIUS / distance))
        return replace(self, field_radius=min(radius, FIELD_RADIUS))

    def open_time(self, exposure):
        """Return the time for which a place is in the field of view [s].

        Parameters
        ----------
        exposure : float
            Exposure at the center, vignetting at low energies included [s]; on the axis
            there is none.
        """
        return exposure / SURVEY_VIGNETTING if self.scans else exposure

    def observe(self, photons, rng):
        """Return the sky photons that reach the camera, at their measured positions."""
        # Five numbers per photon, used or not: no switch shifts those of other photons.
        uniform = rng.random((len(photons), 5))
        radius = psf_radius(uniform[:, 0], self.psf_hew / ARCSEC_PER_RADIAN)
        blurred = photons.offset + polar(radius, uniform[:, 1])
        return self._record(Photons(blurred, photons.energy), uniform[:, 2:])

    def background(self, factor, rng, exposure=EXPOSURE):
        """Draw background counts of the camera, which are uniform and not vignetted."""
        area = np.pi * (60 * self.field_radius) ** 2
        n = rng.poisson(factor * BACKGROUND_RATE * exposure * area)
        uniform = rng.random((n, 5))
        energy, counts = BACKGROUND.T
        photons = Photons(
            uniform_offsets(uniform[:, :2], self.field_radius),
            np.interp(uniform[:, 2] * counts[-1], counts, energy),
        )
        uniform[:, 2] = 0.0  # no mirror
        return self._record(photons, uniform[:, 2:])

    def _record(self, photons, uniform):
        pixel = PIXEL_SIZE / ARCSEC_PER_RADIAN
        offset = photons.offset
        if self.pixelize:
            offset = (np.floor(offset / pixel) + 0.5) * pixel
        angle = np.hypot(*offset.T)
        passed = uniform[:, 0] < self._share_passed(angle, photons.energy)
        seen = passed & (angle < np.radians(self.field_radius))
        if self.dither:
            offset = offset + (uniform[:, 1:] - 0.5) * pixel
        return Photons(offset.compress(seen, axis=0), photons.energy[seen])

    def _share_passed(self, angle, energy):
        return mean_vignetting(energy) if self.scans else vignetting(angle, energy)


def polar(radius, turn):
    """Plane positions of radii and angles, the latter in units of a full turn."""
    angle = 2 * np.pi * turn
    return np.column_stack([radius * np.cos(angle), radius * np.sin(angle)])


def uniform_offsets(uniform, field_radius=FIELD_RADIUS):
    """Places spread evenly over the field of view [rad], whose radius is in degrees."""
    radius = np.radians(field_radius) * np.sqrt(uniform[:, 0])
    return polar(radius, uniform[:, 1])
