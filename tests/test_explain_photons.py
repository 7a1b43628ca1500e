"""Saliency per photon, and of a photon count, against photons that are really added."""

import runpy
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    SaliencyExplainer,
    SkyImage,
    XrayCNNRegressor,
    proxy_saliency,
    remove_sources,
    with_exposure_map,
)
from skcluster.cosmology import comoving_distance, plane_to_sky, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.explain import photon_response
from skcluster.explain.self_test import WeighingRegressor


def with_photon(sample, row, column, n_pixels):
    """The sample with a photon more at the center of one pixel of each cluster."""
    west, north = (np.array([column, row]) + 0.5) * 4.6 / n_pixels - 2.3
    more = []
    for i in range(len(sample)):
        distance = comoving_distance(sample.redshift[i : i + 1])[0]
        ra, dec = plane_to_sky(west / distance, north / distance, *sample.center[i])
        photon = {"ra": ra, "dec": dec, "energy": 1.0, "origin": 0}
        table = sample.photons.table(i)
        more.append({name: np.append(table[name], photon[name]) for name in table})
    return sample.assign(photons=more)


@pytest.fixture(scope="module")
def survey():
    """Forty clusters, without the photons in pixels that the circle of N_phot cuts."""
    survey = make_mock_survey(40, random_state=0, galaxies=False)
    sample = survey.sample
    photons = sample.photons
    x, y = sky_to_plane(
        photons["ra"], photons["dec"], *sample.center.T, repeats=photons.lengths
    )
    distance = comoving_distance(sample.redshift)
    radius = np.hypot(x, y) * np.repeat(distance, photons.lengths)
    survey.sample = sample.assign(photons=photons.select(np.abs(radius - 2.3) > 0.11))
    return survey


@pytest.fixture(scope="module")
def pipeline(survey):
    """The paper's steps, with their defaults, and its network after a few epochs."""
    network = XrayCNNRegressor(
        max_epochs=6, batch_size=10, random_state=0, device="cpu", n_threads=1
    )
    steps = PhotonMapper(n_pixels=32), RedshiftNormalizer(), LogScaler()
    return make_pipeline(*steps, network).fit(survey.sample, survey.log_mass)


@pytest.fixture(scope="module")
def responses(survey, pipeline):
    """Counts, saliency per photon and the true response of many pixels of clusters."""
    path = Path(__file__).parents[1] / "experiments" / "photon_response.py"
    return runpy.run_path(str(path))["responses"](pipeline, survey.sample[:9])


def slope(true, told):
    """Of the true response against what the saliency told, through the origin."""
    return (true * told).sum() / (told**2).sum()


def test_saliency_per_photon_is_what_a_photon_does_in_pixels_that_have_some(responses):
    counts, told, true = responses
    filled = counts > 0
    assert filled.sum() > 200
    assert_allclose(slope(true[filled], told[filled]), 1, atol=0.15)
    assert np.corrcoef(true[filled], told[filled])[0, 1] > 0.85
    many = counts >= 3
    assert_allclose(slope(true[many], told[many]), 1, atol=0.15)


def test_in_empty_pixels_the_networks_own_kinks_remain(responses):
    counts, told, true = responses
    empty = counts == 0
    # The documentation says so: right in sign and order of magnitude, by and large.
    assert 0.2 < slope(true[empty], told[empty]) < 0.9


def test_the_slope_of_the_logarithm_would_be_far_off(survey, pipeline, responses):
    counts, told, true = responses
    f = 4000 / 10 ** (
        pipeline[1].slope_ * survey.sample.redshift[:9] + pipeline[1].intercept_
    )
    assert f.max() > 10
    f = f.mean()
    over = (f / ((counts * f + 1) * np.log(10))) / np.log10(1 + f / (counts * f + 1))
    assert slope(true, told * over) < 0.6 * slope(true, told)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad"])
def test_a_photon_in_a_linear_network_does_what_the_saliency_says(sample, method):
    weight = np.random.default_rng(0).normal(0, 0.1, (1, 16, 16))
    steps = PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler()
    pipeline = make_pipeline(*steps, WeighingRegressor(weight)).fit(sample)
    explainer = SaliencyExplainer(
        pipeline, per_photon=True, signed=True, method=method, n_samples=2
    )
    saliency = explainer.explain(sample)
    before = pipeline.predict(sample)
    for row, column in ((11, 2), (7, 8)):
        added = pipeline.predict(with_photon(sample, row, column, 16)) - before
        assert np.abs(added).max() > 1e-3
        assert_allclose(added, saliency[:, 0, row, column], rtol=1e-3, atol=2e-6)


