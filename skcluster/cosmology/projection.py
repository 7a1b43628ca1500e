"""The tangent plane of the sky about a cluster: x grows to the West, y to the North."""

import numpy as np

from ..sample.plain_arrays import refuse_masked
from ..sample.units import in_our_unit


def sky_to_plane(ra, dec, center_ra, center_dec, *, repeats=None):
    r"""Tangent-plane offsets of sky positions about a center.

    The gnomonic projection, with x to the West:

    .. math::

        x = -\frac{\cos\delta \sin\Delta\alpha}{w}, \quad
        y = \frac{\sin\delta \cos\delta_0
                  - \cos\delta \sin\delta_0 \cos\Delta\alpha}{w}, \quad
        w = \sin\delta \sin\delta_0 + \cos\delta \cos\delta_0 \cos\Delta\alpha

    Parameters
    ----------
    ra, dec : array-like
        [deg]
    center_ra, center_dec : array-like
        [deg], broadcast against `ra` and `dec`.
    repeats : ndarray of int of shape (n_clusters,), default=None
        With one center per cluster: the number of positions about each.

    Returns
    -------
    x, y : ndarray
        Offsets to the West and to the North [rad]. NaN for a position 90 degrees or
        more from the center, which has no image in the tangent plane.

    Examples
    --------
    >>> x, y = sky_to_plane(9.9, 45.0, 10.0, 45.0)
    >>> bool(x > 0), bool(abs(y) < 1e-5)
    (True, True)
    """
    ra, dec, center_ra, center_dec = map(_degrees, (ra, dec, center_ra, center_dec))
    center_dec = np.radians(center_dec)
    sin0, cos0 = np.sin(center_dec), np.cos(center_dec)
    if repeats is not None:
        center_ra, center_dec, sin0, cos0 = (
            np.repeat(value, repeats) for value in (center_ra, center_dec, sin0, cos0)
        )
    # The same formulas in the differences d - d0 and a - a0, which lose no digits and,
    # where all are small, need no sine. In place, because this is most of a map's time.
    sin, versine = _sin_versine(np.radians(np.asarray(dec, float)) - center_dec)
    sin_ra, versine_ra = _sin_versine(np.radians(np.asarray(ra, float) - center_ra))
    cos = 1 - versine
    cos_dec = cos0 * cos - sin0 * sin
    w = cos - cos_dec * cos0 * versine_ra
    # The cosine of 90 degrees is 6e-17 in floating point.
    if not np.min(w, initial=1) > 1e-15:
        w = np.where(w > 1e-15, w, np.nan)
    versine_ra *= sin0
    versine_ra *= cos_dec
    sin += versine_ra
    sin_ra *= -cos_dec
    return sin_ra / w, sin / w


SMALL_ANGLE = 0.05
"""Angle [rad] below which the series of sine and versine are exact to float64."""
SIN_SERIES = (-1 / 5040, 1 / 120, -1 / 6)
VERSINE_SERIES = (-1 / 40320, 1 / 720, -1 / 24, 1 / 2)


def _sin_versine(angle):
    """sin a and 1 - cos a [rad], by their series where all angles are below 3 degrees."""
    angle = np.asarray(angle)
    if angle.size and max(angle.max(), -angle.min()) < SMALL_ANGLE:
        square = angle * angle
        sin = _polynomial(square, SIN_SERIES)
        sin += 1
        sin *= angle
        return sin, _polynomial(square, VERSINE_SERIES)
    return np.sin(angle), 2 * np.sin(angle / 2) ** 2


def _polynomial(x, coefficients):
    """Polynomial in x without a constant term; coefficients from the highest power down."""
    total = x * coefficients[0]
    for coefficient in coefficients[1:]:
        total += coefficient
        total *= x
    return total


def plane_to_sky(x, y, center_ra, center_dec):
    """Sky positions of tangent-plane offsets: the inverse of `sky_to_plane`.

    Parameters
    ----------
    x, y : array-like
        Offsets to the West and to the North [rad].
    center_ra, center_dec : array-like
        [deg]

    Returns
    -------
    ra, dec : ndarray
        [deg], with 0 <= ra < 360.

    Examples
    --------
    >>> ra, dec = plane_to_sky(0.0, 0.01, 10.0, 45.0)
    >>> float(ra.round(6)), float(dec.round(4))
    (10.0, 45.5729)
    """
    x, y = map(_radians, (x, y))
    center_ra, center_dec = map(_degrees, (center_ra, center_dec))
    center_dec = np.radians(center_dec)
    sin0, cos0 = np.sin(center_dec), np.cos(center_dec)
    along = cos0 - y * sin0
    delta = np.arctan2(np.negative(x), along)
    dec = np.arctan2(sin0 + y * cos0, np.hypot(x, along))
    # The modulo of a tiny negative number rounds up to 360; a second modulo makes it 0.
    return (center_ra + np.degrees(delta)) % 360 % 360, np.degrees(dec)


def _degrees(angle):
    refuse_masked(angle, "The angle")
    return np.asarray(in_our_unit("ra", angle, "The angle"))


def _radians(offset):
    refuse_masked(offset, "The offset")
    return np.asarray(offset.to_value("rad") if hasattr(offset, "unit") else offset)
