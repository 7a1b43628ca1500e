"""Convert sky pixels and positions in other frames to RA and Dec in the ICRS."""

import re
from numbers import Real

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

REFERENCE_AXES = {"CTYP": "CTYPE", "CRPX": "CRPIX", "CRVL": "CRVAL", "CDLT": "CDELT"}
REFERENCE_AXES |= {"CUNI": "CUNIT", "CROT": "CROTA"}
PIXEL_STRINGS = ("TCTYP", "TCTY", "TCUNI", "TCUN", "RADE")
PIXEL_NUMBERS = (
    *("TCRVL", "TCRV", "TCRPX", "TCRP", "TCDLT", "TCDE", "TCROT"),
    *("LONP", "LATP", "EQUI"),
)
PIXEL_MATRICES = ("TC", "TCD", "TP", "TPC")
PIXEL_PARAMETERS = ("TV", "TPV")
CELESTIAL = re.compile(r"(RA|GLON|DEC|GLAT)-+\w+")
EQUINOXES = (1950, 2000)
"""Years of EPOCH that are equinoxes."""
FRAMES = {
    **{"ICRS": "icrs", "ICRF": "icrs", "FK5": "fk5", "J2000": "fk5", "FK4": "fk4"},
    **{"FK4-NO-E": "fk4noeterms", "": None},
}


def sky_of_pixels(header, keyword, numbers, pixels):
    """Return the longitude and latitude [deg] of sky pixels, and whether they are galactic.

    WCSLIB reads the keywords of the two columns (``TCTYPn``, ``TCRVLn``, rotations,
    matrices, poles, units …). If they are missing, those of XMM and eSASS (``REFXCTYP``
    …) are used.

    Parameters
    ----------
    header : astropy.io.fits.Header
        Header of the table.
    keyword : callable
        Function from the name of a keyword to its value in the table's header or the
        primary one, "" if there is none.
    numbers : pair of int
        Numbers of the columns X and Y, counted from 1.
    pixels : pair of ndarray
        Values of these columns.

    Returns
    -------
    angles : list of two ndarray, or None
        NaN for a pixel that projects to no point on the sky; None if no keywords
        project these columns to RA and Dec or to galactic coordinates.
    is_galactic : bool

    Raises
    ------
    ValueError
        A keyword is missing or not a number.
    """
    own = _own_header(header, numbers)
    reference = _reference_header(keyword)
    if is_projected(own.get, numbers):
        _check_numbers(
            own, [f"{key}{n}" for key in ("TCRVL", "TCRPX") for n in numbers]
        )
        wcs = WCS(own, keysel=["pixel"], colsel=list(numbers))
        order = [list(numbers).index(number) for number in wcs.wcs.colax]
    elif _is_celestial([reference.get("CTYPE1"), reference.get("CTYPE2")]):
        _check_numbers(reference, ["CRVAL1", "CRVAL2", "CRPIX1", "CRPIX2"])
        wcs, order = WCS(reference), [0, 1]
    else:
        return None, False
    sky = wcs.wcs_pix2world(np.column_stack([pixels[axis] for axis in order]), 1)
    angles = [np.ascontiguousarray(sky[:, axis]) for axis in (wcs.wcs.lng, wcs.wcs.lat)]
    return angles, wcs.wcs.lngtyp == "GLON"


def _own_header(header, numbers):
    """Return the cards that define the projection of the two columns."""
    of_one, matrices, parameters = map(
        "|".join, (PIXEL_STRINGS + PIXEL_NUMBERS, PIXEL_MATRICES, PIXEL_PARAMETERS)
    )
    n = "|".join(map(str, numbers))
    ours = re.compile(
        rf"({of_one})({n})|({matrices})({n})_({n})|({parameters})({n})_\d+"
    )
    mixed = re.compile(rf"({matrices})({n})_\d+")
    own = fits.Header()
    for card in header.cards:
        if ours.fullmatch(card.keyword):
            own[card.keyword] = card.value
        elif mixed.fullmatch(card.keyword) and card.value != 0:
            raise ValueError(
                f"the keyword {card.keyword} makes sky pixels depend on another column"
            )
    return own


