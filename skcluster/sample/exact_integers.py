"""Integers with gaps that floats do not hold exactly, such as the IDs of catalogs."""

import numpy as np

LARGEST_EXACT = 2**53
"""Largest magnitude up to which all integers are floats."""


def has_inexact_floats(integers):
    """Return whether integers are too large for a float, so that distinct ones merge."""
    return integers.dtype.kind in "iu" and bool(
        ((integers > LARGEST_EXACT) | (integers < -LARGEST_EXACT)).any()
    )


def with_exact_gaps(floats, integers, is_gap):
    """Return integers with gaps as floats with NaN, or masked if floats are not exact.

    Parameters
    ----------
    floats : ndarray
    integers, is_gap : callable
        Functions that return the integers, with any value in a gap, and where gaps are.
    """
    if not (np.abs(floats) >= LARGEST_EXACT).any():
        return floats
    return np.ma.array(integers(), mask=is_gap())
