"""Find single clusters unlike those that a model was trained on."""

import warnings

import numpy as np
from scipy.stats import binom
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from ..estimator_parts import enter, inside
from ..printable import cluster_label
from .measures import measures

MIN_CLUSTERS = 50
QUANTILE, FACTOR = 0.995, 1.5
RIDGE = 1e-6
SHARE_IN_TAIL, FAR = 2e-3, 1.3
"""Assumed share of training maps with scores above 1, and a score that none reaches."""


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

    _parameter_kinds: dict = {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def fit(self, X, y=None):
        """Learn the distribution of the training maps.

        Parameters
        ----------
        X : ClusterSample with maps, SparseMaps, Measures or array-like
            Clusters in the form in which the network receives them; an array has the shape
            (n, n_bands, n_pixels, n_pixels).
        y : ignored
        """
        found = measures(X)
        n = len(found)
        self.mean_, scale = found.mean(axis=0), found.std(axis=0)
        self.scale_ = np.where(scale > 0, scale, 1.0)
        u = (found - self.mean_) / self.scale_
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
        found = measures(X)
        if found.shape[1] != len(self.mean_):
            raise ValueError(
                f"X is described by {found.shape[1]} numbers per cluster, but the training "
                f"maps of this MapOutlierDetector by {len(self.mean_)}: their numbers of "
                "bands differ. Give maps with the bands of the training maps."
            )
        u = (found - self.mean_) / self.scale_
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
    network, X = network_and_its_input(estimator, X)
    return scores_in_limits(network.outlier_detector_, as_compared(network, X))


def scores_in_limits(detector, X):
    """Return the distances of a fitted `MapOutlierDetector` in units of its limit."""
    return detector.score_samples(X) / detector.offset_


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


def network_and_its_input(estimator, X):
    """Return the network in a fitted estimator, and X as the network receives it."""
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
        "XrayCNNRegressor, JointCNNRegressor or PhotonSetRegressor, or a Pipeline around "
        "one."
    )


def as_compared(network, X):
    """Return clusters in the form to which a network's detector was fitted."""
    measures_of = getattr(network, "measures_of", None)
    return X if measures_of is None else measures_of(X)
