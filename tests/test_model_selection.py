"""Folds by octant: the paper's, read from the sample, and never split in space."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    ProxyMeasurer,
    QuadrantGroupKFold,
    XrayCNNRegressor,
    cross_val_posterior,
    cross_val_saliency,
)
from skcluster.comparison import compare_estimators
from skcluster.model_selection import keep_together, octants, spatial_folds
from skcluster.posterior import PosteriorMixin
from skcluster.regressors.validation_split import validation_split

SEEN = []


def rows_of(sample):
    """Rows of the sample that `clusters` made, which tells them apart by redshift."""
    return np.round((sample.redshift - 0.2) * 1e4).astype(int)


class Spy(PosteriorMixin, RegressorMixin, BaseEstimator):
    """Notes which clusters it predicts, and which ones it was trained on."""

    def fit(self, X, y):
        self.rows_ = rows_of(X)
        return self

    def predict(self, X, return_std=False):
        SEEN.append((self.rows_, rows_of(X)))
        mean = np.full(len(X), 14.0)
        return (mean, np.ones_like(mean)) if return_std else mean

    def _components(self, X):
        return self.predict(X, return_std=True)

    def _log_prior(self):
        return np.zeros_like


class SpyNetwork(XrayCNNRegressor):
    """A network that does the same."""

    def fit(self, X, y):
        self.rows_ = rows_of(X)
        return super().fit(X, y)

    def predict(self, X, return_std=False):
        SEEN.append((self.rows_, rows_of(X)))
        return super().predict(X, return_std)


NETWORK = SpyNetwork(max_epochs=1, device="cpu", n_threads=1, random_state=0)
DRAWERS = {
    "calibration": lambda cv, X, y: CalibratedMassRegressor(Spy(), cv=cv).fit(X, y),
    "posteriors": lambda cv, X, y: cross_val_posterior(Spy(), X, y, cv=cv),
    "comparison": lambda cv, X, y: compare_estimators({"a": (Spy(), X)}, y, cv=cv),
    "saliency": lambda cv, X, y: cross_val_saliency(NETWORK, X, y, cv=cv),
}


@pytest.fixture(scope="module")
def labels(sample):
    """Octants spelled out: 4 if x is in the upper half, 2 if y is, 1 if z is."""
    return [4 * (x >= 176) + 2 * (y >= 176) + (z >= 176) for x, y, z in sample.position]


def proxy_model(final=None):
    measurer = ProxyMeasurer(proxies=["n_phot", "sigma_v"], with_redshift=True)
    return make_pipeline(measurer, StandardScaler(), final or LinearRegression())


def as_sets(folds):
    return {(frozenset(train), frozenset(test)) for train, test in folds}


def test_folds_are_those_of_leave_one_group_out_with_octant_labels(sample, labels):
    assert len(set(labels)) == 8
    ours = list(QuadrantGroupKFold().split(sample))
    theirs = list(LeaveOneGroupOut().split(sample, groups=labels))
    for our_fold, their_fold in zip(ours, theirs, strict=True):
        assert_array_equal(our_fold[0], their_fold[0])
        assert_array_equal(our_fold[1], their_fold[1])
    assert as_sets(ours) == as_sets(GroupKFold(8).split(sample, groups=labels))


def test_predictions_are_those_of_the_stock_splitters_without_groups(
    sample, log_mass, labels
):
    ours = cross_val_predict(proxy_model(), sample, log_mass, cv=QuadrantGroupKFold())
    for stock in (LeaveOneGroupOut(), GroupKFold(8)):
        expected = cross_val_predict(
            proxy_model(), sample, log_mass, cv=stock, groups=labels
        )
        assert_array_equal(ours, expected)


def test_predictions_are_those_of_a_loop_over_octants(sample, log_mass, labels):
    table = ProxyMeasurer(proxies=["n_phot", "sigma_v"], with_redshift=True).transform(
        sample
    )
    expected = np.empty(len(sample))
    for octant in range(8):
        test = np.array(labels) == octant
        model = LinearRegression().fit(table[~test], log_mass[~test])
        expected[test] = model.predict(table[test])
    ours = cross_val_predict(proxy_model(), sample, log_mass, cv=QuadrantGroupKFold())
    assert_allclose(ours, expected, rtol=1e-9)


def test_it_reads_the_sample_with_metadata_routing_on(sample, log_mass):
    expected = cross_val_score(proxy_model(), sample, log_mass, cv=QuadrantGroupKFold())
    with config_context(enable_metadata_routing=True):
        # Without params, scikit-learn 1.6 fails itself.
        routed = cross_val_score(
            proxy_model(), sample, log_mass, cv=QuadrantGroupKFold(), params={}
        )
    assert_array_equal(routed, expected)


def test_groups_win_over_the_position_of_the_sample(sample, log_mass, labels):
    snapshots = (sample.redshift * 100).astype(int)
    splitter = QuadrantGroupKFold()
    ours = splitter.split(sample, groups=snapshots)
    theirs = LeaveOneGroupOut().split(sample, groups=snapshots)
    assert as_sets(ours) == as_sets(theirs)
    assert splitter.get_n_splits(sample, groups=snapshots) == 5
    scores = cross_val_score(
        proxy_model(), sample, log_mass, cv=splitter, groups=snapshots
    )
    assert len(scores) == 5


def test_folds_by_labels_keep_the_groups_of_the_sample_together(sample):
    """Each group goes to the label of most of its clusters."""
    halo = np.repeat(np.arange(20), 3)
    sample = sample.assign(group=halo)
    majority = np.repeat(np.arange(20) % 4, 3)
    labels = majority.copy()
    labels[::3] = 3 - labels[::3]  # one of the three clusters of each group
    folds = QuadrantGroupKFold().split(sample, groups=labels)
    expected = LeaveOneGroupOut().split(sample, groups=majority)
    assert as_sets(folds) == as_sets(expected)
    assert QuadrantGroupKFold().get_n_splits(sample, groups=labels) == 4
    # The folds of the package take labels in place of those groups.
    folds = spatial_folds(QuadrantGroupKFold(), sample, np.zeros(60), labels)
    assert as_sets(folds) == as_sets(LeaveOneGroupOut().split(sample, groups=labels))


def test_positions_as_groups_serve_any_table(sample, labels):
    X = np.zeros((60, 2))
    folds = QuadrantGroupKFold().split(X, groups=sample.position)
    assert as_sets(folds) == as_sets(LeaveOneGroupOut().split(X, groups=labels))
    as_list = QuadrantGroupKFold().split(X, groups=sample.position.tolist())
    assert as_sets(as_list) == as_sets(LeaveOneGroupOut().split(X, groups=labels))


def test_a_search_nests_inside_a_training_fold_of_seven_octants(
    sample, log_mass, labels
):
    search = GridSearchCV(
        proxy_model(Ridge()), {"ridge__alpha": [1.0]}, cv=QuadrantGroupKFold()
    )
    train, _ = next(QuadrantGroupKFold().split(sample))
    search.fit(sample[train], log_mass[train])
    assert search.n_splits_ == 7
    scores = cross_val_score(search, sample, log_mass, cv=QuadrantGroupKFold())
    assert scores.shape == (8,)
    assert np.isfinite(scores).all()


def test_an_empty_octant_makes_no_fold(sample, labels):
    sample = sample[np.array(labels) != 3]
    splitter = QuadrantGroupKFold()
    folds = list(splitter.split(sample))
    assert len(folds) == splitter.get_n_splits(sample) == 7
    assert all(len(test) for _, test in folds)
    assert splitter.get_n_splits() == 8


def test_finer_cells_make_more_folds(sample):
    thirds = np.unique(sample.position // (352 / 3), axis=0)
    splitter = QuadrantGroupKFold(n_splits_per_axis=3)
    assert splitter.get_n_splits() == 27
    assert splitter.get_n_splits(sample) == len(thirds)
    halves = QuadrantGroupKFold(box_size=176.0, n_splits_per_axis=1)
    assert halves.get_n_splits(sample) == 1


@pytest.mark.parametrize(
    ("position", "label"),
    [
        ((0, 0, 0), 0),
        ((175.9, 175.9, 176.0), 1),
        ((0, 176, 0), 2),
        ((176, 0, 0), 4),
        ((351.9, 351.9, 351.9), 7),
        ((352, 352, 352), 0),
        ((-0.1, -1e-300, 10), 4),  # 1e-300 below the border is on it
        ((352 * 5 + 200, 10, -352 + 200), 5),
    ],
)
def test_octants_of_a_periodic_box(position, label):
    assert octants([position]) == [label]


@given(
    st.lists(st.tuples(*[st.floats(-1e4, 1e4)] * 3), min_size=1),
    st.integers(1, 5),
    st.floats(10.0, 1000.0),
)
def test_every_position_has_a_cell_of_the_grid(position, n_splits_per_axis, box_size):
    label = octants(position, box_size, n_splits_per_axis)
    assert ((label >= 0) & (label < n_splits_per_axis**3)).all()


@given(st.tuples(*[st.integers(-3, 3)] * 3))
def test_a_move_by_whole_boxes_changes_no_octant(boxes):
    position = np.random.default_rng(0).uniform(0, 352, (20, 3))
    moved = position + 352 * np.array(boxes)
    assert_array_equal(octants(moved), octants(position))


def test_the_splitter_says_what_it_is():
    assert repr(QuadrantGroupKFold()) == (
        "QuadrantGroupKFold(box_size=352.0, n_splits_per_axis=2)"
    )


def split(X, groups=None, **parameters):
    return list(QuadrantGroupKFold(**parameters).split(X, groups=groups))


def test_a_sample_without_positions_is_an_error(sample):
    message = r"needs X.position of shape \(n, 3\) in Mpc/h, or groups="
    with pytest.raises(ValueError, match=message):
        split(sample.drop("position"))
    with pytest.raises(ValueError, match=message):
        QuadrantGroupKFold().get_n_splits(np.zeros((3, 2)))


def test_one_octant_leaves_nothing_to_train_on(sample):
    message = r"All 60 clusters lie in one part .*box_size=1000.0 \[Mpc/h\]"
    with pytest.raises(ValueError, match=message):
        split(sample, box_size=1000.0)
    with pytest.raises(ValueError, match="The only cluster lies in one part"):
        split(sample[0])


def test_groups_of_another_length_are_an_error(sample, labels):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        split(sample, groups=labels[:-1])


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.array([np.nan] * 5 + [0, 1] * 5), "5 of 15 are NaN .*first: cluster 0"),
        (np.ma.masked_equal([0, 1, -9], -9), r"groups has no value in 1 of 3 .*row 2"),
        (np.array(["a", "b", None], object), "no label for 1 of 3 .*first: cluster 2"),
        (
            np.ma.masked_equal([[9, 9, 9], [200, 9, 9], [9, -99, 9]], -99),
            r"groups has no value in 1 of 3 rows \(first: row 2\)",
        ),
    ],
)
def test_gaps_among_groups_are_no_group_of_their_own(groups, message):
    X = np.zeros((len(groups), 1))
    with pytest.raises(ValueError, match=message):
        split(X, groups=groups)


def test_gaps_of_a_column_of_a_data_frame_are_no_group_of_their_own():
    pandas = pytest.importorskip("pandas")
    groups = pandas.Series([0, 1, pandas.NA], dtype="Int64")
    with pytest.raises(ValueError, match=r"1 of 3 are NaN .*first: cluster 2"):
        split(np.zeros((3, 1)), groups=groups)


def test_masked_positions_lie_in_no_octant():
    position = np.ma.masked_equal([[9, 9, 9], [9, -99, 9]], -99)
    with pytest.raises(ValueError, match=r"position has no value in 1 of 2 rows"):
        octants(position)


def test_a_column_of_labels_names_the_folds():
    folds = split(np.zeros((4, 1)), groups=np.array([[7], [8], [7], [8]]))
    assert [test.tolist() for _, test in folds] == [[0, 2], [1, 3]]


@pytest.mark.parametrize(
    ("groups", "message"),
    [
        (np.zeros((60, 2)), r"Positions must have shape \(n, 3\), got \(60, 2\)"),
        (np.full((60, 3), np.nan), "60 of 60 positions are NaN .*first: cluster 0"),
    ],
)
def test_positions_are_finite_and_have_three_coordinates(sample, groups, message):
    with pytest.raises(ValueError, match=message):
        split(sample, groups=groups)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"box_size": 0}, "box_size must be a number from 1 to 25000 .* got 0"),
        ({"box_size": np.nan}, "box_size must be a number from .* got nan"),
        (
            {"box_size": 352e3},
            r"got 352000\.0\. It looks like kpc/h\. Divide it by 1000",
        ),
        (
            {"n_splits_per_axis": 0},
            "n_splits_per_axis must be an int from 1 to 1000, got 0",
        ),
        ({"n_splits_per_axis": 2.5}, "n_splits_per_axis must be .*, got 2.5"),
    ],
)
def test_a_wrong_parameter_is_named(sample, parameters, message):
    with pytest.raises(ValueError, match=message):
        split(sample, **parameters)


def test_the_sample_needs_nothing_but_its_position():
    sample = ClusterSample([0.1, 0.2], position=[(0, 0, 0), (200, 0, 0)])
    assert as_sets(split(sample)) == {
        (frozenset({0}), frozenset({1})),
        (frozenset({1}), frozenset({0})),
    }


# One policy for cv=, in a table: cv, whether there are positions, whether there are groups,
# and the splitter of scikit-learn (with what it must not split) that makes the same folds.
N = 120
HALO = np.repeat(np.arange(30), 4)
RNG = np.random.default_rng(3)
# Snapshots of a halo lie together, and two halos lie across the borders of octants.
PLACE = np.repeat(
    RNG.uniform(20, 156, (30, 3)) + 176 * RNG.integers(0, 2, (30, 3)), 4, 0
)
PLACE[[0, 1, 2], 0] = 170.0
PLACE[3, 0] = 180.0
OCTANT = (PLACE >= 176) @ [4, 2, 1]
WHOLE_HALOS = np.where(np.arange(N) == 3, OCTANT[0], OCTANT)
FIVE = KFold(5, shuffle=True, random_state=0)
OWN = [(np.arange(60), np.arange(60, 120)), (np.arange(60, 120), np.arange(60))]
POLICY = [
    (None, True, True, LeaveOneGroupOut(), WHOLE_HALOS),
    (None, True, False, LeaveOneGroupOut(), OCTANT),
    (None, False, True, GroupKFold(5), HALO),
    (None, False, False, FIVE, None),
    (3, True, True, GroupKFold(3), WHOLE_HALOS),
    (3, True, False, GroupKFold(3), OCTANT),
    (3, False, True, GroupKFold(3), HALO),
    (3, False, False, KFold(3), None),
    (np.int8(3), False, False, KFold(3), None),
    (GroupKFold(4), True, True, GroupKFold(4), HALO),
    (GroupKFold(4), False, True, GroupKFold(4), HALO),
    (LeaveOneGroupOut(), False, True, LeaveOneGroupOut(), HALO),
    (KFold(4), False, False, KFold(4), None),
    (QuadrantGroupKFold(), True, True, LeaveOneGroupOut(), WHOLE_HALOS),
    (QuadrantGroupKFold(), True, False, LeaveOneGroupOut(), OCTANT),
    (OWN, True, False, OWN, None),
    (iter(OWN), False, False, OWN, None),
]


def clusters(with_positions, with_groups):
    return ClusterSample(
        0.2 + 1e-4 * np.arange(N),
        position=PLACE if with_positions else None,
        group=HALO if with_groups else None,
        maps=np.random.default_rng(0).poisson(1.0, (N, 1, 8, 8)),
    )


class TestOnePolicy:
    @pytest.mark.parametrize(
        ("cv", "with_positions", "with_groups", "stock", "kept"), POLICY
    )
    def test_folds_are_those_of_the_table(
        self, cv, with_positions, with_groups, stock, kept
    ):
        y = np.linspace(13.5, 15, N)
        folds = spatial_folds(cv, clusters(with_positions, with_groups), y)
        expected = stock if stock is OWN else stock.split(np.zeros(N), y, kept)
        assert as_sets(folds) == as_sets(expected)
        if with_groups:
            assert not any(set(HALO[a]) & set(HALO[b]) for a, b in folds)

    @pytest.mark.parametrize(
        ("cv", "with_positions", "with_groups"),
        [(None, True, True), (3, False, True), (GroupKFold(4), True, True)],
    )
    def test_all_that_draw_folds_draw_the_same(self, cv, with_positions, with_groups):
        sample, y = clusters(with_positions, with_groups), np.linspace(13.5, 15, N)
        expected = as_sets(spatial_folds(cv, sample, y))
        for draw in DRAWERS.values():
            SEEN.clear()
            draw(cv, sample, y)
            assert as_sets(SEEN) == expected

    @pytest.mark.parametrize("cv", [None, 3, GroupKFold(3)])
    def test_a_table_is_given_its_groups_or_positions(self, cv):
        X, y = np.zeros((N, 1)), np.linspace(13.5, 15, N)
        folds = spatial_folds(cv, X, y, HALO)
        assert as_sets(folds) == as_sets(spatial_folds(cv, clusters(False, True), y))
        if cv is None:
            folds = spatial_folds(cv, X, y, PLACE)
            assert as_sets(folds) == as_sets(
                spatial_folds(cv, clusters(True, False), y)
            )

    def test_many_folds_in_space_have_smaller_cells(self):
        sample = clusters(True, True)
        folds = spatial_folds(10, sample, np.zeros(N))
        assert len(folds) == 10
        assert not any(set(HALO[a]) & set(HALO[b]) for a, b in folds)
        assert_array_equal(np.sort(np.concatenate([b for _, b in folds])), np.arange(N))

    def test_masks_are_rows(self):
        masks = [(np.arange(N) >= 60, np.arange(N) < 60)]
        ((train, test),) = spatial_folds(masks, np.zeros((N, 1)), np.zeros(N))
        assert_array_equal(train, np.arange(60, 120))
        assert_array_equal(test, np.arange(60))

    @pytest.mark.parametrize("cv", [KFold(4, shuffle=True, random_state=0), OWN[:0]])
    def test_who_splits_a_group_on_purpose_is_warned(self, cv):
        folds = cv or [(np.arange(2, N), np.arange(2))]
        n_split = 30 if cv else 1
        with pytest.warns(
            UserWarning, match=rf"puts {n_split} of 30 groups \(first: 0\)"
        ):
            spatial_folds(folds, clusters(True, True), np.zeros(N))

    def test_validation_splits_leave_halos_whole(self):
        for seed in range(20):
            train, held_out = validation_split(
                N, 0.1, position=PLACE, groups=HALO, seed=seed
            )
            assert not set(HALO[train]) & set(HALO[held_out])

    def test_few_groups_make_few_folds_and_one_makes_none(self):
        X, y = np.zeros((9, 1)), np.zeros(9)
        night = np.repeat([0, 1, 2], 3)
        assert len(spatial_folds(None, X, y, night)) == 3
        with pytest.raises(ValueError, match="All 9 clusters are of one group"):
            spatial_folds(None, X, y, np.zeros(9))
        with pytest.raises(ValueError, match="groups has no value in 3 of 9 rows"):
            spatial_folds(None, X, y, np.ma.masked_equal(night, 2))
        with pytest.raises(
            ValueError, match=r"groups has the shape \(8,\), .* 9 clusters"
        ):
            spatial_folds(None, X, y, np.zeros(8))

    @given(st.permutations(range(12)))
    def test_a_group_goes_where_most_of_it_is(self, order):
        cell = np.array([0, 0, 7, 7, 7, 3, 3, 5, 5, 1, 1, 1])
        group = np.array(list("aaaaabbbbccc"))
        expected = np.array([7] * 5 + [3] * 4 + [1] * 3)
        assert_array_equal(keep_together(cell[order], group[order]), expected[order])


class TestAnotherBox:
    def test_a_larger_box_than_was_said_is_named(self):
        """Cells of 176 in a box of 1000 would be striped: octants of no box at all."""
        position = np.random.default_rng(0).uniform(0, 1000, (300, 3))
        sample = ClusterSample(np.full(300, 0.2), position=position)
        striped = octants(position)
        assert len(np.unique(striped)) == 8
        message = r"span 99\d\.\d, more than a periodic box of box_size=352 \[Mpc/h\]"
        for cv in (None, QuadrantGroupKFold(), 4):
            with pytest.raises(ValueError, match=message):
                spatial_folds(cv, sample, np.zeros(300))
        ours = split(sample, box_size=1000.0)
        expected = (position >= 500) @ [4, 2, 1]
        assert as_sets(ours) == as_sets(
            LeaveOneGroupOut().split(position, groups=expected)
        )

    @pytest.mark.parametrize(("side", "is_small"), [(205.0, True), (300.0, False)])
    def test_a_smaller_box_than_was_said_is_a_warning(self, side, is_small):
        position = np.random.default_rng(0).uniform(0, side, (200, 3))
        sample = ClusterSample(np.full(200, 0.2), position=position)
        for cv in (None, QuadrantGroupKFold(), 4):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                spatial_folds(cv, sample, np.zeros(200))
            said = "\n".join(str(each.message) for each in caught)
            assert (r"span only 204" in said) == is_small
        few = sample[:20]  # may lie in a part of the box by chance
        assert len(spatial_folds(None, few, np.zeros(20))) > 1
        assert len(split(sample, box_size=side)) == 8

    @given(st.floats(-17.0, 17.0))
    def test_images_a_little_outside_stay_in_their_octants(self, shift):
        position = np.random.default_rng(0).uniform(0, 352, (40, 3))
        outside = np.where(position < 17, position + 352 * (shift < 0), position)
        sample = ClusterSample(np.full(40, 0.2), position=outside)
        inside = ClusterSample(np.full(40, 0.2), position=position)
        assert as_sets(split(sample)) == as_sets(split(inside))

    def test_kpc_are_named(self):
        position = 1000 * np.random.default_rng(0).uniform(0, 352, (40, 3))
        with pytest.raises(ValueError, match="look like kpc/h: divide them by 1000"):
            split(np.zeros((40, 1)), groups=position)


@pytest.mark.parametrize("integer", [np.int8, np.uint8])
@pytest.mark.parametrize("m", [2, 6, 10])
def test_numpys_integers_make_the_same_cells(integer, m):
    position = np.random.default_rng(0).uniform(0, 352, (500, 3))
    assert QuadrantGroupKFold(n_splits_per_axis=integer(m)).get_n_splits() == m**3
    narrow = octants(position, n_splits_per_axis=integer(m))
    expected = np.floor(position / 352 * m) @ [m**2, m, 1]
    assert_array_equal(narrow, expected)
