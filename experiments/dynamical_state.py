"""Does morphology know of the mass in the mock survey what it knows in a simulation?

    python experiments/dynamical_state.py                        # three seeds: minutes
    python experiments/dynamical_state.py --clusters 1200 --seeds 0

Compares Spearman correlations of the mass residual at fixed core-excised luminosity with
morphology, and the scatter that morphology removes: the public features of Magneticum
clusters of Green et al. (2019, ApJ 884, 33) beside the mock's gas photons at z = 0.1-0.3,
with dynamics=True and with dynamics=False. Reads green2019/erosita_features.csv from
--data-home, and says so if it is not there; then the published values stand alone. Exits
with 1 if a correlation with dynamics is off by more than 0.1, or the forest's gain by more
than 5 points, in the mean of the seeds.
"""

import argparse
import os
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.ndimage import uniform_filter
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skcluster.cosmology import comoving_distance, get_cosmology, sky_to_plane
from skcluster.datasets import make_mock_survey

PIXEL = np.radians(9.6 / 3600)
APERTURES = np.arange(0.2, 1.01, 0.1)
CLUSTERS_AT_ONCE = 50

# Spearman correlation with the mass residual in Green's file, and its column there.
PUBLISHED = {
    "log centroid shift": (-0.32, "ww"),
    "log P1": (-0.32, "P10"),
    "log P2": (-0.21, "P20"),
    "log P3": (-0.21, "P30"),
    "log P4": (-0.21, "P40"),
    "concentration": (0.28, "concentration"),
    "M20": (-0.26, "M20"),
    "asymmetry": (-0.10, "cAs"),
}
# For the regressions only: its correlation depends on the filter, which is not published.
SMOOTHNESS, SMOOTHNESS_COLUMN = "smoothness", "caS"
GAIN, PUBLISHED_GAIN = "forest: gain [%]", 21.0
TOLERANCE, GAIN_TOLERANCE = 0.1, 5.0


def photon_measures(x, y, cluster, n):
    """Measures that need no pixels: n rows of photons at (x, y) [R500c].

    Standard deviation of the centroid over nine apertures, power ratios (Buote & Tsai
    1995, without P0's logarithm) and shares of photons within 0.1 and 0.15 R500c, all
    about the true center.
    """
    radius = np.hypot(x, y)

    def total(weight, within=1.0):
        inside = radius < within
        return np.bincount(cluster[inside], weight[inside], minlength=n)

    one = np.ones_like(x)
    number = total(one)
    centroids = [
        [total(x, f), total(y, f)] / np.maximum(total(one, f), 1) for f in APERTURES
    ]
    shift = np.sqrt(np.var(centroids, axis=0).sum(axis=0))
    place = x + 1j * y
    powers = [
        (total((place**m).real) ** 2 + total((place**m).imag) ** 2) / (m * number) ** 2
        for m in (1, 2, 3, 4)
    ]
    with np.errstate(divide="ignore"):
        logs = np.log10([shift, *powers])
    return logs, total(one, 0.1) / number, total(one, 0.15) / number


def pixel_measures(images, radius):
    """M20, asymmetry and smoothness (Lotz et al. 2004) within R500c [pixels].

    The asymmetry is |image - image turned by 180 degrees|, the smoothness |image - image
    averaged over squares of 0.25 R500c|, over the sum of the image, both without a term for
    noise, as the published values require.
    """
    n = images.shape[1]
    grid = np.arange(n) + 0.5 - n / 2
    square = grid**2 + grid[:, None] ** 2
    light = images * (square < radius[:, None, None] ** 2)
    flat = light.reshape(len(light), -1)
    total = flat.sum(axis=1)
    asymmetry = np.abs(light - light[:, ::-1, ::-1]).sum(axis=(1, 2)) / total
    x, y = ((light.sum(axis=axis) @ grid) / total for axis in (1, 2))
    moment = square.ravel() - 2 * (
        x[:, None] * np.tile(grid, n) + y[:, None] * np.repeat(grid, n)
    )
    moment = flat * (moment + (x**2 + y**2)[:, None])
    ordered = -np.sort(-flat, axis=1)
    last = (np.cumsum(ordered, axis=1) < 0.2 * total[:, None]).sum(axis=1)
    threshold = ordered[np.arange(len(flat)), last][:, None]
    bright = np.sum(moment * (flat >= threshold), axis=1)
    # A loop: each cluster has a filter of its own size.
    mean = np.stack(
        [
            uniform_filter(image, max(round(0.25 * r), 2))
            for image, r in zip(images.astype(float), radius, strict=True)
        ]
    )
    rough = np.abs(images - mean) * (square < radius[:, None, None] ** 2)
    smoothness = rough.sum(axis=(1, 2)) / total
    return np.log10(bright / moment.sum(axis=1)), asymmetry, smoothness


