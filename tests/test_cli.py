"""The `skcluster` command, from simulated lists to masses, and its exit codes."""

import contextlib
import hashlib
import io
import json
import shutil
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np
import pytest
from astropy.cosmology import WMAP7
from astropy.io import fits
from astropy.table import Table
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

import skcluster.datasets
from skcluster import (
    EvrardProxyRegressor,
    __version__,
    load_model,
    read_sample,
    save_model,
)
from skcluster.cli import main
from skcluster.paper import ORIGINS
from skcluster.sample.units import unit_factor

TINY = ["--pixels", "16", "--epochs", "1", "--device", "cpu"]


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("cli")


@pytest.fixture(scope="module")
def survey(folder):
    """Table of a small simulated survey."""
    assert main(["simulate", str(folder / "survey"), "--clusters", "16"]) == 0
    return folder / "survey" / "clusters.ecsv"


@pytest.fixture(scope="module")
def model(folder, survey):
    """A network trained for one epoch on all of the survey."""
    path = folder / "models" / "tiny.skops"
    command = ["train", str(survey), "-o", str(path), "--bands", "0.3-2.2", *TINY]
    assert main(command) == 0
    return path


def usage_error(capsys, *arguments):
    with pytest.raises(SystemExit) as stop:
        main(list(arguments))
    assert stop.value.code == 2
    return capsys.readouterr().err


def one_event_list(survey, row):
    """Options for a cluster of the table, as for an event list of its own."""
    cluster = Table.read(survey)[row]
    about = [f"--{name}={cluster[name]}" for name in ("redshift", "ra", "dec")]
    return [survey.parent / cluster["photons"], *about]


def test_simulate_writes_what_read_sample_reads(survey):
    sample, others = read_sample(survey)
    expected = skcluster.datasets.make_mock_survey(16, random_state=0)
    assert_array_equal(others.log_mass, expected.log_mass)
    assert_array_equal(sample.photons.lengths, expected.sample.photons.lengths)
    assert_allclose(sample.center, expected.sample.center)
    assert_allclose(sample.photons["energy"], expected.sample.photons["energy"])


def test_simulate_prints_the_path_of_the_table(tmp_path, outcome):
    code, out, err = outcome("simulate", tmp_path / "new", "--clusters=2")
    assert (code, out) == (0, f"{tmp_path / 'new' / 'clusters.ecsv'}\n")
    assert "Wrote 2 mock clusters, " in err


def test_simulate_and_train_as_json(tmp_path, outcome):
    command = ["simulate", tmp_path / "new", "--clusters=20", "--json"]
    code, out, _ = outcome(*command)
    told = json.loads(out)
    sample, _ = read_sample(told["table"])
    assert code == 0
    assert told["n_clusters"] == len(sample) == 20
    assert told["n_photons"] == sample.photons.offsets[-1]

    command = ["train", told["table"], "-o", tmp_path / "model.skops", *TINY, "--json"]
    code, out, err = outcome(*command)
    told = json.loads(out)
    assert code == 0
    assert load_model(told["model"])[-1].residual_std_ > 0
    assert (told["n_clusters"], told["n_epochs"]) == (20, 1)
    for name in ("std", "robust"):
        assert f"{told[f'held_out_{name}_dex']:.4f}" in err
    assert f"{told['n_held_out']} held-out ones" in err
    assert "They chose the epoch, so new clusters will scatter more." in err


def test_simulate_replaces_old_files_only_if_told(tmp_path, outcome, refused):
    command = ["simulate", tmp_path, "--clusters=2", "--no-agn", "--background=0"]
    assert outcome(*command)[0] == 0
    line = refused(*command)
    assert line.endswith("clusters.ecsv. Give another folder, or --overwrite.")
    assert outcome(*command, "--overwrite")[0] == 0
    sample, _ = read_sample(tmp_path / "clusters.ecsv")
    assert set(sample.photons["origin"]) == {0}


def test_simulate_leaves_out_the_agn_behind_the_clusters_of_a_sky(tmp_path, outcome):
    command = ["simulate", tmp_path, "--clusters=2", "--no-agn", "--sky=eFEDS"]
    assert outcome(*command)[0] == 0
    sample, _ = read_sample(tmp_path / "clusters.ecsv")
    assert ORIGINS["agn"] not in sample.photons["origin"]


