"""Photons from images of counts, which some archives have in place of event lists."""

import numpy as np
from astropy.io import fits

from ..parameters import REFUSED, Positive
from ..printable import printable
from ..sample.units import check_plausible
from .fits_files import is_chosen
from .images import image_in

KEYWORDS = "E_MIN", "E_MAX"
"""Keywords of the band of an image, in keV, as `write_maps` writes them."""


def is_image(hdus, hdu):
    """Return whether photons are read from an image: it is chosen, or there is no table.

    Parameters
    ----------
    hdus : astropy.io.fits.HDUList
    hdu : int, str or None
        The HDU that the user has chosen.
    """
    has_image = any(_holds_image(each) for each in hdus)
    if hdu is None:
        return has_image and not any(
            isinstance(each, fits.BinTableHDU) for each in hdus
        )
    return any(
        _holds_image(each) for i, each in enumerate(hdus) if is_chosen(each, i, hdu)
    )


def _holds_image(hdu):
    return isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and len(hdu.shape) >= 2


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
