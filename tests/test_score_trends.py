"""Trends of scores, against refits and the curves that scores were drawn from."""

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy import stats

from skcluster.posterior.score_trends import follow_trend, learn_trend


def scores_and_inputs(n, seed=0):
    """Scores whose mean is a parabola of one input and whose width follows another."""
    rng = np.random.default_rng(seed)
    inputs = rng.normal(size=(n, 2)) * [2.0, 0.1] + [14.0, 0.3]
    x, z = ((inputs - [14.0, 0.3]) / [2.0, 0.1]).T
    return rng.normal(0.3 * x**2 - 0.2, np.exp(0.25 * z)), inputs


def test_curves_are_those_that_scores_were_drawn_from():
    scores, inputs = scores_and_inputs(20_000)
    trend, left = learn_trend(scores, inputs)
    x, z = np.meshgrid(np.linspace(-1.5, 1.5, 7), np.linspace(-1.5, 1.5, 7))
    x, z = x.ravel(), z.ravel()
    mean, width = follow_trend(trend, np.column_stack([14 + 2 * x, 0.3 + 0.1 * z]))
    assert_allclose(mean, 0.3 * x**2 - 0.2, atol=0.06)
    assert_allclose(width, np.exp(0.25 * z), rtol=0.04)
    assert_allclose([left.mean(), left.std()], [0, 1], atol=0.02)


@pytest.mark.parametrize("at_ends", [True, False])
def test_a_polynomial_cannot_follow_the_bias_at_an_end(at_ends):
    """Unbiased predictions, Gaussian errors, flat masses: truncated Gaussians."""
    low, high, error = 13.5, 15.0, 0.12
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(low, high, 30_000)
    observed = rng.normal(log_mass, error)
    ends = (low, high, error) if at_ends else None
    trend, _ = learn_trend((log_mass - observed) / error, observed[:, None], ends=ends)
    near = np.concatenate([end + np.linspace(-0.1, 0.1, 9) for end in (low, high)])
    mean, width = follow_trend(trend, near[:, None])
    exact = stats.truncnorm((low - near) / error, (high - near) / error, near, error)
    bias = (near + error * mean - exact.mean()) / exact.std()
    stretch = np.log(error * width / exact.std())
    assert_allclose(np.abs(bias).max(), 0.05 if at_ends else 0.17, atol=0.03)
    assert_allclose(np.abs(stretch).max(), 0.05 if at_ends else 0.22, atol=0.03)


def test_without_errors_nothing_is_learned_at_ends():
    scores, inputs = scores_and_inputs(300)
    trend, _ = learn_trend(scores, inputs, ends=(13.5, 15.0, 0.0))
    assert "ends" not in trend


def test_scores_left_are_those_of_refits_without_the_cluster():
    scores, inputs = scores_and_inputs(200)
    _, left = learn_trend(scores, inputs)
    # The extremes of an input are an exception: without them the trend ends earlier.
    inner = (np.abs(inputs - [14.0, 0.3]) < [3.0, 0.15]).all(axis=1)
    assert inner.sum() > 130
    refitted = np.full(200, np.nan)
    for i in np.flatnonzero(inner):
        others = np.arange(200) != i
        trend, _ = learn_trend(scores[others], inputs[others])
        mean, width = follow_trend(trend, inputs[[i]])
        refitted[i] = (scores[i] - mean[0]) / width[0]
    mean, width = follow_trend(learn_trend(scores, inputs)[0], inputs)
    off, off_in_sample = (
        np.sqrt(np.mean((each - refitted)[inner] ** 2))
        for each in (left, (scores - mean) / width)
    )
    assert off < 0.03
    assert off < off_in_sample / 3


def test_one_wild_score_does_not_decide():
    scores, inputs = scores_and_inputs(500)
    expected = follow_trend(learn_trend(scores, inputs)[0], inputs)
    scores[0] = 8.0
    found = follow_trend(learn_trend(scores, inputs)[0], inputs)
    assert_allclose(found[0], expected[0], atol=0.15)
    assert_allclose(found[1], expected[1], rtol=0.15)


def test_an_input_that_never_varies_changes_nothing():
    scores, inputs = scores_and_inputs(300)
    with_constant = np.column_stack([inputs, np.full(300, 7.0)])
    for one, other in zip(
        follow_trend(learn_trend(scores, inputs)[0], inputs),
        follow_trend(learn_trend(scores, with_constant)[0], with_constant),
        strict=True,
    ):
        assert_allclose(one, other, rtol=1e-6)
