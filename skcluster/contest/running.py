"""Train what a contest still lacks, fold by fold, and keep every fold in a file."""

import datetime
import os
import platform
import time
import traceback
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from joblib import Parallel, delayed
from sklearn.utils import Bunch

from ..estimator_parts import predicts_std
from ..model_selection import fit_fold, rows_of
from ..progress import Progress, say
from ..versions import versions_of_models
from .configuration import importable
from .cost import count_learned, measured
from .entries import Entry, least_squares
from .fold_files import (
    SameFold,
    data_of,
    describe_entry,
    describe_fold,
    fold_path,
    read_folds,
    write_fold,
)
from .surveys import load_survey


@dataclass(frozen=True)
class Task:
    """One fold of one estimator: what to train, what to predict, and where to keep it."""

    entry: Entry
    seed: int
    fold: int
    estimator: object
    y: np.ndarray
    redshift: np.ndarray
    group: np.ndarray | None
    train: np.ndarray
    test: np.ndarray
    path: Path
    about: dict


def run_contest(configuration, *, minutes=None, verbose=1):
    """Train what is missing, and keep the predictions of each fold in a file of its own.

    All estimators run on the first fold, then all on the second, so that what an
    interruption leaves can be compared. After a kill or Ctrl-C the same call goes on with
    the fold that was interrupted.

    Parameters
    ----------
    configuration : Configuration
    minutes : float or None, default=None
        Begin no fold after this time.
    verbose : int, default=1
        With 0, say nothing.

    Returns
    -------
    outcome : Bunch
        ``n_trained``, ``n_kept`` (folds that were finished before) and ``n_left`` (at
        least, where time was up before a survey was made); ``failures``, a list of
        sentences about folds that raised an error.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from skcluster.contest import read_configuration
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "contest.toml")
    ...     _ = path.write_text(
    ...         "[survey]\\nn_clusters = 150\\n[folds]\\nn_folds = 2\\nmax_folds = 1\\n"
    ...         "[estimators.least_squares]\\n[estimators.y_x]\\n"
    ...     )
    ...     configuration = read_configuration(path)
    ...     first = run_contest(configuration, verbose=0)
    ...     second = run_contest(configuration, verbose=0)
    >>> first.n_trained, second.n_trained, second.n_kept
    (2, 0, 2)
    """
    ends = np.inf if minutes is None else time.monotonic() + 60 * minutes
    outcome = Bunch(n_trained=0, n_kept=0, n_left=0, failures=[])
    with importable(configuration.path.parent):
        for seed in configuration.seeds:
            if time.monotonic() > ends:
                # How many folds the survey has is not known without it.
                n_folds = configuration.max_folds or configuration.n_folds or 1
                outcome.n_left += n_folds * len(configuration.trained)
            else:
                _run_survey(configuration, seed, ends, outcome, verbose)
    return outcome


def _run_survey(configuration, seed, ends, outcome, verbose):
    """Run the folds of the survey of one seed, all estimators on one fold at a time."""
    survey = load_survey(configuration, seed, verbose=verbose)
    wanted = _tasks(configuration, survey, seed)
    missing = [task for task in wanted if not _is_kept(configuration, task, verbose)]
    outcome.n_kept += len(wanted) - len(missing)
    n_jobs = configuration.n_jobs
    parallel = Parallel(
        n_jobs=n_jobs, return_as="generator_unordered", pre_dispatch="n_jobs"
    )
    what = f"contest, seed {seed}: folds"
    with Progress(what, len(missing), verbose=verbose) as progress:
        begun = _begun_in_time(missing, survey, ends, progress)
        for error, caught in parallel(begun):
            for warning in caught:
                warnings.warn(warning, stacklevel=2)
            if error:
                outcome.failures.append(error)
                say(error, verbose=verbose)
            else:
                outcome.n_trained += 1
            progress.update(note=progress.note)
    outcome.n_left += len(missing) - progress.done


def _begun_in_time(tasks, survey, ends, progress):
    """Yield calls that run a task, until time is up."""
    for task in tasks:
        if time.monotonic() > ends:
            return
        progress.update(0, note=f"{task.entry.name}, fold {task.fold}")
        try:
            X = survey.input_of(task.entry)
        except Exception as error:
            yield delayed(_not_run)(task, error)
        else:
            yield delayed(_run_fold)(task, X)


def _tasks(configuration, survey, seed):
    """Return the tasks of a survey, fold by fold."""
    digest = survey.digest()
    folds = survey.folds(configuration.n_folds, configuration.box_size)
    group = survey.sample.group
    if group is not None:
        group = np.unique(group, return_inverse=True)[1]
    # The columns of a mock survey follow from the rest of it, but for their last bits.
    is_table = "table" in configuration.survey
    tasks = []
    for i, (train, test) in enumerate(folds[: configuration.max_folds]):
        for entry in configuration.trained:
            description = describe_fold(configuration, entry, seed, i)
            about = {
                "estimator": entry.name,
                "entry": describe_entry(configuration, entry, seed, i),
                "description": description,
                "data": digest,
                "columns": survey.digest_of_columns(entry) if is_table else None,
                "n_folds": len(folds),
            }
            tasks.append(
                Task(
                    entry=entry,
                    seed=seed,
                    fold=i,
                    estimator=entry.build(configuration.shared, seed),
                    y=survey.log_mass,
                    redshift=survey.sample.redshift,
                    group=group,
                    train=train,
                    test=test,
                    path=fold_path(configuration, entry, description),
                    about=about,
                )
            )
    return tasks


