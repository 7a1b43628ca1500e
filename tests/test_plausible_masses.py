"""Masses in another unit are refused by all who are given masses, with the unit named."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.exceptions import DataConversionWarning
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    EvrardProxyRegressor,
    IteratedRadiusRegressor,
    JointCNNRegressor,
    ProxyMeasurer,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    cross_val_posterior,
    residual_correlation,
    reweight_prior,
    search_proxies,
)
from skcluster.comparison import compare_estimators
from skcluster.metrics import (
    gaussian_pit,
    mass_bias,
    mass_residual,
    mass_scatter,
    neg_mass_scatter,
    summarize_residuals,
)
from skcluster.plausible_masses import (
    MASS_RANGE,
    check_evident_unit,
    check_same_unit,
    checked_log_mass,
)
from skcluster.posterior import MassPosterior

LN_10 = np.log(10)
RNG = np.random.default_rng(0)
LOG_MASS = RNG.uniform(13.5, 15.0, 60)


def with_placeholders(value):
    y = LOG_MASS.copy()
    y[[7, 20, 31]] = value
    return y


# What catalogs have in place of log10 of Msun/h, and the words that name it.
OTHER_UNITS = {
    "Msun": (10**LOG_MASS, r"60 of 60 .*first: cluster 0, .*like masses in Msun"),
    "1e13 Msun": (10 ** (LOG_MASS - 13), "like masses in 1e13 or 1e14 Msun"),
    "1e14 Msun": (10 ** (LOG_MASS - 14), "60 of 60 .*masses in 1e13 or 1e14 Msun"),
    "1e15 Msun": (10 ** (LOG_MASS - 15), "60 of 60 .*like masses in 1e13 or 1e14 Msun"),
    "ln M": (LOG_MASS * LN_10, "like ln of masses. Divide them by ln 10"),
    "g": (10**LOG_MASS * 1.989e33, "like masses in g"),
    "over a pivot": (LOG_MASS * LN_10 - 14.3 * LN_10, "over a pivot mass"),
    "-99": (with_placeholders(-99.0), r"3 of 60 .*such as -99, .*\(first: cluster 7\)"),
    "-1": (with_placeholders(-1), r"3 of 60 .* placeholders such as -1"),
    "0": (with_placeholders(0.0), "3 of 60 .* such as 0, which stand for no mass"),
    "9999": (with_placeholders(9999.0), "3 of 60 .*such as 9999"),
    "one slip": (np.append(LOG_MASS[:-1], 1.42), r"1 of 60 .*first: cluster 59, 1\.42"),
    "text": (np.append(LOG_MASS[:-1].astype(str), "A85"), r"1 of 60 .*59, .*'A85'"),
}


def sample():
    n = len(LOG_MASS)
    galaxies = [{"x": [0.1, 0.2], "y": [0.0, 0.1], "v": [100.0, -90.0]}] * n
    maps = RNG.poisson(2.0, (n, 1, 8, 8))
    return ClusterSample(np.full(n, 0.2), maps=maps, galaxies=galaxies)


SAMPLE = sample()
TABLE = 2 * LOG_MASS[:, None] + RNG.normal(0, 0.3, (60, 1))
TINY = {"max_epochs": 1, "device": "cpu", "n_threads": 1, "random_state": 0}
COUNT = make_pipeline(ProxyMeasurer(proxies=("n_gal",)), LinearRegression())
ESTIMATORS = {
    "networks": (XrayCNNRegressor(**TINY), SAMPLE),
    "joint networks": (JointCNNRegressor(**TINY), SAMPLE),
    "covariance model": (EvrardProxyRegressor(), TABLE),
    "calibration": (CalibratedMassRegressor(LinearRegression()), TABLE),
    "rotation": (RotationAugmentedRegressor(COUNT), SAMPLE),
}
TAKERS = {
    name: lambda y, model=model, X=X: clone(model).fit(X, y)
    for name, (model, X) in ESTIMATORS.items()
} | {
    "posteriors": lambda y: cross_val_posterior(EvrardProxyRegressor(), TABLE, y),
    "comparison": lambda y: compare_estimators(
        {"a": (LinearRegression(), TABLE)}, y, cv=KFold(3)
    ),
}


class TestTargets:
    @pytest.mark.parametrize("taker", TAKERS)
    @pytest.mark.parametrize("unit", OTHER_UNITS)
    def test_all_refuse_other_units_by_name(self, taker, unit):
        y, words = OTHER_UNITS[unit]
        with pytest.raises(ValueError, match=words):
            TAKERS[taker](y)

    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_the_message_says_who_and_the_way_out(self, name):
        model = ESTIMATORS[name][0]
        with pytest.raises(
            ValueError,
            match=r"y must be log10 of the mass in Msun/h, but 60 of 60 values given to "
            rf"{type(model).__name__} are outside of 10 to 17 .*np\.log10\(mass\) with "
            r"mass in Msun/h.* give mass_range=None",
        ):
            TAKERS[name](10**LOG_MASS)

    @pytest.mark.parametrize("name", ["networks", "covariance model", "calibration"])
    def test_targets_that_are_elsewhere_can_be_meant(self, name):
        model, X = ESTIMATORS[name]
        y = LOG_MASS - 14.3
        model = clone(model).set_params(mass_range=None).fit(X, y)
        assert np.isfinite(model.predict(X)).all()
        model.set_params(mass_range=(-2.0, 2.0)).fit(X, y)
        with pytest.raises(ValueError, match=r"60 of 60 .* are outside of 3 to 4"):
            model.set_params(mass_range=(3, 4)).fit(X, y)

    @pytest.mark.parametrize("name", ESTIMATORS)
    @pytest.mark.parametrize("wrong", [(17, 10), 14.0, "all", (10,), (np.nan, 17)])
    def test_a_range_that_is_none_is_an_error(self, name, wrong):
        model, X = ESTIMATORS[name]
        with pytest.raises(ValueError, match=r"mass_range must be the lowest and"):
            clone(model).set_params(mass_range=wrong).fit(X, LOG_MASS)

    def test_the_smallest_group_and_the_largest_cluster_pass(self):
        assert MASS_RANGE == (10.0, 17.0)
        assert_array_equal(checked_log_mass([10, 17.0], by="a"), [10.0, 17.0])
        assert np.isnan(checked_log_mass([np.nan, 14.0], by="a")[0])

    def test_few_placeholders_among_another_unit_are_told_besides(self):
        y = 10 ** (LOG_MASS - 14)
        y[3] = -99.0
        with pytest.raises(
            ValueError,
            match=r"59 of 60 .*1e14 Msun.* 1 more are placeholders such as -99",
        ):
            checked_log_mass(y, by="a")

    def test_numbers_that_are_written_out_are_numbers(self):
        y = np.array(["14.2", "13.9"], object)
        assert_array_equal(checked_log_mass(y, by="a"), [14.2, 13.9])


MEASURES = [
    mass_residual,
    mass_bias,
    mass_scatter,
    lambda y, p, **options: summarize_residuals(y, p, n_resamples=9, **options),
    lambda y, p, **_: neg_mass_scatter(Predicts(p), np.zeros((len(y), 1)), y),
]


class Predicts(RegressorMixin, BaseEstimator):
    def __init__(self, predicted=None):
        self.predicted = predicted

    def predict(self, X):
        return self.predicted


class TestMetrics:
    @pytest.mark.parametrize("measure", MEASURES)
    @pytest.mark.parametrize("unit", sorted({*OTHER_UNITS} - {"text", "over a pivot"}))
    def test_true_masses_in_another_unit_are_refused(self, measure, unit):
        y, words = OTHER_UNITS[unit]
        with pytest.raises(ValueError, match=words):
            measure(y, y * 1.01)

    @pytest.mark.parametrize("measure", MEASURES)
    @pytest.mark.parametrize(
        ("convert", "unit"),
        [
            (lambda y: 10**y, "masses in Msun"),
            (lambda y: y * LN_10, "ln of masses"),
            (lambda y: 10 ** (y - 14), "masses in 1e14 Msun"),
            (lambda y: 10 ** (y - 13), "masses in 1e13 Msun"),
            (lambda y: y - 14, "log10 of masses over 1e14 Msun"),
        ],
    )
    def test_predicted_masses_in_another_unit_are_refused(self, measure, convert, unit):
        predicted = convert(LOG_MASS + np.random.default_rng(1).normal(0, 0.15, 60))
        with pytest.raises(ValueError, match=f"but y_pred looks like {unit}"):
            measure(LOG_MASS, predicted)

    def test_poor_predictions_pass(self):
        """Whoever learns nothing, or diverges, gets numbers and not an error."""
        for predicted in (
            np.zeros(60),
            np.full(60, 335.0),
            LOG_MASS - 5,
            10 * LOG_MASS,
        ):
            assert_allclose(mass_residual(LOG_MASS, predicted), predicted - LOG_MASS)

    def test_residuals_about_zero_pass(self):
        residual = RNG.normal(0, 0.1, 60)
        assert_allclose(mass_scatter(np.zeros(60), residual), residual.std())
        assert mass_scatter(residual, residual) == 0

    def test_other_targets_can_be_meant(self):
        temperature = RNG.uniform(1, 12, 60)
        with pytest.raises(ValueError, match="y_true must be log10"):
            mass_scatter(temperature, temperature)
        assert mass_scatter(temperature, temperature, mass_range=None) == 0
        assert mass_scatter(temperature, temperature, mass_range=(0, 20)) == 0
        table = compare_estimators(
            {"a": (LinearRegression(), temperature[:, None])},
            temperature,
            cv=KFold(3),
            mass_range=None,
        ).table
        assert_allclose(table["std_dex"][0], 0, atol=1e-12)

    @pytest.mark.parametrize("unit", ["Msun", "1e14 Msun", "ln M", "-99"])
    def test_the_pit_of_masses_in_another_unit_is_refused(self, unit):
        y, _ = OTHER_UNITS[unit]
        with pytest.raises(ValueError, match=r"Msun/h|placeholders"):
            gaussian_pit(y, LOG_MASS, 0.1)

    def test_helpers_take_numbers_of_any_kind(self):
        check_evident_unit([], by="a")
        check_evident_unit([np.nan, -99.0], by="a")
        check_same_unit(a=np.array([np.nan, 14.0]), b=np.array([3.0, 9.0]))


class TestPosteriors:
    posterior = MassPosterior.from_gaussians(LOG_MASS, np.full(60, 0.15))

    @pytest.mark.parametrize("unit", ["Msun", "1e14 Msun", "ln M", "g", "-99", "0"])
    def test_a_probability_below_another_unit_is_refused(self, unit):
        y, words = OTHER_UNITS[unit]
        with pytest.raises(ValueError, match=words):
            self.posterior.cdf(y)

    def test_limits_and_far_tails_pass(self):
        assert_allclose(self.posterior.cdf(np.inf), 1)
        assert (self.posterior.cdf(-np.inf) == 0).all()
        assert (self.posterior.cdf(10.5) == 0).all()
        wide = MassPosterior.from_gaussians([14.0], [2.0])
        assert wide.cdf([8.0]) > 0
        elsewhere = MassPosterior.from_gaussians([0.2], [0.1])
        assert_allclose(elsewhere.cdf([40.0]), 1)

    def test_a_prior_in_msun_is_refused_and_the_cure_has_the_right_value(self):
        """beta = 2 moves a Gaussian by -2 sigma^2 ln 10, from 14.4206 to 14.2785."""
        std = np.sqrt((14.4206 - 14.2785) / (2 * LN_10))
        posterior = MassPosterior.from_gaussians([14.4206], [std])
        mass = np.geomspace(1e12, 1e17, 2000)
        density = (mass / 1e14) ** -2.0
        for table, unit in [
            ([mass, density], "masses in Msun"),
            ([np.log(mass), density], "ln of masses"),
            ([mass / 1e14, density], "masses in 1e13 or 1e14 Msun"),
            ([np.log10(mass / 1e14), density], "over a pivot mass"),
        ]:
            words = f"posteriors lie at 14.42. Its masses look like {unit}"
            if unit == "over a pivot mass":
                words = "goes from -2 to 3 in log10 M, but the posteriors lie at 14.42"
            with pytest.raises(ValueError, match=words):
                reweight_prior(posterior, table)
        new = reweight_prior(posterior, [np.log10(mass), density])
        assert_allclose(new.mean(), 14.2785, atol=2e-4)

    def test_a_prior_about_other_masses_is_refused(self):
        with pytest.raises(ValueError, match=r"goes from 15\.5 to 16 in log10 M, but"):
            reweight_prior(self.posterior, [[15.5, 16.0], [1.0, 0.5]])
        elsewhere = MassPosterior.from_gaussians([0.2], [0.1])
        shifted = reweight_prior(elsewhere, [[-1.0, 1.0], [1.0, 2.0]])
        assert shifted.mean() > elsewhere.mean()


class TestMissingMasses:
    @pytest.mark.parametrize("name", ESTIMATORS)
    def test_masked_targets_are_missing(self, name):
        model, X = ESTIMATORS[name]
        y = np.ma.masked_array(LOG_MASS, np.arange(len(LOG_MASS)) < 3)
        with pytest.raises(
            ValueError, match=r"no value for 3 of 60 clusters \(first: c"
        ):
            clone(model).fit(X, y)

    def test_masked_masses_are_not_measured(self):
        y = np.ma.masked_array(LOG_MASS, np.arange(len(LOG_MASS)) < 3)
        with pytest.raises(ValueError, match="y_pred is NaN or infinite for 3 of 60"):
            mass_scatter(LOG_MASS, y)
        posterior = MassPosterior.from_gaussians(LOG_MASS, np.full(60, 0.1))
        with pytest.raises(ValueError, match="log_mass has no value in 3 of 60"):
            posterior.cdf(y)


def test_log10_of_kilograms_and_grams_are_named():
    for unit in (30.3, 33.3):
        with pytest.raises(ValueError, match="look like log10 of masses in kg or g"):
            checked_log_mass(LOG_MASS + unit, by="a")


@pytest.mark.parametrize("function", [search_proxies, residual_correlation])
def test_searches_and_correlations_can_be_given_masses_that_are_elsewhere(function):
    rng = np.random.default_rng(0)
    ln_s = np.log(10) * LOG_MASS[:, None] + rng.normal(0, 0.3, (60, 2))
    with pytest.raises(ValueError, match=r"look like masses in Msun.* mass_range=None"):
        function(ln_s, 10**LOG_MASS, names=["a", "b"])
    number = "scatter" if function is search_proxies else "rho"
    expected = function(ln_s, LOG_MASS, names=["a", "b"])[number]
    found = function(ln_s, LOG_MASS - 14, names=["a", "b"], mass_range=None)[number]
    assert_allclose(found, expected, rtol=1e-6)


class TestColumns:
    """Masses are a column of one per cluster, to everyone who is given clusters."""

    OBSERVABLES = np.column_stack([3 * LOG_MASS, LOG_MASS]) + np.random.default_rng(
        5
    ).normal(0, 0.1, (len(LOG_MASS), 2))

    @pytest.mark.parametrize(
        "Wrapper", [RotationAugmentedRegressor, IteratedRadiusRegressor]
    )
    def test_regressors_around_others_compare_lengths(self, Wrapper, sample, log_mass):
        model = Wrapper(
            make_pipeline(ProxyMeasurer(proxies=["n_phot"]), LinearRegression())
        )
        with pytest.raises(
            ValueError, match="X holds 60 clusters, but y holds 59 masses"
        ):
            model.fit(sample, log_mass[:-1])

    @pytest.mark.parametrize("function", [residual_correlation, search_proxies])
    def test_functions_of_observables_compare_lengths(self, function):
        n = len(LOG_MASS)
        with pytest.raises(
            ValueError, match=f"X holds {n} clusters, but log_mass holds {n - 1} masses"
        ):
            function(self.OBSERVABLES, LOG_MASS[:-1], names=["a", "b"])

    @pytest.mark.parametrize(
        ("function", "options"),
        [
            (residual_correlation, {"random_state": 0}),
            (search_proxies, {}),
            (search_proxies, {"cv": KFold(3)}),
        ],
    )
    def test_a_column_of_masses_is_as_good_as_a_row(self, function, options):
        options = {"names": ["a", "b"], **options}
        expected = function(self.OBSERVABLES, LOG_MASS, **options)
        with pytest.warns(DataConversionWarning, match="column-vector y was passed"):
            found = function(self.OBSERVABLES, LOG_MASS[:, None], **options)
        for name in expected.colnames:
            assert_array_equal(found[name], expected[name])
