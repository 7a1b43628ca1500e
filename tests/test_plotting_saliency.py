"""Displays of saliency: where a network looks, asserted on their artists."""

import matplotlib
import numpy as np
import pytest
from matplotlib import colors
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.pipeline import make_pipeline
from sklearn.utils import Bunch

from skcluster import LogScaler, PhotonMapper, RedshiftNormalizer, XrayCNNRegressor
from skcluster.explain import (
    band_attention,
    source_attention,
    source_maps,
    source_masks,
)
from skcluster.explain.self_test import WeighingRegressor
from skcluster.plotting import (
    OKABE_ITO,
    AttentionDisplay,
    BandSaliencyDisplay,
    RadialSaliencyDisplay,
    SaliencyDisplay,
    SourceMaskDisplay,
)
from skcluster.plotting.sky import saliency_label

matplotlib.use("Agg")

BANDS = ((0.5, 2.0), (2.0, 7.0))
MAPPER = PhotonMapper(bands=BANDS, n_pixels=16, half_width=1.5)


pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture(scope="module")
def network(sample, log_mass):
    """A pipeline on two bands, trained for one epoch."""
    cnn = XrayCNNRegressor(
        max_epochs=1,
        device="cpu",
        n_threads=1,
        random_state=0,
        validation_fraction=None,
    )
    pipeline = make_pipeline(MAPPER, RedshiftNormalizer(), LogScaler(), cnn)
    return pipeline.fit(sample, log_mass)


@pytest.fixture(scope="module")
def saliency(network, sample):
    """Its saliency of six clusters."""
    from skcluster.explain import SaliencyExplainer

    return SaliencyExplainer(network).explain(sample[:6])


def label_of_bar(image):
    return image.colorbar.ax.get_xlabel()


def test_map_and_saliency_of_a_cluster_share_a_row_and_a_frame():
    maps, saliency = np.zeros((2, 3, 8, 8))
    maps[1, 6, 5], saliency[1, 6, 5] = 9, 1e-3
    display = SaliencyDisplay(
        maps, saliency, half_width=2, r500c=[0.5, 0.6, 0.7], titles=list("abc")
    ).plot()
    display.figure_.canvas.draw()
    assert display.axes_.shape == (3, 2)
    for image in (display.map_images_[1], display.saliency_images_[1]):
        assert_array_equal(np.argwhere(image.get_array().filled(0)), [[6, 5]])
        assert image.origin == "lower"
        assert_allclose(image.get_extent(), [-2, 2, -2, 2])
    assert [c.radius for c in display.circles_] == [0.5, 0.5, 0.6, 0.6, 0.7, 0.7]
    owners = [circle.axes for circle in display.circles_]
    assert owners == list(display.axes_.flat)
    assert [axes[0].get_title(loc="left") for axes in display.axes_] == list("abc")
    assert display.figure_.get_supxlabel() == "West [comoving Mpc/h]"
    assert label_of_bar(display.map_images_[0]) == "photons per pixel"


def test_saliency_spans_at_most_three_decades_to_its_largest_value():
    saliency = np.array([[[1e-9, 1e-5], [1e-3, 2e-2]]])
    display = SaliencyDisplay(np.ones((1, 2, 2)), saliency, half_width=2).plot()
    norm = display.saliency_images_[0].norm
    assert isinstance(norm, colors.LogNorm)
    assert_allclose([norm.vmin, norm.vmax], [2e-5, 2e-2])
    assert label_of_bar(display.saliency_images_[0]).startswith("$|")


def test_saliency_with_a_sign_has_two_colors_about_zero():
    saliency = np.random.default_rng(0).normal(0.5, 1, (2, 30, 30))
    display = SaliencyDisplay(
        np.ones((2, 30, 30)), saliency, half_width=2, r500c=[1, 1]
    ).plot()
    image = display.saliency_images_[0]
    limit = np.percentile(np.abs(saliency), 99.5)
    assert_allclose(image.get_clim(), [-limit, limit])
    assert image.colorbar.extend == "both"
    assert image.get_array().count() == 900
    assert "|" not in label_of_bar(image)
    white_on_black, black_on_white = display.circles_[:2]
    assert colors.to_rgb(white_on_black.get_edgecolor()) == (1, 1, 1)
    assert colors.to_rgb(black_on_white.get_edgecolor()) == (0, 0, 0)
    assert min(image.cmap(image.norm(0.0))[:3]) > 0.95


