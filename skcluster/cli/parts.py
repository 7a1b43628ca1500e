"""Work through many clusters part by part, past errors, in processes, and after a kill.

Memory holds the lists of one part per process. Each finished part is kept in a file until
all are done, and the same command reads it instead of doing it again. Clusters do not
depend on each other, nor numbers on the number of processes: a process uses one thread.
"""

import argparse
import contextlib
import importlib.util
import re
import warnings

from ..progress import Progress, say
from .new_clusters import NAMED
from .one_part import outcome_of
from .outcomes import Outcome

SECONDS_FOR_AN_ANSWER = 30


def add_part_options(parser):
    """Add the options that say how to work through many clusters."""
    many = parser.add_argument_group("many clusters")
    many.add_argument(
        "--jobs", type=int, default=1, help="processes (default: 1; -1: all cores)"
    )
    many.add_argument(
        "--dask",
        metavar="ADDRESS",
        help="workers of a Dask cluster in place of processes, such as tcp://node1:8786; "
        "they see the same files",
    )
    many.add_argument(
        "--share",
        type=_share,
        metavar="I/N",
        help="only the I-th of N equal shares of the clusters, as for an array of jobs",
    )
    many.add_argument(
        "--timeout",
        type=float,
        default=600.0,
        metavar="SECONDS",
        help="give up a cluster that takes longer (default: 600; 0: never)",
    )


def checked_jobs(arguments):
    """Return the number of processes, and refuse options that make no sense."""
    from ..parameters import NJobs, NonNegative

    NonNegative().check("--timeout", arguments.timeout)
    jobs = NJobs().check("--jobs", arguments.jobs) or 1
    if arguments.dask is None:
        return jobs
    if importlib.util.find_spec("distributed") is None:
        raise ImportError(
            "--dask needs distributed, which is not installed: "
            'pip install "skcluster[dask]".'
        )
    if jobs != 1:
        raise ValueError("Give either --jobs or --dask: a cluster knows its workers.")
    return -1


@contextlib.contextmanager
def dask_workers(address):
    """Context in which joblib sends its calls to the workers of a Dask cluster.

    Parameters
    ----------
    address : str or None
        Address of the scheduler; None leaves joblib alone.
    """
    if address is None:
        yield
        return
    from distributed import Client
    from joblib import parallel_config

    try:
        client = Client(address, timeout=SECONDS_FOR_AN_ANSWER)
    except (OSError, ValueError) as error:
        raise OSError(f"No Dask cluster answers at {address} ({error}).") from error
    with client:
        threads = client.nthreads()
        if not threads or max(threads.values()) > 1:
            raise ValueError(
                f"The {len(threads)} workers at {address} have "
                f"{max(threads.values(), default=0)} threads. Start at least one, and each "
                "with one thread: dask worker --nthreads 1 ADDRESS."
            )
        with parallel_config("dask"):
            yield


def _share(text):
    """Convert the option --share to the number of the share and that of all shares.

    Examples
    --------
    >>> _share("3/10")
    (3, 10)
    """
    found = re.fullmatch(r"(\d+)/(\d+)", text)
    i, n = map(int, found.groups()) if found else (0, 0)
    if not 1 <= i <= n:
        raise argparse.ArgumentTypeError(
            f"{text!r} is not a share such as 3/10, which goes from 1/10 to 10/10"
        )
    return i, n


