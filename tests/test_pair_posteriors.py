"""The experiment on posteriors from pairs measures what it says."""

import importlib
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose
from scipy.stats import norm

from skcluster.posterior import MassPosterior

FOLDER = Path(__file__).parents[1] / "experiments"


@pytest.fixture(scope="module")
def experiment():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(FOLDER)
        yield importlib.import_module("pair_posteriors")
        sys.modules.pop("pair_posteriors")


def test_exact_posteriors_are_measured_as_such(experiment):
    rng = np.random.default_rng(0)
    mean, std = rng.uniform(13.5, 15, 6000), rng.uniform(0.05, 0.2, 6000)
    truth = rng.normal(mean, std)
    rows = [*experiment.measured(MassPosterior.from_gaussians(mean, std), truth)]
    assert [row["third"] for row in rows] == ["all", "lowest", "middle", "highest"]
    assert [row["n"] for row in rows] == [6000, 2000, 2000, 2000]
    for row in rows:
        assert_allclose(row["coverage_68"], 68, atol=3.5)
        assert_allclose(row["coverage_95"], 95, atol=2)
        assert_allclose(row["mean_error"], 230.26 * 0.125, rtol=0.02)
    expected = norm.logpdf(truth, mean, std)
    assert_allclose(rows[0]["log_density"], expected.mean(), atol=1e-3)
    third = mean > np.quantile(mean, 2 / 3)
    assert_allclose(rows[3]["log_density"], expected[third].mean(), atol=1e-3)


def test_a_mass_that_a_posterior_rules_out_has_the_least_density(experiment):
    posterior = MassPosterior.from_gaussians([14.0, 14.0], [0.1, 0.1])
    found = experiment.log_density(posterior, np.array([13.0, 16.0]))
    assert_allclose(found, np.log(experiment.LEAST_DENSITY))


def test_means_have_the_error_of_the_scatter_between_seeds(experiment):
    values = np.array([67.0, 69.0, 74.0])
    row = {"estimator": "a", "calibration": "pairs", "third": "all"}
    rows = [
        row | dict.fromkeys(experiment.VALUES, value) | {"seed": seed}
        for seed, value in enumerate(values)
    ]
    (mean,) = experiment.over_seeds(Table(rows=rows))
    assert mean["seeds"] == 3
    assert_allclose(mean["coverage_68"], 70)
    assert_allclose(mean["coverage_68_error"], np.sqrt(13 / 3))
