"""Exposure maps, masks and holes: looked up where they lie, and corrected for."""

import json
import pickle
import tracemalloc

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.io import fits
from astropy.table import QTable, Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

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
    rotate,
    save_model,
    thin_photons,
    with_exposure_map,
    write_sample,
)
from skcluster.cli import main
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.sky import relative_exposure_at

REDSHIFT = 0.2
DISTANCE = comoving_distance([REDSHIFT])[0]
CENTER = (150.0, 2.0)
SIDE = np.degrees(0.02 / DISTANCE)
"""Pixel of images of 0.02 Mpc/h at the distance of the clusters [deg]."""


def wcs_of(
    center=CENTER, shape=(300, 300), side=SIDE, kind=("RA---TAN", "DEC--TAN"), **more
):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = kind, center
    wcs.wcs.crpix = (shape[1] + 1) / 2, (shape[0] + 1) / 2
    wcs.wcs.cdelt = -side, side
    for name, value in more.items():
        setattr(wcs.wcs, name, value)
    wcs.wcs.set()
    return wcs


def image_of(function, **more):
    """Image whose pixels are a function of the offsets West and North [Mpc/h]."""
    wcs = wcs_of(**more)
    rows, columns = np.indices((300, 300))
    sky = wcs.pixel_to_world(columns.ravel(), rows.ravel()).icrs
    x, y = sky_to_plane(sky.ra.deg, sky.dec.deg, *CENTER)
    values = function(x * DISTANCE, y * DISTANCE) * np.ones(len(x))
    return SkyImage(values.reshape(300, 300), wcs)


def sample_of(x, y, energy=1.0, center=CENTER, **fields):
    """One cluster with photons at offsets West and North [Mpc/h]."""
    ra, dec = plane_to_sky(np.asarray(x) / DISTANCE, np.asarray(y) / DISTANCE, *center)
    photons = {"ra": ra, "dec": dec, "energy": np.full(len(ra), energy)}
    fields = {"r500c": [1.0]} | fields
    return ClusterSample([REDSHIFT], center=[center], photons=[photons], **fields)


def flat(n, half_width=2.5, seed=0):
    """Photons spread evenly over a square."""
    return np.random.default_rng(seed).uniform(-half_width, half_width, (2, n))


def net(sample, **parameters):
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], **parameters)
    return measurer.count_photons(sample)["n_phot_500c"]


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


def sky_of_pixel(column, row):
    sky = wcs_of().pixel_to_world(column, row)
    return sky.ra.deg, sky.dec.deg


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


# Images.


@pytest.mark.parametrize(
    ("kind", "more"),
    [
        (("RA---TAN", "DEC--TAN"), {}),
        (("RA---SIN", "DEC--SIN"), {"radesys": "FK5", "equinox": 2000.0}),
        (("DEC--TAN", "RA---TAN"), {}),
        (("GLON-CAR", "GLAT-CAR"), {}),
        (("RA---ARC", "DEC--ARC"), {"radesys": "FK4", "equinox": 1950.0}),
        (("RA---TAN", "DEC--TAN"), {"pc": [[0.8, -0.6], [0.6, 0.8]]}),
    ],
)
def test_a_pixel_is_found_where_astropy_puts_it(kind, more):
    center = CENTER[::-1] if kind[0].startswith("DEC") else CENTER
    wcs = wcs_of(center, (7, 5), 0.01, kind, **more)
    values = np.arange(35.0).reshape(7, 5)
    image = SkyImage(values, wcs)
    rows, columns = np.divmod(np.arange(35), 5)
    shift = np.random.default_rng(0).uniform(-0.45, 0.45, (2, 35))
    middle = wcs.pixel_to_world(2, 3).icrs
    assert_allclose(image.center, [middle.ra.deg, middle.dec.deg], atol=1e-5)
    sky = wcs.pixel_to_world(columns + shift[0], rows + shift[1]).icrs
    assert_array_equal(image.at(sky.ra.deg, sky.dec.deg), values.ravel())
    assert_allclose(image.pixel_size, 0.01)
    outside = wcs.pixel_to_world([-0.6, 4.6, 2, 2], [3, 3, -0.6, 6.6]).icrs
    assert np.isnan(image.at(outside.ra.deg, outside.dec.deg)).all()
    assert np.isnan(image.at([CENTER[0] + 180], [-CENTER[1]])).all()


def test_an_image_is_two_dimensional_and_read_only():
    with pytest.raises(ValueError, match=r"must be 2-d, got shape \(1, 2, 2\)"):
        SkyImage(np.ones((1, 2, 2)), wcs_of())
    with pytest.raises(ValueError, match="read-only"):
        SkyImage(np.ones((2, 2)), wcs_of()).values[0, 0] = 2


