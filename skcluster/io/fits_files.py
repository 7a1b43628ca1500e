"""FITS files, plain or gzip, opened only if their headers fit the bytes that follow.

astropy believes what a header says of sizes: a file of a few blocks that claims 10¹² axes
or columns would hang it, or fill the memory.
"""

import io
import math
import re
from contextlib import contextmanager
from pathlib import Path

from astropy.io import fits

from .broken_files import GZIP, named_if_broken, whole_content

BLOCK, CARD = 2880, 80
FIRST_WORDS = (b"SIMPLE  =", b"XTENSION=")
SIZES = re.compile(rb"BITPIX|NAXIS\d*|PCOUNT|GCOUNT|TFIELDS|THEAP")
SIZE_CARD = re.compile(rb"([A-Z\d ]{8})= +(\d+|-32|-64) *(?:/.*)?")
OTHER_END = re.compile(rb"END *[^A-Z\d_ -]")
PIXEL_BITS = (8, 16, 32, 64, -32, -64)
AXES_MAX = COLUMNS_MAX = 999
"""Of the FITS standard."""


@contextmanager
def opened_fits(path, *, memmap=True):
    """The HDUs of a FITS file; an OSError that names it if it is broken."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no file {path}. Check its path; relative ones start at "
            f"{Path.cwd()}."
        )
    with path.open("rb") as file:
        with named_if_broken(path, "FITS"):
            if file.read(2) == GZIP:
                # astropy takes a gzip file cut off in the middle for a shorter one.
                file = io.BytesIO(whole_content(path))
            _check_sizes(file)
            file.seek(0)
            hdus = fits.open(file, memmap=memmap, disable_image_compression=True)
            len(hdus)
        with hdus:
            yield hdus


def _check_sizes(file):
    """Walk from header to header, as far as there are any."""
    n_bytes, start, n_hdus = file.seek(0, io.SEEK_END), 0, 0
    while start < n_bytes:
        file.seek(start)
        if file.read(len(FIRST_WORDS[0])) != FIRST_WORDS[n_hdus > 0]:
            break
        file.seek(start)
        n_blocks = -(-_data_size(_sizes(file), n_bytes) // BLOCK)
        start, n_hdus = file.tell() + n_blocks * BLOCK, n_hdus + 1
        if start > n_bytes:
            raise OSError(f"its HDU {n_hdus - 1} ends at byte {start} of {n_bytes}")
    file.seek(start)
    if n_hdus == 0 or file.read().strip(b"\0"):
        raise OSError(f"there is no HDU at byte {start} of {n_bytes}")


def _sizes(file):
    """What one header says of sizes, by keyword; leaves the file behind the header."""
    sizes = {}
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
                raise OSError(f"the card {card.decode('latin1').strip()!r} is no size")
            sizes[name.decode()] = int(found[2])
    raise OSError("a header has no END")


def _data_size(sizes, n_bytes):
    """Bytes of data behind a header, without padding."""
    sizes = {"BITPIX": 0, "PCOUNT": 0, "GCOUNT": 1, "TFIELDS": 0, "NAXIS": -1} | sizes
    bits, n_axes = sizes.pop("BITPIX"), sizes["NAXIS"]
    axes = [name for name in sizes if re.fullmatch(r"NAXIS\d+", name)]
    if (
        bits not in PIXEL_BITS
        or min(sizes.values()) < 0
        or max(sizes.values()) > n_bytes
        or sizes["TFIELDS"] > COLUMNS_MAX
        or n_axes > AXES_MAX
        or {*axes} != {f"NAXIS{i + 1}" for i in range(n_axes)}
    ):
        raise OSError(f"a header has impossible sizes: BITPIX {bits}, {sizes}")
    if n_axes == 0:
        return 0
    pixels = math.prod(sizes[name] for name in axes)
    return abs(bits) // 8 * sizes["GCOUNT"] * (sizes["PCOUNT"] + pixels)
