"""Read the clusters of a survey tile, together and with the list once per row.

    python benchmarks/bench_tiles.py --n-clusters 60 --n-photons 400_000

Writes a tile of 3.6 by 3.6 degrees and a catalog of clusters on it into a temporary folder.
Prints for each way the median time of a few turns, the peak of memory and the photons kept:

* `read_sample` with the tile as `events`;
* `read_photons` once per row, and of its photons those within the same aperture, by
  astropy's separations;
* the complete list for every row, as a sample without apertures would hold it.
"""

import argparse
import tracemalloc
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory

import numpy as np
from astropy.coordinates import SkyCoord
from timing import timed

from skcluster import ClusterSample, read_photons, read_sample, write_photons
from skcluster.cosmology import comoving_distance
from skcluster.io.apertures import APERTURE

SIDE = 3.6  # deg


def make_tile(folder, n_photons, n_clusters):
    """Write the tile; return its path and the catalog."""
    rng = np.random.default_rng(0)
    ra, dec = rng.uniform([138, 0], [138 + SIDE, SIDE], (n_photons, 2)).T
    energy = rng.uniform(0.2, 5, n_photons).astype(np.float32)
    path = folder / "tile.fits"
    write_photons(path, {"ra": ra, "dec": dec, "energy": energy})
    catalog = {"redshift": rng.uniform(0.1, 0.7, n_clusters)}
    catalog["ra"], catalog["dec"] = rng.uniform(
        [138.5, 0.5], [137.5 + SIDE, SIDE - 0.5], (n_clusters, 2)
    ).T
    return path, catalog


def once_per_row(path, catalog, *, is_cut):
    """Read the list for every row; keep all photons, or those within the aperture."""
    angles = np.arctan(APERTURE / comoving_distance(catalog["redshift"]))
    lists = []
    for ra, dec, angle in zip(catalog["ra"], catalog["dec"], angles, strict=True):
        photons = read_photons(path)
        if is_cut:
            sky = SkyCoord(photons["ra"], photons["dec"], unit="deg")
            center = SkyCoord(ra, dec, unit="deg")
            inside = sky.separation(center).radian <= angle
            photons = {name: column[inside] for name, column in photons.items()}
        lists.append(photons)
    return ClusterSample.from_table(catalog, photons=lists)


def measured(read, n_turns):
    """Median seconds, peak of memory [MiB] and number of photons of a way to read."""
    seconds = [timed(read).wall for _ in range(n_turns)]
    tracemalloc.start()
    sample = read()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return median(seconds), peak / 2**20, sample.photons.offsets[-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--n-clusters", type=int, default=60)
    parser.add_argument("--n-photons", type=int, default=400_000)
    parser.add_argument("--n-turns", type=int, default=3)
    options = parser.parse_args()
    with TemporaryDirectory() as folder:
        path, catalog = make_tile(Path(folder), options.n_photons, options.n_clusters)
        ways = {
            "read_sample": lambda: read_sample(catalog, events=path)[0],
            "once per row": lambda: once_per_row(path, catalog, is_cut=True),
            "complete lists": lambda: once_per_row(path, catalog, is_cut=False),
        }
        print(f"{options.n_clusters} clusters, {options.n_photons:,} photons")
        print(f"{'':16}{'time [s]':>10}{'peak [MiB]':>12}{'photons':>14}")
        for name, read in ways.items():
            seconds, peak, n_photons = measured(read, options.n_turns)
            print(f"{name:16}{seconds:10.2f}{peak:12.1f}{n_photons:14,}")


if __name__ == "__main__":
    main()
