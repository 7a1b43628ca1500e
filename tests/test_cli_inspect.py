"""`skcluster inspect`: a header for people or programs, and an exit code to trust."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    read_header,
    save_model,
)
from skcluster.cli import main
from skcluster.persistence.archive import HEADER, pack, read_members
from skcluster.persistence.file_header import pack_header


@pytest.fixture
def path(tmp_path):
    """A model with all that a header may tell."""
    network = XrayCNNRegressor(n_members=5, random_state=0)
    steps = PhotonMapper(n_pixels=32), LogScaler(), network
    model = RotationAugmentedRegressor(make_pipeline(*steps), n_rotations=2)
    model.training_ranges_ = {"redshift": (0.1, 0.4), "n_photons": (12, np.inf)}
    path = tmp_path / "model.skops"
    folds = {"Coma": 0, "Virgo": 3, "Perseus": 0}
    save_model(model, path, folds=folds, notes="first release")
    return path


def lines_of(capsys, path):
    assert main(["inspect", str(path)]) == 0
    return capsys.readouterr().out.splitlines()


@pytest.mark.parametrize("command", [["--help"], ["predict", "--help"], ["inspect"]])
def test_what_loads_no_model_takes_less_than_four_times_what_numpy_takes(command, path):
    command = ["-m", "skcluster", *command, *[str(path)] * (command == ["inspect"])]
    commands = [["-c", "import numpy"], command]
    taken = [[cpu_seconds(each) for each in commands] for _ in range(3)]
    numpy, ours = np.min(taken, axis=0)  # other processes heat the same cores
    assert ours < 4 * numpy


def cpu_seconds(command):
    """Seconds that a new Python takes for the command."""
    before = os.times()
    subprocess.run([sys.executable, *command], check=True, capture_output=True)
    after = os.times()
    user = after.children_user - before.children_user
    return user + after.children_system - before.children_system


def test_each_field_is_a_line_and_each_step_of_the_model_too(path, capsys):
    lines = lines_of(capsys, path)
    header = read_header(path)
    told = dict(line.split(maxsplit=1) for line in lines if line[0] != " ")
    assert told["format"] == "1"
    assert told["written"] == header.written
    assert f"numpy {np.__version__}" in told["versions"].split(", ")
    assert told["notes"] == "first release"
    assert told["target"] == "log10 M500c [Msun/h]"
    assert told["bands"] == "[[0.5, 10.0]] keV"
    assert told["half_width"] == "2.3 comoving Mpc/h"
    assert (told["n_pixels"], told["cosmology"]) == ("32", "WMAP7")
    assert told["training_ranges"] == "redshift: [0.1, 0.4]"
    assert told["folds"] == "3 clusters in 2 folds"
    assert told["sha256"] == "1 members, all as they were written"
    model = [line[16:] for line in lines]
    model = model[model.index("RotationAugmentedRegressor(n_rotations=2)") :][:5]
    assert model[1:] == [
        "  estimator: Pipeline()",
        "    photonmapper: PhotonMapper(n_pixels=32)",
        "    logscaler: LogScaler()",
        "    xraycnnregressor: XrayCNNRegressor(n_members=5, random_state=0)",
    ]


def test_json_is_the_header(path, capsys):
    assert main(["inspect", str(path), "--json"]) == 0
    assert json.loads(capsys.readouterr().out) == read_header(path)


def test_folds_without_names_are_counted(tmp_path, capsys):
    save_model(LogScaler(), tmp_path / "m.skops", folds=[5, 5, 7, 5])
    lines = lines_of(capsys, tmp_path / "m.skops")
    assert "folds           4 clusters in 2 folds" in lines
    assert not any(line.startswith(("bands", "target", "notes")) for line in lines)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"SIMPLE  =  T", "is not a model that save_model wrote"),
        (b"\x80\x05K\x01.", "joblib.load, which runs the code"),
        (None, "There is no model"),
    ],
)
def test_what_is_no_model_is_one_line_and_exit_code_1(content, told, tmp_path, capsys):
    path = tmp_path / "model"
    if content is not None:
        path.write_bytes(content)
    assert main(["inspect", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert err.count("\n") == 1
    assert err.startswith("skcluster: ")
    assert told in err


def test_a_damaged_model_is_exit_code_1(path, capsys):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert main(["inspect", str(path)]) == 1
    assert "damaged: Bad CRC-32 for file" in capsys.readouterr().err


ODD = ["\x1b[2J", 3, None, True, [], {}, [[1]], {"class": 1}, {"\x1b": [0, [None]]}]
ODD += [{"class": "a\x1b", "parameters": {"\x1b": {}, "steps": [["\x1b", 2], []]}}]


@pytest.mark.parametrize("value", ODD, ids=range(len(ODD)))
@pytest.mark.parametrize(
    "field",
    ["written", "notes", "model", "bands", "training_ranges", "folds", "n_pixels"],
)
def test_whatever_an_author_wrote_is_shown_or_refused(field, value, path, capsys):
    members = read_members(path)
    header = {**json.loads(members.pop(HEADER)), field: value}
    path.write_bytes(pack({HEADER: pack_header(header, members), **members}))
    code = main(["inspect", str(path)])
    out, err = capsys.readouterr()
    assert code == (1 if err else 0)
    assert all(line.isprintable() for line in (out + err).splitlines())
    assert main(["inspect", str(path), "--json"]) == code
