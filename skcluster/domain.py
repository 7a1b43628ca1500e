"""What a model was trained on, and how unlike it other clusters are."""

import warnings

import numpy as np
from sklearn.base import BaseEstimator, OutlierMixin
from sklearn.utils.validation import check_is_fitted

from .estimator_parts import enter, inside
from .sample import ClusterSample, SparseMaps, require

MIN_CLUSTERS = 50
RING_EDGES = (0.15, 0.35, 0.65, 1.0)
"""Of the rings in which a map is measured, in half-widths."""
QUANTILE, FACTOR = 0.995, 1.5
RIDGE = 1e-6


class MapOutlierDetector(OutlierMixin, BaseEstimator):
    r"""Tell maps that are unlike those of training, such as another background's.

    A map is measured by the square roots of its sum and of its number of filled pixels in
    five rings, those of the sums of all bands but the first, and its brightest pixel. Its
    distance from the training maps is Mahalanobis's,

    .. math::

        d = \sqrt{(f - \bar f)^T \Sigma^{-1} (f - \bar f)}

    It is an outlier beyond 1.5 times what 99.5 % of the training maps keep to, each
    measured against the others.

    Attributes
    ----------
    mean_, scale_ : ndarray of shape (n_measures,)
    precision_ : ndarray of shape (n_measures, n_measures)
        Of the standardised measures.
    offset_ : float
        Minus the distance beyond which maps are outliers; minus infinity with fewer than
        50 training maps, which are too few to tell.

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

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        return tags

    def fit(self, X, y=None):
        """Learn what training maps are like.

        Parameters
        ----------
        X : ClusterSample with maps, SparseMaps, or array (n, n_bands, n_pixels, n_pixels)
            As a network takes them.
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
            # Of each map with the others' mean and scatter (Sherman and Morrison).
            q = np.einsum("ij,jk,ik->i", u, np.linalg.inv(scatter), u)
            left_out = n * (n / (n - 1)) ** 2 * q / (1 - q * n / (n - 1))
            self.offset_ = -FACTOR * float(np.sqrt(np.quantile(left_out, QUANTILE)))
        return self

    def score_samples(self, X):
        """Minus the distance of each map from those of training."""
        check_is_fitted(self)
        u = (_measures(_maps(X)) - self.mean_) / self.scale_
        return -np.sqrt(np.einsum("ij,jk,ik->i", u, self.precision_, u))

    def decision_function(self, X):
        """How much nearer than the limit each map is; negative for outliers."""
        return self.score_samples(X) - self.offset_

    def predict(self, X):
        """1 for maps like those of training, -1 for outliers."""
        return np.where(self.decision_function(X) < 0, -1, 1)


def misspecification_score(estimator, X):
    """How unlike the training clusters each cluster is: above 1 it is an outlier.

    Parameters
    ----------
    estimator : fitted estimator
        A network, or a Pipeline or meta-estimator around one.
    X : what it takes

    Returns
    -------
    score : ndarray of shape (n_clusters,)
        The distance of `MapOutlierDetector` in units of its limit. Zero if the network saw
        fewer than 50 clusters.

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
    outermost = estimator
    while not hasattr(estimator, "outlier_detector_"):
        found, entered = enter(estimator, X)
        if found is None:
            raise _without_score(outermost)
        estimator, X = found, entered
    detector = estimator.outlier_detector_
    return detector.score_samples(X) / detector.offset_


def _without_score(estimator):
    if inside(estimator) is not None:
        check_is_fitted(estimator)
    return TypeError(
        f"A {type(estimator).__name__} has no score of misspecification: give a fitted "
        "XrayCNNRegressor or JointCNNRegressor, or a Pipeline that ends in one."
    )


def range_of(values):
    """Lowest and highest of some numbers, of which NaN is none, as a tuple of floats."""
    return float(np.nanmin(values)), float(np.nanmax(values))


def warn_outside(values, training_ranges, *, by, names=None):
    """Warn of clusters far outside what `by` was trained on.

    Far is farther than 0.02 and a tenth of the range for redshifts, and more than a factor
    of three for what is counted.

    Parameters
    ----------
    values : dict of str to ndarray of shape (n_clusters,)
        "redshift", and quantities that are counted; NaN is never far.
    training_ranges : dict of str to tuple of 2 float
        Lowest and highest of the training clusters; without a range nothing is checked.
    by : str
        Name of the estimator.
    names : sequence of str, default=None
        Of the clusters.

    Examples
    --------
    >>> trained = {"redshift": (0.1, 0.3)}
    >>> warn_outside({"redshift": np.array([0.31])}, trained, by="RedshiftNormalizer")
    """
    for quantity in values.keys() & training_ranges.keys():
        value, (low, high) = values[quantity], training_ranges[quantity]
        margin = max(0.02, 0.1 * (high - low))
        limits = (low - abs(low) * 2 / 3, high + 2 * abs(high))
        if quantity == "redshift":
            limits = (low - margin, high + margin)
        far = np.flatnonzero((value < limits[0]) | (value > limits[1]))
        if len(far):
            warnings.warn(
                f"{len(far)} of {len(value)} clusters lie far outside the training range "
                f"of {by}, {quantity} {low:.4g} to {high:.4g} (first: "
                f"{_called(far[0], names)}, {quantity} {value[far[0]]:.4g}): it "
                "extrapolates.",
                UserWarning,
                stacklevel=4,
            )


def warn_unlike(score, *, by, names=None):
    """Warn of clusters whose `misspecification_score` is above 1."""
    far = np.flatnonzero(score > 1)
    if len(far):
        warnings.warn(
            f"{len(far)} of {len(score)} clusters have maps unlike those that {by} was "
            f"trained on (first: {_called(far[0], names)}, {score[far[0]]:.1f} times the "
            "limit of misspecification_score): another background, exposure or instrument?",
            UserWarning,
            stacklevel=4,
        )


def _called(row, names):
    return f"cluster {row}" if names is None else f"cluster {row}, {names[row]}"


def _maps(X):
    if isinstance(X, ClusterSample):
        return require(X, "maps", by="MapOutlierDetector").maps
    return SparseMaps.from_dense(X)


def _measures(maps):
    n_bands, height, width = maps.shape[1:]
    y, x = (np.arange(size) * 2 / size - 1 + 1 / size for size in (height, width))
    ring = np.digitize(np.hypot(*np.meshgrid(x, y)), RING_EDGES)
    in_ring = np.tile(np.eye(len(RING_EDGES) + 1)[ring.ravel()], (n_bands, 1))
    in_band = np.repeat(np.eye(n_bands)[:, 1:], height * width, axis=0)
    filled = maps.rows.astype(bool).astype(float)
    rows = maps.rows.astype(float)
    brightest = rows.max(axis=1).toarray().reshape(-1, 1)
    parts = _root(rows @ in_ring), _root(filled @ in_ring), _root(rows @ in_band)
    return np.hstack([*parts, brightest])


def _root(values):
    return np.sign(values) * np.sqrt(np.abs(values))
