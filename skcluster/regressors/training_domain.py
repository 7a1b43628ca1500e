"""Ranges of a network's training clusters, and warnings about clusters unlike them."""

import numpy as np

from ..outliers import MapOutlierDetector, learn_population, warn_unlike
from ..sample import ClusterSample
from ..training_ranges import range_of, warn_outside


def learned_ranges(X, inputs, y):
    """Lowest and highest counts, redshift and mass of the training clusters."""
    ranges = {name: range_of(value) for name, value in _counted(X, inputs).items()}
    return {**ranges, "log_mass": range_of(y)}


def learned_detector(inputs):
    """Outlier detector that is fitted to the training maps."""
    return MapOutlierDetector().fit(_maps(inputs))


def learned_population(X, inputs, y):
    """Return what `population_test` needs of the training clusters."""
    return learn_population(_maps(inputs), getattr(X, "redshift", None), y)


def warn_outside_domain(regressor, X, inputs):
    """Warn about clusters that are unlike those that a regressor was fitted to."""
    if len(inputs) == 0:
        return
    message = {"by": type(regressor).__name__, "names": getattr(X, "name", None)}
    warn_outside(_counted(X, inputs), regressor.training_ranges_, **message)
    detector = regressor.outlier_detector_
    warn_unlike(detector.score_samples(_maps(inputs)) / detector.offset_, **message)


def _maps(inputs):
    return getattr(inputs, "maps", inputs)


def _counted(X, inputs):
    """Return the quantities whose ranges are compared, by name."""
    counted = {"map_sum": _maps(inputs).total()}
    if isinstance(X, ClusterSample):
        counted["redshift"] = X.redshift
    if getattr(inputs, "galaxies", None) is not None:
        n = X.galaxies.lengths
        counted["galaxies"] = np.where(n > 0, n, np.nan)  # see allow_missing
    return counted
