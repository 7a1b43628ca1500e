"""Figures of narrow, wide, constant and empty data can be read: no labels touch."""

from itertools import combinations

import matplotlib
import numpy as np
import pytest
from astropy.table import Column
from numpy.testing import assert_allclose

from skcluster import plotting
from skcluster.plotting.color_bars import FittingLocator, tick_label

matplotlib.use("Agg")
from matplotlib import pyplot as plt

LIMITS = {
    "within a factor of two": (1.0e-3, 1.9e-3),
    "within a decade": (1e-3, 9e-3),
    "real": (2.4e-4, 1.1e-3),
    "faint": (1.1e-12, 3.1e-12),
    "eleven decades": (1e-9, 1e2),
    "constant": (2e-3, 2e-3),
    "empty": (0.0, 0.0),
    "signed": (-1.234e-3, 1.3e-3),
}
COUNTS = {
    "within a factor of two": (1, 2),
    "within a decade": (1, 9),
    "real": (0, 4),
    "faint": (0, 1),
    "eleven decades": (1, 10**6),
    "constant": (7, 7),
    "empty": (0, 0),
    "signed": (12, 27),
}
BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))


pytestmark = pytest.mark.usefixtures("close_figures")


def spread(limits, shape):
    """Values that fill a range, evenly in their logarithm where they have one."""
    low, high = limits
    part = np.random.default_rng(0).permutation(np.linspace(0, 1, np.prod(shape)))
    part = part.reshape(shape)
    return low * (high / low) ** part if low > 0 else low + (high - low) * part


def labels_of(figure):
    """All tick labels that are seen, labels of axes and titles, with their boxes."""
    figure.canvas.draw()
    artists = [text for text in figure.texts if text.get_text()]
    for text in (figure._suptitle, figure._supxlabel, figure._supylabel):
        artists += [text] if text is not None and text.get_text() else []
    for ax in figure.axes:
        artists += [ax.xaxis.label, ax.yaxis.label, ax.title, ax._left_title]
        frame = ax.get_window_extent()
        for axis, ends in ((ax.xaxis, frame.intervalx), (ax.yaxis, frame.intervaly)):
            for text in axis.get_ticklabels(which="both"):
                box = text.get_window_extent()
                middle = box.get_points().mean(axis=0)[0 if axis is ax.xaxis else 1]
                if ends[0] - 1 <= middle <= ends[1] + 1:
                    artists.append(text)
    found = {id(text): text for text in artists if text.get_visible()}
    return {
        (text.get_text(), key): text.get_window_extent()
        for key, text in found.items()
        if text.get_text()
    }


def touching(figure):
    """Pairs of labels whose boxes overlap by more than half a pixel."""
    boxes = labels_of(figure)
    return [
        (one[0], other[0])
        for one, other in combinations(boxes, 2)
        if min(boxes[one].x1, boxes[other].x1) - max(boxes[one].x0, boxes[other].x0)
        > 0.5
        and min(boxes[one].y1, boxes[other].y1) - max(boxes[one].y0, boxes[other].y0)
        > 0.5
    ]


def seen_on(bar):
    """Labels of a color bar that lie on it."""
    axis = bar.ax.yaxis if bar.orientation == "vertical" else bar.ax.xaxis
    low, high = sorted(axis.get_view_interval())
    return [
        text.get_text()
        for place, text in zip(axis.get_ticklocs(), axis.get_ticklabels(), strict=True)
        if low <= place * (1 + 1e-9) and place * (1 - 1e-9) <= high
    ]


def displays(data):
    """Every display with a color bar, of the same kind of data."""
    counts, values = COUNTS[data], LIMITS[data]
    yield plotting.PhotonMapDisplay(
        spread(counts, (3, 8, 8)), half_width=2.3, r500c=[0.5, 0.7, 1.0]
    )
    yield plotting.SaliencyDisplay(  # of one cluster: see below
        spread(counts, (3, 8, 8)),
        spread(values, (3, 8, 8)),
        half_width=2.3,
        r500c=[0.5] * 3,
        titles=["z = 0.10"] * 3,
    )
    yield plotting.BandSaliencyDisplay(
        spread(counts, (3, 8, 8)),
        spread(values, (3, 8, 8)),
        half_width=2.3,
        bands=BANDS,
        single=(spread(counts, (8, 8)), spread(values, (8, 8))),
    )
    yield plotting.SourceMaskDisplay(
        {"icm": np.eye(8) > 0, "agn": np.eye(8) < 0, "background": np.eye(8) < 0},
        emission={"icm": spread(counts, (8, 8)), "agn": np.zeros((8, 8))},
        saliency=spread(values, (8, 8)),
        half_width=2.3,
    )
    speed = np.abs(np.random.default_rng(1).normal(0, values[1] * 1e6, 30))
    yield plotting.MultiwavelengthDisplay(
        spread(counts, (3, 8, 8)),
        galaxies={"x": np.zeros(30), "y": np.zeros(30), "v": speed},
        cube=spread(values, (8, 8, 8)),
        half_width=2.3,
        cube_half_width=2.3,
        velocity_max=3785,
        bands=BANDS,
        title="z = 0.10",
    )


