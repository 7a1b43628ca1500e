"""The header of a model file: readable without skops, true to the model and its file."""

import datetime
import errno
import hashlib
import importlib.metadata
import json
import os
import platform
import re
import resource
import sys
import zipfile

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    load_model,
    read_header,
    save_model,
)
from skcluster.estimator_parts import parts
from skcluster.io.atomic import atomic_replace
from skcluster.persistence.archive import HEADER, pack, read_members
from skcluster.persistence.file_header import FORMAT
from skcluster.persistence.model_description import describe
from skcluster.versions import OF_MODELS

skops_io = pytest.importorskip("skops.io")

TWO_BANDS = ((0.5, 2.0), (2.0, 7.0))
STEPS = (
    PhotonMapper(bands=TWO_BANDS, n_pixels=8, half_width=2.0),
    RedshiftNormalizer(),
    LogScaler(),
    XrayCNNRegressor(
        max_epochs=1, n_members=2, device="cpu", n_threads=1, random_state=0
    ),
)


@pytest.fixture(scope="module")
def network(sample, log_mass):
    return clone(make_pipeline(*STEPS)).fit(sample, log_mass)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


@pytest.fixture
def stored(path):
    """A small model in its file."""
    save_model(RedshiftNormalizer(pivot_count=7.0), path)
    return path


def alter(path, *, header=None, **members):
    """Replace fields of a file's header, and members: None takes one out.

    The hashes stay as they were.
    """
    stored = read_members(path)
    fields = {**json.loads(stored[HEADER]), **(header or {})}
    stored |= {HEADER: json.dumps(fields).encode(), **members}
    path.write_bytes(pack({k: v for k, v in stored.items() if v is not None}))


def test_the_header_tells_who_wrote_it_and_when(stored):
    header = read_header(stored)
    assert header.format == FORMAT == 1
    assert header.versions == {
        **{name: importlib.metadata.version(name) for name in OF_MODELS},
        "python": platform.python_version(),
    }
    written = datetime.datetime.strptime(header.written, "%Y-%m-%d %H:%M:%S UTC")
    now = datetime.datetime.now(datetime.UTC).replace(tzinfo=None)
    assert datetime.timedelta(0) <= now - written < datetime.timedelta(minutes=1)


def test_the_header_tells_what_the_model_takes_and_gives(network, sample, path):
    save_model(network, path)
    header = read_header(path)
    assert header.target == "log10 M500c [Msun/h]"
    assert header.bands == [[0.5, 2.0], [2.0, 7.0]]
    assert (header.n_pixels, header.half_width, header.cosmology) == (8, 2.0, "WMAP7")
    weights = [w for net in network[-1].nets_ for w in net.module_.parameters()]
    assert header.n_weights == sum(weight.numel() for weight in weights) > 70_000
    z = sample.redshift
    assert header.training_ranges["redshift"] == [z.min(), z.max()]
    assert header.folds is header.notes is None


def test_the_header_describes_the_steps_by_what_is_not_default(network, path):
    save_model(network, path)
    model = read_header(path).model
    assert model["class"] == "sklearn.pipeline.Pipeline"
    assert model["parameters"]["steps"] == [
        [
            "photonmapper",
            {
                "class": "skcluster.PhotonMapper",
                "parameters": {
                    "bands": [[0.5, 2.0], [2.0, 7.0]],
                    "n_pixels": 8,
                    "half_width": 2.0,
                },
            },
        ],
        [
            "redshiftnormalizer",
            {"class": "skcluster.RedshiftNormalizer", "parameters": {}},
        ],
        ["logscaler", {"class": "skcluster.LogScaler", "parameters": {}}],
        [
            "xraycnnregressor",
            {
                "class": "skcluster.XrayCNNRegressor",
                "parameters": {
                    "max_epochs": 1,
                    "n_members": 2,
                    "device": "cpu",
                    "n_threads": 1,
                    "random_state": 0,
                },
            },
        ],
    ]


def test_training_ranges_are_found_in_the_fitted_step_of_a_meta_estimator(path):
    augmented = RotationAugmentedRegressor(make_pipeline(*STEPS))
    augmented.estimator_ = make_pipeline(PhotonMapper(), LogScaler())
    augmented.estimator_[-1].training_ranges_ = {
        "redshift": (np.float32(0.125), 0.5),
        "n_photons": (1, np.inf),
    }
    save_model(augmented, path)
    header = read_header(path)
    assert header.training_ranges == {"redshift": [0.125, 0.5], "n_photons": [1, "inf"]}
    # And so are the maps': those of the pipeline that predicts, not of its prototype.
    assert header.n_pixels == 128


