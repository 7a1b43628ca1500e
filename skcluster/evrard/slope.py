"""Slope of an observable with mass, where only a proxy of the mass is known."""

import numpy as np

from .redshift_bins import bin_numbers


def infer_slope(
    ln_s, ln_proxy, covariance, *, names, redshift=None, ignore_correlation=False
):
    r"""Measure the slope of an observable with mass in a survey without true masses.

    Let :math:`\mu`, the unknown ln M of the clusters, have the variance V. An observable s
    and a mass proxy m, such as a network's mass, then have the moments

    .. math::

        \mathrm{var}(m) = \alpha_m^2 V + \sigma_m^2, \qquad
        \mathrm{cov}(s, m) = \alpha_s \alpha_m V + \rho \, \sigma_s \sigma_m,

    so that, if a calibration gives :math:`\alpha_m` and :math:`\sigma_m` of the proxy and
    the covariance :math:`\rho \sigma_s \sigma_m` of the residuals,

    .. math::

        \alpha_s = \frac{\sum_b n_b \, [\mathrm{cov}_b(s, m) - \rho \sigma_s \sigma_m]
                         / \alpha_m}
                        {\sum_b n_b \, [\mathrm{var}_b(m) - \sigma_m^2] / \alpha_m^2},

    summed over redshift bins b of :math:`n_b + 1` clusters. With :math:`\rho = 0` instead,
    the slope is off by :math:`\rho \, \sigma_s \sigma_m / (\alpha_m V)`: the narrower the
    range of masses, the more, and more clusters do not help.

    Parameters
    ----------
    ln_s, ln_proxy : array-like of shape (n_clusters,)
        Natural logarithms of the observable and of the mass proxy, in the units of the
        calibration.
    covariance : astropy.table.Table
        Calibration, as `proxy_covariance` returns it.
    names : (str, str)
        Names of the observable and of the proxy in `covariance`. The observable's own
        slope there is not used.
    redshift : array-like of shape (n_clusters,), default=None
        Redshifts of the clusters, needed where `covariance` has several bins. A cluster
        takes the nearest bin.
    ignore_correlation : bool, default=False
        Whether to take :math:`\rho` as 0, to see what that does.

    Returns
    -------
    slope : float
        Slope with ln M. If it differs between bins, their mean weighted by
        :math:`n_b V_b`.
    error : float
        Standard error from the clusters of the survey, without that of the calibration.

    References
    ----------
    Evrard, Arnault, Huterer & Farahi (2014), MNRAS 441, 3562.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import EvrardProxyRegressor, infer_slope, proxy_covariance
    >>> rng = np.random.default_rng(0)
    >>> mu = rng.normal(0, 0.7, size=(2, 4000, 1))
    >>> noise = rng.multivariate_normal([0, 0], [[0.16, 0.06], [0.06, 0.04]], (2, 4000))
    >>> known, survey = mu * [1.5, 1.0] + noise
    >>> model = EvrardProxyRegressor().fit(known, 14 + mu[0, :, 0] / np.log(10))
    >>> table = proxy_covariance(model, names=["L_X", "network"])
    >>> slope, error = infer_slope(*survey.T, table, names=["L_X", "network"])
    >>> bool(abs(slope - 1.5) < 0.04)
    True
    >>> biased, _ = infer_slope(
    ...     *survey.T, table, names=["L_X", "network"], ignore_correlation=True
    ... )
    >>> bool(abs(biased - 1.5 - 0.06 / 0.7**2) < 0.04)
    True
    """
    s, m = (np.asarray(column, float) for column in (ln_s, ln_proxy))
    i, j = _columns(covariance, names)
    b = _bins_of(covariance, redshift, s, m)
    a = covariance["slope"][b, j]
    variance_m = covariance["covariance"][b, j, j]
    cov = np.zeros(len(b)) if ignore_correlation else covariance["covariance"][b, i, j]
    d_s, d_m, dof = _within_bins(s, b), _within_bins(m, b), _degrees_of_freedom(b)
    s_mu = (d_s * d_m - cov * dof) / a
    mu_mu = (d_m**2 - variance_m * dof) / a**2
    if not mu_mu.sum() > 0:
        raise ValueError(
            f"The variance of {names[1]!r} within the redshift bins is not larger than "
            "its scatter at fixed mass in the calibration, so no spread of masses is left "
            "to measure a slope with. Give clusters over a wider range of masses, or a "
            "calibration of this survey's proxy."
        )
    slope = s_mu.sum() / mu_mu.sum()
    error = np.sqrt(np.sum((s_mu - slope * mu_mu) ** 2)) / mu_mu.sum()
    return float(slope), float(error)


def _within_bins(values, b):
    """Subtract the mean of each bin."""
    n = np.maximum(np.bincount(b), 1)
    return values - (np.bincount(b, values) / n)[b]


def _degrees_of_freedom(b):
    """Share of each cluster in the n - 1 degrees of freedom of its bin."""
    n = np.bincount(b)[b]
    return (n - 1) / n


def _columns(covariance, names):
    known = covariance.meta["names"]
    missing = [name for name in names if name not in known]
    if missing or len(set(names)) != 2:
        raise ValueError(
            f"names must be two different names out of {known}, got {list(names)}."
        )
    return [known.index(name) for name in names]


def _bins_of(covariance, redshift, s, m):
    """Row of the covariance table for each cluster."""
    if s.ndim != 1 or s.shape != m.shape:
        raise ValueError(
            "ln_s and ln_proxy must have one number per cluster, got the shapes "
            f"{s.shape} and {m.shape}."
        )
    wrong = np.flatnonzero(~(np.isfinite(s) & np.isfinite(m)))
    if len(wrong):
        raise ValueError(
            f"ln_s or ln_proxy is NaN or infinite for {len(wrong)} of {len(s)} clusters "
            f"(first: cluster {wrong[0]}). Leave these clusters out."
        )
    if redshift is None and len(covariance) == 1:
        return np.zeros(len(s), int)
    if np.shape(redshift) != s.shape:
        raise ValueError(
            f"The covariance has {len(covariance)} redshift bins, so redshift must have "
            f"one number for each of {len(s)} clusters, got the shape "
            f"{np.shape(redshift)}."
        )
    low, high = covariance["redshift_low"], covariance["redshift_high"]
    return bin_numbers(np.asarray(redshift), np.array([*low, high[-1]]))
