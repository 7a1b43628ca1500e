"""Phase-space cubes: PhaseSpaceKDE against scipy's gaussian_kde, and against writing.

    python benchmarks/bench_phase_space.py

One cluster of 30, 112 and 500 galaxies, 64³ cells, one process on one core, in turns:

ours     PhaseSpaceKDE.cubes_of: sums over galaxies are matrix products, tile by tile, of
         the cells within reach of a kernel
scipy    gaussian_kde(galaxies, 0.15) at the centres of the cells, made to sum to 1
writing  a copy of a cube in float32

All must agree to 1e-6 of the maximum. Then cubes per second of a mock survey with two
threads. A profile of ours has most of its time in the loop over tiles: exponentials and
products of tables, one matrix product and one sum for each.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import sys
import time

import numpy as np
from scipy.stats import gaussian_kde

from skcluster import PhaseSpaceKDE
from skcluster.datasets import make_mock_survey
from skcluster.sample import Ragged

N_BINS, HALF_WIDTH, VELOCITY_MAX = 64, 2.3, 3785.0


def galaxies_of(n, rng):
    """A table of n galaxies inside the cuts, with correlated axes."""
    covariance = [[1, 0.3, 0], [0.3, 1, 0.2], [0, 0.2, 1]]
    x, y, v = rng.multivariate_normal(np.zeros(3), covariance, 3 * n).T
    x, y, v = 0.9 * x, 0.9 * y, 700 * v
    inside = np.flatnonzero((np.hypot(x, y) < HALF_WIDTH) & (np.abs(v) < VELOCITY_MAX))
    return {
        name: values[inside[:n]] for name, values in zip("xyv", (x, y, v), strict=True)
    }


def by_scipy(table):
    """The cube by scipy."""
    side = (np.arange(N_BINS) + 0.5) / N_BINS * 2 - 1
    axes = side * HALF_WIDTH, side * HALF_WIDTH, side * VELOCITY_MAX
    centres = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    density = gaussian_kde(np.array([table["y"], table["x"], table["v"]]), 0.15)(
        centres
    )
    return (density / density.sum()).reshape(3 * [N_BINS])


def seconds(function, *args):
    """What a function returns, and how long it took."""
    started = time.perf_counter()
    result = function(*args)
    return result, time.perf_counter() - started


def compare(n_turns):
    """Print the ratios; count those that are too low."""
    kde, rng, failed = PhaseSpaceKDE(), np.random.default_rng(0), 0
    empty = np.empty((N_BINS, N_BINS, N_BINS), np.float32)
    for n in (30, 112, 500):
        table = galaxies_of(n, rng)
        galaxies = Ragged.from_tables([table])
        times = {"ours": [], "scipy": [], "writing": []}
        for _ in range(n_turns):
            theirs, took = seconds(by_scipy, table)
            times["scipy"].append(took)
            for _ in range(20):  # one after the other, as in a survey
                cube, took = seconds(kde.cubes_of, galaxies)
                times["ours"].append(took)
                times["writing"].append(seconds(np.copyto, empty, cube[0])[1])
        error = np.abs(cube[0] - theirs).max() / theirs.max()
        ours, scipys, writing = (1e3 * np.median(times[k]) for k in times)
        least = 200 if n == 112 else 50
        failed += scipys / ours < least or error > 1e-6
        print(
            f"{n} galaxies: ours {ours:.2f} ms, scipy {scipys:.0f} ms, writing "
            f"{writing:.2f} ms; scipy / ours {scipys / ours:.0f} (at least {least}), "
            f"ours / writing {ours / writing:.0f}; largest error {error:.0e}",
            flush=True,
        )
    return failed


def throughput(n_clusters):
    """Print cubes per second of a mock survey, with one thread and with two."""
    galaxies = make_mock_survey(n_clusters, random_state=0).sample.galaxies
    typical = np.median(galaxies.lengths)
    for n_jobs in (1, 2):
        _, took = seconds(PhaseSpaceKDE(n_jobs=n_jobs).cubes_of, galaxies)
        print(
            f"survey of {n_clusters} clusters, {typical:.0f} galaxies in the median: "
            f"{n_clusters / took:.0f} cubes per second with {n_jobs} thread(s)"
        )


def main():
    """Run both; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--clusters", type=int, default=500)
    arguments = parser.parse_args()
    failed = compare(arguments.turns)
    throughput(arguments.clusters)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
