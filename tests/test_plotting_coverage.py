"""The display of coverage: asserted on its artists."""

import matplotlib
import numpy as np
import pytest
from matplotlib import colors
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import FunctionTransformer

from skcluster import ClusterSample, EvrardProxyRegressor, predict_posterior
from skcluster.plotting import OKABE_ITO, CoverageDisplay
from skcluster.posterior import MassPosterior

matplotlib.use("Agg")
from matplotlib import pyplot as plt

N = 2000
TRUE = stats.norm.ppf((np.arange(N) + 0.5) / N)
CENTER = np.zeros(N)


pytestmark = pytest.mark.usefixtures("close_figures")


@pytest.mark.parametrize("k", [0.6, 1.0, 1.5])
def test_lines_and_steps_are_those_of_errors_wrong_by_a_factor(k):
    display = CoverageDisplay.from_predictions(TRUE, (CENTER, k))
    display.figure_.canvas.draw()
    for line in (display.line_, display.marks_):
        level = line.get_xdata() / 100
        covered = 2 * stats.norm.cdf(k * stats.norm.ppf(0.5 + level / 2)) - 1
        assert_allclose(line.get_ydata(), 100 * (covered - level), atol=0.11)
    assert_array_equal(display.marks_.get_xdata(), [50, 68, 90, 95])
    density, edges, _ = display.steps_.get_data()
    expected = np.diff(stats.norm.cdf(k * stats.norm.ppf(edges))) / np.diff(edges)
    assert_allclose(density, expected, atol=0.011)


def test_bands_are_binomial_errors_about_zero_and_one():
    display = CoverageDisplay(np.full(400, 0.5), n_bins=4).plot()
    spans = [band.get_datalim(band.axes.transData).intervaly for band in display.bands_]
    wide, narrow, wide_density, narrow_density = np.ptp(spans, axis=1) / 2
    assert_allclose(np.mean(spans, axis=1), [0, 0, 1, 1], atol=1e-9)
    at_half = 100 * stats.binom(400, 0.5).std() / 400
    assert_allclose([wide, narrow], [1.96 * at_half, at_half])
    share = 4 * stats.binom(400, 0.25).std() / 400
    assert_allclose([wide_density, narrow_density], [1.96 * share, share])


def test_copies_of_halos_do_not_narrow_the_bands():
    pit = np.random.default_rng(0).random(50)
    alone = CoverageDisplay(pit).plot()
    copies = CoverageDisplay(np.tile(pit, 3), groups=np.tile(np.arange(50), 3)).plot()
    for one, other in zip(alone.bands_, copies.bands_, strict=True):
        assert_allclose(one.get_paths()[0].vertices, other.get_paths()[0].vertices)


def test_a_posterior_and_its_mean_and_std_look_alike():
    posterior = MassPosterior.from_gaussians(CENTER, np.full(N, 1.2))
    one = CoverageDisplay.from_predictions(TRUE, posterior)
    other = CoverageDisplay.from_predictions(TRUE, (CENTER, 1.2))
    assert_allclose(one.line_.get_ydata(), other.line_.get_ydata(), atol=0.2)


def test_an_estimator_is_asked_through_its_pipeline_and_named():
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, 300)
    counts = np.exp(log_mass[:, None] + rng.normal(0, 0.2, (300, 1)))
    model = make_pipeline(FunctionTransformer(np.log), EvrardProxyRegressor())
    model.fit(counts, log_mass)
    display = CoverageDisplay.from_estimator(model, counts, log_mass)
    pit = predict_posterior(model, counts).cdf(log_mass)
    assert_array_equal(display.pit, pit)
    assert display.line_.get_label() == "Pipeline"
    named = CoverageDisplay.from_estimator(model, counts, log_mass, name="proxies")
    (text,) = named.axes_[0].get_legend().get_texts()
    assert text.get_text() == "proxies"


def test_bands_hold_the_groups_of_the_sample():
    class Gaussian:
        def predict_posterior(self, X):
            return MassPosterior.from_gaussians(X.redshift + 13, np.full(len(X), 0.5))

    def height(sample, **groups):
        display = CoverageDisplay.from_estimator(
            Gaussian(), sample, np.full(40, 14.0), **groups
        )
        return np.ptp(display.bands_[0].get_paths()[0].vertices[:, 1])

    sample = ClusterSample(np.linspace(0.1, 2, 40))
    halo = np.arange(40) // 4
    apart, of_halos = height(sample), height(sample.assign(group=halo))
    assert_allclose(of_halos, 2 * apart)  # 10 halos of 4 views each
    assert height(sample, groups=halo) == of_halos


def test_two_estimators_in_one_figure():
    first = CoverageDisplay.from_predictions(TRUE, (CENTER, 0.5), name="raw")
    second = CoverageDisplay.from_predictions(
        TRUE, (CENTER, 1.0), name="calibrated", ax=first.axes_
    )
    assert second.figure_ is first.figure_
    assert plt.get_fignums() == [first.figure_.number]
    for display, color in zip((first, second), OKABE_ITO, strict=False):
        for artist in (display.line_, display.marks_):
            assert artist.get_color() == color
        assert colors.to_hex(display.steps_.get_edgecolor()) == color.lower()
    assert (len(first.bands_), second.bands_) == (4, [])
    labels = [text.get_text() for text in second.axes_[0].get_legend().get_texts()]
    assert labels == ["raw", "calibrated"]
    low, high = second.axes_[0].get_ylim()
    assert low == -high < first.line_.get_ydata().min()
    highest = max(each.steps_.get_data().values.max() for each in (first, second))
    assert second.axes_[1].get_ylim()[1] > highest


def test_one_row_of_a_figure_of_ones_own_and_options_of_lines():
    figure, axes = plt.subplots(2, 2)
    display = CoverageDisplay(TRUE * 0 + 0.5).plot(axes[1], ls=":", color="#009E73")
    assert display.figure_ is figure
    assert not axes[0, 0].has_data()
    assert display.line_.get_linestyle() == ":"
    assert display.marks_.get_color() == "#009E73"
    assert display.axes_[0].get_legend() is None


def test_axes_say_what_they_show():
    left, right = CoverageDisplay([0.1, 0.9]).plot().axes_
    assert left.get_xlabel() == "level of the interval [%]"
    assert left.get_ylabel() == "coverage − level [points]"
    assert (right.get_xlabel(), right.get_ylabel()) == ("PIT", "density of clusters")


def test_masses_and_posteriors_of_other_numbers_are_an_error():
    posterior = MassPosterior.from_gaussians([14.0, 14.5], [0.1, 0.1])
    with pytest.raises(ValueError, match="y_true has 1 cluster, but posterior has 2"):
        CoverageDisplay.from_predictions([14.0], posterior)
    with pytest.raises(ValueError, match="y_true has 3 clusters, but mean has 2"):
        CoverageDisplay.from_predictions([14.0] * 3, ([14.0, 14.5], 0.1))
