"""Parameters and cost per cluster of each network that is registered by a name.

    python benchmarks/bench_architectures.py
    python benchmarks/bench_architectures.py --pixels 128 --cells 64

Each network trains on Poisson maps (and cubes) in one thread: networks on maps in as many
bands as their paper has, or three; networks on cubes with one band. What the maps hold does
not change the time, which is that of the processor. Training is the median
epoch, divided by the clusters; prediction is in float32, without the average over rotations
and flips, which takes eight times as long. The column bfloat16 is for CPUs that have it.
"""

import argparse
import time
import warnings

import numpy as np
from skorch.callbacks import Callback

from skcluster import ClusterSample, JointCNNRegressor, XrayCNNRegressor
from skcluster.networks import ARCHITECTURES, JOINT_ARCHITECTURES
from skcluster.regressors.torch_session import has_bfloat16

N_BANDS = {"krippendorf2024": 10, "krippendorf2024_wide": 10, "skcluster": 8}
N_EPOCHS = 4


class ProcessorTime(Callback):
    """Notes the time of the processor after each epoch."""

    noted = []

    def on_epoch_end(self, net, **kwargs):
        ProcessorTime.noted.append(time.process_time())


def survey(n_bands, arguments):
    """Maps, cubes and redshifts of noise."""
    rng = np.random.default_rng(0)
    n, pixels, cells = arguments.clusters, arguments.pixels, arguments.cells
    return ClusterSample(
        rng.uniform(0.05, 0.4, n),
        maps=rng.poisson(0.02, (n, n_bands, pixels, pixels)).astype(np.float32),
        cubes=rng.random((n, cells, cells, cells), np.float32),
    ), rng.uniform(13.5, 15, n)


def regressor(kind, name, precision):
    """The network of an architecture, for a few epochs in one thread."""
    scalars = ["redshift"] if "krippendorf" in name else ()
    settings = {"max_epochs": N_EPOCHS, "patience": None, "validation_fraction": None}
    settings |= {"random_state": 0, "n_threads": 1, "device": "cpu"}
    settings |= {"callbacks": [ProcessorTime()]}
    return kind(
        architecture=name,
        precision=precision,
        scalars=scalars,
        batch_size=50,
        **settings,
    )


def cost(kind, name, arguments):
    """Return bands, parameters, and milliseconds per cluster of training and prediction."""
    n_bands = N_BANDS.get(name, 3 if kind is XrayCNNRegressor else 1)
    sample, log_mass = survey(n_bands, arguments)
    train = []
    for precision in ("float32", "bfloat16") if has_bfloat16("cpu") else ("float32",):
        ProcessorTime.noted.clear()
        fitted = regressor(kind, name, precision).fit(sample, log_mass)
        seconds = np.median(np.diff(ProcessorTime.noted))
        train.append(1e3 * seconds / len(sample))
    start = time.process_time()
    fitted.predict(sample)
    predict = 1e3 * (time.process_time() - start) / len(sample)
    weights = fitted.net_.module_.parameters()
    return n_bands, sum(each.numel() for each in weights), *train, predict


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--clusters", type=int, default=200)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--cells", type=int, default=32)
    arguments = parser.parse_args(argv)
    # Noise has no masses, and networks that learn nothing from it say so.
    warnings.simplefilter("ignore")
    print("ms per cluster         bands  parameters  float32  bfloat16  predict")
    for kind, names in (
        (XrayCNNRegressor, ARCHITECTURES),
        (JointCNNRegressor, JOINT_ARCHITECTURES),
    ):
        print(f"{kind.__name__}:")
        for name in names:
            n_bands, n_parameters, *times = cost(kind, name, arguments)
            if len(times) == 2:
                times.insert(1, np.nan)
            shown = f"{times[0]:9.2f}{times[1]:10.2f}{times[2]:9.2f}"
            print(f"{name:23}{n_bands:5}{n_parameters:12,}{shown}", flush=True)


if __name__ == "__main__":
    main()
