"""Ranges of a network's training clusters, and warnings about clusters unlike them."""

from ..outliers import (
    MapOutlierDetector,
    learn_population,
    measures_apart,
    warn_unlike,
)
from ..outliers.detector import scores_in_limits
from ..sample import ClusterSample
from ..training_ranges import range_of, warn_outside


def learned_ranges(regressor, X, inputs, y):
    """Lowest and highest counts, redshift and mass of the training clusters."""
    values = _counted(regressor, X, inputs)
    ranges = {name: range_of(value) for name, value in values.items()}
    return {**ranges, "log_mass": range_of(y)}


def learned_domain(regressor, X, inputs, y):
    """Return the outlier detector of the training clusters, and their population."""
    described = regressor._described(inputs)
    redshift, group = (getattr(X, name, None) for name in ("redshift", "group"))
    return (
        # Views of a halo are closer to each other than to any other cluster.
        MapOutlierDetector().fit(measures_apart(described, group)),
        learn_population(described, redshift, y, group),
    )


def warn_outside_domain(regressor, X, inputs):
    """Warn about clusters that are unlike those that a regressor was fitted to."""
    if len(inputs) == 0:
        return
    message = {"by": type(regressor).__name__, "names": getattr(X, "name", None)}
    values = _counted(regressor, X, inputs)
    warn_outside(values, regressor.training_ranges_, **message)
    described = regressor._described(inputs)
    score = scores_in_limits(regressor.outlier_detector_, described)
    warn_unlike(score, what=regressor._takes, **message)


def _counted(regressor, X, inputs):
    """Return the quantities whose ranges are compared, by name."""
    counted = regressor._counted(inputs)
    if isinstance(X, ClusterSample):
        counted["redshift"] = X.redshift
    return counted
