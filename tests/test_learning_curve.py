"""The learning curve: shares of the training clusters, its tables and its sentences."""

from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils import Bunch

from skcluster.contest import read_configuration

ROOT = Path(__file__).parents[1]
FOLDER = ROOT / "experiments"
RESULTS = FOLDER / "results"


class Remembers(RegressorMixin, BaseEstimator):
    def fit(self, X, y):
        self.seen_ = y.tolist()
        return self

    def predict(self, X):
        return np.full(len(X), np.mean(self.seen_))


def only(name):
    return pytest.mark.parametrize("script", [name], indirect=True)


@only("shares")
def test_a_smaller_share_is_part_of_a_larger_one(script):
    X, y = np.zeros((80, 1)), np.arange(80.0)
    seen = {}
    for share in (0.125, 0.25, 0.5, 1):
        model = script.OnAShare(Remembers(), share=share, random_state=3).fit(X, y)
        seen[share] = model.estimator_.seen_
        assert len(seen[share]) == 80 * share
        assert_allclose(model.predict(X), np.mean(seen[share]))
    assert {*seen[0.125]} < {*seen[0.25]} < {*seen[0.5]} < {*seen[1]}
    other = script.OnAShare(Remembers(), share=0.25, random_state=4).fit(X, y)
    assert other.estimator_.seen_ != seen[0.25]


@only("learning_curve")
def test_scatters_are_compared_with_the_network_that_learns_from_all(script):
    true, step = np.full(40, 14.0), np.tile([-1.0, 1.0], 20)

    def fold(size):
        return Bunch(
            log_mass=true,
            predicted=true + size * step,
            redshift=np.linspace(0.1, 0.2, 40),
            std=None,
            group=None,
            about={"n_train": 100},
        )

    folds = {(script.RIVAL, 1, 0): fold(0.1), ("photon set", 0.25, 0): fold(0.08)}
    rows = {row["estimator"]: row for row in script.rows_of(folds)}
    found = rows["photon set"]
    assert (found["share"], found["clusters"], found["seed"]) == (0.25, 25, 0)
    assert_allclose([found["std_gain"], rows[script.RIVAL]["std_gain"]], [20, 0])
    assert_allclose(found["std"], 8 * np.log(10))


@only("learning_curve")
def test_all_shares_have_the_same_clusters_to_test(script):
    shares = read_configuration(script.CONFIGURATION)
    of_all = read_configuration(script.OF_ALL)
    for name in ("survey", "seeds", "maps", "shared", "n_folds"):
        own, other = getattr(shares, name), getattr(of_all, name)
        assert own == other
    folds = script.kept_folds()
    assert len(folds) == len(script.NAMES) * 4 * 3
    for seed in shares.seeds:
        tested = [fold.cluster for (*_, other), fold in folds.items() if other == seed]
        for clusters in tested:
            assert_array_equal(clusters, tested[0])


@only("learning_curve")
def test_the_committed_table_is_that_of_the_predictions(script, few_resamples):
    kept = Table.read(RESULTS / "learning-curve.csv")
    found = Table(rows=script.rows_of(script.kept_folds()))
    for name in ("estimator", "share", "seed", "clusters"):
        assert_array_equal(kept[name], found[name])
    for name in ("std", "robust", "std_gain", "robust_gain"):
        assert_allclose(kept[name], found[name], atol=1e-4)


class TestSentences:
    """What docs/equal_contexts.rst says of the table."""

    @pytest.fixture
    def of(self):
        def of(estimator, share, column, *, file="learning-curve-mean"):
            kept = Table.read(RESULTS / f"{file}.csv")
            rows = (kept["estimator"] == estimator) & (kept["share"] == share)
            return np.asarray(kept[column][rows])

        return of

    @pytest.mark.parametrize(
        ("share", "kind", "gain", "error"),
        [
            (0.125, "std", 1, 2),
            (0.125, "robust", -3, 1),
            (0.25, "std", 11, 2),
            (0.25, "robust", 8, 2),
        ],
    )
    def test_few_clusters_suffice_for_the_photon_set(
        self, of, share, kind, gain, error
    ):
        found = [
            of("photon set", share, f"{kind}_gain{end}")[0] for end in ("", "_error")
        ]
        assert np.round(found).tolist() == [gain, error]
        assert abs(of("photon set", share, f"{kind}_gain_sigma")[0]) < 3
        if share == 0.25:
            column = f"{kind}_gain"
            assert (of("photon set", share, column, file="learning-curve") > 0).all()

    @pytest.mark.parametrize(
        ("estimator", "percent"),
        [
            ("photon set", 3),
            ("ho2023, three bands", 4),
            ("ridge on rings, three bands", 5),
        ],
    )
    def test_more_clusters_still_help(self, of, estimator, percent):
        half, all_of_them = (of(estimator, share, "std")[0] for share in (0.5, 1))
        assert round(100 * (1 - all_of_them / half)) == percent

    @only("learning_curve")
    def test_the_number_of_clusters_is_on_the_page(self, script):
        folds = script.kept_folds()
        n_tested = sum(
            len(fold.cluster)
            for key, fold in folds.items()
            if key[:2] == ("photon set", 1)
        )
        page = (ROOT / "docs/equal_contexts.rst").read_text("utf-8")
        assert f"{n_tested} clusters are tested in all" in page


@only("map_size")
class TestMapSize:
    def test_the_committed_table_is_that_of_the_predictions(
        self, script, few_resamples
    ):
        kept = Table.read(RESULTS / "map-size.csv")
        pair = (script.kept(f"equal_contexts{end}") for end in ("", "_128"))
        found = Table(rows=[*script.rows_of(*pair)])
        assert_array_equal(kept["estimator"], found["estimator"])
        for name in ("clusters", "std_64", "std_128", "robust_gain", "cpu_128"):
            assert_allclose(kept[name], found[name], atol=0.006)

    def test_no_difference_is_shown_on_one_octant(self, script):
        kept = Table.read(RESULTS / "map-size.csv")
        assert len(kept) == 3
        assert set(kept["clusters"]) == {370}
        for kind in ("std", "robust"):
            assert (abs(kept[f"{kind}_gain"]) < 3 * kept[f"{kind}_gain_error"]).all()
        assert (kept["cpu_128"] > 2 * kept["cpu_64"]).all()
