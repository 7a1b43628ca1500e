"""PhaseSpaceKDE: scipy's density, wherever scipy has one, and never NaN elsewhere."""

import pickle

import numpy as np
import pytest
from astropy.units import Quantity
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import gaussian_kde
from sklearn.base import clone

from skcluster import ClusterSample, PhaseSpaceKDE
from skcluster.datasets import make_mock_survey
from skcluster.parameters import check_parameters
from skcluster.phase_space import density, kde
from skcluster.sample import Ragged

HALF_SIDES = np.array([2.3, 2.3, 3785.0])


def galaxies_of(n, rng, *, correlation=0.0, scale=(0.6, 0.6, 700.0)):
    """A table of n galaxies, all inside the cuts."""
    covariance = np.full((3, 3), correlation) + (1 - correlation) * np.eye(3)
    x, y, v = rng.multivariate_normal(np.zeros(3), covariance, 4 * n + 50).T
    x, y, v = x * scale[0], y * scale[1], v * scale[2]
    inside = np.flatnonzero((np.hypot(x, y) <= 2.3) & (np.abs(v) <= 3785))[:n]
    return {"x": x[inside], "y": y[inside], "v": v[inside]}


def centers(n_bins):
    axes = [(np.arange(n_bins) + 0.5) / n_bins * 2 - 1] * 3
    grid = np.array(np.meshgrid(*axes, indexing="ij")).reshape(3, -1)
    return grid * HALF_SIDES[:, None]


def scipys(table, n_bins, bandwidth=0.15):
    """The same cube by scipy: its evaluation at the centers, made to sum to 1."""
    data = np.array([table["y"], table["x"], table["v"]])
    values = gaussian_kde(data, bandwidth)(centers(n_bins))
    return (values / values.sum()).reshape(3 * [n_bins])


def by_logarithms(table, n_bins, bandwidth=0.15):
    """The same, cell by cell in logarithms, so that nothing underflows."""
    data = np.array([table["y"], table["x"], table["v"]])
    inverse = np.linalg.inv(np.cov(data) * bandwidth**2)
    offset = centers(n_bins)[:, :, None] - data[:, None, :]
    exponent = -0.5 * np.einsum("icn,ij,jcn->cn", offset, inverse, offset)
    values = np.exp(exponent - exponent.max()).sum(axis=1)
    return (values / values.sum()).reshape(3 * [n_bins])


def cube_of(table, **parameters):
    sample = ClusterSample([0.1], galaxies=[table])
    return PhaseSpaceKDE(**parameters).transform(sample).cubes[0]


def members_of(step, galaxies):
    return kde._members(galaxies, check_parameters(step))


def assert_close(cube, expected):
    assert np.abs(cube - expected).max() < 1e-6 * expected.max()
    assert float(cube.sum(dtype=float)) == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("n", [4, 5, 30, 112, 500])
@pytest.mark.parametrize("correlation", [0.0, 0.9, -0.45, 0.999])
def test_it_is_scipys_density(n, correlation):
    rng = np.random.default_rng(n)
    table = galaxies_of(n, rng, correlation=correlation)
    expected = by_logarithms(table, 20)
    assert_close(cube_of(table, n_bins=20), expected)
    if n >= 30:
        assert_allclose(expected, scipys(table, 20), rtol=1e-6, atol=1e-12)


def test_it_is_scipys_density_at_the_papers_size():
    table = galaxies_of(60, np.random.default_rng(0), correlation=0.3)
    assert_close(cube_of(table), scipys(table, 64))


@given(
    n=st.integers(4, 40),
    seed=st.integers(0, 2**32 - 1),
    correlation=st.floats(-0.49, 0.9999),
    scale=st.tuples(*[st.floats(-2.5, 0.5)] * 3),
    n_bins=st.integers(1, 24),
    bandwidth=st.floats(0.02, 2.0),
)
@settings(max_examples=60, deadline=None)
def test_any_galaxies_that_have_a_kernel(
    n, seed, correlation, scale, n_bins, bandwidth
):
    scale = 10 ** np.array(scale) * HALF_SIDES / 2
    table = galaxies_of(
        n, np.random.default_rng(seed), correlation=correlation, scale=scale
    )
    assume(len(table["x"]) >= 4)
    cube = cube_of(table, n_bins=n_bins, bandwidth=bandwidth)
    assert_close(cube, by_logarithms(table, n_bins, bandwidth))


