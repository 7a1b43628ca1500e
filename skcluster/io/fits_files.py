"""FITS files, plain or compressed, opened only if their headers fit the bytes that follow.

astropy trusts the sizes that a header declares: a small file that claims 10¹² axes or
columns would make it run forever or fill the memory.
"""

import io
import math
import os
import re
from contextlib import ExitStack, contextmanager
from numbers import Integral
from pathlib import Path

import numpy as np
from astropy.io import fits

from ..printable import no_file, printable
from .file_errors import parse_errors_name_file
from .limits import check_unpacked, is_compressed, unpacked_content

BLOCK, CARD = 2880, 80
FIRST_WORDS = (b"SIMPLE  =", b"XTENSION=")
SIZES = re.compile(rb"BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP")
SIZE_CARD = re.compile(rb"([A-Z\d ]{8})= +(\d+|-32|-64) *(?:/.*)?")
OTHER_END = re.compile(rb"END *[^A-Z\d_ -]")
PIXEL_BITS = (8, 16, 32, 64, -32, -64)
AXES_MAX = COLUMNS_MAX = 999
"""Limits of the FITS standard."""
LIST_COLUMN = re.compile(r"\d*[PQ]([LXBIJKAEDCM]).*")
LIST_BYTES = dict(zip("LXBIJKAEDCM", (1, 1, 1, 2, 4, 8, 4, 4, 8, 8, 16), strict=True))
"""Bytes in memory of one element of a column of lists, by its type."""


@contextmanager
def opened_fits(path, *, memmap=True):
    """Open a FITS file, and yield its complete HDUs.

    Bytes after the last HDU are ignored, and its padding may be missing.

    Parameters
    ----------
    path : str, bytes or path-like
        A plain file, or one compressed by gzip, bzip2 or xz.
    memmap : bool, default=True

    Raises
    ------
    FileNotFoundError, OSError
        The file is not there, or is cut off or damaged; the message names it.
    ValueError
        The file is compressed by fpack, or takes more memory than allowed.
    """
    path = Path(os.fsdecode(path))
    if not path.is_file():
        raise no_file(path, "file")
    with ExitStack() as opened:
        if is_compressed(path):
            # astropy reads a gzip file that is cut off as if it were a shorter one.
            file = io.BytesIO(unpacked_content(path, "FITS"))
        else:
            file = opened.enter_context(path.open("rb"))
        with parse_errors_name_file(path, "FITS"):
            n_hdus = _check_sizes(file)
            file.seek(0)
            hdus = fits.open(file, memmap=memmap, disable_image_compression=True)
            opened.callback(hdus.close)
            complete = fits.HDUList([hdus[i] for i in range(n_hdus)])
        _check_tables(complete, path)
        yield complete


def is_chosen(hdu, number, choice):
    """Return whether an HDU has the number or the name, in any case, that is chosen."""
    if isinstance(choice, str):
        return hdu.name.upper() == choice.strip().upper()
    return choice == number


def null_of(column):
    """Return the number that stands for a gap in a column as it is read, or None.

    TNULL is what stands in the file, before its scale and zero are applied.

    Parameters
    ----------
    column : astropy.io.fits.Column
    """
    if not isinstance(column.null, Integral):
        return None
    return int(column.null) * (column.bscale or 1) + (column.bzero or 0)


def _check_sizes(file):
    """Walk from header to header, and return the number of complete HDUs."""
    n_bytes, start, n_hdus = file.seek(0, io.SEEK_END), 0, 0
    while start < n_bytes:
        file.seek(start)
        if file.read(len(FIRST_WORDS[0])) != FIRST_WORDS[n_hdus > 0]:
            break
        file.seek(start)
        end = _data_size(_sizes(file), n_bytes) + file.tell()
        if end > n_bytes:
            raise EOFError(f"its HDU {n_hdus} ends at byte {end} of {n_bytes}")
        start, n_hdus = -(-end // BLOCK) * BLOCK, n_hdus + 1
    if n_hdus == 0:
        raise OSError("there is no HDU at its start")
    _check_rest(file, start, n_bytes)
    return n_hdus


def _check_rest(file, start, n_bytes):
    """Refuse a file in which an HDU comes after bytes that do not belong to any."""
    for at in range(start, n_bytes, BLOCK):
        file.seek(at)
        if file.read(len(FIRST_WORDS[0])) in FIRST_WORDS:
            raise OSError(
                f"there is no HDU at byte {start} of {n_bytes}, but one after it"
            )


def _check_tables(hdus, path):
    """Refuse tables that are packed, or that stand for more memory than they should."""
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU):
            continue
        with parse_errors_name_file(path, "FITS"):
            is_packed = hdu.header.get("ZTABLE", False) is True
            n_bytes = 0 if is_packed else _bytes_of_lists(hdu)
        if is_packed:
            raise ValueError(
                f"{printable(path)} is compressed by fpack, which is not read. Unpack it "
                "with funpack of CFITSIO."
            )
        if n_bytes:
            check_unpacked(n_bytes, path)


def _bytes_of_lists(hdu):
    """Return the bytes that variable-length columns take in memory."""
    n_bytes = 0
    for column in hdu.columns:
        kind = LIST_COLUMN.fullmatch(str(column.format))
        if kind:
            lists = np.asarray(hdu.data)[column.name]
            counts = lists[..., 0].astype(np.int64)
            n_bytes += int(counts.clip(0).sum()) * LIST_BYTES[kind[1]]
    return n_bytes


def _sizes(file):
    """Read one header to its end, and return the sizes that it declares."""
    sizes: dict[str, int] = {}
    while len(block := file.read(BLOCK)) == BLOCK:
        for start in range(0, BLOCK, CARD):
            card = block[start : start + CARD]
            if card.rstrip() == b"END":
                return sizes
            name = card.partition(b"=")[0].upper().removeprefix(b"HIERARCH").strip()
            is_size = SIZES.fullmatch(name)
            if not is_size and not OTHER_END.match(card):
                continue
            found = is_size and SIZE_CARD.fullmatch(card)
            if not found or found[1].rstrip() != name or name.decode() in sizes:
                raise OSError(
                    f"the card {card.decode('latin1').strip()!r} is not a size"
                )
            sizes[name.decode()] = int(found[2])
    raise EOFError("a header has no END")


def _data_size(sizes, n_bytes):
    """Return the number of bytes of data that a header announces, without padding."""
    sizes = {"BITPIX": 0, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 0, "NAXIS": -1} | sizes
    bits, n_axes = sizes.pop("BITPIX"), sizes["NAXIS"]
    axes = [name for name in sizes if re.fullmatch(r"NAXIS\d+", name)]
    if (
        bits not in PIXEL_BITS
        or min(sizes.values()) < 0
        or sizes["TFIELDS"] > COLUMNS_MAX
        or n_axes > AXES_MAX
        or {*axes} != {f"NAXIS{i + 1}" for i in range(n_axes)}
    ):
        raise OSError(f"a header has impossible sizes: BITPIX {bits}, {sizes}")
    if max(sizes.values()) > n_bytes:
        raise EOFError(f"a header claims more than {n_bytes} bytes: {sizes}")
    if n_axes == 0:
        return 0
    pixels = math.prod(sizes[name] for name in axes)
    return abs(bits) // 8 * sizes["GCOUNT"] * (sizes["PCOUNT"] + pixels)
