"""Masses from scalar proxies: power laws with correlated scatter, inverted."""

from .correlation import residual_correlation
from .covariance import proxy_covariance, read_covariance, write_covariance
from .regressor import EvrardProxyRegressor
from .search import search_proxies

__all__ = [
    "EvrardProxyRegressor",
    "proxy_covariance",
    "read_covariance",
    "residual_correlation",
    "search_proxies",
    "write_covariance",
]
