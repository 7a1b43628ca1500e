"""Convert values to what FITS can hold, and write FITS files atomically."""

import bz2
import gzip
import io
import lzma
import os
import re
import warnings
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning

from .atomic import atomic_replace

COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    ".gz": partial(gzip.compress, mtime=0),  # the same bytes on any day
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
}
COLUMN_NAME = re.compile(r"[!-~]([ -~]{0,58}[!-~])?")


def write_fits(path, hdus):
    """Write HDUs as a FITS file, atomically.

    Parameters
    ----------
    path : str, bytes or path-like
        Compressed if it ends in ``.gz``, ``.bz2`` or ``.xz``.
    hdus : astropy.io.fits.HDUList or HDU
    """
    compress = COMPRESSORS.get(Path(os.fsdecode(path)).suffix.lower())
    with atomic_replace(path) as file:
        if compress is None:
            hdus.writeto(file)
        else:
            content = io.BytesIO()
            hdus.writeto(content)
            file.write(compress(content.getvalue()))


def header_text(text):
    """Return a string in printable ASCII, which is all that a FITS header can hold."""
    return re.sub(r"[^ -~]", "?", str(text))


def header_of(cards):
    """Return a FITS header from a dict of keyword -> value, or (value, comment)."""
    header = fits.Header()
    for keyword, value in cards.items():
        header[keyword] = value
    return header


def storable(column, name):
    """Return a column in a type that FITS and ECSV can hold, or refuse it."""
    column = np.asarray(column)
    kind, n_bytes = column.dtype.kind, column.dtype.itemsize
    if kind == "O" and all(isinstance(text, str) for text in column.flat):
        return column.astype(str)
    if kind not in "biufSU" or (kind == "f" and n_bytes > 8):
        raise ValueError(
            f"Column {name!r} is of type {column.dtype}, which files do not hold. Make "
            "it numbers or strings."
        )
    return column


def fits_table(columns, units, header, *, extname, spell=str):
    """Return columns as a table of a FITS file, or refuse one that FITS cannot hold.

    Parameters
    ----------
    columns : dict of str to ndarray
    units : dict of str to str
        Units of some of the columns.
    header : astropy.io.fits.Header
    extname : str
        Name of the table.
    spell : callable, default=str
        Function from our name of a column to its name in the file.

    Returns
    -------
    hdu : astropy.io.fits.BinTableHDU
    """
    for name in columns:
        if not COLUMN_NAME.fullmatch(name):
            raise ValueError(
                f"FITS cannot spell the column {name!r}: names have 1 to 60 letters of "
                "ASCII. Rename it."
            )
        alike = [other for other in columns if other.upper() == name.upper()]
        if len(alike) > 1:
            raise ValueError(
                f"FITS ignores upper and lower case, so {alike} would be one column. "
                "Rename all but one."
            )
    arrays = [_in_fits(column, name) for name, column in columns.items()]
    names = [*map(spell, columns)]
    records = np.rec.fromarrays(arrays, names=names)  # type: ignore[call-overload]
    with warnings.catch_warnings():
        # astropy would have plainer names, such as x_y for x-y, though it reads both.
        warnings.simplefilter("ignore", VerifyWarning)
        hdu = fits.BinTableHDU(records, header, name=extname)
        for name, unit in units.items():
            hdu.columns[spell(name)].unit = unit
    return hdu


def _in_fits(column, name):
    column = storable(column, name)
    if column.dtype == np.int8:
        # astropy writes int8 as True and False.
        return column.astype(np.int16)
    if column.dtype.kind == "U":
        foreign = [i for i, text in enumerate(column) if not text.isascii()]
        if foreign:
            raise ValueError(
                f"Column {name!r} has letters that FITS cannot hold in {len(foreign)} "
                f"of {len(column)} rows (first: row {foreign[0]}, "
                f"{str(column[foreign[0]])!r}). Spell them in ASCII."
            )
    return column
