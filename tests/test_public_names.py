"""Public names: one list in the package, where the rule says, and seen by type checkers.

Run as a script, this writes ``skcluster/__init__.pyi`` from the list.
"""

import ast
import importlib
import inspect
import pkgutil
import re
import subprocess
import sys
from pathlib import Path

import pytest
from sklearn.base import BaseEstimator
from sklearn.model_selection import BaseCrossValidator

import skcluster

PACKAGE = Path(skcluster.__file__).parent
STUB = PACKAGE / "__init__.pyi"
API = (Path(__file__).parents[1] / "docs" / "api.rst").read_text("utf-8")
# Classes that others are built on, or that serve inside of others.
INSIDE = {"SampleTransformer", "NeuralMassRegressor", "MassNet", "WeighingRegressor"}
INSIDE |= {"TakesSample", "WorksUnfitted"}
HEAVY = ("torch", "sklearn", "matplotlib", "astropy", "scipy", "numpy")


def stub():
    """Text of the stub: an import of every name and module of the list."""
    modules = [f"from . import {name} as {name}" for name in skcluster._MODULES]
    names = [
        f"from .{module} import {name} as {name}"
        for module, names in skcluster._NAMES_OF_MODULE.items()
        for name in names
    ]
    exported = [f'    "{name}",' for name in skcluster.__all__]
    return "\n".join(
        [
            "# Written by tests/test_public_names.py from the list in __init__.py.",
            "# ruff: noqa: I001",
            *modules,
            *names,
            "",
            "__version__: str",
            "__all__ = [",
            *exported,
            "]",
            "",
        ]
    )


def modules_of_the_package():
    found = pkgutil.walk_packages([str(PACKAGE)], "skcluster.")
    return [m.name for m in found if not m.name.endswith("__main__")]


def classes_of_the_package():
    for module in map(importlib.import_module, modules_of_the_package()):
        for name, value in vars(module).items():
            own = inspect.isclass(value) and value.__module__ == module.__name__
            if own and not name.startswith("_"):
                yield name, value


def test_the_stub_for_type_checkers_is_the_list():
    assert STUB.read_text("utf-8") == stub(), "Run python tests/test_public_names.py."


def test_type_checkers_know_that_the_package_has_types():
    assert (PACKAGE / "py.typed").exists()


def test_imports_of_the_stub_find_what_they_name():
    for node in ast.parse(stub()).body:
        if isinstance(node, ast.ImportFrom) and node.module:
            module = importlib.import_module(f"skcluster.{node.module}")
            assert all(hasattr(module, alias.name) for alias in node.names)


@pytest.mark.parametrize("name", skcluster.__all__)
def test_a_name_on_top_is_that_of_its_module(name):
    value = getattr(skcluster, name)
    module = importlib.import_module(
        f"skcluster.{skcluster._MODULE_OF_NAME.get(name, name)}"
    )
    assert value is getattr(module, name, module)
    assert name in dir(skcluster)


def test_every_class_for_a_pipeline_a_search_or_cv_is_on_top():
    kinds = (BaseEstimator, BaseCrossValidator)
    found = {
        name for name, value in classes_of_the_package() if issubclass(value, kinds)
    }
    assert found - INSIDE <= set(skcluster.__all__)


def test_readers_and_writers_are_on_top():
    for module in ("io", "evrard"):
        names = importlib.import_module(f"skcluster.{module}").__all__
        verbs = {n for n in names if n.split("_")[0] in ("read", "write")}
        assert verbs <= set(skcluster.__all__)


@pytest.mark.parametrize("module", ["metrics", "plotting", "datasets", "cosmology"])
def test_what_is_called_by_its_modules_name_is_not_on_top(module):
    names = vars(importlib.import_module(f"skcluster.{module}"))
    assert not {name for name in names if name in skcluster._MODULE_OF_NAME} - {
        # What a module only uses.
        *(n for n in names if getattr(names[n], "__module__", "").count(module) == 0)
    }


def test_bases_for_steps_and_estimators_of_others_are_reachable():
    from skcluster.posterior import MassPosterior, PosteriorMixin
    from skcluster.sample import SampleTransformer

    assert issubclass(skcluster.PhotonMapper, SampleTransformer)
    assert issubclass(skcluster.XrayCNNRegressor, PosteriorMixin)
    assert MassPosterior.__module__.startswith("skcluster.posterior")
    with pytest.raises(
        AttributeError, match=r"'skcluster\.sample' has no attribute 'no'"
    ):
        skcluster.sample.no  # noqa: B018


def test_modules_of_the_documentation_are_there_after_the_import():
    documented = set(re.findall(r"^   (?:skcluster\.)?(\w+)\.\w+$", API, flags=re.M))
    assert documented <= set(skcluster._MODULES)
    code = "import skcluster\n" + "\n".join(
        f"assert skcluster.{name}.__name__ == 'skcluster.{name}'"
        for name in skcluster._MODULES
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_import_of_the_package_alone_loads_nothing_heavy():
    code = f"import sys, skcluster; print(sorted({HEAVY} & sys.modules.keys()))"
    code = code.replace(str(HEAVY), str(set(HEAVY)))
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_a_name_that_is_not_there_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'skcluster' has no attribute 'photons'"):
        skcluster.photons  # noqa: B018


if __name__ == "__main__":
    STUB.write_text(stub(), "utf-8")
