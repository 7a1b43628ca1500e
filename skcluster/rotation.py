"""Exact rotations of photons and galaxies about a cluster's center, not of pixels."""

import numpy as np
from sklearn.base import MetaEstimatorMixin, RegressorMixin, clone
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from .cluster_weights import checked_weights
from .cosmology import plane_to_sky, sky_to_plane
from .estimator_parts import weight_parameters
from .parameters import Integer, Interval, RandomState, WithMethods, check_parameters
from .plausible_masses import MASS_RANGE, MASS_RANGE_KIND, log_mass_column
from .sample import ClusterSample, require
from .sample.described_columns import without_descriptions
from .sample.lists import MADE_OF_LISTS, OF_THE_SKY
from .sample.plain_arrays import one_per_cluster
from .sample.transformer import TakesSample
from .sample.units import in_our_unit
from .sky import thin_photons


def rotate(sample, angle, *, mirror=False):
    r"""Rotate each cluster's photons and galaxies about its center.

    .. math::

        x' = \pm x \cos\theta - y \sin\theta, \quad
        y' = \pm x \sin\theta + y \cos\theta

    with x to the West and y to the North. The lower sign first swaps East and West.
    Positions are rotated, not pixels, so any angle is exact.

    Parameters
    ----------
    sample : ClusterSample
        Sample with photons (and `center`), galaxies, or both.
    angle : float or array-like of shape (n_clusters,)
        Angle :math:`\theta` [deg], from x towards y.
    mirror : bool or array-like of shape (n_clusters,), default=False
        Whether to mirror the clusters first.

    Returns
    -------
    rotated : ClusterSample
        Sample without maps, cubes and coverage, which would show the old positions.

    Raises
    ------
    ValueError
        The sample has neither photons nor galaxies, or photons without `center`.

    Examples
    --------
    >>> from skcluster import ClusterSample, rotate
    >>> galaxies = [{"x": [1.0], "y": [0.0], "v": [300.0]}]
    >>> turned = rotate(ClusterSample([0.1], galaxies=galaxies), 90)
    >>> float(turned.galaxies["x"][0].round(9)), float(turned.galaxies["y"][0])
    (0.0, 1.0)
    """
    require(sample, by="rotate")
    if sample.photons is None and sample.galaxies is None:
        require(sample, "photons", by="rotate")
    kept = [name for name in sample.fields if name in OF_THE_SKY]
    if kept:
        raise ValueError(
            f"A sample with {' and '.join(kept)} cannot be rotated: exposures and gaps "
            f"would stay where they are. Drop them by sample.drop(*{kept})."
        )
    angle = in_our_unit("ra", angle, "angle")
    angle = np.radians(one_per_cluster("angle", angle, len(sample)))
    mirror = one_per_cluster("mirror", np.asarray(mirror, float), len(sample))
    sign = np.where(mirror, -1.0, 1.0)
    turned = {}
    if sample.photons is not None:
        require(sample, "center", by="rotate")
        lengths = sample.photons.lengths
        ra, dec = sample.photons["ra"], sample.photons["dec"]
        x, y = sky_to_plane(ra, dec, *sample.center.T, repeats=lengths)
        x, y = _turn(x, y, np.repeat(angle, lengths), np.repeat(sign, lengths))
        ra, dec = plane_to_sky(x, y, *np.repeat(sample.center, lengths, axis=0).T)
        turned["photons"] = sample.photons.assign(ra=ra, dec=dec)
    if sample.galaxies is not None:
        lengths = sample.galaxies.lengths
        x, y = sample.galaxies["x"], sample.galaxies["y"]
        x, y = _turn(x, y, np.repeat(angle, lengths), np.repeat(sign, lengths))
        turned["galaxies"] = sample.galaxies.assign(x=x, y=y)
    return sample.drop(*MADE_OF_LISTS).assign(**turned)


def _turn(x, y, angle, sign):
    cos, sin = np.cos(angle), np.sin(angle)
    return sign * x * cos - y * sin, sign * x * sin + y * cos


