"""Tables of a contest, made from the files with predictions, without training."""

import numpy as np
from astropy.table import Table
from sklearn.utils import Bunch

from ..printable import printable
from ..progress import say
from .accuracy import gain_over, summarize
from .configuration import importable
from .fold_files import COLUMNS, SameFold, data_of, describe_entry, read_folds

COSTS = ("fit_cpu_seconds", "fit_seconds", "predict_ms", "peak_mib", "n_parameters")


def read_predictions(configuration, *, verbose=1):
    """Read all predictions that a contest has, of its present entries only.

    Parameters
    ----------
    configuration : Configuration
    verbose : int, default=1
        With 0, say nothing about files that cannot be used.

    Returns
    -------
    predictions : dict of (str, int, int) to Bunch
        The columns of `fold_files.COLUMNS` and ``about`` of each file, by the name of the
        estimator, the seed and the number of the fold.
    """
    predictions = {}
    with importable(configuration.path.parent):
        for seed in configuration.seeds:
            for entry in configuration.trained:
                for fold in _folds_of(configuration, entry, seed, verbose):
                    key = entry.name, seed, fold.about["description"]["fold"]
                    predictions[key] = fold
    _check_one_survey(predictions)
    for entry in configuration.entries:
        predictions |= _means(entry, predictions)
    return predictions


def common_folds(configuration, predictions):
    """Return the (seed, fold) pairs that all estimators with predictions share.

    Parameters
    ----------
    configuration : Configuration
    predictions : dict
        As `read_predictions` returns it.

    Returns
    -------
    folds : list of (int, int)
    """
    done: dict[str, set[tuple]] = {}
    for name, seed, fold in predictions:
        done.setdefault(name, set()).add((seed, fold))
    if not done:
        raise ValueError(
            f"There are no predictions in {printable(configuration.output)} yet. Run "
            "`skcluster benchmark` without --tables-only."
        )
    common = set.intersection(*done.values())
    if not common:
        n_folds = {name: len(folds) for name, folds in done.items()}
        raise ValueError(
            f"No fold has predictions of all estimators that have any ({n_folds}), so "
            "there is nothing to compare. Run `skcluster benchmark` again: it goes on "
            "where it stopped."
        )
    return sorted(common)


def results_table(configuration, predictions=None):
    """Make the tidy table of a contest: one row per estimator and survey.

    Only folds that all estimators have are compared; an estimator without any prediction
    is left out.

    Parameters
    ----------
    configuration : Configuration
    predictions : dict, default=None
        As `read_predictions` returns it, which is called for None.

    Returns
    -------
    table : astropy.table.Table
        Columns ``estimator``, ``seed``, ``n_folds``; those of `accuracy.summarize`; if the
        configuration has a reference, ``std_gain`` and ``robust_gain`` over it with
        errors (see `accuracy.gain_over`); and the cost: ``fit_cpu_seconds`` and
        ``fit_seconds`` of one fold (mean), ``predict_ms`` of CPU per cluster, ``peak_mib``
        (the largest) and ``n_parameters``, the numbers learned.
    """
    if predictions is None:
        predictions = read_predictions(configuration)
    common = common_folds(configuration, predictions)
    names = {name for name, _, _ in predictions}
    rows = []
    for seed in dict.fromkeys(seed for seed, _ in common):
        folds = [fold for each, fold in common if each == seed]
        joined = {
            entry.name: join_folds([predictions[entry.name, seed, i] for i in folds])
            for entry in configuration.entries
            if entry.name in names
        }
        reference = joined.get(configuration.reference)
        for name, fold in joined.items():
            row = {"estimator": name, "seed": seed, "n_folds": len(folds)}
            row |= summarize(fold)
            if reference is not None:
                row |= gain_over(reference, fold)
            rows.append(row | fold.cost)
    return Table(rows=rows)


