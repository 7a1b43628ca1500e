"""Milliseconds that a mock cluster takes: photons, galaxies and truth, on one core.

    python benchmarks/bench_mock.py

Prints the median of some turns, without the first, which makes the tables of spectra, and
exits with 1 if it is above 5 ms per cluster.
"""

import argparse
import sys
from statistics import median

from timing import timed

from skcluster.datasets import make_mock_survey

MOST_MS = 5.0


def milliseconds(n_clusters, seed):
    """Time of one survey, divided by its clusters."""
    seconds = timed(make_mock_survey, n_clusters, random_state=seed).wall
    return 1e3 * seconds / n_clusters


def main():
    """Run some surveys one after the other."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=500)
    parser.add_argument("--turns", type=int, default=5)
    arguments = parser.parse_args()
    milliseconds(arguments.clusters, 0)
    turns = [milliseconds(arguments.clusters, 1 + i) for i in range(arguments.turns)]
    print(f"turns: {', '.join(f'{ms:.2f}' for ms in turns)} ms per cluster")
    print(f"median: {median(turns):.2f} ms per cluster (at most {MOST_MS:g})")
    return int(median(turns) > MOST_MS)


if __name__ == "__main__":
    sys.exit(main())
