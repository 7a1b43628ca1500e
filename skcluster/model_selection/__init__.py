"""Cross-validation folds that split no halo: one policy for every cv of the package."""

from .fold_policy import fit_fold, rows_of, spatial_folds, with_groups
from .octant_folds import QuadrantGroupKFold, keep_together, octants

__all__ = [
    "QuadrantGroupKFold",
    "fit_fold",
    "keep_together",
    "octants",
    "rows_of",
    "spatial_folds",
    "with_groups",
]
