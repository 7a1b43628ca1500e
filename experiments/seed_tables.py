"""Tables of experiments: means over seeds with their errors, and CSV files."""

import numpy as np


def mean_and_error(values):
    """Return the mean, and its error by the scatter of the values; NaN for a single one."""
    n = len(values)
    spread = np.std(values, ddof=1) if n > 1 else np.nan
    return np.mean(values), spread / np.sqrt(n)


def write(table, path, digits=4, exact=()):
    """Write a table with as many digits, but for the columns that are exact."""
    for column in table.itercols():
        if column.dtype.kind == "f" and column.name not in exact:
            column.info.format = f".{digits}f"
    table.write(path, overwrite=True)
