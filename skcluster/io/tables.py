"""Tables of any format, and their columns as plain arrays in our units."""

import warnings
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import Table
from astropy.utils.exceptions import AstropyWarning

from ..sample.ragged import column_names

FORMATS = {
    ".csv": {"format": "ascii.csv", "comment": r"\s*#"},
    ".ecsv": {"format": "ascii.ecsv"},
    ".fits": {"format": "fits"},
    ".fit": {"format": "fits"},
    ".parquet": {"format": "parquet"},
}
TEXT_COLUMNS = ("name", "photons", "galaxies")
UNITS = {
    "ra": units.deg,
    "dec": units.deg,
    "field_radius": units.deg,
    "v": units.km / units.s,
}
IN_MPC_H = ("x", "y", "z", "r500c")


def read_table(source):
    """An astropy Table from a path, or from any table in memory."""
    if not isinstance(source, str | Path):
        if hasattr(source, "to_numpy"):
            return Table.from_pandas(source)
        return Table({name: source[name] for name in column_names(source)}, copy=False)
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(f"There is no table {path}.")
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"{path} is no table of a known format; its name must end in "
            f"{', '.join(FORMATS)}."
        )
    options = dict(FORMATS[suffix])
    if suffix == ".csv":
        # A name such as 0012 is no number.
        spellings = [(name, name.upper(), name.title()) for name in TEXT_COLUMNS]
        options["converters"] = dict.fromkeys(sum(spellings, ()), str)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", AstropyWarning)
        try:
            table = Table.read(path, **options)
        except (OSError, ValueError, TypeError) as error:
            raise OSError(f"{path} cannot be read as {suffix}: {error}") from error
    table.convert_bytestring_to_unicode()
    return table


def find_column(table, name):
    """The column of that name in any case, as the table spells it, or None."""
    if name in table.colnames:
        return name
    spelled = {column.lower(): column for column in table.colnames}
    return spelled.get(name.lower())


def complete_column(table, column, name):
    """A column without gaps, as a plain array in the unit that `name` has with us."""
    is_gap = _gaps(table[column])
    if is_gap.any():
        raise ValueError(
            f"Column {column!r} has no value in {is_gap.sum()} of {len(table)} rows "
            f"(first: row {np.argmax(is_gap)}). Fill it or drop these rows."
        )
    return _native(_in_our_unit(table[column], name))


def column_with_gaps(table, column):
    """A column as a plain array: gaps become NaN, or "" in a text."""
    values, is_gap = table[column], _gaps(table[column])
    if not is_gap.any():
        return _native(values)
    if values.dtype.kind in "iufb":
        return np.ma.asarray(values).astype(float).filled(np.nan)
    return np.array(
        ["" if gap else str(v) for gap, v in zip(is_gap, values, strict=True)]
    )


def _native(values):
    values = np.asarray(values)
    return values.astype(values.dtype.newbyteorder("="), copy=False)


def _gaps(column):
    is_gap = np.ma.getmaskarray(np.ma.asarray(column)).copy()
    values = np.asarray(column)
    if values.dtype.kind == "f":
        is_gap |= np.isnan(values)
    elif values.dtype.kind in "US":
        is_gap |= np.char.str_len(values) == 0
    elif values.dtype.kind == "O":
        is_gap |= np.array([value is None or value != value for value in values], bool)
    return is_gap.reshape(len(values), -1).any(axis=1) if is_gap.ndim > 1 else is_gap


def _in_our_unit(column, name):
    unit = column.unit
    if unit is None:
        return column
    if name in UNITS:
        return units.Quantity(column.data, unit).to_value(UNITS[name])
    if name in IN_MPC_H and "".join(str(unit).split()) != "Mpc/h":
        raise ValueError(
            f"Column {column.name!r} has the unit {str(unit)!r}, but {name} is in "
            "comoving Mpc/h. Convert it and remove the unit."
        )
    return column
