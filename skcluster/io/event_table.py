"""Find the table of photons in event lists of any mission, its columns and their units."""

import contextlib
from numbers import Real

import numpy as np
from astropy.io import fits

from ..printable import printable
from ..sample.units import unit_factor
from .energy_scales import (
    KEV_PER_UNIT,
    Scale,
    energies,
    is_x_ray,
    scale_of_pi,
    scale_of_unit,
)
from .file_errors import parse_errors_name_file
from .fits_files import null_of
from .images import holds_image
from .sky_positions import frame_of, is_projected, sky_of_pixels, to_icrs

EVENT_EXTENSIONS = ("EVENTS", "STDEVT", "PHLIST")
ENERGY_COLUMNS = ("ENERGY", "SIGNAL", "PI", "PHA")
SAME_POINT = 1e-6  # deg


class EventTable:
    """One photon table of an open FITS file, its columns found in any case.

    Parameters
    ----------
    hdu : astropy.io.fits.BinTableHDU
    primary : astropy.io.fits.Header
        Primary header, with the keywords that apply to all tables of the file.
    path : str
        Name of the file in messages.
    """

    def __init__(self, hdu, primary, path):
        self.hdu, self.primary, self.path = hdu, primary, path
        self.kept: slice | np.ndarray = slice(None)
        with parse_errors_name_file(path, "FITS"):
            self.extname = hdu.name
            self.columns = {str(column.name): column for column in hdu.columns}

    def find(self, *names):
        """Return the first of these names that is a column, in the file's spelling."""
        spelled = {name.upper(): name for name in self.columns}
        found = (spelled[name.upper()] for name in names if name.upper() in spelled)
        return next(found, None)

    def keyword(self, name, default=""):
        """Return the value of a keyword of the table, or of the primary header."""
        return keyword_of(self.hdu, self.primary, self.path, name, default)

    def unit(self, name):
        """Return the unit of a column, "" if it has none."""
        return str(self.columns[name].unit or "").strip()

    def values(self, name):
        """Return a copy of a column in native byte order, without rows that are dropped."""
        return self._all_values(name)[self.kept]

    def _all_values(self, name):
        found = self.find(name)
        if found is None:
            raise ValueError(
                f"{self.path} has no column {name!r} in its table of photons; it has "
                f"{printable(', '.join(self.columns))}."
            )
        with parse_errors_name_file(self.path, "FITS"):
            # Lists of different lengths can stand for more memory than the file has.
            is_list = str(self.columns[found].format).lstrip("0123456789")[:1] in "PQ"
            column = np.zeros((1, 0)) if is_list else self.hdu.data[found]
            column = np.array(column, column.dtype.newbyteorder("="))
        is_vector = column.ndim > 1 and column.size != len(column)
        if not is_vector or (len(column) == 1 and column.ndim == 2):
            # Still one value per photon: IDL writes all photons into one row.
            column = column.ravel()
        if column.ndim != 1 or column.dtype.kind == "O" or is_list:
            many = "lists of" if is_list else f"{column.shape[1:]}"
            raise ValueError(
                f"Column {found!r} of {self.path} holds {many} values per photon; only "
                "columns of one value can be read."
            )
        return column

    def drop_nulls(self, *names):
        """Leave out rows with a gap in any of the columns; return how many go and stay."""
        columns = [self._numbers_and_nulls(name) for name in names]
        gaps = [is_null | ~np.isfinite(values) for values, is_null in columns]
        if len({*map(len, gaps)}) > 1:
            return 0, len(gaps[0])  # refused later, in words
        is_kept = ~np.any(gaps, axis=0)
        self.kept = is_kept
        return int(np.sum(~is_kept)), int(np.sum(is_kept))

    def numbers(self, name):
        """Return a column as float64 without gaps."""
        values, is_null = self._numbers_and_nulls(name)
        return self.complete(values, name, is_null, "(drop_nulls does it)")

    def _numbers_and_nulls(self, name):
        """Return a column as float64, and where it has the null of its TNULL."""
        values, column = self.values(name), self.columns[self.find(name)]
        if values.dtype.kind not in "iuf":
            raise ValueError(
                f"Column {column.name!r} of {self.path} does not hold numbers (TFORM "
                f"{str(column.format)!r}). Name another one."
            )
        with np.errstate(invalid="ignore"):  # a signalling NaN is a gap like any other
            values = values.astype(np.float64)
        null = null_of(column)
        return values, np.zeros(len(values), bool) if null is None else values == null

    def complete(self, values, name, is_gap=False, how="with ftselect of FTOOLS"):
        """Return the values, or refuse them if some are gaps or not finite."""
        is_gap = is_gap | ~np.isfinite(values)
        if is_gap.any():
            raise ValueError(
                f"{is_gap.sum()} of {len(values)} photons in {self.path} have no "
                f"{printable(name)} (NaN, infinite or null; first: row "
                f"{np.argmax(is_gap)}). Remove these rows {how}."
            )
        return values

    def sky(self, ra, dec):
        """Return RA and Dec [deg], from the columns of that name or sky pixels X and Y."""
        columns = self.position_columns(ra, dec)
        angles = [self.numbers(name) for name in columns]
        if len({len(angle) for angle in angles}) > 1:
            raise ValueError(
                f"{self.path} has {len(angles[0])} values of {columns[0]!r}, but "
                f"{len(angles[1])} of {columns[1]!r}."
            )
        numbers = [list(self.columns).index(name) + 1 for name in columns]
        if self._are_pixels(columns, ra, numbers):
            angles, is_galactic = self._on_sky(angles, columns, numbers)
            return self._in_icrs(angles, is_galactic, numbers)
        angles = [*map(self._in_degrees, angles, columns, ("ra", "dec"))]
        self._check_declination(angles[1], columns[1])
        return self._in_icrs(angles, columns[0].upper() == "GLON")

    def _are_pixels(self, columns, ra, numbers):
        """Return whether columns are sky pixels: X and Y, or others with a projection."""
        if self.find(ra) != columns[0]:
            return True
        return ra.upper() != "RA" and is_projected(self.keyword, numbers)

    def _in_degrees(self, angle, name, row):
        subject = f"Column {name!r} of {self.path}"
        degrees = unit_factor(row, printable(self.unit(name)), subject)
        with np.errstate(over="ignore"):
            return self.complete(angle * degrees, name)

    def _check_declination(self, angle, name):
        beyond = np.abs(angle) > 90
        if beyond.any():
            first = np.argmax(beyond)
            raise ValueError(
                f"{beyond.sum()} of {len(angle)} photons in {self.path} have a "
                f"{printable(name)} beyond 90 deg (first: row {first}, "
                f"{angle[first]:.6g}). Is {name!r} a declination, in the unit of its TUNIT?"
            )

    def position_columns(self, ra, dec):
        """Return the pair of columns that holds the position, or None."""
        choices = [(ra, dec)]
        if (ra.upper(), dec.upper()) == ("RA", "DEC"):
            choices.append(("X", "Y"))
        for pair in choices:
            found = tuple(self.find(name) for name in pair)
            if all(found):
                return found
        return None

    def energy_column(self, energy):
        """Return the column that holds the energy, or None."""
        return self.find(*(ENERGY_COLUMNS if energy is None else (energy,)))

    def _on_sky(self, pixels, columns, numbers):
        with parse_errors_name_file(self.path, "FITS"):
            angles, is_galactic = sky_of_pixels(
                self.hdu.header, self.keyword, numbers, pixels
            )
        if angles is None:
            ctypes = [self.keyword(f"TCTYP{n}") for n in numbers]
            if not any(ctypes):
                ctypes = [self.keyword(f"REF{axis}CTYP") for axis in "XY"]
            raise ValueError(
                f"{self.path} has sky pixels {columns[0]}, {columns[1]}, but neither "
                f"TCTYP{numbers[0]}, TCTYP{numbers[1]} nor REFXCTYP, REFYCTYP say how "
                f"they project RA and Dec (got {ctypes}). Add columns RA and DEC [deg] to "
                "the list."
            )
        names = [f"place on the sky at their {name}" for name in columns]
        return [*map(self.complete, angles, names)], is_galactic

    def _in_icrs(self, angles, is_galactic, numbers=()):
        try:
            frame = "galactic" if is_galactic else frame_of(self.keyword, numbers)
        except ValueError as error:
            raise ValueError(f"{self.path} cannot be used: {error}.") from error
        longitude, latitude = angles
        if frame is None:
            return longitude, latitude
        return to_icrs(longitude, latitude, frame)

    def energy(self, energy, energy_unit):
        """Return the energies [keV], as float32."""
        name = self.energy_column(energy)
        values = self.numbers(name)
        with np.errstate(over="ignore", invalid="ignore"):
            scale = self.scale(name, values, energy_unit)
            kev = self.complete(energies(values, scale).astype(np.float32), name)
        if not is_x_ray(kev):
            how = f"{scale}" if isinstance(scale, Scale) else "the function energy_unit"
            raise ValueError(
                f"The column {name!r} of {self.path}, read with {how} (TUNIT "
                f"{self.unit(name)!r}), has a median of {np.median(kev):.4g} keV, which is "
                "not the energy of an X-ray photon. Correct it with energy_unit='eV', "
                "'keV', 'MeV', or a number of keV per channel."
            )
        return kev

    def scale(self, name, values, energy_unit):
        """Return the function from an energy column to keV."""
        if energy_unit is not None:
            return scale_of_unit(energy_unit)
        unit = self.unit(name)
        if (unit and name.upper() not in ("PI", "PHA")) or unit.lower() in KEV_PER_UNIT:
            with contextlib.suppress(ValueError):
                return Scale(unit_factor("energy", unit))
        who = [str(self.keyword(key)) for key in ("TELESCOP", "INSTRUME", "MISSION")]
        if name.upper() in ("PI", "PHA") or unit:
            known = None
            if name.upper() == "PI":
                known = scale_of_pi(" ".join(who), f"{who[1]} {self.keyword('DETNAM')}")
            if known is not None and not known.refusal:
                return known
            reason = "which is not known in keV" if known is None else known.refusal
            raise ValueError(
                f"{self.path} has photon energies only as {printable(name)} (TUNIT "
                f"{unit!r}, mission {' '.join(who).strip()!r}), {reason}. Give "
                "energy_unit: keV per channel, a pair (keV per channel, keV of channel 0), "
                "'eV', 'keV', 'MeV' or a function; or name another column with energy."
            )
        return Scale(
            KEV_PER_UNIT["kev" if len(values) == 0 or np.median(values) < 100 else "ev"]
        )


