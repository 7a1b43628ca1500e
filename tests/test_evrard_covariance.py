"""Residuals that go together: their correlation, its file, and the slope it biases."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skcluster import (
    EvrardProxyRegressor,
    residual_correlation,
    search_proxies,
)

LN_10 = np.log(10)
SLOPE = np.array([0.6, 1.5, 0.9])
INTERCEPT = np.array([1.0, -2.0, 30.0])
SCATTER = np.array([0.1, 0.4, 0.2])
RHO = np.array([[1.0, -0.3, 0.0], [-0.3, 1.0, 0.6], [0.0, 0.6, 1.0]])
NAMES = ["T", "L_X", "network"]
VARIANCE = 0.25
"""Of mu in the simulated populations."""


def made_clusters(n, random_state=0, rho=RHO, redshifts=(0.1,)):
    """ln S, log10 M and redshift; the intercepts grow with redshift."""
    rng = np.random.default_rng(random_state)
    mu = rng.normal(0.3, np.sqrt(VARIANCE), n)
    noise = rng.multivariate_normal(np.zeros(3), rho * np.outer(SCATTER, SCATTER), n)
    redshift = np.resize(redshifts, n)
    ln_s = INTERCEPT + np.outer(mu, SLOPE) + noise + 5 * redshift[:, None]
    return ln_s, 14 + mu / LN_10, redshift


def rho_of(table):
    pairs = zip(table["first"], table["second"], strict=True)
    return dict(zip(pairs, table["rho"], strict=True))


def test_a_planted_correlation_is_found_within_its_errors():
    ln_s, log_mass, redshift = made_clusters(4000, redshifts=(0.1, 0.2, 0.4))
    table = residual_correlation(
        ln_s, log_mass, names=NAMES, redshift=redshift, random_state=0
    )
    planted = [RHO[0, 1], RHO[0, 2], RHO[1, 2]]
    assert [*rho_of(table)] == [("T", "L_X"), ("T", "network"), ("L_X", "network")]
    assert (np.abs(table["rho"] - planted) < 3 * table["error"]).all()
    # Fisher: (1 - rho²) / sqrt(n) for Gaussian residuals.
    fisher = (1 - np.square(planted)) / np.sqrt(4000)
    assert_allclose(table["error"], fisher, rtol=0.15)


def test_without_redshift_it_is_pearsons_r_of_the_residuals():
    ln_s, log_mass, _ = made_clusters(60)
    lines = [stats.linregress(log_mass, column) for column in ln_s.T]
    residual = [
        column - line.intercept - line.slope * log_mass
        for column, line in zip(ln_s.T, lines, strict=True)
    ]
    table = residual_correlation(ln_s, log_mass, names=NAMES)
    for (i, j), rho in zip([(0, 1), (0, 2), (1, 2)], table["rho"], strict=True):
        assert_allclose(rho, stats.pearsonr(residual[i], residual[j])[0], rtol=1e-9)


def test_each_bin_is_correlated_by_itself():
    redshifts = np.repeat([0.1, 0.4], [80, 120])
    ln_s, log_mass, redshift = made_clusters(200, redshifts=redshifts)
    table = residual_correlation(
        ln_s, log_mass, names=NAMES, redshift=redshift, by_bin=True
    )
    assert_array_equal(table["redshift"], [0.1] * 3 + [0.4] * 3)
    assert_array_equal(table["n_clusters"], [80] * 3 + [120] * 3)
    for z in (0.1, 0.4):
        rows = redshift == z
        alone = residual_correlation(ln_s[rows], log_mass[rows], names=NAMES)
        assert_allclose(table["rho"][table["redshift"] == z], alone["rho"])


def test_bins_of_equal_clusters_pool_to_the_correlation_of_both():
    ln_s, log_mass, redshift = made_clusters(200, redshifts=(0.1, 0.4))
    pooled = residual_correlation(ln_s, log_mass, names=NAMES, redshift=redshift)
    model = EvrardProxyRegressor(redshift_column=-1)
    model.fit(np.column_stack([ln_s, redshift]), log_mass)
    C = model.covariance_.mean(axis=0)
    assert_allclose(
        rho_of(pooled)["L_X", "network"],
        C[1, 2] / np.sqrt(C[1, 1] * C[2, 2]),
        rtol=1e-6,
    )


def test_copies_of_a_halo_do_not_shrink_the_error():
    ln_s, log_mass, _ = made_clusters(200)
    once = residual_correlation(ln_s, log_mass, names=NAMES, random_state=0)
    ln_s, log_mass, halo = np.tile(ln_s, (4, 1)), np.tile(log_mass, 4), np.arange(800)
    naive = residual_correlation(ln_s, log_mass, names=NAMES, random_state=0)
    honest = residual_correlation(
        ln_s, log_mass, names=NAMES, groups=halo % 200, random_state=0
    )
    assert_allclose(honest["error"], once["error"], rtol=1e-6)
    assert_allclose(naive["error"], once["error"] / 2, rtol=0.15)


def test_the_same_random_state_gives_the_same_correlations_and_errors():
    ln_s, log_mass, _ = made_clusters(50)
    first, again, other = (
        residual_correlation(ln_s, log_mass, names=NAMES, random_state=seed)["error"]
        for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert (first != other).all()


def test_an_independent_network_is_worth_its_own_information():
    ln_s, log_mass, redshift = made_clusters(
        20_000, rho=np.eye(3), redshifts=(0.1, 0.4)
    )
    table = search_proxies(ln_s, log_mass, names=NAMES, redshift=redshift)
    scatter = dict(zip(table["proxies"], table["scatter"], strict=True))
    information = (SLOPE / SCATTER) ** 2
    assert_allclose(scatter["T, network"], information[[0, 2]].sum() ** -0.5, rtol=0.02)
    assert_allclose(scatter["T"], information[0] ** -0.5, rtol=0.02)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"names": NAMES[:2]}, r"one column for each of the 2 names"),
        ({"n_resamples": 1}, "n_resamples must be an integer of at least 2, got 1"),
        ({"groups": [0, 1]}, r"groups has the shape \(2,\), but there are 60 clusters"),
        ({"redshift": [0.1]}, "redshift must have one number for each of 60"),
    ],
)
def test_a_correlation_that_makes_no_sense_is_explained(options, message):
    ln_s, log_mass, _ = made_clusters(60)
    with pytest.raises(ValueError, match=message):
        residual_correlation(ln_s, log_mass, **{"names": NAMES} | options)


def test_an_observable_without_residuals_is_named():
    ln_s, log_mass, _ = made_clusters(60)
    ln_s[:, 0], ln_s[:, 2] = 7.0, 3 * log_mass
    with pytest.raises(
        ValueError, match=r"\['T', 'network'\] are constant, or a power"
    ):
        residual_correlation(ln_s, log_mass, names=NAMES)
    with pytest.raises(ValueError, match=r"at least 2 observables, got \['L_X'\]"):
        residual_correlation(ln_s[:, 1:2], log_mass, names=["L_X"])
