"""`GalaxyFeaturizer`: the step that describes each galaxy of a cluster's list."""

from functools import cached_property

import numpy as np
from scipy.spatial import KDTree
from scipy.special import digamma

from .paper import HALF_WIDTH, VELOCITY_MAX
from .parameters import Names, Quantity, check_parameters
from .sample import ClusterSample, require
from .sample.described_columns import GALAXY_FEATURES, SOFTENING
from .sample.lists import massive_enough, require_stellar_masses, stellar_mass_column
from .sample.transformer import SampleTransformer

SPEED = 1000.0
"""Unit of speeds [km/s]."""

N_NEAR = 6
"""Neighbors that tell a group of galaxies from the cluster about it."""

LOG_MASS = "log_stellar_mass_10"


class GalaxyFeaturizer(SampleTransformer):
    r"""Describe each galaxy by its place, its velocity, its neighbors and its mass.

    Galaxies beyond the cuts of `PhaseSpaceKDE`, :math:`R \le` `half_width` and
    :math:`|v| \le` `velocity_max`, are removed first. The columns that the others get are

    ``log_radius``
        :math:`\log_{10} (R + \epsilon)`, with :math:`R^2 = x^2 + y^2` in comoving Mpc/h
        and :math:`\epsilon = 0.01` Mpc/h
    ``speed``
        :math:`|v|`, in units of 1000 km/s
    ``neighbor_speed``
        :math:`\sqrt{\langle (v_j - v)^2 \rangle}` over the 6 nearest neighbors j on the
        sky, in units of 1000 km/s
    ``log_density_6``
        :math:`\log_{10} \rho`, in galaxies per (Mpc/h)², where

        .. math::

            \rho = \frac{e^{\psi(6)}}{\pi (d^2 + \epsilon^2)}

        is the surface density from the distance d of the 6th nearest neighbor, with
        :math:`\psi` the digamma function
    ``log_stellar_mass_10``
        :math:`\log_{10} (M_\star / 10^{10} \, M_\odot / h)`, from the galaxies' column
        ``log_stellar_mass``

    Parameters
    ----------
    features : sequence of str or None, default=None
        Names of the columns to add. None adds all five, or the first four to galaxies
        without a column ``log_stellar_mass``.
    half_width : float, default=2.3
        Largest projected radius [comoving Mpc/h].
    velocity_max : float, default=3785
        Largest line-of-sight speed [km/s].
    log_stellar_mass_min : float or None, default=None
        Lowest log10 of the stellar mass [Msun/h]; galaxies without a value (NaN) are left
        out. The paper uses 9.5. None takes all galaxies.

    Notes
    -----
    All columns are float32; those that galaxies already have are kept. A column depends
    only on the galaxies of its cluster, and not on their order. The sign of the velocity
    is left out, because a cluster seen from behind has the same mass.

    Among fewer than 7 galaxies, all others are the neighbors. A galaxy without any has
    the density of one galaxy per aperture, and a neighbor speed of 0.

    Examples
    --------
    >>> from skcluster import ClusterSample, GalaxyFeaturizer
    >>> galaxies = {"x": [0.0, 0.09, 1.0], "y": [0.0, 0.0, 3.0],
    ...             "v": [0.0, -500.0, 200.0]}
    >>> sample = ClusterSample([0.2], galaxies=[galaxies])
    >>> featurizer = GalaxyFeaturizer(features=["log_radius", "speed"])
    >>> described = featurizer.transform(sample).galaxies
    >>> list(described.columns)
    ['x', 'y', 'v', 'log_radius', 'speed']
    >>> described["speed"]
    array([0. , 0.5], dtype=float32)
    """

    _parameter_kinds = {
        "features": Names(GALAXY_FEATURES) | None,
        "half_width": Quantity("half_width"),
        "velocity_max": Quantity("velocity_max"),
        "log_stellar_mass_min": Quantity("log_stellar_mass_min") | None,
    }

    def __init__(
        self,
        *,
        features=None,
        half_width=HALF_WIDTH,
        velocity_max=VELOCITY_MAX,
        log_stellar_mass_min=None,
    ):
        self.features = features
        self.half_width = half_width
        self.velocity_max = velocity_max
        self.log_stellar_mass_min = log_stellar_mass_min

    def fit(self, X, y=None):
        """Check the parameters and the sample; there is nothing to learn."""
        require(X, "galaxies", by="GalaxyFeaturizer")
        check_parameters(self)
        return self

    def transform(self, X) -> ClusterSample:
        """Return the sample with the galaxies inside the cuts, described."""
        require(X, "galaxies", by="GalaxyFeaturizer")
        parameters = check_parameters(self)
        n_known = None if stellar_mass_column(X.galaxies.columns) else -1
        names = parameters.features or tuple(GALAXY_FEATURES)[:n_known]
        galaxies = X.galaxies.select(_is_kept(X.galaxies, names, parameters))
        described = {name: np.zeros(galaxies.offsets[-1], np.float32) for name in names}
        for i in np.flatnonzero(galaxies.lengths):
            rows = slice(*galaxies.offsets[i : i + 2])
            field = GalaxyField(galaxies.table(i), parameters.half_width)
            for name, column in described.items():
                column[rows] = getattr(field, name)()
        return X.assign(galaxies=galaxies.assign(**described))


