"""Display of one cluster: emission by source, masks of the sources, and saliency."""

import numpy as np

from ..explain.attention import as_booleans
from ..explain.radial_profile import checked_saliency
from ..printable import counted
from .sky import (
    count_norm,
    draw_circle,
    draw_pixels,
    label_sky,
    map_colors,
    saliency_label,
    saliency_style,
    write_inside,
)
from .style import OKABE_ITO, PAGE_WIDTH, given_axes

SOURCE_LABELS = {"icm": "ICM", "agn": "AGN", "background": "background"}
SOURCE_COLORS = {"icm": OKABE_ITO[0], "agn": OKABE_ITO[1], "background": "0.75"}


class SourceMaskDisplay:
    """Emission of one cluster by source, with masks and saliency (paper Fig. 8).

    Parameters
    ----------
    masks : dict of str to ndarray of bool of shape (n_pixels, n_pixels)
        Masks ``icm``, ``agn`` and ``background``, or some of them, from `source_masks`:
        pixels with more photons of the ICM than of AGN, with more of AGN, and with photons
        of the background alone. The background is not compared with the others, and may be
        the brightest in their pixels.
    emission : dict of str to ndarray of shape (n_pixels, n_pixels)
        Photon maps of the sources, or ``{"all": map}``.
    saliency : ndarray of shape (n_pixels, n_pixels), default=None
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    r500c : float, default=None
        [comoving Mpc/h]
    label : str, default=None
        Name and unit of the saliency; by default the gradient of log10 M.

    Attributes
    ----------
    axes_ : dict of str to matplotlib Axes
        Panels under the names in `emission`, ``masks`` and ``saliency``.
    figure_ : matplotlib Figure
    map_images_ : dict of str to AxesImage
        Images of the emission, with one scale for all.
    mask_image_ : AxesImage
        Pixels of the first mask are 1, of the second 2, and so on; others are blank.
    saliency_image_ : AxesImage
    circles_ : list of matplotlib Circle

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import SourceMaskDisplay
    >>> icm, agn = np.zeros((2, 4, 4))
    >>> icm[1:3, 1:3], agn[0, 3] = 9, 2
    >>> display = SourceMaskDisplay(
    ...     {"icm": icm > agn, "agn": agn > icm},
    ...     emission={"icm": icm, "agn": agn},
    ...     half_width=2.3,
    ... ).plot()
    >>> list(display.axes_)
    ['icm', 'agn', 'masks']
    """

    def __init__(
        self, masks, *, emission, saliency=None, half_width, r500c=None, label=None
    ):
        self.masks, self.emission, self.saliency = masks, emission, saliency
        self.half_width, self.r500c, self.label = half_width, r500c, label

    @classmethod
    def from_sample(
        cls,
        sample,
        cluster,
        mapper,
        *,
        saliency=None,
        label=None,
        ax=None,
        **image_kwargs,
    ):
        """Draw one cluster of a sample whose photons have an origin.

        Parameters
        ----------
        sample : ClusterSample with photons
        cluster : int
        mapper : PhotonMapper
        saliency : ndarray of shape (n_clusters, n_bands, n_pixels, n_pixels), \
default=None
            Saliency of all clusters of the sample; its mean over the bands is shown.
        label : str, default=None
            See `SourceMaskDisplay`.
        ax, **image_kwargs
            See `plot`.
        """
        from ..explain import source_maps, source_masks

        if saliency is not None:
            saliency = _saliency_of_all(saliency, len(sample), mapper.n_pixels)
        chosen = sample[[cluster]]
        sources = source_maps(chosen, mapper)
        emission = {
            name: np.asarray(sources[name])[0].sum(axis=0) for name in ("icm", "agn")
        }
        masks = source_masks(sources)
        display = cls(
            {name: masks[name][0] for name in SOURCE_LABELS},
            emission=emission,
            saliency=None if saliency is None else saliency[cluster].mean(axis=0),
            half_width=mapper.half_width,
            r500c=None if chosen.r500c is None else float(chosen.r500c[0]),
            label=label,
        )
        return display.plot(ax, **image_kwargs)

    def plot(self, ax=None, **image_kwargs):
        """Draw the emission, the masks in one panel, and the saliency.

        Parameters
        ----------
        ax : array or dict of matplotlib Axes, default=None
            One per panel, in the order of ``axes_``. None makes a new figure.
        **image_kwargs
            Options of matplotlib's imshow for the saliency.
        """
        names = [*self.emission, "masks"]
        if self.saliency is not None:
            names.append("saliency")
        if ax is None:
            axes = _row_of_axes(len(names))
        else:
            axes = given_axes(ax, len(names), by="SourceMaskDisplay")
        self.axes_, self.figure_ = dict(zip(names, axes, strict=True)), axes[0].figure
        self._draw_emission()
        self._draw_masks(self.axes_["masks"])
        if self.saliency is not None:
            self._draw_saliency(self.axes_["saliency"], image_kwargs)
        self.circles_ = []
        if self.r500c is not None:
            for name, panel in self.axes_.items():
                color = "k" if name == "masks" else "w"
                self.circles_.append(draw_circle(panel, self.r500c, color=color))
        label_sky(axes, is_new=ax is None)
        return self

    def _draw_emission(self):
        maps = list(self.emission.values())
        style = {"cmap": map_colors(), "norm": count_norm(maps)}
        self.map_images_ = {}
        for name, pixels in self.emission.items():
            self.map_images_[name] = self._draw(self.axes_[name], pixels, **style)
            write_inside(self.axes_[name], SOURCE_LABELS.get(name, name))
        axes = [self.axes_[name] for name in self.emission]
        self._bar(self.map_images_[name], axes, "photons per pixel")

    def _draw_masks(self, ax):
        from matplotlib.colors import ListedColormap

        n = len(self.masks)
        numbers = np.zeros(np.shape(next(iter(self.masks.values()))))
        for i, (name, mask) in enumerate(self.masks.items()):
            numbers[as_booleans(mask, f"The mask {name!r}")] = i + 1
        colors = [SOURCE_COLORS.get(name, "k") for name in self.masks]
        style = {"cmap": ListedColormap(colors), "vmin": 0.5, "vmax": n + 0.5}
        self.mask_image_ = self._draw(ax, numbers, **style)
        ax.set_facecolor("w")
        bar = self._bar(self.mask_image_, ax, "source mask")
        labels = [SOURCE_LABELS.get(name, name) for name in self.masks]
        bar.set_ticks(range(1, n + 1), labels=labels, fontsize="x-small")
        bar.minorticks_off()

    def _draw_saliency(self, ax, image_kwargs):
        style = saliency_style(self.saliency) | image_kwargs
        self.saliency_image_ = self._draw(ax, self.saliency, **style)
        signed = not style["blank"]
        label = saliency_label(signed=signed) if self.label is None else self.label
        extend = "both" if signed else "neither"
        self._bar(self.saliency_image_, ax, label, extend=extend)

    def _draw(self, ax, pixels, **style):
        return draw_pixels(ax, pixels, half_width=self.half_width, **style)

    def _bar(self, image, axes, label, **options):
        from .color_bars import color_bar

        options |= {"location": "top", "pad": 0.05, "aspect": 15 * np.size(axes)}
        return color_bar(self.figure_, image, axes, label, **options)


def _saliency_of_all(saliency, n_clusters, n_pixels):
    """Return saliency as an array, or refuse that of other clusters or pixels."""
    saliency = checked_saliency(saliency)
    n, _, *pixels = saliency.shape
    if (n, pixels) != (n_clusters, [n_pixels, n_pixels]):
        raise ValueError(
            f"The sample has {counted(n_clusters, 'cluster')} and the mapper {n_pixels} x "
            f"{n_pixels} pixels, but the saliency has the shape {saliency.shape}. Give the "
            "saliency of all clusters of the sample, in their order."
        )
    return saliency


def _row_of_axes(n_panels):
    import matplotlib.pyplot as plt

    return plt.subplots(
        1,
        n_panels,
        figsize=((PAGE_WIDTH - 0.7) / 4 * n_panels + 0.7, 2.9),
        sharex=True,
        sharey=True,
        layout="compressed",
    )[1]
