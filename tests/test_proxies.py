"""Scalar proxies against closed forms, slow loops and astropy.stats."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import WMAP7, Planck18
from astropy.stats import sigma_clip
from astropy.table import Table
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone

from skcluster import (
    ClusterSample,
    PhaseSpaceKDE,
    PhotonMapper,
    ProxyMeasurer,
    gapper_dispersion,
    read_photons,
)
from skcluster.proxies import clip_velocities

velocities = arrays(float, st.integers(2, 30), elements=st.floats(-4000, 4000))


def measured(sample, *names, **parameters):
    """The proxies themselves, not their logarithms: one array per name."""
    return np.exp(ProxyMeasurer(proxies=names, **parameters).fit_transform(sample)).T


def projected_radii(sample, cosmology=WMAP7):
    """Radius of each cluster's photons from 0.5 to 10 keV [Mpc/h] by astropy."""
    for i, (redshift, center) in enumerate(
        zip(sample.redshift, sample.center, strict=True)
    ):
        photons = sample.photons.table(i)
        sky = SkyCoord(photons["ra"], photons["dec"], unit="deg")
        angle = sky.separation(SkyCoord(*center, unit="deg")).rad
        distance = cosmology.comoving_distance(redshift).value * cosmology.h
        in_band = (photons["energy"] >= 0.5) & (photons["energy"] < 10)
        yield distance * np.tan(angle[in_band])


def members(galaxies, radius_max=1.25, speed_max=2000.0):
    """Velocities that survive the paper's cuts and astropy's clipping."""
    radius = np.hypot(galaxies["x"], galaxies["y"])
    v = galaxies["v"]
    v = v[(radius <= radius_max) & (np.abs(v) <= speed_max)]
    return sigma_clip(v, sigma=3, maxiters=5, masked=False)


def textbook_gapper(velocity):
    v, n = sorted(velocity), len(velocity)
    weighted = sum(i * (n - i) * (v[i] - v[i - 1]) for i in range(1, n))
    return np.pi**0.5 / (n * (n - 1)) * weighted


@pytest.mark.parametrize(
    ("velocity", "dispersion"),
    [
        ([0.0, 2.0], np.sqrt(np.pi)),
        ([3.0, 0.0, 1.0], np.sqrt(np.pi)),  # sqrt(pi) / 6 * (2 * 1 + 2 * 2)
        (np.arange(10.0), np.sqrt(np.pi) * 11 / 6),  # sum of i (n - i) = n (n² - 1) / 6
        ([5.0, 5.0, 5.0], 0.0),
    ],
)
def test_gapper_by_hand(velocity, dispersion):
    assert_allclose(gapper_dispersion(velocity), dispersion)


def test_gapper_recovers_a_gaussian_dispersion():
    velocity = np.random.default_rng(0).normal(0, 800.0, 20_000)
    assert_allclose(gapper_dispersion(velocity), 800.0, rtol=0.02)


@given(velocities)
def test_gapper_is_the_textbook_sum(velocity):
    expected = textbook_gapper(velocity)
    assert_allclose(gapper_dispersion(velocity), expected, rtol=1e-9, atol=1e-9)


@given(velocities, st.floats(-1e4, 1e4), st.floats(0.1, 10))
def test_gapper_ignores_a_shift_and_follows_a_stretch(velocity, shift, stretch):
    moved = gapper_dispersion(stretch * velocity + shift)
    assert_allclose(moved, stretch * gapper_dispersion(velocity), rtol=1e-7, atol=1e-6)


def test_gapper_of_one_velocity_is_an_error():
    with pytest.raises(ValueError, match="at least 2 velocities, got 1"):
        gapper_dispersion([1.0])


def test_gapper_of_a_missing_velocity_is_an_error():
    with pytest.raises(ValueError, match="must be finite, got NaN"):
        gapper_dispersion([1.0, np.nan, 3.0])


