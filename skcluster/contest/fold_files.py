"""Files with the predictions of one estimator for the clusters of one fold."""

import re

import numpy as np
from sklearn.utils import Bunch

from ..datasets import make_mock_survey
from ..io.kept_arrays import kept_file, read_kept, write_kept
from .entries import parameter_names
from .fingerprints import (
    CHANGES_NO_RESULT,
    MOCK_SURVEY,
    agree,
    defaults_of,
    defaults_within,
    described,
)

FORMAT = 1
COLUMNS = {
    "cluster": np.int32,
    "log_mass": np.float32,
    "predicted": np.float32,
    "std": np.float32,
    "redshift": np.float32,
    "group": np.int32,
}
"""Columns of a file and their types; ``std`` and ``group`` may be absent."""


def describe_entry(configuration, entry, seed, fold):
    """Describe one fold of an entry by what the configuration says of it.

    Tables take the predictions of such an entry, whatever parameters its estimator has
    besides: a table stays when a new parameter joins them.

    Parameters
    ----------
    configuration : Configuration
    entry : Entry
    seed : int
    fold : int

    Returns
    -------
    description : dict
    """
    estimator = {
        "make": described(entry.make)["name"],
        "arguments": entry.arguments,
        "shared": configuration.shared,
    }
    return _described(configuration, entry, seed, fold, described(estimator))


def describe_fold(configuration, entry, seed, fold):
    """Describe all that sets the predictions of one fold: also every parameter.

    An estimator is trained again if this has changed.

    Parameters
    ----------
    configuration : Configuration
    entry : Entry
    seed : int
    fold : int

    Returns
    -------
    description : dict
    """
    estimator = described(entry.build(configuration.shared, seed))
    return _described(configuration, entry, seed, fold, estimator)


def _described(configuration, entry, seed, fold, estimator):
    uses_maps = entry.bands or entry.columns or entry.photon_features
    box_size = configuration.box_size
    box = {} if box_size is None else {"box_size": box_size}
    return box | {
        "format": FORMAT,
        "survey": described(configuration.survey),
        "seed": seed,
        "n_folds": configuration.n_folds,
        "fold": fold,
        "columns": described(entry.columns),
        "bands": described(entry.bands),
        "photon_features": entry.photon_features,
        "maps": described(configuration.maps) if uses_maps else {},
        "estimator": estimator,
    }


class SameFold:
    """Comparison of descriptions of an entry's folds, whatever version wrote them.

    Parameters
    ----------
    estimator : estimator
        As the entry builds it.
    """

    def __init__(self, estimator):
        survey = defaults_of(make_mock_survey)
        self.defaults = defaults_within(estimator) | {MOCK_SURVEY: survey}
        self.parameters = parameter_names(estimator)

    def __call__(self, one, other):
        """Return whether two descriptions of `describe_fold` or `describe_entry` agree."""
        one, other = self._comparable(one), self._comparable(other)
        return agree(one, other, self.defaults)

    def _comparable(self, description):
        """Describe the survey like an estimator, and leave out what it does not take."""
        survey = {"class": MOCK_SURVEY, "parameters": description["survey"]}
        estimator = description["estimator"]
        if "shared" in estimator:
            given, shared = estimator["arguments"], estimator["shared"]
            taken = self.parameters.difference(CHANGES_NO_RESULT, given)
            arguments = {k: given[k] for k in given.keys() - {*CHANGES_NO_RESULT}}
            shared = {k: shared[k] for k in shared.keys() & taken}
            estimator = estimator | {"arguments": arguments, "shared": shared}
        return description | {"survey": survey, "estimator": estimator}


def fold_path(configuration, entry, description):
    """Return the path of the file that a description of `describe_fold` belongs to.

    Parameters
    ----------
    configuration : Configuration
    entry : Entry
    description : dict
    """
    stem = f"seed{description['seed']}-fold{description['fold']}"
    return kept_file(folder_of(configuration, entry), stem, description)


def folder_of(configuration, entry):
    """Return the folder of all predictions of an entry."""
    name = re.sub(r"[^a-z0-9]+", "-", entry.name.lower()).strip("-") or "estimator"
    return configuration.output / "predictions" / name


def read_folds(configuration, entry, seed, fold="*"):
    """Read all files of one fold of an entry, or of all of its folds.

    Parameters
    ----------
    configuration : Configuration
    entry : Entry
    seed : int
    fold : int or "*", default="*"

    Returns
    -------
    folds : list of Bunch
        As `read_fold` returns them.
    problems : list of str
        Why other files cannot be used.
    """
    paths = folder_of(configuration, entry).glob(f"seed{seed}-fold{fold}-*.npz")
    folds, problems = [], []
    for path in sorted(paths):
        found, problem = read_fold(path)
        if found is None:
            problems.append(problem)
        else:
            folds.append(found)
    return folds, problems


def data_of(about):
    """Return what identifies the clusters and columns that a fold has learned from.

    Parameters
    ----------
    about : dict
        What the file of the fold says of it.

    Returns
    -------
    sample, columns : str or None
        Hashes; None for the columns of a mock survey, which follow from its sample.
    """
    return about["data"], about.get("columns")


def write_fold(path, columns, about):
    """Write the predictions of a fold, atomically.

    Parameters
    ----------
    path : Path
    columns : dict of str to ndarray or None
        See `COLUMNS`.
    about : dict
        What JSON can hold: the description, the cost and the versions.
    """
    arrays = {
        name: np.asarray(column, COLUMNS[name])
        for name, column in columns.items()
        if column is not None
    }
    write_kept(path, arrays, about)


def read_fold(path):
    """Read the predictions of a fold.

    Parameters
    ----------
    path : Path

    Returns
    -------
    fold : Bunch or None
        Columns and ``about``; None if there is no file, or none that can be used.
    problem : str
        Why the file cannot be used; empty if it can, or if there is none.

    Examples
    --------
    >>> from pathlib import Path
    >>> read_fold(Path("nowhere.npz"))
    (None, '')
    """
    arrays, about, problem = read_kept(
        path, about=("entry", "description", "data"), columns=("cluster", "predicted")
    )
    if arrays is None:
        return None, problem
    return Bunch(**{name: arrays.get(name) for name in COLUMNS}, about=about), ""
