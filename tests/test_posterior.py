"""Posteriors of masses: exact cells, quantiles, draws, and exchanged priors."""

from functools import cache
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.ensemble import RandomForestRegressor
from sklearn.model_selection import GridSearchCV, KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcluster import (
    EvrardProxyRegressor,
    cross_val_posterior,
    predict_posterior,
    reweight_prior,
)
from skcluster.metrics import mass_scatter
from skcluster.posterior import (
    MassPosterior,
    PosteriorMixin,
    TrainingPrior,
    log_prior,
    mass_density,
)
from skcluster.posterior.smoothing import VALUES_AT_ONCE, smoothed_counts

LN_10 = np.log(10)
QUANTILES = [0.025, 0.16, 0.5, 0.84, 0.975]


def proxies_and_masses(n=300, scatter=0.4, seed=0):
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 15.0, n)
    return LN_10 * log_mass[:, None] + rng.normal(0, scatter, (n, 1)), log_mass


class TestCells:
    def test_a_gaussian_has_its_closed_forms(self):
        mean, std = np.array([13.7, 14.9]), np.array([0.05, 0.31])
        posterior = MassPosterior.from_gaussians(mean, std)
        assert_allclose(posterior.mean(), mean, atol=1e-12)
        # Cells of width 16 sigma / 512 add a twelfth of their width squared.
        assert_allclose(posterior.std(), std * np.sqrt(1 + (16 / 512) ** 2 / 12))
        expected = stats.norm.ppf(QUANTILES, mean[:, None], std[:, None])
        assert_allclose(posterior.quantile(QUANTILES), expected, atol=2e-4)
        assert_allclose(posterior.cdf(mean + std), stats.norm.cdf(1), atol=2e-4)

    def test_a_mixture_is_that_of_a_sum_over_its_components(self):
        mean, std = np.array([[13.9, 14.0, 14.6]]), np.array([[0.05, 0.2, 0.1]])
        posterior = MassPosterior.from_gaussians(mean, std)
        middle, spread = mean.mean(), np.sqrt((std**2).mean() + mean.var())
        assert_allclose(posterior.mean(), middle, atol=1e-9)
        assert_allclose(posterior.std(), spread, rtol=1e-3)
        for mass in (13.8, 14.0, 14.5):
            expected = stats.norm.cdf(mass, mean, std).mean()
            assert_allclose(posterior.cdf([mass]), expected, atol=1e-4)

    def test_components_narrower_than_a_cell_lose_no_probability(self):
        posterior = MassPosterior.from_gaussians([[13.0, 15.0]], [[1e-5, 0.2]])
        assert_allclose(posterior.probability.sum(), 1, rtol=1e-12)
        assert_allclose(posterior.cdf([13.1]), 0.5, atol=1e-3)

    def test_density_integrates_to_one_and_is_the_gaussians(self):
        posterior = MassPosterior.from_gaussians([14.0], [0.1])
        cell = np.diff(posterior.edges)
        assert_allclose((posterior.density * cell).sum(), 1)
        expected = stats.norm.pdf(posterior.middle, 14.0, 0.1)
        assert_allclose(posterior.density, expected, atol=1e-3)

    @given(
        st.lists(st.floats(10, 20), min_size=1, max_size=5),
        st.floats(1e-3, 3),
        st.floats(0.001, 0.999),
    )
    def test_quantile_undoes_cdf(self, mean, std, q):
        posterior = MassPosterior.from_gaussians(mean, np.full(len(mean), std))
        assert_allclose(posterior.cdf(posterior.quantile(q)), q, atol=1e-9)

    def test_no_probability_is_above_one(self):
        rng = np.random.default_rng(0)
        mean, std = rng.uniform(13, 14, 500), rng.uniform(0.01, 0.2, 500)
        below = MassPosterior.from_gaussians(mean, std).cdf(16.9)
        assert below.max() <= 1
        assert_allclose(below, 1)

    def test_a_cluster_does_not_depend_on_its_neighbors(self):
        rng = np.random.default_rng(0)
        mean, std = rng.normal(14, 1, 50), rng.uniform(0.01, 1, 50)
        posterior = MassPosterior.from_gaussians(mean, std)
        rows = rng.permutation(50)[:7]
        alone = MassPosterior.from_gaussians(mean[rows], std[rows])
        assert_array_equal(posterior[rows].probability, alone.probability)
        assert_array_equal(
            posterior.quantile(QUANTILES)[rows], alone.quantile(QUANTILES)
        )
        assert_allclose(posterior[3].mean(), posterior.mean()[3])

    def test_draws_follow_the_posterior_and_the_seed(self):
        posterior = MassPosterior.from_gaussians([14.0, 14.5], [0.1, 0.3])
        drawn = posterior.sample(4000, random_state=1)
        assert drawn.shape == (2, 4000)
        assert_array_equal(drawn, posterior.sample(4000, random_state=1))
        for row, (mean, std) in zip(drawn, [(14.0, 0.1), (14.5, 0.3)], strict=True):
            assert stats.kstest(row, stats.norm(mean, std).cdf).pvalue > 0.01
        assert abs(np.corrcoef(drawn)[0, 1]) < 0.05

    def test_it_says_how_many_cells_it_has(self):
        coarse = MassPosterior(np.linspace(13, 15, 41)[None], np.ones((1, 40)))
        assert repr(coarse) == "<MassPosterior of 1 cluster, 40 cells of mass each>"

    def test_no_cluster_is_no_error(self):
        posterior = MassPosterior.from_gaussians(np.zeros((0, 3)), np.zeros((0, 3)))
        assert len(posterior) == 0
        assert posterior.quantile([0.1, 0.5]).shape == (0, 2)
        assert posterior.mean().shape == posterior.cdf(14.0).shape == (0,)

    @pytest.mark.parametrize("std", [0.0, -1.0, np.nan, np.inf])
    def test_a_width_that_is_none_is_an_error(self, std):
        with pytest.raises(
            ValueError, match=r"1 of 2 posteriors have no .* cluster 1\)"
        ):
            MassPosterior.from_gaussians([14.0, 14.0], [0.1, std])

    def test_masked_means_and_widths_are_refused(self):
        gap = np.ma.masked_equal([14.0, 99.0], 99.0)
        for name, values in (("mean", (gap, 0.1)), ("std", ([14.0, 14.0], gap))):
            with pytest.raises(ValueError, match=f"{name} has no value in 1 of 2 rows"):
                MassPosterior.from_gaussians(*values)

    def test_a_quantile_beyond_one_is_an_error(self):
        posterior = MassPosterior.from_gaussians([14.0], [0.1])
        with pytest.raises(ValueError, match=r"must be in \[0, 1\], got \[0.5, 68\]"):
            posterior.quantile([0.5, 68])

    @pytest.mark.parametrize(
        ("use", "words"),
        [
            (lambda p: p.cdf([14.0] * 3), r"one per cluster.* 2 clusters.* \(3,\)"),
            (lambda p: p.cdf(np.full((2, 1), 14.0)), r"2 clusters.* \(2, 1\)"),
            (lambda p: p.quantile([[0.2, 0.5], [0.2, 0.5]]), r"1-d.* \(2, 2\)"),
            (lambda p: p.sample(-1), "n_samples must be a non-negative int, got -1"),
            (lambda p: p.sample(1.5), "n_samples must be a non-negative int, got 1.5"),
        ],
    )
    def test_what_fits_no_cluster_is_refused_by_its_shape(self, use, words):
        with pytest.raises(ValueError, match=words):
            use(MassPosterior.from_gaussians([14.0, 14.5], 0.1))

    @pytest.mark.parametrize(
        ("edges", "probability", "words"),
        [
            ([[13, 14, 15]], [[0.5, 0.3, 0.2]], r"got \(1, 3\) and \(1, 3\)"),
            ([13, 14, 15], [0.5, 0.5], r"got \(3,\) and \(2,\)"),
            (
                [[13, 14, 15], [15, 14, 13]],
                [[0.5, 0.5]] * 2,
                r"edges of 1 of 2 .* cluster 1\)",
            ),
            ([[13, 14, 15]], [[1.5, -0.5]], "probabilities of 1 of 1 .* negative"),
            ([[13, 14, 15]], [[0.5, np.nan]], "probabilities of 1 of 1 .* NaN"),
        ],
    )
    def test_cells_that_are_none_are_refused(self, edges, probability, words):
        with pytest.raises(ValueError, match=words):
            MassPosterior(edges, probability)

    def test_it_is_no_array_of_masses(self):
        posterior = MassPosterior.from_gaussians([14.0, 14.5], 0.1)
        for use in (np.asarray, lambda p: mass_scatter([14.0, 14.4], p)):
            with pytest.raises(TypeError, match=r"not an array.* mean\(\), quantile"):
                use(posterior)

    def test_one_number_is_one_cluster(self):
        assert MassPosterior.from_gaussians(14.0, 0.1).mean() == pytest.approx([14.0])

    def test_a_prior_belongs_to_posteriors(self):
        with pytest.raises(
            TypeError, match="takes a MassPosterior, got EvrardProxyReg"
        ):
            reweight_prior(EvrardProxyRegressor(), 3.0)


