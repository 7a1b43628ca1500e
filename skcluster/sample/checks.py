"""What may enter a sample: shapes, finite numbers, our units; or an error that helps."""

import numpy as np

from .columns import LARGEST, as_numbers, plain_array
from .ragged import Ragged

UNITS_AND_CURES = {
    "ra": ("deg", "ra and dec are in degrees"),
    "dec": ("deg", "ra and dec are in degrees; are they exchanged?"),
    "x": ("Mpc/h", "drop them"),
    "y": ("Mpc/h", "drop them"),
    "v": ("km/s", "drop them"),
}
REDSHIFT_MAX = 100.0
"""No cluster is farther, and astropy's integrals overflow far beyond."""

KEV = (0.01, 100.0)
"""The median energy of a cluster's photons lies between, or the unit is another."""


def checked_redshift(redshift):
    redshift = as_numbers(redshift, "redshift", "redshift")
    if redshift.ndim != 1:
        raise ValueError(
            f"redshift must be 1-d, one number a cluster, got shape {redshift.shape}. Of "
            "one cluster, give [redshift]."
        )
    wrong = np.flatnonzero(~(np.isfinite(redshift) & (redshift > 0)))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(redshift)} redshifts are not positive numbers "
            f"(first: cluster {wrong[0]}, redshift {redshift[wrong[0]]}), so they "
            "have no distance. Correct or drop these clusters."
        )
    wrong = np.flatnonzero(redshift > REDSHIFT_MAX)
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(redshift)} redshifts are beyond {REDSHIFT_MAX:g} "
            f"(first: cluster {wrong[0]}, redshift {redshift[wrong[0]]:g}). Are they "
            "velocities in km/s?"
        )
    return redshift


def checked_field_radius(field_radius, n_clusters):
    """Radii of fields of view [deg], of which one may serve all clusters."""
    if field_radius is None:
        return None
    field_radius = as_numbers(field_radius, "field_radius", "field_radius")
    if field_radius.ndim == 0:
        field_radius = np.full(n_clusters, field_radius)
    radius = dense("field_radius", field_radius, (n_clusters,))
    wrong = np.flatnonzero((radius <= 0) | (radius >= 90))
    if len(wrong):
        raise ValueError(
            f"{len(wrong)} of {len(radius)} values of field_radius are not between 0 and "
            f"90 deg (first: cluster {wrong[0]}, {radius[wrong[0]]:g})."
        )
    return radius


def checked_center(center, n_clusters):
    center = dense("center", center, (n_clusters, 2))
    if center is not None and (np.abs(center[:, 1]) > 90).any():
        wrong = np.flatnonzero(np.abs(center[:, 1]) > 90)
        raise ValueError(
            f"{len(wrong)} of {n_clusters} centres have a declination beyond 90 deg "
            f"(first: cluster {wrong[0]}, {center[wrong[0]]}). center is (RA, Dec)."
        )
    return center


def dense(name, value, shape):
    if value is None:
        return None
    value = as_numbers(value, name, name)
    # Another number of clusters is told apart from a wrong shape, later.
    if value.ndim != len(shape) or value.shape[1:] != shape[1:]:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
    is_right = np.abs(value) < LARGEST
    if not is_right.all():
        wrong = np.flatnonzero(~is_right.all(axis=tuple(range(1, value.ndim))))
        raise ValueError(
            f"{len(wrong)} of {len(value)} values of {name} are NaN or infinite, or "
            f"beyond {LARGEST:g} (first: cluster {wrong[0]})."
        )
    return value


def checked_photons(photons):
    photons = _checked_list(photons, "photons", ("ra", "dec", "energy"))
    if photons is None or photons.offsets[-1] == 0:
        return photons
    _check_range(photons, "photons", "ra", -360, 720)
    _check_range(photons, "photons", "dec", -90, 90)
    _check_energies(photons)
    return photons


