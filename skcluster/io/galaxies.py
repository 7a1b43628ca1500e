"""Galaxy lists: positions and velocities about the cluster's center."""

import numpy as np

from ..cosmology import comoving_distance, sky_to_plane
from ..sample import FIELDS
from ..sample.plain_arrays import find_column, find_sky_columns
from ..sample.units import PLACEHOLDERS, SPEED_OF_LIGHT, check_plausible
from .file_errors import error_names_file
from .tables import column_with_gaps, complete_column, listed, read_table

FARTHEST = 8.0
"""Median redshift beyond which the numbers are taken for magnitudes."""
SAME_REDSHIFT = 0.01
SAME_PLACE, SAME_SPEED, SAME_SCALE = 0.1, 100.0, 0.1
"""Differences [comoving Mpc/h, km/s, and relative] between offsets as given and as found
from the sky that other centers and cosmologies explain."""
PHASE_SPACE = ("x", "y", "v")
REDSHIFTS = ("z", "redshift", "zspec", "z_spec", "specz", "spec_z", "zsp", "z_sp")


def read_galaxies(
    path_or_table, *, center=None, redshift=None, cosmology="WMAP7", radius_max=None
):
    r"""Read the galaxies around one cluster.

    The table has either ``x``, ``y``, ``v``, taken as they are (but refused if the table
    has both, and they do not agree in most rows), or ``ra``, ``dec`` and ``z`` (or
    ``redshift``), from which

    .. math::

        (x, y) = D_C(z_{cl}) \, \mathrm{gnomonic}(\alpha, \delta), \qquad
        v = c \, \frac{z - z_{cl}}{1 + z_{cl}}

    with x growing to the West and :math:`D_C` the comoving distance.

    Parameters
    ----------
    path_or_table : str, bytes, path-like or table
        A file is CSV (separated by commas, semicolons or tabs), ECSV, FITS, Parquet or
        VOTable. A table is a dict, a structured array, an astropy Table, a data frame of
        pandas or polars, or a pyarrow Table. Columns are found in any case, and RA and
        Dec under the names that catalogs use, such as ``RAJ2000``, ``DEJ2000``.
    center : pair of float, default=None
        RA and Dec of the cluster [deg]; needed for ``ra``, ``dec``, ``z``.
    redshift : float, default=None
        Redshift of the cluster; needed for ``ra``, ``dec``, ``z``.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Turns angles into comoving Mpc/h.
    radius_max : float, default=None
        Keep only galaxies within this projected radius [comoving Mpc/h], for tables that
        cover more of the sky than one cluster.

    Returns
    -------
    galaxies : dict of ndarray
        ``x``, ``y`` [comoving Mpc/h], ``v`` [km/s], and all other columns of the table
        with one value per row, in which a gap is NaN or "".

    Examples
    --------
    >>> table = {"ra": [10.0, 9.9], "dec": [0.0, 0.0], "z": [0.1, 0.101]}
    >>> galaxies = read_galaxies(table, center=(10.0, 0.0), redshift=0.1)
    >>> galaxies["x"][1].round(3), galaxies["v"].round(1)
    (np.float64(0.512), array([  0. , 272.5]))
    """
    table = read_table(path_or_table)
    if radius_max is not None:
        check_plausible("radius_max", radius_max)
    with error_names_file(path_or_table):
        found = [find_column(table.colnames, name) for name in PHASE_SPACE]
        if all(found):
            galaxies = {
                name: complete_column(table, column, name)
                for name, column in zip(PHASE_SPACE, found, strict=True)
            }
            if center is not None and redshift is not None:
                _check_same_offsets(table, found, galaxies, center, redshift, cosmology)
        else:
            found = []
            galaxies = _about_center(table, center, redshift, cosmology, radius_max)
        galaxies |= {
            name: column_with_gaps(table, name)
            for name in table.colnames
            if name not in found and table[name].ndim == 1
        }
        if radius_max is None:
            return galaxies
        near = np.hypot(galaxies["x"], galaxies["y"]) <= radius_max
        return {name: column[near] for name, column in galaxies.items()}


def check_has_one_center(table, n_rows):
    """Refuse x, y, v of one center in a list that several rows of a table name."""
    if n_rows > 1 and all(find_column(table.colnames, name) for name in PHASE_SPACE):
        raise ValueError(
            f"{n_rows} rows name this list, but its x, y, v are about one center, so "
            "that only one of them can be meant. Give ra, dec, z in their place, or one "
            "file per cluster; or give one table with a column of cluster numbers to "
            "ClusterSample.from_table(galaxies=...)."
        )


def check_same_redshifts(table, column, other):
    """Refuse two columns of redshifts of which most differ: only one can be meant."""
    one, two = (column_with_gaps(table, name) for name in (column, other))
    if {one.dtype.kind, two.dtype.kind} - {*"iuf"} or one.shape != two.shape:
        return
    known = np.isfinite(one) & np.isfinite(two)
    known &= ~np.isin(one, PLACEHOLDERS) & ~np.isin(two, PLACEHOLDERS)
    differ = known & (np.abs(one - two) > SAME_REDSHIFT)
    if 2 * differ.sum() > known.sum():
        first = np.argmax(differ)
        raise ValueError(
            f"The columns {column!r} and {other!r} may both be the redshift, but differ in "
            f"{differ.sum()} of {known.sum()} rows (first: row {first}, {one[first]:.4g} "
            f"and {two[first]:.4g}). Rename the one that is not meant."
        )


