"""Read and write samples: names and units are converted here and nowhere else.

Inside, angles are degrees, energies keV, lengths comoving Mpc/h and velocities km/s,
as plain numbers; what a file calls its columns and which units it uses stops here.
"""

from typing import TYPE_CHECKING

from ..lazy_names import lazy_names

if TYPE_CHECKING:
    from .galaxies import read_galaxies as read_galaxies
    from .images import read_image as read_image
    from .limits import unpack_limit as unpack_limit
    from .maps import write_maps as write_maps
    from .photons import read_exposure as read_exposure
    from .photons import read_photons as read_photons
    from .photons import write_photons as write_photons
    from .samples import read_sample as read_sample
    from .samples import write_sample as write_sample

_MODULE_OF_NAME = {
    "read_photons": "photons",
    "write_photons": "photons",
    "read_exposure": "photons",
    "read_galaxies": "galaxies",
    "read_image": "images",
    "read_sample": "samples",
    "write_sample": "samples",
    "write_maps": "maps",
    "unpack_limit": "limits",
}

__all__ = [*_MODULE_OF_NAME]

# Models and checkpoints are written by `io.atomic`, which needs no astropy.
__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_NAME)
