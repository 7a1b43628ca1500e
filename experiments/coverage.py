"""Are posteriors calibrated? Coverage on the mock survey, raw and calibrated.

    python experiments/coverage.py --output coverage          # half an hour per seed
    python experiments/coverage.py --output coverage --seeds 0
    python experiments/coverage.py --clusters 1200 --test-clusters 2400   # minutes

As a user would, it trains on one mock survey, where calibration holds out each octant of
the box in turn, and predicts another survey. Raw and calibrated posteriors are by the same
fit. Trained networks and what they predict are kept in small files under OUTPUT: run it
again after a stop and it goes on.

For every seed, of both surveys and of the networks, prints how many true masses central
intervals hold, and p-values of the PITs: over all clusters, in thirds of predicted mass
and of redshift, and by the distance of the predicted mass from the least training mass,
where the mock's masses end sharply. Errors are binomial. pit_p_value takes posteriors for
exact; but they were learned from a third as many clusters as they are tested on, and would
fail too often even if all fits were perfect. So p_two_samples compares training and test
clusters as two samples. The next table is the mean over seeds; its error is that of the
mean as the scatter between seeds tells it, which holds the scatter between surveys and
between fits, or the binomial error of all clusters together if that is larger. The third
one lists the network fits: by how much its curve (`skcluster.regressors.output_curve`),
which is learned from its training clusters, moves four predicted masses [dex], and the
slope of true masses on predicted ones for clusters that it has not seen. The last one is
the control, without any difference between fits: the fit to all clusters is calibrated by
as many clusters of the test survey, of which it has seen none, and tested on the others,
for ten choices of them. It counts the thirds of predicted mass and redshift whose 68 %
intervals are off by more than 3 %, and those with p_two_samples < 0.01, beside those of
the calibration by octants. All tables are written to OUTPUT.

Exits with 1 unless for the calibrated networks (by trend) each seed's 68 % and 95 %
intervals cover 68 ± 3 and 95 ± 2 % of all clusters with p_two_samples > 0.01, and unless
the mean over seeds of each third is 68 ± 3 % within its error.
"""

import argparse
import sys
import warnings
from itertools import pairwise
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.table import Table, vstack
from kept_fits import N_OCTANTS, KeptFit, folder_of, keep_fits, path_of
from scipy import stats
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    XrayCNNRegressor,
    predict_posterior,
)
from skcluster.datasets import make_mock_survey
from skcluster.metrics import (
    dex_to_percent,
    interval_coverage,
    mass_scatter,
    pit_uniformity,
)
from skcluster.paper import THREE_BANDS
from skcluster.plotting import CoverageDisplay
from skcluster.regressors.output_curve import KNOTS

N_DRAWS = 20
LEVELS = (0.5, 0.68, 0.9, 0.95)
CALIBRATIONS = {"calibrated": None, "by trend": "trend"}
PROMISED = {68: 3.0, 95: 2.0}
"""By how many percent the coverage of all clusters may differ from its level."""
LEAST_P = 0.01
N_CHOICES = 10
"""How many times a test survey is parted into clusters that calibrate, and others."""
DISTANCES = np.array([-np.inf, 0.1, 0.2, 0.3, np.inf])
"""Edges of bins of the distance from the least training mass [dex]."""
DRAWN = (
    ("covariance model", "raw"),
    ("gaussian_nll", "raw"),
    ("gaussian_nll", "calibrated"),
    ("gaussian_nll", "by trend"),
)


