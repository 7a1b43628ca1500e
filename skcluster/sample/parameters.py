"""Parameters of the steps: one number of a kind, or an error that names it."""

from numbers import Integral, Real

import numpy as np


def check_positive(**parameters):
    """Refuse what is no finite number above 0, by its name."""
    for name, value in parameters.items():
        # Beyond these, quotients and squares leave the range of double precision.
        if not is_number(value) or not 1e-100 < value < 1e100:
            raise ValueError(f"{name} must be a positive number, got {value!r}.")


def check_count(largest, **parameters):
    """Refuse what is no integer from 1 to the largest, by its name."""
    for name, value in parameters.items():
        if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
            raise ValueError(f"{name} must be a positive int, got {value!r}.")
        if value > largest:
            raise ValueError(
                f"{name} must be at most {largest}, or the pixels are too many to be "
                f"numbered, got {value}."
            )


def is_number(value):
    """Whether this is one finite real number (True and False are none)."""
    try:
        is_real = isinstance(value, Real) and not isinstance(value, bool)
        return is_real and bool(np.isfinite(float(value)))
    except OverflowError:
        return False
