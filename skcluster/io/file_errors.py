"""Errors that name the file: one that cannot be read, or one whose content does not fit."""

import os
import warnings
from contextlib import contextmanager

import numpy as np

from ..printable import printable

LONGEST_REASON = 200
"""Letters of what a parser says that a message repeats: some quote all of the file."""


@contextmanager
def parse_errors_name_file(path, kind):
    """Turn any error into an OSError that names the file, and its kind, on one line.

    Parsers meet a broken file with errors of a dozen types, and warn of files that are
    right in all that we read.

    Parameters
    ----------
    path : str, bytes or path-like
    kind : str
        What the file should be, such as "FITS".
    """
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            reason = printable(" ".join(str(error).split())) or type(error).__name__
            if len(reason) > LONGEST_REASON:
                reason = f"{reason[:LONGEST_REASON]} ..."
            what = "cut off" if isinstance(error, EOFError) else "damaged"
            raise OSError(
                f"{printable(path)} cannot be read as {kind} ({reason}). It may be {what} "
                "or of another kind: fetch or write it again."
            ) from error


@contextmanager
def error_names_file(source):
    """Name the file, if the source is one, in an error about what it holds."""
    try:
        yield
    except ValueError as error:
        if not isinstance(source, str | bytes | os.PathLike):
            raise
        raise ValueError(f"{printable(source)} cannot be used. {error}") from error
