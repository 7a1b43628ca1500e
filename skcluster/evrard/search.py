"""Search for the combination of proxies that gives the mass with the least scatter."""

from itertools import combinations

import numpy as np
from astropy.table import Table

from ..cluster_weights import checked_weights
from ..model_selection import spatial_folds
from ..parameters import Integer
from ..plausible_masses import MASS_RANGE, log_mass_column
from ..sample.plain_arrays import as_numbers, plain_array
from .evolution import residuals_about
from .logarithms import refuse_unit
from .power_laws import invert_power_laws
from .regressor import EvrardProxyRegressor


def search_proxies(
    X,
    log_mass,
    *,
    names,
    redshift=None,
    redshift_bins=None,
    evolution="intercept",
    max_size=None,
    cv=None,
    groups=None,
    mass_range=MASS_RANGE,
    sample_weight=None,
) -> Table:
    r"""Rank every combination of proxies by its scatter in mass (paper Table 3).

    All combinations are compared in the same redshift bins: those of
    `EvrardProxyRegressor` with all proxies. There are :math:`2^k - 1` combinations of k
    proxies.

    The paper's scatter is that of the clusters of the fit. It is too small, the more so
    the more proxies and the fewer clusters there are: 0.55 of that of new clusters with
    four proxies and ten clusters per bin. To choose between combinations of different size,
    give `cv`.

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
    evolution : {"intercept", "slope"} or None, default="intercept"
        Evolution inside the bins, as in `EvrardProxyRegressor`.
    max_size : int, default=None
        Largest number of proxies to combine. None combines up to all.
    cv : cross-validation splitter, int, iterable or None, default=None
        Folds that rank the combinations by the errors of masses of clusters that were not
        in the fit, as in `skcluster.model_selection.spatial_folds`. None ranks them by
        their in-sample scatter.
    groups : array-like of shape (n_clusters,), default=None
        Labels that no fold may split, or what `cv` takes; only used with `cv`.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass that `log_mass` may hold; None takes any.
    sample_weight : array-like of shape (n_clusters,), default=None
        Number of times that each cluster counts, in the fits and in their errors. None:
        once.

    Returns
    -------
    table : astropy.table.Table
        One row per combination, best first: ``proxies`` (their names, joined by a comma),
        ``size`` (how many), ``scatter`` (in-sample: root mean of :math:`\sigma^2` over the
        bins, in ln M) and ``scatter_percent``. With `cv` also ``cv_error`` (root mean
        square error of ln M over the clusters of the test folds) and ``cv_error_percent``.

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
    X, names, redshift = check_observables(X, names, redshift, redshift_bins)
    log_mass = log_mass_column(
        log_mass, len(X), by="search_proxies", name="log_mass", mass_range=mass_range
    )
    sizes = Integer(1, len(names)) | None
    max_size = sizes.check("max_size", max_size) or len(names)
    weight = checked_weights(sample_weight, len(X), by="search_proxies")
    options = {"redshift_bins": redshift_bins, "evolution": evolution}
    options["mass_range"] = mass_range
    model = fit_in_bins(X, log_mass, redshift, weight=weight, **options)
    subsets = [
        np.array(list(combinations(range(len(names)), size)))
        for size in range(1, max_size + 1)
    ]
    table = Table(
        {
            "proxies": [", ".join(names[i] for i in row) for k in subsets for row in k],
            "size": [len(row) for k in subsets for row in k],
            "scatter": np.concatenate([_scatter_of(model, k) for k in subsets]),
        }
    )
    table["scatter_percent"] = 100 * table["scatter"]
    if cv is not None:
        folds = spatial_folds(cv, X, log_mass, groups)
        table["cv_error"] = _cv_errors(
            X, log_mass, redshift, weight, subsets, folds, options
        )
        table["cv_error_percent"] = 100 * table["cv_error"]
    for name in table.colnames[2:]:
        table[name].info.format = ".2f" if name.endswith("percent") else ".4f"
    order = np.lexsort([table["size"], table["scatter" if cv is None else "cv_error"]])
    return table[order]


def _cv_errors(X, log_mass, redshift, weight, subsets, folds, options):
    """Root mean square error in ln M of each subset, over the test folds."""
    z = np.full(len(X), np.nan) if redshift is None else redshift
    n_times = np.ones(len(X)) if weight is None else weight
    squares, total = 0.0, 0.0
    for train, test in folds:
        z_train = None if redshift is None else z[train]
        w_train = None if weight is None else weight[train]
        model = fit_in_bins(
            X[train], log_mass[train], z_train, weight=w_train, **options
        )
        residual, slope, b = residuals_about(model, X[test], log_mass[test], z[test])
        errors = [
            _errors_of(row, residual, slope, model.covariance_[b])
            for k in subsets
            for row in k
        ]
        squares = squares + np.sum(np.square(errors) * n_times[test], axis=1)
        total += n_times[test].sum()
    return np.sqrt(squares / total)


def _errors_of(subset, residual, slope, covariance):
    """Errors in mu of the mass by some of the observables, from all their residuals."""
    block = covariance[:, subset[:, None], subset]
    weight, variance = invert_power_laws(slope[:, subset], block)
    return np.sum(weight * residual[:, subset], axis=1) * variance


def _scatter_of(model, subsets):
    """Scatter in ln M of subsets of a fitted model's observables, all of the same size."""
    variance = np.zeros(len(subsets))
    for slope, covariance in zip(model.slope_, model.covariance_, strict=True):
        block = covariance[subsets[:, :, None], subsets[:, None, :]]
        variance += invert_power_laws(slope[subsets], block)[1]
    return np.sqrt(variance / len(model.slope_))


def fit_in_bins(
    X, log_mass, redshift, redshift_bins, evolution, mass_range, weight=None
):
    """Fit the covariance model, in bins where redshifts are given."""
    options = {"evolution": evolution, "mass_range": mass_range}
    if redshift is None:
        return EvrardProxyRegressor(**options).fit(X, log_mass, weight)
    model = EvrardProxyRegressor(
        redshift_column=-1, redshift_bins=redshift_bins, **options
    )
    return model.fit(np.column_stack([X, redshift]), log_mass, weight)


def check_observables(X, names, redshift, redshift_bins):
    """Return observables, their names and redshifts, or refuse those that do not fit."""
    refuse_unit(X, "X")
    X, names = plain_array(X, "X", ""), [str(name) for name in names]
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
    if redshift is not None:
        redshift = as_numbers(redshift, "redshift", "redshift")
    if redshift is not None and redshift.shape != (len(X),):
        raise ValueError(
            f"redshift must have one number for each of {len(X)} clusters, got the "
            f"shape {redshift.shape}."
        )
    return X, names, redshift
