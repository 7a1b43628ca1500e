"""Read the lists of photons and galaxies that a table of clusters names."""

import os
from functools import cache, partial

import numpy as np

from ..printable import printable
from ..progress import Progress
from .galaxies import read_galaxies
from .photons import read_exposure, read_photons
from .tables import read_table

LISTS = ("photons", "galaxies")
SHARED_RADIUS = 10.0  # comoving Mpc/h


def read_lists(catalog, cosmology, photon_options, read_rows, *, shared):
    """Return the lists of photons and of galaxies that a catalog names, those it has.

    Parameters
    ----------
    catalog : dict of ndarray
        Columns of the table by our names.
    cosmology, photon_options : as in `read_sample`
    read_rows : callable
        `read_list_of_each_row`, but for its first two parameters.
    shared : set of Path
        Lists of galaxies that serve several clusters, which get those near to them.
    """
    photons = cache(partial(read_photons, **(photon_options or {})))
    tables = cache(read_table)
    centers = zip(catalog.get("ra", ()), catalog.get("dec", ()), strict=False)
    centers = list(centers) or [None] * len(catalog["redshift"])

    def galaxies(i, path):
        return read_galaxies(
            tables(path),
            center=centers[i],
            redshift=catalog["redshift"][i],
            cosmology=cosmology,
            radius_max=SHARED_RADIUS if path in shared else None,
        )

    readers = {"photons": lambda i, path: photons(path), "galaxies": galaxies}
    found = {
        field: _with_common_columns(read_rows(field, read))
        for field, read in readers.items()
        if field in catalog
    }
    return {field: lists for field, lists in found.items() if lists is not None}


def read_exposures(catalog, keyword, read_rows):
    """Read the exposure of each row from the header of its photon list."""
    if "exposure" in catalog:
        raise ValueError(
            f"The table has a column exposure, so exposure_keyword={keyword!r} changes "
            "nothing. Leave one of them out."
        )
    if "photons" not in catalog:
        raise ValueError(
            f"exposure_keyword={keyword!r} needs photon lists, but the table has no column "
            "photons."
        )
    read = cache(partial(read_exposure, keyword=keyword))
    exposures = read_rows("photons", lambda i, path: read(path))
    # A sample has no gaps: those of lists that cannot be read are filled.
    known = [exposure for exposure in exposures if exposure is not None]
    return [np.median(known) if each is None else each for each in exposures]


def read_list_of_each_row(
    field, read, *, catalog, folder, rows, on_unreadable, verbose
):
    """Read one list per row, and name row and cluster in errors.

    Parameters
    ----------
    field : {"photons", "galaxies"}
    read : callable
        Function of row and path.
    catalog : as in `read_lists`
    folder : Path
        Where the paths of the lists start.
    rows : ndarray of shape (n_clusters,)
        Numbers of the rows in the table, for messages.
    on_unreadable, verbose : as in `read_sample`

    Returns
    -------
    found : list
        What `read` returns; None where the path is empty or the list cannot be read.
    """
    n_clusters = len(catalog["redshift"])
    names = catalog.get("name", np.full(n_clusters, "without a name"))
    found, errors = [None] * n_clusters, {}
    with Progress(f"read {field}", n_clusters, verbose=verbose) as progress:
        for i, path in enumerate(catalog[field]):
            progress.update()
            if not str(path):
                continue
            path = folder / os.fsdecode(path)
            try:
                found[i] = read(i, path)
            except (OSError, ValueError) as error:
                kinds = (FileNotFoundError, OSError, ValueError)
                kind = next(kind for kind in kinds if isinstance(error, kind))
                errors[i] = kind(
                    f"The {field} of row {rows[i]} (cluster {printable(names[i])}) "
                    f"cannot be read from {printable(path)}. {error}"
                )
                if on_unreadable is None:
                    raise errors[i] from error
    if errors and all(each is None for each in found):
        raise next(iter(errors.values()))
    for i, error in errors.items():
        on_unreadable(i, error)
    return found


def _with_common_columns(tables):
    """Reduce tables to their common columns; None becomes a table without rows."""
    read = [table for table in tables if table is not None]
    if not read:
        return None
    common = set.intersection(*map(set, read))
    rows = [slice(0) if table is None else slice(None) for table in tables]
    return [
        {name: (table or read[0])[name][r] for name in read[0] if name in common}
        for table, r in zip(tables, rows, strict=True)
    ]
