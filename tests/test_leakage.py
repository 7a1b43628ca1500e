"""leakage_report finds what crosses folds, and nested tuning lets nothing cross."""

from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    PredefinedSplit,
    cross_validate,
)
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    QuadrantGroupKFold,
    XrayCNNRegressor,
    leakage_report,
)

N_HALOS, N_SNAPSHOTS, BOX = 60, 3, 352.0
HALO = np.tile(np.arange(N_HALOS), N_SNAPSHOTS)
REDSHIFT = np.repeat([0.1, 0.2, 0.3], N_HALOS)


def moving_halos(with_group=True, seed=0):
    """Halos in three snapshots; some lie at borders of octants, and move across them."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, BOX, (N_HALOS, 3))
    start[:12, 0] = rng.choice([0, BOX / 2], 12) + rng.normal(0, 0.5, 12)
    start[6:12] = start[:6] + rng.normal(0, 0.4, (6, 3))
    moved = [start + rng.normal(0, 0.2, start.shape) for _ in range(N_SNAPSHOTS)]
    return ClusterSample(
        REDSHIFT, position=np.concatenate(moved), group=HALO if with_group else None
    )


def found_by_hand(sample, label, folds, distance):
    """Groups and pairs that cross folds, by loops over all pairs and images of the box."""
    groups, pairs = set(), set()
    for i, (train, test) in enumerate(folds):
        for a in test:
            for b in train:
                if label[a] == label[b]:
                    groups.add((i, label[a]))
                    continue
                apart = np.abs(sample.position[a] - sample.position[b]) % BOX
                if np.linalg.norm(np.minimum(apart, BOX - apart)) < distance:
                    pairs.add((i, a, b))
    return groups, pairs


SPLITTERS = [
    QuadrantGroupKFold(),
    KFold(5, shuffle=True, random_state=0),
    GroupKFold(4),
    PredefinedSplit(np.repeat([0, 1, 2], N_HALOS)),
    [(np.arange(90), np.arange(80, 180))],
]


@pytest.mark.parametrize("with_group", [True, False])
@pytest.mark.parametrize("cv", SPLITTERS, ids=lambda cv: type(cv).__name__)
@pytest.mark.filterwarnings("error")
def test_the_tables_name_what_loops_over_all_pairs_find(cv, with_group):
    sample = moving_halos(with_group)
    if isinstance(cv, GroupKFold) and not with_group:
        return
    label = HALO if with_group else np.arange(len(sample))
    groups = HALO if isinstance(cv, GroupKFold) else None
    folds = cv if isinstance(cv, list) else list(cv.split(sample, groups=groups))
    groups, pairs = found_by_hand(sample, label, folds, 1.5)
    report = leakage_report(sample, cv)
    assert {(row["fold"], row["group"]) for row in report.groups} == groups
    named = report.neighbors["fold", "test", "train"]
    assert {tuple(row) for row in named} == pairs
    assert len(named) == len(pairs)
    for i, (train, test) in enumerate(folds):
        row = report.table[i]
        assert (row["n_train"], row["n_test"]) == (len(train), len(test))
        assert row["n_near"] == len({a for fold, a, _ in pairs if fold == i})
        crossing = [g for fold, g in groups if fold == i]
        assert row["n_in_group"] == np.isin(label[test], crossing).sum()
    assert report.is_clean == (not groups and not pairs)


def test_the_box_is_periodic_and_has_the_size_of_the_splitter():
    position = [[0.5, 50, 50], [999.5, 50, 50], [700, 50, 50]]
    sample = ClusterSample([0.2] * 3, position=position)
    (to_one, from_one) = leakage_report(
        sample, QuadrantGroupKFold(box_size=1000)
    ).neighbors
    assert list(to_one)[1:3] == [0, 1]
    assert list(from_one)[1:3] == [1, 0]
    assert_allclose(to_one["distance"], 1.0)
    folds = [([0], [1, 2])]
    assert leakage_report(sample, folds, box_size=1200).is_clean
    found = leakage_report(sample, folds, box_size=1010, distance=12).neighbors
    assert_allclose(found["distance"], 11.0)


def test_it_says_in_words_what_crosses():
    position = [[10, 10, 10], [170, 10, 10], [11, 10, 10], [177, 10, 10]]
    folds = [([0, 1], [2, 3])]
    unknown = ClusterSample([0.1, 0.1, 0.2, 0.3], position=position)
    words = str(leakage_report(unknown, folds, distance=10)).replace("\n", " ")
    assert words == (
        "1 fold of 4 clusters. "
        "Groups: not known. Give ClusterSample(group=...), or groups=. "
        "Neighbors: 2 test clusters have one within 10 Mpc/h in training (closest: "
        "clusters 2 and 0, 1 Mpc/h apart). For 2 of them it is at another redshift, "
        "so perhaps the same halo in another snapshot. "
        "Leave out the training clusters in report.neighbors, or give halos as group."
    )
    known = unknown.assign(group=["a", "b", "a", "c"])
    assert (
        "Groups: 1 of 3 is on both sides of a fold (first: a), with 1 test cluster."
        in str(leakage_report(known, folds))
    )
    clean = leakage_report(known[:2], [([0], [1])])
    assert clean.is_clean
    assert str(clean).splitlines()[1:] == [
        "Groups: none of 2 is on both sides of a fold.",
        "Neighbors: no test cluster has one within 1.5 Mpc/h in training.",
    ]
    twice = leakage_report(np.zeros((4, 1)), [([0, 1, 2], [2, 3])])
    assert (
        "1 cluster is in the training and in the test of one fold (first: 2)."
        in str(twice)
    )
    assert "Neighbors: not known without positions." in str(twice)
    assert twice.is_clean is False
    nothing_known = leakage_report(np.zeros((4, 1)), [([0, 1], [2, 3])])
    assert nothing_known.is_clean is None


def test_labels_or_positions_serve_any_table():
    sample, X = moving_halos(), np.zeros((len(HALO), 2))
    cv = KFold(3)
    by_label = leakage_report(X, cv, groups=HALO)
    assert_array_equal(by_label.groups, leakage_report(sample, cv).groups)
    assert len(by_label.neighbors) == 0
    by_place = leakage_report(X, cv, groups=sample.position)
    alone = leakage_report(sample.drop("group"), cv)
    assert_array_equal(by_place.neighbors, alone.neighbors)
    assert len(alone.neighbors) > 0


def test_notebooks_show_the_report_and_run_nothing_in_its_labels():
    group = np.array(["<script>", "<script>", "b & c", "d"])
    report = leakage_report(np.zeros((4, 1)), KFold(4), groups=group)
    page = ElementTree.fromstring(f"<div>{report._repr_html_()}</div>")
    assert page.find(".//script") is None
    assert "(first: <script>)" in "".join(page.itertext())
    assert page.find(".//table") is not None


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"distance": 0.0}, r"distance must be a number from 0\.01 to 100 .* got 0"),
        ({"distance": 500.0}, r"got 500\.0\. It looks like kpc/h"),
        ({"box_size": 0.1}, "box_size must be a number from 1"),
        ({"box_size": 100.0}, "more than a periodic box of box_size=100"),
        ({"cv": []}, "cv makes no fold"),
        ({"groups": HALO[:-1]}, r"groups has the shape \(179,\), but .* 180 clusters"),
    ],
)
def test_what_cannot_be_reported_is_an_error(given, message):
    with pytest.raises(ValueError, match=message):
        leakage_report(moving_halos(), **given)


# Nested tuning. Rows of the clusters that were used, in the order of use.
USED = []
MASS = np.random.default_rng(1).permutation(np.linspace(13.5, 15, len(HALO)))


def rows_of_masses(y):
    return np.argmin(np.abs(np.asarray(y)[:, None] - MASS), axis=1)


def rows_of_sample(X):
    """Rows by redshift, which `in_three_octants` made different for all clusters."""
    return rows_of_masses(13.5 + X.redshift)


class NotingNetwork(XrayCNNRegressor):
    """Notes the clusters that it is fitted to, takes steps on, stops by and predicts."""

    def fit(self, X, y):
        self.note_ = {"fit": rows_of_masses(y), "steps": [], "stops": []}
        USED.append(("fit", self.note_))
        return super().fit(X, y)

    def _batches(self, inputs, target=None, is_training=False):
        if target is not None:
            y = target * self.target_scale_ + self.target_mean_
            self.note_["steps" if is_training else "stops"] = rows_of_masses(y)
        return super()._batches(inputs, target, is_training)

    def predict(self, X, return_std=False):
        USED.append(("predict", self.note_, rows_of_sample(X)))
        return super().predict(X, return_std)


class NotingRidge(RegressorMixin, BaseEstimator):
    """Notes the clusters that it is fitted to and predicts; X holds their rows."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        self.note_ = {"fit": X[:, 0].astype(int)}
        USED.append(("fit", self.note_))
        return self

    def predict(self, X):
        USED.append(("predict", self.note_, X[:, 0].astype(int)))
        return np.full(len(X), 14.0)


