"""What the networks' regressors refuse, and how they say it."""

import os
from numbers import Integral

import numpy as np
from sklearn.utils import column_or_1d

from ..networks.architectures import check_architecture
from .mass_net import LOSSES, PRECISIONS


def checked_target(y, n_clusters):
    """The masses as finite, different numbers, one a cluster."""
    y = column_or_1d(y, warn=True).astype(float)
    if len(y) != n_clusters:
        raise ValueError(f"X holds {n_clusters} clusters, but y holds {len(y)} masses.")
    if not np.isfinite(y).all():
        wrong = np.flatnonzero(~np.isfinite(y))
        raise ValueError(
            f"{len(wrong)} of {len(y)} masses are NaN or infinite (first: cluster "
            f"{wrong[0]}). Drop these clusters."
        )
    if y.std() == 0:
        raise ValueError(
            f"All {len(y)} masses are equal (log10 M = {y[0]:.4g}), so there is "
            "nothing to learn. Give clusters of different masses."
        )
    return y


def check_weights(weights, expected):
    """Refuse weights that are not those of the network.

    Parameters
    ----------
    weights, expected : dict of str -> array or tensor
    """
    shapes, wanted = (
        {name: tuple(array.shape) for name, array in arrays.items()}
        for arrays in (weights, expected)
    )
    if shapes != wanted:
        name = min(dict(shapes.items() ^ wanted.items()))
        raise ValueError(
            f"The stored weights do not fit the network: {name} has shape "
            f"{shapes.get(name)}, where {wanted.get(name)} is needed."
        )


def check_parameters(regressor):
    """Refuse parameters that make no sense, by name."""
    check_architecture(regressor.architecture, regressor._architectures)
    choices = {
        "loss": LOSSES,
        "precision": PRECISIONS,
    }
    for name, allowed in choices.items():
        if getattr(regressor, name) not in allowed:
            raise ValueError(
                f"{name} must be one of {list(allowed)}, got {getattr(regressor, name)!r}."
            )
    for name in ("batch_size", "max_epochs", "n_members"):
        value = getattr(regressor, name)
        if not isinstance(value, Integral) or value < 1:
            raise ValueError(f"{name} must be a positive int, got {value!r}.")
    draws = regressor.n_dropout_draws
    if not isinstance(draws, Integral) or draws < 0:
        raise ValueError(f"n_dropout_draws must be an int from 0, got {draws!r}.")
    if draws and regressor.dropout == 0:
        raise ValueError(
            f"n_dropout_draws={draws} needs dropout > 0: with dropout=0 all draws are "
            "equal. The paper's dropout is 0.1."
        )
    for name in ("patience", "n_threads"):
        value = getattr(regressor, name)
        if value is not None and (not isinstance(value, Integral) or value < 1):
            raise ValueError(f"{name} must be a positive int or None, got {value!r}.")
    if not regressor.lr > 0 or not regressor.weight_decay >= 0:
        raise ValueError(
            f"lr must be positive and weight_decay not negative, got {regressor.lr!r} and "
            f"{regressor.weight_decay!r}."
        )
    if not 0 <= regressor.dropout < 1:
        raise ValueError(f"dropout must be in [0, 1), got {regressor.dropout!r}.")
    fraction = regressor.validation_fraction
    if fraction is not None and not 0 < fraction < 1:
        raise ValueError(
            f"validation_fraction must be in (0, 1) or None, got {fraction!r}."
        )
    if regressor.checkpoint_dir is None:
        return
    if not isinstance(regressor.checkpoint_dir, str | os.PathLike):
        raise TypeError(
            f"checkpoint_dir must be a path or None, got {regressor.checkpoint_dir!r}."
        )
    if not isinstance(regressor.random_state, Integral):
        raise ValueError(
            "checkpoint_dir needs an int random_state: with "
            f"random_state={regressor.random_state!r} a second run is another model."
        )
