"""
Is my posterior calibrated?
===========================

If posteriors are calibrated, 68 % of the central 68 % intervals contain the true mass,
and the probability below the true mass (PIT) is uniform. This page checks three
estimators whose predictions for clusters of unseen octants are kept in the repository,
by ``python experiments/equal_contexts.py``, and shows what errors of the wrong size
look like.
"""

# %%
# Each file holds true masses, predictions and predicted errors of one octant of one
# survey.
import json
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from skcluster.metrics import gaussian_pit, interval_coverage, pit_uniformity
from skcluster.plotting import CoverageDisplay

here = Path.cwd()  # any folder of the clone
root = next(each for each in (here, *here.parents) if (each / "experiments").is_dir())
folder = root / "experiments/results/equal_contexts/predictions"


def kept(estimator):
    """Return the true masses, predictions and errors of the first octant of each survey."""
    files = sorted((folder / estimator).glob("seed*-fold0-*.npz"), key=trained)
    latest = {file.name.partition("-")[0]: np.load(file) for file in files}
    names = ("log_mass", "predicted", "std")
    return [np.concatenate([each[name] for each in latest.values()]) for name in names]


def trained(file):
    """Return when a fold was trained: of a fold that was trained again, the last counts."""
    return json.loads(str(np.load(file)["about"]))["made"]["when"]


# %%
# Left: how many more true masses the intervals contain than they should. Right: the
# PIT. The gray bands hold 68 and 95 % of calibrated posteriors of as many clusters.
# Errors of half the size are there for comparison: their intervals contain far too few
# masses, and their PIT piles up at both ends.
estimators = {
    "photon set": "photon-set",
    "network of Ho et al. 2023": "ho2023-three-bands",
    "covariance of four proxies": "four-proxies-covariance",
}
figure, axes = plt.subplots(1, 2, figsize=(7.1, 3.2), layout="constrained")
for name, where in estimators.items():
    log_mass, predicted, std = kept(where)
    CoverageDisplay.from_predictions(log_mass, (predicted, std), name=name, ax=axes)
CoverageDisplay.from_predictions(
    log_mass, (predicted, std / 2), name="the same, errors halved", ax=axes, ls=":"
)

# %%
# In numbers, with the binomial error of as many clusters, and the probability that
# calibrated posteriors would have a PIT that is less uniform:
for name, where in estimators.items():
    log_mass, predicted, std = kept(where)
    pit = gaussian_pit(log_mass, predicted, std)
    (covered,), (error,) = interval_coverage(pit, [0.68])
    p_value = pit_uniformity(pit)
    print(
        f"{name:27} 68 % intervals contain {100 * covered:.1f} ± {100 * error:.1f} %",
        end="",
    )
    print(f" of {len(pit)} masses, p = {p_value:.1g}")

# %%
# An error that is right on average may be too small for some clusters and too large for
# others: :func:`~skcluster.metrics.coverage_table` looks at bins of what an observer
# knows. If yours are wrong, :class:`~skcluster.CalibratedMassRegressor` learns from
# held-out clusters what they should be. :doc:`/uncertainty` has both, and what was
# measured.
