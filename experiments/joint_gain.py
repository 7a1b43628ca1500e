"""Do galaxies help? The joint network against the three-band one, with controls.

    python experiments/joint_gain.py                          # hours, two cores
    python experiments/joint_gain.py --sets --folds 2 --epochs 40 --photons 400
    python experiments/joint_gain.py --clusters 3285 --pixels 128 --bins 64 --epochs 200 \
        --batch 100 --device cuda

With --sets it is the network on photons, with galaxies as a second set, against the one
without. For every seed, of a mock survey and of the networks, both are cross-validated by
octant on identical folds, with the same batches, epochs and rule to stop inside the
training folds, so with as many optimizer steps. Then

galaxies shuffled    between clusters of equal redshift: they tell nothing of their own
                     cluster, so no gain may be left
dispersion planted   velocities are drawn anew with a dispersion that tells the mass, so
                     there must be a gain; and none when these are shuffled

Ratios of scatters are paired: the same clusters, of all seeds together, are drawn again for
both networks, 1000 times. That error is over clusters, for the fits as they are. The ratio
by seed, each with a survey and with fits of its own, tells all of the error: its
significance is Student's t. With one seed the scatter between fits is not known, and no
finding is shown. Findings are met beyond 3 sigma; controls must show, or not show, a gain
of 2 sigma. Predictions are kept in --folder, fold by fold, and not computed again. --output
writes a table of the scatters of all seeds. Exit code 1 if one of the controls fails;
whether galaxies help is a finding.
"""

import argparse
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack
from kept_fits import folder_of, kept_predictions
from seed_tables import write
from significance import significance, verdict
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    GalaxyFeaturizer,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonFeaturizer,
    PhotonMapper,
    PhotonSetRegressor,
    RedshiftNormalizer,
    XrayCNNRegressor,
)
from skcluster.datasets import make_mock_survey, plant_dispersion, shuffle_galaxies
from skcluster.metrics import summarize_residuals
from skcluster.model_selection import octants
from skcluster.paper import THREE_BANDS

COLUMNS = ("std_percent", "std_percent_error", "robust_percent", "robust_percent_error")
SETTINGS = ["clusters", "pixels", "bins", "epochs", "sets", "photons", "folds", "batch"]
"""Options that the kept predictions depend on."""
MAPS, PHOTONS = "three bands", "photons"
"""Names of the networks without galaxies."""
ALONE = "without galaxies"
CLAIMS = (
    ("finding", "joint", ALONE, "gain"),
    ("finding", "joint", "shuffled", "gain"),
    ("control", "shuffled", ALONE, "no gain"),
    ("control", "planted", ALONE, "gain"),
    ("control", "planted", "planted, shuffled", "gain"),
    ("control", "planted, shuffled", ALONE, "no gain"),
)
ONE_SEED = "; one seed, errors without scatter between fits"
SEEN = 2.0
"""In sigma: the gain that a control must show, or must not show."""


def contestants(survey, seed, arguments, *, planted):
    """The networks, each with its X: all see the same photons."""
    training = {
        "dropout": 0.1,
        "max_epochs": arguments.epochs,
        "batch_size": arguments.batch,
        "random_state": seed,
        "device": arguments.device,
        "n_threads": 1,
    }
    if arguments.sets:
        sample = PhotonFeaturizer().transform(survey.sample)
        alone = joint = PhotonSetRegressor(**training, n_photons=arguments.photons)
        step, name = GalaxyFeaturizer(), PHOTONS
    else:
        mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels)
        sample = mapper.transform(survey.sample)
        training["augment"] = True
        step, name = PhaseSpaceKDE(n_bins=arguments.bins), MAPS
        alone, joint = (
            make_pipeline(RedshiftNormalizer(), LogScaler(), regressor)
            for regressor in (
                XrayCNNRegressor(**training),
                JointCNNRegressor(**training, phase_space=step, allow_missing=True),
            )
        )
    samples = with_galaxies(sample, survey.log_mass, seed, planted=planted)
    if arguments.sets or arguments.cubes_in_memory:
        samples = {name: step.transform(sample) for name, sample in samples.items()}
    return {
        name: (alone, sample.drop("galaxies")),
        **{name: (joint, sample) for name, sample in samples.items()},
    }


def with_galaxies(sample, log_mass, seed, *, planted):
    """Return the sample with its own galaxies and with those of the controls, by name."""
    samples = {"joint": sample, "shuffled": shuffle_galaxies(sample, random_state=seed)}
    if planted:
        told = plant_dispersion(sample, log_mass, random_state=seed)
        samples["planted"] = told
        samples["planted, shuffled"] = shuffle_galaxies(told, random_state=seed)
    return samples


