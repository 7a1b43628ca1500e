"""Masses of two real eROSITA clusters, from photons, exposure map and mask of their field.

    SKCLUSTER_DATA=... python experiments/real_sky.py --output experiments/results
    # minutes per seed: three of them

Needs the folder ``efeds`` of real data: photon list, exposure map and mask of a field of
the eFEDS survey. Everything is trained on mock clusters under the sky of eFEDS, with the
background of this field, exposures spread about its own, and holes as many and as large as
those of its mask in place of active nuclei. Three estimators give p(M) of each cluster:

* the covariance model: a power law of the photons inside the published R500;
* the same inside the R500 that the mass itself implies;
* the paper's network on maps in three bands, which is told the exposure and which pixels
  were not observed, and not R500.

Other mock clusters calibrate them. Counts are net of a local background and corrected for
the mask. The exposures are those of the catalog, vignetted; the map gives the shape of the
field.

Writes real-sky.csv, one row per seed, position and estimator: net photons and their error,
which share of the training clusters shows fewer per second, quantiles of p(M) [log10
Msun/h], the scatter of the estimator on the mock clusters of the calibration [dex], the
distance of the maps from those of training over the limit for outliers, and the published
value: the mass that the published R500 implies with H0 = 70 and Om = 0.3. Rows that are
there are not computed again. Exits with 1 if one of two blank positions of the field is
taken for a cluster: only what exceeds its background by 3 sigma gets a mass.

The mock is no calibration: its luminosities are tuned to a simulation. So an agreement
within the scatter of one cluster shows that units, exposures, areas and radii are right,
and no more.
"""

import argparse
import os
import sys
import warnings
from functools import partial
from itertools import product
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from power_laws import power_law
from seed_tables import completed
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    IteratedRadiusRegressor,
    PhotonMapper,
    ProxyMeasurer,
    SkyImage,
    misspecification_score,
    read_image,
    read_sample,
    remove_sources,
    with_exposure_map,
)
from skcluster.contest.entries import ho2023_three_bands
from skcluster.cosmology import comoving_distance, mass_within_r500c, plane_to_sky
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter

# Name, center, redshift, R500 [arcmin] and vignetted exposure [s] of Bahar et al. (2022).
CLUSTERS = (
    ("J092121.2+031726", (140.3385, 3.2906), 0.333, 4.068, 1437.0),
    ("J092022.0+030106", (140.0918, 3.0186), 0.481, 1.608, 1304.0),
)
BLANK = (
    ("blank 0", (140.22, 3.43), 0.333, 4.068, 1437.0),
    ("blank 1", (140.47, 3.42), 0.333, 4.068, 1437.0),
)
NET = {"proxies": ["n_phot_500c"], "band": (0.6, 2.2), "background": "annulus"}
BANDS = ((0.6, 1.1), (1.1, 1.6), (1.6, 2.2))
"""Bands in which the photons of the list are known [keV]."""
SIGNIFICANT = 3.0
"""Net counts over their error from which a cluster is called seen."""
COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
BACKGROUND = 1.19
"""Background of this field in 0.6-2.2 keV over that of the mock, another field's."""
HOLES = 0.058, 50 / 3600
"""Holes of the mask per square arcmin, without the clusters; and their radius [deg]."""
QUANTILES = {"low": 0.16, "mass": 0.5, "high": 0.84}
TRUE, ITERATED, NETWORK = "counts in R500", "counts in iterated R500", "network"


def field(folder):
    """The two clusters and the blank positions, as observed, one after the other."""
    names, centers, redshift, r500, exposure = zip(*CLUSTERS, *BLANK, strict=True)
    ra, dec = np.transpose(centers)
    catalog = {"name": names, "ra": ra, "dec": dec, "redshift": redshift}
    sample, _ = read_sample(
        catalog | {"R500": r500, "exposure": exposure},
        columns={"r500c": "R500:arcmin"},
        events=folder / "efeds_example_events.fits",
    )
    exposure_map = read_image(folder / "expmap_norm_0600_1100.fits.gz")
    mask = read_image(folder / "mask.fits.gz")
    sample = with_exposure_map(sample, exposure_map)
    bright = {"ra": ra[:1], "dec": dec[:1]}
    observed = []
    for cluster, center, radius in zip(sample, centers, r500, strict=True):
        # The mask covers every source, the fainter cluster among them.
        cluster = remove_sources(cluster, without(mask, center, radius / 60))
        if center != CLUSTERS[0][1]:
            cluster = remove_sources(cluster, bright, radius=1.5 * CLUSTERS[0][3] / 60)
        observed.append(cluster)
    return ClusterSample.concatenate(observed)


def without(mask, center, radius):
    """The mask with ones within a radius [deg] of a center."""
    rows, columns = np.indices(mask.shape)
    sky = mask.wcs.pixel_to_world(columns, rows)
    near = sky.separation(SkyCoord(*center, unit="deg")).deg <= radius
    return SkyImage(np.where(near, 1, mask.values), mask.wcs)


