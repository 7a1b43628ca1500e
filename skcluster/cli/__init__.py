"""The `skcluster` command: demo, simulate, train, predict, explain, inspect, benchmark.

Exit codes: 0 success; 1 an error, described in one line on standard error; 2 wrong
usage; 3 some clusters have no mass, because a list of theirs cannot be read, their row has
a gap, no photon is in the map, or there was another error: standard error names them, and
all others have a mass; or a benchmark lacks folds; 130 interrupted; 141 standard output
was closed by its reader, as by ``| head``.

Shells complete commands, options and files with argcomplete (``skcluster[completion]``)
after ``eval "$(register-python-argcomplete skcluster)"``.
"""

import argparse
import gc
import os
import warnings

from .. import __version__
from ..progress import hushed, say
from .benchmark import add_benchmark
from .demo import add_demo
from .explain import add_explain
from .inspect import add_inspect
from .option_names import SAID_IN_FULL, line_about
from .output import ReaderGone, WarningsOnce, emit, one_line
from .predict import add_predict
from .simulate import add_simulate
from .train import add_train

REPORTED = (*SAID_IN_FULL, TypeError, LookupError, ArithmeticError, MemoryError)
"""Errors that end a command with one line."""
INTERRUPTED = 130
READER_GONE = 141
"""Exit code with which the shell reports that SIGPIPE ended a program."""


def main(argv=None):
    """Run the command and return its exit code.

    Parameters
    ----------
    argv : list of str, default=None
        Arguments; by default those of the process.

    Examples
    --------
    >>> main(["predict", "nowhere.skops", "photons.fits"])
    1
    """
    try:
        arguments = _parsed(argv)
        with warnings.catch_warnings():
            warnings.showwarning = WarningsOnce()
            return _run(arguments)
    except ReaderGone:
        return READER_GONE
    except KeyboardInterrupt:
        say("skcluster: interrupted.")
        return INTERRUPTED
    finally:
        if argv is None:
            # The process ends, and Python would first look for garbage in all of torch.
            gc.freeze()


def _parsed(argv):
    """Parse the arguments, and refuse empty strings from unset shell variables."""
    parser = _parser()
    if "_ARGCOMPLETE" in os.environ:  # the shell asks how a line may go on
        import argcomplete

        argcomplete.autocomplete(parser)
    arguments = parser.parse_args(argv)
    for name, value in vars(arguments).items():
        if value == "" or (isinstance(value, list) and "" in value):
            parser.error(
                f"argument {name.replace('_', '-')}: an empty string was given"
            )
    return arguments


def _run(arguments):
    try:
        with hushed(arguments.quiet):
            return arguments.run(arguments)
    except REPORTED as error:
        if arguments.traceback:
            raise
        say(f"skcluster: {line_about(error, arguments)}")
    return 1


class _Parser(argparse.ArgumentParser):
    """A parser whose messages hold no control characters."""

    def error(self, message):
        super().error(one_line(message))

    def print_help(self, file=None):
        # argparse would notice a closed pipe only at the exit of the interpreter.
        if file is None:
            emit(self.format_help().rstrip())
        else:
            super().print_help(file)


def _parser():
    parser = _Parser(
        prog="skcluster",
        description="Masses of galaxy clusters from X-ray photon lists.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    adders = (
        add_demo,
        add_simulate,
        add_train,
        add_predict,
        add_explain,
        add_inspect,
        add_benchmark,
    )
    for add in adders:
        command = add(commands)
        command.add_argument(
            "--json", action="store_true", help="JSON on standard output"
        )
        command.add_argument(
            "--traceback", action="store_true", help="show where an error comes from"
        )
        command.add_argument(
            "-q",
            "--quiet",
            action="store_true",
            help="show no progress and no notes, but warnings and errors",
        )
    return parser
