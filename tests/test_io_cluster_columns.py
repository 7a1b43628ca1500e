"""Catalogs are read by their own names and units: eRASS1, eFEDS and others."""

import numpy as np
import pytest
from astropy import units
from astropy.cosmology import WMAP7, FlatLambdaCDM
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import read_sample

REDSHIFT = np.array([0.1, 0.35, 0.7])
R500 = np.array([900.0, 1100.0, 750.0])  # physical kpc
ERASS1 = {"redshift": "BEST_Z", "r500c": "R500", "exposure": "EXP"}


def erass1(**changes):
    """Columns of the eRASS1 catalog of clusters that matter here, with its units."""
    table = Table(
        {"NAME": ["1eRASS J1", "1eRASS J2", "1eRASS J3"], "DETUID": ["a"] * 3}
    )
    table["RA"], table["DEC"] = (
        [10.0, 20.0, 30.0] * units.deg,
        [-1.0, -2, -3] * units.deg,
    )
    table["RA_XFIT"], table["DEC_XFIT"] = table["RA"] + 0.01, table["DEC"]
    table["EXP"] = [120.0, 90.0, 200.0] * units.s
    table["BEST_Z"], table["BEST_ZERR"], table["BEST_Z_TYPE"] = (
        REDSHIFT,
        0.01,
        "photo_z",
    )
    table["M500"] = [30.0, 50.0, 20.0]
    table["M500"].unit = "10**13 solMass"
    table["R500"] = R500 * units.kpc
    table["M500_PDF_array"] = np.ones((3, 5))
    for name, column in changes.items():
        table[name] = column
    return table


@pytest.mark.parametrize("suffix", ["fits", "ecsv", "memory"])
def test_the_erass1_catalog_is_read_by_its_own_names(tmp_path, suffix):
    source = erass1()
    if suffix != "memory":
        source = tmp_path / f"erass1cl.{suffix}"
        erass1().write(source)
    sample, others = read_sample(source, columns=ERASS1)
    assert_allclose(sample.redshift, REDSHIFT)
    assert_allclose(sample.center, [[10, -1], [20, -2], [30, -3]])
    assert_array_equal(sample.exposure, [120, 90, 200])
    assert_array_equal(sample.name, ["1eRASS J1", "1eRASS J2", "1eRASS J3"])
    assert_allclose(sample.r500c, R500 / 1e3 * (1 + REDSHIFT) * WMAP7.h)
    assert {"M500", "RA_XFIT", "M500_PDF_array"} < {*others}
    assert not {"BEST_Z", "R500", "EXP"} & {*others}


def angle_of(kpc, cosmology=WMAP7):
    return (kpc * units.kpc * cosmology.arcsec_per_kpc_proper(REDSHIFT)).to("arcmin")


@pytest.mark.parametrize(
    ("unit", "values"),
    [
        ("kpc", R500),
        ("Mpc", R500 / 1e3),
        ("pc", R500 * 1e3),
        ("cm", (R500 * units.kpc).to_value("cm")),
        ("ckpc", R500 * (1 + REDSHIFT)),
        ("cMpc", R500 / 1e3 * (1 + REDSHIFT)),
        ("kpc/h", R500 * (1 + REDSHIFT) * WMAP7.h),
        ("Mpc/h", R500 / 1e3 * (1 + REDSHIFT) * WMAP7.h),
        ("arcmin", angle_of(R500).value),
        ("deg", angle_of(R500).to_value("deg")),
    ],
)
def test_radii_of_any_unit_are_the_same_comoving_length(unit, values):
    expected = R500 / 1e3 * (1 + REDSHIFT) * WMAP7.h
    stated, _ = read_sample(
        {"z": REDSHIFT, "R": values}, columns={"r500c": f"R:{unit}"}
    )
    # Angles are small but for their sixth digit.
    assert_allclose(stated.r500c, expected, rtol=2e-5)
    own = Table({"z": REDSHIFT, "r500c": values})
    own["r500c"].unit = unit
    assert_allclose(read_sample(own)[0].r500c, expected, rtol=2e-5)


def test_the_cosmology_converts_radii():
    cosmology = FlatLambdaCDM(50, 0.3)
    sample, _ = read_sample(
        {"z": REDSHIFT, "r": R500}, columns={"r500c": "r:kpc"}, cosmology=cosmology
    )
    assert_allclose(sample.r500c, R500 / 1e3 * (1 + REDSHIFT) * 0.5)
    sample, _ = read_sample(
        {"z": REDSHIFT, "r": angle_of(R500, cosmology).value},
        columns={"r500c": "r:arcmin"},
        cosmology=cosmology,
    )
    assert_allclose(sample.r500c, R500 / 1e3 * (1 + REDSHIFT) * 0.5, rtol=2e-5)


