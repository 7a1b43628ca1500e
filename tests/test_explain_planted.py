"""Planted attention through bands, convolutions and cubes; memory, GPU, and cloning."""

import tracemalloc

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from torch import nn

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    LogScaler,
    SaliencyExplainer,
    SparseMaps,
    XrayCNNRegressor,
    source_attention,
)
from skcluster.explain import band_attention
from skcluster.explain.attribution import METHODS
from skcluster.explain.self_test import WeighingRegressor
from skcluster.explain.thin_convolution import ThinConvolution
from skcluster.networks import MassNetwork
from skcluster.regressors.output_curve import KNOTS
from skcluster.regressors.torch_session import torch_session

each_method = pytest.mark.parametrize("method", METHODS)
OF_MASKS = ("gradient", "smoothgrad", "deep_dream")


def explain(estimator, X, **params):
    params = {"n_samples": 4, "random_state": 0} | params
    return SaliencyExplainer(estimator, **params).explain(X)


@pytest.fixture(scope="module")
def planted():
    """Counts of 1 everywhere, and masks without symmetry."""
    rng = np.random.default_rng(0)
    agn = rng.random((1, 16, 16)) < 0.2
    return np.ones((1, 1, 16, 16), np.float32), {"agn": agn, "icm": ~agn}


@pytest.mark.parametrize("k", [0.1, 1, 10])
@each_method
def test_bands_with_planted_weights_are_told_apart(method, k, planted):
    counts, masks = planted
    maps = np.repeat(counts, 3, axis=1)
    weight = np.where(masks["agn"], k, 1.0) * np.array([1, 2, 5])[:, None, None]
    regressor = WeighingRegressor(0.01 * weight).fit(maps)
    saliency = explain(regressor, maps, method=method)
    assert_allclose(band_attention(saliency).share, [[1 / 8, 2 / 8, 5 / 8]], rtol=1e-3)
    found = source_attention(saliency, masks)
    assert_allclose(10**found.log_ratio.per_cluster, k, rtol=1e-3)


class Weighed(MassNetwork):
    """A network that ends in a sum of pixels, weighted by its only other parameter."""

    def __init__(self, weight):
        super().__init__(n_outputs=1)
        self.weight = nn.Parameter(torch.as_tensor(weight, dtype=torch.float32))

    @property
    def output_layer(self):
        return self


class ShiftedSum(Weighed):
    """Channels of a convolution that moves maps to the South West, then a weighted sum."""

    def __init__(self, weight):
        super().__init__(weight)
        self.convolution = nn.Conv2d(1, 12, 5, padding="same", bias=False)
        nn.init.zeros_(self.convolution.weight)
        with torch.no_grad():
            self.convolution.weight[:, 0, 3, 1] = torch.linspace(-1, 2, 12)
        self.pool = nn.AvgPool2d(1)

    def extract(self, maps):
        return self.pool(self.convolution(maps)).sum(1, keepdim=True)

    def estimate(self, moved):
        return torch.einsum("nbyx,byx->n", moved, self.weight)


class ConvolvingRegressor(WeighingRegressor):
    """A planted network behind a convolution that has a direction."""

    def _module(self):
        return ShiftedSum(self.weight)


@pytest.mark.parametrize("k", [0.1, 1, 10])
@pytest.mark.parametrize("method", OF_MASKS)
def test_planted_attention_comes_through_a_convolution(method, k, planted):
    counts, masks = planted
    # out[y, x] = in[y + 1, x - 1]: what the network weighs lies there in the map.
    seen = np.where(masks["agn"], k, 1.0)
    weight = np.zeros_like(seen)
    weight[:, :-1, 1:] = seen[:, 1:, :-1]
    regressor = ConvolvingRegressor(0.01 * weight).fit(counts)
    assert ThinConvolution.fits(regressor.net_.module_.convolution)
    saliency = explain(regressor, counts, method=method)
    inside = np.zeros((1, 16, 16), bool)
    inside[:, 1:, :-1] = True
    found = source_attention(saliency, {key: m & inside for key, m in masks.items()})
    assert_allclose(10**found.log_ratio.per_cluster, k, rtol=2e-3)
    if k == 10:
        turned = source_attention(np.rot90(saliency, 1, (2, 3)), masks)
        assert 10 ** turned.log_ratio.per_cluster[0] < 3


class WeighedJoint(Weighed):
    """A weighted sum of the map, times one and a half where the cube has a peak."""

    inputs = ("maps", "cubes")

    def extract(self, maps, cubes):
        return maps, cubes

    def estimate(self, maps, cubes):
        strength = 1 + 0.5 * (cubes.amax(dim=(1, 2, 3)) > 5)
        return torch.einsum("nbyx,byx->n", maps, self.weight) * strength


class WeighingJointRegressor(JointCNNRegressor):
    """A joint network of known weights, with cubes that it looks at."""

    def __init__(self, weight=None):
        super().__init__(device="cpu", n_threads=1)
        self.weight = weight

    def _module(self):
        return WeighedJoint(self.weight)


