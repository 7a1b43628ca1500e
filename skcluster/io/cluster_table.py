"""A table of clusters, whose columns are read at once and whose lists by rows."""

import copy
import os
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from ..sample import ClusterSample
from ..sample.plain_arrays import is_path
from .cluster_columns import (
    LISTS,
    check_redshifts,
    columns_of_strings,
    find_columns,
    read_columns,
)
from .file_errors import error_names_file
from .galaxies import PHASE_SPACE
from .galaxy_lists import read_galaxy_lists
from .gaps import Gaps, without_unused
from .photon_lists import PhotonLists
from .tables import column_with_gaps, read_table


class ClusterTable:
    """Table with one row per cluster, from which the lists of some rows can be read.

    Parameters
    ----------
    table, directory, cosmology, columns, events, aperture, drop_duplicates, \
photon_options, exposure_keyword, table_hdu, verbose
        See `read_sample`.
    bands : sequence of (low, high), default=None
        Bands in which photons will be counted [keV]. Rows whose images of counts do not
        fill them cannot be read. None accepts images of any bands.
    unused : iterable of str, default=None
        Columns by our names that will not be used, and are left out if they have gaps. A
        row with a gap in another column is then like one whose list cannot be read. None
        refuses a table with gaps.

    Attributes
    ----------
    catalog : dict of ndarray
        Columns of the sample, under our names; lists are paths.
    photons : PhotonLists or None
        Photon lists of the rows.
    others : Bunch
        The table's other columns.
    folder : Path
        Where the paths of the lists start.
    rows : ndarray of shape (n_clusters,)
        Numbers of the rows in the table, for messages.
    has_galaxies : bool
        Whether clusters without a list of galaxies get an empty one.
    gaps : Gaps or None
        None if the table must be complete.

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
        columns=None,
        events=None,
        aperture=None,
        drop_duplicates=False,
        photon_options=None,
        exposure_keyword=None,
        table_hdu=None,
        bands=None,
        unused=None,
        verbose=0,
    ):
        self.source = table if is_path(table) else None
        self.folder = _folder_of(table) if directory is None else _path(directory)
        self.cosmology = cosmology
        self.exposure_keyword, self.gaps = exposure_keyword, None
        strings = columns_of_strings(columns)
        table = read_table(table, strings=strings, hdu=table_hdu)
        with error_names_file(self.source):
            found, units = find_columns(
                table.colnames, columns, with_events=events is not None
            )
            if "redshift" not in (columns or {}):
                check_redshifts(table, found)
            if unused is not None:
                found = without_unused(table, found, unused)
                self.gaps = Gaps(table, found)
                table = self.gaps.filled(table, found)
            self.catalog = read_columns(
                table, found, units, cosmology=cosmology, verbose=verbose
            )
            others = _other_columns(table, found)
        self.others = _bunch_of(others)
        self.rows = np.arange(len(self.catalog["redshift"]))
        self.photons = self._photon_lists(
            bands,
            events=events,
            aperture=aperture,
            drop_duplicates=drop_duplicates,
            photon_options=photon_options,
        )
        # Of the complete table, so that a part of it is read as with all of it.
        galaxies = self.catalog.get("galaxies", np.array([], str))
        self.has_galaxies = bool((galaxies != "").any())
        self._shared = _repeated(galaxies)

    def _photon_lists(self, bands, **options):
        """Return the photon lists, and let the catalog know the radius of apertures."""
        if options["events"] is None and "photons" not in self.catalog:
            options["exposure_keyword"] = self.exposure_keyword
            given = [
                name
                for name, value in options.items()
                if value not in (None, False, {})
            ]
            if given:
                raise ValueError(
                    f"{given[0]}={options[given[0]]!r} needs photon lists, but the table "
                    "has no column photons. Add it, or give events."
                )
            return None
        if self.exposure_keyword is not None and "exposure" in self.catalog:
            raise ValueError(
                "The table has a column exposure, so exposure_keyword="
                f"{self.exposure_keyword!r} changes nothing. Leave one of them out."
            )
        with error_names_file(self.source):
            photons = PhotonLists(
                *(self.catalog, self.folder, self.cosmology),
                **options,
                bands=bands,
                gaps=self.gaps,
            )
        if photons.angles is not None:
            field = self.catalog.get("field_radius", np.inf)
            self.catalog["field_radius"] = np.minimum(photons.angles, field)
        return photons

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, rows):
        """Return the table of some of its rows, which a slice or an index array selects."""
        part = copy.copy(self)
        part.rows = self.rows[rows]
        part.catalog = {name: column[rows] for name, column in self.catalog.items()}
        others = {name: column[rows] for name, column in self.others.items()}
        part.others = _bunch_of(others)
        if self.photons is not None:
            part.photons = self.photons[rows]
        if self.gaps is not None:
            part.gaps = self.gaps[rows]
        return part

    def without_lists(self):
        """Return the sample without photons and galaxies, whose lists stay closed."""
        with error_names_file(self.source):
            return ClusterSample.from_table(self.catalog)

    def files(self):
        """Return the paths of all lists, those of a row together; "" where it has none."""
        files: list[list[str]] = [[] for _ in self.rows]
        for i, row in enumerate(files):
            if self.photons is not None:
                row += map(str, self.photons.paths[i])
            if "galaxies" in self.catalog:
                path = self.catalog["galaxies"][i]
                row.append(str(self.folder / os.fsdecode(path)) if str(path) else "")
        return files

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
        catalog, lists = {**self.catalog}, dict.fromkeys(LISTS)
        reports = {"on_unreadable": on_unreadable, "verbose": verbose}
        if self.photons is not None:
            lists["photons"] = self.photons.read(
                **reports, with_exposures=self.exposure_keyword is not None
            )
            if self.exposure_keyword is not None:
                catalog["exposure"] = self.photons.read_exposures(
                    self.exposure_keyword, on_unreadable=on_unreadable
                )
        if self.has_galaxies and "galaxies" in catalog:
            lists["galaxies"] = read_galaxy_lists(
                catalog,
                self.folder,
                self.cosmology,
                rows=self.rows,
                shared={self.folder / path: n for path, n in self._shared.items()},
                **reports,
            )
        if self.has_galaxies and lists["galaxies"] is None:
            none = {name: np.zeros(0) for name in PHASE_SPACE}
            lists["galaxies"] = [none] * len(self)
        with error_names_file(self.source):
            return ClusterSample.from_table(catalog, **lists)


def _other_columns(table, found):
    """Return the columns of a table that are not among those found, by their names."""
    names = [name for name in table.colnames if name not in found.values()]
    return {name: column_with_gaps(table, name) for name in names}


def _bunch_of(columns):
    # Not by keywords: a column may be named self.
    bunch = Bunch()
    bunch.update(columns)
    return bunch


def _path(path):
    return Path(os.fsdecode(path))


def _folder_of(table):
    return _path(table).parent if is_path(table) else Path()


def _repeated(paths):
    """Return the paths that are there more than once, and how often each is."""
    times = zip(*np.unique(paths, return_counts=True), strict=True)
    return {os.fsdecode(path): int(n) for path, n in times if n > 1}
