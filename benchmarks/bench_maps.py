"""Photon maps of a survey: PhotonMapper against the released notebook's method.

    python benchmarks/bench_maps.py                       # 3285 clusters, three bands
    python benchmarks/bench_maps.py --survey 100000       # peak memory of a large survey

The notebook turns every cluster's photons into cartesian SkyCoord coordinates, rotates
them to the center, and calls np.histogram2d, all once per cluster and band. Both run in
this process on one core, in turns; the ratio is that of the medians. Their maps are
compared too: SkyCoord places photons on the sphere and we on the tangent plane, so a photon
near the border of a pixel may fall on its other side.
"""

import argparse
import resource

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from timing import timed

from skcluster import PhotonMapper, SparseMaps
from skcluster.datasets import make_mock_survey
from skcluster.paper import HALF_WIDTH, THREE_BANDS

EDGES = np.linspace(-HALF_WIDTH, HALF_WIDTH, 129)


def notebook_maps(sample):
    """Dense maps (n, bands, y, x) by SkyCoord and np.histogram2d."""
    maps = np.zeros((len(sample), len(THREE_BANDS), 128, 128), np.float32)
    for i in range(len(sample)):
        photons = sample.photons.table(i)
        rotation = sky_axes(*sample.center[i])
        for band, (low, high) in enumerate(THREE_BANDS):
            kept = (photons["energy"] >= low) & (photons["energy"] < high)
            sky = SkyCoord(
                ra=photons["ra"][kept] * units.deg,
                dec=photons["dec"][kept] * units.deg,
                distance=WMAP7.comoving_distance(sample.redshift[i]),
            )
            west, north, _ = rotation @ (sky.cartesian.xyz.value * WMAP7.h)
            maps[i, band] = np.histogram2d(north, west, EDGES)[0]
    return maps


def sky_axes(ra, dec):
    """Rotation to the axes West, North and line of sight at a place on the sky."""
    ra, dec = np.radians([ra, dec])
    west = [np.sin(ra), -np.cos(ra), 0.0]
    north = [-np.sin(dec) * np.cos(ra), -np.sin(dec) * np.sin(ra), np.cos(dec)]
    sight = [np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)]
    return np.array([west, north, sight])


def compare(n_clusters, n_turns):
    """Print the ratio of the two methods on a mock survey."""
    sample = make_mock_survey(n_clusters, random_state=0).sample
    n_photons = sample.photons.offsets[-1]
    print(
        f"{n_clusters} mock clusters, {n_photons:,} photons, three bands of 128 x 128"
    )
    mapper = PhotonMapper(bands=THREE_BANDS)
    mapper.transform(sample[:50])
    ours, theirs = [], []
    for turn in range(n_turns):
        mapped, seconds, _ = timed(mapper.transform, sample)
        ours.append(seconds)
        dense, seconds, _ = timed(notebook_maps, sample)
        theirs.append(seconds)
        print(f"turn {turn + 1}: ours {ours[-1]:.2f} s, notebook {theirs[-1]:.2f} s")
    ratio = np.median(theirs) / np.median(ours)
    per_photon = np.median(ours) / n_photons * 1e9
    moved = np.abs(np.asarray(mapped.maps) - dense).sum() / 2
    print(f"ratio of medians: {ratio:.1f} x faster ({per_photon:.0f} ns per photon)")
    print(f"photons in another pixel than the notebook's: {moved / dense.sum():.2%}")
    print(f"memory: sparse {mapped.maps.nbytes / 2**20:.0f} MiB, ", end="")
    print(f"dense {dense.nbytes / 2**20:.0f} MiB")
    return ratio


def survey_memory(n_clusters, n_block=2000):
    """Print the peak memory of mapping a survey block by block."""
    sample = make_mock_survey(n_block, random_state=0).sample
    mapper = PhotonMapper(bands=THREE_BANDS)
    parts, seconds, _ = timed(
        lambda: [mapper.transform(sample).maps for _ in range(n_clusters // n_block)]
    )
    maps = SparseMaps.concatenate(parts)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    print(
        f"{len(maps)} clusters in three bands: {maps.nbytes / 2**30:.2f} GiB of maps, "
        f"{seconds:.0f} s, peak memory of the process {peak:.2f} GiB"
    )
    return peak


def main():
    """Run what the arguments ask for; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=3285)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--survey", type=int, help="clusters of the memory run")
    arguments = parser.parse_args()
    if arguments.survey:
        return int(survey_memory(arguments.survey) > 4)
    return int(compare(arguments.clusters, arguments.turns) < 15)


if __name__ == "__main__":
    raise SystemExit(main())
