"""Displays: asserted on their artists, not on pictures."""

import subprocess
import sys

import matplotlib
import numpy as np
import pytest
from matplotlib import colors
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import (
    ClusterSample,
    EvrardProxyRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    RedshiftNormalizer,
)
from skcluster.plotting import (
    OKABE_ITO,
    MassPredictionDisplay,
    MultiwavelengthDisplay,
    PhotonMapDisplay,
    ProxyCorrelationDisplay,
    TrainingCurveDisplay,
)

matplotlib.use("Agg")
from matplotlib import pyplot as plt

pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.fixture
def masses():
    """True masses, and predictions that are 0.1 too high with a known spread."""
    log_mass = np.linspace(13.5, 15.0, 241)
    return log_mass, log_mass + 0.1 + np.resize([-0.3, 0.0, 0.3], 241)


def test_a_source_in_the_north_west_is_seen_there():
    """0.06 deg are 0.31 Mpc/h at redshift 0.1; West is to the right of the map."""
    dec = 40.0
    photons = {
        "ra": np.full(5, 30.0 - 0.06 / np.cos(np.radians(dec))),
        "dec": np.full(5, dec + 0.12),
        "energy": np.ones(5),
    }
    sample = ClusterSample([0.1], center=[[30.0, dec]], photons=[photons])
    mapper = PhotonMapper(n_pixels=23, half_width=1.15)
    display = PhotonMapDisplay.from_sample(
        mapper.transform(sample), [0], half_width=1.15
    ).plot()
    (image,), (ax,) = display.images_, display.axes_.flat[:1]
    assert image.origin == "lower"
    assert_allclose(image.get_extent(), [-1.15, 1.15, -1.15, 1.15])
    assert ax.get_xlim()[0] < ax.get_xlim()[1]
    assert ax.get_ylim()[0] < ax.get_ylim()[1]
    assert_array_equal(np.argwhere(image.get_array().filled(0)), [[17, 14]])
    west, north = (np.array([14, 17]) + 0.5) * 0.1 - 1.15
    assert_allclose([west, north], [0.31, 0.62], atol=0.05)
    assert display.figure_.get_supxlabel() == "West [comoving Mpc/h]"
    assert display.figure_.get_supylabel() == "North [comoving Mpc/h]"


def test_circles_have_the_radii_of_their_clusters(sample):
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    display = PhotonMapDisplay.from_sample(mapped, [7, 3])
    radii = [circle.radius for circle in display.circles_]
    assert_array_equal(radii, sample.r500c[[7, 3]])
    assert {circle.center for circle in display.circles_} == {(0, 0)}
    owners = [circle.axes for circle in display.circles_]
    assert owners == [image.axes for image in display.images_]


def test_bands_are_summed_and_empty_pixels_are_blank(sample):
    bands = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))
    mapped = PhotonMapper(bands=bands, n_pixels=16).transform(sample)
    display = PhotonMapDisplay.from_sample(mapped, [5])
    shown = display.images_[0].get_array()
    expected = np.asarray(mapped.maps)[5].sum(axis=0)
    assert_array_equal(shown.filled(0), expected)
    assert_array_equal(np.ma.getmaskarray(shown), expected == 0)


def test_panels_share_one_scale_that_reaches_the_brightest_pixel():
    maps = np.ones((4, 8, 8)) * np.array([1, 7, 40, 2])[:, None, None]
    display = PhotonMapDisplay(maps, half_width=2.3).plot()
    norms = [image.norm for image in display.images_]
    assert {(norm.vmin, norm.vmax) for norm in norms} == {(1.0, 40.0)}
    assert all(isinstance(norm, colors.LogNorm) for norm in norms)
    display.figure_.canvas.draw()
    (bar,) = [ax for ax in display.figure_.axes if ax not in display.axes_]
    assert bar.get_ylabel() == "photons per pixel"