def published_masses():
    """log10 M500c [Msun/h] that the published radii imply."""
    redshift, r500 = np.array([row[2:4] for row in CLUSTERS]).T
    distance = comoving_distance(redshift, COSMOLOGY)
    radius = distance * np.tan(np.radians(r500 / 60))
    return np.log10(mass_within_r500c(radius, redshift, COSMOLOGY))


def mock(n_clusters, seed):
    """Mock clusters that are seen like those of the field, and their masses.

    They lie beyond z = 0.2, so that their annuli fit into the field.
    """
    rng = np.random.default_rng(seed)
    survey = make_mock_survey(
        n_clusters,
        random_state=seed,
        galaxies=False,
        sky="eFEDS",
        background=BACKGROUND,
        field_agn=False,  # the mask removes them
        exposure=rng.uniform(1100, 1700, n_clusters),
    )
    is_far = survey.sample.redshift > 0.2
    sample = with_holes(survey.sample[is_far], rng)
    counts = net_counts(sample)
    # Faint clusters drown in the background: they have no logarithm.
    seen = counts.net > SIGNIFICANT * counts.error
    return sample[seen], survey.log_mass[is_far][seen]


def with_holes(sample, rng):
    """Remove circles at random places, but not the centers of clusters."""
    density, radius = HOLES
    around = np.radians(sample.field_radius)
    n_holes = rng.poisson(density * np.pi * (np.degrees(around) * 60) ** 2)
    cluster = np.repeat(np.arange(len(sample)), n_holes)
    distance = around[cluster] * np.sqrt(rng.random(len(cluster)))
    angle = rng.uniform(0, 2 * np.pi, len(cluster))
    kept = distance > np.radians(2 * radius)
    x, y = distance * np.cos(angle), distance * np.sin(angle)
    ra, dec = plane_to_sky(x[kept], y[kept], *sample.center[cluster[kept]].T)
    return remove_sources(sample, {"ra": ra, "dec": dec}, radius=radius)


def net_counts(sample):
    """Photons inside R500c less the background."""
    return ProxyMeasurer(**NET).fit(sample).count_photons(sample)["n_phot_500c"]


def models(seed, arguments):
    """Name -> unfitted estimator."""
    network = ho2023_three_bands(
        max_epochs=arguments.epochs,
        random_state=seed,
        n_threads=1,
        scalars=["log_exposure"],
    )
    mapper = PhotonMapper(bands=BANDS, n_pixels=arguments.pixels, with_unobserved=True)
    return {
        TRUE: power_law(**NET),
        ITERATED: IteratedRadiusRegressor(power_law(**NET), tolerance=1e-3),
        NETWORK: make_pipeline(mapper, network),
    }


def rows_of(observed, arguments, seed, name):
    """Masses by one estimator, with one training set and one set to calibrate with."""
    sample, log_mass = mock(arguments.clusters, seed)
    others, true = mock(arguments.clusters, 1000 + seed)
    counts, trained = net_counts(observed), net_counts(sample)
    rate, rates = counts.net / observed.exposure, trained.net / sample.exposure
    seen = counts.net > SIGNIFICANT * counts.error
    published = [*published_masses(), *[np.nan] * len(BLANK)]
    model = models(seed, arguments)[name].fit(sample, log_mass)
    frozen = FrozenEstimator(model)
    calibrated = CalibratedMassRegressor(frozen, by="trend").fit(others, true)
    quantiles = np.full((len(observed), len(QUANTILES)), np.nan)
    shares = [*QUANTILES.values()]
    quantiles[seen] = calibrated.predict_quantiles(observed[seen], shares)
    score = np.full(len(observed), np.nan)
    if name == NETWORK:
        score = misspecification_score(model, observed)
    scatter = mass_scatter(true, calibrated.predict(others))
    for i, position in enumerate(observed.name):
        yield {
            "seed": seed,
            "position": position,
            "estimator": name,
            "net": counts.net[i],
            "error": counts.error[i],
            "fewer": np.mean(rates < rate[i]),
            **dict(zip(QUANTILES, quantiles[i], strict=True)),
            "scatter": scatter,
            "score": score[i],
            "published": published[i],
            "trained": len(log_mass),
            "calibrated": len(true),
        }


def main():
    """Train, predict and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=[TRUE, ITERATED, NETWORK])
    parser.add_argument("--clusters", type=int, default=800)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=45)
    parser.add_argument("--output", type=Path, default=Path("."))
    arguments = parser.parse_args()
    folder = Path(os.environ.get("SKCLUSTER_DATA", "data")) / "efeds"
    if not folder.is_dir():
        print(f"There is no folder {folder}: set SKCLUSTER_DATA to the real data.")
        return 0
    warnings.simplefilter("ignore", UserWarning)  # of what is below the background
    observed = field(folder)
    path = arguments.output / "real-sky.csv"
    table = completed(
        path,
        ["seed", "estimator"],
        product(arguments.seeds, arguments.models),
        partial(rows_of, observed, arguments),
        digits=3,
    )
    is_blank = np.char.startswith(np.asarray(table["position"], str), "blank")
    fails = np.isfinite(np.ma.filled(table["mass"][is_blank], np.nan)).any()
    print("A blank position has a mass." if fails else "Blank positions have no mass.")
    return int(fails)


if __name__ == "__main__":
    sys.exit(main())
