"""Counts within the apertures of some clusters, and the measures of their morphology.

Lengths are in units of R500c, about the center of the map. Sums take the share of each
pixel inside of a circle. Measures that rank pixels or compare them with each other take
the pixels whose centers lie inside. In the formulas n is the count of a pixel, z = x + iy
its place, r = abs(z) its distance and R the radius of the aperture.
"""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy import sparse
from scipy.special import gammaln, xlog1py, xlogy

N_CENTROIDS = 10
"""Number of apertures of the centroid shift: 0.1 R, 0.2 R, ..., R."""

FAINT_SHARE = 0.8
"""Share of the counts that the pixels below the threshold of M20 may not reach."""

ROUNDING = 1e-9
"""Moments below this [R500c², counts] are zero up to rounding."""


@dataclass(frozen=True)
class Light:
    """Counts of n clusters in the pixels of their maps, and the aperture of each.

    Parameters
    ----------
    rows : scipy.sparse.csr_array of shape (n, n_pixels**2)
        Counts, one flattened map per row.
    r500c : ndarray of shape (n,)
        R500c in pixels.
    aperture : float
        Radius of the aperture in units of R500c.
    """

    rows: sparse.csr_array
    r500c: np.ndarray
    aperture: float

    def __len__(self):
        return len(self.r500c)

    @cached_property
    def offset(self):
        """Places of the pixels along one axis, in pixels from the map's center."""
        n_pixels = round(np.sqrt(self.rows.shape[1]))
        return np.arange(n_pixels) + 0.5 - n_pixels / 2

    @cached_property
    def distance(self):
        """Distances of all pixels from the map's center, in pixels."""
        return np.hypot(self.offset[:, None], self.offset)

    @property
    def reach(self):
        """Radius of each aperture in pixels."""
        return self.aperture * self.r500c

    @cached_property
    def cluster(self):
        """Cluster of each pixel with counts."""
        return np.repeat(np.arange(len(self)), np.diff(self.rows.indptr))

    @cached_property
    def count(self):
        """Count of each pixel with counts."""
        return self.rows.data.astype(float)

    @cached_property
    def place(self):
        """Complex place of each pixel with counts."""
        row, column = np.divmod(self.rows.indices, len(self.offset))
        place = self.offset[column] + 1j * self.offset[row]
        return place / self.r500c[self.cluster]

    @cached_property
    def radius(self):
        """Distance of each pixel with counts from the map's center."""
        return np.abs(self.place)

    def share(self, radius):
        """Share of each pixel with counts that lies inside of a circle, to first order."""
        depth = (radius - self.radius) * self.r500c[self.cluster]
        return np.clip(depth + 0.5, 0, 1)

    def total(self, values):
        """Sum per cluster of values of the pixels with counts."""
        real = np.bincount(self.cluster, values.real, len(self))
        if not np.iscomplexobj(values):
            return real
        return real + 1j * np.bincount(self.cluster, values.imag, len(self))

    def counts(self, radius):
        """Counts of each cluster within a circle in the aperture."""
        return self.near.total(self.near.share(radius) * self.near.count)

    @cached_property
    def within(self):
        """The light in the pixels whose centers lie in the aperture, the rest removed."""
        return self._closer_than(self.reach)

    @cached_property
    def near(self):
        """The light in the pixels of which any share lies in the aperture."""
        return self._closer_than(self.reach + 0.5)

    def _closer_than(self, distance):
        kept = self.distance.ravel()[self.rows.indices] < distance[self.cluster]
        ends = np.concatenate([[0], np.cumsum(kept)])[self.rows.indptr]
        rows = (self.rows.data[kept], self.rows.indices[kept], ends)
        rows = sparse.csr_array(rows, shape=self.rows.shape)
        return Light(rows, self.r500c, self.aperture)


def core_excised_counts(light, core_radius):
    r"""Counts in the aperture outside of the core, :math:`\sum_{r_c \le r < R} n`."""
    return light.counts(light.aperture) - light.counts(core_radius)


def concentration(light, radius):
    r"""Share of the counts that the center holds, :math:`\sum_{r < r_c} n / \sum n`."""
    return light.counts(radius) / light.counts(light.aperture)