def test_a_clump_stands_where_it_is_north_west_and_fast():
    rng = np.random.default_rng(0)
    table = {
        "x": rng.normal(1.6, 0.1, 80),
        "y": rng.normal(-0.7, 0.1, 80),
        "v": rng.normal(2000, 100, 80),
    }
    cube = cube_of(table, n_bins=23)
    place = np.array(np.unravel_index(cube.argmax(), cube.shape))
    expected = (np.array([-0.7, 1.6, 2000]) / HALF_SIDES + 1) / 2 * 23
    assert_allclose(place + 0.5, expected, atol=1)


def test_a_batch_is_its_clusters_one_by_one_in_any_order():
    sample = make_mock_survey(n_clusters=12, random_state=0).sample
    kde = PhaseSpaceKDE(n_bins=16)
    cubes = kde.transform(sample).cubes
    assert cubes.dtype == np.float32
    order = np.random.default_rng(0).permutation(12)
    assert_array_equal(kde.transform(sample[order]).cubes, cubes[order])
    for i in (0, 7):
        assert_array_equal(kde.cubes_of(sample.galaxies[i])[0], cubes[i])
    shuffled = sample.galaxies.table(3)
    turn = np.random.default_rng(1).permutation(len(shuffled["x"]))
    again = cube_of({k: column[turn] for k, column in shuffled.items()}, n_bins=16)
    assert_allclose(again, cubes[3], atol=1e-6 * cubes[3].max())


def test_threads_change_nothing():
    sample = make_mock_survey(n_clusters=9, random_state=0).sample
    one, two = (
        PhaseSpaceKDE(n_bins=16, n_jobs=n).transform(sample).cubes for n in (None, 2)
    )
    assert_array_equal(one, two)


def test_the_sample_stays_as_it_was_and_the_step_travels():
    sample = make_mock_survey(n_clusters=3, random_state=0).sample
    before = {name: c.copy() for name, c in sample.galaxies.columns.items()}
    kde = PhaseSpaceKDE(n_bins=8, sampling_fraction=0.5, random_state=0)
    expected = kde.fit_transform(sample).cubes
    for name, column in before.items():
        assert_array_equal(sample.galaxies[name], column)
    assert sample.cubes is None
    for other in (clone(kde), pickle.loads(pickle.dumps(kde))):
        assert_array_equal(other.transform(sample).cubes, expected)


@pytest.mark.parametrize(("fraction", "n_kept"), [(0.5, 4), (0.1, 1), (0.01, 0)])
def test_a_fraction_of_the_galaxies_is_rounded(fraction, n_kept):
    galaxies = galaxies_of(7, np.random.default_rng(0))
    assert kde._draw(Ragged(galaxies, [0, 7]), fraction, 0).lengths == [n_kept]


def test_cuts_on_radius_velocity_and_stellar_mass():
    rng = np.random.default_rng(0)
    inner = galaxies_of(50, rng, scale=(0.3, 0.3, 400.0))
    outer = {"x": [1.7, 2.2, 0.0], "y": [1.7, 0.9, 0.0], "v": [0.0, 0.0, 3786.0]}
    both = {k: np.concatenate([inner[k], outer[k]]) for k in inner}
    assert_array_equal(cube_of(both, n_bins=16), cube_of(inner, n_bins=16))
    heavy = np.arange(50) % 2 == 0
    masses = np.where(heavy, 9.5, 9.49)
    masses[1] = np.nan
    chosen = {k: column[heavy] for k, column in inner.items()}
    with_masses = {**inner, "log_stellar_mass": masses}
    assert_array_equal(
        cube_of(with_masses, n_bins=16, log_stellar_mass_min=9.5),
        cube_of(chosen, n_bins=16),
    )
    with pytest.raises(ValueError, match="needs a column 'log_stellar_mass'"):
        cube_of(inner, n_bins=16, log_stellar_mass_min=9.5)


def test_a_random_part_of_the_galaxies_belongs_to_the_cluster_alone():
    sample = make_mock_survey(n_clusters=8, random_state=0).sample
    half = PhaseSpaceKDE(n_bins=16, sampling_fraction=0.5, random_state=0)
    members = members_of(half, sample.galaxies)
    full = members_of(PhaseSpaceKDE(n_bins=16), sample.galaxies)
    assert_array_equal(members.lengths, np.round(0.5 * full.lengths))
    for i in range(8):
        assert set(members.table(i)["v"]) < set(full.table(i)["v"])
    cubes = half.transform(sample).cubes
    assert_array_equal(half.transform(sample[[5, 2]]).cubes, cubes[[5, 2]])
    assert_array_equal(half.transform(sample).cubes, cubes)
    other = clone(half).set_params(random_state=1).transform(sample).cubes
    assert not np.array_equal(other, cubes)
    tenth = clone(half).set_params(sampling_fraction=0.1)
    tenth = members_of(tenth, sample.galaxies)
    for i in range(8):
        assert set(tenth.table(i)["v"]) < set(members.table(i)["v"])


