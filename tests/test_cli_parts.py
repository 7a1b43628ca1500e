"""Many clusters: part by part, in processes, past broken ones, and on after a kill."""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy.table import Table

from skcluster.cli import explain as explain_module
from skcluster.cli import main, one_part
from skcluster.cli import predict as predict_module
from skcluster.cli.outcomes import Outcome

N_CLUSTERS = 11
N_IN_A_PART = 4
TINY = ["--pixels=16", "--epochs=1", "--device=cpu"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("parts")
    path = folder / "survey"
    assert main(["simulate", str(path), f"--clusters={N_CLUSTERS}", "--seed=3"]) == 0
    return path / "clusters.ecsv"


@pytest.fixture(scope="module")
def models(survey):
    """Two networks, trained for one epoch."""
    paths = [survey.parent / f"{seed}.skops" for seed in (0, 1)]
    for seed, path in enumerate(paths):
        options = ["-o", str(path), f"--seed={seed}", *TINY]
        assert main(["train", str(survey), *options]) == 0
    return paths


@pytest.fixture
def model(models):
    return models[0]


def set_part_size(monkeypatch, n_clusters):
    for module in (predict_module, explain_module):
        monkeypatch.setattr(module, "CLUSTERS_IN_A_PART", n_clusters)


@pytest.fixture
def small_parts(monkeypatch):
    set_part_size(monkeypatch, N_IN_A_PART)


@pytest.fixture
def worked(monkeypatch):
    """First cluster and number of clusters of each part that masses were measured of."""
    parts, measure = [], predict_module.predicted_masses

    def counted(model, sample, **options):
        parts.append((str(options["names"][0]), len(sample)))
        return measure(model, sample, **options)

    monkeypatch.setattr(predict_module, "predicted_masses", counted)
    return parts


def table_like(survey, path, **columns):
    """A table of the survey's lists with other columns."""
    table = Table.read(survey)
    for name in ("photons", "galaxies"):
        table[name] = [str(survey.parent / item) for item in table[name]]
    for name, column in columns.items():
        table[name] = column
    table.write(path, overwrite=True)
    return path


def interrupt_at(monkeypatch, module, name, n_calls):
    """Let a function press Ctrl-C when it has been called so many times."""
    calls, function = [], getattr(module, name)

    def interrupted(*args, **kwargs):
        calls.append(1)
        if len(calls) == n_calls:
            raise KeyboardInterrupt
        return function(*args, **kwargs)

    monkeypatch.setattr(module, name, interrupted)


def test_parts_change_no_bit_and_leave_no_file(
    survey, model, tmp_path, outcome, monkeypatch
):
    expected = outcome("predict", model, survey, "-o", tmp_path / "a.fits")
    as_json = outcome("predict", model, survey, "--json")[1]
    for n in (1, 4, N_CLUSTERS - 1):
        monkeypatch.setattr(predict_module, "CLUSTERS_IN_A_PART", n)
        found = outcome("predict", model, survey, "-o", tmp_path / "b.fits")
        assert found[:2] == expected[:2]
        assert (tmp_path / "b.fits").read_bytes() == (tmp_path / "a.fits").read_bytes()
        assert outcome("predict", model, survey, "--json")[1] == as_json
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.fits", "b.fits"]


def test_processes_change_no_bit(survey, model, small_parts, outcome):
    command = ["predict", model, survey, "--json", "--quantiles=0.1"]
    expected = outcome(*command)
    assert outcome(*command, "--jobs=2")[:2] == expected[:2]


def test_what_one_package_tells_another_is_no_warning_for_users(monkeypatch):
    def attempt(*_):
        warnings.warn("These clusters are unlike others.", stacklevel=1)
        for category in (DeprecationWarning, PendingDeprecationWarning):
            warnings.warn("Call me by my new name.", category, stacklevel=1)
        return Outcome({})

    monkeypatch.setattr(one_part, "_attempt", attempt)
    work = SimpleNamespace(load=lambda: None)
    part = SimpleNamespace(arguments=argparse.Namespace())
    found = one_part.outcome_of(work, part).warnings
    assert found == ["These clusters are unlike others."]


def test_several_tables_are_one_catalog(survey, model, small_parts, tmp_path, outcome):
    command = ["predict", model, survey, "--json"]
    rows = json.loads(outcome(*command)[1])
    cut = []
    for name, chosen in (("a", slice(0, 3)), ("b", slice(3, None))):
        table_like(survey, tmp_path / f"{name}.ecsv")
        table = Table.read(tmp_path / f"{name}.ecsv")[chosen]
        if name == "a":  # as in the table with all rows, galaxies play no part here
            table.remove_column("galaxies")
        table.write(tmp_path / f"{name}.ecsv", overwrite=True)
        cut.append(tmp_path / f"{name}.ecsv")
    found = json.loads(outcome("predict", model, *cut, "--json")[1])
    assert found == rows


@pytest.mark.parametrize("n_before", [0, 1])
def test_exposures_that_only_some_tables_have_are_not_dropped(
    survey, model, n_before, tmp_path, outcome
):
    """Alone, this model refuses them: it was fitted to clusters without exposures."""
    exposed = table_like(survey, tmp_path / "e.ecsv", exposure=[900.0] * N_CLUSTERS)
    tables = [survey, survey]
    tables.insert(n_before, exposed)
    code, out, err = outcome("predict", model, *tables)
    assert (code, out) == (1, "")
    assert f"{exposed} has the column exposure, but {survey} does not (1 of 3" in err
    assert "to clusters with exposures" in outcome("predict", model, exposed)[2]


class TestGoingOn:
    def test_what_is_done_is_not_done_again(
        self, survey, model, small_parts, worked, tmp_path, outcome, monkeypatch
    ):
        command = ["predict", model, survey, "-o"]
        expected = outcome(*command, tmp_path / "all.csv")
        worked.clear()
        with monkeypatch.context() as patch:
            interrupt_at(patch, predict_module, "predicted_masses", 3)
            assert outcome(*command, tmp_path / "masses.csv")[0] == 130
        assert [n for _, n in worked] == [4, 4]
        folder = tmp_path / "masses.csv.parts"
        (about,) = [json.loads(path.read_text()) for path in folder.glob("*.json")]
        assert about["rows"] == [0, N_CLUSTERS]
        assert len([*folder.glob("rows-*.npz")]) == 2
        assert not (tmp_path / "masses.csv").exists()
        worked.clear()
        assert outcome(*command, tmp_path / "masses.csv")[:2] == expected[:2]
        assert [n for _, n in worked] == [3]
        names = sorted(path.name for path in tmp_path.iterdir())
        assert names == ["all.csv", "masses.csv"]
        all_rows, rows = (tmp_path / name for name in names)
        assert rows.read_bytes() == all_rows.read_bytes()

    @pytest.fixture
    def stopped(
        self, survey, model, small_parts, worked, tmp_path, outcome, monkeypatch
    ):
        """A table of the survey, and a command that was stopped after two parts."""
        table = table_like(survey, tmp_path / "table.ecsv")
        command = ["predict", model, table, "-o", tmp_path / "masses.csv"]
        with monkeypatch.context() as patch:
            interrupt_at(patch, predict_module, "predicted_masses", 3)
            assert outcome(*command)[0] == 130
        worked.clear()
        return table, command

    def test_another_model_begins_anew(
        self, stopped, models, worked, outcome, tmp_path
    ):
        table, (name, _, *rest) = stopped
        outcome(name, models[1], *rest)
        assert [n for _, n in worked] == [4, 4, 3]
        found = (tmp_path / "masses.csv").read_bytes()
        outcome(name, models[1], table, "-o", tmp_path / "alone.csv")
        assert found == (tmp_path / "alone.csv").read_bytes()

    @pytest.mark.parametrize("option", ["--quantiles=0.5", "--prior-beta=1"])
    def test_other_options_begin_anew(self, stopped, worked, outcome, option):
        outcome(*stopped[1], option)
        assert [n for _, n in worked] == [4, 4, 3]

    def test_another_catalog_begins_anew(self, stopped, survey, worked, outcome):
        redshift = Table.read(survey)["redshift"]
        redshift[-1] += 0.01
        table_like(survey, stopped[0], redshift=redshift)
        outcome(*stopped[1])
        assert [n for _, n in worked] == [4, 4, 3]

    def test_a_list_that_was_mended_is_read_again_with_its_part(
        self, stopped, worked, outcome
    ):
        path = Table.read(stopped[0])["photons"][5]
        os.utime(path, ns=(0, time.time_ns()))
        outcome(*stopped[1])
        assert [n for _, n in worked] == [4, 3]

    def test_a_damaged_part_is_done_again(self, stopped, worked, outcome, tmp_path):
        paths = sorted((tmp_path / "masses.csv.parts").glob("rows-*.npz"))
        paths[0].write_bytes(paths[0].read_bytes()[:-60])
        code, _, err = outcome(*stopped[1])
        assert code == 0
        assert [n for _, n in worked] == [4, 3]
        assert "cannot be used" in err
        assert "Its clusters are done again." in err

    def test_others_files_in_the_folder_stay(self, stopped, outcome, tmp_path):
        (tmp_path / "masses.csv.parts" / "notes.txt").write_text("mine")
        assert outcome(*stopped[1])[0] == 0
        (left,) = (tmp_path / "masses.csv.parts").iterdir()
        assert left.read_text() == "mine"

    @pytest.mark.kill
    @pytest.mark.parametrize("command", ["predict", "explain"])
    def test_after_kills_at_any_time_files_have_the_same_bytes(
        self, survey, model, tmp_path, command, monkeypatch, outcome
    ):
        code = (
            "import sys; from skcluster.cli import main, predict, explain\n"
            "predict.CLUSTERS_IN_A_PART = explain.CLUSTERS_IN_A_PART = 1\n"
            f"sys.exit(main(['{command}', {str(model)!r}, {str(survey)!r}, '-o', "
            "*sys.argv[1:]]))"
        )

        def output(name):
            (tmp_path / name).mkdir(exist_ok=True)
            return f"{name}/masses.csv" if command == "predict" else f"{name}/out"

        def start(jobs):
            return subprocess.Popen(
                [sys.executable, "-c", code, output("killed"), jobs],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,  # for a kill that reaches its workers, too
            )

        def parts():
            return {path.name for path in tmp_path.glob("killed/**/rows-*.npz")}

        monkeypatch.chdir(tmp_path)
        _, expected, _ = outcome(command, model, survey, "-o", output("steady"))
        rng = np.random.default_rng(0)
        for jobs in ("--jobs=1", "--jobs=2", "--jobs=1"):
            n_before = len(parts())
            process = start(jobs)
            while len(parts()) < n_before + 2:
                assert process.poll() is None
                time.sleep(0.002)
            time.sleep(rng.uniform(0, 0.1))
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
        kept = parts()
        set_part_size(monkeypatch, 1)
        _, found, _ = outcome(command, model, survey, "-o", output("killed"))
        assert 6 <= len(kept) < N_CLUSTERS
        assert found == expected.replace("steady/", "killed/")
        for path in (tmp_path / "steady").rglob("*"):
            same = tmp_path / "killed" / path.relative_to(tmp_path / "steady")
            assert path.is_dir() or path.read_bytes() == same.read_bytes()


class TestExplain:
    @pytest.fixture
    def command(self, survey, model, tmp_path, monkeypatch):
        """Explain three clusters, in parts of two."""
        monkeypatch.setattr(explain_module, "CLUSTERS_IN_A_PART", 2)
        table = table_like(survey, tmp_path / "three.ecsv")
        Table.read(table)[:3].write(table, overwrite=True)
        return ["explain", model, table, "--method=smoothgrad", "--json", "-o"]

    def test_parts_and_ctrl_c_change_no_byte(
        self, command, tmp_path, outcome, monkeypatch
    ):
        out = tmp_path / "out"
        with monkeypatch.context() as patch:
            interrupt_at(patch, explain_module, "_write_png", 3)
            assert outcome(*command, out)[0] == 130
        # The third cluster has one of its files, which is no reason to stop.
        assert len([*out.glob("*.fits")]) == 3
        first = out / "mock-00000.fits"
        before = first.stat().st_mtime_ns
        code, found, _ = outcome(*command, out)
        assert (code, first.stat().st_mtime_ns) == (0, before)
        monkeypatch.setattr(explain_module, "CLUSTERS_IN_A_PART", 64)
        _, expected, _ = outcome(*command, tmp_path / "all")
        assert found.replace(str(out), "") == expected.replace(
            str(tmp_path / "all"), ""
        )
        files = sorted((tmp_path / "all").iterdir())
        assert sorted(path.name for path in out.iterdir()) == [f.name for f in files]
        assert len(files) == 6
        for path in files:
            assert (out / path.name).read_bytes() == path.read_bytes()

    def test_a_share_that_was_stopped_goes_on_after_another_one(
        self, survey, model, tmp_path, outcome, monkeypatch
    ):
        monkeypatch.setattr(explain_module, "CLUSTERS_IN_A_PART", 1)
        table, out = table_like(survey, tmp_path / "four.ecsv"), tmp_path / "out"
        Table.read(table)[:4].write(table, overwrite=True)
        command = ["explain", model, table, "--json", "-o", out]
        with monkeypatch.context() as patch:
            interrupt_at(patch, explain_module, "_write_png", 2)
            assert outcome(*command, "--share=1/2")[0] == 130
        first = out / "mock-00000.fits"
        before = first.stat().st_mtime_ns
        assert outcome(*command, "--share=2/2")[0] == 0
        code, _, err = outcome(*command, "--share=1/2")
        assert (code, first.stat().st_mtime_ns) == (0, before), err
        stems = [f"mock-0000{i}" for i in range(4)]
        assert {path.stem for path in out.iterdir()} == {*stems}

    @pytest.mark.slow
    def test_a_finished_part_whose_files_are_gone_is_done_again(
        self, command, tmp_path, outcome, monkeypatch
    ):
        with monkeypatch.context() as patch:
            interrupt_at(patch, explain_module, "_write_png", 3)
            assert outcome(*command, tmp_path / "out")[0] == 130
        gone = tmp_path / "out" / "mock-00001.png"
        gone.unlink()
        assert outcome(*command, tmp_path / "out")[0] == 0
        assert gone.exists()

    @pytest.mark.slow
    def test_files_of_another_run_are_not_taken_for_its_own(
        self, command, tmp_path, outcome, monkeypatch
    ):
        command = [*command, tmp_path / "out"]
        with monkeypatch.context() as patch:
            interrupt_at(patch, explain_module, "_write_png", 3)
            assert outcome(*command)[0] == 130
        code, _, err = outcome(*command, "--signed")
        assert code == 1
        assert "files are there already" in err
        assert outcome(*command, "--signed", "--overwrite")[0] == 0
        assert not (tmp_path / "out" / "explain.parts").exists()


class TestBrokenClusters:
    def test_one_is_named_and_all_others_have_the_same_bits(
        self, survey, model, small_parts, outcome, monkeypatch
    ):
        command = ["predict", model, survey, "--json"]
        expected = json.loads(outcome(*command)[1])
        measure = predict_module.predicted_masses

        def broken(model, sample, **options):
            if "mock-00005" in options["names"]:
                raise ZeroDivisionError("five")
            return measure(model, sample, **options)

        monkeypatch.setattr(predict_module, "predicted_masses", broken)
        code, out, err = outcome(*command)
        rows = json.loads(out)
        assert code == 3
        assert rows[:5] + rows[6:] == expected[:5] + expected[6:]
        lost = rows[5]
        assert (lost["name"], lost["redshift"]) == (
            "mock-00005",
            expected[5]["redshift"],
        )
        assert lost["n_photons"] == 0
        assert {*lost.values()} - {*list(lost.values())[:3]} == {None}
        assert (
            f"skcluster: warning: {survey}: Cluster mock-00005: ZeroDivisionError: five "
            "(--traceback shows where it came from)\n"
        ) in err
        assert f"1 of {N_CLUSTERS} clusters have no mass, because of the errors" in err
        with pytest.raises(ZeroDivisionError, match="five"):
            main([*map(str, command), "--traceback"])

    def test_a_part_of_which_no_list_can_be_read_stops_nothing(
        self, survey, model, small_parts, tmp_path, outcome
    ):
        expected = json.loads(outcome("predict", model, survey, "--json")[1])
        lists = [str(survey.parent / path) for path in Table.read(survey)["photons"]]
        lists[:4] = [f"nowhere-{i}.fits" for i in range(4)]
        table = table_like(survey, tmp_path / "t.ecsv", photons=lists)
        code, out, err = outcome("predict", model, table, "--json")
        assert code == 3
        assert json.loads(out)[4:] == expected[4:]
        assert "The photons of row 2 (cluster mock-00002) cannot be read" in err
        assert f"4 of {N_CLUSTERS} clusters have a list that cannot be read" in err

    @pytest.mark.skipif(not hasattr(signal, "setitimer"), reason="signals of POSIX")
    def test_a_cluster_that_takes_too_long_is_given_up(
        self, survey, model, small_parts, outcome, monkeypatch
    ):
        command = ["predict", model, survey, "--json"]
        expected = json.loads(outcome(*command)[1])
        measure = predict_module.predicted_masses

        def slow(model, sample, **options):
            if "mock-00006" in options["names"]:
                # As in a reader that calls every error a damaged file.
                with contextlib.suppress(Exception):
                    time.sleep(60)
            return measure(model, sample, **options)

        monkeypatch.setattr(predict_module, "predicted_masses", slow)
        code, out, err = outcome(*command, "--timeout=1.5")
        rows = json.loads(out)
        assert code == 3
        assert rows[:6] + rows[7:] == expected[:6] + expected[7:]
        assert "Cluster mock-00006: It takes longer than --timeout 1.5 seconds." in err

    def test_ten_of_many_are_named(self, survey, model, small_parts, outcome, tmp_path):
        lists = [str(survey.parent / path) for path in Table.read(survey)["photons"]]
        lists = [lists[0], *(f"nowhere-{i}.fits" for i in range(1, N_CLUSTERS))]
        table = table_like(survey, tmp_path / "t.ecsv", photons=lists)
        table.write_text(table.read_text().replace("nowhere-1.fits", "nowhere-1.fit"))
        _, _, err = outcome("predict", model, table)
        assert err.count("cannot be read from") == 10

    def test_warnings_of_one_kind_are_said_once(
        self, survey, model, small_parts, outcome, tmp_path
    ):
        table = table_like(survey, tmp_path / "t.ecsv", redshift=[0.9] * N_CLUSTERS)
        with warnings.catch_warnings():
            warnings.simplefilter("always")
            _, _, err = outcome("predict", model, table)
        far = [line for line in err.splitlines() if "redshift 0.9" in line]
        assert len(far) == 2
        for line, by in zip(
            far, ("RedshiftNormalizer", "XrayCNNRegressor"), strict=True
        ):
            assert line.startswith(
                "skcluster: warning: Rows 0 to 3: 4 of 4 clusters lie"
            )
            assert f" of {by}, " in line
        assert "more warnings like these, of other rows." in err


class TestShares:
    def test_shares_are_all_rows_once(self, survey, model, outcome, tmp_path):
        expected = json.loads(outcome("predict", model, survey, "--json")[1])
        rows = []
        for i in range(1, 4):
            command = ["predict", model, survey, "--json", f"--share={i}/3"]
            rows.append(json.loads(outcome(*command)[1]))
        assert [*map(len, rows)] == [3, 4, 4]
        assert [row for share in rows for row in share] == expected

    def test_files_of_a_share_are_named_as_those_of_all(
        self, survey, model, outcome, tmp_path
    ):
        table = table_like(survey, tmp_path / "t.ecsv", name=["A"] * N_CLUSTERS)
        command = ["explain", model, table, "-o", tmp_path / "out", "--share=11/11"]
        assert outcome(*command)[0] == 0
        names = sorted(path.name for path in (tmp_path / "out").iterdir())
        assert names == ["00010_A.fits", "00010_A.png"]

    @pytest.mark.parametrize("text", ["0/3", "4/3", "1", "a/b", "1/0", "-1/2"])
    def test_a_share_that_is_none_is_wrong_usage(self, text, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["predict", "m.skops", "t.csv", f"--share={text}"])
        assert stop.value.code == 2
        assert "is not a share such as 3/10" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.skipif(sys.platform == "win32", reason="a script of bash")
def test_the_array_of_jobs_gives_the_table_of_one(survey, model, tmp_path):
    assert (
        main(["predict", str(model), str(survey), "-o", str(tmp_path / "a.csv")]) == 0
    )
    script = Path(__file__).parents[1] / "docs" / "scripts" / "predict_array.sh"
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    for i in (1, 2):
        about = {"SLURM_ARRAY_TASK_ID": str(i), "SLURM_ARRAY_TASK_COUNT": "2"}
        command = ["bash", script, model, survey, tmp_path / "masses"]
        subprocess.run(command, env=os.environ | {"PATH": path} | about, check=True)
    shares = sorted((tmp_path / "masses").iterdir())
    assert [share.name for share in shares] == ["masses-0001.csv", "masses-0002.csv"]
    lines = [share.read_text().splitlines() for share in shares]
    joined = [lines[0][0], *lines[0][1:], *lines[1][1:]]
    assert joined == (tmp_path / "a.csv").read_text().splitlines()


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("--jobs=0", "--jobs must be an int that is not 0"),
        ("--timeout=-1", "--timeout must be"),
        ("--timeout=nan", "--timeout must be"),
    ],
)
def test_options_that_make_no_sense_are_refused(
    survey, model, outcome, option, message
):
    code, _, err = outcome("predict", model, survey, option)
    assert code == 1
    assert err.startswith(f"skcluster: {message}")
