"""`TomlTable`: a table of a TOML file, every key of which must be known."""

import difflib

from ..parameters import REFUSED, Anything, Integer, Kind


class TomlTable:
    """Table of a TOML file from which keys are taken one by one, until none is left.

    Parameters
    ----------
    name : str
        Its name in the file; empty for the file itself.
    values : dict

    Examples
    --------
    >>> table = TomlTable("folds", {"n_folds": 3, "maxfold": 1})
    >>> table.take("n_folds", Integer(2)), table.take("max_folds", Integer(1), 8)
    (3, 8)
    >>> table.finish()
    Traceback (most recent call last):
    ...
    ValueError: [folds] has the key 'maxfold', which is not known. Did you mean 'max_folds'?
    """

    def __init__(self, name, values):
        if not isinstance(values, dict):
            raise TypeError(f"[{name}] must be a table, got {values!r}.")
        self.name, self.left, self.known = name, dict(values), []

    def __contains__(self, key):
        return key in self.left

    def take(self, key, kind=None, default=None):
        """Take the value of a key, and check its kind.

        Parameters
        ----------
        key : str
        kind : Kind, default=None
            None allows anything.
        default : object, default=None
            Value of a key that is not there.
        """
        self.known.append(key)
        if key not in self.left:
            return default
        return (kind or Anything()).check(self.called(key), self.left.pop(key))

    def table(self, key):
        """Take the table of a key, which is empty if it is not there."""
        name = f"{self.name}.{key}" if self.name else key
        return TomlTable(name, self.take(key, default={}))

    def rest(self):
        """Take all keys that are left, as a dict."""
        rest, self.left = self.left, {}
        return rest

    def finish(self):
        """Refuse keys that nobody has taken."""
        where = f"[{self.name}]" if self.name else "The file"
        for key in self.left:
            raise unknown_name(f"{where} has the key", key, self.known)

    def called(self, key):
        """Return a key as messages call it."""
        return f"[{self.name}] {key}" if self.name else key


class ListOfNames(Kind):
    """A list of at least one string."""

    says = "a list of names"

    def read(self, value):
        is_list = isinstance(value, list) and value
        return (
            tuple(value)
            if is_list and all(isinstance(item, str) for item in value)
            else REFUSED
        )


class ListOfSeeds(Kind):
    """A list of at least one seed, all different."""

    says = "a list of different seeds (integers from 0 to 2**32 - 1)"

    def read(self, value):
        if not isinstance(value, list) or not value:
            return REFUSED
        seeds = tuple(Integer(0, 2**32 - 1).read(item) for item in value)
        return REFUSED if REFUSED in seeds or len({*seeds}) < len(seeds) else seeds


def unknown_name(what, name, known, way_out=""):
    """Return an error about a name that is not known, with the nearest known ones.

    Parameters
    ----------
    what : str
        Start of the sentence, such as "[folds] has the key".
    name : str
    known : iterable of str
    way_out : str, default=""
        Sentence at the end.
    """
    near = difflib.get_close_matches(str(name), [*known], n=3, cutoff=0.6)
    hint = f"Did you mean {' or '.join(map(repr, near))}?"
    if not near:
        hint = f"Known are {', '.join(known)}."
    sentences = [f"{what} {name!r}, which is not known.", hint, way_out]
    return ValueError(" ".join(filter(None, sentences)))
