"""Checkpoints: whatever stops a fit, it goes on to the same bits, or says why it cannot."""

import contextlib
import errno
import hashlib
import io
import os
import pickle
import re
import signal
import stat
import subprocess
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import KFold, cross_val_predict
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import CosineAnnealingLR, StepLR

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    PhaseSpaceKDE,
    PhotonSetRegressor,
    Ragged,
    XrayCNNRegressor,
)
from skcluster.comparison import compare_estimators
from skcluster.io.atomic import remove_leftovers, replace_file
from skcluster.regressors import checkpoint as checkpoints
from skcluster.regressors.checkpoint import checkpoint_path

SCRIPT = Path(__file__).parent / "stress" / "kill_and_resume.py"
EPOCHS = 4


class Trap(Callback):
    """Counts the epochs that are trained, and presses Ctrl-C in the middle of one."""

    trained = 0

    def press(net):
        return False

    def on_batch_end(self, net, training=False, **kwargs):
        if training and Trap.press(net):
            signal.raise_signal(signal.SIGINT)

    def on_epoch_end(self, net, **kwargs):
        Trap.trained += 1


class CountInFile(Callback):
    """Counts the epochs that all processes train."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        with open(self.path, "ab") as file:
            file.write(b".")


@pytest.fixture(autouse=True)
def _reset(monkeypatch):
    monkeypatch.setattr(Trap, "trained", 0)
    monkeypatch.setattr(Trap, "press", Trap.press)


@pytest.fixture(scope="module")
def data(poisson_maps):
    return poisson_maps(24, 1, 8)


def quick(folder=None, **changes):
    settings = {"max_epochs": EPOCHS, "random_state": 0, "device": "cpu"}
    settings |= {"n_threads": 1, "checkpoint_dir": folder, "callbacks": [Trap()]}
    return XrayCNNRegressor(**(settings | changes))


@pytest.fixture(scope="module")
def uninterrupted(data):
    """A fit that nothing stopped."""
    return quick().fit(*data)


@contextlib.contextmanager
def press_ctrl_c(when):
    """Press Ctrl-C in a batch of training."""
    # A shell that starts tests in the background lets them ignore Ctrl-C.
    handler = signal.signal(signal.SIGINT, signal.default_int_handler)
    Trap.press, before = when, Trap.press
    with pytest.raises(KeyboardInterrupt):
        yield
    Trap.press = before
    signal.signal(signal.SIGINT, handler)


def interrupted(regressor, data, epoch):
    """Press Ctrl-C in the middle of an epoch of a fit."""
    with press_ctrl_c(lambda net: len(net.history) == epoch):
        regressor.fit(*data)
    return regressor


def only_file(folder):
    (path,) = folder.iterdir()
    return path


def assert_same_fit(one, other, maps):
    """Weights, history and predictions, to the last bit."""
    for mine, theirs in zip(one.nets_, other.nets_, strict=True):
        weights = mine.module_.state_dict(), theirs.module_.state_dict()
        for name, weight in weights[0].items():
            assert torch.equal(weight, weights[1][name]), name
    rows = [
        [{k: v for k, v in row.items() if k != "dur"} for row in each.history_]
        for each in (one, other)
    ]
    assert rows[0] == rows[1]
    assert_array_equal(one.predict(maps), other.predict(maps))
    assert one.residual_std_ == other.residual_std_


STEPS = LRScheduler(policy=StepLR, step_size=3, gamma=0.1)
COSINE = LRScheduler(
    policy=CosineAnnealingLR, T_max=5, step_every="batch", event_name="lr"
)


@pytest.mark.filterwarnings("ignore:This CPU has no bfloat16")
@pytest.mark.parametrize(
    "settings",
    [
        {},
        {"augment": True, "dropout": 0.3, "max_epochs": 30, "patience": 3, "lr": 0.02},
        {"n_members": 2, "patience": None},
        {"loss": "gaussian_nll", "precision": "bfloat16"},
        {"recipe": "one_cycle", "batch_size": 10, "patience": None, "max_epochs": 7},
        {
            "recipe": "one_cycle",
            "loss": "gaussian_nll",
            "precision": "bfloat16",
            "augment": True,
            "dropout": 0.3,
            "max_epochs": 30,
            "patience": 3,
            "lr": 0.02,
        },
        {"callbacks": [STEPS, Trap()], "max_epochs": 7, "batch_size": 10},
        {"callbacks": [COSINE, Trap()], "max_epochs": 7, "batch_size": 10},
    ],
    ids=[
        "plain",
        "turned, stops early",
        "members",
        "nll",
        "one cycle",
        "one cycle, stops early",
        "steps",
        "cosine",
    ],
)
def test_a_fit_stopped_in_every_epoch_goes_on_bit_for_bit(data, tmp_path, settings):
    expected = quick(**settings).fit(*data)
    regressor = quick(tmp_path, **settings)
    for epoch in range(1, expected.n_iter_ + 1):
        interrupted(regressor, data, epoch)
    assert_same_fit(regressor.fit(*data), expected, data[0])
    assert_same_fit(regressor.fit(*data), expected, data[0])
    assert len(list(tmp_path.iterdir())) == expected.n_members


def test_ctrl_c_raises_keeps_the_checkpoint_and_leaves_nothing_half_fitted(
    data, tmp_path
):
    regressor = interrupted(quick(tmp_path), data, 3)
    with pytest.raises(NotFittedError, match="not fitted yet"):
        regressor.predict(data[0])
    assert b'"epochs": 2, "finished": false' in only_file(tmp_path).read_bytes()
    Trap.trained = 0
    regressor.fit(*data)
    assert Trap.trained == EPOCHS - 2


@pytest.mark.kill
def test_killed_at_random_and_at_each_disk_call_fits_and_folds_end_in_the_same_bits():
    command = "--kills=20 --configurations mse folds --at-calls mse"
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *command.split()],
        capture_output=True,
        text=True,
        timeout=600,
        env=os.environ | {"PYTHONPATH": str(SCRIPT.parents[2])},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    table = {
        line[:20].strip(): [int(number) for number in line[20:].split()]
        for line in done.stdout.splitlines()[1:]
    }
    assert list(table) == ["mse, at calls", "mse, at random", "folds, at random"]
    for n_kills, _, n_fits, n_trained, n_needed, n_same in table.values():
        assert n_same == n_fits > 0
        assert n_needed <= n_trained <= n_needed + n_kills
    assert table["mse, at random"][0] + table["folds, at random"][0] == 20
    n_kills, n_in_a_write = table["mse, at calls"][:2]
    assert n_kills >= 15
    assert n_in_a_write >= 5


def test_a_finished_fit_is_read_and_not_trained(data, tmp_path, uninterrupted):
    settings = {"max_epochs": 30, "patience": 3, "lr": 0.02}
    for changes in ({}, settings):
        first = quick(tmp_path, **changes).fit(*data)
        assert Trap.trained > 0
        Trap.trained = 0
        assert_same_fit(quick(tmp_path, **changes).fit(*data), first, data[0])
        assert Trap.trained == 0
    assert first.n_iter_ < 30
    for path in tmp_path.iterdir():
        assert b'"finished": true}' in path.read_bytes().split(b"\n", 1)[0]


def test_parallel_folds_have_a_file_each_and_are_read_when_finished(data, tmp_path):
    count = tmp_path / "count"
    callbacks = [CountInFile(str(count))]
    settings = {"max_epochs": 2, "callbacks": callbacks}
    expected = cross_val_predict(quick(**settings), *data, cv=3)
    folder = tmp_path / "checkpoints"
    count.unlink()
    pooled = cross_val_predict(quick(folder, **settings), *data, cv=3, n_jobs=2)
    assert_array_equal(pooled, expected)
    assert len(list(folder.glob("*.checkpoint"))) == len(list(folder.iterdir())) == 3
    assert count.read_bytes() == b"." * 6
    again = cross_val_predict(quick(folder, **settings), *data, cv=3)
    assert_array_equal(again, expected)
    assert count.read_bytes() == b"." * 6


def test_a_comparison_goes_on_in_the_fold_where_it_was_stopped(data, tmp_path):
    maps, log_mass = data

    def predictions(regressor):
        contestants = {"network": (regressor, maps)}
        return compare_estimators(contestants, log_mass, cv=KFold(4)).predictions

    expected = predictions(quick())["network"]
    Trap.trained = 0
    with press_ctrl_c(lambda net: Trap.trained == 2 * EPOCHS + 1):
        predictions(quick(tmp_path))
    assert_array_equal(predictions(quick(tmp_path))["network"], expected)
    assert Trap.trained == 4 * EPOCHS


def test_parameters_callbacks_and_data_that_differ_have_files_of_their_own(
    data, tmp_path
):
    maps, log_mass = data
    for changes in ({}, {"lr": 1e-2}, {"random_state": 1}, {"callbacks": None}):
        quick(tmp_path, **({"max_epochs": 1} | changes)).fit(maps, log_mass)
    for other in ((maps[1:], log_mass[1:]), (maps + 1, log_mass), (maps, log_mass + 1)):
        quick(tmp_path, max_epochs=1).fit(*other)
    assert len(list(tmp_path.iterdir())) == 7


def test_what_changes_no_weight_does_not_change_the_file(data, tmp_path):
    same = {"verbose": 0, "n_threads": None, "keep_memory": False, "n_dropout_draws": 2}
    quick(tmp_path, dropout=0.1).fit(*data)
    Trap.trained = 0
    quick(str(tmp_path), dropout=0.1, **same).fit(*data)
    assert Trap.trained == 0


def test_memory_maps_have_the_file_of_the_arrays_that_they_hold(tmp_path):
    array = np.arange(5.0)
    np.save(tmp_path / "array.npy", array)
    mapped = np.load(tmp_path / "array.npy", mmap_mode="r")
    assert checkpoint_path("a", "fit", mapped) == checkpoint_path("a", "fit", array)
    assert joblib.hash(mapped) != joblib.hash(array)


def test_a_tilde_is_the_home_directory(data, tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    quick("~/kept", max_epochs=1).fit(*data)
    assert [path.name for path in tmp_path.iterdir()] == ["kept"]


def test_a_checkpoint_needs_a_path_a_seed_and_callbacks_that_can_be_told_apart(
    data, tmp_path
):
    with pytest.raises(TypeError, match="checkpoint_dir must be a path or None, got 5"):
        quick(5).fit(*data)
    with pytest.raises(ValueError, match="checkpoint_dir needs an int random_state"):
        quick(tmp_path, random_state=None).fit(*data)
    nameless = LRScheduler(policy=lambda optimizer, last_epoch: None)
    with pytest.raises(ValueError, match=r"can be pickled.*Define callbacks and their"):
        quick(tmp_path, callbacks=[nameless]).fit(*data)


class Disk:
    """A stand-in for os.fsync that fails from some call on."""

    def __init__(self, works_for, number):
        self.works_for, self.number = works_for, number

    def __call__(self, handle):
        self.works_for -= 1
        if self.works_for < 0:
            raise OSError(self.number, os.strerror(self.number))


def refused(data, folder, **changes):
    with pytest.raises(OSError, match="heckpoint") as error:
        quick(folder, **changes).fit(*data)
    return error.value, " ".join(str(error.value).split())


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_disk_that_takes_nothing_is_an_error_before_the_first_epoch(
    data, tmp_path, monkeypatch, number
):
    monkeypatch.setattr(os, "fsync", Disk(0, number))
    error, message = refused(data, tmp_path)
    assert error.errno == number
    assert message.startswith(
        f"No checkpoint can be written to checkpoint_dir='{tmp_path}' "
        f"({os.strerror(number)}), so training has not begun. There is no earlier one. "
        "Make room for "
    )
    assert Trap.trained == 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_fills_up_in_an_epoch_is_an_error_then(
    data, tmp_path, monkeypatch, uninterrupted
):
    # One call tries the folder out; then each epoch has one for the file, one for the
    # folder.
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", Disk(1 + 2 * 2, errno.ENOSPC))
        error, message = refused(data, tmp_path)
    assert error.errno == errno.ENOSPC
    assert message.startswith(
        f"The checkpoint of epoch 3 cannot be written to {only_file(tmp_path)} (No space "
        "left on device). That of epoch 2 is kept, and the same fit goes on from it. "
    )
    assert re.search(r"Make room for \d\.\d MiB there, or move the files", message)
    Trap.trained = 0
    assert_same_fit(quick(tmp_path).fit(*data), uninterrupted, data[0])
    assert Trap.trained == EPOCHS - 2


class LimitFiles(Callback):
    """Lets no file of this process grow beyond 10 kB, from the second epoch on."""

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == 2:
            resource = pytest.importorskip("resource")
            limits = resource.getrlimit(resource.RLIMIT_FSIZE)
            resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, limits[1]))


def test_a_write_that_the_system_cuts_off_is_an_error_and_leaves_no_part(
    data, tmp_path
):
    resource = pytest.importorskip("resource")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    try:
        _, message = refused(data, tmp_path, callbacks=[LimitFiles()])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert "checkpoint of epoch 2 cannot be written" in message
    assert "(File too large). That of epoch 1 is kept" in message
    assert only_file(tmp_path).suffix == ".checkpoint"


def test_a_folder_that_cannot_be_one_is_an_error_before_the_first_epoch(data, tmp_path):
    file = tmp_path / "file"
    file.write_text("not a folder")
    for folder in (file, file / "below", "/dev/full"):
        _, message = refused(data, folder)
        assert f"can be written to checkpoint_dir='{folder}' (" in message
    assert Trap.trained == 0


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 2 MiB, where one may be mounted."""
    folder = tmp_path / "disk"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2M", "tmpfs", str(folder)]
    try:
        subprocess.run(command, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("only root may mount a small disk")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def test_a_full_disk_is_an_error_until_there_is_room(data, small_disk, uninterrupted):
    folder, other = small_disk / "kept", small_disk / "other"
    other.write_bytes(bytes(3 * 2**19))
    error, message = refused(data, folder)
    assert error.errno == errno.ENOSPC
    assert "so training has not begun" in message
    assert Trap.trained == 0
    other.unlink()
    assert_same_fit(quick(folder).fit(*data), uninterrupted, data[0])


def test_a_read_only_disk_serves_finished_fits_and_refuses_others(data, small_disk):
    first = quick(small_disk).fit(*data)
    remount = ["mount", "-o", "remount,ro", str(small_disk)]
    subprocess.run(remount, check=True)
    assert_same_fit(quick(small_disk).fit(*data), first, data[0])
    error, message = refused(data, small_disk, lr=0.1)
    assert error.errno == errno.EROFS
    assert "so training has not begun" in message


def test_a_checkpoint_that_cannot_be_read_is_an_error(data, tmp_path):
    quick(tmp_path, max_epochs=1).fit(*data)
    path = only_file(tmp_path)
    path.unlink()
    path.mkdir()
    _, message = refused(data, tmp_path, max_epochs=1)
    assert message.startswith(f"The checkpoint {path} cannot be read (Is a directory).")


class Evil:
    def __reduce__(self):
        return (os.mkdir, ("executed",))


def with_digest(content):
    return content + hashlib.sha256(content).digest()


def forged(content):
    payload = io.BytesIO()
    torch.save({"module": Evil()}, payload)
    return with_digest(content.split(b"\n", 1)[0] + b"\n" + payload.getvalue())


CHECKSUM = r"cut off or altered \(its checksum is wrong\)"


@pytest.mark.filterwarnings("default::UserWarning")
@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda content: b"", CHECKSUM),
        (lambda content: content[: len(content) // 2], CHECKSUM),
        (lambda content: content[:-1], CHECKSUM),
        (lambda content: bytes(5000), CHECKSUM),
        (lambda content: pickle.dumps(Evil()), CHECKSUM),
        (lambda content: content[:9000] + b"\x01" + content[9001:], CHECKSUM),
        (
            lambda content: with_digest(content[:-32].replace(b"-", b"+", 1)),
            r"it belongs to another fit \(XrayCNNRegressor\+",
        ),
        (forged, "torch .* refuses to read it"),
    ],
    ids=["empty", "half", "short", "zeros", "pickle", "flipped", "other", "forged"],
)
def test_a_damaged_checkpoint_is_told_and_replaced(
    data, tmp_path, monkeypatch, uninterrupted, damage, reason
):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "kept"
    interrupted(quick(folder), data, 3)
    path = only_file(folder)
    path.write_bytes(damage(path.read_bytes()))
    expected = rf"{path.name} is not a usable checkpoint: .*{reason}.*begins anew, "
    with pytest.warns(UserWarning, match=expected):
        again = quick(folder).fit(*data)
    assert_same_fit(again, uninterrupted, data[0])
    Trap.trained = 0
    quick(folder).fit(*data)
    assert Trap.trained == 0
    assert list(tmp_path.iterdir()) == [folder]


