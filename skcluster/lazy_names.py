"""Names that a package imports when they are first asked for."""

import importlib
import sys


def lazy_names(package, module_of_name):
    """Return ``__getattr__`` and ``__dir__`` of a package that imports its parts late.

    Parameters
    ----------
    package : str
        ``__name__`` of the package. It defines ``__all__``.
    module_of_name : dict of str to str
        Module of each name, relative to the package; a module stands for itself.

    Examples
    --------
    >>> find, _ = lazy_names("skcluster", {"mass_scatter": "metrics", "metrics": "metrics"})
    >>> find("mass_scatter") is find("metrics").mass_scatter
    True
    """

    def __getattr__(name):
        if name not in module_of_name:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        module = importlib.import_module(f".{module_of_name[name]}", package)
        return module if name == module_of_name[name] else getattr(module, name)

    def __dir__():
        return sorted({*vars(sys.modules[package]), *module_of_name})

    return __getattr__, __dir__
