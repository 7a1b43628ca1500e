"""PhotonFeaturizer against brute force, closed forms, and its own promises."""

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.special import digamma, polygamma

from skcluster import ClusterSample, PhotonFeaturizer, Ragged
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.photon_features import PHOTON_FEATURES, neighbors
from skcluster.photon_features.positions import Positions

REDSHIFT, CENTER = 0.2, (150.0, 2.0)
DISTANCE = float(comoving_distance([REDSHIFT])[0])
PIXEL = np.radians(9.6 / 3600) * DISTANCE
ALL = tuple(PHOTON_FEATURES)


def sample_of(*clusters, redshift=REDSHIFT):
    """A sample with photons at (x, y) in Mpc/h from the center, with energies in keV."""
    tables = []
    for x, y, energy in clusters:
        x, y = np.array(x, float) / DISTANCE, np.array(y, float) / DISTANCE
        ra, dec = plane_to_sky(x, y, *CENTER)
        tables.append({"ra": ra, "dec": dec, "energy": np.array(energy, float)})
    n = len(tables)
    return ClusterSample(n * [redshift], center=n * [CENTER], photons=tables)


def described(*clusters, **parameters):
    return PhotonFeaturizer(**parameters).transform(sample_of(*clusters)).photons


def pixelized(x):
    return (np.floor(x / PIXEL) + 0.5) * PIXEL


def clumpy(n_photons, seed=0):
    """A cluster with a core, a point source and background, on the camera's pixels."""
    rng = np.random.default_rng(seed)
    n_source, n_flat = n_photons // 5, n_photons // 4
    n_gas = n_photons - n_source - n_flat
    x, y = rng.normal(0, 0.4, (2, n_gas)) * [[1.3], [0.7]]
    x, y = x + 0.3 * y, y + 0.3 * x
    x = np.concatenate([x, rng.normal(0.6, 0.03, n_source), rng.uniform(-2, 2, n_flat)])
    y = np.concatenate(
        [y, rng.normal(-0.4, 0.03, n_source), rng.uniform(-2, 2, n_flat)]
    )
    energy = np.exp(rng.normal(0.2, 0.5, n_photons)).clip(0.5, 9.9)
    return pixelized(x), pixelized(y), energy


def kth_neighbors(distance, k, pixel):
    """Area over π that holds k neighbors, and the share of each in them: slow but plain.

    Photons at one distance, but for rounding, share their places.
    """
    order = np.argsort(distance)
    shells, start = [], 0
    for i in range(1, len(order) + 1):
        at_end = i == len(order)
        if at_end or distance[order[i]] > distance[order[start]] * (1 + 1e-7) + 1e-12:
            shells.append(order[start:i])
            start = i
    shares, n_nearer, inner = np.zeros(len(distance)), 0, pixel**2 / np.pi
    if distance.min() < 1e-12:
        inner = 0.0
    for shell in shells:
        outer = distance[shell[0]] ** 2 + pixel**2 / 2
        if distance[shell[0]] < 1e-12:
            outer = pixel**2 / np.pi
        if n_nearer + len(shell) >= k:
            shares[shell] = share = (k - n_nearer) / len(shell)
            return inner + share * (outer - inner), shares
        shares[shell] = 1.0
        n_nearer, inner = n_nearer + len(shell), outer
    raise AssertionError("fewer than k neighbors")


