"""Tables of unequal length, one per cluster, stored as flat columns and offsets."""

import numpy as np

from ..printable import all_of
from .lost_columns import warn_of_lost_columns
from .plain_arrays import (
    LIST_COLUMNS,
    column_names,
    columns_of,
    is_one_row_of_vectors,
    is_table,
    joined,
    plain_array,
    read_only,
    read_only_columns,
    shape_of,
    with_sky_columns,
)
from .row_index import row_indices

ROWS_PER_BLOCK = 200_000


def _one_value_columns(table, needed):
    """Return the names of a table's columns that hold one value per row."""
    shapes = {name: shape_of(table[name]) for name in column_names(table)}
    if is_one_row_of_vectors(shapes.values()):
        return [*shapes]
    return [
        name
        for name, shape in shapes.items()
        if name in needed or len(shape) < 2 or shape[1:] == (1,)
    ]


class Ragged:
    """One table per cluster, each with its own number of rows.

    Parameters
    ----------
    columns : dict of str to array-like of shape (n_rows,)
        Rows of all clusters, one cluster after the other.
    offsets : array-like of shape (n_clusters + 1,)
        Cluster i owns the rows ``offsets[i]`` to ``offsets[i + 1]``.

    Attributes
    ----------
    columns : mapping of str to ndarray
        A read-only mapping of read-only arrays.
    offsets : ndarray of int64
    lengths : ndarray of shape (n_clusters,)
        Rows of each cluster.
    cluster : ndarray of shape (n_rows,)
        Cluster number of each row, for sums over clusters without a loop.

    Examples
    --------
    >>> photons = Ragged({"energy": [1.0, 2.0, 0.7]}, offsets=[0, 2, 2, 3])
    >>> photons.lengths
    array([2, 0, 1])
    >>> photons["energy"]
    array([1. , 2. , 0.7])
    >>> photons[[2, 0]]["energy"]
    array([0.7, 1. , 2. ])
    >>> photons.sum(photons["energy"] > 0.9)
    array([2., 0., 0.])
    """

    def __init__(self, columns, offsets):
        offsets = plain_array(offsets, "offsets", "offsets")
        if offsets.dtype.kind not in "iu" and offsets.size:
            raise ValueError(f"Offsets must be integers, got {offsets}.")
        self._store(
            {
                name: plain_array(
                    column, f"Column {name!r}", name if name in LIST_COLUMNS else ""
                )
                for name, column in columns.items()
            },
            np.array(offsets, np.int64),
        )
        if (
            self.offsets.ndim != 1
            or len(self.offsets) == 0
            or self.offsets[0] != 0
            or (np.diff(self.offsets) < 0).any()
        ):
            raise ValueError("Offsets must be 1-d, start at 0 and never decrease.")
        for name, column in self.columns.items():
            if column.shape != (self.offsets[-1],):
                raise ValueError(
                    f"Column {name!r} has shape {column.shape}, but the offsets end "
                    f"at {self.offsets[-1]}."
                )

    @classmethod
    def _trusted(cls, columns, offsets):
        ragged = object.__new__(cls)
        ragged._store(columns, offsets)
        return ragged

    def _store(self, columns, offsets):
        self.columns = read_only_columns(columns)
        self.offsets = read_only(offsets)

    # A mapping that cannot be changed cannot be pickled, and numpy forgets that an array
    # was read-only.
    def __getstate__(self):
        return {"columns": dict(self.columns), "offsets": self.offsets}

    def __setstate__(self, state):
        self._store(**state)

    @classmethod
    def from_tables(cls, tables, *, needed=()):
        """Join one table per cluster: dicts, structured arrays, astropy Tables, data
        frames of pandas or polars, or pyarrow Tables. Columns with an astropy unit are
        converted, and those of several values per row are left out. None is a table
        without rows.

        Parameters
        ----------
        tables : list of tables or None
        needed : sequence of str, default=()
            Columns that may not be left out, and alone have their units converted; by
            default those of photons and galaxies are.

        Examples
        --------
        >>> Ragged.from_tables([{"v": [1.0, 2.0]}, {"v": [3.0]}]).lengths
        array([2, 1])
        """
        if is_table(tables):
            raise TypeError(
                "Give a list with one table per cluster, got one table "
                f"({type(tables).__name__}). If it holds the rows of all clusters, give "
                "it to ClusterSample.from_table."
            )
        if not np.iterable(tables):
            raise TypeError(
                f"Give a list with one table per cluster, got {type(tables).__name__}."
            )
        tables = [with_sky_columns(table) for table in tables]
        if not tables:
            raise ValueError("No table was given: a sample needs at least 1 cluster.")
        given = [i for i, table in enumerate(tables) if table is not None]
        if not given:
            raise ValueError(
                f"{all_of(len(tables), 'table is', 'tables are')} None: leave them out."
            )
        names = _one_value_columns(tables[given[0]], needed)
        with_unit = needed or LIST_COLUMNS
        read = {
            i: columns_of(tables[i], names, f"cluster {i}", with_unit) for i in given
        }
        none = {name: column[:0] for name, column in read[given[0]].items()}
        parts = [read.get(i, none) for i in range(len(tables))]
        more = {name for i in given for name in column_names(tables[i])} - {*names}
        if more - {*column_names(tables[given[0]])}:
            columns_each = [
                None if i not in read else {*_one_value_columns(tables[i], needed)}
                for i in range(len(tables))
            ]
            warn_of_lost_columns(columns_each)
        columns = {name: joined(name, [part[name] for part in parts]) for name in names}
        lengths = [len(part[names[0]]) for part in parts]
        return cls(columns, np.concatenate([[0], np.cumsum(lengths)]))

    @classmethod
    def empty(cls, columns, n_clusters):
        """Return tables without rows, with columns of the same names and types.

        Examples
        --------
        >>> Ragged.empty({"v": np.array([1.0])}, 2).lengths
        array([0, 0])
        """
        columns = {name: column[:0] for name, column in columns.items()}
        return cls(columns, np.zeros(int(n_clusters) + 1, int))

    @classmethod
    def from_long_table(cls, table, n_clusters, key="cluster", *, needed=()):
        """Split one table by a column of cluster numbers 0 … n_clusters - 1.

        Parameters
        ----------
        table : table of any kind
            Columns of several values per row are left out.
        n_clusters : int
        key : str, default="cluster"
            Column of the numbers.
        needed : sequence of str, default=()
            Columns that may not be left out, and alone have their units converted; by
            default those of photons and galaxies are.

        Examples
        --------
        >>> table = {"cluster": [1, 0, 1], "v": [30.0, 10.0, 20.0]}
        >>> Ragged.from_long_table(table, 2)["v"]
        array([10., 30., 20.])
        """
        needed, table = tuple(needed), with_sky_columns(table)
        names = [n for n in _one_value_columns(table, (key, *needed)) if n != key]
        with_unit = needed or LIST_COLUMNS
        columns = columns_of(table, [key, *names], "all clusters", with_unit)
        cluster = columns.pop(key)
        if cluster.dtype.kind not in "iu" and len(cluster):
            raise ValueError(f"The column {key!r} must hold integers, got {cluster}.")
        if len(cluster) and not 0 <= cluster.min() <= cluster.max() < n_clusters:
            raise ValueError(
                f"The column {key!r} runs from {cluster.min()} to {cluster.max()}, but "
                f"there are {n_clusters} clusters, counted from 0."
            )
        order = np.argsort(cluster, kind="stable")
        columns = {name: column[order] for name, column in columns.items()}
        lengths = np.bincount(cluster.astype(np.intp), minlength=int(n_clusters))
        return cls(columns, np.concatenate([[0], np.cumsum(lengths)]))

    @classmethod
    def concatenate(cls, parts):
        """Join the clusters of several Ragged; all must have the same columns."""
        parts = list(parts)
        names = set(parts[0].columns)
        for part in parts:
            if set(part.columns) != names:
                raise ValueError(
                    f"Cannot join tables with columns {sorted(names)} and "
                    f"{sorted(part.columns)}."
                )
        columns = {
            name: joined(name, [part.columns[name] for part in parts])
            for name in parts[0].columns
        }
        lengths = np.concatenate([part.lengths for part in parts])
        return cls._trusted(columns, np.concatenate([[0], np.cumsum(lengths)]))

    def __len__(self):
        return len(self.offsets) - 1

    def __contains__(self, name):
        return name in self.columns

    def __getitem__(self, key):
        if isinstance(key, str):
            if key not in self.columns:
                raise KeyError(f"No column {key!r}; there are {list(self.columns)}.")
            return self.columns[key]
        rows = row_indices(key, len(self))
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return self._view(start, max(start, stop))
            rows = np.arange(start, stop, step)
        return self._gather(rows)

    def _view(self, start, stop):
        low, high = self.offsets[start], self.offsets[stop]
        columns = {name: column[low:high] for name, column in self.columns.items()}
        return self._trusted(columns, self.offsets[start : stop + 1] - low)

    def _gather(self, clusters):
        offsets = np.concatenate([[0], np.cumsum(self.lengths[clusters])])
        if len(clusters) == 0:
            return self._trusted({k: v[:0] for k, v in self.columns.items()}, offsets)
        # Runs of consecutive clusters are copied, which is faster than picking rows.
        breaks = np.flatnonzero(np.diff(clusters) != 1) + 1
        first = clusters[np.concatenate([[0], breaks])]
        last = clusters[np.concatenate([breaks - 1, [-1]])]
        low, high = self.offsets[first].tolist(), self.offsets[last + 1].tolist()
        runs = [slice(*run) for run in zip(low, high, strict=True)]
        columns = {
            name: np.concatenate([column[run] for run in runs])
            for name, column in self.columns.items()
        }
        return self._trusted(columns, offsets)

    @property
    def lengths(self):
        return np.diff(self.offsets)

    @property
    def cluster(self):
        return np.repeat(np.arange(len(self)), self.lengths)

    @property
    def nbytes(self):
        columns = sum(column.nbytes for column in self.columns.values())
        return columns + self.offsets.nbytes

    def sum(self, weights):
        """Sum over each cluster's rows of one value per row.

        Parameters
        ----------
        weights : array-like of shape (n_rows,)

        Returns
        -------
        total : ndarray of shape (n_clusters,)
        """
        return np.bincount(self.cluster, weights, minlength=len(self))

    def table(self, i):
        """Columns of cluster i, as a dict of arrays."""
        return dict(self[int(i)].columns)

    def blocks(self, n_rows=None):
        """Yield slices of consecutive clusters with about 200,000 (or `n_rows`) rows each.

        A computation on one block at a time stays in the processor's cache, and its
        memory does not grow with the survey.

        Examples
        --------
        >>> list(Ragged({"v": [1.0, 2.0, 3.0]}, [0, 2, 2, 3]).blocks(2))
        [slice(0, 2, None), slice(2, 3, None)]
        """
        start = 0
        while start < len(self):
            limit = self.offsets[start] + (n_rows or ROWS_PER_BLOCK)
            stop = int(np.searchsorted(self.offsets, limit, side="right")) - 1
            yield slice(start, max(stop, start + 1))
            start = max(stop, start + 1)

    def select(self, rows):
        """Return a Ragged with only the rows where a boolean array is true."""
        rows = np.asarray(rows)
        if rows.dtype != bool or rows.shape != (self.offsets[-1],):
            raise IndexError(
                f"Rows are selected by one boolean per row ({self.offsets[-1]}), got "
                f"{rows.dtype} of shape {rows.shape}."
            )
        columns = {name: column[rows] for name, column in self.columns.items()}
        kept = np.concatenate([[0], np.cumsum(rows)])
        return self._trusted(columns, kept[self.offsets])

    def assign(self, **columns):
        """Return a Ragged with columns added or replaced."""
        return Ragged({**self.columns, **columns}, self.offsets)
