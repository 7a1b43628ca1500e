"""Sky and comoving space, against closed forms and against astropy."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7, FlatLambdaCDM, LambdaCDM, Planck18, w0waCDM
from astropy.table import MaskedColumn
from astropy.utils.masked import Masked
from astropy.wcs import WCS
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skcluster.cosmology import (
    comoving_distance,
    comoving_length,
    get_cosmology,
    length_factor,
    mass_within_r500c,
    plane_to_sky,
    r500c_of_mass,
    sky_to_plane,
)
from skcluster.cosmology.projection import _sin_versine

EINSTEIN_DE_SITTER = FlatLambdaCDM(H0=70, Om0=1, Tcmb0=0)
HUBBLE_LENGTH = 2997.92458  # c / (100 km/s/Mpc) [Mpc/h]
REDSHIFT = np.array([0.05, 0.3, 0.3, 1.0, 0.05])

right_ascension = st.floats(0, 359.9)
declination = st.floats(-90, 90)
offset = st.floats(-0.5, 0.5)


def test_a_name_and_an_object_are_the_same_cosmology():
    assert get_cosmology("Planck18") is Planck18
    assert get_cosmology(Planck18) is Planck18


@pytest.mark.parametrize("unknown", ["WMAP8", None, 0.7, "__doc__"])
def test_an_unknown_cosmology_is_refused_with_the_known_ones(unknown):
    with pytest.raises(ValueError, match=rf"cosmology {unknown!r}.*WMAP7.*object"):
        get_cosmology(unknown)


def test_distance_in_an_einstein_de_sitter_universe():
    expected = 2 * HUBBLE_LENGTH * (1 - 1 / np.sqrt(1 + REDSHIFT))
    assert_allclose(
        comoving_distance(REDSHIFT, EINSTEIN_DE_SITTER), expected, rtol=1e-6
    )


def test_distance_is_hubbles_law_nearby():
    assert_allclose(comoving_distance([1e-6]), [HUBBLE_LENGTH * 1e-6], rtol=1e-5)


def test_distance_is_astropys_in_little_h():
    expected = [WMAP7.comoving_distance(z).value * 0.704 for z in REDSHIFT]
    assert_allclose(comoving_distance(REDSHIFT, "WMAP7"), expected, rtol=1e-3)
    assert_allclose(comoving_distance(0.3), expected[1], rtol=1e-3)


def test_r500c_of_a_magneticum_cluster():
    radius = r500c_of_mass([7.04e12], [0.137])
    assert_allclose(radius, [0.2509], atol=0.00005 + 0.2509 * 0.005 / 7.04 / 3)


def test_mass_within_r500c_is_500_times_critical_in_physical_units():
    r500c, redshift = np.array([0.4, 0.9]), np.array([0.1, 0.5])
    radius = r500c / (1 + redshift) / Planck18.h * units.Mpc
    mass = 500 * 4 / 3 * np.pi * radius**3 * Planck18.critical_density(redshift)
    expected = mass.to_value(units.Msun) * Planck18.h
    assert_allclose(mass_within_r500c(r500c, redshift, Planck18), expected, rtol=3e-4)


def test_mass_grows_as_the_density_in_an_einstein_de_sitter_universe():
    # E² = (1 + z)³, so a comoving radius holds the same mass at any redshift.
    mass = mass_within_r500c([0.7] * 5, REDSHIFT, EINSTEIN_DE_SITTER)
    assert_allclose(mass, mass[0])


@given(st.floats(1e12, 3e15), st.floats(0.01, 2.0))
def test_r500c_of_mass_inverts_mass_within_r500c(mass, redshift):
    r500c = r500c_of_mass([mass], [redshift])
    assert_allclose(mass_within_r500c(r500c, [redshift]), [mass], rtol=1e-12)


def test_radii_and_distances_of_the_magneticum_catalog(data_folder):
    table = np.load(data_folder / "magneticum" / "chandra_clusterList.npy")
    # The catalog rounds its redshifts, of which it took the distances, not the radii.
    snapshots = np.array([0.10114, 0.13708, 0.17419, 0.21252, 0.25209, 0.29295])
    redshift = snapshots[np.abs(table["redshift"][:, None] - snapshots).argmin(axis=1)]
    r500c = r500c_of_mass(table["M500_msolh"], redshift)
    assert_allclose(r500c, table["r500_kpch"] / 1e3, rtol=2e-4)
    distance = comoving_distance(table["redshift"])
    assert_allclose(distance, table["Dcomoving_Mpch"], rtol=2e-4)


@given(right_ascension, declination, offset, offset)
def test_plane_to_sky_to_plane_is_the_identity(ra0, dec0, x, y):
    ra, dec = plane_to_sky(x, y, ra0, dec0)
    assert 0 <= ra < 360
    assert -90 <= dec <= 90
    assert_allclose(sky_to_plane(ra, dec, ra0, dec0), (x, y), atol=1e-12)


@given(right_ascension, declination, st.floats(-40, 40), st.floats(-40, 40))
def test_offsets_agree_with_astropys_offset_frame(ra0, dec0, east, north):
    center = SkyCoord(ra0, dec0, unit="deg")
    point = SkyCoord(
        east, north, unit="deg", frame=center.skyoffset_frame()
    ).transform_to("icrs")
    direction = point.transform_to(center.skyoffset_frame()).cartesian
    x, y = sky_to_plane(point.ra.deg, point.dec.deg, ra0, dec0)
    assert_allclose(x, -direction.y / direction.x, atol=1e-9)
    assert_allclose(y, direction.z / direction.x, atol=1e-9)


@pytest.mark.parametrize("dec0", [-90.0, -70.0, 0.0, 2.5, 89.9, 90.0])
@pytest.mark.parametrize("ra0", [0.0, 0.001, 180.0, 359.999])
def test_offsets_agree_with_a_tangent_plane_of_astropys_wcs(ra0, dec0):
    wcs = WCS(naxis=2)
    wcs.wcs.ctype = ["RA---TAN", "DEC--TAN"]
    wcs.wcs.crval, wcs.wcs.crpix, wcs.wcs.cdelt = [ra0, dec0], [0, 0], [-0.01, 0.01]
    wcs.wcs.lonpole = 180  # its default turns by half a circle at the North Pole
    west, north = np.random.default_rng(0).uniform(-200, 200, (2, 50))
    ra, dec = wcs.wcs_pix2world(west, north, 0)
    x, y = sky_to_plane(ra, dec, ra0, dec0)
    assert_allclose(np.degrees(x) / 0.01 - 1, west, atol=1e-7)
    assert_allclose(np.degrees(y) / 0.01 - 1, north, atol=1e-7)
    assert_allclose(plane_to_sky(x, y, ra0, dec0)[1], dec, atol=1e-9)


def test_west_is_positive_across_the_zero_of_right_ascension():
    x, y = sky_to_plane([359.9, 0.2], [0.0, 0.0], [0.1, 359.9], 0.0)
    assert_allclose(x, np.tan(np.radians([0.2, -0.3])))
    assert_array_equal(y, 0)


@pytest.mark.parametrize(
    ("ra", "dec"), [(100, 0), (190, 0), (10, 90), (10, -90), (280, 0), (190, 45)]
)
def test_a_position_90_degrees_away_has_no_image(ra, dec):
    assert_array_equal(sky_to_plane(ra, dec, 10.0, 0.0), (np.nan, np.nan))


def test_single_precision_positions_lose_nothing_more():
    ra, dec = np.float32([120.3, 120.1]), np.float32([45.2, 45.0])
    single = sky_to_plane(ra, dec, 120.0, 45.0)
    assert_array_equal(
        single, sky_to_plane(ra.astype(float), dec.astype(float), 120, 45)
    )


def test_the_series_of_small_angles_is_the_sine():
    angle = np.linspace(-0.0499, 0.0499, 1001)
    sin, versine = _sin_versine(angle)
    assert_allclose(sin, np.sin(angle), rtol=1e-15)
    assert_allclose(versine, 2 * np.sin(angle / 2) ** 2, rtol=1e-15)
    wide = np.append(angle, 3.0)
    assert_allclose(_sin_versine(wide)[0][:-1], sin, rtol=1e-15)


@pytest.mark.parametrize(
    ("function", "value", "unit"),
    [
        (mass_within_r500c, 900.0, "kpc"),
        (mass_within_r500c, 2.8e22, "m"),
        (r500c_of_mass, 14.2, "log10 of masses"),
        (r500c_of_mass, 3.5, "1e13 or 1e14 Msun"),
    ],
)
def test_plain_numbers_in_another_unit_are_refused_by_its_name(function, value, unit):
    match = rf"1 of 2 values of \w+ are outside of .*first: cluster 1.*like {unit}\."
    good = 0.7 if function is mass_within_r500c else 1e14
    with pytest.raises(ValueError, match=match):
        function([good, value], [0.2, 0.2])


@pytest.mark.parametrize(
    "function",
    [
        comoving_distance,
        lambda z: r500c_of_mass([1e14] * len(z), z),
        lambda z: mass_within_r500c([0.7] * len(z), z),
        lambda z: comoving_length(5 * units.arcmin, z),
        lambda z: length_factor(units.kpc, z, "WMAP7"),
    ],
)
def test_redshifts_that_are_velocities_negative_or_none_are_refused(function):
    with pytest.raises(ValueError, match=r"1 of 2 .* of redshift .* velocities cz"):
        function([0.1, 3e4])
    with pytest.raises(ValueError, match=r"just above 0 to 20 \(first: .* 1, -0\.2"):
        function([0.1, -0.2])
    with pytest.raises(ValueError, match="redshift has the unit 'km/s'"):
        function([3e4] * units.km / units.s)
    function([0.1, 0.2])


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("FlatLambdaCDM(70, 0.3)", FlatLambdaCDM(70, 0.3)),
        (
            " FlatLambdaCDM(H0=67.7, Om0=0.31, Tcmb0=2.7) ",
            FlatLambdaCDM(67.7, 0.31, 2.7),
        ),
        ("LambdaCDM(70, 0.3, Ode0=0.6)", LambdaCDM(70, 0.3, 0.6)),
        (
            "w0waCDM(70, 0.3, 0.7, w0=-0.9, wa=0.1)",
            w0waCDM(70, 0.3, 0.7, w0=-0.9, wa=0.1),
        ),
    ],
)
def test_a_cosmology_may_be_its_numbers_in_a_string(text, expected):
    found = get_cosmology(text)
    assert type(found) is type(expected)
    assert_allclose(found.efunc([0.0, 0.5, 1.0]), expected.efunc([0.0, 0.5, 1.0]))
    assert found.h == expected.h
    assert_allclose(
        comoving_distance([0.3], text), comoving_distance([0.3], expected), rtol=1e-12
    )


@pytest.mark.parametrize(
    "text",
    [
        "FlatLambdaCDM()",
        "FlatLambdaCDM(70)",
        "FlatLambdaCDM(70, 0.3",
        "FlatLambdaCDM('seventy', 0.3)",
        "FlatLambdaCDM(70, Omega=0.3)",
        "FlatLambdaCDM(70, Om0=open('/etc/passwd'))",
        "FlatLambdaCDM(70, *[0.3])",
        "FlatLambdaCDM(70, 0.3) + FlatLambdaCDM(70, 0.3)",
        "FlatLambdaCDM(70, 0.3).h(1)",
        "LambdaCDM(70, -0.3, 0.7)",
    ],
)
def test_a_string_that_is_no_cosmology_is_refused_and_not_executed(text):
    with pytest.raises(ValueError, match=r"cannot be made|Unknown cosmology"):
        get_cosmology(text)


@pytest.mark.parametrize("as_object", [False, True])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "FlatLambdaCDM(70, 30)",
            r"Om0 .*=30 is outside .* percent\. Divide it by 100",
        ),
        ("FlatLambdaCDM(0.7, 0.3)", r"H0 .*=0\.7 is outside .* h\. Multiply it by 100"),
        ("FlatLambdaCDM(0.3, 70)", r"H0 of the cosmology=0\.3"),
    ],
)
def test_numbers_of_another_unit_are_no_cosmology(text, message, as_object):
    given = eval(text) if as_object else text
    with pytest.raises(ValueError, match=message):
        get_cosmology(given)


def test_masked_values_have_no_distance():
    redshift = np.ma.masked_equal([0.1, -1.0], -1.0)
    with pytest.raises(ValueError, match=r"redshift has no value in 1 of 2 rows"):
        comoving_distance(redshift)
    for convert, name in ((r500c_of_mass, "mass"), (mass_within_r500c, "r500c")):
        with pytest.raises(ValueError, match=f"{name} has no value in 1 of 2 rows"):
            convert(np.ma.masked_equal([0.7, -1.0], -1.0), [0.1, 0.2])


@pytest.mark.parametrize(
    "length",
    [
        MaskedColumn([900.0, 500.0], mask=[False, True], unit="kpc"),
        Masked([900.0, 500.0] * units.kpc, mask=[False, True]),
    ],
    ids=["column", "quantity"],
)
def test_masked_lengths_are_refused(length):
    with pytest.raises(ValueError, match=r"length has no value in 1 of 2 rows"):
        comoving_length(length, [0.1, 0.3])


def test_negative_lengths_are_refused():
    with pytest.raises(
        ValueError, match=r"1 of 2 lengths are negative \(first: -99 kpc\)"
    ):
        comoving_length([900.0, -99.0] * units.kpc, [0.1, 0.3])
    with pytest.raises(ValueError, match=r"1 of 1 lengths are negative"):
        comoving_length(-99.0 * units.arcmin, [0.1, 0.3])


def test_positions_and_offsets_may_be_lists():
    offsets = [0.0, 0.01], [0.02, 0.0]
    for center in ((10.0, 45.0), ([10.0, 11.0], [45.0, -20.0])):
        position = plane_to_sky(*offsets, *center)
        expected = plane_to_sky(*np.array(offsets), *map(np.array, center))
        assert_array_equal(position, expected)
        found = sky_to_plane(*(each.tolist() for each in position), *center)
        assert_allclose(found, offsets, atol=1e-12)


@pytest.mark.parametrize("function", [plane_to_sky, sky_to_plane])
@pytest.mark.parametrize("which", range(4))
def test_masked_positions_and_offsets_are_refused(function, which):
    arguments = [np.array([0.0, 0.01]) for _ in range(4)]
    arguments[which] = np.ma.array([0.0, 0.01], mask=[False, True])
    subject = "offset" if function is plane_to_sky and which < 2 else "angle"
    with pytest.raises(ValueError, match=rf"The {subject} has no value in 1 of 2 rows"):
        function(*arguments)
