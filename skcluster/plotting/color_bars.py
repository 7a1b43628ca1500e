"""Color bars whose tick labels never touch, for any range of values.

matplotlib labels the minor ticks of a logarithmic bar that spans less than a decade; on the
short bars of a figure with several panels the labels are then printed over each other.

matplotlib is imported with this module: import it where something is drawn.
"""

from functools import lru_cache

import numpy as np
from matplotlib.axis import XAxis, YAxis
from matplotlib.colors import LogNorm
from matplotlib.font_manager import FontProperties
from matplotlib.ticker import FuncFormatter, Locator, MaxNLocator, NullFormatter

LABEL_SIZE = "small"
CHARACTER_WIDTH = 0.65
"""Width of a digit, in units of the font size."""
LABEL_GAP = 0.6
"""Smallest gap between two labels, in units of the font size."""
MOST_TICKS = 6
STEPS = (1, 2, 2.5, 5, 10)


def color_bar(figure, mappable, axes, label, **colorbar_kwargs):
    """Add a color bar with as many tick labels as fit next to each other.

    Parameters
    ----------
    figure : matplotlib Figure
    mappable : matplotlib AxesImage or PathCollection
    axes : matplotlib Axes, or array of them
        Space for the bar is taken from these.
    label : str
    **colorbar_kwargs
        For matplotlib's colorbar, such as ``location``.

    Returns
    -------
    bar : matplotlib Colorbar
    """
    locator = FittingLocator(isinstance(mappable.norm, LogNorm))
    options = {"ticks": locator, "format": FuncFormatter(tick_label)} | colorbar_kwargs
    bar = figure.colorbar(mappable, ax=axes, label=label, **options)
    bar.minorformatter = NullFormatter()
    bar.ax.tick_params(labelsize=LABEL_SIZE)
    return bar


class FittingLocator(Locator):
    """Locator that draws as many ticks as the present length of the axis has space for.

    Parameters
    ----------
    is_log : bool
        Whether the axis is logarithmic.
    """

    axis: XAxis | YAxis

    def __init__(self, is_log):
        self.is_log = is_log

    def __call__(self):
        return self.tick_values(*sorted(self.axis.get_view_interval()))

    def tick_values(self, low, high):
        """Return the ticks between two values."""
        if not (np.isfinite([low, high]).all() and low < high):
            return np.array([low])
        along_x = self.axis.axis_name == "x"
        space = *self._length_and_font_size(), along_x
        # matplotlib asks some forty times for each bar.
        return np.array(_fitting_ticks(low, high, self.is_log, *space))

    def _length_and_font_size(self):
        """Length of the axis and size of its labels [points]."""
        axes = self.axis.axes
        box = axes.get_window_extent()
        pixels = box.width if self.axis.axis_name == "x" else box.height
        size = FontProperties(size=LABEL_SIZE).get_size_in_points()
        return pixels * 72 / axes.figure.dpi, size


@lru_cache(maxsize=128)
def _fitting_ticks(low, high, is_log, length, size, along_x):
    """As many ticks between two values as fit on an axis of this length [points]."""
    sets = _log_ticks(low, high) if is_log else _linear_ticks(low, high)
    slack = 1e-9 * (high - low)
    sets = [ticks[(ticks >= low - slack) & (ticks <= high + slack)] for ticks in sets]
    sets = [ticks for ticks in sets if 0 < len(ticks) <= MOST_TICKS]
    sets += [ticks[[0, -1]] for ticks in sets if len(ticks) > 2]
    for ticks in sorted(sets, key=len, reverse=True):
        places, ends = ticks, np.array([low, high])
        if is_log:
            places, ends = np.log(ticks), np.log(ends)
        middle = (places - ends[0]) / (ends[1] - ends[0]) * length
        half = np.full(len(ticks), size / 2)
        if along_x:
            half = np.array([*map(_n_characters, ticks)]) * CHARACTER_WIDTH * size / 2
        gaps = (middle - half)[1:] - (middle + half)[:-1]
        if (gaps >= LABEL_GAP * size).all():
            return ticks
    return np.array([low])


def _log_ticks(low, high):
    """Sets of ticks for a logarithmic axis: powers of ten, and finer if it is short."""
    first, last = np.floor(np.log10(low)), np.ceil(np.log10(high))
    exponents = np.arange(first, last + 1)
    sets = [10.0 ** exponents[exponents % n == 0] for n in range(1, len(exponents) + 1)]
    if high < 100 * low:
        sets.append(np.outer(10.0**exponents, [1, 2, 5]).ravel())
        sets.append(np.outer(10.0**exponents, [1, 3]).ravel())
        sets += _linear_ticks(low, high)
    return sets


def _linear_ticks(low, high):
    return [
        MaxNLocator(n, steps=STEPS).tick_values(low, high)
        for n in range(MOST_TICKS, 0, -1)
    ]


def tick_label(value, place=None):
    """Write a number in its shortest readable form: 0.02, 300, or with a power of ten.

    Examples
    --------
    >>> tick_label(0.02), tick_label(1e-5), tick_label(2.5e-5)
    ('0.02', '$10^{-5}$', '$2.5{\\\\times}10^{-5}$')
    """
    if value == 0 or 1e-3 <= abs(value) < 1e4:
        return f"{value:g}".replace("-", "−")
    mantissa, exponent = f"{value:.6e}".split("e")
    mantissa = f"{float(mantissa):g}"
    power = f"10^{{{int(exponent)}}}"
    if mantissa in ("1", "-1"):
        return f"${mantissa[:-1]}{power}$"
    return rf"${mantissa}{{\times}}{power}$"


def _n_characters(value):
    """Width of a tick's label, in digits."""
    label = tick_label(value)
    if not label.startswith("$"):
        return len(label)
    mantissa, exponent = label.strip("$").split("10^")
    n_small = len(exponent.strip("{}"))
    n_before = len(mantissa.replace(r"{\times}", "x"))
    return n_before + 2 + 0.75 * n_small