def test_titles_tell_redshift_and_mass(sample, log_mass):
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    plain = PhotonMapDisplay.from_sample(mapped, [2])
    assert plain.axes_[0, 0].get_title() == f"z = {sample.redshift[2]:.2f}"
    told = PhotonMapDisplay.from_sample(mapped, [2], log_mass=log_mass)
    assert f"= {log_mass[2]:.2f}, z = " in told.axes_[0, 0].get_title()


def test_masses_of_the_chosen_clusters_alone_are_refused(sample, log_mass):
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    text = rf"log_mass must be one .*, or one for each of {len(sample)} clusters"
    for display, chosen in ((PhotonMapDisplay, [2]), (MultiwavelengthDisplay, 2)):
        with pytest.raises(ValueError, match=text):
            display.from_sample(mapped, chosen, log_mass=log_mass[[2, 3]])


def test_columns_and_panels_that_are_left_over():
    display = PhotonMapDisplay(np.ones((5, 4, 4)), half_width=1).plot(n_columns=2)
    assert display.axes_.shape == (3, 2)
    assert len(display.images_) == 5
    assert [ax.axison for ax in display.axes_.flat] == [True] * 5 + [False]
    assert display.circles_ == []


def test_image_options_reach_the_images():
    display = PhotonMapDisplay(np.ones((1, 4, 4)), half_width=1).plot(cmap="viridis")
    assert display.images_[0].get_cmap().name == "viridis"


def test_a_single_photon_is_seen_against_black():
    maps = np.zeros((1, 4, 4))
    maps[0, 0, 0], maps[0, 3, 3] = 1, 10_000
    (image,) = PhotonMapDisplay(maps, half_width=1).plot().images_
    faintest = colors.to_rgb(image.cmap(image.norm(1)))
    background = image.axes.get_facecolor()[:3]
    assert background == (0, 0, 0)
    assert np.dot(faintest, [0.2126, 0.7152, 0.0722]) > 0.1


def test_maps_without_a_photon_can_be_drawn():
    PhotonMapDisplay(np.zeros((1, 4, 4)), half_width=1).plot().figure_.canvas.draw()


def test_a_sample_without_maps_is_an_error(sample):
    with pytest.raises(ValueError, match=r"PhotonMapDisplay needs sample\.maps"):
        PhotonMapDisplay.from_sample(sample, [0])


def test_lines_are_medians_in_bins_of_true_mass(masses):
    log_mass, predicted = masses
    display = MassPredictionDisplay.from_predictions(log_mass, predicted)
    assert_allclose(display.residual_line_.get_ydata(), 0.1, atol=1e-9)
    x, y = display.line_.get_data()
    assert_allclose(np.diff(x), 1.5 / 12, rtol=0.03)
    assert_allclose(y - x, 0.1, atol=0.01)
    assert len(x) == 12


def test_bands_are_the_16th_to_84th_percentile():
    log_mass = np.linspace(13.5, 15.0, 101)
    residual = np.random.default_rng(0).permutation(np.linspace(-1, 1, 101))
    display = MassPredictionDisplay(
        log_mass=log_mass, predicted=log_mass + residual, n_bins=1
    ).plot()
    (path,) = display.residual_band_.get_paths()
    drawn = path.vertices[:, 1]
    assert_allclose([drawn.min(), drawn.max()], [-0.68, 0.68], atol=1e-9)


def test_a_bin_is_drawn_from_five_clusters_on():
    log_mass = np.repeat([13.5, 14.0, 14.5, 15.0], [5, 4, 6, 5])
    display = MassPredictionDisplay(
        log_mass=log_mass, predicted=log_mass + 0.1, n_bins=4
    ).plot()
    assert_array_equal(display.line_.get_xdata(), [13.5, 14.5, 15.0])


def test_few_clusters_give_an_empty_line_and_no_error():
    log_mass = np.array([13.5, 14.0, 15.0])
    display = MassPredictionDisplay.from_predictions(log_mass, log_mass)
    assert len(display.line_.get_xdata()) == 0
    display.figure_.canvas.draw()


