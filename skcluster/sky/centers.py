"""Find the centers of clusters in their photons."""

import warnings

import numpy as np
from scipy.ndimage import gaussian_filter

from ..cosmology import comoving_distance, get_cosmology, plane_to_sky, sky_to_plane
from ..paper import WIDE_BAND
from ..parameters import Choice, EnergyBand, Quantity
from ..sample import ClusterSample, require
from ..sample.described_columns import without_descriptions
from ..sample.lists import MADE_OF_LISTS
from ..sample.units import TABLE
from .field import LEAST_EXPOSURE, has_field, relative_exposure_at, separation

METHODS = ("peak", "centroid")
STEPS_PER_SIGMA = 4
"""Cells of the grid on which the peak is searched, per width of the smoothing."""

ITERATIONS, CLOSE = 50, 1e-4
"""Most steps of the centroid, and the step at which it stands still [Mpc/h]."""


def recenter(
    sample,
    *,
    method="peak",
    radius=0.5,
    smoothing=0.05,
    band=WIDE_BAND,
    cosmology="WMAP7",
) -> ClusterSample:
    """Move the centers of clusters to where their photons are.

    Point sources attract both kinds of center: remove them first, see `remove_sources`.
    Where the sample has an exposure map, photons count as the inverse of the exposure at
    their place. Gaps and holes still push a centroid away, and hardly a peak.

    Parameters
    ----------
    sample : ClusterSample
        Sample with photons and centers.
    method : {"peak", "centroid"}, default="peak"
        The place with the highest density of photons, smoothed by a Gaussian; or the mean
        place of the photons within a circle, which is moved there until it stands still.
    radius : float, default=0.5
        Largest distance of a peak from the old center, and radius of the circle of the
        centroid [comoving Mpc/h].
    smoothing : float, default=0.05
        Standard deviation of the Gaussian of the peak [comoving Mpc/h].
    band : (float, float), default=(0.5, 10.0)
        Energies ``low <= E < high`` of the photons that count [keV].
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving lengths.

    Returns
    -------
    recentered : ClusterSample
        With new centers, and with galaxies and exposures about them. Maps, cubes and
        coverage, which are about the old centers, are dropped. A cluster without photons
        within the radius keeps its center, with a warning.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, recenter
    >>> rng = np.random.default_rng(0)
    >>> x, y = rng.normal(0, 0.01, (2, 2000))
    >>> photons = {"ra": 10.02 + x, "dec": y, "energy": np.ones(2000)}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> recenter(sample, method="centroid").center.round(2) + 0.0
    array([[10.02,  0.  ]])
    """
    require(sample, "photons", "center", by="recenter")
    method = Choice(METHODS).check("method", method)
    radius = Quantity("radius_max").check("radius", radius)
    smoothing = Quantity("radius_max").check("smoothing", smoothing)
    low, high = EnergyBand().check("band", band)
    distance = comoving_distance(sample.redshift, get_cosmology(cosmology))
    offsets, lost = np.zeros((len(sample), 2)), []
    for i in range(len(sample)):
        photons = sample.photons[i]
        place = sky_to_plane(photons["ra"], photons["dec"], *sample.center[i])
        place = np.column_stack(place) * distance[i]
        in_band = (photons["energy"] >= low) & (photons["energy"] < high)
        place = place[in_band]
        weight = _weights(sample, i, photons["ra"][in_band], photons["dec"][in_band])
        if not (weight[np.hypot(*place.T) <= radius] > 0).any():
            lost.append(i)
        elif method == "peak":
            offsets[i] = _peak(place, weight, radius, smoothing)
        else:
            offsets[i] = _centroid(place, weight, radius)
    if lost:
        warnings.warn(
            f"{len(lost)} of {len(sample)} clusters have no photon within {radius:g} Mpc/h "
            f"of their center (first: cluster {lost[0]}), which they keep.",
            UserWarning,
            stacklevel=2,
        )
    moved = moved_centers(sample, offsets / distance[:, None], distance)
    if sample.field_radius is None:
        return moved
    return moved.assign(field_radius=_circle_inside(sample, moved.center))


