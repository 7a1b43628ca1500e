"""Posteriors learned on held-out clusters cover what they say they cover."""

from functools import cache

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.dummy import DummyRegressor
from sklearn.ensemble import RandomForestRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GroupKFold, KFold, cross_val_predict
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    EvrardProxyRegressor,
    ProxyMeasurer,
    RotationAugmentedRegressor,
    cross_val_posterior,
    load_model,
    reweight_prior,
    save_model,
)
from skcluster.model_selection import with_groups
from skcluster.posterior import TrainingPrior, mass_density
from skcluster.posterior.calibration import _cells
from skcluster.posterior.mass_pairs import CLUSTERS_AT_ONCE, cells_at
from skcluster.posterior.score_trends import follow_trend, learn_trend


class Boaster(RegressorMixin, BaseEstimator):
    """Takes the first column for the mass, and the second for its error, over `boast`."""

    def __init__(self, boast=1.0):
        self.boast = boast

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X, return_std=False):
        return (X[:, 0], X[:, 1] / self.boast) if return_std else X[:, 0]


class Echo(RegressorMixin, BaseEstimator):
    """Takes the first column for the mass."""

    def fit(self, X, y):
        self.fitted_ = True
        return self

    def predict(self, X):
        return np.asarray(X, float)[:, 0]


def masses_and_errors(n=2000, seed=0, df=None):
    """Masses, and observed ones with errors that differ from cluster to cluster."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 15, n)
    error = rng.uniform(0.05, 0.3, n)
    noise = rng.normal(size=n) if df is None else rng.standard_t(df, n)
    return np.column_stack([log_mass + error * noise, error]), log_mass


def coverage(posterior, log_mass, level):
    return np.mean(np.abs(posterior.cdf(log_mass) - 0.5) < level / 2)


class TestCoverage:
    @pytest.mark.parametrize("boast", [0.3, 1.0, 4.0])
    def test_errors_that_boast_are_put_right(self, boast):
        X, log_mass = masses_and_errors()
        new, new_mass = masses_and_errors(seed=1)
        model = CalibratedMassRegressor(Boaster(boast)).fit(X, log_mass)
        _, std = model.predict(new, return_std=True)
        assert_allclose(std, new[:, 1], rtol=0.05)
        posterior = model.predict_posterior(new)
        for level in (0.5, 0.68, 0.9, 0.95):
            three_sigma = 3 * np.sqrt(level * (1 - level) / 2000) * np.sqrt(2)
            assert abs(coverage(posterior, new_mass, level) - level) < three_sigma

    def test_shapes_that_are_no_gaussian_are_learned(self):
        X, log_mass = masses_and_errors(4000, df=3)
        new, new_mass = masses_and_errors(4000, seed=1, df=3)
        posterior = CalibratedMassRegressor(Boaster()).fit(X, log_mass)
        posterior = posterior.predict_posterior(new)
        for level in (0.5, 0.68, 0.95):
            assert abs(coverage(posterior, new_mass, level) - level) < 0.025
        gaussian = stats.norm.cdf(new_mass, new[:, 0], new[:, 1])
        assert abs(np.mean(np.abs(gaussian - 0.5) < 0.475) - 0.95) > 0.05

    def test_a_bias_is_taken_off(self):
        X, log_mass = masses_and_errors()
        X[:, 0] += 2 * X[:, 1]
        model = CalibratedMassRegressor(Boaster()).fit(X, log_mass)
        assert_allclose((model.predict(X) - log_mass).mean(), 0, atol=0.015)

    def test_by_mass_each_bin_covers(self):
        """Errors that are twice too small below 14.25 and twice too large above."""
        X, log_mass = masses_and_errors(6000)
        wrong = np.where(X[:, 0] < 14.25, 0.5, 2.0)
        X[:, 1] *= wrong
        small = X[:, 0] < 14.0
        plain = CalibratedMassRegressor(Boaster()).fit(X, log_mass)
        binned = clone(plain).set_params(by="mass", n_bins=2).fit(X, log_mass)
        of_small = [
            coverage(model.predict_posterior(X[small]), log_mass[small], 0.68)
            for model in (plain, binned)
        ]
        assert of_small[0] < 0.6
        assert abs(of_small[1] - 0.68) < 0.04
        assert_allclose(binned.bin_edges_[1], np.median(X[:, 0]))

    def test_scores_are_of_clusters_that_were_held_out(self):
        """A forest knows its training masses by heart; held-out ones it does not."""
        X, log_mass = masses_and_errors(400)
        forest = RandomForestRegressor(20, bootstrap=False, random_state=0)
        model = CalibratedMassRegressor(forest, cv=KFold(4)).fit(X, log_mass)
        out = cross_val_predict(forest, X, log_mass, cv=KFold(4))
        assert_allclose(np.sort(model.scores_), np.sort(log_mass - out))
        new, new_mass = masses_and_errors(400, seed=1)
        assert abs(coverage(model.predict_posterior(new), new_mass, 0.68) - 0.68) < 0.09


def trending(n, seed, redshift=True):
    """Observed masses with biases and errors that vary smoothly, and are not known.

    At an observed mass m and redshift z, the true mass is Gaussian about m + bias.
    """
    rng = np.random.default_rng(seed)
    m, z = rng.uniform(13.5, 15, n), rng.uniform(0.1, 0.5, n)
    x = (m - 14.25) / 0.433
    bias, error = 0.04 * x * (1 if redshift else 1.5), 0.1 * np.exp(-0.3 * x)
    if redshift:
        bias, error = bias - 0.05 * (z - 0.3) / 0.115, error * (z / 0.3) ** 0.7
    log_mass = m + bias + error * rng.normal(size=n)
    table = np.column_stack([m, np.full(n, 0.1)])
    return table, z, log_mass, bias, error


class TestPairs:
    """Posteriors of Kodi Ramanah et al. 2021, against scipy's kernel estimate."""

    @pytest.mark.parametrize("with_weights", [False, True])
    def test_posteriors_are_slices_of_the_joint_density(self, with_weights):
        rng = np.random.default_rng(2)
        true = rng.uniform(13.5, 15, 4000)
        X = (true + rng.normal(0, 0.05 + 0.1 * (true - 13.5)))[:, None]
        weight = rng.uniform(0, 2, len(true)) if with_weights else None
        model = CalibratedMassRegressor(
            FrozenEstimator(Echo().fit(X, true)), by="pairs"
        )
        posterior = model.fit(X, true, sample_weight=weight).predict_posterior(
            [[13.7], [14.6]]
        )
        joint = stats.gaussian_kde([X[:, 0], true], bw_method=0.2, weights=weight)
        for i, at in enumerate((13.7, 14.6)):
            edges = posterior.edges[i]
            middle = (edges[1:] + edges[:-1]) / 2
            density = joint(np.array([np.full(len(middle), at), middle]))
            density /= density.sum()
            assert_allclose(
                posterior.probability[i], density, atol=0.003 * density.max()
            )
        mean, std = model.predict([[13.7], [14.6]], return_std=True)
        assert_allclose(mean, posterior.mean())
        assert_allclose(std, posterior.std())
        assert std[1] > 1.5 * std[0]

    def test_they_cover_what_they_say_but_do_not_follow_each_error(self):
        X, log_mass = masses_and_errors(3000)
        model = CalibratedMassRegressor(Boaster(), by="pairs", cv=3).fit(X, log_mass)
        X, log_mass = masses_and_errors(3000, seed=1)
        posterior = model.predict_posterior(X)
        for level in (0.68, 0.95):
            assert_allclose(coverage(posterior, log_mass, level), level, atol=0.03)
        is_sharp = X[:, 1] < 0.1
        assert coverage(posterior[is_sharp], log_mass[is_sharp], 0.68) > 0.9

    def test_clusters_in_several_blocks_have_the_cells_of_their_own_masses(self):
        rng, n = np.random.default_rng(0), CLUSTERS_AT_ONCE + 100
        true = rng.uniform(13.5, 15, 300)
        near = true + rng.normal(0, 0.05 + 0.2 * (true - 13.5))
        pairs, predicted = (
            np.array([near, true, np.ones(300)]),
            np.linspace(13.5, 15, n),
        )
        rows = [0, CLUSTERS_AT_ONCE, n - 1]
        _, probability = cells_at(predicted, pairs)
        _, alone = cells_at(predicted[rows], pairs)
        assert_allclose(probability[rows], alone, atol=1e-12)

    def test_a_model_file_keeps_the_pairs(self, tmp_path):
        X, log_mass = masses_and_errors(200)
        model = CalibratedMassRegressor(LinearRegression(), by="pairs", cv=4)
        model.fit(X, log_mass)
        save_model(model, tmp_path / "model.skops")
        assert_array_equal(
            load_model(tmp_path / "model.skops").predict(X), model.predict(X)
        )
        assert model.pairs_.shape == (3, 200)

    def test_far_from_all_pairs_the_nearest_ones_decide(self):
        X, log_mass = masses_and_errors(200)
        model = CalibratedMassRegressor(Boaster(), by="pairs", cv=4).fit(X, log_mass)
        slope, _ = np.polyfit(*model.pairs_[:2], 1)
        last = model.pairs_[:2, np.argmax(model.pairs_[0])]
        found = model.predict(np.array([[25.0, 0.1]]))
        assert_allclose(found, last[1] + slope * (25 - last[0]), atol=1e-6)


