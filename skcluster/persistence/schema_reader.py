"""Check a skops schema, and build the model that it describes.

Only parts that were checked are built: the kind of each part decides how, its content
must have the form that `write_schema` gives it, and its type must be known or trusted.
skops builds the kinds that skcluster never writes, such as decision trees, if their
types are trusted.
"""

import importlib
import inspect
import json
from collections.abc import Iterable

import numpy as np

from ..estimator_parts import default_parameters
from .archive import SCHEMA, pack
from .array_file import read_array
from .known_types import (
    CLASSES,
    COSMOLOGIES,
    DICTS,
    FUNCTIONS,
    NAMED_TUPLES,
    OBJECTS,
    portable_state,
)
from .schema import PROTOCOL, RANDOM_STATE, parts_of, type_name

NUMBERS = {
    f"numpy.{scalar.__name__}"
    for scalar in np.sctypeDict.values()
    if np.dtype(scalar).kind in "biufcU"
}
KINDS = {
    "ConstructorFromReduceNode": COSMOLOGIES,
    "DTypeNode": {"numpy.dtype"},
    "DictNode": {*DICTS},
    "FunctionNode": FUNCTIONS,
    "JsonNode": {"builtins.str"},
    "ListNode": {"builtins.list"},
    "MaskedArrayNode": {"numpy.ma.MaskedArray"},
    "NdArrayNode": {"numpy.ndarray", *NUMBERS},
    "ObjectNode": OBJECTS - {*NAMED_TUPLES},
    "RandomStateNode": {RANDOM_STATE},
    "SetNode": {"builtins.set"},
    "SliceNode": {"builtins.slice"},
    "TupleNode": {"builtins.tuple", *NAMED_TUPLES},
    "TypeNode": CLASSES | NUMBERS,
}
"""Kinds of parts, each with the types that are allowed."""
TRUSTED_KINDS = ("FunctionNode", "ObjectNode", "TupleNode", "TypeNode")
"""Kinds whose parts may also have a trusted type."""
KEY_TYPES = {"builtins.float": float, "builtins.int": int, "builtins.str": str}
MAX_DEPTH = 200
"""Largest depth of nested lists and dicts; a search over a pipeline has 20."""
MAX_REUSE, ALWAYS_USED = 8, 2**26
"""Largest ratio of the bytes of all arrays (counted as often as they are used) to the
bytes of the file; and a number of bytes that any file may use."""
MAX_FEATURES = 100_000
"""Largest number of features of a polynomial, whose terms are counted again."""


