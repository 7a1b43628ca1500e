"""Store fitted models, and load them without running anything that is in the file."""

import contextlib
import importlib
import io
import json
import warnings
import zipfile

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from ..estimator_parts import parts
from ..io.atomic import atomic_replace
from .archive import damaged, pack
from .description import default_parameters
from .header import (
    HEADER,
    SCHEMA,
    make_header,
    pack_header,
    read_whole,
    versions,
)
from .known_types import OUR_TYPES, public_name
from .schema import unvouched_types


def save_model(model, path, *, folds=None, notes=None):
    """Store a fitted estimator or pipeline.

    The file (of the skops library) holds parameters, arrays and the names of classes,
    and a header that tells what it is (see `read_header`). It is replaced at a stroke:
    an interrupted save leaves the old file whole.

    Parameters
    ----------
    model : estimator
    path : str or path-like
    folds : array-like of int of shape (n_clusters,), dict of str -> int or None, \
default=None
        Label of the fold of each training cluster, or of each by its name, to be kept in
        the header: with them a later user can keep apart what was held out.
    notes : str or None, default=None
        Kept in the header.

    Raises
    ------
    OSError
        The folder is missing or read-only, or the disk is full. The old file, if any,
        is as it was.
    TypeError
        The model holds what cannot be stored without code.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skcluster import EvrardProxyRegressor, load_model, save_model
    >>> log_mass = np.linspace(13.5, 15, 20)
    >>> proxy = 1.5 * log_mass[:, None] + np.sin(np.arange(20.0))[:, None]
    >>> model = EvrardProxyRegressor().fit(proxy, log_mass)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(model, path)
    ...     loaded = load_model(path)
    >>> bool((loaded.predict(proxy) == model.predict(proxy)).all())
    True
    """
    skops_io = require_skops()
    if not isinstance(model, BaseEstimator):
        raise TypeError(f"save_model stores estimators, got {type(model).__name__}.")
    header = make_header(model, folds=folds, notes=notes)
    with atomic_replace(path) as file:
        members = _dump(skops_io, {"model": model})
        file.write(pack({HEADER: pack_header(header, members), **members}))


def load_model(path, *, trusted=()):
    """Load what `save_model` stored.

    The file is checked before anything of it is used: that it is whole, by the hashes in
    its header, that it holds nothing but data and types that are known, and that no
    array claims more than is there. A
    parameter that was added to an estimator after its file was written gets its default.

    Parameters
    ----------
    path : str or path-like
    trusted : sequence of str, default=()
        Types from elsewhere that the file may hold; those of skcluster and
        scikit-learn are known. A refused file names the types that it needs.

    Returns
    -------
    model : estimator
        Ready to predict, on any device.

    Raises
    ------
    ValueError
        The file is not a model, is damaged, has a newer format, or holds other types.
    OSError
        It cannot be read.

    Examples
    --------
    >>> import os, tempfile
    >>> from skcluster import RedshiftNormalizer, load_model, save_model
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "model.skops")
    ...     save_model(RedshiftNormalizer(pivot_count=1000.0), path)
    ...     load_model(path)
    RedshiftNormalizer(pivot_count=1000.0)
    """
    skops_io = require_skops()
    header, members = read_whole(path)
    content, known = pack(members), {*OUR_TYPES, *trusted}
    with _told_as_damage(path):
        unknown = _unknown_types(skops_io, content, members, known)
    if unknown:
        named = sorted({*unknown, *trusted})
        raise ValueError(
            f"{path} holds {len(unknown)} types that skcluster does not vouch for: "
            f"{sorted(unknown)}. If you know them, pass trusted={named}."
        )
    with _told_as_damage(path), warnings.catch_warnings():
        # Each step would tell of its version; the warning below tells it once.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = skops_io.loads(content, trusted=sorted(known))["model"]
        _fill_parameters(model)
    _warn_of_other_versions(path, header.versions)
    return model


def require_skops():
    """The module skops.io, or an error that says how to install it."""
    try:
        import skops.io
    except ImportError as error:
        raise ImportError(
            "Models are stored by skops, which is not installed: "
            'pip install "skcluster[io]".'
        ) from error
    return skops.io


def _dump(skops_io, content):
    """Members of the skops file that holds the content."""
    try:
        dumped = skops_io.dumps(content)
    except (TypeError, RuntimeError) as error:
        raise TypeError(
            f"The model holds what skops cannot store ({error}). Parameters must be "
            'numbers, texts or arrays: give a cosmology by name, such as "WMAP7", and '
            "take callbacks off with set_params(callbacks=None)."
        ) from error
    with zipfile.ZipFile(io.BytesIO(dumped)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    schema = json.loads(members[SCHEMA])
    _use_public_names(schema)
    return {**members, SCHEMA: json.dumps(schema).encode()}


def _use_public_names(part):
    """Name our types in a schema as the documentation does, whose names stay."""
    if isinstance(part, dict) and str(part.get("__module__")).startswith("skcluster."):
        cls = getattr(importlib.import_module(part["__module__"]), part["__class__"])
        part["__module__"] = public_name(cls).rpartition(".")[0]
    children = part.values() if isinstance(part, dict) else part
    for child in children:
        if isinstance(child, dict | list):
            _use_public_names(child)


def _unknown_types(skops_io, content, members, known):
    unknown = unvouched_types(json.loads(members[SCHEMA]), members) - known
    try:
        return unknown | {*skops_io.get_untrusted_types(data=content)} - known
    except Exception:
        if unknown:
            return unknown
        raise


@contextlib.contextmanager
def _told_as_damage(path):
    # What a malformed file makes skops, numpy, torch and the estimators raise is of any
    # class; warnings that the caller made errors are about something else.
    try:
        yield
    except Warning:
        raise
    except Exception as error:
        raise damaged(path, f"{error} ({type(error).__name__})") from error


def _fill_parameters(model):
    """Give the parameters that a state lacks their defaults.

    Attributes that `fit` learns have none: code that reads a newer one asks
    ``getattr(self, name, None)``.
    """
    for part, _ in parts(model):
        missing = default_parameters(type(part)).keys() - vars(part).keys()
        for name in missing:
            setattr(part, name, default_parameters(type(part))[name])


def _warn_of_other_versions(path, stored):
    for name, now in versions().items():
        if stored[name].split(".")[:2] != now.split(".")[:2]:
            warnings.warn(
                f"{path} was stored with {name} {stored[name]}, and this is {now}: check "
                "its predictions on a few known clusters.",
                UserWarning,
                stacklevel=3,
            )
