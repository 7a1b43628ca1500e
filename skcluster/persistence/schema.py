"""What may stand in the schema of a skops file, checked before skops acts on it.

skops lists the types that a file holds, and loads what is trusted. Some of what it trusts
by default does harm all the same: a random state whose position lies outside of its key
ends the process, a reference to a part that refers to another doubles it at each step.
"""

import io
import math

import numpy as np

from .known_types import OUR_TYPES

PLAIN_KINDS = {
    "DictNode": {"builtins.dict", "collections.OrderedDict"},
    "JsonNode": {"builtins.str"},
    "ListNode": {"builtins.list"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray"},
    "NdArrayNode": {"numpy.ndarray"}
    | {
        f"numpy.{scalar.__name__}"
        for scalar in np.sctypeDict.values()
        if np.dtype(scalar).kind in "biufcU"
    },
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "TupleNode": {"builtins.tuple"},
}
"""Kinds of parts that are data, with the types that they may have."""
NAMED_KINDS = ("FunctionNode", "ObjectNode", "TypeNode")
"""Kinds of parts whose types skops compares with its list of harmless ones."""
OUR_KINDS = ("ObjectNode", "TupleNode")
"""Estimators, and tuples with names."""
OLDEST_PROTOCOL = 2
"""Of skops, in any file that save_model wrote."""
MAX_DEPTH = 200
"""Of lists and dicts in each other; a search over a pipeline has 20."""
MAX_REUSE, ALWAYS_USED = 16, 2**26
"""How many times the bytes of the arrays may be used, and what is allowed anyhow."""


def unvouched_types(schema, members):
    """Types in a schema that are neither plain data nor on a list of skops.

    Parameters
    ----------
    schema : object
        From ``schema.json``.
    members : dict of str -> bytes
        The members of the file.

    Returns
    -------
    names : set of str
        Of types that the caller must know; to be joined with those that skops lists.

    Raises
    ------
    ValueError
        No save_model wrote this; the reason is a sentence without its subject.
    """
    protocol = schema.get("protocol") if isinstance(schema, dict) else None
    if type(protocol) is not int or protocol < OLDEST_PROTOCOL:
        raise ValueError(f"its skops protocol is {protocol!r}.")
    for name, content in members.items():
        if name.endswith(".npy"):
            _check_array(name, content)
    names, sizes, n_used = set(), {}, 0

    def size_of(value, depth=0):
        nonlocal n_used
        if depth > MAX_DEPTH:
            raise ValueError(f"its parts are nested deeper than {MAX_DEPTH}.")
        is_dict = isinstance(value, dict)
        if not is_dict and not isinstance(value, list):
            return 1
        children = value.values() if is_dict else value
        size = 1 + sum(size_of(child, depth + 1) for child in children)
        if is_dict and "__loader__" in value:
            names.update(_unvouched(value))
            n_used += _bytes_of_array(value, members)
        # skops puts one object wherever its id stands. Were one of the places shorter
        # than another, a small file could stand for an object of any size.
        number = value.get("__id__") if is_dict else None
        if number is not None and sizes.setdefault(number, size) != size:
            raise ValueError(f"two of its parts have the id {number!r}.")
        return size

    size_of(schema)
    n_bytes = sum(map(len, members.values()))
    if n_used > MAX_REUSE * n_bytes + ALWAYS_USED:
        raise ValueError(f"it makes {n_used} bytes of arrays from {n_bytes}.")
    return names


def _unvouched(part):
    """The name of a part's type as a list of one, or an empty list."""
    kind, name = part["__loader__"], f"{part['__module__']}.{part['__class__']}"
    if name in OUR_TYPES:
        if kind not in OUR_KINDS:
            raise ValueError(f"it has a {kind} of the type {name}.")
        return []
    is_known = kind in NAMED_KINDS or name in PLAIN_KINDS.get(kind, ())
    return [] if is_known else [name]


def _bytes_of_array(part, members):
    """Bytes that a part takes from its member of the file, 0 if it has none."""
    if part["__loader__"] != "NdArrayNode" or part.get("type") != "numpy":
        return 0
    name = part.get("file")
    if name != f"{part.get('__id__')}.npy" or name not in members:
        raise ValueError(f"it refers to an array {name!r}.")
    return len(members[name])


def _check_array(name, content):
    """Compare the shape that an array claims with the bytes that there are."""
    file = io.BytesIO(content)
    try:
        version = np.lib.format.read_magic(file)
        read = np.lib.format.read_array_header_1_0
        if version != (1, 0):
            read = np.lib.format.read_array_header_2_0
        shape, _, dtype = read(file)
    except Exception as error:
        raise ValueError(f"its member {name} is no array: {error}") from error
    n_bytes, n_items = len(content) - file.tell(), math.prod(shape)
    if dtype.hasobject or min(shape, default=0) < 0:
        raise ValueError(f"its member {name} is no array of numbers or texts.")
    if n_items * dtype.itemsize != n_bytes or (n_items and not dtype.itemsize):
        raise ValueError(
            f"its member {name} claims shape {shape} of {dtype}, but has {n_bytes} bytes."
        )
