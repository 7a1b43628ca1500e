"""Work of a process with a stored model, one part of the clusters at a time."""

import functools
import hashlib
from pathlib import Path

from .. import __version__
from .new_clusters import load_photon_model

CHANGES_NO_RESULT = (
    "dask",
    "json",
    "jobs",
    "model",
    "overwrite",
    "photons",
    "run",
    "timeout",
    "traceback",
)
"""Options without influence on what is found; a model and tables count by their content."""


class ModelWork:
    """Work with a stored model, which each process loads once.

    Parameters
    ----------
    arguments : Namespace
        Result of a parser with `add_cluster_options` and `add_part_options`.
    """

    command: str

    def __init__(self, arguments):
        self.arguments, self.path = arguments, arguments.model
        self.digest = _digest(self.path)

    def load(self):
        """Return the model, from memory if this process has it."""
        return _loaded(self.path, self.digest)

    def is_done(self, outcome):
        """Return whether an outcome that was kept can be used."""
        return True

    def description(self, catalog, rows):
        """Describe what sets the results for some rows of a catalog, for a fingerprint."""
        return {
            "version": __version__,
            "model": self.digest,
            "catalog": catalog.description(),
            "rows": [rows.start, rows.stop],
            "options": {
                name: value
                for name, value in sorted(vars(self.arguments).items())
                if name not in CHANGES_NO_RESULT
            },
            "command": self.command,
        }


def _digest(path):
    """Return the hash of a model; None if it is not a file, which `_loaded` explains."""
    try:
        return hashlib.sha256(Path(path).read_bytes()).hexdigest()
    except (OSError, ValueError):
        return None


@functools.lru_cache(maxsize=1)
def _loaded(path, digest):
    model = load_photon_model(path)
    if _digest(path) != digest:
        raise OSError(
            f"{path} has been replaced since the command began. Run it again."
        )
    return model
