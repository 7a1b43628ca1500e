"""Progress: a bar on a terminal, a few lines in a log, and never the end of a run."""

import errno
import io
import os
import re
import subprocess
import sys
import threading
import time

import numpy as np
import pytest
from joblib import Parallel, delayed

from skcluster import progress
from skcluster.cli.demo import _FoldProgress
from skcluster.progress import Progress, say


class Terminal(io.StringIO):
    """Standard error that says that it is a terminal."""

    def isatty(self):
        return True


@pytest.fixture
def clock(monkeypatch):
    """A clock that is moved by hand: its list's only number."""
    now = [1000.0]
    monkeypatch.setattr(progress.time, "perf_counter", lambda: now[0])
    return now


@pytest.fixture
def open_terminal(monkeypatch):
    """A function: between fixture and test, pytest puts a stream of its own there."""

    def opened():
        monkeypatch.setenv("TERM", "xterm")
        monkeypatch.setattr(sys, "stderr", Terminal())
        return sys.stderr

    return opened


def work(clock, n_items, seconds, **options):
    with Progress("clusters", n_items, **options) as shown:
        for _ in range(n_items):
            clock[0] += seconds
            shown.update()


def test_quick_work_says_nothing(clock, capsys):
    work(clock, 19, 0.1)
    assert capsys.readouterr() == ("", "")


def test_a_log_has_a_line_every_ten_seconds_and_one_at_the_end(clock, capsys):
    work(clock, 200, 0.1)
    lines = capsys.readouterr().err.splitlines()
    assert lines == [
        "clusters 20 / 200 (0:18 left)",
        "clusters 120 / 200 (0:08 left)",
        "clusters 200 / 200 (0:20 in all)",
    ]


def test_a_day_of_work_is_less_than_two_hundred_lines(clock, capsys):
    work(clock, 86400, 1.0)
    err = capsys.readouterr().err
    done = [int(line.split()[1]) for line in err.splitlines()]
    assert len(done) < 200
    assert np.diff(done).max() <= 600
    assert "\r" not in err
    assert err.endswith("clusters 86400 / 86400 (24:00:00 in all)\n")


def test_nothing_is_said_when_not_verbose(clock, capsys):
    work(clock, 9, 100.0, verbose=0)
    say("nothing", verbose=0)
    assert capsys.readouterr() == ("", "")


def test_time_left_counts_only_the_work_of_this_run(clock, capsys):
    with Progress("epoch", 100, done=50, quiet_for=0.0) as shown:
        clock[0] += 6.0
        shown.update(note="loss: train 0.5")
    assert capsys.readouterr().err == "epoch 51 / 100  loss: train 0.5 (4:54 left)\n"


def test_work_that_stops_early_leaves_its_last_state(clock, capsys):
    def stop_after_five():
        with Progress("epoch", 9, quiet_for=0.0) as shown:
            for _ in range(5):
                clock[0] += 1.0
                shown.update()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop_after_five()
    assert capsys.readouterr().err.splitlines() == [
        "epoch 1 / 9 (0:08 left)",
        "epoch 5 / 9 (0:05 in all)",
    ]


def test_a_terminal_has_one_line_that_is_rewritten(open_terminal):
    terminal = open_terminal()
    with Progress("clusters", 3, quiet_for=0.0) as shown:
        for note in "abc":
            time.sleep(0.25)
            shown.update(note=note)
    drawn = terminal.getvalue()
    assert drawn.count("\n") == 1
    assert drawn.endswith("\n")
    last = drawn.rsplit("\r", 1)[1]
    assert re.fullmatch(r"clusters 3 / 3 \|.*\| 00:0\d < 00:00, c\s*\n", last), (
        f"{last!r}"
    )
    assert re.search(r"clusters 1 / 3 \|.*\| 00:00 < 00:0\d, a", drawn)


def test_quick_work_draws_nothing_on_a_terminal(open_terminal):
    terminal = open_terminal()
    with Progress("clusters", 3) as shown:
        shown.update(3)
    assert terminal.getvalue() == ""


def test_a_message_stands_on_a_line_of_its_own_above_the_bar(open_terminal):
    terminal = open_terminal()
    with Progress("clusters", 3, quiet_for=0.0) as shown:
        shown.update()
        say("A warning.")
        shown.update(2)
    screen = [line.rsplit("\r", 1)[-1] for line in terminal.getvalue().split("\n")]
    assert screen[0] == "A warning."
    assert screen[1].startswith("clusters 3 / 3")
    assert screen[2:] == [""]


def test_ctrl_c_leaves_the_cursor_on_a_new_line(open_terminal):
    terminal = open_terminal()

    def stop():
        with Progress("clusters", 3, quiet_for=0.0) as shown:
            shown.update()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stop()
    say("Interrupted.")
    assert terminal.getvalue().endswith("\nInterrupted.\n")


def test_a_dumb_terminal_gets_lines(open_terminal, monkeypatch):
    terminal = open_terminal()
    monkeypatch.setenv("TERM", "dumb")
    with Progress("clusters", 3, quiet_for=0.0) as shown:
        shown.update(3)
    assert terminal.getvalue() == "clusters 3 / 3 (0:00 in all)\n"


