"""Fitted models as files that hold no code: nothing is executed on load."""

from .header import FORMAT, PACKAGES, read_header
from .known_types import OUR_TYPES
from .models import load_model, require_skops, save_model

__all__ = [
    "FORMAT",
    "OUR_TYPES",
    "PACKAGES",
    "load_model",
    "read_header",
    "require_skops",
    "save_model",
]
