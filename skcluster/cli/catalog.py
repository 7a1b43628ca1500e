"""Clusters of the command line, whose lists are read part by part."""

import re
from argparse import Namespace
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from ..io.kept_arrays import array_state, file_state
from ..printable import printable
from .field import with_field_where_observed
from .new_clusters import ABOUT, cluster_table, one_cluster
from .option_names import line_about


class Catalog:
    """Names and redshifts of all clusters; their lists stay closed until `Part.read`.

    Parameters
    ----------
    arguments : Namespace
        Result of a parser with `add_cluster_options`.
    mapper : PhotonMapper or PhotonFeaturizer
        What sees the photons; its cosmology places galaxies given as ``ra``, ``dec``,
        ``z``.
    unused : iterable of str, default=()
        Columns that the model makes no use of: gaps in them cost no mass.

    Attributes
    ----------
    names : ndarray of str of shape (n_clusters,)
        Numbers, if the tables have no names.
    redshift : ndarray of shape (n_clusters,)
        NaN where the table has none.
    stems : list of str
        Names of files about the clusters, without their endings.
    sample : ClusterSample
        All clusters without their lists.
    has_galaxies : bool
    """

    def __init__(self, arguments, mapper, unused=()):
        from .. import ClusterSample

        self.arguments = arguments
        missing = [f"--{name}" for name in ABOUT if getattr(arguments, name) is None]
        if len(missing) < len(ABOUT):
            self.tables = []
            self._one = one_cluster(arguments, missing, mapper)
            self.sample = self._one.drop("photons")
            self.has_galaxies = self._one.galaxies is not None
        else:
            _refuse_options_of_one_list(arguments)
            self._one = None
            self.tables = [
                cluster_table(path, arguments, mapper, unused=unused)
                for path in arguments.photons
            ]
            self.has_galaxies = any(table.has_galaxies for table in self.tables)
            for table in self.tables:
                table.has_galaxies = self.has_galaxies
            samples = [table.without_lists() for table in self.tables]
            _check_all_have_exposures(samples, arguments.photons)
            self.sample = ClusterSample.concatenate(samples)
        self.redshift = self.sample.redshift.copy()
        if self.tables:
            known = [table.gaps.has_redshift for table in self.tables]
            self.redshift[~np.concatenate(known)] = np.nan
        self.names = np.arange(len(self)).astype(str)
        if self.sample.name is not None:
            self.names = self.sample.name
        self.stems = _stems(self.sample, arguments)

    def __len__(self):
        return len(self.sample)

    def parts(self, rows, n_clusters):
        """Cut a range of rows into parts of at most `n_clusters` clusters."""
        starts = range(rows.start, rows.stop, n_clusters)
        ends = [*starts[1:], rows.stop][: len(starts)]
        verbose = int(len(starts) == 1)
        return [
            self.part(range(i, j), verbose) for i, j in zip(starts, ends, strict=True)
        ]

    def part(self, rows, verbose=0):
        """Return a part with some of the clusters, in their order."""
        tables, first = [], 0
        for table in self.tables:
            last = first + len(table)
            start, stop = max(rows.start, first), min(rows.stop, last)
            if start < stop:
                tables.append(table[start - first : stop - first])
            first = last
        chosen = slice(rows.start, rows.stop)
        return Part(
            rows=rows,
            names=self.names[chosen],
            redshift=self.redshift[chosen],
            stems=self.stems[chosen],
            tables=tables,
            one=self._one,
            fields=self.sample.fields,
            arguments=self.arguments,
            verbose=verbose,
        )

    def files(self):
        """Return the paths of all files that are read for the clusters."""
        lists = {path for table in self.tables for row in table.files() for path in row}
        given = [*self.arguments.photons, *filter(None, [self.arguments.galaxies])]
        return [*given, *_images(self.arguments), *sorted(lists - {""})]

    def description(self):
        """Describe what sets the clusters, except for options and the content of lists."""
        return {
            "catalogs": [
                {name: array_state(column) for name, column in table.catalog.items()}
                for table in self.tables
            ],
            "gaps": [table.gaps.lacking.tolist() for table in self.tables],
            "has_galaxies": self.has_galaxies,
            "images": [*map(file_state, _images(self.arguments))],
        }


