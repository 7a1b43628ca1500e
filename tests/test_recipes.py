"""Recipes: one_cycle is what torch does step by step, and survives all that ho2023 does."""

import pickle

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from skorch.callbacks import Callback
from torch.optim.lr_scheduler import OneCycleLR

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.networks import Ho2023Network, MassNetwork
from skcluster.regressors.mass_net import build_net
from skcluster.regressors.optimizers import Adam
from skcluster.regressors.output_curve import KNOTS

SEED = int(np.random.RandomState(0).randint(2**31 - 1))
"""Seed of the only member of a regressor with random_state=0."""


class Linear(MassNetwork):
    """A network without hidden layers."""

    def __init__(self, *, map_shape, dropout, n_outputs):
        super().__init__(n_outputs)
        self.dropout = torch.nn.Dropout(dropout)
        self.last = torch.nn.Linear(int(np.prod(map_shape)), n_outputs)

    @property
    def output_layer(self):
        return self.last

    def extract(self, maps):
        return maps.flatten(1)

    def estimate(self, pixels):
        return self.last(self.dropout(pixels)).squeeze(-1)


class Weights(Callback):
    """Keeps the weights after each step, and those that the network holds after epochs."""

    starts, steps, epochs = [], [], []

    def on_batch_begin(self, net, training=False, **kwargs):
        if training:
            Weights.starts.append(weights(net.module_))

    def on_batch_end(self, net, training=False, **kwargs):
        if training:
            Weights.steps.append(weights(net.module_))

    def on_epoch_end(self, net, **kwargs):
        Weights.epochs.append(weights(net.module_))


@pytest.fixture(autouse=True)
def _forget(monkeypatch):
    for name in ("starts", "steps", "epochs"):
        monkeypatch.setattr(Weights, name, [])


@pytest.fixture(scope="module")
def data(poisson_maps):
    maps, log_mass = poisson_maps(60, 2, 8)
    return maps.astype(np.float32), log_mass


def quick(**changes):
    settings = {"recipe": "one_cycle", "max_epochs": 3, "patience": None}
    settings |= {"random_state": 0, "device": "cpu", "n_threads": 1, "lr": 1e-2}
    return XrayCNNRegressor(**(settings | changes))


def weights(module):
    return {name: each.clone() for name, each in module.state_dict().items()}


def by_hand(maps, log_mass, *, loss, epochs, first, batch_size, lr, decay):
    """The recipe, written out with torch's own parts."""
    maps = torch.tensor((maps - maps.mean()) / maps.std())
    target = torch.tensor((log_mass - log_mass.mean()) / log_mass.std()).float()
    torch.manual_seed(SEED)
    network = Ho2023Network(maps.shape[1:], n_outputs=2 if loss == "nll" else 1)
    generator = torch.Generator().manual_seed(SEED)
    rows = torch.utils.data.DataLoader(
        range(len(maps)), batch_size, shuffle=True, generator=generator
    )
    optimizer = torch.optim.AdamW(network.parameters(), lr, weight_decay=decay)
    schedule = OneCycleLR(optimizer, lr, total_steps=epochs * len(rows))
    steps, norms = [], []
    for epoch in range(epochs):
        for some in rows:
            predicted = network(maps[some])
            mean = predicted[:, 0] if loss == "nll" else predicted
            value = torch.nn.functional.mse_loss(mean, target[some])
            if loss == "nll" and epoch >= first:
                variance = predicted[:, 1].exp()
                value = torch.nn.functional.gaussian_nll_loss(
                    mean, target[some], variance
                )
            optimizer.zero_grad()
            value.backward()
            norm = torch.nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            norms.append(float(norm))
            optimizer.step()
            schedule.step()
            steps.append(weights(network))
    return steps, norms


def averaged(steps, decay=0.99):
    share = decay ** np.arange(len(steps))[::-1]
    share /= share.sum()
    return {
        name: sum(float(s) * step[name] for s, step in zip(share, steps, strict=True))
        for name in steps[0]
    }


