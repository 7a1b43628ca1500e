"""The ingredients of the mock survey against other codes and closed forms."""

import numpy as np
import pytest
from astropy.cosmology import WMAP7
from numpy.testing import assert_allclose, assert_array_equal
from scipy.integrate import quad

from skcluster.datasets import (
    agn,
    dynamical_state,
    gas,
    instrument,
    population,
    spectra,
)

PIXEL = np.radians(9.6 / 3600)


@pytest.mark.parametrize(
    ("low", "high", "xspec"),
    [(0.5, 1, 216.3), (1, 2, 217.8), (2, 4, 45.9), (4, 7, 9.1)],
)
def test_folded_gas_of_5_kev_agrees_with_xspec(low, high, xspec):
    # APEC of unit norm at z = 0.3, 0.3 solar, N_H = 1e20, eROSITA on axis [counts/s].
    energy = instrument.ENERGY
    flux = 1e14 * spectra.gas_emissivity(1.3 * energy, 5.0)
    rate = instrument.folded(flux, column=1e20)
    assert_allclose(rate[(energy > low) & (energy < high)].sum(), xspec, rtol=0.06)


def test_energy_conversion_factor_agrees_with_ecfxa():
    # The package ecfxa: 0.5-2 keV, photon index 1.9, N_H = 3.2e20, absorbed flux.
    energy, column = instrument.ENERGY, 3.2e20
    soft = (energy > 0.5) & (energy < 2)
    flux = energy**-1.9
    absorbed = flux * np.exp(-column * instrument.absorption_cross_section(energy))
    erg = (absorbed * energy)[soft].sum() * instrument.ENERGY_STEP * 1.602e-9
    factor = instrument.folded(flux, column)[soft].sum() / erg
    assert_allclose(factor, 1.178e12, rtol=0.03)


# Conversion factors of ecfxa for the unabsorbed flux [counts cm2 / erg], behind the
# Milky Way's 3e20 and a torus of 10^20.5 that the redshift thins by (1 + z)^-2.5.
@pytest.mark.parametrize(
    ("redshift", "factor"), [(0.06634, 0.989e12), (0.47019, 1.036e12)]
)
def test_agn_counts_follow_the_luminosity_distance(redshift, factor):
    at = spectra.response(redshift)
    row = list(spectra.PHOTON_INDEX).index(1.9) * len(spectra.TORUS_COLUMN)
    soft = np.interp(2.0, at.agn.quantiles[row], np.linspace(0, 1, 257))
    counts = 1e43 * soft * at.agn.rate[row] * at.counts_per_rate
    distance = WMAP7.luminosity_distance(redshift).to_value("cm")
    share = (2**0.1 - 0.5**0.1) / (10**0.1 - 2**0.1)
    flux = 1e43 / (4 * np.pi * distance**2) * (1 + redshift) ** 0.1 * share
    assert_allclose(counts, flux * factor * 2000, rtol=0.04)


@pytest.mark.parametrize(
    ("energy", "average"), [(1, 0.535), (2, 0.49), (3, 0.40), (5, 0.32)]
)
def test_vignetting_averages_to_the_calibration_files(energy, average):
    edge = np.radians(instrument.FIELD_RADIUS)
    total = quad(lambda a: 2 * a * instrument.vignetting(a, energy) / edge**2, 0, edge)
    assert_allclose(total[0], average, atol=0.03)


def test_gas_emission_holds_the_gas_mass():
    halo = population.draw_cluster(np.random.default_rng(0)).halo
    at = spectra.response(0.25209)
    core_radius = 0.18 * np.exp(0.25 * halo.shape)

    def volume_integral(power):
        return quad(
            lambda x: 4 * np.pi * x**2 * gas.density_profile(x, core_radius) ** power,
            0,
            1,
        )[0]

    volume = (at.r500c(halo.mass) / 1.25209 / 0.704 * 3.0857e24) ** 3
    electrons = halo.gas_mass / 0.704 * 1.989e33 / (1.17 * 1.6726e-24)
    density = electrons / volume / volume_integral(1)
    expected = density**2 / 1.2 * volume * volume_integral(2)
    model = gas.HaloGas(halo, at, core_scatter=1.1)
    clumps = np.exp(0.11 * halo.clumping)
    assert_allclose(model.measure @ gas.WITHIN_R500C, clumps * expected, rtol=0.005)
    core = 0.22 * np.exp(1.1 * halo.core) * clumps * expected
    assert_allclose(model.core_measure, core, rtol=0.005)


