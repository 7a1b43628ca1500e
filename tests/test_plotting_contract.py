"""What all displays share: they draw into axes of the caller, and from_* have drawn."""

import inspect
import warnings
from itertools import pairwise

import matplotlib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    SaliencyExplainer,
    SparseMaps,
    XrayCNNRegressor,
    plotting,
    radial_saliency,
    source_attention,
)
from skcluster.explain import band_attention

matplotlib.use("Agg")
from matplotlib import pyplot as plt
from matplotlib.axes import Axes

DISPLAYS = sorted(name for name in plotting.__all__ if name.endswith("Display"))
MAPPER = PhotonMapper(bands=((0.5, 2.0), (2.0, 7.0)), n_pixels=16, half_width=1.5)
MASKS = {"icm": np.eye(16) > 0, "agn": np.eye(16)[::-1] > 0}


pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture(scope="module")
def network(sample, log_mass):
    """A pipeline on two bands, trained for an epoch."""
    cnn = XrayCNNRegressor(max_epochs=1, device="cpu", n_threads=1, random_state=0)
    pipeline = make_pipeline(MAPPER, RedshiftNormalizer(), LogScaler(), cnn)
    return pipeline.fit(sample, log_mass)


@pytest.fixture(scope="module")
def wrapped(network, sample, log_mass):
    """Estimators that stand for a network that they fitted."""
    search = GridSearchCV(network, {"xraycnnregressor__max_epochs": [1]}, cv=2)
    augmented = RotationAugmentedRegressor(network, n_rotations=1, random_state=0)
    with warnings.catch_warnings():
        # Half of so few clusters do not span the other half.
        warnings.filterwarnings("ignore", message=".*far outside the training range")
        search.fit(sample[:20], log_mass[:20])
    return {"search": search, "augmented": augmented.fit(sample[:20], log_mass[:20])}


@pytest.fixture(scope="module")
def saliency(network, sample):
    return SaliencyExplainer(network).explain(sample[:6])


@pytest.fixture(scope="module")
def proxies(sample, log_mass):
    measurer = ProxyMeasurer(proxies=("n_phot", "n_gal"))
    return EvrardProxyRegressor().fit(measurer.fit_transform(sample), log_mass)


@pytest.fixture(scope="module")
def ways(network, proxies, sample, log_mass, saliency):
    """For each display, what its from_* take."""
    mapped = MAPPER.transform(sample[:2])
    masks = {key: np.tile(mask, (6, 1, 1)) for key, mask in MASKS.items()}
    rows = SparseMaps.from_dense(saliency).rows
    frame = mapped.maps.geometry
    profile = radial_saliency(saliency, sample.r500c[:6], half_width=1.5)
    return {
        "AttentionDisplay": {
            "from_sources": (source_attention(saliency, masks, random_state=0),),
            "from_bands": (band_attention(saliency, random_state=0),),
        },
        "BandSaliencyDisplay": {"from_estimator": (network, sample, 0)},
        "CoverageDisplay": {
            "from_estimator": (network, sample, log_mass),
            "from_predictions": (log_mass, (log_mass + 0.05, 0.1)),
        },
        "MassPredictionDisplay": {
            "from_estimator": (network, sample, log_mass),
            "from_predictions": (log_mass, log_mass),
        },
        "MultiwavelengthDisplay": {"from_sample": (mapped, 0)},
        "PhotonMapDisplay": {"from_sample": (mapped, [0, 1])},
        "PhotonWeightDisplay": {"from_sample": (_weighted(sample), [0, 1])},
        "ProxyCorrelationDisplay": {"from_estimator": (proxies,)},
        "RadialSaliencyDisplay": {
            "from_estimator": (network, sample[:2]),
            "from_saliency": (
                SparseMaps(rows, saliency.shape[1:], frame),
                sample.r500c[:6],
            ),
            "from_profile": (profile,),
        },
        "SaliencyDisplay": {"from_estimator": (network, sample[:2])},
        "SourceMaskDisplay": {"from_sample": (sample, 0, MAPPER)},
        "TrainingCurveDisplay": {"from_estimator": (network,)},
    }