def assert_same_weights(found, expected, rtol=1e-4, atol=1e-6):
    for name, weight in expected.items():
        assert_allclose(found[name].numpy(), weight.numpy(), rtol, atol, err_msg=name)


@pytest.mark.parametrize(
    ("loss", "batch_size"), [("mse", 20), ("nll", 20), ("nll", 60)]
)
def test_one_cycle_is_adamw_schedule_cut_and_average_of_torch(data, loss, batch_size):
    """A batch of 60 goes through the network in parts of 25; the cut comes after all."""
    settings = {"lr": 1e-2, "batch_size": batch_size}
    steps, norms = by_hand(*data, loss=loss, epochs=10, first=2, decay=0.1, **settings)
    assert max(norms) > 1.1
    regressor = quick(
        loss={"mse": "mse", "nll": "gaussian_nll"}[loss],
        weight_decay=0.1,
        max_epochs=10,
        validation_fraction=None,
        callbacks=[Weights()],
        **settings,
    ).fit(*data)
    # A step is up to 0.01, and rounding in other places has made 0.00003 of it in the end.
    for found, expected in zip(Weights.steps, steps, strict=True):
        assert_same_weights(found, expected, rtol=0, atol=1e-4)
    found = weights(regressor.net_.module_)
    assert_same_weights(found, averaged(steps), rtol=0, atol=1e-4)


def test_the_paper_s_recipe_is_the_default_and_has_none_of_this(data):
    net = XrayCNNRegressor(max_epochs=1, device="cpu").fit(*data).net_
    assert type(net.optimizer_) is Adam
    names = {name for name, _ in net.callbacks_}
    ours = {"averaged_weights", "one_cycle", "gradient_norm", "squared_error_first"}
    assert not ours & names
    assert {group["lr"] for group in net.optimizer_.param_groups} == {1e-3}


def test_each_epoch_ends_with_the_average_and_the_next_goes_on_from_the_last_step(data):
    quick(callbacks=[Weights()], batch_size=20).fit(*data)
    per_epoch = len(Weights.steps) // 3
    for epoch, found in enumerate(Weights.epochs):
        expected = averaged(Weights.steps[: (epoch + 1) * per_epoch])
        assert_same_weights(found, expected)
    for before, start in zip(Weights.steps, Weights.starts[1:], strict=False):
        assert_same_weights(start, before, rtol=0, atol=0)


def test_early_stopping_restores_the_best_average(data):
    regressor = quick(max_epochs=40, patience=2, lr=0.05, callbacks=[Weights()])
    regressor.fit(*data)
    losses = [row["valid_loss"] for row in regressor.history_]
    assert len(losses) < 40
    found = regressor.net_.module_.state_dict()
    for name, weight in Weights.epochs[int(np.argmin(losses))].items():
        assert torch.equal(found[name], weight), name


def test_the_loss_of_held_out_clusters_is_the_likelihood_from_the_first_epoch(data):
    """Otherwise epochs of early stopping could not be compared."""
    regressor = quick(loss="gaussian_nll", max_epochs=7, callbacks=[Weights()])
    regressor.fit(*data)
    losses = [row["valid_loss"] for row in regressor.history_]
    network = regressor.net_.module_
    rows = regressor.net_.train_split.keywords["valid_ds"]
    inputs, target = rows.__getitems__(range(len(rows)))
    for held, loss in zip(Weights.epochs, losses, strict=True):
        network.load_state_dict(held)
        mean, log_variance = network(**inputs).detach().unbind(1)
        expected = torch.nn.functional.gaussian_nll_loss(
            mean, target, log_variance.exp()
        )
        assert_allclose(loss, expected, rtol=1e-4)