def test_train_says_how_good_the_model_is_and_prints_its_path(
    survey, tmp_path, outcome
):
    path = tmp_path / "new" / "model.skops"
    code, out, err = outcome("train", survey, "-o", path, *TINY)
    assert (code, out) == (0, f"{path}\n")
    assert path.is_file()
    assert "epoch 1 / 1  loss: train" in err
    assert "Trained on 16 clusters for 1 epoch; " in err
    assert "held-out ones scatter by " in err


def test_train_and_predict_with_the_network_on_photons(
    survey, tmp_path, outcome, refused
):
    path = tmp_path / "model.skops"
    command = ["train", survey, "-o", path, "--photon-set", "--epochs=1"]
    assert outcome(*command)[0] == 0
    model = load_model(path)
    assert [type(step).__name__ for step in model] == [
        "PhotonFeaturizer",
        "PhotonSetRegressor",
    ]
    assert (model[-1].loss, model[-1].dropout) == ("gaussian_nll", 0.1)
    code, out, _ = outcome("predict", path, survey, "--json")
    masses = [row["log_mass"] for row in json.loads(out)]
    assert code == 0
    assert_allclose(masses, model.predict(read_sample(survey)[0]), atol=1e-6)
    line = refused("explain", path, survey, "-o", tmp_path / "explained")
    assert "skcluster.photon_contributions says what each photon adds" in line


def test_train_the_recommended_network(survey, tmp_path, outcome, refused):
    path = tmp_path / "model.skops"
    command = [
        "train",
        survey,
        "-o",
        path,
        "--recommended",
        "--epochs=1",
        "--pixels=16",
    ]
    code, _, err = outcome(*command)
    assert code == 0
    assert "They chose the epoch" not in err
    mapper, *_, network = load_model(path)
    assert len(mapper.bands) == 8
    assert (network.architecture, network.recipe) == ("skcluster", "one_cycle")
    assert (network.max_epochs, network.augment) == (1, True)
    assert (network.loss, network.patience) == ("gaussian_nll", None)
    line = refused(*command, "--joint", "--architecture=ho2023")
    assert "--architecture, --joint cannot go with --recommended" in line


def test_the_network_on_photons_takes_no_options_of_maps(survey, tmp_path, refused):
    command = ["train", survey, "-o", tmp_path / "model.skops", "--photon-set"]
    line = refused(*command, "--pixels=16", "--augment")
    assert "--pixels, --augment cannot go with --photon-set" in line
    line = refused(*command, "--bins=16")
    assert "--bins are the cells of the galaxies' cubes" in line


def test_train_on_clusters_too_few_to_hold_any_out(survey, tmp_path, outcome):
    few = tmp_path / "few.ecsv"
    table = Table.read(survey)[:5]
    table["photons"] = [str(survey.parent / path) for path in table["photons"]]
    table.remove_column("galaxies")
    table.write(few)
    model = tmp_path / "model.skops"
    code, _, err = outcome("train", few, "-o", model, *TINY)
    assert code == 0
    assert "too few to hold any out" in err
    code, out, _ = outcome("predict", model, few, "--json")
    assert code == 0
    assert [row["std_dex"] for row in json.loads(out)] == [None] * 5
    code, out, _ = outcome("train", few, "-o", model, *TINY, "--json")
    assert (code, json.loads(out)["held_out_std_dex"]) == (0, None)


def test_predict_a_table(survey, model, outcome):
    code, out, _ = outcome("predict", model, survey)
    assert code == 0
    header, _, *rows = out.splitlines()
    assert header.split() == [
        "name",
        "redshift",
        "n_photons",
        "log_mass",
        "std_dex",
        "mass",
        "lower_68",
        "upper_68",
        "misspecification",
    ]
    assert [row.split()[0] for row in rows] == list(Table.read(survey)["name"])


def test_predict_as_json(survey, model, outcome):
    code, out, _ = outcome("predict", model, survey, "--json")
    rows, table = json.loads(out), Table.read(survey)
    assert (code, len(rows)) == (0, 16)
    assert_allclose([row["redshift"] for row in rows], table["redshift"])
    assert all(13 < row["log_mass"] < 16 for row in rows)
    assert all(row["std_dex"] > 0 for row in rows)
    for row in rows:
        assert_allclose(np.log10(row["mass"]), row["log_mass"])


