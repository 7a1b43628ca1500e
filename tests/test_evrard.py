import pickle
import warnings

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.cosmology import WMAP7
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcluster import FixedPowerLawRegressor
from skcluster.evrard import EvrardProxyRegressor, proxy_covariance, search_proxies
from skcluster.evrard.evolution import residuals_about

LN_10 = np.log(10)
SLOPE = np.array([0.6, 1.1, 0.9])
INTERCEPT = np.array([1.0, -2.0, 30.0])
COVARIANCE = np.array([[0.01, 0.012, 0.0], [0.012, 0.09, 0.03], [0.0, 0.03, 0.04]])


def made_clusters(n, random_state=0, slope=SLOPE, intercept=INTERCEPT):
    """ln S that follow the planted power laws, and log10 M."""
    rng = np.random.default_rng(random_state)
    mu = rng.uniform(-1, 2.5, n)
    noise = rng.multivariate_normal(np.zeros(3), COVARIANCE, n)
    return intercept + np.outer(mu, slope) + noise, 14 + mu / LN_10


def made_snapshots(n, redshifts, random_state=0):
    """Clusters as in `made_clusters`, with a last column of redshift."""
    ln_s, log_mass = made_clusters(n, random_state)
    redshift = np.resize(redshifts, n)
    return np.column_stack([ln_s + redshift[:, None], redshift]), log_mass


def checks_with_too_few_clusters(estimator):
    """Checks whose data are refused, with and without weights: see TestWeights instead."""
    refused = {
        "check_sample_weight_equivalence_on_dense_data": "27 clusters, 30 observables"
    }
    if estimator.redshift_column == -1:
        of_one_bin = "the only observable is constant in a redshift bin"
        refused["check_sample_weights_pandas_series"] = of_one_bin
        refused["check_sample_weights_not_an_array"] = of_one_bin
    return refused


@pytest.mark.filterwarnings(
    # Some checks feed so few, or so few different, numbers that a bin is too poor.
    "ignore:.*were merged into their nearest neighbors:UserWarning",
    "ignore:.*far outside the training range:UserWarning",
)
@parametrize_with_checks(
    [
        EvrardProxyRegressor(mass_range=None),
        EvrardProxyRegressor(pivot_mass=2e14, beta=0.1, mass_range=None),
        # The checks feed negative redshifts, which have no logarithm.
        EvrardProxyRegressor(
            redshift_column=-1, redshift_bins=2, mass_range=None, evolution=None
        ),
        EvrardProxyRegressor(
            redshift_column=0,
            redshift_bins=[-1e3, 0.5, 1e3],
            mass_range=None,
            evolution=None,
        ),
    ],
    expected_failed_checks=checks_with_too_few_clusters,
)
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_planted_power_laws_are_recovered_in_every_redshift_bin():
    slopes, intercepts = (
        {0.1: SLOPE, 0.3: SLOPE[::-1]},
        {0.1: INTERCEPT, 0.3: -INTERCEPT},
    )
    parts = [made_clusters(10_000, 1, slopes[z], intercepts[z]) for z in slopes]
    X = np.concatenate(
        [
            np.column_stack([s, np.full(len(s), z)])
            for (s, _), z in zip(parts, slopes, strict=True)
        ]
    )
    y = np.concatenate([log_mass for _, log_mass in parts])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, y)
    assert_array_equal(model.redshift_centers_, [0.1, 0.3])
    assert_allclose(model.slope_, list(slopes.values()), atol=0.01)
    assert_allclose(model.intercept_, list(intercepts.values()), atol=0.015)
    assert_allclose(model.covariance_, [COVARIANCE] * 2, atol=0.003)
    sigma = [(a @ np.linalg.inv(COVARIANCE) @ a) ** -0.5 for a in slopes.values()]
    assert_allclose(model.bin_scatter_, sigma, rtol=0.02)
    assert_allclose(model.scatter_, np.sqrt(np.mean(np.square(sigma))), rtol=0.02)


def test_predicted_errors_are_those_that_are_made():
    model = EvrardProxyRegressor().fit(*made_clusters(5000))
    ln_s, log_mass = made_clusters(20_000, random_state=1)
    predicted, sigma = model.predict(ln_s, return_std=True)
    pull = (predicted - log_mass) / sigma
    assert_allclose(pull.std(), 1, rtol=0.02)
    assert_allclose(pull.mean(), 0, atol=0.05)
    assert_allclose(sigma, model.predictive_scatter_ / LN_10, rtol=1e-3)
    assert_allclose(sigma, model.scatter_ / LN_10, rtol=2e-3)


@pytest.mark.parametrize(
    ("n_clusters", "n_proxies", "in_sample"), [(10, 4, 0.55), (30, 5, 0.84)]
)
def test_errors_of_few_clusters_are_those_of_new_clusters(
    n_clusters, n_proxies, in_sample
):
    rng, n_bins = np.random.default_rng(0), 1500
    root = np.linalg.cholesky(0.02 + 0.05 * np.diag(1.0 + np.arange(n_proxies)))
    slope = np.linspace(0.6, 1.5, n_proxies)

    def draw(n):
        mu = rng.uniform(-1, 2.5, n_bins * n)
        ln_s = np.outer(mu, slope) + rng.normal(size=(len(mu), n_proxies)) @ root.T
        bins = np.repeat(1.0 + np.arange(n_bins), n)
        return np.column_stack([ln_s, bins]), 14 + mu / LN_10

    model = EvrardProxyRegressor(redshift_column=-1).fit(*draw(n_clusters))
    new, log_mass = draw(10)
    predicted, std = model.predict(new, return_std=True)
    made = np.sqrt(np.mean((predicted - log_mass) ** 2))
    assert_allclose(np.sqrt(np.mean(std**2)), made, rtol=0.03)
    assert_allclose(model.predictive_scatter_ / LN_10, made, rtol=0.03)
    assert_allclose(model.scatter_ / LN_10 / made, in_sample, atol=0.03)


