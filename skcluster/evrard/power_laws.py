"""Power laws with correlated scatter: their fit (Eqs. 3, 4) and inverse (Eqs. 6, 7)."""

import numpy as np

RIDGE = 1e-10
"""Fraction of each observable's variance that is added to its variance at fixed mass."""


def fit_power_laws(s, mu):
    """Fit straight lines in mu by least squares, and the covariance of their residuals.

    Parameters
    ----------
    s : ndarray of shape (n_clusters, n_observables)
    mu : ndarray of shape (n_clusters,)

    Returns
    -------
    slope, intercept : ndarray of shape (n_observables,)
    covariance : ndarray of shape (n_observables, n_observables)
        Covariance of the residuals, with N - 2 degrees of freedom.

    Examples
    --------
    >>> import numpy as np
    >>> slope, intercept, _ = fit_power_laws(np.array([[2], [5], [8]]), np.arange(3))
    >>> slope, intercept
    (array([3.]), array([2.]))
    """
    mu_mean, s_mean = mu.mean(), s.mean(axis=0)
    d_mu = mu - mu_mean
    # The mean of equal numbers may differ from them in the last digit.
    d_s = np.where(np.ptp(s, axis=0) == 0, 0.0, s - s_mean)
    slope = d_mu @ d_s / (d_mu @ d_mu)
    residual = d_s - np.outer(d_mu, slope)
    variance = d_s.var(axis=0)
    ridge = RIDGE * np.where(variance > 0, variance, 1.0)
    covariance = residual.T @ residual / (len(mu) - 2) + np.diag(ridge)
    return slope, s_mean - slope * mu_mean, covariance


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