@pytest.mark.parametrize("n_iterations", [1, 2, 5])
@pytest.mark.parametrize("seed", range(5))
def test_clipping_is_astropys(seed, n_iterations):
    velocity = np.random.default_rng(seed).standard_t(2, 200) * 300
    expected = sigma_clip(velocity, sigma=3, maxiters=n_iterations, masked=False)
    assert 150 < len(expected) < 200
    clipped = clip_velocities(velocity, n_sigma=3, max_iterations=n_iterations)
    assert_array_equal(clipped, np.sort(expected))


@given(velocities)
def test_clipping_keeps_some_velocities_and_invents_none(velocity):
    clipped = clip_velocities(velocity)
    assert 0 < len(clipped) <= len(velocity)
    assert set(clipped) <= set(velocity)


def test_coma_has_its_published_velocity_dispersion(data_folder):
    table = np.genfromtxt(data_folder / "coma" / "coma_sample.txt", names=True)
    velocity = table["vlos"][table["dproj"] <= 2.0]
    dispersion = gapper_dispersion(clip_velocities(velocity))
    assert_allclose(dispersion, 945, atol=15)
    assert_allclose(dispersion, 947, rtol=0.03)  # Sohn et al. 2017


def test_photons_are_those_of_a_slow_count(sample):
    n_phot, n_phot_500c = measured(sample, "n_phot", "n_phot_500c")
    radii = list(projected_radii(sample))
    expected = [(radius <= 2.3).sum() for radius in radii]
    assert_allclose(n_phot, expected)
    expected = [
        (radius <= r500c).sum()
        for radius, r500c in zip(radii, sample.r500c, strict=True)
    ]
    assert_allclose(n_phot_500c, expected)


def test_apertures_and_cosmology_are_parameters(sample):
    parameters = {"half_width": 0.8, "radius_factor": 2.0, "cosmology": Planck18}
    n_phot, n_phot_500c = measured(sample, "n_phot", "n_phot_500c", **parameters)
    radii = list(projected_radii(sample, Planck18))
    assert_allclose(n_phot, [(radius <= 0.8).sum() for radius in radii])
    expected = [
        (radius <= 2 * r500c).sum()
        for radius, r500c in zip(radii, sample.r500c, strict=True)
    ]
    assert_allclose(n_phot_500c, expected)


def test_photons_outside_of_the_band_are_not_counted():
    energy = np.repeat(
        [0.29, 10.0, 25.0, 0.5, 1.5, 9.99], [500, 500, 400, 100, 300, 100]
    )
    photons = {"ra": np.full(1900, 10.0), "dec": np.zeros(1900), "energy": energy}
    sample = ClusterSample([0.2], center=[[10.0, 0.0]], r500c=[0.6], photons=[photons])
    names = ("n_phot", "n_phot_500c")
    assert_allclose(measured(sample, *names), [[500], [500]])
    assert_allclose(measured(sample, *names, band=(0.5, 1.5)), [[100], [100]])
    assert_allclose(measured(sample, *names, band=(0.0, np.inf)), [[1900], [1900]])


def test_bands_that_partition_a_range_share_its_photons(sample):
    bands = [(0.5, 1.2), (1.2, 2.0), (2.0, 10.0)]
    parts = [measured(sample, "n_phot", band=band) for band in bands]
    assert_allclose(np.sum(parts, axis=0), measured(sample, "n_phot"))


def test_a_proxy_counts_the_photons_of_the_map(sample):
    # One circle lies around the map's square, and one inside of it.
    bands = [(0.5, 2.0), (2.0, 7.0)]
    total = PhotonMapper(bands=bands, n_pixels=8).transform(sample).maps
    total = np.asarray(total).sum(axis=(2, 3)).T
    for counted, band in zip(total, bands, strict=True):
        (around,) = measured(sample, "n_phot", half_width=2.3 * 2**0.5, band=band)
        (inside,) = measured(sample, "n_phot", half_width=2.3, band=band)
        assert (np.round(inside) <= counted).all()
        assert (counted <= np.round(around)).all()


