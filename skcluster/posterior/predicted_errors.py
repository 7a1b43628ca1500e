"""Masses and errors that an estimator predicts, refused if they cannot be calibrated."""

import numpy as np

from ..estimator_parts import last_step, predicts_std


def mean_and_std(estimator, X):
    """Predict masses and their errors, which are 1 if the estimator predicts none.

    Parameters
    ----------
    estimator : fitted estimator
    X : what the estimator takes

    Returns
    -------
    mean, std : ndarray of shape (n_clusters,)

    Raises
    ------
    ValueError
        Some errors are infinite, and so would be a mass plus any share of its error; or
        some are 0, and no residual is a multiple of that.
    """
    if not predicts_std(estimator):
        mean = np.asarray(estimator.predict(X), float)
        return mean, np.ones_like(mean)
    mean, std = estimator.predict(X, return_std=True)
    wrong = np.flatnonzero(~(np.isfinite(std) & (np.asarray(std) > 0)))
    if len(wrong):
        by = type(last_step(estimator)).__name__
        raise ValueError(
            f"{len(wrong)} of {len(std)} clusters have errors of {by} that are not "
            f"positive, or infinite (first: cluster {wrong[0]}, {std[wrong[0]]:g}), so "
            "their masses cannot be calibrated. Those of EvrardProxyRegressor are "
            "infinite in redshift bins that have no more clusters than observables need: "
            "fit to more clusters or fewer observables, or give wider redshift_bins. An "
            "estimator that knows no errors must have a predict without return_std."
        )
    return mean, std
