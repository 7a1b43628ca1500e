"""Morphology of clusters, measured on count maps in apertures of R500c."""

import warnings

import numpy as np
from scipy import sparse
from sklearn.base import TransformerMixin
from sklearn.utils import check_random_state, gen_batches

from ..exposure import reference_exposure, relative_exposure
from ..parameters import (
    Boolean,
    Choice,
    Integer,
    Names,
    Positive,
    Quantity,
    RandomState,
    check_parameters,
)
from ..sample import half_width_of, require
from ..sample.transformer import WorksUnfitted
from ..training_ranges import common_redshift, redshift_column
from . import morphology_measures as measure
from .measurable_maps import check_measurable

PIXELS_PER_BLOCK = 1_000_000
"""Pixels of the maps that are dense at one time."""

COUNTS = "core_excised_counts"
"""The quantity that follows the exposure."""

MEASURES = {
    "concentration": lambda light, p: measure.concentration(
        light, p.concentration_radius
    ),
    "centroid_shift": lambda light, p: measure.centroid_shift(light),
    "power_ratio_1": lambda light, p: measure.power_ratio(light, 1, p.debias),
    "power_ratio_2": lambda light, p: measure.power_ratio(light, 2, p.debias),
    "power_ratio_3": lambda light, p: measure.power_ratio(light, 3, p.debias),
    "power_ratio_4": lambda light, p: measure.power_ratio(light, 4, p.debias),
    "asymmetry": lambda light, p: measure.asymmetry(light, p.debias),
    "smoothness": lambda light, p: measure.smoothness(light, p.smoothing, p.debias),
    "m20": lambda light, p: measure.m20(light),
    "gini": lambda light, p: measure.gini(light),
    "ellipticity": lambda light, p: measure.ellipticity(light),
    "core_excised_counts": lambda light, p: measure.core_excised_counts(
        light, p.core_radius
    ),
}


