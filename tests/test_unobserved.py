"""Which pixels were not observed: closed forms, and a network that sees them."""

import numpy as np
import pytest
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    LogScaler,
    PhotonMapper,
    RedshiftNormalizer,
    SaliencyExplainer,
    SkyImage,
    XrayCNNRegressor,
    load_model,
    remove_sources,
    save_model,
    with_exposure_map,
)
from skcluster.cosmology import comoving_distance
from skcluster.maps import coverage, square_inside_circle

REDSHIFT = 0.2
DISTANCE = comoving_distance([REDSHIFT])[0]
RA, DEC = 150.0, 2.0
SOURCE = {"ra": [RA + 0.05], "dec": [DEC]}
HALF_WIDTH, PIXELS = 1.6, 16
PIXEL = 2 * HALF_WIDTH / PIXELS
"""Side of the maps' pixels [Mpc/h]."""


def image_of(function, finer=4, side=40):
    """Image in steps of a part of a pixel, a function of offsets West and North [Mpc/h]."""
    step, n = PIXEL / finer, side * finer
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ("RA---TAN", "DEC--TAN"), (RA, DEC)
    wcs.wcs.crpix = (n + 1) / 2, (n + 1) / 2
    # Columns run to the West, as in our maps.
    angle = np.degrees(step / DISTANCE)
    wcs.wcs.cdelt = -angle, angle
    place = (np.arange(n) + 0.5) * step - n * step / 2
    x, y = np.meshgrid(place, place)
    return SkyImage(function(x, y).astype(float), wcs)


def sample_of(n_clusters=1, n_photons=50, **fields):
    rng = np.random.default_rng(0)
    photons = [
        {
            "ra": RA + rng.uniform(-0.1, 0.1, n_photons),
            "dec": DEC + rng.uniform(-0.1, 0.1, n_photons),
            "energy": rng.uniform(0.6, 2, n_photons),
        }
        for _ in range(n_clusters)
    ]
    return ClusterSample(
        np.full(n_clusters, REDSHIFT),
        center=np.tile([RA, DEC], (n_clusters, 1)),
        photons=photons,
        **fields,
    )


def mapper(**parameters):
    return PhotonMapper(
        n_pixels=PIXELS, half_width=HALF_WIDTH, with_unobserved=True, **parameters
    )


def unobserved(sample):
    mapped = mapper().transform(sample)
    assert mapped.unobserved.shape == (len(sample), 1, PIXELS, PIXELS)
    return np.asarray(mapped.unobserved)[:, 0]


def test_pixels_beyond_the_edge_of_an_exposure_map_are_unobserved():
    """Observed is what lies East of 0.3 Mpc/h: 8 + 1.5 of 16 columns."""
    exposed = with_exposure_map(sample_of(), image_of(lambda x, y: 1000.0 * (x < 0.3)))
    expected = np.zeros((PIXELS, PIXELS))
    expected[:, 10:] = 1
    expected[:, 9] = 0.5
    assert_allclose(unobserved(exposed)[0], expected, atol=1e-6)


@pytest.mark.parametrize("points_at_once", [1, 1000, 2**18])
def test_shares_follow_rows_to_the_north(points_at_once, monkeypatch):
    monkeypatch.setattr(coverage, "POINTS_AT_ONCE", points_at_once)
    exposed = with_exposure_map(sample_of(), image_of(lambda x, y: 1000.0 * (y < 0.8)))
    expected = np.zeros((PIXELS, PIXELS))
    expected[12:] = 1
    assert_allclose(unobserved(exposed)[0], expected, atol=1e-6)


def test_a_masked_quarter_of_a_pixel_is_a_quarter():
    mask = image_of(
        lambda x, y: ~((x > 0) & (x < PIXEL / 2) & (y > 0) & (y < PIXEL / 2))
    )
    masked = remove_sources(sample_of(n_photons=500), mask)
    expected = np.zeros((PIXELS, PIXELS))
    expected[8, 8] = 0.25
    assert_allclose(unobserved(masked)[0], expected, atol=1e-6)


