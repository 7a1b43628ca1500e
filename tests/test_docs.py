"""The pages tell the truth: their examples run, and what they name is there."""

import ast
import doctest
import importlib
import inspect
import itertools
import pydoc
import re
import runpy
import shlex
import sys
import textwrap
import tomllib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose

import skcluster
from skcluster.cli import main
from skcluster.datasets import make_mock_survey

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
MADE = ("_build", "gallery", "generated")
TEXTS = {
    path.relative_to(DOCS).with_suffix("").as_posix(): path.read_text("utf-8")
    for path in sorted(DOCS.rglob("*.rst"))
    if path.relative_to(DOCS).parts[0] not in (*MADE, "_templates")
}
EXAMPLES = {
    path.stem: path.read_text("utf-8") for path in (ROOT / "examples").glob("*.py")
}
POLICIES = [
    (ROOT / name).read_text("utf-8") for name in ("CONTRIBUTING.md", "SECURITY.md")
]
ALL_TEXT = "\n".join([*TEXTS.values(), *EXAMPLES.values(), *POLICIES])
MODULES = ("comparison", "cosmology", "model_selection")
PACKAGES = ("datasets", "explain", "metrics", "plotting")


def section(page, title):
    """Text of a page from one heading to the next."""
    _, rest = re.split(rf"^{re.escape(title)}\n[-=]+\n", TEXTS[page], flags=re.M)
    return re.split(r"^.+\n[-=]{3,}\n", rest, flags=re.M)[0]


def words(text):
    return " ".join(text.split())


@pytest.fixture
def workplace(tmp_path, monkeypatch):
    """An empty folder to run a page in, with one thread of torch."""
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    n_threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield tmp_path
    torch.set_num_threads(n_threads)
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def modules_on(page):
    """Modules that a page asks its reader to write: name of the file -> content."""
    pattern = r"^\.\. code-block:: python\n   :caption: (\w+\.py)\n\n((?:   .*\n|\n)+)"
    found = re.findall(pattern, TEXTS[page], flags=re.M)
    return {name: textwrap.dedent(content) for name, content in found}


RUNNABLE = [page for page, text in TEXTS.items() if ">>> " in text]


# A page may show a photon list of three photons, of which a network warns.
@pytest.mark.filterwarnings("ignore:.*lie far outside the training range")
@pytest.mark.filterwarnings("ignore:.*clusters have maps unlike")
@pytest.mark.filterwarnings("ignore:.*types that load_model refuses unless")
@pytest.mark.parametrize("page", RUNNABLE)
def test_the_examples_of_a_page_run_and_its_commands_succeed(
    page, workplace, monkeypatch
):
    if "save_model" in TEXTS[page]:
        pytest.importorskip("skops")
    if "plotting" in TEXTS[page]:
        pytest.importorskip("matplotlib")
    for name, module in modules_on(page).items():
        (workplace / name).write_text(module)
        monkeypatch.syspath_prepend(workplace)
    examples = doctest.DocTestParser().get_doctest(TEXTS[page], {}, page, page, 0)
    runner = doctest.DocTestRunner(
        optionflags=doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS
    )
    said = []
    assert runner.run(examples, out=said.append).failed == 0, "".join(said)
    for command in re.findall(r"^ +\$ skcluster (.+)$", TEXTS[page], flags=re.M):
        assert main(shlex.split(command)) == 0, command


def test_code_on_a_page_is_no_wider_than_its_box():
    # Boxes hold 98 characters at 1300 pixels; `make site-check` measures them in a browser.
    code = re.compile(r"^ *(?:\$ |>>> |\.\.\. )(.+)$", re.M)
    wide = [
        line for text in TEXTS.values() for line in code.findall(text) if len(line) > 96
    ]
    assert wide == []


def test_the_quickstart_shows_each_command_that_reads_or_writes_files():
    shown = re.findall(r"\$ skcluster (\w+)", TEXTS["quickstart"])
    assert {*shown} == {"simulate", "train", "predict"}


