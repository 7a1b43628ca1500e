"""What the columns of a table of masses are: their units, descriptions and metadata."""

import textwrap
from pathlib import Path

from .. import __version__

LOG_MASS = "dex(solMass / littleh)"
COLUMNS = {
    "name": ("", "name of the cluster in its table, or the number of its row"),
    "redshift": ("", "its redshift, as it was given"),
    "n_photons": ("", "photons that the model counts, before corrections for exposure"),
    "log_mass": (LOG_MASS, "predicted log10 of M500c"),
    "std_dex": (
        "dex",
        "standard deviation of log_mass; none if the model has no errors",
    ),
    "mass": ("solMass / littleh", "10 to the power log_mass"),
    "lower_68": (LOG_MASS, "16th percentile of the posterior of log10 of M500c"),
    "upper_68": (LOG_MASS, "84th percentile of the posterior of log10 of M500c"),
    "misspecification": (
        "",
        "how unlike the training maps: of clusters like them one in a thousand is above 1",
    ),
}
"""Name of a column -> its unit and description."""
QUANTILE = (LOG_MASS, "quantile of the posterior of log10 of M500c, of --quantiles")


def columns_text():
    """Describe the columns of a table of masses, for the help of the command."""
    lines = ["columns of the table (M500c is in Msun/h, masses have no unit in CSV):"]
    rows = COLUMNS | {"q0.025 ...": QUANTILE}
    for name, (_, what) in rows.items():
        start = f"  {name:17} "
        lines += textwrap.wrap(
            what, 78, initial_indent=start, subsequent_indent=" " * 20
        )
    return "\n".join(lines)


def described(table, work, cosmology):
    """Return a copy of a table of masses with units, descriptions and metadata.

    Parameters
    ----------
    table : astropy.table.Table
    work : ModelWork
        Knows the model's file.
    cosmology : str or astropy.cosmology.Cosmology
    """
    from ..cosmology import cosmology_name

    table = table.copy()
    for name in table.colnames:
        unit, what = COLUMNS.get(name, QUANTILE)
        table[name].description = what
        if unit:
            table[name].unit = unit
    table.meta = {
        "CREATOR": f"skcluster {__version__}",
        "MODEL": Path(work.path).name,
        "MODELSHA": work.digest,
        "MASSDEF": "M500c",
        "COSMO": cosmology_name(cosmology),
    }
    return table
