"""Photon lists: read from any mission's FITS file, written as our own."""

import numpy as np

from ..printable import printable
from ..sample import FIELDS
from ..sample.lists import checked_photons
from .atomic import check_is_free
from .event_table import find_event_table
from .fits_files import opened_fits
from .fits_writing import fits_table, header_of, header_text, write_fits

ORIGINS = range(128)
PHOTON_UNITS = {"ra": "deg", "dec": "deg", "energy": "keV"}


def read_photons(
    path, *, ra="RA", dec="DEC", energy=None, energy_unit=None, hdu=None, columns=()
):
    r"""Read a FITS event list of eROSITA, SIXTE or SIMPUT, Chandra or XMM.

    The table is the one called EVENTS, STDEVT or PHLIST, else the first binary table
    with a position and an energy. Columns are found in upper or lower case.

    *Position*: the columns `ra`, `dec`; without them the sky pixels X, Y and the
    projection in their keywords (``TCTYPn`` …, or XMM's ``REFXCTYP`` …).

    *Energy*: the first of ENERGY, SIGNAL (SIXTE), PI and PHA, in the unit of its
    ``TUNITn``. Without a unit that is an energy:

    ============ =====================================================================
    PI           1 eV a channel for eROSITA and XMM; 14.6 eV for Chandra, whose PI
                 is the upper edge of the channel; any other mission is refused
    PHA          refused: a raw pulse height is no energy
    other        keV if the median of the column is below 100, else eV
    ============ =====================================================================

    Parameters
    ----------
    path : str or Path
        Plain or gzip.
    ra, dec : str, default="RA", "DEC"
        Columns of the position [deg, or rad if their unit says so].
    energy : str, default=None
        Column of the energy.
    energy_unit : {"eV", "keV", "MeV"} or float, default=None
        Overrides the rules above; a number is keV per channel.
    hdu : int or str, default=None
        Number (0 is the primary HDU) or name of the table.
    columns : sequence of str, default=()
        More columns to read, returned under these names.

    Returns
    -------
    photons : dict of ndarray
        ``ra``, ``dec`` [deg, float64], ``energy`` [keV, float32], ``origin`` [int8]
        if the table has it as small integers (0 ICM, 1 AGN, 2 background), and
        `columns`. All in native byte order and in memory.

    Raises
    ------
    FileNotFoundError, OSError
        The file is not there, or is not a complete FITS file.
    ValueError
        No table of photons, a photon without position or energy (rows are never
        dropped silently), or energies that are no X-rays.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from astropy.table import Table
    >>> events = Table({"RA": [140.3, 140.4], "DEC": [3.2, 3.3], "PI": [812.0, 1500.0]})
    >>> events["PI"].unit = "eV"
    >>> with TemporaryDirectory() as folder:
    ...     events.write(Path(folder, "events.fits"))
    ...     read_photons(Path(folder, "events.fits"))["energy"]
    array([0.812, 1.5  ], dtype=float32)
    """
    named = printable(path)
    with opened_fits(path) as hdus:
        table = find_event_table(hdus, named, ra=ra, dec=dec, energy=energy, hdu=hdu)
        right_ascension, declination = table.sky(ra, dec)
        photons = {
            "ra": right_ascension,
            "dec": declination,
            "energy": table.energy(energy, energy_unit),
        }
        origin = table.values("ORIGIN") if table.find("ORIGIN") else np.zeros(0)
        if origin.dtype.kind in "iu" and np.isin(origin, ORIGINS).all():
            photons["origin"] = origin.astype(np.int8)
        photons.update((name, table.values(name)) for name in columns)
    lengths = {name: len(column) for name, column in photons.items()}
    if len({*lengths.values()}) > 1:
        raise ValueError(
            f"The columns of {named} hold different numbers of photons: {lengths}."
        )
    return photons


def write_photons(
    path, photons, *, center=None, redshift=None, name=None, overwrite=False
):
    """Write one photon list as FITS, in the columns RA, DEC, ENERGY, ORIGIN.

    Parameters
    ----------
    path : str or Path
        Compressed if it ends in ``.gz``. After an error there is no file, or the old
        one.
    photons : dict of arrays, structured array, astropy Table or DataFrame
        Columns ``ra``, ``dec`` [deg], ``energy`` [keV]; ``origin`` and any others are
        written too, in upper case.
    center : pair of float, default=None
        RA and Dec of the cluster [deg], kept as ``RA_OBJ``, ``DEC_OBJ``.
    redshift : float, default=None
        Kept as ``REDSHIFT``.
    name : str, default=None
        Kept as ``OBJECT``.
    overwrite : bool, default=False

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> photons = {"ra": [10.0], "dec": [-1.0], "energy": [0.7], "origin": [2]}
    >>> with TemporaryDirectory() as folder:
    ...     write_photons(Path(folder, "a.fits.gz"), photons, center=(10.0, -1.0))
    ...     read_photons(Path(folder, "a.fits.gz"))["origin"]
    array([2], dtype=int8)
    """
    table = photon_table(photons, center=center, redshift=redshift, name=name)
    check_is_free(path, overwrite)
    write_fits(path, table)


def photon_table(photons, *, center=None, redshift=None, name=None):
    """Return photons as the table of a FITS file; see `write_photons`."""
    columns = checked_photons([photons]).columns
    cards = {"CREATOR": "skcluster"}
    if name is not None:
        cards["OBJECT"] = header_text(name)
    if center is not None:
        center = FIELDS["center"].checked("center", [center], 1)
        cards["RA_OBJ"], cards["DEC_OBJ"] = center[0].tolist()
    if redshift is not None:
        cards["REDSHIFT"] = FIELDS["redshift"].checked("redshift", [redshift])[0]
    return fits_table(
        columns, PHOTON_UNITS, header_of(cards), extname="EVENTS", spell=str.upper
    )
