"""Test whether clusters together differ from those that a model was trained on."""

import numpy as np
from scipy.stats import f as f_distribution

from ..training_ranges import hardly_vary
from .detector import as_compared, network_and_its_input
from .measures import first_views, population_measures

MIN_POPULATION, MIN_TESTED = 100, 10
"""Fewest training clusters, and fewest tested ones, of a test of populations."""
MASS_RIDGE, LEAST_VARIANCE, LARGEST_RESIDUAL = 1e-3, 1e-4, 5.0


def learn_population(maps, redshift, log_mass, group=None):
    """Learn how the measures of training maps scatter at a given mass and redshift.

    Parameters
    ----------
    maps : SparseMaps or Measures
    redshift : ndarray of shape (n_clusters,) or None
    log_mass : ndarray of shape (n_clusters,)
    group : ndarray of shape (n_clusters,), default=None
        Label of each cluster's halo. Only the first view of a halo counts, for others are
        not independent of it. None: all are.

    Returns
    -------
    population : dict of str to ndarray, bool and int
        What `population_test` needs; empty for fewer than 100 halos.
    """
    measures = population_measures(maps)
    rows = first_views(group)
    measures, log_mass = measures[rows], log_mass[rows]
    redshift = None if redshift is None else redshift[rows]
    n = len(log_mass)
    if n < MIN_POPULATION:
        return {}
    has_redshift = redshift is not None and not hardly_vary(redshift)
    z = np.asarray(redshift, float) if has_redshift else np.zeros(n)
    scale = measures.std(axis=0)
    learned = {
        "measure_moments": np.array(
            [measures.mean(axis=0), np.where(scale > 0, scale, 1)]
        ),
        "redshift_moments": np.array([z.mean(), z.std() if has_redshift else 1.0]),
        "has_redshift": has_redshift,
        "n_clusters": n,
    }
    u, z = _standardized(learned, measures, z)
    inputs = _mass_inputs(u, z)
    penalty = MASS_RIDGE * n * np.eye(inputs.shape[1])
    penalty[0, 0] = 0.0
    weights = np.linalg.solve(
        inputs.T @ inputs + penalty, inputs.T @ (log_mass - log_mass.mean())
    )
    mass = inputs @ weights
    learned["mass_weights"] = weights / mass.std()
    mass = mass / mass.std()
    learned["mass_range"] = np.array([mass.min(), mass.max()])
    terms = _terms(mass, z)
    learned["term_covariance"] = np.linalg.pinv(terms.T @ terms)
    learned["trend"] = np.linalg.pinv(terms) @ u
    leverage = np.sum(terms @ learned["term_covariance"] * terms, axis=1)
    # Residual of each cluster from the trend of all others.
    residual = (u - terms @ learned["trend"]) / (1 - np.minimum(leverage, 0.9))[:, None]
    variance, direction = np.linalg.eigh(residual.T @ residual / n)
    kept = variance > LEAST_VARIANCE * variance.max()
    learned["whitening"] = direction[:, kept] / np.sqrt(variance[kept])
    return learned


