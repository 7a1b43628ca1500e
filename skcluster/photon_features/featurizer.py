"""`PhotonFeaturizer`: the step that describes each photon."""

import warnings

import numpy as np
from joblib import Parallel, delayed

from ..cosmology import comoving_distance, get_cosmology, sky_to_plane
from ..paper import HALF_WIDTH, WIDE_BAND
from ..parameters import (
    EnergyBand,
    Interval,
    Names,
    NJobs,
    Quantity,
    ReadBy,
    check_parameters,
)
from ..printable import cluster_label
from ..sample import ClusterSample, require
from ..sample.described_columns import PHOTON_FEATURES, RELATIVE_EXPOSURE, without
from ..sample.lists import check_field_radius, check_near_center
from ..sample.transformer import SampleTransformer
from ..sky import LEAST_EXPOSURE, field_edge, has_field, relative_exposures
from .photon_field import PhotonField
from .shape import exposure_of_aperture

ARCSEC = np.pi / (180 * 3600)

SAME_PIXEL = 0.1
"""Relative difference of two pixels up to which they are taken for the same."""


class PhotonFeaturizer(SampleTransformer):
    r"""Describe each photon by its place, its energy and its neighbors.

    A photon at tangent-plane offsets :math:`(\xi, \eta)` to the West and North of the
    cluster's center has :math:`(x, y) = D_C (\xi, \eta)` and :math:`r^2 = x^2 + y^2`, in
    comoving Mpc/h. Photons outside of the band or of the aperture, :math:`-w \le x, y < w`,
    are removed first, and so are those from where the sample's field has less than a tenth
    of the exposure at the center (see `skcluster.with_exposure_map`). The columns that the
    others get are

    ``log_radius``
        :math:`\log_{10} (r + 0.01)`
    ``log_energy``
        :math:`\log_{10} (E / \mathrm{keV})`
    ``log_contrast_6``, ``log_contrast_24``
        :math:`\log_{10} (\rho_k / \bar\rho(r))` for k = 6 and 24, where

        .. math::

            \rho_k = \frac{e^{\psi(k)}}{\pi (d_k^2 + p^2 / 2)}

        is the surface density from the distance :math:`d_k` of the k-th nearest neighbor,
        with :math:`\psi` the digamma function and p the side of a pixel (0 where no photons
        share pixels), and :math:`\bar\rho(r)` the azimuthal mean, from counts in 17 rings
    ``log_density_6``
        :math:`\log_{10} \rho_6`, in photons per (Mpc/h)²
    ``neighbor_log_energy``
        mean :math:`\log_{10} (E / \mathrm{keV})` of the 6 nearest neighbors
    ``cos_twice_angle``
        :math:`\cos 2 (\phi - \phi_0)`, with :math:`\phi` the photon's position angle about
        the center and :math:`\phi_0` that of the cluster's main axis
    ``log_centroid_distance``
        :math:`\log_{10} (d + 0.01)`, with d the distance to the centroid in Mpc/h

    Parameters
    ----------
    features : sequence of str or None, default=None
        Names of the columns to add; None adds all eight.
    band : (low, high), default=(0.5, 10.0)
        Energies of the photons that are kept [keV], ``[low, high)``.
    half_width : float, default=2.3
        Half the side of the aperture, w [comoving Mpc/h].
    pixel : float, default=9.6
        Side of the camera's pixels [arcsec], over which photons at one position are spread:
        0.05 to 600, so that no degrees are taken. The default is that of eROSITA. Photons
        of count images know their own (column ``pixel``): a warning tells if it differs.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving lengths.
    n_jobs : int, default=None
        Number of threads, as joblib counts them.

    Notes
    -----
    All columns are float32; those that photons already have are kept. A column depends only
    on the photons of its cluster, and not on their order.

    Neighbors at equal distances share their places in the order of neighbors, and photons
    at one position are taken to fill the pixel: see the module
    ``skcluster.photon_features.neighbors``. A photon with fewer than k neighbors has the
    density of those that there are; one without any has the density of one photon per
    aperture, a contrast of 0, and its own energy in place of its neighbors'. Neighbors
    beyond the aperture are not known, so that densities at its border are too low.

    The centroid and the main axis are moments of the photons with Gaussian weights of
    radius 0.5 and 0.7 Mpc/h, over the photon's contrast (k = 6) where this exceeds 1, so
    that point sources do not pull them. Where the moments are round, ``cos_twice_angle``
    is 0.

    Where the sample has an exposure map, a mask or holes, densities are divided by the
    exposure at the photon's place over that at the center, and mean densities by that of
    the ring. The photons also get the column ``relative_exposure``, and each counts as its
    inverse: in moments, and in the sums of `PhotonSetRegressor`. What is lost in gaps and
    holes is not made up for, and densities beside them are too low. So are mean densities
    of rings that a circular `field_radius` cuts, in training as in prediction.

    Examples
    --------
    >>> from skcluster import ClusterSample, PhotonFeaturizer
    >>> photons = {"ra": [10.0, 9.99, 10.0], "dec": [0.0, 0.0, 0.01],
    ...            "energy": [1.0, 10.0, 3.0]}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> featurizer = PhotonFeaturizer(features=["log_radius", "log_energy"])
    >>> described = featurizer.transform(sample).photons
    >>> list(described.columns)
    ['ra', 'dec', 'energy', 'log_radius', 'log_energy']
    >>> described["log_energy"].round(3)
    array([0.   , 0.477], dtype=float32)
    """

    _parameter_kinds = {
        "features": Names(PHOTON_FEATURES) | None,
        "band": EnergyBand(),
        "half_width": Quantity("half_width"),
        "pixel": Interval("[0.05, 600]"),
        "cosmology": ReadBy(get_cosmology),
        "n_jobs": NJobs(),
    }

    def __init__(
        self,
        *,
        features=None,
        band=WIDE_BAND,
        half_width=HALF_WIDTH,
        pixel=9.6,
        cosmology="WMAP7",
        n_jobs=None,
    ):
        self.features = features
        self.band = band
        self.half_width = half_width
        self.pixel = pixel
        self.cosmology = cosmology
        self.n_jobs = n_jobs

    def fit(self, X, y=None):
        """Check the parameters and the sample; there is nothing to learn."""
        require(X, "photons", "center", by="PhotonFeaturizer")
        check_parameters(self)
        return self

    def transform(self, X) -> ClusterSample:
        """Return the sample with the photons inside the aperture, described."""
        require(X, "photons", "center", by="PhotonFeaturizer")
        parameters = check_parameters(self)
        check_field_radius(X)
        if "pixel" in X.photons.columns:
            _warn_of_other_pixels(X, parameters.pixel)
        names = parameters.features or tuple(PHOTON_FEATURES)
        made = (*names, RELATIVE_EXPOSURE) if has_field(X) else names
        distance = comoving_distance(X.redshift, parameters.cosmology)
        parts = Parallel(parameters.n_jobs, prefer="threads")(
            delayed(_describe)(X[block], distance[block], parameters, made)
            for block in X.photons.blocks()
        )
        is_kept, columns = (
            np.concatenate(part, axis=-1) for part in zip(*parts, strict=True)
        )
        photons = X.photons.select(is_kept)
        check_near_center(X, photons.lengths == 0, by="PhotonFeaturizer")
        described = dict(zip(made, columns, strict=True))
        if not has_field(X):
            photons = without(photons, RELATIVE_EXPOSURE)
        return X.assign(photons=photons.assign(**described))