def write(path, *hdus):
    fits.HDUList([*hdus]).writeto(path)
    return path


def test_the_first_image_of_a_file_is_read(tmp_path):
    header = wcs_of(shape=(2, 3)).to_header()
    image = fits.ImageHDU(np.arange(6.0).reshape(1, 1, 2, 3), header, name="EXPMAP")
    other = fits.ImageHDU(np.full((2, 3), 7.0), header, name="MASK")
    path = write(tmp_path / "a.fits.gz", fits.PrimaryHDU(), image, other)
    assert_array_equal(read_image(path).values, [[0, 1, 2], [3, 4, 5]])
    for hdu in ("MASK", "mask", 2):
        assert_array_equal(read_image(path, hdu=hdu).values, np.full((2, 3), 7))
    with pytest.raises(
        ValueError, match="holds no image as HDU 'NONE'; its HDUs are 0 PRIM"
    ):
        read_image(path, hdu="NONE")


def test_a_file_without_image_or_coordinates_is_named(tmp_path):
    path = write(tmp_path / "a.fits", fits.PrimaryHDU(np.ones((4, 4))))
    with pytest.raises(
        ValueError, match=r"a.fits .* has no celestial coordinates.*CTYPE1"
    ):
        read_image(path)
    table = fits.table_to_hdu(Table({"RA": [1.0]}))
    path = write(tmp_path / "b.fits", fits.PrimaryHDU(), table)
    with pytest.raises(ValueError, match=r"b.fits cannot be used\. It holds no image;"):
        read_image(path)
    with pytest.raises(FileNotFoundError, match="There is no file"):
        read_image(tmp_path / "c.fits")


def test_an_image_of_counts_becomes_photons():
    image = SkyImage([[0, 2], [1, 0]], wcs_of(shape=(2, 2)))
    photons = image.to_photons(0.8)
    assert_array_equal(photons["energy"], [0.8] * 3)
    again = image.at(photons["ra"], photons["dec"])
    assert_array_equal(again, [2, 2, 1])
    for wrong in (-1, 0.5, np.nan):
        broken = SkyImage([[0, 2], [1, wrong]], wcs_of(shape=(2, 2)))
        with pytest.raises(
            ValueError, match="1 of 4 pixels are negative, NaN or not an in"
        ):
            broken.to_photons(1.0)


# Images in a sample.


def test_a_selection_carries_only_its_own_images():
    images = [SkyImage(np.full((3, 3), k), wcs_of()) for k in range(3)]
    each = [images[2], None, images[0], images[2], images[1]]
    sample = ClusterSample(np.full(5, 0.2), exposure_map=each, name=list("abcde"))
    picked = sample[[3, 1, 0]].exposure_map
    assert [picked.image(i) for i in range(3)] == [images[2], None, images[2]]
    assert len(picked.images) == 1
    assert "3 image(s), for 4 of 5 clusters" in repr(sample)
    again = pickle.loads(pickle.dumps(sample[2])).exposure_map.image(0)
    assert_array_equal(again.values, images[0].values)
    assert_allclose(again.wcs.wcs.crval, CENTER)


def test_samples_with_and_without_a_mask_are_joined_without_losing_it():
    plain = sample_of([0.0], [0.0])
    mask = image_of(lambda x, y: np.abs(x) > -1)
    masked = remove_sources(plain, mask)
    with pytest.warns(UserWarning, match="None of the 1 sources is near"):
        holed = remove_sources(plain, {"ra": [150.0], "dec": [2.1]}, radius=0.01)
    joined = ClusterSample.concatenate([plain, masked, holed])
    assert [joined.mask.image(i) for i in range(3)] == [None, mask, None]
    assert_array_equal(joined.holes.lengths, [0, 0, 0])  # too far from any photon


@pytest.mark.parametrize("value", ["expmap.fits", np.ones((3, 3)), [1, 2]])
def test_what_is_not_an_image_is_refused(value):
    with pytest.raises(TypeError, match=r"exposure_map must be a SkyImage.*read_image"):
        ClusterSample([0.2], exposure_map=value)


# Exposure maps.


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


# Sources.


def test_a_mask_removes_photons_and_area():
    mask = image_of(lambda x, y: (x < 0) | (y < 0))
    x, y = flat(8000)
    sample = remove_sources(sample_of(x, y), mask)
    assert_array_equal(sample.photons.lengths, [((x < 0) | (y < 0)).sum()])
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    assert not np.asarray(mapped.maps)[0, 0, 8:, 8:].any()
    assert_allclose(mapped.coverage, [0.75], atol=0.01)