class OfFirstRow(Boaster):
    """Reads mass and error from the first two pixels of a sample's maps."""

    def predict(self, X, return_std=False):
        return super().predict(table_of(X), return_std)


class TestTrend:
    """``by="trend"`` against the biases and errors that the data were drawn with."""

    def fitted(self, by="trend", n=2000):
        table, z, log_mass, *_ = trending(n, 0)
        model = CalibratedMassRegressor(OfFirstRow(), by=by)
        return model.fit(sample_of(table).assign(redshift=z), log_mass)

    def test_biases_and_errors_are_those_that_were_planted(self):
        model = self.fitted()
        table, z, _, bias, error = trending(1000, 1)
        new = sample_of(table).assign(redshift=z)
        mean, std = model.predict(new, return_std=True)
        # Sampling errors of a second-order surface from 2000 clusters: 0.05 sigma or so.
        assert np.sqrt(np.mean(((mean - table[:, 0] - bias) / error) ** 2)) < 0.1
        assert np.sqrt(np.mean(np.log(std / error) ** 2)) < 0.06

    def test_intervals_cover_at_every_mass_and_redshift(self):
        table, z, log_mass, *_ = trending(9000, 1)
        new = sample_of(table).assign(redshift=z)
        worst = {}
        for by in ("trend", None):
            pit = self.fitted(by).predict_posterior(new).cdf(log_mass)
            covered = [
                np.mean(np.abs(pit[third] - 0.5) < 0.34)
                for value in (table[:, 0], z)
                for third in np.array_split(np.argsort(value), 3)
            ]
            worst[by] = np.abs(np.array(covered) - 0.68).max()
        assert worst["trend"] < 0.03
        assert worst[None] > 0.06

    def test_arrays_have_a_trend_with_mass(self):
        table, _, log_mass, *_ = trending(2000, 0, redshift=False)
        model = CalibratedMassRegressor(Boaster(), by="trend").fit(table, log_mass)
        table, _, log_mass, bias, error = trending(1000, 1, redshift=False)
        mean, std = model.predict(table, return_std=True)
        assert np.sqrt(np.mean(((mean - table[:, 0] - bias) / error) ** 2)) < 0.1
        assert np.sqrt(np.mean(np.log(std / error) ** 2)) < 0.06

    @pytest.mark.parametrize("n", [150, 1000])
    def test_where_there_is_no_trend_intervals_cover_as_well(self, n):
        covered = []
        for seed in range(8):
            X, log_mass = masses_and_errors(n, seed)
            model = CalibratedMassRegressor(Boaster(2.0), by="trend").fit(X, log_mass)
            new, new_mass = masses_and_errors(1000, seed=100 + seed)
            covered.append(coverage(model.predict_posterior(new), new_mass, 0.68))
        assert abs(np.mean(covered) - 0.68) < 0.02

    def test_beyond_the_calibrated_masses_the_trend_is_constant(self):
        table, _, log_mass, *_ = trending(1000, 0, redshift=False)
        model = CalibratedMassRegressor(Boaster(), by="trend").fit(table, log_mass)
        shift, width = follow_trend(model.trend_, np.array([[table.min()], [12.0]]))
        assert shift[0] == shift[1]
        assert width[0] == width[1]

    def test_no_predicted_mass_is_beyond_those_of_training(self):
        table, _, log_mass, *_ = trending(1000, 0, redshift=False)
        model = CalibratedMassRegressor(Boaster(), by="trend").fit(table, log_mass)
        mean = model.predict(np.array([[12.0, 0.1], [16.5, 0.1]]))
        assert log_mass.min() < mean[0] < mean[1] < log_mass.max()

    @pytest.mark.parametrize("steepness", [0.0, 1.5])
    def test_posteriors_end_where_training_masses_do(self, steepness):
        """A covariance model has a prior without ends; its trend has learned of them."""

        def draw(n, seed, slope):
            rng = np.random.default_rng(seed)
            log_mass = rng.uniform(13.5, 15, 30 * n)
            weight = 10 ** (-slope * (log_mass - 14))
            log_mass = rng.choice(log_mass, n, p=weight / weight.sum())
            return np.log(10) * (log_mass + rng.normal(0, 0.15, n))[:, None], log_mass

        X, log_mass = draw(3000, 0, 0.0)
        new, new_mass = draw(8000, 2, steepness)
        # No others are predicted to be below 13.7.
        new, new_mass = (each[new[:, 0] < 14 * np.log(10)] for each in (new, new_mass))
        distance = {}
        for by in ("trend", None):
            model = CalibratedMassRegressor(EvrardProxyRegressor(), by=by)
            posterior = model.fit(X, log_mass).predict_posterior(new)
            posterior = reweight_prior(posterior, steepness)
            near = posterior.mean() < 13.7
            pit = posterior.cdf(new_mass)[near]
            distance[by] = stats.kstest(pit, stats.uniform.cdf).statistic
            if by == "trend":
                assert (
                    abs(coverage(posterior[near], new_mass[near], 0.68) - 0.68) < 0.05
                )
                assert_allclose(posterior.cdf(log_mass.min()), 0, atol=2e-6)
                assert_allclose(posterior.cdf(log_mass.max()), 1, atol=2e-6)
        assert distance["trend"] < 0.06
        assert distance[None] > 0.15

    def test_redshifts_must_be_there_as_in_fit(self):
        model = self.fitted(n=200)
        model.estimator_ = FrozenEstimator(Boaster().fit(None, None))
        table, *_ = trending(10, 0)
        with pytest.raises(ValueError, match=r"clusters with redshifts .* a ndarray"):
            model.predict(table)

    def test_a_stored_model_has_its_trend(self, tmp_path):
        table, _, log_mass, *_ = trending(300, 0, redshift=False)
        model = CalibratedMassRegressor(LinearRegression(), by="trend")
        save_model(model.fit(table, log_mass), tmp_path / "model")
        loaded = load_model(tmp_path / "model")
        expected = model.predict(table[:9], return_std=True)
        assert_array_equal(loaded.predict(table[:9], return_std=True), expected)

    def test_few_clusters(self):
        table, _, log_mass, *_ = trending(99, 0, redshift=False)
        with pytest.raises(ValueError, match=r"99 held-out .* trend, which needs 100"):
            CalibratedMassRegressor(Boaster(), by="trend").fit(table, log_mass)


