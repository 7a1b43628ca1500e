"""Numbers measured for each cluster: mass proxies, counts in rings and morphology."""

from .galaxy_proxies import clip_velocities, gapper_dispersion
from .iterated_radius import IteratedRadiusRegressor
from .measurer import ProxyMeasurer
from .morphology import MorphologyMeasurer
from .photon_counts import PhotonCounts
from .rings import RingProfiler, sectors_of_pixels

__all__ = [
    "MorphologyMeasurer",
    "IteratedRadiusRegressor",
    "PhotonCounts",
    "ProxyMeasurer",
    "RingProfiler",
    "clip_velocities",
    "gapper_dispersion",
    "sectors_of_pixels",
]
