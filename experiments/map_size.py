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
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from seed_tables import write
from sklearn.utils import Bunch

from skcluster.contest import read_configuration, read_predictions
from skcluster.contest.accuracy import gain_over, summarize

FOLDER = Path(__file__).parent
COLUMNS = ("log_mass", "predicted", "redshift", "cluster")


def kept(name):
    """Return the predictions of a contest by estimator, seed and fold."""
    configuration = read_configuration(FOLDER / f"{name}.toml")
    return read_predictions(replace(configuration, reference=None))


def joined(folds):
    """Join folds of one survey."""
    columns = {name: np.concatenate([fold[name] for fold in folds]) for name in COLUMNS}
    seconds = np.mean([fold.about["fit_cpu_seconds"] for fold in folds])
    return Bunch(**columns, std=None, group=None, seconds=seconds)


def rows_of(coarse, fine):
    """Rows of all estimators and seeds that have been trained on both."""
    for name, seed in dict.fromkeys(key[:2] for key in fine):
        keys = [key for key in fine if key[:2] == (name, seed) and key in coarse]
        of_64, of_128 = (joined([of[key] for key in keys]) for of in (coarse, fine))
        gain = gain_over(of_64, of_128)
        row = {"estimator": name, "seed": seed, "clusters": len(of_64.cluster)}
        for kind in ("std", "robust"):
            row[f"{kind}_64"] = summarize(of_64)[f"{kind}_percent"]
            row[f"{kind}_128"] = summarize(of_128)[f"{kind}_percent"]
            row[f"{kind}_gain"] = 100 * gain[f"{kind}_gain"]
            row[f"{kind}_gain_error"] = 100 * gain[f"{kind}_gain_error"]
        yield row | {"cpu_64": of_64.seconds, "cpu_128": of_128.seconds}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--output", type=Path, default=FOLDER / "results")
    arguments = parser.parse_args()
    table = Table(rows=[*rows_of(kept("equal_contexts"), kept("equal_contexts_128"))])
    write(table, arguments.output / "map-size.csv", digits=2)
    table.pprint_all()
