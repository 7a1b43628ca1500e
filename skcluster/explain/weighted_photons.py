"""Which photons say most about a mass: weights of photons, by origin and by radius."""

import numpy as np
from sklearn.utils import Bunch

from ..paper import ORIGINS
from ..parameters import Choice
from ..sample import require
from ..sample.described_columns import CONTRIBUTION, RELATIVE_EXPOSURE, SOFTENING
from .attention import origin_of
from .cluster_statistics import ratio, seed_of, summary
from .radial_profile import EdgesInR500c, checked_r500c, profiles_of_sample


def photon_weights(sample):
    r"""Return what each photon adds, in units of its cluster's mean photon.

    .. math::

        w_i = \frac{e_i c_i}{\sum_j c_j} \sum_j \frac{1}{e_j}

    with :math:`c_i` the contribution and :math:`e_i` the exposure at the photon's place
    over that at the center (column ``relative_exposure``), 1 where it is the same all over
    the field.

    Parameters
    ----------
    sample : ClusterSample
        From `photon_contributions`.

    Returns
    -------
    weight : ndarray of shape (n_photons,)
        One number per photon of the sample: 1 for all photons if the network only counts
        them, and NaN where a cluster's photons together add nothing or less.

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> photons = {"ra": [10.0] * 2, "dec": [0.0] * 2, "energy": [1.0] * 2,
    ...            "contribution": [0.03, 0.01]}
    >>> photon_weights(ClusterSample([0.2], photons=[photons]))
    array([1.5, 0.5])
    """
    photons = _with_contributions(sample, by="photon_weights")
    stands_for = _stands_for(photons)
    mean = ratio(photons.sum(photons[CONTRIBUTION]), photons.sum(stands_for))
    mean = np.where(mean > 0, mean, np.nan)
    return photons[CONTRIBUTION] / stands_for / mean[photons.cluster]


def photon_attention(sample, *, groups=None, random_state=None):
    """Compare what photons of the gas, of active nuclei and of the background add.

    Parameters
    ----------
    sample : ClusterSample
        From `photon_contributions`. Its photons need the column ``origin``: 0 ICM, 1 AGN,
        2 background.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, in place of ``sample.group``; see
        `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap errors.

    Returns
    -------
    result : Bunch
        One Bunch per origin, ``icm``, ``agn`` and ``background``, with arrays of shape
        (n_clusters,): ``weight``, the mean of its `photon_weights`, NaN without any;
        ``share``, its part of the cluster's summed contributions; ``share_of_photons``.
        And with numbers over clusters: ``median``, ``low``, ``high`` (16th and 84th
        percentile), ``median_error`` (bootstrap) and ``n_clusters`` of the weight.

    Examples
    --------
    >>> from skcluster import ClusterSample, photon_attention
    >>> photons = {"ra": [10.0] * 3, "dec": [0.0] * 3, "energy": [1.0] * 3,
    ...            "origin": [0, 0, 1], "contribution": [0.02, 0.03, 0.01]}
    >>> result = photon_attention(ClusterSample([0.2], photons=[photons]))
    >>> float(result.icm.weight[0].round(2)), float(result.agn.share[0].round(3))
    (1.25, 0.167)
    """
    photons = _with_contributions(sample, by="photon_attention")
    origin = origin_of(photons, by="photon_attention")
    groups = sample.group if groups is None else groups
    contribution, stands_for = photons[CONTRIBUTION], _stands_for(photons)
    total = photons.sum(contribution)
    seed, result = seed_of(random_state), Bunch()
    for name, code in ORIGINS.items():
        of_origin = origin == code
        added, n = (
            photons.sum(of_origin * each) for each in (contribution, stands_for)
        )
        share = added / _nonzero(total)
        share_of_photons = ratio(n, photons.sum(stands_for))
        weight = np.where(n > 0, share / _nonzero(share_of_photons), np.nan)
        result[name] = Bunch(
            weight=weight, share=share, share_of_photons=share_of_photons
        )
        result[name].update(summary(weight, groups, seed))
    return result


def radial_contributions(sample, *, bins=None, origin=None):
    """Profile of the photons' weights with radius in units of R500c.

    For each cluster, the mean of the `photon_weights` of the photons in an annulus; then,
    for each annulus, median and percentiles over clusters.

    Parameters
    ----------
    sample : ClusterSample
        From `photon_contributions`, with r500c. Its photons need the column
        ``log_radius`` of `PhotonFeaturizer`.
    bins : array-like of shape (n_bins + 1,), default=None
        Edges of the annuli in :math:`r / R_{500c}`. None is 0 to 2 in steps of 0.2.
    origin : {"icm", "agn", "background"}, default=None
        Only photons of this origin; None takes all.

    Returns
    -------
    profile : Bunch
        ``edges`` (n_bins + 1,); ``radius`` (n_bins,), the middle of each annulus;
        ``median``, ``low``, ``high`` (16th and 84th percentile over clusters),
        ``n_clusters`` (n_bins,); and ``profiles`` (n_clusters, n_bins), NaN where an
        annulus holds no photon.

    Examples
    --------
    >>> from skcluster import ClusterSample, radial_contributions
    >>> photons = {"ra": [10.0] * 2, "dec": [0.0] * 2, "energy": [1.0] * 2,
    ...            "log_radius": [-0.9, -0.2], "contribution": [0.01, 0.03]}
    >>> sample = ClusterSample([0.2], photons=[photons], r500c=[0.5])
    >>> radial_contributions(sample, bins=[0, 1, 2]).profiles
    array([[0.5, 1.5]])
    """
    photons = _with_contributions(sample, by="radial_contributions")
    require(sample, "r500c", by="radial_contributions")
    if "log_radius" not in photons:
        raise ValueError(
            "radial_contributions needs photons with the column 'log_radius'; they have "
            f"{list(photons.columns)}. Put it among the features of PhotonFeaturizer."
        )
    r500c = checked_r500c(sample.r500c, len(sample))
    origin = (Choice(ORIGINS) | None).check("origin", origin)
    edges = (EdgesInR500c() | None).check("bins", bins)
    edges = np.linspace(0, 2, 11) if edges is None else edges
    weight = photon_weights(sample)
    radius = 10 ** photons["log_radius"].astype(float) - SOFTENING
    number = np.searchsorted(edges, radius / r500c[photons.cluster], side="right") - 1
    inside = (number >= 0) & (number < len(edges) - 1)
    if origin is not None:
        inside &= origin_of(photons, by="radial_contributions") == ORIGINS[origin]
    cell = photons.cluster[inside] * (len(edges) - 1) + number[inside]
    shape = len(sample), len(edges) - 1
    n = np.bincount(cell, minlength=np.prod(shape)).reshape(shape)
    total = np.bincount(cell, weight[inside], minlength=np.prod(shape)).reshape(shape)
    return profiles_of_sample(edges, ratio(total, n))


def _with_contributions(sample, by):
    photons = require(sample, "photons", by=by).photons
    if CONTRIBUTION not in photons:
        raise ValueError(
            f"{by} needs photons with the column {CONTRIBUTION!r}; they have "
            f"{list(photons.columns)}. Give the sample that photon_contributions returns."
        )
    return photons


def _stands_for(photons):
    """Number of photons in the exposure of the center that each photon stands for."""
    if RELATIVE_EXPOSURE not in photons:
        return np.ones(photons.offsets[-1])
    return 1 / photons[RELATIVE_EXPOSURE]


def _nonzero(values):
    return np.where(values == 0, np.nan, values)
