"""One epoch of the paper's network: XrayCNNRegressor, plain torch, and Keras.

    python benchmarks/bench_training.py
    python benchmarks/bench_training.py --keras-python KERAS_ENVIRONMENT/bin/python
    python benchmarks/bench_training.py --accuracy       # float32 against bfloat16
    python benchmarks/bench_training.py --profile        # where a step's time goes

The network is that for one band of 128 x 128 pixels, batches of 50, two threads. The
contestants take turns, and the ratios are those of the medians of images per second, each
those of the second epoch of a fit, without what is done once before the epochs:

ours        XrayCNNRegressor.fit: sparse maps made dense batch by batch, channels last,
            pooling before in-place ReLU, gradients summed over parts of a batch, and
            keep_memory=True
ours, bf16  the same with precision="bfloat16", on a CPU that has such arithmetic
torch       a plain loop: dense maps, NCHW, ReLU before pooling, undivided batches
Keras       Model.fit on dense NHWC maps (the paper's framework), run by the interpreter of
            --keras-python, an environment with tensorflow-cpu; left out without it. Its
            fastest kernels (oneDNN) are switched on, also where they are not its default.

A profile of the plain loop (torch.profiler) showed its time in the memory traffic of the
24-channel activations at full resolution, 78 MB per batch, much of it page faults as every
step hands them back to the system. Parts of a batch keep them smaller, and keep_memory
lets malloc use them again. What is left are convolutions, as --profile shows. On a CPU with
AVX-512, torch and Keras compute them by the same kernels of oneDNN (ONEDNN_VERBOSE=1 lists
them), so that neither can be much faster than the other in float32; the bar there only says
that ours is not much slower.
"""

import argparse
import json
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn

from skcluster import PhotonMapper, XrayCNNRegressor
from skcluster.datasets import make_mock_survey
from skcluster.networks.ho2023 import Ho2023Network
from skcluster.regressors.kept_memory import kept_memory
from skcluster.regressors.mass_net import CLUSTERS_PER_PART
from skcluster.regressors.torch_session import has_bfloat16

BATCH = 50
SAME_KERNELS = 0.9
"""Bar of float32 against Keras on a CPU with AVX-512, where both compute the same way."""

KERAS = """
import json, os, sys, time
os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"
import numpy as np
import tensorflow as tf
tf.config.threading.set_intra_op_parallelism_threads(2)
from keras import Input, Sequential, callbacks, layers, optimizers, regularizers
l2 = lambda: regularizers.l2(1e-4)
conv = lambda n, k: layers.Conv2D(
    n, k, padding="same", activation="relu", kernel_regularizer=l2())
dense = lambda n: layers.Dense(n, activation="relu", kernel_regularizer=l2())
model = Sequential([
    Input((128, 128, 1)), conv(24, 5), conv(10, 3), layers.MaxPooling2D(4), conv(24, 5),
    conv(10, 3), layers.MaxPooling2D(2), layers.Flatten(), dense(128), dense(128),
    dense(64), layers.Dense(1)])
model.compile(optimizer=optimizers.Adam(1e-3), loss="mse")
maps = np.load(sys.argv[1])[:, 0, :, :, None]
target = np.load(sys.argv[2])
class Clock(callbacks.Callback):
    def on_epoch_begin(self, epoch, logs=None):
        self.started = time.perf_counter()
    def on_epoch_end(self, epoch, logs=None):
        self.seconds = time.perf_counter() - self.started
clock = Clock()
for line in sys.stdin:
    model.fit(maps, target, batch_size=50, epochs=2, verbose=0, callbacks=[clock])
    print(json.dumps(len(maps) / clock.seconds), flush=True)
"""


def ours(maps, target, precision):
    """Images per second of the second epoch of a fit."""
    regressor = XrayCNNRegressor(
        max_epochs=2,
        validation_fraction=None,
        precision=precision,
        random_state=0,
        n_threads=2,
        device="cpu",
        mass_range=None,
    ).fit(maps, target)
    return len(target) / regressor.history_[-1]["dur"]


