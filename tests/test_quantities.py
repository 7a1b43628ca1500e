"""Quantities, sky coordinates and data frames, wherever numbers with units go in or out."""

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from astropy.cosmology.units import littleh
from astropy.table import QTable
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import LinearRegression
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    EvrardProxyRegressor,
    FixedPowerLawRegressor,
    MorphologyMeasurer,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RingProfiler,
    rotate,
)
from skcluster.cosmology import (
    comoving_length,
    mass_within_r500c,
    plane_to_sky,
    r500c_of_mass,
    sky_to_plane,
)
from skcluster.metrics import dex_to_percent, gaussian_pit, mass_scatter
from skcluster.model_selection import octants
from skcluster.posterior import MassPosterior, mass_density


class TestQuantities:
    def test_physical_lengths_and_angles_become_comoving(self):
        redshift = np.array([0.1, 0.3])
        cosmology = FlatLambdaCDM(70, 0.3)
        length = comoving_length([900.0, 500.0] * u.kpc, redshift, cosmology)
        assert_allclose(length, [0.9 * 1.1 * 0.7, 0.5 * 1.3 * 0.7])
        separation = cosmology.kpc_comoving_per_arcmin(redshift) * (4 * u.arcmin)
        expected = separation.to_value("Mpc") * 0.7
        assert_allclose(comoving_length(4 * u.arcmin, redshift, cosmology), expected)
        over_h = comoving_length([900.0, 500.0] * u.kpc / littleh, redshift)
        assert_allclose(over_h, [0.9, 0.5])
        sample = ClusterSample(redshift, r500c=length)
        assert_allclose(sample.r500c, length)
        with pytest.raises(
            ValueError, match=r"r500c has the unit 'kpc'.*comoving_length"
        ):
            ClusterSample(redshift, r500c=[900.0, 500.0] * u.kpc)
        with pytest.raises(ValueError, match=r"needs a length with a unit, got 0\.9"):
            comoving_length(0.9, redshift)
        with pytest.raises(ValueError, match="The length has the unit 'keV'"):
            comoving_length(0.9 * u.keV, redshift)

    @pytest.mark.parametrize(
        "refuse",
        [
            lambda y: EvrardProxyRegressor().fit(y.value[:, None], y),
            lambda y: FixedPowerLawRegressor().fit(np.ones((9, 2)), y),
            lambda y: CalibratedMassRegressor(LinearRegression()).fit(y[:, None], y),
            lambda y: mass_scatter(y, y.value),
            lambda y: gaussian_pit(y, y.value, np.ones(9)),
        ],
    )
    def test_masses_without_h_are_refused(self, refuse):
        y = np.linspace(13.5, 15, 9) * u.dex(u.Msun)
        with pytest.raises(ValueError, match=r"has the unit 'dex\(solMass\)'"):
            refuse(y)

    @pytest.mark.parametrize(
        "refuse",
        [
            lambda error: dex_to_percent(error),
            lambda error: gaussian_pit([14.0, 15.0], [14.0, 15.0], error),
            lambda error: MassPosterior.from_gaussians([14.0, 15.0], error),
        ],
    )
    def test_errors_in_percent_are_refused(self, refuse):
        with pytest.raises(ValueError, match="has the unit '%', which cannot be"):
            refuse(20 * u.percent)
        refuse(0.1 * u.dex)

    def test_posteriors_and_densities_of_masses_without_h_are_refused(self):
        masses = [14.0, 14.5] * u.dex(u.Msun)
        for refuse in (mass_density, lambda m: MassPosterior.from_gaussians(m, 0.1)):
            with pytest.raises(ValueError, match=r"has the unit 'dex\(solMass\)'"):
                refuse(masses)
            refuse(masses.value * u.dex(u.Msun / littleh))

    def test_masses_over_h_are_taken(self):
        rng = np.random.default_rng(0)
        log_mass = rng.uniform(13.5, 15, 50)
        X = log_mass[:, None] + rng.normal(0, 0.1, (50, 1))
        with_unit = log_mass * u.dex(u.Msun / littleh)
        scatter = EvrardProxyRegressor().fit(X, with_unit).scatter_
        assert scatter == EvrardProxyRegressor().fit(X, log_mass).scatter_
        assert mass_scatter(with_unit, X[:, 0]) == mass_scatter(log_mass, X[:, 0])

    def test_angles_are_converted(self):
        galaxies = [{"x": [1.0], "y": [0.0], "v": [300.0]}]
        sample = ClusterSample([0.1], galaxies=galaxies)
        turned = rotate(sample, np.pi / 2 * u.rad).galaxies
        assert_allclose([turned["x"][0], turned["y"][0]], [0, 1], atol=1e-12)
        degrees = sky_to_plane(9.9, 45.1, 10.0, 45.0)
        angles = np.radians([9.9, 45.1, 10.0, 45.0]) * u.rad
        assert_allclose(sky_to_plane(*angles), degrees, rtol=1e-9)
        back = plane_to_sky(*(degrees * u.rad).to("arcmin"), *angles[2:])
        assert_allclose(back, [9.9, 45.1])

    def test_masses_radii_and_positions_are_converted_or_refused(self):
        assert_allclose(
            mass_within_r500c([700.0] * u.kpc / littleh, [0.2]),
            mass_within_r500c([0.7], [0.2]),
        )
        assert_allclose(
            r500c_of_mass([1e14] * u.Msun / littleh, [0.2]),
            r500c_of_mass([1e14], [0.2]),
        )
        with pytest.raises(ValueError, match=r"'solMass', .* converted to Msun/h"):
            r500c_of_mass([1e14] * u.Msun, [0.2])
        place = np.array([[10.0, 10.0, 10.0], [300.0, 10.0, 10.0]])
        assert_array_equal(octants(1e3 * place * u.kpc / littleh), octants(place))
        with pytest.raises(ValueError, match="position has the unit 'Mpc', but"):
            octants(place * u.Mpc)
        with pytest.raises(ValueError, match="groups has the unit 'Mpc', but"):
            QuadrantGroupKFold().get_n_splits(groups=place * u.Mpc)

    def test_sky_coordinates_in_lists_are_ra_and_dec(self):
        sky = SkyCoord([10.0, 10.1], [1.0, 1.1], unit="deg")
        events = QTable({"at": sky.galactic, "energy": [1000.0, 2000.0] * u.eV})
        photons = ClusterSample([0.1], center=sky[:1], photons=[events]).photons
        assert_allclose(photons["ra"], sky.ra.deg)
        assert_allclose(photons["dec"], sky.dec.deg)
        assert_allclose(photons["energy"], [1.0, 2.0])
        both = QTable(
            {"at": sky.galactic, "ra": [5.0, 5.0] * u.deg, "dec": [1, 1] * u.deg}
        )
        both["energy"] = [1.0, 2.0] * u.keV
        named = ClusterSample([0.1], center=[[5, 1]], photons=[both]).photons
        assert_array_equal(named["ra"], [5.0, 5.0])


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_every_table_of_numbers_can_be_a_data_frame(library, sample):
    pytest.importorskip(library)
    maps = PhotonMapper(n_pixels=64).transform(sample[:4])
    for measurer in (ProxyMeasurer(), RingProfiler(), MorphologyMeasurer()):
        plain = clone(measurer).fit_transform(maps)
        frame = clone(measurer).set_output(transform=library).fit_transform(maps)
        assert type(frame).__module__.startswith(library)
        assert list(frame.columns) == list(measurer.fit(maps).get_feature_names_out())
        assert_array_equal(frame.to_numpy(), plain)
    # A pipeline hands the choice on, past the steps that make samples.
    pipeline = make_pipeline(PhotonMapper(n_pixels=64), RingProfiler())
    frame = pipeline.set_output(transform=library).fit_transform(sample[:4])
    assert list(frame.columns) == list(pipeline[-1].get_feature_names_out())
    by_name = EvrardProxyRegressor(redshift_column="redshift", redshift_bins=1)
    observables = ProxyMeasurer(proxies=["n_phot"], with_redshift=True)
    table = observables.set_output(transform=library).fit_transform(sample)
    fitted = by_name.fit(table, np.log10(1e14 * np.exp(table["n_phot"].to_numpy() / 9)))
    assert list(fitted.feature_names_in_) == list(table.columns)