def test_the_maps_are_those_that_a_search_chose(path):
    search = GridSearchCV(
        make_pipeline(PhotonMapper(n_pixels=8), LogScaler()), {"photonmapper": [1]}
    )
    search.best_estimator_ = make_pipeline(PhotonMapper(n_pixels=16), LogScaler())
    save_model(search, path)
    assert read_header(path).n_pixels == 16


def test_a_model_without_maps_or_networks_says_so(path):
    save_model(EvrardProxyRegressor(), path)
    header = read_header(path)
    assert header.bands is header.n_pixels is header.cosmology is None
    assert header.n_weights == 0
    save_model(LogScaler(), path)
    assert read_header(path).target is None


def test_odd_parameters_are_described_by_their_repr():
    class Unknown:
        def __repr__(self):
            return "x" * 1000

    model = ProxyMeasurer(
        proxies=np.arange(101.0), half_width=np.float64("nan"), cosmology=Unknown()
    )
    message = describe(model)["parameters"]
    assert message["proxies"].startswith("array([")
    assert (message["half_width"], message["cosmology"]) == ("nan", "x" * 200)
    assert describe(ProxyMeasurer(proxies=np.arange(2)))["parameters"] == {
        "proxies": [0, 1]
    }


def test_each_part_of_a_model_is_met_once_even_in_a_circle():
    model = RotationAugmentedRegressor(LogScaler())
    model.estimator_ = [model.estimator, {"itself": model}]
    assert [part for part, _ in parts(model)] == [model, model.estimator]


@pytest.mark.parametrize("as_array", [list, np.array, lambda x: np.array(x, np.int8)])
def test_folds_and_notes_come_back(as_array, path):
    save_model(LogScaler(), path, folds=as_array([0, 3, 3, 1]), notes="octants of 352")
    header = read_header(path)
    assert header.folds == [0, 3, 3, 1]
    assert header.notes == "octants of 352"


def test_folds_by_name_come_back(path):
    save_model(LogScaler(), path, folds={"Coma": np.int64(2), "Perseus": 0})
    assert read_header(path).folds == {"Coma": 2, "Perseus": 0}


@pytest.mark.parametrize(
    ("folds", "message"),
    [
        ([0.5, 1.0], r"shape \(2,\) and type float64"),
        ([[0, 1]], r"shape \(1, 2\) and type int64"),
        ({"Coma": "a"}, "type <U1"),
        (3, r"shape \(\) and type int64"),
    ],
)
def test_folds_that_are_not_labels_are_an_error(folds, message, path):
    with pytest.raises(ValueError, match=f"one integer label per .*, got .*{message}"):
        save_model(LogScaler(), path, folds=folds)
    assert not path.exists()


def test_a_masked_fold_is_no_label(path):
    folds = np.ma.masked_equal([0, 1, 99], 99)
    with pytest.raises(ValueError, match="folds has no value in 1 of 3 rows"):
        save_model(LogScaler(), path, folds=folds)
    assert not path.exists()


def test_notes_that_are_not_a_string_are_an_error(path):
    with pytest.raises(TypeError, match="notes must be a string, got int"):
        save_model(LogScaler(), path, notes=3)


def test_what_is_not_an_estimator_is_an_error(path):
    with pytest.raises(TypeError, match="stores estimators, got dict"):
        save_model({}, path)


def test_the_header_is_readable_without_python(network, path):
    """One field a line, first in a zip that holds its members as they are."""
    save_model(network, path, notes="first try")
    with zipfile.ZipFile(path) as archive:
        assert archive.testzip() is None
        assert {m.compress_type for m in archive.infolist()} == {zipfile.ZIP_STORED}
        assert archive.namelist()[0] == "header.json"
        text = archive.read("header.json").decode("ascii")
        hashes = json.loads(text)["sha256"]
        assert {*hashes} == {*archive.namelist()} - {"header.json"}
        for name, digest in hashes.items():
            assert digest == hashlib.sha256(archive.read(name)).hexdigest()
    assert '\n"notes": "first try",\n' in text
    assert path.read_bytes().find(b'"notes": "first try"') < 2000


