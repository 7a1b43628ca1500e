"""The network on photon lists: sums over what each photon contributes."""

import torch
from torch import nn

from .layers import dense_layers
from .mass_network import MassNetwork

N_SUMS = 64
LEAST_SUM = 1e-3
"""Added to a sum before its logarithm, in units of a typical number of photons."""


class PhotonSetNetwork(MassNetwork):
    r"""Network on the set of a cluster's photons.

    Each photon, described by :math:`p_i` together with the redshift z of its cluster,
    contributes to 64 sums, with weights :math:`w_i`. Dense layers turn the logarithms of
    the sums into the mass:

    .. math::

        s = \sum_i w_i \, \phi(p_i, z) , \qquad
        \log_{10} M = \rho \left( \log_{10} (s + 10^{-3}), z \right)

    Neither the order of the photons nor their number matters to the layers (Zaheer et al.
    2017), and since :math:`\phi \geq 0`, what one photon adds is known exactly.
    :math:`\phi` is dense 64 – 64 – 64 with GELU, and softplus at the end; :math:`\rho` is
    batch normalization – dense 128 – 128 – 64 – 1 with GELU and dropout. This architecture
    is our own: no network on photon lists has been published for cluster masses.

    Parameters
    ----------
    n_columns : int
        Numbers that describe a photon, its cluster's redshift among them.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden layer of :math:`\rho`.
    n_outputs : {1, 2}, default=1

    References
    ----------
    Zaheer et al. (2017), "Deep Sets", NeurIPS 30.

    Examples
    --------
    >>> from skcluster.networks.rows import Rows
    >>> photons = Rows(torch.zeros(32, 9), torch.ones(32), torch.tensor([2, 0]))
    >>> PhotonSetNetwork(9)(photons, torch.zeros(2)).shape
    torch.Size([2])
    """

    inputs = ("photons", "redshift")
    trains_in_parts = False

    def __init__(self, n_columns, dropout=0.0, n_outputs=1):
        super().__init__(n_outputs)
        self.of_photon = nn.Sequential(
            nn.Linear(n_columns, 64),
            nn.GELU(),
            nn.Linear(64, 64),
            nn.GELU(),
            nn.Linear(64, N_SUMS),
            nn.Softplus(),
        )
        self.normalization = BatchNormalization(N_SUMS + 1)
        self.head = dense_layers((N_SUMS + 1, 128, 128, 64), dropout, nn.GELU)
        self.output = nn.Linear(64, n_outputs)

    @property
    def output_layer(self):
        return self.output

    def extract(self, photons, redshift):
        return self.with_sums(photons.sum(self.of_photon), redshift)

    def with_sums(self, sums, redshift):
        """Features of clusters whose photons contribute the given sums.

        Parameters
        ----------
        sums : Tensor of shape (n, 64)
        redshift : Tensor of shape (n,)
        """
        features = torch.cat([torch.log10(sums + LEAST_SUM), redshift[:, None]], 1)
        return self.normalization(features)

    def estimate(self, features):
        return self.output(self.head(features)).squeeze(-1)


class BatchNormalization(nn.BatchNorm1d):
    """Batch normalization that also takes a batch of a single cluster.

    That has no variance, so it is normalized with the moments of the batches before.
    """

    def forward(self, features):
        if self.training and len(features) == 1:
            return nn.functional.batch_norm(
                features, self.running_mean, self.running_var, self.weight, self.bias
            )
        return super().forward(features)
