"""Priors of masses: the distribution of a training set, or one that a user gives."""

from numbers import Real

import numpy as np

from ..cluster_weights import checked_weights, effective_number, weighted_std
from ..plausible_masses import LN_10, MASS_RANGE, checked_log_mass
from ..printable import all_of
from ..sample.plain_arrays import as_numbers
from ..sample.units import looks_like
from .smoothing import scott_bandwidth, smoothed_counts

N_TABLE = 256
TABLE_RANGE = (5.0, 20.0)
"""Range of log10 masses that the table of a mass function may span."""


def mass_density(log_mass, weight=None):
    r"""Estimate the smooth density of a set of masses, as a table.

    A Gaussian kernel estimate with Scott's bandwidth, :math:`n^{-1/5}` standard
    deviations, whose kernels are reflected at the least and the greatest mass, so that
    a flat distribution stays flat up to its ends.

    Parameters
    ----------
    log_mass : array-like of shape (n_clusters,)
        log10 masses.
    weight : array-like of shape (n_clusters,), default=None
        Weights of the masses; only their ratios matter. In Scott's bandwidth n is then
        `effective_number`. Masses of weight 0 are left out.

    Returns
    -------
    table : ndarray of shape (2, 256)
        log10 masses from the least to the greatest, and the mean density [1/dex] between
        the middles of neighbors.

    Examples
    --------
    >>> import numpy as np
    >>> log_mass, density = mass_density(np.linspace(13.5, 15.0, 2000))
    >>> bool(np.allclose(density, 1 / 1.5, rtol=0.01))
    True
    """
    log_mass = checked_log_mass(
        log_mass, by="mass_density", name="log_mass", mass_range=None
    )
    weight = checked_weights(weight, len(log_mass), by="mass_density")
    wrong = np.flatnonzero(~np.isfinite(log_mass))
    if len(wrong) or not len(log_mass):
        raise ValueError(
            f"mass_density needs finite masses, but {len(wrong)} of {len(log_mass)} are "
            "NaN or infinite. Give at least 2 that are not."
        )
    if weight is not None:
        log_mass, weight = log_mass[weight > 0], weight[weight > 0]
        weight = weight[np.argsort(log_mass)]
    log_mass = np.sort(log_mass)
    low, high = log_mass[0], log_mass[-1]
    if not low < high:
        raise ValueError(
            f"{all_of(len(log_mass), 'mass is', 'masses are')} log10 M = {low:.4g}, which "
            "has no density. Give clusters of different masses."
        )
    n_equal = len(log_mass) if weight is None else effective_number(weight)
    width = weighted_std(log_mass, weight) * scott_bandwidth(n_equal)
    edges = np.linspace(low, high, N_TABLE + 1)
    reflected = (log_mass, 2 * low - log_mass, 2 * high - log_mass)
    share = sum(smoothed_counts(values, width, edges, weight) for values in reflected)
    density = share / share.sum() / (edges[1] - edges[0])
    return np.array([(edges[1:] + edges[:-1]) / 2, density])


def log_prior(prior):
    r"""Turn a prior into a function: the logarithm of its density, up to a constant.

    Parameters
    ----------
    prior : callable, float, table or None
        A callable takes log10 masses and returns densities per dex. A number is
        :math:`\beta` of a power law :math:`e^{-\beta \mu}` with :math:`\mu = \ln M`. A
        table, of shape (2, n), holds increasing log10 masses and their densities, which
        are interpolated; beyond its ends they are constant. None is flat in
        log M.

    Returns
    -------
    function : callable
        Takes an array of log10 masses and returns natural logarithms, minus infinity where
        the density is zero.

    Examples
    --------
    >>> import numpy as np
    >>> mass = np.array([14.0, 15.0])
    >>> log_prior(2.0)(mass) + 2 * np.log(10) * mass
    array([0., 0.])
    >>> log_prior([[13.0, 15.0], [1.0, 3.0]])(mass).round(3)  # ln 2, ln 3
    array([0.693, 1.099])
    """
    if prior is None:
        return np.zeros_like
    if isinstance(prior, Real) and not isinstance(prior, bool):
        # An unsigned integer has no negative.
        beta = float(prior)
        if not np.isfinite(beta):
            raise ValueError(f"The prior's beta must be finite, got {prior!r}.")
        return lambda log_mass: -beta * LN_10 * log_mass
    if callable(prior):
        return lambda log_mass: _log_of(prior(log_mass), log_mass)
    table = as_numbers(prior, "A prior's table", "")
    if table.ndim != 2 or len(table) != 2 or table.shape[1] < 2:
        raise ValueError(
            "A table of a prior must have shape (2, n): log10 masses and their "
            f"densities, got {table.shape}."
        )
    if not (np.diff(table[0]) > 0).all():
        raise ValueError("The log10 masses of a prior's table must increase.")
    _log_of(table[1], table[0])
    return lambda log_mass: _log_of(np.interp(log_mass, *table), log_mass)


