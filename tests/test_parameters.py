"""Every parameter of every estimator is declared, read as a plain value, or refused."""

import inspect
from fractions import Fraction
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from astropy import units
from numpy.testing import assert_array_equal
from sklearn.base import BaseEstimator, clone
from sklearn.linear_model import LinearRegression
from sklearn.model_selection import BaseCrossValidator
from sklearn.pipeline import make_pipeline

import skcluster
from skcluster import (
    EvrardProxyRegressor,
    PhaseSpaceKDE,
    QuadrantGroupKFold,
    RotationAugmentedRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
)
from skcluster.datasets import make_mock_survey
from skcluster.parameters import (
    Anything,
    Boolean,
    Choice,
    Edges,
    EnergyBand,
    EnergyBands,
    Exactly,
    Integer,
    Interval,
    Names,
    NJobs,
    NonNegative,
    Number,
    PathLike,
    Positive,
    Quantity,
    RandomState,
    ReadBy,
    Text,
    WithMethods,
    check_parameters,
)

ESTIMATORS = {
    name: value
    for name in skcluster.__all__
    if inspect.isclass(value := getattr(skcluster, name))
    and issubclass(value, (BaseEstimator, BaseCrossValidator))
}
RANDOM = np.random.RandomState(0)
INFINITE_BAND = ((0.5, np.inf),)
ESTIMATOR = LinearRegression()


class Unlike:
    """An object that is nothing that a parameter may be."""

    def __repr__(self):
        return "<something else>"


@pytest.mark.parametrize("name", ESTIMATORS)
def test_every_parameter_of_the_constructor_is_declared(name):
    constructor = inspect.signature(ESTIMATORS[name]).parameters
    assert set(ESTIMATORS[name]._parameter_kinds) == set(constructor)


NEEDS_ESTIMATOR = {
    "CalibratedMassRegressor",
    "IteratedRadiusRegressor",
    "RotationAugmentedRegressor",
    "SaliencyExplainer",
}
NONSENSE = {
    "a sentence": "no such thing",
    "a list": ["mse", None],
    "NaN": np.nan,
    "infinity": np.inf,
    "a negative number": -2.5,
    "a complex number": 1j,
    "an object": Unlike(),
    "a class": Unlike,
    "bytes": b"128",
    "a mapping": {"a": 1},
    "an array": np.ones((2, 2)),
    "True": True,
    "None": None,
}
# What a parameter takes of these, by its name.
SENSE = {
    "beta": {"a negative number"},
    "redshift_column": {"a sentence", "None"},
    "checkpoint_dir": {"a sentence", "None"},
    "callbacks": {"a list", "None"},
    "architecture": {"a class"},
    **{
        name: {"True"}
        for name in (
            "allow_missing",
            "augment",
            "debias",
            "keep_memory",
            "per_photon",
            "signed",
            "verbose",
            "with_exposure",
            "with_unobserved",
            "with_redshift",
        )
    },
    **{
        name: {"None"}
        for name in (
            "by",
            "evolution",
            "log_stellar_mass_min",
            "mass_range",
            "n_jobs",
            "n_threads",
            "patience",
            "phase_space",
            "random_state",
            "redshift_bins",
            "validation_fraction",
        )
    },
    # Looked at by `spatial_folds`, by `estimator_parts`, and by torch.
    "CalibratedMassRegressor.cv": set(NONSENSE),
    "SaliencyExplainer.estimator": set(NONSENSE),
    "SaliencyExplainer.device": set(NONSENSE),
    "SaliencyExplainer.batch_size": {"None"},
    "FixedPowerLawRegressor.exponents": {"a negative number"},
    "FixedPowerLawRegressor.evolution": {"a negative number"},
    "PhotonFeaturizer.features": {"None"},
    "GalaxyFeaturizer.features": {"None"},
    "RingProfiler.half_width": {"None"},
    "MorphologyMeasurer.band": {"None"},
    "MorphologyMeasurer.half_width": {"None"},
    "MorphologyMeasurer.quantities": {"None"},
    "ProxyMeasurer.background": {"None"},
    "particle_share": {"None"},
    "RotationAugmentedRegressor.thin_to": {"None"},
    "CountRateMassRegressor.prior": {"None", "a negative number"},
}


def parameters_and_nonsense():
    return [
        pytest.param(name, parameter, value, id=f"{name}.{parameter}-{what}")
        for name, cls in ESTIMATORS.items()
        for parameter in inspect.signature(cls).parameters
        for what, value in NONSENSE.items()
        if what not in SENSE.get(f"{name}.{parameter}", SENSE.get(parameter, ()))
    ]


@pytest.fixture(scope="module")
def clusters():
    return make_mock_survey(4, random_state=0)


