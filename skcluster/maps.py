"""Steps from photon lists to a network's input: count, remove the trend, take the log."""

import math
from itertools import pairwise

import numpy as np
from scipy import sparse
from sklearn.utils.validation import check_is_fitted, validate_data

from .cosmology import (
    comoving_distance,
    cosmology_name,
    get_cosmology,
    sky_to_plane,
)
from .paper import HALF_WIDTH, WIDE_BAND
from .parameters import (
    EnergyBands,
    Integer,
    Positive,
    Quantity,
    ReadBy,
    check_parameters,
)
from .sample import MapGeometry, SparseMaps, require
from .sample.lists import check_near_center
from .sample.transformer import SampleTransformer
from .training_ranges import range_of, warn_outside

EMPTY_CURE = (
    "Drop them with sample[sample.maps.total() > 0], widen the aperture, or check the "
    "energies and the bands, both in keV."
)
SINGLE_REDSHIFT = 1e-6
"""Range of redshifts below which no trend is fitted: peculiar velocities exceed it."""
LOG_COUNT_MAX = 30.0
"""Largest |log10| of an expected count; no cluster has 10³⁰ photons, nor 10⁻³⁰."""


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

    Notes
    -----
    Adds ``maps`` of shape (n, n_bands, n_pixels, n_pixels), ``map[y, x]`` with rows
    to the North and columns to the West; with a known ``field_radius`` also
    ``coverage``, the fraction of the square inside the field of view.

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
    }

    def __init__(
        self,
        *,
        bands=(WIDE_BAND,),
        n_pixels=128,
        half_width=HALF_WIDTH,
        cosmology="WMAP7",
    ):
        self.bands = bands
        self.n_pixels = n_pixels
        self.half_width = half_width
        self.cosmology = cosmology

    def fit(self, X, y=None):
        """Check the parameters and the sample; there is nothing to learn."""
        require(X, "photons", "center", by="PhotonMapper")
        self._checked_parameters()
        return self

    def transform(self, X):
        """Return the sample with ``maps`` and, where the field is known, ``coverage``."""
        require(X, "photons", "center", by="PhotonMapper")
        parameters = self._checked_parameters()
        distance = comoving_distance(X.redshift, parameters.cosmology)
        maps = SparseMaps.concatenate(
            _count(X.photons[block], X.center[block], distance[block], parameters)
            for block in X.photons.blocks()
        )
        check_near_center(X, maps.total() == 0, by="PhotonMapper")
        coverage = None
        if X.field_radius is not None:
            radius = distance * np.tan(np.radians(X.field_radius))
            coverage = square_inside_circle(parameters.half_width, radius)
        return X.assign(maps=maps, coverage=coverage)

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


