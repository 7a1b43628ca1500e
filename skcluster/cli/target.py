"""Convert the masses of a table's target column to log10 of Msun/h."""

import argparse
import re
from dataclasses import dataclass, replace

import numpy as np

from ..printable import printable
from ..progress import say

UNIT = re.compile(r"(log10)?((?:\d+\.?\d*)?(?:e\d+)?)msun(/h)?")
EXAMPLES = "log10Msun/h, log10Msun, Msun, Msun/h, 1e13Msun, 1e14Msun or 1e14Msun/h"
OTHER_SPELLINGS = {
    r"10(?:\*\*|\^|\+)\+?(\d)": r"1e\1",  # VizieR writes 10+14Msun
    r"(\de)\+": r"\1",
    r"^\[(.*)\]$": r"log10\1",  # VizieR, too
    r"[\s()_*]": "",
    "solmass": "msun",
    "littleh": "h",
    r"msun[.]?h\^?-1$": "msun/h",
    r"^(?:dex|log10|log)": "log10",
}
"""What files write in units of masses -> how `UNIT` spells it."""

SAY_NOTHING = ("None", "", "-", "--", "dex")
"""Units of columns that do not tell Msun from Msun/h."""


@dataclass(frozen=True)
class TargetUnit:
    """A unit of masses, as given by `--target-unit`.

    Parameters
    ----------
    text : str
        The unit as it was given, after what has given it.
    is_log : bool
        Whether the column holds log10 of the masses.
    factor : float
        Unit of the masses in Msun, or in Msun/h.
    is_per_h : bool
        Whether `factor` is in Msun/h.
    is_checked : bool
        Whether the size of the masses must be plausible.
    """

    text: str
    is_log: bool = True
    factor: float = 1.0
    is_per_h: bool = True
    is_checked: bool = True


def target_unit(text):
    """Convert the option --target-unit to a TargetUnit.

    Examples
    --------
    >>> target_unit("1e14 Msun").factor, target_unit("log10 Msun/h").is_log
    (100000000000000.0, True)
    """
    given_by = f"--target-unit {text}"
    if text == "any":
        return TargetUnit(given_by, is_checked=False)
    plain = text.lower()
    for theirs, ours in OTHER_SPELLINGS.items():
        plain = re.sub(theirs, ours, plain)
    found = UNIT.fullmatch(plain)
    if not found or (found[2] and not float(_number(found[2])) > 0):
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a unit of masses; give {EXAMPLES}, or any"
        )
    is_log, factor, per_h = found.groups()
    return TargetUnit(given_by, bool(is_log), float(_number(factor)), bool(per_h))


def _number(text):
    return f"1{text}" if not text or text.startswith("e") else text


def add_target_options(parser):
    """Add the options for the column of true masses and its unit."""
    parser.add_argument(
        "--target",
        default="log_mass",
        metavar="COLUMN",
        help="column of the true M500c (default: log_mass)",
    )
    parser.add_argument(
        "--target-unit",
        type=target_unit,
        metavar="UNIT",
        help=f"unit of that column, if it has none of its own: {EXAMPLES} (default: "
        "log10Msun/h); masses without /h are multiplied by the h of --cosmology; any takes "
        "log10 masses of any size as they are",
    )


def unit_of_target(table, column, given, hdu=None):
    """Return the unit of a target column: its own, or else the one that is given.

    Parameters
    ----------
    table : str
        Path of the table.
    column : tuple of str and ndarray
        Name and values, which tell masses in Msun from their logarithms.
    given : TargetUnit or None
        Unit from --target-unit. If the column has another one, that is an error.
    hdu : int or str, default=None
        Number or name of the table in a FITS file, if there are several.

    Returns
    -------
    unit : TargetUnit or None
        None if neither is known.
    """
    from ..io.tables import unit_of_column

    name, values = column
    own = unit_of_column(table, name, hdu=hdu)
    subject = f"Column {name!r} of {table} has the unit {str(own)!r}"
    if str(own).strip() in SAY_NOTHING or (given and not given.is_checked):
        return given
    try:
        found = _unit_of_file(str(own))
    except argparse.ArgumentTypeError as error:
        raise ValueError(
            f"{subject}, which is not one of masses. Correct or remove it. Units of "
            f"masses are {EXAMPLES}."
        ) from error
    if found.factor == 1 and _look_like_logarithms(values):
        found = replace(found, is_log=True)
    found = replace(found, text=f"the unit {str(own)!r} of the column")
    if given is not None and replace(given, text=found.text) != found:
        raise ValueError(
            f"{subject}, but {given.text} says otherwise. Leave out the one that is wrong."
        )
    if given is None:
        log = "log10 of " * (found.is_log and "log" not in str(own))
        say(f"Masses are read from {printable(name)} [{log}{own}].")
    return found


def _look_like_logarithms(values):
    from ..sample.units import TABLE

    values, row = np.asarray(values), TABLE["log_mass"]
    known = values[np.isfinite(values)] if values.dtype.kind in "iuf" else []
    return len(known) > 0 and row.low <= np.median(known) <= row.high


def _unit_of_file(text):
    """Convert the unit of a column to a TargetUnit; Msun/h has more spellings there."""
    from ..sample.units import unit_factor

    try:
        unit_factor("mass", text)
    except ValueError:
        return target_unit(text)
    return target_unit("Msun/h")


def log_masses(table, column, unit, cosmology):
    """Return the masses of a column as log10 of Msun/h.

    Parameters
    ----------
    table : str
        Path, for messages.
    column : tuple of str and ndarray
        Name and values; NaN is left to the estimator.
    unit : TargetUnit or None
        None is log10 of Msun/h.
    cosmology : str
        Its h converts masses in Msun.
    """
    from ..cosmology import get_cosmology
    from ..plausible_masses import checked_log_mass

    name, values = column
    subject = f"Column {name!r} of {table}"
    values = _numbers(values, subject)
    unit_of_column = unit or TargetUnit("log10Msun/h")
    if not unit_of_column.is_log:
        values = _log10(values, subject)
    values = values + np.log10(unit_of_column.factor)
    if not unit_of_column.is_per_h:
        values = values + np.log10(get_cosmology(cosmology).h)
    if unit_of_column.is_checked:
        try:
            checked_log_mass(
                values, by="`skcluster train`", name=subject, has_parameter=False
            )
        except ValueError as error:
            if unit is None:
                way = f"Say what the column holds: --target-unit {EXAMPLES}."
            else:
                way = f"This is after {unit.text}; is that its unit?"
            raise ValueError(
                f"{error} {way} Give --target-unit any to train on it as it is."
            ) from error
    return values


def _numbers(values, subject):
    values = np.asarray(values)
    if values.ndim != 1:
        raise ValueError(
            f"{subject} must hold one mass per cluster, got the shape "
            f"{values.shape}. Name another with --target."
        )
    if values.dtype.kind in "iuf":
        return values.astype(float)
    try:
        return values.astype(str).astype(float)
    except ValueError:
        shown = ", ".join(map(repr, values[:3].tolist()))
        raise ValueError(
            f"{subject} must hold numbers, log10 M500c, but it holds {shown}, ... "
            "Name another with --target."
        ) from None


def _log10(masses, subject):
    wrong = np.flatnonzero(masses <= 0)
    if len(wrong):
        raise ValueError(
            f"{subject} must hold masses, but {len(wrong)} of {len(masses)} are not "
            f"positive (first: row {wrong[0]}, {masses[wrong[0]]:g}). Drop these rows; or "
            "does it hold log10 of masses? Then give --target-unit log10Msun/h or "
            "log10Msun."
        )
    return np.log10(masses)