@pytest.mark.parametrize("k", [0.1, 1, 10])
@pytest.mark.parametrize("method", OF_MASKS)
def test_planted_attention_comes_out_of_a_joint_network(method, k, planted):
    counts, masks = planted
    cubes = np.full((2, 16, 16, 16), 16.0**-3, np.float32)
    cubes[0] = 0
    cubes[0, 3, 4, 5] = 1
    maps = np.tile(counts, (2, 1, 1, 1))
    maps[0, 0, 0, 0] = 2  # Maps of one value have no scale.
    sample = ClusterSample([0.1, 0.2], maps=maps, cubes=cubes)
    weight = 0.01 * np.where(masks["agn"], k, 1.0)
    regressor = WeighingJointRegressor(weight)
    regressor.max_epochs, regressor.validation_fraction = 1, None
    regressor.fit(sample, [14.0, 14.5])
    with torch.no_grad():
        for net in regressor.nets_:
            net.module_.weight.copy_(torch.as_tensor(weight, dtype=torch.float32))
    regressor.curve_[:] = KNOTS
    saliency = explain(regressor, sample, method=method)
    both = {key: np.repeat(mask, 2, axis=0) for key, mask in masks.items()}
    found = source_attention(saliency, both)
    assert_allclose(10**found.log_ratio.per_cluster, k, rtol=2e-3)
    if method == "gradient":
        assert_allclose(saliency[0], 1.5 * saliency[1], rtol=1e-5)


def test_integrated_gradients_of_equal_pixels_have_no_contrast(planted):
    counts, masks = planted
    regressor = WeighingRegressor(np.full((1, 16, 16), 0.01)).fit(counts)
    saliency = explain(regressor, counts, method="integrated_gradients")
    found = source_attention(saliency, masks)
    assert_allclose(10**found.log_ratio.per_cluster, 1, rtol=1e-4)


class Rows:
    """The largest number of maps that a network was given at a time."""

    def __init__(self):
        self.most = 0

    def __deepcopy__(self, memo):
        return self  # The explainer's copies of the network count here, too.

    def __call__(self, module, inputs, named_inputs):
        self.most = max(self.most, *map(len, [*inputs, *named_inputs.values()]), 0)


@each_method
def test_no_more_maps_than_a_batch_are_in_the_network_at_a_time(method):
    maps = np.random.default_rng(0).random((23, 1, 16, 16)).astype(np.float32)
    regressor = WeighingRegressor(np.ones((1, 16, 16))).fit(maps)
    rows = Rows()
    regressor.net_.module_.register_forward_pre_hook(rows, with_kwargs=True)
    explain(regressor, maps, method=method, n_samples=20, batch_size=5, n_threads=1)
    assert rows.most == 5


def test_explaining_takes_little_more_memory_than_its_result():
    rng = np.random.default_rng(0)
    counts = rng.poisson(0.02, (400, 1, 64, 64)).astype(np.float32)
    maps = LogScaler().fit_transform(counts)
    maps = SparseMaps.from_dense(maps)
    regressor = WeighingRegressor(np.ones((1, 64, 64))).fit(maps)
    explain(regressor, maps[:8])
    tracemalloc.start()
    saliency = explain(regressor, maps, n_threads=1)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    # A dense copy of the maps, as large as the result, would make two.
    assert peak < 1.5 * saliency.nbytes


@pytest.mark.skipif(not torch.cuda.is_available(), reason="There is no GPU here.")
@each_method
def test_a_gpu_tells_what_the_cpu_tells(method):
    maps = np.random.default_rng(0).random((14, 2, 16, 16)).astype(np.float32)
    network = XrayCNNRegressor(max_epochs=2, device="cpu", random_state=0)
    network.fit(maps, 14 + maps[:, 0, :8].mean(axis=(1, 2)))
    on_cpu, on_gpu = (
        explain(network, maps, method=method, signed=True, device=device)
        for device in ("cpu", "cuda")
    )
    assert_allclose(on_gpu, on_cpu, atol=1e-3 * np.abs(on_cpu).max())


def test_an_explainer_is_an_estimator_of_scikit_learn(planted):
    counts, _ = planted
    pipeline = make_pipeline(LogScaler(), WeighingRegressor(np.ones((1, 16, 16))))
    pipeline.fit(counts)
    explainer = SaliencyExplainer(FrozenEstimator(pipeline), signed=True)
    assert repr(explainer).startswith("SaliencyExplainer(estimator=FrozenEstimator(")
    assert "signed=True" in repr(explainer)
    copy = clone(explainer).set_params(signed=False)
    assert explainer.signed
    assert_array_equal(copy.explain(counts), np.abs(explainer.explain(counts)))


def test_sessions_leave_torch_as_it_was(planted):
    counts, _ = planted
    regressor = WeighingRegressor(np.ones((1, 16, 16))).fit(counts)
    with torch_session(0):
        before = torch.get_num_threads()
        explain(regressor, counts)
        assert torch.get_num_threads() == before
