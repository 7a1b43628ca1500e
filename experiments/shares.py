"""Estimators that learn from a share of the clusters that they are given."""

import numpy as np
from sklearn.base import BaseEstimator, MetaEstimatorMixin, RegressorMixin, clone

from skcluster.contest import BUILT_IN


class OnAShare(RegressorMixin, MetaEstimatorMixin, BaseEstimator):
    """Fit an estimator to clusters drawn from those of training.

    Parameters
    ----------
    estimator : estimator
    share : float
        Share of the clusters that it is fitted to. Those of a smaller share are among those
        of a larger one.
    random_state : int
        Seed of the draw.
    """

    def __init__(self, estimator, *, share, random_state=None):
        self.estimator, self.share = estimator, share
        self.random_state = random_state

    def fit(self, X, y):
        order = np.random.default_rng(self.random_state).permutation(len(y))
        rows = np.sort(order[: round(self.share * len(y))])
        self.estimator_ = clone(self.estimator).fit(X[rows], y[rows])
        return self

    def predict(self, X):
        return self.estimator_.predict(X)


def on_a_share(*, builtin, share):
    """Return a built-in estimator of contests that learns from a share of the clusters."""
    return OnAShare(BUILT_IN[builtin].make(), share=share)