def test_a_core_follows_its_profile_but_for_half_a_shell():
    x, share = gas._dense_core()
    outer = x * np.sqrt(x[1] / x[0])

    def within(radius):
        """Integral of the squared beta profile, in closed form."""
        t = radius / gas.DENSE_CORE_RADIUS
        return np.arctan(t) - t * (1 - t**2) / (1 + t**2) ** 2

    assert_allclose(share[20:], (within(outer) / within(outer[-1]))[20:], rtol=0.01)


def test_planted_correlations_are_recovered():
    drawn = [population.draw_cluster(np.random.default_rng(i)) for i in range(4000)]
    halo = [cluster.halo for cluster in drawn]
    mu = np.log([h.mass / 1e14 for h in halo])
    gas_mass = np.log([h.gas_mass for h in halo]) - 1.22 * mu
    stellar = np.log([c.stellar_mass for c in drawn]) - 0.88 * mu
    efunc = WMAP7.efunc([c.redshift for c in drawn])
    kt = np.log([h.temperature for h in halo]) - 0.62 * (mu + np.log(efunc))
    measured = np.corrcoef([kt, gas_mass, stellar])[np.triu_indices(3, 1)]
    assert_allclose(measured, [-0.46, 0.33, -0.52], atol=0.05)
    assert_allclose(
        np.std([kt, gas_mass, stellar], axis=1),
        [0.1175 * 0.62, 0.0846 * 1.22, 0.1256 * 0.88],
        rtol=0.05,
    )


def test_planted_correlations_of_the_disturbance_are_recovered():
    drawn = [population.draw_cluster(np.random.default_rng(i)) for i in range(4000)]
    state = [
        dynamical_state.draw_dynamical_state(
            c, np.random.default_rng([7, i])
        ).disturbance
        for i, c in enumerate(drawn)
    ]
    assert_allclose([np.mean(state), np.std(state)], [0, 1], atol=0.05)
    halo = [cluster.halo for cluster in drawn]
    mu = np.log([h.mass / 1e14 for h in halo])
    efunc = WMAP7.efunc([c.redshift for c in drawn])
    residual = [
        np.log([h.temperature for h in halo]) - 0.62 * (mu + np.log(efunc)),
        np.log([h.gas_mass for h in halo]) - 1.22 * mu,
        np.log([c.stellar_mass for c in drawn]) - 0.88 * mu,
        [h.core for h in halo],
        [h.clumping for h in halo],
        [h.shape for h in halo],
        [h.richness for h in halo],
    ]
    measured = np.corrcoef([state, *residual])[0, 1:]
    assert_allclose(measured, [-0.15, 0.30, -0.35, -0.65, 0.50, 0, 0], atol=0.05)


def disturbed_gas(mass=3e14):
    """A massive cluster close by, whose state is known, seen without the telescope."""
    halo = population.Halo(
        mass=mass, gas_mass=population.mean_gas_mass(mass), temperature=4.0, shape=0.0,
        core=0.0, clumping=0.0, axes=np.eye(3)[:, :2], dispersion=700.0,
    )  # fmt: skip
    state = dynamical_state.DynamicalState(
        disturbance=1.0,
        core_offset=np.array([0.1, -0.05]),
        clump_places=np.array([[0.5, 0.2], [-0.3, 0.4]]),
        clump_emissions=np.array([0.2, 0.1]),
        stretch=np.array([[1.25, 0.0], [0.0, 0.8]]),
    )
    return [gas.HaloGas(halo, spectra.response(0.06634), 1.1, s) for s in (None, state)]


def in_r500c(model, photons):
    return photons.offset * model.response.distance / model.r500c


