"""Covariance of observables as a table and a file, for cosmology likelihoods."""

import io
import os

import numpy as np
from astropy.table import Table
from sklearn.utils.validation import check_is_fitted

from ..io.atomic import atomic_replace
from ..printable import printable
from .evolution import pivot_mass_of
from .redshift_bins import redshift_column_of

FORMAT, VERSION = "skcluster proxy covariance", 2
MODEL = (
    "<ln S | M> = intercept + intercept_evolution * t "
    "+ (slope + slope_evolution * t) * ln(M / pivot_mass), t = ln(z / redshift), "
    "cov(ln S | M) = covariance"
)
COLUMNS = {
    "redshift": "median of the bin, where t = 0; NaN if redshift was not used",
    "redshift_low": "lower edge of the bin, inside it",
    "redshift_high": "upper edge of the bin, outside of it",
    "n_clusters": "number of clusters that the bin was fitted to",
    "n_dof": "degrees of freedom of the covariance",
    "log_mass_low": "smallest log10 mass of these [Msun/h]",
    "log_mass_high": "largest log10 mass of these [Msun/h]",
    "slope": "slope of ln S with ln M, one for each of `names`",
    "slope_error": "standard error of the slope, from the clusters of the fit",
    "intercept": "ln S at the pivot mass, with S in `units`",
    "slope_evolution": "change of the slope with ln z inside the bin",
    "intercept_evolution": "change of the intercept with ln z inside the bin",
    "covariance": "covariance of ln S at fixed mass, natural logarithms",
    "correlation": "the covariance, scaled to a unit diagonal",
}
PER_OBSERVABLE = (
    "slope",
    "slope_error",
    "intercept",
    "slope_evolution",
    "intercept_evolution",
)
META = ("names", "units", "pivot_mass", "mass", "beta", "model")


def proxy_covariance(model, *, names=None, units=None):
    r"""Tabulate the power laws and covariance of a fitted model, one row per redshift bin.

    The table holds everything that a likelihood of counts and scaling relations needs for

    .. math::

        p(s | M, z) = \mathcal{N}[\pi(z) + \alpha(z) \ln(M / M_p), \; C(z)],

    with :math:`\pi` and :math:`\alpha` linear in :math:`\ln z` inside a bin. This is
    conditional on the mass, so no prior on masses is part of it; ``beta``, the
    slope of the mass function that the model itself predicts with, is listed only for the
    record. The mass of a network is different: its slope and intercept depend on the masses
    that it was trained on, whose range is in the table.

    Parameters
    ----------
    model : EvrardProxyRegressor
        Fitted model.
    names : sequence of str, default=None
        One name per observable. None takes the column names of the DataFrame that the
        model was fitted to.
    units : sequence of str, default=None
        One unit per observable, before the logarithm. None leaves them unknown.

    Returns
    -------
    table : astropy.table.Table
        Each column has a description. ``table.meta`` has ``names``, ``units``,
        ``pivot_mass`` [Msun/h], ``beta`` and the equation; add to it what else a reader
        should know, such as the cosmology or the survey.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import EvrardProxyRegressor, proxy_covariance
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, size=1000)
    >>> ln_s = np.log(10) * log_mass[:, None] + rng.normal(size=(1000, 2)) * [0.3, 0.4]
    >>> model = EvrardProxyRegressor().fit(ln_s, log_mass)
    >>> table = proxy_covariance(model, names=["T", "L_X"], units=["keV", "1e44 erg/s"])
    >>> table["slope"].round(1).tolist()
    [[1.0, 1.0]]
    >>> table.meta["names"]
    ['T', 'L_X']
    """
    check_is_fitted(model)
    names, units = _labels(model, names, units)
    variance = np.diagonal(model.covariance_, axis1=1, axis2=2)
    values = (
        model.redshift_centers_,
        model.redshift_edges_[:-1],
        model.redshift_edges_[1:],
        model.n_clusters_,
        model.n_dof_,
        *model.log_mass_range_.T,
        model.slope_,
        np.sqrt(model.unscaled_covariance_[:, 1, 1, None] * variance),
        model.intercept_,
        model.slope_evolution_,
        model.intercept_evolution_,
        model.covariance_,
        model.correlation_,
    )
    table = Table(dict(zip(COLUMNS, values, strict=True)), descriptions=COLUMNS)
    table.meta = {
        "format": FORMAT,
        "version": VERSION,
        "model": MODEL,
        "names": names,
        "units": units,
        "pivot_mass": pivot_mass_of(model),
        "mass": "M500c [Msun/h]",
        "beta": float(model.beta),
    }
    return table


