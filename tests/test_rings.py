"""Rings and sectors count what a slow loop counts, and medians do not see point sources."""

from itertools import pairwise

import numpy as np
import pytest
from numpy.testing import assert_allclose
from sklearn.linear_model import LinearRegression, RidgeCV
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler

from skcluster import (
    ClusterSample,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    RingProfiler,
    metrics,
)
from skcluster.datasets import make_mock_survey
from skcluster.paper import THREE_BANDS

EDGES = (0.0, 0.5, 1.2, 2.3)


def counts_of(seed, n=3, bands=2, size=24):
    return np.random.default_rng(seed).poisson(1.5, (n, bands, size, size))


def slow_profile(counts, edges, n_sectors, softening, half_width):
    """Pixel by pixel, of one cluster: bands, then rings, then sum and median."""
    size = counts.shape[-1]
    center = (np.arange(size) + 0.5) / size * 2 * half_width - half_width
    numbers = []
    for band in counts:
        for low, high in pairwise(edges):
            sectors = np.zeros(n_sectors)
            for row, y in enumerate(center):
                for column, x in enumerate(center):
                    if low <= np.hypot(x, y) < high:
                        degrees = np.degrees(np.arctan2(y, x)) + 180
                        sectors[int(degrees * n_sectors / 360) % n_sectors] += band[
                            row, column
                        ]
            numbers.append(np.log10(softening + sectors.sum()))
            if high > 0.3:
                numbers.append(np.log10(softening + n_sectors * np.median(sectors)))
    return numbers


@pytest.mark.parametrize("n_sectors", [3, 8])
def test_profiles_are_those_of_a_loop_over_pixels(n_sectors):
    counts, redshift = counts_of(0), [0.1, 0.2, 0.3]
    profiler = RingProfiler(
        edges=(0, 0.3, *EDGES[1:]), n_sectors=n_sectors, half_width=2.3
    )
    measured = profiler.fit_transform(ClusterSample(redshift, maps=counts))
    expected = [
        [*slow_profile(each, (0, 0.3, *EDGES[1:]), n_sectors, 10.0, 2.3), z]
        for each, z in zip(counts, redshift, strict=True)
    ]
    assert_allclose(measured, expected, rtol=1e-12)


def test_names_say_band_ring_and_kind_in_the_order_of_the_columns():
    sample = ClusterSample([0.1], maps=counts_of(1, n=1))
    profiler = RingProfiler(edges=(0, 0.25, 1), half_width=2.3).fit(sample)
    names = profiler.get_feature_names_out().tolist()
    assert names == [
        "band0_ring0",
        "band0_ring1",
        "band0_ring1_median",
        "band1_ring0",
        "band1_ring1",
        "band1_ring1_median",
        "redshift",
    ]
    assert profiler.transform(sample).shape == (1, len(names))


def test_one_sector_leaves_the_sums_alone():
    sample = ClusterSample([0.1], maps=counts_of(2, n=1))
    names = RingProfiler(edges=EDGES, n_sectors=1, half_width=2.3).fit(sample)
    assert not any("median" in name for name in names.get_feature_names_out())


def test_a_point_source_raises_a_sum_and_hardly_moves_its_median():
    counts = np.ones((2, 1, 64, 64))
    counts[1, 0, 32, 50] = 5000  # about 1.3 Mpc/h to the West
    profiler = RingProfiler(half_width=2.3)
    alone, beside = profiler.fit_transform(ClusterSample([0.1, 0.1], maps=counts))
    names = profiler.get_feature_names_out()
    change = dict(zip(names, beside - alone, strict=True))
    assert change.pop("band0_ring7") > 0.4
    assert 0 <= change.pop("band0_ring7_median") < 0.02
    assert {*change.values()} == {0.0}


@pytest.mark.parametrize("k", [1, 2, 3])
def test_a_quarter_turn_changes_nothing(k):
    counts = counts_of(3, size=32)
    turned = np.rot90(counts, k, axes=(2, 3))
    profiler = RingProfiler(edges=EDGES, n_sectors=8, half_width=2.3)
    redshift = np.full(3, 0.2)
    of_counts = profiler.fit_transform(ClusterSample(redshift, maps=counts))
    of_turned = profiler.transform(ClusterSample(redshift, maps=turned))
    sums = ["median" not in name for name in profiler.get_feature_names_out()]
    assert_allclose(of_turned[:, sums], of_counts[:, sums])
    # A pixel center on the border of two sectors falls to the next one, so a few differ.
    assert np.median(np.abs(of_turned - of_counts)) < 1e-12


def test_the_size_of_a_map_is_that_of_its_mapper_or_must_be_given(sample):
    mapped = PhotonMapper(n_pixels=32, half_width=1.5).transform(sample)
    profiler = RingProfiler(edges=(0, 0.5, 1.5))
    explicit = RingProfiler(edges=(0, 0.5, 1.5), half_width=1.5)
    dense = mapped.assign(maps=np.asarray(mapped.maps))
    assert_allclose(profiler.fit_transform(mapped), explicit.fit_transform(dense))
    with pytest.raises(ValueError, match="RingProfiler needs the size of the maps"):
        profiler.fit(dense)