class SchemaReader:
    """Reader of one model from the members of a file.

    Parameters
    ----------
    members : dict of str -> bytes
        Members as returned by `write_schema`.
    trusted : collection of str
        Names of types that are loaded without checks.

    Attributes
    ----------
    unknown : set of str
        Names of types that are neither known nor trusted. Build only if it is empty.

    Raises
    ------
    ValueError
        The members are not from save_model. The message is a sentence about the file.
    """

    def __init__(self, members, trusted=()):
        self._members, self._trusted = members, {*trusted}
        self._schema = json.loads(members[SCHEMA])
        protocol = (
            self._schema.get("protocol") if isinstance(self._schema, dict) else None
        )
        if type(protocol) is not int or protocol != PROTOCOL:
            raise ValueError(f"its skops protocol is {protocol!r}.")
        self._arrays = {
            name: read_array(name, content)
            for name, content in members.items()
            if name.endswith(".npy")
        }
        self._n_used, self._meanings, self._built, self.unknown = 0, {}, {}, set()
        self._check(self._schema)
        n_bytes = sum(map(len, members.values()))
        if self._n_used > MAX_REUSE * n_bytes + ALWAYS_USED:
            raise ValueError(f"it makes {self._n_used} bytes of arrays from {n_bytes}.")

    def build(self):
        """Build the model."""
        return self._part(self._schema)

    def _check(self, value, depth=0):
        if depth > MAX_DEPTH:
            raise ValueError(f"its parts are nested deeper than {MAX_DEPTH}.")
        children: Iterable = value if isinstance(value, list) else ()
        if isinstance(value, dict):
            children = value.values()
            if "__loader__" in value:
                self._check_part(value)
        for child in children:
            self._check(child, depth + 1)

    def _check_part(self, part):
        kind, name = part["__loader__"], type_name(part)
        if name not in KINDS.get(kind, ()):
            if name in OBJECTS:
                raise ValueError(f"it has a {kind} of the type {name}.")
            if name not in self._trusted:
                self.unknown.add(name)
        if kind == "NdArrayNode" and part.get("type") == "numpy":
            file = part.get("file")
            if file != f"{part.get('__id__')}.npy" or file not in self._arrays:
                raise ValueError(f"it refers to an array {file!r}.")
            self._n_used += len(self._members[file])
        number = part.get("__id__")
        if number is None:
            return
        # Parts with the same id are built once, so they must be equal: otherwise one
        # might be checked and another built, and chains of references could grow
        # exponentially.
        if type(number) is not int or self._meanings.setdefault(number, part) != part:
            raise ValueError(f"two of its parts have the id {number!r}.")

    def _part(self, part):
        if not isinstance(part, dict) or "__loader__" not in part:
            raise ValueError(f"it has {part!r:.99} in the place of a part.")
        number = part.get("__id__")
        if number is not None and number in self._built:
            return self._built[number]
        kind, name = part["__loader__"], type_name(part)
        is_ours = name in KINDS.get(kind, ()) or kind in TRUSTED_KINDS
        value = BUILDERS[kind](self, part, name) if is_ours else self._by_skops(part)
        if number is not None:
            self._built[number] = value
        return value

    def _json(self, part, name):
        content = part["content"]
        if not isinstance(content, str) or content.lstrip()[:1] in ("[", "{"):
            raise ValueError(
                f"it has {content!r:.99} in the place of a number or string."
            )
        return json.loads(content)

    def _list(self, part, name):
        if not isinstance(part["content"], list):
            raise ValueError(f"it has {part['content']!r:.99} in the place of a list.")
        return [self._part(item) for item in part["content"]]

    def _set(self, part, name):
        return set(self._list(part, name))

    def _tuple(self, part, name):
        items = self._list(part, name)
        return tuple(items) if name == "builtins.tuple" else imported(name)._make(items)

    def _dict(self, part, name):
        kinds = [type_name(kind) for kind in part["key_types"]["content"]]
        items = zip(kinds, part["content"].items(), strict=True)
        made = imported(name)()
        made.update(
            (KEY_TYPES[kind](key), self._part(value)) for kind, (key, value) in items
        )
        return made

    def _dtype(self, part, name):
        array = self._part(part["content"])
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"it has the type of {array!r:.99}, which is not an array."
            )
        return array.dtype

    def _slice(self, part, name):
        ends = [part["content"][name] for name in ("start", "stop", "step")]
        if not all(end is None or type(end) is int for end in ends):
            raise ValueError(f"it has a slice of {ends!r:.99}.")
        return slice(*ends)

    def _imported(self, part, name):
        return imported(name)

    def _array(self, part, name):
        if part["type"] != "numpy":
            return self._array_of_objects(part, name)
        array = self._arrays[part["file"]]
        if name == "numpy.ndarray":
            return array
        kind = np.dtype(imported(name))
        is_same = kind.kind == array.dtype.kind and kind.itemsize in (array.itemsize, 0)
        if array.ndim or not is_same:
            raise ValueError(
                f"it has a {name} of shape {array.shape} and {array.dtype}."
            )
        return imported(name)(array[()])

    def _array_of_objects(self, part, name):
        shape = self._part(part["shape"])
        if name != "numpy.ndarray" or not (
            isinstance(shape, tuple) and shape and all(type(n) is int for n in shape)
        ):
            raise ValueError(f"it has a {name} of objects of shape {shape!r:.99}.")
        items = [*_leaves(self._list(part, name), shape)]
        array = np.empty(len(items), object)
        for i, item in enumerate(items):
            array[i] = item
        return array.reshape(shape)

    def _masked_array(self, part, name):
        data, mask = (self._part(part["content"][name]) for name in ("data", "mask"))
        for array in (data, mask):
            if type(array) is not np.ndarray:
                raise ValueError(f"it masks {array!r:.99}, which is not an array.")
        if mask.dtype != bool or mask.shape != data.shape:
            raise ValueError(
                f"it masks shape {data.shape} by {mask.dtype} of shape {mask.shape}."
            )
        return np.ma.MaskedArray(data, mask)

    def _random_state(self, part, name):
        state = self._part(part["content"])
        key, position = state["state"]["key"], state["state"]["pos"]
        # NumPy accepts any position, and reads memory there at the next draw.
        if (
            state["bit_generator"] != "MT19937"
            or (key.dtype, key.shape) != (np.dtype("u4"), (624,))
            or position not in range(625)
            or state["has_gauss"] not in (0, 1)
        ):
            raise ValueError(f"it has a random state at position {position!r:.99}.")
        random_state = imported(RANDOM_STATE)()
        random_state.set_state(state)
        return random_state

    def _cosmology(self, part, name):
        numbers, label = self._part(part["content"]), part.get("name")
        flat = [
            number
            for item in numbers
            for number in (item if isinstance(item, list) else [item])
        ]
        if len(flat) > 30 or not all(
            number is None or (type(number) in (int, float) and abs(number) < 1e4)
            for number in flat
        ):
            raise ValueError(f"it has a cosmology of {numbers!r:.99}.")
        if label is not None and not (isinstance(label, str) and label.isprintable()):
            raise ValueError(f"it has a cosmology named {label!r:.99}.")
        cosmology = imported(name)
        given = inspect.signature(cosmology).bind(*numbers, name=label).arguments
        # What astropy 6 has no value for is None there, and an error in astropy 8.
        return cosmology(**{key: one for key, one in given.items() if one is not None})

    def _object(self, part, name):
        cls, state = imported(name), None
        if part.get("content") is not None:
            state = self._part(part["content"])
        instance = cls.__new__(cls)
        if name in OBJECTS and state is not None:
            if not all(isinstance(key, str) for key in state):
                raise ValueError(f"it has a {name} with attributes that are not named.")
            state = portable_state(state)
        if state is not None and hasattr(instance, "__setstate__"):
            instance.__setstate__(state)
        elif state is not None:
            vars(instance).update(state)
        if hasattr(instance, "get_params"):
            add_new_parameters(instance)
        if name == "sklearn.preprocessing.PolynomialFeatures":
            _count_terms(instance)
        return instance

    def _by_skops(self, part):
        """Let skops build a trusted part of a kind that this class does not know."""
        from skops import io as skops_io

        inner = [*parts_of(part)]
        files = {inner_part["file"] for inner_part in inner if "file" in inner_part}
        schema = {**part, "protocol": PROTOCOL, "_skops_version": ""}
        members = {name: self._members[name] for name in sorted(files)}
        content = pack({SCHEMA: json.dumps(schema).encode(), **members})
        return skops_io.loads(content, trusted=sorted({*map(type_name, inner)}))


