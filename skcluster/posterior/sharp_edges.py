"""Posteriors near the ends of the training masses, where they may not be Gaussian."""

import numpy as np

NEGLIGIBLE = 1e-6
"""Probability beyond the ends that is cut off without looking at the rest."""
LEAST_DISTANCE = {True: 0.7, False: 0.4}
"""Least distance of a posterior's mean from the ends, in its standard deviations.

Closer means are a network's own error. If the standard deviation is that of the cluster
(the key True), a likelihood with one peak and flat masses put no mean closer than 1 to an
end: 0.7 splits the error between the mean and the standard deviation. If it is that of the
likelihood, a mean is closer than 0.4 only if that peak lies 1.7 beyond the end.
"""
MOST_STRETCH, TAIL = 0.9, 2.0
"""Largest coefficient of x**2, as a share of that by which the tails fall beyond x = 2.

A Gaussian falls by 1/2: it gets at most three times as wide as its rest inside. A mixture
falls as its widest component does, and would rise again with a larger coefficient.
"""
MOST_STEPS, LARGEST_STEP = 100, np.array([1.0, 0.2])


def cut_at_support(edges, probability, support, *, match_std):
    r"""Cut posteriors where the prior ends, and keep the moments that were predicted.

    A regressor that minimizes squares or a Gaussian likelihood learns the mean (and the
    standard deviation) of the true posterior, which ends where the training masses do. A
    Gaussian of these moments reaches beyond. The posterior inside that has these moments
    and is closest to the Gaussian (in relative entropy) is

    .. math::

        p(x) \propto p_0(x) \, e^{a x + b x^2}

    For a Gaussian :math:`p_0` it is a truncated Gaussian: the exact posterior of a linear
    observable with Gaussian noise and a flat prior.

    Parameters
    ----------
    edges : ndarray of shape (n_clusters, n_cells + 1)
    probability : ndarray of shape (n_clusters, n_cells)
    support : tuple of 2 float
        log10 masses between which the prior is positive.
    match_std : bool
        Whether the standard deviations are those of each cluster. Otherwise they are a
        mean over clusters, so b = 0: the likelihood is as wide at the ends as elsewhere.

    Returns
    -------
    edges, probability : ndarrays
        As many cells as before. A posterior that is cut has an empty cell beyond the end.

    Examples
    --------
    A half of a Gaussian has a mean of 0.798 and a standard deviation of 0.603.

    >>> import numpy as np
    >>> from scipy.stats import norm
    >>> edges = np.linspace(-4.0, 6.0, 2001)
    >>> probability = np.diff(norm.cdf(edges, 0.798, 0.603))
    >>> cells = cut_at_support(
    ...     edges[None], probability[None], (0.0, 9.0), match_std=True
    ... )
    >>> below_one = np.interp(1.0, cells[0][0, 1:], np.cumsum(cells[1][0]))
    >>> bool(np.isclose(below_one, 2 * norm.cdf(1) - 1, atol=1e-3))
    True
    """
    low, high = support
    below = np.zeros_like(edges)
    np.cumsum(probability / probability.sum(axis=1, keepdims=True), 1, out=below[:, 1:])
    outside = [
        np.interp(low, row, cumulative) + 1 - np.interp(high, row, cumulative)
        for row, cumulative in zip(edges, below, strict=True)
    ]
    cut = np.flatnonzero(np.array(outside) > NEGLIGIBLE)
    edges, probability = edges.copy(), np.array(probability, float)
    if len(cut):
        edges[cut], probability[cut] = _cut(
            edges[cut], probability[cut], support, match_std
        )
    return edges, probability


