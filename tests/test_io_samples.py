"""Tables of clusters with their lists, and the way back."""

import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.table import Table
from mission_files import DEC, KEV, RA, write_chandra, write_esass
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample
from skcluster.io import read_galaxies, read_sample, write_photons, write_sample

CATALOG = {
    "name": ["0012", "0013", "0014"],
    "redshift": [0.1, 0.2, 0.15],
    "ra": [140.0, 140.1, 140.2],
    "dec": [3.0, 3.1, 3.2],
    "photons": ["one.fits", "two.fits", "one.fits"],
    "log_mass": [14.0, 14.25, 14.5],
    "n_members": [3, 4, 5],
}


@pytest.fixture
def lists(tmp_path):
    write_esass(tmp_path / "one.fits")
    write_chandra(tmp_path / "two.fits")
    return tmp_path


def assert_is_the_catalog(sample, others):
    assert_array_equal(sample.name, CATALOG["name"])
    assert_array_equal(sample.redshift, CATALOG["redshift"])
    assert_array_equal(sample.center, np.transpose([CATALOG["ra"], CATALOG["dec"]]))
    assert_array_equal(sample.photons.lengths, [3, 3, 3])
    assert_allclose(sample.photons["ra"], np.tile(RA, 3), atol=1e-6)
    assert list(others) == ["log_mass", "n_members"]
    assert_array_equal(others.log_mass, np.array(CATALOG["log_mass"]), strict=True)
    assert_array_equal(others.n_members, np.array(CATALOG["n_members"]), strict=True)


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_a_sample_is_read_from_a_table_beside_its_lists(suffix, lists):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    Table(CATALOG).write(lists / f"clusters.{suffix}")
    assert_is_the_catalog(*read_sample(lists / f"clusters.{suffix}"))


@pytest.mark.parametrize(
    "make", [dict, Table, pd.DataFrame, lambda t: Table(t).as_array()]
)
def test_a_sample_is_read_from_a_table_in_memory(make, lists):
    assert_is_the_catalog(*read_sample(make(CATALOG), directory=lists))


def test_columns_of_a_catalog_are_found_in_any_case(lists):
    upper = {name.upper(): column for name, column in CATALOG.items()}
    upper["log_mass"], upper["n_members"] = (
        upper.pop("LOG_MASS"),
        upper.pop("N_MEMBERS"),
    )
    Table(upper).write(lists / "clusters.csv")
    assert_is_the_catalog(*read_sample(lists / "clusters.csv"))


def test_a_file_of_several_rows_is_opened_once(lists, monkeypatch):
    opened, fits_open = [], fits.open
    monkeypatch.setattr(
        fits, "open", lambda f, **kw: opened.append(Path(f.name)) or fits_open(f, **kw)
    )
    read_sample(CATALOG, directory=lists)
    assert opened == [lists / "one.fits", lists / "two.fits"]


def test_z_is_the_redshift_unless_it_may_be_a_place():
    sample, others = read_sample({"z": [0.1, 0.2], "T": [3.0, 4.0]})
    assert_array_equal(sample.redshift, [0.1, 0.2])
    assert list(others) == ["T"]
    box = {"x": [1.0], "y": [2.0], "z": [3.0]}
    with pytest.raises(ValueError, match="may be a redshift or a place in a box"):
        read_sample(box)
    sample, others = read_sample({"redshift": [0.1], **box})
    assert_array_equal(sample.position, [[1.0, 2.0, 3.0]])
    assert len(others) == 0


def test_half_a_position_is_only_a_column():
    catalog = {"redshift": [0.1], "ra": [1.0], "x": [2.0], "z": [0.1]}
    sample, others = read_sample(catalog)
    assert sample.fields == ("redshift",)
    assert list(others) == ["ra", "x", "z"]


