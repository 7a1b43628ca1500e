"""What is written is read back the same, or nothing is written at all."""

import errno
import os

import numpy as np
import pandas as pd
import pytest
from astropy.io import fits
from astropy.table import Table
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays, scalar_dtypes
from numpy.testing import assert_array_equal

from skcluster import ClusterSample
from skcluster.io import (
    read_galaxies,
    read_photons,
    read_sample,
    write_maps,
    write_photons,
    write_sample,
)
from skcluster.io.samples import file_stems

PHOTONS = {"ra": [10.0, 20.0], "dec": [1.0, -1.0], "energy": [1.0, 2.0]}
ABOUT = {"center": (10.0, 60.0), "redshift": 0.1}
ABOUT_MAPS = ABOUT | {"half_width": 2.3}


def sample_of(**fields):
    """Two clusters with two photons and two galaxies each."""
    galaxies = {"x": [0.1, 0.2], "y": [0.0, 0.0], "v": [1.0, 2.0]}
    lists = {"photons": [PHOTONS] * 2, "galaxies": [galaxies] * 2}
    return ClusterSample([0.1, 0.2], **lists | fields)


def content_of(folder):
    """Bytes of every file below a folder, and None for every folder."""
    return {
        path.relative_to(folder): path.read_bytes() if path.is_file() else None
        for path in folder.rglob("*")
    }


UNWRITABLE = [
    (
        {"extra": np.array([1j, 2j])},
        r"'extra' is of type complex128, which files do not",
    ),
    ({"extra": [1, "a"]}, None),
    ({"extra": np.array([1, {}], object)}, r"'extra' is of type object, which files"),
    ({"extra": np.array([1, 2], np.longdouble)}, r"'extra' is of type float128"),
    (
        {"extra": np.array(["a", "é"])},
        r"'extra' has letters .*1 of 2 rows .*row 1, 'é'",
    ),
    (
        {"RA": [1.0, 2.0]},
        r"upper and lower case, so \['ra', 'RA'\] would be one column",
    ),
    ({"é": [1.0, 2.0]}, r"cannot spell the column 'é'"),
    ({"x" * 70: [1.0, 2.0]}, r"cannot spell the column 'xxx"),
    ({"": [1.0, 2.0]}, r"cannot spell the column ''"),
    ({"dec": [1.0, np.nan]}, r"1 of 2 photons have a NaN or infinite dec"),
    ({"energy": [1000.0, 2000.0]}, r"look like eV"),
]


@pytest.mark.parametrize(("changed", "message"), UNWRITABLE)
def test_photons_that_fits_cannot_hold_leave_no_file(tmp_path, changed, message):
    path, photons = tmp_path / "events.fits", PHOTONS | changed
    if message is None:
        write_photons(path, photons)
        return
    with pytest.raises(ValueError, match=message):
        write_photons(path, photons)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("about", "message"),
    [
        ({"center": (np.nan, 0.0)}, "values of center are NaN or infinite"),
        ({"center": (0.0, 99.0)}, "dec.* outside of -90 to 90 deg"),
        ({"center": (0.0,)}, r"center must have shape \(1, 2\)"),
        ({"redshift": np.nan}, "redshifts are not positive numbers"),
    ],
)
def test_a_cluster_that_cannot_be_leaves_no_file(tmp_path, about, message):
    with pytest.raises(ValueError, match=message):
        write_photons(tmp_path / "events.fits", PHOTONS, **about)
    with pytest.raises(ValueError, match=message):
        write_maps(tmp_path / "map.fits", np.ones((2, 2)), **ABOUT_MAPS | about)
    assert list(tmp_path.iterdir()) == []


MAPS = [
    (
        {"maps": np.ones((2, 2), complex)},
        "map must hold numbers, got the type complex128",
    ),
    ({"maps": np.full((2, 2), "a")}, "map must hold numbers, got the type <U1"),
    ({"bands": [1.0]}, r"bands must be pairs \(low, high\) in keV, got \[1.0\]"),
    ({"bands": [("soft", 1)]}, r"bands must be pairs .* got \[\('soft', 1\)\]"),
    ({"half_width": 0.0}, "half_width must be positive and less than .* got 0.0"),
    ({"half_width": 300.0}, "distance of 293.5 Mpc/h, got 300.0"),
    ({"half_width": "wide"}, "half_width must be positive .* got 'wide'"),
    ({"redshift": 1e-320}, "less than the cluster's distance of 2.998e-317 Mpc/h"),
]


