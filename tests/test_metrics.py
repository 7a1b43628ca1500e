import pickle
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.linear_model import Ridge
from sklearn.model_selection import GridSearchCV, cross_val_score

from skcluster.metrics import (
    bootstrap_error,
    dex_to_percent,
    mass_bias,
    mass_residual,
    mass_scatter,
    neg_mass_scatter,
    neg_mass_scatter_robust,
    summarize_residuals,
)

TABLE_3 = [(0.0510, 11.75), (0.3057, 70.39), (0.1479, 34.07), (0.0773, 17.80)]

log_masses = arrays(float, 15, elements=st.floats(13, 16))


def made_masses(n, sigma=0.1, bias=0.0, random_state=0):
    rng = np.random.default_rng(random_state)
    log_mass = rng.uniform(13.5, 15, n)
    return log_mass, log_mass + rng.normal(bias, sigma, n)


def test_residual_is_positive_where_the_mass_is_overestimated():
    true, predicted = np.array([1e14, 4e14]), np.array([2e14, 1e14])
    residual = mass_residual(np.log10(true), np.log10(predicted))
    assert_allclose(residual, np.log10(predicted / true))
    assert residual[0] > 0


@pytest.mark.parametrize(("dex", "percent"), TABLE_3)
def test_percent_scatter_is_the_scatter_in_ln_mass(dex, percent):
    half_last_digit = 0.00005 * 230.3 + 0.005
    assert_allclose(dex_to_percent(dex), percent, atol=half_last_digit)


def test_percent_is_100_times_the_natural_logarithm():
    log_mass, predicted = made_masses(50, bias=0.05)
    ratio = 10 ** (predicted - log_mass)
    in_percent = {"unit": "percent"}
    assert_allclose(
        mass_scatter(log_mass, predicted, **in_percent), 100 * np.log(ratio).std()
    )
    assert_allclose(
        mass_bias(log_mass, predicted, **in_percent),
        100 * np.log(np.median(ratio)),
        rtol=1e-2,
    )
    assert_array_equal(dex_to_percent([0, 1]), [0, 100 * np.log(10)])


def test_masked_scatters_are_refused():
    with pytest.raises(ValueError, match=r"dex has no value in 1 of 2 rows"):
        dex_to_percent(np.ma.array([0.1, -99.0], mask=[False, True]))


def test_gaussian_residuals_have_their_bias_and_both_scatters():
    log_mass, predicted = made_masses(200_000, sigma=0.08, bias=-0.03)
    for kind in ("median", "mean"):
        assert_allclose(mass_bias(log_mass, predicted, kind=kind), -0.03, atol=0.001)
    assert_allclose(mass_scatter(log_mass, predicted), 0.08, rtol=0.01)
    half_width = 0.08 * stats.norm.ppf(0.84)
    robust = mass_scatter(log_mass, predicted, kind="robust")
    assert_allclose(robust, half_width, rtol=0.01)


def test_robust_scatter_is_read_off_the_percentiles():
    residual = np.arange(101) / 100
    assert_allclose(mass_scatter(np.zeros(101), residual, kind="robust"), 0.34)


def test_one_outlier_moves_the_std_and_the_mean_only():
    log_mass = np.full(101, 14.0)
    predicted = log_mass + np.linspace(-0.1, 0.1, 101)
    before = summarize_residuals(log_mass, predicted, n_resamples=2)
    predicted[-1] = 24.0
    after = summarize_residuals(log_mass, predicted, n_resamples=2)
    assert after["std_dex"] > 10 * before["std_dex"]
    assert after["mean_bias_dex"] > 0.09
    assert_allclose(after["robust_dex"], before["robust_dex"])
    assert_allclose(after["median_bias_dex"], 0, atol=1e-12)


@given(log_masses, log_masses, st.floats(-1, 1))
def test_a_shift_moves_the_bias_and_leaves_the_scatter(log_mass, predicted, shift):
    for kind in ("std", "robust"):
        before = mass_scatter(log_mass, predicted, kind=kind)
        after = mass_scatter(log_mass, predicted + shift, kind=kind)
        assert_allclose(after, before, atol=1e-12)
    for kind in ("median", "mean"):
        before = mass_bias(log_mass, predicted, kind=kind)
        after = mass_bias(log_mass, predicted + shift, kind=kind)
        assert_allclose(after, before + shift, atol=1e-12)


