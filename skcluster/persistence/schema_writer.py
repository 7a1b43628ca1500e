"""Write a model as a skops schema: plain data, and the names of types."""

import contextlib
import importlib
import inspect
import io
import itertools
import json
import pathlib
import sys
import types
import zipfile

import numpy as np
from sklearn.base import BaseEstimator

from .archive import SCHEMA
from .known_types import (
    COSMOLOGIES,
    DICTS,
    OBJECTS,
    class_name,
    portable_state,
    public_name,
)
from .schema import PROTOCOL, RANDOM_STATE, name_fields, parts_of

ATOMS = (bool, int, float, str, type(None))
KEYS = (str, int, float)
NAMED = (type, types.FunctionType, types.BuiltinFunctionType, np.ufunc)
"""Types of values that are stored by the name under which they can be imported."""
SEQUENCES: dict[type, str] = {list: "ListNode", tuple: "TupleNode", set: "SetNode"}
ADVICE = (
    "Parameters must be numbers, strings, arrays, estimators, or classes and functions "
    "that can be imported. Take callbacks off with set_params(callbacks=None)."
)


def write_schema(model):
    """Write a model as the members of a skops file.

    Parameters
    ----------
    model : estimator

    Returns
    -------
    members : dict of str -> bytes
        ``schema.json`` and one file per array.

    Raises
    ------
    TypeError
        The model holds something that cannot be stored without code; the message says
        where.
    """
    writer = SchemaWriter()
    schema = {**writer.part(model, type(model).__name__), "protocol": PROTOCOL}
    return {SCHEMA: json.dumps(schema).encode(), **writer.members}