def _weighted(sample):
    photons = sample.photons
    return sample.assign(photons=photons.assign(contribution=photons["energy"] / 1e3))


def axes_of(display):
    """The axes that a display drew its panels into, in order."""
    axes = getattr(display, "axes_", None)
    axes = [display.ax_] if axes is None else axes
    axes = axes.values() if isinstance(axes, dict) else np.ravel(axes)
    return [ax for ax in axes if ax.axison]


@pytest.mark.parametrize("name", DISPLAYS)
def test_what_a_from_returns_is_drawn_and_can_be_drawn_elsewhere(name, ways):
    makers = {each for each in dir(getattr(plotting, name)) if each.startswith("from_")}
    assert makers == set(ways[name])
    for maker, arguments in ways[name].items():
        display = getattr(getattr(plotting, name), maker)(*arguments)
        axes = axes_of(display)
        assert all(isinstance(ax, Axes) and ax.has_data() for ax in axes), maker
        figure, mine = plt.subplots(1, len(axes), squeeze=False)
        n_figures = len(plt.get_fignums())
        assert display.plot(mine[0] if len(axes) > 1 else mine[0, 0]) is display
        assert axes_of(display) == list(mine[0])
        assert display.figure_ is figure
        assert all(ax.has_data() for ax in mine[0])
        assert len(plt.get_fignums()) == n_figures


@pytest.mark.parametrize("name", DISPLAYS)
def test_plot_takes_axes_first_and_none_is_a_new_figure(name):
    parameter = list(inspect.signature(getattr(plotting, name).plot).parameters)[1]
    assert parameter == "ax"
    assert inspect.signature(getattr(plotting, name).plot).parameters["ax"].default is (
        None
    )


SEVERAL = {
    "PhotonMapDisplay": ({"maps": np.ones((3, 4, 4)), "half_width": 2.3}, 3),
    "MultiwavelengthDisplay": ({"maps": np.ones((3, 4, 4)), "half_width": 2.3}, 3),
    "SaliencyDisplay": (
        {"maps": np.ones((2, 4, 4)), "saliency": np.ones((2, 4, 4)), "half_width": 2},
        4,
    ),
    "BandSaliencyDisplay": (
        {"maps": np.ones((3, 4, 4)), "saliency": np.ones((3, 4, 4)), "half_width": 2},
        6,
    ),
    "SourceMaskDisplay": (
        {"masks": MASKS, "emission": {"all": np.ones((16, 16))}, "half_width": 2},
        2,
    ),
}


@pytest.mark.parametrize("name", SEVERAL)
def test_too_few_axes_are_counted(name):
    arguments, n_panels = SEVERAL[name]
    display = getattr(plotting, name)(**arguments)
    _, axes = plt.subplots(1, n_panels - 1)
    kind = "SaliencyDisplay" if name == "BandSaliencyDisplay" else name
    words = f"{kind} draws {n_panels} panels here, got {n_panels - 1} axes"
    with pytest.raises(ValueError, match=words):
        display.plot(axes)


@pytest.mark.parametrize("name", [*SEVERAL][:1] + [*SEVERAL][2:])
def test_a_new_figure_says_once_what_its_axes_are(name):
    arguments, _ = SEVERAL[name]
    r500c = 1.0
    if name not in ("BandSaliencyDisplay", "SourceMaskDisplay"):
        r500c = np.ones(len(arguments["maps"]))
    display = getattr(plotting, name)(**arguments, r500c=r500c).plot()
    assert display.figure_.get_supxlabel() == "West [comoving Mpc/h]"
    assert {ax.get_xlabel() for ax in axes_of(display)} == {""}


