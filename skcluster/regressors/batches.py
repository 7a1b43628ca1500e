"""Sparse maps, made dense and standardised one batch at a time."""

import numpy as np
import torch
from torch.utils.data import Dataset


class MapBatches(Dataset):
    """Maps and targets as a torch dataset that is read in whole batches.

    Parameters
    ----------
    maps : SparseMaps of shape (n, n_bands, n_pixels, n_pixels)
    target : ndarray of shape (n,), default=None
        Zeros when there is none.
    mean, deviation : float
        Of the training pixels, to standardise with.
    """

    def __init__(self, maps, target=None, *, mean=0.0, deviation=1.0):
        target = np.zeros(len(maps)) if target is None else target
        self.maps = maps
        self.target = torch.tensor(target, dtype=torch.float32)
        self.mean, self.deviation = mean, deviation

    def __len__(self):
        return len(self.maps)

    def __getitem__(self, row):
        maps, target = self.__getitems__([row])
        return maps[0], target[0]

    def __getitems__(self, rows):
        """The batch of these rows: torch's loader asks for it in one call."""
        rows = np.asarray(rows)
        maps = torch.from_numpy(np.asarray(self.maps[rows], np.float32))
        maps.sub_(self.mean).div_(self.deviation)
        return maps, self.target[torch.from_numpy(rows)]


def already_batched(batch):
    """Collate function of a dataset that delivers whole batches."""
    return batch


def pixel_moments(maps):
    """Mean and standard deviation of all pixels, those that hold nothing included.

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


def square_symmetry(maps, k):
    """Maps under the k-th of the eight rotations and flips of the square.

    0 to 3 turn by 0, 90, 180, 270 degrees; 4 to 7 flip East and West before.

    Examples
    --------
    >>> square_symmetry(torch.tensor([[1, 2], [3, 4]]), 4)
    tensor([[2, 1],
            [4, 3]])
    """
    if k >= 4:
        maps = maps.flip(-1)
    return torch.rot90(maps, k % 4, (-2, -1))


def randomly_turned(maps):
    """Each map of a batch under a symmetry of the square of its own."""
    turned = torch.empty_like(maps)
    symmetry = torch.randint(8, (len(maps),))
    for k in range(8):
        chosen = (symmetry == k).nonzero().squeeze(-1).to(maps.device)
        turned[chosen] = square_symmetry(maps[chosen], k)
    return turned