@pytest.mark.parametrize(("changed", "message"), MAPS)
def test_maps_that_cannot_be_placed_leave_no_file(tmp_path, changed, message):
    options = {"maps": np.ones((2, 2)), **ABOUT_MAPS} | changed
    with pytest.raises(ValueError, match=message):
        write_maps(tmp_path / "map.fits", **options)
    assert list(tmp_path.iterdir()) == []


def test_text_of_a_data_frame_is_written(tmp_path):
    frame = pd.DataFrame(PHOTONS | {"who": ["a", "bc"], "x-y": [1, 2]})
    write_photons(tmp_path / "events.fits", frame)
    photons = read_photons(tmp_path / "events.fits", columns=["who", "x-y"])
    assert_array_equal(photons["who"], ["a", "bc"])
    assert_array_equal(photons["x-y"], [1, 2])


def test_a_name_beyond_ascii_is_spelled_as_far_as_fits_can(tmp_path):
    write_photons(tmp_path / "events.fits", PHOTONS, name="Persée\n7")
    assert fits.getheader(tmp_path / "events.fits", 1)["OBJECT"] == "Pers?e?7"


def written(kind, path):
    if kind == "maps":
        return write_maps(path, np.ones((2, 2)), **ABOUT_MAPS)
    return write_photons(path, PHOTONS)


@pytest.mark.parametrize("kind", ["maps", "photons"])
def test_places_where_nothing_can_be_written_are_named(tmp_path, kind):
    with pytest.raises(
        FileNotFoundError,
        match=r"nowhere.a\.fits cannot be written: there is no folder .*nowhere",
    ):
        written(kind, tmp_path / "nowhere" / "a.fits")
    with pytest.raises(FileExistsError, match=r"already a .* It is a folder"):
        written(kind, tmp_path)
    with pytest.raises(OSError, match=r"/dev/full/a\.fits|no folder /dev/full"):
        written(kind, "/dev/full/a.fits")
    with pytest.raises(OSError, match="File name too long"):
        written(kind, tmp_path / ("x" * 300 + ".fits"))
    assert list(tmp_path.iterdir()) == []


@pytest.fixture
def full_disk(monkeypatch):
    """A disk on which the third FITS file, or the only table, does not fit."""
    written = []

    def full(method):
        def write(self, *args, **options):
            written.append(args)
            if len(written) > 2 or isinstance(self, Table):
                with open(args[0], "wb") as file:
                    file.write(b"half of it")
                raise OSError(errno.ENOSPC, "No space left on device")
            return method(self, *args, **options)

        return write

    monkeypatch.setattr(fits.BinTableHDU, "writeto", full(fits.BinTableHDU.writeto))
    monkeypatch.setattr(Table, "write", full(Table.write))


@pytest.mark.parametrize("n_lists", [2, 0])
@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_leaves_no_half_sample(tmp_path, n_lists):
    sample = sample_of() if n_lists else ClusterSample([0.1])
    with pytest.raises(OSError, match=r"new/deep cannot be written \(.*No space left"):
        write_sample(tmp_path / "new" / "deep", sample)
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_an_old_sample_as_it_was(tmp_path):
    write_sample(tmp_path, sample_of(name=["a", "b"]), log_mass=[14.0, 14.1])
    before = content_of(tmp_path)
    galaxies = {"x": [0.1], "y": [0.0], "v": [1.0], "who": ["é"]}
    broken = sample_of(galaxies=[galaxies] * 2, name=["a", "b"])
    with pytest.raises(ValueError, match="'who' has letters that FITS cannot hold"):
        write_sample(tmp_path, broken, overwrite=True)
    with pytest.raises(ValueError, match="'odd' is of type complex128"):
        write_sample(tmp_path, sample_of(), overwrite=True, odd=[1j, 2j])
    with pytest.raises(ValueError, match="'odd' has 1 values for 2 clusters"):
        write_sample(tmp_path, sample_of(), overwrite=True, odd=5)
    with pytest.raises(ValueError, match="cannot have the name ' '"):
        write_sample(tmp_path, sample_of(), overwrite=True, **{" ": [1, 2]})
    assert content_of(tmp_path) == before