@pytest.mark.parametrize(
    ("statistic", "options", "message"),
    [
        (
            mass_scatter,
            {"kind": "mad"},
            r"kind must be one of \['std', 'robust'\].*'mad'",
        ),
        (mass_scatter, {"unit": "%"}, r"unit must be one of \['dex', 'percent'\].*'%'"),
        (
            mass_bias,
            {"kind": "std"},
            r"kind must be one of \['median', 'mean'\].*'std'",
        ),
    ],
)
def test_an_unknown_kind_or_unit_is_named(statistic, options, message):
    with pytest.raises(ValueError, match=message):
        statistic([14.0, 14.5], [14.0, 14.5], **options)


@pytest.mark.parametrize(
    ("log_mass", "predicted", "message"),
    [
        ([14, 14], [14], "y_true has 2 clusters, but y_pred has 1"),
        ([14, 14, np.nan, np.inf], [14] * 4, r"y_true is NaN .* 2 of 4 .*cluster 2\)"),
        ([14, 14], [np.nan, 14], r"y_pred is NaN or infinite for 1 of 2 .*cluster 0\)"),
        ([], [], r"y_true must be 1-d with at least 1 cluster, got the shape \(0,\)"),
        ([14, 14], [[14], [14]], r"y_pred must be 1-d .* \(2, 1\)"),
    ],
)
def test_masses_that_cannot_be_compared_are_explained(log_mass, predicted, message):
    for metric in (mass_residual, mass_bias, mass_scatter, summarize_residuals):
        with pytest.raises(ValueError, match=message):
            metric(log_mass, predicted)


def test_bootstrap_error_of_a_gaussian_is_its_closed_form():
    n, sigma = 2000, 0.1
    log_mass, predicted = made_masses(n, sigma)
    of_std = bootstrap_error(mass_scatter, log_mass, predicted, random_state=0)
    assert_allclose(of_std, sigma / np.sqrt(2 * (n - 1)), rtol=0.1)
    errors = summarize_residuals(log_mass, predicted, random_state=0)
    assert_allclose(errors["std_dex_error"], of_std, rtol=1e-9)
    assert_allclose(errors["mean_bias_dex_error"], sigma / np.sqrt(n), rtol=0.1)
    # Maritz & Jarrett's formula is what resampling the median converges to.
    (of_median,) = stats.mstats.mjci(predicted - log_mass, prob=[0.5])
    assert_allclose(errors["median_bias_dex_error"], of_median, rtol=0.1)


def test_bootstrap_error_agrees_with_scipy():
    log_mass, predicted = made_masses(150)
    rng = np.random.default_rng(1)
    expected = stats.bootstrap(
        (predicted - log_mass,), np.std, n_resamples=4000, random_state=rng
    ).standard_error
    error = bootstrap_error(
        mass_scatter, log_mass, predicted, n_resamples=4000, random_state=1
    )
    assert_allclose(error, expected, rtol=0.06)


def test_repeated_halos_inflate_the_error_by_the_root_of_the_repeats():
    log_mass, predicted = made_masses(400)
    halo = np.arange(400)
    alone = bootstrap_error(mass_scatter, log_mass, predicted, random_state=0)
    # Copies of a halo in four snapshots bring no news, though clusters look independent.
    repeated = [np.tile(column, 4) for column in (log_mass, predicted)]
    naive = bootstrap_error(mass_scatter, *repeated, random_state=0)
    honest = bootstrap_error(
        mass_scatter, *repeated, groups=np.tile(halo, 4), random_state=0
    )
    assert_allclose(naive, alone / 2, rtol=0.1)
    assert_allclose(honest, alone, rtol=1e-9)


def test_whole_halos_are_drawn():
    size = {14.0: 1, 15.0: 2, 16.0: 4}
    halo = np.random.default_rng(0).permutation(np.repeat([*size], [*size.values()]))

    def drawn_halos(_, drawn):
        copies = [np.sum(drawn == mass) / n for mass, n in size.items()]
        assert np.sum(copies) == 3
        assert (np.mod(copies, 1) == 0).all()
        return copies

    error = bootstrap_error(drawn_halos, halo, halo, groups=halo, random_state=0)
    # Three draws of three halos: each comes up n p (1 - p) = 2/3 in variance.
    assert_allclose(error, np.sqrt(2 / 3), rtol=0.1)


