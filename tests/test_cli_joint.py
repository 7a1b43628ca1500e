"""`skcluster train --joint` and `predict`: galaxies of a table, of a list, or of none."""

import json

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import JointCNNRegressor, load_model, read_sample
from skcluster.cli import _parser, main
from skcluster.cli.train import _pipeline
from skcluster.cosmology import comoving_distance, plane_to_sky
from skcluster.io.galaxies import SPEED_OF_LIGHT

TINY = ["--pixels=16", "--bins=16", "--epochs=1", "--device=cpu", "--joint"]

pytest.importorskip("skops")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    folder = tmp_path_factory.mktemp("joint")
    assert main(["simulate", str(folder / "survey"), "--clusters", "14"]) == 0
    return folder / "survey" / "clusters.ecsv"


@pytest.fixture(scope="module")
def model(table):
    """A model of clusters of which one has no galaxies, as others may have none, too."""
    rows = Table.read(table)
    rows["galaxies"] = [*rows["galaxies"][:-1], ""]
    trained = table.parent / "trained.csv"
    rows.write(trained)
    path = table.parent / "joint.skops"
    assert main(["train", str(trained), "-o", str(path), *TINY, "--allow-missing"]) == 0
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


def test_a_table_without_galaxies_is_told_of_the_column_and_the_option(
    table, model, tmp_path, capsys
):
    rows = Table.read(table)
    rows.remove_column("galaxies")
    bare = table.parent / "bare.csv"
    rows.write(bare, overwrite=True)
    assert main(["train", str(bare), *TINY, "-o", str(tmp_path / "a.skops")]) == 1
    error = capsys.readouterr().err
    assert "bare.csv has no column galaxies" in error
    assert "--allow-missing" in error
    strict = tmp_path / "strict.skops"
    assert main(["train", str(table), *TINY, "-o", str(strict)]) == 0
    assert main(["predict", str(strict), str(bare)]) == 1
    error = capsys.readouterr().err
    assert "bare.csv has no column galaxies" in error
    assert "train --joint --allow-missing" in error
    assert len(masses(capsys, model, bare)) == 14


def test_missing_galaxies_are_allowed_to_a_joint_network_only(table, tmp_path, capsys):
    command = ["train", str(table), "--allow-missing", "-o", str(tmp_path / "a.skops")]
    assert main(command) == 1
    assert "which only matter to a network of --joint" in capsys.readouterr().err


def test_galaxies_as_a_set_beside_photons(table, tmp_path, capsys):
    path = tmp_path / "sets.skops"
    command = ["train", "-o", str(path), "--photon-set", "--joint", "--epochs=1"]
    assert main([*command, str(table)]) == 0
    pipeline = load_model(path)
    assert [*pipeline[-1].columns_] == ["photons", "galaxies"]
    assert_allclose(
        masses(capsys, path, table), pipeline.predict(read_sample(table)[0]), atol=1e-6
    )
    rows = Table.read(table)
    rows.remove_column("galaxies")
    bare = table.parent / "without.csv"
    rows.write(bare)
    assert main([*command, str(bare)]) == 1
    assert "without.csv has no column galaxies" in capsys.readouterr().err


def test_sets_of_photons_and_galaxies_are_cut_at_the_same_half_width():
    command = "train t.csv -o m.skops --photon-set --joint --half-width=1.5"
    pipeline = _pipeline(_parser().parse_args(command.split()))
    assert [step.half_width for step in pipeline[:2]] == [1.5, 1.5]


def test_one_table_of_galaxies_of_the_whole_sky_serves_all_clusters(table):
    sample, _ = read_sample(table)
    about = sample.center[sample.galaxies.cluster]
    distance = comoving_distance(sample.redshift)[sample.galaxies.cluster]
    z = sample.redshift[sample.galaxies.cluster]
    columns = sample.galaxies.columns
    ra, dec = plane_to_sky(columns["x"] / distance, columns["y"] / distance, *about.T)
    redshift = z + columns["v"] / SPEED_OF_LIGHT * (1 + z)
    # And galaxies behind everyone's tangent plane.
    behind = {"ra": (about[:1, 0] + 180) % 360, "dec": -about[:1, 1], "z": [0.1]}
    sky = {"ra": ra, "dec": dec, "z": redshift}
    sky = {name: np.append(sky[name], behind[name]) for name in sky}
    Table(sky).write(table.parent / "sky.csv", overwrite=True)
    rows = Table.read(table)["name", "redshift", "ra", "dec"]
    rows["galaxies"] = "sky.csv"
    rows.write(table.parent / "shared.csv", overwrite=True)
    shared, _ = read_sample(table.parent / "shared.csv")
    x, y = shared.galaxies["x"], shared.galaxies["y"]
    assert np.hypot(x, y).max() <= 10
    for i in range(len(sample)):
        own = np.sort(sample.galaxies.table(i)["x"])
        found = np.sort(shared.galaxies.table(i)["x"])
        assert len(found) >= len(own)
        nearest = np.abs(found[:, None] - own).min(axis=0)
        assert_allclose(nearest, 0, atol=1e-6)
