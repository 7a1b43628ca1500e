"""From photons to the network's input: counted once, in the right pixel, and scaled."""

import pickle
from itertools import pairwise

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import linregress
from sklearn import config_context
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.exceptions import NotFittedError
from sklearn.utils.estimator_checks import parametrize_with_checks

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    RingProfiler,
)
from skcluster.cosmology import plane_to_sky, sky_to_plane
from skcluster.maps import square_inside_circle
from skcluster.sample import Ragged, SparseMaps

THREE_BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))


def one_cluster(ra, dec, energy=1.0, center=(10.0, 0.0), redshift=0.2):
    ra, dec, energy = np.broadcast_arrays(np.atleast_1d(ra), dec, energy)
    photons = {"ra": ra, "dec": dec, "energy": energy}
    return ClusterSample([redshift], center=[center], photons=[photons])


def counts(sample, **parameters):
    return np.asarray(PhotonMapper(**parameters).fit_transform(sample).maps)


def comoving_offsets(sample):
    """West and North [Mpc/h] of each cluster's photons, by astropy, one at a time."""
    for i, (redshift, center) in enumerate(
        zip(sample.redshift, sample.center, strict=True)
    ):
        center = SkyCoord(*center, unit="deg")
        photons = sample.photons.table(i)
        sky = SkyCoord(photons["ra"], photons["dec"], unit="deg")
        direction = sky.transform_to(center.skyoffset_frame()).cartesian
        distance = WMAP7.comoving_distance(redshift).value * WMAP7.h / direction.x
        yield -direction.y * distance, direction.z * distance, photons["energy"]


@pytest.mark.parametrize("center", [(150.0, 2.5), (0.0, -60.0), (359.99, 85.0)])
def test_pixels_are_those_of_a_tangent_plane_with_north_up_and_west_right(center):
    n_pixels, half_width, redshift = 5, 0.6, 0.2
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    side = np.degrees(2 * half_width / n_pixels / distance)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = center, [3, 3], [-side, side]
    row, column = np.divmod(np.arange(25), 5)
    ra, dec = wcs.wcs_pix2world(column, row, 0)
    # Pixel k of the tangent plane gets k photons: no flip and no transposition does.
    photons = np.repeat([ra, dec], np.arange(25), axis=1)
    maps = counts(
        one_cluster(*photons, center=center, redshift=redshift),
        n_pixels=n_pixels,
        half_width=half_width,
    )
    assert_array_equal(maps[0, 0], np.arange(25).reshape(5, 5))


def test_maps_are_numpys_histogram_of_astropys_offsets(sample):
    maps = counts(sample, bands=THREE_BANDS, n_pixels=24, half_width=1.5)
    edges = np.linspace(-1.5, 1.5, 25)
    expected = [
        [
            np.histogram2d(y[in_band], x[in_band], bins=(edges, edges))[0]
            for low, high in THREE_BANDS
            for in_band in [(energy >= low) & (energy < high)]
        ]
        for x, y, energy in comoving_offsets(sample)
    ]
    assert np.sum(expected) > 1000
    assert_array_equal(maps, expected)


def test_photons_in_the_map_and_outside_make_the_list(sample):
    maps = PhotonMapper(bands=[(0, np.inf)], n_pixels=7).transform(sample).maps
    outside = [
        ((np.abs(x) > 2.3) | (np.abs(y) > 2.3)).sum()
        for x, y, _ in comoving_offsets(sample)
    ]
    assert min(outside) == 0 < max(outside)
    assert_array_equal(maps.total() + outside, sample.photons.lengths)


@given(st.lists(st.floats(0.5, 7.0, exclude_min=True, exclude_max=True), unique=True))
def test_bands_that_partition_a_range_sum_to_its_single_map(sample, cuts):
    edges = [0.5, *sorted(cuts), 7.0]
    sample = sample[:4]
    parts = counts(sample, bands=list(pairwise(edges)), n_pixels=8)
    complete = counts(sample, bands=[(0.5, 7.0)], n_pixels=8)
    assert_array_equal(parts.sum(axis=1, keepdims=True), complete)


def test_bands_may_overlap_repeat_and_come_in_any_order(sample):
    bands = ((2.0, 7.0), (0.5, 10.0), (0.5, 2.0), (2.0, 7.0))
    together = counts(sample, bands=bands, n_pixels=6)
    for i, band in enumerate(bands):
        assert_array_equal(together[:, [i]], counts(sample, bands=[band], n_pixels=6))


