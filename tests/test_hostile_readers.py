"""Files that are broken, cut, swollen or crafted: an error that names them, at once."""

import gzip
import os
import tracemalloc

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster.io import read_galaxies, read_photons, read_sample, write_photons

PHOTONS = {
    "ra": np.array([140.0, 140.1, 359.9]),
    "dec": np.array([3.0, -3.1, 89.9]),
    "energy": np.array([0.5, 1.25, 4.0], np.float32),
}


@pytest.fixture
def events(tmp_path):
    """A photon list of three photons, in the second HDU."""
    path = tmp_path / "events.fits"
    write_photons(path, PHOTONS, name="A1")
    return path


def with_card(path, keyword, value):
    """The file with its last card of that keyword, or that of EXTNAME, replaced."""
    content = path.read_bytes()
    start = content.rfind(f"{keyword:8}=".encode())
    if start < 0:
        start = content.rfind(b"EXTNAME =")
    card = f"{keyword:8}= {value:>20}".encode("latin1").ljust(80)
    path.write_bytes(content[:start] + card + content[start + 80 :])
    return path


TERA = "1000000000000"
SIZES = [
    *[(keyword, TERA) for keyword in ("NAXIS", "NAXIS1", "NAXIS2", "TFIELDS")],
    *[(keyword, TERA) for keyword in ("PCOUNT", "GCOUNT", "THEAP")],
    *[(keyword, "-1") for keyword in ("NAXIS", "NAXIS1", "NAXIS2", "PCOUNT")],
    ("GCOUNT", "-64"),
    ("NAXIS", "1"),
    ("NAXIS3", "1"),
    ("NAXIS2", "200"),
    ("NAXIS2", "3.0"),
    ("NAXIS2", "'3'"),
    ("BITPIX", "7"),
    ("TFIELDS", "1000"),
    ("END", "3"),
]


@pytest.mark.parametrize(("keyword", "value"), SIZES)
@pytest.mark.parametrize("is_gzip", [False, True])
def test_sizes_that_the_file_does_not_have_are_refused(events, keyword, value, is_gzip):
    with_card(events, keyword, value)
    if is_gzip:
        events.write_bytes(gzip.compress(events.read_bytes()))
    tracemalloc.start()
    with pytest.raises(OSError, match=r"events\.fits cannot be read as FITS \((.*)\)"):
        read_photons(events)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2e6


def test_a_size_that_stands_twice_is_refused(events):
    # astropy takes the first of two, or the last, depending on how it reads the header.
    with_card(events, "EXTNAME", "3").write_bytes(
        events.read_bytes().replace(b"EXTNAME =", b"NAXIS2  =")
    )
    with pytest.raises(OSError, match="the card 'NAXIS2 = 3' is not a size"):
        read_photons(events)


@pytest.mark.parametrize("tail", [b"\0" * 5000, b"\0" * 2880])
def test_zeros_behind_the_last_table_are_no_harm(events, tail):
    events.write_bytes(events.read_bytes() + tail)
    assert_array_equal(read_photons(events)["ra"], PHOTONS["ra"])


def test_other_bytes_behind_the_last_table_are_refused(events):
    n_bytes = events.stat().st_size
    events.write_bytes(
        events.read_bytes() + b"SIMPLE  =                    T".ljust(2880)
    )
    with pytest.raises(OSError, match=f"there is no HDU at byte {n_bytes} of"):
        read_photons(events)


NONSENSE = [
    ("TFORM1", "'NONSENSE'"),
    ("TFORM1", "'99999999999D'"),
    ("TFORM1", "'QD(5)'"),
    ("TTYPE1", "5"),
    ("TSCAL1", "'a'"),
    ("TUNIT1", "\xe9"),
    ("TUNIT1", "=?"),
    ("EXTNAME", "'"),
]


@pytest.mark.parametrize(("keyword", "value"), NONSENSE)
def test_nonsense_in_a_header_is_reported_on_one_line(events, keyword, value):
    with pytest.raises(
        OSError, match=r"events\.fits cannot be read as FITS \(.+\)\. It"
    ):
        read_photons(with_card(events, keyword, value))


@pytest.mark.parametrize(("unit", "declination"), [("deg", 90.001), ("rad", -1.5709)])
def test_a_declination_beyond_the_pole_is_refused(tmp_path, unit, declination):
    table = Table({"RA": [1.0, 1.0], "DEC": [1.0, declination], "ENERGY": [1.0, 1.0]})
    table["RA"].unit = table["DEC"].unit = unit
    path = tmp_path / "events.fits"
    table.write(path)
    message = (
        rf"1 of 2 photons in {path} have a DEC beyond 90 deg \(first: row 1, -?90.00"
    )
    with pytest.raises(ValueError, match=message):
        read_photons(path)


