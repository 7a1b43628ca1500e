"""FITS files as people have them: unpadded, with trailing bytes, packed, in odd shapes."""

import bz2
import gzip
import lzma
import os
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_array_equal

from skcluster.io import (
    limits,
    read_galaxies,
    read_photons,
    read_sample,
    unpack_limit,
    write_maps,
    write_photons,
)
from skcluster.io.fits_files import opened_fits

BLOCK = 2880
PHOTONS = {
    "ra": np.array([140.0, 140.1, 359.9]),
    "dec": np.array([3.0, -3.1, 89.9]),
    "energy": np.array([0.5, 1.25, 4.0], np.float32),
}


@pytest.fixture
def events(tmp_path):
    path = tmp_path / "events.fits"
    write_photons(path, PHOTONS, name="A1")
    return path


def data_end(path):
    """The byte at which the data of the last HDU end, without padding."""
    with fits.open(path) as hdus:
        info = hdus[-1].fileinfo()
        return info["datLoc"] + hdus[-1].header["NAXIS1"] * hdus[-1].header["NAXIS2"]


def assert_is_complete(photons):
    for name, column in PHOTONS.items():
        assert_array_equal(photons[name], column)


def test_the_last_block_may_lack_its_padding(events):
    content = events.read_bytes()
    end = data_end(events)
    assert end % BLOCK
    for n_bytes in (end, end + 1, len(content) - 1):
        events.write_bytes(content[:n_bytes])
        assert_is_complete(read_photons(events))
    events.write_bytes(content[: end - 1])
    with pytest.raises(
        OSError, match=rf"HDU 1 ends at byte {end} of {end - 1}.*cut off"
    ):
        read_photons(events)


TRAILING = [b"\n", b"\0" * 5000, b"\x1a", b" " * 3000, b"-- end of file --\n" * 99]


@pytest.mark.parametrize("trailing", TRAILING)
@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_bytes_after_the_last_table_are_ignored(events, trailing, pack):
    events.write_bytes(pack(events.read_bytes() + trailing))
    assert_is_complete(read_photons(events))


def test_null_bytes_after_an_xz_file_are_ignored(events):
    packed = lzma.compress(events.read_bytes())
    events.write_bytes(packed + bytes(512))
    assert_is_complete(read_photons(events))
    events.write_bytes(packed[:-20] + bytes(512))
    with pytest.raises(OSError, match=r"cannot be read as FITS"):
        read_photons(events)


def test_bytes_after_a_gzip_file_are_ignored(events):
    events.write_bytes(gzip.compress(events.read_bytes()) + b"trailing")
    assert_is_complete(read_photons(events))


@pytest.mark.parametrize("word", [b"SIMPLE  =", b"XTENSION="])
def test_an_hdu_behind_strange_bytes_is_not_lost(events, word):
    content = events.read_bytes()
    events.write_bytes(content + b"?" * BLOCK + word.ljust(BLOCK))
    match = (
        rf"there is no HDU at byte {len(content)} of .*, but one after it.*be damaged"
    )
    with pytest.raises(OSError, match=match):
        read_photons(events)


@pytest.mark.parametrize("suffix", ["fits", "fits.gz", "fits.bz2", "fits.xz"])
def test_lists_are_written_and_read_in_every_packing(suffix, tmp_path):
    path = tmp_path / f"events.{suffix}"
    write_photons(path, PHOTONS)
    assert_is_complete(read_photons(path))
    packers = {b"\x1f\x8b": "fits.gz", b"BZ": "fits.bz2", b"\xfd7": "fits.xz"}
    assert packers.get(path.read_bytes()[:2], "fits") == suffix


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lzma.compress])
@pytest.mark.parametrize("kept", [0.0, 0.3, 0.9])
def test_a_packed_file_that_is_cut_off_is_named_as_such(events, pack, kept):
    content = pack(events.read_bytes())
    events.write_bytes(content[: max(10, int(kept * len(content)))])
    with pytest.raises(
        OSError, match=r"events\.fits cannot be read as FITS .* cut off"
    ):
        read_photons(events)


@pytest.mark.parametrize(
    ("start", "packer"), [(b"\x1f\x9d", "compress"), (b"PK\3\4", "zip")]
)
def test_another_packing_is_named(events, start, packer):
    events.write_bytes(start + events.read_bytes())
    with pytest.raises(
        ValueError, match=rf"compressed by {packer}, which .* Unpack it"
    ):
        read_photons(events)


