"""Displays of photon maps next to their saliency."""

import numpy as np

from ..printable import counted
from .explained import explained
from .sky import (
    band_names,
    cluster_titles,
    count_norm,
    draw_circle,
    draw_pixels,
    label_sky,
    map_colors,
    per_panel,
    saliency_label,
    saliency_style,
)
from .style import COLUMN_WIDTH, check_not_empty, given_axes


class SaliencyDisplay:
    """Photon maps next to their saliency, one row per cluster (paper Fig. 6).

    Parameters
    ----------
    maps : ndarray of shape (n_clusters, n_pixels, n_pixels)
        Rows to the North, columns to the West.
    saliency : ndarray of shape (n_clusters, n_pixels, n_pixels)
        Saliency with negative values is shown in two colors about 0, any other on a
        logarithmic scale.
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    r500c : array-like of shape (n_clusters,), default=None
        [comoving Mpc/h]
    titles : sequence of str, default=None
    label : str, default=None
        Name and unit of the saliency; by default the gradient of log10 M.

    Attributes
    ----------
    axes_ : ndarray of shape (n_clusters, 2) of matplotlib Axes
    figure_ : matplotlib Figure
    map_images_, saliency_images_ : list of AxesImage
        Images of the maps and of the saliency, each with one scale for all clusters.
    circles_ : list of matplotlib Circle
        Two per cluster.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import SaliencyDisplay
    >>> maps, saliency = np.ones((2, 8, 8)), np.full((2, 8, 8), 1e-3)
    >>> display = SaliencyDisplay(
    ...     maps, saliency, half_width=2.3, r500c=[0.5, 0.8]
    ... ).plot()
    >>> [circle.radius for circle in display.circles_]
    [0.5, 0.5, 0.8, 0.8]
    """

    def __init__(
        self, maps, saliency, *, half_width, r500c=None, titles=None, label=None
    ):
        self.maps, self.saliency = np.asarray(maps), np.asarray(saliency)
        self.half_width, self.r500c = half_width, r500c
        self.titles, self.label = titles, label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        half_width=None,
        log_mass=None,
        ax=None,
        **explainer_params,
    ):
        """Draw maps with the bands summed, and their saliency averaged over the bands.

        Parameters
        ----------
        estimator : fitted network, or Pipeline that ends in one
        X : ClusterSample
            Clusters to show, preferably ones that the network was not trained on.
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h]. None is that of the
            `PhotonMapper` that made them, so a plain array needs a number.
        log_mass : array-like of shape (n_clusters,), default=None
            Masses for the titles.
        ax : array of matplotlib Axes, default=None
            See `plot`.
        **explainer_params
            Parameters of `SaliencyExplainer`: ``method``, ``signed`` and so on.
        """
        titles = cluster_titles(X, log_mass=log_mass)
        found = explained(
            estimator,
            X,
            by="SaliencyDisplay",
            half_width=half_width,
            **explainer_params,
        )
        return cls(
            found.maps.sum(axis=1),
            found.saliency.mean(axis=1),
            half_width=found.half_width,
            r500c=found.r500c,
            titles=titles,
            label=found.label,
        ).plot(ax)

    def plot(self, ax=None, *, figsize=None, **image_kwargs):
        """Draw one row of two panels per cluster.

        Parameters
        ----------
        ax : array of matplotlib Axes of shape (n_clusters, 2), default=None
            None makes a new figure.
        figsize : pair of float, default=None
            Size of a new figure [inch]; by default one column wide.
        **image_kwargs
            Options of matplotlib's imshow for the saliency.
        """
        check_not_empty(self.maps, by="SaliencyDisplay")
        if len(self.saliency) != len(self.maps):
            raise ValueError(
                f"SaliencyDisplay got {counted(len(self.maps), 'map')}, but the saliency "
                f"of {len(self.saliency)}. Give both of the same clusters or bands."
            )
        r500c, titles = per_panel(self.r500c, self.titles, len(self.maps))
        if ax is None:
            self.axes_ = self._new_axes(figsize)
        else:
            axes = given_axes(ax, 2 * len(self.maps), by="SaliencyDisplay")
            self.axes_ = axes.reshape(-1, 2)
        self.figure_ = self.axes_[0, 0].figure
        counts = {"cmap": map_colors(), "norm": count_norm(self.maps)}
        shades = saliency_style(self.saliency) | image_kwargs
        signed = not shades["blank"]
        self.map_images_, self.saliency_images_, self.circles_ = [], [], []
        for row, axes in enumerate(self.axes_):
            self.map_images_.append(self._draw(axes[0], self.maps[row], **counts))
            self.saliency_images_.append(
                self._draw(axes[1], self.saliency[row], **shades)
            )
            if r500c is not None:
                self.circles_ += [
                    draw_circle(ax, r500c[row], color=color)
                    for ax, color in zip(axes, "wk" if signed else "ww", strict=True)
                ]
            if titles is not None:
                axes[0].set_title(titles[row], fontsize="small", loc="left")
        label_sky(self.axes_.ravel(), is_new=ax is None)
        self._bar(self.map_images_[0], 0, "photons per pixel")
        self._bar(
            self.saliency_images_[0],
            1,
            saliency_label(signed=signed) if self.label is None else self.label,
            extend="both" if signed else "neither",
        )
        return self

    def _new_axes(self, figsize):
        import matplotlib.pyplot as plt

        n_rows = len(self.maps)
        return plt.subplots(
            n_rows,
            2,
            figsize=figsize or (COLUMN_WIDTH, 1.6 * n_rows + 1.0),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="compressed",
        )[1]

    def _draw(self, ax, pixels, **style):
        return draw_pixels(ax, pixels, half_width=self.half_width, **style)

    def _bar(self, image, column, label, **options):
        from .color_bars import color_bar

        axes = self.axes_[:, column]
        options |= {"location": "top", "pad": 0.05 / len(axes)}
        color_bar(self.figure_, image, axes, label, **options)


