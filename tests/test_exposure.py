"""Exposure: counts in one reference exposure, and words where it is known to one side."""

import json

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.linear_model import RidgeCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    Ragged,
    RedshiftNormalizer,
    RingProfiler,
    XrayCNNRegressor,
    load_model,
    read_exposure,
    read_sample,
    save_model,
    write_sample,
)
from skcluster.cli import main
from skcluster.datasets import make_mock_survey
from skcluster.datasets.mock_survey import CLUSTERS_PER_TASK
from skcluster.explain.explained_network import change_by_a_photon, transformed

COUNTS = ("n_phot", "n_phot_500c")
COVARIANCE = make_pipeline(
    ProxyMeasurer(proxies=COUNTS, with_redshift=True),
    EvrardProxyRegressor(redshift_column=-1, redshift_bins=1),
)
RINGS = make_pipeline(
    PhotonMapper(n_pixels=16),
    RedshiftNormalizer(),
    RingProfiler(edges=(0, 0.5, 1.2, 2.3)),
    StandardScaler(),
    RidgeCV(),
)
NETWORK = make_pipeline(
    PhotonMapper(n_pixels=16),
    RedshiftNormalizer(),
    LogScaler(),
    XrayCNNRegressor(max_epochs=2, device="cpu", n_threads=1, random_state=0),
)
MODELS = pytest.mark.parametrize(
    "model", [COVARIANCE, RINGS, NETWORK], ids=["covariance", "rings", "network"]
)
STEPS = pytest.mark.parametrize(
    "step",
    [
        RedshiftNormalizer(),
        RingProfiler(edges=(0, 0.5, 2.3)),
        ProxyMeasurer(proxies=COUNTS),
    ],
    ids=lambda step: type(step).__name__,
)


def repeated(sample, times):
    """The same clusters with each photon `times` times: an exact longer exposure."""
    photons = sample.photons
    columns = {name: np.repeat(photons[name], times) for name in photons.columns}
    photons = Ragged(columns, times * photons.offsets)
    return sample.assign(photons=photons, exposure=times * sample.exposure)


def repeated_maps(sample, times):
    maps = sample.maps.scaled(np.full(len(sample), times))
    return sample.assign(maps=maps, exposure=times * sample.exposure)


@pytest.fixture(scope="module")
def exposed(sample):
    return sample.assign(exposure=np.full(len(sample), 2000.0))


@pytest.fixture(scope="module")
def mapped(exposed):
    return PhotonMapper(n_pixels=16).transform(exposed)


@MODELS
def test_masses_of_an_exact_longer_exposure_are_the_same(model, exposed, log_mass):
    fitted = clone(model).fit(exposed, log_mass)
    longer = repeated(exposed, 3)
    assert_allclose(fitted.predict(longer), fitted.predict(exposed), rtol=0, atol=1e-5)
    # The control: with the exposure ignored, they are not.
    blind = clone(model).fit(exposed.drop("exposure"), log_mass)
    with np.errstate(all="ignore"):
        shift = blind.predict(longer.drop("exposure")) - blind.predict(
            exposed.drop("exposure")
        )
    if model is not NETWORK:  # two epochs learn little
        assert np.median(shift) > 0.1


@MODELS
def test_one_exposure_for_all_changes_no_bit(model, exposed, log_mass):
    with_it = clone(model).fit(exposed, log_mass).predict(exposed)
    plain = exposed.drop("exposure")
    assert_array_equal(clone(model).fit(plain, log_mass).predict(plain), with_it)


