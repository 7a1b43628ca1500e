"""Losses of networks, and the number of outputs that each loss needs."""

import torch

LOG_VARIANCE_MIN = -10.0
"""Smallest ln σ² of a standardized mass: an error of 0.7 % of the spread of the masses."""


class GaussianNLL(torch.nn.Module):
    r"""Negative Gaussian log-likelihood of a mean and a log variance, without its constant.

    .. math::

        \frac{1}{2} \left[ (y - \mu)^2 e^{-s} + s \right], \quad s = \ln \sigma^2

    Parameters
    ----------
    reduction : {"mean", "none"}, default="mean"
        Whether to return the mean over clusters, or the loss of each.

    Attributes
    ----------
    trains_mean_only : bool, default=False
        Whether the loss in training is the squared error of the mean.

    References
    ----------
    Ho et al. (2021), ApJ 908, 204.
    """

    trains_mean_only = False

    def __init__(self, reduction="mean"):
        super().__init__()
        self.reduction = reduction

    def forward(self, predicted, target):
        mean, log_variance = predicted.unbind(-1)
        if self.trains_mean_only and self.training:
            return self._reduced((target - mean) ** 2)
        log_variance = log_variance.clamp(min=LOG_VARIANCE_MIN)
        square = (target - mean) ** 2 * torch.exp(-log_variance)
        return 0.5 * self._reduced(square + log_variance)

    def _reduced(self, loss):
        return loss.mean() if self.reduction == "mean" else loss


LOSSES = {"mse": torch.nn.MSELoss, "mae": torch.nn.L1Loss, "gaussian_nll": GaussianNLL}
N_OUTPUTS = {"mse": 1, "mae": 1, "gaussian_nll": 2}
