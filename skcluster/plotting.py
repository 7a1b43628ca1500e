"""Figures in scikit-learn's manner: displays that keep their artists.

matplotlib is imported when something is drawn, not before.
"""

import numpy as np

from .sample import require

OKABE_ITO = (
    "#0072B2",
    "#D55E00",
    "#009E73",
    "#CC79A7",
    "#E69F00",
    "#56B4E9",
    "#000000",
)
"""Colours that colour-blind readers can tell apart."""


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
        titles = [f"z = {redshift:.2f}" for redshift in chosen.redshift]
        if log_mass is not None:
            masses = np.asarray(log_mass)[list(clusters)]
            titles = [
                rf"$\log_{{10}} M$ = {mass:.2f}, {title}"
                for mass, title in zip(masses, titles, strict=True)
            ]
        maps = np.asarray(chosen.maps).sum(axis=1)
        return cls(maps, half_width=half_width, r500c=chosen.r500c, titles=titles)

    def plot(self, *, n_columns=3, **image_kwargs):
        """Draw one panel per map on a common logarithmic scale."""
        import matplotlib.pyplot as plt
        from matplotlib.colors import LogNorm

        n_rows = -(-len(self.maps) // n_columns)
        self.figure_, self.axes_ = plt.subplots(
            n_rows,
            n_columns,
            figsize=(2.3 * n_columns + 0.9, 2.4 * n_rows),
            sharex=True,
            sharey=True,
            squeeze=False,
            layout="constrained",
        )
        brightest = max(float(np.max(self.maps)), 2.0)
        side = self.half_width * np.array([-1, 1, -1, 1])
        style = {
            "cmap": "magma",
            "norm": LogNorm(0.5, brightest),
            "origin": "lower",
            "extent": side,
        } | image_kwargs
        self.images_, self.circles_ = [], []
        for i, (ax, pixels) in enumerate(zip(self.axes_.flat, self.maps, strict=False)):
            ax.set_facecolor("black")
            self.images_.append(ax.imshow(np.ma.masked_equal(pixels, 0), **style))
            if self.r500c is not None:
                circle = plt.Circle(
                    (0, 0), self.r500c[i], fill=False, color="w", lw=0.8
                )
                self.circles_.append(ax.add_patch(circle))
            if self.titles is not None:
                ax.set_title(self.titles[i], fontsize="small")
        for ax in self.axes_.flat[len(self.maps) :]:
            ax.set_axis_off()
        self.figure_.supxlabel("West [comoving Mpc/h]", fontsize="medium")
        self.figure_.supylabel("North [comoving Mpc/h]", fontsize="medium")
        self.figure_.colorbar(self.images_[0], ax=self.axes_, label="photons per pixel")
        return self


class MassPredictionDisplay:
    """Predicted against true mass, the residual, and the masses (paper Fig. 4).

    Parameters
    ----------
    log_mass : ndarray of shape (n_clusters,)
        True log10 M500c.
    predicted : ndarray of shape (n_clusters,)
    name : str, default=None
        Of the estimator, for the legend.
    n_bins : int, default=12
        Bins of true mass, of equal width; those with fewer than 5 clusters are left
        out.

    Attributes
    ----------
    axes_ : ndarray of 3 matplotlib Axes
        Prediction, residual and histogram.
    figure_ : matplotlib Figure
    line_, residual_line_ : matplotlib Line2D
        Medians in bins of true mass.
    band_, residual_band_ : artists
        16th to 84th percentile.
    histogram_ : artist
        Only of the display that made the figure.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import MassPredictionDisplay
    >>> log_mass = np.linspace(13.5, 15, 200)
    >>> display = MassPredictionDisplay.from_predictions(log_mass, log_mass + 0.1)
    >>> display.residual_line_.get_ydata().round(3)[:2]
    array([0.1, 0.1])
    """

    def __init__(self, *, log_mass, predicted, name=None, n_bins=12):
        self.log_mass, self.predicted = np.asarray(log_mass), np.asarray(predicted)
        self.name, self.n_bins = name, n_bins

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, name=None, ax=None, **line_kwargs):
        """Draw predictions, best those of cross_val_predict."""
        return cls(log_mass=y_true, predicted=y_pred, name=name).plot(ax, **line_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **line_kwargs):
        """Draw the predictions of a fitted estimator on clusters it has not seen."""
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(
            y, estimator.predict(X), name=name, ax=ax, **line_kwargs
        )

    def plot(self, ax=None, **line_kwargs):
        """Draw into three axes: new ones, or those of another display.

        Parameters
        ----------
        ax : sequence of 3 matplotlib Axes, default=None
            ``other.axes_`` puts two estimators into one figure.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            _, ax = plt.subplots(
                3,
                figsize=(3.5, 5.2),
                sharex=True,
                height_ratios=[3, 1.6, 0.8],
                layout="constrained",
            )
            low, high = self.log_mass.min(), self.log_mass.max()
            ax[0].plot([low, high], [low, high], color="0.5", lw=0.8, ls="--")
            ax[1].axhline(0, color="0.5", lw=0.8, ls="--")
            self.histogram_ = ax[2].hist(self.log_mass, bins=30, color="0.6")
        self.axes_, self.figure_ = np.asarray(ax), ax[0].figure
        style = {
            "color": OKABE_ITO[len(ax[1].collections) % len(OKABE_ITO)]
        } | line_kwargs
        residual = self.predicted - self.log_mass
        self.line_, self.band_ = self._draw(ax[0], self.predicted, style)
        self.residual_line_, self.residual_band_ = self._draw(ax[1], residual, style)
        ax[0].set_ylabel(r"$\log_{10} M_{\rm pred}$  [$M_\odot/h$]")
        ax[1].set_ylabel(r"$\log_{10} (M_{\rm pred} / M_{\rm true})$")
        ax[2].set(xlabel=r"$\log_{10} M_{500c}$  [$M_\odot/h$]", ylabel="clusters")
        if self.name is not None:
            ax[0].legend(fontsize="small", frameon=False)
        return self

    def _draw(self, ax, value, style):
        edges = np.linspace(self.log_mass.min(), self.log_mass.max(), self.n_bins + 1)
        bins = np.digitize(self.log_mass, edges[1:-1])
        full = [b for b in range(self.n_bins) if (bins == b).sum() >= 5]
        center = np.array([np.median(self.log_mass[bins == b]) for b in full])
        quantiles = [np.percentile(value[bins == b], [16, 50, 84]) for b in full]
        low, median, high = np.array(quantiles).reshape(-1, 3).T
        (line,) = ax.plot(center, median, label=self.name, **style)
        band = ax.fill_between(
            center, low, high, color=line.get_color(), alpha=0.25, lw=0
        )
        return line, band
