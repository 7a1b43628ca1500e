"""Files that are written atomically: by every door, under every umask, through links."""

import ast
import errno
import os
import signal
import stat
import subprocess
import sys
import textwrap
import threading
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    RedshiftNormalizer,
    io,
    proxy_covariance,
    save_model,
    write_covariance,
    write_maps,
    write_photons,
    write_sample,
)
from skcluster.io.atomic import atomic_replace, files_written_together, replace_file
from skcluster.io.table_writing import write_table

PHOTONS = {"ra": [10.0, 20.0], "dec": [1.0, -1.0], "energy": [1.0, 2.0]}
SAMPLE = ClusterSample([0.1], photons=[PHOTONS], name=["a"])


def covariance():
    log_mass = np.linspace(13.5, 15, 20)
    proxy = 1.5 * log_mass[:, None] + np.sin(np.arange(20.0))[:, None]
    return proxy_covariance(EvrardProxyRegressor().fit(proxy, log_mass), names=["T"])


def a_map(path):
    where = {"center": (0, 0), "redshift": 0.1, "half_width": 2.3}
    write_maps(path, np.ones((2, 2)), **where, overwrite=True)


DOORS = {
    "a.skops": lambda path: save_model(RedshiftNormalizer(), path),
    "a.checkpoint": lambda path: replace_file(path, b"state"),
    "cov.ecsv": lambda path: write_covariance(covariance(), path),
    "photons.fits": lambda path: write_photons(path, PHOTONS, overwrite=True),
    "photons.fits.gz": lambda path: write_photons(path, PHOTONS, overwrite=True),
    "map.fits": a_map,
    "masses.csv": lambda path: write_table(path, Table({"m": [14.0]})),
    "masses.fits": lambda path: write_table(path, Table({"m": [14.0]})),
    "clusters.ecsv": lambda path: write_sample(path.parent, SAMPLE, overwrite=True),
    "photons/a.fits": lambda path: write_sample(
        path.parents[1], SAMPLE, overwrite=True
    ),
}
doors = pytest.mark.parametrize("name", DOORS)


def mode_of(path):
    return stat.S_IMODE(path.stat().st_mode)


@pytest.fixture
def umask():
    before = os.umask(0o022)
    yield os.umask
    os.umask(before)


@doors
@pytest.mark.parametrize("mask", [0o022, 0o002, 0o077, 0o027])
def test_a_new_file_has_the_mode_of_an_ordinary_one(name, mask, tmp_path, umask):
    umask(mask)
    (tmp_path / "ordinary").write_bytes(b"")
    DOORS[name](tmp_path / "new" / name if "/" in name else tmp_path / name)
    (path,) = tmp_path.rglob(Path(name).name)
    assert mode_of(path) == mode_of(tmp_path / "ordinary") == 0o666 & ~mask


@doors
def test_a_replaced_file_keeps_its_mode(name, tmp_path, umask):
    path = tmp_path / name
    DOORS[name](path)
    path.chmod(0o600)
    DOORS[name](path)
    assert mode_of(path) == 0o600


@doors
def test_a_link_stays_and_its_target_is_replaced(name, tmp_path):
    path, target = tmp_path / "here" / name, tmp_path / "there" / "target"
    path.parent.mkdir(parents=True)
    target.parent.mkdir()
    target.write_bytes(b"old")
    path.symlink_to(target)
    DOORS[name](path)
    assert path.is_symlink()
    assert target.read_bytes() not in (b"old", b"")
    assert list(target.parent.iterdir()) == [target]


def test_a_link_to_nothing_makes_its_target(tmp_path):
    link, target = tmp_path / "link", tmp_path / "target"
    link.symlink_to("target")
    replace_file(link, b"new")
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


def test_a_name_with_a_null_character_is_an_error(tmp_path):
    with pytest.raises(
        OSError, match=r"a\\x00b cannot be written: its name holds a null"
    ):
        save_model(RedshiftNormalizer(), tmp_path / "a\0b")
    with pytest.raises(
        OSError, match=r"a\\x00b cannot be written: its name holds a null"
    ):
        write_photons(tmp_path / "a\0b", PHOTONS)


def test_links_in_a_circle_are_an_error(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    with (
        pytest.raises(OSError, match=r"a cannot be written: Too many levels of symb"),
        atomic_replace(tmp_path / "a"),
    ):
        pass


def test_a_device_is_written_to_and_not_replaced(tmp_path):
    replace_file("/dev/null", b"content")
    assert stat.S_ISCHR(os.stat("/dev/null").st_mode)
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_bytes()))
    reader.start()
    with atomic_replace(pipe) as file:
        file.write(b"content")
    reader.join()
    assert read == [b"content"]
    assert pipe.is_fifo()


def test_standard_output_is_a_file_like_any_other():
    code = "from skcluster.io.atomic import *; replace_file('/dev/stdout', b'x')"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True)
    assert done.stdout == b"x"


