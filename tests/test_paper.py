"""Constants of the paper stand in one place."""

import ast
from pathlib import Path

import pytest

import skcluster
from skcluster import paper

PACKAGE = Path(skcluster.__file__).parent
# Numbers that mean nothing else where they are a default or a constant.
KEPT_ONCE = {paper.HALF_WIDTH, paper.VELOCITY_MAX, paper.BOX_SIZE}
TUPLES = {paper.WIDE_BAND, paper.THREE_BANDS, *paper.THREE_BANDS}


def literals(path):
    """Values of constants at the top of a module and of defaults of parameters."""
    tree = ast.parse(path.read_text("utf-8"))
    given = []
    for node in tree.body:
        if isinstance(node, ast.Assign):
            # A, B = 1.0, 2.0 are two constants; edges that end at 2.3 are none.
            several = isinstance(node.targets[0], ast.Tuple)
            given += getattr(node.value, "elts", []) if several else [node.value]
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            given += [d for d in (*node.args.defaults, *node.args.kw_defaults) if d]
    for node in given:
        try:
            yield ast.literal_eval(node)
        except (ValueError, TypeError):
            continue


@pytest.mark.parametrize(
    "path",
    sorted(PACKAGE.rglob("*.py")),
    ids=lambda p: p.relative_to(PACKAGE).as_posix(),
)
def test_no_module_types_a_constant_of_the_paper_again(path):
    if path.name == "paper.py":
        return
    found = [value for value in literals(path) if isinstance(value, float | tuple)]
    again = {value for value in found if value in KEPT_ONCE or value in TUPLES}
    assert again == set()


def test_the_defaults_are_the_papers():
    mapper, measurer = skcluster.PhotonMapper(), skcluster.ProxyMeasurer()
    cubes, folds = skcluster.PhaseSpaceKDE(), skcluster.QuadrantGroupKFold()
    assert mapper.bands == ((0.5, 10.0),)
    assert mapper.half_width == measurer.half_width == cubes.half_width == 2.3
    assert (cubes.velocity_max, folds.box_size) == (3785.0, 352.0)
    assert measurer.band == (0.5, 10.0)
