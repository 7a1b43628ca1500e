"""What a model may hold: stored as data, by name, or not at all, and never in silence."""

import collections
import importlib
import json
import pathlib
import re
import sys
import warnings

import numpy as np
import pytest
import torch
from astropy.cosmology import FlatLambdaCDM, FlatwCDM, Planck18
from numpy.testing import assert_allclose, assert_array_equal
from sklearn import gaussian_process, preprocessing
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import (
    GradientBoostingRegressor,
    RandomForestRegressor,
    StackingRegressor,
    VotingRegressor,
)
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel
from sklearn.impute import SimpleImputer
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import ElasticNet, Lasso, LinearRegression, Ridge
from sklearn.model_selection import (
    GridSearchCV,
    KFold,
    RandomizedSearchCV,
    RepeatedKFold,
)
from sklearn.neural_network import MLPRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import PolynomialFeatures, StandardScaler
from sklearn.svm import SVR, LinearSVR

from skcluster import (
    CalibratedMassRegressor,
    PhotonMapper,
    XrayCNNRegressor,
    load_model,
    metrics,
    read_header,
    save_model,
)
from skcluster.persistence.archive import HEADER, SCHEMA, pack, read_members
from skcluster.persistence.file_header import pack_header
from skcluster.persistence.known_types import OBJECTS, SKLEARN_TYPES, public_name
from skcluster.persistence.schema import parts_of

RIDGES = [("one", Ridge()), ("other", LinearRegression())]


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.skops"


def numbers():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(40, 3))
    return X, 14 + 0.3 * X[:, 0] + rng.normal(0, 0.1, 40)


def edit(path, change):
    """Change the schema of a file, whose hashes fit afterwards."""
    members = read_members(path)
    schema, header = json.loads(members[SCHEMA]), json.loads(members.pop(HEADER))
    change(schema)
    members[SCHEMA] = json.dumps(schema).encode()
    path.write_bytes(pack({HEADER: pack_header(header, members), **members}))


def state_of(schema, name):
    """Parts of the attributes of the first object of a class."""
    found = (part for part in parts_of(schema) if part["__class__"] == name)
    return next(found)["content"]["content"]


def number(value):
    about = {"__loader__": "JsonNode", "__module__": "builtins", "__class__": "str"}
    return {**about, "content": json.dumps(value)}


def without_addresses(model):
    return re.sub("0x[0-9A-F]+", "", repr(model))


@pytest.mark.parametrize("name", sorted(OBJECTS))
def test_a_known_type_has_that_name(name):
    """Or the class has moved, and files that hold it are refused."""
    module, _, attribute = name.rpartition(".")
    assert public_name(getattr(importlib.import_module(module), attribute)) == name


SKLEARN_MODELS = [
    ColumnTransformer(
        [("a", StandardScaler(), [0]), ("b", "passthrough", slice(1, 3))]
    ),
    gaussian_process.GaussianProcessRegressor(ConstantKernel() * RBF() + WhiteKernel()),
    make_pipeline(SimpleImputer(), PolynomialFeatures(2), Ridge()),
    make_pipeline(Nystroem(n_components=5, random_state=0), ElasticNet(0.01)),
    make_pipeline(
        preprocessing.FunctionTransformer(np.cbrt), LinearSVR(random_state=0)
    ),
    MLPRegressor(max_iter=5, random_state=np.random.RandomState(0)),
    StackingRegressor(RIDGES, cv=KFold(3)),
    VotingRegressor(RIDGES),
    CalibratedMassRegressor(LinearRegression(), cv=KFold(3)),
    GridSearchCV(Ridge(), {"alpha": [1, 2.0]}, cv=KFold(3), scoring="r2"),
    RandomizedSearchCV(
        make_pipeline(StandardScaler(), Ridge()),
        {"ridge": [Ridge(), Lasso()], "standardscaler": ["passthrough"]},
        n_iter=2,
        scoring=metrics.neg_mass_scatter,
        cv=RepeatedKFold(n_splits=2, n_repeats=2, random_state=0),
    ),
]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@pytest.mark.parametrize(
    "model", SKLEARN_MODELS, ids=lambda model: type(model).__name__
)
def test_a_model_of_scikit_learn_needs_no_trust(model, path):
    X, y = numbers()
    model = model.fit(X, y)
    save_model(model, path)
    loaded = load_model(path)
    act = "predict" if hasattr(model, "predict") else "transform"
    assert_array_equal(getattr(loaded, act)(X), getattr(model, act)(X))
    assert without_addresses(loaded) == without_addresses(model)


