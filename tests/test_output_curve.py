"""The curve that leads from a network's output to the mass of its training clusters."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose
from scipy.interpolate import CubicSpline
from scipy.optimize import minimize

from skcluster.regressors.output_curve import (
    KNOTS,
    MOST_SLOPE,
    PRIOR_BEND,
    curve_of,
    on_curve,
)

BENT = KNOTS + np.array([0.1, -0.1, 0.05, 0.15])


def by_scipy(x, curve):
    """A natural spline with straight lines at its ends."""
    spline, inner = CubicSpline(KNOTS, curve, bc_type="natural"), np.clip(x, -1.5, 1.5)
    return spline(inner) + (x - inner) * spline(inner, 1)


def outputs_and_targets(n=60, curve=BENT, scatter=0.2):
    rng = np.random.default_rng(0)
    output = rng.normal(0, 1, n)
    return output, by_scipy(output, curve) + rng.normal(0, scatter, n)


def test_it_is_scipys_natural_spline_with_straight_ends():
    x = np.linspace(-4, 6, 101)
    assert_allclose(on_curve(x, BENT), by_scipy(x, BENT), atol=1e-12)


def test_curves_are_broadcast():
    x = np.linspace(-3, 3, 14).reshape(7, 2)
    curves = np.array([BENT, KNOTS])
    expected = np.column_stack([by_scipy(x[:, 0], BENT), x[:, 1]])
    assert_allclose(on_curve(x, curves), expected, atol=1e-12)


def test_tensors_keep_their_kind_and_have_the_slope_of_the_curve():
    x = torch.tensor([-3.0, -1.2, -0.1, 0.4, 1.4, 2.5], requires_grad=True)
    target = on_curve(x, BENT)
    assert target.dtype == torch.float32
    target.sum().backward()
    inner = np.clip(x.detach().numpy(), -1.5, 1.5)
    expected = CubicSpline(KNOTS, BENT, bc_type="natural")(inner, 1)
    assert_allclose(x.grad, expected, rtol=1e-5)


@pytest.mark.parametrize("weighted", [False, True])
def test_it_is_the_mode_of_the_posterior(weighted):
    """By brute force: least squares and the prior, as the docstring states them."""
    output, target = outputs_and_targets()
    weight = np.random.default_rng(1).uniform(0, 2, len(output)) if weighted else None
    w = np.ones(len(output)) if weight is None else weight
    variance = np.average(
        (target - output - np.average(target - output, weights=w)) ** 2, weights=w
    )
    # Weights tell the noise only up to a factor: they count as 1 on average, by squares.
    w = w * w.sum() / np.sum(w**2)

    def minus_logarithm(curve):
        r = curve - KNOTS
        left = np.sum(w * (target - by_scipy(output, curve)) ** 2)
        return left + variance / PRIOR_BEND**2 * np.sum((r - r.mean()) ** 2)

    best = minimize(minus_logarithm, KNOTS, tol=1e-10).x
    found = curve_of(output, target, weight)
    # The mean residual is then set to zero.
    residual = target - by_scipy(output, best)
    assert_allclose(found, best + np.average(residual, weights=w), atol=2e-5)
    assert abs(np.average(target - on_curve(output, found), weights=w)) < 1e-12


def test_draws_are_averaged_on_the_curve():
    output, target = outputs_and_targets(100_000)
    shift = np.linspace(-0.5, 0.5, 5)
    target = by_scipy(output[:, None] + shift, BENT).mean(axis=1)
    found = curve_of(output[:, None] + shift, target)
    assert_allclose(found, BENT, atol=1e-3)


def test_many_clusters_tell_the_curve_and_none_of_the_noise():
    output, target = outputs_and_targets(100_000)
    assert_allclose(curve_of(output, target), BENT, atol=0.01)
    output, target = outputs_and_targets(100_000, curve=KNOTS, scatter=0.5)
    assert_allclose(curve_of(output, target), KNOTS, atol=0.02)


@pytest.mark.parametrize("slope", [-1.0, 0.1, 5.0])
def test_masses_always_grow_with_the_output(slope):
    output = np.random.default_rng(0).normal(0, 1, 10_000)
    curve = curve_of(output, slope * output + 0.4)
    x = np.linspace(-3, 3, 1001)
    found = np.diff(on_curve(x, curve)) / np.diff(x)
    assert found.min() > 1 / MOST_SLOPE - 1e-3
    assert found.max() < MOST_SLOPE + 1e-3
    assert_allclose(
        np.mean(slope * output + 0.4 - on_curve(output, curve)), 0, atol=1e-9
    )


def test_outputs_that_do_not_differ_or_are_perfect_are_only_shifted():
    target = np.random.default_rng(0).normal(0, 1, 40)
    assert_allclose(
        curve_of(np.full(40, 0.3), target), KNOTS + target.mean() - 0.3, atol=1e-9
    )
    assert_allclose(curve_of(target - 0.2, target), KNOTS + 0.2, atol=1e-9)
    assert_allclose(curve_of(np.array([0.5]), np.array([0.75])), KNOTS + 0.25)
