"""Maps of one cluster as FITS images with celestial coordinates."""

import numpy as np
from astropy.io import fits

from ..cosmology import comoving_distance, get_cosmology
from ..parameters import REFUSED, Positive
from ..sample import FIELDS, half_width_of
from ..sample.units import check_plausible
from .atomic import check_is_free
from .fits_writing import header_of, header_text, write_fits
from .images import BAND_KEYWORDS


def write_maps(
    path,
    maps,
    *,
    center,
    redshift,
    half_width=None,
    cosmology=None,
    bands=None,
    name=None,
    units=None,
    header=None,
    overwrite=False,
    **more_images,
):
    r"""Write the maps of one cluster as FITS images with celestial coordinates.

    Every band of every image becomes one HDU. Its name is ``MAP``, or the keyword of
    the image in upper case, and its ``EXTVER`` is the number of the band, from 1. All
    lie on one tangent plane about the cluster's center, so that any viewer puts them on
    the sky: a map of :math:`n` pixels per side has its center at pixel :math:`(n + 1) /
    2` (counted from 1), and in degrees

    .. math::

        \mathrm{CDELT}_2 = -\mathrm{CDELT}_1 =
            \frac{180}{\pi} \, \frac{2 w}{n D_C}

    with :math:`w` the half-width and :math:`D_C` the comoving distance: right ascension
    falls along a row, which runs to the West. The primary HDU is the sum of the
    bands of ``MAP``.

    Parameters
    ----------
    path : str, bytes or path-like
        Compressed if it ends in ``.gz``, ``.bz2`` or ``.xz``. Written atomically: after an
        error there is no file, or the old one.
    maps : array-like of shape (n_pixels, n_pixels) or (n_bands, n_pixels, n_pixels)
        Rows to the North, columns to the West. The maps of one cluster of a sample,
        ``sample.maps[i]``, will do.
    center : pair of float
        RA and Dec of the cluster [deg].
    redshift : float
    half_width : float, default=None
        Half the side of the maps [comoving Mpc/h]. None takes that of the `PhotonMapper`
        that made them, so a plain array needs a number.
    cosmology : str or astropy.cosmology.Cosmology, default=None
        None takes that of the `PhotonMapper` that made the maps, and WMAP7 for an array.
    bands : sequence of (low, high), default=None
        Energy bands [keV], stored as ``E_MIN`` and ``E_MAX`` in images with the same
        number of bands. An infinite end, which FITS cannot hold, is left out.
    name : str, default=None
        Name of the cluster, kept as ``OBJECT``.
    units : dict of str to str, default=None
        Units of images, such as ``{"map": "count"}``, kept as ``BUNIT``.
    header : dict, default=None
        More cards of the primary header: keyword to value, or to (value, comment).
    overwrite : bool, default=False
    **more_images : array-like, shaped as `maps`
        More images of the same square of the sky, such as ``saliency=``. They may have
        other numbers of pixels and bands.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> from astropy.wcs import WCS
    >>> counts = np.zeros((3, 3))
    >>> counts[1, 2] = 7  # one pixel to the West of the center
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "a.fits")
    ...     write_maps(path, counts, center=(10.0, 0.0), redshift=0.2, half_width=0.3)
    ...     ra, dec = WCS(fits.getheader(path, "MAP")).pixel_to_world_values(2, 1)
    >>> float(ra.round(4)), float(dec.round(4))
    (9.98, 0.0)
    """
    check_is_free(path, overwrite)
    images = {"map": maps} | more_images
    images = {key: _checked_bands(key, image) for key, image in images.items()}
    bands = _checked_energies(bands)
    if bands is not None and len(bands) != len(images["map"]):
        raise ValueError(
            f"bands names {len(bands)} energy bands, but maps has {len(images['map'])}."
        )
    unknown = sorted({*(units or {})} - {*images})
    if unknown:
        raise ValueError(f"units are given for {unknown}, but images are {[*images]}.")
    center = FIELDS["center"].checked("center", [center], 1)[0]
    if half_width is None:
        half_width = half_width_of(maps, by="write_maps")
    cosmology = _cosmology_of(maps) if cosmology is None else cosmology
    side = _side(
        half_width, FIELDS["redshift"].checked("redshift", [redshift]), cosmology
    )
    # A viewer that opens only the primary HDU must show an image at the right place.
    total = images["map"].sum(axis=0)
    about = _sky_cards(center, side, len(total))
    about |= _primary_cards(center, redshift, half_width, name) | (header or {})
    hdus = fits.HDUList([fits.PrimaryHDU(total, header_of(about))])
    for key, image in images.items():
        energies = bands if bands is not None and len(bands) == len(image) else None
        for band, pixels in enumerate(image):
            cards = _sky_cards(center, side, len(pixels))
            if units and key in units:
                cards["BUNIT"] = units[key]
            if energies is not None:
                cards |= _band_cards(*energies[band])
            hdus.append(fits.ImageHDU(pixels, header_of(cards), key, ver=band + 1))
    write_fits(path, hdus)