@pytest.mark.parametrize("spelled", [str, os.fsencode, Path])
def test_a_path_may_be_spelled_in_any_way(spelled, tmp_path):
    path = tmp_path / "café.txt"
    with atomic_replace(spelled(path)) as file:
        file.write(b"1")
    with files_written_together(spelled(tmp_path / "folder"), ["a/b"]) as partial:
        (partial / "a" / "b").write_bytes(b"2")
    assert path.read_bytes() == b"1"
    assert (tmp_path / "folder" / "a" / "b").read_bytes() == b"2"


def full_disk(path):
    with atomic_replace(path) as file:
        file.write(b"new")
        raise OSError(errno.ENOSPC, "No space left on device")


def test_an_error_keeps_its_number_and_names_the_path(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    message = r"file cannot be written: No space .* unchanged"
    with pytest.raises(OSError, match=message) as raised:
        full_disk(path)
    assert raised.value.errno == errno.ENOSPC
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_every_file_of_a_sample_is_on_the_disk_before_it_takes_its_name(
    tmp_path, monkeypatch
):
    synced, fsync, replace = set(), os.fsync, os.replace

    def noted(handle):
        synced.add(os.fstat(handle).st_ino)
        fsync(handle)

    def checked(old, new):
        assert os.stat(old).st_ino in synced
        replace(old, new)

    monkeypatch.setattr(os, "fsync", noted)
    monkeypatch.setattr(os, "replace", checked)
    write_sample(tmp_path / "sample", SAMPLE)
    assert os.stat(tmp_path / "sample").st_ino in synced


def test_files_move_through_a_link_to_another_file_system(tmp_path, monkeypatch):
    replace = os.replace

    def on_two_file_systems(old, new):
        if ".partial-" in str(old):
            raise OSError(errno.EXDEV, "Invalid cross-device link")
        replace(old, new)

    monkeypatch.setattr(os, "replace", on_two_file_systems)
    with files_written_together(tmp_path / "folder", ["file"]) as partial:
        (partial / "file").write_bytes(b"content")
    assert (tmp_path / "folder" / "file").read_bytes() == b"content"
    assert [path.name for path in (tmp_path / "folder").iterdir()] == ["file"]


KILLED = """
    import os, sys
    from skcluster.io.atomic import atomic_replace
    with atomic_replace(sys.argv[1]) as file:
        file.write(b"new" * 100_000)
        file.flush()
        print("writing", flush=True)
        sys.stdin.read()
"""


def test_a_killed_process_leaves_the_old_file(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED), str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"writing\n"
        process.send_signal(signal.SIGKILL)
    assert path.read_bytes() == b"old"


KILLED_TOGETHER = """
    import sys
    from skcluster.io.atomic import files_written_together
    with files_written_together(sys.argv[1], ["file"]) as partial:
        (partial / "file").write_bytes(b"new")
        print("writing", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(os.name != "posix", reason="locks of folders are those of POSIX")
def test_the_next_write_removes_what_a_killed_one_left_but_not_what_is_being_written(
    tmp_path,
):
    def write():
        with files_written_together(tmp_path, ["other"]) as partial:
            (partial / "other").write_bytes(b"content")

    (tmp_path / ".partial-of-a-user").mkdir()
    process = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(KILLED_TOGETHER), str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    )
    with process:
        assert process.stdout.readline() == b"writing\n"
        write()
        assert len([*tmp_path.glob(".partial-*/file")]) == 1
        process.send_signal(signal.SIGKILL)
    assert len([*tmp_path.glob(".partial-*/file")]) == 1
    write()
    found = sorted(path.name for path in tmp_path.iterdir())
    assert found == [".partial-of-a-user", "other"]


def test_type_checkers_see_every_name_of_io():
    tree = ast.parse(Path(io.__file__).read_text("utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        for alias in node.names
        if alias.name == alias.asname
    }
    assert seen == io._MODULE_OF_NAME
    assert all(callable(getattr(io, name)) for name in io.__all__)


def test_the_atomic_writer_needs_no_astropy():
    code = (
        "import sys, skcluster.io.atomic; print({'numpy', 'astropy'} & {*sys.modules})"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "set()"


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits", "parquet"])
def test_a_table_is_read_back(suffix, tmp_path):
    if suffix == "parquet":
        pytest.importorskip("pyarrow")
    path = tmp_path / f"masses.{suffix}"
    path.write_bytes(b"old")
    table = Table({"name": ["a", "bc"], "log_mass": [14.0, 14.5]})
    write_table(path, table)
    again = Table.read(path)
    again.convert_bytestring_to_unicode()
    for name in table.colnames:
        assert_array_equal(again[name], table[name])


def test_accents_are_lost_in_fits_with_a_warning_and_kept_elsewhere(tmp_path):
    table = Table({"name": ["Persée", "星", "A1"], "n": [1, 2, 3]})
    with pytest.warns(UserWarning, match=r"letters of the columns \['name'\]"):
        write_table(tmp_path / "a.fits", table)
    written = Table.read(tmp_path / "a.fits")["name"]
    assert_array_equal(written, [b"Persee", b"?", b"A1"])
    write_table(tmp_path / "a.csv", table)
    assert Table.read(tmp_path / "a.csv")["name"][0] == "Persée"


def test_a_table_of_another_format_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"a\.doc is not a table of a known format"):
        write_table(tmp_path / "a.doc", Table({"m": [14.0]}))