def test_reading_a_header_needs_no_skops_and_loads_no_torch(stored, monkeypatch):
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    assert read_header(stored).model["parameters"] == {"pivot_count": 7.0}


def test_skops_itself_reads_the_model(stored):
    content = skops_io.load(stored, trusted=["skcluster.RedshiftNormalizer"])
    assert content.pivot_count == 7.0


@pytest.mark.parametrize("read", [read_header, load_model])
def test_a_newer_format_is_refused(read, stored):
    versions = {**dict.fromkeys(OF_MODELS, "1.0"), "skcluster": "9.0.0"}
    alter(stored, header={"format": FORMAT + 1, "versions": versions})
    message = r"skcluster 9\.0\.0, in a newer format \(2\) .* \(1\)\. Upgrade"
    with pytest.raises(ValueError, match=message):
        read(stored)


@pytest.mark.parametrize("read", [read_header, load_model])
def test_an_altered_member_is_named(read, network, path):
    save_model(network, path)
    members = read_members(path)
    name = [name for name in members if name.endswith(".npy")][-1]
    changed = bytearray(members[name])
    changed[-1] ^= 1
    alter(path, **{name: bytes(changed)})
    with pytest.raises(ValueError, match=f"member {name} was altered after"):
        read(path)


def test_a_member_too_few_or_too_many_is_named(network, path):
    save_model(network, path)
    name = next(name for name in read_members(path) if name.endswith(".npy"))
    alter(path, **{name: None, "x.npy": b"x"})
    message = rf"1 members .* missing \['{name}'\], 1 were added \['x\.npy'\]"
    with pytest.raises(ValueError, match=message):
        read_header(path)


def test_a_flipped_bit_in_the_file_names_the_member_that_it_is_in(network, path):
    save_model(network, path)
    content = bytearray(path.read_bytes())
    content[content.find(b'"written": "20') + 14] ^= 1
    path.write_bytes(content)
    with pytest.raises(
        ValueError, match=r"damaged: Bad CRC-32 for file 'header\.json'"
    ):
        read_header(path)


@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.9, 0.999])
@pytest.mark.parametrize("read", [read_header, load_model])
def test_a_file_cut_off_is_an_error(read, share, network, path):
    save_model(network, path)
    content = path.read_bytes()
    path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(
        ValueError, match=r"model\.skops is not a model that save_model"
    ):
        read(path)


@pytest.mark.parametrize(
    "content", [b"", b"SIMPLE  =", b"\x80\x05K\x01.", b"PK\x05\x06"]
)
def test_what_is_not_a_zip_is_named_by_its_start(content, path):
    path.write_bytes(content)
    message = re.escape(f"it starts with {content[:4]}.") + ".*joblib.load, which runs"
    with pytest.raises(ValueError, match=message):
        read_header(path)


def test_a_folder_a_pipe_and_a_device_are_not_models(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path, tmp_path / "pipe", "/dev/zero"):
        with pytest.raises(ValueError, match="a folder, a pipe or a device"):
            read_header(path)


def test_a_missing_file_is_a_file_not_found(path):
    with pytest.raises(FileNotFoundError, match=r"model\.skops"):
        read_header(path)


@pytest.mark.parametrize(
    ("header", "message"),
    [
        ({"format": "2"}, "does not give the format"),
        ({"format": True}, "does not give the format"),
        ({"format": 0}, "does not give the format"),
        ({"versions": {}}, "does not give the versions"),
        ({"versions": {**dict.fromkeys(OF_MODELS, "1"), "numpy": 2}}, "the versions"),
        ({"versions": dict.fromkeys(OF_MODELS, "\x1b[31m")}, "the versions"),
        ({"sha256": None}, "does not give the hashes"),
        ({"sha256": {"schema.json": 1}}, "does not give the hashes"),
        ({"model": "PhotonMapper"}, "model in its header is 'PhotonMapper'"),
        ({"folds": "x" * 200}, "folds in its header is 'xxxx"),
        ({"training_ranges": [1, 2]}, r"training_ranges in its header is \[1, 2\]"),
    ],
)
def test_a_malformed_header_is_an_error(header, message, stored):
    alter(stored, header=header)
    with pytest.raises(ValueError, match=message) as raised:
        read_header(stored)
    assert len(str(raised.value)) < 1000


