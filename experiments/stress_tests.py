"""What do wrong centers, redshifts, cosmologies and exposures do to each estimator?

    python experiments/stress_tests.py --output experiments/results     # three seeds
    python experiments/stress_tests.py --output experiments/results --models network \
        "network, thinned" "photon set" "photon set, thinned"       # minutes per fit
    python experiments/stress_tests.py --output experiments/results --draw

Models are trained on mock clusters of 2 ks with true centers and redshifts; those with
", thinned" on the same clusters of 6 ks and on two copies, with each cluster rotated and
thinned to 0.2 to 6 ks; the network on maps is also told the exposure. Other clusters
are given to them as they are, and under one stress at a time:

* centers off by 5 to 60 arcsec (standard deviation in each of two directions);
* redshifts off by 0.005 to 0.02 (standard deviation, in units of 1 + z);
* lengths computed with another cosmology than in training. Fluxes stay as they are: this is
  an analysis with the wrong cosmology, not another universe;
* 0.1, 0.3 and 3 times the exposure, by thinning 6 ks, with the exposure given and, as the
  control, ignored.

Writes stress-tests.csv, one row per seed, model and stress: the mean change of log10 M of
the same clusters, its error over the clusters, and the scatter of log10 M about the truth.
Rows that are there are not computed again; with --keep, neither are fits. In
stress-tests-mean.csv are the means over the seeds, with errors that hold the scatter
between clusters and between fits. Tested are clusters beyond z = 0.1, since nearer ones
have spectra, that show at least five photons
within 0.3 Mpc/h in the shortest exposure. Clusters to which a model refuses to give a mass,
such as those without a photon in their aperture, are counted as lost.

With --draw it draws the figure of the documentation from the means.
"""

import argparse
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table
from kept_fits import folder_of
from power_laws import power_law
from seed_tables import completed, mean_and_error
from sklearn.pipeline import make_pipeline

from skcluster import (
    IteratedRadiusRegressor,
    LogScaler,
    PhotonFeaturizer,
    PhotonMapper,
    PhotonSetRegressor,
    ProxyMeasurer,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    add_catalog_errors,
    load_model,
    save_model,
    thin_photons,
)
from skcluster.contest.entries import ridge_on_rings
from skcluster.cosmology import cosmology_name, get_cosmology
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter

TYPICAL, DEEP = 2000.0, 6000.0
SHARES = (0.1, 0.3, 3.0)
CENTERS = (5, 10, 20, 40, 60)
REDSHIFTS = (0.005, 0.01, 0.02)
COSMOLOGIES = {
    0.2: FlatLambdaCDM(H0=70.4, Om0=0.2),
    0.3: FlatLambdaCDM(H0=70.4, Om0=0.3),
    0.4: FlatLambdaCDM(H0=70.4, Om0=0.4),
}
"""Om -> flat cosmology; clusters and training have 0.27 (WMAP7)."""
STRESSES = {
    "center": "error of the center [arcsec]",
    "redshift": "error of the redshift [1 + z]",
    "cosmology": "matter density of the analysis",
    "exposure": "exposure over that of training",
    "exposure ignored": "the same, ignored",
}
UNSTRESSED = {
    "center": 0.0,
    "redshift": 0.0,
    "cosmology": 0.272,
    "exposure": 1.0,
    "exposure ignored": 1.0,
}
"""Level of each stress at which nothing is wrong."""
FAST = ("N_phot", "N_phot,500c iterated", "four proxies", "rings")
FEWEST, WITHIN = 5, 0.3  # photons, Mpc/h
NEAREST = 0.1
SEEN = ["log_exposure"]


def make(name, seed):
    """Return an unfitted model."""
    return {
        "N_phot": lambda: power_law(proxies=["n_phot"]),
        "N_phot,500c iterated": lambda: IteratedRadiusRegressor(
            power_law(proxies=["n_phot_500c"])
        ),
        "four proxies": power_law,
        "rings": lambda: make_pipeline(PhotonMapper(n_pixels=64), ridge_on_rings()),
        "network": lambda: network(seed),
        "photon set": lambda: photon_set(seed),
        "network, thinned": lambda: thinned(network(seed, scalars=SEEN), seed),
        "photon set, thinned": lambda: thinned(photon_set(seed), seed),
    }[name]()


