"""Settings that belong to the process change no number, and are left as they were."""

import contextlib
import os
import pickle
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from numpy.testing import assert_array_equal

from skcluster import SaliencyExplainer, XrayCNNRegressor
from skcluster.regressors.torch_session import torch_session


def quick(**changes):
    settings = {"max_epochs": 2, "random_state": 0, "device": "cpu", "n_threads": 1}
    return XrayCNNRegressor(**(settings | changes))


@pytest.fixture(scope="module")
def data(poisson_maps):
    return poisson_maps(24, 1, 16)


def everything(data):
    """Numbers of a fit, of draws of dropout, of a load, and of a saliency."""
    regressor = quick(dropout=0.1, n_dropout_draws=2, augment=True).fit(*data)
    loaded = pickle.loads(pickle.dumps(regressor))
    explain = {
        method: SaliencyExplainer(loaded, method=method, n_samples=2, random_state=0)
        for method in ("gradient", "smoothgrad")
    }
    weights = regressor.net_.module_.state_dict().values()
    return [
        *(weight.numpy().copy() for weight in weights),
        loaded.predict(data[0]),
        regressor.predict(data[0]),
        *(explainer.explain(data[0][:3]) for explainer in explain.values()),
    ]


@pytest.fixture(scope="module")
def usual(data):
    return everything(data)


def attribute(owner, name, value):
    """A setting that is an attribute of one of torch's modules."""

    @contextlib.contextmanager
    def set_it():
        before = getattr(owner, name)
        setattr(owner, name, value)
        yield lambda: getattr(owner, name) == value
        setattr(owner, name, before)

    return set_it


def function(write, value, read, before):
    """A setting with a function that writes it and one that reads it."""

    @contextlib.contextmanager
    def set_it():
        write(value)
        try:
            yield lambda: read() == value
        finally:
            write(before)

    return set_it


def mode(enter, read):
    """A setting that lasts as long as a context."""

    @contextlib.contextmanager
    def set_it():
        with enter():
            yield read

    return set_it


def flushes():
    return bool(torch.full((1,), 2.0**-126, dtype=torch.float32).div(2) == 0)


backends = torch.backends
SETTINGS = {
    "dtype": function(
        torch.set_default_dtype, torch.float64, torch.get_default_dtype, torch.float32
    ),
    "half dtype": function(
        torch.set_default_dtype, torch.bfloat16, torch.get_default_dtype, torch.float32
    ),
    "device": function(
        torch.set_default_device, torch.device("meta"), torch.get_default_device, None
    ),
    "determinism": function(
        torch.use_deterministic_algorithms,
        True,
        torch.are_deterministic_algorithms_enabled,
        False,
    ),
    "no gradients": function(
        torch.set_grad_enabled, False, torch.is_grad_enabled, True
    ),
    "inference": mode(torch.inference_mode, torch.is_inference_mode_enabled),
    "anomalies": mode(
        lambda: torch.autograd.set_detect_anomaly(True), torch.is_anomaly_enabled
    ),
    "autocast": mode(
        lambda: torch.autocast("cpu", torch.bfloat16),
        lambda: torch.is_autocast_enabled("cpu"),
    ),
    "matmul": function(
        torch.set_float32_matmul_precision,
        "medium",
        torch.get_float32_matmul_precision,
        "highest",
    ),
    "no oneDNN": attribute(backends.mkldnn, "enabled", False),
    "subnormals": function(torch.set_flush_denormal, True, flushes, False),
}
if hasattr(backends, "fp32_precision"):
    SETTINGS |= {
        "all bfloat16": attribute(backends, "fp32_precision", "bf16"),
        "matmul bfloat16": attribute(backends.mkldnn.matmul, "fp32_precision", "bf16"),
    }


@pytest.mark.parametrize("name", SETTINGS)
def test_settings_change_no_number_and_stay(data, usual, name):
    with SETTINGS[name]() as is_as_set:
        assert is_as_set()
        found = everything(data)
        assert is_as_set()
    assert len(found) == len(usual)
    for one, other in zip(found, usual, strict=True):
        assert one.dtype == other.dtype
        assert_array_equal(one, other)


