"""A small made-up survey that the tests share."""

import gc
import importlib
import os
import sys
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import WMAP7
from hypothesis import settings
from numpy.testing import assert_array_equal

from skcluster import ClusterSample, ProxyMeasurer, Ragged
from skcluster.cli import main
from skcluster.io import write_sample

settings.register_profile("skcluster", deadline=None, derandomize=True)
settings.load_profile("skcluster")


def pytest_collection_finish():
    """Leave the imported packages out of garbage collections, which they make slow."""
    gc.collect()
    gc.freeze()


def _photons(rng, center, distance, log_mass):
    """A round source of 0.3 Mpc/h on a flat background out to 0.5 deg."""
    n_source = 20 + rng.poisson(100 * 10 ** (log_mass - 14))
    offset = np.degrees(rng.normal(0, 0.3, (n_source, 2)) / distance)
    offset = np.concatenate([offset, rng.uniform(-0.35, 0.35, (40, 2))])
    x, y = rng.permutation(offset).T
    return {
        "ra": (center[0] - x / np.cos(np.radians(center[1]))) % 360,
        "dec": center[1] + y,
        "energy": 0.4 + rng.exponential(2.0, len(x)),
        "origin": rng.integers(0, 3, len(x)),
    }


def _galaxies(rng, log_mass):
    n = 12 + rng.poisson(20 * 10 ** (log_mass - 14))
    x, y = rng.normal(0, 0.6, (2, n))
    return {"x": x, "y": y, "v": rng.normal(0, 500 * 10 ** ((log_mass - 14) / 3), n)}


@pytest.fixture(scope="session")
def log_mass():
    """log10 M500c of the sixty clusters of `sample`."""
    return np.random.default_rng(60).uniform(13.5, 15.0, 60)


@pytest.fixture(scope="session")
def sample(log_mass):
    """Sixty clusters at five redshifts with every field an observer may have."""
    rng = np.random.default_rng(0)
    n = len(log_mass)
    redshift = rng.permutation(np.tile([0.1, 0.15, 0.2, 0.3, 0.4], n // 5))
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    center = np.column_stack([rng.uniform(0, 360, n), rng.uniform(-60, 60, n)])
    center[:2, 0] = 0.05, 359.95
    return ClusterSample(
        redshift,
        photons=list(map(_photons, [rng] * n, center, distance, log_mass)),
        galaxies=[_galaxies(rng, mass) for mass in log_mass],
        center=center,
        position=rng.uniform(0, 352, (n, 3)),
        r500c=0.63 * 10 ** ((log_mass - 14) / 3),
        name=[f"toy {i}" for i in range(n)],
        field_radius=0.5,
    )


@pytest.fixture(scope="session")
def data_folder():
    """Folder of real data made by others, if it is on this machine."""
    default = Path(__file__).parents[1].parent / "shared" / "data"
    folder = Path(os.environ.get("SKCLUSTER_DATA", default))
    if not folder.is_dir():
        pytest.skip(f"There is no folder {folder}: set SKCLUSTER_DATA to real data.")
    return folder


def _assert_same(one, other):
    assert one.fields == other.fields
    for name in one.fields:
        mine, theirs = getattr(one, name), getattr(other, name)
        assert len(mine) == len(theirs) == len(one)
        if isinstance(mine, Ragged):
            assert_array_equal(mine.offsets, theirs.offsets)
            assert list(mine.columns) == list(theirs.columns)
            for column in mine.columns:
                assert_array_equal(mine[column], theirs[column])
        else:
            assert_array_equal(np.asarray(mine), np.asarray(theirs))


@pytest.fixture(scope="session")
def assert_same():
    """A function that fails unless two samples hold the same."""
    return _assert_same


def _write_measured(folder, survey, **columns):
    names = ("n_phot", "n_gal")
    measured = np.exp(ProxyMeasurer(proxies=names).fit_transform(survey.sample)).T
    return write_sample(
        folder,
        survey.sample.drop("photons", "galaxies"),
        log_mass=survey.log_mass,
        **dict(zip(names, measured, strict=True)),
        **columns,
    )


@pytest.fixture(scope="session")
def write_measured():
    """A function that writes a survey with counts in place of its lists; the path."""
    return _write_measured


@pytest.fixture
def script(request, monkeypatch):
    """A script of experiments/, by the name with which a test is parametrized."""
    pytest.importorskip("torch")
    monkeypatch.syspath_prepend(Path(__file__).parents[1] / "experiments")
    yield importlib.import_module(request.param)
    sys.modules.pop(request.param)


@pytest.fixture
def few_resamples(monkeypatch):
    """Errors of contests by 20 resamples, for tests that are not about their size."""
    monkeypatch.setattr("skcluster.contest.accuracy.N_RESAMPLES", 20)


@pytest.fixture(scope="module")
def one_thread():
    """One thread of torch, because several crawl when cores are shared."""
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def close_figures():
    """No figure stays open after the test."""
    from matplotlib import pyplot as plt

    yield
    plt.close("all")


def _poisson_maps(n_clusters, n_bands, n_pixels):
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15.0, n_clusters)
    rate = 10 ** (log_mass - 13.5)[:, None, None, None] / 4
    shape = (n_clusters, n_bands, n_pixels, n_pixels)
    return rng.poisson(rate, shape).astype(float), log_mass


@pytest.fixture(scope="session")
def poisson_maps():
    """A function that makes flat maps whose counts follow the masses, and the masses."""
    return _poisson_maps


def _outcome(capsys, *arguments):
    capsys.readouterr()
    code = main([str(argument) for argument in arguments])
    return code, *capsys.readouterr()


@pytest.fixture
def outcome(capsys):
    """A function that runs the command: exit code, standard output and error."""
    return partial(_outcome, capsys)


def _refused(outcome, *arguments):
    code, out, err = outcome(*arguments)
    lines = [line for line in err.splitlines() if line.startswith("skcluster: ")]
    assert (code, out, len(lines)) == (1, "", 1)
    assert err.endswith(lines[0] + "\n")
    assert "Traceback" not in err
    return lines[0]


@pytest.fixture
def refused(outcome):
    """A function that runs a command that is refused: the one line that says why."""
    return partial(_refused, outcome)
