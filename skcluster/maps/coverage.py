"""How much of a map was observed, and for how long."""

import warnings

import numpy as np

from ..cosmology import plane_to_sky
from ..printable import cluster_label
from ..sky import LEAST_EXPOSURE, relative_exposure_at

POINTS_MAX = 4
"""Most points per side of a pixel at which the exposure is looked up."""

POINTS_AT_ONCE = 2**18
"""Points that are looked up together, which bounds the memory."""

COARSE = 1.001
"""Ratio of pixels from which an image is coarser than a map, but for rounding."""


def square_inside_circle(half_width, radius):
    r"""Fraction of a square's area inside a circle about the same center.

    With :math:`q = r / w`: :math:`\pi q^2 / 4` for a circle inside the square, 1 for
    one around it, and between them

    .. math::

        \sqrt{q^2 - 1} + q^2 \left( \frac{\pi}{4} - \arccos \frac{1}{q} \right)

    Parameters
    ----------
    half_width : float
        Half the square's side, :math:`w`.
    radius : array-like of shape (n,)
        Radius of the circle, in the same unit.

    Returns
    -------
    fraction : ndarray of shape (n,)

    Examples
    --------
    >>> square_inside_circle(1.0, [0.5, 1.0, 2.0]).round(4)
    array([0.1963, 0.7854, 1.    ])
    """
    q = np.clip(np.asarray(radius, float) / half_width, 0, np.sqrt(2))
    beyond = np.maximum(q, 1)
    return np.sqrt(beyond**2 - 1) + q**2 * (np.pi / 4 - np.arccos(1 / beyond))


def exposure_of_pixels(sample, i, distance, *, n_pixels, half_width):
    """Mean exposure of the pixels of one map, and the share of them that was observed.

    Each pixel is looked up at evenly spread points, at most `POINTS_MAX` per side, which
    are no farther apart than the pixels of the exposure map or mask if possible.

    Parameters
    ----------
    sample : ClusterSample
    i : int
        Number of the cluster.
    distance : float
        Its comoving distance [Mpc/h].
    n_pixels, half_width
        See `PhotonMapper`.

    Returns
    -------
    exposure : ndarray of shape (n_pixels**2,)
        Over that at the center, and 0 below `LEAST_EXPOSURE`.
    observed : ndarray of shape (n_pixels**2,)
        Share of the area with any exposure; 0 where `exposure` is.
    """
    n, side = n_pixels, np.degrees(2 * half_width / n_pixels / distance)
    k = _points_per_side(sample, i, side)
    place = (
        (np.arange(n * k) + 0.5) * (2 * half_width / (n * k)) - half_width
    ) / distance
    exposure, observed = np.empty((2, n, n))
    rows_at_once = max(POINTS_AT_ONCE // (n * k * k), 1)
    for start in range(0, n, rows_at_once):
        rows = slice(start, start + rows_at_once)
        x, y = np.meshgrid(place, place[start * k : (start + rows_at_once) * k])
        ra, dec = plane_to_sky(x.ravel(), y.ravel(), *sample.center[i])
        points = relative_exposure_at(sample, i, ra, dec).reshape(-1, k, n, k)
        exposure[rows] = points.mean(axis=(1, 3))
        observed[rows] = (points > 0).mean(axis=(1, 3))
    unseen = exposure < LEAST_EXPOSURE
    exposure[unseen] = observed[unseen] = 0
    return exposure.ravel(), observed.ravel()


def warn_of_coarse_images(sample, distance, *, n_pixels, half_width):
    """Warn of exposure maps and masks whose pixels are larger than those of the map."""
    side = np.degrees(2 * half_width / n_pixels / distance)
    coarse = [
        i
        for i in range(len(sample))
        if max((image.pixel_size for image in _images(sample, i)), default=0)
        > COARSE * side[i]
    ]
    if coarse:
        first = coarse[0]
        size = max(image.pixel_size for image in _images(sample, first))
        warnings.warn(
            f"The exposure map or mask of {len(coarse)} of {len(sample)} clusters has "
            f"larger pixels than their map (first: {cluster_label(first, sample.name)}, "
            f"{3600 * size:.3g} and {3600 * side[first]:.3g} arcsec): its edges and gaps "
            "are coarser than the map shows.",
            UserWarning,
            stacklevel=4,
        )


def warn_of_coarse_counts(sample, distance, *, n_pixels, half_width):
    """Warn of photons from count images whose pixels are larger than those of the map."""
    side = np.degrees(2 * half_width / n_pixels / distance)
    pixel = np.zeros(len(sample))
    np.maximum.at(pixel, sample.photons.cluster, sample.photons["pixel"])
    coarse = np.flatnonzero(pixel > COARSE * side)
    if len(coarse):
        first = int(coarse[0])
        warnings.warn(
            f"The count images of {len(coarse)} of {len(sample)} clusters have larger "
            f"pixels than their maps (first: {cluster_label(first, sample.name)}, "
            f"{3600 * pixel[first]:.3g} and {3600 * side[first]:.3g} arcsec), so that some "
            "pixels of the maps stay empty. Give finer images, or maps with fewer pixels.",
            UserWarning,
            stacklevel=3,
        )


def _images(sample, i):
    """Exposure map and mask of a cluster, as far as it has them."""
    images = [
        images.image(i)
        for images in (sample.exposure_map, sample.mask)
        if images is not None
    ]
    return [image for image in images if image is not None]


def _points_per_side(sample, i, side):
    """Number of points per side of a pixel of `side` degrees."""
    finest = min((image.pixel_size for image in _images(sample, i)), default=0)
    has_holes = sample.holes is not None and sample.holes.lengths[i] > 0
    if finest == 0 or has_holes:
        return POINTS_MAX
    return int(np.clip(np.ceil(side / finest), 1, POINTS_MAX))