def test_as_many_degrees_of_freedom_as_observables_bound_no_error():
    ln_s, log_mass = made_clusters(5)
    model = EvrardProxyRegressor().fit(ln_s, log_mass)
    assert np.isinf(model.predict(ln_s, return_std=True)[1]).all()
    assert np.isfinite(model.predict(ln_s)).all()
    with pytest.raises(ValueError, match=r"5 of 5 clusters .* errors are unbounded"):
        model.predict_posterior(ln_s)


def test_three_clusters_bound_the_error_of_one_observable():
    ln_s, log_mass = made_clusters(3)
    model = EvrardProxyRegressor().fit(ln_s[:, :1], log_mass)
    _, std = model.predict(ln_s[:, :1], return_std=True)
    assert np.isfinite(std).all()
    assert (std > model.scatter_ / LN_10).all()


def test_less_than_ten_clusters_per_parameter_warn():
    # Three observables and an intercept.
    with pytest.warns(
        UserWarning,
        match=r"1 of 1 redshift bins .*10 clusters per parameter \(first: 39 clusters, "
        r"4 parameters\).*scatter_ is too small",
    ):
        EvrardProxyRegressor().fit(*made_clusters(39))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        EvrardProxyRegressor().fit(*made_clusters(40))


def evolving_clusters(n=400, random_state=0):
    """ln S that grow with ln z as planted, as do the slopes; a column of redshift."""
    ln_s, log_mass = made_clusters(n, random_state)
    redshift = np.random.default_rng(random_state + 1).uniform(0.1, 0.5, n)
    t, mu = np.log(redshift / 0.3)[:, None], LN_10 * (log_mass[:, None] - 14)
    drift = t * [-2.0, 0.5, 1.0] + mu * t * [0.2, 0.0, -0.1]
    return np.column_stack([ln_s + drift, redshift]), log_mass


@pytest.mark.parametrize("evolution", [None, "intercept", "slope"])
def test_evolution_is_a_joint_least_squares_fit(evolution):
    X, log_mass = evolving_clusters()
    model = EvrardProxyRegressor(
        redshift_column=-1, redshift_bins=1, evolution=evolution, pivot_mass=2e14
    ).fit(X, log_mass)
    mu, t = LN_10 * log_mass - np.log(2e14), np.log(X[:, -1] / np.median(X[:, -1]))
    n_columns = {None: 2, "intercept": 3, "slope": 4}[evolution]
    columns = np.column_stack([np.ones(400), mu, t, mu * t])[:, :n_columns]
    expected, *_ = np.linalg.lstsq(columns, X[:, :-1])
    expected = np.vstack([expected, np.zeros((4 - n_columns, 3))])
    found = (model.intercept_, model.slope_)
    found += (model.intercept_evolution_, model.slope_evolution_)
    assert_allclose(np.concatenate(found), expected, rtol=1e-8, atol=1e-12)
    residual = X[:, :-1] - columns @ expected[:n_columns]
    assert model.n_dof_.tolist() == [400 - n_columns]
    C = residual.T @ residual / (400 - n_columns)
    assert_allclose(model.covariance_[0], C, rtol=1e-6)
    slope = expected[1] + t[:, None] * expected[3]
    weight = slope @ np.linalg.inv(C)
    line = expected[0] + t[:, None] * expected[2]
    mean = np.sum(weight * (X[:, :-1] - line), axis=1) / np.sum(weight * slope, axis=1)
    predicted, std = model.predict(X, return_std=True)
    assert_allclose(predicted, (mean + np.log(2e14)) / LN_10, rtol=1e-8)
    at_mean = np.column_stack([np.ones(400), mean, t, mean * t])[:, :n_columns]
    leverage = np.sum(at_mean @ np.linalg.inv(columns.T @ columns) * at_mean, axis=1)
    nu = 400 - n_columns
    factor = nu / (nu - 2) * (nu - 1) / (nu - 3) * (1 + leverage)
    variance = factor / np.sum(weight * slope, axis=1)
    assert_allclose(std, np.sqrt(variance) / LN_10, rtol=1e-6)


def test_evolution_changes_no_bit_of_snapshots():
    X, log_mass = made_snapshots(200, [0.0, 0.1, 0.3])
    constant, evolving = (
        EvrardProxyRegressor(redshift_column=-1, evolution=kind).fit(X, log_mass)
        for kind in (None, "slope")
    )
    for name in ("slope_", "intercept_", "covariance_", "scatter_"):
        assert_array_equal(getattr(evolving, name), getattr(constant, name))
    assert not evolving.intercept_evolution_.any()
    assert_array_equal(evolving.predict(X), constant.predict(X))


def test_three_bins_are_no_worse_than_eleven_snapshots_where_counts_fall_with_distance():
    rng = np.random.default_rng(0)
    redshift = np.resize(np.linspace(0.07, 0.47, 11), 2200)
    mu = rng.uniform(-1, 2.5, 2200)
    distance = WMAP7.luminosity_distance(redshift).value
    ln_n = 1.2 * mu - 2 * np.log(distance) + rng.normal(0, 0.4, 2200)
    X, log_mass = np.column_stack([ln_n, redshift]), 14 + mu / LN_10

    def scatter(bins, evolution="intercept"):
        model = EvrardProxyRegressor(
            redshift_column=-1, redshift_bins=bins, evolution=evolution
        )
        predicted = cross_val_predict(model, X, log_mass, cv=KFold(8, shuffle=True))
        return (predicted - log_mass).std()

    assert scatter(3) < 1.01 * scatter(None)
    assert scatter(1) < 1.02 * scatter(None)
    assert scatter(3, evolution=None) > 1.3 * scatter(None)


