"""`skcluster train --joint` and `predict`: galaxies of a table, of a list, or of none."""

import json

import numpy as np
import pytest
import torch
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import JointCNNRegressor, load_model, read_sample
from skcluster.cli import main
from skcluster.cosmology import comoving_distance, plane_to_sky
from skcluster.io.galaxies import SPEED_OF_LIGHT

TINY = ["--pixels=16", "--bins=16", "--epochs=1", "--device=cpu", "--joint"]

pytest.importorskip("skops")


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    assert main(["simulate", str(folder / "survey"), "--clusters", "14"]) == 0
    return folder / "survey" / "clusters.ecsv"


@pytest.fixture(scope="module")
def model(table):
    path = table.parent / "joint.skops"
    assert main(["train", str(table), "-o", str(path), *TINY, "--allow-missing"]) == 0
    return path


def masses(capsys, *arguments):
    capsys.readouterr()
    assert main(["predict", *map(str, arguments), "--json"]) == 0
    return np.array([row["log_mass"] for row in json.loads(capsys.readouterr().out)])


def test_predict_gives_what_the_model_says_of_photons_and_galaxies(
    model, table, capsys
):
    pipeline = load_model(model)
    assert isinstance(pipeline[-1], JointCNNRegressor)
    assert pipeline[-1].n_bins_ == 16
    sample, _ = read_sample(table)
    found = masses(capsys, model, table)
    assert_allclose(found, pipeline.predict(sample), atol=1e-6)
    bare = pipeline.predict(sample.drop("galaxies"))
    assert not np.allclose(found, bare, atol=1e-6)


def test_an_empty_cell_is_a_cluster_without_spectroscopy(model, table, capsys):
    rows = Table.read(table)
    rows["galaxies"] = [
        "" if i == 3 else path for i, path in enumerate(rows["galaxies"])
    ]
    mixed = table.parent / "mixed.csv"
    rows.write(mixed, overwrite=True)
    sample, _ = read_sample(mixed)
    assert sample.galaxies.lengths[3] == 0
    assert (np.delete(sample.galaxies.lengths, 3) > 0).all()
    full, found = masses(capsys, model, table), masses(capsys, model, mixed)
    assert_array_equal(np.delete(found, 3), np.delete(full, 3))
    expected = load_model(model).predict(read_sample(table)[0].drop("galaxies"))
    assert_allclose(found[3], expected[3], atol=1e-6)


def test_one_list_of_galaxies_on_the_sky_beside_one_of_photons(
    model, table, tmp_path, capsys
):
    sample, _ = read_sample(table)
    cluster, row = sample[2], Table.read(table)[2]
    ra0, dec0 = cluster.center[0]
    z = cluster.redshift[0]
    distance = comoving_distance([z])[0]
    galaxies = cluster.galaxies.columns
    ra, dec = plane_to_sky(
        galaxies["x"] / distance, galaxies["y"] / distance, ra0, dec0
    )
    redshift = z + galaxies["v"] / SPEED_OF_LIGHT * (1 + z)
    path = tmp_path / "galaxies.csv"
    Table({"ra": ra, "dec": dec, "z": redshift}).write(path)
    photons = table.parent / row["photons"]
    about = [f"--redshift={z}", f"--ra={ra0}", f"--dec={dec0}"]
    found = masses(capsys, model, photons, *about, f"--galaxies={path}")
    expected = masses(capsys, model, table)[2]
    assert_allclose(found, expected, atol=1e-5)
    without = masses(capsys, model, photons, *about)
    assert not np.allclose(without, expected, atol=1e-5)


def test_clusters_without_galaxies_are_refused_by_default(table, tmp_path, capsys):
    rows = Table.read(table)
    rows["galaxies"][5] = ""
    rows.write(table.parent / "one_bare.csv", overwrite=True)
    command = ["train", str(table.parent / "one_bare.csv"), *TINY]
    assert main([*command, "-o", str(tmp_path / "model.skops")]) == 1
    error = capsys.readouterr().err
    assert "1 of 14 clusters have no phase-space cube (first: cluster 5)" in error
    assert not (tmp_path / "model.skops").exists()
