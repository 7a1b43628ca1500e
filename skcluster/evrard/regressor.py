"""Masses from scalar proxies that follow power laws with correlated scatter."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..parameters import Integer, Number, Quantity, Text, check_parameters
from ..plausible_masses import LN_10, MASS_RANGE, MASS_RANGE_KIND
from ..posterior import PosteriorMixin, log_prior, mass_density
from ..printable import all_of
from ..training_ranges import range_of, warn_outside
from .evolution import EVOLUTION, fit_evolving_laws, laws_at, pivot_mass_of
from .logarithms import check_logarithms, validated
from .power_laws import correlation_of, invert_power_laws, predictive_factor
from .redshift_bins import (
    BINS,
    bin_centers,
    bin_edges,
    bin_numbers,
    check_masses,
    merge_poor_bins,
    redshift_column_of,
    split_redshift,
    warn_if_few,
)


class EvrardProxyRegressor(PosteriorMixin, RegressorMixin, BaseEstimator):
    r"""Estimate masses from the logarithms of observables (paper Eqs. 3-7).

    In every redshift bin the vector :math:`s = \ln S` of observables follows
    :math:`\mu = \ln(M / M_p)` with a Gaussian scatter of covariance C,

    .. math::

        \langle s | \mu \rangle = \pi + \alpha \mu, \qquad
        C = \mathrm{cov}(s - \pi - \alpha \mu),

    fitted by least squares. Where a bin holds several redshifts,
    :math:`\pi + \pi' \ln (z / z_c)` takes the place of :math:`\pi`, with :math:`z_c` the
    median redshift of the bin. C has :math:`\nu = N - 2` degrees of freedom, and one less
    for each term of evolution. In a mass function :math:`n(\mu) \propto e^{-\beta \mu}`
    the mass given s is Gaussian, with

    .. math::

        \langle \mu | s \rangle
            = \left[ \alpha^T C^{-1} (s - \pi) - \beta \right] \sigma^2, \qquad
        \sigma^2 = (\alpha^T C^{-1} \alpha)^{-1}.

    This :math:`\sigma` is the paper's scatter, that of the clusters of the fit. Predicted
    errors and posteriors have the variance that new clusters show,

    .. math::

        \sigma^2 \, \frac{\nu}{\nu - p + 1} \, \frac{\nu - 1}{\nu - p} \, (1 + h),

    with p observables and h the leverage of the cluster's mass and redshift on the fitted
    lines; :math:`\beta` is multiplied with this variance, too. The factor, which is exact
    for Gaussian scatter and known slopes, is 1.02 with 1000 clusters and ten observables,
    but more than 3 with ten clusters and four observables. Posteriors are Gaussian; with so
    few clusters their tails are too light.

    Parameters
    ----------
    redshift_column : int or str, default=None
        Column of X that holds the redshift, by number (from the end if negative) or, where
        X is a DataFrame, by name. None: all columns are observables and there is one bin.
    redshift_bins : int or array-like of shape (n_bins + 1,), default=None
        Number of bins of equally many clusters, or the edges of the bins. None makes one
        bin per distinct redshift, which suits the snapshots of a simulation.
    evolution : {"intercept", "slope"} or None, default="intercept"
        What evolves with ln z inside a bin of several redshifts: the intercepts, these
        and the slopes, or nothing. Counts of photons fall with the square of the distance,
        which the powers of E(z) of self-similar evolution cannot follow; a free power of z
        can. A bin of one redshift is a constant either way.
    beta : float, default=0
        :math:`\beta`, steepness of the mass function of the clusters to predict.
    pivot_mass : float, default=1e14
        Pivot mass :math:`M_p` [Msun/h], which affects only `intercept_`.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass [Msun/h] that a target may have; others are refused
        with the unit that they seem to be in. None takes any target.

    Attributes
    ----------
    slope_, intercept_ : ndarray of shape (n_bins, n_observables)
        Slopes :math:`\alpha` and intercepts :math:`\pi` at the center of the bin.
    slope_evolution_, intercept_evolution_ : ndarray of shape (n_bins, n_observables)
        Their derivatives with ln z. They are 0 where nothing evolves: by `evolution`, in a
        bin of one redshift, and where clusters are too few to tell masses from redshifts.
    covariance_, correlation_ : ndarray of shape (n_bins, n_observables, n_observables)
        Covariances C, and C scaled to a unit diagonal.
    bin_scatter_ : ndarray of shape (n_bins,)
        In-sample scatter :math:`\sigma` of each bin (Eq. 7), in ln M.
    scatter_ : float
        In-sample scatter of the paper: root of the mean over the bins of
        :math:`\sigma^2`, in ln M. Few clusters make it too small.
    predictive_scatter_ : float
        Scatter to expect of new clusters with masses like those of the fit: as `scatter_`,
        but with the variance of predicted errors.
    redshift_edges_ : ndarray of shape (n_bins + 1,)
        Edges of half-open bins; redshifts outside belong to the first or the last bin.
    redshift_centers_ : ndarray of shape (n_bins,)
        Median redshift of the bins; NaN without `redshift_column`.
    n_clusters_, n_dof_ : ndarray of shape (n_bins,)
        Number of clusters that each bin was fitted to (sum of their weights), and degrees
        of freedom :math:`\nu`.
    unscaled_covariance_ : ndarray of shape (n_bins, 4, 4)
        :math:`(X^T W X)^{-1}` of the columns :math:`1, \mu, t, \mu t` with
        :math:`t = \ln (z / z_c)`, 0 for terms that are not fitted. Times
        :math:`C_{ii}` it is the covariance of the coefficients of observable i.
    log_mass_range_ : ndarray of shape (n_bins, 2)
        Smallest and largest log10 mass of these clusters [Msun/h].
    mass_density_ : ndarray of shape (2, 256)
        Smoothed distribution of the training masses (see `posterior.mass_density`). The
        prior of the posteriors is not this, but :math:`e^{-\beta \mu}`.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest log10 mass, redshift and observables of the training clusters.
    pivot_mass_, redshift_column_ : float, and int, str or None
        Pivot mass [Msun/h] and redshift column of the fit, which predictions use.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it has names.

    Notes
    -----
    The printed Eq. 7 lacks the inverse of C.

    With weights, a cluster of weight 2 counts like two equal clusters:

    .. math::

        \alpha = \frac{\sum w \, (\mu - \bar\mu)(s - \bar s)}
                      {\sum w \, (\mu - \bar\mu)^2}, \qquad
        \pi = \bar s - \alpha \bar\mu, \qquad
        C = \frac{1}{\nu} \sum w \, (s - \pi - \alpha \mu)(s - \pi - \alpha \mu)^T,

    with weighted means :math:`\bar\mu, \bar s` and :math:`\nu = \sum w - 2` (less the terms
    of evolution). Weights that only compare clusters, such as those that flatten a mass
    function, should therefore have a mean of 1.

    A bin with fewer than n_observables + 2 clusters, or with only one mass, is merged
    into its nearest neighbor, with a warning. With fewer than ten clusters per parameter
    (each observable, the intercept and each term of evolution) `fit` warns that `scatter_`
    is too small.

    A part of 1e-10 of each observable's variance is added to the diagonal of C. Collinear
    observables therefore count once, an observable without scatter gives a scatter of 1e-5
    of the spread in mass instead of 0, and a new observable never raises the scatter.

    References
    ----------
    Evrard, Arnault, Huterer & Farahi (2014), MNRAS 441, 3562.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.evrard import EvrardProxyRegressor
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, size=1000)
    >>> ln_s = np.log(10) * log_mass[:, None] + rng.normal(scale=[0.3, 0.4], size=(1000, 2))
    >>> model = EvrardProxyRegressor().fit(ln_s, log_mass)
    >>> model.slope_.round(1)
    array([[1., 1.]])
    >>> round(model.scatter_, 2)  # 1 / sqrt(1 / 0.3**2 + 1 / 0.4**2)
    0.24
    >>> mass, error = model.predict(ln_s[:1], return_std=True)
    >>> bool(abs(mass[0] - log_mass[0]) < 3 * error[0])
    True
    """

    _parameter_kinds = {
        "redshift_column": Integer() | Text() | None,
        "redshift_bins": BINS,
        "evolution": EVOLUTION,
        "beta": Number(),
        "pivot_mass": Quantity("pivot_mass"),
        "mass_range": MASS_RANGE_KIND,
    }

    def __init__(
        self,
        *,
        redshift_column=None,
        redshift_bins=None,
        evolution="intercept",
        beta=0.0,
        pivot_mass=1e14,
        mass_range=MASS_RANGE,
    ):
        self.redshift_column = redshift_column
        self.redshift_bins = redshift_bins
        self.evolution = evolution
        self.beta = beta
        self.pivot_mass = pivot_mass
        self.mass_range = mass_range

    def fit(self, X, y, sample_weight=None):
        """Learn the power laws and their scatter.

        Parameters
        ----------
        X : array-like of shape (n_clusters, n_features)
            Natural logarithms of the observables, and the redshift column.
        y : array-like of shape (n_clusters,)
            log10 of the masses [Msun/h].
        sample_weight : array-like of shape (n_clusters,), default=None
            Number of times that each cluster counts, :math:`w` in the notes. None: once.

        Returns
        -------
        self : EvrardProxyRegressor
        """
        parameters = self._checked_parameters()
        X, y, weight = validated(
            self,
            X,
            y,
            sample_weight,
            parameters.mass_range,
            min_samples=3,
            min_features=1 if parameters.redshift_column is None else 2,
        )
        if weight is not None and not weight.all():
            X, y, weight = (each[weight > 0] for each in (X, y, weight))
        s, redshift = self._split(X, parameters.redshift_column)
        self.redshift_column_ = parameters.redshift_column
        n_needed = s.shape[1] + 2
        check_masses(y, n_needed, weight)
        edges = np.array([-np.inf, np.inf])
        if parameters.redshift_column is not None:
            edges = bin_edges(redshift, parameters.redshift_bins, n_needed, weight)
            edges = merge_poor_bins(edges, redshift, y, n_needed, weight)
        self.redshift_edges_ = edges
        self.redshift_centers_ = bin_centers(redshift, edges, weight)
        self._fit_bins(s, redshift, y, weight, parameters)
        self.mass_density_ = mass_density(y, weight)
        self.training_ranges_ = self._ranges(s, redshift, y)
        return self

    def _fit_bins(self, s, redshift, y, weight, parameters):
        self.pivot_mass_ = parameters.pivot_mass
        mu = LN_10 * (y - np.log10(self.pivot_mass_))
        b = bin_numbers(redshift, self.redshift_edges_)
        members = [b == i for i in range(len(self.redshift_edges_) - 1)]
        weights = [None if weight is None else weight[rows] for rows in members]
        laws = [
            fit_evolving_laws(
                s[rows], mu[rows], redshift[rows], center, parameters.evolution, w
            )
            for rows, center, w in zip(
                members, self.redshift_centers_, weights, strict=True
            )
        ]
        share = np.ones(len(y), int) if weight is None else weight
        self.n_clusters_ = np.array([share[rows].sum() for rows in members])
        self.n_dof_ = np.array([law.n_dof for law in laws])
        self.log_mass_range_ = np.array(
            [[y[rows].min(), y[rows].max()] for rows in members]
        )
        self.slope_ = np.array([law.slope for law in laws])
        self.intercept_ = np.array([law.intercept for law in laws])
        self.intercept_evolution_ = np.array([law.evolution[0] for law in laws])
        self.slope_evolution_ = np.array([law.evolution[1] for law in laws])
        self.covariance_ = np.array([law.covariance for law in laws])
        self.unscaled_covariance_ = np.array([law.unscaled for law in laws])
        self.correlation_, _ = correlation_of(self.covariance_)
        self._learn_scatter()
        warn_if_few(self)

    def _learn_scatter(self):
        _, variance = invert_power_laws(self.slope_, self.covariance_)
        if np.isinf(variance).any():
            raise ValueError(
                f"{all_of(self.slope_.shape[1], 'observable is', 'observables are')} "
                "constant in "
                f"{np.isinf(variance).sum()} of {len(variance)} redshift bins, so they "
                "say nothing about the mass. Give others, or wider redshift_bins."
            )
        self.bin_scatter_ = np.sqrt(variance)
        self.scatter_ = float(np.sqrt(variance.mean()))
        variance = variance * predictive_factor(self.n_dof_, self.slope_.shape[1])
        # Mean of 1 + h over new clusters, for regressors that are drawn from a Gaussian.
        n, n_regressors = self.n_clusters_, self.n_clusters_ - self.n_dof_ - 1
        with np.errstate(divide="ignore"):
            variance = variance * (n + 1) / n * (n - 2) / (n - n_regressors - 2)
        self.predictive_scatter_ = float(np.sqrt(variance.mean()))

    def predict(self, X, return_std=False):
        """Return the mean mass given the observables, and its error.

        Parameters
        ----------
        X : array-like of shape (n_clusters, n_features)
            Columns as in `fit`. A redshift between or outside of the bins takes the nearest
            bin, with its evolution. Redshifts and observables far outside of the training
            range come with a warning.
        return_std : bool, default=False
            Whether to return the standard deviation, too.

        Returns
        -------
        log_mass : ndarray of shape (n_clusters,)
            log10 of the masses [Msun/h].
        std : ndarray of shape (n_clusters,)
            Root of the expected squared error of log10 of the masses [dex]; only with
            `return_std`. It is infinite in bins of n_observables + 2 clusters, which
            have no degree of freedom to spare.
        """
        check_is_fitted(self)
        parameters = self._checked_parameters()
        check_logarithms(X)
        X = validate_data(self, X, dtype=np.float64, reset=False)
        s, redshift = self._split(X, redshift_column_of(self))
        ranges = {**self.training_ranges_}
        if not (self.intercept_evolution_.any() or self.slope_evolution_.any()):
            # Within a bin the same law holds at each redshift, as whoever gave it says.
            ranges["redshift"] = self.redshift_edges_[[0, -1]]
        values = {"redshift": redshift, **_by_name(s)}
        warn_outside(values, ranges, by="EvrardProxyRegressor")
        slope, intercept, t, b = laws_at(self, redshift)
        weight, variance = self._inverse(slope, b)
        mu = np.sum(weight * (s - intercept), axis=1) * variance
        factor = predictive_factor(self.n_dof_, s.shape[1])[b]
        predictive = variance * factor * (1 + self._leverage(mu, t, b))
        if parameters.beta:
            mu = mu - parameters.beta * np.where(
                np.isinf(predictive), variance, predictive
            )
        log_mass = mu / LN_10 + np.log10(pivot_mass_of(self))
        return (log_mass, np.sqrt(predictive) / LN_10) if return_std else log_mass

    def _inverse(self, slope, b):
        """Return weights and variances of clusters with these slopes in bins b."""
        if self.slope_evolution_.any():
            return invert_power_laws(slope, self.covariance_[b])
        weight, variance = invert_power_laws(self.slope_, self.covariance_)
        return weight[b], variance[b]

    def _leverage(self, mu, t, b):
        """Return the variance of the fitted lines at mu, in units of the scatter's."""
        columns = np.column_stack([np.ones_like(mu), mu, t, mu * t])
        return np.einsum("ni,nij,nj->n", columns, self.unscaled_covariance_[b], columns)

    def _ranges(self, s, redshift, y):
        ranges = {"log_mass": range_of(y)}
        if self.redshift_column_ is not None:
            ranges["redshift"] = range_of(redshift)
        return ranges | {name: range_of(each) for name, each in _by_name(s).items()}

    def _components(self, X):
        mean, std = self.predict(X, return_std=True)
        if np.isinf(std).any():
            raise ValueError(
                f"{np.isinf(std).sum()} of {len(std)} clusters are in redshift bins that "
                f"have no more clusters than {self.slope_.shape[1]} observables need, "
                "so their errors are unbounded. Fit to more clusters or fewer "
                "observables, or give wider redshift_bins."
            )
        return mean, std

    def _log_prior(self):
        return log_prior(self.beta)

    def _checked_parameters(self):
        parameters = check_parameters(self)
        if parameters.redshift_column is None and parameters.redshift_bins is not None:
            raise ValueError(
                f"redshift_bins={self.redshift_bins!r} needs redshift_column, which is "
                "None: say which column of X holds the redshift."
            )
        return parameters

    def _split(self, X, column):
        """Return observables and redshifts, which are NaN without a redshift column."""
        return split_redshift(X, column, getattr(self, "feature_names_in_", []))


def _by_name(s):
    return {f"ln S, {i}": each for i, each in enumerate(s.T)}
