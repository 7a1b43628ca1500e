"""What does the network on photons rely on, and what throws it off?

    python experiments/photon_ablation.py --seeds 0        # a quarter of an hour, one core
    python experiments/photon_ablation.py --seeds 0 1 2 --clusters 3285
    python experiments/photon_ablation.py --minutes 10     # some rows now, more next time
    python experiments/photon_ablation.py --seeds 0 1 2 --clusters 1000 --pixels 64 \
        --output experiments/results                       # an hour, one quiet core

For every seed, of a mock survey and of the networks, one octant is held out. Trained on the
others are the paper's three-band network, the photon set, and photon sets from which
something is withheld in training and afterwards:

no densities         the three columns of local density
energies shuffled    among the photons of each cluster
angles shuffled      every photon at a random position angle, at its radius: neither
                     shapes nor clumps are left

Then the sky changes under the first two, which stay as they were trained: shorter exposures
that nobody mentions, other backgrounds, point-spread functions, centers, active nuclei and
dynamical states. The clusters are the same ones, so that differences are paired.

Every prediction is kept in --folder, beside a table of scatters that grows row by row
(rows.csv): the script goes on where it was stopped. Printed are, for all seeds so far, the
change of the bias and the ratio of the scatters against the clean sky, or against the
photon set with everything; --output also writes them as tables. The errors of one seed are
those of a bootstrap over its clusters, without the scatter between fits; those of several
seeds are from the scatter between seeds, with the significance of Student's t (sigma).
"""

import argparse
import csv
import sys
import time
from pathlib import Path

import numpy as np
from astropy.table import Table
from kept_fits import folder_of
from seed_tables import write
from significance import significance
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonFeaturizer,
    PhotonMapper,
    PhotonSetRegressor,
    RedshiftNormalizer,
    XrayCNNRegressor,
    load_model,
    save_model,
    thin_photons,
)
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.model_selection import octants
from skcluster.paper import ORIGINS, THREE_BANDS
from skcluster.photon_features import PHOTON_FEATURES

WITHOUT_DENSITIES = [
    name for name in PHOTON_FEATURES if "contrast" not in name and "density" not in name
]
TO_PERCENT = 100 * np.log(10)
"""Percent of the mass per dex, for small residuals."""
NO_CHANGE = np.array([0.0, 1.0, 1.0])
"""Change of the bias and ratios of the scatters when nothing changes."""
QUANTITIES = ("bias", "std_ratio", "robust_ratio")
CENTER_ERROR = 0.05
"""Standard deviation of wrong centers along each axis [comoving Mpc/h]."""


def with_shuffled_energies(sample, rng):
    """Exchange energies among the photons of each cluster."""
    photons = sample.photons
    order = np.lexsort((rng.random(photons.offsets[-1]), photons.cluster))
    return sample.assign(photons=photons.assign(energy=photons["energy"][order]))


def with_shuffled_angles(sample, rng):
    """Turn every photon about the center of its cluster by a random angle."""
    photons, center = sample.photons, sample.center
    x, y = sky_to_plane(
        photons["ra"], photons["dec"], *center.T, repeats=photons.lengths
    )
    turn = np.exp(2j * np.pi * rng.random(len(x)))
    place = (x + 1j * y) * turn
    ra, dec = plane_to_sky(place.real, place.imag, *center[photons.cluster].T)
    return sample.assign(photons=photons.assign(ra=ra, dec=dec))


def with_wrong_centers(sample, rng):
    """Move the centers, but not the photons."""
    error = rng.normal(0, CENTER_ERROR, (2, len(sample)))
    error /= comoving_distance(sample.redshift)
    return sample.assign(center=np.column_stack(plane_to_sky(*error, *sample.center.T)))


def with_faint_nuclei(sample, rng):
    """Keep every tenth photon of active nuclei."""
    is_agn = sample.photons["origin"] == ORIGINS["agn"]
    kept = ~is_agn | (rng.random(len(is_agn)) < 0.1)
    return sample.assign(photons=sample.photons.select(kept))


def thinned(fraction):
    """Return a function that thins photon lists to this fraction."""

    def thin(sample, rng):
        return thin_photons(
            sample, fraction=fraction, random_state=int(rng.integers(2**32))
        )

    return thin


def as_it_is(sample, rng):
    return sample


NETWORKS = {
    "paper": as_it_is,
    "photon set": as_it_is,
    "no densities": as_it_is,
    "energies shuffled": with_shuffled_energies,
    "angles shuffled": with_shuffled_angles,
}
"""Name of each network -> what is done to its photons, in training and afterwards."""

CLEAN = "clean"
SKIES = {
    CLEAN: ({}, as_it_is),
    "exposure / 2": ({}, thinned(1 / 2)),
    "exposure / 4": ({}, thinned(1 / 4)),
    "background x 10": ({"background": 0.05}, as_it_is),
    "background x 100": ({"background": 0.5}, as_it_is),
    "no PSF": ({"psf_hew": 0}, as_it_is),
    "centers wrong": ({}, with_wrong_centers),
    "AGN / 10": ({}, with_faint_nuclei),
    "no AGN": ({"agn": False}, as_it_is),
    "no pixels": ({"pixelize": False}, as_it_is),
    "dynamics": ({"dynamics": True}, as_it_is),
}
"""Name of each sky -> switches of the mock survey, and what is done to its photons."""
JOBS = [(network, sky) for sky in SKIES for network in ("paper", "photon set")]
JOBS += [(network, CLEAN) for network in NETWORKS if (network, CLEAN) not in JOBS]


