"""Does a photon change the mass by what the saliency per photon says?

    python experiments/photon_response.py               # a minute or two on one core
    python experiments/photon_response.py --clusters 300

For every seed, of a mock survey and of the network, the default pipeline is trained, the
saliency per photon of some clusters is computed, and photons are really added to many of
their pixels, one at a time. Printed are the slope of the true change of the mass against
what the saliency says (through the origin; 1 is right) and their correlation, as the mean
over seeds with its error from the scatter between seeds.
"""

import argparse
import sys

import numpy as np
from astropy.table import Table
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    SaliencyExplainer,
    XrayCNNRegressor,
)
from skcluster.datasets import make_mock_survey
from skcluster.explain import photon_response

PIXELS = {
    "some photons": lambda counts: counts > 0,
    "three or more": lambda counts: counts >= 3,
    "empty": lambda counts: counts == 0,
}


def measured(seed, arguments):
    """What `responses` finds for clusters of a survey, by a pipeline trained on it."""
    survey = make_mock_survey(arguments.clusters, random_state=seed, galaxies=False)
    network = XrayCNNRegressor(
        max_epochs=arguments.epochs,
        batch_size=10,
        random_state=seed,
        device="cpu",
        n_threads=1,
    )
    steps = PhotonMapper(n_pixels=32), RedshiftNormalizer(), LogScaler()
    pipeline = make_pipeline(*steps, network).fit(survey.sample, survey.log_mass)
    return responses(pipeline, survey.sample[: arguments.shown])


def responses(pipeline, sample):
    """Counts of many pixels of clusters, their saliency per photon, and the true change."""
    explainer = SaliencyExplainer(pipeline, per_photon=True, signed=True)
    found = []
    for i, saliency in enumerate(explainer.explain(sample)):
        counts = np.asarray(pipeline[0].transform(sample[[i]]).maps)[0]
        filled, empty = np.argwhere(counts > 0), np.argwhere(counts == 0)
        pixels = np.concatenate([filled[::3], empty[::20]])
        true = photon_response(pipeline, sample[[i]], pixels)
        found.append([counts[*pixels.T], saliency[*pixels.T], true])
    return np.concatenate(found, axis=1)


def slope_and_correlation(expected, true):
    """Slope through the origin of the true changes, and their correlation."""
    slope = (true * expected).sum() / (expected**2).sum()
    return slope, np.corrcoef(expected, true)[0, 1]


def summary(seeds, arguments):
    """One row per kind of pixel: mean over seeds and error of the mean."""
    rows = {name: [] for name in PIXELS}
    for seed in seeds:
        counts, expected, true = measured(seed, arguments)
        for name, choose in PIXELS.items():
            chosen = choose(counts)
            rows[name].append(slope_and_correlation(expected[chosen], true[chosen]))
    table = Table({"pixels": list(PIXELS)})
    values = np.array(list(rows.values()))
    for i, column in enumerate(("slope", "correlation")):
        table[column] = values[..., i].mean(axis=1)
        if len(seeds) > 1:
            spread = values[..., i].std(axis=1, ddof=1)
            table[f"{column}_error"] = spread / np.sqrt(len(seeds))
    return table


def main():
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=60)
    parser.add_argument("--epochs", type=int, default=6)
    parser.add_argument(
        "--shown", type=int, default=9, help="clusters with added photons"
    )
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    arguments = parser.parse_args()
    table = summary(arguments.seeds, arguments)
    for column in table.colnames[1:]:
        table[column].format = ".3f"
    table.pprint_all()
    return 0


if __name__ == "__main__":
    sys.exit(main())
