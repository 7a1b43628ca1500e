"""Cosmologies by name, by their numbers, or as objects of astropy."""

import ast
import functools
import re

from ..sample.units import check_plausible

CALL = re.compile(r"(Flat)?(LambdaCDM|wCDM|w0waCDM|wpwaCDM|w0wzCDM)\(.*\)", re.DOTALL)
"""Cosmologies with their numbers, as strings."""


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
