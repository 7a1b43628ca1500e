"""Contrast at equal radius: planted attention comes out, however radius is weighted."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    SaliencyExplainer,
    source_attention,
    source_maps,
    source_masks,
)
from skcluster.explain import equal_radius_contrast
from skcluster.explain.radial_profile import pixel_radius
from skcluster.explain.self_test import WeighingRegressor

WEIGHTINGS = {
    "flat": np.ones_like,
    "steep": lambda r: np.exp(-4 * r),
    "cusp": lambda r: r**-2.0,
    "ring": lambda r: 0.01 + (np.abs(r - 1) < 0.2),
}


@pytest.fixture(scope="module")
def masks():
    """AGN that lie further out than the gas, as in the sky."""
    rng = np.random.default_rng(0)
    radius = pixel_radius((16, 16), 2.3)
    icm = rng.random((30, 16, 16)) < np.exp(-radius)
    agn = (rng.random((30, 16, 16)) < 0.15 * radius) & ~icm
    return {"icm": icm, "agn": agn}


@pytest.mark.parametrize("weighting", WEIGHTINGS)
@pytest.mark.parametrize("k", [0.1, 1, 10])
def test_planted_contrast_is_found_under_any_weighting_by_radius(masks, weighting, k):
    radius = pixel_radius((16, 16), 2.3)
    saliency = WEIGHTINGS[weighting](radius) * np.where(masks["agn"], k, 1)
    found = equal_radius_contrast(saliency[:, None], masks["agn"], masks["icm"])
    assert_allclose(found.per_cluster, np.log10(k), atol=1e-12)
    assert found.n_clusters == 30
    assert (found.compared > 0.3).all()
    if weighting == "steep":
        plain = source_attention(saliency[:, None], masks).log_ratio.median
        assert plain < np.log10(k) - 0.3


@pytest.mark.parametrize("k", [0.1, 1, 10])
def test_the_whole_chain_finds_planted_contrast(sample, k):
    mapper = PhotonMapper(n_pixels=16)
    masks = source_masks(source_maps(sample, mapper))
    one = sample[[7]]
    weight = 0.01 * np.exp(-2 * pixel_radius((16, 16), 2.3))
    weight = weight * np.where(masks["agn"][7], k, 1)
    pipeline = make_pipeline(mapper, LogScaler(), WeighingRegressor(weight[None]))
    saliency = SaliencyExplainer(pipeline.fit(one)).explain(one)
    found = equal_radius_contrast(saliency, masks["agn"][[7]], masks["icm"][[7]])
    assert_allclose(found.per_cluster, np.log10(k), atol=1e-5)
    if k != 1:
        turned = equal_radius_contrast(
            np.rot90(saliency, 1, (2, 3)), masks["agn"][[7]], masks["icm"][[7]]
        )
        assert abs(turned.per_cluster[0] - np.log10(k)) > 0.3


def test_contrast_of_one_cluster_by_hand():
    saliency = np.zeros((1, 2, 4, 4))
    saliency[0, 0, 0, 0], saliency[0, 1, 0, 0] = 3, 5  # A corner: its band mean is 4.
    saliency[0, :, 3, 3], saliency[0, :, 0, 3] = 1, 3  # Two others: their mean is 2.
    saliency[0, :, 1, 1] = 100  # At another radius.
    saliency[0, :, 1, 2] = 9  # No partner at its own.
    over, under = np.zeros((2, 1, 4, 4), bool)
    over[0, 0, 0] = over[0, 1, 2] = True
    under[0, 3, 3] = under[0, 0, 3] = True
    found = equal_radius_contrast(saliency, over, under)
    assert_allclose(found.per_cluster, np.log10(4 / 2))
    assert_allclose(found.compared, 0.5)


def test_rings_of_a_width_hold_pixels_of_that_range():
    saliency = np.ones((1, 1, 4, 4))
    over, under = np.zeros((2, 1, 4, 4), bool)
    over[0, 1, 1], under[0, 0, 1] = True, True  # 0.71 and 1.58 pixels from the center.
    saliency[0, 0, 1, 1] = 5
    narrow = equal_radius_contrast(saliency, over, under, ring_width=1.0)
    wide = equal_radius_contrast(saliency, over, under, ring_width=2.0)
    assert np.isnan(narrow.per_cluster[0])
    assert_allclose(wide.per_cluster[0], np.log10(5))


def test_contrast_does_not_depend_on_the_neighbors(masks):
    saliency = np.random.default_rng(1).random((300, 2, 16, 16))
    over, under = (np.tile(masks[name], (10, 1, 1)) for name in ("agn", "icm"))
    complete = equal_radius_contrast(saliency, over, under).per_cluster
    rows = np.array([299, 0, 128, 5])
    part = equal_radius_contrast(saliency[rows], over[rows], under[rows]).per_cluster
    assert_allclose(part, complete[rows])
    assert_array_equal(np.isfinite(complete), True)


def test_the_error_is_of_halos(masks):
    saliency = np.random.default_rng(1).random((30, 1, 16, 16))
    arguments = saliency, masks["agn"], masks["icm"]
    single = equal_radius_contrast(*arguments, random_state=0)
    grouped = equal_radius_contrast(*arguments, groups=np.zeros(30), random_state=0)
    assert 0 < single.median_error < 0.1
    assert np.isnan(grouped.median_error)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"ring_width": -1.0}, r"ring_width must be a non-negative number, got -1\.0"),
        (
            {"ring_width": "wide"},
            "ring_width must be a non-negative number, got 'wide'",
        ),
        ({"over": np.ones((1, 4, 4))}, r"mask 'over' has the shape \(1, 4, 4\)"),
        ({"under": np.ones((2, 8, 8))}, r"mask 'under' has the shape \(2, 8, 8\)"),
        ({"saliency": -np.ones((2, 1, 4, 4))}, "some is negative or NaN"),
    ],
)
def test_contrast_refuses_what_makes_no_sense(change, words):
    arguments = {
        "saliency": np.ones((2, 1, 4, 4)),
        "over": np.ones((2, 4, 4), bool),
        "under": np.ones((2, 4, 4), bool),
    }
    with pytest.raises(ValueError, match=words):
        equal_radius_contrast(**arguments | change)
