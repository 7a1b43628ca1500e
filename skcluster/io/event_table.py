"""Event lists as the missions write them: which table, which columns, which units."""

import gzip
import io
import warnings
import zlib
from contextlib import contextmanager
from numbers import Real
from pathlib import Path

import numpy as np
from astropy.io import fits
from astropy.utils.exceptions import AstropyWarning
from astropy.wcs import WCS

EVENT_EXTENSIONS = ("EVENTS", "STDEVT", "PHLIST")
ENERGY_COLUMNS = ("ENERGY", "SIGNAL", "PI", "PHA")
KEV = {"ev": 1e-3, "kev": 1.0, "mev": 1e3}
KEV_PER_PI_CHANNEL = {"chandra": 0.0146, "erosita": 1e-3, "xmm": 1e-3}
DEGREES = {"": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / np.pi}


@contextmanager
def opened_fits(path):
    """The HDUs of a FITS file, plain or gzip; an error that names it if it is broken."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"There is no file {path}.")
    with warnings.catch_warnings():
        # Mission headers are full of cards that astropy finds fault with, but a file
        # cut off in the middle is only a warning to it.
        warnings.simplefilter("ignore", AstropyWarning)
        warnings.filterwarnings("error", message="File may have been truncated")
        try:
            with _open(path) as hdus:
                len(hdus)
                yield hdus
        except (OSError, EOFError, zlib.error, AstropyWarning) as error:
            raise OSError(
                f"{path} cannot be read as FITS ({error}). It may be cut off or no FITS "
                "file: fetch or write it again."
            ) from error


def _open(path):
    with path.open("rb") as file:
        is_gzip = file.read(2) == b"\x1f\x8b"
    if not is_gzip:
        return fits.open(path, memmap=True)
    # astropy takes a gzip file cut off in the middle for a shorter one; gzip does not.
    return fits.open(io.BytesIO(gzip.decompress(path.read_bytes())))


class EventTable:
    """One photon table of an open FITS file, its columns found in any case.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
    primary : astropy.io.fits.Header
        Where missions put the keywords that hold for the whole file.
    path : str or Path
        For messages.
    """

    def __init__(self, hdu, primary, path):
        self.hdu, self.primary, self.path = hdu, primary, path

    def find(self, *names):
        """The first of these names that is a column, as the file spells it, or None."""
        spelled = {name.upper(): name for name in self.hdu.columns.names}
        found = (spelled[name.upper()] for name in names if name.upper() in spelled)
        return next(found, None)

    def keyword(self, name, default=""):
        return self.hdu.header.get(name, self.primary.get(name, default))

    def unit(self, name):
        return (self.hdu.columns[name].unit or "").strip()

    def values(self, name, dtype=None):
        """A copy of a column in native byte order."""
        found = self.find(name)
        if found is None:
            raise ValueError(
                f"{self.path} has no column {name!r} in its table of photons; it has "
                f"{', '.join(self.hdu.columns.names)}."
            )
        column = self.hdu.data[found]
        if column.ndim != 1:
            raise ValueError(
                f"Column {found!r} of {self.path} holds {column.shape[1:]} values a "
                "photon; only columns of one value can be read."
            )
        return np.array(column, dtype or column.dtype.newbyteorder("="))

    def numbers(self, name):
        """A column as float64 without gaps."""
        values = self.values(name, np.float64)
        null = self.hdu.columns[self.find(name)].null
        is_gap = ~np.isfinite(values)
        if null is not None:
            is_gap |= values == null
        if is_gap.any():
            raise ValueError(
                f"{is_gap.sum()} of {len(values)} photons in {self.path} have no "
                f"{name} (NaN, infinite or null; first: row {np.argmax(is_gap)}). "
                "Remove these rows, for instance with ftselect of FTOOLS."
            )
        return values

    def sky(self, ra, dec):
        """RA and Dec [deg]: the columns of that name, or the sky pixels X and Y."""
        columns = self.position_columns(ra, dec)
        first, second = (self.numbers(name) for name in columns)
        if self.find(ra) != columns[0]:
            sky = self._pixel_wcs(columns).wcs_pix2world(first, second, 1)
            return tuple(np.ascontiguousarray(angle) for angle in sky)
        for name, angle in zip(columns, (first, second), strict=True):
            unit = self.unit(name)
            if unit.lower() not in DEGREES:
                raise ValueError(
                    f"Column {name!r} of {self.path} has the unit {unit!r}; it must "
                    "be deg or rad."
                )
            angle *= DEGREES[unit.lower()]
        return first, second

    def position_columns(self, ra, dec):
        """The pair of columns that holds the position, or None."""
        choices = [(ra, dec)]
        if (ra.upper(), dec.upper()) == ("RA", "DEC"):
            choices.append(("X", "Y"))
        for pair in choices:
            found = tuple(self.find(name) for name in pair)
            if all(found):
                return found
        return None

    def energy_column(self, energy):
        """The column that holds the energy, or None."""
        return self.find(*(ENERGY_COLUMNS if energy is None else (energy,)))

    def _pixel_wcs(self, columns):
        """The projection that the keywords of the columns X and Y describe."""
        x, y = (self.hdu.columns.names.index(name) + 1 for name in columns)
        for keyword_of_x, keyword_of_y in (
            (f"T{{}}{x}", f"T{{}}{y}"),
            ("REFX{}", "REFY{}"),
        ):
            ctype, crpix, crval, cdelt = (
                [
                    self.keyword(axis.format(key))
                    for axis in (keyword_of_x, keyword_of_y)
                ]
                for key in ("CTYP", "CRPX", "CRVL", "CDLT")
            )
            if ctype[0].startswith("RA--") and ctype[1].startswith("DEC-"):
                wcs = WCS(naxis=2)
                wcs.wcs.ctype, wcs.wcs.crpix = ctype, crpix
                wcs.wcs.crval, wcs.wcs.cdelt = crval, cdelt
                return wcs
        raise ValueError(
            f"{self.path} has sky pixels {columns[0]}, {columns[1]}, but neither "
            f"TCTYP{x}, TCTYP{y} nor REFXCTYP, REFYCTYP say how they project RA and "
            f"Dec (got {ctype}). Add columns RA and DEC [deg] to the list."
        )

    def energy(self, energy, energy_unit):
        """Energies [keV], float32."""
        name = self.energy_column(energy)
        values = self.numbers(name)
        unit = self.kev_per_unit(name, values, energy_unit)
        values *= unit
        typical = np.median(values) if len(values) else 1.0
        if not 0.01 < typical < 100:
            raise ValueError(
                f"The column {name!r} of {self.path}, taken as {unit:g} keV a unit "
                f"(TUNIT {self.unit(name)!r}), has a median of {typical:.4g} keV, which "
                "is no X-ray photon. Correct it with energy_unit='eV', 'keV', 'MeV' or "
                "a number of keV per channel."
            )
        return values.astype(np.float32)

    def kev_per_unit(self, name, values, energy_unit):
        """What the numbers of an energy column are worth [keV]."""
        if energy_unit is not None:
            return _checked_unit(energy_unit)
        unit = self.unit(name)
        if unit.lower() in KEV:
            return KEV[unit.lower()]
        who = " ".join(
            str(self.keyword(key)) for key in ("TELESCOP", "INSTRUME", "MISSION")
        )
        if name.upper() == "PI":
            for mission, kev in KEV_PER_PI_CHANNEL.items():
                if mission in who.lower():
                    return kev
        if name.upper() in ("PI", "PHA") or unit:
            raise ValueError(
                f"{self.path} has photon energies only as {name} (TUNIT {unit!r}, "
                f"mission {who.strip()!r}), which is not known in keV. Give "
                "energy_unit, a number of keV per channel or 'eV', 'keV', 'MeV', or "
                "name another column with energy."
            )
        is_kev = len(values) == 0 or np.median(values) < 100
        return KEV["kev"] if is_kev else KEV["ev"]


def _checked_unit(energy_unit):
    if isinstance(energy_unit, Real) and energy_unit > 0:
        return float(energy_unit)
    if str(energy_unit).lower() not in KEV:
        raise ValueError(
            "energy_unit must be 'eV', 'keV', 'MeV' or a positive number of keV per "
            f"channel, got {energy_unit!r}."
        )
    return KEV[energy_unit.lower()]


def find_event_table(hdus, path, *, ra, dec, energy, hdu):
    """The table of an open FITS file that holds the photons."""
    candidates = _binary_tables(hdus, path, hdu)
    tables = [EventTable(table, hdus[0].header, path) for table in candidates]
    usable = [
        table
        for table in tables
        if table.position_columns(ra, dec) and table.energy_column(energy)
    ]
    named = [table for table in usable if table.hdu.name in EVENT_EXTENSIONS]
    if len(named) > 1:
        raise ValueError(
            f"{path} has {len(named)} tables of photons. Choose one with hdu:"
            f"{_contents(hdus)}"
        )
    if not usable:
        wanted = " or ".join(ENERGY_COLUMNS) if energy is None else energy
        raise ValueError(
            f"{path} has no table with the columns {ra}, {dec} (or sky pixels X, Y) "
            f"and {wanted}. Name them with ra, dec and energy. It has:{_contents(hdus)}"
        )
    return (named or usable)[0]


def _binary_tables(hdus, path, hdu):
    if hdu is None:
        return [table for table in hdus if isinstance(table, fits.BinTableHDU)]
    try:
        chosen = hdus[hdu]
    except (KeyError, IndexError):
        chosen = None
    if not isinstance(chosen, fits.BinTableHDU):
        raise ValueError(
            f"hdu={hdu!r} is no binary table of {path}. It has:{_contents(hdus)}"
        )
    return [chosen]


def _contents(hdus):
    """One line per HDU: its number, name and columns."""
    lines = []
    for i, hdu in enumerate(hdus):
        is_table = isinstance(hdu, fits.BinTableHDU)
        what = ", ".join(hdu.columns.names) if is_table else "no table"
        lines.append(f"\n  {i} {hdu.name or '(no name)'}: {what}")
    return "".join(lines)
