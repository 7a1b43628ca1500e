"""
What does a shorter exposure cost?
==================================

Fewer photons make masses scatter more. They also shift them, if the model has only seen
longer exposures and takes logarithms of small counts. This page thins the photon lists
of one mock survey, which is what a shorter exposure of the same clusters would have
detected.
"""

# %%
# Photons of the sky arrive independently of each other, so that keeping each with
# probability p is an exact observation of p times the exposure.
import warnings

import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import (
    EvrardProxyRegressor,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    RingProfiler,
    thin_photons,
)
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_residual, mass_scatter

survey = make_mock_survey(400, random_state=0, galaxies=False, exposure=2000.0)
log_mass = survey.log_mass
exposures = np.array([200.0, 500.0, 1000.0, 2000.0])
samples = [
    thin_photons(survey.sample, exposure=exposure, random_state=1)
    for exposure in exposures
]

# %%
# Two models: the number of all photons, by a power law, and counts in rings of one
# energy band.
models = {
    "N_phot, power law": make_pipeline(
        ProxyMeasurer(proxies=["n_phot"], with_redshift=True),
        EvrardProxyRegressor(redshift_column=-1, redshift_bins=1),
    ),
    "rings, ridge": make_pipeline(
        PhotonMapper(n_pixels=64),
        RedshiftNormalizer(),
        RingProfiler(),
        StandardScaler(),
        RidgeCV(np.logspace(-1, 4, 11)),
    ),
}

# %%
# Left: trained and tested at the same exposure, each cluster by a model that has not
# seen its octant of the box. Right: trained at 2000 s and applied to shorter exposures;
# the change of each mass is taken against 2000 s of the same cluster, so its error is
# small. Of exposures that are a factor of three shorter than all in training, skcluster
# warns; here that is the question.
warnings.filterwarnings("ignore", message=".*far outside the training range")
folds = list(QuadrantGroupKFold().split(survey.sample))
figure, (left, right) = plt.subplots(1, 2, figsize=(7.1, 3.2), layout="constrained")
for name, model in models.items():
    residuals = [
        mass_residual(log_mass, cross_val_predict(model, sample, log_mass, cv=folds))
        for sample in samples
    ]
    scatter = [
        mass_scatter(log_mass, log_mass + each, unit="percent") for each in residuals
    ]
    error = np.array(scatter) / np.sqrt(2 * len(log_mass))
    left.errorbar(exposures, scatter, error, fmt="o-", capsize=2, label=name)

    model.fit(survey.sample[: len(log_mass) // 2], log_mass[: len(log_mass) // 2])
    masses = [model.predict(sample[len(log_mass) // 2 :]) for sample in samples]
    change = [each - masses[-1] for each in masses[:-1]]
    error = [np.std(each) / np.sqrt(len(each)) for each in change]
    right.errorbar(
        exposures[:-1], [each.mean() for each in change], error, fmt="o-", capsize=2
    )

left.set(
    ylabel="standard deviation of ln M [%]", ylim=0, title="trained at this exposure"
)
right.set(ylabel="shift of log10 M [dex]", title="trained at 2000 s")
right.axhline(0, color="0.7", lw=1, zorder=0)
for ax in (left, right):
    ax.set(xscale="log", xlabel="exposure [s]")
    ax.set_xticks(exposures, [f"{exposure:g}" for exposure in exposures])
    ax.minorticks_off()
left.legend(frameon=False)

# %%
# The sum of all photons is proportional to the exposure: divided by it, masses stay
# where they are. Rings of few photons do not, because the logarithm of a small number
# is not linear. So train on the exposures that you will observe, by thinning a deep
# training set; :doc:`/real_sky` has the numbers of three surveys.
