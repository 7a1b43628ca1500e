"""fetch_magneticum reads the published list, and nothing else in its place."""

import hashlib
import itertools
import os
from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial import KDTree

from skcluster.cosmology import mass_within_r500c
from skcluster.datasets import fetch_magneticum, magneticum
from skcluster.model_selection import octants
from skcluster.paper import BOX_SIZE

DATA = Path(
    os.environ.get(
        "SKCLUSTER_DATA", Path(__file__).parents[1].parent / "shared" / "data"
    )
)
COLUMNS = ["x", "y", "z", "M500_msolh", "gas_frac", "star_frac", "T_kev", "Lx_ergs"]


@pytest.fixture
def published(tmp_path, monkeypatch):
    """A list of one cluster, standing where the real one is published."""
    row = (1e5, 2e5, 3e5, 1e14, 0.1, 0.02, 2.5, 0.5, 0.2)
    table = np.array([row], [(name, "<f8") for name in [*COLUMNS, "redshift"]])
    path = tmp_path / "published.npy"
    np.save(path, table)
    monkeypatch.setattr(magneticum, "URL", path.as_uri())
    monkeypatch.setattr(
        magneticum, "SHA256", hashlib.sha256(path.read_bytes()).hexdigest()
    )
    return path


def test_the_list_is_downloaded_once_and_converted(published, tmp_path):
    home = tmp_path / "home"
    fetch_magneticum(data_home=home)
    published.unlink()
    clusters = fetch_magneticum(data_home=home, download_if_missing=False)
    assert clusters.feature_names == [
        "temperature", "luminosity", "gas_mass", "stellar_mass"
    ]  # fmt: skip
    assert_allclose(clusters.data, [[2.5, 0.5, 1e13, 2e12]])
    assert_allclose(clusters.target, [14.0])
    assert_allclose(clusters.redshift, [0.2])
    assert_allclose(clusters.position, [[100.0, 200.0, 300.0]])
    assert "Green et al. (2019)" in clusters.DESCR


def test_a_missing_file_is_an_error_when_it_may_not_be_downloaded(tmp_path):
    with pytest.raises(OSError, match=r"does not exist\. Let download_if_missing=True"):
        fetch_magneticum(data_home=tmp_path, download_if_missing=False)


def test_an_unreachable_source_is_an_error_that_names_the_cure(published, tmp_path):
    published.unlink()
    with pytest.raises(OSError, match=r"could not be downloaded .* put it at"):
        fetch_magneticum(data_home=tmp_path)


def test_a_damaged_download_is_not_kept(published, tmp_path):
    published.write_bytes(b"half of it")
    with pytest.raises(OSError, match=r"published\.npy has the SHA-256 checksum"):
        fetch_magneticum(data_home=tmp_path)
    assert not list(tmp_path.glob("magneticum/*"))


def test_a_damaged_file_is_an_error(published, tmp_path):
    fetch_magneticum(data_home=tmp_path)
    path = tmp_path / "magneticum" / magneticum.FILE_NAME
    path.write_bytes(b"not the list")
    with pytest.raises(OSError, match=r"it is damaged or another file\. Delete"):
        fetch_magneticum(data_home=tmp_path)


def test_the_published_list_holds_consistent_clusters():
    path = DATA / "magneticum" / magneticum.FILE_NAME
    if not path.exists():
        pytest.skip(f"no Magneticum list at {path}; set SKCLUSTER_DATA to its folder")
    clusters = fetch_magneticum(data_home=DATA, download_if_missing=False)
    assert clusters.data.shape == (3292, 4)
    assert np.isfinite(clusters.data).all()
    assert clusters.position.min() >= 0
    assert clusters.position.max() <= 352
    r500c = np.load(path)["r500_kpch"] / 1000
    mass = mass_within_r500c(r500c, clusters.redshift)
    assert_allclose(10**clusters.target, mass, rtol=0.02)


@pytest.mark.skipif(
    not (DATA / "magneticum" / magneticum.FILE_NAME).exists(), reason="needs the list"
)
def test_one_halo_in_250_is_in_another_octant_in_the_next_snapshot():
    """Octants are drawn by position, and halos move from snapshot to snapshot."""
    clusters = fetch_magneticum(data_home=DATA, download_if_missing=False)
    label = octants(clusters.position)
    n_linked = n_crossed = 0
    redshifts = np.unique(clusters.redshift)
    for pair in itertools.pairwise(redshifts):
        rows = [np.flatnonzero(clusters.redshift == z) for z in pair]
        now, then = (KDTree(clusters.position[each], boxsize=BOX_SIZE) for each in rows)
        distance, partner = then.query(now.data)
        is_mutual = now.query(then.data)[1][partner] == np.arange(len(rows[0]))
        same = is_mutual & (distance < 1)
        crossed = label[rows[0][same]] != label[rows[1][partner[same]]]
        n_linked, n_crossed = n_linked + same.sum(), n_crossed + crossed.sum()
    assert (n_linked, n_crossed) == (1523, 6)
    assert_allclose(n_crossed / n_linked, 0.004, atol=0.0005)
