"""Controls: surveys whose galaxies carry no information on the mass, or a known amount."""

import warnings

import numpy as np
from sklearn.utils import check_random_state

from ..parameters import Number
from ..sample import require
from ..sample.plain_arrays import as_numbers
from ..sample.units import check_plausible

DISPERSION_AT_1E14 = 500.0  # km/s


def shuffle_galaxies(sample, *, random_state=None):
    """Give every cluster the galaxies of another cluster of the same redshift.

    This destroys the information of galaxies on their own cluster, but keeps their
    distribution at each redshift. An estimator that gains from dynamics must lose that
    gain here.

    Parameters
    ----------
    sample : ClusterSample
        Sample with galaxies. Its cubes, which show the old galaxies, are dropped.
    random_state : int, RandomState instance or None, default=None
        Seed of the exchange.

    Returns
    -------
    shuffled : ClusterSample
        A cluster that is alone at its redshift keeps its galaxies.

    Warns
    -----
    UserWarning
        Clusters keep their galaxies. That all of them do is an error.

    Notes
    -----
    Redshifts are the same only where they are those of snapshots. For clusters at any
    redshift, exchange within bins of it::

        binned = sample.assign(redshift=np.round(sample.redshift, 1))
        shuffled = sample.assign(galaxies=shuffle_galaxies(binned).galaxies)

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> from skcluster.datasets import shuffle_galaxies
    >>> galaxies = [{"x": [0.0], "y": [0.0], "v": [v]} for v in (1.0, 2.0, 3.0, 4.0)]
    >>> sample = ClusterSample([0.1, 0.1, 0.2, 0.2], galaxies=galaxies)
    >>> shuffle_galaxies(sample, random_state=0).galaxies["v"]
    array([2., 1., 4., 3.])
    """
    require(sample, "galaxies", by="shuffle_galaxies")
    rng = check_random_state(random_state)
    giver = np.arange(len(sample))
    for redshift in np.unique(sample.redshift):
        rows = rng.permutation(np.flatnonzero(sample.redshift == redshift))
        # Each takes the galaxies of the next in a shuffled ring: none keeps its own.
        giver[rows] = np.roll(rows, 1)
    _check_exchanged(giver)
    return sample.drop("cubes").assign(galaxies=sample.galaxies[giver])


def _check_exchanged(giver):
    """Warn of clusters that keep their own galaxies, and refuse that all of them do."""
    n_kept = int((giver == np.arange(len(giver))).sum())
    if not n_kept:
        return
    text = (
        f"{n_kept} of {len(giver)} clusters keep their own galaxies, as no other cluster "
        "has their redshift. Leave them out, or round the redshifts first, as the notes of "
        "shuffle_galaxies show."
    )
    if n_kept == len(giver):
        raise ValueError(text)
    warnings.warn(text, UserWarning, stacklevel=3)


def plant_dispersion(sample, log_mass, *, slope=0.5, random_state=None):
    r"""Draw all velocities anew so that they depend on the mass: a positive control.

    .. math::

        v \sim N(0, \sigma^2), \quad
        \sigma = 500 \, \mathrm{km/s} \left( \frac{M}{10^{14}} \right)^s

    The dispersion of n galaxies then gives log10 M to :math:`0.43 / (s \sqrt{2 n})`,
    whatever the photons say. An estimator that uses dynamics must gain from it.

    Parameters
    ----------
    sample : ClusterSample
        Sample with galaxies. Its cubes, which show the old velocities, are dropped.
    log_mass : array-like of shape (n_clusters,)
        log10 M500c [Msun/h].
    slope : float, default=0.5
        Slope :math:`s` of the dispersion with mass; that of virialized clusters is 1/3.
    random_state : int, RandomState instance or None, default=None
        Seed of the velocities.

    Returns
    -------
    planted : ClusterSample

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> from skcluster.datasets import plant_dispersion
    >>> many = {name: np.zeros(10_000) for name in "xyv"}
    >>> sample = ClusterSample([0.1, 0.1], galaxies=[many, many])
    >>> planted = plant_dispersion(sample, [14.0, 15.0], random_state=0)
    >>> [float(table.galaxies["v"].std().round(-2)) for table in planted]
    [500.0, 1600.0]
    """
    require(sample, "galaxies", by="plant_dispersion")
    slope = Number().check("slope", slope)
    log_mass = as_numbers(log_mass, "log_mass", "log_mass")
    if log_mass.shape != sample.shape:
        raise ValueError(
            f"The sample holds {len(sample)} clusters, but log_mass has the shape "
            f"{log_mass.shape}."
        )
    check_plausible("log_mass", log_mass, rows="cluster")
    dispersion = DISPERSION_AT_1E14 * 10 ** (slope * (log_mass - 14))
    draw = check_random_state(random_state).standard_normal(sample.galaxies.offsets[-1])
    v = draw * np.repeat(dispersion, sample.galaxies.lengths)
    return sample.drop("cubes").assign(galaxies=sample.galaxies.assign(v=v))
