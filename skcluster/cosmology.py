"""Distances, masses and sky projections: the only module that uses astropy's cosmology.

Lengths are comoving Mpc/h and masses Msun/h throughout. The plane of the sky has
x growing to the West and y to the North about the cluster's center.
"""

import ast
import functools
import re

import numpy as np

from .sample.units import check_plausible, in_our_unit, unit_factor

CRITICAL_DENSITY = 2.77536627e11
"""Critical density today [h² Msun / Mpc³]."""
CALL = re.compile(r"(Flat)?(LambdaCDM|wCDM|w0waCDM|wpwaCDM|w0wzCDM)\(.*\)", re.DOTALL)
"""Cosmologies with their numbers, as strings."""
PARSEC = re.compile(r"(comoving|c)?([kmg]?)pc")
PARSECS = {"": 1e-6, "k": 1e-3, "m": 1.0, "g": 1e3}  # Mpc


def get_cosmology(cosmology):
    """Return the astropy cosmology of a name or a call; return a cosmology unchanged.

    Parameters
    ----------
    cosmology : str or astropy.cosmology.Cosmology
        A string is an astropy name, or one of its classes with numbers, such as
        ``"FlatLambdaCDM(70, 0.3)"`` or ``"LambdaCDM(H0=70, Om0=0.3, Ode0=0.7)"``. It is
        read, never executed.

    Returns
    -------
    cosmology : astropy.cosmology.Cosmology

    Examples
    --------
    >>> float(get_cosmology("FlatLambdaCDM(70, 0.3)").h)
    0.7
    """
    # The import takes 0.6 s, and loading a stored model does not need it.
    from astropy import cosmology as astropy_cosmology

    if isinstance(cosmology, str):
        if cosmology in astropy_cosmology.available:
            return getattr(astropy_cosmology, cosmology)
        if CALL.fullmatch(cosmology.strip()):
            cosmology = _cosmology_of_call(cosmology.strip())
    if isinstance(cosmology, astropy_cosmology.Cosmology):
        check_plausible("hubble_constant", 100 * cosmology.h, "H0 of the cosmology")
        check_plausible("matter_density", cosmology.Om0, "Om0 of the cosmology")
        return cosmology
    raise ValueError(
        f"Unknown cosmology {cosmology!r}. Give one of "
        f"{', '.join(astropy_cosmology.available)}, one with its numbers, such as "
        "'FlatLambdaCDM(70, 0.3)', or an astropy cosmology object."
    )


@functools.lru_cache(maxsize=64)
def _cosmology_of_call(text):
    """Return the cosmology of a string like ``"FlatLambdaCDM(70, Om0=0.3)"``."""
    from astropy import cosmology as astropy_cosmology

    try:
        call = ast.parse(text, mode="eval").body
        numbers = [float(ast.literal_eval(each)) for each in call.args]
        named = {
            each.arg: float(ast.literal_eval(each.value)) for each in call.keywords
        }
        return getattr(astropy_cosmology, call.func.id)(*numbers, **named)
    except (AttributeError, SyntaxError, TypeError, ValueError) as error:
        raise ValueError(
            f"Cosmology {text!r} cannot be made ({error}). Give numbers, such as "
            "'FlatLambdaCDM(H0=70, Om0=0.3)'."
        ) from error


def cosmology_name(cosmology):
    """Return the astropy name of a cosmology, or its parameters if it has no such name.

    Parameters
    ----------
    cosmology : str or astropy.cosmology.Cosmology

    Returns
    -------
    name : str

    Examples
    --------
    >>> from astropy.cosmology import WMAP7, FlatLambdaCDM
    >>> cosmology_name(WMAP7)
    'WMAP7'
    >>> cosmology_name(FlatLambdaCDM(70, 0.3)).startswith("FlatLambdaCDM(")
    True
    """
    from astropy import cosmology as astropy_cosmology

    cosmology = get_cosmology(cosmology)
    name = cosmology.name
    known = name in astropy_cosmology.available and get_cosmology(name) == cosmology
    return name if known else repr(cosmology)


def comoving_distance(redshift, cosmology="WMAP7"):
    """Transverse comoving distance to a redshift [Mpc/h].

    Parameters
    ----------
    redshift : array-like of shape (n_clusters,)
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"

    Returns
    -------
    distance : ndarray of shape (n_clusters,)
        [Mpc/h]

    Examples
    --------
    >>> comoving_distance([0.1, 0.3]).round(1)
    array([293.5, 841.2])
    """
    cosmology, redshift = get_cosmology(cosmology), _checked_redshift(redshift)
    distinct, inverse = np.unique(redshift, return_inverse=True)
    distance = cosmology.comoving_transverse_distance(distinct).value * cosmology.h
    return distance[inverse]


def comoving_length(length, redshift, cosmology="WMAP7"):
    """Convert a physical length or an angle on the sky to comoving Mpc/h.

    Parameters
    ----------
    length : astropy Quantity of shape (n_clusters,), or ()
        A length such as kpc is physical, one over ``littleh`` comoving; an angle is seen
        at the redshift.
    redshift : array-like of shape (n_clusters,)
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"

    Returns
    -------
    length : ndarray of shape (n_clusters,)
        Comoving length [Mpc/h].

    Examples
    --------
    >>> from astropy import units
    >>> comoving_length([900.0, 900.0] * units.kpc, [0.1, 0.3]).round(3)
    array([0.697, 0.824])
    >>> comoving_length(5.0 * units.arcmin, [0.1, 0.3]).round(3)
    array([0.427, 1.224])
    """
    if getattr(length, "unit", None) is None:
        raise ValueError(
            f"comoving_length needs a length with a unit, got {length!r:.60}. Give an "
            "astropy Quantity, such as 900 * units.kpc."
        )
    redshift = _checked_redshift(redshift)
    _, factor = length_factor(length.unit, redshift, cosmology)
    if factor is None:
        factor = unit_factor("r500c", length.unit, "The length")
        factor = np.full_like(redshift, factor)
    return np.asarray(length.value, float) * factor


