"""Weights of clusters in the loss of a network."""

import torch
from torch.utils.data import Dataset

SAMPLE_WEIGHT = "sample_weight"
"""Name of the weights among the inputs of a batch, which no network takes."""


class WeightedBatches(Dataset):
    r"""Batches whose clusters have weights, for `mean_loss`.

    Parameters
    ----------
    batches : torch dataset that is read in complete batches
    weight : ndarray of shape (n,)
        Only the ratios matter: the weights are divided by their mean.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import SparseMaps
    >>> from skcluster.regressors.map_batches import MapBatches
    >>> maps = SparseMaps.from_dense(np.ones((3, 1, 2, 2)))
    >>> batch, _ = WeightedBatches(MapBatches(maps), np.arange(3)).__getitems__([1, 2])
    >>> batch["sample_weight"]
    tensor([1., 2.])
    """

    def __init__(self, batches, weight):
        self.batches = batches
        self.weight = torch.tensor(weight / weight.mean(), dtype=torch.float32)

    def __len__(self):
        return len(self.batches)

    def __getitem__(self, row):
        inputs, target = self.batches[row]
        return {**inputs, SAMPLE_WEIGHT: self.weight[row]}, target

    def __getitems__(self, rows):
        inputs, target = self.batches.__getitems__(rows)
        return {**inputs, SAMPLE_WEIGHT: self.weight[torch.as_tensor(rows)]}, target


def mean_loss(loss, inputs):
    r"""Mean over the clusters of a batch, of :math:`w_i` times the loss of each.

    Parameters
    ----------
    loss : Tensor of shape (n,), or ()
        Without weights, the mean itself.
    inputs : dict of Tensor

    Examples
    --------
    >>> loss = torch.tensor([1.0, 3.0])
    >>> mean_loss(loss, {"sample_weight": torch.tensor([2.0, 0.0])})
    tensor(1.)
    """
    weight = inputs.get(SAMPLE_WEIGHT)
    return loss if weight is None else (loss * weight.to(loss.device)).mean()