def test_bands_are_half_open():
    energies = [0.5, 0.5, np.nextafter(1.2, 0), 1.2, 1.2, 1.2, 2.0, 7.0]
    maps = counts(one_cluster(10.0, 0.0, energies), bands=THREE_BANDS, n_pixels=1)
    assert_array_equal(maps.ravel(), [3, 3, 1])


@pytest.mark.parametrize(("n_pixels", "middle"), [(1, 0), (2, 1), (4, 2), (5, 2)])
def test_pixels_are_half_open_at_their_western_and_northern_border(n_pixels, middle):
    # In an even map the center, its meridian and the equator lie on pixel borders.
    maps = counts(one_cluster(10.0, 0.0), n_pixels=n_pixels)
    assert_array_equal(np.argwhere(maps[0, 0]), [[middle, middle]])


@pytest.mark.parametrize("side", [(1, 0), (-1, 0), (0, 1), (0, -1)])
def test_the_map_ends_at_its_half_width(side):
    distance = WMAP7.comoving_distance(0.2).value * WMAP7.h
    west, north = 2.3 / distance * np.outer(side, [1 - 1e-6, 1 + 1e-6])
    sample = one_cluster(*plane_to_sky(west, north, 150.0, 30.0), center=(150.0, 30.0))
    assert counts(sample, half_width=2.3 * (1 + 1e-4)).sum() == 2
    maps = counts(sample, cosmology=WMAP7, n_pixels=9)
    assert_array_equal(np.argwhere(maps[0, 0]), [[4 + 4 * side[1], 4 + 4 * side[0]]])


def test_a_turn_of_the_sky_turns_the_map(sample):
    sample = sample[:8]
    photons, center = sample.photons, sample.center[sample.photons.cluster].T
    x, y = sky_to_plane(photons["ra"], photons["dec"], *center)
    ra, dec = plane_to_sky(-y, x, *center)
    turned = sample.assign(photons=photons.assign(ra=ra, dec=dec))
    # From West to North is against the clock with row 0 below: rot90 counts from above.
    expected = np.rot90(counts(sample, n_pixels=9), k=-1, axes=(2, 3))
    assert_array_equal(counts(turned, n_pixels=9), expected)


@given(st.lists(st.integers(0, 59), max_size=10).filter(len))
def test_maps_of_a_selection_are_the_selected_maps(sample, rows):
    mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=8)
    selected = mapper.transform(sample[rows])
    complete = mapper.transform(sample)
    assert_array_equal(selected.maps, np.asarray(complete.maps)[rows])
    assert_array_equal(selected.coverage, complete.coverage[rows])


def test_the_order_of_the_photons_does_not_matter(sample):
    table = sample.photons.table(0)
    order = np.random.default_rng(0).permutation(len(table["ra"]))
    shuffled = {name: column[order] for name, column in table.items()}
    other = sample[0].assign(photons=[shuffled])
    assert_array_equal(counts(other, n_pixels=16), counts(sample[0], n_pixels=16))


@pytest.mark.parametrize("photons_per_block", [1, 300, 1000])
def test_counting_in_blocks_changes_nothing(sample, monkeypatch, photons_per_block):
    empty = sample[:2].assign(
        photons=sample[:2].photons.select(sample[:2].photons["energy"] < 0)
    )
    sample = ClusterSample.concatenate([empty, sample, empty])
    complete = counts(sample, bands=THREE_BANDS, n_pixels=16)
    monkeypatch.setattr("skcluster.sample.ragged.ROWS_PER_BLOCK", photons_per_block)
    assert_array_equal(counts(sample, bands=THREE_BANDS, n_pixels=16), complete)


def test_a_larger_distance_shrinks_the_map(sample):
    near = counts(sample[0], half_width=1.0, n_pixels=8)
    twice = WMAP7.clone(name="twice", H0=WMAP7.H0 / 2)
    # D in Mpc doubles and h halves: Mpc/h know nothing of the Hubble constant.
    assert_array_equal(
        counts(sample[0], cosmology=twice, half_width=1, n_pixels=8), near
    )


def test_a_cluster_without_photons_has_an_empty_map(sample):
    silent = one_cluster([], []).assign(field_radius=1.0)
    sample = PhotonMapper(n_pixels=8).transform(silent)
    assert_array_equal(sample.maps, np.zeros((1, 1, 8, 8)))
    assert sample.coverage == 1


