"""Contests: equal contexts, nothing trained twice, tables that follow from files."""

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import sklearn
from astropy.cosmology import WMAP7, FlatLambdaCDM
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import cross_val_predict

import skcluster.contest.surveys
from skcluster import ClusterSample, ProxyMeasurer, QuadrantGroupKFold
from skcluster.contest import (
    BUILT_IN,
    Entry,
    read_configuration,
    read_predictions,
    results_table,
    run_contest,
    running,
    write_results,
)
from skcluster.contest.entries import iterated_count, y_x
from skcluster.contest.fold_files import (
    SameFold,
    describe_entry,
    describe_fold,
    read_fold,
    read_folds,
)
from skcluster.contest.results import summary_table
from skcluster.contest.surveys import Survey, load_survey
from skcluster.datasets import make_mock_survey
from skcluster.io import write_sample
from skcluster.io.kept_arrays import read_kept, write_kept
from skcluster.metrics import mass_scatter

pytestmark = pytest.mark.usefixtures("few_resamples")

EQUAL_CONTEXTS = Path(__file__).parents[1] / "experiments" / "equal_contexts.toml"
OWN_COSMOLOGY = FlatLambdaCDM(70, 0.9)
OWN_DISTANCE = OWN_COSMOLOGY.comoving_distance(0.3).value * OWN_COSMOLOGY.h
# It writes a line for each fit: its label, how many fits there were, and the clusters.
OWN = """
import os
from pathlib import Path

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin

LOG = Path(__file__).with_name("fits.log")


class Recorder(RegressorMixin, BaseEstimator):
    def __init__(self, label="a", fails_at=None, stops_at=None, random_state=None):
        self.label, self.fails_at, self.stops_at = label, fails_at, stops_at
        self.random_state = random_state

    def fit(self, X, y):
        names = X.name if hasattr(X, "name") else np.round(y, 6)
        n_before = LOG.read_text().count("\\n") if LOG.exists() else 0
        if n_before == self.stops_at:
            raise KeyboardInterrupt
        with open(LOG, "a") as log:
            log.write(f"{self.label} {self.random_state} {','.join(map(str, names))}\\n")
        if n_before == self.fails_at:
            raise ZeroDivisionError("by intention")
        self.mean_ = y.mean()
        return self

    def predict(self, X):
        return np.full(len(X), self.mean_)


def make_recorder(**arguments):
    return Recorder(**arguments)
"""
TWO_RECORDERS = """
[estimators.one]
factory = "own_recorder:make_recorder"
arguments = {label = "one"}
[estimators.two]
factory = "own_recorder:make_recorder"
arguments = {label = "two"}
"""


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(64, random_state=3)


@pytest.fixture(scope="module")
def table(survey, tmp_path_factory, write_measured):
    """Path of a table of the survey's clusters with what was measured, without lists."""
    folder = tmp_path_factory.mktemp("table")
    return write_measured(folder, survey, T=survey.catalog["temperature"])


@pytest.fixture(scope="module")
def lists(survey, tmp_path_factory):
    """The survey for a contest that measures the lists of photons itself."""
    path = write_sample(
        tmp_path_factory.mktemp("lists"),
        survey.sample.drop("galaxies"),
        log_mass=survey.log_mass,
        T=survey.catalog["temperature"],
    )
    return f'table = "{path}"'


@pytest.fixture
def contest(tmp_path, table):
    """A function that reads a contest over the table of clusters."""
    sys.modules.pop("own_recorder", None)
    (tmp_path / "own_recorder.py").write_text(OWN)

    def contest(estimators, *, folds="max_folds = 2", survey=None, top=""):
        survey = f'table = "{table}"' if survey is None else survey
        path = tmp_path / "contest.toml"
        text = f"{top}\n[survey]\n{survey}\n[folds]\n{folds}\n{estimators}"
        path.write_text(textwrap.dedent(text))
        return read_configuration(path)

    yield contest
    sys.modules.pop("own_recorder", None)


def fits(configuration):
    """Label, seed and clusters of each fit of a `Recorder`, in order."""
    log = configuration.path.parent / "fits.log"
    lines = log.read_text().splitlines() if log.exists() else []
    return [tuple(line.split(" ", 2)) for line in lines]


def import_again(module, source):
    """Edit a module, which the next contest imports as a new process does."""
    module.write_text(source)
    os.utime(module, (2e9, 2e9))  # Python compares the times of source and cache
    sys.modules.pop(module.stem)


def major_and_minor(version):
    return tuple(map(int, version.split(".")[:2]))


def files(configuration):
    return sorted(configuration.output.glob("predictions/*/*.npz"))


