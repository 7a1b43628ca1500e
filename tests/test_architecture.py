"""The layout holds: arrows run one way, rooms stay small, torch waits to be asked for."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).parent
ROOT = TESTS.parent / "skcluster"
FILES = sorted(ROOT.rglob("*.py"))

# Room (a module, or a package) -> rooms of ours that it may import, and those below them.
# Every room may stand on the ground: constants, samples, units and distances,
# parameters, lines of text.
GROUND = {
    "lazy_names": set(),
    "paper": set(),
    "printable": set(),
    "progress": {"printable"},
    "sample": {"lazy_names", "printable"},
    "parameters": {"sample"},
    "cosmology": {"sample"},
    "cluster_weights": {"printable", "sample"},
}
# These need hardly anything of ours, and so can be taken as they are.
ALONE = ("versions", "estimator_parts", "networks")
ABOVE = {
    "plausible_masses": set(),
    "training_ranges": set(),
    "metrics": {"plausible_masses"},
    "io": set(),
    "datasets": {"io", "sky"},
    "sky": set(),
    "exposure": {"training_ranges"},
    "maps": {"exposure", "sky", "training_ranges"},
    "photon_features": {"maps", "sky"},
    "galaxy_features": set(),
    "phase_space": set(),
    "proxies": {"estimator_parts", "exposure", "plausible_masses", "sky"},
    "model_selection": {"estimator_parts"},
    "posterior": {"estimator_parts", "model_selection", "plausible_masses"},
    "outliers": {"estimator_parts", "training_ranges"},
    "evrard": {"io", "metrics", "model_selection", "posterior", "training_ranges"},
    "persistence": {"estimator_parts", "io", "versions"},
    "regressors": {
        "galaxy_features",
        "io",
        "networks",
        "outliers",
        "phase_space",
        "photon_features",
        "posterior",
        "versions",
    },
    "rotation": {"estimator_parts", "plausible_masses", "sky"},
    "comparison": {"metrics", "model_selection"},
    "explain": {"maps", "metrics", "regressors"},
    "plotting": {"evrard", "explain"},
    "contest": {"datasets", "evrard", "photon_features", "plotting", "proxies"},
}


def all_below(module):
    """The rooms that a room names, and those that they name."""
    named = ABOVE.get(module, set())
    return named.union(*map(all_below, named))


ARROWS = {module: {"lazy_names", "paper"} for module in ALONE}
ARROWS |= {module: needs | {"paper"} for module, needs in GROUND.items()}
ARROWS |= {module: {*GROUND} | all_below(module) for module in ABOVE}
ARROWS["paper"] = ARROWS["lazy_names"] = set()
# These stand above the river and may look at all of it.
ARROWS |= {top: {*ARROWS, "__init__"} for top in ("__init__", "__main__", "cli")}
ARROWS["__main__"].add("cli")

FORMS = {"utils", "util", "core", "base", "common", "helpers", "misc"}
MAX_MODULE_LINES = 400
MAX_BODY_LINES = 50
# The only rooms that write to the terminal.
SPEAKING = {"cli", "progress", "versions"}
SEEDED = {"default_rng", "Generator", "RandomState", "SeedSequence"}


def relative(path):
    return path.relative_to(ROOT).as_posix()


def tree_of(path):
    return ast.parse(path.read_text(encoding="utf-8"), str(path))


def module_of(path):
    """The room that a file belongs to: its own name, or that of its package."""
    return path.relative_to(ROOT).with_suffix("").parts[0]


def absolute_imports(path):
    """Full names of all that a file imports, wherever in it."""
    package = ["skcluster", *path.relative_to(ROOT).parent.parts]
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else []
            start = [*above, *([node.module] if node.module else [])]
            yield from (".".join([*start, alias.name]) for alias in node.names)


def our_modules(path):
    """Modules of ours that a file imports; names of `skcluster` itself are __init__."""
    for name in absolute_imports(path):
        package, *parts = name.split(".")
        if package == "skcluster":
            yield parts[0] if parts and parts[0] in ARROWS else "__init__"


def functions(tree):
    kinds = ast.FunctionDef | ast.AsyncFunctionDef
    return [node for node in ast.walk(tree) if isinstance(node, kinds)]


def body_lines(function):
    """Lines of a function without its signature and docstring."""
    body = function.body
    if ast.get_docstring(function) is not None:
        body = body[1:]
    return body[-1].end_lineno - body[0].lineno + 1 if body else 0


def calls(tree, dotted):
    """Calls of a name such as pytest.raises."""
    return [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and ast.unparse(node.func) == dotted
    ]


def test_this_test_sees_the_imports():
    found = set(absolute_imports(ROOT / "regressors" / "joint.py"))
    assert {
        "skcluster.networks.architectures.JOINT_ARCHITECTURES",
        "skcluster.regressors.neural.NeuralMassRegressor",
        "skcluster.sample.require",
    } <= found
    assert {"time", "sklearn.utils.Bunch"} <= set(
        absolute_imports(ROOT / "comparison.py")
    )
    assert set(our_modules(ROOT / "comparison.py")) == {
        "cluster_weights",
        "metrics",
        "model_selection",
        "plausible_masses",
        "printable",
        "sample",
    }
    assert "sample" in set(our_modules(ROOT / "maps" / "mapper.py"))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_arrows_run_one_way(path):
    module = module_of(path)
    assert module in ARROWS, f"{module} has no place in the layout"
    assert set(our_modules(path)) <= ARROWS[module] | {module}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_one_room_asks_for_versions(path):
    """Without being installed, skcluster has no metadata to ask for."""
    asked = {name.partition("importlib.metadata")[1] for name in absolute_imports(path)}
    assert relative(path) == "versions.py" or asked <= {""}


def test_the_table_of_arrows_has_no_circle():
    done, left = set(), dict(ARROWS)
    del left["__init__"], left["__main__"], left["cli"]
    while left:
        free = {module for module, needs in left.items() if needs <= done}
        assert free, f"a circle among {sorted(left)}"
        done |= free
        left = {module: needs for module, needs in left.items() if module not in free}


def test_import_takes_less_than_a_second_and_a_half():
    code = "import time; import skcluster; print(time.process_time())"
    done = [
        subprocess.run(
            [sys.executable, "-c", code], capture_output=True, text=True, check=True
        ).stdout
        for _ in range(2)
    ]
    assert min(map(float, done)) < 1.5


def test_modules_are_named_for_their_subject():
    names = {part for path in FILES for part in path.with_suffix("").parts}
    assert not names & FORMS


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_module_is_longer_than_400_lines(path):
    n_lines = len(path.read_text(encoding="utf-8").splitlines())
    assert n_lines <= MAX_MODULE_LINES


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_no_function_body_is_longer_than_50_lines(path):
    long = {f.name: body_lines(f) for f in functions(tree_of(path))}
    assert {name: n for name, n in long.items() if n > MAX_BODY_LINES} == {}


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_scikit_learn_is_used_by_its_public_names(path):
    names = [name for name in absolute_imports(path) if name.startswith("sklearn")]
    assert [name for name in names if "._" in name] == []


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_randomness_is_never_global(path):
    used = {
        node.attr
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Attribute)
        and ast.unparse(node.value) in ("np.random", "numpy.random")
    }
    assert used <= SEEDED
    assert not any(name.startswith("random") for name in absolute_imports(path))


@pytest.mark.parametrize("path", FILES, ids=relative)
def test_only_the_command_and_the_progress_helper_write_to_the_terminal(path):
    if module_of(path) in SPEAKING:
        return
    tree = tree_of(path)
    streams = {"sys.stderr", "sys.stdout", "sys.__stderr__", "sys.__stdout__"}
    used = [
        ast.unparse(node) for node in ast.walk(tree) if isinstance(node, ast.Attribute)
    ]
    assert calls(tree, "print") == []
    assert streams & set(used) == set()
    assert not any(name.split(".")[0] == "tqdm" for name in absolute_imports(path))


@pytest.mark.parametrize("path", sorted(TESTS.glob("*.py")), ids=lambda path: path.name)
def test_every_expected_error_is_known_by_its_words(path):
    wordless = [
        f"line {call.lineno}: {ast.unparse(call)}"
        for call in calls(tree_of(path), "pytest.raises")
        if "match" not in [keyword.arg for keyword in call.keywords]
        and ast.unparse(call.args[0]) not in ("KeyboardInterrupt", "SystemExit")
    ]
    assert wordless == []


@pytest.mark.parametrize(
    "statement",
    [
        "import skcluster",
        "from skcluster import PhotonMapper, datasets, save_model",
        "import skcluster.metrics, skcluster.comparison, skcluster.plotting",
        "import skcluster.cli",
    ],
)
def test_torch_and_matplotlib_wait_until_they_are_needed(statement):
    heavy = "{'torch', 'skorch', 'matplotlib', 'skops'}"
    code = f"import sys; {statement}; print(sorted({heavy} & set(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
