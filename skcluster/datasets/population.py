"""The population of clusters: masses, redshifts, intrinsic properties, neighbors.

Masses are M500c in Msun/h, lengths comoving Mpc/h, velocities km/s.
"""

from dataclasses import dataclass
from functools import cache

import numpy as np

from ..paper import BOX_SIZE
from .spectra import response

SNAPSHOTS = np.array(
    [
        0.06634,
        0.10114,
        0.13708,
        0.17419,
        0.21252,
        0.25209,
        0.29295,
        0.33515,
        0.37873,
        0.42373,
        0.47019,
    ]
)
"""Redshifts of the simulation's outputs."""

LOG_MASS = np.linspace(13.5, 15.2, 341)
CLUSTERS_PER_DEX = (340.0, 268.0)  # at most, per snapshot: below and above the break
BREAK_REDSHIFT = 0.31
MAX_DECLINATION = 45.0

R200_PER_R500, M200_PER_M500 = 1.54, 1.45

LATENTS = (
    "temperature",
    "gas_mass",
    "stellar_mass",
    "dispersion",
    "core",
    "shape",
    "richness",
)
CORRELATIONS = {
    ("temperature", "gas_mass"): -0.46,
    ("temperature", "stellar_mass"): 0.33,
    ("temperature", "dispersion"): 0.01,
    ("gas_mass", "stellar_mass"): -0.52,
    ("gas_mass", "dispersion"): 0.19,
    ("stellar_mass", "dispersion"): -0.09,
    ("core", "shape"): -0.30,
    ("richness", "gas_mass"): 0.30,
    ("richness", "dispersion"): 0.35,
}

TEMPERATURE_AT_1E14, TEMPERATURE_SLOPE = 2.40, 0.62  # keV
GAS_FRACTION, GAS_SLOPE = 0.0753, 1.22
STAR_FRACTION, STAR_SLOPE = 0.030, 0.88
# Scatters in the mass that each property implies, the last in ln of the dispersion.
SCATTER = {
    "temperature": 0.1175 * TEMPERATURE_SLOPE,
    "gas_mass": 0.0846 * GAS_SLOPE,
    "stellar_mass": 0.1256 * STAR_SLOPE,
    "dispersion": 0.06,
}

DEPTH = 3.52
"""Half the depth of the simulated field along the line of sight [Mpc/h]."""
PECULIAR_VELOCITY = 250.0

MEAN_SUBHALOES, SUBHALO_MASS_RATIO = 1.0, (0.03, 0.5)
MEAN_NEIGHBORS, NEIGHBOR_MASS = 0.8, (3e12, 3e14)
NEIGHBOR_RADIUS = 3.25
STRIPPED_EMISSION = 0.5


@dataclass(frozen=True)
class Halo:
    """One halo of the field: the cluster itself, a subhalo of it, or a neighbor.

    Parameters
    ----------
    mass, gas_mass : float
        Total mass and gas mass within R500c [Msun/h].
    temperature : float
        Temperature of the gas, as kT [keV].
    shape, core, clumping, richness : float
        Residuals, in standard deviations: of the core radius of the gas, of the emission
        of its dense core, of its emission in unseen clumps, and of the galaxy count.
    axes : ndarray of shape (3, 2)
        Axes of the ellipsoid, projected onto (West, North).
    dispersion : float
        Velocity dispersion of its galaxies [km/s].
    position : ndarray of shape (3,)
        Position relative to the cluster's center: West, North, away from us [Mpc/h].
    velocity : float
        Line-of-sight velocity relative to the cluster [km/s].
    is_bound : bool
        Whether it belongs to the cluster.
    emission_left : float
        Share of the gas emission that stripping has left.
    """

    mass: float
    gas_mass: float
    temperature: float
    shape: float
    core: float
    clumping: float
    axes: np.ndarray
    dispersion: float
    richness: float = 0.0
    position: np.ndarray | tuple = (0.0, 0.0, 0.0)
    velocity: float = 0.0
    is_bound: bool = True
    emission_left: float = 1.0


