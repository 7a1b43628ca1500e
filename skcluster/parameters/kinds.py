"""Kinds of parameters: numbers, names, seeds, and other values that estimators take."""

import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np

from ..sample.plain_arrays import LARGEST

LONGEST_SHOWN = 200
"""Number of characters of a refused value that a message shows."""

REFUSED = object()
"""What `Kind.read` returns instead of a value that is not of the kind."""


class Kind:
    """Values that a parameter allows. ``kind | None`` and ``kind | kind`` allow either.

    A subclass says in `says` what it allows, in the words that follow "must be", and
    returns from `read` the plain value, or `REFUSED`. `hint` may add a sentence about a
    refused value.
    """

    @property
    def says(self):
        return "anything"

    @property
    def error(self):
        return ValueError

    def read(self, value):
        return value

    def hint(self, value):
        return ""

    def check(self, name, value):
        """Return the plain value of a parameter, or raise an error that names it."""
        plain = self.read(value)
        if plain is not REFUSED:
            return plain
        sentences = [
            f"{name} must be {self.says}, got {_shown(value)}.",
            self.hint(value),
        ]
        raise self.error(" ".join(filter(None, sentences)))

    def __or__(self, other):
        alternatives = getattr(self, "kinds", (self,))
        return Either((*alternatives, NONE if other is None else other))


class Anything(Kind):
    """A value that is checked where it is used, such as another estimator."""


@dataclass(frozen=True)
class Either(Kind):
    """Any of several kinds; the first that allows a value reads it."""

    kinds: tuple

    @property
    def says(self):
        *others, last = (kind.says for kind in self.kinds)
        return f"{', '.join(others)} or {last}"

    @property
    def error(self):
        return self.kinds[0].error

    def read(self, value):
        for kind in self.kinds:
            plain = kind.read(value)
            if plain is not REFUSED:
                return plain
        return REFUSED

    def hint(self, value):
        return next(filter(None, (kind.hint(value) for kind in self.kinds)), "")


@dataclass(frozen=True)
class Exactly(Kind):
    """One constant, such as None or 0."""

    constant: object

    @property
    def says(self):
        return repr(self.constant)

    def read(self, value):
        if self.constant is None:
            return None if value is None else REFUSED
        is_equal = Number().read(value) == self.constant
        return self.constant if is_equal else REFUSED


NONE = Exactly(None)


class Boolean(Kind):
    """True or False, including NumPy's."""

    says = "True or False"

    def read(self, value):
        return bool(value) if isinstance(value, bool | np.bool_) else REFUSED


@dataclass(frozen=True)
class Integer(Kind):
    """An integer from `low` to `high`, of any integer type; None means no limit."""

    low: int | None = None
    high: int | None = None

    @property
    def says(self):
        if self.high is not None:
            return f"an int from {self.low} to {self.high}"
        words = {None: "an int", 0: "a non-negative int", 1: "a positive int"}
        return words.get(self.low, f"an int of at least {self.low}")

    def read(self, value):
        if not isinstance(value, Integral) or isinstance(value, bool):
            return REFUSED
        value = int(value)
        is_inside = (self.low is None or value >= self.low) and (
            self.high is None or value <= self.high
        )
        return value if is_inside else REFUSED


class Number(Kind):
    """A finite real number (True and False are not)."""

    @property
    def says(self):
        return "a finite number"

    def read(self, value):
        if not isinstance(value, Real) or isinstance(value, bool):
            return REFUSED
        try:
            number = float(value)
        except OverflowError:
            return REFUSED
        is_allowed = abs(number) < LARGEST and self.allows(number)
        return number if is_allowed else REFUSED

    def allows(self, number):
        return True


class Positive(Number):
    """A number above 0."""

    says = "a positive number"

    def allows(self, number):
        return number > 1 / LARGEST


class NonNegative(Number):
    """A number of at least 0."""

    says = "a non-negative number"

    def allows(self, number):
        return number >= 0