def test_histogram_counts_every_cluster_once(masses):
    counts, edges, _ = MassPredictionDisplay.from_predictions(*masses).histogram_
    assert counts.sum() == 241
    assert_allclose(edges[[0, -1]], [13.5, 15.0])


def test_guides_are_equality_and_zero(masses):
    display = MassPredictionDisplay.from_predictions(*masses)
    equality, zero = (ax.get_lines()[0] for ax in display.axes_[:2])
    assert_array_equal(equality.get_xdata(), equality.get_ydata())
    assert_array_equal(zero.get_ydata(), [0, 0])


def test_axes_say_what_they_show(masses):
    display = MassPredictionDisplay.from_predictions(*masses)
    labels = [ax.get_ylabel() for ax in display.axes_]
    assert r"M_{\rm pred}" in labels[0]
    assert r"M_{\rm pred} / M_{\rm true}" in labels[1]
    assert labels[2] == "clusters"
    assert "M_{500c}" in display.axes_[2].get_xlabel()
    assert display.axes_[0].get_legend() is None
    display.figure_.canvas.draw()
    for ax in display.axes_:
        label = ax.yaxis.label.get_window_extent()
        assert label.height < ax.get_window_extent().height


def test_two_estimators_in_one_figure(masses):
    log_mass, predicted = masses
    first = MassPredictionDisplay.from_predictions(log_mass, predicted, name="a")
    second = MassPredictionDisplay.from_predictions(
        log_mass, predicted - 0.2, name="b", ax=first.axes_
    )
    assert second.figure_ is first.figure_
    assert plt.get_fignums() == [first.figure_.number]
    used = [colors.to_hex(d.line_.get_color()) for d in (first, second)]
    assert used == [color.lower() for color in OKABE_ITO[:2]]
    legend = second.axes_[0].get_legend()
    assert [text.get_text() for text in legend.get_texts()] == ["a", "b"]
    assert_allclose(second.residual_line_.get_ydata(), -0.1, atol=1e-9)
    assert len(first.axes_[2].patches) == 30


def test_a_line_and_its_bands_have_one_color(masses):
    display = MassPredictionDisplay.from_predictions(*masses, color="#009E73")
    for line, band in (
        (display.line_, display.band_),
        (display.residual_line_, display.residual_band_),
    ):
        assert colors.to_hex(line.get_color()) == "#009e73"
        assert colors.to_hex(band.get_facecolor()[0]) == "#009e73"


def test_line_options_reach_the_lines(masses):
    display = MassPredictionDisplay.from_predictions(*masses, linestyle=":")
    assert display.line_.get_linestyle() == ":"


def test_an_estimator_is_asked_and_named(masses):
    class AddATenth:
        def predict(self, X):
            return X + 0.1

    log_mass, _ = masses
    display = MassPredictionDisplay.from_estimator(AddATenth(), log_mass, log_mass)
    assert_allclose(display.residual_line_.get_ydata(), 0.1)
    assert display.line_.get_label() == "AddATenth"
    named = MassPredictionDisplay.from_estimator(
        AddATenth(), log_mass, log_mass, name="plus"
    )
    assert named.line_.get_label() == "plus"


def test_columns_of_estimators_each_have_their_guides_and_histogram(masses):
    log_mass, predicted = masses
    figure, axes = plt.subplots(3, 2)
    displays = [
        MassPredictionDisplay.from_predictions(log_mass, predicted, ax=axes[:, i])
        for i in range(2)
    ]
    assert [display.histogram_[0].sum() for display in displays] == [241, 241]
    assert all(display.figure_ is figure for display in displays)
    assert [len(ax.get_lines()) for ax in axes[1]] == [2, 2]
    assert [bool(ax.get_ylabel()) for ax in axes.flat] == [True, False] * 3