def length_factor(unit, redshift, cosmology):
    """Return how a unit becomes comoving Mpc/h: in words, and as a factor.

    Parameters
    ----------
    unit : astropy Unit
    redshift : ndarray of shape (n_clusters,)
    cosmology : str or astropy.cosmology.Cosmology

    Returns
    -------
    how : str
    factor : float, ndarray of shape (n_clusters,) or None
        None for a unit that is neither a length without h nor an angle.

    Examples
    --------
    >>> from astropy import units
    >>> how, factor = length_factor(units.kpc, np.array([0.0, 0.25]), "WMAP7")
    >>> how
    'a physical length, which is multiplied by (1 + z) h, h = 0.704'
    >>> factor
    array([0.000704, 0.00088 ])
    """
    from astropy import units

    h, redshift = get_cosmology(cosmology).h, _checked_redshift(redshift)
    physical = f"a physical length, which is multiplied by (1 + z) h, h = {h:g}"
    parsecs = PARSEC.fullmatch("".join(str(unit).split()).lower())
    if parsecs:
        factor = PARSECS[parsecs[2]] * h
        if parsecs[1]:
            return f"a comoving length, which is multiplied by h = {h:g}", factor
        return physical, factor * (1 + redshift)
    known = units.Unit(str(unit), parse_strict="silent")
    if known.physical_type == "length":
        return physical, known.to("Mpc") * h * (1 + redshift)
    if known.physical_type == "angle":
        distance = comoving_distance(redshift, cosmology)
        return "an angle at the comoving distance", known.to("rad") * distance
    return "", None


def mass_within_r500c(r500c, redshift, cosmology="WMAP7"):
    r"""Mass M500c of the sphere whose mean density is 500 times the critical density.

    .. math::

        M_{500c} = 500 \, \frac{4 \pi}{3} \, \rho_c(z)
                   \left( \frac{R_{500c}}{1 + z} \right)^3

    Parameters
    ----------
    r500c : array-like of shape (n_clusters,)
        Comoving radius [Mpc/h].
    redshift : array-like of shape (n_clusters,)
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"

    Returns
    -------
    mass : ndarray of shape (n_clusters,)
        M500c [Msun/h].

    Examples
    --------
    >>> mass_within_r500c([0.7], [0.2]).round(-12)
    array([1.38e+14])
    """
    r500c = in_our_unit("r500c", r500c, "r500c")
    check_plausible("r500c", r500c, rows="cluster")
    return _density_500(redshift, cosmology) * np.asarray(r500c, float) ** 3


def r500c_of_mass(mass, redshift, cosmology="WMAP7"):
    """Comoving R500c of a mass M500c: the inverse of `mass_within_r500c`.

    Parameters
    ----------
    mass : array-like of shape (n_clusters,)
        M500c [Msun/h].
    redshift : array-like of shape (n_clusters,)
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"

    Returns
    -------
    r500c : ndarray of shape (n_clusters,)
        Comoving radius [Mpc/h].

    Examples
    --------
    >>> r500c_of_mass([1e14], [0.2]).round(3)
    array([0.628])
    """
    mass = in_our_unit("mass", mass, "mass")
    check_plausible("mass", mass, rows="cluster")
    return np.cbrt(np.asarray(mass, float) / _density_500(redshift, cosmology))


def _density_500(redshift, cosmology):
    """500 times the critical density at a redshift [Msun/h per comoving (Mpc/h)³]."""
    redshift = _checked_redshift(redshift)
    critical = CRITICAL_DENSITY * get_cosmology(cosmology).efunc(redshift) ** 2
    return 500 * 4 / 3 * np.pi * critical / (1 + redshift) ** 3


def _checked_redshift(redshift):
    redshift = np.asarray(in_our_unit("redshift", redshift, "redshift"), float)
    # Redshift 0 has a distance, though no cluster is there.
    check_plausible("redshift", np.where(redshift, redshift, 1.0), rows="cluster")
    return redshift


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
    ra, dec, center_ra, center_dec = (
        in_our_unit("ra", angle, "The angle")
        for angle in (ra, dec, center_ra, center_dec)
    )
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
    x, y = (each.to_value("rad") if hasattr(each, "unit") else each for each in (x, y))
    center_ra, center_dec = (
        in_our_unit("ra", angle, "The center") for angle in (center_ra, center_dec)
    )
    center_dec = np.radians(center_dec)
    sin0, cos0 = np.sin(center_dec), np.cos(center_dec)
    along = cos0 - y * sin0
    delta = np.arctan2(np.negative(x), along)
    dec = np.arctan2(sin0 + y * cos0, np.hypot(x, along))
    # The modulo of a tiny negative number rounds up to 360; a second modulo makes it 0.
    return (center_ra + np.degrees(delta)) % 360 % 360, np.degrees(dec)
