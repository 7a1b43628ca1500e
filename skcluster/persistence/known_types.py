"""Names of the types and functions that a model file may hold without `trusted=`.

A type is known if no numbers in a file, however wrong, can make it run foreign code or
access foreign memory when it is loaded, predicts or is fitted again. Most of
scikit-learn is written in Python and NumPy, which check every index. The following
types are left out, because their compiled code trusts the stored numbers:

- support vector machines (libsvm reads as many intercepts and dual coefficients as the
  stored counts say);
- decision trees and ensembles of trees (nodes hold indices of other nodes and of
  features), histogram gradient boosting among them;
- nearest neighbors, k-means and other clusterings, whose stored points are read with the
  number of columns of X;
- matrix factorizations and dictionary learning, and linear models that are trained by
  stochastic gradients, which start from stored coefficients;
- mixtures and one-hot encoders, which allocate memory by one stored count and fill it
by another.

To load a file that holds one of these, name its type in `trusted`.
"""

import functools
import importlib

import numpy as np

OUR_TYPES = (
    "skcluster.CalibratedMassRegressor",
    "skcluster.EvrardProxyRegressor",
    "skcluster.CountRateMassRegressor",
    "skcluster.FixedPowerLawRegressor",
    "skcluster.GalaxyFeaturizer",
    "skcluster.IteratedRadiusRegressor",
    "skcluster.JointCNNRegressor",
    "skcluster.LogScaler",
    "skcluster.MapOutlierDetector",
    "skcluster.MorphologyMeasurer",
    "skcluster.PhaseSpaceKDE",
    "skcluster.PhotonFeaturizer",
    "skcluster.PhotonMapper",
    "skcluster.PhotonSetRegressor",
    "skcluster.ProxyMeasurer",
    "skcluster.RingProfiler",
    "skcluster.QuadrantGroupKFold",
    "skcluster.RedshiftNormalizer",
    "skcluster.RotationAugmentedRegressor",
    "skcluster.XrayCNNRegressor",
    "skcluster.sample.MapGeometry",
)
"""Public names, so that files stay valid when a class moves between our modules."""

