"""A table of clusters: its columns at once, its lists for the rows that are wanted."""

import copy
import os
from functools import partial
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..sample import FIELDS, ClusterSample
from ..sample.fields import Numbers
from ..sample.plain_arrays import find_column
from .file_errors import error_names_file
from .galaxies import PHASE_SPACE
from .sample_lists import LISTS, read_exposures, read_list_of_each_row, read_lists
from .tables import column_with_gaps, complete_column, listed, read_table

COLUMNS = {name: field for field in FIELDS.values() for name in field.columns}
"""Columns of a table of clusters -> description of the field that they belong to."""

UNIT_ROWS = {
    name: row
    for field in FIELDS.values()
    for name, row in zip(field.columns, field.unit_rows, strict=False)
}
"""Columns of a table of clusters -> rows of the table of units."""


class ClusterTable:
    """Table with one row per cluster, from which the lists of some rows can be read.

    Parameters
    ----------
    table, directory, cosmology, photon_options, exposure_keyword
        See `read_sample`.

    Attributes
    ----------
    catalog : dict of ndarray
        Columns of the sample, under our names; lists are paths.
    others : Bunch
        The table's other columns.
    folder : Path
        Where the paths of the lists start.
    rows : ndarray of shape (n_clusters,)
        Numbers of the rows in the table, for messages.

    Examples
    --------
    >>> table = ClusterTable({"z": [0.1, 0.3, 0.2], "name": ["A1", "A2", "A3"]})
    >>> len(table), table[1:].read().name
    (3, array(['A2', 'A3'], dtype='<U2'))
    """

    def __init__(
        self,
        table,
        *,
        directory=None,
        cosmology="WMAP7",
        photon_options=None,
        exposure_keyword=None,
    ):
        self.source = table if _is_path(table) else None
        self.folder = _folder_of(table) if directory is None else _path(directory)
        self.cosmology = cosmology
        self.photon_options = photon_options
        self.exposure_keyword = exposure_keyword
        table = read_table(table)
        with error_names_file(self.source):
            columns = _sample_columns(table.colnames)
            self.catalog = {
                name: _read_column(table, column, name)
                for name, column in columns.items()
            }
            others = {
                name: column_with_gaps(table, name)
                for name in table.colnames
                if name not in columns.values()
            }
        self.others = _bunch_of(others)
        self.rows = np.arange(len(self.catalog["redshift"]))
        # Of the complete table, so that a part of it is read as with all of it.
        galaxies = self.catalog.get("galaxies", np.array([], str))
        self._has_galaxies = bool((galaxies != "").any())
        self._shared = _repeated(galaxies)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        """Return the table of some of its rows, which a slice or an index array selects."""
        part = copy.copy(self)
        part.rows = self.rows[rows]
        part.catalog = {name: column[rows] for name, column in self.catalog.items()}
        others = {name: column[rows] for name, column in self.others.items()}
        part.others = _bunch_of(others)
        return part

    def without_lists(self):
        """Return the sample without photons and galaxies, whose lists stay closed."""
        with error_names_file(self.source):
            return ClusterSample.from_table(self.catalog)

    def files(self):
        """Return the paths of all lists, those of a row together; "" where it has none."""
        paths = [self.catalog[name] for name in LISTS if name in self.catalog]
        return [
            [str(self.folder / os.fsdecode(path)) if str(path) else "" for path in row]
            for row in zip(*paths, strict=True)
        ]

    def read(self, *, on_unreadable=None, verbose=0):
        """Read the lists of all rows, and return the sample.

        Parameters
        ----------
        on_unreadable, verbose
            See `read_sample`; rows are counted in this table.

        Returns
        -------
        sample : ClusterSample
        """
        catalog = {**self.catalog}
        read_rows = partial(
            read_list_of_each_row,
            catalog=catalog,
            folder=self.folder,
            rows=self.rows,
            on_unreadable=on_unreadable,
            verbose=verbose,
        )
        lists = read_lists(
            catalog,
            self.cosmology,
            self.photon_options,
            read_rows,
            shared={self.folder / path for path in self._shared},
        )
        if self._has_galaxies:
            none = {name: np.zeros(0) for name in PHASE_SPACE}
            lists.setdefault("galaxies", [none] * len(self))
        if self.exposure_keyword is not None:
            catalog["exposure"] = read_exposures(
                catalog, self.exposure_keyword, read_rows
            )
        with error_names_file(self.source):
            return ClusterSample.from_table(catalog, **lists)


def _bunch_of(columns):
    # Not by keywords: a column may be named self.
    bunch = Bunch()
    bunch.update(columns)
    return bunch


def _is_path(table):
    return isinstance(table, str | bytes | os.PathLike)


def _path(path):
    return Path(os.fsdecode(path))


def _folder_of(table):
    return _path(table).parent if _is_path(table) else Path()


def _repeated(paths):
    """Return the paths that are there more than once."""
    paths, times = np.unique(paths, return_counts=True)
    return {os.fsdecode(path) for path in paths[times > 1]}


def _sample_columns(names):
    """Map our names of the sample's columns to the names in the table."""
    found = {
        ours: theirs
        for field in FIELDS.values()
        for ours, theirs in zip(
            field.columns, field.columns_in(names) or (), strict=False
        )
    }
    found |= {name: find_column(names, name) for name in LISTS}
    if "redshift" not in found:
        z = find_column(names, "z")
        if z is None:
            raise ValueError(
                f"The table has no column redshift (or z); it has {listed(names)}."
            )
        if "z" in found:
            raise ValueError(
                "The column z of a table with x and y may be a redshift or a place in "
                "a box. Name the redshift 'redshift'."
            )
        found["redshift"] = z
    return {name: column for name, column in found.items() if column}


def _read_column(table, column, name):
    field = COLUMNS.get(name)
    if name == "galaxies" or (field is not None and field.may_be_empty):
        return column_with_gaps(table, column)
    is_text = field is None or not isinstance(field, Numbers)
    return complete_column(table, column, UNIT_ROWS.get(name), is_text=is_text)
