"""Figures in scikit-learn's manner: displays that keep their artists.

matplotlib is imported when something is drawn, not before. Maps show the sky with West to
the right and North up, as they are stored.
"""

from .maps import PhotonMapDisplay
from .masses import MassPredictionDisplay, ProxyCorrelationDisplay
from .multiwavelength import MultiwavelengthDisplay
from .radial import RadialSaliencyDisplay
from .saliency import BandSaliencyDisplay, SaliencyDisplay
from .sources import AttentionDisplay, SourceMaskDisplay
from .style import OKABE_ITO
from .training import TrainingCurveDisplay

__all__ = [
    "OKABE_ITO",
    "AttentionDisplay",
    "BandSaliencyDisplay",
    "MassPredictionDisplay",
    "MultiwavelengthDisplay",
    "PhotonMapDisplay",
    "ProxyCorrelationDisplay",
    "RadialSaliencyDisplay",
    "SaliencyDisplay",
    "SourceMaskDisplay",
    "TrainingCurveDisplay",
]
