"""A contest's statistics and costs, against closed forms and other packages."""

import json

import numpy as np
import pytest
import torch
from astropy.table import Table
from numpy.testing import assert_allclose
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.ensemble import RandomForestRegressor
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.utils import Bunch

from skcluster import EvrardProxyRegressor, XrayCNNRegressor
from skcluster.contest import fingerprints
from skcluster.contest.accuracy import gain_over, summarize
from skcluster.contest.cost import count_learned, measured
from skcluster.contest.figures import fastest_and_best, scatter_figure, time_figure
from skcluster.contest.fingerprints import agree, defaults_within, described
from skcluster.contest.results import summary_table
from skcluster.io.kept_arrays import fingerprint_of


def predictions(n=2000, *, seed=0, scatter=0.1, std=0.1, group=None):
    rng = np.random.default_rng(seed)
    true = rng.uniform(13.5, 15, n)
    return Bunch(
        log_mass=true,
        predicted=true + rng.normal(0, scatter, n),
        redshift=rng.uniform(0.1, 0.4, n),
        std=None if std is None else np.full(n, std),
        group=group,
    )


class TestSummary:
    def test_slopes_are_those_of_linear_regression(self):
        fold = predictions()
        fold.predicted -= 0.2 * (fold.log_mass - 14) - 0.5 * fold.redshift
        residual = fold.predicted - fold.log_mass
        summary = summarize(fold)
        for name, x in (("mass", fold.log_mass), ("redshift", fold.redshift)):
            line = stats.linregress(x, residual)
            assert_allclose(summary[f"{name}_slope"], line.slope, rtol=1e-9)
            assert_allclose(summary[f"{name}_slope_error"], line.stderr, rtol=0.15)
        assert_allclose(summary["mass_slope"], -0.2, atol=0.03)

    def test_errors_of_gaussian_residuals_are_the_textbooks(self):
        summary = summarize(predictions(2000, scatter=0.1))
        assert_allclose(summary["std_dex_error"], 0.1 / np.sqrt(4000), rtol=0.1)
        assert_allclose(summary["mean_bias_dex_error"], 0.1 / np.sqrt(2000), rtol=0.1)

    @pytest.mark.parametrize("factor", [0.5, 1.0, 2.0])
    def test_coverage_is_that_of_errors_that_are_wrong_by_a_factor(self, factor):
        summary = summarize(predictions(5000, scatter=0.1, std=0.1 * factor))
        for level in (0.68, 0.95):
            half = factor * stats.norm.ppf((1 + level) / 2)
            expected = stats.norm.cdf(half) - stats.norm.cdf(-half)
            found = summary[f"coverage_{100 * level:.0f}"]
            error = np.sqrt(expected * (1 - expected) / 5000)
            assert abs(found - expected) < 4 * error
            if 5000 * (1 - expected) > 100:
                bootstrap = summary[f"coverage_{100 * level:.0f}_error"]
                assert_allclose(bootstrap, error, rtol=0.15)

    def test_without_errors_there_is_no_coverage(self):
        summary = summarize(predictions(100, std=None))
        assert np.isnan(summary["coverage_68"])
        assert np.isnan(summary["coverage_95_error"])

    def test_planted_outliers_are_counted(self):
        fold = predictions(1000, scatter=0.0)
        residual = np.linspace(-0.1, 0.1, 1000)  # nothing beyond 3 half-widths of 0.068
        fold.predicted = fold.log_mass + residual
        assert summarize(fold)["outlier_fraction"] == 0
        fold.predicted[:40] += 10.0  # which moves the mean by 6 half-widths
        assert_allclose(summarize(fold)["outlier_fraction"], 0.04)

    def test_percent_is_the_scatter_in_ln_mass(self):
        summary = summarize(predictions(100))
        for name in ("std", "robust", "mean_bias", "median_bias"):
            for ending in ("", "_error"):
                dex = summary[f"{name}_dex{ending}"]
                percent = 100 * np.log(10) * dex
                assert_allclose(summary[f"{name}_percent{ending}"], percent)

    def test_copies_of_a_halo_do_not_make_errors_smaller(self):
        one = predictions(300)
        twice = Bunch(
            **{
                name: np.tile(column, 2)
                if column is not None
                else np.tile(range(300), 2)
                for name, column in one.items()
            }
        )
        alone, together = summarize(one), summarize(twice)
        for name in ("std_dex", "median_bias_dex", "mass_slope", "coverage_68"):
            assert_allclose(together[name], alone[name], rtol=1e-9, atol=1e-3)
            assert_allclose(
                together[f"{name}_error"], alone[f"{name}_error"], rtol=0.02, atol=2e-4
            )

    def test_a_gain_is_paired(self):
        reference, other = predictions(1000), predictions(1000)
        residual = reference.predicted - reference.log_mass
        extra = np.random.default_rng(1).normal(0, 0.01, 1000)
        other.predicted = other.log_mass + 0.8 * residual + extra
        gain = gain_over(reference, other)
        expected = 1 - np.std(0.8 * residual + extra) / np.std(residual)
        assert_allclose(gain["std_gain"], expected)
        # Unpaired, the error would be 0.8 sqrt(2) / sqrt(2 n) = 0.025.
        assert gain["std_gain_error"] < 0.003

    def test_a_robust_gain_is_that_of_the_central_68_per_cent(self):
        reference, other = predictions(1001), predictions(1001)
        residual = np.linspace(-0.1, 0.1, 1001)
        reference.predicted = reference.log_mass + residual
        is_central = np.abs(residual) < 0.075
        halved = np.where(is_central, residual / 2, residual)
        other.predicted = other.log_mass + halved
        assert_allclose(gain_over(reference, other)["robust_gain"], 0.5)

    def test_one_cluster_has_no_errors(self):
        fold = predictions(1)
        assert np.isnan(summarize(fold)["std_dex_error"])


