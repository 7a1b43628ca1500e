"""Mock surveys under real skies: evenly scanned, exposed unevenly, listed with errors."""

import inspect
import os
import re
from pathlib import Path

import numpy as np
import pytest
from astropy import units as u
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from scipy.integrate import quad

from skcluster import ClusterSample, add_catalog_errors, read_image, read_sample
from skcluster.cli import main, simulate
from skcluster.cosmology import comoving_distance, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.datasets.instrument import (
    BACKGROUND,
    BACKGROUND_RATE,
    FIELD_RADIUS,
    mean_vignetting,
    vignetting,
)
from skcluster.datasets.skies import PAPER, SKIES, ScannedSphere

DATA = Path(os.environ.get("SKCLUSTER_DATA", Path(__file__).parents[2] / "shared/data"))
C = 299792.458  # km/s


def make(n=12, **parameters):
    return make_mock_survey(n, random_state=5, **{"galaxies": False, **parameters})


def radius_of(sample):
    """Distance of each photon from its center [arcmin]."""
    photons = sample.photons
    x, y = sky_to_plane(
        photons["ra"], photons["dec"], *sample.center.T, repeats=photons.lengths
    )
    return np.degrees(np.hypot(x, y)) * 60


class TestArea:
    @pytest.mark.parametrize("energy", [0.7, 1.3, 2.0, 5.0, 9.0])
    def test_a_scan_averages_the_vignetting_over_the_field(self, energy):
        def of_ring(x):
            return 2 * x * vignetting(np.radians(x * FIELD_RADIUS), energy)

        assert_allclose(mean_vignetting(energy), quad(of_ring, 0, 1)[0], rtol=1e-6)

    def test_soft_photons_at_the_center_are_as_many_as_on_the_axis(self):
        settings = {"agn": False, "background": 0.0, "exposure": 4000.0}
        counts = []
        for area in ("axis", "survey"):
            sample = make(40, area=area, **settings).sample
            near, energy = radius_of(sample) < 1.5, sample.photons["energy"]
            counts.append([np.sum(near & (energy < 1.2)), np.sum(near & (energy > 2))])
        (soft, hard), (soft_scan, hard_scan) = np.array(counts, float)
        # Within 1.5' the vignetting of the axis is 1 - 0.7 * 1' / 30.6' on average.
        assert_allclose(soft_scan / soft, 1 / 0.98, atol=4 * np.sqrt(2 / soft))
        expected = mean_vignetting(3.0) / mean_vignetting(1.0)
        assert_allclose(hard_scan / hard, expected, rtol=0.1)

    def test_the_background_of_a_scan_is_that_of_the_open_time(self):
        survey = make(40, area="survey", background=1.0, exposure=1300.0, agn=False)
        sample = survey.sample
        is_background = sample.photons["origin"] == 2
        expected = 5.52e-3 * 1300 / 0.5333 * np.pi * (60 * sample.field_radius) ** 2
        found = np.asarray(survey.catalog["n_background"], float)
        assert_allclose(found.sum(), expected.sum(), atol=4 * np.sqrt(expected.sum()))
        # Poisson from cluster to cluster, and flat over the field.
        chi2 = np.sum((found - expected) ** 2 / expected)
        assert stats.chi2(40).cdf(chi2) == pytest.approx(0.5, abs=0.499)
        share = radius_of(sample) / np.repeat(
            60 * sample.field_radius, sample.photons.lengths
        )
        assert stats.kstest(share[is_background][::50] ** 2, "uniform").pvalue > 1e-3

    def test_photons_of_a_scan_are_listed_as_far_as_maps_reach(self):
        sample = make(area="survey", exposure=1000.0).sample
        distance = comoving_distance(sample.redshift)
        reach = distance * np.radians(sample.field_radius)
        assert_allclose(reach[sample.redshift > 0.12], 3.5, rtol=1e-9)
        assert (reach[sample.redshift < 0.12] <= 3.5).all()

    @pytest.mark.parametrize("band", [(0.6, 2.2), (2.2, 7.0)])
    def test_the_background_is_like_that_of_another_real_field(self, band):
        folder = DATA / "efeds"
        if not folder.is_dir():
            pytest.skip("needs the real field of eFEDS")
        bright, faint = SkyCoord([140.3385, 140.0918], [3.2906, 3.0186], unit="deg")

        def is_blank(place):
            far = place.separation(bright) > 0.2 * u.deg
            return far & (place.separation(faint) > 0.06 * u.deg)

        mask = read_image(folder / "mask.fits.gz")
        pixels = mask.wcs.pixel_to_world(*np.nonzero(mask.values)[::-1])
        area = is_blank(pixels).sum() * (4 / 60) ** 2
        events = Table.read(folder / "efeds_example_events.fits")
        low, high = 1000 * np.array(band)
        kept = (events["MASK"] == 1) & (events["EMIN"] >= low)
        events = events[kept & (events["EMAX"] <= high)]
        found = is_blank(SkyCoord(events["RA"], events["DEC"], unit="deg")).sum()
        # At the vignetted exposure of its cluster in the catalog.
        share = np.diff(np.interp(band, *BACKGROUND.T))[0] / BACKGROUND[-1, 1]
        expected = BACKGROUND_RATE * share * 1437 / 0.5333 * area
        assert_allclose(found, expected, rtol=0.25)