def network(seed, **parameters):
    """The paper's network, on maps of a quarter as many pixels per side."""
    return make_pipeline(
        PhotonMapper(n_pixels=32),
        RedshiftNormalizer(),
        LogScaler(),
        XrayCNNRegressor(max_epochs=25, random_state=seed, n_threads=1, **parameters),
    )


def photon_set(seed):
    """A network on the photons themselves."""
    return make_pipeline(
        PhotonFeaturizer(),
        PhotonSetRegressor(
            max_epochs=20, n_photons=300, random_state=seed, n_threads=1
        ),
    )


def thinned(model, seed):
    """A model that is trained on copies of all exposures of the test."""
    return RotationAugmentedRegressor(
        model, n_rotations=2, thin_to=SHARES[0] * TYPICAL / DEEP, random_state=seed
    )


def survey(n_clusters, seed, exposure):
    """Mock survey whose clusters know their exposure."""
    return make_mock_survey(n_clusters, random_state=seed, exposure=exposure)


def with_cosmology(model, cosmology):
    """Change the cosmology of a fitted model's steps, and return the model.

    Networks refuse maps of another cosmology than in training, so they are told that they
    were trained with this one.
    """
    fitted = getattr(model, "estimator_", model)
    for each in (model, fitted):
        names = [
            name
            for name in each.get_params()
            if name == "cosmology" or name.endswith("__cosmology")
        ]
        each.set_params(**dict.fromkeys(names, cosmology))
    geometry = getattr(fitted[-1], "map_geometry_", None)
    if geometry is not None:
        name = cosmology_name(get_cosmology(cosmology))
        fitted[-1].map_geometry_ = geometry._replace(cosmology=name)
    return model


def tested(seed, n_clusters):
    """Clusters of 2 ks, the same in 6 ks, and their masses."""
    made = survey(n_clusters, 1000 + seed, DEEP)
    shortest = thin_photons(
        made.sample, exposure=SHARES[0] * TYPICAL, random_state=seed
    )
    near = ProxyMeasurer(proxies=["n_phot"], half_width=WITHIN)
    seen = near.count_photons(shortest)["n_phot"].photons >= FEWEST
    seen &= made.sample.redshift > NEAREST
    deep = made.sample[seen]
    usual = thin_photons(deep, exposure=TYPICAL, random_state=seed)
    return usual, deep, made.log_mass[seen]


def masses(model, sample):
    """Return log10 M, NaN for clusters that the model refuses."""
    try:
        return model.predict(sample)
    except ValueError:
        if len(sample) == 1:
            return np.array([np.nan])
        half = len(sample) // 2
        parts = masses(model, sample[:half]), masses(model, sample[half:])
        return np.concatenate(parts)


def stressed(model, usual, deep, seed):
    """Yield the stress, its level and the masses that the model then gives."""
    for error in CENTERS:
        wrong = add_catalog_errors(usual, center_error=error, random_state=seed)
        yield "center", error, masses(model, wrong)
    for error in REDSHIFTS:
        wrong = add_catalog_errors(usual, redshift_error=error, random_state=seed)
        yield "redshift", error, masses(model, wrong)
    for density, cosmology in COSMOLOGIES.items():
        yield "cosmology", density, masses(with_cosmology(model, cosmology), usual)
    with_cosmology(model, "WMAP7")
    for share in SHARES:
        sample = thin_photons(deep, exposure=share * TYPICAL, random_state=seed)
        yield "exposure", share, masses(model, sample)
        ignored = sample.assign(exposure=np.full(len(sample), TYPICAL))
        yield "exposure ignored", share, masses(model, ignored)


def fitted(name, seed, arguments):
    """Return the fitted model, from its file if it was kept."""
    kept = arguments.keep and arguments.keep / f"{name}, {seed}.skops"
    if kept and kept.exists():
        return load_model(kept)
    exposure = DEEP if name.endswith(", thinned") else TYPICAL
    training = survey(arguments.clusters, seed, exposure)
    model = make(name, seed).fit(training.sample, training.log_mass)
    if kept:
        save_model(model, kept)
    return model


