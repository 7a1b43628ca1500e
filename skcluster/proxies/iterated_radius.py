"""`IteratedRadiusRegressor`: apertures in units of R500c without knowing R500c."""

import warnings

import numpy as np
from sklearn.base import MetaEstimatorMixin, RegressorMixin, clone
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import check_is_fitted

from ..cluster_weights import checked_weights, weighted_quantile
from ..cosmology import get_cosmology, r500c_of_mass
from ..estimator_parts import predicts_std, weight_parameters
from ..parameters import Integer, Positive, ReadBy, WithMethods, check_parameters
from ..plausible_masses import log_mass_column
from ..sample import require
from ..sample.transformer import TakesSample

MASSES_WITH_RADIUS = (10.0, 15.6)
"""Range of log10 M whose R500c is plausible at any redshift; beyond, the ends are taken."""


class IteratedRadiusRegressor(MetaEstimatorMixin, RegressorMixin, TakesSample):
    r"""Regressor whose aperture R500c follows from the mass that it predicts.

    Numbers measured inside R500c need the very mass that they are to give. In training it
    is known:

    .. math::

        R_{500c} = \left( \frac{3 M}{4 \pi \, 500 \, \rho_c(z)} \right)^{1/3}

    in physical units. For new clusters the radius starts from the median mass of the
    training clusters; then mass and radius follow from each other until the mass stays the
    same. The sample's own ``r500c`` is never read.

    Parameters
    ----------
    estimator : estimator
        Regressor of log10 M from a sample with ``r500c``, such as
        ``make_pipeline(ProxyMeasurer(proxies=["n_phot_500c"]), EvrardProxyRegressor())``.
    max_iterations : int, default=50
        Largest number of times that a mass is predicted.
    tolerance : float, default=1e-6
        Change of log10 M below which a cluster has converged [dex].
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"

    Attributes
    ----------
    estimator_ : estimator
        The fitted estimator.
    cosmology_ : str or astropy.cosmology.Cosmology
        Cosmology of the fit, which predictions use.
    start_ : float
        Median log10 mass of the training clusters.
    error_scale_ : float
        Root mean square residual of the training clusters, whose radii were iterated like
        those of new ones, in units of the errors that the estimator predicts. It multiplies
        the errors: a wrong radius makes a wrong mass worse. NaN if the estimator predicts
        no errors.

    Notes
    -----
    With counts inside the radius, the mass that belongs to a radius grows with it. The
    masses of a cluster then form a monotone series of finitely many values, which ends in
    a mass that is exactly consistent with its own radius.

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import EvrardProxyRegressor, IteratedRadiusRegressor, ProxyMeasurer
    >>> from skcluster.datasets import make_mock_survey
    >>> survey = make_mock_survey(30, random_state=0)
    >>> counter = ProxyMeasurer(proxies=["n_phot_500c"])
    >>> model = IteratedRadiusRegressor(make_pipeline(counter, EvrardProxyRegressor()))
    >>> model.fit(survey.sample, survey.log_mass).predict(survey.sample).shape
    (30,)
    """

    _parameter_kinds = {
        "estimator": WithMethods("an estimator with fit and predict"),
        "max_iterations": Integer(1),
        "tolerance": Positive(),
        "cosmology": ReadBy(get_cosmology),
    }

    def __init__(
        self, estimator, *, max_iterations=50, tolerance=1e-6, cosmology="WMAP7"
    ):
        self.estimator = estimator
        self.max_iterations = max_iterations
        self.tolerance = tolerance
        self.cosmology = cosmology

    def fit(self, X, y, sample_weight=None):
        """Fit the estimator to what is measured inside the true R500c.

        Parameters
        ----------
        X : ClusterSample
        y : array-like of shape (n_clusters,)
            log10 M500c [Msun/h].
        sample_weight : array-like of shape (n_clusters,), default=None
            Weights of the clusters, in the fit and in `error_scale_`.
        """
        parameters = check_parameters(self)
        require(X, by=type(self).__name__)
        self.cosmology_ = parameters.cosmology
        by = type(self).__name__
        y = log_mass_column(y, len(X), by=by, has_parameter=False)
        radius = r500c_of_mass(10**y, X.redshift, parameters.cosmology)
        weight = checked_weights(sample_weight, len(X), by=type(self).__name__)
        known = weight_parameters(self.estimator, weight)
        self.estimator_ = clone(self.estimator).fit(X.assign(r500c=radius), y, **known)
        equal = np.ones(len(y)) if weight is None else weight
        self.start_ = weighted_quantile(y, 0.5, equal)
        params = {"return_std": True} if predicts_std(self.estimator_) else {}
        log_mass, error, _ = self._iterate(X, parameters, **params)
        self.error_scale_ = _rms_in_errors(log_mass - y, error, equal)
        return self

    def predict(self, X, **params):
        """Predict log10 M500c with radii that are consistent with it.

        Parameters
        ----------
        X : ClusterSample
        **params : object
            Parameters of the estimator's ``predict``: ``return_std=True``, if it has that.

        Returns
        -------
        log_mass : ndarray of shape (n_clusters,)
        std : ndarray of shape (n_clusters,), if ``return_std=True``
            [dex]
        """
        check_is_fitted(self)
        require(X, by=type(self).__name__)
        log_mass, error, _ = self._iterate(X, self._parameters_of_fit(), **params)
        with_std = params.get("return_std", False)
        return (log_mass, self.error_scale_ * error) if with_std else log_mass

    def with_iterated_radius(self, X):
        """Return the sample with the radii that its masses are predicted with.

        Parameters
        ----------
        X : ClusterSample

        Returns
        -------
        X : ClusterSample
            Its `r500c` [comoving Mpc/h] is that of the converged masses.
        """
        check_is_fitted(self)
        require(X, by=type(self).__name__)
        _, _, radius = self._iterate(X, self._parameters_of_fit())
        return X.assign(r500c=radius)

    def _parameters_of_fit(self):
        """Return the parameters, with the cosmology of the fit; older models have none."""
        parameters = check_parameters(self)
        parameters.cosmology = getattr(self, "cosmology_", parameters.cosmology)
        return parameters

    def _iterate(self, X, parameters, **params):
        """Return converged masses, their errors before scaling, if any, and radii."""
        log_mass = np.full(len(X), self.start_)
        error = np.full(len(X), np.nan)
        active, radius = np.arange(len(X)), np.empty(len(X))
        for _ in range(parameters.max_iterations):
            before = log_mass[active]
            mass = 10 ** np.clip(before, *MASSES_WITH_RADIUS)
            radius[active] = r500c_of_mass(
                mass, X.redshift[active], parameters.cosmology
            )
            part = X[active].assign(r500c=radius[active])
            try:
                predicted = self.estimator_.predict(part, **params)
            except ValueError:
                # An error about all clusters names the right one by its row.
                self.estimator_.predict(X.assign(r500c=radius), **params)
                raise
            if params.get("return_std", False):
                predicted, error[active] = predicted
            log_mass[active] = predicted
            change = np.abs(log_mass[active] - before)
            active = active[change > parameters.tolerance]
            if not len(active):
                return log_mass, error, radius
        warnings.warn(
            f"The masses of {len(active)} of {len(X)} clusters (first: cluster "
            f"{active[0]}) still change after max_iterations="
            f"{parameters.max_iterations}, so that they are not consistent with their "
            "radii. Raise max_iterations or tolerance.",
            ConvergenceWarning,
            stacklevel=3,
        )
        return log_mass, error, radius


def _rms_in_errors(residual, error, weight):
    """Root mean square of residuals in units of their errors, where these are finite."""
    known = np.isfinite(error) & (weight > 0)
    if not known.any():
        return np.nan
    square = np.average((residual[known] / error[known]) ** 2, weights=weight[known])
    return float(np.sqrt(square))
