"""Photon maps of n clusters, stored as their non-zero pixels."""

from numbers import Real
from typing import NamedTuple

import numpy as np
from scipy import sparse

from .plain_arrays import plain_array, read_only
from .row_index import row_indices
from .units import check_plausible, in_our_unit


class MapGeometry(NamedTuple):
    """Bands, size and cosmology of maps, which a stored network compares with new maps.

    Parameters
    ----------
    bands : tuple of (low, high)
        Energy bands [keV].
    half_width : float
        Half the side [comoving Mpc/h].
    cosmology : str
        Name of the cosmology.
    """

    bands: tuple
    half_width: float
    cosmology: str

    def __str__(self):
        values = (f"{name}={value!r}" for name, value in self._asdict().items())
        return f"PhotonMapper({', '.join(values)})"


class SparseMaps:
    """Maps of shape (n_clusters, n_bands, n_pixels, n_pixels), stored sparse.

    A map at X-ray count rates is about 2 % full. Pixels are ``[y, x]``: rows grow to
    the North, columns to the West, so ``imshow(map, origin="lower")`` shows the sky.
    Slicing selects clusters; ``np.asarray(maps)`` is dense.

    Parameters
    ----------
    rows : scipy.sparse array of shape (n_clusters, n_bands * n_pixels * n_pixels)
        One flattened map per row.
    map_shape : tuple of 3 int
        ``(n_bands, n_pixels, n_pixels)``
    geometry : MapGeometry, default=None
        Set by `PhotonMapper`; None if it is not known.
    steps : tuple of str, default=()
        Names of the steps that have scaled the counts, such as ``"LogScaler"``.

    Attributes
    ----------
    rows : scipy.sparse.csr_array
    shape : tuple of 4 int
    geometry : MapGeometry or None
    steps : tuple of str

    Examples
    --------
    >>> maps = SparseMaps.from_dense([[[[0, 3], [1, 0]]]])
    >>> maps.shape, maps.total()
    ((1, 1, 2, 2), array([4.]))
    >>> np.asarray(maps.apply(np.sqrt).scaled([10.0]))
    array([[[[ 0.      , 17.320507],
             [10.      ,  0.      ]]]], dtype=float32)
    """

    def __init__(self, rows, map_shape, geometry=None, steps=()):
        self.rows = _read_only_rows(sparse.csr_array(rows))
        self.geometry, self.steps = geometry, tuple(steps)
        self.shape = (self.rows.shape[0], *(int(size) for size in map_shape))
        if len(self.shape) != 4 or np.prod(self.shape[1:]) != self.rows.shape[1]:
            raise ValueError(
                f"Rows of {self.rows.shape[1]} pixels do not fit maps of shape "
                f"{tuple(map_shape)}; it must be (n_bands, n_pixels, n_pixels)."
            )

    @classmethod
    def from_dense(cls, maps):
        """Maps from an array of shape (n_clusters, n_bands, n_pixels, n_pixels)."""
        if isinstance(maps, cls):
            return maps
        maps = plain_array(maps, "maps", "maps")
        if maps.ndim != 4:
            raise ValueError(
                "Maps must have shape (n_clusters, n_bands, n_pixels, n_pixels), got "
                f"{maps.shape}."
            )
        if maps.dtype.kind not in "biuf":
            raise ValueError(f"Maps must be numbers, got the type {maps.dtype}.")
        with np.errstate(over="ignore"):
            maps = maps.astype(np.float32, copy=False)
        if not np.isfinite(maps).all():
            broken = np.flatnonzero(~np.isfinite(maps).all(axis=(1, 2, 3)))
            raise ValueError(
                f"{len(broken)} of {len(maps)} maps hold NaN or infinite pixels "
                f"(first: cluster {broken[0]})."
            )
        rows = maps.reshape(len(maps), np.prod(maps.shape[1:]))
        return cls(sparse.csr_array(rows), maps.shape[1:])

    @classmethod
    def concatenate(cls, parts):
        """Join the clusters of several SparseMaps of one shape and geometry."""
        parts = list(parts)
        shapes = {part.shape[1:] for part in parts}
        if len(shapes) != 1:
            raise ValueError(f"Cannot join maps of the shapes {sorted(shapes)}.")
        geometries = {part.geometry for part in parts}
        if len(geometries - {None}) > 1:
            known = " and ".join(sorted(map(str, geometries - {None})))
            raise ValueError(
                f"Cannot join maps of {known}. Make them with one of these."
            )
        steps = {part.steps for part in parts}
        if len(steps) > 1:
            known = " and ".join(sorted(listed_steps(each) for each in steps))
            raise ValueError(
                f"Cannot join maps that have been through {known}. Join them before that."
            )
        rows = sparse.vstack([part.rows for part in parts], format="csr")
        # If the geometry of one part is unknown, so is that of the result.
        geometry = geometries.pop() if len(geometries) == 1 else None
        return cls(rows, parts[0].shape[1:], geometry, parts[0].steps)

    def __setstate__(self, state):
        # numpy forgets that an array was read-only, and older maps knew no steps.
        vars(self).update({"steps": ()} | state, rows=_read_only_rows(state["rows"]))

    def __len__(self):
        return self.shape[0]

    def __getitem__(self, key):
        rows = self.rows[row_indices(key, len(self))]
        return SparseMaps(rows, self.shape[1:], self.geometry, self.steps)

    def __array__(self, dtype=None, copy=None):
        dense = self.rows.toarray().reshape(self.shape)
        return dense if dtype is None else dense.astype(dtype, copy=False)

    @property
    def nbytes(self):
        rows = self.rows
        return rows.data.nbytes + rows.indices.nbytes + rows.indptr.nbytes

    @property
    def filled(self):
        """Fraction of the pixels that are stored."""
        return self.rows.nnz / max(np.prod(self.shape), 1)

    def total(self):
        """Sum over bands and pixels of each map, ndarray of shape (n_clusters,)."""
        return np.asarray(self.rows.sum(axis=1, dtype=np.float64))

    def band(self, i):
        """Maps of band i, a sparse array of shape (n_clusters, n_pixels²)."""
        size = self.rows.shape[1] // self.shape[1]
        return self.rows[:, i * size : (i + 1) * size]

    def band_sum(self):
        """Sum over the bands, a sparse array of shape (n_clusters, n_pixels²)."""
        return sum(map(self.band, range(self.shape[1])))

    def scaled(self, factor):
        """Multiply the maps by one factor per cluster."""
        each = np.repeat(np.asarray(factor), np.diff(self.rows.indptr))
        with np.errstate(over="ignore", invalid="ignore"):
            data = (self.rows.data * each).astype(np.float32)
        if not np.isfinite(data).all():
            raise ValueError(
                f"Maps times factors of up to {np.max(factor):.4g} are beyond the "
                "largest number of single precision. Give smaller ones."
            )
        return self._with_data(data)

    def apply(self, function):
        """Apply to all pixels a function that maps zero to zero."""
        return self._with_data(function(self.rows.data))

    def after(self, step):
        """Return the maps with the name of one more step that they have been through."""
        steps = (*self.steps, step)
        return SparseMaps(self.rows, self.shape[1:], self.geometry, steps)

    def _with_data(self, data):
        rows = sparse.csr_array(
            (data, self.rows.indices, self.rows.indptr), shape=self.rows.shape
        )
        return SparseMaps(rows, self.shape[1:], self.geometry, self.steps)