def test_the_mean_is_what_coverage_lacks():
    exposed = with_exposure_map(
        sample_of(n_photons=500), image_of(lambda x, y: 1000.0 * (x + y < 0.7))
    )
    holed = remove_sources(exposed, {"ra": [RA + 0.04], "dec": [DEC]}, radius=0.02)
    mapped = mapper().transform(holed)
    lost = np.asarray(mapped.unobserved).mean(axis=(1, 2, 3))
    assert 0.2 < lost[0] < 0.9
    assert_allclose(1 - lost, mapped.coverage, atol=1e-6)


def test_pixels_with_hardly_any_exposure_are_unobserved_and_dim_ones_are_not():
    lit = with_exposure_map(
        sample_of(),
        image_of(lambda x, y: np.where(x < 0.4, 1000, np.where(x < 0.8, 200, 50))),
    )
    lost = unobserved(lit)[0]
    assert_allclose(lost[:, :12], 0)
    assert_allclose(lost[:, 12:], 1)


@pytest.mark.parametrize("share", [0.4, 0.9, 1.2, 1.5])
def test_a_circular_field_leaves_the_closed_form(share):
    """The counts stay as they are without an exposure map, and coverage is exact."""
    radius = np.degrees(np.arctan(share * HALF_WIDTH / DISTANCE))
    sample = sample_of(field_radius=radius)
    mapped = mapper().transform(sample)
    expected = square_inside_circle(1.0, [share])
    lost = np.asarray(mapped.unobserved)
    assert_allclose(1 - lost.mean(), expected, atol=3e-3)
    if share >= np.sqrt(2):
        assert mapped.unobserved.rows.nnz == 0
    plain = mapper().set_params(with_unobserved=False).transform(sample)
    assert plain.unobserved is None
    assert_array_equal(np.asarray(mapped.maps), np.asarray(plain.maps))
    assert_array_equal(mapped.coverage, plain.coverage)


def test_a_sample_that_knows_nothing_of_its_field_is_refused():
    with pytest.raises(ValueError, match=r"what was observed: give an exposure map by"):
        mapper().transform(sample_of())


def test_shares_are_sparse_and_pass_the_scalers_untouched():
    """Counts become what they become without the shares."""
    mask = image_of(lambda x, y: np.hypot(x - 0.5, y) > 0.2)
    masked = remove_sources(sample_of(3, n_photons=400), mask).assign(
        redshift=[0.19, 0.2, 0.21]
    )
    mapped = mapper().fit_transform(masked)
    assert mapped.unobserved.filled < 0.1
    steps = RedshiftNormalizer(), LogScaler()
    with_shares, plain = mapped, mapped.assign(unobserved=None)
    for step in steps:
        with_shares, plain = step.fit_transform(with_shares), step.transform(plain)
    assert with_shares.unobserved is mapped.unobserved
    assert_array_equal(np.asarray(with_shares.maps), np.asarray(plain.maps))


@pytest.mark.parametrize(
    "change",
    [
        lambda sample: remove_sources(
            sample, {"ra": [RA + 0.05], "dec": [DEC]}, radius=0.01
        ),
        lambda sample: with_exposure_map(sample, image_of(lambda x, y: 0 * x + 1000)),
    ],
)
def test_what_was_unobserved_is_forgotten_where_the_field_changes(change):
    mapped = mapper().transform(sample_of(field_radius=0.2))
    assert change(mapped).unobserved is None


@pytest.mark.parametrize(
    ("shares", "message"),
    [
        (np.full((1, 1, 4, 4), 1.5), "outside of 0 to 1"),
        (np.full((1, 1, 4, 4), -0.5), "outside of 0 to 1"),
        (np.zeros((1, 2, 4, 4)), r"must have shape \(n_clusters, 1, n_pixels"),
    ],
)
def test_shares_are_one_image_between_0_and_1(shares, message):
    with pytest.raises(ValueError, match=message):
        ClusterSample([0.2], unobserved=shares)


# A network.


def planted(n_clusters, seed):
    """Clusters whose photons say nothing, and whose mass is the part that was lost."""
    rng = np.random.default_rng(seed)
    lost = rng.random(n_clusters)
    shares = np.zeros((n_clusters, 1, 8, 8))
    shares[:, :, :4] = lost[:, None, None, None]
    maps = rng.poisson(1.0, (n_clusters, 1, 8, 8))
    sample = ClusterSample(
        rng.uniform(0.1, 0.3, n_clusters), maps=maps, unobserved=shares
    )
    return sample, 14 + lost


