"""Versions: our own, those on which predictions depend, and all that a report names."""

import os
import platform
import sys

__version__ = "0.1.0"

OF_MODELS = ("skcluster", "scikit-learn", "numpy", "torch")
"""Packages that the predictions of a model depend on."""
PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "astropy", "torch", "skorch", "joblib", "tqdm"),
    "threadpoolctl",
    *("matplotlib", "pyarrow", "skops", "captum", "argcomplete", "distributed"),
)
"""What is needed, and what extras add."""


def versions_of_models():
    """Versions of the packages that the predictions of a model depend on, by name.

    Examples
    --------
    >>> [*versions_of_models()]
    ['skcluster', 'scikit-learn', 'numpy', 'torch']
    """
    return {name: _version(name) for name in OF_MODELS}


def show_versions() -> None:
    """Print the versions of Python, of the packages that are used, and the devices.

    Examples
    --------
    >>> import skcluster
    >>> skcluster.show_versions()  # doctest: +ELLIPSIS
    skcluster     ...
    python        ...
    """
    lines = {**_system(), **{name: _version(name) for name in PACKAGES}}
    for name, text in lines.items():
        print(f"{name:14}{text}")


def _system():
    return {
        "skcluster": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "CPUs": os.cpu_count(),
        "GPUs": _gpus(),
    }


def _version(name):
    if name == "skcluster":
        return __version__  # also of code that runs without being installed
    # Costs more than the rest of `import skcluster`.
    import importlib.metadata

    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _gpus():
    try:
        import torch
    except ImportError:
        return "unknown without torch"
    names = [torch.cuda.get_device_name(i) for i in range(torch.cuda.device_count())]
    return ", ".join(names) or "none"
