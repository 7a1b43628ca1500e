"""Output of the command: results on standard output, messages on standard error."""

import contextlib
import json
import os
import sys

import numpy as np

from ..printable import printable
from ..progress import say


class ReaderGone(Exception):
    """Error when the reader of standard output has closed it, as with ``| head``."""


def emit(text):
    """Write a line, or several, to standard output.

    Letters that its encoding lacks are written as escapes, so that no name is an error.

    Parameters
    ----------
    text : str

    Raises
    ------
    ReaderGone
        The other end of a pipe was closed.
    OSError
        Standard output is closed or cannot be written.
    """
    if sys.stdout is None:
        raise OSError("Standard output is closed, so the result cannot be printed.")
    encoding = getattr(sys.stdout, "encoding", None) or "utf-8"
    try:
        sys.stdout.write(text.encode(encoding, "backslashreplace").decode(encoding))
        sys.stdout.write("\n")
        sys.stdout.flush()
    except BrokenPipeError:
        _silence_output()
        raise ReaderGone from None
    except OSError as error:
        _silence_output()
        raise OSError(
            f"Standard output cannot be written ({error.strerror})."
        ) from error


def _silence_output():
    """Redirect standard output, so that the flush at Python's exit raises no error."""
    with contextlib.suppress(OSError, ValueError, AttributeError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.close(nowhere)


def emit_path(path):
    """Write a path to standard output, without control characters if it is a terminal."""
    emit(printable(path) if sys.stdout.isatty() else str(path))


def one_line(text):
    """Spell a message on one line, without characters that a terminal would execute.

    Examples
    --------
    >>> print(one_line("A warning\\n  about \\x1b[2JA1795"))
    A warning about \\x1b[2JA1795
    """
    lines = (line.strip() for line in str(text).splitlines())
    return printable(" ".join(line for line in lines if line))


class WarningsOnce:
    """Show each warning once, on one line, without its place in the code.

    It replaces `warnings.showwarning`.
    """

    def __init__(self):
        self.shown = set()

    def __call__(self, message, *args, **kwargs):
        line = one_line(message)
        if line not in self.shown:
            self.shown.add(line)
            say(f"skcluster: warning: {line}", is_problem=True)


def require_matplotlib(by):
    """Make matplotlib draw into files, or say how to install it."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            f"{by} draws with matplotlib, which is not installed: "
            'pip install "skcluster[plot]".'
        ) from error
    matplotlib.use("Agg")


def print_table(table, *, as_json):
    """Print a table for people, or as JSON: a list with one object per row."""
    if as_json:
        rows = [
            {name: _plain(row[name]) for name in table.colnames}
            for row in table.filled()
        ]
        emit(json.dumps(rows, indent=1))
        return
    shown = table.copy()
    for name in shown.colnames:
        if shown[name].dtype.kind in "UO":
            shown[name] = np.array([*map(printable, shown[name])], dtype=str)
    emit("\n".join(shown.pformat(max_lines=-1, max_width=-1)))


def print_record(record):
    """Print names and values as a JSON object."""
    emit(json.dumps({name: _plain(value) for name, value in record.items()}, indent=1))


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
