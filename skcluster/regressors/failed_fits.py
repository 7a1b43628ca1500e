"""Detect failed fits: an error for NaN or infinity, a warning if nothing was learned."""

import warnings

import numpy as np
import torch
from sklearn.exceptions import ConvergenceWarning
from skorch.callbacks import Callback

MIN_EPOCHS, FAR = 10, 10.0
"""Fits of fewer epochs have failed only if they err ten times as much as the mean."""
MAX_JUDGED = 512
"""Largest number of training clusters by which a network is judged."""
CONSTANT = 1e-5
"""Range of standardized predictions below which they count as equal."""


class StopAtLostNumbers(Callback):
    """Callback that stops a fit with an error when a loss or weight is not finite.

    It runs before the callbacks that store the state of an epoch, so that they keep the
    last good one.

    Parameters
    ----------
    lr : float
        Learning rate of the fit.
    """

    def __init__(self, lr):
        self.lr = lr

    def on_epoch_end(self, net, **kwargs):
        row = net.history[-1]
        lost = [
            f"{words} is {row[name]}"
            for name, words in (
                ("train_loss", "the training loss"),
                ("valid_loss", "the loss of the held-out clusters"),
            )
            if name in row and not np.isfinite(row[name])
        ]
        if not all(torch.isfinite(each).all() for each in net.module_.parameters()):
            lost.append("weights are NaN or infinite")
        if lost:
            raise ValueError(
                f"Training failed in epoch {row['epoch']}: {' and '.join(lost)}. Give "
                f"a smaller learning rate (lr is {self.lr:g}; 0.001 is the paper's). "
                "Nothing of this epoch was kept: a checkpoint holds the last good one."
            )


def judged_clusters(train):
    """Select evenly spaced training clusters, few enough to predict quickly."""
    return train[:: max(1, -(-len(train) // MAX_JUDGED))]


def has_learned_nothing(predicted, target, n_epochs):
    """Return whether a network predicts its training clusters no better than the mean.

    Parameters
    ----------
    predicted, target : ndarray of shape (n,)
        Standardized masses.
    n_epochs : int
        Epochs of training; see `MIN_EPOCHS`.

    Examples
    --------
    >>> target = np.array([-1.0, 0.0, 1.0])
    >>> has_learned_nothing(target, target, 50), has_learned_nothing(-target, target, 50)
    (False, True)
    """
    if np.ptp(predicted) < CONSTANT and len(target) > 1:
        return True
    error = np.sqrt(np.mean((predicted - target) ** 2))
    limit = target.std() * (1 if n_epochs >= MIN_EPOCHS else FAR)
    return bool(error >= limit)


def warn_of_failed_fits(failed, regressor):
    """Warn about networks that have learned nothing.

    Parameters
    ----------
    failed : list of bool
        Whether each member of the regressor has learned nothing.
    regressor : NeuralMassRegressor
    """
    if not any(failed):
        return
    members = [str(member + 1) for member, is_lost in enumerate(failed) if is_lost]
    warnings.warn(
        f"{len(members)} of {len(failed)} networks of {type(regressor).__name__} "
        f"({', '.join(members)}) predict their own training clusters no better than the "
        "mean of their masses, so the fit has failed. Give a smaller learning rate (lr is "
        f"{regressor.lr:g}; 0.001 is the paper's), more epochs, or another random_state.",
        ConvergenceWarning,
        stacklevel=3,
    )
