"""Rows of a table are read alone as they are read with all others."""

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_array_equal

from skcluster import ClusterSample, read_sample, write_photons
from skcluster.io.cluster_table import ClusterTable
from skcluster.sample import Ragged

N_CLUSTERS = 5


@pytest.fixture
def table(tmp_path):
    """Table of clusters with a list of photons each, and two lists of galaxies for all."""
    rng = np.random.default_rng(0)
    rows = {"name": [f"A{i}" for i in range(N_CLUSTERS)], "redshift": [0.1, 0.2] * 2}
    rows["redshift"].append(0.3)
    rows["ra"], rows["dec"] = [10.0] * N_CLUSTERS, [0.0] * N_CLUSTERS
    rows["photons"] = [f"{name}.fits" for name in rows["name"]]
    rows["galaxies"] = ["sky.csv", "", "", "own.csv", "sky.csv"]
    for i, path in enumerate(rows["photons"]):
        photons = {"ra": rng.normal(10, 0.01, i + 1), "dec": rng.normal(0, 0.01, i + 1)}
        write_photons(tmp_path / path, photons | {"energy": rng.uniform(1, 2, i + 1)})
    # Of the galaxies of the sky, a third lies more than 10 Mpc/h from the clusters.
    sky = {"ra": [10.0, 10.1, 18.0], "dec": [0.0, 0.1, 0.0], "z": [0.1, 0.3, 0.2]}
    Table(sky).write(tmp_path / "sky.csv")
    Table({"x": [1.0], "y": [2.0], "v": [3.0]}).write(tmp_path / "own.csv")
    Table(rows | {"log_mass": np.arange(N_CLUSTERS) + 14.0}).write(tmp_path / "t.csv")
    return tmp_path / "t.csv"


def assert_same_sample(found, expected):
    assert found.fields == expected.fields
    for name in expected.fields:
        one, other = getattr(found, name), getattr(expected, name)
        if isinstance(one, Ragged):
            assert_array_equal(one.lengths, other.lengths)
            for column in other.columns:
                assert_array_equal(one[column], other[column])
        else:
            assert_array_equal(one, other)


@pytest.mark.parametrize("rows", [slice(1, 3), [4], [0, 2], [3, 1], slice(None)])
def test_rows_are_the_same_alone_and_with_all_others(table, rows):
    sample, others = read_sample(table)
    part = ClusterTable(table)[rows]
    assert_same_sample(part.read(), sample[rows])
    assert_array_equal(part.others.log_mass, others.log_mass[rows])
    assert len(part) == len(sample[rows])


def test_a_shared_list_is_cut_out_even_where_one_row_is_read(table):
    galaxies = ClusterTable(table)[[4]].read().galaxies
    assert galaxies.lengths.tolist() == [2]


def test_messages_count_the_rows_of_the_complete_table(table):
    (table.parent / "A3.fits").unlink()
    with pytest.raises(FileNotFoundError, match=r"photons of row 3 \(cluster A3\)"):
        ClusterTable(table)[[3]].read()
    unread = {}
    ClusterTable(table)[2:].read(on_unreadable=unread.setdefault)
    assert [*unread] == [1]
    assert "row 3 (cluster A3)" in str(unread[1])


def test_the_sample_without_lists_opens_no_list(table):
    for path in table.parent.glob("*.fits"):
        path.unlink()
    sample = ClusterTable(table).without_lists()
    assert sample.fields == ("redshift", "center", "name")
    assert_array_equal(sample.name, [f"A{i}" for i in range(N_CLUSTERS)])


def test_files_are_those_that_the_rows_name(table):
    folder = table.parent
    assert ClusterTable(table)[[0, 1]].files() == [
        [str(folder / "A0.fits"), str(folder / "sky.csv")],
        [str(folder / "A1.fits"), ""],
    ]


def test_one_list_of_offsets_is_not_that_of_several_clusters(table):
    Table({"x": [1.0], "y": [2.0], "v": [3.0]}).write(
        table.parent / "sky.csv", overwrite=True
    )
    match = r"galaxies of row 0 \(cluster A0\).*sky\.csv.* 2 rows name .* one file per"
    with pytest.raises(ValueError, match=match):
        read_sample(table)
    unread = {}
    sample, _ = read_sample(table, on_unreadable=unread.setdefault)
    assert [*unread] == [0, 4]
    assert sample.galaxies.lengths.tolist() == [0, 0, 0, 1, 0]


def test_a_column_that_one_list_lacks_is_not_lost_in_silence(table):
    own = {"x": [1.0], "y": [2.0], "v": [3.0]}
    sky = Table.read(table.parent / "sky.csv")
    sky["log_stellar_mass"] = [10.0, 11.0, 9.0]
    sky.write(table.parent / "sky.csv", overwrite=True)
    match = (
        r"1 of 3 lists lack the column log_stellar_mass \(first: row 3 \(cluster A3\)\), "
        "which is left out of all lists"
    )
    with pytest.warns(UserWarning, match=match):
        sample, _ = read_sample(table)
    assert [*sample.galaxies.columns] == ["x", "y", "v"]
    with_mass = own | {"log_stellar_mass": [10.0]}
    with pytest.warns(UserWarning, match=r"1 of 2 lists lack .* \(first: cluster 0\)"):
        sample = ClusterSample([0.1] * 3, galaxies=[own, None, with_mass])
    assert sample.galaxies.lengths.tolist() == [1, 0, 1]
    # Where all lists have it, and where a cluster has no list, nothing is lost.
    ClusterSample([0.1] * 3, galaxies=[with_mass, None, with_mass])
