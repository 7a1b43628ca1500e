"""Test explanations of estimators with planted weights, whose saliency is known."""

from itertools import product

import numpy as np
import torch
from astropy.table import Table
from sklearn.pipeline import make_pipeline
from torch import nn

from ..cosmology import comoving_distance, plane_to_sky
from ..maps import LogScaler, PhotonMapper
from ..networks import MassNetwork
from ..outliers import MapOutlierDetector
from ..paper import HALF_WIDTH
from ..parameters import Names, Positive
from ..regressors import XrayCNNRegressor
from ..regressors.output_curve import KNOTS
from ..sample import ClusterSample
from .attention import source_attention, source_maps, source_masks
from .attribution import METHODS
from .explainer import SaliencyExplainer
from .radial_profile import pixel_radius, radial_saliency

N_PIXELS, REDSHIFT = 16, 0.2
N_PLANTED = 12
RING = (0.5, 1.0)
R500C = 1.5


class WeighingRegressor(XrayCNNRegressor):
    r"""Network with known saliency: its log10 M is a weighted sum of the pixels.

    .. math::

        \log_{10} M = 14 + \sum_{ij} w_{ij} x_{ij}

    Like a trained network it standardizes pixels and masses; its weights undo this.

    Parameters
    ----------
    weight : array-like of shape (n_bands, n_pixels, n_pixels)
        :math:`w`, which is the saliency.

    Examples
    --------
    >>> maps = np.ones((1, 1, 8, 8))
    >>> regressor = WeighingRegressor(np.full((1, 8, 8), 0.01)).fit(maps)
    >>> float(regressor.predict(maps)[0].round(5))
    14.64
    """

    def __init__(self, weight):
        super().__init__(device="cpu", n_threads=1)
        self.weight = weight

    def fit(self, X, y=None, sample_weight=None):
        """Set the attributes that training would have learned."""
        self.map_shape_, self.map_geometry_ = np.shape(self.weight), None
        self.pixel_mean_, self.pixel_scale_ = 0.05, 0.2
        self.target_mean_, self.target_scale_ = 13.9, 0.3
        self.curve_ = np.tile(KNOTS, (1, 2, 1))
        self.error_curve_ = np.zeros((1, len(KNOTS)))
        self.residual_std_ = 0.1
        self.held_out_moments_ = {}
        self.training_ranges_ = {}
        self.outlier_detector_ = MapOutlierDetector().fit(X)
        self.nets_ = [self._build_net(0, "cpu")]
        return self

    def _module(self):
        weight = torch.as_tensor(np.asarray(self.weight), dtype=torch.float32)
        zero_point = 14.0 - self.target_mean_ + self.pixel_mean_ * float(weight.sum())
        return _WeightedSum(
            weight * (self.pixel_scale_ / self.target_scale_),
            zero_point / self.target_scale_,
        )


class _WeightedSum(MassNetwork):
    def __init__(self, weight, bias):
        super().__init__(n_outputs=1)
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(torch.tensor(bias))

    @property
    def output_layer(self):
        return self

    def extract(self, maps):
        return maps

    def estimate(self, maps):
        return torch.einsum("nbyx,byx->n", maps, self.weight) + self.bias


def check_planted_attention(
    explain=None,
    *,
    factors=(0.1, 1, 10),
    methods=("gradient", "smoothgrad", "deep_dream"),
    planted=("agn", "ring"),
    tolerance=1e-3,
    random_state=0,
):
    """Check that an explainer finds estimators k times as sensitive to planted pixels.

    The estimators are pipelines whose log10 M is a weighted sum of the map. The weight is k
    in pixels with a photon of an AGN, 1 in pixels with a photon of the gas, and 0 in empty
    ones, so the attention to AGN must be k times that to gas. No rotation or flip maps
    one of these pixels onto another, and the check is repeated in all eight
    orientations, so it fails if the saliency is rotated or flipped with respect to the
    maps. A second kind of estimator has the weight k in a ring about the center and 1
    elsewhere.

    Parameters
    ----------
    explain : callable, default=None
        ``explain(estimator, sample)`` takes a fitted Pipeline and a sample with photons,
        and returns an array of shape (n_clusters, n_bands, n_pixels, n_pixels), in any
        unit. None is `SaliencyExplainer` with each of `methods`.
    factors : sequence of float, default=(0.1, 1, 10)
        The planted k.
    methods : sequence of str, default=("gradient", "smoothgrad", "deep_dream")
        Methods of `SaliencyExplainer`.
    planted : sequence of str, default=("agn", "ring")
        Kinds of estimator. Methods that give zero in empty pixels, such as
        ``integrated_gradients``, can pass only the first.
    tolerance : float, default=1e-3
        Largest relative difference from k that passes.
    random_state : int, RandomState instance or None, default=0
        Seed of the methods that draw.

    Returns
    -------
    table : astropy.table.Table
        One row per check, with ``method``, ``planted`` ("agn" or "ring"), ``orientation``
        (0 to 7), ``factor`` (k) and ``measured``.

    Raises
    ------
    AssertionError
        If a measured factor differs from the planted one.

    Examples
    --------
    >>> from skcluster.explain import check_planted_attention
    >>> table = check_planted_attention(factors=[10], methods=["gradient"])
    >>> np.unique(table["measured"].round(3)).tolist()
    [10.0]
    """
    planted = Names(MEASURES).check("planted", planted)
    if np.ndim(factors) != 1 or not len(factors):
        raise ValueError(f"factors must be a list of numbers, got {factors!r}.")
    factors = [Positive().check("factors", factor) for factor in factors]
    tolerance = Positive().check("tolerance", tolerance)
    explainers = {"explain": explain}
    if explain is None:
        methods = Names(METHODS).check("methods", methods)
        explainers = {name: _explainer(name, random_state) for name in methods}
    rows = []
    for orientation in range(8):
        sample, weights = _planted(orientation)
        for name, explainer in explainers.items():
            for kind, factor in product(planted, factors):
                estimator = _fitted(weights(kind, factor), sample)
                saliency = np.abs(explainer(estimator, sample))
                measured = MEASURES[kind](saliency, sample)
                rows.append((name, kind, orientation, factor, measured))
    names = ("method", "planted", "orientation", "factor", "measured")
    table = Table(rows=rows, names=names)
    _compare(table, tolerance)
    return table


