"""Event lists as the missions write them: which table, which columns, which units."""

from numbers import Integral, Real

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from .broken_files import named_if_broken

EVENT_EXTENSIONS = ("EVENTS", "STDEVT", "PHLIST")
ENERGY_COLUMNS = ("ENERGY", "SIGNAL", "PI", "PHA")
PROJECTION = {"ctype": "CTYP", "crpix": "CRPX", "crval": "CRVL", "cdelt": "CDLT"}
KEV = {"ev": 1e-3, "kev": 1.0, "mev": 1e3}
KEV_PER_PI_CHANNEL = {"chandra": 0.0146, "erosita": 1e-3, "xmm": 1e-3}
DEGREES = {"": 1.0, "deg": 1.0, "degree": 1.0, "degrees": 1.0, "rad": 180 / np.pi}


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
        with named_if_broken(path, "FITS"):
            self.extname = hdu.name
            self.columns = {str(column.name): column for column in hdu.columns}

    def find(self, *names):
        """The first of these names that is a column, as the file spells it, or None."""
        spelled = {name.upper(): name for name in self.columns}
        found = (spelled[name.upper()] for name in names if name.upper() in spelled)
        return next(found, None)

    def keyword(self, name, default=""):
        with named_if_broken(self.path, "FITS"):
            return self.hdu.header.get(name, self.primary.get(name, default))

    def unit(self, name):
        return str(self.columns[name].unit or "").strip()

    def values(self, name):
        """A copy of a column in native byte order."""
        found = self.find(name)
        if found is None:
            raise ValueError(
                f"{self.path} has no column {name!r} in its table of photons; it has "
                f"{', '.join(self.columns)}."
            )
        with named_if_broken(self.path, "FITS"):
            column = self.hdu.data[found]
            column = np.array(column, column.dtype.newbyteorder("="))
        if column.ndim != 1 or column.dtype.kind == "O":
            raise ValueError(
                f"Column {found!r} of {self.path} holds {column.shape[1:]} values a "
                "photon; only columns of one value can be read."
            )
        return column

    def numbers(self, name):
        """A column as float64 without gaps."""
        values, column = self.values(name), self.columns[self.find(name)]
        if values.dtype.kind not in "iuf":
            raise ValueError(
                f"Column {column.name!r} of {self.path} holds no numbers (TFORM "
                f"{str(column.format)!r}). Name another one."
            )
        with np.errstate(invalid="ignore"):  # a signalling NaN is a gap like any other
            values, is_gap = values.astype(np.float64), False
        if isinstance(column.null, Integral):
            # TNULL is what stands in the file, before its scale and zero are applied.
            is_gap = values == column.null * (column.bscale or 1) + (column.bzero or 0)
        return self.complete(values, name, is_gap)

    def complete(self, values, name, is_gap=False):
        """The values, or an error if some of them are gaps or not finite."""
        is_gap = is_gap | ~np.isfinite(values)
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
        angles = [self.numbers(name) for name in columns]
        if self.find(ra) == columns[0]:
            angles = [*map(self._in_degrees, angles, columns)]
            self._check_declination(angles[1], columns[1])
            return tuple(angles)
        names = [f"place on the sky at their {name}" for name in columns]
        return tuple(map(self.complete, self._on_sky(angles, columns), names))

    def _in_degrees(self, angle, name):
        unit = self.unit(name)
        if unit.lower() not in DEGREES:
            raise ValueError(
                f"Column {name!r} of {self.path} has the unit {unit!r}; it must be deg "
                "or rad."
            )
        with np.errstate(over="ignore"):
            return self.complete(angle * DEGREES[unit.lower()], name)

    def _check_declination(self, angle, name):
        beyond = np.abs(angle) > 90
        if beyond.any():
            first = np.argmax(beyond)
            raise ValueError(
                f"{beyond.sum()} of {len(angle)} photons in {self.path} have a {name} "
                f"beyond 90 deg (first: row {first}, {angle[first]:.6g}). Is {name!r} a "
                "declination, in the unit of its TUNIT?"
            )

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

    def _on_sky(self, pixels, columns):
        """RA and Dec of sky pixels; NaN where the projection has none."""
        axes = self._projection(columns)
        with named_if_broken(self.path, "FITS"):
            wcs = WCS(naxis=2)
            for keyword, pair in axes.items():
                setattr(wcs.wcs, keyword, pair)
            return [*map(np.ascontiguousarray, wcs.wcs_pix2world(*pixels, 1))]

    def _projection(self, columns):
        """The projection that the keywords of the columns X and Y describe."""
        x, y = (list(self.columns).index(name) + 1 for name in columns)
        for template in ((f"T{{}}{x}", f"T{{}}{y}"), ("REFX{}", "REFY{}")):
            axes = {
                name: [self.keyword(axis.format(key)) for axis in template]
                for name, key in PROJECTION.items()
            }
            ctype = [*map(str, axes["ctype"])]
            if ctype[0].startswith("RA--") and ctype[1].startswith("DEC-"):
                return axes
        raise ValueError(
            f"{self.path} has sky pixels {columns[0]}, {columns[1]}, but neither "
            f"TCTYP{x}, TCTYP{y} nor REFXCTYP, REFYCTYP say how they project RA and "
            f"Dec (got {ctype}). Add columns RA and DEC [deg] to the list."
        )

    def energy(self, energy, energy_unit):
        """Energies [keV], float32."""
        name = self.energy_column(energy)
        values = self.numbers(name)
        with np.errstate(over="ignore"):
            unit = self.kev_per_unit(name, values, energy_unit)
            values = self.complete((values * unit).astype(np.float32), name)
            typical = np.median(values) if len(values) else 1.0
        if not 0.01 < typical < 100:
            raise ValueError(
                f"The column {name!r} of {self.path}, taken as {unit:g} keV a unit "
                f"(TUNIT {self.unit(name)!r}), has a median of {typical:.4g} keV, which "
                "is no X-ray photon. Correct it with energy_unit='eV', 'keV', 'MeV' or "
                "a number of keV per channel."
            )
        return values

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
    if isinstance(energy_unit, Real) and 0 < energy_unit < np.inf:
        return float(energy_unit)
    if str(energy_unit).lower() not in KEV:
        raise ValueError(
            "energy_unit must be 'eV', 'keV', 'MeV' or a positive number of keV per "
            f"channel, got {energy_unit!r}."
        )
    return KEV[str(energy_unit).lower()]