@pytest.mark.parametrize("form", ["8A", "8L", "M", "64X", "2E", "QB"])
def test_an_energy_that_is_no_number_is_refused(events, form):
    rows = np.zeros(3, dtype=[("RA", ">f8"), ("DEC", ">f8"), ("ENERGY", "S16")])
    fits.BinTableHDU(rows, name="EVENTS").writeto(events, overwrite=True)
    with_card(events, "TFORM3", f"'{form:8}'")
    with pytest.raises((OSError, ValueError), match=r"events\.fits"):
        read_photons(events)


def test_the_form_of_an_energy_that_is_text_is_named(events):
    rows = np.zeros(3, dtype=[("RA", ">f8"), ("DEC", ">f8"), ("ENERGY", "S4")])
    fits.BinTableHDU(rows, name="EVENTS").writeto(events, overwrite=True)
    match = (
        r"'ENERGY' of .*events\.fits does not hold numbers \(TFORM '4A'\). Name another"
    )
    with pytest.raises(ValueError, match=match):
        read_photons(events)


def test_a_null_is_found_behind_its_scale_and_zero(events):
    pixels = fits.Column("PI", "J", unit="eV", null=-99, array=[1, 2, -99])
    sky = [fits.Column(name, "D", array=PHOTONS[name]) for name in ("ra", "dec")]
    fits.BinTableHDU.from_columns([*sky, pixels], name="EVENTS").writeto(
        events, overwrite=True
    )
    with fits.open(events, mode="update") as hdus:
        hdus[1].header["TSCAL3"], hdus[1].header["TZERO3"] = 10.0, 1000.0
    with pytest.raises(
        ValueError, match=r"1 of 3 photons .* have no PI .*first: row 2"
    ):
        read_photons(events)
    with fits.open(events, mode="update") as hdus:
        del hdus[1].header["TNULL3"]
    assert_allclose(read_photons(events)["energy"], [1.01, 1.02, 0.01], rtol=1e-6)


def test_a_signalling_nan_is_a_gap(events):
    energy = np.array([0x3F800000, 0x7F800001, 0x3F800000], np.uint32)
    columns = [
        fits.Column("RA", "D", array=PHOTONS["ra"]),
        fits.Column("DEC", "D", array=PHOTONS["dec"]),
        fits.Column("ENERGY", "E", array=energy.view(np.float32)),
    ]
    fits.BinTableHDU.from_columns(columns).writeto(events, overwrite=True)
    message = r"1 of 3 photons .* no ENERGY .*first: row 1"
    with pytest.raises(ValueError, match=message):
        read_photons(events)


@pytest.mark.parametrize("name", ["RA", "ENERGY"])
def test_numbers_that_overflow_in_our_units_are_gaps(events, name):
    values = {n.upper(): np.array(PHOTONS[n], float) for n in PHOTONS}
    values[name][1] = 1e308
    columns = [
        fits.Column(n, "D", unit="rad" if n != "ENERGY" else "MeV", array=v * 1e-3)
        for n, v in values.items()
    ]
    columns[0].array[1] *= 1e3
    fits.BinTableHDU.from_columns(columns, name="EVENTS").writeto(
        events, overwrite=True
    )
    with pytest.raises(
        ValueError, match=rf"1 of 3 photons .* no {name} .*first: row 1"
    ):
        read_photons(events)


PROJECTIONS = [
    {"TCTYP1": "RA---XYZ"},
    {"TCTYP1": "RA---SIN"},
    {"TCDLT1": 0.0},
    {"TCRVL1": "here"},
    {"TCRPX1": "1 2"},
]


@pytest.mark.parametrize("changed", PROJECTIONS)
def test_sky_pixels_of_a_senseless_projection_name_the_file(events, changed):
    pixels = [
        fits.Column(name, "D", array=[1.0, 2.0, 3.0]) for name in ("X", "Y", "PI")
    ]
    hdu = fits.BinTableHDU.from_columns(pixels, name="EVENTS")
    for i, ctype in ((1, "RA---TAN"), (2, "DEC--TAN")):
        hdu.header[f"TCTYP{i}"], hdu.header[f"TCRVL{i}"] = ctype, 10.0
        hdu.header[f"TCRPX{i}"], hdu.header[f"TCDLT{i}"] = 1.0, 0.1
    hdu.header.update(changed)
    hdu.writeto(events, overwrite=True)
    with pytest.raises(OSError, match=r"events\.fits cannot be read as FITS \("):
        read_photons(events, energy_unit=1.0)


