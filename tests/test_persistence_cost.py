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


def measured(path, before, action, heavy):
    """Least seconds of the processor of three, and which heavy modules were loaded."""
    code = f"""
import json, sys, time
{before}
started, at_first = time.process_time(), {{*sys.modules}}
import skcluster
{action}
seconds = time.process_time() - started
print(json.dumps([seconds, sorted(({{*sys.modules}} - at_first) & {{*{heavy!r}}})]))
"""
    done = [
        subprocess.run(
            [sys.executable, "-c", code, path],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for _ in range(3)
    ]
    seconds, loaded = zip(*map(json.loads, done), strict=True)
    return min(seconds), loaded[0]


def test_a_header_is_read_in_less_than_three_tenths_of_a_second(path):
    action = "skcluster.read_header(sys.argv[1]).notes"
    heavy = ["astropy", "numpy", "scipy", "skops", "sklearn", "torch"]
    seconds, loaded = measured(path, "", action, heavy)
    assert loaded == []
    assert seconds < 0.3


def test_the_command_inspects_in_less_than_three_tenths_of_a_second(path):
    action = "import skcluster.cli; skcluster.cli.main(['inspect', sys.argv[1]])"
    action = f"import os, contextlib\nwith contextlib.redirect_stdout(None): {action}"
    heavy = ["astropy", "scipy", "skops", "sklearn", "torch"]
    seconds, loaded = measured(path, "", action, heavy)
    assert loaded == []
    assert seconds < 0.3


def test_a_network_is_loaded_in_half_a_second_beside_torch_and_scikit_learn(path):
    """The first optimizer of torch, skops and astropy.cosmology take 1 to 2 s each."""
    action = "skcluster.load_model(sys.argv[1])"
    heavy = ["astropy.cosmology", "skops", "torch._dynamo"]
    seconds, loaded = measured(path, "import torch, sklearn.base", action, heavy)
    assert loaded == []
    assert seconds < 0.5
