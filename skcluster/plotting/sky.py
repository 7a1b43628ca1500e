"""Draw pixel images of the sky, with West to the right and North up."""

import numpy as np

from ..parameters import Integer
from ..sample import half_width_of
from ..sample.plain_arrays import one_per_cluster
from ..sample.units import check_plausible
from .style import PAGE_WIDTH, check_not_empty, given_axes

WEST = "West [comoving Mpc/h]"
NORTH = "North [comoving Mpc/h]"
LAYOUT_PAD = 0.08
"""Space around the panels of a new figure [inch]."""


def draw_pixels(ax, pixels, *, half_width, blank=True, **image_kwargs):
    """Draw ``pixels[y, x]`` on a square centered on the origin.

    Parameters
    ----------
    ax : matplotlib Axes
    pixels : ndarray of shape (n_pixels, n_pixels)
    half_width : float
        Half the side of the square [comoving Mpc/h].
    blank : bool, default=True
        Whether pixels that are not positive show the background, in the color for values
        below the scale.
    **image_kwargs
        Options of matplotlib's imshow.
    """
    half_width = half_width_of(pixels, half_width, by="A map")
    side = half_width * np.array([-1, 1, -1, 1])
    style = {"origin": "lower", "extent": side, "interpolation": "nearest"}
    shown = np.ma.masked_less_equal(pixels, 0) if blank else pixels
    image = ax.imshow(shown, **style | image_kwargs)
    ax.set_facecolor(image.get_cmap().get_under())
    return image


def map_colors():
    """Colors for counts: black for none, and clearly brighter for a single photon."""
    from matplotlib import colormaps
    from matplotlib.colors import ListedColormap

    seen = ListedColormap(colormaps["magma"](np.linspace(0.25, 1, 256)), "magma")
    return seen.with_extremes(under="black")


def draw_circle(ax, radius, **circle_kwargs):
    """Draw a circle about the cluster's center."""
    import matplotlib.pyplot as plt

    check_plausible("r500c", radius)
    style = {"fill": False, "color": "w", "lw": 1.0} | circle_kwargs
    style.setdefault("path_effects", _outlined(style["color"], 2.0))
    return ax.add_patch(plt.Circle((0, 0), radius, **style))


def write_inside(ax, text):
    """Write in the upper left corner of a map, legibly on bright and dark pixels."""
    style = {"color": "w", "va": "top", "transform": ax.transAxes}
    return ax.text(0.04, 0.96, text, path_effects=_outlined("w", 1.5), **style)


def _outlined(color, width):
    """Path effects that outline light colors in black and dark ones in white."""
    from matplotlib.colors import to_rgb
    from matplotlib.patheffects import withStroke

    other = "k" if sum(to_rgb(color)) > 1.5 else "w"
    return [withStroke(linewidth=width, foreground=other, alpha=0.5)]


