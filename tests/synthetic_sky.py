"""Clusters, images and photons at known places of a small sky."""

import numpy as np
from astropy.wcs import WCS

from skcluster import ClusterSample, ProxyMeasurer, SkyImage
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane

REDSHIFT = 0.2
DISTANCE = comoving_distance([REDSHIFT])[0]
CENTER = (150.0, 2.0)
SIDE = np.degrees(0.02 / DISTANCE)
"""Pixel of images of 0.02 Mpc/h at the distance of the clusters [deg]."""


def wcs_of(
    center=CENTER, shape=(300, 300), side=SIDE, kind=("RA---TAN", "DEC--TAN"), **more
):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = kind, center
    wcs.wcs.crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    wcs.wcs.cdelt = -side, side
    for name, value in more.items():
        setattr(wcs.wcs, name, value)
    wcs.wcs.set()
    return wcs


def image_of(function, **more):
    """Image whose pixels are a function of the offsets West and North [Mpc/h]."""
    wcs = wcs_of(**more)
    rows, columns = np.indices((300, 300))
    sky = wcs.pixel_to_world(columns.ravel(), rows.ravel()).icrs
    x, y = sky_to_plane(sky.ra.deg, sky.dec.deg, *CENTER)
    values = function(x * DISTANCE, y * DISTANCE) * np.ones(len(x))
    return SkyImage(values.reshape(300, 300), wcs)


def sample_of(x, y, energy=1.0, center=CENTER, **fields):
    """One cluster with photons at offsets West and North [Mpc/h]."""
    ra, dec = plane_to_sky(np.asarray(x) / DISTANCE, np.asarray(y) / DISTANCE, *center)
    photons = {"ra": ra, "dec": dec, "energy": np.full(len(ra), energy)}
    fields = {"r500c": [1.0]} | fields
    return ClusterSample([REDSHIFT], center=[center], photons=[photons], **fields)


def flat(n, half_width=2.5, seed=0):
    """Photons spread evenly over a square."""
    return np.random.default_rng(seed).uniform(-half_width, half_width, (2, n))


def net(sample, **parameters):
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], **parameters)
    return measurer.count_photons(sample)["n_phot_500c"]


def sky_of_pixel(column, row):
    sky = wcs_of().pixel_to_world(column, row)
    return sky.ra.deg, sky.dec.deg


def edge_of(radius):
    """Radius of a field of view [deg] that ends at a projected radius [Mpc/h]."""
    return np.degrees(np.arctan(radius / DISTANCE))
