"""Tables of any format, and their columns as plain arrays in our units."""

from contextlib import ExitStack
from pathlib import Path

import numpy as np
from astropy import units
from astropy.table import Table

from ..sample.plain_arrays import column_names
from .file_errors import parse_errors_name_file
from .fits_files import opened_fits
from .limits import unpacked_content

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
        names = column_names(source)
        try:
            if hasattr(source, "to_numpy"):
                return Table.from_pandas(source)
            return Table({name: source[name] for name in names}, copy=False)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The columns {', '.join(names)} make no table ({error}). Give columns "
                "of one length."
            ) from error
    path = Path(source)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no table {path}. Check its path; relative ones start at "
            f"{Path.cwd()}."
        )
    suffix = Path(path.name.removesuffix(".gz")).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"{path} is no table of a known format; its name must end in "
            f"{', '.join(FORMATS)}."
        )
    if suffix == ".parquet":
        _require_pyarrow(path)
    options = dict(FORMATS[suffix])
    if suffix == ".csv":
        # A name such as 0012 is no number.
        spellings = [(name, name.upper(), name.title()) for name in TEXT_COLUMNS]
        options["converters"] = dict.fromkeys(sum(spellings, ()), str)
    with ExitStack() as opened:
        if options["format"] == "fits":
            path = opened.enter_context(opened_fits(path, memmap=False))
        elif options["format"].startswith("ascii"):
            # astropy would leave a broken file open.
            path = unpacked_content(path, suffix)
        opened.enter_context(parse_errors_name_file(source, suffix))
        if isinstance(path, bytes):
            path = path.decode("utf-8-sig").splitlines()
        table = Table.read(path, **options)
        table.convert_bytestring_to_unicode()
    return table


def _require_pyarrow(path):
    try:
        import pyarrow.parquet  # noqa: F401
    except ImportError as error:
        raise ImportError(
            f"{path} is read with pyarrow, which is not installed: "
            'pip install "skcluster[io]", or write the table as ECSV.'
        ) from error


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
    values = _native(table[column])
    if values.ndim != 1:
        raise ValueError(
            f"Column {column!r} must hold one value a row, got the shape {values.shape}."
        )
    if name in TEXT_COLUMNS:
        return values
    values = _finite(values, column)
    return _finite(_in_our_unit(values, table[column], name), column)


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
    values = np.asarray(column)
    is_gap = np.zeros(values.shape, bool)
    if values.dtype.names is None:
        is_gap |= np.ma.getmaskarray(np.ma.asarray(column))
    if values.dtype.kind == "f":
        is_gap |= np.isnan(values)
    elif values.dtype.kind in "US":
        is_gap |= np.char.str_len(values) == 0
    elif values.dtype.kind == "O" and values.ndim == 1:
        is_gap |= np.array([*map(_is_missing, values)], bool)
    return is_gap.reshape(len(values), -1).any(axis=1) if is_gap.ndim > 1 else is_gap


def _is_missing(value):
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        # pandas' NA is neither equal nor unequal to itself; an array is no single value.
        return np.ndim(value) == 0


def _finite(values, column):
    """A column as numbers, or an error about the first value that is none."""
    if values.dtype.kind in "iuf":
        is_wrong = ~np.isfinite(values)
    else:
        is_wrong = np.array([not _is_number(value) for value in values], bool)
    if is_wrong.any():
        first = np.argmax(is_wrong)
        raise ValueError(
            f"Column {column!r} holds no finite number in {is_wrong.sum()} of "
            f"{len(values)} rows (first: row {first}, {str(values[first])!r}). Correct "
            "it or drop these rows."
        )
    return values if values.dtype.kind in "iuf" else values.astype(float)


def _is_number(value):
    if isinstance(value, bool | np.bool_) or np.iscomplexobj(value):
        return False
    try:
        return np.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False


def _in_our_unit(values, column, name):
    unit = column.unit
    if unit is None:
        return values
    if name in IN_MPC_H and "".join(str(unit).split()) != "Mpc/h":
        raise ValueError(
            f"Column {column.name!r} has the unit {str(unit)!r}, but {name} is in "
            "comoving Mpc/h. Convert it and remove the unit."
        )
    if name not in UNITS:
        return values
    try:
        with np.errstate(over="ignore"):
            return units.Quantity(values, unit).to_value(UNITS[name])
    except (TypeError, ValueError, ArithmeticError) as error:
        raise ValueError(
            f"Column {column.name!r} has the unit {str(unit)!r}, which cannot be "
            f"converted to {UNITS[name]}. Correct or remove it."
        ) from error