def sky_panels(ax, panels, n_columns, *, by):
    """Return the given axes, or those of a new figure in rows and columns.

    Parameters
    ----------
    ax : matplotlib Axes, array of them, or None
    panels : sequence
        What is drawn, one item per panel.
    n_columns : int
        Columns of a new figure.
    by : str
        Name of the display, for errors.
    """
    import matplotlib.pyplot as plt

    n_panels = len(panels)
    check_not_empty(panels, by=by)
    n_columns = Integer(1).check("n_columns", n_columns)
    if ax is not None:
        return given_axes(ax, n_panels, by=by)
    n_rows = -(-n_panels // n_columns)
    _, axes = plt.subplots(
        n_rows,
        n_columns,
        figsize=((PAGE_WIDTH - 0.9) / 3 * n_columns + 0.9, 2.2 * n_rows + 0.3),
        sharex=True,
        sharey=True,
        squeeze=False,
        layout="compressed",
    )
    return axes


def finish_panels(axes, n_drawn, r500c, titles, *, is_new):
    """Add circles and titles to the first panels, hide the rest; return the circles."""
    drawn = axes[:n_drawn]
    r500c, titles = per_panel(r500c, titles, n_drawn)
    circles = [] if r500c is None else [*map(draw_circle, drawn, r500c)]
    for panel, title in zip(drawn, [] if titles is None else titles, strict=False):
        panel.set_title(title, fontsize="small")
    for panel in axes[n_drawn:]:
        panel.set_axis_off()
    label_sky(axes, is_new=is_new)
    return circles


def per_panel(r500c, titles, n_panels):
    """Return radii and titles, of which each may be None, or refuse another number."""
    if r500c is not None:
        r500c = one_per_cluster("r500c", r500c, n_panels).tolist()
    if titles is not None and len(titles) != n_panels:
        raise ValueError(
            f"titles must be one for each of {n_panels} clusters, got {len(titles)}."
        )
    return r500c, titles


def label_sky(axes, *, is_new):
    """Label the axes of maps: once for a new figure, otherwise at the outer axes."""
    if is_new:
        figure = axes[0].figure
        figure.supxlabel(WEST, fontsize="medium")
        figure.supylabel(NORTH, fontsize="medium")
        # With the default padding they touch the labels of the ticks.
        figure.get_layout_engine().set(w_pad=LAYOUT_PAD, h_pad=LAYOUT_PAD)
        return
    for ax in axes:
        ax.set(xlabel=WEST, ylabel=NORTH)
        ax.label_outer()


def count_norm(maps):
    """Logarithmic scale from the faintest filled pixel to the brightest, or to twice it."""
    from matplotlib.colors import LogNorm

    maps = np.asarray(maps)
    brightest = float(maps.max()) if maps.any() else 1.0
    faintest = float(maps.min(where=maps > 0, initial=brightest))
    return LogNorm(faintest, max(brightest, 2 * faintest))


def saliency_style(saliency):
    """Colors and scale for saliency: logarithmic, or linear about 0 if it is signed.

    The logarithmic scale ends at the largest value and spans three decades at most; the
    linear one leaves half a per cent of the pixels beyond its ends.
    """
    from matplotlib.colors import LogNorm, Normalize

    size = np.abs(saliency)
    largest = float(size.max()) or 1.0
    if np.min(saliency) < 0:
        limit = float(np.percentile(size, 99.5)) or largest
        return {"cmap": "RdBu_r", "norm": Normalize(-limit, limit), "blank": False}
    smallest = float(size.min(where=size > 0, initial=largest))
    smallest = min(max(smallest, largest / 1000), largest / 2)
    return {"cmap": "viridis", "norm": LogNorm(smallest, largest), "blank": True}


def saliency_label(method="gradient", *, signed=False, per_photon=False):
    """Name and unit of the saliency from a `SaliencyExplainer` with these parameters."""
    words = {
        "integrated_gradients": r"share of $\log_{10} M$",
        "deep_dream": "change of $x$ that raises $M$",
    }
    if method in words:
        return f"{words[method]} [dex]" if signed else f"|{words[method]}| [dex]"
    change = r"\partial \log_{10} M \,/\, \partial x"
    if per_photon:
        change = r"\Delta \log_{10} M"
    unit = "[dex per photon]" if per_photon else "[dex]"
    return f"${change}$ {unit}" if signed else f"$|{change}|$ {unit}"


def band_names(bands):
    """Names of energy bands [keV], such as "0.5–1.2 keV"."""
    return [f"{low:g}–{high:g} keV" for low, high in bands]


def cluster_titles(sample, rows=slice(None), log_mass=None):
    """Titles that give the redshift and, if it is known, the mass of some clusters."""
    masses = unknown = np.full(len(sample), None)
    if log_mass is not None:
        masses = one_per_cluster("log_mass", log_mass, len(sample))
    redshifts = getattr(sample, "redshift", unknown)  # an array of maps has none
    return [
        ", ".join(
            form.format(value)
            for form, value in (
                (r"$\log_{{10}} M$ = {:.2f}", mass),
                ("z = {:.2f}", redshift),
            )
            if value is not None
        )
        for mass, redshift in zip(masses[rows], redshifts[rows], strict=True)
    ]