def test_the_area_of_a_hole_is_lost_and_made_up_for():
    x, y = flat(40_000)
    sample = sample_of(x, y)
    ra, dec = plane_to_sky(0.6 / DISTANCE, 0.2 / DISTANCE, *CENTER)
    radius = np.degrees(0.3 / DISTANCE)
    catalog = {"RAJ2000": [ra, 10.0], "DEJ2000": [dec, -80.0]}
    cleaned = remove_sources(sample, catalog, radius=radius)
    removed = np.hypot(x - 0.6, y - 0.2) < 0.3
    assert cleaned.photons.lengths[0] == (~removed).sum()
    assert_array_equal(cleaned.holes.lengths, [1])
    mapped = PhotonMapper(n_pixels=64).transform(cleaned)
    assert_allclose(mapped.coverage, [1 - np.pi * 0.09 / 4.6**2], atol=0.001)
    found, before = net(cleaned), net(sample)
    assert_allclose(found.observed, [1 - 0.09], atol=0.004)
    expected = 40_000 / 25 * np.pi
    assert found.photons[0] < 0.93 * expected
    assert abs(found.net[0] - expected) < 4 * found.error[0]
    assert_allclose(before.net, before.photons)


@pytest.mark.parametrize("center", [(0.001, 0.0), (359.999, 60.0), (30.0, 89.99)])
def test_a_hole_is_a_circle_on_the_sky_everywhere(center):
    rng = np.random.default_rng(0)
    at = SkyCoord(*center, unit="deg")
    angle, distance = rng.uniform(0, 360, 500), rng.uniform(0, 0.02, 500)
    photons = at.directional_offset_by(angle * units.deg, distance * units.deg)
    source = at.directional_offset_by(30 * units.deg, 0.012 * units.deg)
    sample = ClusterSample(
        [0.2],
        center=[center],
        photons=[
            {"ra": photons.ra.deg, "dec": photons.dec.deg, "energy": np.ones(500)}
        ],
    )
    catalog = {"ra": [source.ra.deg], "dec": [source.dec.deg]}
    cleaned = remove_sources(sample, catalog, radius=0.01)
    kept = photons.separation(source).deg > 0.01
    assert_allclose(cleaned.photons["dec"], photons.dec.deg[kept])


SOURCE = {"ra": [10.12], "dec": [0.0]}


def on_the_equator(lists):
    """Clusters by the RA of their center, with that of their photons."""
    photons = [{"ra": x, "dec": np.zeros(len(x)), "energy": x} for x in lists.values()]
    center = [(ra, 0.0) for ra in lists]
    return ClusterSample([REDSHIFT] * len(lists), center=center, photons=photons)


def test_a_source_beyond_all_photons_removes_those_within_its_radius():
    sample = on_the_equator({10.0: [10.0, 10.1]})
    cleaned = remove_sources(sample, SOURCE, radius=0.03)
    assert_array_equal(cleaned.photons["ra"], [10.0])
    assert_array_equal(cleaned.holes.lengths, [1])


def test_a_hole_reaches_a_lone_photon():
    sample = on_the_equator({10.0: [10.1], 50.0: [50.0, 50.1]})
    cleaned = remove_sources(sample, SOURCE, radius=0.03)
    assert_array_equal(cleaned.photons.lengths, [0, 2])


def test_radii_come_from_a_column_or_with_a_unit():
    sample = sample_of(*flat(3000))
    catalog = Table({"ra": [150.0, 150.05], "dec": [2.03, 2.0], "rad": [40.0, 60.0]})
    plain = remove_sources(sample, catalog, radius=[40 / 3600, 60 / 3600])
    catalog["rad"].unit = "arcsec"
    for radius in ("rad", "RAD", [40, 60] * units.arcsec):
        same = remove_sources(sample, catalog, radius=radius)
        assert_allclose(same.photons["ra"], plain.photons["ra"])
    both = remove_sources(sample, catalog[:1], radius="rad")
    both = remove_sources(both, catalog[1:], radius="rad")
    assert_allclose(both.photons["ra"], plain.photons["ra"])
    assert_array_equal(both.holes.lengths, [2])