def test_every_test_that_a_page_names_exists():
    named = set(re.findall(r"(tests/\w+\.py)::(\w+)", ALL_TEXT))
    tests = {
        (file, node.name)
        for file, _ in named
        for node in ast.walk(ast.parse((ROOT / file).read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.ClassDef)
        and node.name.lower().startswith("test")
    }
    assert len(named) > 30
    assert named - tests == set()
    files = set(re.findall(r"tests/\w+\.py", ALL_TEXT))
    assert [file for file in sorted(files) if not (ROOT / file).exists()] == []


def test_every_object_that_a_page_names_exists():
    named = set(re.findall(r"(?:`~?|autodata:: )(skcluster\.\w[\w.]*\w)", ALL_TEXT))
    assert len(named) > 20
    assert [name for name in sorted(named) if pydoc.locate(name) is None] == []


def test_every_file_target_and_extra_that_a_page_names_exists():
    scripts = re.findall(r"python (\S+\.py)", ALL_TEXT)
    assert [script for script in scripts if not (ROOT / script).exists()] == []
    makefile = (ROOT / "Makefile").read_text("utf-8")
    for target in re.findall(r"\$ make (\w+)", ALL_TEXT):
        assert re.search(rf"^{target}:", makefile, flags=re.M), target
    for variable in re.findall(r"\$ make \w+ (\w+)=", ALL_TEXT):
        assert f"$({variable})" in makefile
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    extras = ",".join(re.findall(r"(?:skcluster|\.)\[([\w,]+)\]", ALL_TEXT))
    assert {*extras.split(",")} == {"plot", "io", "explain", "completion", "dask"}
    assert {*extras.split(",")} <= set(project["optional-dependencies"])


@pytest.mark.parametrize("shape", ["wide", "tall"])
def test_the_diagram_is_made_of_public_names(shape):
    drawing = runpy.run_path(str(DOCS / "flow_diagram.py"))
    picture = ElementTree.fromstring(drawing["PICTURES"][shape]())
    svg = "{http://www.w3.org/2000/svg}"
    links = [link.get("href") for link in picture.iter(f"{svg}a")]
    names = [link.find(f"{svg}text").text for link in picture.iter(f"{svg}a")]
    assert links == [f"generated/skcluster.{name}.html" for name in names]
    assert len(names) > 12
    assert {*names} - {*skcluster.__all__} == set()


@pytest.mark.parametrize("shape", ["wide", "tall"])
def test_the_boxes_of_the_diagram_lie_apart_and_inside(shape):
    drawing = runpy.run_path(str(DOCS / "flow_diagram.py"))
    picture = ElementTree.fromstring(drawing["PICTURES"][shape]())
    width, height = map(float, picture.get("viewBox").split()[2:])
    boxes = [
        [float(box.get(name)) for name in ("x", "y", "width", "height")]
        for box in picture.iter("{http://www.w3.org/2000/svg}rect")
    ]
    for x, y, w, h in boxes:
        assert 0 <= x <= x + w <= width
        assert 0 <= y <= y + h <= height
    for (x, y, w, h), (x2, y2, w2, h2) in itertools.combinations(boxes, 2):
        assert x + w < x2 or x2 + w2 < x or y + h < y2 or y2 + h2 < y


def public_names():
    """Names that users import, relative to the package."""
    names = {name for name in skcluster.__all__ if name != "datasets"}
    for package in PACKAGES:
        public = getattr(skcluster, package).__all__
        public = {name for name in public if name not in names and not name.isupper()}
        names |= {f"{package}.{name}" for name in public}
    for short in MODULES:
        module = importlib.import_module(f"skcluster.{short}")
        made_here = {
            name
            for name, value in vars(module).items()
            if getattr(value, "__module__", None) == module.__name__
            or name.startswith("neg_")
        }
        public = {name for name in made_here - names if not name.startswith("_")}
        public &= {*getattr(module, "__all__", public)}
        names |= {f"{short}.{name}" for name in public}
    networks = importlib.import_module("skcluster.networks")
    public = {name for name in networks.__all__ if not name.isupper()}
    return names | {f"networks.{name}" for name in public}


def test_the_reference_lists_all_public_names_and_no_private_ones():
    summaries = re.findall(r"^   ([A-Za-z]\w*(?:\.\w+)?)$", TEXTS["api"], flags=re.M)
    scorers = re.findall(r"autodata:: skcluster\.(\S+)", TEXTS["api"])
    listed = [*summaries, *scorers]
    assert public_names() - {*listed} == set()
    assert len({*listed}) == len(listed)
    found = {name: pydoc.locate(f"skcluster.{name}") for name in listed}
    assert [name for name, value in found.items() if value is None] == []


def identifiers_of_the_package():
    """Names, attributes, arguments and strings that occur in the code."""
    for path in (ROOT / "skcluster").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            for field in ("id", "attr", "arg", "name", "value"):
                if isinstance(text := getattr(node, field, None), str):
                    yield text


def test_every_name_in_the_vocabulary_is_used_in_the_code():
    rows = section("vocabulary", "Quantities").split("\n   * - ")[2:]
    cells = [re.split(r"\n     -", row)[2] for row in rows]
    named = {name for cell in cells for name in re.findall(r"``(\w+)``", cell)}
    assert len(named) > 25
    assert named - {*identifiers_of_the_package()} == set()


def test_the_paper_page_has_every_equation():
    pattern = r"Eqs?\.\s(\d+)(?:\s(to|and)\s(\d+))?"
    found = set()
    for first, joint, last in re.findall(pattern, TEXTS["paper"]):
        last = int(last or first)
        found |= {*range(int(first), last + 1)} if joint == "to" else {int(first), last}
    assert found == {*range(1, 15)}


def test_dex_and_percent_of_table_3_are_the_same_numbers():
    rows = re.findall(r'^   "(.+)", (0\.\d+), (\d+\.\d+)$', TEXTS["paper"], flags=re.M)
    dex, percent = np.array([row[1:] for row in rows], float).T
    assert len(rows) == 19
    assert_allclose(percent, 100 * np.log(10) * dex, atol=0.00005 * 230.3 + 0.005)


def test_the_mock_page_says_what_the_mock_says_of_itself():
    _, *paragraphs, _ = make_mock_survey(1, random_state=0).DESCR.split("\n\n")
    assert len(paragraphs) == 3
    page = words(TEXTS["mock"])
    assert [text for text in map(words, paragraphs) if text not in page] == []


def test_the_mock_page_has_every_switch_with_its_default():
    rows = re.findall(
        r"\* - ``(\w+)``\n +- ``(.+)``", section("mock", "Switches"), flags=re.M
    )
    parameters = inspect.signature(make_mock_survey).parameters
    others = {"n_clusters", "random_state", "n_jobs", "verbose"}
    switches = {n: repr(p.default) for n, p in parameters.items() if n not in others}
    assert dict(rows) == switches


DECISIONS = [page for page in TEXTS if page.startswith("decisions/0")]


@pytest.mark.parametrize("page", DECISIONS)
def test_a_decision_is_half_a_page_of_context_choice_and_cost(page):
    headings = re.findall(r"^(.+)\n-{3,}$", TEXTS[page], flags=re.M)
    assert headings == ["Context", "Choice", "What we gave up"]
    assert len(TEXTS[page].split()) < 350


def test_decisions_are_numbered_in_a_row():
    numbers = [int(re.search(r"\d{4}", page)[0]) for page in DECISIONS]
    assert numbers == [*range(1, len(DECISIONS) + 1)]
