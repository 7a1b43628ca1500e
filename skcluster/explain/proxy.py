"""Saliency of the mass that follows from a photon count, in closed form."""

import numpy as np
from sklearn.utils import gen_batches

from ..sample import SparseMaps, half_width_of
from ..sample.plain_arrays import as_numbers, plain_array
from .attention import as_booleans
from .cluster_statistics import CLUSTERS_PER_BLOCK
from .radial_profile import checked_r500c, pixel_radius


def proxy_saliency(maps, slope, *, inside=None, r500c=None, half_width=None):
    r"""Saliency of the mass that follows from a photon count (paper Eq. 13).

    With :math:`x = \log_{10}(n + 1)`, the count :math:`N = \sum_{ij} (10^{x_{ij}} - 1)`
    and :math:`\ln N = \pi + \alpha \ln(M / M_p)`,

    .. math::

        \log_{10} M = \frac{\ln N - \pi}{\alpha \ln 10} + \log_{10} M_p, \qquad
        S_{ij} = \frac{\partial \log_{10} M}{\partial x_{ij}}
               = \frac{10^{x_{ij}}}{\alpha N}

    for pixels that are counted, and 0 for the others. By default those are counted whose
    center lies in the circle that touches the edges of the map, as `ProxyMeasurer` counts
    N_phot inside a circle and not in the entire square. A factor common to all pixels of a
    cluster, such as that of `RedshiftNormalizer`, cancels in dN / N, but the 1 of
    :math:`\log_{10}(n + 1)` stays: give the maps that the network is given.

    Parameters
    ----------
    maps : SparseMaps or array of shape (n_clusters, n_bands, n_pixels, n_pixels)
        Log-scaled maps x. All bands are counted.
    slope : float or array-like of shape (n_clusters,)
        :math:`\alpha`, the ``slope_`` of an `EvrardProxyRegressor` in the cluster's
        redshift bin.
    inside : bool array, default=None
        Mask of the pixels that are counted instead, which is broadcast to the shape of the
        maps. True means the entire square.
    r500c : array-like of shape (n_clusters,), default=None
        Count the pixels whose center lies within this radius [comoving Mpc/h] instead, as
        for N_phot,500c. Not together with `inside`.
    half_width : float, default=None
        Half the side of the maps [comoving Mpc/h], needed only for `r500c`. None is that of
        the `PhotonMapper` that made the maps, so a plain array needs a number.

    Returns
    -------
    saliency : ndarray of shape (n_clusters, n_bands, n_pixels, n_pixels)
        [dex per unit of x]; negative only if the slope is.

    Notes
    -----
    Per photon, the saliency is the same in every counted pixel,
    :math:`1 / (\alpha N \ln 10)`. A pixel that the circle cuts is counted if its center
    lies inside. In the paper, the sum before Eq. 13 lacks the -1.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import proxy_saliency
    >>> counts = np.array([[[[0.0, 9.0], [0.0, 91.0]]]])
    >>> proxy_saliency(np.log10(counts + 1), slope=2.0)
    array([[[[0.005, 0.05 ],
             [0.005, 0.46 ]]]])
    """
    if not isinstance(maps, SparseMaps):
        maps = plain_array(maps, "maps", "")
    elif maps.geometry is not None and "LogScaler" not in maps.steps:
        raise ValueError(
            "proxy_saliency takes log-scaled maps, but these are counts that have not been "
            "through LogScaler. Give LogScaler().fit_transform(sample).maps."
        )
    if len(maps.shape) != 4:
        raise ValueError(
            "Maps must have shape (n_clusters, n_bands, n_pixels, n_pixels), got "
            f"{maps.shape}."
        )
    n = len(maps)
    slope = _checked_slope(slope, n)
    counted = _counted(maps, inside, r500c, half_width)
    is_single = getattr(maps, "dtype", np.float32) == np.float32
    saliency = np.empty(maps.shape, np.float32 if is_single else np.float64)
    for rows in gen_batches(n, CLUSTERS_PER_BLOCK):
        grown = 10 ** np.asarray(maps[rows], float)
        count = ((grown - 1) * counted(rows)).sum(axis=(1, 2, 3))
        _check_counts(count, rows.start, n)
        scale = 1 / (slope[rows] * count)
        saliency[rows] = grown * counted(rows) * scale[:, None, None, None]
    return saliency


def _counted(maps, inside, r500c, half_width):
    """Return a function from rows (clusters) to the mask of their counted pixels."""
    shape = maps.shape
    if inside is not None and r500c is not None:
        raise ValueError("Give inside or r500c, not both: each says what is counted.")
    if r500c is not None:
        r500c = checked_r500c(r500c, shape[0])[:, None, None, None]
        half_width = half_width_of(maps, half_width, by="proxy_saliency(r500c=...)")
        radius = pixel_radius(shape[-2:], half_width)
        return lambda rows: radius <= r500c[rows]
    inside = pixel_radius(shape[-2:], 1.0) <= 1 if inside is None else inside
    inside = np.broadcast_to(as_booleans(inside, "inside"), shape)
    return lambda rows: inside[rows]


def _checked_slope(slope, n_clusters):
    slope = as_numbers(slope, "slope", "")
    if slope.shape not in ((), (1,), (n_clusters,)):
        raise ValueError(
            f"slope must be one number or one per cluster, got shape {slope.shape} for "
            f"{n_clusters} clusters. For an EvrardProxyRegressor with one proxy and one "
            "redshift bin it is slope_[0, 0]."
        )
    if not np.isfinite(slope).all() or (slope == 0).any():
        raise ValueError(f"slope must be finite and not 0, got {slope}.")
    return np.broadcast_to(slope, n_clusters)


def _check_counts(count, start, n_clusters):
    empty = np.flatnonzero(count <= 0)
    if len(empty):
        raise ValueError(
            f"The map of cluster {start + empty[0]} (of {n_clusters}) holds no photon that "
            "is counted, so there is no mass to explain. Drop such clusters, or widen the "
            "aperture."
        )
