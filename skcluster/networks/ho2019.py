"""The network of Ho et al. 2019 for the phase space of galaxies."""

import torch
from torch import nn

from .headed_network import HeadedNetwork
from .layers import check_cubes_alone, dense_layers, start_like_keras


class Ho2019Network(HeadedNetwork):
    """Network of Ho et al. 2019 for line-of-sight velocities and projected radii.

    The density of galaxies in (v, R): conv 24@5 along v, with one input channel per
    radius – conv 10@3 – flatten – dense 128 – 64 – 1; 'same' padding, ReLU.

    The layers are those of the authors' code. Its input is a two-dimensional density
    estimate on 48 velocities and 48 radii up to 2.3 Mpc/h, for which the layers have 76,403
    parameters. Here it is the three-dimensional one of `PhaseSpaceKDE`, averaged over
    rings as wide as a cell, so there are half as many radii as velocities; cells beyond
    the largest radius, in the corners of the sky, are not used. The authors' 2019 network
    has no dropout; that of 2021 drops features before every layer, also when it predicts
    (see `n_dropout_draws`).

    Parameters
    ----------
    map_shape : tuple of 3 int
        Shape of the maps, which are not used.
    n_bins : int
        Cells per side of the cubes.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden dense layer.
    with_indicator : bool, default=False
        Must be False: the network does not know of missing cubes.
    n_outputs : {1, 2}, default=1

    References
    ----------
    Ho et al. (2019), arXiv:1902.05950; https://github.com/maho3/halo_cnn

    Examples
    --------
    >>> network = Ho2019Network((1, 64, 64), 16)
    >>> network(torch.zeros(2, 16, 16, 16)).shape
    torch.Size([2])
    """

    inputs = ("cubes",)

    def __init__(
        self, map_shape, n_bins, dropout=0.0, with_indicator=False, n_outputs=1
    ):
        super().__init__(n_outputs)
        check_cubes_alone("Ho2019Network", with_indicator)
        means = mean_over_rings(n_bins)
        self.register_buffer("means", means, persistent=False)
        self.extractor = nn.Sequential(
            nn.Conv1d(len(means), 24, 5, padding="same"),
            nn.ReLU(),
            nn.Conv1d(24, 10, 3, padding="same"),
            nn.ReLU(),
            nn.Flatten(),
        )
        self.head = dense_layers((10 * n_bins, 128, 64), dropout)
        self.output = nn.Linear(64, n_outputs)
        self.apply(start_like_keras)

    def extract(self, cubes):
        return self.extractor(self.means @ cubes.flatten(1, 2))


def mean_over_rings(n_bins):
    """Build the matrix that averages the cells of a square sky over rings.

    Parameters
    ----------
    n_bins : int
        Cells per side.

    Returns
    -------
    means : Tensor of shape (n_bins // 2, n_bins**2)
        One row per ring, one cell wide, from the center outwards.

    Examples
    --------
    >>> mean_over_rings(4).count_nonzero(1)
    tensor([4, 8])
    """
    offset = torch.arange(n_bins) - (n_bins - 1) / 2
    radius = torch.hypot(offset[:, None], offset).flatten()
    rings = torch.arange(n_bins // 2)[:, None]
    inside = (radius >= rings) & (radius < rings + 1)
    return inside / inside.sum(1, keepdim=True)
