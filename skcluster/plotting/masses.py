"""Displays of predicted masses, and of correlations between proxies."""

import numpy as np

from ..metrics.columns import checked_columns
from ..parameters import Integer
from ..plausible_masses import check_same_unit
from ..sample.plain_arrays import as_numbers
from ..sample.units import check_plausible
from .style import COLUMN_WIDTH, PAGE_WIDTH, axes_or_new, color_after

PROXY_LABELS = {
    "temperature": "$T$",
    "luminosity": "$L_X$",
    "gas_mass": r"$M_{\rm gas}$",
    "stellar_mass": r"$M_{\rm star}$",
    "sigma_v_true": r"$\sigma_{v,\rm true}$",
    "n_phot": r"$N_{\rm phot}$",
    "n_phot_500c": r"$N_{\rm phot,500c}$",
    "n_gal": r"$N_{\rm gal}$",
    "sigma_v": r"$\sigma_v$",
}
"""Symbols of the proxies in the paper."""

LABELS = (
    r"$\log_{10} M_{\rm pred}$  [$M_\odot/h$]",
    r"$\log_{10} (M_{\rm pred} / M_{\rm true})$" + "\n[dex]",
    "clusters",
)


class MassPredictionDisplay:
    """Predicted against true mass, the residual, and a histogram of mass (paper Fig. 4).

    Parameters
    ----------
    log_mass : ndarray of shape (n_clusters,)
        True log10 M500c.
    predicted : ndarray of shape (n_clusters,)
    name : str, default=None
        Name of the estimator, for the legend.
    n_bins : int, default=12
        Number of bins of true mass, with equal widths. Bins with fewer than 5 clusters are
        left out; if that leaves none, each cluster is drawn as a point.

    Attributes
    ----------
    axes_ : ndarray of 3 matplotlib Axes
        Prediction, residual and histogram.
    figure_ : matplotlib Figure
    line_, residual_line_ : matplotlib Line2D
        Medians in bins of true mass.
    band_, residual_band_ : artists
        16th to 84th percentile.
    points_ : list of 2 matplotlib Line2D
        Each cluster, if there are too few for medians; otherwise empty.
    histogram_ : artist
        True masses; only for the display that drew first.

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
        self.log_mass = as_numbers(log_mass, "log_mass", "log_mass")
        self.predicted = as_numbers(predicted, "predicted", "log_mass")
        self.name, self.n_bins = name, n_bins

    @classmethod
    def from_predictions(cls, y_true, y_pred, *, name=None, ax=None, **line_kwargs):
        """Draw predictions, preferably those of cross_val_predict."""
        return cls(log_mass=y_true, predicted=y_pred, name=name).plot(ax, **line_kwargs)

    @classmethod
    def from_estimator(cls, estimator, X, y, *, name=None, ax=None, **line_kwargs):
        """Draw predictions of a fitted estimator, on clusters that it has not seen."""
        name = type(estimator).__name__ if name is None else name
        return cls.from_predictions(
            y, estimator.predict(X), name=name, ax=ax, **line_kwargs
        )

    def plot(self, ax=None, **line_kwargs):
        """Draw into three axes: new ones, or those of another display.

        Parameters
        ----------
        ax : sequence of 3 matplotlib Axes, default=None
            ``other.axes_`` draws two estimators into one figure; a column of empty axes
            makes one of several columns, as in the paper.
        """
        import matplotlib.pyplot as plt

        n_bins = Integer(1).check("n_bins", self.n_bins)
        masses = {"log_mass": self.log_mass, "predicted": self.predicted}
        checked_columns(**masses)
        check_plausible("log_mass", self.log_mass, rows="cluster")
        check_same_unit(**masses)
        if ax is None:
            _, ax = plt.subplots(
                3,
                figsize=(COLUMN_WIDTH, 5.2),
                sharex=True,
                height_ratios=[3, 1.6, 0.8],
                layout="constrained",
            )
        self.axes_, self.figure_ = np.asarray(ax), ax[0].figure
        if not ax[2].has_data():
            low, high = self.log_mass.min(), self.log_mass.max()
            ax[0].plot([low, high], [low, high], color="0.5", lw=0.8, ls="--")
            ax[1].axhline(0, color="0.5", lw=0.8, ls="--")
            self.histogram_ = ax[2].hist(self.log_mass, bins=30, color="0.6")
        self.points_ = []
        style = {"color": color_after(len(ax[1].collections))} | line_kwargs
        residual = self.predicted - self.log_mass
        self.line_, self.band_ = self._draw(ax[0], self.predicted, n_bins, style)
        self.residual_line_, self.residual_band_ = self._draw(
            ax[1], residual, n_bins, style
        )
        ax[2].set_xlabel(r"$\log_{10} M_{500c}$  [$M_\odot/h$]")
        for one, label in zip(ax, LABELS, strict=True):
            place = one.get_subplotspec()
            if place is None or place.is_first_col():
                one.set_ylabel(label)
        if self.name is not None:
            ax[0].legend(fontsize="small", frameon=False)
        return self

    def _draw(self, ax, value, n_bins, style):
        edges = np.linspace(self.log_mass.min(), self.log_mass.max(), n_bins + 1)
        bins = np.digitize(self.log_mass, edges[1:-1])
        full = [b for b in range(n_bins) if (bins == b).sum() >= 5]
        center = np.array([np.median(self.log_mass[bins == b]) for b in full])
        quantiles = [np.percentile(value[bins == b], [16, 50, 84]) for b in full]
        low, median, high = np.array(quantiles).reshape(-1, 3).T
        if len(full) == 1:  # a line of one point would be invisible
            style = {"marker": "o", "ms": 3} | style
        (line,) = ax.plot(center, median, label=self.name, **style)
        if not full:
            dots = {"marker": "o", "ms": 3, "color": line.get_color(), "ls": "none"}
            self.points_ += ax.plot(self.log_mass, value, **dots)
        band = ax.fill_between(
            center, low, high, color=line.get_color(), alpha=0.25, lw=0
        )
        return line, band


class ProxyCorrelationDisplay:
    """Correlation of the proxies' residuals at fixed mass (paper Fig. 3).

    Parameters
    ----------
    correlation : ndarray of shape (n_proxies, n_proxies)
    names : sequence of str, default=None
        Names of the proxies; those of `ProxyMeasurer` and `fetch_magneticum` are replaced
        by the paper's symbols.
    divide_after : int, default=None
        Draw dividing lines after this many proxies: in the paper, between those from a
        catalog of the simulation and those that are measured.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    image_ : AxesImage
    texts_ : ndarray of matplotlib Text, of the shape of `correlation`
    lines_ : list of matplotlib Line2D

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import EvrardProxyRegressor
    >>> from skcluster.plotting import ProxyCorrelationDisplay
    >>> rng = np.random.default_rng(0)
    >>> log_mass, noise = rng.uniform(13.5, 15, 9999), rng.normal(size=(9999, 2))
    >>> ln_s = log_mass[:, None] + noise @ [[0.3, 0.3], [0.0, 0.4]]
    >>> regressor = EvrardProxyRegressor().fit(ln_s, log_mass)
    >>> display = ProxyCorrelationDisplay.from_estimator(regressor, ["n_phot", "n_gal"])
    >>> float(display.image_.get_array()[0, 1].round(2))  # 0.3 / 0.5
    0.6
    """

    def __init__(self, correlation, *, names=None, divide_after=None):
        self.correlation = np.asarray(correlation)
        self.names, self.divide_after = names, divide_after

    @classmethod
    def from_estimator(
        cls, regressor, names=None, *, redshift=None, divide_after=None, ax=None
    ):
        """Draw the correlations that an `EvrardProxyRegressor` was fitted to.

        Parameters
        ----------
        regressor : EvrardProxyRegressor
        names : sequence of str, default=None
            Names of its observables, without the redshift; by default the column names of
            the DataFrame that it was fitted to, if it was one.
        redshift : float, default=None
            Show the redshift bin whose center is nearest, as the paper does. None is the
            mean over all bins.
        divide_after : int, default=None
            See `ProxyCorrelationDisplay`.
        ax : matplotlib Axes, default=None
        """
        from ..evrard.covariance import observables_of

        correlation = regressor.correlation_
        if redshift is None:
            chosen = correlation.mean(axis=0)
        else:
            distance = np.abs(regressor.redshift_centers_ - redshift)
            chosen = correlation[np.argmin(distance)]
        if names is None:
            names = observables_of(regressor) or None
        if names is not None and len(names) != len(chosen):
            raise ValueError(
                f"{len(names)} names are given for {len(chosen)} proxies. Name each column "
                "that the regressor was fitted to, except the redshift."
            )
        return cls(chosen, names=names, divide_after=divide_after).plot(ax)

    def plot(self, ax=None, **image_kwargs):
        """Draw the matrix, with the values in its cells."""
        n = len(self.correlation)
        if self.correlation.shape != (n, n) or not n:
            raise ValueError(
                "ProxyCorrelationDisplay needs a square matrix, got the shape "
                f"{self.correlation.shape}."
            )
        width = float(np.clip(0.4 * n + 1.8, COLUMN_WIDTH, PAGE_WIDTH))
        self.ax_ = axes_or_new(ax, height=0.85 * width, width=width)
        self.figure_ = self.ax_.figure
        style = {"cmap": "RdBu_r", "vmin": -1, "vmax": 1} | image_kwargs
        self.image_ = self.ax_.imshow(self.correlation, **style)
        small = "x-small" if n > 6 else "small"
        self.texts_ = np.empty((n, n), object)
        for (row, column), value in np.ndenumerate(self.correlation):
            shade = "w" if abs(value) > 0.6 else "k"
            text = {"color": shade, "fontsize": small, "ha": "center", "va": "center"}
            self.texts_[row, column] = self.ax_.text(
                column, row, f"{value:.2f}", **text
            )
        names = [str(i) for i in range(n)] if self.names is None else self.names
        labels = [PROXY_LABELS.get(name, name) for name in names]
        self.ax_.set_xticks(range(n), labels, rotation=45, ha="right")
        self.ax_.set_yticks(range(n), labels)
        self.lines_ = []
        if self.divide_after is not None:
            border = {"x": self.divide_after - 0.5, "color": "k", "lw": 1.5}
            self.lines_.append(self.ax_.axvline(**border))
            border["y"] = border.pop("x")
            self.lines_.append(self.ax_.axhline(**border))
        self.figure_.colorbar(
            self.image_,
            ax=self.ax_,
            label="correlation at fixed mass",
            ticks=[-1, -0.5, 0, 0.5, 1],
            aspect=30,
        )
        return self
