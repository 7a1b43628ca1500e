"""Phase-space cubes: PhaseSpaceKDE against scipy's gaussian_kde, and against writing.

    python benchmarks/bench_phase_space.py

Clusters of 30, 112 and 500 galaxies, 64³ cells, one process on one core. In turns, so that
what else the machine does disturbs all alike:

ours     PhaseSpaceKDE.cubes_of for a batch of 25 clusters, per cube
scipy    gaussian_kde(galaxies, 0.15) at the centers of the cells, made to sum to 1
writing  the cubes of such a batch copied to a new array, per cube

Arithmetic with subnormal floats is slow on some processors, so the script also counts
those in our tables and cubes: there must be none.

Seconds are of the processor, beside those of the clock; printed are medians over the
turns, and of the ratio to scipy the central 68 %. All must agree to 1e-6 of the maximum.
Then cubes per second of a mock survey with one thread and with two. A profile of ours has a
third of its time in matrix products and in writing, and the rest in some two hundred small
steps of numpy.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import sys

import numpy as np
from scipy.stats import gaussian_kde
from timing import timed

from skcluster import PhaseSpaceKDE
from skcluster.datasets import make_mock_survey
from skcluster.paper import HALF_WIDTH, VELOCITY_MAX
from skcluster.phase_space import density
from skcluster.sample import Ragged

N_BINS = 64
BATCH = 25
LEAST = {30: 60, 112: 200, 500: 300}
MOST = {30: 25, 112: 25, 500: 80}


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
    centers = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    density = gaussian_kde(np.array([table["y"], table["x"], table["v"]]), 0.15)(
        centers
    )
    return (density / density.sum()).reshape(3 * [N_BINS])


def count_subnormal(galaxies):
    """Subnormal numbers in the tables and cubes of some clusters."""
    found, tables = [], density._tables

    def watched(*args):
        sky, depth, bounds = tables(*args)
        found.extend([is_subnormal(sky).sum(), is_subnormal(depth).sum()])
        return sky, depth, bounds

    density._tables = watched
    try:
        cubes = PhaseSpaceKDE().cubes_of(galaxies)
    finally:
        density._tables = tables
    return sum(found) + is_subnormal(cubes).sum()


def is_subnormal(values):
    """Which numbers are smaller than the smallest normal one, but not zero."""
    return (values != 0) & (np.abs(values) < np.finfo(values.dtype).tiny)


def write(cube):
    """A new array of a batch's cubes."""
    cubes = np.zeros((BATCH, *cube.shape), np.float32)
    cubes[:] = cube
    return cubes


def compare(n_turns):
    """Print the ratios; count those that are too low."""
    kde, rng, failed = PhaseSpaceKDE(), np.random.default_rng(0), 0
    for n in (30, 112, 500):
        tables = [galaxies_of(n, rng) for _ in range(BATCH)]
        galaxies = Ragged.from_tables(tables)
        times = []
        for _ in range(n_turns):
            theirs, *scipys = timed(by_scipy, tables[0])
            cubes, *ours = timed(kde.cubes_of, galaxies)
            _, *writing = timed(write, cubes[0])
            times.append([scipys, np.divide(ours, BATCH), np.divide(writing, BATCH)])
        error = np.abs(cubes[0] - theirs).max() / theirs.max()
        (scipys, wall_scipys), (ours, wall), (writing, _) = 1e3 * np.median(
            times, axis=0
        )
        faster = [scipy[0] / own[0] for scipy, own, _ in times]
        slower = [own[0] / written[0] for _, own, written in times]
        low, gain, high = np.percentile(faster, [16, 50, 84])
        subnormal = count_subnormal(galaxies[:5])
        failed += subnormal > 0
        failed += gain < LEAST[n] or np.median(slower) > MOST[n] or error > 1e-6
        print(
            f"{n} galaxies: ours {ours:.2f} ms ({wall:.2f} by the clock), scipy "
            f"{scipys:.0f} ms ({wall_scipys:.0f}), writing {writing:.2f} ms; "
            f"scipy / ours {gain:.0f} ({low:.0f} to {high:.0f}; at least {LEAST[n]}), "
            f"ours / writing {np.median(slower):.0f} (at most {MOST[n]}); largest error "
            f"{error:.0e}; {subnormal} subnormal numbers",
            flush=True,
        )
    return failed


def throughput(n_clusters):
    """Print cubes per second of a mock survey, with one thread and with two."""
    galaxies = make_mock_survey(n_clusters, random_state=0).sample.galaxies
    typical = np.median(galaxies.lengths)
    for n_jobs in (1, 2):
        took = timed(PhaseSpaceKDE(n_jobs=n_jobs).cubes_of, galaxies).wall
        print(
            f"survey of {n_clusters} clusters, {typical:.0f} galaxies in the median: "
            f"{n_clusters / took:.0f} cubes per second with {n_jobs} thread(s)"
        )


def main():
    """Run both; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=9)
    parser.add_argument("--clusters", type=int, default=500)
    arguments = parser.parse_args()
    failed = compare(arguments.turns)
    throughput(arguments.clusters)
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
