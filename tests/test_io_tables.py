"""Tables as people keep them: any dialect, encoding, container, shape and spelling."""

import gzip
import os
import subprocess
import sys
import warnings
from importlib.util import find_spec

import numpy as np
import pandas as pd
import pytest
from astropy import units
from astropy.io import fits
from astropy.io.votable import from_table
from astropy.table import Column, MaskedColumn, QTable, Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample
from skcluster.io import read_galaxies, read_sample, unpack_limit, write_sample

Z = [0.1, 0.25]
CATALOG = {"name": ["0012", "Persée"], "redshift": Z, "ra": [140.5, 49.9]}
CATALOG |= {"dec": [3.5, 41.5], "T": [5.5, 6.0]}


def in_text(delimiter, comma=".", end="\n"):
    rows = [CATALOG.keys(), *zip(*CATALOG.values(), strict=True)]
    rows = [[str(cell).replace(".", comma) for cell in row] for row in rows]
    return "".join(delimiter.join(row) + end for row in rows)


def assert_is_catalog(source):
    sample, others = read_sample(source)
    assert sample.name.tolist() == CATALOG["name"]
    assert_array_equal(sample.redshift, Z)
    assert_array_equal(sample.center, np.transpose([CATALOG["ra"], CATALOG["dec"]]))
    assert_array_equal(others.T, CATALOG["T"])