class MorphologyMeasurer(TransformerMixin, WorksUnfitted):
    r"""Measure how concentrated, disturbed and clumpy clusters are, on maps of counts.

    With :math:`n` the count of a pixel, :math:`z = x + iy` its place about the center of
    the map, :math:`r = |z|`, and sums over the aperture :math:`r < R` unless a formula
    says otherwise:

    ======================= =======================================================
    ``concentration``       :math:`\sum_{r < r_c} n / \sum n`
    ``centroid_shift``      standard deviation of the centroid over the apertures
                            0.1 R, 0.2 R, ..., R, in units of R500c
    ``power_ratio_1`` to 4  :math:`|\sum n z^m|^2 / (2 m^2 R^{2m} (\sum n)^2)`
    ``asymmetry``           :math:`\sum |n - n'| / \sum n`, with n' the count in the
                            opposite pixel
    ``smoothness``          :math:`\sum |n - \bar n| / \sum n`, with :math:`\bar n`
                            the mean of a square about the pixel; 0 is smooth
    ``m20``                 log10 of the second moment of the brightest pixels, which
                            hold 20 % of the counts, over that of all
    ``gini``                inequality of the counts of the pixels, 0 to 1
    ``ellipticity``         :math:`1 - b / a`, by second moments about the centroid
    ``core_excised_counts`` :math:`\sum_{r_0 \le r < R} n`
    ======================= =======================================================

    In a pipeline that ends in a random forest this is an estimator like that of Green et
    al. (2019). The code of their measures is not public. That asymmetry and smoothness are
    sums of absolute differences, without a term for the sky, follows from their published
    values. These choices are ours: the center is that of the map; power ratios lack the
    logarithm of R in P0; the centroid shift has ten apertures; the square of the
    smoothness; M20 takes all pixels that are as bright as the faintest of the brightest,
    as statmorph does. Their forest is given the true luminosity; `core_excised_counts` is
    what an observer has.

    Parameters
    ----------
    quantities : sequence of str or None, default=None
        Quantities to measure, in the order of the columns; None measures all.
    r500c : "true" or float, default="true"
        "true" takes the R500c that the sample holds: of simulated clusters usually the
        true one, which no observer knows. A number is the same radius for all clusters
        [comoving Mpc/h].
    aperture : float, default=1.0
        R, in units of R500c. The map must contain it.
    concentration_radius : float, default=0.1
        :math:`r_c`, in units of R500c; at most `aperture`.
    core_radius : float, default=0.15
        :math:`r_0`, in units of R500c; at most `aperture`.
    smoothing : float, default=0.25
        Side of the square of the smoothness, in units of R500c. It is rounded to an odd
        number of pixels, at least 3.
    debias : bool, default=False
        Whether to subtract from power ratios, asymmetry and smoothness what photon noise
        adds on average. They can then be negative, and are zero on average if the cluster
        is round (power ratios), symmetric, or smooth over the square, however few its
        photons are.
    band : int or None, default=None
        Index of the energy band of the maps; None takes the sum of all bands, which must
        not overlap.
    half_width : float or None, default=None
        Half the side of the maps [comoving Mpc/h]; None takes that of the `PhotonMapper`
        that made them.
    with_redshift : bool, default=False
        Append the redshift as a last column, without which counts say little of masses.

    Attributes
    ----------
    exposure_ : float or None
        Median exposure of the clusters in `fit` [s], in which core-excised counts are
        given; None if it is not known.
    redshift_ : float or None
        Redshift of the clusters in `fit`, if their redshifts hardly vary (their standard
        deviation is below 0.001). The redshift column then holds it for all clusters: no
        model can learn from it what another redshift means. None if they vary.

    Warns
    -----
    UserWarning
        What a cluster has too few counts for is NaN; one warning says how many clusters
        have NaN, and in which columns.

    Notes
    -----
    Give it counts, before `RedshiftNormalizer` and `LogScaler`. Background is not
    subtracted and the telescope's blur is not undone. Sums take the share of each pixel
    that lies inside of a circle, so small cores are measured well down to about one
    pixel; the other quantities take pixels whose centers lie inside, and depend on the
    size of the pixels.

    References
    ----------
    Green et al. (2019), ApJ 884, 33; Lotz, Primack & Madau (2004), AJ 128, 163 (Gini,
    M20, asymmetry, smoothness); Buote & Tsai (1995), ApJ 452, 522 (power ratios).

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, MorphologyMeasurer
    >>> counts = np.zeros((1, 1, 8, 8))
    >>> counts[0, 0, 3:5, 2:6] = 10  # eight pixels, twice as wide as high
    >>> sample = ClusterSample([0.2], r500c=[1.0], maps=counts)
    >>> measurer = MorphologyMeasurer(
    ...     quantities=["asymmetry", "ellipticity"], half_width=1.3
    ... )
    >>> measurer.fit_transform(sample).round(3)
    array([[0.   , 0.553]])
    >>> measurer.errors(sample, n_resamples=50, random_state=0).round(2)
    array([[0.14, 0.02]])
    """

    _parameter_kinds = {
        "quantities": Names(MEASURES) | None,
        "r500c": Choice(("true",)) | Quantity("r500c"),
        "aperture": Quantity("radius_factor"),
        "concentration_radius": Quantity("radius_factor"),
        "core_radius": Quantity("radius_factor"),
        "smoothing": Positive(),
        "debias": Boolean(),
        "band": Integer(0) | None,
        "half_width": Quantity("half_width") | None,
        "with_redshift": Boolean(),
    }

    def __init__(
        self,
        *,
        quantities=None,
        r500c="true",
        aperture=1.0,
        concentration_radius=0.1,
        core_radius=0.15,
        smoothing=0.25,
        debias=False,
        band=None,
        half_width=None,
        with_redshift=False,
    ):
        self.quantities = quantities
        self.r500c = r500c
        self.aperture = aperture
        self.concentration_radius = concentration_radius
        self.core_radius = core_radius
        self.smoothing = smoothing
        self.debias = debias
        self.band = band
        self.half_width = half_width
        self.with_redshift = with_redshift

    def fit(self, X, y=None):
        """Check the sample, and learn whether redshifts vary, and the exposure."""
        self._checked(X)
        self.redshift_ = common_redshift(X.redshift)
        self.exposure_ = reference_exposure(X.exposure)
        return self

    def transform(self, X):
        """Return the quantities, ndarray of shape (n_clusters, n_columns)."""
        parameters, rows, r500c = self._checked(X)
        values = _measured(rows, r500c, parameters)
        self._to_reference(values, X, parameters)
        is_unknown = np.isnan(values)
        if is_unknown.any():
            clusters = np.flatnonzero(is_unknown.any(axis=1))
            columns = [
                f"{name} {number}"
                for name, number in zip(
                    parameters.quantities, is_unknown.sum(axis=0), strict=True
                )
                if number
            ]
            warnings.warn(
                f"{len(clusters)} of {len(X)} clusters have too few counts in their "
                f"apertures for some quantities, which are NaN (first: cluster "
                f"{clusters[0]}; {', '.join(columns)}).",
                UserWarning,
                stacklevel=2,
            )
        if parameters.with_redshift:
            values = np.column_stack([values, redshift_column(X, self)])
        return values

    def errors(self, X, n_resamples=30, random_state=None):
        """Estimate what photon noise does to the quantities, by drawing the counts anew.

        Each draw replaces the count of every pixel by a Poisson number of that mean. A
        draw has twice the noise of the maps, so errors of power ratios that are mostly
        noise are up to 1.7 times too large. Pixels without counts stay so, which makes
        errors of the Gini coefficient a third too small where most pixels are empty.

        Parameters
        ----------
        X : ClusterSample
            As in `transform`.
        n_resamples : int, default=30
            Number of draws, at least 2. An error is then known to 13 %.
        random_state : int, numpy RandomState or None, default=None
            Seed of the draws.

        Returns
        -------
        errors : ndarray of shape (n_clusters, n_columns)
            Standard deviation over the draws in which the quantity is not NaN; 0 for the
            redshift.
        """
        n_resamples = Integer(2).check("n_resamples", n_resamples)
        rng = check_random_state(RandomState().check("random_state", random_state))
        parameters, rows, r500c = self._checked(X)
        draws = []
        for _ in range(n_resamples):
            drawn = (rng.poisson(rows.data), rows.indices, rows.indptr)
            drawn = sparse.csr_array(drawn, shape=rows.shape)
            draws.append(_measured(drawn, r500c, parameters))
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Degrees of freedom", RuntimeWarning)
            errors = np.nanstd(draws, axis=0, ddof=1)
        self._to_reference(errors, X, parameters)
        if parameters.with_redshift:
            errors = np.column_stack([errors, np.zeros(len(X))])
        return errors

    def _to_reference(self, values, X, parameters):
        """Divide counts, in place, by the exposure in units of the reference."""
        if COUNTS in parameters.quantities:
            relative = relative_exposure(X.exposure, self)
            if relative is not None:
                values[:, parameters.quantities.index(COUNTS)] /= relative

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns."""
        parameters = self._checked_parameters()
        last = ["redshift"] if parameters.with_redshift else []
        return np.asarray([*parameters.quantities, *last], dtype=object)

    def _checked_parameters(self):
        parameters = check_parameters(self)
        parameters.quantities = parameters.quantities or tuple(MEASURES)
        for name in ("concentration_radius", "core_radius"):
            radius = getattr(parameters, name)
            if radius > parameters.aperture:
                raise ValueError(
                    f"{name} must be at most the aperture, {parameters.aperture:g} R500c, "
                    f"got {radius:g}."
                )
        return parameters

    def _checked(self, X):
        """Return the parameters, the counts of the chosen band, and R500c in pixels."""
        parameters = self._checked_parameters()
        needs = ["maps", *(["r500c"] if parameters.r500c == "true" else [])]
        require(X, *needs, by="MorphologyMeasurer")
        half_width = half_width_of(
            X.maps, parameters.half_width, by="MorphologyMeasurer"
        )
        r500c = X.r500c
        if parameters.r500c != "true":
            r500c = np.full(len(X), parameters.r500c)
        check_measurable(X, parameters.aperture * r500c, half_width, parameters.band)
        rows = _rows_of(X.maps, parameters.band)
        return parameters, rows, r500c * (X.maps.shape[-1] / (2 * half_width))


def _measured(rows, r500c, parameters):
    """Measure block by block, so that memory does not grow with the number of maps."""
    step = max(PIXELS_PER_BLOCK // rows.shape[1], 1)
    blocks = []
    for block in gen_batches(len(r500c), step):
        light = measure.Light(rows[block], r500c[block], parameters.aperture)
        with np.errstate(divide="ignore", invalid="ignore"):
            columns = [
                MEASURES[name](light, parameters) for name in parameters.quantities
            ]
        blocks.append(np.column_stack(columns))
    values = np.concatenate(blocks)
    values[~np.isfinite(values)] = np.nan
    return values


def _rows_of(maps, band):
    """Counts in one band, or in the sum of all, one flattened map per row."""
    if band is not None:
        if band >= maps.shape[1]:
            raise ValueError(
                f"band must be below the number of bands of the maps, {maps.shape[1]}, "
                f"got {band}. The first band has the index 0."
            )
        return maps.band(band)
    rows = maps.band_sum().astype(float)
    rows.sum_duplicates()
    return rows
