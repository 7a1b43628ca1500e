"""Kinds of fields of a sample: how each is checked, joined, shown, read and written.

`ClusterSample` describes each of its fields once, by an instance of one of these classes::

    r500c: Any = optional(Numbers("give ClusterSample(r500c=...)", columns=("r500c",)))

Whatever handles fields by name asks that description: the constructors, `concatenate`,
the printed form of a sample, readers and writers of tables, and errors about a field
that a step needs.
"""

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from ..printable import printable
from .plain_arrays import (
    LARGEST,
    as_labels,
    as_numbers,
    as_strings,
    find_column,
    find_sky_columns,
    joined,
    plain_array,
    warn_of_lost_center,
)
from .ragged import Ragged
from .sky_images import SkyImage, SkyImages
from .sparse_maps import SparseMaps
from .units import TABLE, check_plausible, looks_like


def required(description):
    """Return a dataclass field with this description and without a default."""
    return dataclasses.field(metadata={"description": description})


def optional(description):
    """Return a dataclass field with this description, whose default is None."""
    return dataclasses.field(default=None, metadata={"description": description})


def descriptions_of(cls):
    """Descriptions of the fields of a dataclass, by name."""
    return {
        field.name: field.metadata["description"] for field in dataclasses.fields(cls)
    }


@dataclass(frozen=True)
class Field:
    """Description of one field of a sample.

    Parameters
    ----------
    how_to_get : str
        Advice for a sample that lacks the field, which ends the error message.
    columns : tuple of str, default=()
        Columns of a table of clusters that hold it: one, or one per number. A field
        without columns is neither read from such tables nor written to them.
    may_be_empty : bool, default=False
        Whether a table may have gaps in it.
    """

    how_to_get: str
    columns: tuple = ()
    may_be_empty: bool = False

    def checked(self, name, value, n_clusters):
        """Return the value as it is stored, or refuse it and say how to correct it."""
        raise NotImplementedError

    def joined(self, name, parts):
        """Join the values that several samples have for this field."""
        return joined(name, parts)

    def missing(self, value, n_clusters):
        """Return the field of clusters that lack it, like the `value` of others; or None.

        With None, `concatenate` drops the field of all clusters.
        """
        return None

    def summary(self, value):
        """Describe the value in one line of text."""
        return f"{value.shape} {value.dtype}"

    @property
    def unit_rows(self):
        """Rows of the table of units, one per column."""
        return self.columns

    def columns_in(self, names):
        """Return the names of a table's columns that hold the field, or None."""
        found = tuple(find_column(names, name) for name in self.columns)
        if not found or not all(found):
            return None
        for ours, column in zip(self.columns, found, strict=True):
            alike = [name for name in names if name.lower() == column.lower()]
            if len(alike) > 1 and column != ours:
                raise ValueError(
                    f"The columns {', '.join(map(printable, alike))} differ only in case. "
                    "Rename all but one, or say which is meant: "
                    f"read_sample(table, columns={{{ours!r}: {column!r}}})."
                )
        return found

    def to_columns(self, value):
        """Return the value as columns of a table: name -> array."""
        if len(self.columns) == 1:
            return {self.columns[0]: value}
        return dict(zip(self.columns, value.T, strict=True))

    def from_columns(self, columns):
        """Return the value of the field from the columns of a table that hold it."""
        lengths = {name: len(c) for name, c in zip(self.columns, columns, strict=True)}
        if len({*lengths.values()}) > 1:
            raise ValueError(f"The columns of the table differ in length: {lengths}.")
        return columns[0] if len(columns) == 1 else np.column_stack(columns)