def _check_same_offsets(table, columns, galaxies, center, redshift, cosmology):
    """Refuse x, y, v that are not those of ra, dec, z: X may be a pixel, V a magnitude."""
    sky, column = _sky_and_redshift(table.colnames)[:2]
    if sky is None or column is None:
        return
    gaps = [column_with_gaps(table, name) for name in (*sky, column)]
    if any(values.dtype.kind not in "iuf" for values in gaps):
        return
    known = np.flatnonzero(np.isfinite(gaps).all(axis=0))
    try:
        found = _about_center(table[known], center, redshift, cosmology, None)
    except ValueError:
        return  # these are no places to compare with, such as a magnitude z
    given = {name: galaxies[name][known] for name in PHASE_SPACE}
    # A velocity may be relative to the mean of the galaxies, a place to another center.
    one, two = (
        {name: values - np.median(values) for name, values in each.items()}
        for each in (given, found)
    )
    apart = np.hypot(one["x"] - two["x"], one["y"] - two["y"])
    is_far = apart > SAME_PLACE + SAME_SCALE * np.hypot(two["x"], two["y"])
    speed = np.abs(two["v"])
    is_fast = np.abs(one["v"] - two["v"]) > SAME_SPEED + SAME_SCALE * speed
    differ = is_far | is_fast
    if 2 * differ.sum() > len(known):
        i = np.argmax(differ)
        numbers = (
            ", ".join(f"{each[name][i]:.4g}" for name in PHASE_SPACE)
            for each in (given, found)
        )
        raise ValueError(
            f"The columns {listed(columns)} are not the x, y [Mpc/h] and v [km/s] that "
            f"follow from {listed([*sky, column])}: they differ in {differ.sum()} of "
            f"{len(known)} rows (first: row {known[i]}, {' and '.join(numbers)}). Rename "
            "the columns that are not meant."
        )


def _sky_and_redshift(names):
    """Return the columns of RA and Dec and of the redshift, if any, and of others."""
    spelled = (find_column(names, name) for name in REDSHIFTS)
    column, *others = dict.fromkeys(filter(None, spelled)) or (None,)
    return find_sky_columns(names), column, others


def placing_columns(names):
    """Return the columns that `read_galaxies` makes x, y, v from, as a set.

    Examples
    --------
    >>> sorted(placing_columns(["x", "y", "v", "RA", "DEC", "Z", "mass"]))
    ['DEC', 'RA', 'Z']
    """
    sky, column, others = _sky_and_redshift(names)
    return {*(sky or ()), column, *others} - {None}


def _check_redshifts(z, is_near, column):
    """Refuse numbers that are not redshifts, of which those of near galaxies matter."""
    check_plausible("galaxy_redshift", z, f"column {column!r}", rows="row")
    if is_near.any() and np.median(z[is_near]) > FARTHEST:
        raise ValueError(
            f"Column {column!r} has a median of {np.median(z[is_near]):.4g}, which is not "
            "the redshift of galaxies about a cluster. Is it a magnitude? Give the "
            "redshift in its place."
        )


def _about_center(table, center, redshift, cosmology, radius_max):
    sky, column, others = _sky_and_redshift(table.colnames)
    if sky is None or column is None:
        raise ValueError(
            "Galaxies need the columns x, y, v or ra, dec, z; the table has "
            f"{listed(table.colnames)}."
        )
    if center is None or redshift is None:
        raise ValueError(
            "Galaxies with ra, dec, z need the cluster's center and redshift, got "
            f"center={center} and redshift={redshift}."
        )
    center = FIELDS["center"].checked("center", [center], 1)[0]
    FIELDS["redshift"].checked("redshift", [redshift])
    ra, dec = map(complete_column, [table] * 2, sky, ("ra", "dec"))
    z = complete_column(table, column, "galaxy_redshift")
    x, y = sky_to_plane(ra, dec, *center)
    distance = comoving_distance([redshift], cosmology)
    is_near = np.ones(len(z), bool)
    if radius_max is not None:
        is_near = distance * np.hypot(x, y) <= radius_max
    for other in others:
        check_same_redshifts(table, column, other)
    _check_redshifts(np.where(is_near, z, redshift), is_near, column)
    with np.errstate(over="ignore"):
        v = SPEED_OF_LIGHT * (np.asarray(z, float) - redshift) / (1 + redshift)
    lost = np.flatnonzero((~np.isfinite(x + v) | (np.abs(dec) > 90)) & is_near)
    if len(lost):
        raise ValueError(
            f"{len(lost)} of {len(v)} galaxies are not within 90 degrees of the "
            f"cluster's center {tuple(map(float, center))}, or have no redshift (first: "
            f"row {lost[0]}, ra {ra[lost[0]]}, dec {dec[lost[0]]}, z {z[lost[0]]}). Drop "
            "them."
        )
    return {"x": distance * x, "y": distance * y, "v": v}
