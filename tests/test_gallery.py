"""Each page of the gallery asks a question, and answers it by a figure that it makes."""

import ast
import io
import os
import re
import subprocess
import sys
import tokenize
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PAGES = {
    path.stem: path.read_text("utf-8") for path in (ROOT / "examples").glob("*.py")
}
each_page = pytest.mark.parametrize("page", sorted(PAGES))


def prose(source):
    """Docstring and comments of a page: what it says before it has computed anything."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
    return "\n".join([ast.get_docstring(ast.parse(source)), *comments])


def test_the_site_shows_every_page_in_an_order_of_its_own():
    tree = ast.parse((ROOT / "docs" / "conf.py").read_text("utf-8"))
    (listed,) = (
        ast.literal_eval(node.value)
        for node in tree.body
        if isinstance(node, ast.Assign) and node.targets[0].id == "GALLERY"
    )
    assert len(listed) >= 9
    assert sorted(listed) == sorted(PAGES)


@each_page
def test_a_page_asks_a_question_in_its_title(page):
    title, underline, empty, *_ = ast.get_docstring(ast.parse(PAGES[page])).split("\n")
    assert title.endswith("?") or title.startswith("From ")
    assert underline == "=" * len(title)
    assert empty == ""


@each_page
def test_a_page_answers_with_one_figure(page):
    assert len(re.findall(r"plt\.(?:subplots|figure)\(", PAGES[page])) == 1


@each_page
def test_no_result_is_typed_into_a_page(page):
    assert "±" not in prose(PAGES[page])
    assert not re.search(r"\d+\.\d+ ?(?:%|dex\b|sigma)", prose(PAGES[page]))


@each_page
def test_the_same_page_gives_the_same_numbers(page):
    seeded = ("make_mock_survey", "XrayCNNRegressor", "RandomForestRegressor", "KFold")
    calls = [
        node
        for node in ast.walk(ast.parse(PAGES[page]))
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in seeded
    ]
    for call in calls:
        assert "random_state" in {keyword.arg for keyword in call.keywords}
    assert "default_rng()" not in PAGES[page]


@pytest.mark.slow
@pytest.mark.parametrize("page", ["event_file", "random_split"])
def test_a_page_runs_without_the_data_that_it_asks_for_and_says_so(page, tmp_path):
    environment = {**os.environ, "SKCLUSTER_DATA": str(tmp_path), "MPLBACKEND": "Agg"}
    ran = subprocess.run(
        [sys.executable, "-W", "error::UserWarning", f"examples/{page}.py"],
        cwd=ROOT,
        env=environment | {"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr
    assert re.search(
        r"^No (?:eFEDS data|Magneticum list) here: .*mock", ran.stdout, re.M
    )