def _reference_header(keyword):
    """Return the keywords REFX…, REFY… as those of an image."""
    reference = fits.Header()
    for axis, letter in enumerate("XY", start=1):
        for name, ours in REFERENCE_AXES.items():
            value = keyword(f"REF{letter}{name}")
            if value != "":
                reference[f"{ours}{axis}"] = value
    return reference


def is_projected(keyword, numbers):
    """Return whether keywords project two columns to RA and Dec or galactic angles."""
    return _is_celestial([keyword(f"TCTYP{n}") or keyword(f"TCTY{n}") for n in numbers])


def _is_celestial(ctypes):
    return all(CELESTIAL.fullmatch(str(ctype or "").strip()) for ctype in ctypes)


def _check_numbers(header, needed):
    """Refuse missing or non-numeric keywords, for which WCSLIB would use defaults."""
    # WCSLIB takes TCRVn for TCRVLn, and TCRPn for TCRPXn.
    missing = [
        name
        for name in needed
        if name not in header and re.sub(r"[LX](?=\d)", "", name) not in header
    ]
    if missing:
        raise ValueError(f"the sky pixels lack the keywords {', '.join(missing)}")
    for name, value in header.items():
        if name.startswith((*PIXEL_STRINGS, "CTYPE", "CUNIT")):
            continue
        if isinstance(value, bool) or not isinstance(value, Real):
            raise ValueError(
                f"the keyword {name} of sky pixels is {value!r}, not a number"
            )


def frame_of(keyword, numbers=()):
    """Return the astropy frame that a header names, or None for ICRS and FK5 of 2000.

    As in the FITS standard, an equinox without a frame means FK4 before 1984 and FK5
    from then on; a header with neither means ICRS.

    Parameters
    ----------
    keyword : callable
        Function from the name of a keyword to its value, "" if there is none.
    numbers : sequence of int, default=()
        Numbers of the columns of sky pixels, which may have a frame of their own.

    Raises
    ------
    ValueError
        The frame is unknown.
    """
    name, year = (
        _first(keyword, [f"{k}{n}" for n in numbers]) for k in ("RADE", "EQUI")
    )
    if not name and not year:
        name = _first(keyword, ["RADESYS", "RADECSYS"])
        year = _first(keyword, ["EQUINOX"])
        # The older name of EQUINOX, which some files use for dates, such as 2019.9.
        old = _first(keyword, ["EPOCH"])
        year = year or (old if _year(old) in EQUINOXES else "")
    frame = FRAMES.get(name.upper().partition(" ")[0], "unknown")
    if frame == "icrs":
        return None
    equinox = _year(year)
    if frame == "unknown" or (year and equinox is None):
        raise ValueError(
            f"the frame of its positions (RADESYS {name!r}, EQUINOX {year!r}) is not ICRS, "
            "FK5 or FK4. Transform them to ICRS, and correct these keywords"
        )
    if frame is None:
        frame = "icrs" if equinox is None else "fk4" if equinox < 1984 else "fk5"
    if frame == "icrs" or (frame, equinox) in (("fk5", None), ("fk5", 2000.0)):
        return None
    return _astropy_frame(frame, equinox)


def _first(keyword, names):
    return next((found for n in names if (found := str(keyword(n)).strip())), "")


def _year(text):
    try:
        year = float(text.upper().lstrip("BJ"))
    except ValueError:
        return None
    return year if 1800 <= year <= 2200 else None


def _astropy_frame(name, equinox):
    from astropy import coordinates
    from astropy.time import Time

    if name == "fk5":
        return coordinates.FK5(equinox=Time(equinox, format="jyear"))
    kind = coordinates.FK4 if name == "fk4" else coordinates.FK4NoETerms
    return kind(equinox=Time(1950.0 if equinox is None else equinox, format="byear"))


def to_icrs(longitude, latitude, frame):
    """Return RA and Dec [deg] of angles [deg] in a frame of astropy."""
    from astropy.coordinates import SkyCoord

    sky = SkyCoord(longitude, latitude, unit="deg", frame=frame).icrs
    return sky.ra.degree, sky.dec.degree