def test_the_trend_is_that_of_counts_per_exposure():
    rng = np.random.default_rng(0)
    redshift, exposure = rng.uniform(0.1, 0.5, 50), rng.uniform(500, 4000, 50)
    total = exposure * 10 ** (0.5 - 2 * redshift)
    maps = np.ones((50, 1, 2, 2)) * total[:, None, None, None] / 4
    sample = ClusterSample(redshift, maps=maps, exposure=exposure)
    normalizer = RedshiftNormalizer(pivot_count=100).fit(sample)
    median = np.median(exposure)
    assert_allclose(normalizer.exposure_, median)
    assert_allclose(normalizer.slope_, -2, rtol=1e-5)
    assert_allclose(normalizer.intercept_, 0.5 + np.log10(median), rtol=1e-5)
    assert_allclose(normalizer.expected_counts(sample), total, rtol=1e-5)
    normalized = normalizer.transform(sample)
    assert_allclose(normalized.maps.total(), 100, rtol=1e-5)
    assert_array_equal(normalized.map_exposure, np.full(50, median))
    assert_array_equal(normalized.exposure, exposure)


def test_proxies_are_logarithms_of_counts_in_the_reference_exposure(sample):
    exposure = np.linspace(500, 4000, len(sample))
    measurer = ProxyMeasurer(proxies=COUNTS)
    counts = np.exp(measurer.transform(sample))
    exposed = sample.assign(exposure=exposure)
    found = measurer.fit(exposed).transform(exposed)
    expected = np.log(counts * np.median(exposure) / exposure[:, None])
    assert_allclose(found, expected, rtol=1e-12)
    assert measurer.exposure_ == np.median(exposure)


def test_proxies_of_galaxies_do_not_depend_on_the_exposure(sample, exposed):
    measurer = ProxyMeasurer(proxies=("n_gal", "sigma_v"))
    assert_array_equal(measurer.transform(exposed), measurer.transform(sample))
    assert measurer.fit(exposed).exposure_ is None


def test_rings_are_counted_in_the_reference_exposure(mapped):
    exposure = np.linspace(1000, 3000, len(mapped))
    profiler = RingProfiler(edges=(0, 0.5, 1.2, 2.3))
    sample = mapped.assign(exposure=exposure)
    scaled = mapped.drop("exposure").assign(
        maps=np.asarray(mapped.maps) * (2000 / exposure)[:, None, None, None]
    )
    expected = profiler.set_params(half_width=2.3).fit_transform(scaled)
    found = profiler.set_params(half_width=None).fit_transform(sample)
    assert profiler.exposure_ == 2000
    assert_allclose(found, expected, rtol=1e-5)


def test_rings_do_not_correct_again_what_the_normalizer_has_corrected(mapped):
    sample = mapped.assign(exposure=np.linspace(1000, 3000, len(mapped)))
    normalized = RedshiftNormalizer().fit_transform(sample)
    profiler = RingProfiler(edges=(0, 0.5, 1.2, 2.3))
    bare = normalized.drop("exposure", "map_exposure")
    expected = clone(profiler).fit_transform(bare)
    assert_array_equal(profiler.fit_transform(normalized), expected)


def test_rings_can_say_the_exposure_of_their_cluster(mapped):
    exposure = np.linspace(1000, 3000, len(mapped))
    normalized = RedshiftNormalizer().fit_transform(mapped.assign(exposure=exposure))
    profiler = RingProfiler(edges=(0, 0.5, 1.2, 2.3))
    without = clone(profiler).fit_transform(normalized)
    found = profiler.set_params(with_exposure=True).fit_transform(normalized)
    assert_allclose(found[:, -2], np.log10(exposure / 2000))
    assert_array_equal(np.delete(found, -2, axis=1), without)
    assert profiler.get_feature_names_out().tolist()[-2:] == [
        "log_exposure",
        "redshift",
    ]
    with pytest.raises(ValueError, match=r"with_exposure=True\) needs sample.exposure"):
        profiler.fit(mapped.drop("exposure"))


def test_the_exposure_of_maps_goes_with_them(mapped):
    normalized = RedshiftNormalizer().fit_transform(mapped)
    assert LogScaler().transform(normalized).map_exposure is not None
    assert normalized.drop("maps").map_exposure is None
    assert normalized.assign(maps=mapped.maps).map_exposure is None
    assert PhotonMapper(n_pixels=8).transform(normalized).map_exposure is None


