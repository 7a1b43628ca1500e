"""Check that masses are log10 M500c [Msun/h], and name the unit of those that are not.

Every estimator, metric and command that takes masses uses these checks. The plausible
range and the units to recognize are those of "log_mass" in `skcluster.sample.units`.
"""

from collections.abc import Callable

import numpy as np
from sklearn.utils import column_or_1d

from .parameters import Kind
from .parameters.kinds import REFUSED
from .printable import counted
from .sample.units import PLACEHOLDERS, TABLE, in_our_unit, looks_like

MASS_RANGE = (TABLE["log_mass"].low, TABLE["log_mass"].high)
"""Lowest and highest log10 M500c [Msun/h] of anything from a galaxy to a supercluster."""
LN_10 = np.log(10)
ELSEWHERE = " If they are meant to be elsewhere, give mass_range=None."
FAR, NEAR = 3.0, 0.5
"""Differences [dex]: above the first, masses are in two units; below the second, in
one."""
CORRELATED, WIDER = 0.3, 4.0
"""Least correlation, and greatest ratio of spreads, of the same masses once converted."""
CONVERSIONS: dict[str, Callable] = {
    "masses in Msun": np.log10,
    "ln of masses": lambda values: values / LN_10,
    "masses in 1e14 Msun": lambda values: np.log10(values) + 14,
    "masses in 1e13 Msun": lambda values: np.log10(values) + 13,
    "log10 of masses over 1e14 Msun": lambda values: values + 14,
    "ln of masses over 1e14 Msun": lambda values: values / LN_10 + 14,
}


class MassRange(Kind):
    """Kind of the parameter `mass_range`: lowest and highest log10 mass of a target."""

    says = "the lowest and the highest log10 mass, such as (10.0, 17.0)"

    def read(self, value):
        try:
            low, high = (float(edge) for edge in value)
        except (TypeError, ValueError):
            return REFUSED
        return (low, high) if low < high else REFUSED


MASS_RANGE_KIND = MassRange() | None


def checked_log_mass(y, *, by, name="y", mass_range=MASS_RANGE, has_parameter=True):
    """Return log10 masses as an array of floats, or refuse those in another unit.

    Parameters
    ----------
    y : array-like
        log10 M500c [Msun/h]. NaN and infinite numbers pass; they are left to the caller.
    by : str
        Name of the caller, for the message.
    name : str, default="y"
        Name of the masses in the message.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest plausible value. None: anything.
    has_parameter : bool, default=True
        Whether the caller has a parameter ``mass_range``, which the message then
        suggests.

    Returns
    -------
    y : ndarray of float

    Examples
    --------
    >>> checked_log_mass([14.2, 13.9], by="EvrardProxyRegressor")
    array([14.2, 13.9])
    >>> checked_log_mass([2e14, 1e14], by="EvrardProxyRegressor")
    Traceback (most recent call last):
    ...
    ValueError: y must be log10 of the mass in Msun/h, but 2 of 2 values given to
    EvrardProxyRegressor are outside of 10 to 17 (first: cluster 0, 2e+14): they look like
    masses in Msun. Give np.log10(mass) with mass in Msun/h. If they are meant to be
    elsewhere, give mass_range=None.
    """
    y = _as_numbers(y, f"{name} of {by}")
    if mass_range is None or not y.size:
        return y
    low, high = MASS_RANGE_KIND.check("mass_range", mass_range)
    outside = np.isfinite(y) & ~((low <= y) & (y <= high))
    if outside.any():
        message = _refusal(y, outside, name, by, (low, high))
        raise ValueError(message + (ELSEWHERE if has_parameter else ""))
    return y


def log_mass_column(y, n_clusters=None, *, by, name="y", **options):
    """Return log10 masses as a 1-d array of floats, one per cluster, or refuse them.

    Parameters
    ----------
    y : array-like of shape (n_clusters,)
        log10 M500c [Msun/h]. A column of shape (n_clusters, 1) comes with a warning.
    n_clusters : int, default=None
        Number of clusters of X. None leaves it to the caller to compare it.
    by, name, **options
        As in `checked_log_mass`.

    Returns
    -------
    y : ndarray of float of shape (n_clusters,)

    Examples
    --------
    >>> log_mass_column([14.2, 13.9], 3, by="EvrardProxyRegressor")
    Traceback (most recent call last):
    ...
    ValueError: X holds 3 clusters, but y holds 2 masses.
    """
    y = column_or_1d(checked_log_mass(y, by=by, name=name, **options), warn=True)
    if n_clusters is not None and len(y) != n_clusters:
        raise ValueError(
            f"X holds {counted(n_clusters, 'cluster')}, but {name} holds "
            f"{counted(len(y), 'mass', 'masses')}."
        )
    return y


