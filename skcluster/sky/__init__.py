"""What lies between the sky and a photon list: exposure, sources and centers."""

from .centers import recenter
from .field import has_field, relative_exposure_at, with_exposure_map
from .sources import remove_sources
from .thinning import thin_photons

__all__ = [
    "has_field",
    "recenter",
    "relative_exposure_at",
    "remove_sources",
    "thin_photons",
    "with_exposure_map",
]
