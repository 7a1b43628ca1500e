"""Masses of two real eROSITA clusters, from photons, exposure map and mask of their field.

    SKCLUSTER_DATA=... python experiments/real_sky.py       # minutes: three seeds

Needs the folder ``efeds`` of real data: photon list, exposure map and mask of a field of
the eFEDS survey. Power laws of photon counts are fitted to mock clusters with the real
background, whose exposures are spread about those of the field. Counts are net of a local
background and corrected for the mask. The exposures are those of the catalog, vignetted;
the map gives the shape of the field. Each cluster gets two masses: with counts inside the
published R500, and inside the radius that its own mass implies.

Prints log10 M500c [Msun/h] with its error, which share of the training clusters shows fewer
counts, and the published value: the mass that the published R500 implies with H0 = 70 and
Om = 0.3. Exits with 1 if one of two blank positions of the field gets a mass.

The mock is no calibration: its luminosities are tuned to a simulation, its telescope points
at each cluster, and it has no point sources here, because the real ones are masked. So an
agreement within the scatter of one cluster shows that units, exposures, areas and radii are
right, and no more.
"""

import argparse
import os
import sys
import warnings
from pathlib import Path

import numpy as np
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from astropy.table import Table, vstack
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    IteratedRadiusRegressor,
    ProxyMeasurer,
    SkyImage,
    read_image,
    read_sample,
    remove_sources,
    with_exposure_map,
)
from skcluster.cosmology import comoving_distance, mass_within_r500c
from skcluster.datasets import make_mock_survey

# Name, center, redshift, R500 [arcmin] and vignetted exposure [s] of Bahar et al. (2022).
CLUSTERS = (
    ("J092121.2+031726", (140.3385, 3.2906), 0.333, 4.068, 1437.0),
    ("J092022.0+030106", (140.0918, 3.0186), 0.481, 1.608, 1304.0),
)
BLANK = (
    ("blank 0", (140.22, 3.43), 0.333, 4.068, 1437.0),
    ("blank 1", (140.47, 3.42), 0.333, 4.068, 1437.0),
)
BAND = (0.6, 2.2)
SIGNIFICANT = 3.0
"""Net counts over their error from which a cluster is called seen."""
COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)


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


def training_set(n_clusters, seed):
    """Mock clusters beyond z = 0.2, whose annuli lie in the field of view."""
    rng = np.random.default_rng(seed)
    survey = make_mock_survey(
        n_clusters,
        random_state=seed,
        galaxies=False,
        background=1.0,
        agn=False,  # the mask removes point sources
        exposure=rng.uniform(1100, 1700, n_clusters),
    )
    far = survey.sample.redshift > 0.2
    return survey.sample[far], survey.log_mass[far]


def regressor():
    """Power law of the net counts inside R500c."""
    measurer = ProxyMeasurer(
        proxies=["n_phot_500c"], band=BAND, background="annulus", with_redshift=True
    )
    return make_pipeline(
        measurer, EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    )


def rows_of_seed(seed, observed, arguments):
    """Masses by one training set."""
    sample, log_mass = training_set(arguments.clusters, seed)
    known = regressor()
    counts = known[0].fit(sample).count_photons(sample)["n_phot_500c"]
    # Faint clusters drown in the background: they have no logarithm.
    seen = counts.net > SIGNIFICANT * counts.error
    sample, log_mass = sample[seen], log_mass[seen]
    known.fit(sample, log_mass)
    iterated = IteratedRadiusRegressor(regressor()).fit(sample, log_mass)
    counts = known[0].count_photons(observed)["n_phot_500c"]
    logs = known[0].transform(sample)[:, 0]
    for i, published in enumerate([*published_masses(), *[np.nan] * len(BLANK)]):
        row = {"seed": seed, "name": observed.name[i], "published": published}
        row |= {"net": counts.net[i], "error": counts.error[i]}
        is_seen = counts.net[i] > SIGNIFICANT * counts.error[i]
        for name, model in (("mass", known), ("iterated", iterated)):
            mass, std = [np.nan], [np.nan]
            if is_seen:
                mass, std = model.predict(observed[i], return_std=True)
            row |= {name: mass[0], f"std {name}": std[0]}
        log = known[0].transform(observed[i])[0, 0] if is_seen else np.nan
        yield row | {"rank": np.mean(logs < log) if is_seen else np.nan}


def main():
    """Train, predict and compare."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=1500)
    arguments = parser.parse_args()
    folder = Path(os.environ.get("SKCLUSTER_DATA", "data")) / "efeds"
    if not folder.is_dir():
        print(f"There is no folder {folder}: set SKCLUSTER_DATA to the real data.")
        return 0
    warnings.simplefilter("ignore", UserWarning)  # of what is below the background
    observed = field(folder)
    tables = [
        Table(rows=[*rows_of_seed(seed, observed, arguments)])
        for seed in arguments.seeds
    ]
    table = vstack(tables)
    for name, column in table.columns.items():
        if column.dtype.kind == "f":
            column.format = ".0f" if name in ("net", "error") else ".3f"
    print(*table.pformat(max_width=-1, max_lines=-1), sep="\n")
    is_blank = np.char.startswith(np.asarray(table["name"], str), "blank")
    fails = np.isfinite(table["mass"][is_blank]).any()
    print("A blank position has a mass." if fails else "Blank positions have no mass.")
    return int(fails)


if __name__ == "__main__":
    sys.exit(main())