def test_all_fields_of_a_table_arrive_in_the_sample():
    catalog = Table({"redshift": [0.1], "r500c": [0.7], "field_radius": [30.0]})
    catalog["field_radius"].unit = "arcmin"
    sample, _ = read_sample(catalog)
    assert_allclose([sample.r500c[0], sample.field_radius[0]], [0.7, 0.5])


def test_redshifts_of_galaxies_are_not_magnitudes():
    rng = np.random.default_rng(0)
    sky = {"ra": rng.normal(10, 0.05, 9), "dec": rng.normal(0, 0.05, 9)}
    about = {"center": (10.0, 0.0), "redshift": 0.1}
    z = rng.normal(0.1, 0.003, 9)
    magnitude = rng.normal(17.5, 0.5, 9)
    with pytest.raises(
        ValueError, match=r"'z' has a median of 17\.\d+, .* a magnitude"
    ):
        read_galaxies(sky | {"z": magnitude}, **about)
    with pytest.raises(ValueError, match=r"'z' and 'zspec' may both .* in 9 of 9 rows"):
        read_galaxies(sky | {"z": magnitude, "zspec": z}, **about)
    gaps = np.where(np.arange(9) < 3, np.nan, z + 1e-4)
    both = read_galaxies(sky | {"z": z, "zspec": gaps}, **about)
    assert_allclose(both["v"], 299792.458 * (z - 0.1) / 1.1)
    one = read_galaxies(sky | {"zspec": z, "mag_z": magnitude}, **about)
    assert_allclose(one["v"], both["v"])


def test_pixels_and_magnitudes_are_not_offsets_and_velocities():
    rng = np.random.default_rng(0)
    about = {"center": (10.0, 0.0), "redshift": 0.1}
    sky = {"RA": rng.normal(10, 0.2, 60), "DEC": rng.normal(0, 0.2, 60)}
    sky["Z"] = rng.normal(0.1, 0.002, 60)
    pixels = {"X": rng.normal(0, 6, 60), "Y": rng.normal(0, 6, 60)}
    match = (
        r"columns X, Y, V are not .* from RA, DEC, Z: they differ in \d+ of 60 rows "
    )
    with pytest.raises(ValueError, match=match + r"\(first: .*Rename"):
        read_galaxies(sky | pixels | {"V": rng.uniform(16, 22, 60)}, **about)
    # What was placed before is read again, also in other cosmologies and about a mean.
    placed = read_galaxies(sky, **about)
    shifted = placed | {"v": placed["v"] - 700, "x": placed["x"] + 0.5}
    for table in (placed, shifted):
        for cosmology in ("WMAP7", "Planck18"):
            again = read_galaxies(table, **about, cosmology=cosmology)
            assert_array_equal(again["v"], table["v"])
    physical = {name: placed[name] / 1.1 / 0.7 for name in ("x", "y")}
    with pytest.raises(ValueError, match="x, y, v are not the x"):
        read_galaxies(placed | physical, **about)
    # Without a center, or with a z that is a magnitude, x, y, v are taken as they are.
    for table, options in (
        (placed | physical, {}),
        (placed | {"Z": placed["v"]}, about),
    ):
        assert_array_equal(read_galaxies(table, **options)["x"], table["x"])


def test_galaxies_of_a_sample_are_placed_about_each_cluster(tmp_path):
    Table({"ra": [10.0], "dec": [0.5], "z": [0.2]}).write(tmp_path / "g.csv")
    catalog = {"redshift": [0.1, 0.2], "ra": [10.0, 10.0], "dec": [0.0, 0.5]}
    sample, _ = read_sample(catalog | {"galaxies": ["g.csv"] * 2}, directory=tmp_path)
    distance = WMAP7.comoving_distance(0.1).value * WMAP7.h
    assert_allclose(sample.galaxies["y"], [distance * np.tan(np.radians(0.5)), 0])
    assert_allclose(sample.galaxies["v"], [299792.458 * 0.1 / 1.1, 0], atol=1e-9)