@pytest.mark.parametrize("saliency", [np.zeros((1, 4, 4)), np.full((1, 4, 4), 2e-3)])
def test_saliency_of_one_value_can_be_drawn(saliency):
    SaliencyDisplay(
        np.zeros((1, 4, 4)), saliency, half_width=2
    ).plot().figure_.canvas.draw()


def test_a_network_is_explained_as_it_was_trained(network, sample, log_mass, saliency):
    display = SaliencyDisplay.from_estimator(network, sample[:3], log_mass=log_mass[:3])
    counts = np.asarray(MAPPER.transform(sample[:3]).maps).sum(axis=1)
    for i in range(3):
        found = display.map_images_[i].get_array().filled(0)
        assert_array_equal(found, counts[i])
    assert_allclose(display.saliency, saliency[:3].mean(axis=1), rtol=1e-5)
    assert display.half_width == 1.5
    assert f"= {log_mass[2]:.2f}, z = " in display.axes_[2, 0].get_title(loc="left")


def test_what_is_drawn_is_said(network, sample):
    rest, mapped = network[1:], MAPPER.transform(sample[:1])
    labels = {
        "gradient": r"\partial x$ [dex]",
        "smoothgrad": "[dex per photon]",
        "deep_dream": "change of $x$",
    }
    for method, part in labels.items():
        options = {"method": method, "per_photon": method == "smoothgrad"}
        display = SaliencyDisplay.from_estimator(
            rest, mapped, half_width=1.5, signed=True, **options
        )
        label = label_of_bar(display.saliency_images_[0])
        assert part in label
        assert "|" not in label


def test_bands_are_rows_on_one_scale_below_a_single_band(network, sample, saliency):
    weight = np.random.default_rng(0).uniform(1e-4, 1e-3, (1, 16, 16))
    mapper = PhotonMapper(bands=BANDS[:1], n_pixels=16, half_width=1.5)
    single = make_pipeline(mapper, LogScaler(), WeighingRegressor(weight))
    display = BandSaliencyDisplay.from_estimator(
        network, sample, 4, single_band=single.fit(sample)
    )
    titles = [axes[0].get_title(loc="left") for axes in display.axes_]
    assert titles == ["single band", "0.5–2 keV", "2–7 keV"]
    counts = np.asarray(MAPPER.transform(sample[[4]]).maps)[0]
    for row, band in ((0, 0), (1, 0), (2, 1)):
        shown = display.map_images_[row].get_array().filled(0)
        assert_array_equal(shown, counts[band])
        shown = display.saliency_images_[row].get_array()
        wanted = saliency[4, band] if row else weight[0]
        assert_allclose(shown.filled(0), wanted, rtol=1e-5)
    limits = {image.get_clim() for image in display.saliency_images_}
    assert len(limits) == 1
    assert {circle.radius for circle in display.circles_} == {sample.r500c[4]}


def test_bands_without_energies_are_numbered():
    display = BandSaliencyDisplay(
        np.ones((2, 4, 4)), np.ones((2, 4, 4)), half_width=2
    ).plot()
    titles = [axes[0].get_title(loc="left") for axes in display.axes_]
    assert titles == ["band 1", "band 2"]


PROFILE = Bunch(
    radius=np.array([0.1, 0.5, 1.0, 2.0]),
    median=np.array([4.0, 3.0, 2.0, np.nan]),
    low=np.array([3.0, 2.0, 1.0, np.nan]),
    high=np.array([5.0, 4.0, 3.0, np.nan]),
)


def test_curves_of_several_estimators_share_axes():
    first = RadialSaliencyDisplay.from_profile(PROFILE, name="network")
    second = RadialSaliencyDisplay.from_profile(PROFILE, name="proxy", ax=first.ax_)
    first.figure_.canvas.draw()
    assert second.figure_ is first.figure_
    used = [colors.to_hex(display.line_.get_color()) for display in (first, second)]
    assert used == [color.lower() for color in OKABE_ITO[:2]]
    labels = [text.get_text() for text in first.ax_.get_legend().get_texts()]
    assert labels == ["network", "proxy"]
    assert (first.ax_.get_yscale(), first.ax_.get_xscale()) == ("log", "log")
    assert first.ax_.get_lines()[0].get_xdata() == [1, 1]
    assert len(first.ax_.get_lines()) == 3
    assert "R_{500c}" in first.ax_.get_xlabel()
    assert r"\partial \log_{10} M" in first.ax_.get_ylabel()


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
def test_two_radial_curves_have_one_scale_that_holds_both(order):
    signed = Bunch(**{**PROFILE, "low": -np.asarray(PROFILE["high"])})
    ax = None
    for i in order:
        display = RadialSaliencyDisplay.from_profile((PROFILE, signed)[i], ax=ax)
        ax = display.ax_
    assert ax.get_yscale() == "linear"


