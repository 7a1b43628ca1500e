"""Describe what sets the predictions of a fold by what JSON can hold, and compare it.

Versions of the package differ in their parameters. A description that lacks one is
compared as if it had the value with which nothing changes: so neither a parameter that
joins nor one that is deleted trains anything again, but every other value does.
"""

import hashlib
import inspect
import math

import joblib
import numpy as np
from sklearn.base import BaseEstimator

from ..estimator_parts import default_parameters, parts

CHANGES_NO_RESULT = (
    "checkpoint_dir",
    "device",
    "keep_memory",
    "memory",
    "n_jobs",
    "n_threads",
    "verbose",
)
"""Parameters that are left out: they change predictions at most by rounding."""
MOCK_SURVEY = "skcluster.make_mock_survey"
VALUES_WHERE_ABSENT = {"skcluster.PhotonSetRegressor": {"origin_weight": 0.0}}
"""Class or function -> values that parameters stand for in versions without them.

Other parameters then stand for their defaults. Add an entry for each parameter that is
deleted, or whose default does not leave everything as it was before there was one.
"""
LONGEST = 100
"""Arrays with more numbers are described by a hash."""
ROUNDING = 1e-12
"""Relative difference of numbers that agree: processors round powers differently."""
OURS = ("builtins", "numpy", "sklearn", "skcluster")
"""Packages whose classes are known by their names; those of others also by their source."""


def described(value):
    """Describe an estimator, or a value of a parameter, by what JSON can hold.

    All parameters are described, not only those that differ from their defaults: if a
    default changes, so does the description. Classes and functions of other packages
    than scikit-learn and ours are described by their source, too.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> described(Ridge(alpha=2))["parameters"]["alpha"]
    2
    >>> described({"bands": ((0.5, 2.0),), "lr": np.float64(0.1), "seed": None})
    {'bands': [[0.5, 2.0]], 'lr': 0.1, 'seed': None}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, list | tuple):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {str(key): described(item) for key, item in value.items()}
    if isinstance(value, BaseEstimator):
        return _described_estimator(value)
    if isinstance(value, np.ndarray) and value.ndim == 1 and value.size <= LONGEST:
        return described(value.tolist())
    if callable(value) and hasattr(value, "__qualname__"):
        return {"name": _name_of(value), "source": _source_of(value)}
    return {"hash": joblib.hash(value)}


def defaults_within(value):
    """Return the defaults of all parameters of an estimator and of the steps in it.

    Parameters
    ----------
    value : estimator, or value of a parameter

    Returns
    -------
    defaults : dict of str to dict
        By the name of the class, the described default of each parameter that has one.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> found = defaults_within([("ridge", Ridge(alpha=2))])
    >>> found["sklearn.linear_model._ridge.Ridge"]["alpha"]
    1.0
    """
    return {_name_of(type(part)): defaults_of(type(part)) for part, _ in parts(value)}


def defaults_of(function):
    """Return the described default of each parameter of a class or function.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> defaults_of(Ridge)["fit_intercept"]
    True
    """
    return {
        name: described(default)
        for name, default in default_parameters(function).items()
        if name not in CHANGES_NO_RESULT
    }


def agree(one, other, defaults):
    """Return whether two descriptions set the same predictions.

    Parameters
    ----------
    one, other : dict, list or number
        As `described` returns them.
    defaults : dict of str to dict
        As `defaults_within` returns it.

    Examples
    --------
    >>> from sklearn.linear_model import Ridge
    >>> today, defaults = described(Ridge()), defaults_within(Ridge())
    >>> before = today | {"parameters": dict(today["parameters"])}
    >>> del before["parameters"]["positive"]
    >>> agree(before, today, defaults)
    True
    >>> agree(before, described(Ridge(positive=True)), defaults)
    False
    """
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(
            agree(*pair, defaults) for pair in zip(one, other, strict=True)
        )
    if isinstance(one, float) and isinstance(other, float):
        return math.isclose(one, other, rel_tol=ROUNDING)
    if not (isinstance(one, dict) and isinstance(other, dict)):
        return one == other
    one, other = (_filled(each, defaults) for each in (one, other))
    return one.keys() == other.keys() and all(
        agree(one[name], other[name], defaults) for name in one
    )


def _filled(description, defaults):
    """Fill in the parameters that a description of another version does not have."""
    if not {"class", "parameters"} <= {*description}:
        return description
    name, parameters = description["class"], description["parameters"]
    absent = defaults.get(name, {}) | VALUES_WHERE_ABSENT.get(name, {})
    return description | {"parameters": absent | parameters}


def _described_estimator(estimator):
    parameters = {
        name: described(value)
        for name, value in sorted(estimator.get_params(deep=False).items())
        if name not in CHANGES_NO_RESULT
    }
    cls = type(estimator)
    sources = map(_source_of, cls.__mro__)
    return {
        "class": _name_of(cls),
        "parameters": parameters,
        "source": [source for source in sources if source is not None],
    }


def _name_of(value):
    # Our classes are known by the package that exports them, wherever they move in it.
    module = value.__module__
    if module.startswith("skcluster."):
        module = "skcluster"
    return f"{module}.{value.__qualname__}"


def _source_of(value):
    """Return a hash of the source of a user's class or function, None for known ones."""
    if value.__module__.partition(".")[0] in OURS:
        return None
    try:
        source = inspect.getsource(value)
    except (OSError, TypeError):
        return None
    return hashlib.sha256(source.encode()).hexdigest()[:16]