@pytest.mark.parametrize(
    ("catalog", "radius", "error", "message"),
    [
        (
            {"x": [1.0]},
            0.01,
            ValueError,
            r"lacks the columns ra and dec; it has \['x'\]",
        ),
        (
            {"ra": [1.0], "dec": [1.0]},
            None,
            TypeError,
            "Give radius: one .* or the name",
        ),
        ({"ra": [1.0], "dec": [1.0]}, "rad", ValueError, "has no column 'rad'"),
        ({"ra": [1.0], "dec": [1.0]}, 30, ValueError, "radius=30 .* arcmin or arcsec"),
        ({"ra": [1.0], "dec": [1.0]}, [1, 2], ValueError, "one for each of 1"),
    ],
)
def test_a_catalog_that_cannot_be_used_is_named(catalog, radius, error, message):
    with pytest.raises(error, match=message):
        remove_sources(sample_of(*flat(10)), catalog, radius=radius)


def test_an_inverted_mask_is_noticed():
    mask = image_of(lambda x, y: np.hypot(x, y) > 2.4)
    with pytest.raises(ValueError, match=r"photons would be removed.*mask inverted\?"):
        remove_sources(sample_of(*flat(1000)), mask)
    nothing = image_of(lambda x, y: 0.0)
    with pytest.raises(ValueError, match="1000 of 1000 photons would be removed"):
        remove_sources(sample_of(*flat(1000, half_width=1.0)), nothing)


def test_a_catalog_that_lists_the_cluster_itself_is_noticed():
    catalog = {"ra": [CENTER[0]], "dec": [CENTER[1]]}
    with pytest.warns(
        UserWarning, match="centers of 1 of 1 clusters are removed .first: c"
    ):
        remove_sources(sample_of(*flat(1000)), catalog, radius=0.01)


def test_one_mask_and_no_radius_with_it():
    mask = image_of(lambda x, y: 1.0)
    masked = remove_sources(sample_of(*flat(10)), mask)
    with pytest.raises(ValueError, match=r"has a mask already. Multiply the two"):
        remove_sources(masked, mask)
    with pytest.raises(TypeError, match="A mask has no radius"):
        remove_sources(masked, mask, radius=0.1)


def test_what_cannot_follow_the_photons_is_said(tmp_path):
    masked = remove_sources(sample_of(*flat(10)), image_of(lambda x, y: 1.0))
    with pytest.raises(
        ValueError, match=r"with mask cannot be rotated.*drop\(\*\['mask'\]"
    ):
        rotate(masked, 10)
    with pytest.warns(
        UserWarning, match="mask are not written. Give them to the sample"
    ):
        write_sample(tmp_path, masked)
    assert thin_photons(masked, fraction=0.5).mask is not None


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


def test_holes_are_those_of_the_field_wherever_the_photons_are():
    x, y = flat(50, half_width=0.2)
    field = {"field_radius": edge_of(2.0)}
    few, far = (
        sample_of(np.append(x, end), np.append(y, 0), **field) for end in (0, 1.9)
    )
    ra, dec = plane_to_sky(0.0, 1.2 / DISTANCE, *CENTER)
    source, radius = {"ra": [ra], "dec": [dec]}, np.degrees(0.4 / DISTANCE)
    cleaned = [remove_sources(each, source, radius=radius) for each in (few, far)]
    assert [each.holes.lengths[0] for each in cleaned] == [1, 1]
    covered = [PhotonMapper(n_pixels=64).transform(each).coverage for each in cleaned]
    assert_allclose(covered, np.pi * (2.0**2 - 0.4**2) / 4.6**2, rtol=0.01)


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


# Background.


def cluster_on_background(n_cluster, density, seed, **fields):
    """A cluster within 1 Mpc/h on a background of `density` per (Mpc/h)²."""
    rng = np.random.default_rng(seed)
    n_background = rng.poisson(density * 8**2)
    x, y = rng.uniform(-4, 4, (2, n_background))
    radius, angle = (
        np.sqrt(rng.random(rng.poisson(n_cluster))),
        2 * np.pi * rng.random(1),
    )
    x = np.append(x, radius * np.cos(angle))
    y = np.append(y, radius * np.sin(angle))
    return sample_of(x, y, **fields)


def test_the_background_of_the_annulus_is_that_of_its_area():
    sample = cluster_on_background(300, 50, 0)
    found = net(sample, background="annulus", background_annulus=(2, 3))
    x, y = sky_to_plane(sample.photons["ra"], sample.photons["dec"], *CENTER)
    radius = np.hypot(x, y) * DISTANCE
    n_annulus = ((radius > 2) & (radius <= 3)).sum()
    assert_allclose(found.photons, [(radius <= 1).sum()])
    assert_allclose(found.background, [n_annulus / 5], rtol=1e-10)
    assert_allclose(found.background_error, [np.sqrt(n_annulus) / 5], rtol=1e-10)
    assert_allclose(found.net, found.photons - found.background, rtol=1e-10)
    variance = found.photons + found.background_error**2
    assert_allclose(found.error, np.sqrt(variance), rtol=1e-10)
    assert_allclose(found.log_error, found.error / found.net)


