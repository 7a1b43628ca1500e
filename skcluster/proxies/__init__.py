"""What is measured of a cluster as a table of numbers: scalar proxies and ring counts."""

from .measurer import ProxyMeasurer, clip_velocities, gapper_dispersion
from .rings import RingProfiler, sectors_of_pixels

__all__ = [
    "ProxyMeasurer",
    "RingProfiler",
    "clip_velocities",
    "gapper_dispersion",
    "sectors_of_pixels",
]
