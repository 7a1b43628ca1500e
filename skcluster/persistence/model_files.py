"""Store fitted models, and load them without executing anything in the file."""

import contextlib
import warnings

from sklearn.base import BaseEstimator
from sklearn.exceptions import InconsistentVersionWarning

from ..io.atomic import atomic_replace
from ..printable import printable
from ..versions import versions_of_models
from .archive import HEADER, damaged, pack
from .file_header import pack_header, read_verified
from .model_description import describe_model
from .schema_reader import SchemaReader
from .schema_writer import write_schema


def save_model(model, path, *, folds=None, notes=None) -> None:
    """Store a fitted estimator or pipeline.

    The file holds parameters, arrays and the names of classes, in the format of the skops
    library, and a header that describes the model (see `read_header`). It is written
    atomically: an interrupted save leaves the old file as it was.

    Paths and devices are stored as strings, a cosmology by its name or parameters. The
    folders ``memory`` and ``checkpoint_dir`` and a ``warm_start`` are not stored: the
    loaded model has None and False there.

    Parameters
    ----------
    model : estimator
    path : str or path-like
    folds : array-like of int of shape (n_clusters,), dict of str -> int or None, \
default=None
        Fold of each training cluster, in their order or by name, stored in the header:
        with it a later user knows which clusters were held out.
    notes : str or None, default=None
        Any text, stored in the header.

    Raises
    ------
    OSError
        The folder is missing or read-only, or the disk is full. An old file is
        unchanged.
    TypeError
        The model holds something that cannot be stored without code.

    Warns
    -----
    UserWarning
        The model holds types that `load_model` loads only if they are named in
        ``trusted``; the warning names them.

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
    if not isinstance(model, BaseEstimator):
        raise TypeError(f"save_model stores estimators, got {type(model).__name__}.")
    with atomic_replace(path) as file:
        members = write_schema(model)
        header = describe_model(model, folds=folds, notes=notes)
        needed = _types_to_trust(model, members)
        file.write(pack({HEADER: pack_header(header, members), **members}))
    if needed:
        warnings.warn(
            f"{printable(path)} holds {len(needed)} types that load_model refuses "
            f"unless you trust them: load_model(path, trusted={needed}).",
            UserWarning,
            stacklevel=2,
        )


def load_model(path, *, trusted=()):
    """Load a model that `save_model` stored.

    The file is checked before any part of it is used: it must be complete (by the
    hashes in its header), hold only data and known types, and hold all bytes that its
    arrays claim. A parameter that was added to an estimator after its file was written
    gets its default.

    Parameters
    ----------
    path : str or path-like
    trusted : sequence of str, default=()
        Names of other types that the file may hold. Known are those of skcluster, and
        the types of scikit-learn that can do no harm with any numbers in the file. A
        refused file names the types that it needs. They are imported and loaded without
        checks, so name them only if you trust the author of the file.

    Returns
    -------
    model : estimator
        Ready to predict, on any device.

    Raises
    ------
    TypeError
        `trusted` is a string.
    ValueError
        The file is not a model, is damaged, has a newer format, or holds other types.
    OSError
        The file cannot be read.
    ImportError
        A trusted type cannot be imported, or needs skops to be loaded.

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
    if isinstance(trusted, str):
        raise TypeError(
            f"trusted must be a list of names, got a string. Give trusted=[{trusted!r}]."
        )
    header, members = read_verified(path)
    with as_damaged_file_error(path):
        reader = SchemaReader(members, trusted)
    if reader.unknown:
        named = sorted({*reader.unknown, *trusted})
        raise ValueError(
            f"{printable(path)} holds {len(reader.unknown)} types that skcluster does not "
            f"vouch for: {sorted(reader.unknown)}. If you trust the author of the file, "
            f"pass trusted={named}."
        )
    with as_damaged_file_error(path), warnings.catch_warnings():
        # Each step would warn about its version; the warning below replaces these.
        warnings.simplefilter("ignore", InconsistentVersionWarning)
        model = reader.build()
    _warn_of_other_versions(path, header.versions)
    return model


@contextlib.contextmanager
def as_damaged_file_error(path):
    """Turn errors of any class into a ValueError which says that a file is damaged.

    Parameters
    ----------
    path : str or path-like
    """
    # For a malformed file numpy, torch and the estimators raise errors of any class.
    # Warnings that the caller has turned into errors mean something else.
    try:
        yield
    except (Warning, ImportError):
        raise
    except Exception as error:
        raise damaged(path, f"{error} ({type(error).__name__})") from error


def _types_to_trust(model, members):
    """Check members as load_model does, and return the names of types that it refuses."""
    try:
        return sorted(SchemaReader(members).unknown)
    except (ValueError, RecursionError) as error:
        raise TypeError(
            f"The {type(model).__name__} cannot be stored, because load_model would refuse "
            f"the file: {error}"
        ) from error


def _warn_of_other_versions(path, stored):
    for name, now in versions_of_models().items():
        if stored[name].split(".")[:2] != now.split(".")[:2]:
            warnings.warn(
                f"{printable(path)} was stored with {name} {stored[name]}, and this is "
                f"{now}: check its predictions on a few known clusters.",
                UserWarning,
                stacklevel=3,
            )