def test_net_counts_scatter_by_their_stated_error():
    parameters = {"background": "annulus", "background_annulus": (1.5, 2.5)}
    found = [net(cluster_on_background(60, 40, s), **parameters) for s in range(150)]
    pull = np.array([(each.net[0] - 60) / each.error[0] for each in found])
    assert abs(pull.mean()) < 4 / np.sqrt(150)
    assert abs(pull.std() - 1) < 4 / np.sqrt(300)


def test_a_hole_in_the_annulus_lowers_no_background():
    sample = cluster_on_background(300, 200, 1)
    ra, dec = plane_to_sky(
        np.array([2.5, 0]) / DISTANCE, np.array([0, 2.4]) / DISTANCE, *CENTER
    )
    cleaned = remove_sources(
        sample, {"ra": ra, "dec": dec}, radius=np.degrees(0.5 / DISTANCE)
    )
    parameters = {"background": "annulus", "background_annulus": (2, 3)}
    full, holed = net(sample, **parameters), net(cleaned, **parameters)
    assert_allclose(
        holed.background, full.background, atol=3 * full.background_error[0]
    )
    assert holed.background_error[0] > 1.03 * full.background_error[0]


def test_a_hole_in_the_aperture_takes_no_background_away():
    x, y = flat(40_000)
    ra, dec = plane_to_sky(0.6 / DISTANCE, 0.2 / DISTANCE, *CENTER)
    radius = np.degrees(0.3 / DISTANCE)
    holed = remove_sources(sample_of(x, y), {"ra": [ra], "dec": [dec]}, radius=radius)
    found = net(holed, background="annulus", background_annulus=(1.1, 2.4))
    # A flat sky has no net counts; the hole is worth 9 % of the aperture, 450 photons.
    assert abs(found.net[0]) < 4 * found.error[0] < 400
    assert_allclose(found.background, found.photons, atol=4 * found.error[0])


@pytest.mark.parametrize("background", [None, 0.0, "annulus"])
@pytest.mark.parametrize(
    "observed", [lambda x, y: x < 0.2, lambda x, y: np.maximum(abs(x), abs(y)) < 1.1]
)
def test_photons_where_nothing_was_observed_are_not_counted(observed, background):
    """A list may hold more than the exposure map: the counts are those without the rest."""
    x, y = flat(20_000)
    sample = with_exposure_map(
        sample_of(x, y, exposure=[1000.0], r500c=[1.2]), image_of(observed)
    )
    known = {"background": background, "background_annulus": (1.2, 1.5)}
    found = net(sample, **known)
    ra, dec = sample.photons["ra"], sample.photons["dec"]
    seen = relative_exposure_at(sample, 0, ra, dec) > 0
    less = net(sample.assign(photons=sample.photons.select(seen)), **known)
    assert_array_equal(found.net, less.net)
    assert_array_equal(found.background, less.background)
    truth = 0 if background == "annulus" else 20_000 * np.pi * 1.2**2 / 5**2
    assert_allclose(found.net, [truth], atol=4 * found.error[0])


def edge_of(radius):
    """Radius of a field of view [deg] that ends at a projected radius [Mpc/h]."""
    return np.degrees(np.arctan(radius / DISTANCE))


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_field_that_ends_inside_the_aperture_is_made_up_for(is_cut):
    """The ring in which it ends is lost in part, and counts like the rest of it.

    Without a background, photons are counted as they are.
    """
    x, y = flat(40_000)
    kept = np.hypot(x, y) <= 1.1 if is_cut else slice(None)
    sample = sample_of(x[kept], y[kept], exposure=[1000.0], field_radius=edge_of(1.1))
    for radius_factor in (1.0, 1.12):
        found = net(sample, background=0.0, radius_factor=radius_factor)
        truth = 40_000 * np.pi * radius_factor**2 / 5**2
        assert_allclose(found.net, [truth], atol=4 * found.error[0])
        assert_array_equal(
            found.photons, [(np.hypot(x, y) <= min(radius_factor, 1.1)).sum()]
        )
        plain = net(sample, background=None, radius_factor=radius_factor)
        inside = np.hypot(x[kept], y[kept]) <= radius_factor
        assert_array_equal(plain.net, [inside.sum()])