@pytest.fixture(scope="module")
def dim_in_the_west():
    """Two clusters: a quarter of the exposure in the West, and none in the South."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.cdelt = ("RA---TAN", "DEC--TAN"), (-0.02, 0.02)
    wcs.wcs.crval, wcs.wcs.crpix = (150.0, 2.0), (32.5, 32.5)
    exposure = np.full((64, 64), 2000.0)
    exposure[:, 36:], exposure[:25] = 500.0, 0
    rng, photons = np.random.default_rng(0), []
    for distance in comoving_distance([0.2, 0.25]):
        ra, dec = plane_to_sky(*rng.uniform(-2.3, 2.3, (2, 300)) / distance, 150.0, 2.0)
        photons.append({"ra": ra, "dec": dec, "energy": np.ones(300), "origin": ra * 0})
    center = [[150.0, 2.0]] * 2
    sample = ClusterSample([0.2, 0.25], center=center, photons=photons)
    return with_exposure_map(sample, SkyImage(exposure, wcs, unit="s"))


def pipeline_of_a_sum(cosmology="WMAP7"):
    """Pipeline whose log10 M is 0.01 times the sum of the log-scaled map."""
    weight = np.full((1, 16, 16), 0.01)
    mapper = PhotonMapper(n_pixels=16, cosmology=cosmology)
    return make_pipeline(mapper, LogScaler(), WeighingRegressor(weight))


@pytest.mark.parametrize("where", ["field", "hole"])
def test_a_photon_counts_as_the_mapper_counts_it_under_an_exposure_map(
    dim_in_the_west, where
):
    """At the center, in the West, where it counts four times, and in what was not seen."""
    sample, dark = dim_in_the_west, (1, 8)
    if where == "hole":
        west, north = (np.array([2, 12]) + 0.5) * 4.6 / 16 - 2.3
        distance = comoving_distance(sample.redshift[:1])[0]
        ra, dec = plane_to_sky(west / distance, north / distance, 150.0, 2.0)
        hole = {"ra": [ra], "dec": [dec]}
        sample, dark = remove_sources(sample, hole, radius=0.04)[[0]], (12, 2)
    pipeline = pipeline_of_a_sum().fit(sample)
    mapped = pipeline[0].transform(sample)
    before = pipeline.predict(sample)
    explainer = SaliencyExplainer(pipeline, per_photon=True, signed=True)
    later = SaliencyExplainer(pipeline[1:], per_photon=True, signed=True)
    saliency, places = explainer.explain(sample)[:, 0], [(8, 8), (8, 14), dark]
    assert_array_equal(later.explain(mapped)[:, 0], saliency)
    for row, column in places:
        added = pipeline.predict(with_photon(sample, row, column, 16)) - before
        assert (added.max() > 1e-3) == ((row, column) != dark)
        assert_allclose(saliency[:, row, column], added, rtol=1e-3, atol=2e-6)
        for i in range(len(sample)):
            pixel = [[0, row, column]]
            found = photon_response(pipeline, sample[[i]], pixel)
            assert_allclose(found, added[i], rtol=1e-3, atol=2e-6)
            of_maps = photon_response(pipeline[1:], mapped[[i]], pixel)
            assert_array_equal(of_maps, found)


def test_a_photon_beyond_the_field_of_view_counts_for_nothing(dim_in_the_west):
    """The circle cuts through the corners of the map of the first cluster only."""
    names = ("exposure_map", "exposure")
    edge = np.degrees(np.arctan(2.5 / comoving_distance([0.2])))
    sample = dim_in_the_west.drop(*names).assign(field_radius=np.append(edge, 1.0))
    pipeline = pipeline_of_a_sum().fit(sample)
    mapped = pipeline[0].transform(sample)
    explainer = SaliencyExplainer(pipeline, per_photon=True, signed=True)
    saliency, before = explainer.explain(sample)[:, 0], pipeline.predict(sample)
    # The middle of the pixel in the corner is at 3.05 Mpc/h, that of its neighbor inward at
    # 2.64, and the corner of the latter at 2.44; the last pixel is at the center.
    for row, column in ((0, 0), (0, 8), (8, 8)):
        added = pipeline.predict(with_photon(sample, row, column, 16)) - before
        assert (added > 1e-4).tolist() == [(row, column) != (0, 0), True]
        assert_allclose(saliency[:, row, column], added, rtol=1e-3, atol=2e-6)
        pixel = [[0, row, column]]
        assert_allclose(
            [photon_response(pipeline, sample[[i]], pixel)[0] for i in (0, 1)],
            added,
            rtol=1e-3,
            atol=2e-6,
        )
        assert_allclose(
            [photon_response(pipeline[1:], mapped[[i]], pixel)[0] for i in (0, 1)],
            added,
            rtol=1e-3,
            atol=2e-6,
        )
    # A pixel that reaches into the field may hold a photon.
    west, north = (np.arange(16) + 0.5) * 4.6 / 16 - 2.3, 0.5 * 4.6 / 16
    nearest = np.abs(west) - north
    is_seen = np.hypot(nearest[:, None], nearest) <= 2.5
    assert 0 < (~is_seen).sum() < 16
    assert_array_equal(saliency[0] != 0, is_seen)
    assert (saliency[1] > 0).all()


def test_a_photon_in_an_empty_dim_pixel_adds_the_logarithm_of_five(dim_in_the_west):
    """log10 (1 + 4), with the quarter of the exposure, also without a LogScaler: 4."""
    sample = dim_in_the_west[[0]]
    sample = sample.assign(photons=sample.photons.select(sample.photons["ra"] > 150))
    pipeline = pipeline_of_a_sum().fit(sample)
    for estimator, change in (
        (pipeline, np.log10(5)),
        (make_pipeline(pipeline[0], pipeline[-1]), 4.0),
    ):
        told = SaliencyExplainer(estimator, per_photon=True).explain(sample)
        assert_allclose(told[0, 0, 8:, 12:], 0.01 * change, rtol=1e-4)
        found = photon_response(estimator, sample, [[0, 9, 13]])
        assert_allclose(found, 0.01 * change, rtol=1e-3)


def test_maps_of_a_nameless_cosmology_need_their_mapper(dim_in_the_west):
    pipeline = pipeline_of_a_sum(FlatLambdaCDM(70, 0.3)).fit(dim_in_the_west)
    mapped = pipeline[0].transform(dim_in_the_west)
    assert np.isfinite(photon_response(pipeline, mapped[[0]], [[0, 8, 8]])).all()
    with pytest.raises(ValueError, match=r"FlatLambdaCDM.*Give the Pipeline with its"):
        photon_response(pipeline[1:], mapped[[0]], [[0, 8, 8]])


def test_photon_response_is_the_prediction_with_a_photon_more(survey, pipeline):
    sample = survey.sample[:5]
    pixels = [[0, 15, 17], [0, 3, 28]]
    moved = [with_photon(sample, *pixel[1:], 32) for pixel in pixels]
    wanted = [pipeline.predict(each) - pipeline.predict(sample) for each in moved]
    found = [photon_response(pipeline, sample[[i]], pixels) for i in range(5)]
    assert_allclose(found, np.transpose(wanted), atol=2e-6)
    assert np.abs(found).max() > 1e-4
    mapped = pipeline[0].transform(sample)
    assert_array_equal(photon_response(pipeline[1:], mapped[[3]], pixels), found[3])


def test_a_photon_is_not_added_to_maps_that_are_scaled(survey, pipeline):
    normalized = pipeline[:2].transform(survey.sample[:1])
    scaled = pipeline[2].transform(normalized)
    for n_steps, maps in ((2, normalized), (3, scaled), (2, normalized.maps)):
        message = "have already been through RedshiftNormalizer"
        with pytest.raises(ValueError, match=f"photon_response {message}"):
            photon_response(pipeline[n_steps:], maps, [[0, 15, 17]])
        explainer = SaliencyExplainer(pipeline[n_steps:], per_photon=True)
        refused = f"per_photon=True {message}" if n_steps == 2 else "no step that makes"
        with pytest.raises(ValueError, match=refused):
            explainer.explain(maps)


def test_photon_response_takes_steps_before_the_mapper(dim_in_the_west):
    """The step keeps photons of 1 keV, of which one more is added."""

    def soft(sample):
        photons = sample.photons
        return sample.assign(photons=photons.select(photons["energy"] < 2))

    sample = dim_in_the_west[[0]]
    hard = sample.photons.assign(energy=np.where(np.arange(300) % 2, 1.0, 3.0))
    sample = sample.assign(photons=hard)
    longer = make_pipeline(FunctionTransformer(soft), *pipeline_of_a_sum()).fit(sample)
    added = longer.predict(with_photon(sample, 8, 7, 16)) - longer.predict(sample)
    found = photon_response(longer, sample, [[0, 8, 7]])
    assert_allclose(found, added, rtol=1e-3)
    later = SaliencyExplainer(longer, per_photon=True).explain(sample)
    assert_allclose(found, later[0, 0, 8, 7], rtol=1e-3)


@pytest.mark.parametrize(
    ("pixels", "words"),
    [
        ([[0, 32, 0]], r"inside maps of shape \(1, 32, 32\), got \[\[ 0 32  0\]\]"),
        ([[1, 0, 0]], r"rows of \(band, row, column\)"),
        ([[0, -1, 0]], r"rows of \(band, row, column\)"),
        ([[0.0, 1.0, 1.0]], r"integers inside maps"),
        ([0, 1, 1], r"integers inside maps"),
    ],
)
def test_a_photon_needs_a_pixel_of_the_map(survey, pipeline, pixels, words):
    with pytest.raises(ValueError, match=words):
        photon_response(pipeline, survey.sample[:1], pixels)


def test_a_photon_that_the_network_also_counts_is_refused(survey):
    sample = PhotonMapper(n_pixels=8).transform(survey.sample)
    network = XrayCNNRegressor(
        scalars=["redshift", "log_counts"], max_epochs=1, random_state=0, n_threads=1
    )
    model = make_pipeline(LogScaler(), network).fit(sample, survey.log_mass)
    text = r"scalars=\['redshift', 'log_counts'\].* Add the photon to sample\.photons"
    with pytest.raises(ValueError, match=text):
        photon_response(model, sample[[0]], [[0, 1, 1]])
    network.set_params(scalars=["redshift"])
    model.fit(sample, survey.log_mass)
    assert np.isfinite(photon_response(model, sample[[0]], [[0, 1, 1]])).all()


def test_photons_are_added_to_one_cluster(survey, pipeline):
    with pytest.raises(ValueError, match="photons to one cluster, got 2"):
        photon_response(pipeline, survey.sample[:2], [[0, 1, 1]])


@pytest.fixture(scope="module")
def proxy(survey):
    """N_phot and its mass as the package measures them, a slope for each snapshot."""
    measurer = ProxyMeasurer(proxies=("n_phot",), with_redshift=True)
    regressor = EvrardProxyRegressor(redshift_column=-1, redshift_bins=3)
    return make_pipeline(measurer, regressor).fit(survey.sample, survey.log_mass)


def proxy_per_photon(survey, proxy):
    """Saliency of N_phot's mass per infinitesimal photon, by the maps and their slopes."""
    scale = RedshiftNormalizer()
    mapped = PhotonMapper(n_pixels=32).transform(survey.sample)
    normalized = scale.fit_transform(mapped)
    x = np.asarray(LogScaler().transform(normalized).maps, float)
    ln_s = proxy[0].transform(survey.sample)
    step = np.array([1.0, 0.0])
    slope = 1 / np.log(10) / (proxy[1].predict(ln_s + step) - proxy[1].predict(ln_s))
    assert len(np.unique(slope.round(6))) == 3
    f = 4000 / 10 ** (scale.slope_ * survey.sample.redshift + scale.intercept_)
    to_counts = f[:, None, None, None] * 10.0**-x / np.log(10)
    return (proxy_saliency(x, slope) * to_counts)[:, 0], np.exp(ln_s[:, 0])


