"""From galaxies to cubes in phase space."""

from .kde import PhaseSpaceKDE

__all__ = ["PhaseSpaceKDE"]
