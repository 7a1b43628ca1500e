"""Small files that unpack to much are refused by name, and read if that is asked for."""

import bz2
import gzip
import tracemalloc

import pytest

from skcluster.io import limits
from skcluster.io.limits import (
    VARIABLE,
    allowed_bytes,
    check_unpacked,
    unpack_limit,
    unpacked_content,
)


@pytest.mark.parametrize("pack", [gzip.compress, bz2.compress, lambda content: content])
def test_the_content_is_what_was_packed(pack, tmp_path):
    content = bytes(range(256)) * 9000
    (tmp_path / "a").write_bytes(pack(content))
    assert unpacked_content(tmp_path / "a", "CSV") == content


def test_members_of_a_gzip_file_follow_each_other(tmp_path):
    (tmp_path / "a.gz").write_bytes(gzip.compress(b"one,") + gzip.compress(b"two"))
    assert unpacked_content(tmp_path / "a.gz", "CSV") == b"one,two"


@pytest.fixture
def bomb(tmp_path):
    """A gzip file of 64 kB that holds 64 MiB of zeros."""
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(bytes(2**22)) * 16)
    return path


def test_a_small_file_of_large_content_is_refused_before_it_fills_the_memory(
    bomb, monkeypatch
):
    monkeypatch.setattr(limits, "ALWAYS_ALLOWED", 8 * 2**20)
    tracemalloc.start()
    with pytest.raises(
        ValueError, match=r"a\.csv\.gz has .* KiB, .* 8 MiB are allowed"
    ):
        unpacked_content(bomb, "CSV")
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 20 * 2**20


def test_the_limit_can_be_raised_and_lowered(bomb, monkeypatch):
    with unpack_limit(1000), pytest.raises(ValueError, match="1000 bytes are allowed"):
        unpacked_content(bomb, "CSV")
    with unpack_limit(2**31):
        assert len(unpacked_content(bomb, "CSV")) == 2**26
    monkeypatch.setenv(VARIABLE, "5e8")
    assert allowed_bytes(bomb) == 500_000_000
    monkeypatch.setenv(VARIABLE, "much")
    with pytest.raises(ValueError, match=f"{VARIABLE} must be a number of bytes, got"):
        allowed_bytes(bomb)


def test_large_files_may_unpack_to_a_hundred_times_their_size(tmp_path):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(bytes(10 * 2**20))
    check_unpacked(1000 * 2**20, path)
    with pytest.raises(ValueError, match="least 1001 MiB of memory; 1000 MiB are"):
        check_unpacked(1001 * 2**20, path)


@pytest.mark.parametrize("end", [-1, -9, 20])
def test_a_file_that_is_cut_off_is_named_as_such(tmp_path, end):
    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(bytes(range(256)) * 999)[:end])
    with pytest.raises(OSError, match=r"a\.csv\.gz cannot be read as CSV .*cut off"):
        unpacked_content(path, "CSV")