def test_the_mapper_leaves_its_sample_alone(sample):
    fields = sample.fields
    mapped = PhotonMapper(n_pixels=8).fit_transform(sample)
    assert sample.fields == fields
    assert mapped.photons is sample.photons
    assert set(mapped.fields) - set(fields) == {"maps", "coverage"}


@pytest.mark.parametrize(
    "integer", [np.uint8, np.int8, np.uint16, np.int16, np.int32, np.uint32, np.uint64]
)
def test_numpys_integers_count_as_python_s(sample, integer):
    one_each = one_cluster(10.0, 0.0)
    five = ClusterSample.concatenate([one_each] * 5)
    n_pixels = min(128, int(np.iinfo(integer).max))
    maps = PhotonMapper(n_pixels=integer(n_pixels)).transform(five).maps
    assert_array_equal(maps.total(), np.ones(5))
    middle = n_pixels // 2
    expected = np.zeros((5, 1, n_pixels, n_pixels))
    expected[:, 0, middle, middle] = 1
    assert_array_equal(np.asarray(maps), expected)
    assert all(type(length) is int for length in maps.shape)


def test_seventy_thousand_clusters_with_an_int32_of_pixels():
    one_each = one_cluster(10.0, 0.0)
    many = one_each[np.zeros(70_000, int)]
    maps = PhotonMapper(n_pixels=np.int32(256)).transform(many).maps
    assert_array_equal(maps.total(), np.ones(70_000))


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"bands": ((2.0, 0.5),)}, r"low < high, got \(\(2.0, 0.5\),\)"),
        ({"bands": ((0.5, np.nan),)}, "low < high"),
        ({"bands": (0.5, 2.0)}, r"pairs \(low, high\) in keV"),
        ({"bands": ()}, r"pairs \(low, high\) in keV .* got \(\)"),
        ({"bands": ((0.5, 1), (2,))}, r"pairs \(low, high\) in keV"),
        (
            {"bands": [(0.5, 2), (500, 2000)]},
            r"band \(500, 2000\) looks like eV, .* in keV: \(0.5, 2\)",
        ),
        ({"n_pixels": 0}, "n_pixels must be a positive int, got 0"),
        ({"n_pixels": 12.5}, "n_pixels must be a positive int, got 12.5"),
        ({"half_width": -1}, "half_width must be a number from 0.01 to 100 .* got -1"),
        ({"half_width": np.nan}, "from 0.01 to 100 comoving Mpc/h, got nan"),
        ({"half_width": 2300}, r"got 2300\. It looks like kpc/h\. Divide it by 1000"),
        ({"cosmology": "WMAP8"}, "Unknown cosmology 'WMAP8'"),
    ],
)
def test_a_wrong_parameter_of_the_mapper_is_named(sample, parameters, message):
    with pytest.raises(ValueError, match=message):
        PhotonMapper(**parameters).fit(sample)


@pytest.mark.parametrize("radius", [0.0, 0.3, 1.0, 1.2, 1.41, 1.5])
def test_coverage_is_the_share_of_pixels_in_the_field(radius):
    axis = (np.arange(1000) + 0.5) / 500 - 1
    expected = (np.hypot(axis, axis[:, None]) < radius).mean()
    assert_allclose(square_inside_circle(2.0, [2.0 * radius]), [expected], atol=1e-3)


def test_coverage_follows_redshift_and_field():
    redshift = [0.05, 0.1, 0.3]
    sample = ClusterSample(
        redshift,
        center=[(10.0, 0.0)] * 3,
        photons=[{"ra": [], "dec": [], "energy": []}] * 3,
        field_radius=0.5,
    )
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    q = distance * np.tan(np.radians(0.5)) / 2.3
    covered = PhotonMapper(n_pixels=4).transform(sample).coverage
    # A disc, a disc with its four caps beyond the square's sides cut off, the square.
    assert q[0] < 1 < q[1] < np.sqrt(2) < q[2]
    cap = q[1] ** 2 * np.arccos(1 / q[1]) - np.sqrt(q[1] ** 2 - 1)
    expected = [np.pi * q[0] ** 2 / 4, (np.pi * q[1] ** 2 - 4 * cap) / 4, 1]
    assert_allclose(covered, expected, rtol=1e-9)


