"""Read the TOML file of a contest, and refuse what it cannot mean."""

import contextlib
import importlib
import inspect
import sys
import tomllib
from dataclasses import dataclass
from pathlib import Path

from ..datasets import make_mock_survey
from ..estimator_parts import parts
from ..maps import PhotonMapper
from ..parameters import (
    Boolean,
    Integer,
    NJobs,
    Quantity,
    Text,
    check_parameters,
)
from ..printable import printable
from .entries import BANDS, BUILT_IN, BuiltIn, Entry, parameter_names
from .toml_table import ListOfNames, ListOfSeeds, TomlTable, unknown_name

NOT_SWITCHES = ("n_clusters", "random_state", "n_jobs", "verbose")
MAP_PARAMETERS = ("n_pixels", "half_width", "cosmology")


@dataclass(frozen=True)
class Configuration:
    """What a contest is about: its survey, folds and estimators.

    Parameters
    ----------
    path : Path
        The TOML file. Paths in it are relative to its folder.
    output : Path
        Folder for predictions and results.
    survey : dict
        ``n_clusters`` and switches of `make_mock_survey`; or ``table`` and ``target``, the
        path of a table of clusters and its column of true masses.
    seeds : tuple of int
        Seeds of the mock survey, and of the estimators.
    maps : dict
        Parameters of `PhotonMapper`, without its bands.
    entries : tuple of Entry
    shared : dict
        Parameters for every estimator that has them.
    n_folds : int or None
        None: octants where there are positions, otherwise five folds.
    max_folds : int or None
        Number of folds that are run, the first ones; None runs all.
    box_size : float or None
        Side of the box whose octants are the folds [comoving Mpc/h]; None is 352.
    n_jobs : int or None
        Number of folds that run at the same time.
    reference : str or None
        Entry that the others are compared with.
    """

    path: Path
    output: Path
    survey: dict
    seeds: tuple
    maps: dict
    entries: tuple
    shared: dict
    n_folds: int | None = None
    max_folds: int | None = None
    box_size: float | None = None
    n_jobs: int | None = None
    reference: str | None = None

    @property
    def trained(self):
        """Entries that are trained: all but means of others."""
        return tuple(entry for entry in self.entries if not entry.mean_of)


@contextlib.contextmanager
def importable(folder):
    """Make the modules of a folder importable, also in worker processes started meanwhile.

    Parameters
    ----------
    folder : Path
        Folder of a configuration, whose factories may lie beside it.
    """
    folder = str(folder.resolve())
    sys.path.insert(0, folder)
    try:
        yield
    finally:
        sys.path.remove(folder)