def test_lists_of_somebody_else_are_not_written_over(tmp_path):
    (tmp_path / "photons").mkdir()
    (tmp_path / "photons" / "b.fits").write_text("mine")
    before = content_of(tmp_path)
    with pytest.raises(FileExistsError, match=r"already a .*photons/b\.fits\. Give"):
        write_sample(tmp_path, sample_of(name=["a", "b"]))
    assert content_of(tmp_path) == before


def test_a_folder_that_is_a_file_is_named(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(OSError, match=r"file cannot be written \("):
        write_sample(tmp_path / "file", sample_of())
    assert (tmp_path / "file").read_text() == "mine"


@pytest.mark.parametrize(
    "name", ["a\nb", "a\tb", "\x00a", "\u2028", "\ud800", "\x85", "\xa0"]
)
def test_a_name_that_a_table_cannot_keep_is_refused(tmp_path, name):
    with pytest.raises(
        ValueError, match=r"'name' has line breaks, .*1 of 2 .*number 1"
    ):
        write_sample(tmp_path / "out", sample_of(name=["fine", name]))
    assert list(tmp_path.iterdir()) == []


names = st.text(
    st.characters(codec="utf-8", exclude_categories=["C", "Z"]) | st.just(" "),
    max_size=90,
)


@settings(max_examples=15)
@given(st.lists(names, min_size=12, max_size=12))
def test_names_are_read_back_without_the_blanks_around_them(written_folder, given):
    sample = ClusterSample(np.full(12, 0.1), name=given)
    sample, others = read_sample(
        write_sample(written_folder, sample, overwrite=True, t=given)
    )
    bare = [name.strip() for name in np.array(given)]
    assert_array_equal(sample.name, bare)
    assert_array_equal(others.t, bare)


@given(st.lists(st.text(max_size=90), min_size=4, max_size=4))
def test_files_of_any_names_differ(given):
    stems = file_stems(ClusterSample(np.full(4, 0.1), name=given))
    assert len({stem.lower() for stem in stems}) == 4
    for stem in stems:
        assert len(f".partial-{stem}.fits".encode()) < 255
        assert not set(stem) & set("/\\\0\n:*?")
        assert not stem.startswith(".")


@pytest.fixture(scope="module")
def written_folder(tmp_path_factory):
    return tmp_path_factory.mktemp("written")


floats = scalar_dtypes().filter(
    lambda dtype: dtype.kind in "biuf" and dtype.itemsize <= 8
)


@settings(max_examples=15)
@given(floats.flatmap(lambda dtype: arrays(dtype, 3)))
def test_a_column_of_any_number_is_read_back(written_folder, values):
    photons = {name: np.ones(3) for name in PHOTONS} | {"extra": values}
    path = written_folder / "events.fits"
    write_photons(path, photons, overwrite=True)
    assert_array_equal(read_photons(path, columns=["extra"])["extra"], values)
    galaxies = [{name: np.ones(3) for name in "xyv"} | {"extra": values}]
    sample = ClusterSample([0.1], galaxies=galaxies)
    path = write_sample(written_folder, sample, overwrite=True, extra=values[:1])
    sample, others = read_sample(path)
    assert_array_equal(sample.galaxies["extra"], values)
    assert_array_equal(others.extra, values[:1])


def test_galaxies_keep_the_case_of_their_columns(tmp_path):
    path = write_sample(tmp_path, sample_of())
    (file,) = {p for p in (path.parent / "galaxies").iterdir() if "00000" in p.name}
    assert list(read_galaxies(file)) == ["x", "y", "v"]
    assert os.stat(file).st_mode & 0o777 == 0o644


def test_counts_of_a_small_type_are_added_up_without_overflow(tmp_path):
    maps = np.full((2, 3, 3), 200, np.uint8)
    write_maps(tmp_path / "map.fits", maps, **ABOUT_MAPS)
    assert_array_equal(fits.getdata(tmp_path / "map.fits", 0), np.full((3, 3), 400))
