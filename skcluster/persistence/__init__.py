"""Store fitted models as files without code, from which nothing is executed on load."""

import importlib
from typing import TYPE_CHECKING

from .file_header import FORMAT, PACKAGES, read_header

if TYPE_CHECKING:
    from .known_types import OUR_TYPES
    from .model_files import load_model, save_model

__all__ = [
    "FORMAT",
    "OUR_TYPES",
    "PACKAGES",
    "load_model",
    "read_header",
    "save_model",
]


def __getattr__(name):
    # Reading a header is fast, because scikit-learn is only imported to load a model.
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module = "known_types" if name == "OUR_TYPES" else "model_files"
    return getattr(importlib.import_module(f".{module}", __name__), name)


def __dir__():
    return sorted({*globals(), *__all__})
