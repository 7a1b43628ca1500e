"""Store fitted models as files without code, from which nothing is executed on load."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names
from .file_header import FORMAT, read_header

if TYPE_CHECKING:
    from .known_types import OUR_TYPES as OUR_TYPES
    from .model_files import load_model as load_model
    from .model_files import save_model as save_model

_MODULE_OF_NAME = {
    "OUR_TYPES": "known_types",
    "load_model": "model_files",
    "save_model": "model_files",
}

__all__ = [*_MODULE_OF_NAME, "FORMAT", "read_header"]

# Reading a header is fast, because scikit-learn is only imported to load a model.
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_NAME)
