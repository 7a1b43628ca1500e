"""Neural networks as scikit-learn regressors of log10 M500c."""

from .joint import JointCNNRegressor
from .photon_set import PhotonSetRegressor
from .xray import XrayCNNRegressor

__all__ = ["JointCNNRegressor", "PhotonSetRegressor", "XrayCNNRegressor"]
