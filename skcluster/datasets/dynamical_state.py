"""The dynamical state of a cluster: how disturbed it is, and what that does to its gas.

Positions are relative to the center of the potential, in units of R500c.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from .population import (
    LATENTS,
    SCATTER,
    correlation_matrix,
    mean_dispersion,
    mean_gas_mass,
    mean_stellar_mass,
    mean_temperature,
    random_directions,
)
from .spectra import response

DISTURBANCE_CORRELATIONS = {
    "temperature": -0.15,
    "gas_mass": 0.30,
    "stellar_mass": -0.35,
    "core": -0.65,
    "clumping": 0.50,
}
"""Correlations of the disturbance with the residuals of the population."""

# Values of the median cluster, and their scatters in ln per standard deviation of the
# disturbance.
CLUMP_EMISSION, CLUMP_EMISSION_SCATTER, MOST_CLUMP_EMISSION = 0.075, 0.9, 0.6
CORE_OFFSET, CORE_OFFSET_SCATTER, MOST_CORE_OFFSET = 0.05, 0.9, 0.35
STRETCH_SCATTER = 0.04

CLUMP_SHARES = np.array([0.6, 0.25, 0.15])
CLUMP_DISTANCE = (0.35, 0.95)
CLUMP_SIZE = 0.05
CLUMP_TEMPERATURE = 0.65
SLOSHING_RADIUS = 0.3


@dataclass(frozen=True)
class DynamicalState:
    """A merger's traces in the gas.

    Parameters
    ----------
    disturbance : float
        How disturbed the cluster is, in standard deviations.
    core_offset : ndarray of shape (2,)
        Offset of the dense core from the center: West, North [R500c].
    clump_places : ndarray of shape (n_clumps, 2)
        Projected centers of the clumps within R500c.
    clump_emissions : ndarray of shape (n_clumps,)
        Emission measures of the clumps, relative to that of the body within R500c.
    stretch : ndarray of shape (2, 2)
        Matrix that stretches the body along the projected merger axis, at constant area.
    """

    disturbance: float
    core_offset: np.ndarray
    clump_places: np.ndarray
    clump_emissions: np.ndarray
    stretch: np.ndarray

    def moved(self, place, radius):
        """Projected positions of gas that lies at `place` in the relaxed cluster.

        The gas sloshes with the core near the center, and less further out.

        Parameters
        ----------
        place : ndarray of shape (n, 2)
            Projected position in the relaxed cluster.
        radius : float or ndarray of shape (n,)
            Distance from the center in three dimensions.
        """
        share = 1 / (1 + (radius / SLOSHING_RADIUS) ** 2)
        return place @ self.stretch + np.multiply.outer(share, self.core_offset)


@cache
def _weights():
    """Weights of the residuals in the disturbance, and the scatter of what is left."""
    names = [*LATENTS, "clumping"]
    planted = np.array([DISTURBANCE_CORRELATIONS.get(name, 0.0) for name in names])
    weight = np.linalg.solve(correlation_matrix(names), planted)
    return dict(zip(names, weight, strict=True)), np.sqrt(1 - weight @ planted)


def residuals(cluster):
    """Residuals of a cluster's properties [standard deviations]."""
    halo = cluster.halo
    efunc = response(cluster.redshift).efunc
    ratio = {
        "temperature": halo.temperature / mean_temperature(halo.mass, efunc),
        "gas_mass": halo.gas_mass / mean_gas_mass(halo.mass),
        "stellar_mass": cluster.stellar_mass / mean_stellar_mass(halo.mass),
        "dispersion": halo.dispersion / mean_dispersion(halo.mass, efunc),
    }
    return {name: np.log(value) / SCATTER[name] for name, value in ratio.items()} | {
        name: getattr(halo, name) for name in ("core", "shape", "richness", "clumping")
    }


def draw_dynamical_state(cluster, rng):
    """Draw the state of a cluster, given the residuals that the population gave it.

    Its population is thus that of a survey without dynamics. The merger axis has a random
    direction; the core sloshes along it, and the largest of the clumps lies on it.

    Examples
    --------
    >>> from skcluster.datasets.population import draw_cluster
    >>> rng = np.random.default_rng(0)
    >>> state = draw_dynamical_state(draw_cluster(rng), rng)
    >>> state.core_offset.shape, state.clump_places.shape
    ((2,), (3, 2))
    """
    weight, scatter = _weights()
    residual = residuals(cluster)
    disturbance = scatter * rng.standard_normal()
    disturbance += sum(weight[name] * residual[name] for name in weight)
    direction = random_directions(len(CLUMP_SHARES), rng)[:, :2]
    axis = direction[0]
    length = np.linalg.norm(axis)
    stretch = np.exp(STRETCH_SCATTER * disturbance * length)
    along = np.outer(axis, axis) / length**2
    nearest, farthest = CLUMP_DISTANCE
    distance = nearest + (farthest - nearest) * rng.random(len(CLUMP_SHARES))
    offset = CORE_OFFSET * np.exp(CORE_OFFSET_SCATTER * disturbance)
    emission = CLUMP_EMISSION * np.exp(CLUMP_EMISSION_SCATTER * disturbance)
    return DynamicalState(
        disturbance=float(disturbance),
        core_offset=-min(offset, MOST_CORE_OFFSET) * axis,
        clump_places=distance[:, None] * direction,
        clump_emissions=min(emission, MOST_CLUMP_EMISSION) * CLUMP_SHARES,
        stretch=along * stretch + (np.eye(2) - along) / stretch,
    )