@pytest.mark.filterwarnings("ignore:.*far outside the training range:UserWarning")
def test_a_bin_that_evolves_needs_positive_redshifts():
    X, log_mass = evolving_clusters()
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    model.fit(X, log_mass)
    X[3, -1] = 0.0
    match = r"1 redshifts are not positive \(first: z = 0\).*evolution=None"
    with pytest.raises(ValueError, match=match):
        clone(model).fit(X, log_mass)
    with pytest.raises(ValueError, match=match):
        model.predict(X)


@pytest.mark.parametrize("n_observables", [1, 3])
@pytest.mark.parametrize("evolution", ["intercept", "slope"])
@pytest.mark.parametrize("n_spare", [0, 1, 2, 3])
@pytest.mark.filterwarnings("ignore:1 of 1 redshift bins have fewer:UserWarning")
def test_evolution_leaves_a_degree_of_freedom_for_errors(
    n_observables, evolution, n_spare
):
    ln_s, log_mass = made_clusters(n_observables + 2 + n_spare)
    redshift = np.random.default_rng(2).uniform(0.1, 0.5, len(ln_s))
    X = np.column_stack([ln_s[:, :n_observables], redshift])

    def fitted(**parameters):
        bins = {"redshift_column": -1, "redshift_bins": 1}
        return EvrardProxyRegressor(**bins, **parameters).fit(X, log_mass)

    model, constant = fitted(evolution=evolution), fitted(evolution=None)
    is_bounded = np.isfinite(constant.predict(X, return_std=True)[1])
    assert is_bounded.all() == (n_spare > 0 or n_observables == 1)
    assert_array_equal(np.isfinite(model.predict(X, return_std=True)[1]), is_bounded)
    # n - 2 degrees of freedom, of which errors need p + 1 for p observables, 1 for one.
    n_most = max(n_spare - 1, 0) if n_observables > 1 else n_spare
    n_terms = min({"intercept": 1, "slope": 2}[evolution], n_most)
    assert_array_equal(model.n_dof_, n_observables + n_spare - n_terms)


@pytest.mark.parametrize(
    "rounded", [np.float32, lambda z: np.round(z, 4), lambda z: np.round(z, 3)]
)
@pytest.mark.parametrize("evolution", ["intercept", "slope"])
def test_rounding_of_one_redshift_is_no_evolution(rounded, evolution):
    snapshots = np.repeat([0.17419, 0.25209], 200)
    X, log_mass = made_snapshots(400, snapshots)
    X[::2, -1] = rounded(X[::2, -1])
    new, _ = made_snapshots(3, [0.25209, 0.26, 0.18], random_state=1)

    def predicted(**parameters):
        bins = {"redshift_column": -1, "redshift_bins": [0.1, 0.21, 0.3]}
        model = EvrardProxyRegressor(**bins, **parameters).fit(X, log_mass)
        return model.predict(new, return_std=True)

    assert_array_equal(predicted(evolution=evolution), predicted(evolution=None))


def test_masses_that_follow_the_redshifts_leave_no_evolution_to_fit():
    X, log_mass = made_snapshots(60, [0.1, 0.3])
    log_mass = np.where(X[:, -1] == 0.1, 14.0, 14.5)
    X[:, :-1] += LN_10 * log_mass[:, None]
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    model.fit(X, log_mass)
    assert not model.intercept_evolution_.any()
    assert np.isfinite(model.predict(X)).all()


def test_fit_is_least_squares_with_two_degrees_of_freedom_spent():
    ln_s, log_mass = made_clusters(40)
    mu = LN_10 * log_mass - np.log(2e14)
    model = EvrardProxyRegressor(pivot_mass=2e14).fit(ln_s, log_mass)
    lines = [stats.linregress(mu, column) for column in ln_s.T]
    assert_allclose(model.slope_[0], [line.slope for line in lines])
    assert_allclose(model.intercept_[0], [line.intercept for line in lines])
    residual = ln_s - np.column_stack(
        [line.intercept + line.slope * mu for line in lines]
    )
    assert_allclose(model.covariance_[0], np.cov(residual.T) * 39 / 38, rtol=1e-7)
    assert_allclose(model.correlation_[0], np.corrcoef(residual.T), rtol=1e-7)


@pytest.mark.parametrize("beta", [-2.0, 0.0, 3.0])
def test_prediction_is_the_posterior_on_a_grid_of_masses(beta):
    ln_s, log_mass = made_clusters(50)
    model = EvrardProxyRegressor(beta=beta).fit(ln_s, log_mass)
    predicted, sigma = model.predict(ln_s[:5], return_std=True)
    mu = np.linspace(-8, 8, 40_001)
    for i in range(5):
        relation = model.intercept_[0] + mu[:, None] * model.slope_[0]
        weight = np.linalg.solve(model.covariance_[0], model.slope_[0])
        flat = weight @ (ln_s[i] - model.intercept_[0]) / (weight @ model.slope_[0])
        # What new clusters scatter by: 48 degrees of freedom, 3 observables, leverage.
        known = LN_10 * (log_mass - 14)
        leverage = 1 / 50 + (flat - known.mean()) ** 2 / (50 * known.var())
        factor = 48 / 46 * 47 / 45 * (1 + leverage)
        likelihood = stats.multivariate_normal.pdf(
            ln_s[i] - relation, cov=factor * model.covariance_[0]
        )
        posterior = likelihood * np.exp(-beta * mu)
        mean = np.average(mu, weights=posterior)
        std = np.sqrt(np.average((mu - mean) ** 2, weights=posterior))
        assert_allclose(predicted[i], 14 + mean / LN_10, rtol=1e-9)
        assert_allclose(model.scatter_, std / np.sqrt(factor), rtol=1e-6)
        assert_allclose(sigma[i], std / LN_10, rtol=1e-6)