def _cut(edges, probability, support, match_std):
    low, high = support
    middle = (edges[:, 1:] + edges[:, :-1]) / 2
    share = probability / probability.sum(axis=1, keepdims=True)
    mean = np.sum(share * middle, axis=1)
    std = np.sqrt(np.sum(share * (middle - mean[:, None]) ** 2, axis=1))
    margin = np.minimum(LEAST_DISTANCE[match_std] * std, (high - low) / 2)
    wanted = np.clip(mean, low + margin, high - margin)
    shift = (wanted - mean)[:, None]
    inside = _edges_inside(edges + shift, support)
    new_middle = (inside[:, 1:] + inside[:, :-1]) / 2
    with np.errstate(divide="ignore"):
        logarithm = [
            np.interp(*row)
            for row in zip(new_middle, middle + shift, np.log(share), strict=True)
        ]
    is_inside = (low < new_middle) & (new_middle < high)
    share = np.where(is_inside, np.exp(logarithm), 0.0)
    x = (new_middle - wanted[:, None]) / std[:, None]
    return inside, _tilted(x, share, match_std)


def _edges_inside(edges, support):
    """Equal cells between the ends, and one beyond each end that cuts something off."""
    low, high = support
    is_cut = np.stack([edges[:, 0] < low, edges[:, -1] > high])
    first, last = np.maximum(edges[:, 0], low), np.minimum(edges[:, -1], high)
    n_cells = edges.shape[1] - 1
    cell = (last - first) / (n_cells - is_cut.sum(axis=0))
    inside = np.linspace(
        first - cell * is_cut[0], last + cell * is_cut[1], n_cells + 1, axis=1
    )
    # Without the last bits of rounding, lest the cells at the ends lose some of theirs.
    inside[is_cut[0], 1], inside[is_cut[1], -2] = low, high
    return inside


def _tilted(x, share, match_std):
    """Shares with a mean of 0 and, as far as it is possible, a variance of 1."""
    coefficient, most = np.zeros((len(x), 2)), _most_stretch(x, share)
    going = np.arange(len(x))
    for _ in range(MOST_STEPS):
        tilted = _multiplied(x[going], share[going], coefficient[going])
        is_stretched = coefficient[going, 1] >= most[going]
        step = _newton_step(x[going], tilted, is_stretched, match_std)
        moved = coefficient[going] + np.clip(step, -LARGEST_STEP, LARGEST_STEP)
        moved[:, 1] = np.minimum(moved[:, 1], most[going])
        change = np.abs(moved - coefficient[going]).max(axis=1)
        coefficient[going] = moved
        going = going[change > 1e-9]
        if len(going) == 0:
            break
    return _multiplied(x, share, coefficient)


def _most_stretch(x, share):
    with np.errstate(divide="ignore"):
        fall = np.log(share.max(axis=1, keepdims=True)) - np.log(share)
    falls_by = np.where(
        np.abs(x) > TAIL, fall / np.maximum(np.abs(x), TAIL) ** 2, np.inf
    )
    return MOST_STRETCH * np.minimum(falls_by.min(axis=1), 0.5)


def _multiplied(x, share, coefficient):
    with np.errstate(divide="ignore"):
        logarithm = np.log(share)
    logarithm += coefficient[:, :1] * x + coefficient[:, 1:] * x**2
    weight = np.exp(logarithm - logarithm.max(axis=1, keepdims=True))
    return weight / weight.sum(axis=1, keepdims=True)


def _newton_step(x, share, is_stretched, match_std):
    """Step towards the minimum of the convex function whose gradient is the misfit."""
    first, second, third, fourth = (
        np.sum(share * x**power, axis=1) for power in (1, 2, 3, 4)
    )
    a_a, a_b, b_b = second - first**2, third - first * second, fourth - second**2
    misfit = np.stack([first, second - 1], axis=1)
    alone = np.stack([-misfit[:, 0] / a_a, np.zeros(len(x))], axis=1)
    if not match_std:
        return alone
    determinant = np.maximum(a_a * b_b - a_b**2, 1e-12)
    both = np.stack(
        [
            -(b_b * misfit[:, 0] - a_b * misfit[:, 1]) / determinant,
            -(a_a * misfit[:, 1] - a_b * misfit[:, 0]) / determinant,
        ],
        axis=1,
    )
    is_stretched = is_stretched & (both[:, 1] >= 0)
    return np.where(is_stretched[:, None], alone, both)
