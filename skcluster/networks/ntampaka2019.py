"""The X-ray network of Ntampaka et al. 2019."""

from torch import nn

from .map_network import MapNetwork


class Ntampaka2019Network(MapNetwork):
    """Network of Ntampaka et al. 2019 for counts images.

    Conv 16@3×3 – max-pool 2 – conv 32@3×3 – max-pool 2 – conv 64@3×3 – max-pool 2 –
    global average – dropout – dense 200 – dropout – 100 – 20 – 1, with a ReLU after each
    hidden layer; 58,437 parameters for one band, whatever the number of pixels.

    The layers, their order and the two places of dropout are the paper's, whose `dropout`
    is 0.1. No public source gives the padding, for which 'valid' is chosen here, nor the
    initial weights, which are Keras' default.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``, with at least 22 pixels.
    dropout : float, default=0.0
        Probability of dropping a feature before and after the first dense layer.
    n_scalars : int, default=0
        Number of `scalars` of the regressor, which join the features before the dense
        layers.
    n_outputs : {1, 2}, default=1

    References
    ----------
    Ntampaka et al. (2019), ApJ 876, 82.

    Examples
    --------
    >>> import torch
    >>> network = Ntampaka2019Network((1, 128, 128))
    >>> sum(parameter.numel() for parameter in network.parameters())
    58437
    >>> network(torch.zeros(2, 1, 128, 128)).shape
    torch.Size([2])
    """

    def __init__(self, map_shape, dropout=0.0, n_scalars=0, n_outputs=1):
        super().__init__(map_shape, n_scalars, n_outputs, smallest=22, n_channels=16)
        self.build(
            nn.Sequential(
                nn.Conv2d(map_shape[0], 16, 3),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Conv2d(16, 32, 3),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Conv2d(32, 64, 3),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.AdaptiveAvgPool2d(1),
                nn.Flatten(),
            ),
            nn.Sequential(
                nn.Dropout(dropout),
                nn.Linear(64 + n_scalars, 200),
                nn.ReLU(),
                nn.Dropout(dropout),
                nn.Linear(200, 100),
                nn.ReLU(),
                nn.Linear(100, 20),
                nn.ReLU(),
            ),
            nn.Linear(20, n_outputs),
        )
