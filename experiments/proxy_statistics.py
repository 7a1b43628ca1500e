"""Do the errors of the covariance model hold? Evolution, few clusters, slopes.

    python experiments/proxy_statistics.py                  # all three: minutes
    python experiments/proxy_statistics.py evolution --seeds 0 1 2
    python experiments/proxy_statistics.py errors slopes

``evolution``: scatter of the demo's proxies, cross-validated by octant, with the mock's
eleven snapshots as bins and with wider ones, without and with evolution inside them.

``errors``: the in-sample scatter and the predicted errors of simulated clusters, over the
root mean square error of new clusters, for few clusters per bin; and how many of the new
clusters lie inside of the central 68.3 % of their posteriors.

``slopes``: how often the slope of `infer_slope` is within its error of the truth, for
calibrations on 300, 1000 and 20,000 clusters and surveys of 4000, with the errors that it
gives and with those of the survey alone.

The exit status is 1 if three bins are worse than the snapshots, if predicted errors are off
by more than 3 %, or if a coverage is further than 3 points from 68.3 %.
"""

import argparse
import sys
import warnings

import numpy as np
from astropy.table import Table

from skcluster import (
    EvrardProxyRegressor,
    ProxyMeasurer,
    QuadrantGroupKFold,
    infer_slope,
    proxy_covariance,
)
from skcluster.comparison import compare_estimators
from skcluster.datasets import make_mock_survey

ONE_SIGMA = 68.27
N_SURVEY = 4000
SCATTER = [[0.16, 0.05], [0.05, 0.04]]
PROXIES = {
    "N_phot": ("n_phot",),
    "N_phot,500c": ("n_phot_500c",),
    "four proxies": ("n_phot", "n_phot_500c", "n_gal", "sigma_v"),
}
BINS = {"11 snapshots": None, "5 bins": 5, "3 bins": 3, "1 bin": 1}


def scatter_by_bins(seed, n_clusters):
    """Cross-validated standard deviation [% of ln M], by proxies, evolution and bins."""
    survey = make_mock_survey(n_clusters, random_state=seed)
    measurer = ProxyMeasurer(with_redshift=True)
    measured = measurer.fit_transform(survey.sample)
    columns = measurer.get_feature_names_out().tolist()
    contestants = {}
    for name, proxies in PROXIES.items():
        X = measured[:, [columns.index(each) for each in (*proxies, "redshift")]]
        for evolution in (None, "intercept", "slope"):
            for label, bins in BINS.items():
                contestants[name, evolution, label] = (
                    EvrardProxyRegressor(
                        redshift_column=-1, redshift_bins=bins, evolution=evolution
                    ),
                    X,
                )
    table = compare_estimators(
        contestants,
        survey.log_mass,
        cv=QuadrantGroupKFold(),
        groups=survey.sample.position,
    ).table
    return dict(zip(contestants, table["std_percent"], strict=True))


def evolution(arguments):
    """Print a table for each seed; whether three bins are as good as the snapshots."""
    is_good = True
    for seed in arguments.seeds:
        found = scatter_by_bins(seed, arguments.clusters)
        rows = [
            {"proxies": name, "evolution": str(kind)}
            | {label: f"{found[name, kind, label]:.1f}" for label in BINS}
            for name in PROXIES
            for kind in (None, "intercept", "slope")
        ]
        show(f"Standard deviation [% of ln M], mock seed {seed}:", rows)
        is_good &= all(
            found[name, "intercept", "3 bins"]
            <= found[name, "intercept", "11 snapshots"]
            for name in PROXIES
        )
    return is_good


def simulated(rng, n_bins, n_clusters, n_proxies):
    """ln S of proxies with correlated scatter and a column of redshift, and log10 M."""
    root = rng.normal(size=(n_proxies, n_proxies)) / np.sqrt(5 * n_proxies)
    C = root @ root.T + 0.05 * np.eye(n_proxies)
    slope = rng.uniform(0.6, 1.5, n_proxies)

    def draw(n):
        mu = rng.uniform(-1, 1.5, n_bins * n)
        noise = rng.multivariate_normal(np.zeros(n_proxies), C, n_bins * n)
        ln_s = np.outer(mu, slope) + noise
        bins = np.repeat(np.linspace(0.1, 0.5, n_bins), n)
        return np.column_stack([ln_s, bins]), 14 + mu / np.log(10)

    return draw(n_clusters), draw(20)


