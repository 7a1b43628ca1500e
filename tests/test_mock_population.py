"""Halos, galaxies, gas and nuclei of the mock survey are those of its recipe."""

import numpy as np
from astropy.cosmology import WMAP7
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import quad

from skcluster.datasets import (
    agn,
    dynamical_state,
    field_galaxies,
    gas,
    instrument,
    population,
    spectra,
)


def round_halo(mass=1e15, **place):
    return population.Halo(
        mass=mass,
        gas_mass=population.mean_gas_mass(mass),
        temperature=4.0,
        shape=0.0,
        core=0.0,
        clumping=0.0,
        axes=np.eye(3)[:, :2],
        dispersion=700.0,
        **place,
    )


def within_nfw(x):
    """Mass of an NFW profile within x scale radii, in units of its own."""
    return np.log1p(x) - x / (1 + x)


def is_uniform(share):
    return stats.kstest(share, "uniform").pvalue > 1e-3


def test_snapshots_are_those_of_the_papers_notebook():
    redshifts = (
        "0.06634 0.10114 0.13708 0.17419 0.21252 0.25209 0.29295 0.33515 0.37873"
    )
    assert_array_equal(
        population.SNAPSHOTS, [*map(float, redshifts.split()), 0.42373, 0.47019]
    )


def test_the_hubble_flow_is_that_of_astropy():
    at = spectra.response(0.47019)
    expected = 2.5 / WMAP7.h * WMAP7.H(0.47019).value / 1.47019
    assert_allclose(population.hubble_flow(2.5, at), expected, rtol=1e-6)


def test_dispersions_follow_evrard_2008_in_the_mass_of_an_nfw_halo():
    # Concentrations of 4 within R200c; both ratios are of one profile.
    ratio = within_nfw(4.0) / within_nfw(4.0 / 1.54)
    assert_allclose(ratio, 1.54**3 * 200 / 500, rtol=0.02)
    assert_allclose(population.M200_PER_M500, ratio, rtol=0.01)
    assert_allclose(population.R200_PER_R500, 1.54)
    assert_allclose(population.mean_dispersion(1e15 / ratio, 1.0), 1082.9, rtol=0.005)
    assert_allclose(
        population.mean_dispersion(1e14 / ratio, 5.0), 1082.9 * 0.5**0.3361, rtol=0.005
    )


def test_mean_relations_are_those_of_the_recipe():
    assert_allclose(population.mean_temperature(2e14, 1.1), 2.40 * 2.2**0.62)
    assert_allclose(population.mean_gas_mass(2e14), 0.0753 * 2e14 * 2**0.22)
    assert_allclose(population.mean_stellar_mass(2e14), 0.030 * 2e14 * 2**-0.12)


def test_clusters_are_spread_evenly_over_a_band_of_the_sky_and_the_box():
    rng = np.random.default_rng(0)
    drawn = [population.draw_place(rng) for _ in range(20_000)]
    ra, dec = np.transpose([center for center, _ in drawn])
    height = np.sin(np.radians(dec)) / np.sin(np.radians(45.0))
    position = np.transpose([place for _, place in drawn]) / 352
    for share in (ra / 360, (height + 1) / 2, *position):
        assert is_uniform(share)


def test_neighbors_have_the_masses_places_and_velocities_of_the_recipe():
    rng = np.random.default_rng(0)
    cluster = population.Cluster(0.25209, 15.0, 1e12, round_halo(1e15))
    lists = [population.draw_neighbors(cluster, rng) for _ in range(3000)]
    at = spectra.response(0.25209)
    near = [h for each in lists for h in each if h.is_bound]
    far = [h for each in lists for h in each if not h.is_bound]
    assert_allclose([len(near) / 3000, len(far) / 3000], [1.0, 0.8], atol=0.08)

    def share(x, low, high):  # of dN/dx ~ x^-1.9
        return (low**-0.9 - x**-0.9) / (low**-0.9 - high**-0.9)

    radius = np.linalg.norm([h.position for h in near], axis=1) / at.r500c(1e15)
    found = {
        "ratio": share(np.array([h.mass for h in near]) / 1e15, 0.03, 0.5),
        "radius": (radius - 0.3) / 1.7,
        "bulk": stats.norm.cdf([h.velocity / (1.2 * 700) for h in near]),
        "mass": share(np.array([h.mass for h in far]), 3e12, 3e14),
    }
    peculiar = [h.velocity - population.hubble_flow(h.position[2], at) for h in far]
    found["peculiar"] = stats.norm.cdf(np.array(peculiar) / 250)
    for name, values in found.items():
        assert is_uniform(values), name
    assert {h.emission_left for h in near} == {0.5}
    assert {h.emission_left for h in far} == {1.0}


