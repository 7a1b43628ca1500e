"""How many training clusters do the estimators need?

    python experiments/learning_curve.py                 # half an hour of one core; resumes
    python experiments/learning_curve.py --tables-only   # from the files with predictions

Trains the estimators of experiments/learning_curve.toml on an eighth, a quarter and half of
the training clusters of one octant's fold, in three mock surveys. Those that learn from all
of them are estimators of experiments/equal_contexts.toml, with the same clusters to test.

Writes learning-curve.csv, one row per estimator, number of training clusters and seed, with
the scatters of ln M [%] and how much smaller they are than those of the paper's three-band
network that learns from all clusters; and learning-curve-mean.csv, the means over the
seeds, with errors from the scatter between the seeds. How many sigma a difference is from
zero also counts the bootstrap error over clusters.
"""

import argparse
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from seed_tables import KINDS, over_surveys, scatters_and_gains, write

from skcluster.contest import read_configuration, read_predictions, run_contest
from skcluster.contest.accuracy import gain_over, summarize

CONFIGURATION = Path(__file__).with_suffix(".toml")
OF_ALL = CONFIGURATION.with_name("equal_contexts.toml")
RIVAL = "ho2023, three bands"
NAMES = ("ridge on rings, three bands", RIVAL, "photon set")


def kept_folds():
    """Return the predictions of the first fold by estimator, share and seed."""
    found = {}
    of_all = read_configuration(OF_ALL)
    entries = tuple(each for each in of_all.entries if each.name in NAMES)
    of_all = replace(of_all, entries=entries, max_folds=1)
    for configuration in (read_configuration(CONFIGURATION), of_all):
        shares = {
            each.name: each.arguments.get("share", 1) for each in configuration.entries
        }
        for (entry, seed, _), fold in read_predictions(configuration).items():
            (name,) = (name for name in NAMES if entry.startswith(name))
            found[name, shares[entry], seed] = fold
    return found


def rows_of(folds):
    """Scatters [%] and their differences from the paper's network that learns from all."""
    rows = []
    for (name, share, seed), fold in sorted(folds.items()):
        found = summarize(fold) | gain_over(folds[RIVAL, 1, seed], fold)
        row = {"estimator": name, "share": share, "seed": seed}
        row["clusters"] = round(share * fold.about["n_train"])
        rows.append(row | scatters_and_gains(found))
    return rows


def over_seeds(table):
    """Mean scatters and gains with their errors, and the sigma of the gains."""
    rows = []
    for name in NAMES:
        of_name = table[table["estimator"] == name]
        for share in sorted(set(of_name["share"])):
            part = of_name[of_name["share"] == share]
            row = {"estimator": name, "share": share, "seeds": len(part)}
            row["clusters"] = float(np.mean(part["clusters"]))
            for kind in KINDS:
                row |= over_surveys(part, kind)
            rows.append(row)
    return Table(rows=rows)


def main(arguments):
    """Train what is missing, then write both tables."""
    configuration = read_configuration(CONFIGURATION)
    if not arguments.tables_only:
        outcome = run_contest(configuration, minutes=arguments.minutes)
        if outcome.n_left or outcome.failures:
            print("Folds are missing; the same command goes on with them.")
            return 3
    by_seed = Table(rows=rows_of(kept_folds()))
    folder = configuration.output.parent
    write(by_seed, folder / "learning-curve.csv")
    mean = over_seeds(by_seed)
    write(mean, folder / "learning-curve-mean.csv")
    mean.pprint_all()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--minutes", type=float, help="begin no fold after this time")
    parser.add_argument(
        "--tables-only", action="store_true", help="train nothing, only make the tables"
    )
    sys.exit(main(parser.parse_args()))
