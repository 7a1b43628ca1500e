"""Rows of a table of clusters that lack a value which is needed for a mass."""

import numpy as np

from ..printable import printable
from ..progress import say
from ..sample.units import PLACEHOLDERS, TABLE
from .cluster_columns import UNIT_ROWS
from .tables import column_with_gaps, is_finite_number

NEEDED = ("redshift", "ra", "dec", "field_radius", "exposure", "photons", "r500c")
"""Columns that a row must have for a mass, if the table has them."""


class Gaps:
    """Gaps in a table of clusters: NaN, masked, "" or a placeholder such as -99.

    Parameters
    ----------
    table : astropy.table.Table
    found : dict of str to str
        Columns of the table by our names.

    Attributes
    ----------
    lacking : ndarray of str of shape (n_rows,)
        Columns that a row lacks, in words; "" for a complete row.
    has_redshift : ndarray of bool of shape (n_rows,)
    """

    def __init__(self, table, found):
        self._columns = {
            name: _is_gap(table, found[name], name) for name in NEEDED if name in found
        }
        lacking: list[list] = [[] for _ in range(len(table))]
        for name, is_gap in self._columns.items():
            for i in np.flatnonzero(is_gap):
                lacking[i].append(f"{name} (column {printable(found[name])})")
        self.lacking = np.array([" and no ".join(names) for names in lacking], object)
        self.has_redshift = ~self._columns["redshift"]

    def __getitem__(self, rows):
        """Return the gaps of some of the rows."""
        part = object.__new__(type(self))
        part._columns = {}
        part.lacking, part.has_redshift = self.lacking[rows], self.has_redshift[rows]
        return part

    def errors(self, label):
        """Return an error about each row that lacks something, by its number.

        Parameters
        ----------
        label : callable
            Function that names a row.
        """
        rows = np.flatnonzero(self.lacking)
        return {
            int(i): ValueError(f"There is no {self.lacking[i]} in {label(i)}.")
            for i in rows
        }

    def filled(self, table, found):
        """Return a copy of the table, with values of the first complete row in its gaps.

        These rows get no mass; the values are there because a sample has no gaps. Without
        any complete row the table is returned as it is.
        """
        is_complete = self.lacking == ""
        if is_complete.all() or not is_complete.any():
            return table
        table, first = table.copy(), int(np.argmax(is_complete))
        for name, is_gap in self._columns.items():
            if is_gap.any():
                table[found[name]][is_gap] = table[found[name]][first]
        return table


def without_unused(table, found, unused):
    """Return the columns by our names, without unused ones in which there are gaps.

    Parameters
    ----------
    table, found : as for `Gaps`
    unused : iterable of str
        Columns by our names that nobody will use.
    """
    left_out = {
        name
        for name in unused
        if name in found and _is_gap(table, found[name], name).any()
    }
    for name in sorted(left_out):
        say(
            f"Column {printable(found[name])} has gaps and is not used: it is left out."
        )
    if left_out & {"x", "y", "z"}:
        left_out |= {"x", "y", "z"}
    return {name: column for name, column in found.items() if name not in left_out}


def _is_gap(table, column, name):
    """Return which rows of a column have no value."""
    values = column_with_gaps(table, column)
    if values.ndim != 1:
        return np.zeros(len(table), bool)
    if values.dtype.kind in "USO":
        is_text = name not in UNIT_ROWS or UNIT_ROWS[name] not in TABLE
        strings = [str(value).strip() for value in values]
        return np.array(
            [not (text if is_text else is_finite_number(text)) for text in strings]
        )
    if values.dtype.kind not in "iuf" or UNIT_ROWS.get(name) not in TABLE:
        return values != values
    row = TABLE[UNIT_ROWS[name]]
    is_placeholder = np.isin(values, PLACEHOLDERS)
    if name not in ("redshift", "ra", "dec"):
        is_placeholder &= values <= 0  # 999 may be a length in kpc
    return ~np.isfinite(values) | (
        is_placeholder & ~((row.low <= values) & (values <= row.high))
    )
