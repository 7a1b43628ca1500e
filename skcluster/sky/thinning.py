"""Thin photon lists to shorter exposures."""

import warnings
from hashlib import blake2b

import numpy as np
from sklearn.utils import check_random_state

from ..parameters import RandomState
from ..sample import ClusterSample, require
from ..sample.described_columns import undescribed
from ..sample.plain_arrays import one_per_cluster
from ..sample.units import TABLE, check_plausible

LONGER = 1 + 1e-9
"""Factor up to which an exposure is the sample's own, but for rounding."""


def thin_photons(
    sample, *, exposure=None, fraction=None, random_state=None
) -> ClusterSample:
    r"""Thin the photon lists of a sample to shorter exposures.

    Each photon is kept with the probability

    .. math::

        p = t' / t

    independently of all others, where :math:`t` is the sample's exposure and :math:`t'`
    the new one. If the counts of an exposure t are Poisson, so are those that are left,
    with the mean of an exposure :math:`t'`: thinning is exact.

    Parameters
    ----------
    sample : ClusterSample
        Sample with photons and, for `exposure`, with exposures.
    exposure : float or array-like of shape (n_clusters,), default=None
        New exposure [s], one for all clusters or one per cluster; never longer than the
        sample's own, in whose sense it is meant (see `ClusterSample`).
    fraction : float or array-like of shape (n_clusters,), default=None
        Share of the exposure to keep, in (0, 1], instead of `exposure`; a sample without
        exposures can be thinned by this alone.
    random_state : int, RandomState instance or None, default=None
        Seed of the choice of photons.

    Returns
    -------
    thinned : ClusterSample
        Sample with fewer photons and, if exposures are known, the new ones. Its maps,
        which show the old photons, are dropped. A short exposure may leave a cluster
        without photons.

    Notes
    -----
    A cluster's choice depends on the seed and its photon list alone: it is the same in
    any order and subset of the clusters. With one seed, the photons of a shorter exposure
    are among those of a longer one, so that differences between exposures are not noise
    of the choice. What was thinned once is thinned independently by the same seed.

    Examples
    --------
    >>> from skcluster import ClusterSample, thin_photons
    >>> photons = {"ra": [10.0] * 1000, "dec": [0.0] * 1000, "energy": [1.0] * 1000}
    >>> sample = ClusterSample([0.2], photons=[photons], exposure=[2000.0])
    >>> thinned = thin_photons(sample, exposure=500.0, random_state=0)
    >>> thinned.photons.lengths, thinned.exposure
    (array([236]), array([500.]))
    """
    require(sample, "photons", by="thin_photons")
    RandomState().check("random_state", random_state)
    if (exposure is None) == (fraction is None):
        raise TypeError("thin_photons takes either exposure or fraction.")
    if exposure is not None:
        exposure, fraction = _shorter(sample, exposure)
    else:
        fraction = _checked_fraction(fraction, len(sample))
        if sample.exposure is not None:
            exposure = fraction * sample.exposure
            _check_long_enough(exposure, fraction)
    seed = check_random_state(random_state).randint(2**32, dtype=np.uint32)
    photons = sample.photons
    chance = [_chances(photons.table(i), seed) for i in range(len(photons))]
    kept = np.concatenate(chance) < np.repeat(fraction, photons.lengths)
    kept = undescribed(photons, "photons").select(kept)
    _warn_if_empty(photons.lengths, kept.lengths)
    return sample.drop("maps").assign(photons=kept, exposure=exposure)


def _check_long_enough(exposure, fraction):
    shortest = TABLE["exposure"].low
    wrong = np.flatnonzero(exposure < shortest)
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"fraction={np.broadcast_to(fraction, exposure.shape)[first]:g} would leave "
            f"less than {shortest:g} s, the shortest exposure of a sample, to {len(wrong)} "
            f"of {len(exposure)} clusters (first: cluster {first}, {exposure[first]:.4g} "
            "s). Give a larger fraction, or sample.drop('exposure')."
        )


def _chances(columns, seed):
    """Return one uniform number per photon, by a generator seeded with the photons."""
    digest = blake2b(seed.tobytes(), digest_size=16)
    for name in ("ra", "dec", "energy"):
        digest.update(columns[name].tobytes())
    rng = np.random.default_rng(int.from_bytes(digest.digest(), "little"))
    return rng.random(len(columns["ra"]))


def _warn_if_empty(before, after):
    emptied = np.flatnonzero((before > 0) & (after == 0))
    if 2 * len(emptied) > np.sum(before > 0):
        warnings.warn(
            f"thin_photons leaves no photon to {len(emptied)} of {len(before)} clusters "
            f"(first: cluster {emptied[0]}, which had {before[emptied[0]]}). Is the new "
            "exposure in seconds?",
            UserWarning,
            stacklevel=3,
        )


def _shorter(sample, exposure):
    """Return the new exposures, and their share of the sample's."""
    if sample.exposure is None:
        raise ValueError(
            "thin_photons(exposure=...) needs sample.exposure, which this sample of "
            f"{len(sample)} clusters lacks (it has {', '.join(sample.fields)}): give "
            "ClusterSample(exposure=...) in seconds, or thin_photons(fraction=...), the "
            "share of the photons to keep."
        )
    new = one_per_cluster("exposure", exposure, len(sample))
    wrong = np.flatnonzero(new <= 0)
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(new)} new exposures are not positive (first: cluster "
            f"{wrong[0]}, {new[wrong[0]]:g} s). Give seconds above 0."
        )
    check_plausible("exposure", new if np.ndim(exposure) else new[0], rows="cluster")
    longer = np.flatnonzero(new > LONGER * sample.exposure)
    if len(longer):
        first = longer[0]
        raise ValueError(
            f"The new exposure is longer than that of {len(longer)} of {len(new)} "
            f"clusters (first: cluster {first}, {new[first]:g} s of "
            f"{sample.exposure[first]:g} s), but thinning can only shorten. Give shorter "
            "ones, np.minimum(exposure, sample.exposure), or drop these clusters."
        )
    return new, new / sample.exposure


def _checked_fraction(fraction, n_clusters):
    fraction = one_per_cluster("fraction", fraction, n_clusters)
    wrong = np.flatnonzero(~((fraction > 0) & (fraction <= 1)))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {n_clusters} fractions are not in (0, 1] (first: cluster "
            f"{wrong[0]}, {fraction[wrong[0]]:g})."
        )
    return fraction
