"""Calibrated posteriors, learned from clusters that were held out of training."""

from typing import NamedTuple

import numpy as np
from sklearn.base import MetaEstimatorMixin, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from ..cluster_weights import (
    checked_weights,
    effective_number,
    weighted_quantile,
    weighted_std,
)
from ..estimator_parts import changes_target, last_step, predicts_std, walk
from ..model_selection import fit_fold, spatial_folds, with_groups
from ..model_selection.fold_policy import over_folds
from ..parameters import Anything, Choice, Integer, NJobs, WithMethods, check_parameters
from ..plausible_masses import MASS_RANGE, MASS_RANGE_KIND, log_mass_column
from ..sample import ClusterSample
from ..sample.transformer import TakesSample
from .mass_pairs import cells_at
from .mass_posterior import N_CELLS, MassPosterior
from .predicted_errors import mean_and_std
from .predictors import PosteriorMixin, moments_of
from .priors import TrainingPrior, log_prior, mass_density
from .score_trends import follow_trend, learn_trend, trend_inputs
from .smoothing import scott_bandwidth, smoothed_counts

MIN_SCORES, MIN_FOR_TREND = 20, 100


class CalibratedMassRegressor(
    PosteriorMixin, MetaEstimatorMixin, RegressorMixin, TakesSample
):
    r"""Regressor with posteriors whose width and shape are learned from held-out clusters.

    Copies of the estimator predict the training clusters fold by fold, each fold (an octant
    by default) by a copy that has not seen it. The scores of these clusters,

    .. math::

        t = \frac{\log_{10} M - m}{s}

    with m and s the predicted mean and standard deviation, are a sample of the distribution
    of t. The posterior of a new cluster is that of m + s t, with t drawn from this
    distribution and m and s predicted by an estimator fitted to all training clusters.

    Parameters
    ----------
    estimator : estimator
        A regressor of log10 M, or a Pipeline that ends in one. If its ``predict`` has no
        ``return_std``, s is 1 dex and all posteriors are equally wide. A fitted estimator
        inside a `sklearn.frozen.FrozenEstimator` is calibrated as it is; give `fit` the
        clusters that it has not seen.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`. None: octants where the
        sample has positions, otherwise five folds. Neither splits a group.
        Clusters in no test fold are not used for calibration.
    by : {"trend", "redshift", "mass", "pairs"} or None, default=None
        With "trend", the mean and the width of the scores follow smooth functions of
        predicted mass and, if X is a `ClusterSample`, redshift (see
        `posterior.score_trends`). "redshift" (of a `ClusterSample`) and "mass" (predicted)
        learn separate distributions in bins. "pairs" takes no scores, but the density of
        true masses among held-out clusters of about the same predicted mass, as Kodi
        Ramanah et al. 2021 do (see `posterior.mass_pairs`); s then does not matter.
    n_bins : int, default=3
        Number of these bins, which hold equally many clusters.
    n_jobs : int, default=None
        Number of folds that run at the same time.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass [Msun/h] that a target may have; others are refused
        with the unit that they seem to be in. None takes any target.

    Attributes
    ----------
    estimator_ : estimator
        The estimator fitted to all training clusters.
    scores_ : ndarray of shape (n_scores,)
        Scores t of the held-out clusters.
    bin_edges_ : ndarray of shape (n_bins + 1,)
        Edges of the bins of the quantity that `by` names; the first and the last one are
        infinite.
    by_ : str or None
        `by` of the fit, which predictions use.
    trend_ : dict of str to ndarray or None
        With ``by="trend"``, how the mean and the width of the scores vary.
    pairs_ : ndarray of shape (3, n_scores) or None
        With ``by="pairs"``, predicted and true masses of the held-out clusters, and their
        weights.
    score_edges_, score_probability_ : ndarrays of shape (n_bins, 513) and (n_bins, 512)
        Distribution of t (less its trend) in narrow cells, for each bin: a Gaussian kernel
        estimate with Scott's bandwidth, shrunk such that it has the mean and the variance
        of the scores.
    mass_density_ : ndarray of shape (2, 256)
        Smoothed distribution of the training masses (see `posterior.mass_density`): the
        prior of the posteriors, unless the estimator has a prior of its own and there is no
        trend.

    Notes
    -----
    This is split conformal prediction with normalized scores (Mondrian, with `by`),
    smoothed so that there is a density. Intervals then have the right coverage on average
    over clusters like those of training, and in each bin of `by`, but not for every kind of
    cluster by itself. With ``by="trend"`` they have it approximately at each predicted mass
    and redshift, as far as the trend describes how the scores vary. The trend of any
    estimator leads to the mean mass of training clusters of that prediction; so posteriors
    contain the distribution of training masses as their prior, and end where it does.

    References
    ----------
    Vovk, Gammerman & Shafer (2022), Algorithmic Learning in a Random World.

    Kodi Ramanah et al. (2021), arXiv:2009.03340, for ``by="pairs"``.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import LinearRegression
    >>> from skcluster import CalibratedMassRegressor
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, 500)
    >>> ln_s = log_mass[:, None] + rng.normal(0, 0.1, (500, 1))
    >>> model = CalibratedMassRegressor(LinearRegression()).fit(ln_s, log_mass)
    >>> _, std = model.predict(ln_s[:1], return_std=True)
    >>> std.round(1)
    array([0.1])
    >>> low, high = model.predict_quantiles(ln_s, [0.16, 0.84]).T
    >>> bool(0.64 < np.mean((low < log_mass) & (log_mass < high)) < 0.72)
    True
    """

    _parameter_kinds = {
        "estimator": WithMethods("an estimator with fit and predict"),
        "cv": Anything(),  # read by `spatial_folds`
        "by": Choice(["trend", "redshift", "mass", "pairs"]) | None,
        "n_bins": Integer(1),
        "n_jobs": NJobs(),
        "mass_range": MASS_RANGE_KIND,
    }

    def __init__(
        self,
        estimator,
        *,
        cv=None,
        by=None,
        n_bins=3,
        n_jobs=None,
        mass_range=MASS_RANGE,
    ):
        self.estimator = estimator
        self.cv = cv
        self.by = by
        self.n_bins = n_bins
        self.n_jobs = n_jobs
        self.mass_range = mass_range

    def fit(self, X, y, groups=None, sample_weight=None):
        r"""Learn the scores on held-out folds, then the masses on all clusters.

        Parameters
        ----------
        X : what the estimator takes
        y : array-like of shape (n_clusters,)
            log10 M500c [Msun/h].
        groups : array-like of shape (n_clusters,), default=None
            Labels that no fold may split, in place of ``X.group`` of a sample.
        sample_weight : array-like of shape (n_clusters,), default=None
            Weights of the clusters in the fits of the estimator, which must take them, and
            in the distribution of the scores; only their ratios matter there. A smaller
            effective number of clusters, :math:`(\sum w)^2 / \sum w^2`, widens the kernels.
            Clusters of weight 0 are left out.
        """
        parameters = check_parameters(self)
        mass_range = parameters.mass_range
        y = log_mass_column(y, by=type(self).__name__, mass_range=mass_range)
        if len(y) == 0:
            raise ValueError(
                "Found 0 sample(s) while a minimum of 1 is required by "
                "CalibratedMassRegressor."
            )
        weight = checked_weights(sample_weight, len(y), by=type(self).__name__)
        X, labels = with_groups(X, groups)
        folds = spatial_folds(self.cv, X, y, groups)
        fits = self.estimator, X, y, folds, labels, weight, parameters.n_jobs
        predicted = [*over_folds(mean_and_std, *fits)]
        self.mass_density_ = mass_density(y, weight)
        self._learn_scores(X, HeldOut.of(folds, predicted, y, weight), parameters)
        self.estimator_ = fit_fold(self.estimator, X, y, slice(None), labels, weight)
        return self

    def _learn_scores(self, X, held_out, parameters):
        """Learn the distribution of the scores, its trend and its bins."""
        rows, log_mass, mean, std, weight = held_out
        self.by_ = parameters.by
        self.scores_ = scores = (log_mass - mean) / std
        self.trend_ = self.pairs_ = None
        if parameters.by == "pairs":
            each = np.ones_like(mean) if weight is None else weight
            self.pairs_ = np.array([mean, log_mass, each])
        if parameters.by == "trend":
            _check_scores(scores, MIN_FOR_TREND, "to learn a trend", " or by=None")
            error = weighted_std(log_mass - mean, weight)
            ends = (*TrainingPrior(self.mass_density_).support, error)
            inputs = trend_inputs(X, mean, rows)
            self.trend_, scores = learn_trend(scores, inputs, weight, ends)
        value = self._value_of_bins(X, mean, rows)
        has_bins = parameters.by in ("redshift", "mass")
        n_bins = parameters.n_bins if has_bins else 1
        cure = ", fewer n_bins or by=None" if has_bins else ""
        self.bin_edges_ = _equal_bins(value, n_bins, weight)
        b = self._bin_numbers(value)
        cells = [
            _cells(scores[b == i], None if weight is None else weight[b == i], cure)
            for i in range(len(self.bin_edges_) - 1)
        ]
        self.score_edges_, self.score_probability_ = map(
            np.array, zip(*cells, strict=True)
        )

    def predict(self, X, return_std=False):
        """Predict the mean of the posterior of log10 M500c, and its standard deviation.

        Parameters
        ----------
        X : as in `fit`
        return_std : bool, default=False

        Returns
        -------
        log_mass : ndarray of shape (n,)
        std : ndarray of shape (n,), if `return_std`
        """
        mean, std, b = self._components(X)
        moments = self._moments(mean, std, b)
        rows = np.flatnonzero(self._reach_an_end(mean, std, b))
        if len(rows):
            cut = mean[rows], std[rows], b[rows]
            moments[rows] = self._by_blocks(cut, moments_of)
        mean, std = moments.T
        return (mean, std) if return_std else mean

    def _moments(self, mean, std, b):
        """Moments of the posteriors before they are cut, of shape (n_clusters, 2)."""
        middle = (self.score_edges_[:, 1:] + self.score_edges_[:, :-1]) / 2
        score = np.sum(self.score_probability_ * middle, axis=1)
        offset = middle - score[:, None]
        width = np.sqrt(np.sum(self.score_probability_ * offset**2, axis=1))
        return np.column_stack([mean + std * score[b], std * width[b]])

    def _reach_an_end(self, mean, std, b):
        """Return which posteriors the prior may cut: all of them if they are from pairs."""
        if self._has_pairs:
            return np.ones(len(mean), bool)
        low, high = getattr(self._log_prior(), "support", (-np.inf, np.inf))
        lowest, highest = self.score_edges_[b, 0], self.score_edges_[b, -1]
        return (mean + std * lowest < low) | (mean + std * highest > high)

    def _posterior(self, mean, std, b):  # type: ignore[override]
        if self._has_pairs:
            edges, probability = cells_at(mean, self.pairs_)
            return MassPosterior.from_cells(edges, probability, self._log_prior())
        edges = mean[:, None] + std[:, None] * self.score_edges_[b]
        return MassPosterior.from_cells(
            edges,
            self.score_probability_[b],
            self._log_prior(),
            match_std=self._predicts_each_std,
        )

    @property
    def _predicts_each_std(self):
        innermost = last_step(self.estimator_)
        each = getattr(innermost, "_predicts_each_std", True)
        has_trend = self._trend is not None
        return has_trend or (each and predicts_std(self.estimator_))

    @property
    def _has_pairs(self):
        return getattr(self, "pairs_", None) is not None  # older models have none

    def _log_prior(self):
        if self._has_pairs:
            return log_prior(self.mass_density_)
        if self._trend is not None:
            # Means that follow it are those of the training masses.
            return TrainingPrior(self.mass_density_)
        own = None
        if not any(map(changes_target, walk(self.estimator_))):
            own = getattr(last_step(self.estimator_), "_log_prior", None)
        return log_prior(self.mass_density_) if own is None else own()

    def _components(self, X):
        """Return means and errors, corrected by the trend, and the bins of the scores."""
        check_is_fitted(self)
        mean, std = mean_and_std(self.estimator_, X)
        b = self._bin_numbers(self._value_of_bins(X, mean, slice(None)))
        if self._trend is not None:
            shift, width = self._follow_trend(X, mean)
            mean, std = mean + std * shift, std * width
        return mean, std, b

    def _follow_trend(self, X, mean):
        inputs = trend_inputs(X, mean, slice(None))
        if inputs.shape[1] != self._trend["moments"].shape[1]:
            raise ValueError(
                "The trend was learned from clusters with redshifts and X has none, or the "
                f"other way round: X is a {type(X).__name__}. Give what fit was given."
            )
        return follow_trend(self._trend, inputs)

    @property
    def _trend(self):
        return getattr(self, "trend_", None)  # older models have none

    def _value_of_bins(self, X, mean, rows):
        by = getattr(self, "by_", self.by)  # older models have only the parameter
        if by != "redshift":
            return mean
        if not isinstance(X, ClusterSample):  # a data frame would take rows for labels
            raise ValueError(
                "by='redshift' needs X.redshift of a ClusterSample, but X is a "
                f"{type(X).__name__}. Give a sample, or by='mass'."
            )
        return X.redshift[rows]

    def _bin_numbers(self, value):
        return np.searchsorted(self.bin_edges_[1:-1], value, side="right")