def test_estimators_that_were_one_are_one_again(path):
    X, y = numbers()
    model = VotingRegressor(RIDGES).fit(X, y)
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.named_estimators_["one"] is loaded.estimators_[0]
    assert loaded.named_estimators_.other is loaded.estimators_[1]


def test_networks_that_were_one_are_one_again(path):
    """Each time that it is asked, a network gives its weights as new arrays."""
    rng = np.random.default_rng(0)
    net = XrayCNNRegressor(max_epochs=1, device="cpu", n_threads=1)
    net.fit(rng.poisson(1.0, (4, 1, 8, 8)), rng.uniform(13.5, 15, 4))
    model = VotingRegressor([("net", net)])
    model.estimators_, model.named_estimators_ = [net], {"net": net}
    save_model(model, path)
    loaded = load_model(path)
    assert (
        loaded.named_estimators_["net"]
        is loaded.estimators_[0]
        is loaded.estimators[0][1]
    )


@pytest.mark.parametrize(
    "cosmology",
    [
        FlatLambdaCDM(70, 0.3),
        FlatLambdaCDM(70, 0.3, Tcmb0=2.7, m_nu=[0, 0, 0.06], Ob0=0.05, name="mine"),
        FlatwCDM(67, 0.31, w0=-0.9),
        Planck18.clone(H0=71, name=None),
    ],
)
def test_a_cosmology_is_stored_by_its_parameters(cosmology, path):
    save_model(PhotonMapper(cosmology=cosmology), path)
    loaded = load_model(path).cosmology
    assert type(loaded) is type(cosmology)
    assert loaded.name == cosmology.name
    z = np.array([0.1, 0.5])
    assert_array_equal(
        loaded.comoving_distance(z).value, cosmology.comoving_distance(z).value
    )


def test_a_cosmology_of_astropy_is_stored_by_its_name(path):
    save_model(PhotonMapper(cosmology=Planck18), path)
    assert load_model(path).cosmology == read_header(path).cosmology == "Planck18"


def test_a_cosmology_that_only_has_a_name_of_astropy_keeps_its_numbers(path):
    save_model(PhotonMapper(cosmology=Planck18.clone(name="Planck18", H0=50)), path)
    assert load_model(path).cosmology.H0.value == 50


class Expanding(FlatLambdaCDM):
    pass


def test_a_cosmology_of_one_s_own_class_is_an_error_with_a_cure(path):
    with pytest.raises(
        TypeError, match=r'PhotonMapper\.cosmology is .*such as "WMAP7"'
    ):
        save_model(PhotonMapper(cosmology=Expanding(70, 0.3)), path)
    assert list(path.parent.iterdir()) == []


def test_a_cosmology_of_an_older_astropy_is_loaded(path):
    """Where no density of baryons was given, astropy 6 says None, and astropy 8 says 0."""
    save_model(PhotonMapper(cosmology=FlatLambdaCDM(70, 0.3)), path)

    def forget_baryons(schema):
        arguments = state_of(schema, "PhotonMapper")["cosmology"]["content"]["content"]
        arguments[5]["content"] = "null"

    edit(path, forget_baryons)
    assert load_model(path).cosmology == FlatLambdaCDM(70, 0.3)


@pytest.mark.parametrize(
    "arguments",
    [
        [70.0, 0.3, 0.0, 1e9],
        [70.0, 0.3, 0.0, 3.04, [0.0] * 99],
        ["70", 0.3],
        [True, 0.3],
    ],
)
def test_a_cosmology_of_odd_numbers_is_refused(arguments, path):
    save_model(PhotonMapper(cosmology=FlatLambdaCDM(70, 0.3)), path)

    def change(schema):
        made = [
            {
                "__loader__": "ListNode",
                "__module__": "builtins",
                "__class__": "list",
                "content": [number(one) for one in argument],
            }
            if isinstance(argument, list)
            else number(argument)
            for argument in arguments
        ]
        state_of(schema, "PhotonMapper")["cosmology"]["content"]["content"] = made

    edit(path, change)
    with pytest.raises(ValueError, match="has a cosmology of"):
        load_model(path)


def test_devices_and_paths_are_stored_as_strings(path):
    model = XrayCNNRegressor(
        device=torch.device("cuda:1"), callbacks=[pathlib.Path("a/b")]
    )
    save_model(model, path)
    loaded = load_model(path)
    assert loaded.device == "cuda:1"
    assert loaded.callbacks == [str(pathlib.Path("a/b"))]


LEFT = {"memory": "/home/a", "checkpoint_dir": "/home/b", "warm_start": True}


