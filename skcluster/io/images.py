"""Read images of the sky: exposure maps, masks, counts."""

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from ..printable import printable
from ..sample import SkyImage
from .file_errors import error_names_file, parse_errors_name_file
from .fits_files import is_chosen, opened_fits

BAND_KEYWORDS = "E_MIN", "E_MAX"
"""Keywords of the energy band of an image [keV]."""


def read_image(path, *, hdu=None) -> SkyImage:
    """Read an image of the sky with its coordinates.

    Parameters
    ----------
    path : str, bytes or path-like
        FITS image, plain or compressed by gzip, bzip2 or xz: an exposure map (of eSASS's
        ``expmap``, of Chandra or XMM), a mask or a count image, in any projection.
    hdu : int or str, default=None
        Number (0 is the primary HDU) or name of the image; by default the first HDU that
        holds one.

    Returns
    -------
    image : SkyImage

    Raises
    ------
    FileNotFoundError, OSError
        The file is not there, or is not a complete FITS file.
    ValueError
        There is no image in it, or it has no celestial coordinates.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> image = fits.PrimaryHDU(np.full((2, 3), 1500.0))
    >>> image.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRPIX1=2, CRPIX2=1,
    ...                     CRVAL1=140.3, CRVAL2=3.2, CDELT1=-0.001, CDELT2=0.001)
    >>> with TemporaryDirectory() as folder:
    ...     image.writeto(Path(folder, "expmap.fits"))
    ...     expmap = read_image(Path(folder, "expmap.fits"))
    >>> expmap.shape, expmap.at([140.3], [3.2])
    ((2, 3), array([1500.], dtype=float32))
    """
    with opened_fits(path) as hdus:
        image, _ = image_in(hdus, path, hdu)
    return image


def image_in(hdus, path, hdu):
    """Return an image of an open FITS file, and its header; see `read_image`."""
    with error_names_file(path):
        image = image_hdu(hdus, hdu)
        with parse_errors_name_file(path, "FITS"):
            values = np.array(image.data, np.float32)
            wcs = WCS(image.header)
            unit = str(image.header.get("BUNIT", "")).strip()
        # XMM and others add axes of length 1.
        values = values.reshape([n for n in values.shape if n > 1] or values.shape)
        return SkyImage(values, wcs, name=printable(path), unit=unit), image.header


def holds_image(hdu):
    """Return whether an HDU is an image of two axes or more."""
    return isinstance(hdu, fits.PrimaryHDU | fits.ImageHDU) and len(hdu.shape) >= 2


def image_hdu(hdus, hdu):
    """Return the HDU of an open FITS file that holds the image; see `read_image`."""
    found = {i: each for i, each in enumerate(hdus) if holds_image(each)}
    if hdu is not None:
        found = {i: each for i, each in found.items() if is_chosen(each, i, hdu)}
    if not found:
        which = "" if hdu is None else f" as HDU {hdu!r}"
        names = ", ".join(f"{i} {printable(each.name)}" for i, each in enumerate(hdus))
        raise ValueError(
            f"It holds no image{which}; its HDUs are {names}. Give the image, unpacked "
            "if it is compressed by fpack."
        )
    return next(iter(found.values()))
