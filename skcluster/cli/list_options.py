"""Options that say how event lists are read, and tables of clusters that name them."""

import argparse

from ..printable import printable
from ..progress import say

CORNER = 1.5
"""Radius of photons over the half-width of maps, whose corners are at 1.41."""


def add_list_options(parser):
    """Add the options that say how to read event lists and tables of clusters."""
    _add_options_of_tables(parser.add_argument_group("tables of clusters"))
    lists = parser.add_argument_group("event lists, also those of tables")
    lists.add_argument("--energy", metavar="COLUMN", help="column of the energy")
    lists.add_argument(
        "--energy-unit",
        type=energy_unit,
        metavar="UNIT",
        help='unit of that column: keV, eV, MeV, a number of keV per channel, or "A,B" '
        "for A keV per channel and B keV in channel 0, such as 0.04,1.6 for NuSTAR",
    )
    lists.add_argument(
        "--energy-range",
        type=energy_range,
        metavar="LOW-HIGH",
        help="keep only photons in this range [keV], such as 0.2-8, which must contain "
        "the model's energies",
    )
    lists.add_argument(
        "--drop-nulls",
        action="store_true",
        help="leave out photons without a position or an energy",
    )
    lists.add_argument(
        "--hdu",
        type=_hdu,
        metavar="NAME",
        help="name or number of the table in the file, if there are several",
    )
    lists.add_argument(
        "--image-energy",
        type=float,
        metavar="KEV",
        help="energy of the photons of count images, which may take the place of lists: "
        "the middle of their band [keV], if their headers do not have E_MIN and E_MAX",
    )
    for name, what in (("ra", "right ascension"), ("dec", "declination")):
        lists.add_argument(
            f"--{name}-column",
            default=name.upper(),
            metavar="COLUMN",
            help=f"column of the {what} (default: {name.upper()})",
        )
    _add_options_of_exposures(lists)


def _add_options_of_exposures(lists):
    lists.add_argument(
        "--exposure-keyword",
        metavar="KEYWORD",
        help="keyword of the lists' headers that holds the exposure [s], such as LIVETIME",
    )
    lists.add_argument(
        "--exposure-map",
        action="append",
        metavar="IMAGE",
        help="FITS image of the exposure over the field [s]; of several, which need the "
        "option again, each cluster gets the deepest at its center",
    )
    lists.add_argument(
        "--mask", metavar="IMAGE", help="FITS image that is 0 where photons are removed"
    )


def _add_options_of_tables(tables):
    tables.add_argument(
        "--columns",
        action="append",
        type=columns,
        metavar="NAME=COLUMN,...",
        help="columns of the table that have other names than ours, with a unit after a "
        'colon if they have none: "redshift=BEST_Z,r500c=R500:kpc,exposure=EXP"',
    )
    tables.add_argument(
        "--table-hdu",
        type=_hdu,
        metavar="NAME",
        help="name or number of the table of clusters in a FITS file, if there are several",
    )
    tables.add_argument(
        "--events",
        action="append",
        metavar="LIST",
        help="event list of all clusters, such as the tile of a survey, in place of a "
        "column photons; several lists need the option again",
    )
    tables.add_argument(
        "--drop-duplicates",
        action="store_true",
        help="count photons once that are in several lists of a cluster, as where tiles "
        "overlap",
    )


def options_of_tables(arguments, half_width=0.0):
    """Return the parameters of `read_sample` that the options set.

    Parameters
    ----------
    arguments : Namespace
    half_width : float, default=0.0
        Half the side of the model's maps [comoving Mpc/h]; corners of large ones may lie
        beyond the default aperture.
    """
    from ..io.apertures import APERTURE
    from ..sample.units import TABLE

    aperture = CORNER * half_width
    # A half-width that makes no sense is refused by its own name.
    is_wider = APERTURE < aperture <= TABLE["radius_max"].high
    return {
        "aperture": aperture if is_wider else None,
        "columns": joined_columns(arguments.columns or []),
        "events": arguments.events,
        "drop_duplicates": arguments.drop_duplicates,
        "photon_options": list_options(arguments),
        "exposure_keyword": arguments.exposure_keyword,
        "table_hdu": arguments.table_hdu,
    }


def refuse_options_of_tables(arguments):
    """Refuse options that change nothing for one event list."""
    for name in ("columns", "events", "drop_duplicates", "table_hdu"):
        if getattr(arguments, name) not in (None, False, []):
            raise ValueError(
                f"--{name.replace('_', '-')} is for tables of clusters, not for one event "
                "list with --redshift, --ra and --dec. Leave it out."
            )


