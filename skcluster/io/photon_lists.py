"""Read the photon lists of a table of clusters: one per row, several, or shared ones."""

import copy
import os
import warnings
from functools import cache
from pathlib import Path

import numpy as np

from ..printable import printable
from ..progress import Progress
from ..sample.plain_arrays import is_path
from .apertures import aperture_angles
from .count_images import band_of_image, check_bands_of_images
from .energy_scales import unit_of_text
from .file_errors import UnreadableRows
from .galaxy_lists import with_common_columns
from .photons import exposure_and_camera, read_photons
from .tiles import Tile, cover_same_sky, is_new, joined_photons

SEPARATOR = ";"
"""Separates the paths of several lists of one cluster."""

COPIES = 0.02
"""Share of a cluster's photons above which copies are not taken for chance."""

OF_HEADERS = ("ra", "dec", "energy", "hdu")
"""Parameters of `read_photons` that say which table of a file is the list."""


class PhotonLists:
    """Lists that the rows of a table name, and how each is read.

    Parameters
    ----------
    catalog : dict of ndarray
        Columns of the table by our names: ``photons`` unless there are `events`; and
        ``hdu``, ``energy_unit`` if the table has them.
    folder : Path
        Where the paths of the table start.
    cosmology, events, aperture, drop_duplicates, photon_options : as in `read_sample`
    bands : as in `ClusterTable`
    gaps : Gaps, default=None
        Rows that lack something, whose lists are not read.

    Attributes
    ----------
    paths : list of tuple of Path
        Lists of each row.
    angles : ndarray of shape (n_clusters,) or None
        Radius of each cluster's aperture [deg]; None if lists are taken complete.
    """

    def __init__(
        self,
        catalog,
        folder,
        cosmology,
        *,
        events=None,
        aperture=None,
        drop_duplicates=False,
        photon_options=None,
        bands=None,
        gaps=None,
    ):
        self._options, of_rows = _options_of_rows(catalog, photon_options or {})
        if events is None:
            self.paths = [_paths(folder, text) for text in catalog["photons"]]
        else:
            self.paths = [_paths_of_events(events, catalog)] * len(of_rows)
        if gaps is not None:
            lists = zip(self.paths, gaps.lacking, strict=True)
            self.paths = [() if lacking else paths for paths, lacking in lists]
        self._gaps = gaps
        self._of_rows, self._catalog = of_rows, catalog
        self._n_rows, self._rows = len(of_rows), np.arange(len(of_rows))
        self._drop_duplicates, self._bands = drop_duplicates, bands
        self._latest = {}
        self._on_same_sky: list[int] = []
        self._check_paths()
        n_times = [len(rows) for rows in self._rows_of_lists().values()]
        self.angles = None
        if aperture is not None or events is not None or max(n_times, default=1) > 1:
            self.angles = aperture_angles(catalog, aperture, cosmology)

    def __getstate__(self):
        # A list that another process may read is not sent to it.
        return self.__dict__ | {"_latest": {}}

    def _check_paths(self):
        for i, paths in enumerate(self.paths):
            if len({*map(os.path.abspath, paths)}) < len(paths):
                raise ValueError(
                    f"A photon list is named twice for {self._named(i)}: "
                    f"{', '.join(map(printable, paths))}. Its photons would count twice."
                )
        if self._drop_duplicates and all(len(paths) < 2 for paths in self.paths):
            raise ValueError(
                "drop_duplicates is for clusters with several photon lists, but each has "
                "only one. Leave it out."
            )

    def __getitem__(self, rows):
        """Return the lists of some rows, which a slice or an index array selects."""
        part, numbers = copy.copy(self), np.arange(len(self.paths))[rows]
        part.paths = [self.paths[i] for i in numbers]
        part._of_rows = [self._of_rows[i] for i in numbers]
        part._rows = self._rows[rows]
        names = {"ra", "dec", "name"} & {*self._catalog}
        part._catalog = {name: self._catalog[name][rows] for name in names}
        part.angles = None if self.angles is None else self.angles[rows]
        part._gaps = None if self._gaps is None else self._gaps[rows]
        part._latest, part._on_same_sky = self._latest, []
        return part

    def read(self, *, on_unreadable=None, verbose=0, with_exposures=False):
        """Return the photons of each row.

        Each list is read once, and forgotten before the next; only the latest is kept, for
        other parts of the table. The complete table warns of clusters without photons in
        their aperture, and refuses lists that have none for any cluster.

        Parameters
        ----------
        on_unreadable, verbose : as in `read_sample`
        with_exposures : bool, default=False
            Whether `read_exposures` comes next, and must know which lists of a row cover
            the same sky.

        Returns
        -------
        photons : list of dict of ndarray
        """
        unreadable = self._unreadable(on_unreadable)
        if self._gaps is not None:
            unreadable.errors |= self._gaps.errors(unreadable.name)
        parts, far = self._read_parts(unreadable, verbose)
        self._check_bands(parts, unreadable)
        tables = [
            None
            if i in unreadable.errors
            else joined_photons([*part.values()], drop_duplicates=self._drop_duplicates)
            for i, part in enumerate(parts)
        ]
        unreadable.report(sum(table is not None for table in tables))
        if with_exposures:
            rows = [i for i in range(len(parts)) if tables[i] is not None]
            self._on_same_sky = [i for i in rows if self._is_deep(parts[i])]
        if not self._drop_duplicates:
            self._warn_of_copies(parts)
        if self.angles is not None and len(self.paths) == self._n_rows:
            self._report_empty(tables, self.angles, far)
        return with_common_columns(tables, unreadable.name)

    def _read_parts(self, unreadable, verbose):
        """Return each row's photons by list, and where those of the first far list are."""
        parts: list[dict] = [{} for _ in self.paths]
        far: dict[int, str] = {}
        lists = self._rows_of_lists()
        with Progress("read photons", len(lists), verbose=verbose) as progress:
            for (path, options), rows in lists.items():
                progress.update()
                try:
                    photons = self._photons_of(path, options)
                except (OSError, ValueError) as error:
                    for i in rows:
                        unreadable.add(i, path, error)
                    continue
                if self.angles is None:
                    parts[rows[0]][path] = photons
                    continue
                for i in rows:
                    parts[i][path] = photons.within(self._center(i), self.angles[i])
                far |= self._first_far(photons, path, rows, parts)
        return parts, far

    def _check_bands(self, parts, unreadable):
        """Refuse rows whose images of counts do not fill the bands that are counted."""
        band_of = cache(band_of_image)
        for i, lists in enumerate(parts if self._bands else []):
            # Only photons of images know the side of a pixel.
            images = [path for path, each in lists.items() if "pixel" in each]
            if not images:
                continue
            options = self._options_of_header(i)
            try:
                found = [band_of(path, **options) for path in images]
                check_bands_of_images(found, self._bands, are_all=images == [*lists])
            except (OSError, ValueError) as error:
                unreadable.add(i, images[0], error)

    def _options_of_header(self, i):
        """Return the parameters that say which HDU of a file is the list of a row."""
        options = self._options | dict(self._of_rows[i])
        return {name: v for name, v in options.items() if name in OF_HEADERS}

    def _rows_of_lists(self):
        """Return rows by path and options of a list, in the order of the table."""
        rows: dict[tuple, list[int]] = {}
        for i, paths in enumerate(self.paths):
            for path in paths:
                rows.setdefault((path, self._of_rows[i]), []).append(i)
        return rows

    def _photons_of(self, path, options):
        """Read a list: as a Tile if it is cut, or else as its columns."""
        if self.angles is None:
            return read_photons(path, **self._options, **dict(options))
        if (path, options) not in self._latest:
            self._latest.clear()
            photons = read_photons(path, **self._options, **dict(options))
            self._latest[path, options] = Tile(photons)
        return self._latest[path, options]

    def _center(self, i):
        return self._catalog["ra"][i], self._catalog["dec"][i]

    def _unreadable(self, on_unreadable):
        return UnreadableRows("photons", self._catalog, self._rows, on_unreadable)

    def _named(self, i):
        return self._unreadable(None).name(i)

    def _first_far(self, tile, path, rows, parts):
        """Describe the photon nearest to the first row that finds none in its only list."""
        for i in rows:
            if len(self.paths[i]) == 1 and len(parts[i][path]["ra"]) == 0:
                nearest = tile.nearest(self._center(i))
                where = f"the nearest of {len(tile)} photons in {printable(path)}"
                return {i: f"; {where} is {nearest:.3g} deg away"}
        return {}

    def _warn_of_copies(self, parts):
        """Warn of clusters that have the same photons in several lists."""
        share = {}
        for i, lists in enumerate(parts):
            lists = [each for each in lists.values() if len(each["ra"])]
            if len(lists) > 1:
                share[i] = np.mean(~is_new(lists))
        wrong = [i for i in share if share[i] > COPIES]
        if wrong:
            warnings.warn(
                f"Lists of {len(wrong)} of {len(parts)} clusters hold the same photons "
                f"(first: {self._named(wrong[0])}, {100 * share[wrong[0]]:.0f} % are "
                "copies), which count twice. Where tiles overlap, give drop_duplicates.",
                UserWarning,
                stacklevel=5,
            )

    def _is_deep(self, part):
        """Return whether several lists of a row show the same sky, each its own photons."""
        lists = [*part.values()]
        if len(lists) > 1 and self._drop_duplicates:
            ends = np.cumsum([len(each["ra"]) for each in lists])[:-1]
            kept = zip(lists, np.split(is_new(lists), ends), strict=True)
            lists = [{n: each[n][new] for n in ("ra", "dec")} for each, new in kept]
        return cover_same_sky(lists)

    def _warn_of_sums(self, summed, exposures, keyword):
        """Warn of rows with several observations of the same sky, but one exposure."""
        if summed:
            i = summed[0]
            warnings.warn(
                f"{len(self.paths[i])} photon lists of {exposures[i]:g} s each cover the "
                f"same sky in {len(summed)} of {len(self.paths)} clusters (first: "
                f"{self._named(i)}): the photons of all are counted, but the exposure is "
                f"the {keyword} of one. This is right only for cameras that ran at the "
                "same time. Otherwise put their sum into a column exposure.",
                UserWarning,
                stacklevel=5,
            )

    def _report_empty(self, tables, angles, far):
        """Warn of clusters without photons in their aperture, or refuse if all are so."""
        read = [i for i, table in enumerate(tables) if table is not None]
        empty = [i for i in read if len(tables[i]["ra"]) == 0]
        if not empty:
            return
        first = empty[0]
        message = (
            f"No photon lies in the aperture of {len(empty)} of {len(tables)} clusters "
            f"(first: {self._named(first)}, {angles[first]:.2g} deg"
            f"{far.get(first, '')})."
        )
        if len(empty) == len(read):
            raise ValueError(
                f"{message} Are ra and dec of clusters and photons in degrees, and of the "
                "same part of the sky?"
            )
        warnings.warn(
            f"{message} They lie outside of their lists.", UserWarning, stacklevel=5
        )

    def read_exposures(self, keyword, *, on_unreadable=None):
        """Return the exposure of each row, from the headers of its lists [s].

        Parameters
        ----------
        keyword, on_unreadable : as in `read_exposure` and `read_sample`
        """
        unreadable, read = self._unreadable(on_unreadable), cache(exposure_and_camera)
        exposures: dict[int, float] = {}
        summed = []
        for i, paths in enumerate(self.paths):
            if not paths:
                continue  # a row with a gap, which is reported with its photons
            options = self._options_of_header(i)
            try:
                lists = [read(path, keyword, **options) for path in paths]
            except (OSError, ValueError) as error:
                unreadable.add(i, paths[0], error)
                continue
            found = {exposure for exposure, _ in lists}
            cameras = {camera for _, camera in lists if camera}
            if len(found) > 1:
                seconds = ", ".join(f"{each:g}" for each in sorted(found))
                raise ValueError(
                    f"The photon lists of {self._named(i)} have different exposures: "
                    f"{keyword} is {seconds} s. Give the exposures in a column of the "
                    "table, or an exposure map."
                )
            (exposures[i],) = found
            if i in self._on_same_sky and len(cameras) < len(paths):
                summed.append(i)
        unreadable.report(len(exposures))
        self._warn_of_sums(summed, exposures, keyword)
        # A sample has no gaps: those of lists that cannot be read are filled.
        known = [*exposures.values()]
        rows = range(len(self.paths))
        return [exposures[i] if i in exposures else np.median(known) for i in rows]


