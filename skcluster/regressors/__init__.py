"""Neural networks as scikit-learn regressors of log10 M500c.

Each is imported, and torch with the first, only when it is asked for.
"""

from ..lazy_names import lazy_names

_MODULE_OF_CLASS = {
    "JointCNNRegressor": "joint",
    "PhotonSetRegressor": "photon_set",
    "XrayCNNRegressor": "xray",
}

__all__ = [*_MODULE_OF_CLASS]

__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_CLASS)
