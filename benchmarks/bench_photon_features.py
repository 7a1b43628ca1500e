"""Columns that describe photons: PhotonFeaturizer beside a bare search for neighbors.

    python benchmarks/bench_photon_features.py            # 300 clusters of the mock survey
    python benchmarks/bench_photon_features.py --million  # one cluster of a million photons

In turns, in one process on one core, on the photons of 0.5 to 10 keV inside the aperture:

ours       PhotonFeaturizer, all eight columns
query      one scipy cKDTree per cluster, asked for the 24 nearest neighbors of each photon
prototype  the same columns as they were first computed: positions moved at random within
           their pixels, one search per photon, at most 6000 photons per cluster

First with the camera's pixels, where ours searches once per distinct position, then with
photons at random places in their pixels (dither=True), where all positions are distinct.
Seconds are of the processor; printed are medians over the turns. Exit 1 if ours takes more
than three times the bare query.
"""

import os

os.environ.update(OMP_NUM_THREADS="1", OPENBLAS_NUM_THREADS="1", MKL_NUM_THREADS="1")

import argparse
import resource

import numpy as np
from scipy.spatial import cKDTree
from timing import timed

from skcluster import ClusterSample, PhotonFeaturizer
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey

EDGES = np.array([0, 0.03, 0.06, 0.1, 0.15, 0.21, 0.28, 0.36, 0.45, 0.55, 0.66, 0.8])
EDGES = np.array([*EDGES, 1, 1.25, 1.6, 2, 2.6, 3.3])
PIXEL = np.radians(9.6 / 3600)


def places(sample):
    """Offsets [Mpc/h] and energies of each cluster's photons, and its distance."""
    for i, distance in enumerate(comoving_distance(sample.redshift)):
        photons = sample.photons.table(i)
        x, y = sky_to_plane(photons["ra"], photons["dec"], *sample.center[i])
        yield np.column_stack([x, y]) * distance, photons["energy"], distance


def bare_query(clusters):
    """Search the 24 nearest neighbors of every photon."""
    for points, _, _ in clusters:
        cKDTree(points).query(points, k=25)


def prototype(clusters, rng, most=6000):
    """Describe at most 6000 photons per cluster, moved at random within their pixels."""
    described = []
    for points, energy, distance in clusters:
        n = len(points)
        points = points + rng.uniform(-0.5, 0.5, (n, 2)) * PIXEL * distance
        drawn = rng.choice(n, most, replace=False) if n > most else np.arange(n)
        near, wide = min(6, n - 1), min(24, n - 1)
        d, index = cKDTree(points).query(points[drawn], k=wide + 1)
        radius = np.hypot(*points.T)
        count = np.histogram(radius, EDGES)[0]
        mean = (count + 0.3) / (np.pi * np.diff(EDGES**2))
        mean = mean[np.digitize(radius[drawn], EDGES) - 1]
        dense = near / (np.pi * np.maximum(d[:, near], 0.005) ** 2)
        denser = wide / (np.pi * np.maximum(d[:, wide], 0.005) ** 2)
        center = np.average(points, axis=0, weights=np.exp(-((radius / 0.5) ** 2)))
        weight = np.exp(-((radius / 0.7) ** 2))
        x, y = (points - center).T
        twice = np.arctan2(2 * (weight * x * y).sum(), (weight * (x**2 - y**2)).sum())
        columns = [
            np.log10(radius[drawn] + 0.01),
            np.log10(energy[drawn]),
            np.log10(dense / mean),
            np.log10(dense),
            np.log10(denser / mean),
            np.log10(energy)[index[:, 1 : near + 1]].mean(axis=1),
            np.cos(2 * np.arctan2(*points[drawn].T[::-1]) - twice),
            np.log10(np.hypot(*(points[drawn] - center).T) + 0.01),
        ]
        described.append(np.column_stack(columns).astype(np.float32))
    return np.concatenate(described)


def compare(sample, n_turns):
    """Print the seconds of the three on the same photons; return ours over the query."""
    inside = PhotonFeaturizer(features=["log_energy"]).transform(sample)
    sample = sample.assign(photons=inside.photons)
    clusters, n_photons = list(places(sample)), sample.photons.offsets[-1]
    distinct = sum(len(np.unique(points, axis=0)) for points, _, _ in clusters)
    print(f"{len(sample)} clusters, {n_photons:,} photons at {distinct:,} positions")
    rng, seconds = np.random.default_rng(0), []
    for _ in range(n_turns):
        turn = (
            timed(PhotonFeaturizer().transform, sample).cpu,
            timed(bare_query, clusters).cpu,
            timed(prototype, clusters, rng).cpu,
        )
        seconds.append(turn)
        print("  ours {:.2f} s, query {:.2f} s, prototype {:.2f} s".format(*turn))
    ours, query, first = np.median(seconds, axis=0)
    n_first = np.minimum(sample.photons.lengths, 6000).sum()
    print(
        f"per photon: ours {ours / n_photons * 1e6:.2f} us, query "
        f"{query / n_photons * 1e6:.2f} us, prototype {first / n_first * 1e6:.2f} us"
    )
    print(f"ratio of medians: ours takes {ours / query:.2f} x the bare query")
    return ours / query


def threads(sample):
    """Print the seconds of the clock with one thread and with two, and the load."""
    for n_jobs in (1, 2, 1, 2):
        wall = timed(PhotonFeaturizer(n_jobs=n_jobs).transform, sample).wall
        print(f"{n_jobs} threads: {wall:.2f} s of the clock")
    print(f"load of {os.cpu_count()} processors: {os.getloadavg()[0]:.1f}")


def million():
    """Print the seconds and the memory of a cluster of a million distinct positions."""
    offset = np.random.default_rng(0).normal(0, 0.5, (2, 1_000_000))
    ra, dec = plane_to_sky(*offset / comoving_distance([0.2]), 150.0, 2.0)
    photons = {"ra": ra, "dec": dec, "energy": np.ones(len(ra))}
    sample = ClusterSample([0.2], center=[[150.0, 2.0]], photons=[photons])
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    seconds = timed(PhotonFeaturizer().transform, sample).cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**10
    print(
        f"a million photons: {seconds:.1f} s, {peak - before:.0f} MiB above the "
        f"{before:.0f} MiB before"
    )


def main():
    """Run what the arguments ask for; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=300)
    parser.add_argument("--turns", type=int, default=5)
    parser.add_argument("--million", action="store_true", help="one large cluster")
    arguments = parser.parse_args()
    if arguments.million:
        million()
        return 0
    ratios = []
    for dither in (False, True):
        survey = make_mock_survey(
            arguments.clusters, random_state=0, galaxies=False, dither=dither
        )
        ratios.append(compare(survey.sample, arguments.turns))
    threads(survey.sample)
    return int(max(ratios) > 3)


if __name__ == "__main__":
    raise SystemExit(main())
