"""Residuals that go together: their correlation, its file, and the slope it biases."""

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.table import MaskedColumn, Table
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats

from skcluster import (
    EvrardProxyRegressor,
    infer_slope,
    proxy_covariance,
    read_covariance,
    residual_correlation,
    search_proxies,
    write_covariance,
)

LN_10 = np.log(10)
SLOPE = np.array([0.6, 1.5, 0.9])
INTERCEPT = np.array([1.0, -2.0, 30.0])
SCATTER = np.array([0.1, 0.4, 0.2])
RHO = np.array([[1.0, -0.3, 0.0], [-0.3, 1.0, 0.6], [0.0, 0.6, 1.0]])
NAMES = ["T", "L_X", "network"]
PAIR = ["L_X", "network"]
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


def made_covariance(n=500, random_state=0, redshifts=(0.1, 0.4)):
    ln_s, log_mass, redshift = made_clusters(n, random_state, redshifts=redshifts)
    model = EvrardProxyRegressor(redshift_column=-1)
    model.fit(np.column_stack([ln_s, redshift]), log_mass)
    return proxy_covariance(model, names=NAMES, units=["keV", "1e44 erg/s", "Msun/h"])


def planted_covariance():
    """What a calibration on endlessly many clusters would say."""
    covariance = made_covariance(60)
    covariance["slope"][:] = SLOPE
    covariance["covariance"][:] = RHO * np.outer(SCATTER, SCATTER)
    covariance["slope_error"][:], covariance["n_dof"][:] = 0, 10**12
    return covariance


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
        ({"n_resamples": True}, "n_resamples must be an int of at least 2, got True"),
        ({"by_bin": "yes"}, "by_bin must be True or False, got 'yes'"),
        ({"n_resamples": 1}, "n_resamples must be an int of at least 2, got 1"),
        ({"groups": [0, 1]}, r"groups has the shape \(2,\), but there are 60 clusters"),
        ({"groups": np.zeros(60, int)}, "at least 2 groups; all 60 are one"),
        (
            {
                "groups": np.maximum(np.arange(60) - 30, 0),
                "redshift": np.repeat([0.1, 0.4], 30),
                "by_bin": True,
            },
            "at least 2 groups; all 30 are one",
        ),
        ({"redshift": [0.1]}, "redshift must have one number for each of 60"),
        (
            {"redshift": np.ma.masked_equal(np.resize([0.1, 0.4], 60), 0.4)},
            "redshift has no value in 30 of 60 rows",
        ),
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
        ValueError, match=r"\['T', 'network'\] are constant, or power laws"
    ):
        residual_correlation(ln_s, log_mass, names=NAMES)
    with pytest.raises(ValueError, match=r"at least 2 observables, got \['L_X'\]"):
        residual_correlation(ln_s[:, 1:2], log_mass, names=["L_X"])


def test_the_table_says_what_a_likelihood_needs():
    ln_s, log_mass, redshift = made_clusters(90, redshifts=(0.1, 0.4, 0.4))
    X = np.column_stack([ln_s, redshift])
    model = EvrardProxyRegressor(redshift_column=-1, pivot_mass=3e14, beta=2)
    table = proxy_covariance(model.fit(X, log_mass), names=NAMES, units=["a", "b", "c"])
    assert_array_equal(table["redshift"], [0.1, 0.4])
    assert_array_equal(table["redshift_low"], [0.1, 0.25])
    assert_array_equal(table["redshift_high"], [0.25, 0.4])
    assert_array_equal(table["n_clusters"], [30, 60])
    for row, z in zip(table, (0.1, 0.4), strict=True):
        chosen = redshift == z
        mu = LN_10 * log_mass[chosen] - np.log(3e14)
        slope, intercept = np.polyfit(mu, ln_s[chosen], 1)
        residual = ln_s[chosen] - intercept - mu[:, None] * slope
        n = chosen.sum()
        assert row["n_dof"] == n - 2
        errors = [stats.linregress(mu, column).stderr for column in ln_s[chosen].T]
        assert_allclose(row["slope_error"], errors, rtol=1e-6)
        assert not row["slope_evolution"].any()
        assert not row["intercept_evolution"].any()
        assert_allclose(row["slope"], slope)
        assert_allclose(row["intercept"], intercept)
        assert_allclose(row["covariance"], residual.T @ residual / (n - 2), rtol=1e-6)
        assert_allclose(row["correlation"], np.corrcoef(residual.T), rtol=1e-6)
        assert row["log_mass_low"] == log_mass[chosen].min()
        assert row["log_mass_high"] == log_mass[chosen].max()
    meta = {key: table.meta[key] for key in ("names", "units", "pivot_mass", "beta")}
    assert meta == {
        "names": NAMES,
        "units": ["a", "b", "c"],
        "pivot_mass": 3e14,
        "beta": 2,
    }
    assert all(table[name].description for name in table.colnames)