def test_without_a_field_there_is_no_coverage(sample):
    mapped = PhotonMapper(n_pixels=4).transform(sample.drop("field_radius"))
    assert mapped.coverage is None
    stale = sample.drop("field_radius").assign(coverage=np.ones(60))
    assert PhotonMapper(n_pixels=4).transform(stale).coverage is None


def planted(redshift, slope=-2.5, intercept=3.4, scatter=0.0, shape=(3, 4, 4)):
    """Maps with log10 of the total on a line in redshift, shared out unevenly."""
    rng = np.random.default_rng(1)
    redshift = np.asarray(redshift)
    log_total = slope * redshift + intercept + scatter * rng.normal(size=len(redshift))
    share = rng.dirichlet(np.ones(np.prod(shape)), len(redshift))
    maps = (10 ** log_total[:, None] * share).reshape(-1, *shape)
    return ClusterSample(redshift, maps=maps), log_total


def test_normalizer_recovers_a_planted_trend():
    sample, _ = planted([0.1, 0.2, 0.25, 0.4])
    normalizer = RedshiftNormalizer(pivot_count=500.0).fit(sample)
    assert_allclose((normalizer.slope_, normalizer.intercept_), (-2.5, 3.4), rtol=1e-5)
    assert_allclose(normalizer.transform(sample).maps.total(), 500.0, rtol=1e-5)


def test_trend_is_the_least_squares_line_of_the_band_summed_counts():
    sample, log_total = planted(np.linspace(0.1, 0.4, 30), scatter=0.2)
    line = linregress(sample.redshift, log_total)
    for maps in (sample.maps, np.asarray(sample.maps).sum(axis=1, keepdims=True)):
        normalizer = RedshiftNormalizer().fit(sample.assign(maps=maps))
        assert_allclose(normalizer.slope_, line.slope, rtol=1e-5)
        assert_allclose(normalizer.intercept_, line.intercept, rtol=1e-5)


def test_all_bands_of_a_map_share_one_factor():
    sample, _ = planted([0.1, 0.2, 0.4], scatter=0.3)
    normalized = RedshiftNormalizer().fit_transform(sample)
    ratio = np.asarray(normalized.maps) / np.asarray(sample.maps)
    assert_allclose(
        ratio, np.broadcast_to(ratio[:, :1, :1, :1], ratio.shape), rtol=1e-5
    )


@pytest.mark.filterwarnings("ignore:.*relative_counts")
def test_normalizer_knows_only_its_training_clusters():
    train, _ = planted([0.1, 0.2, 0.25, 0.4])
    test, log_total = planted([0.15, 0.3], slope=7.0, intercept=1.0, scatter=0.5)
    normalizer = RedshiftNormalizer(pivot_count=1000.0).fit(train)
    expected = 10 ** (log_total - (-2.5 * test.redshift + 3.4) + 3)
    assert_allclose(normalizer.transform(test).maps.total(), expected, rtol=1e-4)
    assert_allclose(normalizer.transform(test[1]).maps.total(), expected[1], rtol=1e-4)


def test_a_single_training_redshift_has_no_trend():
    sample, log_total = planted([0.2, 0.2, 0.2], scatter=0.3)
    normalizer = RedshiftNormalizer().fit(sample)
    assert normalizer.slope_ == 0
    assert_allclose(normalizer.intercept_, log_total.mean(), rtol=1e-6)
    alone = RedshiftNormalizer(pivot_count=7.0).fit_transform(sample[0])
    assert_allclose(alone.maps.total(), 7.0, rtol=1e-6)


@pytest.mark.parametrize("spread", [1e-9, 3e-4, 1e-3, 2e-3])
def test_redshifts_of_one_snapshot_have_no_trend(spread):
    """Peculiar velocities spread them, but not by enough to know a trend with them."""
    redshift = 0.252 + spread * np.random.default_rng(2).normal(size=60)
    sample, log_total = planted(redshift, slope=0.0, scatter=0.4)
    normalizer = RedshiftNormalizer(pivot_count=10.0).fit(sample)
    assert normalizer.slope_ == 0
    off = normalizer.transform(sample.assign(redshift=redshift + 0.01)).maps.total()
    assert_allclose(off, 10 ** (1 + log_total - log_total.mean()), rtol=1e-4)


