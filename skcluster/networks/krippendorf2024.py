"""The network of Krippendorf et al. 2024 for eROSITA images in ten bands."""

from torch import nn

from .layers import dense_layers
from .map_network import MapNetwork


class Krippendorf2024Network(MapNetwork):
    """Network of Krippendorf et al. 2024, which takes the redshift beside the map.

    Conv 10@2×2 – average-pool 2 – conv 10@2×2 – max-pool 2 – flatten, and the redshift –
    dense 100 – 100 – 2 (the mean and the error); 'same' padding, ReLU; 155,322 parameters
    for ten bands of 50 × 50 pixels.

    Layers and widths are those of Fig. 3 of the paper. A thesis that says to use the same
    network draws 20 filters: ``architecture="krippendorf2024_wide"``, 300,942 parameters.
    The figure does not say how large the max-pooling is; 2 fits the thesis' numbers. The
    figure shows no dropout. Its images are counts in `KRIPPENDORF2024_BANDS`, of 50 × 50
    pixels of about 24 arcsec, smoothed by an unknown width. They train by
    ``loss="gaussian_nll"``, Adam from 1e-4, batches of 100 and 500 epochs.

    Parameters
    ----------
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``, with at least 4 pixels.
    n_scalars : int
        Number of `scalars` of the regressor, at least 1: the redshift.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden dense layer.
    n_outputs : {1, 2}, default=2

    References
    ----------
    Krippendorf et al. (2024), A&A 682, A132.

    Examples
    --------
    >>> import torch
    >>> network = Krippendorf2024Network((10, 50, 50), n_scalars=1)
    >>> sum(parameter.numel() for parameter in network.parameters())
    155322
    >>> network(torch.zeros(3, 10, 50, 50), torch.zeros(3, 1)).shape
    torch.Size([3, 2])
    """

    n_filters = 10

    def __init__(self, map_shape, n_scalars=0, dropout=0.0, n_outputs=2):
        if n_scalars < 1:
            raise ValueError(
                "The network of Krippendorf et al. takes the redshift beside the map. "
                "Give the regressor scalars=['redshift'], and a ClusterSample; in the "
                "terminal, --scalars redshift."
            )
        super().__init__(
            map_shape, n_scalars, n_outputs, smallest=4, n_channels=self.n_filters
        )
        n_bands, height, width = map_shape
        n_features = self.n_filters * (height // 4) * (width // 4)
        self.build(
            nn.Sequential(
                nn.ZeroPad2d((0, 1, 0, 1)),  # 'same', as Keras does for even kernels
                nn.Conv2d(n_bands, self.n_filters, 2),
                nn.ReLU(inplace=True),
                nn.AvgPool2d(2),
                nn.ZeroPad2d((0, 1, 0, 1)),
                nn.Conv2d(self.n_filters, self.n_filters, 2),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Flatten(),
            ),
            dense_layers((n_features + n_scalars, 100, 100), dropout),
            nn.Linear(100, n_outputs),
        )


class Krippendorf2024WideNetwork(Krippendorf2024Network):
    """`Krippendorf2024Network` with 20 filters per layer.

    Examples
    --------
    >>> network = Krippendorf2024WideNetwork((10, 50, 50), n_scalars=1)
    >>> sum(parameter.numel() for parameter in network.parameters())
    300942
    """

    n_filters = 20