def pipeline_of(network, seed, arguments):
    """Return an unfitted pipeline; without `epochs` every network trains its own."""
    training = {
        "random_state": seed,
        "device": "cpu",
        "n_threads": 1,
        "precision": arguments.precision,
    }
    if arguments.epochs is not None:
        training["max_epochs"] = arguments.epochs
    if network == "paper":
        mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels)
        steps = mapper, RedshiftNormalizer(), LogScaler()
        return make_pipeline(*steps, XrayCNNRegressor(**training))
    features = WITHOUT_DENSITIES if network == "no densities" else None
    return make_pipeline(
        PhotonFeaturizer(features=features), PhotonSetRegressor(**training)
    )


class Experiment:
    """Networks, skies and predictions of one seed, each made once and kept.

    Parameters
    ----------
    seed : int
        Seed of the survey and of the networks; the octant held out is its remainder by 8.
    arguments : argparse.Namespace
    """

    def __init__(self, seed, arguments):
        self.seed, self.arguments = seed, arguments
        self.folder = arguments.folder
        self._sky = (None, None)

    def survey(self, **switches):
        return make_mock_survey(
            self.arguments.clusters, random_state=self.seed, galaxies=False, **switches
        )

    def is_held_out(self, sample):
        return octants(sample.position) == self.seed % 8

    def network(self, name):
        """Return the fitted pipeline of this name."""
        path = self.folder / f"{self._stem(name)}.skops"
        if path.exists():
            return load_model(path)
        survey = self.survey()
        rows = ~self.is_held_out(survey.sample)
        sample = NETWORKS[name](survey.sample[rows], np.random.default_rng(self.seed))
        model = pipeline_of(name, self.seed, self.arguments)
        save_model(model.fit(sample, survey.log_mass[rows]), path)
        return model

    def held_out(self, sky):
        """Return the clusters of the held-out octant under this sky, and their masses."""
        if self._sky[0] != sky:
            switches, change = SKIES[sky]
            survey = self.survey(**switches)
            rows = self.is_held_out(survey.sample)
            sample = change(survey.sample[rows], np.random.default_rng(self.seed + 1))
            self._sky = (sky, (sample, survey.log_mass[rows]))
        return self._sky[1]

    def residual(self, network, sky):
        """Return predicted minus true log10 M, or None if it is still to be computed."""
        path = self.folder / f"{self._stem(network, sky)}.npy"
        return np.load(path) if path.exists() else None

    def measure(self, network, sky):
        """Predict the held-out clusters, and add a row to the table."""
        started = time.process_time()
        model = self.network(network)
        seconds = time.process_time() - started
        sample, log_mass = self.held_out(sky)
        sample = NETWORKS[network](sample, np.random.default_rng(self.seed + 2))
        residual = model.predict(sample) - log_mass
        np.save(self.folder / f"{self._stem(network, sky)}.npy", residual)
        row = {
            "seed": self.seed,
            "network": network,
            "sky": sky,
            "clusters": len(residual),
            "bias_percent": f"{TO_PERCENT * residual.mean():.2f}",
            "std_percent": f"{TO_PERCENT * residual.std():.2f}",
            "robust_percent": f"{TO_PERCENT * half_width(residual):.2f}",
            "cpu_seconds_of_fit": f"{seconds:.0f}",
        }
        append_row(self.folder / "rows.csv", row)
        print(", ".join(f"{name} {value}" for name, value in row.items()), flush=True)

    def _stem(self, *names):
        stem = "-".join(names).replace(" / ", " by ").replace(" ", "_")
        return f"seed{self.seed}-{stem}"


def half_width(residual):
    """Half of the central 68 % along the last axis."""
    low, high = np.percentile(residual, [16, 84], axis=-1)
    return (high - low) / 2


def append_row(path, row):
    """Append a row to a CSV file, which begins with the names of its columns."""
    is_new = not path.exists()
    with path.open("a", newline="") as file:
        writer = csv.DictWriter(file, row)
        if is_new:
            writer.writeheader()
        writer.writerow(row)


def changes(first, second):
    """Differences of the bias [%] and ratios of both scatters, second against first.

    Parameters
    ----------
    first, second : ndarray of shape (..., n_clusters)
        Residuals [dex] of the same clusters.

    Returns
    -------
    changes : ndarray of shape (3, ...)
        Change of the bias, ratio of the standard deviations, ratio of the robust ones.
    """
    return np.array(
        [
            TO_PERCENT * (second.mean(axis=-1) - first.mean(axis=-1)),
            second.std(axis=-1) / first.std(axis=-1),
            half_width(second) / half_width(first),
        ]
    )


