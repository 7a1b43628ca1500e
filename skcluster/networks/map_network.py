"""`MapNetwork`: convolutions over maps, and then dense layers."""

import torch

from .headed_network import HeadedNetwork
from .layers import start_like_keras


class MapNetwork(HeadedNetwork):
    """Base class of networks that turn maps into features, and features into masses.

    A subclass passes its layers to `build`. Scalars, such as the redshift, join the
    features before the dense layers, so the first of these takes `n_scalars` more.

    Parameters
    ----------
    map_shape : tuple of 3 int
    n_scalars : int
    n_outputs : {1, 2}
    smallest : int
        Pixels per side that the layers need.
    n_channels : int
        Channels of the first layer, which takes the most memory.
    """

    def __init__(self, map_shape, n_scalars, n_outputs, *, smallest, n_channels):
        super().__init__(n_outputs)
        _, height, width = map_shape
        if min(height, width) < smallest:
            raise ValueError(
                f"The network pools maps, so they need at least {smallest} pixels per "
                f"side, got {height} x {width}."
            )
        self._bytes = 4 * n_channels * height * width
        if n_scalars:
            self.inputs = ("maps", "scalars")

    def build(self, extractor, head, output):
        """Register the layers in the order of their use, with Keras' initial weights.

        Parameters
        ----------
        extractor : Module
            Takes maps, and returns a flat vector of features.
        head : Module
            Hidden dense layers, with all dropout.
        output : Module
            The last layer.
        """
        self.extractor = extractor.to(memory_format=torch.channels_last)
        self.head, self.output = head, output
        self.apply(start_like_keras)

    @property
    def bytes_per_cluster(self):
        return self._bytes

    def extract(self, maps, scalars=None):
        maps = maps.contiguous(memory_format=torch.channels_last)
        features = self.extractor(maps)
        return features if scalars is None else torch.cat([features, scalars], 1)
