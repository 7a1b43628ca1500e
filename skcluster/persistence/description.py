"""What a model is, in plain words and numbers: for the header of its file."""

import inspect
import math

import numpy as np
from sklearn.base import BaseEstimator, is_regressor

from ..estimator_parts import parts
from .known_types import public_name

MAP_PARAMETERS = ("bands", "n_pixels", "half_width", "cosmology")
TARGET = "log10 M500c [Msun/h]"
MAX_TEXT, MAX_ITEMS = 200, 100
"""Longest text and array of a parameter that is told whole."""


def default_parameters(cls):
    """Parameters of an estimator's constructor that have a default, with it."""
    return {
        name: parameter.default
        for name, parameter in inspect.signature(cls).parameters.items()
        if parameter.default is not inspect.Parameter.empty
    }


def describe(estimator):
    """Class of an estimator and the parameters that differ from their defaults.

    Parameters
    ----------
    estimator : estimator

    Returns
    -------
    description : dict
        ``class``, its full name, and ``parameters``; those that are estimators are
        described in turn. Of lists, texts, numbers and None only.

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
        if defaults.get(name) != repr(value)
    }
    return {"class": public_name(cls), "parameters": parameters}


def plain(value):
    """A value as JSON can hold it; what it cannot is told by its repr.

    Examples
    --------
    >>> plain({"range": (0, float("inf")), "kind": slice(3)})
    {'range': [0, 'inf'], 'kind': 'slice(None, 3, None)'}
    """
    if isinstance(value, BaseEstimator):
        return describe(value)
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
    return repr(value)[:MAX_TEXT]


def facts(model):
    """What the header tells of a model beside its description.

    Parameters
    ----------
    model : estimator

    Returns
    -------
    facts : dict
        ``target``, the `MAP_PARAMETERS` of the steps, ``training_ranges`` and
        ``n_weights``; None where the model says nothing of it.
    """
    found, ranges, n_weights = dict.fromkeys(MAP_PARAMETERS), {}, 0
    for part, state in parts(model):
        for name in MAP_PARAMETERS:
            if found[name] is None:
                found[name] = plain(state.get(name))
        trained = getattr(part, "training_ranges_", None)
        ranges = {**(trained if isinstance(trained, dict) else {}), **ranges}
        for member in state.get("weights_", []):
            n_weights += sum(weight.size for weight in member.values())
    return {
        "target": TARGET if is_regressor(model) else None,
        **found,
        "training_ranges": plain(ranges) or None,
        "n_weights": n_weights,
    }