@pytest.mark.parametrize("pixel", [(16, 16), (10, 5), (31, 15), (27, 27)])
def test_a_photon_that_proxy_measurer_counts_does_what_proxy_saliency_says(
    survey, proxy, pixel
):
    saliency, n_phot = proxy_per_photon(survey, proxy)
    added = proxy.predict(with_photon(survey.sample, *pixel, 32))
    added -= proxy.predict(survey.sample)
    # ln(N + 1) - ln N is not quite 1 / N.
    secant = n_phot * np.log1p(1 / n_phot)
    assert_allclose(saliency[:, *pixel] * secant, added, rtol=1e-4)


@pytest.mark.parametrize("corner", [(0, 0), (31, 2), (29, 30)])
def test_photons_in_the_corners_of_the_square_move_no_proxy_mass(survey, proxy, corner):
    saliency, _ = proxy_per_photon(survey, proxy)
    added = proxy.predict(with_photon(survey.sample, *corner, 32))
    assert_array_equal(added, proxy.predict(survey.sample))
    assert not saliency[:, *corner].any()


def test_moving_a_photon_inside_the_circle_moves_no_proxy_mass(survey, proxy):
    saliency, _ = proxy_per_photon(survey, proxy)
    inside = saliency[0][saliency[0] > 0]
    assert_allclose(inside, inside[0], rtol=1e-6)
    # 32² pixels, of which π / 4 lie in the circle.
    assert_allclose(len(inside), 32**2 * np.pi / 4, rtol=0.02)