def contestants(training, test, seed, arguments):
    """Each estimator with its training and test clusters; missing fits are made."""
    proxies = make_pipeline(
        ProxyMeasurer(with_redshift=True),
        EvrardProxyRegressor(redshift_column=-1, redshift_bins=5),
    )
    mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels)
    maps, test_maps = (
        mapper.transform(survey.sample).drop("photons", "galaxies", "name")
        for survey in (training, test)
    )
    regressor = XrayCNNRegressor(
        loss="gaussian_nll",
        dropout=0.1,
        augment=True,
        max_epochs=arguments.epochs,
        patience=arguments.patience,
        precision=arguments.precision,
        random_state=seed,
        device=arguments.device,
        checkpoint_dir=arguments.output / "training",
        n_threads=1,
    )
    folder = folder_of_fits(seed, arguments)
    keep_fits(
        make_pipeline(RedshiftNormalizer(), LogScaler(), regressor),
        *(maps, training.log_mass, test_maps, folder),
        n_draws=N_DRAWS,
        n_jobs=arguments.jobs,
    )
    places = maps.drop("maps"), test_maps.drop("maps")
    return {
        "covariance model": (proxies, training.sample, test.sample),
        "gaussian_nll": (KeptFit(folder), *places),
        "MC dropout": (KeptFit(folder, n_dropout_draws=N_DRAWS), *places),
    }


def slopes_of_fits(seed, test, training, arguments):
    """Table of the network fits of a seed: their curves, and slopes of new clusters."""
    rows, folder = [], folder_of_fits(seed, arguments)
    masses = {
        each.tobytes(): log_mass
        for survey in (training, test)
        for each, log_mass in zip(survey.sample.position, survey.log_mass, strict=True)
    }
    for left_out in [None, *range(N_OCTANTS)]:
        with np.load(path_of(folder, left_out)) as kept:
            truth = np.array([masses[each.tobytes()] for each in kept["position"]])
            line = stats.linregress(kept["mean_0"][:, 0], truth)
            rows.append(
                {
                    "seed": seed,
                    "fit": "all" if left_out is None else f"without octant {left_out}",
                    **{
                        f"at {x:+} std": y
                        for x, y in zip(KNOTS, kept["bend"], strict=True)
                    },
                    "n_new": len(truth),
                    "slope_left": line.slope,
                    "slope_left_error": line.stderr,
                }
            )
    return Table(rows)


def folder_of_fits(seed, arguments):
    """Folder of the kept fits of one seed; an error if they are of other arguments."""
    names = ("clusters", "test_clusters", "pixels", "epochs", "patience", "precision")
    settings = {name: getattr(arguments, name) for name in names}
    return folder_of(arguments.output / f"fits-{seed}", settings)


def posteriors_of(estimator, train, log_mass, test):
    """Posteriors of the test clusters, raw and calibrated, and the fitted estimator."""
    posteriors = {}
    for kind, by in CALIBRATIONS.items():
        model = CalibratedMassRegressor(estimator, by=by).fit(train, log_mass)
        posteriors.setdefault("raw", predict_posterior(model.estimator_, test))
        posteriors[kind] = predict_posterior(model, test)
    return posteriors, model.estimator_


def control(estimator, test, log_mass, n_calibrate, seed):
    """Thirds that are off if the very fit that is tested is calibrated, by others.

    Yields one table of thirds for each choice of the clusters that calibrate.
    """
    rng = np.random.default_rng(seed)
    for _ in range(N_CHOICES):
        order = rng.permutation(len(log_mass))
        calibrate, rest = np.split(order, [n_calibrate])
        model = CalibratedMassRegressor(FrozenEstimator(estimator), by="trend")
        model.fit(test[calibrate], log_mass[calibrate])
        posterior = predict_posterior(model, test[rest])
        z = test.redshift[rest]
        table = measured(posterior, log_mass[rest], z, None, n_calibrate)
        yield table[is_third(table)]


def is_third(table):
    """Whether rows are of thirds of predicted mass or redshift."""
    return np.isin(table["quantity"], ["predicted mass", "redshift"])


def counted_misses(tables, **about):
    """Row with how many thirds of some tables are off."""
    table = vstack(tables)
    off = np.abs(table["coverage_68"] - 68) > PROMISED[68]
    not_uniform = table["p_two_samples"] <= LEAST_P
    counts = len(table), np.sum(off), np.sum(not_uniform)
    return about | dict(zip(("thirds", "off", "not_uniform"), counts, strict=True))


