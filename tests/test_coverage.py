"""Coverage and PIT: closed forms of posteriors that are right, and of wrong ones."""

import numpy as np
import pytest
from astropy import units
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skcluster.metrics import (
    coverage_table,
    gaussian_pit,
    interval_coverage,
    pit_histogram,
    pit_uniformity,
)
from skcluster.posterior import MassPosterior

LEVELS = np.array([0.5, 0.68, 0.9, 0.95])
Z = stats.norm.ppf(0.5 + LEVELS / 2)
pits = arrays(float, st.integers(2, 12), elements=st.floats(0, 1))


def evenly(n=20_000):
    """Quantiles of a uniform distribution: n PITs without noise."""
    return (np.arange(n) + 0.5) / n


def pit_of_wrong_width(k, n=20_000):
    """PITs where errors are given as k times what they are."""
    return gaussian_pit(stats.norm.ppf(evenly(n)), np.zeros(n), k)


class TestGaussianPIT:
    def test_it_is_the_gaussians_cumulative_probability(self):
        rng = np.random.default_rng(0)
        true, mean, std = rng.normal(14, 0.3, (3, 50)) * [[1], [1], [0.01]]
        expected = stats.norm.cdf(true, mean, std)
        assert_allclose(gaussian_pit(true, mean, std), expected, atol=1e-15)
        assert gaussian_pit([14.5], [14.0], 0.1) > 0.5

    def test_it_is_that_of_a_posterior(self):
        mean, std = np.array([13.8, 14.5]), np.array([0.05, 0.2])
        posterior = MassPosterior.from_gaussians(mean, std)
        true = mean + std * [0.3, -1.7]
        assert_allclose(gaussian_pit(true, mean, std), posterior.cdf(true), atol=2e-4)

    @pytest.mark.parametrize("std", [0.0, -0.1])
    def test_a_width_that_is_none_is_an_error(self, std):
        message = r"positive, but for 1 of 2 clusters .*cluster 1, -?0"
        with pytest.raises(ValueError, match=message):
            gaussian_pit([14, 14], [14, 14], [0.1, std])

    def test_columns_of_other_lengths_are_an_error(self):
        with pytest.raises(ValueError, match="y_true has 2 clusters, but std has 1"):
            gaussian_pit([14, 14], [14, 14], [0.1])
        with pytest.raises(ValueError, match="mean is NaN or infinite for 1 of 2"):
            gaussian_pit([14, 14], [14, np.nan], 0.1)


