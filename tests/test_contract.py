"""Every estimator keeps scikit-learn's contract, also where scikit-learn cannot look.

scikit-learn's own battery runs a single check on an estimator whose X is a sample. So its
checks that need no data are called one by one, and those that do are restated here.
"""

import copy
import inspect
import os
import pickle
import subprocess
import sys

import joblib
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_predict
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.utils import estimator_checks, get_tags

import skcluster
from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    CountRateMassRegressor,
    EvrardProxyRegressor,
    FixedPowerLawRegressor,
    GalaxyFeaturizer,
    IteratedRadiusRegressor,
    JointCNNRegressor,
    LogScaler,
    MapOutlierDetector,
    MorphologyMeasurer,
    PhaseSpaceKDE,
    PhotonFeaturizer,
    PhotonMapper,
    PhotonSetRegressor,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    RingProfiler,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
)

MAPPER = PhotonMapper(n_pixels=16)
MEASURER = ProxyMeasurer(with_redshift=True)
CNN = XrayCNNRegressor(
    max_epochs=1, batch_size=20, device="cpu", n_threads=1, random_state=0
)
EVRARD = EvrardProxyRegressor(redshift_column=-1)
AUGMENTED = RotationAugmentedRegressor(make_pipeline(MEASURER, EVRARD), random_state=0)
KDE = PhaseSpaceKDE(n_bins=16)
JOINT = JointCNNRegressor(
    max_epochs=1,
    batch_size=20,
    device="cpu",
    n_threads=1,
    random_state=0,
    phase_space=KDE,
    allow_missing=True,
)
STEPS = [MAPPER, RedshiftNormalizer(), LogScaler(), KDE, MEASURER, EVRARD, CNN, JOINT]
COUNTER = ProxyMeasurer(proxies=("n_phot",))
CALIBRATED = CalibratedMassRegressor(make_pipeline(COUNTER, EvrardProxyRegressor()))
DETECTOR = MapOutlierDetector()
RINGS = RingProfiler(edges=(0, 0.5, 1.2, 2.3))
FEATURIZER = PhotonFeaturizer()
GALAXY_FEATURIZER = GalaxyFeaturizer()
MORPHOLOGY = MorphologyMeasurer()
PHOTON_SET = PhotonSetRegressor(
    max_epochs=1, batch_size=20, n_photons=50, device="cpu", n_threads=1, random_state=0
)
STEPS += [AUGMENTED, CALIBRATED, DETECTOR, RINGS, FEATURIZER, MORPHOLOGY, PHOTON_SET]
SELF_SIMILAR = FixedPowerLawRegressor(exponents=0.2, evolution=-0.4)
ITERATED = IteratedRadiusRegressor(
    make_pipeline(ProxyMeasurer(proxies=("n_phot_500c",)), EvrardProxyRegressor())
)
COUNT_RATE = CountRateMassRegressor(scatter=0.3)
STEPS += [ITERATED, SELF_SIMILAR, GALAXY_FEATURIZER, COUNT_RATE]
PIPELINES = [
    make_pipeline(MAPPER, RedshiftNormalizer(), LogScaler(), CNN),
    make_pipeline(MEASURER, EVRARD),
]
WITHOUT_DATA = [
    estimator_checks.check_do_not_raise_errors_in_init_or_set_params,
    estimator_checks.check_estimator_cloneable,
    estimator_checks.check_estimator_repr,
    estimator_checks.check_estimator_tags_renamed,
    estimator_checks.check_get_params_invariance,
    estimator_checks.check_mixin_order,
    estimator_checks.check_no_attributes_set_in_init,
    estimator_checks.check_parameters_default_constructible,
    estimator_checks.check_set_params,
    estimator_checks.check_valid_tag_types,
]
CONTRACT = {
    "PhotonMapper": {
        "bands": ((0.5, 10.0),),
        "n_pixels": 128,
        "half_width": 2.3,
        "cosmology": "WMAP7",
    },
    "PhotonFeaturizer": {"features": None, "band": (0.5, 10.0), "half_width": 2.3},
    "GalaxyFeaturizer": {
        "features": None,
        "half_width": 2.3,
        "velocity_max": 3785.0,
        "log_stellar_mass_min": None,
    },
    "RedshiftNormalizer": {"pivot_count": 4000.0},
    "LogScaler": {},
    "ProxyMeasurer": {
        "proxies": ("n_phot", "n_phot_500c", "n_gal", "sigma_v"),
        "half_width": 2.3,
        "radius_factor": 1.0,
        "cosmology": "WMAP7",
        "with_redshift": False,
        "band": (0.5, 10.0),
    },
    "RingProfiler": {
        "edges": (0, 0.08, 0.16, 0.26, 0.4, 0.6, 0.85, 1.2, 1.7, 2.3),
        "n_sectors": 8,
    },
    "MorphologyMeasurer": {
        "quantities": None,
        "r500c": "true",
        "aperture": 1.0,
        "concentration_radius": 0.1,
        "core_radius": 0.15,
        "smoothing": 0.25,
        "debias": False,
        "band": None,
    },
    "EvrardProxyRegressor": {
        "redshift_column": None,
        "redshift_bins": None,
        "evolution": "intercept",
        "beta": 0.0,
        "pivot_mass": 1e14,
    },
    "XrayCNNRegressor": {
        "architecture": "ho2023",
        "loss": "mse",
        "dropout": 0.0,
        "weight_decay": 1e-4,
        "lr": 1e-3,
        "batch_size": 50,
        "max_epochs": 200,
        "patience": 20,
        "validation_fraction": 0.1,
        "augment": False,
        "n_members": 1,
        "device": "auto",
        "checkpoint_dir": None,
        "n_threads": None,
        "callbacks": None,
        "random_state": None,
        "verbose": 0,
    },
    "PhaseSpaceKDE": {
        "n_bins": 64,
        "bandwidth": 0.15,
        "half_width": 2.3,
        "velocity_max": 3785.0,
    },
    "RotationAugmentedRegressor": {"n_rotations": 3, "random_state": None},
    "CalibratedMassRegressor": {"cv": None, "by": None, "n_bins": 3, "n_jobs": None},
    "FixedPowerLawRegressor": {
        "exponents": 1.0,
        "evolution": 0.0,
        "cosmology": "WMAP7",
    },
    "IteratedRadiusRegressor": {
        "max_iterations": 50,
        "tolerance": 1e-6,
        "cosmology": "WMAP7",
    },
    "CountRateMassRegressor": {
        "relation": "ghirardini2024_second_hand",
        "prior": None,
        "cosmology": "WMAP7",
    },
    "MapOutlierDetector": {},
    "QuadrantGroupKFold": {"box_size": 352.0, "n_splits_per_axis": 2},
}
CONTRACT["PhotonSetRegressor"] = {
    "architecture": "photon_set",
    "recipe": "one_cycle",
    "loss": "gaussian_nll",
    "dropout": 0.1,
    "weight_decay": 1e-2,
    "lr": 3e-3,
    "batch_size": 50,
    "max_epochs": 40,
    "patience": None,
    "validation_fraction": 0.1,
}
CONTRACT["JointCNNRegressor"] = {
    **CONTRACT["XrayCNNRegressor"],
    "dropout": 0.1,
    "batch_size": 100,
}
FIELDS = ("photons", "galaxies", "center", "position", "r500c", "name", "maps", "cubes")
FUNCTIONS = {
    skcluster.ClusterSample: (["redshift"], dict.fromkeys(FIELDS)),
    skcluster.read_photons: (
        ["path"],
        {"ra": "RA", "dec": "DEC", "energy": None, "energy_unit": None},
    ),
    skcluster.read_sample: (["table"], {"directory": None}),
    skcluster.datasets.make_mock_survey: (
        ["n_clusters"],
        {"random_state": None, "n_jobs": None},
    ),
    skcluster.datasets.fetch_magneticum: (
        [],
        {"data_home": None, "download_if_missing": True},
    ),
    skcluster.with_exposure_map: (["sample", "exposure_map"], {}),
    skcluster.remove_sources: (["sample", "catalog"], {"radius": None}),
    skcluster.recenter: (["sample"], {"method": "peak"}),
    skcluster.add_catalog_errors: (
        ["sample"],
        {"center_error": 0.0, "redshift_error": 0.0, "random_state": None},
    ),
    skcluster.read_image: (["path"], {}),
    skcluster.thin_photons: (
        ["sample"],
        {"exposure": None, "fraction": None, "random_state": None},
    ),
    skcluster.search_proxies: (
        ["X", "log_mass"],
        {"names": inspect.Parameter.empty, "redshift": None, "max_size": None},
    ),
    skcluster.SaliencyExplainer: (["estimator"], {"method": "gradient"}),
    skcluster.SaliencyExplainer.explain: (["self", "X"], {}),
    skcluster.save_model: (["model", "path"], {}),
    skcluster.load_model: (["path"], {}),
    XrayCNNRegressor.predict: (["self", "X", "return_std"], {}),
    EvrardProxyRegressor.predict: (["self", "X", "return_std"], {}),
}


