"""Find the columns of a sample in a table of clusters, and convert them to our units."""

import re

import numpy as np

from ..cosmology import cosmology_name, length_factor, mass_within_r500c
from ..printable import printable
from ..progress import say
from ..sample import FIELDS
from ..sample.fields import Numbers, Strings
from ..sample.plain_arrays import find_column
from ..sample.units import MARKS, TABLE, looks_like, unit_factor
from .galaxies import check_same_redshifts
from .table_reading import TEXT_COLUMNS
from .tables import column_with_gaps, complete_column, listed

COLUMNS = {name: field for field in FIELDS.values() for name in field.columns}
"""Columns of a table of clusters -> description of the field that they belong to."""

UNIT_ROWS = {
    name: row
    for field in FIELDS.values()
    for name, row in zip(field.columns, field.unit_rows, strict=False)
}
"""Columns of a table of clusters -> rows of the table of units."""

LISTS = ("photons", "galaxies")
LIST_OPTIONS = ("hdu", "energy_unit")
"""Columns that say how the photon list of a row is read."""

STRINGS = (*TEXT_COLUMNS, "energy_unit")
"""Columns in which numbers of a CSV file are strings."""

KNOWN = (*COLUMNS, *LISTS, *LIST_OPTIONS)

LIKE_REDSHIFT = re.compile(
    r"(.*_)?(z|redshift)(_(best|final|spec|phot|lambda|cl|cmb).*)?|z(best|spec|phot|cl)\w*",
    re.IGNORECASE,
)
"""Names that columns of redshifts have in catalogs, such as BEST_Z and Z_BEST_COMB."""

SURE_REDSHIFT = re.compile(
    r"redshift|(best|spec|phot|final)_?z|z_?(best|spec|phot|final|lambda|cl|cmb)",
    re.IGNORECASE,
)
"""Names of redshifts that are nothing else, and no errors of redshifts."""

MASSES = (3e11, 2e15)
"""Range of the median mass within R500c in a table of clusters or groups [Msun/h]."""

CONVERTED = ("kpc", "pc", "m", "cm", "arcmin")
"""Units that R500c may look like, and is converted from if the user says so."""


def find_columns(names, given=None, *, with_events=False):
    """Return which column of a table holds what, and the units that the user states.

    Parameters
    ----------
    names : list of str
        Columns of the table.
    given : dict of str to str, default=None
        The parameter `columns` of `read_sample`.
    with_events : bool, default=False
        Whether the rows have photon lists although the table does not name them.

    Returns
    -------
    found : dict of str to str
        Columns of the table by our names.
    units : dict of str to str
        Stated units by our names.

    Examples
    --------
    >>> find_columns(["BEST_Z", "RA", "DEC"], {"redshift": "BEST_Z"})
    ({'redshift': 'BEST_Z', 'ra': 'RA', 'dec': 'DEC'}, {})
    """
    given = given or {}
    found, units = _given_columns(names, given)
    free = [name for name in names if name not in found.values()]
    for field in FIELDS.values():
        if not {*field.columns} & {*found}:
            theirs = field.columns_in(free) or ()
            found |= dict(zip(field.columns, theirs, strict=False))
    for name in LISTS:
        found.setdefault(name, find_column(free, name))
    if found["photons"] or with_events:
        for name in LIST_OPTIONS:
            found.setdefault(name, find_column(free, name))
    found = {name: column for name, column in found.items() if column is not None}
    if {*LIST_OPTIONS} & {*found} and not with_events and "photons" not in found:
        raise ValueError(
            "columns names hdu or energy_unit, which say how photon lists are read, but "
            "the table has no column photons. Add it, or give events."
        )
    if "redshift" not in found:
        found["redshift"] = _redshift_column(free, found)
    _check_case(names, {ours: found[ours] for ours in found if ours not in given})
    return found, units


def check_redshifts(table, found):
    """Refuse a column z beside other redshifts: it may be a metallicity or a magnitude.

    Parameters
    ----------
    table : astropy.table.Table
    found : dict of str to str
        Columns of the table by our names, as the table alone tells them.
    """
    column = found["redshift"]
    if column.lower() != "z":
        return
    for name in table.colnames:
        if name != column and SURE_REDSHIFT.fullmatch(name):
            check_same_redshifts(table, column, name)


def columns_of_strings(given):
    """Return the columns that hold strings, of those in the parameter `columns`."""
    if given is not None and not hasattr(given, "items"):
        raise TypeError(
            "columns must be a dict from names of the sample to columns of the table, got "
            f"{type(given).__name__}."
        )
    given = given or {}
    for name, column in given.items():
        if not isinstance(column, str):
            raise TypeError(
                f"columns must give the name of a column for {name}, got {column!r}."
            )
    return [given[name] for name in STRINGS if name in given]


