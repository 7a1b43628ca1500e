"""Describe a fitted model by strings and numbers, for the header of its file."""

import datetime
import math
import platform
from collections.abc import Mapping

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from ..estimator_parts import default_parameters, n_weights, parts
from ..sample.plain_arrays import refuse_masked
from ..versions import versions_of_models
from .file_header import FORMAT
from .known_types import LEFT_BEHIND, class_name, public_name
from .schema_writer import as_data

MAP_PARAMETERS = ("bands", "n_pixels", "half_width", "cosmology")
TARGET = "log10 M500c [Msun/h]"
MAX_CHARACTERS, MAX_ITEMS = 200, 100
"""Longest string and array of a parameter that are written in full."""


def describe_model(model, *, folds=None, notes=None):
    """Describe a fitted model: what its file's header says, without the hashes.

    Parameters
    ----------
    model : estimator
    folds, notes : as for `save_model`

    Returns
    -------
    header : dict
        Fields as in `read_header`, without ``sha256``.
    """
    if not isinstance(notes, str | None):
        raise TypeError(f"notes must be a string, got {type(notes).__name__}.")
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": FORMAT,
        "written": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "versions": {**versions_of_models(), "python": platform.python_version()},
        "notes": notes,
        "model": describe(model),
        **facts(model),
        "folds": checked_folds(folds),
    }


def describe(estimator):
    """Describe an estimator by its class and the parameters that are not defaults.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    description : dict
        ``class``, its full name, and ``parameters``; those that are estimators are
        described in turn. It holds lists, strings, numbers and None only, and no folders
        of the machine where the model was trained.

    Examples
    --------
    >>> from skcluster import PhotonMapper
    >>> describe(PhotonMapper(n_pixels=64))
    {'class': 'skcluster.PhotonMapper', 'parameters': {'n_pixels': 64}}
    """
    cls = type(estimator)
    defaults = {name: repr(value) for name, value in default_parameters(cls).items()}
    parameters = {
        name: plain(value)
        for name, value in estimator.get_params(deep=False).items()
        if defaults.get(name) != repr(value) and name not in LEFT_BEHIND
    }
    return {"class": class_name(estimator), "parameters": parameters}


def plain(value):
    """Convert a value to one that JSON can hold: its repr, if nothing else is possible.

    Examples
    --------
    >>> plain({"range": (0, float("inf")), "kind": slice(3)})
    {'range': [0, 'inf'], 'kind': 'slice(None, 3, None)'}
    """
    value = as_data(value)
    if isinstance(value, BaseEstimator):
        return describe(value)
    if isinstance(value, type):
        return public_name(value)
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if isinstance(value, np.floating):
        value = float(value)
    if isinstance(value, np.generic) or (
        isinstance(value, np.ndarray) and value.size <= MAX_ITEMS
    ):
        return plain(value.tolist())
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)[:MAX_CHARACTERS]


def facts(model):
    """Collect the facts for the header: target, maps, training ranges and weights.

    Parameters
    ----------
    model : estimator

    Returns
    -------
    facts : dict
        ``target``, the `MAP_PARAMETERS` of the steps, ``training_ranges`` and
        ``n_weights``; None where no step has such a parameter.
    """
    found, total = dict.fromkeys(MAP_PARAMETERS), 0
    ranges: dict[str, list] = {}
    for part, state in parts(model):
        for name in MAP_PARAMETERS:
            if found[name] is None:
                found[name] = plain(state.get(name))
        trained = getattr(part, "training_ranges_", None)
        ranges = {**(trained if isinstance(trained, dict) else {}), **ranges}
        total += n_weights(state)
    return {
        "target": TARGET if is_regressor(model) else None,
        **found,
        "training_ranges": plain(ranges) or None,
        "n_weights": total,
    }


def checked_folds(folds):
    """Check the labels of folds, and turn them into lists or dicts of integers.

    Parameters
    ----------
    folds : array-like of int of shape (n_clusters,), dict of str -> int or None

    Examples
    --------
    >>> import numpy as np
    >>> checked_folds(np.array([0, 1, 1]))
    [0, 1, 1]
    """
    if folds is None:
        return None
    is_mapping = isinstance(folds, Mapping)
    folds_of_all = [*folds.values()] if is_mapping else folds
    refuse_masked(folds_of_all, "folds")
    labels = np.asarray(folds_of_all)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            "folds must be one integer label per training cluster, or a dict of cluster "
            f"name -> label, got labels of shape {labels.shape} and type {labels.dtype}."
        )
    if is_mapping:
        return dict(zip(map(str, folds), labels.tolist(), strict=True))
    return labels.tolist()