def test_labels_of_radii_do_not_touch():
    radius = np.array([0.125, 0.6, 2.75])
    display = plotting.RadialSaliencyDisplay(radius, radius, radius / 2, radius * 2)
    figure = display.plot().figure_
    figure.canvas.draw()
    axis = display.ax_.xaxis
    labels = [each for each in axis.get_ticklabels(which="both") if each.get_text()]
    low, high = display.ax_.get_window_extent().intervalx
    boxes = sorted(each.get_window_extent().intervalx.tolist() for each in labels)
    boxes = [box for box in boxes if low <= sum(box) / 2 <= high]
    assert len(boxes) >= 3
    assert all(a[1] < b[0] for a, b in pairwise(boxes))


@pytest.mark.parametrize("name", SEVERAL)
def test_axes_of_the_caller_say_what_they_are(name):
    arguments, n_panels = SEVERAL[name]
    display = getattr(plotting, name)(**arguments)
    figure, axes = plt.subplots(1, n_panels)
    display.plot(dict(enumerate(axes)))
    assert axes[0].get_xlabel() == "West [comoving Mpc/h]"
    assert axes[0].get_ylabel() == "North [comoving Mpc/h]"
    assert figure.get_supxlabel() == ""


@pytest.mark.parametrize("kind", ["search", "augmented"])
def test_a_network_inside_another_estimator_is_drawn_as_itself(kind, wrapped, sample):
    estimator, X = wrapped[kind], sample[:3]
    inner = {"search": "best_estimator_", "augmented": "estimator_"}[kind]
    network = getattr(estimator, inner)
    counts = np.asarray(MAPPER.transform(X).maps).sum(axis=1)
    found = plotting.SaliencyDisplay.from_estimator(estimator, X)
    assert_array_equal(found.maps, counts)
    assert found.half_width == 1.5
    wanted = SaliencyExplainer(network).explain(X)
    assert_allclose(found.saliency, wanted.mean(axis=1))
    radial = plotting.RadialSaliencyDisplay.from_estimator(estimator, X, bins=4)
    profile = radial_saliency(wanted, X.r500c, half_width=1.5, bins=4)
    assert_allclose(radial.median, profile.median)
    assert radial.name == "XrayCNNRegressor"
    bands = plotting.BandSaliencyDisplay.from_estimator(estimator, X, 0)
    assert bands.bands == MAPPER.bands
    curves = plotting.TrainingCurveDisplay.from_estimator(estimator)
    assert curves.history == network[-1].history_


def test_radial_saliency_is_explained_in_any_way(network, sample):
    X = sample[:4]
    options = {"method": "smoothgrad", "signed": True, "random_state": 0}
    display = plotting.RadialSaliencyDisplay.from_estimator(
        network, X, bins=4, per_photon=True, **options
    )
    wanted = SaliencyExplainer(network, per_photon=True, **options).explain(X)
    profile = radial_saliency(wanted, X.r500c, half_width=1.5, bins=4)
    assert_allclose(display.low, profile.low)
    assert (display.low < 0).any()
    assert display.ax_.get_yscale() == "linear"
    label = display.ax_.get_ylabel()
    assert label.endswith("[dex per photon]")
    assert "|" not in label


def test_maps_know_their_frame(sample):
    mapped = MAPPER.transform(sample[:2])
    shown = plotting.PhotonMapDisplay.from_sample(mapped, [0])
    assert shown.half_width == 1.5
    shown = plotting.MultiwavelengthDisplay.from_sample(mapped, 0)
    assert (shown.half_width, shown.bands) == (1.5, MAPPER.bands)
    one = plotting.PhotonMapDisplay.from_sample(mapped, [0], half_width=2.0)
    assert one.half_width == 2.0


def test_saliency_has_a_unit(network, sample):
    units = {
        ("gradient", False): "[dex]",
        ("gradient", True): "[dex per photon]",
        ("integrated_gradients", False): "[dex]",
        ("deep_dream", False): "[dex]",
    }
    from skcluster.plotting.sky import saliency_label

    for (method, per_photon), unit in units.items():
        assert saliency_label(method, per_photon=per_photon).endswith(unit)
    display = plotting.SaliencyDisplay.from_estimator(network, sample[:1])
    label = display.saliency_images_[0].colorbar.ax.get_xlabel()
    assert label == r"$|\partial \log_{10} M \,/\, \partial x|$ [dex]"