def residuals(seed, arguments, *, planted):
    """Residuals [dex] of every contestant on the survey of one seed, kept fold by fold."""
    settings = {name: getattr(arguments, name) for name in SETTINGS}
    folder = folder_of(arguments.folder / f"seed-{seed}", settings)
    survey = make_mock_survey(arguments.clusters, random_state=seed)
    groups = octants(survey.sample.position)
    found, rows = {}, []
    for name, (pipeline, sample) in contestants(
        survey, seed, arguments, planted=planted
    ).items():
        folds = list(GroupKFold(arguments.folds).split(sample, groups=groups))
        predicted = kept_predictions(
            *(pipeline, sample, survey.log_mass, folds, folder / name),
            n_jobs=arguments.jobs,
        )
        found[name] = predicted - survey.log_mass
        summary = summarize_residuals(survey.log_mass, predicted, random_state=0)
        row = {column: summary[column] for column in COLUMNS}
        rows.append({"seed": seed, "estimator": name, "n": len(sample)} | row)
    table = Table(rows)
    for column in COLUMNS:
        table[column].format = ".1f"
    return found, table


def scatters(residual):
    """Standard deviation and half of the central 68 % [dex], along the last axis."""
    low, high = np.percentile(residual, [16, 84], axis=-1)
    return np.array([residual.std(axis=-1), (high - low) / 2])


def paired_ratio(first, second):
    """Ratio of the scatters, second over first, and its bootstrap errors."""
    rows = np.random.default_rng(0).integers(0, len(first), (1000, len(first)))
    ratio = scatters(second) / scatters(first)
    errors = (scatters(second[rows]) / scatters(first[rows])).std(axis=1)
    return list(zip(ratio, errors, strict=True))


def gain_in_sigma(by_seed, ratio, error):
    """Sigma by which a ratio of scatters lies below 1.

    Parameters
    ----------
    by_seed : ndarray of shape (n_seeds,)
        Ratio of each seed, with a survey and fits of its own.
    ratio, error : float
        Ratio of all seeds together, with its bootstrap error over clusters.

    Returns
    -------
    sigma : float
        From Student's t of the ratios by seed; of a single seed, from the bootstrap, which
        leaves out the scatter between fits.
    """
    if len(by_seed) == 1:
        return (1 - ratio) / error
    error_seeds = by_seed.std(ddof=1) / np.sqrt(len(by_seed))
    return significance(1 - by_seed.mean(), 0.0, error_seeds, len(by_seed))


def judge(found):
    """Print every claim with its numbers; count the controls that fail."""
    failed, alone = 0, PHOTONS if PHOTONS in found[0] else MAPS
    for kind, name, other, expected in CLAIMS:
        other = alone if other == ALONE else other
        # A survey without one of the two has nothing to say about both.
        pairs = [(run[other], run[name]) for run in found if {name, other} <= set(run)]
        if not pairs:
            continue
        first, second = map(np.concatenate, zip(*pairs, strict=True))
        (std, std_error), (robust, robust_error) = paired_ratio(first, second)
        by_seed = np.array([scatters(b)[0] / scatters(a)[0] for a, b in pairs])
        sigma = gain_in_sigma(by_seed, std, std_error)
        if kind == "finding":
            judged = verdict(sigma if len(pairs) > 1 else np.nan)
        else:
            holds = (sigma > SEEN) == (expected == "gain")
            failed += not holds
            judged = "PASS" if holds else "FAIL"
        print(
            f"{judged:9}  {kind}: {expected} of {name} over {other}, {sigma:.1f} sigma, "
            f"std {std:.3f} ± {std_error:.3f}, robust {robust:.3f} ± {robust_error:.3f} "
            f"(std by seed: {', '.join(f'{each:.3f}' for each in by_seed)}"
            f"{ONE_SEED if len(pairs) == 1 else ''})"
        )
    return failed


def main():
    """Print a table for each seed, and what all seeds so far say."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--bins", type=int, default=32)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--sets", action="store_true", help="photons and galaxies")
    parser.add_argument("--photons", type=int, default=1000, help="drawn per epoch")
    parser.add_argument("--folds", type=int, default=8, help="of octants")
    parser.add_argument("--batch", type=int, default=50, help="of all networks")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument(
        "--planted", type=int, default=3, help="seeds that get the planted survey, too"
    )
    parser.add_argument("--folder", type=Path, default=Path("joint_gain"))
    parser.add_argument("--output", type=Path, help="folder of the table of scatters")
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--cubes-in-memory", action="store_true", help="make them once")
    arguments = parser.parse_args()
    found, tables, failed = [], [], 0
    for i, seed in enumerate(arguments.seeds):
        planted = i < arguments.planted
        residual, table = residuals(seed, arguments, planted=planted)
        found.append(residual)
        tables.append(table)
        print(f"seed {seed}")
        table.pprint_all()
        failed = judge(found)
    if arguments.output:
        kind = "sets" if arguments.sets else "cubes"
        write(vstack(tables), arguments.output / f"joint-gain-{kind}.csv")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