def test_complete_clusters_do_not_depend_on_cut_ones():
    complete = sample_of(*flat(5_000), field_radius=edge_of(1.1))
    cut = sample_of(*flat(5_000, 1.0), field_radius=edge_of(0.95))
    alone = net(complete)
    (together, _) = net(ClusterSample.concatenate([complete, cut])).net
    x, y = flat(5_000)
    assert alone.net[0] == together == (np.hypot(x, y) <= 1).sum()


def test_an_aperture_that_is_mostly_lost_brings_a_warning():
    complete = sample_of(*flat(2_000), field_radius=edge_of(2.0))
    cut = complete.assign(field_radius=edge_of(0.5))
    both = ClusterSample.concatenate([complete, cut]).assign(name=["wide", "narrow"])
    with pytest.warns(
        UserWarning, match=r"n_phot_500c of 1 of 2 cl.*cluster 1, narrow, 75% of"
    ):
        net(both)
    net(complete.assign(field_radius=edge_of(0.8)))  # a third of the area
    with pytest.warns(UserWarning, match="100% of the area"):
        net(complete.assign(redshift=[5e-324]))


def test_a_known_rate_is_scaled_to_area_and_exposure():
    sample = cluster_on_background(300, 50, 2, exposure=[1500.0])
    arcmin2 = np.pi * (np.degrees(1 / DISTANCE) * 60) ** 2
    found = net(sample, background=1e-3)
    assert_allclose(found.background, [1e-3 * 1500 * arcmin2])
    assert_array_equal(found.background_error, [0])
    measurer = ProxyMeasurer(proxies=["n_phot"], background=1e-3)
    with pytest.raises(
        ValueError, match=r"ProxyMeasurer\(background=0.001\) needs sample.e"
    ):
        measurer.fit(sample.drop("exposure"))


def test_a_cluster_below_the_background_is_flagged_and_the_others_are_measured():
    sample = ClusterSample.concatenate(
        [cluster_on_background(300, 20, 3), sample_of([0.1, 2.2, 2.5, 2.6], [0.1] * 4)]
    ).assign(name=["bright", "faint"])
    measurer = ProxyMeasurer(
        proxies=["n_phot_500c", "n_phot"],
        half_width=0.5,
        background="annulus",
        background_annulus=(2, 2.8),
        radius_factor=2,
    )
    message = (
        "n_phot_500c of 1 of 2 .* is NaN .first: cluster 1, faint, 1 photons and a back"
    )
    with pytest.warns(UserWarning, match=message):
        logs = measurer.fit_transform(sample)
    assert_array_equal(np.isnan(logs), [[False, False], [True, False]])
    counts = measurer.count_photons(sample)["n_phot_500c"]
    assert np.isnan(counts.log_error[1])
    assert counts.log_error[0] < 0.1


def test_a_cluster_without_any_photon_is_flagged_if_a_background_is_subtracted():
    empty = sample_of([], [])
    sample = ClusterSample.concatenate([cluster_on_background(300, 20, 3), empty])
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], background="annulus")
    with pytest.warns(
        UserWarning, match=r"cluster 1, 0 photons and a background of 0 "
    ):
        logs = measurer.fit_transform(sample)
    assert_array_equal(np.isnan(logs[:, 0]), [False, True])
    with pytest.raises(ValueError, match="n_phot_500c is 0 for 1 of 2 clusters"):
        ProxyMeasurer(proxies=["n_phot_500c"]).fit_transform(sample)


def test_an_annulus_that_was_not_observed_is_flagged():
    sample = sample_of(*flat(2000, 1.0), field_radius=np.degrees(1.2 / DISTANCE))
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], background="annulus")
    with pytest.warns(
        UserWarning, match="no background, because its annulus was not obs"
    ):
        assert np.isnan(measurer.fit_transform(sample)).all()


def test_an_annulus_without_photons_brings_a_warning():
    """A list that ends before the annulus looks like a sky without background."""
    x, y = flat(5_000)
    kept = np.hypot(x, y) <= 1.2
    cut = ClusterSample.concatenate([sample_of(x, y), sample_of(x[kept], y[kept])])
    known = {"background": "annulus", "background_annulus": (1.5, 2.0)}
    with pytest.warns(
        UserWarning, match=r"no photon in the background's annulus of 1 of 2.*cluster 1"
    ):
        found = net(cut, **known)
    assert_array_equal(found.background[1:], [0])
    # With the field that ends there, the background is not known.
    unknown = net(cut[1:].assign(field_radius=edge_of(1.2)), **known)
    assert np.isnan(unknown.net).all()
    # A field that reaches there was empty, unless it is so for most clusters.
    wide = cut.assign(field_radius=edge_of(2.0))
    assert_array_equal(net(wide, **known).background[1:], [0])
    with pytest.warns(UserWarning, match="annulus of 1 of 1 clusters"):
        net(wide[1:], **known)


