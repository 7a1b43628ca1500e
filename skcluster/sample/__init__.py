"""The one container: observations of n clusters, which every estimator takes as X.

`ClusterSample` is a 1-d array-like of clusters. Lists of unequal length (photons,
galaxies) are `Ragged`: flat columns and offsets; maps are `SparseMaps`. Indexing
returns a new, smaller sample; nothing is ever changed in place.
"""

from ..lazy_names import lazy_names
from .cluster_sample import FIELDS, ClusterSample
from .ragged import Ragged
from .requirements import require
from .sky_images import SkyImage, SkyImages
from .sparse_maps import MapGeometry, SparseMaps, half_width_of, refuse_maps_after

__all__ = [
    "FIELDS",
    "ClusterSample",
    "MapGeometry",
    "Ragged",
    "SampleTransformer",
    "SkyImage",
    "SkyImages",
    "SparseMaps",
    "half_width_of",
    "refuse_maps_after",
    "require",
]

# The base of the steps is the only part that needs scikit-learn.
__getattr__, __dir__ = lazy_names(__name__, {"SampleTransformer": "transformer"})