def test_a_rate_that_is_far_too_high_is_an_error(data):
    with pytest.raises(ValueError, match=r"Training failed in epoch 1: .*smaller"):
        quick(lr=1e30).fit(*data)


def test_an_unknown_recipe_is_an_error(data):
    with pytest.raises(ValueError, match=r"recipe must be one of \['ho2023', 'one_c"):
        quick(recipe="sgd").fit(*data)


def test_what_is_recommended_shows_in_the_parameters_and_can_be_changed(data):
    regressor = XrayCNNRegressor.recommended(max_epochs=2, random_state=0)
    found = regressor.get_params()
    expected = XrayCNNRegressor(
        architecture="skcluster",
        recipe="one_cycle",
        loss="gaussian_nll",
        lr=2e-3,
        weight_decay=1e-2,
        dropout=0.1,
        max_epochs=2,
        patience=None,
        augment=True,
        random_state=0,
    )
    assert found == expected.get_params()
    assert_array_equal(
        regressor.fit(*data).predict(data[0]), expected.fit(*data).predict(data[0])
    )
    with pytest.raises(TypeError, match="epochs"):
        XrayCNNRegressor.recommended(epochs=2)


def views(maps):
    """All rotations and flips, made by NumPy."""
    flips = [maps, maps[..., ::-1]]
    return [np.rot90(each, k, (2, 3)) for each in flips for k in range(4)]


@pytest.fixture(scope="module", params=["mse", "gaussian_nll"])
def symmetric(request, data):
    settings = {"augment": True, "dropout": 0.2, "loss": request.param}
    regressor = quick(**settings).fit(*data)
    regressor.curve_[:] = KNOTS  # The mean over views is taken before the curve.
    return regressor


