"""Name the file, or the row of a table, in errors about reading it or about its content."""

import warnings
from contextlib import contextmanager

import numpy as np

from ..printable import printable
from ..sample.plain_arrays import is_path

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
        if not is_path(source):
            raise
        raise ValueError(f"{printable(source)} cannot be used. {error}") from error


class UnreadableRows:
    """Errors about lists of a table's rows: raised at once, or collected and reported.

    Parameters
    ----------
    field : {"photons", "galaxies"}
    catalog : dict of ndarray
        Columns of these rows by our names.
    rows : ndarray of shape (n_clusters,)
        Numbers of the rows in the table, for messages.
    on_unreadable : callable or None
        As in `read_sample`.

    Attributes
    ----------
    errors : dict of int to Exception
    """

    def __init__(self, field, catalog, rows, on_unreadable):
        self.field, self.rows, self.on_unreadable = field, rows, on_unreadable
        self.names = catalog.get("name")
        self.errors = {}

    def name(self, i):
        """Return the number in the table and the name of a row, for messages."""
        name = "without a name" if self.names is None else printable(self.names[i])
        return f"row {self.rows[i]} (cluster {name})"

    def add(self, i, path, error):
        """Raise the error with row, cluster and path in it, or collect it."""
        kinds = (FileNotFoundError, OSError, ValueError)
        kind = next(kind for kind in kinds if isinstance(error, kind))
        named = kind(
            f"The {self.field} of {self.name(i)} cannot be read from "
            f"{printable(path)}. {error}"
        )
        if self.on_unreadable is None:
            raise named from error
        self.errors.setdefault(i, named)

    def report(self, n_read):
        """Report the errors; raise the first if nothing was read."""
        errors = dict(sorted(self.errors.items()))
        if errors and not n_read:
            raise next(iter(errors.values()))
        for i, error in errors.items():
            self.on_unreadable(i, error)