def name_of(estimator):
    if isinstance(estimator, Pipeline):
        return "-".join(type(step).__name__ for step in estimator)
    return type(estimator).__name__


each_step = pytest.mark.parametrize("estimator", STEPS, ids=name_of)
each_estimator = pytest.mark.parametrize("estimator", STEPS + PIPELINES, ids=name_of)
each_predictor = pytest.mark.parametrize(
    "estimator",
    [
        EVRARD,
        CNN,
        CALIBRATED,
        JOINT,
        AUGMENTED,
        PHOTON_SET,
        ITERATED,
        SELF_SIMILAR,
        COUNT_RATE,
        *PIPELINES,
    ],
    ids=name_of,
)


@pytest.fixture(scope="module")
def mapped(sample):
    """A sample with all that any step may need."""
    return MAPPER.transform(sample)


@pytest.fixture(scope="module")
def measured(mapped):
    return MEASURER.transform(mapped)


@pytest.fixture(scope="module")
def described(mapped):
    return FEATURIZER.transform(mapped)


@pytest.fixture
def X(estimator, mapped, measured, described):
    if isinstance(estimator, EvrardProxyRegressor | FixedPowerLawRegressor):
        return measured
    if isinstance(estimator, CountRateMassRegressor):
        log_count_and_redshift = measured[:, [1, -1]]
        return log_count_and_redshift - [np.log(2000.0), 0.0]  # 2000 s
    if isinstance(estimator, PhotonSetRegressor):
        return described
    return mapped


