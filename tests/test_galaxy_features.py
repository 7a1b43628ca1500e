"""GalaxyFeaturizer against brute force and closed forms, and what it refuses."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, GalaxyFeaturizer, Ragged
from skcluster.galaxy_features import GALAXY_FEATURES

EULER = 0.5772156649015329
PSI_6 = 1 + 1 / 2 + 1 / 3 + 1 / 4 + 1 / 5 - EULER


def galaxies(n, seed=0):
    """Galaxies of which some are on the edges of the cuts and beyond."""
    rng = np.random.default_rng(seed)
    return {
        "x": rng.normal(0, 1.0, n),
        "y": rng.normal(0, 1.0, n),
        "v": rng.normal(0, 1500.0, n),
        "log_stellar_mass": rng.uniform(9.5, 12, n),
    }


def sample_of(*tables):
    return ClusterSample(np.full(len(tables), 0.2), galaxies=[*tables])


def described(*tables, **parameters):
    return GalaxyFeaturizer(**parameters).transform(sample_of(*tables)).galaxies


@pytest.fixture(scope="module")
def survey():
    sizes = enumerate((0, 1, 2, 6, 7, 8, 300))
    return sample_of(*(galaxies(n, seed) for seed, n in sizes))


def brute_force(table):
    """All columns, galaxy by galaxy."""
    kept = (np.hypot(table["x"], table["y"]) <= 2.3) & (np.abs(table["v"]) <= 3785)
    x, y, v, log_mass = (column[kept] for column in table.values())
    rows = []
    for i in range(len(x)):
        distance = np.hypot(x - x[i], y - y[i])
        others = [j for j in np.argsort(distance) if j != i][:6]
        if others:
            k = len(others)
            psi = sum(1 / j for j in range(1, k)) - EULER
            area = np.pi * (distance[others[-1]] ** 2 + 0.01**2)
            density = (psi - np.log(area)) / np.log(10)
            relative = np.sqrt(np.mean((v[others] - v[i]) ** 2)) / 1000
        else:
            density, relative = -np.log10(np.pi * 2.3**2), 0.0
        radius = np.log10(np.hypot(x[i], y[i]) + 0.01)
        rows.append([radius, abs(v[i]) / 1000, relative, density, log_mass[i] - 10])
    return np.reshape(rows, (-1, 5))


def test_columns_are_those_of_a_loop(survey):
    found = GalaxyFeaturizer().transform(survey).galaxies
    assert [*found.columns][4:] == [*GALAXY_FEATURES]
    for i in range(len(survey)):
        expected = brute_force(survey.galaxies.table(i))
        columns = np.column_stack([found.table(i)[name] for name in GALAXY_FEATURES])
        assert columns.dtype == np.float32
        assert_allclose(columns, expected, rtol=1e-5, atol=1e-6)


def test_the_logarithm_of_a_uniform_density_is_unbiased():
    rng = np.random.default_rng(1)
    uniform = [
        {"x": x, "y": y, "v": np.zeros(len(x))}
        for x, y in (rng.uniform(-2, 2, (2, 1600)) for _ in range(5))
    ]
    found = described(*uniform)
    inner = np.maximum(np.abs(found["x"]), np.abs(found["y"])) < 1.5
    # d² is softened by 0.01² beside a typical 6 / (100 π).
    assert_allclose(found["log_density_6"][inner].mean(), 2.0, atol=0.012)


def test_neighbors_of_a_cold_group_move_with_it():
    rng = np.random.default_rng(2)
    field = galaxies(200)
    group = {
        "x": rng.normal(1.2, 0.02, 40),
        "y": rng.normal(0.5, 0.02, 40),
        "v": rng.normal(900.0, 100.0, 40),
        "log_stellar_mass": np.full(40, 10.0),
    }
    both = {name: np.concatenate([group[name], field[name]]) for name in field}
    found = described(both)
    # Differences of two velocities have √2 times their dispersion.
    in_group = found["neighbor_speed"][:40] / np.sqrt(2)
    assert_allclose(np.sqrt(np.mean(in_group**2)), 0.1, rtol=0.15)
    assert np.median(found["neighbor_speed"][40:]) > 1
    assert_allclose(found["speed"][:40].mean(), 0.9, atol=0.05)


def test_bits_do_not_depend_on_the_order_of_galaxies_and_clusters(survey):
    found = GalaxyFeaturizer().transform(survey).galaxies
    order = np.random.default_rng(0).permutation(300)
    turned = {k: v[order] for k, v in survey.galaxies.table(6).items()}
    mixed = described(turned, survey.galaxies.table(3))
    for name in GALAXY_FEATURES:
        assert_array_equal(mixed.table(1)[name], found.table(3)[name])
        kept = found.table(6)
        key, mixed_key = np.argsort(kept["x"]), np.argsort(mixed.table(0)["x"])
        assert_array_equal(mixed.table(0)[name][mixed_key], kept[name][key])


def test_many_galaxies_at_one_place_are_neighbors_of_each_other():
    velocity = np.arange(20.0)
    place = np.r_[np.zeros(20), 1.0]
    found = described({"x": place, "y": 0 * place, "v": np.r_[velocity, 500.0]})
    expected = (PSI_6 - np.log(np.pi * 0.01**2)) / np.log(10)
    assert_allclose(found["log_density_6"][:20], expected, rtol=1e-6)
    assert found["neighbor_speed"][:20].max() <= 0.019
    assert found["neighbor_speed"][20] > 0.48


def test_seen_from_behind_and_in_a_mirror_a_cluster_is_the_same(survey):
    table = survey.galaxies.table(6)
    behind = {**table, "v": -table["v"], "x": -table["x"]}
    one, other = described(table), described(behind)
    for name in GALAXY_FEATURES:
        assert_array_equal(one[name], other[name])


def test_the_cuts_are_those_of_the_cubes():
    edge = {"x": [2.3, 2.301, 0.0, 0.0], "y": [0.0] * 4, "v": [0.0, 0, 3785, -3786]}
    assert_array_equal(described(edge)["v"], [0.0, 3785.0])
    assert len(described(edge, half_width=1.0, velocity_max=4000)["v"]) == 2


def test_masses_are_used_where_they_are_known():
    table = galaxies(30)
    bare = {name: table[name] for name in "xyv"}
    assert [*described(bare).columns][3:] == [*GALAXY_FEATURES][:-1]
    with pytest.raises(ValueError, match="log_stellar_mass_10 needs a column"):
        described(bare, features=["log_stellar_mass_10"])
    with pytest.raises(ValueError, match=r"log_stellar_mass_min=9\.5 needs a column"):
        described(bare, log_stellar_mass_min=9.5)
    table["log_stellar_mass"][[3, 7]] = np.nan
    with pytest.raises(ValueError, match="2 of 30 galaxies have no log_stellar_mass"):
        described(table, half_width=4, velocity_max=1e4)
    assert len(described(table, features=["speed"], half_width=4)["v"]) == 30 - np.sum(
        np.abs(table["v"]) > 3785
    )
    kept = described(table, log_stellar_mass_min=10.0)
    assert kept["log_stellar_mass_10"].min() >= 0
    linear = {**galaxies(30), "log_stellar_mass": np.full(30, 3e10)}
    with pytest.raises(ValueError, match="look like"):
        described(linear)


def test_galaxies_are_needed():
    with pytest.raises(ValueError, match=r"GalaxyFeaturizer needs sample\.galaxies"):
        GalaxyFeaturizer().transform(ClusterSample([0.2]))
    with pytest.raises(ValueError, match="features must be a list of names out of"):
        GalaxyFeaturizer(features=["mass"]).fit(sample_of(galaxies(3)))


def test_without_any_galaxy_there_are_columns_of_length_zero():
    empty = Ragged({name: np.zeros(0) for name in "xyv"}, [0, 0])
    found = GalaxyFeaturizer().transform(ClusterSample([0.2], galaxies=empty))
    assert len(found.galaxies["speed"]) == 0
