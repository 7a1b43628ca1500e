"""Steps from photon lists to a network's input: count, remove the trend, take the log."""

from .coverage import square_inside_circle
from .mapper import PhotonMapper
from .scaling import LogScaler, RedshiftNormalizer

__all__ = ["LogScaler", "PhotonMapper", "RedshiftNormalizer", "square_inside_circle"]
