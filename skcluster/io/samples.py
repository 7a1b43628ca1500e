"""Read and write a sample as a folder: a table of clusters, and a photon list for each."""

import re
import warnings
from pathlib import Path

import numpy as np
from astropy.table import Table
from sklearn.utils import Bunch

from ..progress import Progress
from ..sample import FIELDS, ClusterSample
from ..sample.fields import Labels
from ..sample.lists import OF_THE_SKY
from ..sample.units import TABLE
from .atomic import check_is_free, files_written_together
from .cluster_columns import COLUMNS, KNOWN, LISTS, UNIT_ROWS
from .cluster_table import ClusterTable
from .fits_writing import fits_table, header_of, storable
from .photons import photon_table
from .table_writing import UNWRITABLE, check_strings

TABLE_NAME = "clusters.ecsv"


def read_sample(
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
    on_unreadable=None,
    verbose=0,
) -> tuple[ClusterSample, Bunch]:
    """Read a sample from a table with one row per cluster.

    Parameters
    ----------
    table : str, bytes, path-like or table
        A file is CSV (separated by commas, semicolons or tabs, in UTF-8, UTF-16 or
        Latin-1), ECSV, FITS, Parquet or VOTable. A table in memory is a dict, a
        structured array, an astropy Table, a data frame of pandas or polars, or a
        pyarrow Table. Of its columns, found in any case, only the first is needed:

        ================ ===============================================================
        redshift         or ``z``, if there are no ``x`` and ``y`` with it
        ra, dec          the cluster's center [deg]; also as catalogs spell them, such
                         as ``RAJ2000``, ``DEJ2000``
        photons          path of the photon list, or of an image of counts, see
                         `read_photons`; or paths of several, separated by semicolons
        hdu, energy_unit how the photon list of the row is read, see `read_photons`
        galaxies         path of the galaxy list, see `read_galaxies`; empty if there
                         is no spectroscopy
        r500c            comoving [Mpc/h]; a physical length such as kpc, or an angle, if
                         that is the column's unit: it is then converted
        x, y, z          position in a simulation box [comoving Mpc/h]
        field_radius     radius of a circular field of view [deg]
        exposure         effective exposure at the center [s]
        name             string
        group            label, equal for entries of one object
        ================ ===============================================================

    directory : str or Path, default=None
        Where relative paths start: by default the folder of the table, or the current
        one for a table in memory. Rows may share a file, which is then read once; each
        cluster gets those of its galaxies that are within 10 comoving Mpc/h, and those of
        its photons that are in its `aperture`.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Places galaxies that are given as ``ra``, ``dec``, ``z``, and converts R500c and
        `aperture`.
    columns : dict, default=None
        Which column holds what, where names differ from those above, with a unit after a
        colon if the column has none: ``{"redshift": "BEST_Z", "r500c": "R500:kpc",
        "exposure": "EXP"}``. Lengths without h, such as kpc, are physical: they are
        multiplied by (1 + z) h. ``ckpc`` and ``cMpc`` are comoving lengths without h.
    events : path-like or list of path-like, default=None
        Photon lists of all rows, such as the tiles of a survey, in place of a column.
        Relative paths start at the current folder.
    aperture : float, default=None
        Radius within which each cluster gets photons [comoving Mpc/h]. By default it is 4
        if rows share a list or there are `events`, and otherwise lists are taken complete.
        The sample remembers it as its `field_radius`.
    drop_duplicates : bool, default=False
        Count photons only once that are in several lists of a cluster, as where two tiles
        overlap: their places agree to 4 milliarcsec, and their energies exactly.
    photon_options : dict, default=None
        Parameters of `read_photons` for the photon lists, such as
        ``{"energy_unit": "eV"}``.
    exposure_keyword : str, default=None
        Keyword of the photon lists' headers that holds the exposure, such as
        ``"LIVETIME"``, in place of a column; see `read_exposure`. A cluster with several
        lists gets the exposure of one, which must be that of all: right for tiles side by
        side, and for cameras that run at the same time.
    table_hdu : int or str, default=None
        Number or name of the table of clusters in a FITS file that holds several.
    on_unreadable : callable, default=None
        Function of a row number and an error, called for each list that cannot be used; the
        cluster then has an empty list. None raises the error, as happens in any case if
        no list can be used.
    verbose : int, default=0
        If positive, count the lists on standard error, after two seconds, and say there
        how R500c is converted.

    Returns
    -------
    sample : ClusterSample
        Its lists keep only the columns that all clusters' lists have.
    others : Bunch
        The table's other columns (``log_mass`` …) as arrays, without their units; a
        gap is NaN or "".

    Raises
    ------
    ValueError
        A gap in a column of the sample, or a list that cannot be used; the message
        names row and cluster.

    Warns
    -----
    UserWarning
        Clusters have no photon in their aperture: they lie outside of their lists; or
        they have the same photons in several lists; or several observations of the same
        sky, of whose exposures only one is taken; or columns of lists are left out, because
        some lists lack them.

    Examples
    --------
    >>> catalog = {"z": [0.1, 0.3], "ra": [10.0, 20.0], "dec": [0.0, 5.0],
    ...            "log_mass": [14.1, 14.5]}
    >>> sample, others = read_sample(catalog)
    >>> sample.fields, others.log_mass
    (('redshift', 'center'), array([14.1, 14.5]))

    A catalog with its own names, and physical radii:

    >>> catalog = {"BEST_Z": [0.25], "RA": [10.0], "DEC": [0.0], "R500": [1000.0]}
    >>> names = {"redshift": "BEST_Z", "r500c": "R500:kpc"}
    >>> read_sample(catalog, columns=names)[0].r500c
    array([0.88])
    """
    found = ClusterTable(
        table,
        directory=directory,
        cosmology=cosmology,
        columns=columns,
        events=events,
        aperture=aperture,
        drop_duplicates=drop_duplicates,
        photon_options=photon_options,
        exposure_keyword=exposure_keyword,
        table_hdu=table_hdu,
        verbose=verbose,
    )
    return found.read(on_unreadable=on_unreadable, verbose=verbose), found.others