@pytest.mark.parametrize("column", ["redshift", 1, -3])
def test_names_are_those_of_a_data_frame(column):
    ln_s, log_mass, redshift = made_clusters(60)
    frame = pd.DataFrame(ln_s, columns=NAMES)
    frame.insert(1, "redshift", redshift)
    model = EvrardProxyRegressor(redshift_column=column).fit(frame, log_mass)
    assert proxy_covariance(model).meta["names"] == NAMES
    alone = EvrardProxyRegressor().fit(frame[NAMES], log_mass)
    assert proxy_covariance(alone).meta["names"] == NAMES


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        ({}, r"3 observables, but there are 0 names: \[\]"),
        ({"names": ["T"]}, "3 observables, but there are 1 names"),
        ({"names": NAMES, "units": ["keV"]}, "3 observables, but there are 1 units"),
        ({"names": ["T", "T", "L_X"]}, "Names must differ"),
    ],
)
def test_labels_that_do_not_fit_are_explained(labels, message):
    ln_s, log_mass, _ = made_clusters(60)
    model = EvrardProxyRegressor().fit(ln_s, log_mass)
    with pytest.raises(ValueError, match=message):
        proxy_covariance(model, **labels)


def assert_same_table(first, second):
    assert first.colnames == second.colnames
    assert dict(first.meta) == dict(second.meta)
    for name in first.colnames:
        assert_array_equal(first[name], second[name])
        assert first[name].dtype == second[name].dtype
        assert first[name].description == second[name].description


@pytest.mark.parametrize("redshifts", [(0.1, 0.4), None])
def test_a_file_gives_back_every_bit(tmp_path, redshifts):
    if redshifts is None:
        ln_s, log_mass, _ = made_clusters(60)
        model = EvrardProxyRegressor().fit(ln_s, log_mass)
        table = proxy_covariance(model, names=NAMES)
        assert np.isnan(table["redshift"]).all()
    else:
        table = made_covariance(redshifts=redshifts)
    table.meta["survey"] = {"cosmology": "WMAP7", "exposure": 2.0}
    write_covariance(table, tmp_path / "c.ecsv")
    assert_same_table(read_covariance(tmp_path / "c.ecsv"), table)
    assert_same_table(Table.read(tmp_path / "c.ecsv"), table)
    assert [path.name for path in tmp_path.iterdir()] == ["c.ecsv"]


def test_a_write_that_fails_leaves_the_old_file_whole(tmp_path):
    path, table = tmp_path / "c.ecsv", made_covariance()
    write_covariance(table, path)
    before = path.read_bytes()
    table.meta["survey"] = object()
    with pytest.raises(Exception, match="cannot represent an object"):
        write_covariance(table, path)
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["c.ecsv"]


def spoiled(change):
    table = made_covariance(100)
    change(table)
    return table


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.meta.pop("format"), "meta has format=None"),
        (lambda t: t.meta.update(version=3), "in version 3 of its format.*Upgrade"),
        (lambda t: t.meta.pop("pivot_mass"), r"lacks \['pivot_mass'\]"),
        (lambda t: t.remove_column("slope"), r"lacks \['slope'\]"),
        (lambda t: t.meta.update(names=["T"]), r"'slope'.*shape \(3,\).*1 names"),
        (lambda t: t.meta.update(names=3), r"'slope'.*there are 0 names"),
        (lambda t: t["slope"].fill(np.nan), "'slope' of .* has NaN"),
        (lambda t: t["covariance"].fill(1.0), "in row 0 of .* positive definite"),
        (lambda t: t["covariance"][1].put(1, 0.0), "in row 1 of .* not symmetric"),
        (
            lambda t: t.reverse(),
            "Row 1 of .* begins at z = 0.1, but .* ends at z = 0.4",
        ),
    ],
)
def test_a_table_that_is_no_covariance_is_neither_written_nor_read(
    tmp_path, change, message
):
    path, table = tmp_path / "c.ecsv", spoiled(change)
    with pytest.raises(ValueError, match=message):
        write_covariance(table, path)
    table.write(path)
    with pytest.raises(ValueError, match=message):
        read_covariance(path)