def test_sky_pixels_beyond_the_projection_are_named(events):
    pixels = [fits.Column(n, "D", array=[1.0, 1e3, 1.0]) for n in ("X", "Y", "PI")]
    hdu = fits.BinTableHDU.from_columns(pixels, name="EVENTS")
    for i, ctype in ((1, "RA---SIN"), (2, "DEC--SIN")):
        hdu.header[f"TCTYP{i}"], hdu.header[f"TCRVL{i}"] = ctype, 10.0
        hdu.header[f"TCRPX{i}"], hdu.header[f"TCDLT{i}"] = 1.0, 0.1
    hdu.writeto(events, overwrite=True)
    with pytest.raises(
        ValueError, match=r"1 of 3 photons .* no place on the sky at their X"
    ):
        read_photons(events, energy_unit=1.0)


CATALOG = {"name": ["a", "b"], "redshift": [0.1, 0.2], "ra": [1.0, 2.0], "dec": [0, 1]}
GALAXIES = {"ra": [10.0, 10.1], "dec": [0.0, 0.1], "z": [0.1, 0.101]}


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "fits.gz", "parquet"])
def test_an_error_about_a_table_names_its_file(tmp_path, suffix):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path, catalog = tmp_path / f"clusters.{suffix}", Table(CATALOG)
    catalog["redshift"][1] = -0.2
    catalog.write(path)
    match = rf"clusters\.{suffix} cannot be used\. 1 of 2 redshifts .*cluster 1"
    with pytest.raises(ValueError, match=match):
        read_sample(path)
    del catalog["redshift"]
    catalog.write(path, overwrite=True)
    with pytest.raises(
        ValueError, match=rf"\.{suffix} cannot be used\. The table has no"
    ):
        read_sample(path)
    with pytest.raises(ValueError, match=rf"\.{suffix} cannot be used\. Galaxies need"):
        read_galaxies(path)


@pytest.mark.parametrize(
    ("value", "shown"), [("O.2", "'O.2'"), ("inf", "'inf'"), (np.inf, "'inf'")]
)
def test_a_cell_that_is_no_number_is_shown(value, shown):
    catalog = CATALOG | {"ra": [1.0, value]}
    match = (
        rf"'ra' does not hold finite numbers in 1 of 2 rows \(first: row 1, {shown}\)"
    )
    with pytest.raises(ValueError, match=match):
        read_sample(catalog)
    with pytest.raises(ValueError, match=match):
        read_galaxies(GALAXIES | catalog, center=(0.0, 0.0), redshift=0.1)


@pytest.mark.parametrize(
    "values", [[True, False], [1j, 2j], [None, 0.1], ["2024-01-01"] * 2, [b"x", b"y"]]
)
def test_a_column_of_another_type_is_no_redshift(values):
    if values[0] == "2024-01-01":
        values = np.array(values, "M8[D]")
    match = r"'redshift' (does not hold finite numbers|has no value)"
    with pytest.raises(ValueError, match=match):
        read_sample({"redshift": values})


def test_numbers_among_objects_are_taken():
    sample, others = read_sample({"z": np.array(["0.1", 0.2], object), "n": [None, 2]})
    assert_array_equal(sample.redshift, [0.1, 0.2])
    assert_array_equal(others.n, ["", "2"])


@pytest.mark.parametrize("dtype", ["Float64", "object", "float64[pyarrow]"])
def test_the_missing_value_of_pandas_is_a_gap(dtype):
    if "pyarrow" in dtype:
        pytest.importorskip("pyarrow")
    gap = pd.Series([0.1, None], dtype=dtype)
    for table in (pd.DataFrame({"z": gap}), {"z": [0.1, pd.NA]}):
        with pytest.raises(
            ValueError, match=r"'z' has no value in 1 of 2 rows .*row 1"
        ):
            read_sample(table)
    _, others = read_sample(pd.DataFrame({"z": [0.1, 0.2], "x": gap}))
    assert others.x[1] == "" if others.x.dtype.kind == "U" else np.isnan(others.x[1])


@pytest.mark.parametrize(("unit", "name"), [("kg", "ra"), ("keV", "field_radius")])
def test_a_unit_of_another_kind_is_refused(unit, name):
    table = Table(CATALOG | {"field_radius": [0.5, 0.5]})
    table[name].unit = unit
    match = f"'{name}' has the unit '{unit}', which cannot be converted to deg"
    with pytest.raises(ValueError, match=match):
        read_sample(table)


