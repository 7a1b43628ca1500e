"""What lies between the sky and a photon list: exposure, sources and centers."""

from .thinning import thin_photons

__all__ = ["thin_photons"]
