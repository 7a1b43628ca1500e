"""Rows that an index of a sample, of lists or of maps selects."""

from numbers import Integral

import numpy as np

from ..printable import counted


def row_indices(key, n_rows):
    """Return the rows that an index selects, as a slice or as non-negative integers.

    The index is anything that scikit-learn uses: an integer, a slice, a list, an
    integer or boolean array, and the pair ``(key, Ellipsis)``.
    """
    if isinstance(key, tuple):
        # scikit-learn's _safe_indexing asks for array[key, ...].
        if len(key) != 2 or key[1] is not Ellipsis:
            raise IndexError(f"A sample has one axis, got the index {key!r}.")
        key = key[0]
    if isinstance(key, Integral):
        if not -n_rows <= key < n_rows:
            raise IndexError(
                f"Index {key} is out of range for {counted(n_rows, 'cluster')}."
            )
        key = int(key) % n_rows  # the index's own integer type may be too narrow
        return slice(key, key + 1)
    if isinstance(key, slice):
        return key
    if np.ma.is_masked(key):
        raise IndexError("The index has masked values. Fill them.")
    try:
        key = np.asarray(key)
    except (TypeError, ValueError) as error:
        raise IndexError(f"An index must be one list, got {key!r}.") from error
    if key.dtype == bool:
        if key.shape != (n_rows,):
            raise IndexError(
                f"A boolean index of shape {key.shape} does not fit "
                f"{counted(n_rows, 'cluster')}."
            )
        return np.flatnonzero(key)
    if key.size == 0:
        return np.zeros(0, np.intp)
    if key.dtype.kind not in "iu" or key.ndim != 1:
        raise IndexError(
            f"Clusters are selected by integers, slices or booleans, got {key!r}."
        )
    if key.min() < -n_rows or key.max() >= n_rows:
        raise IndexError(f"An index is out of range for {counted(n_rows, 'cluster')}.")
    # In a narrow integer type, key + n_rows would overflow.
    key = key.astype(np.intp)
    return np.where(key < 0, key + n_rows, key)