def test_a_file_that_is_absent_or_no_ecsv_is_explained(tmp_path):
    path = tmp_path / "c.ecsv"
    with pytest.raises(FileNotFoundError, match=r"There is no file .*c.ecsv"):
        read_covariance(path)
    path.write_bytes(b"\x80\x04pickle")
    with pytest.raises(ValueError, match=r"c.ecsv cannot be read as ECSV"):
        read_covariance(path)


@pytest.mark.filterwarnings("ignore")
@settings(max_examples=60)
@given(data=st.data())
def test_an_altered_file_is_refused_or_still_a_covariance(data, tmp_path_factory):
    folder = tmp_path_factory.getbasetemp()
    path, good = folder / "altered.ecsv", folder / "good.ecsv"
    if not good.exists():
        write_covariance(made_covariance(60), good)
    text = bytearray(good.read_bytes())
    start = data.draw(st.integers(0, len(text) - 1))
    if data.draw(st.booleans()):
        del text[start:]
    else:
        text[start : start + data.draw(st.integers(0, 9))] = data.draw(st.binary())
    path.write_bytes(bytes(text))
    told = "altered.ecsv"
    try:
        assert np.isfinite(read_covariance(path)["covariance"]).all()
    except ValueError as error:
        told = str(error)
    assert "altered.ecsv" in told


def test_ignoring_rho_biases_the_slope_by_the_formula_and_using_it_does_not():
    ln_s, _, redshift = made_clusters(40_000, redshifts=(0.1, 0.4))
    survey = (ln_s[:, 1], ln_s[:, 2], planted_covariance())
    recovered, error = infer_slope(*survey, names=PAIR, redshift=redshift)
    biased, _ = infer_slope(
        *survey, names=PAIR, redshift=redshift, ignore_correlation=True
    )
    bias = RHO[1, 2] * SCATTER[1] * SCATTER[2] / (SLOPE[2] * VARIANCE)
    assert_allclose(recovered, SLOPE[1], atol=4 * error)
    assert_allclose(biased, SLOPE[1] + bias, atol=4 * error)
    assert bias > 30 * error


def test_a_negative_correlation_biases_the_other_way():
    ln_s, _, redshift = made_clusters(10_000, redshifts=(0.1, 0.4))
    options = {"names": ["T", "L_X"], "redshift": redshift}
    survey = (ln_s[:, 0], ln_s[:, 1], planted_covariance())
    recovered, error = infer_slope(*survey, **options)
    biased, _ = infer_slope(*survey, ignore_correlation=True, **options)
    assert_allclose(recovered, SLOPE[0], atol=4 * error)
    bias = RHO[0, 1] * SCATTER[0] * SCATTER[1] / (SLOPE[1] * VARIANCE)
    assert_allclose(biased - recovered, bias, rtol=0.1)


def test_a_survey_that_is_the_calibration_has_the_slope_by_true_masses():
    ln_s, log_mass, _ = made_clusters(1000)
    model = EvrardProxyRegressor().fit(ln_s, log_mass)
    covariance = proxy_covariance(model, names=NAMES)
    slope, _ = infer_slope(ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR)
    # Up to N - 1 in place of N - 2 degrees of freedom.
    assert_allclose(slope, model.slope_[0, 1], rtol=1e-3)


def test_the_error_is_the_scatter_over_surveys():
    covariance, found = planted_covariance(), []
    for seed in range(200):
        ln_s, _, redshift = made_clusters(100, seed, redshifts=(0.1, 0.4))
        found.append(
            infer_slope(
                ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR, redshift=redshift
            )
        )
    slope, error = np.transpose(found)
    assert_allclose(np.median(error), slope.std(), rtol=0.2)
    assert_allclose(slope.mean(), SLOPE[1], atol=4 * slope.std() / np.sqrt(200))


