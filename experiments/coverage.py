"""Are posteriors calibrated? Coverage on the mock survey, raw and calibrated.

    python experiments/coverage.py --output coverage             # an hour, two cores
    python experiments/coverage.py --output coverage --seeds 0   # 20 minutes
    python experiments/coverage.py --clusters 3285 --pixels 128 --epochs 200

Every cluster's posterior is by models that have not seen its octant of the box. Calibration
learns, inside the training octants, from groups of octants that are held out in turn. Raw
and calibrated posteriors are by the same fit. Fits are kept in OUTPUT/fits: run it again
after a stop and it goes on.

For every seed, of a mock survey and of the networks, prints how many true masses central
intervals hold, over all clusters and in bins of predicted mass and of redshift. These
errors are binomial: they leave out the scatter between fits. So the last table is the mean
over seeds, with the error of the mean from their scatter; of one seed it has no error. Bins
of true mass are in the CSV file only: even perfect posteriors do not cover them evenly.
Exits with 1 if for any seed the 68 % and 95 % intervals of a calibrated network cover
anything but 68 ± 3 and 95 ± 2 %.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.table import Table, vstack
from joblib import Parallel, delayed
from sklearn.base import clone
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    XrayCNNRegressor,
    predict_posterior,
)
from skcluster.datasets import make_mock_survey
from skcluster.metrics import (
    coverage_table,
    dex_to_percent,
    mass_scatter,
    pit_uniformity,
)
from skcluster.model_selection import octants
from skcluster.paper import THREE_BANDS
from skcluster.plotting import CoverageDisplay
from skcluster.posterior import MassPosterior

RAW_ONLY = {"mse", "3 members"}
"""Not calibrated, so that all is done in twenty minutes."""
CALIBRATIONS = {
    "calibrated": None,
    "by redshift": "redshift",
    "by mass": "mass",
}
PROMISED = {"coverage_68": (0.68, 0.03), "coverage_95": (0.95, 0.02)}
DRAWN = (
    ("covariance model", "raw"),
    ("mse", "raw"),
    ("gaussian_nll", "raw"),
    ("3 members", "raw"),
    ("gaussian_nll", "calibrated"),
)


class OctantGroupKFold(GroupKFold):
    """Few folds of complete octants, so that calibration costs few fits."""

    def split(self, X, y=None, groups=None):
        """Rows of training and test clusters."""
        return super().split(X, y, groups=octants(X.position))


def contestants(survey, seed, arguments):
    """Each estimator, with the X that it takes."""
    proxies = make_pipeline(
        ProxyMeasurer(with_redshift=True),
        EvrardProxyRegressor(redshift_column=-1, redshift_bins=5),
    )
    mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels)
    maps = mapper.transform(survey.sample).drop("photons", "galaxies", "name")
    networks = {
        "mse": {},
        "gaussian_nll": {"loss": "gaussian_nll"},
        "MC dropout": {"loss": "gaussian_nll", "n_dropout_draws": 20},
        "3 members": {"loss": "gaussian_nll", "n_members": 3},
    }
    chosen = {"covariance model": (proxies, survey.sample)}
    for name, parameters in networks.items():
        regressor = XrayCNNRegressor(
            dropout=0.1,
            augment=True,
            max_epochs=arguments.epochs,
            patience=arguments.patience,
            random_state=seed,
            device=arguments.device,
            n_threads=1,
            checkpoint_dir=arguments.output / "fits",
            **parameters,
        )
        pipeline = make_pipeline(RedshiftNormalizer(), LogScaler(), regressor)
        chosen[name] = pipeline, maps
    return chosen


def one_fold(estimator, train, log_mass, test, n_inner):
    """Posteriors of the test clusters, raw and, with inner folds, calibrated."""
    if not n_inner:
        return {"raw": predict_posterior(clone(estimator).fit(train, log_mass), test)}
    posteriors = {}
    # The networks of the second and the third fit are read from the checkpoints.
    for kind, by in CALIBRATIONS.items():
        model = CalibratedMassRegressor(estimator, cv=OctantGroupKFold(n_inner), by=by)
        model.fit(train, log_mass)
        posteriors[kind] = predict_posterior(model, test)
    return {"raw": predict_posterior(model.estimator_, test), **posteriors}


def cross_validate(estimator, X, log_mass, n_jobs, n_inner):
    """Posteriors of all clusters, raw and calibrated."""
    folds = list(QuadrantGroupKFold().split(X))
    parts = Parallel(n_jobs=n_jobs)(
        delayed(one_fold)(estimator, X[train], log_mass[train], X[test], n_inner)
        for train, test in folds
    )
    order = np.argsort(np.concatenate([test for _, test in folds]))
    return {
        kind: MassPosterior.concatenate(part[kind] for part in parts)[order]
        for kind in parts[0]
    }


def measured(name, kind, posterior, survey):
    """Coverage of one contestant's posteriors, and how wide they are."""
    log_mass, mean = survey.log_mass, posterior.mean()
    pit = posterior.cdf(log_mass)
    by = {
        "predicted mass": mean,
        "redshift": survey.sample.redshift,
        "true mass": log_mass,
    }
    table = coverage_table(pit, by=by, n_bins=3)
    summary = Table(
        {
            "estimator": [name],
            "posterior": [kind],
            "scatter": [mass_scatter(log_mass, mean, unit="percent")],
            "mean_error": [dex_to_percent(posterior.std().mean())],
            "pit_p_value": [pit_uniformity(pit)],
        }
    )
    table.add_columns(
        [[name], [kind]], indexes=[0, 0], names=["estimator", "posterior"]
    )
    return summary, table