def start(estimator, X, y):
    if hasattr(estimator, "explain"):
        return estimator.explain(X)
    return (
        estimator.fit(X, y) if hasattr(estimator, "fit") else list(estimator.split(X))
    )


@pytest.mark.parametrize(("name", "parameter", "value"), parameters_and_nonsense())
def test_nonsense_is_refused_by_name_when_an_estimator_is_used(
    name, parameter, value, clusters
):
    needs = {"estimator": ESTIMATOR} if name in NEEDS_ESTIMATOR else {}
    if name == "CountRateMassRegressor":
        needs["scatter"] = 0.3
    estimator = ESTIMATORS[name](**{**needs, parameter: value})
    X, y = clusters.sample, clusters.log_mass
    if name in ("RedshiftNormalizer", "XrayCNNRegressor", "JointCNNRegressor"):
        X = skcluster.PhotonMapper(n_pixels=8).transform(X)
    if name in (
        "EvrardProxyRegressor",
        "FixedPowerLawRegressor",
        "CountRateMassRegressor",
    ):
        X = np.ones((4, 2))
    if name == "PhotonSetRegressor":
        X = skcluster.PhotonFeaturizer().transform(X)
    subject = "[Cc]osmology" if parameter == "cosmology" else parameter
    # One sentence: which parameter, what it must be, what it is.
    message = (
        rf"(?s)^({subject} must be .*, got .*|Unknown {subject} .* Give one of .*)\.$"
    )
    with pytest.raises((ValueError, TypeError), match=message) as refused:
        start(estimator, X, y)
    assert len(str(refused.value)) < 700


INTEGERS = {
    "PhotonMapper": {"n_pixels": 100},
    "PhaseSpaceKDE": {"n_bins": 20, "n_jobs": 1},
    "EvrardProxyRegressor": {"redshift_column": 1, "redshift_bins": 3},
    "RotationAugmentedRegressor": {"n_rotations": 2, "random_state": 7},
    "CalibratedMassRegressor": {"n_bins": 2, "cv": 3},
    "XrayCNNRegressor": {
        "batch_size": 7,
        "max_epochs": 2,
        "patience": 1,
        "n_members": 2,
        "n_threads": 1,
        "random_state": 5,
        "n_dropout_draws": 2,
        "verbose": 0,
    },
    "SaliencyExplainer": {
        "n_samples": 3,
        "batch_size": 5,
        "random_state": 3,
        "n_threads": 1,
    },
}
OTHERS = {
    "CalibratedMassRegressor": {"by": "mass"},
    "XrayCNNRegressor": {"dropout": 0.2, "device": "cpu"},
    "SaliencyExplainer": {"method": "smoothgrad"},
}


def used(name, integers, mapped, log_mass):
    """What an estimator makes of sixty clusters."""
    X = mapped
    counter = skcluster.ProxyMeasurer(proxies=["n_phot"], with_redshift=True)
    if name == "EvrardProxyRegressor":
        X = counter.transform(X)
    needs = dict(OTHERS.get(name, {}))
    if name == "SaliencyExplainer":
        network = skcluster.XrayCNNRegressor(max_epochs=1, random_state=0, n_threads=1)
        needs["estimator"] = network.fit(mapped, log_mass)
        return skcluster.SaliencyExplainer(**needs, **integers).explain(mapped)
    if name in ("RotationAugmentedRegressor", "CalibratedMassRegressor"):
        evrard = skcluster.EvrardProxyRegressor(redshift_column=-1, redshift_bins=2)
        needs["estimator"] = make_pipeline(counter, evrard)
    estimator = getattr(skcluster, name)(**needs, **integers).fit(X, log_mass)
    if hasattr(estimator, "predict"):
        return estimator.predict(X)
    made = estimator.transform(X)
    return np.asarray(made.cubes if name == "PhaseSpaceKDE" else made.maps)


@pytest.mark.filterwarnings("ignore:.*predicts its own training clusters")
@pytest.mark.parametrize("name", INTEGERS)
@pytest.mark.parametrize("integer", [np.int8, np.uint8, np.uint64])
def test_numpys_integers_do_what_pythons_do(name, integer, sample, log_mass):
    mapped = skcluster.PhotonMapper(n_pixels=16).transform(sample)
    plain = used(name, INTEGERS[name], mapped, log_mass)
    narrow = {key: integer(value) for key, value in INTEGERS[name].items()}
    assert_array_equal(used(name, narrow, mapped, log_mass), plain)


@pytest.mark.parametrize("name", ESTIMATORS)
def test_the_defaults_are_of_their_kinds(name):
    kinds = ESTIMATORS[name]._parameter_kinds
    for parameter in inspect.signature(ESTIMATORS[name]).parameters.values():
        if parameter.default is not parameter.empty:
            kind = kinds[parameter.name]
            checked = kind.check(parameter.name, parameter.default)
            assert np.array_equal(checked, parameter.default)


