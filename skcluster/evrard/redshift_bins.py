"""Redshift bins in which power laws are fitted: one per snapshot, or ranges."""

import warnings
from itertools import pairwise

import numpy as np

from ..cluster_weights import weighted_quantile
from ..parameters import Edges, Integer
from ..printable import counted

BINS = Integer(1) | Edges() | None
"""Kind of the parameter `redshift_bins`."""

MASS_SPREAD = 1e-10
"""Smallest spread of masses that a slope can be fitted to [dex]."""
CLUSTERS_PER_PARAMETER = 10


def redshift_column_of(model):
    """Redshift column that a model was fitted with.

    Models that were stored before `redshift_column_` was learned have only the parameter.
    """
    return getattr(model, "redshift_column_", model.redshift_column)


def split_redshift(X, column, names):
    """Split the columns of X into observables and redshifts.

    Parameters
    ----------
    X : ndarray of shape (n_clusters, n_features)
    column : int, str or None
        Parameter `redshift_column` of `EvrardProxyRegressor`.
    names : sequence of str
        Names of the columns of X, if it has names.

    Returns
    -------
    s : ndarray of shape (n_clusters, n_observables)
    redshift : ndarray of shape (n_clusters,)
        NaN without a redshift column.

    Examples
    --------
    >>> import numpy as np
    >>> split_redshift(np.array([[3.0, 0.1], [4.0, 0.2]]), "z", ["ln_t", "z"])
    (array([[3.],
           [4.]]), array([0.1, 0.2]))
    """
    names, n_columns = list(names), X.shape[1]
    if column is None:
        return X, np.full(len(X), np.nan)
    if isinstance(column, str):
        if column not in names:
            raise ValueError(
                f"redshift_column={column!r} is not a column of X, which has "
                f"{names or 'no column names'}."
            )
        column = names.index(column)
    if not -n_columns <= column < n_columns:
        raise ValueError(
            f"redshift_column={column} is out of range: X has {n_columns} columns."
        )
    return np.delete(X, column, axis=1), X[:, column]


def bin_edges(redshift, bins, n_needed, weight=None):
    """Edges of redshift bins: one per distinct redshift, equally filled, or as given.

    Parameters
    ----------
    redshift : ndarray of shape (n_clusters,)
    bins : int, ndarray of shape (n_bins + 1,) or None
        Parameter `redshift_bins` of `EvrardProxyRegressor`, read by `BINS`.
    n_needed : int
        Fewest clusters that a bin can be fitted to.
    weight : ndarray of shape (n_clusters,), default=None
        Number of times that each cluster counts.

    Returns
    -------
    edges : ndarray of shape (n_bins + 1,)

    Examples
    --------
    >>> import numpy as np
    >>> bin_edges(np.array([0.1, 0.1, 0.3, 0.3]), None, n_needed=2)
    array([0.1, 0.2, 0.3])
    """
    distinct = np.unique(redshift)
    n_clusters = len(redshift) if weight is None else weight.sum()
    if bins is None and len(distinct) * n_needed > n_clusters:
        raise ValueError(
            f"{counted(len(redshift), 'cluster has', 'clusters have')} "
            f"{counted(len(distinct), 'distinct redshift')}, but a bin needs at least "
            f"{n_needed} clusters. Give a number of bins, such as redshift_bins=5, or "
            "their edges."
        )
    if isinstance(bins, np.ndarray):
        return _given_edges(redshift, bins)
    inner = (distinct[1:] + distinct[:-1]) / 2
    if bins is not None and bins < len(distinct):
        share = np.arange(1, bins) / bins
        last = np.quantile(redshift, share, method="inverted_cdf", weights=weight)
        i = np.searchsorted(distinct, last)
        inner = np.unique(inner[np.minimum(i, len(inner) - 1)])
    return np.concatenate([distinct[:1], inner, distinct[-1:]])


def _given_edges(redshift, edges):
    outside = np.flatnonzero((redshift < edges[0]) | (redshift > edges[-1]))
    if len(outside):
        raise ValueError(
            f"{len(outside)} of {len(redshift)} redshifts lie outside redshift_bins, "
            f"which run from {edges[0]:g} to {edges[-1]:g} (first: cluster "
            f"{outside[0]}, z = {redshift[outside[0]]:g}). Widen the edges."
        )
    return edges


