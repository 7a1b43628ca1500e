"""Registry of architectures, and construction of their networks or a user's own."""

import importlib
import inspect

ARCHITECTURES = {
    "ho2023": "Ho2023Network",
    "ntampaka2019": "Ntampaka2019Network",
    "yan2020": "Yan2020Network",
    "krippendorf2024": "Krippendorf2024Network",
    "krippendorf2024_wide": "Krippendorf2024WideNetwork",
    "skcluster": "SkclusterNetwork",
}
"""Classes of `skcluster.networks` that take maps."""
JOINT_ARCHITECTURES = {
    "ho2023": "Ho2023JointNetwork",
    "ho2019": "Ho2019Network",
    "kodi_ramanah2021": "KodiRamanah2021Network",
}
"""Classes of `skcluster.networks` that take maps and cubes, or cubes alone."""
SET_ARCHITECTURES = {"photon_set": "PhotonSetNetwork"}
"""Classes of `skcluster.networks` that take photons."""
EIGHT_BANDS = (
    (0.5, 0.75),
    (0.75, 1.0),
    (1.0, 1.25),
    (1.25, 1.6),
    (1.6, 2.0),
    (2.0, 3.0),
    (3.0, 4.5),
    (4.5, 7.0),
)
"""Energies of the maps for the recommended network [keV]."""
KRIPPENDORF2024_BANDS = tuple(
    (round(0.25 + 0.205 * i, 3), round(0.455 + 0.205 * i, 3)) for i in range(10)
)
"""Ten equal energy bands from 0.25 to 2.3 keV, of Krippendorf et al. 2024."""


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
        if "n_scalars" in arguments and _binds_without_scalars(architecture, arguments):
            raise ValueError(
                f"The network {name} takes no scalars. Give scalars=()."
            ) from error
        raise TypeError(
            f"The architecture {name} is called with the keywords {', '.join(arguments)}, "
            f"but does not take them ({error}). Add what it lacks to its signature."
        ) from error
    network = architecture(**arguments)
    _check_contract(network, name, offered, arguments["n_outputs"])
    return network


def _binds_without_scalars(architecture, arguments):
    arguments = {name: each for name, each in arguments.items() if name != "n_scalars"}
    try:
        inspect.signature(architecture).bind(**arguments)
    except TypeError:
        return False
    return True


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
    if "scalars" in offered and "scalars" not in network.inputs:
        raise ValueError(
            f"The network {name} does not look at the scalars of the regressor: its inputs "
            f"are {', '.join(network.inputs)}. Add 'scalars', or give scalars=()."
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
