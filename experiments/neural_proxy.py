"""A network's mass as one more proxy: its correlations, its gain, and the slope it biases.

    python experiments/neural_proxy.py --output experiments/results  # a quarter of an hour
    python experiments/neural_proxy.py --seeds 0 --clusters 1200

Half of the octants of the mock survey are the calibration set, whose masses are known. Four
networks are trained on three of its octants each, and give the masses of the fourth, and
of one octant of the other half, which no network was trained on. So all masses are of
networks that have not seen the cluster, and their errors are alike in both halves.

Printed for every seed, of a survey and of networks: the errors of masses by combinations of
proxies, with and without the network, cross-validated by octant; and, for each observable,
the correlation of its residuals with those of the network in the first half, and its slope
with mass in the second half, from network masses alone: with rho = 0, and with the
covariance of the first half, beside the slope by true masses. --output writes these tables.
Then the means over the seeds, with significances by Student's t of the seeds, whose scatter
holds that between surveys and between fits. The exit status is 1 if, for the observable
with the largest |rho|, the slope with the covariance is off by more than 3 sigma, or unless
that with rho = 0 is, and differs from the other by more than 3 sigma. Predictions are kept
in --folder, fold by fold, and not computed again.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from kept_fits import folder_of, kept, kept_predictions
from seed_tables import mean_and_error, write
from significance import ENOUGH, significance, verdict
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    XrayCNNRegressor,
    infer_slope,
    proxy_covariance,
    residual_correlation,
    search_proxies,
    write_covariance,
)
from skcluster.datasets import make_mock_survey
from skcluster.model_selection import octants
from skcluster.paper import THREE_BANDS

NETWORK = "network"
IDEAL = {
    "T": ("temperature", "keV"),
    "L_X": ("luminosity", "1e44 erg/s"),
    "M_gas": ("gas_mass", "Msun/h"),
    "M_star": ("stellar_mass", "Msun/h"),
}
MEASURED = {"n_phot": "", "n_phot_500c": "", "n_gal": "", "sigma_v": "km/s"}
OBSERVABLES = [*IDEAL, *MEASURED]
NAMES = [*OBSERVABLES, NETWORK]
SETS = [set(), *({name} for name in OBSERVABLES), {"n_phot", "n_gal", "sigma_v"}]
SETS += [{*MEASURED}, {*IDEAL}, {*OBSERVABLES}]
UNITS = [*(unit for _, unit in IDEAL.values()), *MEASURED.values(), "Msun/h"]


def observe(seed, arguments):
    """A mock survey as a table: ln of the observables and of the networks' masses."""
    settings = {
        key: getattr(arguments, key) for key in ("clusters", "pixels", "epochs")
    }
    folder = folder_of(arguments.folder / f"seed-{seed}", settings)
    return Table(kept(folder / "observables.npz", observed, seed, arguments, folder))


def observed(seed, arguments, folder):
    """Columns of the table of `observe`; each fold's predictions are kept in the folder."""
    survey = make_mock_survey(
        arguments.clusters, random_state=seed, n_jobs=arguments.jobs
    )
    sample, log_mass = survey.sample, survey.log_mass
    octant = octants(sample.position)
    is_known = octant < 4
    columns = {"redshift": sample.redshift, "mu": np.log(10) * (log_mass - 14)}
    columns |= {"octant": octant, "is_known": is_known}
    for name, (column, _) in IDEAL.items():
        columns[name] = np.log(survey.catalog[column])
    measured = ProxyMeasurer(proxies=tuple(MEASURED)).fit_transform(sample)
    columns |= dict(zip(MEASURED, measured.T, strict=True))
    folds = [
        (np.flatnonzero(is_known & (octant != k)), np.flatnonzero(octant % 4 == k))
        for k in range(4)
    ]
    network = XrayCNNRegressor(
        augment=True,
        dropout=0.1,
        max_epochs=arguments.epochs,
        random_state=seed,
        device=arguments.device,
        n_threads=1,
    )
    maps = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels).transform(sample)
    masses = kept_predictions(
        make_pipeline(RedshiftNormalizer(), LogScaler(), network),
        maps.drop("photons", "galaxies", "name"),
        *(log_mass, folds, folder),
        n_jobs=arguments.jobs,
    )
    return columns | {NETWORK: np.log(10) * masses}


def columns_of(table, names):
    return np.column_stack([table[name] for name in names])


def log_mass_of(table):
    return 14 + table["mu"] / np.log(10)


def errors_of_combinations(table):
    """Errors of masses of new clusters [% of ln M], by the set of proxies."""
    found = search_proxies(
        columns_of(table, NAMES),
        log_mass_of(table),
        names=NAMES,
        redshift=table["redshift"],
        cv=GroupKFold(8),
        groups=table["octant"],
    )
    proxies = [frozenset(text.split(", ")) for text in found["proxies"]]
    return dict(zip(proxies, found["cv_error_percent"], strict=True))


