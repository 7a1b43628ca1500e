"""Counts per exposure, relative to a reference exposure that is learned in fit.

A step that works on counts stores ``exposure_ = reference_exposure(exposures)`` in fit,
and divides counts by ``relative_exposure(exposures, self)`` afterwards. Without
exposures both are None, and counts stay as they are.
"""

import numpy as np

from .sample import FIELDS
from .training_ranges import range_of


def reference_exposure(exposure):
    """Return the median exposure of the training clusters [s]; None without exposures."""
    return None if exposure is None else float(np.median(exposure))


def exposure_range(exposure):
    """Return the training range of exposures as an item of ``training_ranges_``."""
    return {} if exposure is None else {"exposure": range_of(exposure)}


def exposure_of_maps(X):
    """Return the exposures that the counts of a sample's maps stand for [s], or None."""
    return X.exposure if X.map_exposure is None else X.map_exposure


def relative_exposure(exposure, estimator):
    """Return exposures over the reference exposure that an estimator has learned.

    Parameters
    ----------
    exposure : ndarray of shape (n_clusters,) or None
    estimator : estimator
        With the attribute ``exposure_``; without it, the estimator counts as fitted to
        clusters without exposures.

    Returns
    -------
    relative : ndarray of shape (n_clusters,) or None
        None if neither the training clusters nor these have exposures.

    Raises
    ------
    ValueError
        Only the training clusters or only these have exposures.

    Examples
    --------
    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(exposure_=2000.0)
    >>> relative_exposure(np.array([500.0, 4000.0]), fitted)
    array([0.25, 2.  ])
    """
    by, reference = type(estimator).__name__, getattr(estimator, "exposure_", None)
    if exposure is None and reference is None:
        return None
    if exposure is None:
        raise ValueError(
            f"{by} was fitted to clusters with exposures (median {reference:.4g} s), but "
            "these have none, so their counts cannot be compared: "
            f"{FIELDS['exposure'].how_to_get}."
        )
    if reference is None:
        raise ValueError(
            f"These clusters have exposures, but {by} was not fitted to clusters with "
            "exposures, so it takes all counts for those of one exposure. Fit it to "
            "clusters with exposures; or, if these were exposed like its training "
            "clusters, give sample.drop('exposure')."
        )
    return exposure / reference
