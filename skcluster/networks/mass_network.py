"""`MassNetwork`: what every network must define for the regressors."""

from torch import nn


class MassNetwork(nn.Module):
    """Contract between a network and the regressors: the base class of every network.

    A network comes in two parts. `extract` holds the expensive layers and no dropout;
    `estimate` holds the last layers and all dropout, as ``torch.nn.Dropout``, so that many
    draws of dropout need the expensive part only once. Nothing else depends on how the
    layers are called or arranged, but they must be registered in the order of their use.

    A regressor builds the network by keywords:

    ==================== =================================================================
    ``map_shape``        ``(n_bands, n_pixels, n_pixels)``
    ``n_bins``           cells per side of the cubes (`JointCNNRegressor`)
    ``with_indicator``   whether clusters may lack a cube (`JointCNNRegressor`)
    ``n_columns``        numbers that describe a photon (`PhotonSetRegressor`)
    ``n_galaxy_columns`` numbers that describe a galaxy, where galaxies are described
    ``n_scalars``        number of the regressor's `scalars`, if there are any
    ``dropout``          the regressor's `dropout`
    ``n_outputs``        1; or 2 for the mean and the logarithm of the variance
    ==================== =================================================================

    It then hands over those inputs that the network names in `inputs`, standardized with
    the moments of the training clusters, and expects standardized masses.

    Parameters
    ----------
    n_outputs : {1, 2}

    Attributes
    ----------
    inputs : tuple of str
        Names of the arguments of `extract`, a class attribute; default ``("maps",)``.
        `XrayCNNRegressor` has ``maps`` of shape (n, n_bands, n_pixels, n_pixels).
        `JointCNNRegressor` also has ``cubes`` of shape (n, n_bins, n_bins, n_bins), in
        (y, x, v), and ``has_cube`` of shape (n,), which is 0 where a cube is missing.
        Both have ``scalars`` of shape (n, n_scalars), if `scalars` names any.
        `PhotonSetRegressor` has ``photons`` and ``galaxies``, if they are described, which
        are `skcluster.networks.rows.Rows`, and ``redshift`` of shape (n,).
    trains_in_parts : bool
        Whether the gradient of a batch is the sum over parts of it, a class attribute;
        default True. False for layers that look at the complete batch.

    Examples
    --------
    >>> import math, torch
    >>> class Linear(MassNetwork):
    ...     def __init__(self, *, map_shape, dropout, n_outputs):
    ...         super().__init__(n_outputs)
    ...         self.dropout = nn.Dropout(dropout)
    ...         self.last = nn.Linear(math.prod(map_shape), n_outputs)
    ...     @property
    ...     def output_layer(self):
    ...         return self.last
    ...     def extract(self, maps):
    ...         return maps.flatten(1)
    ...     def estimate(self, pixels):
    ...         return self.last(self.dropout(pixels)).squeeze(-1)
    >>> network = Linear(map_shape=(1, 8, 8), dropout=0.0, n_outputs=1)
    >>> network(torch.zeros(5, 1, 8, 8)).shape
    torch.Size([5])
    """

    inputs: tuple[str, ...] = ("maps",)
    trains_in_parts = True

    def __init__(self, n_outputs):
        super().__init__()
        self.n_outputs = n_outputs

    @property
    def output_layer(self):
        """The last module, whose weights do not decay."""
        raise NotImplementedError(_undefined(self, "the property output_layer"))

    @property
    def has_variance(self):
        """Whether the network predicts the log variance as well as the mean."""
        return self.n_outputs == 2

    @property
    def bytes_per_cluster(self):
        """Memory [bytes] of the largest activation of one cluster.

        On a CPU, training holds fewer clusters in memory at a time if this is large.
        The default of 0 stands for a small network.
        """
        return 0

    def extract(self, *inputs, **named_inputs):
        """Features of each cluster: a tensor, or a tuple of tensors."""
        raise NotImplementedError(_undefined(self, "extract"))

    def estimate(self, *features):
        """Standardized masses from features: (n,), or (n, 2) with the log variance.

        The shape is never (n, 1), which a loss would broadcast against n masses.
        """
        raise NotImplementedError(_undefined(self, "estimate"))

    def forward(self, *inputs, **named_inputs):
        return self.estimate(*self.features(*inputs, **named_inputs))

    def features(self, *inputs, **named_inputs):
        """Return the output of `extract` as a tuple: the arguments of `estimate`."""
        features = self.extract(*inputs, **named_inputs)
        return features if isinstance(features, tuple) else (features,)

    def mean(self, *inputs, **named_inputs):
        """Predicted mean of each cluster, of shape (n,), without its variance."""
        predicted = self(*inputs, **named_inputs)
        return predicted[..., 0] if self.has_variance else predicted


def _undefined(network, what):
    return f"{type(network).__name__} does not define {what}: see MassNetwork."
