"""Does morphology know of the mass in the mock survey what it knows in a simulation?

    python experiments/dynamical_state.py                        # three seeds: minutes
    python experiments/dynamical_state.py --clusters 1200 --seeds 0
    python experiments/dynamical_state.py --exposure 800         # as bright as theirs

Compares Spearman correlations of the mass residual at fixed core-excised luminosity with
morphology, and the scatter that morphology removes: the public features of Magneticum
clusters of Green et al. (2019, ApJ 884, 33) beside the mock's gas photons at z = 0.1-0.3,
with dynamics=True and with dynamics=False. A forest gains more from more clusters, so there
is a column of as many clusters of theirs as the mock has, chosen at random. With --exposure
the mock has a background as theirs, in their band; after 800 s its counts per pixel are
theirs, too. Reads green2019/erosita_features.csv from --data-home, and says so if it is not
there; then the published values stand alone. --output writes dynamical-state.csv. Exits
with 1 if a correlation with dynamics is off by more than 0.1, or the forest's gain by more
than 5 points, in the mean of the seeds.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from green2019 import (
    MOCK_BACKGROUND,
    MOCK_BAND,
    PIXEL,
    counts_per_pixel,
    log_excised_luminosity,
    measured,
    published_features,
    residual_at,
)
from kept_fits import folder_of, kept
from scipy.stats import spearmanr
from seed_tables import write
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skcluster import MorphologyMeasurer
from skcluster.cosmology import comoving_distance
from skcluster.datasets import make_mock_survey

# Spearman correlation with the mass residual in Green's file, its column there, and ours.
PUBLISHED = {
    "log centroid shift": (-0.32, "ww", "centroid_shift"),
    "log P1": (-0.32, "P10", "power_ratio_1"),
    "log P2": (-0.21, "P20", "power_ratio_2"),
    "log P3": (-0.21, "P30", "power_ratio_3"),
    "log P4": (-0.21, "P40", "power_ratio_4"),
    "concentration": (0.28, "concentration", "concentration"),
    "M20": (-0.26, "M20", "m20"),
    "asymmetry": (-0.10, "cAs", "asymmetry"),
}
# For the regressions only: its correlation depends on the filter, which is not published.
SMOOTHNESS, SMOOTHNESS_COLUMN = "smoothness", "caS"
QUANTITIES = [*(ours for *_, ours in PUBLISHED.values()), SMOOTHNESS]
# At fixed luminosity and redshift, with the mass.
BRIGHTNESS = "counts per pixel"
GAIN, PUBLISHED_GAIN = "forest: gain [%]", 21.0
TOLERANCE, GAIN_TOLERANCE = 0.1, 5.0


def logs(columns):
    """Take the logarithm of the columns whose names say so."""
    with np.errstate(divide="ignore"):
        return [
            np.log10(column) if name.startswith("log") else column
            for name, column in zip([*PUBLISHED, SMOOTHNESS], columns, strict=True)
        ]


def mock_row(seed, **settings):
    """Return what the table shows of a mock survey, as a dict."""
    return judged(*mock_features(seed, **settings))


def mock_features(seed, n_clusters, exposure=None, **switches):
    """Measure the mock's gas at z = 0.1-0.3: what `judged` takes.

    With an exposure [s] also their background, in their band.
    """
    if exposure:
        switches["exposure"] = exposure
        switches["background"] = MOCK_BACKGROUND * 2000 / exposure
    survey = make_mock_survey(
        n_clusters, random_state=seed, galaxies=False, agn=False, pixelize=False,
        **{"background": 0} | switches,
    )  # fmt: skip
    near = survey.sample.redshift > 0.09
    near &= survey.sample.redshift < 0.3
    sample = survey.sample[near]
    band = MOCK_BAND if exposure else (0.5, 10.0)
    measures = measured(sample, MorphologyMeasurer(quantities=QUANTITIES), band).T
    luminosity = log_excised_luminosity(sample, survey.catalog["luminosity"][near])
    counts = measured(
        sample,
        MorphologyMeasurer(quantities=["core_excised_counts"], core_radius=0.01),
        band,
    )
    radius = sample.r500c / comoving_distance(sample.redshift) / PIXEL
    log_counts = np.log10(counts[:, 0] / (np.pi * radius**2))
    return cleaned(
        *(np.column_stack(logs(measures)), luminosity, survey.log_mass[near]),
        *(sample.redshift, log_counts),
    )


def green_features(path):
    """Read what `judged` takes of the clusters of Green et al. (2019)."""
    table, features, log_mass = published_features(path)
    names = [column for _, column, _ in PUBLISHED.values()] + [SMOOTHNESS_COLUMN]
    columns = logs([np.asarray(table[name], float) for name in names])
    return cleaned(
        *(np.column_stack(columns), features[:, 0], log_mass),
        *(np.asarray(table["redshift"]), np.log10(counts_per_pixel(table))),
    )


def cleaned(features, log_luminosity, *others):
    """Leave out clusters with a feature that is not finite."""
    finite = np.isfinite(features).all(axis=1) & np.isfinite(log_luminosity)
    return (
        features[finite],
        log_luminosity[finite],
        *(other[finite] for other in others),
    )


def judged(features, log_luminosity, log_mass, redshift, log_counts):
    """Return what the table shows of one sample, as a dict.

    Parameters
    ----------
    features : ndarray of shape (n_clusters, n_features)
    log_luminosity : ndarray of shape (n_clusters,)
        Without the core.
    log_mass, redshift : ndarray of shape (n_clusters,)
    log_counts : ndarray of shape (n_clusters,)
        Counts per pixel within R500c; NaN where they are not known.
    """
    curve = np.polynomial.Polynomial.fit(log_luminosity, log_mass, 2)
    residual = log_mass - curve(log_luminosity)
    row = {
        name: float(spearmanr(column, residual)[0])
        for name, column in zip([*PUBLISHED, SMOOTHNESS], features.T, strict=True)
    }
    quadratic = [StandardScaler(), PolynomialFeatures(2)]
    models = {
        "forest": RandomForestRegressor(
            200, min_samples_leaf=3, max_features=0.5, random_state=0
        ),
        "ridge": make_pipeline(*quadratic, RidgeCV(np.logspace(-2, 5, 15))),
    }
    X = np.column_stack([log_luminosity, features])
    folds = KFold(8, shuffle=True, random_state=0)
    for name, model in models.items():
        for kind, columns in (("gain", X), ("w/o smoothness", X[:, :-1])):
            predicted = cross_val_predict(model, columns, log_mass, cv=folds)
            scatter = float(np.std(predicted - log_mass))
            row[f"{name}: {kind} [%]"] = 100 * (1 - scatter / float(residual.std()))
    known = np.isfinite(log_counts)
    given = np.column_stack([log_luminosity, redshift])[known]
    counts, masses = (
        residual_at(column[known], given) for column in (log_counts, log_mass)
    )
    row[BRIGHTNESS] = float(spearmanr(counts, masses)[0])
    return row | {"scatter without [dex]": float(residual.std()), "n": len(residual)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--exposure", type=float, help="seconds, and their background")
    parser.add_argument("--output", type=Path, help="folder of the table")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("dynamical_state"),
        help="folder of the mock's columns, which are not computed again",
    )
    parser.add_argument(
        "--data-home",
        default=os.environ.get("SKCLUSTER_DATA", "."),
        help="folder with green2019/erosita_features.csv; by default that of the "
        "variable SKCLUSTER_DATA",
    )
    arguments = parser.parse_args()
    published = {name: value for name, (value, *_) in PUBLISHED.items()}
    columns = {"published": published | {GAIN: PUBLISHED_GAIN}}
    settings = {"n_clusters": arguments.clusters, "exposure": arguments.exposure}
    for dynamics in (True, False):
        for seed in arguments.seeds:
            name = f"{'dynamics' if dynamics else 'without'} {seed}"
            path = folder_of(arguments.folder, settings) / f"{name}.npz"
            row = kept(path, mock_row, seed, dynamics=dynamics, **settings)
            columns[name] = {key: float(value) for key, value in row.items()}
    path = Path(arguments.data_home, "green2019", "erosita_features.csv")
    if path.exists():
        columns |= green_columns(path, columns, arguments.seeds)
    else:
        print(f"SKIPPED the columns of Green et al. (2019): there is no {path}.")
    print_table(columns)
    if arguments.output:
        rows = [
            {"sample": sample, "quantity": quantity, "value": value}
            for sample, column in columns.items()
            for quantity, value in column.items()
        ]
        write(Table(rows=rows), arguments.output / "dynamical-state.csv")
    return int(any([*misses(columns)]))


def green_columns(path, columns, seeds):
    """Columns of Green et al. (2019): all clusters, and as many as the mock has."""
    arrays = green_features(path)
    found = {"Green+19": judged(*arrays)}
    for seed in seeds:
        rows = np.random.default_rng(seed).permutation(len(arrays[0]))
        chosen = rows[: int(columns[f"dynamics {seed}"]["n"])]
        found[f"as many {seed}"] = judged(*(array[chosen] for array in arrays))
    return found


def print_table(columns):
    """Print one row per quantity and one column per sample."""
    print(" " * 26 + "".join(f"{name:>12}" for name in columns))
    _, measured_in, *_ = columns.values()
    for quantity in measured_in:
        digits = {"n": 0, "scatter without [dex]": 4}.get(quantity, 2)
        cells = (
            f"{c[quantity]:12.{digits}f}" if quantity in c else " " * 12
            for c in columns.values()
        )
        print(f"{quantity:26}" + "".join(cells))


def misses(columns):
    """Say what the mean over seeds with dynamics misses, one sentence each."""
    rows = [row for name, row in columns.items() if name.startswith("dynamics")]
    for quantity, target in columns["published"].items():
        allowed = GAIN_TOLERANCE if quantity == GAIN else TOLERANCE
        mean = np.mean([row[quantity] for row in rows])
        if abs(mean - target) > allowed:
            print(f"MISSED {quantity}: {mean:.2f} instead of {target:.2f}.")
            yield quantity


if __name__ == "__main__":
    sys.exit(main())
