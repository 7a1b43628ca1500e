"""The network on sets of photons and galaxies: sums over what each of them contributes."""

import torch
from torch import nn

from .headed_network import HeadedNetwork
from .layers import dense_layers

N_SUMS = 64
LEAST_SUM = 1e-3
"""Added to a sum before its logarithm, in units of a typical number of photons."""


class PhotonSetNetwork(HeadedNetwork):
    r"""Network on the sets of a cluster's photons, galaxies or both.

    Each photon, described by :math:`p_i` together with the redshift z of its cluster,
    contributes to 64 sums, with weights :math:`w_i`; and so do galaxies, described by
    :math:`g_j`, to 64 others. Dense layers turn the logarithms of the sums into the mass:

    .. math::

        s = \sum_i w_i \, \phi(p_i, z) , \qquad t = \sum_j u_j \, \chi(g_j, z) , \qquad
        \log_{10} M = \rho \left( \log_{10} (s + 10^{-3}),
        \log_{10} (t + 10^{-3}), z \right)

    Neither their order nor their number matters to the layers (Zaheer et al. 2017), and
    since :math:`\phi` and :math:`\chi` are positive, what one photon or galaxy adds is
    known exactly. Both are dense 64 – 64 – 64 with GELU, and softplus at the end;
    :math:`\rho` is batch normalization – dense 128 – 128 – 64 – 1 with GELU and dropout.
    For a cluster without galaxies, 64 learned numbers stand in for :math:`\log_{10} t`.
    This architecture is our own: no network on photon lists has been published for
    cluster masses.

    Parameters
    ----------
    n_columns : int
        Numbers that describe a photon, its cluster's redshift among them; 0 for a network
        without photons.
    dropout : float, default=0.0
        Probability of dropping a feature after each hidden layer of :math:`\rho`.
    n_outputs : {1, 2}, default=1
    n_galaxy_columns : int, default=0
        Numbers that describe a galaxy, its cluster's redshift among them; 0 for a network
        without galaxies.

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

    trains_in_parts = False

    def __init__(self, n_columns, dropout=0.0, n_outputs=1, n_galaxy_columns=0):
        super().__init__(n_outputs)
        n_features = 1
        if n_columns:
            self.of_photon = contributions(n_columns)
            n_features += N_SUMS
        if n_galaxy_columns:
            self.of_galaxy = contributions(n_galaxy_columns)
            self.without_galaxies = nn.Parameter(torch.zeros(N_SUMS))
            n_features += N_SUMS
        named = {"photons": n_columns, "galaxies": n_galaxy_columns}
        self.inputs = (*(name for name in named if named[name]), "redshift")
        self.normalization = BatchNormalization(n_features)
        self.head = dense_layers((n_features, 128, 128, 64), dropout, nn.GELU)
        self.output = nn.Linear(64, n_outputs)

    def extract(self, photons=None, redshift=None, galaxies=None):
        parts = []
        if photons is not None:
            parts.append(photons.sum(self.of_photon))
        if galaxies is not None:
            parts.append(galaxies.sum(self.of_galaxy))
        return self.with_sums(torch.cat(parts, 1), redshift)

    def with_sums(self, sums, redshift):
        """Features of clusters whose photons and galaxies contribute the given sums.

        Parameters
        ----------
        sums : Tensor of shape (n, 64) or (n, 128)
            Sums over photons, over galaxies, or first over photons and then over galaxies.
        redshift : Tensor of shape (n,)
        """
        features = torch.log10(sums + LEAST_SUM)
        if "galaxies" in self.inputs:
            of_photons, of_galaxies = features[:, :-N_SUMS], features[:, -N_SUMS:]
            has_none = (sums[:, -N_SUMS:] == 0).all(1, keepdim=True)
            of_galaxies = torch.where(has_none, self.without_galaxies, of_galaxies)
            features = torch.cat([of_photons, of_galaxies], 1)
        return self.normalization(torch.cat([features, redshift[:, None]], 1))


def contributions(n_columns):
    """Build the layers from what describes a photon or galaxy to its part of the sums."""
    return nn.Sequential(
        nn.Linear(n_columns, 64),
        nn.GELU(),
        nn.Linear(64, 64),
        nn.GELU(),
        nn.Linear(64, N_SUMS),
        nn.Softplus(),
    )


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
