"""Tell of columns that some lists of a sample lack, so that all lose them."""

import warnings

from ..printable import counted, printable


def warn_of_lost_columns(names, label="cluster {}".format, *, stacklevel=5):
    """Warn of columns that some lists lack, so that those of all clusters lose them.

    Parameters
    ----------
    names : list of set of str, or None
        Columns of each cluster's list; None where there is none.
    label : callable
        Function that names the cluster of a list.
    """
    given = [each for each in names if each is not None]
    common = set.intersection(*given)
    lost = sorted(set.union(*given) - common)
    if not lost:
        return
    lacking = [
        i
        for i, each in enumerate(names)
        if each is not None and not each.issuperset(lost)
    ]
    listed = ", ".join(map(printable, lost))
    which = f"column {listed}" if len(lost) == 1 else f"columns {listed}"
    warnings.warn(
        f"{len(lacking)} of {counted(len(given), 'list')} lack the {which} (first: "
        f"{label(lacking[0])}), which {'is' if len(lost) == 1 else 'are'} left out of all "
        "lists.",
        UserWarning,
        stacklevel=stacklevel,
    )
