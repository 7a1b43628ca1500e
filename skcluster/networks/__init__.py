"""Networks as torch modules, from standardized inputs to one number per cluster.

`MassNetwork` says what a network is to the regressors; each published architecture has a
module of its own. `ARCHITECTURES`, `JOINT_ARCHITECTURES` and `SET_ARCHITECTURES` name them.
torch is imported with the first class that is asked for.
"""

from ..lazy_names import lazy_names
from .architectures import (
    ARCHITECTURES,
    EIGHT_BANDS,
    JOINT_ARCHITECTURES,
    KRIPPENDORF2024_BANDS,
    SET_ARCHITECTURES,
)

_MODULE_OF_CLASS = {
    "MassNetwork": "mass_network",
    "Ho2023Network": "ho2023",
    "Ho2023JointNetwork": "ho2023_joint",
    "PhotonSetNetwork": "photon_set",
    "Ntampaka2019Network": "ntampaka2019",
    "Yan2020Network": "yan2020",
    "Krippendorf2024Network": "krippendorf2024",
    "Krippendorf2024WideNetwork": "krippendorf2024",
    "Ho2019Network": "ho2019",
    "KodiRamanah2021Network": "kodi_ramanah2021",
    "SkclusterNetwork": "skcluster",
}

__all__ = [
    *_MODULE_OF_CLASS,
    "ARCHITECTURES",
    "EIGHT_BANDS",
    "JOINT_ARCHITECTURES",
    "KRIPPENDORF2024_BANDS",
    "SET_ARCHITECTURES",
]

__getattr__, __dir__ = lazy_names(__name__, _MODULE_OF_CLASS)
