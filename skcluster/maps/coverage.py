"""How much of a map was seen."""

import numpy as np


def square_inside_circle(half_width, radius):
    r"""Fraction of a square's area inside a circle about the same center.

    With :math:`q = r / w`: :math:`\pi q^2 / 4` for a circle inside the square, 1 for
    one around it, and between them

    .. math::

        \sqrt{q^2 - 1} + q^2 \left( \frac{\pi}{4} - \arccos \frac{1}{q} \right)

    Parameters
    ----------
    half_width : float
        Half the square's side, :math:`w`.
    radius : array-like of shape (n,)
        Radius of the circle, in the same unit.

    Returns
    -------
    fraction : ndarray of shape (n,)

    Examples
    --------
    >>> square_inside_circle(1.0, [0.5, 1.0, 2.0]).round(4)
    array([0.1963, 0.7854, 1.    ])
    """
    q = np.clip(np.asarray(radius, float) / half_width, 0, np.sqrt(2))
    beyond = np.maximum(q, 1)
    return np.sqrt(beyond**2 - 1) + q**2 * (np.pi / 4 - np.arccos(1 / beyond))