class TestExposures:
    def test_a_distribution_is_drawn_from_by_each_cluster_for_itself(self):
        distribution = stats.uniform(1000, 500)
        few, many = (make(n, exposure=distribution).sample for n in (30, 60))
        assert_array_equal(few.exposure, many.exposure[:30])
        assert stats.kstest(many.exposure, distribution.cdf).pvalue > 1e-3

    def test_a_scan_through_the_poles_exposes_them_longest(self):
        rng = np.random.default_rng(0)
        place = rng.normal(size=(200_000, 3))
        sine = np.abs(place[:, 2]) / np.linalg.norm(place, axis=1)
        expected = 107 / np.cos(np.arcsin(sine[sine < 0.98]))
        share = np.linspace(0.01, 0.99, 50)
        found = ScannedSphere(107.0, 0.98).ppf(share)
        assert_allclose(found, np.quantile(expected, share), rtol=0.02)

    def test_exposures_of_efeds_have_the_mean_of_the_survey(self):
        share = (np.arange(10_000) + 0.5) / 10_000
        exposure = SKIES["eFEDS"]["exposure"].ppf(share)
        assert_allclose(exposure.mean(), 1300, rtol=0.02)
        assert_allclose(np.mean(exposure < 500), 0.1, atol=1e-3)


class TestPresets:
    @pytest.mark.parametrize("sky", ["eFEDS", "eRASS1"])
    def test_a_sky_is_the_survey_of_its_parameters(self, sky):
        together, one_by_one = make(6, sky=sky), make(6, **SKIES[sky])
        assert_array_equal(
            together.sample.photons["ra"], one_by_one.sample.photons["ra"]
        )
        assert_array_equal(together.sample.redshift, one_by_one.sample.redshift)
        assert_array_equal(together.sample.exposure, one_by_one.sample.exposure)

    def test_what_is_given_overrides_the_sky(self):
        survey = make(6, sky="eFEDS", exposure=900.0, background=0.0, center_error=0.0)
        assert_array_equal(survey.sample.exposure, 900.0)
        assert survey.catalog["n_background"].sum() == 0
        true = np.column_stack([survey.catalog["ra"], survey.catalog["dec"]])
        assert_array_equal(survey.sample.center, true)
        assert (survey.sample.redshift != survey.catalog["redshift"]).all()

    def test_the_description_says_which_sky_and_what_it_set(self):
        description = make(2, sky="eRASS1", background=0.5).DESCR
        for words in (
            "sky=eRASS1",
            "background=0.5",
            "area=survey",
            "center_error=20.0",
            "redshift_error=0.005",
            'sky="eRASS1" has set',
        ):
            assert words in description
        assert "has set" not in make(2).DESCR

    def test_the_docstring_has_the_numbers_of_the_skies(self):
        row = r"``(\w+)``(?: \[s\])? +(\S+) +(.+?)  +(.+)"
        rows = re.findall(row, inspect.getdoc(make_mock_survey).split("What a sky")[1])
        table = {
            name: dict(zip(("eFEDS", "eRASS1"), cells[1:], strict=True))
            for name, *cells in rows
        }
        assert set(table) == set(SKIES["eFEDS"]) == set(SKIES["eRASS1"])
        assert set(table) == set(PAPER)
        for name in set(table) - {"exposure"}:
            for sky, cell in table[name].items():
                assert cell.strip().strip('"') == f"{SKIES[sky][name]!s}".removesuffix(
                    ".0"
                )
        low, high = SKIES["eFEDS"]["exposure"].ppf([0.0, 1.0])
        assert table["exposure"]["eFEDS"].startswith(f"{low:g} to {high:g}")
        assert table["exposure"]["eRASS1"].startswith("107 / cos")
        assert SKIES["eRASS1"]["exposure"].equator == 107

    def test_clusters_of_a_shallow_survey_have_few_photons(self):
        survey = make(60, sky="eRASS1")
        assert 30 < np.median(survey.catalog["n_icm"]) < 120
        assert (survey.catalog["n_background"] > survey.catalog["n_icm"]).mean() > 0.9

    def test_dither_yields_where_there_are_no_pixels(self):
        assert "dither=False" in make(1, sky="eFEDS", pixelize=False).DESCR

    @pytest.mark.parametrize(
        ("parameters", "message"),
        [
            ({"sky": "XXL"}, r"sky must be one of \['eFEDS', 'eRASS1'\] or None"),
            ({"area": "sky"}, r"area must be one of \['axis', 'survey'\], got 'sky'"),
            ({"agn": 1.5}, r"agn must be True or False or in \[0, 1\], got 1\.5"),
            ({"field_agn": 1e-20}, r"field_agn must be .* in \[3e-16, 1e-12\)"),
            ({"center_error": -1}, r"center_error must be in \[0, 3600\], got -1"),
            ({"redshift_error": 1}, r"redshift_error must be in \[0, 0\.2\], got 1"),
        ],
    )
    def test_senseless_skies_are_refused(self, parameters, message):
        with pytest.raises(ValueError, match=message):
            make(1, **parameters)


