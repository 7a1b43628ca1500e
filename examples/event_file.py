"""
From an eROSITA event file to a mass
====================================

What does an event file say about the mass of the cluster in it? This page reads the
photons of a field, counts those of the cluster less the background, and turns the count
into a posterior by a power law that mock clusters were fitted with.
"""

# %%
# The field is that of eFEDS J092121.2+031726, if the folder ``SKCLUSTER_DATA`` holds
# it. Else the page writes an event file of a mock cluster, and says so.
import os
from pathlib import Path
from tempfile import TemporaryDirectory

import matplotlib.pyplot as plt
import numpy as np
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    ProxyMeasurer,
    predict_posterior,
    read_image,
    read_photons,
    remove_sources,
    with_exposure_map,
    write_photons,
)
from skcluster.cosmology import comoving_distance, mass_within_r500c, sky_to_plane
from skcluster.datasets import make_mock_survey

folder = Path(os.environ.get("SKCLUSTER_DATA", "no data")) / "efeds"
is_real = folder.exists()
print("A real field of eFEDS" if is_real else "No eFEDS data here: a mock event file")

# %%
# The mock clusters have the real background, exposures like those of the field, and no
# AGN, because a mask removes point sources. Near ones are left out: the annulus of
# their background would lie outside the field.
rng = np.random.default_rng(0)
n_clusters = 500
survey = make_mock_survey(
    n_clusters,
    random_state=0,
    galaxies=False,
    background=1.0,
    agn=False,
    exposure=rng.uniform(1100, 1700, n_clusters),
)
far = survey.sample.redshift > 0.2
training, log_mass = survey.sample[far], survey.log_mass[far]

# %%
# Of the real field there are an exposure map and a mask of its sources; R500c is the
# published one, 4.068 arcmin, and 1437 s is the vignetted exposure of the catalog. Of a
# mock cluster, which is left out of the training, all of this is known.
if is_real:
    redshift, center, exposure = 0.333, (140.3385, 3.2906), 1437.0
    r500c = comoving_distance(redshift) * np.tan(np.radians(4.068 / 60))
    photons = read_photons(folder / "efeds_example_events.fits")
else:
    chosen, training, log_mass = training[[0]], training[1:], log_mass[1:]
    redshift, center = chosen.redshift[0], chosen.center[0]
    exposure, r500c = chosen.exposure[0], chosen.r500c[0]
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "events.fits"
        mock_photons = {name: chosen.photons[name] for name in ("ra", "dec", "energy")}
        write_photons(path, mock_photons, center=center, redshift=redshift)
        photons = read_photons(path)

cluster = ClusterSample(
    [redshift], center=[center], photons=[photons], r500c=[r500c], exposure=[exposure]
)
if is_real:
    cluster = with_exposure_map(
        cluster, read_image(folder / "expmap_norm_0600_1100.fits.gz")
    )
    cluster = remove_sources(cluster, read_image(folder / "mask.fits.gz"))

# %%
# One power law: the photons of 0.6 to 2.2 keV within R500c, less the density of those
# in an annulus around. Faint clusters drown in the background and are no use for the
# fit.
measurer = ProxyMeasurer(
    proxies=["n_phot_500c"], band=(0.6, 2.2), background="annulus", with_redshift=True
)
counts = measurer.fit(training).count_photons(training)["n_phot_500c"]
seen = counts.net > 3 * counts.error
model = make_pipeline(
    measurer, EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
)
model.fit(training[seen], log_mass[seen])
count = measurer.count_photons(cluster)["n_phot_500c"]
print(f"{count.net[0]:.0f} ± {count.error[0]:.0f} photons of the cluster within R500c")

# %%
# The posterior contains the scatter of the power law. It does not contain what the mock
# has wrong: it shows a method, and not a mass to publish.
posterior = predict_posterior(model, cluster)
low, middle, high = posterior.quantile([0.16, 0.5, 0.84])[0]

figure, (left, right) = plt.subplots(1, 2, figsize=(7.1, 3.4), layout="constrained")
offsets = sky_to_plane(cluster.photons["ra"], cluster.photons["dec"], *center)
x, y = comoving_distance(redshift) * np.array(offsets)
left.plot(x, y, ".", ms=1.5, mew=0, color="0.2")
left.add_patch(plt.Circle((0, 0), r500c, fill=False, ec="#D55E00", label="R500c"))
left.set(xlim=(2.5, -2.5), ylim=(-2.5, 2.5), aspect=1, xlabel="x, to the West [Mpc/h]")
left.set_ylabel("y, to the North [Mpc/h]")
left.legend(loc="upper right", fontsize="small")

mass, density = posterior.middle[0], posterior.density[0]
right.plot(mass, density, color="#0072B2")
inside = (mass >= low) & (mass <= high)
right.fill_between(mass[inside], density[inside], color="#0072B2", alpha=0.2, lw=0)
right.set(xlim=(middle - 0.6, middle + 0.6), ylim=0, ylabel="p(M)", yticks=[])
right.set_xlabel(r"$\log_{10} M_{500c}$ [M$_\odot$/h]")
# R500c implies a mass, too: the published one here, or the truth of the mock cluster.
implied = np.log10(mass_within_r500c(r500c, redshift))
right.axvline(implied, color="#D55E00", ls="--", label="from R500c")
right.legend(loc="upper left", fontsize="small", frameon=False)
right.set_title(f"{middle:.2f} (+{high - middle:.2f}, -{middle - low:.2f})")

# %%
# :doc:`/real_sky` weighs both clusters of this field by three training sets and
# compares them with the published masses; it also says what exposures, masks and
# backgrounds mean.