def errors(arguments):
    """Print in-sample scatter and predicted errors over the errors of new clusters."""
    rows, is_good = [], True
    rng = np.random.default_rng(0)
    for n_clusters, n_proxies in [(10, 4), (30, 5), (30, 1), (100, 4), (1000, 4)]:
        known, new = simulated(rng, arguments.bins, n_clusters, n_proxies)
        model = EvrardProxyRegressor(redshift_column=-1).fit(*known)
        mean, std = model.predict(new[0], return_std=True)
        made = np.sqrt(np.mean((mean - new[1]) ** 2))
        ratio = np.sqrt(np.mean(std**2)) / made
        covered = 100 * np.mean(np.abs(mean - new[1]) < std)
        rows.append(
            {
                "clusters per bin": n_clusters,
                "proxies": n_proxies,
                "in-sample / made": f"{model.scatter_ / np.log(10) / made:.3f}",
                "predicted / made": f"{ratio:.3f}",
                "inside 68.3 %": f"{covered:.1f}",
            }
        )
        is_good &= abs(ratio - 1) < 0.03
    show(f"Errors of {20 * arguments.bins:,} new clusters:", rows)
    return is_good


def observed(rng, n, n_bins=1):
    """ln S of an observable and of a proxy with correlated scatter; ln M; redshift."""
    mu = rng.normal(0.3, 0.5, n)
    noise = rng.normal(size=(n, 2)) @ np.linalg.cholesky(SCATTER).T
    redshift = np.resize(np.linspace(0.1, 0.4, n_bins), n)
    return (
        mu[:, None] * [1.5, 0.9] + noise - 2 * np.log(redshift)[:, None],
        mu,
        redshift,
    )


def slopes(arguments):
    """Print how often slopes are within their errors of the truth."""
    rows, is_good = [], True
    for n_known, n_bins in [(300, 1), (300, 3), (1000, 1), (1000, 3), (20_000, 1)]:
        found = []
        for seed in range(arguments.draws):
            rng = np.random.default_rng([seed, n_known, n_bins])
            ln_s, mu, redshift = observed(rng, n_known, n_bins)
            model = EvrardProxyRegressor(redshift_column=-1)
            model.fit(np.column_stack([ln_s, redshift]), 14 + mu / np.log(10))
            table = proxy_covariance(model, names=["s", "m"])
            ln_s, _, redshift = observed(rng, N_SURVEY, n_bins)
            slope, error = infer_slope(
                *ln_s.T, table, names=["s", "m"], redshift=redshift
            )
            table["slope_error"][:], table["n_dof"][:] = 0, 10**12
            _, alone = infer_slope(*ln_s.T, table, names=["s", "m"], redshift=redshift)
            found.append((slope, error, alone))
        slope, error, alone = np.transpose(found)
        covered, without = (
            100 * np.mean(np.abs(slope - 1.5) < each) for each in (error, alone)
        )
        rows.append(
            {
                "calibrators": n_known,
                "bins": n_bins,
                "mean slope - truth": f"{slope.mean() - 1.5:+.4f}",
                "scatter of slopes": f"{slope.std():.4f}",
                "mean error": f"{error.mean():.4f}",
                "covered [%]": f"{covered:.1f}",
                "by the survey's error [%]": f"{without:.1f}",
            }
        )
        is_good &= abs(covered - ONE_SIGMA) < 3
    show(f"Slopes in {arguments.draws} surveys of {N_SURVEY} clusters:", rows)
    return is_good


def show(title, rows):
    print(f"\n{title}")
    Table(rows=rows).pprint_all()
    sys.stdout.flush()


def main():
    """Run the parts that are asked for."""
    parts = {"evolution": evolution, "errors": errors, "slopes": slopes}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", help=f"out of {', '.join(parts)}")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=1200, help="of a mock survey")
    parser.add_argument("--bins", type=int, default=2000, help="simulated for errors")
    parser.add_argument("--draws", type=int, default=1000, help="surveys for slopes")
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", ".*clusters per parameter", UserWarning)
    good = [parts[name](arguments) for name in arguments.parts or parts]
    print("\nAll hold." if all(good) else "\nNOT ALL HOLD.")
    return 0 if all(good) else 1


if __name__ == "__main__":
    sys.exit(main())