def in_three_octants():
    sample = moving_halos()
    position = sample.position % BOX
    position *= [1, 2 / 3, 0]  # a quarter of the halos in two octants that become one
    corner = (position[:, 0] >= 176) & (position[:, 1] >= 176)
    position[corner] -= [176, 0, 0]
    maps = np.random.default_rng(0).poisson(2.0, (len(sample), 1, 8, 8))
    return sample.assign(redshift=MASS - 13.5 + 1e-9, position=position, maps=maps)


def no_halo_is_shared(some, others):
    return not set(HALO[some]) & set(HALO[others])


def assert_nothing_leaks(folds):
    """Of a nested search: `USED`, fold by fold, holds no cluster of the test halos."""
    last = [i for i, (what, *_) in enumerate(USED) if what == "predict"]
    events, start = [], 0
    for _, test in folds:
        end = next(i for i in last if i >= start and set(USED[i][2]) == set(test))
        events.append(USED[start : end + 1])
        start = end + 1
    for (train, test), used in zip(folds, events, strict=True):
        assert no_halo_is_shared(train, test)
        notes = [note for what, note, *_ in used if what == "fit"]
        assert {tuple(sorted(n["fit"])) for n in notes} >= {tuple(sorted(train))}
        for note in notes:
            assert set(note["fit"]) <= set(train)
        for what, note, *predicted in used:
            if what == "predict":
                assert no_halo_is_shared(note["fit"], predicted[0])
    return events


