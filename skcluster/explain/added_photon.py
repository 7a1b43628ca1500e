"""Change of a predicted mass when a photon is added to the map."""

import numpy as np
from sklearn.utils import gen_batches

from ..sample import SparseMaps
from .explained_network import (
    maps_of_counts,
    photon_size,
    refuse_scaled_maps,
    split_network,
)

PHOTONS_AT_A_TIME = 256


def photon_response(estimator, X, pixels):
    r"""Change of the predicted log10 M when one photon is added to a pixel.

    .. math::

        \Delta_p = f(m + e_p) - f(m)

    with m the counts and :math:`e_p` one photon in pixel p. Under an exposure map, a mask
    or holes, `PhotonMapper` counts it as 1 over the pixel's relative exposure, and not at
    all in pixels that were not observed. This costs one prediction per pixel and is exact,
    while ``SaliencyExplainer(per_photon=True)`` takes the network to be linear. A network
    that also takes the number of photons as a scalar (``scalars=["log_counts"]``) is
    refused, since a photon in a map does not change it. Of a `CalibratedMassRegressor` it
    is the network's mass that changes, before the calibration.

    Parameters
    ----------
    estimator : fitted estimator
        A Pipeline with the steps from counts to the network, or a meta-estimator around
        one.
    X : what the estimator predicts from, for one cluster
        Photons, if the Pipeline starts with a `PhotonMapper`; otherwise counts.
    pixels : array-like of int of shape (n, 3)
        Band, row and column of the pixels. The photon is added to one of them at a time.

    Returns
    -------
    change : ndarray of shape (n,)
        Change of log10 M for each pixel [dex].

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import LogScaler
    >>> from skcluster.explain import photon_response
    >>> from skcluster.explain.self_test import WeighingRegressor
    >>> counts = np.zeros((1, 1, 8, 8))
    >>> pipeline = make_pipeline(LogScaler(), WeighingRegressor(np.ones((1, 8, 8))))
    >>> photon_response(pipeline.fit(counts), counts, [[0, 3, 5]]).round(3)  # log10 2
    array([0.301])
    """
    steps, regressor = split_network(estimator)
    _check_counts_only_by_maps(regressor)
    refuse_scaled_maps(steps, X, by="photon_response")
    X, made_by, steps = maps_of_counts(steps, X)
    counts = np.asarray(getattr(X, "maps", X), np.float32)
    if len(counts) != 1:
        raise ValueError(
            f"photon_response adds photons to one cluster, got {len(counts)}. Give "
            "X[[i]], and the pixels of each cluster in turn."
        )
    pixels = _checked_pixels(pixels, counts.shape[1:])
    photon = np.broadcast_to(photon_size(X, made_by), counts.shape)[0]
    rows = np.zeros(len(pixels) + 1, int)
    counts = counts[rows]
    counts[np.arange(1, len(rows)), *pixels.T] += photon[*pixels.T]
    masses = [
        _predicted(steps, regressor, X, counts[part])
        for part in gen_batches(len(rows), PHOTONS_AT_A_TIME)
    ]
    log_mass = np.concatenate(masses)
    return log_mass[1:] - log_mass[0]


def _check_counts_only_by_maps(regressor):
    """Refuse a network that is told the number of photons beside its maps."""
    if "log_counts" in getattr(regressor, "scalars", ()):
        raise ValueError(
            "photon_response adds photons to the maps alone, but this network has "
            f"scalars={list(regressor.scalars)}: the photons in the list, which it counts "
            "in log_counts, would stay as they are. Add the photon to sample.photons and "
            "take the difference of two predictions, or fit a network without log_counts."
        )


def _predicted(steps, regressor, X, counts):
    """Predict the mass of one cluster from each of several maps of counts."""
    if hasattr(X, "maps"):
        counts = X[np.zeros(len(counts), int)].assign(
            maps=SparseMaps.from_dense(counts)
        )
    for step in steps:
        counts = step.transform(counts)
    return regressor.predict(counts)


def _checked_pixels(pixels, shape):
    pixels = np.asarray(pixels)
    is_triple = pixels.ndim == 2 and pixels.shape[1] == 3 and pixels.dtype.kind in "iu"
    if not is_triple or not ((pixels >= 0) & (pixels < shape)).all():
        raise ValueError(
            "pixels must be rows of (band, row, column), integers inside maps of shape "
            f"{tuple(shape)}, got {np.array2string(pixels, threshold=6)}."
        )
    return pixels
