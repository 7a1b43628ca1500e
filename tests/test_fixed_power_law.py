"""Masses by a power law with given exponents, against hand-made self-similarity."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcluster import FixedPowerLawRegressor
from skcluster.datasets import make_mock_survey


@parametrize_with_checks([FixedPowerLawRegressor()])
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


def test_exponents_must_fit_the_columns():
    model = FixedPowerLawRegressor(exponents=[1.0, 2.0])
    with pytest.raises(
        ValueError, match=r"one number per observable \(1 beside the redshift\), got 2"
    ):
        model.fit([[0.0, 0.1], [1.0, 0.2]], [14, 15])