def test_efeds_photons_are_counted_in_the_band_of_the_network(data_folder):
    path = data_folder / "efeds" / "efeds_example_events.fits"
    center, redshift = (140.3385, 3.2906), 0.333
    events = Table.read(path)
    sky = SkyCoord(events["RA"], events["DEC"], unit="deg")
    angle = sky.separation(SkyCoord(*center, unit="deg")).rad
    radius = WMAP7.comoving_distance(redshift).value * WMAP7.h * np.tan(angle)
    in_band = (events["PI"] >= 500) & (events["PI"] < 10_000)
    assert ((radius <= 2.3).sum(), (in_band & (radius <= 2.3)).sum()) == (5035, 4097)
    sample = ClusterSample([redshift], center=[center], photons=[read_photons(path)])
    assert_allclose(measured(sample, "n_phot"), [[4097]])
    assert_allclose(measured(sample, "n_phot", band=(0.0, np.inf)), [[5035]])


def test_a_photon_anywhere_else_on_the_sky_is_outside():
    photons = {"ra": [10.0, 190.0, 100.0], "dec": [0.0, 0.0, 80.0], "energy": [1.0] * 3}
    sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    assert_allclose(measured(sample, "n_phot"), [[1]])


def test_galaxy_proxies_are_a_loop_over_clusters_with_astropys_clipping(sample):
    n_gal, sigma_v = measured(sample, "n_gal", "sigma_v")
    survivors = [members(sample.galaxies.table(i)) for i in range(len(sample))]
    assert_allclose(n_gal, [len(v) for v in survivors])
    assert_allclose(sigma_v, [textbook_gapper(v) for v in survivors])


def test_cuts_and_clipping_all_take_their_part():
    v = np.concatenate([np.linspace(-100, 100, 21), [900.0, 2001.0, 50.0]])
    x = np.concatenate([np.zeros(23), [1.0]])
    y = np.concatenate([np.zeros(23), [0.8]])
    # 900 is clipped, 2001 too fast, the last one 1.28 Mpc/h away.
    sample = ClusterSample([0.2], galaxies=[{"x": x, "y": y, "v": v}])
    n_gal, sigma_v = measured(sample, "n_gal", "sigma_v")
    assert_allclose(n_gal, [21])
    assert_allclose(sigma_v, [np.sqrt(np.pi) * 10 * 22 / 6])


def test_galaxies_on_a_cut_are_members():
    galaxies = {"x": [1.25, 0.0], "y": [0.0, -1.25], "v": [2000, -2000]}
    sample = ClusterSample([0.2], galaxies=[galaxies])
    assert_allclose(
        measured(sample, "n_gal", "sigma_v").ravel(), [2, 2000 * np.pi**0.5]
    )


def test_galaxies_below_the_papers_stellar_mass_are_not_members():
    masses = [9.5, 9.49, 11.0, np.nan, 10.0]
    velocity = [-100.0, 1.0, 100.0, 2.0, 0.0]
    galaxies = {"x": [0.0] * 5, "y": [0.0] * 5, "v": velocity}
    without = ClusterSample([0.2], galaxies=[galaxies])
    sample = ClusterSample([0.2], galaxies=[{**galaxies, "log_stellar_mass": masses}])
    names = ("n_gal", "sigma_v")
    kept = [[3], [textbook_gapper([-100.0, 0.0, 100.0])]]
    assert_allclose(measured(sample, *names), kept)
    every = [[5], [textbook_gapper(velocity)]]
    assert_allclose(measured(without, *names), every)
    assert_allclose(measured(sample, *names, log_stellar_mass_min=None), every)
    assert_allclose(measured(sample, "n_gal", log_stellar_mass_min=10.5), [[1]])