def test_nested_tuning_with_early_stopping_shares_no_halo():
    sample = in_three_octants()
    crossing = leakage_report(sample, QuadrantGroupKFold().split(sample.drop("group")))
    assert not crossing.is_clean  # there is something to keep apart
    network = NotingNetwork(max_epochs=2, patience=1, n_threads=1, random_state=0)
    search = GridSearchCV(
        make_pipeline(LogScaler(), network),
        {"notingnetwork__lr": [1e-3, 1e-2]},
        cv=QuadrantGroupKFold(),
    )
    USED.clear()
    found = cross_validate(
        search, sample, MASS, cv=QuadrantGroupKFold(), return_indices=True
    )
    folds = list(zip(*found["indices"].values(), strict=True))
    assert len(folds) == 3
    for used in assert_nothing_leaks(folds):
        notes = [note for what, note, *_ in used if what == "fit"]
        assert len(notes) == 2 * 2 + 1
        for note in notes:
            assert len(note["stops"]) > 0
            assert no_halo_is_shared(note["steps"], note["stops"])
            assert sorted([*note["steps"], *note["stops"]]) == sorted(note["fit"])


def test_groups_are_routed_into_nested_folds():
    rows = np.arange(len(HALO))[:, None]
    search = GridSearchCV(NotingRidge(), {"alpha": [1.0, 2.0]}, cv=GroupKFold(3))
    USED.clear()
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            search,
            rows,
            MASS,
            cv=GroupKFold(4),
            params={"groups": HALO},
            return_indices=True,
        )
    folds = list(zip(*found["indices"].values(), strict=True))
    assert all(len(used) == 14 for used in assert_nothing_leaks(folds))


@pytest.mark.parametrize("as_position", [True, False])
def test_groups_are_routed_to_our_splitter(as_position):
    rows, sample = np.arange(len(HALO))[:, None], in_three_octants()
    groups = sample.position if as_position else HALO % 3
    expected = list(QuadrantGroupKFold().split(rows, groups=groups))
    with config_context(enable_metadata_routing=True):
        found = cross_validate(
            NotingRidge(),
            rows,
            MASS,
            cv=QuadrantGroupKFold(),
            params={"groups": groups},
            return_indices=True,
        )
    assert len(expected) == 3
    for i, (train, test) in enumerate(expected):
        assert_array_equal(found["indices"]["train"][i], train)
        assert_array_equal(found["indices"]["test"][i], test)