def with_a_sharp_end(n, seed, error=0.08):
    """Mean, standard deviation and PIT of exact posteriors, masses and observed ones.

    Masses are half of a Gaussian and end at 13.5; errors are Gaussian, and so the
    posteriors are truncated Gaussians.
    """
    rng = np.random.default_rng(seed)
    log_mass = 13.5 + np.abs(rng.normal(0, 0.45, n))
    observed = log_mass + rng.normal(0, error, n)
    width = (1 / 0.45**2 + 1 / error**2) ** -0.5
    peak = 13.5 + (observed - 13.5) * width**2 / error**2
    u = (peak - 13.5) / width
    hazard = stats.norm.pdf(u) / stats.norm.cdf(u)
    mean, std = peak + width * hazard, width * np.sqrt(1 - u * hazard - hazard**2)
    pit = 1 - stats.norm.sf((log_mass - peak) / width) / stats.norm.cdf(u)
    return mean, std, pit, log_mass, observed


class TestLimits:
    """What a calibration by some thousand clusters can do, with perfect predictions."""

    @staticmethod
    @cache
    def perfect_pits(n, seed, n_new=2400):
        """PITs of new clusters, and two quantities that say nothing of them."""
        rng = np.random.default_rng(seed)
        inputs, new = rng.normal(size=(n, 2)), rng.normal(size=(n_new, 2))
        trend, left = learn_trend(rng.normal(size=n), inputs)
        edges, probability = _cells(left, None, "")
        mean, width = follow_trend(trend, new)
        below = np.concatenate([[0], np.cumsum(probability)])
        return np.interp((rng.normal(size=n_new) - mean) / width, edges, below), new

    @staticmethod
    def covered_thirds(pit, new):
        """Shares of 68 % intervals that hold the truth, in thirds of both quantities."""
        is_inside = np.abs(pit - 0.5) < 0.34
        return [
            is_inside[rows].mean()
            for each in new.T
            for rows in np.array_split(np.argsort(each), 3)
        ]

    @pytest.mark.slow
    @pytest.mark.parametrize(("n", "failing"), [(1200, 0.18), (3285, 0.045)])
    def test_the_one_sample_test_fails_perfect_predictions(self, n, failing):
        """As it does for 2400 new clusters that a sample of n is compared with."""
        p_value = [
            stats.kstest(self.perfect_pits(n, seed)[0], stats.uniform.cdf).pvalue
            for seed in range(200)
        ]
        found = np.mean(np.array(p_value) < 0.01)
        assert abs(found - failing) < 3 * np.sqrt(failing * (1 - failing) / 200)

    @pytest.mark.slow
    def test_a_third_misses_by_more_than_three_percent_in_18_of_100(self):
        """Perfect predictions, calibrated by 1200 clusters, of 2400 others."""
        covered, covered_95 = [], []
        for seed in range(150):
            pit, new = self.perfect_pits(1200, seed)
            covered.append(self.covered_thirds(pit, new))
            covered_95.append(np.mean(np.abs(pit - 0.5) < 0.475))
        misses = np.abs(np.array(covered) - 0.68)
        assert_allclose(np.std(covered), 0.023, atol=0.0025)
        assert_allclose(np.std(covered_95), 0.0071, atol=0.0013)
        assert abs(np.mean(misses > 0.03) - 0.18) < 0.05
        assert abs(np.mean((misses < 0.03).all(axis=1)) - 0.39) < 0.12
        of_three_seeds = misses.reshape(50, 18).max(axis=1)
        assert abs(np.median(of_three_seeds) - 0.046) < 0.006
        assert np.mean(of_three_seeds > 0.07) < 0.15

    @pytest.mark.slow
    def test_more_clusters_tell_whether_a_third_misses(self):
        """Perfect predictions, calibrated by 3285 clusters, of 9600 others."""
        covered = [
            self.covered_thirds(*self.perfect_pits(3285, seed, 9600))
            for seed in range(60)
        ]
        assert_allclose(np.std(covered), 0.0125, atol=0.0018)
        misses = np.mean(np.abs(np.array(covered) - 0.68) > 0.03)
        assert abs(misses - 0.014) < 0.014

    def test_near_an_end_exact_posteriors_cover_where_the_mean_is_known(self):
        """By the closed form: 68 % in bins of what is predicted, not of true masses."""
        mean, _, pit, log_mass, _ = with_a_sharp_end(100_000, 0, error=0.12)
        is_covered = np.abs(pit - 0.5) < 0.34
        distance = mean - 13.5
        for nearest, farthest in ((0, 0.1), (0.1, 0.2), (0.2, 0.3)):
            rows = (nearest <= distance) & (distance < farthest)
            assert abs(is_covered[rows].mean() - 0.68) < 0.02
        assert is_covered[log_mass < 13.6].mean() < 0.6

    @pytest.mark.slow
    @pytest.mark.parametrize(("own_error", "covered"), [(0.0, 0.67), (0.03, 0.65)])
    def test_near_an_end_an_error_of_its_own_costs_coverage(self, own_error, covered):
        """Predictions are exact posterior moments, but for an error of their own."""

        def draw(n, seed):
            mean, std, _, log_mass, _ = with_a_sharp_end(n, seed)
            mean = mean + np.random.default_rng(1000 + seed).normal(0, own_error, n)
            return np.column_stack([mean, np.hypot(std, own_error)]), log_mass

        inside = []
        perfect = FrozenEstimator(Boaster().fit(None, None))
        for seed in range(8):
            model = CalibratedMassRegressor(perfect, by="trend").fit(*draw(1500, seed))
            new, log_mass = draw(3000, 100 + seed)
            near = new[:, 0] < 13.7
            posterior = model.predict_posterior(new[near])
            pit = posterior.cdf(log_mass[near])[posterior.mean() < 13.6]
            inside.extend(np.abs(pit - 0.5) < 0.34)
        assert len(inside) > 3000
        assert abs(np.mean(inside) - covered) < 3 * np.sqrt(0.22 / 3000)

    @pytest.mark.slow
    def test_near_an_end_unbiased_predictions_are_made_posteriors(self):
        """Those of a covariance model, which knows nothing of the end."""
        inside, best, found = [], [], []
        for seed in range(8):
            *_, log_mass, observed = with_a_sharp_end(1500, seed, error=0.12)
            model = CalibratedMassRegressor(EvrardProxyRegressor(), by="trend")
            model.fit(np.log(10) * observed[:, None], log_mass)
            mean, *_, log_mass, observed = with_a_sharp_end(
                3000, 100 + seed, error=0.12
            )
            X, near = np.log(10) * observed[:, None], observed < 13.7
            best.extend(log_mass - mean)
            found.extend(log_mass - model.predict(X))
            posterior = model.predict_posterior(X[near])
            pit = posterior.cdf(log_mass[near])[posterior.mean() < 13.6]
            inside.extend(np.abs(pit - 0.5) < 0.34)
        assert abs(np.mean(inside) - 0.66) < 3 * np.sqrt(0.22 / len(inside))
        assert np.std(found) < 1.003 * np.std(best)