def test_the_command_knows_the_same_skies(tmp_path):
    assert sorted(simulate.SKIES) == sorted(SKIES)
    command = ["simulate", str(tmp_path / "new"), "--clusters=2", "--sky=eRASS1"]
    assert main([*command, "--background=0"]) == 0
    sample, _ = read_sample(tmp_path / "new" / "clusters.ecsv")
    expected = make_mock_survey(2, random_state=0, sky="eRASS1", background=0.0).sample
    assert_allclose(sample.exposure, expected.exposure)
    assert_allclose(sample.field_radius, expected.field_radius)
    assert_array_equal(sample.photons.lengths, expected.photons.lengths)


class TestActiveNuclei:
    def test_a_tenth_of_the_abundance_is_a_tenth_of_the_sources(self):
        settings = {"psf_hew": 0, "pixelize": False, "background": 0.0}
        n_sources = []
        for agn in (True, 0.1):
            photons = make(60, agn=agn, **settings).sample.photons
            place = photons["ra"][photons["origin"] == 1]
            n_sources.append(len(np.unique(place.round(7))))
        assert_allclose(n_sources[1] / n_sources[0], 0.1, rtol=0.35)

    def test_full_and_no_abundance_are_true_and_false(self):
        for number, boolean in ((1.0, True), (0.0, False)):
            by_number, by_name = make(3, agn=number), make(3, agn=boolean)
            assert_array_equal(by_number.catalog["n_agn"], by_name.catalog["n_agn"])

    def test_field_agn_above_a_flux_are_fewer(self):
        n = [
            np.median(make(5, agn=False, field_agn=flux).catalog["n_agn"])
            for flux in (True, 6.5e-15, 1e-13)
        ]
        assert n[0] > n[1] > n[2] > 0


