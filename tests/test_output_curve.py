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
    PRIOR_ERRORS,
    curve_of,
    error_curve_of,
    on_curve,
    on_error_curve,
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


WIDER = np.array([0.4, 0.1, -0.2, -0.3])
"""Log variances that a network lacks; their mean over N(0, 1) is close to 0."""


def residuals_of_wrong_errors(n):
    """Outputs, residuals and log variances that lack `WIDER` and a constant."""
    rng = np.random.default_rng(0)
    output, log_variance = rng.normal(0, 1, n), rng.normal(-1, 0.4, n)
    lacks = 0.7 + by_scipy(np.clip(output, -1.5, 1.5), WIDER)
    return output, rng.normal(0, np.exp((log_variance + lacks) / 2)), log_variance


@pytest.mark.parametrize("weighted", [False, True])
def test_the_error_curve_is_the_mode_of_its_posterior(weighted):
    """By brute force: the likelihood and the prior, as the docstring states them."""
    output, residual, log_variance = residuals_of_wrong_errors(80)
    weight = np.random.default_rng(1).uniform(0, 2, 80) if weighted else None
    w = np.ones(80) if weight is None else weight * weight.sum() / np.sum(weight**2)
    inner = np.clip(output, -1.5, 1.5)

    def minus_logarithm(curve):
        variance = np.exp(log_variance + by_scipy(inner, curve))
        prior = np.sum((curve - curve.mean()) ** 2) / PRIOR_ERRORS**2
        return w @ (residual**2 / variance + np.log(variance)) / 2 + prior / 2

    best = minimize(minus_logarithm, np.zeros(4), tol=1e-10).x
    best -= np.average(by_scipy(inner, best), weights=w)
    found = error_curve_of(output, residual, log_variance, weight)
    assert_allclose(found, best, atol=1e-5)


def test_many_clusters_tell_the_shape_of_the_errors_but_no_scale():
    output, *others = residuals_of_wrong_errors(200_000)
    found = error_curve_of(output, *others)
    assert_allclose(found - found.mean(), WIDER - WIDER.mean(), atol=0.03)
    assert abs(on_error_curve(output, found).mean()) < 1e-9


def test_errors_are_constant_beyond_the_outermost_knots():
    x = np.array([-9.0, -1.5, 0.2, 1.5, 30.0])
    expected = by_scipy(np.clip(x, -1.5, 1.5), WIDER)
    assert_allclose(on_error_curve(x, WIDER), expected)


def test_few_wild_or_perfect_residuals_leave_the_errors_about_as_they_are():
    output = np.linspace(-2, 2, 2000)
    usual = np.resize([-1.0, 1.0], 2000)
    found = error_curve_of(output, np.where(output > 1.99, 1e3, usual), np.zeros(2000))
    assert np.abs(found).max() < 0.4
    assert_allclose(error_curve_of(output, 0 * usual, np.zeros(2000)), 0, atol=1e-9)
    one = error_curve_of(np.array([0.5]), np.array([2.0]), np.array([0.0]))
    assert_allclose(one, 0, atol=1e-9)