class TestEqualContexts:
    def test_all_estimators_are_trained_and_tested_on_the_same_folds(
        self, contest, survey
    ):
        configuration = contest(
            TWO_RECORDERS + '[estimators.n]\nbuiltin = "y_x"\ncolumns = ["T", "n_phot"]'
        )
        run_contest(configuration, verbose=0)
        expected = list(QuadrantGroupKFold().split(survey.sample))[:2]
        trained = {(label, names) for label, _, names in fits(configuration)}
        assert trained == {
            (label, ",".join(survey.sample.name[train]))
            for label in ("one", "two")
            for train, _ in expected
        }
        predictions = read_predictions(configuration)
        assert len(predictions) == 6
        for (_, _, i), fold in predictions.items():
            assert_array_equal(fold.cluster, expected[i][1])
            assert_allclose(fold.log_mass, survey.log_mass[expected[i][1]], atol=1e-6)

    def test_masses_are_those_of_scikit_learns_cross_validation(
        self, contest, survey, lists
    ):
        configuration = contest(
            """
            [estimators.line]
            factory = "sklearn.linear_model:LinearRegression"
            columns = ["n_phot", "T"]
            """,
            survey=lists,
            folds="",
        )
        run_contest(configuration, verbose=0)
        n_phot = ProxyMeasurer(proxies=("n_phot",)).transform(survey.sample)
        redshift = survey.sample.redshift
        X = np.column_stack([n_phot, np.log(survey.catalog["temperature"]), redshift])
        expected = cross_val_predict(
            LinearRegression(),
            X,
            survey.log_mass,
            cv=QuadrantGroupKFold(),
            groups=survey.sample.position,
        )
        (row,) = results_table(configuration)
        assert row["n_clusters"] == 64
        assert_allclose(row["std_dex"], mass_scatter(survey.log_mass, expected), 1e-5)
        robust = mass_scatter(survey.log_mass, expected, kind="robust", unit="percent")
        assert_allclose(row["robust_percent"], robust, rtol=1e-5)

    def test_maps_are_made_once_for_all_estimators_that_need_them(
        self, contest, lists, monkeypatch
    ):
        made = []
        Mapper = skcluster.contest.surveys.PhotonMapper

        class CountedMapper(Mapper):
            def transform(self, X):
                made.append(self.bands)
                return super().transform(X)

        monkeypatch.setattr(skcluster.contest.surveys, "PhotonMapper", CountedMapper)
        two = TWO_RECORDERS.replace("factory", 'bands = "three"\nfactory')
        run_contest(contest(two + "[maps]\nn_pixels = 8", survey=lists), verbose=0)
        assert len(made) == 1

    def test_features_of_photons_are_made_once_and_maps_beside_them(
        self, contest, lists, monkeypatch
    ):
        made = []
        Featurizer = skcluster.contest.surveys.PhotonFeaturizer

        class CountedFeaturizer(Featurizer):
            def transform(self, X):
                made.append(self.half_width)
                return super().transform(X)

        monkeypatch.setattr(
            skcluster.contest.surveys, "PhotonFeaturizer", CountedFeaturizer
        )
        two = TWO_RECORDERS.replace("factory", "photon_features = true\nfactory")
        two = two.replace("photon", "bands = 'one'\nphoton", 1)
        maps = "[maps]\nn_pixels = 8\nhalf_width = 1.5"
        configuration = contest(two + maps, survey=lists)
        survey = skcluster.contest.surveys.load_survey(configuration, 0)
        both, features = map(survey.input_of, configuration.entries)
        assert made == [1.5]
        assert "log_contrast_6" in both.photons
        assert "log_contrast_6" in features.photons
        assert both.maps.shape == (64, 1, 8, 8)
        assert features.maps is None

    def test_the_box_of_a_table_sets_its_octants(self, contest, survey):
        one = '[estimators.one]\nfactory = "own_recorder:make_recorder"'
        run_contest(contest(one, folds="max_folds = 1"), verbose=0)
        boxed = contest(one, folds="max_folds = 1\nbox_size = 360.0")
        outcome = run_contest(boxed, verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 0)
        (fold,) = read_predictions(boxed).values()
        splitter = QuadrantGroupKFold(box_size=360.0)
        assert_array_equal(fold.cluster, next(splitter.split(survey.sample))[1])
        with pytest.raises(ValueError, match="n_folds and box_size"):
            contest(one, folds="n_folds = 3\nbox_size = 360.0")

    def test_each_survey_has_its_seed_and_so_have_the_estimators(self, contest):
        configuration = contest(
            TWO_RECORDERS,
            survey="n_clusters = 16\ngalaxies = false\nseeds = [0, 5]",
            folds="max_folds = 1",
        )
        run_contest(configuration, verbose=0)
        assert [seed for _, seed, _ in fits(configuration)] == ["0", "0", "5", "5"]
        table = results_table(configuration)
        assert list(table["seed"]) == [0, 0, 5, 5]
        for seed in (0, 5):
            mock = make_mock_survey(16, random_state=seed, galaxies=False)
            (_, test), *_ = QuadrantGroupKFold().split(mock.sample)
            fold = read_predictions(configuration)["one", seed, 0]
            assert_array_equal(fold.cluster, test)
            assert_allclose(fold.log_mass, mock.log_mass[test], atol=1e-6)

    def test_two_processes_predict_what_one_does(self, contest):
        line = """
        [estimators.line]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_phot", "n_gal"]
        """
        configuration = contest(line)
        one, two = (
            replace(configuration, n_jobs=n, output=configuration.output / str(n))
            for n in (1, 2)
        )
        for each in (one, two):
            run_contest(each, verbose=0)
        one, two = map(read_predictions, (one, two))
        assert one.keys() == two.keys() != set()
        for key, fold in one.items():
            assert_array_equal(fold.predicted, two[key].predicted)

    def test_a_group_is_never_split_and_is_kept_in_the_files(
        self, contest, survey, tmp_path
    ):
        group = np.arange(64) // 4
        path = write_sample(
            tmp_path / "grouped",
            survey.sample.drop("photons", "galaxies").assign(
                group=group, position=None
            ),
            log_mass=survey.log_mass,
        )
        configuration = contest(
            TWO_RECORDERS, survey=f'table = "{path}"', folds="n_folds = 4"
        )
        run_contest(configuration, verbose=0)
        seen = []
        for (name, _, _), fold in read_predictions(configuration).items():
            assert_array_equal(fold.group, group[fold.cluster])
            assert set(Counter(fold.group.tolist()).values()) == {4}
            seen += fold.cluster.tolist() if name == "one" else []
        assert sorted(seen) == [*range(64)]

    def test_galaxies_of_a_table_are_placed_by_the_cosmology_of_the_maps(
        self, contest, tmp_path
    ):
        Table({"ra": [10.0], "dec": [0.05], "z": [0.3]}).write(tmp_path / "g.csv")
        row = {"redshift": [0.3], "ra": [10.0], "dec": [0.0], "log_mass": [14.0]}
        Table(row | {"galaxies": ["g.csv"]}).write(tmp_path / "clusters.csv")
        configuration = contest(
            TWO_RECORDERS,
            survey='table = "clusters.csv"',
            top='[maps]\ncosmology = "FlatLambdaCDM(70, 0.9)"',
        )
        found = load_survey(configuration, 0, verbose=0).sample.galaxies["y"]
        assert_allclose(found, np.tan(np.radians(0.05)) * OWN_DISTANCE)

    def test_photons_are_counted_in_the_cosmology_of_the_maps(self):
        angle = np.linspace(0, 0.004, 200)
        photons = {"ra": np.degrees(angle), "dec": 0 * angle, "energy": angle**0}
        sample = ClusterSample([0.3], center=[[0.0, 0.0]], photons=[photons])
        maps = {"half_width": 1.7, "cosmology": "FlatLambdaCDM(70, 0.9)"}
        entry = Entry("count", BUILT_IN["y_x"].make, columns=("n_phot",))
        X = Survey(sample, np.array([14.0]), {}, maps).input_of(entry)
        # On the tangent plane.
        assert_allclose(np.exp(X[0, 0]), np.sum(np.tan(angle) * OWN_DISTANCE <= 1.7))

    def test_proxies_of_rivals_are_those_of_their_papers(self):
        assert iterated_count(redshift_bins=3).estimator[-1].redshift_bins == 3
        # M E^(2/5) ~ (M_gas T)^(3/5): the same Y_X is a smaller mass at a higher redshift.
        z = np.array([0.1, 0.2, 0.4])
        gas, kt = np.array([1.0, 2.0, 5.0]), np.array([2.0, 1.0, 4.0])
        y = 14 + 0.6 * np.log10(gas * kt) - 0.4 * np.log10(WMAP7.efunc(z))
        X = np.column_stack([np.log(gas), np.log(kt), z])
        assert_allclose(y_x().fit(X, y).predict(X), y, atol=1e-6)


