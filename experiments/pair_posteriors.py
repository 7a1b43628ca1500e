"""Are posteriors from a kernel density of predictions and truths calibrated?

    python experiments/pair_posteriors.py --output experiments/results   # minutes per seed

Kodi Ramanah et al. (2021) take the true masses of held-out clusters about a predicted mass
for the posterior (``CalibratedMassRegressor(by="pairs")``). Beside it stand posteriors from
scaled errors, as they are (``by=None``) and with a trend of mass and redshift
(``by="trend"``). For every seed each is learned on one mock survey, octant by octant, and
tested on another: for the covariance model of four proxies, and for the ridge regression on
counts in rings, whose scatter depends on the mass.

Writes pair-posteriors.csv, one row per seed, estimator, calibration and third of the
predicted mass ("all" for all clusters), with the % of true masses in the central 68 and
95 %, the mean error of the posteriors [%], and the mean logarithm of their density at the
true mass [per dex], which is larger the sharper they are, as long as they are right; and
pair-posteriors-mean.csv, the means over the seeds with the errors of their scatter. Test
clusters outside of the masses of training are left out: some of the posteriors end there.
"""

import argparse
import warnings
from functools import partial
from itertools import pairwise, product
from pathlib import Path

import numpy as np
from seed_tables import completed, means_by
from sklearn.pipeline import make_pipeline

from skcluster import CalibratedMassRegressor, PhotonMapper, ProxyMeasurer
from skcluster.contest.entries import covariance_model, ridge_on_rings
from skcluster.datasets import make_mock_survey
from skcluster.metrics import dex_to_percent, interval_coverage
from skcluster.paper import THREE_BANDS

CALIBRATIONS = {"scores": None, "scores by trend": "trend", "pairs": "pairs"}
LEVELS = (0.68, 0.95)
THIRDS = ("lowest", "middle", "highest")
LEAST_DENSITY = 1e-6
"""Density of true masses that a posterior rules out [per dex]."""
VALUES = ("coverage_68", "coverage_95", "mean_error", "log_density")


def estimators(pixels):
    """Name -> steps that learn nothing, and the estimator after them."""
    rings = PhotonMapper(bands=THREE_BANDS, n_pixels=pixels)
    proxies = ProxyMeasurer(with_redshift=True)
    return {
        "covariance model": (None, make_pipeline(proxies, covariance_model())),
        "ridge on rings": (rings, ridge_on_rings()),
    }


def log_density(posterior, log_mass):
    """Natural logarithm of the density of each posterior at the true mass [per dex]."""
    cell = (posterior.edges[:, 1:-1] < log_mass[:, None]).sum(axis=1)
    rows = np.arange(len(log_mass))
    return np.log(np.maximum(posterior.density[rows, cell], LEAST_DENSITY))


def measured(posterior, log_mass):
    """Yield a row for all clusters, and one for each third of the predicted mass."""
    mean, std = posterior.mean(), posterior.std()
    pit, at_truth = posterior.cdf(log_mass), log_density(posterior, log_mass)
    edges = [-np.inf, *np.quantile(mean, [1 / 3, 2 / 3]), np.inf]
    parts = {"all": np.ones(len(mean), bool)}
    for name, (low, high) in zip(THIRDS, pairwise(edges), strict=True):
        parts[name] = (low <= mean) & (mean < high)
    for name, chosen in parts.items():
        coverage, _ = interval_coverage(pit[chosen], LEVELS)
        yield {
            "third": name,
            "n": chosen.sum(),
            "coverage_68": 100 * coverage[0],
            "coverage_95": 100 * coverage[1],
            "mean_error": dex_to_percent(std[chosen].mean()),
            "log_density": at_truth[chosen].mean(),
        }


def rows_of_seed(arguments, seed):
    """Yield the rows of one seed."""
    training = make_mock_survey(arguments.clusters, random_state=seed)
    test = make_mock_survey(arguments.test_clusters, random_state=1000 + seed)
    ends = training.log_mass.min(), training.log_mass.max()
    inside = (ends[0] <= test.log_mass) & (test.log_mass <= ends[1])
    for name, (step, estimator) in estimators(arguments.pixels).items():
        samples = [training.sample, test.sample[inside]]
        if step is not None:
            samples = [step.transform(sample) for sample in samples]
        for calibration, by in CALIBRATIONS.items():
            model = CalibratedMassRegressor(estimator, by=by)
            model.fit(samples[0], training.log_mass)
            posterior = model.predict_posterior(samples[1])
            for row in measured(posterior, test.log_mass[inside]):
                about = {"seed": seed, "estimator": name, "calibration": calibration}
                yield about | row


def over_seeds(table):
    """Mean over the seeds, with its error from their scatter."""
    return means_by(table, ["estimator", "calibration", "third"], VALUES)


def main():
    """Compute the rows of the seeds that are missing, and their means."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=1200)
    parser.add_argument("--test-clusters", type=int, default=2400)
    parser.add_argument("--pixels", type=int, default=64, help="of the rings' maps")
    parser.add_argument("--output", type=Path, default=Path("."))
    arguments = parser.parse_args()
    warnings.simplefilter("ignore", UserWarning)  # of clusters unlike those of training
    path = arguments.output / "pair-posteriors.csv"
    table = completed(
        path,
        ["seed"],
        product(arguments.seeds),
        partial(rows_of_seed, arguments),
        means=over_seeds,
    )
    print(*over_seeds(table).pformat(max_width=-1, max_lines=-1), sep="\n")


if __name__ == "__main__":
    main()