@dataclass(frozen=True)
class Cluster:
    """The cluster at the center of a field."""

    redshift: float
    log_mass: float
    stellar_mass: float
    halo: Halo


def log_mass_function(log_mass, redshift):
    """Return log10 of the number of clusters per dex of mass in the box.

    A fit to Tinker et al. (2008) for 500c, good to 0.1 dex up to log M = 15.3.
    """
    x = log_mass - 14
    today = 3.139 - 1.602 * x - 0.3815 * x**2 - 0.2446 * x**3 - 0.2911 * x**4
    return today - redshift * (0.5702 + 0.7518 * x + 0.860 * x**2)


@cache
def _abundance():
    """Return cumulative fractions of the snapshots, and of `LOG_MASS` in each snapshot.

    The distribution is flat in log M as far as the box holds such clusters.
    """
    redshift = SNAPSHOTS[:, None]
    cap = np.where(redshift > BREAK_REDSHIFT, *CLUSTERS_PER_DEX[::-1])
    density = np.minimum(cap, 10 ** log_mass_function(LOG_MASS, redshift))
    by_mass = np.cumsum(density, axis=1)
    by_snapshot = np.cumsum(by_mass[:, -1])
    return by_snapshot / by_snapshot[-1], by_mass / by_mass[:, -1:]


def correlation_matrix(names):
    """Correlation matrix of residuals: `CORRELATIONS` as a symmetric matrix."""
    correlation = np.eye(len(names))
    for (a, b), value in CORRELATIONS.items():
        i, j = names.index(a), names.index(b)
        correlation[i, j] = correlation[j, i] = value
    return correlation


@cache
def _latent_factor():
    """Cholesky factor of the correlation matrix of `LATENTS`."""
    return np.linalg.cholesky(correlation_matrix(LATENTS))


def mean_temperature(mass, efunc):
    """Mean kT [keV]: Vikhlinin et al. (2009) with the slope of the paper's simulation."""
    return TEMPERATURE_AT_1E14 * (mass / 1e14 * efunc) ** TEMPERATURE_SLOPE


def mean_gas_mass(mass):
    """Mean gas mass within R500c [Msun/h]."""
    return GAS_FRACTION * mass * (mass / 1e14) ** (GAS_SLOPE - 1)


def mean_stellar_mass(mass):
    """Mean stellar mass within R500c [Msun/h]."""
    return STAR_FRACTION * mass * (mass / 1e14) ** (STAR_SLOPE - 1)


def mean_dispersion(mass, efunc):
    """Mean velocity dispersion of the galaxies [km/s], Evrard et al. (2008)."""
    return 1082.9 * (efunc * M200_PER_M500 * mass / 1e15) ** 0.3361


def draw_cluster(rng):
    """Draw a cluster of the population, with correlated residuals of its properties.

    Examples
    --------
    >>> cluster = draw_cluster(np.random.default_rng(0))
    >>> bool(cluster.redshift in SNAPSHOTS), bool(13.5 <= cluster.log_mass <= 15.2)
    (True, True)
    """
    by_snapshot, by_mass = _abundance()
    snapshot = np.searchsorted(by_snapshot, rng.random())
    log_mass = float(np.interp(rng.random(), by_mass[snapshot], LOG_MASS))
    latent = dict(
        zip(LATENTS, _latent_factor() @ rng.standard_normal(len(LATENTS)), strict=True)
    )
    factor = {name: np.exp(SCATTER[name] * latent[name]) for name in SCATTER}
    redshift, mass = float(SNAPSHOTS[snapshot]), 10**log_mass
    efunc = response(redshift).efunc
    halo = Halo(
        mass=mass,
        gas_mass=mean_gas_mass(mass) * factor["gas_mass"],
        temperature=mean_temperature(mass, efunc) * factor["temperature"],
        shape=latent["shape"],
        core=latent["core"],
        clumping=rng.standard_normal(),
        axes=random_axes(rng),
        dispersion=mean_dispersion(mass, efunc) * factor["dispersion"],
        richness=latent["richness"],
    )
    stellar_mass = mean_stellar_mass(mass) * factor["stellar_mass"]
    return Cluster(redshift, log_mass, stellar_mass, halo)


