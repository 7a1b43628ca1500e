"""Observables of power laws are natural logarithms: plain numbers, without gaps."""

import numpy as np
from sklearn.utils.validation import validate_data

from ..cluster_weights import checked_weights
from ..plausible_masses import checked_log_mass
from ..sample.plain_arrays import refuse_masked


def validated(estimator, X, y, sample_weight, mass_range, *, min_samples, min_features):
    """Check what a regressor is fitted to, and return it as arrays.

    Parameters
    ----------
    estimator : estimator
    X, y, sample_weight
        As its ``fit`` takes them.
    mass_range : tuple of 2 float or None
        As in `checked_log_mass`.
    min_samples, min_features : int

    Returns
    -------
    X : ndarray of shape (n_clusters, n_features)
    y : ndarray of shape (n_clusters,)
    weight : ndarray of shape (n_clusters,) or None
    """
    by = type(estimator).__name__
    check_logarithms(X)
    if y is not None:
        y = checked_log_mass(y, by=by, mass_range=mass_range)
    X, y = validate_data(
        estimator,
        X,
        y,
        dtype=np.float64,
        y_numeric=True,
        ensure_min_samples=min_samples,
        ensure_min_features=min_features,
    )
    return X, y, checked_weights(sample_weight, len(y), by=by)


def check_logarithms(X):
    """Refuse an X with gaps or a unit, which scikit-learn would drop without a word.

    Examples
    --------
    >>> from astropy import units
    >>> check_logarithms([[5.0], [7.0]] * units.keV)
    Traceback (most recent call last):
    ...
    ValueError: X has the unit 'keV', but must be the natural logarithm of plain numbers in
    the unit of the calibration. Give np.log of these.
    """
    refuse_masked(X, "X")
    refuse_unit(X, "X")


def refuse_unit(values, name):
    """Refuse logarithms that still have a unit."""
    unit = str(getattr(values, "unit", None) or "").strip()
    if unit:
        raise ValueError(
            f"{name} has the unit {unit!r}, but must be the natural logarithm of plain "
            "numbers in the unit of the calibration. Give np.log of these."
        )
