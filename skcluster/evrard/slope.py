"""Slope of an observable with mass, where only a proxy of the mass is known."""

import numpy as np

from ..plausible_masses import LN_10, MASS_RANGE
from ..sample.plain_arrays import as_numbers
from ..sample.units import check_plausible
from .covariance import check_bins
from .evolution import log_redshift_ratio
from .logarithms import refuse_unit
from .redshift_bins import bin_numbers

LEAST_SLOPE = 0.1
"""Slope with ln M below which an observable says too little of masses to check its unit."""
NEAR_PIVOT = 1.0
"""Distance [dex] from the pivot mass within which a guess at the unit must lead."""


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

    summed over redshift bins b of :math:`n_b + 1` clusters. Where the calibration evolves
    inside its bins, trends with ln z are removed first. With :math:`\rho = 0` instead,
    the slope is off by :math:`\rho \, \sigma_s \sigma_m / (\alpha_m V)`: the narrower the
    range of masses, the more, and more clusters do not help.

    Parameters
    ----------
    ln_s, ln_proxy : array-like of shape (n_clusters,)
        Natural logarithms of the observable and of the mass proxy, in the units of the
        calibration. They are refused if the calibration turns their median into a mass that
        no cluster has, as it does for most logarithms to base 10 and other units.
    covariance : astropy.table.Table
        Calibration, as `proxy_covariance` returns it.
    names : (str, str)
        Names of the observable and of the proxy in `covariance`. The observable's own
        slope there is only used to check its unit.
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
        Standard error from the clusters of the survey and from those of the calibration,
        by linear propagation. The two sets are taken to have no clusters in common.

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
    i, j = _columns(covariance, names)
    s, m = _numbers("ln_s", ln_s), _numbers("ln_proxy", ln_proxy)
    b, t = _bins_of(covariance, redshift, s, m)
    _check_unit("ln_s", s, covariance, i, b, t)
    _check_unit("ln_proxy", m, covariance, j, b, t)
    a, C = covariance["slope"][b, j], covariance["covariance"][b]
    m, ratio = _at_the_centers(m, covariance, j, b, t)
    d_s, d_m = _without_trend(s, b, t), _without_trend(m, b, t)
    dof = _degrees_of_freedom(b, t)
    cov = np.zeros(len(b)) if ignore_correlation else C[:, i, j] * ratio
    s_mu = (d_s * d_m - cov * dof) / a
    mu_mu = (d_m**2 - C[:, j, j] * ratio**2 * dof) / a**2
    if not mu_mu.sum() > 0:
        raise ValueError(
            f"The variance of {names[1]!r} within the redshift bins is not larger than "
            "its scatter at fixed mass in the calibration, so no spread of masses is left "
            "to measure a slope with. Give clusters over a wider range of masses, or a "
            "calibration of this survey's proxy. (Is ln_proxy a natural logarithm?)"
        )
    slope = s_mu.sum() / mu_mu.sum()
    by_survey = np.sum((s_mu - slope * mu_mu) ** 2)
    n_bins = len(covariance)
    by_calibration = _variance_by_calibration(
        covariance,
        (i, j),
        d_slope=np.bincount(b, (2 * slope * mu_mu - s_mu) / a, n_bins),
        d_covariance=np.bincount(b, -dof * ratio / a, n_bins)
        * (not ignore_correlation),
        d_variance=np.bincount(b, slope * dof * ratio**2 / a**2, n_bins),
    )
    return float(slope), float(np.sqrt(by_survey + by_calibration) / mu_mu.sum())


def _variance_by_calibration(covariance, columns, *, d_slope, d_covariance, d_variance):
    """Variance of a number whose derivatives with the calibration of each bin are given.

    The covariance of the residuals follows Wishart's distribution, independent of the
    slope.
    """
    i, j = columns
    C, n_dof = covariance["covariance"], covariance["n_dof"]
    c_ii, c_ij, c_jj = C[:, i, i], C[:, i, j], C[:, j, j]
    by_residuals = (
        d_covariance**2 * (c_ii * c_jj + c_ij**2)
        + 4 * d_covariance * d_variance * c_ij * c_jj
        + 2 * d_variance**2 * c_jj**2
    ) / n_dof
    return np.sum(by_residuals + (d_slope * covariance["slope_error"][:, j]) ** 2)


def _at_the_centers(m, covariance, j, b, t):
    """Return the proxy at the centers of the bins, and the factor of its scatter there."""
    evolution = covariance["slope_evolution"][b, j]
    if not evolution.any():
        return m, np.ones(len(m))
    slope, intercept = covariance["slope"][b, j], covariance["intercept"][b, j]
    ratio = slope / (slope + evolution * t)
    drift = covariance["intercept_evolution"][b, j] * t
    return intercept + (m - intercept - drift) * ratio, ratio