def brute_force(x, y, energy, w=2.3):
    """All columns by loops over photons, from nothing but their definitions."""
    n, log_energy, r = len(x), np.log10(energy), np.hypot(x, y)
    edges = np.array([0, 0.0125, 0.025, 0.045, 0.065, 0.09, 0.12, 0.155, 0.195, 0.24])
    edges = w * np.array([*edges, 0.29, 0.35, 0.435, 0.545, 0.7, 0.87, 1.13, 2**0.5])
    # Areas inside the square, strip by strip.
    strip = (np.arange(100_000) + 0.5) / 100_000 * w
    height = [np.sqrt(np.maximum(edge**2 - strip**2, 0)).clip(max=w) for edge in edges]
    area = 4 * w * np.diff(np.mean(height, axis=1))
    log_mean = np.log10((np.histogram(r, edges)[0] + 0.3) / area)
    log_mean = np.interp(r, (edges[1:] + edges[:-1]) / 2, log_mean)
    log_density = {6: np.empty(n), 24: np.empty(n)}
    near_energy = np.empty(n)
    for i in range(n):
        others = np.arange(n) != i
        distance = np.hypot(x - x[i], y - y[i])[others]
        reach = np.sort(distance)[min(24, n - 1) - 1] + 1e-9
        places = np.round(
            np.column_stack([x, y])[np.hypot(x - x[i], y - y[i]) <= reach], 9
        )
        is_shared = len(np.unique(places, axis=0)) < len(places)
        pixel = PIXEL if is_shared else PIXEL / 100
        for k, out in log_density.items():
            k = min(k, n - 1)
            a, shares = kth_neighbors(distance, k, pixel)
            out[i] = np.log10(np.exp(digamma(k)) / (np.pi * a))
            if k == min(6, n - 1) and out is log_density[6]:
                near_energy[i] = (shares @ log_energy[others]) / k
    clumped = np.maximum(10 ** (log_density[6] - log_mean), 1)
    weight = np.exp(-((r / 0.5) ** 2)) / clumped
    cx, cy = np.average(x, weights=weight), np.average(y, weights=weight)
    weight = np.exp(-((r / 0.7) ** 2)) / clumped
    moments = np.cov([x, y], aweights=weight, ddof=0)
    mean = np.average([x, y], axis=1, weights=weight) - [cx, cy]
    values, vectors = np.linalg.eigh(moments + np.outer(mean, mean))
    axis = np.arctan2(*vectors[::-1, np.argmax(values)])
    return {
        "log_radius": np.log10(r + 0.01),
        "log_energy": log_energy,
        "log_contrast_6": log_density[6] - log_mean,
        "log_contrast_24": log_density[24] - log_mean,
        "log_density_6": log_density[6],
        "neighbor_log_energy": near_energy,
        "cos_twice_angle": np.cos(2 * (np.arctan2(y, x) - axis)),
        "log_centroid_distance": np.log10(np.hypot(x - cx, y - cy) + 0.01),
    }


@pytest.mark.parametrize("n_photons", [2, 5, 26, 600])
@pytest.mark.parametrize("on_pixels", [True, False])
def test_every_column_is_that_of_brute_force(n_photons, on_pixels):
    x, y, energy = clumpy(n_photons, seed=n_photons)
    if not on_pixels:
        x, y = np.random.default_rng(0).normal([x, y], 0.02)
    photons, expected = described((x, y, energy)), brute_force(x, y, energy)
    assert list(expected) == list(ALL)
    for name, values in expected.items():
        assert photons[name].dtype == np.float32
        assert_allclose(photons[name], values, rtol=1e-5, atol=2e-4, err_msg=name)


def test_two_photons_are_each_others_neighbor():
    photons = described(([0.0, 0.3], [0.0, 0.4], [1.0, 5.0]))
    density = np.exp(digamma(1)) / (np.pi * 0.5**2)
    assert_allclose(photons["log_density_6"], np.log10(density), atol=1e-5)
    assert_allclose(photons["neighbor_log_energy"], np.log10([5.0, 1.0]), atol=1e-6)
    assert_allclose(photons["log_radius"], np.log10([0.01, 0.51]), rtol=1e-5)
    assert_allclose(photons["log_energy"], np.log10([1.0, 5.0]), atol=1e-7)


@pytest.mark.parametrize("n_photons", [7, 25, 400])
def test_coincident_photons_fill_a_pixel(n_photons):
    here = np.full(n_photons, 0.3)
    energy = np.linspace(1, 9, n_photons)
    photons = described((here, here, energy))
    per_area = (n_photons - 1) / PIXEL**2
    expected = np.log10(per_area * np.exp(digamma(6)) / 6)
    assert_allclose(photons["log_density_6"], expected, rtol=1e-6)
    others = (np.log10(energy).sum() - np.log10(energy)) / (n_photons - 1)
    assert_allclose(photons["neighbor_log_energy"], others, atol=1e-6)


