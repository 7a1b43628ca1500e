"""Units of values, and whether plain numbers are plausible, by the table of quantities.

Constructors, readers, writers, steps and the command all use it. `in_our_unit` converts
what carries a unit or refuses it; `check_plausible` refuses plain numbers that look like
another unit, and says which one.

>>> check_plausible("r500c", [0.9, 700.0])
Traceback (most recent call last):
...
ValueError: 1 of 2 values of r500c are outside of 0.01 to 5 comoving Mpc/h (first: number 1,
700); they look like kpc. Give comoving Mpc/h: physical kpc / 1000 * (1 + z) * h.
"""

import re

import numpy as np

from .quantities import PLACEHOLDERS, SPEED_OF_LIGHT, TABLE, LookAlike

__all__ = [
    "MARKS",
    "PLACEHOLDERS",
    "SPEED_OF_LIGHT",
    "SPELLINGS",
    "TABLE",
    "check_plausible",
    "in_our_unit",
    "looks_like",
    "unit_factor",
]

_ASTROPY_UNIT = {"angle": "deg", "energy": "keV", "speed": "km / s", "time": "s"}
_ASTROPY_UNIT |= {"number": "", "mass": "Msun"}
SPELLINGS = {
    "angle": {"degree": 1.0, "deg": 1.0, "radian": 180 / np.pi, "rad": 180 / np.pi},
    "energy": {"ev": 1e-3, "kev": 1.0, "mev": 1e3, "gev": 1e6},
    "speed": {"km/s": 1.0, "kms-1": 1.0, "km/sec": 1.0, "kms^-1": 1.0, "m/s": 1e-3},
    "time": {"s": 1.0, "sec": 1.0, "second": 1.0, "ks": 1e3, "ksec": 1e3},
    "number": {"redshift": 1.0, "1": 1.0, "percent": 0.01, "%": 0.01},
    "log mass": {"dex": 1.0, "": 1.0},
}
SPELLINGS["angle"] |= {"degrees": 1.0, "radians": 180 / np.pi}
SPELLINGS["angle"] |= {"arcmin": 1 / 60, "arcminute": 1 / 60, "arcminutes": 1 / 60}
SPELLINGS["angle"] |= {"arcsec": 1 / 3600, "arcsecond": 1 / 3600}
"""Factors to our unit: kind -> unit as files spell it, in lower case -> factor."""

MARKS = {"'": "arcmin", "''": "arcsec", '"': "arcsec"}
"""Marks of angles, which are not the quotes around a unit."""

HOURS = ("h", "hr", "hour")
"""Units of time in which catalogs give right ascensions; any other angle is not in them."""

PARSECS = {"": 1e-6, "k": 1e-3, "m": 1.0, "g": 1e3}  # Mpc
_PER_H = r"(?:/(?:little)?h|[.*]?(?:little)?h(?:\^|\*\*)?\(?-1\)?)"
_H_PER = r"(?:1/(?:little)?h|(?:little)?h(?:\^|\*\*)?\(?-1\)?)[.*]?"
_LENGTHS = re.compile(
    rf"(?:{_H_PER}(?:comoving|c)?([kmg]?)pc|(?:comoving|c)?([kmg]?)pc{_PER_H})"
)


def in_our_unit(name, value, subject):
    """Convert a value to the package's unit for `name`, and strip the unit.

    Parameters
    ----------
    name : str
        A row of `TABLE`; the value of another name passes as it is.
    value : array-like
        A Quantity, or a Column with a unit; other values are returned as they are.
    subject : str
        Subject of the message, such as "Column 'ra'".

    Examples
    --------
    >>> from astropy import units
    >>> in_our_unit("field_radius", [30.0] * units.arcmin, "field_radius")
    array([0.5])
    """
    unit = getattr(value, "unit", None)
    if unit is None or name not in TABLE:
        return value
    factor = unit_factor(name, unit, subject)
    plain = getattr(value, "value", value)
    if factor == 1:
        return plain
    with np.errstate(over="ignore"):
        return np.asarray(plain, float) * factor


def unit_factor(name, unit, subject=None):
    """Return the factor from `unit` to the package's unit for `name`, or refuse `unit`.

    Parameters
    ----------
    name : str
        A row of `TABLE`.
    unit : str or astropy Unit
        As files spell it: ``"km s-1"``, ``"Mpc/h"``, astropy's ``"Mpc / littleh"``.
    subject : str, default=None
        What the message is about; by default the name.

    Examples
    --------
    >>> unit_factor("v", "m/s"), unit_factor("r500c", "kpc/littleh")
    (0.001, 0.001)
    """
    row, text = TABLE[name], str(unit).strip()
    if text in MARKS:
        unit = text = MARKS[text]
    plain = "".join(text.split()).strip("[]()'\"").lower()
    if not plain or plain in ("none", "-", "--"):
        return 1.0
    if row.kind == "comoving length":
        factor = _length_factor(plain, unit)
    elif row.kind in ("mass", "log mass"):
        factor = _mass_factor(row.kind, plain)
    elif row.kind == "angle" and plain.removesuffix("s") in HOURS:
        factor = 15.0 if name == "ra" else None
    else:
        factors = SPELLINGS[row.kind]
        factor = factors.get(plain, factors.get(plain.removesuffix("s")))
        if factor is None:
            factor = _astropy_factor(unit, _ASTROPY_UNIT[row.kind])
    if factor is None:
        raise ValueError(_unfit_unit(name, "".join(text.split()), subject or name))
    return factor


