"""Layers that several architectures share, and their initial weights."""

from itertools import pairwise

from torch import nn


def dense_layers(widths, dropout, activation=nn.ReLU):
    """Build dense layers of the given widths, each with an activation and dropout.

    Parameters
    ----------
    widths : sequence of int
        Number of input features, then the width of each layer.
    dropout : float
    activation : class, default=torch.nn.ReLU

    Examples
    --------
    >>> [type(layer).__name__ for layer in dense_layers((8, 4), 0.1)]
    ['Linear', 'ReLU', 'Dropout']
    """
    layers = []
    for n_in, n_out in pairwise(widths):
        layers += [nn.Linear(n_in, n_out), activation(), nn.Dropout(dropout)]
    for layer in layers:
        if isinstance(layer, nn.ReLU):  # which needs only its output
            layer.inplace = True
    return nn.Sequential(*layers)


def in_memory_format(memory_format, *layers):
    """Chain layers whose weights lie in memory as the images or cubes do.

    Parameters
    ----------
    memory_format : torch.memory_format
    *layers : torch.nn.Module
    """
    # The keyword is missing in torch's types.
    return nn.Sequential(*layers).to(memory_format=memory_format)  # type: ignore[call-overload]


def start_like_keras(layer):
    """Initialize a layer as Keras does: Glorot-uniform kernel, zero bias.

    For ``network.apply(start_like_keras)``.
    """
    if isinstance(layer, nn.Conv1d | nn.Conv2d | nn.Conv3d | nn.Linear):
        nn.init.xavier_uniform_(layer.weight)
        if layer.bias is not None:
            nn.init.zeros_(layer.bias)


def check_cubes_alone(name, with_indicator):
    """Refuse clusters without a cube, for a network that has no other input."""
    if with_indicator:
        raise ValueError(
            f"{name} sees only the galaxies, so every cluster needs a cube. Give "
            "allow_missing=False, or the architecture 'ho2023', which also sees the maps."
        )
