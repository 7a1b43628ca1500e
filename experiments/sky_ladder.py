"""How much of a network's gain over photon counts survives under the sky of eFEDS?

    python experiments/sky_ladder.py --output experiments/results  # half an hour: 3 seeds

The same mock clusters are seen under three skies: the paper's; that of eFEDS with true
centers and redshifts; and that of eFEDS as it is. Only clusters that an observer would
detect under the last are used, in all three: their net counts in 0.5-2.2 keV exceed 3 sigma
within 0.45 and 0.8 Mpc/h. Some of them train the estimators, the others test them. Under
eFEDS counts are net of the background of an annulus, in 0.5-2.2 keV; rings and networks see
maps with their background, and the logarithm of the exposure.

Writes sky-ladder.csv, one row per sky, seed and estimator, with the scatter of log10 M
[dex], as standard deviation and as half of the central 68 %; and sky-ladder-mean.csv, the
means over the seeds with errors from their scatter, and the gain over counts within the
R500c that follows from the mass [%]. Rows that are there are not computed again.
"""

import argparse
import warnings
from functools import lru_cache, partial
from itertools import product
from pathlib import Path

import numpy as np
from astropy.table import Table
from power_laws import power_law
from seed_tables import completed, mean_and_error
from sklearn.pipeline import make_pipeline

from skcluster import IteratedRadiusRegressor, PhotonMapper, ProxyMeasurer
from skcluster.contest.entries import ho2023_three_bands, ridge_on_rings
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter
from skcluster.paper import THREE_BANDS

SKIES = ("paper", "eFEDS, true catalog", "eFEDS")
NET = {"band": (0.5, 2.2), "background": "annulus"}
SIGNIFICANT = 3.0
RIVAL = "N_phot,500c iterated"
KINDS = ("std", "robust")


def models(is_real, seed, arguments):
    """Name -> unfitted model."""
    settings = {"max_epochs": arguments.epochs, "random_state": seed, "n_threads": 1}
    if is_real:
        settings["scalars"] = ["log_exposure"]

    # Counts within R500c, net of the background under a real sky.
    counts = {"proxies": ["n_phot_500c"], **(NET if is_real else {})}

    def on_maps(bands, regressor, n_pixels=arguments.pixels):
        return make_pipeline(PhotonMapper(bands=bands, n_pixels=n_pixels), regressor)

    return {
        RIVAL: IteratedRadiusRegressor(power_law(**counts)),
        "N_phot within 0.6 Mpc/h": power_law(r500c=0.6, **counts),
        "rings, three bands": on_maps(
            THREE_BANDS, ridge_on_rings(with_exposure=is_real), 64
        ),
        "network, three bands": on_maps(THREE_BANDS, ho2023_three_bands(**settings)),
    }


def detected(sample):
    """Which clusters have significant net counts in two apertures."""
    seen = np.ones(len(sample), bool)
    for radius in (0.45, 0.8):
        measurer = ProxyMeasurer(proxies=["n_phot_500c"], r500c=radius, **NET)
        counts = measurer.count_photons(sample)["n_phot_500c"]
        seen &= counts.net > SIGNIFICANT * counts.error
    return seen


@lru_cache(maxsize=2)
def skies_of(seed, n_clusters):
    """The detected clusters of a seed under each sky, and their masses."""
    settings = {"random_state": seed, "galaxies": False}
    real = make_mock_survey(n_clusters, sky="eFEDS", **settings)
    seen, true = detected(real.sample), real.catalog
    center = np.column_stack([true["ra"], true["dec"]])
    # In the order of SKIES.
    samples = (
        make_mock_survey(n_clusters, **settings).sample,
        real.sample.assign(redshift=np.asarray(true["redshift"]), center=center),
        real.sample,
    )
    return {
        sky: sample[seen] for sky, sample in zip(SKIES, samples, strict=True)
    }, real.log_mass[seen]


def row_of(arguments, seed, sky, name):
    """The row of an estimator under a sky."""
    trained, log_mass = skies_of(seed, arguments.clusters)
    tested, true = skies_of(1000 + seed, arguments.test_clusters)
    model = models(sky != "paper", seed, arguments)[name]
    predicted = model.fit(trained[sky], log_mass).predict(tested[sky])
    scatters = {kind: mass_scatter(true, predicted, kind=kind) for kind in KINDS}
    row = {"sky": sky, "seed": seed, "estimator": name, **scatters}
    yield row | {"trained": len(log_mass), "tested": len(true)}


def over_seeds(table):
    """Means over the seeds, and gains over counts in the iterated radius."""
    rows = []
    for group in table.group_by(["sky", "estimator"]).groups:
        row = {name: group[name][0] for name in ("sky", "estimator")}
        row["seeds"] = len(group)
        for kind in KINDS:
            rival = {
                each["seed"]: each[kind]
                for each in table
                if (each["sky"], each["estimator"]) == (row["sky"], RIVAL)
            }
            gain = [
                100 * (1 - each[kind] / rival.get(each["seed"], np.nan))
                for each in group
            ]
            for name, values in ((kind, group[kind]), (f"{kind}_gain", gain)):
                row[name], row[f"{name}_error"] = mean_and_error(values)
        rows.append(row)
    return Table(rows=rows)


def main():
    """Compute the rows that are missing, and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", help="by default all")
    parser.add_argument("--clusters", type=int, default=600)
    parser.add_argument("--test-clusters", type=int, default=400)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--output", type=Path, default=Path("."))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # of what is below the background
    path = arguments.output / "sky-ladder.csv"
    names = arguments.models or [*models(False, 0, arguments)]
    completed(
        path,
        ["seed", "sky", "estimator"],
        product(arguments.seeds, SKIES, names),
        partial(row_of, arguments),
        means=over_seeds,
    )


if __name__ == "__main__":
    main()