def _weights(sample, i, ra, dec):
    """Inverse relative exposure of photons; 0 where it is below `LEAST_EXPOSURE`."""
    if not has_field(sample):
        return np.ones(len(ra))
    exposure = relative_exposure_at(sample, i, ra, dec)
    is_seen = exposure >= LEAST_EXPOSURE
    return np.divide(1, exposure, where=is_seen, out=np.zeros(len(exposure)))


def _peak(place, weight, radius, smoothing):
    """Offset of the highest density within the radius [Mpc/h]."""
    step = smoothing / STEPS_PER_SIGMA
    # Photons beyond the radius count near its edge, too.
    half = int(np.ceil((radius + 4 * smoothing) / step))
    edges = (np.arange(-half, half + 2) - 0.5) * step
    x, y = place.T
    counts, _, _ = np.histogram2d(x, y, bins=(edges, edges), weights=weight)
    density = gaussian_filter(counts, STEPS_PER_SIGMA, mode="constant")
    middle = np.arange(-half, half + 1) * step
    density[np.hypot(*np.meshgrid(middle, middle, indexing="ij")) > radius] = -1
    row, column = np.unravel_index(density.argmax(), density.shape)
    return np.array([middle[row], middle[column]])


def _centroid(place, weight, radius):
    """Offset at which a circle stands still at the mean place of its photons [Mpc/h]."""
    offset = np.zeros(2)
    for _ in range(ITERATIONS):
        inside = np.hypot(*(place - offset).T) <= radius
        if not weight[inside].any():
            break
        before = offset
        offset = np.average(place[inside], axis=0, weights=weight[inside])
        if np.hypot(*(offset - before)) < CLOSE:
            break
    return offset


def moved_centers(sample, offset, distance):
    """Return the sample about other centers, its galaxies and exposures with it.

    Parameters
    ----------
    sample : ClusterSample
    offset : ndarray of shape (n_clusters, 2)
        Offsets of the new centers to the West and to the North, on the tangent plane
        [rad].
    distance : ndarray of shape (n_clusters,)
        Comoving distances [Mpc/h].
    """
    sample = without_descriptions(sample)
    ra, dec = plane_to_sky(*offset.T, *sample.center.T)
    new = {"center": np.column_stack([ra, dec])}
    if sample.galaxies is not None:
        x, y = np.repeat(offset * distance[:, None], sample.galaxies.lengths, axis=0).T
        galaxies = sample.galaxies
        new["galaxies"] = galaxies.assign(x=galaxies["x"] - x, y=galaxies["y"] - y)
    if sample.exposure_map is not None and sample.exposure is not None:
        new["exposure"] = sample.exposure * _change_of_exposure(sample, new["center"])
    return sample.drop(*MADE_OF_LISTS).assign(**new)


def _circle_inside(sample, center):
    """Return the radius about new centers of the circle within the field of view [deg]."""
    radius = sample.field_radius - separation(*center.T, *sample.center.T)
    wrong = np.flatnonzero(radius < TABLE["field_radius"].low)
    if len(wrong):
        first = wrong[0]
        raise ValueError(
            f"The new centers of {len(wrong)} of {len(sample)} clusters lie at the edge of "
            f"their field of view or outside of it (first: cluster {first}, "
            f"field_radius={sample.field_radius[first]:.4g} deg). Leave them out, or begin "
            "with better centers."
        )
    return radius


def _change_of_exposure(sample, center):
    """Return the exposure of the map at new centers over that at the old ones."""
    change = np.ones(len(sample))
    for i in range(len(sample)):
        image = sample.exposure_map.image(i)
        if image is not None:
            old, new = image.at(*np.array([sample.center[i], center[i]]).T)
            change[i] = new / old if new > 0 else 1
    return change
