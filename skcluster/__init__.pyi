# Written by tests/test_public_names.py from the list in __init__.py.
# ruff: noqa: I001
from . import sample as sample
from . import io as io
from . import sky as sky
from . import maps as maps
from . import photon_features as photon_features
from . import galaxy_features as galaxy_features
from . import phase_space as phase_space
from . import proxies as proxies
from . import evrard as evrard
from . import regressors as regressors
from . import outliers as outliers
from . import posterior as posterior
from . import rotation as rotation
from . import explain as explain
from . import model_selection as model_selection
from . import persistence as persistence
from . import versions as versions
from . import cli as cli
from . import comparison as comparison
from . import contest as contest
from . import cosmology as cosmology
from . import datasets as datasets
from . import estimator_parts as estimator_parts
from . import exposure as exposure
from . import metrics as metrics
from . import networks as networks
from . import parameters as parameters
from . import plotting as plotting
from . import training_ranges as training_ranges
from .sample import ClusterSample as ClusterSample
from .sample import Ragged as Ragged
from .sample import SparseMaps as SparseMaps
from .sample import SkyImage as SkyImage
from .io import read_photons as read_photons
from .io import read_exposure as read_exposure
from .io import read_image as read_image
from .io import read_galaxies as read_galaxies
from .io import read_sample as read_sample
from .io import write_photons as write_photons
from .io import write_sample as write_sample
from .io import write_maps as write_maps
from .sky import with_exposure_map as with_exposure_map
from .sky import remove_sources as remove_sources
from .sky import recenter as recenter
from .sky import thin_photons as thin_photons
from .sky import add_catalog_errors as add_catalog_errors
from .maps import PhotonMapper as PhotonMapper
from .maps import RedshiftNormalizer as RedshiftNormalizer
from .maps import LogScaler as LogScaler
from .photon_features import PhotonFeaturizer as PhotonFeaturizer
from .galaxy_features import GalaxyFeaturizer as GalaxyFeaturizer
from .phase_space import PhaseSpaceKDE as PhaseSpaceKDE
from .proxies import ProxyMeasurer as ProxyMeasurer
from .proxies import IteratedRadiusRegressor as IteratedRadiusRegressor
from .proxies import RingProfiler as RingProfiler
from .proxies import MorphologyMeasurer as MorphologyMeasurer
from .proxies import clip_velocities as clip_velocities
from .proxies import gapper_dispersion as gapper_dispersion
from .evrard import EvrardProxyRegressor as EvrardProxyRegressor
from .evrard import FixedPowerLawRegressor as FixedPowerLawRegressor
from .evrard import CountRateMassRegressor as CountRateMassRegressor
from .evrard import search_proxies as search_proxies
from .evrard import residual_correlation as residual_correlation
from .evrard import proxy_covariance as proxy_covariance
from .evrard import write_covariance as write_covariance
from .evrard import read_covariance as read_covariance
from .evrard import infer_slope as infer_slope
from .regressors import XrayCNNRegressor as XrayCNNRegressor
from .regressors import JointCNNRegressor as JointCNNRegressor
from .regressors import PhotonSetRegressor as PhotonSetRegressor
from .outliers import MapOutlierDetector as MapOutlierDetector
from .outliers import misspecification_score as misspecification_score
from .outliers import population_test as population_test
from .posterior import predict_posterior as predict_posterior
from .posterior import reweight_prior as reweight_prior
from .posterior import CalibratedMassRegressor as CalibratedMassRegressor
from .posterior import cross_val_posterior as cross_val_posterior
from .rotation import rotate as rotate
from .rotation import RotationAugmentedRegressor as RotationAugmentedRegressor
from .explain import SaliencyExplainer as SaliencyExplainer
from .explain import cross_val_saliency as cross_val_saliency
from .explain import photon_contributions as photon_contributions
from .explain import photon_attention as photon_attention
from .explain import radial_contributions as radial_contributions
from .explain import proxy_saliency as proxy_saliency
from .explain import radial_saliency as radial_saliency
from .explain import source_maps as source_maps
from .explain import source_masks as source_masks
from .explain import source_attention as source_attention
from .explain import band_attention as band_attention
from .model_selection import QuadrantGroupKFold as QuadrantGroupKFold
from .model_selection import leakage_report as leakage_report
from .persistence import save_model as save_model
from .persistence import load_model as load_model
from .persistence import read_header as read_header
from .versions import show_versions as show_versions

__version__: str
__all__ = [
    "ClusterSample",
    "Ragged",
    "SparseMaps",
    "SkyImage",
    "read_photons",
    "read_exposure",
    "read_image",
    "read_galaxies",
    "read_sample",
    "write_photons",
    "write_sample",
    "write_maps",
    "with_exposure_map",
    "remove_sources",
    "recenter",
    "thin_photons",
    "add_catalog_errors",
    "PhotonMapper",
    "RedshiftNormalizer",
    "LogScaler",
    "PhotonFeaturizer",
    "GalaxyFeaturizer",
    "PhaseSpaceKDE",
    "ProxyMeasurer",
    "IteratedRadiusRegressor",
    "RingProfiler",
    "MorphologyMeasurer",
    "clip_velocities",
    "gapper_dispersion",
    "EvrardProxyRegressor",
    "FixedPowerLawRegressor",
    "CountRateMassRegressor",
    "search_proxies",
    "residual_correlation",
    "proxy_covariance",
    "write_covariance",
    "read_covariance",
    "infer_slope",
    "XrayCNNRegressor",
    "JointCNNRegressor",
    "PhotonSetRegressor",
    "MapOutlierDetector",
    "misspecification_score",
    "population_test",
    "predict_posterior",
    "reweight_prior",
    "CalibratedMassRegressor",
    "cross_val_posterior",
    "rotate",
    "RotationAugmentedRegressor",
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
    "QuadrantGroupKFold",
    "leakage_report",
    "save_model",
    "load_model",
    "read_header",
    "show_versions",
    "datasets",
]
