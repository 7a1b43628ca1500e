"""Results of long runs: complete or not there, and never taken for those of another."""

import hashlib
import json

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from skcluster.io.kept_arrays import fingerprint_of, kept_file, read_kept, write_kept


@pytest.mark.parametrize("compressed", [True, False])
def test_what_is_kept_is_read_to_the_bit(tmp_path, compressed):
    path = tmp_path / "new" / "kept.npz"
    arrays = {"mass": np.array([0.1, np.nan]), "name": np.array(["Ω", "b"])}
    write_kept(path, arrays, {"seed": 1, "why": ["x"]}, compressed=compressed)
    found, about, problem = read_kept(path, about=["seed"], columns=["mass"])
    assert (about, problem) == ({"seed": 1, "why": ["x"]}, "")
    assert found["mass"].tobytes() == arrays["mass"].tobytes()
    assert_array_equal(found["name"], arrays["name"])
    assert [file.name for file in path.parent.iterdir()] == ["kept.npz"]


def test_the_name_holds_the_hash_of_the_canonical_json(tmp_path):
    text = json.dumps({"a": [1, 2.5], "b": None}, sort_keys=True, separators=(",", ":"))
    expected = hashlib.sha256(text.encode()).hexdigest()
    description = {"b": None, "a": [1, 2.5]}
    assert fingerprint_of(description) == expected
    path = kept_file(tmp_path, "part", description)
    assert path == tmp_path / f"part-{expected[:16]}.npz"


@pytest.mark.parametrize("keep", [0, 1, 100, -1])
def test_a_file_cut_anywhere_is_a_problem_and_no_result(tmp_path, keep):
    path = tmp_path / "kept.npz"
    write_kept(path, {"mass": np.arange(50.0)}, {"seed": 1})
    path.write_bytes(path.read_bytes()[:keep])
    arrays, about, problem = read_kept(path)
    assert arrays is about is None
    assert "kept.npz cannot be used: " in problem


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        ({"about": ["model"]}, "it does not say what it is about"),
        ({"columns": ["std"]}, "columns are missing"),
        ({"columns": ["mass"]}, "columns are missing"),
    ],
)
def test_a_file_that_lacks_something_is_a_problem(tmp_path, needs, why):
    path = tmp_path / "kept.npz"
    write_kept(path, {"mass": np.zeros(2), "longer": np.zeros(3)}, {"seed": 1})
    assert read_kept(path, **needs)[2] == f"{path} cannot be used: {why}."


def test_nothing_there_is_no_problem(tmp_path):
    assert read_kept(tmp_path / "nowhere.npz") == (None, None, "")


def test_an_object_that_runs_code_is_refused(tmp_path):
    path = tmp_path / "kept.npz"
    np.savez(path, about=np.array({"seed": 1}, dtype=object))
    assert "cannot be used: Object arrays cannot be loaded" in read_kept(path)[2]
