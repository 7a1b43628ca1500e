"""Display of what single photons add to a mass, on the sky."""

import numpy as np

from ..cosmology import comoving_distance, sky_to_plane
from ..explain import photon_weights
from ..paper import HALF_WIDTH
from ..sample import require
from .sky import cluster_titles, finish_panels, sky_panels

LARGEST_WEIGHT = 2.5
"""Weight at the end of the scale of colors; 1 is that of an average photon."""
POINT_AREA = 2000.0
"""Summed area of the points of a panel [points²]."""


class PhotonWeightDisplay:
    """Photons of clusters, colored by how much each of them says about the mass.

    The weight of a photon is what it adds to the predicted log10 M, in units of the mean of
    its cluster's photons; see `skcluster.photon_attention`. It is 1 for all photons of a
    model that only counts.

    Parameters
    ----------
    photons : list of ndarray of shape (3, n_photons)
        For each cluster: offset to the West and to the North of the center [comoving
        Mpc/h], and weight of each photon.
    r500c : ndarray of shape (n_clusters,), default=None
        [comoving Mpc/h]
    half_width : float, default=2.3
        Half the side of the panels [comoving Mpc/h].
    titles : sequence of str, default=None

    Attributes
    ----------
    axes_ : ndarray of matplotlib Axes
    figure_ : matplotlib Figure
    points_ : list of matplotlib PathCollection
    circles_ : list of matplotlib Circle

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import PhotonWeightDisplay
    >>> photons = np.array([[0.1, -0.5], [0.0, 0.3], [1.4, 0.6]])
    >>> display = PhotonWeightDisplay([photons], r500c=[0.7]).plot()
    >>> display.points_[0].get_array()
    masked_array(data=[0.6, 1.4],
                 mask=False,
           fill_value=1e+20)
    """

    def __init__(self, photons, *, r500c=None, half_width=HALF_WIDTH, titles=None):
        self.photons, self.r500c = photons, r500c
        self.half_width, self.titles = half_width, titles

    @classmethod
    def from_sample(
        cls,
        sample,
        clusters,
        *,
        half_width=HALF_WIDTH,
        cosmology="WMAP7",
        log_mass=None,
        n_columns=3,
        ax=None,
        **scatter_kwargs,
    ):
        """Draw chosen clusters of a sample that `skcluster.photon_contributions` returned.

        Parameters
        ----------
        sample : ClusterSample
            With centers; its photons have the column ``contribution``.
        clusters : int or sequence of int
            Rows of the sample.
        half_width : float, default=2.3
            Half the side of the panels [comoving Mpc/h].
        cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        log_mass : array-like of shape (n_clusters,), default=None
            Masses of all clusters of the sample, for the titles.
        n_columns, ax, **scatter_kwargs
            See `plot`.
        """
        rows = np.atleast_1d(clusters).tolist()
        chosen = require(sample, "photons", "center", by="PhotonWeightDisplay")[rows]
        weight, photons = photon_weights(chosen), chosen.photons
        x, y = sky_to_plane(
            photons["ra"], photons["dec"], *chosen.center.T, repeats=photons.lengths
        )
        distance = comoving_distance(chosen.redshift, cosmology)[photons.cluster]
        parts = np.split(
            np.stack([x * distance, y * distance, weight]),
            photons.offsets[1:-1],
            axis=1,
        )
        titles = cluster_titles(sample, rows, log_mass)
        display = cls(parts, r500c=chosen.r500c, half_width=half_width, titles=titles)
        return display.plot(ax, n_columns=n_columns, **scatter_kwargs)

    def plot(self, ax=None, *, n_columns=3, **scatter_kwargs):
        """Draw one panel per cluster, with its weightiest photons on top.

        Parameters
        ----------
        ax : matplotlib Axes, or array of one per cluster, default=None
            Axes to draw into; None makes a new figure.
        n_columns : int, default=3
            Columns of a new figure.
        **scatter_kwargs
            Options of matplotlib's scatter.
        """
        from .color_bars import color_bar

        self.axes_ = sky_panels(ax, self.photons, n_columns, by="PhotonWeightDisplay")
        axes = self.axes_.ravel()
        self.figure_, self.points_ = axes[0].figure, []
        style = {"cmap": "viridis", "vmin": 0.0, "vmax": LARGEST_WEIGHT, "lw": 0.0}
        side = (-self.half_width, self.half_width)
        for panel, photons in zip(axes, self.photons, strict=False):
            x, y, weight = photons[:, np.argsort(photons[2], kind="stable")]
            area = np.clip(POINT_AREA / max(len(x), 1), 0.3, 12.0)
            options = {"c": weight, "s": area, "rasterized": True} | style
            self.points_.append(panel.scatter(x, y, **options | scatter_kwargs))
            panel.set(xlim=side, ylim=side, aspect="equal", facecolor="black")
        self.circles_ = finish_panels(
            axes, len(self.photons), self.r500c, self.titles, is_new=ax is None
        )
        is_below = any((photons[2] < 0).any() for photons in self.photons)
        extend = "both" if is_below else "max"
        color_bar(
            self.figure_, self.points_[0], axes, "weight of a photon", extend=extend
        )
        return self