class BandSaliencyDisplay:
    """Maps and saliency of one cluster, one row per energy band (paper Fig. 9).

    Parameters
    ----------
    maps, saliency : ndarray of shape (n_bands, n_pixels, n_pixels)
        Rows to the North, columns to the West.
    bands : sequence of (low, high), default=None
        Energy bands [keV].
    single : pair of ndarray of shape (n_pixels, n_pixels), default=None
        Map and saliency of a network on a single band, for the first row.
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    r500c : float, default=None
        [comoving Mpc/h]
    label : str, default=None
        See `SaliencyDisplay`.

    Attributes
    ----------
    axes_ : ndarray of shape (n_rows, 2) of matplotlib Axes
    figure_ : matplotlib Figure
    map_images_, saliency_images_ : list of AxesImage
        All bands share a scale.
    circles_ : list of matplotlib Circle

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import BandSaliencyDisplay
    >>> maps, saliency = np.ones((2, 8, 8)), np.full((2, 8, 8), 1e-3)
    >>> display = BandSaliencyDisplay(
    ...     maps, saliency, half_width=2.3, bands=((0.5, 2), (2, 7))
    ... ).plot()
    >>> [axes[0].get_title(loc="left") for axes in display.axes_]
    ['0.5–2 keV', '2–7 keV']
    """

    def __init__(
        self,
        maps,
        saliency,
        *,
        bands=None,
        single=None,
        half_width,
        r500c=None,
        label=None,
    ):
        self.maps, self.saliency = np.asarray(maps), np.asarray(saliency)
        self.bands, self.single = bands, single
        self.half_width, self.r500c, self.label = half_width, r500c, label

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        cluster,
        *,
        single_band=None,
        half_width=None,
        ax=None,
        **explainer_params,
    ):
        """Draw the maps of one cluster and the saliency of a network on several bands.

        Parameters
        ----------
        estimator : fitted network, or Pipeline that ends in one
        X : ClusterSample
        cluster : int
        single_band : fitted network or Pipeline, default=None
            Network on a single band, for the first row. Its maps must be as wide, and have
            as many pixels, as those of `estimator`.
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h]. None is that of the
            `PhotonMapper` that made them, so a plain array needs a number.
        ax : array of matplotlib Axes, default=None
            See `plot`.
        **explainer_params
            Parameters of `SaliencyExplainer`.
        """
        X = X[[cluster]]
        explainer_params |= {"half_width": half_width, "by": "BandSaliencyDisplay"}
        found, single = explained(estimator, X, **explainer_params), None
        if single_band is not None:
            other = explained(single_band, X, **explainer_params)
            _check_single_band(other, found)
            single = other.maps[0, 0], other.saliency[0, 0]
        return cls(
            found.maps[0],
            found.saliency[0],
            bands=found.bands,
            single=single,
            half_width=found.half_width,
            r500c=None if found.r500c is None else float(found.r500c[0]),
            label=found.label,
        ).plot(ax)

    def plot(self, ax=None, *, figsize=None, **image_kwargs):
        """Draw one row of two panels per band, as `SaliencyDisplay.plot` does."""
        n_bands = len(self.maps)
        maps, saliency = list(self.maps), list(self.saliency)
        titles = [f"band {i + 1}" for i in range(n_bands)]
        if self.bands is not None:
            titles = band_names(self.bands)
        if self.single is not None:
            maps, saliency = [self.single[0], *maps], [self.single[1], *saliency]
            titles = ["single band", *titles]
        rows = SaliencyDisplay(
            np.array(maps),
            np.array(saliency),
            half_width=self.half_width,
            r500c=None if self.r500c is None else [self.r500c] * len(maps),
            titles=titles,
            label=self.label,
        ).plot(ax, figsize=figsize, **image_kwargs)
        self.figure_, self.axes_ = rows.figure_, rows.axes_
        self.map_images_, self.saliency_images_ = (
            rows.map_images_,
            rows.saliency_images_,
        )
        self.circles_ = rows.circles_
        return self


def _check_single_band(single, others):
    """Refuse a network whose map has no place in the first row."""
    n_bands = single.maps.shape[1]
    if n_bands != 1:
        raise ValueError(
            f"single_band must be a network on one band, but its maps have {n_bands}."
        )
    frame, wanted = (
        f"half_width={each.half_width:g} and {each.maps.shape[-1]} pixels per side"
        for each in (single, others)
    )
    if frame != wanted:
        raise ValueError(
            f"The maps of single_band have {frame}, those of the estimator {wanted}, so "
            "they cannot share axes. Draw the single band by SaliencyDisplay."
        )
