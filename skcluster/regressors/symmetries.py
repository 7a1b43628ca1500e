"""The eight rotations and flips of the square, for maps and cubes of one sky."""

import torch

SKY_AXES = {"maps": (-2, -1), "cubes": (-3, -2)}
"""Axes that point North and West in each input that lies on the sky."""


def square_symmetry(images, k, axes=(-2, -1)):
    """Apply the k-th of the eight rotations and flips of the square to images.

    0 to 3 rotate by 0, 90, 180 and 270 degrees; 4 to 7 first flip East and West.

    Parameters
    ----------
    images : Tensor
    k : int
    axes : tuple of 2 int, default=(-2, -1)
        Axes that point North and West.

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
    """Rotate or flip each cluster of a batch by its own random symmetry of the square.

    Parameters
    ----------
    batch : dict of Tensor
        Inputs by name. Those in `SKY_AXES` change together; the others do not change.
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