def p_two_samples(pit, n_per_trained):
    """P-value of PITs under a distribution that was learned from a sample itself.

    Parameters
    ----------
    pit : ndarray of shape (n,)
    n_per_trained : float
        Number of tested clusters per cluster that the distribution was learned from.
    """
    distance = stats.ks_1samp(pit, stats.uniform.cdf).statistic
    return stats.kstwo.sf(distance, max(round(len(pit) / (1 + n_per_trained)), 1))


def measured(posterior, log_mass, z, least_mass, n_trained):
    """Table of one contestant's coverage, one row for all clusters and one per bin."""
    mean, std, pit = posterior.mean(), posterior.std(), posterior.cdf(log_mass)
    bins = [("all", mean, [-np.inf, np.inf])]
    for name, values in (("predicted mass", mean), ("redshift", z)):
        thirds = np.quantile(values, [1 / 3, 2 / 3])
        bins.append((name, values, [-np.inf, *thirds, np.inf]))
    if least_mass is not None:
        bins.append(("above least mass", mean - least_mass, DISTANCES))
    rows = []
    for quantity, values, edges in bins:
        for number, (low, high) in enumerate(pairwise(edges)):
            rows.append({"quantity": quantity, "bin": number})
            chosen = (low <= values) & (values < high)
            coverage, error = interval_coverage(pit[chosen], LEVELS)
            scatter = mass_scatter(log_mass[chosen], mean[chosen], unit="percent")
            rows[-1] |= {
                "low": values[chosen].min(),
                "high": values[chosen].max(),
                "n": chosen.sum(),
                "scatter": scatter,
                "mean_error": dex_to_percent(std[chosen].mean()),
                "pit_p_value": pit_uniformity(pit[chosen]),
                "p_two_samples": p_two_samples(pit[chosen], len(pit) / n_trained),
            }
            for level, value, sigma in zip(LEVELS, coverage, error, strict=True):
                rows[-1] |= {f"coverage_{level:.0%}"[:-1]: 100 * value}
                rows[-1] |= {f"error_{level:.0%}"[:-1]: 100 * sigma}
    return Table(rows)


def run_seed(seed, arguments):
    """Tables of all contestants of one seed's survey, of fits, and of the control."""
    training = make_mock_survey(arguments.clusters, random_state=seed)
    test = make_mock_survey(arguments.test_clusters, random_state=1000 + seed)
    posteriors, tables, misses = {}, [], []
    least, n = training.log_mass.min(), len(training.log_mass)
    chosen = contestants(training, test, seed, arguments)
    for name, (estimator, train, tested) in chosen.items():
        posteriors[name], fitted = posteriors_of(
            estimator, train, training.log_mass, tested
        )
        for kind, posterior in posteriors[name].items():
            table = measured(posterior, test.log_mass, tested.redshift, least, n)
            table.add_columns(
                [[seed], [name], [kind]],
                indexes=[0, 0, 0],
                names=["seed", "estimator", "posterior"],
            )
            tables.append(table)
        by_trend = tables[-1][is_third(tables[-1])]
        of_control = control(fitted, tested, test.log_mass, n, seed)
        for by, parts in (("octants", [by_trend]), ("control", of_control)):
            about = {"seed": seed, "estimator": name, "calibrated_by": by}
            misses.append(counted_misses([*parts], **about))
    axes = None
    for name, kind in DRAWN:
        display = CoverageDisplay.from_predictions(
            test.log_mass, posteriors[name][kind], name=f"{name}, {kind}", ax=axes
        )
        axes = display.axes_
    display.figure_.savefig(arguments.output / f"coverage-{seed}.png", dpi=150)
    fits = slopes_of_fits(seed, test, training, arguments)
    return vstack(tables), fits, Table(misses)