@pytest.mark.parametrize(
    "text", [b"", b"[]", b"{" * 9, b"[" * 100_000, b"\xff\xfe{", b"3"]
)
def test_a_header_that_is_not_json_is_an_error(text, stored):
    members = {**read_members(stored), HEADER: text}
    stored.write_bytes(pack(members))
    with pytest.raises(
        ValueError, match=r"header\.json is not JSON|does not give the format"
    ):
        read_header(stored)


def test_a_file_whose_header_was_taken_out_is_an_error(stored):
    members = read_members(stored)
    del members[HEADER]
    stored.write_bytes(pack(members))
    with pytest.raises(ValueError, match=r"it has no member header\.json"):
        load_model(stored)
    stored.write_bytes(pack({HEADER: b"{}"}))
    with pytest.raises(ValueError, match=r"it has no member schema\.json"):
        load_model(stored)


def test_nothing_that_a_terminal_obeys_is_in_an_error(stored):
    members = {**read_members(stored), HEADER: b"\x1b[2J{"}
    stored.write_bytes(pack(members))
    with pytest.raises(ValueError, match=r"header\.json is not JSON") as raised:
        read_header(stored)
    assert str(raised.value).isprintable()
    save_model(LogScaler(), stored)
    alter(stored, **{"\x1b[2J": b""})
    with pytest.raises(ValueError, match="a member of the name") as raised:
        read_header(stored)
    assert str(raised.value).isprintable()


def test_a_model_that_is_not_there_is_named_without_control_characters(tmp_path):
    for read in (load_model, read_header):
        with pytest.raises(
            FileNotFoundError, match=r"no model .*a\\x1bb\.skops\. Check"
        ):
            read(tmp_path / "a\x1bb.skops")


def test_an_unwritable_folder_is_an_error_before_the_model_is_looked_at(tmp_path):
    model = make_pipeline(LinearRegression())
    model.steps[0][1].unstorable = lambda: None
    for folder, kind in (("nowhere", FileNotFoundError), ("file", NotADirectoryError)):
        (tmp_path / "file").touch()
        with pytest.raises(kind, match=rf"{folder}.m\.skops cannot be written: "):
            save_model(model, tmp_path / folder / "m.skops")
    with pytest.raises(IsADirectoryError, match="cannot be written: it is a folder"):
        save_model(model, tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="nothing is unwritable for root")
def test_a_read_only_folder_is_an_error(tmp_path):
    tmp_path.chmod(0o500)
    with pytest.raises(PermissionError, match="cannot be written: Permission denied"):
        save_model(LogScaler(), tmp_path / "model.skops")
    tmp_path.chmod(0o700)


def test_a_full_disk_is_an_error_and_leaves_the_old_file(network, stored):
    """A limit on the size of files stands for the end of the disk."""
    before, limits = stored.read_bytes(), resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
    try:
        with pytest.raises(
            OSError, match=r"cannot be written: .* What was there"
        ) as message:
            save_model(network, stored)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert message.value.errno == errno.EFBIG
    assert stored.read_bytes() == before
    assert list(stored.parent.iterdir()) == [stored]


def test_a_file_and_its_name_are_on_the_disk_before_save_returns(stored, monkeypatch):
    """The order that survives a loss of power: content, name, folder."""
    order, fsync, replace = [], os.fsync, os.replace

    def noted_fsync(handle):
        order.append("folder" if os.path.isdir(f"/dev/fd/{handle}") else "content")
        fsync(handle)

    def noted_replace(*paths):
        order.append("name")
        replace(*paths)

    monkeypatch.setattr(os, "fsync", noted_fsync)
    monkeypatch.setattr(os, "replace", noted_replace)
    save_model(LogScaler(), stored)
    assert order == ["content", "name", "folder"]


def test_a_relative_path_is_replaced_where_it_was(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with atomic_replace("model.skops") as file:
        file.write(b"complete")
    assert (tmp_path / "model.skops").read_bytes() == b"complete"


@pytest.mark.parametrize("name", ["model.skops", "é" * 127])
def test_a_part_tells_what_it_is_a_part_of(tmp_path, name):
    with atomic_replace(tmp_path / name):
        (part,) = os.listdir(tmp_path)
    assert part.startswith(name[:100])
    assert part.endswith(".part")
    assert os.listdir(tmp_path) == [name]
