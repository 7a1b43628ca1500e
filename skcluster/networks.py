"""The networks, as torch modules: standardised maps in, one number a cluster out."""

import torch
from torch import nn


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

    Examples
    --------
    >>> network = Ho2023Network((1, 128, 128))
    >>> sum(parameter.numel() for parameter in network.parameters())
    363629
    >>> network(torch.zeros(2, 1, 128, 128)).shape
    torch.Size([2])
    """

    def __init__(self, map_shape, dropout=0.0):
        super().__init__()
        n_bands, height, width = map_shape
        if min(height, width) < 8:
            raise ValueError(
                f"The network pools maps by 8, so they need at least 8 pixels a side, "
                f"got {height} x {width}."
            )
        self.extractor = map_extractor(n_bands)
        self.head = dense_layers(10 * (height // 8) * (width // 8), dropout)
        self.output = nn.Linear(64, 1)
        self.apply(_start_like_keras)

    def forward(self, maps):
        maps = maps.contiguous(memory_format=torch.channels_last)
        # (n,), never (n, 1): a loss would broadcast the latter against (n,) masses.
        return self.output(self.head(self.extractor(maps))).squeeze(-1)


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


def dense_layers(n_features, dropout):
    """Dense 128 – 128 – 64, each with a ReLU and dropout."""
    layers = []
    for n_in, n_out in ((n_features, 128), (128, 128), (128, 64)):
        layers += [nn.Linear(n_in, n_out), nn.ReLU(inplace=True), nn.Dropout(dropout)]
    return nn.Sequential(*layers)


def _start_like_keras(layer):
    if isinstance(layer, nn.Conv2d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        nn.init.zeros_(layer.bias)


ARCHITECTURES = {"ho2023": Ho2023Network}
