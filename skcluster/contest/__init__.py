"""Contests: every estimator on the same clusters, the same maps and the same folds.

A TOML file names a survey, folds and estimators (`read_configuration`). `run_contest`
trains what is missing, fold by fold, and keeps the predictions of each fold in a file of
its own, so that nothing is trained twice, whatever interrupts it. `results_table` makes the
table from these files alone. The command is ``skcluster benchmark``.
"""

from .configuration import Configuration, read_configuration
from .entries import BUILT_IN, Entry
from .reports import markdown_table, write_results
from .results import read_predictions, results_table, summary_table
from .running import run_contest

__all__ = [
    "BUILT_IN",
    "Configuration",
    "Entry",
    "markdown_table",
    "read_configuration",
    "read_predictions",
    "results_table",
    "run_contest",
    "summary_table",
    "write_results",
]