def test_members_are_an_nfw_halo_that_is_colder_outside():
    at = spectra.response(0.25209)
    halo = round_halo(1e18, position=np.array([1.0, 2.0, 3.0]), velocity=300.0)
    found = field_galaxies.draw_members(halo, at, np.random.default_rng(1))
    assert_allclose(len(found), 55 * 1e4**0.84, rtol=0.01)
    radius = np.linalg.norm(found.position - [1.0, 2.0, 3.0], axis=1)
    depth = radius / (1.3 * 1.54 * at.r500c(1e18))

    share = within_nfw(3.5 * 1.3 * depth) / within_nfw(3.5 * 1.3)
    assert is_uniform(share)
    scaled = (found.velocity - 300) / (700 * (1.10 - 0.25 * depth))
    assert stats.kstest(scaled, "norm").pvalue > 1e-3


def test_stellar_masses_are_a_schechter_function():
    n = 20_000
    galaxies = field_galaxies.Galaxies(np.zeros((n, 3)), np.zeros(n), np.ones(n, bool))
    table = field_galaxies.galaxy_table(galaxies, 1e12, np.random.default_rng(0))
    found = table["log_stellar_mass"][1:]

    def density(log_mass):  # dN/dM ~ M^-1.1 exp(-M / 10^10.8)
        x = 10 ** (log_mass - 10.8)
        return x**-0.1 * np.exp(-x)

    total = quad(density, 9.5, 12)[0]
    for limit in (10.0, 10.5, 11.0):
        expected = quad(density, 9.5, limit)[0] / total
        assert_allclose(np.mean(found < limit), expected, atol=0.012)


def test_energies_are_blurred_by_78_ev_at_the_line_of_aluminium():
    row = np.argmin(np.abs(instrument.ENERGY - 1.49))
    chance = instrument.redistribution()[row]
    mean = chance @ instrument.ENERGY
    width = np.sqrt(chance @ (instrument.ENERGY - mean) ** 2)
    assert_allclose(2 * np.sqrt(2 * np.log(2)) * width, 0.078, rtol=0.01)


def test_the_dense_core_is_a_squared_beta_profile():
    """n^2 ~ [1 + (x/0.05)^2]^-3, so within R lie 1 - [1 + (R/0.05)^2]^-1.5 on the sky."""
    model = gas.HaloGas(round_halo(3e14), spectra.response(0.06634), 1.1)
    photons = model.core_photons(np.random.default_rng(1))
    radius = np.hypot(*photons.offset.T) * model.response.distance / model.r500c
    assert_allclose(np.median(radius), 0.05 * np.sqrt(2 ** (2 / 3) - 1), rtol=0.06)


def test_gas_cools_outwards_as_in_vikhlinin_2006():
    x = np.array([1e-9, 0.6, 1.2])
    expected = 1.19 * np.array([1, 2, 5]) ** -0.45
    assert_allclose(gas.temperature_profile(x), expected)


def test_a_torus_lets_one_per_cent_through():
    energy = np.array([0.5, 8.0])
    found = agn.PHOTON_INDEX, spectra.agn_spectra(energy)
    for i, index in enumerate(found[0]):
        bare = spectra.power_law(energy, index, 2, 10)
        seen = found[1][6 * i + 5] / bare
        opacity = 10**23.5 * instrument.absorption_cross_section(8.0)
        assert_allclose(seen, [0.01, np.exp(-opacity) + 0.01], rtol=1e-6)
    assert_allclose(agn.TORUS_SHARE, [0.35, 0.10, 0.12, 0.14, 0.15, 0.14])


def test_clumps_lie_between_0_35_and_0_95_r500c():
    cluster = population.draw_cluster(np.random.default_rng(0))
    rng = np.random.default_rng(1)
    places = [
        dynamical_state.draw_dynamical_state(cluster, rng).clump_places
        for _ in range(2000)
    ]
    radius = np.linalg.norm(np.concatenate(places), axis=1)
    # A distance of 0.65 on average, and the mean sine of random directions.
    assert_allclose(radius.mean(), 0.65 * np.pi / 4, rtol=0.02)
    assert radius.max() < 0.95
