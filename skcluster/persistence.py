"""Fitted models as files that hold no code: nothing is executed on load."""

import importlib.metadata
import os
import tempfile
import warnings

FORMAT = 1
PACKAGES = ("skcluster", "scikit-learn", "numpy", "torch")
OUR_TYPES = (
    "skcluster.calibration.CalibratedMassRegressor",
    "skcluster.maps.LogScaler",
    "skcluster.maps.PhotonMapper",
    "skcluster.maps.RedshiftNormalizer",
    "skcluster.model_selection.QuadrantGroupKFold",
    "skcluster.proxies.ProxyMeasurer",
    "skcluster.domain.MapOutlierDetector",
    "skcluster.evrard.regressor.EvrardProxyRegressor",
    "skcluster.phase_space.kde.PhaseSpaceKDE",
    "skcluster.regressors.joint.JointCNNRegressor",
    "skcluster.regressors.xray.XrayCNNRegressor",
    "skcluster.rotation.RotationAugmentedRegressor",
    "skcluster.sample.sparse_maps.MapGeometry",
)


def save_model(model, path):
    """Store a fitted estimator or pipeline.

    The file (of the skops library) holds parameters, arrays and the names of classes.
    It is replaced at a stroke: an interrupted save leaves the old file whole.

    Parameters
    ----------
    model : estimator
    path : str or path-like

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
    header = {"format": FORMAT, "versions": _versions()}
    folder = os.path.dirname(os.path.abspath(path))
    handle, partial = tempfile.mkstemp(dir=folder, suffix=".part")
    os.close(handle)
    try:
        _dump(skops_io, {"header": header, "model": model}, partial)
        os.chmod(partial, 0o644)
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def load_model(path, *, trusted=()):
    """Load what `save_model` stored.

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
    try:
        unknown = set(skops_io.get_untrusted_types(file=path)) - {*OUR_TYPES, *trusted}
    except FileNotFoundError:
        raise
    except Exception as error:
        raise ValueError(
            f"{path} is not a model that save_model wrote ({error}). A pickle is loaded "
            "with joblib.load, which runs the code inside: only if you made it yourself."
        ) from error
    if unknown:
        raise ValueError(
            f"{path} holds {len(unknown)} types that skcluster does not vouch for: "
            f"{sorted(unknown)}. If you know them, pass trusted={sorted(unknown)}."
        )
    content = skops_io.load(path, trusted=[*OUR_TYPES, *trusted])
    header = content.get("header") if isinstance(content, dict) else None
    if header is None:
        raise ValueError(
            f"{path} is a skops file, but not one that save_model wrote: it holds "
            f"{type(content).__name__}. Load it with skops.io.load."
        )
    if header["format"] > FORMAT:
        raise ValueError(
            f"{path} was written by skcluster {header['versions']['skcluster']}, in a "
            "newer format than this one reads. Upgrade skcluster."
        )
    _warn_of_other_versions(path, header["versions"])
    return content["model"]


def _dump(skops_io, content, path):
    try:
        skops_io.dump(content, path)
    except (TypeError, RuntimeError) as error:
        raise TypeError(
            f"The model holds what skops cannot store ({error}). Parameters must be "
            'numbers, texts or arrays: give a cosmology by name, such as "WMAP7", and '
            "take callbacks off with set_params(callbacks=None)."
        ) from error


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


def _versions():
    return {name: importlib.metadata.version(name) for name in PACKAGES}


def _warn_of_other_versions(path, stored):
    for name, now in _versions().items():
        if stored[name].split(".")[:2] != now.split(".")[:2]:
            warnings.warn(
                f"{path} was stored with {name} {stored[name]}, and this is {now}: check "
                "its predictions on a few known clusters.",
                UserWarning,
                stacklevel=3,
            )
