"""Registry of architectures, and construction of their networks or a user's own."""

import importlib
import inspect

ARCHITECTURES = {"ho2023": "Ho2023Network"}
"""Classes of `skcluster.networks` that take maps."""
JOINT_ARCHITECTURES = {"ho2023": "Ho2023JointNetwork"}
"""Classes of `skcluster.networks` that take maps and cubes."""
SET_ARCHITECTURES = {"photon_set": "PhotonSetNetwork"}
"""Classes of `skcluster.networks` that take photons."""


def is_architecture(value):
    """Return whether a value is a class or function that may build a network."""
    # A module is callable, too, but all members and folds would train the same one.
    is_module = hasattr(value, "state_dict") and not isinstance(value, type)
    return callable(value) and not is_module


def build_network(architecture, registered, offered, **arguments):
    """Build the network of an architecture, and check that it meets the contract.

    Parameters
    ----------
    architecture : str or callable
        A registered name; or a class or a function that returns a `MassNetwork`.
    registered : dict of str to str
        `ARCHITECTURES`, `JOINT_ARCHITECTURES` or `SET_ARCHITECTURES`.
    offered : sequence of str
        Names of the inputs that the network may take.
    **arguments
        Passed on by name: they describe the inputs, ``dropout`` and ``n_outputs``.

    Returns
    -------
    network : MassNetwork

    Examples
    --------
    >>> network = build_network(
    ...     "ho2023", ARCHITECTURES, ["maps"], map_shape=(1, 8, 8), dropout=0.0, n_outputs=1
    ... )
    >>> type(network).__name__
    'Ho2023Network'
    """
    if isinstance(architecture, str):
        architecture = _registered_class(registered[architecture])
    name = getattr(architecture, "__name__", repr(architecture))
    try:
        inspect.signature(architecture).bind(**arguments)
    except TypeError as error:
        raise TypeError(
            f"The architecture {name} is called with the keywords {', '.join(arguments)}, "
            f"but does not take them ({error}). Add what it lacks to its signature."
        ) from error
    network = architecture(**arguments)
    _check_contract(network, name, offered, arguments["n_outputs"])
    return network


def _registered_class(name):
    return getattr(importlib.import_module(__package__), name)


def _check_contract(network, name, offered, n_outputs):
    if not isinstance(network, _registered_class("MassNetwork")):
        raise TypeError(
            f"The architecture {name} makes a {type(network).__name__}. Derive the network "
            "from skcluster.networks.MassNetwork, which says what else it must define."
        )
    missing = [each for each in network.inputs if each not in offered]
    if missing:
        raise ValueError(
            f"The network {name} takes {', '.join(network.inputs)}, but this regressor "
            f"has only {', '.join(offered)}. JointCNNRegressor has maps and cubes, and "
            "PhotonSetRegressor has photons."
        )
    if network.n_outputs != n_outputs:
        raise ValueError(
            f"The network {name} says that it has {network.n_outputs} outputs, but the "
            f"loss needs {n_outputs}. Pass n_outputs on: super().__init__(n_outputs)."
        )
    if all(network.output_layer is not module for module in network.modules()):
        raise ValueError(
            f"The output_layer of the network {name} is not one of its modules, so its "
            "weights would decay. Return the module that estimate() ends with."
        )


def source_of(architecture):
    """Return the source code of a user's architecture, which identifies its version.

    Parameters
    ----------
    architecture : str or callable

    Returns
    -------
    source : list of str
        The source of a function; or of a class and the classes that it is derived from,
        down to those of this package. Empty for a registered name, and where Python
        cannot find the source.
    """
    if isinstance(architecture, str):
        return []
    # A partial holds the function or class that it calls.
    architecture = getattr(architecture, "func", architecture)
    parts = [architecture]
    if isinstance(architecture, type):
        ours = _registered_class("MassNetwork").__mro__
        parts = [part for part in architecture.__mro__ if part not in ours]
    try:
        return [inspect.getsource(part) for part in parts]
    except (OSError, TypeError):
        return []