class EndsWhereItsMassesDo(Echo):
    """Like a network, it knows where its training masses end."""

    def fit(self, X, y):
        self.mass_density_ = mass_density(y)
        return super().fit(X, y)

    def _log_prior(self):
        return TrainingPrior(self.mass_density_)


class TestMean:
    """Predicted masses are the means of the posteriors, also where these are cut."""

    @pytest.mark.parametrize("by", [None, "trend", "mass", "pairs"])
    @pytest.mark.parametrize("estimator", [Echo(), EndsWhereItsMassesDo()])
    def test_it_is_that_of_the_posterior(self, estimator, by):
        X, log_mass = masses_and_errors(600)
        model = CalibratedMassRegressor(estimator, by=by, cv=3).fit(X, log_mass)
        new = np.linspace(13.0, 15.5, 26)[:, None]
        mean, std = model.predict(new, return_std=True)
        posterior = model.predict_posterior(new)
        assert_allclose(mean, posterior.mean(), rtol=1e-12)
        assert_allclose(std, posterior.std(), rtol=1e-9)
        assert_array_equal(model.predict(new), mean)
        assert model.predict(new[:0]).shape == (0,)


class TestDistribution:
    def test_its_mean_and_width_are_those_of_the_scores(self):
        X, log_mass = masses_and_errors(300)
        model = CalibratedMassRegressor(Boaster(2.0)).fit(X, log_mass)
        mean, std = model.predict(X, return_std=True)
        s = X[:, 1] / 2
        assert_allclose(mean, X[:, 0] + s * model.scores_.mean(), atol=1e-4)
        assert_allclose(std, s * model.scores_.std(), rtol=1e-3)
        posterior = model.predict_posterior(X)
        assert_allclose(posterior.mean(), mean, atol=1e-6)
        assert_allclose(posterior.std(), std, rtol=1e-6)

    def test_quantiles_are_those_of_the_scores(self):
        X, log_mass = masses_and_errors(5000)
        model = CalibratedMassRegressor(Boaster()).fit(X, log_mass)
        levels = [0.025, 0.16, 0.5, 0.84, 0.975]
        expected = X[:5, :1] + X[:5, 1:] * np.quantile(model.scores_, levels)
        assert_allclose(model.predict_quantiles(X[:5], levels), expected, atol=0.02)

    def test_an_estimator_without_errors_gets_one_for_all(self):
        X, log_mass = masses_and_errors(500)
        model = CalibratedMassRegressor(LinearRegression()).fit(X, log_mass)
        _, std = model.predict(X, return_std=True)
        assert_allclose(std, model.scores_.std(), rtol=1e-3)