@pytest.mark.parametrize("suffix", ["csv", "tsv", "csv.gz", "csv.bz2"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "latin-1"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_text_in_any_dialect_and_encoding_is_the_same(
    delimiter, encoding, suffix, tmp_path
):
    import bz2

    path = tmp_path / f"clusters.{suffix}"
    content = in_text(delimiter, end="\r\n").encode(encoding)
    packers = {"csv.gz": gzip.compress, "csv.bz2": bz2.compress}
    path.write_bytes(packers.get(suffix, bytes)(content))
    assert_is_catalog(path)


@pytest.mark.parametrize("delimiter", [";", "\t"])
def test_decimal_commas_are_numbers_where_commas_part_no_columns(delimiter, tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text(in_text(delimiter, comma=","), encoding="utf-8")
    assert_is_catalog(path)


@pytest.mark.parametrize("content", ["name;z\n1,5;0,1\n", "z;name\n0,1;1,5\n"])
def test_names_with_commas_stay_names(content, tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text(content)
    sample, _ = read_sample(path)
    assert sample.name.tolist() == ["1,5"]
    assert sample.redshift == [0.1]


def test_text_with_commas_stays_text(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text("z;note\n0.1;2,5 keV\n")
    _, others = read_sample(path)
    assert others.note.tolist() == ["2,5 keV"]


@pytest.mark.parametrize("suffix", ["vot", "xml", "votable", "vot.gz"])
def test_a_votable_is_read_with_its_units(suffix, tmp_path):
    table = Table(CATALOG)
    table["ra"] = np.radians(CATALOG["ra"]) * units.rad
    path = tmp_path / f"clusters.{suffix}"
    from_table(table).to_xml(str(tmp_path / "a.vot"))
    content = (tmp_path / "a.vot").read_bytes()
    path.write_bytes(gzip.compress(content) if suffix.endswith("gz") else content)
    sample, _ = read_sample(path)
    assert_allclose(sample.center, np.transpose([CATALOG["ra"], CATALOG["dec"]]))
    assert sample.name.tolist() == CATALOG["name"]


def test_a_votable_of_two_tables_is_not_guessed_at(tmp_path):
    path = tmp_path / "two.vot"
    votable = from_table(Table(CATALOG))
    votable.resources.append(from_table(Table({"z": [9.0]})).resources[0])
    votable.to_xml(str(path))
    with pytest.raises(ValueError, match=r"two\.vot holds 2 tables.* file of its own"):
        read_sample(path)


def as_polars(table):
    return pytest.importorskip("polars").DataFrame(table)


def as_arrow(table):
    return pytest.importorskip("pyarrow").table(table)


@pytest.mark.parametrize("make", [as_polars, as_arrow, pd.DataFrame])
def test_tables_of_other_packages_make_the_same_sample(make):
    assert_is_catalog(make(CATALOG))
    photons = {"ra": [10.0, 10.5], "dec": [1.0, 2.0], "energy": [0.7, 3.0]}
    expected = ClusterSample([0.1, 0.2], photons=[photons, None]).photons
    found = ClusterSample([0.1, 0.2], photons=[make(photons), None]).photons
    long = make(photons | {"cluster": [0, 0]})
    from_long = ClusterSample.from_table(make({"redshift": [0.1, 0.2]}), photons=long)
    for name in photons:
        assert_array_equal(found[name], expected[name], strict=True)
        assert_array_equal(from_long.photons[name], expected[name], strict=True)
    with pytest.raises(TypeError, match="one table per cluster, got one table"):
        ClusterSample([0.1], photons=make(photons))
    galaxies = {"x": [0.1], "y": [0.2], "v": [3]}
    assert_array_equal(read_galaxies(make(galaxies))["v"], [3])


@pytest.mark.parametrize("make", [as_polars, as_arrow])
def test_gaps_in_tables_of_other_packages_are_gaps(make):
    _, others = read_sample(make({"z": Z, "n": [1, None], "who": [None, "me"]}))
    assert_array_equal(others.n, [1, np.nan])
    assert_array_equal(others.who, ["", "me"])
    with pytest.raises(ValueError, match=r"'z' has no value in 1 of 2 rows .*row 1"):
        read_sample(make({"z": [0.1, None]}))


SPELLINGS = ["RA DEC", "RAJ2000 DEJ2000", "_RAJ2000 _DEJ2000", "RA_ICRS DE_ICRS"]
SPELLINGS += ["ALPHA_J2000 DELTA_J2000", "RAdeg DEdeg", "ra_deg dec_deg"]
SPELLINGS += ["Right_Ascension Declination", "_RA.icrs _DE.icrs", "RAJ2000 DECJ2000"]


@pytest.mark.parametrize("spelling", SPELLINGS)
def test_the_center_is_found_as_catalogs_spell_it(spelling):
    ra, dec = spelling.split()
    catalog = {"redshift": Z, ra: [10.0, 20.0], dec: [1.0, 2.0], "T": [1, 2]}
    for sample in (ClusterSample.from_table(catalog), read_sample(catalog)[0]):
        assert_array_equal(sample.center, [[10, 1], [20, 2]])
    assert list(read_sample(catalog)[1]) == ["T"]
    galaxies = {ra: [10.0], dec: [1.0], "Z": [0.1]}
    found = read_galaxies(galaxies, center=(10.0, 1.0), redshift=0.1)
    assert_allclose([found["x"][0], found["y"][0], found["v"][0]], 0, atol=1e-12)


@pytest.mark.parametrize(
    "spelling", ["RA_BCG DEC_BCG", "RAB1950 DEB1950", "GLON GLAT", "ra[deg] dec[deg]"]
)
def test_a_center_under_an_unknown_name_is_not_lost_in_silence(spelling):
    ra, dec = spelling.split()
    catalog = {"redshift": Z, ra: [10.0, 20.0], dec: [1.0, 2.0]}
    for read in (ClusterSample.from_table, read_sample):
        with pytest.warns(UserWarning, match=f"'{ra[:2]}.*'{dec[:2]}.* name them ra"):
            read(catalog)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        read_sample(catalog | {"ra": [1.0, 2.0], "dec": [1.0, 2.0]})
        read_sample({"redshift": Z, "rank": [1, 2], "decile": [1, 2], "delta": [1, 2]})


def test_a_table_under_the_name_of_another_format_makes_a_short_message(tmp_path):
    path = tmp_path / "table.csv"
    pd.DataFrame({name: np.arange(9.0) for name in "abcdefgh"}).to_parquet(path)
    with pytest.raises(OSError, match=r"table\.csv cannot be read as \.csv") as refusal:
        read_sample(path)
    assert len(str(refusal.value)) < 500


def test_a_center_is_never_mixed_of_two_spellings():
    catalog = {"z": [0.1], "RA": ["00:40:00"], "RAJ2000": [10.0], "DEJ2000": [1.0]}
    assert_array_equal(read_sample(catalog)[0].center, [[10, 1]])
    with pytest.raises(ValueError, match=r"row 0, '00:40:00'.*hours.*SkyCoord"):
        read_sample({"z": [0.1], "RA": ["00:40:00"], "DEC": ["+01 00 00"]})


def test_the_decimal_columns_beside_sexagesimal_ones_are_named():
    catalog = {"z": [0.1], "RAJ2000": ["00 40 00"], "DEJ2000": ["+01 00 00"]}
    with pytest.raises(ValueError, match=r"convert it to degrees, for instance"):
        read_sample(catalog)
    catalog |= {"_RAJ2000": [10.0], "_DEJ2000": [1.0]}
    given = {"ra": "_RAJ2000", "dec": "_DEJ2000"}
    message = rf"'00 40 00'\).*The table has it in degrees, too: columns={given}\."
    with pytest.raises(ValueError, match=message):
        read_sample(catalog)
    assert_array_equal(read_sample(catalog, columns=given)[0].center, [[10, 1]])


def test_right_ascensions_of_a_catalog_may_be_hours():
    catalog = Table({"z": [0.1], "ra": [10 / 15], "dec": [1.0]})
    catalog["ra"].unit = units.hour
    assert_allclose(read_sample(catalog)[0].center, [[10, 1]], rtol=1e-14)
    catalog["dec"].unit = units.hour
    with pytest.raises(ValueError, match=r"'dec' has the unit 'h', .* to deg\."):
        read_sample(catalog)


@pytest.mark.parametrize("unit", ["Mpc/littleh", "Mpc/h", "h-1 Mpc"])
def test_lengths_over_h_are_known_to_every_door(unit, tmp_path):
    from astropy.cosmology.units import littleh

    column = Column([0.7], unit=unit)
    if unit == "Mpc/littleh":
        column = Column([0.7], unit=units.Mpc / littleh)
    table = Table({"redshift": [0.1], "r500c": column})
    galaxies = Table({"x": column, "y": column, "v": [1.0]})
    assert read_sample(table)[0].r500c == [0.7]
    assert ClusterSample.from_table(table).r500c == [0.7]
    assert ClusterSample([0.1], r500c=table["r500c"]).r500c == [0.7]
    assert read_galaxies(galaxies)["x"] == [0.7]
    assert ClusterSample([0.1], galaxies=[galaxies]).galaxies["x"] == [0.7]


@pytest.mark.parametrize(
    "galaxies",
    [
        QTable({"x": [60.0] * units.arcsec, "y": [1.0] * units.arcsec, "v": [1.0]}),
        QTable({"x": [0.1] * units.m, "y": [1.0] * units.m, "v": [1.0]}),
        QTable({"x": [0.1] * units.Mpc, "y": [1.0] * units.Mpc, "v": [1.0]}),
    ],
)
def test_galaxies_in_other_units_are_refused_at_every_door(galaxies):
    match = "'x' has the unit .*, but x is in comoving Mpc/h"
    for door in (
        lambda: ClusterSample([0.1], galaxies=[galaxies]),
        lambda: read_galaxies(galaxies),
        lambda: read_galaxies(Table(galaxies)),
    ):
        with pytest.raises(ValueError, match=match):
            door()


@pytest.mark.parametrize(
    "field",
    [
        {"r500c": [2.8e22] * units.m},
        {"r500c": [0.9] * units.Mpc},
        {"position": [[1.0, 2.0, 3.0]] * units.deg},
        {"cube_extent": [[2.3, 3785.0]] * units.Mpc},
        {"coverage": [0.5] * units.deg},
    ],
)
def test_fields_in_other_units_are_refused(field):
    with pytest.raises(ValueError, match=r"has the unit|takes plain numbers"):
        ClusterSample([0.1], **field)


def test_columns_of_one_value_per_row_are_flat_in_any_shape(tmp_path):
    columns = {name: np.reshape(column, (2, 1)) for name, column in CATALOG.items()}
    assert_is_catalog(columns)
    assert ClusterSample(columns["redshift"], r500c=[[0.5], [0.6]]).r500c.shape == (2,)
    row = {name: np.reshape(column, (1, 2)) for name, column in CATALOG.items()}
    assert_is_catalog(row)
    Table(columns).write(tmp_path / "rows.parquet")
    assert_is_catalog(tmp_path / "rows.parquet")
    del row["name"]
    Table(row).write(tmp_path / "row.fits")
    assert_array_equal(read_sample(tmp_path / "row.fits")[0].redshift, Z)
    photons = {name: [[1.0, 2.0, 3.0]] for name in ("ra", "dec", "energy")}
    assert_array_equal(ClusterSample([0.1], photons=[photons]).photons.lengths, [3])


def test_units_count_only_in_the_columns_that_are_needed():
    one = np.ones(2)
    pixels = {"x": one * units.pix, "y": one * units.pix}
    photons = QTable(
        {
            "ra": one * units.rad,
            "dec": one * units.arcmin,
            "energy": 900 * one * units.eV,
        }
        | {"v": one * units.Jy}
        | pixels
    )
    galaxies = QTable({"x": one, "y": one, "v": one * units.m / units.s})
    galaxies["mass"] = 1e11 * one * units.Msun
    galaxies["z"] = one * units.km / units.s
    galaxies["dec"] = one * units.deg
    sample = ClusterSample([0.1], photons=[photons], galaxies=[galaxies])
    photons["cluster"] = galaxies["cluster"] = [0, 0]
    long = ClusterSample.from_table(
        {"redshift": [0.1]}, photons=photons, galaxies=galaxies
    )
    for each in (sample, long):
        assert_allclose(each.photons["ra"], np.degrees(1))
        assert_allclose(each.photons["energy"], 0.9)
        assert_array_equal(each.photons["x"], 1)
        assert_allclose(each.galaxies["v"], 1e-3)
        assert_array_equal(each.galaxies["mass"], 1e11)


def test_positions_in_a_box_are_lengths_in_every_column():
    table = Table({"redshift": [0.1], "x": [1.0], "y": [2.0], "z": [3.0]})
    table["z"].unit = "kpc"
    for door in (ClusterSample.from_table, read_sample):
        with pytest.raises(ValueError, match="'z' has the unit 'kpc', but position is"):
            door(table)
    table["z"].unit = units.kpc / __import__("astropy").cosmology.units.littleh
    assert_allclose(read_sample(table)[0].position, [[1, 2, 0.003]])


def test_one_cluster_with_a_profile_stays_one_cluster():
    catalog = {"z": [0.1], "profile": [[1.0, 2.0, 3.0]]}
    sample, others = read_sample(catalog)
    assert len(sample) == 1
    assert others.profile.shape == (1, 3)


def test_unused_vectors_of_a_list_are_left_out(tmp_path):
    galaxies = {"ra": [10.0, 10.1], "dec": [0.0, 0.0], "z": [0.1, 0.1]}
    sdss = Table(galaxies | {"mag": np.ones((2, 5)), "class": ["GALAXY", "QSO"]})
    sdss.write(tmp_path / "g.fits")
    catalog = {"z": [0.1], "ra": [10.0], "dec": [0.0], "galaxies": ["g.fits"]}
    sample, _ = read_sample(catalog, directory=tmp_path)
    assert set(sample.galaxies.columns) == {"x", "y", "v", "ra", "dec", "z", "class"}
    table = {"x": [0.1], "y": [0.2], "v": [3.0], "mag": [[1.0, 2.0]]}
    assert "mag" not in ClusterSample([0.1], galaxies=[table]).galaxies.columns
    long = table | {"cluster": [0]}
    sample = ClusterSample.from_table({"redshift": [0.1]}, galaxies=long)
    assert "mag" not in sample.galaxies.columns


TWO_OF_ONE_NAME = {
    "csv": "z, ra,z\n0.1,1,0.2\n",
    "tsv": "z\tra\tz\n0.1\t1\t0.2\n",
    "ecsv": "# %ECSV 1.0\n# ---\n# datatype:\n# - {name: z, datatype: float64}\n"
    "# - {name: z, datatype: float64}\nz z\n0.1 0.2\n",
    "vot": '<VOTABLE version="1.3"><RESOURCE><TABLE><FIELD name="z" datatype="double"/>'
    '<FIELD name="z" datatype="double"/><DATA><TABLEDATA><TR><TD>0.1</TD><TD>0.2</TD>'
    "</TR></TABLEDATA></DATA></TABLE></RESOURCE></VOTABLE>",
}


@pytest.mark.parametrize("suffix", TWO_OF_ONE_NAME)
def test_two_columns_of_one_name_are_refused(suffix, tmp_path):
    path = tmp_path / f"clusters.{suffix}"
    path.write_text(TWO_OF_ONE_NAME[suffix])
    with pytest.raises(
        ValueError, match=rf"\.{suffix} has 2 columns with the name z\."
    ):
        read_sample(path)


def test_columns_without_a_name_are_not_two_of_one_name(tmp_path):
    (tmp_path / "c.csv").write_text("z,ra,,\n0.1,1,,\n")
    assert_array_equal(read_sample(tmp_path / "c.csv")[0].redshift, [0.1])


def test_paths_may_be_bytes_anywhere(tmp_path):
    Table({"x": [0.1], "y": [0.2], "v": [3.0]}).write(tmp_path / "g.csv")
    for galaxies in ([b"g.csv"], np.array([b"g.csv"]), np.array([b"g.csv"], object)):
        catalog = {"redshift": [0.1], "galaxies": galaxies, "name": [b"A 1"]}
        sample, _ = read_sample(catalog, directory=os.fsencode(tmp_path))
        assert sample.galaxies.lengths.tolist() == [1]
        assert sample.name.tolist() == ["A 1"]
    Table({"z": [0.1], "galaxies": ["g.csv"]}).write(tmp_path / "c.csv")
    sample, _ = read_sample(os.fsencode(tmp_path / "c.csv"))
    assert sample.galaxies.lengths.tolist() == [1]
    assert len(read_galaxies(os.fsencode(tmp_path / "g.csv"))["v"]) == 1


def test_control_characters_of_a_table_reach_no_message_raw(tmp_path):
    wild = "\x1b[2Jred\nshift"
    with pytest.raises(ValueError, match="no column redshift") as refused:
        read_sample({wild: [0.1]})
    assert "\x1b" not in str(refused.value)
    catalog = {"z": [0.1], "name": [f"A{wild}"], "photons": [f"{wild}.fits"]}
    with pytest.raises(FileNotFoundError, match="photons of row 0") as refused:
        read_sample(catalog)
    assert "\x1b" not in str(refused.value).replace("\\x1b", "")
    photons = {"ra": [1.0], "dec": [1.0], "energy": [1.0], wild: [1.0]}
    sample = ClusterSample([0.1], photons=[photons])
    assert "\x1b" not in repr(sample) + sample._repr_html_()
    (tmp_path / "c.csv").write_text("\x1b]0;a\x07,b\n1,2\n")
    with pytest.raises(ValueError, match=r"cannot be read as|no column") as refused:
        read_sample(tmp_path / "c.csv")
    assert "\x1b" not in str(refused.value)


def test_a_group_and_an_exposure_survive_a_file(tmp_path, assert_same):
    for group in ([7, 7, 9], ["a", "a", "b c"], np.array([250, 250, 1], "u1")):
        sample = ClusterSample(
            [0.1, 0.2, 0.3], group=group, exposure=[1e3, 2e3, 3e5], name=list("xyz")
        )
        path = write_sample(tmp_path / str(group[0]), sample)
        again, others = read_sample(path)
        assert_same(again, sample)
        assert_array_equal(again.group, group)
        assert len(others) == 0


@pytest.mark.parametrize("label", ["", " a", "a "])
def test_a_group_that_a_table_would_not_keep_is_not_written(label, tmp_path):
    sample = ClusterSample([0.1, 0.2], group=["a", label])
    match = rf"group has labels that are empty or .* for 1 of 2 .*cluster 1, '{label}'"
    with pytest.raises(ValueError, match=match):
        write_sample(tmp_path / "out", sample)
    assert [*tmp_path.iterdir()] == []


def test_sky_coordinates_and_times_in_a_table_are_read(tmp_path):
    from astropy.coordinates import SkyCoord
    from astropy.time import Time

    sky = SkyCoord([1.0, 2.0], [3.0, 4.0], unit="deg")
    table = QTable({"z": Z, "at": sky, "seen": Time([51544.0, 52000.0], format="mjd")})
    table.write(tmp_path / "clusters.ecsv")
    for source in (table, tmp_path / "clusters.ecsv"):
        sample, others = read_sample(source)
        assert_allclose(sample.center, [[1, 3], [2, 4]])
        assert others.seen[0] == "2000-01-01T00:00:00.000"
    table["RA"], table["DEC"] = [5.0, 6.0], [7.0, 8.0]
    assert_array_equal(read_sample(table)[0].center, [[5, 7], [6, 8]])
    members = QTable({"x": Z, "y": Z, "v": [1.0, 2.0] * units.km / units.s, "at": sky})
    assert_array_equal(read_galaxies(members)["v"], [1, 2])
    assert ClusterSample([0.1], galaxies=[members]).galaxies.lengths == [2]


def test_exposures_are_seconds_of_any_unit():
    table = Table({"redshift": Z, "exposure": MaskedColumn([2.0, 30.0], unit="ks")})
    assert_array_equal(read_sample(table)[0].exposure, [2e3, 3e4])
    assert_array_equal(ClusterSample.from_table(table).exposure, [2e3, 3e4])
    table["exposure"].unit = None
    with pytest.raises(ValueError, match=r"exposure .* look like ks. Multiply .* 1000"):
        read_sample(table)
    for wrong in ([0.0, 1e3], [-99.0, 1e3], [np.nan, 1e3]):
        with pytest.raises(ValueError, match="1 of 2 values of exposure"):
            ClusterSample(Z, exposure=wrong)


def parquet_of(path, **columns):
    pa = pytest.importorskip("pyarrow")
    table = pa.table(columns)
    pytest.importorskip("pyarrow.parquet").write_table(table, path)


def test_a_small_parquet_file_of_many_numbers_is_refused(tmp_path):
    path = tmp_path / "clusters.parquet"
    parquet_of(path, z=np.full(24_000_000, 0.1, "f4"), n=np.ones(24_000_000, "i8"))
    assert path.stat().st_size < 2**20
    with pytest.raises(
        ValueError, match=r"parquet has .* of memory; 256 MiB are allowed"
    ):
        read_sample(path)


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_one_long_string_among_many_short_ones_is_refused(suffix, tmp_path):
    path = tmp_path / f"clusters.{suffix}"
    names = ["x" * 100_000, *["a"] * 9_999]
    if suffix == "csv":
        path.write_text("name,z\n" + "".join(f"{name},0.1\n" for name in names))
    else:
        parquet_of(path, name=names, z=np.full(10_000, 0.1))
    with pytest.raises(
        ValueError, match=r"of memory; 256 MiB are allowed.*unpack_limit"
    ):
        read_sample(path)


def test_the_limit_of_a_table_can_be_raised_and_lowered(tmp_path):
    for suffix in ("csv", "csv.gz", "ecsv", "vot.gz", "parquet"):
        path = tmp_path / f"clusters.{suffix}"
        if suffix == "parquet":
            parquet_of(path, z=np.full(1000, 0.1))
        elif suffix == "vot.gz":
            from_table(Table({"z": np.full(1000, 0.1)})).to_xml(str(tmp_path / "a.vot"))
            path.write_bytes(gzip.compress((tmp_path / "a.vot").read_bytes()))
        else:
            kind = "ascii.ecsv" if suffix == "ecsv" else "ascii.csv"
            Table({"z": np.full(1000, 0.1)}).write(tmp_path / suffix, format=kind)
            content = (tmp_path / suffix).read_bytes()
            path.write_bytes(gzip.compress(content) if suffix == "csv.gz" else content)
        with unpack_limit(2000), pytest.raises(ValueError, match=r"memory; 1\.953 KiB"):
            read_sample(path)
        with unpack_limit(10**6):
            assert len(read_sample(path)[0]) == 1000


def test_gaps_in_a_dictionary_of_arrow_are_gaps():
    pa = pytest.importorskip("pyarrow")
    words = pa.array([None, "me", "you", None]).dictionary_encode()
    _, others = read_sample(pa.table({"z": [0.1, 0.2, 0.3, 0.4], "who": words}))
    assert others.who.tolist() == ["", "me", "you", ""]
    table = pa.table({"redshift": [0.1, 0.2, 0.3, 0.4], "name": words})
    names = ClusterSample.from_table(table).name
    assert names.tolist() == ["", "me", "you", ""]


def test_gaps_and_units_of_parquet_files_are_kept(tmp_path):
    pytest.importorskip("pyarrow")
    frame = pd.DataFrame({"z": Z, "who": [None, "me"], "c": pd.Categorical(["a", "b"])})
    frame["n"] = pd.array([1, None], dtype="Int64")
    frame.to_parquet(tmp_path / "a.parquet")
    _, others = read_sample(tmp_path / "a.parquet")
    assert others.who.tolist() == ["", "me"]
    assert others.c.tolist() == ["a", "b"]
    assert_array_equal(others.n, [1, np.nan], strict=True)
    table = Table({"z": Z, "ra": [1.0, 2.0] * units.rad, "dec": [0.1, 0.2] * units.rad})
    table.write(tmp_path / "b.parquet")
    center = read_sample(tmp_path / "b.parquet")[0].center
    assert_allclose(center, np.degrees([[1, 0.1], [2, 0.2]]))


def test_a_votable_of_long_empty_arrays_is_refused(tmp_path):
    path = tmp_path / "clusters.vot"
    from_table(Table({"z": Z, "name": ["a", "b"]})).to_xml(str(path))
    content = path.read_text().replace('arraysize="1"', 'arraysize="100000"')
    assert "100000" in content
    rows = "<TR><TD>0.1</TD><TD></TD></TR>" * 10_000
    path.write_text(content.replace("<TABLEDATA>", "<TABLEDATA>" + rows))
    with pytest.raises(ValueError, match="of memory; 256 MiB are allowed"):
        read_sample(path)


def test_a_table_needs_no_other_package_to_be_read():
    code = "import sys; sys.modules.update(pandas=None, polars=None, pyarrow=None)\n"
    code += "from skcluster.io import read_sample; print(read_sample({'z': [0.1]})[0])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "of 1 cluster" in done.stdout, done.stderr


IDS = [1237648722292801662, 1237648722292801663, None]


def id_tables(folder):
    """Return tables with a gap in a column of long integers, by who made them."""
    z = [0.1, 0.2, 0.3]
    gaps = [each is None for each in IDS]
    masked = np.ma.array([each or 1 for each in IDS], mask=gaps)
    frame = pd.DataFrame({"redshift": z, "id": pd.array(IDS, dtype="Int64")})
    tables = {"astropy": Table({"redshift": z, "id": masked}), "pandas": frame}
    text = "\n".join(
        f"{a},{'' if b is None else b}" for a, b in zip(z, IDS, strict=True)
    )
    tables["csv"] = folder / "t.csv"
    tables["csv"].write_text(f"redshift,id\n{text}\n")
    if find_spec("pyarrow"):
        import pyarrow

        tables["pyarrow"] = pyarrow.table({"redshift": z, "id": IDS})
        tables["parquet"] = folder / "t.parquet"
        frame.to_parquet(tables["parquet"])
    if find_spec("polars"):
        import polars

        tables["polars"] = polars.DataFrame({"redshift": z, "id": IDS})
    return tables


def test_long_ids_beside_a_gap_stay_distinct(tmp_path):
    expected = ["" if each is None else str(each) for each in IDS]
    for who, table in id_tables(tmp_path).items():
        assert read_sample(table)[1].id.tolist() == expected, who
        sample, _ = read_sample(table, columns={"name": "id"})
        assert sample.name.tolist() == expected, who


def test_short_integers_beside_a_gap_are_numbers_and_no_fractions_as_names():
    short = np.ma.array([7, 12], mask=[False, True])
    table = Table({"redshift": [0.1, 0.2], "id": short, "name": short})
    sample, others = read_sample(table)
    assert_array_equal(others.id, [7.0, np.nan])
    assert sample.name.tolist() == ["7", ""]


def test_a_null_is_a_gap_also_where_the_column_is_scaled(tmp_path):
    numbers = np.array([100, 200, -1, -1000], np.int16)
    columns = [fits.Column("REDSHIFT", "D", array=[0.1, 0.2, 0.3, 0.4])]
    columns += [fits.Column(name, "I", array=numbers) for name in ("A", "B")]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.header["TSCAL2"], hdu.header["TNULL2"], hdu.header["TNULL3"] = 0.001, -1, -1
    hdu.writeto(tmp_path / "t.fits")
    _, others = read_sample(tmp_path / "t.fits")
    assert_array_equal(others.A, [0.1, 0.2, np.nan, -1.0])
    assert_array_equal(others.B, [100, 200, np.nan, -1000])
    with pytest.raises(ValueError, match=r"'A' has no value in 1 of 4 .* row 2"):
        read_sample(tmp_path / "t.fits", columns={"redshift": "A"})


def test_columns_of_one_name_are_refused_whatever_the_table(tmp_path):
    columns = [fits.Column(name, "D", array=[0.1]) for name in ("Z", "Q")]
    hdu = fits.BinTableHDU.from_columns(columns)
    hdu.writeto(tmp_path / "t.fits")
    fits.setval(tmp_path / "t.fits", "TTYPE2", value="Z", ext=1)
    twice = pd.DataFrame([[0.1, 0.2]], columns=["redshift", "redshift"])
    for source, name in ((tmp_path / "t.fits", "Z"), (twice, "redshift")):
        with pytest.raises(
            ValueError, match=f"has 2 columns with the name {name}\\. R"
        ):
            read_sample(source)
    with pytest.raises(ValueError, match="has 2 columns with the name redshift"):
        ClusterSample.from_table(twice)


def test_columns_of_a_sample_that_differ_in_case_alone_are_refused():
    match = r"Redshift, REDSHIFT differ only in case\. Rename all but one, or"
    with pytest.raises(ValueError, match=match):
        ClusterSample.from_table({"Redshift": [0.1], "REDSHIFT": [0.5]})
    both = {"REDSHIFT": [0.5], "redshift": [0.1], "Other": [1], "OTHER": [2]}
    assert ClusterSample.from_table(both).redshift == [0.1]
