"""Masses from scalar proxies: power laws with correlated scatter, inverted."""

from .correlation import residual_correlation
from .count_rate import CountRateMassRegressor
from .covariance import proxy_covariance, read_covariance, write_covariance
from .fixed_power_law import FixedPowerLawRegressor
from .regressor import EvrardProxyRegressor
from .search import search_proxies
from .slope import infer_slope

__all__ = [
    "CountRateMassRegressor",
    "EvrardProxyRegressor",
    "FixedPowerLawRegressor",
    "infer_slope",
    "proxy_covariance",
    "read_covariance",
    "residual_correlation",
    "search_proxies",
    "write_covariance",
]
