"""Masses by a power law with given exponents, against hand-made self-similarity."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcluster import FixedPowerLawRegressor
from skcluster.datasets import make_mock_survey


@parametrize_with_checks([FixedPowerLawRegressor(mass_range=None)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_y_x_of_the_mock_with_self_similar_exponents():
    survey = make_mock_survey(200, random_state=0)
    mass, kt = survey.catalog["gas_mass"], survey.catalog["temperature"]
    redshift = survey.sample.redshift
    X = np.column_stack([np.log(mass), np.log(kt), redshift])
    model = FixedPowerLawRegressor(exponents=[0.6, 0.6], evolution=-0.4)
    predicted, std = model.fit(X, survey.log_mass).predict(X, return_std=True)
    # Flat LCDM by hand, without radiation, with the matter density of WMAP7.
    growth = np.sqrt(0.272 * (1 + redshift) ** 3 + 0.728)
    shape = 0.6 * np.log10(mass * kt) - 0.4 * np.log10(growth)
    expected = shape + np.mean(survey.log_mass - shape)
    assert_allclose(predicted, expected, atol=2e-4)
    assert_allclose(std, np.std(survey.log_mass - expected, ddof=1), rtol=1e-3)


def test_parameters_that_are_set_after_the_fit_move_nothing():
    X = np.array([[0.0, 1.0, 0.1], [1.0, -1.0, 0.3], [2.0, 0.5, 0.6]])
    log_mass = [14.0, 14.5, 14.7]
    model = FixedPowerLawRegressor(exponents=[0.6, 0.3], evolution=-0.4)
    model.fit(X, log_mass)
    expected = model.predict(X)
    model.set_params(exponents=0.2, evolution=1.0, cosmology="Planck18")
    assert_array_equal(model.predict(X), expected)
    assert_array_equal(model.exponents_, [0.6, 0.3])
    again = model.fit(X, log_mass).predict(X)
    other = FixedPowerLawRegressor(exponents=0.2, evolution=1.0, cosmology="Planck18")
    assert_array_equal(again, other.fit(X, log_mass).predict(X))
    assert_array_equal(model.exponents_, [0.2, 0.2])


def test_exponents_must_fit_the_columns():
    model = FixedPowerLawRegressor(exponents=[1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"one number per observable \(1 beside the redshift\), got 2"
    ):
        model.fit([[0.0, 0.1], [1.0, 0.2]], [14, 15])


def test_a_last_column_that_holds_no_redshifts_is_refused():
    counts = np.log(np.full((5, 1), 2000.0))
    model = FixedPowerLawRegressor(evolution=-0.4)
    text = r"3 of 5 values of the redshift, the last column of X, .* like velocities cz"
    with pytest.raises(ValueError, match=text):
        model.fit(np.column_stack([counts, [0.1, 0.2, 3e4, 4e4, 6e4]]), np.full(5, 14))
    with pytest.raises(ValueError, match=r"last column of X, .* cluster 1, -7\.6\)"):
        model.fit(np.column_stack([counts, [0.1, -7.6, 0.2, 0.3, 0.4]]), np.full(5, 14))


def test_an_observable_in_place_of_a_forgotten_redshift_is_refused():
    ln_s, log_mass = np.log([[2e3, 0.5], [4e3, 0.7]]), [14, 14.5]
    text = r"2 of 2 values of the redshift, the last column of X, .*cluster 0, -0\.69"
    with pytest.raises(ValueError, match=text):
        FixedPowerLawRegressor().fit(ln_s, log_mass)
    model = FixedPowerLawRegressor().fit(
        np.column_stack([ln_s[:, 0], [0.1, 0.2]]), log_mass
    )
    with pytest.raises(ValueError, match=text):
        model.predict(ln_s)


def test_masses_that_are_no_logarithms_are_refused():
    X = np.column_stack([np.zeros(5), np.full(5, 0.2)])
    with pytest.raises(ValueError, match="they look like masses in Msun"):
        FixedPowerLawRegressor().fit(X, np.geomspace(1e14, 1e15, 5))


def test_masked_observables_are_refused():
    X = np.column_stack([np.linspace(0, 1, 5), np.full(5, 0.2)])
    gaps = np.ma.masked_equal(X, 0.25)
    model = FixedPowerLawRegressor().fit(X, np.full(5, 14))
    for use in (model.predict, lambda X: model.fit(X, np.full(5, 14))):
        with pytest.raises(ValueError, match=r"X has no value in 1 of 5 .*row 1"):
            use(gaps)


def test_integer_weights_are_clusters_given_again():
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=30), np.full(30, 0.2)])
    y, n_times = rng.uniform(13.5, 15, 30), rng.integers(0, 4, 30)
    weighted = FixedPowerLawRegressor().fit(X, y, n_times)
    rows = np.repeat(np.arange(30), n_times)
    repeated = FixedPowerLawRegressor().fit(X[rows], y[rows])
    assert_allclose(weighted.intercept_, repeated.intercept_, rtol=1e-12)
    assert_allclose(weighted.residual_std_, repeated.residual_std_, rtol=1e-12)
    with pytest.raises(
        ValueError, match=r"sums up to 0\.9, but a weight is the number"
    ):
        FixedPowerLawRegressor().fit(X, y, np.full(30, 0.03))