@STEPS
def test_training_with_exposures_refuses_clusters_without(step, mapped):
    fitted = clone(step).fit(mapped)
    name = type(step).__name__
    message = (
        rf"{name} was fitted to clusters with exposures \(median 2000 s\), but these"
    )
    with pytest.raises(
        ValueError, match=message + r".*ClusterSample\(exposure=...\) in s"
    ):
        fitted.transform(mapped.drop("exposure"))


@STEPS
def test_training_without_exposures_refuses_clusters_with(step, mapped):
    fitted = clone(step).fit(mapped.drop("exposure"))
    with pytest.raises(
        ValueError, match=r"have exposures, but .*sample.drop\('exposure'"
    ):
        fitted.transform(mapped)


def test_a_measurer_without_fit_knows_no_reference(exposed):
    with pytest.raises(
        ValueError, match="ProxyMeasurer was not fitted to clusters with"
    ):
        ProxyMeasurer(proxies=COUNTS).transform(exposed)


@STEPS
def test_exposures_far_outside_of_training_warn(step, mapped):
    fitted = clone(step).fit(mapped)
    assert fitted.training_ranges_["exposure"] == (2000, 2000)
    message = f"training range of {type(step).__name__}, exposure 2000 to 2000"
    with pytest.warns(UserWarning, match=message):
        fitted.transform(repeated_maps(mapped, 3.05))
    fitted.transform(repeated_maps(mapped, 2.9))


