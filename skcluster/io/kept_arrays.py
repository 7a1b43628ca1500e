"""Keep results of long runs in files, from which an interrupted run goes on.

A file holds named arrays and what they are about, as JSON. It is written atomically, so
after a kill each result is there completely or not at all. Its name holds the
fingerprint of all that sets the result: one that another model, other data or other
options gave has another name, and is never taken for it.
"""

import hashlib
import json
import os
import zipfile
from pathlib import Path

import numpy as np

from ..printable import printable
from .atomic import atomic_replace, remove_leftovers

ABOUT = "about"
DIGITS = 16
"""Hexadecimal digits of a fingerprint in the name of a file."""


def fingerprint_of(description):
    """Return the hash of a description that JSON can hold, in hexadecimal digits.

    Examples
    --------
    >>> one, same, other = ({"a": 1, "b": 2}, {"b": 2, "a": 1}, {"a": 1, "b": 3})
    >>> fingerprint_of(one) == fingerprint_of(same), fingerprint_of(one)[:8]
    (True, '43258cff')
    >>> fingerprint_of(one) == fingerprint_of(other)
    False
    """
    text = json.dumps(description, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def file_state(path):
    """Describe a file by its path, size and time of the last change; None if unknown.

    A fingerprint takes it in place of the content of files that are too large to be read
    for that.

    Examples
    --------
    >>> file_state("nowhere.fits")
    ['nowhere.fits', None, None]
    """
    try:
        found = os.stat(path)
    except (OSError, ValueError):
        return [str(path), None, None]
    return [str(path), found.st_size, found.st_mtime_ns]


def array_state(array):
    """Describe an array by its type, its shape and a hash of its content.

    Examples
    --------
    >>> array_state(np.arange(3, dtype="int8"))
    ['int8', [3], 'ae4b3280e56e2faf']
    """
    content = (
        repr(array.tolist()).encode() if array.dtype.hasobject else array.tobytes()
    )
    digest = hashlib.sha256(content).hexdigest()[:DIGITS]
    return [str(array.dtype), list(array.shape), digest]


def kept_file(folder, stem, description):
    """Return the path of the file that keeps what a description sets.

    Parameters
    ----------
    folder : Path
    stem : str
        Start of the name, for people who look into the folder.
    description : dict
        What `fingerprint_of` takes.

    Examples
    --------
    >>> from pathlib import Path
    >>> print(kept_file(Path("fits"), "fold3", {"a": 1, "b": 2}).name)
    fold3-43258cff783fe703.npz
    """
    return Path(folder) / f"{stem}-{fingerprint_of(description)[:DIGITS]}.npz"


def write_kept(path, arrays, about, *, compressed=True):
    """Write arrays and what they are about, atomically, and make the folder if needed.

    Parameters
    ----------
    path : Path
    arrays : dict of str to ndarray
    about : dict
        What JSON can hold.
    compressed : bool, default=True
    """
    save = np.savez_compressed if compressed else np.savez
    path.parent.mkdir(parents=True, exist_ok=True)
    remove_leftovers(path)
    with atomic_replace(path) as file:
        save(file, **{ABOUT: np.array(json.dumps(about)), **arrays})


def read_kept(path, *, about=(), columns=()):
    """Read the arrays of a file and what they are about.

    Parameters
    ----------
    path : Path
    about : iterable of str, default=()
        Names that must be in the description.
    columns : iterable of str, default=()
        Names of arrays that must be there. If there are any, all arrays must have the same
        length.

    Returns
    -------
    arrays : dict of str to ndarray or None
        None if there is no file, or none that can be used.
    about : dict or None
    problem : str
        Why the file cannot be used; empty if it can, or if there is none.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "kept.npz")
    ...     write_kept(path, {"mass": np.array([14.0, 14.5])}, {"seed": 1})
    ...     arrays, about, problem = read_kept(path)
    >>> arrays["mass"], about, problem
    (array([14. , 14.5]), {'seed': 1}, '')
    >>> read_kept(Path("nowhere.npz"))
    (None, None, '')
    """
    try:
        # A file that NumPy opened itself would stay open if it is damaged.
        with open(path, "rb") as file, np.load(file, allow_pickle=False) as stored:
            arrays = {name: stored[name] for name in stored}
        found = json.loads(str(arrays.pop(ABOUT)))
        if not {*about} <= {*found}:
            raise ValueError("it does not say what it is about")
        is_table = len({np.shape(array)[:1] for array in arrays.values()}) == 1
        if columns and not (is_table and {*columns} <= {*arrays}):
            raise ValueError("columns are missing")
    except FileNotFoundError:
        return None, None, ""
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
        reason = getattr(error, "strerror", None) or error
        return None, None, f"{printable(path)} cannot be used: {printable(reason)}."
    return arrays, found, ""
