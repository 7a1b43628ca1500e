"""Errors of catalogs: clusters whose centers and redshifts are not the true ones."""

import numpy as np
from sklearn.utils import check_random_state

from ..cosmology import comoving_distance, get_cosmology
from ..parameters import Interval, RandomState
from ..sample import ClusterSample, require
from ..sample.described_columns import without_descriptions
from ..sample.lists import MADE_OF_LISTS
from ..sample.units import SPEED_OF_LIGHT
from .centers import moved_centers

ARCSEC_PER_RADIAN = 180 / np.pi * 3600

LEAST_REDSHIFT = 0.1
"""Least redshift that an error leaves, in units of the true one."""

CENTER_ERROR, REDSHIFT_ERROR = Interval("[0, 3600]"), Interval("[0, 0.2]")
"""Kinds of the two standard deviations: in arcsec, and in units of 1 + z."""


def add_catalog_errors(
    sample,
    *,
    center_error=0.0,
    redshift_error=0.0,
    cosmology="WMAP7",
    random_state=None,
) -> ClusterSample:
    r"""Give clusters the centers and redshifts that an imperfect catalog would list.

    .. math::

        x' = x + \sigma_c \, g_1, \quad y' = y + \sigma_c \, g_2, \quad
        z' = z + \sigma_z (1 + z) \, g_3

    with independent standard normal numbers :math:`g` for each cluster. Photons stay where
    they are on the sky. Galaxies do, too, so their coordinates and velocities are given
    about the new center and redshift.

    Parameters
    ----------
    sample : ClusterSample
        Sample with redshifts and, for `center_error`, with centers.
    center_error : float, default=0.0
        :math:`\sigma_c`, standard deviation of the center in each of two directions
        [arcsec]; the mean distance from the true center is 1.25 times that.
    redshift_error : float, default=0.0
        :math:`\sigma_z`, standard deviation of the redshift in units of 1 + z: about 0.005
        to 0.02 for photometric redshifts. No redshift falls below a tenth of the true one.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving lengths.
    random_state : int, RandomState instance or None, default=None
        Seed of the errors. With one seed, larger errors are the smaller ones stretched.

    Returns
    -------
    listed : ClusterSample
        Maps, cubes and coverage, which are about the old centers and redshifts, are
        dropped; r500c and positions in the box stay the true ones, and so does the radius
        of the field of view, which is large beside the error of a center.

    Examples
    --------
    >>> from skcluster import ClusterSample, add_catalog_errors
    >>> photons = [{"ra": [10.0], "dec": [0.0], "energy": [1.0]}]
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=photons)
    >>> listed = add_catalog_errors(sample, redshift_error=0.01, random_state=0)
    >>> listed.redshift.round(3), listed.center
    (array([0.221]), array([[10.,  0.]]))
    """
    require(sample, by="add_catalog_errors")
    center_error = CENTER_ERROR.check("center_error", center_error)
    redshift_error = REDSHIFT_ERROR.check("redshift_error", redshift_error)
    cosmology = get_cosmology(cosmology)
    rng = check_random_state(RandomState().check("random_state", random_state))
    # Redshifts first, so that a sample without centers draws the same ones.
    redshift = erring_redshift(
        sample.redshift, redshift_error, rng.normal(size=len(sample))
    )
    if center_error:
        require(sample, "center", by="add_catalog_errors(center_error=...)")
        offset = center_error / ARCSEC_PER_RADIAN * rng.normal(size=(len(sample), 2))
        sample = moved_centers(
            sample, offset, comoving_distance(sample.redshift, cosmology)
        )
    return with_redshift(sample, redshift, cosmology) if redshift_error else sample


def erring_redshift(redshift, error, normal):
    """Return redshifts with an error in units of 1 + z, times standard normal numbers."""
    wrong = redshift + error * (1 + redshift) * normal
    return np.maximum(wrong, LEAST_REDSHIFT * redshift)


def with_redshift(sample, redshift, cosmology):
    r"""Return the sample with other redshifts, its galaxies where they are on the sky.

    A galaxy of velocity v has the redshift :math:`z + v (1 + z) / c`, so that about the
    redshift :math:`z'`

    .. math::

        v' = \frac{v (1 + z) + c (z - z')}{1 + z'}

    Parameters
    ----------
    sample : ClusterSample
    redshift : ndarray of shape (n_clusters,)
    cosmology : astropy.cosmology.Cosmology
    """
    sample = without_descriptions(sample)
    new = {"redshift": redshift}
    galaxies, old = sample.galaxies, sample.redshift
    if galaxies is not None:
        stretch = comoving_distance(redshift, cosmology)
        stretch = stretch / comoving_distance(old, cosmology)
        z, other, stretch = (
            np.repeat(each, galaxies.lengths) for each in (old, redshift, stretch)
        )
        v = (galaxies["v"] * (1 + z) + SPEED_OF_LIGHT * (z - other)) / (1 + other)
        x, y = galaxies["x"] * stretch, galaxies["y"] * stretch
        new["galaxies"] = galaxies.assign(x=x, y=y, v=v)
    kept = sample.drop(*MADE_OF_LISTS)
    # Not checked again: about a redshift of half the true one, v looks like cz.
    return type(sample)._trusted(
        {name: getattr(kept, name) for name in kept.fields} | new
    )