class TestPrior:
    def test_a_covariance_models_own_prior_stays(self):
        X, log_mass = masses_and_errors(500)
        model = CalibratedMassRegressor(EvrardProxyRegressor(beta=2.0))
        posterior = model.fit(X[:, :1], log_mass).predict_posterior(X[:9, :1])
        slope = np.diff(posterior.log_prior) / np.diff(posterior.middle)
        assert_allclose(slope, -2 * np.log(10), rtol=1e-6)
        assert (reweight_prior(posterior, None).mean() > posterior.mean()).all()

    def test_otherwise_it_is_that_of_the_training_masses(self):
        X, log_mass = masses_and_errors(500)
        model = CalibratedMassRegressor(LinearRegression()).fit(X, log_mass)
        assert_array_equal(model.mass_density_, mass_density(log_mass))
        posterior = model.predict_posterior(X[:9])
        expected = np.log(np.interp(posterior.middle, *model.mass_density_))
        assert_allclose(posterior.log_prior, expected)


class TestOfEstimators:
    def test_pipelines_hand_their_errors_on(self, sample, log_mass):
        pipeline = make_pipeline(
            ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor()
        )
        model = CalibratedMassRegressor(pipeline, cv=KFold(3)).fit(sample, log_mass)
        fold = clone(pipeline).fit(sample[20:], log_mass[20:])
        mean, std = fold.predict(sample[:20], return_std=True)
        assert_allclose(model.scores_[:20], (log_mass[:20] - mean) / std)
        augmented = RotationAugmentedRegressor(pipeline, n_rotations=1, random_state=0)
        model = CalibratedMassRegressor(augmented, cv=KFold(3)).fit(sample, log_mass)
        assert abs(model.scores_.std() - 1) < 0.4

    def test_a_frozen_estimator_is_calibrated_as_it_is(self):
        X, log_mass = masses_and_errors(500)
        frozen = FrozenEstimator(Boaster(4.0).fit(X, log_mass))
        model = CalibratedMassRegressor(frozen).fit(X, log_mass)
        assert_allclose(
            np.sort(model.scores_), np.sort((log_mass - X[:, 0]) / X[:, 1] * 4)
        )

    def test_folds_are_octants_where_there_are_positions(self, sample, log_mass):
        from skcluster import QuadrantGroupKFold

        pipeline = make_pipeline(
            ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor()
        )
        scores = [
            CalibratedMassRegressor(pipeline, cv=cv).fit(sample, log_mass).scores_
            for cv in (None, QuadrantGroupKFold())
        ]
        assert_array_equal(*scores)

    def test_by_redshift(self, sample, log_mass):
        pipeline = make_pipeline(
            ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor()
        )
        model = CalibratedMassRegressor(pipeline, by="redshift", n_bins=2, cv=3)
        model.fit(sample, log_mass)
        assert model.score_edges_.shape == (2, 513)
        with pytest.raises(ValueError, match=r"needs X.redshift .* X is a ndarray"):
            CalibratedMassRegressor(Boaster(), by="redshift").fit(
                *masses_and_errors(100)
            )

    @pytest.mark.parametrize("other", ["mass", "trend", None])
    def test_what_bins_are_by_is_that_of_the_fit(self, sample, log_mass, other):
        pipeline = make_pipeline(
            ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor()
        )
        model = CalibratedMassRegressor(pipeline, by="redshift", n_bins=2, cv=3)
        expected = model.fit(sample, log_mass).predict(sample)
        assert_array_equal(model.set_params(by=other).predict(sample), expected)
        assert model.by_ == "redshift"

    @pytest.mark.parametrize(
        ("numbers", "filled"),
        [((300, 150), (300, 150)), ((200, 125, 125), (200, 250)), ((450,), (450,))],
    )
    @pytest.mark.parametrize("weighted", [False, True])
    def test_a_lowest_snapshot_of_many_clusters_is_one_bin(
        self, numbers, filled, weighted
    ):
        rng = np.random.default_rng(0)
        redshift = np.repeat([0.1, 0.2, 0.3][: len(numbers)], numbers)
        log_mass = rng.uniform(13.5, 15, len(redshift))
        maps = np.zeros((len(redshift), 1, 4, 4))
        maps[:, 0, 0, 0] = log_mass + rng.normal(0, 0.1, len(redshift))
        sample = ClusterSample(redshift, maps=maps)
        weight = np.ones(len(redshift)) if weighted else None
        model = CalibratedMassRegressor(FirstPixel(), by="redshift", cv=KFold(3))
        model.fit(sample, log_mass, sample_weight=weight)
        found = np.searchsorted(model.bin_edges_, redshift, side="right") - 1
        assert_array_equal(np.bincount(found), filled)
        if len(numbers) == 1:
            alone = clone(model).set_params(by=None).fit(sample, log_mass)
            assert_allclose(model.predict(sample), alone.predict(sample), rtol=1e-12)

    def test_scores_are_those_of_the_redshifts_of_their_clusters(self):
        redshift = np.where(np.arange(200) % 2, 0.4, 0.1)
        noise = np.random.default_rng(0).normal(0, 0.01, 200)
        log_mass = 14 + np.where(redshift > 0.2, 0.1, -0.1) + noise
        # The clusters that are held out are not in the order of the sample.
        order = np.argsort(redshift, kind="stable")
        folds = [(order[1::2], order[::2]), (order[::2], order[1::2])]
        sample = ClusterSample(redshift, maps=np.full((200, 1, 4, 4), 14.0))
        model = CalibratedMassRegressor(
            FirstPixel(), by="redshift", n_bins=2, cv=folds
        ).fit(sample, log_mass)
        assert_allclose(model.predict(sample[:2]), [13.9, 14.1], atol=0.01)

    def test_redshifts_of_a_data_frame_are_refused_as_rows_are_not_labels(self):
        pandas = pytest.importorskip("pandas")
        X, y = masses_and_errors(100)
        frame = pandas.DataFrame({"mass": X[:, 0], "redshift": 0.1}).iloc[::-1]
        model = CalibratedMassRegressor(LinearRegression(), by="redshift")
        with pytest.raises(ValueError, match=r"needs X.redshift .* X is a DataFrame"):
            model.fit(frame, y)

    def test_nested_folds_give_posteriors_of_unseen_clusters(self):
        X, log_mass = masses_and_errors(1500)
        model = CalibratedMassRegressor(Boaster(3.0))
        posterior = cross_val_posterior(model, X, log_mass)
        assert abs(coverage(posterior, log_mass, 0.68) - 0.68) < 0.04


