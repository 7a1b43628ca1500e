"""Masses from scalar proxies: power laws with correlated scatter, inverted."""

from .correlation import residual_correlation
from .regressor import EvrardProxyRegressor
from .search import search_proxies

__all__ = [
    "EvrardProxyRegressor",
    "residual_correlation",
    "search_proxies",
]