def check_evident_unit(y_true, *, by, mass_range=MASS_RANGE):
    """Refuse true masses that evidently are not log10 of Msun/h, but let residuals pass.

    Like `checked_log_mass`, but for numbers that may also lie about zero. If most are
    in or above `mass_range`, or all are positive, they must all be in `mass_range`.

    Examples
    --------
    >>> check_evident_unit([-0.1, 0.2], by="mass_scatter")
    >>> check_evident_unit([32.2, 33.1], by="mass_scatter")
    Traceback (most recent call last):
    ...
    ValueError: y_true must be log10 of the mass in Msun/h, but 2 of 2 values given to
    mass_scatter are outside of 10 to 17 (first: cluster 0, 32.2): they look like ln of
    masses. Divide them by ln 10 = 2.302585. If they are meant to be elsewhere, give
    mass_range=None.
    """
    if mass_range is None:
        return
    y_true = _as_numbers(y_true, f"y_true of {by}")
    measured = y_true[np.isfinite(y_true) & ~_is_placeholder(y_true)]
    if not measured.size:
        return
    if np.median(measured) >= mass_range[0] or measured.min() > 0:
        checked_log_mass(y_true, by=by, name="y_true", mass_range=mass_range)


def check_same_unit(**columns):
    """Refuse two columns of masses if one of them evidently is in another unit.

    This is so if they differ by more than 3 dex for most clusters, but after conversion
    of one of them to log10 of Msun by less than 0.5 dex, and are then correlated.

    Parameters
    ----------
    **columns : two ndarrays of shape (n_clusters,)
        By their names in the message.

    Examples
    --------
    >>> import numpy as np
    >>> check_same_unit(y_true=np.array([14.0, 14.5]), y_pred=np.array([13.7, 14.4]))
    >>> check_same_unit(y_true=np.array([14.0, 14.5]), y_pred=np.array([9e13, 3e14]))
    Traceback (most recent call last):
    ...
    ValueError: y_true and y_pred differ by 1.95e+14 dex (median of 2 clusters), but y_pred
    looks like masses in Msun. Give log10 of Msun/h for both.
    """
    (first, a), (second, b) = columns.items()
    off = _median_distance(a, b)
    if not off > FAR:
        return
    for name, values, other in ((second, b, a), (first, a, b)):
        for unit, convert in CONVERSIONS.items():
            with np.errstate(invalid="ignore", divide="ignore"):
                converted = convert(values)
            if _are_close(converted, other):
                raise ValueError(
                    f"{first} and {second} differ by {off:.4g} dex (median of {len(a)} "
                    f"clusters), but {name} looks like {unit}. Give log10 of Msun/h for "
                    "both."
                )


def _as_numbers(values, subject):
    if np.ma.is_masked(values):
        is_gap = np.ma.getmaskarray(values)
        raise ValueError(
            f"{subject} has no value for {is_gap.sum()} of {is_gap.size} clusters (first: "
            f"cluster {np.argmax(is_gap)}). Drop these clusters."
        )
    values = np.asarray(in_our_unit("log_mass", values, subject))
    if values.dtype.kind in "biuf":
        return values.astype(float)
    if values.dtype.kind == "c":
        raise ValueError(f"Complex data not supported: {subject} must be real numbers.")
    try:
        return values.astype(float)
    except (TypeError, ValueError):
        pass
    flat = values.ravel()
    wrong = [i for i, value in enumerate(flat) if not _is_number(value)]
    first = "" if not wrong else f" (first: cluster {wrong[0]}, {flat[wrong[0]]!r:.60})"
    raise ValueError(
        f"{subject} must be numbers, log10 of the mass in Msun/h, but {len(wrong)} of "
        f"{flat.size} are not{first}."
    )


def _is_number(value):
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return True


def _is_placeholder(values):
    """Mask of the values that are placeholders, such as -99 and 0 among masses."""
    return np.isin(values, PLACEHOLDERS) & (np.abs(values) > FAR)


def _refusal(y, outside, name, by, mass_range):
    low, high = mass_range
    missing = outside & np.isin(y, PLACEHOLDERS)
    if 2 * missing.sum() > outside.sum():
        first = np.flatnonzero(missing.ravel())[0]
        return (
            f"{missing.sum()} of {y.size} values of {name}, given to {by}, are "
            f"placeholders such as {y.ravel()[first]:g}, which stand for no mass (first: "
            f"cluster {first}). Drop these clusters."
        )
    wrong = outside & ~missing
    first = np.flatnonzero(wrong.ravel())[0]
    known = looks_like("log_mass", y[wrong])
    look = f": they look like {known.unit}. {known.cure}" if known else "."
    look = look.replace("log10 of Msun/h", "np.log10(mass) with mass in Msun/h")
    besides = (
        f" {missing.sum()} more are placeholders such as {y[missing][0]:g}."
        if missing.any()
        else ""
    )
    return (
        f"{name} must be log10 of the mass in Msun/h, but {wrong.sum()} of {y.size} values "
        f"given to {by} are outside of {low:g} to {high:g} (first: cluster {first}, "
        f"{y.ravel()[first]:.4g}){look}{besides}"
    )


def _are_close(a, b):
    if not (np.isfinite(a).all() and _median_distance(a, b) < NEAR):
        return False
    if len(a) < 3:
        return True
    width, other = np.std(a), np.std(b)
    is_as_wide = 0 < width < WIDER * other and 0 < other < WIDER * width
    return is_as_wide and np.corrcoef(a, b)[0, 1] > CORRELATED


def _median_distance(a, b):
    """Median absolute difference; infinite if most differences are not numbers."""
    difference = np.abs(a - b)
    return np.median(np.where(np.isnan(difference), np.inf, difference))