def test_pivot_mass_moves_no_prediction():
    ln_s, log_mass = made_clusters(30)
    near, far = (
        EvrardProxyRegressor(pivot_mass=p).fit(ln_s, log_mass) for p in (1e14, 1e10)
    )
    assert_allclose(near.predict(ln_s), far.predict(ln_s), rtol=1e-12)


@given(st.integers(0, 10_000), st.lists(st.floats(-50, 50), min_size=3, max_size=3))
def test_units_of_the_observables_do_not_matter(random_state, ln_factor):
    ln_s, log_mass = made_clusters(20, random_state)
    model = EvrardProxyRegressor().fit(ln_s, log_mass)
    scaled = EvrardProxyRegressor().fit(ln_s + ln_factor, log_mass)
    assert_allclose(
        scaled.predict(ln_s + ln_factor), model.predict(ln_s), rtol=0, atol=1e-10
    )
    assert_allclose(scaled.scatter_, model.scatter_, rtol=1e-10)


@given(st.integers(0, 10_000), st.permutations(range(20)))
def test_order_of_clusters_and_of_observables_does_not_matter(random_state, order):
    ln_s, log_mass = made_clusters(20, random_state)
    model = EvrardProxyRegressor().fit(ln_s, log_mass)
    shuffled = EvrardProxyRegressor().fit(ln_s[order][:, ::-1], log_mass[order])
    assert_allclose(shuffled.predict(ln_s[:, ::-1]), model.predict(ln_s), atol=1e-9)


@given(st.integers(0, 10_000), st.integers(8, 40), st.booleans())
def test_one_more_observable_never_raises_the_scatter(random_state, n, is_collinear):
    rng = np.random.default_rng(random_state)
    ln_s, log_mass = rng.normal(size=(n, 5)), rng.uniform(13.5, 15, n)
    if is_collinear:
        ln_s[:, 3] = ln_s[:, 0] - 2 * ln_s[:, 1]
    ln_s[:, 4] = 7.0
    scatter = [
        EvrardProxyRegressor().fit(ln_s[:, :k], log_mass).scatter_ for k in range(1, 6)
    ]
    assert (np.diff(scatter) <= 1e-9 * np.array(scatter[:-1])).all()


def test_a_repeated_observable_counts_once():
    ln_s, log_mass = made_clusters(100)
    once = EvrardProxyRegressor().fit(ln_s, log_mass)
    twice = EvrardProxyRegressor().fit(ln_s[:, [0, 1, 2, 1]], log_mass)
    assert_allclose(twice.scatter_, once.scatter_, rtol=1e-6)
    assert_allclose(twice.predict(ln_s[:, [0, 1, 2, 1]]), once.predict(ln_s), rtol=1e-7)


def test_a_constant_observable_counts_nothing():
    ln_s, log_mass = made_clusters(100)
    padded = np.column_stack([ln_s, np.full(100, 0.1)])
    model = EvrardProxyRegressor().fit(padded, log_mass)
    assert model.slope_[0, 3] == 0
    assert_allclose(
        model.predict(padded), EvrardProxyRegressor().fit(ln_s, log_mass).predict(ln_s)
    )


def test_an_observable_without_scatter_gives_the_mass_itself():
    ln_s, log_mass = made_clusters(100)
    exact = np.column_stack([ln_s[:, 0], 5 + 1.5 * LN_10 * log_mass])
    model = EvrardProxyRegressor().fit(exact, log_mass)
    assert_allclose(model.predict(exact), log_mass, rtol=1e-9)
    assert_allclose(model.scatter_, 1e-5 * LN_10 * log_mass.std(), rtol=0.01)


def test_redshift_column_is_found_by_number_or_name():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.3])
    frame = pd.DataFrame(X, columns=["a", "b", "c", "redshift"])
    moved = frame[["redshift", "a", "b", "c"]]
    expected = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass).predict(X)
    for column, table in [
        ("redshift", frame),
        ("redshift", moved),
        (0, moved),
        (3, frame),
    ]:
        model = EvrardProxyRegressor(redshift_column=column).fit(table, log_mass)
        assert_array_equal(model.predict(table), expected)


def test_each_snapshot_is_fitted_by_itself():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.3])
    together = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass).predict(X)
    for redshift in (0.1, 0.2, 0.3):
        rows = X[:, -1] == redshift
        alone = EvrardProxyRegressor().fit(X[rows, :-1], log_mass[rows])
        assert_allclose(together[rows], alone.predict(X[rows, :-1]), rtol=1e-12)


def test_a_number_of_bins_shares_the_clusters_out_evenly():
    X, log_mass = made_snapshots(90, np.linspace(0.1, 0.5, 90))
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=3).fit(X, log_mass)
    assert_array_equal(np.histogram(X[:, -1], model.redshift_edges_)[0], [30, 30, 30])
    assert model.slope_.shape == (3, 3)


