"""Photons and galaxies: the columns that a list needs, and the numbers they may hold."""

import warnings

import numpy as np

from .plain_arrays import LARGEST, as_numbers, find_column
from .ragged import Ragged
from .units import SPEED_OF_LIGHT, TABLE, check_plausible, looks_like

NEEDED = {
    "photons": ("ra", "dec", "energy"),
    "galaxies": ("x", "y", "v"),
    "holes": ("ra", "dec", "radius"),
}
"""Columns that every list of a kind must have."""

RANGES = {name: (TABLE[name].low, TABLE[name].high) for name in ("ra", "dec")}
RANGES |= dict.fromkeys(NEEDED["galaxies"], (-LARGEST, LARGEST))
"""Lowest and highest value of columns that are refused if one row is beyond."""

GALAXY_SPEED = 10_000.0
"""How far a velocity may lie below that of a galaxy at redshift 0 [km/s]."""

FASTEST_IN_C = 0.02
"""Galaxies of a cluster are slower than this, in units of c."""

PHOTONS_MIN = 20
"""Fewest photons of a list that is not about its cluster by more than bad luck."""

WIDEST_TELESCOPE = 1.1
"""No X-ray telescope with mirrors has a field of view of a larger radius [deg]."""

MEMBERS_MIN = 5
"""Fewest galaxies whose median velocity shows the unit that it is in."""

MADE_OF_PHOTONS = ("maps", "coverage", "unobserved")
MADE_OF_LISTS = ("maps", "cubes", "coverage", "unobserved")
"""Fields that are no longer true of a sample whose lists, centers or field change."""

OF_THE_FIELD = ("exposure_map", "mask", "holes")
OF_THE_SKY = ("unvignetted_map", *OF_THE_FIELD)
"""Fields that tell more of the field of view than a circle, and all images of the sky."""


def checked_photons(photons):
    """Return photons as a Ragged with the columns ra, dec [deg] and energy [keV]."""
    return _checked_list(photons, "photons", _check_energies)


def checked_galaxies(galaxies):
    """Return galaxies as a Ragged with the columns x, y [Mpc/h] and v [km/s]."""
    return _checked_list(galaxies, "galaxies", _check_offsets)


def checked_holes(holes):
    """Return holes as a Ragged with the columns ra, dec and radius [deg]."""
    return _checked_list(holes, "holes", _check_radii)


def check_velocities(galaxies, redshift):
    """Refuse velocities that no galaxy about a cluster of this redshift can have.

    A galaxy at redshift 0 has :math:`v = -c z / (1 + z)` about a cluster at z. Where more
    than a tenth of a cluster's galaxies are far below that, they look like m/s; where a
    cluster's galaxies cluster about :math:`c z` instead of 0, they look like cz. So do
    those of a cluster whose redshift is half of the true one, as happens to a few
    photometric redshifts, so that a tenth of the clusters only bring a warning.
    """
    if galaxies is None or galaxies.offsets[-1] == 0:
        return
    v = galaxies["v"]
    at_rest = -SPEED_OF_LIGHT * redshift / (1 + redshift)
    is_impossible = v < (at_rest - GALAXY_SPEED)[galaxies.cluster]
    wrong = np.flatnonzero(galaxies.sum(is_impossible) > 0.1 * galaxies.lengths)
    if len(wrong):
        low = galaxies[int(wrong[0])]["v"].min()
        raise ValueError(
            f"Velocities of galaxies of {len(wrong)} of {len(galaxies)} clusters (first: "
            f"cluster {wrong[0]}, down to {low:.4g}) are slower than those of galaxies at "
            "redshift 0. They look like m/s, but v is in km/s: divide by 1000."
        )
    _check_not_redshifts(galaxies, redshift)
    cz = SPEED_OF_LIGHT * redshift
    is_suspect = galaxies.sum(v > (cz / 2)[galaxies.cluster]) > galaxies.lengths / 2
    is_asked = (galaxies.lengths >= MEMBERS_MIN) & (cz > 2 * GALAXY_SPEED)
    at_cz = []
    for i in np.flatnonzero(is_suspect & is_asked):
        low, typical, high = np.percentile(galaxies[int(i)]["v"], (25, 50, 75))
        if abs(typical - cz[i]) < 3000 and high - low < 6000:
            at_cz.append((i, typical))
    if at_cz:
        first, typical = at_cz[0]
        message = (
            f"Velocities of the galaxies of {len(at_cz)} of {len(galaxies)} clusters "
            f"(first: cluster {first}) have a median of cz, here {typical:.6g} km/s: they "
            "look like redshifts times c, but v is about the cluster's center. Give "
            "v = (cz - cz_cluster) / (1 + z_cluster), or correct the clusters' redshifts."
        )
        if len(at_cz) > 0.1 * is_asked.sum():
            raise ValueError(message)
        warnings.warn(message, UserWarning, stacklevel=5)