def test_conversions_are_said_when_asked_for(capsys):
    read_sample(erass1(), columns=ERASS1)
    assert capsys.readouterr() == ("", "")
    read_sample(erass1(), columns=ERASS1, verbose=1)
    said = capsys.readouterr().err
    assert said == (
        "R500c is read from R500 [kpc], a physical length, which is multiplied by "
        "(1 + z) h, h = 0.704 (WMAP7).\n"
    )


def test_stated_units_of_other_columns_are_converted():
    table = {"z": [0.1], "fov": [30.0], "t": [2.0], "right": [0.5], "down": [1.0]}
    columns = {"field_radius": "fov:arcmin", "exposure": "t:ks"}
    columns |= {"ra": "right:rad", "dec": "down:deg"}
    sample, others = read_sample(table, columns=columns)
    assert_allclose([sample.field_radius[0], sample.exposure[0]], [0.5, 2000])
    assert_allclose(sample.center, [[np.degrees(0.5), 1]])
    assert len(others) == 0


def test_a_name_with_a_colon_is_a_name():
    sample, _ = read_sample({"z:kpc": [0.1]}, columns={"redshift": "z:kpc"})
    assert_array_equal(sample.redshift, [0.1])


def test_the_mapping_goes_before_what_would_be_found():
    table = {"z": [0.1], "z_spec": [0.2], "RA": [1.0], "DEC": [2.0], "X_RA": [3.0]}
    table |= {"X_DEC": [4.0], "name": ["a"], "id": ["b"]}
    columns = {"redshift": "Z_SPEC", "ra": "X_RA", "dec": "X_DEC", "name": "id"}
    sample, others = read_sample(table, columns=columns)
    assert_array_equal(sample.redshift, [0.2])
    assert_array_equal(sample.center, [[3, 4]])
    assert_array_equal(sample.name, ["b"])
    assert list(others) == ["z", "RA", "DEC", "name"]


def test_a_box_has_its_redshift_by_the_mapping():
    box = {"x": [1.0], "y": [2.0], "z": [0.3]}
    with pytest.raises(ValueError, match=r"or give columns=\{'redshift': 'z'\}"):
        read_sample(box)
    sample, others = read_sample(box, columns={"redshift": "z"})
    assert_array_equal(sample.redshift, [0.3])
    assert list(others) == ["x", "y"]


@pytest.mark.parametrize(
    ("columns", "match"),
    [
        (
            {"redshift": "Z_BEST"},
            r"redshift is in Z_BEST, which is not a column .* BEST_Z",
        ),
        (
            {"z_best": "BEST_Z"},
            r"name z_best, which is not a part of a sample; .*redshift",
        ),
        (
            {"ra": "RA_XFIT"},
            r"columns must also name dec: positions are read from ra, dec",
        ),
        ({"name": "NAME:kpc"}, "name has no unit, but columns gives it 'kpc'"),
        ({"ra": "RA", "dec": "RA"}, "gives ra and dec the same column, RA"),
        ({"r500c": "R500:Mpc"}, r"R500 has the unit 'kpc', but columns says 'Mpc'"),
        (
            {"r500c": "M500"},
            r"'M500' has the unit '.*solMass', but r500c is in comoving",
        ),
        ({"r500c": "R500:furlong"}, r"'kpc', but columns says 'furlong'"),
        ({"hdu": "EXP"}, "columns names hdu .* but the table has no column photons"),
        ({"exposure": "BEST_Z_TYPE"}, "'BEST_Z_TYPE' does not hold finite numbers"),
    ],
)
def test_a_wrong_mapping_is_named(columns, match):
    with pytest.raises(ValueError, match=match):
        read_sample(erass1(), columns={"redshift": "BEST_Z"} | columns)


def test_the_mapping_is_a_dict():
    with pytest.raises(TypeError, match="columns must be a dict from names"):
        read_sample(erass1(), columns="redshift=BEST_Z")
    with pytest.raises(TypeError, match="name of a column for redshift, got 3"):
        read_sample(erass1(), columns={"redshift": 3})