class TestPriors:
    @pytest.mark.parametrize("beta", [0.5, 3.0, -1.0, np.uint8(2), np.int8(-2)])
    def test_a_power_law_shifts_a_gaussian_by_beta_sigma_squared(self, beta):
        std = np.array([0.05, 0.15])
        flat = MassPosterior.from_gaussians([14.0, 14.5], std)
        steep = reweight_prior(flat, beta)
        shift = -float(beta) * (std * LN_10) ** 2 / LN_10
        assert_allclose(steep.mean() - flat.mean(), shift, rtol=2e-3)
        assert_allclose(steep.std(), flat.std(), rtol=1e-3)

    def test_the_new_prior_is_remembered_and_can_be_taken_out_again(self):
        flat = MassPosterior.from_gaussians([14.0], [0.15])
        again = flat.reweight_prior(4.0).reweight_prior(None)
        assert_allclose(again.probability, flat.probability, atol=1e-12)

    def test_the_three_forms_of_one_prior_agree(self):
        posterior = MassPosterior.from_gaussians([14.0], [0.15])
        grid = np.linspace(12, 16, 4001)
        forms = [
            2.5,
            lambda log_mass: 10 ** (-2.5 * (log_mass - 14)),
            np.array([grid, 10 ** (-2.5 * (grid - 14))]),
        ]
        means = [reweight_prior(posterior, form).mean()[0] for form in forms]
        assert_allclose(means, means[0], atol=1e-6)

    def test_where_the_prior_is_zero_the_posterior_is(self):
        def above_14(log_mass):
            return (log_mass > 14).astype(float)

        posterior = MassPosterior.from_gaussians([14.0], [0.1])
        cut = reweight_prior(posterior, above_14)
        assert_allclose(cut.cdf([14.0]), 0, atol=1e-12)
        # The mean of a half-normal distribution.
        assert_allclose(cut.mean(), 14 + 0.1 * np.sqrt(2 / np.pi), rtol=1e-4)

    def test_a_prior_that_leaves_nothing_is_an_error(self):
        posterior = MassPosterior.from_gaussians([14.0, 12.0], [0.01, 0.01])
        with pytest.raises(
            ValueError, match=r"1 of 2 clusters vanish \(first: cluster 1"
        ):
            reweight_prior(posterior, lambda log_mass: (log_mass > 13).astype(float))

    @pytest.mark.parametrize(
        ("prior", "words"),
        [
            (np.nan, "beta must be finite, got nan"),
            ([[13.0, 14.0]], r"shape \(2, n\).* got \(1, 2\)"),
            ([[14.0, 13.0], [1, 1]], "must increase"),
            ([[13.0, 14.0], [1, -1]], r"1 of 2 densities .* log10 M = 14"),
            (lambda log_mass: -log_mass, "densities of the prior are negative"),
            (lambda log_mass: 1.0, r"densities of shape \(\) for masses"),
        ],
    )
    def test_what_is_no_prior_is_refused(self, prior, words):
        posterior = MassPosterior.from_gaussians([14.0], [0.1])
        with pytest.raises(ValueError, match=words):
            reweight_prior(posterior, prior)

    def test_density_of_a_flat_set_is_flat_to_its_ends(self):
        log_mass = np.random.default_rng(0).uniform(13.5, 15, 20_000)
        table = mass_density(log_mass)
        assert_allclose(table[1], 1 / 1.5, rtol=0.1)

    def test_density_of_a_power_law_is_its_slope(self):
        drawn = 13.5 + np.random.default_rng(1).exponential(0.3, 50_000)
        middle, density = mass_density(drawn)
        inner = (middle > 13.7) & (middle < 14.5)
        slope = np.polyfit(middle[inner], np.log(density[inner]), 1)[0]
        assert_allclose(slope, -1 / 0.3, rtol=0.05)
        assert_allclose(density.sum() * (middle[1] - middle[0]), 1)

    def test_density_is_scipys_away_from_the_ends(self):
        log_mass = np.random.default_rng(2).normal(14, 0.2, 500)
        middle, density = mass_density(log_mass)
        kernel = stats.gaussian_kde(log_mass, bw_method=500**-0.2)
        inner = np.abs(middle - 14) < 0.2
        assert_allclose(density[inner], kernel(middle[inner]), rtol=0.01)

    def test_equal_masses_have_no_density(self):
        with pytest.raises(ValueError, match="All 3 masses are log10 M = "):
            mass_density([14.0, 14.0, 14.0])

    def test_masses_without_a_density_are_counted(self):
        with pytest.raises(ValueError, match="1 of 3 are NaN or infinite"):
            mass_density([14.0, np.nan, 15.0])
        with pytest.raises(ValueError, match="0 of 0 are NaN or infinite"):
            mass_density([])
        with pytest.raises(ValueError, match="mass_density has the shape"):
            mass_density([14.0, 14.5, 15.0], [1, 1])
        assert_array_equal(
            mass_density([14.0, 14.5, 15.0], [2, 1, 1]),
            mass_density([14.0, 14.5, 15.0], np.array([2, 1, 1])),
        )

    def test_a_tables_prior_is_held_beyond_its_ends(self):
        function = log_prior([[13.0, 14.0], [1.0, 4.0]])
        assert_allclose(function(np.array([12.0, 15.0])), np.log([1.0, 4.0]))