def _check_not_redshifts(galaxies, redshift):
    """Refuse redshifts, and velocities in units of c; 0 may stand for no velocity."""
    v, is_enough = galaxies["v"], galaxies.lengths >= MEMBERS_MIN
    for unit, offset in (("v / c", 0 * redshift), ("redshifts", redshift)):
        is_near = np.abs(v - offset[galaxies.cluster]) < FASTEST_IN_C
        is_all = galaxies.sum(is_near & (v != 0)) == galaxies.lengths
        wrong = np.flatnonzero(is_all & is_enough)
        if len(wrong):
            typical = np.median(galaxies[int(wrong[0])]["v"])
            raise ValueError(
                f"Velocities of the galaxies of {len(wrong)} of {len(galaxies)} clusters "
                f"(first: cluster {wrong[0]}, median {typical:.3g}) look like {unit}, but "
                "v is in km/s about the cluster's center. Give "
                "v = 299792.458 (z - z_cluster) / (1 + z_cluster)."
            )


def check_near_center(X, is_empty, by):
    """Refuse a sample in which most clusters have no photon within any field of view.

    Parameters
    ----------
    X : ClusterSample
        With photons and centers.
    is_empty : ndarray of bool of shape (n_clusters,)
        Clusters about whose center no photon was found; only these are looked at.
    by : str
        Who looked.
    """
    has_photons = X.photons.lengths >= PHOTONS_MIN
    suspects = np.flatnonzero(is_empty & has_photons)
    if 2 * len(suspects) <= has_photons.sum():
        return
    nearest = np.array(
        [_angles(X.photons[int(i)], X.center[i]).min() for i in suspects]
    )
    farthest_field = TABLE["field_radius"].high
    wrong = suspects[nearest > farthest_field]
    if 2 * len(wrong) > has_photons.sum():
        raise ValueError(
            f"{by} finds all photons of {len(wrong)} of {len(X)} clusters more than "
            f"{farthest_field:g} deg from the center (first: cluster {wrong[0]}, the "
            f"nearest at {nearest[nearest > farthest_field][0]:.4g} deg). Are ra and dec "
            "of photons and center all in degrees, and not in radians or hours? Are "
            "they of the same clusters, in the same order?"
        )


def check_field_radius(X):
    """Refuse wide fields of view whose photons all end at a 60th of them: arcmin."""
    if X.field_radius is None or X.photons is None:
        return
    is_wide = (X.field_radius > WIDEST_TELESCOPE) & (X.photons.lengths >= PHOTONS_MIN)
    suspects = np.flatnonzero(is_wide)
    if not len(suspects):
        return
    farthest = [_angles(X.photons[int(i)], X.center[i]).max() for i in suspects]
    share = 60 * np.array(farthest) / X.field_radius[suspects]
    is_arcmin = (share > 0.9) & (share < 1.02)
    if 2 * is_arcmin.sum() > len(suspects):
        first = suspects[np.argmax(is_arcmin)]
        raise ValueError(
            f"The photons of {is_arcmin.sum()} of {len(suspects)} clusters with a "
            f"field_radius beyond {WIDEST_TELESCOPE:g} deg end at a 60th of it (first: "
            f"cluster {first}, field_radius {X.field_radius[first]:g}), so it looks like "
            "arcmin, but field_radius is in degrees. Divide it by 60."
        )


def _angles(photons, center):
    """Angles [deg] between photons and a center."""
    from astropy.coordinates import angular_separation

    places = np.radians(photons["ra"]), np.radians(photons["dec"])
    return np.degrees(angular_separation(*places, *np.radians(center)))


def stellar_mass_column(columns):
    """Return the name of galaxies' column of log10 stellar masses, in any case, or None."""
    return find_column([*columns], "log_stellar_mass")


def require_stellar_masses(galaxies, needed, otherwise):
    """Refuse galaxies without a column of stellar masses; `otherwise` says the way out."""
    if stellar_mass_column(galaxies.columns) is None:
        raise ValueError(
            f"{needed} needs a column 'log_stellar_mass' (log10 of Msun/h), and the "
            f"galaxies have {list(galaxies.columns)}. Add it, or {otherwise}."
        )


