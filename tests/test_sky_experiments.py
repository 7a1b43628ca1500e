"""Experiments under real skies: their statistics by hand, their files, and the pages."""

import importlib
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator
from sklearn.pipeline import make_pipeline

from skcluster import ClusterSample, PhotonMapper, XrayCNNRegressor
from skcluster.contest import read_configuration
from skcluster.cosmology import get_cosmology
from skcluster.datasets import make_mock_survey

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "experiments"
RESULTS = FOLDER / "results"


def only(name):
    return pytest.mark.parametrize("script", [name], indirect=True)


class RefusesNear(BaseEstimator):
    """Gives 14 to clusters beyond z = 0.2 and refuses samples with nearer ones."""

    def predict(self, X):
        if (X.redshift < 0.2).any():
            raise ValueError("too near")
        return np.full(len(X), 14.0) + X.redshift


@only("stress_tests")
class TestStressTests:
    def test_clusters_that_a_model_refuses_are_nan_and_no_others(self, script):
        redshift = np.array([0.3, 0.1, 0.4, 0.5, 0.15, 0.25, 0.6])
        found = script.masses(RefusesNear(), ClusterSample(redshift))
        assert_allclose(found, np.where(redshift < 0.2, np.nan, 14 + redshift))

    def test_errors_of_means_hold_the_larger_of_two_scatters(self, script):
        rows = [
            ("a", "center", 5.0, change, error, scatter)
            for change, error, scatter in ((0.1, 0.01, 0.2), (0.3, 0.02, 0.3))
        ]
        rows += [("b", "center", 5.0, 0.1, error, 0.2) for error in (0.03, 0.04)]
        names = ["model", "stress", "level", "change", "error", "scatter"]
        found = script.over_seeds(Table(rows=rows, names=names))
        assert_allclose(found["change"], [0.2, 0.1])
        between, within = np.sqrt(0.02), np.sqrt((0.03**2 + 0.04**2) / 2)
        assert_allclose(found["error"], np.array([between, within]) / np.sqrt(2))
        assert_allclose(found["scatter"], [0.25, 0.2])
        assert_allclose(found["scatter_error"], [0.05, 0], atol=1e-9)

    @pytest.mark.parametrize("name", ["N_phot,500c iterated", "rings"])
    def test_a_cosmology_reaches_the_steps_that_predict(self, script, name):
        survey = make_mock_survey(60, random_state=0, galaxies=False, exposure=2000.0)
        model = script.make(name, 0).fit(survey.sample, survey.log_mass)
        before = model.predict(survey.sample)
        with_planck = script.with_cosmology(model, "Planck18")
        fitted = getattr(with_planck, "estimator_", with_planck)
        assert {
            get_cosmology(value).name
            for each in (model, fitted)
            for parameter, value in each.get_params().items()
            if parameter.split("__")[-1] == "cosmology"
        } == {"Planck18"}
        assert (with_planck.predict(survey.sample) != before).any()

    def test_a_network_takes_maps_of_the_other_cosmology(self, script):
        survey = make_mock_survey(40, random_state=0, galaxies=False, exposure=2000.0)
        model = script.thinned(
            make_pipeline(
                PhotonMapper(n_pixels=16),
                XrayCNNRegressor(max_epochs=1, random_state=0, n_threads=1),
            ),
            seed=0,
        ).fit(survey.sample, survey.log_mass)
        before = model.predict(survey.sample)
        after = script.with_cosmology(model, "Planck18").predict(survey.sample)
        assert (after != before).any()


@only("apertures")
def test_apertures_of_the_control_are_those_of_other_clusters(script):
    radius = np.linspace(0.3, 1.0, 11)
    sample = ClusterSample(np.full(11, 0.2), r500c=radius)
    other = script.of_others(sample, 0).r500c
    assert (other != radius).all()
    assert_array_equal(np.sort(other), radius)


@only("sky_ladder")
def test_all_skies_show_the_same_clusters(script):
    samples, log_mass = script.skies_of(0, 14)
    paper, true, real = (samples[sky] for sky in script.SKIES)
    assert 4 < len(log_mass) < 14
    assert_array_equal(paper.name, real.name)
    assert_array_equal(paper.redshift, true.redshift)
    assert_array_equal(paper.center, true.center)
    assert (real.redshift != true.redshift).all()
    assert_array_equal(real.photons["ra"], true.photons["ra"])
    assert (paper.photons.lengths != real.photons.lengths).all()


