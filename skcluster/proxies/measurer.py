"""Scalar mass proxies measured from the photon and galaxy lists."""

import numpy as np
from sklearn.base import BaseEstimator, TransformerMixin

from ..cosmology import comoving_distance, get_cosmology, sky_to_plane
from ..exposure import exposure_range, reference_exposure, relative_exposure
from ..paper import (
    HALF_WIDTH,
    LOG_STELLAR_MASS_MIN,
    MEMBER_RADIUS_MAX,
    MEMBER_VELOCITY_MAX,
    WIDE_BAND,
)
from ..parameters import (
    Boolean,
    EnergyBand,
    Integer,
    Names,
    Positive,
    Quantity,
    ReadBy,
    check_parameters,
)
from ..sample import Ragged, require
from ..sample.lists import check_near_center, massive_enough
from ..sample.plain_arrays import LARGEST, as_numbers, find_column
from ..training_ranges import warn_outside

NEEDS = {
    "n_phot": ("photons", "center"),
    "n_phot_500c": ("photons", "center", "r500c"),
    "n_gal": ("galaxies",),
    "sigma_v": ("galaxies",),
}
OF_PHOTONS = {"n_phot", "n_phot_500c"}
"""Proxies that are proportional to the exposure."""


class ProxyMeasurer(TransformerMixin, BaseEstimator):
    """Measure ln S of scalar mass proxies (paper Table 2).

    =============== =============================================================
    ``n_phot``      photons in the `band` with projected radius R ≤ `half_width`
    ``n_phot_500c`` photons in the `band` with R ≤ `radius_factor` · R500c
    ``n_gal``       galaxies with R ≤ 1.25 Mpc/h, \\|v\\| ≤ 2000 km/s and enough stellar
                    mass that survive 3σ clipping in v
    ``sigma_v``     gapper velocity dispersion of those galaxies [km/s]
    =============== =============================================================

    Parameters
    ----------
    proxies : sequence of str, default=("n_phot", "n_phot_500c", "n_gal", "sigma_v")
        Proxies to measure, in the order of the columns.
    half_width : float, default=2.3
        Radius of the aperture of ``n_phot`` [comoving Mpc/h].
    radius_factor : float, default=1.0
        Radius of the aperture of ``n_phot_500c`` in units of R500c. The paper's text
        counts inside R500c, its released code inside 2 R500c.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving lengths.
    with_redshift : bool, default=False
        Append the redshift as a last column, for
        ``EvrardProxyRegressor(redshift_column=-1)``.
    band : (float, float), default=(0.5, 10.0)
        Energies ``low <= E < high`` of the photons to count [keV]. This is the band of
        `PhotonMapper`, so proxies and maps count the same photons.
    log_stellar_mass_min : float or None, default=9.5
        Lowest log10 of the stellar mass of a galaxy [Msun/h], the paper's cut. It applies
        where the galaxies have a column ``log_stellar_mass``; galaxies without a value
        (NaN) are left out. None counts galaxies of any mass.

    Attributes
    ----------
    exposure_ : float or None
        Median exposure of the clusters in `fit` [s], to which photon counts are scaled;
        None if they have no exposures.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``exposure`` of these clusters, if known. One far outside comes
        with a warning.

    Raises
    ------
    ValueError
        The clusters have exposures and those in `fit` have none, or the other way round.

    Notes
    -----
    Without exposures there is nothing to learn, and `transform` works without `fit`.

    If the sample comes from a simulation, ``n_phot_500c`` is counted inside the true
    R500c, which an observer does not know.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import ClusterSample, ProxyMeasurer
    >>> photons = {"ra": [10.0, 10.1, 11.0], "dec": [0.0] * 3, "energy": [1.0] * 3}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> measurer = ProxyMeasurer(proxies=["n_phot"], with_redshift=True)
    >>> np.exp(measurer.fit_transform(sample)[:, 0])
    array([2.])
    >>> measurer.get_feature_names_out()
    array(['n_phot', 'redshift'], dtype=object)
    """

    _parameter_kinds = {
        "proxies": Names(NEEDS),
        "half_width": Quantity("half_width"),
        "radius_factor": Quantity("radius_factor"),
        "cosmology": ReadBy(get_cosmology),
        "with_redshift": Boolean(),
        "band": EnergyBand(),
        "log_stellar_mass_min": Quantity("log_stellar_mass_min") | None,
    }

    def __init__(
        self,
        *,
        proxies=("n_phot", "n_phot_500c", "n_gal", "sigma_v"),
        half_width=HALF_WIDTH,
        radius_factor=1.0,
        cosmology="WMAP7",
        with_redshift=False,
        band=WIDE_BAND,
        log_stellar_mass_min=LOG_STELLAR_MASS_MIN,
    ):
        self.proxies = proxies
        self.half_width = half_width
        self.radius_factor = radius_factor
        self.cosmology = cosmology
        self.with_redshift = with_redshift
        self.band = band
        self.log_stellar_mass_min = log_stellar_mass_min

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        """Learn the reference exposure, if the sample has exposures."""
        parameters = self._checked_parameters(X)
        exposure = _exposure(X, parameters)
        self.exposure_ = reference_exposure(exposure)
        self.training_ranges_ = exposure_range(exposure)
        return self

    def transform(self, X):
        """Return natural logarithms of the proxies, ndarray of shape (n_clusters, k)."""
        parameters = self._checked_parameters(X)
        names = parameters.proxies
        values = {}
        if OF_PHOTONS & set(names):
            values |= self._photon_counts(X, parameters)
        if {"n_gal", "sigma_v"} & set(names):
            values |= _galaxy_proxies(X.galaxies, parameters)
        columns = [_log(values[name], name) for name in names]
        if parameters.with_redshift:
            columns.append(X.redshift)
        return np.column_stack(columns)

    def _photon_counts(self, X, parameters):
        """Return counts in the reference exposure, if exposures are known."""
        relative = relative_exposure(X.exposure, self)
        counts = _photon_counts(X, parameters)
        is_empty = np.min([*counts.values()], axis=0) == 0
        check_near_center(X, is_empty, by="ProxyMeasurer")
        if relative is None:
            return counts
        exposure = {"exposure": X.exposure}
        warn_outside(exposure, self.training_ranges_, by="ProxyMeasurer", names=X.name)
        return {name: count / relative for name, count in counts.items()}

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns."""
        names = [*self.proxies, *(["redshift"] if self.with_redshift else [])]
        return np.asarray(names, dtype=object)

    def _checked_parameters(self, X):
        parameters = check_parameters(self)
        needs = [field for name in parameters.proxies for field in NEEDS[name]]
        require(X, *dict.fromkeys(needs), by="ProxyMeasurer")
        return parameters


def gapper_dispersion(velocity):
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


def clip_velocities(velocity, *, n_sigma=3.0, max_iterations=5):
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


def _exposure(X, parameters):
    """Return the exposures that the proxies depend on, or None."""
    return X.exposure if OF_PHOTONS & set(parameters.proxies) else None


def _photon_counts(X, parameters):
    distance = comoving_distance(X.redshift, parameters.cosmology)
    apertures = {"n_phot": np.full(len(X), parameters.half_width)}
    if "n_phot_500c" in parameters.proxies:
        apertures["n_phot_500c"] = parameters.radius_factor * X.r500c
    low, high = parameters.band
    counts = {name: [] for name in apertures}
    for block in X.photons.blocks():
        photons = X.photons[block]
        in_band = (photons["energy"] >= low) & (photons["energy"] < high)
        radius = _projected_radius(photons, X.center[block], distance[block])
        for name, aperture in apertures.items():
            inside = radius <= np.repeat(aperture[block], photons.lengths)
            counts[name].append(photons.sum(inside & in_band))
    return {name: np.concatenate(parts) for name, parts in counts.items()}


def _projected_radius(photons, center, distance):
    x, y = sky_to_plane(
        photons["ra"], photons["dec"], *center.T, repeats=photons.lengths
    )
    return np.hypot(x, y) * np.repeat(distance, photons.lengths)


def _galaxy_proxies(galaxies, parameters):
    member = np.hypot(galaxies["x"], galaxies["y"]) <= MEMBER_RADIUS_MAX
    member &= np.abs(galaxies["v"]) <= MEMBER_VELOCITY_MAX
    least = parameters.log_stellar_mass_min
    if least is not None and find_column([*galaxies.columns], "log_stellar_mass"):
        member &= massive_enough(galaxies, least)
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


def _log(value, name):
    empty = np.flatnonzero(value <= 0)
    if len(empty):
        raise ValueError(
            f"{name} is 0 for {len(empty)} of {len(value)} clusters (first: cluster "
            f"{empty[0]}), so its logarithm is undefined. Drop these clusters, or leave "
            f"{name} out of proxies."
        )
    return np.log(value)
