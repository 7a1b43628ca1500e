"""What does it cost not to know R500c? Counts in true, iterated and fixed apertures.

    python experiments/apertures.py --output experiments/results   # minutes: three seeds

For each seed a power law of the photon counts is fitted to mock clusters and tested on
others. The counts are those of 2.3 Mpc/h; of the true R500c; of the R500c that each mass
implies; and of one radius for all clusters. Under the paper's sky counts are as they are.
Under that of eFEDS the background of an annulus is subtracted in 0.5-2.2 keV, and clusters
count where each aperture has a net count beyond 3 sigma: by truth an observer would detect
them. The control is the true R500c of another cluster of the test: an aperture of the
right sizes that knows nothing of its cluster.

Writes apertures.csv, one row per sky, seed and aperture, with the scatter of log10 M of
tested clusters [dex], as standard deviation and as half of the central 68 %; and
apertures-mean.csv, the means over the seeds with their errors. Rows that are there are not
computed again.
"""

import argparse
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from power_laws import power_law
from seed_tables import completed, means_by
from sklearn.base import clone

from skcluster import IteratedRadiusRegressor, ProxyMeasurer
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter

FIXED = (0.3, 0.45, 0.6, 0.8, 1.0)
"""Radii of the fixed apertures [comoving Mpc/h]."""
SIGNIFICANT = 3.0
SKIES = {"paper": None, "eFEDS": "eFEDS"}
MEASURED = {"paper": {}, "eFEDS": {"band": (0.5, 2.2), "background": "annulus"}}


def counter(sky, proxy="n_phot_500c", **parameters):
    """Counts of an aperture under a sky."""
    return ProxyMeasurer(proxies=[proxy], **MEASURED[sky], **parameters)


def models(sky):
    """Name -> unfitted model."""
    inside = partial(power_law, proxies=["n_phot_500c"], **MEASURED[sky])
    true = inside()
    found = {
        "2.3 Mpc/h": power_law(proxies=["n_phot"], **MEASURED[sky]),
        "true R500c": true,
        "iterated R500c": IteratedRadiusRegressor(clone(true)),
    }
    return found | {f"{radius:g} Mpc/h": inside(r500c=radius) for radius in FIXED}


def is_seen(sample, sky):
    """Which clusters have significant counts in each aperture."""
    seen = np.ones(len(sample), bool)
    wide = counter(sky, "n_phot").count_photons(sample)["n_phot"]
    for counts in (
        wide,
        *(
            counter(sky, r500c=radius).count_photons(sample)["n_phot_500c"]
            for radius in ("true", *FIXED)
        ),
    ):
        seen &= counts.net > SIGNIFICANT * counts.error
    return seen


def survey(sky, n_clusters, seed):
    """The clusters that are seen, their masses, and their share of all."""
    made = make_mock_survey(
        n_clusters, random_state=seed, sky=SKIES[sky], galaxies=False
    )
    seen = is_seen(made.sample, sky)
    return made.sample[seen], made.log_mass[seen], seen.mean()


def of_others(sample, seed):
    """The sample with the R500c of another cluster."""
    ring = np.random.default_rng(seed).permutation(len(sample))
    radius = np.empty(len(sample))
    radius[ring] = sample.r500c[np.roll(ring, 1)]
    return sample.assign(r500c=radius)


def rows_of_seed(arguments, sky, seed):
    """One row per aperture."""
    sample, log_mass, share = survey(sky, arguments.clusters, seed)
    tested, true, _ = survey(sky, arguments.test_clusters, 1000 + seed)
    predictions = {
        name: model.fit(sample, log_mass).predict(tested)
        for name, model in models(sky).items()
    }
    shuffled = models(sky)["true R500c"].fit(of_others(sample, seed), log_mass)
    predictions["control: R500c of others"] = shuffled.predict(of_others(tested, seed))
    for name, predicted in predictions.items():
        yield {
            "sky": sky,
            "seed": seed,
            "aperture": name,
            "std": mass_scatter(true, predicted),
            "robust": mass_scatter(true, predicted, kind="robust"),
            "tested": len(tested),
            "seen": share,
        }


def over_seeds(table):
    """Mean over the seeds, with its error from their scatter."""
    means = means_by(table, ["sky", "aperture"], ["std", "robust"])
    means.remove_column("seeds")
    return means


def main():
    """Compute the rows that are missing, and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=800)
    parser.add_argument("--test-clusters", type=int, default=600)
    parser.add_argument("--output", type=Path, default=Path("."))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # of what is below the background
    path = arguments.output / "apertures.csv"
    table = completed(
        path,
        ["sky", "seed"],
        product(SKIES, arguments.seeds),
        partial(rows_of_seed, arguments),
        means=over_seeds,
    )
    print(*over_seeds(table).pformat(max_width=-1, max_lines=-1), sep="\n")


if __name__ == "__main__":
    main()
