"""The `skcluster` command: demo, simulate, train, predict, explain and inspect.

Exit codes: 0 all done; 1 an error, told on one line; 2 wrong usage; 3 some clusters have
no prediction; 130 interrupted.
"""

import argparse
import sys
import warnings

from .. import __version__
from .demo import add_demo
from .explain import add_explain
from .inspect import add_inspect
from .models import add_predict, add_train
from .output import say_warning
from .simulate import add_simulate


def main(argv=None):
    """Run the command; returns its exit code.

    Examples
    --------
    >>> main(["predict", "nowhere.skops", "photons.fits"])
    1
    """
    arguments = _parser().parse_args(argv)
    try:
        with warnings.catch_warnings():
            warnings.showwarning = say_warning
            return arguments.run(arguments)
    except KeyboardInterrupt:
        print("\nskcluster: interrupted.", file=sys.stderr)
        return 130
    except (OSError, ValueError, ImportError, RuntimeError) as error:
        if arguments.traceback:
            raise
        print(f"skcluster: {error}", file=sys.stderr)
        return 1


def _parser():
    parser = argparse.ArgumentParser(
        prog="skcluster",
        description="Masses of galaxy clusters from X-ray photon lists.",
    )
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    adders = add_demo, add_simulate, add_train, add_predict, add_explain, add_inspect
    for add in adders:
        command = add(commands)
        command.add_argument(
            "--traceback", action="store_true", help="show where an error came from"
        )
    return parser
