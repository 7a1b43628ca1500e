"""What each photon of a list knows about itself: columns that describe photons."""

from ..sample.described_columns import PHOTON_FEATURES
from .featurizer import PhotonFeaturizer

__all__ = ["PHOTON_FEATURES", "PhotonFeaturizer"]
