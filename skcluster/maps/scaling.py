"""Scale maps of counts: remove the trend with redshift, take the logarithm."""

import numpy as np
from sklearn.base import OneToOneFeatureMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from ..exposure import (
    exposure_of_maps,
    exposure_range,
    reference_exposure,
    relative_exposure,
)
from ..parameters import Positive, check_parameters
from ..sample import refuse_maps_after, require
from ..sample.transformer import SampleTransformer
from ..training_ranges import hardly_vary, range_of, warn_outside

EMPTY_CURE = (
    "Drop them with sample[sample.maps.total() > 0], widen the aperture, or check the "
    "energies and the bands, both in keV."
)
LEAST_KNOWN = 5.0
"""Largest standard error of a slope that is used [dex per unit of redshift].

Redshifts up to 0.02 beyond those of training pass without a warning; there it is an error
of 0.1 dex. To leave out the trend of a flux-limited survey, about -4, costs as much.
"""
LOG_COUNT_MAX = 30.0
"""Largest |log10| of an expected count; no cluster has 10³⁰ photons, nor 10⁻³⁰."""


class RedshiftNormalizer(SampleTransformer):
    r"""Remove the mean trend of photon counts with redshift (paper Eq. 1).

    .. math::

        n_{ij} = m_{ij} \, \frac{N_0}{10^{\gamma z + \eta}}

    where :math:`\gamma` and :math:`\eta` are fitted to
    :math:`\log_{10} \sum_{ij} m_{ij} = \gamma z + \eta` over the training maps, the
    sum taken over all bands. Where exposures are known, m is the count per exposure: the
    count in the `exposure_` that is typical of the training clusters.

    Parameters
    ----------
    pivot_count : float, default=4000
        Total count :math:`N_0` that a typical map is scaled to.

    Attributes
    ----------
    slope_, intercept_ : float
        Coefficients :math:`\gamma` and :math:`\eta`. The slope is 0 where training
        clusters show no trend: at a single redshift, and where redshifts spread so little
        that it would be known to worse than 5 dex per unit of redshift.
    exposure_ : float or None
        Median exposure of the training clusters [s], to which all counts are scaled;
        None if they have no exposures.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``redshift``, ``relative_counts`` and, if known, ``exposure`` of
        the training clusters; relative counts are counts over the count expected at the
        redshift and exposure. A cluster far outside any of these ranges is transformed
        with a warning (see `training_ranges.warn_outside`).

    Raises
    ------
    ValueError
        The clusters have exposures and the training clusters have none, or the other way
        round.

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
        check_parameters(self)
        total = _counts_of_filled_maps(X)
        exposure = exposure_of_maps(X)
        self.exposure_ = reference_exposure(exposure)
        per_exposure = total
        if exposure is not None:
            per_exposure = total / (exposure / self.exposure_)
        log_count = np.log10(per_exposure)
        if _shows_trend(X.redshift, log_count):
            slope, intercept = np.polyfit(X.redshift, log_count, deg=1)
        else:
            slope, intercept = 0.0, log_count.mean()
        self.slope_, self.intercept_ = float(slope), float(intercept)
        relative = per_exposure / self._trend(X.redshift)
        self.training_ranges_ = {
            "redshift": range_of(X.redshift),
            "relative_counts": range_of(relative),
            **exposure_range(exposure),
        }
        return self

    def transform(self, X):
        """Return the sample, each map divided by the count expected at its redshift."""
        check_is_fitted(self)
        parameters = check_parameters(self)
        total = _counts_of_filled_maps(X)
        expected = self.expected_counts(X)
        values = {"redshift": X.redshift, "relative_counts": total / expected}
        exposure = exposure_of_maps(X)
        if exposure is not None:
            values["exposure"] = exposure
            exposure = np.full(len(X), self.exposure_)
        by = type(self).__name__
        warn_outside(values, self.training_ranges_, by=by, names=X.name)
        maps = X.maps.scaled(parameters.pivot_count / expected)
        return X.assign(maps=maps.after("RedshiftNormalizer"), map_exposure=exposure)

    def expected_counts(self, X):
        """Return the total counts expected of maps at their redshifts and exposures.

        Parameters
        ----------
        X : ClusterSample

        Returns
        -------
        expected : ndarray of shape (n_clusters,)
            Maps are multiplied by `pivot_count` over this.
        """
        check_is_fitted(self)
        relative = relative_exposure(exposure_of_maps(X), self)
        trend = self._trend(X.redshift)
        return trend if relative is None else trend * relative

    def _trend(self, redshift):
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


# scikit-learn would make a data frame of a sample because its columns have names.
class LogScaler(  # type: ignore[call-arg]
    OneToOneFeatureMixin, SampleTransformer, auto_wrap_output_keys=None
):
    """Compress the range of counts (paper Eq. 2): ``x = log10(n + 1)``.

    Zero stays zero, so sparse maps stay sparse. Takes a sample with maps, or any
    non-negative array, whose columns keep their names.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import LogScaler
    >>> LogScaler().fit_transform(np.array([[0.0, 9.0, 99.0]]))
    array([[0., 1., 2.]])
    """

    _parameter_kinds: dict = {}

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = True
        tags.input_tags.positive_only = True
        tags.no_validation = False
        return tags

    def fit(self, X, y=None):
        """Check the input; there is nothing to learn."""
        if hasattr(X, "maps"):
            self._checked_maps(X)
        else:
            self._checked_array(X, reset=True)
        return self

    def transform(self, X):
        """Return the sample or the array with the logarithm taken."""
        if hasattr(X, "maps"):
            maps = self._checked_maps(X).apply(_log10_1p).after("LogScaler")
            return X.assign(maps=maps, map_exposure=X.map_exposure)
        return _log10_1p(self._checked_array(X, reset=False))

    def _checked_maps(self, X):
        maps = require(X, "maps", by="LogScaler").maps
        refuse_maps_after(maps, "LogScaler", by="LogScaler")
        if (maps.rows.data < 0).any():
            raise ValueError("Negative values in maps passed to LogScaler.")
        return maps

    def _checked_array(self, X, reset):
        return validate_data(
            self,
            X,
            reset=reset,
            dtype=(np.float64, np.float32),
            allow_nd=True,
            ensure_non_negative=True,
        )


def _shows_trend(redshift, log_count):
    """Return whether redshifts vary, and by enough to know a slope with them."""
    if hardly_vary(redshift):
        return False
    # Without the share of the trend itself, of which two clusters say nothing.
    error = np.std(log_count) / (np.std(redshift) * np.sqrt(len(redshift)))
    return bool(error < LEAST_KNOWN)


def _log10_1p(n):
    return np.log1p(n) * n.dtype.type(1 / np.log(10))


def _counts_of_filled_maps(X):
    by = "RedshiftNormalizer"
    maps = require(X, "maps", by=by).maps
    refuse_maps_after(maps, by, "LogScaler", by=by)
    total = maps.total()
    empty = np.flatnonzero(total <= 0)
    if len(empty):
        raise ValueError(
            f"{len(empty)} of {len(total)} maps hold no photon (first: cluster "
            f"{empty[0]}), so log10 of their count is undefined. {EMPTY_CURE}"
        )
    return total