@pytest.mark.parametrize("n_known", [100, 300])
def test_the_error_holds_that_of_the_calibration(n_known):
    pulls = []
    for seed in range(300):
        ln_s, log_mass, _ = made_clusters(n_known, 2 * seed)
        model = EvrardProxyRegressor().fit(ln_s, log_mass)
        covariance = proxy_covariance(model, names=NAMES)
        ln_s, *_ = made_clusters(1000, 2 * seed + 1)
        slope, error = infer_slope(ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR)
        pulls.append((slope - SLOPE[1]) / error)
    # Three standard deviations of a fraction in 300 draws.
    assert_allclose(np.mean(np.abs(pulls) < 1), 0.6827, atol=0.08)
    assert_allclose(np.std(pulls), 1, atol=0.14)


@pytest.mark.parametrize("evolution", ["intercept", "slope"])
def test_slopes_and_correlations_survive_evolution_inside_a_bin(evolution):
    ln_s, log_mass, _ = made_clusters(20_000)
    redshift = np.random.default_rng(1).uniform(0.1, 0.4, 20_000)
    t, mu = np.log(redshift / 0.25)[:, None], LN_10 * (log_mass[:, None] - 14)
    ln_s += t * [-2.0, -1.5, 0.3]
    if evolution == "slope":
        # The observable's own slope does not evolve: it is what is measured.
        ln_s += t * mu * [0.1, 0.0, 0.2]
    known, survey = slice(10_000), slice(10_000, None)
    bins = {"redshift": redshift[known], "redshift_bins": 2, "evolution": evolution}
    pairs = residual_correlation(
        ln_s[known], log_mass[known], names=NAMES, n_resamples=2, **bins
    )
    assert_allclose(rho_of(pairs)["L_X", "network"], RHO[1, 2], atol=0.03)
    model = EvrardProxyRegressor(
        redshift_column=-1, redshift_bins=2, evolution=evolution
    ).fit(np.column_stack([ln_s, redshift])[known], log_mass[known])
    covariance = proxy_covariance(model, names=NAMES)
    slope, error = infer_slope(
        ln_s[survey, 1],
        ln_s[survey, 2],
        covariance,
        names=PAIR,
        redshift=redshift[survey],
    )
    assert error < 0.03
    assert_allclose(slope, SLOPE[1], atol=3 * error)


def planted_bin(**columns):
    """One redshift bin about 0.2 of a calibration that evolves as given."""
    covariance = planted_covariance()[:1]
    columns |= {"redshift_low": 0.1, "redshift_high": 0.4, "redshift": 0.2}
    for name, value in columns.items():
        covariance[name] = value
    return covariance


def test_a_proxy_whose_slope_evolves_has_its_scatter_scaled_with_it():
    rng, n = np.random.default_rng(0), 100_000
    mu, redshift = rng.normal(0, np.sqrt(VARIANCE), n), rng.uniform(0.1, 0.4, n)
    scatter = RHO * np.outer(3 * SCATTER, 3 * SCATTER)
    noise = rng.multivariate_normal(np.zeros(3), scatter, n)
    slope = SLOPE + np.outer(np.log(redshift / 0.2), [0, 0, 0.6])
    ln_s = INTERCEPT + mu[:, None] * slope + noise
    covariance = planted_bin(covariance=[scatter], slope_evolution=[[0, 0, 0.6]])
    found, error = infer_slope(
        ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR, redshift=redshift
    )
    assert error < 0.02
    assert_allclose(found, SLOPE[1], atol=3 * error)


def test_a_trend_inside_a_bin_costs_a_degree_of_freedom():
    covariance = planted_bin(intercept_evolution=[[1.0, -2.0, 0.5]])
    redshift = np.array([0.1, 0.15, 0.2, 0.3, 0.38])
    s = INTERCEPT[1] + np.array([0.9, -1.1, 0.3, 0.4, -0.2])
    m = INTERCEPT[2] + np.array([0.8, -0.7, 0.1, 0.5, -0.4])
    slope, _ = infer_slope(s, m, covariance, names=PAIR, redshift=redshift)
    # Five clusters, less a mean and a trend.
    t = np.log(redshift / 0.2)
    d_s, d_m = (x - np.polyval(np.polyfit(t, x, 1), t) for x in (s, m))
    (c_sm, c_mm), a = covariance["covariance"][0, 2, 1:], SLOPE[2]
    expected = a * (d_s @ d_m - 3 * c_sm) / (d_m @ d_m - 3 * c_mm)
    assert_allclose(slope, expected)