class SchemaWriter:
    """Writer of objects as parts of a schema, and of arrays as members of the file.

    An object that occurs twice is described twice with the same id, and is loaded as
    one object.
    """

    def __init__(self):
        self.members = {}
        self._counter = itertools.count(1)
        self._numbers, self._kept, self._open, self._written = {}, [], set(), {}
        self._writers = (
            (lambda value: type(value) in ATOMS, self._atom),
            (lambda value: isinstance(value, np.ma.MaskedArray), self._masked_array),
            (lambda value: isinstance(value, np.ndarray | np.generic), self._array),
            (
                lambda value: isinstance(value, np.random.RandomState),
                self._random_state,
            ),
            (lambda value: type(value) in SEQUENCES, self._sequence),
            (
                lambda value: isinstance(value, tuple) and hasattr(value, "_make"),
                self._tuple,
            ),
            (lambda value: class_name(value) in DICTS, self._dict),
            (lambda value: isinstance(value, slice), self._slice),
            (lambda value: isinstance(value, NAMED), self._named),
            (lambda value: isinstance(value, np.dtype), self._dtype),
            (is_cosmology, self._cosmology),
            (has_plain_state, self._object),
            (lambda _: True, self._by_skops),
        )

    def part(self, value, where):
        """Describe a value as a part of the schema.

        Parameters
        ----------
        value : object
        where : str
            Place of the value in the model, for messages.
        """
        value = as_data(value)
        if id(value) in self._written:
            return self._written[id(value)]
        if id(value) in self._open:
            raise TypeError(f"{where} holds itself, which cannot be stored.")
        self._open.add(id(value))
        write = next(write for applies, write in self._writers if applies(value))
        made = write(value, where)
        self._open.remove(id(value))
        if write in (self._object, self._random_state, self._by_skops):
            # A second call would make new arrays of their state. The value is kept in
            # memory, so that no other one can get its id.
            self._written[id(value)] = made
            self._kept.append(value)
        return made

    def _atom(self, value, where):
        return _part("JsonNode", "builtins.str", json.dumps(value), is_json=True)

    def _sequence(self, value, where):
        items = [self.part(item, f"{where}[{i}]") for i, item in enumerate(value)]
        return _part(SEQUENCES[type(value)], class_name(value), items)

    def _tuple(self, value, where):
        name = class_name(value)
        return self._sequence(tuple(value), where) | name_fields(name)

    def _dict(self, value, where, form="{}[{!r:.99}]"):
        keys = [key.item() if isinstance(key, np.generic) else key for key in value]
        wrong = [key for key in keys if type(key) not in KEYS]
        if wrong:
            raise TypeError(
                f"{where} has the key {wrong[0]!r:.99}, which cannot be stored: keys must "
                "be strings or numbers."
            )
        if len({*map(str, keys)}) < len(keys):
            raise TypeError(f"{where} has a number and its string as keys: drop one.")
        content = {
            str(key): self.part(item, form.format(where, key))
            for key, item in zip(keys, value.values(), strict=True)
        }
        kinds = [_part("TypeNode", class_name(key)) for key in keys]
        kinds = _part("ListNode", "builtins.list", kinds)
        return _part("DictNode", class_name(value), content, key_types=kinds)

    def _slice(self, value, where):
        ends = {name: getattr(value, name) for name in ("start", "stop", "step")}
        if not all(end is None or type(end) is int for end in ends.values()):
            raise TypeError(f"{where} is {value!r:.99}; ends must be integers or None.")
        return _part("SliceNode", "builtins.slice", ends)

    def _named(self, value, where):
        name = public_name(value)
        module, _, attribute = name.rpartition(".")
        found = None
        with contextlib.suppress(ImportError):
            found = getattr(importlib.import_module(module), attribute, None)
        if found is not value:
            raise TypeError(
                f"{where} is {name}, which cannot be imported by that name and therefore "
                "not be stored. Define it at the top of a module."
            )
        return _part("TypeNode" if isinstance(value, type) else "FunctionNode", name)

    def _array(self, value, where):
        number = self._number(value)
        if value.dtype == object and value.ndim:
            items = self._sequence(value.tolist(), where)["content"]
            shape = self._sequence(value.shape, where)
            about = {"type": "json", "shape": shape, "__id__": number}
            return _part("NdArrayNode", "numpy.ndarray", items, **about)
        name, file = f"{number}.npy", io.BytesIO()
        if name not in self.members:
            try:
                np.save(file, np.asarray(value), allow_pickle=False)
            except ValueError as error:
                raise TypeError(
                    f"{where} cannot be stored: {error} {ADVICE}"
                ) from error
            self.members[name] = file.getvalue()
        cls = type(value).__name__ if isinstance(value, np.generic) else "ndarray"
        return _part(
            "NdArrayNode", f"numpy.{cls}", type="numpy", file=name, __id__=number
        )

    def _masked_array(self, value, where):
        mask = np.ma.getmaskarray(value)
        content = {"data": self.part(value.data, where), "mask": self.part(mask, where)}
        return _part("MaskedArrayNode", "numpy.ma.MaskedArray", content)

    def _random_state(self, value, where):
        content = self.part(value.get_state(legacy=False), where)
        number = self._number(value)
        return _part("RandomStateNode", RANDOM_STATE, content, __id__=number)

    def _dtype(self, value, where):
        return _part("DTypeNode", "numpy.dtype", self.part(np.empty(0, value), where))

    def _cosmology(self, value, where):
        name, numbers = class_name(value), cosmology_numbers(value)
        if name not in COSMOLOGIES or not type(value)(*numbers).is_equivalent(value):
            raise TypeError(
                f"{where} is {value!r:.200}, which cannot be stored by its parameters. "
                'Give a cosmology by name, such as "WMAP7", or one of '
                f"{', '.join(sorted(COSMOLOGIES))}."
            )
        arguments = self._sequence(tuple(numbers), where)
        label = {} if value.name is None else {"name": str(value.name)}
        return _part("ConstructorFromReduceNode", name, arguments, **label)

    def _object(self, value, where):
        name, state = class_name(value), value.__getstate__()
        if name in OBJECTS and state is not None:
            state = portable_state(state)
        content = None if state is None else self._dict(state, where, form="{}.{}")
        return _part("ObjectNode", name, content, __id__=self._number(value))

    def _by_skops(self, value, where):
        """Let skops describe a value that this module cannot, such as a decision tree."""
        cannot = f"{where} is of the type {class_name(value)}, which cannot be stored"
        try:
            import skops.io
        except ImportError as error:
            raise TypeError(
                f"{cannot} without skops: pip install skops. {ADVICE}"
            ) from error
        try:
            dumped = skops.io.dumps(value)
        except Exception as error:
            raise TypeError(f"{cannot} ({error}). {ADVICE}") from error
        with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        return self._embedded(members)

    def _embedded(self, members):
        """Return a schema from skops as a part of this one, and add its members."""
        schema, numbers = json.loads(members.pop(SCHEMA)), {}
        for part in parts_of(schema):
            _use_public_name(part)
            part.pop("__id__", None)
            if "file" in part:
                old, ending = part["file"], part["file"].rpartition(".")[2]
                if old not in numbers:
                    numbers[old] = next(self._counter)
                part["__id__"] = numbers[old]
                part["file"] = f"{numbers[old]}.{ending}"
                self.members[part["file"]] = members[old]
        del schema["protocol"], schema["_skops_version"]
        return schema

    def _number(self, value):
        """Number an object in the file, and keep it so that no other one can get its id."""
        if id(value) not in self._numbers:
            self._numbers[id(value)] = next(self._counter)
            self._kept.append(value)
        return self._numbers[id(value)]