def list_options(arguments):
    """Return the parameters of `read_photons` that the options set, but for defaults."""
    given = {
        "ra": arguments.ra_column,
        "dec": arguments.dec_column,
        "energy": arguments.energy,
        "energy_unit": arguments.energy_unit,
        "energy_range": arguments.energy_range,
        "drop_nulls": arguments.drop_nulls,
        "hdu": arguments.hdu,
        "image_energy": arguments.image_energy,
    }
    defaults = {"ra": "RA", "dec": "DEC", "drop_nulls": False}
    return {name: v for name, v in given.items() if v != defaults.get(name)}


def options_of_headers(arguments):
    """Return the parameters of `read_exposure` that the options set."""
    from ..io.photon_lists import OF_HEADERS

    given = list_options(arguments)
    return {name: given[name] for name in OF_HEADERS if name in given}


def input_files(arguments):
    """Return the files that the options name: event lists, exposure maps and the mask."""
    files = [*(arguments.events or []), *(arguments.exposure_map or [])]
    return files + ([arguments.mask] if arguments.mask else [])


def bands_of(step):
    """Return the bands that the first step of a model takes photons from [keV]."""
    return getattr(step, "bands", None) or [step.band]


def check_energies(step, arguments):
    """Refuse options with which a model would not count the energies that it is meant for.

    Parameters
    ----------
    step : PhotonMapper or PhotonFeaturizer
        First step of the model.
    """
    bands = bands_of(step)
    _check_image_energy(bands, arguments.image_energy)
    if arguments.energy_range is None:
        return
    low, high = (end(band[i] for band in bands) for i, end in enumerate((min, max)))
    least, most = arguments.energy_range
    if least > low or most < high:
        raise ValueError(
            f"--energy-range {least:g}-{most:g} cuts the energies of the model, "
            f"{low:g}-{high:g} keV, so its counts would not be those that it is meant for. "
            "Give a range that contains them, or leave it out."
        )


def _check_image_energy(bands, energy):
    """Refuse an --image-energy in none of the bands, and say which one all counts enter."""
    if energy is None:
        return
    shown = ", ".join(
        f"{low:g}-{high:g}" for low, high in bands if low <= energy < high
    )
    if not shown:
        raise ValueError(
            f"--image-energy {energy:g} is in none of the bands of the model, "
            f"{', '.join(f'{low:g}-{high:g}' for low, high in bands)} keV, so no photon "
            "would be counted. Give an energy inside of the band of the images [keV]."
        )
    say(
        f"All counts of images without E_MIN and E_MAX in their header go into the band "
        f"{shown} keV, which holds --image-energy {energy:g}."
    )


def columns(text):
    """Convert the option --columns to a dict.

    Examples
    --------
    >>> columns("redshift=BEST_Z,r500c=R500:kpc")
    {'redshift': 'BEST_Z', 'r500c': 'R500:kpc'}
    """
    pairs = [part.split("=", 1) for part in text.split(",")]
    if not all(len(pair) == 2 and all(map(str.strip, pair)) for pair in pairs):
        raise argparse.ArgumentTypeError(
            f"{printable(text)!r} does not look like NAME=COLUMN,NAME=COLUMN, such as "
            "redshift=BEST_Z,r500c=R500:kpc"
        )
    try:
        return joined_columns(
            [{name.strip(): column.strip()} for name, column in pairs]
        )
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def joined_columns(parts):
    """Join the dicts of several options --columns; refuse a name that is there twice."""
    joined: dict[str, str] = {}
    for part in parts:
        for name, column in part.items():
            if name in joined:
                raise ValueError(
                    f"--columns names {printable(name)} twice: {printable(joined[name])} "
                    f"and {printable(column)}"
                )
            joined[name] = column
    return joined


def energy_unit(text):
    """Convert the option --energy-unit to the parameter `energy_unit` of `read_photons`.

    Examples
    --------
    >>> energy_unit("eV"), energy_unit("0.0146"), energy_unit("0.04,1.6")
    ('eV', 0.0146, (0.04, 1.6))
    """
    from ..io.energy_scales import unit_of_text

    try:
        return unit_of_text(text)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def energy_range(text):
    """Convert the option --energy-range to two numbers.

    Examples
    --------
    >>> energy_range("0.2-8")
    (0.2, 8.0)
    """
    try:
        low, high = (float(part) for part in text.split("-"))
    except ValueError:
        low = high = 0.0
    if not 0 <= low < high:
        raise argparse.ArgumentTypeError(
            f"{printable(text)!r} does not look like LOW-HIGH in keV, such as 0.2-8"
        )
    return low, high


def _hdu(text):
    from ..io.photon_lists import hdu_of_text

    return hdu_of_text(text)