def _length_factor(plain, unit):
    """Return the factor from a length over h to Mpc/h; None for any other unit."""
    found = _LENGTHS.fullmatch(plain)
    if found:
        return PARSECS[found[1] if found[1] is not None else found[2]]
    if "littleh" in plain:
        from astropy import units
        from astropy.cosmology.units import littleh

        with units.add_enabled_units(littleh):
            return _astropy_factor(unit, units.Mpc / littleh)
    return None


def _mass_factor(kind, plain):
    """Return 1 if a unit of mass is Msun/h (or its logarithm), None for any other."""
    if kind == "log mass":
        plain = re.sub(r"^(dex|log10|log)\(?(.*?)\)?$", r"\2", plain)
        if plain in SPELLINGS["log mass"]:
            return 1.0
    sun = r"(?:m_?sun|m_?☉|m_?⊙|solmass)"
    return 1.0 if re.fullmatch(rf"{sun}{_PER_H}|{_H_PER}{sun}", plain) else None


def _astropy_factor(unit, ours):
    from astropy import units

    try:
        return float(units.Unit(unit).to(ours))
    except (TypeError, ValueError, ArithmeticError):
        return None


def _unfit_unit(name, text, subject):
    row = TABLE[name]
    if row.kind == "comoving length":
        cure = "Convert it and remove the unit."
        if name == "r500c":
            cure = "Convert it by skcluster.cosmology.comoving_length."
        return (
            f"{subject} has the unit {text!r}, but {name} is in comoving Mpc/h. {cure}"
        )
    ours = _ASTROPY_UNIT.get(row.kind, row.unit) or "a plain number"
    ours = row.unit if row.kind == "mass" else ours
    cure = "Correct or remove it."
    if row.kind == "angle":  # without a unit, numbers would be taken for degrees
        cure = "Convert the numbers to degrees, or correct the unit."
    return (
        f"{subject} has the unit {text!r}, which cannot be converted to {ours}. {cure}"
    )


def looks_like(name, values):
    """Guess the unit of numbers outside of the plausible range; None if it is unclear.

    Parameters
    ----------
    name : str
        A row of `TABLE`.
    values : float or array-like
        Numbers; those inside of the range are ignored. Only a column has placeholders.

    Returns
    -------
    look_alike : LookAlike or None
        None if all are plausible, or if they fit no known unit.

    Examples
    --------
    >>> looks_like("log_mass", [14.2, 2.5e14]).unit
    'masses in Msun'
    >>> looks_like("log_mass", [14.2, -99.0]).unit
    'placeholders such as -99, which stand for no value'
    """
    is_column = np.ndim(values) > 0
    values = np.asarray(values, float).ravel()
    values = values[_is_implausible(TABLE[name], values)]
    if len(values) == 0:
        return None
    if is_column and np.isin(values, PLACEHOLDERS).all():
        return LookAlike(
            f"placeholders such as {values[0]:g}, which stand for no value",
            *(values.min(), values.max()),
            "Drop these rows.",
        )
    sizes = np.abs(values) if TABLE[name].low < 0 else values
    for alike in TABLE[name].look_alikes:
        if np.mean((alike.low <= sizes) & (sizes <= alike.high)) >= 0.9:
            return alike
    return None


def _is_implausible(row, values):
    return ~((row.low <= values) & (values <= row.high))


def check_plausible(name, values, subject=None, *, rows="number"):
    """Refuse plain numbers outside of the plausible range of a quantity.

    Parameters
    ----------
    name : str
        A row of `TABLE`.
    values : float or array-like
        The first axis counts rows.
    subject : str, default=None
        What the message is about; by default the name.
    rows : str, default="number"
        What a row is called in the message, such as "cluster".

    Raises
    ------
    ValueError
        Values are outside of the range, as NaN always is. The message says how many,
        which is the first, what unit they look like, and how to convert them.

    Examples
    --------
    >>> check_plausible("half_width", 2.3)
    >>> check_plausible("half_width", 2300.0)
    Traceback (most recent call last):
    ...
    ValueError: half_width=2300 is outside of 0.01 to 100 comoving Mpc/h; it looks like
    kpc/h. Divide it by 1000.
    """
    row, subject = TABLE[name], subject or name
    unit = getattr(values, "unit", None)
    if unit is not None and unit_factor(name, unit, subject) != 1:
        raise ValueError(f"{subject} has the unit {str(unit)!r}. Give {row.unit}.")
    values = np.asarray(values, float)
    wrong = _is_implausible(row, values)
    if not wrong.any():
        return
    known = looks_like(name, values)
    low = "just above 0" if 0 < row.low < 1e-300 else f"{row.low:g}"
    outside = f"outside of {low} to {row.high:g} {row.unit}".rstrip()
    if values.ndim == 0:
        like = "" if known is None else f"; it looks like {known.unit}"
        cure = _cure(row, known).replace("them", "it")
        raise ValueError(f"{subject}={values:.6g} is {outside}{like}. {cure}")
    wrong_rows = np.flatnonzero(wrong.reshape(len(values), -1).any(axis=1))
    first = values[wrong_rows[0]]
    shown = f"{first:.6g}" if first.ndim == 0 else str(first)
    like = "" if known is None else f"; they look like {known.unit}"
    raise ValueError(
        f"{len(wrong_rows)} of {len(values)} values of {subject} are {outside} (first: "
        f"{rows} {wrong_rows[0]}, {shown}){like}. {_cure(row, known)}"
    )


def _cure(row, known):
    if known is not None:
        return known.cure
    return row.cure or f"Give {row.unit or 'plain numbers'}, or drop them."
