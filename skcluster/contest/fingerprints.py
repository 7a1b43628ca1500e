"""Describe what sets the predictions of a fold by what JSON can hold."""

import hashlib
import inspect
import math

import joblib
import numpy as np
from sklearn.base import BaseEstimator

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
    if callable(value) and hasattr(value, "__qualname__"):
        return {"name": _name_of(value), "source": _source_of(value)}
    return {"hash": joblib.hash(value)}


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
