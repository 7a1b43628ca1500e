"""Cross-validation folds that split no halo: one policy for every cv of the package."""

from .fold_policy import fit_fold, rows_of, spatial_folds, with_groups
from .leakage import LeakageReport, leakage_report
from .octant_folds import QuadrantGroupKFold, keep_together, octants

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
