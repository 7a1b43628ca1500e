"""Is the mass that a forest finds in morphology (Green et al. 2019) photon noise?

    python experiments/green2019.py --published           # minutes; needs the feature file
    python experiments/green2019.py --mock                # three surveys: minutes

--published takes the features that Green et al. (2019, ApJ 884, 33) measured on mocks of
Magneticum clusters, as eROSITA sees them in 2 ks. It first repeats their random forest on
their split. Then it asks, in eight octants of the box, what is left of its gain over
luminosity alone if asymmetry and smoothness, which follow the counts per pixel, are left
out, are replaced by what the counts per pixel do not predict of them, or are replaced by
the counts per pixel. Reads green2019/erosita_features.csv from --data-home, and says so if
it is not there.

--mock measures our mock survey, without AGN, with 9.65 arcsec pixels and their background:
percentiles of our measures beside the published ones, and the same question with images at
hand, where asymmetry and smoothness are corrected for noise exactly. The mock's clusters
are brighter than theirs: after 800 s, the default, they have their counts per pixel.

Exits with 1 if the published scatter is off by more than twice the scatter between choices
of the clusters that flatten the masses, which are not published.
"""

import argparse
import hashlib
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from scipy.stats import spearmanr
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import PredefinedSplit, cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, RobustScaler

from skcluster import MorphologyMeasurer, PhotonMapper
from skcluster.cosmology import comoving_distance, get_cosmology
from skcluster.datasets import make_mock_survey
from skcluster.model_selection import octants

PIXEL = np.radians(9.65 / 3600)
"""Side of a pixel of their images [rad]."""
PUBLISHED_SCATTER = (
    0.0767,
    0.0663,
)  # standard deviation, half of 16 to 84 per cent [dex]
SHARES = 0.16, 0.5, 0.84
FIXED_RADIUS = 0.6
"""Aperture of all clusters where R500c is not known [comoving Mpc/h]."""
MAX_PER_BIN = 226
MOCK_BAND = (0.5, 2.0)
MOCK_BACKGROUND = 1.7
"""Background of 2 ks in units of the mock's: 6 counts per arcmin² in the band, as there."""

# Their features after the luminosity, in their order, and whether the logarithm is taken.
FEATURES = {
    "P10": True,
    "P20": True,
    "P30": True,
    "P40": True,
    "concentration": False,
    "M20": False,
    "cAs": False,
    "caS": False,
    "ww": True,
    "ell": False,
    "PA": False,
}
ASYMMETRY, SMOOTHNESS = (1 + [*FEATURES].index(name) for name in ("cAs", "caS"))

# Our name of a quantity -> theirs.
SAME = {
    "concentration": "concentration",
    "centroid_shift": "ww",
    "power_ratio_1": "P10",
    "power_ratio_2": "P20",
    "power_ratio_3": "P30",
    "power_ratio_4": "P40",
    "asymmetry": "cAs",
    "smoothness": "caS",
    "m20": "M20",
    "ellipticity": "ell",
}


def forest(n_trees=1200, seed=42):
    """Return the random forest of Green et al. (2019), with their settings and seed."""
    trees = RandomForestRegressor(
        n_trees, max_depth=30, max_features=0.75, random_state=seed
    )
    return make_pipeline(RobustScaler(quantile_range=(16, 84)), trees)


def scatters(residual):
    """Standard deviation and half of the central 68 per cent."""
    return residual.std(), np.diff(np.percentile(residual, [16, 84]))[0] / 2


def published_features(path):
    """Table of Green et al., their features and log10 M500c, and counts per pixel."""
    table = Table.read(path)
    efunc = get_cosmology("WMAP7").efunc(np.asarray(table["redshift"]))
    columns = [np.log10(table["Lx_excised_1e44"] * efunc ** (-7 / 3))]
    for name, is_log in FEATURES.items():
        column = np.asarray(table[name], float)
        with np.errstate(divide="ignore"):
            column = np.log10(column) if is_log else column
        columns.append(np.where(np.isfinite(column), column, -6))
    return table, np.column_stack(columns), np.asarray(table["log10_M500c_msolh"])


def counts_per_pixel(table):
    """Counts per pixel within R500c, from the binomial error of the concentration.

    NaN where no count lies in the center, so that the error is 0.
    """
    concentration = np.asarray(table["concentration"])
    error = np.asarray(table["concentration_err"])
    error = np.where((error > 0) & (concentration > 0), error, np.nan)
    counts = concentration * (1 - concentration) / error**2
    return counts / (np.pi * radius_in_pixels(table) ** 2)


def radius_in_pixels(table):
    """R500c in their pixels."""
    distance = comoving_distance(np.asarray(table["redshift"]))
    return np.asarray(table["r500_ckpch"]) / 1e3 / distance / PIXEL


