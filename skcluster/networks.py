"""The networks, as torch modules: standardised maps in, one number a cluster out.

With ``n_outputs=2`` they return the mean and the logarithm of the variance instead. Each
is two functions: ``extract``, the convolutions, and ``estimate``, the dense layers and all
the dropout, so that many draws of dropout need the convolutions only once.
"""

from itertools import pairwise

import torch
from torch import nn
from torch.nn import functional


class Ho2023Network(nn.Module):
    """Single- and multi-band network of the paper (sections 4.1 and 5.1).

    Conv 24@5×5 – conv 10@3×3 – max-pool 4 – conv 24@5×5 – conv 10@3×3 – max-pool 2 –
    flatten – dense 128 – 128 – 64 – 1; 'same' padding, ReLU; 363,629 parameters for
    one band of 128 × 128 pixels. Kernels start Glorot-uniform and biases at zero, as
    in the paper's Keras code.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``, with at least 8 pixels.
    dropout : float, default=0.0
        After each hidden dense layer.
    n_outputs : {1, 2}, default=1

    Examples
    --------
    >>> network = Ho2023Network((1, 128, 128))
    >>> sum(parameter.numel() for parameter in network.parameters())
    363629
    >>> network(torch.zeros(2, 1, 128, 128)).shape
    torch.Size([2])
    """

    def __init__(self, map_shape, dropout=0.0, n_outputs=1):
        super().__init__()
        n_bands, height, width = map_shape
        if min(height, width) < 8:
            raise ValueError(
                f"The network pools maps by 8, so they need at least 8 pixels a side, "
                f"got {height} x {width}."
            )
        self.extractor = map_extractor(n_bands)
        n_features = 10 * (height // 8) * (width // 8)
        self.head = dense_layers((n_features, 128, 128, 64), dropout)
        self.output = nn.Linear(64, n_outputs)
        self.apply(_start_like_keras)

    def forward(self, maps):
        return self.estimate(*self.extract(maps))

    def extract(self, maps):
        maps = maps.contiguous(memory_format=torch.channels_last)
        return (self.extractor(maps),)

    def estimate(self, features):
        # (n,), never (n, 1): a loss would broadcast the latter against (n,) masses.
        return self.output(self.head(features)).squeeze(-1)


class Ho2023JointNetwork(nn.Module):
    """Joint X-ray and phase-space network of the paper (Fig. 5, section 5.2).

    Maps go through the extractor of `Ho2023Network`. Cubes go, together with the maps
    pooled to the cubes' sky grid and repeated along v, through conv 24@5³ – max-pool 2 –
    conv 16@3³ – max-pool 2 – conv 8@1³ – max-pool 2 ('valid') – flatten – dense 128.
    The features of both are joined – dense 128 – 64 – 1. ReLU, and dropout after each
    hidden dense layer.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``.
    n_bins : int
        Cells a side of the cubes, at least 16; n_pixels must be a multiple of it.
    dropout : float, default=0.1
    with_indicator : bool, default=False
        Let the dense layers see whether a cluster has a cube.
    n_outputs : {1, 2}, default=1

    Examples
    --------
    >>> network = Ho2023JointNetwork((3, 32, 32), 16)
    >>> network(torch.zeros(2, 3, 32, 32), torch.zeros(2, 16, 16, 16)).shape
    torch.Size([2])
    """

    def __init__(
        self, map_shape, n_bins, dropout=0.1, with_indicator=False, n_outputs=1
    ):
        super().__init__()
        n_bands, height, width = map_shape
        if n_bins < 16 or height % n_bins or height != width:
            raise ValueError(
                "The joint network needs cubes of at least 16 bins a side, and square "
                "maps whose pixels are a multiple of the bins, so that both lie on one "
                f"sky grid; got {n_bins} bins and maps of {height} x {width} pixels."
            )
        self.with_indicator = with_indicator
        self.map_branch = map_extractor(n_bands)
        self.to_cells = nn.AvgPool2d(height // n_bins)
        self.first = nn.Conv3d(n_bands + 1, 24, 5)
        self.cube_branch = cube_extractor()
        n_cells = 8 * (((n_bins - 4) // 2 - 2) // 4) ** 3
        self.cube_head = dense_layers((n_cells, 128), dropout)
        n_features = 10 * (height // 8) ** 2 + 128 + with_indicator
        self.head = dense_layers((n_features, 128, 64), dropout)
        self.output = nn.Linear(64, n_outputs)
        self.apply(_start_like_keras)

    def forward(self, maps, cubes, has_cube=None):
        return self.estimate(*self.extract(maps, cubes, has_cube))

    def extract(self, maps, cubes, has_cube=None):
        maps = maps.contiguous(memory_format=torch.channels_last)
        of_cubes = self.cube_branch(self.on_the_sky(maps, cubes))
        return self.map_branch(maps), of_cubes, has_cube

    def estimate(self, of_maps, of_cubes, has_cube=None):
        features = [of_maps, self.cube_head(of_cubes)]
        if self.with_indicator:
            features.append(has_cube[:, None])
        return self.output(self.head(torch.cat(features, 1))).squeeze(-1)

    def on_the_sky(self, maps, cubes):
        """The first 3-D convolution, of the cubes and the maps repeated along v.

        Over something that does not change along v, a convolution is the 2-D one with
        the kernel summed over v: the same function without the repeated maps.
        """
        n_bands = maps.shape[1]
        kernel = self.first.weight
        flat = functional.conv2d(
            self.to_cells(maps), kernel[:, :n_bands].sum(-1), self.first.bias
        )
        deep = functional.conv3d(
            cubes[:, None].contiguous(memory_format=torch.channels_last_3d),
            kernel[:, n_bands:].contiguous(memory_format=torch.channels_last_3d),
        )
        return deep.add_(flat[..., None])


def cube_extractor():
    """Rest of the 3-D convolutions, from the first one to a flat vector of features."""
    return nn.Sequential(
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Conv3d(24, 16, 3),
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Conv3d(16, 8, 1),
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
    ).to(memory_format=torch.channels_last_3d)


def map_extractor(n_bands):
    """Convolutions of the paper, from maps to a flat vector of features.

    Max-pooling stands before its ReLU: the two commute, and there is less to rectify.
    ReLUs work in place, as no layer needs what came before one.
    """
    return nn.Sequential(
        nn.Conv2d(n_bands, 24, 5, padding="same"),
        nn.ReLU(inplace=True),
        nn.Conv2d(24, 10, 3, padding="same"),
        nn.MaxPool2d(4),
        nn.ReLU(inplace=True),
        nn.Conv2d(10, 24, 5, padding="same"),
        nn.ReLU(inplace=True),
        nn.Conv2d(24, 10, 3, padding="same"),
        nn.MaxPool2d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
    ).to(memory_format=torch.channels_last)


def dense_layers(widths, dropout):
    """Dense layers of these widths, each with a ReLU and dropout.

    Parameters
    ----------
    widths : sequence of int
        Features that come in, then the width of each layer.
    dropout : float
    """
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def _start_like_keras(layer):
    if isinstance(layer, nn.Conv2d | nn.Conv3d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


ARCHITECTURES = {"ho2023": Ho2023Network}
JOINT_ARCHITECTURES = {"ho2023": Ho2023JointNetwork}
