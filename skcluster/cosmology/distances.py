"""Distances, radii and masses at the redshifts of clusters."""

import re

import numpy as np

from ..sample.plain_arrays import refuse_masked
from ..sample.units import PARSECS, check_plausible, in_our_unit, unit_factor
from .models import get_cosmology

CRITICAL_DENSITY = 2.77536627e11
"""Critical density today [h² Msun / Mpc³]."""
PARSEC = re.compile(r"(comoving|c)?([kmg]?)pc")


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
    refuse_masked(length, "length")
    plain = np.asarray(length.value, float)
    negative = plain[plain < 0]
    if negative.size:
        raise ValueError(
            f"{negative.size} of {plain.size} lengths are negative (first: "
            f"{negative[0]:g} {length.unit}). Drop clusters whose length is not known."
        )
    redshift = _checked_redshift(redshift)
    _, factor = length_factor(length.unit, redshift, cosmology)
    if factor is None:
        factor = unit_factor("r500c", length.unit, "The length")
        factor = np.full_like(redshift, factor)
    return plain * factor


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
    return _density_500(redshift, cosmology) * _checked("r500c", r500c) ** 3


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
    return np.cbrt(_checked("mass", mass) / _density_500(redshift, cosmology))


def _density_500(redshift, cosmology):
    """500 times the critical density at a redshift [Msun/h per comoving (Mpc/h)³]."""
    redshift = _checked_redshift(redshift)
    critical = CRITICAL_DENSITY * get_cosmology(cosmology).efunc(redshift) ** 2
    return 500 * 4 / 3 * np.pi * critical / (1 + redshift) ** 3


def _checked(name, values):
    """Return plausible numbers in the package's unit, one per cluster or one for all."""
    values = _unmasked(name, values)
    check_plausible(name, values, rows="cluster")
    return values


def _unmasked(name, values):
    refuse_masked(values, name)
    return np.asarray(in_our_unit(name, values, name), float)


def _checked_redshift(redshift):
    redshift = _unmasked("redshift", redshift)
    # Redshift 0 has a distance, though no cluster is there.
    check_plausible("redshift", np.where(redshift, redshift, 1.0), rows="cluster")
    return redshift
