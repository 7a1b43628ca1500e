"""The header of a model file: what it holds and who wrote it, for people and programs."""

import datetime
import hashlib
import importlib.metadata
import json
import platform
from collections.abc import Mapping

import numpy as np
from sklearn.utils import Bunch

from .archive import damaged, read_members
from .description import describe, facts

FORMAT = 1
PACKAGES = ("skcluster", "scikit-learn", "numpy", "torch")
HEADER, SCHEMA = "header.json", "schema.json"
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


def read_header(path):
    """Read what a model file says of itself, and check that it is whole.

    Nothing of the model is loaded, and skops is not needed. All members of the file are
    compared with the hashes in its header.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : Bunch
        ``format`` : int;
        ``written`` : str, UTC;
        ``versions`` : dict, of skcluster, scikit-learn, numpy, torch and python;
        ``notes`` : str;
        ``model`` : dict, its ``class`` and ``parameters`` other than the defaults;
        ``target`` : str, with its unit;
        ``bands`` [keV], ``n_pixels``, ``half_width`` [comoving Mpc/h], ``cosmology`` : of
        the maps that it takes;
        ``training_ranges`` : dict of name -> [low, high];
        ``n_weights`` : int, of all networks;
        ``folds`` : as given to `save_model`;
        ``sha256`` : dict, hash of each other member.
        What is not known is None.

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
    return read_whole(path)[0]


def read_whole(path):
    """The header of a file, and its other members after a comparison with it.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    header : Bunch
    members : dict of str -> bytes
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
    header = _from_json(path, HEADER, members.pop(HEADER))
    _check_header(path, header)
    _check_members(path, header, members)
    return Bunch(**{name: header.get(name) for name in FIELDS}), members


def make_header(model, *, folds=None, notes=None):
    """All of the header but the hashes; see `read_header`.

    Parameters
    ----------
    model : estimator
    folds, notes : as for `save_model`
    """
    if not isinstance(notes, str | None):
        raise TypeError(f"notes must be a text, got {type(notes).__name__}.")
    now = datetime.datetime.now(datetime.UTC)
    return {
        "format": FORMAT,
        "written": now.strftime("%Y-%m-%d %H:%M:%S UTC"),
        "versions": {**versions(), "python": platform.python_version()},
        "notes": notes,
        "model": describe(model),
        **facts(model),
        "folds": _checked_folds(folds),
    }


def pack_header(header, members):
    """The header as JSON, one field a line, with the hashes of the other members."""
    header = {**header, "sha256": {name: _hash(members[name]) for name in members}}
    fields = [f"{json.dumps(name)}: {json.dumps(header[name])}" for name in header]
    return ("{\n" + ",\n".join(fields) + "\n}\n").encode()


def versions():
    """Name -> installed version of the packages that a model depends on."""
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _from_json(path, name, content):
    try:
        return json.loads(content)
    except (ValueError, RecursionError) as error:
        raise damaged(path, f"its {name} is no JSON ({error}).") from error


def _check_header(path, header):
    written = header.get("format") if isinstance(header, dict) else None
    if type(written) is not int or written < 1:
        raise damaged(path, "its header tells no format.")
    stored = header.get("versions")
    if not _are_texts(stored) or not {*PACKAGES} <= {*stored}:
        raise damaged(path, "its header does not tell the versions.")
    if written > FORMAT:
        raise ValueError(
            f"{path} was written by skcluster {stored['skcluster']}, in a newer format "
            f"({written}) than this one reads ({FORMAT}). Upgrade skcluster."
        )
    for name, kind in COMPOSED.items():
        value = header.get(name)
        if value is not None and not isinstance(value, kind):
            raise damaged(path, f"{name} in its header is {value!r:.99}.")


def _check_members(path, header, members):
    hashes = header.get("sha256")
    if not _are_texts(hashes):
        raise damaged(path, "its header tells no hashes.")
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


def _are_texts(value):
    return isinstance(value, dict) and all(
        isinstance(text, str) and text.isprintable() for text in value.values()
    )


def _hash(content):
    return hashlib.sha256(content).hexdigest()


def _checked_folds(folds):
    if folds is None:
        return None
    is_mapping = isinstance(folds, Mapping)
    labels = np.asarray([*folds.values()] if is_mapping else folds)
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(
            "folds must be one integer label per training cluster, or a dict of cluster "
            f"name -> label, got labels of shape {labels.shape} and type {labels.dtype}."
        )
    if is_mapping:
        return dict(zip(map(str, folds), labels.tolist(), strict=True))
    return labels.tolist()
