"""The experiment on the photon set changes what it says, and nothing else."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import kstest, norm, t

from skcluster.cosmology import comoving_distance, sky_to_plane
from skcluster.datasets import make_mock_survey

FOLDER = Path(__file__).parents[1] / "experiments"


@pytest.fixture(scope="module")
def ablation():
    pytest.importorskip("torch")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("photon_ablation")
        sys.modules.pop("photon_ablation")


@pytest.fixture(scope="module")
def clusters():
    return make_mock_survey(6, random_state=0, galaxies=False).sample


def radii_and_angles(sample):
    photons = sample.photons
    x, y = sky_to_plane(
        photons["ra"], photons["dec"], *sample.center.T, repeats=photons.lengths
    )
    return np.hypot(x, y), np.arctan2(y, x)


def test_shuffled_energies_stay_in_their_cluster(ablation, clusters):
    changed = ablation.with_shuffled_energies(clusters, np.random.default_rng(0))
    for i in range(len(clusters)):
        before, after = clusters.photons.table(i), changed.photons.table(i)
        assert_array_equal(np.sort(after["energy"]), np.sort(before["energy"]))
        assert_array_equal(after["ra"], before["ra"])
        assert abs(np.corrcoef(after["energy"], before["energy"])[0, 1]) < 0.15


def test_shuffled_angles_leave_radius_and_energy(ablation, clusters):
    changed = ablation.with_shuffled_angles(clusters, np.random.default_rng(0))
    before, _ = radii_and_angles(clusters)
    after, angle = radii_and_angles(changed)
    assert_allclose(after, before, atol=1e-12)
    assert kstest(angle, "uniform", (-np.pi, 2 * np.pi)).pvalue > 0.01
    assert_array_equal(changed.photons["energy"], clusters.photons["energy"])


def test_centers_are_wrong_by_what_is_said(ablation, clusters):
    many = clusters[np.tile(np.arange(6), 300)]
    changed = ablation.with_wrong_centers(many, np.random.default_rng(0))
    x, y = sky_to_plane(*changed.center.T, *many.center.T)
    offset = np.array([x, y]) * comoving_distance(many.redshift)
    assert_allclose(offset.std(axis=1), 0.05, rtol=0.08)
    assert_array_equal(changed.photons["ra"], many.photons["ra"])


def test_faint_nuclei_lose_nine_photons_of_ten(ablation, clusters):
    changed = ablation.with_faint_nuclei(clusters, np.random.default_rng(0))
    before = np.bincount(clusters.photons["origin"], minlength=3)
    after = np.bincount(changed.photons["origin"], minlength=3)
    assert_array_equal(after[[0, 2]], before[[0, 2]])
    assert abs(after[1] - before[1] / 10) < 4 * np.sqrt(before[1] / 10)


def test_every_sky_holds_the_same_clusters(ablation):
    def names(switches, change):
        survey = make_mock_survey(3, random_state=1, galaxies=False, **switches)
        return change(survey.sample, np.random.default_rng(0)).name.tolist()

    assert len({tuple(names(*sky)) for sky in ablation.SKIES.values()}) == 1


def test_changes_are_those_of_the_residuals(ablation):
    first = np.random.default_rng(0).normal(0, 0.1, 500)
    second = 1.5 * first + 0.02
    bias, std, robust = ablation.changes(first, second)
    assert_allclose(bias, 230.2585 * (0.5 * first.mean() + 0.02), rtol=1e-6)
    assert_allclose([std, robust], 1.5)


def test_the_error_of_one_seed_is_that_of_its_clusters(ablation):
    rng = np.random.default_rng(0)
    first, noise = rng.normal(0, 0.1, (2, 2000))
    pair = first, first + 0.2 * noise
    _, error, sigma = ablation.mean_changes([pair])
    assert_allclose(error[0], 230.2585 * 0.02 / np.sqrt(2000), rtol=0.1)
    assert np.isnan(sigma).all()


def test_the_error_of_several_seeds_is_from_their_scatter(ablation):
    first = np.random.default_rng(0).normal(0, 0.1, 300)
    ratios = np.array([1.1, 1.2, 1.3])
    mean, error, sigma = ablation.mean_changes([(first, r * first) for r in ratios])
    assert_allclose(mean[1:], 1.2)
    assert_allclose(error[1:], 0.1 / np.sqrt(3))
    p_value = 2 * t.sf(0.2 / (0.1 / np.sqrt(3)), 2)
    assert_allclose(2 * norm.sf(sigma[1:]), p_value, rtol=1e-6)


def test_a_change_is_compared_with_that_of_a_control(ablation):
    first = np.random.default_rng(0).normal(0, 0.1, 300)
    sides = first, 3 * first + 0.05, first, 1.5 * first + 0.01
    bias, std, robust = ablation.more_changed(*sides)
    assert_allclose(bias, 230.2585 * (1.5 * first.mean() + 0.04), rtol=1e-6)
    assert_allclose([std, robust], 2)
    _, error, _ = ablation.mean_changes([sides], ablation.more_changed)
    assert_allclose(error[1:], 0, atol=1e-12)


def test_tables_hold_what_is_measured_and_still_asked(ablation, tmp_path, monkeypatch):
    rng, rows = np.random.default_rng(0), []
    for seed in (0, 1, 7):
        for network in ("paper", "photon set", "gone"):
            residual = rng.normal(0, 0.1, 200)
            np.save(
                tmp_path / f"seed{seed}-{network.replace(' ', '_')}-clean.npy", residual
            )
            row = {"seed": seed, "network": network, "sky": "clean"}
            ablation.append_row(tmp_path / "rows.csv", row | {"std_percent": 23.04})
            rows.append(residual)
    options = ["--seeds", "0", "1", "--minutes", "0", "--folder", str(tmp_path)]
    options += ["--output", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["photon_ablation.py", *options])
    assert ablation.main() == 0
    measured = Table.read(tmp_path / "photon-ablation.csv")
    assert sorted(set(measured["network"])) == ["paper", "photon set"]
    assert sorted(set(measured["seed"])) == [0, 1]
    (mean,) = Table.read(tmp_path / "photon-ablation-mean.csv")
    ratios = [rows[i].std() / rows[i + 1].std() for i in (0, 3)]
    assert (mean["network"], mean["seeds"]) == ("paper", 2)
    assert_allclose(mean["std_ratio"], np.mean(ratios), atol=1e-4)
    error = np.abs(np.diff(ratios)) / 2
    assert_allclose(mean["std_ratio_error"], error, atol=1e-4)


def test_what_is_in_the_folder_is_reported_and_not_computed_again(
    ablation, tmp_path, monkeypatch, capsys
):
    residual = np.random.default_rng(0).normal(0, 0.1, 200)
    np.save(tmp_path / "seed3-paper-clean.npy", residual)
    np.save(tmp_path / "seed3-paper-exposure_by_2.npy", 2 * residual)
    options = ["--seeds", "3", "--minutes", "0", "--folder", str(tmp_path)]
    monkeypatch.setattr(sys, "argv", ["photon_ablation.py", *options])
    assert ablation.main() == 0
    _, row = capsys.readouterr().out.splitlines()
    assert row.startswith("exposure / 2: paper")
    assert "2.00 ± 0.00" in row
    assert not (tmp_path / "rows.csv").exists()
