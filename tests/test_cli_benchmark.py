"""`skcluster benchmark`: output, exit codes, errors in one line."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pytest
from astropy.table import Table

from skcluster.contest import BUILT_IN
from skcluster.datasets import make_mock_survey

CONTEST = """
reference = "line"
[survey]
table = "clusters.ecsv"
[folds]
n_folds = 3
max_folds = 1
[estimators.line]
builtin = "least_squares"
columns = ["n_phot"]
[estimators."photons, galaxies"]
factory = "sklearn.linear_model:Ridge"
columns = ["n_phot", "n_gal"]
"""
pytestmark = [
    pytest.mark.usefixtures("few_resamples"),
    # So few clusters leave some snapshots to a single octant.
    pytest.mark.filterwarnings("ignore:.*a redshift that no training cluster has"),
]

FAILING = '[estimators.bad]\nfactory = "sklearn.linear_model:Ridge"\n'


@pytest.fixture(scope="module")
def folder(tmp_path_factory, write_measured):
    """Folder of a table of clusters with what was measured, without lists."""
    folder = tmp_path_factory.mktemp("benchmark")
    write_measured(folder, make_mock_survey(48, random_state=0))
    return folder


@pytest.fixture
def config(folder):
    path = folder / "contest.toml"
    path.write_text(CONTEST)
    return path


@pytest.fixture
def benchmark(outcome):
    """A function that runs `benchmark`: exit code, standard output and error."""
    return partial(outcome, "benchmark")


def test_it_prints_a_table_and_writes_the_files(config, folder, benchmark):
    pytest.importorskip("matplotlib")
    code, out, err = benchmark(config)
    assert code == 0
    header, _, *rows = out.splitlines()
    assert header.split()[:3] == ["estimator", "std", "[%]"]
    assert [row.split()[0] for row in rows] == ["line", "photons,"]
    assert "2 folds trained, 0 kept from before, 0 missing." in err
    written = {path.name for path in (folder / "contest").iterdir()}
    assert written == {
        "predictions",
        "results.csv",
        "results.md",
        "scatter.png",
        "summary.csv",
        "time_to_accuracy.png",
    }
    code, again, err = benchmark(config)
    assert (code, again) == (0, out)
    assert "0 folds trained, 2 kept from before, 0 missing." in err
    code, again, err = benchmark(config, "--tables-only")
    assert (code, again) == (0, out)
    assert "trained" not in err


def test_json_is_the_summary(config, folder, benchmark):
    pytest.importorskip("matplotlib")
    code, out, _ = benchmark(config, "--json")
    told = json.loads(out)
    summary = Table.read(folder / "contest" / "summary.csv")
    assert code == 0
    assert [row["estimator"] for row in told] == ["line", "photons, galaxies"]
    assert told[1]["n_clusters"] == summary["n_clusters"][1]
    np.testing.assert_allclose(told[1]["std_gain"], summary["std_gain"][1])
    assert told[0]["std_percent_between_seeds"] is None


def test_another_folder_and_more_processes(config, tmp_path, benchmark):
    pytest.importorskip("matplotlib")
    code, out, _ = benchmark(config, "-o", tmp_path / "other", "--jobs", "2")
    _, expected, _ = benchmark(config)
    assert code == 0
    assert (tmp_path / "other" / "results.csv").exists()
    assert [line.split()[:4] for line in out.splitlines()] == [
        line.split()[:4] for line in expected.splitlines()
    ]


def test_folds_that_fail_or_wait_are_exit_code_3(config, folder, benchmark):
    pytest.importorskip("matplotlib")
    benchmark(config)
    other = folder / "failing.toml"
    other.write_text('output = "contest"\n' + CONTEST + FAILING)
    code, out, err = benchmark(other)
    assert code == 3
    assert "bad, seed 0, fold 0 failed: " in err
    assert "0 folds trained, 2 kept from before, 1 missing." in err
    assert "bad" not in out
    assert "Traceback" not in err


def test_folds_that_all_fail_are_exit_code_3_without_false_promises(folder, benchmark):
    pytest.importorskip("matplotlib")
    path = folder / "all_fail.toml"
    survey = CONTEST[CONTEST.index("[survey]") : CONTEST.index("[estimators")]
    path.write_text(survey + FAILING)
    code, out, err = benchmark(path)
    assert (code, out) == (3, "")
    assert "bad, seed 0, fold 0 failed: " in err
    assert "0 folds trained, 0 kept from before, 1 missing." in err
    assert "Without any fold there are no tables: all of them failed." in err
    assert "goes on with what is missing" not in err
    assert "--tables-only" not in err


def test_no_time_for_any_fold_is_exit_code_3(config, tmp_path, benchmark):
    pytest.importorskip("matplotlib")
    options = "-o", tmp_path / "none", "--minutes", "1e-9"
    code, out, err = benchmark(config, *options)
    assert (code, out) == (3, "")
    assert "The same command goes on with what is missing." in err
    assert "there are no tables: time was up." in err
    assert "failed" not in err


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["nowhere.toml"], "There is no configuration nowhere.toml. `skcluster ben"),
        (["CONFIG", "--minutes", "-1"], "--minutes must be a positive number"),
        (["CONFIG", "--jobs", "0"], "--jobs must be an int that is not 0"),
        (["CONFIG", "-o", "EMPTY", "--tables-only"], "There are no predictions in"),
    ],
)
def test_errors_are_one_line_with_the_way_out(
    config, tmp_path, benchmark, arguments, words
):
    pytest.importorskip("matplotlib")
    names = {"CONFIG": config, "EMPTY": tmp_path / "empty"}
    code, out, err = benchmark(*(names.get(each, each) for each in arguments))
    assert (code, out) == (1, "")
    (line,) = err.splitlines()
    assert line.startswith("skcluster: ")
    assert words in line


def test_a_column_that_the_survey_lacks_is_refused_with_the_nearest(folder, benchmark):
    pytest.importorskip("matplotlib")
    path = folder / "wrong.toml"
    path.write_text(CONTEST.replace('"n_gal"', '"n_gall"'))
    code, _, err = benchmark(path)
    assert code == 1
    assert "columns holds 'n_gall', which is not known. Did you mean 'n_gal'" in err


def test_the_help_names_every_built_in_estimator():
    done = subprocess.run(
        [sys.executable, "-m", "skcluster", "benchmark", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for name, built_in in BUILT_IN.items():
        assert f"  {name} " in done.stdout
        assert built_in.says in done.stdout
    assert "[estimators.mine]" in done.stdout
