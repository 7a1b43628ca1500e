"""Columns by `PhotonFeaturizer` and `GalaxyFeaturizer`, which changed lists lose."""

from .ragged import Ragged

SOFTENING = 0.01
"""Length added to distances before their logarithm is taken [comoving Mpc/h]."""

PHOTON_FEATURES = {
    "log_radius": "log10(r + 0.01), with r the distance to the center in comoving Mpc/h",
    "log_energy": "log10 of the photon's energy in keV",
    "log_contrast_6": "log10 of the surface density from the 6th nearest neighbor over "
    "the azimuthal mean at the photon's radius",
    "log_contrast_24": "log10 of the surface density from the 24th nearest neighbor over "
    "the azimuthal mean at the photon's radius",
    "log_density_6": "log10 of the surface density from the 6th nearest neighbor, in "
    "photons per (comoving Mpc/h)²",
    "neighbor_log_energy": "mean log10 of the energies in keV of the 6 nearest neighbors",
    "cos_twice_angle": "cosine of twice the angle between the photon's direction from "
    "the center and the cluster's main axis",
    "log_centroid_distance": "log10(d + 0.01), with d the distance to the centroid in "
    "comoving Mpc/h",
}

GALAXY_FEATURES = {
    "log_radius": "log10(R + 0.01), with R the projected distance to the center in "
    "comoving Mpc/h",
    "speed": "line-of-sight speed about the cluster, |v|, in units of 1000 km/s",
    "neighbor_speed": "root mean square of the velocities of the 6 nearest neighbors on "
    "the sky relative to the galaxy, in units of 1000 km/s",
    "log_density_6": "log10 of the surface density from the 6th nearest neighbor, in "
    "galaxies per (comoving Mpc/h)²",
    "log_stellar_mass_10": "log10 of the stellar mass in units of 10^10 Msun/h",
}

RELATIVE_EXPOSURE = "relative_exposure"
"""Column of photons in a field that is known: the exposure at their place, over that at the
center. Each stands for as many photons as its inverse."""

CONTRIBUTION = "contribution"
"""Column by `photon_contributions`, which is that of the lists as they were."""

FEATURES = {"photons": PHOTON_FEATURES, "galaxies": GALAXY_FEATURES}
"""Name of each column of a featurizer -> what it holds, in words. All are float32."""


def undescribed(lists, field):
    """Return photons or galaxies without the columns that describe and explain them."""
    return without(lists, *FEATURES[field], RELATIVE_EXPOSURE, CONTRIBUTION)


def without(lists, *names):
    """Return lists without some of their columns, which they may or may not have."""
    kept = {name: column for name, column in lists.columns.items() if name not in names}
    return lists if len(kept) == len(lists.columns) else Ragged(kept, lists.offsets)


def without_descriptions(sample, *fields):
    """Return a sample whose photons or galaxies have no columns of featurizers."""
    lists = {field: getattr(sample, field) for field in fields or FEATURES}
    changed = {
        field: bare
        for field, given in lists.items()
        if given is not None and (bare := undescribed(given, field)) is not given
    }
    return sample.assign(**changed) if changed else sample
