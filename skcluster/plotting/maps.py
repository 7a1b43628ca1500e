"""Photon maps of several clusters."""

import numpy as np

from ..sample import require
from .sky import (
    cluster_titles,
    count_norm,
    draw_circle,
    draw_pixels,
    label_sky,
    map_colors,
)
from .style import PAGE_WIDTH


class PhotonMapDisplay:
    """Photon maps with their R500c circles (paper Fig. 1).

    Parameters
    ----------
    maps : ndarray of shape (n_clusters, n_pixels, n_pixels)
        Rows to the North, columns to the West.
    half_width : float
        Half the side of the maps [comoving Mpc/h].
    r500c : ndarray of shape (n_clusters,), default=None
        [comoving Mpc/h]
    titles : sequence of str, default=None

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
    figure_ : matplotlib Figure
    images_ : list of AxesImage
    circles_ : list of matplotlib Circle

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import PhotonMapDisplay
    >>> maps = np.ones((2, 8, 8))
    >>> display = PhotonMapDisplay(maps, half_width=2.3, r500c=[0.5, 0.8]).plot()
    >>> float(display.circles_[1].radius)
    0.8
    """

    def __init__(self, maps, *, half_width, r500c=None, titles=None):
        self.maps, self.half_width = maps, half_width
        self.r500c, self.titles = r500c, titles

    @classmethod
    def from_sample(cls, sample, clusters, *, half_width=2.3, log_mass=None):
        """Chosen clusters of a sample with maps, bands summed.

        Parameters
        ----------
        sample : ClusterSample with maps
        clusters : sequence of int
        half_width : float, default=2.3
            That of the `PhotonMapper` [comoving Mpc/h].
        log_mass : array-like of shape (n_clusters,), default=None
            Of the whole sample, for the titles.
        """
        chosen = require(sample, "maps", by="PhotonMapDisplay")[list(clusters)]
        if log_mass is not None:
            log_mass = np.asarray(log_mass)[list(clusters)]
        titles = cluster_titles(chosen, log_mass)
        maps = np.asarray(chosen.maps).sum(axis=1)
        return cls(maps, half_width=half_width, r500c=chosen.r500c, titles=titles)

    def plot(self, *, n_columns=3, **image_kwargs):
        """Draw one panel per map on a common logarithmic scale."""
        import matplotlib.pyplot as plt

        n_rows = -(-len(self.maps) // n_columns)
        self.figure_, self.axes_ = plt.subplots(
            n_rows,
            n_columns,
            figsize=((PAGE_WIDTH - 0.9) / 3 * n_columns + 0.9, 2.2 * n_rows + 0.3),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="compressed",
        )
        style = {"cmap": map_colors(), "norm": count_norm(self.maps)} | image_kwargs
        self.images_, self.circles_ = [], []
        for i, (ax, pixels) in enumerate(zip(self.axes_.flat, self.maps, strict=False)):
            image = draw_pixels(ax, pixels, half_width=self.half_width, **style)
            self.images_.append(image)
            if self.r500c is not None:
                self.circles_.append(draw_circle(ax, self.r500c[i]))
            if self.titles is not None:
                ax.set_title(self.titles[i], fontsize="small")
        for ax in self.axes_.flat[len(self.maps) :]:
            ax.set_axis_off()
        label_sky(self.figure_)
        self.figure_.colorbar(self.images_[0], ax=self.axes_, label="photons per pixel")
        return self
