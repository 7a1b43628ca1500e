"""
Which estimator should I use?
=============================

All estimators were trained on the same mock clusters, the same maps and the same
octants of the box, on three surveys, by ``python experiments/equal_contexts.py``, which
takes hours. This page draws what it found: how far the masses scatter, and what the
training costs.
"""

# %%
# The table of results has one row per estimator: means over the surveys (seeds 0, 1 and
# 2). An observer does not know the true R500c, so estimators whose only aperture it is
# are left out. Of the four proxies one is counted within it.
from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np
from astropy.table import Table

here = Path.cwd()  # any folder of the clone
root = next(each for each in (here, *here.parents) if (each / "experiments").is_dir())
table = Table.read(root / "experiments/results/equal_contexts/summary.csv")
table = table[["true R500c" not in name for name in table["estimator"]]]
table.sort("std_percent", reverse=True)

# %%
# The thick bar is the bootstrap error over the test clusters. The thin one adds the
# scatter between surveys, each with a training of its own; it is what another survey
# would find.
scatter = np.asarray(table["std_percent"])
error = np.asarray(table["std_percent_error"])
between = np.asarray(table["std_percent_between_seeds"])
cost = np.asarray(table["fit_cpu_seconds"])

figure, (left, right) = plt.subplots(
    1, 2, figsize=(7.1, 4.2), sharey=True, width_ratios=[3, 2], layout="constrained"
)
rows = np.arange(len(table))
left.errorbar(scatter, rows, xerr=np.hypot(error, between), fmt="none", color="0.6")
left.errorbar(scatter, rows, xerr=error, fmt="o", color="#0072B2", lw=3)
left.set(
    xlabel="standard deviation of ln M [%]", yticks=rows, yticklabels=table["estimator"]
)
right.barh(rows, cost, left=1e-3, height=0.5, color="#E69F00")
right.set(xscale="log", xlabel="training [CPU s]")
for ax in (left, right):
    ax.grid(axis="x", color="0.9")
    ax.set_axisbelow(True)

# %%
# Where two thin bars overlap, this comparison does not tell which estimator is better.
# Three questions remain for you. *How long may the training take?* Power laws and least
# squares on proxies need a fraction of a second, a ridge regression on rings seconds,
# networks minutes of a core. *Do you need an error for each mass?* The covariance model
# and the networks predict one; ridge, least squares and forests get theirs from
# :class:`~skcluster.CalibratedMassRegressor`. *Must the masses be free of a slope?*
# Whatever regresses on mass draws uncertain masses to the mean of its training set,
# which lowers the scatter; power laws that are inverted do not. The slopes are in
# :doc:`/equal_contexts`.
