"""Exposure maps and fields of view: looked up where photons lie, and corrected for."""

import json
import tracemalloc

import numpy as np
import pytest
from astropy import units
from astropy.io import fits
from astropy.table import QTable, Table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from synthetic_sky import (
    CENTER,
    DISTANCE,
    SIDE,
    edge_of,
    flat,
    image_of,
    net,
    sample_of,
    sky_of_pixel,
    wcs_of,
)

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonFeaturizer,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    SkyImage,
    XrayCNNRegressor,
    read_image,
    read_photons,
    remove_sources,
    save_model,
    with_exposure_map,
)
from skcluster.cli import main
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.sky import relative_exposure_at


@pytest.mark.parametrize(("unit", "factor"), [("", 1), ("s", 1), ("ks", 1e3)])
def test_exposure_maps_may_have_a_unit(unit, factor, tmp_path):
    image = fits.PrimaryHDU(np.full((30, 30), 1500 / factor), wcs_of().to_header())
    if unit:
        image.header["BUNIT"] = unit
    image.writeto(tmp_path / "expmap.fits")
    found = with_exposure_map(
        sample_of([0.0], [0.0], center=sky_of_pixel(15, 15)),
        read_image(tmp_path / "expmap.fits"),
    )
    assert_allclose(found.exposure, [1500], rtol=1e-6)


@pytest.mark.parametrize("unit", ["cm**2 s", "count", "s cm^2 ct photon^-1"])
def test_maps_that_hold_no_seconds_give_only_the_shape(unit):
    values = np.tile(np.linspace(4e5, 6e5, 301), (301, 1))
    image = SkyImage(values, wcs_of(shape=(301, 301)), name="expmap.fits", unit=unit)
    sample = sample_of([0.0], [0.0])
    with pytest.raises(
        ValueError, match=r"expmap\.fits has the unit .* Or give the cl"
    ):
        with_exposure_map(sample, image)
    exposed = with_exposure_map(sample.assign(exposure=[2e3]), image)
    assert_array_equal(exposed.exposure, [2e3])
    relative = relative_exposure_at(exposed, 0, *np.transpose([CENTER]))
    assert_allclose(relative, 1)


def test_a_field_of_view_and_an_exposure_map_limit_what_is_seen_together():
    """A circle of 1 Mpc/h, the western half of which was exposed for twice as long."""
    sample = sample_of(
        [0.0], [0.0], field_radius=np.degrees(np.arctan([1.0 / DISTANCE]))
    )
    exposed = with_exposure_map(
        sample, image_of(lambda x, y: 1000.0 + 1000 * (x > 0.5))
    )
    x, y = np.array([0.0, 0.4, 0.9, 1.1, 0.0]), np.array([0.0, 0.0, 0.0, 0.0, -1.1])
    ra, dec = plane_to_sky(x / DISTANCE, y / DISTANCE, *CENTER)
    assert_allclose(relative_exposure_at(exposed, 0, ra, dec), [1, 1, 2, 0, 0])
    coverage = PhotonMapper(n_pixels=32, half_width=2.0).transform(exposed).coverage
    assert_allclose(coverage, np.pi / 16, rtol=0.03)


def test_the_exposure_is_that_of_the_map_at_the_center():
    exposure_map = image_of(lambda x, y: 2000 + 500 * x)
    sample = ClusterSample.concatenate(
        [sample_of([0], [0], center=CENTER), sample_of([0], [0], center=(149.8, 2.0))]
    )
    exposed = with_exposure_map(sample, exposure_map)
    x, _ = sky_to_plane(149.8, 2.0, *CENTER)
    assert_allclose(exposed.exposure, [2000, 2000 + 500 * x * DISTANCE], rtol=0.005)
    own = with_exposure_map(sample.assign(exposure=[900.0, 800.0]), exposure_map)
    assert_array_equal(own.exposure, [900, 800])


def test_of_several_maps_each_cluster_gets_the_deepest():
    short, long = (image_of(lambda x, y, t=t: t) for t in (500, 1500))
    far = SkyImage(np.full((9, 9), 700.0), wcs_of((10.0, 0.0), (9, 9)))
    sample = ClusterSample([0.2, 0.2], center=[CENTER, (10.0, 0.0)])
    exposed = with_exposure_map(sample, [short, far, long])
    assert_array_equal(exposed.exposure, [1500, 700])
    assert [exposed.exposure_map.image(i) for i in range(2)] == [long, far]