def test_one_photon_per_pixel_has_the_density_of_the_lattice():
    # 4 neighbors at one pixel, 4 at the root of two: the 6th is half-way through these.
    x, y = (axis.ravel() for axis in np.mgrid[-20:21, -20:21] * PIXEL)
    photons = described((x, y, np.ones(len(x))))
    inner = np.hypot(x, y) < 10 * PIXEL
    expected = np.exp(digamma(6)) / (np.pi * 1.5 * PIXEL**2)
    assert_allclose(photons["log_density_6"][inner], np.log10(expected), rtol=1e-5)


def test_log_contrast_of_a_uniform_field_averages_to_zero():
    x, y = np.random.default_rng(0).uniform(-2.3, 2.3, (2, 40_000))
    photons = described((x, y, np.ones(len(x))))
    inner = np.hypot(x, y) < 2
    for k in (6, 24):
        contrast = photons[f"log_contrast_{k}"][inner]
        spread = np.sqrt(polygamma(1, k)) / np.log(10)
        assert_allclose(contrast.std(), spread, rtol=0.03)
        assert abs(contrast.mean()) < 0.004


@pytest.mark.parametrize("per_pixel", [0.1, 1, 3, 10, 30])
def test_pixels_do_not_bias_densities(per_pixel):
    side = min(2.0, 150 * PIXEL / np.sqrt(per_pixel))
    n_photons = int(per_pixel * (2 * side / PIXEL) ** 2)
    x, y = np.random.default_rng(0).uniform(-side, side, (2, n_photons))
    inner = np.maximum(np.abs(x), np.abs(y)) < side - 10 * PIXEL
    true = np.log10(per_pixel / PIXEL**2)
    fine = described((x, y, np.ones(n_photons)))
    coarse = described((pixelized(x), pixelized(y), np.ones(n_photons)))
    assert abs(fine["log_density_6"][inner].mean() - true) < 0.02
    assert abs(coarse["log_density_6"][inner].mean() - true) < 0.06
    wider = coarse["log_contrast_24"] - fine["log_contrast_24"]
    assert abs(wider[inner].mean()) < 0.06


def test_a_point_source_stands_out_at_its_radius():
    x, y, energy = clumpy(2000)
    photons = described((x, y, energy))
    is_source = np.hypot(x - 0.6, y + 0.4) < 0.06
    for name in ("log_contrast_6", "log_contrast_24"):
        contrast = photons[name]
        assert contrast[is_source].mean() > contrast[~is_source].mean() + 0.5


def test_angle_is_that_to_the_longest_axis():
    t = np.linspace(-1, 1, 101)
    for angle in (0.0, 0.4, 2.0):
        x, y = t * np.cos(angle), t * np.sin(angle)
        across = [-0.1 * np.sin(angle), 0.1 * np.cos(angle)]
        x, y = np.append(x, across[0]), np.append(y, across[1])
        cos = described((x, y, np.ones(102)))["cos_twice_angle"]
        assert_allclose(cos[np.abs(np.append(t, 1)) > 0.1][:-1], 1, atol=0.01)
        assert_allclose(cos[-1], -1, atol=0.01)


def test_a_point_source_does_not_turn_the_axis():
    rng = np.random.default_rng(0)
    x, y = rng.normal(0, 1, (2, 4000)) * [[0.5], [0.25]]
    source_x, source_y = rng.normal([[0.0], [0.5]], 0.01, (2, 400))
    for with_source in (False, True):
        n = 4400 if with_source else 4000
        x_all, y_all = np.append(x, source_x)[:n], np.append(y, source_y)[:n]
        photons = described((x_all, y_all, np.ones(n)))
        angle = np.arctan2(y_all, x_all)
        assert_allclose(photons["cos_twice_angle"], np.cos(2 * angle), atol=0.15)
        centroid_distance = 10 ** photons["log_centroid_distance"] - 0.01
        assert_allclose(centroid_distance, np.hypot(x_all, y_all), atol=0.05)


