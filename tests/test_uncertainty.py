"""Errors of network masses: predicted variances, dropout kept on, ensembles."""

import copy
import pickle
from itertools import pairwise

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.interpolate import CubicSpline

from skcluster import JointCNNRegressor, SaliencyExplainer, XrayCNNRegressor
from skcluster.networks import Ho2023JointNetwork, Ho2023Network, MassNetwork
from skcluster.posterior import mass_density, reweight_prior
from skcluster.regressors import mass_net, neural
from skcluster.regressors.held_out_errors import error_moments, variance_scale
from skcluster.regressors.losses import GaussianNLL
from skcluster.regressors.mass_net import dropout_kept_on
from skcluster.regressors.output_curve import KNOTS

LN_10 = np.log(10)


def counts_and_masses(n=400, seed=0, low=13.5, high=15.0):
    """Maps whose total tells the mass, with less noise for large clusters."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(low, high, n)
    mean = 10 ** (log_mass - 13.5) / 8
    maps = rng.poisson(mean[:, None, None, None], (n, 1, 8, 8))
    return np.log10(maps + 1.0).astype(np.float32), log_mass


def network(**parameters):
    parameters = {
        "max_epochs": 40,
        "patience": None,
        "device": "cpu",
        "n_threads": 1,
        "random_state": 0,
        **parameters,
    }
    return XrayCNNRegressor(**parameters)


class Small(MassNetwork):
    """Few weights, so that many clusters are trained on in seconds."""

    def __init__(self, *, map_shape, dropout, n_outputs):
        super().__init__(n_outputs)
        self.hidden = torch.nn.Linear(int(np.prod(map_shape)), 32)
        self.dropout = torch.nn.Dropout(dropout)
        self.output = torch.nn.Linear(32, n_outputs)

    @property
    def output_layer(self):
        return self.output

    def extract(self, maps):
        return self.hidden(maps.flatten(1)).relu()

    def estimate(self, features):
        return self.output(self.dropout(features)).squeeze(-1)


def small_network(**parameters):
    return network(
        **{"architecture": Small, "batch_size": 100, "lr": 3e-3, **parameters}
    )


@pytest.fixture
def in_large_parts(monkeypatch):
    """Many clusters at a time, which is faster where networks are as small as `Small`."""
    monkeypatch.setattr(mass_net, "CLUSTERS_PER_PART", 100)
    for module in (mass_net, neural):
        monkeypatch.setattr(module, "PREDICTED_AT_ONCE", 400)


@pytest.fixture(scope="module")
def trained():
    maps, log_mass = counts_and_masses()
    parameters = {"loss": "gaussian_nll", "dropout": 0.1, "n_members": 2}
    parameters |= {"max_epochs": 10}
    return network(**parameters).fit(maps, log_mass)


class TestLoss:
    def test_it_is_minus_the_gaussians_log_density_less_a_constant(self):
        rng = np.random.default_rng(0)
        mean, s, y = rng.normal(size=(3, 50))
        loss = GaussianNLL()(torch.tensor(np.c_[mean, s]), torch.tensor(y))
        density = stats.norm.logpdf(y, mean, np.exp(s / 2))
        assert_allclose(float(loss), -density.mean() - np.log(2 * np.pi) / 2)

    def test_its_minimum_is_at_mean_and_variance_of_the_targets(self):
        y = torch.tensor([0.0, 1.0, 5.0])
        best = torch.tensor([y.mean(), y.var(correction=0).log()], requires_grad=True)
        GaussianNLL()(best.expand(3, 2), y).backward()
        assert_allclose(best.grad, 0, atol=1e-6)

    def test_a_network_of_one_output_is_refused(self):
        maps, log_mass = counts_and_masses(20)
        regressor = network(loss="gaussian_nll", max_epochs=1)
        regressor._module = lambda: Ho2023Network((1, 8, 8))
        with pytest.raises(ValueError, match=r"shape \(\d+,\) for targets"):
            regressor.fit(maps, log_mass)


class TestPredictedVariance:
    def test_it_is_learned_where_masses_scatter_more(self, in_large_parts):
        """At equal maps masses scatter by 0.05 dex, or by 0.3 where they are bright."""
        rng = np.random.default_rng(1)
        bright = rng.random(600) < 0.5
        maps = np.where(bright, 1.0, 0.2)[:, None, None, None] * np.ones((1, 8, 8))
        maps += rng.normal(0, 0.01, maps.shape)
        log_mass = 14.2 + rng.normal(0, np.where(bright, 0.3, 0.05))
        model = small_network(loss="gaussian_nll", weight_decay=0.0, max_epochs=60)
        _, std = model.fit(maps, log_mass).predict(maps, return_std=True)
        assert_allclose(np.median(std[bright]), 0.3, rtol=0.25)
        assert_allclose(np.median(std[~bright]), 0.05, rtol=0.25)

    def test_no_cluster_need_be_held_out(self):
        maps, log_mass = counts_and_masses(40)
        model = network(loss="gaussian_nll", validation_fraction=None, max_epochs=2)
        _, std = model.fit(maps, log_mass).predict(maps, return_std=True)
        assert (std > 0).all()

    def test_without_it_or_held_out_clusters_there_is_no_error(self):
        maps, log_mass = counts_and_masses(40)
        model = network(validation_fraction=None, max_epochs=2).fit(maps, log_mass)
        with pytest.raises(ValueError, match=r"held out .* or loss='gaussian_nll'"):
            model.predict(maps, return_std=True)
        assert model.predict(maps).shape == (40,)

    def test_the_prediction_is_the_mean_and_the_total_variance_of_components(
        self, trained
    ):
        maps, _ = counts_and_masses(30, seed=9)
        trained = copy.deepcopy(trained).set_params(n_dropout_draws=5)
        log_mass, std = trained.predict(maps, return_std=True)
        mean, each_std = trained._components(maps)
        assert mean.shape == (30, 2 * 5)
        assert_allclose(log_mass, mean.mean(axis=1))
        assert_allclose(std**2, mean.var(axis=1) + (each_std**2).mean(axis=1))
        assert_array_equal(trained.predict(maps), log_mass)

    def test_components_are_the_networks_outputs_in_dex(self, trained):
        maps, _ = counts_and_masses(16, seed=9)
        mean, std = trained._components(maps)
        standard = (maps - trained.pixel_mean_) / trained.pixel_scale_
        scale = variance_scale(trained.held_out_moments_["without_draws"], 2, 1)
        in_dex = []
        for k, net in enumerate(trained.nets_):
            with torch.no_grad():
                output = net.module_.eval()(torch.tensor(standard)).numpy()
            bent = CubicSpline(KNOTS, trained.curve_[k, 0], bc_type="natural")
            inner = np.clip(output[:, 0], KNOTS[0], KNOTS[-1])
            bent = bent(inner) + (output[:, 0] - inner) * bent(inner, 1)
            in_dex.append(bent * trained.target_scale_ + trained.target_mean_)
            lacks = CubicSpline(KNOTS, trained.error_curve_[k], bc_type="natural")
            log_variance = output[:, 1] + lacks(inner)
            expected = np.exp(log_variance / 2) * trained.target_scale_
            assert_allclose(std[:, k], np.sqrt(scale) * expected, rtol=1e-4)
        in_dex = np.stack(in_dex, axis=1)
        center = in_dex.mean(axis=1, keepdims=True)
        assert_allclose(mean, center + np.sqrt(scale) * (in_dex - center), atol=1e-5)


class TestDropout:
    def test_draws_spread_and_the_seed_fixes_them(self, trained):
        maps, _ = counts_and_masses(30, seed=9)
        trained = copy.deepcopy(trained).set_params(n_dropout_draws=8)
        mean, _ = trained._components(maps)
        assert (mean[:, :8].std(axis=1) > 1e-4).all()
        assert_array_equal(trained._components(maps)[0], mean)
        assert_array_equal(
            pickle.loads(pickle.dumps(trained))._components(maps)[0], mean
        )

    def test_a_cluster_does_not_depend_on_its_neighbors(self, trained):
        maps, _ = counts_and_masses(30, seed=9)
        trained = copy.deepcopy(trained).set_params(n_dropout_draws=3)
        rows = np.random.default_rng(0).permutation(30)[:7]
        assert_array_equal(
            trained._components(maps[rows])[0], trained._components(maps)[0][rows]
        )

    def test_a_draw_is_torchs_own_dropout_with_that_mask(self):
        torch.manual_seed(0)
        module = Ho2023Network((1, 8, 8), dropout=0.5).eval()
        maps = torch.rand(4, 1, 8, 8)
        with torch.no_grad(), dropout_kept_on(module, 3):
            drawn = module(maps)
        generator = torch.Generator().manual_seed(3)
        with torch.no_grad():
            x = module.extract(maps)
            for dense, relu, dropout in zip(*[iter(module.head)] * 3, strict=True):
                kept = torch.rand(dense.out_features, generator=generator) >= dropout.p
                x = relu(dense(x)) * kept / 0.5
            expected = module.output(x).squeeze(-1)
        assert_allclose(drawn, expected, rtol=1e-5)

    def test_half_of_the_features_fall_and_the_mean_stays(self):
        layer = torch.nn.Dropout(0.25).eval()
        kept = []
        for seed in range(300):
            with dropout_kept_on(layer, seed):
                kept.append(layer(torch.ones(2, 10)))
        kept = torch.stack(kept)
        assert set(kept.unique().tolist()) == {0.0, float(torch.tensor(1 / 0.75))}
        assert_allclose(kept.mean(), 1, atol=0.03)
        assert_array_equal(kept[:, 0], kept[:, 1])
        assert_array_equal(layer(torch.ones(2, 10)), 1)

    def test_the_callers_stream_of_numbers_is_left_alone(self, trained):
        maps, _ = counts_and_masses(5)
        torch.manual_seed(1)
        expected = torch.rand(1)
        torch.manual_seed(1)
        copy.deepcopy(trained).set_params(n_dropout_draws=2).predict(maps)
        assert_array_equal(torch.rand(1), expected)

    def test_draws_without_dropout_are_refused(self):
        maps, log_mass = counts_and_masses(20)
        with pytest.raises(ValueError, match="n_dropout_draws=5 needs dropout > 0"):
            network(n_dropout_draws=5).fit(maps, log_mass)
        with pytest.raises(ValueError, match="must be an int from 0 to 10000, got -1"):
            network(n_dropout_draws=-1).fit(maps, log_mass)


class TestCurve:
    @pytest.mark.parametrize("n_dropout_draws", [0, 20])
    def test_no_member_is_off_on_the_mean_of_its_training_clusters(
        self, n_dropout_draws
    ):
        maps, log_mass = counts_and_masses(60)
        model = network(
            max_epochs=4, dropout=0.2, n_members=2, validation_fraction=None
        ).fit(maps, log_mass)
        assert (np.abs(np.mean(model.curve_ - KNOTS, axis=-1)) > 1e-3).all()
        model.set_params(n_dropout_draws=n_dropout_draws)
        mean, _ = model._means_and_variances(maps)
        for member in np.split(mean, 2, axis=1):
            assert_allclose(member.mean(), log_mass.mean(), atol=1e-6)

    @pytest.mark.parametrize("loss", ["mse", "gaussian_nll"])
    def test_no_member_has_a_slope_on_its_training_clusters(self, loss):
        """Stopped early, the output has one, and the same one for new clusters."""
        maps, log_mass = counts_and_masses(300)
        new, new_mass = counts_and_masses(500, seed=9)
        model = network(
            max_epochs=6, dropout=0.2, n_members=2, loss=loss, validation_fraction=None
        ).fit(maps, log_mass)
        slopes = np.polyfit(KNOTS, model.curve_[:, 0].T, 1)[0]
        assert (np.abs(slopes - 1) > 0.05).all()
        for n_draws in (0, 20):
            model.set_params(n_dropout_draws=n_draws)
            for X, y, allowed in ((maps, log_mass, 0.01), (new, new_mass, 0.06)):
                mean, _ = model._means_and_variances(X)
                for member in np.split(mean, 2, axis=1):
                    slope = stats.linregress(member.mean(axis=1), y).slope
                    assert abs(slope - 1) < allowed

    def test_clusters_that_were_held_out_have_no_say(self):
        maps, log_mass = counts_and_masses(60)
        model = network(max_epochs=4).fit(maps, log_mass)
        residual = model.predict(maps) - log_mass
        held_out = [np.argmin(np.abs(residual - r)) for r in model.held_out_residual_]
        assert_array_equal(residual[held_out], model.held_out_residual_)
        assert_allclose(np.delete(residual, held_out).mean(), 0, atol=1e-6)
        assert np.abs(residual[held_out].mean()) > 1e-3


def drawn_components(rng, n, n_members, n_draws):
    """Errors that components share, and errors of members and of draws of their own."""
    shared = rng.normal(0, 0.2, (1, n, 1))
    member = rng.normal(0, 0.15, (n_members, n, 1))
    return shared + member + rng.normal(0, 0.1, (n_members, n, n_draws))


class TestScaleOfErrors:
    """Networks count dropout and members twice; held-out clusters tell by how much."""

    @pytest.mark.parametrize(("n_members", "n_draws"), [(1, 1), (3, 1), (1, 4), (3, 4)])
    def test_the_scale_is_that_of_simulated_components(self, n_members, n_draws):
        """Learned with 20 draws, it holds for any number of them."""
        n = 200_000
        rng = np.random.default_rng(n_members)
        learned_with = 1 if n_draws == 1 else 20
        mean = drawn_components(rng, n, n_members, learned_with)
        is_own = np.ones((n_members, n), bool)
        moments = error_moments(mean, np.full_like(mean, 0.3**2), np.zeros(n), is_own)
        scale = variance_scale(moments, n_members, n_draws)
        mean = drawn_components(rng, n, n_members, n_draws)
        predicted = 0.3**2 + mean.var(axis=(0, 2)).mean()
        assert_allclose(scale * predicted, np.mean(mean.mean((0, 2)) ** 2), rtol=0.01)

    def test_few_held_out_clusters_change_errors_little(self):
        moments = {"n": 3, "residual": 4.0, "draws": 0.0, "members": 0.0}
        assert 1 < variance_scale(moments, 1, 1) < 2
        assert_allclose(variance_scale({**moments, "n": 10**6}, 1, 1), 4, rtol=1e-4)

    @pytest.mark.parametrize(
        ("loss", "n_members"), [("mse", 2), ("gaussian_nll", 1), ("gaussian_nll", 2)]
    )
    def test_predicted_errors_are_those_of_new_clusters(
        self, loss, n_members, in_large_parts
    ):
        """The map tells a number, around which masses scatter by 0.2 dex."""
        rng = np.random.default_rng(8)
        seen = rng.uniform(0, 1, 8000)
        log_mass = 13.7 + seen + rng.normal(0, 0.2, 8000)
        maps = seen[:, None, None, None] + rng.normal(0, 0.02, (8000, 1, 4, 4))
        model = small_network(
            loss=loss,
            n_members=n_members,
            dropout=0.2,
            max_epochs=15,
            validation_fraction=0.5,
        ).fit(maps[:4000], log_mass[:4000])
        for n_dropout_draws in (0, 20):
            model.set_params(n_dropout_draws=n_dropout_draws)
            predicted, std = model.predict(maps[4000:], return_std=True)
            residual = predicted - log_mass[4000:]
            error = np.sqrt(np.mean(residual**2))
            assert_allclose(error, 0.2, rtol=0.05)
            assert_allclose(np.sqrt(np.mean(std**2)), error, rtol=0.05)
            assert_allclose(np.mean((residual / std) ** 2), 1, atol=0.1)

    def test_weights_are_numbers_of_clusters(self):
        rng = np.random.default_rng(0)
        mean, variance = rng.normal(size=(3, 6, 4)), rng.uniform(1, 2, (3, 6, 4))
        y, is_own = rng.normal(size=6), rng.random((3, 6)) < 0.6
        counts = np.arange(6) + 1
        weight = np.broadcast_to(counts.astype(float), (3, 6))
        found = error_moments(mean, variance, y, is_own, weight)
        each = np.repeat(np.arange(6), counts)
        expected = error_moments(
            mean[:, each], variance[:, each], y[each], is_own[:, each]
        )
        for name in ("residual", "draws", "members"):
            assert_allclose(found[name], expected[name], rtol=1e-12)

    def test_a_few_draws_do_not_count_as_members(self):
        """The variance of 2 members is 0.15^2 (1 - 1/2), whatever their draws are."""
        rng, n = np.random.default_rng(0), 200_000
        mean = rng.normal(0, 0.15, (2, n, 1)) + rng.normal(0, 0.1, (2, n, 2))
        one = np.ones_like(mean)
        moments = error_moments(mean, one, np.zeros(n), np.ones((2, n), bool))
        assert_allclose(moments["members"], 0.15**2 / 2, rtol=0.01)


class OneError(Small):
    """It predicts the same error for all clusters."""

    def estimate(self, features):
        output = super().estimate(features)
        return torch.stack([output[:, 0], self.output.bias[1].expand(len(output))], -1)


class TestErrorCurve:
    def test_errors_are_right_at_each_mass_where_the_network_does_not_learn_that(
        self, in_large_parts
    ):
        """Masses scatter by 0.1 dex at the lower end and by 0.25 dex at the upper one."""
        rng = np.random.default_rng(5)
        seen = rng.uniform(0, 1, 8000)
        log_mass = 13.7 + seen + rng.normal(0, 0.1 + 0.15 * seen)
        maps = seen[:, None, None, None] * np.ones((1, 4, 4))
        model = small_network(
            architecture=OneError,
            loss="gaussian_nll",
            max_epochs=10,
            validation_fraction=0.2,
        ).fit(maps[:4000], log_mass[:4000])
        without = np.zeros((1, 4)), [0.65, 1.3]
        for curve, expected in (without, (model.error_curve_, [1, 1])):
            model.error_curve_ = curve
            predicted, std = model.predict(maps[4000:], return_std=True)
            score = (predicted - log_mass[4000:]) / std
            width = [score[seen[4000:] < 0.2].std(), score[seen[4000:] > 0.8].std()]
            assert_allclose(width, expected, rtol=0.1)


class TestPriorOfANetwork:
    def test_a_networks_prior_is_that_of_its_training_masses(self, trained):
        assert_array_equal(trained.mass_density_, mass_density(counts_and_masses()[1]))
        maps, _ = counts_and_masses(5)
        posterior = trained.predict_posterior(maps)
        inside = (posterior.middle > 13.6) & (posterior.middle < 14.9)
        assert_allclose(np.exp(posterior.log_prior[inside]), 1 / 1.5, rtol=0.3)

    def test_a_steep_population_is_recovered_by_exchanging_the_prior(
        self, in_large_parts
    ):
        """Trained on flat masses, asked for those of a steep mass function."""
        _, log_mass = counts_and_masses(3000)
        noise = np.random.default_rng(3).normal(0, 0.2, 3000)
        seen = (log_mass + noise - 13)[:, None, None, None] * np.ones((1, 8, 8))
        model = small_network(
            loss="gaussian_nll", weight_decay=0.0, max_epochs=30, patience=6
        ).fit(seen, log_mass)
        rng = np.random.default_rng(4)
        true = 13.9 + rng.exponential(1 / (3 * LN_10), 4000)
        true = true[true < log_mass.max()]
        maps = (true + rng.normal(0, 0.2, len(true)) - 13)[:, None, None, None]
        posterior = model.predict_posterior(maps * np.ones((1, 8, 8)))
        steep = reweight_prior(
            posterior, lambda m: np.exp(-3 * LN_10 * (m - 13.9)) * (m > 13.9)
        )
        # Those that look massive are mostly smaller ones with an upward error.
        large = posterior.mean() > 14.35
        error = true[large].std() / np.sqrt(large.sum())
        bias = (posterior.mean() - true)[large].mean()
        assert bias > 12 * error
        assert abs((steep.mean() - true)[large].mean()) < max(0.15 * bias, 3 * error)
        # And so at every predicted mass, with intervals that cover.
        is_covered = np.abs(steep.cdf(true) - 0.5) < 0.34
        assert abs(is_covered.mean() - 0.68) < 0.03
        limits = [13.5, 13.8, 13.9, 14.0, 14.15, 14.35, 15.0]
        for low, high in pairwise(limits):
            rows = (posterior.mean() > low) & (posterior.mean() <= high)
            assert rows.sum() > 200
            assert abs((steep.mean() - true)[rows].mean()) < 0.025
            assert abs(is_covered[rows].mean() - 0.68) < 0.07


def test_a_joint_network_predicts_its_error_too(sample, log_mass):
    from skcluster import PhaseSpaceKDE, PhotonMapper

    maps = PhotonMapper(n_pixels=16).transform(sample[:24])
    model = JointCNNRegressor(
        loss="gaussian_nll",
        phase_space=PhaseSpaceKDE(n_bins=16),
        n_dropout_draws=3,
        max_epochs=2,
        device="cpu",
        n_threads=1,
        random_state=0,
        allow_missing=True,
    ).fit(maps, log_mass[:24])
    predicted, std = model.predict(maps, return_std=True)
    assert predicted.shape == std.shape == (24,)
    assert (std > 0).all()
    again = model.predict(maps[5:9])
    assert_array_equal(again, predicted[5:9])


def test_two_outputs_share_all_but_the_last_layer():
    one = Ho2023JointNetwork((1, 16, 16), 16)
    two = Ho2023JointNetwork((1, 16, 16), 16, n_outputs=2)
    count = [sum(p.numel() for p in each.parameters()) for each in (one, two)]
    assert count[1] - count[0] == 65
    assert two(torch.zeros(3, 1, 16, 16), torch.zeros(3, 16, 16, 16)).shape == (3, 2)


@pytest.mark.filterwarnings("ignore:.*clusters have maps unlike")
def test_saliency_is_that_of_the_mean(trained):
    maps, _ = counts_and_masses(4, seed=9)
    # Of equal pixels, max-pooling passes on the gradient of one: there is a kink.
    maps += np.random.default_rng(9).uniform(0, 0.02, maps.shape).astype(np.float32)
    slope = SaliencyExplainer(trained).explain(maps)
    steps = []
    for sign in (1, -1):
        moved = maps.copy()
        moved[:, 0, 3, 4] += sign * 1e-3
        steps.append(trained.predict(moved))
    numeric = np.abs(steps[0] - steps[1]) / 2e-3
    assert_allclose(slope[:, 0, 3, 4], numeric, rtol=0.1, atol=1e-4)