def test_maps_of_several_observations_are_not_added_in_silence():
    one, two, brief = (image_of(lambda x, y, t=t: t) for t in (800, 790, 70))
    sample = sample_of([0.0], [0.0])
    with pytest.warns(
        UserWarning, match=r"1 of 1 clusters .* \(first: cluster 0, with 800"
    ):
        assert with_exposure_map(sample, [one, two]).exposure == [800]
    assert with_exposure_map(sample, [one, brief]).exposure == [800]
    tile = image_of(lambda x, y: 800.1)
    assert with_exposure_map(sample, [one, tile]).exposure_map.image(0) is tile


def test_photons_of_another_map_bring_a_warning():
    """Of photons from -2.5 to 2.5 Mpc/h one map ends at 1, another goes on from there."""
    west = np.degrees(1 / DISTANCE)
    one, next_to_it, all_of_it = (
        image_of(lambda x, y: 1000.0, center=(CENTER[0] - x * west, 2.0))
        for x in (-2, 4, 0)
    )
    sample = sample_of(*flat(20_000))
    assert with_exposure_map(sample, [all_of_it, next_to_it]).exposure == [1000]
    with pytest.warns(UserWarning, match=r"1 of 1 clusters .*cluster 0, 30% of them"):
        with_exposure_map(sample, [one, next_to_it])


def test_a_map_of_another_field_is_named():
    far = SkyImage(np.full((9, 9), 700.0), wcs_of((10.0, 0.0), (9, 9)), name="far.fits")
    message = (
        r"1 of 1 clusters lie outside of the exposure map far.fits .*RA 150.0000, Dec "
    )
    with pytest.raises(ValueError, match=message + "2.0000, outside.*about RA 10.0000"):
        with_exposure_map(sample_of([0], [0]), far)
    gap = image_of(lambda x, y: 1000.0 * (x > 0.5))
    with pytest.raises(ValueError, match=r"2\.0000, where it has no exposure\)\."):
        with_exposure_map(sample_of([0], [0]), gap)
    moved = sample_of([0], [0]).assign(exposure_map=far)
    with pytest.raises(
        ValueError, match=r"far.fits has no exposure at the center of clus"
    ):
        PhotonMapper(n_pixels=8).transform(moved)


def test_a_map_in_ks_is_noticed():
    with pytest.raises(
        ValueError, match=r"exposure in the exposure map .* look like ks"
    ):
        with_exposure_map(sample_of([0], [0]), image_of(lambda x, y: 2.0))


def test_counts_are_those_of_the_exposure_at_the_center():
    # Photons by hand: 4 in a pixel of half the exposure, 6 in one of twice, 1 at 1.
    exposure_map = image_of(
        lambda x, y: 1000 * np.where(x > 0.5, 0.5, np.where(x < -0.5, 2, 1))
    )
    sample = sample_of([1.5] * 4 + [-1.5] * 6 + [0.1], [0.1] * 11)
    parameters = {"n_pixels": 6, "half_width": 2.4}
    plain = np.asarray(PhotonMapper(**parameters).transform(sample).maps)
    mapped = PhotonMapper(**parameters).transform(
        with_exposure_map(sample, exposure_map)
    )
    assert_array_equal(plain[0, 0, 3], [0, 6, 0, 1, 4, 0])
    # The column from 0 to 0.8 holds the border at 0.5.
    between = 5 / 8 + 3 / 8 / 2
    counts = np.asarray(mapped.maps)[0, 0, 3]
    assert_allclose(counts[[0, 1, 2, 4, 5]], [0, 3, 0, 8, 0], rtol=1e-5)
    assert_allclose(counts[3], 1 / between, rtol=0.1)
    assert_allclose(mapped.coverage, [1])


def test_a_flat_sky_is_flat_whatever_the_exposure():
    def relative(x, y):
        return 1 + 0.2 * x - 0.15 * y

    x, y = flat(60_000)
    kept = np.random.default_rng(1).random(len(x)) < relative(x, y) / 2.3
    sample = with_exposure_map(
        sample_of(x[kept], y[kept]), image_of(lambda x, y: 1000 * relative(x, y))
    )
    mapped = PhotonMapper(n_pixels=8, half_width=2.3).transform(sample)
    counts = np.asarray(mapped.maps)[0, 0]
    expected = 60_000 / 2.3 * (4.6 / 8 / 5) ** 2
    pixels = (np.arange(8) + 0.5) * 4.6 / 8 - 2.3
    error = np.sqrt(expected / relative(*np.meshgrid(pixels, pixels)))
    pull = (counts - expected) / error
    assert abs(pull.mean()) < 4 / 8
    assert 0.7 < pull.std() < 1.3
    # The same holds for the aperture of a proxy.
    found = net(sample)
    area = 60_000 / 2.3 * np.pi / 25
    assert abs(found.net[0] - area) < 4 * found.error[0]
    assert_allclose(found.error, np.sqrt(area), rtol=0.03)


