"""Work on one part of the clusters, and past errors about single ones."""

import contextlib
import signal
import sys
import threading
import warnings

import numpy as np

from .option_names import line_about, with_options
from .outcomes import Outcome
from .output import one_line

FOR_DEVELOPERS = DeprecationWarning, PendingDeprecationWarning
"""Warnings that Python does not show to users: of one package about another."""


def outcome_of(work, part, tick=lambda: None):
    """Do some work on a part, and if that fails, on each of its clusters separately.

    Parameters
    ----------
    work, part
        See `work_through`.
    tick : callable, optional
        Function that counts a finished cluster.
    """
    work.load()
    with one_thread(), warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        for category in FOR_DEVELOPERS:
            warnings.simplefilter("ignore", category)
        try:
            outcome = _attempt(work, part, tick)
        except (Exception, TookTooLong) as error:
            if part.arguments.traceback:
                raise
            if len(part) == 1:
                return _failure(part, error)
            outcome = None
    if outcome is None:
        return Outcome.joined(outcome_of(work, single) for single in part.singles())
    lines = (with_options(one_line(each.message), part.arguments) for each in caught)
    outcome.warnings = [*dict.fromkeys(lines)]
    return outcome


class Unreadable(Exception):
    """Error about reading the lists of a part; its cause says what is wrong."""


class TookTooLong(BaseException):
    """Signal that time is up: no Exception, which readers would take for a damaged file."""


def _attempt(work, part, tick):
    with time_limit(part.arguments.timeout):
        try:
            sample, unread = part.read()
        except (OSError, ValueError) as error:
            if part.arguments.traceback:
                raise
            raise Unreadable from error
        columns = work(part, sample, np.isin(np.arange(len(part)), [*unread]), tick)
    columns["redshift"] = part.redshift  # a sample has no gaps, but a table may
    return Outcome(columns, {part.rows[i]: line for i, line in unread.items()})


def _failure(part, error):
    """Return the outcome of one cluster about which there was an error."""
    columns = {"name": part.names, "redshift": part.redshift}
    columns["n_photons"] = np.zeros(1, int)
    outcome = Outcome(columns)
    reasons = outcome.failed
    if isinstance(error, Unreadable):
        reasons, error = outcome.unread, error.__cause__
    if isinstance(error, TookTooLong):
        error = TimeoutError(*error.args)
    reasons[part.rows.start] = line_about(error, part.arguments)
    return outcome


@contextlib.contextmanager
def one_thread():
    """Context in which numbers are computed with one thread per process.

    The last bits of a sum may depend on the number of threads.
    """
    from threadpoolctl import threadpool_limits

    torch = sys.modules.get("torch")
    with threadpool_limits(1), contextlib.ExitStack() as stack:
        if torch is not None:
            stack.callback(torch.set_num_threads, torch.get_num_threads())
            torch.set_num_threads(1)
        yield


@contextlib.contextmanager
def time_limit(seconds):
    """Context that ends with `TookTooLong` after some seconds; with 0, never.

    Only the main thread of a process has such a limit, and not on Windows.

    Examples
    --------
    >>> import time
    >>> try:
    ...     with time_limit(0.01):
    ...         time.sleep(5)
    ... except TookTooLong as error:
    ...     print(error)
    It takes longer than --timeout 0.01 seconds.
    """
    is_main = threading.current_thread() is threading.main_thread()
    if not (seconds and is_main and hasattr(signal, "setitimer")):
        yield
        return

    def stop(*args):
        raise TookTooLong(f"It takes longer than --timeout {seconds:g} seconds.")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
