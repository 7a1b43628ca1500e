"""Display of a network's loss during training."""

import numpy as np

from ..estimator_parts import last_step
from .style import OKABE_ITO, axes_or_new


class TrainingCurveDisplay:
    """Loss in each epoch, on the training clusters and on those held out.

    Parameters
    ----------
    history : list of dict
        One row per member and epoch, with ``member``, ``epoch``, ``train_loss`` and, if
        clusters were held out, ``valid_loss``: a regressor's ``history_``.

    Attributes
    ----------
    ax_ : matplotlib Axes
    figure_ : matplotlib Figure
    train_lines_, valid_lines_ : list of matplotlib Line2D
        One per member.
    best_ : list of matplotlib Line2D
        Epoch with the lowest loss on the clusters held out, of each member. Early stopping
        keeps its weights.

    Examples
    --------
    >>> from skcluster.plotting import TrainingCurveDisplay
    >>> losses = [(1.0, 0.9), (0.5, 0.4), (0.3, 0.6)]
    >>> history = [{"member": 0, "epoch": i + 1, "train_loss": a, "valid_loss": b}
    ...            for i, (a, b) in enumerate(losses)]
    >>> display = TrainingCurveDisplay(history).plot()
    >>> display.best_[0].get_xdata().tolist()
    [2]
    """

    def __init__(self, history):
        self.history = history

    @classmethod
    def from_estimator(cls, estimator, *, ax=None, **line_kwargs):
        """Draw the history of a fitted network, or of the one inside an estimator.

        The estimator may be a Pipeline that ends in a network, a search, a calibration and
        so on.
        """
        regressor = last_step(estimator)
        if not hasattr(regressor, "history_"):
            raise TypeError(
                f"A {type(regressor).__name__} has no history_ of losses: give a fitted "
                "network, such as XrayCNNRegressor."
            )
        return cls(regressor.history_).plot(ax, **line_kwargs)

    def plot(self, ax=None, **line_kwargs):
        """Draw two lines per member, and mark its best epoch.

        The scale is logarithmic unless a loss is not positive, as that of
        ``loss="gaussian_nll"`` can be.
        """
        if not self.history:
            raise ValueError(
                "TrainingCurveDisplay needs a history of one epoch or more, got none. Give "
                "history_ of a network that was fitted with max_epochs >= 1."
            )
        from matplotlib.ticker import MaxNLocator

        self.ax_ = axes_or_new(ax, height=2.6)
        self.figure_ = self.ax_.figure
        members = sorted({row["member"] for row in self.history})
        thin: dict = {"lw": 1.5 if len(members) == 1 else 0.8}
        if len(self.history) == len(members):
            thin["marker"] = "."  # a line of one epoch would be invisible
        thin |= line_kwargs
        self.train_lines_: list = []
        self.valid_lines_: list = []
        self.best_: list = []
        for member in members:
            rows = [row for row in self.history if row["member"] == member]
            first = member == members[0]
            epoch = [row["epoch"] for row in rows]
            train = np.array([row["train_loss"] for row in rows])
            style = {"color": OKABE_ITO[4], "label": "training" if first else None}
            self.train_lines_ += self.ax_.plot(epoch, train, ls="--", **style | thin)
            if "valid_loss" in rows[0]:
                self._draw_held_out(epoch, rows, first, thin)
        self.ax_.set(xlabel="epoch", ylabel="loss")
        self.ax_.xaxis.set_major_locator(MaxNLocator("auto", integer=True))
        lines = [*self.train_lines_, *self.valid_lines_]
        if all((line.get_ydata() > 0).all() for line in lines):
            self.ax_.set_yscale("log")
        self.ax_.legend(fontsize="small", frameon=False)
        return self

    def _draw_held_out(self, epoch, rows, first, thin):
        valid = np.array([row["valid_loss"] for row in rows])
        best = int(np.argmin(valid))
        style = {"color": OKABE_ITO[0], "label": "held out" if first else None}
        self.valid_lines_ += self.ax_.plot(epoch, valid, **style | thin)
        style = {"color": OKABE_ITO[0], "label": "best epoch" if first else None}
        self.best_ += self.ax_.plot(epoch[best], valid[best], "o", ms=5, **style)