def test_pixels_without_exposure_are_empty_and_not_covered():
    exposure_map = image_of(lambda x, y: 1000.0 * (x < 1.15))
    x, y = flat(5000)
    sample = with_exposure_map(sample_of(x, y), exposure_map)
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    counts = np.asarray(mapped.maps)[0, 0]
    assert not counts[:, 12:].any()
    assert counts[:, :12].all()
    assert_allclose(mapped.coverage, [0.75], atol=0.005)


@pytest.mark.parametrize("edge", [1.15, 1.3])
def test_photons_from_where_nothing_was_observed_are_not_mapped(edge):
    """As of a neighboring tile, whose photons the list holds and whose map it lacks."""
    exposure_map = image_of(lambda x, y: 1000.0 * (x < edge))
    x, y = flat(40_000)
    mapped, clean = (
        PhotonMapper(n_pixels=16).transform(
            with_exposure_map(sample_of(x[chosen], y[chosen]), exposure_map)
        )
        for chosen in (slice(None), x < edge - 0.02)
    )
    difference = np.asarray(mapped.maps)[0, 0] - np.asarray(clean.maps)[0, 0]
    # The pixels of the exposure map end up to 0.02 Mpc/h before the edge or behind it.
    column = int((edge + 2.3) / 4.6 * 16)
    assert not difference[:, column + 1 :].any()
    share = np.asarray(mapped.maps)[0, 0, :, :12].mean()
    seen = np.asarray(mapped.maps)[0, 0, :, column]
    if edge > 1.2:  # half of that column's pixels was observed
        assert abs(seen.mean() / share - 1) < 0.1


def test_a_flat_exposure_map_changes_nothing_about_holes():
    """Also where its pixels are larger than those of the map."""
    x, y = flat(4000)
    rng = np.random.default_rng(1)
    ra, dec = plane_to_sky(*rng.uniform(-2, 2, (2, 60)) / DISTANCE, *CENTER)
    sample = remove_sources(sample_of(x, y), {"ra": ra, "dec": dec}, radius=4 * SIDE)
    image = SkyImage(np.full((60, 60), 1000.0), wcs_of(shape=(60, 60), side=5 * SIDE))
    mapper = PhotonMapper(n_pixels=64)
    expected = mapper.transform(sample)
    with pytest.warns(UserWarning, match="larger pixels than their map"):
        found = mapper.transform(with_exposure_map(sample, image))
    assert_array_equal(np.asarray(found.maps), np.asarray(expected.maps))
    assert_array_equal(found.coverage, expected.coverage)


def test_images_and_holes_may_have_units():
    wcs = wcs_of()
    sample = sample_of([0.0], [0.0])
    minutes = SkyImage(np.full((300, 300), 50.0) * units.min, wcs)
    assert_allclose(with_exposure_map(sample, minutes).exposure, [3000])
    ra, dec = CENTER
    found = minutes.at([60 * ra] * units.arcmin, [60 * dec] * units.arcmin)
    assert_array_equal(found, [50])
    hole = QTable(
        {"ra": [ra] * units.deg, "dec": [dec] * units.deg, "radius": [3] * units.arcmin}
    )
    assert_allclose(sample.assign(holes=[hole]).holes["radius"], [0.05])
    kept = SkyImage(np.ones((300, 300), bool), wcs)
    assert remove_sources(sample, kept).photons.lengths == [1]


def test_an_image_with_larger_pixels_than_the_map_is_noticed():
    sample = with_exposure_map(
        sample_of(*flat(100)), image_of(lambda x, y: 1000.0, side=2 * SIDE)
    )
    PhotonMapper(n_pixels=64).transform(sample)
    message = (
        r"1 of 1 clusters has larger pixels than their map .first: cluster 0, 14.* and"
    )
    with pytest.warns(UserWarning, match=message):
        PhotonMapper(n_pixels=128).transform(sample)