def keyword_of(hdu, primary, path, name, default=""):
    """Return the value of a keyword of an HDU, or of the primary header."""
    with parse_errors_name_file(path, "FITS"):
        return hdu.header.get(name, primary.get(name, default))


def has_list_of_photons(hdus, path):
    """Return whether any table has the name of an event list, or energies of photons."""
    return any(
        table.extname in EVENT_EXTENSIONS or table.energy_column(None) is not None
        for table in _event_tables(hdus, path, None)
    )


def find_event_table(hdus, path, *, ra, dec, energy, hdu):
    """Return the table of an open FITS file that holds the photons."""
    tables = _event_tables(hdus, path, hdu)
    usable = [
        table
        for table in tables
        if table.position_columns(ra, dec) and table.energy_column(energy)
    ]
    named = [table for table in usable if table.extname in EVENT_EXTENSIONS]
    possible = named or usable
    if len(possible) > 1:
        raise ValueError(
            f"{path} has {len(possible)} tables of photons. Choose one with hdu:"
            f"{_contents(hdus, path)}"
        )
    if not usable:
        wanted = " or ".join(ENERGY_COLUMNS) if energy is None else energy
        image = "; or choose the image of counts with hdu"
        raise ValueError(
            f"{path} has no table with the columns {printable(ra)}, {printable(dec)} (or "
            f"sky pixels X, Y) and {printable(wanted)}. Name them with ra, dec and energy"
            f"{image if any(map(holds_image, hdus)) else ''}. It has:"
            f"{_contents(hdus, path)}"
        )
    (found,) = possible
    _check_reference_point(found, hdus)
    return found