def test_a_table_packed_by_fpack_says_so(events):
    """The keywords of the convention for tiled tables, which astropy does not unpack."""
    with fits.open(events) as hdus:
        hdus[1].header["ZTABLE"] = True
        hdus.writeto(events, overwrite=True)
    for read in (read_photons, read_sample, read_galaxies):
        with pytest.raises(
            ValueError, match=r"events\.fits is compressed by fpack.*funp"
        ):
            read(events)


def vector_list(path, form, **shapes):
    columns = [
        fits.Column(name.upper(), form, unit="keV" if name == "energy" else None)
        for name in PHOTONS
    ]
    hdu = fits.BinTableHDU.from_columns(columns, nrows=shapes["n_rows"], name="EVENTS")
    for name, column in PHOTONS.items():
        hdu.data[name.upper()] = column.reshape(hdu.data[name.upper()].shape)
    for i in range(1, 4):
        if "dim" in shapes:
            hdu.header[f"TDIM{i}"] = shapes["dim"]
    hdu.writeto(path)
    return path


@pytest.mark.parametrize(("dim", "shape"), [("(1)", (3, 1)), ("(1,1)", (3, 1, 1))])
def test_columns_of_shape_n_1_are_lists_of_photons(dim, shape, tmp_path):
    path = vector_list(tmp_path / "a.fits", "1D", n_rows=3, dim=dim)
    with fits.open(path) as hdus:
        assert hdus[1].data["RA"].shape == shape
    photons = read_photons(path)
    assert_array_equal(photons["ra"], PHOTONS["ra"])
    assert photons["energy"].shape == (3,)


def test_one_row_of_vectors_is_a_list_of_photons(tmp_path):
    photons = read_photons(vector_list(tmp_path / "a.fits", "3D", n_rows=1))
    assert_array_equal(photons["ra"], PHOTONS["ra"])
    assert_array_equal(photons["energy"], PHOTONS["energy"])


def test_columns_of_different_lengths_are_refused(tmp_path):
    columns = [fits.Column(n, "3D", array=np.ones((1, 3))) for n in ("RA", "DEC")]
    columns.append(fits.Column("ENERGY", "2D", unit="keV", array=np.ones((1, 2))))
    path = tmp_path / "a.fits"
    fits.BinTableHDU.from_columns(columns, name="EVENTS").writeto(path)
    with pytest.raises(
        ValueError, match=r"a\.fits hold different numbers of photons: \{"
    ):
        read_photons(path)


def test_vectors_and_lists_that_nobody_asked_for_do_no_harm(tmp_path):
    columns = [
        fits.Column("PHAS", "9I", array=np.zeros((3, 9))),
        fits.Column("TRACK", "PE()", array=np.array([[1.0], [], [2.0, 3.0]], object)),
        *[
            fits.Column(name.upper(), "D", unit=unit, array=PHOTONS[name])
            for name, unit in (("ra", "deg"), ("dec", "deg"), ("energy", "keV"))
        ],
    ]
    path = tmp_path / "a.fits"
    fits.BinTableHDU.from_columns(columns, name="EVENTS").writeto(path)
    assert_array_equal(read_photons(path)["ra"], PHOTONS["ra"])
    with pytest.raises(
        ValueError, match=r"'TRACK' of .* holds lists of values per photon"
    ):
        read_photons(path, columns=["TRACK"])


def swollen(path, n_rows=20_000, n_listed=20_000):
    """A list of 0.6 MB whose rows all share the same 80 kB: 1.6 GB if it is spelled out."""
    lists = np.empty(n_rows, object)
    lists[:] = [np.zeros(0, np.float32)] * n_rows
    lists[0] = np.zeros(n_listed, np.float32)
    columns = [
        fits.Column(n, "D", array=np.full(n_rows, 0.1)) for n in ("RA", "DEC", "z")
    ]
    columns.append(fits.Column("ENERGY", "E", unit="keV", array=np.ones(n_rows)))
    columns.append(fits.Column("TRACK", "PE()", array=lists))
    hdu = fits.BinTableHDU.from_columns(columns, name="EVENTS")
    hdu.writeto(path)
    with fits.open(path) as hdus:
        start = hdus[1].fileinfo()["datLoc"]
        width = hdus[1].header["NAXIS1"]
    content = bytearray(path.read_bytes())
    for row in range(n_rows):
        at = start + row * width + width - 8
        content[at : at + 8] = np.array([n_listed, 0], ">i4").tobytes()
    path.write_bytes(content)
    return path


