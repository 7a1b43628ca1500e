"""The table of units against astropy, and against what catalogs hold."""

import re

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.cosmology.units import littleh
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonMapper, ProxyMeasurer
from skcluster.sample.units import (
    TABLE,
    check_plausible,
    in_our_unit,
    looks_like,
    unit_factor,
)

OURS = {
    "angle": units.deg,
    "energy": units.keV,
    "speed": units.km / units.s,
    "time": units.s,
    "number": units.one,
    "comoving length": units.Mpc / littleh,
}
LENGTHS = [units.Mpc / littleh, units.kpc / littleh, units.pc / littleh]
GIVEN = {
    "angle": [units.deg, units.rad, units.arcmin, units.arcsec, units.hourangle],
    "energy": [units.eV, units.keV, units.MeV, units.erg, units.J],
    "speed": [units.m / units.s, units.km / units.s, units.km / units.h],
    "time": [units.s, units.ks, units.h, units.day],
    "number": [units.one, units.percent],
    "comoving length": [*LENGTHS, 1000 * units.kpc / littleh, units.m / littleh],
}
PAIRS = [
    (name, unit)
    for name, row in TABLE.items()
    if row.kind in GIVEN
    for unit in GIVEN[row.kind]
]


@pytest.mark.parametrize(("name", "unit"), PAIRS, ids=lambda p: str(p))
def test_units_are_converted_as_astropy_does(name, unit):
    ours = OURS[TABLE[name].kind]
    given = np.array([1.0, 2.5]) * unit
    assert_allclose(in_our_unit(name, given, name), given.to_value(ours), rtol=1e-14)
    spelled = unit_factor(name, unit.to_string() or unit)
    assert_allclose(spelled, (1 * unit).to_value(ours), rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "spelling", "factor"),
    [
        *(("position", text, 1.0) for text in ("Mpc/h", "Mpc h-1", "h-1 Mpc")),
        *(("position", text, 1.0) for text in ("Mpc h^-1", "h^-1 Mpc", "Mpc.h**-1")),
        *(("position", text, 1.0) for text in ("cMpc/h", "Mpc / littleh", "[Mpc/h]")),
        *(("position", text, 1e-3) for text in ("kpc/h", "ckpc/h", "h**-1 kpc")),
        *(("ra", text, 1.0) for text in ("deg", "DEG", "degree", "degrees", "[deg]")),
        ("dec", "radians", 180 / np.pi),
        *(("field_radius", text, 1 / 60) for text in ("'", "arcmin")),
        *(("field_radius", text, 1 / 3600) for text in ('"', "''")),
        *(("ra", text, 15.0) for text in ("h", "hr", "hour", "Hours", "[h]")),
        *(("energy", text, 1e-3) for text in ("eV", "EV", "ev")),
        *(("v", text, 1.0) for text in ("km/s", "km s-1", "km / s", "km s^-1")),
        *(("exposure", text, 1e3) for text in ("ks", "ksec", "KS")),
        *(("redshift", text, 1.0) for text in ("", "redshift", "1", "--")),
        *(("log_mass", text, 1.0) for text in ("dex", "dex(Msun/h)", "log10(Msun/h)")),
    ],
)
def test_spellings_of_files_are_known(name, spelling, factor):
    assert_allclose(unit_factor(name, spelling), factor, rtol=1e-14)


@pytest.mark.parametrize(
    ("name", "spelling"),
    [
        *(("r500c", text) for text in ("Mpc", "kpc", "pMpc/h", "m", "cm", "deg", "s")),
        *(("position", text) for text in ("deg", "Mpc", "Mpc/h70", "Mpc h", "arcsec")),
        *(("ra", text) for text in ("h:m:s", "min", "Mpc", "km/s")),
        *(
            (name, text)
            for name in ("dec", "center", "psf_hew")
            for text in ("h", "hr")
        ),
        *(("energy", text) for text in ("Angstrom", "chan", "deg")),
        *(("redshift", text) for text in ("km/s", "Mpc")),
        *(("log_mass", text) for text in ("Msun", "dex(Msun)", "1e14 Msun", "kg")),
        ("exposure", "cm2 s"),
    ],
)
def test_units_of_another_meaning_are_refused(name, spelling):
    with pytest.raises(
        ValueError, match=f"the_subject has the unit {spelling[:1]!r}"[:-1]
    ):
        unit_factor(name, spelling, "the_subject")


def test_nobody_is_told_to_remove_the_unit_of_an_angle():
    message = (
        r"converted to deg\. Convert the numbers to degrees, or correct the unit\."
    )
    with pytest.raises(ValueError, match=message):
        unit_factor("dec", "h")


def test_what_has_no_unit_or_no_row_passes_as_it_is():
    plain = np.array([1, 2], "i2")
    assert in_our_unit("r500c", plain, "r500c") is plain
    flux = [1.0] * units.erg
    assert in_our_unit("flux", flux, "flux") is flux


