"""Errors that name the file: of one that cannot be read, of one that does not fit."""

import gzip
import warnings
from contextlib import contextmanager
from pathlib import Path

import numpy as np

GZIP = b"\x1f\x8b"


@contextmanager
def named_if_broken(path, kind):
    """Turn any error into an OSError that names the file, and its kind, on one line.

    Parsers meet a broken file with errors of a dozen types and warn of files that are
    right in all that we read; of a file cut off in the middle, astropy only warns.
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="File may have been truncated")
        try:
            yield
        except Exception as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise OSError(
                f"{path} cannot be read as {kind} ({reason}). It may be cut off or of "
                "another kind: fetch or write it again."
            ) from error


@contextmanager
def named_if_unfit(source):
    """Name the file, if the source is one, in an error about what it holds."""
    try:
        yield
    except ValueError as error:
        if not isinstance(source, str | Path):
            raise
        raise ValueError(f"{source} cannot be used. {error}") from error


def whole_content(path):
    """The bytes of a file, decompressed if it is gzip; an error if it is cut off."""
    content = Path(path).read_bytes()
    return gzip.decompress(content) if content.startswith(GZIP) else content
