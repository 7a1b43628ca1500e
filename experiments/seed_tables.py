"""Tables of experiments: means over seeds with their errors, and CSV files."""

import numpy as np
from astropy.table import Table, vstack
from significance import significance_of_mean

KINDS = ("std", "robust")


def mean_and_error(values):
    """Return the mean, and its error by the scatter of the values; NaN for a single one."""
    n = len(values)
    spread = np.std(values, ddof=1) if n > 1 else np.nan
    return np.mean(values), spread / np.sqrt(n)


def scatters_and_gains(row):
    """Scatters in a row of a contest, and how much smaller than a rival's they are [%]."""
    found = {}
    for kind in KINDS:
        found[kind] = row[f"{kind}_percent"]
        found[f"{kind}_gain"] = 100 * row[f"{kind}_gain"]
        found[f"{kind}_gain_error"] = 100 * row[f"{kind}_gain_error"]
    return found


def over_surveys(part, kind):
    """Average one of the `scatters_and_gains` over seeds, with errors and the gain's sigma.

    The errors are from the scatter between the seeds. The sigma also counts the errors over
    clusters; it is NaN for the rival itself, which gains nothing.
    """
    gain, sigma = part[f"{kind}_gain"], np.nan
    if np.any(gain):
        sigma = significance_of_mean(gain, part[f"{kind}_gain_error"])
    names = kind, f"{kind}_error", f"{kind}_gain", f"{kind}_gain_error"
    means = *mean_and_error(part[kind]), *mean_and_error(gain)
    return dict(zip(names, means, strict=True)) | {f"{kind}_gain_sigma": sigma}


def means_by(table, keys, values):
    """Return the means of columns over the seeds, and their errors, for equal keys."""
    rows = []
    for group in table.group_by(keys).groups:
        row = {name: group[name][0] for name in keys} | {"seeds": len(group)}
        for name in values:
            row[name], row[f"{name}_error"] = mean_and_error(group[name])
        rows.append(row)
    return Table(rows=rows)


def completed(path, columns, keys, rows_of, *, means=None, digits=4, exact=()):
    """Compute the rows that a CSV file lacks, and write it after each key.

    Parameters
    ----------
    path : Path
        The file, which need not exist.
    columns : sequence of str
        Columns that hold a key.
    keys : iterable of tuple
        Keys of the rows that are wanted. What the file has of others stays.
    rows_of : callable
        Called with the values of a key that is missing; the rows, as dicts.
    means : callable, optional
        Its table of the rows goes to ``NAME-mean.csv``.
    digits, exact
        As `write` takes them.

    Returns
    -------
    table : Table
        All rows.
    """
    table = Table.read(path) if path.exists() else None
    for key in keys:
        if table is not None and key in map(tuple, table[columns]):
            continue
        found = Table(rows=[*rows_of(*key)])
        table = found if table is None else vstack([table, found])
        write(table, path, digits, exact)
        if means is not None:
            of_rows = path.with_name(f"{path.stem}-mean.csv")
            write(means(table), of_rows, digits, exact)
        lines = table[-len(found) :].pformat(max_width=-1, max_lines=-1)
        print(*lines, sep="\n", flush=True)
    return table


def write(table, path, digits=4, exact=()):
    """Write a table with as many digits, but for the columns that are exact."""
    path.parent.mkdir(parents=True, exist_ok=True)
    for column in table.itercols():
        if column.dtype.kind == "f" and column.name not in exact:
            column.info.format = f".{digits}f"
    table.write(path, overwrite=True)
