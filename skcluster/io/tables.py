"""Convert tables of any kind to astropy Tables, and columns to plain arrays in our
units."""

import numpy as np
from astropy.table import Column, MaskedColumn, Table

from ..printable import printable
from ..sample.exact_integers import has_inexact_floats, with_exact_gaps
from ..sample.plain_arrays import (
    SKY_COLUMNS,
    column_names,
    find_column,
    find_sky_columns,
    from_arrow,
    is_missing,
    is_one_row_of_vectors,
    is_path,
)
from ..sample.units import in_our_unit, unit_factor
from .table_reading import read_table_file

CURE = "Correct it or drop these rows."


def read_table(source, *, strings=(), hdu=None):
    """Read a table from a path, or convert one in memory.

    Parameters
    ----------
    source : str, bytes, path-like or table
        A table in memory is a dict, a structured array, an astropy Table, a data frame of
        pandas or polars, or a pyarrow Table.
    strings : iterable of str, default=()
        Columns of a CSV file that stay strings: a name such as 0012 is not a number.
    hdu : int or str, default=None
        Number or name of the table in a FITS file, if there are several.

    Returns
    -------
    table : astropy.table.Table
        Bytes have become strings, columns of shape (n, 1) are flat, a single row of
        vectors of one length has become as many rows, a SkyCoord the columns ra and dec
        if there are none, and times are in ISO format.
    """
    if is_path(source):
        table = read_table_file(source, strings=strings, hdu=hdu)
    elif hdu is not None:
        raise ValueError(
            f"table_hdu={hdu!r} is for FITS files, but the table is in memory. Leave it "
            "out."
        )
    else:
        names = column_names(source)
        try:
            if hasattr(source, "iloc") and hasattr(source, "to_numpy"):
                table = Table.from_pandas(source)
            else:
                table = Table({name: _without_package(source[name]) for name in names})
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"The columns {listed(names)} cannot be made into a table "
                f"({printable(error)}). Give columns of one length."
            ) from error
    return _in_plain_form(table)


def _without_package(column):
    """Return a column of polars or pyarrow as an array; return any other unchanged."""
    column = from_arrow(column)
    is_polars = hasattr(column, "to_numpy") and hasattr(column, "null_count")
    if not is_polars:
        return column
    if str(column.dtype) in ("Int64", "UInt64"):
        return with_exact_gaps(
            column.to_numpy(), column.fill_null(0).to_numpy, column.is_null().to_numpy
        )
    return column.to_numpy()


def _in_plain_form(table):
    is_one_row = is_one_row_of_vectors(table[name].shape for name in table.colnames)
    plain: dict[str, object] = {}
    for name in table.colnames:
        column = table[name]
        if not hasattr(column, "dtype"):
            plain |= _plain_columns_of(column, name, table.colnames)
            continue
        if is_one_row:
            column = column[0]
        column = _stacked(column)
        if column.shape[1:] == (1,):
            column = column[:, 0]
        values = _as_strings(column)
        if values is not None:
            column = values
        plain[name] = _as_column(column, table[name])
    return Table(plain, copy=False)


def _plain_columns_of(column, name, names):
    """Return the plain columns that are read from a Time or from sky coordinates."""
    if hasattr(column, "isot"):
        return {name: column.isot}
    if hasattr(column, "icrs") and find_sky_columns(names) is None:
        return {"ra": column.icrs.ra.deg, "dec": column.icrs.dec.deg}
    return {}


def _stacked(column):
    """Stack an object column of arrays of one length (from Parquet) into a 2-d array."""
    if column.dtype.kind != "O" or not len(column):
        return column
    are_arrays = all(isinstance(value, np.ndarray) for value in column)
    if not are_arrays or len({value.shape for value in column}) > 1:
        return column
    return np.stack([*column])


def _as_strings(column):
    """Return a column of bytes or Python strings as an array of strings, or None."""
    if column.dtype.kind not in "SO":
        return None
    if column.dtype.kind == "O" and not any(
        isinstance(value, str | bytes) for value in column.flat
    ):
        return None
    values = np.ma.asarray(column)
    decoded = [*map(_decoded, values.filled("").flat)]
    is_text = all(isinstance(value, str) for value in decoded)
    strings = np.array(decoded, str if is_text else object).reshape(values.shape)
    return np.ma.array(strings, mask=np.ma.getmaskarray(values))


def _decoded(value):
    if not isinstance(value, bytes):
        return value
    try:
        return value.decode("utf-8")
    except UnicodeDecodeError:
        return value.decode("latin-1")