@pytest.mark.parametrize(
    ("redshifts", "counts"),
    [([0.1] * 4 + [0.2, 0.3], [40, 20]), ([0.1, 0.2] + [0.3] * 4, [20, 40])],
)
def test_a_snapshot_is_never_split_between_bins(redshifts, counts):
    X, log_mass = made_snapshots(60, redshifts)
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=2).fit(X, log_mass)
    assert_array_equal(np.histogram(X[:, -1], model.redshift_edges_)[0], counts)


def test_more_bins_than_redshifts_are_one_bin_for_each():
    X, log_mass = made_snapshots(60, [0.1, 0.1, 0.3])
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=2).fit(X, log_mass)
    assert_array_equal(model.redshift_centers_, [0.1, 0.3])


def test_given_edges_are_half_open():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.3])
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=[0.1, 0.2, 0.3])
    assert_array_equal(model.fit(X, log_mass).redshift_centers_, [0.1, 0.25])


def test_a_poor_snapshot_joins_its_nearest_neighbor():
    X, log_mass = made_snapshots(62, [0.1, 0.4])
    X[:4, -1] = 0.3
    model = EvrardProxyRegressor(redshift_column=-1, evolution=None)
    with pytest.warns(
        UserWarning,
        match=r"1 of 3 redshift bins \(first: z = 0.3\) have"
        r" fewer than 5 clusters.*2 bins remain",
    ):
        model.fit(X, log_mass)
    X[:4, -1] = 0.4
    expected = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)
    assert_array_equal(model.slope_, expected.slope_)


def test_an_empty_bin_and_one_with_a_single_mass_are_merged():
    X, log_mass = made_snapshots(60, [0.1, 0.3])
    log_mass[X[:, -1] == 0.1] = 14.0
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=[0, 0.2, 0.4, 0.6])
    with pytest.warns(UserWarning, match=r"2 of 3 redshift bins.*1 bins remain"):
        model.fit(X, log_mass)
    assert_array_equal(model.redshift_edges_, [0.0, 0.6])


def test_an_unseen_redshift_takes_the_nearest_bin():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.4])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)
    for unseen, nearest in [
        (0.08, 0.1),
        (0.14, 0.1),
        (0.29, 0.2),
        (0.31, 0.4),
        (0.42, 0.4),
    ]:
        moved, known = X.copy(), X.copy()
        moved[:, -1], known[:, -1] = unseen, nearest
        assert_array_equal(model.predict(moved), model.predict(known))


def test_a_redshift_far_outside_the_training_range_warns():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.4])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)
    X[7, -1] = 0.9
    with pytest.warns(UserWarning, match=r"1 of 60 .* redshift 0.1 to 0.4 .*cluster 7"):
        model.predict(X)


def test_a_law_that_evolves_is_known_for_the_training_redshifts_only():
    """Edges of bins say nothing of a trend with redshift beyond the clusters."""
    X, log_mass = made_snapshots(60, np.linspace(0.1, 0.3, 9))
    for evolution, is_told in ((None, False), ("intercept", True)):
        model = EvrardProxyRegressor(
            redshift_column=-1, redshift_bins=[0, 2], evolution=evolution
        ).fit(X, log_mass)
        far = X.copy()
        far[:5, -1] = 0.9
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            model.predict(far)
        found = any("redshift 0.1 to 0.3" in str(each.message) for each in caught)
        assert found == is_told


@pytest.mark.parametrize(
    "regressor", [EvrardProxyRegressor(), FixedPowerLawRegressor()]
)
def test_observables_with_a_unit_are_no_logarithms(regressor):
    X, log_mass = made_clusters(60)
    with pytest.raises(
        ValueError, match="X has the unit 'keV', but must be the natural"
    ):
        regressor.fit(X * units.keV, log_mass)
    with pytest.raises(
        ValueError, match="X has the unit 'keV', but must be the natural"
    ):
        EvrardProxyRegressor().fit(X, log_mass).predict(X * units.keV)


def test_a_fitted_model_survives_pickle_clone_and_search():
    X, log_mass = made_snapshots(60, [0.1, 0.2])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)
    again = pickle.loads(pickle.dumps(model))
    assert_array_equal(again.predict(X), model.predict(X))
    assert clone(model).get_params() == model.get_params()
    search = GridSearchCV(model, {"beta": [0.0, 50.0]}, cv=3).fit(X, log_mass)
    assert search.best_params_ == {"beta": 0.0}


def test_a_pivot_mass_that_is_set_after_the_fit_moves_nothing():
    X, log_mass = made_clusters(60)
    model = EvrardProxyRegressor(pivot_mass=2e14).fit(X, log_mass)
    expected = model.predict(X)
    table = proxy_covariance(model, names="abc")
    residuals = residuals_about(model, X, log_mass, np.full(60, np.nan))[0]
    model.set_params(pivot_mass=5e13)
    assert_array_equal(model.predict(X), expected)
    again = proxy_covariance(model, names="abc")
    assert again.meta["pivot_mass"] == table.meta["pivot_mass"] == 2e14
    found = residuals_about(model, X, log_mass, np.full(60, np.nan))[0]
    assert_array_equal(found, residuals)
    assert_array_equal(model.fit(X, log_mass).pivot_mass_, 5e13)


@pytest.mark.parametrize("column", [0, -2, None])
def test_a_redshift_column_that_is_set_after_the_fit_moves_nothing(column):
    X, log_mass = made_snapshots(60, [0.1, 0.2])
    X = pd.DataFrame(X, columns=["a", "b", "c", "z"])
    model = EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)
    expected = model.predict(X)
    model.set_params(redshift_column=column)
    assert_array_equal(model.predict(X), expected)
    assert proxy_covariance(model).meta["names"] == ["a", "b", "c"]
    assert model.redshift_column_ == -1


