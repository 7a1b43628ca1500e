"""Files that are there as a whole or not at all, and what FITS can hold."""

import contextlib
import os
import re
import tempfile
import warnings
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.io.fits.verify import VerifyWarning


def check_is_free(path, overwrite):
    """Refuse a path where something is that may not be replaced."""
    path = Path(path)
    if path.is_dir() or (path.exists() and not overwrite):
        raise FileExistsError(
            f"There is already a {path}. "
            + ("It is a folder." if path.is_dir() else "Give overwrite=True.")
        )


@contextlib.contextmanager
def written_whole(path):
    """A partial file beside `path` to write into, which then takes its place.

    After an error there is no file, or the old one.
    """
    path = Path(path)
    if not path.parent.is_dir():
        raise FileNotFoundError(f"There is no folder {path.parent} for {path.name}.")
    try:
        # It keeps the name's end, by which astropy knows to compress.
        suffix = "".join(path.suffixes[-2:])[-20:]
        handle, partial = tempfile.mkstemp(
            dir=path.parent, prefix=".partial-", suffix=suffix
        )
        os.close(handle)
        try:
            yield Path(partial)
            os.chmod(partial, 0o644)
            os.replace(partial, path)
        finally:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(partial)
    except OSError as error:
        raise OSError(f"{path} cannot be written ({error}).") from error


@contextlib.contextmanager
def written_folder(directory, names):
    """A partial folder to write the named files into, which then go to `directory`.

    After an error the directory is as it was, or not there.
    """
    made = [folder for folder in (directory, *directory.parents) if not folder.exists()]
    try:
        directory.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=directory, prefix=".partial-") as partial:
            parents = dict.fromkeys(Path(name).parent for name in names)
            for parent in parents:
                Path(partial, parent).mkdir(exist_ok=True)
            yield Path(partial)
            for parent in parents:
                (directory / parent).mkdir(exist_ok=True)
            for name in names:
                os.replace(Path(partial, name), directory / name)
    except BaseException as error:
        for folder in made:
            with contextlib.suppress(OSError):
                folder.rmdir()
        if isinstance(error, OSError):
            raise OSError(f"{directory} cannot be written ({error}).") from error
        raise


def printable(text):
    """The text as far as a FITS header can spell it: in printable ASCII."""
    return re.sub(r"[^ -~]", "?", str(text))


def header_of(cards):
    """A FITS header of keywords to values, or to pairs of a value and a comment."""
    header = fits.Header()
    for keyword, value in cards.items():
        header[keyword] = value
    return header


def storable(column, name):
    """A column in a type that FITS and ECSV can hold, or an error that names it."""
    column = np.asarray(column)
    kind, n_bytes = column.dtype.kind, column.dtype.itemsize
    if kind == "O" and all(isinstance(text, str) for text in column.flat):
        return column.astype(str)
    if kind not in "biufSU" or (kind == "f" and n_bytes > 8):
        raise ValueError(
            f"Column {name!r} is of type {column.dtype}, which files do not hold. Make "
            "it numbers or texts."
        )
    return column


def fits_table(columns, units, header, *, extname, spell=str):
    """Columns as a table of a FITS file, or an error about one that FITS cannot hold."""
    for name in columns:
        if not re.fullmatch(r"[!-~]([ -~]{0,58}[!-~])?", name):
            raise ValueError(
                f"FITS cannot spell the column {name!r}: names have 1 to 60 letters of "
                "ASCII. Rename it."
            )
        alike = [other for other in columns if other.upper() == name.upper()]
        if len(alike) > 1:
            raise ValueError(
                f"FITS takes the columns {alike} for one, as it does not tell capitals. "
                "Rename all but one."
            )
    arrays = [_in_fits(column, name) for name, column in columns.items()]
    records = np.rec.fromarrays(arrays, names=[*map(spell, columns)])
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
                f"Column {name!r} has letters that FITS has not in {len(foreign)} of "
                f"{len(column)} rows (first: row {foreign[0]}, "
                f"{str(column[foreign[0]])!r}). Spell them in ASCII."
            )
    return column