def over_seeds(table):
    """Mean over seeds of each row, with the error that the page on top describes."""
    seeds = np.unique(table["seed"])
    parts = [table[table["seed"] == seed] for seed in seeds]
    mean = parts[0]["estimator", "posterior", "quantity", "bin"]
    mean["n"] = np.sum([part["n"] for part in parts], axis=0)
    for name in ("low", "high", "scatter", "mean_error"):
        mean[name] = np.mean([part[name] for part in parts], axis=0)
    for name in ("pit_p_value", "p_two_samples"):
        mean[f"least_{name}"] = np.min([part[name] for part in parts], axis=0)
    for level in (f"{100 * level:.0f}" for level in LEVELS):
        values = np.array([part[f"coverage_{level}"] for part in parts])
        binomial = np.sqrt(float(level) * (100 - float(level)) / mean["n"])
        scatter = 0.0
        if len(seeds) > 1:
            scatter = values.std(axis=0, ddof=1) / np.sqrt(len(seeds))
        mean[f"coverage_{level}"] = values.mean(axis=0)
        mean[f"error_{level}"] = np.maximum(binomial, scatter)
    return mean


def in_percent(table):
    """What is printed: coverage as 68.2 ± 1.3, in rows that a terminal holds."""
    shown = table.copy()
    for name in ("low", "high"):
        shown[name].format = ".2f"
    for name in ("scatter", "mean_error"):
        shown[name].format = ".1f"
    for name in shown.colnames:
        if "p_" in name:
            shown[name].format = ".2g"
    for level in (f"{100 * level:.0f}" for level in LEVELS):
        pairs = zip(table[f"coverage_{level}"], table[f"error_{level}"], strict=True)
        shown[f"{level} %"] = [f"{value:.1f} ± {error:.1f}" for value, error in pairs]
        shown.remove_columns([f"coverage_{level}", f"error_{level}"])
    return shown


def broken_promises(table, mean):
    """What networks calibrated by trend cover too much or too little."""
    judged = [
        rows[
            (rows["posterior"] == "by trend")
            & (rows["estimator"] != "covariance model")
        ]
        for rows in (table, mean)
    ]
    for row in judged[0][judged[0]["quantity"] == "all"]:
        where = f"seed {row['seed']}, {row['estimator']}"
        for level, tolerance in PROMISED.items():
            if abs(row[f"coverage_{level}"] - level) > tolerance:
                yield f"{where}: {row[f'coverage_{level}']:.1f} instead of {level} %"
        if row["p_two_samples"] <= LEAST_P:
            yield f"{where}: p = {row['p_two_samples']:.2g} of the PIT"
    for row in judged[1][is_third(judged[1])]:
        if abs(row["coverage_68"] - 68) > PROMISED[68] + row["error_68"]:
            where = f"{row['estimator']}, third {row['bin'] + 1} of {row['quantity']}"
            yield f"{where}: {row['coverage_68']:.1f} ± {row['error_68']:.1f} %"


def parsed_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument("--test-clusters", type=int, default=9600)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--patience", type=int, default=6)
    parser.add_argument("--precision", default="bfloat16")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path("coverage"))
    return parser.parse_args()


def main():
    """Print the tables, save them and the figures."""
    arguments = parsed_arguments()
    mpl.use("Agg")
    warnings.simplefilter("ignore", UserWarning)  # of clusters unlike those of training
    arguments.output.mkdir(parents=True, exist_ok=True)
    tables = []
    for seed in arguments.seeds:
        tables.append(run_seed(seed, arguments))
        in_percent(tables[-1][0]).pprint_all()
    table, fits, misses = (vstack(parts) for parts in zip(*tables, strict=True))
    mean = over_seeds(table)
    named = {"by-seed": table, "mean": mean, "fits": fits, "control": misses}
    for name, each in named.items():
        for column in each.itercols():
            if column.dtype.kind == "f":
                column.info.format = ".2g" if "p_" in column.name else ".3f"
        each.write(arguments.output / f"coverage-{name}.csv", overwrite=True)
    in_percent(mean).pprint_all()
    fits.pprint_all()
    misses.pprint_all()
    broken = list(broken_promises(table, mean))
    print("\n".join(broken) or "All calibrated networks cover what they promise.")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
