"""Predict posteriors, also with pipelines and meta-estimators around a regressor."""

from collections.abc import Callable

import numpy as np
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from ..cluster_weights import weights_in
from ..estimator_parts import changes_errors, changes_target, enter, inside
from ..model_selection import spatial_folds
from ..model_selection.fold_policy import check_partition, over_folds
from ..plausible_masses import MASS_RANGE, log_mass_column
from .mass_posterior import MassPosterior

CLUSTERS_AT_ONCE = 4096


class PosteriorMixin:
    """Mixin that adds posteriors, quantiles and draws to a regressor of log10 M.

    A subclass defines two methods: ``_components(X)`` returns means and standard deviations
    of log10 M, of shape (n_clusters,) or (n_clusters, n_components), from which
    ``_posterior(mean, std)`` makes posteriors (it may return other arrays with a row per
    cluster, for a ``_posterior`` of its own); ``_log_prior()``
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

    _components: Callable
    _log_prior: Callable

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
        return self._by_blocks(
            self._components(X), lambda posterior: posterior.quantile(quantiles)
        )

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
            self._components(X),
            lambda posterior: posterior.sample(n_samples, random_state=rng),
        )

    def _posterior(self, mean, std):
        each = getattr(self, "_predicts_each_std", True)
        return MassPosterior.from_gaussians(
            mean, std, log_prior=self._log_prior(), match_std=each
        )

    def _by_blocks(self, components, function):
        """Join what a function returns for the posteriors of some clusters at a time."""
        starts = range(0, max(len(components[0]), 1), CLUSTERS_AT_ONCE)
        blocks = [slice(start, start + CLUSTERS_AT_ONCE) for start in starts]
        parts = [
            function(self._posterior(*(each[rows] for each in components)))
            for rows in blocks
        ]
        return np.concatenate(parts)


def moments_of(posterior):
    """Return means and standard deviations, of shape (n_clusters, 2)."""
    return np.column_stack([posterior.mean(), posterior.std()])


def predict_posterior(estimator, X) -> MassPosterior:
    """Predict the posterior of log10 M500c, also with a meta-estimator around a regressor.

    Parameters
    ----------
    estimator : estimator
        A fitted `XrayCNNRegressor`, `JointCNNRegressor`, `PhotonSetRegressor`,
        `EvrardProxyRegressor`, `CountRateMassRegressor` or `CalibratedMassRegressor`; or a
        Pipeline, search, ``FrozenEstimator`` or other meta-estimator around one.
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
        is_other = changes_target(estimator) or changes_errors(estimator)
        found, entered = (None, X) if is_other else enter(estimator, X)
        if found is None:
            raise _without_posterior(estimator)
        estimator, X = found, entered
    return estimator.predict_posterior(X)


def cross_val_posterior(
    estimator,
    X,
    y,
    *,
    cv=None,
    groups=None,
    n_jobs=None,
    mass_range=MASS_RANGE,
    params=None,
) -> MassPosterior:
    """Predict the posterior of each cluster with a model that has not seen it.

    Parameters
    ----------
    estimator : estimator
        An estimator that `predict_posterior` takes; a clone is fitted to each fold.
    X : ClusterSample or array-like
    y : array-like of shape (n_clusters,)
        log10 M500c.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`: octants by default
        where the sample has positions, otherwise five folds. Each cluster must be in
        exactly one test fold.
    groups : array-like of shape (n_clusters,), default=None
        Labels that no fold may split, in place of ``X.group`` of a sample.
    n_jobs : int, default=None
        Number of folds that run at the same time.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass that `y` may hold; None takes any.
    params : dict, default=None
        Parameters of all fits, as in `~sklearn.model_selection.cross_val_predict`:
        ``{"sample_weight": weight}``, with one weight per cluster.

    Returns
    -------
    posterior : MassPosterior
        The posteriors in the order of X.

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
    y = log_mass_column(y, by="cross_val_posterior", mass_range=mass_range)
    weight = weights_in(params, len(y), by="cross_val_posterior")
    folds = spatial_folds(cv, X, y, groups)
    tested = check_partition(folds, len(y))
    fits = estimator, X, y, folds, groups, weight, n_jobs
    parts = over_folds(predict_posterior, *fits)
    return MassPosterior.concatenate(parts)[np.argsort(tested)]


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
