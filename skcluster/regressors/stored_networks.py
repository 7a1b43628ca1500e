"""Convert networks to arrays and back, so that a fitted regressor's state has no code."""

import contextlib

import numpy as np
import torch

from .output_curve import KNOTS
from .torch_session import resolve_device, torch_session


def weights_of(net):
    """Return the weights of a net's network as arrays, by name.

    Parameters
    ----------
    net : MassNet
    """
    return {
        name: weight.detach().cpu().numpy().copy()
        for name, weight in net.module_.state_dict().items()
    }


def state_with_curves(state, n_members):
    """Give the state of an older model the curves with which it predicts as it did."""
    offset = state.pop("offset_", np.zeros((n_members, 2)))[..., None]
    slope = state.pop("slope_", np.ones((n_members, 2)))[..., None]
    return {
        "curve_": slope * (KNOTS - offset / state["target_scale_"]),
        "error_curve_": np.zeros((n_members, len(KNOTS))),
        "held_out_moments_": {},
        **state,
    }


def rebuilt_net(regressor, weights):
    """Rebuild the net of a regressor from stored weights.

    Parameters
    ----------
    regressor : NeuralMassRegressor
    weights : dict of str -> ndarray

    Returns
    -------
    net : MassNet
        On the regressor's device, or on the CPU where this machine lacks it.
    """
    device = _present_device(regressor.device)
    with torch_session(0, device):
        # First without memory: the file may claim a network of any size. A user's own
        # network need not be able to do so, and its code is trusted anyhow.
        is_ours = isinstance(regressor.architecture, str)
        with torch.device("meta") if is_ours else contextlib.nullcontext():
            check_weights(weights, regressor._module().state_dict())
        net = regressor._build_net(0, device)
        net.module_.load_state_dict(
            {name: torch.as_tensor(weight) for name, weight in weights.items()}
        )
    return net


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
            f"{shapes.get(name)}, but {wanted.get(name)} is needed."
        )


def _present_device(device):
    try:
        device = resolve_device(device)
        torch.zeros(1, device=device)
    except (ValueError, RuntimeError):
        return "cpu"
    return device
