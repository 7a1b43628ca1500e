"""Limit on the memory that the content of a file may take.

A compressed file of a megabyte can unpack to gigabytes, by mistake or by intent. So a
file may take 100 times its own size in memory, or 256 MiB if that is more; ordinary
files unpack to five times their size. `unpack_limit` and the variable
SKCLUSTER_UNPACK_LIMIT raise the limit.
"""

import bz2
import gzip
import io
import lzma
import os
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

from ..printable import printable
from .file_errors import parse_errors_name_file

ORDINARY_RATIO = 100
ALWAYS_ALLOWED = 256 * 2**20
VARIABLE = "SKCLUSTER_UNPACK_LIMIT"
CHUNK = 2**20


def _open_xz(path):
    # The format allows null bytes after its end, which the module does not.
    return lzma.open(io.BytesIO(Path(path).read_bytes().rstrip(b"\0")))


OPENERS = {b"\x1f\x8b": gzip.open, b"BZh": bz2.open, b"\xfd7zXZ\0": _open_xz}
OTHER_PACKERS = {b"\x1f\x9d": "compress", b"PK\3\4": "zip", b"(\xb5/\xfd": "zstd"}
TRAILING_BYTES = "Not a gzipped file"
"""Error message of the module gzip for bytes after a complete file."""

_raised: ContextVar[int | None] = ContextVar("unpack_limit", default=None)


@contextmanager
def unpack_limit(n_bytes):
    """Let each file that is read in this context take up to `n_bytes` of memory.

    The environment variable ``SKCLUSTER_UNPACK_LIMIT`` (bytes) does the same for the
    command.

    Parameters
    ----------
    n_bytes : float
        Largest size of the content of one file.

    Examples
    --------
    >>> with unpack_limit(8e9):
    ...     allowed_bytes(__file__)
    8000000000
    """
    token = _raised.set(int(n_bytes))
    try:
        yield
    finally:
        _raised.reset(token)


def allowed_bytes(path):
    """Return the number of bytes that the content of a file may take in memory."""
    if _raised.get() is not None:
        return _raised.get()
    if VARIABLE in os.environ:
        try:
            return int(float(os.environ[VARIABLE]))
        except (ValueError, OverflowError) as error:
            raise ValueError(
                f"{VARIABLE} must be a number of bytes, got {os.environ[VARIABLE]!r}."
            ) from error
    return max(ORDINARY_RATIO * os.stat(path).st_size, ALWAYS_ALLOWED)


def check_unpacked(n_bytes, path):
    """Refuse a file whose content would take more bytes of memory than allowed.

    Parameters
    ----------
    n_bytes : int
        Least memory that the content takes.
    path : str, bytes or path-like
    """
    allowed = allowed_bytes(path)
    if n_bytes > allowed:
        size = os.stat(path).st_size
        raise ValueError(
            f"{printable(path)} has {_rounded(size)}, but its content takes at least "
            f"{_rounded(n_bytes)} of memory; {_rounded(allowed)} are allowed. If you trust "
            "it, read it inside `with skcluster.io.unpack_limit(n_bytes):`, or set the "
            f"environment variable {VARIABLE}."
        )


def _first_of(kinds, path):
    """Return the entry of `kinds` for the first bytes of a file, or None."""
    with open(path, "rb") as file:
        start = file.read(8)
    return next(
        (kind for magic, kind in kinds.items() if start.startswith(magic)), None
    )


def is_compressed(path):
    """Return whether the first bytes of a file are those of compressed data."""
    return any(_first_of(kinds, path) for kinds in (OPENERS, OTHER_PACKERS))


def unpacked_content(path, kind):
    """Return the bytes of a file, unpacked if it is gzip, bzip2 or xz.

    Parameters
    ----------
    path : str, bytes or path-like
    kind : str
        What the file should be, such as "FITS", for an error message.

    Raises
    ------
    OSError
        The compressed data are cut off or damaged.
    ValueError
        The content is larger than allowed, or packed in another way.
    """
    path = Path(os.fsdecode(path))
    packer, opener = _first_of(OTHER_PACKERS, path), _first_of(OPENERS, path)
    if packer is not None:
        raise ValueError(
            f"{printable(path)} is compressed by {packer}, which is not read. Unpack it, "
            "or compress it by gzip."
        )
    if opener is None:
        return path.read_bytes()
    allowed, content = allowed_bytes(path), io.BytesIO()
    with opener(path) as file:
        while content.tell() <= allowed:
            with parse_errors_name_file(path, kind):
                chunk = _next_chunk(file, content)
            if not chunk:
                return content.getvalue()
            content.write(chunk)
    check_unpacked(content.tell(), path)


def _next_chunk(file, content):
    try:
        # Unlike `read`, it stops between the parts of a file, before an error in the next.
        return file.read1(CHUNK)
    except gzip.BadGzipFile as error:
        # gunzip, too, ignores what follows a complete file.
        if content.tell() and str(error).startswith(TRAILING_BYTES):
            return b""
        raise


def _rounded(n_bytes):
    for unit in ("bytes", "KiB", "MiB"):
        if n_bytes < 1024:
            return f"{n_bytes:.4g} {unit}"
        n_bytes /= 1024
    return f"{n_bytes:.4g} GiB"