def test_memory_does_not_grow_with_the_survey():
    exposure_map = image_of(lambda x, y: 1000.0 + 0 * x)
    one = with_exposure_map(sample_of(*flat(50)), exposure_map)
    peaks = []
    for n in (2, 40):
        many = one[np.zeros(n, int)]
        tracemalloc.start()
        PhotonMapper(n_pixels=64).transform(many)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.2 * peaks[0]


def test_without_an_exposure_map_the_field_of_view_is_the_circle():
    sample = sample_of(*flat(1000), field_radius=np.degrees(1.0 / DISTANCE))
    sample = remove_sources(sample, {"ra": [150.0], "dec": [2.1]}, radius=0.01)
    ra, dec = plane_to_sky(np.array([0.9, 1.1]) / DISTANCE, 0.0, *CENTER)
    assert_array_equal(relative_exposure_at(sample, 0, ra, dec), [1, 0])
    mapped = PhotonMapper(n_pixels=64).transform(sample)
    assert_allclose(mapped.coverage, [np.pi / 4.6**2], atol=0.01)


@pytest.mark.parametrize("with_mask", [False, True])
def test_photons_beyond_the_field_of_view_are_not_mapped_nor_described(with_mask):
    x, y = flat(4000)
    inside = np.hypot(x, y) <= 1.7
    field = {"field_radius": edge_of(1.7)}
    everything, seen = (
        sample_of(x, y, **field),
        sample_of(x[inside], y[inside], **field),
    )
    if with_mask:
        mask = image_of(lambda x, y: 1.0)
        everything, seen = (remove_sources(each, mask) for each in (everything, seen))
    maps = [
        PhotonMapper(n_pixels=32).transform(each).maps for each in (everything, seen)
    ]
    assert maps[1].total() > 0.99 * inside.sum()
    assert_array_equal(*map(np.asarray, maps))
    described = [
        PhotonFeaturizer().transform(each).photons for each in (everything, seen)
    ]
    for name, column in described[0].columns.items():
        assert_array_equal(column, described[1][name])


def test_holes_and_gaps_hold_no_photons_that_are_described():
    x, y = flat(4000)
    gap = image_of(lambda x, y: np.where(np.hypot(x - 1, y) > 0.3, 1000.0, 0.0))
    sample = with_exposure_map(sample_of(x, y), gap)
    described = PhotonFeaturizer(features=["log_radius"]).transform(sample).photons
    where = sky_to_plane(described["ra"], described["dec"], *CENTER)
    to_gap = np.hypot(where[0] * DISTANCE - 1, where[1] * DISTANCE)
    assert to_gap.min() > 0.25
    in_gap = np.hypot(x - 1, y) < 0.3
    assert (
        abs(described.lengths[0] - (~in_gap & (abs(x) < 2.3) & (abs(y) < 2.3)).sum())
        < 20
    )


def test_densities_of_photons_are_those_in_the_exposure_of_the_center():
    def relative(x, y):
        return 1 + 0.3 * x

    x, y = flat(60_000)
    kept = np.random.default_rng(1).random(len(x)) < relative(x, y) / 1.8
    exposure_map = image_of(lambda x, y: 1000 * relative(x, y))
    bare = sample_of(x[kept], y[kept])
    sample = with_exposure_map(bare, exposure_map)
    photons = PhotonFeaturizer().transform(sample).photons
    radius, right = 10 ** photons["log_radius"], photons["ra"] < CENTER[0]
    log_density = np.log10(60_000 / 1.8 / 25)
    for half in (right, ~right):
        # Neither at the center, where rings hold few photons, nor at the border.
        part = half & (radius > 0.4) & (radius < 2)
        assert_allclose(photons["log_density_6"][part].mean(), log_density, atol=0.01)
        for name in ("log_contrast_6", "log_contrast_24"):
            assert_allclose(photons[name][part].mean(), 0, atol=0.015)
    weight = 1 / photons["relative_exposure"]
    assert_allclose(weight, 1 / relative(*offsets(photons)), rtol=0.02)
    expected = 60_000 / 1.8 * (4.6 / 5) ** 2
    error = np.sqrt(expected * weight.mean())
    assert abs(weight.sum() - expected) < 4 * error
    plain = PhotonFeaturizer().transform(bare).photons
    assert "relative_exposure" not in plain
    gradient = np.polyfit(offsets(plain)[0], plain["log_contrast_24"], 1)[0]
    assert gradient > 0.1


def offsets(photons):
    """Places of photons West and North of the center [Mpc/h]."""
    return DISTANCE * np.array(sky_to_plane(photons["ra"], photons["dec"], *CENTER))