def massive_enough(galaxies, log_stellar_mass_min):
    """Return a mask of the galaxies with at least this log10 stellar mass; NaN is False.

    Masses that are not logarithms would all be large enough, so they are refused.
    """
    column = galaxies[stellar_mass_column(galaxies.columns)]
    mass = as_numbers(column, "log_stellar_mass of galaxies", "log_stellar_mass")
    known = mass[np.isfinite(mass)]
    row = TABLE["log_stellar_mass_min"]
    if len(known) and np.median(known) > row.high:
        typical = np.median(known)
        other = looks_like("log_stellar_mass_min", typical)
        like = f"look like {other.unit}" if other else "are no logarithms"
        raise ValueError(
            f"The galaxies' log_stellar_mass, with a median of {typical:.4g}, {like}, but "
            f"are in {row.unit}. {other.cure if other else 'Correct them.'}"
        )
    return mass >= log_stellar_mass_min


def _check_range(ragged, field, name):
    values, (low, high) = ragged[name], RANGES[name]
    if low <= values.min() and values.max() <= high:
        return
    wrong = np.flatnonzero((values < low) | (values > high))
    row, known = TABLE[name], looks_like(name, values[wrong])
    like = "" if known is None else f"; they look like {known.unit}"
    cure = known.cure if known is not None else row.cure or "Drop them."
    raise ValueError(
        f"{len(wrong)} of {len(values)} {field} have a {name} outside of {low:g} to "
        f"{high:g} {row.unit} (first: {_row(ragged, wrong[0])}, {values[wrong[0]]:.6g})"
        f"{like}. {cure}"
    )


def _check_energies(photons):
    energy, row = photons["energy"], TABLE["energy"]
    if energy.min() <= 0:
        wrong = np.flatnonzero(energy <= 0)
        raise ValueError(
            f"{len(wrong)} of {len(energy)} photons have an energy of 0 or less (first: "
            f"{_row(photons, wrong[0])}, {energy[wrong[0]]:.4g} keV). Drop them, or name "
            "the column that holds the energy."
        )
    if row.low < energy.min() and energy.max() < row.high:
        return
    # If most photons are beyond a limit, so is their median; counting is faster.
    beyond = [photons.sum(energy <= row.low), photons.sum(energy >= row.high)]
    wrong = np.flatnonzero((2 * np.array(beyond) > photons.lengths).any(axis=0))
    if len(wrong):
        typical = np.median(photons[int(wrong[0])]["energy"])
        known = looks_like("energy", [typical])
        like, cure = "", "give keV"
        if known is not None:
            like = f", so they look like {known.unit}"
            cure = known.cure.replace("them ", "").rstrip(".").lower()
        raise ValueError(
            f"Photon energies of {len(wrong)} of {len(photons)} clusters (first: cluster "
            f"{wrong[0]}) have a median of {typical:.4g}{like}, but photons are in keV. "
            f"Please {cure}, or read the list with read_photons(..., energy_unit=...)."
        )


def _check_offsets(galaxies):
    for name in "xy":
        _check_offset(galaxies, name)


def _check_offset(galaxies, name):
    row, offset = TABLE[name], np.abs(galaxies[name])
    if offset.max() <= row.high:
        return
    # Some lists cover a wide field, but no cluster lies in the corner of its field.
    wrong = np.flatnonzero(2 * galaxies.sum(offset > row.high) > galaxies.lengths)
    if len(wrong):
        typical = np.median(np.abs(galaxies[int(wrong[0])][name]))
        known = looks_like(name, [typical])
        like = "" if known is None else f"; they look like {known.unit}"
        cure = "Give comoving Mpc/h." if known is None else known.cure
        raise ValueError(
            f"Galaxies of {len(wrong)} of {len(galaxies)} clusters (first: cluster "
            f"{wrong[0]}) have a median |{name}| of {typical:.4g} about the center, beyond "
            f"{row.high:g} {row.unit}{like}. {cure}"
        )


def _check_radii(holes):
    check_plausible("source_radius", holes["radius"], "the radius of holes")


def _row(ragged, row):
    cluster = np.searchsorted(ragged.offsets, row, side="right") - 1
    return f"row {row - ragged.offsets[cluster]} of cluster {cluster}"


def _checked_list(tables, field, check_values):
    if tables is None:
        return None
    names = NEEDED[field]
    is_ragged = isinstance(tables, Ragged)
    ragged = tables if is_ragged else Ragged.from_tables(tables, needed=names)
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
    if ragged.offsets[-1]:
        for name in names:
            if name in RANGES:
                _check_range(ragged, field, name)
        check_values(ragged)
    return ragged


def _as_floats(ragged, field, names, types):
    """Return the named columns in one of these types, or else in double precision."""
    columns = {
        name: as_numbers(ragged[name], f"{name} of {field}", name)
        for name in names
        if ragged[name].dtype not in types
    }
    return ragged.assign(**columns) if columns else ragged
