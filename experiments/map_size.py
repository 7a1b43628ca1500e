"""Do networks on maps gain from smaller pixels?

    skcluster benchmark experiments/equal_contexts_128.toml   # an hour of one core
    python experiments/map_size.py

Compares the networks that experiments/equal_contexts_128.toml has trained on maps of
128 x 128 pixels with those of experiments/equal_contexts.toml on 64 x 64, fold by fold, on
the same clusters. Writes map-size.csv: the scatters of ln M [%], by how many % they are
smaller with 128 pixels, the bootstrap errors over clusters, and the CPU seconds of a
training.
"""

import argparse
from pathlib import Path

from astropy.table import Table
from seed_tables import KINDS, scatters_and_gains, write

from skcluster.contest import read_configuration, read_predictions
from skcluster.contest.accuracy import gain_over, summarize
from skcluster.contest.results import join_folds

FOLDER = Path(__file__).parent


def kept(name):
    """Return the predictions of a contest by estimator, seed and fold."""
    return read_predictions(read_configuration(FOLDER / f"{name}.toml"))


def rows_of(coarse, fine):
    """Rows of all estimators and seeds that have been trained on both."""
    for name, seed in dict.fromkeys(key[:2] for key in fine):
        keys = [key for key in fine if key[:2] == (name, seed) and key in coarse]
        joined = [join_folds([of[key] for key in keys]) for of in (coarse, fine)]
        of_64, of_128 = map(summarize, joined)
        found = scatters_and_gains(of_128 | gain_over(*joined))
        row = {"estimator": name, "seed": seed, "clusters": of_64["n_clusters"]}
        for kind in KINDS:
            row[f"{kind}_64"] = of_64[f"{kind}_percent"]
            row[f"{kind}_128"] = found[kind]
            for gain in (f"{kind}_gain", f"{kind}_gain_error"):
                row[gain] = found[gain]
        seconds = [each.cost["fit_cpu_seconds"] for each in joined]
        yield row | dict(zip(("cpu_64", "cpu_128"), seconds, strict=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER / "results")
    arguments = parser.parse_args()
    table = Table(rows=[*rows_of(kept("equal_contexts"), kept("equal_contexts_128"))])
    write(table, arguments.output / "map-size.csv", digits=2)
    table.pprint_all()