def flattened(log_mass, seed):
    """Choose at most 226 clusters per bin of 0.1 in log mass, as they did."""
    rng = np.random.RandomState(seed)
    kept = []
    for low in np.arange(13.5, 14.8, 0.1):
        rows = np.flatnonzero((log_mass >= low) & (log_mass < low + 0.1))
        if len(rows) > MAX_PER_BIN:
            rows = np.sort(rng.choice(rows, MAX_PER_BIN, replace=False))
        kept.append(rows)
    return np.concatenate(kept)


def is_test(uid):
    """Whether a halo belongs to their test set, by a hash of its number."""
    digests = (hashlib.md5(np.int64(number).tobytes()).digest() for number in uid)
    return np.array([digest[-1] > 0.8 * 256 for digest in digests])


def repeat_published(table, features, log_mass):
    """Print the scatters of their forest on their split; return whether they agree.

    Which clusters they left out to flatten the masses is not published: five choices.
    """
    found = []
    for seed in range(5):
        rows = flattened(log_mass, seed)
        test = is_test(np.asarray(table["uid"])[rows])
        train, test = rows[~test], rows[test]
        model = forest().fit(features[train], log_mass[train])
        found.append(scatters(model.predict(features[test]) - log_mass[test]))
        print(
            f"choice {seed}: {len(train)} clusters of training, {len(test)} of test, std "
            "{:.4f} dex, robust {:.4f} dex".format(*found[-1]),
            flush=True,
        )
    mean, spread = np.mean(found, axis=0), np.std(found, axis=0, ddof=1)
    for name, *numbers in zip(
        ("std", "robust"), mean, spread, PUBLISHED_SCATTER, strict=True
    ):
        print("{}: {:.4f} ± {:.4f} dex; published {:.4f}".format(name, *numbers))
    importance = model[-1].feature_importances_
    names = ["luminosity", *FEATURES]
    top = [f"{names[i]} {importance[i]:.3f}" for i in np.argsort(-importance)[:5]]
    print(f"importances: {', '.join(top)}")
    return bool((np.abs(mean - PUBLISHED_SCATTER) < 2 * spread).all())


def residual_at(columns, given):
    """Part of columns that a quadratic of the given columns does not predict."""
    curve = make_pipeline(PolynomialFeatures(2), LinearRegression())
    return columns - curve.fit(given, columns).predict(given)


def ways_without_noise(features, log_counts, log_radius, asymmetry, smoothness):
    """Features with asymmetry and smoothness kept, replaced or left out, by name."""
    noisy = [asymmetry, smoothness]
    given = log_counts[:, None]
    with_both = np.column_stack([log_counts, log_radius])

    def replaced(columns):
        changed = features.copy()
        changed[:, noisy] = columns
        return changed

    without = np.delete(features, noisy, axis=1)
    return {
        "all": features,
        "without smoothness": np.delete(features, smoothness, axis=1),
        "without asymmetry": np.delete(features, asymmetry, axis=1),
        "without both": without,
        "both at fixed counts/pixel": replaced(residual_at(features[:, noisy], given)),
        "both at fixed counts/pixel, R500c": replaced(
            residual_at(features[:, noisy], with_both)
        ),
        "counts/pixel instead of both": np.column_stack([without, log_counts]),
        "luminosity, counts/pixel": np.column_stack([features[:, 0], log_counts]),
        "luminosity, both": features[:, [0, *noisy]],
    }


def judge(ways, luminosity, log_mass, folds, n_trees, seed=42):
    """Return residuals of a quadratic of the luminosity, and of a forest on each way."""
    quadratic = make_pipeline(PolynomialFeatures(2), LinearRegression())
    models = {"quadratic of luminosity": (quadratic, luminosity[:, None])}
    models |= {name: (forest(n_trees, seed), columns) for name, columns in ways.items()}
    residuals = {}
    for name, (model, columns) in models.items():
        predicted = cross_val_predict(model, columns, log_mass, cv=folds)
        residuals[name] = predicted - log_mass
    return residuals


def print_gains(residuals, groups):
    """Print scatters, gains over the first row, and what the second row gains beyond.

    Errors are bootstrapped over groups of clusters, all rows together.
    """
    _, group = np.unique(groups, return_inverse=True)
    order, ends = np.argsort(group, kind="stable"), np.cumsum(np.bincount(group))
    members = np.split(order, ends[:-1])
    rng = np.random.default_rng(0)
    draws = [np.arange(len(group))]
    for _ in range(200):
        chosen = rng.integers(len(members), size=len(members))
        draws.append(np.concatenate([members[i] for i in chosen]))
    std = np.array([[row[draw].std() for draw in draws] for row in residuals.values()])
    gain = 100 * (1 - std / std[0])
    lost = gain[1] - gain
    print(f"{'':36}{'std':>8}{'robust':>8}{'gain [%]':>14}{'less than all':>16}")
    for (name, residual), gains, losses in zip(
        residuals.items(), gain, lost, strict=True
    ):
        row = f"{name:36}{residual.std():8.4f}{scatters(residual)[1]:8.4f}"
        for value, *others in (gains, losses):
            row += f"{value:9.1f} ± {np.std(others):.1f}"
        print(row)