def test_random_state_fixes_the_error():
    masses = made_masses(50)
    first, second, other = (
        bootstrap_error(mass_scatter, *masses, n_resamples=20, random_state=seed)
        for seed in (3, 3, 4)
    )
    assert first == second != other


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_resamples": 1}, "n_resamples must be an int of at least 2, got 1"),
        ({"n_resamples": 9.5}, "n_resamples must be an int of at least 2, got 9.5"),
        ({"groups": [1, 2]}, r"groups has the shape \(2,\), but there are 5 clusters"),
        ({"groups": [7] * 5}, "at least 2 groups; all 5 are one"),
        (
            {"groups": [1, 1, 2, np.nan, np.nan]},
            r"one string or finite number .*2 of 5 are NaN .*first: cluster 3\)",
        ),
        ({"groups": ["a", None, "b", "b", None]}, "no label for 2 of 5 clusters"),
        (
            {"groups": np.ma.masked_equal([1, 1, 2, -1, -1], -1)},
            r"groups has no value in 2 of 5 rows \(first: row 3\)",
        ),
    ],
)
def test_a_bootstrap_that_makes_no_sense_is_explained(options, message):
    with pytest.raises(ValueError, match=message):
        bootstrap_error(mass_scatter, *made_masses(5), **options)


def test_summary_holds_every_metric_in_both_units():
    masses = made_masses(300, bias=0.02)
    summary = summarize_residuals(*masses, random_state=0, n_resamples=50)
    assert summary.pop("n_clusters") == 300
    for unit in ("dex", "percent"):
        expected = {
            "std": mass_scatter(*masses, unit=unit),
            "robust": mass_scatter(*masses, kind="robust", unit=unit),
            "mean_bias": mass_bias(*masses, kind="mean", unit=unit),
            "median_bias": mass_bias(*masses, unit=unit),
        }
        for name, value in expected.items():
            assert summary.pop(f"{name}_{unit}") == value
            assert 0 < summary.pop(f"{name}_{unit}_error") < 0.2 * expected["std"]
    assert not summary


@pytest.mark.parametrize("halos", [None, np.arange(90) // 4])
def test_errors_of_a_summary_are_those_of_its_metrics(halos):
    """To the last bit, of halos that all have one cluster and of others."""
    metrics = {
        "std": mass_scatter,
        "robust": partial(mass_scatter, kind="robust"),
        "mean_bias": partial(mass_bias, kind="mean"),
        "median_bias": mass_bias,
    }

    def all_of_them(*masses):
        return [metric(*masses) for metric in metrics.values()]

    options = {"groups": halos, "n_resamples": 50, "random_state": 3}
    summary = summarize_residuals(*made_masses(90), **options)
    errors = bootstrap_error(all_of_them, *made_masses(90), **options)
    assert [summary[f"{name}_dex_error"] for name in metrics] == errors.tolist()


@pytest.mark.parametrize(
    ("scorer", "kind"), [(neg_mass_scatter, "std"), (neg_mass_scatter_robust, "robust")]
)
def test_a_scorer_is_minus_the_scatter_wherever_scoring_is_asked_for(scorer, kind):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 3))
    y = 14 + X @ [0.3, 0.2, 0.1] + rng.normal(0, 0.1, 90)
    model = Ridge().fit(X, y)
    expected = -mass_scatter(y, model.predict(X), kind=kind)
    assert pickle.loads(pickle.dumps(scorer))(model, X, y) == expected
    assert (cross_val_score(model, X, y, scoring=scorer, cv=3) < 0).all()
    search = GridSearchCV(model, {"alpha": [1e-3, 1e4]}, scoring=scorer, cv=3, n_jobs=2)
    assert search.fit(X, y).best_params_ == {"alpha": 1e-3}


@pytest.mark.parametrize(
    "metric",
    [
        mass_bias,
        partial(mass_bias, kind="mean"),
        mass_scatter,
        partial(mass_scatter, kind="robust"),
    ],
)
def test_integer_weights_are_clusters_given_again(metric):
    rng = np.random.default_rng(0)
    y_true, n_times = rng.uniform(13.5, 15, 40), rng.integers(0, 4, 40)
    y_pred = y_true + rng.normal(0, 0.1, 40)
    rows = np.repeat(np.arange(40), n_times)
    weighted = metric(y_true, y_pred, sample_weight=n_times)
    residual = (y_pred - y_true)[rows]
    if "robust" in str(metric):
        q = np.quantile(residual, [0.16, 0.84], method="averaged_inverted_cdf")
        assert_allclose(weighted, np.ptp(q) / 2, rtol=1e-12)
    else:
        assert_allclose(weighted, metric(y_true[rows], y_pred[rows]), rtol=1e-12)
    with pytest.raises(ValueError, match=r"sample_weight of mass_\w+ has the shape"):
        metric(y_true, y_pred, sample_weight=n_times[1:])
