"""Images of the sky with coordinates, such as exposure maps and masks of sources."""

import numpy as np

from .plain_arrays import as_numbers, read_only
from .row_index import row_indices
from .units import in_our_unit

FEWEST_STEPS, LEAST_NOISE = 1000, 0.25
"""Pairs of pixels that tell noise, and its least share that images of counts have."""


class SkyImage:
    """One image with celestial coordinates: an exposure map, a mask or counts.

    Parameters
    ----------
    values : array-like of shape (n_rows, n_columns)
        Pixels as in a FITS image, the first row at the bottom.
    wcs : astropy.wcs.WCS
        Coordinates of its pixels, in any projection and frame.
    name : str, default=""
        What messages call it, such as the path of its file.
    unit : str, default=""
        Unit of the values, as files spell it (``BUNIT``); by default that of a Quantity,
        or "" if it is not known.

    Attributes
    ----------
    values : ndarray of float32
        Read-only.
    shape : tuple of 2 int
    pixel_size : float
        Geometric mean of the sides of a pixel [deg].
    center : tuple of 2 float
        RA and Dec of the middle of the image [deg].

    Examples
    --------
    >>> from astropy.wcs import WCS
    >>> wcs = WCS({"CTYPE1": "RA---TAN", "CTYPE2": "DEC--TAN", "CRVAL1": 10.0,
    ...            "CRVAL2": 0.0, "CRPIX1": 2, "CRPIX2": 2, "CDELT1": -0.1, "CDELT2": 0.1})
    >>> image = SkyImage([[0, 0, 0], [5, 7, 0], [0, 9, 0]], wcs)
    >>> image.at([10.0, 10.0, 10.1, 80.0], [0.0, 0.1, 0.0, 0.0])
    array([ 7.,  9.,  5., nan], dtype=float32)
    """

    def __init__(self, values, wcs, name="", unit=""):
        unit = unit or str(getattr(values, "unit", None) or "")
        if getattr(getattr(values, "dtype", None), "kind", "") == "b":
            values = np.asarray(values, np.float32)
        values = as_numbers(values, "The image", "")
        if values.ndim != 2:
            raise ValueError(
                f"An image of the sky must be 2-d, got shape {values.shape}."
            )
        self.name, self.unit = name, unit
        if wcs is None or not wcs.has_celestial:
            raise ValueError(
                f"{self} has no celestial coordinates: the WCS keywords of its header "
                "(CTYPE1, CRVAL1, CRPIX1, CDELT1 …) name no RA and Dec. Give an image "
                "with them."
            )
        self.wcs = wcs.celestial
        self._frame = _frame_of(self.wcs)
        self.values = read_only(values.astype(np.float32))

    def __str__(self):
        return f"The image {self.name}" if self.name else "The image"

    @property
    def shape(self):
        return self.values.shape

    @property
    def nbytes(self):
        return self.values.nbytes

    @property
    def pixel_size(self):
        from astropy.wcs.utils import proj_plane_pixel_area

        return float(np.sqrt(proj_plane_pixel_area(self.wcs)))

    def at(self, ra, dec):
        """Return the values of the pixels that hold sky positions; NaN outside.

        Parameters
        ----------
        ra, dec : array-like of shape (n_points,)
            ICRS [deg].

        Returns
        -------
        values : ndarray of shape (n_points,)
        """
        ra, dec = in_our_unit("ra", ra, "ra"), in_our_unit("dec", dec, "dec")
        column, row = self._pixels(np.asarray(ra, float), np.asarray(dec, float))
        n_rows, n_columns = self.shape
        with np.errstate(invalid="ignore"):
            column, row = np.floor(column + 0.5), np.floor(row + 0.5)
            inside = (column >= 0) & (column < n_columns) & (row >= 0) & (row < n_rows)
        found = np.full(inside.shape, np.nan, np.float32)
        found[inside] = self.values[row[inside].astype(int), column[inside].astype(int)]
        return found

    def to_photons(self, energy):
        """Return the counts of the image as a photon list, at the centers of its pixels.

        Images of several bands become one list by `numpy.concatenate`, column by column.

        Parameters
        ----------
        energy : float
            Energy that all photons are given, such as the middle of the band [keV].

        Returns
        -------
        photons : dict of ndarray
            Columns ``ra``, ``dec`` [deg], ``energy`` [keV] and ``pixel``, the side of a
            pixel [deg], by which maps know how coarse the places are. A row per count.

        Raises
        ------
        ValueError
            Values are negative or fractional, or vary less between pixels than the noise of
            counts, as those of exposure maps and masks do.
        """
        counts = self.values
        if not (counts >= 0).all() or (counts != np.floor(counts)).any():
            raise ValueError(
                f"{self} does not hold counts: {self._not_counts()}. Give a count image, "
                "not one that is divided by its exposure."
            )
        self._check_noise()
        row, column = np.nonzero(counts)
        times = counts[row, column].astype(int)
        ra, dec = self._sky(column, row)
        return {
            "ra": np.repeat(ra, times),
            "dec": np.repeat(dec, times),
            "energy": np.full(times.sum(), float(energy)),
            "pixel": np.full(times.sum(), self.pixel_size, np.float32),
        }

    def _check_noise(self):
        """Refuse what is smoother than counts: the mean square step is twice their mean."""
        counts = self.values.astype(float)
        steps = np.diff(counts, axis=1)
        if steps.size < FEWEST_STEPS:
            return
        step, expected = np.mean(steps**2), 2 * counts.mean()
        if step < LEAST_NOISE * expected:
            raise ValueError(
                f"{self} is smoother than counts can be: neighboring pixels differ by "
                f"{np.sqrt(step):.3g} (rms), and counts of this mean by "
                f"{np.sqrt(expected):.3g}. Is it an exposure map, a mask or a model?"
            )

    def _not_counts(self):
        wrong = ~(self.values >= 0) | (self.values != np.floor(self.values))
        return (
            f"{wrong.sum()} of {wrong.size} pixels are negative, NaN or not an integer "
            f"(first: {self.values[wrong][0]:.4g})"
        )

    @property
    def center(self):
        """RA and Dec of the middle of the image [deg]."""
        rows, columns = self.shape
        ra, dec = self._sky(np.array([(columns - 1) / 2]), np.array([(rows - 1) / 2]))
        return float(ra[0]), float(dec[0])

    def _sky(self, column, row):
        """Return RA and Dec of pixels, from 0 at the center of the first [deg]."""
        world = self.wcs.all_pix2world(column, row, 0)
        longitude, latitude = world if self.wcs.wcs.lng == 0 else world[::-1]
        if self._frame is None:
            return longitude, latitude
        from astropy.coordinates import SkyCoord

        sky = SkyCoord(longitude, latitude, unit="deg", frame=self._frame).icrs
        return sky.ra.degree, sky.dec.degree

    def _pixels(self, ra, dec):
        """Return columns and rows of sky positions, from 0 at the center of the first."""
        if self._frame is not None:
            from astropy.coordinates import SkyCoord

            sky = SkyCoord(ra, dec, unit="deg").transform_to(self._frame).spherical
            ra, dec = sky.lon.degree, sky.lat.degree
        world = [ra, dec] if self.wcs.wcs.lng == 0 else [dec, ra]
        if self.wcs.has_distortion:
            return self.wcs.all_world2pix(*world, 0, quiet=True)
        return self.wcs.wcs_world2pix(*world, 0)