class TestRefusals:
    @pytest.mark.parametrize(
        ("by", "n", "cure"),
        [
            ("mass", 30, ", fewer n_bins or by=None"),
            ("trend", 30, " or by=None"),
            (None, 15, ""),
        ],
    )
    def test_few_clusters(self, by, n, cure):
        X, log_mass = masses_and_errors(n)
        text = rf"\d+ held-out clusters are too few .*\. Give more clusters{cure}\.$"
        with pytest.raises(ValueError, match=text):
            CalibratedMassRegressor(Boaster(), by=by).fit(X, log_mass)

    def test_parameters(self):
        X, log_mass = masses_and_errors(30)
        with pytest.raises(
            ValueError,
            match=r"by must be one of \['trend', 'redshift', 'mass', 'pairs'\] or None",
        ):
            CalibratedMassRegressor(Boaster(), by="color").fit(X, log_mass)
        with pytest.raises(ValueError, match="n_bins must be a positive int, got 0"):
            CalibratedMassRegressor(Boaster(), n_bins=0).fit(X, log_mass)

    def test_infinite_errors(self):
        """Of p + 2 clusters no degree of freedom is left, and masses became infinite."""
        rng = np.random.default_rng(0)
        log_mass, p = rng.uniform(13.5, 15, 6), 3
        X = np.log(10) * log_mass[:, None] + rng.normal(0, 0.3, (6, p))
        few = EvrardProxyRegressor().fit(X[: p + 2], log_mass[: p + 2])
        assert np.isinf(few.predict(X, return_std=True)[1]).all()
        model = CalibratedMassRegressor(Boaster()).fit(*masses_and_errors(200))
        model.estimator_ = few
        text = "{0} of {0} clusters have errors of EvrardProxyRegressor .* infinite"
        with pytest.raises(ValueError, match=text.format(6)):
            model.predict(X)
        with pytest.raises(ValueError, match=text.format(1)):
            CalibratedMassRegressor(few, cv=KFold(6)).fit(X, log_mass)

    def test_errors_of_0(self):
        X, log_mass = masses_and_errors(100)
        text = (
            r"50 of 50 .* DummyRegressor that are not positive.*\(first: cluster 0, 0\)"
        )
        with pytest.raises(ValueError, match=text):
            CalibratedMassRegressor(DummyRegressor(), cv=KFold(2)).fit(X, log_mass)


