"""Do the estimators keep their order when the sky of the mock survey changes?

    python experiments/contest_skies.py --minutes 30    # some folds now, more next time
    python experiments/contest_skies.py --tables-only   # from the files with predictions
    python experiments/contest_skies.py --skies "no AGN" "no PSF"  # some of six

Runs the contest of experiments/contest_skies.toml under each of `SKIES`: with the same
clusters, but every estimator is trained and tested under that sky. It can be stopped and
goes on where it was: the predictions of each fold are kept in results/contest_skies.

Writes contest-skies.csv, one row per sky, estimator and seed, with the scatters of ln M
[%] and the gains over the paper's three-band network; and contest-skies-mean.csv, the
means over the seeds, with errors from the scatter between the seeds. How many sigma a gain
is from zero also counts the bootstrap error over clusters. The change of a gain is that
against the paper's sky, seed by seed.
"""

import argparse
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
from astropy.table import Table
from seed_tables import (
    KINDS,
    mean_and_error,
    over_surveys,
    scatters_and_gains,
    write,
)

from skcluster.contest import read_configuration, results_table, run_contest

CONFIGURATION = Path(__file__).with_suffix(".toml")
PAPER = "paper"
RIVAL = "ho2023, three bands"
SKIES = {
    PAPER: {},
    "dynamical states": {"dynamics": True},
    "background of eFEDS": {"background": 1.0},
    "no AGN": {"agn": False},
    "equal cores": {"core_scatter": 0.0},
    "no PSF": {"psf_hew": 0.0},
}
"""Name of each sky -> switches of `make_mock_survey`."""


def under(sky, configuration):
    """Return the configuration of a contest under another sky, in a folder of its own."""
    return replace(
        configuration,
        survey=configuration.survey | SKIES[sky],
        output=configuration.output / sky.lower().replace(" ", "-"),
    )


def rows_of(sky, table):
    """Rows of one sky from the table of its contest, in per cent."""
    for row in table:
        found = {"sky": sky, "estimator": row["estimator"], "seed": row["seed"]}
        yield found | scatters_and_gains(row)


def over_seeds(table):
    """Mean scatters and gains with their sigma, and the change from the paper's sky."""
    rows = []
    for sky in dict.fromkeys(table["sky"]):
        for name in dict.fromkeys(table["estimator"]):
            part = _part(table, sky, name)
            row = {"sky": sky, "estimator": name, "seeds": len(part)}
            for kind in KINDS:
                row |= over_surveys(part, kind)
                change = _changes(part, _part(table, PAPER, name), f"{kind}_gain")
                columns = f"{kind}_change", f"{kind}_change_error"
                row |= zip(columns, mean_and_error(change), strict=True)
            rows.append(row)
    return Table(rows=rows)


def _changes(part, of_paper, column):
    """Differences of a column between two skies, of the seeds that both have."""
    _, one, other = np.intersect1d(part["seed"], of_paper["seed"], return_indices=True)
    return part[column][one] - of_paper[column][other]


def _part(table, sky, name):
    """Rows of an estimator under a sky, in the order of their seeds."""
    part = table[(table["sky"] == sky) & (table["estimator"] == name)]
    return part[np.argsort(part["seed"])]


def main(arguments):
    """Run the contests that are missing, then write both tables."""
    configuration = replace(read_configuration(CONFIGURATION), n_jobs=arguments.jobs)
    ends = time.monotonic() + 60 * arguments.minutes
    skies = [*dict.fromkeys([PAPER, *arguments.skies])]
    for sky in skies if not arguments.tables_only else ():
        left = (ends - time.monotonic()) / 60
        outcome = run_contest(under(sky, configuration), minutes=left)
        if outcome.n_left or outcome.failures:
            print("Folds are missing; the same command goes on with them.")
            return 3
    rows = [
        row
        for sky in skies
        for row in rows_of(sky, results_table(under(sky, configuration)))
    ]
    by_seed = Table(rows=rows)
    folder = configuration.output.parent
    write(by_seed, folder / "contest-skies.csv")
    mean = over_seeds(by_seed)
    write(mean, folder / "contest-skies-mean.csv")
    mean.pprint_all()
    return 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="begin no fold after this time"
    )
    parser.add_argument(
        "--skies",
        nargs="+",
        choices=SKIES,
        default=[*SKIES],
        help="by default all, and always the paper's",
    )
    parser.add_argument("--jobs", type=int, default=1, help="folds at a time")
    parser.add_argument(
        "--tables-only", action="store_true", help="train nothing, only make the tables"
    )
    sys.exit(main(parser.parse_args()))
