"""Figures in scikit-learn's manner: displays that keep their artists.

matplotlib is imported when something is drawn, not before. Maps show the sky with West to
the right and North up, as they are stored.
"""

from . import style
from .calibration_curves import CoverageDisplay
from .masses import MassPredictionDisplay, ProxyCorrelationDisplay
from .multiwavelength import MultiwavelengthDisplay
from .photon_maps import PhotonMapDisplay
from .saliency_by_radius import RadialSaliencyDisplay
from .saliency_maps import BandSaliencyDisplay, SaliencyDisplay
from .source_panels import SourceMaskDisplay
from .training import TrainingCurveDisplay
from .violins import AttentionDisplay

OKABE_ITO = style.OKABE_ITO
"""Colours that colour-blind readers can tell apart."""

__all__ = [
    "OKABE_ITO",
    "AttentionDisplay",
    "BandSaliencyDisplay",
    "CoverageDisplay",
    "MassPredictionDisplay",
    "MultiwavelengthDisplay",
    "PhotonMapDisplay",
    "ProxyCorrelationDisplay",
    "RadialSaliencyDisplay",
    "SaliencyDisplay",
    "SourceMaskDisplay",
    "TrainingCurveDisplay",
]
