"""What lies between the sky and a photon list: exposure, sources, centers and errors."""

from .catalog_errors import add_catalog_errors
from .centers import recenter
from .field import (
    LEAST_EXPOSURE,
    field_edge,
    has_field,
    is_observed,
    knows_field,
    relative_exposure_at,
    relative_exposures,
    with_exposure_map,
)
from .rings import exposure_of_points, exposure_of_rings, points_of_rings
from .sources import remove_sources
from .thinning import thin_photons

__all__ = [
    "LEAST_EXPOSURE",
    "add_catalog_errors",
    "exposure_of_points",
    "exposure_of_rings",
    "field_edge",
    "has_field",
    "is_observed",
    "knows_field",
    "points_of_rings",
    "recenter",
    "relative_exposure_at",
    "relative_exposures",
    "remove_sources",
    "thin_photons",
    "with_exposure_map",
]