def published(path, n_trees, seeds):
    """Repeat their forest and ask what its gain is made of; 1 if it does not agree."""
    if not path.exists():
        print(f"SKIPPED the published features: there is no {path}.")
        return 0
    table, features, log_mass = published_features(path)
    print("Their forest on their split")
    agrees = repeat_published(table, features, log_mass)
    counts = counts_per_pixel(table)
    known = np.isfinite(counts)
    table, features, log_mass = table[known], features[known], log_mass[known]
    log_counts = np.log10(counts[known])
    print("\nSpearman correlation with the counts per pixel")
    for name, column in (("smoothness", SMOOTHNESS), ("asymmetry", ASYMMETRY)):
        print(f"{name}: {spearmanr(features[:, column], log_counts)[0]:.2f}")
    ways = ways_without_noise(
        features, log_counts, np.log10(radius_in_pixels(table)), ASYMMETRY, SMOOTHNESS
    )
    position = np.column_stack([table[axis] for axis in "xyz"]) / 1e3
    folds = PredefinedSplit(octants(position))
    for seed in seeds:
        print(
            f"\nEight octants, {len(log_mass)} clusters, {n_trees} trees, seed {seed}"
        )
        residuals = judge(ways, features[:, 0], log_mass, folds, n_trees, seed)
        print_gains(residuals, np.asarray(table["uid"]))
    return int(not agrees)


def arcsecond_maps(sample, band=(0.5, 10.0), size=2.4):
    """Yield rows and their sample with maps of 9.65 arcsec pixels, redshift by redshift.

    Parameters
    ----------
    sample : ClusterSample
        Clusters at a few redshifts.
    band : (low, high)
        Energies [keV].
    size : float
        Least width of the maps in units of the largest R500c at that redshift.
    """
    for redshift in np.unique(sample.redshift):
        rows = np.flatnonzero(sample.redshift == redshift)
        pixel = PIXEL * comoving_distance([redshift])[0]
        n_pixels = 2 * int(np.ceil(size * sample.r500c[rows].max() / pixel / 2))
        mapper = PhotonMapper(
            bands=(band,), n_pixels=n_pixels, half_width=n_pixels * pixel / 2
        )
        yield rows, mapper.transform(sample[rows])


def measured(sample, measurer, band=(0.5, 10.0)):
    """Morphology of a sample on 9.65 arcsec pixels, a table with one row per cluster."""
    values = np.empty((len(sample), len(measurer.get_feature_names_out())))
    for rows, mapped in arcsecond_maps(sample, band):
        values[rows] = measurer.transform(mapped)
    return values


def mock(seed, n_clusters, exposure):
    """Survey without AGN at z = 0.1-0.3, and its luminosity with the core cut out."""
    survey = make_mock_survey(
        n_clusters,
        random_state=seed,
        background=MOCK_BACKGROUND * 2000 / exposure,
        exposure=exposure,
        dynamics=True,
        agn=False,
        galaxies=False,
        pixelize=False,
    )
    near = (survey.sample.redshift > 0.09) & (survey.sample.redshift < 0.3)
    sample = survey.sample[near]
    log_luminosity = log_excised_luminosity(sample, survey.catalog["luminosity"][near])
    return sample, log_luminosity, survey.log_mass[near]


def log_excised_luminosity(sample, luminosity):
    """log10 of the luminosity without the share of the gas within 0.15 R500c, at z = 0."""
    gas = sample.assign(photons=sample.photons.select(sample.photons["origin"] == 0))
    core = MorphologyMeasurer(quantities=["concentration"], concentration_radius=0.15)
    excised = np.asarray(luminosity) * (1 - measured(gas, core)[:, 0])
    efunc = get_cosmology("WMAP7").efunc(sample.redshift)
    return np.log10(excised * efunc ** (-7 / 3))


