"""Every public name says what it is, what it takes, and shows it."""

import ast
import importlib
import inspect
import re
import textwrap

import pytest

import skcluster

docscrape = pytest.importorskip("numpydoc.docscrape")

MODULES = (
    "explain",
    "metrics",
    "posterior",
    "comparison",
    "plotting",
    "cosmology",
    "datasets",
)


def is_documented_kind(value):
    return inspect.isclass(value) or inspect.isfunction(value)


def public_objects():
    """Name -> class or function, of the package and of its modules for users."""
    found = {name: getattr(skcluster, name) for name in skcluster.__all__}
    for short in MODULES:
        module = importlib.import_module(f"skcluster.{short}")
        names = getattr(module, "__all__", None) or [
            name
            for name, value in vars(module).items()
            if not name.startswith("_")
            and getattr(value, "__module__", None) == module.__name__
        ]
        found |= {f"{short}.{name}": getattr(module, name) for name in names}
    return {name: value for name, value in found.items() if is_documented_kind(value)}


PUBLIC = public_objects()
each_name = pytest.mark.parametrize("name", PUBLIC)


def parsed(value):
    parse = docscrape.ClassDoc if inspect.isclass(value) else docscrape.FunctionDoc
    return parse(value)


def own_methods(cls):
    """Public methods that a class defines itself."""
    return {
        name: getattr(cls, name)
        for name in vars(cls)
        if not name.startswith("_") and inspect.isroutine(getattr(cls, name))
    }


def names_of(entry):
    """Names of one entry: `a, b : float` documents two; stars are taken off."""
    return [name.strip().lstrip("*") for name in entry.name.split(",")]


def documented(value, section):
    return [name for entry in parsed(value)[section] for name in names_of(entry)]


def stated_defaults(entry):
    """`ra, dec : str, default="RA", "DEC"` states two, `a, b : default=None` one."""
    _, _, text = entry.type.partition("default=")
    names = names_of(entry)
    values = text.split(", ") if text and len(names) > 1 else [text]
    return dict(zip(names, values * (len(names) // len(values)), strict=True))


def learned_attributes(cls):
    """What `fit` assigns to self."""
    if not hasattr(cls, "fit"):
        return set()
    tree = ast.parse(textwrap.dedent(inspect.getsource(cls.fit)))
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)
    }


def summary_of(value):
    return inspect.cleandoc(value.__doc__ or "").split("\n\n")[0]


def test_the_list_of_public_names_is_the_whole_package():
    assert {"PhotonMapper", "XrayCNNRegressor", "metrics.mass_scatter"} <= set(PUBLIC)
    assert {"datasets.make_mock_survey", "plotting.PhotonMapDisplay"} <= set(PUBLIC)
    for name in skcluster.__all__:
        assert getattr(skcluster, name).__doc__, name


@each_name
def test_summary_is_one_line_that_ends_in_a_period(name):
    summary = summary_of(PUBLIC[name])
    assert "\n" not in summary
    assert re.fullmatch(r"[A-Z0-9].*\.", summary.replace("`", "")), summary


@each_name
def test_public_methods_have_a_line_too(name):
    if not inspect.isclass(PUBLIC[name]):
        return
    methods = own_methods(PUBLIC[name]).items()
    silent = [method for method, value in methods if not summary_of(value)]
    assert silent == []


@each_name
def test_parameters_are_those_of_the_signature(name):
    value = PUBLIC[name]
    assert documented(value, "Parameters") == list(inspect.signature(value).parameters)


@each_name
def test_defaults_are_those_of_the_signature(name):
    parameters = inspect.signature(PUBLIC[name]).parameters
    for entry in parsed(PUBLIC[name])["Parameters"]:
        for one, text in stated_defaults(entry).items():
            default = parameters[one].default
            if default is inspect.Parameter.empty:
                assert text == "", one
            else:
                assert ast.literal_eval(text) == default, one


@each_name
def test_there_is_an_example(name):
    assert any(">>>" in line for line in parsed(PUBLIC[name])["Examples"])


@each_name
def test_learned_attributes_are_documented(name):
    cls = PUBLIC[name]
    if inspect.isclass(cls):
        assert learned_attributes(cls) <= set(documented(cls, "Attributes"))


def test_this_test_sees_what_is_learned():
    learned = learned_attributes(skcluster.RedshiftNormalizer)
    assert learned == {"slope_", "intercept_", "exposure_", "training_ranges_"}
