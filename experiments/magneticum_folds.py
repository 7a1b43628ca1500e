"""What do masses of the paper's simulation lose on halos that were not in the fit?

    python experiments/magneticum_folds.py [--data-home FOLDER] [--skip-missing]

From the public list of Magneticum clusters, with all of its observables ideal:

1. the scatter of every combination of observables, of the clusters in the fit and of
   clusters in octants that were not (Ho et al. 2023, Table 3, has the former);
2. the correlations of the observables at fixed mass (Fig. 3);
3. how many halos the list holds, linked from output to output by position and mass, and
   how much smaller the scatter looks if folds are drawn at random, or by octants, than if
   no halo is on both sides of a fold, and how many halos these folds share. Random folds
   are drawn three times.
"""

import sys
import warnings

import numpy as np
from astropy.table import Table
from magneticum_scatter import fetched, parser_of
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import KDTree
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GroupKFold, KFold
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    QuadrantGroupKFold,
    leakage_report,
    search_proxies,
)
from skcluster.cli.output import print_table
from skcluster.comparison import compare_estimators
from skcluster.contest.entries import least_squares
from skcluster.metrics import dex_to_percent
from skcluster.paper import BOX_SIZE

LINKING_LENGTH = 1.5
"""Largest distance between two outputs' positions of one halo [comoving Mpc/h]."""
LARGEST_GROWTH = 0.5
"""Largest change of its log10 mass."""
N_FOLDS = 8


def linked_halos(position, log_mass, redshift):
    """Label of the halo of each entry: equal for outputs of one halo.

    Two entries of different outputs are of one halo if they are close in the periodic box
    and similar in mass.
    """
    tree = KDTree(position % BOX_SIZE, boxsize=BOX_SIZE)
    one, other = tree.query_pairs(LINKING_LENGTH, output_type="ndarray").T
    is_same = redshift[one] != redshift[other]
    is_same &= np.abs(log_mass[one] - log_mass[other]) < LARGEST_GROWTH
    one, other = one[is_same], other[is_same]
    n = len(position)
    links = coo_array((np.ones(len(one)), (one, other)), shape=(n, n))
    return connected_components(links, directed=False)[1]


def combinations(clusters, observables):
    """Scatter in ln M of all combinations: in the sample, and of new octants."""
    folds = list(QuadrantGroupKFold().split(observables, groups=clusters.position))
    table = search_proxies(
        observables,
        clusters.target,
        names=clusters.feature_names,
        redshift=clusters.redshift,
        cv=folds,
    )
    return table["proxies", "scatter_percent", "cv_error_percent"]


def correlations(clusters, X):
    """Correlations at fixed mass, averaged over the outputs, and their scatter."""
    fitted = EvrardProxyRegressor(redshift_column=-1).fit(X, clusters.target)
    found = fitted.correlation_
    names = clusters.feature_names
    return Table(
        rows=[
            {
                "observables": f"{names[i]}, {names[j]}",
                "correlation": round(float(found[:, i, j].mean()), 2),
                "between outputs": round(float(found[:, i, j].std(ddof=1)), 2),
            }
            for i in range(len(names))
            for j in range(i)
        ]
    )


def folds_of(clusters, X, halo):
    """Folds by the three ways to draw them."""
    folds = {
        f"random, seed {seed}": list(
            KFold(N_FOLDS, shuffle=True, random_state=seed).split(X)
        )
        for seed in range(3)
    }
    return folds | {
        "octants": list(QuadrantGroupKFold().split(X, groups=clusters.position)),
        "halos": list(GroupKFold(N_FOLDS).split(X, groups=halo)),
    }


def crossing(clusters, halo, folds):
    """How many halos are on both sides of folds."""
    sample = ClusterSample(clusters.redshift, position=clusters.position, group=halo)
    rows = []
    for split, each in folds.items():
        report = leakage_report(sample, each)
        n_leaked = report.table["n_in_group"].sum()
        rows.append(
            {
                "folds": split,
                "halos in both": len(np.unique(report.groups["group"])),
                "test clusters of these [%]": round(100 * n_leaked / len(halo), 1),
            }
        )
    return Table(rows=rows)


def splits(clusters, X, folds, n_trees):
    """Scatter of four estimators under three ways to draw folds."""
    contestants = {
        "covariance model": (EvrardProxyRegressor(redshift_column=-1), X),
        "least squares": (least_squares(), X),
        "forest": (
            RandomForestRegressor(n_trees, max_features=0.75, random_state=0),
            X,
        ),
        "nearest neighbors": (
            make_pipeline(StandardScaler(), KNeighborsRegressor(5, weights="distance")),
            X,
        ),
    }
    scatter = {
        split: dict(zip(found.table["estimator"], found.table["std_dex"], strict=True))
        for split, found in (
            (split, compare_estimators(contestants, clusters.target, cv=rows))
            for split, rows in folds.items()
        )
    }
    rows = []
    for name in contestants:
        random = np.array([scatter[f"random, seed {seed}"][name] for seed in range(3)])
        by_halo = scatter["halos"][name]
        rows.append(
            {
                "estimator": name,
                "random [%]": round(dex_to_percent(random.mean()), 2),
                "octants [%]": round(dex_to_percent(scatter["octants"][name]), 2),
                "halos [%]": round(dex_to_percent(by_halo), 2),
                "random flatters by [%]": round(100 * (1 - random.mean() / by_halo), 1),
                "between draws [%]": round(100 * random.std(ddof=1) / by_halo, 1),
            }
        )
    return Table(rows=rows)


def main(arguments=None):
    parser = parser_of(__doc__)
    parser.add_argument("--trees", type=int, default=200, help="trees of the forest")
    arguments = parser.parse_args(arguments)
    clusters = fetched(arguments, "magneticum_folds")
    if clusters is None:
        return 0
    observables = np.log(clusters.data)
    X = np.column_stack([observables, clusters.redshift])
    # One cluster has a luminosity far above all others, which regressors warn of.
    warnings.filterwarnings("ignore", ".*lie far outside the training range")
    halo = linked_halos(clusters.position, clusters.target, clusters.redshift)
    print_table(combinations(clusters, observables), as_json=False)
    print()
    print_table(correlations(clusters, X), as_json=False)
    print(f"\n{len(X)} entries are {halo.max() + 1} halos.\n")
    folds = folds_of(clusters, X, halo)
    print_table(crossing(clusters, halo, folds), as_json=False)
    print()
    print_table(splits(clusters, X, folds, arguments.trees), as_json=False)
    return 0


if __name__ == "__main__":
    sys.exit(main())