@dataclass(frozen=True)
class Numbers(Field):
    """One number per cluster, or several: finite, and plausible in our units.

    Parameters
    ----------
    rows : tuple of str, default=None
        Rows of the table of units, one per number; by default the field's name.
    one_for_all : bool, default=False
        Whether a single number may serve all clusters.
    """

    rows: tuple | None = None
    one_for_all: bool = False

    @property
    def unit_rows(self):
        return self.rows or self.columns

    def checked(self, name, value, n_clusters):
        rows = self.rows or (name,)
        if len({TABLE[row].kind for row in rows}) > 1 and hasattr(value, "unit"):
            units = " and ".join(TABLE[row].unit for row in rows)
            raise ValueError(f"{name} takes plain numbers in {units}, not {value!r}.")
        value = as_numbers(value, name, name)
        if self.one_for_all and value.ndim == 0:
            value = np.full(n_clusters, value)
        shape = (n_clusters, len(rows)) if len(rows) > 1 else (n_clusters,)
        if len(shape) == 1 and value.ndim == 2 and value.shape[1] == 1:
            value = value[:, 0]
        # A wrong number of clusters is another error, and comes later.
        if value.ndim != len(shape) or value.shape[1:] != shape[1:]:
            raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
        is_right = np.abs(value) < LARGEST
        if not is_right.all():
            wrong = np.flatnonzero(~is_right.reshape(len(value), -1).all(axis=1))
            raise ValueError(
                f"{len(wrong)} of {len(value)} values of {name} are NaN or infinite, or "
                f"beyond {LARGEST:g} (first: cluster {wrong[0]})."
            )
        self._check_plausible(name, value, rows)
        return value

    def _check_plausible(self, name, value, rows):
        if len({*rows}) == 1:
            check_plausible(rows[0], value, name, rows="cluster")
            return
        for i, row in enumerate(rows):
            subject = f"{name}[:, {i}] ({row})"
            check_plausible(row, value[:, i], subject, rows="cluster")

    def summary(self, value):
        if value.ndim > 1 or len(value) == 0:
            return super().summary(value)
        return f"{value.min():.3f} to {value.max():.3f}"


@dataclass(frozen=True)
class NumbersOfAll(Numbers):
    """Numbers without which counts mean something else: all samples have them, or none."""

    def missing(self, value, n_clusters):
        name = self.columns[0]
        raise ValueError(
            f"Some of the samples have {name} and others do not. Joined, all would lose "
            "it, and their counts could no longer be compared: give it to all of them, or "
            f"leave it out by sample.drop({name!r})."
        )


@dataclass(frozen=True)
class SkyPosition(Numbers):
    """RA and Dec, also as astropy's SkyCoord; their columns have many spellings."""

    def checked(self, name, value, n_clusters):
        if isinstance(value, list | tuple) and value and hasattr(value[0], "icrs"):
            value = type(value[0])(value)
        if hasattr(value, "icrs"):
            value = np.column_stack([value.icrs.ra.deg, value.icrs.dec.deg])
        return super().checked(name, value, n_clusters)

    def columns_in(self, names):
        found = find_sky_columns(names)
        if found is None:
            warn_of_lost_center(names)
        return found


@dataclass(frozen=True)
class Redshift(Numbers):
    """The redshift, which also sets the number of clusters of the sample."""

    def checked(self, name, value, n_clusters=None):
        redshift = as_numbers(value, name, name)
        if redshift.ndim == 2 and redshift.shape[1] == 1:
            redshift = redshift[:, 0]
        if redshift.ndim != 1:
            raise ValueError(
                "redshift must be 1-d, one number per cluster, got shape "
                f"{redshift.shape}. For one cluster, give [redshift]."
            )
        wrong = np.flatnonzero(~(np.isfinite(redshift) & (redshift > 0)))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(redshift)} redshifts are not positive numbers "
                f"(first: cluster {wrong[0]}, redshift {redshift[wrong[0]]}), so they "
                "have no distance. Correct or drop these clusters."
            )
        highest = TABLE[name].high
        wrong = np.flatnonzero(redshift > highest)
        if len(wrong):
            known = looks_like(name, redshift[wrong])
            cure = "Are they velocities cz in km/s? Then divide by 299792.458."
            if known is None or "placeholders" in known.unit:
                cure = "No cluster is seen there: correct or drop these clusters."
            raise ValueError(
                f"{len(wrong)} of {len(redshift)} redshifts are beyond {highest:g} "
                f"(first: cluster {wrong[0]}, redshift {redshift[wrong[0]]:g}). {cure}"
            )
        return redshift


@dataclass(frozen=True)
class Strings(Field):
    """One string per cluster."""

    def checked(self, name, value, n_clusters):
        return as_strings(value, name)