def _as_column(values, column):
    make = MaskedColumn if np.ma.isMaskedArray(values) else Column
    return make(values, unit=getattr(column, "unit", None), copy=False)


def listed(names):
    """List the names of columns in one line that a terminal can show."""
    return ", ".join(map(printable, names))


def complete_column(table, column, name, *, is_text=False):
    """Return a column without gaps, as a plain array in the package's unit for `name`.

    Parameters
    ----------
    table : astropy.table.Table
    column : str
        Its name in the table's spelling.
    name : str
        Row of the table of units.
    is_text : bool, default=False
        Whether the column may hold strings.
    """
    is_gap = _gaps(table[column])
    if is_gap.any():
        raise ValueError(
            f"Column {column!r} has no value in {is_gap.sum()} of {len(table)} rows "
            f"(first: row {np.argmax(is_gap)}). Fill it or drop these rows."
        )
    values = _native(table[column])
    if values.ndim != 1:
        raise ValueError(
            f"Column {column!r} must hold one value per row, got the shape "
            f"{values.shape}."
        )
    if is_text:
        return values
    values = _finite(values, column, lambda text: _cure(text, table, name))
    if table[column].unit is None:
        return values
    given = Column(values, unit=table[column].unit)
    return _finite(np.asarray(in_our_unit(name, given, f"Column {column!r}")), column)


def check_unit_of_column(source, column, name):
    """Refuse a column whose own unit does not fit the package's unit for `name`.

    Parameters
    ----------
    source, column : as in `unit_of_column`
    name : str
        Row of the table of units.
    """
    unit = unit_of_column(source, column)
    if unit is not None:
        unit_factor(name, unit, f"Column {column!r} of {source}")


def unit_of_column(source, column, *, hdu=None):
    """Return the unit that a column of a table has in its file, or None.

    Parameters
    ----------
    source : str or path-like
        Path of the table.
    column : str
    hdu : int or str, default=None
        Number or name of the table in a FITS file, if there are several.
    """
    return getattr(read_table(source, hdu=hdu)[column], "unit", None)


def column_with_gaps(table, column, *, is_text=False):
    """Return a column as a plain array: gaps become NaN, or "" among strings.

    Integers that a float does not hold exactly, such as the IDs of catalogs, become strings
    if there are gaps, as all do if `is_text`.
    """
    values, is_gap = table[column], _gaps(table[column])
    if not is_gap.any():
        return _native(values)
    is_text = is_text or has_inexact_floats(np.ma.asarray(values).compressed())
    if values.dtype.kind in "iufb" and not is_text:
        numbers = np.array(np.ma.getdata(values), float)
        numbers[np.ma.getmaskarray(values)] = np.nan
        return numbers
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
        is_gap |= np.array([*map(is_missing, values)], bool)
    return is_gap.reshape(len(values), -1).any(axis=1) if is_gap.ndim > 1 else is_gap


def _finite(values, column, cure=lambda text: CURE):
    """Return a column as numbers, or refuse one that holds anything else.

    Parameters
    ----------
    values : ndarray
    column : str
        Its name.
    cure : callable
        Function from the first wrong value to what can be done.
    """
    if values.dtype.kind in "iuf":
        is_wrong = ~np.isfinite(values)
    else:
        is_wrong = np.array([not is_finite_number(value) for value in values], bool)
    if is_wrong.any():
        first = np.argmax(is_wrong)
        raise ValueError(
            f"Column {column!r} does not hold finite numbers in {is_wrong.sum()} of "
            f"{len(values)} rows (first: row {first}, {str(values[first])!r}). "
            f"{cure(str(values[first]))}"
        )
    return values if values.dtype.kind in "iuf" else values.astype(float)


def _cure(text, table, name):
    """Say what to do about a string in place of a number in a column of a table."""
    if text.count(":") != 2 and len(text.split()) != 3:
        return CURE
    angles = "It looks like hours or degrees with minutes and seconds"
    for pair in SKY_COLUMNS if name in ("ra", "dec") else ():
        found = [find_column(table.colnames, each) for each in pair]
        if all(each and table[each].dtype.kind == "f" for each in found):
            way = dict(zip(("ra", "dec"), found, strict=True))
            return f"{angles}. The table has it in degrees, too: columns={way}."
    return f"{angles}: convert it to degrees, for instance by astropy's SkyCoord."


def is_finite_number(value):
    """Return whether a value, or the string that spells it, is a finite real number."""
    if isinstance(value, bool | np.bool_) or np.iscomplexobj(value):
        return False
    try:
        return np.isfinite(float(value))
    except (TypeError, ValueError, OverflowError):
        return False