LOW, HIGH, NOISE = 13.5, 15.0, 0.2
GRID = np.linspace(LOW, HIGH, 6001)


def brute_force(observed, population=np.ones_like):
    """Grid, cumulative posterior, mean and std for Gaussian noise, by Bayes' theorem."""
    likelihood = np.exp(-0.5 * ((observed[:, None] - GRID) / NOISE) ** 2)
    density = likelihood * population(GRID)
    density /= density.sum(axis=1, keepdims=True)
    mean = density @ GRID
    std = np.sqrt(density @ GRID**2 - mean**2)
    return np.cumsum(density, axis=1), mean, std


@cache
def flat_prior():
    return TrainingPrior(mass_density(np.linspace(LOW, HIGH, 20_000)))


class TestSmoothedCounts:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_values_in_several_blocks_are_counted_with_their_own_weights(
        self, weighted
    ):
        x = np.random.default_rng(0).normal(size=VALUES_AT_ONCE + 1000)
        weight, edges = np.arange(float(len(x))), np.linspace(-3, 3, 5)
        share = np.diff(stats.norm.cdf(edges, x[:, None], 0.1))
        if weighted:
            found = smoothed_counts(x, 0.1, edges, weight)
            assert_allclose(found, weight @ share, rtol=1e-9)
        else:
            assert_allclose(smoothed_counts(x, 0.1, edges), share.sum(0), rtol=1e-9)