class TestSymmetry:
    def test_all_views_of_a_cluster_have_one_mass_and_one_error(self, data, symmetric):
        mass, std = symmetric.predict(data[0], return_std=True)
        assert mass.std() > 0.01
        for view in views(data[0]):
            found = symmetric.predict(view, return_std=True)
            assert_allclose(found, (mass, std), rtol=1e-5)

    def test_the_mass_is_the_mean_over_the_views(self, data, symmetric):
        expected = symmetric.predict(data[0])
        symmetric.net_.symmetric = False
        single = [symmetric.predict(view) for view in views(data[0])]
        symmetric.net_.symmetric = True
        assert np.std(single, axis=0).max() > 1e-3
        assert_allclose(np.mean(single, axis=0), expected, rtol=1e-6)

    def test_draws_of_dropout_have_one_mass_for_all_views(self, data, symmetric):
        symmetric.set_params(n_dropout_draws=4)
        mass, _ = symmetric._components(data[0])
        turned, _ = symmetric._components(views(data[0])[5])
        symmetric.set_params(n_dropout_draws=0)
        assert mass.std(axis=1).min() > 1e-4
        assert_allclose(turned, mass, rtol=1e-5)

    def test_the_offset_is_that_of_the_prediction(self, data):
        regressor = quick(augment=True, validation_fraction=None).fit(*data)
        assert_allclose((regressor.predict(data[0]) - data[1]).mean(), 0, atol=1e-6)

    def test_pickles_and_model_files_predict_the_same(self, data, symmetric, tmp_path):
        expected = symmetric.predict(data[0], return_std=True)
        copy = pickle.loads(pickle.dumps(symmetric))
        assert_array_equal(copy.predict(data[0], return_std=True), expected)
        save_model(symmetric, tmp_path / "model.skops")
        loaded = load_model(tmp_path / "model.skops")
        assert_array_equal(loaded.predict(data[0], return_std=True), expected)

    def test_neighbors_in_the_sample_change_nothing(self, data, symmetric):
        expected = symmetric.predict(data[0])
        assert_array_equal(symmetric.predict(data[0][7:10]), expected[7:10])

    @pytest.mark.parametrize(
        "method", ["gradient", "smoothgrad", "integrated_gradients", "deep_dream"]
    )
    def test_the_saliency_of_a_linear_network_is_its_weights_mean(self, data, method):
        """The mean of the weights over the views is the slope of the predicted mass."""
        regressor = quick(architecture=Linear, augment=True).fit(*data)
        regressor.curve_[:] = 1.3 * KNOTS - 0.1
        explainer = SaliencyExplainer(
            regressor, method=method, signed=True, n_samples=3, random_state=0
        )
        saliency = explainer.explain(data[0][:2])
        weight = regressor.net_.module_.last.weight.detach().numpy()
        weight = np.mean(views(weight.reshape(1, 2, 8, 8)), axis=0)[0]
        slope = weight * regressor.target_scale_ / regressor.pixel_scale_
        slope = 1.3 * slope
        size = np.abs(slope).mean()
        expected = {
            "gradient": slope,
            "smoothgrad": slope,
            "integrated_gradients": slope * data[0][:2],
            "deep_dream": 2 * 0.01 * slope / size * regressor.pixel_scale_,
        }[method]
        expected = np.broadcast_to(expected, saliency.shape)
        assert_allclose(saliency, expected, rtol=2e-4, atol=1e-6 * size)

    def test_integrated_gradients_add_up_to_the_change_of_the_mass(
        self, data, symmetric
    ):
        maps = data[0][:3]
        explainer = SaliencyExplainer(
            symmetric, method="integrated_gradients", signed=True, n_samples=32
        )
        found = explainer.explain(maps).sum(axis=(1, 2, 3))
        with pytest.warns(UserWarning, match="map_sum 0"):
            change = symmetric.predict(maps) - symmetric.predict(0 * maps)
        assert_allclose(found, change, rtol=0.02, atol=1e-3)

    def test_saliency_turns_with_the_map(self, data, symmetric):
        explainer = SaliencyExplainer(symmetric)
        expected = views(explainer.explain(data[0][:3]))
        for view, saliency in zip(views(data[0][:3]), expected, strict=True):
            found = explainer.explain(view)
            # Rounding decides which of equal pixels under a pooling window gets it.
            assert np.mean(np.isclose(found, saliency, rtol=1e-3, atol=1e-6)) > 0.98

    def test_maps_and_cubes_turn_together(self):
        rng = np.random.default_rng(0)
        maps, cubes = rng.random((12, 1, 16, 16)), rng.random((12, 16, 16, 16))
        log_mass, redshift = rng.uniform(13.5, 15, 12), np.full(12, 0.1)
        sample = ClusterSample(redshift, maps=maps, cubes=cubes.astype(np.float32))
        settings = {"max_epochs": 1, "random_state": 0, "device": "cpu"}
        joint = JointCNNRegressor(recipe="one_cycle", augment=True, **settings)
        joint.fit(sample, log_mass)
        expected = joint.predict(sample)

        maps, cubes = np.rot90(maps, 1, (2, 3)), np.rot90(cubes, 1, (1, 2))
        alone = ClusterSample(redshift, maps=maps, cubes=sample.cubes)
        both = ClusterSample(redshift, maps=maps, cubes=cubes.astype(np.float32))
        assert_allclose(joint.predict(both), expected, rtol=1e-6)
        assert np.abs(joint.predict(alone) - expected).max() > 1e-4

    def test_networks_without_sky_and_fits_without_turns_predict_one_view(self, data):
        assert not quick(augment=False).fit(*data).net_.symmetric

        class OfPhotons(Linear):
            inputs = ("photons",)

        network = OfPhotons(map_shape=(1, 2, 2), dropout=0.0, n_outputs=1)
        options = {"loss": "mse", "lr": 1e-3, "weight_decay": 0.0, "batch_size": 5}
        options |= {"part_size": 5, "device": "cpu", "seed": 0, "augment": True}
        assert not build_net(network, recipe="one_cycle", **options).symmetric