def print_percentiles(columns, weights, path):
    """Print percentiles of our measures, weighted to their masses, beside theirs."""
    theirs = {}
    if path.exists():
        table = Table.read(path)
        theirs = {name: np.asarray(table[column]) for name, column in SAME.items()}
        theirs["ellipticity"] = 1 - theirs["ellipticity"]
        theirs["counts_per_pixel"] = counts_per_pixel(table)
    print(
        f"{'16, 50, 84 %':22}{'mock':>30}{'corrected for noise':>30}{'published':>30}"
    )
    for name, (raw, clean) in columns.items():
        cells = [percentiles(raw, weights), percentiles(clean, weights)]
        cells.append(percentiles(theirs[name]) if name in theirs else "")
        print(f"{name:22}" + "".join(f"  {cell:>28}" for cell in cells))


def percentiles(column, weights=None):
    """16th, 50th and 84th percentile of the values that are known, in words."""
    known = np.isfinite(column)
    weights = np.ones(len(column)) if weights is None else weights
    values = np.quantile(
        column[known], SHARES, weights=weights[known], method="inverted_cdf"
    )
    return ", ".join(f"{value:.3g}" for value in values)


def as_their_masses(log_mass, path):
    """Weights that give the mock the mass distribution of their sample."""
    if not path.exists():
        return np.ones_like(log_mass)
    edges = np.arange(13.5, 15.01, 0.1)
    theirs = np.histogram(Table.read(path)["log10_M500c_msolh"], edges)[0]
    ours = np.histogram(log_mass, edges)[0]
    bins = np.clip(np.searchsorted(edges, log_mass, side="right") - 1, 0, len(ours) - 1)
    return (theirs / np.maximum(ours, 1))[bins]


def mock_survey(seed, n_clusters, exposure, n_trees, path):
    """Print percentiles and gains of one mock survey."""
    sample, log_luminosity, log_mass = mock(seed, n_clusters, exposure)
    print(f"\nMock, seed {seed}, {exposure:g} s: {len(sample)} clusters at z = 0.1-0.3")
    raw, clean, fixed = (
        measured(sample, measurer, MOCK_BAND)
        for measurer in (
            MorphologyMeasurer(),
            MorphologyMeasurer(debias=True),
            MorphologyMeasurer(r500c=FIXED_RADIUS),
        )
    )
    names = MorphologyMeasurer().get_feature_names_out().tolist()
    counts = MorphologyMeasurer(quantities=["core_excised_counts"], core_radius=0.01)
    radius = sample.r500c / comoving_distance(sample.redshift) / PIXEL
    density = measured(sample, counts, MOCK_BAND)[:, 0] / (np.pi * radius**2)
    columns = {"counts_per_pixel": (density, density)}
    columns |= dict(zip(names, zip(raw.T, clean.T, strict=True), strict=True))
    print_percentiles(columns, as_their_masses(log_mass, path), path)
    asymmetry, smoothness = (
        1 + names.index(name) for name in ("asymmetry", "smoothness")
    )
    table = {
        key: np.column_stack([log_luminosity, values[:, :-1]])
        for key, values in (("raw", raw), ("clean", clean), ("fixed", fixed))
    }
    ways = ways_without_noise(
        table["raw"], np.log10(density), np.log10(radius), asymmetry, smoothness
    )
    half = table["raw"].copy()
    half[:, [asymmetry, smoothness]] = table["clean"][:, [asymmetry, smoothness]]
    ways |= {
        "both corrected for noise": half,
        "all corrected for noise": table["clean"],
        f"all in {FIXED_RADIUS:g} Mpc/h": table["fixed"],
    }
    folds = PredefinedSplit(octants(sample.position))
    residuals = judge(ways, log_luminosity, log_mass, folds, n_trees)
    print_gains(residuals, np.arange(len(sample)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--published", action="store_true", help="the published features"
    )
    parser.add_argument("--mock", action="store_true", help="the mock survey")
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument(
        "--seeds", type=int, nargs="+", default=[0, 1, 2], help="of forests or surveys"
    )
    parser.add_argument(
        "--exposure",
        type=float,
        default=800.0,
        help="seconds; as bright as theirs: 800",
    )
    parser.add_argument("--trees", type=int, default=100, help="of forests in octants")
    parser.add_argument(
        "--data-home",
        default=os.environ.get("SKCLUSTER_DATA", "."),
        help="folder with green2019/erosita_features.csv; by default that of the "
        "variable SKCLUSTER_DATA",
    )
    arguments = parser.parse_args()
    warnings.filterwarnings("ignore", ".*too few counts", UserWarning)
    path = Path(arguments.data_home, "green2019", "erosita_features.csv")
    failed = 0
    if arguments.published or not arguments.mock:
        failed = published(path, arguments.trees, arguments.seeds)
    if arguments.mock:
        for seed in arguments.seeds:
            mock_survey(
                seed, arguments.clusters, arguments.exposure, arguments.trees, path
            )
    return failed


if __name__ == "__main__":
    sys.exit(main())
