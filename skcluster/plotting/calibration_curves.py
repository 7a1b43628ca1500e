"""Display of the calibration of posteriors: coverage of intervals, and PIT."""

import numpy as np

from ..metrics import gaussian_pit, interval_coverage, pit_histogram
from ..posterior import predict_posterior
from ..printable import counted
from .style import PAGE_WIDTH, color_after

LEVELS = np.arange(1, 100) / 100
MARKED = np.array([0.5, 0.68, 0.9, 0.95])
N_SIGMA = (1.96, 1.0)


class CoverageDisplay:
    """Coverage of central intervals, and histogram of the PIT.

    The left panel shows the coverage of intervals minus their level: below zero, errors are
    too small. The right panel shows the probability integral transform (PIT), which is
    uniform for calibrated posteriors; it has a hump if errors are too large, a trough if
    they are too small, and a slope if masses are biased. Gray bands hold 68 % and 95 % of
    calibrated posteriors, by their binomial errors.

    Parameters
    ----------
    pit : array-like of shape (n_clusters,)
        Probability integral transform of each cluster, see `metrics.gaussian_pit`.
    groups : array-like of shape (n_clusters,), default=None
        Label of each cluster's halo, see `metrics.interval_coverage`.
    name : str, default=None
        Name of the estimator, for the legend.
    n_bins : int, default=10
        Number of bins of the histogram.

    Attributes
    ----------
    axes_ : ndarray of 2 matplotlib Axes
        Coverage and histogram.
    figure_ : matplotlib Figure
    line_ : matplotlib Line2D
        Coverage minus level [percentage points].
    marks_ : matplotlib Line2D
        The same at 50, 68, 90 and 95 %.
    steps_ : matplotlib StepPatch
        Density of the PIT.
    bands_ : list of 4 artists
        Gray bands, 95 % and 68 % in the left panel, then in the right; none if another
        display drew into the axes before.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import CoverageDisplay
    >>> rng = np.random.default_rng(0)
    >>> log_mass = rng.uniform(13.5, 15, 1000)
    >>> predicted = log_mass + rng.normal(0, 0.1, 1000)
    >>> display = CoverageDisplay.from_predictions(log_mass, (predicted, 0.05))
    >>> display.marks_.get_ydata().round()  # errors of half their size
    array([-24., -32., -33., -30.])
    """

    def __init__(self, pit, *, groups=None, name=None, n_bins=10):
        self.pit, self.groups = pit, groups
        self.name, self.n_bins = name, n_bins

    @classmethod
    def from_predictions(
        cls, y_true, posterior, *, groups=None, name=None, ax=None, **line_kwargs
    ):
        """Draw the calibration of posteriors, preferably of `cross_val_posterior`.

        Parameters
        ----------
        y_true : array-like of shape (n_clusters,)
            True log10 masses.
        posterior : MassPosterior, or (mean, std) of Gaussians
        groups, name
            See `CoverageDisplay`.
        ax : sequence of 2 matplotlib Axes, default=None
        **line_kwargs
            Options of the line and the steps, for matplotlib.
        """
        if not hasattr(posterior, "cdf"):
            pit = gaussian_pit(y_true, *posterior)
        elif len(posterior) == len(y_true):
            pit = posterior.cdf(y_true)
        else:
            raise ValueError(
                f"y_true has {counted(len(y_true), 'cluster')}, but posterior has "
                f"{len(posterior)}."
            )
        return cls(pit, groups=groups, name=name).plot(ax, **line_kwargs)

    @classmethod
    def from_estimator(
        cls, estimator, X, y, *, groups=None, name=None, ax=None, **line_kwargs
    ):
        """Draw the calibration of a fitted estimator, on clusters that it has not seen.

        The labels of halos, `groups`, are ``X.group`` unless others are given.
        """
        name = type(estimator).__name__ if name is None else name
        groups = getattr(X, "group", None) if groups is None else groups
        posterior = predict_posterior(estimator, X)
        return cls.from_predictions(
            y, posterior, groups=groups, name=name, ax=ax, **line_kwargs
        )

    def plot(self, ax=None, **line_kwargs):
        """Draw into two axes: new ones, or those of another display.

        Parameters
        ----------
        ax : sequence of 2 matplotlib Axes, default=None
            ``other.axes_`` draws two estimators into one figure, over the gray bands of the
            other.
        """
        import matplotlib.pyplot as plt

        if ax is None:
            size = (PAGE_WIDTH, 2.8)
            _, ax = plt.subplots(1, 2, figsize=size, layout="constrained")
        self.axes_, self.figure_, self.bands_ = np.asarray(ax), ax[0].figure, []
        edges, fraction, share_error = pit_histogram(
            self.pit, self.n_bins, groups=self.groups
        )
        if not ax[0].has_data():
            self._draw_guides(share_error * self.n_bins)
        style = {"color": color_after(len(ax[1].patches)), "lw": 1.2} | line_kwargs
        self._draw_coverage(style)
        self.steps_ = ax[1].stairs(
            fraction * self.n_bins, edges, baseline=None, **style
        )
        # Set both limits, or the top would stay at that of the first display.
        heights = [steps.get_data().values.max() for steps in ax[1].patches]
        ax[1].set_ylim(0, 1.15 * max(1.0, *heights))
        if self.name is not None:
            ax[0].legend(fontsize="x-small", frameon=False, loc="lower left")
        return self

    def _draw_guides(self, density_error):
        left, right = self.axes_
        _, error = interval_coverage(self.pit, LEVELS, groups=self.groups)
        gray = {"color": "0.5", "alpha": 0.2, "lw": 0}
        self.bands_ = [
            left.fill_between(100 * LEVELS, -100 * n * error, 100 * n * error, **gray)
            for n in N_SIGMA
        ]
        self.bands_ += [
            right.fill_between(
                [0, 1], 1 - n * density_error, 1 + n * density_error, **gray
            )
            for n in N_SIGMA
        ]
        left.axhline(0, color="0.5", lw=0.8, ls="--")
        right.axhline(1, color="0.5", lw=0.8, ls="--")
        left.set(
            xlabel="level of the interval [%]",
            ylabel="coverage − level [points]",
            xlim=(0, 100),
            xticks=[0, 25, 50, 68, 90, 100],
        )
        right.set(
            xlabel="PIT", ylabel="density of clusters", xlim=(0, 1), ylim=(0, None)
        )

    def _draw_coverage(self, style):
        ax = self.axes_[0]
        excess, marked = (
            100 * (interval_coverage(self.pit, levels)[0] - levels)
            for levels in (LEVELS, MARKED)
        )
        (self.line_,) = ax.plot(100 * LEVELS, excess, label=self.name, **style)
        (self.marks_,) = ax.plot(
            100 * MARKED, marked, "o", ms=4, color=self.line_.get_color()
        )
        # Keep zero in the middle, also if other displays have drawn here.
        top = 1.15 * np.abs(ax.dataLim.intervaly).max()
        ax.set_ylim(-top, top)
