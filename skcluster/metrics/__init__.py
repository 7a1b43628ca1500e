"""Residuals of predicted masses, and tests of their predicted errors."""

from . import residuals
from .coverage import (
    coverage_table,
    gaussian_pit,
    interval_coverage,
    pit_histogram,
    pit_uniformity,
)
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
    "coverage_table",
    "dex_to_percent",
    "gaussian_pit",
    "interval_coverage",
    "mass_bias",
    "mass_residual",
    "mass_scatter",
    "neg_mass_scatter",
    "neg_mass_scatter_robust",
    "pit_histogram",
    "pit_uniformity",
    "summarize_residuals",
]