@dataclass(frozen=True)
class Interval(Number):
    """A number in an interval given in usual notation, such as ``Interval("(0, 1]")``."""

    interval: str

    @property
    def says(self):
        return f"in {self.interval}"

    def allows(self, number):
        low, high = (float(edge) for edge in self.interval[1:-1].split(","))
        above = number > low if self.interval[0] == "(" else number >= low
        below = number < high if self.interval[-1] == ")" else number <= high
        return above and below


@dataclass(frozen=True)
class Choice(Kind):
    """One of several names, given as a list, or as a dict that may still grow."""

    names: Collection

    @property
    def says(self):
        return f"one of {list(self.names)}"

    def read(self, value):
        is_name = isinstance(value, str) and value in self.names
        return str(value) if is_name else REFUSED


@dataclass(frozen=True)
class Names(Kind):
    """A list of at least one name out of several."""

    names: Collection

    @property
    def says(self):
        return f"a list of names out of {list(self.names)}"

    def read(self, value):
        try:
            values = [] if isinstance(value, str) else list(value)
        except TypeError:
            return REFUSED
        is_known = all(isinstance(name, str) and name in self.names for name in values)
        return tuple(map(str, values)) if values and is_known else REFUSED

    def hint(self, value):
        if isinstance(value, str) and value in self.names:
            return f"Give a list: [{value!r}]."
        return ""


class Text(Kind):
    """A string, such as the name of a column."""

    says = "a string"

    def read(self, value):
        return str(value) if isinstance(value, str) else REFUSED


class Edges(Kind):
    """Edges of bins as an array: at least two increasing numbers, which may be infinite."""

    says = "at least 2 increasing edges"

    def read(self, value):
        if hasattr(value, "unit") or np.ma.is_masked(value):
            return REFUSED
        try:
            edges = np.asarray(value)
        except (TypeError, ValueError):
            return REFUSED
        is_right = edges.dtype.kind in "iuf" and edges.ndim == 1 and len(edges) >= 2
        edges = edges.astype(float) if is_right else edges
        return edges if is_right and (np.diff(edges) > 0).all() else REFUSED


class PathLike(Kind):
    """A path, as a string or an object such as `pathlib.Path`."""

    says = "a path"
    error = TypeError

    def read(self, value):
        return value if isinstance(value, str | os.PathLike) else REFUSED


class RandomState(Kind):
    """A seed: what `sklearn.utils.check_random_state` takes."""

    says = "a seed (an int from 0 to 2**32 - 1), a numpy RandomState or None"

    def read(self, value):
        if value is None or isinstance(value, np.random.RandomState):
            return value
        return Integer(0, 2**32 - 1).read(value)

    def hint(self, value):
        if isinstance(value, np.random.Generator):
            return "From a Generator, give int(rng.integers(2**32))."
        return ""


class NJobs(Kind):
    """Joblib's number of jobs: an integer that is not 0, or None."""

    says = "an int that is not 0, or None"

    def read(self, value):
        if value is None:
            return None
        jobs = Integer().read(value)
        return REFUSED if jobs is REFUSED or jobs == 0 else jobs


@dataclass(frozen=True)
class WithMethods(Kind):
    """An object that has methods of these names, such as an estimator."""

    described: str
    methods: tuple = ("fit", "predict")

    @property
    def says(self):
        return self.described

    def read(self, value):
        # A class has the methods, too, but is not an instance.
        is_able = not isinstance(value, type) and all(
            callable(getattr(value, method, None)) for method in self.methods
        )
        return value if is_able else REFUSED


@dataclass(frozen=True)
class ReadBy(Kind):
    """Any value that a function accepts; its own error message refuses the rest."""

    function: Callable

    def read(self, value):
        self.function(value)
        return value


def _shown(value):
    text = " ".join(repr(value).split())
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 3] + "..."
