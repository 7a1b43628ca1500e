"""Sky pixels of event lists lie where WCSLIB has them, and all frames become ICRS."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import FK4, FK5, FK4NoETerms, Galactic, SkyCoord
from astropy.io import fits
from astropy.wcs import WCS
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose

from skcluster.cosmology import plane_to_sky
from skcluster.io import read_photons

ARCSEC = 1 / 3600
RNG = np.random.default_rng(0)
X, Y = RNG.uniform(0, 8000, (2, 50))
POINTING = {
    "CTYP": ("RA---TAN", "DEC--TAN"),
    "CRVL": (150.1, 2.2),
    "CRPX": (4096.5, 4000.0),
    "CDLT": (-1.4e-4, 1.4e-4),
}
AS_IMAGE = {"CTYP": "CTYPE", "CRVL": "CRVAL", "CRPX": "CRPIX", "CDLT": "CDELT"}
AS_IMAGE |= {"CUNI": "CUNIT", "CROT": "CROTA"}


def write_list(path, cards, *, names=("X", "Y"), primary=None):
    """An event list of sky pixels whose columns 2 and 4 have these keywords."""
    pixels = dict(zip(names, (Y, X) if names[0] == "Y" else (X, Y), strict=True))
    columns = [
        fits.Column("TIME", "D", array=X),
        fits.Column(names[0], "D", array=pixels[names[0]]),
        fits.Column("ENERGY", "E", unit="keV", array=np.ones(len(X))),
        fits.Column(names[1], "D", array=pixels[names[1]]),
    ]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.header.update(cards)
    header = fits.Header(primary or {})
    fits.HDUList([fits.PrimaryHDU(header=header), hdu]).writeto(path, overwrite=True)
    return path


def pixel_cards(axes, numbers=(2, 4), **more):
    """Keywords of a pixel list from those of each axis."""
    return {
        f"T{key}{number}": value
        for key, values in axes.items()
        for number, value in zip(numbers, values, strict=True)
    } | more


def image_sky(axes, **more):
    """RA and Dec of the pixels by an image header, which knows nothing of columns."""
    header = fits.Header(more)
    for key, values in axes.items():
        for axis, value in enumerate(values, start=1):
            header[f"{AS_IMAGE[key]}{axis}"] = value
    return WCS(header).wcs_pix2world(X, Y, 1)


def assert_same_sky(photons, ra, dec):
    found = SkyCoord(photons["ra"], photons["dec"], unit="deg")
    distance = found.separation(SkyCoord(ra, dec, unit="deg")).degree
    assert distance.max() < 0.001 * ARCSEC


PROJECTIONS = {
    "plain": ({}, {}, {}),
    "rotation": ({"CROT": (0.0, 33.0)}, {}, {}),
    "radians": (
        {"CUNI": ("rad", "rad"), "CRVL": (2.6, 0.04), "CDLT": (-2.5e-6, 2.5e-6)},
        {},
        {},
    ),
    "arcsec": ({"CUNI": ("arcsec",) * 2, "CRVL": (5.4e5, 7920.0)}, {}, {}),
    "matrix": (
        {},
        {"TP2_2": 0.8, "TP2_4": -0.6, "TP4_2": 0.6, "TP4_4": 0.8},
        {"PC1_1": 0.8, "PC1_2": -0.6, "PC2_1": 0.6, "PC2_2": 0.8},
    ),
    "scaled matrix": (
        {},
        {"TC2_2": -1e-4, "TC2_4": 5e-5, "TC4_2": 4e-5, "TC4_4": 1.2e-4},
        {"CD1_1": -1e-4, "CD1_2": 5e-5, "CD2_1": 4e-5, "CD2_2": 1.2e-4},
    ),
    "pole": ({}, {"LONP2": 120.0}, {"LONPOLE": 120.0}),
    "SIN": ({"CTYP": ("RA---SIN", "DEC--SIN")}, {}, {}),
    "slanted SIN": (
        {"CTYP": ("RA---SIN", "DEC--SIN")},
        {"TV4_1": 0.1, "TV4_2": -0.2},
        {"PV2_1": 0.1, "PV2_2": -0.2},
    ),
    "ARC": ({"CTYP": ("RA---ARC", "DEC--ARC")}, {}, {}),
    "ZEA": ({"CTYP": ("RA---ZEA", "DEC--ZEA")}, {}, {}),
    "STG": ({"CTYP": ("RA---STG", "DEC--STG")}, {}, {}),
    "AIT": ({"CTYP": ("RA---AIT", "DEC--AIT"), "CRVL": (20.0, 0.0)}, {}, {}),
    "CAR": ({"CTYP": ("RA---CAR", "DEC--CAR"), "CRVL": (20.0, 0.0)}, {}, {}),
    "MER": ({"CTYP": ("RA---MER", "DEC--MER"), "CRVL": (20.0, 0.0)}, {}, {}),
    "north pole": ({"CRVL": (30.0, 90.0)}, {}, {}),
    "south pole": ({"CRVL": (30.0, -90.0)}, {}, {}),
    "East to the right": ({"CDLT": (1.4e-4, 1.4e-4)}, {}, {}),
}


@pytest.mark.parametrize("name", PROJECTIONS)
@pytest.mark.parametrize("order", ["x first", "y first"])
def test_sky_pixels_lie_where_an_image_has_them(name, order, tmp_path):
    changed, list_cards, image_cards = PROJECTIONS[name]
    axes = POINTING | changed
    if "scaled" in name:
        del axes["CDLT"]
    names, numbers = ("X", "Y"), (2, 4)
    if order == "y first":
        names, numbers = ("Y", "X"), (4, 2)
        swapped = {"2_2": "4_4", "2_4": "4_2", "4_2": "2_4", "4_4": "2_2"}
        list_cards = {
            key[:-3] + swapped[key[-3:]] if key[-3:] in swapped else key: value
            for key, value in list_cards.items()
        }
        if "slanted" in name:
            list_cards = {"TV2_1": 0.1, "TV2_2": -0.2}
    cards = pixel_cards(axes, numbers, **list_cards)
    path = write_list(tmp_path / "events.fits", cards, names=names)
    del axes["CTYP"]
    ra, dec = image_sky({"CTYP": (POINTING | changed)["CTYP"]} | axes, **image_cards)
    assert_same_sky(read_photons(path), ra, dec)


@settings(max_examples=30)
@given(
    st.floats(0, 360),
    st.floats(-90, 90),
    st.floats(-180, 180),
    st.sampled_from([-1.0, 1.0]),
)
def test_rotated_pixels_are_a_rotated_gnomonic_plane(
    tmp_path_factory, ra, dec, angle, side
):
    """The formulas of the tangent plane, by hand: WCSLIB is not asked."""
    axes = POINTING | {"CRVL": (ra, dec), "CROT": (0.0, angle)}
    axes["CDLT"] = (side * 1.4e-4, 1.4e-4)
    # Towards the pole, RA of the reference point fixes the direction of North.
    cards = pixel_cards(axes, LONP2=180.0)
    path = write_list(tmp_path_factory.mktemp("sky") / "a.fits", cards)
    a = np.radians(angle)
    x, y = (X - 4096.5) * side * 1.4e-4, (Y - 4000.0) * 1.4e-4
    east, north = x * np.cos(a) - y * np.sin(a), x * np.sin(a) + y * np.cos(a)
    sky = plane_to_sky(-np.radians(east), np.radians(north), ra, dec)
    assert_same_sky(read_photons(path), *sky)


@pytest.mark.parametrize("where", ["table", "primary"])
def test_reference_keywords_follow_units_and_rotation(where, tmp_path):
    axes = POINTING | {"CUNI": ("arcmin",) * 2, "CROT": (0.0, 20.0)}
    axes |= {"CRVL": (9000.0, 132.0), "CDLT": (-8e-3, 8e-3)}
    cards = {f"REF{a}{k}": v for k, vs in axes.items() for a, v in zip("XY", vs)}  # noqa: B905
    path = tmp_path / "events.fits"
    if where == "table":
        write_list(path, cards)
    else:
        write_list(path, {}, primary=cards)
    assert_same_sky(read_photons(path), *image_sky(axes))


FRAMES = {
    "FK4 of 1950": ({"RADECSYS": "FK4", "EQUINOX": 1950.0}, FK4(equinox="B1950")),
    "EPOCH 1950 alone": ({"EPOCH": 1950.0}, FK4(equinox="B1950")),
    "EQUINOX 1950 alone": ({"EQUINOX": 1950.0}, FK4(equinox="B1950")),
    "FK5 of 1975": ({"RADESYS": "FK5", "EQUINOX": 1975.0}, FK5(equinox="J1975")),
    "a year in words": ({"RADESYS": "FK5", "EQUINOX": "J2010"}, FK5(equinox="J2010")),
    "EQUINOX 1980 alone": ({"EQUINOX": 1980.0}, FK4(equinox="B1980")),
    "EQUINOX 1990 alone": ({"EQUINOX": 1990.0}, FK5(equinox="J1990")),
    "FK4 without E terms": (
        {"RADESYS": "FK4-NO-E", "EQUINOX": 1950.0},
        FK4NoETerms(equinox="B1950"),
    ),
    "FK4 of 1900": ({"RADECSYS": "FK4", "EQUINOX": 1900.0}, FK4(equinox="B1900")),
}


def test_a_date_in_epoch_is_no_equinox(tmp_path):
    path = tmp_path / "events.fits"
    write_list(path, pixel_cards(POINTING) | {"EPOCH": 2019.9})
    assert_same_sky(read_photons(path), *image_sky(POINTING))


@pytest.mark.parametrize("name", FRAMES)
@pytest.mark.parametrize("where", ["table", "primary", "columns"])
def test_positions_in_other_frames_become_icrs(name, where, tmp_path):
    cards, frame = FRAMES[name]
    path, pixels = tmp_path / "events.fits", pixel_cards(POINTING)
    if where == "columns":
        kinds = {"RADECSYS": "RADE2", "RADESYS": "RADE2", "EQUINOX": "EQUI2"}
        kinds["EPOCH"] = "EQUI2"
        cards = {kinds[key]: value for key, value in cards.items()}
        if name == "a year in words":
            cards["EQUI2"] = 2010.0
        write_list(path, pixels | cards, primary={"RADECSYS": "ICRS"})
    elif where == "primary":
        write_list(path, pixels, primary=cards)
    else:
        write_list(path, pixels | cards)
    sky = SkyCoord(*image_sky(POINTING), unit="deg", frame=frame).icrs
    assert_same_sky(read_photons(path), sky.ra.degree, sky.dec.degree)


@pytest.mark.parametrize(
    "cards",
    [
        {"RADECSYS": "FK5", "EQUINOX": 2000.0},
        {"RADESYS": "ICRS"},
        {"RADESYS": "ICRS", "EQUINOX": 1950.0},
        {"RADESYS": "ICRS", "EQUINOX": "unknown"},
        {"RADECSYS": "FK5"},
        {"RADECSYS": "FK5 (J2000)", "EQUINOX": "J2000.0"},
        {"EQUINOX": 2000},
        {},
    ],
)
def test_positions_in_the_usual_frames_stay(cards, tmp_path):
    path = write_list(tmp_path / "events.fits", pixel_cards(POINTING) | cards)
    assert_same_sky(read_photons(path), *image_sky(POINTING))


@pytest.mark.parametrize("template", ["T{}2 T{}4", "REFX{} REFY{}"])
def test_galactic_pixels_become_icrs(template, tmp_path):
    axes = POINTING | {"CTYP": ("GLON-TAN", "GLAT-TAN")}
    cards = {}
    for key, values in axes.items():
        cards |= zip(template.format(key, key).split(), values, strict=True)
    path = write_list(tmp_path / "events.fits", cards)
    sky = SkyCoord(*image_sky(axes), unit="deg", frame=Galactic()).icrs
    assert_same_sky(read_photons(path), sky.ra.degree, sky.dec.degree)


def write_sky_columns(path, names, angles, **cards):
    columns = [fits.Column(n, "D", array=a) for n, a in zip(names, angles, strict=True)]
    columns.append(fits.Column("ENERGY", "E", unit="keV", array=np.ones(2)))
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.header.update(cards)
    hdu.writeto(path)
    return path


def test_columns_of_ra_and_dec_have_the_frame_of_their_header(tmp_path):
    angles = [83.0, 84.0], [22.0, -21.0]
    path = write_sky_columns(
        tmp_path / "a.fits", ("RA", "DEC"), angles, RADECSYS="FK4", EQUINOX=1950.0
    )
    sky = SkyCoord(*angles, unit=u.deg, frame="fk4").icrs
    assert_same_sky(read_photons(path), sky.ra.degree, sky.dec.degree)


def test_columns_of_galactic_angles_can_be_named(tmp_path):
    angles = [120.0, 121.0], [22.0, -21.0]
    path = write_sky_columns(tmp_path / "a.fits", ("GLON", "GLAT"), angles)
    sky = SkyCoord(*angles, unit=u.deg, frame="galactic").icrs
    found = read_photons(path, ra="glon", dec="glat")
    assert_same_sky(found, sky.ra.degree, sky.dec.degree)


def test_sky_pixels_may_have_other_names(tmp_path):
    cards, names = pixel_cards(POINTING), ("SKYX", "SKYY")
    path = write_list(tmp_path / "events.fits", cards, names=names)
    photons = read_photons(path, ra="skyx", dec="skyy")
    assert_same_sky(photons, *image_sky(POINTING))


@pytest.mark.parametrize(
    "cards",
    [{"RADESYS": "GAPPT"}, {"RADECSYS": "MOON"}, {"RADESYS": "FK5", "EQUINOX": "now"}],
)
def test_other_frames_are_refused(cards, tmp_path):
    path = write_list(tmp_path / "events.fits", pixel_cards(POINTING) | cards)
    with pytest.raises(
        ValueError, match=r"events\.fits .*not ICRS, FK5 or FK4\. Trans"
    ):
        read_photons(path)


@pytest.mark.parametrize("missing", ["TCRVL2", "TCRVL4", "TCRPX2"])
def test_a_projection_without_its_reference_point_is_refused(missing, tmp_path):
    cards = pixel_cards(POINTING)
    del cards[missing]
    path = write_list(tmp_path / "events.fits", cards)
    with pytest.raises(OSError, match=rf"sky pixels lack the keywords {missing}"):
        read_photons(path)


@pytest.mark.parametrize("key", ["TCROT4", "TP2_4", "LONP2", "TCDLT2", "TV4_1"])
def test_a_keyword_that_is_not_a_number_is_refused(key, tmp_path):
    cards = pixel_cards(POINTING) | {key: "thirty"}
    path = write_list(tmp_path / "events.fits", cards)
    with pytest.raises(
        OSError, match=rf"keyword {key} of sky pixels is 'thirty', not a num"
    ):
        read_photons(path)


def test_short_keywords_are_read_as_wcslib_reads_them(tmp_path):
    short = {"TCTYP": "TCTY", "TCRVL": "TCRV", "TCRPX": "TCRP", "TCDLT": "TCDE"}
    cards = {
        short[key[:-1]] + key[-1]: value for key, value in pixel_cards(POINTING).items()
    }
    path = write_list(tmp_path / "events.fits", cards)
    assert_same_sky(read_photons(path), *image_sky(POINTING))


@pytest.mark.parametrize("name", PROJECTIONS)
def test_astropy_reads_the_pixel_list_in_the_same_way(name, tmp_path):
    changed, list_cards, _ = PROJECTIONS[name]
    axes = POINTING | changed
    if "scaled" in name:
        del axes["CDLT"]
    path = write_list(tmp_path / "events.fits", pixel_cards(axes, **list_cards))
    with fits.open(path) as hdus:
        wcs = WCS(hdus[1].header, keysel=["pixel"], colsel=[2, 4])
    assert_same_sky(read_photons(path), *wcs.wcs_pix2world(X, Y, 1))


def test_keywords_about_other_columns_do_not_matter(tmp_path):
    cards = pixel_cards(POINTING) | {
        "TCTYP1": "TIME",
        "TCRVL1": "never",
        "MTYPE2": "sky",
    }
    cards |= {"TP2_1": 0.0, "TP3_4": 0.5}
    path = write_list(tmp_path / "events.fits", cards)
    photons = read_photons(path)
    assert_same_sky(photons, *image_sky(POINTING))
    assert_allclose(photons["energy"], 1.0)


def test_two_columns_of_one_name_are_refused(tmp_path):
    path = write_list(tmp_path / "events.fits", pixel_cards(POINTING))
    content = path.read_bytes().replace(b"'TIME    '", b"'X       '")
    path.write_bytes(content)
    with pytest.raises(OSError, match="name already used"):
        read_photons(path)


def test_an_empty_list_in_another_frame_is_empty(tmp_path):
    columns = [fits.Column(n, "D", array=np.zeros(0)) for n in ("X", "Y", "ENERGY")]
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.header.update(pixel_cards(POINTING, (1, 2), RADECSYS="FK4", EQUINOX=1950.0))
    hdu.writeto(tmp_path / "events.fits")
    photons = read_photons(tmp_path / "events.fits")
    assert [len(column) for column in photons.values()] == [0, 0, 0]


def test_a_matrix_that_mixes_in_another_column_is_refused(tmp_path):
    path = write_list(tmp_path / "events.fits", pixel_cards(POINTING, TP2_1=0.5))
    with pytest.raises(OSError, match=r"TP2_1 makes sky pixels depend on another col"):
        read_photons(path)