@pytest.mark.parametrize(
    ("kind", "given", "plain"),
    [
        (Integer(1), np.uint16(128), 128),
        (Integer(1), np.int8(8), 8),
        (Integer(), -3, -3),
        (Integer(0, 4), np.uint64(4), 4),
        (Number(), np.float32(0.5), 0.5),
        (Number(), np.int16(-2), -2.0),
        (Number(), Fraction(1, 4), 0.25),
        (Positive(), 3, 3.0),
        (NonNegative(), 0, 0.0),
        (Quantity("half_width"), np.float32(0.5), 0.5),
        (Interval("(0, 1]"), 1, 1.0),
        (Interval("[0, 1)"), 0, 0.0),
        (Boolean(), np.True_, True),
        (Choice({"mse": 1, "mae": 2}), np.str_("mae"), "mae"),
        (Names(["a", "b"]), np.array(["b", "a"]), ("b", "a")),
        (Integer(1) | None, None, None),
        (Integer(1) | Choice(["auto"]), "auto", "auto"),
        (RandomState(), np.uint8(7), 7),
        (RandomState(), RANDOM, RANDOM),
        (NJobs(), np.int64(-1), -1),
        (NJobs(), None, None),
        (PathLike(), Path("here"), Path("here")),
        (EnergyBand(), np.array([0.5, 10]), (0.5, 10.0)),
        (EnergyBands(), [[0.5, 2], (2, 10)], ((0.5, 2.0), (2.0, 10.0))),
        (EnergyBands(), INFINITE_BAND, INFINITE_BAND),
        (WithMethods("an estimator"), ESTIMATOR, ESTIMATOR),
        (Anything(), ESTIMATOR, ESTIMATOR),
        (ReadBy(float), "3", "3"),
        (Text(), np.str_("z"), "z"),
        (Exactly(0) | Positive(), np.int8(0), 0),
    ],
)
def test_a_value_of_the_kind_becomes_a_plain_one(kind, given, plain):
    read = kind.check("parameter", given)
    assert read == plain
    assert type(read) is type(plain)


@pytest.mark.parametrize(
    ("kind", "given", "sentence"),
    [
        (Integer(1), 0, "n must be a positive int, got 0."),
        (Integer(1), True, "n must be a positive int, got True."),
        (Integer(1), np.True_, "n must be a positive int, got np.True_."),
        (Integer(1), 2.0, "n must be a positive int, got 2.0."),
        (Integer(1), np.array([1]), r"n must be a positive int, got array\(\[1\]\)."),
        (Integer(0), -1, "n must be a non-negative int, got -1."),
        (Integer(2), np.int8(1), r"n must be an int of at least 2, got np.int8\(1\)."),
        (Integer(1, 8), 9, "n must be an int from 1 to 8, got 9."),
        (Number(), np.inf, "n must be a finite number, got inf."),
        (Number(), 1j, "n must be a finite number, got 1j."),
        (Number(), False, "n must be a finite number, got False."),
        (Number(), 10**400, "n must be a finite number, got 1000*[.][.][.][.]"),
        (Positive(), 0, "n must be a positive number, got 0."),
        (
            Exactly(0) | Positive(),
            False,
            "n must be 0 or a positive number, got False.",
        ),
        (Positive(), "1", "n must be a positive number, got '1'."),
        (Positive(), np.nan, "n must be a positive number, got nan."),
        (NonNegative(), -1e-9, "n must be a non-negative number, got -1e-09."),
        (Interval("(0, 1]"), 0, r"n must be in \(0, 1\], got 0."),
        (Interval("[0, 1)"), 1.0, r"n must be in \[0, 1\), got 1.0."),
        (Boolean(), 1, "n must be True or False, got 1."),
        (Choice(["a", "b"]), "c", r"n must be one of \['a', 'b'\], got 'c'."),
        (Choice(["a"]), ["a"], r"n must be one of \['a'\], got \['a'\]."),
        (
            Names("ab"),
            "a",
            r"a list of names out of \['a', 'b'\], .*Give a list: \['a'\]",
        ),
        (Names("ab"), ["c"], r"out of \['a', 'b'\], got \['c'\]."),
        (Names("ab"), [], r"out of \['a', 'b'\], got \[\]."),
        (Names("ab"), 3, r"out of \['a', 'b'\], got 3."),
        (Integer(1) | None, 0, "n must be a positive int or None, got 0."),
        (
            RandomState(),
            -1,
            "n must be a seed .*, a numpy RandomState or None, got -1.",
        ),
        (RandomState(), 2**32, "n must be a seed .*got 4294967296."),
        (RandomState(), np.random.default_rng(0), r"From a Generator, give int\(rng"),
        (NJobs(), 0, "n must be an int that is not 0, or None, got 0."),
        (EnergyBand(), (2, 0.5), r"n must be a pair \(low, high\) in keV with low < "),
        (EnergyBand(), (500, 2000), r"\(500, 2000\) looks like eV.* keV: \(0.5, 2\)."),
        (EnergyBand(), (0, 2000), r"\(0, 2000\) looks like eV.* keV: \(0, 2\)."),
        (EnergyBand(), (5e-4, 0.01), r"looks like MeV.* keV: \(0.5, 10\)."),
        (EnergyBands(), (0.5, 10.0), r"n must be pairs \(low, high\) in keV with low"),
        (EnergyBands(), [(1, 2), (500, 2000)], r"\(500, 2000\) looks like eV"),
        (EnergyBands(), [], "n must be pairs"),
        (Edges(), [0.1], r"n must be at least 2 increasing edges, got \[0.1\]"),
        (Edges(), [0.2, 0.1], "at least 2 increasing edges"),
        (Edges(), [0.1, np.nan], "at least 2 increasing edges"),
        (Edges(), [[0.1], [0.1, 0.2]], "at least 2 increasing edges"),
        (Edges(), np.array([2, 1], np.uint8), "at least 2 increasing edges"),
        (Edges(), "ab", "at least 2 increasing edges"),
        (Edges(), [0, 3, 6] * units.arcmin, "increasing edges, got .*arcmin"),
        (Edges(), [0 * units.Mpc, 1 * units.Mpc], "increasing edges, got .*Mpc"),
        (Edges(), np.ma.masked_equal([0, 1, 2], 2), "increasing edges, got .*--"),
        (Text(), 1, "n must be a string, got 1."),
        (
            WithMethods("an estimator"),
            LinearRegression,
            "n must be an estimator, got <",
        ),
    ],
)
def test_the_rest_is_refused_in_a_sentence(kind, given, sentence):
    with pytest.raises(ValueError, match=sentence):
        kind.check("n", given)


