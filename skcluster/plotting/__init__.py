"""Figures in scikit-learn's manner: displays that keep their artists.

matplotlib is imported when something is drawn, not before. Maps show the sky with West to
the right and North up, as they are stored.
"""

from . import style
from .calibration import CoverageDisplay
from .maps import PhotonMapDisplay
from .masses import MassPredictionDisplay, ProxyCorrelationDisplay
from .multiwavelength import MultiwavelengthDisplay
from .radial import RadialSaliencyDisplay
from .saliency import BandSaliencyDisplay, SaliencyDisplay
from .sources import AttentionDisplay, SourceMaskDisplay
from .training import TrainingCurveDisplay

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
