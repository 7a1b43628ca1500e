"""The clusters of a contest: a survey in memory, and what each estimator sees of it."""

import functools
import hashlib
from pathlib import Path

import numpy as np
from sklearn.utils import Bunch

from .. import datasets
from ..datasets import make_mock_survey
from ..io import read_sample
from ..io.kept_arrays import kept_file, read_kept, write_kept
from ..io.tables import check_unit_of_column
from ..maps import PhotonMapper
from ..model_selection import QuadrantGroupKFold, spatial_folds
from ..photon_features import PhotonFeaturizer
from ..plausible_masses import checked_log_mass
from ..progress import say
from ..proxies import ProxyMeasurer
from ..sample import ClusterSample, Ragged
from .entries import least_squares
from .toml_table import unknown_name

MEASURED = ProxyMeasurer().proxies
"""Columns that are measured if the table of the survey does not have them."""


class Survey:
    """Clusters with their true masses, and the inputs that estimators learn from.

    Maps, proxies and features of photons are made once, and serve all estimators.

    Parameters
    ----------
    sample : ClusterSample
    log_mass : ndarray of shape (n_clusters,)
        log10 M500c.
    table : dict of str to ndarray of shape (n_clusters,)
        Other columns, such as true properties of mock clusters.
    maps : dict
        Parameters of `PhotonMapper`, without its bands.
    n_jobs : int, default=None
        Number of threads that describe photons.
    """

    def __init__(self, sample, log_mass, table, maps, n_jobs=None):
        self.sample, self.log_mass, self.table = sample, log_mass, table
        self._maps, self._n_jobs, self._inputs = maps, n_jobs, {}

    def folds(self, n_folds, box_size=None):
        """Return the training and test rows of every fold, octants of a box or others."""
        cv = n_folds if box_size is None else QuadrantGroupKFold(box_size=box_size)
        return spatial_folds(cv, self.sample, self.log_mass)

    def input_of(self, entry):
        """Return the X of an entry: a table of numbers, or a sample."""
        key = entry.columns, entry.bands, entry.photon_features
        if key not in self._inputs:
            self._inputs[key] = self._made_for(entry)
        return self._inputs[key]

    def check_entry(self, entry):
        """Refuse an entry that has other columns or redshifts than it needs."""
        n, n_distinct = len(self.log_mass), len(np.unique(self.sample.redshift))
        if n_distinct > n / 2 and _fits_each_redshift(entry):
            bins = "arguments = { redshift_bins = 5 }, fewer for few clusters"
            way = f"Give {bins}."
            if entry.make is least_squares:
                way = (
                    f'Take builtin = "covariance_4" with {bins}, or '
                    'factory = "sklearn.linear_model:LinearRegression".'
                )
            raise ValueError(
                f"[estimators.{entry.name}] has an intercept for each snapshot of a "
                f"simulation, but {n} clusters have {n_distinct} distinct redshifts. {way}"
            )
        known = [*self.table, *(name for name in MEASURED if name not in self.table)]
        for name in entry.columns or ():
            if name not in known:
                raise unknown_name(
                    f"[estimators.{entry.name}] columns holds", name, known
                )

    def digest(self):
        """Return a hash of all that was observed, and of the true masses.

        It is the same for processors that round differently.
        """
        digest = hashlib.sha256()
        arrays = _arrays_of(self.sample) | {"log_mass": self.log_mass}
        for name, array in sorted(arrays.items()):
            digest.update(name.encode())
            digest.update(_without_last_bits(array))
        return digest.hexdigest()[:16]

    def digest_of_columns(self, entry):
        """Return a hash of the columns of the table that an entry learns from."""
        digest = hashlib.sha256()
        for name in entry.columns or ():
            if name in self.table:  # else it is measured from the sample
                digest.update(name.encode())
                digest.update(np.asarray(self.table[name], float).tobytes())
        return digest.hexdigest()[:16]

    def _made_for(self, entry):
        if entry.columns:
            columns = [self._column(name) for name in entry.columns]
            return np.column_stack([*columns, self.sample.redshift])
        sample = self._described if entry.photon_features else self.sample
        if entry.bands:
            return PhotonMapper(bands=entry.bands, **self._maps).transform(sample)
        return sample

    @functools.cached_property
    def _described(self):
        """The sample with features of its photons."""
        shared = {name: self._maps[name] for name in ("half_width", "cosmology")}
        return PhotonFeaturizer(**shared, n_jobs=self._n_jobs).transform(self.sample)

    def _column(self, name):
        """Return the natural logarithm of a column."""
        if name not in self.table:
            measurer = ProxyMeasurer(
                proxies=(name,),
                half_width=self._maps["half_width"],
                cosmology=self._maps["cosmology"],
            )
            return measurer.fit_transform(self.sample)[:, 0]
        values = np.asarray(self.table[name], float)
        wrong = np.flatnonzero(~(values > 0))
        if len(wrong):
            raise ValueError(
                f"The column {name!r} is not positive for {len(wrong)} of {len(values)} "
                f"clusters (first: cluster {wrong[0]}, {values[wrong[0]]:g}), so that it "
                "has no logarithm. Leave it or these clusters out."
            )
        return np.log(values)


