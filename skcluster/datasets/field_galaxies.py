"""The galaxies of a field: members, infalling galaxies and the Hubble flow.

Lengths are comoving Mpc/h: West, North, away from us. Velocities are km/s along the
line of sight, relative to the cluster.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..paper import HALF_WIDTH, LOG_STELLAR_MASS_MIN, VELOCITY_MAX
from .instrument import polar
from .population import PECULIAR_VELOCITY, R200_PER_R500, hubble_flow, random_directions

APERTURE = HALF_WIDTH
"""Projected radius within which galaxies are listed [Mpc/h]."""

CENTRAL_STELLAR_SHARE = 0.3
CONCENTRATION = 3.5  # of R200c
MEMBERS_AT_1E14, MEMBERS_SLOPE, MEMBERS_SCATTER = 55.0, 0.84, 0.22
INFALL_AT_1E14, INFALL_SLOPE, INFALL_SCATTER = 31.0, 0.50, 0.65
FIELD_DENSITY = 0.021  # galaxies per (Mpc/h)³
FIELD_RADIUS = 1.25 * APERTURE
MEMBER_RADIUS = 1.3  # of R200c
TURNAROUND_RADIUS = 4.5  # of R200c


@dataclass(frozen=True)
class Galaxies:
    """Positions (n, 3) and velocities (n,) of galaxies, and which belong to the cluster."""

    position: np.ndarray
    velocity: np.ndarray
    is_member: np.ndarray

    @classmethod
    def concatenate(cls, parts):
        """Join lists of galaxies in the order given."""
        parts = list(parts)
        return cls(
            np.concatenate([part.position for part in parts]),
            np.concatenate([part.velocity for part in parts]),
            np.concatenate([part.is_member for part in parts]),
        )

    def __len__(self):
        return len(self.velocity)

    def __getitem__(self, rows):
        return Galaxies(self.position[rows], self.velocity[rows], self.is_member[rows])

    def in_cylinder(self):
        """Return the galaxies that the lists keep: near on the sky and in velocity."""
        near = np.hypot(*self.position[:, :2].T) <= APERTURE
        return self[near & (np.abs(self.velocity) <= VELOCITY_MAX)]

    def dispersion_in_sphere(self):
        """Standard deviation of the velocities within `APERTURE`; NaN for fewer than 2."""
        inside = np.linalg.norm(self.position, axis=1) < APERTURE
        velocity = self.velocity[inside]
        return float(velocity.std(ddof=1)) if len(velocity) > 1 else np.nan


def draw_galaxies(haloes, response, rng):
    """Draw the galaxies of a field: the central one, members, environment, other haloes.

    Parameters
    ----------
    haloes : list of Halo
        Halo of the cluster, then those of its neighbors.
    response : Response
    rng : numpy.random.Generator
    """
    central = Galaxies(np.zeros((1, 3)), np.zeros(1), np.ones(1, bool))
    host, *others = haloes
    parts = [central, draw_members(host, response, rng)]
    parts.append(draw_environment(host.mass, response, rng))
    parts.extend(draw_members(halo, response, rng) for halo in others)
    return Galaxies.concatenate(parts)


def draw_members(halo, response, rng):
    """Draw the galaxies bound to a halo: NFW to 1.3 R200c, with Gaussian velocities.

    From the center outwards their dispersion falls from 1.10 to 0.85 of the halo's.
    """
    mean = MEMBERS_AT_1E14 * (halo.mass / 1e14) ** MEMBERS_SLOPE
    n = rng.poisson(mean * np.exp(MEMBERS_SCATTER * halo.richness))
    share, enclosed = _nfw()
    depth = np.interp(rng.random(n), enclosed, share)
    limit = MEMBER_RADIUS * R200_PER_R500 * response.r500c(halo.mass)
    position = limit * depth[:, None] * random_directions(n, rng) + halo.position
    dispersion = halo.dispersion * (1.10 - 0.25 * depth)
    velocity = halo.velocity + dispersion * rng.standard_normal(n)
    return Galaxies(position, velocity, np.full(n, halo.is_bound))


def draw_environment(mass, response, rng):
    """Draw infalling galaxies, clustered as r^-1.8, and a uniform field.

    They follow the Hubble flow, slowed down and reversed inside 4.5 R200c.
    """
    edge = VELOCITY_MAX / hubble_flow(1.0, response)
    r200c = R200_PER_R500 * response.r500c(mass)
    clustered = _draw_infalling(mass, rng)
    field = _draw_field(edge, rng)
    position = np.concatenate([clustered, field])
    r = np.linalg.norm(position, axis=1)
    turned = np.minimum((TURNAROUND_RADIUS * r200c / r) ** 1.5, 11.0)
    velocity = hubble_flow(position[:, 2], response) * (1 - turned)
    velocity += PECULIAR_VELOCITY * rng.standard_normal(len(velocity))
    outside = (r > MEMBER_RADIUS * r200c) & (np.abs(position[:, 2]) < 1.1 * edge)
    nobody = np.zeros(len(r), bool)
    return Galaxies(position, velocity, nobody)[outside]


def _draw_infalling(mass, rng):
    mean = INFALL_AT_1E14 * (mass / 1e14) ** INFALL_SLOPE
    n = rng.poisson(mean * np.exp(INFALL_SCATTER * rng.standard_normal()))
    radius, depth, turn = rng.random((3, n))
    radius = FIELD_RADIUS * radius ** (1 / 1.2)
    ratio, share = _sight_line()
    distance = radius * np.interp(depth, share, ratio)
    return np.column_stack([polar(radius, turn), distance])


def _draw_field(edge, rng):
    volume = np.pi * FIELD_RADIUS**2 * 2 * edge
    radius, depth, turn = rng.random((3, rng.poisson(FIELD_DENSITY * volume)))
    plane = polar(FIELD_RADIUS * np.sqrt(radius), turn)
    return np.column_stack([plane, edge * (2 * depth - 1)])


def galaxy_table(galaxies, stellar_mass, rng):
    """Return the columns of the observed list, with the central galaxy first.

    Parameters
    ----------
    galaxies : Galaxies
    stellar_mass : float
        Stellar mass of the cluster [Msun/h]; its central galaxy has 0.3 of it.
    """
    log_mass, share = _schechter()
    log_stellar_mass = np.interp(rng.random(len(galaxies)), share, log_mass)
    log_stellar_mass[0] = np.log10(CENTRAL_STELLAR_SHARE * stellar_mass)
    return {
        "x": galaxies.position[:, 0],
        "y": galaxies.position[:, 1],
        "v": galaxies.velocity,
        "log_stellar_mass": log_stellar_mass,
        "is_member": galaxies.is_member,
    }


@cache
def _nfw():
    """Return radii in units of the outermost, and the fraction of an NFW halo within."""
    share = np.linspace(0, 1, 200)
    y = CONCENTRATION * MEMBER_RADIUS * share
    enclosed = np.log1p(y) - y / (1 + y)
    return share, enclosed / enclosed[-1]


@cache
def _sight_line():
    """Return depth over projected radius, and the share of pairs below, for ξ ∝ r^-1.8."""
    ratio = np.sinh(np.linspace(-7, 7, 401))
    share = np.cumsum(np.gradient(ratio) * (1 + ratio**2) ** -0.9)
    return ratio, share / share[-1]


@cache
def _schechter():
    """Return log10 M* [Msun/h] and the fraction below, for slope -1.1 and knee 10^10.8."""
    log_mass = np.linspace(LOG_STELLAR_MASS_MIN, 12.0, 251)
    x = log_mass - 10.8
    share = np.cumsum(10 ** (-0.1 * x) * np.exp(-(10**x)))
    return log_mass, share / share[-1]