def test_one_bin_that_evolves_needs_redshifts():
    ln_s, log_mass, redshift = made_clusters(200, redshifts=(0.1, 0.2, 0.4))
    model = EvrardProxyRegressor(redshift_column=-1, redshift_bins=1)
    model.fit(np.column_stack([ln_s, redshift]), log_mass)
    covariance = proxy_covariance(model, names=NAMES)
    with pytest.raises(ValueError, match="1 redshift bins that evolve, so redshift"):
        infer_slope(ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR)


def test_the_tables_power_laws_are_the_models():
    ln_s, log_mass, redshift = made_clusters(200, redshifts=(0.1, 0.2, 0.4))
    X = np.column_stack([ln_s, redshift])
    model = EvrardProxyRegressor(
        redshift_column=-1, redshift_bins=1, evolution="slope"
    ).fit(X, log_mass)
    (row,) = proxy_covariance(model, names=NAMES)
    t = np.log(redshift / row["redshift"])[:, None]
    slope = row["slope"] + row["slope_evolution"] * t
    intercept = row["intercept"] + row["intercept_evolution"] * t
    weight = slope @ np.linalg.inv(row["covariance"])
    mu = np.sum(weight * (ln_s - intercept), axis=1) / np.sum(weight * slope, axis=1)
    assert_allclose(model.predict(X), 14 + mu / LN_10, rtol=1e-9)


def test_each_bin_is_corrected_by_its_own_calibration():
    covariance = planted_covariance()
    ln_s, _, redshift = made_clusters(10_000, redshifts=(0.1, 0.4))
    # Twice the network's mass, and a shift, in the second bin: another scatter, slope,
    # intercept and covariance, but the same observable.
    far = redshift == 0.4
    ln_s[far, 2] = 7 + 2 * ln_s[far, 2]
    factor = np.array([1, 1, 2])
    covariance["slope"][1] *= factor
    covariance["intercept"][1, 2] = 7 + 2 * covariance["intercept"][1, 2]
    covariance["covariance"][1] *= np.outer(factor, factor)
    slope, error = infer_slope(
        ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR, redshift=redshift
    )
    assert_allclose(slope, SLOPE[1], atol=4 * error)


@pytest.mark.parametrize("rows", [[2, 1, 0], [0, 2], [1, 0, 2]])
def test_bins_out_of_order_or_with_a_gap_are_refused(rows):
    covariance = made_covariance(redshifts=(0.1, 0.3, 0.5))[rows]
    ln_s, _, redshift = made_clusters(60, redshifts=(0.1, 0.3, 0.5))
    with pytest.raises(
        ValueError, match=r"Row 1 of covariance begins .*sort the table"
    ):
        infer_slope(ln_s[:, 1], ln_s[:, 2], covariance, names=PAIR, redshift=redshift)


