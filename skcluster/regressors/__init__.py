"""Neural networks as scikit-learn regressors, from maps (and galaxies) to log10 M500c."""

from .joint import JointCNNRegressor
from .xray import XrayCNNRegressor

__all__ = ["JointCNNRegressor", "XrayCNNRegressor"]
