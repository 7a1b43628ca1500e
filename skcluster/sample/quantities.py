"""The table of quantities: the unit and the plausible range of each.

>>> TABLE["r500c"].unit
'comoving Mpc/h'
"""

from dataclasses import dataclass

import numpy as np

SPEED_OF_LIGHT = 299792.458  # km/s
PLACEHOLDERS = (0, -1, *(sign * (10**n - 1) for n in range(2, 7) for sign in (1, -1)))
"""Numbers that catalogs write where they have no value: 0, -1, 99, -99, 999, …"""


@dataclass(frozen=True)
class LookAlike:
    """A unit taken by mistake: the range of the numbers in it, and how to convert them."""

    unit: str
    low: float
    high: float
    cure: str


@dataclass(frozen=True)
class Row:
    """One quantity: its kind, the package's unit for it, and its plausible range.

    Parameters
    ----------
    kind : str
        Kind of quantity, which sets how it is converted: "comoving length", "angle",
        "energy", "speed", "time", "number", "mass" or "log mass".
    unit : str
        The package's unit, as messages and files spell it.
    low, high : float
        Plausible range, both ends included.
    look_alikes : tuple of LookAlike
        Units that numbers outside of the range may have, most likely first.
    cure : str
        What to do about numbers that look like none of these.
    """

    kind: str
    unit: str
    low: float
    high: float
    look_alikes: tuple = ()
    cure: str = ""


def _scaled(low, high, **factors):
    """Build look-alikes of a quantity in [low, high]: other unit = factor from our unit."""
    return tuple(
        LookAlike(
            _SPELLED.get(name, name),
            low * factor,
            high * factor,
            f"Divide them by {factor:g}."
            if factor > 1
            else f"Multiply them by {1 / factor:g}.",
        )
        for name, factor in factors.items()
    )


_SPELLED = {"kpc_h": "kpc/h", "m_s": "m/s", "cz": "velocities cz in km/s"}
_SPELLED |= {"z": "redshifts"}
_PHYSICAL = "Give comoving Mpc/h: physical kpc / 1000 * (1 + z) * h."
_ANGULAR = "Give comoving Mpc/h: angle in rad * comoving distance in Mpc/h."
_R500C = (
    LookAlike("kpc", 20, 5e3, _PHYSICAL),
    LookAlike("pc", 2e4, 5e6, _PHYSICAL.replace("kpc / 1000", "pc / 1e6")),
    LookAlike("m", 1e20, 1e24, "Give comoving Mpc/h: physical Mpc * (1 + z) * h."),
    LookAlike("cm", 1e24, 1e26, "Give comoving Mpc/h: physical Mpc * (1 + z) * h."),
    LookAlike("arcmin", 5, 60, _ANGULAR),
    LookAlike("degrees or radians", 1e-4, 0.01, _ANGULAR),
)
_ENERGY = (
    LookAlike("channel numbers", 100, 150, "Multiply them by the keV per channel."),
    *_scaled(0.05, 50, eV=1e3, MeV=1e-3),
    LookAlike("erg", 1e-11, 1e-7, "Multiply them by 6.241509e8."),
    LookAlike("J", 1e-18, 1e-14, "Multiply them by 6.241509e15."),
)
_BOX = _scaled(1, 25e3, kpc_h=1e3, pc=1e6, m=3.0857e22, cm=3.0857e24)
_FIELD = _scaled(0.02, 12, rad=np.pi / 180, arcmin=60, arcsec=3600)
_SOURCE = (LookAlike("arcmin or arcsec", 1, 3600, "Give degrees."),)
_WIDE_FIELD = "Leave out a field wider than that: it contains every map."
_SMALL_ANGLES = (
    LookAlike("arcmin", 90, 500 * 60, "Divide them by 60."),
    LookAlike("arcmin or arcsec", 90, 720 * 60, "Give degrees."),
    LookAlike("arcsec", 90, 360 * 3600, "Divide them by 3600."),
)
_LOG_MASS = (
    LookAlike("ln of masses", 22, 40, "Divide them by ln 10 = 2.302585."),
    LookAlike("log10 of masses in kg or g", 40, 51, "Give log10 of Msun/h."),
    LookAlike("masses in 1e13 or 1e14 Msun", 1e-3, 1e4, "Give log10 of Msun/h."),
    LookAlike("masses in Msun", 1e9, 1e18, "Give log10 of Msun/h."),
    LookAlike("masses in g", 1e42, 1e50, "Give log10 of Msun/h."),
    LookAlike("ln of masses over a pivot mass", -10, 10, "Give log10 of Msun/h."),
)
_LOG_STELLAR_MASS = (
    LookAlike("ln of masses", 16, 32, "Divide them by ln 10 = 2.302585."),
    LookAlike("masses in Msun", 1e4, 1e14, "Give log10 of Msun/h."),
)
_MASS = (
    LookAlike("log10 of masses", 5, 20, "Give 10 ** them."),
    LookAlike("ln of masses", 20, 42, "Give exp of them."),
    LookAlike("1e13 or 1e14 Msun", 1e-3, 1e5, "Multiply them by 1e13 or 1e14."),
    LookAlike("g", 1e42, 1e51, "Divide them by 1.98841e33."),
)
_MPC_H = "comoving Mpc/h"
_SOURCE_RADIUS = Row("angle", "deg", 1e-4, 1, _SOURCE)
_LENGTH = Row("comoving length", _MPC_H, 0.01, 100, _scaled(0.05, 100, kpc_h=1e3))