def bins_with_correlations(*values):
    """A fitted regressor of two proxies in redshift bins about 0.1, 0.2 and so on."""
    regressor = EvrardProxyRegressor(redshift_column=-1)
    regressor.correlation_ = np.array([[[1, value], [value, 1]] for value in values])
    regressor.redshift_centers_ = 0.1 * np.arange(1, len(values) + 1)
    return regressor


def test_correlations_are_the_mean_over_bins_or_those_of_one():
    regressor = bins_with_correlations(0.2, 0.3, -0.8)
    mean = ProxyCorrelationDisplay.from_estimator(regressor, ["n_phot", "mine"])
    assert_allclose(mean.image_.get_array(), [[1, -0.1], [-0.1, 1]])
    assert mean.texts_[1, 0].get_text() == "-0.10"
    near = ProxyCorrelationDisplay.from_estimator(regressor, redshift=0.17)
    assert_allclose(near.image_.get_array(), [[1, 0.3], [0.3, 1]])
    assert mean.image_.get_clim() == near.image_.get_clim() == (-1, 1)


def test_proxies_are_named_as_in_the_paper_and_divided():
    regressor = bins_with_correlations(0.5)
    display = ProxyCorrelationDisplay.from_estimator(
        regressor, ["n_phot", "mine"], divide_after=1
    )
    display.figure_.canvas.draw()
    for axis in (display.ax_.xaxis, display.ax_.yaxis):
        labels = [text.get_text() for text in axis.get_ticklabels()]
        assert labels == [r"$N_{\rm phot}$", "mine"]
    vertical, horizontal = display.lines_
    assert vertical.get_xdata() == horizontal.get_ydata() == [0.5, 0.5]


@pytest.mark.parametrize("column", ["z", 1])
def test_names_come_from_the_columns_of_a_table(column):
    regressor = bins_with_correlations(0.5).set_params(redshift_column=column)
    regressor.feature_names_in_ = np.array(["a", "z", "b"], object)
    display = ProxyCorrelationDisplay.from_estimator(regressor)
    assert display.names == ["a", "b"]


def test_names_that_do_not_fit_are_an_error():
    with pytest.raises(
        ValueError, match=r"3 names are given for 2 proxies\. Name each"
    ):
        ProxyCorrelationDisplay.from_estimator(bins_with_correlations(0.5), "abc")


HISTORY = [
    {"member": member, "epoch": epoch, "train_loss": 1 / epoch, "valid_loss": loss}
    for member, losses in enumerate([[0.9, 0.3, 0.3, 0.5], [0.8, 0.6, 0.4]])
    for epoch, loss in enumerate(losses, start=1)
]


def test_losses_are_drawn_by_member_and_the_best_epoch_is_marked():
    display = TrainingCurveDisplay(HISTORY).plot()
    display.figure_.canvas.draw()
    assert_array_equal(display.valid_lines_[1].get_data(), [[1, 2, 3], [0.8, 0.6, 0.4]])
    assert_array_equal(display.train_lines_[0].get_data()[1], [1, 1 / 2, 1 / 3, 1 / 4])
    best = [line.get_xydata().tolist() for line in display.best_]
    assert best == [[[2, 0.3]], [[3, 0.4]]]
    labels = [text.get_text() for text in display.ax_.get_legend().get_texts()]
    assert labels == ["training", "held out", "best epoch"]


def test_without_clusters_held_out_there_is_no_best_epoch():
    rows = [{k: v for k, v in row.items() if k != "valid_loss"} for row in HISTORY]
    display = TrainingCurveDisplay(rows).plot()
    assert (len(display.train_lines_), display.valid_lines_, display.best_) == (
        2,
        [],
        [],
    )


def test_the_history_of_the_last_step_is_drawn():
    class Network:
        history_ = HISTORY

    class Pipeline:
        steps = [("first", object()), ("last", Network())]

    _, ax = plt.subplots()
    display = TrainingCurveDisplay.from_estimator(Pipeline(), ax=ax, lw=3)
    assert display.ax_ is ax
    assert display.train_lines_[0].get_linewidth() == 3
    assert len(TrainingCurveDisplay.from_estimator(Network()).best_) == 2