def test_the_order_of_a_clusters_galaxies_does_not_matter_to_the_draw():
    rng = np.random.default_rng(0)
    table = galaxies_of(40, rng)
    turn = rng.permutation(40)
    turned = {name: column[turn] for name, column in table.items()}
    step = PhaseSpaceKDE(sampling_fraction=0.5, random_state=0)
    one, other = (members_of(step, Ragged.from_tables([t])) for t in (table, turned))
    assert set(one["v"]) == set(other["v"])


def test_a_drawn_part_is_unbiased():
    rng = np.random.default_rng(0)
    tables = [galaxies_of(40, rng) for _ in range(200)]
    step = PhaseSpaceKDE(sampling_fraction=0.25, random_state=0)
    drawn = members_of(step, Ragged.from_tables(tables))
    first = np.array([table["v"] for table in tables])
    rank = [np.isin(row, drawn["v"]) for row in first]
    often = np.mean(rank, axis=0)
    assert_allclose(often, 0.25, atol=5 * np.sqrt(0.25 * 0.75 / 200))


NO_KERNEL = {
    "three galaxies": {"x": [0.1, 0.2, 0.4], "y": [0.0, 0.3, 0.1], "v": [0, 90, 300]},
    "none": {"x": [], "y": [], "v": []},
    "identical": {k: [0.5] * 9 for k in "xyv"},
    "one velocity": {
        "x": np.linspace(-1, 1, 9),
        "y": np.linspace(-1, 1, 9) ** 2,
        "v": [100.0] * 9,
    },
    "a slanted plane": {
        "x": np.linspace(-1, 1, 9),
        "y": np.linspace(-1, 1, 9) ** 2,
        "v": 300 * np.linspace(-1, 1, 9) + 200 * np.linspace(-1, 1, 9) ** 2,
    },
    "a line": {k: np.linspace(-1, 1, 9) for k in "xyv"},
}


@pytest.mark.parametrize("name", NO_KERNEL)
def test_clusters_without_a_kernel_have_an_empty_cube_or_are_named(name):
    good = galaxies_of(30, np.random.default_rng(0))
    bad = {k: np.asarray(v, float) for k, v in NO_KERNEL[name].items()}
    sample = ClusterSample([0.1] * 3, galaxies=[good, bad, good])
    cubes = PhaseSpaceKDE(n_bins=12).transform(sample).cubes
    assert not cubes[1].any()
    assert_array_equal(cubes[0], cubes[2])
    assert_close(cubes[0], scipys(good, 12))
    strict = PhaseSpaceKDE(n_bins=12, on_few="error")
    text = rf"1 of 3 clusters have no kernel \(first: cluster 1, with {len(bad['x'])} "
    with pytest.raises(ValueError, match=text):
        strict.transform(sample)


def test_a_kernel_much_narrower_than_a_cell_leaves_the_nearest_cell():
    rng = np.random.default_rng(0)
    table = galaxies_of(30, rng, scale=(1e-3, 1e-3, 1.0))
    table = {"x": table["x"] + 0.43, "y": table["y"] - 1.0, "v": table["v"] + 710}
    cube = cube_of(table, n_bins=16)
    place = np.unravel_index(cube.argmax(), cube.shape)
    expected = np.floor((np.array([-1.0, 0.43, 710]) / HALF_SIDES + 1) / 2 * 16)
    assert cube[place] == 1
    assert_array_equal(place, expected.astype(int))
    scipys = gaussian_kde(np.array([table["y"], table["x"], table["v"]]), 0.15)
    assert not scipys(centers(16)).any()  # where scipy has no answer


@pytest.mark.parametrize("correlation", [0.99, 0.9999, 0.999998])
@pytest.mark.parametrize("seed", range(3))
def test_galaxies_along_a_needle_have_scipys_density_too(correlation, seed):
    # Few cells lie close to the needle, and rounding its galaxies finds others.
    table = galaxies_of(60, np.random.default_rng(seed), correlation=correlation)
    assert_close(cube_of(table, n_bins=24), scipys(table, 24))