def summary_table(table, *, same_clusters=False):
    """Average the rows of each estimator over the surveys.

    Parameters
    ----------
    table : astropy.table.Table
        As `results_table` returns it.
    same_clusters : bool, default=False
        Whether all seeds are of the same clusters, those of a table, so that more seeds
        do not make the bootstrap error of a mean smaller.

    Returns
    -------
    summary : astropy.table.Table
        One row per estimator: ``n_seeds``, the mean of each statistic, its error under
        the name with ``_error`` (of the mean over the surveys, by their bootstrap errors),
        and with ``_between_seeds`` the standard deviation between surveys, NaN for one.
    """
    names = [*dict.fromkeys(table["estimator"])]
    statistics = [name[:-6] for name in table.colnames if name.endswith("_error")]
    rows = []
    for name in names:
        part = table[table["estimator"] == name]
        n_samples = 1 if same_clusters else len(part)
        row = {
            "estimator": name,
            "n_seeds": len(part),
            "n_folds": int(part["n_folds"].sum()),
            "n_clusters": int(part["n_clusters"][:n_samples].sum()),
        }
        for each in statistics:
            errors = np.asarray(part[f"{each}_error"], float)
            row[each] = float(part[each].mean())
            row[f"{each}_error"] = float(np.sqrt(np.mean(errors**2) / n_samples))
            row[f"{each}_between_seeds"] = (
                float(np.std(part[each], ddof=1)) if len(part) > 1 else np.nan
            )
        rows.append(row | {each: float(part[each].mean()) for each in COSTS})
    return Table(rows=rows)


def _folds_of(configuration, entry, seed, verbose):
    """Return the folds of one estimator, all of its latest version."""
    is_same = SameFold(entry.build(configuration.shared, seed))
    folds, problems = read_folds(configuration, entry, seed)
    for problem in problems:
        say(problem, verbose=verbose)
    found = []
    for fold in folds:
        i = fold.about["description"]["fold"]
        is_wanted = configuration.max_folds is None or i < configuration.max_folds
        present = describe_entry(configuration, entry, seed, i)
        if is_wanted and is_same(fold.about["entry"], present):
            found.append(fold)
    found.sort(key=lambda fold: fold.about["made"]["when"])
    latest = {}
    for fold in found:
        description = fold.about["description"]
        of_latest = found[-1].about["description"] | {"fold": description["fold"]}
        if is_same(description, of_latest):
            latest[description["fold"]] = fold
    return [*latest.values()]


def _means(entry, predictions):
    """Return the folds of an entry that is the mean of others, where all of them are."""
    means = {}
    for name, seed, i in predictions:
        keys = [(other, seed, i) for other in entry.mean_of]
        if name in entry.mean_of and all(key in predictions for key in keys):
            means[entry.name, seed, i] = _mean([predictions[key] for key in keys])
    return means


def _mean(folds):
    """Average the predictions of several estimators for one fold, and add their costs."""
    mean = Bunch(**folds[0])
    mean.predicted = np.mean([fold.predicted for fold in folds], axis=0)
    mean.std = None
    added = ("fit_cpu_seconds", "fit_seconds", "predict_cpu_seconds", "n_parameters")
    mean.about = folds[0].about | {
        name: sum(fold.about[name] for fold in folds) for name in added
    }
    mean.about["peak_mib"] = max(fold.about["peak_mib"] for fold in folds)
    return mean


def join_folds(folds):
    """Join the folds of one estimator into one, with the cost of all."""
    joined = Bunch(
        **{
            name: None
            if any(fold[name] is None for fold in folds)
            else np.concatenate([fold[name] for fold in folds])
            for name in COLUMNS
        }
    )
    about = [fold.about for fold in folds]
    predict = sum(each["predict_cpu_seconds"] for each in about)
    joined.cost = {
        "fit_cpu_seconds": float(np.mean([each["fit_cpu_seconds"] for each in about])),
        "fit_seconds": float(np.mean([each["fit_seconds"] for each in about])),
        "predict_ms": 1000 * predict / len(joined.cluster),
        "peak_mib": float(np.max([each["peak_mib"] for each in about])),
        "n_parameters": max(each["n_parameters"] for each in about),
    }
    return joined


def _check_one_survey(predictions):
    """Refuse predictions of clusters that changed between two runs."""
    digests: dict[tuple, dict] = {}
    for (name, seed, fold), found in predictions.items():
        sample, columns = data_of(found.about)
        digests.setdefault((seed, ""), {}).setdefault(sample, (name, fold))
        digests.setdefault((seed, name), {}).setdefault(columns, (name, fold))
    for (seed, _), by_digest in digests.items():
        if len(by_digest) > 1:
            (one, i), (other, j), *_ = by_digest.values()
            raise ValueError(
                f"The predictions of seed {seed} are about {len(by_digest)} different "
                f"surveys (such as fold {i} of {one!r} and fold {j} of {other!r}): the "
                "code of the mock survey or the table has changed in between. Run "
                "`skcluster benchmark` without --tables-only; it trains again what is "
                "about the former survey."
            )
