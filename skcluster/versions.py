"""Versions of everything that a report of a problem should name."""

import importlib.metadata
import os
import platform
import sys

PACKAGES = (
    *("numpy", "scipy", "scikit-learn", "astropy", "torch", "skorch", "joblib", "tqdm"),
    "threadpoolctl",
    *("matplotlib", "pyarrow", "skops", "captum", "argcomplete", "distributed"),
)
"""What is needed, and what extras add."""


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
        "skcluster": _version("skcluster"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "system": platform.platform(),
        "CPUs": os.cpu_count(),
        "GPUs": _gpus(),
    }


def _version(name):
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
