"""`skcluster inspect`: show the header of a stored model, without loading the model."""

import json

from ..printable import counted
from .output import emit


def add_inspect(commands):
    """Add the parser of `inspect`."""
    parser = commands.add_parser(
        "inspect",
        help="show what a stored model is and whether its file is undamaged",
        description="Show the header of a model file: who wrote it, with which versions, "
        "what it takes and predicts, and what it was trained on. The model itself is not "
        "loaded. The complete file is compared with the hashes in its header; the exit "
        "code is 1 if it differs, or is not a model.",
    )
    parser.add_argument(
        "model", help="file that `skcluster train` or save_model has stored"
    )
    parser.set_defaults(run=inspect)
    return parser


def inspect(arguments):
    """Print the header of a model file."""
    from ..persistence import read_header

    header = read_header(arguments.model)
    if arguments.json:
        emit(json.dumps(header, indent=1))
        return 0
    for name, value in header.items():
        lines = [] if value is None else READABLE.get(name, _one_line)(value)
        for i, line in enumerate(lines):
            emit(f"{'' if i else name:16}{line}")
    return 0


def model_lines(model, label="", depth=0):
    """Return lines with the class and parameters of a model and the estimators in it."""
    if not _is_description(model):
        return [text_of(model)]
    parameters = model["parameters"]
    inner = list(_estimators(parameters))
    names = {name for name, _, _ in inner}
    given = [
        f"{text_of(name)}={text_of(value)}"
        for name, value in parameters.items()
        if name not in names
    ]
    own = f"{text_of(model['class']).rpartition('.')[2]}({', '.join(given)})"
    lines = [f"{'  ' * depth}{label}{own}"]
    for _, step, estimator in inner:
        lines += model_lines(estimator, f"{text_of(step)}: ", depth + 1)
    return lines


def text_of(value):
    """Return a printable string unchanged, and anything else as JSON.

    Examples
    --------
    >>> print(text_of("Coma"), text_of("no \\x1b[31mred"), text_of([1, None]))
    Coma "no \\u001b[31mred" [1, null]
    """
    if isinstance(value, str) and value.isprintable():
        return value
    return json.dumps(value)


def _is_description(value):
    return (
        isinstance(value, dict)
        and isinstance(value.get("class"), str)
        and isinstance(value.get("parameters"), dict)
    )


def _estimators(parameters):
    """Yield parameter, name and description of each estimator, also in lists of steps."""
    for name, value in parameters.items():
        if _is_description(value):
            yield name, name, value
        for item in value if isinstance(value, list) else ():
            if isinstance(item, list) and len(item) > 1 and _is_description(item[1]):
                yield name, item[0], item[1]


def _one_line(value):
    return [text_of(value)]


def _versions(versions):
    return [", ".join(f"{text_of(name)} {versions[name]}" for name in versions)]


def _ranges(ranges):
    return [f"{text_of(name)}: {text_of(ends)}" for name, ends in ranges.items()]


def _folds(folds):
    labels = folds.values() if isinstance(folds, dict) else folds
    return [
        f"{counted(len(folds), 'cluster')} in "
        f"{counted(len({*map(text_of, labels)}), 'fold')}"
    ]


READABLE = {
    "versions": _versions,
    "model": model_lines,
    "bands": lambda bands: [f"{text_of(bands)} keV"],
    "half_width": lambda width: [f"{text_of(width)} comoving Mpc/h"],
    "training_ranges": _ranges,
    "folds": _folds,
    "sha256": lambda hashes: [f"{len(hashes)} members, all as they were written"],
}
