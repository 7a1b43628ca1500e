"""What the command says: results on stdout, progress on stderr."""

import json

import numpy as np

from ..progress import say


def say_warning(message, *_, **__):
    """A warning as one line, without the place in our code that it came from."""
    say(f"skcluster: warning: {' '.join(str(message).split())}")


def require_matplotlib(by):
    """Make matplotlib draw into files, or say how to install it."""
    try:
        import matplotlib
    except ImportError as error:
        raise ImportError(
            f"{by} draws with matplotlib, which is not installed: "
            'pip install "skcluster[plot]".'
        ) from error
    matplotlib.use("Agg")


def save_figure(path, figure):
    """Write a figure as PNG, atomically."""
    from ..io.atomic import atomic_replace

    with atomic_replace(path) as file:
        figure.savefig(file, format="png", dpi=150)


def print_table(table, *, as_json):
    """A table for people, or JSON: a list with one object a row."""
    if as_json:
        rows = [
            {name: _plain(row[name]) for name in table.colnames}
            for row in table.filled()
        ]
        print(json.dumps(rows, indent=1))
    else:
        print("\n".join(table.pformat(max_lines=-1, max_width=-1)))


def print_record(record):
    """A JSON object of names and values."""
    print(json.dumps({name: _plain(value) for name, value in record.items()}, indent=1))


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
