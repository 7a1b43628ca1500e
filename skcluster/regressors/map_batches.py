"""Batches of sparse maps, which become dense and standardized when they are read."""

import numpy as np
import torch
from torch.utils.data import Dataset


class MapBatches(Dataset):
    """Maps and targets as a torch dataset that is read in complete batches.

    Parameters
    ----------
    maps : SparseMaps of shape (n, n_bands, n_pixels, n_pixels)
    target : ndarray of shape (n,), default=None
        Standardized masses; None stands for zeros.
    mean, deviation : float
        Moments of the training pixels, to standardize with.
    scalars : ndarray of shape (n, n_scalars), default=None
        Standardized numbers of the clusters beside the maps.
    unobserved : SparseMaps of shape (n, 1, n_pixels, n_pixels), default=None
        Share of each pixel that was not observed.
    """

    def __init__(
        self,
        maps,
        target=None,
        *,
        mean=0.0,
        deviation=1.0,
        scalars=None,
        unobserved=None,
    ):
        target = np.zeros(len(maps)) if target is None else target
        self.maps = maps
        self.target = torch.tensor(target, dtype=torch.float32)
        self.mean, self.deviation = mean, deviation
        self.scalars, self.unobserved = None, unobserved
        if scalars is not None:
            self.scalars = torch.tensor(scalars, dtype=torch.float32)

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, row):
        inputs, target = self.__getitems__([row])
        return {name: values[0] for name, values in inputs.items()}, target[0]

    def __getitems__(self, rows):
        """Return a batch, inputs by name and targets: torch's loader calls this."""
        rows = np.asarray(rows)
        maps = torch.from_numpy(np.asarray(self.maps[rows], np.float32))
        maps.sub_(self.mean).div_(self.deviation)
        batch = {"maps": maps}
        if self.unobserved is not None:
            unobserved = np.asarray(self.unobserved[rows], np.float32)
            batch["unobserved"] = torch.from_numpy(unobserved)
        rows = torch.from_numpy(rows)
        if self.scalars is not None:
            batch["scalars"] = self.scalars[rows]
        return batch, self.target[rows]


def already_batched(batch):
    """Return a batch unchanged: the collate function of a dataset of complete batches."""
    return batch


def pixel_moments(maps):
    """Mean and standard deviation of all pixels, including empty ones.

    Examples
    --------
    >>> from skcluster import SparseMaps
    >>> pixel_moments(SparseMaps.from_dense([[[[0.0, 4.0], [0.0, 4.0]]]]))
    (2.0, 2.0)
    """
    pixels = maps.rows.data.astype(np.float64)
    n_pixels = np.prod(maps.shape)
    mean = pixels.sum() / n_pixels
    variance = (pixels @ pixels) / n_pixels - mean**2
    return float(mean), float(np.sqrt(max(variance, 0)))


def in_parts(batch, size):
    """Split the inputs of a batch into parts of `size` clusters."""
    split = zip(*(inputs.split(size) for inputs in batch.values()), strict=True)
    return [dict(zip(batch, part, strict=True)) for part in split]