def test_a_pipeline_passes_the_error_on():
    ln_s, log_mass = made_clusters(60)
    pipe = make_pipeline(FunctionTransformer(np.log), EvrardProxyRegressor())
    pipe.fit(np.exp(ln_s), log_mass)
    _, sigma = pipe.predict(np.exp(ln_s), return_std=True)
    _, expected = EvrardProxyRegressor().fit(ln_s, log_mass).predict(ln_s, True)
    assert_allclose(sigma, expected)
    assert cross_val_predict(pipe, np.exp(ln_s), log_mass, cv=3).shape == (60,)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"beta": np.nan}, "beta must be a finite number, got nan"),
        ({"beta": "auto"}, "beta must be a finite number, got 'auto'"),
        ({"pivot_mass": 0}, r"from 1e\+10 to 1e\+17 Msun/h, got 0"),
        ({"pivot_mass": 14}, r"got 14\. It looks like log10 of masses\. Give 10"),
        ({"pivot_mass": 5.0}, r"got 5\.0\. It looks like"),
        (
            {"redshift_column": 1.5},
            r"redshift_column must be an int, a string or None, got 1\.5",
        ),
        ({"redshift_column": 4}, "redshift_column=4 is out of range: X has 4 columns"),
        (
            {"redshift_column": "z"},
            "'z' is not a column of X, which has no column names",
        ),
        ({"redshift_bins": 2}, "redshift_bins=2 needs redshift_column"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, message):
    X, log_mass = made_snapshots(60, [0.1, 0.2])
    with pytest.raises(ValueError, match=message):
        EvrardProxyRegressor(**parameters).fit(X, log_mass)


@pytest.mark.parametrize("integer", [np.uint8, np.int8, np.int64])
def test_numpys_integers_are_bins_and_columns(integer):
    X, log_mass = made_snapshots(2000, np.linspace(0.1, 0.4, 200))
    plain = EvrardProxyRegressor(redshift_column=3, redshift_bins=100).fit(X, log_mass)
    model = EvrardProxyRegressor(
        redshift_column=integer(3), redshift_bins=integer(100)
    ).fit(X, log_mass)
    assert_array_equal(model.redshift_edges_, plain.redshift_edges_)
    assert_array_equal(model.predict(X), plain.predict(X))


@pytest.mark.parametrize(
    ("bins", "message"),
    [
        (0, "redshift_bins must be a positive int, at least 2 .* or None, got 0"),
        (True, "redshift_bins must be a positive int, at least 2 .* or None, got True"),
        (2.5, r"at least 2 increasing edges or None, got 2\.5"),
        ([0.3, 0.1], r"at least 2 increasing edges or None, got \[0.3, 0.1\]"),
        ("ten", "at least 2 increasing edges or None, got 'ten'"),
        ([0.15, 0.5], r"30 of 60 redshifts lie outside.*cluster 0, z = 0.1\)"),
    ],
)
def test_wrong_bins_are_explained(bins, message):
    X, log_mass = made_snapshots(60, [0.1, 0.2])
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=bins)
    with pytest.raises(ValueError, match=message):
        model.fit(X, log_mass)


def test_continuous_redshifts_need_bins():
    X, log_mass = made_snapshots(60, np.linspace(0.1, 0.5, 60))
    with pytest.raises(ValueError, match=r"60 distinct redshifts.*redshift_bins=5"):
        EvrardProxyRegressor(redshift_column=-1).fit(X, log_mass)


def test_a_constant_target_is_an_error():
    ln_s, _ = made_clusters(30)
    with pytest.raises(ValueError, match=r"y is constant: .* all 30 clusters is 14.2"):
        EvrardProxyRegressor().fit(ln_s, np.full(30, 14.2))


def test_masses_that_are_no_logarithms_are_an_error():
    ln_s, log_mass = made_clusters(30)
    with pytest.raises(
        ValueError, match=r"y must be log10 of the mass.*np.log10\(mass\)"
    ):
        EvrardProxyRegressor().fit(ln_s, 10**log_mass)


def test_masked_observables_and_redshifts_are_refused():
    X, log_mass = made_snapshots(60, [0.1, 0.2, 0.3])
    gaps = np.ma.masked_where(np.arange(240).reshape(60, 4) % 40 == 5, X)
    model = EvrardProxyRegressor(redshift_column=-1)
    text = r"X has no value in 6 of 60 rows \(first: row 1\)"
    for values in (gaps, [*gaps], Table(gaps)):  # an array, a list of rows, a table
        with pytest.raises(ValueError, match=text):
            model.fit(values, log_mass)
    model.fit(np.ma.array(X), log_mass)  # an array without gaps is as good as any
    with pytest.raises(ValueError, match=text):
        model.predict(gaps)
    with pytest.raises(ValueError, match=text):
        search_proxies(gaps, log_mass, names="abcd")
    z = np.ma.masked_less(X[:, 3], 0.15)
    with pytest.raises(ValueError, match="redshift has no value in 20 of 60 rows"):
        search_proxies(X[:, :3], log_mass, names="abc", redshift=z)


def test_too_few_clusters_for_the_observables_are_an_error():
    ln_s, log_mass = made_clusters(4)
    with pytest.raises(
        ValueError, match=r"4 clusters are too few for 3 observables.* 5"
    ):
        EvrardProxyRegressor().fit(ln_s, log_mass)


