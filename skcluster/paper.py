"""Constants of Ho et al. (2023), MNRAS 524, 3289, and the codes of photon origins.

The steps take them as defaults, and the mock survey and the figures assume them.
"""

WIDE_BAND = (0.5, 10.0)
"""Energies of the single-band network [keV]."""

THREE_BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))
"""Energies of the multi-band networks [keV]."""

HALF_WIDTH = 2.3
"""Half the side of maps, and largest projected radius of galaxies [comoving Mpc/h]."""

VELOCITY_MAX = 3785.0
"""Largest line-of-sight speed of the galaxies [km/s]."""

LOG_STELLAR_MASS_MIN = 9.5
"""Smallest log10 of the stellar mass of the galaxies [Msun/h]."""

MEMBER_RADIUS_MAX, MEMBER_VELOCITY_MAX = 1.25, 2000.0
"""Projected radius [comoving Mpc/h] and line-of-sight speed [km/s] of the galaxies that
richness and velocity dispersion are measured from."""

BOX_SIZE = 352.0
"""Side of the simulation's periodic box [comoving Mpc/h]."""

ORIGINS = {"icm": 0, "agn": 1, "background": 2}
"""Codes of the photons' column ``origin``."""