def test_bins_of_four_clusters_lose_only_their_means():
    edges = np.linspace(0.1, 2.1, 2001)
    covariance = planted_covariance()[np.zeros(2000, int)]
    covariance["redshift_low"], covariance["redshift_high"] = edges[:-1], edges[1:]
    ln_s, *_ = made_clusters(8000)
    slope, error = infer_slope(
        ln_s[:, 1],
        ln_s[:, 2],
        covariance,
        names=PAIR,
        redshift=np.repeat(edges[:-1], 4),
    )
    assert error < 0.04
    assert_allclose(slope, SLOPE[1], atol=4 * error)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"names": ["L_X", "M_gas"]}, r"two different names out of \['T', .*'M_gas'\]"),
        ({"names": ["L_X", "L_X"]}, "two different names out of"),
        (
            {"ln_s": [], "ln_proxy": [], "redshift": []},
            "hold no cluster to measure a slope with",
        ),
        ({"redshift": None}, "has 2 redshift bins, so redshift must have one number"),
        ({"redshift": [0.1]}, r"each of 60 clusters, got the shape \(1,\)"),
        ({"ln_s": [1.0]}, r"one number per cluster, got the shapes \(1,\) and \(60,\)"),
        (
            {"ln_proxy": np.r_[np.zeros(59), np.nan]},
            r"NaN or infinite for 1 of 60 clusters \(first: cluster 59\)",
        ),
        ({"ln_proxy": np.full(60, 32.0)}, "no spread of masses is left"),
        (
            {"ln_s": np.ma.masked_equal(np.resize([0.0, 1.0], 60), 1.0)},
            r"ln_s has no value in 30 of 60 rows \(first: row 1\)",
        ),
        (
            {"ln_proxy": MaskedColumn(np.zeros(60), mask=np.arange(60) > 49)},
            r"ln_proxy has no value in 10 of 60 rows \(first: row 50\)",
        ),
        (
            {"redshift": np.ma.masked_equal(np.resize([0.1, 0.4], 60), 0.4)},
            "redshift has no value in 30 of 60 rows",
        ),
    ],
)
def test_a_slope_that_makes_no_sense_is_explained(change, message):
    ln_s, _, redshift = made_clusters(60, redshifts=(0.1, 0.4))
    survey = {
        "ln_s": ln_s[:, 1],
        "ln_proxy": ln_s[:, 2],
        "covariance": made_covariance(),
        "names": PAIR,
        "redshift": redshift,
    }
    with pytest.raises(ValueError, match=message):
        infer_slope(**survey | change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda s, m: {"ln_proxy": m / LN_10},
            r"natural logarithm of 'network' in the unit of the calibration, which is "
            r"about 3\d.* logarithms to base 10. Multiply them by ln 10 = 2.302585",
        ),
        (lambda s, m: {"ln_proxy": np.exp(m)}, "the values themselves. Give np.log"),
        (
            lambda s, m: {"ln_proxy": m + np.log(1.989e33)},
            r"log10 M = 5\d.*Give np.log of values in the calibration's unit, Msun/h",
        ),
        (
            lambda s, m: {"ln_s": s + np.log(1e44)},
            "ln_s must be .*'L_X'.*in the calibration's unit, 1e44 erg/s",
        ),
        (
            lambda s, m: {"ln_s": np.exp(s) * units.keV},
            "ln_s has the unit 'keV', but must be the natural logarithm of plain numbers",
        ),
        (
            lambda s, m: {"redshift": 3e5 * np.resize([0.1, 0.4], 60)},
            "they look like velocities cz in km/s",
        ),
        (
            lambda s, m: {"redshift": np.resize([0.1, 0.4], 60) * units.Mpc},
            "redshift has the unit 'Mpc'",
        ),
    ],
)
def test_logarithms_of_another_base_or_unit_are_no_slopes(change, message):
    ln_s, _, redshift = made_clusters(60, redshifts=(0.1, 0.4))
    survey = {"ln_s": ln_s[:, 1], "ln_proxy": ln_s[:, 2], "redshift": redshift}
    survey |= change(survey["ln_s"], survey["ln_proxy"])
    with pytest.raises(ValueError, match=message):
        infer_slope(**survey, covariance=made_covariance(), names=PAIR)


def test_logarithms_with_dimensionless_units_are_those_without():
    ln_s, _, redshift = made_clusters(60, redshifts=(0.1, 0.4))
    columns = ln_s[:, 1], ln_s[:, 2]
    options = {"covariance": made_covariance(), "names": PAIR}
    plain = infer_slope(*columns, redshift=redshift, **options)
    one = units.dimensionless_unscaled
    columns = [column * one for column in columns]
    assert infer_slope(*columns, redshift=redshift * one, **options) == plain


def test_an_observable_that_hardly_depends_on_mass_may_have_any_unit():
    ln_s, _, redshift = made_clusters(2000, redshifts=(0.1, 0.4))
    covariance = planted_covariance()
    covariance["slope"][:, 1] = 0.05
    options = {"covariance": covariance, "names": PAIR, "redshift": redshift}
    slope, _ = infer_slope(ln_s[:, 1] + np.log(1e44), ln_s[:, 2], **options)
    assert_allclose(slope, infer_slope(ln_s[:, 1], ln_s[:, 2], **options)[0], rtol=1e-9)
