"""Masses from count rates by a published relation, against quadrature and closed forms."""

import numpy as np
import pandas as pd
import pytest
from astropy.cosmology import WMAP7, FlatLambdaCDM
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad
from scipy.stats import norm
from sklearn.base import clone
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    CountRateMassRegressor,
    ProxyMeasurer,
    predict_posterior,
    reweight_prior,
)
from skcluster.evrard.count_rate import RELATIONS

COSMOLOGY = FlatLambdaCDM(H0=70, Om0=0.3)
LN_10 = np.log(10)


def log_rate(log_mass, z, cosmology=COSMOLOGY, **changed):
    """ln of the mean rate, as the equation is printed; log10 M in Msun/h."""
    p = RELATIONS["ghirardini2024_second_hand"] | changed
    pivot = p["pivot_redshift"]
    mass = 10**log_mass / cosmology.h / p["pivot_mass"]
    opening = np.log((1 + z) / (1 + pivot))
    distance = cosmology.luminosity_distance(z) / cosmology.luminosity_distance(pivot)
    return (
        np.log(p["pivot_rate"] * p["amplitude"])
        + (p["mass_slope"] + p["mass_slope_evolution"] * opening) * np.log(mass)
        + p["distance_slope"] * np.log(distance.value)
        + p["growth_slope"] * np.log(cosmology.efunc(z) / cosmology.efunc(pivot))
        + p["redshift_slope"] * opening
    )


def model(scatter=0.4, **parameters):
    return CountRateMassRegressor(
        scatter=scatter, **{"cosmology": COSMOLOGY, **parameters}
    )


# Rates that a separate implementation of the equation gives, to its digits.
SEPARATE = [
    (2e14, 0.35, 0.064),
    (1e14, 0.2, 0.070),
    (3e14, 0.2, 0.334),
    (6.4e14, 0.333, 0.351),
    (1e15, 0.1, 7.7),
]


@pytest.mark.parametrize(("mass", "redshift", "rate"), SEPARATE)
def test_rates_are_those_of_a_separate_implementation(mass, redshift, rate):
    found = model().expected_rate([np.log10(0.7 * mass)], [redshift])
    assert_allclose(found, rate, atol=0.5 * 10 ** -(1 if rate > 1 else 3))


@pytest.mark.parametrize("z", [0.05, 0.35, 0.9])
@pytest.mark.parametrize("cosmology", [COSMOLOGY, WMAP7])
def test_rates_follow_the_printed_equation(z, cosmology):
    log_mass = np.array([13.6, 14.3, 15.1])
    found = model(cosmology=cosmology).expected_rate(log_mass, np.full(3, z))
    assert_allclose(np.log(found), log_rate(log_mass, z, cosmology), rtol=1e-9)


def test_at_the_pivots_the_rate_is_the_amplitude():
    found = model().expected_rate([np.log10(2e14 * 0.7)], [0.35])
    assert_allclose(found, 0.1 * 0.64)


def test_a_relation_that_could_not_be_cloned_is_refused_and_its_copy_is_not():
    relation = RELATIONS["ghirardini2024_second_hand"]
    with pytest.raises(ValueError, match=r"Give the name of a relation .*copy by dict"):
        model(relation=relation).expected_rate([14.0], [0.3])
    copy = clone(model(relation=dict(relation)))
    expected = model().expected_rate([14.0], [0.3])
    assert_array_equal(copy.expected_rate([14.0], [0.3]), expected)


def test_masses_and_redshifts_of_other_lengths_are_refused():
    match = r"log_mass has the shape \(2,\), but redshift \(3,\)"
    with pytest.raises(ValueError, match=match):
        model().expected_rate([14.0, 14.5], [0.1, 0.2, 0.3])


