"""Figures of a contest: scatter of each estimator, and scatter against training time."""

import numpy as np

from ..plotting import OKABE_ITO

KINDS = {
    "std": ("o", OKABE_ITO[0], "standard deviation"),
    "robust": ("s", OKABE_ITO[1], "half of the central 68 %"),
}


def scatter_figure(summary):
    """Draw both scatters of every estimator, the best at the top.

    Parameters
    ----------
    summary : astropy.table.Table
        As `summary_table` returns it.

    Returns
    -------
    figure : matplotlib Figure
        Bars are bootstrap errors over halos and, with several surveys, the scatter between
        them, whichever is larger.
    """
    from matplotlib.figure import Figure

    summary = summary[np.argsort(summary["std_percent"])[::-1]]
    height = 1.2 + 0.28 * len(summary)
    figure = Figure(figsize=(7.1, height), layout="constrained")
    ax = figure.subplots()
    y = np.arange(len(summary))
    for i, (kind, (marker, color, label)) in enumerate(KINDS.items()):
        ax.errorbar(
            summary[f"{kind}_percent"],
            y + 0.12 * (2 * i - 1),
            xerr=_bars(summary, kind),
            fmt=marker,
            ms=4,
            color=color,
            label=label,
            lw=1,
        )
    ax.set(
        yticks=y, yticklabels=list(summary["estimator"]), xlabel="scatter of ln M [%]"
    )
    ax.grid(axis="x", color="0.9")
    ax.legend(frameon=False, fontsize="small")
    return figure


def time_figure(summary):
    """Draw the scatter of every estimator against the CPU time of its training.

    Parameters
    ----------
    summary : astropy.table.Table
        As `summary_table` returns it.

    Returns
    -------
    figure : matplotlib Figure
        The lower left corner is best. The line joins estimators than which none is both
        faster and better.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.1, 3.6), layout="constrained")
    ax = figure.subplots()
    seconds = np.maximum(np.asarray(summary["fit_cpu_seconds"], float), 1e-3)
    scatter = np.asarray(summary["std_percent"], float)
    marker, color, label = KINDS["std"]
    ax.errorbar(
        seconds,
        scatter,
        yerr=_bars(summary, "std"),
        fmt=marker,
        ms=5,
        color=color,
        lw=1,
    )
    _number_points(ax, seconds, scatter, summary["estimator"])
    figure.legend(
        loc="outside right upper", fontsize="x-small", handlelength=0, frameon=False
    )
    best = fastest_and_best(seconds, scatter)
    ax.plot(seconds[best], scatter[best], color="0.6", lw=1, zorder=0)
    ax.set(
        xscale="log",
        xlabel="training of one fold [CPU s]",
        ylabel=f"scatter of ln M: {label} [%]",
    )
    ax.margins(x=0.15)
    return figure


def _number_points(ax, seconds, scatter, names):
    """Number the points from the left, and list the numbers with their names."""
    # Names would be printed over each other, where estimators are close.
    sides: list[dict] = [
        {"xytext": (5, 3)},
        {"xytext": (-5, -3), "ha": "right", "va": "top"},
    ]
    for number, row in enumerate(np.lexsort([scatter, seconds]), 1):
        ax.annotate(
            str(number),
            (seconds[row], scatter[row]),
            textcoords="offset points",
            fontsize="small",
            **sides[number % 2],
        )
        ax.plot([], [], ls="", label=f"{number}  {names[row]}")


def fastest_and_best(seconds, scatter):
    """Return the rows than which no other is both faster and better, fastest first.

    Examples
    --------
    >>> fastest_and_best(np.array([1.0, 5.0, 9.0]), np.array([20.0, 25.0, 10.0]))
    array([0, 2])
    """
    order = np.lexsort([scatter, seconds])
    lowest = np.minimum.accumulate(scatter[order])
    is_new = np.append(True, lowest[1:] < lowest[:-1])
    return order[is_new]


def _bars(summary, kind):
    own = np.asarray(summary[f"{kind}_percent_error"], float)
    between = np.asarray(summary[f"{kind}_percent_between_seeds"], float)
    return np.fmax(own, between)