def write_sample(directory, sample, *, overwrite=False, verbose=0, **columns) -> Path:
    """Write a sample as a folder that `read_sample` reads back.

    The folder holds ``clusters.ecsv``, ``photons/NAME.fits`` and, if the sample has
    them, ``galaxies/NAME.fits``. Maps, cubes and coverage are not written, because they
    are made from these lists. Blanks around a name are removed.

    Parameters
    ----------
    directory : str or Path
        It is created if necessary. After an error it is as it was before.
    sample : ClusterSample
    overwrite : bool, default=False
    verbose : int, default=0
        If positive, count the clusters on standard error, after two seconds.
    **columns : array-like of shape (n_clusters,)
        More columns of the table, such as ``log_mass``.

    Returns
    -------
    path : Path
        Path of the table; paths in it are relative to it, so the folder can be moved.

    Examples
    --------
    >>> from tempfile import TemporaryDirectory
    >>> from skcluster import ClusterSample
    >>> photons = [{"ra": [10.0], "dec": [0.0], "energy": [1.0]}]
    >>> sample = ClusterSample([0.1], center=[[10.0, 0.0]], photons=photons)
    >>> with TemporaryDirectory() as folder:
    ...     path = write_sample(folder, sample, log_mass=[14.2])
    ...     again, others = read_sample(path)
    >>> again.photons.lengths, others.log_mass
    (array([1]), array([14.2]))
    """
    directory = Path(directory)
    table = _catalog_of(sample)
    _warn_of_the_field(sample)
    stems = file_stems(sample)
    fields = [field for field in LISTS if getattr(sample, field) is not None]
    for field in fields:
        table[field] = [f"{field}/{stem}.fits" for stem in stems]
    for name, column in columns.items():
        _add_column(table, name, column, len(sample))
    names = [*(path for field in fields for path in table[field]), TABLE_NAME]
    labels = [name for name, field in COLUMNS.items() if isinstance(field, Labels)]
    check_strings(table, labels=labels)
    for name in reversed(names):
        check_is_free(directory / name, overwrite)
    with (
        Progress("written", len(sample), verbose=verbose) as progress,
        files_written_together(directory, names) as partial,
    ):
        for i in range(len(sample)):
            _write_lists(partial, table[i], sample[i])
            progress.update()
        table.write(partial / TABLE_NAME, format="ascii.ecsv")
    return directory / TABLE_NAME


def _warn_of_the_field(sample):
    lost = [name for name in sample.fields if name in OF_THE_SKY]
    if lost:
        warnings.warn(
            f"{' and '.join(lost)} are not written. Give them to the sample again after "
            "read_sample, by with_exposure_map and remove_sources.",
            UserWarning,
            stacklevel=3,
        )


def _catalog_of(sample):
    # The redshift comes first: a row that begins with a name such as #1 would be read
    # as a comment.
    table = Table()
    for name, field in FIELDS.items():
        value = getattr(sample, name)
        if value is None or not field.columns:
            continue
        for column, values in field.to_columns(value).items():
            table[column] = values
            row = TABLE.get(UNIT_ROWS[column])
            if row is not None and row.kind in ("angle", "time"):
                table[column].unit = row.unit
    return table


def _add_column(table, name, column, n_clusters):
    if name.lower() in KNOWN:
        raise ValueError(
            f"The column {name!r} would be read as a part of the sample. Name it "
            f"otherwise than {', '.join(KNOWN)}."
        )
    if not name.strip() or UNWRITABLE.search(name):
        raise ValueError(f"A column cannot have the name {name!r}.")
    n_values = np.shape(column)[0] if np.ndim(column) else 1
    if n_values != n_clusters or not np.ndim(column):
        raise ValueError(
            f"The column {name!r} has {n_values} values for {n_clusters} clusters."
        )
    table[name] = storable(column, name)


def file_stems(sample):
    """Return a file name per cluster: its name made safe, and numbered if not unique."""
    if sample.name is None:
        return [f"cluster_{i:05d}" for i in range(len(sample))]
    stems = [re.sub(r"[^\w+.-]+", "_", name).lstrip(".")[:60] for name in sample.name]
    # Some file systems take A and a for the same name.
    if all(stems) and len({stem.lower() for stem in stems}) == len(stems):
        return stems
    return [f"{i:05d}_{stem}" for i, stem in enumerate(stems)]


def _write_lists(folder, row, cluster):
    about = {
        "redshift": cluster.redshift[0],
        "center": None if cluster.center is None else cluster.center[0],
        "name": None if cluster.name is None else cluster.name[0],
    }
    if cluster.photons is not None:
        photons = photon_table(cluster.photons.columns, **about)
        photons.writeto(folder / row["photons"])
    if cluster.galaxies is not None:
        cards = {"CREATOR": "skcluster"}
        cards["COMMENT"] = "x West, y North: comoving Mpc/h; v: km/s"
        columns, units = cluster.galaxies.columns, {"v": "km/s"}
        table = fits_table(columns, units, header_of(cards), extname="GALAXIES")
        table.writeto(folder / row["galaxies"])
