"""Numbers measured for each cluster: scalar mass proxies and counts in rings."""

from .measurer import ProxyMeasurer, clip_velocities, gapper_dispersion
from .rings import RingProfiler, sectors_of_pixels

__all__ = [
    "ProxyMeasurer",
    "RingProfiler",
    "clip_velocities",
    "gapper_dispersion",
    "sectors_of_pixels",
]
