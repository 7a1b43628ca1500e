"""The printed form of posteriors for notebooks: numbers and a curve per cluster."""

import numpy as np

from ..printable import counted, html_table

N_SHOWN = 10
N_POINTS, WIDTH, HEIGHT = 81, 160, 24
"""Points of a curve, and size of its picture in pixels."""


def as_html(posterior):
    """Describe the first posteriors in a table with their curves, for notebooks.

    Parameters
    ----------
    posterior : MassPosterior
    """
    shown = posterior[:N_SHOWN] if len(posterior) > N_SHOWN else posterior
    mean, std = shown.mean(), shown.std()
    low, median, high = np.reshape(shown.quantile([0.16, 0.5, 0.84]), (-1, 3)).T
    rows = [
        (i, *(f"{number:.3f}" for number in numbers))
        for i, numbers in enumerate(zip(mean, std, median, low, high, strict=True))
    ]
    return html_table(
        ("", "mean", "std", "median", "16 %", "84 %"),
        rows,
        caption=f"log10 M500c [Msun/h] of {counted(len(posterior), 'cluster')}"
        + (f", the first {N_SHOWN}" if len(posterior) > N_SHOWN else ""),
        pictures=_curves(shown),
    )


def _curves(posterior):
    """Draw the density of each posterior over the masses that all of them span."""
    if not len(posterior):
        return []
    ends = np.reshape(posterior.quantile([1e-3, 1 - 1e-3]), (-1, 2))
    masses = np.linspace(ends[:, 0].min(), ends[:, 1].max(), N_POINTS)
    x = np.linspace(0, WIDTH, N_POINTS)
    curves = []
    for middle, density in zip(posterior.middle, posterior.density, strict=True):
        y = np.interp(masses, middle, density, left=0, right=0)
        y = HEIGHT - (HEIGHT - 1) * y / max(y.max(), density.max())
        points = " ".join(f"{a:.0f},{b:.1f}" for a, b in zip(x, y, strict=True))
        curves.append(
            f'<svg width="{WIDTH}" height="{HEIGHT}"><polyline points="{points}" '
            'fill="none" stroke="currentColor"/></svg>'
        )
    return curves
