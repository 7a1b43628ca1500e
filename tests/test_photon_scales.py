"""Columns on fixed scales of the sky against sums over all pairs of photons."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonFeaturizer
from skcluster.photon_features import SCALE_FEATURES
from skcluster.photon_features.positions import Positions
from skcluster.photon_features.sky_scales import SkyScales
from skcluster.regressors.set_inputs import DENSITIES

NAMES = [*SCALE_FEATURES]
PIXEL = 9.6  # arcsec


def cluster(n, seed=0):
    """Photons at the centers of pixels, of which several may share one."""
    rng = np.random.default_rng(seed)
    x, y = PIXEL * rng.normal(0, 8, (2, n)).round() / 3600
    return {"ra": 10 - x, "dec": y, "energy": rng.uniform(0.5, 9, n)}


def described(*tables):
    center = np.tile([10.0, 0.0], (len(tables), 1))
    sample = ClusterSample(np.full(len(tables), 0.2), center=center, photons=[*tables])
    return PhotonFeaturizer(features=NAMES).transform(sample).photons


def brute_force(table, scale):
    """Log density and mean log energy of each photon from all pairs."""
    x, y = (3600 * (table[name] - at) for name, at in (("ra", 10), ("dec", 0)))
    square = (x[:, None] - x) ** 2 + (y[:, None] - y) ** 2
    weight = np.exp(-square / (2 * scale**2))
    np.fill_diagonal(weight, 0)
    log_energy = np.log10(table["energy"])
    total = weight.sum(1) + 0.1
    density = np.log10(total / (2 * np.pi * scale**2))
    return density, (weight @ log_energy + 0.1 * log_energy.mean()) / total


@pytest.mark.parametrize("n", [1, 2, 40, 700])
def test_columns_are_sums_over_all_pairs(n):
    table = cluster(n)
    found = described(table)
    for scale in (8, 20, 50, 125):
        density, energy = brute_force(table, scale)
        # Beyond 5 sigma the kernel is cut.
        assert_allclose(found[f"log_density_{scale}_arcsec"], density, atol=2e-3)
        if scale in (20, 125):
            assert_allclose(found[f"log_energy_{scale}_arcsec"], energy, atol=2e-3)


def test_a_uniform_density_is_found_inside_the_field():
    rng = np.random.default_rng(1)
    x, y = rng.uniform(-600, 600, (2, 30_000))
    positions = Positions.of(x, y, np.zeros(30_000))
    scales = SkyScales(positions, PIXEL, 1.0)
    inner = np.maximum(np.abs(positions.x), np.abs(positions.y)) < 300
    expected = 30_000 / 1200**2
    for scale in (20.0, 50.0):
        found = 10 ** scales.log_density(scale)[inner]
        assert_allclose(found.mean(), expected, rtol=0.02)


def test_bits_do_not_depend_on_order_or_on_other_clusters():
    table = cluster(200)
    order = np.random.default_rng(2).permutation(200)
    mixed = {name: column[order] for name, column in table.items()}
    found, other = described(table), described(cluster(50, seed=3), mixed).table(1)
    for name in NAMES:
        assert_array_equal(other[name], found[name][order])


def test_a_wide_field_gets_larger_cells_and_no_more_of_them():
    rng = np.random.default_rng(0)
    x, y = rng.uniform(0, 1e6, (2, 50))
    scales = SkyScales(Positions.of(x, y, np.zeros(50)), PIXEL, 1.0)
    assert scales.cell > 400
    assert max(each.max() for each in scales.index) <= 2048
    assert np.isfinite(scales.log_density(8.0)).all()


def test_densities_follow_the_exposure():
    assert {name for name in NAMES if "density" in name} <= {*DENSITIES}
    assert not {name for name in NAMES if "energy" in name} & {*DENSITIES}