def result(estimator, X):
    """What an estimator makes of X, as one array."""
    if hasattr(estimator, "predict"):
        return estimator.predict(X)
    out = estimator.transform(X)
    if isinstance(estimator, PhotonFeaturizer | GalaxyFeaturizer):
        of_photons = isinstance(estimator, PhotonFeaturizer)
        rows = out.photons if of_photons else out.galaxies
        # One row per cluster, equal only if all of its columns are.
        return np.array([joblib.hash(rows.table(i)) for i in range(len(out))])
    if isinstance(out, ClusterSample):
        # A step's own field is the one that was not there, or is no longer the same.
        return np.asarray(out.maps if out.cubes is None else out.cubes)
    return np.asarray(out)


@pytest.fixture(scope="module")
def kept():
    """Fitted estimators and what they make of all clusters, by name."""
    return {}


@pytest.fixture
def fitted_and_expected(estimator, X, log_mass, kept):
    name = name_of(estimator)
    if name not in kept:
        fitted = clone(estimator).fit(X, log_mass)
        kept[name] = fitted, result(fitted, X)
    return kept[name]


@pytest.fixture
def fitted(fitted_and_expected):
    """The estimator fitted to X, which tests use and do not change."""
    return fitted_and_expected[0]


@pytest.fixture
def expected(fitted_and_expected):
    """What the fitted estimator makes of X."""
    return fitted_and_expected[1]


def test_no_public_estimator_is_forgotten():
    public = {
        name
        for name in skcluster.__all__
        if inspect.isclass(cls := getattr(skcluster, name))
        and issubclass(cls, BaseEstimator)
        and hasattr(cls, "fit")
    }
    assert {name_of(step) for step in STEPS} == public
    assert {*public, "QuadrantGroupKFold"} == set(CONTRACT)


@pytest.mark.parametrize("name", CONTRACT)
def test_constructor_is_keyword_only_with_the_promised_defaults(name):
    parameters = inspect.signature(getattr(skcluster, name)).parameters.values()
    # What a meta-estimator wraps comes first, as in scikit-learn.
    parameters = [p for p in parameters if p.name != "estimator"]
    assert {p.kind for p in parameters} <= {inspect.Parameter.KEYWORD_ONLY}
    promised = CONTRACT[name]
    defaults = {p.name: p.default for p in parameters}
    assert list(defaults.items())[: len(promised)] == list(promised.items())


