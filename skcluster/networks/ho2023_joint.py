"""The joint X-ray and phase-space network of Ho et al. 2023."""

import torch
from torch import nn
from torch.nn import functional

from .headed_network import HeadedNetwork
from .ho2023 import map_extractor
from .layers import dense_layers, in_memory_format, start_like_keras


class Ho2023JointNetwork(HeadedNetwork):
    """Joint X-ray and phase-space network of Ho et al. 2023 (Fig. 5, section 5.2).

    Maps go through the extractor of `Ho2023Network`. Cubes go, together with the maps
    pooled to the cubes' sky grid and repeated along v, through conv 24@5³ – max-pool 2 –
    conv 16@3³ – max-pool 2 – conv 8@1³ – max-pool 2 ('valid') – flatten – dense 128.
    The features of both are joined – dense 128 – 64 – 1. A ReLU follows each hidden
    layer, and dropout each hidden dense layer.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``.
    n_bins : int
        Cells per side of the cubes, at least 16; n_pixels must be a multiple of it.
    dropout : float, default=0.1
        Probability of dropping a feature after each hidden dense layer.
    with_indicator : bool, default=False
        Let the dense layers see whether a cluster has a cube.
    n_scalars : int, default=0
        Number of `scalars` of the regressor, which join the features.
    n_outputs : {1, 2}, default=1

    Examples
    --------
    >>> network = Ho2023JointNetwork((3, 32, 32), 16)
    >>> network(torch.zeros(2, 3, 32, 32), torch.zeros(2, 16, 16, 16)).shape
    torch.Size([2])
    """

    inputs: tuple[str, ...] = ("maps", "cubes", "has_cube")

    def __init__(
        self,
        map_shape,
        n_bins,
        dropout=0.1,
        with_indicator=False,
        n_scalars=0,
        n_outputs=1,
    ):
        super().__init__(n_outputs)
        n_bands, height, width = map_shape
        if n_bins < 16 or height % n_bins or height != width:
            raise ValueError(
                "The joint network needs cubes of at least 16 bins per side, and square "
                "maps whose pixels are a multiple of the bins, so that both lie on one "
                f"sky grid; got {n_bins} bins and maps of {height} x {width} pixels."
            )
        if n_scalars:
            self.inputs = (*self.inputs, "scalars")
        self.with_indicator = with_indicator
        self.n_bins = n_bins
        self.map_branch = map_extractor(n_bands)
        self.to_cells = nn.AvgPool2d(height // n_bins)
        self.first = nn.Conv3d(n_bands + 1, 24, 5)
        self.cube_branch = cube_extractor()
        n_cells = 8 * (((n_bins - 4) // 2 - 2) // 4) ** 3
        self.cube_head = dense_layers((n_cells, 128), dropout)
        n_features = 10 * (height // 8) ** 2 + 128 + with_indicator + n_scalars
        self.head = dense_layers((n_features, 128, 64), dropout)
        self.output = nn.Linear(64, n_outputs)
        self.apply(start_like_keras)

    @property
    def bytes_per_cluster(self):
        return 4 * 24 * (self.n_bins - 4) ** 3

    def extract(self, maps, cubes, has_cube=None, scalars=None):
        maps = maps.contiguous(memory_format=torch.channels_last)
        of_cubes = self.cube_branch(self.on_the_sky(maps, cubes))
        beside = [has_cube[:, None]] if self.with_indicator else []
        if scalars is not None:
            beside.append(scalars)
        return self.map_branch(maps), of_cubes, *beside

    def estimate(self, of_maps, of_cubes, *beside):
        return super().estimate(of_maps, self.cube_head(of_cubes), *beside)

    def on_the_sky(self, maps, cubes):
        """Convolve the cubes, and the maps repeated along v, with the first 3-D kernel.

        Where the input does not change along v, this equals a 2-D convolution with the
        kernel summed over v, so the repeated maps are never made.
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
    """Build all 3-D layers after the first convolution, up to a flat vector of features."""
    return in_memory_format(
        torch.channels_last_3d,
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Conv3d(24, 16, 3),
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Conv3d(16, 8, 1),
        nn.MaxPool3d(2),
        nn.ReLU(inplace=True),
        nn.Flatten(),
    )
