"""Progress on standard error: a bar on a terminal, a line now and then in a log.

This is the only module besides the command that writes to standard error. It never
stops the work that it reports: if standard error is closed, that is ignored.
"""

import contextlib
import contextvars
import functools
import os
import sys
import threading
import time

from .printable import printable

QUIET_SECONDS = 2.0
"""Seconds of work before anything is shown."""
SECONDS_BETWEEN_LINES = 10.0, 600.0
"""Shortest and longest time between two lines of a log; in between, a tenth of the time
since the start."""


class Progress:
    """Show how much of a task is done, and how long the rest will take.

    On a terminal it is a bar. In a file, a pipe, a notebook or a worker process it is a
    line every ten seconds at most, without carriage returns.

    Parameters
    ----------
    what : str
        What is counted, such as "mock clusters".
    total : int
        Number of items in all.
    done : int, default=0
        Items that an interrupted run had done before.
    verbose : int, default=1
        With 0, say nothing.
    quiet_for : float or None, default=None
        Seconds before anything is shown; None is `QUIET_SECONDS`. Work that ends sooner
        shows nothing at all.
    worked_for : float, default=0.0
        Seconds of work on these items before this was made.

    Examples
    --------
    >>> with Progress("clusters", 3) as progress:  # too quick to say anything
    ...     for cluster in "abc":
    ...         progress.update()
    """

    def __init__(
        self, what, total, *, done=0, verbose=1, quiet_for=None, worked_for=0.0
    ):
        self.what, self.total = printable(what), total
        self.done = self.n_before = done
        self.note = ""
        self._is_on = bool(verbose) and sys.stderr is not None and not _IS_HUSHED.get()
        self._quiet_for = QUIET_SECONDS if quiet_for is None else quiet_for
        self._started = time.perf_counter() - worked_for
        self._next_line = self._started + self._quiet_for
        self._said = None
        self._bar = None

    def __enter__(self):
        return self

    def __exit__(self, *error):
        self.close()

    def update(self, n=1, note=""):
        """Count items as done.

        Parameters
        ----------
        n : int, default=1
            How many more are done.
        note : str, default=""
            Text shown after the count, such as the present loss.
        """
        self.done, self.note = self.done + n, printable(note)
        now = time.perf_counter()
        if not self._is_on or now < self._started + self._quiet_for:
            return
        if draws_bars():
            self._draw()
        elif now >= self._next_line:
            self._say_line(self._remaining(now))
            shortest, longest = SECONDS_BETWEEN_LINES
            tenth = 0.1 * (now - self._started)
            self._next_line = now + min(max(shortest, tenth), longest)

    def close(self):
        """Write the final state on its own line, if anything was shown before."""
        if self._bar is not None:
            with _LOCK:
                self._bar.close()
        elif self._is_on and self._said is not None and self._said != self.done:
            self._say_line(f"{_clock(time.perf_counter() - self._started)} in all")
        self._is_on, self._bar = False, None

    def _draw(self):
        with _LOCK:
            if self._bar is None:
                self._bar = _new_bar(self.what, self.total, self.n_before)
                self._bar.start_t -= time.perf_counter() - self._started
                self._bar.last_print_t = self._bar.start_t
            self._bar.set_postfix_str(self.note, refresh=False)
            self._bar.update(self.done - self._bar.n)

    def _say_line(self, times):
        self._said = self.done
        note = f"  {self.note}" if self.note else ""
        say(f"{self.what} {self.done} / {self.total}{note} ({times})")

    def _remaining(self, now):
        elapsed = now - self._started
        if self.done >= self.total:
            return f"{_clock(elapsed)} in all"
        each = elapsed / max(self.done - self.n_before, 1)
        return f"{_clock(each * (self.total - self.done))} left"


def say(text, *, verbose=1, is_problem=False):
    """Write one line to standard error, above the bars that are on the terminal.

    Parameters
    ----------
    text : str
        Control characters and line breaks in it are written as escapes.
    verbose : int, default=1
        With 0, say nothing.
    is_problem : bool, default=False
        Whether to say it inside of `hushed` as well.
    """
    if not verbose or sys.stderr is None or (_IS_HUSHED.get() and not is_problem):
        return
    with _LOCK, _bars_out_of_the_way():
        _SCREEN.write(f"{printable(text)}\n")
        _SCREEN.flush()


@contextlib.contextmanager
def hushed(is_on=True):
    """Show problems only, and neither progress nor notes.

    Examples
    --------
    >>> with hushed():
    ...     say("Wrote 3 mock clusters.")
    """
    token = _IS_HUSHED.set(is_on)
    try:
        yield
    finally:
        _IS_HUSHED.reset(token)


def draws_bars():
    """Return whether standard error is a terminal that no other process writes to."""
    try:
        is_terminal = sys.stderr.isatty()
    except (AttributeError, ValueError):  # replaced by something else, or closed
        return False
    # Every worker process has loaded it; others need not.
    processes = sys.modules.get("multiprocessing.process")
    is_worker = processes is not None and processes.parent_process() is not None
    return is_terminal and not is_worker and os.environ.get("TERM") != "dumb"


def _clock(seconds):
    """Seconds as m:ss or h:mm:ss.

    Examples
    --------
    >>> _clock(7.4), _clock(83), _clock(7384)
    ('0:07', '1:23', '2:03:04')
    """
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{seconds:02d}"
    return f"{minutes}:{seconds:02d}"


class _StandardError:
    """The present `sys.stderr`, ignoring errors in writing to it."""

    def __getattr__(self, name):
        return getattr(sys.stderr, name)

    def write(self, text):
        # A closed file is a ValueError; a pipe that nobody reads, an OSError.
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.write(text)

    def flush(self):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            sys.stderr.flush()


class _NoLock(contextlib.nullcontext):
    """Replacement of tqdm's lock, which an error or Ctrl-C may leave locked forever."""

    def acquire(self, *args, **kwargs):
        return True

    def release(self):
        pass


_SCREEN = _StandardError()
_IS_HUSHED = contextvars.ContextVar("is_hushed", default=False)
_LOCK = threading.RLock()


def _bars_out_of_the_way():
    if not _bar_class.cache_info().currsize:
        return contextlib.nullcontext()
    return _bar_class().external_write_mode(file=_SCREEN)


def _new_bar(what, total, n_before):
    # Some terminals do not know their own size and say 0 x 0.
    size = {"dynamic_ncols": True} if _knows_its_size() else {"ncols": 80, "nrows": 24}
    return _bar_class()(
        desc=what,
        total=total,
        initial=n_before,
        file=_SCREEN,
        bar_format="{desc} {n_fmt} / {total_fmt} |{bar}| {elapsed} < {remaining}{postfix}",
        mininterval=0.2,
        miniters=1,
        **size,
    )


def _knows_its_size():
    try:
        return min(os.get_terminal_size(sys.stderr.fileno())) > 0
    except (OSError, ValueError, AttributeError):
        return False


@functools.cache
def _bar_class():
    """The class of tqdm's bars, without its thread and its lock."""
    from tqdm import tqdm

    class Bar(tqdm):
        monitor_interval = 0

    Bar.set_lock(_NoLock())
    return Bar


def _begin_anew():
    # A fork while another thread draws leaves the child a lock that is held.
    global _LOCK
    _LOCK = threading.RLock()
    if _bar_class.cache_info().currsize:
        _bar_class()._instances.clear()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_begin_anew)