def test_contrasts_know_how_much_of_a_ring_was_observed():
    x, y = flat(60_000)
    gap = image_of(lambda x, y: np.where((np.abs(y) < 0.6) | (x > -0.3), 1000.0, 0.0))
    sample = with_exposure_map(sample_of(x, y), gap)
    photons = PhotonFeaturizer().transform(sample).photons
    x, y = offsets(photons)
    radius = np.hypot(x, y)
    away = (x > 0) & (radius > 0.4) & (radius < 2)
    assert_allclose(photons["log_contrast_24"][away].mean(), 0, atol=0.015)


def test_an_exposure_pulls_neither_centroid_nor_axis():
    """A cluster along North, of which less is seen to the East, and to North and South."""

    def relative(x, y):
        return np.exp(0.8 * x - 1.2 * np.abs(y))

    x, y = np.random.default_rng(3).normal(0, [[0.45], [0.55]], (2, 300_000))
    kept = np.random.default_rng(1).random(len(x)) < relative(x, y) / 8
    bare = sample_of(x[kept], y[kept])
    exposed = with_exposure_map(bare, image_of(lambda x, y: 1000 * relative(x, y)))
    found = []
    for sample in (bare, exposed):
        featurizer = PhotonFeaturizer(
            features=["log_centroid_distance", "cos_twice_angle"]
        )
        photons = featurizer.transform(sample).photons
        x, y = offsets(photons)
        distance = 10 ** photons["log_centroid_distance"].astype(float) - 0.01
        # d² = r² - 2 c x - 2 c' y + c² + c'² for a centroid at (c, c').
        west = np.polyfit(x, distance**2 - x**2 - y**2, 1)[0] / -2
        to_north = np.mean(photons["cos_twice_angle"] * (y**2 - x**2) / (x**2 + y**2))
        found.append((west, to_north))
    # Half of a squared cosine is left of an angle's, whichever the axis.
    (pulled, across), (west, along) = found
    assert pulled > 0.03
    assert abs(west) < 0.01
    assert_allclose([across, along], [-0.5, 0.5], atol=0.02)


def test_photons_described_before_their_exposure_map_are_described_anew():
    described = PhotonFeaturizer().transform(sample_of(*flat(200)))
    exposed = with_exposure_map(described, image_of(lambda x, y: 1000.0))
    assert sorted(exposed.photons.columns) == ["dec", "energy", "ra"]
    again = PhotonFeaturizer().transform(exposed)
    assert "relative_exposure" in again.photons
    without_map = PhotonFeaturizer().transform(again.drop("exposure_map"))
    assert "relative_exposure" not in without_map.photons
    for name, column in without_map.photons.columns.items():
        assert_array_equal(column, described.photons[name])
        assert_array_equal(column, again.photons[name])


def test_a_field_radius_in_arcmin_is_refused():
    x, y = flat(500)
    kept = np.hypot(x, y) <= 2
    arcmin = 60 * edge_of(2.0)
    assert 1.1 < arcmin < 12
    sample = sample_of(x[kept], y[kept], field_radius=arcmin)
    for step in (PhotonMapper(), PhotonFeaturizer(), ProxyMeasurer(proxies=["n_phot"])):
        with pytest.raises(ValueError, match=r"looks like arcmin.*Divide it by 60"):
            step.fit_transform(sample)
    # Lists may be cut out of a wide field at any other radius.
    PhotonMapper().transform(sample.assign(field_radius=arcmin / 2))
    PhotonMapper().transform(sample.assign(field_radius=9.0))


@pytest.fixture(scope="module")
def efeds(data_folder):
    """The bright cluster of the eFEDS example, with map and mask of its field."""
    folder = data_folder / "efeds"
    photons = read_photons(folder / "efeds_example_events.fits", columns=["MASK"])
    sample = ClusterSample(
        [0.333],
        center=[[140.3385, 3.2906]],
        photons=[photons],
        r500c=comoving_distance([0.333]) * np.tan(np.radians(4.068 / 60)),
    )
    images = {
        name: read_image(folder / f"{name}.fits.gz")
        for name in ("expmap_norm_0600_1100", "mask")
    }
    return sample, *images.values()


BAND = {"band": (0.3, 2.2)}