def test_stellar_masses_are_in_all_galaxies_or_in_none(sample):
    """Without the column all galaxies count, which is another richness."""
    masses = np.resize([9.0, 10.0, 11.0], sample.galaxies.offsets[-1])
    weighed = sample.assign(galaxies=sample.galaxies.assign(log_stellar_mass=masses))
    measurer = ProxyMeasurer(proxies=["n_gal"]).fit(weighed)
    assert measurer.has_mass_cut_
    with pytest.raises(ValueError, match="but these have no column log_stellar_mass"):
        measurer.transform(sample)
    cut = measurer.transform(weighed)
    del measurer.has_mass_cut_  # as in files of 0.1.0
    assert_array_equal(measurer.transform(weighed), cut)
    every = measurer.transform(sample)
    assert (every > cut).any()
    with pytest.raises(
        ValueError, match="without a column log_stellar_mass, of any mass"
    ):
        measurer.fit(sample).transform(weighed)
    measurer.set_params(log_stellar_mass_min=None)
    assert_array_equal(measurer.fit(sample).transform(weighed), every)
    assert_array_equal(measurer.fit(weighed).transform(sample), every)


@pytest.mark.parametrize(
    ("of_log", "unit"),
    [(lambda m: 10**m, "masses in Msun"), (lambda m: m * np.log(10), "ln of masses")],
)
def test_stellar_masses_that_are_no_log10_are_refused(of_log, unit):
    masses = of_log(np.array([9.6, 10.0, 10.4, np.nan]))
    galaxies = {"x": np.zeros(4), "y": np.zeros(4), "v": np.arange(4.0)}
    sample = ClusterSample([0.2], galaxies=[{**galaxies, "log_stellar_mass": masses}])
    words = f"log_stellar_mass, with a median of .*, look like {unit}, but are in log10"
    with pytest.raises(ValueError, match=words):
        measured(sample, "n_gal")
    with pytest.raises(ValueError, match=words):
        PhaseSpaceKDE(n_bins=4, log_stellar_mass_min=9.5).transform(sample)


@given(st.lists(st.integers(0, 59), min_size=1, max_size=8))
def test_proxies_of_a_selection_are_the_selected_proxies(sample, rows):
    complete = ProxyMeasurer().transform(sample[:60])
    assert_array_equal(ProxyMeasurer().transform(sample[rows]), complete[rows])


@pytest.mark.parametrize("rows_per_block", [1, 700])
def test_counting_in_blocks_changes_nothing(sample, monkeypatch, rows_per_block):
    complete = ProxyMeasurer().transform(sample)
    monkeypatch.setattr("skcluster.sample.ragged.ROWS_PER_BLOCK", rows_per_block)
    assert_array_equal(ProxyMeasurer().transform(sample), complete)


def test_columns_come_in_the_order_asked_for(sample):
    default = ProxyMeasurer().fit_transform(sample)
    measurer = ProxyMeasurer(proxies=("sigma_v", "n_phot"), with_redshift=True)
    columns = measurer.fit_transform(sample)
    assert_array_equal(columns[:, :2], default[:, [3, 0]])
    assert_array_equal(columns[:, 2], sample.redshift)
    names = measurer.get_feature_names_out()
    assert list(names) == ["sigma_v", "n_phot", "redshift"]


def test_one_redshift_in_fit_is_that_of_all_clusters_after_it(sample):
    measurer = ProxyMeasurer(proxies=("n_phot",), with_redshift=True)
    snapshot = np.where(np.arange(60) % 3, 0.3, 0.3 + 1e-9)
    measurer.fit(sample.assign(redshift=snapshot))
    assert measurer.redshift_ == 0.3
    near = sample.assign(redshift=np.linspace(0.281, 0.319, 60))
    assert_array_equal(measurer.transform(near)[:, -1], np.full(60, 0.3))
    with pytest.warns(UserWarning, match="ProxyMeasurer, redshift 0.3 to 0.3 .first"):
        measurer.transform(sample)
    assert measurer.fit(sample).redshift_ is None
    # Nobody learns from one cluster, so its redshift is not that of all others.
    assert_array_equal(
        measurer.fit(sample[:1]).transform(sample)[:, -1], sample.redshift
    )


def test_without_a_photon_proxy_there_are_no_photons_to_count(sample):
    measurer = ProxyMeasurer(proxies=["n_gal", "sigma_v"])
    assert measurer.count_photons(sample) == {}
    assert measurer.count_photons(sample.drop("photons")) == {}