def _frame_of(wcs):
    """Return the frame of an image's coordinates; None for ICRS and FK5 of 2000."""
    from astropy.wcs.utils import wcs_to_celestial_frame

    frame = wcs_to_celestial_frame(wcs)
    is_j2000 = frame.name == "fk5" and abs(frame.equinox.jyear - 2000) < 1e-6
    return None if frame.name == "icrs" or is_j2000 else frame


class SkyImages:
    """One image of the sky per cluster, or None; clusters may share an image.

    Parameters
    ----------
    images : sequence of SkyImage
    index : array-like of shape (n_clusters,)
        Which image each cluster has, by its number in `images`; -1 for none.

    Examples
    --------
    >>> SkyImages.of([None, None]).shape
    (2,)
    """

    def __init__(self, images, index):
        self.images, self.index = tuple(images), read_only(np.asarray(index, int))

    @classmethod
    def of(cls, each):
        """Return the images of a list that has one SkyImage or None per cluster."""
        images = {id(image): image for image in each if image is not None}
        numbers = {key: number for number, key in enumerate(images)}
        return cls(images.values(), [numbers.get(id(image), -1) for image in each])

    @property
    def shape(self):
        return (len(self),)

    @property
    def nbytes(self):
        return self.index.nbytes + sum(image.nbytes for image in self.images)

    def __len__(self):
        return len(self.index)

    def __getitem__(self, key):
        # A selection carries only the images that its clusters have.
        index = self.index[row_indices(key, len(self))]
        used, position = np.unique(index[index >= 0], return_inverse=True)
        renumbered = np.full(len(index), -1)
        renumbered[index >= 0] = position
        return SkyImages([self.images[number] for number in used], renumbered)

    def image(self, i):
        """Return the image of cluster i, or None."""
        number = self.index[i]
        return None if number < 0 else self.images[number]