def test_columns_of_several_numbers_keep_their_gaps():
    profile = np.array([[1.0, np.nan], [3.0, 4.0]])
    _, others = read_sample({"z": [0.1, 0.2], "profile": profile})
    assert_array_equal(others.profile, profile)


def test_only_columns_of_all_lists_are_kept(lists):
    columns = {"ra": RA, "dec": DEC, "energy": KEV, "origin": [0, 1, 2]}
    write_photons(lists / "two.fits", columns, overwrite=True)
    for rows in ([0, 1], [1, 0]):
        with pytest.warns(UserWarning, match="1 of 2 lists lack the column origin"):
            sample, _ = read_sample(Table(CATALOG)[rows], directory=lists)
        assert list(sample.photons.columns) == ["ra", "dec", "energy"]
    sample, _ = read_sample(Table(CATALOG)[[1]], directory=lists)
    assert_array_equal(sample.photons["origin"], [0, 1, 2])


@pytest.mark.parametrize("name", ["redshift", "dec", "photons"])
@pytest.mark.parametrize("make", [Table, pd.DataFrame])
def test_a_gap_in_a_column_of_the_sample_is_an_error(make, name, lists):
    column = [None if i == 1 else value for i, value in enumerate(CATALOG[name])]
    frame = pd.DataFrame(CATALOG | {name: column})
    table = frame if make is pd.DataFrame else Table.from_pandas(frame)
    with pytest.raises(
        ValueError, match=f"'{name}' has no value in 1 of 3 rows .*row 1"
    ):
        read_sample(table, directory=lists)


def test_gaps_in_other_columns_are_nan_or_empty(tmp_path):
    path = tmp_path / "clusters.csv"
    path.write_text("# from a catalog\nz,L,n,who,name\n.1,,,,\n.2,3.5,4,me,b\n")
    sample, others = read_sample(path)
    assert_array_equal(others.L, [np.nan, 3.5])
    assert_array_equal(others.n, [np.nan, 4])
    assert_array_equal(others.who, ["", "me"])
    assert_array_equal(sample.name, ["", "b"])


@pytest.mark.parametrize(
    ("content", "kind", "reason"),
    [
        (None, FileNotFoundError, "There is no file"),
        (b"no FITS", OSError, "cannot be read as FITS"),
    ],
)
def test_a_broken_list_is_named_with_its_row_and_cluster(content, kind, reason, lists):
    (lists / "two.fits").unlink()
    if content is not None:
        (lists / "two.fits").write_bytes(content)
    match = rf"photons of row 1 \(cluster 0013\) .*two\.fits\. .*{reason}"
    with pytest.raises(kind, match=match):
        read_sample(CATALOG, directory=lists)


def test_a_broken_list_is_handed_over_and_the_others_are_read(lists):
    (lists / "two.fits").write_bytes(b"no FITS")
    errors = {}
    sample, others = read_sample(
        CATALOG, directory=lists, on_unreadable=errors.setdefault
    )
    assert [*errors] == [1]
    assert isinstance(errors[1], OSError)
    assert "photons of row 1 (cluster 0013) cannot be read from" in str(errors[1])
    assert_array_equal(sample.photons.lengths, [3, 0, 3])
    assert_array_equal(sample.name, CATALOG["name"])
    assert_allclose(sample.photons["ra"], np.tile(RA, 2), atol=1e-6)
    assert_array_equal(others.log_mass, CATALOG["log_mass"])


def test_a_broken_header_of_an_exposure_is_handed_over_too(lists):
    for name, livetime in (("one", 1200.0), ("two", "long")):
        fits.setval(lists / f"{name}.fits", "LIVETIME", value=livetime)
    errors = {}
    sample, _ = read_sample(
        CATALOG,
        directory=lists,
        exposure_keyword="LIVETIME",
        on_unreadable=errors.setdefault,
    )
    assert [*errors] == [1]
    assert "LIVETIME = 'long'" in str(errors[1])
    assert_array_equal(sample.exposure, [1200.0] * 3)


