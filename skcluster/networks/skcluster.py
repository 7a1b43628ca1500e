"""The network on maps that this package recommends."""

from .ho2023 import Ho2023Network


class SkclusterNetwork(Ho2023Network):
    """Our recommended network on maps: the layers of `Ho2023Network`.

    Other layers were tried and did not pay: residual blocks with batch normalization,
    pooling over rings, auxiliary outputs. What pays is the input, `EIGHT_BANDS`, and the
    training; see `skcluster.XrayCNNRegressor.recommended`. The name stands for the
    network that is best at present, so a later version may have other layers.

    Examples
    --------
    >>> import torch
    >>> SkclusterNetwork((8, 64, 64))(torch.zeros(2, 8, 64, 64)).shape
    torch.Size([2])
    """
