"""Model files: what goes in comes out, no code is inside, and none is run."""

import gzip
import inspect
import itertools
import json
import os
import pickle
import re
import warnings
import zipfile
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import BaseCrossValidator, GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from skorch import NeuralNetRegressor

import skcluster
from skcluster import (
    CalibratedMassRegressor,
    ClusterSample,
    EvrardProxyRegressor,
    FixedPowerLawRegressor,
    JointCNNRegressor,
    LogScaler,
    MapOutlierDetector,
    PhaseSpaceKDE,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    Ragged,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    load_model,
    predict_posterior,
    proxy_covariance,
    read_header,
    save_model,
)
from skcluster.persistence import OUR_TYPES
from skcluster.persistence.archive import HEADER, SCHEMA, pack, read_members
from skcluster.persistence.file_header import FORMAT, pack_header
from skcluster.persistence.schema import parts_of
from skcluster.persistence.schema_writer import write_schema
from skcluster.versions import OF_MODELS, versions_of_models

skops_io = pytest.importorskip("skops.io")

# The parts of a skops file that hold data. Others call functions or hold raw bytes.
HARMLESS = {
    "CachedNode",
    "DictNode",
    "JsonNode",
    "ListNode",
    "NdArrayNode",
    "ObjectNode",
    "TupleNode",
    "TypeNode",
}
FORMAT_1 = Path(__file__).parent / "data" / "format_1"
RAN = []


class Evil:
    """Runs code when it is unpickled, and when skops restores its state."""

    def __init__(self):
        self.payload = 1

    def __setstate__(self, state):
        RAN.append("state")

    def __reduce__(self):
        return RAN.append, ("reduced",)


def proxies_and_masses():
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, 60)
    ln_s = 2.3 * log_mass[:, None] + rng.normal(0, 0.3, (60, 2))
    return np.column_stack([ln_s, np.resize([0.1, 0.2, 0.3], 60)]), log_mass


@pytest.fixture(scope="module")
def evrard():
    return EvrardProxyRegressor(redshift_column=-1).fit(*proxies_and_masses())


@pytest.fixture(scope="module")
def network(sample, log_mass):
    regressor = XrayCNNRegressor(
        max_epochs=1, n_members=2, device="cpu", n_threads=1, random_state=0
    )
    steps = PhotonMapper(n_pixels=16), RedshiftNormalizer(), LogScaler(), regressor
    return make_pipeline(*steps).fit(sample, log_mass)


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


def write(path, content, **others):
    """A file of whatever content, with hashes that fit, of these versions."""
    members = write_schema(content)
    header = {"format": FORMAT, "versions": {**versions_of_models(), **others}}
    path.write_bytes(pack({HEADER: pack_header(header, members), **members}))


def loaders(schema):
    """Kinds of all the parts in the schema of a skops file."""
    return {part["__loader__"] for part in parts_of(schema)}


def test_a_network_predicts_the_same_after_a_round_trip(network, sample, path):
    save_model(network, path)
    loaded = load_model(path)
    assert_array_equal(loaded.predict(sample), network.predict(sample))
    for again, before in zip(
        loaded.predict(sample, return_std=True),
        network.predict(sample, return_std=True),
        strict=True,
    ):
        assert_array_equal(again, before)
    assert repr(loaded) == repr(network)


def test_a_covariance_model_predicts_the_same_after_a_round_trip(evrard, path):
    X, _ = proxies_and_masses()
    save_model(evrard, path)
    loaded = load_model(path)
    for again, before in zip(
        loaded.predict(X, return_std=True),
        evrard.predict(X, return_std=True),
        strict=True,
    ):
        assert_array_equal(again, before)
    assert_array_equal(loaded.covariance_, evrard.covariance_)
    assert loaded.get_params() == evrard.get_params()


