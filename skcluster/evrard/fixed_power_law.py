"""`FixedPowerLawRegressor`: masses by a power law whose exponents theory gives."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..cosmology import get_cosmology
from ..parameters import REFUSED, Kind, Number, ReadBy, check_parameters
from ..plausible_masses import MASS_RANGE, MASS_RANGE_KIND
from ..sample.units import check_plausible
from .logarithms import check_logarithms, validated


class Exponents(Kind):
    """A finite number, or a sequence of them."""

    says = "a number, or one number per observable"

    def read(self, value):
        try:
            exponents = np.asarray(value)
        except ValueError:
            return REFUSED
        is_right = exponents.dtype.kind in "iuf" and exponents.ndim < 2
        if not (is_right and np.isfinite(exponents).all()):
            return REFUSED
        return exponents.astype(float)


class FixedPowerLawRegressor(RegressorMixin, BaseEstimator):
    r"""Masses by a power law with given exponents and one fitted normalization.

    .. math::

        \log_{10} M = a + \sum_i \alpha_i \log_{10} S_i + \gamma \log_{10} E(z)

    Self-similarity gives :math:`M \propto Y_X^{3/5} E(z)^{-2/5}` for
    :math:`Y_X = M_\mathrm{gas} T_X` (Kravtsov et al. 2006).

    Parameters
    ----------
    exponents : float or sequence of float, default=1.0
        :math:`\alpha_i`, one per observable, or one for all.
    evolution : float, default=0.0
        :math:`\gamma`.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Gives :math:`E(z)`.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass [Msun/h] that a target may have; others are refused
        with the unit that they seem to be in. None takes any target and, without
        `evolution`, anything in the column of redshifts.

    Attributes
    ----------
    intercept_ : float
        :math:`a`, the (weighted) mean over the training clusters.
    exponents_ : ndarray of shape (n_observables,)
        :math:`\alpha_i` of the fit, which predictions use.
    evolution_ : float
        :math:`\gamma` of the fit.
    cosmology_ : str or astropy.cosmology.Cosmology
        Cosmology of the fit.
    residual_std_ : float
        Standard deviation of the training residuals, with n - 1 [dex]; n is the sum of
        the weights.

    References
    ----------
    Kravtsov, Vikhlinin & Nagai (2006), ApJ 650, 128.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import FixedPowerLawRegressor
    >>> X = np.array([[0.0, 0.1], [np.log(10), 0.1]])  # ln S and redshift
    >>> FixedPowerLawRegressor(exponents=[0.5]).fit(X, [14.0, 14.5]).predict(X)
    array([14. , 14.5])
    """

    _parameter_kinds = {
        "exponents": Exponents(),
        "evolution": Number(),
        "cosmology": ReadBy(get_cosmology),
        "mass_range": MASS_RANGE_KIND,
    }

    def __init__(
        self, *, exponents=1.0, evolution=0.0, cosmology="WMAP7", mass_range=MASS_RANGE
    ):
        self.exponents = exponents
        self.evolution = evolution
        self.cosmology = cosmology
        self.mass_range = mass_range

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        # Exponents are given, so they do not suit any data.
        tags.regressor_tags.poor_score = True
        return tags

    def fit(self, X, y, sample_weight=None):
        """Learn the normalization.

        Parameters
        ----------
        X : array-like of shape (n_clusters, n_observables + 1)
            Natural logarithms of the observables; the last column is the redshift.
        y : array-like of shape (n_clusters,)
            log10 of the masses.
        sample_weight : array-like of shape (n_clusters,), default=None
            Number of times that each cluster counts. None: once.
        """
        parameters = check_parameters(self)
        X, y, weight = validated(
            self,
            X,
            y,
            sample_weight,
            parameters.mass_range,
            min_samples=2,
            min_features=2,
        )
        residual = y - _shape(X, parameters)
        n_clusters = len(y) if weight is None else weight.sum()
        if not n_clusters > 1:
            raise ValueError(
                f"sample_weight sums up to {n_clusters:.4g}, but a weight is the number of "
                "times that a cluster counts, and a standard deviation needs more than 1. "
                "Multiply weights by a factor that makes their mean 1."
            )
        self.exponents_ = np.array(
            np.broadcast_to(parameters.exponents, X.shape[1] - 1)
        )
        self.evolution_ = parameters.evolution
        self.cosmology_ = parameters.cosmology
        self.intercept_ = float(np.average(residual, weights=weight))
        square = np.average((residual - self.intercept_) ** 2, weights=weight)
        self.residual_std_ = float(np.sqrt(square * n_clusters / (n_clusters - 1)))
        return self

    def predict(self, X, return_std=False):
        """Return log10 of the masses and, with `return_std`, their error [dex]."""
        check_is_fitted(self)
        check_logarithms(X)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        log_mass = self.intercept_ + _shape(X, self._parameters_of_fit())
        if not return_std:
            return log_mass
        return log_mass, np.full(len(X), self.residual_std_)

    def _parameters_of_fit(self):
        """Return the parameters, with the learned ones of models that have them.

        Models that were stored before these were learned have only the parameters.
        """
        parameters = check_parameters(self)
        for name in ("exponents", "evolution", "cosmology"):
            learned = getattr(self, f"{name}_", getattr(parameters, name))
            setattr(parameters, name, learned)
        return parameters


def _shape(X, parameters):
    """Return log10 of the masses without the normalization."""
    exponents = parameters.exponents
    if exponents.shape not in ((), (X.shape[1] - 1,)):
        raise ValueError(
            f"exponents must be one number per observable ({X.shape[1] - 1} beside the "
            f"redshift), got {exponents.size}."
        )
    log_mass = np.sum(exponents * X[:, :-1], axis=1) / np.log(10)
    redshift = X[:, -1]
    if parameters.evolution or parameters.mass_range is not None:
        subject = "the redshift, the last column of X,"
        check_plausible("redshift", redshift, subject, rows="cluster")
    if parameters.evolution:
        growth = get_cosmology(parameters.cosmology).efunc(redshift)
        log_mass = log_mass + parameters.evolution * np.log10(growth)
    return log_mass
