"""Convert networks to arrays and back, so that a fitted regressor's state has no code."""

import contextlib

import numpy as np
import torch

from .network_parameters import OF_NETWORK
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


def parameters_of_network(regressor):
    """Return the parameters that the network of a regressor is built from, by name."""
    return {
        name: getattr(regressor, name)
        for name in OF_NETWORK
        if hasattr(regressor, name)
    }


def refuse_changed_parameters(regressor):
    """Refuse a regressor whose network was fitted with other parameters than it has now.

    Its predictions, and those of a stored copy, would be of a network that never was.
    """
    now = parameters_of_network(regressor)
    for name, fitted in getattr(regressor, "fitted_parameters_", now).items():
        if now[name] != fitted:
            raise ValueError(
                f"{type(regressor).__name__} was fitted with {name}={fitted!r}, which was "
                f"then set to {now[name]!r}. Fit it again, or set it back."
            )


def stored_state(regressor, state):
    """Return the state of a regressor with the weights of its networks as arrays.

    Parameters
    ----------
    regressor : NeuralMassRegressor
    state : dict

    Returns
    -------
    state : dict
        The parameters of the fit are in it only if others have been set since.
    """
    state = dict(state)
    nets = state.pop("nets_", None)
    if nets is not None:
        state["weights_"] = [weights_of(net) for net in nets]
    if state.get("fitted_parameters_") == parameters_of_network(regressor):
        del state["fitted_parameters_"]
    return state


def restore_nets(regressor, weights):
    """Rebuild the nets of a regressor from stored weights, with the parameters of its fit.

    Parameters
    ----------
    regressor : NeuralMassRegressor
    weights : list of dict of str -> ndarray
        The weights of all members, by name.
    """
    now = parameters_of_network(regressor)
    fitted = vars(regressor).setdefault("fitted_parameters_", now)
    vars(regressor).update(fitted)
    regressor.nets_ = [rebuilt_net(regressor, member) for member in weights]
    vars(regressor).update(now)


def state_and_weights(state):
    """Take the weights, or None, out of a state, and complete that of older models."""
    weights = state.pop("weights_", None)
    if weights is not None:
        state = state_with_curves(state, len(weights))
    return state, weights


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