def test_proxies_come_as_a_data_frame_on_request(sample):
    pandas = pytest.importorskip("pandas")
    measurer = ProxyMeasurer(with_redshift=True)
    expected = measurer.fit_transform(sample)
    table = clone(measurer).set_output(transform="pandas").fit_transform(sample)
    assert isinstance(table, pandas.DataFrame)
    names = ["n_phot", "n_phot_500c", "n_gal", "sigma_v", "redshift"]
    assert list(table.columns) == names
    assert_array_equal(table.to_numpy(), expected)


def test_nothing_is_learned(sample):
    assert_array_equal(
        ProxyMeasurer().transform(sample), ProxyMeasurer().fit(sample).transform(sample)
    )


@pytest.mark.parametrize(
    ("proxy", "field", "cure"),
    [
        ("n_phot", "photons", r"give ClusterSample\(photons="),
        ("n_phot", "center", "RA and Dec in degrees"),
        ("n_phot_500c", "r500c", r"comoving R500c in Mpc/h"),
        ("n_gal", "galaxies", "one table per cluster with x, y, v"),
        ("sigma_v", "galaxies", "one table per cluster with x, y, v"),
    ],
)
def test_a_missing_field_is_named_with_its_cure(sample, proxy, field, cure):
    with pytest.raises(ValueError, match=f"ProxyMeasurer needs sample.{field}.*{cure}"):
        ProxyMeasurer(proxies=[proxy]).fit(sample.drop(field))


def test_only_the_fields_of_the_asked_proxies_are_needed(sample):
    only_galaxies = sample.drop("photons", "center", "r500c")
    assert measured(only_galaxies, "n_gal", "sigma_v").shape == (2, 60)
    assert measured(sample.drop("galaxies", "r500c"), "n_phot").shape == (1, 60)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"proxies": ("n_phot", "T")},
            r"proxies must be a list of names out of .*'n_phot_500c'.*got .*'T'",
        ),
        ({"proxies": ()}, r"proxies must be a list of names out of .*got \(\)\."),
        ({"proxies": "n_gal"}, r"got 'n_gal'\. Give a list: \['n_gal'\]"),
        ({"band": (0.5, 0.5)}, r"band must be a pair \(low, high\) in keV"),
        ({"band": (500, 10_000)}, r"\(500, 10000\) looks like eV.*keV: \(0.5, 10\)"),
        ({"with_redshift": "no"}, "with_redshift must be True or False, got 'no'"),
        (
            {"log_stellar_mass_min": "9.5"},
            "from 4 to 14 log10 Msun/h or None, got '9.5'",
        ),
        ({"log_stellar_mass_min": 10**9.5}, "It looks like masses in Msun.*log10"),
        ({"half_width": 0}, "from 0.01 to 100 comoving Mpc/h, got 0"),
        (
            {"half_width": 2.3e3},
            r"got 2300\.0\. It looks like kpc/h\. Divide it by 1000",
        ),
        ({"radius_factor": np.nan}, "from 0.01 to 50 times R500c, got nan"),
        (
            {"radius_factor": 900.0},
            r"got 900\.0\. It looks like kpc\. Divide it by R500c",
        ),
        ({"cosmology": "WMAP8"}, "Unknown cosmology 'WMAP8'"),
    ],
)
def test_a_wrong_parameter_is_named(sample, parameters, message):
    with pytest.raises(ValueError, match=message):
        ProxyMeasurer(**parameters).fit(sample)


def test_a_cluster_without_photons_has_no_logarithm(sample):
    far = sample[:3].assign(center=[[10.0, 0.0], *sample.center[1:3]])
    message = "n_phot is 0 for 1 of 3 clusters .first: cluster 0.*leave n_phot out"
    with pytest.raises(ValueError, match=message):
        measured(far, "n_phot")