def test_radial_curves_in_other_units_are_refused():
    first = RadialSaliencyDisplay.from_profile(PROFILE, label="weight [dex per photon]")
    with pytest.raises(ValueError, match="in another unit"):
        RadialSaliencyDisplay.from_profile(PROFILE, label="w [dex]", ax=first.ax_)


def test_the_band_reaches_from_low_to_high():
    display = RadialSaliencyDisplay.from_profile(PROFILE)
    assert_array_equal(display.line_.get_ydata(), PROFILE.median)
    (path,) = display.band_.get_paths()
    at_half = path.vertices[path.vertices[:, 0] == 0.5, 1]
    assert_array_equal(np.unique(at_half), [2, 4])
    assert display.ax_.get_legend() is None


def test_a_planted_ring_is_seen_at_its_radius(sample):
    """Saliency 7 beyond 0.8 R500c and 2 within, for clusters of any size."""
    center = (np.arange(64) + 0.5) / 32 - 1
    radius = 1.9 * np.hypot(*np.meshgrid(center, center))
    ring = np.where(radius > 0.8 * sample.r500c[:6, None, None], 7.0, 2.0)[:, None]
    display = RadialSaliencyDisplay.from_saliency(
        ring, sample.r500c[:6], half_width=1.9, bins=[0, 0.4, 0.8, 1.2], lw=3
    )
    assert_allclose(display.line_.get_xdata(), [0.2, 0.6, 1.0])
    assert_allclose(display.line_.get_ydata(), [2, 2, 7])
    assert display.line_.get_linewidth() == 3


def test_a_network_is_looked_at_by_radius(network, sample, saliency):
    display = RadialSaliencyDisplay.from_estimator(network, sample[:6], bins=4)
    same = RadialSaliencyDisplay.from_saliency(
        saliency, sample.r500c[:6], half_width=1.5, bins=4, ax=display.ax_
    )
    assert_allclose(display.median, same.median, rtol=1e-5)
    assert display.line_.get_label() == "XrayCNNRegressor"
    with pytest.raises(ValueError, match=r"RadialSaliencyDisplay needs sample\.r500c"):
        RadialSaliencyDisplay.from_estimator(network, sample.drop("r500c"))


def test_sources_lie_where_their_photons_are(sample, saliency):
    sample = sample[:6]
    display = SourceMaskDisplay.from_sample(sample, 5, MAPPER, saliency=saliency)
    display.figure_.canvas.draw()
    assert list(display.axes_) == ["icm", "agn", "masks", "saliency"]
    photons = sample.photons
    counts = {}
    for name, origin in (("icm", 0), ("agn", 1)):
        only = sample.assign(photons=photons.select(photons["origin"] == origin))
        counts[name] = np.asarray(MAPPER.transform(only[[5]]).maps)[0].sum(axis=0)
        shown = display.map_images_[name].get_array().filled(0)
        assert_array_equal(shown, counts[name])
    numbers = display.mask_image_.get_array().filled(0)
    assert_array_equal(numbers == 1, counts["icm"] > counts["agn"])
    assert_array_equal(numbers == 2, counts["agn"] > counts["icm"])
    assert (numbers == 3).any()
    shown = display.saliency_image_.get_array().filled(0)
    assert_allclose(shown, saliency[5].mean(axis=0), rtol=1e-6)
    assert [circle.radius for circle in display.circles_] == [sample.r500c[5]] * 4
    ticks = display.mask_image_.colorbar.ax.get_xticklabels()
    assert [tick.get_text() for tick in ticks] == ["ICM", "AGN", "background"]


def test_masks_have_colors_of_their_own():
    masks = {"icm": np.eye(3) > 0, "agn": np.eye(3)[::-1] > 0, "mine": np.eye(3) < 0}
    display = SourceMaskDisplay(
        masks, emission={"all": np.ones((3, 3))}, half_width=2
    ).plot()
    assert list(display.axes_) == ["all", "masks"]
    image = display.mask_image_
    shades = [colors.to_hex(image.cmap(image.norm(number))) for number in (1, 2, 3)]
    assert shades == [OKABE_ITO[0].lower(), OKABE_ITO[1].lower(), "#000000"]
    assert image.axes.get_facecolor()[:3] == (1, 1, 1)
    # A mask of gas may hold more photons of the background than of gas.
    assert image.colorbar.ax.get_xlabel() == "source mask"


def heights(bar):
    """Ends of an error bar."""
    return bar.get_segments()[0][:, 1]


