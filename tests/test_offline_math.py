"""Every formula of the pages and docstrings can be drawn by a browser without a network."""

import re
import runpy
from html import unescape
from pathlib import Path
from xml.etree import ElementTree

import pytest

pytest.importorskip("docutils.utils.math")
ROOT = Path(__file__).parents[1]
MATH = runpy.run_path(str(ROOT / "docs" / "offline_math.py"))
SOURCES = [
    path
    for path in (*(ROOT / "docs").rglob("*.rst"), *(ROOT / "skcluster").rglob("*.py"))
    if not {"_build", "gallery", "generated"} & {*path.parts}
]
INLINE = re.compile(r":math:`([^`]+)`")
BLOCK = re.compile(r"^( *)\.\. math::\n\n((?:\1 +.*\n|\n)+)", re.M)


def parsed(formula):
    """Elements of a formula; the names of characters that only HTML knows are resolved."""
    named = re.compile(r"&(?!lt;|gt;|amp;)\w+;")
    return ElementTree.fromstring(named.sub(lambda name: unescape(name[0]), formula))


def formulas(text):
    """TeX of the formulas of a page, or of the docstrings of a module."""
    # In a docstring that is not raw, a backslash is written twice.
    halved = text.replace(r"\\", "\\") if 'r"""' not in text and '"""' in text else text
    yield from INLINE.findall(halved)
    for _, block in BLOCK.findall(halved):
        yield from re.split(r"\n\s*\n", block.strip())


@pytest.mark.parametrize(
    "path",
    [path for path in SOURCES if "math:" in path.read_text("utf-8")],
    ids=lambda path: path.stem,
)
def test_every_formula_is_mathml(path):
    found = [*formulas(path.read_text("utf-8"))]
    assert found
    for tex in found:
        parsed(MATH["mathml"](tex, as_block=True))


def test_lines_of_a_formula_are_aligned():
    table = parsed(MATH["mathml"](r"a &= b \\ c &= d"))
    rows = table.findall(".//{*}mtr")
    assert [len(row) for row in rows] == [2, 2]
