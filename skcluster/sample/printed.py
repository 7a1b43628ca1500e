"""The printed forms of a sample: one line per field."""

import html


def as_text(size, summaries):
    """Describe a sample in lines of text.

    Parameters
    ----------
    size : str
        How large it is.
    summaries : dict of str to str
        Name of each field -> what it holds.
    """
    width = max(map(len, summaries)) + 2
    lines = "".join(f"\n  {name:{width}}{text}" for name, text in summaries.items())
    return f"<ClusterSample of {size}{lines}>"


def as_html(size, summaries):
    """Describe a sample as a table, for notebooks; parameters as in `as_text`."""
    rows = "".join(
        f"<tr><th>{html.escape(name)}</th><td>{html.escape(text)}</td></tr>"
        for name, text in summaries.items()
    )
    return f"<table><caption>ClusterSample: {size}</caption>{rows}</table>"
