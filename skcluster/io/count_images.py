"""Photons from images of counts, which some archives have in place of event lists."""

from itertools import pairwise

import numpy as np
from astropy.io import fits

from ..parameters import REFUSED, Positive
from ..printable import printable
from ..sample.units import check_plausible
from .event_table import has_list_of_photons
from .fits_files import is_chosen, opened_fits
from .images import BAND_KEYWORDS, holds_image, image_hdu, image_in

SAME_KEV = 2e-3
"""Difference between ends of bands that are meant to be the same [keV]."""

OWN_BANDS = "train a model in the bands of the images: skcluster train --bands"


def is_image(hdus, path, *, ra, dec, energy, hdu):
    """Return whether photons are read from an image: it is chosen, or there is no list.

    Tables of good time intervals and the like may lie beside it. But where columns are
    named, or a table has energies of photons, that table is meant.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    path : str
        Name of the file in messages.
    ra, dec, energy, hdu : as in `read_photons`
    """
    images = [i for i, each in enumerate(hdus) if holds_image(each)]
    if hdu is not None:
        return any(is_chosen(hdus[i], i, hdu) for i in images)
    has_tables = any(isinstance(each, fits.BinTableHDU) for each in hdus)
    if not images or not has_tables:
        return bool(images)
    has_names = (ra, dec, energy) != ("RA", "DEC", None)
    return not has_names and not has_list_of_photons(hdus, path)


def photons_of_image(hdus, path, hdu, energy, columns):
    """Return the counts of an image as photons; see `read_photons`."""
    named = printable(path)
    if len(columns):
        raise ValueError(
            f"{named} is an image of counts, which has no columns {list(columns)}."
        )
    image, header = image_in(hdus, path, hdu)
    photons = image.to_photons(_energy(energy, header, named))
    return photons | {"energy": photons["energy"].astype(np.float32)}


def _energy(energy, header, named):
    band = _band(header)
    if energy is None:
        if band is None:
            raise ValueError(
                f"{named} is an image of counts, whose header has no band "
                f"({' and '.join(BAND_KEYWORDS)} in keV). Give image_energy, such as the "
                "middle of its band in keV."
            )
        energy = float(np.sqrt(np.prod(band)))
    energy = Positive().check("image_energy", energy)
    check_plausible("bands", energy, "image_energy")
    if band is not None and not band[0] <= energy <= band[1]:
        raise ValueError(
            f"image_energy={energy:g} lies outside of the band of {named}, whose header "
            f"has {_spelled([band])} keV. Leave it out."
        )
    return energy


def _band(header):
    """Return the band in the header of an image [keV], or None."""
    low, high = (Positive().read(header.get(keyword)) for keyword in BAND_KEYWORDS)
    return None if REFUSED in (low, high) or not low < high else (low, high)


def band_of_image(path, *, ra="RA", dec="DEC", energy=None, hdu=None):
    """Return the band of an image of counts [keV], or None if its header has none.

    Parameters
    ----------
    path, ra, dec, energy, hdu : as in `read_photons`
        An event list has no band, as one that holds the photons of an image.
    """
    with opened_fits(path) as hdus:
        named = printable(path)
        if not is_image(hdus, named, ra=ra, dec=dec, energy=energy, hdu=hdu):
            return None
        return _band(image_hdu(hdus, hdu).header)


def check_bands_of_images(images, bands, *, are_all=True):
    """Refuse images of counts that do not fill the bands in which they will be counted.

    Each image goes into a band as if all its photons had one energy. So it must not reach
    beyond a band that it is part of, and together images must leave no gap in a band.

    Parameters
    ----------
    images : sequence of (low, high) or None
        Bands of the images of one cluster [keV]; None is not known. Equal ones are
        several observations.
    bands : sequence of (low, high)
        Bands in which photons will be counted [keV].
    are_all : bool, default=True
        Whether all photons of the cluster are from these images.

    Examples
    --------
    >>> check_bands_of_images([(0.5, 1.0), (1.0, 2.0)], [(0.5, 2.0)])
    >>> check_bands_of_images([(0.5, 1.0)], [(0.5, 2.0)])
    Traceback (most recent call last):
    ...
    ValueError: The images of counts are of 0.5-1 keV, but 0.5-2 keV are counted, of which
    1-2 keV are missing. Give the images of these energies, or train a model in the bands of
    the images: skcluster train --bands.
    """
    known = sorted({image for image in images if image is not None})
    for low, high in bands:
        inside = [i for i in known if i[0] < high - SAME_KEV and i[1] > low + SAME_KEV]
        for start, stop in inside:
            if start < low - SAME_KEV or stop > high + SAME_KEV:
                raise ValueError(
                    f"An image of counts is of {start:g}-{stop:g} keV, of which only a "
                    f"part is in the band {low:g}-{high:g} keV, so its counts are not "
                    "those of this band. Give images that lie inside of one band, "
                    f"or {OWN_BANDS}."
                )
        for (_, stop), (start, _) in pairwise(inside):
            if start < stop - SAME_KEV:
                raise ValueError(
                    f"The images of counts are of {_spelled(inside)} keV, which overlap, "
                    "so photons would count twice. Leave some of them out."
                )
        if are_all and len(images) and None not in images:
            _check_no_gap(inside, low, high, known)


def _check_no_gap(inside, low, high, known):
    starts, stops = [start for start, _ in inside], [stop for _, stop in inside]
    gaps = [
        (stop, start)
        for stop, start in zip([low, *stops], [*starts, high], strict=True)
        if start > stop + SAME_KEV
    ]
    if gaps:
        raise ValueError(
            f"The images of counts are of {_spelled(known)} keV, but {low:g}-{high:g} keV "
            f"are counted, of which {_spelled(gaps)} keV are missing. Give the images of "
            f"these energies, or {OWN_BANDS}."
        )


def _spelled(bands):
    return ", ".join(f"{low:g}-{high:g}" for low, high in bands)