@pytest.mark.parametrize("data", LIMITS)
def test_no_labels_touch(data):
    for display in displays(data):
        assert touching(display.plot().figure_) == [], type(display).__name__


@pytest.mark.parametrize("data", LIMITS)
def test_the_picture_of_one_cluster_can_be_read(data):
    """As `skcluster explain` draws it."""
    display = plotting.SaliencyDisplay(
        spread(COUNTS[data], (1, 16, 16)),
        spread(LIMITS[data], (1, 16, 16)),
        half_width=2.3,
        r500c=[0.7],
        label=r"$|\Delta \log_{10} M|$ [dex per photon]",
    ).plot(figsize=(7.1, 4.3))
    display.figure_.suptitle("eFEDS J092121.2+031726: z = 0.333", fontsize="medium")
    assert touching(display.figure_) == []
    for image in (*display.map_images_, *display.saliency_images_):
        assert len(seen_on(image.colorbar)) >= 2


def test_the_test_sees_labels_that_touch():
    figure, ax = plt.subplots(figsize=(1.5, 1.5))
    ax.set_xticks(np.linspace(0, 1, 9))
    assert ("0.125", "0.250") in touching(figure)


@pytest.mark.parametrize("length", [0.8, 1.5, 4.0])
@pytest.mark.parametrize("is_log", [True, False])
@pytest.mark.parametrize("ratio", [1.5, 2.0, 7.0, 30.0, 1e4, 1e12])
def test_ticks_are_labeled_by_their_values_and_lie_in_range(length, is_log, ratio):
    figure = plt.figure(figsize=(length, 1))
    ax = figure.add_axes((0, 0.5, 1, 0.2))
    low, high = 3.7e-5, 3.7e-5 * ratio
    ax.set(xlim=(low, high), xscale="log" if is_log else "linear")
    locator = FittingLocator(is_log)
    ax.xaxis.set_major_locator(locator)
    ticks = locator()
    slack = 1e-9 * (high - low)
    assert ((ticks >= low - slack) & (ticks <= high + slack)).all()
    assert 1 <= len(ticks) <= 6
    if length > 1:
        assert len(ticks) >= 2
    values = [
        tick_label(tick).strip("$").replace(r"{\times}10^{", "e").replace("10^{", "1e")
        for tick in ticks
    ]
    assert_allclose([float(value.strip("}")) for value in values], ticks, rtol=1e-5)


RADIUS = np.linspace(0.025, 2.975, 60)


@pytest.mark.parametrize("data", LIMITS)
def test_profiles_of_any_range_can_be_read(data):
    median = spread(LIMITS[data], 60)
    display = plotting.RadialSaliencyDisplay(
        RADIUS, median, median - abs(median) / 9, median * 1.1, name="network"
    ).plot()
    assert touching(display.figure_) == []
    has_logarithm = LIMITS[data][0] > 0
    assert display.ax_.get_yscale() == ("log" if has_logarithm else "linear")


@pytest.mark.parametrize("data", LIMITS)
def test_attention_of_any_range_can_be_read(data):
    attention = dict.fromkeys(("icm", "agn", "background"), spread(LIMITS[data], 50))
    display = plotting.AttentionDisplay(attention).plot()
    assert touching(display.figure_) == []


@pytest.mark.parametrize(
    ("n_clusters", "scatter"), [(1, 0.1), (3, 5.0), (20, 0.1), (300, 1e-12), (300, 5.0)]
)
def test_masses_of_any_scatter_and_number_can_be_seen(scatter, n_clusters):
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, n_clusters)
    predicted = log_mass + rng.normal(0, scatter, n_clusters)
    display = plotting.MassPredictionDisplay.from_predictions(log_mass, predicted)
    assert touching(display.figure_) == []
    line = display.line_
    n_seen = len(line.get_xdata()) + sum(
        len(each.get_xdata()) for each in display.points_
    )
    assert n_seen > 0
    if len(line.get_xdata()) == 1:
        assert line.get_marker() == "o"


def test_masses_of_one_value_are_a_point():
    log_mass = np.full(50, 14.0)
    display = plotting.MassPredictionDisplay.from_predictions(log_mass, log_mass + 0.1)
    assert_allclose(display.residual_line_.get_ydata(), [0.1])
    assert display.line_.get_marker() == "o"
    with pytest.raises(ValueError, match=r"log_mass must be .*got the shape \(0,\)"):
        plotting.MassPredictionDisplay.from_predictions([], [])


@pytest.mark.parametrize("n_clusters", [1, 10, 1000])
def test_coverage_of_any_number_can_be_read(n_clusters):
    pit = np.random.default_rng(0).uniform(size=n_clusters)
    display = plotting.CoverageDisplay(pit, name="network").plot()
    assert touching(display.figure_) == []
    constant = plotting.CoverageDisplay(np.full(n_clusters, 0.5)).plot()
    assert touching(constant.figure_) == []


