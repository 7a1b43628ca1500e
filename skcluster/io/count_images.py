"""Photons from images of counts, which some archives have in place of event lists."""

import numpy as np
from astropy.io import fits

from ..parameters import REFUSED, Positive
from ..printable import printable
from ..sample.units import check_plausible
from .event_table import EventTable, is_list_of_photons
from .fits_files import is_chosen
from .images import holds_image, image_in

KEYWORDS = "E_MIN", "E_MAX"
"""Keywords of the band of an image, in keV, as `write_maps` writes them."""


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
    tables = [each for each in hdus if isinstance(each, fits.BinTableHDU)]
    if not images or not tables:
        return bool(images)
    has_names = (ra, dec, energy) != ("RA", "DEC", None)
    return not has_names and not any(
        is_list_of_photons(EventTable(each, hdus[0].header, path)) for each in tables
    )


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
    if energy is None:
        band = [Positive().read(header.get(keyword)) for keyword in KEYWORDS]
        if REFUSED in band:
            raise ValueError(
                f"{named} is an image of counts, whose header has no band "
                f"({' and '.join(KEYWORDS)} in keV). Give image_energy, such as the middle "
                "of its band in keV."
            )
        energy = float(np.sqrt(np.prod(band)))
    energy = Positive().check("image_energy", energy)
    check_plausible("bands", energy, "image_energy")
    return energy
