"""Display of saliency against radius, for one or more estimators."""

import numpy as np

from ..estimator_parts import last_step
from ..sample import require
from .explained import explained
from .sky import saliency_label
from .style import axes_or_new, color_after


class RadialSaliencyDisplay:
    """Saliency against radius, for one estimator or more (paper Fig. 7).

    Parameters
    ----------
    radius : ndarray of shape (n_bins,)
        Middle of each annulus, in units of R500c.
    median, low, high : ndarray of shape (n_bins,)
        Median, 16th and 84th percentile of the saliency; NaN where there is none.
    name : str, default=None
        Name of the estimator, for the legend.
    label : str, default=None
        Name and unit of the saliency; by default the gradient of log10 M.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
    band_ : artist

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import RadialSaliencyDisplay
    >>> radius = np.array([0.1, 0.3, 1.0])
    >>> network, proxy = np.full(3, 1e-3), 1e-3 / radius
    >>> first = RadialSaliencyDisplay(
    ...     radius, network, network / 2, network * 2, name="network"
    ... ).plot()
    >>> second = RadialSaliencyDisplay(radius, proxy, proxy / 2, proxy * 2, name="proxy")
    >>> [text.get_text() for text in second.plot(first.ax_).ax_.get_legend().texts]
    ['network', 'proxy']
    """

    def __init__(self, radius, median, low, high, *, name=None, label=None):
        self.radius, self.median = np.asarray(radius), np.asarray(median)
        self.low, self.high = np.asarray(low), np.asarray(high)
        self.name, self.label = name, label

    @classmethod
    def from_profile(cls, profile, *, name=None, label=None, ax=None, **line_kwargs):
        """Draw a profile that `radial_saliency` returned."""
        parts = [profile[key] for key in ("radius", "median", "low", "high")]
        return cls(*parts, name=name, label=label).plot(ax, **line_kwargs)

    @classmethod
    def from_saliency(
        cls,
        saliency,
        r500c,
        *,
        half_width=None,
        bins=None,
        band=None,
        name=None,
        label=None,
        ax=None,
        **line_kwargs,
    ):
        """Draw the profile of the saliency of many clusters.

        Parameters
        ----------
        saliency : ndarray of shape (n_clusters, n_bands, n_pixels, n_pixels)
        r500c : array-like of shape (n_clusters,)
            [comoving Mpc/h]
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h], see `radial_saliency`.
        bins, band
            See `radial_saliency`.
        name, label : str, default=None
            See `RadialSaliencyDisplay`.
        ax : matplotlib Axes, default=None
            ``other.ax_`` draws two estimators into one figure.
        **line_kwargs
            Options of matplotlib's plot.
        """
        from ..explain import radial_saliency

        profile = radial_saliency(
            saliency, r500c, half_width=half_width, bins=bins, band=band
        )
        return cls.from_profile(profile, name=name, label=label, ax=ax, **line_kwargs)

    @classmethod
    def from_estimator(
        cls,
        estimator,
        X,
        *,
        half_width=None,
        bins=None,
        name=None,
        method="gradient",
        signed=False,
        per_photon=False,
        random_state=None,
        ax=None,
        **line_kwargs,
    ):
        """Draw the saliency of a fitted network, for clusters that it has not seen.

        Parameters
        ----------
        estimator : fitted network, or Pipeline that ends in one
        X : ClusterSample with r500c
        half_width : float, default=None
            Half the side of the maps [comoving Mpc/h]. None is that of the
            `PhotonMapper` that made them, so a plain array needs a number.
        bins : int or array-like, default=None
            See `radial_saliency`.
        name : str, default=None
            Name for the legend; None is that of the network's class.
        method, signed, per_photon, random_state
            Parameters of `SaliencyExplainer`. Signed saliency has a linear scale.
        ax : matplotlib Axes, default=None
            ``other.ax_`` draws two estimators into one figure.
        **line_kwargs
            Options of matplotlib's plot.
        """
        require(X, "r500c", by="RadialSaliencyDisplay")
        found = explained(
            estimator,
            X,
            by="RadialSaliencyDisplay",
            half_width=half_width,
            with_maps=False,
            method=method,
            signed=signed,
            per_photon=per_photon,
            random_state=random_state,
        )
        if name is None:
            name = type(last_step(estimator)).__name__
        return cls.from_saliency(
            found.saliency,
            found.r500c,
            half_width=found.half_width,
            bins=bins,
            name=name,
            label=found.label,
            ax=ax,
            **line_kwargs,
        )

    def plot(self, ax=None, **line_kwargs):
        """Draw the median and its band.

        Parameters
        ----------
        ax : matplotlib Axes, default=None
            ``other.ax_`` draws two estimators into one figure.
        **line_kwargs
            Options of matplotlib's plot.
        """
        from matplotlib.ticker import LogLocator

        is_new = ax is None
        self.ax_ = axes_or_new(ax, height=2.8)
        self.figure_ = self.ax_.figure
        if not self.ax_.has_data():
            self.ax_.axvline(1, color="0.5", lw=0.8, ls="--")
        style = {"color": color_after(len(self.ax_.collections))} | line_kwargs
        (self.line_,) = self.ax_.plot(
            self.radius, self.median, label=self.name, **style
        )
        self.band_ = self.ax_.fill_between(
            self.radius,
            self.low,
            self.high,
            color=self.line_.get_color(),
            alpha=0.25,
            lw=0,
        )
        self.ax_.set(xlabel=r"$R / R_{500c}$", ylabel=self._common_label())
        if (self.median > 0).any() or self.ax_.get_yscale() == "log":
            self.ax_.set_yscale("linear" if _has_negative(self.ax_) else "log")
        if is_new:
            # Within one decade, the labels of all minor ticks would touch.
            self.ax_.set_xscale("log", subs=[])
            self.ax_.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5)))
            self.ax_.xaxis.set_major_formatter("{x:g}")
        if self.name is not None:
            self.ax_.legend(fontsize="small", frameon=False)
        return self

    def _common_label(self):
        """Return the label of the axes, and refuse a curve in another unit than theirs."""
        label, drawn = self.label, self.ax_.get_ylabel()
        if label is None:
            label = drawn or saliency_label(signed=bool((self.low < 0).any()))
        if "[" in drawn and drawn.rpartition("[")[2] != label.rpartition("[")[2]:
            raise ValueError(
                f"The axes show {drawn}, and this curve is {label}, in another unit. Draw "
                "it into axes of its own."
            )
        return drawn or label


def _has_negative(ax):
    """Whether any of the bands on the axes reaches below 0."""
    bands = [path.vertices for band in ax.collections for path in band.get_paths()]
    return any((vertices[:, 1] < 0).any() for vertices in bands)