@pytest.mark.parametrize("n_galaxies", [0, 1])
def test_a_cluster_with_too_few_galaxies_has_no_dispersion(sample, n_galaxies):
    few = {"x": [0.1] * n_galaxies, "y": [0.0] * n_galaxies, "v": [5.0] * n_galaxies}
    tables = [sample.galaxies.table(0), few, few]
    sample = sample[:3].assign(galaxies=tables)
    message = (
        f"at least 2 velocities, got {n_galaxies} .in 2 of 3 clusters, first: "
        "cluster 1.*leave sigma_v out of proxies"
    )
    with pytest.raises(ValueError, match=message):
        measured(sample, "sigma_v")
    if n_galaxies == 0:
        with pytest.raises(ValueError, match="n_gal is 0 for 2 of 3 clusters"):
            measured(sample, "n_gal")
    else:
        assert_allclose(measured(sample, "n_gal")[0, 1:], 1)


def test_the_measurer_takes_nothing_but_a_sample(sample):
    with pytest.raises(
        TypeError, match="ProxyMeasurer takes a ClusterSample, got list"
    ):
        ProxyMeasurer().fit([sample])
    with pytest.raises(ValueError, match=r"0 sample\(s\) .* by ProxyMeasurer"):
        ProxyMeasurer().fit(sample[:0])


class TestFixedRadius:
    def sample(self, **fields):
        rng = np.random.default_rng(4)
        n = 3000
        ra, dec = 20 + rng.normal(0, 0.1, (2, n))
        photons = [{"ra": ra, "dec": dec, "energy": np.ones(n)}] * 2
        return ClusterSample(
            [0.1, 0.3], center=[[20.0, 20.0]] * 2, photons=photons, **fields
        )

    @pytest.mark.parametrize(("radius", "factor"), [(0.6, 1.0), (0.3, 2.0)])
    def test_the_same_radius_holds_the_photons_of_all_clusters(self, radius, factor):
        sample = self.sample()
        (found,) = measured(sample, "n_phot_500c", r500c=radius, radius_factor=factor)
        expected = [np.sum(r <= radius * factor) for r in projected_radii(sample)]
        assert_allclose(found, expected)
        assert found[0] > found[1] > 100

    def test_the_radius_of_the_sample_is_not_read(self):
        known = self.sample(r500c=[1.0, 0.2])
        assert_array_equal(
            *(
                measured(each, "n_phot_500c", r500c=0.5)
                for each in (known, self.sample())
            )
        )
        with pytest.raises(ValueError, match=r"ProxyMeasurer needs .*r500c"):
            measured(self.sample(), "n_phot_500c")

    @pytest.mark.parametrize("wrong", ["fixed", 900.0, None])
    def test_other_radii_are_refused(self, wrong):
        with pytest.raises(
            ValueError, match=r"r500c must be one of \['true'\] or a num"
        ):
            measured(self.sample(), "n_phot_500c", r500c=wrong)


class TestCountRate:
    def sample(self, exposure):
        return TestFixedRadius().sample(r500c=[0.6, 0.6], exposure=exposure)

    def test_it_is_the_photons_over_the_cluster_s_own_exposure(self):
        exposure = np.array([1000.0, 1500.0])
        sample = self.sample(exposure)
        rate, counts = measured(sample, "count_rate", "n_phot_500c")
        inside = np.array([np.sum(r <= 0.6) for r in projected_radii(sample)])
        assert_allclose(rate, inside / exposure)
        # The counts are those of the median exposure.
        assert_allclose(counts, inside * 1250 / exposure)

    def test_the_background_is_subtracted_from_it(self):
        sample = self.sample([1000.0, 1000.0])
        rate = 1e-4  # per s and arcmin²
        (found,) = measured(sample, "count_rate", background=rate)
        radius = np.degrees(0.6 / (WMAP7.comoving_distance([0.1, 0.3]).value * 0.704))
        inside = [np.sum(r <= 0.6) for r in projected_radii(sample)]
        expected = np.array(inside) / 1000 - rate * np.pi * (60 * radius) ** 2
        assert_allclose(found, expected, rtol=1e-6)

    def test_it_needs_exposures(self):
        with pytest.raises(ValueError, match=r"ProxyMeasurer needs sample\.exposure"):
            measured(TestFixedRadius().sample(r500c=[0.6, 0.6]), "count_rate")
