"""Displays refuse what they would draw wrongly, and say what is wrong."""

import matplotlib
import numpy as np
import pytest
from sklearn.pipeline import make_pipeline

from skcluster import LogScaler, PhotonMapper, plotting
from skcluster.explain.self_test import WeighingRegressor

matplotlib.use("Agg")


pytestmark = pytest.mark.usefixtures("close_figures")


def test_masked_values_are_not_drawn():
    gaps = np.ma.masked_greater([0.1, 0.4, 0.9], 0.5)
    with pytest.raises(
        ValueError, match=r"pit is NaN .* for 1 of 3 clusters \(first: c.*2"
    ):
        plotting.CoverageDisplay(gaps).plot()
    with pytest.raises(
        ValueError, match="The attention 'agn' has no value in 1 of 3 rows"
    ):
        plotting.AttentionDisplay({"icm": np.ones(3), "agn": gaps}).plot()
    mask = np.ma.masked_array(np.eye(4) > 0, np.eye(4)[::-1])
    with pytest.raises(ValueError, match="The mask 'icm' has no value in 4 of 4 rows"):
        plotting.SourceMaskDisplay(
            {"icm": mask}, emission={"all": np.ones((4, 4))}, half_width=1.0
        ).plot()


def test_radii_titles_and_saliency_are_those_of_the_maps():
    maps = np.ones((2, 8, 8))
    short = {"r500c": [0.5]}, {"r500c": [0.5] * 3}, {"titles": ["A"]}
    for keywords, word in zip(short, ("r500c", "r500c", "titles"), strict=True):
        words = f"{word} must be .*one for each of 2 clusters, got"
        with pytest.raises(ValueError, match=words):
            plotting.PhotonMapDisplay(maps, half_width=1.0, **keywords).plot()
        with pytest.raises(ValueError, match=words):
            plotting.SaliencyDisplay(maps, maps, half_width=1.0, **keywords).plot()
    for n in (1, 3):
        with pytest.raises(ValueError, match=f"2 maps, but the saliency of {n}"):
            plotting.SaliencyDisplay(maps, np.ones((n, 8, 8)), half_width=1.0).plot()


def test_saliency_of_other_clusters_or_pixels_has_no_place_beside_sources(sample):
    mapper, shapes = PhotonMapper(n_pixels=8), [(6, 1, 8, 8), (5, 1, 16, 16)]
    for shape in shapes:
        with pytest.raises(ValueError, match=r"5 clusters .* 8 x 8 pixels.* \(\d, 1, "):
            plotting.SourceMaskDisplay.from_sample(
                sample[:5], 3, mapper, saliency=np.ones(shape)
            )


def network_on(sample, n_bands=1, **parameters):
    """A network that adds up the pixels of maps in some bands."""
    edges = np.linspace(0.5, 5, n_bands + 1)
    bands = tuple(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True))
    mapper = PhotonMapper(bands=bands, **{"n_pixels": 8, **parameters})
    weight = np.full((n_bands, mapper.n_pixels, mapper.n_pixels), 0.01)
    return make_pipeline(mapper, LogScaler(), WeighingRegressor(weight)).fit(sample)


@pytest.mark.parametrize(
    ("other", "words"),
    [
        ({"n_bands": 3}, "network on one band, but its maps have 3"),
        ({"half_width": 1.0}, r"half_width=1 and 8 .* half_width=2\.3 and 8 pixels"),
        ({"n_pixels": 16}, r"2\.3 and 16 pixels per side, those of the estimator .* 8"),
    ],
)
def test_a_single_band_needs_the_frame_of_the_others(sample, other, words):
    X = sample[:3]
    bands, fitting = network_on(X, 2), network_on(X)
    draw = plotting.BandSaliencyDisplay.from_estimator
    assert len(draw(bands, X, 1, single_band=fitting).axes_) == 3
    with pytest.raises(ValueError, match=words):
        draw(bands, X, 1, single_band=network_on(X, **other))


def test_saliency_is_not_shown_beside_scaled_counts(sample):
    pipeline = network_on(sample[:3])
    counts = pipeline[0].transform(sample[:3])
    scaled = pipeline[1].transform(counts)
    for display, rows in (
        (plotting.SaliencyDisplay, ()),
        (plotting.BandSaliencyDisplay, (1,)),
    ):
        words = f"{display.__name__} shows photons, but .* been through LogScaler. Give"
        with pytest.raises(ValueError, match=words):
            display.from_estimator(pipeline[2:], scaled, *rows)
        shown = display.from_estimator(pipeline[1:], counts, *rows).map_images_[0]
        assert shown.get_array().max() == np.asarray(counts.maps)[rows or 0].max()
    by_radius = plotting.RadialSaliencyDisplay.from_estimator
    assert len(by_radius(pipeline[2:], scaled, half_width=2.3).radius) > 3