@pytest.mark.filterwarnings("ignore:This CPU has no bfloat16")
def test_bfloat16_trains_to_the_same_bits_inside_an_autocast(data):
    """Otherwise the rounded weights of one step would serve in the next."""
    expected = quick(precision="bfloat16").fit(*data).predict(data[0])
    with torch.autocast("cpu", torch.bfloat16):
        found = quick(precision="bfloat16").fit(*data).predict(data[0])
    assert_array_equal(found, expected)
    assert np.abs(expected - quick().fit(*data).predict(data[0])).max() > 0


def test_an_error_in_a_session_restores_the_settings():
    torch.set_default_dtype(torch.float64)
    threads = torch.get_num_threads()
    try:
        with pytest.raises(KeyError, match="a user's"), torch_session(0, "cpu", 1):
            raise KeyError("a user's")
        assert torch.get_default_dtype() == torch.float64
        assert torch.get_num_threads() == threads
    finally:
        torch.set_default_dtype(torch.float32)


def test_predictions_draw_nothing_from_torchs_generator(data):
    """Its lock may be held by a thread that a fork left behind."""
    regressor = quick(dropout=0.1, n_dropout_draws=2).fit(*data)
    before = torch.get_rng_state()
    with torch_session():
        regressor.predict(data[0])
        assert torch.equal(torch.get_rng_state(), before)


FORK = """
import os, signal, sys, threading, time
import numpy as np
import torch
from skcluster import XrayCNNRegressor
from skorch.callbacks import Callback

rng = np.random.default_rng(0)
maps, log_mass = rng.poisson(1.0, (40, 1, 64, 64)), rng.uniform(13.5, 15, 40)
torch.set_default_dtype(torch.float64)
n_threads = torch.get_num_threads()
# Two threads, where the machine has them: those of OpenMP do not outlive a fork.
settings = {"random_state": 0, "n_threads": int(sys.argv[2]), "device": "cpu"}
fitted = XrayCNNRegressor(max_epochs=1, **settings).fit(maps, log_mass)
expected = fitted.predict(maps)
started = threading.Event()

class Started(Callback):
    def on_batch_end(self, net, **kwargs):
        started.set()

def work():
    if sys.argv[1] == "fit":
        endless = XrayCNNRegressor(
            max_epochs=10**6, patience=None, callbacks=[Started()], **settings
        )
        endless.fit(maps, log_mass)
    while True:
        fitted.predict(maps)
        started.set()

threading.Thread(target=work, daemon=True).start()
started.wait()
for trial in range(5):
    time.sleep(0.01 * trial)
    child = os.fork()
    if child == 0:
        signal.alarm(60)  # A child that hangs is ended.
        same = np.allclose(fitted.predict(maps), expected, rtol=0, atol=1e-5)
        again = XrayCNNRegressor(max_epochs=1, **settings).fit(maps, log_mass)
        same &= np.allclose(again.predict(maps), expected, rtol=0, atol=1e-4)
        same &= torch.get_default_dtype() == torch.float64
        same &= torch.get_num_threads() == n_threads
        os._exit(0 if same else 1)
    _, status = os.waitpid(child, 0)
    assert status == 0, f"trial {trial}: status {status}"
print("all children are done", flush=True)
os._exit(0)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="There is no fork here.")
@pytest.mark.parametrize(
    ("work", "n_threads"), [("fit", 1), ("fit", 2), ("predict", 2)]
)
def test_a_process_forked_while_another_thread_works_predicts_and_fits(work, n_threads):
    done = subprocess.run(
        [
            sys.executable,
            "-W",
            "ignore::DeprecationWarning",
            "-c",
            FORK,
            work,
            str(n_threads),
        ],
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert done.returncode == 0, done.stderr
    assert "all children are done" in done.stdout


def test_one_session_at_a_time_runs_in_a_process():
    inside, order = threading.Event(), []

    def second():
        inside.wait()
        with torch_session():
            order.append("second")

    thread = threading.Thread(target=second)
    thread.start()
    with torch_session(), torch_session():
        inside.set()
        thread.join(0.2)
        order.append("first")
    thread.join()
    assert order == ["first", "second"]
