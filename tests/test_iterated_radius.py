"""Apertures that follow from the mass, against closed forms and without the truth."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    EvrardProxyRegressor,
    IteratedRadiusRegressor,
    ProxyMeasurer,
    cross_val_posterior,
    predict_posterior,
)
from skcluster.cosmology import comoving_distance, r500c_of_mass
from skcluster.datasets import make_mock_survey
from skcluster.estimator_parts import enter, predicts_std
from skcluster.proxies.iterated_radius import MASSES_WITH_RADIUS
from skcluster.sample.units import TABLE

COUNTER = ProxyMeasurer(proxies=("n_phot_500c",), with_redshift=True)
N_PHOTONS, R_MAX = 20_000, 3.0


class CountLaw(RegressorMixin, BaseEstimator):
    """log10 M = 14 + log10(N / 1000) / 1.5, whatever it is fitted to."""

    def fit(self, X, y):
        self.is_fitted_ = True
        return self

    def predict(self, X):
        return 14 + (X[:, 0] / np.log(10) - 3) / 1.5


class Guess(RegressorMixin, BaseEstimator):
    """The same mass for all clusters; keeps the radii that it is fitted with."""

    def __init__(self, log_mass, error=0.1):
        self.log_mass = log_mass
        self.error = error

    def fit(self, X, y, sample_weight=None):
        self.radius_ = X.r500c
        return self

    def predict(self, X, return_std=False):
        mean = np.full(len(X), self.log_mass)
        return (mean, np.full(len(X), self.error)) if return_std else mean


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(120, random_state=1)


@pytest.fixture
def spread():
    """Clusters whose photons are spread evenly in radius: N(< R) = f N R / R_max."""
    redshift = np.array([0.1, 0.2, 0.4])
    degrees = np.degrees(R_MAX / comoving_distance(redshift))
    tables = []
    for share, size in zip((0.2, 0.5, 1.0), degrees, strict=True):
        n = int(share * N_PHOTONS)
        dec = size * (np.arange(n) + 0.5) / n
        tables.append({"ra": np.zeros(n), "dec": dec, "energy": np.ones(n)})
    return ClusterSample(redshift, center=np.zeros((3, 2)), photons=tables)


def test_the_fixed_point_is_that_of_the_closed_form(spread):
    model = IteratedRadiusRegressor(make_pipeline(COUNTER, CountLaw()))
    found = model.fit(spread, [14.0, 14.3, 14.6]).predict(spread)
    # M = 1e14 (f N R / (1000 R_max))^(2/3) with R = R_14 (M / 1e14)^(1/3):
    # (M / 1e14)^(1 - 2/9) = (f N R_14 / (1000 R_max))^(2/3).
    radius = r500c_of_mass([1e14] * 3, spread.redshift)
    count = np.array([0.2, 0.5, 1.0]) * N_PHOTONS * radius / R_MAX / 1000
    expected = 14 + np.log10(count) * (2 / 3) / (1 - 2 / 9)
    assert_allclose(found, expected, atol=1e-3)  # one photon of about 1000


def test_radii_are_those_of_the_cosmology_that_it_is_given():
    own, redshift, log_mass = FlatLambdaCDM(50, 0.9), [0.1, 0.4], [14.0, 15.0]
    density = 500 * own.critical_density(redshift).to_value("Msun / Mpc3")

    def radius(log_mass):
        physical = np.cbrt(10 ** np.array(log_mass) / own.h / (4 / 3 * np.pi * density))
        return physical * own.h * (1 + np.array(redshift))

    sample = ClusterSample(redshift)
    model = IteratedRadiusRegressor(Guess(14.5), cosmology=own).fit(sample, log_mass)
    assert_allclose(model.estimator_.radius_, radius(log_mass), rtol=2e-4)
    found = model.with_iterated_radius(sample).r500c
    assert_allclose(found, radius([14.5, 14.5]), rtol=2e-4)


def test_a_cosmology_that_is_set_after_the_fit_moves_nothing(spread):
    model = IteratedRadiusRegressor(make_pipeline(COUNTER, CountLaw()))
    expected = model.fit(spread, [14.0, 14.3, 14.6]).predict(spread)
    assert_array_equal(model.set_params(cosmology="Planck18").predict(spread), expected)
    assert model.cosmology_ == "WMAP7"


def test_weights_count_in_the_scale_of_errors():
    model = IteratedRadiusRegressor(Guess(14.0, error=0.1))
    sample, log_mass = ClusterSample([0.1, 0.2, 0.3]), [14.1, 14.4, 14.4]
    model.fit(sample, log_mass, sample_weight=[6, 1, 1])
    # Errors of 1, 4 and 4 times what the estimator says.
    assert_allclose(model.error_scale_, np.sqrt((6 * 1**2 + 2 * 4**2) / 8))


def test_infinite_errors_do_not_count_in_the_scale_of_errors():
    class Unsure(Guess):
        def predict(self, X, return_std=False):
            mean = np.full(len(X), self.log_mass)
            error = np.where(X.redshift > 0.25, np.inf, self.error)
            return (mean, error) if return_std else mean

    model = IteratedRadiusRegressor(Unsure(14.0, error=0.1))
    model.fit(ClusterSample([0.1, 0.2, 0.3]), [14.1, 14.4, 14.4])
    assert_allclose(model.error_scale_, np.sqrt((1**2 + 4**2) / 2))
    model.fit(ClusterSample([0.3, 0.4, 0.5]), [14.1, 14.4, 14.4])
    assert np.isnan(model.error_scale_)


def test_a_mass_is_consistent_with_its_own_radius(survey):
    model = IteratedRadiusRegressor(
        make_pipeline(COUNTER, EvrardProxyRegressor(redshift_column=-1))
    ).fit(survey.sample, survey.log_mass)
    found = model.predict(survey.sample)
    radius = r500c_of_mass(10**found, survey.sample.redshift)
    again = model.estimator_.predict(survey.sample.assign(r500c=radius))
    assert_allclose(again, found, atol=1e-6)


def test_the_true_radius_of_the_sample_is_never_read(survey):
    model = IteratedRadiusRegressor(
        make_pipeline(COUNTER, EvrardProxyRegressor(redshift_column=-1))
    )
    blind = survey.sample.drop("r500c")
    wrong = survey.sample.assign(r500c=np.full(len(blind), 0.5))
    one, other = (
        model.fit(sample, survey.log_mass).predict(sample, return_std=True)
        for sample in (blind, wrong)
    )
    assert_array_equal(one[0], other[0])
    assert_array_equal(one[1], other[1])


def test_the_estimator_inside_is_given_radii_of_the_masses_and_not_the_true_ones(
    survey,
):
    law = make_pipeline(COUNTER, EvrardProxyRegressor(redshift_column=-1))
    model = IteratedRadiusRegressor(law).fit(survey.sample, survey.log_mass)
    for sample in (survey.sample, survey.sample.drop("r500c")):
        found, entered = enter(make_pipeline(model), sample)
        assert found is model
        found, entered = enter(model, entered)
        assert found is model.estimator_
        masses = model.predict(sample)
        radius = r500c_of_mass(10**masses, sample.redshift)
        assert_allclose(entered.r500c, radius, rtol=1e-6)  # masses to 1e-6
        assert_allclose(found.predict(entered), masses, atol=1e-9)


def test_posteriors_that_would_lack_the_error_of_the_radius_are_refused(survey):
    law = EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    model = IteratedRadiusRegressor(make_pipeline(COUNTER, law))
    model.fit(survey.sample, survey.log_mass)
    match = "IteratedRadiusRegressor predicts no posterior.*CalibratedMassRegressor"
    for outer in (model, FrozenEstimator(model), make_pipeline(model)):
        with pytest.raises(TypeError, match=match):
            predict_posterior(outer, survey.sample)
    with pytest.raises(TypeError, match=match):
        cross_val_posterior(model, survey.sample, survey.log_mass, cv=2)
    calibrated = CalibratedMassRegressor(model, cv=2)
    calibrated.fit(survey.sample, survey.log_mass)
    halved = survey.sample.assign(r500c=survey.sample.r500c / 2)
    one, other = (
        predict_posterior(calibrated, sample) for sample in (survey.sample, halved)
    )
    assert_array_equal(one.mean(), other.mean())


def test_the_fit_is_that_inside_the_true_radius(survey):
    truth = r500c_of_mass(10**survey.log_mass, survey.sample.redshift)
    pipeline = make_pipeline(COUNTER, EvrardProxyRegressor(redshift_column=-1))
    model = IteratedRadiusRegressor(pipeline).fit(survey.sample, survey.log_mass)
    pipeline.fit(survey.sample.assign(r500c=truth), survey.log_mass)
    assert_array_equal(model.estimator_[-1].slope_, pipeline[-1].slope_)


def test_a_wrong_radius_costs_what_errors_then_say(survey):
    pipeline = make_pipeline(
        COUNTER, EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    )
    iterated = IteratedRadiusRegressor(pipeline).fit(survey.sample, survey.log_mass)
    assert predicts_std(iterated)
    predicted, std = iterated.predict(survey.sample, return_std=True)
    radius = r500c_of_mass(10**survey.log_mass, survey.sample.redshift)
    known = iterated.estimator_.predict(survey.sample.assign(r500c=radius))
    residual = predicted - survey.log_mass
    assert residual.std() > 1.03 * np.std(known - survey.log_mass)
    assert_allclose(np.sqrt(np.mean((residual / std) ** 2)), 1)


def test_an_estimator_without_errors_gets_none(spread):
    model = IteratedRadiusRegressor(make_pipeline(COUNTER, CountLaw()))
    model.fit(spread, [14.0, 14.3, 14.6])
    assert np.isnan(model.error_scale_)
    assert not predicts_std(model)
    with pytest.raises(TypeError, match="return_std"):
        model.predict(spread, return_std=True)


def test_a_mass_that_does_not_settle_is_a_warning(spread):
    model = IteratedRadiusRegressor(
        make_pipeline(COUNTER, CountLaw()), max_iterations=1
    )
    with pytest.warns(
        ConvergenceWarning, match=r"of 3 clusters .*Raise max_iterations"
    ):
        model.fit(spread, [14.0, 14.3, 14.6])


def test_radii_of_all_masses_that_it_may_try_are_plausible():
    redshift = np.geomspace(1e-3, TABLE["redshift"].high, 50)
    for log_mass in MASSES_WITH_RADIUS:
        radius = r500c_of_mass(np.full(50, 10**log_mass), redshift)
        assert ClusterSample(redshift, r500c=radius).r500c.shape == (50,)


def test_an_error_names_the_cluster_by_its_row_in_the_sample(spread):
    """The others have converged and are left out when the fourth has no more photons."""
    model = IteratedRadiusRegressor(make_pipeline(COUNTER, CountLaw()), tolerance=1.5)
    model.fit(spread, [14.0, 14.3, 14.6])
    # Its one photon lies within the first radius, and outside of that of its own mass.
    (first,) = r500c_of_mass(np.array([10**model.start_]), np.array([0.2]))
    dec = np.degrees(0.9 * first / comoving_distance([0.2]))
    photon = {"ra": [0.0], "dec": dec, "energy": [1.0]}
    faint = ClusterSample([0.2], center=np.zeros((1, 2)), photons=[photon])
    with pytest.raises(
        ValueError, match=r"is 0 for 1 of 4 clusters \(first: cluster 3\)"
    ):
        model.predict(ClusterSample.concatenate([spread, faint]))