def test_efeds_mask_keeps_the_published_photons(efeds):
    sample, _, mask = efeds
    cleaned = remove_sources(sample, mask)
    is_unmasked = sample.photons["MASK"] == 1
    assert_array_equal(cleaned.photons["ra"], sample.photons["ra"][is_unmasked])
    assert_array_equal(net(sample, **BAND).photons, [1933])
    assert_array_equal(net(cleaned, **BAND).photons, [1775])
    inverted = SkyImage(1 - mask.values, mask.wcs)
    with pytest.raises(ValueError, match=r"mask inverted\?"):
        remove_sources(sample, inverted)


def test_efeds_image_holds_the_photons_of_its_event_list(efeds, data_folder):
    sample, *_ = efeds
    image = read_image(data_folder / "efeds" / "img_0600_1100.fits.gz")
    found = image.to_photons(0.85)
    photons = sample.photons
    of_band = (photons["energy"] > 0.6) & (photons["energy"] < 1.1)
    order = [np.lexsort((each["ra"], each["dec"])) for each in (found, photons[0])]
    inside = order[1][of_band[order[1]]]
    for name in ("ra", "dec"):
        expected = photons[name][inside]
        assert_allclose(found[name][order[0]], expected, rtol=0, atol=1e-7)


def test_efeds_background_leaves_the_published_counts(efeds):
    sample, exposure_map, mask = efeds
    cleaned = remove_sources(with_exposure_map(sample, exposure_map), mask)
    assert 2277 <= cleaned.exposure[0] <= 2938
    found = net(cleaned, background="annulus", **BAND)
    assert_allclose(found.photons - found.background, [1422], rtol=0.05)
    # The mask covers a tenth of the aperture, which the net counts make up for.
    assert 0.85 < found.observed[0] < 0.95
    assert_allclose(found.net, 1422 / found.observed, rtol=0.08)
    assert found.log_error[0] < 0.04


def test_a_blank_position_of_efeds_is_flagged(efeds):
    sample, exposure_map, mask = efeds
    blank = with_exposure_map(
        sample.assign(center=[[140.22, 3.43]], redshift=[0.333]), exposure_map
    )
    blank = remove_sources(blank, mask)
    found = net(blank, background="annulus", **BAND)
    assert found.net[0] < 4 * found.error[0]


@pytest.mark.filterwarnings("default")
def test_the_command_takes_map_and_mask_of_the_real_field(
    efeds, data_folder, tmp_path, capsys
):
    survey = make_mock_survey(40, random_state=0, galaxies=False, exposure=2500)
    bands = ((0.5, 2.0), (2.0, 7.0))
    model = make_pipeline(
        PhotonMapper(n_pixels=16, bands=bands),
        RedshiftNormalizer(),
        LogScaler(),
        XrayCNNRegressor(max_epochs=1, device="cpu", n_threads=1, random_state=0),
    ).fit(survey.sample, survey.log_mass)
    save_model(model, tmp_path / "net.skops")
    folder = data_folder / "efeds"
    cluster = [str(folder / "efeds_example_events.fits"), "--redshift", "0.333"]
    cluster += ["--ra", "140.3385", "--dec", "3.2906"]
    images = ["--exposure-map", str(folder / "expmap_norm_0600_1100.fits.gz")]
    images += ["--mask", str(folder / "mask.fits.gz")]
    assert (
        main(["predict", str(tmp_path / "net.skops"), *cluster, *images, "--json"]) == 0
    )
    (record,) = json.loads(capsys.readouterr().out)
    sample, exposure_map, mask = efeds
    cleaned = remove_sources(with_exposure_map(sample, exposure_map), mask)
    assert_allclose(record["log_mass"], model.predict(cleaned), atol=1e-4)
    # The same from a catalog of the survey, of which two clusters lie in the field.
    catalog = Table.read(folder / "bahar2022_rows.csv", comment="#")
    catalog.write(tmp_path / "eFEDS_clusters.fits")
    table = [str(tmp_path / "eFEDS_clusters.fits"), "--columns=name=id"]
    table += ["--events", str(folder / "efeds_example_events.fits"), *images]
    assert main(["predict", str(tmp_path / "net.skops"), *table, "--json"]) == 3
    out, err = capsys.readouterr()
    rows = json.loads(out)
    assert [row["name"] for row in rows] == catalog["id"].tolist()
    assert_allclose(rows[0]["log_mass"], record["log_mass"], atol=1e-6)
    assert [row["log_mass"] is not None for row in rows] == [True] * 2 + [False] * 9
    assert "9 of 11 clusters get no mass, because their centers lie outside" in err
