"""A contest's TOML says what it means, or is refused with the way out."""

import textwrap

import pytest
from sklearn.linear_model import Ridge

from skcluster import XrayCNNRegressor
from skcluster.cli.benchmark import EXAMPLE
from skcluster.contest import BUILT_IN, Entry, read_configuration
from skcluster.contest.entries import BANDS
from skcluster.networks import EIGHT_BANDS
from skcluster.paper import THREE_BANDS

OWN = """
from sklearn.linear_model import Ridge

def make_estimator(depth=1):
    return Ridge(alpha=depth)

not_a_function = 1
"""
LEAST = "[survey]\n[estimators.n_phot]\n"


@pytest.fixture
def read(tmp_path):
    """A function that reads a configuration, beside the module `own_estimators`."""
    (tmp_path / "own_estimators.py").write_text(OWN)

    def read(text):
        path = tmp_path / "contest.toml"
        path.write_text(textwrap.dedent(text))
        return read_configuration(path)

    return read


def test_what_is_left_out_has_the_papers_size_and_octants(read, tmp_path):
    found = read(LEAST)
    assert found.survey["n_clusters"] == 3285
    assert found.survey["agn"] is found.survey["sky"] is None  # the paper's sky
    assert (found.seeds, found.n_folds, found.max_folds) == ((0,), None, None)
    assert found.maps == {"n_pixels": 128, "half_width": 2.3, "cosmology": "WMAP7"}
    assert found.output == tmp_path / "contest"


def test_everything_that_the_help_shows_is_understood(tmp_path):
    (tmp_path / "my_module.py").write_text(OWN)
    start, end = EXAMPLE.index("output ="), EXAMPLE.index("An entry without any")
    path = tmp_path / "contest.toml"
    path.write_text(textwrap.dedent("  " + EXAMPLE[start:end]))
    found = read_configuration(path)
    assert found.output == tmp_path / "results"
    assert found.seeds == (0, 1, 2)
    assert found.max_folds == 2
    assert found.reference == "rings"
    by_name = {entry.name: entry for entry in found.entries}
    paper = by_name["paper, 100 epochs"].build(found.shared, 7)[-1]
    assert isinstance(paper, XrayCNNRegressor)
    assert (paper.max_epochs, paper.dropout, paper.augment) == (100, 0.1, True)
    assert (paper.n_threads, paper.precision, paper.random_state) == (1, "bfloat16", 7)
    mine = by_name["mine"]
    assert mine.build(found.shared, 7).alpha == 3
    assert mine.bands == THREE_BANDS
    assert by_name["both"].mean_of == ("n_phot", "rings")
    assert "both" not in [entry.name for entry in found.trained]


@pytest.mark.parametrize("name", BUILT_IN)
def test_every_built_in_estimator_can_be_named_and_built(read, name):
    columns = 'columns = ["n_gal"]' if BUILT_IN[name].columns == () else ""
    (entry,) = read(f"[survey]\n[estimators.{name}]\n{columns}").entries
    assert hasattr(entry.build({}, 0), "predict")


def test_bands_of_ones_own_join_the_known_ones(read):
    found = read(
        """
        [survey]
        [maps.bands]
        soft = [[0.5, 1.0], [1.0, 2.0]]
        [estimators.rings]
        bands = "soft"
        [estimators.ho2023_one_band]
        bands = "eight"
        """
    )
    soft, eight = (entry.bands for entry in found.entries)
    assert soft == ((0.5, 1.0), (1.0, 2.0))
    assert eight == BANDS["eight"] == EIGHT_BANDS


def test_an_argument_of_the_entry_precedes_the_shared_parameter():
    entry = Entry("own", Ridge, {"alpha": 3.0})
    assert entry.build({"alpha": 1.0, "tol": 0.5, "depth": 2}, 0).get_params() == {
        **Ridge().get_params(),
        "alpha": 3.0,
        "tol": 0.5,
        "random_state": 0,
    }


def test_a_seed_of_its_own_is_kept():
    entry = Entry("own", Ridge, {"random_state": 5})
    assert entry.build({}, 1).random_state == 5