@pytest.mark.parametrize("value", [0, -1, 99999])
def test_one_parameter_is_no_placeholder_of_a_table_with_rows(value):
    mapper = skcluster.PhotonMapper(half_width=value)
    with pytest.raises(
        ValueError, match=rf"half_width must be .*, got {value}\."
    ) as found:
        check_parameters(mapper)
    assert "rows" not in str(found.value)


def test_what_is_no_path_is_of_the_wrong_type():
    with pytest.raises(TypeError, match=r"n must be a path or None, got 5\."):
        (PathLike() | None).check("n", 5)


def test_names_may_be_added_later():
    names = {"a": 1}
    kind = Choice(names)
    with pytest.raises(ValueError, match=r"one of \['a'\], got 'b'"):
        kind.check("n", "b")
    names["b"] = 2
    assert kind.check("n", "b") == "b"


def test_the_first_wrong_parameter_is_refused_and_the_estimator_unchanged():
    estimator = SimpleNamespace(n_bins=np.uint8(3), width=-1)
    with pytest.raises(AttributeError, match="_parameter_kinds"):
        check_parameters(estimator)
    mapper = skcluster.PhotonMapper(n_pixels=np.uint8(3))
    assert type(check_parameters(mapper).n_pixels) is int
    assert type(mapper.n_pixels) is np.uint8


@pytest.mark.parametrize(
    ("estimator", "name"),
    [
        (XrayCNNRegressor(), "n_threads"),
        (XrayCNNRegressor(), "n_members"),
        (XrayCNNRegressor(dropout=0.1), "n_dropout_draws"),
        (RotationAugmentedRegressor(EvrardProxyRegressor()), "n_rotations"),
        (PhaseSpaceKDE(), "n_bins"),
        (SaliencyExplainer(XrayCNNRegressor(), method="smoothgrad"), "n_samples"),
        (SaliencyExplainer(XrayCNNRegressor()), "n_threads"),
    ],
)
@pytest.mark.parametrize("value", [10**9, 10**30])
def test_absurd_numbers_are_refused_by_name(estimator, name, value):
    with pytest.raises(ValueError, match=rf"{name} must be an int from .* got {value}"):
        check_parameters(clone(estimator).set_params(**{name: value}))


@pytest.mark.parametrize("value", [10**9, 10**30])
def test_absurd_surveys_are_refused_at_once(value):
    with pytest.raises(ValueError, match=f"n_clusters must be .*, got {value}"):
        make_mock_survey(value)
    with pytest.raises(ValueError, match=f"n_splits_per_axis must be .*, got {value}"):
        QuadrantGroupKFold(n_splits_per_axis=value).get_n_splits()