def test_both_networks_take_the_same_parameters_but_for_those_of_cubes():
    xray, joint = (
        {name: p.default for name, p in inspect.signature(cls).parameters.items()}
        for cls in (XrayCNNRegressor, JointCNNRegressor)
    )
    expected = xray | {"dropout": 0.1, "batch_size": 100}
    expected |= {"phase_space": None, "allow_missing": False}
    assert list(joint.items()) == list(expected.items())
    for cls, parameters in ((XrayCNNRegressor, xray), (JointCNNRegressor, joint)):
        assert set(cls._parameter_kinds) == set(parameters)
    stored = {name: getattr(JointCNNRegressor(), name) for name in joint}
    assert stored == joint


@pytest.mark.parametrize("function", FUNCTIONS, ids=lambda f: f.__qualname__)
def test_function_takes_what_was_promised(function):
    positional, keywords = FUNCTIONS[function]
    parameters = inspect.signature(function).parameters
    assert [
        p.name for p in parameters.values() if p.kind is p.POSITIONAL_OR_KEYWORD
    ] == positional
    found = {name: parameters[name].default for name in keywords}
    assert found == keywords


def test_a_mock_survey_is_as_large_as_the_papers():
    survey = inspect.signature(skcluster.datasets.make_mock_survey)
    assert survey.parameters["n_clusters"].default == 3285


@each_step
@pytest.mark.parametrize("check", WITHOUT_DATA, ids=lambda check: check.__name__)
def test_scikit_learn_check_without_data(estimator, check):
    check(type(estimator).__name__, clone(estimator))


@each_estimator
def test_fit_returns_self_and_leaves_the_parameters(estimator, X, log_mass):
    estimator = clone(estimator)
    before = {k: repr(v) for k, v in estimator.get_params(deep=True).items()}
    attributes = set(vars(estimator))
    assert estimator.fit(X, log_mass) is estimator
    assert {k: repr(v) for k, v in estimator.get_params(deep=True).items()} == before
    assert all(name.endswith("_") for name in set(vars(estimator)) - attributes)


@each_estimator
def test_clone_is_unfitted_and_fits_to_the_same(
    estimator, X, log_mass, fitted, expected
):
    again = clone(fitted)
    if get_tags(estimator).requires_fit:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            result(again, X)
    assert_array_equal(result(again.fit(X, log_mass), X), expected)


@each_estimator
def test_x_and_y_are_untouched(estimator, X, log_mass):
    before = joblib.hash((X, log_mass))
    result(clone(estimator).fit(X, log_mass), X)
    assert joblib.hash((X, log_mass)) == before


@each_estimator
def test_using_an_estimator_does_not_change_it(estimator, X, log_mass):
    fitted = clone(estimator).fit(X, log_mass)
    before = joblib.hash(copy.deepcopy(fitted.__getstate__()))
    result(fitted, X)
    assert joblib.hash(copy.deepcopy(fitted.__getstate__())) == before


@each_estimator
def test_a_second_fit_forgets_the_first(estimator, X, log_mass, expected):
    other = clone(estimator).fit(X[:40], log_mass[:40])
    assert_array_equal(result(other.fit(X, log_mass), X), expected)


@each_estimator
def test_a_cluster_does_not_depend_on_its_neighbors(estimator, X, fitted, expected):
    parts = [result(fitted, X[rows]) for rows in np.array_split(np.arange(60), 13)]
    assert_array_equal(np.concatenate(parts), expected)
    alone = [result(fitted, X[i : i + 1]) for i in (0, 17, 59)]
    assert_array_equal(np.concatenate(alone), expected[[0, 17, 59]])


@each_estimator
def test_clusters_in_another_order_give_that_order(estimator, X, fitted, expected):
    order = np.random.default_rng(1).permutation(60)
    assert_array_equal(result(fitted, X[order]), expected[order])


@each_estimator
def test_pickle_and_joblib(estimator, X, fitted, expected, tmp_path):
    assert_array_equal(result(pickle.loads(pickle.dumps(fitted)), X), expected)
    joblib.dump(fitted, tmp_path / "model")
    assert_array_equal(result(joblib.load(tmp_path / "model"), X), expected)