def test_clumps_shine_as_much_and_where_they_are_planted():
    relaxed, model = disturbed_gas()
    assert_allclose(
        model.clump_measures, np.array([0.2, 0.1]) * (model.measure @ gas.WITHIN_R500C)
    )
    # The smooth gas and the core give up what the clumps of the median cluster shine.
    assert_allclose(relaxed.measure / model.measure, 1.075, rtol=1e-10)
    assert_allclose(relaxed.core_measure / model.core_measure, 1.075, rtol=1e-10)
    row = spectra.temperature_row(np.asarray(0.65 * 4.0))
    clumps = 0.3 * (model.measure @ gas.WITHIN_R500C)
    clumps *= spectra.bolometric_emissivity()[row]
    luminosity = relaxed.luminosity / 1.075 + clumps
    assert_allclose(model.luminosity, luminosity, rtol=1e-10)
    photons = model.clump_photons(np.random.default_rng(0))
    rate = model.clump_measures.sum() * model.response.gas.rate[row]
    expected = rate * model.response.counts_per_rate
    assert abs(len(photons) - expected) < 4 * np.sqrt(expected)
    place = in_r500c(model, photons)
    mean = (2 * np.array([0.5, 0.2]) + [-0.3, 0.4]) / 3
    assert_allclose(place.mean(axis=0), mean, atol=4 * 0.5 / np.sqrt(expected))


def test_the_core_sloshes_and_the_body_is_stretched():
    relaxed, model = disturbed_gas()
    core = in_r500c(model, model.core_photons(np.random.default_rng(1)))
    still = in_r500c(model, relaxed.core_photons(np.random.default_rng(1)))
    assert_allclose(np.median(core, axis=0), [0.1, -0.05], atol=0.01)
    assert_allclose(np.median(still, axis=0), 0, atol=0.01)
    relaxed.measure = model.measure  # as many photons, so the same random numbers
    body, before = (
        in_r500c(model, m.body_photons(np.random.default_rng(2)))
        for m in (model, relaxed)
    )
    assert len(body) == len(before)
    far = np.hypot(*before.T) > 2
    # Two R500c out the gas does not slosh: stretched, it has kept its area.
    shift = body[far] - before[far] * [1.25, 0.8]
    assert np.abs(shift).max() < 0.1 / (1 + (2 / 0.3) ** 2)


@pytest.mark.parametrize("pixelize", [True, False])
def test_a_point_source_is_centered_after_the_way_to_the_sky_and_back(pixelize):
    offset = np.tile(np.radians([0.05, -0.03]), (100_000, 1))
    source = instrument.Photons(offset, np.ones(len(offset)))
    telescope = instrument.Telescope(pixelize=pixelize)
    seen = telescope.observe(source, np.random.default_rng(0))
    shift = np.mean(seen.offset, axis=0) - offset[0]
    assert np.abs(shift).max() < 0.1 * PIXEL


def test_half_of_the_photons_lie_within_the_half_energy_width():
    radius = instrument.psf_radius(np.random.default_rng(0).random(100_000), hew=30.0)
    assert_allclose(np.mean(radius < 15.0), 0.5, atol=0.015)
    assert_array_equal(instrument.psf_radius([0.3, 0.9], hew=0.0), 0.0)


def test_field_agn_bring_the_flux_of_their_number_counts():
    def flux(low, high, slope):
        # Integral of S dN for N(>S) = N0 (S/S0)^slope, per square degree.
        number = 200 * (10 / 7) ** -1.5 * 1e-14
        x = np.array([low, high]) / 1e-14
        return number * slope / (slope + 1) * -np.diff(x ** (slope + 1))[0]

    per_degree = flux(3e-16, 1e-14, -0.9) + flux(1e-14, 1e-12, -1.5)
    rng = np.random.default_rng(0)
    counts = np.mean([len(agn.field_agn(rng)) for _ in range(100)])
    # 1.07e12 counts cm2 / erg within 0.5-2 keV; 14 % more above 2 keV.
    assert_allclose(counts, per_degree * np.pi * 0.51**2 * 2000 * 1.07e12 * 1.14,
                    rtol=0.08)  # fmt: skip