@pytest.mark.parametrize("suffix", ["csv", "ecsv", "fits"])
def test_predict_writes_a_table_with_all_digits_as_well(
    survey, model, tmp_path, outcome, suffix
):
    path = tmp_path / "new" / f"masses.{suffix}"
    code, out, _ = outcome("predict", model, survey, "-o", path)
    assert code == 0
    written, sample = Table.read(path), read_sample(survey)[0]
    assert_array_equal(written["redshift"], sample.redshift)
    masses = load_model(model).predict(sample)
    assert_allclose(written["log_mass"], masses, rtol=1e-6)
    assert_allclose(np.log10(written["mass"]), written["log_mass"], rtol=1e-14)
    # The screen has three digits.
    row = out.splitlines()[2].split()
    assert row[:2] == [sample.name[0], f"{sample.redshift[0]:.4f}"]
    assert row[3] == f"{masses[0]:.3f}"


def test_predict_one_event_list_as_in_its_table(survey, model, outcome):
    _, table, _ = outcome("predict", model, survey, "--json")
    command = ["predict", model, *one_event_list(survey, 3), "--json"]
    code, out, _ = outcome(*command, "--energy=ENERGY", "--energy-unit=keV")
    (row,), expected = json.loads(out), json.loads(table)[3]
    assert code == 0
    assert row["name"].endswith(".fits")
    assert {**row, "name": expected["name"]} == expected


def test_columns_of_other_names_and_channels_of_a_number_of_kev(
    survey, model, tmp_path, outcome
):
    path, *about = one_event_list(survey, 3)
    table = Table.read(path, hdu=1)
    energy = np.asarray(table["ENERGY"], float)
    odd = Table({"ALPHA": table["RA"], "DELTA": table["DEC"], "CHAN": 500 * energy})
    odd.write(tmp_path / "odd.fits")
    named = ["--ra-column=ALPHA", "--dec-column=DELTA", "--energy=CHAN"]
    masses = [
        json.loads(outcome("predict", model, file, *about, *more, "--json")[1])
        for file, more in (
            (path, []),
            (tmp_path / "odd.fits", [*named, "--energy-unit=0.002"]),
            (tmp_path / "odd.fits", [*named, "--energy-unit=0.002,0"]),
        )
    ]
    for (other,) in masses[1:]:
        assert other["n_photons"] == masses[0][0]["n_photons"] > 0
        assert_allclose(other["log_mass"], masses[0][0]["log_mass"], atol=1e-6)


def test_a_warning_is_one_line(survey, model, outcome):
    path, *_ = one_event_list(survey, 0)
    center = [*one_event_list(survey, 0)[2:]]
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        code, _, err = outcome("predict", model, path, "--redshift=0.9", *center)
    lines = [line for line in err.splitlines() if "redshift" in line]
    assert code in (0, 3)
    assert lines
    assert all(line.startswith("skcluster: warning: ") for line in lines)
    assert ".py" not in err


def test_a_cluster_without_a_photon_in_the_map_gets_no_mass(
    survey, model, tmp_path, outcome
):
    table = Table.read(survey)
    table["photons"] = [str(survey.parent / path) for path in table["photons"]]
    table.remove_column("galaxies")
    table["dec"][1] -= np.sign(table["dec"][1]) * 20
    table.write(tmp_path / "moved.ecsv")
    code, out, err = outcome("predict", model, tmp_path / "moved.ecsv", "--json")
    rows = json.loads(out)
    lost = [i for i, row in enumerate(rows) if row["log_mass"] is None]
    assert (code, lost) == (3, [1])
    assert (rows[1]["n_photons"], rows[1]["mass"], rows[1]["std_dex"]) == (
        0,
        None,
        None,
    )
    assert "1 of 16 clusters have no photon in the map, so no mass. Check" in err


@pytest.fixture
def with_gaps(survey):
    """A table in which five rows lack something, and what that is."""
    table = Table(Table.read(survey), masked=True)
    table.remove_column("galaxies")
    table["redshift"][1] = np.nan
    table["redshift"][2] = -99
    table["photons"][3] = ""
    table["dec"].mask[4] = True
    table["r500c"] = np.full(len(table), 0.7)
    table["r500c"][5], table["r500c"][6] = np.nan, -1
    path = survey.parent / "gaps.ecsv"
    table.write(path, overwrite=True)
    return path, {1: "redshift", 2: "redshift", 3: "photons", 4: "dec"}


