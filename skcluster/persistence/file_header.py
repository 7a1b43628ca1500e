"""Read and check the header of a model file, using only the standard library."""

import hashlib
import json

from ..printable import printable
from ..versions import OF_MODELS
from .archive import HEADER, SCHEMA, damaged, read_members

FORMAT = 1
"""Number of the file format that this version writes; older formats can be read."""

FIELDS = (
    "format",
    "written",
    "versions",
    "notes",
    "model",
    "target",
    "bands",
    "n_pixels",
    "half_width",
    "cosmology",
    "training_ranges",
    "n_weights",
    "folds",
    "sha256",
)
COMPOSED = {"model": dict, "training_ranges": dict, "folds": list | dict}
"""Fields that hold more than a number or string, and their types."""


class ModelHeader(dict):
    """Header of a model file: a dict whose fields can also be read as attributes.

    Examples
    --------
    >>> header = ModelHeader(notes="first release")
    >>> header.notes
    'first release'
    """

    def __getattr__(self, name):
        try:
            return self[name]
        except KeyError:
            raise AttributeError(f"A model header has no field {name!r}.") from None

    def __dir__(self):
        return sorted({*super().__dir__(), *self})


def read_header(path):
    """Read the header of a model file, and check that the file is complete.

    The model itself is not loaded. All members of the file are compared with the hashes
    in the header.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : ModelHeader
        A dict whose fields can be read as attributes. A field that is not known is
        None:

        - ``format``, int;
        - ``written``, str, in UTC;
        - ``versions``, dict: those of skcluster, scikit-learn, numpy, torch and python;
        - ``notes``, str;
        - ``model``, dict: its ``class``, and the ``parameters`` that are not defaults;
        - ``target``, str: the quantity that the model predicts, with its unit;
        - ``bands`` [keV], ``n_pixels``, ``half_width`` [comoving Mpc/h] and ``cosmology``
          of the maps that the model takes;
        - ``training_ranges``, dict of name -> [low, high];
        - ``n_weights``, int: the number of weights of all networks in the model;
        - ``folds``, as given to `save_model`;
        - ``sha256``, dict: the hash of each other member of the file.

    Raises
    ------
    ValueError
        The file is not a model, was altered or cut off, or has a newer format.

    Examples
    --------
    >>> import os, tempfile
    >>> from skcluster import PhotonMapper, read_header, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(PhotonMapper(n_pixels=64), path, notes="maps of the first release")
    ...     header = read_header(path)
    >>> header.notes, header.n_pixels, header.model["class"]
    ('maps of the first release', 64, 'skcluster.PhotonMapper')
    """
    return read_verified(path)[0]


def read_verified(path):
    """Read a model file, and compare its members with the hashes in its header.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : ModelHeader
    members : dict of str -> bytes
        All but the header.
    """
    members = read_members(path)
    if SCHEMA not in members:
        raise damaged(path, f"it has no member {SCHEMA}.")
    if HEADER not in members:
        raise damaged(
            path,
            f"it has no member {HEADER}. A file that skops wrote is loaded with "
            "skops.io.load.",
        )
    header = _header_from_json(path, members.pop(HEADER))
    _check_header(path, header)
    _check_members(path, header, members)
    return ModelHeader({name: header.get(name) for name in FIELDS}), members


def pack_header(header, members):
    """Write a header as JSON, with the hashes of the other members.

    Parameters
    ----------
    header : dict
        Header from `describe_model`.
    members : dict of str -> bytes

    Returns
    -------
    content : bytes
        One field per line.
    """
    header = {**header, "sha256": {name: _hash(members[name]) for name in members}}
    fields = [f"{json.dumps(name)}: {json.dumps(header[name])}" for name in header]
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode()


def _header_from_json(path, content):
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its {HEADER} is not JSON ({error}).") from error


def _check_header(path, header):
    written = header.get("format") if isinstance(header, dict) else None
    if type(written) is not int or written < 1:
        raise damaged(path, "its header does not give the format.")
    stored = header.get("versions")
    if not _are_strings(stored) or not {*OF_MODELS} <= {*stored}:
        raise damaged(path, "its header does not give the versions.")
    if written > FORMAT:
        raise ValueError(
            f"{printable(path)} was written by skcluster {stored['skcluster']}, in a newer "
            f"format ({written}) than this one reads ({FORMAT}). Upgrade skcluster."
        )
    for name, kind in COMPOSED.items():
        value = header.get(name)
        if value is not None and not isinstance(value, kind):
            raise damaged(path, f"{name} in its header is {value!r:.99}.")


def _check_members(path, header, members):
    hashes = header.get("sha256")
    if not _are_strings(hashes):
        raise damaged(path, "its header does not give the hashes.")
    missing, added = {*hashes} - {*members}, {*members} - {*hashes}
    if missing or added:
        raise damaged(
            path,
            f"{len(missing)} members of its header are missing {sorted(missing)[:3]}, "
            f"{len(added)} were added {sorted(added)[:3]}.",
        )
    for name, content in members.items():
        if _hash(content) != hashes[name]:
            raise damaged(path, f"its member {name} was altered after it was written.")


def _are_strings(value):
    return isinstance(value, dict) and all(
        isinstance(text, str) and text.isprintable() for text in value.values()
    )


def _hash(content):
    return hashlib.sha256(content).hexdigest()
