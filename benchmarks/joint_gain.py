"""Do galaxies help? The joint network against the three-band one, and on a null survey.

    python benchmarks/joint_gain.py                          # about half an hour, two cores
    python benchmarks/joint_gain.py --clusters 3285 --pixels 128 --bins 64 --epochs 200

Both are cross-validated by octant on identical folds of the mock survey, with the same
training (augmentation, epochs, early stopping inside the training folds). Then the galaxies
are shuffled between clusters of equal redshift: they tell nothing any more, so what the
joint network gains from them must go away. Ratios are paired: the same clusters are drawn
again for both networks, 1000 times.
"""

import argparse
import sys

import numpy as np
from sklearn.pipeline import make_pipeline

from skcluster import (
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    XrayCNNRegressor,
)
from skcluster.comparison import compare_estimators
from skcluster.datasets import make_mock_survey, shuffle_galaxies

BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))
COLUMNS = ("std_percent", "std_percent_error", "robust_percent", "robust_percent_error")


def contestants(sample, arguments):
    """The three networks, each with its X: all see the same maps."""
    training = {
        "augment": True,
        "dropout": 0.1,
        "max_epochs": arguments.epochs,
        "random_state": arguments.seed,
        "device": arguments.device,
        "n_threads": 1,
    }
    mapped = PhotonMapper(bands=BANDS, n_pixels=arguments.pixels).transform(sample)
    kde = PhaseSpaceKDE(n_bins=arguments.bins)
    null = shuffle_galaxies(mapped, random_state=arguments.seed)

    def pipeline(regressor):
        return make_pipeline(RedshiftNormalizer(), LogScaler(), regressor)

    joint = pipeline(
        JointCNNRegressor(
            **training,
            batch_size=arguments.joint_batch,
            phase_space=kde,
            allow_missing=True,
        )
    )
    chosen = {
        "three bands": (pipeline(XrayCNNRegressor(**training)), mapped),
        "joint": (joint, mapped),
        "joint, galaxies shuffled": (joint, null),
    }
    if arguments.cubes_in_memory:
        for name in ("joint", "joint, galaxies shuffled"):
            chosen[name] = joint, kde.transform(chosen[name][1])
    return chosen


def scatters(residual):
    """Standard deviation and half of the central 68 % [dex], along the last axis."""
    low, high = np.percentile(residual, [16, 84], axis=-1)
    return np.array([residual.std(axis=-1), (high - low) / 2])


def paired_gain(first, second, rng):
    """Ratio of the scatters, second over first, and its bootstrap errors."""
    rows = rng.integers(0, len(first), (1000, len(first)))
    ratio = scatters(second) / scatters(first)
    errors = (scatters(second[rows]) / scatters(first[rows])).std(axis=1)
    return list(zip(ratio, errors, strict=True))


def main():
    """Print the table and the ratios."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--bins", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument(
        "--joint-batch",
        type=int,
        default=100,
        help="clusters in a batch of the joint network; 50 gives it as many steps as the "
        "three-band one has (default: 100, the paper's)",
    )
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cubes-in-memory", action="store_true", help="make them once")
    arguments = parser.parse_args()

    survey = make_mock_survey(arguments.clusters, random_state=arguments.seed)
    comparison = compare_estimators(
        contestants(survey.sample, arguments),
        survey.log_mass,
        cv=QuadrantGroupKFold(),
        groups=survey.sample.position,
        n_jobs=arguments.jobs,
        on_progress=lambda name, done, n, seconds: print(
            f"{name}: fold {done}/{n}, {seconds:.0f} s", file=sys.stderr, flush=True
        ),
    )
    table = comparison.table["estimator", "n_clusters", *COLUMNS, "seconds"]
    for column in (*COLUMNS, "seconds"):
        table[column].format = ".1f"
    table.pprint_all()
    residual = {
        name: predicted - survey.log_mass
        for name, predicted in comparison.predictions.items()
    }
    rng = np.random.default_rng(0)
    for name, other in (
        ("joint", "three bands"),
        ("joint, galaxies shuffled", "three bands"),
        ("joint", "joint, galaxies shuffled"),
    ):
        (std, std_error), (robust, robust_error) = paired_gain(
            residual[other], residual[name], rng
        )
        print(
            f"{name} / {other}: std {std:.3f} ± {std_error:.3f}, "
            f"robust {robust:.3f} ± {robust_error:.3f}"
        )


if __name__ == "__main__":
    main()
