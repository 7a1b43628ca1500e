"""
What does a wrong cosmology cost?
=================================

Maps are made on the comoving plane of the sky, so a cosmology turns angles into Mpc/h.
If it is not the one of the training clusters, every cluster looks larger or smaller
than it is. This page maps the same photons with other matter densities, and compares
the masses.
"""

# %%
# Distances in Mpc/h do not depend on the Hubble constant: in a flat universe the matter
# density is left. The mock clusters are in that of WMAP7.
from itertools import pairwise

import matplotlib.pyplot as plt
import numpy as np
from astropy.cosmology import WMAP7, FlatLambdaCDM
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import PhotonMapper, QuadrantGroupKFold, RedshiftNormalizer, RingProfiler
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter

survey = make_mock_survey(600, random_state=0, galaxies=False)
sample, log_mass = survey.sample, survey.log_mass


def maps_in(cosmology):
    """Return maps of all clusters on the comoving plane of a cosmology."""
    return PhotonMapper(n_pixels=64, cosmology=cosmology).transform(sample)


# %%
# A ridge regression on counts in rings is trained on maps in the right cosmology. Each
# cluster is predicted by the model that has not seen its octant of the box, once for
# each cosmology.
model = make_pipeline(
    RedshiftNormalizer(),
    RingProfiler(),
    StandardScaler(),
    RidgeCV(np.logspace(-1, 4, 11)),
)
densities = [0.2, 0.25, WMAP7.Om0, 0.3, 0.35, 0.4]
right = maps_in(WMAP7)
wrong = [maps_in(FlatLambdaCDM(H0=70, Om0=density)) for density in densities]
predicted = np.empty((len(densities), len(sample)))
for train, test in QuadrantGroupKFold().split(sample):
    model.fit(right[train], log_mass[train])
    for row, maps in zip(predicted, wrong, strict=True):
        row[test] = model.predict(maps[test])

# %%
# The shift is the mean change of the same clusters' masses, so its error is small. Far
# clusters shift more than near ones, because the distance of a near cluster hardly
# depends on the matter density.
reference = predicted[densities.index(WMAP7.Om0)]
figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")
thirds = np.quantile(sample.redshift, [0, 1 / 3, 2 / 3, 1])
for low, high in pairwise(thirds):
    chosen = (sample.redshift >= low) & (sample.redshift <= high)
    change = (predicted - reference)[:, chosen]
    error = change.std(axis=1) / np.sqrt(chosen.sum())
    label = f"z from {low:.2f} to {high:.2f}"
    ax.errorbar(densities, change.mean(axis=1), error, fmt="o-", capsize=2, label=label)
ax.axhline(0, color="0.7", lw=1, zorder=0)
ax.axvline(WMAP7.Om0, color="0.7", lw=1, ls=":", zorder=0)
ax.set(xlabel=r"$\Omega_m$ of the maps", ylabel="shift of log10 M [dex]")
ax.set_xticks([0.2, 0.25, 0.3, 0.35, 0.4])
ax.legend(frameon=False)

# %%
# The scatter hardly notices, and so a comparison of scatters would not find the error:
for density, row in zip(densities, predicted, strict=True):
    scatter = mass_scatter(log_mass, row, unit="percent")
    error = scatter / np.sqrt(2 * len(log_mass))
    print(
        f"Omega_m = {density:.3f}: standard deviation of ln M {scatter:.1f} ± {error:.1f} %"
    )

# %%
# Only the size of the clusters is wrong here. A real mistake also moves luminosities,
# which follow from the distance, and the masses that a simulation of that cosmology
# would give. A network refuses maps of another cosmology than that of its training
# maps; give ``cosmology=`` of :class:`~skcluster.PhotonMapper` the one that is right.
