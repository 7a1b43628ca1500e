"""Names from files and tables, made safe for terminals, logs and error messages.

A file name, a FITS keyword or a cell of a table may hold escape sequences that a
terminal executes, line breaks that forge a line of a log, or marks that reverse the
reading direction.
"""

import os


def printable(name):
    r"""Spell a name so that a terminal shows it and executes nothing in it.

    Letters of any script stay; control characters, line breaks, invisible marks and bytes
    that are not text are written as escapes.

    Parameters
    ----------
    name : str, bytes, path-like or object
        Any object but strings, bytes and paths is converted by ``str``.

    Returns
    -------
    spelled : str

    Examples
    --------
    >>> printable("A1795 \x1b[2J\n")
    'A1795 \\x1b[2J\\n'
    >>> printable("Persée 7")
    'Persée 7'
    """
    if isinstance(name, bytes | os.PathLike):
        name = os.fsdecode(name)
    name = str(name)
    if name.isprintable():
        return name
    return "".join(
        letter if letter.isprintable() else repr(letter)[1:-1] for letter in name
    )