def _fits_each_redshift(entry):
    """Return whether an estimator fits the clusters of each redshift on their own."""
    if entry.make is least_squares:
        return True
    parameters = entry.build({}, 0).get_params(deep=True)
    # A column of redshifts that are not binned.
    columns = (name for name in parameters if name.endswith("redshift_column"))
    return any(
        parameters[name] is not None
        and parameters.get(name.removesuffix("column") + "bins", "") is None
        for name in columns
    )


def load_survey(configuration, seed, *, verbose=1):
    """Make or read the survey of one seed.

    A mock survey is kept in a cache folder of the output, and made anew when its switches
    or the code that makes it have changed.

    Parameters
    ----------
    configuration : Configuration
    seed : int
    verbose : int, default=1

    Returns
    -------
    survey : Survey
    """
    survey = configuration.survey
    if "table" in survey:
        made = _read_table(configuration, verbose)
    else:
        path = _cache_path(configuration, seed)
        made = _read_cache(path)
        if made is None:
            options = {"random_state": seed, "n_jobs": configuration.n_jobs}
            bunch = make_mock_survey(**survey, **options, verbose=verbose)
            catalog = {
                name: np.asarray(column) for name, column in bunch.catalog.items()
            }
            made = Bunch(sample=bunch.sample, log_mass=bunch.log_mass, table=catalog)
            _write_cache(path, made)
    table = {
        name: column
        for name, column in made.table.items()
        if name not in ("log_mass", survey.get("target"))
        and np.asarray(column).dtype.kind in "iuf"
    }
    found = Survey(
        made.sample, made.log_mass, table, configuration.maps, configuration.n_jobs
    )
    for entry in configuration.trained:
        found.check_entry(entry)
    return found


def _read_table(configuration, verbose):
    path = configuration.path.parent / configuration.survey["table"]
    target = configuration.survey["target"]
    sample, table = read_sample(
        path, cosmology=configuration.maps["cosmology"], verbose=verbose
    )
    if target not in table:
        raise unknown_name(f"[survey] target of {path} is", target, table)
    check_unit_of_column(path, target, "log_mass")
    log_mass = checked_log_mass(
        table[target], by="skcluster benchmark", name=target, has_parameter=False
    )
    return Bunch(sample=sample, log_mass=log_mass, table=table)


def _cache_path(configuration, seed):
    sources = sorted(Path(datasets.__file__).parent.glob("*.py"))
    made_by = [hashlib.sha256(path.read_bytes()).hexdigest() for path in sources]
    key = {"survey": configuration.survey, "seed": seed, "made by": made_by}
    return kept_file(configuration.output / "cache", "survey", key)


def _arrays_of(sample):
    """Return all fields of a sample as arrays: one, or one per column of lists."""
    arrays = {}
    for name in sample.fields:
        value = getattr(sample, name)
        if isinstance(value, Ragged):
            arrays[f"{name}/offsets"] = value.offsets
            for column in value.columns:
                arrays[f"{name}/{column}"] = value[column]
        else:
            arrays[name] = np.asarray(value)
    return arrays


def _without_last_bits(array):
    """Return bytes that identify an array, of real numbers by their sums to nine digits.

    The last bits of a power or an exponential are not those of another processor.
    """
    if array.dtype.kind != "f":
        return np.ascontiguousarray(array).tobytes()
    values = np.nan_to_num(array.astype(float).ravel())
    place = np.linspace(0, 1, values.size)
    sums = [np.abs(values).sum(), (np.abs(values) * place).sum()]
    sums += [np.sum(values > 0), np.isfinite(array).sum()]
    return " ".join(f"{each:.8e}" for each in sums).encode()


def _write_cache(path, made):
    path.parent.mkdir(parents=True, exist_ok=True)
    # Version control and backups need not hold what can be made again.
    (path.parent / ".gitignore").write_text("*\n")
    catalog = {f"catalog/{name}": column for name, column in made.table.items()}
    sample = {
        f"sample/{name}": array for name, array in _arrays_of(made.sample).items()
    }
    try:
        arrays = {"log_mass": made.log_mass, **catalog, **sample}
        write_kept(path, arrays, {}, compressed=False)
    except OSError as error:
        say(f"The survey is not kept for the next run: {error.strerror}")


def _read_cache(path):
    arrays, _, _ = read_kept(path)
    if arrays is None:
        return None
    catalog, fields = {}, {}
    lists: dict[str, dict] = {}
    for name, array in arrays.items():
        kind, _, rest = name.partition("/")
        field, _, column = rest.partition("/")
        if kind == "catalog":
            catalog[rest] = array
        elif column:
            lists.setdefault(field, {})[column] = array
        elif kind == "sample":
            fields[field] = array
    for field, columns in lists.items():
        offsets = columns.pop("offsets")
        fields[field] = Ragged(columns, offsets)
    sample = ClusterSample(fields.pop("redshift"), **fields)
    return Bunch(sample=sample, log_mass=arrays["log_mass"], table=catalog)
