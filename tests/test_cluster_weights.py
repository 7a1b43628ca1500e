"""Weights are numbers of times that clusters count, wherever they are taken."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from skcluster.cluster_weights import (
    checked_weights,
    effective_number,
    weighted_quantile,
    weighted_std,
)


@given(
    st.lists(
        st.tuples(st.integers(-9, 9), st.integers(0, 4)), min_size=1, max_size=30
    ).filter(lambda rows: any(n for _, n in rows)),
    st.sampled_from([0.0, 0.16, 0.25, 0.5, 0.84, 1.0]),
)
def test_quantiles_are_numpys_of_repeated_numbers(rows, probability):
    values, n_times = np.array(rows, float).T
    repeated = np.repeat(values, n_times.astype(int))
    expected = np.quantile(repeated, probability, method="averaged_inverted_cdf")
    assert weighted_quantile(values, probability, n_times) == expected
    assert weighted_quantile(values, 0.5, n_times) == np.median(repeated)
    assert_allclose(weighted_std(values, n_times), repeated.std(), atol=1e-12)


def test_only_ratios_of_weights_set_quantiles_and_the_effective_number():
    values = np.random.default_rng(0).normal(size=50)
    weight = np.random.default_rng(1).exponential(size=50)
    q = np.array([0.16, 0.5, 0.84])
    assert_allclose(
        weighted_quantile(values, q, weight), weighted_quantile(values, q, 7 * weight)
    )
    assert_allclose(effective_number(weight), effective_number(1e-6 * weight))
    assert 25 * 0.5 < effective_number(weight) < 50


@pytest.mark.parametrize("kind", [list, np.array, pd.Series, np.float32])
def test_weights_become_floats(kind):
    given = kind([1, 2, 3]) if kind is not np.float32 else np.float32([1, 2, 3])
    found = checked_weights(given, 3, by="fit")
    assert_array_equal(found, [1.0, 2.0, 3.0])
    assert found.dtype == float
    assert checked_weights(None, 3, by="fit") is None
    assert_array_equal(checked_weights(2, 3, by="fit"), [2.0, 2.0, 2.0])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ([1, 2], r"of fit has the shape \(2,\), but there are 3 clusters"),
        ([[1], [2], [3]], r"has the shape \(3, 1\)"),
        ([1, -1, 2], r"1 of 3 sample_weight of fit are negative, .* cluster 1, -1\)"),
        ([1, np.nan, np.inf], r"2 of 3 .* cluster 1, nan\)"),
        ([0, 0, 0], "sample_weight of fit is zero for 3 clusters"),
        (
            [1, 0, 1e300],
            r"goes from 1 to 1e\+300 \(cluster 2\), .* factors of 1e\+30 at most",
        ),
        ([1e200, 1e200, 1e200], r"from 1e\+200 to 1e\+200 \(cluster 0\)"),
        (["a", "b", "c"], "sample_weight of fit must be numbers"),
    ],
)
def test_what_is_no_weight_is_refused(given, message):
    with pytest.raises(ValueError, match=message):
        checked_weights(given, 3, by="fit")
