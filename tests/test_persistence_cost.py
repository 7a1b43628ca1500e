"""What reading a model file costs, in time and memory, whatever the file says."""

import json
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
    save_model,
)


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    """The file of a pipeline with a network."""
    rng = np.random.default_rng(0)
    maps, log_mass = rng.poisson(1.0, (4, 1, 16, 16)), rng.uniform(13.5, 15, 4)
    regressor = XrayCNNRegressor(max_epochs=1, device="cpu", n_threads=1)
    steps = PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler()
    path = tmp_path_factory.mktemp("cost") / "model.skops"
    save_model(make_pipeline(*steps, regressor.fit(maps, log_mass)), path)
    return path


def check_cost(path, before, action, heavy, n_imports, then=""):
    """The action costs less than some imports of numpy; it loads nothing heavy, nor then.

    Both are the least of three, because other processes heat the same cores.
    """
    code = f"""
import json, sys, time
{before}
started, at_first = time.process_time(), {{*sys.modules}}
import skcluster
{action}
seconds = time.process_time() - started
{then}
print(json.dumps([seconds, sorted(({{*sys.modules}} - at_first) & {{*{heavy!r}}})]))
"""
    measured = []
    for _ in range(3):
        seconds, loaded = json.loads(printed_by(code, path))
        assert loaded == []
        measured.append((seconds, float(printed_by(IMPORT_NUMPY))))
    ours, numpy = np.min(measured, axis=0)
    assert ours < n_imports * numpy


IMPORT_NUMPY = """
import time
started = time.process_time()
import numpy
print(time.process_time() - started)
"""


def printed_by(code, *arguments):
    """What a new Python prints."""
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout


def test_a_header_costs_less_than_three_imports_of_numpy(path):
    action = "skcluster.read_header(sys.argv[1]).notes"
    heavy = ["astropy", "numpy", "scipy", "skops", "sklearn", "torch"]
    check_cost(path, "", action, heavy, n_imports=3)


def test_the_command_inspects_for_less_than_six_imports_of_numpy(path):
    action = "import skcluster.cli; skcluster.cli.main(['inspect', sys.argv[1]])"
    action = f"import os, contextlib\nwith contextlib.redirect_stdout(None): {action}"
    heavy = ["astropy", "scipy", "skops", "sklearn", "torch"]
    check_cost(path, "", action, heavy, n_imports=6)


def test_a_network_is_loaded_for_twelve_imports_beside_torch_and_scikit_learn(path):
    """torch's compiler, skops and astropy.cosmology take 1 to 2 s each."""
    action = "model = skcluster.load_model(sys.argv[1])"
    heavy = ["astropy.cosmology", "skops", "torch._dynamo"]
    before = "import numpy as np, torch, sklearn.base"
    then = (
        "model[-1].fit(np.eye(16).reshape(1, 1, 16, 16).repeat(4, 0), [13, 14, 14, 15])"
    )
    check_cost(path, before, action, heavy, n_imports=12, then=then)
