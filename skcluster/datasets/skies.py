"""Skies that a mock survey can have: the paper's even one, and those of real surveys."""

from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

UNRESOLVED_FLUX = 6.5e-15
"""0.5-2 keV flux below which AGN are part of the measured background [erg / cm² / s]: the
limit of the eFEDS catalog at a completeness of 80 % (Brunner et al. 2022)."""

OBSERVED_AGN = 0.1
"""Abundance of AGN in cluster galaxies over that of the mock, which the paper's counts
require: about 1 % of galaxies above 1e42 to 1e43 erg/s host one (Martini et al. 2009)."""

PHOTOMETRIC = 0.005
"""Error of photometric redshifts of clusters in units of 1 + z (Kluge et al. 2024)."""


@dataclass(frozen=True)
class TableOfExposures:
    """Exposures [s] with given quantiles, linear in between.

    Examples
    --------
    >>> float(TableOfExposures((0, 0.5, 1), (100, 200, 400)).ppf(0.75))
    300.0
    """

    share: tuple
    exposure: tuple

    def ppf(self, share):
        return np.interp(share, self.share, self.exposure)


@dataclass(frozen=True)
class ScannedSphere:
    r"""Exposures of places spread evenly over a sphere that is scanned through its poles.

    Great circles meet at the poles, so that the exposure at the latitude :math:`\beta` is

    .. math::

        t = t_0 / \cos \beta

    Parameters
    ----------
    equator : float
        :math:`t_0` [s].
    sine_max : float
        Largest sine of the latitude; the caps beyond are left out.

    Examples
    --------
    >>> ScannedSphere(100.0, 0.8).ppf([0.0, 0.75, 1.0])
    array([100.        , 125.        , 166.66666667])
    """

    equator: float
    sine_max: float

    def ppf(self, share):
        return self.equator / np.sqrt(1 - (self.sine_max * np.asarray(share)) ** 2)


PAPER = MappingProxyType(
    {
        "agn": True,
        "background": 0.005,
        "field_agn": False,
        "dither": False,
        "exposure": None,
        "area": "axis",
        "center_error": 0.0,
        "redshift_error": 0.0,
    }
)
"""The sky of Ho et al. (2023)."""

_SCANNED = {
    "agn": OBSERVED_AGN,
    "background": 1.0,
    "field_agn": UNRESOLVED_FLUX,
    "dither": True,
    "area": "survey",
    "redshift_error": PHOTOMETRIC,
}

SKIES = MappingProxyType(
    {
        # Mean exposure 1.3 ks (Klein, AG 2022), and more than 500 s on 90 % of the area
        # (eFEDS catalog, Brunner et al. 2022); linear between our own quantiles. Mean
        # distance of X-ray and optical centers 76 kpc (Seppi et al. 2023): 14" per
        # direction at z = 0.3.
        "eFEDS": {
            **_SCANNED,
            "exposure": TableOfExposures(
                (0, 0.1, 0.2, 1), (200.0, 500.0, 1300.0, 1600.0)
            ),
            "center_error": 14.0,
        },
        # An eighth of 1.6 ks, the exposure of eight surveys (Pillepich et al. 2018), 0.53
        # of it vignetted, at the ecliptic equator; up to latitudes of 78 degrees. Centers
        # are worse than those of eFEDS (Seppi et al. 2023); by how much is our guess.
        "eRASS1": {
            **_SCANNED,
            "exposure": ScannedSphere(107.0, 0.98),
            "center_error": 20.0,
        },
    }
)
"""Parameters of `make_mock_survey` that a real survey sets, by its name."""
