"""Write the results of a contest: CSV files, a Markdown table and figures."""

import numpy as np
from astropy.table import Table

from ..io.atomic import replace_file
from ..io.table_writing import write_table
from ..plotting.style import save_figure
from .figures import scatter_figure, time_figure
from .results import common_folds, read_predictions, results_table, summary_table

PERCENT, SIGNED = "{:.1f}", "{:+.3f}"


def write_results(configuration, *, verbose=1):
    """Make all tables and figures from the files with predictions, without training.

    Parameters
    ----------
    configuration : Configuration
    verbose : int, default=1
        With 0, say nothing about files that cannot be used.

    Returns
    -------
    summary : astropy.table.Table
        As `summary_table` returns it.
    """
    predictions = read_predictions(configuration, verbose=verbose)
    table = results_table(configuration, predictions)
    # With a table, seeds are those of the estimators.
    summary = summary_table(table, same_clusters="table" in configuration.survey)
    folder = configuration.output
    write_table(folder / "results.csv", table)
    write_table(folder / "summary.csv", summary)
    paragraphs = [markdown_table(summary), *facts(configuration, predictions)]
    content = "\n\n".join(paragraphs) + "\n"
    replace_file(folder / "results.md", content.encode())
    figures = {
        "scatter.png": scatter_figure(summary),
        "time_to_accuracy.png": time_figure(summary),
    }
    for name, figure in figures.items():
        save_figure(folder / name, figure)
    return summary


def readable_table(summary):
    """Return the main columns of a summary as strings, rounded and with their errors.

    Parameters
    ----------
    summary : astropy.table.Table
        As `summary_table` returns it.

    Returns
    -------
    readable : astropy.table.Table
        Values ± bootstrap errors over halos; with several surveys, the standard deviation
        between them follows in parentheses.
    """
    return Table(rows=[_readable(row) for row in summary])


def markdown_table(summary):
    """Return `readable_table` as a table in Markdown."""
    table = readable_table(summary)
    lines = [
        "| " + " | ".join(cells) + " |"
        for cells in (table.colnames, *(map(str, row) for row in table))
    ]
    lines.insert(1, "|---" * len(table.colnames) + "|")
    return "\n".join(lines)


def facts(configuration, predictions):
    """Return sentences about what was compared, what is missing, and where it was made.

    Parameters
    ----------
    configuration : Configuration
    predictions : dict
        As `read_predictions` returns it.

    Returns
    -------
    sentences : list of str
    """
    common = common_folds(configuration, predictions)
    n_folds = {key[1]: fold.about["n_folds"] for key, fold in predictions.items()}
    compared = ", ".join(
        f"seed {seed}: {_numbers([i for each, i in common if each == seed])} of "
        f"{n_folds[seed]}"
        for seed in dict.fromkeys(seed for seed, _ in common)
    )
    has_groups = any(fold.group is not None for fold in predictions.values())
    unit = "halos (the column group)" if has_groups else "clusters"
    sentences = [
        f"Errors are bootstrap errors over {unit}. Training seconds are CPU seconds for "
        "one fold.",
        f"Folds that are compared ({compared}); missing for at least one estimator: "
        f"{_missing(configuration, common, n_folds)}.",
    ]
    absent = [
        entry.name
        for entry in configuration.entries
        if entry.name not in {name for name, _, _ in predictions}
    ]
    if absent:
        sentences.append(f"Without any prediction: {', '.join(absent)}.")
    made = [fold.about["made"] for fold in predictions.values()]
    versions = {
        name: sorted({each["versions"][name] for each in made})
        for name in made[0]["versions"]
    }
    shown = ", ".join(f"{name} {' / '.join(versions[name])}" for name in versions)
    machines = sorted({each["machine"] for each in made})
    sentences.append(
        f"Command: `skcluster benchmark {configuration.path.name}`. Survey: "
        f"{_survey(configuration)}. Versions: {shown}. Machine: {' / '.join(machines)}."
    )
    return sentences


def _readable(row):
    has = set(row.colnames)
    cells = {
        "estimator": row["estimator"],
        "std [%]": _with_error(row, "std_percent"),
        "robust [%]": _with_error(row, "robust_percent"),
        "std [dex]": f"{row['std_dex']:.4f}",
        "robust [dex]": f"{row['robust_dex']:.4f}",
    }
    for name in ("std_gain", "robust_gain"):
        if name in has:
            title = f"gain in {name.partition('_')[0]} [%]"
            cells[title] = _with_error(row, name, factor=100)
    cells |= {
        "mean bias [dex]": _with_error(row, "mean_bias_dex", style=SIGNED),
        "median bias [dex]": _with_error(row, "median_bias_dex", style=SIGNED),
        "outliers [%]": _with_error(row, "outlier_fraction", factor=100),
        "slope with log M": _with_error(row, "mass_slope", style="{:+.2f}"),
        "slope with z [dex]": _with_error(row, "redshift_slope", style="{:+.2f}"),
        "in 68 % [%]": _with_error(row, "coverage_68", factor=100),
        "in 95 % [%]": _with_error(row, "coverage_95", factor=100),
        "training [CPU s]": _rounded(row["fit_cpu_seconds"]),
        "prediction [ms]": _rounded(row["predict_ms"]),
        "memory [MiB]": _rounded(row["peak_mib"]),
        "parameters": f"{row['n_parameters']:.0f}",
    }
    return cells


def _with_error(row, name, *, style=PERCENT, factor=1):
    """Spell a statistic with its error, and the scatter between surveys if there is one."""
    value, error = row[name], row[f"{name}_error"]
    if not np.isfinite(value):
        return "–"
    bare = style.replace("+", "")
    text = f"{style.format(factor * value)} ± {bare.format(factor * error)}"
    between = row[f"{name}_between_seeds"]
    if np.isfinite(between):
        text += f" ({bare.format(factor * between)})"
    return text


def _rounded(value):
    if not np.isfinite(value):
        return "–"
    return f"{value:.0f}" if value >= 10 else f"{value:.2g}"


def _numbers(numbers):
    return ", ".join(map(str, numbers))


def _missing(configuration, common, n_folds):
    """Name the folds and surveys that are not compared."""
    parts = []
    for seed in configuration.seeds:
        if seed not in {each for each, _ in common}:
            parts.append(f"seed {seed} (all)")
            continue
        left = [i for i in range(n_folds[seed]) if (seed, i) not in common]
        if left:
            parts.append(f"seed {seed} ({_numbers(left)})")
    return "; ".join(parts) or "none"


def _survey(configuration):
    survey = configuration.survey
    if "table" in survey:
        return f"{survey['table']}, column {survey['target']}"
    switches = ", ".join(f"{name}={value!r}" for name, value in survey.items())
    return (
        f"make_mock_survey({switches}), maps of {configuration.maps['n_pixels']} pixels"
    )