REAL = {
    "redshift": [0.0036, 0.066, 0.47, 1.75, 4.3],  # Virgo; the paper; a protocluster
    "r500c": [0.11, 0.2, 0.53, 1.1, 2.0],
    "position": [[-3000.0, 0.0, 7500.0], [21000.0, 1.0, 352.0]],
    "field_radius": [0.025, 0.133, 0.25, 0.51, 1.1, 8.0],  # XRISM … eFEDS
    "exposure": [60.0, 150.0, 2000.0, 5e4, 7e6],  # eRASS1 … Chandra deep field
    "log_mass": [12.3, 13.5, 14.0, 15.5, 16.0],
    "mass": [1e12, 1e14, 3e15],
    "half_width": [0.2, 1.5, 2.3, 50.0],
    "box_size": [35.0, 176.0, 352.0, 1000.0, 21000.0],
    "velocity_max": [1000.0, 3785.0, 20_000.0],
    "galaxy_redshift": [-0.001, 0.0, 0.1, 9.0],
    "coverage": [0.0, 0.5, 1.0],
    "center": [[359.9, -89.0], [-10.0, 90.0]],
    "bandwidth": [0.02, 0.15, 2.0],
}


@pytest.mark.parametrize("name", REAL)
def test_what_real_catalogs_hold_is_plausible(name):
    check_plausible(name, REAL[name])
    assert looks_like(name, REAL[name]) is None


@pytest.mark.parametrize(
    ("name", "values", "unit"),
    [
        ("r500c", [0.2e3, 900, 1500], "kpc"),
        ("r500c", [9e5], "pc"),
        ("r500c", [2.8e22], "m"),
        ("r500c", [2.8e24], "cm"),
        ("r500c", [6.0, 8.0], "arcmin"),
        ("energy", [2.4e-9], "erg"),
        ("energy", [2.4e-16], "J"),
        ("energy", [1500.0], "eV"),
        ("position", [[1e5, 2e5, 3e5]], "kpc/h"),
        ("position", [[-2e5, -3e5, -1e5]], "kpc/h"),
        ("field_radius", [15.0, 30.0], "arcmin"),
        ("field_radius", [1800.0], "arcsec"),
        ("field_radius", [0.0087], "rad"),
        ("redshift", [3000.0], "velocities cz in km/s"),
        ("galaxy_redshift", [29979.0], "velocities cz in km/s"),
        ("exposure", [2.0, 12.5], "ks"),
        ("coverage", [98.0], "percent"),
        ("half_width", [2300.0], "kpc/h"),
        ("box_size", [352000.0], "kpc/h"),
        ("velocity_max", [3.785e6], "m/s"),
        ("velocity_max", [0.0126], "redshifts"),
        ("log_mass", [3e14, 14.2], "masses in Msun"),
        ("log_mass", [0.7, 3.0, 20.0], "masses in 1e13 or 1e14 Msun"),
        ("log_mass", [31.1, 33.0], "ln of masses"),
        ("log_mass", [14.0, -99.0, -99.0], "placeholders such as -99"),
        ("log_mass", [14.0, -1.0], "placeholders such as -1,"),
        ("mass", [14.2], "log10 of masses"),
        ("mass", [3.5], "1e13 or 1e14 Msun"),
        ("bands", [0.0, 500.0, 2000.0], "eV"),
        ("r500c", [0.9, -99.0], "placeholders such as -99"),
    ],
)
def test_numbers_in_another_unit_are_refused_by_its_name(name, values, unit):
    assert looks_like(name, values).unit.startswith(unit)
    with pytest.raises(
        ValueError, match=f"values of it are outside .* look like {unit}"
    ):
        check_plausible(name, values, "it")


SCALED = [
    (name, other)
    for name, row in TABLE.items()
    for other in row.look_alikes
    if row.kind not in ("mass", "log mass") and " by " in other.cure
    if other.cure.split(" by ")[1][0].isdigit()
]


@pytest.mark.parametrize(("name", "other"), SCALED, ids=lambda p: getattr(p, "unit", p))
def test_the_cure_of_a_look_alike_gives_a_plausible_number(name, other):
    verb, factor = re.fullmatch(r"(\w+) them by (.*)\.", other.cure).groups()
    factor = float(factor) if verb == "Multiply" else 1 / float(factor)
    middle = np.sqrt(other.low * other.high)
    assert looks_like(name, middle) == other or TABLE[name].low <= middle
    assert looks_like(name, middle * factor) is None


