"""Arrays and columns of any kind as plain, read-only numpy arrays in our units."""

import os
import re
import warnings
from collections import Counter
from types import MappingProxyType

import numpy as np

from ..printable import printable
from .exact_integers import with_exact_gaps
from .units import in_our_unit

LARGEST = 1e100
"""Largest magnitude whose squares and sums stay in the range of double precision."""

LIST_COLUMNS = ("ra", "dec", "energy", "x", "y", "v")
"""Columns of photons and galaxies whose units are converted."""

SKY_COLUMNS = (
    *(("ra", "dec"), ("raj2000", "dej2000"), ("raj2000", "decj2000")),
    *(("ra_icrs", "de_icrs"), ("ra_icrs", "dec_icrs"), ("_raj2000", "_dej2000")),
    *(("_ra.icrs", "_de.icrs"), ("_ra_icrs", "_de_icrs"), ("_ra", "_de")),
    *(("ra_j2000", "dec_j2000"), ("alpha_j2000", "delta_j2000")),
    *(("ra_deg", "dec_deg"), ("radeg", "decdeg"), ("radeg", "dedeg")),
    *(("right_ascension", "declination"), ("rightascension", "declination")),
)
"""Columns of RA and Dec as catalogs spell them, in any case; the first pair is taken."""

LIKE_SKY = tuple(
    re.compile(rf"_?({words})([\W_].*)?", re.IGNORECASE)
    for words in (
        r"ra|ra[bj]?\d{4}|alpha|right.?ascension|glon",
        r"de|dec|dec?[bj]?\d{4}|delta|declination|glat",
    )
)
"""Names that start like those of RA and Dec, or of Galactic longitude and latitude."""


def read_only(value):
    """Return a read-only view of an array; return anything else unchanged."""
    if not isinstance(value, np.ndarray):
        return value
    # The array itself may belong to the caller, who may still write into it.
    view = value.view()
    view.flags.writeable = False
    return view


def read_only_columns(columns):
    """Return a dict of arrays as a read-only mapping of read-only arrays."""
    return MappingProxyType(
        {name: read_only(column) for name, column in columns.items()}
    )


def column_names(table):
    """Names of the columns of a table: a dict, a structured array, any data frame."""
    names = getattr(getattr(table, "dtype", None), "names", None)
    if names is None:
        # pyarrow's tables have no keys, and polars' data frames neither.
        names = getattr(table, "column_names", None)
    if names is None and hasattr(table, "get_column"):
        names = table.columns
    if names is None:
        names = table if hasattr(table, "keys") else None
    if names is None:
        cure = ""
        if is_path(table):
            cure = " Read its file first, by read_photons or read_galaxies."
        raise TypeError(
            "A table must be a dict of columns, a structured array, an astropy Table, a "
            "pandas or polars DataFrame or a pyarrow Table, got "
            f"{type(table).__name__}.{cure}"
        )
    for name in names:
        if not isinstance(name, str):
            raise TypeError(
                f"The names of a table's columns must be strings, got {name!r} "
                f"({type(name).__name__})."
            )
    names = [str(name) for name in names]
    check_names_once(names, "The table")
    return names


def check_names_once(names, subject):
    """Refuse two columns of one name, of which only one could be meant."""
    twice = sorted(name for name, n in Counter(map(str.strip, names)).items() if n > 1)
    if any(twice):
        name = next(filter(None, twice))
        n_columns = sum(each.strip() == name for each in names)
        raise ValueError(
            f"{subject} has {n_columns} columns with the name {printable(name)}. Rename "
            "all but one."
        )


def is_path(value):
    """Return whether a value is a path: a string, bytes or an object such as a `Path`."""
    return isinstance(value, str | bytes | os.PathLike)


def is_table(value):
    """Return whether a value is one table, and not a list of tables."""
    return not isinstance(value, list | tuple) and any(
        hasattr(value, name) for name in ("keys", "dtype", "column_names", "get_column")
    )


def find_column(names, name):
    """Find a column by its name in any case; return the table's spelling, or None."""
    if name in names:
        return name
    return {column.lower(): column for column in names}.get(name.lower())


def find_sky_columns(names):
    """Find the columns of RA and Dec; return the table's spelling, or None."""
    for pair in SKY_COLUMNS:
        found = tuple(find_column(names, name) for name in pair)
        if all(found):
            return found
    return None