def test_a_sample_of_broken_lists_alone_is_an_error(lists):
    for name in ("one", "two"):
        (lists / f"{name}.fits").write_bytes(b"no FITS")
    with pytest.raises(OSError, match=r"photons of row 0 \(cluster 0012\)"):
        read_sample(CATALOG, directory=lists, on_unreadable=pytest.fail)


def test_a_list_of_the_wrong_content_is_named_with_its_row(lists):
    catalog = {"redshift": [0.1], "galaxies": ["g.csv"]}
    Table({"a": [1]}).write(lists / "g.csv")
    with pytest.raises(
        ValueError, match=r"galaxies of row 0 \(cluster without a name\)"
    ):
        read_sample(catalog, directory=lists)


def test_a_table_that_is_none_is_an_error(tmp_path):
    with pytest.raises(ValueError, match=r"no column redshift .* it has a, b"):
        read_sample({"a": [1], "b": [2]})
    (tmp_path / "clusters.txt").write_text("z\n1\n")
    with pytest.raises(ValueError, match=r"must end in \.csv, \.ecsv"):
        read_sample(tmp_path / "clusters.txt")
    (tmp_path / "clusters.fits").write_text("z\n1\n")
    with pytest.raises(OSError, match=r"clusters\.fits cannot be read as FITS"):
        read_sample(tmp_path / "clusters.fits")
    with pytest.raises(TypeError, match="A table must be a dict"):
        read_sample([0.1, 0.2])


def test_progress_is_shown_only_when_asked_for(lists, capsys, monkeypatch):
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 0.0)
    read_sample(CATALOG, directory=lists)
    assert capsys.readouterr() == ("", "")
    read_sample(CATALOG, directory=lists, verbose=1)
    first, last = capsys.readouterr().err.splitlines()
    assert first.startswith("read photons 1 / 2 (0:0")
    assert last.startswith("read photons 2 / 2 (0:0")


def random_sample(n_clusters=4, **fields):
    rng = np.random.default_rng(0)
    sizes = rng.integers(0, 9, n_clusters)
    sizes[0] = 5
    photons = [
        {
            "ra": rng.uniform(0, 360, n),
            "dec": rng.uniform(-90, 90, n),
            "energy": rng.uniform(0.1, 10, n).astype("f4"),
            "origin": rng.integers(0, 3, n).astype("i1"),
        }
        for n in sizes
    ]
    galaxies = [
        {name: rng.normal(size=n) for name in ("x", "y", "v", "Log_Mass")}
        for n in sizes
    ]
    values = {
        "photons": photons,
        "galaxies": galaxies,
        "center": rng.uniform(0, 90, (n_clusters, 2)),
        "position": rng.uniform(0, 352, (n_clusters, 3)),
        "r500c": rng.random(n_clusters),
        "field_radius": 0.5,
    }
    return ClusterSample(rng.uniform(0.05, 0.5, n_clusters), **values | fields)


NAMES = [
    ["a", "b", "c", "d"],
    ["halo 1/2", "halo 1:2", "../x", "007"],
    ["A", "a", "00000_A", ""],
    None,
]


@pytest.mark.parametrize("names", NAMES)
def test_a_written_sample_is_read_back_exactly(names, tmp_path):
    sample = random_sample(name=names)
    log_mass = np.random.default_rng(1).normal(14, 0.3, len(sample))
    path = write_sample(tmp_path / "out", sample, log_mass=log_mass, snap=[1, 2, 3, 4])
    again, others = read_sample(path)
    assert again.fields == sample.fields
    for field in set(sample.fields) - {"photons", "galaxies"}:
        assert_array_equal(getattr(again, field), getattr(sample, field), strict=True)
    for field in ("photons", "galaxies"):
        ragged, expected = getattr(again, field), getattr(sample, field)
        assert_array_equal(ragged.offsets, expected.offsets)
        assert list(ragged.columns) == list(expected.columns)
        for name, column in expected.columns.items():
            assert_array_equal(ragged[name], column, strict=True)
    assert_array_equal(others.log_mass, log_mass, strict=True)
    assert_array_equal(others.snap, [1, 2, 3, 4])
    assert {p.parent.name for p in tmp_path.rglob("*.*")} == {
        "out",
        "photons",
        "galaxies",
    }