@pytest.mark.parametrize("part", [1e-6, 1e-7, 1e-8])
@pytest.mark.parametrize("axes", ["xy", "yv", "xyv"])
def test_galaxies_almost_in_a_plane_or_on_a_line_have_scipys_density(part, axes):
    # 1 - correlation = part. With one scale for all axes (of the cube) and galaxies in
    # pairs about the center, cells lie in the plane, and scipy does not underflow.
    rng = np.random.default_rng(0)
    half = rng.normal(0, 0.25, (3, 40))
    common = rng.normal(0, 0.25, 40)
    columns = dict(zip("yxv", half, strict=True))
    for name in axes:
        own = columns[name]
        columns[name] = np.sqrt(1 - part) * common + np.sqrt(part) * own
    table = {
        name: np.concatenate([columns[name], -columns[name]]) * side
        for name, side in zip("yxv", HALF_SIDES, strict=True)
    }
    inside = (np.hypot(table["x"], table["y"]) <= 2.3) & (abs(table["v"]) <= 3785)
    table = {name: column[inside] for name, column in table.items()}
    correlation = np.corrcoef([table[name] for name in axes])
    assert_allclose(1 - correlation[0, 1], part, rtol=0.5)
    expected = scipys(table, 24)
    assert np.isfinite(expected).all()
    cube = cube_of(table, n_bins=24, on_few="error")
    assert np.abs(cube - expected).max() < 1e-6 * expected.max()


def test_galaxies_flatter_than_doubles_can_tell_have_no_kernel():
    rng = np.random.default_rng(0)
    x, y, v = rng.normal(0, 0.2, (3, 50))
    table = {"x": x, "y": x + 1e-6 * y, "v": 2000 * v}
    assert 1 - np.corrcoef(table["x"], table["y"])[0, 1] < 1e-11
    assert not cube_of(table, n_bins=12).any()
    with pytest.raises(ValueError, match="have no kernel"):
        cube_of(table, n_bins=12, on_few="error")


def test_the_closest_cell_of_a_slanted_kernel_is_found_by_looking_at_all():
    rng = np.random.default_rng(0)
    slanted = np.array([[4, 3.999, 3.99], [3.999, 4, 3.995], [3.99, 3.995, 4]]) / 3000
    precision = np.linalg.inv(slanted)
    galaxies = rng.uniform(-0.5, 7.5, (3, 5))
    grid = np.array(np.meshgrid(*[np.arange(8)] * 3, indexing="ij")).reshape(3, -1)
    offset = grid[:, :, None] - galaxies[:, None, :]
    squared = np.einsum("icn,ij,jcn->cn", offset, precision, offset)
    assert squared.min() > density.CLOSE
    whitening = np.linalg.inv(np.linalg.cholesky(slanted))
    assert density._closest(galaxies, whitening, 8) == pytest.approx(squared.min())


@pytest.mark.parametrize("cells_min", [0, np.inf], ids=["products", "one by one"])
@pytest.mark.parametrize("n_bins", [1, 5, 16, 18, 33])
def test_both_ways_to_sum_agree(monkeypatch, cells_min, n_bins):
    monkeypatch.setattr(density, "TILE_CELLS_MIN", cells_min)
    monkeypatch.setattr(density, "PAIRS_PER_BLOCK", 200)
    table = galaxies_of(20, np.random.default_rng(0), correlation=0.8)
    assert_close(cube_of(table, n_bins=n_bins), by_logarithms(table, n_bins))


@pytest.mark.parametrize(
    ("parameters", "text"),
    [
        ({"n_bins": 0}, "n_bins must be an int from 1 to 1024, got 0"),
        ({"n_bins": 8.0}, r"n_bins must be an int from 1 to 1024, got 8\.0"),
        ({"bandwidth": 0}, "from 0.001 to 100 standard deviations, got 0"),
        ({"half_width": -1.0}, "half_width must be a number from .* got -1"),
        ({"half_width": 2300.0}, r"got 2300\.0\. It looks like kpc/h\. Divide it by"),
        ({"velocity_max": np.inf}, "velocity_max must be a number from .* got inf"),
        ({"velocity_max": 3785e3}, r"It looks like m/s\. Divide it by 1000"),
        ({"velocity_max": 0.0126}, r"It looks like redshifts\. Multiply it by 299792"),
        ({"log_stellar_mass_min": 3e9}, "It looks like masses in Msun"),
        (
            {"velocity_max": Quantity(3, "Mm/s")},
            "a number from 10 to 100000 km/s, got <Q",
        ),
        ({"sampling_fraction": 0.0}, r"sampling_fraction must be in \(0, 1\]"),
        ({"sampling_fraction": 1.5}, r"sampling_fraction must be in \(0, 1\]"),
        ({"on_few": "skip"}, r"on_few must be one of \['zeros', 'error'\], got 'skip'"),
    ],
)
def test_senseless_parameters_are_refused_by_name(parameters, text):
    table = galaxies_of(10, np.random.default_rng(0))
    sample = ClusterSample([0.1], galaxies=[table])
    with pytest.raises(ValueError, match=text):
        PhaseSpaceKDE(**parameters).fit(sample)
    with pytest.raises(ValueError, match=text):
        PhaseSpaceKDE(**parameters).transform(sample)