class TestIntervals:
    @pytest.mark.parametrize("k", [0.5, 0.8, 1.0, 1.3, 2.0])
    def test_errors_wrong_by_a_factor_cover_as_the_gaussian_says(self, k):
        coverage, _ = interval_coverage(pit_of_wrong_width(k), LEVELS)
        assert_allclose(coverage, 2 * stats.norm.cdf(k * Z) - 1, atol=1e-4)

    def test_a_bias_covers_as_the_gaussian_says(self):
        n = 20_000
        pit = gaussian_pit(stats.norm.ppf(evenly(n)) + 0.7, np.zeros(n), 1.0)
        expected = stats.norm.cdf(Z - 0.7) - stats.norm.cdf(-Z - 0.7)
        assert_allclose(interval_coverage(pit, LEVELS)[0], expected, atol=1e-4)

    def test_an_interval_is_central(self):
        pit = np.array([0.0, 0.04, 0.06, 0.94, 0.96, 1.0])
        assert interval_coverage(pit, 0.9)[0] == 2 / 6

    @pytest.mark.parametrize("n", [1, 30, 2000])
    def test_its_error_is_that_of_the_binomial_distribution(self, n):
        _, error = interval_coverage(np.full(n, 0.5), LEVELS)
        assert_allclose(error, stats.binom(n, LEVELS).std() / n)

    def test_copies_of_a_halo_bring_no_news(self):
        rng = np.random.default_rng(0)
        pit, halo = rng.random(200), np.arange(200)
        alone = interval_coverage(pit)
        copies = interval_coverage(np.tile(pit, 4), groups=np.tile(halo, 4))
        assert_allclose(copies, alone)

    def test_of_unequal_halos_the_error_is_that_of_their_copied_fates(self):
        """Halos of 1, 2 and 9 snapshots that are all inside or all outside."""
        size, level = np.array([1, 2, 9]), 0.68
        _, error = interval_coverage(
            np.full(12, 0.5), level, groups=np.repeat([5, 3, 8], size)
        )
        fates = np.array(np.meshgrid(*[[0, 1]] * 3)).reshape(3, -1)
        weight = np.prod(np.where(fates, level, 1 - level), axis=0)
        fraction = size @ fates / 12
        assert_allclose(error**2, weight @ (fraction - level) ** 2)

    def test_one_level_gives_one_number(self):
        coverage, error = interval_coverage(evenly(100), 0.5)
        assert np.ndim(coverage) == np.ndim(error) == 0
        assert_allclose([coverage, error], [0.5, 0.05])

    @given(pits, st.randoms(use_true_random=False))
    def test_the_order_of_clusters_does_not_matter(self, pit, random):
        rows = list(range(len(pit)))
        random.shuffle(rows)
        assert_allclose(interval_coverage(pit[rows]), interval_coverage(pit))
        assert_array_equal(pit_histogram(pit[rows])[1], pit_histogram(pit)[1])

    @given(pits, st.lists(st.floats(0.001, 0.999), min_size=2, max_size=9))
    def test_wider_intervals_cover_no_less(self, pit, levels):
        coverage, _ = interval_coverage(pit, sorted(levels))
        assert (np.diff(coverage) >= 0).all()

    @given(arrays(float, 9, elements=st.integers(0, 64).map(lambda k: k / 64)))
    def test_over_and_underestimated_masses_count_alike(self, pit):
        mirrored = interval_coverage(1 - pit, [0.3, 0.68])
        assert_array_equal(mirrored, interval_coverage(pit, [0.3, 0.68]))

    @pytest.mark.parametrize("level", [68, 0.0, 1.0, [0.5, -0.1], [np.nan], []])
    def test_a_level_is_a_probability(self, level):
        with pytest.raises(ValueError, match=r"between 0 and 1, such as 0\.68, got"):
            interval_coverage([0.5, 0.6], level)

    @pytest.mark.parametrize(
        ("pit", "message"),
        [
            (
                [0.2, 1.1, -3],
                r"outside of \[0, 1\] for 2 of 3 .*cluster 1, 1\.1\).*cdf",
            ),
            ([0.2, np.nan], r"pit is NaN or infinite for 1 of 2 .*cluster 1\)"),
            ([], r"pit must be 1-d with at least 1 cluster, got the shape \(0,\)"),
            ([[0.5]], r"pit must be 1-d .* \(1, 1\)"),
        ],
    )
    def test_what_is_no_pit_is_refused_by_all(self, pit, message):
        measures = interval_coverage, coverage_table, pit_histogram, pit_uniformity
        for measure in measures:
            with pytest.raises(ValueError, match=message):
                measure(pit)

    def test_groups_are_one_a_cluster(self):
        with pytest.raises(ValueError, match=r"groups has the shape \(2,\), but .* 3"):
            interval_coverage([0.1, 0.5, 0.9], groups=[1, 2])


def gaussian_population(n=40_000, width=0.4, noise=0.3, seed=0):
    """Truths, and the mean and error of their posteriors: all Gaussian, all right."""
    rng = np.random.default_rng(seed)
    true = rng.normal(0, width, n)
    weight = width**2 / (width**2 + noise**2)
    mean = weight * (true + rng.normal(0, noise, n))
    return true, mean, noise * np.sqrt(weight), weight


