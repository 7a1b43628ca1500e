"""Power laws with correlated scatter: their fit (Eqs. 3, 4) and inverse (Eqs. 6, 7)."""

from typing import NamedTuple

import numpy as np

RIDGE = 1e-10
"""Fraction of each observable's variance that is added to its variance at fixed mass."""


class PowerLaws(NamedTuple):
    """Straight lines that were fitted to a bin by `fit_power_laws`.

    Attributes
    ----------
    slope, intercept : ndarray of shape (n_observables,)
    evolution : ndarray of shape (n_terms, n_observables)
        Coefficients of the further terms.
    covariance : ndarray of shape (n_observables, n_observables)
        Covariance of the residuals.
    unscaled : ndarray of shape (2 + n_terms, 2 + n_terms)
        :math:`(X^T W X)^{-1}` of the columns 1, mu and the terms: times a variance of the
        residuals, the covariance of that observable's coefficients.
    n_dof : int or float
        Degrees of freedom, N - 2 - n_terms, where N is the sum of the weights.
    """

    slope: np.ndarray
    intercept: np.ndarray
    evolution: np.ndarray
    covariance: np.ndarray
    unscaled: np.ndarray
    n_dof: float


def fit_power_laws(s, mu, terms=None, weight=None):
    r"""Fit straight lines in mu by least squares, and the covariance of their residuals.

    Further terms are projected out of mu and s first, which leaves the slope and the
    residuals of the joint fit (Frisch, Waugh & Lovell).

    Parameters
    ----------
    s : ndarray of shape (n_clusters, n_observables)
    mu : ndarray of shape (n_clusters,)
    terms : ndarray of shape (n_clusters, n_terms), default=None
        Further terms of the lines. None: there are none.
    weight : ndarray of shape (n_clusters,), default=None
        Number of times that each cluster counts, more than 0. None: once.

    Returns
    -------
    laws : PowerLaws

    Examples
    --------
    >>> import numpy as np
    >>> laws = fit_power_laws(np.array([[2], [5], [8]]), np.arange(3))
    >>> laws.slope, laws.intercept
    (array([3.]), array([2.]))
    """
    n = len(mu)
    terms = np.zeros((n, 0)) if terms is None else terms
    columns = np.column_stack([np.ones(n), mu, terms])
    if weight is None:
        mu_mean, s_mean, terms_mean = mu.mean(), s.mean(axis=0), terms.mean(axis=0)
    else:
        share = weight / weight.sum()
        mu_mean, s_mean, terms_mean = share @ mu, share @ s, share @ terms
    d_mu, d_terms = mu - mu_mean, terms - terms_mean
    # The mean of equal numbers may differ from them in the last digit.
    d_s = np.where(np.ptp(s, axis=0) == 0, 0.0, s - s_mean)
    variance = d_s.var(axis=0)
    if weight is not None:
        # Sums of products become weighted sums.
        n, root = weight.sum(), np.sqrt(weight)
        d_mu, d_s, d_terms = d_mu * root, d_s * root[:, None], d_terms * root[:, None]
        columns = columns * root[:, None]
        variance = np.sum(d_s**2, axis=0) / n
    mu_by_terms, s_by_terms = np.zeros(0), np.zeros((0, s.shape[1]))
    if terms.shape[1]:
        mu_by_terms, *_ = np.linalg.lstsq(d_terms, d_mu)
        s_by_terms, *_ = np.linalg.lstsq(d_terms, d_s)
        d_mu, d_s = d_mu - d_terms @ mu_by_terms, d_s - d_terms @ s_by_terms
    slope = d_mu @ d_s / (d_mu @ d_mu)
    residual = d_s - np.outer(d_mu, slope)
    evolution = s_by_terms - np.outer(mu_by_terms, slope)
    ridge = RIDGE * np.where(variance > 0, variance, 1.0)
    n_dof = n - 2 - terms.shape[1]
    return PowerLaws(
        slope,
        s_mean - slope * mu_mean - terms_mean @ evolution,
        evolution,
        residual.T @ residual / n_dof + np.diag(ridge),
        np.linalg.pinv(columns.T @ columns, hermitian=True),
        n_dof,
    )


def invert_power_laws(slope, covariance):
    r"""Weights of observables in the estimate of mu, and its variance, for many power laws.

    Parameters
    ----------
    slope : ndarray of shape (..., n_observables)
    covariance : ndarray of shape (..., n_observables, n_observables)

    Returns
    -------
    weight : ndarray of shape (..., n_observables)
        :math:`C^{-1} \alpha`.
    variance : ndarray of shape (...)
        :math:`(\alpha^T C^{-1} \alpha)^{-1}`, infinite if all slopes are zero.

    Examples
    --------
    >>> import numpy as np
    >>> weight, variance = invert_power_laws(np.array([1.0, 2.0]), np.diag([1.0, 4.0]))
    >>> weight, float(variance)
    (array([1. , 0.5]), 0.5)
    """
    correlation, deviation = correlation_of(covariance)
    a = (slope / deviation)[..., None]
    root = np.linalg.cholesky(correlation)
    half = np.linalg.solve(root, a)
    weight = np.linalg.solve(np.swapaxes(root, -1, -2), half)[..., 0] / deviation
    # As a sum of squares, it can only grow with another observable.
    information = np.sum(half[..., 0] ** 2, axis=-1)
    with np.errstate(divide="ignore"):
        return weight, 1 / information


def predictive_factor(dof, n_observables):
    r"""Ratio of the mean squared error of new masses to the variance of Eq. 7.

    Eq. 7 with a covariance that was estimated with :math:`\nu` degrees of freedom is too
    small, and the weights of the p observables are not the best ones. For a covariance
    that follows Wishart's distribution, both together make

    .. math::

        f = \frac{\nu}{\nu - p + 1} \, \frac{\nu - 1}{\nu - p},

    as in a linear regression on the p - 1 contrasts of the observables that do not depend
    on the mass.

    Parameters
    ----------
    dof : ndarray of int
        Degrees of freedom :math:`\nu`.
    n_observables : int

    Returns
    -------
    factor : ndarray
        Infinite where the degrees of freedom are as many as the observables, unless there
        is only one.

    Examples
    --------
    >>> import numpy as np
    >>> predictive_factor(np.array([4, 8, 1000]), 4).round(3)
    array([  inf, 2.8  , 1.006])
    """
    p = n_observables
    if p == 1:  # There are no contrasts, and no weights to get wrong.
        return np.ones(np.shape(dof))
    with np.errstate(divide="ignore"):
        return dof / (dof - p + 1) * ((dof - 1) / (dof - p))


def correlation_of(covariance):
    """Correlation matrices and standard deviations of a stack of covariances.

    Examples
    --------
    >>> import numpy as np
    >>> correlation_of(np.array([[4.0, 1.0], [1.0, 1.0]]))
    (array([[1. , 0.5],
           [0.5, 1. ]]), array([2., 1.]))
    """
    deviation = np.sqrt(np.diagonal(covariance, axis1=-2, axis2=-1))
    scale = deviation[..., :, None] * deviation[..., None, :]
    return covariance / scale, deviation
