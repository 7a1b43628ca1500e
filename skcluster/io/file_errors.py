"""Context managers that name the file in errors about reading it or about its content."""

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

    Parsers raise errors of a dozen types for a broken file. Their warnings are ignored,
    because they concern parts of a file that are not read here.

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
    """Name the file, if the source is one, in an error about its content."""
    try:
        yield
    except ValueError as error:
        if not isinstance(source, str | bytes | os.PathLike):
            raise
        raise ValueError(f"{printable(source)} cannot be used. {error}") from error