@pytest.mark.parametrize(("half_spread", "slope"), [(0.012, -2.5), (0.008, 0.0)])
def test_a_trend_is_used_if_its_slope_is_known_to_5_dex(half_spread, slope):
    """By the closed form of its error, 0.5 / (half_spread sqrt 100): 4.2 and 6.3 dex."""
    redshift = 0.3 + half_spread * np.repeat([-1, 1], 50)
    noise = np.tile([-0.5, 0.5], 50)  # orthogonal to the trend
    total = 10 ** (3.4 - 2.5 * redshift + noise)
    maps = np.ones((100, 1, 2, 2)) * total[:, None, None, None] / 4
    normalizer = RedshiftNormalizer().fit(ClusterSample(redshift, maps=maps))
    assert_allclose(normalizer.slope_, slope, atol=1e-5)
    assert_allclose(
        normalizer.expected_counts(ClusterSample([0.3], maps=maps[:1])),
        [10 ** (3.4 - 2.5 * 0.3)],
        rtol=1e-5,
    )


def test_maps_without_photons_have_no_trend():
    sample, _ = planted([0.1, 0.2, 0.3, 0.4])
    some_empty = sample.assign(maps=sample.maps.scaled([1, 0, 1, 0]))
    message = (
        "2 of 4 maps hold no photon .first: cluster 1.*"
        r"Drop them with sample\[sample.maps.total\(\) > 0\], widen the aperture, "
        "or check the energies and the bands, both in keV"
    )
    with pytest.raises(ValueError, match=message):
        RedshiftNormalizer().fit(some_empty)
    normalizer = RedshiftNormalizer().fit(sample)
    with pytest.raises(ValueError, match=message):
        normalizer.transform(some_empty)
    advice_followed = some_empty[some_empty.maps.total() > 0]
    assert len(normalizer.fit_transform(advice_followed)) == 2


def test_a_redshift_far_outside_the_training_range_is_a_warning():
    train, _ = planted([0.1, 0.2, 0.4])
    normalizer = RedshiftNormalizer().fit(train)
    assert normalizer.training_ranges_["redshift"] == (0.1, 0.4)
    far, _ = planted([0.3, 0.9, 0.01])
    message = (
        "2 of 3 clusters lie far outside the training range of RedshiftNormalizer, "
        "redshift 0.1 to 0.4 .first: cluster 1, redshift 0.9"
    )
    with pytest.warns(UserWarning, match=message) as record:
        normalizer.transform(far)
    assert record[0].filename == __file__
    # Beyond the range, but by less than a tenth of it: no warning.
    assert len(normalizer.transform(planted([0.075, 0.425])[0])) == 2


def test_an_unfitted_normalizer_says_so():
    with pytest.raises(NotFittedError, match="not fitted yet"):
        RedshiftNormalizer().transform(planted([0.2])[0])


@pytest.mark.parametrize("pivot_count", [0, -1.0, np.nan])
def test_the_pivot_count_is_positive(pivot_count):
    with pytest.raises(
        ValueError, match=f"pivot_count must be a positive number.*{pivot_count}"
    ):
        RedshiftNormalizer(pivot_count=pivot_count).fit(planted([0.2])[0])


@parametrize_with_checks([LogScaler()])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_arrays_keep_the_names_of_their_columns_through_a_log_scaler():
    pandas = pytest.importorskip("pandas")
    table = pandas.DataFrame({"counts": [0.0, 9.0], "z": [0.1, 0.2]})
    scaler = LogScaler().fit(table)
    assert scaler.get_feature_names_out().tolist() == ["counts", "z"]
    step = ("log", LogScaler(), ["counts"])
    columns = ColumnTransformer([step], remainder="passthrough")
    frame = columns.set_output(transform="pandas").fit_transform(table)
    assert frame.columns.tolist() == ["log__counts", "remainder__z"]
    assert_allclose(frame["log__counts"], [0.0, 1.0], rtol=1e-15)


def test_a_sample_stays_one_whatever_container_is_chosen_for_tables():
    pytest.importorskip("pandas")
    sample, _ = planted([0.1, 0.3])
    scaler = LogScaler().set_output(transform="pandas")
    with config_context(transform_output="pandas"):
        for found in (
            scaler.fit_transform(sample),
            scaler.fit(sample).transform(sample),
            LogScaler().transform(sample),
        ):
            assert isinstance(found, ClusterSample)


