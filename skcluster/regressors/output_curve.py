"""Curves of a network's output: what masses its training clusters have, and what errors.

They are written in operations that arrays and tensors share, so that gradients follow.
"""

import numpy as np

from ..cluster_weights import effective_number, weighted_quantile

KNOTS = np.array([-1.5, -0.5, 0.5, 1.5])
"""Standardized outputs at which a curve is given: natural cubic splines between, and
straight lines beyond."""
PRIOR_BEND = 0.5
"""Expected deviation of a curve from a shift of the output, at each knot.

Networks stopped after 25 epochs have up to 0.3, after 6 epochs 0.7. The prior matters only
where the training clusters tell little: few of them, or predictions that hardly differ.
"""
LEAST_VARIANCE = 1e-6
"""Least variance about a curve: a few outputs without any would leave it undetermined."""
MOST_SLOPE = 3.0
"""Largest slope of a curve; 1 over it is the smallest."""
PRIOR_ERRORS = 0.3
"""Expected deviation of a logarithm of the variance from a network's, at each knot."""
LARGEST = 4.0
"""Residuals count as no more than this many errors, lest a few decide."""
MEDIAN_SQUARE = 0.455
"""Median of the square of a standard Gaussian number."""
MOST_STEPS = 50


def curve_of(output, target, weight=None):
    r"""Curve of the target against a network's output, by penalized least squares.

    A network that has minimized squares to the end has residuals of mean zero, over all
    clusters and nearly so at each predicted mass. But training is noisy and stops early, so
    its output has an offset, a slope and a bend of its own. What the training clusters show
    of them, new clusters show, too.

    The curve g is a natural cubic spline (Hastie, Tibshirani & Friedman 2009, section
    5.2.1) with the values :math:`g_k = x_k + r_k` at `KNOTS` :math:`x_k`, which minimize

    .. math::

        \sum_i w_i [t_i - g(x_i)]^2
            + \frac{\sigma^2}{p^2} \sum_k (r_k - \bar{r})^2 ,

    where :math:`\sigma^2` is the variance of t - x and p is `PRIOR_BEND`. Slopes are kept
    between 1 / `MOST_SLOPE` and `MOST_SLOPE`, and the mean residual at zero.

    Parameters
    ----------
    output : ndarray of shape (n,) or (n, n_draws)
        Standardized outputs; those of several draws of dropout are averaged on the curve.
    target : ndarray of shape (n,)
        Standardized masses.
    weight : ndarray of shape (n,), default=None
        :math:`w_i`

    Returns
    -------
    curve : ndarray of shape (4,)
        :math:`g_k`

    Examples
    --------
    >>> output = np.linspace(-2, 2, 1000)
    >>> curve_of(output, 1.04 * output - 0.1).round(2)
    array([-1.66, -0.62,  0.42,  1.46])
    """
    weight = np.ones(len(output)) if weight is None else weight
    share = weight / weight.sum()
    output = output.reshape(len(output), -1)
    cardinal = _basis(output).mean(axis=1) @ TO_COEFFICIENTS
    residual = target - output.mean(axis=1)
    variance = share @ (residual - share @ residual) ** 2
    penalty = max(variance, LEAST_VARIANCE) / effective_number(weight) / PRIOR_BEND**2
    normal = _curvature(cardinal, share, penalty)
    bend = np.linalg.solve(normal, cardinal.T @ (share * residual))
    bend *= _allowed(bend)
    return KNOTS + bend + share @ (residual - cardinal @ bend)