@pytest.mark.parametrize("command", ["predict", "explain"])
def test_a_gap_costs_the_mass_of_its_row_alone(
    survey, model, with_gaps, command, tmp_path, outcome
):
    path, lacking = with_gaps
    more = ["-o", tmp_path] if command == "explain" else []
    code, out, err = outcome(command, model, path, "--json", *more)
    found = json.loads(out)
    expected = json.loads(outcome("predict", model, survey, "--json")[1])
    assert code == 3
    for i, (row, complete) in enumerate(zip(found, expected, strict=True)):
        assert row["name"] == complete["name"]
        if i in lacking:
            assert (row["log_mass"], row["n_photons"]) == (None, 0)
            assert f"There is no {lacking[i]} (column {lacking[i]}) in row {i} " in err
        else:
            assert row["log_mass"] == complete["log_mass"]
        if lacking.get(i) != "redshift":
            assert row["redshift"] == complete["redshift"]
        else:
            assert row["redshift"] is None
    assert "4 of 16 clusters have a list that cannot be read, or a gap in their" in err
    assert "Column r500c has gaps and is not used: it is left out." in err


def test_gaps_are_refused_where_they_matter(survey, model, with_gaps, refused):
    path, _ = with_gaps
    line = refused("train", path, "-o", path.parent / "no.skops", *TINY)
    assert "Column 'redshift' has no value in 1 of 16 rows" in line
    table = Table.read(path)
    table["redshift"] = np.nan
    table.write(path, overwrite=True)
    line = refused("predict", model, path)
    assert "Column 'redshift' has no value in 16 of 16 rows" in line


@pytest.mark.parametrize("kind", ["ecsv", "fits", "csv"])
def test_a_table_of_masses_says_what_it_holds(survey, model, kind, tmp_path, outcome):
    path = tmp_path / f"masses.{kind}"
    command = "predict", model, survey, "-o", path, "--quantiles=0.025"
    assert outcome(*command)[0] == 0
    table = Table.read(path)
    named = "name redshift n_photons log_mass std_dex mass lower_68 upper_68"
    assert table.colnames == [*named.split(), "misspecification", "q0.025"]
    if kind == "csv":
        return
    assert table.meta["MODELSHA"] == hashlib.sha256(model.read_bytes()).hexdigest()
    about = [table.meta[key] for key in ("MODEL", "MASSDEF", "COSMO")]
    assert about == [model.name, "M500c", "WMAP7"]
    if kind == "fits":
        comment = fits.getheader(path, 1)["TCOMM4"]
        assert comment == "predicted log10 of M500c [dex(solMass / littleh)]"
        return
    assert table["lower_68"].description.startswith("16th percentile of the post")
    units = {name: str(table[name].unit) for name in table.colnames}
    assert units["mass"] == "solMass / littleh"
    assert units["log_mass"] == units["q0.025"] == "dex(solMass / littleh)"
    assert (units["std_dex"], units["redshift"]) == ("dex", "None")
    # The package reads its own units.
    assert unit_factor("log_mass", units["log_mass"]) == 1
    assert unit_factor("mass", units["mass"]) == 1


def test_all_columns_are_described_in_the_help_and_on_the_page(
    survey, model, outcome, capsys
):
    found = json.loads(outcome("predict", model, survey, "--json")[1])
    with pytest.raises(SystemExit, match="0"):
        main(["predict", "--help"])
    text = capsys.readouterr().out
    page = (Path(__file__).parents[1] / "docs" / "quickstart.rst").read_text()
    for name in found[0]:
        assert f"\n  {name} " in text
        assert f"``{name}``" in page


def test_an_event_list_that_misses_the_map_gets_no_mass(survey, model, outcome):
    path, redshift, ra, dec = one_event_list(survey, 0)
    beside = f"--dec={float(dec.removeprefix('--dec=')) + 5}"
    code, out, _ = outcome("predict", model, path, redshift, ra, beside, "--json")
    assert code == 3
    assert json.loads(out)[0]["log_mass"] is None


def test_a_center_in_another_part_of_the_sky_is_refused(survey, model, refused):
    path, *_ = one_event_list(survey, 0)
    command = ["predict", model, path, "--redshift=0.2", "--ra=0", "--dec=89"]
    assert "from the center" in refused(*command)