@only("sky_ladder")
def test_gains_are_those_of_each_seed(script):
    rows = [
        ("eFEDS", seed, name, std, std)
        for seed, counts, network in ((0, 0.2, 0.1), (1, 0.2, 0.14))
        for name, std in ((script.RIVAL, counts), ("network", network))
    ]
    table = Table(rows=rows, names=["sky", "seed", "estimator", "std", "robust"])
    found = script.over_seeds(table)
    (network,) = found[found["estimator"] == "network"]
    assert_allclose([network["std"], network["std_gain"]], [0.12, 40.0])
    assert_allclose(network["std_gain_error"], 10.0)  # of 50 and 30 per cent


@only("contest_skies")
class TestContestSkies:
    def test_only_the_sky_and_the_folder_change(self, script):
        configuration = read_configuration(script.CONFIGURATION)
        assert configuration.reference == script.RIVAL
        found = [script.under(sky, configuration) for sky in script.SKIES]
        assert found[0].survey == configuration.survey
        assert len({each.output for each in found}) == len(found)
        for sky, each in zip(script.SKIES, found, strict=True):
            changed = dict(each.survey.items() - configuration.survey.items())
            assert changed == script.SKIES[sky]
            make_mock_survey(1, random_state=0, galaxies=False, **script.SKIES[sky])

    def test_changes_of_gains_are_those_of_each_seed(self, script):
        names = ["sky", "estimator", "seed", *script.KINDS]
        names += [f"{kind}_gain" for kind in script.KINDS]
        names += [f"{kind}_gain_error" for kind in script.KINDS]
        rows = [
            (sky, name, seed, 1.0 + seed, 2.0, gain, gain, 3.0, 3.0)
            for sky, gains in (("no PSF", (30.0, 16.0)), (script.PAPER, (10.0, 12.0)))
            for name, is_rival in ((script.RIVAL, True), ("network", False))
            for seed, gain in (
                (1, 0 * gains[1] if is_rival else gains[1]),
                (0, 0 * gains[0] if is_rival else gains[0]),
            )
        ]
        found = script.over_seeds(Table(rows=rows, names=names))
        of_network = found[found["estimator"] == "network"]
        changed, paper = of_network
        assert (changed["sky"], paper["sky"]) == ("no PSF", script.PAPER)
        assert_allclose([changed["std"], changed["std_error"]], [1.5, 0.5])
        assert_allclose([changed["std_gain"], changed["std_gain_error"]], [23, 7])
        assert_allclose([changed["std_change"], changed["std_change_error"]], [12, 8])
        assert_allclose([paper["std_change"], paper["robust_change_error"]], [0, 0])
        # Bootstrap errors of 3 each, over two surveys of their own clusters.
        significance = importlib.import_module("significance").significance
        expected = significance(23.0, 3 / np.sqrt(2), 7.0, 2)
        assert_allclose(changed["std_gain_sigma"], expected)
        assert np.isnan(
            found[found["estimator"] == script.RIVAL]["std_gain_sigma"]
        ).all()


@pytest.mark.parametrize(
    ("script", "file"),
    [
        ("stress_tests", "stress-tests"),
        ("apertures", "apertures"),
        ("sky_ladder", "sky-ladder"),
        ("contest_skies", "contest-skies"),
        ("learning_curve", "learning-curve"),
    ],
    indirect=["script"],
)
def test_committed_means_are_those_of_three_seeds(script, file):
    by_seed = Table.read(RESULTS / f"{file}.csv")
    mean = Table.read(RESULTS / f"{file}-mean.csv")
    assert np.unique(by_seed["seed"]).tolist() == [0, 1, 2]
    found = script.over_seeds(by_seed)
    assert len(found) == len(mean) == len(by_seed) / 3
    for name in found.colnames:
        if found[name].dtype.kind == "f":
            assert_allclose(
                found[name], mean[name], atol=2e-4 if "gain" not in name else 0.1
            )
        else:
            assert_array_equal(found[name], mean[name])