NETWORK = {"max_epochs": 1, "device": "cpu", "n_threads": 1, "random_state": 0}
XRAY = make_pipeline(
    PhotonMapper(n_pixels=8), RedshiftNormalizer(), LogScaler(), XrayCNNRegressor()
).set_params(**{f"xraycnnregressor__{name}": NETWORK[name] for name in NETWORK})
JOINT = JointCNNRegressor(phase_space=PhaseSpaceKDE(n_bins=16), n_members=2, **NETWORK)
LINEAR = make_pipeline(ProxyMeasurer(), LinearRegression())
MODELS = {
    "joint": make_pipeline(PhotonMapper(n_pixels=16), LogScaler(), JOINT),
    "rotated": RotationAugmentedRegressor(XRAY, n_rotations=1, random_state=0),
    "masses scaled": TransformedTargetRegressor(
        clone(XRAY).set_params(xraycnnregressor__mass_range=None),
        transformer=StandardScaler(),
    ),
    "ln of masses": TransformedTargetRegressor(
        LINEAR, func=np.log, inverse_func=np.exp
    ),
    "calibrated": CalibratedMassRegressor(LINEAR, cv=3),
    "with errors of its own": clone(XRAY).set_params(
        xraycnnregressor__loss="gaussian_nll",
        xraycnnregressor__dropout=0.1,
        xraycnnregressor__n_dropout_draws=3,
    ),
    "outliers": make_pipeline(PhotonMapper(n_pixels=16), MapOutlierDetector()),
}


@pytest.mark.parametrize("name", MODELS)
def test_a_model_of_several_steps_predicts_the_same_bits(name, sample, log_mass, path):
    model = clone(MODELS[name]).fit(sample, log_mass)
    save_model(model, path)
    loaded = load_model(path)
    assert_array_equal(loaded.predict(sample), model.predict(sample))
    assert repr(loaded) == repr(model)
    if name in ("calibrated", "with errors of its own"):
        edges = [predict_posterior(m, sample).quantile(0.16) for m in (loaded, model)]
        assert_array_equal(*edges)


def test_the_best_of_a_search_predicts_the_same_bits(sample, log_mass, path):
    model = make_pipeline(ProxyMeasurer(with_redshift=True), EvrardProxyRegressor())
    grid = {"evrardproxyregressor__redshift_column": [None, -1]}
    search = GridSearchCV(model, grid, cv=QuadrantGroupKFold()).fit(sample, log_mass)
    save_model(search.best_estimator_, path)
    assert_array_equal(load_model(path).predict(sample), search.predict(sample))


@pytest.mark.parametrize("device", ["cuda", "cuda:7", "mps"])
def test_a_model_of_another_machine_s_device_predicts_here(device, network, path):
    if torch.cuda.device_count() > 7 or torch.backends.mps.is_available():
        pytest.skip("this machine has the device")
    maps = np.ones((3, 1, 16, 16))
    expected = network[-1].predict(maps)
    elsewhere = pickle.loads(pickle.dumps(network[-1])).set_params(device=device)
    save_model(elsewhere, path)
    loaded = load_model(path)
    assert loaded.device == device
    assert_allclose(loaded.predict(maps), expected, rtol=0, atol=1e-6)


def forget(path, *names):
    """Rewrite a model's file as one stored before estimators had these parameters."""
    members = read_members(path)
    schema = json.loads(members[SCHEMA])
    for part in parts_of(schema):
        if part["__loader__"] == "DictNode":
            is_kept = [name not in names for name in part["content"]]
            kinds = part["key_types"]["content"]
            part["key_types"]["content"] = [*itertools.compress(kinds, is_kept)]
            kept = itertools.compress(part["content"].items(), is_kept)
            part["content"] = dict(kept)
    members[SCHEMA] = json.dumps(schema).encode()
    header = json.loads(members.pop(HEADER))
    path.write_bytes(pack({HEADER: pack_header(header, members), **members}))


def test_a_parameter_that_came_later_gets_its_default(network, path):
    """At whatever depth, and whether or not loading needs it."""
    model = make_pipeline(PhotonMapper(), network[-1])
    save_model(RotationAugmentedRegressor(model), path)
    forget(path, "n_rotations", "bands", "precision")
    loaded = load_model(path)
    assert loaded.n_rotations == RotationAugmentedRegressor(None).n_rotations
    assert loaded.estimator[0].bands == PhotonMapper().bands
    assert loaded.estimator[1].precision == XrayCNNRegressor().precision
    maps = np.ones((3, 1, 16, 16))
    assert_array_equal(loaded.estimator[1].predict(maps), network[-1].predict(maps))


