"""Weights of clusters in a network: in its loss, its stopping, its offset and its prior."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, XrayCNNRegressor
from skcluster.posterior import mass_density
from skcluster.regressors.losses import LOG_VARIANCE_MIN
from skcluster.regressors.map_batches import MapBatches
from skcluster.regressors.output_curve import on_error_curve
from skcluster.regressors.torch_session import torch_session
from skcluster.regressors.validation_split import validation_split
from skcluster.regressors.weighted_batches import WeightedBatches
from skcluster.sample import SparseMaps

N = 60
RNG = np.random.default_rng(0)
MASS = RNG.uniform(13.5, 15.0, N)
MAPS = np.log10(1 + RNG.poisson(10 ** (MASS - 13.5)[:, None, None, None], (N, 1, 8, 8)))
WEIGHT = RNG.exponential(size=N)


def quick(**parameters):
    options = {"max_epochs": 3, "random_state": 0, "n_threads": 1, "device": "cpu"}
    return XrayCNNRegressor(**(options | parameters))


def nll(predicted, target):
    mean, log_variance = predicted[:, 0], predicted[:, 1].clamp(min=LOG_VARIANCE_MIN)
    return ((target - mean) ** 2 / log_variance.exp() + log_variance) / 2


EACH = {
    "mse": lambda predicted, target: (predicted - target) ** 2,
    "mae": lambda predicted, target: (predicted - target).abs(),
    "gaussian_nll": nll,
}


@pytest.mark.parametrize("loss", EACH)
def test_the_gradient_is_that_of_the_weighted_mean_of_losses(loss):
    weight = np.where(np.arange(23) == 5, 0.0, WEIGHT[:23])
    batches = MapBatches(SparseMaps.from_dense(MAPS[:23]), MASS[:23] - 14)
    weighted = WeightedBatches(batches, weight).__getitems__(range(23))
    with torch_session(0):
        net = quick(loss=loss, max_epochs=1).fit(MAPS, MASS, WEIGHT).net_
    net.part_size = 10
    network = net.module_.eval()
    inputs, target = batches.__getitems__(range(23))
    share = torch.tensor(weight / weight.sum(), dtype=torch.float32)
    expected = torch.sum(share * EACH[loss](network(**inputs), target))
    gradient = torch.autograd.grad(expected, list(network.parameters()))
    network.zero_grad()
    found = net.train_step_single(weighted)["loss"]
    assert_allclose(found, expected.detach(), rtol=1e-5)
    for ours, theirs in zip(network.parameters(), gradient, strict=True):
        assert_allclose(ours.grad, theirs, rtol=1e-3, atol=1e-6)


@pytest.mark.parametrize("as_sample", [True, False])
def test_weight_zero_is_absence_to_the_last_bit(as_sample):
    weight = np.where(np.arange(N) % 3 == 0, 0.0, WEIGHT)
    kept = weight > 0
    X = MAPS
    if as_sample:
        place = RNG.uniform(0, 352, (N, 3))
        X = ClusterSample(0.1 + 0.001 * np.arange(N), position=place, maps=MAPS)
    with_zeros = quick().fit(X, MASS, weight)
    without = quick().fit(X[kept], MASS[kept], weight[kept])
    assert_array_equal(with_zeros.predict(X), without.predict(X))
    assert_array_equal(with_zeros.mass_density_, without.mass_density_)
    assert with_zeros.training_ranges_ == without.training_ranges_
    assert with_zeros.held_out_moments_ == without.held_out_moments_


def test_equal_weights_are_none():
    expected = quick().fit(MAPS, MASS).predict(MAPS)
    assert_allclose(quick().fit(MAPS, MASS, 7.0).predict(MAPS), expected, atol=1e-4)
    assert_allclose(
        quick().fit(MAPS, MASS, np.full(N, 1e-9)).predict(MAPS), expected, atol=1e-4
    )


def test_stopping_offset_errors_and_prior_are_weighted():
    model = quick(validation_fraction=0.3).fit(MAPS, MASS, WEIGHT)
    seed = np.random.RandomState(0).randint(2**31 - 1, size=1)[0]
    train, held_out = validation_split(N, 0.3, seed=int(seed))
    residual = model.predict(MAPS) - MASS
    assert_allclose(np.average(residual[train], weights=WEIGHT[train]), 0, atol=1e-9)
    assert_allclose(model.held_out_residual_, residual[held_out], atol=1e-9)
    w = WEIGHT[held_out]
    square = np.average(residual[held_out] ** 2, weights=w)
    assert_allclose(model.residual_std_, np.sqrt(square))
    moments = model.held_out_moments_["without_draws"]
    assert_allclose(moments["n"], w.sum() ** 2 / np.sum(w**2))
    assert_allclose(moments["residual"], 1.0)
    assert_array_equal(model.mass_density_, mass_density(MASS, WEIGHT))
    # The loss that decides when to stop, of the weights that were restored.
    target = (MASS - model.target_mean_) / model.target_scale_
    output = model._outputs(model.net_, model._read(MAPS))[:, 0, 0]
    scaled = (output - target)[held_out]
    best = min(row["valid_loss"] for row in model.history_)
    assert_allclose(np.average(scaled**2, weights=w), best, rtol=1e-4)


def test_a_checkpoint_is_that_of_its_weights(tmp_path):
    options = {"checkpoint_dir": tmp_path}
    for weight in (None, WEIGHT, WEIGHT[::-1]):
        again = [quick(**options).fit(MAPS, MASS, weight).predict(MAPS) for _ in "ab"]
        assert_array_equal(*again)
    assert len(list(tmp_path.iterdir())) == 3


def test_what_is_no_weight_is_refused():
    with pytest.raises(ValueError, match=r"XrayCNNRegressor has the shape \(59,\)"):
        quick().fit(MAPS, MASS, WEIGHT[1:])
    of_one = np.zeros(N)
    of_one[3] = 1.0
    with pytest.raises(ValueError, match=r"The only mass is .* nothing to learn"):
        quick().fit(MAPS, MASS, of_one)


def test_what_errors_lack_is_zero_on_the_weighted_mean():
    model = quick(loss="gaussian_nll", validation_fraction=0.3).fit(MAPS, MASS, WEIGHT)
    seed = np.random.RandomState(0).randint(2**31 - 1, size=1)[0]
    train, _ = validation_split(N, 0.3, seed=int(seed))
    output = model._outputs(model.net_, model._read(MAPS))[train, 0, 0]
    missing = on_error_curve(output, model.error_curve_[0])
    assert np.ptp(missing) > 1e-3
    assert_allclose(np.average(missing, weights=WEIGHT[train]), 0, atol=1e-9)