def _explainer(method, random_state):
    def explain(estimator, sample):
        explainer = SaliencyExplainer(
            estimator, method=method, n_samples=4, random_state=random_state
        )
        return explainer.explain(sample)

    return explain


def _planted(orientation):
    """Return two clusters with photons at planted pixels, and a function of the weights."""
    is_planted = np.zeros((2, N_PIXELS, N_PIXELS), bool)
    is_planted[np.repeat([0, 1], N_PLANTED), *_places()] = True
    if orientation >= 4:
        is_planted = is_planted[..., ::-1]
    is_planted = np.rot90(is_planted, orientation % 4, (1, 2))
    icm, agn = is_planted
    photons = [np.argwhere(icm), np.argwhere(agn)]
    origin = np.repeat([0, 1], [len(part) for part in photons])
    table = {**_sky(np.concatenate(photons)), "origin": origin}
    sample = ClusterSample(
        [REDSHIFT] * 2,
        center=[[150.0, 2.0]] * 2,
        photons=[table] * 2,
        r500c=[R500C] * 2,
    )

    def weights(planted, factor):
        if planted == "agn":
            return icm + factor * agn
        radius = pixel_radius(icm.shape, HALF_WIDTH) / R500C
        return np.where((radius >= RING[0]) & (radius < RING[1]), factor, 1.0)

    return sample, weights


def _places():
    """Rows and columns of pixels that no rotation or flip maps onto each other."""
    # Such a symmetry keeps the distances from the two middle lines, or swaps them, and no
    # pair of distances occurs twice. So saliency that is rotated or flipped is 0 at all
    # planted pixels.
    half = N_PIXELS // 2
    rng = np.random.default_rng(8)
    pairs = rng.permutation(np.transpose(np.triu_indices(half, 1)))[: 2 * N_PLANTED]
    distance = rng.permuted(pairs, axis=1).T
    is_beyond = rng.random(distance.shape) < 0.5
    return np.where(is_beyond, half + distance, half - 1 - distance)


def _sky(pixels):
    """Photons on the sky, at the centers of pixels (row, column)."""
    per_radian = comoving_distance([REDSHIFT])[0]
    north, west = ((pixels.T + 0.5) * 2 / N_PIXELS - 1) * HALF_WIDTH / per_radian
    ra, dec = plane_to_sky(west, north, 150.0, 2.0)
    return {"ra": ra, "dec": dec, "energy": np.ones(len(pixels))}


def _mapper():
    return PhotonMapper(n_pixels=N_PIXELS, half_width=HALF_WIDTH)


def _fitted(weight, sample):
    regressor = WeighingRegressor(0.01 * weight[None])
    return make_pipeline(_mapper(), LogScaler(), regressor).fit(sample)


def _measured_agn(saliency, sample):
    masks = source_masks(source_maps(sample, _mapper()))
    # In one group, clusters have no bootstrap error, which would take most of the time.
    result = source_attention(saliency, masks, groups=np.zeros(len(sample)))
    return 10**result.log_ratio.median


def _measured_ring(saliency, sample):
    bins = [0, *RING, 2 * HALF_WIDTH]
    profile = radial_saliency(
        saliency, sample.r500c, half_width=HALF_WIDTH, bins=bins
    ).median
    inner, ring, outer = profile
    return 2 * ring / (inner + outer)


MEASURES = {"agn": _measured_agn, "ring": _measured_ring}


def _compare(table, tolerance):
    difference = np.abs(table["measured"] / table["factor"] - 1)
    wrong = np.flatnonzero(~(difference <= tolerance))
    if len(wrong):
        first = table[wrong[0]]
        raise AssertionError(
            f"{len(wrong)} of {len(table)} checks failed. First: with {first['method']}, "
            f"an estimator that looks {first['factor']:g} times as hard at the planted "
            f"{first['planted']} scores {first['measured']:.4g} in orientation "
            f"{first['orientation']}. Is the saliency rotated or flipped, or wrong in size?"
        )