class HeldOut(NamedTuple):
    """Clusters of positive weight, as predicted by estimators that have not seen them."""

    rows: np.ndarray
    log_mass: np.ndarray
    mean: np.ndarray
    std: np.ndarray
    weight: np.ndarray | None

    @classmethod
    def of(cls, folds, predicted, y, weight):
        """Join the predictions of the test clusters of all folds."""
        rows = np.concatenate([test for _, test in folds])
        mean, std = np.concatenate(predicted, axis=1)
        if weight is None:
            return cls(rows, y[rows], mean, std, None)
        counts = weight[rows] > 0
        rows = rows[counts]
        return cls(rows, y[rows], mean[counts], std[counts], weight[rows])


def _equal_bins(value, n_bins, weight):
    """Edges of bins that hold equally many clusters, or equal weights of them."""
    share = np.arange(1, n_bins) / n_bins
    if weight is None:
        inner = np.quantile(value, share)
    else:
        inner = weighted_quantile(value, share, weight)
    # Of many equal values, the lowest is an edge, below which there are none.
    return np.array([-np.inf, *np.unique(inner[inner > value.min()]), np.inf])


def _check_scores(scores, least, purpose, cure):
    n = len(scores)
    if n < least:
        raise ValueError(
            f"{n} held-out clusters are too few {purpose}, which needs {least}. Give more "
            f"clusters{cure}."
        )
    if np.ptp(scores) <= 1e-9 * np.abs(scores).max():
        raise ValueError(
            f"The errors of all {n} held-out clusters are equal, so no posterior has a "
            "width. Are copies of one cluster in several folds? Then give group of the "
            "sample, or groups."
        )


def _cells(scores, weight, cure):
    """Return edges and probabilities of cells of the smoothed distribution of scores."""
    _check_scores(scores, MIN_SCORES, "to calibrate a bin", cure)
    n = len(scores) if weight is None else effective_number(weight)
    # The kernel widens the distribution, so the scores are first shrunk by as much.
    bandwidth = scott_bandwidth(n)
    center = np.average(scores, weights=weight)
    width = weighted_std(scores, weight)
    kernel = np.sqrt(bandwidth**2 / (1 + bandwidth**2)) * width
    centers = center + (scores - center) / np.sqrt(1 + bandwidth**2)
    low, high = centers.min() - 6 * kernel, centers.max() + 6 * kernel
    edges = np.linspace(low, high, N_CELLS + 1)
    counts = smoothed_counts(centers, kernel, edges, weight)
    return edges, counts / counts.sum()
