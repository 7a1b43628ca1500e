"""Folds by octant: the paper's, read from the sample, and never split in space."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import config_context
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    GroupKFold,
    LeaveOneGroupOut,
    cross_val_predict,
    cross_val_score,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import ClusterSample, ProxyMeasurer, QuadrantGroupKFold
from skcluster.model_selection import octants


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
        routed = cross_val_score(
            proxy_model(), sample, log_mass, cv=QuadrantGroupKFold()
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
    with pytest.raises(ValueError, match="All 1 clusters lie in one part"):
        split(sample[0])


def test_groups_of_another_length_are_an_error(sample, labels):
    with pytest.raises(ValueError, match="inconsistent numbers of samples"):
        split(sample, groups=labels[:-1])


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
        ({"box_size": 0}, "box_size must be positive, got 0"),
        ({"box_size": np.nan}, "box_size must be positive, got nan"),
        ({"n_splits_per_axis": 0}, "n_splits_per_axis must be a positive int, got 0"),
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
