"""Neural networks as scikit-learn regressors: maps in, log10 M500c out."""

from .xray import XrayCNNRegressor

__all__ = ["XrayCNNRegressor"]