def test_a_written_sample_can_be_moved_and_needs_no_lists(tmp_path):
    write_sample(tmp_path / "here", random_sample())
    (tmp_path / "here").rename(tmp_path / "there")
    again, _ = read_sample(tmp_path / "there" / "clusters.ecsv")
    assert len(again) == 4
    path = write_sample(tmp_path / "bare", ClusterSample([0.1, 0.2]))
    assert read_sample(path)[0].fields == ("redshift",)


def test_a_sample_is_not_written_over_unless_told(tmp_path):
    write_sample(tmp_path, random_sample())
    with pytest.raises(
        FileExistsError, match=r"already a .*clusters.ecsv. Give overwr"
    ):
        write_sample(tmp_path, random_sample())
    path = write_sample(tmp_path, random_sample()[:2], overwrite=True)
    assert len(read_sample(path)[0]) == 2


def test_columns_that_do_not_fit_the_sample_are_an_error(tmp_path):
    with pytest.raises(ValueError, match="'RA' would be read as a part of the sample"):
        write_sample(tmp_path, random_sample(), RA=[1, 2, 3, 4])
    with pytest.raises(ValueError, match="'log_mass' has 2 values for 4 clusters"):
        write_sample(tmp_path, random_sample(), log_mass=[14.0, 14.1])
    assert list(tmp_path.iterdir()) == []


def test_parquet_without_pyarrow_is_told_how_to_get_it(tmp_path, monkeypatch):
    (tmp_path / "clusters.parquet").write_bytes(b"PAR1")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    message = r'clusters.parquet is read with pyarrow.*pip install "skcluster\[io\]"'
    with pytest.raises(ImportError, match=message):
        read_sample(tmp_path / "clusters.parquet")


def test_the_efeds_catalog_and_its_photons_make_a_sample(data_folder):
    efeds = data_folder / "efeds" / "efeds_example_events.fits"
    table = Table.read(efeds.parent / "bahar2022_rows.csv", comment="#")
    table["name"], table["photons"] = table["id"], efeds.name
    with pytest.warns(UserWarning, match=r"aperture of 6 of 11 clusters .*3\.46 deg"):
        sample, others = read_sample(table, directory=efeds.parent)
    events = fits.getdata(efeds, 1)
    sky = SkyCoord(events["RA"], events["DEC"], unit="deg")
    center = SkyCoord(table["ra"], table["dec"], unit="deg")
    distance = (WMAP7.comoving_distance(table["z"]) * WMAP7.h).value
    expected = [
        np.sum(sky.separation(one).radian <= np.arctan(4 / d))
        for one, d in zip(center, distance, strict=True)
    ]
    assert_array_equal(sample.photons.lengths, expected)
    assert expected[0] > 5000
    assert_allclose(sample.redshift[0], 0.333)
    assert np.isnan(others.Lbol500).sum() == 1


def test_lists_of_a_sample_say_whose_they_are(tmp_path):
    photons = {"ra": [10.0], "dec": [2.0], "energy": [1.0]}
    sample = ClusterSample(
        [0.1, 0.2],
        center=[[10.0, 2.0], [20.0, 3.0]],
        name=["a", "b"],
        photons=[photons] * 2,
    )
    write_sample(tmp_path / "new", sample)
    header = fits.getheader(tmp_path / "new/photons/b.fits", 1)
    assert [header[k] for k in ("OBJECT", "RA_OBJ", "DEC_OBJ", "REDSHIFT")] == [
        "b",
        20.0,
        3.0,
        0.2,
    ]
