"""Scalar mass proxies measured from the photon and galaxy lists."""

import warnings

import numpy as np
from sklearn.base import TransformerMixin

from ..cosmology import get_cosmology
from ..exposure import exposure_range, reference_exposure, relative_exposure
from ..paper import HALF_WIDTH, LOG_STELLAR_MASS_MIN, WIDE_BAND
from ..parameters import (
    Boolean,
    Choice,
    Edges,
    EnergyBand,
    Interval,
    Names,
    NonNegative,
    Quantity,
    ReadBy,
    check_parameters,
)
from ..printable import cluster_label
from ..sample import require
from ..sample.lists import check_near_center
from ..sample.transformer import WorksUnfitted
from ..training_ranges import (
    common_redshift,
    redshift_column,
    warn_outside,
)
from .galaxy_proxies import check_mass_cut, galaxy_proxies, has_mass_cut
from .photon_counts import count_photons

NEEDS = {
    "n_phot": ("photons", "center"),
    "n_phot_500c": ("photons", "center"),
    "count_rate": ("photons", "center", "exposure"),
    "n_gal": ("galaxies",),
    "sigma_v": ("galaxies",),
}
APERTURES = {
    "n_phot": "n_phot",
    "n_phot_500c": "n_phot_500c",
    "count_rate": "n_phot_500c",
}
"""Proxies that count photons, and the aperture that each counts in."""

GALAXY_PROXIES = {"n_gal", "sigma_v"}


