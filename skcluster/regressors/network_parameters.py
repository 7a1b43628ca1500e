"""Allowed values and combinations of the parameters of regressors with a network."""

import torch

from ..networks.architectures import is_architecture
from ..parameters import (
    REFUSED,
    Boolean,
    Choice,
    Integer,
    Interval,
    Kind,
    NonNegative,
    PathLike,
    Positive,
    RandomState,
    check_parameters,
)
from ..plausible_masses import MASS_RANGE_KIND
from .losses import LOSSES
from .recipes import RECIPES
from .scalars import ScalarNames

PRECISIONS = ("float32", "bfloat16")


class Architecture(Kind):
    """A registered name, or a class or function that builds a network.

    Parameters
    ----------
    registered : dict of str to str
        Registered architectures, by name.
    """

    def __init__(self, registered):
        self.registered = registered

    @property
    def says(self):
        return f"one of {list(self.registered)}"

    def read(self, value):
        is_known = (
            value in self.registered
            if isinstance(value, str)
            else is_architecture(value)
        )
        return value if is_known else REFUSED

    def hint(self, value):
        return (
            "Give a network of your own as a class derived from "
            "skcluster.networks.MassNetwork, or as a function that returns one."
        )


class Device(Kind):
    """A torch device by its name, or "auto"."""

    says = "'auto', or a torch device such as 'cpu' or 'cuda:1'"

    def read(self, value):
        if isinstance(value, str) and value == "auto":
            return value
        try:
            torch.device(value)
        except (RuntimeError, TypeError):
            return REFUSED
        return value


class Callbacks(Kind):
    """A list of skorch callbacks."""

    says = "a list of skorch callbacks"

    def read(self, value):
        if not isinstance(value, list | tuple):
            return REFUSED
        # skorch also takes pairs (name, callback).
        pairs = (item if isinstance(item, tuple) else ("", item) for item in value)
        are_callbacks = all(
            pair and hasattr(pair[-1], "on_train_begin") for pair in pairs
        )
        return value if are_callbacks else REFUSED


N_THREADS = Integer(1, 1024) | None
"""Kind of the parameter `n_threads`. For many more, OpenMP ends the process."""

NETWORK_PARAMETERS = {
    "recipe": Choice(RECIPES),
    "loss": Choice(LOSSES),
    "dropout": Interval("[0, 1)"),
    "weight_decay": NonNegative(),
    "lr": Positive(),
    "batch_size": Integer(1),
    "max_epochs": Integer(1),
    "patience": Integer(1) | None,
    "validation_fraction": Interval("(0, 1)") | None,
    "n_members": Integer(1, 1000),
    "mass_range": MASS_RANGE_KIND,
    "device": Device(),
    "checkpoint_dir": PathLike() | None,
    "n_threads": N_THREADS,
    "callbacks": Callbacks() | None,
    "random_state": RandomState(),
    "verbose": Integer(0) | Boolean(),
    "precision": Choice(PRECISIONS),
    "keep_memory": Boolean(),
    "n_dropout_draws": Integer(0, 10_000),
}
"""Kinds of the parameters that all regressors with a network share."""
MAP_NETWORK_PARAMETERS = {
    **NETWORK_PARAMETERS,
    "augment": Boolean(),
    "scalars": ScalarNames(),
}
"""Kinds of the parameters of regressors that take maps, alone or among other inputs."""

NOT_IN_FINGERPRINT = (
    "checkpoint_dir",
    "device",
    "keep_memory",
    "mass_range",
    "n_dropout_draws",
    "n_threads",
    "verbose",
)
"""Parameters that change nothing in what is learned, except by rounding."""
OF_NETWORK = (
    "allow_missing",
    "architecture",
    "augment",
    "dropout",
    "loss",
    "recipe",
    "scalars",
)
"""Parameters that a fitted network is built from, and so cannot change without a fit."""


def checked_network_parameters(regressor):
    """Return the parameters of a regressor as plain values, or refuse them by name."""
    parameters = check_parameters(regressor)
    if parameters.n_dropout_draws and parameters.dropout == 0:
        raise ValueError(
            f"n_dropout_draws={parameters.n_dropout_draws} needs dropout > 0: with "
            "dropout=0 all draws are equal. The paper's dropout is 0.1."
        )
    is_seeded = isinstance(parameters.random_state, int)
    if parameters.checkpoint_dir is not None and not is_seeded:
        raise ValueError(
            "checkpoint_dir needs an int random_state: with "
            f"random_state={regressor.random_state!r} a second run is another model."
        )
    return parameters
