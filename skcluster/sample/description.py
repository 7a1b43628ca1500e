"""What a sample holds, in words."""

import numpy as np

from .ragged import Ragged
from .sparse_maps import SparseMaps


def described(name, value):
    """One field of a sample in a line of text, for its repr."""
    if isinstance(value, Ragged):
        lengths = value.lengths if len(value) else np.zeros(1, int)
        low, middle, high = lengths.min(), np.median(lengths), lengths.max()
        return (
            f"{', '.join(value.columns)}: {low} / {middle:.0f} / {high} a cluster "
            "(min / median / max)"
        )
    if isinstance(value, SparseMaps):
        bands, rows, columns = value.shape[1:]
        return (
            f"{bands} band(s) of {rows} x {columns}, {100 * value.filled:.1f} % filled"
        )
    if name in ("redshift", "coverage", "r500c", "field_radius") and len(value):
        return f"{value.min():.3f} to {value.max():.3f}"
    return f"{value.shape} {value.dtype}"
