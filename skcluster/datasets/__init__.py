"""Data sets of clusters: a mock survey to generate, and a simulated list to download.

`make_mock_survey` goes through the modules in this order: population → gas,
field_galaxies, agn → spectra → instrument.
"""

from .controls import plant_dispersion, shuffle_galaxies
from .magneticum import fetch_magneticum
from .mock_survey import make_mock_survey

__all__ = [
    "fetch_magneticum",
    "make_mock_survey",
    "plant_dispersion",
    "shuffle_galaxies",
]