def _check_range(ragged, field, name, low, high):
    values = ragged[name]
    if low <= values.min() and values.max() <= high:
        return
    wrong = np.flatnonzero((values < low) | (values > high))
    unit, cure = UNITS_AND_CURES[name]
    raise ValueError(
        f"{len(wrong)} of {len(values)} {field} have a {name} outside of {low:g} to "
        f"{high:g} {unit} (first: {_row(ragged, wrong[0])}, {values[wrong[0]]:.6g}): "
        f"{cure}."
    )


def _check_energies(photons):
    energy = photons["energy"]
    if energy.min() <= 0:
        wrong = np.flatnonzero(energy <= 0)
        raise ValueError(
            f"{len(wrong)} of {len(energy)} photons have an energy of 0 or less (first: "
            f"{_row(photons, wrong[0])}, {energy[wrong[0]]:.4g} keV). Drop them, or name "
            "the column that holds the energy."
        )
    if KEV[0] < energy.min() and energy.max() < KEV[1]:
        return
    # Most photons beyond a limit is a median beyond it, and faster.
    beyond = [photons.sum(energy <= KEV[0]), photons.sum(energy >= KEV[1])]
    wrong = np.flatnonzero((2 * np.array(beyond) > photons.lengths).any(axis=0))
    if len(wrong):
        typical = np.median(photons[int(wrong[0])]["energy"])
        unit, cure = ("eV", "divide") if typical > 1 else ("MeV", "multiply")
        raise ValueError(
            f"Photon energies of {len(wrong)} of {len(photons)} clusters (first: cluster "
            f"{wrong[0]}) have a median of {typical:.4g}, so they look like {unit}, but "
            f"photons are in keV. Please {cure} by 1000, or read the list with "
            f"read_photons(..., energy_unit={unit!r})."
        )


def _row(ragged, row):
    cluster = np.searchsorted(ragged.offsets, row, side="right") - 1
    return f"row {row - ragged.offsets[cluster]} of cluster {cluster}"


def checked_cubes(cubes):
    """Cubes as an array without NaN, looked at a few clusters at a time."""
    if cubes is None:
        return None
    cubes = plain_array(cubes, "cubes", "cubes")
    if cubes.ndim != 4 or cubes.dtype.kind not in "iuf":
        raise ValueError(
            "cubes must be numbers of shape (n_clusters, n_bins, n_bins, n_bins), got "
            f"{cubes.dtype} of shape {cubes.shape}."
        )
    for start in range(0, len(cubes), 64):
        block = cubes[start : start + 64].reshape(len(cubes[start : start + 64]), -1)
        wrong = start + np.flatnonzero(~np.isfinite(block).all(axis=1))
        if len(wrong):
            raise ValueError(
                f"The cube of cluster {wrong[0]} of {len(cubes)} holds NaN or infinite "
                "cells. Leave a missing cube all zeros."
            )
    return cubes


def checked_galaxies(galaxies):
    galaxies = _checked_list(galaxies, "galaxies", ("x", "y", "v"))
    if galaxies is not None and galaxies.offsets[-1]:
        for name in ("x", "y", "v"):
            _check_range(galaxies, "galaxies", name, -LARGEST, LARGEST)
    return galaxies


def _checked_list(tables, field, names):
    if tables is None:
        return None
    ragged = tables if isinstance(tables, Ragged) else Ragged.from_tables(tables)
    missing = [name for name in names if name not in ragged]
    if missing:
        raise ValueError(
            f"{field} lack the columns {missing}; they have {list(ragged.columns)}. "
            f"The names must be {list(names)}."
        )
    # Positions on the sky and energies are too small to overflow in single precision.
    types = (np.float32, np.float64) if field == "photons" else (np.float64,)
    ragged = _as_floats(ragged, field, names, types)
    for name in names:
        wrong = np.flatnonzero(~np.isfinite(ragged[name]))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(ragged[name])} {field} have a NaN or infinite "
                f"{name} (first: {_row(ragged, wrong[0])}). Drop them."
            )
    return ragged


def _as_floats(ragged, field, names, types):
    """The named columns in one of these types, or else in double precision."""
    columns = {
        name: as_numbers(ragged[name], f"{name} of {field}", name)
        for name in names
        if ragged[name].dtype not in types
    }
    return ragged.assign(**columns) if columns else ragged