def gains(table):
    """Errors of masses by sets of proxies [% of ln M], without and with the network."""
    errors = errors_of_combinations(table)
    rows = [
        {
            "proxies": ", ".join(name for name in NAMES if name in names) or "none",
            "without": errors.get(frozenset(names), np.nan),
            "with_network": errors[frozenset(names | {NETWORK})],
        }
        for names in SETS
    ]
    return Table(rows=rows)


def calibrated(table):
    """Covariance of all observables and the network, in the calibration set."""
    X = columns_of(table, [*NAMES, "redshift"])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass_of(table))
    return proxy_covariance(model, names=NAMES, units=UNITS)


def slopes(table):
    """What the network's masses make of each observable's slope with mass."""
    is_known = np.asarray(table["is_known"])
    known, survey = table[is_known], table[~is_known]
    covariance = calibrated(known)
    redshifts = np.unique(survey["redshift"])
    at_redshift = survey["redshift"][:, None] == redshifts
    design = np.column_stack([survey["mu"], at_redshift.astype(float)])
    true, *_ = np.linalg.lstsq(design, columns_of(survey, OBSERVABLES))
    pairs = residual_correlation(
        columns_of(known, NAMES),
        log_mass_of(known),
        names=NAMES,
        redshift=known["redshift"],
        random_state=0,
    )
    found = Table({"observable": OBSERVABLES})
    found["rho"] = pairs[pairs["second"] == NETWORK]["rho"]
    found["true"] = true[0]
    for column, ignored in (("rho_0", True), ("with_covariance", False)):
        found[column] = [
            infer_slope(
                survey[name],
                survey[NETWORK],
                covariance,
                names=[name, NETWORK],
                redshift=survey["redshift"],
                ignore_correlation=ignored,
            )[0]
            for name in OBSERVABLES
        ]
    return found


def over_seeds(table):
    """Means over the seeds, with the errors that the scatter between them tells.

    Parameters
    ----------
    table : Table
        Rows of `slopes` of every seed.

    Returns
    -------
    table : Table
        One row per observable: how far its slope is off that by true masses [%], with
        rho = 0 and with the covariance, and the difference of the two, ``bias``.
        Significances are by Student's t of the seeds.
    """
    rows = []
    for name in OBSERVABLES:
        part = table[table["observable"] == name]
        row = {"observable": name}
        for column in ("rho", "true"):
            row[column], row[f"{column}_error"] = mean_and_error(part[column])
        off = {
            column: 100 * (part[column] / part["true"] - 1)
            for column in ("rho_0", "with_covariance")
        }
        off["bias"] = off["rho_0"] - off["with_covariance"]
        for column, values in off.items():
            mean, error = mean_and_error(values)
            row |= {column: mean, f"{column}_error": error}
            row[f"{column}_sigma"] = significance(mean, 0.0, error, len(values))
        rows.append(row)
    return Table(rows)


def main():
    """Print the tables and the verdict."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=2400)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--folder", type=Path, default=Path("neural_proxy"), help="of kept predictions"
    )
    parser.add_argument("--output", type=Path, help="folder of the tables of all seeds")
    parser.add_argument("--covariance", help="ECSV file for the calibrated covariance")
    arguments = parser.parse_args()

    surveys = [observe(seed, arguments) for seed in arguments.seeds]
    if arguments.covariance:
        table = vstack(surveys)
        write_covariance(calibrated(table[table["is_known"]]), arguments.covariance)
    tables = {}
    for name, measure in (("gains", gains), ("slopes", slopes)):
        parts = [measure(each) for each in surveys]
        for seed, part in zip(arguments.seeds, parts, strict=True):
            part.add_column(seed, name="seed", index=0)
        tables[name] = vstack(parts)
        if arguments.output:
            path = arguments.output / f"neural-proxy-{name}.csv"
            write(tables[name].copy(), path)
        print(f"\n{name}")
        tables[name].pprint_all()
    mean = over_seeds(tables["slopes"])
    if arguments.output:
        write(mean.copy(), arguments.output / "neural-proxy-slopes-mean.csv")
    mean.pprint_all()
    chosen = mean[np.argmax(np.abs(mean["rho"]))]
    off = "{:+.1f} % ({:+.1f} sigma)"
    ignored, used, bias = (
        off.format(chosen[name], chosen[f"{name}_sigma"])
        for name in ("rho_0", "with_covariance", "bias")
    )
    print(
        f"\nLargest |rho| in the calibration: {chosen['observable']}. Its slope is off by "
        f"{ignored} if rho is ignored, by {used} if it is used; difference {bias}."
    )
    shown = verdict(*(abs(chosen[f"{name}_sigma"]) for name in ("rho_0", "bias")))
    is_shown = shown == "met" and abs(chosen["with_covariance_sigma"]) <= ENOUGH
    print("Bias and recovery are shown." if is_shown else "NOT SHOWN.")
    return 0 if is_shown else 1


if __name__ == "__main__":
    sys.exit(main())