def test_a_sample_without_galaxies_is_told_how_to_get_them():
    with pytest.raises(ValueError, match=r"PhaseSpaceKDE needs sample\.galaxies"):
        PhaseSpaceKDE().transform(ClusterSample([0.1]))


@pytest.mark.parametrize("seed", range(5))
def test_a_kernel_is_what_its_formulas_say(seed):
    rng = np.random.default_rng(seed)
    mixing, galaxies = rng.normal(size=(3, 3)), rng.uniform(0, 7, (3, 40))
    covariance = mixing @ mixing.T
    kernel = density.Kernel.about(galaxies, covariance, 8)
    cells = np.indices((8, 8, 8)).reshape(3, -1)
    offset = (cells[:, :, None] - galaxies[:, None]).reshape(3, -1)
    squared = np.einsum("ik,ij,jk->k", offset, np.linalg.inv(covariance), offset)
    assert kernel.closest == pytest.approx(squared.min())
    at_reach = np.exp(-0.5 * (kernel.reach**2 - squared.min()))
    assert 40 * at_reach == pytest.approx(density.TOLERANCE)
    in_widths = offset / np.sqrt(np.diag(covariance))[:, None]
    assert ((in_widths**2).sum(axis=0) <= kernel.stretch * squared * (1 + 1e-9)).all()


@pytest.mark.parametrize("seed", range(5))
def test_no_table_of_a_tile_goes_beyond_the_largest_exponent(seed):
    rng = np.random.default_rng(seed)
    mixing, galaxies = rng.normal(size=(3, 3)), rng.uniform(0, 7, (3, 40))
    covariance, shape = mixing @ mixing.T, (4, 2, 8)
    kernel = density.Kernel.about(galaxies, covariance, 8)
    w, tile = kernel.whitening, density._cells(shape)
    total, exponents = [], []
    for h in galaxies.T - 3.5:  # the tile is in the middle of the cube
        squared = ((w @ (tile.reshape(3, -1) - h[:, None])) ** 2).sum(axis=0)
        counts = (squared <= kernel.reach**2).reshape(shape).any(axis=2)
        sky = np.einsum("iyx,i->yx", tile[:2, :, :, 0], (w.T @ w @ h)[:2])
        sky += 0.5 * (kernel.closest - ((w @ h)[:2] ** 2).sum())
        exponents += [*sky[counts]]
        total += [squared.min()]
    assert min(total) >= kernel.closest * (1 - 1e-9)
    assert max(np.abs(exponents)) <= kernel.largest_exponent(shape)


@pytest.mark.parametrize("n_galaxies", [5, 30, 112, 500])
def test_no_table_sum_or_cube_holds_a_subnormal_number(monkeypatch, n_galaxies):
    smallest, seen = np.finfo(np.float32).tiny, []

    def watched_tables(*args):
        *tables, bounds = tables_of(*args)
        seen.extend(table.copy() for table in tables)
        return *tables, bounds

    tables_of = density._tables
    monkeypatch.setattr(density, "_tables", watched_tables)
    rng = np.random.default_rng(n_galaxies)
    covariance = [[1, 0.5, 0.2], [0.5, 1, 0.3], [0.2, 0.3, 1]]
    x, y, v = rng.multivariate_normal(np.zeros(3), covariance, n_galaxies).T
    galaxies = Ragged.from_tables([{"x": 0.7 * x, "y": 0.7 * y, "v": 900 * v}])
    seen.append(PhaseSpaceKDE(n_bins=64).cubes_of(galaxies))
    assert len(seen) > 2
    for table in seen:
        assert not ((table != 0) & (np.abs(table) < smallest)).any()


def test_numpy_that_raises_at_underflow_gives_the_same_cube():
    rng = np.random.default_rng(0)
    galaxies = Ragged.from_tables(
        [dict(zip("xyv", rng.normal(0, 0.7, (3, 60)), strict=True))]
    )
    galaxies = galaxies.assign(v=900 * galaxies["v"])
    expected = PhaseSpaceKDE().cubes_of(galaxies)
    with np.errstate(all="raise"):
        assert_array_equal(PhaseSpaceKDE().cubes_of(galaxies), expected)