def test_a_covariance_model_without_the_pivot_of_its_fit_predicts_as_before(path):
    """As models were stored before they learned `pivot_mass_`."""
    X, log_mass = proxies_and_masses()
    model = EvrardProxyRegressor(pivot_mass=3e14).fit(X, log_mass)
    expected = model.predict(X)
    del model.pivot_mass_, model.redshift_column_
    save_model(model, path)
    loaded = load_model(path)
    assert not hasattr(loaded, "pivot_mass_")
    assert_array_equal(loaded.predict(X), expected)
    names = [str(i) for i in range(loaded.slope_.shape[1])]
    assert proxy_covariance(loaded, names=names).meta["pivot_mass"] == 3e14


@pytest.mark.parametrize(
    ("model", "learned"),
    [
        (
            FixedPowerLawRegressor(exponents=[0.6], evolution=-0.4),
            ["exponents_", "evolution_", "cosmology_"],
        ),
        (CalibratedMassRegressor(LinearRegression(), by="mass", n_bins=2), ["by_"]),
    ],
)
def test_models_that_did_not_learn_their_parameters_predict_as_before(
    model, learned, path
):
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15, 100)
    ln_s = np.log(10) * log_mass + rng.normal(0, 0.3, 100)
    X = np.column_stack([ln_s, rng.uniform(0.1, 0.5, 100)])
    model = clone(model).fit(X, log_mass)
    expected = model.predict(X)
    save_model(model, path)
    assert_array_equal(load_model(path).predict(X), expected)
    for name in learned:
        delattr(model, name)
    save_model(model, path)
    loaded = load_model(path)
    assert not hasattr(loaded, learned[0])
    assert_array_equal(loaded.predict(X), expected)


def test_measured_proxies_come_back_with_their_model(sample, log_mass, path):
    measurer = ProxyMeasurer(proxies=["n_phot", "n_gal"], with_redshift=True)
    model = make_pipeline(measurer, EvrardProxyRegressor(redshift_column=-1))
    save_model(model.fit(sample, log_mass), str(path))
    assert_array_equal(load_model(str(path)).predict(sample), model.predict(sample))


def test_a_model_of_format_1_predicts_as_it_did(path):
    """Made by the script beside it; files of released versions are never made again."""
    path.write_bytes(gzip.decompress((FORMAT_1 / "model.skops.gz").read_bytes()))
    with np.load(FORMAT_1 / "expected.npz") as arrays:
        expected = dict(arrays)
    columns = {name: expected[f"photons_{name}"] for name in ("ra", "dec", "energy")}
    sample = ClusterSample(
        expected["redshift"],
        photons=Ragged(columns, expected["photons_offsets"]),
        center=expected["center"],
    )
    with warnings.catch_warnings():
        # Written with whatever versions of numpy and torch there were.
        warnings.filterwarnings("ignore", "(?s).* was stored with (numpy|torch|scikit)")
        model = load_model(path)
    predicted, std = model.predict(sample, return_std=True)
    assert np.ptp(predicted) > 0.01
    assert_allclose(predicted, expected["prediction"], rtol=0, atol=1e-6)
    assert_allclose(std, expected["std"], rtol=0, atol=1e-6)
    assert read_header(path).notes == "format 1"


def test_no_pickle_and_no_call_is_inside(network, path):
    save_model(network, path)
    with zipfile.ZipFile(path) as archive:
        names = archive.namelist()
        arrays = [name for name in names if not name.endswith(".json")]
        assert {*names} - {*arrays} == {"header.json", "schema.json"}
        assert len(arrays) > 10
        for name in arrays:
            assert name.endswith(".npy")
            with archive.open(name) as file:
                assert np.load(file, allow_pickle=False).dtype.kind in "fiu"
        schema = json.loads(archive.read("schema.json"))
    assert loaders(schema) <= HARMLESS


def test_this_test_would_see_a_call(path):
    skops_io.dump({"model": np.sum, "state": b"bytes"}, path)
    with zipfile.ZipFile(path) as archive:
        found = loaders(json.loads(archive.read("schema.json")))
    assert found & {"FunctionNode", "BytesNode"}
    assert not found <= HARMLESS


