"""
Do networks look at the core?
=============================

The core of a cluster is bright, but how bright says little about the mass. A count of
all photons must take it as it is. This page asks where a network looks instead: it
compares the saliency of its pixels, the derivative of the predicted mass, with that of
a count.
"""

# %%
# A small network and small maps, so that the page takes seconds. Three networks, which
# differ in their seed only, show how much one fit differs from the next.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    SaliencyExplainer,
    XrayCNNRegressor,
    proxy_saliency,
    radial_saliency,
)
from skcluster.datasets import make_mock_survey

survey = make_mock_survey(450, random_state=0, galaxies=False)
train, test = survey.sample[:350], survey.sample[350:]
log_mass = survey.log_mass[:350]
scaled = make_pipeline(PhotonMapper(n_pixels=32), RedshiftNormalizer(), LogScaler())
maps = scaled.fit_transform(train, log_mass)
unseen = scaled.transform(test)
networks = [
    XrayCNNRegressor(
        max_epochs=25,
        augment=True,
        validation_fraction=0.1,
        random_state=seed,
        n_threads=1,
    ).fit(maps, log_mass)
    for seed in range(3)
]

# %%
# The count is that of :class:`~skcluster.ProxyMeasurer`, all photons within 2.3 Mpc/h;
# the slope of its power law gives the saliency of its mass in closed form (paper Eq.
# 13).
count = make_pipeline(
    ProxyMeasurer(proxies=["n_phot"], with_redshift=True),
    EvrardProxyRegressor(redshift_column=-1, redshift_bins=1),
).fit(train, log_mass)
of_count = proxy_saliency(unseen.maps, count[-1].slope_.item())
of_networks = [SaliencyExplainer(network).explain(unseen) for network in networks]

# %%
# Profiles are medians over the clusters, divided by their own mean, so that the shapes
# compare. The band holds the central 68 % of the clusters of the first network.
bins = np.linspace(0, 2, 14)
figure, ax = plt.subplots(figsize=(5.5, 3.6), layout="constrained")


def draw(saliency, **style):
    """Draw the profile of a saliency, and return it with its mean."""
    profile = radial_saliency(saliency, test.r500c, half_width=2.3, bins=bins)
    mean = np.nanmean(profile.median)
    ax.plot(profile.radius, profile.median / mean, **style)
    return profile, mean


for i, saliency in enumerate(of_networks):
    label = "network, three seeds" if i == 0 else None
    profile, mean = draw(saliency, color="#0072B2", lw=1.2, label=label)
    if i == 0:
        low, high = profile.low / mean, profile.high / mean
        ax.fill_between(profile.radius, low, high, color="#0072B2", alpha=0.15, lw=0)
draw(of_count, color="#D55E00", ls="--", label="photon count")
ax.set(xlabel="$r / R_{500c}$", ylabel="saliency / its mean", yscale="log", xlim=(0, 2))
ax.legend(frameon=False)

# %%
# How much of the saliency lies within a fifth of R500c? For each network the mean over
# the test clusters, with its standard error:
center = np.linspace(-2.3, 2.3, 33)[:-1] + 2.3 / 32
radius = np.hypot(*np.meshgrid(center, center)) / test.r500c[:, None, None]
inside = radius < 0.2


def core_share(saliency):
    """Return each cluster's share of the saliency within 0.2 R500c."""
    summed = np.asarray(saliency).sum(axis=1)
    return (summed * inside).sum(axis=(1, 2)) / summed.sum(axis=(1, 2))


for name, saliency in {
    **{f"network, seed {i}": each for i, each in enumerate(of_networks)},
    "photon count": of_count,
}.items():
    share = core_share(saliency)
    error = share.std() / np.sqrt(len(share))
    print(f"{name}: {100 * share.mean():.1f} ± {100 * error:.1f} % within 0.2 R500c")

# %%
# A network looks at the core far less than a count does, as in the paper. Networks as
# small as these differ from one fit to the next; :doc:`/explain` has what larger ones
# show, which of it is beyond three sigma, and the checks that a saliency must pass
# before it is believed.
