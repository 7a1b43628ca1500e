"""What the package needs is declared, and what it declares is what others may rely on."""

import ast
import re
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

from skcluster import __version__

ROOT = Path(__file__).parents[1]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
OPTIONAL = PROJECT["optional-dependencies"]
FILES = sorted((ROOT / "skcluster").rglob("*.py"))


def names_of(requirements):
    return {re.match(r"[\w.-]+", each).group().lower() for each in requirements}


def imported(path, *, at_once):
    """Packages of others that a module imports; `at_once`: outside of functions."""
    tree = ast.parse(path.read_text("utf-8"))
    inside = {
        id(node)
        for function in ast.walk(tree)
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef | ast.Try)
        for node in ast.walk(function)
    }
    for node in ast.walk(tree):
        if at_once and id(node) in inside:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and not node.level:
            yield node.module.partition(".")[0]


def distributions(modules):
    """Distributions that the modules come from, but for Python itself."""
    found = packages_distributions()
    others = set(modules) - {*sys.stdlib_module_names, "skcluster"}
    return {name.lower() for module in others for name in found.get(module, [module])}


def modules(*, at_once=False):
    return {name for path in FILES for name in imported(path, at_once=at_once)}


def test_what_is_imported_at_once_or_declared_is_needed_and_declared():
    needed = names_of(PROJECT["dependencies"])
    extras = names_of(each for extra in OPTIONAL.values() for each in extra)
    assert distributions(modules(at_once=True)) - extras <= needed
    assert needed <= distributions(modules()) <= needed | extras


@pytest.mark.parametrize("requirement", PROJECT["dependencies"])
def test_each_dependency_has_a_lowest_version(requirement):
    assert re.fullmatch(r"[\w-]+>=\d+(\.\d+)*", requirement)


def test_constraints_pin_what_is_declared():
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    pinned = names_of(line for line in lines if not line.startswith("#"))
    assert names_of(PROJECT["dependencies"]) - pinned <= {"tqdm", "threadpoolctl"}


def test_a_release_has_one_number_and_one_date():
    changes = (ROOT / "CHANGES.md").read_text("utf-8")
    version, date = re.search(r"^## (\S+) \((\S+)\)$", changes, flags=re.M).groups()
    citation = (ROOT / "CITATION.cff").read_text("utf-8")
    assert version == __version__
    assert f"version: {version}\n" in citation
    assert date == "unreleased" or f'date-released: "{date}"\n' in citation
