"""Display of the photon maps of several clusters."""

import numpy as np

from ..sample import half_width_of, refuse_maps_after, require
from .sky import (
    cluster_titles,
    count_norm,
    draw_pixels,
    finish_panels,
    map_colors,
    sky_panels,
)


class PhotonMapDisplay:
    """Photon maps of clusters, with circles of radius R500c (paper Fig. 1).

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
        Axes in rows and columns, or as they were given.
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
    def from_sample(
        cls,
        sample,
        clusters,
        *,
        half_width=None,
        log_mass=None,
        n_columns=3,
        ax=None,
        **image_kwargs,
    ):
        """Draw chosen clusters of a sample that has maps, with the bands summed.

        Parameters
        ----------
        sample : ClusterSample with maps
        clusters : int or sequence of int
            Rows of the sample.
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h]. None is that of the
            `PhotonMapper` that made them, so a plain array needs a number.
        log_mass : array-like of shape (n_clusters,), default=None
            Masses of all clusters of the sample, for the titles.
        n_columns, ax, **image_kwargs
            See `plot`.
        """
        rows = np.atleast_1d(clusters).tolist()
        chosen = require(sample, "maps", by="PhotonMapDisplay")[rows]
        scalers = "RedshiftNormalizer", "LogScaler"
        refuse_maps_after(chosen.maps, *scalers, by="PhotonMapDisplay")
        titles = cluster_titles(sample, rows, log_mass)
        maps = np.asarray(chosen.maps).sum(axis=1)
        half_width = half_width_of(chosen.maps, half_width, by="PhotonMapDisplay")
        display = cls(maps, half_width=half_width, r500c=chosen.r500c, titles=titles)
        return display.plot(ax, n_columns=n_columns, **image_kwargs)

    def plot(self, ax=None, *, n_columns=3, **image_kwargs):
        """Draw one panel per map on a common logarithmic scale.

        Parameters
        ----------
        ax : matplotlib Axes, or array of one per map, default=None
            Axes to draw into; None makes a new figure.
        n_columns : int, default=3
            Columns of a new figure.
        **image_kwargs
            Options of matplotlib's imshow.
        """
        from .color_bars import color_bar

        self.axes_ = sky_panels(ax, self.maps, n_columns, by="PhotonMapDisplay")
        axes = self.axes_.ravel()
        self.figure_ = axes[0].figure
        style = {"cmap": map_colors(), "norm": count_norm(self.maps)} | image_kwargs
        self.images_ = [
            draw_pixels(panel, pixels, half_width=self.half_width, **style)
            for panel, pixels in zip(axes, self.maps, strict=False)
        ]
        self.circles_ = finish_panels(
            axes, len(self.maps), self.r500c, self.titles, is_new=ax is None
        )
        color_bar(self.figure_, self.images_[0], axes, "photons per pixel")
        return self