def _cosmology_of(maps):
    """Return the cosmology that maps were made with."""
    geometry = getattr(maps, "geometry", None)
    if geometry is None:
        return "WMAP7"
    try:
        return get_cosmology(geometry.cosmology)
    except ValueError as error:
        raise ValueError(
            f"write_maps needs the cosmology of the maps, {geometry.cosmology}, as an "
            "object: give cosmology=mapper.cosmology."
        ) from error


def _checked_energies(bands):
    try:
        bands = bands and [(float(low), float(high)) for low, high in bands]
    except (TypeError, ValueError) as error:
        raise ValueError(
            f"bands must be pairs (low, high) in keV, got {bands!r}."
        ) from error
    edges = [edge for band in bands or () for edge in band if np.isfinite(edge)]
    check_plausible("bands", edges)
    return bands


def _band_cards(low, high):
    """Return the cards of a band [keV]; FITS has none for an infinite end."""
    ends = zip(BAND_KEYWORDS, (low, high), strict=True)
    return {name: (end, "[keV]") for name, end in ends if not np.isinf(end)}


def _side(half_width, redshift, cosmology):
    """Return the side of the square on the sky [deg]."""
    (distance,) = comoving_distance(redshift, cosmology)
    if Positive().read(half_width) is REFUSED or half_width >= distance:
        raise ValueError(
            f"half_width must be positive and less than the cluster's distance of "
            f"{distance:.4g} Mpc/h, got {half_width!r}."
        )
    check_plausible("half_width", half_width)
    return np.degrees(2 * half_width / distance)


def _checked_bands(key, image):
    """Return the image as (n_bands, n_pixels, n_pixels), in a type that FITS can hold."""
    image = np.asarray(image)
    shape = image.shape
    if image.ndim == 4 and len(image) == 1:
        image = image[0]
    if image.ndim == 2:
        image = image[None]
    if image.ndim != 3 or not image.size or image.shape[1] != image.shape[2]:
        raise ValueError(
            f"{'maps' if key == 'map' else key} must be square maps of one cluster, of "
            f"shape (n_pixels, n_pixels) or (n_bands, n_pixels, n_pixels), got {shape}."
        )
    if image.dtype.kind not in "biuf" or image.dtype.itemsize > 8:
        raise ValueError(f"{key} must hold numbers, got the type {image.dtype}.")
    if image.dtype.kind == "b":
        return image.astype(np.uint8)
    return image.astype(np.float32) if image.dtype == np.float16 else image


def _primary_cards(center, redshift, half_width, name):
    cards: dict[str, object] = {"CREATOR": "skcluster"}
    if name is not None:
        cards["OBJECT"] = header_text(name)
    cards["RA_OBJ"], cards["DEC_OBJ"] = (float(angle) for angle in center)
    cards["REDSHIFT"] = float(redshift)
    cards["HALFWID"] = (float(half_width), "half the side [comoving Mpc/h]")
    return cards


def _sky_cards(center, side, n_pixels):
    """Return the world coordinates of a square of that side [deg] about the center."""
    ra, dec = (float(angle) for angle in center)
    middle, pixel = (n_pixels + 1) / 2, float(side) / n_pixels
    return {
        "CTYPE1": "RA---TAN",
        "CTYPE2": "DEC--TAN",
        "CUNIT1": "deg",
        "CUNIT2": "deg",
        "CRPIX1": middle,
        "CRPIX2": middle,
        "CRVAL1": ra,
        "CRVAL2": dec,
        "CDELT1": -pixel,
        "CDELT2": pixel,
        # North is up: without it, readers turn an image about the north pole by 180 deg.
        "LONPOLE": 180.0,
        "RADESYS": "ICRS",
    }
