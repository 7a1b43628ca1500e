"""Mean exposure of rings about the centers of clusters."""

import numpy as np

from ..cosmology import plane_to_sky
from .field import field_edge, has_field, relative_exposure_at

POINTS = (4, 128)
"""Radii and angles of the points at which the exposure of a ring is looked up."""


def exposure_of_rings(sample, distance, edges, *, of="exposure_map"):
    """Mean exposure of rings over that at the center.

    Parameters
    ----------
    sample : ClusterSample
        With centers.
    distance : ndarray of shape (n_clusters,)
        Comoving distances [Mpc/h].
    edges : ndarray of shape (n_clusters, n_rings + 1)
        Radii that bound the rings [comoving Mpc/h].
    of : {"exposure_map", "unvignetted_map"}, default="exposure_map"
        Exposure to photons of the sky, or to particles.

    Returns
    -------
    exposure : ndarray of shape (n_clusters, n_rings)
    """
    edge = distance * field_edge(sample)
    if not has_field(sample):
        inside = np.minimum(edges, edge[:, None])
        return np.diff(inside**2) / np.diff(edges**2)
    exposure = np.empty((len(sample), edges.shape[1] - 1))
    # Where the circle ends outside of the rings, looking for it would only take time.
    in_circle = edges[:, -1] <= edge
    without_circle = sample.drop("field_radius")
    for i in range(len(sample)):
        about = without_circle if in_circle[i] else sample
        x, y = points_of_rings(edges[i])
        points = exposure_of_points(about, i, x, y, distance[i], of)
        exposure[i] = points.mean(axis=1)
    return exposure


def points_of_rings(edges):
    """Return x and y of points that are spread evenly over the area of each ring.

    Parameters
    ----------
    edges : ndarray of shape (n_rings + 1,)

    Returns
    -------
    x, y : ndarray of shape (n_rings, n_points)
        In the unit of the edges.
    """
    n_radii, n_angles = POINTS
    # Radii in the middle of parts of equal area.
    part = (np.arange(n_radii) + 0.5) / n_radii
    angle = 2 * np.pi * (np.arange(n_angles) + 0.5) / n_angles
    inner, outer = edges[:-1, None] ** 2, edges[1:, None] ** 2
    radius = np.sqrt(inner + (outer - inner) * part).ravel()
    x, y = np.outer(radius, np.cos(angle)), np.outer(radius, np.sin(angle))
    return x.reshape(len(edges) - 1, -1), y.reshape(len(edges) - 1, -1)


def exposure_of_points(sample, i, x, y, distance, of="exposure_map"):
    """Exposure at points on the plane about cluster `i`, over that at its center.

    Parameters
    ----------
    x, y : ndarray
        Offsets to the West and North [comoving Mpc/h], of any shape.
    distance : float
        Comoving distance of the cluster [Mpc/h].
    """
    ra, dec = plane_to_sky(
        x.ravel() / distance, y.ravel() / distance, *sample.center[i]
    )
    return relative_exposure_at(sample, i, ra, dec, of=of).reshape(x.shape)
