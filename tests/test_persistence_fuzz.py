"""load_model under fire: an error that names the file, or a model, and nothing else."""

import importlib.util
import json
import os
import pickle
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from skcluster import load_model
from skcluster.persistence.archive import HEADER, SCHEMA, pack, read_members
from skcluster.persistence.file_header import pack_header

pytestmark = pytest.mark.fuzz

SCRIPT = Path(__file__).parent / "stress" / "fuzz_models.py"
N_INPUTS, SECONDS = 3000, 8
"""At most; the script tries more."""


@pytest.fixture(scope="module")
def fuzz_models():
    spec = importlib.util.spec_from_file_location("fuzz_models", SCRIPT)
    module = importlib.util.module_from_spec(spec)
    # Under its name, so that a hostile file could import the canary.
    sys.modules["fuzz_models"] = module
    spec.loader.exec_module(module)
    yield module
    del sys.modules["fuzz_models"]


@pytest.fixture(scope="module")
def trial(fuzz_models, tmp_path_factory):
    return fuzz_models.Trial(tmp_path_factory.mktemp("fuzz"))


def test_thousands_of_mutated_files_are_refused_or_loaded_right(trial):
    started = time.process_time()
    counts, wrong = Counter(), []
    for seed in range(N_INPUTS // 100):
        some, more = trial.run(100, seed)
        counts += some
        wrong += more
        if time.process_time() - started > SECONDS:
            break
    assert wrong == []
    assert {enemy for enemy, _, _ in counts} == {"accident", "author"}
    assert {name for _, name, _ in counts} == {*trial.originals}
    said = {said for _, _, said in counts}
    assert {"ValueError", "the same model", "another model"} <= said


SLOW_MACHINE = settings(
    max_examples=100,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
PLACE = st.floats(0, 1, exclude_max=True)
EDIT = st.tuples(PLACE, st.integers(0, 9), st.binary(max_size=9))


@SLOW_MACHINE
@given(
    edits=st.lists(
        st.tuples(PLACE, st.integers(0, 9), st.binary(max_size=9)), min_size=1
    )
)
def test_bytes_put_in_the_place_of_others_are_seen(edits, trial):
    content = trial.originals["evrard"]
    for place, n_lost, put in edits:
        at = int(place * len(content))
        content = content[:at] + put + content[at + n_lost :]
    said, is_fine = trial.outcome("evrard", content, is_author=False)
    assert is_fine, said


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=9),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=9) | st.just("__id__"), inner, max_size=3)
    ),
    max_leaves=9,
)


@SLOW_MACHINE
@given(place=PLACE, value=JSON)
def test_any_json_anywhere_in_the_schema_is_refused_or_harmless(
    place, value, trial, fuzz_models
):
    trial.path.write_bytes(trial.originals["evrard"])
    members = read_members(trial.path)
    header, schema = json.loads(members.pop(HEADER)), json.loads(members[SCHEMA])
    slots = fuzz_models.slots_of(schema)
    node, key = slots[int(place * len(slots))]
    node[key] = value
    members[SCHEMA] = json.dumps(schema).encode()
    content = pack({HEADER: pack_header(header, members), **members})
    said, is_fine = trial.outcome("evrard", content, is_author=True)
    assert is_fine, said


def by_unpickling(fuzz_models, path):
    pickle.loads(pickle.dumps(fuzz_models.Canary()))


def by_a_process(fuzz_models, path):
    subprocess.run(["true"], check=True)


def by_the_shell(fuzz_models, path):
    os.system("true")


def by_exec(fuzz_models, path):
    exec("1")


def by_writing(fuzz_models, path):
    path.write_bytes(b"")


def by_removing(fuzz_models, path):
    path.touch()
    path.unlink()


def by_the_canary(fuzz_models, path):
    fuzz_models.Canary.__new__(fuzz_models.Canary)


@pytest.mark.parametrize(
    "act",
    [
        by_unpickling,
        by_a_process,
        by_the_shell,
        by_exec,
        by_writing,
        by_removing,
        by_the_canary,
    ],
)
def test_the_watch_sees_what_must_not_happen(act, trial, fuzz_models, tmp_path):
    with trial.watch(20):
        act(fuzz_models, tmp_path / "file")
    assert trial.watch.seen != []
    trial.path.write_bytes(trial.originals["evrard"])
    with trial.watch(20):
        load_model(trial.path)
    assert trial.watch.seen == []


def test_the_watch_ends_what_does_not_end(trial, fuzz_models):
    def go_on_for_ever():
        while True:
            pass

    with pytest.raises(fuzz_models.TookTooLong, match=r"0\.01 s"), trial.watch(0.01):
        go_on_for_ever()


def test_another_exception_a_left_over_and_a_changed_model_are_not_fine(
    trial, monkeypatch, fuzz_models
):
    content = trial.originals["evrard"]

    def outcome_of(load_model):
        monkeypatch.setattr(fuzz_models, "load_model", load_model)
        return trial.outcome("evrard", content, is_author=False)

    def leave_something(path):
        path.with_suffix(".part").touch()
        return load_model(path)

    def fail(path):
        raise KeyError(path)

    assert outcome_of(load_model) == ("the same model", True)
    assert outcome_of(lambda path: 3) == ("another model", False)
    said, is_fine = outcome_of(fail)
    assert said.startswith("KeyError")
    assert not is_fine
    said, is_fine = outcome_of(leave_something)
    trial.path.with_suffix(".part").unlink()
    assert "open" in said
    assert not is_fine