class RotationAugmentedRegressor(MetaEstimatorMixin, RegressorMixin, TakesSample):
    """Train a pipeline on the sample and on copies of it, rotated by random angles.

    In every copy each cluster has its own angle, and half of the clusters are mirrored,
    before photons are binned (see `rotate`). Predictions are those of the pipeline. The
    copies of a cluster share a label in the sample's ``group``, so a network holds out all
    or none of them for early stopping. A network's own ``augment=True`` is limited to the
    eight symmetries of the square, but takes no memory.

    Parameters
    ----------
    estimator : estimator
        Pipeline that starts from photons, such as
        ``make_pipeline(PhotonMapper(), RedshiftNormalizer(), LogScaler(),
        XrayCNNRegressor())``.
    n_rotations : int, default=3
        Number of copies in addition to the sample itself.
    random_state : int, RandomState instance or None, default=None
        Seed of the angles.
    mass_range : tuple of 2 float or None, default=(10.0, 17.0)
        Lowest and highest log10 mass [Msun/h] that a target may have; others are refused
        with the unit that they seem to be in. None takes any target.
    thin_to : float or None, default=None
        Shortest exposure of the copies over that of the sample. Each cluster of a copy is
        thinned to an exposure of its own, evenly in the logarithm from there to all of it
        (see `thin_photons`), so that the model also learns from shorter exposures. This
        needs exposures. None leaves the photons as they are.

    Attributes
    ----------
    estimator_ : estimator
        The fitted pipeline.

    Examples
    --------
    >>> from sklearn.linear_model import LinearRegression
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import ProxyMeasurer, RotationAugmentedRegressor
    >>> from skcluster.datasets import make_mock_survey
    >>> survey = make_mock_survey(n_clusters=20, random_state=0)
    >>> pipeline = make_pipeline(ProxyMeasurer(proxies=("n_phot",)), LinearRegression())
    >>> augmented = RotationAugmentedRegressor(pipeline, random_state=0)
    >>> augmented.fit(survey.sample, survey.log_mass).predict(survey.sample).shape
    (20,)
    """

    _parameter_kinds = {
        "estimator": WithMethods("an estimator with fit and predict"),
        "n_rotations": Integer(0, 10_000),
        "random_state": RandomState(),
        "mass_range": MASS_RANGE_KIND,
        "thin_to": Interval("(0, 1]") | None,
    }

    def __init__(
        self,
        estimator,
        *,
        n_rotations=3,
        random_state=None,
        mass_range=MASS_RANGE,
        thin_to=None,
    ):
        self.estimator = estimator
        self.n_rotations = n_rotations
        self.random_state = random_state
        self.mass_range = mass_range
        self.thin_to = thin_to

    def fit(self, X, y, sample_weight=None):
        """Train on the sample and its rotated copies.

        Parameters
        ----------
        X : ClusterSample
        y : array-like of shape (n_clusters,)
            log10 M500c [Msun/h].
        sample_weight : array-like of shape (n_clusters,), default=None
            Weights of the clusters, for the regressor at the end of the pipeline.
        """
        parameters = check_parameters(self)
        require(X, by=type(self).__name__)
        if parameters.thin_to is not None:
            needs = "photons", "exposure"
            require(X, *needs, by="RotationAugmentedRegressor(thin_to=...)")
            # These columns describe the lists before thinning.
            X = without_descriptions(X, "photons")
        y = log_mass_column(
            y, len(X), by=type(self).__name__, mass_range=parameters.mass_range
        )
        rng = check_random_state(parameters.random_state)
        copies = [X.drop(*MADE_OF_LISTS)]
        for _ in range(parameters.n_rotations):
            angle, mirror = rng.uniform(0, 360, len(X)), rng.random(len(X)) < 0.5
            copy = rotate(X, angle, mirror=mirror)
            if parameters.thin_to is not None:
                exposure = X.exposure * parameters.thin_to ** rng.random(len(X))
                copy = thin_photons(copy, exposure=exposure, random_state=rng)
            copies.append(copy)
        group = np.arange(len(X)) if X.group is None else X.group
        sample = ClusterSample.concatenate(copies)
        sample = sample.assign(group=np.tile(group, len(copies)))
        weight = checked_weights(sample_weight, len(X), by=type(self).__name__)
        if weight is not None:
            weight = np.tile(weight, len(copies))
        params = weight_parameters(self.estimator, weight)
        y = np.tile(y, len(copies))
        self.estimator_ = clone(self.estimator).fit(sample, y, **params)
        return self

    def predict(self, X, **params):
        """Predictions of the fitted pipeline, with `params` handed on."""
        check_is_fitted(self)
        return self.estimator_.predict(X, **params)