def _paths(folder, text):
    """Return the paths in one entry of the column photons."""
    text = os.fsdecode(text) if isinstance(text, bytes) else str(text)
    parts = [part.strip() for part in text.split(SEPARATOR) if part.strip()]
    if len(parts) < 2 or (folder / text).is_file():
        return (folder / text,)
    return tuple(folder / part for part in parts)


def _paths_of_events(events, catalog):
    if "photons" in catalog:
        raise ValueError(
            "The table has a column photons, so events would change nothing. Leave one of "
            "them out."
        )
    if is_path(events):
        events = [events]
    if not isinstance(events, list | tuple) or not all(map(is_path, events)):
        raise TypeError(
            "events must be the path of a photon list, or a list of paths, got "
            f"{events!r:.60}. Give photons in memory to ClusterSample."
        )
    if not len(events):
        raise ValueError("events is an empty list. Give at least one photon list.")
    return tuple(Path(os.fsdecode(path)) for path in events)


def _options_of_rows(catalog, options):
    """Return the parameters of `read_photons` for all lists, and for each row."""
    options = dict(options)
    rows: list[dict] = [{} for _ in catalog["redshift"]]
    for name, read in (("hdu", hdu_of_text), ("energy_unit", unit_of_text)):
        if name in catalog and options.pop(name, None) is not None:
            raise ValueError(
                f"The table has a column {name}, so the option {name} would change "
                "nothing. Leave one of them out."
            )
        for i, value in enumerate(catalog.get(name, ())):
            text = str(value).strip()
            if text in ("", "nan"):
                continue
            try:
                rows[i][name] = read(text)
            except ValueError as error:
                raise ValueError(f"Column {name!r}, row {i}: {error}.") from error
    return options, [tuple(row.items()) for row in rows]


def hdu_of_text(text):
    """Return the number or the name of an HDU.

    Examples
    --------
    >>> hdu_of_text("1"), hdu_of_text("2.0"), hdu_of_text("EVENTS")
    (1, 2, 'EVENTS')
    """
    number = text.removesuffix(".0")
    return int(number) if number.isdecimal() else text