class TestCatalogErrors:
    def galaxies(self, n=300):
        rng = np.random.default_rng(1)
        table = {"x": rng.uniform(-1, 1, n), "y": rng.uniform(-1, 1, n)}
        table["v"] = rng.normal(0, 800, n)
        center = [[350.0, 20.0], [10.0, -30.0]]
        return ClusterSample([0.1, 0.4], center=center, galaxies=[table, table])

    def sky_of(self, sample):
        """Places on the sky [deg] and redshifts of galaxies, cluster by cluster."""
        for row in range(len(sample)):
            galaxies, z = sample.galaxies.table(row), sample.redshift[row]
            distance = comoving_distance([z])[0]
            center = SkyCoord(*sample.center[row], unit="deg")
            # x is the gnomonic coordinate to the West, so RA falls with it.
            x, y = -galaxies["x"] / distance, galaxies["y"] / distance
            angle = np.arctan2(x, y) * u.rad
            place = center.directional_offset_by(
                angle, np.arctan(np.hypot(x, y)) * u.rad
            )
            yield place, z + (1 + z) * galaxies["v"] / C

    def test_galaxies_stay_where_they_are_on_the_sky(self):
        sample = self.galaxies()
        listed = add_catalog_errors(
            sample, center_error=30, redshift_error=0.02, random_state=0
        )
        assert (listed.center != sample.center).all()
        for before, after in zip(self.sky_of(sample), self.sky_of(listed), strict=True):
            assert before[0].separation(after[0]).arcsec.max() < 0.5
            assert_allclose(before[1], after[1], rtol=1e-12)

    def test_errors_have_their_standard_deviations(self):
        n = 4000
        rng = np.random.default_rng(0)
        center = np.column_stack([rng.uniform(0, 360, n), rng.uniform(-60, 60, n)])
        redshift = rng.uniform(0.3, 0.5, n)
        sample = ClusterSample(redshift, center=center)
        listed = add_catalog_errors(
            sample, center_error=20, redshift_error=0.01, random_state=0
        )
        old, new = (SkyCoord(*each.center.T, unit="deg") for each in (sample, listed))
        apart = old.separation(new).arcsec
        assert stats.kstest(apart, stats.rayleigh(scale=20).cdf).pvalue > 1e-3
        scaled = (listed.redshift - redshift) / (0.01 * (1 + redshift))
        assert stats.kstest(scaled, "norm").pvalue > 1e-3
        # In directions of equal rank.
        angle = old.position_angle(new).rad / (2 * np.pi)
        assert stats.kstest(angle, "uniform").pvalue > 1e-3

    def test_errors_of_one_seed_are_stretched(self):
        sample = self.galaxies()
        small, large = (
            add_catalog_errors(sample, redshift_error=e, random_state=3).redshift
            for e in (0.005, 0.02)
        )
        assert_allclose(large - sample.redshift, 4 * (small - sample.redshift))

    def test_no_error_changes_nothing(self):
        sample = self.galaxies()
        assert add_catalog_errors(sample, random_state=0) is sample

    def test_redshifts_stay_positive(self):
        sample = ClusterSample(np.full(2000, 0.02))
        listed = add_catalog_errors(sample, redshift_error=0.02, random_state=0)
        assert_allclose(listed.redshift.min(), 0.002)

    @pytest.mark.parametrize("seed", range(4))
    def test_velocities_about_half_the_redshift_are_no_mistake(self, seed):
        """Of 400 clusters some seem to be at half their distance, where v looks like cz."""
        rng = np.random.default_rng(seed)
        galaxies = [{"x": [0.0] * 9, "y": [0.0] * 9, "v": rng.normal(0, 500, 9)}] * 400
        sample = ClusterSample(np.full(400, 0.15), galaxies=galaxies)
        listed = add_catalog_errors(sample, redshift_error=0.06, random_state=seed)
        z = listed.redshift[listed.galaxies.cluster]
        assert (np.abs(listed.galaxies["v"] - C * z) < 1000).any()
        assert_allclose(
            z + (1 + z) * listed.galaxies["v"] / C,
            0.15 + 1.15 * sample.galaxies["v"] / C,
        )

    def test_errors_of_a_survey_are_those_of_its_catalog(self):
        survey = make(80, center_error=10.0, redshift_error=0.01, agn=False)
        true = SkyCoord(survey.catalog["ra"], survey.catalog["dec"], unit="deg")
        apart = true.separation(SkyCoord(*survey.sample.center.T, unit="deg")).arcsec
        assert stats.kstest(apart, stats.rayleigh(scale=10).cdf).pvalue > 1e-3
        z = np.asarray(survey.catalog["redshift"])
        scaled = (survey.sample.redshift - z) / (0.01 * (1 + z))
        assert stats.kstest(scaled, "norm").pvalue > 1e-3
        plain = make(80, agn=False)
        assert_array_equal(survey.sample.photons["ra"], plain.sample.photons["ra"])

    def test_a_center_error_needs_centers(self):
        with pytest.raises(ValueError, match=r"center_error=.* needs .*center"):
            add_catalog_errors(ClusterSample([0.1]), center_error=10)
