"""The X-ray network of Ho et al. 2023."""

import torch
from torch import nn

from .layers import dense_layers, in_memory_format
from .map_network import MapNetwork


class Ho2023Network(MapNetwork):
    """Single- and multi-band network of Ho et al. 2023 (sections 4.1 and 5.1).

    Conv 24@5×5 – conv 10@3×3 – max-pool 4 – conv 24@5×5 – conv 10@3×3 – max-pool 2 –
    flatten – dense 128 – 128 – 64 – 1; 'same' padding, ReLU; 363,629 parameters for
    one band of 128 × 128 pixels. Kernels start Glorot-uniform and biases at zero, as
    in the paper's Keras code.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``, with at least 8 pixels.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden dense layer.
    n_scalars : int, default=0
        Number of `scalars` of the regressor, which join the features before the dense
        layers.
    n_outputs : {1, 2}, default=1

    Examples
    --------
    >>> network = Ho2023Network((1, 128, 128))
    >>> sum(parameter.numel() for parameter in network.parameters())
    363629
    >>> network(torch.zeros(2, 1, 128, 128)).shape
    torch.Size([2])
    """

    def __init__(self, map_shape, dropout=0.0, n_scalars=0, n_outputs=1):
        super().__init__(map_shape, n_scalars, n_outputs, smallest=8, n_channels=24)
        n_bands, height, width = map_shape
        n_features = 10 * (height // 8) * (width // 8)
        self.build(
            map_extractor(n_bands),
            dense_layers((n_features + n_scalars, 128, 128, 64), dropout),
            nn.Linear(64, n_outputs),
        )


def map_extractor(n_bands):
    """Build the paper's convolutions, from maps to a flat vector of features.

    Max-pooling comes before its ReLU: the two commute, and there is less to rectify.
    ReLUs work in place, because no layer needs the values before one.
    """
    return in_memory_format(
        torch.channels_last,
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
    )