def centroid_shift(light):
    r"""Scatter of the centroids in ten apertures, in units of R500c.

    .. math::

        w^2 = \frac{1}{K - 1} \sum_k |c_k - \bar c|^2, \qquad
        c_k = \frac{\sum_{r < R_k} n z}{\sum_{r < R_k} n}

    Apertures without counts have no centroid and are left out.
    """
    light = light.near
    radii = light.aperture * np.arange(1, N_CENTROIDS + 1) / N_CENTROIDS
    weights = [light.share(radius) * light.count for radius in radii]
    counts = np.stack([light.total(weight) for weight in weights], axis=1)
    sums = np.stack([light.total(weight * light.place) for weight in weights], axis=1)
    is_known = counts > 0
    number = is_known.sum(axis=1)
    centroid = np.where(is_known, sums / counts, 0)
    mean = centroid.sum(axis=1) / number
    offset = np.where(is_known, centroid - mean[:, None], 0)
    return np.sqrt((np.abs(offset) ** 2).sum(axis=1) / np.maximum(number - 1, 0))


def power_ratio(light, m, debias):
    r"""Power of the m-th multipole over that of the monopole (Buote & Tsai 1995).

    .. math::

        \frac{P_m}{P_0} = \frac{|\sum n z^m|^2}{2 m^2 R^{2m} (\sum n)^2}

    without the logarithm in their :math:`P_0`, whose value depends on the unit of R. Each
    photon adds its own square to both sums, :math:`\sum n |z|^{2m}` to the one above and
    :math:`\sum n` to the one below. `debias` subtracts them, which leaves the pairs of
    different photons.
    """
    light = light.near
    share = light.share(light.aperture)
    place = (light.place / light.aperture) ** m
    power = np.abs(light.total(share * light.count * place)) ** 2
    counts = light.total(share * light.count) ** 2
    if debias:
        own = share**2 * light.count
        power = power - light.total(own * np.abs(place) ** 2)
        counts = counts - light.total(own)
    return power / (2 * m**2 * np.where(counts > ROUNDING, counts, np.nan))


def asymmetry(light, debias):
    r"""Difference between the map and itself turned by 180 degrees about its center.

    .. math::

        A = \frac{\sum |n - n'|}{\sum n}

    where n' is the count in the opposite pixel. Photons of a symmetric cluster fall into
    one of two opposite pixels by a fair coin, so `debias` subtracts
    :math:`\sum \mathrm{E} |n - n'|` at the observed n + n'. The result is 0 on average
    if the cluster is symmetric, however few its photons.
    """
    rows = light.within.rows
    turned = sparse.csr_array(
        (rows.data, rows.shape[1] - 1 - rows.indices, rows.indptr), shape=rows.shape
    )
    difference = abs(rows - turned).sum(axis=1, dtype=float)
    if debias:
        both = sparse.csr_array(rows + turned)
        # |n - n'| = 2 |n - (n + n') / 2|
        noise = 2 * binomial_deviation(both.data, 0.5)
        both = sparse.csr_array((noise, both.indices, both.indptr), shape=rows.shape)
        difference = difference - both.sum(axis=1)
    return difference / light.within.total(light.within.count)


def smoothness(light, side, debias):
    r"""Difference between the map and its average over squares about each pixel.

    .. math::

        S = \frac{\sum |n - T / k|}{\sum n}

    where T is the count in the k pixels of the square. Its side is an odd number of
    pixels, at least three, and pixels outside of the map do not belong to it. In a
    square that shines evenly a photon falls into the middle with the probability 1 / k,
    so `debias` subtracts :math:`\sum \mathrm{E} |n - T / k|` at the observed T. The
    difference is then 0 on average, and its quotient so to the inverse of the counts.
    """
    n_pixels = len(light.offset)
    half = np.maximum(np.rint((side * light.r500c - 1) / 2), 1).astype(int)
    inside = light.distance < light.reach[:, None, None]
    cluster, y, x = np.nonzero(inside)
    dense = light.rows.toarray().reshape(inside.shape)
    corner = np.zeros((len(light), n_pixels + 1, n_pixels + 1))
    dense.cumsum(axis=1, dtype=float).cumsum(axis=2, out=corner[:, 1:, 1:])
    low_y, low_x = (np.maximum(i - half[cluster], 0) for i in (y, x))
    top_y, top_x = (np.minimum(i + half[cluster] + 1, n_pixels) for i in (y, x))
    number = (top_y - low_y) * (top_x - low_x)
    total = corner[cluster, top_y, top_x] - corner[cluster, low_y, top_x]
    total += corner[cluster, low_y, low_x] - corner[cluster, top_y, low_x]
    rough = np.abs(dense[inside] - total / number)
    if debias:
        rough -= binomial_deviation(total, 1 / number)
    # One cluster after the other, so that no sum depends on the neighbors of a cluster.
    rough = np.bincount(cluster, rough, len(light))
    return rough / light.within.total(light.within.count)


