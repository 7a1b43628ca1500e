"""Find clusters, and populations of clusters, unlike those that a model was trained on."""

from .detector import MapOutlierDetector, misspecification_score, warn_unlike
from .measures import Measures, measures_apart
from .population import MIN_TESTED, learn_population, population_test

__all__ = [
    "MIN_TESTED",
    "MapOutlierDetector",
    "Measures",
    "learn_population",
    "measures_apart",
    "misspecification_score",
    "population_test",
    "warn_unlike",
]
