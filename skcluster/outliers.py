"""Find maps, and populations of maps, unlike those that a model was trained on."""

import warnings
from typing import NamedTuple

import numpy as np
from scipy.stats import binom
from scipy.stats import f as f_distribution
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from .estimator_parts import enter, inside
from .sample import ClusterSample, SparseMaps, require
from .training_ranges import cluster_label

MIN_CLUSTERS = 50
RING_EDGES = (0.15, 0.35, 0.65, 1.0)
"""Edges of the rings in which a map is measured, in half-widths."""
QUANTILE, FACTOR = 0.995, 1.5
MIN_POPULATION, MIN_TESTED = 100, 10
"""Fewest training clusters, and fewest tested ones, of a test of populations."""
MASS_RIDGE, LEAST_VARIANCE, LARGEST_RESIDUAL = 1e-3, 1e-4, 5.0
RIDGE = 1e-6
SHARE_IN_TAIL, FAR = 2e-3, 1.3
"""Assumed share of training maps with scores above 1, and a score that none reaches."""


class Measures(NamedTuple):
    """Numbers, of shape (n_clusters, n_measures), that describe clusters without maps."""

    values: np.ndarray


class MapOutlierDetector(OutlierMixin, BaseEstimator):
    r"""Find maps that are unlike those of training, such as maps with another background.

    A map is described by the square roots of its sums and of its numbers of filled pixels
    in five rings, by the square roots of its sums in all bands but the first, and by its
    brightest pixel. Its Mahalanobis distance from the training maps is

    .. math::

        d = \sqrt{(f - \bar f)^T \Sigma^{-1} (f - \bar f)}

    It is an outlier beyond 1.5 times the distance within which 99.5 % of the training maps
    lie, each measured against all others. About one in a thousand maps of the training
    distribution lies beyond that limit as well.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_measures,)
    precision_ : ndarray of shape (n_measures, n_measures)
        Inverse covariance of the standardized measures.
    offset_ : float
        Minus the distance beyond which maps are outliers. It is minus infinity, and no map
        is an outlier, after fewer than 50 training maps.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import MapOutlierDetector
    >>> rng = np.random.default_rng(0)
    >>> y, x = np.mgrid[:32, :32] - 15.5
    >>> cluster = 5 * np.exp(-np.hypot(x, y) / 4) * rng.uniform(0.5, 2, (201, 1, 1, 1))
    >>> background = np.zeros((201, 1, 1, 1))
    >>> background[200] = 0.2
    >>> maps = rng.poisson(cluster + background)
    >>> detector = MapOutlierDetector().fit(maps[:100])
    >>> int((detector.predict(maps[100:200]) == -1).sum())
    0
    >>> detector.predict(maps[200:])
    array([-1])
    """

    _parameter_kinds = {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def fit(self, X, y=None):
        """Learn the distribution of the training maps.

        Parameters
        ----------
        X : ClusterSample with maps, SparseMaps, Measures, or array of shape \
(n, n_bands, n_pixels, n_pixels)
            Clusters in the form in which the network receives them.
        y : ignored
        """
        measures = _measures(_maps(X))
        n = len(measures)
        self.mean_, scale = measures.mean(axis=0), measures.std(axis=0)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        u = (measures - self.mean_) / self.scale_
        scatter = u.T @ u + RIDGE * n * np.eye(u.shape[1])
        self.precision_ = np.linalg.inv(scatter / n)
        self.offset_ = -np.inf
        if n >= MIN_CLUSTERS:
            # Distance of each map from all others (Sherman-Morrison formula).
            q = np.einsum("ij,jk,ik->i", u, np.linalg.inv(scatter), u)
            left_out = n * (n / (n - 1)) ** 2 * q / (1 - q * n / (n - 1))
            self.offset_ = -FACTOR * float(np.sqrt(np.quantile(left_out, QUANTILE)))
        return self

    def score_samples(self, X):
        """Return minus the distance of each map from the training maps."""
        check_is_fitted(self)
        u = (_measures(_maps(X)) - self.mean_) / self.scale_
        return -np.sqrt(np.einsum("ij,jk,ik->i", u, self.precision_, u))

    def decision_function(self, X):
        """Return the limit minus the distance of each map: negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """Return 1 for maps like those of training, and -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def misspecification_score(estimator, X):
    """Distance of each cluster's maps from the training maps, over the limit for outliers.

    Parameters
    ----------
    estimator : fitted estimator
        A network, or a Pipeline or other meta-estimator around one.
    X : what the estimator takes

    Returns
    -------
    score : ndarray of shape (n_clusters,)
        The distance of `MapOutlierDetector` in units of its limit. About one in a thousand
        clusters like those of training has a score above 1, and hardly any above 1.3. Zero
        if the network was trained on fewer than 50 clusters.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import XrayCNNRegressor, misspecification_score
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, 60)
    >>> maps = rng.poisson(10 ** (log_mass - 13.5)[:, None, None, None] / 8, (60, 1, 8, 8))
    >>> network = XrayCNNRegressor(max_epochs=1, random_state=0).fit(maps, log_mass)
    >>> bool(misspecification_score(network, maps).max() < 1)
    True
    >>> bool(misspecification_score(network, maps + 9).min() > 1)
    True
    """
    network, X = _network_and_its_input(estimator, X)
    detector = network.outlier_detector_
    return detector.score_samples(_described(network, X)) / detector.offset_


def _network_and_its_input(estimator, X):
    outermost = estimator
    while not hasattr(estimator, "outlier_detector_"):
        found, entered = enter(estimator, X)
        if found is None:
            raise _without_score(outermost)
        estimator, X = found, entered
    return estimator, X


def _without_score(estimator):
    if inside(estimator) is not None:
        check_is_fitted(estimator)
    return TypeError(
        f"A {type(estimator).__name__} has no score of misspecification: give a fitted "
        "XrayCNNRegressor or JointCNNRegressor, or a Pipeline that ends in one."
    )


def warn_unlike(score, *, by, names=None, what="maps"):
    """Warn about outliers beyond those expected from the tail of the training set.

    Parameters
    ----------
    score : ndarray of shape (n_clusters,)
        Scores from `misspecification_score`.
    by : str
        Name of the estimator, for the message.
    names : sequence of str, default=None
        Names of the clusters, for the message.
    what : str, default="maps"
        What the network takes, for the message.

    Notes
    -----
    Of clusters like those of training, about one in a thousand has a score above 1, and
    hardly any has one above 1.3. So the warning comes if one score exceeds 1.3, or if
    more scores exceed 1 than chance would give in one of a thousand surveys.

    Examples
    --------
    >>> import numpy as np
    >>> warn_unlike(np.array([0.4, 0.9, 1.02]), by="XrayCNNRegressor")
    """
    beyond = np.flatnonzero(score > 1)
    if len(beyond) == 0:
        return
    by_chance = binom.sf(len(beyond) - 1, len(score), SHARE_IN_TAIL)
    if score.max() <= FAR and by_chance > 1e-3:
        return
    first = [*np.flatnonzero(score > FAR), *beyond][0]
    warnings.warn(
        f"{len(beyond)} of {len(score)} clusters have {what} unlike those that {by} was "
        f"trained on (first: {cluster_label(first, names)}, {score[first]:.1f} times the "
        "limit of misspecification_score): another background, exposure or instrument?",
        UserWarning,
        stacklevel=4,
    )


def learn_population(maps, redshift, log_mass):
    """Learn how the measures of training maps scatter at a given mass and redshift.

    Parameters
    ----------
    maps : SparseMaps
    redshift : ndarray of shape (n_clusters,) or None
    log_mass : ndarray of shape (n_clusters,)

    Returns
    -------
    population : dict of str to ndarray, bool and int
        What `population_test` needs; empty for fewer than 100 clusters.
    """
    measures, n = _population_measures(maps), len(log_mass)
    if n < MIN_POPULATION:
        return {}
    has_redshift = redshift is not None
    z = np.asarray(redshift, float) if has_redshift else np.zeros(n)
    scale = measures.std(axis=0)
    learned = {
        "measure_moments": np.array(
            [measures.mean(axis=0), np.where(scale > 0, scale, 1)]
        ),
        "redshift_moments": np.array([z.mean(), z.std() or 1.0]),
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
    terms = _terms(mass / mass.std(), z)
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
        of one halo are not.

    Returns
    -------
    p_value : float
        Below 1e-3, masses of these clusters are not to be trusted: look for another
        exposure, background, point-spread function or selection. NaN if the network was
        trained on fewer than 100 clusters.

    Notes
    -----
    A change that makes maps look exactly like those of another mass cannot be seen.
    ``experiments/population_test.py`` measures the power.

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
    network, X = _network_and_its_input(estimator, X)
    learned = getattr(network, "population_", {})
    measures = _population_measures(_described(network, X))
    n_tested = len(measures)
    if n_tested < MIN_TESTED:
        raise ValueError(
            f"population_test needs at least {MIN_TESTED} clusters, got {n_tested}. For "
            "single clusters there is misspecification_score."
        )
    if not learned:
        return np.nan
    redshift = getattr(X, "redshift", None) if learned["has_redshift"] else 0.0
    if redshift is None:
        raise ValueError(
            f"The {type(network).__name__} was trained on clusters with redshifts: give "
            "population_test a ClusterSample, which has them."
        )
    u, z = _standardized(learned, measures, np.broadcast_to(redshift, n_tested))
    terms = _terms(_mass_inputs(u, z) @ learned["mass_weights"], z)
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


def _described(network, X):
    """Return clusters in the form to which a network's detector was fitted."""
    measures_of = getattr(network, "measures_of", None)
    return X if measures_of is None else measures_of(X)


def _maps(X):
    if isinstance(X, Measures):
        return X
    if isinstance(X, ClusterSample):
        return require(X, "maps", by="MapOutlierDetector").maps
    return SparseMaps.from_dense(X)


def _measures(maps):
    if isinstance(maps, Measures):
        return maps.values
    n_bands, height, width = maps.shape[1:]
    in_ring = _in_rings(maps)
    in_band = np.repeat(np.eye(n_bands)[:, 1:], height * width, axis=0)
    filled = maps.rows.astype(bool).astype(float)
    rows = maps.rows.astype(float)
    brightest = rows.max(axis=1).toarray().reshape(-1, 1)
    parts = _root(rows @ in_ring), _root(filled @ in_ring), _root(rows @ in_band)
    return np.hstack([*parts, brightest])


def _population_measures(maps):
    """Measures of each map, and of how much its pixels, and pairs of neighbors, vary."""
    rows = maps.rows.astype(float)
    squares = rows.multiply(rows) @ _in_rings(maps)
    pixel = np.arange(rows.shape[1]).reshape(maps.shape[1:])
    pairs = (pixel[:, 1:], pixel[:, :-1]), (pixel[..., 1:], pixel[..., :-1])
    products = sum(
        rows[:, one.ravel()].multiply(rows[:, other.ravel()]).sum(axis=1)
        for one, other in pairs
    )
    return np.hstack([_measures(maps), _root(squares), _root(products)[:, None]])


def _in_rings(maps):
    """Whether each pixel of each band lies in each ring, as 0 or 1."""
    n_bands, height, width = maps.shape[1:]
    y, x = (np.arange(size) * 2 / size - 1 + 1 / size for size in (height, width))
    ring = np.digitize(np.hypot(*np.meshgrid(x, y)), RING_EDGES)
    return np.tile(np.eye(len(RING_EDGES) + 1)[ring.ravel()], (n_bands, 1))


def _root(values):
    return np.sign(values) * np.sqrt(np.abs(values))