def _warn_of_other_pixels(sample, pixel):
    """Warn of photons from count images whose pixels are not those of the parameter."""
    own = 3600 * sample.photons["pixel"]
    differs = np.abs(own - pixel) > SAME_PIXEL * pixel
    clusters = np.unique(sample.photons.cluster[differs])
    if len(clusters):
        first = np.argmax(differs)
        label = cluster_label(clusters[0], sample.name)
        warnings.warn(
            f"The photons of {len(clusters)} of {len(sample)} clusters are from count "
            f"images with other pixels than pixel={pixel:g} arcsec (first: {label}, "
            f"{own[first]:.3g} arcsec), so their densities are wrong. Give "
            f"PhotonFeaturizer(pixel={own[first]:.3g}), in training too, or images of one "
            "pixel.",
            UserWarning,
            stacklevel=3,
        )


def _describe(X, distance, parameters, names):
    """Mask of the photons of some clusters that are kept, and their named columns."""
    photons, center, edge = X.photons, X.center, field_edge(X)
    is_kept = np.ones(photons.offsets[-1], bool)
    if has_field(X):
        exposure = relative_exposures(X, photons)
        is_kept = exposure >= LEAST_EXPOSURE
    columns = [np.zeros((len(names), 0), np.float32)]
    for i in np.flatnonzero(photons.lengths):
        rows = slice(photons.offsets[i], photons.offsets[i + 1])
        energy = photons["energy"][rows]
        # Cluster by cluster, because other photons may change the last digit.
        x, y = sky_to_plane(photons["ra"][rows], photons["dec"][rows], *center[i])
        is_kept[rows] &= np.hypot(x, y) <= edge[i]
        x, y = x * distance[i], y * distance[i]
        is_kept[rows] &= _is_inside(x, y, energy, parameters)
        kept = is_kept[rows]
        if kept.any():
            exposures = {}
            if has_field(X):
                exposures["exposure"] = exposure[rows][kept]
                exposures["ring_exposure"] = exposure_of_aperture(
                    X, i, distance[i], parameters.half_width
                )
            field = PhotonField(
                x[kept],
                y[kept],
                energy[kept],
                half_width=parameters.half_width,
                pixel=parameters.pixel * ARCSEC * distance[i],
                **exposures,
            )
            columns.append(field.columns(names))
    return is_kept, np.concatenate(columns, axis=1)


def _is_inside(x, y, energy, parameters):
    low, high = parameters.band
    w = parameters.half_width
    in_aperture = (x >= -w) & (x < w) & (y >= -w) & (y < w)
    return in_aperture & (energy >= low) & (energy < high)
