"""Contests: every estimator on the same clusters, the same maps and the same folds.

A TOML file names a survey, folds and estimators (`read_configuration`). `run_contest`
trains what is missing, fold by fold, and keeps the predictions of each fold in a file of
its own, so that nothing is trained twice, whatever interrupts it. `results_table` makes the
table from these files alone. The command is ``skcluster benchmark``.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .configuration import Configuration as Configuration
    from .configuration import read_configuration as read_configuration
    from .entries import BUILT_IN as BUILT_IN
    from .entries import Entry as Entry
    from .reports import markdown_table as markdown_table
    from .reports import write_results as write_results
    from .results import read_predictions as read_predictions
    from .results import results_table as results_table
    from .results import summary_table as summary_table
    from .running import run_contest as run_contest

_MODULE_OF_NAME = {
    "BUILT_IN": "entries",
    "Configuration": "configuration",
    "Entry": "entries",
    "markdown_table": "reports",
    "read_configuration": "configuration",
    "read_predictions": "results",
    "results_table": "results",
    "run_contest": "running",
    "summary_table": "results",
    "write_results": "reports",
}

__all__ = [*_MODULE_OF_NAME]

# The help of the command lists the built-in estimators, and waits for nothing else.
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_NAME)