def refuse_maps_after(maps, *steps, by):
    """Refuse maps that have been through a step before which `by` needs them.

    Parameters
    ----------
    maps : SparseMaps
    *steps : str
        Names of these steps.
    by : str
        Name of the caller, for the message.

    Examples
    --------
    >>> maps = SparseMaps.from_dense([[[[0, 3], [1, 0]]]])
    >>> refuse_maps_after(maps, "LogScaler", by="RingProfiler")
    >>> refuse_maps_after(maps.after("LogScaler"), "LogScaler", by="RingProfiler")
    Traceback (most recent call last):
    ...
    ValueError: The maps for RingProfiler have already been through LogScaler. Give it the
    sample as it was before.
    """
    if set(steps) & set(maps.steps):
        raise ValueError(
            f"The maps for {by} have already been through {listed_steps(maps.steps)}. Give "
            "it the sample as it was before."
        )


def listed_steps(steps):
    """Join the names of the steps that maps have been through, for a message."""
    return " and ".join(steps) or "no step"


def steps_of(maps):
    """Return the names of the steps that maps have been through; None if unknown."""
    # Maps that are given as an array do not know what they have been through.
    return None if maps.geometry is None else maps.steps


def check_same_steps(maps, steps, *, by):
    """Refuse maps that have been through other steps than those in fit.

    Parameters
    ----------
    maps : SparseMaps
    steps : tuple of str or None
        Result of `steps_of` in `fit`. What is not known is not compared.
    by : str
        Name of the estimator, for the message.
    """
    own = steps_of(maps)
    if len({own, steps} - {None}) == 2:
        raise ValueError(
            f"X holds maps that have been through {listed_steps(own)}, but {by} was fitted "
            f"to maps that had been through {listed_steps(steps)}. Prepare X by the same "
            "steps."
        )


def half_width_of(maps, half_width=None, *, by):
    """Return half the side of maps [comoving Mpc/h]: as given, or from their geometry.

    Parameters
    ----------
    maps : SparseMaps or array-like
    half_width : float, default=None
        None takes that of the `PhotonMapper` that made the maps.
    by : str
        Name of the caller, for the error if the size is not known.

    Returns
    -------
    half_width : float

    Examples
    --------
    >>> maps = SparseMaps.from_dense([[[[0, 3], [1, 0]]]])
    >>> half_width_of(maps, 1.5, by="A profile")
    1.5
    >>> half_width_of(maps, by="A profile")
    Traceback (most recent call last):
    ValueError: A profile needs the size of the maps, which is not stored with them...
    """
    if half_width is None:
        geometry = getattr(maps, "geometry", None)
        if geometry is None:
            raise ValueError(
                f"{by} needs the size of the maps, which is not stored with them. Give "
                "half_width, half their side [comoving Mpc/h], such as "
                "mapper.half_width of the PhotonMapper that made them."
            )
        return geometry.half_width
    half_width = in_our_unit("half_width", half_width, "half_width")
    is_number = isinstance(half_width, Real) and not isinstance(half_width, bool)
    if not is_number or not 0 < half_width < np.inf:
        raise ValueError(f"half_width must be a positive number, got {half_width!r}.")
    check_plausible("half_width", half_width)
    return float(half_width)


def _read_only_rows(rows):
    for name in ("data", "indices", "indptr"):
        setattr(rows, name, read_only(getattr(rows, name)))
    return rows