def in_percent(table):
    """What is printed: coverage as 68.2 ± 1.3, in rows that a terminal holds."""
    shown = table["estimator", "posterior", "quantity", "low", "high", "n"]
    shown["low"].format = shown["high"].format = ".2f"
    for name in table.colnames:
        if name.startswith("coverage_"):
            level = name.removeprefix("coverage_")
            errors = table[f"error_{level}"]
            shown[f"{level} %"] = [
                f"{100 * value:.1f} ± {100 * error:.1f}"
                for value, error in zip(table[name], errors, strict=True)
            ]
    return shown


def broken_promises(table):
    """What calibrated networks cover too much or too little."""
    networks = (table["posterior"] == "calibrated") & (
        table["estimator"] != "covariance model"
    )
    for row in table[networks & (table["quantity"] == "all")]:
        for column, (level, tolerance) in PROMISED.items():
            if abs(row[column] - level) > tolerance:
                yield f"{row['estimator']}: {row[column]:.1%} instead of {level:.0%}"


def draw(posteriors, log_mass, path):
    """Coverage against level of some contestants."""
    axes = None
    for name, kind in DRAWN:
        display = CoverageDisplay.from_predictions(
            log_mass, posteriors[name][kind], name=f"{name}, {kind}", ax=axes
        )
        axes = display.axes_
    display.figure_.savefig(path, dpi=150)


def parsed_arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=1200)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--patience", type=int, default=6)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--inner", type=int, default=4, help="folds that calibrate")
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--output", type=Path, default=Path("coverage"))
    return parser.parse_args()


def over_seeds(tables):
    """Mean over seeds of each estimator's coverage of all clusters, and its error.

    Parameters
    ----------
    tables : list of Table
        Coverage of all estimators, one table per seed, with rows in the same order.

    Returns
    -------
    table : Table
        Coverage as 68.2 ± 1.3. The error is that of the mean, from the scatter between
        seeds, which holds that between surveys and that between fits.
    """
    tables = [table[table["quantity"] == "all"] for table in tables]
    mean = tables[0]["estimator", "posterior"]
    mean["seeds"] = len(tables)
    for name in tables[0].colnames:
        if name.startswith("coverage_"):
            values = 100 * np.array([table[name] for table in tables])
            level = name.removeprefix("coverage_")
            if len(tables) == 1:
                mean[f"{level} %"] = [f"{value:.1f}" for value in values[0]]
                continue
            errors = values.std(axis=0, ddof=1) / np.sqrt(len(tables))
            mean[f"{level} %"] = [
                f"{value:.1f} ± {error:.1f}"
                for value, error in zip(values.mean(axis=0), errors, strict=True)
            ]
    return mean


def run_seed(seed, arguments):
    """Posteriors of all contestants on the survey of one seed; their two tables."""
    survey = make_mock_survey(arguments.clusters, random_state=seed)
    posteriors, summaries, tables = {}, [], []
    for name, (estimator, X) in contestants(survey, seed, arguments).items():
        start = time.perf_counter()
        n_inner = 0 if name in RAW_ONLY else arguments.inner
        posteriors[name] = cross_validate(
            estimator, X, survey.log_mass, arguments.jobs, n_inner
        )
        seconds = time.perf_counter() - start
        print(f"seed {seed}, {name}: {seconds:.0f} s", file=sys.stderr, flush=True)
        for kind, posterior in posteriors[name].items():
            summary, table = measured(name, kind, posterior, survey)
            summaries.append(summary)
            tables.append(table)
    table, summary = vstack(tables), vstack(summaries)
    table.write(arguments.output / f"coverage-{seed}.csv", overwrite=True)
    draw(posteriors, survey.log_mass, arguments.output / f"coverage-{seed}.png")
    return summary, table


def main():
    """Print the tables, save them and the figures."""
    arguments = parsed_arguments()
    mpl.use("Agg")
    arguments.output.mkdir(parents=True, exist_ok=True)
    tables, broken = [], []
    for seed in arguments.seeds:
        summary, table = run_seed(seed, arguments)
        tables.append(table)
        for column in ("scatter", "mean_error"):
            summary[column].format = ".1f"
        summary["pit_p_value"].format = ".2g"
        print(f"seed {seed}")
        summary.pprint_all()
        in_percent(table[table["quantity"] != "true mass"]).pprint_all()
        broken += [f"seed {seed}, {each}" for each in broken_promises(table)]
    over_seeds(tables).pprint_all()
    print("\n".join(broken) or "All calibrated networks cover what they promise.")
    return int(bool(broken))


if __name__ == "__main__":
    sys.exit(main())
