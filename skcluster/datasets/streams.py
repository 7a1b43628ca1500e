"""Random streams of a mock survey: one per ingredient and cluster."""

from numbers import Integral

import numpy as np

INGREDIENTS = (
    "population",
    "place",
    "neighbors",
    "galaxies",
    "stellar masses",
    "gas bodies",
    "dense cores",
    "agn",
    "field agn",
    "background",
    "gas telescope",
    "agn telescope",
    "one spectrum",
    "dynamics",
    "clumps",
    "clump telescope",
    "exposure",
    "center error",
    "redshift error",
)
"""Each cluster draws each of these from its own random stream; new ones go to the end."""


def entropy_of(random_state):
    """Integer that all random streams start from."""
    if random_state is None:
        return np.random.SeedSequence().entropy
    if isinstance(random_state, Integral) and not isinstance(random_state, bool):
        if random_state < 0:
            raise ValueError(
                f"random_state must be a non-negative integer, got {random_state}."
            )
        return int(random_state)
    if isinstance(random_state, np.random.Generator):
        return int(random_state.integers(2**63))
    if isinstance(random_state, np.random.RandomState):
        return int(random_state.randint(2**63, dtype=np.int64))
    raise TypeError(
        "random_state must be None, an integer, a numpy Generator or a RandomState, "
        f"got {type(random_state).__name__}."
    )


def stream(entropy, i, ingredient):
    """Generator with which cluster i draws an ingredient."""
    key = (i, INGREDIENTS.index(ingredient))
    return np.random.default_rng(np.random.SeedSequence(entropy, spawn_key=key))