class Ideal(PosteriorMixin):
    """Regressor that has learned the mean and the std of the true posteriors exactly."""

    def __init__(self, each_std=True):
        self._predicts_each_std = each_std

    def _components(self, observed):
        blocks = np.array_split(observed, -(-len(observed) // 500))
        _, mean, std = zip(*map(brute_force, blocks), strict=True)
        std = np.concatenate(std)
        return np.concatenate(mean), std if self._predicts_each_std else NOISE + 0 * std

    def _log_prior(self):
        return flat_prior()


def steep(log_mass):
    return 10 ** (-2.0 * (log_mass - 14))


class TestSharpEdges:
    """Gaussian noise over flat training masses that end at 13.5 and 15."""

    @pytest.mark.parametrize("each_std", [True, False])
    @pytest.mark.parametrize("population", [None, steep])
    def test_posteriors_are_those_of_brute_force(self, each_std, population):
        observed = np.array([13.25, 13.4, 13.5, 13.6, 13.8, 14.3, 14.9, 15.0, 15.2])
        posterior = Ideal(each_std).predict_posterior(observed)
        if population is not None:
            posterior = reweight_prior(posterior, population)
        cumulative, mean, std = brute_force(observed, population or np.ones_like)
        assert_allclose(posterior.mean(), mean, atol=2e-3)
        assert_allclose(posterior.std(), std, rtol=0.01)
        quantiles = posterior.quantile(QUANTILES)
        for row, expected in zip(quantiles, cumulative, strict=True):
            found = np.interp(row, GRID, expected)
            assert_allclose(found, QUANTILES, atol=0.005)

    @pytest.mark.parametrize("each_std", [True, False])
    def test_intervals_near_the_ends_cover_68_percent(self, each_std):
        rng = np.random.default_rng(0)
        true = rng.uniform(LOW, LOW + 0.6, 6000)
        observed = true + rng.normal(0, NOISE, true.size)
        observed, true = observed[observed < 13.7], true[observed < 13.7]
        posterior = Ideal(each_std).predict_posterior(observed)
        self.assert_covers(posterior, posterior, true)
        gaussian = MassPosterior.from_gaussians(*Ideal(each_std)._components(observed))
        near = gaussian.mean() < LOW + 0.15
        covered = np.mean(np.abs(gaussian.cdf(true)[near] - 0.5) < 0.34)
        assert each_std or covered > 0.75

    @pytest.mark.parametrize("each_std", [True, False])
    def test_they_do_so_after_the_prior_is_exchanged(self, each_std):
        rng = np.random.default_rng(1)
        true = LOW + rng.exponential(1 / (2 * LN_10), 6000)
        true = true[true < HIGH]
        observed = true + rng.normal(0, NOISE, true.size)
        observed, true = observed[observed < 13.8], true[observed < 13.8]
        posterior = Ideal(each_std).predict_posterior(observed)
        self.assert_covers(posterior, reweight_prior(posterior, steep), true)

    def assert_covers(self, posterior, exchanged, true):
        is_covered = np.abs(exchanged.cdf(true) - 0.5) < 0.34
        distance = posterior.mean() - LOW
        for nearest, farthest in ((0, 0.15), (0.15, 0.3)):
            rows = (nearest < distance) & (distance <= farthest)
            assert rows.sum() > 400
            assert abs(is_covered[rows].mean() - 0.68) < 0.03

    def test_nothing_lies_where_there_was_no_training_mass(self):
        posterior = Ideal().predict_posterior(np.linspace(13, 15.5, 40))
        for each in (posterior, reweight_prior(posterior, 2.0)):
            assert_array_equal(each.cdf(LOW - 1e-3), 0)
            assert_allclose(each.cdf(HIGH + 1e-3), 1, atol=1e-12)
            ends = each.quantile([0.0, 1.0])
            assert_allclose(ends.min(), LOW, atol=1e-6)
            assert_allclose(ends.max(), HIGH, atol=1e-6)
            assert ends.min() > LOW - 1e-6
            assert ends.max() < HIGH + 1e-6

    def test_posteriors_away_from_the_ends_stay_as_they_are(self):
        prior = flat_prior()
        cut = MassPosterior.from_gaussians([14.2], [0.1], log_prior=prior)
        assert_allclose(
            cut.quantile(QUANTILES), [stats.norm.ppf(QUANTILES, 14.2, 0.1)], atol=1e-4
        )

    @pytest.mark.parametrize("mean", [12.0, 13.4, 13.5, 13.55, 14.95, 15.1, 17.0])
    @pytest.mark.parametrize("match_std", [True, False])
    def test_means_beyond_the_ends_are_drawn_inside(self, mean, match_std):
        prior = flat_prior()
        posterior = MassPosterior.from_gaussians(
            [mean], [0.2], log_prior=prior, match_std=match_std
        )
        assert LOW + 0.05 < posterior.mean()[0] < HIGH - 0.05
        assert 0.04 < posterior.std()[0] < 0.2

    @pytest.mark.parametrize("end", [LOW, HIGH])
    def test_mixtures_of_unequal_widths_stay_at_their_end(self, end):
        """Their tails fall as the widest component does, not as a Gaussian of all."""
        rng = np.random.default_rng(0)
        inward = np.sign(14.25 - end)
        mean = (
            end
            + inward * rng.uniform(-0.05, 0.2, (60, 1))
            + rng.normal(0, 0.05, (60, 9))
        )
        std = rng.uniform(0.04, 0.12, (60, 9))
        self.assert_mean_is_near(MassPosterior.from_gaussians, mean, std, end)

    @pytest.mark.parametrize("end", [LOW, HIGH])
    def test_heavy_tails_stay_at_their_end(self, end):
        edges = np.linspace(-8, 8, 513)
        probability = np.diff(stats.t.cdf(edges, 3))
        mean = end + np.sign(14.25 - end) * np.linspace(-0.05, 0.2, 20)[:, None]

        def posteriors(mean, std, log_prior):
            cells = np.broadcast_to(probability, (20, 512))
            return MassPosterior.from_cells(mean + std * edges, cells, log_prior)

        self.assert_mean_is_near(posteriors, mean, np.full((20, 1), 0.06), end)

    def assert_mean_is_near(self, posteriors, mean, std, end):
        prior = flat_prior()
        uncut = posteriors(mean, std, log_prior=None)
        cut = posteriors(mean, std, log_prior=prior)
        nearest = 0.7 * uncut.std()
        wanted = np.clip(uncut.mean(), LOW + nearest, HIGH - nearest)
        assert_allclose(cut.mean(), wanted, atol=0.003)
        assert (cut.std() < 1.05 * uncut.std()).all()

    def test_a_mixture_of_members_keeps_its_mean(self):
        prior = flat_prior()
        mean = [[13.65, 13.7, 13.8]]
        posterior = MassPosterior.from_gaussians(
            mean, np.full((1, 3), 0.1), log_prior=prior
        )
        assert_allclose(posterior.mean(), np.mean(mean), atol=1e-6)
        assert_allclose(posterior.std(), np.hypot(0.1, np.std(mean)), rtol=1e-3)
        assert posterior.cdf([LOW]) == 0


class TestPriorsThatOverruleTheData:
    @pytest.mark.parametrize("shift", [-4.5, -4.0, 4.0, 4.5])
    def test_both_tails_are_exact(self, shift):
        posterior = MassPosterior.from_gaussians([14.0], [0.1])
        moved = reweight_prior(posterior, -shift / (0.1 * LN_10))
        assert_allclose(moved.mean(), 14 + 0.1 * shift, atol=2e-4)
        assert_allclose(moved.std(), 0.1, rtol=2e-3)

    @pytest.mark.parametrize("shift", [-12.0, -6.0, 6.0, 12.0])
    def test_more_is_refused(self, shift):
        posterior = MassPosterior.from_gaussians([14.0, 14.0], [0.01, 0.1])
        with pytest.raises(
            ValueError, match=r"1 of 2 clusters \(first: cluster 1\) move to the ends"
        ):
            reweight_prior(posterior, -shift / (0.1 * LN_10))


class TestOfEstimators:
    def test_a_covariance_model_holds_its_power_law(self):
        X, log_mass = proxies_and_masses()
        flat = EvrardProxyRegressor().fit(X, log_mass)
        steep = EvrardProxyRegressor(beta=3.0).fit(X, log_mass)
        exchanged = reweight_prior(flat.predict_posterior(X), 3.0)
        assert_allclose(exchanged.mean(), steep.predict(X), atol=1e-4)
        taken_out = reweight_prior(steep.predict_posterior(X), None)
        assert_allclose(taken_out.mean(), flat.predict(X), atol=1e-4)

    def test_eddington_shift_is_that_of_brute_force(self):
        """Clusters of a steep mass function, weighed by a model of flat masses."""
        X, log_mass = proxies_and_masses(3000)
        model = EvrardProxyRegressor().fit(X, log_mass)
        rng = np.random.default_rng(5)
        true = 13.8 + rng.exponential(1 / (3 * LN_10), 20_000)
        s = LN_10 * true[:, None] + rng.normal(0, 0.4, (len(true), 1))
        # All that were drawn near one observable: their mean mass needs no formula.
        near = np.abs(s[:, 0] / LN_10 - 14.2) < 0.02
        assert near.sum() > 300
        posterior = model.predict_posterior(s[near])
        steep = reweight_prior(posterior, lambda m: np.exp(-3 * LN_10 * m) * (m > 13.8))
        error = true[near].std() / np.sqrt(near.sum())
        brute = true[near].mean()
        assert abs(steep.mean().mean() - brute) < 4 * error
        assert posterior.mean().mean() - brute > 10 * error

    def test_quantiles_and_draws_are_the_posteriors(self):
        X, log_mass = proxies_and_masses()
        model = EvrardProxyRegressor().fit(X, log_mass)
        mean, std = model.predict(X, return_std=True)
        low, middle, high = model.predict_quantiles(X).T
        assert_allclose(middle, mean, atol=1e-9)
        half = stats.norm.ppf(0.84) * std
        assert_allclose([middle - low, high - middle], [half, half], rtol=2e-3)
        assert model.predict_quantiles(X, 0.5).shape == mean.shape
        drawn = model.sample_posterior(X, 500, random_state=0)
        assert_allclose(drawn.mean(axis=1), mean, atol=5 * std[0] / np.sqrt(500))

    def test_pipelines_and_searches_hand_on_to_their_regressor(self):
        X, log_mass = proxies_and_masses()
        model = EvrardProxyRegressor()
        pipeline = make_pipeline(FunctionTransformer(np.log), model)
        pipeline.fit(np.exp(X), log_mass)
        expected = model.fit(X, log_mass).predict(X)
        assert_allclose(predict_posterior(pipeline, np.exp(X)).mean(), expected)
        assert_allclose(predict_posterior(pipeline[1:], X).mean(), expected)
        search = GridSearchCV(pipeline, {"evrardproxyregressor__beta": [0.0]}, cv=3)
        search.fit(np.exp(X), log_mass)
        assert_allclose(predict_posterior(search, np.exp(X)).mean(), expected)

    def test_a_model_without_a_posterior_is_told_the_way(self):
        X, log_mass = proxies_and_masses(20)
        forest = RandomForestRegressor(3).fit(X, log_mass)
        with pytest.raises(
            TypeError, match=r"RandomForestRegressor predicts no poster"
        ):
            predict_posterior(forest, X)

    def test_cross_validated_posteriors_come_from_models_that_left_it_out(self):
        X, log_mass = proxies_and_masses(60)
        cv = KFold(3, shuffle=True, random_state=1)
        posterior = cross_val_posterior(EvrardProxyRegressor(), X, log_mass, cv=cv)
        for train, test in cv.split(X):
            fold = EvrardProxyRegressor().fit(X[train], log_mass[train])
            assert_allclose(posterior[test].mean(), fold.predict(X[test]), atol=1e-9)

    def test_models_that_left_it_out_are_fitted_with_their_weights(self):
        X, log_mass = proxies_and_masses(60)
        cv, weight = KFold(3), np.random.default_rng(2).exponential(size=60)
        model = make_pipeline(FunctionTransformer(), EvrardProxyRegressor())
        posterior = cross_val_posterior(
            model, X, log_mass, cv=cv, params={"sample_weight": weight}
        )
        for train, test in cv.split(X):
            fold = EvrardProxyRegressor()
            fold.fit(X[train], log_mass[train], sample_weight=weight[train])
            assert_allclose(posterior[test].mean(), fold.predict(X[test]), atol=1e-9)

    def test_octants_are_the_folds_where_there_are_positions(self, sample, log_mass):
        from skcluster import ProxyMeasurer, QuadrantGroupKFold

        model = make_pipeline(
            ProxyMeasurer(proxies=("n_phot",)), EvrardProxyRegressor()
        )
        by_default = cross_val_posterior(model, sample, log_mass, n_jobs=1)
        octants = cross_val_posterior(
            model, sample, log_mass, cv=QuadrantGroupKFold(), n_jobs=1
        )
        assert_array_equal(by_default.probability, octants.probability)

    def test_folds_that_leave_clusters_out_are_an_error(self):
        X, log_mass = proxies_and_masses(20)
        half = [(np.arange(10), np.arange(10, 20))]
        with pytest.raises(
            ValueError, match=r"hold 10 clusters and leave out 10 of 20.*KFold"
        ):
            cross_val_posterior(EvrardProxyRegressor(), X, log_mass, cv=half)


def test_notebooks_show_numbers_and_a_curve_per_cluster():
    mean, std = np.linspace(14, 15, 25), np.full(25, 0.1)
    page = MassPosterior.from_gaussians(mean, std)._repr_html_()
    table = ElementTree.fromstring(page)
    assert table.find("caption").text == (
        "log10 M500c [Msun/h] of 25 clusters, the first 10"
    )
    header, *rows = table.iter("tr")
    assert [th.text for th in header][1:6] == ["mean", "std", "median", "16 %", "84 %"]
    assert len(rows) == 10
    for row, m in zip(rows, mean, strict=False):
        shown = [float(td.text) for td in list(row)[1:6]]
        # Quantiles of a Gaussian: 0.9945 standard deviations from its mean.
        expected = [m, 0.1, m, m - 0.09945, m + 0.09945]
        assert_allclose(shown, expected, atol=6e-4)
    # The curve of a Gaussian is highest at its mean, on the masses from 13.69 to 14.68.
    points = rows[0].find(".//polyline").get("points").split()
    x, y = np.array([point.split(",") for point in points], float).T
    low, high = 14 - 3.09 * 0.1, mean[9] + 3.09 * 0.1
    assert_allclose(low + x[np.argmin(y)] / 160 * (high - low), 14.0, atol=0.01)
    one = ElementTree.fromstring(
        MassPosterior.from_gaussians([14], [0.1])._repr_html_()
    )
    assert one.find("caption").text == "log10 M500c [Msun/h] of 1 cluster"
    none = MassPosterior.from_gaussians(mean, std)[:0]
    assert len([*ElementTree.fromstring(none._repr_html_()).iter("tr")]) == 1