class Gone(io.StringIO):
    """A pipe that nobody reads any more."""

    def write(self, text):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")


class GoneTerminal(Gone, Terminal):
    """A terminal that was closed while the work went on."""


def closed():
    stream = io.StringIO()
    stream.close()
    return stream


@pytest.mark.parametrize(
    "stream",
    [None, Gone(), GoneTerminal(), closed(), object()],
    ids=["none", "pipe", "terminal", "closed", "object"],
)
def test_work_goes_on_when_standard_error_is_gone(stream, monkeypatch):
    monkeypatch.setenv("TERM", "xterm")
    monkeypatch.setattr(sys, "stderr", stream)
    with Progress("clusters", 3, quiet_for=0.0) as shown:
        for _ in range(3):
            shown.update()
            say("Still here.")
    assert shown.done == 3


def count_to(n, what):
    with Progress(what, n, quiet_for=0.0) as shown:
        for _ in range(n):
            shown.update()
    return shown.done


def test_lines_of_several_threads_do_not_mix(capsys):
    done = Parallel(8, "threading")(
        delayed(count_to)(50, f"worker {i}") for i in range(8)
    )
    assert done == [50] * 8
    lines = capsys.readouterr().err.splitlines()
    pattern = r"worker \d (1|50) / 50 \(0:00 (left|in all)\)"
    assert all(re.fullmatch(pattern, line) for line in lines)
    assert len(lines) == 16


def test_bars_of_several_threads_all_end(open_terminal):
    terminal = open_terminal()
    threads = [threading.Thread(target=count_to, args=(200, f"w{i}")) for i in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert not any(thread.is_alive() for thread in threads)
    for i in range(6):
        assert f"w{i} 200 / 200" in terminal.getvalue()


def is_drawing():
    sys.stderr = Terminal()
    return progress.draws_bars()


def test_worker_processes_leave_the_terminal_to_the_one_that_started_them(
    open_terminal,
):
    open_terminal()
    assert is_drawing()
    assert Parallel(2)(delayed(is_drawing)() for _ in range(2)) == [False, False]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="no fork on this system")
def test_a_fork_while_a_bar_is_drawn_does_not_hang():
    code = """
import io, os, sys, threading
class Terminal(io.StringIO):
    isatty = lambda self: True
os.environ["TERM"] = "xterm"
sys.stderr = Terminal()
from skcluster import progress
held = progress.Progress("outer", 9, quiet_for=0.0)
held.update()
taken, done = threading.Event(), threading.Event()
def hold():
    with progress._LOCK:
        taken.set()
        done.wait()
threading.Thread(target=hold).start()
taken.wait()
child = os.fork()
if child == 0:
    progress.say("child")
    with progress.Progress("inner", 2, quiet_for=0.0) as shown:
        shown.update(2)
    os._exit(0)
code = os.waitpid(child, 0)[1]
done.set()
print(code)
"""
    command = [sys.executable, "-W", "ignore", "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals on Windows")
def test_a_survey_is_counted_on_a_real_terminal_and_in_a_file(tmp_path):
    pty = pytest.importorskip("pty")
    code = """
import os, sys
from skcluster import progress
progress.QUIET_SECONDS = 0.0
from skcluster.datasets import make_mock_survey
make_mock_survey(12, random_state=0, verbose=1)
os.dup2(os.open(sys.argv[1], os.O_WRONLY | os.O_CREAT), 2)
make_mock_survey(12, random_state=0, verbose=1)
"""
    log = tmp_path / "log"
    ours, theirs = pty.openpty()
    command = [sys.executable, "-c", code, str(log)]
    env = {**os.environ, "TERM": "xterm", "COLUMNS": "80"}
    with os.fdopen(ours, "rb", buffering=0) as screen:
        done = subprocess.Popen(command, stderr=theirs, env=env)
        os.close(theirs)
        drawn = b""
        while True:
            try:
                chunk = screen.read(4096)
            except OSError:  # the other end is closed
                break
            if not chunk:
                break
            drawn += chunk
        assert done.wait(60) == 0
    assert b"mock clusters 12 / 12 |" in drawn
    assert drawn.count(b"\n") == 1
    assert b"mock clusters 12 / 12 (" in log.read_bytes()
    assert b"\r" not in log.read_bytes()
    assert 1 <= log.read_bytes().count(b"\n") <= 2


def test_the_helper_is_light():
    code = "import sys; import skcluster.progress; print('tqdm' in sys.modules)"
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_estimated_times_follow_the_mean_rate(clock, capsys):
    rng = np.random.default_rng(0)
    seconds = rng.uniform(5, 15, 40)
    with Progress("clusters", 40, quiet_for=0.0) as shown:
        for each in seconds:
            clock[0] += each
            shown.update()
    line = capsys.readouterr().err.splitlines()[1]
    done = int(line.split()[1])
    left = seconds[:done].mean() * (40 - done)
    minutes, rest = divmod(round(left), 60)
    assert line == f"clusters {done} / 40 ({minutes}:{rest:02d} left)"


def test_the_demo_s_first_fold_tells_how_long_the_others_take(capsys):
    count = _FoldProgress()
    count("network", 1, 8, 60.0)
    assert "fold 1 / 8 (7:00 left)" in capsys.readouterr().err
