"""The eight rotations and flips of the square, for maps and cubes of one sky."""

import torch

from ..networks import MassNetwork

N_SYMMETRIES = 8
SKY_AXES = {"maps": (-2, -1), "unobserved": (-2, -1), "cubes": (-3, -2)}
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
    symmetry = torch.randint(N_SYMMETRIES, (len(batch["maps"]),))
    for name in SKY_AXES.keys() & batch.keys():
        turned[name] = torch.empty_like(batch[name])
        for k in range(N_SYMMETRIES):
            chosen = (symmetry == k).nonzero().squeeze(-1).to(batch[name].device)
            images = batch[name][chosen]
            turned[name][chosen] = square_symmetry(images, k, SKY_AXES[name])
    return turned


def lies_on_the_sky(network):
    """Return whether a network has inputs that can be rotated and flipped."""
    return any(name in SKY_AXES for name in network.inputs)


class SymmetricNetwork(MassNetwork):
    """Mean of a network's outputs over the eight rotations and flips of its inputs.

    Both the mean and the log variance are averaged. A draw of dropout thins the network
    in the same way for all eight. The wrapped network is shared, not copied.

    Parameters
    ----------
    network : MassNetwork

    Examples
    --------
    >>> from skcluster.networks import Ho2023Network
    >>> network = SymmetricNetwork(Ho2023Network((1, 8, 8)))
    >>> maps = torch.rand(3, 1, 8, 8)
    >>> bool(torch.allclose(network(maps=maps), network(maps=maps.mT), atol=1e-6))
    True
    """

    def __init__(self, network):
        super().__init__(network.n_outputs)
        self.network = network

    @property
    def inputs(self):
        return self.network.inputs

    @property
    def output_layer(self):
        return self.network.output_layer

    def extract(self, **inputs):
        views = [
            self.network.features(**_turned(inputs, k)) for k in range(N_SYMMETRIES)
        ]
        return tuple(torch.cat(parts) for parts in zip(*views, strict=True))

    def estimate(self, *features):
        outputs = self.network.estimate(*features)
        return outputs.unflatten(0, (N_SYMMETRIES, -1)).mean(0)


def _turned(inputs, k):
    return {
        name: square_symmetry(value, k, SKY_AXES[name]) if name in SKY_AXES else value
        for name, value in inputs.items()
    }
