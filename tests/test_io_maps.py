"""FITS images of maps: on the sky where their photons are, complete or not there."""

import astropy.cosmology
import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonMapper, read_photons, write_maps
from skcluster.cosmology import plane_to_sky

CENTER = (150.0, 60.0)
BANDS = ((0.5, 1.2), (1.2, 2.0))


def planted(redshift, ra, dec):
    """A cluster at declination 60 degrees with a single photon."""
    photons = {"ra": [ra], "dec": [dec], "energy": [1.0]}
    return ClusterSample([redshift], center=[CENTER], photons=[photons])


def written(folder, maps, **options):
    path = folder / "cluster.fits"
    about = {"center": CENTER, "redshift": 0.1}
    if isinstance(maps, np.ndarray):
        about["half_width"] = 2.3
    write_maps(path, maps, **about | options)
    return fits.open(path)


@pytest.mark.parametrize("cosmology", ["WMAP7", "Planck18"])
@pytest.mark.parametrize("redshift", [0.1, 0.4])
@pytest.mark.parametrize(
    ("east", "north"), [(-0.11, 0.05), (0.1, 0.12), (0.07, -0.115), (-0.02, -0.03)]
)
def test_a_photon_lies_in_the_pixel_that_counted_it(
    tmp_path, redshift, east, north, cosmology
):
    """Off axis by up to 9 arcmin, where RA and Dec are no longer straight at Dec 60."""
    ra, dec = CENTER[0] + east / np.cos(np.radians(60)), CENTER[1] + north
    mapper = PhotonMapper(n_pixels=64, cosmology=cosmology)
    maps = mapper.transform(planted(redshift, ra, dec)).maps
    (_, _, row, column), *others = np.argwhere(np.asarray(maps))
    assert others == []
    with written(tmp_path, maps, redshift=redshift, cosmology=cosmology) as hdus:
        found = WCS(hdus["MAP"].header).world_to_pixel_values(ra, dec)
        assert hdus["MAP"].data[row, column] == 1
    assert_array_equal(np.round(found), [column, row])


@pytest.mark.parametrize("cosmology", ["WMAP7", "Planck18"])
def test_maps_of_a_mapper_know_their_size_and_cosmology(tmp_path, cosmology):
    mapper = PhotonMapper(n_pixels=8, half_width=1.5, cosmology=cosmology)
    maps = mapper.transform(planted(0.2, *CENTER)).maps
    with written(tmp_path, maps, redshift=0.2) as hdus:
        header = hdus["MAP"].header
    chosen = getattr(astropy.cosmology, cosmology)
    distance = chosen.comoving_distance(0.2).value * chosen.h
    assert_allclose(header["CDELT2"], np.degrees(2 * 1.5 / 8 / distance), rtol=1e-9)


def test_an_array_must_be_given_its_size(tmp_path):
    about = {"center": CENTER, "redshift": 0.1}
    with pytest.raises(ValueError, match="write_maps needs the size of the maps"):
        write_maps(tmp_path / "map.fits", np.ones((2, 2)), **about)
    own = astropy.cosmology.FlatLambdaCDM(70, 0.3)
    maps = PhotonMapper(n_pixels=8, cosmology=own).transform(planted(0.1, *CENTER)).maps
    with pytest.raises(ValueError, match=r"give cosmology=mapper\.cosmology"):
        write_maps(tmp_path / "map.fits", maps, **about)
    assert list(tmp_path.iterdir()) == []


PLACES = [(10.0, 90.0), (200.0, 90.0), (10.0, -90.0), (0.0, 0.0), (359.99, 60.0)]
PLACES += [(120.0, 89.99), (120.0, -89.99), (77.0, -30.0)]


@pytest.mark.parametrize("center", PLACES)
def test_pixel_centers_are_those_of_the_tangent_plane(tmp_path, center):
    """Everywhere, and at the poles, where North needs a convention: that of the mapper."""
    distance = WMAP7.comoving_distance(0.1).value * WMAP7.h
    place = (np.arange(5) - 2) * 2 * 2.3 / 5 / distance
    west, north = np.meshgrid(place, place)
    expected = SkyCoord(*plane_to_sky(west, north, *center), unit="deg")
    with written(tmp_path, np.ones((5, 5)), center=center) as hdus:
        rows, columns = np.indices((5, 5))
        for hdu in hdus:
            found = WCS(hdu.header).pixel_to_world(columns, rows)
            assert found.separation(expected).arcsec.max() < 0.001