def test_the_message_counts_rows_and_names_the_first():
    with pytest.raises(
        ValueError, match=r"2 of 3 values of position .*first: cluster 1"
    ):
        check_plausible("position", [[0, 0, 0], [1, 2, 3e5], [4e5] * 3], rows="cluster")
    with pytest.raises(
        ValueError, match=r"^half_width=2300 is outside of 0\.01 to 100"
    ):
        check_plausible("half_width", 2300)
    with pytest.raises(ValueError, match="1 of 2 values of log_mass are outside of 10"):
        check_plausible("log_mass", [14.0, np.nan])


def test_conversion_leaves_what_it_is_given(tmp_path):
    given = np.array([60.0, 120.0]) * units.arcmin
    assert_allclose(in_our_unit("ra", given, "ra"), [1, 2])
    assert_array_equal(given.value, [60, 120])


class TestListsInOtherUnits:
    """Numbers that no table of ranges can refuse by themselves."""

    @pytest.mark.parametrize("scale", ["redshift", "v / c"])
    def test_velocities_that_are_redshifts(self, scale):
        scale = scale.removesuffix("s")
        rng = np.random.default_rng(0)
        v = rng.normal(0, 800, 40) / 299792.458 + (0.2 if scale == "redshift" else 0)
        galaxies = {"x": np.zeros(40), "y": np.zeros(40), "v": v}
        with pytest.raises(ValueError, match=rf"1 of 2 clusters .* look like {scale}"):
            ClusterSample([0.2, 0.2], galaxies=[galaxies, None])

    @pytest.mark.parametrize("v", [np.zeros(40), np.full(4, 1.0), np.r_[:40.0]])
    def test_velocities_that_can_be(self, v):
        galaxies = {"x": 0 * v, "y": 0 * v, "v": v}
        assert len(ClusterSample([0.2], galaxies=[galaxies]).galaxies["v"]) == len(v)

    @pytest.mark.parametrize(
        "step", [PhotonMapper(), ProxyMeasurer(proxies=["n_phot"])]
    )
    @pytest.mark.parametrize("wrong", ["radians", "hours", "another cluster"])
    def test_photons_far_from_their_center(self, step, wrong):
        ra, center = np.full(30, 150.0), 150.0
        ra = np.radians(ra) if wrong == "radians" else ra
        center = {"hours": 10.0, "another cluster": 190.0}.get(wrong, center)
        photons = {"ra": ra, "dec": np.full(30, 2.0), "energy": np.ones(30)}
        sample = ClusterSample([0.2], center=[(center, 2.0)], photons=[photons])
        with pytest.raises(ValueError, match=r"all photons of 1 of 1 .* than 12 deg"):
            step.fit_transform(sample)

    def test_photons_around_a_map_leave_it_empty(self):
        """A list may hold a field of which the cluster is at the edge."""
        photons = {"ra": [11.5], "dec": [0.0], "energy": [1.0]}
        sample = ClusterSample([0.2], center=[(10.0, 0.0)], photons=[photons])
        assert PhotonMapper().fit_transform(sample).maps.total() == 0

    @pytest.mark.parametrize("name", ["log_stellar_mass", "LOG_STELLAR_MASS"])
    def test_the_cut_in_stellar_mass_finds_its_column(self, name):
        rng = np.random.default_rng(0)
        galaxies = {"x": np.zeros(40), "y": np.zeros(40), "v": rng.normal(0, 500, 40)}
        galaxies[name] = np.repeat([9.0, 10.0], 20)
        sample = ClusterSample([0.2], galaxies=[galaxies])
        n = np.exp(ProxyMeasurer(proxies=["n_gal"]).fit_transform(sample))
        assert_allclose(n, 20)


def test_redshifts_that_stand_for_none():
    for redshift in (99.0, 999.0):
        with pytest.raises(ValueError, match=r"1 of 2 redshifts are beyond 20.*drop"):
            ClusterSample([0.2, redshift])


def test_centers_are_lists_of_astropys_positions_too():
    sky = SkyCoord([10.0, 20.0], [-5.0, 60.0], unit="deg", frame="galactic")
    expected = ClusterSample([0.1, 0.2], center=sky).center
    assert_allclose(ClusterSample([0.1, 0.2], center=list(sky)).center, expected)
    dicts = [{"redshift": 0.1, "center": each} for each in sky]
    assert_allclose(ClusterSample.from_dicts(dicts).center, expected)


def test_angles_of_which_the_unit_is_not_evident_are_named_so():
    for ra, words in ((1e5, "look like arcsec"), (36e3, "arcmin or arcsec")):
        with pytest.raises(ValueError, match=words):
            check_plausible("ra", [ra])
    with pytest.raises(ValueError, match=r"look like m\. Divide them by 3\.0857e"):
        check_plausible("position", np.array([[1e25, 2e24, 5e24]]))


def test_velocities_of_a_few_hundred_in_meters_per_second_are_refused():
    for velocity in (2.2e5, 5e5, 3.8e6):
        with pytest.raises(ValueError, match="looks like m/s"):
            check_plausible("velocity_max", velocity)