def plain_torch(maps, target):
    """Images per second of the second epoch of a plain loop."""
    torch.set_num_threads(2)
    network = nn.Sequential(
        *(nn.Conv2d(1, 24, 5, padding=2), nn.ReLU(), nn.Conv2d(24, 10, 3, padding=1)),
        *(nn.ReLU(), nn.MaxPool2d(4), nn.Conv2d(10, 24, 5, padding=2), nn.ReLU()),
        *(nn.Conv2d(24, 10, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(2560, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU()),
        *(nn.Linear(128, 64), nn.ReLU(), nn.Linear(64, 1), nn.Flatten(0)),
    )
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=2e-4)
    maps, target = torch.from_numpy(maps), torch.from_numpy(target)
    for _ in range(2):
        started = time.perf_counter()
        for rows in torch.randperm(len(maps)).split(BATCH):
            optimizer.zero_grad()
            nn.functional.mse_loss(network(maps[rows]), target[rows]).backward()
            optimizer.step()
    return len(maps) / (time.perf_counter() - started)


class Keras:
    """Keras in an interpreter of its own, which waits between its turns."""

    def __init__(self, python, maps, target, folder):
        paths = f"{folder}/maps.npy", f"{folder}/target.npy"
        np.save(paths[0], maps)
        np.save(paths[1], target)
        self.process = subprocess.Popen(
            [python, "-c", KERAS, *paths],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            text=True,
        )

    def __call__(self):
        self.process.stdin.write("go\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())


def compare(n_maps, n_turns, keras_python):
    """Print images per second and the ratios."""
    import tempfile

    rng = np.random.default_rng(0)
    maps = np.log10(1 + rng.poisson(0.02, (n_maps, 1, 128, 128))).astype(np.float32)
    target = rng.normal(size=n_maps).astype(np.float32)
    contestants = {
        "ours": lambda: ours(maps, target, "float32"),
        "torch": lambda: plain_torch((maps - maps.mean()) / maps.std(), target),
    }
    if has_bfloat16("cpu"):
        contestants["ours, bf16"] = lambda: ours(maps, target, "bfloat16")
    else:
        print("NOT TIMED IN BFLOAT16: this CPU has no such arithmetic.")
    with tempfile.TemporaryDirectory() as folder:
        if keras_python:
            scaled = (maps - maps.mean()) / maps.std()
            contestants["Keras"] = Keras(keras_python, scaled, target, folder)
        speeds = {name: [] for name in contestants}
        for turn in range(n_turns):
            for name, contestant in contestants.items():
                speeds[name].append(contestant())
            rounded = {name: round(values[-1]) for name, values in speeds.items()}
            print(f"turn {turn + 1}, images/s: {rounded}", flush=True)
    median = {name: np.median(values) for name, values in speeds.items()}
    failed = 0
    has_avx512 = torch.backends.cpu.get_cpu_capability() == "AVX512"
    keras_bars = (SAME_KERNELS if has_avx512 else 1.15), 1.6
    for other, (float32, bfloat16) in (("torch", (1, 1)), ("Keras", keras_bars)):
        for name, least in (("ours", float32), ("ours, bf16", bfloat16)):
            if {name, other} <= median.keys():
                ratio = median[name] / median[other]
                failed += ratio < least
                print(f"{name} / {other}: {ratio:.2f} (at least {least})")
    if not keras_python:
        print(
            "NOT COMPARED WITH KERAS. Give --keras-python, an interpreter that has it: "
            "python -m venv KERAS; KERAS/bin/pip install tensorflow-cpu"
        )
    return int(failed > 0)


def least_cpu_ms(task, n_turns):
    """Least CPU time of a task [ms], after one that is not counted."""
    task()
    times = []
    for _ in range(n_turns):
        started = time.process_time()
        task()
        times.append(1e3 * (time.process_time() - started))
    return min(times)


def profile(n_turns):
    """Print the CPU time of each layer of a step, on one thread."""
    torch.set_num_threads(1)
    torch.manual_seed(0)
    network = Ho2023Network((1, 128, 128))
    optimizer = torch.optim.Adam(network.parameters(), 1e-3, weight_decay=2e-4)
    maps, target = torch.randn(BATCH, 1, 128, 128), torch.randn(BATCH)
    n_parts = BATCH // CLUSTERS_PER_PART
    square = torch.randn(1024, 1024)

    def step():
        optimizer.zero_grad()
        parts = maps.split(CLUSTERS_PER_PART), target.split(CLUSTERS_PER_PART)
        for part, part_target in zip(*parts, strict=True):
            nn.functional.mse_loss(network(part), part_target).backward()
        optimizer.step()

    with kept_memory():
        peak = 2 * 1024**3 / least_cpu_ms(lambda: square @ square, 5 * n_turns) / 1e6
        total = rest = least_cpu_ms(step, n_turns)
        print(f"matrix product of 1024 x 1024 numbers: {peak:.0f} GFLOP/s")
        print(f"a step of {BATCH} maps: {total:.0f} ms, in ms (and GFLOP/s):")
        x = maps[:CLUSTERS_PER_PART].contiguous(memory_format=torch.channels_last)
        for layer in network.extractor:
            times, flop, x = layer_times(layer, x, n_turns)
            rest -= n_parts * sum(times)
            speeds = [f"{flop / ms / 1e6:6.0f}" if flop else 6 * " " for ms in times]
            each = [
                f"{n_parts * ms:8.1f} {speed}"
                for ms, speed in zip(times, speeds, strict=True)
            ]
            share = n_parts * sum(times) / total
            print(f"{layer_name(layer):22s}{''.join(each):48s}{share:7.1%}")
    print(f"{'dense layers, Adam':22s}{rest:8.1f}{'':40s}{rest / total:7.1%}")
    return 0


def layer_times(layer, x, n_turns):
    """Return the times of a layer's passes [ms], their operations, and its output.

    The passes are forward, and backward to what came in (but not to the maps) and to the
    weights.
    """
    is_first = x.shape[1] == 1
    x = x.detach().requires_grad_(not is_first)
    # A gradient cannot be asked for with respect to what was changed in place.
    y = nn.functional.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
    gradient = torch.ones_like(y)

    def back(*inputs):
        torch.autograd.grad(y, inputs, gradient, retain_graph=True)

    with torch.no_grad():
        times = [least_cpu_ms(lambda: layer(x), n_turns)]
    if not is_first:
        times.append(least_cpu_ms(lambda: back(x), n_turns))
    if not isinstance(layer, nn.Conv2d):
        return times, 0, y
    times.append(least_cpu_ms(lambda: back(*layer.parameters()), n_turns))
    return times, 2 * y.numel() * layer.weight[0].numel(), y


def layer_name(layer):
    """Name of a layer in the table of `profile`."""
    if isinstance(layer, nn.Conv2d):
        k = layer.kernel_size[0]
        return f"{layer.in_channels} -> {layer.out_channels} @ {k} x {k}"
    return type(layer).__name__


def accuracy(n_clusters):
    """Print the scatter of test clusters with both precisions, for three seeds.

    1 if that of bfloat16 is larger in the mean, by more than seeds of one precision differ.
    """
    survey = make_mock_survey(n_clusters, random_state=0)
    maps = PhotonMapper(n_pixels=64).transform(survey.sample).maps.apply(np.log1p)
    train, test = slice(0, n_clusters * 4 // 5), slice(n_clusters * 4 // 5, None)
    found = {}
    for precision in ("float32", "bfloat16"):
        scatters = found[precision] = []
        for seed in range(3):
            regressor = XrayCNNRegressor(
                max_epochs=20, precision=precision, random_state=seed
            ).fit(maps[train], survey.log_mass[train])
            residual = regressor.predict(maps[test]) - survey.log_mass[test]
            scatters.append(round(float(residual.std()), 4))
        print(
            f"{precision}: scatter of test clusters [dex] for seeds 0, 1, 2: {scatters}"
        )
    worse = np.mean(found["bfloat16"]) - np.mean(found["float32"])
    spread = max(np.ptp(scatters) for scatters in found.values())
    print(f"bfloat16 - float32: {worse:+.4f} dex (at most the seeds' {spread:.4f})")
    return int(worse > spread)


def main():
    """Run what the arguments ask for; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--maps", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--keras-python", help="an interpreter that can import keras")
    parser.add_argument("--accuracy", action="store_true")
    parser.add_argument("--profile", action="store_true")
    arguments = parser.parse_args()
    if arguments.accuracy:
        return accuracy(800)
    if arguments.profile:
        return profile(arguments.turns)
    return compare(arguments.maps, arguments.turns, arguments.keras_python)


if __name__ == "__main__":
    sys.exit(main())
