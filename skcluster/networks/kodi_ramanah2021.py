"""The network of Kodi Ramanah et al. 2021 for the phase space of galaxies."""

import torch
from torch import nn

from .headed_network import HeadedNetwork
from .layers import check_cubes_alone, in_memory_format, start_like_keras


class KodiRamanah2021Network(HeadedNetwork):
    """Network of Kodi Ramanah et al. 2021 for three-dimensional phase space.

    Conv 12@5³ – max-pool 2 – conv 8@3³ – max-pool 2 – conv 4@1³ – max-pool 2 – flatten –
    dense 128 – 64 – 1. Convolutions have 'valid' padding and a ReLU, pooling keeps
    incomplete windows; 123,189 parameters for 50³ cells.

    The layers are those of the authors' code, in which the dense layers have no
    activation, so that together they are one linear layer. Its cubes span 4 Mpc/h and
    2200 km/s on each side of the center. `dropout` is ours; they have none.

    Parameters
    ----------
    map_shape : tuple of 3 int
        Shape of the maps, which are not used.
    n_bins : int
        Cells per side of the cubes, at least 10.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden dense layer.
    with_indicator : bool, default=False
        Must be False: the network does not know of missing cubes.
    n_outputs : {1, 2}, default=1

    References
    ----------
    Kodi Ramanah et al. (2021), arXiv:2009.03340;
    https://github.com/doogesh/SBI_dynamical_mass_estimator

    Examples
    --------
    >>> network = KodiRamanah2021Network((1, 50, 50), 50)
    >>> sum(parameter.numel() for parameter in network.parameters())
    123189
    >>> network(torch.zeros(2, 50, 50, 50)).shape
    torch.Size([2])
    """

    inputs = ("cubes",)

    def __init__(
        self, map_shape, n_bins, dropout=0.0, with_indicator=False, n_outputs=1
    ):
        super().__init__(n_outputs)
        check_cubes_alone("KodiRamanah2021Network", with_indicator)
        if n_bins < 10:
            raise ValueError(
                "The network of Kodi Ramanah et al. needs cubes of at least 10 cells "
                f"per side, got {n_bins}."
            )
        self.n_bins = n_bins
        self.extractor = in_memory_format(
            torch.channels_last_3d,
            nn.Conv3d(1, 12, 5),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(2, ceil_mode=True),
            nn.Conv3d(12, 8, 3),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(2, ceil_mode=True),
            nn.Conv3d(8, 4, 1),
            nn.ReLU(inplace=True),
            nn.MaxPool3d(2, ceil_mode=True),
            nn.Flatten(),
        )
        n_cells = _half(_half(_half(n_bins - 4) - 2)) ** 3
        self.head = nn.Sequential(
            nn.Linear(4 * n_cells, 128),
            nn.Dropout(dropout),
            nn.Linear(128, 64),
            nn.Dropout(dropout),
        )
        self.output = nn.Linear(64, n_outputs)
        self.apply(start_like_keras)

    @property
    def bytes_per_cluster(self):
        return 4 * 12 * (self.n_bins - 4) ** 3

    def extract(self, cubes):
        cubes = cubes[:, None].contiguous(memory_format=torch.channels_last_3d)
        return self.extractor(cubes)


def _half(n_cells):
    return (n_cells + 1) // 2
