"""Posteriors that keep their word: by models that have not seen the cluster."""

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import clone

from .model_selection import spatial_folds
from .posterior import MassPosterior, predict_posterior


def cross_val_posterior(estimator, X, y, *, cv=None, n_jobs=None):
    """Posterior of each cluster, from the model of the fold that leaves it out.

    Parameters
    ----------
    estimator : estimator
        See `predict_posterior`.
    X : ClusterSample or array-like
    y : array-like of shape (n_clusters,)
        log10 M500c.
    cv : cross-validation splitter, int or None, default=None
        Each cluster must be in one test fold. None: octants where the sample has
        positions, otherwise five folds.
    n_jobs : int, default=None
        Folds that run at a time.

    Returns
    -------
    posterior : MassPosterior
        In the order of X.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import EvrardProxyRegressor, cross_val_posterior
    >>> log_mass = np.random.default_rng(0).uniform(13.5, 15, 200)
    >>> ln_s = 2 * log_mass[:, None] + np.random.default_rng(1).normal(0, 0.3, (200, 1))
    >>> posterior = cross_val_posterior(EvrardProxyRegressor(), ln_s, log_mass)
    >>> inside = np.abs(posterior.cdf(log_mass) - 0.5) < 0.34
    >>> bool(0.6 < inside.mean() < 0.76)
    True
    """
    y = np.asarray(y, float)
    folds = spatial_folds(cv, X, y)
    tested = np.concatenate([test for _, test in folds])
    if len(tested) != len(y) or len(np.unique(tested)) != len(y):
        raise ValueError(
            f"The test folds hold {len(tested)} clusters, {len(np.unique(tested))} of them "
            f"different, but each of the {len(y)} must be in exactly one."
        )
    parts = Parallel(n_jobs=n_jobs)(
        delayed(_posterior_of_fold)(estimator, X, y, train, test)
        for train, test in folds
    )
    return MassPosterior.concatenate(parts)[np.argsort(tested)]


def _posterior_of_fold(estimator, X, y, train, test):
    return predict_posterior(clone(estimator).fit(X[train], y[train]), X[test])