def as_data(value):
    """Convert a value to a portable one: paths and devices become strings.

    Examples
    --------
    >>> import pathlib
    >>> as_data(pathlib.PurePosixPath("a/b"))
    'a/b'
    >>> from astropy.cosmology import Planck18
    >>> as_data(Planck18)
    'Planck18'
    """
    if isinstance(value, pathlib.PurePath) or _is_of(value, "torch", "device"):
        return str(value)
    if is_cosmology(value):
        cosmology = sys.modules["astropy.cosmology"]
        is_named = value.name in cosmology.available
        if is_named and getattr(cosmology, value.name) == value:
            return value.name
    return value


def is_cosmology(value):
    """Return whether a value is a cosmology of astropy, without importing astropy."""
    return _is_of(value, "astropy.cosmology", "Cosmology")


def cosmology_numbers(cosmology):
    """Return the arguments that reconstruct a cosmology, in its constructor's units.

    Examples
    --------
    >>> from astropy.cosmology import FlatLambdaCDM
    >>> cosmology_numbers(FlatLambdaCDM(70, 0.3, Ob0=0.05))
    [70.0, 0.3, 0.0, 3.04, None, 0.05]
    """
    parameters = inspect.signature(type(cosmology)).parameters.values()
    values = [
        getattr(cosmology, parameter.name)
        for parameter in parameters
        if parameter.kind is parameter.POSITIONAL_OR_KEYWORD
    ]
    plain = [getattr(value, "value", value) for value in values]
    return [np.asarray(value).tolist() for value in plain]


def has_plain_state(value):
    """Return whether a value can be stored as its class and its attributes."""
    return isinstance(value, BaseEstimator) or class_name(value) in OBJECTS


def _part(kind, name, content=None, /, **more):
    content = {} if content is None else {"content": content}
    return {"__loader__": kind, **name_fields(name), **content, **more}


def _is_of(value, module, name):
    """Return whether a value is of a class, without importing the class's module."""
    return module in sys.modules and isinstance(
        value, getattr(sys.modules[module], name)
    )


def _use_public_name(part):
    if part["__module__"].split(".")[0] in ("sklearn", "skcluster"):
        module = importlib.import_module(part["__module__"])
        part.update(name_fields(public_name(getattr(module, part["__class__"]))))
