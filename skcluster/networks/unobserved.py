"""A network that is told which parts of its maps were not observed."""

import torch

from .mass_network import MassNetwork


class SeesUnobserved(MassNetwork):
    """Network on maps that sees one more channel: the share of each pixel not observed.

    Parameters
    ----------
    network : MassNetwork
        It takes ``maps`` with one channel more than there are bands.

    Examples
    --------
    >>> from skcluster.networks import Ho2023Network
    >>> network = SeesUnobserved(Ho2023Network((3, 8, 8)))  # of two bands
    >>> network(torch.zeros(5, 2, 8, 8), torch.ones(5, 1, 8, 8)).shape
    torch.Size([5])
    """

    def __init__(self, network):
        super().__init__(network.n_outputs)
        self.network = network
        self.inputs = (*network.inputs, "unobserved")
        self.trains_in_parts = network.trains_in_parts

    @property
    def output_layer(self):
        return self.network.output_layer

    @property
    def bytes_per_cluster(self):
        return self.network.bytes_per_cluster

    def extract(self, maps, unobserved, **others):
        return self.network.extract(maps=torch.cat([maps, unobserved], 1), **others)

    def estimate(self, *features):
        return self.network.estimate(*features)