@dataclass(frozen=True)
class Labels(Field):
    """One label per cluster, a string or a number, which is equal for equal objects."""

    def checked(self, name, value, n_clusters):
        return as_labels(value, name)


@dataclass(frozen=True)
class Lists(Field):
    """One table per cluster.

    Parameters
    ----------
    check : callable, default=Ragged.from_tables
        Takes the tables, or a Ragged, and returns a Ragged.
    """

    check: Callable = Ragged.from_tables

    def checked(self, name, value, n_clusters):
        return self.check(value)

    def joined(self, name, parts):
        return Ragged.concatenate(parts)

    def missing(self, value, n_clusters):
        return Ragged.empty(value.columns, n_clusters)

    def summary(self, value):
        lengths = value.lengths if len(value) else np.zeros(1, int)
        low, middle, high = lengths.min(), np.median(lengths), lengths.max()
        names = ", ".join(map(printable, value.columns))
        return (
            f"{names}: {low} / {middle:.0f} / {high} per cluster (min / median / max)"
        )


@dataclass(frozen=True)
class Images(Field):
    """One image of the sky per cluster, or one for all."""

    def checked(self, name, value, n_clusters):
        if isinstance(value, SkyImages):
            return value
        each = [value] * n_clusters if isinstance(value, SkyImage) else value
        known = isinstance(each, list | tuple) and all(
            image is None or isinstance(image, SkyImage) for image in each
        )
        if not known:
            raise TypeError(
                f"{name} must be a SkyImage, or a list with a SkyImage or None per "
                f"cluster, got {type(value).__name__}. Read it with read_image."
            )
        return SkyImages.of(each)

    def joined(self, name, parts):
        return SkyImages.of([part.image(i) for part in parts for i in range(len(part))])

    def missing(self, value, n_clusters):
        return SkyImages.of([None] * n_clusters)

    def summary(self, value):
        n_with = int((value.index >= 0).sum())
        return f"{len(value.images)} image(s), for {n_with} of {len(value)} clusters"


@dataclass(frozen=True)
class Maps(Field):
    """Square photon maps, stored sparse."""

    def checked(self, name, value, n_clusters):
        maps = SparseMaps.from_dense(value)
        if maps.shape[2] != maps.shape[3]:
            are_last = maps.shape[1] == maps.shape[2]
            way = f" Bands come first: np.moveaxis({name}, -1, 1)." if are_last else ""
            raise ValueError(
                f"{name} must be square, of shape (n_clusters, n_bands, n_pixels, "
                f"n_pixels), got {maps.shape}.{way}"
            )
        return maps

    def joined(self, name, parts):
        return SparseMaps.concatenate(parts)

    def summary(self, value):
        bands, rows, columns = value.shape[1:]
        return (
            f"{bands} band(s) of {rows} x {columns}, {100 * value.filled:.1f} % filled"
        )


@dataclass(frozen=True)
class Shares(Maps):
    """Maps of shares from 0 to 1, with a single image per cluster."""

    def checked(self, name, value, n_clusters):
        maps = super().checked(name, value, n_clusters)
        if maps.shape[1] != 1:
            raise ValueError(
                f"{name} must have shape (n_clusters, 1, n_pixels, n_pixels), got "
                f"{maps.shape}."
            )
        check_plausible(name, maps.rows.data, name, rows="stored pixel")
        return maps


@dataclass(frozen=True)
class Cubes(Field):
    """Phase-space cubes without NaN, checked a few clusters at a time."""

    def checked(self, name, value, n_clusters):
        cubes = plain_array(value, name, name)
        if cubes.ndim != 4 or cubes.dtype.kind not in "iuf":
            raise ValueError(
                "cubes must be numbers of shape (n_clusters, n_bins, n_bins, n_bins), "
                f"got {cubes.dtype} of shape {cubes.shape}."
            )
        for start in range(0, len(cubes), 64):
            block = cubes[start : start + 64]
            block = block.reshape(len(block), -1)
            wrong = start + np.flatnonzero(~np.isfinite(block).all(axis=1))
            if len(wrong):
                raise ValueError(
                    f"The cube of cluster {wrong[0]} of {len(cubes)} holds NaN or "
                    "infinite cells. Leave a missing cube all zeros."
                )
        return cubes
