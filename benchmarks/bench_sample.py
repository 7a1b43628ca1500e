"""Select clusters from a sample, and from a list with one dict of arrays per cluster.

    python benchmarks/bench_sample.py --n-clusters 3000 --n-photons 10_000_000

Prints the median time of each way to select, over a few turns, and their ratio. The
list copies the arrays of the clusters that it selects, as pickle or a worker would.
"""

import argparse
import pickle
from statistics import median
from time import perf_counter

import numpy as np

from skcluster import ClusterSample, Ragged


def make_sample(n_clusters, n_photons):
    """Clusters whose photons are shared out unevenly, as masses and distances do."""
    rng = np.random.default_rng(0)
    lengths = rng.multinomial(n_photons, rng.dirichlet(np.ones(n_clusters) * 2))
    photons = {
        "ra": rng.uniform(0, 360, n_photons),
        "dec": rng.uniform(-90, 90, n_photons),
        "energy": rng.uniform(0.5, 10, n_photons).astype(np.float32),
    }
    offsets = np.concatenate([[0], np.cumsum(lengths)])
    return ClusterSample(np.full(n_clusters, 0.2), photons=Ragged(photons, offsets))


def as_dicts(sample):
    """The same clusters as a list with a dict of its own arrays for each."""
    return [copied(sample.photons.table(i)) for i in range(len(sample))]


def copied(table):
    return {name: column.copy() for name, column in table.items()}


def selections(n_clusters):
    rng = np.random.default_rng(1)
    octant = rng.integers(0, 8, n_clusters)
    yield "one cluster", np.array([n_clusters // 2])
    yield "a slice of 7/8", slice(0, n_clusters * 7 // 8)
    yield "a fold of 1/8", np.flatnonzero(octant == 0)
    yield "a fold of 7/8", np.flatnonzero(octant > 0)
    yield "all, shuffled", rng.permutation(n_clusters)


def medians_ms(tasks, n_turns):
    """Median time of each task, the tasks taking turns."""
    times = [[] for _ in tasks]
    for _ in range(n_turns):
        for task, spent in zip(tasks, times, strict=True):
            start = perf_counter()
            task()
            spent.append(1e3 * (perf_counter() - start))
    return [median(spent) for spent in times]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-clusters", type=int, default=3000)
    parser.add_argument("--n-photons", type=int, default=10_000_000)
    parser.add_argument("--n-turns", type=int, default=9)
    options = parser.parse_args()
    sample = make_sample(options.n_clusters, options.n_photons)
    clusters = as_dicts(sample)
    print(f"{options.n_clusters:,} clusters, {options.n_photons:,} photons")
    print(f"{'median [ms]':16}{'sample':>10}{'list':>10}{'list/sample':>13}")

    def report(name, ours, theirs):
        ours, theirs = medians_ms([ours, theirs], options.n_turns)
        print(f"{name:16}{ours:10.3f}{theirs:10.3f}{theirs / ours:13,.2f}")

    for name, rows in selections(options.n_clusters):
        numbers = np.arange(options.n_clusters)[rows].tolist()
        report(
            name,
            lambda rows=rows: sample[rows],
            lambda numbers=numbers: [copied(clusters[i]) for i in numbers],
        )
    report(
        "pickle",
        lambda: pickle.dumps(sample, protocol=5),
        lambda: pickle.dumps(clusters, protocol=5),
    )


if __name__ == "__main__":
    main()
