"""ClusterSample as X: scikit-learn and joblib take it like any table."""

import pickle
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, RegressorMixin, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.ensemble import BaggingRegressor, StackingRegressor, VotingRegressor
from sklearn.experimental import enable_halving_search_cv  # noqa: F401
from sklearn.inspection import permutation_importance
from sklearn.linear_model import LinearRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    HalvingGridSearchCV,
    RandomizedSearchCV,
    cross_val_predict,
    cross_val_score,
    cross_validate,
    learning_curve,
    permutation_test_score,
    train_test_split,
    validation_curve,
)
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import resample, shuffle

from skcluster import LogScaler, PhotonMapper, ProxyMeasurer, RedshiftNormalizer
from skcluster.sample import require


class RadialRidge(RegressorMixin, BaseEstimator):
    """Ridge regression on the mean of the maps in four rings."""

    def __init__(self, alpha=1.0):
        self.alpha = alpha

    def fit(self, X, y):
        self.ridge_ = Ridge(alpha=self.alpha).fit(self._rings(X), y)
        return self

    def predict(self, X):
        return self.ridge_.predict(self._rings(X))

    def _rings(self, X):
        maps = np.asarray(require(X, "maps", by="RadialRidge").maps).mean(axis=1)
        y, x = np.mgrid[: maps.shape[1], : maps.shape[2]] - (maps.shape[1] - 1) / 2
        ring = np.digitize(
            np.hypot(x, y), maps.shape[1] / 2 * np.array([0.2, 0.4, 0.7])
        )
        return np.column_stack([maps[:, ring == i].mean(axis=1) for i in range(4)])


def map_model():
    return make_pipeline(
        PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler(), RadialRidge()
    )


def measurer():
    return ProxyMeasurer(proxies=["n_phot", "sigma_v"], with_redshift=True)


def proxy_model():
    return make_pipeline(measurer(), StandardScaler(), Ridge())


def table_model():
    return make_pipeline(StandardScaler(), Ridge())


def search(kind, model, **parameters):
    return kind(model, {"ridge__alpha": [0.01, 1.0, 100.0]}, cv=3, **parameters)


def searched(found):
    return found.cv_results_["mean_test_score"]


EXPERIMENTS = {
    "fit and predict": lambda model, X, y: model.fit(X, y).predict(X),
    "cross_val_score": cross_val_score,
    "cross_val_predict": cross_val_predict,
    "cross_validate": lambda model, X, y: [
        scores
        for name, scores in sorted(
            cross_validate(model, X, y, return_train_score=True).items()
        )
        if "time" not in name
    ],
    "GridSearchCV": lambda model, X, y: searched(search(GridSearchCV, model).fit(X, y)),
    "predictions of GridSearchCV": lambda model, X, y: (
        search(GridSearchCV, model, scoring="neg_median_absolute_error")
        .fit(X, y)
        .predict(X)
    ),
    "RandomizedSearchCV": lambda model, X, y: searched(
        search(RandomizedSearchCV, model, n_iter=2, random_state=0).fit(X, y)
    ),
    "HalvingGridSearchCV": lambda model, X, y: searched(
        search(
            HalvingGridSearchCV, model, min_resources=20, factor=2, random_state=0
        ).fit(X, y)
    ),
    "learning_curve": lambda model, X, y: learning_curve(
        model, X, y, train_sizes=[0.5, 1.0], shuffle=True, random_state=0
    )[2],
    "validation_curve": lambda model, X, y: validation_curve(
        model, X, y, param_name="ridge__alpha", param_range=[0.1, 10.0], cv=3
    )[1],
    "permutation_test_score": lambda model, X, y: permutation_test_score(
        model, X, y, n_permutations=2, random_state=0, cv=3
    )[1],
    "train_test_split": lambda model, X, y: (
        lambda X_train, X_test, y_train, y_test: model.fit(X_train, y_train).score(
            X_test, y_test
        )
    )(*train_test_split(X, y, random_state=0)),
    "shuffle": lambda model, X, y: model.fit(*shuffle(X, y, random_state=0)).predict(
        shuffle(X, random_state=1)
    ),
    "resample": lambda model, X, y: model.fit(*resample(X, y, random_state=0)).predict(
        X
    ),
    "StackingRegressor": lambda model, X, y: (
        StackingRegressor([("a", model), ("b", clone(model))], cv=3)
        .fit(X, y)
        .predict(X)
    ),
    "VotingRegressor": lambda model, X, y: (
        VotingRegressor([("a", model)]).fit(X, y).predict(X)
    ),
    "TransformedTargetRegressor": lambda model, X, y: (
        TransformedTargetRegressor(model, func=np.exp, inverse_func=np.log)
        .fit(X, y)
        .predict(X)
    ),
}


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_scikit_learn_does_with_a_sample_what_it_does_with_a_table(
    name, sample, log_mass
):
    table = measurer().transform(sample)
    expected = EXPERIMENTS[name](table_model(), table, log_mass)
    result = EXPERIMENTS[name](proxy_model(), sample, log_mass)
    assert np.isfinite(expected).all()
    assert_allclose(result, expected, rtol=1e-9)