class ProxyMeasurer(TransformerMixin, WorksUnfitted):
    """Measure ln S of scalar mass proxies (paper Table 2).

    =============== =============================================================
    ``n_phot``      photons in the `band` with projected radius R ≤ `half_width`
    ``n_phot_500c`` photons in the `band` with R ≤ `radius_factor` · R500c
    ``count_rate``  the same, per second of the cluster's own exposure [1/s]
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
        Radius of the aperture of ``n_phot_500c`` and ``count_rate`` in units of R500c. The
        paper's text counts inside R500c, its released code inside 2 R500c.
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
    background : {"annulus"}, float or None, default=None
        Background to subtract from photon counts: the density of photons in an annulus
        about each cluster; or a known rate in the `band` [counts / s / arcmin²], which
        needs exposures. Both are scaled to the area and the exposure of the aperture, as
        photons of the sky are (see `particle_share`). None subtracts nothing. An annulus
        without photons comes with a warning: the list may end before it.
    background_annulus : (float, float), default=(2.3, 3.0)
        Inner and outer radius of the annulus [comoving Mpc/h].
    r500c : "true" or float, default="true"
        "true" takes the R500c that the sample holds: of simulated clusters usually the
        true one, which no observer knows; `IteratedRadiusRegressor` puts there what the
        mass implies. A number is the same radius for all clusters [comoving Mpc/h], as in
        `MorphologyMeasurer`.
    particle_share : float or None, default=None
        Share of particles in the background at the center of a cluster, in the `band`. They
        follow the sample's unvignetted exposure map (see `with_exposure_map`), which this
        needs, the rest of the background the vignetted one. None: the sample has no
        unvignetted map, and all of the background is scaled as photons of the sky are.

    Attributes
    ----------
    exposure_ : float or None
        Median exposure of the clusters in `fit` [s], to which photon counts are scaled;
        None if they have no exposures.
    training_ranges_ : dict of str to tuple of 2 float
        Lowest and highest ``exposure`` of these clusters, if known. One far outside comes
        with a warning.
    redshift_ : float or None
        Redshift of the clusters in `fit`, if their redshifts hardly vary (their standard
        deviation is below 0.001). The redshift column then holds it for all clusters: no
        model can learn from it what another redshift means. None if they vary.
    has_mass_cut_ : bool or None
        Whether the galaxies in `fit` had a column ``log_stellar_mass``, by which
        `log_stellar_mass_min` cuts them; None if no proxy depends on it.

    Raises
    ------
    ValueError
        The clusters have exposures and those in `fit` have none, or the other way round;
        or the same of the stellar masses of their galaxies.

    Notes
    -----
    `transform` works without `fit`, unless the sample has exposures.

    Where the sample has an exposure map, a mask or holes (see `with_exposure_map` and
    `remove_sources`), or where a background is subtracted, photons are counted in 16 rings
    of the aperture: each is divided by its mean exposure over that at the center, so that
    the area that is lost in a ring counts like the rest of it. Photons where nothing was
    observed are not counted there, and rings outside of the field of view are left out.
    Otherwise photons are counted as they are, also where the field of view ends inside the
    aperture. Where more than half of an aperture's area is lost, a warning names the
    cluster.

    A cluster that does not exceed its background has ln S = NaN, with a warning that names
    it; without a background to subtract, a cluster without photons is an error.
    `count_photons` gives photons, background and the errors of both.

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
        "background": Choice(["annulus"]) | NonNegative() | None,
        "background_annulus": Edges(),
        "r500c": Choice(("true",)) | Quantity("r500c"),
        "particle_share": Interval("[0, 1]") | None,
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
        background=None,
        background_annulus=(HALF_WIDTH, 3.0),
        r500c="true",
        particle_share=None,
    ):
        self.proxies = proxies
        self.half_width = half_width
        self.radius_factor = radius_factor
        self.cosmology = cosmology
        self.with_redshift = with_redshift
        self.band = band
        self.log_stellar_mass_min = log_stellar_mass_min
        self.background = background
        self.background_annulus = background_annulus
        self.r500c = r500c
        self.particle_share = particle_share

    def fit(self, X, y=None):
        """Learn the reference exposure, and whether galaxies have stellar masses."""
        parameters = self._checked_parameters(X)
        exposure = _exposure(X, parameters)
        self.exposure_ = reference_exposure(exposure)
        self.training_ranges_ = exposure_range(exposure)
        self.redshift_ = common_redshift(X.redshift)
        self.has_mass_cut_ = None
        if GALAXY_PROXIES & set(parameters.proxies):
            self.has_mass_cut_ = has_mass_cut(X.galaxies, parameters)
        return self

    def transform(self, X):
        """Return natural logarithms of the proxies, ndarray of shape (n_clusters, k)."""
        parameters = self._checked_parameters(X)
        names = parameters.proxies
        values: dict[str, np.ndarray] = {}
        if set(APERTURES) & set(names):
            values |= self._photon_counts(X, parameters)
        if GALAXY_PROXIES & set(names):
            fitted = getattr(self, "has_mass_cut_", None)  # not in files of 0.1.0
            check_mass_cut(X.galaxies, parameters, fitted)
            values |= galaxy_proxies(X.galaxies, parameters)
        columns = [_log(values[name], name) for name in names]
        if parameters.with_redshift:
            columns.append(redshift_column(X, self))
        return np.column_stack(columns)

    def count_photons(self, X):
        """Count the photons of the apertures, with background and errors.

        Parameters
        ----------
        X : ClusterSample

        Returns
        -------
        counts : dict of str to PhotonCounts
            One for each photon proxy, in the exposure of each cluster: the attributes
            ``photons``, ``background``, ``background_error``, ``observed``, ``net``,
            ``error`` and ``log_error``, the Poisson error of ln S.
        """
        parameters = self._checked_parameters(X)
        if not set(APERTURES) & set(parameters.proxies):
            return {}
        counts = count_photons(X, parameters)
        return {
            name: counts[APERTURES[name]]
            for name in parameters.proxies
            if name in APERTURES
        }

    def _photon_counts(self, X, parameters):
        """Return net counts in the reference exposure, if exposures are known."""
        relative = relative_exposure(X.exposure, self)
        counts = count_photons(X, parameters)
        is_empty = np.min([each.photons for each in counts.values()], axis=0) == 0
        check_near_center(X, is_empty, by="ProxyMeasurer")
        apertures = [name for name in parameters.proxies if name in APERTURES]
        net = {
            name: counts[APERTURES[name]].net
            if parameters.background is None
            else _positive(counts[APERTURES[name]], name, X.name)
            for name in apertures
        }
        if relative is None:
            return net
        exposure = {"exposure": X.exposure}
        warn_outside(exposure, self.training_ranges_, by="ProxyMeasurer", names=X.name)
        per = {name: relative for name in apertures} | {"count_rate": X.exposure}
        return {name: count / per[name] for name, count in net.items()}

    def get_feature_names_out(self, input_features=None):
        """Return the names of the columns."""
        names = [*self.proxies, *(["redshift"] if self.with_redshift else [])]
        return np.asarray(names, dtype=object)

    def _checked_parameters(self, X):
        parameters = check_parameters(self)
        needs = [field for name in parameters.proxies for field in NEEDS[name]]
        apertures = {APERTURES.get(name) for name in parameters.proxies}
        if parameters.r500c == "true" and "n_phot_500c" in apertures:
            needs.append("r500c")
        require(X, *dict.fromkeys(needs), by="ProxyMeasurer")
        if set(APERTURES) & set(parameters.proxies):
            _check_background(X, parameters)
        return parameters


def _exposure(X, parameters):
    """Return the exposures that the proxies depend on, or None."""
    return X.exposure if set(APERTURES) & set(parameters.proxies) else None


def _check_background(X, parameters):
    annulus, background = parameters.background_annulus, parameters.background
    if len(annulus) != 2 or not 0 <= annulus[0] < annulus[1] < np.inf:
        raise ValueError(
            "background_annulus must be an inner and an outer radius in comoving Mpc/h, "
            f"got {[*map(float, annulus)]}."
        )
    if background is None:
        return
    if background != "annulus":
        require(X, "exposure", by=f"ProxyMeasurer(background={background:g})")
    if parameters.particle_share is not None:
        require(X, "unvignetted_map", by="ProxyMeasurer(particle_share=...)")
    elif X.unvignetted_map is not None:
        raise ValueError(
            "The sample has an unvignetted exposure map, which only particles follow. Say "
            "how many of the background photons they are, by "
            "ProxyMeasurer(particle_share=0.5) or the like, or leave the map away by "
            'sample.drop("unvignetted_map").'
        )


def _positive(counts, name, names):
    """Return net counts, NaN where the background leaves nothing, with a warning."""
    lost = np.flatnonzero(~(counts.net > 0))
    if len(lost) == 0:
        return counts.net
    first = lost[0]
    unknown = np.isnan(counts.background[first])
    what = (
        "no background, because its annulus was not observed"
        if unknown
        else f"a background of {counts.background[first]:.4g} +- "
        f"{counts.background_error[first]:.2g}"
    )
    warnings.warn(
        f"{name} of {len(lost)} of {len(counts.net)} clusters does not exceed the "
        f"background, so its logarithm is NaN (first: {cluster_label(first, names)}, "
        f"{counts.photons[first]:.0f} photons and {what}). Leave these clusters out.",
        UserWarning,
        stacklevel=4,
    )
    return np.where(counts.net > 0, counts.net, np.nan)


def _log(value, name):
    empty = np.flatnonzero(value <= 0)
    if len(empty):
        raise ValueError(
            f"{name} is 0 for {len(empty)} of {len(value)} clusters (first: cluster "
            f"{empty[0]}), so its logarithm is undefined. Drop these clusters, or leave "
            f"{name} out of proxies."
        )
    return np.log(value)
