"""What the command says: results on stdout, progress on stderr."""

import json
import sys

import numpy as np


def say(text):
    """One line of progress."""
    print(text, file=sys.stderr, flush=True)


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


def _plain(value):
    value = value.item() if isinstance(value, np.generic) else value
    return None if isinstance(value, float) and not np.isfinite(value) else value