def test_a_round_list_has_no_axis():
    photons = described(([0.3, 0, -0.3, 0], [0, 0.3, 0, -0.3], np.ones(4)))
    assert_array_equal(photons["cos_twice_angle"], 0)


def test_a_photon_alone_is_described_by_itself():
    for place in ((0.0, 0.0), (0.6, 0.8)):
        photons = described(([place[0]], [place[1]], [2.0]))
        assert_array_equal(photons["log_contrast_6"], 0)
        assert_array_equal(photons["log_contrast_24"], 0)
        assert_allclose(photons["log_density_6"], -np.log10(4.6**2), rtol=1e-6)
        assert_allclose(photons["neighbor_log_energy"], np.log10(2), rtol=1e-6)
        assert_array_equal(photons["cos_twice_angle"], 0)
        assert_allclose(photons["log_centroid_distance"], -2, atol=1e-6)


def test_clusters_without_photons_stay_in_their_places():
    few = ([], [], []), ([5.0], [0.0], [1.0]), clumpy(30), ([], [], [])
    photons = described(*few)
    assert_array_equal(photons.lengths, [0, 0, 30, 0])
    assert_array_equal(photons["log_density_6"], described(few[2])["log_density_6"])
    none = described(few[0], few[3])
    assert_array_equal(none.lengths, [0, 0])
    assert {none[name].dtype for name in ALL} == {np.dtype(np.float32)}


def test_photons_outside_of_band_and_aperture_are_removed():
    x = [-1.0, 0.999, 1.001, 0, 0, 0, 0]
    y = [0, 0, 0, -1.001, 0.0, 0.1, 0.2]
    energy = [1.0, 1.0, 1.0, 1.0, 0.9, 0.8, 2.0]
    sample = sample_of((x, y, energy))
    origin = np.arange(7, dtype=np.int8)
    sample = sample.assign(photons=sample.photons.assign(origin=origin))
    featurizer = PhotonFeaturizer(half_width=1.0001, band=(0.9, 2.0))
    photons = featurizer.transform(sample).photons
    assert_array_equal(photons["origin"], [0, 1, 4])
    assert photons["origin"].dtype == np.int8
    assert_array_equal(photons["ra"], sample.photons["ra"][[0, 1, 4]])
    assert list(photons.columns) == ["ra", "dec", "energy", "origin", *ALL]
    assert len(sample.photons["energy"]) == 7


def test_the_aperture_is_half_open():
    sample = sample_of(([-1.0], [0.0], [1.0]), ([1.0], [0.0], [1.0]))
    photons = sample.photons
    x, _ = sky_to_plane(photons["ra"], photons["dec"], *CENTER)
    low, high = map(float, np.abs(x * DISTANCE))
    at_low = PhotonFeaturizer(half_width=low).transform(sample[0])
    at_high = PhotonFeaturizer(half_width=high).transform(sample[1])
    assert [at_low.photons.lengths[0], at_high.photons.lengths[0]] == [1, 0]


def test_sums_of_energies_do_not_depend_on_the_order():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 2, (2, 300)).astype(float)
    log_energy = rng.normal(0, 10.0 ** rng.integers(-8, 8, 300))
    order = rng.permutation(300)
    one = Positions.of(x, y, log_energy)
    other = Positions.of(x[order], y[order], log_energy[order])
    assert_array_equal(one.n_photons, np.bincount((2 * x + y).astype(int)))
    assert_array_equal(other.log_energy_sum, one.log_energy_sum)
    assert_array_equal(other.of_photon, one.of_photon[order])


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(12, random_state=0, galaxies=False).sample


@pytest.fixture(scope="module")
def of_survey(survey):
    return PhotonFeaturizer().transform(survey).photons


@pytest.mark.parametrize("seed", [0, 1])
def test_photons_in_any_order_are_described_to_the_same_bits(survey, of_survey, seed):
    rng = np.random.default_rng(seed)
    key = rng.random(survey.photons.offsets[-1])
    order = np.lexsort((key, survey.photons.cluster))
    columns = {name: column[order] for name, column in survey.photons.columns.items()}
    columns["number"] = order
    shuffled = survey.assign(photons=Ragged(columns, survey.photons.offsets))
    photons = PhotonFeaturizer().transform(shuffled).photons
    back = np.argsort(photons["number"])
    assert_array_equal(photons["energy"][back], of_survey["energy"])
    for name in ALL:
        assert_array_equal(photons[name][back], of_survey[name], err_msg=name)