def _check_reference_point(table, hdus):
    """Refuse a SIMPUT photon list whose source catalog moves the photons elsewhere."""
    point = [table.keyword(name, None) for name in ("REFRA", "REFDEC")]
    if not all(isinstance(angle, Real) for angle in point):
        return
    for hdu in hdus:
        if not isinstance(hdu, fits.BinTableHDU):
            continue
        catalog = EventTable(hdu, table.primary, table.path)
        if catalog.extname != "SRC_CAT" or not catalog.position_columns("RA", "DEC"):
            continue
        ra, dec = catalog.sky("RA", "DEC")
        east = (ra - point[0] + 180) % 360 - 180
        if not (np.hypot(east, dec - point[1]) < SAME_POINT).any():
            raise ValueError(
                f"{table.path} moves its photons from REFRA, REFDEC = {tuple(point)} to "
                f"its sources (the first: RA {ra[:1]}, Dec {dec[:1]}), which is not done "
                "here. Move RA and DEC of the photons, and make both the same."
            )


def _event_tables(hdus, path, hdu):
    tables = _binary_tables(hdus, path, hdu)
    return [EventTable(table, hdus[0].header, path) for table in tables]


def _binary_tables(hdus, path, hdu):
    if hdu is None:
        return [table for table in hdus if isinstance(table, fits.BinTableHDU)]
    try:
        chosen = hdus[hdu]
    except (KeyError, IndexError, TypeError, ValueError):
        chosen = None
    if not isinstance(chosen, fits.BinTableHDU):
        raise ValueError(
            f"hdu={hdu!r} is not a binary table of {path}. It has:{_contents(hdus, path)}"
        )
    return [chosen]


def _contents(hdus, path):
    """One line per HDU: its number, name and columns."""
    lines = []
    for i, hdu in enumerate(hdus):
        what = "an image" if holds_image(hdu) else "not a table"
        if isinstance(hdu, fits.BinTableHDU):
            what = printable(", ".join(EventTable(hdu, None, path).columns))
        with parse_errors_name_file(path, "FITS"):
            lines.append(f"\n  {i} {printable(hdu.name) or '(no name)'}: {what}")
    return "".join(lines)
