"""Models as the first format stored them, with what they predicted.

    git switch --detach 357a3d5
    python tests/data/format_1/make.py

That commit is the last one whose save_model writes format 1; the files beside this script
were made there, and later code has to read them. Weights are rounded to -w, 0 and w in each
layer before anything is predicted, so that the files shrink when they are packed.
"""

import gzip
import tempfile
from pathlib import Path

import numpy as np
from astropy.cosmology import WMAP7
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    XrayCNNRegressor,
    save_model,
)
from skcluster.persistence import FORMAT

HERE = Path(__file__).parent
N_CLUSTERS = 16
TRAINING = {"max_epochs": 40, "device": "cpu", "n_threads": 1, "random_state": 0}


def make_sample():
    """Sixteen round clusters at four redshifts, and their log10 M500c."""
    rng = np.random.default_rng(1)
    log_mass = rng.uniform(13.5, 15, N_CLUSTERS)
    redshift = np.tile([0.1, 0.15, 0.2, 0.3], 4)
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    photons, galaxies = [], []
    for mass, d in zip(log_mass, distance, strict=True):
        n = 15 + rng.poisson(15 * 10 ** (mass - 14))
        ra, dec = np.degrees(rng.normal(0, 0.4, (2, n)) / d).round(4)
        energy = 0.5 + rng.exponential(2.0, n).round(2)
        photons.append({"ra": ra + 10, "dec": dec, "energy": energy})
        x, y = rng.normal(0, 0.6, (2, 14)).round(3)
        v = rng.normal(0, 500 * 10 ** ((mass - 14) / 3), 14).round()
        galaxies.append({"x": x, "y": y, "v": v})
    sample = ClusterSample(
        redshift,
        photons=photons,
        galaxies=galaxies,
        center=np.tile([10.0, 0.0], (N_CLUSTERS, 1)),
        r500c=0.63 * 10 ** ((log_mass - 14) / 3),
    )
    return sample, log_mass


def make_models():
    """Name -> unfitted model."""
    steps = PhotonMapper(n_pixels=8), RedshiftNormalizer(), LogScaler()
    joint = JointCNNRegressor(
        phase_space=PhaseSpaceKDE(n_bins=16), validation_fraction=None, **TRAINING
    )
    return {
        "xray": make_pipeline(
            *steps, XrayCNNRegressor(n_members=2, lr=0.01, **TRAINING)
        ),
        "joint": make_pipeline(PhotonMapper(n_pixels=16), *steps[1:], joint),
        "evrard": make_pipeline(
            ProxyMeasurer(proxies=("n_phot", "sigma_v"), with_redshift=True),
            EvrardProxyRegressor(redshift_column=-1, redshift_bins=2),
        ),
    }


def round_weights(regressor):
    """Leave three values in each layer of the networks."""
    for net in getattr(regressor, "nets_", []):
        for weight in net.module_.parameters():
            size = weight.detach().abs()
            kept = size > size.mean() / 2
            weight.data = weight.detach().sign() * kept * size[kept].mean()


def tables_of(sample):
    """Arrays from which the sample can be made again."""
    tables = {"redshift": sample.redshift, "center": sample.center}
    tables["r500c"] = sample.r500c
    for name in ("photons", "galaxies"):
        rows = getattr(sample, name)
        tables[f"{name}_offsets"] = rows.offsets
        for column, values in rows.columns.items():
            tables[f"{name}_{column}"] = values
    return tables


def main():
    """Write NAME.skops.gz of every model, and expected.npz."""
    assert FORMAT == 1, "run this with the code of 357a3d5"
    sample, log_mass = make_sample()
    arrays = tables_of(sample)
    for name, model in make_models().items():
        model.fit(sample, log_mass)
        round_weights(model[-1])
        arrays[f"{name}_prediction"] = model.predict(sample)
        if name != "joint":
            arrays[f"{name}_std"] = model.predict(sample, return_std=True)[1]
        with tempfile.TemporaryDirectory() as folder:
            path = Path(folder) / f"{name}.skops"
            save_model(model, path)
            packed = gzip.compress(path.read_bytes(), mtime=0)
        (HERE / f"{name}.skops.gz").write_bytes(packed)
    np.savez_compressed(HERE / "expected.npz", **arrays)


if __name__ == "__main__":
    main()
