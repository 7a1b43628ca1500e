"""Sparse maps, made dense and standardised one batch at a time."""

import numpy as np
import torch
from torch.utils.data import Dataset

SKY_AXES = {"maps": (-2, -1), "cubes": (-3, -2)}
"""Axes that point North and West, of each input that lies on the sky."""


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
        inputs, target = self.__getitems__([row])
        return {name: values[0] for name, values in inputs.items()}, target[0]

    def __getitems__(self, rows):
        """Inputs by name and targets of a batch: torch's loader asks for it in one call."""
        rows = np.asarray(rows)
        maps = torch.from_numpy(np.asarray(self.maps[rows], np.float32))
        maps.sub_(self.mean).div_(self.deviation)
        return {"maps": maps}, self.target[torch.from_numpy(rows)]


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


def square_symmetry(images, k, axes=(-2, -1)):
    """Images under the k-th of the eight rotations and flips of the square.

    0 to 3 turn by 0, 90, 180, 270 degrees; 4 to 7 flip East and West before.

    Parameters
    ----------
    images : Tensor
    k : int
    axes : tuple of 2 int, default=(-2, -1)
        Where North and West are.

    Examples
    --------
    >>> square_symmetry(torch.tensor([[1, 2], [3, 4]]), 4)
    tensor([[2, 1],
            [4, 3]])
    """
    if k >= 4:
        images = images.flip(axes[1])
    return torch.rot90(images, k % 4, axes)


def randomly_turned(batch):
    """Turn each cluster of a batch by its own random symmetry of the square.

    Parameters
    ----------
    batch : dict of Tensor
        Inputs by name. Those in `SKY_AXES` turn together; the others stay as they are.
    """
    turned = dict(batch)
    symmetry = torch.randint(8, (len(batch["maps"]),))
    for name in SKY_AXES.keys() & batch.keys():
        turned[name] = torch.empty_like(batch[name])
        for k in range(8):
            chosen = (symmetry == k).nonzero().squeeze(-1).to(batch[name].device)
            images = batch[name][chosen]
            turned[name][chosen] = square_symmetry(images, k, SKY_AXES[name])
    return turned


def in_parts(batch, size):
    """Split the inputs of a batch into parts of `size` clusters."""
    split = zip(*(inputs.split(size) for inputs in batch.values()), strict=True)
    return [dict(zip(batch, part, strict=True)) for part in split]
