"""Phase-space cubes made from galaxy lists."""

from .kde import PhaseSpaceKDE

__all__ = ["PhaseSpaceKDE"]
