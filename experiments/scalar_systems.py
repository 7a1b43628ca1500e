"""Which scalar proxies, and which combinations of them, give the best masses?

    python experiments/scalar_systems.py                # options of `skcluster benchmark`
    python experiments/scalar_systems.py --minutes 9

Runs the contest of experiments/scalar_systems.toml. Then it ranks all subsets of the four
measured proxies and of four true properties by the error of masses in octants that were
not in the fit, and writes experiments/results/scalar_systems/subsets.csv.
"""

import sys
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

from skcluster import search_proxies
from skcluster.cli import main as skcluster
from skcluster.cli.output import print_table
from skcluster.contest import Entry, read_configuration
from skcluster.contest.surveys import load_survey
from skcluster.io.table_writing import write_table

CONFIGURATION = Path(__file__).with_suffix(".toml")
SETS = {
    "measured": ("n_phot", "n_phot_500c", "n_gal", "sigma_v"),
    "ideal": ("temperature", "luminosity", "gas_mass", "stellar_mass"),
}


def ranked_subsets(configuration):
    """Subsets of each set of proxies: errors per survey, their mean and scatter."""
    found = []
    for seed in configuration.seeds:
        survey = load_survey(configuration, seed)
        folds = survey.folds(configuration.n_folds)
        for kind, names in SETS.items():
            X = survey.input_of(Entry(kind, None, columns=names))
            table = search_proxies(
                X[:, :-1], survey.log_mass, names=names, redshift=X[:, -1], cv=folds
            )
            table["proxies_of"], table["seed"] = kind, seed
            found.append(table)
    return averaged(vstack(found))


def averaged(table):
    """Average the rows of each subset over the surveys, the best of each set first."""
    rows, pairs = [], zip(table["proxies_of"], table["proxies"], strict=True)
    for kind, proxies in dict.fromkeys(pairs):
        part = table[(table["proxies_of"] == kind) & (table["proxies"] == proxies)]
        errors = np.asarray(part["cv_error_percent"])
        rows.append(
            {
                "proxies_of": kind,
                "proxies": proxies,
                "n_surveys": len(part),
                "in_sample_percent": float(part["scatter_percent"].mean()),
                "cv_error_percent": float(errors.mean()),
                "between_surveys": float(errors.std(ddof=1))
                if len(part) > 1
                else np.nan,
            }
        )
    order = np.lexsort(
        [[row["cv_error_percent"] for row in rows], [row["proxies_of"] for row in rows]]
    )
    ranked = Table(rows=[rows[i] for i in order])
    for name in ("in_sample_percent", "cv_error_percent", "between_surveys"):
        ranked[name] = ranked[name].round(3)
    return ranked


def main(options):
    """Run the contest, and rank the subsets if it is complete."""
    code = skcluster(["benchmark", str(CONFIGURATION), *options])
    if code:
        return code
    configuration = read_configuration(CONFIGURATION)
    subsets = ranked_subsets(configuration)
    write_table(configuration.output / "subsets.csv", subsets)
    print_table(subsets, as_json=False)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
