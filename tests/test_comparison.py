"""Side by side means: the same folds, the same clusters, both scatters."""

import pickle
import warnings
from xml.etree import ElementTree

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import (
    GroupKFold,
    KFold,
    LeaveOneGroupOut,
    PredefinedSplit,
    ShuffleSplit,
    cross_val_predict,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from skcluster import ClusterSample, ProxyMeasurer, QuadrantGroupKFold
from skcluster.comparison import compare_estimators
from skcluster.metrics import bootstrap_error, mass_scatter

LN_10 = np.log(10)


class FirstColumn(RegressorMixin, BaseEstimator):
    """Predicts the first column of X; the second holds the number of the row."""

    def fit(self, X, y):
        self.rows_ = X[:, 1].astype(int)
        return self

    def predict(self, X):
        SEEN.append((self.rows_.tolist(), X[:, 1].astype(int).tolist()))
        return X[:, 0]


class Warner(RegressorMixin, BaseEstimator):
    """Warns of the first cluster that it predicts."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        warnings.warn(f"cluster {X[0, 0]:g} is odd", UserWarning, stacklevel=2)
        return X[:, 0]


class Off(RegressorMixin, BaseEstimator):
    """Knows the true masses of a sample, and adds the error that its redshift hides."""

    def fit(self, X, y):
        return self

    def predict(self, X):
        masses = np.random.default_rng(4).uniform(13.5, 15, 100)
        return masses[X.group] + 10 * (X.redshift - 0.2)


SEEN = []


@pytest.fixture
def seen():
    """Training and test rows of every fold that FirstColumn predicts."""
    SEEN.clear()
    return SEEN


@pytest.fixture
def y():
    return np.random.default_rng(0).uniform(13.5, 15, 40)


def shifted(y, residual):
    return np.column_stack([y + residual, np.arange(len(y))])


def test_warnings_of_other_processes_are_given_here(y):
    X = np.arange(40.0)[:, None]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("default")
        compare_estimators({"odd": (Warner(), X)}, y, cv=KFold(4), n_jobs=2)
    assert [str(warning.message) for warning in caught] == [
        f"cluster {first} is odd" for first in (0, 10, 20, 30)
    ]
    assert {warning.filename for warning in caught} == {__file__}


def test_processes_change_no_bit(y):
    models = {
        "one": (FirstColumn(), shifted(y, 0.1)),
        "two": (FirstColumn(), shifted(y, 0.3)),
    }
    alone, pooled = (
        compare_estimators(models, y, cv=KFold(4), n_jobs=n_jobs) for n_jobs in (1, 2)
    )
    for name in models:
        assert_array_equal(alone.predictions[name], pooled.predictions[name])
    for comparison in (alone, pooled):
        comparison.table.remove_column("seconds")
    assert (alone.table == pooled.table).all()


def test_residuals_of_plus_and_minus_a_tenth_have_known_scatters(y):
    signs = np.resize([1.0, -1.0], len(y))
    X = shifted(y, 0.02 + 0.1 * signs)
    row = compare_estimators({"even": (FirstColumn(), X)}, y, cv=KFold(4)).table[0]
    assert row["n_clusters"] == 40
    for kind in ("std", "robust"):
        assert_allclose(row[f"{kind}_dex"], 0.1)
        assert_allclose(row[f"{kind}_percent"], 10 * LN_10)
    assert_allclose(row["mean_bias_dex"], 0.02)
    assert_allclose(row["median_bias_dex"], 0.02)


def test_all_contestants_have_the_same_folds_even_if_drawn_at_random(y, seen):
    contestants = {name: (FirstColumn(), shifted(y, 0.1)) for name in "ab"}
    contestants["a"][1][0, 0] += 1
    compare_estimators(contestants, y, cv=ShuffleSplit(5, test_size=0.3))
    assert len(seen) == 10
    assert seen[:5] == seen[5:]
    assert len({str(fold) for fold in seen}) == 5


def test_no_cluster_is_predicted_by_a_model_that_saw_it(y, seen):
    compare_estimators({"a": (FirstColumn(), shifted(y, 0.1))}, y, cv=KFold(4))
    everyone = list(range(40))
    assert sorted(row for _, test in seen for row in test) == everyone
    for train, test in seen:
        assert sorted(train + test) == everyone


def test_predictions_are_those_of_cross_val_predict(y):
    rng = np.random.default_rng(1)
    tables = {
        "one": y[:, None] + rng.normal(0, 0.2, (40, 1)),
        "two": rng.random((40, 2)),
    }
    contestants = {name: (LinearRegression(), X) for name, X in tables.items()}
    comparison = compare_estimators(contestants, y, cv=KFold(5))
    for name, X in tables.items():
        expected = cross_val_predict(LinearRegression(), X, y, cv=KFold(5))
        assert_array_equal(comparison.predictions[name], expected)


def test_given_estimators_stay_unfitted(y):
    model = FirstColumn()
    compare_estimators({"a": (model, shifted(y, 0.1))}, y, cv=KFold(2))
    assert vars(model) == {}


def test_clusters_in_no_fold_are_nan_and_do_not_count(y):
    fold = np.resize([0, 1, -1, -1], 40)
    residual = np.where(fold < 0, 5.0, np.resize([0.1, 0.1, 0.3, 0.3], 40))
    comparison = compare_estimators(
        {"a": (FirstColumn(), shifted(y, residual))}, y, cv=PredefinedSplit(fold)
    )
    predicted = comparison.predictions["a"]
    assert_array_equal(np.isnan(predicted), fold < 0)
    assert comparison.table["n_clusters"][0] == 20
    assert_allclose(comparison.table["mean_bias_dex"][0], residual[fold >= 0].mean())


def test_a_prediction_that_is_nan_is_an_error_and_not_left_out(y):
    residual = np.where(np.arange(40) == 3, np.nan, 0.1)
    with pytest.raises(ValueError, match=r"y_pred is NaN or infinite for 1 of 40"):
        compare_estimators({"a": (FirstColumn(), shifted(y, residual))}, y, cv=KFold(4))


@pytest.mark.parametrize("n", [30, 50])
def test_contestants_of_other_clusters_are_refused_by_name(y, n):
    X = np.zeros((n, 1))
    both = {"a": (LinearRegression(), y[:, None]), "b": (LinearRegression(), X)}
    with pytest.raises(ValueError, match=rf"X of 'b' holds {n} clusters, but y 40\."):
        compare_estimators(both, y)


@pytest.mark.parametrize(
    "contestants",
    [{}, LinearRegression(), [LinearRegression()], {"a": LinearRegression()}],
)
def test_estimators_without_a_name_and_an_x_are_refused(y, contestants):
    with pytest.raises(TypeError, match=r"such as .'ridge': \(Ridge\(\), X\)., got"):
        compare_estimators(contestants, y)


def test_progress_is_told_after_every_fold(y):
    told = []
    X = shifted(y, 0.1)
    compare_estimators(
        {"a": (FirstColumn(), X), "b": (FirstColumn(), X)},
        y,
        cv=KFold(3),
        on_progress=lambda *news: told.append(news),
    )
    expected = [(name, done, 3) for name in "ab" for done in (1, 2, 3)]
    assert [news[:3] for news in told] == expected
    for name in "ab":
        seconds = [news[3] for news in told if news[0] == name]
        assert seconds == sorted(seconds)
        assert seconds[0] >= 0


def test_columns_of_the_table(y):
    X = shifted(y, np.resize([0.1, 0.2, -0.1], 40))
    contestants = {"b": (FirstColumn(), X), "a": (FirstColumn(), X)}
    table = compare_estimators(contestants, y, cv=KFold(4)).table
    statistics = [
        f"{name}_{unit}{suffix}"
        for name in ("std", "robust", "mean_bias", "median_bias")
        for unit in ("dex", "percent")
        for suffix in ("", "_error")
    ]
    assert table.colnames == ["estimator", "n_clusters", *statistics, "seconds"]
    assert list(table["estimator"]) == ["b", "a"]
    assert (table["std_dex_error"] > 0).all()


def test_the_same_random_state_gives_the_same_error_bars(y):
    X = shifted(y, np.resize([0.1, 0.2, -0.1], 40))
    errors = [
        compare_estimators(
            {"a": (FirstColumn(), X)}, y, cv=KFold(4), random_state=seed
        ).table["std_dex_error"][0]
        for seed in (0, 0, 1)
    ]
    assert errors[0] == errors[1] != errors[2]


def test_groups_reach_the_splitter(y, seen):
    groups = np.resize([0, 1, 2], 40)
    compare_estimators(
        {"a": (FirstColumn(), shifted(y, 0.1))}, y, cv=LeaveOneGroupOut(), groups=groups
    )
    assert [set(groups[test]) for _, test in seen] == [{0}, {1}, {2}]


@pytest.mark.parametrize("is_in_sample", [False, True])
def test_errors_are_those_of_halos_drawn_again(is_in_sample):
    """100 halos of 8 snapshots each, which share the error of their mass."""
    rng = np.random.default_rng(4)
    halo = np.repeat(np.arange(100), 8)
    y = np.repeat(rng.uniform(13.5, 15, 100), 8)
    gaussian = stats.norm(0, 0.11).ppf((np.arange(100) + 0.5) / 100)
    residual = np.repeat(rng.permutation(gaussian), 8)
    X, groups, cv = shifted(y, residual), halo, GroupKFold(5)
    if is_in_sample:
        redshift = 0.2 + residual / 10
        X, groups, cv = ClusterSample(redshift, group=halo), None, None
    comparison = compare_estimators(
        {"a": (Off() if is_in_sample else FirstColumn(), X)}, y, cv=cv, groups=groups
    )
    # What the scatter of such a survey would be, were it observed again and again.
    drawn = residual[::8].std() * rng.normal(size=(4000, 100))
    expected = drawn.std(axis=1).std()
    assert 0.007 < expected < 0.009
    assert_allclose(comparison.table["std_dex_error"][0], expected, rtol=0.15)
    # Had all 800 been independent:
    alone = bootstrap_error(mass_scatter, y, y + residual, random_state=0)
    assert_allclose(alone * np.sqrt(8), expected, rtol=0.15)


@pytest.mark.parametrize("kind", ["column", "data frame"])
def test_a_column_of_groups_is_what_its_labels_are(y, kind):
    halo = np.arange(len(y)) // 4
    groups = halo[:, None]
    if kind == "data frame":
        groups = pytest.importorskip("pandas").DataFrame({"halo": halo})
    X = shifted(y, np.resize([0.1, 0.2, -0.1], 10)[halo])
    one, other = (
        compare_estimators({"a": (FirstColumn(), X)}, y, groups=each).table[0]
        for each in (groups, halo)
    )
    assert one["std_dex_error"] == other["std_dex_error"]


def test_positions_as_groups_are_for_the_folds_alone(y):
    position = np.random.default_rng(0).uniform(0, 352, (40, 3))
    X = shifted(y, np.resize([0.1, 0.2, -0.1], 40))
    cv = QuadrantGroupKFold()
    row = compare_estimators({"a": (FirstColumn(), X)}, y, cv=cv, groups=position).table
    alone = compare_estimators({"a": (FirstColumn(), X)}, y, cv=KFold(4)).table
    assert row["std_dex_error"][0] == alone["std_dex_error"][0]


def test_octants_come_from_the_first_sample(sample, log_mass):
    class CountPhotons(RegressorMixin, BaseEstimator):
        def fit(self, X, y):
            assert len(X) == len(y)
            return self

        def predict(self, X):
            return 13 + np.log10(X.photons.lengths)

    comparison = compare_estimators(
        {"count": (CountPhotons(), sample)}, log_mass, cv=QuadrantGroupKFold()
    )
    expected = 13 + np.log10(sample.photons.lengths)
    assert_array_equal(comparison.predictions["count"], expected)


def test_groups_of_one_sample_and_positions_of_another_are_both_used(sample, log_mass):
    halo = np.arange(len(sample)) // 2
    placed, labeled = sample.drop("group"), sample.assign(position=None, group=halo)
    model = make_pipeline(ProxyMeasurer(proxies=("n_phot",)), LinearRegression())
    both, alone = (
        compare_estimators(models, log_mass).table[0]
        for models in (
            {"a": (model, placed), "b": (model, labeled)},
            {"a": (model, placed.assign(group=halo))},
        )
    )
    for name in ("std_dex", "std_dex_error"):
        assert both[name] == alone[name]


def test_a_column_of_a_data_frame_named_group_is_a_feature_like_others(y):
    pandas = pytest.importorskip("pandas")
    order = np.random.default_rng(0).permutation(len(y))
    named, other = (
        pandas.DataFrame({"mass": y + 0.1, name: np.arange(len(y)) // 4}).iloc[order]
        for name in ("group", "other")
    )
    masses = np.roll(y, 1)[order]
    one, two = (
        compare_estimators({"a": (LinearRegression(), X)}, masses, cv=KFold(4)).table[0]
        for X in (named, other)
    )
    assert one["std_dex"] == two["std_dex"]
    assert one["std_dex_error"] == two["std_dex_error"]


def test_notebooks_show_a_comparison_and_run_nothing_in_its_names():
    rng = np.random.default_rng(0)
    y = rng.uniform(13.5, 15, 200)
    X = y[:, None] + rng.normal(0, 0.1, (200, 1))
    contestants = {
        "<script>": (LinearRegression(), X),
        "noise": (LinearRegression(), rng.normal(size=(200, 1))),
    }
    comparison = compare_estimators(contestants, y, cv=KFold(4))
    table = ElementTree.fromstring(comparison._repr_html_())
    _, first, second = table.iter("tr")
    assert first[0].text == "<script>"
    row = comparison.table[0]
    expected = f"{row['std_percent']:.1f} ± {row['std_percent_error']:.1f}"
    assert first[2].text == expected
    widths = [float(each.find(".//rect").get("width")) for each in (first, second)]
    ratio = comparison.table["std_percent"][0] / comparison.table["std_percent"][1]
    assert_allclose(widths, [160 * ratio, 160], atol=0.5)
    again = pickle.loads(pickle.dumps(comparison))
    assert again._repr_html_() == comparison._repr_html_()


def test_weights_go_where_those_of_scikit_learn_go():
    rng = np.random.default_rng(5)
    X, y = rng.normal(size=(60, 2)), rng.uniform(13.5, 15, 60)
    params = {"sample_weight": rng.exponential(size=60)}
    expected = cross_val_predict(LinearRegression(), X, y, cv=KFold(4), params=params)
    contestants = {
        "bare": (LinearRegression(), X),
        "in a pipeline": (make_pipeline(StandardScaler(), LinearRegression()), X),
    }
    found = compare_estimators(contestants, y, cv=KFold(4), params=params)
    for name in contestants:
        assert_allclose(found.predictions[name], expected, rtol=1e-12)
    assert_allclose(
        found.table["std_dex"], mass_scatter(y, expected), rtol=1e-9
    )  # of clusters that count once


@pytest.mark.parametrize("params", [{"check_input": False}, [1.0] * 40])
def test_parameters_that_are_no_weights_are_refused(params):
    X, y = np.zeros((40, 1)), np.linspace(13.5, 15, 40)
    with pytest.raises(ValueError, match=r"must be a dict that holds sample_weight"):
        compare_estimators({"a": (LinearRegression(), X)}, y, params=params)
