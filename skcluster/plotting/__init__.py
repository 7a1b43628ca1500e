"""Figures as displays in the style of scikit-learn, which keep the artists that they draw.

matplotlib is imported only when something is drawn. Maps show the sky as they are stored,
with West to the right and North up.
"""

from . import style
from .calibration_curves import CoverageDisplay
from .masses import MassPredictionDisplay, ProxyCorrelationDisplay
from .multiwavelength import MultiwavelengthDisplay
from .photon_maps import PhotonMapDisplay
from .photon_weights import PhotonWeightDisplay
from .saliency_by_radius import RadialSaliencyDisplay
from .saliency_maps import BandSaliencyDisplay, SaliencyDisplay
from .source_panels import SourceMaskDisplay
from .training import TrainingCurveDisplay
from .violins import AttentionDisplay

OKABE_ITO = style.OKABE_ITO
"""Colors that color-blind readers can tell apart."""

__all__ = [
    "OKABE_ITO",
    "AttentionDisplay",
    "BandSaliencyDisplay",
    "CoverageDisplay",
    "MassPredictionDisplay",
    "MultiwavelengthDisplay",
    "PhotonMapDisplay",
    "PhotonWeightDisplay",
    "ProxyCorrelationDisplay",
    "RadialSaliencyDisplay",
    "SaliencyDisplay",
    "SourceMaskDisplay",
    "TrainingCurveDisplay",
]