def test_attention_is_a_median_with_its_percentiles_and_error():
    attention = 10.0 ** np.linspace(-4, -2, 101)
    display = AttentionDisplay(
        {"icm": attention, "mine": np.array([1e-3, 0.0, np.nan]), "agn": np.zeros(4)},
        median_error={"icm": 0.25, "mine": 0.1, "agn": np.nan},
    ).plot()
    display.figure_.canvas.draw()
    icm, mine = display.medians_
    assert icm.lines[0].get_xydata().tolist() == [[0, -3]]
    (bar,) = icm.lines[2]
    assert_allclose(heights(bar), [-3.68, -2.32])
    (bar,) = display.errors_[0].lines[2]
    assert_allclose(heights(bar), [-3.25, -2.75])
    assert_allclose(mine.lines[0].get_xydata(), [[1, -3]])
    ticks = [text.get_text() for text in display.ax_.get_xticklabels()]
    assert ticks == ["ICM\n101 clusters", "mine\n1 cluster", "AGN\n0 clusters"]
    assert display.ax_.texts[0].get_text() == "$-3.00_{-0.68}^{+0.68}$"


def test_attention_of_sources_and_bands_is_that_of_explain(sample, saliency):
    masks = source_masks(source_maps(sample[:6], MAPPER))
    found = source_attention(saliency, masks, random_state=0)
    display = AttentionDisplay.from_sources(found)
    medians = [each.lines[0].get_ydata()[0] for each in display.medians_]
    names = ("icm", "agn", "background")
    assert list(display.attention) == list(names)
    assert_allclose(medians, [found[name].log_median for name in names])
    found = band_attention(saliency, random_state=0)
    display = AttentionDisplay.from_bands(found, bands=BANDS)
    medians = [each.lines[0].get_ydata()[0] for each in display.medians_]
    assert_allclose(medians, found.log_median)
    assert list(display.attention) == ["0.5–2 keV", "2–7 keV"]
    assert list(AttentionDisplay.from_bands(found).attention) == ["band 1", "band 2"]


def test_attention_says_what_its_saliency_is():
    """Dex per photon are not dex."""
    ones = np.ones((5, 1, 4, 4))
    of_sources = source_attention(ones, {"icm": ones[:, 0] > 0}, groups=np.zeros(5))
    of_bands = band_attention(ones, groups=np.zeros(5))
    label = saliency_label(per_photon=True)
    for display in (
        AttentionDisplay.from_sources(of_sources, label=label),
        AttentionDisplay.from_bands(of_bands, label=label),
    ):
        shown = display.ax_.get_ylabel()
        assert shown == rf"$\log_{{10}}$ of mean {label}"
        assert shown.endswith("[dex per photon]")
    plain = AttentionDisplay.from_bands(of_bands).ax_.get_ylabel()
    assert plain == r"$\log_{10}$ (mean saliency / dex)"


def test_each_median_has_its_own_error():
    display = AttentionDisplay(
        {"icm": np.full(3, 1e-2), "agn": np.full(3, 1e-3)},
        median_error={"icm": 0.25, "agn": 0.1},
    ).plot()
    for each, expected in zip(
        display.errors_, ([-2.25, -1.75], [-3.1, -2.9]), strict=True
    ):
        assert_allclose(heights(each.lines[2][0]), expected)


def test_one_band_can_be_chosen():
    two = np.ones((2, 2, 8, 8)) * np.array([7.0, 2.0])[:, None, None]
    display = RadialSaliencyDisplay.from_saliency(
        two, [0.5, 0.8], half_width=1.9, bins=[0, 2], band=1
    )
    assert_allclose(display.line_.get_ydata(), [2])


def test_the_single_band_is_that_of_its_own_network(sample, log_mass):
    weight = np.random.default_rng(0).uniform(1e-4, 1e-3, (1, 16, 16))
    two = make_pipeline(
        MAPPER, LogScaler(), WeighingRegressor(np.tile(weight, (2, 1, 1)))
    )
    mapper = PhotonMapper(bands=BANDS[1:], n_pixels=16, half_width=1.5)
    single = make_pipeline(mapper, LogScaler(), WeighingRegressor(weight))
    display = BandSaliencyDisplay.from_estimator(
        two.fit(sample), sample, 4, single_band=single.fit(sample)
    )
    counts = np.asarray(MAPPER.transform(sample[[4]]).maps)[0]
    for row, band in ((0, 1), (1, 0), (2, 1)):
        assert_array_equal(display.map_images_[row].get_array().filled(0), counts[band])
