"""Names of the types that a model file may hold without the user's word for them."""

import importlib

OUR_TYPES = (
    "skcluster.CalibratedMassRegressor",
    "skcluster.EvrardProxyRegressor",
    "skcluster.JointCNNRegressor",
    "skcluster.LogScaler",
    "skcluster.MapOutlierDetector",
    "skcluster.PhaseSpaceKDE",
    "skcluster.PhotonMapper",
    "skcluster.ProxyMeasurer",
    "skcluster.QuadrantGroupKFold",
    "skcluster.RedshiftNormalizer",
    "skcluster.RotationAugmentedRegressor",
    "skcluster.XrayCNNRegressor",
    "skcluster.sample.MapGeometry",
)
"""Public names, so that a file outlives a move of the class between our modules."""


def public_name(cls):
    """Shortest dotted name under which a class or function can be imported.

    Parameters
    ----------
    cls : class or function

    Returns
    -------
    name : str
        Of a class of skcluster or scikit-learn the name in its documentation; it stays
        when the class moves between private modules.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> public_name(LinearRegression)
    'sklearn.linear_model.LinearRegression'
    >>> from skcluster import LogScaler
    >>> public_name(LogScaler)
    'skcluster.LogScaler'
    """
    parts = cls.__module__.split(".")
    if parts[0] in ("skcluster", "sklearn"):
        for n_parts in range(1, len(parts)):
            module = ".".join(parts[:n_parts])
            if getattr(importlib.import_module(module), cls.__name__, None) is cls:
                return f"{module}.{cls.__name__}"
    return f"{cls.__module__}.{cls.__qualname__}"
