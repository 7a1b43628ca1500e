"""Centroid, main axis and mean profile of one cluster's photons."""

import numpy as np

from ..maps import square_inside_circle
from ..sky import LEAST_EXPOSURE, exposure_of_points, points_of_rings

CENTROID_RADIUS, AXIS_RADIUS = 0.5, 0.7
"""Radii of the Gaussian weights of the centroid and of the main axis [comoving Mpc/h]."""

ROUND = 1e-12
"""Difference of the mean squares along two axes [(Mpc/h)²] that is only rounding."""

RING_EDGES = np.array(
    [
        *(0, 0.0125, 0.025, 0.045, 0.065, 0.09, 0.12, 0.155, 0.195, 0.24, 0.29),
        *(0.35, 0.435, 0.545, 0.7, 0.87, 1.13, 2**0.5),
    ]
)
"""Radii between which photons are counted, in units of the aperture's half-width."""

EMPTY_RING = 0.3
"""Photons added to each ring, so that an empty one has a logarithm."""


def centroid(positions, contrast):
    r"""Mean position of photons, with weights that leave out point sources.

    .. math::

        \bar{x} = \frac{\sum_i w_i x_i}{\sum_i w_i}, \qquad
        w_i = \frac{e^{-r_i^2 / R^2}}{\max(1, c_i)}, \quad R = 0.5 \, \mathrm{Mpc}/h

    with :math:`c_i` the contrast of the density at photon i to that at its radius. So a
    clump weighs no more than the cluster does in its place.
    """
    weight = _weight(positions, contrast, CENTROID_RADIUS)
    total = weight.sum()
    return (weight * positions.x).sum() / total, (weight * positions.y).sum() / total


def main_axis(positions, contrast):
    r"""Cosine and sine of twice the position angle of the longest axis; 0, 0 if round.

    .. math::

        (\cos 2 \phi_0, \sin 2 \phi_0) \propto
        \left( M_{xx} - M_{yy}, \, 2 M_{xy} \right)

    where M are second moments about the centroid, with weights as in `centroid` but
    R = 0.7 Mpc/h.
    """
    weight = _weight(positions, contrast, AXIS_RADIUS)
    center_x, center_y = centroid(positions, contrast)
    x, y = positions.x - center_x, positions.y - center_y
    along = (weight * (x**2 - y**2)).sum()
    across = 2 * (weight * x * y).sum()
    length = np.hypot(along, across)
    if length <= ROUND * weight.sum():
        return 0.0, 0.0
    return along / length, across / length


def log_mean_density(positions, half_width, exposure=None):
    r"""log10 of the azimuthal mean of the surface density at the radius of each position.

    Photons are counted in rings; the log density

    .. math::

        \log_{10} \frac{n_j + 0.3}{A_j}

    of ring j, with :math:`A_j` its area inside the aperture, is interpolated linearly
    between the middles of the rings.

    Parameters
    ----------
    positions : Positions
    half_width : float
        Half the side of the aperture [comoving Mpc/h].
    exposure : ndarray of shape (17,), default=None
        Mean exposure of each ring over that at the center, by which densities are divided.
        Rings below `LEAST_EXPOSURE` are left out. None: all rings were observed alike.
    """
    radius, edges = positions.radius, RING_EDGES * half_width
    ring = np.searchsorted(edges[1:-1], radius, side="right")
    n = np.bincount(ring, positions.n_photons, minlength=len(edges) - 1)
    area = 4 * half_width**2 * np.diff(square_inside_circle(half_width, edges))
    middle = (edges[1:] + edges[:-1]) / 2
    if exposure is not None and (seen := exposure >= LEAST_EXPOSURE).any():
        n, area, middle = n[seen], (area * exposure)[seen], middle[seen]
    return np.interp(radius, middle, np.log10((n + EMPTY_RING) / area))


def exposure_of_aperture(sample, i, distance, half_width):
    """Mean exposure of the rings of `log_mean_density` inside the aperture of a cluster.

    Parameters
    ----------
    sample : ClusterSample
        That knows its field.
    i : int
        Number of the cluster.
    distance : float
        Its comoving distance [Mpc/h].
    half_width : float
        Half the side of the aperture [comoving Mpc/h].

    Returns
    -------
    exposure : ndarray of shape (17,)
        Over that at the center; places below `LEAST_EXPOSURE` count as not exposed. A
        circular field of view, which clusters without an image have too, does not count.
    """
    x, y = points_of_rings(RING_EDGES * half_width)
    without_circle = sample.drop("field_radius")
    exposure = exposure_of_points(without_circle, i, x, y, distance)
    exposure[exposure < LEAST_EXPOSURE] = 0
    inside = np.maximum(np.abs(x), np.abs(y)) < half_width
    return (exposure * inside).sum(axis=1) / inside.sum(axis=1)


def _weight(positions, contrast, scale):
    """Weight of the photons at each position; a common factor keeps them from vanishing."""
    square = positions.x**2 + positions.y**2
    weight = np.exp((square.min() - square) / scale**2) / np.maximum(contrast, 1)
    return positions.counts * weight