class TrainingPrior:
    """Prior of a model that has learned the masses of a training set.

    It is zero beyond the least and the greatest training mass: a model cannot know of
    masses that it has not seen.

    Parameters
    ----------
    table : ndarray of shape (2, n_cells)
        Result of `mass_density`: the middles of equal cells, and the density in them.

    Attributes
    ----------
    support : tuple of 2 float
        Least and greatest training mass.

    Examples
    --------
    >>> import numpy as np
    >>> prior = TrainingPrior(mass_density(np.linspace(13.5, 15.0, 2000)))
    >>> [float(round(end, 6)) for end in prior.support]
    [13.5, 15.0]
    >>> prior(np.array([13.4, 14.0, 14.9])).round(2)
    array([ -inf, -0.41, -0.4 ])
    """

    def __init__(self, table):
        middle, _ = table
        half = (middle[-1] - middle[0]) / (len(middle) - 1) / 2
        self.support = float(middle[0] - half), float(middle[-1] + half)
        self._log_density = log_prior(table)

    def __call__(self, log_mass):
        low, high = self.support
        is_inside = (low <= log_mass) & (log_mass <= high)
        return np.where(is_inside, self._log_density(log_mass), -np.inf)


def check_table_covers(prior, log_mass):
    """Refuse a table of a prior that covers other masses or is in another unit.

    Beyond its ends a table is constant, so it would leave posteriors as they are.

    Parameters
    ----------
    prior : callable, float, table or None
        As in `log_prior`; only a table is checked.
    log_mass : ndarray of shape (n_clusters,)
        log10 masses about which the posteriors lie.

    Examples
    --------
    >>> import numpy as np
    >>> mass = np.geomspace(1e13, 1e16, 50)
    >>> check_table_covers([np.log10(mass), mass**-2.0], np.array([14.2]))
    >>> check_table_covers([mass, mass**-2.0], np.array([14.2]))
    Traceback (most recent call last):
    ...
    ValueError: The prior's table goes from 1e+13 to 1e+16 in log10 M, but the posteriors
    lie at 14.2. Its masses look like masses in Msun: give log10 of Msun/h.
    """
    if prior is None or callable(prior) or np.ndim(prior) != 2 or not len(log_mass):
        return
    masses = np.asarray(prior, float)[0]
    lowest, highest = log_mass.min(), log_mass.max()
    is_ours = MASS_RANGE[0] <= np.median(log_mass) <= MASS_RANGE[1]
    misfit = masses[(masses < TABLE_RANGE[0]) | (masses > TABLE_RANGE[1])]
    is_apart = masses[-1] < lowest or masses[0] > highest
    if not is_apart and not (is_ours and len(misfit)):
        return
    known = looks_like("log_mass", misfit) if is_ours and len(misfit) else None
    where = f"{lowest:.4g}"
    if lowest < highest:
        where = f"{lowest:.4g} to {highest:.4g}"
    look = f" Its masses look like {known.unit}: give log10 of Msun/h." if known else ""
    raise ValueError(
        f"The prior's table goes from {masses[0]:.4g} to {masses[-1]:.4g} in log10 M, but "
        f"the posteriors lie at {where}.{look}"
    )


def _log_of(density, log_mass):
    density = np.asarray(density, float)
    if density.shape != np.shape(log_mass):
        raise ValueError(
            f"The prior gave densities of shape {density.shape} for masses of shape "
            f"{np.shape(log_mass)}."
        )
    wrong = ~(np.isfinite(density) & (density >= 0))
    if wrong.any():
        raise ValueError(
            f"{wrong.sum()} of {density.size} densities of the prior are negative, NaN or "
            f"infinite (first: at log10 M = {np.asarray(log_mass)[wrong][0]:.4g})."
        )
    with np.errstate(divide="ignore"):
        return np.log(density)