class RedshiftNormalizer(SampleTransformer):
    r"""Remove the mean trend of photon counts with redshift (paper Eq. 1).

    .. math::

        n_{ij} = m_{ij} \, \frac{N_0}{10^{\gamma z + \eta}}

    where :math:`\gamma` and :math:`\eta` are fitted to
    :math:`\log_{10} \sum_{ij} m_{ij} = \gamma z + \eta` over the training maps, the
    sum taken over all bands.

    Parameters
    ----------
    pivot_count : float, default=4000
        Total count :math:`N_0` that a typical map is scaled to.

    Attributes
    ----------
    slope_, intercept_ : float
        Coefficients :math:`\gamma` and :math:`\eta`. Training clusters at a single
        redshift show no trend, and the slope is 0.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``redshift`` and ``relative_counts`` of the training clusters;
        the latter are counts over the count expected at the redshift. A cluster far
        outside either range is transformed with a warning (see
        `training_ranges.warn_outside`).

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, RedshiftNormalizer
    >>> redshift = np.array([0.1, 0.2, 0.4])
    >>> counts = np.ones((3, 1, 2, 2)) * 10 ** (3 - 2 * redshift[:, None, None, None])
    >>> sample = ClusterSample(redshift, maps=counts)
    >>> normalizer = RedshiftNormalizer(pivot_count=4).fit(sample)
    >>> float(round(normalizer.slope_, 6))
    -2.0
    >>> np.asarray(normalizer.transform(sample).maps).sum(axis=(1, 2, 3)).round(5)
    array([4., 4., 4.], dtype=float32)
    """

    learns = True
    _parameter_kinds = {"pivot_count": Positive()}

    def __init__(self, *, pivot_count=4000.0):
        self.pivot_count = pivot_count

    def fit(self, X, y=None):
        """Learn the trend of the training clusters' counts with redshift."""
        require(X, "maps", by="RedshiftNormalizer")
        check_parameters(self)
        total = _counts_of_filled_maps(X.maps)
        log_count = np.log10(total)
        low, high = range_of(X.redshift)
        if high - low > SINGLE_REDSHIFT:
            slope, intercept = np.polyfit(X.redshift, log_count, deg=1)
        else:
            slope, intercept = 0.0, log_count.mean()
        self.slope_, self.intercept_ = float(slope), float(intercept)
        relative = total / self._expected(X.redshift)
        self.training_ranges_ = {
            "redshift": (low, high),
            "relative_counts": range_of(relative),
        }
        return self

    def transform(self, X):
        """Return the sample, each map divided by the count expected at its redshift."""
        check_is_fitted(self)
        parameters = check_parameters(self)
        require(X, "maps", by="RedshiftNormalizer")
        total = _counts_of_filled_maps(X.maps)
        expected = self._expected(X.redshift)
        values = {"redshift": X.redshift, "relative_counts": total / expected}
        by = type(self).__name__
        warn_outside(values, self.training_ranges_, by=by, names=X.name)
        return X.assign(maps=X.maps.scaled(parameters.pivot_count / expected))

    def _expected(self, redshift):
        log_count = self.slope_ * redshift + self.intercept_
        wild = np.flatnonzero(np.abs(log_count) > LOG_COUNT_MAX)
        if len(wild):
            raise ValueError(
                f"The expected counts of {len(wild)} of {len(redshift)} clusters (first: "
                f"cluster {wild[0]}, redshift {redshift[wild[0]]:.4g}) are "
                f"10^{log_count[wild[0]]:.4g}: no clusters have a trend of "
                f"{self.slope_:.4g} dex per unit of redshift. Train on a wider range of "
                "redshifts."
            )
        return 10**log_count


class LogScaler(SampleTransformer):
    """Compress the range of counts (paper Eq. 2): ``x = log10(n + 1)``.

    Zero stays zero, so sparse maps stay sparse. Takes a sample with maps, or any
    non-negative array.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import LogScaler
    >>> LogScaler().fit_transform(np.array([[0.0, 9.0, 99.0]]))
    array([[0., 1., 2.]])
    """

    _parameter_kinds = {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.positive_only = True
        tags.no_validation = False
        return tags

    def fit(self, X, y=None):
        """Check the input; there is nothing to learn."""
        if hasattr(X, "maps"):
            require(X, "maps", by="LogScaler")
        else:
            self._checked_array(X, reset=True)
        return self

    def transform(self, X):
        """Return the sample or the array with the logarithm taken."""
        if hasattr(X, "maps"):
            require(X, "maps", by="LogScaler")
            if (X.maps.rows.data < 0).any():
                raise ValueError("Negative values in maps passed to LogScaler.")
            return X.assign(maps=X.maps.apply(_log10_1p))
        return _log10_1p(self._checked_array(X, reset=False))

    def _checked_array(self, X, reset):
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=(np.float64, np.float32),
            allow_nd=True,
            ensure_non_negative=True,
        )


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


def _log10_1p(n):
    return np.log1p(n) * n.dtype.type(1 / np.log(10))


def _counts_of_filled_maps(maps):
    total = maps.total()
    empty = np.flatnonzero(total <= 0)
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {len(total)} maps hold no photon (first: cluster "
            f"{empty[0]}), so log10 of their count is undefined. {EMPTY_CURE}"
        )
    return total


def _count(photons, center, distance, parameters):
    """Return maps of the counts of some clusters, with the mapper's parameters."""
    bands, n_pixels, lengths = parameters.bands, parameters.n_pixels, photons.lengths
    x, y = sky_to_plane(photons["ra"], photons["dec"], *center.T, repeats=lengths)
    per_radian = np.repeat(distance * n_pixels / (2 * parameters.half_width), lengths)
    column = x * per_radian + n_pixels / 2
    row = y * per_radian + n_pixels / 2
    inside = (row >= 0) & (row < n_pixels) & (column >= 0) & (column < n_pixels)
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
