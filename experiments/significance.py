"""How significant is a number that a few fits give, each with its own random seed?"""

import numpy as np
from scipy.special import stdtr
from scipy.stats import norm

STEPS = np.linspace(-8, 8, 3201)
WEIGHTS = norm.pdf(STEPS) / norm.pdf(STEPS).sum()
ENOUGH = 3.0
"""In sigma: what a claim needs, with its control, to be met."""


def significance(value, error_clusters, error_seeds, n_seeds):
    """Return how many sigma a value lies from zero, with the sign of the value.

    The error has two independent parts. That over clusters is normal: the bootstrap knows
    it from hundreds of clusters. That over seeds is known from ``n_seeds`` fits only, so
    the value divided by it follows Student's t with ``n_seeds`` - 1 degrees of freedom.
    The two-sided probability that their sum is as large as the value,

    .. math::

        p = 2 \\int \\phi(z) \\, T_{n-1}\\!\\left(
            \\frac{\\sigma_c z - |v|}{\\sigma_s} \\right) dz,

    is given as the sigma of a normal distribution with this probability. No effect exceeds
    3 sigma more often than in 0.27 % of experiments, whatever the two parts. (With the
    effective degrees of freedom of Welch and Satterthwaite up to 2 % do, for three seeds.)

    Parameters
    ----------
    value : float
        Mean over the seeds.
    error_clusters, error_seeds : float
        Standard errors of the value.
    n_seeds : int
        Number of fits that ``error_seeds`` is estimated from.

    Returns
    -------
    sigma : float
        NaN for a single seed, whose scatter between fits is not known.

    Examples
    --------
    >>> round(significance(3.0, 1.0, 0.0, 3), 2)
    3.0
    >>> round(significance(3.0, 0.0, 1.0, 3), 2)
    1.67
    """
    if n_seeds < 2:
        return np.nan
    size = abs(value)
    if error_seeds == 0:
        return float(value / error_clusters)
    # Student's t is even, and its cumulative distribution is faster than t.sf of scipy.
    beyond = stdtr(n_seeds - 1, -(size - error_clusters * STEPS) / error_seeds)
    return float(np.copysign(norm.isf(WEIGHTS @ beyond), value))


def significance_of_mean(values, errors):
    """Return how many sigma the mean of the values of several seeds lies from zero.

    Parameters
    ----------
    values : array-like of shape (n_seeds,)
    errors : array-like of shape (n_seeds,)
        Error of each over clusters; that over seeds is from the scatter of the values.

    Returns
    -------
    sigma : float
        As `significance` returns it.

    Examples
    --------
    >>> round(significance_of_mean([29.0, 30.0, 31.0], [3.0, 3.0, 3.0]), 1)
    3.6
    """
    values, n = np.asarray(values), len(values)
    if n < 2:
        return np.nan
    of_clusters = np.sqrt(np.sum(np.square(errors))) / n
    of_seeds = np.std(values, ddof=1) / np.sqrt(n)
    return significance(values.mean(), of_clusters, of_seeds, n)


def verdict(*sigmas):
    """Return "met" if all of these are beyond three sigma, or else "not shown".

    The arguments are the sigma of an effect and of the effect against its control, where
    the expected sign is positive. NaN, for a single seed, shows nothing.
    """
    return "met" if all(sigma > ENOUGH for sigma in sigmas) else "not shown"
