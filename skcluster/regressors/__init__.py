"""Neural networks as scikit-learn regressors: maps (and galaxies) in, log10 M500c out."""

from .joint import JointCNNRegressor
from .xray import XrayCNNRegressor

__all__ = ["JointCNNRegressor", "XrayCNNRegressor"]
