"""How far predicted masses lie from the true ones."""

from . import residuals
from .residuals import (
    bootstrap_error,
    dex_to_percent,
    mass_bias,
    mass_residual,
    mass_scatter,
    summarize_residuals,
)

neg_mass_scatter = residuals.neg_mass_scatter
"""Scorer: minus the standard deviation of the residuals [dex]."""
neg_mass_scatter_robust = residuals.neg_mass_scatter_robust
"""Scorer: minus the robust scatter of the residuals [dex]."""

__all__ = [
    "bootstrap_error",
    "dex_to_percent",
    "mass_bias",
    "mass_residual",
    "mass_scatter",
    "neg_mass_scatter",
    "neg_mass_scatter_robust",
    "summarize_residuals",
]
