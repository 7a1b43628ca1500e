"""Correlation of the residuals of observables about their power laws in mass."""

from itertools import combinations

import numpy as np
from astropy.table import Table
from sklearn.utils import check_random_state

from ..metrics.columns import group_numbers, independent_groups
from ..parameters import Boolean, Integer
from ..plausible_masses import MASS_RANGE, log_mass_column
from .evolution import residuals_about
from .search import check_observables, fit_in_bins


def residual_correlation(
    X,
    log_mass,
    *,
    names,
    redshift=None,
    redshift_bins=None,
    evolution="intercept",
    by_bin=False,
    groups=None,
    n_resamples=1000,
    random_state=None,
    mass_range=MASS_RANGE,
):
    r"""Correlate the residuals of every pair of observables, with bootstrap errors.

    With the power laws :math:`\pi, \alpha` of each cluster's redshift bin, and their
    evolution inside it,

    .. math::

        r_{ni} = s_{ni} - \pi_i - \alpha_i \mu_n, \qquad
        \rho_{ij} = \frac{\sum_n r_{ni} r_{nj}}
                         {\sqrt{\sum_n r_{ni}^2 \, \sum_n r_{nj}^2}}.

    The mass of a network is an observable like any other: give :math:`\ln M_{NN}` of
    clusters that the network was not trained on. On its training clusters its residuals are
    too small, and their correlations say nothing about the physics.

    Parameters
    ----------
    X : array-like of shape (n_clusters, n_observables)
        Natural logarithms of the observables.
    log_mass : array-like of shape (n_clusters,)
        log10 of the masses [Msun/h].
    names : sequence of str
        One name per column of `X`.
    redshift, redshift_bins, evolution : default=None, None, "intercept"
        As in `search_proxies`.
    by_bin : bool, default=False
        Whether to sum over the clusters of each bin instead of over all clusters.
    groups : array-like of shape (n_clusters,), default=None
        Halo of each cluster, where a halo is seen in several snapshots; the bootstrap then
        draws halos. None draws clusters.
    n_resamples : int, default=1000
        Number of bootstrap samples. The power laws stay those of all clusters.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass that `log_mass` may hold; None takes any.

    Returns
    -------
    table : astropy.table.Table
        One row per pair, or per bin and pair if `by_bin`: ``first``, ``second``, ``rho``,
        ``error`` (standard deviation over the bootstrap) and ``n_clusters``; with `by_bin`
        also ``redshift``, the median of the bin.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import residual_correlation
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, size=400)
    >>> noise = rng.multivariate_normal([0, 0], [[0.04, 0.03], [0.03, 0.09]], size=400)
    >>> ln_s = np.log(10) * log_mass[:, None] * [0.6, 1.5] + noise
    >>> table = residual_correlation(ln_s, log_mass, names=["T", "L_X"], random_state=0)
    >>> print(table)  # planted: 0.03 / sqrt(0.04 * 0.09) = 0.5
    first second  rho  error n_clusters
    ----- ------ ----- ----- ----------
        T    L_X 0.510 0.036        400
    """
    X, names, redshift = check_observables(X, names, redshift, redshift_bins)
    by = "residual_correlation"
    log_mass = log_mass_column(
        log_mass, len(X), by=by, name="log_mass", mass_range=mass_range
    )
    by_bin = Boolean().check("by_bin", by_bin)
    n_resamples = Integer(2).check("n_resamples", n_resamples)
    groups = group_numbers(groups, len(X))
    model = fit_in_bins(X, log_mass, redshift, redshift_bins, evolution, mass_range)
    z = np.full(len(X), np.nan) if redshift is None else redshift
    residual, _, b = residuals_about(model, X, log_mass, z)
    _check_residuals(residual, X, names)
    rng = check_random_state(random_state)
    rows = []
    for i, center in enumerate(model.redshift_centers_ if by_bin else [None]):
        part = b == i if by_bin else b >= 0
        found = _correlate(residual[part], groups[part], n_resamples, rng)
        for pair, rho, error in zip(combinations(names, 2), *found, strict=True):
            rows.append((*pair, rho, error, part.sum(), center))
    columns = ["first", "second", "rho", "error", "n_clusters", "redshift"]
    table = Table(rows=rows, names=columns)
    table["rho"].info.format = table["error"].info.format = ".3f"
    return table if by_bin else table[columns[:-1]]


def _correlate(residual, groups, n_resamples, rng):
    """Return rho of every pair of columns, and its error."""
    i, j = np.triu_indices(residual.shape[1])
    groups = independent_groups(groups, len(groups))
    products = np.zeros((groups.max() + 1, len(i)))
    np.add.at(products, groups, residual[:, i] * residual[:, j])
    n = len(products)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
    moments = np.vstack([np.ones(n), drawn]) @ products
    variance = moments[:, i == j]
    pair = i != j
    rho = moments[:, pair] / np.sqrt(variance[:, i[pair]] * variance[:, j[pair]])
    return rho[0], rho[1:].std(axis=0, ddof=1)


def _check_residuals(residual, X, names):
    if len(names) < 2:
        raise ValueError(f"A correlation needs at least 2 observables, got {names}.")
    is_exact = residual.std(axis=0) <= 1e-7 * X.std(axis=0)
    if is_exact.any():
        exact = [name for name, is_so in zip(names, is_exact, strict=True) if is_so]
        raise ValueError(
            f"{exact} are constant, or power laws of the mass without scatter, so there "
            "are no residuals to correlate. Leave them out."
        )