@pytest.mark.parametrize("read", [read_photons, read_sample, read_galaxies])
def test_rows_that_share_a_long_list_are_refused_before_they_fill_the_memory(
    read, tmp_path
):
    path = swollen(tmp_path / "a.fits")
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"a\.fits has .* of memory; 256 MiB are allowed"
    ):
        read(path)
    assert tracemalloc.get_traced_memory()[1] < 5e7
    tracemalloc.stop()


def test_a_list_that_shares_much_can_be_read_on_request(tmp_path):
    path = swollen(tmp_path / "a.fits")
    with unpack_limit(4e9):
        assert len(read_photons(path)["ra"]) == 20_000


@pytest.mark.parametrize(("suffix", "pack"), [("gz", gzip.open), ("bz2", bz2.open)])
def test_a_packed_list_of_very_many_zeros_is_refused(
    suffix, pack, tmp_path, monkeypatch
):
    monkeypatch.setattr(limits, "ALWAYS_ALLOWED", 8 * 2**20)
    path = tmp_path / f"a.fits.{suffix}"
    hdu = fits.BinTableHDU.from_columns([fits.Column("RA", "D", array=np.zeros(1))])
    hdu.header["NAXIS2"] = 2**27
    with pack(path, "wb", 9) as file:
        file.write(fits.PrimaryHDU().header.tostring().encode())
        file.write(hdu.header.tostring().encode())
        file.write(bytes(40 * 2**20))
    tracemalloc.start()
    with pytest.raises(ValueError, match="8 MiB are allowed") as raised:
        read_photons(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert "cut off" not in str(raised.value)
    assert peak < 24 * 2**20


class Entry:
    """A path-like object that is no Path."""

    def __init__(self, path):
        self.path = path

    def __fspath__(self):
        return str(self.path)


@pytest.mark.parametrize("spelled", [str, os.fsencode, Path, Entry])
def test_paths_may_be_spelled_in_any_way(spelled, tmp_path):
    path = tmp_path / "événements.fits"
    write_photons(spelled(path), PHOTONS)
    write_photons(spelled(path), PHOTONS, overwrite=True)
    assert_is_complete(read_photons(spelled(path)))
    image = tmp_path / "map.fits.gz"
    where = {"center": (0, 0), "redshift": 0.1, "half_width": 2.3}
    write_maps(spelled(image), np.ones((2, 2)), **where)
    assert fits.getdata(image, "MAP").sum() == 4
    with opened_fits(spelled(path)) as hdus:
        assert len(hdus) == 2


def with_escapes(events):
    """The list under a name that clears the screen, with such names of table and column."""
    path = events.with_name("a\x1b[2J\nb.fits")
    content = events.read_bytes().replace(b"'EVENTS  '", b"'EV\x1b[2JS '")
    path.write_bytes(content.replace(b"'ENERGY  '", b"'EN\x1b[2JY '"))
    return path


def test_nothing_that_a_terminal_obeys_is_in_a_message(events):
    path = with_escapes(events)
    failures = [
        lambda: read_photons(path),
        lambda: read_photons(path, energy="\x1b[31m"),
        lambda: read_photons(path.with_name("no\x1b[2J.fits")),
        lambda: read_photons(path, hdu="\x1b[2J"),
        lambda: write_photons(path, PHOTONS),
        lambda: write_photons(path.with_name("x") / "\x1b[2J.fits", PHOTONS),
        lambda: write_maps(path, np.ones((2, 2)), center=(0, 0), redshift=0.1),
    ]
    for fail in failures:
        with pytest.raises((ValueError, OSError), match=r"\\x1b|written") as raised:
            fail()
        lines = str(raised.value).split("\n")
        assert all(line.isprintable() for line in lines), lines
        # The only lines of their own are those that list the HDUs.
        assert all(line.startswith("  ") for line in lines[1:])


def test_a_table_whose_name_holds_a_quote_or_accent_is_read(tmp_path):
    path = tmp_path / "a'b.fits"
    Table({"RA": [1.0], "DEC": [1.0], "ENERGY": [1.0]}).write(path)
    assert len(read_photons(path)["ra"]) == 1