def population_test(estimator, X):
    r"""Probability that clusters of the training distribution differ as much as these do.

    The per-cluster score of `misspecification_score` sees a cluster that is far from all
    training maps. A population can be shifted by much less than the scatter of its
    clusters, for instance by another exposure, and all masses with it. This test sees that.

    The measures :math:`f` are those of `MapOutlierDetector` and, because they tell point
    sources and blurred maps, the roots of the sums of squared pixels in its rings and of
    the products of neighboring pixels. They are compared with those of training clusters
    of the same redshift and the same mass, as a linear combination of them tells it. With
    r the residuals of n clusters from that trend, S their covariance in training and h the
    leverage of the mean cluster, Hotelling's

    .. math::

        T^2 = \bar r^T S^{-1} \bar r \, / \, (1 / n + h)

    follows the F distribution, for large n, if the clusters are like those of training.
    Populations may differ in their masses and redshifts (within the range of training):
    only what maps are like at a given mass and redshift counts.

    Parameters
    ----------
    estimator : fitted estimator
        A network, or a Pipeline or other meta-estimator around one.
    X : what the estimator takes
        At least 10 clusters that are independent of each other. Snapshots or turned copies
        of one halo are not: of those with one label in the sample's ``group`` only the
        first counts.

    Returns
    -------
    p_value : float
        Below 1e-3, masses of these clusters are not to be trusted: look for another
        exposure, background, point-spread function or selection. NaN if the network was
        trained on fewer than 100 clusters, or on fewer than 100 of different ``group``.

    Notes
    -----
    Clusters beyond the masses of training, as the measures tell them, are compared with
    those at the end of the range. A change that makes maps look exactly like those of
    another mass cannot be seen. ``experiments/population_test.py`` measures the power.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import XrayCNNRegressor, population_test
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:16, :16] - 7.5
    >>> def draw(log_mass, background=0.0):
    ...     size = 10 ** (log_mass - 14)[:, None, None, None]
    ...     return rng.poisson(5 * size * np.exp(-np.hypot(x, y) / 3) + background)
    >>> log_mass = rng.uniform(13.5, 15, 300)
    >>> network = XrayCNNRegressor(max_epochs=1, random_state=0)
    >>> network = network.fit(draw(log_mass[:200]), log_mass[:200])
    >>> population_test(network, draw(log_mass[200:])) > 1e-3
    True
    >>> population_test(network, draw(log_mass[200:], background=0.05)) < 1e-3
    True
    """
    network, measures, redshift = measured_population(estimator, X)
    rows = first_views(getattr(X, "group", None))
    redshift = None if redshift is None else redshift[rows]
    return p_value_of_population(network, measures[rows], redshift)


def measured_population(estimator, X):
    """Measure clusters for `population_test`, so that parts of them can be joined.

    Parameters
    ----------
    estimator, X
        See `population_test`; any number of clusters.

    Returns
    -------
    network : fitted estimator
        The one in `estimator` that knows the population.
    measures : ndarray of shape (n_clusters, n_measures)
    redshift : ndarray of shape (n_clusters,) or None
    """
    network, X = network_and_its_input(estimator, X)
    redshift = getattr(X, "redshift", None)
    return network, population_measures(as_compared(network, X)), redshift


def p_value_of_population(network, measures, redshift):
    """Return the result of `population_test` for what `measured_population` returns."""
    learned = getattr(network, "population_", {})
    n_tested = len(measures)
    if n_tested < MIN_TESTED:
        raise ValueError(
            f"population_test needs at least {MIN_TESTED} clusters, got {n_tested}. For "
            "single clusters there is misspecification_score."
        )
    if not learned:
        return np.nan
    if not learned["has_redshift"]:
        redshift = 0.0
    if redshift is None:
        raise ValueError(
            f"The {type(network).__name__} was trained on clusters with redshifts: give "
            "population_test a ClusterSample, which has them."
        )
    u, z = _standardized(learned, measures, np.broadcast_to(redshift, n_tested))
    # Beyond the training masses the trend is not known, and would explain anything.
    mass = _mass_inputs(u, z) @ learned["mass_weights"]
    terms = _terms(np.clip(mass, *learned["mass_range"]), z)
    residual = (u - terms @ learned["trend"]) @ learned["whitening"]
    # Clipped, lest single clusters decide: they have a score of their own.
    mean = np.clip(residual, -LARGEST_RESIDUAL, LARGEST_RESIDUAL).mean(axis=0)
    middle = terms.mean(axis=0)
    variance = 1 / n_tested + middle @ learned["term_covariance"] @ middle
    n_left, n_measures = learned["n_clusters"] - terms.shape[1], len(mean)
    n_left_over = n_left - n_measures + 1
    ratio = mean @ mean / variance * n_left_over / (n_left * n_measures)
    return float(f_distribution.sf(ratio, n_measures, n_left_over))


def _standardized(learned, measures, redshift):
    mean, scale = learned["measure_moments"]
    middle, width = learned["redshift_moments"]
    return (measures - mean) / scale, (redshift - middle) / width


def _mass_inputs(u, z):
    return np.column_stack([np.ones(len(u)), u, z, z**2])


def _terms(mass, z):
    """All products of powers of mass and redshift up to the third order."""
    powers = [(i, j) for i in range(4) for j in range(4 - i)]
    return np.column_stack([mass**i * z**j for i, j in powers])
