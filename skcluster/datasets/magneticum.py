"""Read or download a public list of simulated clusters."""

import hashlib
from http.client import HTTPException
from io import BytesIO
from pathlib import Path
from urllib.request import urlopen

import numpy as np
from sklearn.datasets import get_data_home
from sklearn.utils import Bunch

from ..io.atomic import replace_file

FILE_NAME = "chandra_clusterList.npy"
URL = (
    "https://raw.githubusercontent.com/shergreen/xray-mass-estimation/"
    f"cfaf6e90b780ef5eac40e5c1c72e95051319778e/data/{FILE_NAME}"
)
SHA256 = "04523866c1bd1ed5424733348511c6aeb2013d2d1e74457491ece467e13b4cce"
TIMEOUT = 60.0  # s

FEATURES = ("temperature", "luminosity", "gas_mass", "stellar_mass")

DESCR = f"""\
Magneticum Box2/hr galaxy clusters
----------------------------------
Properties of simulated clusters from the list published with Green et al. (2019),
ApJ 884, 33: several outputs of one 352 Mpc/h box, so that many halos occur at several
redshifts. Folds by `position` keep nearly all of them together: 0.4 % are in another
octant in the next output.

data:       temperature [keV], luminosity [1e44 erg/s], gas_mass and stellar_mass
            [Msun/h], all within R500c
target:     log10 of M500c [Msun/h]
redshift:   redshift of the output
position:   place in the box [comoving Mpc/h]

Source: {URL}
The authors state no license: cite them, and do not redistribute the file.
"""


def fetch_magneticum(*, data_home=None, download_if_missing=True) -> Bunch:
    """Load simulated clusters of Magneticum Box2/hr: properties, masses and positions.

    This is the list that Green et al. (2019) published, about 370 kB. It is downloaded
    once; its checksum is verified at every reading, and no code in it is run.

    Parameters
    ----------
    data_home : str or path-like, default=None
        Folder of datasets; by default that of scikit-learn, ``~/scikit_learn_data``. The
        file lies in its subfolder ``magneticum``.
    download_if_missing : bool, default=True
        If False, a missing file is an OSError.

    Returns
    -------
    bunch : Bunch
        ``data`` of shape (n, 4) with the columns ``feature_names``: temperature [keV],
        luminosity [1e44 erg/s], gas mass and stellar mass [Msun/h]; ``target``,
        log10 M500c [Msun/h]; ``redshift``; ``position`` (n, 3) [comoving Mpc/h];
        ``DESCR``.

    References
    ----------
    Green et al. (2019), ApJ 884, 33.

    Examples
    --------
    >>> from skcluster.datasets import fetch_magneticum
    >>> clusters = fetch_magneticum()  # doctest: +SKIP
    >>> clusters.data.shape  # doctest: +SKIP
    (3292, 4)
    """
    path = Path(get_data_home(data_home)) / "magneticum" / FILE_NAME
    if not path.exists():
        if not download_if_missing:
            raise OSError(
                f"{path} does not exist. Let download_if_missing=True fetch it, or put "
                f"there the file from {URL}."
            )
        _download(path)
    content = path.read_bytes()
    _verify(content, path)
    table = np.load(BytesIO(content), allow_pickle=False)
    mass = table["M500_msolh"].astype(float)
    columns = (
        table["T_kev"],
        table["Lx_ergs"],
        table["gas_frac"] * mass,
        table["star_frac"] * mass,
    )
    return Bunch(
        data=np.column_stack(columns).astype(float),
        target=np.log10(mass),
        feature_names=list(FEATURES),
        redshift=table["redshift"].astype(float),
        # ckpc/h in the file
        position=np.column_stack([table[axis] for axis in "xyz"]).astype(float) / 1000,
        DESCR=DESCR,
    )


def _download(path):
    try:
        with urlopen(URL, timeout=TIMEOUT) as source:
            content = source.read()
    except (OSError, HTTPException) as error:
        raise OSError(
            f"{URL} could not be downloaded ({error}). If you have the file, put it at "
            f"{path}."
        ) from error
    _verify(content, URL)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace_file(path, content)


def _verify(content, origin):
    received = hashlib.sha256(content).hexdigest()
    if received != SHA256:
        raise OSError(
            f"{origin} has the SHA-256 checksum {received}, not {SHA256}: it is damaged "
            "or another file. Delete your copy to download it again."
        )