def test_log_scaler_is_equation_two():
    sample, _ = planted([0.1, 0.3])
    expected = np.log10(np.asarray(sample.maps, dtype=float) + 1)
    scaled = LogScaler().fit_transform(sample)
    assert_allclose(scaled.maps, expected, rtol=1e-5, atol=1e-7)
    assert_allclose(
        LogScaler().fit_transform(sample.maps), expected, rtol=1e-5, atol=1e-7
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_log_scaler_keeps_the_precision_of_an_array(dtype):
    n = np.array([[[[0, 1e-6], [9, 99]]]], dtype)
    scaled = LogScaler().fit_transform(n)
    assert scaled.dtype == dtype
    assert_allclose(scaled.ravel(), [0, 1e-6 / np.log(10), 1, 2], rtol=2e-6)


def test_log_scaler_refuses_negative_pixels():
    sample, _ = planted([0.1, 0.3])
    for negative in (
        -np.asarray(sample.maps),
        sample.assign(maps=sample.maps.scaled([1, -1])),
    ):
        with pytest.raises(ValueError, match=r"Negative values in .*LogScaler"):
            LogScaler().fit_transform(negative)


def test_a_step_before_which_it_belongs_is_not_taken_twice_or_too_late(sample):
    mapped = PhotonMapper(n_pixels=64).transform(sample)
    normalizer, scaler, rings = RedshiftNormalizer(), LogScaler(), RingProfiler()
    normalized = normalizer.fit_transform(mapped)
    scaled = scaler.fit_transform(normalized)
    assert scaled[2:].maps.steps == ("RedshiftNormalizer", "LogScaler")
    joined = ClusterSample.concatenate([scaled[:3], scaled[3:]])
    for late, step in (
        (normalized, normalizer),
        (scaled, normalizer),
        (scaled, scaler),
        (pickle.loads(pickle.dumps(scaled)), scaler),
        (joined, scaler),
        (scaled, rings),
    ):
        with pytest.raises(ValueError, match=r"already been through .*Give it"):
            step.fit_transform(late)
        with pytest.raises(ValueError, match="have already been through"):
            step.fit(mapped).transform(late)
    # A ring's counts may be normalized or not, and of an array nothing is known.
    assert rings.fit_transform(normalized).shape == rings.fit_transform(mapped).shape
    by_hand = scaled.assign(maps=np.asarray(scaled.maps))
    assert scaler.fit_transform(by_hand).maps.steps == ("LogScaler",)
    with pytest.raises(ValueError, match="Cannot join maps that have been through"):
        ClusterSample.concatenate([mapped, scaled])


def test_maps_stay_sparse_and_single_precision_to_the_network(sample):
    steps = PhotonMapper(), RedshiftNormalizer(), LogScaler()
    for step in steps:
        sample = step.fit_transform(sample)
        assert isinstance(sample.maps, SparseMaps)
        assert sample.maps.rows.dtype == np.float32
        assert 0 < sample.maps.filled < 0.02
    assert np.asarray(sample.maps).dtype == np.float32


@pytest.mark.parametrize(
    ("step", "cure"),
    [
        (
            PhotonMapper(),
            r"PhotonMapper needs sample.photons.*ClusterSample\(photons=.*",
        ),
        (
            RedshiftNormalizer(),
            "RedshiftNormalizer needs sample.maps.*put PhotonMapper",
        ),
        (LogScaler(), "LogScaler needs sample.maps.*put PhotonMapper before this step"),
    ],
)
def test_a_step_that_lacks_a_field_says_how_to_get_it(step, cure):
    with pytest.raises(ValueError, match=cure):
        clone(step).fit_transform(ClusterSample([0.2]))


def test_a_mapper_without_centers_says_so(sample):
    with pytest.raises(
        ValueError, match=r"needs sample.center, .* RA and Dec in degrees"
    ):
        PhotonMapper().fit(sample.drop("center"))


@pytest.mark.parametrize("step", [PhotonMapper(), RedshiftNormalizer()])
def test_a_step_takes_nothing_but_a_sample(step, sample):
    name = type(step).__name__
    with pytest.raises(TypeError, match=f"{name} takes a ClusterSample, got ndarray"):
        clone(step).fit(np.ones((3, 4)))
    with pytest.raises(ValueError, match=rf"0 sample\(s\) while .* required by {name}"):
        clone(step).fit(sample[:0])


def test_a_ragged_of_photons_is_taken_as_it_is():
    photons = Ragged({"ra": [10.0], "dec": [0.0], "energy": [1.0]}, [0, 0, 1])
    sample = ClusterSample([0.1, 0.1], center=[(10.0, 0.0)] * 2, photons=photons)
    assert_array_equal(counts(sample, n_pixels=1).ravel(), [0, 1])