def measured(sample):
    """Columns of `PUBLISHED`, smoothness, and the photons' share within 0.15 R500c."""
    photons, n = sample.photons, len(sample)
    cluster = photons.cluster
    x, y = sky_to_plane(photons["ra"], photons["dec"], *sample.center[cluster].T)
    angle = sample.r500c / comoving_distance(sample.redshift)
    logs, concentration, core = photon_measures(
        x / angle[cluster], y / angle[cluster], cluster, n
    )
    radius = angle / PIXEL
    pixels = np.empty((3, n))
    order = np.argsort(radius)
    for rows in np.array_split(order, -(-n // CLUSTERS_AT_ONCE)):
        half = int(radius[rows].max()) + 2
        number = np.full(n, -1)
        number[rows] = np.arange(len(rows))
        i, j = (np.floor(v / PIXEL).astype(int) + half for v in (x, y))
        kept = (number[cluster] >= 0) & (np.minimum(i, j) >= 0)
        kept &= np.maximum(i, j) < 2 * half
        cell = ((number[cluster] * 2 * half + j) * 2 * half + i)[kept]
        images = np.bincount(cell, minlength=len(rows) * 4 * half * half)
        images = images.reshape(len(rows), 2 * half, 2 * half)
        pixels[:, rows] = pixel_measures(images, radius[rows])
    return np.column_stack([*logs, concentration, *pixels]), core


def mock_features(n_clusters, seed, **switches):
    """Features, core-excised luminosity and mass of the mock's gas at z = 0.1-0.3."""
    survey = make_mock_survey(
        n_clusters, random_state=seed, galaxies=False, agn=False, background=0,
        **switches,
    )  # fmt: skip
    near = survey.sample.redshift > 0.09
    near &= survey.sample.redshift < 0.3
    features, core = measured(survey.sample[near])
    luminosity = survey.catalog["luminosity"][near] * (1 - core)
    efunc = get_cosmology("WMAP7").efunc(survey.sample.redshift[near])
    return cleaned(features, luminosity * efunc ** (-7 / 3), survey.log_mass[near])


def green_features(path):
    """Features, core-excised luminosity and mass of Green et al. (2019)."""
    table = Table.read(path)
    names = [column for _, column in PUBLISHED.values()] + [SMOOTHNESS_COLUMN]
    columns = [np.asarray(table[name], float) for name in names]
    with np.errstate(divide="ignore"):
        for i, name in enumerate(PUBLISHED):
            if name.startswith("log"):
                columns[i] = np.log10(columns[i])
    efunc = get_cosmology("WMAP7").efunc(np.asarray(table["redshift"]))
    luminosity = np.asarray(table["Lx_excised_1e44"]) * efunc ** (-7 / 3)
    log_mass = np.asarray(table["log10_M500c_msolh"])
    return cleaned(np.column_stack(columns), luminosity, log_mass)


def cleaned(features, luminosity, log_mass):
    """Leave out clusters with a feature that is not finite, and take the logarithm."""
    with np.errstate(divide="ignore"):
        log_luminosity = np.log10(luminosity)
    kept = np.isfinite(features).all(axis=1) & np.isfinite(log_luminosity)
    return features[kept], np.asarray(log_luminosity)[kept], log_mass[kept]


def judged(features, log_luminosity, log_mass):
    """Return what the table shows of one sample, as a dict."""
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
    return row | {"scatter without [dex]": float(residual.std()), "n": len(residual)}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--data-home",
        default=os.environ.get("SKCLUSTER_DATA", "."),
        help="folder with green2019/erosita_features.csv; by default that of the "
        "variable SKCLUSTER_DATA",
    )
    arguments = parser.parse_args()
    published = {name: value for name, (value, _) in PUBLISHED.items()}
    columns = {"published": published | {GAIN: PUBLISHED_GAIN}}
    path = Path(arguments.data_home, "green2019", "erosita_features.csv")
    if path.exists():
        columns["Green+19"] = judged(*green_features(path))
    else:
        print(f"SKIPPED the column of Green et al. (2019): there is no {path}.")
    for dynamics in (True, False):
        for seed in arguments.seeds:
            name = f"{'dynamics' if dynamics else 'without'} {seed}"
            columns[name] = judged(
                *mock_features(arguments.clusters, seed, dynamics=dynamics)
            )
    print_table(columns)
    return int(any([*misses(columns)]))


def print_table(columns):
    """Print one row per quantity and one column per sample."""
    print(" " * 26 + "".join(f"{name:>12}" for name in columns))
    for quantity in next(reversed(columns.values())):
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