class TestTable:
    def test_a_row_for_all_and_one_a_bin(self):
        rng = np.random.default_rng(0)
        pit, mass = rng.random((2, 103))
        redshift = rng.choice([0.1, 0.2, 0.4], 103, p=[0.6, 0.3, 0.1])
        table = coverage_table(pit, by={"mass": mass, "redshift": redshift})
        assert list(table["quantity"]) == ["all"] + ["mass"] * 4 + ["redshift"] * 3
        assert table["n"][0] == table["n"][1:5].sum() == table["n"][5:].sum() == 103
        assert np.ptp(table["n"][1:5]) <= 1
        assert table["low"].mask.tolist() == [True] + [False] * 7
        assert_array_equal(table["low"][5:], [0.1, 0.2, 0.4])
        assert_array_equal(table["high"][5:], [0.1, 0.2, 0.4])
        assert_array_equal(table["high"][4], mass.max())

    def test_each_row_is_what_its_clusters_cover(self):
        rng = np.random.default_rng(1)
        pit, mass, halo = rng.random(90), rng.random(90), rng.integers(0, 30, 90)
        table = coverage_table(
            pit, by={"mass": mass}, n_bins=3, levels=[0.68, 0.9973], groups=halo
        )
        for row in table[1:]:
            inside = (mass >= row["low"]) & (mass <= row["high"])
            coverage, error = interval_coverage(
                pit[inside], [0.68, 0.9973], groups=halo[inside]
            )
            assert row["n"] == inside.sum()
            assert_allclose([row["coverage_68"], row["coverage_99.73"]], coverage)
            assert_allclose([row["error_68"], row["error_99.73"]], error)

    @given(
        arrays(
            float, st.integers(1, 12), elements=st.sampled_from([0.1, 0.2, 0.3, 0.5])
        ),
        st.integers(1, 6),
    )
    def test_a_snapshot_is_never_cut(self, redshift, n_bins):
        pit = np.full(len(redshift), 0.5)
        rows = coverage_table(pit, by={"z": redshift}, n_bins=n_bins)[1:]
        assert rows["n"].sum() == len(redshift)
        assert (rows["high"][:-1] < rows["low"][1:]).all()
        n_distinct = len(np.unique(redshift))
        assert len(rows) <= min(n_bins, n_distinct)
        if n_distinct <= n_bins:
            assert_array_equal(rows["low"], np.unique(redshift))

    def test_right_posteriors_cover_in_bins_of_predicted_mass(self):
        true, mean, std, _ = gaussian_population()
        pit = gaussian_pit(true, mean, std)
        table = coverage_table(pit, by={"predicted": mean}, n_bins=5)
        for level in LEVELS:
            percent = f"{100 * level:g}"
            off = table[f"coverage_{percent}"] - level
            assert (np.abs(off) < 3.5 * table[f"error_{percent}"]).all()

    def test_at_one_true_mass_right_posteriors_cover_less_or_more(self):
        """Given the truth t, its z-score is normal about (1 - w) t / s, with sqrt(w)."""
        true, mean, std, weight = gaussian_population(400_000)
        pit = gaussian_pit(true, mean, std)
        edges = np.quantile(true, [0, 0.01, 0.5, 0.51, 0.99, 1])
        bins = {"true": np.digitize(true, edges[1:-1])}
        rows = coverage_table(pit, by=bins, n_bins=5)[1:]
        for i in (0, 2, 4):
            t = true[bins["true"] == i]
            center = (1 - weight) * t[:, None] / std
            high, low = (
                stats.norm.cdf((sign * Z - center) / np.sqrt(weight)).mean(axis=0)
                for sign in (1, -1)
            )
            found = [rows[f"coverage_{100 * level:g}"][i] for level in LEVELS]
            assert_allclose(found, high - low, atol=0.02)
        assert rows["coverage_68"][0] < 0.5 < 0.7 < rows["coverage_68"][2]

    def test_the_callers_columns_stay_as_they_are(self):
        pit = np.array([0.1, 0.4, 0.8])
        by = {"mass": np.array([14.2, 13.9, 14.8])}
        coverage_table(pit, by=by, n_bins=2)
        assert_array_equal(pit, [0.1, 0.4, 0.8])
        assert_array_equal(by["mass"], [14.2, 13.9, 14.8])

    @pytest.mark.parametrize("n_bins", [0, 2.5])
    def test_bins_are_counted(self, n_bins):
        with pytest.raises(
            ValueError, match=f"n_bins must be a positive int, got {n_bins}"
        ):
            coverage_table([0.5], n_bins=n_bins)

    @pytest.mark.parametrize("kind", ["data frame", "table", "with a unit"])
    def test_quantities_of_any_table_are_those_of_a_dict(self, kind):
        rng = np.random.default_rng(0)
        pit, exposure = rng.uniform(size=200), rng.uniform(1, 2, 200)
        by = {"exposure": exposure}
        expected = coverage_table(pit, by=by, n_bins=2)
        given = {
            "data frame": pytest.importorskip("pandas").DataFrame(by),
            "table": Table(by),
            "with a unit": {"exposure": exposure * units.ks},
        }[kind]
        found = coverage_table(pit, by=given, n_bins=2)
        for name in ("low", "high", "n", "coverage_68"):
            assert found[name].tolist() == expected[name].tolist()

    def test_a_quantity_that_does_not_fit_is_named(self):
        with pytest.raises(ValueError, match="pit has 2 clusters, but mass has 3"):
            coverage_table([0.1, 0.5], by={"mass": [14, 14.5, 15]})
        with pytest.raises(ValueError, match="redshift is NaN or infinite for 1 of 2"):
            coverage_table([0.1, 0.5], by={"redshift": [0.1, np.nan]})


