"""Posteriors from the shell: trained, calibrated, and with another prior."""

import json
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table, vstack
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline

from skcluster import (
    CalibratedMassRegressor,
    QuadrantGroupKFold,
    load_model,
    misspecification_score,
    predict_posterior,
    read_sample,
    reweight_prior,
    save_model,
    write_sample,
)
from skcluster.cli import main
from skcluster.datasets import make_mock_survey

TINY = ["--pixels", "8", "--epochs", "1", "--device", "cpu"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("survey")
    mock = make_mock_survey(60, random_state=0, galaxies=False)
    return str(write_sample(folder, mock.sample, log_mass=mock.log_mass))


@pytest.fixture(scope="module")
def model(survey, tmp_path_factory):
    path = str(tmp_path_factory.mktemp("model") / "nll.skops")
    draws = ["--loss", "gaussian_nll", "--dropout", "0.1", "--dropout-draws", "3"]
    assert main(["train", survey, "-o", path, *draws, *TINY]) == 0
    return path


def rows(capsys, *command):
    capsys.readouterr()
    code = main([*map(str, command), "--json"])
    return code, json.loads(capsys.readouterr().out)


def test_train_takes_the_networks_own_errors(survey, model, capsys):
    regressor = load_model(model)[-1]
    assert (regressor.loss, regressor.n_dropout_draws) == ("gaussian_nll", 3)
    code, table = rows(capsys, "predict", model, survey)
    expected = load_model(model).predict(read_sample(survey)[0], return_std=True)
    assert code == 0
    found = np.transpose([[row["log_mass"], row["std_dex"]] for row in table])
    assert_array_equal(found, expected)


def test_quantiles_and_the_score_are_those_of_the_package(survey, model, capsys):
    command = ("predict", model, survey, "--quantiles", "0.025,0.975,0.9750001")
    _, table = rows(capsys, *command)
    posterior = predict_posterior(load_model(model), read_sample(survey)[0])
    names = ["q0.025", "lower_68", "upper_68", "q0.975", "q0.9750001"]
    found = [[row[name] for name in names] for row in table]
    assert_allclose(found, posterior.quantile([0.025, 0.16, 0.84, 0.975, 0.9750001]))
    assert all(0 < row["misspecification"] < 1 for row in table)


def test_a_population_prior(survey, model, capsys):
    _, table = rows(capsys, "predict", model, survey, "--prior-beta", 3)
    posterior = predict_posterior(load_model(model), read_sample(survey)[0])
    expected = reweight_prior(posterior, 3.0)
    assert_allclose([row["log_mass"] for row in table], expected.mean())
    assert_allclose([row["std_dex"] for row in table], expected.std())


def test_calibrate(survey, tmp_path, capsys):
    path = tmp_path / "calibrated.skops"
    code, about = rows(capsys, "train", survey, "-o", path, "--calibrate", *TINY)
    assert (code, about["n_clusters"]) == (0, 60)
    model = load_model(path)
    assert isinstance(model[-1], CalibratedMassRegressor)
    assert len(model[-1].scores_) == 60
    assert model[-1].by is None
    _, table = rows(capsys, "predict", path, survey)
    expected = model.predict(read_sample(survey)[0], return_std=True)[1]
    assert_array_equal([row["std_dex"] for row in table], expected)


def test_the_octants_of_a_calibration_are_those_of_the_box(survey, tmp_path, capsys):
    table, path = Table.read(survey), tmp_path / "calibrated.skops"
    for axis in "xyz":
        table[axis] *= 2.5
    large = Path(survey).with_name("large.ecsv")
    table.write(large)
    command = ["train", str(large), "-o", str(path), *TINY, "--quiet"]
    assert main([*command, "--calibrate"]) == 1
    said = capsys.readouterr().err
    assert "more than a periodic box of box_size=352" in said
    assert "Give the size of your box: --box-size." in said
    code, _ = rows(capsys, *command, "--calibrate", "--box-size=880")
    assert code == 0
    folds = load_model(path)[-1].cv
    assert isinstance(folds, QuadrantGroupKFold)
    assert folds.box_size == 880
    assert main([*command, "--box-size=880"]) == 1
    assert "--box-size is for the octants of --calibrate" in capsys.readouterr().err
    table.remove_columns(["x", "y", "z"])
    table.write(large, overwrite=True)
    assert main([*command, "--calibrate", "--box-size=880"]) == 1
    assert "--box-size is that of the columns x, y and z" in capsys.readouterr().err


@pytest.mark.filterwarnings("ignore:.*clusters have maps unlike")
def test_calibrated_errors_follow_mass_and_redshift(survey, tmp_path, capsys):
    """Of 100 clusters and more, as the tables of docs/uncertainty.rst recommend."""
    path, twice = tmp_path / "calibrated.skops", Path(survey).with_name("twice.ecsv")
    vstack([Table.read(survey)] * 2).write(twice)
    options = ["-o", path, "--calibrate", "--loss", "gaussian_nll", *TINY]
    assert rows(capsys, "train", twice, *options)[0] == 0
    calibration = load_model(path)[-1]
    assert (calibration.by, len(calibration.scores_)) == ("trend", 120)
    few = Path(survey).with_name("few.ecsv")
    Table.read(twice)[:99].write(few)
    assert main([*map(str, ["train", few, *options])]) == 0
    assert "99 clusters are too few" in capsys.readouterr().err
    assert load_model(path)[-1].by is None


@pytest.mark.parametrize("text", ["2", "0.1,x", "0", "-0.5,0.5"])
def test_quantiles_that_are_none_are_one_line(survey, model, capsys, text):
    assert main(["predict", model, survey, f"--quantiles={text}"]) == 1
    message = "--quantiles must be numbers between 0 and 1, like"
    assert message in capsys.readouterr().err


def test_a_model_without_errors_has_no_quantiles(survey, tmp_path, capsys):
    path = str(tmp_path / "few.skops")
    few = str(tmp_path / "few.ecsv")
    from astropy.table import Table

    table = Table.read(survey)[:9]
    table["photons"] = [
        f"{survey.rsplit('/', 1)[0]}/{name}" for name in table["photons"]
    ]
    table.write(few)
    assert main(["train", few, "-o", path, *TINY]) == 0
    assert main(["predict", path, few, "--quantiles", "0.5"]) == 1
    assert "masses have no errors, no quantiles" in capsys.readouterr().err


@pytest.mark.parametrize("is_mapper_outside", [False, True])
def test_a_frozen_pipeline_that_was_calibrated(
    survey, model, tmp_path, capsys, is_mapper_outside
):
    """The documented way to calibrate a model that took hours to train."""
    pipeline, (sample, columns) = load_model(model), read_sample(survey)
    log_mass = np.asarray(columns["log_mass"], float)
    if is_mapper_outside:
        frozen = CalibratedMassRegressor(FrozenEstimator(pipeline[1:]), cv=2)
        calibrated = make_pipeline(pipeline[0], frozen).fit(sample, log_mass)
    else:
        calibrated = CalibratedMassRegressor(FrozenEstimator(pipeline), cv=2)
        calibrated.fit(sample, log_mass)
    path = tmp_path / "frozen.skops"
    save_model(calibrated, path)
    code, table = rows(capsys, "predict", path, survey)
    assert code == 0
    expected = calibrated.predict(sample, return_std=True)
    found = np.transpose([[row["log_mass"], row["std_dex"]] for row in table])
    assert_array_equal(found, expected)
    score = misspecification_score(pipeline, sample)
    assert_allclose([row["misspecification"] for row in table], score)
    few = Path(survey).with_name("few.ecsv")
    Table.read(survey)[:2].write(few, overwrite=True)
    code, table = rows(capsys, "explain", path, few, "-o", tmp_path / "figures")
    assert (code, len(table)) == (0, 2)