@MODELS
def test_the_reference_exposure_is_stored(model, exposed, log_mass, tmp_path):
    fitted = clone(model).fit(exposed, log_mass)
    save_model(fitted, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    other = exposed.assign(exposure=np.linspace(1500, 2500, len(exposed)))
    assert_array_equal(loaded.predict(other), fitted.predict(other))
    with pytest.raises(ValueError, match=r"fitted to clusters with exposures \(median"):
        loaded.predict(exposed.drop("exposure"))


def test_a_model_from_before_there_were_exposures_works_as_it_did(mapped):
    plain = mapped.drop("exposure")
    fitted = RedshiftNormalizer().fit(plain)
    expected = np.asarray(fitted.transform(plain).maps)
    del fitted.exposure_
    assert_array_equal(np.asarray(fitted.transform(plain).maps), expected)
    with pytest.raises(ValueError, match="was not fitted to clusters with exposures"):
        fitted.transform(mapped)


@pytest.mark.parametrize("pivot_count", [4000, 100])
def test_an_added_photon_counts_by_the_exposure_and_the_pivot(mapped, pivot_count):
    exposure = np.linspace(1000, 3000, len(mapped))
    sample = mapped.assign(exposure=exposure)
    normalizer = RedshiftNormalizer(pivot_count=pivot_count)
    steps = [normalizer.fit(sample), LogScaler()]
    out, increments = transformed(steps, sample)
    counts = np.asarray(mapped.maps)
    counts[:, 0, 3, 5] += 1
    more = steps[1].transform(steps[0].transform(sample.assign(maps=counts)))
    rows = np.arange(len(mapped))
    change = change_by_a_photon(increments, rows)[:, 0, 3, 5]
    expected = (np.asarray(more.maps) - np.asarray(out.maps))[:, 0, 3, 5]
    assert_allclose(change, expected, rtol=1e-4)


# The mock survey.


@pytest.fixture(scope="module")
def mock():
    return make_mock_survey(24, random_state=3)


def test_the_mock_survey_says_its_exposure_only_if_asked(mock):
    assert mock.sample.exposure is None
    same = make_mock_survey(24, random_state=3, exposure=2000)
    assert_array_equal(same.sample.photons["ra"], mock.sample.photons["ra"])
    assert_array_equal(same.sample.exposure, np.full(24, 2000.0))
    assert "exposure=2000" in same.DESCR
    assert "exposure=None" in mock.DESCR


@pytest.mark.parametrize("switches", [{}, {"field_agn": True, "background": 1.0}])
def test_mock_counts_of_every_origin_are_proportional_to_the_exposure(switches):
    exposure = np.where(np.arange(16) % 2, 500.0, 6000.0)
    base = make_mock_survey(16, random_state=3, exposure=3000, **switches)
    other = make_mock_survey(16, random_state=3, exposure=exposure, **switches)
    assert_array_equal(other.log_mass, base.log_mass)
    for name in ("n_icm", "n_background"):
        expected = np.asarray(base.catalog[name]) * exposure / 3000
        error = np.sqrt(expected * (1 + exposure / 3000) + 1)
        found = (np.asarray(other.catalog[name]) - expected) / error
        assert abs(found.mean()) < 4 / np.sqrt(16)
        assert np.abs(found).max() < 5
    n_agn = [
        np.asarray(s.catalog["n_agn"]).reshape(-1, 2).sum(0) for s in (base, other)
    ]
    assert_allclose(n_agn[1] / n_agn[0], [2, 1 / 6], rtol=0.15)
    assert "exposure=500 to 6000" in other.DESCR


def test_a_mock_cluster_depends_on_its_own_exposure_alone():
    exposure = np.array([500.0, 2000.0, 4000.0])
    three = make_mock_survey(3, random_state=3, exposure=exposure).sample
    two = make_mock_survey(2, random_state=3, exposure=exposure[:2]).sample
    for i in range(2):
        assert_array_equal(three[i].photons["ra"], two[i].photons["ra"])


def test_mock_clusters_made_in_several_blocks_have_their_own_exposures():
    exposure = np.linspace(500.0, 4000.0, CLUSTERS_PER_TASK + 2)
    switches = {"galaxies": False, "agn": False, "background": 0.0}
    made = make_mock_survey(len(exposure), exposure=exposure, **switches)
    assert_array_equal(made.sample.exposure, exposure)


@pytest.mark.parametrize(
    ("exposure", "message"),
    [
        (2, "look like ks"),
        ([2000, 2000], "one for each of 3"),
        (-1, "exposure are outside"),
    ],
)
def test_an_impossible_exposure_of_the_mock_is_named(exposure, message):
    with pytest.raises(ValueError, match=message):
        make_mock_survey(3, exposure=exposure)


# Readers.


@pytest.fixture
def events(tmp_path):
    """An event list with two keywords in its table and one in the primary header."""
    table = fits.table_to_hdu(Table({"RA": [10.0], "DEC": [0.0], "ENERGY": [1.0]}))
    table.header["ONTIME"], table.header["LIVETIME"] = 1500.0, 1437.5
    table.name = "EVENTS"
    primary = fits.PrimaryHDU()
    primary.header["EXPOSURE"], primary.header["DATE-OBS"] = 1400, "2019-11-03"
    primary.header["TELAPSE"] = 1.5
    fits.HDUList([primary, table]).writeto(tmp_path / "a.fits")
    return tmp_path / "a.fits"


@pytest.mark.parametrize(
    ("keyword", "seconds"), [("EXPOSURE", 1400), ("LIVETIME", 1437.5), ("ONTIME", 1500)]
)
def test_the_exposure_is_the_keyword_that_is_asked_for(events, keyword, seconds):
    assert read_exposure(events, keyword=keyword) == seconds
    table = {"redshift": [0.1], "photons": [str(events)]}
    sample, _ = read_sample(table, exposure_keyword=keyword)
    assert_array_equal(sample.exposure, [seconds])
    assert read_sample(table)[0].exposure is None


@pytest.mark.parametrize("has_times", [False, True])
def test_a_count_image_has_its_exposure_in_its_header(has_times, tmp_path):
    """Images of XMM have tables of good times, with exposures of their own."""
    image = fits.PrimaryHDU(np.array([[2, 0], [1, 4]], np.int16))
    image.header.update(CTYPE1="RA---TAN", CTYPE2="DEC--TAN", CRVAL1=10.0, CRVAL2=0.0)
    image.header.update(CRPIX1=1.5, CRPIX2=1.5, CDELT1=-1e-3, CDELT2=1e-3)
    image.header.update(EXPOSURE=1500.0, LIVETIME=1437.5)
    times = fits.table_to_hdu(Table({"START": [0.0], "STOP": [9.0]}))
    times.header["EXPOSURE"] = 700.0
    path = tmp_path / "image.fits"
    fits.HDUList([image, times][: 1 + has_times]).writeto(path)
    assert read_exposure(path) == read_exposure(path, hdu=0) == 1500.0
    with pytest.raises(ValueError, match="has no EXPTIME; it has EXPOSURE, LIVETIME"):
        read_exposure(path, keyword="EXPTIME")
    table = {"redshift": [0.1], "ra": [10.0], "dec": [0.0], "photons": [str(path)]}
    options = {"photon_options": {"image_energy": 1.0}, "exposure_keyword": "LIVETIME"}
    sample, _ = read_sample(table, **options)
    assert_array_equal(sample.exposure, [1437.5])
    assert_array_equal(sample.photons.lengths, [7])


@pytest.mark.parametrize(
    ("keyword", "message"),
    [
        ("EXPTIME", "has no EXPTIME; it has EXPOSURE, LIVETIME, ONTIME"),
        ("DATE-OBS", "'2019-11-03', which is not a number of seconds"),
        ("TELAPSE", "TELAPSE of .*a.fits=1.5 is outside .* it looks like ks"),
    ],
)
def test_a_keyword_without_seconds_is_named(events, keyword, message):
    with pytest.raises(ValueError, match=message):
        read_exposure(events, keyword=keyword)


def test_a_table_says_the_exposure_once(events):
    table = {"redshift": [0.1], "exposure": [2000.0], "photons": [str(events)]}
    with pytest.raises(ValueError, match="has a column exposure, so exposure_keyword="):
        read_sample(table, exposure_keyword="ONTIME")
    with pytest.raises(ValueError, match="needs photon lists, but the table has no"):
        read_sample({"redshift": [0.1]}, exposure_keyword="ONTIME")


def test_the_command_reads_exposures(exposed, log_mass, tmp_path, capsys):
    model = clone(NETWORK).fit(exposed, log_mass)
    save_model(model, tmp_path / "net.skops")
    shorter = exposed[:2].assign(exposure=[1500.0, 2500.0])
    table = write_sample(tmp_path / "new", shorter)
    assert main(["predict", str(tmp_path / "net.skops"), str(table), "--json"]) == 0
    from_table = capsys.readouterr().out
    ra, dec = exposed.center[0]
    photons = str(next((tmp_path / "new" / "photons").glob("toy_0.fits")))
    one = ["predict", str(tmp_path / "net.skops"), photons, "--json"]
    one += ["--redshift", f"{exposed.redshift[0]}", "--ra", f"{ra}", "--dec", f"{dec}"]
    assert main([*one, "--exposure", "1500"]) == 0

    masses = [json.loads(out) for out in (from_table, capsys.readouterr().out)]
    assert_allclose(masses[1][0]["log_mass"], masses[0][0]["log_mass"], atol=1e-5)
    assert main(one) == 1
    assert "fitted to clusters with exposures" in capsys.readouterr().err
    assert main([*one, "--exposure", "2000", "--exposure-keyword", "ONTIME"]) == 1
    assert "either --exposure or --exposure-keyword" in capsys.readouterr().err
    assert main([*one[:3], "--exposure", "2000"]) == 1
    assert "has the numbers in a column exposure" in capsys.readouterr().err