def write_covariance(table, path):
    """Write the table of `proxy_covariance` to a file, with its descriptions.

    The file is ECSV: text with a header in YAML, which ``Table.read`` of astropy reads and
    people can read without it. Numbers keep all their digits. An existing file is replaced
    atomically.

    Parameters
    ----------
    table : astropy.table.Table
        Table that `proxy_covariance` returned, perhaps with more in its ``meta``.
    path : str or path-like
        File to write.

    Examples
    --------
    >>> import os, tempfile
    >>> import numpy as np
    >>> from skcluster import (
    ...     EvrardProxyRegressor, proxy_covariance, read_covariance, write_covariance
    ... )
    >>> log_mass = np.linspace(13.5, 15, 20)
    >>> ln_t = 1.5 * log_mass[:, None] + np.sin(np.arange(20.0))[:, None]
    >>> model = EvrardProxyRegressor().fit(ln_t, log_mass)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     path = os.path.join(folder, "temperature.ecsv")
    ...     write_covariance(proxy_covariance(model, names=["T"]), path)
    ...     table = read_covariance(path)
    >>> bool((table["covariance"] == model.covariance_).all())
    True
    """
    _check(table, "The table")
    text = io.StringIO()
    table.write(text, format="ascii.ecsv")
    with atomic_replace(path) as file:
        file.write(text.getvalue().encode())


def read_covariance(path):
    """Read a table that `write_covariance` wrote, and check it.

    Parameters
    ----------
    path : str or path-like
        File to read.

    Returns
    -------
    table : astropy.table.Table
        Table as `proxy_covariance` returns it.

    Examples
    --------
    >>> from skcluster import read_covariance
    >>> read_covariance("nowhere.ecsv")
    Traceback (most recent call last):
    ...
    FileNotFoundError: There is no file nowhere.ecsv.
    """
    shown = printable(path)
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {shown}.")
    try:
        table = Table.read(path, format="ascii.ecsv")
    # Damaged text makes the readers of YAML and JSON raise errors of any type.
    except Exception as error:
        message = printable(f"{shown} cannot be read as ECSV: {error}")
        raise ValueError(message) from error
    _check(table, shown)
    return table


def _labels(model, names, units):
    """Return the names and units, one of each per observable."""
    n = model.slope_.shape[1]
    if names is None:
        names = observables_of(model)
    names = [str(name) for name in names]
    units = [""] * n if units is None else [str(unit) for unit in units]
    for label, given in (("names", names), ("units", units)):
        if len(given) != n:
            raise ValueError(
                f"The model has {n} observables, but there are {len(given)} {label}: "
                f"{given}. Give one per observable."
            )
    if len(set(names)) < n:
        raise ValueError(f"Names must differ from each other, got {names}.")
    return names, units


def observables_of(model):
    """Names of the columns that a model was fitted to, without the redshift."""
    names = list(getattr(model, "feature_names_in_", []))
    column = redshift_column_of(model)
    if names and column is not None:
        names.pop(names.index(column) if isinstance(column, str) else column)
    return names


def check_bins(table, source):
    """Refuse rows that are not adjoining redshift bins in ascending order."""
    low: np.ndarray = np.ma.filled(np.ma.asarray(table["redshift_low"], float), np.nan)
    high: np.ndarray = np.ma.filled(
        np.ma.asarray(table["redshift_high"], float), np.nan
    )
    wrong = np.flatnonzero(low[1:] != high[:-1]) + 1
    if len(wrong):
        i = wrong[0]
        raise ValueError(
            f"Row {i} of {source} begins at z = {low[i]:g}, but the row before ends at z = "
            f"{high[i - 1]:g}. Rows must be adjoining redshift bins in ascending order: "
            "sort the table by redshift_low, and leave out no bin between others."
        )


def _check(table, source):
    meta = table.meta
    if meta.get("format") != FORMAT:
        raise ValueError(
            f"{source} is not from proxy_covariance: its meta has "
            f"format={meta.get('format')!r}, not {FORMAT!r}."
        )
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{source} is in version {meta.get('version')!r} of its format, but this "
            f"skcluster reads {VERSION}. Upgrade skcluster, or make the table again with "
            "proxy_covariance if it is older."
        )
    missing = [name for name in COLUMNS if name not in table.colnames]
    missing += [name for name in META if name not in meta]
    if missing:
        raise ValueError(f"{source} lacks {missing}.")
    n = len(meta["names"]) if isinstance(meta["names"], list) else 0
    shapes: dict[str, tuple] = {name: (n,) for name in PER_OBSERVABLE}
    shapes |= {"covariance": (n, n), "correlation": (n, n)}
    for name, shape in shapes.items():
        _check_numbers(table[name], shape, f"Column {name!r} of {source}")
    _check_covariance(np.asarray(table["covariance"]), source)
    check_bins(table, source)


def _check_numbers(column, shape, source):
    values = np.ma.asarray(column)
    if values.shape[1:] != shape or values.dtype.kind != "f":
        raise ValueError(
            f"{source} has rows of the shape {values.shape[1:]} and the type "
            f"{values.dtype}, but there are {max(shape)} names, which need numbers of "
            f"the shape {shape}."
        )
    if not np.isfinite(values.filled(np.nan)).all():
        raise ValueError(f"{source} has NaN, infinite or missing values.")


def _check_covariance(covariance, source):
    for i, matrix in enumerate(covariance):
        is_symmetric = np.allclose(matrix, matrix.T, rtol=1e-9, atol=0)
        if not is_symmetric or np.linalg.eigvalsh(matrix).min() <= 0:
            raise ValueError(
                f"The covariance in row {i} of {source} is not symmetric and positive "
                "definite."
            )