class TestResuming:
    def test_nothing_is_trained_twice(self, contest):
        configuration = contest(TWO_RECORDERS)
        first = run_contest(configuration, verbose=0)
        before = {path: path.read_bytes() for path in files(configuration)}
        second = run_contest(configuration, verbose=0)
        assert (first.n_trained, first.n_kept) == (4, 0)
        assert (second.n_trained, second.n_kept, second.n_left) == (0, 4, 0)
        assert len(fits(configuration)) == 4
        assert {path: path.read_bytes() for path in files(configuration)} == before

    def test_all_estimators_run_on_one_fold_before_the_next(self, contest):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        assert [label for label, *_ in fits(configuration)] == ["one", "two"] * 2

    def test_a_changed_entry_is_trained_again_and_never_mixed(self, contest):
        run_contest(contest(TWO_RECORDERS), verbose=0)
        changed = contest(TWO_RECORDERS.replace('label = "two"', 'label = "new"'))
        assert {name for name, *_ in read_predictions(changed)} == {"one"}
        outcome = run_contest(changed, verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (2, 2)
        assert [label for label, *_ in fits(changed)][4:] == ["new", "new"]
        assert len(read_predictions(changed)) == 4
        again = contest(TWO_RECORDERS)
        assert run_contest(again, verbose=0).n_kept == 4

    @pytest.mark.parametrize(
        "change",
        [
            {"survey": "n_clusters = 17"},
            {"survey": "n_clusters = 16\nagn = false"},
            {"folds": "n_folds = 2\nmax_folds = 1"},
        ],
    )
    def test_another_survey_or_other_folds_are_another_contest(self, contest, change):
        same = {"survey": "n_clusters = 16", "folds": "max_folds = 1"}
        one = '[estimators.one]\nfactory = "own_recorder:make_recorder"'
        assert run_contest(contest(one, **same), verbose=0).n_trained == 1
        assert run_contest(contest(one, **same), verbose=0).n_trained == 0
        assert run_contest(contest(one, **same | change), verbose=0).n_trained == 1

    def test_more_folds_add_to_those_that_are_there(self, contest):
        assert run_contest(contest(TWO_RECORDERS), verbose=0).n_trained == 4
        more = run_contest(contest(TWO_RECORDERS, folds="max_folds = 3"), verbose=0)
        assert (more.n_trained, more.n_kept) == (2, 4)

    def test_an_edited_estimator_of_ones_own_is_trained_again(self, contest, tmp_path):
        run_contest(contest(TWO_RECORDERS), verbose=0)
        module = tmp_path / "own_recorder.py"
        edited = module.read_text().replace("y.mean()", "np.median(y)")
        import_again(module, edited)
        assert run_contest(contest(TWO_RECORDERS), verbose=0).n_trained == 4

    def test_threads_and_devices_change_neither_folds_nor_tables(self, contest):
        line = '[estimators.line]\nfactory = "sklearn.linear_model:LinearRegression"\n'
        line += 'columns = ["n_phot"]\n'
        run_contest(contest(line), verbose=0)
        before = results_table(contest(line))
        for more in (
            line + "arguments = { n_jobs = 1 }",
            "[parameters]\nn_jobs=2\n" + line,
        ):
            assert run_contest(contest(more), verbose=0).n_kept == 2
            assert list(results_table(contest(more))["std_dex"]) == list(
                before["std_dex"]
            )
        other = line + "arguments = { fit_intercept = false }"
        assert run_contest(contest(other), verbose=0).n_trained == 2

    def test_a_parameter_that_joins_trains_again_but_keeps_the_table(
        self, contest, tmp_path
    ):
        one = '[estimators.one]\nfactory = "own_recorder:make_recorder"'
        run_contest(contest(one), verbose=0)
        before = results_table(contest(one))
        module = tmp_path / "own_recorder.py"
        joins = module.read_text().replace('label="a",', 'label="a", depth=1,')
        joins = joins.replace("self.label,", "self.depth = depth\n        self.label,")
        import_again(module, joins)
        configuration = contest(one)
        kept = results_table(configuration)
        assert list(kept["std_dex"]) == list(before["std_dex"])
        outcome = run_contest(replace(configuration, max_folds=1), verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 0)
        # Fold 1 is of the former version, and so no longer in the table.
        latest = read_predictions(configuration)
        assert [i for _, _, i in latest] == [0]
        parameters = latest["one", 0, 0].about["description"]["estimator"]["parameters"]
        assert parameters["depth"] == 1

    @pytest.mark.filterwarnings("ignore:.*outside the training range")
    def test_what_another_version_of_the_package_trained_is_kept(self, contest):
        same = {"survey": "n_clusters = 16", "folds": "n_folds = 2\nmax_folds = 1"}
        line = '[estimators.line]\nfactory = "skcluster:EvrardProxyRegressor"\n'
        line += 'columns = ["n_phot"]\n'
        given = line + "arguments = {beta = 0.1}\n"
        assert run_contest(contest(line, **same), verbose=0).n_trained == 1
        (path,) = files(contest(line, **same))
        arrays, about, _ = read_kept(path)
        # A version without these parameters, and with a name of its own for the file.
        del about["description"]["estimator"]["parameters"]["beta"]
        del about["description"]["survey"]["pixelize"]
        del about["entry"]["survey"]["pixelize"]
        path.unlink()
        write_kept(path.with_name("seed0-fold0-0123456789abcdef.npz"), arrays, about)
        assert run_contest(contest(line, **same), verbose=0).n_kept == 1
        assert len(read_predictions(contest(line, **same))) == 1
        other_sky = same | {"survey": "n_clusters = 16\npixelize = false"}
        assert not read_predictions(contest(line, **other_sky))
        assert run_contest(contest(given, **same), verbose=0).n_trained == 1
        assert run_contest(contest(line, **other_sky), verbose=0).n_trained == 1

    @pytest.mark.filterwarnings("ignore:.*outside the training range")
    def test_a_shared_parameter_concerns_only_those_who_have_it(self, contest):
        same = {"survey": "n_clusters = 16", "folds": "n_folds = 2\nmax_folds = 1"}
        both = '[estimators.line]\nfactory = "skcluster:EvrardProxyRegressor"\n'
        both += 'columns = ["n_phot"]\n'
        both += '[estimators.ridge]\nfactory = "sklearn.linear_model:Ridge"\n'
        both += 'columns = ["n_phot"]\n'
        run_contest(contest(f"{both}[parameters]\nalpha = 1.0", **same), verbose=0)
        changed = contest(f"{both}[parameters]\nalpha = 2.0", **same)
        assert [name for name, *_ in read_predictions(changed)] == ["line"]
        outcome = run_contest(changed, verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 1)
        assert [name for name, *_ in read_predictions(changed)] == ["line", "ridge"]

    def test_committed_predictions_are_those_of_todays_estimators(self):
        """No parameter that has changed since asks for all networks to be trained."""
        configuration = read_configuration(EQUAL_CONTEXTS)
        for entry in configuration.trained:
            for seed in configuration.seeds:
                folds, problems = read_folds(configuration, entry, seed)
                assert not problems
                for fold in folds:
                    made_by = fold.about["made"]["versions"]["scikit-learn"]
                    if major_and_minor(made_by) > major_and_minor(sklearn.__version__):
                        pytest.skip(f"scikit-learn {made_by} has other parameters")
                is_same = SameFold(entry.build(configuration.shared, seed))
                for fold in folds:
                    i = fold.about["description"]["fold"]
                    today = describe_fold(configuration, entry, seed, i)
                    assert is_same(fold.about["description"], today), entry.name
                    today = describe_entry(configuration, entry, seed, i)
                    assert is_same(fold.about["entry"], today), entry.name

    def test_a_changed_column_of_the_table_trains_those_again_that_learn_from_it(
        self, contest, table, tmp_path
    ):
        def with_temperature(values):
            """A contest over the table with other temperatures."""
            changed = Table.read(table)
            changed["T"] = values
            changed.write(tmp_path / "changed.ecsv", overwrite=True)
            two = "[estimators.two]"
            both = TWO_RECORDERS.replace(two, f'columns = ["T"]\n{two}')
            return contest(both, survey='table = "changed.ecsv"')

        measured = Table.read(table)["T"]
        before = with_temperature(measured)
        assert run_contest(before, verbose=0).n_trained == 4
        assert run_contest(before, verbose=0).n_kept == 4
        after = with_temperature(measured[::-1])
        outcome = run_contest(replace(after, max_folds=1), verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 1)
        with pytest.raises(ValueError, match=r"2 different surveys .such as fold"):
            results_table(after)
        outcome = run_contest(after, verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 3)
        assert len(read_predictions(after)) == 4

    @pytest.mark.parametrize("unit", ["dex(solMass)", "Msun"])
    def test_masses_of_a_table_in_another_unit_are_refused(
        self, contest, table, tmp_path, unit
    ):
        changed = Table.read(table)
        changed["log_mass"].unit = unit
        changed.write(tmp_path / "changed.ecsv")
        with pytest.raises(ValueError, match=r"Column 'log_mass' of .*changed.ecsv"):
            run_contest(contest(TWO_RECORDERS, survey='table = "changed.ecsv"'))

    @pytest.mark.parametrize(
        ("name", "way"),
        [
            ("least_squares", 'Take builtin = "covariance_4" with arguments = '),
            ("n_phot", r"Give arguments = \{ redshift_bins = 5 \}"),
            ("n_phot_500c", r"Give arguments = \{ redshift_bins = 5 \}"),
            ("n_phot_500c_iterated", r"Give arguments = \{ redshift_bins = 5 \}"),
            ("covariance_4", r"Give arguments = \{ redshift_bins = 5 \}"),
        ],
    )
    def test_an_intercept_per_snapshot_needs_snapshots(self, survey, name, way):
        entry = Entry("line", BUILT_IN[name].make)
        Survey(survey.sample, survey.log_mass, {}, {}).check_entry(entry)
        sample = survey.sample.drop("galaxies").assign(
            redshift=np.linspace(0.1, 0.4, 64)
        )
        on_the_sky = Survey(sample, survey.log_mass, {}, {})
        with pytest.raises(ValueError, match=rf"64 clusters have 64 distinct.*{way}"):
            on_the_sky.check_entry(entry)
        if name != "least_squares":
            on_the_sky.check_entry(replace(entry, arguments={"redshift_bins": 5}))

    @pytest.mark.parametrize("name", ["rings", "y_x", "forest_on_morphology"])
    def test_other_estimators_take_any_redshifts(self, survey, name):
        sample = survey.sample.assign(redshift=np.linspace(0.1, 0.4, 64))
        entry = Entry("other", BUILT_IN[name].make)
        Survey(sample, survey.log_mass, {}, {}).check_entry(entry)

    def test_the_bits_of_another_processor_are_the_same_survey(self, survey):
        def digest(change=None):
            sample, log_mass = survey.sample, survey.log_mass
            if change:
                sample, log_mass = change(sample, log_mass)
            return Survey(sample, log_mass, {}, {}).digest()

        def rounded(sample, log_mass):
            to = np.random.default_rng(0).choice([-np.inf, np.inf], len(sample))
            photons = sample.photons.assign(
                ra=np.nextafter(sample.photons["ra"], np.inf),
                dec=np.nextafter(sample.photons["dec"], -np.inf),
            )
            assert photons["ra"].dtype == float
            return sample.assign(photons=photons), np.nextafter(log_mass, to)

        def with_one_photon_changed(sample, log_mass):
            energy = sample.photons["energy"].copy()
            energy[1000] *= 1.1
            return sample.assign(photons=sample.photons.assign(energy=energy)), log_mass

        def without_a_photon(sample, log_mass):
            kept = np.arange(sample.photons.offsets[-1]) != 7
            return sample.assign(photons=sample.photons.select(kept)), log_mass

        assert digest(rounded) == digest()
        others = {
            digest(),
            digest(with_one_photon_changed),
            digest(without_a_photon),
            digest(lambda sample, log_mass: (sample, log_mass[::-1])),
            digest(lambda sample, log_mass: (sample[::-1], log_mass)),
            digest(lambda sample, log_mass: (sample, log_mass + 1e-4)),
        }
        assert len(others) == 6

    def test_ctrl_c_loses_only_the_fold_that_is_trained(self, contest):
        stops = TWO_RECORDERS.replace('"two"', '"two", stops_at = 3')
        configuration = contest(stops)
        with pytest.raises(KeyboardInterrupt):
            run_contest(configuration, verbose=0)
        assert len(files(configuration)) == 3
        log = configuration.path.parent / "fits.log"
        log.write_text(log.read_text() + "\n")  # past the fit that stops
        outcome = run_contest(configuration, verbose=0)
        assert (outcome.n_trained, outcome.n_kept) == (1, 3)

    def test_no_fold_begins_after_the_time_is_up(self, contest):
        outcome = run_contest(contest(TWO_RECORDERS), minutes=0, verbose=0)
        assert (outcome.n_trained, outcome.n_left) == (0, 4)

    def test_an_estimator_that_fails_does_not_stop_the_others(self, contest, capsys):
        configuration = contest(TWO_RECORDERS.replace('"two"', '"two", fails_at = 1'))
        outcome = run_contest(configuration)
        assert outcome.n_trained == 3
        (said,) = outcome.failures
        assert "two, seed 0, fold 0 failed: ZeroDivisionError: by intention" in said
        assert "own_recorder.py, line" in said
        assert said in capsys.readouterr().err
        table = results_table(configuration)
        assert_array_equal(table["n_folds"], 1)
        fold = read_predictions(configuration)["two", 0, 1]
        assert_array_equal(table["n_clusters"], len(fold.cluster))

    def test_an_entry_without_an_input_does_not_stop_the_others(self, contest):
        dark = '[estimators.dark]\nfactory = "sklearn.linear_model:Ridge"\n'
        dark += 'columns = ["dark"]\n'
        configuration = contest(dark + TWO_RECORDERS)
        survey = load_survey(
            replace(configuration, entries=configuration.entries[1:]), 0
        )
        survey.table["dark"] = np.zeros(64)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "load_survey", lambda *args, **kwargs: survey)
            outcome = run_contest(configuration, verbose=0)
        assert outcome.n_trained == 4
        assert len(outcome.failures) == 2
        for fold, said in enumerate(outcome.failures):
            start = (
                f"dark, seed 0, fold {fold} failed: ValueError: The column 'dark' is"
            )
            assert said.startswith(start)

    def test_a_snapshot_without_training_clusters_has_no_intercept(self, contest):
        own = '[estimators.least_squares]\ncolumns = ["n_phot"]\n[estimators.y_x]\n'
        own += 'columns = ["T", "n_phot"]'
        configuration = contest(own)
        survey = load_survey(configuration, 0)
        redshift = survey.sample.redshift.copy()
        redshift[survey.folds(None)[0][1][0]] = 0.3333
        survey.sample = survey.sample.drop("galaxies").assign(redshift=redshift)
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(running, "load_survey", lambda *args, **kwargs: survey)
            with pytest.warns(UserWarning, match="that no training cluster") as caught:
                outcome = run_contest(configuration, verbose=0)
        assert outcome.n_trained == 4
        said = [str(each.message) for each in caught]
        wanted = r"fold 0: \d+ of \d+ clusters have a redshift that no training cluster"
        (found,) = (each for each in said if "fold 0" in each)
        assert re.search(wanted, found)

    def test_a_damaged_file_is_said_and_trained_again(self, contest, capsys):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        damaged, cut, *_ = files(configuration)
        damaged.write_bytes(b"nonsense")
        cut.write_bytes(cut.read_bytes()[:-100])
        outcome = run_contest(configuration)
        said = capsys.readouterr().err
        assert (outcome.n_trained, outcome.n_kept) == (2, 2)
        assert said.count("cannot be used") == 2
        assert damaged.name in said
        assert cut.name in said
        assert len(read_predictions(configuration)) == 4

    def test_predictions_of_clusters_that_have_changed_are_made_again(
        self, contest, survey, tmp_path, capsys
    ):
        folder = tmp_path / "changing"
        sample, log_mass = survey.sample[:16].drop("galaxies"), survey.log_mass[:16]
        write_sample(folder, sample, log_mass=log_mass)
        configuration = contest(
            TWO_RECORDERS,
            survey=f'table = "{folder}/clusters.ecsv"',
            folds="n_folds = 2",
        )
        run_contest(configuration, verbose=0)
        thinned = sample.photons.select(sample.photons["energy"] < 5)
        sample = sample.assign(photons=thinned)
        write_sample(folder, sample, log_mass=log_mass, overwrite=True)
        outcome = run_contest(configuration)
        assert (outcome.n_trained, outcome.n_kept) == (4, 0)
        assert "about other clusters than the survey has now" in capsys.readouterr().err

    def test_a_table_never_mixes_two_surveys(self, contest):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        path = files(configuration)[0]
        with np.load(path) as stored:
            arrays = {name: stored[name] for name in stored}
        about = str(arrays["about"])
        start = about.index('"data": "') + 9
        arrays["about"] = np.array(f"{about[:start]}{'f' * 16}{about[start + 16 :]}")
        np.savez(path, **arrays)
        with pytest.raises(ValueError, match=r"about 2 different surveys.*Run"):
            results_table(configuration)

    def test_a_mock_survey_is_drawn_once(self, contest, monkeypatch):
        one = '[estimators.one]\nfactory = "own_recorder:make_recorder"'
        configuration = contest(one, survey="n_clusters = 16")
        run_contest(configuration, verbose=0)
        digest = {
            fold.about["data"] for fold in read_predictions(configuration).values()
        }
        monkeypatch.setattr(skcluster.contest.surveys, "make_mock_survey", None)
        kept = skcluster.contest.surveys.load_survey(configuration, 0)
        assert {kept.digest()} == digest
        mock = make_mock_survey(16, random_state=0)
        assert_array_equal(kept.sample.photons["energy"], mock.sample.photons["energy"])
        assert_array_equal(kept.sample.name, mock.sample.name)
        assert_array_equal(kept.table["gas_mass"], mock.catalog["gas_mass"])
        assert "log_mass" not in kept.table
        assert not list(configuration.output.glob("cache/*.part"))
        assert (configuration.output / "cache" / ".gitignore").read_text() == "*\n"

    @pytest.mark.kill
    def test_a_kill_at_any_time_loses_at_most_one_fold(self, contest, tmp_path):
        sleepy = OWN.replace(
            "        self.mean_ =",
            "        import time\n        time.sleep(0.3)\n        self.mean_ =",
        )
        (tmp_path / "own_recorder.py").write_text(sleepy)
        sys.modules.pop("own_recorder", None)
        configuration = contest(TWO_RECORDERS, folds="max_folds = 4")
        command = [sys.executable, "-m", "skcluster", "benchmark"]
        quiet = {"stderr": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
        for kill, wait in enumerate((0.0, 0.2, 0.35)):
            n_before = len(fits(configuration))
            process = subprocess.Popen([*command, configuration.path], **quiet)
            while len(fits(configuration)) < n_before + 2 and process.poll() is None:
                time.sleep(0.02)
            time.sleep(wait)
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            kept = files(configuration)
            assert len(fits(configuration)) - len(kept) <= kill + 1
            for path in kept:
                with np.load(path) as stored:
                    assert "predicted" in stored
        run_contest(configuration, verbose=0)
        assert len(files(configuration)) == 8
        assert len(fits(configuration)) <= 8 + 3


class TestResults:
    def test_tables_rebuilt_from_the_files_equal_those_of_the_run(self, contest):
        line = """
        [estimators.line]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_phot", "n_gal"]
        [estimators.y_x]
        columns = ["T", "n_phot"]
        """
        configuration = contest(line, top='reference = "line"')
        run_contest(configuration, verbose=0)
        write_results(configuration)
        names = ("results.csv", "summary.csv", "results.md")
        before = {name: (configuration.output / name).read_bytes() for name in names}
        for name in (*names, "scatter.png", "time_to_accuracy.png"):
            (configuration.output / name).unlink()
        again = read_configuration(configuration.path)
        write_results(again)
        after = {name: (configuration.output / name).read_bytes() for name in names}
        assert after == before
        assert (configuration.output / "scatter.png").stat().st_size > 1000
        assert (configuration.output / "time_to_accuracy.png").stat().st_size > 1000

    def test_a_mean_of_estimators_costs_what_they_cost_together(self, contest):
        lines = """
        [estimators.one]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_phot"]
        [estimators.two]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_gal"]
        [estimators.both]
        mean_of = ["one", "two"]
        """
        configuration = contest(lines, folds="n_folds = 3")
        assert run_contest(configuration, verbose=0).n_trained == 6
        predictions = read_predictions(configuration)
        for i in range(3):
            one, two, both = (
                predictions[name, 0, i] for name in ("one", "two", "both")
            )
            assert_allclose(both.predicted, (one.predicted + two.predicted) / 2)
            assert_array_equal(both.log_mass, one.log_mass)
            assert both.std is None
        for i, memory in enumerate((1.0, 7.0, 4.0)):
            predictions["one", 0, i].about["peak_mib"] = memory
        assert results_table(configuration, predictions)["peak_mib"][0] == 7
        rows = results_table(configuration)
        for name in ("fit_cpu_seconds", "predict_ms"):
            one, two, both = rows[name]
            assert_allclose(both, one + two)
        assert list(rows["n_parameters"]) == [3, 3, 6]

    def test_a_mean_waits_for_all_of_its_parts(self, contest):
        both = TWO_RECORDERS + "[estimators.both]\nmean_of = ['one', 'two']"
        configuration = contest(both)
        run_contest(configuration, verbose=0)
        files(configuration)[0].unlink()
        predictions = read_predictions(configuration)
        assert ("both", 0, 1) in predictions
        assert ("both", 0, 0) not in predictions

    def test_only_folds_that_all_estimators_have_are_compared(self, contest):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        files(configuration)[-1].unlink()  # fold 1 of two
        table = results_table(configuration)
        n_test = len(read_predictions(configuration)["one", 0, 0].cluster)
        assert_array_equal(table["n_folds"], 1)
        assert_array_equal(table["n_clusters"], n_test)
        write_results(configuration)
        said = (configuration.output / "results.md").read_text()
        assert "(seed 0: 0 of 8)" in said
        assert (
            "missing for at least one estimator: seed 0 (1, 2, 3, 4, 5, 6, 7)." in said
        )

    @pytest.mark.filterwarnings("ignore:.*redshift bins")
    def test_an_infinite_error_costs_the_coverage_of_its_estimator_alone(self, contest):
        configuration = contest('[estimators.covariance_4]\ncolumns = ["T", "n_phot"]')
        run_contest(configuration, verbose=0)
        predictions = read_predictions(configuration)
        for fold in predictions.values():
            fold.std[:] = 0.1
        found = results_table(configuration, predictions)["coverage_68"]
        assert np.isfinite(found).all()
        predictions["covariance_4", 0, 0].std[3] = np.inf
        table = results_table(configuration, predictions)
        assert np.isnan(table["coverage_68"]).all()
        assert np.isfinite(table["std_dex"]).all()

    def test_an_estimator_without_predictions_is_named(self, contest):
        run_contest(contest(TWO_RECORDERS), verbose=0)
        late = '[estimators.late]\nfactory = "own_recorder:make_recorder"\n'
        configuration = contest(TWO_RECORDERS + late)
        write_results(configuration)
        said = (configuration.output / "results.md").read_text()
        assert "Without any prediction: late." in said

    def test_a_contest_without_predictions_says_what_to_run(self, contest):
        with pytest.raises(
            ValueError, match=r"no predictions in .*without --tables-only"
        ):
            results_table(contest(TWO_RECORDERS))

    def test_estimators_without_a_common_fold_are_not_compared(self, contest):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        one0, _, _, two1 = files(configuration)
        one0.unlink()
        two1.unlink()
        with pytest.raises(ValueError, match="No fold has predictions of all"):
            results_table(configuration)

    def test_surveys_are_averaged_and_their_scatter_is_told(self, contest):
        line = """
        [estimators.line]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_phot", "n_gal"]
        """
        configuration = contest(
            line,
            survey="n_clusters = 20\nseeds = [0, 1, 2]",
            folds="n_folds = 2\nmax_folds = 1",
        )
        run_contest(configuration, verbose=0)
        table = results_table(configuration)
        (row,) = summary_table(table)
        by_seed = np.array(table["std_dex"])
        assert row["n_seeds"] == 3
        assert_allclose(row["std_dex"], by_seed.mean())
        assert_allclose(row["std_dex_between_seeds"], by_seed.std(ddof=1))
        errors = np.array(table["std_dex_error"])
        assert_allclose(row["std_dex_error"], np.sqrt((errors**2).sum()) / 3)

    def test_more_seeds_of_one_table_make_no_error_smaller(self, contest, table):
        line = """
        [estimators.line]
        factory = "sklearn.linear_model:Ridge"
        columns = ["n_phot", "n_gal"]
        """
        one, four = (
            contest(
                line,
                survey=f'table = "{table}"\nseeds = {seeds}',
                top=f"output = 'seeds{len(seeds)}'",
            )
            for seeds in ([0], [0, 1, 2, 3])
        )
        (of_one,), (of_four,) = (
            (run_contest(each, verbose=0), write_results(each, verbose=0))[1]
            for each in (one, four)
        )
        assert of_four["n_seeds"] == 4
        for name in ("n_clusters", "std_dex", "std_dex_error", "mass_slope_error"):
            assert_allclose(of_four[name], of_one[name])

    def test_a_file_says_what_it_is_about(self, contest):
        configuration = contest(TWO_RECORDERS)
        run_contest(configuration, verbose=0)
        fold = read_predictions(configuration)["one", 0, 1]
        description = fold.about["description"]
        assert description["estimator"]["class"] == "own_recorder.Recorder"
        assert description["estimator"]["parameters"]["label"] == "one"
        assert description["fold"] == 1
        assert fold.about["n_folds"] == 8
        assert fold.about["n_train"] == 64 - len(fold.cluster)
        assert {"python", "skcluster", "torch"} <= {*fold.about["made"]["versions"]}
        path = files(configuration)[0]
        assert path.stat().st_size < 6000
        with np.load(path) as stored:
            np.savez(path, predicted=stored["predicted"], cluster=stored["cluster"])
        found, problem = read_fold(path)
        assert found is None
        assert "cannot be used" in problem
