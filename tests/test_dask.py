"""The same code and the same bits on the workers of a Dask cluster."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from joblib import Parallel, delayed, parallel_config
from numpy.testing import assert_array_equal
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    SaliencyExplainer,
    XrayCNNRegressor,
)
from skcluster.cli import main
from skcluster.cli import predict as predict_module
from skcluster.datasets import make_mock_survey

distributed = pytest.importorskip("distributed")
pytestmark = [
    pytest.mark.slow,
    # Of Dask itself, on a busy machine or when its workers end.
    pytest.mark.filterwarnings("ignore::ResourceWarning"),
    pytest.mark.filterwarnings("ignore::DeprecationWarning"),
    pytest.mark.filterwarnings("ignore:.*Sending large graph"),
]


@pytest.fixture(scope="module")
def cluster():
    """Two workers with one thread each."""
    with (
        distributed.LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        distributed.Client(cluster),
    ):
        yield cluster


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(24, random_state=0)


def network():
    regressor = XrayCNNRegressor(max_epochs=1, n_threads=1, random_state=0)
    return make_pipeline(PhotonMapper(n_pixels=16), LogScaler(), regressor)


def test_mock_clusters_are_the_same(cluster, survey, assert_same):
    with parallel_config("dask"):
        found = make_mock_survey(24, random_state=0, n_jobs=-1)
    assert_same(found.sample, survey.sample)
    assert_array_equal(found.log_mass, survey.log_mass)


def test_maps_and_cubes_of_parts_are_the_same(cluster, survey):
    sample, mapper, kde = survey.sample, PhotonMapper(n_pixels=16), PhaseSpaceKDE()
    starts = range(0, len(sample), 5)
    with parallel_config("dask"):
        maps = Parallel()(delayed(mapper.transform)(sample[i : i + 5]) for i in starts)
        cubes = kde.set_params(n_bins=8, n_jobs=-1).transform(sample).cubes
    found = np.concatenate([np.asarray(part.maps) for part in maps])
    assert_array_equal(found, np.asarray(mapper.transform(sample).maps))
    expected = kde.set_params(n_jobs=None).transform(sample).cubes
    assert_array_equal(np.asarray(cubes), np.asarray(expected))


def test_folds_are_the_same(cluster, survey):
    sample, log_mass = survey.sample, survey.log_mass
    expected = cross_val_predict(network(), sample, log_mass, cv=3)
    with parallel_config("dask"):
        found = cross_val_predict(network(), sample, log_mass, cv=3, n_jobs=-1)
    assert_array_equal(found, expected)


def test_the_saliency_of_parts_is_the_same(cluster, survey):
    sample = survey.sample
    explainer = SaliencyExplainer(network().fit(sample, survey.log_mass))
    starts = range(0, len(sample), 8)
    with parallel_config("dask"):
        parts = Parallel()(
            delayed(explainer.explain)(sample[i : i + 8]) for i in starts
        )
    assert_array_equal(np.concatenate(parts), explainer.explain(sample))


def test_the_command_gives_the_same_bits(cluster, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(predict_module, "CLUSTERS_IN_A_PART", 4)
    table, model = str(tmp_path / "s" / "clusters.ecsv"), str(tmp_path / "m.skops")
    assert main(["simulate", str(tmp_path / "s"), "--clusters=10"]) == 0
    train = ["train", table, "-o", model, "--pixels=16", "--epochs=1", "--device=cpu"]
    assert main(train) == 0
    found = []
    for options in ([], ["--dask", cluster.scheduler_address]):
        capsys.readouterr()
        assert main(["predict", model, table, "--json", *options]) == 0
        found.append(json.loads(capsys.readouterr().out))
    assert len(found[0]) == 10
    assert found[0] == found[1]


def test_the_example_of_the_page_runs():
    script = Path(__file__).parents[1] / "docs" / "scripts" / "on_dask.py"
    done = subprocess.run([sys.executable, script], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "the same bits: True" in done.stdout


def test_a_cluster_with_threads_or_no_cluster_is_refused(tmp_path):
    code = (
        "from distributed import LocalCluster\n"
        "from skcluster.cli.parts import dask_workers\n"
        "if __name__ == '__main__':\n"
        "    options = {'n_workers': 1, 'threads_per_worker': 2, 'processes': False}\n"
        "    with LocalCluster(**options, dashboard_address=None) as cluster:\n"
        "        try:\n"
        "            with dask_workers(cluster.scheduler_address): pass\n"
        "        except ValueError as error: print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert "have 2 threads. Start at least one, and each with one thread" in done.stdout
