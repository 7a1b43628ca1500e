"""`ClusterSample`, the container that every estimator takes as X."""

from dataclasses import KW_ONLY, dataclass
from typing import Any

from ..printable import counted
from .fields import (
    Cubes,
    Images,
    Labels,
    Lists,
    Maps,
    Numbers,
    NumbersOfAll,
    Redshift,
    Shares,
    SkyPosition,
    Strings,
    descriptions_of,
    optional,
    required,
)
from .lists import (
    NEEDED,
    check_velocities,
    checked_galaxies,
    checked_holes,
    checked_photons,
)
from .plain_arrays import column_names, is_table, plain_column, read_only
from .printed import as_html, as_text
from .ragged import Ragged
from .records import columns_of_dicts
from .row_index import row_indices


@dataclass(frozen=True, eq=False, repr=False)
class ClusterSample:
    """Observations of n clusters: photons, galaxies, redshifts and maps.

    It is a 1-d array-like of clusters, made to be scikit-learn's ``X``: indexing with
    integers, slices, lists or masks gives a new sample, ``len`` counts clusters, and
    it goes through pipelines, cross-validation, searches, pickle and joblib. It is
    read-only. Columns of lists and cubes are not copied, so do not change the arrays
    that they came from.

    Parameters
    ----------
    redshift : array-like of shape (n_clusters,)
        Greater than 0.
    photons : Ragged or list of tables, default=None
        One table per cluster with the columns ``ra``, ``dec`` [deg], ``energy`` [keV]
        and, if known, ``origin`` (0 ICM, 1 AGN, 2 background). A table is a dict, a
        structured array, an astropy Table, a data frame of pandas or polars or a
        pyarrow Table. Columns of several values per row are left out.
    galaxies : Ragged or list of tables, default=None
        One table per cluster with ``x`` (West), ``y`` (North) [comoving Mpc/h] and
        ``v`` [km/s] about the cluster's center; more columns are kept. None in place of
        a table, here or in `photons`, stands for an empty one.
    center : array-like of shape (n_clusters, 2), default=None
        RA and Dec of the cluster [deg], or an astropy SkyCoord.
    position : array-like of shape (n_clusters, 3), default=None
        Comoving position in a simulation box [Mpc/h], for `QuadrantGroupKFold`.
    r500c : array-like of shape (n_clusters,), default=None
        R500c [comoving Mpc/h].
    name : array-like of shape (n_clusters,), default=None
    group : array-like of shape (n_clusters,), default=None
        Labels, equal for entries of one object, such as rotated copies of a cluster or
        a halo at several redshifts: networks hold out all of a group or none.
    maps : SparseMaps or array-like of shape (n, n_bands, n_pixels, n_pixels), \
default=None
        Photon maps; an array is stored sparse.
    cubes : array-like of shape (n, n_bins, n_bins, n_bins), default=None
        Phase-space cubes in (y, x, v).
    cube_extent : array-like of shape (n_clusters, 2), default=None
        Half-width [comoving Mpc/h] and highest speed [km/s] of the cubes;
        `PhaseSpaceKDE` sets it.
    field_radius : float or array-like of shape (n_clusters,), default=None
        Radius of a circular field of view about the center [deg], if there is one.
    coverage : array-like of shape (n_clusters,), default=None
        Fraction of the map inside the field of view; `PhotonMapper` sets it.
    unobserved : SparseMaps or array-like of shape (n, 1, n_pixels, n_pixels), default=None
        Share of each pixel of the maps that was not observed, from 0 to 1;
        ``PhotonMapper(with_unobserved=True)`` sets it.
    exposure : array-like of shape (n_clusters,), default=None
        Effective exposure at the center [s]; greater than 0. See the notes.
    map_exposure : array-like of shape (n_clusters,), default=None
        Exposure that the counts of the maps stand for [s]. None says that it is
        `exposure`; `RedshiftNormalizer` sets its reference exposure.
    exposure_map, unvignetted_map : SkyImage or list of SkyImage or None, default=None
        Exposure over the field, to the sky and to particles; `with_exposure_map` sets them.
    mask : SkyImage or list of SkyImage or None, default=None
        Images that are 0 where photons were removed; `remove_sources` sets it.
    holes : Ragged or list of tables, default=None
        Circles ``ra``, ``dec``, ``radius`` [deg] in which photons were removed;
        `remove_sources` sets it.

    Notes
    -----
    Counts are divided by `exposure`, so it must mean the same for all clusters, those of
    training included: vignetted at the cluster's place, as exposure maps give it; or
    equivalent to the optical axis, as event lists give it; or normalized to a response.
    For a survey like eROSITA's the first two differ by almost a factor of two, and masses
    by 0.2 dex.

    Values with an astropy unit are converted, or refused if their unit means something
    else. Plain numbers must be plausible in the units given here: ``r500c=900`` is an
    error that says they look like kpc. :mod:`skcluster.sample.units` lists all ranges.

    Examples
    --------
    >>> sample = ClusterSample(
    ...     [0.1, 0.2],
    ...     center=[[150.0, 2.0], [151.0, 2.5]],
    ...     photons=[
    ...         {"ra": [150.0, 150.1], "dec": [2.0, 2.0], "energy": [1.0, 3.0]},
    ...         {"ra": [151.0], "dec": [2.5], "energy": [0.7]},
    ...     ],
    ... )
    >>> sample.shape, sample[sample.photons.lengths > 1].redshift
    ((2,), array([0.1]))
    >>> sample
    <ClusterSample of 2 clusters, 0.0 MiB
      redshift  0.100 to 0.200
      photons   ra, dec, energy: 1 / 2 / 2 per cluster (min / median / max)
      center    (2, 2) float64>
    """

    redshift: Any = required(Redshift("give ClusterSample(redshift)", ("redshift",)))
    _: KW_ONLY
    photons: Any = optional(
        Lists(
            "give ClusterSample(photons=...): one table per cluster with ra, dec, energy "
            "(or read them with read_sample)",
            check=checked_photons,
        )
    )
    galaxies: Any = optional(
        Lists(
            "give ClusterSample(galaxies=...): one table per cluster with x, y, v",
            check=checked_galaxies,
        )
    )
    center: Any = optional(
        SkyPosition(
            "give ClusterSample(center=...) of shape (n, 2): RA and Dec in degrees",
            columns=("ra", "dec"),
            rows=("ra", "dec"),
        )
    )
    position: Any = optional(
        Numbers(
            "give ClusterSample(position=...) of shape (n, 3): comoving box coordinates "
            "in Mpc/h",
            columns=("x", "y", "z"),
            rows=("position",) * 3,
        )
    )
    r500c: Any = optional(
        Numbers("give ClusterSample(r500c=...): comoving R500c in Mpc/h", ("r500c",))
    )
    name: Any = optional(Strings("give ClusterSample(name=...)", ("name",), True))
    group: Any = optional(Labels("give ClusterSample(group=...): labels", ("group",)))
    maps: Any = optional(Maps("put PhotonMapper before this step"))
    cubes: Any = optional(Cubes("put PhaseSpaceKDE before this step"))
    cube_extent: Any = optional(
        Numbers(
            "put PhaseSpaceKDE before this step", rows=("half_width", "velocity_max")
        )
    )
    field_radius: Any = optional(
        NumbersOfAll(
            "give ClusterSample(field_radius=...): radius in degrees",
            columns=("field_radius",),
            one_for_all=True,
        )
    )
    coverage: Any = optional(Numbers("put PhotonMapper before this step"))
    unobserved: Any = optional(
        Shares("put PhotonMapper(with_unobserved=True) before this step")
    )
    exposure: Any = optional(
        NumbersOfAll(
            "give ClusterSample(exposure=...) in seconds, in a table the column exposure",
            ("exposure",),
        )
    )
    map_exposure: Any = optional(
        Numbers("put RedshiftNormalizer before this step", rows=("exposure",))
    )
    exposure_map: Any = optional(
        Images("give with_exposure_map(sample, read_image(path))")
    )
    unvignetted_map: Any = optional(
        Images("give with_exposure_map(sample, exposure_map, unvignetted=...)")
    )
    mask: Any = optional(Images("give remove_sources(sample, read_image(path))"))
    holes: Any = optional(
        Lists("give remove_sources(sample, catalog, radius=...)", check=checked_holes)
    )

    def __post_init__(self):
        n_clusters = None
        for name, description in FIELDS.items():
            value = getattr(self, name)
            if value is None and name != "redshift":
                continue
            value = description.checked(name, value, n_clusters)
            if n_clusters is None:
                n_clusters = len(value)
            elif len(value) != n_clusters:
                raise ValueError(
                    f"{name} holds {counted(len(value), 'cluster')}, but redshift holds "
                    f"{n_clusters}: give both for the same clusters, in the same order."
                )
            object.__setattr__(self, name, read_only(value))
        check_velocities(self.galaxies, self.redshift)

    @classmethod
    def _trusted(cls, values):
        sample = object.__new__(cls)
        for name in FIELDS:
            object.__setattr__(sample, name, read_only(values.get(name)))
        return sample

    def __setstate__(self, state):
        # numpy forgets that an array was read-only.
        for name, value in state.items():
            object.__setattr__(self, name, read_only(value))

    @classmethod
    def from_dicts(cls, clusters):
        """Build a sample from a list with one dict per cluster.

        The keys are those of ClusterSample: ``redshift`` and any of ``photons``,
        ``center``, ``r500c`` and the rest; every dict must have the same ones.

        Examples
        --------
        >>> photons = {"ra": [10.0], "dec": [0.0], "energy": [1.0]}
        >>> cluster = {"redshift": 0.1, "center": (10.0, 0.0), "photons": photons}
        >>> len(ClusterSample.from_dicts([cluster, cluster]))
        2
        """
        columns = columns_of_dicts(clusters, [*FIELDS])
        return cls(columns.pop("redshift"), **columns)

    @classmethod
    def from_table(cls, catalog, *, photons=None, galaxies=None):
        """Build a sample from a catalog with one row per cluster, and its lists.

        Parameters
        ----------
        catalog : dict, structured array, astropy Table, data frame or pyarrow Table
            The column ``redshift`` and any of ``ra`` and ``dec`` (the center [deg]; also
            ``RAJ2000``, ``DEJ2000`` and the like), ``x``, ``y`` and ``z`` (the box
            position [Mpc/h]), ``r500c`` [Mpc/h], ``field_radius`` [deg], ``exposure``
            [s], ``name`` and ``group``, in any case. Other columns are left out.
        photons, galaxies : list of tables, or one table, default=None
            One table per cluster; or all rows in one table whose column ``cluster``
            holds the row number of the catalog, from 0.

        Examples
        --------
        >>> catalog = {"redshift": [0.1, 0.3], "ra": [10.0, 20.0], "dec": [0.0, 5.0]}
        >>> photons = {"cluster": [1, 1], "ra": [20.0, 20.01], "dec": [5.0, 5.0],
        ...            "energy": [0.8, 1.1]}
        >>> ClusterSample.from_table(catalog, photons=photons).photons.lengths
        array([0, 2])
        """
        names, values = column_names(catalog), {}
        for name, field in FIELDS.items():
            columns = field.columns_in(names)
            if columns:
                rows = zip(columns, field.unit_rows, strict=True)
                parts = [plain_column(catalog[c], c, row) for c, row in rows]
                values[name] = field.from_columns(parts)
        if "redshift" not in values:
            raise ValueError(f"The catalog lacks the column 'redshift'; has {names}.")
        redshift = values.pop("redshift")
        for name, tables in (("photons", photons), ("galaxies", galaxies)):
            if is_table(tables):
                n_clusters = len(redshift)
                tables = Ragged.from_long_table(tables, n_clusters, needed=NEEDED[name])
            values[name] = tables
        return cls(redshift, **values)

    @classmethod
    def concatenate(cls, samples):
        """Join samples, keeping the fields that all of them have.

        Photons, galaxies, holes and images are never dropped: clusters that lack them get
        empty lists, or no image. `exposure` and `field_radius` of some only are refused.

        Examples
        --------
        >>> ClusterSample.concatenate([ClusterSample([0.1]), ClusterSample([0.2])]).shape
        (2,)
        """
        samples = list(samples)
        if not samples:
            raise ValueError("No sample was given: there is nothing to join.")
        for sample in samples:
            if not isinstance(sample, cls):
                raise TypeError(f"Can join samples only, got {type(sample).__name__}.")
        values = {}
        for name in dict.fromkeys(name for part in samples for name in part.fields):
            parts = [getattr(sample, name) for sample in samples]
            known = next(part for part in parts if part is not None)
            parts = [
                FIELDS[name].missing(known, len(sample)) if part is None else part
                for part, sample in zip(parts, samples, strict=True)
            ]
            if all(part is not None for part in parts):
                values[name] = FIELDS[name].joined(name, parts)
        return cls._trusted(values)

    @property
    def fields(self):
        """Names of the fields that this sample has."""
        return tuple(name for name in FIELDS if getattr(self, name) is not None)

    @property
    def shape(self):
        # Without a shape, scikit-learn slices X as a list of single clusters.
        return (len(self),)

    @property
    def nbytes(self):
        return sum(getattr(self, name).nbytes for name in self.fields)

    def __len__(self):
        return len(self.redshift)

    def __getitem__(self, key):
        rows = row_indices(key, len(self))
        return self._trusted({name: getattr(self, name)[rows] for name in self.fields})

    def __iter__(self):
        return (self[i] for i in range(len(self)))

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "A ClusterSample is not a table of numbers. What needs one comes after a step "
            "that takes the sample, as in make_pipeline(ProxyMeasurer(), Ridge()). "
            "BaggingRegressor, AdaBoostRegressor and permutation_importance turn X into a "
            "table before they pass it to a pipeline: give them "
            "ProxyMeasurer().transform(sample), or a field such as np.asarray(sample.maps)."
        )

    def __sizeof__(self):
        # Dask sends an argument to each worker only once if it knows that it is large.
        return object.__sizeof__(self) + self.nbytes

    def assign(self, **values):
        """Return a new sample with fields added or replaced (None removes one)."""
        for name, about in ABOUT.items():
            if name in values:
                values.setdefault(about, None)  # it described the old ones
        redshift = values.pop("redshift", self.redshift)
        new = type(self)(redshift, **values)
        if len(new) != len(self):
            raise ValueError(
                f"redshift holds {counted(len(new), 'cluster')}, but the sample holds "
                f"{len(self)}."
            )
        kept = {name: getattr(self, name) for name in self.fields if name not in values}
        added = {name: getattr(new, name) for name in ("redshift", *values)}
        return self._trusted({**kept, **added})

    def drop(self, *names):
        """Return a new sample without the named fields."""
        known = {*FIELDS} - {"redshift"}
        if set(names) - known:
            raise ValueError(
                f"Cannot drop {sorted(set(names) - known)}; the fields are {sorted(known)}."
            )
        names += tuple(ABOUT[name] for name in names if name in ABOUT)
        return self._trusted(
            {name: getattr(self, name) for name in self.fields if name not in names}
        )

    def __repr__(self):
        return as_text(self._size(), self._summary())

    def _repr_html_(self):
        return as_html(self._size(), self._summary())

    def _size(self):
        return f"{counted(len(self), 'cluster')}, {self.nbytes / 2**20:.1f} MiB"

    def _summary(self):
        return {name: FIELDS[name].summary(getattr(self, name)) for name in self.fields}


ABOUT = {"cubes": "cube_extent", "maps": "map_exposure"}
"""Field -> another field that describes it, and so is dropped or replaced with it."""

FIELDS = descriptions_of(ClusterSample)
"""Name of each field of a sample -> its description, a `fields.Field`."""