def bin_numbers(redshift, edges):
    """Bin of each redshift, counted from 0; outside of the edges, the nearest bin.

    Examples
    --------
    >>> import numpy as np
    >>> bin_numbers(np.array([0.0, 0.15, 0.2, 9.0]), np.array([0.1, 0.2, 0.3]))
    array([0, 0, 1, 1])
    """
    return np.searchsorted(edges[1:-1], redshift, side="right")


def bin_centers(redshift, edges, weight=None):
    """Median redshift of each bin, or the middle of an empty bin."""
    b = bin_numbers(redshift, edges)
    weight = np.ones(len(redshift)) if weight is None else weight
    members = [(redshift[b == i], weight[b == i]) for i in range(len(edges) - 1)]
    return np.array(
        [
            weighted_quantile(z, 0.5, w) if len(z) else (low + high) / 2
            for (z, w), (low, high) in zip(members, pairwise(edges), strict=True)
        ]
    )


def check_masses(log_mass, n_needed, weight=None):
    """Refuse clusters that are too few for a bin, or have only one mass."""
    if weight is not None and weight.sum() < n_needed:
        raise ValueError(
            f"sample_weight sums up to {weight.sum():.4g} over "
            f"{counted(len(weight), 'cluster')}, but {counted(n_needed - 2, 'observable')} "
            f"need at least {n_needed}: a weight is the number of times that a cluster "
            "counts. Multiply weights that are none by a factor that makes their mean 1."
        )
    if weight is None and len(log_mass) < n_needed:
        raise ValueError(
            f"{counted(len(log_mass), 'cluster is', 'clusters are')} too few for "
            f"{counted(n_needed - 2, 'observable')}, whose covariance needs at least "
            f"{n_needed}. Give more clusters, or fewer observables."
        )
    if np.ptp(log_mass) < MASS_SPREAD:
        raise ValueError(
            f"y is constant: the log10 mass of all {len(log_mass)} clusters is "
            f"{log_mass[0]:g}, so no slope can be fitted. Give clusters of different "
            "masses."
        )


def merge_poor_bins(edges, redshift, log_mass, n_needed, weight=None):
    """Remove edges until every bin can be fitted, and warn if any edge was removed."""
    given, edges = edges, np.array(edges)
    while len(poor := _poor_bins(edges, redshift, log_mass, n_needed, weight)):
        center = bin_centers(redshift, edges, weight)
        gap = np.diff(center, prepend=-np.inf, append=np.inf)
        edges = np.delete(edges, poor[0] + (gap[poor[0]] > gap[poor[0] + 1]))
    if len(edges) < len(given):
        poor = _poor_bins(given, redshift, log_mass, n_needed, weight)
        center = bin_centers(redshift, given, weight)[poor[0]]
        warnings.warn(
            f"{len(poor)} of {len(given) - 1} redshift bins (first: z = {center:g}) have "
            f"fewer than {n_needed} clusters, or only one mass, and were merged into "
            f"their nearest neighbors; {len(edges) - 1} bins remain.",
            UserWarning,
            stacklevel=3,
        )
    return edges


def warn_if_few(model):
    """Warn of bins whose clusters are too few for the scatter of a fitted model."""
    n_coefficients = model.n_clusters_ - model.n_dof_
    n_parameters = n_coefficients - 1 + model.slope_.shape[1]
    few = np.flatnonzero(model.n_clusters_ < CLUSTERS_PER_PARAMETER * n_parameters)
    if len(few):
        n, first = model.n_clusters_[few[0]], n_parameters[few[0]]
        warnings.warn(
            f"{len(few)} of {len(model.n_clusters_)} redshift bins have fewer than "
            f"{CLUSTERS_PER_PARAMETER} clusters per parameter (first: {n:g} clusters, "
            f"{first:g} parameters), so scatter_ is too small: {model.scatter_:.3g} in ln "
            f"M, where new clusters will show {model.predictive_scatter_:.3g}. Predicted "
            "errors allow for that. Give more clusters, fewer observables or wider "
            "redshift_bins.",
            UserWarning,
            stacklevel=4,
        )


def _poor_bins(edges, redshift, log_mass, n_needed, weight):
    b, n_bins = bin_numbers(redshift, edges), len(edges) - 1
    low, high = np.full(n_bins, np.inf), np.full(n_bins, -np.inf)
    np.minimum.at(low, b, log_mass)
    np.maximum.at(high, b, log_mass)
    n_clusters = np.bincount(b, weight, minlength=n_bins)
    is_poor = (n_clusters < n_needed) | (high - low < MASS_SPREAD)
    return np.flatnonzero(is_poor)
