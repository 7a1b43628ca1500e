"""Read files in NumPy's format, trusting nothing that their header claims."""

import io
import math

import numpy as np

HEADER_READERS = {
    (1, 0): np.lib.format.read_array_header_1_0,
    (2, 0): np.lib.format.read_array_header_2_0,
}
MAX_ITEM_BYTES = 2**16
"""Bytes by which one item may exceed the file: an empty array reserves one item."""
MAX_CODE_POINT = 0x10FFFF


def read_array(name, content):
    """Return the array that a file holds, if its size is the one that the header claims.

    Parameters
    ----------
    name : str
        The file's name, for messages.
    content : bytes

    Returns
    -------
    array : ndarray
        A writable array of numbers or strings.

    Raises
    ------
    ValueError
        The shape and type in the header do not fit the number of bytes. The message
        starts with "its member", for a sentence about the model file.

    Examples
    --------
    >>> import io
    >>> import numpy as np
    >>> file = io.BytesIO()
    >>> np.save(file, np.arange(3))
    >>> read_array("a.npy", file.getvalue())
    array([0, 1, 2])
    """
    file = io.BytesIO(content)
    try:
        read_header = HEADER_READERS[np.lib.format.read_magic(file)]
        shape, is_fortran, dtype = read_header(file)
    except KeyError as error:
        raise ValueError(f"its member {name} is of format version {error}.") from error
    except Exception as error:
        raise ValueError(f"its member {name} is not an array: {error}") from error
    start = file.tell()
    n_bytes, n_items = len(content) - start, math.prod(shape)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"its member {name} is not an array of numbers or strings.")
    if (
        n_items * dtype.itemsize != n_bytes
        or (n_items and not dtype.itemsize)
        or dtype.itemsize > n_bytes + MAX_ITEM_BYTES
    ):
        raise ValueError(
            f"its member {name} claims shape {shape} of {dtype}, but has {n_bytes} bytes."
        )
    if not n_bytes:
        return np.empty(shape, dtype)
    array = np.frombuffer(bytearray(content[start:]), np.uint8)
    if dtype.kind == "U" and array.view(f"{dtype.str[0]}u4").max() > MAX_CODE_POINT:
        raise ValueError(f"its member {name} holds strings that are not Unicode.")
    return array.view(dtype).reshape(shape, order="F" if is_fortran else "C")