def test_an_estimator_without_a_history_is_an_error():
    with pytest.raises(TypeError, match="A PhotonMapper has no history_ of losses"):
        TrainingCurveDisplay.from_estimator(PhotonMapper())


BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))


@pytest.fixture(scope="module")
def in_bands(sample):
    """Maps of six clusters in three bands, and cubes with one cell filled each."""
    mapped = PhotonMapper(bands=BANDS, n_pixels=16).transform(sample[:6])
    cubes = np.zeros((6, 8, 8, 8))
    cubes[np.arange(6), 1, 6, np.arange(6)] = 1
    return mapped.assign(cubes=cubes, cube_extent=[[2.3, 3785.0]] * 6)


def test_x_rays_and_galaxies_lie_on_one_sky(in_bands, log_mass):
    display = MultiwavelengthDisplay.from_sample(
        in_bands, 4, bands=BANDS, log_mass=log_mass[:6]
    ).plot()
    display.figure_.canvas.draw()
    panels = ["map 0", "map 1", "map 2", "galaxies", "cube", "velocity"]
    assert list(display.axes_) == panels
    *maps, cube = display.images_
    for image, pixels in zip(maps, np.asarray(in_bands.maps)[4], strict=True):
        assert_array_equal(image.get_array().filled(0), pixels)
    galaxies = in_bands.galaxies[4]
    offsets = np.column_stack([galaxies["x"], galaxies["y"]])
    assert_array_equal(display.galaxies_.get_offsets(), offsets)
    assert_array_equal(display.galaxies_.get_array(), galaxies["v"])
    # Row 1 of 8 is South, column 6 is West.
    assert_array_equal(np.argwhere(cube.get_array().filled(0)), [[1, 6]])
    for panel in panels[:5]:
        assert display.axes_[panel].get_xlim() == (-2.3, 2.3)
        assert display.axes_[panel].get_ylim() == (-2.3, 2.3)
    radii = [circle.radius for circle in display.circles_]
    assert radii == [in_bands.r500c[4]] * 5
    (shown,) = [text.get_text() for text in display.axes_["map 1"].texts]
    assert shown == "1.2–2 keV"
    assert f"z = {in_bands.redshift[4]:.2f}" in display.figure_.get_suptitle()


def test_velocities_of_galaxies_and_cube_have_one_scale(in_bands):
    display = MultiwavelengthDisplay.from_sample(in_bands, 2, velocity_max=4000)
    counts, edges, _ = display.histogram_
    v = in_bands.galaxies[2]["v"]
    assert_array_equal(counts, np.histogram(v, edges)[0])
    assert_allclose(edges[[0, -1]], [-4000, 4000])
    x, y = display.velocity_line_.get_data()
    assert_allclose(x[np.argmax(y)], -1500)
    # Under both lie as many galaxies.
    assert_allclose(y.sum() * np.diff(x)[0], counts.sum() * np.diff(edges)[0])
    low, high = display.galaxies_.get_clim()
    assert low == -high < 0


@pytest.mark.parametrize(
    ("n_bands", "fields", "panels"),
    [
        (1, ("galaxies",), ["map 0", "galaxies", "velocity"]),
        (1, ("cubes",), ["map 0", "cube", "velocity"]),
        (2, (), ["map 0", "map 1"]),
    ],
)
def test_what_is_not_known_has_no_panel(in_bands, n_bands, fields, panels):
    kept = in_bands.drop("maps", "galaxies", "cubes", "r500c")
    kept = kept.assign(maps=np.asarray(in_bands.maps)[:, :n_bands])
    kept = kept.assign(**{field: getattr(in_bands, field) for field in fields})
    display = MultiwavelengthDisplay.from_sample(
        kept, 0, half_width=2.3, cube_half_width=2.3, velocity_max=3785
    )
    assert list(display.axes_) == panels
    assert display.circles_ == []