class GalaxyField:
    """Galaxies of one cluster inside the cuts: a method per name of the table.

    Parameters
    ----------
    table : dict of str to ndarray of shape (n_galaxies,)
        With ``x``, ``y`` [comoving Mpc/h] and ``v`` [km/s]; at least one galaxy.
    half_width : float
        Radius of the aperture [comoving Mpc/h].
    """

    def __init__(self, table, half_width):
        self.table, self.half_width = table, half_width

    def log_radius(self):
        return np.log10(np.hypot(self.table["x"], self.table["y"]) + SOFTENING)

    def speed(self):
        return np.abs(self.table["v"]) / SPEED

    def neighbor_speed(self):
        _, neighbors = self._neighbors
        if neighbors.shape[1] == 0:
            return np.zeros(1)
        v = self.table["v"]
        return np.sqrt(np.mean((v[neighbors] - v[:, None]) ** 2, axis=1)) / SPEED

    def log_density_6(self):
        distance, _ = self._neighbors
        k = distance.shape[1]
        if k == 0:
            return np.full(1, -np.log10(np.pi * self.half_width**2))
        area = np.pi * (distance[:, -1] ** 2 + SOFTENING**2)
        return (digamma(k) - np.log(area)) / np.log(10)

    def log_stellar_mass_10(self):
        return self.table[stellar_mass_column(self.table)] - 10.0

    @cached_property
    def _neighbors(self):
        """Distances and row numbers of the neighbors of each galaxy, nearest first."""
        x, y, v = (self.table[name] for name in "xyv")
        # Sorted, because neighbors at one distance are found in the order of the rows.
        order = np.lexsort((v, y, x))
        points = np.column_stack([x, y])[order]
        k = min(N_NEAR, len(points) - 1)
        found = KDTree(points).query(points, k=[*range(1, k + 2)])
        distance, neighbors = np.empty((len(x), k)), np.empty((len(x), k), int)
        distance[order], neighbors[order] = _without_self(*found)
        return distance, order[neighbors]


def _without_self(distance, row):
    """Leave out each point itself from it and its nearest neighbors."""
    is_self = row == np.arange(len(row))[:, None]
    # Many points at one place may hide the point itself.
    is_self[~is_self.any(axis=1), -1] = True
    shape = len(row), row.shape[1] - 1
    return distance[~is_self].reshape(shape), row[~is_self].reshape(shape)


def _is_kept(galaxies, names, parameters):
    """Return a mask of the galaxies inside the cuts, with masses if these are needed."""
    kept = np.hypot(galaxies["x"], galaxies["y"]) <= parameters.half_width
    kept &= np.abs(galaxies["v"]) <= parameters.velocity_max
    least = parameters.log_stellar_mass_min
    if least is None and LOG_MASS not in names:
        return kept
    needed = LOG_MASS if least is None else f"log_stellar_mass_min={least!r}"
    otherwise = f"leave {LOG_MASS} out of features and give log_stellar_mass_min=None"
    require_stellar_masses(galaxies, needed, otherwise)
    has_mass = massive_enough(galaxies, -np.inf if least is None else least)
    if least is None and not has_mass[kept].all():
        raise ValueError(
            f"{(kept & ~has_mass).sum()} of {len(kept)} galaxies have no "
            "log_stellar_mass (NaN). Give log_stellar_mass_min, which leaves them out, or "
            f"features without {LOG_MASS}."
        )
    return kept & has_mass