SPLITTERS = (
    "GroupKFold",
    "GroupShuffleSplit",
    "KFold",
    "LeaveOneGroupOut",
    "LeaveOneOut",
    "PredefinedSplit",
    "RepeatedKFold",
    "ShuffleSplit",
    "TimeSeriesSplit",
)
SKLEARN_TYPES = {
    "compose": ("ColumnTransformer", "TransformedTargetRegressor"),
    "covariance": (
        "EllipticEnvelope",
        "EmpiricalCovariance",
        "LedoitWolf",
        "MinCovDet",
        "OAS",
        "ShrunkCovariance",
    ),
    "cross_decomposition": ("CCA", "PLSCanonical", "PLSRegression"),
    "decomposition": ("FactorAnalysis", "FastICA", "PCA", "TruncatedSVD"),
    "dummy": ("DummyRegressor",),
    "ensemble": (
        "AdaBoostRegressor",
        "BaggingRegressor",
        "StackingRegressor",
        "VotingRegressor",
    ),
    "feature_selection": ("RFE", "RFECV", "SelectFromModel", "VarianceThreshold"),
    "frozen": ("FrozenEstimator",),
    "gaussian_process": ("GaussianProcessRegressor",),
    "gaussian_process.kernels": (
        "ConstantKernel",
        "DotProduct",
        "ExpSineSquared",
        "Exponentiation",
        "Matern",
        "Product",
        "RBF",
        "RationalQuadratic",
        "Sum",
        "WhiteKernel",
    ),
    "impute": ("MissingIndicator", "SimpleImputer"),
    "isotonic": ("IsotonicRegression",),
    "kernel_approximation": ("Nystroem", "RBFSampler"),
    "kernel_ridge": ("KernelRidge",),
    "linear_model": (
        "ARDRegression",
        "BayesianRidge",
        "ElasticNet",
        "ElasticNetCV",
        "HuberRegressor",
        "Lars",
        "LarsCV",
        "Lasso",
        "LassoCV",
        "LassoLars",
        "LassoLarsCV",
        "LassoLarsIC",
        "LinearRegression",
        "OrthogonalMatchingPursuit",
        "QuantileRegressor",
        "RANSACRegressor",
        "Ridge",
        "RidgeCV",
        "TheilSenRegressor",
    ),
    "metrics._scorer": ("_PassthroughScorer", "_Scorer"),
    "model_selection": ("GridSearchCV", "RandomizedSearchCV", *SPLITTERS),
    "multioutput": ("MultiOutputRegressor", "RegressorChain"),
    "neural_network": ("MLPRegressor",),
    "neural_network._stochastic_optimizers": ("AdamOptimizer", "SGDOptimizer"),
    "pipeline": ("FeatureUnion", "Pipeline"),
    "preprocessing": (
        "Binarizer",
        "FunctionTransformer",
        "KBinsDiscretizer",
        "MaxAbsScaler",
        "MinMaxScaler",
        "Normalizer",
        "OrdinalEncoder",
        "PolynomialFeatures",
        "PowerTransformer",
        "QuantileTransformer",
        "RobustScaler",
        "StandardScaler",
    ),
    "svm": ("LinearSVR",),
}
OBJECTS = {
    *OUR_TYPES,
    *(
        f"sklearn.{module}.{name}"
        for module in SKLEARN_TYPES
        for name in SKLEARN_TYPES[module]
    ),
}
"""Types whose state is put into a new object."""
NAMED_TUPLES = ("skcluster.sample.MapGeometry",)
DICTS = ("builtins.dict", "collections.OrderedDict", "sklearn.utils.Bunch")
COSMOLOGIES = {
    f"astropy.cosmology.{name}"
    for name in (
        "FlatLambdaCDM",
        "Flatw0waCDM",
        "FlatwCDM",
        "LambdaCDM",
        "w0waCDM",
        "w0wzCDM",
        "wCDM",
        "wpwaCDM",
    )
}
"""Types that are called with their parameters, which are plain numbers."""
CLASSES = {
    *(f"builtins.{name}" for name in ("bool", "float", "int", "str")),
    *(f"sklearn.model_selection.{name}" for name in SPLITTERS),
}
"""Classes that may themselves be the value of a parameter, besides NumPy's numbers."""
FUNCTIONS = {
    *(f"skcluster.metrics.mass_{name}" for name in ("bias", "residual", "scatter")),
    *(
        f"sklearn.metrics.{name}"
        for name in (
            "explained_variance_score",
            "max_error",
            "mean_absolute_error",
            "mean_squared_error",
            "median_absolute_error",
            "r2_score",
            "root_mean_squared_error",
        )
    ),
    *(
        f"numpy.{name}"
        for name in (
            *("cbrt", "exp", "exp2", "expm1", "log", "log10", "log1p", "log2"),
            *("negative", "reciprocal", "sqrt", "square"),
        )
    ),
    *(f"scipy.special.{name}" for name in ("exp10", "expit", "log_ndtr", "logit")),
}
LEFT_BEHIND = {"checkpoint_dir": None, "memory": None, "warm_start": False}
"""Parameters that are not stored with a model, and their values in the loaded model.

A folder of cached results or checkpoints is trusted like code, but on another machine a
folder of that name may belong to anybody. And with ``warm_start`` compiled code would
trust the stored coefficients.
"""
METADATA_REQUEST = "_metadata_request"
"""Where an estimator keeps what `set_fit_request` set, which no prediction needs."""
PACKAGES_WITH_PUBLIC_NAMES = ("astropy", "numpy", "scipy", "skcluster", "sklearn")


@functools.lru_cache
def public_name(thing):
    """Shortest dotted name under which a class or function can be imported.

    Parameters
    ----------
    thing : class or function

    Returns
    -------
    name : str
        For skcluster, scikit-learn and the packages below them, the name in their
        documentation, which does not change when a class moves between private modules.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> public_name(LinearRegression)
    'sklearn.linear_model.LinearRegression'
    >>> from skcluster import LogScaler
    >>> public_name(LogScaler)
    'skcluster.LogScaler'
    """
    name = getattr(thing, "__qualname__", thing.__name__)
    for module in _modules_of(thing):
        if getattr(importlib.import_module(module), name, None) is thing:
            return f"{module}.{name}"
    return f"{thing.__module__}.{name}"


def class_name(value):
    """Return the `public_name` of the class of a value."""
    # mypy takes the type of anything for unhashable.
    return public_name(type(value))  # type: ignore[arg-type]


def portable_state(state):
    """Return an estimator's state without references to a machine or an earlier fit.

    Parameters
    ----------
    state : dict of str -> object

    Returns
    -------
    state : dict of str -> object
        A new dict, in which the parameters of `LEFT_BEHIND` have the values given
        there.
    """
    kept = {
        name: LEFT_BEHIND.get(name, value)
        for name, value in state.items()
        if name != METADATA_REQUEST
    }
    if isinstance(kept.get("precompute"), np.ndarray):
        # Coordinate descent reads a Gram matrix with the number of columns of X.
        kept["precompute"] = False
    return kept


def _modules_of(thing):
    """Names of modules that may offer a class or function, the shortest first."""
    module = getattr(thing, "__module__", None)
    if module is None:  # a ufunc may not say where it is from
        return ["numpy", "scipy.special"]
    parts = module.split(".")
    if parts[0] not in PACKAGES_WITH_PUBLIC_NAMES:
        return []
    return [".".join(parts[:n]) for n in range(1, len(parts))]