def test_a_missing_file_is_named(survey, model, refused):
    assert "nowhere.skops" in refused("predict", "nowhere.skops", survey)
    assert "nowhere.ecsv" in refused("predict", model, "nowhere.ecsv")
    assert "nowhere.csv" in refused("train", "nowhere.csv", "-o", model)
    command = ["predict", model, "nowhere.fits", "--redshift=1", "--ra=1", "--dec=1"]
    assert "nowhere.fits" in refused(*command)


def test_a_missing_target_is_named_with_those_that_are_there(survey, tmp_path, refused):
    command = ["train", survey, "-o", tmp_path / "model.skops", "--target=logM"]
    line = refused(*command)
    assert "has no column 'logM' of true log10 M500c" in line
    assert "it has ['log_mass']. Name it with --target." in line


@pytest.mark.parametrize(
    ("bands", "message"),
    [
        ("soft", "--bands must look like \"0.5-1.2,1.2-2,2-7\" (keV), got 'soft'."),
        ("0.5-1.2-3", "--bands must look like"),
        ("0.5-1.2,", "--bands must look like"),
        ("2-0.5", "bands must be pairs (low, high) in keV with low < high"),
        ("2", "bands must be pairs (low, high) in keV with low < high"),
    ],
)
def test_wrong_bands_are_shown_how_to_look(survey, tmp_path, refused, bands, message):
    path = tmp_path / "model.skops"
    line = refused("train", survey, "-o", path, f"--bands={bands}", *TINY)
    assert message in line
    assert not path.exists()


def test_a_device_that_is_not_there_is_one_line(survey, tmp_path, refused):
    command = ["train", survey, "-o", tmp_path / "model.skops", "--pixels=16"]
    assert "gpu" in refused(*command, "--device=gpu")


def test_half_an_event_list_is_an_error(survey, model, refused):
    path, redshift, ra, dec = one_event_list(survey, 0)
    line = refused("predict", model, path, redshift)
    assert (
        "needs --redshift, --ra and --dec, but there is no --ra and no --dec." in line
    )
    line = refused("predict", model, path, ra, dec)
    assert "but there is no --redshift." in line


def test_a_model_without_a_mapper_is_refused(survey, tmp_path, refused):
    path = tmp_path / "evrard.skops"
    save_model(EvrardProxyRegressor(), path)
    line = refused("predict", path, survey)
    assert "holds a EvrardProxyRegressor" in line
    assert "photon lists need PhotonMapper or PhotonFeaturizer first" in line


def test_a_table_of_no_known_format_is_refused_before_the_work(survey, model, refused):
    line = refused("predict", model, survey, "-o", "masses.txt")
    assert (
        "masses.txt is not a table of a known format; its name must end in .csv" in line
    )


def test_traceback_on_request(model):
    with pytest.raises(FileNotFoundError, match=r"nowhere\.ecsv"):
        main(["predict", str(model), "nowhere.ecsv", "--traceback"])


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["fly"],
        ["predict"],
        ["train", "table.csv"],
        ["simulate", "folder", "--clusters=many"],
    ],
)
def test_wrong_usage_exits_with_2(capsys, arguments):
    assert usage_error(capsys, *arguments).startswith("usage: skcluster")


@pytest.mark.parametrize(
    "command", [[], ["demo"], ["simulate"], ["train"], ["predict"]]
)
def test_help_is_there(capsys, command):
    with pytest.raises(SystemExit) as stop:
        main([*command, "--help"])
    assert stop.value.code == 0
    assert " ".join(["usage: skcluster", *command]) in capsys.readouterr().out


