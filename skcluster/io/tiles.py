"""Photons of many clusters from one list, and of one cluster from several lists."""

import numpy as np
from scipy.spatial import KDTree

EDGE = 1e-9
"""Margin for rounding around the strip in which photons are compared [deg]."""

SAME_PLACE = 6
"""Decimals of a degree to which copies of a photon agree: 4 milliarcsec."""

PHOTONS_COMPARED = 5000
"""Number of photons, evenly picked, that tell whether lists cover the same sky."""

SMALL_SHARE = 0.1
"""Share of a cluster's photons below which a list is not compared with others."""


class Tile:
    """One photon list, made ready to find the photons about any point of the sky.

    Photons are sorted by declination. Those in the strip about a center are compared with
    it by the chord between unit vectors, so that poles and the meridian RA = 0 are places
    like any other.

    Parameters
    ----------
    photons : dict of ndarray
        Columns of the list, as `read_photons` returns them.

    Examples
    --------
    >>> photons = {"ra": np.array([359.9, 0.1, 5.0]), "dec": np.array([0.0, 0.1, 0.0])}
    >>> Tile(photons).within((0.0, 0.0), 0.2)["ra"].tolist()
    [359.9, 0.1]
    """

    def __init__(self, photons):
        self._photons = photons
        self._order = np.argsort(photons["dec"], kind="stable")
        self._dec = photons["dec"][self._order]
        self._place = unit_vectors(photons["ra"][self._order], self._dec)

    def __len__(self):
        return len(self._order)

    def within(self, center, radius):
        """Return the photons within an angle of a center, in the order of the list.

        Parameters
        ----------
        center : pair of float
            RA and Dec [deg].
        radius : float
            Angle [deg]; photons at this angle are inside.

        Returns
        -------
        photons : dict of ndarray
            Copies, so that the list can be forgotten.
        """
        reach = radius + EDGE
        start, stop = np.searchsorted(self._dec, [center[1] - reach, center[1] + reach])
        strip = slice(start, stop)
        is_inside = self._squared_chord(center, strip) <= _chord(radius) ** 2
        rows = np.sort(self._order[strip][is_inside])
        return {name: column[rows] for name, column in self._photons.items()}

    def nearest(self, center):
        """Return the angle between a center and the photon that is nearest to it [deg]."""
        chord = np.sqrt(self._squared_chord(center, slice(None)).min(initial=4))
        return float(np.degrees(2 * np.arcsin(min(chord / 2, 1))))

    def _squared_chord(self, center, strip):
        offset = self._place[strip] - unit_vectors(*center)
        return np.einsum("ij,ij->i", offset, offset)


def unit_vectors(ra, dec):
    """Return points of the unit sphere, of shape (..., 3), at angles [deg]."""
    ra, dec = np.radians(ra), np.radians(dec)
    cos = np.cos(dec)
    return np.stack([cos * np.cos(ra), cos * np.sin(ra), np.sin(dec)], axis=-1)


def _chord(angle):
    return 2 * np.sin(np.radians(angle) / 2)


def joined_photons(lists, *, drop_duplicates=False):
    """Join the photon lists of one cluster, in their common columns.

    Parameters
    ----------
    lists : sequence of dict of ndarray
    drop_duplicates : bool, default=False
        Leave out photons that an earlier list holds already: their places agree to 4
        milliarcsec, and all other columns of numbers exactly. A list with several photons
        of one place and energy, as binned lists have, keeps them all.

    Returns
    -------
    photons : dict of ndarray

    Examples
    --------
    >>> a = {"ra": np.array([1.0, 1.0, 2.0]), "dec": np.zeros(3)}
    >>> b = {"ra": np.array([1.0, 3.0]), "dec": np.zeros(2)}
    >>> joined_photons([a, b])["ra"], joined_photons([a, b], drop_duplicates=True)["ra"]
    (array([1., 1., 2., 1., 3.]), array([1., 1., 2., 3.]))
    """
    if len(lists) == 1:
        return lists[0]
    names = [name for name in lists[0] if all(name in each for each in lists)]
    photons = {name: np.concatenate([each[name] for each in lists]) for name in names}
    if not drop_duplicates:
        return photons
    kept = is_new(lists)
    return {name: column[kept] for name, column in photons.items()}


def is_new(lists):
    """Mark the photons of joined lists that are not copies of those of an earlier list.

    The n-th photon of one place and energy in a list is a copy of the n-th of an earlier
    list.
    """
    identity = _identities(joined_photons(lists))
    most_before = np.zeros(identity.max(initial=-1) + 1, int)
    parts = np.split(identity, np.cumsum([len(each["ra"]) for each in lists])[:-1])
    found = []
    for part in parts:
        found.append(_times_before(part) >= most_before[part])
        counts = np.bincount(part, minlength=len(most_before))
        most_before = np.maximum(most_before, counts)
    return np.concatenate(found)


def cover_same_sky(lists):
    """Return whether photons of several lists lie among each other.

    Those of tiles that lie side by side have their nearest neighbors in their own list,
    those of two observations of one field in either.

    Parameters
    ----------
    lists : sequence of dict of ndarray

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> ra, dec = rng.uniform(0, 1, (2, 300))
    >>> field = {"ra": ra, "dec": dec}
    >>> west, east = ({"ra": ra[s], "dec": dec[s]} for s in (ra < 0.5, ra >= 0.5))
    >>> one, two = ({"ra": ra[s], "dec": dec[s]} for s in (slice(150), slice(150, None)))
    >>> cover_same_sky([west, east]), cover_same_sky([one, two])
    (False, True)
    """
    lengths = [len(each["ra"]) for each in lists]
    large = [i for i, n in enumerate(lengths) if n and n >= SMALL_SHARE * sum(lengths)]
    if len(large) < 2:
        return False
    part = np.repeat(large, [lengths[i] for i in large])
    ra, dec = (
        np.concatenate([lists[i][name] for i in large]) for name in ("ra", "dec")
    )
    picked = slice(None, None, -(-len(part) // PHOTONS_COMPARED))
    place, part = unit_vectors(ra[picked], dec[picked]), part[picked]
    neighbor = KDTree(place).query(place, 2)[1]
    # A photon may be its own neighbor in either place, if others share its position.
    own = neighbor[:, 0] == np.arange(len(part))
    is_other = part[np.where(own, neighbor[:, 1], neighbor[:, 0])] != part
    shares = np.bincount(part) / len(part)
    return bool(is_other.mean() > 0.5 * (1 - np.sum(shares**2)))


def _identities(photons):
    """Return a number for each photon, equal for those that agree in all columns."""
    place = {
        "ra": np.round(photons["ra"] % 360, SAME_PLACE) % 360,
        "dec": np.round(photons["dec"], SAME_PLACE),
    }
    columns = [
        column.astype(float)
        for column in (photons | place).values()
        if column.dtype.kind in "biuf"
    ]
    return np.unique(np.column_stack(columns), axis=0, return_inverse=True)[1].ravel()


def _times_before(identity):
    """Return how often each value has come before in an array."""
    order = np.argsort(identity, kind="stable")
    in_order = identity[order]
    times = np.empty(len(identity), int)
    times[order] = np.arange(len(identity)) - np.searchsorted(in_order, in_order)
    return times
