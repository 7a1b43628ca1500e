"""Distances, masses and sky projections: the only package that uses astropy's cosmology.

Lengths are comoving Mpc/h and masses Msun/h throughout. The plane of the sky has
x growing to the West and y to the North about the cluster's center.
"""

from .distances import (
    comoving_distance,
    comoving_length,
    length_factor,
    mass_within_r500c,
    r500c_of_mass,
)
from .models import cosmology_name, get_cosmology
from .projection import plane_to_sky, sky_to_plane

__all__ = [
    "comoving_distance",
    "comoving_length",
    "cosmology_name",
    "get_cosmology",
    "length_factor",
    "mass_within_r500c",
    "plane_to_sky",
    "r500c_of_mass",
    "sky_to_plane",
]