def read_configuration(path):
    """Read the configuration of a contest.

    Parameters
    ----------
    path : str or path-like
        TOML file; ``skcluster benchmark --help`` shows one.

    Returns
    -------
    configuration : Configuration

    Raises
    ------
    OSError
        There is no such file.
    ValueError, TypeError
        A key or a name is not known, or a value is not of its kind.

    Examples
    --------
    >>> from pathlib import Path
    >>> from tempfile import TemporaryDirectory
    >>> with TemporaryDirectory() as folder:
    ...     path = Path(folder, "contest.toml")
    ...     _ = path.write_text("[survey]\\nn_clusters = 200\\n[estimators.n_phot]\\n")
    ...     configuration = read_configuration(path)
    >>> configuration.output.name, configuration.seeds, configuration.entries[0].columns
    ('contest', (0,), ('n_phot',))
    """
    path = Path(path)
    try:
        content = tomllib.loads(path.read_text("utf-8"))
    except FileNotFoundError as error:
        raise FileNotFoundError(
            f"There is no configuration {printable(path)}. `skcluster benchmark --help` "
            "shows one to start from."
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{printable(path)} is not a TOML file: {error}.") from error
    try:
        return _configuration(path, TomlTable("", content))
    except (ValueError, TypeError, ImportError) as error:
        raise type(error)(f"{printable(path)}: {error}") from error


def _configuration(path, top):
    folder = path.parent
    for name in ("survey", "estimators"):
        if name not in top:
            raise ValueError(f"There is no table [{name}], which a contest needs.")
    survey, seeds = _survey(top.table("survey"))
    maps, bands = _maps(top.table("maps"))
    folds = _folds(top.table("folds"))
    entries = _entries(top.table("estimators").rest(), bands, folder)
    configuration = Configuration(
        path=path,
        output=folder / top.take("output", Text(), path.stem),
        survey=survey,
        seeds=seeds,
        maps=maps,
        entries=entries,
        shared=top.table("parameters").rest(),
        **folds,
        n_jobs=top.take("n_jobs", NJobs()),
        reference=top.take("reference", Text()),
    )
    top.finish()
    _check_estimators(configuration)
    names = [entry.name for entry in entries]
    if configuration.reference not in (None, *names):
        raise unknown_name("reference is", configuration.reference, names)
    return configuration


def _survey(table):
    """Read what is observed: a mock survey, or a table of clusters."""
    seeds = table.take("seeds", ListOfSeeds(), (0,))
    if "table" in table:
        survey = {
            "table": table.take("table", Text()),
            "target": table.take("target", Text(), "log_mass"),
        }
        table.finish()
        return survey, seeds
    parameters = inspect.signature(make_mock_survey).parameters
    n_clusters = table.take("n_clusters", Integer(1), 3285)
    switches = {
        name: table.take(name, default=parameter.default)
        for name, parameter in parameters.items()
        if name not in NOT_SWITCHES
    }
    table.known.append("table")
    table.finish()
    # One cluster shows at once whether the switches are right.
    make_mock_survey(1, random_state=0, **switches)
    return {"n_clusters": n_clusters, **switches}, seeds


def _maps(table):
    """Read the parameters of maps, and the sets of bands by name."""
    defaults, kinds = PhotonMapper().get_params(), PhotonMapper._parameter_kinds
    maps = {
        name: table.take(name, kinds[name], defaults[name]) for name in MAP_PARAMETERS
    }
    own = table.table("bands")
    bands = {
        name: tuple(map(tuple, own.take(name, kinds["bands"]))) for name in [*own.left]
    }
    table.finish()
    return maps, {**BANDS, **bands}


def _folds(table):
    folds = {
        "n_folds": table.take("n_folds", Integer(2)),
        "max_folds": table.take("max_folds", Integer(1)),
        "box_size": table.take("box_size", Quantity("box_size")),
    }
    table.finish()
    if folds["n_folds"] and folds["box_size"]:
        raise ValueError(
            "[folds] has n_folds and box_size, but folds are octants of a box, or a "
            "number of any. Give one of them."
        )
    return folds


def _entries(tables, bands, folder):
    if not tables:
        raise ValueError(
            "[estimators] is empty. Add a table per estimator, such as "
            "[estimators.n_phot]."
        )
    with importable(folder):
        return tuple(
            _entry(name, TomlTable(f"estimators.{name}", values), bands)
            for name, values in tables.items()
        )


def _entry(name, table, bands):
    """Read one estimator."""
    if "mean_of" in table:
        mean_of = table.take("mean_of", ListOfNames())
        table.finish()
        return Entry(name, None, mean_of=mean_of)
    factory = table.take("factory", Text())
    builtin = table.take("builtin", Text(), None if factory else name)
    columns = table.take("columns", ListOfNames())
    band_set = table.take("bands", Text())
    features = table.take("photon_features", Boolean())
    arguments = table.table("arguments").rest()
    table.known.append("mean_of")
    table.finish()
    where = f"[{table.name}]"
    if factory and builtin:
        raise ValueError(f"{where} has a factory and a builtin. Give one of them.")
    if columns and (band_set or features):
        raise ValueError(
            f"{where} has columns and bands or photon_features, but X is either a table of "
            "numbers or a sample. Leave out the one or the other."
        )
    # A factory is like a built-in estimator that learns from the sample as it is.
    own = BuiltIn(_imported(factory, where), "") if factory else None
    known = own or _built_in(builtin, where)
    if columns is None and band_set is None:
        columns, band_set = known.columns, known.bands
    if features is None and not columns:
        features = known.photon_features
    if columns == ():
        raise ValueError(
            f'{where} needs columns, such as columns = ["n_phot", "n_gal"].'
        )
    if band_set is not None and band_set not in bands:
        raise unknown_name(f"{where} bands is", band_set, bands)
    _check_arguments(known.make, arguments, where)
    band_edges = bands.get(band_set)
    return Entry(name, known.make, arguments, columns, band_edges, bool(features))


def _built_in(name, where):
    if name not in BUILT_IN:
        raise unknown_name(
            f"{where} is the built-in estimator",
            name,
            BUILT_IN,
            'For one of your own, give factory = "module:function".',
        )
    return BUILT_IN[name]


def _imported(factory, where):
    """Return the function or class that a factory names."""
    module, _, name = factory.partition(":")
    if not module or not name:
        raise ValueError(
            f'{where} factory must look like "module:function", got {factory!r}.'
        )
    try:
        found = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"{where} factory {factory!r} cannot be imported ({error}). Put the module "
            "beside the configuration, or install it."
        ) from error
    if not callable(getattr(found, name, None)):
        names = [each for each in vars(found) if callable(getattr(found, each))]
        raise unknown_name(f"{where} factory is {module}'s", name, names)
    return getattr(found, name)


def _check_estimators(configuration):
    """Build every estimator once, so that no wrong parameter waits for its turn."""
    trained = [entry.name for entry in configuration.trained]
    for entry in configuration.entries:
        for name in entry.mean_of:
            if name not in trained:
                raise unknown_name(
                    f"[estimators.{entry.name}] mean_of holds", name, trained
                )
    parameters = set()
    for entry in configuration.trained:
        try:
            estimator = entry.build(configuration.shared, 0)
            parameters |= parameter_names(estimator)
            for part, _ in parts(estimator):
                if hasattr(part, "_parameter_kinds"):
                    check_parameters(part)
        except (TypeError, ValueError) as error:
            raise type(error)(f"[estimators.{entry.name}] {error}") from error
    for name in configuration.shared:
        if name not in parameters:
            raise unknown_name(
                "No estimator has the parameter of [parameters]",
                name,
                sorted(parameters),
            )


def _check_arguments(make, arguments, where):
    try:
        inspect.signature(make).bind(**arguments)
    except TypeError as error:
        raise TypeError(
            f"{where} arguments do not fit {make.__qualname__}: {error}."
        ) from error