def warn_of_lost_center(names):
    """Warn of columns that look like sky positions, of which none is known as such."""
    alike = [[name for name in names if like.fullmatch(name)] for like in LIKE_SKY]
    if all(alike):
        warnings.warn(
            f"The columns {[pair[0] for pair in alike]} look like sky positions, but are "
            "not known as such, so the sample has no center. If they are the clusters' "
            "centers, name them ra and dec (ICRS, in degrees).",
            UserWarning,
            stacklevel=5,
        )


def columns_of(table, names, whose, with_unit):
    """Return the named columns of one table, all 1-d and of the same length.

    Parameters
    ----------
    table : table of any kind
    names : list of str
    whose : str
        Subject of the messages, such as "cluster 3".
    with_unit : sequence of str
        Columns whose units are converted; the units of other columns are ignored.
    """
    missing = [name for name in names if name not in column_names(table)]
    if missing or not names:
        raise ValueError(
            f"The table of {whose} lacks the columns {missing}; it has "
            f"{column_names(table)}."
        )
    try:
        arrays = {
            name: plain_array(
                table[name], f"Column {name!r}", name if name in with_unit else ""
            )
            for name in names
        }
        if is_one_row_of_vectors(map(np.shape, arrays.values())):
            arrays = {name: array[0] for name, array in arrays.items()}
        columns = {name: as_column(array, name) for name, array in arrays.items()}
    except ValueError as error:
        raise ValueError(f"Table of {whose}: {error}") from error
    lengths = {name: len(column) for name, column in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(
            f"The columns of the table of {whose} differ in length: {lengths}."
        )
    return columns


def with_sky_columns(table):
    """Return a table with columns ra and dec [deg] in place of a column of SkyCoord."""
    if not hasattr(table, "keys") or hasattr(table, "dtypes"):
        return table
    names = [*table.keys()]
    sky = [name for name in names if hasattr(table[name], "icrs")]
    if len(sky) != 1 or find_sky_columns(names) is not None:
        return table
    icrs = table[sky[0]].icrs
    others = {name: table[name] for name in names if name != sky[0]}
    return {"ra": icrs.ra.deg, "dec": icrs.dec.deg, **others}


def is_one_row_of_vectors(shapes):
    """Return whether all columns are of shape (1, n), as IDL writes n rows."""
    shapes = {*shapes}
    return len(shapes) == 1 and all(
        len(shape) == 2 and shape[0] == 1 and shape[1] > 1 for shape in shapes
    )


def joined(name, parts):
    """Concatenate the arrays of one name from several tables or samples."""
    try:
        return np.concatenate(parts)
    except (TypeError, ValueError) as error:
        kinds = sorted({f"{part.dtype} of shape {part.shape[1:]}" for part in parts})
        raise ValueError(f"The parts of {name!r} cannot be joined: {kinds}.") from error


def plain_column(column, name, row):
    """Return a column as a plain 1-d array, in the unit of a row of the table of units."""
    return as_column(plain_array(column, f"Column {name!r}", row), name)


def shape_of(column):
    """Return the shape of any column; () if it cannot be made into an array."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            return np.shape(column)
    except (TypeError, ValueError):
        return ()


def as_column(array, name):
    """Return a 1-d array: flatten one of shape (n, 1), and refuse any other shape."""
    if array.ndim == 2 and array.shape[1] == 1:
        return array[:, 0]
    if array.ndim != 1:
        raise ValueError(f"Column {name!r} must be 1-d, got shape {array.shape}.")
    return array


def plain_array(value, subject, name):
    """Return a native array without gaps, in the package's unit for `name`.

    Parameters
    ----------
    value : array-like
        A Quantity or a Column with a unit is converted. Copied only if necessary.
    subject : str
        Subject of the messages, such as "Column 'ra'".
    name : str
        Row of the table of units.
    """
    value = from_arrow(value)
    refuse_masked(value, subject)
    if _has_quantities(value):
        value = _as_quantity(value, subject)
    value = in_our_unit(name, value, subject)
    try:
        with warnings.catch_warnings():
            # A masked value in a list becomes NaN, with a warning.
            warnings.simplefilter("ignore", UserWarning)
            array = np.asarray(value)
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{subject} cannot be made into an array ({error})."
        ) from error
    if array.dtype.kind in "fiub" and not array.dtype.isnative:
        array = array.astype(array.dtype.newbyteorder("="))
    return array


def refuse_masked(value, subject):
    """Refuse masked values, whose masks NumPy and scikit-learn drop without a word.

    Examples
    --------
    >>> refuse_masked(np.ma.masked_equal([1.0, -99.0], -99.0), "X")
    Traceback (most recent call last):
    ...
    ValueError: X has no value in 1 of 2 rows (first: row 1). Fill it or drop these rows.
    """
    if isinstance(value, list | tuple):
        rows = [getattr(row, "ndim", 0) > 0 and np.ma.is_masked(row) for row in value]
        flags, n_rows = np.array(rows, bool), len(value)
    else:
        mask = np.ascontiguousarray(np.atleast_1d(np.ma.getmask(value)))
        # A structured mask has a flag for each of its fields.
        flags, n_rows = mask.view(bool), len(mask)
    if not flags.any():
        return
    is_gap = np.asarray(flags.reshape(n_rows, -1).any(axis=1))
    raise ValueError(
        f"{subject} has no value in {is_gap.sum()} of {is_gap.size} rows (first: "
        f"row {np.argmax(is_gap)}). Fill it or drop these rows."
    )


def _has_quantities(value):
    while isinstance(value, list | tuple) and value:
        value = value[0]
    return hasattr(value, "unit") and hasattr(value, "to_value")


def _as_quantity(value, subject):
    """Return a list of Quantities as one Quantity, or refuse mixed units."""
    from astropy import units

    if not isinstance(value, list | tuple):
        return value
    try:
        return units.Quantity([_as_quantity(each, subject) for each in value])
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"{subject} cannot be made into an array of one unit ({error})."
        ) from error


def from_arrow(column):
    """Return a pyarrow column as a numpy array; return any other unchanged."""
    if not hasattr(column, "to_pylist"):
        return column
    if hasattr(column.type, "index_type"):
        # pyarrow turns a gap in a dictionary column into the last entry of the dictionary.
        column = column.cast(column.type.value_type)
    if str(column.type) in ("int64", "uint64") and column.null_count:
        return with_exact_gaps(
            np.asarray(column),
            lambda: np.asarray(column.fill_null(0)),
            lambda: np.asarray(column.is_null()),
        )
    return np.asarray(column)


def as_numbers(value, subject, name):
    """Return a new array of float64, or refuse values that are not numbers."""
    array = plain_array(value, subject, name)
    if array.size == 0:
        return np.zeros(array.shape)
    if array.dtype.kind not in "iufO":
        raise ValueError(f"{subject} must be numbers, got the type {array.dtype}.")
    try:
        with warnings.catch_warnings(), np.errstate(over="ignore"):
            warnings.simplefilter("ignore", UserWarning)
            return np.array(array, float)
    except (TypeError, ValueError, OverflowError) as error:
        raise ValueError(f"{subject} must be numbers, but {error}.") from error


def one_per_cluster(name, value, n_clusters):
    """Return one finite number per cluster, from a single number or an array.

    A value with a unit is converted as `name` in the table of units says.
    """
    value = as_numbers(value, name, name)
    if value.shape not in ((), (n_clusters,)) or not np.isfinite(value).all():
        raise ValueError(
            f"{name} must be one finite number, or one for each of {n_clusters} clusters, "
            f"got {value}."
        )
    return np.broadcast_to(value, n_clusters)


def is_missing(value):
    """Return whether a value marks a gap: None, NaN, NaT or the NA of pandas."""
    try:
        return value is None or bool(value != value)
    except (TypeError, ValueError):
        # pandas' NA is neither equal nor unequal to itself; an array is not one value.
        return np.ndim(value) == 0


def as_strings(value, name):
    """Return a new 1-d array of strings; a single string becomes an array of one."""
    array = np.atleast_1d(plain_array(value, name, name))
    if array.ndim != 1:
        raise ValueError(f"{name} must be 1-d, got shape {array.shape}.")
    if array.dtype.kind == "O":
        array = np.array(["" if is_missing(each) else each for each in array], object)
    try:
        return np.array(array, str)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{name} must be strings, but {error}.") from error


def as_labels(value, name):
    """Return a new 1-d array of labels, which are strings or finite numbers."""
    array = np.atleast_1d(plain_array(value, name, name))
    if array.dtype.kind not in "biuf":
        missing = [i for i, each in enumerate(array.flat) if is_missing(each)]
        if missing:
            raise ValueError(
                f"{name} has no label for {len(missing)} of {len(array)} clusters (first: "
                f"cluster {missing[0]}). Give each a label of its own."
            )
        return as_strings(array, name)
    expected = f"{name} must be one string or finite number per cluster"
    if array.ndim != 1:
        raise ValueError(f"{expected}, got the shape {array.shape}.")
    wrong = np.flatnonzero(~np.isfinite(array))
    if len(wrong):
        raise ValueError(
            f"{expected}, but {len(wrong)} of {len(array)} are NaN or infinite (first: "
            f"cluster {wrong[0]}). Give each a label of its own."
        )
    return array.copy()
