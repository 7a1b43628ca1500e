"""Names and numbers as messages spell them, safe for terminals and logs.

A file name, a FITS keyword or a cell of a table may hold escape sequences that a
terminal executes, line breaks that forge a line of a log, or marks that reverse the
reading direction.
"""

import html
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


def counted(n, one, many=None):
    """Spell a number of things, such as "1 cluster".

    Parameters
    ----------
    n : int
    one : str
        The thing in the singular.
    many : str, default=None
        The plural; by default `one` with an s.

    Examples
    --------
    >>> counted(1, "epoch"), counted(2000, "photon"), counted(0, "galaxy", "galaxies")
    ('1 epoch', '2,000 photons', '0 galaxies')
    """
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def all_of(n, one, many):
    """Begin a sentence about all of n things, each of the two ways with its verb.

    Examples
    --------
    >>> all_of(5, "mass is", "masses are"), all_of(1, "mass is", "masses are")
    ('All 5 masses are', 'The only mass is')
    """
    return f"The only {one}" if n == 1 else f"All {n:,} {many}"


def cluster_label(row, names):
    """Describe a cluster by its row and, if it has one, its name.

    Examples
    --------
    >>> cluster_label(0, None), cluster_label(1, ["A1689", "A1795"])
    ('cluster 0', 'cluster 1, A1795')
    """
    return f"cluster {row}" if names is None else f"cluster {row}, {names[row]}"


def no_file(path, what):
    """Return the error about a path at which there is no file.

    Parameters
    ----------
    path : str or path-like
    what : str
        What the file would be, such as "table".

    Returns
    -------
    error : FileNotFoundError
    """
    return FileNotFoundError(
        f"There is no {what} {printable(path)}. Check its path; relative ones start at "
        f"{printable(os.getcwd())}."
    )


def html_table(header, rows, *, caption="", pictures=None):
    """Write a table for notebooks, in which every string is escaped.

    Parameters
    ----------
    header : sequence of str
    rows : sequence of sequences of str
    caption : str, default=""
    pictures : sequence of str, default=None
        SVG elements, one per row, for a last column.

    Examples
    --------
    >>> print(html_table(["name"], [["<A1795>"]]).replace("<tr>", "\\n<tr>"))
    <table><caption></caption>
    <tr><th>name</th></tr>
    <tr><td>&lt;A1795&gt;</td></tr></table>
    """
    lines = [_html_row("th", header, None if pictures is None else "")]
    for i, row in enumerate(rows):
        lines.append(_html_row("td", row, None if pictures is None else pictures[i]))
    return f"<table><caption>{html.escape(caption)}</caption>{''.join(lines)}</table>"


def _html_row(tag, cells, picture):
    cells = [f"<{tag}>{html.escape(str(cell))}</{tag}>" for cell in cells]
    cells += [] if picture is None else [f"<{tag}>{picture}</{tag}>"]
    return f"<tr>{''.join(cells)}</tr>"