def test_a_list_that_ends_within_the_annulus_brings_a_warning():
    x, y = flat(5_000)
    radius = np.hypot(x, y)
    cut = [sample_of(x[radius <= end], y[radius <= end]) for end in (2.5, 1.8)]
    both = ClusterSample.concatenate(cut)
    known = {"background": "annulus", "background_annulus": (1.5, 2.0)}
    with pytest.warns(
        UserWarning, match=r"of 1 of 2 clusters end .*cluster 1, at 1.8 Mpc/h of 2\)"
    ):
        found = net(both, **known)
    # Of the annulus from 1.5 to 2 this part of the area has photons.
    share = (1.8**2 - 1.5**2) / (2**2 - 1.5**2)
    low = found.background[1] / found.background[0]
    assert_allclose(low, share, atol=0.05)
    # The field says where the annulus ends: nothing is missing, and no warning comes.
    right = net(cut[1].assign(field_radius=edge_of(1.8)), **known)
    assert_allclose(right.background[0] / found.background[0], 1, atol=0.1)


def test_a_few_photons_end_before_the_annulus_by_chance():
    rng = np.random.default_rng(0)
    radius = np.sqrt(rng.uniform(0, 2.0**2, (200, 30)))
    few = [sample_of(each, 0 * each) for each in radius]
    found = net(
        ClusterSample.concatenate(few),
        background="annulus",
        background_annulus=(1.5, 2.0),
    )
    assert (found.background > 0).all()


@pytest.mark.parametrize("annulus", [(1, 2, 3), (-1, 2), (2, np.inf)])
def test_an_annulus_has_two_radii(annulus):
    with pytest.raises(
        ValueError, match="background_annulus must be an inner and an outer"
    ):
        net(sample_of(*flat(10)), background_annulus=annulus)


# Real photons.


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


# Particles.


def with_two_maps(sample, vignetted, unvignetted):
    return with_exposure_map(
        sample, image_of(vignetted), unvignetted=image_of(unvignetted)
    )


def falling(x, y):
    """Vignetting by the square of the distance from the center."""
    return 2000 * (1 - 0.1 * np.hypot(x, y) ** 2)


def constant(x, y):
    return 3000.0 + 0 * x


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_particles_follow_the_unvignetted_map(share):
    r"""The closed form for vignetting :math:`1 - a r^2`, whose mean over a disk is known.

    Within R the mean of the vignetting is :math:`1 - a R^2 / 2`. An annulus of N photons
    with the mean v implies the density :math:`N / (A ((1 - f) v + f))` at the center.
    """
    inner, outer, radius = 1.4, 2.0, 0.8
    rng = np.random.default_rng(0)
    r, angle = np.sqrt(rng.uniform(inner**2, outer**2, 700)), rng.uniform(0, 6.28, 700)
    around = r * np.cos(angle), r * np.sin(angle)
    sample = with_two_maps(sample_of(*around), falling, constant)
    counts = net(
        sample,
        background="annulus",
        background_annulus=(inner, outer),
        r500c=radius,
        particle_share=share,
    )
    of_sky = 1 - 0.1 * (inner**2 + outer**2) / 2
    density = 700 / (np.pi * (outer**2 - inner**2) * ((1 - share) * of_sky + share))
    disk = np.pi * radius**2
    within = disk * ((1 - share) * (1 - 0.05 * radius**2) + share)
    assert_allclose(counts.background, density * within, rtol=2e-3)
    # The net counts are divided by the vignetting, which raises the particles among them.
    raised = np.log(1 / (1 - 0.1 * radius**2)) / (0.1 * radius**2)
    expected = -density * disk * ((1 - share) + share * raised)
    assert_allclose(counts.net, expected, rtol=2e-3)


def test_a_known_rate_of_particles_follows_the_unvignetted_map():
    sample = with_two_maps(sample_of([0.0], [0.0]), falling, constant)
    rate = 2e-3
    counts = net(sample, background=rate, r500c=1.0, particle_share=1.0)
    area = np.pi * (np.degrees(1.0 / DISTANCE) * 60) ** 2
    assert_allclose(counts.background, rate * 2000 * area, rtol=1e-3)


