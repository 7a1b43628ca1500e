"""Cross-validation folds that split no halo: one policy for every cv of the package."""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names
from .fold_policy import fit_fold, rows_of, spatial_folds, with_groups
from .octant_folds import QuadrantGroupKFold, keep_together, octants

if TYPE_CHECKING:
    from .leakage import LeakageReport as LeakageReport
    from .leakage import leakage_report as leakage_report

__all__ = [
    "LeakageReport",
    "QuadrantGroupKFold",
    "fit_fold",
    "keep_together",
    "leakage_report",
    "octants",
    "rows_of",
    "spatial_folds",
    "with_groups",
]

# Only reports need the tables of astropy, which take long to import.
__getattr__, __dir__ = lazy_names(
    __name__, {"LeakageReport": "leakage", "leakage_report": "leakage"}
)