def test_clusters_in_any_order_and_company_are_described_to_the_same_bits(
    survey, of_survey
):
    order = np.random.default_rng(0).permutation(len(survey))
    photons = PhotonFeaturizer().transform(survey[order]).photons
    expected = of_survey[order]
    alone = PhotonFeaturizer().transform(survey[3]).photons
    for name in ALL:
        assert_array_equal(photons[name], expected[name], err_msg=name)
        assert_array_equal(alone[name], of_survey[3][name], err_msg=name)


def test_threads_and_blocks_change_no_bit(survey, of_survey, monkeypatch):
    photons = PhotonFeaturizer(n_jobs=2).transform(survey).photons
    monkeypatch.setattr(neighbors, "POSITIONS_PER_QUERY", 100)
    monkeypatch.setattr("skcluster.sample.ragged.ROWS_PER_BLOCK", 3000)
    in_parts = PhotonFeaturizer(n_jobs=2).transform(survey).photons
    for name in ALL:
        assert_array_equal(photons[name], of_survey[name])
        assert_array_equal(in_parts[name], of_survey[name])


@pytest.mark.parametrize("name", ALL)
def test_each_column_can_be_had_alone(survey, of_survey, name):
    photons = PhotonFeaturizer(features=[name]).transform(survey).photons
    assert set(photons.columns) - set(survey.photons.columns) == {name}
    assert_array_equal(photons[name], of_survey[name])


def test_describing_twice_changes_nothing(survey, of_survey):
    twice = PhotonFeaturizer().fit(survey).transform(survey)
    twice = PhotonFeaturizer().transform(twice).photons
    assert list(twice.columns) == list(of_survey.columns)
    for name in ALL:
        assert_array_equal(twice[name], of_survey[name])


@settings(max_examples=20, deadline=None)
@given(st.floats(0, 2 * np.pi), st.integers(0, 3))
def test_a_rotated_sky_is_described_alike(angle, seed):
    x, y, energy = clumpy(150, seed)
    inner = np.hypot(x, y) < 2.2
    x, y, energy = x[inner], y[inner], energy[inner]
    turned = (
        np.cos(angle) * x - np.sin(angle) * y,
        np.sin(angle) * x + np.cos(angle) * y,
    )
    before, after = described((x, y, energy)), described((*turned, energy))
    for name in ALL:
        assert_allclose(after[name], before[name], atol=2e-5, err_msg=name)


def test_a_larger_aperture_scales_its_rings():
    # The same picture twice as large: contrasts stay, densities fall by four.
    x, y, energy = clumpy(300)
    small = described((x, y, energy))
    large = described((2 * x, 2 * y, energy), half_width=4.6, pixel=19.2)
    for k in (6, 24):
        name = f"log_contrast_{k}"
        assert_allclose(large[name], small[name], atol=1e-5)
    shift = small["log_density_6"] - large["log_density_6"]
    assert_allclose(shift, np.log10(4), atol=1e-5)


def test_radii_are_those_of_the_cosmology_that_it_is_given():
    own = FlatLambdaCDM(70, 0.9)
    ra, dec = plane_to_sky(np.array([0.6e-3]), np.array([0.8e-3]), *CENTER)
    photon = {"ra": ra, "dec": dec, "energy": [1.0]}
    sample = ClusterSample([0.3], center=[CENTER], photons=[photon])
    found = PhotonFeaturizer(features=["log_radius"], cosmology=own).transform(sample)
    expected = 1e-3 * own.comoving_distance(0.3).value * own.h
    assert_allclose(10 ** found.photons["log_radius"] - 0.01, expected, rtol=1e-5)