CONTENT = checkpoints._encoded({"fit": "a", "epochs": 1}, {"module": torch.arange(9.0)})


@given(st.integers(0, 8 * len(CONTENT) - 1))
def test_no_bit_of_a_checkpoint_can_be_flipped_unseen(bit):
    altered = bytearray(CONTENT)
    altered[bit // 8] ^= 1 << bit % 8
    with pytest.raises(ValueError, match="its checksum is wrong"):
        checkpoints._decoded(bytes(altered), "a", "cpu")


def test_a_network_built_otherwise_is_an_error_that_names_the_file(data, tmp_path):
    interrupted(quick(tmp_path), data, 3)
    path = only_file(tmp_path)
    content = path.read_bytes()[:-32]
    head, state = content.split(b"\n", 1)
    state = torch.load(io.BytesIO(state), weights_only=True)
    state["module"].popitem()
    buffer = io.BytesIO()
    torch.save(state, buffer)
    path.write_bytes(with_digest(head + b"\n" + buffer.getvalue()))
    with pytest.raises(ValueError, match=rf"{path.name} holds another network"):
        quick(tmp_path).fit(*data)


def test_parts_of_dead_runs_are_removed_and_those_of_live_ones_kept(tmp_path):
    fcntl = pytest.importorskip("fcntl")
    path = tmp_path / "fit-1.checkpoint"
    dead, live = (tmp_path / f"{path.name}.{name}.part" for name in ("dead", "live"))
    other = tmp_path / "fit-2.checkpoint.dead.part"
    for part in (dead, live, other):
        part.write_bytes(b"half")
    with open(live, "rb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        remove_leftovers(path)
        assert sorted(tmp_path.iterdir()) == sorted([live, other])
    remove_leftovers(path)
    assert list(tmp_path.iterdir()) == [other]


def test_a_part_is_locked_for_as_long_as_it_is_written(tmp_path, monkeypatch):
    pytest.importorskip("fcntl")
    path, found = tmp_path / "fit.checkpoint", []

    def meanwhile(handle):
        remove_leftovers(path)
        found.append(len(list(tmp_path.glob("*.part"))))

    monkeypatch.setattr(os, "fsync", meanwhile)
    replace_file(path, b"new")
    assert found == [1, 0]
    assert path.read_bytes() == b"new"


def test_a_fit_removes_what_a_dead_run_of_it_left(data, tmp_path):
    interrupted(quick(tmp_path), data, 2)
    path = only_file(tmp_path)
    leftover = path.with_name(f"{path.name}.dead.part")
    leftover.write_bytes(b"half")
    quick(tmp_path).fit(*data)
    assert list(tmp_path.iterdir()) == [path]


def test_a_file_reaches_the_disk_before_it_replaces_the_old_one(tmp_path, monkeypatch):
    order, fsync, replace = [], os.fsync, os.replace

    def synced(handle):
        is_folder = stat.S_ISDIR(os.fstat(handle).st_mode)
        order.append("folder" if is_folder else f"{os.fstat(handle).st_size} bytes")
        fsync(handle)

    def replaced(old, new):
        order.append("replace")
        replace(old, new)

    monkeypatch.setattr(os, "fsync", synced)
    monkeypatch.setattr(os, "replace", replaced)
    replace_file(tmp_path / "file", bytes(123))
    assert order == ["123 bytes", "replace", "folder"]


@pytest.mark.parametrize("verbose", [1, 2])
def test_a_verbose_fit_says_where_it_goes_on(data, tmp_path, capsys, verbose):
    interrupted(quick(tmp_path, verbose=verbose), data, 3)
    assert "goes on" not in capsys.readouterr().err
    quick(tmp_path, verbose=verbose).fit(*data)
    shown = capsys.readouterr()
    path = only_file(tmp_path)
    line = f"XrayCNNRegressor 1/1 goes on after epoch 2, from {path}\n"
    assert shown.err.startswith(line)
    if verbose == 2:
        head, _, *rows = (row.split()[0] for row in shown.out.splitlines())
        assert [head, *rows] == ["epoch", "3", "4"]
    quick(tmp_path, verbose=verbose).fit(*data)
    line = f"XrayCNNRegressor 1/1 is finished: 4 epochs, from {path}\n"
    assert capsys.readouterr().err == line
    quick(tmp_path).fit(*data)
    assert capsys.readouterr() == ("", "")


def test_training_the_net_further_leaves_the_checkpoint_alone(data, tmp_path):
    regressor = quick(tmp_path).fit(*data)
    before = only_file(tmp_path).read_bytes()
    for fitted in (regressor, quick(tmp_path).fit(*data)):
        batches = fitted._batches(fitted._read(data[0]), data[1])
        fitted.net_.partial_fit(batches, epochs=1)
        assert only_file(tmp_path).read_bytes() == before


class Declares(Callback):
    """Counts epochs in an attribute that is there when training begins."""

    def on_train_begin(self, net, **kwargs):
        self.count_ = 0

    def on_epoch_end(self, net, **kwargs):
        self.count_ += 1
        self.total_ = self.count_

    def method_(self):
        return "of the class"


def test_only_attributes_that_a_callback_declares_are_restored():
    callback = Declares()
    callback.on_train_begin(None)
    held = {
        "count_": 3,
        "total_": 3,
        "method_": 1,
        "__class__": 1,
        "__dict__": {"count_": 9},
        "__foreign__": 1,
        "path": "/elsewhere",
    }
    checkpoints._restore_learned(callback, held)
    assert vars(callback) == {"count_": 3}
    assert type(callback) is Declares
    assert callback.method_() == "of the class"


def test_a_schedule_takes_only_what_it_would_store():
    schedule = StepLR(torch.optim.SGD([torch.zeros(1)], lr=1.0), step_size=3)
    callback = LRScheduler()
    callback.lr_scheduler_ = schedule
    held = {"last_epoch": 5, "step": "not a method", "__foreign__": 1}
    checkpoints._restore_learned(callback, {"lr_scheduler_": held})
    assert schedule.last_epoch == 5
    assert callable(schedule.step)
    assert not hasattr(schedule, "__foreign__")


def test_a_fit_to_other_inputs_is_another_fit(tmp_path):
    """It would otherwise take the weights of the former without a word."""
    rng, n = np.random.default_rng(0), 20
    offsets = 20 * np.arange(n + 1)
    maps, share = rng.poisson(3.0, (n, 1, 16, 16)), rng.uniform(0, 0.5, (n, 1, 16, 16))
    spread = {"x": 0.5, "y": 0.5, "v": 500.0}
    columns = {name: rng.normal(0, s, 20 * n) for name, s in spread.items()}
    galaxies = Ragged(columns, offsets)
    columns = {name: np.ones(20 * n) for name in ("ra", "dec", "energy")}
    columns["log_energy"] = rng.normal(0, 0.3, 20 * n)
    photons = Ragged(columns, offsets)
    cubes, exposure = rng.random((n, 16, 16, 16)), np.linspace(1000.0, 2000.0, n)
    settings = {"max_epochs": 1, "random_state": 0, "n_threads": 1, "device": "cpu"}
    fields_of = {
        XrayCNNRegressor(**settings): [
            {},
            {"group": np.arange(n) // 2},
            {"position": rng.uniform(0, 352, (n, 3))},
            {"unobserved": share},
            {"unobserved": share[::-1]},
        ],
        JointCNNRegressor(phase_space=PhaseSpaceKDE(n_bins=16), **settings): [
            {"galaxies": galaxies},
            {"galaxies": galaxies.assign(v=1.1 * galaxies["v"])},
            {"cubes": cubes},
            {"cubes": cubes[::-1]},
        ],
        PhotonSetRegressor(**settings): [
            {"photons": photons},
            {"photons": photons, "exposure": exposure},
            {"photons": photons, "exposure": exposure[::-1]},
        ],
    }
    X, y = ClusterSample(np.linspace(0.1, 0.3, n), maps=maps), rng.uniform(13.5, 15, n)
    n_fits = 0
    for model, inputs in fields_of.items():
        for fields in inputs:
            model.set_params(checkpoint_dir=tmp_path).fit(X.assign(**fields), y)
            n_fits += 1
            assert len(list(tmp_path.iterdir())) == n_fits, (model, [*fields])
