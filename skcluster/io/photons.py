"""Read photon lists from FITS files of any mission, and write them as FITS."""

import warnings
from functools import partial
from numbers import Real

import numpy as np

from ..parameters import Boolean
from ..printable import printable
from ..sample import FIELDS, Ragged
from ..sample.lists import checked_photons
from ..sample.units import TABLE, check_plausible
from .atomic import check_is_free
from .count_images import is_image, photons_of_image
from .event_table import find_event_table, keyword_of
from .fits_files import opened_fits
from .fits_writing import fits_table, header_of, header_text, write_fits
from .images import image_hdu

EXPOSURES = ("EXPOSURE", "LIVETIME", "ONTIME")
ORIGINS = range(128)
PHOTON_UNITS = {"ra": "deg", "dec": "deg", "energy": "keV", "pixel": "deg"}


def read_photons(
    path,
    *,
    ra="RA",
    dec="DEC",
    energy=None,
    energy_unit=None,
    energy_range=None,
    drop_nulls=False,
    hdu=None,
    columns=(),
    image_energy=None,
):
    r"""Read the photons of a FITS event list, from any of the X-ray missions.

    The table is the one called EVENTS, STDEVT or PHLIST, else the only binary table
    with a position and an energy. Columns are found in upper or lower case.

    *Position*: the columns `ra`, `dec`; without them the sky pixels X, Y and the
    projection in their keywords (``TCTYPn`` …, read by WCSLIB, or XMM's ``REFXCTYP`` …).
    Galactic coordinates and the frame that RADESYS (or RADECSYS) and EQUINOX name are
    transformed to the ICRS; FK5 of 2000 counts as the ICRS.

    *Energy*: the first of ENERGY, SIGNAL (SIXTE), PI and PHA, in the unit of its
    ``TUNITn``. Without a unit that is an energy, columns but PI and PHA are in keV if
    their median is below 100, else in eV; PHA is a raw pulse height and refused; and PI
    depends on TELESCOP and INSTRUME:

    ===================== ============================================================
    eROSITA, XMM          1 eV per channel
    Chandra ACIS          14.6 eV per channel, of which this is the upper edge
    NuSTAR                40 eV per channel + 1.6 keV
    Swift XRT, NICER,     10 eV per channel
    ROSAT PSPC
    Suzaku XIS            3.65 eV per channel
    XRISM                 0.5 eV per channel for Resolve, 6 eV for Xtend
    Chandra HRC,          refused: they measure no energies
    ROSAT HRI
    others                refused: give `energy_unit`
    ===================== ============================================================

    *Cleaning*: no row is left out for its FLAG, PATTERN, GRADE, MASK or good time interval.
    Clean a list first, for instance with ``evtool``, ``evselect`` or ``dmcopy``.

    *Count images*: a file that has an image of counts and no list is read as photons at
    the centers of its pixels. All have the energy `image_energy`, or that between E_MIN and
    E_MAX of its header (see `SkyImage.to_photons`): count them in the bands of the images.

    Parameters
    ----------
    path : str, bytes or path-like
        Plain, or compressed by gzip, bzip2 or xz; see `skcluster.io.unpack_limit` for
        files with a very large content.
    ra, dec : str, default="RA", "DEC"
        Columns of the position [deg, or rad if that is their unit], or of sky pixels if
        these are not named X, Y. ``GLON``, ``GLAT`` are galactic.
    energy : str, default=None
        Column of the energy.
    energy_unit : {"eV", "keV", "MeV"}, float, pair of float or callable, default=None
        Overrides the rules above. A number is keV per channel, a pair is (keV per channel,
        keV of channel 0), and a function takes an array of channels and returns keV.
    energy_range : (float, float), default=None
        Keep only photons in [low, high) [keV].
    drop_nulls : bool, default=False
        Leave out rows without a position or an energy (NaN or null), with a warning that
        counts them, instead of refusing the list.
    hdu : int or str, default=None
        Number (0 is the primary HDU) or name of the table.
    columns : sequence of str, default=()
        More columns to read, returned under these names.
    image_energy : float, default=None
        Energy of all photons of a count image, such as the middle of its band [keV].

    Returns
    -------
    photons : dict of ndarray
        ``ra``, ``dec`` [deg, float64], ``energy`` [keV, float32], ``origin`` [int8]
        if the table has it as small integers (0 ICM, 1 AGN, 2 background), and
        `columns`; of count images, and where `write_photons` has written it, ``pixel``, the
        side of a pixel [deg, float32]. All in native byte order and in memory.

    Raises
    ------
    FileNotFoundError, OSError
        The file is not there, or is not a complete FITS file.
    ValueError
        There is no table of photons, a photon has no position or energy (unless
        `drop_nulls`), or the energies are not those of X-rays.

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
    low, high = _checked_range(energy_range)
    drop_nulls = Boolean().check("drop_nulls", drop_nulls)
    with opened_fits(path) as hdus:
        names = {"ra": ra, "dec": dec, "energy": energy, "hdu": hdu}
        if is_image(hdus, named, **names):
            photons = photons_of_image(hdus, path, hdu, image_energy, columns)
            return _in_range(photons, low, high)
        table = find_event_table(hdus, named, **names)
        if image_energy is not None:
            raise ValueError(
                f"{named} is a list of photons with energies of their own, so "
                f"image_energy={image_energy!r} would change nothing. Leave it out."
            )
        if drop_nulls:
            _drop_nulls(table, ra, dec, energy)
        right_ascension, declination = table.sky(ra, dec)
        photons = {
            "ra": right_ascension,
            "dec": declination,
            "energy": table.energy(energy, energy_unit),
        }
        origin = _origin(table)
        if origin is not None:
            photons["origin"] = origin
        pixel = _pixel(table)
        if pixel is not None:
            photons["pixel"] = pixel
        photons.update((name, table.values(name)) for name in columns)
    lengths = {name: len(column) for name, column in photons.items()}
    if len({*lengths.values()}) > 1:
        raise ValueError(
            f"The columns of {named} hold different numbers of photons: {lengths}."
        )
    return photons if energy_range is None else _in_range(photons, low, high)


def _in_range(photons, low, high):
    kept = (photons["energy"] >= low) & (photons["energy"] < high)
    return {name: column[kept] for name, column in photons.items()}


def _checked_range(energy_range):
    """Return the ends of a range of energies [keV]; None stands for all energies."""
    if energy_range is None:
        return 0.0, np.inf
    try:
        low, high = energy_range
        is_range = all(
            isinstance(end, Real) and not isinstance(end, bool) for end in (low, high)
        )
    except (TypeError, ValueError):
        is_range = False
    if not is_range or not 0 <= low < high:
        raise ValueError(
            "energy_range must be two numbers, 0 <= low < high, in keV, got "
            f"{energy_range!r}."
        )
    check_plausible("bands", [low, min(high, TABLE["bands"].high)], "energy_range")
    return low, high


def _drop_nulls(table, ra, dec, energy):
    columns = *table.position_columns(ra, dec), table.energy_column(energy)
    n_dropped, n_left = table.drop_nulls(*columns)
    if n_dropped and not n_left:
        raise ValueError(
            f"None of the {n_dropped} photons in {table.path} has a value in each of "
            f"{', '.join(map(printable, columns))}. Name the right columns."
        )
    if n_dropped:
        warnings.warn(
            f"{n_dropped} of {n_dropped + n_left} photons in {table.path} have no position "
            "or energy, and are left out.",
            UserWarning,
            stacklevel=3,
        )


def read_exposure(
    path, *, keyword="EXPOSURE", ra="RA", dec="DEC", energy=None, hdu=None
):
    """Read the exposure of a FITS event list, or a count image, from its header.

    Keywords differ in what they correct for, and none of them knows the vignetting: the
    exposure is that of a source on the optical axis. Exposure maps give the vignetted one,
    which is shorter (see the notes of `ClusterSample`).

    ============ ==================================================================
    ``ONTIME``   sum of the good time intervals
    ``LIVETIME`` the same, without the dead time of the camera
    ``EXPOSURE`` usually the same as ``LIVETIME``
    ============ ==================================================================

    Parameters
    ----------
    path : str, bytes or path-like
        Event list or count image as in `read_photons`.
    keyword : str, default="EXPOSURE"
        Keyword of the table of photons or of the image, or else of the primary header.
        Take the same for all clusters.
    ra, dec : str, default="RA", "DEC"
        Columns of the position, as in `read_photons`: they tell which table is the list.
    energy : str, default=None
        Column of the energy, likewise.
    hdu : int or str, default=None
        Number (0 is the primary HDU) or name of the table or image.

    Returns
    -------
    exposure : float
        [s]

    Raises
    ------
    ValueError
        There is no such keyword, or it does not hold a plausible number of seconds.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from astropy.table import Table
    >>> events = Table({"RA": [140.3], "DEC": [3.2], "ENERGY": [0.8]})
    >>> events.meta["LIVETIME"] = 1437.0
    >>> with TemporaryDirectory() as folder:
    ...     events.write(Path(folder, "events.fits"))
    ...     read_exposure(Path(folder, "events.fits"), keyword="LIVETIME")
    1437.0
    """
    return exposure_and_camera(path, keyword, ra=ra, dec=dec, energy=energy, hdu=hdu)[0]


def exposure_and_camera(path, keyword, **options):
    """Return the exposure of photons [s], and the camera that their header names.

    Parameters
    ----------
    path, keyword, **options : as in `read_exposure`
    """
    named = printable(path)
    options = {"ra": "RA", "dec": "DEC", "energy": None, "hdu": None} | options
    with opened_fits(path) as hdus:
        keyword_value = _header_of_photons(hdus, named, **options)
        exposure = keyword_value(keyword, None)
        camera = str(keyword_value("INSTRUME")).strip()
        known = [name for name in EXPOSURES if keyword_value(name, None) is not None]
    if exposure is None:
        has = f"it has {', '.join(known)}" if known else "nor any other exposure"
        raise ValueError(
            f"The header of {named} has no {printable(keyword)}; {has}. Give another "
            "keyword, or the exposure itself."
        )
    if isinstance(exposure, bool) or not isinstance(exposure, Real):
        raise ValueError(
            f"The header of {named} has {printable(keyword)} = {exposure!r}, which is not "
            "a number of seconds."
        )
    check_plausible("exposure", exposure, f"{printable(keyword)} of {named}")
    return float(exposure), camera


def _header_of_photons(hdus, path, **options):
    """Return the function from a keyword to its value, for a list or a count image."""
    if is_image(hdus, path, **options):
        image = image_hdu(hdus, options["hdu"])
        return partial(keyword_of, image, hdus[0].header, path)
    return find_event_table(hdus, path, **options).keyword


def _origin(table):
    """Return the column ORIGIN, or None if it does not hold codes of photon origins."""
    try:
        origin = table.values("ORIGIN")
    except ValueError:
        return None
    is_code = origin.dtype.kind in "iu" and np.isin(origin, ORIGINS).all()
    return origin.astype(np.int8) if is_code else None


def _pixel(table):
    """Return the column PIXEL, or None if it is not an angle: XRISM numbers its pixels."""
    name = table.find("PIXEL")
    if name is None or table.unit(name) != PHOTON_UNITS["pixel"]:
        return None
    return table.numbers(name).astype(np.float32)


def write_photons(
    path, photons, *, center=None, redshift=None, name=None, overwrite=False
):
    """Write one photon list as FITS, in the columns RA, DEC, ENERGY, ORIGIN.

    Parameters
    ----------
    path : str, bytes or path-like
        Compressed if it ends in ``.gz``, ``.bz2`` or ``.xz``. After an error there is no
        file, or the old one.
    photons : dict of arrays, structured array, astropy Table, DataFrame or Ragged
        Columns ``ra``, ``dec`` [deg], ``energy`` [keV]; ``origin`` and any others are
        written too, in upper case. Those of a sample are ``sample[i].photons``.
    center : pair of float, default=None
        RA and Dec of the cluster [deg], kept as ``RA_OBJ``, ``DEC_OBJ``.
    redshift : float, default=None
        Redshift of the cluster, kept as ``REDSHIFT``.
    name : str, default=None
        Name of the cluster, kept as ``OBJECT``.
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
    """Return photons as a binary table of FITS, as in `write_photons`."""
    if isinstance(photons, Ragged) and len(photons) != 1:
        raise ValueError(
            f"A photon list is that of one cluster, got those of {len(photons)}. Give "
            "sample[i].photons, or all to write_sample."
        )
    tables = photons if isinstance(photons, Ragged) else [photons]
    columns = checked_photons(tables).columns
    cards = {"CREATOR": "skcluster"}
    if name is not None:
        cards["OBJECT"] = header_text(name)
    if center is not None:
        center = FIELDS["center"].checked("center", [center], 1)
        cards["RA_OBJ"], cards["DEC_OBJ"] = center[0].tolist()
    if redshift is not None:
        cards["REDSHIFT"] = FIELDS["redshift"].checked("redshift", [redshift])[0]
    units = {name: unit for name, unit in PHOTON_UNITS.items() if name in columns}
    return fits_table(
        columns, units, header_of(cards), extname="EVENTS", spell=str.upper
    )