class TestHistogram:
    @pytest.mark.parametrize("k", [0.6, 1.0, 1.7])
    def test_errors_wrong_by_a_factor_make_a_hump_or_a_trough(self, k):
        edges, fraction, _ = pit_histogram(pit_of_wrong_width(k), n_bins=20)
        below = stats.norm.cdf(k * stats.norm.ppf(edges))
        assert_allclose(fraction, np.diff(below), atol=1e-4)

    def test_underestimated_masses_rise_to_the_right(self):
        n = 1000
        true = stats.norm.ppf(evenly(n)) + 1
        _, fraction, _ = pit_histogram(gaussian_pit(true, np.zeros(n), 1.0))
        assert (np.diff(fraction) > 0).all()

    def test_both_ends_are_inside(self):
        edges, fraction, _ = pit_histogram([0.0, 0.5, 1.0], n_bins=4)
        assert_array_equal(edges, [0, 0.25, 0.5, 0.75, 1])
        assert_allclose(fraction, [1 / 3, 0, 1 / 3, 1 / 3])

    def test_its_error_is_that_of_the_binomial_distribution(self):
        _, _, error = pit_histogram(np.full(70, 0.3), n_bins=8)
        assert_allclose(error, stats.binom(70, 1 / 8).std() / 70)

    @pytest.mark.parametrize("n_bins", [1, 3.5])
    def test_bins_are_counted(self, n_bins):
        with pytest.raises(
            ValueError, match=f"n_bins must be an int of at least 2, got {n_bins}"
        ):
            pit_histogram([0.5], n_bins)


class TestUniformity:
    def test_its_p_value_is_scipys(self):
        pit = np.random.default_rng(2).beta(1.2, 1.0, 300)
        assert_allclose(pit_uniformity(pit), stats.kstest(pit, "uniform").pvalue)

    def test_it_is_uniform_where_posteriors_are_right(self):
        rng = np.random.default_rng(0)
        p_values = [pit_uniformity(rng.random(50)) for _ in range(200)]
        assert stats.kstest(p_values, "uniform").pvalue > 0.01

    def test_copies_of_a_halo_bring_no_news(self):
        pit = np.random.default_rng(1).beta(1.3, 1.0, 100)
        copies = pit_uniformity(np.tile(pit, 5), groups=np.tile(np.arange(100), 5))
        assert_allclose(copies, pit_uniformity(pit))
        assert pit_uniformity(np.tile(pit, 5)) < copies / 3
