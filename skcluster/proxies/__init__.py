"""Numbers measured for each cluster: mass proxies, counts in rings and morphology."""

from .iterated_radius import IteratedRadiusRegressor
from .measurer import ProxyMeasurer, clip_velocities, gapper_dispersion
from .morphology import MorphologyMeasurer
from .rings import RingProfiler, sectors_of_pixels

__all__ = [
    "MorphologyMeasurer",
    "IteratedRadiusRegressor",
    "ProxyMeasurer",
    "RingProfiler",
    "clip_velocities",
    "gapper_dispersion",
    "sectors_of_pixels",
]
