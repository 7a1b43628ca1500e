"""Results for some clusters, in memory and in files that outlast a kill."""

import contextlib
import json
from dataclasses import dataclass, field

import numpy as np

from ..io.atomic import replace_file
from ..io.kept_arrays import DIGITS, fingerprint_of, kept_file, read_kept, write_kept
from ..progress import say


@dataclass
class Outcome:
    """Results for some clusters.

    Attributes
    ----------
    columns : dict of ndarray of shape (n_clusters, ...)
    unread, failed : dict of int to str
        Why a cluster has no mass: its list cannot be read, or there was another error.
        Keys are numbers of rows among all clusters.
    warnings : list of str
    """

    columns: dict
    unread: dict = field(default_factory=dict)
    failed: dict = field(default_factory=dict)
    warnings: list = field(default_factory=list)

    @classmethod
    def joined(cls, outcomes):
        """Join outcomes in their order; what one of them lacks is NaN or empty."""
        outcomes = list(outcomes)
        wanted = {
            name: column
            for each in outcomes
            for name, column in each.columns.items()
            if len(column)
        }
        columns = {
            name: np.concatenate(
                [
                    each.columns.get(name, _nothing(like, len(each.columns["name"])))
                    for each in outcomes
                ]
            )
            for name, like in wanted.items()
        }
        all_of_them = cls(columns)
        for each in outcomes:
            all_of_them.unread |= each.unread
            all_of_them.failed |= each.failed
            all_of_them.warnings += each.warnings
        return all_of_them


def _nothing(like, n_clusters):
    empty = np.nan if like.dtype.kind == "f" else np.zeros(1, like.dtype)[0]
    return np.full((n_clusters, *like.shape[1:]), empty, like.dtype)


class KeptParts:
    """Files with the outcomes of finished parts, in a folder of their own.

    Parameters
    ----------
    folder : Path or None
        None keeps nothing.
    description : dict
        What sets the outcome, besides the content of lists: files of another description
        are removed.
    """

    def __init__(self, folder, description):
        self.folder = folder
        self.run = fingerprint_of(description) if folder else ""
        self.description = description

    @property
    def _marker(self):
        return self.folder / f"run-{self.run[:DIGITS]}.json"

    @property
    def has_begun(self):
        """Whether the same run has begun before."""
        return self.folder is not None and self._marker.exists()

    def begin(self):
        """Mark the folder as that of this run, and remove what is left of others."""
        if self.folder is None or self.has_begun:
            return
        self.remove()
        self.folder.mkdir(parents=True, exist_ok=True)
        about = {name: self.description[name] for name in ("command", "model", "rows")}
        replace_file(self._marker, f"{json.dumps(about)}\n".encode())

    def path(self, part):
        """Return the path of the file of a part; the lists' sizes and dates matter."""
        if self.folder is None:
            return None
        rows = [part.rows.start, part.rows.stop]
        description = {"run": self.run, "rows": rows, "lists": part.states()}
        return kept_file(self.folder, f"rows-{rows[0]:07d}", description)

    def read(self, path):
        """Return the outcome that a file keeps, or None."""
        if path is None:
            return None
        columns, about, problem = read_kept(
            path, about=("unread", "failed", "warnings"), columns=["name"]
        )
        if problem:
            text = f"skcluster: warning: {problem} Its clusters are done again."
            say(text, is_problem=True)
        if columns is None:
            return None
        for kind in ("unread", "failed"):
            about[kind] = {int(row): line for row, line in about[kind].items()}
        return Outcome(columns, **about)

    def write(self, path, outcome):
        """Keep the outcome of a part."""
        if path is not None:
            about = {
                name: getattr(outcome, name)
                for name in ("unread", "failed", "warnings")
            }
            write_kept(path, outcome.columns, about)

    def remove(self):
        """Remove the files of all runs, and the folder if nothing else is in it."""
        if self.folder is None or not self.folder.is_dir():
            return
        for pattern in ("run-*.json", "rows-*.npz", "rows-*.npz.*.part"):
            for path in self.folder.glob(pattern):
                path.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.folder.rmdir()