def rows_of_share(n_clusters, share):
    """Return the range of rows of a share of all clusters.

    Examples
    --------
    >>> rows_of_share(10, None), rows_of_share(10, (1, 3)), rows_of_share(10, (3, 3))
    (range(0, 10), range(0, 3), range(6, 10))
    """
    i, n = share or (1, 1)
    return range((i - 1) * n_clusters // n, i * n_clusters // n)


def work_through(work, parts, *, kept, n_jobs, what, dask=None):
    """Do some work on every part, and return the outcome for all clusters.

    Parameters
    ----------
    work : callable
        Function of a part, its sample, which of its clusters are unread, and a function
        that counts finished clusters; it returns columns. Its method `load` prepares a
        process for it, `is_done` says whether what an outcome tells of is still there. It
        can be sent to processes.
    parts : list of Part
    kept : KeptParts
    n_jobs : int
    what : str
        What the progress counts.
    dask : str, default=None
        Address of a Dask cluster, whose workers take the place of processes.

    Returns
    -------
    outcome : Outcome

    Raises
    ------
    ValueError
        There is an error about every cluster; it says the first.
    """
    outcomes, missing = {}, []
    for i, part in enumerate(parts):
        path = kept.path(part)
        found = kept.read(path) if kept.has_begun else None
        if found is None or not work.is_done(found):
            missing.append((i, part, path))
        else:
            outcomes[i] = found
    kept.begin()
    reports = _Reports(parts)
    for i, outcome in outcomes.items():
        reports.add(parts[i], outcome)
    n_done = sum(len(parts[i]) for i in outcomes)
    n_clusters = sum(map(len, parts))
    with (
        dask_workers(dask if missing else None),
        Progress(what, n_clusters, done=n_done, verbose=1) as progress,
    ):
        for i, path, outcome in _outcomes(work, missing, n_jobs, progress):
            kept.write(path, outcome)
            outcomes[i] = outcome
            reports.add(parts[i], outcome)
    reports.close()
    outcome = Outcome.joined(outcomes[i] for i in range(len(parts)))
    errors = outcome.unread | outcome.failed
    if len(errors) == n_clusters:
        kept.remove()
        raise ValueError(errors[min(errors)])
    return outcome


def _outcomes(work, missing, n_jobs, progress):
    """Yield the number, the path and the outcome of each part, as they are done."""
    if n_jobs == 1:
        for i, part, path in missing:
            n_before = progress.done
            outcome = outcome_of(work, part, progress.update)
            progress.update(len(part) - (progress.done - n_before))
            yield i, path, outcome
        return
    from joblib import Parallel, delayed

    parallel = Parallel(n_jobs=n_jobs, return_as="generator_unordered")
    calls = (delayed(_numbered)(work, part, i) for i, part, _ in missing)
    paths = {i: path for i, _, path in missing}
    sizes = {i: len(part) for i, part, _ in missing}
    for i, outcome in parallel(calls):
        yield i, paths[i], outcome
        progress.update(sizes[i])


def _numbered(work, part, i):
    return i, outcome_of(work, part)


class _Reports:
    """Report the problems of clusters and parts, and each kind of warning only once.

    Errors wait until a cluster is done without one: if there is none, the command ends
    with the first of them.
    """

    def __init__(self, parts):
        self._n_parts = len(parts)
        self._kinds, self._n_more = set(), 0
        self._waiting, self._n_named, self._is_any_done = [], 0, False

    def add(self, part, outcome):
        """Say the warnings and the errors of a part."""
        for line in outcome.warnings:
            # Parts differ in the numbers and the clusters that their warnings name.
            kind = re.sub(r"\([^)]*\)|[\d.]+", "", line) if self._n_parts > 1 else line
            if kind in self._kinds:
                self._n_more += 1
                continue
            self._kinds.add(kind)
            rows = f"Rows {part.rows.start} to {part.rows[-1]}: "
            warnings.warn(
                f"{rows if self._n_parts > 1 else ''}{line}", UserWarning, stacklevel=3
            )
        errors = outcome.unread | {
            row: f"Cluster {part.names[row - part.rows.start]}: {line}"
            for row, line in outcome.failed.items()
        }
        for row in sorted(errors):
            path = part.path_of(row - part.rows.start)
            self._waiting.append(f"skcluster: warning: {path}: {errors[row]}")
        self._is_any_done |= len(errors) < len(part)
        if self._is_any_done:
            for line in self._waiting[: max(NAMED - self._n_named, 0)]:
                say(line, is_problem=True)
            self._n_named += len(self._waiting)
            self._waiting = []

    def close(self):
        """Say how many warnings were like those of another part."""
        if self._n_more:
            text = f"skcluster: {self._n_more} more warnings like these, of other rows."
            say(text, is_problem=True)