def test_version_and_python_minus_m():
    command = [sys.executable, "-m", "skcluster", "--version"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == __version__


@pytest.mark.parametrize("command", [["demo", "--output"], ["simulate"]])
def test_ctrl_c_exits_with_130(command, tmp_path, monkeypatch, outcome):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(skcluster.datasets, "make_mock_survey", interrupted)
    code, out, err = outcome(*command, tmp_path)
    assert (code, out) == (130, "")
    assert err.endswith("skcluster: interrupted.\n")


LADDER = [
    "N_phot",
    "N_phot,500c",
    "four proxies",
    "least squares, N_phot",
    "least squares, N_phot,500c",
    "least squares, four proxies",
    "ridge on rings, three bands",
    "network, one band",
    "network, three bands",
]


N_IN_DEMO = 96
FEW_CLUSTERS = pytest.mark.filterwarnings(
    # They leave some of the eleven redshifts too poor for a bin of their own.
    "ignore:.*were merged into their nearest neighbors:UserWarning"
)


@pytest.fixture(scope="module")
def demo_run(folder):
    """Standard output and error of a demo that keeps its trained folds."""
    out, err = io.StringIO(), io.StringIO()
    command = ["demo", f"--clusters={N_IN_DEMO}", *TINY, "--jobs=1"]
    command += ["--output", str(folder / "demo")]
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        assert main([*command, "--checkpoints", str(folder / "kept")]) == 0
    return out.getvalue(), err.getvalue()


@FEW_CLUSTERS
def test_demo_prints_nine_rows_and_writes_table_and_figures(folder, demo_run):
    out, err = demo_run
    header, _, *rows = out.splitlines()
    assert "std [%]" in header
    assert [row.startswith(name) for row, name in zip(rows, LADDER, strict=True)]
    table = Table.read(folder / "demo" / "table.csv")
    assert list(table["estimator"]) == LADDER
    assert set(table["n_clusters"]) == {N_IN_DEMO}
    for name in ("maps.png", "masses.png"):
        picture = (folder / "demo" / name).read_bytes()
        assert picture.startswith(b"\x89PNG\r\n")
    assert len(list((folder / "demo").iterdir())) == 3
    assert f"Mock survey: {N_IN_DEMO} clusters, " in err
    assert err.count("fold 8 / 8") == 9


@FEW_CLUSTERS
def test_demo_reads_trained_folds_and_removes_only_a_folder_of_its_own(
    folder, demo_run, monkeypatch, outcome
):
    def no_training(*args, **kwargs):
        raise AssertionError("A trained fold is trained again.")

    monkeypatch.setattr("skcluster.regressors.mass_net.MassNet.fit_loop", no_training)
    files = sorted((folder / "kept").iterdir())
    assert len(files) == 2 * 8
    again = folder / "again"
    shutil.copytree(folder / "kept", again / "demo-checkpoints")
    command = ["demo", f"--clusters={N_IN_DEMO}", *TINY, "--jobs=1"]
    assert outcome(*command, "--output", again)[0] == 0
    assert not (again / "demo-checkpoints").exists()
    assert sorted((folder / "kept").iterdir()) == files
    one, other = (Table.read(folder / run / "table.csv") for run in ("demo", "again"))
    one.remove_column("seconds")
    other.remove_column("seconds")
    assert (one == other).all()


def test_an_interrupted_demo_says_that_it_goes_on(tmp_path, monkeypatch, outcome):
    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(skcluster.comparison, "compare_estimators", interrupted)
    command = ["demo", "--clusters=2", *TINY, "--output", tmp_path / "demo"]
    code, _, err = outcome(*command)
    assert code == 130
    assert "The same command continues from here." in err


def test_demo_without_matplotlib_says_so_before_the_work(
    tmp_path, monkeypatch, refused
):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    command = ["demo", "--clusters=2", *TINY, "--output", tmp_path / "demo"]
    line = refused(*command)
    assert 'pip install "skcluster[plot]"' in line
    assert not (tmp_path / "demo").exists()


def photons_in_the_map(path, center, redshift, band):
    """Photons in the band within 2.3 Mpc/h of the center along both axes."""
    events = fits.getdata(path, 1)
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], center
    offset = np.column_stack(wcs.wcs_world2pix(events["RA"], events["DEC"], 1))
    distance = WMAP7.comoving_distance(redshift).value * WMAP7.h
    inside = np.abs(np.radians(offset) * distance).max(axis=1) < 2.3
    energy = events["PI"] / 1000
    return np.sum(inside & (energy >= band[0]) & (energy < band[1]))


def test_predict_real_photons_of_erosita(model, data_folder, outcome):
    path = data_folder / "efeds" / "efeds_example_events.fits"
    if not path.is_file():
        pytest.skip(f"There is no file {path}.")
    about = ["--redshift=0.333", "--ra=140.3385", "--dec=3.2906"]
    code, out, _ = outcome("predict", model, path, *about, "--json")
    (row,) = json.loads(out)
    assert code == 0
    expected = photons_in_the_map(path, (140.3385, 3.2906), 0.333, (0.3, 2.2))
    assert expected > 1933  # those inside R500 alone
    assert abs(row["n_photons"] - expected) <= 0.002 * expected
    assert np.isfinite(row["log_mass"])