TABLE = {
    # What a sample holds.
    "redshift": Row(
        *("number", "", 5e-324, 20, _scaled(1e-3, 20, cz=SPEED_OF_LIGHT)),
        cure="Correct them, or drop these clusters.",
    ),
    "ra": Row("angle", "deg", -360, 720, _SMALL_ANGLES),
    "dec": Row(
        "angle",
        "deg",
        -90,
        90,
        (
            LookAlike("right ascensions", 90, 360, "Are RA and Dec exchanged?"),
            *_SMALL_ANGLES,
        ),
    ),
    "center": Row("angle", "deg", -360, 720, _SMALL_ANGLES),
    # The range is that of the median of a cluster's photons.
    "energy": Row("energy", "keV", 0.01, 100.0, _ENERGY),
    "x": Row("comoving length", _MPC_H, -200, 200, _scaled(0.1, 200, kpc_h=1e3)),
    "y": Row("comoving length", _MPC_H, -200, 200, _scaled(0.1, 200, kpc_h=1e3)),
    "position": Row("comoving length", _MPC_H, -25e3, 25e3, _BOX),
    "v": Row("speed", "km/s", -SPEED_OF_LIGHT, 6e6, _scaled(100, 1e5, m_s=1e3)),
    "r500c": Row("comoving length", _MPC_H, 0.01, 5, _R500C),
    "field_radius": Row("angle", "deg", 0.01, 12, _FIELD, _WIDE_FIELD),
    "coverage": Row("number", "", 0, 1 + 1e-6, _scaled(1e-2, 1, percent=100)),
    "unobserved": Row("number", "", 0, 1 + 1e-6, _scaled(1e-2, 1, percent=100)),
    "exposure": Row("time", "s", 30, 1e8, _scaled(300, 1e7, ks=1e-3), "Drop them."),
    "source_radius": _SOURCE_RADIUS,
    "radius": _SOURCE_RADIUS,  # of holes
    # Galaxies before they are placed about a cluster.
    "galaxy_redshift": Row(
        "number", "", -0.1, 30, _scaled(3e-3, 10, cz=SPEED_OF_LIGHT)
    ),
    # What is measured from photons.
    "log_count_rate": Row(
        "number",
        "ln(1/s)",
        -15,
        7,
        (LookAlike("counts", 7, 1e8, "Give ln of counts over exposure."),),
    ),
    # Targets and what is predicted.
    "log_mass": Row("log mass", "log10 Msun/h", 10, 17, _LOG_MASS),
    "mass": Row("mass", "Msun/h", 1e10, 1e17, _MASS),
    "pivot_mass": Row("mass", "Msun/h", 1e10, 1e17, _MASS),
    # Parameters of steps.
    "half_width": _LENGTH,
    "radius_max": _LENGTH,
    "box_size": Row("comoving length", _MPC_H, 1, 25e3, _BOX),
    "velocity_max": Row(
        "speed", "km/s", 10, 1e5, _scaled(100, 1e5, m_s=1e3, z=1 / SPEED_OF_LIGHT)
    ),
    "bandwidth": Row("number", "standard deviations", 1e-3, 100),
    "hubble_constant": Row("number", "km/s/Mpc", 20, 200, _scaled(20, 200, h=1e-2)),
    "matter_density": Row("number", "", 0, 2, _scaled(0.02, 1, percent=100)),
    "radius_factor": Row(
        "number",
        "times R500c",
        0.01,
        50,
        (LookAlike("kpc", 50, 1e5, "Divide it by R500c in kpc."),),
    ),
    "log_stellar_mass_min": Row("log mass", "log10 Msun/h", 4, 14, _LOG_STELLAR_MASS),
    "psf_hew": Row("angle", "arcsec", 0.1, 600, _scaled(1, 600, mas=1e3, deg=1 / 3600)),
    "bands": Row("energy", "keV", 0, 200, _scaled(0.2, 200, eV=1e3)),
}