class TestPosterior:
    @pytest.mark.parametrize("z", [0.1, 0.35, 0.8])
    @pytest.mark.parametrize("error", [0.0, 0.3])
    def test_with_a_flat_prior_it_is_the_inverse_relation(self, z, error):
        log_mass = 14.4
        X = np.array([[log_rate(log_mass, z), error, z]])
        mean, std = model().predict(X, return_std=True)
        slope = 1.38 - 0.33 * np.log((1 + z) / 1.35)
        assert_allclose(mean, log_mass, atol=1e-6)
        assert_allclose(std, np.hypot(0.4, error) / slope / LN_10, rtol=1e-3)

    @pytest.mark.parametrize("beta", [-1.0, 1.0, 3.0])
    def test_a_power_law_of_masses_shifts_it(self, beta):
        z, log_mass = 0.35, 14.4
        X = np.array([[log_rate(log_mass, z), z]])
        mean, std = model(prior=beta).predict(X, return_std=True)
        width = 0.4 / 1.38
        assert_allclose(mean, log_mass - beta * width**2 / LN_10, atol=1e-4)
        assert_allclose(std, width / LN_10, rtol=1e-3)

    @pytest.mark.parametrize("z", [0.1, 0.8])
    def test_any_prior_is_integrated(self, z):
        def prior(log_mass):
            return 10 ** (-1.5 * (log_mass - 14)) * np.exp(-(10 ** (log_mass - 14.6)))

        rate = log_rate(14.5, z)

        def density(m):
            return norm.pdf(rate, log_rate(m, z), np.hypot(0.5, 0.2)) * prior(m)

        total = quad(density, 12, 16, epsabs=0, points=[14, 14.5])[0]
        mean = quad(lambda m: m * density(m), 12, 16, points=[14, 14.5])[0] / total
        variance = (
            quad(lambda m: (m - mean) ** 2 * density(m), 12, 16, points=[14, 14.5])[0]
            / total
        )
        X = np.array([[rate, 0.2, z]])
        found = model(scatter=0.5, prior=prior)
        assert_allclose(found.predict(X), mean, atol=2e-4)
        assert_allclose(found.predict(X, return_std=True)[1], variance**0.5, rtol=2e-3)
        below = quad(density, 12, 14.2)[0] / total
        assert_allclose(found.predict_posterior(X).cdf(14.2), below, atol=2e-3)

    def test_simulated_clusters_have_the_masses_of_their_posteriors(self):
        """Masses of a steep population, rates with scatter and noise, by simulation."""
        rng = np.random.default_rng(0)
        n, z, beta = 40_000, 0.3, 2.0
        log_mass = 13.5 + rng.exponential(1 / (beta * LN_10), n)
        error = rng.uniform(0.05, 0.4, n)
        rate = log_rate(log_mass, z) + rng.normal(0, np.hypot(0.3, error))
        X = np.column_stack([rate, error, np.full(n, z)])

        def prior(log_mass):
            return np.where(log_mass > 13.5, np.exp(-beta * LN_10 * log_mass), 0.0)

        found = model(scatter=0.3, prior=prior)
        kept = rate > log_rate(13.9, z)
        mean, std = found.predict(X[kept], return_std=True)
        off = (log_mass[kept] - mean) / std
        assert_allclose(off.mean(), 0, atol=4 / np.sqrt(kept.sum()))
        assert_allclose(off.std(), 1, atol=0.03)
        inverse = model(scatter=0.3).predict(X[kept])
        assert np.mean(inverse - log_mass[kept]) > 0.03  # Eddington bias

    def test_quantiles_and_draws_are_those_of_the_posterior(self):
        X = np.array([[np.log(0.2), 0.3], [np.log(1.0), 0.1]])
        found = model(prior=2.0)
        posterior = predict_posterior(make_pipeline(found), X)
        assert_allclose(found.predict_quantiles(X, 0.5), posterior.quantile(0.5))
        draws = found.sample_posterior(X, 4000, random_state=0)
        assert_allclose(draws.mean(axis=1), posterior.mean(), atol=0.01)
        flat = reweight_prior(posterior, None)
        assert_allclose(flat.mean(), model().predict(X), atol=1e-3)


def test_one_s_own_relation_is_used():
    relation = dict(RELATIONS["ghirardini2024_second_hand"], mass_slope=1.0)
    X = np.array([[log_rate(14.4, 0.2, mass_slope=1.0), 0.2]])
    assert_allclose(model(relation=relation).predict(X), 14.4, atol=1e-6)
    assert abs(model().predict(X)[0] - 14.4) > 0.01


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"relation": "ghirardini2024"}, "relation must be one of .*second_hand"),
        (
            {"relation": {"amplitude": 1.0}},
            "or a dict of the numbers amplitude, mass_sl",
        ),
        ({"scatter": 0.0}, "scatter must be a positive number, got 0"),
        ({"prior": "steep"}, "prior must be a function of log10 M"),
    ],
)
def test_senseless_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        model(**parameters).predict([[0.0, 0.1]])


