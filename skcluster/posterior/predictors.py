"""Predict posteriors, also with pipelines and meta-estimators around a regressor."""

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..estimator_parts import changes_target, enter, inside
from .mass_posterior import MassPosterior

CLUSTERS_AT_ONCE = 4096


class PosteriorMixin:
    """Mixin that adds posteriors, quantiles and draws to a regressor of log10 M.

    A subclass defines two methods: ``_components(X)`` returns means and standard deviations
    of log10 M, of shape (n_clusters,) or (n_clusters, n_components); ``_log_prior()``
    returns the prior inside them, as `skcluster.posterior.log_prior` does, or a
    `skcluster.posterior.TrainingPrior`. If the standard deviation is one number for all
    clusters, the attribute ``_predicts_each_std`` is False.

    Examples
    --------
    >>> import numpy as np
    >>> class FromMassAndError(PosteriorMixin):
    ...     def _components(self, X):
    ...         return X[:, 0], X[:, 1]
    ...     def _log_prior(self):
    ...         return np.zeros_like
    >>> FromMassAndError().predict_quantiles(np.array([[14.0, 0.1]])).round(3)
    array([[13.901, 14.   , 14.099]])
    """

    _predicts_each_std = True

    def predict_posterior(self, X):
        """Predict the posterior of log10 M500c of each cluster.

        Parameters
        ----------
        X : as in `fit`

        Returns
        -------
        posterior : MassPosterior
            It contains its prior, which `skcluster.reweight_prior` can replace.
        """
        return self._posterior(*self._components(X))

    def predict_quantiles(self, X, quantiles=(0.16, 0.5, 0.84)):
        """Predict quantiles of the posterior of log10 M500c.

        Parameters
        ----------
        X : as in `fit`
        quantiles : float or array-like of shape (n_quantiles,)

        Returns
        -------
        log_mass : ndarray of shape (n_clusters,) or (n_clusters, n_quantiles)
        """
        return self._by_blocks(X, lambda posterior: posterior.quantile(quantiles))

    def sample_posterior(self, X, n_samples=100, *, random_state=None):
        """Draw masses from the posteriors, of shape (n_clusters, n_samples).

        Parameters
        ----------
        X : as in `fit`
        n_samples : int, default=100
        random_state : int, RandomState instance or None, default=None
        """
        rng = check_random_state(random_state)
        return self._by_blocks(
            X, lambda posterior: posterior.sample(n_samples, random_state=rng)
        )

    def _posterior(self, mean, std):
        return MassPosterior.from_gaussians(
            mean, std, log_prior=self._log_prior(), match_std=self._predicts_each_std
        )

    def _by_blocks(self, X, function):
        mean, std = self._components(X)
        starts = range(0, max(len(mean), 1), CLUSTERS_AT_ONCE)
        blocks = [slice(start, start + CLUSTERS_AT_ONCE) for start in starts]
        return np.concatenate(
            [function(self._posterior(mean[rows], std[rows])) for rows in blocks]
        )


def predict_posterior(estimator, X):
    """Predict the posterior of log10 M500c, also with a meta-estimator around a regressor.

    Parameters
    ----------
    estimator : estimator
        A fitted `XrayCNNRegressor`, `JointCNNRegressor`, `EvrardProxyRegressor` or
        `CalibratedMassRegressor`; or a Pipeline, search, ``FrozenEstimator`` or other
        meta-estimator around one.
    X : what the estimator takes

    Returns
    -------
    posterior : MassPosterior

    Raises
    ------
    TypeError
        The estimator predicts no posterior. `CalibratedMassRegressor` learns one for it.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from skcluster import EvrardProxyRegressor, predict_posterior
    >>> log_mass = np.linspace(13.5, 15, 20)
    >>> counts = 10 ** (log_mass + 0.1 * np.sin(np.arange(20.0)) - 11)
    >>> model = make_pipeline(FunctionTransformer(np.log), EvrardProxyRegressor())
    >>> model = model.fit(counts[:, None], log_mass)
    >>> predict_posterior(model, counts[:3, None])
    <MassPosterior of 3 clusters, 512 cells of mass each>
    """
    while not hasattr(estimator, "predict_posterior"):
        found, entered = enter(estimator, X)
        if found is None or changes_target(estimator):
            raise _without_posterior(estimator)
        estimator, X = found, entered
    return estimator.predict_posterior(X)


def _without_posterior(estimator):
    name = type(estimator).__name__
    if inside(estimator) is not None:
        check_is_fitted(estimator)
    if changes_target(estimator):
        return TypeError(
            f"A {name} has no posterior of log10 M: the estimator inside was "
            "fitted to transformed masses. Fit it to log10 M itself."
        )
    return TypeError(
        f"A {name} predicts no posterior. Wrap it before the fit: "
        "CalibratedMassRegressor learns one from held-out clusters."
    )