def test_what_the_contest_under_another_sky_shows():
    by_seed = Table.read(RESULTS / "contest-skies.csv")
    mean = Table.read(RESULTS / "contest-skies-mean.csv")
    disturbed = mean[mean["sky"] == "dynamical states"]
    (photons,) = disturbed[disturbed["estimator"] == "photon set"]
    for kind in ("std", "robust"):
        assert round(photons[f"{kind}_gain"]) == 16
        assert photons[f"{kind}_gain_sigma"] > 3
        for row in mean:
            if row[f"{kind}_change_error"] > 0:
                t = abs(row[f"{kind}_change"]) / row[f"{kind}_change_error"]
                assert 2 * stats.t.sf(t, 2) > 2 * stats.norm.sf(3)
    changes = {
        "dynamical states": [-2, 3],
        "no AGN": [-7, 2],
        "equal cores": [-7, 3],
        "no PSF": [-4, 2],
        "background of eFEDS": [-7, 2],
    }
    for sky, change in changes.items():
        (photons,) = mean[(mean["sky"] == sky) & (mean["estimator"] == "photon set")]
        found = [photons["std_change"], photons["std_change_error"]]
        assert_allclose(found, change, atol=0.5)
        if sky in ("no AGN", "equal cores"):
            assert round(photons["std_gain"]) == {"no AGN": 11, "equal cores": 12}[sky]
            assert photons["std_gain_sigma"] > 3
    assert set(by_seed["sky"]) == {"paper", *changes}
    paper = by_seed[by_seed["sky"] == "paper"]
    counts, network = (
        paper["estimator"] == name for name in ("N_phot", "ho2023, three bands")
    )
    better = {"no AGN": counts | ~counts, "equal cores": counts | network}
    for sky, rows in (better | {"no PSF": ~counts}).items():
        without = by_seed[by_seed["sky"] == sky]
        assert (without["estimator"] == paper["estimator"]).all()
        assert (without["std"][rows] < paper["std"][rows]).all()
    brighter = by_seed[by_seed["sky"] == "background of eFEDS"]
    assert (brighter["std"] > paper["std"]).all()
    page = (ROOT / "docs" / "equal_contexts.rst").read_text("utf-8")
    files = (RESULTS / "contest_skies/paper/predictions/photon-set").glob("*.npz")
    n_tested = sum(len(np.load(path)["cluster"]) for path in files)
    assert f"{n_tested} in all" in page