class TestGroups:
    """100 halos seen eight times each: a forest knows a halo that it has seen before."""

    def noisy_copies(self, seed=0):
        rng = np.random.default_rng(seed)
        halo = np.repeat(np.arange(100), 8)
        log_mass = rng.uniform(13.5, 15, 100)[halo]
        # A hidden property that tells halos apart and says nothing about their mass.
        own = rng.normal(size=(100, 3))[halo] + rng.normal(0, 0.01, (800, 3))
        noise = rng.normal(0, 0.3, 100)[halo] + rng.normal(0, 0.05, 800)
        table = np.column_stack([log_mass + noise, own])
        order = rng.permutation(800)
        return table[order], log_mass[order], halo[order]

    class OfTable(RegressorMixin, BaseEstimator):
        """A forest on the galaxies' columns of a sample that holds a table."""

        def fit(self, X, y):
            self.forest_ = RandomForestRegressor(12, random_state=0).fit(table_of(X), y)
            return self

        def predict(self, X):
            return self.forest_.predict(table_of(X))

    @pytest.mark.parametrize("cv", [None, 5, GroupKFold(5)])
    def test_intervals_cover_halos_that_nobody_has_seen(self, cv):
        table, log_mass, halo = self.noisy_copies()
        new, new_mass, _ = self.noisy_copies(seed=1)
        sample, forest = sample_of(table, halo), self.OfTable()
        model = CalibratedMassRegressor(forest, cv=cv).fit(sample, log_mass)
        covered = coverage(model.predict_posterior(sample_of(new)), new_mass, 0.68)
        # 100 halos: the binomial error is 0.047.
        assert abs(covered - 0.68) < 0.14
        model = CalibratedMassRegressor(forest).fit(sample_of(table), log_mass)
        torn = coverage(model.predict_posterior(sample_of(new)), new_mass, 0.68)
        assert torn < 0.3

    @pytest.mark.parametrize("cv", [None, GroupKFold(5)])
    def test_cross_validated_posteriors_cover(self, cv):
        table, log_mass, halo = self.noisy_copies()
        model = CalibratedMassRegressor(self.OfTable())
        posterior = cross_val_posterior(model, sample_of(table, halo), log_mass, cv=cv)
        assert abs(coverage(posterior, log_mass, 0.68) - 0.68) < 0.14

    def test_a_table_is_given_its_groups(self):
        table, log_mass, halo = self.noisy_copies()
        forest = RandomForestRegressor(12, random_state=0)
        model = CalibratedMassRegressor(forest).fit(table, log_mass, groups=halo)
        of_sample = CalibratedMassRegressor(self.OfTable())
        of_sample.fit(sample_of(table, halo), log_mass)
        assert_array_equal(model.scores_, of_sample.scores_)
        posterior = cross_val_posterior(model, table, log_mass, groups=halo)
        assert len(posterior) == 800


def table_of(sample):
    return np.asarray(sample.maps)[:, 0, 0].astype(float)


def sample_of(table, halo=None):
    maps = np.zeros((len(table), 1, 4, 4))
    maps[:, 0, 0, : table.shape[1]] = table
    return ClusterSample(np.full(len(table), 0.2), maps=maps, group=halo)


class FirstPixel(RegressorMixin, BaseEstimator):
    """Predicts the first pixel of the maps of a sample."""

    def fit(self, X, y, sample_weight=None):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return table_of(X)[:, 0]


class Nearest(RegressorMixin, BaseEstimator):
    """Remembers its training clusters: perfect for copies of them."""

    def fit(self, X, y):
        self.X_, self.y_ = np.asarray(X)[:, 0], y
        return self

    def predict(self, X):
        distance = np.abs(np.asarray(X)[:, :1] - self.X_)
        return self.y_[distance.argmin(axis=1)]


def copies(n_halos=60, n_copies=4, seed=0):
    """A number of each halo that says nothing about its mass, masses and halos."""
    rng = np.random.default_rng(seed)
    halo = rng.permutation(np.repeat(np.arange(n_halos), n_copies))
    X = rng.uniform(size=n_halos)[halo] + rng.normal(0, 1e-6, len(halo))
    return X[:, None], rng.uniform(13.5, 15, n_halos)[halo], halo


class TestGroupsOfArrays:
    def test_calibrations_inside_of_folds_keep_groups_together(self):
        X, log_mass, halo = copies()
        for model in (
            CalibratedMassRegressor(Nearest()),
            make_pipeline(CalibratedMassRegressor(Nearest())),
        ):
            posterior = cross_val_posterior(model, X, log_mass, groups=halo)
            # Masses of strangers differ as two uniform ones: 1.5 / sqrt(6) = 0.61 dex.
            assert_allclose(posterior.std(), 0.61, atol=0.15)

    def test_labels_of_any_kind_will_do(self):
        X, log_mass, halo = copies()
        expected = CalibratedMassRegressor(Nearest()).fit(X, log_mass, halo).scores_
        for groups in (halo[:, None], halo.tolist(), halo.astype(np.uint8)):
            model = CalibratedMassRegressor(Nearest()).fit(X, log_mass, groups)
            assert_array_equal(model.scores_, expected)

    def test_a_column_of_labels_is_kept_together_inside_of_folds(self):
        X, log_mass, halo = copies()
        model = CalibratedMassRegressor(Nearest())
        posterior = cross_val_posterior(model, X, log_mass, groups=halo[:, None])
        # As above: were copies in several folds, all would be known.
        assert_allclose(posterior.std(), 0.61, atol=0.15)

    def test_a_column_of_labels_becomes_the_group_of_a_sample(self):
        table, _, halo = TestGroups().noisy_copies()
        sample, given = with_groups(sample_of(table), halo[:, None])
        assert given is None
        assert_array_equal(sample.group, halo)

    def test_a_missing_label_is_named(self):
        X, log_mass, halo = copies()
        groups = [None, *halo[1:].astype(str)]
        with pytest.raises(ValueError, match=r"groups has no label for 1 of 240"):
            cross_val_posterior(Nearest(), X, log_mass, groups=groups)

    def test_equal_errors_are_copies_in_several_folds(self):
        X, log_mass, halo = copies()
        _, test = np.unique(halo, return_index=True)
        folds = [(np.setdiff1d(np.arange(len(halo)), test), test)]
        with pytest.raises(ValueError, match=r"errors of all 60 held-out .* copies of"):
            CalibratedMassRegressor(Nearest(), cv=folds).fit(X, log_mass)


