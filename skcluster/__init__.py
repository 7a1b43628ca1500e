"""Galaxy-cluster masses from X-ray photon lists, with scikit-learn's interface.

A `ClusterSample` carries the photons through these steps, which turn them into a mass::

    photon lists - PhotonMapper - RedshiftNormalizer - LogScaler - XrayCNNRegressor
          |                            galaxies - PhaseSpaceKDE - JointCNNRegressor
          |                                                    `- SaliencyExplainer
          |------- PhotonFeaturizer - [GalaxyFeaturizer] - PhotonSetRegressor
          `------- ProxyMeasurer - EvrardProxyRegressor

Every step is a scikit-learn transformer or regressor that takes the sample as X, so
pipelines, cross-validation and searches work as they are. Sky frame: x to the West, y to
the North. Units: deg, keV, km/s, comoving Mpc/h, Msun/h; targets are log10 M500c.

Where to find a name: the package itself exports the sample and its readers and writers,
every class for a pipeline, a search or ``cv=``, and the functions that are applied to a
sample, a fitted estimator or the result of a step. Metrics, displays, datasets and
distances are used by the name of their module (``metrics.mass_scatter``,
``plotting.SaliencyDisplay``, ``datasets.make_mock_survey``,
``cosmology.comoving_distance``), and so are the base classes to build on
(``sample.SampleTransformer``, ``posterior.PosteriorMixin``). ``import skcluster`` makes
every module available.
"""

from .lazy_names import lazy_names
from .versions import __version__ as __version__

# Names in the order in which photons are processed. Each loads its module on first use,
# so that ``import skcluster`` does not wait for scikit-learn, astropy or torch. For
# type checkers, __init__.pyi repeats this list: tests/test_public_names.py writes it.
_NAMES_OF_MODULE = {
    "sample": ("ClusterSample", "Ragged", "SparseMaps", "SkyImage"),
    "io": (
        "read_photons",
        "read_exposure",
        "read_image",
        "read_galaxies",
        "read_sample",
        "write_photons",
        "write_sample",
        "write_maps",
    ),
    "sky": (
        "with_exposure_map",
        "remove_sources",
        "recenter",
        "thin_photons",
        "add_catalog_errors",
    ),
    "maps": ("PhotonMapper", "RedshiftNormalizer", "LogScaler"),
    "photon_features": ("PhotonFeaturizer",),
    "galaxy_features": ("GalaxyFeaturizer",),
    "phase_space": ("PhaseSpaceKDE",),
    "proxies": (
        "ProxyMeasurer",
        "IteratedRadiusRegressor",
        "RingProfiler",
        "MorphologyMeasurer",
        "clip_velocities",
        "gapper_dispersion",
    ),
    "evrard": (
        "EvrardProxyRegressor",
        "FixedPowerLawRegressor",
        "CountRateMassRegressor",
        "search_proxies",
        "residual_correlation",
        "proxy_covariance",
        "write_covariance",
        "read_covariance",
        "infer_slope",
    ),
    "regressors": ("XrayCNNRegressor", "JointCNNRegressor", "PhotonSetRegressor"),
    "outliers": ("MapOutlierDetector", "misspecification_score", "population_test"),
    "posterior": (
        "predict_posterior",
        "reweight_prior",
        "CalibratedMassRegressor",
        "cross_val_posterior",
    ),
    "rotation": ("rotate", "RotationAugmentedRegressor"),
    "explain": (
        "SaliencyExplainer",
        "cross_val_saliency",
        "photon_contributions",
        "photon_attention",
        "radial_contributions",
        "proxy_saliency",
        "radial_saliency",
        "source_maps",
        "source_masks",
        "source_attention",
        "band_attention",
    ),
    "model_selection": ("QuadrantGroupKFold", "leakage_report"),
    "persistence": ("save_model", "load_model", "read_header"),
    "versions": ("show_versions",),
}
_MODULE_OF_NAME = {
    name: module for module, names in _NAMES_OF_MODULE.items() for name in names
}
_MODULES = (
    *_NAMES_OF_MODULE,
    "cli",
    "comparison",
    "contest",
    "cosmology",
    "datasets",
    "estimator_parts",
    "exposure",
    "metrics",
    "networks",
    "parameters",
    "plotting",
    "training_ranges",
)

__all__ = [*_MODULE_OF_NAME, "datasets"]

__getattr__, __dir__ = lazy_names(
    __name__, _MODULE_OF_NAME | {module: module for module in _MODULES}
)
