"""
How many clusters are enough?
=============================

A model with more parameters needs more clusters before it is the better one. This page
trains three estimators on more and more clusters of a mock survey, and predicts the
same clusters of two octants of the box that none of them has seen.
"""

# %%
# The features do not depend on the training set, so they are made once: counts in rings
# of three energy bands, and the number of photons.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import (
    EvrardProxyRegressor,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RingProfiler,
)
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter
from skcluster.paper import THREE_BANDS

survey = make_mock_survey(1000, random_state=0, galaxies=False)
sample, log_mass = survey.sample, survey.log_mass
counts = ProxyMeasurer(proxies=["n_phot"], with_redshift=True).fit_transform(sample)
maps = PhotonMapper(bands=THREE_BANDS, n_pixels=64).transform(sample)
rings = RingProfiler().fit_transform(maps)

folds = QuadrantGroupKFold().split(sample)
test = np.concatenate([in_octant for _, in_octant in list(folds)[:2]])
others = np.setdiff1d(np.arange(len(sample)), test)

# %%
# Each size is drawn five times. The bar is the standard deviation between the draws:
# what changes when you happen to have other clusters. All models are tested on the same
# clusters, of which a few lie outside of what 50 clusters show; skcluster warns of
# these.
warnings.filterwarnings("ignore", message=".*far outside the training range")
models = {
    "N_phot, power law (3 numbers)": (
        counts,
        EvrardProxyRegressor(redshift_column=-1, redshift_bins=1),
    ),
    "rings, ridge": (
        rings,
        make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11))),
    ),
    "rings, random forest": (
        rings,
        RandomForestRegressor(30, max_features=0.3, random_state=0),
    ),
}
sizes = [50, 100, 200, 400, len(others)]
rng = np.random.default_rng(0)
draws = {
    size: [rng.choice(others, size, replace=False) for _ in range(5)]
    for size in sizes[:-1]
} | {len(others): [others]}

figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
for name, (X, model) in models.items():
    scatter = [
        [
            mass_scatter(
                log_mass[test],
                model.fit(X[train], log_mass[train]).predict(X[test]),
                unit="percent",
            )
            for train in draws[size]
        ]
        for size in sizes
    ]
    mean = [np.mean(each) for each in scatter]
    spread = [np.std(each, ddof=1) if len(each) > 1 else 0 for each in scatter]
    ax.errorbar(sizes, mean, spread, fmt="o-", capsize=2, label=name)
ax.set(xscale="log", xlabel="training clusters", ylim=0)
ax.set_ylabel("standard deviation of ln M [%]")
ax.set_xticks(sizes, map(str, sizes))
ax.minorticks_off()
ax.legend(frameon=False)

# %%
# A curve that is still falling says that more clusters would help; one that is flat,
# that the model has learned what it can, and that a richer one may be worth its
# clusters. All points share the error of the test clusters, which moves the curves
# together:
error = mean[-1] / np.sqrt(2 * len(test))
print(f"{len(test)} test clusters: ± {error:.1f} % for the last point")

# %%
# Networks on maps need more clusters than these. :doc:`/equal_contexts` compares them
# with the same ridge regression on three thousand.