def test_columns_that_make_no_table_are_refused():
    with pytest.raises(
        ValueError, match=r"columns z, ra cannot be made into a table \(.*one length"
    ):
        read_sample({"z": [0.1, 0.2], "ra": [1.0]})
    with pytest.raises(ValueError, match=r"columns z cannot be made into a table \("):
        read_sample({"z": 0.1})
    with pytest.raises(
        ValueError, match=r"'z' must hold one value per row, .* \(2, 2\)"
    ):
        read_sample({"z": [[0.1, 0.1], [0.2, 0.2]]})
    with pytest.raises(TypeError, match=r"must be strings, got 0 \(int\)"):
        read_sample(pd.DataFrame([[0.1, 0.2]]))


def test_a_column_may_have_any_name():
    _, others = read_sample({"z": [0.1], "self": [1], "keys": [2]})
    assert [others[name][0] for name in ("self", "keys")] == [1, 2]


@pytest.mark.parametrize("changed", [{"dec": [0.0, 91.0]}, {"ra": [10.0, 101.0]}])
def test_galaxies_far_from_the_center_are_not_nan(changed):
    match = (
        r"1 of 2 galaxies are not within 90 degrees .*\(10.0, 0.0\).*first: row 1, ra"
    )
    with pytest.raises(ValueError, match=match):
        read_galaxies(GALAXIES | changed, center=(10.0, 0.0), redshift=0.1)


def test_velocities_in_place_of_redshifts_of_galaxies_are_refused():
    for z, unit in ([0.1, 1e305], None), ([29979.2, 30500.0], "cz in km/s"):
        match = "values of column 'z' are outside of -0.1 to 30 .*" + (unit or "1e.305")
        with pytest.raises(ValueError, match=match):
            read_galaxies(GALAXIES | {"z": z}, center=(10.0, 0.0), redshift=0.1)
    # Far from the cluster, a placeholder does no harm.
    far = GALAXIES | {"ra": [10.0, 50.0], "z": [0.1, -99.0]}
    near = read_galaxies(far, center=(10.0, 0.0), redshift=0.1, radius_max=10.0)
    assert len(near["v"]) == 1


def test_a_table_of_excel_has_a_mark_before_its_first_name(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_bytes(b"\xef\xbb\xbfz\r\n0.1\r\n")
    assert_array_equal(read_sample(path)[0].redshift, [0.1])


BROKEN = {
    "latin.ecsv": "# %ECSV 1.0\n# ---\nname z\nPers\xe9e 0.1\n".encode("latin1"),
    "empty.csv": b"",
    "empty.ecsv": b"",
    "zeros.fits": bytes(5760),
    "none.parquet": b"PAR1",
    "cut.csv.gz": gzip.compress(b"z\n" + b"0.1234\n" * 999)[:-20],
    "deep.ecsv": b"# %ECSV 1.0\n# ---\n# meta: " + b"[" * 1000 + b"\nz\n0.1\n",
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_table_that_cannot_be_read_is_named(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(BROKEN[name])
    for read in (read_sample, read_galaxies):
        with pytest.raises(
            OSError, match=rf"{name} cannot be read as .* \(.+\)\. It may"
        ):
            read(path)


CODE = [
    "# meta: !!python/object/apply:os.mkdir [{}]",
    "# meta: !!python/object/new:os.mkdir {{args: [{}]}}",
    "# meta: {{__serialized_columns__: {{z: {{__class__: os.mkdir, name: {}}}}}}}",
]


@pytest.mark.parametrize("code", CODE)
def test_code_in_a_table_is_not_run(tmp_path, code):
    path, trap = tmp_path / "clusters.ecsv", tmp_path / "trap"
    header = ["# %ECSV 1.0", "# ---", "# datatype:", "# - {name: z, datatype: float64}"]
    path.write_text("\n".join([*header, code.format(trap), "z", "0.1"]))
    with pytest.raises(OSError, match=r"clusters\.ecsv cannot be read as \.ecsv"):
        read_sample(path)
    assert not trap.exists()


@pytest.mark.parametrize("name", ["", ".", "..", "/", "/dev/zero", "a\0b", "x" * 999])
@pytest.mark.parametrize("field", ["photons", "galaxies"])
def test_a_path_to_no_file_is_named_with_its_row(tmp_path, field, name):
    catalog = CATALOG | {field: [name, name]}
    if name == "":
        if field == "photons":
            with pytest.raises(ValueError, match="'photons' has no value in 2 of 2"):
                read_sample(catalog)
        return
    with pytest.raises(
        OSError, match=rf"{field} of row 0 \(cluster a\) cannot be read"
    ):
        read_sample(catalog, directory=tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "events.fits")
    os.mkfifo(tmp_path / "clusters.csv")
    with pytest.raises(FileNotFoundError, match=r"There is no file .*events\.fits"):
        read_photons(tmp_path / "events.fits")
    with pytest.raises(FileNotFoundError, match=r"There is no table .*clusters\.csv"):
        read_sample(tmp_path / "clusters.csv")