def test_maps_and_cubes_of_other_sizes_lie_on_one_sky(sample):
    """Galaxies 0.9 Mpc/h to the West: 0.9 in maps of 3 and in cubes of 4 Mpc/h per side."""
    rng = np.random.default_rng(0)
    galaxies = {"x": rng.normal(0.9, 0.3, 50), "y": rng.normal(0, 0.3, 50)}
    galaxies["v"] = rng.normal(0, 500, 50)
    X = sample[[0]].assign(galaxies=[galaxies])
    X = PhotonMapper(n_pixels=16, half_width=1.5).transform(X)
    X = PhaseSpaceKDE(n_bins=16, half_width=2.0, velocity_max=2000).transform(X)
    display = MultiwavelengthDisplay.from_sample(X, 0)
    cube = display.images_[-1]
    assert_allclose(cube.get_extent(), [-2, 2, -2, 2])
    assert_allclose(display.images_[0].get_extent(), [-1.5, 1.5, -1.5, 1.5])
    weight = cube.get_array().filled(0).sum(axis=0)
    west = weight @ (np.arange(-7.5, 8) * 4 / 16) / weight.sum()
    assert_allclose(west, galaxies["x"].mean(), atol=0.03)
    assert display.axes_["velocity"].get_xlim() == (-2000, 2000)


def test_what_does_not_know_its_size_must_be_given_it(in_bands):
    plain = in_bands.assign(maps=np.asarray(in_bands.maps))
    with pytest.raises(
        ValueError, match="MultiwavelengthDisplay needs the size of the m"
    ):
        MultiwavelengthDisplay.from_sample(plain, 0)
    with pytest.raises(ValueError, match="PhotonMapDisplay needs the size of the maps"):
        PhotonMapDisplay.from_sample(plain, [0])
    plain = in_bands.assign(cubes=np.asarray(in_bands.cubes))
    with pytest.raises(ValueError, match="needs the size of the cube"):
        MultiwavelengthDisplay.from_sample(plain, 0)


def test_scaled_counts_are_not_shown_as_photons(in_bands):
    for step in (LogScaler(), RedshiftNormalizer()):
        name, scaled = type(step).__name__, step.fit_transform(in_bands)
        for display in (PhotonMapDisplay, MultiwavelengthDisplay):
            with pytest.raises(ValueError, match=f"{display.__name__} have .* {name}"):
                display.from_sample(scaled, 0)


def seen_by_a_deuteranope(color):
    """Linear RGB as seen without green cones (Viénot, Brettel & Mollon 1999)."""
    rgb = np.array(colors.to_rgb(color)) ** 2.2
    to_lms = np.array(
        [
            [17.8824, 43.5161, 4.11935],
            [3.45565, 27.1554, 3.86714],
            [0.0299566, 0.184309, 1.46709],
        ]
    )
    without_green = np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]])
    return np.linalg.solve(to_lms, without_green @ to_lms @ rgb)


def test_colors_differ_for_the_color_blind():
    seen = np.array([seen_by_a_deuteranope(color) for color in OKABE_ITO])
    distance = np.linalg.norm(seen[:, None] - seen, axis=-1)
    assert distance[~np.eye(len(seen), dtype=bool)].min() > 0.1
    red_and_green = [seen_by_a_deuteranope(color) for color in ("#D62728", "#7A6F00")]
    assert np.linalg.norm(np.subtract(*red_and_green)) < 0.1


def test_plotting_loads_matplotlib_only_to_draw():
    code = "import sys, skcluster.plotting; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "False"


def test_the_title_is_that_of_the_cluster():
    sample = ClusterSample([0.1, 0.2], maps=np.ones((2, 1, 4, 4)))
    display = MultiwavelengthDisplay.from_sample(
        sample, 1, half_width=2.3, log_mass=[13.7, 14.9]
    )
    title = display.figure_.get_suptitle()
    assert "14.9" in title
    assert "0.2" in title
