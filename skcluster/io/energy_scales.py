"""Conversion of energy columns to keV, by unit, mission and instrument."""

import math
from typing import NamedTuple

import numpy as np

from ..parameters import REFUSED, Number, Positive
from ..sample.units import SPELLINGS, TABLE

KEV_PER_UNIT = SPELLINGS["energy"]
SMALLEST_KEV, LARGEST_KEV = TABLE["energy"].low, TABLE["energy"].high


class Scale(NamedTuple):
    """Photon energy [keV] as a linear function of the channel, or why there is none."""

    kev_per_channel: float = np.nan
    offset: float = 0.0
    refusal: str = ""

    def __call__(self, channel):
        return channel * self.kev_per_channel + self.offset

    def __str__(self):
        if self.offset:
            return f"{self.kev_per_channel:g} keV per channel + {self.offset:g} keV"
        return f"{self.kev_per_channel:g} keV per channel"


NO_ENERGY = "which is a pulse height and no measure of energy"

# (in TELESCOP or MISSION, in INSTRUME, scale of PI), more specific ones first. An empty
# instrument stands for any. For any other instrument the user must give energy_unit.
PI_SCALES = (
    # CIAO: PI = floor(E / 14.6 eV) + 1, so this is the upper edge of the channel.
    ("chandra", "hrc", Scale(refusal=NO_ENERGY)),
    ("chandra", "", Scale(0.0146)),
    ("erosita", "", Scale(0.001)),
    ("xmm", "", Scale(0.001)),
    # nustar_gen_utils: E = 0.04 PI + 1.6 keV.
    ("nustar", "", Scale(0.04, 1.6)),
    # XRT threads: channels 30 to 1000 are 0.3 to 10 keV.
    ("swift", "xrt", Scale(0.01)),
    # nicerpi: PI is the nominal energy in units of 10 eV.
    ("nicer", "", Scale(0.01)),
    # XRISM guide: PI 4000 to 20,000 is 2 to 10 keV; 83 to 1667 is 0.5 to 10 keV.
    ("xrism", "resolve", Scale(0.0005)),
    ("xrism", "xtend", Scale(0.006)),
    # Suzaku FAQ: PI = floor(E / 3.65 eV).
    ("suzaku", "xis", Scale(0.00365)),
    # ROSAT status report 78: the low edge of a channel is 10 eV times its number.
    ("rosat", "hri", Scale(refusal=NO_ENERGY)),
    ("rosat", "pspc", Scale(0.01)),
)


def scale_of_pi(mission, instrument):
    """Return the scale of the PI channels of an instrument, or None if it is unknown.

    Parameters
    ----------
    mission : str
        TELESCOP and MISSION of the header; also INSTRUME, if a mission gives only that.
    instrument : str
        INSTRUME of the header.

    Examples
    --------
    >>> print(scale_of_pi("NuSTAR", "FPMA"))
    0.04 keV per channel + 1.6 keV
    >>> print(scale_of_pi("SWIFT", "BAT"))
    None
    """
    mission, instrument = mission.lower(), instrument.lower()
    for in_mission, in_instrument, scale in PI_SCALES:
        if in_mission in mission and in_instrument in instrument:
            return scale
    return None


def scale_of_unit(energy_unit):
    """Return the energy scale that a user has given as `energy_unit`, or refuse it.

    Parameters
    ----------
    energy_unit : str, float, pair of float or callable
        A unit; keV per channel; keV per channel and the energy of channel 0 [keV]; or a
        function from an array of channels to their energies [keV].

    Returns
    -------
    scale : callable
        Function from an array of numbers in the file to energies [keV].
    """
    if callable(energy_unit):
        return energy_unit
    if isinstance(energy_unit, str) and energy_unit.lower() in KEV_PER_UNIT:
        return Scale(KEV_PER_UNIT[energy_unit.lower()])
    try:
        slope, offset = (energy_unit, 0.0) if np.ndim(energy_unit) == 0 else energy_unit
    except (TypeError, ValueError):
        slope = offset = REFUSED
    slope, offset = Positive().read(slope), Number().read(offset)
    if REFUSED in (slope, offset):
        raise ValueError(
            "energy_unit must be 'eV', 'keV', 'MeV', a positive number of keV per channel, "
            "a pair (keV per channel, keV of channel 0) or a function from channels to "
            f"keV, got {energy_unit!r}."
        )
    return Scale(slope, offset)


def unit_of_text(text):
    """Return the parameter `energy_unit` of `read_photons` that a string stands for.

    Examples
    --------
    >>> unit_of_text("eV"), unit_of_text("0.0146"), unit_of_text("0.04,1.6")
    ('eV', 0.0146, (0.04, 1.6))
    """
    names = {name.lower(): name for name in ("keV", "eV", "MeV")}
    if text.lower() in names:
        return names[text.lower()]
    try:
        numbers = tuple(float(part) for part in text.split(","))
    except ValueError:
        numbers = ()
    is_scale = 1 <= len(numbers) <= 2 and 0 < numbers[0] < math.inf
    if not is_scale or not math.isfinite(numbers[-1]):
        raise ValueError(
            f"{text!r} is not keV, eV, MeV, a positive number of keV per channel, or two "
            "numbers such as 0.04,1.6"
        )
    return numbers if len(numbers) == 2 else numbers[0]


def energies(values, scale):
    """Return the energies [keV] of the numbers in a file; NaN where there is none.

    Raises
    ------
    ValueError
        A function of the user does not return one energy for each channel.
    """
    if isinstance(scale, Scale):
        return scale(values)
    try:
        found = np.asarray(scale(values), dtype=float)
    except Exception as error:
        raise ValueError(
            f"energy_unit is a function that fails for an array of {len(values)} channels "
            f"({type(error).__name__}: {error})."
        ) from error
    if found.shape != values.shape:
        raise ValueError(
            f"energy_unit must return an energy for each of {len(values)} channels, got "
            f"an array of shape {found.shape}."
        )
    return found


def is_x_ray(kev):
    """Return whether the median of energies [keV] lies in the X-ray range."""
    return len(kev) == 0 or SMALLEST_KEV < np.median(kev) < LARGEST_KEV
