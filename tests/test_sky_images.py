"""Images of the sky: read, joined with samples, and looked up where they lie."""

import pickle

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from synthetic_sky import CENTER, image_of, sample_of, wcs_of

from skcluster import ClusterSample, SkyImage, read_image, remove_sources


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