@pytest.mark.parametrize(
    ("X", "message"),
    [
        ([[0.0, 0.1, 0.2, 0.3]], "X must have 2 columns, .*, got 4"),
        ([[0.0, -0.1, 0.2], [0.0, 0.1, 0.2]], "1 of 2 errors .* cluster 0, -0.1"),
        ([[0.0, -0.2]], "redshift"),
        ([[np.nan, 0.2]], "NaN"),
    ],
)
def test_senseless_columns_are_refused(X, message):
    with pytest.raises(ValueError, match=message):
        model().predict(X)


def test_masked_values_are_refused():
    gaps = np.ma.masked_equal([[-1.0, 0.2], [-2.0, 0.3]], 0.3)
    for use in (model().predict, model().predict_posterior, model().fit):
        with pytest.raises(ValueError, match=r"X has no value in 1 of 2 .*row 1"):
            use(gaps)
    with pytest.raises(ValueError, match=r"log_mass has no value in 1 of 2 .*row 0"):
        model().expected_rate(np.ma.masked_equal([14.0, 15.0], 14.0), [0.2, 0.3])
    with pytest.raises(ValueError, match=r"redshift has no value in 1 of 2 .*row 1"):
        model().expected_rate([14.0, 15.0], gaps[:, 1])


def test_columns_in_another_order_than_those_of_the_fit_are_refused():
    table = pd.DataFrame(
        {"ln_rate": [-1.0, -2.0], "error": [0.1, 0.2], "z": [0.3, 0.2]}
    )
    fitted = model().fit(table)
    assert_allclose(fitted.predict(table), model().predict(table))
    for use in (fitted.predict, fitted.predict_posterior):
        with pytest.raises(ValueError, match="feature names should match"):
            use(table[["ln_rate", "z", "error"]])


def test_a_relation_that_turns_over_is_refused():
    relation = dict(RELATIONS["ghirardini2024_second_hand"], mass_slope_evolution=-3.0)
    with pytest.raises(
        ValueError, match=r"no mass to 1 of 2 clusters \(first: cluster 1"
    ):
        model(relation=relation).predict([[0.0, 0.3], [0.0, 2.0]])


def test_rates_of_a_sample_become_masses():
    n = np.array([300, 900])
    photons = [{"ra": [10.0] * k, "dec": [0.0] * k, "energy": [1.0] * k} for k in n]
    exposure = np.array([1000.0, 2000.0])
    sample = ClusterSample(
        [0.2, 0.3],
        center=[[10.0, 0.0]] * 2,
        photons=photons,
        r500c=[0.7, 0.7],
        exposure=exposure,
    )
    measurer = ProxyMeasurer(
        proxies=["count_rate"], band=(0.2, 2.3), with_redshift=True
    )
    pipeline = make_pipeline(measurer, model()).fit(sample, [14.0, 14.0])
    expected = model().predict(np.column_stack([np.log(n / exposure), [0.2, 0.3]]))
    assert_allclose(pipeline.predict(sample), expected)
    assert_allclose(
        log_rate(pipeline.predict(sample), np.array([0.2, 0.3])),
        np.log(n / exposure),
        rtol=1e-6,
    )


def test_counts_in_place_of_ln_of_rates_are_refused():
    X = np.column_stack([[400.0, 1500.0], [0.2, 0.3]])
    with pytest.raises(ValueError, match="look like counts"):
        CountRateMassRegressor(scatter=0.3).predict(X)


def test_rates_in_place_of_their_ln_bring_a_warning():
    X = np.column_stack([[0.3, 1.2], [0.2, 0.3]])
    with pytest.warns(UserWarning, match="if these are rates") as caught:
        CountRateMassRegressor(scatter=0.3).predict(X, return_std=True)
    assert len(caught) == 1
