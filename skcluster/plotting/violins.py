"""Display of the mean saliency of each source or energy band, as violins."""

import numpy as np

from ..printable import counted
from ..sample.plain_arrays import as_numbers
from .sky import band_names
from .source_panels import SOURCE_COLORS, SOURCE_LABELS
from .style import COLUMN_WIDTH, axes_or_new, color_after


class AttentionDisplay:
    """Distribution over clusters of the mean saliency of each source or energy band.

    Clusters without a pixel of a source have no attention to it (NaN) and are left out, as
    are those with zero attention. The number of clusters drawn is written below.

    Parameters
    ----------
    attention : dict of str to ndarray of shape (n_clusters,)
        Mean saliency of each cluster, for each source or band.
    median_error : dict of str to float, default=None
        Standard error of the median of log10 of the attention.
    label : str, default=None
        Name and unit of the saliency; by default the gradient of log10 M [dex].

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    violins_ : list of artist
        Distributions of log10 of the attention.
    medians_ : list of ErrorbarContainer
        Median, 16th and 84th percentile.
    errors_ : list of ErrorbarContainer
        Errors of the medians, as thick bars, if they are known.

    References
    ----------
    Ho et al. (2023), section 6.2 and Eq. 14.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.plotting import AttentionDisplay
    >>> attention = {"icm": np.array([1e-4, 1e-3, 1e-2]), "agn": np.full(3, 1e-4)}
    >>> display = AttentionDisplay(attention).plot()
    >>> float(display.medians_[0].lines[0].get_ydata()[0])
    -3.0
    """

    def __init__(self, attention, *, median_error=None, label=None):
        self.attention, self.median_error = attention, median_error
        self.label = label

    @classmethod
    def from_sources(cls, result, *, label=None, ax=None, **violin_kwargs):
        """Draw a result of `source_attention`.

        Parameters
        ----------
        result : Bunch
        label : str, default=None
            See `AttentionDisplay`.
        ax : matplotlib Axes, default=None
        **violin_kwargs
            Options of matplotlib's violinplot.
        """
        names = [name for name in result if "attention" in result[name]]
        attention = {name: result[name].attention for name in names}
        error = {name: result[name].log_median_error for name in names}
        display = cls(attention, median_error=error, label=label)
        return display.plot(ax, **violin_kwargs)

    @classmethod
    def from_bands(cls, result, *, bands=None, label=None, ax=None, **violin_kwargs):
        """Draw a result of `band_attention`.

        Parameters
        ----------
        result : Bunch
        bands : sequence of (low, high), default=None
            Energy bands [keV].
        label : str, default=None
            See `AttentionDisplay`.
        ax : matplotlib Axes, default=None
        **violin_kwargs
            Options of matplotlib's violinplot.
        """
        n_bands = result.attention.shape[1]
        names = [f"band {i + 1}" for i in range(n_bands)]
        if bands is not None:
            names = band_names(bands)
        attention = dict(zip(names, result.attention.T, strict=True))
        error = dict(zip(names, result.log_median_error, strict=True))
        display = cls(attention, median_error=error, label=label)
        return display.plot(ax, **violin_kwargs)

    def plot(self, ax=None, **violin_kwargs):
        """Draw one violin per name, with its median and 16th to 84th percentile."""
        width = max(COLUMN_WIDTH, 1.1 * len(self.attention))
        self.ax_ = axes_or_new(ax, height=2.8, width=width)
        self.figure_ = self.ax_.figure
        self.violins_, self.medians_, self.errors_, labels = [], [], [], []
        for i, (name, attention) in enumerate(self.attention.items()):
            attention = as_numbers(attention, f"The attention {name!r}", "")
            log_attention = np.log10(attention[attention > 0])
            label = SOURCE_LABELS.get(name, name)
            labels.append(f"{label}\n{counted(len(log_attention), 'cluster')}")
            if len(log_attention):
                color = SOURCE_COLORS.get(name, color_after(i))
                self._draw(i, name, log_attention, color, violin_kwargs)
        self.ax_.margins(y=0.12)
        self.ax_.set_xticks(range(len(labels)), labels, fontsize="small")
        label = r"$\log_{10}$ (mean saliency / dex)"
        if self.label is not None:
            label = rf"$\log_{{10}}$ of mean {self.label}"
        self.ax_.set_ylabel(label)
        return self

    def _draw(self, place, name, values, color, violin_kwargs):
        style = {"showextrema": False, "widths": 0.7} | violin_kwargs
        parts = self.ax_.violinplot(values, [place], **style)
        for body in parts["bodies"]:
            body.set(facecolor=color, alpha=0.4)
        self.violins_ += parts["bodies"]
        low, median, high = np.percentile(values, [16, 50, 84])
        error = [[median - low], [high - median]]
        style = {"fmt": "o", "color": "k", "ms": 4, "mfc": "w", "capsize": 3, "lw": 1}
        self.medians_.append(self.ax_.errorbar(place, median, error, **style))
        if self.median_error is not None:
            style = {"fmt": "none", "ecolor": "k", "elinewidth": 4, "zorder": 1.9}
            of_median = self.ax_.errorbar(
                place, median, self.median_error[name], **style
            )
            self.errors_.append(of_median)
        text = rf"${median:.2f}_{{-{median - low:.2f}}}^{{+{high - median:.2f}}}$"
        self.ax_.annotate(
            text,
            (place, values.max()),
            (0, 3),
            textcoords="offset points",
            fontsize="small",
            ha="center",
        )