WRONG = [
    ("[survey]\nagm = true\n[estimators.n_phot]", r"key 'agm'.*Did you mean 'agn'"),
    ("[survey]\nn_clusters = 'x'\n[estimators.n_phot]", r"n_clusters must be a pos"),
    ("[survey]\nseeds = [1, 1]\n[estimators.n_phot]", "list of different seeds"),
    ("[survey]\nbackground = -1\n[estimators.n_phot]", r"background must be in \["),
    (
        "[survey]\nagn = 3\n[estimators.n_phot]",
        "agn must be True or False or in .0, 1.,",
    ),
    ("[estimators.n_phot]", r"no table \[survey\], which a contest needs"),
    ("[survey]", r"no table \[estimators\]"),
    ("[survey]\n[estimators]", r"\[estimators\] is empty"),
    ("[survey]\n[estimators.n_fot]", "'n_fot', which is not known. Did you mean 'n_p"),
    ("[survey]\n[estimators.xyz]", "Known are n_phot, .*give factory = "),
    ("[survey]\n[estimators]\nn_phot = 3", "estimators.n_phot. must be a table, got 3"),
    ("[survey]\n[estimators.covariance]", "needs columns, such as"),
    (
        LEAST + "bands = 'one'\ncolumns = ['n_gal']",
        "has columns and bands or photon_features",
    ),
    (LEAST + "bands = 'thre'", "bands is 'thre'.*Did you mean 'three'"),
    (LEAST + "columns = 'n_gal'", "columns must be a list of names"),
    (LEAST + "arguments = {betta = 1}", "n_phot. .*unexpected keyword .*'betta'"),
    (LEAST + "arguments = {beta = 'x'}", "n_phot. beta must be a finite number"),
    (
        "[survey]\n[estimators.ho2023_one_band]\narguments = {max_epochs = 0}",
        "ho2023_one_band. max_epochs must be a positive int, got 0",
    ),
    (LEAST + "[folds]\nmax_folds = 0", r"\[folds\] max_folds must be a positive int"),
    (LEAST + "[maps]\nn_pixels = 0", "n_pixels must be"),
    (LEAST + "[maps]\npixels = 64", "key 'pixels'.*Did you mean 'n_pixels'"),
    ("outpt = 'x'\n" + LEAST, "The file has the key 'outpt'.*'output'"),
    ("reference = 'n_fot'\n" + LEAST, "reference is 'n_fot'.*Did you mean 'n_phot'"),
    ("[survey]\n[estimators.a]\nfactory = 'os'", "must look like .module:function."),
    ("[survey]\n[estimators.a]\nfactory = 'nowhere_x:f'", "Put the module beside"),
    (
        "[survey]\n[estimators.a]\nfactory = 'own_estimators:make_estimater'",
        "Did you mean 'make_estimator'",
    ),
    (
        "[survey]\n[estimators.a]\nfactory = 'own_estimators:not_a_function'",
        "is own_estimators's 'not_a_function', which is not known",
    ),
    (
        "[survey]\n[estimators.a]\nfactory = 'own_estimators:make_estimator'\n"
        "arguments = {width = 1}",
        "arguments do not fit make_estimator",
    ),
    (
        "[survey]\n[estimators.a]\nfactory = 'own_estimators:Ridge'\nbuiltin = 'rings'",
        "has a factory and a builtin",
    ),
    (
        LEAST + "[estimators.both]\nmean_of = ['n_phot', 'n_fot']",
        "Did you mean 'n_phot'",
    ),
    (LEAST + "[estimators.both]\nmean_of = ['both']", "mean_of holds 'both', which is"),
    (LEAST + "[estimators.both]\nmean_of = ['n_phot']\nbands = 'one'", "key 'bands'"),
    (
        "[survey]\n[estimators.ho2023_one_band]\n[parameters]\nprecison = 'bfloat16'",
        "No estimator has the parameter .*'precison'.* Did you mean 'precision'",
    ),
    ("[survey", "is not a TOML file"),
]


@pytest.mark.parametrize(("text", "words"), WRONG)
def test_what_cannot_be_meant_is_refused_with_the_way_out(read, text, words):
    kinds = (ValueError, TypeError, ImportError)
    with pytest.raises(kinds, match=f"(?s)contest.toml.*({words})"):
        read(text)


def test_a_missing_file_is_refused_with_the_way_to_an_example(tmp_path):
    with pytest.raises(FileNotFoundError, match="benchmark --help"):
        read_configuration(tmp_path / "nowhere.toml")


@pytest.mark.parametrize(
    ("make", "words"),
    [(dict, "a dict without fit and predict"), (object, "a object without fit")],
)
def test_a_factory_must_make_an_estimator(make, words):
    with pytest.raises(TypeError, match=words):
        Entry("own", make).build({}, 0)
