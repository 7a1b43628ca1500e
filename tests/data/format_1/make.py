"""Make a model file of the present format, with what the model predicted.

    python tests/data/format_1/make.py

The files beside this script were made with the code of the release that introduced the
format, and every later version has to read them: once it is released, do not make them
again, but add a folder when the format changes. Weights are rounded to -w, 0 and w in each
layer before anything is predicted, so that the file shrinks when it is packed.
"""

import gzip
import tempfile
from pathlib import Path

import numpy as np
from astropy.cosmology import WMAP7
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    XrayCNNRegressor,
    save_model,
)
from skcluster.persistence import FORMAT

HERE = Path(__file__).parent
N_CLUSTERS = 16


def make_sample():
    """Make sixteen round clusters at four redshifts, and their log10 M500c."""
    rng = np.random.default_rng(1)
    log_mass = rng.uniform(13.5, 15, N_CLUSTERS)
    redshift = np.tile([0.1, 0.15, 0.2, 0.3], 4)
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    photons = []
    for mass, d in zip(log_mass, distance, strict=True):
        n = 15 + rng.poisson(15 * 10 ** (mass - 14))
        ra, dec = np.degrees(rng.normal(0, 0.4, (2, n)) / d).round(4)
        energy = 0.5 + rng.exponential(2.0, n).round(2)
        photons.append({"ra": ra + 10, "dec": dec, "energy": energy})
    center = np.tile([10.0, 0.0], (N_CLUSTERS, 1))
    return ClusterSample(redshift, photons=photons, center=center), log_mass


def make_model():
    """Make an unfitted pipeline with two small networks."""
    regressor = XrayCNNRegressor(
        n_members=2, lr=0.01, max_epochs=40, device="cpu", n_threads=1, random_state=0
    )
    return make_pipeline(
        PhotonMapper(n_pixels=8), RedshiftNormalizer(), LogScaler(), regressor
    )


def round_weights(regressor):
    """Leave three values in each layer of the networks."""
    for net in regressor.nets_:
        for weight in net.module_.parameters():
            size = weight.detach().abs()
            kept = size > size.mean() / 2
            weight.data = weight.detach().sign() * kept * size[kept].mean()


def arrays_of(sample):
    """Collect the arrays from which the sample can be made again."""
    columns = {
        f"photons_{name}": sample.photons[name] for name in sample.photons.columns
    }
    return {
        "redshift": sample.redshift,
        "center": sample.center,
        "photons_offsets": sample.photons.offsets,
        **columns,
    }


def main():
    """Write model.skops.gz and expected.npz."""
    assert HERE.name == f"format_{FORMAT}"
    sample, log_mass = make_sample()
    model = make_model().fit(sample, log_mass)
    round_weights(model[-1])
    prediction, std = model.predict(sample, return_std=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.skops"
        save_model(model, path, folds=np.arange(N_CLUSTERS) % 4, notes="format 1")
        (HERE / "model.skops.gz").write_bytes(gzip.compress(path.read_bytes(), mtime=0))
    expected = {**arrays_of(sample), "prediction": prediction, "std": std}
    np.savez_compressed(HERE / "expected.npz", **expected)


if __name__ == "__main__":
    main()