def test_without_particles_both_maps_give_what_one_gives():
    x, y = flat(3000)
    one = with_exposure_map(sample_of(x, y), image_of(falling))
    both = with_two_maps(sample_of(x, y), falling, constant)
    known = {"background": "annulus", "background_annulus": (1.4, 2.0)}
    before = net(one, **known)
    after = net(both, **known, particle_share=0.0)
    assert_array_equal(before.net, after.net)
    assert_array_equal(before.error, after.error)


def test_both_maps_need_the_share_of_particles_and_it_needs_both():
    one = with_exposure_map(sample_of([0.0], [0.0]), image_of(falling))
    both = with_two_maps(sample_of([0.0], [0.0]), falling, constant)
    with pytest.raises(ValueError, match=r"Say how many .*particle_share=0\.5"):
        net(both, background="annulus")
    with pytest.raises(ValueError, match=r"needs sample.unvignetted_map.*unvignetted="):
        net(one, background="annulus", particle_share=0.5)
    assert_array_equal(net(both).net, net(one).net)  # no background to subtract


def test_exchanged_and_missing_unvignetted_maps_are_refused():
    with pytest.raises(ValueError, match="Are the two exchanged"):
        with_two_maps(sample_of([0.0], [0.0]), constant, falling)
    with pytest.raises(ValueError, match="1 exposure maps and 2 unvignetted ones"):
        with_exposure_map(
            sample_of([0.0], [0.0]),
            image_of(falling),
            unvignetted=[image_of(constant)] * 2,
        )
    with pytest.raises(ValueError, match=r"no exposure at the center of cluster 0"):
        with_two_maps(sample_of([0.0], [0.0]), falling, lambda x, y: 3e3 * (x > 1))


def test_the_unit_of_an_unvignetted_map_does_not_matter():
    wcs = wcs_of()
    seconds = SkyImage(np.full((300, 300), 2000.0), wcs, unit="s")
    kiloseconds = SkyImage(np.full((300, 300), 3.0), wcs, unit="ks")
    sample = sample_of([0.0], [0.0])
    found = with_exposure_map(sample, seconds, unvignetted=kiloseconds)
    assert found.unvignetted_map.image(0) is kiloseconds
    with pytest.raises(ValueError, match="Are the two exchanged"):
        with_exposure_map(sample, kiloseconds, unvignetted=seconds)


# Masks and catalogs of another kind or field.


def test_a_mask_of_another_field_is_named():
    mask = image_of(lambda x, y: np.hypot(x, y) > 0.3)
    elsewhere = SkyImage(mask.values, wcs_of(center=(170.0, 2.0)), name="mask.fits")
    with pytest.warns(
        UserWarning,
        match=r"mask\.fits lies in another field.*RA 170\.0000, Dec 2\.0000",
    ):
        remove_sources(sample_of([0.5], [0.5]), elsewhere)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda x, y: 1500.0 - x, r"values from 1497 to 1503. Is it an exposure map\?"),
        (
            lambda x, y: np.where(x > 0, np.nan, 1),
            "must be 0 where photons are removed",
        ),
        (lambda x, y: np.where(x > 0, -0.5, 0.5), r"2 values from -0\.5 to 0\.5"),
    ],
)
def test_what_is_not_a_mask_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        remove_sources(sample_of([0.5], [0.5]), image_of(values))


@pytest.mark.parametrize("kept", [1, 255])
def test_a_mask_may_hold_any_number_where_photons_are_kept(kept):
    mask = image_of(lambda x, y: kept * (np.hypot(x - 1, y) > 0.3))
    assert remove_sources(sample_of([0.5, 1.1], [0.5, 0]), mask).photons.lengths == [1]


def test_sources_of_another_field_bring_a_warning_and_need_positions():
    sample = sample_of([0.5], [0.5])
    radians = {"ra": np.radians([150.0]), "dec": np.radians([2.0])}
    with pytest.warns(UserWarning, match=r"None of the 1 sources .*RA 2\.6180"):
        remove_sources(sample, radians, radius=0.01)
    with pytest.raises(ValueError, match=r"1 of 2 sources have no position .*row 1"):
        remove_sources(sample, {"ra": [150, np.nan], "dec": [2.0, 2.0]}, radius=0.01)


def test_an_annulus_inside_of_the_aperture_brings_a_warning():
    sample = sample_of(*flat(500), r500c=[1.2])
    with pytest.warns(UserWarning, match=r"annulus begins at 1 Mpc/h.*0, 1\.2 Mpc/h"):
        net(sample, background="annulus", background_annulus=(1.0, 2.0))
    net(sample, background="annulus", background_annulus=(1.2, 2.0))
