"""Median, percentiles and bootstrap errors of numbers that each cluster has."""

from itertools import product

import numpy as np
from astropy.table import Table
from sklearn.utils import check_random_state

from ..metrics import bootstrap_error
from ..metrics.columns import group_numbers
from ..parameters import Edges, Integer, RandomState

CLUSTERS_PER_BLOCK = 256
"""Number of clusters whose maps are in memory as float64 at a time."""


def binned(values, by, bins, *, groups=None, random_state=None):
    """Median and spread of one number per cluster, in bins of redshift, mass or both.

    Parameters
    ----------
    values : array-like of shape (n_clusters,)
        Numbers such as ``source_attention(...).log_ratio.per_cluster``; NaN and masked
        ones are left out.
    by : dict of str to array-like of shape (n_clusters,)
        Quantities to bin by, such as ``{"redshift": z, "log_mass": y}``.
    bins : dict of str to int or array-like
        For each quantity the rising edges, or a number of bins with equally many clusters.
        Bins are half-open; only the last one includes its upper edge.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, see `skcluster.metrics.bootstrap_error`.
    random_state : int, RandomState instance or None, default=None
        Seed of the bootstrap errors.

    Returns
    -------
    table : astropy.table.Table
        One row per combination of bins, with the edges ``…_low`` and ``…_high``;
        ``n_clusters``; ``median``, ``low``, ``high`` (16th and 84th percentile) and
        ``median_error`` (bootstrap), NaN where there are too few clusters.

    Examples
    --------
    >>> from skcluster.explain import binned
    >>> by = {"redshift": [0.1, 0.1, 0.3, 0.4]}
    >>> table = binned([1.0, 3.0, 5.0, 7.0], by, {"redshift": [0, 0.2, 1]})
    >>> table["redshift_low", "n_clusters", "median"].as_array().tolist()
    [(0.0, 2, 2.0), (0.2, 2, 6.0)]
    """
    values = _with_nan(values)
    if values.ndim != 1 or set(by) != set(bins) or not by:
        raise ValueError(
            f"values must be 1-d, got shape {values.shape}; by and bins must have the same "
            f"names, got {list(by)} and {list(bins)}."
        )
    groups = group_numbers(groups, len(values))
    seed = seed_of(random_state)
    edges, numbers = {}, {}
    for name, column in by.items():
        column = _with_nan(column)
        if column.shape != values.shape:
            raise ValueError(
                f"by[{name!r}] has the shape {column.shape}, values {values.shape}."
            )
        edges[name], numbers[name] = _numbered(column, bins[name], name)
    rows = []
    for which in product(*(range(len(edge) - 1) for edge in edges.values())):
        inside = np.ones(len(values), bool)
        row: dict[str, float] = {}
        for name, i in zip(edges, which, strict=True):
            inside &= numbers[name] == i
            row |= {f"{name}_low": edges[name][i], f"{name}_high": edges[name][i + 1]}
        rows.append(row | summary(values[inside], groups[inside], seed))
    return Table(rows=rows)


def _with_nan(values):
    """Return numbers as an array in which masked ones are NaN."""
    return np.ma.filled(np.ma.asarray(values, float), np.nan)


def _numbered(column, bins, name):
    """Return bin edges and each cluster's bin, which is -1 or too large for outsiders."""
    edges = (Integer(1) | Edges()).check(f"bins[{name!r}]", bins)
    if isinstance(edges, int):
        _check_quantiles(column, name)
        edges = np.unique(np.quantile(column, np.linspace(0, 1, edges + 1)))
    number = np.searchsorted(edges, column, side="right") - 1
    return edges, np.where(column == edges[-1], len(edges) - 2, number)


def _check_quantiles(column, name):
    n_wrong = len(column) - np.isfinite(column).sum()
    if n_wrong:
        raise ValueError(
            f"{n_wrong} of {len(column)} by[{name!r}] are not finite; give edges instead "
            "of a number of bins, and these clusters are left out."
        )
    if len(np.unique(column)) == 1:
        raise ValueError(
            f"by[{name!r}] takes one value only, {column[0]}; give edges instead of a "
            "number of bins."
        )


def summary(values, groups, seed):
    """Median, 16th and 84th percentile and bootstrap error of the finite values."""
    finite = np.isfinite(values)
    groups = group_numbers(groups, len(values))[finite]
    low, median, high = percentiles(values[finite][:, None])[:, 0]
    error = np.nan
    if len(np.unique(groups)) >= 2:
        kept = values[finite]
        error = bootstrap_error(_median, kept, kept, groups=groups, random_state=seed)
    return {
        "median": median,
        "low": low,
        "high": high,
        "median_error": error,
        "n_clusters": int(finite.sum()),
    }


def _median(values, _):
    return np.median(values)


def percentiles(values):
    """16th, 50th and 84th percentile along the first axis, without NaN; NaN of none."""
    values = np.asarray(values, float)
    found = np.full((3, *values.shape[1:]), np.nan)
    some = np.isfinite(values).any(axis=0)
    if some.any():
        found[:, some] = np.nanpercentile(values[:, some], [16, 50, 84], axis=0)
    return found


def log_summary(values, groups, seed):
    """Return the `summary` of log10 of values, with log_ before the names of dex."""
    found = summary(log10_or_nan(values), groups, seed)
    return {
        name if name == "n_clusters" else f"log_{name}": value
        for name, value in found.items()
    }


def seed_of(random_state):
    """Draw one integer seed for all random numbers of a call."""
    random_state = RandomState().check("random_state", random_state)
    return int(check_random_state(random_state).randint(2**31 - 1))


def ratio(numerator, denominator):
    """Ratio of two arrays, NaN where the denominator is not positive."""
    numerator, denominator = np.broadcast_arrays(numerator, denominator)
    nan = np.full(numerator.shape, np.nan)
    return np.divide(numerator, denominator, out=nan, where=denominator > 0)


def log10_or_nan(values):
    """log10 of values, NaN where they are not positive."""
    return np.log10(values, out=np.full(np.shape(values), np.nan), where=values > 0)