def _is_kept(configuration, task, verbose):
    """Return whether a file holds the predictions of exactly this task."""
    is_same = SameFold(task.estimator)
    folds, problems = read_folds(configuration, task.entry, task.seed, task.fold)
    described = [
        fold
        for fold in folds
        if is_same(fold.about["description"], task.about["description"])
    ]
    for fold in described:
        is_of_survey = data_of(fold.about) == data_of(task.about)
        if is_of_survey and np.array_equal(fold.cluster, task.test):
            return True
    for problem in problems:
        say(f"{problem} This fold is trained again.", verbose=verbose)
    if described:
        say(
            f"{task.path} is about other clusters than the survey has now. This fold is "
            "trained again.",
            verbose=verbose,
        )
    return False


def _run_fold(task, X):
    """Train and predict one fold, and write its file; return an error and warnings."""
    with warnings.catch_warnings(record=True) as caught:
        # A filter that turns warnings into errors is for the calling process.
        warnings.simplefilter("default")
        try:
            _train_and_write(task, X)
            error = ""
        # One estimator that fails must not stop the others.
        except Exception as exception:
            error = _failure(task, exception)
    return error, [warning.message for warning in caught]


def _not_run(task, exception):
    """Return what `_run_fold` does for a fold whose input could not be made."""
    return _failure(task, exception), []


def _failure(task, exception):
    place = traceback.extract_tb(exception.__traceback__)[-1]
    return (
        f"{task.entry.name}, seed {task.seed}, fold {task.fold} failed: "
        f"{type(exception).__name__}: {exception} ({place.filename}, line {place.lineno})"
    )


def _train_and_write(task, X):
    if task.entry.make is least_squares:
        _warn_of_new_snapshots(task)
    train, test = rows_of(X, task.train), rows_of(X, task.test)
    y, group = task.y[task.train], task.group
    group = None if group is None else group[task.train]
    fitted, fit = measured(
        lambda: fit_fold(task.estimator, train, y, slice(None), group)
    )
    with_std = predicts_std(fitted)
    options = {"return_std": True} if with_std else {}
    predicted, predict = measured(lambda: fitted.predict(test, **options))
    mean, std = predicted if with_std else (predicted, None)
    mean = np.asarray(mean, float)
    if mean.shape != task.test.shape or not np.isfinite(mean).all():
        raise ValueError(
            f"its predictions have the shape {mean.shape} and {np.isfinite(mean).sum()} "
            f"finite numbers, but there are {len(task.test)} clusters."
        )
    columns = {
        "cluster": task.test,
        "log_mass": task.y[task.test],
        "predicted": mean,
        "std": std,
        "redshift": task.redshift[task.test],
        "group": None if task.group is None else task.group[task.test],
    }
    cost = {
        "fit_seconds": fit.seconds,
        "fit_cpu_seconds": fit.cpu_seconds,
        "predict_cpu_seconds": predict.cpu_seconds,
        "peak_mib": max(fit.peak_mib, predict.peak_mib),
        "n_parameters": count_learned(fitted),
        "n_train": len(task.train),
    }
    write_fold(task.path, columns, {**task.about, **cost, "made": _circumstances()})


def _warn_of_new_snapshots(task):
    """Warn of clusters of a snapshot whose intercept nothing has been learned of."""
    is_new = ~np.isin(task.redshift[task.test], task.redshift[task.train])
    if is_new.any():
        warnings.warn(
            f"{task.entry.name}, seed {task.seed}, fold {task.fold}: {is_new.sum()} of "
            f"{len(is_new)} clusters have a redshift that no training cluster has (first: "
            f"z = {task.redshift[task.test][is_new][0]:g}), and least_squares, which has "
            "an intercept for each, is wrong for them. Round the redshifts, or take "
            'builtin = "covariance_4" with arguments = { redshift_bins = 5 }.',
            UserWarning,
            stacklevel=2,
        )


def _circumstances():
    """Return the versions, the machine and the time, for the record."""
    return {
        "when": datetime.datetime.now(datetime.UTC).isoformat(timespec="milliseconds"),
        "versions": {"python": platform.python_version()} | versions_of_models(),
        "machine": f"{_processor()}, {os.cpu_count()} cores",
    }


def _processor():
    """Return the model of the processor."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        lines = []
    models = (line.partition(":")[2] for line in lines if line.startswith("model name"))
    return next(models, platform.processor() or platform.machine()).strip()
