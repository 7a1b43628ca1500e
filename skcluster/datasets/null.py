"""Null experiments: surveys from which one kind of information has been taken out."""

import numpy as np
from sklearn.utils import check_random_state

from ..sample import require


def shuffle_galaxies(sample, *, random_state=None):
    """Give every cluster the galaxies of another one of the same redshift.

    What galaxies tell of their own cluster is lost; their distribution at each redshift
    stays. An estimator that gains from dynamics must lose that gain here.

    Parameters
    ----------
    sample : ClusterSample
        With galaxies; cubes, which would show the old ones, are dropped.
    random_state : int, RandomState instance or None, default=None

    Returns
    -------
    shuffled : ClusterSample
        A cluster that is alone at its redshift keeps its galaxies.

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> from skcluster.datasets import shuffle_galaxies
    >>> galaxies = [{"x": [0.0], "y": [0.0], "v": [v]} for v in (1.0, 2.0, 3.0)]
    >>> sample = ClusterSample([0.1, 0.1, 0.2], galaxies=galaxies)
    >>> shuffle_galaxies(sample, random_state=0).galaxies["v"]
    array([2., 1., 3.])
    """
    require(sample, "galaxies", by="shuffle_galaxies")
    rng = check_random_state(random_state)
    giver = np.arange(len(sample))
    for redshift in np.unique(sample.redshift):
        rows = rng.permutation(np.flatnonzero(sample.redshift == redshift))
        # A turn of a shuffled ring: nobody draws himself.
        giver[rows] = np.roll(rows, 1)
    return sample.drop("cubes").assign(galaxies=sample.galaxies[giver])
