"""The history of a fit: shown while it trains, and kept as plain numbers."""

from typing import Any

import numpy as np
from skorch.callbacks import Callback

from ..progress import Progress


class EpochProgress(Callback):
    """Callback that shows the epoch and the losses on standard error."""

    def __init__(self, label, max_epochs):
        self.label, self.max_epochs = label, max_epochs
        self.progress: Any = None

    def on_train_begin(self, net, **kwargs):
        self.progress = Progress(
            f"{self.label} epoch", self.max_epochs, done=len(net.history), quiet_for=0.0
        )

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        losses = [
            f"{name} {row[f'{name}_loss']:.4f}"
            for name in ("train", "valid")
            if f"{name}_loss" in row
        ]
        self.progress.update(note=f"loss: {', '.join(losses)}")

    def close(self):
        if self.progress is not None:
            self.progress.close()


def plain_history(history):
    """Return the rows of a skorch history as dicts of Python numbers, without batches."""
    return [
        {name: _plain(value) for name, value in row.items() if name != "batches"}
        for row in history
    ]


def _plain(value):
    # skorch keeps NumPy scalars, which torch.load(weights_only=True) refuses.
    return value.item() if isinstance(value, np.generic) else value