def test_observables_that_are_all_constant_are_an_error():
    _, log_mass = made_clusters(30)
    with pytest.raises(ValueError, match="All 2 observables are constant in 1 of 1"):
        EvrardProxyRegressor().fit(np.ones((30, 2)), log_mass)


@pytest.mark.parametrize("has_redshift", [False, True])
def test_search_is_a_fit_of_every_subset(has_redshift):
    X, log_mass = made_snapshots(80, [0.1, 0.2])
    names, redshift = ["a", "b", "c"], X[:, -1] if has_redshift else None
    table = search_proxies(X[:, :-1], log_mass, names=names, redshift=redshift)
    assert len(table) == 7
    for row in table:
        columns = [names.index(name) for name in row["proxies"].split(", ")]
        assert row["size"] == len(columns)
        if has_redshift:
            model = EvrardProxyRegressor(redshift_column=-1).fit(
                X[:, [*columns, 3]], log_mass
            )
        else:
            model = EvrardProxyRegressor().fit(X[:, columns], log_mass)
        assert_allclose(row["scatter"], model.scatter_, rtol=1e-9)
        assert_allclose(row["scatter_percent"], 100 * model.scatter_, rtol=1e-9)


def test_search_puts_the_best_first_and_stops_at_the_largest_size():
    ln_s, log_mass = made_clusters(200)
    table = search_proxies(ln_s, log_mass, names="abc", max_size=2)
    assert (np.diff(table["scatter"]) >= 0).all()
    # Planted information: 0.6² / 0.01 + 0.9² / 0.04 = 56 for a, c, but 38 for a, b.
    assert table["proxies"][0] == "a, c"
    assert sorted(table["size"]) == [1, 1, 1, 2, 2, 2]


def test_search_takes_bins_of_continuous_redshifts():
    X, log_mass = made_snapshots(90, np.linspace(0.1, 0.5, 90))
    ln_s, redshift = X[:, :-1], X[:, -1]
    table = search_proxies(
        ln_s, log_mass, names="abc", redshift=redshift, redshift_bins=3
    )
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=3).fit(X, log_mass)
    assert_allclose(table["scatter"][table["size"] == 3], model.scatter_)


@pytest.mark.parametrize("redshift_bins", [None, 2])
def test_the_search_cross_validates_a_fit_of_every_subset(redshift_bins):
    X, log_mass = evolving_clusters(120)
    if redshift_bins is None:
        X[:, -1] = np.resize([0.1, 0.3], 120)
    names, folds = ["a", "b", "c"], KFold(4)
    table = search_proxies(
        X[:, :-1],
        log_mass,
        names=names,
        redshift=X[:, -1],
        redshift_bins=redshift_bins,
        cv=folds,
    )
    assert len(table) == 7
    assert (np.diff(table["cv_error"]) >= 0).all()
    for row in table:
        columns = [names.index(name) for name in row["proxies"].split(", ")]
        model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=redshift_bins)
        chosen = X[:, [*columns, 3]]
        predicted = cross_val_predict(model, chosen, log_mass, cv=folds)
        error = LN_10 * np.sqrt(np.mean((predicted - log_mass) ** 2))
        assert_allclose(row["cv_error"], error, rtol=1e-9)
        assert_allclose(row["cv_error_percent"], 100 * error, rtol=1e-9)
        assert_allclose(row["scatter"], model.fit(chosen, log_mass).scatter_, rtol=1e-9)


def test_weights_in_the_search_count_clusters_so_many_times():
    ln_s, log_mass = made_clusters(60)
    n_times = np.resize([1, 2, 0], 60)
    rows = np.repeat(np.arange(60), n_times)
    weighted = search_proxies(ln_s, log_mass, names="abc", sample_weight=n_times)
    repeated = search_proxies(ln_s[rows], log_mass[rows], names="abc")
    assert_array_equal(weighted["proxies"], repeated["proxies"])
    assert_allclose(weighted["scatter"], repeated["scatter"], rtol=1e-9)
    # Folds by halo: copies of a cluster are on one side.
    halo = np.arange(60) % 4
    options = {"names": "abc", "cv": LeaveOneGroupOut()}
    weighted = search_proxies(
        ln_s, log_mass, groups=halo, sample_weight=n_times, **options
    )
    repeated = search_proxies(ln_s[rows], log_mass[rows], groups=halo[rows], **options)
    assert_array_equal(weighted["proxies"], repeated["proxies"])
    assert_allclose(weighted["cv_error"], repeated["cv_error"], rtol=1e-9)


def test_the_search_is_not_deceived_by_proxies_that_know_nothing():
    ln_s, log_mass = made_clusters(12)
    noise = np.random.default_rng(1).normal(size=(12, 5))
    X, names = np.column_stack([ln_s[:, 0], noise]), "abcdef"
    table = search_proxies(X, log_mass, names=names)
    assert table["size"][0] == 6
    table = search_proxies(X, log_mass, names=names, cv=4)
    assert table["size"][0] < 4


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"names": "ab"},
            r"one column for each of the 2 names, got the shape \(60, 3\)",
        ),
        ({"names": "aab"}, "Names must differ"),
        (
            {"names": "abc", "max_size": 4},
            "max_size must be an int from 1 to 3 or None, got 4",
        ),
        ({"names": "abc", "redshift_bins": 2}, "redshift_bins=2 needs redshift"),
        (
            {"names": "abc", "redshift": [0.1]},
            r"each of 60 clusters, got the shape \(1,\)",
        ),
    ],
)
def test_a_search_that_makes_no_sense_is_explained(options, message):
    ln_s, log_mass = made_clusters(60)
    with pytest.raises(ValueError, match=message):
        search_proxies(ln_s, log_mass, **options)


