"""What may enter a sample: shapes, finite numbers, our units; or an error that helps."""

import numpy as np

from .ragged import Ragged

KEV = (0.01, 100.0)
"""The median energy of a cluster's photons lies between, or the unit is another."""


def checked_redshift(redshift):
    redshift = np.array(redshift, float)
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
    return redshift


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
    value = np.array(value, float)
    # Another number of clusters is told apart from a wrong shape, later.
    if value.ndim != len(shape) or value.shape[1:] != shape[1:]:
        raise ValueError(f"{name} must have shape {shape}, got {value.shape}.")
    if not np.isfinite(value).all():
        wrong = np.flatnonzero(~np.isfinite(value.reshape(len(value), -1)).all(axis=1))
        raise ValueError(
            f"{len(wrong)} of {len(value)} values of {name} are NaN or infinite "
            f"(first: cluster {wrong[0]})."
        )
    return value


def checked_photons(photons):
    photons = _checked_list(photons, "photons", ("ra", "dec", "energy"))
    if photons is None or photons.offsets[-1] == 0:
        return photons
    for name, (low, high), cure in (
        ("ra", (-360, 720), "ra and dec are in degrees"),
        ("dec", (-90, 90), "ra and dec are in degrees; are they exchanged?"),
    ):
        _check_range(photons, name, low, high, cure)
    _check_energies(photons)
    return photons


def _check_range(photons, name, low, high, cure):
    values = photons[name]
    if low <= values.min() and values.max() <= high:
        return
    wrong = np.flatnonzero((values < low) | (values > high))
    raise ValueError(
        f"{len(wrong)} of {len(values)} photons have a {name} outside of {low} to {high} "
        f"deg (first: {_row(photons, wrong[0])}, {values[wrong[0]]:.6g}): {cure}."
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
    cubes = np.asarray(cubes)
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
    return _checked_list(galaxies, "galaxies", ("x", "y", "v"))


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
    for name in names:
        wrong = np.flatnonzero(~np.isfinite(ragged[name]))
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(ragged[name])} {field} have a NaN or infinite "
                f"{name} (first: {_row(ragged, wrong[0])}). Drop them."
            )
    return ragged
