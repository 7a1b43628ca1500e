"""Gaussian kernel density estimates, as exact probabilities of narrow cells."""

import numpy as np
from scipy.special import ndtr

VALUES_AT_ONCE = 4096


def scott_bandwidth(n):
    r"""Return Scott's bandwidth :math:`n^{-1/5}`, in standard deviations of n values.

    Examples
    --------
    >>> scott_bandwidth(32)
    0.5
    """
    return n**-0.2


def smoothed_counts(values, width, edges, weight=None):
    r"""Count values in cells, with each value spread by a Gaussian kernel.

    .. math::

        n_j = \sum_i v_i \left[ \Phi \left( \frac{e_{j+1} - x_i}{w} \right)
            - \Phi \left( \frac{e_j - x_i}{w} \right) \right]

    Parameters
    ----------
    values : ndarray of shape (n_values,)
        :math:`x_i`.
    width : float
        :math:`w`, standard deviation of the kernel.
    edges : ndarray of shape (n_cells + 1,)
        :math:`e_j`.
    weight : ndarray of shape (n_values,) or (n_values, k), default=None
        :math:`v_i`; None stands for ones.

    Returns
    -------
    counts : ndarray of shape (n_cells,) or (n_cells, k)
        :math:`n_j`; they sum up to the number (or weight) of values if the edges enclose
        all kernels.

    Examples
    --------
    >>> import numpy as np
    >>> smoothed_counts(np.zeros(2), 1.0, np.array([-9.0, -1.0, 1.0, 9.0])).round(3)
    array([0.317, 1.365, 0.317])
    """
    n_blocks = -(-len(values) // VALUES_AT_ONCE)
    blocks = np.array_split(values, n_blocks)
    if weight is None:
        below = sum(
            ndtr((edges[:, None] - block) / width).sum(axis=1) for block in blocks
        )
    else:
        weights = np.array_split(weight, n_blocks)
        below = sum(
            ndtr((edges[:, None] - block) / width) @ w
            for block, w in zip(blocks, weights, strict=True)
        )
    # Where there is nothing, a matrix product may fall by its rounding.
    return np.diff(below, axis=0).clip(min=0)
