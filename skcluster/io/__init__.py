"""Files and tables to samples, and back: all renames and units are here.

Inside, angles are degrees, energies keV, lengths comoving Mpc/h and velocities km/s,
as plain numbers; what a file calls its columns and which units it uses stops here.
"""

from .galaxies import read_galaxies
from .limits import unpack_limit
from .maps import write_maps
from .photons import read_photons, write_photons
from .samples import read_sample, write_sample

__all__ = [
    "read_galaxies",
    "read_photons",
    "read_sample",
    "unpack_limit",
    "write_maps",
    "write_photons",
    "write_sample",
]