@pytest.mark.parametrize("dec", [90.0, -90.0])
def test_photons_about_a_pole_lie_in_the_pixel_that_counted_them(tmp_path, dec):
    ra, center = np.arange(0.0, 180.0, 15.0), np.array([[40.0, dec]])
    photons = {"ra": ra, "dec": np.full(12, dec - 0.2 * np.sign(dec))}
    photons["energy"] = np.linspace(1.0, 2.0, 12)
    sample = ClusterSample([0.1], center=center, photons=[photons])
    maps = np.asarray(PhotonMapper(n_pixels=32).transform(sample).maps)[0, 0]
    with written(tmp_path, maps, center=center[0]) as hdus:
        x, y = WCS(hdus[0].header).world_to_pixel_values(ra, photons["dec"])
    counted = np.zeros_like(maps)
    np.add.at(counted, (np.rint(y).astype(int), np.rint(x).astype(int)), 1)
    assert_array_equal(counted, maps)


def test_rows_run_to_the_west_and_columns_to_the_north(tmp_path):
    with written(tmp_path, np.ones((4, 4))) as hdus:
        wcs = WCS(hdus["MAP"].header)
    (ra_0, ra_1), (dec_0, dec_1) = wcs.pixel_to_world_values([1, 2], [1, 2])
    assert ra_1 < ra_0
    assert dec_1 > dec_0
    assert_allclose(wcs.pixel_to_world_values(1.5, 1.5), CENTER)


def test_every_image_and_band_has_an_hdu_that_gives_it_back(tmp_path):
    rng = np.random.default_rng(0)
    maps = rng.poisson(2.0, (2, 8, 8))
    saliency = rng.normal(size=(2, 8, 8)).astype(np.float32)
    mask = rng.random((8, 8)) < 0.5
    half = np.float16(rng.random((8, 8)))
    options = {"saliency": saliency, "icm": mask, "half": half, "bands": BANDS}
    with written(tmp_path, maps, units={"map": "count"}, **options) as hdus:
        for band in range(2):
            assert_array_equal(hdus["MAP", band + 1].data, maps[band])
            assert_array_equal(hdus["SALIENCY", band + 1].data, saliency[band])
            for key in ("MAP", "SALIENCY"):
                energies = [
                    hdus[key, band + 1].header[f"E_{end}"] for end in ("MIN", "MAX")
                ]
                assert tuple(energies) == BANDS[band]
        assert_array_equal(hdus["ICM"].data, mask)
        assert_array_equal(hdus["HALF"].data, half)
        assert "E_MIN" not in hdus["ICM"].header
        assert len(hdus) == 7
        assert hdus["MAP", 2].header["BUNIT"] == "count"
        assert "BUNIT" not in hdus["SALIENCY"].header
        assert hdus["SALIENCY"].data.dtype == ">f4"


def test_a_band_without_an_upper_end_has_no_card_for_it(tmp_path):
    counts = np.random.default_rng(0).poisson(0.5, (2, 8, 8))
    bands = [(0.5, 2.0), (2.0, np.inf)]
    with written(tmp_path, counts, bands=bands, units={"map": "count"}) as hdus:
        assert hdus["MAP", 1].header["E_MAX"] == hdus["MAP", 2].header["E_MIN"] == 2.0
        assert "E_MAX" not in hdus["MAP", 2].header
    path = tmp_path / "cluster.fits"
    with pytest.raises(ValueError, match=r"no band .* Give image_energy"):
        read_photons(path, hdu=2)
    photons = read_photons(path, hdu=2, image_energy=3.0)
    assert len(photons["ra"]) == counts[1].sum()


def test_images_of_other_sizes_cover_the_same_sky(tmp_path):
    with written(tmp_path, np.ones((8, 8)), cube=np.ones((5, 5))) as hdus:
        corners = [
            WCS(hdus[key].header).pixel_to_world_values(n - 0.5, -0.5)
            for key, n in (("MAP", 8), ("CUBE", 5))
        ]
    assert_allclose(*corners, rtol=1e-12)


