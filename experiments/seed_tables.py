"""Tables of experiments: means over seeds with their errors, and CSV files."""

import numpy as np
from astropy.table import Table


def mean_and_error(values):
    """Return the mean, and its error by the scatter of the values; NaN for a single one."""
    n = len(values)
    spread = np.std(values, ddof=1) if n > 1 else np.nan
    return np.mean(values), spread / np.sqrt(n)


def means_by(table, keys, values):
    """Return the means of columns over the seeds, and their errors, for equal keys."""
    rows = []
    for group in table.group_by(keys).groups:
        row = {name: group[name][0] for name in keys} | {"seeds": len(group)}
        for name in values:
            row[name], row[f"{name}_error"] = mean_and_error(group[name])
        rows.append(row)
    return Table(rows=rows)


def write(table, path, digits=4, exact=()):
    """Write a table with as many digits, but for the columns that are exact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for column in table.itercols():
        if column.dtype.kind == "f" and column.name not in exact:
            column.info.format = f".{digits}f"
    table.write(path, overwrite=True)
