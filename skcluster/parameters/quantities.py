"""Kinds of parameters with a unit: numbers and energy bands in a plausible range."""

from dataclasses import dataclass

import numpy as np

from ..sample.units import TABLE, looks_like
from .kinds import REFUSED, Kind, Number

LOWEST_EV, HIGHEST_KEV, LOWEST_KEV = 100.0, TABLE["bands"].high, 0.05
"""Limits of plausible bands: in keV, none starts above the first (in eV, most do), ends
at a finite energy above the second, or lies entirely below the third."""


@dataclass(frozen=True)
class Quantity(Number):
    """A number in our unit, inside the range of a row of the table of units."""

    row: str

    @property
    def says(self):
        row = TABLE[self.row]
        return f"a number from {row.low:g} to {row.high:g} {row.unit}".rstrip()

    def allows(self, number):
        return TABLE[self.row].low <= number <= TABLE[self.row].high

    def hint(self, value):
        number = Number().read(value)
        known = None if number is REFUSED else looks_like(self.row, number)
        if known is None:
            return ""
        return f"It looks like {known.unit}. {known.cure.replace(' them', ' it')}"


class EnergyBand(Kind):
    """One band (low, high) of energies in keV; it may end at infinity."""

    says = "a pair (low, high) in keV with low < high"

    def read(self, value):
        band = _pair(value)
        return REFUSED if band is None or _unit_of(band) else band

    def hint(self, value):
        band = _pair(value)
        if band is None or not _unit_of(band):
            return ""
        unit, in_kev = _unit_of(band)
        low, high = (edge * in_kev for edge in band)
        return (
            f"The band ({band[0]:g}, {band[1]:g}) looks like {unit}, but bands are in "
            f"keV: ({low:g}, {high:g})."
        )


class EnergyBands(Kind):
    """At least one band (low, high) of energies in keV."""

    says = "pairs (low, high) in keV with low < high"

    def read(self, value):
        bands = [EnergyBand().read(pair) for pair in _items(value)]
        return REFUSED if not bands or REFUSED in bands else tuple(bands)

    def hint(self, value):
        return next(filter(None, map(EnergyBand().hint, _items(value))), "")


def _pair(value):
    """Return a band as two numbers, or None if it is not a band."""
    try:
        low, high = map(float, value)
    except (TypeError, ValueError, OverflowError):
        return None
    return (low, high) if low < high else None


def _unit_of(band):
    """Return the wrong unit that a band seems to be in, and that unit in keV."""
    low, high = band
    if low >= LOWEST_EV or HIGHEST_KEV < high < np.inf:
        return "eV", 1e-3
    if high < LOWEST_KEV:
        return "MeV", 1e3
    return None


def _items(value):
    try:
        return list(value)
    except TypeError:
        return []