BUILDERS = {
    "ConstructorFromReduceNode": SchemaReader._cosmology,
    "DTypeNode": SchemaReader._dtype,
    "DictNode": SchemaReader._dict,
    "FunctionNode": SchemaReader._imported,
    "JsonNode": SchemaReader._json,
    "ListNode": SchemaReader._list,
    "MaskedArrayNode": SchemaReader._masked_array,
    "NdArrayNode": SchemaReader._array,
    "ObjectNode": SchemaReader._object,
    "RandomStateNode": SchemaReader._random_state,
    "SetNode": SchemaReader._set,
    "SliceNode": SchemaReader._slice,
    "TupleNode": SchemaReader._tuple,
    "TypeNode": SchemaReader._imported,
}


def imported(name):
    """Import the class or function with a dotted name.

    Examples
    --------
    >>> imported("collections.OrderedDict")
    <class 'collections.OrderedDict'>
    """
    module, _, attribute = name.rpartition(".")
    return getattr(importlib.import_module(module), attribute)


def add_new_parameters(estimator):
    """Give an estimator the defaults of parameters that are newer than its file.

    Attributes that `fit` learns have no defaults: code must read newer ones by
    ``getattr(self, name, None)``.

    Parameters
    ----------
    estimator : estimator
    """
    for name, default in default_parameters(type(estimator)).items():
        if name not in vars(estimator):
            setattr(estimator, name, default)


def _leaves(items, shape):
    """Return the items of nested lists, which must have the given shape."""
    if not isinstance(items, list) or len(items) != shape[0]:
        raise ValueError(f"it has {items!r:.99} where shape {shape} is needed.")
    for item in items:
        if len(shape) == 1:
            yield item
        else:
            yield from _leaves(item, shape[1:])


def _count_terms(polynomial):
    """Count the terms of a polynomial again, because memory is allocated for them."""
    n_features = vars(polynomial).get("n_features_in_")
    if n_features is not None:
        if n_features not in range(1, MAX_FEATURES):
            raise ValueError(f"it has a polynomial of {n_features!r:.99} features.")
        names = vars(polynomial).get("feature_names_in_")
        polynomial.fit(np.zeros((1, n_features)))
        if names is not None:
            polynomial.feature_names_in_ = names
