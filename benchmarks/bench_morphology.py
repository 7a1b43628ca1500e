"""Morphology of a survey: MorphologyMeasurer against statmorph, one cluster at a time.

    python benchmarks/bench_morphology.py                      # 1000 clusters
    python benchmarks/bench_morphology.py --clusters 200 --turns 1

Both get the count maps of a mock survey with the real background, 128 x 128 pixels in one
band. MorphologyMeasurer measures all its twelve quantities, statmorph all of its own (which
include a search for the center of asymmetry, a Petrosian radius and more; it computes them
together) within a segment that is the aperture of R500c. They run in this process on one
core, in turns. statmorph takes time in proportion to the maps, so it runs on --maps-one of
them. The ratio is that of the medians of the seconds per cluster.

What both measure is compared too: how often statmorph raises its flag, and the rank
correlation of Gini, M20, asymmetry and smoothness. Without statmorph the script says how to
install it, and stops.
"""

import argparse
import sys
import warnings

import numpy as np
from scipy.stats import spearmanr
from timing import timed

from skcluster import MorphologyMeasurer, PhotonMapper
from skcluster.datasets import make_mock_survey

AT_LEAST = 20
SHARED = ("gini", "m20", "asymmetry", "smoothness")


def mapped_survey(n_clusters):
    """Mock clusters with the real background, as maps of counts."""
    survey = make_mock_survey(
        n_clusters, random_state=0, galaxies=False, agn=False, background=1
    )
    return PhotonMapper(n_pixels=128).transform(survey.sample)


def statmorph_measures(images, radii):
    """Flag and shared quantities by statmorph, one row per map."""
    import statmorph

    offset = np.arange(128) + 0.5 - 64
    distance = np.hypot(offset, offset[:, None])
    rows = []
    for image, radius in zip(images, radii, strict=True):
        found = statmorph.SourceMorphology(
            image, (distance < radius).astype(int), 1, gain=1.0, skybox_size=32
        )
        rows.append([found.flag, *(getattr(found, name) for name in SHARED)])
    return np.array(rows)


def compare(n_clusters, n_one, n_turns):
    """Print the ratio of the two; 1 if it is too small."""
    sample = mapped_survey(n_clusters)
    images = np.asarray(sample.maps[:n_one])[:, 0].astype(float)
    radii = sample.r500c[:n_one] / (2 * sample.maps.geometry.half_width / 128)
    measurer = MorphologyMeasurer()
    measurer.transform(sample[:20])
    statmorph_measures(images[:2], radii[:2])
    ours, theirs = [], []
    for turn in range(n_turns):
        values, seconds, _ = timed(measurer.transform, sample)
        ours.append(seconds / n_clusters)
        rows, seconds, _ = timed(statmorph_measures, images, radii)
        theirs.append(seconds / n_one)
        print(
            f"turn {turn + 1}: ours {1e3 * ours[-1]:.2f} ms, statmorph "
            f"{1e3 * theirs[-1]:.0f} ms per cluster",
            flush=True,
        )
    ratio = np.median(theirs) / np.median(ours)
    print(
        f"ratio of medians: {ratio:.0f} x faster; at least {AT_LEAST} is "
        f"{'met' if ratio >= AT_LEAST else 'NOT MET'}"
    )
    names = measurer.get_feature_names_out().tolist()
    flagged = rows[:, 0] > 0
    print(f"statmorph flags {flagged.sum()} of {n_one} maps; ours are NaN in", end=" ")
    print(f"{np.isnan(values[:n_one]).any(axis=1).sum()}")
    for column, name in zip(rows[:, 1:].T, SHARED, strict=True):
        rho = spearmanr(column, values[:n_one, names.index(name)])[0]
        print(f"rank correlation of {name} with statmorph's: {rho:.2f}")
    return int(ratio < AT_LEAST)


def main():
    """Run what the arguments ask for; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--maps-one", type=int, default=50)
    parser.add_argument("--turns", type=int, default=3)
    arguments = parser.parse_args()
    try:
        import statmorph  # noqa: F401
    except ImportError:
        print("SKIPPED: statmorph is not installed (pip install statmorph).")
        return 0
    warnings.simplefilter("ignore")
    n_one = min(arguments.maps_one, arguments.clusters)
    return compare(arguments.clusters, n_one, arguments.turns)


if __name__ == "__main__":
    sys.exit(main())