def draw_place(rng):
    """Draw the position of a cluster: (RA, Dec) [deg], and in the box [Mpc/h]."""
    ra, height, *position = rng.random(5)
    sine = np.sin(np.radians(MAX_DECLINATION)) * (2 * height - 1)
    center = 360 * ra, np.degrees(np.arcsin(sine))
    return center, BOX_SIZE * np.array(position)


def draw_neighbors(cluster, rng):
    """Draw infalling subhaloes of the cluster, and haloes near it on the sky.

    Subhaloes have mass ratios :math:`dN/d\\mu \\propto \\mu^{-1.9}` and half their gas;
    neighbors :math:`dN/dM \\propto M^{-1.9}` and the Hubble flow.
    """
    n_subhaloes, n_neighbors = rng.poisson((MEAN_SUBHALOES, MEAN_NEIGHBORS))
    return [_draw_subhalo(cluster, rng) for _ in range(n_subhaloes)] + [
        _draw_neighbor(cluster, rng) for _ in range(n_neighbors)
    ]


def _draw_subhalo(cluster, rng):
    at = response(cluster.redshift)
    ratio, radius = rng.random(2)
    return _draw_halo(
        _steep_power_law(ratio, *SUBHALO_MASS_RATIO) * cluster.halo.mass,
        at,
        rng,
        position=at.r500c(cluster.halo.mass)
        * (0.3 + 1.7 * radius)
        * random_directions(1, rng)[0],
        velocity=1.2 * cluster.halo.dispersion * rng.standard_normal(),
        emission_left=STRIPPED_EMISSION,
    )


def _draw_neighbor(cluster, rng):
    at = response(cluster.redshift)
    mass, area, depth, turn = rng.random(4)
    radius, angle = NEIGHBOR_RADIUS * np.sqrt(area), 2 * np.pi * turn
    position = np.array(
        [radius * np.cos(angle), radius * np.sin(angle), DEPTH * (2 * depth - 1)]
    )
    # Two haloes do not overlap: move a close one out along its direction.
    clear = 1.6 * at.r500c(cluster.halo.mass) + 0.3
    position *= max(1.0, clear / np.linalg.norm(position))
    peculiar = PECULIAR_VELOCITY * rng.standard_normal()
    return _draw_halo(
        _steep_power_law(mass, *NEIGHBOR_MASS),
        at,
        rng,
        position=position,
        velocity=hubble_flow(position[2], at) + peculiar,
        is_bound=False,
    )


def _draw_halo(mass, at, rng, **place):
    shape, core, clumping, gas = rng.standard_normal(4)
    return Halo(
        mass=mass,
        gas_mass=mean_gas_mass(mass) * np.exp(0.1 * gas),
        temperature=mean_temperature(mass, at.efunc),
        shape=shape,
        core=core,
        clumping=clumping,
        axes=random_axes(rng),
        dispersion=mean_dispersion(mass, at.efunc),
        **place,
    )


def hubble_flow(distance, at):
    """Recession velocity [km/s] of a distance [comoving Mpc/h] along the line of sight."""
    return distance * 100 * at.efunc / (1 + at.redshift)


def _steep_power_law(uniform, low, high):
    """Convert uniform numbers to a density x^-1.9 between `low` and `high`."""
    return low * (1 - uniform * (1 - (high / low) ** -0.9)) ** (-1 / 0.9)


def random_axes(rng):
    """Draw axes of 1 : 0.85 : 0.74 with scatter, rotated at random and projected."""
    length = rng.normal((1.0, 0.85, 0.74), (0.0, 0.07, 0.09))
    length = np.clip(length, (1.0, 0.55, 0.45), 1.0)
    rotation = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    return (length / np.cbrt(length.prod()))[:, None] * rotation[:, :2]


def random_directions(n, rng):
    """Draw n unit vectors, evenly over the sphere."""
    vector = rng.standard_normal((n, 3))
    return vector / np.linalg.norm(vector, axis=1, keepdims=True)