class TestSentences:
    """What docs/real_sky.rst says of its tables."""

    @pytest.fixture
    def stress(self):
        mean = Table.read(RESULTS / "stress-tests-mean.csv")

        def of(model, stress, level, kind="change"):
            at = (mean["model"] == model) & (mean["stress"] == stress)
            (value,) = mean[at & np.isclose(mean["level"], level)][kind]
            return value

        of.models = sorted({*mean["model"]})
        return of

    def test_small_apertures_need_centers(self, stress):
        for model in stress.models:
            before = stress(model, "none", 0, "scatter")
            assert abs(stress(model, "center", 20)) < 0.02
            assert stress(model, "center", 20, "scatter") < 1.2 * before
            if model not in ("N_phot", "four proxies"):
                assert stress(model, "center", 60) < -0.05
                ratio = stress(model, "center", 60, "scatter") / before
                assert 1.2 < ratio < 1.8 if "network" in model else ratio > 2
        assert abs(stress("N_phot", "center", 60)) < 0.005

    def test_velocities_need_redshifts(self, stress):
        for model in stress.models:
            change = stress(model, "redshift", 0.02)
            assert (change < -0.1) == (model == "four proxies")
        assert stress("four proxies", "redshift", 0.005) < -0.1
        by_seed = Table.read(RESULTS / "stress-tests.csv")
        worst = by_seed[
            (by_seed["model"] == "four proxies")
            & (by_seed["stress"] == "redshift")
            & np.isclose(by_seed["level"], 0.02)
        ]
        share = worst["lost"] / (worst["lost"] + worst["clusters"])
        assert_allclose(share, 0.5, atol=0.05)

    def test_a_wrong_cosmology_moves_no_mass(self, stress):
        for model in stress.models:
            for density in (0.2, 0.3, 0.4):
                assert abs(stress(model, "cosmology", density)) < 0.01

    def test_counts_keep_with_the_exposure_and_nothing_without(self, stress):
        for share in (0.1, 0.3, 3.0):
            for model in stress.models:
                counts = model.startswith("N_phot") or model == "four proxies"
                assert not counts or abs(stress(model, "exposure", share)) < 0.005
                assert abs(stress(model, "exposure ignored", share)) > 0.1
        assert stress("rings", "exposure", 0.1) < -0.1

    def test_networks_keep_their_mean_if_they_are_trained_on_thinned_copies(
        self, stress
    ):
        thinned = {s: stress("network, thinned", "exposure", s) for s in (0.1, 0.3, 3)}
        plain = {s: stress("network", "exposure", s) for s in (0.1, 0.3, 3)}
        for share in (0.3, 3):
            error = stress("network, thinned", "exposure", share, "error")
            assert abs(thinned[share]) < 2 * error
        error = stress("network, thinned", "exposure", 0.1, "error")
        assert_allclose(thinned[0.1] / error, -2.9, atol=0.05)
        assert max(map(abs, thinned.values())) < 0.0205
        assert abs(plain[0.3]) > 0.1
        assert_allclose(plain[0.1], -0.3, atol=0.05)
        scatter = [
            stress("network, thinned", *at, "scatter")
            for at in (
                ("exposure", 3),
                ("none", 0),
                ("exposure", 0.3),
                ("exposure", 0.1),
            )
        ]
        assert scatter == sorted(scatter)

    def test_an_unknown_radius_costs_little(self):
        table = Table.read(RESULTS / "apertures.csv")
        for sky in ("paper", "eFEDS"):
            for seed in (0, 1, 2):
                rows = table[(table["sky"] == sky) & (table["seed"] == seed)]
                std = dict(zip(rows["aperture"], rows["std"], strict=True))
                cost = {name: std[name] / std["true R500c"] for name in std}
                assert 1.055 < cost["iterated R500c"] < 1.075
                assert 1.055 < cost["0.6 Mpc/h"] < 1.095
                assert cost["control: R500c of others"] > cost["iterated R500c"] - 0.01
                assert sky == "paper" or cost["2.3 Mpc/h"] > 1.8

    def test_most_of_the_gain_survives(self):
        mean = Table.read(RESULTS / "sky-ladder-mean.csv")
        gain = {
            (row["sky"], row["estimator"]): (row["std_gain"], row["std_gain_error"])
            for row in mean
        }
        skies = ("paper", "eFEDS, true catalog", "eFEDS")
        paper, true, real = (gain[sky, "network, three bands"] for sky in skies)
        assert_allclose([paper[0], real[0]], [48, 37], atol=0.6)
        assert paper[0] - true[0] > 3 * np.hypot(paper[1], true[1])
        assert abs(true[0] - real[0]) < 2 * np.hypot(true[1], real[1])

    @pytest.fixture
    def two(self):
        table = Table.read(RESULTS / "real-sky.csv")
        assert np.unique(table["seed"]).tolist() == [0, 1, 2]
        return table

    def test_blank_positions_are_not_seen_and_clusters_are(self, two):
        is_blank = np.char.startswith(np.asarray(two["position"], str), "blank")
        assert (two["net"][is_blank] < 3 * two["error"][is_blank]).all()
        assert (two["net"][~is_blank] > 3 * two["error"][~is_blank]).all()
        assert (
            np.ma.getmaskarray(two["mass"])[is_blank].all()
            or not np.isfinite(np.ma.filled(two["mass"], np.nan)[is_blank]).any()
        )

    def test_a_blank_map_is_no_outlier(self, two):
        network = two[two["estimator"] == "network"]
        score = dict.fromkeys(network["position"], 0)
        for name in score:
            score[name] = np.mean(network["score"][network["position"] == name])
        assert max(score["blank 0"], score["blank 1"], score["J092121.2+031726"]) < 1
        assert score["J092022.0+030106"] > 1

    def test_two_clusters_agree_with_their_radii_within_two_errors(self, two):
        seen = two[np.isfinite(np.ma.filled(two["mass"], np.nan))]
        difference = (seen["mass"] - seen["published"]) / (
            (seen["high"] - seen["low"]) / 2
        )
        assert (np.abs(difference) < 2).all()
        bright = seen["position"] == "J092121.2+031726"
        assert (difference[bright] < 0).all()
        assert (difference[~bright] > 0).all()
        assert_allclose(seen["fewer"][bright], 0.93, atol=0.02)
        assert_allclose(seen["fewer"][~bright], 0.25, atol=0.02)