@pytest.mark.parametrize("kind", ["data frame", "list", "column"])
def test_tables_of_any_kind_give_the_numbers_of_arrays(kind):
    X, log_mass = masses_and_errors(n=200)
    X = X[:, :1]
    expected = CalibratedMassRegressor(LinearRegression()).fit(X, log_mass)
    given, y = X, log_mass
    if kind == "data frame":
        given = pytest.importorskip("pandas").DataFrame({"a": X[:, 0]})
    elif kind == "list":
        given = X.tolist()
    else:
        y = log_mass[:, None]
    if kind == "column":
        with pytest.warns(UserWarning, match="column-vector"):
            model = CalibratedMassRegressor(LinearRegression()).fit(given, y)
    else:
        model = CalibratedMassRegressor(LinearRegression()).fit(given, y)
    assert_allclose(model.predict(given), expected.predict(X), rtol=1e-12)
    posterior = cross_val_posterior(EvrardProxyRegressor(), given, log_mass)
    other = cross_val_posterior(EvrardProxyRegressor(), X, log_mass)
    assert_allclose(posterior.mean(), other.mean(), rtol=1e-12)


class TestWeights:
    """Folds are given, so that they are the same with and without the weighed rows."""

    N = 240
    FOLDS = [
        (
            np.flatnonzero(np.arange(240) % 4 != k),
            np.flatnonzero(np.arange(240) % 4 == k),
        )
        for k in range(4)
    ]

    def drawn(self):
        rng = np.random.default_rng(0)
        log_mass = rng.uniform(13.5, 15, self.N)
        X = log_mass[:, None] + rng.normal(0, 0.1, (self.N, 1))
        return X, log_mass, rng

    def among(self, rows):
        """The same folds of some rows, which may be repeated."""
        return [
            tuple(np.flatnonzero(np.isin(rows, side)) for side in fold)
            for fold in self.FOLDS
        ]

    @pytest.mark.parametrize("by", [None, "trend", "mass"])
    def test_weight_zero_is_absence(self, by):
        X, log_mass, rng = self.drawn()
        weight = np.where(rng.random(self.N) < 0.3, 0.0, rng.exponential(size=self.N))
        rows = np.flatnonzero(weight)
        model = CalibratedMassRegressor(LinearRegression(), cv=self.FOLDS, by=by)
        expected = CalibratedMassRegressor(
            LinearRegression(), cv=self.among(rows), by=by
        )
        model.fit(X, log_mass, sample_weight=weight)
        expected.fit(X[rows], log_mass[rows], sample_weight=weight[rows])
        for ours, theirs in zip(
            model.predict(X, return_std=True),
            expected.predict(X, return_std=True),
            strict=True,
        ):
            assert_allclose(ours, theirs, rtol=1e-9)
        assert_allclose(model.mass_density_, expected.mass_density_)

    def test_integers_are_clusters_given_again(self):
        X, log_mass, rng = self.drawn()
        n_times = rng.integers(0, 4, self.N)
        rows = np.repeat(np.arange(self.N), n_times)
        model = CalibratedMassRegressor(LinearRegression(), cv=self.FOLDS)
        repeated = CalibratedMassRegressor(LinearRegression(), cv=self.among(rows))
        model.fit(X, log_mass, sample_weight=n_times)
        repeated.fit(X[rows], log_mass[rows])
        ours, theirs = (m.predict(X, return_std=True) for m in (model, repeated))
        # Kernels differ in width, but are shrunk to the moments of the scores.
        assert_allclose(ours[0], theirs[0], atol=1e-5)
        assert_allclose(ours[1], theirs[1], rtol=1e-3)

    @pytest.mark.parametrize("by", [None, "trend"])
    def test_equal_weights_are_none(self, by):
        X, log_mass, _ = self.drawn()
        model = CalibratedMassRegressor(LinearRegression(), cv=self.FOLDS, by=by)
        expected = model.fit(X, log_mass).predict_quantiles(X, [0.1, 0.5])
        model.fit(X, log_mass, sample_weight=np.full(self.N, 3e-5))
        assert_allclose(model.predict_quantiles(X, [0.1, 0.5]), expected, rtol=1e-9)

    def test_errors_are_those_of_the_clusters_that_count(self):
        rng = np.random.default_rng(0)
        log_mass, is_wide = rng.uniform(13.5, 15, 4000), rng.random(4000) < 0.5
        error = np.where(is_wide, 0.2, 0.05)
        X = log_mass[:, None] + error[:, None] * rng.normal(size=(4000, 1))
        # Nine tenths of the weight have errors of 0.05.
        weight = np.where(is_wide, 1.0, 9.0)
        model = CalibratedMassRegressor(Identity()).fit(
            X, log_mass, sample_weight=weight
        )
        _, std = model.predict(X, return_std=True)
        assert_allclose(std, np.sqrt(0.1 * 0.2**2 + 0.9 * 0.05**2), rtol=0.05)

    @pytest.mark.parametrize("is_routed", [False, True])
    def test_weights_reach_a_pipeline_or_are_refused(self, is_routed):
        X, log_mass, rng = self.drawn()
        weight = rng.exponential(size=self.N)
        with config_context(enable_metadata_routing=is_routed):
            inner = LinearRegression()
            if is_routed:
                inner.set_fit_request(sample_weight=True)
            model = CalibratedMassRegressor(make_pipeline(inner))
            model.fit(X, log_mass, sample_weight=weight)
            alone = LinearRegression().fit(X, log_mass, weight)
            assert_allclose(model.estimator_[-1].coef_, alone.coef_)
            deaf = CalibratedMassRegressor(KNeighborsRegressor())
            with pytest.raises(ValueError, match="cannot be fitted with sample_weight"):
                deaf.fit(X, log_mass, sample_weight=weight)


class Identity(RegressorMixin, BaseEstimator):
    """Predicts its first column, whatever the weights."""

    def fit(self, X, y, sample_weight=None):
        return self

    def predict(self, X):
        return X[:, 0]