def _given_columns(names, given):
    """Check the parameter `columns`; return columns and units by our names."""
    found: dict[str, str] = {}
    units = {}
    for name, text in given.items():
        if name not in KNOWN:
            raise ValueError(
                f"columns has the name {printable(name)}, which is not a part of a sample; "
                f"give any of {', '.join(KNOWN)}."
            )
        column, unit = find_column(names, text), None
        if column is None and ":" in text:
            text, _, unit = text.rpartition(":")
            column = find_column(names, text)
        if column is None:
            raise ValueError(
                f"columns says that {name} is in {printable(text)}, which is not a column "
                f"of the table; it has {listed(names)}."
            )
        if unit is not None and UNIT_ROWS.get(name) not in TABLE:
            raise ValueError(f"{name} has no unit, but columns gives it {unit!r}.")
        if unit is not None:
            units[name] = unit
        if column in found.values():
            other = next(ours for ours in found if found[ours] == column)
            raise ValueError(
                f"columns gives {other} and {name} the same column, {printable(column)}."
            )
        found[name] = column
    _check_named_together(found)
    return found, units


def _check_named_together(found):
    """Refuse the name of one coordinate without those of the others."""
    for field in FIELDS.values():
        lacking = [name for name in field.columns if name not in found]
        if lacking and len(lacking) < len(field.columns):
            raise ValueError(
                f"columns must also name {' and '.join(lacking)}: positions are read from "
                f"{', '.join(field.columns)} together."
            )


def _redshift_column(names, found):
    """Return the column z if it can only be the redshift."""
    z = find_column(names, "z") or found.get("z")
    if z is not None and "z" not in found:
        return z
    alike = [name for name in names if LIKE_REDSHIFT.fullmatch(name)]
    ways = " or ".join(f"columns={{'redshift': {name!r}}}" for name in alike)
    if z is not None:
        raise ValueError(
            "The column z of a table with x and y may be a redshift or a place in "
            f"a box. Name the redshift 'redshift', or give {ways}."
        )
    way = f" Give {ways}." if alike else ""
    raise ValueError(
        f"The table has no column redshift (or z); it has {listed(names)}.{way}"
    )


def _check_case(names, found):
    for ours, column in found.items():
        alike = [name for name in names if name.lower() == column.lower()]
        if len(alike) > 1 and column not in (ours, ours.upper()):
            raise ValueError(
                f"The columns {listed(alike)} differ only in case. Say which of them is "
                f"meant: columns={{{ours!r}: {column!r}}}."
            )


def read_columns(table, found, units, *, cosmology, verbose=0):
    """Return the columns of a table by our names, in our units.

    Parameters
    ----------
    table : astropy.table.Table
        Stated units are set in its columns.
    found, units : as `find_columns` returns them
        Units of columns that `found` lacks are not looked at.
    cosmology, verbose : as in `read_sample`

    Returns
    -------
    catalog : dict of ndarray
    """
    for name, unit in units.items():
        if name in found:
            _state_unit(table[found[name]], unit)
    order = sorted(found, key=lambda name: name != "redshift")
    catalog: dict = {}
    for name in order:
        if name == "r500c":
            catalog[name] = _r500c(
                table, found[name], catalog["redshift"], cosmology, verbose
            )
        else:
            catalog[name] = _read_column(table, found[name], name)
    return catalog


def _state_unit(column, unit):
    own, column.unit = column.unit, unit
    if own is not None and own != column.unit:
        raise ValueError(
            f"Column {printable(column.name)} has the unit {str(own)!r}, but columns says "
            f"{unit!r}. Leave out the one that is wrong."
        )


def _read_column(table, column, name):
    field = COLUMNS.get(name)
    if name in ("galaxies", *LIST_OPTIONS) or (
        field is not None and field.may_be_empty
    ):
        return column_with_gaps(table, column, is_text=isinstance(field, Strings))
    is_text = field is None or not isinstance(field, Numbers)
    return complete_column(table, column, UNIT_ROWS.get(name), is_text=is_text)


def _r500c(table, column, redshift, cosmology, verbose):
    """Read R500c [comoving Mpc/h]; convert physical lengths, comoving ones and angles."""
    values, unit = complete_column(table, column, ""), table[column].unit
    if unit is None:
        _check_is_comoving(values, column)
        _check_masses(values, column, redshift, cosmology)
        return values
    how, factor = length_factor(MARKS.get(str(unit), unit), redshift, cosmology)
    if factor is None:
        return values * unit_factor("r500c", unit, f"Column {column!r}")
    if verbose:
        say(
            f"R500c is read from {printable(column)} [{unit}], {how} "
            f"({cosmology_name(cosmology)})."
        )
    return values * factor


def _check_masses(values, column, redshift, cosmology):
    """Refuse radii that would be those of no clusters, such as 3 arcmin or 0.06 deg."""
    known = (redshift > 0) & (redshift < TABLE["redshift"].high) & (values > 0)
    if not known.any():
        return  # these are refused later
    mass = np.median(mass_within_r500c(values[known], redshift[known], cosmology))
    if not MASSES[0] <= mass <= MASSES[1]:
        raise ValueError(
            f"Column {column!r} has no unit, and as R500c in comoving Mpc/h its values "
            f"(first: {values[0]:.6g}) mean masses of about {mass:.0e} Msun/h. State their "
            f"unit: columns={{'r500c': '{column}:arcmin'}}, or deg, kpc, Mpc."
        )


def _check_is_comoving(values, column):
    known = looks_like("r500c", values)
    if known is not None and known.unit in CONVERTED:
        raise ValueError(
            f"Column {column!r} has no unit, and its values (first: {values[0]:.6g}) look "
            f"like {known.unit}, but r500c is in comoving Mpc/h. If that is their unit, "
            f"say so: columns={{'r500c': '{column}:{known.unit}'}}."
        )
