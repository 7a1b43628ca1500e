"""Search for the combination of proxies that gives the mass with the least scatter."""

from itertools import combinations
from operator import itemgetter

import numpy as np
from astropy.table import Table

from ..parameters import Integer
from ..plausible_masses import MASS_RANGE
from .power_laws import invert_power_laws
from .regressor import EvrardProxyRegressor


def search_proxies(
    X,
    log_mass,
    *,
    names,
    redshift=None,
    redshift_bins=None,
    max_size=None,
    mass_range=MASS_RANGE,
):
    r"""Rank every combination of proxies by its scatter in mass (paper Table 3).

    All combinations are compared in the same redshift bins: those of
    `EvrardProxyRegressor` with all proxies. There are :math:`2^k - 1` combinations of k
    proxies.

    Parameters
    ----------
    X : array-like of shape (n_clusters, n_proxies)
        Natural logarithms of the proxies.
    log_mass : array-like of shape (n_clusters,)
        log10 of the masses [Msun/h].
    names : sequence of str
        One name per column of `X`.
    redshift : array-like of shape (n_clusters,), default=None
        Redshifts of the clusters. None: all clusters are in one bin.
    redshift_bins : int or array-like of shape (n_bins + 1,), default=None
        Bins, as in `EvrardProxyRegressor`. None: one bin per distinct redshift.
    max_size : int, default=None
        Largest number of proxies to combine. None combines up to all.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass that `log_mass` may hold; None takes any.

    Returns
    -------
    table : astropy.table.Table
        One row per combination, best first: ``proxies`` (their names, joined by a comma),
        ``size`` (how many), ``scatter`` (root mean of :math:`\sigma^2` over the bins, in
        ln M) and ``scatter_percent``.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.evrard import search_proxies
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, size=1000)
    >>> ln_s = np.log(10) * log_mass[:, None] + rng.normal(size=(1000, 2)) * [0.3, 0.4]
    >>> table = search_proxies(ln_s, log_mass, names=["T", "N_gal"])
    >>> print(table["proxies", "size"])
     proxies size
    -------- ----
    T, N_gal    2
           T    1
       N_gal    1
    """
    X, names = check_observables(X, names, redshift, redshift_bins)
    sizes = Integer(1, len(names)) | None
    max_size = sizes.check("max_size", max_size)
    model = fit_in_bins(X, log_mass, redshift, redshift_bins, mass_range)
    rows = []
    for size in range(1, (max_size or len(names)) + 1):
        subsets = np.array(list(combinations(range(len(names)), size)))
        for subset, scatter in zip(subsets, _scatter_of(model, subsets), strict=True):
            rows.append((", ".join(names[i] for i in subset), size, scatter))
    proxies, size, scatter = zip(*sorted(rows, key=itemgetter(2, 1)), strict=True)
    table = Table({"proxies": proxies, "size": size, "scatter": scatter})
    table["scatter_percent"] = 100 * table["scatter"]
    table["scatter"].info.format, table["scatter_percent"].info.format = ".4f", ".2f"
    return table


def _scatter_of(model, subsets):
    """Scatter in ln M of subsets of a fitted model's observables, all of the same size."""
    variance = np.zeros(len(subsets))
    for slope, covariance in zip(model.slope_, model.covariance_, strict=True):
        block = covariance[subsets[:, :, None], subsets[:, None, :]]
        variance += invert_power_laws(slope[subsets], block)[1]
    return np.sqrt(variance / len(model.slope_))


def fit_in_bins(X, log_mass, redshift, redshift_bins, mass_range=MASS_RANGE):
    """Fit the covariance model, in bins where redshifts are given."""
    if redshift is None:
        return EvrardProxyRegressor(mass_range=mass_range).fit(X, log_mass)
    model = EvrardProxyRegressor(
        redshift_column=-1, redshift_bins=redshift_bins, mass_range=mass_range
    )
    return model.fit(np.column_stack([X, redshift]), log_mass)


def check_observables(X, names, redshift, redshift_bins):
    """Return the observables and their names, or refuse inputs that do not fit together."""
    X, names = np.asarray(X), [str(name) for name in names]
    if X.ndim != 2 or X.shape[1] != len(names):
        raise ValueError(
            f"X must have one column for each of the {len(names)} names, got the shape "
            f"{X.shape}."
        )
    if len(set(names)) < len(names):
        raise ValueError(f"Names must differ from each other, got {names}.")
    if redshift is None and redshift_bins is not None:
        raise ValueError(
            f"redshift_bins={redshift_bins!r} needs redshift, which is None."
        )
    if redshift is not None and np.shape(redshift) != (len(X),):
        raise ValueError(
            f"redshift must have one number for each of {len(X)} clusters, got the "
            f"shape {np.shape(redshift)}."
        )
    return X, names
