"""Read the lists of galaxies that a table of clusters names."""

import os
from functools import cache

from ..progress import Progress
from ..sample.lost_columns import warn_of_lost_columns
from .file_errors import UnreadableRows
from .galaxies import check_has_one_center, placing_columns, read_galaxies
from .tables import read_table

SHARED_RADIUS = 10.0  # comoving Mpc/h


def read_galaxy_lists(
    catalog, folder, cosmology, *, rows, shared, on_unreadable, verbose
):
    """Return the galaxies of each row of a table; None where there is no list.

    Parameters
    ----------
    catalog : dict of ndarray
        Columns of these rows by our names.
    folder : Path
        Where the paths of the lists start.
    rows : ndarray of shape (n_clusters,)
        Numbers of the rows in the table, for messages.
    shared : dict of Path to int
        Lists that serve several clusters, which get the galaxies near to them, and how
        many rows of the table name each.
    cosmology, on_unreadable, verbose : as in `read_sample`

    Returns
    -------
    galaxies : list of dict of ndarray, or None
        None if no row has a list.
    """
    tables = cache(read_table)
    sky = zip(catalog.get("ra", ()), catalog.get("dec", ()), strict=False)
    centers: list = list(sky) or [None] * len(rows)
    unreadable = UnreadableRows("galaxies", catalog, rows, on_unreadable)
    found = [None] * len(rows)
    with Progress("read galaxies", len(found), verbose=verbose) as progress:
        for i, path in enumerate(catalog["galaxies"]):
            progress.update()
            if not str(path):
                continue
            path = folder / os.fsdecode(path)
            try:
                check_has_one_center(tables(path), shared.get(path, 1))
                found[i] = read_galaxies(
                    tables(path),
                    center=centers[i],
                    redshift=catalog["redshift"][i],
                    cosmology=cosmology,
                    radius_max=SHARED_RADIUS if path in shared else None,
                )
            except (OSError, ValueError) as error:
                unreadable.add(i, path, error)
    unreadable.report(sum(table is not None for table in found))
    return with_common_columns(found, unreadable.name)


def with_common_columns(tables, label):
    """Reduce tables to their common columns; None becomes a table without rows.

    A warning tells of columns that are lost, but for those that have become x, y, v.

    Parameters
    ----------
    tables : list of dict of ndarray, or None
    label : callable
        Function that names the row of a table, for the warning.
    """
    read = [table for table in tables if table is not None]
    if not read:
        return None
    names = [
        None if table is None else {*table} - placing_columns([*table])
        for table in tables
    ]
    warn_of_lost_columns(names, label, stacklevel=6)
    common = set.intersection(*map(set, read))
    rows = [slice(0) if table is None else slice(None) for table in tables]
    return [
        {name: (table or read[0])[name][r] for name in read[0] if name in common}
        for table, r in zip(tables, rows, strict=True)
    ]