def test_folders_of_this_machine_stay_here(path):
    """Whoever could write there could run code here when the model is fitted again."""
    network = XrayCNNRegressor(checkpoint_dir=pathlib.Path("/home/b"))
    model = make_pipeline(Lasso(warm_start=True), network, memory="/home/a")
    save_model(model, path)
    assert b"/home" not in path.read_bytes()
    loaded = load_model(path)
    assert loaded.memory is loaded[-1].checkpoint_dir is None
    assert loaded[0].warm_start is False
    # What was stored is as it was.
    assert (model.memory, model[0].warm_start) == ("/home/a", True)


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        ("Pipeline", "memory"),
        ("XrayCNNRegressor", "checkpoint_dir"),
        ("Lasso", "warm_start"),
    ],
)
def test_folders_that_somebody_put_into_a_file_are_left_there(owner, name, path):
    save_model(make_pipeline(Lasso(), XrayCNNRegressor()), path)
    edit(
        path, lambda schema: state_of(schema, owner).update({name: number(LEFT[name])})
    )
    assert LEFT[name] in [
        json.loads(p["content"])
        for p in parts_of(json.loads(read_members(path)[SCHEMA]))
        if p["__loader__"] == "JsonNode"
    ]
    loaded = load_model(path)
    kept = {"Pipeline": loaded, "Lasso": loaded[0], "XrayCNNRegressor": loaded[1]}
    assert not getattr(kept[owner], name)


def test_a_gram_matrix_is_not_believed(path):
    save_model(Lasso(precompute=np.eye(2)), path)
    assert load_model(path).precompute is False


@pytest.mark.parametrize(
    "model",
    [
        RandomForestRegressor(3, random_state=0),
        GradientBoostingRegressor(n_estimators=3),
        SVR(),
    ],
    ids=lambda model: type(model).__name__,
)
def test_saving_says_what_loading_will_refuse(model, path):
    """Their compiled code believes what is stored: nodes, counts, support vectors."""
    pytest.importorskip("skops.io")
    X, y = numbers()
    model = model.fit(X, y)
    with pytest.warns(UserWarning, match=r"refuses unless .*trusted=\[") as warned:
        save_model(model, path)
    (warned,) = warned
    named = str(warned.message).partition("trusted=")[2][:-2]
    trusted = json.loads(named.replace("'", '"'))
    assert public_name(type(model)) in trusted
    for known in ([], trusted[:-1]):
        with pytest.raises(ValueError, match=r"holds \d types .* trusted=\["):
            load_model(path, trusted=known)
    assert_array_equal(load_model(path, trusted=trusted).predict(X), model.predict(X))


def test_a_support_vector_machine_without_an_intercept_is_refused(path):
    """It would predict from memory that is not its own."""
    X, y = numbers()
    model = SVR().fit(X, y)
    model.intercept_ = model._intercept_ = np.zeros(0)
    with pytest.warns(UserWarning, match=r"trusted=\['sklearn\.svm\.SVR'\]"):
        save_model(model, path)
    with pytest.raises(ValueError, match=r"holds 1 types .*sklearn\.svm\.SVR"):
        load_model(path)


def test_compiled_families_are_not_known():
    """See the reasons in known_types."""
    compiled = {
        "cluster",
        "neighbors",
        "tree",
        "semi_supervised",
        "mixture",
        "manifold",
    }
    assert not compiled & {*SKLEARN_TYPES}
    names = {name.rpartition(".")[2] for name in OBJECTS}
    assert not [name for name in names if "SGD" in name and name != "SGDOptimizer"]
    assert not [n for n in names if "Forest" in n or "Tree" in n or "GradientB" in n]
    assert SKLEARN_TYPES["svm"] == ("LinearSVR",)


@pytest.mark.parametrize("claimed", [10**6, 0, 2.0, "3", None])
def test_a_polynomial_fills_the_memory_that_it_takes(claimed, path):
    X, _ = numbers()
    model = PolynomialFeatures(2).fit(X)
    save_model(model, path)
    edit(
        path,
        lambda schema: state_of(schema, "PolynomialFeatures").update(
            _n_out_full=number(claimed), n_output_features_=number(claimed)
        ),
    )
    assert_array_equal(load_model(path).transform(X), model.transform(X))


@pytest.mark.parametrize("claimed", [10**9, -1, 1.5, "3"])
def test_a_polynomial_of_odd_features_is_refused(claimed, path):
    save_model(PolynomialFeatures(2).fit(numbers()[0]), path)
    edit(
        path,
        lambda schema: state_of(schema, "PolynomialFeatures").update(
            n_features_in_=number(claimed)
        ),
    )
    with pytest.raises(ValueError, match=r"a polynomial of .* features"):
        load_model(path)


def elsewhere():
    """Say that its module is one that is not there."""