def test_the_primary_header_tells_of_the_cluster(tmp_path):
    extra = {"METHOD": "gradient", "LOGMASS": (14.5, "[dex]")}
    with written(tmp_path, np.ones((2, 2)), name="A 1", header=extra) as hdus:
        header = hdus[0].header
    assert (header["OBJECT"], header["REDSHIFT"], header["HALFWID"]) == (
        "A 1",
        0.1,
        2.3,
    )
    assert (header["RA_OBJ"], header["DEC_OBJ"]) == CENTER
    assert (header["METHOD"], header["LOGMASS"]) == ("gradient", 14.5)
    assert header.comments["LOGMASS"] == "[dex]"


def test_a_name_that_fits_cannot_spell_is_kept_as_far_as_it_can(tmp_path):
    with written(tmp_path, np.ones((2, 2)), name="Persée 7") as hdus:
        assert hdus[0].header["OBJECT"] == "Pers?e 7"


def test_a_name_in_gz_is_compressed(tmp_path):
    path = tmp_path / "map.fits.gz"
    write_maps(path, np.ones((2, 2)), center=CENTER, redshift=0.1, half_width=2.3)
    assert path.read_bytes()[:2] == b"\x1f\x8b"
    assert_array_equal(fits.getdata(path, "MAP"), np.ones((2, 2)))


def test_an_old_file_is_replaced_only_on_request(tmp_path):
    path = tmp_path / "map.fits"
    about = {"center": CENTER, "redshift": 0.1, "half_width": 2.3}
    write_maps(path, np.ones((2, 2)), **about)
    with pytest.raises(FileExistsError, match=r"already a .*map.fits. Give overwrite="):
        write_maps(path, np.zeros((2, 2)), **about)
    assert fits.getdata(path, "MAP").sum() == 4
    write_maps(path, np.zeros((2, 2)), **about, overwrite=True)
    assert fits.getdata(path, "MAP").sum() == 0


@pytest.mark.parametrize("header", [{"STD": np.nan}, {"NOTE": object()}])
def test_an_error_leaves_the_old_file_and_no_other(tmp_path, header, monkeypatch):
    path = tmp_path / "map.fits"
    about = {"center": CENTER, "redshift": 0.1, "half_width": 2.3}
    write_maps(path, np.ones((2, 2)), **about)
    before = path.read_bytes()
    with pytest.raises(ValueError, match=r"are not allowed|Illegal value"):
        write_maps(path, np.ones((2, 2)), **about, header=header, overwrite=True)

    def full(*args, **kwargs):
        raise OSError("No space left on device")

    monkeypatch.setattr(fits.HDUList, "writeto", full)
    with pytest.raises(OSError, match="No space left"):
        write_maps(path, np.ones((2, 2)), **about, overwrite=True)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"maps": np.ones((2, 3))}, r"maps must be square maps of .*, got \(2, 3\)"),
        ({"maps": np.ones((2, 1, 3, 3))}, r"maps must be square maps of one cluster"),
        ({"saliency": np.ones(4)}, r"saliency must be square maps .*, got \(4,\)"),
        ({"bands": BANDS}, "bands names 2 energy bands, but maps has 1"),
        ({"units": {"flux": "erg"}}, r"units are given for \['flux'\], but images are"),
        ({"cosmology": "Newton"}, "Unknown cosmology 'Newton'"),
    ],
)
def test_what_is_no_map_of_a_cluster_is_an_error(tmp_path, options, message):
    about = {"maps": np.ones((2, 2)), "half_width": 2.3}
    about |= {"center": CENTER, "redshift": 0.1}
    with pytest.raises(ValueError, match=message):
        write_maps(tmp_path / "map.fits", **about | options)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"half_width": 200.0}, r"half_width=200 is outside of 0\.01 to 100"),
        ({"bands": [(500.0, 2000.0)]}, "values of bands .* they look like eV"),
        ({"center": (150.0, 120.0)}, "they look like right ascensions"),
        ({"redshift": 29979.0}, "velocities cz in km/s"),
    ],
)
def test_plain_numbers_in_another_unit_leave_no_file(tmp_path, about, message):
    with pytest.raises(ValueError, match=message):
        written(tmp_path, np.ones((1, 4, 4)), **about)
    assert [*tmp_path.iterdir()] == []
