"""Smooth galaxy lists to the network's input: a Gaussian kernel density in (y, x, v)."""

import hashlib
from itertools import pairwise

import numpy as np
from joblib import Parallel, delayed, effective_n_jobs
from sklearn.utils import check_random_state

from ..paper import HALF_WIDTH, VELOCITY_MAX
from ..parameters import (
    Choice,
    Integer,
    Interval,
    NJobs,
    Quantity,
    RandomState,
    check_parameters,
)
from ..printable import counted
from ..sample import ClusterSample, require
from ..sample.lists import massive_enough, require_stellar_masses
from ..sample.transformer import SampleTransformer
from .density import fill_cube

N_BINS_MAX = 1024
"""Largest number of cells per side; such a cube takes 4 GiB."""

GALAXIES_MIN = 4
"""Fewest galaxies whose covariance in three dimensions can be inverted."""

SPREAD_MIN = 1e-6
"""Smallest standard deviation of the galaxies along an axis [cells]."""

FLATNESS_MIN = 1e-9
"""Smallest eigenvalue of the galaxies' correlation matrix, which is 0 if they lie in a
plane. Below this, rounding of the covariance in float64 would show in the cube."""


class PhaseSpaceKDE(SampleTransformer):
    r"""Smooth each cluster's galaxies to a cube in (y, x, v) (paper section 2.2).

    Galaxies :math:`g_i = (y_i, x_i, v_i)` with :math:`R \le` `half_width` and
    :math:`|v| \le` `velocity_max` become

    .. math::

        f(c) \propto \sum_i \exp\left[
            -\tfrac{1}{2} (c - g_i)^T H^{-1} (c - g_i) \right], \quad H = b^2 C

    at the centers c of the cells, with b the bandwidth and C the covariance (with n - 1)
    of the cluster's galaxies; the cells of a cube add up to 1. It is the density of
    ``scipy.stats.gaussian_kde(galaxies, bandwidth)`` to within 1e-6 of its maximum.

    Parameters
    ----------
    n_bins : int, default=64
        Number of cells per side.
    bandwidth : float, default=0.15
        Width of the kernel, in standard deviations of the galaxies.
    half_width : float, default=2.3
        Largest projected radius R, and half the side in y and x [comoving Mpc/h].
    velocity_max : float, default=3785
        Largest line-of-sight speed, and half the side in v [km/s].
    log_stellar_mass_min : float or None, default=None
        Lowest log10 of the stellar mass [Msun/h], in the galaxies' column
        ``log_stellar_mass``; galaxies without a value (NaN) are left out. The paper
        uses 9.5. None takes all galaxies.
    sampling_fraction : float, default=1.0
        Fraction of each cluster's galaxies inside the cuts that is kept, drawn at
        random: ``round(sampling_fraction * n)`` of n. The galaxies of a smaller
        fraction are a subset of those of a larger one.
    random_state : int, RandomState instance or None, default=None
        Seed of the draw. With an int, a cluster's draw depends only on its own
        galaxies; with None, every call makes a new draw.
    on_few : {"zeros", "error"}, default="zeros"
        What to do with a cluster that has no kernel, because it has fewer than 4
        galaxies or they lie in a plane (the smallest eigenvalue of their correlation
        matrix is below 1e-9): leave its cube all zeros, or raise an error.
    n_jobs : int or None, default=None
        Number of threads. The cubes do not depend on it.

    Notes
    -----
    Adds ``cubes`` of shape (n, n_bins, n_bins, n_bins), float32, ``cube[y, x, v]``: rows
    to the North, columns to the West, as in the maps of `PhotonMapper`.

    If the kernel is much narrower than a cell, scipy's density is 0 in all cells. The
    cube then is 1 in the cell that is closest to a galaxy in units of the kernel (or
    shared by several that are equally close).

    A cube of 64³ cells takes a megabyte. `JointCNNRegressor` takes galaxies and calls
    `cubes_of` batch by batch, for surveys that do not fit into memory.

    References
    ----------
    Ho et al. (2023), section 2.2.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, PhaseSpaceKDE
    >>> rng = np.random.default_rng(0)
    >>> galaxies = {"x": rng.normal(1.0, 0.2, 50), "y": rng.normal(0.0, 0.2, 50),
    ...             "v": rng.normal(0.0, 500.0, 50)}
    >>> sample = ClusterSample([0.2], galaxies=[galaxies])
    >>> cube = PhaseSpaceKDE(n_bins=4).transform(sample).cubes[0]
    >>> cube.sum(axis=(0, 2)).round(2)  # along x: all to the West
    array([0., 0., 1., 0.], dtype=float32)
    """

    _parameter_kinds = {
        "n_bins": Integer(1, N_BINS_MAX),
        "bandwidth": Quantity("bandwidth"),
        "half_width": Quantity("half_width"),
        "velocity_max": Quantity("velocity_max"),
        "log_stellar_mass_min": Quantity("log_stellar_mass_min") | None,
        "sampling_fraction": Interval("(0, 1]"),
        "random_state": RandomState(),
        "on_few": Choice(["zeros", "error"]),
        "n_jobs": NJobs(),
    }

    def __init__(
        self,
        *,
        n_bins=64,
        bandwidth=0.15,
        half_width=HALF_WIDTH,
        velocity_max=VELOCITY_MAX,
        log_stellar_mass_min=None,
        sampling_fraction=1.0,
        random_state=None,
        on_few="zeros",
        n_jobs=None,
    ):
        self.n_bins = n_bins
        self.bandwidth = bandwidth
        self.half_width = half_width
        self.velocity_max = velocity_max
        self.log_stellar_mass_min = log_stellar_mass_min
        self.sampling_fraction = sampling_fraction
        self.random_state = random_state
        self.on_few = on_few
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Check the parameters and the sample; there is nothing to learn."""
        require(X, "galaxies", by="PhaseSpaceKDE")
        self._checked_parameters(X.galaxies)
        return self

    def transform(self, X) -> ClusterSample:
        """Return the sample with ``cubes``, and ``cube_extent`` for networks to check."""
        require(X, "galaxies", by="PhaseSpaceKDE")
        parameters = self._checked_parameters(X.galaxies)
        half_sides = parameters.half_width, parameters.velocity_max
        extent = np.tile(half_sides, (len(X), 1))
        return X.assign(cubes=self.cubes_of(X.galaxies), cube_extent=extent)

    def cubes_of(self, galaxies):
        """Make the cubes of galaxy lists, which `transform` adds to a sample.

        Parameters
        ----------
        galaxies : Ragged of n_clusters
            With ``x``, ``y`` [comoving Mpc/h] and ``v`` [km/s].

        Returns
        -------
        cubes : ndarray of float32 of shape (n_clusters, n_bins, n_bins, n_bins)
            A cluster's cube is the same to the last bit in any batch.
        """
        parameters = self._checked_parameters(galaxies)
        clusters, covariances = _in_cells(galaxies, parameters)
        able = [i for i, covariance in enumerate(covariances) if covariance is not None]
        if parameters.on_few == "error" and len(able) < len(galaxies):
            self._refuse_few([cluster.shape[1] for cluster in clusters], able)
        cubes = np.zeros((len(galaxies), *3 * [parameters.n_bins]), np.float32)

        def fill(rows):
            for i in rows:
                fill_cube(
                    cubes[i], clusters[i], parameters.bandwidth**2 * covariances[i]
                )

        n_threads = effective_n_jobs(parameters.n_jobs)
        if n_threads == 1:
            fill(able)
            return cubes
        # Processes would take longer to send the cubes back than to make them.
        parts = min(4 * n_threads, len(able))
        Parallel(n_jobs=n_threads, require="sharedmem")(
            delayed(fill)(able[part::parts]) for part in range(parts)
        )
        return cubes

    def has_kernel(self, galaxies):
        """Find which clusters have a cube that is not all zeros, without making it.

        Parameters
        ----------
        galaxies : Ragged of n_clusters

        Returns
        -------
        has_kernel : ndarray of bool of shape (n_clusters,)
        """
        parameters = self._checked_parameters(galaxies)
        _, covariances = _in_cells(galaxies, parameters)
        return np.array([covariance is not None for covariance in covariances])

    def _checked_parameters(self, galaxies):
        """Return the parameters, and check that the galaxies have what they need."""
        parameters = check_parameters(self)
        least = parameters.log_stellar_mass_min
        if least is not None:
            needed = f"log_stellar_mass_min={least!r}"
            require_stellar_masses(galaxies, needed, "give log_stellar_mass_min=None")
        return parameters

    def _refuse_few(self, n_members, able):
        few = np.setdiff1d(np.arange(len(n_members)), able)
        raise ValueError(
            f"{len(few)} of {len(n_members)} clusters have no kernel (first: cluster "
            f"{few[0]}, with {counted(n_members[few[0]], 'galaxy', 'galaxies')} after the "
            f"cuts): it takes {GALAXIES_MIN} galaxies that do not lie in a plane. Drop "
            "these clusters, or give on_few='zeros', which leaves their cubes empty."
        )


def _in_cells(galaxies, parameters):
    """Return each cluster's galaxies in cells, shape (3, n), and their covariances."""
    members = _members(galaxies, parameters)
    n_bins, half_width = parameters.n_bins, parameters.half_width
    half_sides = (half_width, half_width, parameters.velocity_max)
    cells = [
        members[name] * (n_bins / (2 * half_side)) + (n_bins - 1) / 2
        for name, half_side in zip("yxv", half_sides, strict=True)
    ]
    bounds = members.offsets[1:-1]
    clusters = np.split(np.array(cells, float).reshape(3, -1), bounds, axis=1)
    return clusters, [_covariance(cluster) for cluster in clusters]


