"""Masses from scalar proxies: power laws with correlated scatter, inverted."""

from .regressor import EvrardProxyRegressor
from .search import search_proxies

__all__ = ["EvrardProxyRegressor", "search_proxies"]