def test_numbers_in_a_mapped_column_of_names_stay_strings(tmp_path):
    (tmp_path / "c.csv").write_text("z,ID,n\n0.1,0012,0012\n")
    sample, others = read_sample(tmp_path / "c.csv", columns={"name": "id"})
    assert_array_equal(sample.name, ["0012"])
    assert_array_equal(others.n, [12])


@pytest.mark.parametrize(
    ("name", "is_like_it"),
    [
        *(
            (name, True)
            for name in ("BEST_Z", "z_spec", "Z_BEST_COMB", "photo_z", "zphot")
        ),
        *((name, False) for name in ("BEST_ZERR", "BEST_Z_TYPE", "size", "zeta")),
    ],
)
def test_a_missing_redshift_is_looked_for(name, is_like_it):
    with pytest.raises(ValueError, match=r"no column redshift \(or z\)") as error:
        read_sample({name: [0.1], "RA": [1.0], "DEC": [1.0]})
    way = f"Give columns={{'redshift': {name!r}}}."
    assert (way in str(error.value)) is is_like_it


def test_a_metallicity_or_a_magnitude_is_no_redshift():
    """Of a table of spectra, with Z in solar units beside Z_SPEC."""
    table = {"KT": [5.0] * 3, "Z": [0.3, 0.25, 0.4], "Z_SPEC": REDSHIFT[:3]}
    with pytest.raises(ValueError, match="'Z' and 'Z_SPEC' may both be the redshift"):
        read_sample(table)
    for column in ("Z", "Z_SPEC"):
        sample, _ = read_sample(table, columns={"redshift": column})
        assert_array_equal(sample.redshift, table[column])
    errors = {"Z": [0.3, 0.25, 0.4], "Z_ERR": [0.01] * 3, "Z_SPEC_ERR": [0.02] * 3}
    assert_array_equal(read_sample(errors)[0].redshift, errors["Z"])
    partly = {"Z": [0.3, 0.25, 0.4], "Z_SPEC": [-99.0, -99.0, 0.401]}
    assert_array_equal(read_sample(partly)[0].redshift, partly["Z"])


@pytest.mark.parametrize(("radii", "power"), [([3.71, 2.9], 16), ([0.062, 0.05], 10)])
def test_radii_of_no_clusters_ask_for_their_unit(radii, power):
    """Radii in arcmin and in degrees, of which plain numbers may be Mpc/h."""
    with pytest.raises(ValueError, match=rf"masses of about \de\+{power} Msun/h"):
        read_sample({"z": [0.135, 0.15], "r500c": radii})
    unit = "arcmin" if radii[0] > 1 else "deg"
    sample, _ = read_sample(
        {"z": [0.135, 0.15], "R": radii}, columns={"r500c": f"R:{unit}"}
    )
    assert ((sample.r500c > 0.3) & (sample.r500c < 0.5)).all()


def test_marks_of_minutes_and_seconds_of_arc_are_units():
    table = Table({"z": [0.135], "r500c": [3.71], "field_radius": [5.0]})
    in_words = read_sample(table, columns={"r500c": "r500c:arcmin"})[0]
    marked = read_sample(table, columns={"r500c": "r500c:'"})[0]
    assert_array_equal(marked.r500c, in_words.r500c)
    marks = {"field_radius": "field_radius:'", "r500c": "r500c:arcmin"}
    assert_allclose(read_sample(table, columns=marks)[0].field_radius, 5 / 60)


def test_radii_that_look_like_kpc_name_the_way_out():
    with pytest.raises(ValueError, match=r"columns=\{'r500c': 'R500C:kpc'\}"):
        read_sample({"z": REDSHIFT, "R500C": R500})
    with pytest.raises(ValueError, match=r"columns=\{'r500c': 'r500c:arcmin'\}"):
        read_sample({"z": REDSHIFT, "r500c": [4.0, 3.1, 10.0]})
    with pytest.raises(ValueError, match=r"in 1 of 3 rows .*row 1"):
        read_sample(erass1(R500=[900.0, np.nan, 750.0]), columns=ERASS1)


def test_columns_that_differ_in_case_alone_are_ambiguous():
    table = {"z": [0.1], "Exposure": [1e3], "exposURE": [2e3]}
    with pytest.raises(ValueError, match="Exposure, exposURE differ only in case"):
        read_sample(table)
    assert read_sample(table, columns={"exposure": "Exposure"})[0].exposure == [1e3]
    assert read_sample(table | {"exposure": [3e3]})[0].exposure == [3e3]
