"""Richness and velocity dispersion of a cluster's galaxies."""

import numpy as np

from ..paper import MEMBER_RADIUS_MAX, MEMBER_VELOCITY_MAX
from ..parameters import Integer, Positive
from ..sample import Ragged
from ..sample.lists import massive_enough, stellar_mass_column
from ..sample.plain_arrays import LARGEST, as_numbers


def gapper_dispersion(velocity) -> float:
    r"""Velocity dispersion from the gaps between sorted velocities.

    .. math::

        \sigma = \frac{\sqrt{\pi}}{n (n - 1)} \sum_{i=1}^{n-1} i (n - i) g_i

    where :math:`g_i` is the gap between the i-th and (i+1)-th velocity.

    Parameters
    ----------
    velocity : array-like of shape (n_galaxies,)
        Line-of-sight velocities [km/s]. At least two.

    Returns
    -------
    dispersion : float
        Velocity dispersion [km/s].

    References
    ----------
    Beers, Flynn & Gebhardt (1990), AJ 100, 32.

    Examples
    --------
    >>> float(round(gapper_dispersion([-100.0, 100.0]), 3))
    177.245
    """
    velocity = _checked_velocity(velocity)
    galaxies = Ragged({"v": velocity}, [0, len(velocity)])
    return float(_gapper_of_sorted(galaxies)[0])


def clip_velocities(velocity, *, n_sigma=3.0, max_iterations=5) -> np.ndarray:
    """Clip velocities far from the median, repeatedly, and sort those that remain.

    Parameters
    ----------
    velocity : array-like of shape (n_galaxies,)
        Line-of-sight velocities [km/s].
    n_sigma : float, default=3
        Largest distance from the median that is kept, in standard deviations.
    max_iterations : int, default=5
        Largest number of rounds of clipping.

    Returns
    -------
    clipped : ndarray of shape (n_kept,)
        The remaining velocities, in increasing order.

    Examples
    --------
    >>> clip_velocities([*range(-10, 11), 500.0]).max()
    np.float64(10.0)
    """
    n_sigma = Positive().check("n_sigma", n_sigma)
    max_iterations = Integer(0).check("max_iterations", max_iterations)
    velocity = _checked_velocity(velocity)
    galaxies = Ragged({"v": velocity}, [0, len(velocity)])
    return _clip_sorted(galaxies, n_sigma, max_iterations)["v"]


def _checked_velocity(velocity):
    velocity = np.sort(as_numbers(velocity, "Velocities", "v").ravel())
    if not (np.abs(velocity) < LARGEST).all():
        raise ValueError(
            f"Velocities must be finite, got NaN, infinity or more than {LARGEST:g} km/s."
        )
    return velocity


def has_mass_cut(galaxies, parameters):
    """Return whether stellar masses decide which galaxies count; None without a cut."""
    if parameters.log_stellar_mass_min is None:
        return None
    return stellar_mass_column(galaxies.columns) is not None


def check_mass_cut(galaxies, parameters, fitted):
    """Refuse galaxies with stellar masses after a fit without them, and the reverse.

    `fitted` is what `has_mass_cut` said in `fit`; None takes both.
    """
    now = has_mass_cut(galaxies, parameters)
    if None in (now, fitted) or now == fitted:
        return
    least = f"log10 of at least {parameters.log_stellar_mass_min:g}"
    if fitted:
        raise ValueError(
            f"ProxyMeasurer was fitted to galaxies with stellar masses ({least}), but "
            "these have no column log_stellar_mass, so galaxies of any mass would be "
            "counted. Give them that column, or fit to galaxies of any mass by "
            "ProxyMeasurer(log_stellar_mass_min=None)."
        )
    raise ValueError(
        "ProxyMeasurer was fitted to galaxies without a column log_stellar_mass, of any "
        f"mass, but these have one and would be cut ({least}). Fit it to galaxies with "
        "that column, or give ProxyMeasurer(log_stellar_mass_min=None)."
    )


def galaxy_proxies(galaxies, parameters):
    """Return the counts of members and, if asked for, their velocity dispersions."""
    member = np.hypot(galaxies["x"], galaxies["y"]) <= MEMBER_RADIUS_MAX
    member &= np.abs(galaxies["v"]) <= MEMBER_VELOCITY_MAX
    if has_mass_cut(galaxies, parameters):
        member &= massive_enough(galaxies, parameters.log_stellar_mass_min)
    members = galaxies.select(member)
    order = np.lexsort((members["v"], members.cluster))
    members = Ragged({"v": members["v"][order].astype(float)}, members.offsets)
    members = _clip_sorted(members)
    values = {"n_gal": members.lengths}
    if "sigma_v" in parameters.proxies:
        values["sigma_v"] = _gapper_of_sorted(members)
    return values


def _clip_sorted(galaxies, n_sigma=3.0, max_iterations=5):
    for _ in range(max_iterations):
        v, n = galaxies["v"], galaxies.lengths
        mean = galaxies.sum(v) / np.maximum(n, 1)
        squares = galaxies.sum((v - np.repeat(mean, n)) ** 2)
        deviation = np.sqrt(squares / np.maximum(n, 1))
        distance = np.abs(v - np.repeat(_median_of_sorted(galaxies), n))
        kept = distance <= np.repeat(n_sigma * deviation, n)
        if kept.all():
            break
        galaxies = galaxies.select(kept)
    return galaxies


def _median_of_sorted(galaxies):
    n, start = galaxies.lengths, galaxies.offsets[:-1]
    v = np.append(galaxies["v"], np.nan)
    below = np.where(n > 0, start + (n - 1) // 2, -1)
    above = np.where(n > 0, start + n // 2, -1)
    return (v[below] + v[above]) / 2


def _gapper_of_sorted(galaxies):
    n = galaxies.lengths
    few = np.flatnonzero(n < 2)
    if len(few):
        raise ValueError(
            f"The gapper needs at least 2 velocities, got {n[few[0]]} (in {len(few)} of "
            f"{len(n)} clusters, first: cluster {few[0]}). Drop these clusters, or "
            "leave sigma_v out of proxies."
        )
    v = galaxies["v"]
    i = np.arange(1, len(v) + 1) - np.repeat(galaxies.offsets[:-1], n)
    # The gap after a cluster's last galaxy leads to another cluster; its i (n - i) is 0.
    gap = np.diff(v, append=0.0)
    total = galaxies.sum(i * (np.repeat(n, n) - i) * gap)
    return np.sqrt(np.pi) / (n * (n - 1)) * total