@pytest.mark.parametrize("n_proxies", [1, 2, 9])
def test_correlations_can_be_read(n_proxies):
    names = [*plotting.masses.PROXY_LABELS][-n_proxies:]
    matrix = np.full((n_proxies, n_proxies), -0.99)
    display = plotting.ProxyCorrelationDisplay(matrix, names=names).plot()
    display.figure_.canvas.draw()
    boxes = [text.get_window_extent() for text in display.texts_.ravel()]
    assert not any(a.overlaps(b) for a, b in combinations(boxes, 2))


LOSSES = {
    "falls": np.geomspace(1.0, 1e-5, 20),
    "hardly moves": 1 + 1e-3 * np.linspace(1, 0, 20) ** 2,
    "constant": np.ones(20),
    "one epoch": np.ones(1),
    "below zero": np.linspace(1, -1, 21),
}


@pytest.mark.parametrize("losses", LOSSES)
def test_any_course_of_a_loss_can_be_read(losses):
    history = [
        {"member": 0, "epoch": i + 1, "train_loss": loss, "valid_loss": loss}
        for i, loss in enumerate(LOSSES[losses])
    ]
    display = plotting.TrainingCurveDisplay(history).plot()
    assert touching(display.figure_) == []
    scale = "linear" if losses == "below zero" else "log"
    assert display.ax_.get_yscale() == scale
    low, high = display.ax_.get_ylim()
    assert low < LOSSES[losses].min() <= LOSSES[losses].max() < high
    if losses == "one epoch":
        assert display.train_lines_[0].get_marker() == "."


def test_nothing_to_draw_is_an_error():
    none = np.zeros((0, 8, 8))
    with pytest.raises(ValueError, match="PhotonMapDisplay needs 1 map or more"):
        plotting.PhotonMapDisplay(none, half_width=2.3).plot()
    with pytest.raises(ValueError, match="SaliencyDisplay needs 1 map or more"):
        plotting.SaliencyDisplay(none, none, half_width=2.3).plot()
    with pytest.raises(ValueError, match="needs a history of one epoch or more"):
        plotting.TrainingCurveDisplay([]).plot()


def test_a_cube_without_contrast_can_be_drawn():
    for value in (0.0, 0.5):
        display = plotting.MultiwavelengthDisplay(
            np.zeros((1, 8, 8)),
            cube=np.full((4, 4, 4), value),
            half_width=2.3,
            cube_half_width=2.3,
            velocity_max=1000,
        ).plot()
        display.figure_.canvas.draw()
        wanted = 1 / 2000 if value else 0.0
        assert_allclose(display.velocity_line_.get_ydata(), wanted)


def test_sizes_in_another_unit_are_refused():
    maps = np.ones((1, 8, 8))
    with pytest.raises(ValueError, match=r"half_width=2300 .* looks like kpc/h"):
        plotting.PhotonMapDisplay(maps, half_width=2300).plot()
    with pytest.raises(ValueError, match=r"r500c=900 .* looks like kpc"):
        plotting.SaliencyDisplay(maps, maps, half_width=2.3, r500c=[900]).plot()
    mass = np.array([1e14, 3e14])
    with pytest.raises(ValueError, match=r"look like masses in Msun"):
        plotting.MassPredictionDisplay.from_predictions(mass, mass)


def test_predictions_in_another_unit_and_masked_ones_are_refused():
    log_mass = np.linspace(13.5, 15, 30)
    for predicted, text in (
        (10 ** (log_mass + 0.1), "but predicted looks like masses in Msun"),
        (
            Column(log_mass, unit="dex(Msun)"),
            r"predicted has the unit 'dex\(solMass\)'",
        ),
        (np.ma.masked_less(log_mass, 14), r"predicted has no value in 10 of 30 rows"),
    ):
        with pytest.raises(ValueError, match=text):
            plotting.MassPredictionDisplay.from_predictions(log_mass, predicted)


def test_options_of_displays_are_checked():
    log_mass = np.linspace(13.5, 15, 300)
    with pytest.raises(ValueError, match=r"predicted is NaN .* for 2 of 300 .* 298"):
        plotting.MassPredictionDisplay.from_predictions(
            log_mass, np.where(log_mass > 14.99, np.nan, log_mass)
        )
    display = plotting.MassPredictionDisplay(
        log_mass=log_mass, predicted=log_mass, n_bins=np.uint8(4)
    )
    assert len(display.plot().line_.get_xdata()) == 4
    display.n_bins = 0
    with pytest.raises(ValueError, match="n_bins must be a positive int, got 0"):
        display.plot()
    maps = plotting.PhotonMapDisplay(np.ones((3, 4, 4)), half_width=2.3)
    assert maps.plot(n_columns=np.uint8(2)).axes_.shape == (2, 2)
    with pytest.raises(ValueError, match="n_columns must be a positive int, got 0"):
        maps.plot(n_columns=0)
    with pytest.raises(ValueError, match=r"square matrix, got the shape \(2, 3\)"):
        plotting.ProxyCorrelationDisplay(np.ones((2, 3))).plot()