def _images(arguments):
    """Return the paths of all images of the field."""
    return [*(arguments.exposure_map or ()), *filter(None, [arguments.mask])]


def _stems(sample, arguments):
    """Return the stems of the files about all clusters.

    The cluster of an event list is named for that file.
    """
    from ..io.samples import file_stems

    if arguments.redshift is not None:
        name = re.sub(r"\.(fits?|evt)(\.gz)?$", "", Path(arguments.photons[0]).name)
        sample = sample.assign(name=[name])
    return file_stems(sample)


def _refuse_options_of_one_list(arguments):
    for name, what in (
        ("galaxies", "names its lists"),
        ("exposure", "has the numbers"),
    ):
        if getattr(arguments, name) is not None:
            raise ValueError(
                f"--{name} is for the cluster in one event list, with --redshift, --ra "
                f"and --dec. A table {what} in a column {name}."
            )


def _check_all_have_exposures(samples, paths):
    """Refuse exposures that only some tables have: `concatenate` names no tables."""
    has = [sample.exposure is not None for sample in samples]
    if any(has) and not all(has):
        first, other = paths[has.index(True)], paths[has.index(False)]
        raise ValueError(
            f"{printable(first)} has the column exposure, but {printable(other)} does not "
            f"({sum(has)} of {len(has)} tables have it), so their counts cannot be "
            "compared. Add the column, in seconds, or give these tables one at a time."
        )


@dataclass(frozen=True)
class Part:
    """Some clusters, few enough to be held in memory; it can be sent to other processes.

    Attributes
    ----------
    rows : range
        Numbers of the clusters in the `Catalog`.
    names, redshift : ndarray
    stems : list of str
    tables : list of ClusterTable
        Rows of the tables; empty for one event list.
    one : ClusterSample or None
        The cluster of one event list.
    fields : tuple of str
        What all tables have, besides lists.
    arguments : Namespace
    verbose : int
        Whether reading shows its progress.
    """

    rows: range
    names: np.ndarray
    redshift: np.ndarray
    stems: list
    tables: list
    one: object
    fields: tuple
    arguments: Namespace
    verbose: int = 0

    def __len__(self):
        return len(self.rows)

    def singles(self):
        """Return a part for each cluster."""
        tables = [table[[i]] for table in self.tables for i in range(len(table))]
        return [
            replace(
                self,
                rows=self.rows[i : i + 1],
                names=self.names[i : i + 1],
                redshift=self.redshift[i : i + 1],
                stems=self.stems[i : i + 1],
                tables=tables[i : i + 1],
                verbose=0,
            )
            for i in range(len(self))
        ]

    def read(self):
        """Read the lists of the clusters.

        Returns
        -------
        sample : ClusterSample
        unread : dict of int to str
            Why a list cannot be read, by the number of its cluster in this part.
        """
        from .. import ClusterSample

        if self.one is not None:
            return self.one, {}
        samples, first = [], 0
        unread: dict[int, str] = {}
        for table in self.tables:
            errors: dict[int, Exception] = {}
            sample = table.read(on_unreadable=errors.setdefault, verbose=self.verbose)
            unread |= {
                first + i: line_about(error, self.arguments)
                for i, error in errors.items()
            }
            sample = sample.drop(*{*table.without_lists().fields} - {*self.fields})
            samples.append(with_field_where_observed(sample, self.arguments))
            first += len(table)
        return ClusterSample.concatenate(samples), unread

    def path_of(self, i):
        """Return the path of the table that names cluster i of this part."""
        for table in self.tables:
            if i < len(table):
                return table.source
            i -= len(table)
        return self.arguments.photons[0]

    def states(self):
        """Describe the files of the lists, as far as it shows whether they changed."""
        return [
            [file_state(path) for path in row if path]
            for table in self.tables
            for row in table.files()
        ]