def rows_of(arguments, seed, name):
    """One row per stress of one fit."""
    model = fitted(name, seed, arguments)
    usual, deep, log_mass = tested(seed, arguments.test_clusters)
    before = masses(model, usual)
    unstressed = [("none", 0.0, before)]
    for stress, level, after in (*unstressed, *stressed(model, usual, deep, seed)):
        change = after - before
        has_mass = np.isfinite(change)
        change = change[has_mass]
        yield {
            "model": name,
            "seed": seed,
            "stress": stress,
            "level": level,
            "change": change.mean(),
            "error": change.std(ddof=1) / np.sqrt(len(change)),
            "scatter": mass_scatter(log_mass[has_mass], after[has_mass]),
            "clusters": len(change),
            "lost": np.sum(~has_mass),
        }


def over_seeds(table):
    """Mean over the seeds; errors hold the scatter between clusters and between fits."""
    rows = []
    for group in table.group_by(["model", "stress", "level"]).groups:
        change, between = mean_and_error(group["change"])
        within = np.sqrt(np.mean(group["error"] ** 2) / len(group))
        scatter, scatter_error = mean_and_error(group["scatter"])
        rows.append(
            {
                **{name: group[name][0] for name in ("model", "stress", "level")},
                "change": change,
                "error": max(between, within),
                "scatter": scatter,
                "scatter_error": scatter_error,
            }
        )
    return Table(rows=rows)


def draw(means, path):
    """One column per stress: change of the mean above, scatter below."""
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(2, 5, figsize=(14, 6), sharey="row", sharex="col")
    for (stress, label), (above, below) in zip(STRESSES.items(), axes.T, strict=True):
        for name in dict.fromkeys(means["model"]):
            row = means[
                (means["model"] == name) & np.isin(means["stress"], ["none", stress])
            ]
            row["level"][row["stress"] == "none"] = UNSTRESSED[stress]
            row.sort("level")
            style = {"marker": "o", "ms": 3.5, "lw": 1, "capsize": 2, "label": name}
            for ax, kind, error in (
                (above, "change", "error"),
                (below, "scatter", "scatter_error"),
            ):
                ax.errorbar(row["level"], row[kind], row[error], **style)
        above.axhline(0, color="0.6", lw=0.8, zorder=0)
        below.set_xlabel(label)
        if stress.startswith("exposure"):
            below.set_xscale("log")
    axes[0, 0].set_yscale("symlog", linthresh=0.02, linscale=0.7)
    axes[1, 0].set_yscale("log")
    ticks = [-0.5, -0.2, -0.1, -0.05, -0.02, 0, 0.02, 0.05, 0.1, 0.2, 0.5]
    axes[0, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    ticks = [0.08, 0.1, 0.15, 0.2, 0.3, 0.4]
    axes[1, 0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
    axes[1, 0].yaxis.set_minor_formatter("")
    axes[0, 0].set_ylabel("mean change of log10 M [dex]")
    axes[1, 0].set_ylabel("scatter of log10 M [dex]")
    axes[1, 0].legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(path, dpi=110)


def main():
    """Compute the rows that are missing, or draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=FAST)
    parser.add_argument("--clusters", type=int, default=1200)
    parser.add_argument("--test-clusters", type=int, default=500)
    parser.add_argument("--output", type=Path, default=Path("."))
    parser.add_argument("--keep", type=Path, help="folder of the fitted models")
    parser.add_argument("--draw", action="store_true", help="draw and print, no more")
    arguments = parser.parse_args()
    path = arguments.output / "stress-tests.csv"
    if arguments.draw:
        means = over_seeds(Table.read(path))
        draw(means, arguments.output / "stress-tests.png")
        return
    if arguments.keep:
        folder_of(arguments.keep, {"clusters": arguments.clusters})
    warnings.simplefilter("ignore", UserWarning)  # of clusters unlike those of training
    completed(
        path,
        ["seed", "model"],
        product(arguments.seeds, arguments.models),
        partial(rows_of, arguments),
        means=over_seeds,
        digits=5,
        exact=["level"],
    )


if __name__ == "__main__":
    main()