elsewhere.__module__ = "nowhere_at_all"


class Mine(RegressorMixin, BaseEstimator):
    def __init__(self, what=None):
        self.what = what

    def predict(self, X):
        return np.full(len(X), 14.0)


def test_an_estimator_of_one_s_own_needs_its_name(path):
    name = f"{__name__}.Mine"
    with pytest.warns(UserWarning, match=rf"holds 1 types .*trusted=\['{name}'\]"):
        save_model(make_pipeline(StandardScaler(), Mine()), path)
    with pytest.raises(ValueError, match=rf"vouch for: \['{name}'\]"):
        load_model(path)
    assert load_model(path, trusted=[name])[-1].predict([[1.0]]) == 14.0


def test_a_trusted_type_that_is_not_there_is_an_import_error(path):
    with pytest.warns(UserWarning, match="trusted="):
        save_model(Mine(), path)
    edit(path, lambda schema: schema.update(__module__="nowhere_at_all"))
    with pytest.raises(ImportError, match="nowhere_at_all"):
        load_model(path, trusted=["nowhere_at_all.Mine"])


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ({(1, 2): 3}, r"Mine\.what has the key \(1, 2\)"),
        ({1: 2, "1": 3}, r"Mine\.what has a number and its string as keys"),
        (slice("a"), r"Mine\.what is slice\(None, 'a', None\); ends must be"),
        (elsewhere, r"Mine\.what is nowhere_at_all\.elsewhere, which cannot be"),
        (lambda x: x, r"Mine\.what is .*<lambda>, which cannot be imported"),
        (
            [1, {"a": torch.zeros(1)}],
            r"Mine\.what\[1\]\['a'\] is of the type torch\.Tensor",
        ),
    ],
)
def test_what_cannot_be_stored_is_an_error_that_says_where(what, message, path):
    with pytest.raises(TypeError, match=message):
        save_model(Mine(what), path)
    assert list(path.parent.iterdir()) == []


def test_what_holds_itself_cannot_be_stored(path):
    model = Mine([])
    model.what.append(model)
    with pytest.raises(TypeError, match=r"Mine\.what\[0\] holds itself"):
        save_model(model, path)


def test_plain_values_come_back_as_they_were(path):
    what = {
        "atoms": [None, True, 1, 2.5, float("inf"), "é\x1b", 10**30],
        "scalars": (
            np.float32(0.5),
            np.int8(-1),
            np.bool_(True),
            np.str_("ab"),
            np.uint64(9),
        ),
        "dtypes": [np.dtype("f4"), np.dtype("<U3"), np.float64],
        "arrays": [
            np.zeros((0, 3)),
            np.array(["a", "bc"]),
            np.asfortranarray(np.eye(3, 2)),
        ],
        "objects": np.array([[1, "a"], [None, {"b": 2}]], dtype=object),
        "masked": np.ma.MaskedArray([1.0, 2.0], [True, False]),
        "ordered": collections.OrderedDict(a=1),
        "slice": slice(1, None, 2),
        "set": {1, "a"},
        1: "an integer as a key",
        0.5: "a number as a key",
        "ufunc": np.log10,
    }
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save_model(Mine(what), path)
    loaded = load_model(path, trusted=[f"{__name__}.Mine"]).what
    assert [*loaded] == [*what]
    for name in ("atoms", "scalars", "dtypes", "ordered", "slice", "set", 1, 0.5):
        assert loaded[name] == what[name]
    assert [type(one) for one in loaded["scalars"]] == [
        type(one) for one in what["scalars"]
    ]
    assert loaded["ufunc"] is np.log10
    for one, other in zip(loaded["arrays"], what["arrays"], strict=True):
        assert_array_equal(one, other, strict=True)
        assert one.flags.writeable
        assert one.flags.f_contiguous == other.flags.f_contiguous
    assert_array_equal(loaded["objects"], what["objects"], strict=True)
    assert_array_equal(loaded["masked"].mask, what["masked"].mask)
    assert_array_equal(loaded["masked"].data, what["masked"].data)


def test_without_skops_the_error_says_what_to_install(path, monkeypatch):
    """Only what no module of ours can describe needs it."""
    X, y = numbers()
    monkeypatch.setitem(sys.modules, "skops", None)
    monkeypatch.setitem(sys.modules, "skops.io", None)
    save_model(Ridge().fit(X, y), path)
    assert_allclose(load_model(path).predict(X), Ridge().fit(X, y).predict(X))
    with pytest.raises(TypeError, match=r"tree_ is of the type .*pip install skops"):
        save_model(RandomForestRegressor(2).fit(X, y), path)
