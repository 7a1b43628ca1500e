"""Columns of any table, and arrays of any kind, as plain arrays in our units."""

import warnings

import numpy as np

UNITS = {
    "redshift": "",
    "ra": "deg",
    "dec": "deg",
    "center": "deg",
    "field_radius": "deg",
    "energy": "keV",
    "v": "km / s",
}
LARGEST = 1e100
"""Beyond, squares and sums leave the range of double precision."""

IN_MPC_H = ("x", "y", "z", "r500c", "position")


def column_names(table):
    """Names of the columns of a dict, structured array, Table or DataFrame."""
    names = getattr(getattr(table, "dtype", None), "names", None)
    if names is None:
        names = table if hasattr(table, "keys") else None
    if names is None:
        raise TypeError(
            "A table must be a dict of columns, a structured array, an astropy Table "
            f"or a pandas DataFrame, got {type(table).__name__}."
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"The names of a table's columns must be texts, got {name!r} "
                f"({type(name).__name__})."
            )
    return [str(name) for name in names]


def columns_of(table, names, whose):
    """The named columns of one table, all of the same length."""
    missing = [name for name in names if name not in column_names(table)]
    if missing or not names:
        raise ValueError(
            f"The table of {whose} lacks the columns {missing}; it has "
            f"{column_names(table)}."
        )
    columns = {name: plain_column(table[name], name) for name in names}
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"The columns of the table of {whose} differ in length: {lengths}."
        )
    return columns


def joined(name, parts):
    """The arrays of one name of several tables or samples, one after the other."""
    try:
        return np.concatenate(parts)
    except (TypeError, ValueError) as error:
        kinds = sorted({f"{part.dtype} of shape {part.shape[1:]}" for part in parts})
        raise ValueError(f"The parts of {name!r} do not join: {kinds}.") from error


def plain_column(column, name):
    """A column as a plain 1-d array, in our unit if it carries one of its own."""
    column = plain_array(column, f"Column {name!r}", name)
    if column.ndim != 1:
        raise ValueError(f"Column {name!r} must be 1-d, got shape {column.shape}.")
    return column


def plain_array(value, subject, name):
    """A native array without gaps, in the unit that `name` has with us.

    Parameters
    ----------
    value : array-like
        A Quantity or a Column with a unit is converted; it is not copied unless it has
        to be.
    subject : str
        For messages.
    name : str
    """
    if np.ma.is_masked(value):
        is_gap = np.ma.getmaskarray(value)
        raise ValueError(
            f"{subject} has no value in {is_gap.sum()} of {is_gap.size} rows (first: "
            f"row {np.argmax(is_gap)}). Fill it or drop these rows."
        )
    value = _in_our_unit(value, subject, name)
    try:
        with warnings.catch_warnings():
            # Of a masked value in a list, which becomes NaN.
            warnings.simplefilter("ignore", UserWarning)
            array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{subject} makes no array ({error}).") from error
    if array.dtype.kind in "fiub" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def as_numbers(value, subject, name):
    """A new array of float64, or an error about what is no number."""
    array = plain_array(value, subject, name)
    if array.size == 0:
        return np.zeros(array.shape)
    if array.dtype.kind not in "iufO":
        raise ValueError(f"{subject} must be numbers, got the type {array.dtype}.")
    try:
        with np.errstate(over="ignore"):
            return np.array(array, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{subject} must be numbers, but {error}.") from error


def as_texts(value, name):
    """A new 1-d array of texts; a single text is one of one."""
    array = np.atleast_1d(plain_array(value, name, name))
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-d, got shape {array.shape}.")
    try:
        return np.array(array, str)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be texts, but {error}.") from error


def as_labels(value, name):
    """A new 1-d array of texts or numbers that tell things apart."""
    array = np.atleast_1d(plain_array(value, name, name))
    if array.dtype.kind not in "biuf":
        return as_texts(array, name)
    if array.ndim != 1 or not np.isfinite(array).all():
        raise ValueError(
            f"{name} must be one text or finite number a cluster, got {array}."
        )
    return array.copy()


def _in_our_unit(value, subject, name):
    unit = getattr(value, "unit", None)
    text = "".join(str(unit).split())
    if name in IN_MPC_H and "pc" in text and text not in ("Mpc/h", "Mpc/littleh"):
        raise ValueError(
            f"{subject} has the unit {text!r}, but it is taken in comoving Mpc/h. "
            "Convert it and remove the unit."
        )
    if unit is None or name not in UNITS:
        return value
    from astropy import units

    try:
        with np.errstate(over="ignore"):
            return units.Quantity(value).to_value(units.Unit(UNITS[name]))
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{subject} has the unit {text!r}, which cannot be converted to "
            f"{UNITS[name] or 'a plain number'}. Correct or remove it."
        ) from error
