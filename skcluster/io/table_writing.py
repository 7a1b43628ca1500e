"""Write tables of results in any format, atomically."""

import importlib.util
import io
import re
import tempfile
import unicodedata
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.units import Unit

from ..printable import printable
from .atomic import atomic_replace

UNWRITABLE = re.compile(r"[^\S ]|[\x00-\x1f\x7f-\x9f\ud800-\udfff]")
FORMATS = {
    ".csv": "ascii.csv",
    ".ecsv": "ascii.ecsv",
    ".fits": "fits",
    ".fit": "fits",
    ".parquet": "parquet",
}


def check_table_path(path):
    """Refuse a path whose name does not end in a format that `write_table` can write."""
    suffix = Path(path).suffix.lower()
    if suffix not in FORMATS:
        raise ValueError(
            f"{printable(path)} is not a table of a known format; its name must end in "
            f"{', '.join(FORMATS)}."
        )
    if FORMATS[suffix] == "parquet" and not importlib.util.find_spec("pyarrow"):
        raise ImportError(
            f"{printable(path)} is written with pyarrow, which is not installed: "
            'pip install "skcluster[io]", or write the table as ECSV.'
        )


def write_table(path, table):
    """Write a table as CSV, ECSV, FITS or Parquet, and replace a file that is there.

    Parameters
    ----------
    path : str or path-like
        Path of the file; its suffix sets the format.
    table : astropy.table.Table
        FITS holds only ASCII: there, letters lose their accents, others become ``?``, and
        a warning says in which columns.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from astropy.table import Table
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "masses.csv")
    ...     write_table(path, Table({"name": ["A1795"], "log_mass": [14.8]}))
    ...     print(path.read_text())
    name,log_mass
    A1795,14.8
    """
    check_table_path(path)
    file_format = FORMATS[Path(path).suffix.lower()]
    if file_format == "fits":
        content = _fits_content(table)
    elif file_format == "parquet":
        content = _parquet_content(table)
    else:
        text = io.StringIO()
        table.write(text, format=file_format)
        content = text.getvalue().encode()
    with atomic_replace(path) as file:
        file.write(content)


def _fits_content(table):
    table = table.copy(copy_data=False)
    changed = []
    for name in table.colnames:
        if table[name].dtype.kind in "UO":
            strings = [*map(str, np.ma.filled(table[name], "").flat)]
            spelled = [*map(_in_ascii, strings)]
            if spelled != strings:
                changed.append(name)
            table[name] = np.array(spelled).reshape(table[name].shape)
    if changed:
        warnings.warn(
            f"FITS holds only ASCII, so letters of the columns {changed} were written "
            "without accents or as '?'. Write CSV, ECSV or Parquet to keep them.",
            UserWarning,
            stacklevel=3,
        )
    content = io.BytesIO()
    fits.HDUList([fits.PrimaryHDU(), _fits_hdu(table)]).writeto(content)
    return content.getvalue()


def _fits_hdu(table):
    """Return a table as an HDU, with descriptions of its columns in the header.

    Units that FITS does not know, such as dex, would bring a warning of every reader, and
    are written with the description.
    """
    comments = {}
    for i, name in enumerate(table.colnames, start=1):
        unit, about = table[name].unit, table[name].description or ""
        if unit is not None and not _is_unit_of_fits(unit):
            table[name].unit, about = None, f"{about} [{unit}]".strip()
        if about:
            comments[f"TCOMM{i}"] = _in_ascii(about)
    hdu = fits.table_to_hdu(table)
    hdu.header.update(comments)
    return hdu


def _is_unit_of_fits(unit):
    try:
        Unit(str(unit), format="fits")
    except ValueError:
        return False
    return True


def _in_ascii(text):
    if text.isascii():
        return text
    letters = unicodedata.normalize("NFKD", text)
    bare = "".join(letter for letter in letters if not unicodedata.combining(letter))
    return bare.encode("ascii", "replace").decode()


def _parquet_content(table):
    # astropy keeps units, gaps and metadata, but writes only to a path.
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "table.parquet")
        table.write(path, format="parquet")
        return path.read_bytes()


def check_strings(table, *, labels):
    """Refuse strings of a table that a file would not give back as they are.

    Parameters
    ----------
    table : astropy.table.Table
    labels : list of str
        Columns of labels, which must stay distinct, too.
    """
    for name in table.colnames:
        if table[name].dtype.kind != "U":
            continue
        if name in labels:
            _check_labels(name, table[name])
        wrong = [
            i for i, text in enumerate(table[name].flat) if UNWRITABLE.search(text)
        ]
        if wrong:
            raise ValueError(
                f"Column {name!r} has line breaks, tabs or the like in {len(wrong)} of "
                f"{table[name].size} strings (first: number {wrong[0]}, "
                f"{str(table[name].flat[wrong[0]])!r}). Remove them."
            )


def _check_labels(name, labels):
    """Refuse labels that would be empty, or equal to others, when they are read."""
    wrong = [i for i, label in enumerate(labels) if not label or label != label.strip()]
    if wrong:
        raise ValueError(
            f"{name} has labels that are empty or have blanks around them, which tables "
            f"do not keep, for {len(wrong)} of {len(labels)} clusters (first: cluster "
            f"{wrong[0]}, {str(labels[wrong[0]])!r}). Rename them."
        )
