"""Do our mass scatters agree with the published ones, on the paper's own simulation?

    python experiments/magneticum_scatter.py [--data-home FOLDER]

Fits EvrardProxyRegressor to the public list of Magneticum clusters and compares the
scatter of each observable, alone and combined, with numbers found by others. Exits
with 1 if one of them is off by more than 3 %.
"""

import argparse
import os
import sys

import numpy as np

from skcluster import EvrardProxyRegressor
from skcluster.datasets import fetch_magneticum

TOLERANCE = 0.03

# Scatter in ln M of the same list under the covariance model, one fit per redshift.
PUBLISHED = {
    ("temperature",): 0.1175,
    ("luminosity",): 0.245,
    ("gas_mass",): 0.092,
    ("stellar_mass",): 0.126,
    ("gas_mass", "stellar_mass"): 0.053,
    ("temperature", "gas_mass"): 0.053,
    ("temperature", "gas_mass", "stellar_mass"): 0.043,
    ("temperature", "luminosity", "gas_mass", "stellar_mass"): 0.041,
}


def measured_scatter(clusters, names):
    """Scatter in ln M of the named observables together."""
    columns = [clusters.feature_names.index(name) for name in names]
    observables = np.log(clusters.data[:, columns])
    X = np.column_stack([observables, clusters.redshift])
    return EvrardProxyRegressor(redshift_column=-1).fit(X, clusters.target).scatter_


def parser_of(description):
    """Return a parser with the options of scripts on the Magneticum list."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument(
        "--data-home",
        default=os.environ.get("SKCLUSTER_DATA"),
        help="folder with magneticum/chandra_clusterList.npy; by default that of the "
        "variable SKCLUSTER_DATA, or else scikit-learn's (downloaded if missing)",
    )
    parser.add_argument(
        "--skip-missing", action="store_true", help="0 if the list is not there"
    )
    return parser


def fetched(arguments, script):
    """Return the list; None, after a line that says so, if it may be missing and is."""
    try:
        return fetch_magneticum(
            data_home=arguments.data_home,
            download_if_missing=not arguments.skip_missing,
        )
    except OSError as error:
        if not arguments.skip_missing:
            raise
        print(f"SKIPPED {script}: {error}")
        return None


def main(arguments=None):
    arguments = parser_of(__doc__).parse_args(arguments)
    clusters = fetched(arguments, "magneticum_scatter")
    if clusters is None:
        return 0
    n_off = 0
    print(f"{'observables':52} {'ours':>7} {'published':>9} {'ratio':>6}")
    for names, published in PUBLISHED.items():
        scatter = measured_scatter(clusters, names)
        is_off = abs(scatter / published - 1) > TOLERANCE
        n_off += is_off
        print(
            f"{', '.join(names):52} {scatter:7.4f} {published:9.4f} "
            f"{scatter / published:6.3f}{'  OFF' if is_off else ''}"
        )
    print(f"{len(PUBLISHED) - n_off} of {len(PUBLISHED)} agree to {TOLERANCE:.0%}.")
    return int(n_off > 0)


if __name__ == "__main__":
    sys.exit(main())
