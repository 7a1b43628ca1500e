"""The network of Yan et al. 2020 for maps of one or several tracers."""

from torch import nn

from .layers import dense_layers
from .map_network import MapNetwork


class Yan2020Network(MapNetwork):
    """Network of Yan et al. 2020.

    Conv 16@3×3 – average-pool 2 – conv 32@3×3 – average-pool 2 – conv 64@3×3 –
    average-pool 2 – flatten – dense 200 – dropout – 100 – dropout – 100 – dropout – 20 – 1;
    'valid' padding, and a ReLU after each hidden layer; 874,937 parameters for one map of
    79 × 79 pixels.

    The layers are those of the authors' code, whose `dropout` is 0.1. It has a ReLU after
    the output, too, because its target is the mass and not its logarithm; here the output
    is linear, because half of the standardized log masses are negative.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``, with at least 22 pixels.
    dropout : float, default=0.0
        Probability of dropping a feature after each of the first three dense layers.
    n_scalars : int, default=0
        Number of `scalars` of the regressor, which join the features before the dense
        layers.
    n_outputs : {1, 2}, default=1

    References
    ----------
    Yan et al. (2020), MNRAS 499, 3445; https://github.com/yanzastro/CNN_image

    Examples
    --------
    >>> import torch
    >>> network = Yan2020Network((1, 79, 79))
    >>> sum(parameter.numel() for parameter in network.parameters())
    874937
    >>> network(torch.zeros(2, 1, 79, 79)).shape
    torch.Size([2])
    """

    def __init__(self, map_shape, dropout=0.0, n_scalars=0, n_outputs=1):
        super().__init__(map_shape, n_scalars, n_outputs, smallest=22, n_channels=16)
        n_bands, height, width = map_shape
        n_features = 64 * _after_three_stages(height) * _after_three_stages(width)
        self.build(
            nn.Sequential(
                nn.Conv2d(n_bands, 16, 3),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
                nn.Conv2d(16, 32, 3),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
                nn.Conv2d(32, 64, 3),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
                nn.Flatten(),
            ),
            nn.Sequential(
                *dense_layers((n_features + n_scalars, 200, 100, 100), dropout),
                nn.Linear(100, 20),
                nn.ReLU(),
            ),
            nn.Linear(20, n_outputs),
        )


def _after_three_stages(n_pixels):
    for _ in range(3):
        n_pixels = (n_pixels - 2) // 2
    return n_pixels