def find_event_table(hdus, path, *, ra, dec, energy, hdu):
    """The table of an open FITS file that holds the photons."""
    candidates = _binary_tables(hdus, path, hdu)
    tables = [EventTable(table, hdus[0].header, path) for table in candidates]
    usable = [
        table
        for table in tables
        if table.position_columns(ra, dec) and table.energy_column(energy)
    ]
    named = [table for table in usable if table.extname in EVENT_EXTENSIONS]
    if len(named) > 1:
        raise ValueError(
            f"{path} has {len(named)} tables of photons. Choose one with hdu:"
            f"{_contents(hdus, path)}"
        )
    if not usable:
        wanted = " or ".join(ENERGY_COLUMNS) if energy is None else energy
        raise ValueError(
            f"{path} has no table with the columns {ra}, {dec} (or sky pixels X, Y) "
            f"and {wanted}. Name them with ra, dec and energy. It has:"
            f"{_contents(hdus, path)}"
        )
    return (named or usable)[0]


def _binary_tables(hdus, path, hdu):
    if hdu is None:
        return [table for table in hdus if isinstance(table, fits.BinTableHDU)]
    try:
        chosen = hdus[hdu]
    except (KeyError, IndexError, TypeError, ValueError):
        chosen = None
    if not isinstance(chosen, fits.BinTableHDU):
        raise ValueError(
            f"hdu={hdu!r} is no binary table of {path}. It has:{_contents(hdus, path)}"
        )
    return [chosen]


def _contents(hdus, path):
    """One line per HDU: its number, name and columns."""
    lines = []
    for i, hdu in enumerate(hdus):
        what = "no table"
        if isinstance(hdu, fits.BinTableHDU):
            what = ", ".join(EventTable(hdu, None, path).columns)
        with named_if_broken(path, "FITS"):
            lines.append(f"\n  {i} {hdu.name or '(no name)'}: {what}")
    return "".join(lines)