@each_predictor
def test_two_processes_predict_the_bits_of_one(estimator, X, log_mass):
    one, two = (
        cross_val_predict(estimator, X, log_mass, cv=3, n_jobs=n_jobs)
        for n_jobs in (1, 2)
    )
    assert_array_equal(two, one)


@each_estimator
def test_read_only_memory_maps_will_do(estimator, X, log_mass, expected, tmp_path):
    joblib.dump((X, log_mass), tmp_path / "data")
    X, y = joblib.load(tmp_path / "data", mmap_mode="r")
    assert isinstance(y, np.memmap)
    assert not y.flags.writeable
    assert_array_equal(result(clone(estimator).fit(X, y), X), expected)


@each_estimator
def test_unfitted_is_an_error_unless_there_is_nothing_to_learn(estimator, X, expected):
    if get_tags(estimator).requires_fit:
        with pytest.raises(NotFittedError, match="not fitted yet"):
            result(clone(estimator), X)
    else:
        assert_array_equal(result(clone(estimator), X), expected)


def test_steps_that_learn_nothing_say_so():
    unlearned = {name_of(step) for step in STEPS if not get_tags(step).requires_fit}
    assert unlearned == {
        "GalaxyFeaturizer",
        "CountRateMassRegressor",
        "MorphologyMeasurer",
        "PhotonFeaturizer",
        "PhotonMapper",
        "LogScaler",
        "PhaseSpaceKDE",
        "ProxyMeasurer",
    }


@each_estimator
def test_no_cluster_at_all_is_an_error(estimator, X, log_mass, fitted):
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        clone(estimator).fit(X[:0], log_mass[:0])
    with pytest.raises(ValueError, match=r"0 sample\(s\)"):
        result(fitted, X[:0])


WRONG_TYPE = "takes a ClusterSample, got float|Maps must have shape|got scalar"


@each_estimator
def test_what_is_no_sample_is_an_error(estimator, log_mass, fitted):
    with pytest.raises((TypeError, ValueError), match=WRONG_TYPE):
        clone(estimator).fit(14.0, log_mass)
    with pytest.raises((TypeError, ValueError), match=WRONG_TYPE):
        result(fitted, 14.0)


OTHER_PROCESS = """
import sys
import joblib
import numpy as np
import torch
for n_threads in (1, 2):
    torch.set_num_threads(n_threads)
    model, X = joblib.load(sys.argv[1])
    np.save(f"{sys.argv[1]}_{n_threads}.npy", model.predict(X))
"""


def test_a_pickle_predicts_the_same_in_a_process_with_other_threads(
    mapped, log_mass, tmp_path
):
    network = clone(CNN).set_params(n_threads=None).fit(mapped, log_mass)
    path = str(tmp_path / "model")
    joblib.dump((network, mapped), path)
    subprocess.run(
        [sys.executable, "-c", OTHER_PROCESS, path],
        check=True,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    expected = network.predict(mapped)
    for n_threads in (1, 2):
        found = np.load(f"{path}_{n_threads}.npy")
        # The last bits of float32 depend on the number of threads.
        assert_allclose(found, expected, rtol=0, atol=1e-5)


def test_a_search_reaches_every_step_by_name(sample, log_mass):
    grid = {
        "photonmapper__n_pixels": [8, 16],
        "redshiftnormalizer__pivot_count": [1000.0],
        "xraycnnregressor__lr": [1e-3],
    }
    search = GridSearchCV(PIPELINES[0], grid, cv=QuadrantGroupKFold(), refit=False)
    in_two_octants = (sample.position[:, :2] < 176).all(axis=1)
    search.fit(sample[in_two_octants], log_mass[in_two_octants])
    assert np.isfinite(search.cv_results_["mean_test_score"]).all()


def test_tables_come_out_as_pandas_on_request(sample, log_mass):
    pipeline = make_pipeline(clone(MAPPER), clone(MEASURER))
    table = pipeline.set_output(transform="pandas").fit_transform(sample, log_mass)
    names = ["n_phot", "n_phot_500c", "n_gal", "sigma_v", "redshift"]
    assert list(table.columns) == names
    assert_array_equal(table["redshift"], sample.redshift)
