"""The same three photons in files of the layouts of several missions."""

import numpy as np
from astropy.io import fits

from skcluster.cosmology import sky_to_plane

RA = np.array([139.9, 140.0, 140.15])
DEC = np.array([3.1, 3.2, 3.35])
KEV = np.array([0.5, 1.25, 4.0])
GTI = fits.BinTableHDU.from_columns(
    [fits.Column("START", "D", array=[0.0]), fits.Column("STOP", "D", array=[9.0])],
    name="GTI",
)


def event_hdu(columns, *, extname="EVENTS", **keywords):
    """One table from (name, format, unit, values) rows."""
    hdu = fits.BinTableHDU.from_columns(
        [fits.Column(n, form, unit=unit, array=a) for n, form, unit, a in columns],
        name=extname,
    )
    hdu.header.update(keywords)
    return hdu


def write_hdus(path, *hdus, **primary):
    header = fits.Header()
    header.update(primary)
    hdu_list = fits.HDUList([fits.PrimaryHDU(header=header), *hdus])
    hdu_list.writeto(path)
    return path


def write_events(path, *columns, **keywords):
    """RA, DEC and the given columns in one table EVENTS."""
    sky = [("RA", "D", "deg", RA), ("DEC", "D", "deg", DEC)]
    return write_hdus(path, event_hdu([*sky, *columns], **keywords))


def write_esass(path):
    """eROSITA, as evtool of eSASS writes it: sky pixels stand beside RA and DEC."""
    columns = [
        ("TIME", "D", "s", [1.0, 2.0, 3.0]),
        ("RA", "D", "deg", RA),
        ("DEC", "D", "deg", DEC),
        ("X", "D", "", [4.0, 5.0, 6.0]),
        ("Y", "D", "", [4.0, 5.0, 6.0]),
        ("PI", "E", "eV", KEV * 1000),
        ("TM_NR", "B", "", [1, 2, 7]),
        ("FLAG", "J", "", [0, 0, 0]),
    ]
    hdu = event_hdu(columns, TELESCOP="eROSITA", INSTRUME="MERGED", TCTYP4="RA---SIN")
    return write_hdus(path, GTI, hdu)


def write_sixte(path):
    """SIXTE: the energy is SIGNAL, and PH_ID holds two numbers per photon."""
    columns = [
        ("PHA", "J", "ADU", [50, 125, 400]),
        ("SIGNAL", "E", "keV", KEV),
        ("RA", "D", "deg", RA),
        ("DEC", "D", "deg", DEC),
        ("PH_ID", "2J", "", [[1, 0], [2, 0], [3, 0]]),
    ]
    return write_hdus(path, event_hdu(columns, extname="STDEVT", TELESCOP="ATHENA"))


def photon_hdu(unit="keV"):
    columns = [("ENERGY", "E", unit, KEV), ("RA", "D", "", RA), ("DEC", "D", "", DEC)]
    return event_hdu(columns, extname="PHLIST", REFRA=0.0, REFDEC=0.0)


def source_catalog():
    columns = [
        ("SRC_ID", "J", "", [1]),
        ("RA", "D", "deg", [0.0]),
        ("DEC", "D", "deg", [0.0]),
        ("E_MIN", "E", "keV", [0.5]),
        ("FLUX", "E", "erg/s/cm**2", [1e-12]),
        ("SPECTRUM", "16A", "", ["[PHLIST,1]"]),
    ]
    return event_hdu(columns, extname="SRC_CAT")


def write_simput(path):
    """SIMPUT (PHOX): a catalog with RA and DEC first, the photons in HDU 2."""
    return write_hdus(path, source_catalog(), photon_hdu(unit=None))


def pixels_of(ra, dec, crval, crpix, cdelt):
    """Sky pixels by the gnomonic formula; cdelt [deg] < 0 makes x grow to the West."""
    west, north = np.degrees(sky_to_plane(ra, dec, *crval))
    return crpix + west / cdelt, crpix + north / cdelt


def write_chandra(path, *, crval=(140.0, 3.2)):
    """Chandra evt2: lower case, sky pixels, and detector pixels with a WCS as well."""
    x, y = pixels_of(RA, DEC, crval, 4096.5, 1.366667e-4)
    columns = [
        ("time", "D", "s", [1.0, 2.0, 3.0]),
        ("detx", "E", "pixel", x + 700),
        ("dety", "E", "pixel", y - 90),
        ("x", "D", "pixel", x),
        ("y", "D", "pixel", y),
        ("pha", "J", "adu", [100, 300, 990]),
        ("energy", "E", "eV", KEV * 1000),
        ("pi", "J", "chan", (KEV / 0.0146).astype(int) + 1),
    ]
    hdu = event_hdu(columns, TELESCOP="CHANDRA", INSTRUME="ACIS")
    for i, ctype, value in ((2, "LONG-TAN", 0.0), (4, "RA---TAN", crval[0])):
        set_axis(hdu, f"T{{}}{i}", ctype, value, 4096.5, -1.366667e-4)
    for i, ctype, value in ((3, "NPOL-TAN", 0.0), (5, "DEC--TAN", crval[1])):
        set_axis(hdu, f"T{{}}{i}", ctype, value, 4096.5, 1.366667e-4)
    return write_hdus(path, hdu, GTI)


def set_axis(hdu, template, ctype, value, pixel, step):
    numbers = {"CTYP": ctype, "CRVL": value, "CRPX": pixel, "CDLT": step}
    for key, number in numbers.items():
        hdu.header[template.format(key)] = number


def write_xmm(path, *, keywords="both", crval=(140.0, 3.2), null=()):
    """XMM EPIC: integer sky pixels of 0.05 arcsec, with a code for 'no position'."""
    x, y = pixels_of(RA, DEC, crval, 25921, 0.05 / 3600)
    x[list(null)] = -99999999
    sky = [
        fits.Column(name, "J", unit="0.05 arcsec", null=-99999999, array=np.rint(a))
        for name, a in (("X", x), ("Y", y))
    ]
    energy = [
        fits.Column("PHA", "I", unit="CHAN", array=[90, 250, 800]),
        fits.Column("PI", "I", unit="eV", array=KEV * 1000),
    ]
    hdu = fits.BinTableHDU.from_columns(sky + energy, name="EVENTS")
    primary = fits.PrimaryHDU(header=fits.Header({"TELESCOP": "XMM"}))
    where = {
        "table": [(hdu, "T{}1", "T{}2")],
        "reference": [(hdu, "REFX{}", "REFY{}")],
        "primary": [(primary, "REFX{}", "REFY{}")],
    }
    where["both"] = where["table"] + where["reference"]
    for owner, first, second in where[keywords]:
        set_axis(owner, first, "RA---TAN", crval[0], 25921, -0.05 / 3600)
        set_axis(owner, second, "DEC--TAN", crval[1], 25921, 0.05 / 3600)
    fits.HDUList([primary, hdu, GTI]).writeto(path)
    return path


MISSIONS = [write_esass, write_sixte, write_simput, write_chandra, write_xmm]
