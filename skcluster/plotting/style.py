"""Colors, sizes, axes and files that all figures share."""

import numpy as np

OKABE_ITO = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Colors that color-blind readers can tell apart."""

COLUMN_WIDTH, PAGE_WIDTH = 3.5, 7.1
"""Widths of one column and of both columns on the page of a journal [inch]."""


def color_after(n_drawn):
    """Return the color of the next curve in axes that already hold `n_drawn` curves."""
    return OKABE_ITO[n_drawn % len(OKABE_ITO)]


def axes_or_new(ax, height, width=COLUMN_WIDTH):
    """Return the given axes, or those of a new figure of this size [inch]."""
    if ax is not None:
        return ax
    import matplotlib.pyplot as plt

    return plt.subplots(figsize=(width, height), layout="constrained")[1]


def save_figure(path, figure):
    """Write a figure as PNG, atomically."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ..io.atomic import atomic_replace

    figure.set_dpi(150)
    with atomic_replace(path) as file:
        # savefig would draw the figure twice, once to lay it out.
        FigureCanvasAgg(figure).print_png(file)


def check_not_empty(maps, *, by):
    """Refuse to draw a figure without panels."""
    if not len(maps):
        raise ValueError(f"{by} needs 1 map or more to draw, got none.")


def given_axes(ax, n_panels, *, by):
    """Return the axes given for the panels of a display as a flat array."""
    ax = list(ax.values()) if isinstance(ax, dict) else ax
    axes = np.asarray(ax, object).ravel()
    if len(axes) != n_panels:
        raise ValueError(
            f"{by} draws {n_panels} panels here, got {len(axes)} axes. Give an array of "
            f"{n_panels} matplotlib Axes, or None for a new figure."
        )
    return axes