def regressor(**parameters):
    return XrayCNNRegressor(
        max_epochs=25, batch_size=20, random_state=0, n_threads=1, **parameters
    )


@pytest.fixture(scope="module")
def fitted():
    pytest.importorskip("torch")
    return regressor(augment=True, recipe="one_cycle", lr=3e-3).fit(*planted(200, 0))


def test_a_network_sees_what_was_not_observed(fitted):
    sample, log_mass = planted(100, 1)
    error = np.std(fitted.predict(sample) - log_mass)
    assert error < 0.1
    blind = fitted.predict(sample.assign(unobserved=np.zeros((100, 1, 8, 8))))
    assert np.std(blind - log_mass) > 0.2  # that of the masses is 0.29


def test_a_network_that_was_not_told_ignores_the_shares():
    sample, log_mass = planted(40, 0)
    plain = sample.assign(unobserved=None)
    network = regressor(scalars=["redshift"]).set_params(max_epochs=2)
    before = network.fit(plain, log_mass).predict(plain)
    assert not network.sees_unobserved_
    assert_array_equal(network.predict(sample), before)


def test_samples_without_shares_are_refused(fitted):
    sample, _ = planted(3, 2)
    with pytest.raises(
        ValueError, match=r"needs sample.unobserved.*with_unobserved=True"
    ):
        fitted.predict(sample.assign(unobserved=None))
    with pytest.raises(TypeError, match="only a ClusterSample holds"):
        fitted.predict(np.asarray(sample.maps))
    with pytest.raises(ValueError, match=r"`unobserved` has shape \(3, 1, 16, 16\)"):
        fitted.predict(sample.assign(unobserved=np.zeros((3, 1, 16, 16))))


def test_a_file_keeps_what_a_network_sees(fitted, tmp_path):
    sample, _ = planted(5, 3)
    save_model(fitted, tmp_path / "model.skops")
    again = load_model(tmp_path / "model.skops")
    assert again.sees_unobserved_
    assert_array_equal(again.predict(sample), fitted.predict(sample))
    assert_allclose(again.predict(sample[2]), fitted.predict(sample)[[2]], rtol=1e-6)


def test_saliency_is_that_of_the_photons(fitted):
    sample, _ = planted(2, 4)
    saliency = SaliencyExplainer(fitted).explain(sample)
    assert saliency.shape == (2, 1, 8, 8)


def test_a_pipeline_trains_on_masked_photons():
    rng = np.random.default_rng(0)
    mask = image_of(lambda x, y: np.hypot(x - 0.5, y) > 0.3)
    sample = remove_sources(sample_of(20, n_photons=300), mask)
    sample = sample.assign(redshift=rng.uniform(0.19, 0.21, 20))
    network = XrayCNNRegressor(max_epochs=1, random_state=0, scalars=["redshift"])
    pipeline = make_pipeline(mapper(), RedshiftNormalizer(), LogScaler(), network)
    log_mass = rng.uniform(14, 15, 20)
    assert pipeline.fit(sample, log_mass).predict(sample).shape == (20,)
    assert network.sees_unobserved_


def test_holes_of_one_cluster_are_seen_as_finely_in_any_batch():
    sample = with_exposure_map(
        sample_of(2), [image_of(lambda x, y: 1000 + 0 * x, finer=1)] * 2
    )
    holes = [
        {"ra": [], "dec": [], "radius": []},
        {"ra": [RA + 0.03], "dec": [DEC], "radius": [0.01]},
    ]
    holed = sample.assign(holes=holes)
    both, alone = mapper().transform(holed), mapper().transform(holed[[1]])
    assert alone.coverage[0] < 1
    assert_array_equal(both.coverage[1], alone.coverage[0])


def test_the_finer_of_two_images_says_how_finely_it_is_looked_up():
    flat = with_exposure_map(sample_of(), image_of(lambda x, y: 1000 + 0 * x, finer=1))
    masked = remove_sources(flat, image_of(lambda x, y: x < 0.05))
    lost = np.asarray(mapper().transform(masked).unobserved)[0, 0]
    # The mask ends at a quarter of the ninth column, in pixels of a quarter.
    assert_allclose(lost[:, 8], 0.75, atol=1e-6)