def test_rings_without_a_pixel_are_refused_by_number():
    sample = ClusterSample([0.1], maps=counts_of(4, n=1))
    with pytest.raises(
        ValueError, match=r"2 of 9 rings hold no pixel center \(first: 0"
    ):
        RingProfiler(half_width=2.3).fit(sample)
    with pytest.raises(ValueError, match="wider maps"):
        RingProfiler(edges=(0, 1, 5, 6), half_width=2.3).fit(sample)


def test_maps_of_another_number_of_bands_are_refused():
    profiler = RingProfiler(edges=EDGES, half_width=2.3)
    profiler.fit(ClusterSample([0.1], maps=counts_of(5, n=1)))
    with pytest.raises(ValueError, match="3 bands, but RingProfiler was fitted to 2"):
        profiler.transform(ClusterSample([0.1], maps=counts_of(5, n=1, bands=3)))


def test_maps_of_another_band_or_after_other_steps_are_refused(sample):
    soft, hard = (PhotonMapper(bands=(b,), n_pixels=32) for b in ((0.5, 2), (2, 7)))
    maps = soft.transform(sample)
    profiler = RingProfiler(edges=EDGES).fit(maps)
    with pytest.raises(ValueError, match=r"the bands \(\(2.0, 7.0\),\) keV"):
        profiler.transform(hard.transform(sample))
    normalized = RedshiftNormalizer().fit_transform(maps)
    with pytest.raises(
        ValueError, match="been through RedshiftNormalizer, but RingPro"
    ):
        profiler.transform(normalized)
    finer = PhotonMapper(bands=((0.5, 2),), n_pixels=64).transform(sample)
    assert profiler.transform(finer).shape == profiler.transform(maps).shape


def test_negative_counts_beyond_the_softening_have_no_logarithm():
    sample = ClusterSample([0.1, 0.2], maps=np.full((2, 1, 24, 24), -1.0))
    with pytest.raises(ValueError, match="2 of 2 clusters hold negative counts"):
        RingProfiler(edges=EDGES, half_width=2.3).fit_transform(sample)


@pytest.mark.parametrize("spread", [0.0, 1e-9, 3e-4])
def test_a_ridge_on_rings_of_one_snapshot_applies_no_trend(sample, log_mass, spread):
    """Redshifts that spread by rounding or peculiar velocities teach no trend."""
    z = 0.25209 + spread * np.random.default_rng(0).normal(size=len(sample))
    mapped = PhotonMapper(n_pixels=32).transform(sample.assign(redshift=z))
    ridge = make_pipeline(
        RedshiftNormalizer(),
        RingProfiler(edges=EDGES),
        StandardScaler(),
        PolynomialFeatures(2),
        StandardScaler(),
        RidgeCV(np.logspace(-1, 4, 11)),
    ).fit(mapped, log_mass)
    expected = ridge.predict(mapped)
    for shift in (float(np.float32(0.25209)) - 0.25209, 1e-4, 3e-3, 0.015):
        assert_allclose(ridge.predict(mapped.assign(redshift=z + shift)), expected)
    far = mapped.assign(redshift=z + 0.1)
    with pytest.warns(UserWarning, match="60 of 60 .* range of R"):
        assert_allclose(ridge.predict(far), expected)


def test_redshifts_that_vary_are_the_last_column_as_they_are():
    sample = ClusterSample([0.2, 0.203, 0.2], maps=counts_of(6))
    profiler = RingProfiler(edges=EDGES, half_width=2.3).fit(sample)
    assert profiler.redshift_ is None
    assert profiler.transform(sample)[:, -1].tolist() == [0.2, 0.203, 0.2]
    one = profiler.fit(sample.assign(redshift=np.array([0.2, 0.2005, 0.2])))
    assert one.redshift_ == 0.2
    assert one.transform(sample)[:, -1].tolist() == [0.2, 0.2, 0.2]


def test_a_ridge_on_rings_beats_the_photon_count_by_far():
    survey = make_mock_survey(500, random_state=0, galaxies=False)
    mapped = PhotonMapper(bands=THREE_BANDS, n_pixels=64).transform(survey.sample)
    ridge = make_pipeline(
        RedshiftNormalizer(),
        RingProfiler(),
        StandardScaler(),
        PolynomialFeatures(2),
        StandardScaler(),
        RidgeCV(np.logspace(0, 5, 11)),
    )
    count = make_pipeline(
        ProxyMeasurer(proxies=("n_phot",), with_redshift=True),
        PolynomialFeatures(2),
        LinearRegression(),
    )
    cv = QuadrantGroupKFold()
    scatter = [
        metrics.mass_scatter(
            survey.log_mass, cross_val_predict(model, X, survey.log_mass, cv=cv)
        )
        for model, X in ((ridge, mapped), (count, survey.sample))
    ]
    assert scatter[0] < 0.65 * scatter[1]