def _members(galaxies, parameters):
    """Select the galaxies inside the cuts, and draw a fraction of them."""
    inside = np.hypot(galaxies["x"], galaxies["y"]) <= parameters.half_width
    inside &= np.abs(galaxies["v"]) <= parameters.velocity_max
    if parameters.log_stellar_mass_min is not None:
        inside &= massive_enough(galaxies, parameters.log_stellar_mass_min)
    members = galaxies.select(inside)
    if parameters.sampling_fraction == 1:
        return members
    seed = check_random_state(parameters.random_state).randint(2**31 - 1)
    return _draw(members, parameters.sampling_fraction, seed)


def _draw(galaxies, fraction, seed):
    """Draw a random fraction of each cluster's galaxies."""
    # A cluster has no number that stays with it when samples are sliced, shuffled or
    # joined, and names are optional. Its galaxies do stay with it, so they seed its
    # stream; sorted, so that not even their order matters.
    columns = np.array([galaxies[name] for name in "xyv"], "<f8") + 0.0
    kept = np.zeros(galaxies.offsets[-1], bool)
    for start, stop in pairwise(galaxies.offsets.tolist()):
        order = start + np.lexsort(columns[:, start:stop])
        key = hashlib.blake2b(columns[:, order].tobytes(), digest_size=16).digest()
        rng = np.random.default_rng([seed, int.from_bytes(key, "little")])
        n_kept = round(fraction * len(order))
        kept[rng.permutation(order)[:n_kept]] = True
    return galaxies.select(kept)


def _covariance(cells):
    """Covariance of galaxies of shape (3, n); None if it has no useful inverse."""
    n = cells.shape[1]
    if n < GALAXIES_MIN:
        return None
    offset = cells - cells.mean(axis=1, keepdims=True)
    covariance = offset @ offset.T / (n - 1)
    spread = np.sqrt(np.diag(covariance))
    if spread.min() < SPREAD_MIN:
        return None
    correlation = covariance / np.outer(spread, spread)
    return covariance if np.linalg.eigvalsh(correlation)[0] > FLATNESS_MIN else None