def error_curve_of(output, residual, log_variance, weight=None):
    r"""Curve to add to the log variances that a network predicts, by training clusters.

    The variance that a network predicts is too small at some masses, and too large at
    others: training stops before the likelihood is at its highest. Only this shape is
    learned here, as training clusters do not tell the scale of the errors of others.

    The curve h is a natural cubic spline with the values :math:`h_k` at `KNOTS`, with which
    the residuals :math:`r_i` are most likely,

    .. math::

        r_i \sim N\left(0, e^{s_i + h(x_i) + c}\right), \qquad h_k - \bar{h} \sim N(0, p^2),

    where :math:`s_i` is the log variance of the network and p is `PRIOR_ERRORS`. The
    constant c is dropped, so that the mean of h over the clusters is zero.

    Parameters
    ----------
    output, residual, log_variance : ndarray of shape (n,)
        Standardized outputs, residuals of the masses on the curve, and the logarithms of
        their variances as the network predicts them.
    weight : ndarray of shape (n,), default=None

    Returns
    -------
    curve : ndarray of shape (4,)
        :math:`h_k`

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> output = rng.uniform(-2, 2, 20_000)
    >>> residual = rng.normal(0, np.exp(0.1 * output))
    >>> error_curve_of(output, residual, np.zeros(20_000)).round(1)
    array([-0.3, -0.1,  0.1,  0.3])
    """
    weight = np.ones(len(output)) if weight is None else weight
    share = weight / weight.sum()
    cardinal = _basis(_within(output)) @ TO_COEFFICIENTS
    square = residual**2 * np.exp(-log_variance)
    usual = weighted_quantile(square, 0.5, weight)
    if usual == 0:
        return np.zeros(len(KNOTS))
    square = (square * MEDIAN_SQUARE / usual).clip(0, LARGEST**2)
    # Half of the likelihood's curvature is that of the squares.
    penalty = 2 / effective_number(weight) / PRIOR_ERRORS**2
    # Fisher's scoring: the expected curvature, which no cluster makes small.
    expected = _curvature(cardinal, share, penalty)
    curve = np.zeros(len(KNOTS))
    for _ in range(MOST_STEPS):
        left = share * square * np.exp(-cardinal @ curve)
        gradient = cardinal.T @ (left - share) - penalty * (curve - curve.mean())
        step = np.linalg.solve(expected, gradient)
        curve += step / max(1.0, np.abs(step).max())
        if np.abs(step).max() < 1e-10:
            break
    return curve - share @ cardinal @ curve


def on_error_curve(output, curve):
    """Value of an error curve at the outputs, constant beyond the outermost knots.

    Parameters
    ----------
    output : ndarray
    curve : ndarray of shape (..., 4)
        See `error_curve_of`; its leading axes are broadcast against those of `output`.
    """
    return on_curve(_within(output), curve)


def on_curve(output, curve):
    """Values of a curve at the outputs of a network.

    Parameters
    ----------
    output : ndarray or tensor
    curve : ndarray of shape (..., 4)
        See `curve_of`; its leading axes are broadcast against those of `output`.

    Returns
    -------
    target : ndarray or tensor

    Examples
    --------
    >>> on_curve(np.array([-30.0, 0.2, 40.0]), KNOTS + 0.5).round(6)
    array([-29.5,   0.7,  40.5])
    """
    offset, slope, *bends = np.moveaxis(curve @ TO_COEFFICIENTS.T, -1, 0)
    target = output * slope + offset
    for shape, bend in zip(_bent(output), bends, strict=True):
        target = target + shape * bend
    return target


def _curvature(cardinal, share, penalty):
    """Matrix of the penalized normal equations."""
    from_mean = np.eye(len(KNOTS)) - 1 / len(KNOTS)
    return (cardinal * share[:, None]).T @ cardinal + penalty * from_mean


def _within(output):
    return output.clip(KNOTS[0], KNOTS[-1])


def _basis(x):
    return np.stack([np.ones_like(x), x, *_bent(x)], axis=-1)


def _bent(x):
    """Natural cubic splines that are not straight (Eqs. 5.4 and 5.5 of the book above)."""
    *cubes, last = [(x - knot).clip(0) ** 3 for knot in KNOTS]
    *shapes, straight = [
        (cube - last) / (KNOTS[-1] - knot)
        for cube, knot in zip(cubes, KNOTS[:-1], strict=True)
    ]
    return [shape - straight for shape in shapes]


TO_COEFFICIENTS = np.linalg.inv(_basis(KNOTS))


def _allowed(bend):
    """Largest share of a bend with which no slope is too large or too small."""
    x = np.linspace(KNOTS[0], KNOTS[-1], 61)
    change = np.diff(_basis(x) @ TO_COEFFICIENTS @ bend) / np.diff(x)
    too_steep = change.max() / (MOST_SLOPE - 1)
    too_flat = -change.min() / (1 - 1 / MOST_SLOPE)
    return 1 / max(too_steep, too_flat, 1.0)
