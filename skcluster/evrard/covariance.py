"""The covariance of observables as a table and a file, for cosmology likelihoods."""

import io
import os

import numpy as np
from astropy.table import Table
from sklearn.utils.validation import check_is_fitted

from ..io.atomic import atomic_replace

FORMAT, VERSION = "skcluster proxy covariance", 1
MODEL = (
    "<ln S | M> = intercept + slope * ln(M / pivot_mass), cov(ln S | M) = covariance"
)
COLUMNS = {
    "redshift": "median of the bin; NaN if redshift was not used",
    "redshift_low": "lower edge of the bin, inside it",
    "redshift_high": "upper edge of the bin, outside of it",
    "n_clusters": "that the bin was fitted to",
    "log_mass_low": "smallest log10 mass of these [Msun/h]",
    "log_mass_high": "largest log10 mass of these [Msun/h]",
    "slope": "of ln S with ln M, one for each of `names`",
    "intercept": "of ln S at the pivot mass, with S in `units`",
    "covariance": "of ln S at fixed mass, natural logarithms",
    "correlation": "the covariance, scaled to a unit diagonal",
}
META = ("names", "units", "pivot_mass", "mass", "beta", "model")


def proxy_covariance(model, *, names=None, units=None):
    r"""Power laws and covariance of a fitted model, one row a redshift bin.

    The table says all that a likelihood of counts and scaling relations needs,

    .. math::

        p(s | M, z) = \mathcal{N}[\pi(z) + \alpha(z) \ln(M / M_p), \; C(z)],

    which is given the mass: no prior on masses is part of it, and ``beta``, the one with
    which the model itself predicts, is told only for the record. A network's mass is
    different: the masses that it was trained on are in its slope and intercept, and the
    range of masses in the table is theirs.

    Parameters
    ----------
    model : EvrardProxyRegressor
    names : sequence of str, default=None
        One name an observable. None: those of the DataFrame that the model was fitted
        to.
    units : sequence of str, default=None
        One unit an observable, before the logarithm. None: unknown.

    Returns
    -------
    table : astropy.table.Table
        Each column has a description. ``table.meta`` has ``names``, ``units``,
        ``pivot_mass`` [Msun/h], ``beta`` and the equation. What else should be known,
        such as the cosmology or the survey, may be added to it.

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
    if not hasattr(model, "n_clusters_"):
        raise ValueError(
            "The model does not know its numbers of clusters: it was fitted by an older "
            "skcluster. Fit it again."
        )
    names, units = _labels(model, names, units)
    values = (
        model.redshift_centers_,
        model.redshift_edges_[:-1],
        model.redshift_edges_[1:],
        model.n_clusters_,
        *model.log_mass_range_.T,
        model.slope_,
        model.intercept_,
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
        "pivot_mass": float(model.pivot_mass),
        "mass": "M500c [Msun/h]",
        "beta": float(model.beta),
    }
    return table


def write_covariance(table, path):
    """Store the table of `proxy_covariance`, with all that explains it.

    The file is ECSV: text with a header in YAML, which astropy reads by
    ``Table.read``, and which people read without it. Numbers keep all their digits. It
    is replaced at a stroke.

    Parameters
    ----------
    table : astropy.table.Table
    path : str or path-like

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
    """Read what `write_covariance` stored.

    Parameters
    ----------
    path : str or path-like

    Returns
    -------
    table : astropy.table.Table
        See `proxy_covariance`.

    Examples
    --------
    >>> from skcluster import read_covariance
    >>> read_covariance("nowhere.ecsv")
    Traceback (most recent call last):
    ...
    FileNotFoundError: There is no file nowhere.ecsv.
    """
    if not os.path.isfile(path):
        raise FileNotFoundError(f"There is no file {path}.")
    try:
        table = Table.read(path, format="ascii.ecsv")
    # A damaged text makes the readers of YAML and JSON raise whatever they like.
    except Exception as error:
        raise ValueError(f"{path} cannot be read as ECSV: {error}") from error
    _check(table, path)
    return table


def _labels(model, names, units):
    """Names and units, one an observable."""
    n = model.slope_.shape[1]
    if names is None:
        names = _observables_of(model)
    names = [str(name) for name in names]
    units = [""] * n if units is None else [str(unit) for unit in units]
    for label, given in (("names", names), ("units", units)):
        if len(given) != n:
            raise ValueError(
                f"The model has {n} observables, but there are {len(given)} {label}: "
                f"{given}. Give one each."
            )
    if len(set(names)) < n:
        raise ValueError(f"Names must differ from each other, got {names}.")
    return names, units


def _observables_of(model):
    """Names of the columns that a model was fitted to, without the redshift."""
    names, column = list(getattr(model, "feature_names_in_", [])), model.redshift_column
    if names and column is not None:
        names.pop(names.index(column) if isinstance(column, str) else column)
    return names


def _check(table, source):
    meta = table.meta
    if meta.get("format") != FORMAT:
        raise ValueError(
            f"{source} is not of proxy_covariance: its meta says "
            f"format={meta.get('format')!r}, not {FORMAT!r}."
        )
    if meta.get("version") != VERSION:
        raise ValueError(
            f"{source} is in version {meta.get('version')!r} of its format, but this "
            f"skcluster reads {VERSION}. Upgrade skcluster."
        )
    missing = [name for name in COLUMNS if name not in table.colnames]
    missing += [name for name in META if name not in meta]
    if missing:
        raise ValueError(f"{source} lacks {missing}.")
    n = len(meta["names"]) if isinstance(meta["names"], list) else 0
    shapes = {"slope": (n,), "intercept": (n,), "covariance": (n, n)}
    for name, shape in (shapes | {"correlation": (n, n)}).items():
        _check_numbers(table[name], shape, f"Column {name!r} of {source}")
    _check_covariance(np.asarray(table["covariance"]), source)


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
