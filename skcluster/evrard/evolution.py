"""Evolution of power laws with redshift within the bins that they are fitted in."""

import numpy as np

from ..parameters import Choice
from ..plausible_masses import LN_10
from .power_laws import fit_power_laws
from .redshift_bins import bin_numbers

EVOLUTION = Choice(["intercept", "slope"]) | None
"""Kind of the parameter `evolution`."""

N_TERMS = {None: 0, "intercept": 1, "slope": 2}

REDSHIFT_SPREAD = 1e-2
"""Smallest spread of ln z that a bin can evolve over; rounding of one redshift is less.

Over less, counts change by a few per cent, from which no trend can be told.
"""


def evolution_terms(redshift, mu, center, evolution, n_most=2):
    r"""Terms of the evolution in one bin, or none where they cannot be told apart.

    Parameters
    ----------
    redshift, mu : ndarray of shape (n_clusters,)
    center : float
        Redshift at which the terms vanish.
    evolution : {"intercept", "slope"} or None
    n_most : int, default=2
        Most terms that the clusters suffice for.

    Returns
    -------
    terms : ndarray of shape (n_clusters, n_terms)
        :math:`t = \ln (z / z_c)`, and :math:`\mu t` if the slope evolves. There are fewer
        terms where all redshifts are equal but for rounding, where masses and redshifts of
        the bin are collinear, or where clusters are too few.

    Examples
    --------
    >>> import numpy as np
    >>> evolution_terms(np.array([0.1, 0.1, 0.2]), np.arange(3.0), 0.1, "intercept")
    array([[0.        ],
           [0.        ],
           [0.69314718]])
    >>> evolution_terms(np.full(3, 0.1), np.arange(3.0), 0.1, "intercept").shape
    (3, 0)
    """
    none = np.zeros((len(redshift), 0))
    # Without a redshift column redshifts are NaN.
    if evolution is None or not np.ptp(redshift) > 0:
        return none
    _check_positive(redshift)
    t = np.log(redshift / center)
    if np.ptp(t) < REDSHIFT_SPREAD:
        return none
    terms = np.column_stack([t, mu * t])
    for n_terms in range(min(N_TERMS[evolution], n_most), 0, -1):
        columns = np.column_stack([mu, terms[:, :n_terms]])
        columns = columns - columns.mean(axis=0)
        scale = np.sqrt(np.sum(columns**2, axis=0))
        if scale.all() and np.linalg.matrix_rank(columns / scale, tol=1e-8) > n_terms:
            return terms[:, :n_terms]
    return none


def fit_evolving_laws(s, mu, redshift, center, evolution, weight=None):
    """Fit the power laws of one bin, with as much of their evolution as can be fitted.

    Parameters
    ----------
    s : ndarray of shape (n_clusters, n_observables)
    mu, redshift, center, evolution : as in `evolution_terms`
    weight : ndarray of shape (n_clusters,), default=None

    Returns
    -------
    laws : PowerLaws
        Its ``evolution`` has the shape (2, n_observables) and its ``unscaled`` (4, 4), with
        0 for terms that are not fitted.

    Examples
    --------
    >>> import numpy as np
    >>> mu, z = np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.1, 0.1, 0.2, 0.2])
    >>> ln_s = (2 * mu - 3 * np.log(z / 0.1))[:, None]
    >>> fit_evolving_laws(ln_s, mu, z, 0.1, "intercept").evolution.round(6)
    array([[-3.],
           [ 0.]])
    """
    n_clusters = len(s) if weight is None else int(weight.sum())
    n_observables = s.shape[1]
    # Without a degree of freedom to spare, errors of several observables are unbounded.
    n_most = n_clusters - 2 - n_observables - (n_observables > 1)
    terms = evolution_terms(redshift, mu, center, evolution, n_most)
    laws = fit_power_laws(s, mu, terms, weight)
    n_missing = 2 - terms.shape[1]
    return laws._replace(
        evolution=np.pad(laws.evolution, ((0, n_missing), (0, 0))),
        unscaled=np.pad(laws.unscaled, (0, n_missing)),
    )


def log_redshift_ratio(redshift, center, is_evolving):
    r""":math:`t = \ln (z / z_c)` of each cluster where its bin evolves, otherwise 0.

    Parameters
    ----------
    redshift, center : ndarray of shape (n_clusters,)
        Redshifts of the clusters, and the centers of their bins.
    is_evolving : ndarray of bool of shape (n_clusters,)

    Returns
    -------
    t : ndarray of shape (n_clusters,)

    Examples
    --------
    >>> import numpy as np
    >>> z, center = np.array([0.2, 0.2]), np.array([0.1, 0.1])
    >>> log_redshift_ratio(z, center, np.array([True, False])).round(3)
    array([0.693, 0.   ])
    """
    t = np.zeros(len(redshift))
    _check_positive(redshift[is_evolving])
    t[is_evolving] = np.log(redshift[is_evolving] / center[is_evolving])
    return t


def laws_at(model, redshift):
    """Power laws of a fitted model at the redshifts of clusters.

    Parameters
    ----------
    model : EvrardProxyRegressor
        Fitted model.
    redshift : ndarray of shape (n_clusters,)

    Returns
    -------
    slope, intercept : ndarray of shape (n_clusters, n_observables)
    t : ndarray of shape (n_clusters,)
        As `log_redshift_ratio` returns it.
    b : ndarray of int of shape (n_clusters,)
        Bins of the clusters.
    """
    b = bin_numbers(redshift, model.redshift_edges_)
    is_evolving = model.intercept_evolution_.any(axis=1)
    t = log_redshift_ratio(redshift, model.redshift_centers_[b], is_evolving[b])
    slope = model.slope_[b] + model.slope_evolution_[b] * t[:, None]
    return slope, model.intercept_[b] + model.intercept_evolution_[b] * t[:, None], t, b


def pivot_mass_of(model):
    """Pivot mass [Msun/h] that a model was fitted with.

    Models that were stored before `pivot_mass_` was learned have only the parameter.
    """
    return float(getattr(model, "pivot_mass_", model.pivot_mass))


def residuals_about(model, s, log_mass, redshift):
    """Residuals of observables about the power laws of a fitted model.

    Parameters
    ----------
    model : EvrardProxyRegressor
        Fitted model.
    s : ndarray of shape (n_clusters, n_observables)
    log_mass, redshift : ndarray of shape (n_clusters,)

    Returns
    -------
    residual, slope : ndarray of shape (n_clusters, n_observables)
    b : ndarray of int of shape (n_clusters,)
        Bins of the clusters.
    """
    slope, intercept, _, b = laws_at(model, redshift)
    mu = LN_10 * (log_mass - np.log10(pivot_mass_of(model)))
    return s - intercept - slope * mu[:, None], slope, b


def _check_positive(redshift):
    wrong = redshift[~(redshift > 0)]
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} redshifts are not positive (first: z = {wrong[0]:g}), so their "
            "power laws cannot evolve with ln z. Give positive redshifts, bins of one "
            "redshift each, or evolution=None."
        )
