"""What cannot be changed: arrays that refuse to be written, in a mapping that does."""

from types import MappingProxyType

import numpy as np


def read_only(value):
    """A view of an array that cannot be written; anything else as it is."""
    if not isinstance(value, np.ndarray):
        return value
    # The array itself may be the caller's, who may go on writing into it.
    view = value.view()
    view.flags.writeable = False
    return view


def read_only_columns(columns):
    """A dict of arrays as a mapping that cannot be changed, nor can its arrays."""
    return MappingProxyType(
        {name: read_only(column) for name, column in columns.items()}
    )