def test_float32_positions_and_energies_will_do(survey):
    columns = {
        name: survey.photons[name].astype(np.float32)
        for name in ("ra", "dec", "energy")
    }
    single = survey.assign(photons=survey.photons.assign(**columns))
    photons = PhotonFeaturizer().transform(single).photons
    assert photons["ra"].dtype == np.float32
    assert all(np.isfinite(photons[name]).all() for name in ALL)


def test_a_field_of_a_million_photons_is_described():
    rng = np.random.default_rng(0)
    x, y = pixelized(rng.normal(0, 0.5, (2, 1_000_000)))
    photons = described((x, y, np.full(len(x), 1.5)))
    assert photons.lengths[0] > 990_000
    assert np.isfinite(photons["log_contrast_24"]).all()
    # The core holds 1e6 / (2 pi 0.5²) photons per (Mpc/h)².
    core = photons["log_density_6"][photons["log_radius"] < np.log10(0.06)]
    expected = 1e6 / (2 * np.pi * 0.5**2) * np.exp(digamma(6)) / 6
    assert_allclose(core.mean(), np.log10(expected), atol=0.01)


def test_a_far_photon_does_not_disturb():
    x, y, energy = clumpy(50)
    sample = sample_of((x, y, energy))
    ra, dec = (
        np.append(sample.photons["ra"], -20.0),
        np.append(sample.photons["dec"], -60),
    )
    far = {"ra": ra, "dec": dec, "energy": np.append(energy, 1.0)}
    both = PhotonFeaturizer().transform(sample.assign(photons=[far])).photons
    assert both.lengths[0] == 50
    assert not np.isfinite(sky_to_plane(-20.0, -60.0, *CENTER)).all()


def test_missing_fields_are_named():
    sample = sample_of(clumpy(20))
    with pytest.raises(ValueError, match=r"PhotonFeaturizer needs sample\.photons"):
        PhotonFeaturizer().transform(sample.drop("photons"))
    with pytest.raises(ValueError, match=r"PhotonFeaturizer needs sample\.center"):
        PhotonFeaturizer().fit(sample.drop("center"))


def test_photons_of_another_place_are_refused():
    elsewhere = sample_of(clumpy(40)).assign(center=[[10.0, -50.0]])
    with pytest.raises(
        ValueError, match="PhotonFeaturizer finds all photons of 1 of 1"
    ):
        PhotonFeaturizer().transform(elsewhere)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"features": ["radius"]}, r"features must be a list of names out of \['log_r"),
        ({"features": "log_radius"}, r"Give a list: \['log_radius'\]"),
        ({"band": (500, 10000)}, "looks like eV"),
        ({"half_width": 2300.0}, "looks like kpc/h"),
        ({"pixel": 0}, r"pixel must be in \[0\.05, 600\], got 0"),
        ({"pixel": 9.6 / 3600}, r"pixel must be in \[0\.05, 600\], got 0\.0026"),
        ({"n_jobs": 0}, "n_jobs must be an int that is not 0"),
    ],
)
def test_wrong_parameters_are_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        PhotonFeaturizer(**parameters).fit(sample_of(clumpy(20)))


def test_pixels_of_count_images_are_compared_with_the_parameter():
    ra, dec = np.random.default_rng(0).normal(0, 0.01, (2, 30))
    photons = {"ra": 10 + ra, "dec": dec, "energy": np.ones(30)}
    coarse = photons | {"pixel": np.full(30, 40 / 3600)}
    fine = photons | {"pixel": np.full(30, 9.6 / 3600, np.float32)}
    sample = ClusterSample([0.2] * 2, center=[[10.0, 0.0]] * 2, photons=[fine, coarse])
    match = r"1 of 2 clusters .* pixel=9\.6 arcsec \(first: cluster 1, 40 arcsec\)"
    with pytest.warns(UserWarning, match=match):
        warned = PhotonFeaturizer().transform(sample).photons
    # Warnings are errors here.
    PhotonFeaturizer().transform(sample[:1])
    PhotonFeaturizer(pixel=40.0).transform(sample[1:])
    plain = PhotonFeaturizer().transform(sample.assign(photons=[photons] * 2)).photons
    assert_array_equal(warned["log_density_6"], plain["log_density_6"])