def test_maps_predict_in_cross_validation_as_in_a_loop(sample, log_mass):
    sample = sample.drop("galaxies", "position")
    predicted = cross_val_predict(map_model(), sample, log_mass, cv=3)
    for test in np.split(np.arange(60), 3):
        train = np.setdiff1d(np.arange(60), test)
        model = map_model().fit(sample[train.tolist()], log_mass[train])
        one_by_one = [model.predict(cluster)[0] for cluster in sample[test]]
        assert_allclose(predicted[test], one_by_one, rtol=1e-5)
    assert np.corrcoef(predicted, log_mass)[0, 1] > 0.8


def test_a_clone_of_a_pipeline_forgets_and_relearns(sample, log_mass):
    model = map_model().fit(sample, log_mass)
    again = clone(model)
    assert not hasattr(again[1], "slope_")
    assert_array_equal(
        again.fit(sample, log_mass).predict(sample), model.predict(sample)
    )


def test_a_pipeline_with_memory_reads_its_steps_from_the_cache(
    sample, log_mass, tmp_path
):
    model = map_model().set_params(memory=str(tmp_path))
    first = model.fit(sample, log_mass).predict(sample)
    n_files = len(list(tmp_path.rglob("output.pkl")))
    again = clone(model).fit(pickle.loads(pickle.dumps(sample)), log_mass)
    assert n_files == len(list(tmp_path.rglob("output.pkl"))) == 3
    assert_array_equal(again.predict(sample), first)
    assert_array_equal(map_model().fit(sample, log_mass).predict(sample), first)


def photons_are_memory_mapped(sample):
    energy = sample.photons["energy"]
    return isinstance(energy, np.memmap) or isinstance(energy.base, np.memmap)


def test_a_search_in_two_workers_that_share_one_memory_map(sample, log_mass):
    grid = {"radialridge__alpha": [0.1, 10.0], "photonmapper__n_pixels": [8, 16]}
    alone = GridSearchCV(map_model(), grid, cv=3).fit(sample, log_mass)
    with joblib.parallel_config(backend="loky", n_jobs=2, max_nbytes=1000):
        search = GridSearchCV(map_model(), grid, cv=3, n_jobs=2).fit(sample, log_mass)
        task = joblib.delayed(photons_are_memory_mapped)
        in_workers = joblib.Parallel()(task(sample) for _ in range(2))
    assert_array_equal(searched(search), searched(alone))
    assert search.best_params_ == alone.best_params_
    assert in_workers == [True, True]
    assert not photons_are_memory_mapped(sample)


def test_a_memory_mapped_sample_works_like_the_one_in_memory(
    sample, log_mass, tmp_path
):
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    joblib.dump(mapped, tmp_path / "sample.joblib")
    on_disk = joblib.load(tmp_path / "sample.joblib", mmap_mode="r")
    assert photons_are_memory_mapped(on_disk)
    assert not on_disk.maps.rows.data.flags.writeable
    steps = make_pipeline(RedshiftNormalizer(), LogScaler(), RadialRidge())
    assert_array_equal(
        cross_val_predict(steps, on_disk, log_mass, cv=2),
        cross_val_predict(steps, mapped, log_mass, cv=2),
    )
    assert_array_equal(
        map_model().fit(on_disk, log_mass).predict(on_disk),
        map_model().fit(sample, log_mass).predict(sample),
    )


def test_it_refuses_to_be_a_table_and_says_what_to_do(sample, log_mass):
    advice = (
        r"not a table of numbers. What needs one comes after a step .* BaggingRegressor, "
        r"AdaBoostRegressor and permutation_importance .* to a pipeline: give them Proxy"
    )
    with pytest.raises(TypeError, match=advice):
        np.asarray(sample)
    with pytest.raises(TypeError, match=advice):
        LinearRegression().fit(sample, log_mass)
    with pytest.raises(TypeError, match=advice):
        BaggingRegressor(proxy_model(), n_estimators=2).fit(sample, log_mass)
    with pytest.raises(TypeError, match=advice):
        permutation_importance(proxy_model().fit(sample, log_mass), sample, log_mass)


def test_the_advice_for_those_who_need_a_table_works(sample, log_mass):
    measurer = ProxyMeasurer(proxies=["n_phot", "n_gal"])
    bagged = make_pipeline(
        measurer, BaggingRegressor(LinearRegression(), 2, random_state=0)
    )
    expected = bagged.fit(sample, log_mass).predict(sample)
    table = measurer.transform(sample)
    alone = BaggingRegressor(LinearRegression(), 2, random_state=0).fit(table, log_mass)
    assert_array_equal(alone.predict(table), expected)
    found = permutation_importance(alone, table, log_mass, random_state=0)
    assert found.importances_mean.shape == (2,)


def test_it_has_what_scikit_learn_and_dask_look_for_and_nothing_that_misleads(sample):
    assert sample.shape == (60,)
    assert len(sample) == 60
    assert sys.getsizeof(sample) > sample.nbytes > sample.photons.nbytes
    expected = sum(column.nbytes for column in sample.photons.columns.values())
    assert sample.photons.nbytes == expected + 61 * 8
    for misleading in ("iloc", "dtype", "fit", "keys", "__array_namespace__"):
        assert not hasattr(sample, misleading)
