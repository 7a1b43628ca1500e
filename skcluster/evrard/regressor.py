"""Masses from scalar proxies that follow power laws with correlated scatter."""

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..parameters import Integer, Number, Quantity, Text, check_parameters
from ..plausible_masses import MASS_RANGE, MASS_RANGE_KIND, checked_log_mass
from ..posterior import PosteriorMixin, log_prior, mass_density
from ..training_ranges import range_of, warn_outside
from .power_laws import correlation_of, fit_power_laws, invert_power_laws
from .redshift_bins import (
    BINS,
    MASS_SPREAD,
    bin_centers,
    bin_edges,
    bin_numbers,
    merge_poor_bins,
)

LN_10 = np.log(10)


class EvrardProxyRegressor(PosteriorMixin, RegressorMixin, BaseEstimator):
    r"""Estimate masses from the logarithms of observables (paper Eqs. 3-7).

    In every redshift bin the vector :math:`s = \ln S` of observables follows
    :math:`\mu = \ln(M / M_p)` with a Gaussian scatter of covariance C,

    .. math::

        \langle s | \mu \rangle = \pi + \alpha \mu, \qquad
        C = \mathrm{cov}(s - \pi - \alpha \mu),

    fitted by least squares (C with N - 2 degrees of freedom). In a mass function
    :math:`n(\mu) \propto e^{-\beta \mu}` the mass given s is Gaussian, with

    .. math::

        \langle \mu | s \rangle
            = \left[ \alpha^T C^{-1} (s - \pi) - \beta \right] \sigma^2, \qquad
        \sigma^2 = (\alpha^T C^{-1} \alpha)^{-1}.

    Parameters
    ----------
    redshift_column : int or str, default=None
        Column of X that holds the redshift, by number (from the end if negative) or, where
        X is a DataFrame, by name. None: all columns are observables and there is one bin.
    redshift_bins : int or array-like of shape (n_bins + 1,), default=None
        Number of bins of equally many clusters, or the edges of the bins. None makes one
        bin per distinct redshift, which suits the snapshots of a simulation.
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
        Slopes :math:`\alpha` and intercepts :math:`\pi`.
    covariance_, correlation_ : ndarray of shape (n_bins, n_observables, n_observables)
        Covariances C, and C scaled to a unit diagonal.
    bin_scatter_ : ndarray of shape (n_bins,)
        Scatter :math:`\sigma` of each bin, in ln M.
    scatter_ : float
        Root of the mean over the bins of :math:`\sigma^2`, in ln M.
    redshift_edges_ : ndarray of shape (n_bins + 1,)
        Edges of half-open bins; redshifts outside belong to the first or the last bin.
    redshift_centers_ : ndarray of shape (n_bins,)
        Median redshift of the bins; NaN without `redshift_column`.
    n_clusters_ : ndarray of shape (n_bins,)
        Number of clusters that each bin was fitted to.
    log_mass_range_ : ndarray of shape (n_bins, 2)
        Smallest and largest log10 mass of these clusters [Msun/h].
    mass_density_ : ndarray of shape (2, 256)
        Smoothed distribution of the training masses (see `posterior.mass_density`). The
        prior of the posteriors is not this, but :math:`e^{-\beta \mu}`.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest log10 mass, redshift and observables of the training clusters.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features,)
        Names of the columns of X, if it has names.

    Notes
    -----
    The printed Eq. 7 lacks the inverse of C.

    A bin with fewer than n_observables + 2 clusters, or with only one mass, is merged
    into its nearest neighbor, with a warning.

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
        "beta": Number(),
        "pivot_mass": Quantity("pivot_mass"),
        "mass_range": MASS_RANGE_KIND,
    }

    def __init__(
        self,
        *,
        redshift_column=None,
        redshift_bins=None,
        beta=0.0,
        pivot_mass=1e14,
        mass_range=MASS_RANGE,
    ):
        self.redshift_column = redshift_column
        self.redshift_bins = redshift_bins
        self.beta = beta
        self.pivot_mass = pivot_mass
        self.mass_range = mass_range

    def fit(self, X, y):
        """Learn the power laws and their scatter.

        Parameters
        ----------
        X : array-like of shape (n_clusters, n_features)
            Natural logarithms of the observables, and the redshift column.
        y : array-like of shape (n_clusters,)
            log10 of the masses [Msun/h].

        Returns
        -------
        self : EvrardProxyRegressor
        """
        parameters = self._checked_parameters()
        if y is not None:
            y = checked_log_mass(
                y, by=type(self).__name__, mass_range=parameters.mass_range
            )
        X, y = validate_data(
            self,
            X,
            y,
            dtype=np.float64,
            y_numeric=True,
            ensure_min_samples=3,
            ensure_min_features=1 if parameters.redshift_column is None else 2,
        )
        s, redshift = self._split(X)
        n_needed = s.shape[1] + 2
        _check_masses(y, n_needed)
        edges = np.array([-np.inf, np.inf])
        if parameters.redshift_column is not None:
            edges = bin_edges(redshift, parameters.redshift_bins, n_needed)
            edges = merge_poor_bins(edges, redshift, y, n_needed)
        self.redshift_edges_ = edges
        self.redshift_centers_ = bin_centers(redshift, edges)

        mu = LN_10 * (y - np.log10(parameters.pivot_mass))
        b = bin_numbers(redshift, edges)
        members = [b == i for i in range(len(edges) - 1)]
        laws = [fit_power_laws(s[rows], mu[rows]) for rows in members]
        slope, intercept, covariance = zip(*laws, strict=True)
        self.n_clusters_ = np.array([rows.sum() for rows in members])
        self.log_mass_range_ = np.array(
            [[y[rows].min(), y[rows].max()] for rows in members]
        )
        self.slope_, self.intercept_ = np.array(slope), np.array(intercept)
        self.covariance_ = np.array(covariance)
        self.correlation_, _ = correlation_of(self.covariance_)
        _, variance = invert_power_laws(self.slope_, self.covariance_)
        if np.isinf(variance).any():
            raise ValueError(
                f"All {s.shape[1]} observables are constant in "
                f"{np.isinf(variance).sum()} of {len(variance)} redshift bins, so they "
                "say nothing about the mass. Give others, or wider redshift_bins."
            )
        self.bin_scatter_ = np.sqrt(variance)
        self.scatter_ = float(np.sqrt(variance.mean()))
        self.mass_density_ = mass_density(y)
        self.training_ranges_ = self._ranges(s, redshift, y)
        return self

    def predict(self, X, return_std=False):
        """Return the mean mass given the observables, and its error.

        Parameters
        ----------
        X : array-like of shape (n_clusters, n_features)
            Columns as in `fit`. A redshift between or outside of the bins takes the nearest
            bin. Redshifts and observables far outside of the training range come with a
            warning.
        return_std : bool, default=False
            Whether to return the standard deviation, too.

        Returns
        -------
        log_mass : ndarray of shape (n_clusters,)
            log10 of the masses [Msun/h].
        std : ndarray of shape (n_clusters,)
            Standard deviation of log10 of the masses [dex]; only with `return_std`.
        """
        check_is_fitted(self)
        parameters = self._checked_parameters()
        X = validate_data(self, X, dtype=np.float64, reset=False)
        s, redshift = self._split(X)
        ranges = {**self.training_ranges_, "redshift": self.redshift_edges_[[0, -1]]}
        values = {"redshift": redshift, **_by_name(s)}
        warn_outside(values, ranges, by="EvrardProxyRegressor")
        b = bin_numbers(redshift, self.redshift_edges_)
        weight, variance = invert_power_laws(self.slope_, self.covariance_)
        information = np.sum(weight[b] * (s - self.intercept_[b]), axis=1)
        mu = (information - parameters.beta) * variance[b]
        log_mass = mu / LN_10 + np.log10(parameters.pivot_mass)
        return (log_mass, np.sqrt(variance[b]) / LN_10) if return_std else log_mass

    def _ranges(self, s, redshift, y):
        ranges = {"log_mass": range_of(y)}
        if self.redshift_column is not None:
            ranges["redshift"] = range_of(redshift)
        return ranges | {name: range_of(each) for name, each in _by_name(s).items()}

    def _components(self, X):
        return self.predict(X, return_std=True)

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

    def _split(self, X):
        """Return observables and redshifts, which are NaN without a redshift column."""
        column, n_columns = self.redshift_column, X.shape[1]
        if column is None:
            return X, np.full(len(X), np.nan)
        if isinstance(column, str):
            names = list(getattr(self, "feature_names_in_", []))
            if column not in names:
                raise ValueError(
                    f"redshift_column={column!r} is not a column of X, which has "
                    f"{names or 'no column names'}."
                )
            column = names.index(column)
        if not -n_columns <= column < n_columns:
            raise ValueError(
                f"redshift_column={column} is out of range: X has {n_columns} columns."
            )
        return np.delete(X, column, axis=1), X[:, column]


def _by_name(s):
    return {f"ln S, {i}": each for i, each in enumerate(s.T)}


def _check_masses(log_mass, n_needed):
    if len(log_mass) < n_needed:
        raise ValueError(
            f"{len(log_mass)} clusters are too few for {n_needed - 2} observables, whose "
            f"covariance needs at least {n_needed}. Give more clusters, or fewer "
            "observables."
        )
    if np.ptp(log_mass) < MASS_SPREAD:
        raise ValueError(
            f"y is constant: the log10 mass of all {len(log_mass)} clusters is "
            f"{log_mass[0]:g}, so no slope can be fitted. Give clusters of different "
            "masses."
        )
