"""
Do galaxies help?
=================

The galaxies of a cluster know its mass in their own way: their number, and how fast
they move. This page gives the same regression photons alone, galaxies alone, and both.
"""

# %%
# Counts of photons in rings of three energy bands, the galaxies' number, and their
# velocity dispersion. Each cluster is predicted by a model that has not seen its octant
# of the box.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import PhotonMapper, ProxyMeasurer, QuadrantGroupKFold, RingProfiler
from skcluster.datasets import make_mock_survey, shuffle_galaxies
from skcluster.metrics import mass_residual
from skcluster.paper import THREE_BANDS

survey = make_mock_survey(600, random_state=0)
sample, log_mass = survey.sample, survey.log_mass
maps = PhotonMapper(bands=THREE_BANDS, n_pixels=64).transform(sample)
rings = RingProfiler().fit_transform(maps)
of_galaxies = ProxyMeasurer(proxies=["n_gal", "sigma_v"])
galaxies = of_galaxies.fit_transform(sample)

# %%
# As a control, galaxies go to other clusters of the same redshift: they then say
# nothing about the mass, and must not help.
shuffled = of_galaxies.fit_transform(shuffle_galaxies(sample, random_state=0))
count = ProxyMeasurer(proxies=["n_phot"]).fit_transform(sample)
redshift = sample.redshift[:, None]
inputs = {
    "galaxies alone": [galaxies],
    "photon count": [count],
    "photon count and galaxies": [count, galaxies],
    "photons in rings": [rings],
    "photons in rings and galaxies": [rings, galaxies],
    "photons in rings, shuffled galaxies": [rings, shuffled],
}
folds = list(QuadrantGroupKFold().split(sample))
model = make_pipeline(StandardScaler(), RidgeCV(np.logspace(-1, 4, 11)))
residuals = {
    name: mass_residual(
        log_mass,
        cross_val_predict(model, np.hstack([*X, redshift]), log_mass, cv=folds),
    )
    for name, X in inputs.items()
}

# %%
# The bars are bootstrap errors. Their sizes do not tell whether two estimators differ,
# because all are tested on the same clusters, whose errors are alike; the differences
# below are taken cluster by cluster.
rng = np.random.default_rng(0)
draws = rng.integers(len(log_mass), size=(1000, len(log_mass)))
percent = 100 * np.log(10)
scatter = {name: percent * np.std(each) for name, each in residuals.items()}
drawn = {
    name: percent * np.std(each[draws], axis=1) for name, each in residuals.items()
}

figure, ax = plt.subplots(figsize=(6.2, 3.2), layout="constrained")
rows = np.arange(len(inputs))[::-1]
error = [drawn[name].std() for name in inputs]
ax.errorbar([*scatter.values()], rows, xerr=error, fmt="o", capsize=2)
ax.set(
    yticks=rows, yticklabels=[*inputs], xlabel="standard deviation of ln M [%]", xlim=0
)
ax.grid(axis="x", color="0.9")

# %%
for without, with_galaxies in (
    ("photon count", "photon count and galaxies"),
    ("photons in rings", "photons in rings and galaxies"),
    ("photons in rings", "photons in rings, shuffled galaxies"),
):
    gain = 1 - scatter[with_galaxies] / scatter[without]
    error = np.std(1 - drawn[with_galaxies] / drawn[without])
    print(
        f"{with_galaxies}: {100 * gain:.1f} ± {100 * error:.1f} % less than {without}"
    )

# %%
# What is gained depends on what the photons have said already. :doc:`/joint` asks the
# same of networks, which see each galaxy, with three seeds and the same control.
