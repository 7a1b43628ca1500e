"""Count photons on the comoving plane of the sky."""

import math
from itertools import pairwise

import numpy as np
from scipy import sparse

from ..cosmology import comoving_distance, cosmology_name, get_cosmology, sky_to_plane
from ..paper import HALF_WIDTH, WIDE_BAND
from ..parameters import (
    Boolean,
    EnergyBands,
    Integer,
    Quantity,
    ReadBy,
    check_parameters,
)
from ..sample import ClusterSample, MapGeometry, SparseMaps, require
from ..sample.lists import check_field_radius, check_near_center
from ..sample.transformer import SampleTransformer
from ..sky import field_edge, has_field, is_observed
from .coverage import (
    exposure_of_pixels,
    square_inside_circle,
    warn_of_coarse_counts,
    warn_of_coarse_images,
)


class PhotonMapper(SampleTransformer):
    r"""Count photons on the comoving plane of the sky, in energy bands.

    A photon at tangent-plane offsets :math:`(\xi, \eta)` to the West and North of the
    cluster's center falls at :math:`(x, y) = D_C (\xi, \eta)` and is counted in pixel

    .. math::

        \left( \lfloor (y + w) / \Delta \rfloor, \lfloor (x + w) / \Delta \rfloor
        \right), \quad \Delta = 2 w / n_\mathrm{pixels}

    with :math:`w` the half-width. Pixels and bands are half-open, ``[low, high)``.

    Parameters
    ----------
    bands : sequence of (low, high), default=((0.5, 10.0),)
        Energy bands [keV], in any order; they may overlap. The paper's three are
        ``((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))``.
    n_pixels : int, default=128
        Number of pixels per side.
    half_width : float, default=2.3
        Half the side of the map [comoving Mpc/h].
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving lengths.
    with_unobserved : bool, default=False
        Also add ``unobserved``: which share of each pixel was not observed, so that a
        network can tell a gap from an empty sky (see `XrayCNNRegressor`). The sample must
        know its field.

    Notes
    -----
    Adds ``maps`` of shape (n, n_bands, n_pixels, n_pixels), ``map[y, x]`` with rows
    to the North and columns to the West; with a known ``field_radius`` also
    ``coverage``, the fraction of the square inside the field of view. Photons beyond it are
    not counted.

    Where the sample has an exposure map, a mask or holes (see `with_exposure_map` and
    `remove_sources`), counts are divided by the mean exposure of their pixel over that at
    the center, and `coverage` is the fraction of the square that was observed. Pixels with
    less than a tenth of the exposure at the center count as not observed, and are empty.
    Whether an empty pixel is one of them, only ``unobserved`` says.

    References
    ----------
    Ho et al. (2023), section 2.1.

    Examples
    --------
    >>> from skcluster import ClusterSample, PhotonMapper
    >>> photons = {"ra": [10.0, 9.99, 10.0], "dec": [0.0, 0.0, 0.01],
    ...            "energy": [1.0, 1.5, 3.0]}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> mapper = PhotonMapper(bands=((0.5, 2.0), (2.0, 7.0)), n_pixels=3, half_width=0.2)
    >>> np.asarray(mapper.transform(sample).maps)[0].astype(int)
    array([[[0, 0, 0],
            [0, 1, 1],
            [0, 0, 0]],
    <BLANKLINE>
           [[0, 0, 0],
            [0, 0, 0],
            [0, 1, 0]]])
    """

    _parameter_kinds = {
        "bands": EnergyBands(),
        "n_pixels": Integer(1),
        "half_width": Quantity("half_width"),
        "cosmology": ReadBy(get_cosmology),
        "with_unobserved": Boolean(),
    }

    def __init__(
        self,
        *,
        bands=(WIDE_BAND,),
        n_pixels=128,
        half_width=HALF_WIDTH,
        cosmology="WMAP7",
        with_unobserved=False,
    ):
        self.bands = bands
        self.n_pixels = n_pixels
        self.half_width = half_width
        self.cosmology = cosmology
        self.with_unobserved = with_unobserved

    def fit(self, X, y=None):
        """Check the parameters and the sample; there is nothing to learn."""
        require(X, "photons", "center", by="PhotonMapper")
        self._checked_parameters()
        return self

    def transform(self, X) -> ClusterSample:
        """Return the sample with ``maps`` and, where the field is known, ``coverage``."""
        require(X, "photons", "center", by="PhotonMapper")
        parameters = self._checked_parameters()
        check_field_radius(X)
        distance = comoving_distance(X.redshift, parameters.cosmology)
        maps = SparseMaps.concatenate(
            _count(
                _observed(X, block),
                X.center[block],
                field_edge(X, block),
                distance[block],
                parameters,
            )
            for block in X.photons.blocks()
        )
        check_near_center(X, maps.total() == 0, by="PhotonMapper")
        if "pixel" in X.photons.columns:
            warn_of_coarse_counts(X, distance, **_grid(parameters))
        coverage = unobserved = None
        if has_field(X):
            maps, coverage, unobserved = _corrected(maps, X, distance, parameters)
        elif X.field_radius is not None:
            radius = distance * field_edge(X)
            coverage = square_inside_circle(parameters.half_width, radius)
            if parameters.with_unobserved:
                unobserved = _beyond_circle(X, distance, radius, parameters)
        elif parameters.with_unobserved:
            raise ValueError(
                "PhotonMapper(with_unobserved=True) needs to know what was observed: give "
                "an exposure map by with_exposure_map, a mask or sources by "
                "remove_sources, or ClusterSample(field_radius=...) in degrees."
            )
        return X.assign(maps=maps, coverage=coverage, unobserved=unobserved)

    def _checked_parameters(self):
        parameters = check_parameters(self)
        n_bands = len(parameters.bands)
        most = math.isqrt(np.iinfo(np.int32).max // n_bands)
        if parameters.n_pixels > most:
            raise ValueError(
                f"n_pixels must be at most {most} with {n_bands} bands, or the pixels "
                f"are too many to be numbered, got {self.n_pixels!r}."
            )
        return parameters


def _observed(X, block):
    """Photons of some clusters from where the exposure map, mask and holes have exposure.

    Others would be divided by an exposure that they have not had. A circular field of view
    alone is looked at when the photons are on the plane.
    """
    photons = X.photons[block]
    if not has_field(X):
        return photons
    return photons.select(is_observed(X[block], photons))


def _corrected(maps, X, distance, parameters):
    """Return maps of counts in the exposure of the center, coverages and `unobserved`.

    The exposures of one map after the other are made, so that memory does not grow.
    """
    warn_of_coarse_images(X, distance, **_grid(parameters))
    rows = maps.rows
    factor, coverage = np.empty(rows.nnz, np.float32), np.empty(len(X))
    lost = []
    for i, (start, stop) in enumerate(pairwise(rows.indptr.tolist())):
        exposure, observed = exposure_of_pixels(X, i, distance[i], **_grid(parameters))
        pixel = rows.indices[start:stop] % parameters.n_pixels**2
        with np.errstate(divide="ignore"):
            of_pixel = np.where(exposure > 0, 1 / exposure, 0)
        factor[start:stop] = of_pixel[pixel]
        coverage[i] = observed.mean()
        if parameters.with_unobserved:
            lost.append(_stored(1 - observed))
    corrected = sparse.csr_array(
        (rows.data * factor, rows.indices, rows.indptr), shape=rows.shape, copy=True
    )
    corrected.eliminate_zeros()
    maps = SparseMaps(corrected, maps.shape[1:], maps.geometry)
    return maps, coverage, _images_of(lost, parameters)


def _beyond_circle(X, distance, radius, parameters):
    """Share of each pixel that lies outside of a circular field of view."""
    everything = np.ones(parameters.n_pixels**2)
    lost = []
    for i in range(len(X)):
        observed = everything
        if radius[i] < np.sqrt(2) * parameters.half_width:
            _, observed = exposure_of_pixels(X, i, distance[i], **_grid(parameters))
        lost.append(_stored(1 - observed))
    return _images_of(lost, parameters)


def _grid(parameters):
    """Return the numbers that set the pixels of maps."""
    return {"n_pixels": parameters.n_pixels, "half_width": parameters.half_width}


def _stored(pixels):
    return sparse.csr_array(pixels[None].astype(np.float32))


def _images_of(rows, parameters):
    if not rows:
        return None
    shape = (1, parameters.n_pixels, parameters.n_pixels)
    return SparseMaps(sparse.vstack(rows, format="csr"), shape)


def _count(photons, center, edge, distance, parameters):
    """Return maps of the counts of some clusters, with the mapper's parameters."""
    bands, n_pixels, lengths = parameters.bands, parameters.n_pixels, photons.lengths
    x, y = sky_to_plane(photons["ra"], photons["dec"], *center.T, repeats=lengths)
    per_radian = np.repeat(distance * n_pixels / (2 * parameters.half_width), lengths)
    column = x * per_radian + n_pixels / 2
    row = y * per_radian + n_pixels / 2
    inside = (row >= 0) & (row < n_pixels) & (column >= 0) & (column < n_pixels)
    if np.isfinite(edge).any():
        inside &= x**2 + y**2 <= np.repeat(edge**2, lengths)
    inside = np.flatnonzero(inside)
    bounds = np.searchsorted(inside, photons.offsets)
    # Short integers are sorted without a comparison, in a tenth of the time.
    kind = np.min_scalar_type(n_pixels**2 - 1)
    pixel = row[inside].astype(kind)
    pixel *= kind.type(n_pixels)
    pixel += column[inside].astype(kind)
    energy = photons["energy"][inside]
    maps = [
        _counted(pixel, (energy >= low) & (energy < high), bounds, n_pixels)
        for low, high in bands
    ]
    geometry = MapGeometry(
        bands, parameters.half_width, cosmology_name(parameters.cosmology)
    )
    map_shape = (len(bands), n_pixels, n_pixels)
    return SparseMaps(sparse.hstack(maps, format="csr"), map_shape, geometry)


def _counted(pixel, chosen, bounds, n_pixels):
    """Counts in the pixels of one band, as a sparse array with a row per cluster."""
    chosen = np.flatnonzero(chosen)
    pixel, bounds = pixel[chosen], np.searchsorted(chosen, bounds)
    for start, stop in pairwise(bounds.tolist()):
        pixel[start:stop].sort(kind="stable")
    is_new = np.ones(len(pixel) + 1, bool)
    np.not_equal(pixel[1:], pixel[:-1], out=is_new[1:-1])
    is_new[bounds] = True
    first = np.flatnonzero(is_new)  # the last one is the end
    counts, indptr = np.diff(first).astype(np.float32), np.searchsorted(first, bounds)
    filled = pixel[first[:-1]].astype(np.int32)
    return sparse.csr_array(
        (counts, filled, indptr), shape=(len(bounds) - 1, n_pixels**2)
    )
