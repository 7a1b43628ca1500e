"""Declare which values each parameter allows, and check them with clear errors.

An estimator says in ``_parameter_kinds`` what each parameter of its constructor may be.
`check_parameters` refuses anything else by name, and returns the values as plain Python
objects, so that no computation meets a ``np.uint16`` that overflows::

    class PhotonMapper(SampleTransformer):
        _parameter_kinds = {"n_pixels": Integer(1), "half_width": Positive(), ...}

        def fit(self, X, y=None):
            parameters = check_parameters(self)
            size = parameters.n_pixels**2

A function checks one parameter at a time: ``n_bins = Integer(1).check("n_bins", n_bins)``.
"""

from types import SimpleNamespace

from .kinds import (
    NONE,
    REFUSED,
    Anything,
    Boolean,
    Choice,
    Edges,
    Either,
    Exactly,
    Integer,
    Interval,
    Kind,
    Names,
    NJobs,
    NonNegative,
    Number,
    PathLike,
    Positive,
    RandomState,
    ReadBy,
    Text,
    WithMethods,
)
from .quantities import EnergyBand, EnergyBands, Quantity

__all__ = [
    "NONE",
    "REFUSED",
    "Anything",
    "Boolean",
    "Choice",
    "Edges",
    "Either",
    "EnergyBand",
    "EnergyBands",
    "Exactly",
    "Integer",
    "Interval",
    "Kind",
    "NJobs",
    "Names",
    "NonNegative",
    "Number",
    "PathLike",
    "Positive",
    "Quantity",
    "RandomState",
    "ReadBy",
    "Text",
    "WithMethods",
    "check_parameters",
]


def check_parameters(estimator):
    """Return an estimator's parameters as plain values, or refuse the first wrong one.

    Parameters
    ----------
    estimator : estimator
        Declares a kind for each of its parameters in ``_parameter_kinds``.

    Returns
    -------
    parameters : types.SimpleNamespace
        NumPy's integers, numbers and booleans have become those of Python; other objects
        are the same. The estimator itself is unchanged.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import PhotonMapper
    >>> check_parameters(PhotonMapper(n_pixels=np.uint8(64))).n_pixels
    64
    >>> check_parameters(PhotonMapper(n_pixels=6.4))
    Traceback (most recent call last):
    ...
    ValueError: n_pixels must be a positive int, got 6.4.
    """
    kinds = type(estimator)._parameter_kinds
    return SimpleNamespace(
        **{
            name: kind.check(name, getattr(estimator, name))
            for name, kind in kinds.items()
        }
    )
