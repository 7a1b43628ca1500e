"""
How wrong is a random split?
============================

Simulations store a halo several times while it grows. If clusters are split at random,
the same halo is on both sides, and a model that remembers single clusters looks better
than it is. This page compares random folds with the octants of the box.
"""

# %%
# The public list of the paper's simulation holds several outputs of one box. Where it
# is not at hand, in ``magneticum`` under ``SKCLUSTER_DATA``, mock clusters take its
# place: each appears four times, with a mass and observables that differ by a few per
# cent.
import os

import matplotlib.pyplot as plt
import numpy as np
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import QuadrantGroupKFold
from skcluster.datasets import fetch_magneticum, make_mock_survey
from skcluster.metrics import mass_residual


def mock_outputs(n_outputs=4, random_state=0):
    """Return observables, log masses and positions of mock halos at several times."""
    survey = make_mock_survey(400, random_state=random_state, galaxies=False)
    names = ("temperature", "luminosity", "gas_mass", "stellar_mass")
    halos = np.log([survey.catalog[name] for name in names]).T
    rng = np.random.default_rng(random_state)
    growth = rng.normal(0, 0.02, (n_outputs, len(halos), 1))
    noise = rng.normal(0, 0.02, (n_outputs, *halos.shape))
    observables = halos + np.log(10) * growth + noise
    log_mass = survey.log_mass + growth[..., 0]
    position = np.tile(survey.sample.position, (n_outputs, 1))
    return observables.reshape(-1, len(names)), log_mass.ravel(), position


try:
    clusters = fetch_magneticum(
        data_home=os.environ.get("SKCLUSTER_DATA"), download_if_missing=False
    )
    X, log_mass, position = np.log(clusters.data), clusters.target, clusters.position
    print(f"{len(X)} entries of the Magneticum list")
except OSError:
    X, log_mass, position = mock_outputs()
    print(f"No Magneticum list here: {len(X)} entries of mock halos, four per halo")

# %%
# Three estimators: one that fits a plane, and two that remember clusters. Random folds
# are drawn three times; octants are those of the box, so that a halo is on one side
# only.
models = {
    "linear regression": LinearRegression(),
    "random forest": RandomForestRegressor(40, n_jobs=1, random_state=0),
    "nearest neighbors": make_pipeline(StandardScaler(), KNeighborsRegressor(5)),
}
octants = list(QuadrantGroupKFold().split(X, groups=position))
random_folds = [KFold(8, shuffle=True, random_state=seed) for seed in range(3)]
residuals = {
    name: [
        mass_residual(log_mass, cross_val_predict(model, X, log_mass, cv=cv))
        for cv in (*random_folds, octants)
    ]
    for name, model in models.items()
}

# %%
# How much smaller random folds make the root mean square error look. The bar is the
# bootstrap error over the octants, each of which is drawn with all of its entries.
label = np.empty(len(X), int)
for number, (_, in_octant) in enumerate(octants):
    label[in_octant] = number
rng = np.random.default_rng(0)
figure, ax = plt.subplots(figsize=(5.5, 3.2), layout="constrained")
for row, (name, (*random, by_octant)) in enumerate(residuals.items()):
    variance = np.array(
        [
            [np.mean(each[label == number] ** 2) for number in range(len(octants))]
            for each in (np.sqrt(np.mean(np.square(random), axis=0)), by_octant)
        ]
    )
    drawn = variance[:, rng.integers(len(octants), size=(1000, len(octants)))].mean(-1)
    flattery = 100 * (1 - np.sqrt(variance[0].mean() / variance[1].mean()))
    error = np.std(100 * (1 - np.sqrt(drawn[0] / drawn[1])))
    ax.errorbar(flattery, row, xerr=error, fmt="o", color="#0072B2", capsize=3)
    print(f"{name}: random folds flatter by {flattery:.1f} ± {error:.1f} %")
ax.axvline(0, color="0.7", lw=1, zorder=0)
ax.set(yticks=range(len(models)), yticklabels=[*models], ylim=(-0.5, len(models) - 0.5))
ax.set_xlabel("root mean square error that random folds hide [%]")

# %%
# A linear regression cannot remember a cluster, so it loses next to nothing on new
# ones. What can remember is flattered, and might win a comparison that it should lose.
# So split by octant (:class:`~skcluster.QuadrantGroupKFold`); :doc:`/folds` says what
# else must not leak. (Mock halos, where they take the place of the list, differ less
# from output to output than real ones, and random folds hide more.)
