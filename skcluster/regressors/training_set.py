"""`TrainingSet`: the clusters that networks learn from."""

from typing import Any, NamedTuple

import numpy as np


class TrainingSet(NamedTuple):
    """Clusters of positive weight, and what a fit knows of them.

    Attributes
    ----------
    inputs : object
        What the regressor's `_read` returns.
    log_mass, target : ndarray of shape (n_clusters,)
        Masses, and what a network learns of them: standardized with the moments of the fit.
    weight : ndarray of shape (n_clusters,) or None
    position : ndarray of shape (n_clusters, 3) or None
        Places in the simulation box, for held-out octants.
    group : ndarray of shape (n_clusters,) or None
        Labels of clusters that are held out together.
    """

    inputs: Any
    log_mass: np.ndarray
    target: np.ndarray
    weight: np.ndarray | None
    position: np.ndarray | None
    group: np.ndarray | None