def test_simulated_proxies_scatter_as_published(data_folder):
    # T, M_gas, M_star and their combinations in the paper's own simulation, Table 3.
    path = data_folder / "magneticum" / "chandra_clusterList.npy"
    if not path.exists():
        pytest.skip(f"There is no file {path}.")
    clusters = np.load(path)
    mass = clusters["M500_msolh"]
    gas, star = clusters["gas_frac"] * mass, clusters["star_frac"] * mass
    table = search_proxies(
        np.log(np.column_stack([clusters["T_kev"], clusters["Lx_ergs"], gas, star])),
        np.log10(mass),
        names=["T", "L_X", "M_gas", "M_star"],
        redshift=clusters["redshift"],
    )
    scatter = dict(zip(table["proxies"], table["scatter_percent"], strict=True))
    published = {
        "T": 11.75,
        "L_X": 26.33,
        "M_gas": 8.46,
        "M_star": 12.56,
        "M_gas, M_star": 4.93,
        "T, M_gas": 5.08,
        "T, M_gas, M_star": 4.06,
        "T, L_X, M_gas, M_star": 3.90,
    }
    # The public list is not cut as the paper's is: 3292 entries, not 3285.
    for proxies, percent in published.items():
        assert_allclose(scatter[proxies], percent, rtol=0.1)


LEARNED = (
    *("slope_", "intercept_", "covariance_", "unscaled_covariance_", "n_clusters_"),
    *("slope_evolution_", "intercept_evolution_", "redshift_edges_", "n_dof_"),
    *("redshift_centers_", "bin_scatter_", "predictive_scatter_", "log_mass_range_"),
)


class TestWeights:
    @pytest.mark.parametrize(
        "parameters",
        [
            {},
            {"redshift_column": -1},
            {"redshift_column": -1, "redshift_bins": 3, "beta": 1.5},
            {"redshift_column": -1, "redshift_bins": 2, "evolution": "slope"},
        ],
    )
    def test_integers_are_clusters_given_again_and_zeros_are_none(self, parameters):
        rng = np.random.default_rng(0)
        ln_s, log_mass = made_clusters(120)
        redshift = rng.choice([0.1, 0.15, 0.2, 0.3], 120)
        X = np.column_stack([ln_s, redshift]) if parameters else ln_s
        n_times = rng.integers(0, 4, 120)
        weighted = EvrardProxyRegressor(**parameters).fit(X, log_mass, n_times)
        rows = np.repeat(np.arange(120), n_times)
        repeated = EvrardProxyRegressor(**parameters).fit(X[rows], log_mass[rows])
        for name in LEARNED:
            expected = getattr(repeated, name)
            assert_allclose(getattr(weighted, name), expected, rtol=1e-8, atol=1e-12)
        for ours, theirs in zip(
            weighted.predict(X, return_std=True),
            repeated.predict(X, return_std=True),
            strict=True,
        ):
            assert_allclose(ours, theirs, rtol=1e-10)

    def test_lines_are_those_of_weighted_least_squares(self):
        ln_s, log_mass = made_clusters(50)
        weight = np.random.default_rng(0).exponential(size=50)
        model = EvrardProxyRegressor().fit(ln_s, log_mass, weight)
        mu = LN_10 * (log_mass - 14)
        stock = LinearRegression().fit(mu[:, None], ln_s, weight)
        assert_allclose(model.slope_[0], stock.coef_[:, 0], rtol=1e-10)
        assert_allclose(model.intercept_[0], stock.intercept_, rtol=1e-10)
        residual = ln_s - stock.predict(mu[:, None])
        covariance = sum(
            w * np.outer(r, r) for w, r in zip(weight, residual, strict=True)
        ) / (weight.sum() - 2)
        assert_allclose(model.covariance_[0], covariance, rtol=1e-6)

    def test_masses_have_the_weighted_density(self):
        ln_s, log_mass = made_clusters(400)
        weight = 10 ** (log_mass - 14)
        table = EvrardProxyRegressor().fit(ln_s, log_mass, weight).mass_density_
        low, high = log_mass.min(), log_mass.max()
        # A kernel estimate by scipy, reflected at the ends.
        n = weight.sum() ** 2 / np.sum(weight**2)
        # scipy's variance divides by n - 1, ours by n.
        width = n**-0.2 * np.sqrt((n - 1) / n)
        kde = stats.gaussian_kde(log_mass, width, weights=weight)
        expected = kde(table[0]) + kde(2 * low - table[0]) + kde(2 * high - table[0])
        assert_allclose(table[1], expected, rtol=1e-3)

    def test_weights_that_are_no_numbers_of_clusters_are_refused(self):
        ln_s, log_mass = made_clusters(50)
        message = (
            r"sums up to 1 over 50 clusters, but 3 observables need at least 5: .*"
        )
        with pytest.raises(
            ValueError, match=message + "factor that makes their mean 1"
        ):
            EvrardProxyRegressor().fit(ln_s, log_mass, np.full(50, 0.02))
        with pytest.raises(ValueError, match=r"has the shape \(49,\), .* 50 clusters"):
            EvrardProxyRegressor().fit(ln_s, log_mass, np.ones(49))
        with pytest.raises(
            ValueError, match=r"1 of 50 sample_weight .* cluster 3, nan"
        ):
            EvrardProxyRegressor().fit(
                ln_s, log_mass, np.where(np.arange(50) == 3, np.nan, 1)
            )