def more_changed(first, second, control_first, control_second):
    """Compare `changes` with those of a control: differences of bias, ratios of ratios."""
    change, control = changes(first, second), changes(control_first, control_second)
    return np.array([change[0] - control[0], *(change[1:] / control[1:])])


def mean_changes(seeds, compare=changes):
    """Mean of `changes` over the seeds, its error, and its significance.

    Parameters
    ----------
    seeds : list of tuples of ndarray
        Residuals of each seed that `compare` takes.
    compare : callable, default=changes

    Returns
    -------
    mean, error, sigma : ndarray of shape (3,)
        The error is from the scatter between seeds; of one seed, from a bootstrap over
        its clusters. Sigma, by Student's t, is NaN for one seed.
    """
    each = np.array([compare(*residuals) for residuals in seeds])
    mean, n_seeds = each.mean(axis=0), len(seeds)
    if n_seeds > 1:
        error = each.std(axis=0, ddof=1) / np.sqrt(n_seeds)
    else:
        (residuals,) = seeds
        n = len(residuals[0])
        rows = np.random.default_rng(0).integers(0, n, (2000, n))
        error = compare(*(each[rows] for each in residuals)).std(axis=1)
    sigma = [
        significance(value, 0.0, one_error, n_seeds)
        for value, one_error in zip(mean - NO_CHANGE, error, strict=True)
    ]
    return mean, error, np.array(sigma)


def comparisons():
    """Yield what is compared: a sky, a network, sides with both names, and how."""
    clean = {network: (network, CLEAN) for network in NETWORKS}
    for network in NETWORKS:
        if network != "photon set":
            yield CLEAN, network, (clean["photon set"], clean[network]), changes
    for sky in SKIES:
        if sky == CLEAN:
            continue
        sides = {name: (clean[name], (name, sky)) for name in ("paper", "photon set")}
        for network, pair in sides.items():
            yield sky, network, pair, changes
        both = (*sides["photon set"], *sides["paper"])
        yield sky, "photon set against paper", both, more_changed


def mean_table(experiments):
    """Return a row per comparison that some seeds have all sides of."""
    rows = []
    for sky, network, sides, compare in comparisons():
        seeds = [
            [each.residual(*side) for side in sides]
            for each in experiments
            if all(each.residual(*side) is not None for side in sides)
        ]
        if not seeds:
            continue
        row = {"sky": sky, "network": network, "seeds": len(seeds)}
        found = zip(QUANTITIES, *mean_changes(seeds, compare), strict=True)
        for name, mean, error, sigma in found:
            row |= {name: mean, f"{name}_error": error, f"{name}_sigma": sigma}
        rows.append(row)
    return rows


def report(rows):
    """Print what all seeds say that have all sides of a comparison."""
    titles = "bias [%] (sigma)", "std ratio", "robust ratio"
    print(f"{'':42}" + "".join(f"{title:>21}" for title in titles), "seeds")
    for row in rows:
        name = f"{row['sky']}: {row['network']}"
        if row["sky"] == CLEAN:
            name = f"{row['network']} / photon set"
        cells = [
            f"{row[each]:{form}} ± {row[f'{each}_error']:{form.lstrip('+')}}"
            + ("" if row["seeds"] < 2 else f" ({row[f'{each}_sigma']:+.1f})")
            for each, form in zip(QUANTITIES, ("+.1f", ".2f", ".2f"), strict=True)
        ]
        print(f"{name:42}" + "".join(f"{cell:>21}" for cell in cells), row["seeds"])


def write_tables(arguments, rows):
    """Write the rows of all jobs so far, and the means over seeds."""
    measured = Table.read(arguments.folder / "rows.csv")
    is_wanted = [
        seed in arguments.seeds and (network, sky) in JOBS
        for seed, network, sky in measured.iterrows("seed", "network", "sky")
    ]
    write(measured[is_wanted], arguments.output / "photon-ablation.csv", digits=2)
    write(Table(rows=rows), arguments.output / "photon-ablation-mean.csv")


def main():
    """Measure what is not in the folder yet, and print what it shows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=1600)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0])
    parser.add_argument("--pixels", type=int, default=128, help="of the maps")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--epochs", type=int, help="of all networks, for a trial")
    parser.add_argument(
        "--minutes", type=float, default=np.inf, help="start no row later"
    )
    parser.add_argument("--folder", type=Path, default=Path("photon_ablation"))
    parser.add_argument("--output", type=Path, help="folder for the tables over seeds")
    arguments = parser.parse_args()
    settings = ("clusters", "pixels", "epochs", "precision")
    of_them = {name: getattr(arguments, name) for name in settings}
    arguments.folder = folder_of(arguments.folder, of_them)
    started = time.monotonic()
    experiments = [Experiment(seed, arguments) for seed in arguments.seeds]
    for experiment in experiments:
        for network, sky in JOBS:
            if experiment.residual(network, sky) is not None:
                continue
            if time.monotonic() - started > 60 * arguments.minutes:
                break
            experiment.measure(network, sky)
    rows = mean_table(experiments)
    report(rows)
    if arguments.output is not None:
        write_tables(arguments, rows)
    return 0


if __name__ == "__main__":
    sys.exit(main())