def _without_trend(values, b, t):
    """Subtract the mean of each bin, and its trend with t where t differs."""
    n = np.maximum(np.bincount(b), 1)
    values, t = (x - (np.bincount(b, x) / n)[b] for x in (values, t))
    t_t = np.bincount(b, t * t)
    trend = np.bincount(b, values * t) / np.where(t_t > 0, t_t, 1)
    return values - trend[b] * t


def _degrees_of_freedom(b, t):
    """Share of each cluster in the degrees of freedom of its bin."""
    n = np.bincount(b)
    n_used = 1 + (np.bincount(b, _without_trend(t, b, np.zeros_like(t)) ** 2) > 0)
    return (np.maximum(n - n_used, 0) / np.maximum(n, 1))[b]


def _columns(covariance, names):
    known = covariance.meta["names"]
    missing = [name for name in names if name not in known]
    if missing or len(set(names)) != 2:
        raise ValueError(
            f"names must be two different names out of {known}, got {list(names)}."
        )
    return [known.index(name) for name in names]


def _numbers(name, values):
    """Return logarithms as floats, and refuse those that still have a unit."""
    refuse_unit(values, name)
    return as_numbers(values, name, "")


def _check_unit(name, values, covariance, column, b, t):
    """Refuse logarithms whose median is the mass of no cluster by the calibration."""
    slope, intercept = (
        covariance[law][b, column] + covariance[f"{law}_evolution"][b, column] * t
        for law in ("slope", "intercept")
    )
    pivot = np.log10(covariance.meta["pivot_mass"])

    def median_log_mass(logarithms):
        return pivot + np.median((logarithms - intercept) / slope) / LN_10

    def are_near_pivot(logarithms):
        return abs(median_log_mass(logarithms) - pivot) < NEAR_PIVOT

    found = median_log_mass(values)
    depends_on_mass = np.min(np.abs(slope), initial=1) > LEAST_SLOPE
    if not depends_on_mass or MASS_RANGE[0] <= found <= MASS_RANGE[1]:
        return
    names, units = covariance.meta["names"], covariance.meta["units"]
    cure = f"Give np.log of values in the calibration's unit, {units[column] or '?'}."
    if are_near_pivot(values * LN_10):
        cure = (
            "They look like logarithms to base 10. Multiply them by ln 10 = 2.302585."
        )
    elif values.min() > 0 and are_near_pivot(np.log(values)):
        cure = "They look like the values themselves. Give np.log of them."
    raise ValueError(
        f"{name} must be the natural logarithm of {names[column]!r} in the unit of the "
        f"calibration, which is about {np.median(intercept):.4g} at log10 M = {pivot:.4g}. "
        f"Its median is {np.median(values):.4g}, that of log10 M = "
        f"{found:.4g}. {cure}"
    )


def _bins_of(covariance, redshift, s, m):
    """Row of the covariance table for each cluster, and ln z about its center."""
    if s.ndim != 1 or s.shape != m.shape:
        raise ValueError(
            "ln_s and ln_proxy must have one number per cluster, got the shapes "
            f"{s.shape} and {m.shape}."
        )
    if not len(s):
        raise ValueError("ln_s and ln_proxy hold no cluster to measure a slope with.")
    wrong = np.flatnonzero(~(np.isfinite(s) & np.isfinite(m)))
    if len(wrong):
        raise ValueError(
            f"ln_s or ln_proxy is NaN or infinite for {len(wrong)} of {len(s)} clusters "
            f"(first: cluster {wrong[0]}). Leave these clusters out."
        )
    laws = ("intercept_evolution", "slope_evolution")
    is_evolving = np.any([covariance[law] for law in laws], axis=(0, 2))
    if redshift is None and len(covariance) == 1 and not is_evolving.any():
        return np.zeros(len(s), int), np.zeros(len(s))
    if np.shape(redshift) != s.shape:
        raise ValueError(
            f"The covariance has {len(covariance)} redshift bins"
            f"{' that evolve' if is_evolving.any() else ''}, so redshift must have "
            f"one number for each of {len(s)} clusters, got the shape "
            f"{np.shape(redshift)}."
        )
    redshift = as_numbers(redshift, "redshift", "redshift")
    check_plausible("redshift", redshift, rows="cluster")
    check_bins(covariance, "covariance")
    low, high = covariance["redshift_low"], covariance["redshift_high"]
    b = bin_numbers(redshift, np.array([*low, high[-1]]))
    center = np.asarray(covariance["redshift"])
    return b, log_redshift_ratio(redshift, center[b], is_evolving[b])
