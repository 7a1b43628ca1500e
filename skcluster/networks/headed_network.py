"""`HeadedNetwork`: a network that ends in dense layers, from features to masses."""

import torch
from torch import nn

from .mass_network import MassNetwork


class HeadedNetwork(MassNetwork):
    """Base class of networks that end in `head`, hidden dense layers, and `output`.

    A subclass sets both as attributes, after the layers that `extract` uses.
    """

    head: nn.Module
    output: nn.Module

    @property
    def output_layer(self):
        return self.output

    def estimate(self, *features):
        # (n,), never (n, 1), which a loss would broadcast against (n,) masses.
        return self.output(self.head(torch.cat(features, 1))).squeeze(-1)