class TestCost:
    @pytest.mark.skipif(
        not (measured(int)[1].peak_mib >= 0), reason="only Linux tells the peak"
    )
    def test_the_peak_is_that_of_the_call_alone(self):
        ballast = np.ones(2**23)  # 64 MiB before
        result, cost = measured(lambda: np.ones(2**24).sum())
        assert result == 2**24
        assert 120 < cost.peak_mib < 160
        assert measured(int)[1].peak_mib < 20
        assert ballast[0] == 1

    def test_seconds_are_of_the_clock_and_of_the_cpu(self):
        _, cost = measured(lambda: sum(range(10**6)))
        assert 0 < cost.cpu_seconds < cost.seconds + 0.05

    def test_weights_of_networks_are_those_that_torch_counts(self):
        rng = np.random.default_rng(0)
        maps, y = rng.poisson(1, (30, 2, 16, 16)), rng.uniform(13.5, 15, 30)
        network = XrayCNNRegressor(
            max_epochs=1, n_members=2, n_threads=1, random_state=0
        ).fit(maps, y)
        assert isinstance(network.net_.module_, torch.nn.Module)
        expected = sum(
            weight.numel()
            for net in network.nets_
            for weight in net.module_.parameters()
        )
        assert count_learned(network) == expected

    def test_coefficients_of_a_quadratic_ridge(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        pipeline = make_pipeline(PolynomialFeatures(2), StandardScaler(), RidgeCV())
        assert count_learned(pipeline.fit(X, X[:, 0])) == 10 + 1

    def test_nodes_of_a_forest(self):
        X = np.random.default_rng(0).normal(size=(50, 3))
        forest = RandomForestRegressor(5, random_state=0).fit(X, X[:, 0])
        expected = sum(tree.tree_.node_count for tree in forest.estimators_)
        assert count_learned(forest) == expected

    def test_power_laws_with_their_covariance(self):
        rng = np.random.default_rng(0)
        y = rng.uniform(13.5, 15, 60)
        X = np.log(10) * y[:, None] + rng.normal(0, 0.3, (60, 2))
        assert count_learned(EvrardProxyRegressor().fit(X, y)) == 2 + 2 + 3

    def test_an_estimator_may_count_for_itself(self):
        class Own(BaseEstimator):
            n_parameters_ = 17

        assert count_learned(Own()) == 17


class TestFingerprint:
    def test_a_default_counts_like_the_same_value_given(self):
        assert described(RidgeCV()) == described(RidgeCV(alphas=(0.1, 1.0, 10.0)))
        assert described(RidgeCV())["parameters"]["alphas"] == [0.1, 1.0, 10.0]

    @pytest.mark.parametrize(
        "change", [{"lr": 2e-3}, {"n_members": 2}, {"precision": "bfloat16"}]
    )
    def test_every_parameter_that_changes_results_counts(self, change):
        one, other = XrayCNNRegressor(), XrayCNNRegressor(**change)
        assert fingerprint_of(described(one)) != fingerprint_of(described(other))
        in_pipeline = [
            fingerprint_of(described(make_pipeline(StandardScaler(), each)))
            for each in (one, other)
        ]
        assert in_pipeline[0] != in_pipeline[1]

    def test_what_changes_no_result_does_not_count(self):
        one = XrayCNNRegressor()
        other = XrayCNNRegressor(
            n_threads=1, device="cpu", verbose=1, keep_memory=False, checkpoint_dir="x"
        )
        assert described(one) == described(other)

    def test_a_parameter_of_another_version_counts_as_what_changed_nothing(
        self, monkeypatch
    ):
        estimator = make_pipeline(StandardScaler(), XrayCNNRegressor(n_members=2))
        today, defaults = described(estimator), defaults_within(estimator)

        def of_version(joined=(), deleted=()):
            """Description by a version with other parameters of the network."""
            there = json.loads(json.dumps(today))
            parameters = there["parameters"]["steps"][1][1]["parameters"]
            for name in deleted:
                del parameters[name]
            parameters.update(joined)
            return there

        assert agree(of_version(), today, defaults)
        # Before a parameter joined, nothing was as with another value than its default.
        assert agree(of_version(deleted=["lr"]), today, defaults)
        assert not agree(of_version(deleted=["n_members"]), today, defaults)
        # A default that was another one at that time counts with its former value.
        assert not agree(of_version({"lr": 2e-3}), today, defaults)
        # Of parameters that are gone, the value that changed nothing is in a table.
        assert not agree(of_version({"gone": 0.0}), today, defaults)
        table = {"skcluster.XrayCNNRegressor": {"gone": 0.0, "lr": 2e-3}}
        monkeypatch.setattr(fingerprints, "VALUES_WHERE_ABSENT", table)
        assert agree(of_version({"gone": 0.0}), today, defaults)
        assert not agree(of_version({"gone": 0.3}), today, defaults)
        assert not agree(of_version(deleted=["lr"]), today, defaults)

    def test_a_class_a_step_or_a_key_more_is_another_estimator(self):
        one = make_pipeline(StandardScaler(), RidgeCV())
        defaults = defaults_within(one)
        for other in (
            RidgeCV(),
            make_pipeline(RidgeCV()),
            make_pipeline(RidgeCV(), one),
        ):
            assert not agree(described(one), described(other), defaults)
        assert not agree({"a": 1}, {"a": 1, "b": None}, {})

    def test_numbers_agree_up_to_the_rounding_of_processors(self):
        alphas = np.logspace(-1, 4, 11)
        here, there, other = (
            described(RidgeCV(each))
            for each in (alphas, np.nextafter(alphas, 1), alphas * (1 + 1e-9))
        )
        assert here != there
        assert agree(here, there, {})
        assert not agree(here, other, {})

    def test_arrays_and_functions_count(self):
        a, same, b = np.arange(3.0), np.arange(3.0), np.arange(4.0)
        assert described(a) == described(same) != described(b)
        assert described(np.log) != described(np.exp)


class TestFigures:
    @pytest.fixture
    def summary(self):
        rows = []
        for name, scatter, seconds in (("slow", 0.05, 90.0), ("fast", 0.1, 1.0)):
            for seed in (0, 1):
                row = {"estimator": name, "seed": seed, "n_folds": 1}
                row |= summarize(predictions(100, seed=seed, scatter=scatter))
                row |= {"fit_cpu_seconds": seconds, "fit_seconds": seconds}
                rows.append(row | {"predict_ms": 1, "peak_mib": 1, "n_parameters": 1})
        from astropy.table import Table

        return summary_table(Table(rows=rows))

    def test_the_best_estimator_is_at_the_top(self, summary):
        pytest.importorskip("matplotlib")
        (ax,) = scatter_figure(summary).axes
        labels = [label.get_text() for label in ax.get_yticklabels()]
        assert labels == ["fast", "slow"]  # from below
        drawn = ax.containers[0].lines[0].get_xdata()
        assert_allclose(drawn, sorted(summary["std_percent"])[::-1])

    def test_time_goes_to_the_right_and_scatter_up(self, summary):
        pytest.importorskip("matplotlib")
        figure = time_figure(summary)
        (ax,) = figure.axes
        points = ax.containers[0].lines[0]
        assert_allclose(points.get_xdata(), summary["fit_cpu_seconds"])
        assert_allclose(points.get_ydata(), summary["std_percent"])
        assert ax.get_xscale() == "log"
        names = dict(text.get_text().split() for text in figure.legends[0].get_texts())
        where = {names[text.get_text()]: text.xy for text in ax.texts}
        for row in summary:
            assert_allclose(
                where[row["estimator"]], (row["fit_cpu_seconds"], row["std_percent"])
            )

    def test_an_estimator_that_is_slower_and_worse_is_not_on_the_line(self):
        rng = np.random.default_rng(0)
        seconds, scatter = rng.random((2, 30))
        expected = [
            i
            for i in np.argsort(seconds)
            if not np.any((seconds < seconds[i]) & (scatter <= scatter[i]))
        ]
        assert fastest_and_best(seconds, scatter).tolist() == expected


def test_copies_of_a_halo_do_not_make_errors_of_gains_smaller():
    reference, other = predictions(300), predictions(300)
    other.predicted = other.log_mass + 0.5 * np.roll(
        other.predicted - other.log_mass, 1
    )
    alone = gain_over(reference, other)
    twice = [
        Bunch(
            **{
                name: np.tile(column if column is not None else range(300), 2)
                for name, column in each.items()
            }
        )
        for each in (reference, other)
    ]
    together = gain_over(*twice)
    assert_allclose(together["std_gain"], alone["std_gain"])
    assert_allclose(together["std_gain_error"], alone["std_gain_error"], rtol=0.02)


def test_bars_are_the_larger_of_both_errors():
    columns = {
        "std_percent": [20.0, 30.0],
        "robust_percent": [19.0, 29.0],
        "std_percent_error": [1.0, 2.0],
        "robust_percent_error": [1.0, 1.0],
        "std_percent_between_seeds": [3.0, 0.5],
        "robust_percent_between_seeds": [np.nan, np.nan],
    }
    (ax,) = scatter_figure(Table({"estimator": ["a", "b"]} | columns)).axes
    for bar, size in zip(ax.containers, ([2, 3], [1, 1]), strict=True):
        (lines,) = bar.lines[2]
        assert_allclose([np.ptp(s[:, 0]) / 2 for s in lines.get_segments()], size)
