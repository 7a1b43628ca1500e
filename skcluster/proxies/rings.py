"""Counts in rings about the cluster's center, with and without point sources."""

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from ..exposure import (
    exposure_of_maps,
    exposure_range,
    reference_exposure,
    relative_exposure,
)
from ..parameters import Boolean, Edges, Integer, Positive, Quantity, check_parameters
from ..sample import half_width_of, refuse_maps_after, require
from ..sample.sparse_maps import check_same_steps, steps_of
from ..sample.transformer import TakesSample
from ..training_ranges import common_redshift, redshift_column, warn_outside

SECTORS_FROM = 0.3
"""Outer radius beyond which a ring has sectors of several pixels [comoving Mpc/h]."""


class RingProfiler(TransformerMixin, TakesSample):
    r"""Measure log10 counts in rings and the medians of their sectors, band by band.

    .. math::

        p_{br} = \log_{10}\Bigl(n_0 + \sum_{ij \in r} n_{bij}\Bigr), \qquad
        q_{br} = \log_{10}\Bigl(n_0 + k \,
                 \underset{s = 1 \ldots k}{\mathrm{median}}
                 \sum_{ij \in (r, s)} n_{bij}\Bigr)

    where n is the count in pixel (i, j) of band b, r a ring and s one of its k equal
    sectors. A point source raises the sum over a ring, but lies in one sector, so it
    hardly moves the median. Rings that end inside 0.3 Mpc/h have too few pixels for
    sectors, and no median.

    The last column is the redshift (see `redshift_`). In a pipeline that ends in a
    quadratic ridge regression these numbers give masses as good as those of the paper's
    three-band network, in a second: a network on the same maps has to do better to show
    that it sees more than rings.

    Parameters
    ----------
    edges : array-like, default=(0, 0.08, 0.16, 0.26, 0.4, 0.6, 0.85, 1.2, 1.7, 2.3)
        Radii between which the rings lie [comoving Mpc/h], ascending. A pixel belongs to
        the ring that holds its center.
    n_sectors : int, default=8
        :math:`k`. 1 measures the sums alone.
    softening : float, default=10.0
        :math:`n_0`, in counts as the maps hold them; it keeps empty rings finite. The
        default suits maps after `RedshiftNormalizer`, whose sum is about 4000.
    half_width : float or None, default=None
        Half the side of the maps [comoving Mpc/h]; None takes that of the `PhotonMapper`
        that made them.
    with_exposure : bool, default=False
        Whether to append log10 of each cluster's exposure over the reference exposure, in
        front of the redshift. Noise shifts the logarithms of small counts; a model that was
        trained on different exposures can learn by how much.

    Attributes
    ----------
    n_bands_ : int
        Number of bands of the maps in `fit`.
    bands_, map_steps_ : tuple or None
        Energy bands of these maps [keV], and the names of the steps that they had been
        through; others are refused. None if the maps do not know.
    exposure_ : float or None
        Median exposure that the maps in `fit` stand for [s], to which counts are scaled;
        None if they have no exposures. Maps after `RedshiftNormalizer` all have one.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``exposure`` of these maps, if known. One far outside comes with
        a warning.
    redshift_ : float or None
        Redshift of the clusters in `fit`, if their redshifts hardly vary (their standard
        deviation is below 0.001). The redshift column then holds it for all clusters: no
        model can learn from it what another redshift means. None if they vary.

    Raises
    ------
    ValueError
        The maps have exposures and those in `fit` have none, or the other way round; a
        ring holds no pixel center, or the size of the maps is not known.

    Notes
    -----
    Give it counts, before `LogScaler`. The choice of rings is ours; we know of no paper
    that compares a network with annuli.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.linear_model import RidgeCV
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import PolynomialFeatures, StandardScaler
    >>> from skcluster import ClusterSample, PhotonMapper, RedshiftNormalizer
    >>> from skcluster import RingProfiler
    >>> pipeline = make_pipeline(
    ...     PhotonMapper(n_pixels=64), RedshiftNormalizer(), RingProfiler(),
    ...     StandardScaler(), PolynomialFeatures(2), StandardScaler(),
    ...     RidgeCV(np.logspace(-1, 4, 11)),
    ... )
    >>> counts = np.zeros((1, 1, 4, 4))
    >>> counts[0, 0, 1:3, 1:3] = 20
    >>> profiler = RingProfiler(edges=[0, 1, 2], n_sectors=4, softening=1, half_width=2)
    >>> profiler.fit_transform(ClusterSample([0.2], maps=counts)).round(3)
    array([[1.908, 1.908, 0.   , 0.   , 0.2  ]])
    >>> profiler.get_feature_names_out().tolist()
    ['band0_ring0', 'band0_ring0_median', 'band0_ring1', 'band0_ring1_median', 'redshift']
    """

    _parameter_kinds = {
        "edges": Edges(),
        "n_sectors": Integer(1),
        "softening": Positive(),
        "half_width": Quantity("half_width") | None,
        "with_exposure": Boolean(),
    }

    def __init__(
        self,
        *,
        edges=(0, 0.08, 0.16, 0.26, 0.4, 0.6, 0.85, 1.2, 1.7, 2.3),
        n_sectors=8,
        softening=10.0,
        half_width=None,
        with_exposure=False,
    ):
        self.edges = edges
        self.n_sectors = n_sectors
        self.softening = softening
        self.half_width = half_width
        self.with_exposure = with_exposure

    def fit(self, X, y=None):
        """Store the number of bands, for the names of the columns, and the exposure."""
        _, maps, _ = self._checked(X)
        self.n_bands_ = maps.shape[1]
        self.bands_, self.map_steps_ = _bands_of(maps), steps_of(maps)
        exposure = exposure_of_maps(X)
        self.exposure_ = reference_exposure(exposure)
        self.training_ranges_ = exposure_range(exposure)
        self.redshift_ = common_redshift(X.redshift)
        return self

    def transform(self, X):
        """Return the profiles and the redshift, ndarray of shape (n_clusters, k)."""
        check_is_fitted(self)
        parameters, maps, sector_of_pixel = self._checked(X)
        self._check_same(maps)
        n, (n_bands, *_) = len(maps), maps.shape[1:]
        counts = maps.rows @ sparse.kron(sparse.eye_array(n_bands), sector_of_pixel)
        counts = counts.toarray().reshape(n, n_bands, -1, parameters.n_sectors)
        exposure = exposure_of_maps(X)
        relative = relative_exposure(exposure, self)
        if relative is not None:
            exposure = {"exposure": exposure}
            warn_outside(
                exposure, self.training_ranges_, by="RingProfiler", names=X.name
            )
            counts = counts / relative[:, None, None, None]
        medians = parameters.n_sectors * np.median(counts, axis=-1)
        profiles = np.stack([counts.sum(axis=-1), medians], axis=-1).reshape(n, -1)
        profiles = profiles[:, self._is_measured(parameters)]
        if profiles.min() <= -parameters.softening:
            raise ValueError(
                f"The rings of {(profiles <= -parameters.softening).any(axis=1).sum()} "
                f"of {n} clusters hold negative counts below minus the softening "
                f"({parameters.softening:g}), which have no logarithm. Give a larger one."
            )
        columns = [np.log10(parameters.softening + profiles)]
        if parameters.with_exposure:
            columns.append(np.log10(X.exposure / self.exposure_))
        return np.column_stack([*columns, redshift_column(X, self)])

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns."""
        check_is_fitted(self)
        parameters = check_parameters(self)
        names = [
            f"band{band}_ring{ring}{kind}"
            for band in range(self.n_bands_)
            for ring in range(len(parameters.edges) - 1)
            for kind in ("", "_median")
        ]
        names = np.array(names, dtype=object)[self._is_measured(parameters)]
        more = ["log_exposure"] if parameters.with_exposure else []
        return np.array([*names, *more, "redshift"], dtype=object)

    def _is_measured(self, parameters):
        """Mask of the sums and medians that become columns, by ring and band."""
        has_sectors = (parameters.edges[1:] > SECTORS_FROM) & (parameters.n_sectors > 1)
        of_band = np.column_stack([np.ones_like(has_sectors), has_sectors]).ravel()
        return np.tile(of_band, self.n_bands_)

    def _check_same(self, maps):
        """Refuse maps of other bands, or after other steps, than those in fit."""
        if maps.shape[1] != self.n_bands_:
            raise ValueError(
                f"X holds maps of {maps.shape[1]} bands, but RingProfiler was fitted to "
                f"{self.n_bands_}."
            )
        # Models of version 0.1.0 know neither bands nor steps.
        bands, fitted = _bands_of(maps), getattr(self, "bands_", None)
        if len({bands, fitted} - {None}) == 2:
            raise ValueError(
                f"X holds maps of the bands {bands} keV, but RingProfiler was fitted to "
                f"{fitted} keV. Make X with that PhotonMapper."
            )
        check_same_steps(maps, getattr(self, "map_steps_", None), by="RingProfiler")

    def _checked(self, X):
        """Return the parameters, the maps, and the sector that holds each pixel."""
        parameters = check_parameters(self)
        maps = require(X, "maps", by="RingProfiler").maps
        refuse_maps_after(maps, "LogScaler", by="RingProfiler")
        if parameters.with_exposure:
            require(X, "exposure", by="RingProfiler(with_exposure=True)")
        half_width = half_width_of(maps, parameters.half_width, by="RingProfiler")
        sectors = sectors_of_pixels(
            maps.shape[-1], half_width, parameters.edges, parameters.n_sectors
        )
        return parameters, maps, sectors


def _bands_of(maps):
    return None if maps.geometry is None else maps.geometry.bands


def sectors_of_pixels(n_pixels, half_width, edges, n_sectors):
    """Sparse matrix that says which sector of which ring holds each pixel of a map.

    Parameters
    ----------
    n_pixels : int
        Pixels per side.
    half_width : float
        Half the side of the map, in the unit of `edges`.
    edges : array-like of shape (n_rings + 1,)
        Radii between which the rings lie, from each to just below the next.
    n_sectors : int
        Equal sectors per ring, counted from the East through the South.

    Returns
    -------
    membership : scipy.sparse.csr_array of shape (n_pixels**2, n_rings * n_sectors)
        1 where a pixel's center lies in a sector of a ring.

    Raises
    ------
    ValueError
        A ring holds no pixel center.

    Examples
    --------
    >>> sectors_of_pixels(2, 1.0, [0, 1], 4).toarray().astype(int)
    array([[1, 0, 0, 0],
           [0, 1, 0, 0],
           [0, 0, 0, 1],
           [0, 0, 1, 0]])
    """
    center = (np.arange(n_pixels) + 0.5) * (2 * half_width / n_pixels) - half_width
    y, x = (axis.ravel() for axis in np.meshgrid(center, center, indexing="ij"))
    ring = np.searchsorted(edges, np.hypot(x, y), side="right") - 1
    n_rings = len(edges) - 1
    inside = np.flatnonzero((ring >= 0) & (ring < n_rings))
    empty = np.setdiff1d(np.arange(n_rings), ring)
    if len(empty):
        low, high = edges[empty[0]], edges[empty[0] + 1]
        raise ValueError(
            f"{len(empty)} of {n_rings} rings hold no pixel center (first: {low:g} to "
            f"{high:g} Mpc/h, where pixels are {2 * half_width / n_pixels:.3g} Mpc/h "
            "wide). Give wider rings, smaller pixels or wider maps."
        )
    turn = (np.arctan2(y, x) + np.pi) / (2 * np.pi)
    sector = np.floor(turn * n_sectors).astype(int) % n_sectors
    column = (ring * n_sectors + sector)[inside]
    shape = (n_pixels**2, n_rings * n_sectors)
    return sparse.csr_array((np.ones(len(inside)), (inside, column)), shape=shape)
