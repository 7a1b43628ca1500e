"""Held-out clusters: complete octants of a fitting size, and copies on one side."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_array_equal

from skcluster import ClusterSample, XrayCNNRegressor
from skcluster.regressors.validation_split import octants_spanned, validation_split

CORNERS = np.array([[x, y, z] for x in (0, 9) for y in (0, 9) for z in (0, 9)])


def clusters_at(*counts):
    """Positions of that many clusters in the first corners of a box."""
    return np.repeat(CORNERS[: len(counts)], counts, axis=0)


def test_held_out_clusters_are_whole_octants_when_positions_are_known():
    position = np.random.default_rng(1).uniform(0, 352, (64, 3))
    train, held_out = validation_split(64, 0.1, position=position)
    octant = (position > 176) @ [4, 2, 1]
    assert len(set(octant[held_out])) == 1
    assert not set(octant[held_out]) & set(octant[train])
    assert sorted([*train, *held_out]) == list(range(64))


@pytest.mark.parametrize("seed", range(20))
def test_of_two_unequal_octants_the_large_one_is_trained_on(seed):
    train, held_out = validation_split(100, 0.1, position=clusters_at(95, 5), seed=seed)
    assert_array_equal(train, np.arange(95))
    assert_array_equal(held_out, np.arange(95, 100))


def test_a_network_trains_on_the_many_clusters_of_a_lopsided_box():
    rng = np.random.default_rng(0)
    shown = []

    class Shown(XrayCNNRegressor):
        def _batches(self, inputs, target=None, **mode):
            shown.append(len(inputs))
            return super()._batches(inputs, target, **mode)

    sample = ClusterSample(
        np.full(40, 0.2),
        maps=rng.poisson(1.0, (40, 1, 8, 8)).astype(float),
        position=clusters_at(37, 3),
    )
    Shown(max_epochs=1, device="cpu", n_threads=1, random_state=0).fit(
        sample, rng.uniform(13.5, 15, 40)
    )
    assert shown[:2] == [3, 37]


@pytest.mark.parametrize("counts", [(50, 50), (60, 40), (98, 2), (100,)])
def test_where_no_octant_fits_clusters_are_drawn_at_random(counts):
    position = clusters_at(*counts)
    train, held_out = validation_split(100, 0.1, position=position, seed=3)
    without = validation_split(100, 0.1, seed=3)
    assert_array_equal(held_out, without[1])
    assert (len(train), len(held_out)) == (90, 10)


@given(
    st.lists(st.integers(0, 60), min_size=1, max_size=8).filter(lambda n: sum(n) > 9),
    st.sampled_from([0.05, 0.1, 0.2, 0.3, 0.5]),
    st.integers(0, 9),
)
def test_the_share_held_out_is_never_far_from_what_was_asked(counts, fraction, seed):
    n, position = sum(counts), clusters_at(*counts)
    train, held_out = validation_split(n, fraction, position=position, seed=seed)
    again = validation_split(n, fraction, position=position, seed=seed)
    assert_array_equal(held_out, again[1])
    assert sorted([*train, *held_out]) == list(range(n))
    assert fraction / 2 <= len(held_out) / n
    # A random draw rounds up.
    assert len(held_out) <= max(n / 3, np.ceil(fraction * n))


def test_seeds_hold_out_different_octants():
    position = clusters_at(*[10] * 8)
    chosen = {
        validation_split(80, 0.1, position=position, seed=s)[1][0] for s in range(30)
    }
    assert chosen == set(range(0, 80, 10))


@pytest.mark.parametrize("position", [None, clusters_at(*[8] * 8), clusters_at(32, 32)])
def test_copies_of_one_cluster_stay_on_one_side(position):
    label = np.tile(np.arange(16), 4)
    if position is not None:
        # Copies that had moved would still follow the first.
        position = position[np.random.default_rng(0).permutation(64)]
    train, held_out = validation_split(64, 0.2, position=position, groups=label)
    assert len(held_out)
    assert not set(label[train]) & set(label[held_out])


def test_nothing_is_held_out_of_nine_clusters_or_nine_groups():
    assert len(validation_split(9, 0.1)[1]) == 0
    assert len(validation_split(90, 0.1, groups=np.arange(90) % 9)[1]) == 0
    assert len(validation_split(100, None)[1]) == 0
    assert len(validation_split(10, 0.1)[1]) == 1


def test_octants_are_those_of_the_space_that_is_spanned():
    assert_array_equal(octants_spanned(CORNERS + 1000), np.arange(8))