def binomial_deviation(n, p):
    r"""Mean absolute deviation of a binomial variable from its mean (de Moivre).

    .. math::

        \mathrm{E} |X - n p| = 2 m \binom{n}{m} p^m (1 - p)^{n - m + 1}, \quad
        m = \lfloor n p \rfloor + 1

    Parameters
    ----------
    n : array-like
        Numbers of trials, which may be 0.
    p : array-like
        Probabilities of success, below 1.

    Returns
    -------
    deviation : ndarray

    Examples
    --------
    >>> binomial_deviation([0, 1, 2], 0.5)
    array([0. , 0.5, 0.5])
    """
    n = np.asarray(n, float)
    m = np.floor(n * p) + 1
    log_choose = gammaln(n + 1) - gammaln(m + 1) - gammaln(n - m + 1)
    return 2 * m * np.exp(log_choose + xlogy(m, p) + xlog1py(n - m + 1, -np.asarray(p)))


def gini(light):
    r"""Inequality of the pixels in the aperture (Lotz et al. 2004, Eq. 6).

    .. math::

        G = \frac{\sum_i (2 i - k - 1) n_i}{(k - 1) \sum_i n_i}

    over the counts of the k pixels in ascending order, empty ones included.
    """
    light = light.within
    n_pixels = np.searchsorted(np.sort(light.distance, axis=None), light.reach)
    count, rank_from_top = _ascending(light)
    rank = n_pixels[light.cluster] - rank_from_top
    weight = 2 * rank - n_pixels[light.cluster] - 1
    return light.total(weight * count) / ((n_pixels - 1) * light.total(count))


def m20(light):
    r"""Second moment of the brightest pixels over that of all (Lotz et al. 2004, Eq. 8).

    .. math::

        M_{20} = \log_{10} \frac{\sum_{n \ge t} n |z - c|^2}{\sum n |z - c|^2}

    where c is the centroid, and the pixels with n < t hold less than 80 % of the counts.
    """
    light = light.within
    count, _ = _ascending(light)
    sums = np.concatenate([[0], np.cumsum(count)])[light.rows.indptr]
    below = np.cumsum(count) - sums[:-1][light.cluster]
    faint = below < FAINT_SHARE * np.diff(sums)[light.cluster]
    first = light.rows.indptr[:-1] + light.total(faint.astype(float)).astype(int)
    threshold = np.append(count, np.nan)[first]
    moment = light.count * np.abs(light.place - _centroid(light)[light.cluster]) ** 2
    bright = light.total(moment * (light.count >= threshold[light.cluster]))
    ratio = bright / light.total(moment)
    return np.log10(np.where(bright > ROUNDING, ratio, np.nan))


def ellipticity(light):
    r"""Flattening of the second moments about the centroid, :math:`1 - b / a`.

    .. math::

        \frac{b^2}{a^2} = \frac{s - |d|}{s + |d|}, \qquad
        s = \sum n |z - c|^2, \quad d = \sum n (z - c)^2
    """
    light = light.near
    weight = light.share(light.aperture) * light.count
    centroid = light.total(weight * light.place) / light.total(weight)
    place = light.place - centroid[light.cluster]
    size = light.total(weight * np.abs(place) ** 2)
    stretch = np.abs(light.total(weight * place**2))
    size = np.where(size > ROUNDING, size, np.nan)
    return 1 - np.sqrt(np.maximum(size - stretch, 0) / (size + stretch))


def _centroid(light):
    return light.total(light.count * light.place) / light.total(light.count)


def _ascending(light):
    """Return the counts of each cluster in ascending order, and ranks from the top."""
    order = np.lexsort((light.count, light.cluster))
    last = light.rows.indptr[1:] - 1
    rank_from_top = last[light.cluster] - np.arange(len(order))
    return light.count[order], rank_from_top
