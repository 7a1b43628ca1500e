"""Errors of the library in the words of the command: its options, not our parameters."""

import re
from functools import cache

from .output import one_line

SAID_IN_FULL = OSError, ValueError, ImportError, RuntimeError
"""Errors whose messages say what is wrong; others need the name of their class."""

SAME_NAMES = (
    "energy_unit",
    "energy_range",
    "drop_nulls",
    "hdu",
    "table_hdu",
    "image_energy",
    "exposure_keyword",
    "drop_duplicates",
    "half_width",
    "allow_missing",
)
OPTIONS = {name: name for name in SAME_NAMES} | {
    "n_pixels": "pixels",
    "n_bins": "bins",
    "max_epochs": "epochs",
    "n_members": "members",
    "n_dropout_draws": "dropout_draws",
    "n_clusters": "clusters",
    "n_jobs": "jobs",
    "random_state": "seed",
}
"""Parameters whose names are no English words -> their options, as argparse stores them."""

OF_CLUSTERS = {
    "Name them with ra, dec and energy": (
        "Name them with --ra-column, --dec-column and --energy"
    ),
    "or a function; or name another column with energy": (
        "or name another column with --energy"
    ),
    "give events": "give --events",
    "QuadrantGroupKFold(box_size=...)": "--box-size",
    "so events would": "so --events would",
    "give sample.drop('exposure')": (
        "leave out the table's column exposure, --exposure, --exposure-keyword and "
        "--exposure-map"
    ),
}
"""What is said about other parameters and about samples -> how the command says it."""

OF_FIELDS = {
    "photons": (
        "give the table the column photons with the paths of their lists, or --events"
    ),
    "center": "give the table the columns ra and dec in degrees",
    "exposure": (
        "give the table the column exposure in seconds, one event list --exposure, or any "
        "of them --exposure-keyword or --exposure-map"
    ),
}
"""Field of a sample -> how the command says how to get it."""

PAIR = re.compile(r"'([^']*)': '([^']*)'")
MAPPING = re.compile(rf"columns=\{{{PAIR.pattern}(?:, {PAIR.pattern})*\}}")
SUBJECT = re.compile(r"\bcolumns (?=says|gives|names|has the name|must also name)")


def with_options(message, arguments):
    """Return a message that names options in place of the parameters that they set.

    Parameters
    ----------
    message : str
    arguments : Namespace
        Parsed arguments of the command, which tell the options that it has.

    Examples
    --------
    >>> from argparse import Namespace
    >>> with_options("n_pixels must be a positive int, got 0.", Namespace(pixels=0))
    '--pixels must be a positive int, got 0.'
    """
    for parameter, option in OPTIONS.items():
        if hasattr(arguments, option):
            spelled = f"--{option.replace('_', '-')}"
            message = re.sub(rf"(?<![\w/.-]){parameter}(?![\w/.])", spelled, message)
    if hasattr(arguments, "energy_unit"):
        for ours, theirs in _sentences().items():
            message = message.replace(ours, theirs)
        message = SUBJECT.sub("--columns ", MAPPING.sub(_as_option, message))
    return message


@cache
def _sentences():
    """Return all that is said about clusters -> how the command says it."""
    from ..sample import FIELDS

    of_fields = {FIELDS[name].how_to_get: said for name, said in OF_FIELDS.items()}
    return OF_CLUSTERS | of_fields


def line_about(error, arguments):
    """Describe an error on one line, with its class if it does not explain itself.

    Parameters
    ----------
    error : Exception
    arguments : Namespace
        As in `with_options`.

    Examples
    --------
    >>> from argparse import Namespace
    >>> line_about(OSError("a.fits is cut off."), Namespace())
    'a.fits is cut off.'
    >>> line_about(KeyError("ra"), Namespace())
    "KeyError: 'ra' (--traceback shows where it came from)"
    """
    line = with_options(one_line(error), arguments)
    if isinstance(error, SAID_IN_FULL):
        return line
    return f"{type(error).__name__}: {line} (--traceback shows where it came from)"


def _as_option(mapping):
    pairs = PAIR.findall(mapping[0])
    return f"--columns {','.join(f'{name}={column}' for name, column in pairs)}"
