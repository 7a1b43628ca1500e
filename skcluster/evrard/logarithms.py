"""Observables of power laws are natural logarithms: plain numbers, without gaps."""

from ..sample.plain_arrays import refuse_masked


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