def test_types_that_we_do_not_vouch_for_are_refused_by_name(path):
    write(path, {"a": Evil(), "b": os.system})
    RAN.clear()
    names = sorted([f"{__name__}.Evil", f"{os.name}.system"])
    with pytest.raises(ValueError, match=f"holds 2 types .*{re.escape(str(names))}"):
        load_model(path)
    with pytest.raises(ValueError, match=rf"holds 1 types .*{__name__}\.Evil"):
        load_model(path, trusted=[f"{os.name}.system"])
    assert RAN == []


def test_a_trusted_type_is_loaded(path):
    write(path, Evil())
    RAN.clear()
    assert isinstance(load_model(path, trusted=[f"{__name__}.Evil"]), Evil)
    assert RAN == ["state"]


def test_one_trusted_name_is_no_list_of_its_letters(path):
    write(path, Evil())
    name = f"{__name__}.Evil"
    with pytest.raises(TypeError, match=re.escape(f"Give trusted=['{name}'].")):
        load_model(path, trusted=name)


def test_a_skorch_net_with_its_pickle_inside_is_refused(path):
    size = {"module__in_features": 1, "module__out_features": 1}
    net = NeuralNetRegressor(torch.nn.Linear, **size).initialize()
    write(path, net)
    with pytest.raises(ValueError, match=r"skorch\.regressor\.NeuralNetRegressor"):
        load_model(path)


def test_torch_tensors_cannot_be_stored(path):
    model = XrayCNNRegressor(callbacks=[torch.zeros(1)])
    with pytest.raises(TypeError, match=r"Take callbacks off with set_params"):
        save_model(model, path)


@pytest.mark.parametrize("dump", [joblib.dump, lambda x, path: path.write_bytes(x)])
def test_a_pickle_is_refused_with_advice_and_not_run(dump, path):
    dump(Evil() if dump is joblib.dump else pickle.dumps(Evil()), path)
    RAN.clear()
    with pytest.raises(ValueError, match=r"not a model .* joblib.load, which runs"):
        load_model(path)
    assert RAN == []


def test_a_skops_file_of_somebody_else_is_an_error(path):
    skops_io.dump(LinearRegression(), path)
    with pytest.raises(ValueError, match=r"no member header\.json.*skops\.io\.load"):
        load_model(path)


def test_a_missing_file_is_a_file_not_found(path):
    with pytest.raises(FileNotFoundError, match=r"model\.skops"):
        load_model(path)


@pytest.mark.parametrize("package", OF_MODELS)
def test_another_minor_version_warns(package, path):
    write(path, "text", **{package: "0.0.7"})
    with pytest.warns(
        UserWarning, match=rf"stored with {package} 0\.0\.7, and this is"
    ):
        assert load_model(path) == "text"


def test_another_patch_version_does_not_warn(path):
    major, minor, *_ = np.__version__.split(".")
    write(path, "text", numpy=f"{major}.{minor}.999")
    assert load_model(path) == "text"


def test_an_interrupted_save_leaves_the_old_file(evrard, path, monkeypatch):
    save_model(evrard, path)
    before = path.read_bytes()

    def interrupt(handle):
        assert os.fstat(handle).st_size > 1000
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        save_model(evrard, path)
    assert path.read_bytes() == before
    assert list(path.parent.iterdir()) == [path]


def test_a_second_save_replaces_the_first(evrard, path):
    save_model(EvrardProxyRegressor(), path)
    save_model(evrard, path)
    assert load_model(path).scatter_ == evrard.scatter_
    assert list(path.parent.iterdir()) == [path]


def test_others_may_read_the_file(evrard, path):
    save_model(evrard, path)
    assert path.stat().st_mode & 0o777 == 0o644


def test_every_public_estimator_is_one_that_we_vouch_for():
    estimators = {
        f"skcluster.{name}"
        for name in skcluster.__all__
        if inspect.isclass(cls := getattr(skcluster, name))
        and issubclass(cls, BaseEstimator | BaseCrossValidator)
        and name != "SaliencyExplainer"  # learns nothing of its own to be stored
    }
    assert estimators | {"skcluster.sample.MapGeometry"} == set(OUR_TYPES)
