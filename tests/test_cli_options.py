"""Every option of the command is used or refused, and no work and no file is lost."""

import argparse
import gc
import json
import os
import re
import subprocess
import sys
import warnings

import numpy as np
import pytest
from astropy.cosmology import WMAP7, FlatLambdaCDM
from astropy.table import Table
from astropy.units import Unit
from numpy.testing import assert_allclose, assert_array_equal

import skcluster.cli
import skcluster.cli.predict as predict_module
import skcluster.cli.train as train_module
from skcluster import PhotonMapper, load_model
from skcluster.cli import main
from skcluster.cli.new_clusters import cluster_table, one_cluster
from skcluster.cli.option_names import with_options
from skcluster.cli.output import one_line, print_table
from skcluster.cli.output_files import check_output
from skcluster.cli.target import log_masses, target_unit, unit_of_target
from skcluster.exposure import relative_exposure
from skcluster.io import write_photons

TINY = ["--pixels=16", "--epochs=1", "--device=cpu"]

pytest.importorskip("skops")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def survey(tmp_path_factory):
    folder = tmp_path_factory.mktemp("options") / "survey"
    assert main(["simulate", str(folder), "--clusters=16"]) == 0
    return folder / "clusters.ecsv"


@pytest.fixture(scope="module")
def model(survey):
    path = survey.parent.parent / "tiny.skops"
    assert main(["train", str(survey), "-o", str(path), *TINY]) == 0
    return path


def table_like(survey, stem, **columns):
    """Path of a table beside the survey's, with columns replaced or added."""
    table = Table.read(survey)
    for name, column in columns.items():
        table[name] = column
    path = survey.parent / f"{stem}.ecsv"
    table.write(path, overwrite=True)
    return path


@pytest.mark.parametrize("option", ["--output=", "--quantiles=", "--energy=", ""])
def test_an_option_of_a_shell_variable_that_is_not_set_is_refused(option, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "model.skops", "table.csv", option])
    name = option.strip("-=") or "photons"
    assert f"argument {name}: an empty string" in capsys.readouterr().err


@pytest.mark.parametrize("unit", ["0", "-1", "nan", "inf", "0.01,nan", "1,2,3", "erg"])
def test_an_energy_unit_that_is_none_is_refused_before_anything_is_read(unit, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "model.skops", "table.csv", f"--energy-unit={unit}"])
    assert f"{unit!r} is not keV" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "degrees"),
    [
        ("--ra=9:21:21.2", "in hours, minutes and seconds, give 140.338333"),
        ("--ra=09 21 21.2", "give 140.338333"),
        ("--ra=9h21m21.2s", "give 140.338333"),
        ("--dec=-3:17:26.16", "in degrees, arcminutes and arcseconds, give -3.290600"),
        ("--dec=+03d17m26.16s", "give +3.290600"),
        ("--ra=east", "Give degrees"),
    ],
)
def test_angles_that_are_not_degrees_are_refused_with_their_degrees(
    option, degrees, capsys
):
    with pytest.raises(SystemExit, match="2"):
        main(["predict", "model.skops", "a.fits", option])
    error = capsys.readouterr().err
    assert "is not a number of degrees. " in error
    assert degrees in error


def test_columns_of_degrees_beside_sexagesimal_ones_are_named_as_an_option(
    survey, model, outcome, refused
):
    table = Table.read(survey)
    n = len(table)
    table.rename_columns(["ra", "dec"], ["_RAJ2000", "_DEJ2000"])
    table["RAJ2000"], table["DEJ2000"] = ["00 40 00"] * n, ["+01 00 00"] * n
    path = survey.parent / "vizier.ecsv"
    table.write(path, overwrite=True)
    line = refused("predict", model, path)
    option = "--columns ra=_RAJ2000,dec=_DEJ2000"
    assert f"The table has it in degrees, too: {option}." in line
    assert outcome("predict", model, path, *option.split())[0] == 0


def test_the_column_of_the_target_is_found_in_any_case(survey, tmp_path, outcome):
    table = table_like(survey, "capitals")
    path = tmp_path / "a.skops"
    command = "train", table, "--target=Log_Mass", "-o", path, *TINY
    assert outcome(*command)[0] == 0


class TestTheUnitOfTheTarget:
    @pytest.mark.parametrize(
        ("unit", "of_mass"),
        [
            ("Msun/h", lambda mass: mass),
            ("Msun", lambda mass: mass / WMAP7.h),
            ("1e14Msun", lambda mass: mass / WMAP7.h / 1e14),
            ("1e14 Msun/h", lambda mass: mass / 1e14),
            ("1e13Msun", lambda mass: mass / WMAP7.h / 1e13),
            ("log10Msun", lambda mass: np.log10(mass / WMAP7.h)),
            ("log10(Msun/h)", lambda mass: np.log10(mass)),
            ("5e13M_sun", lambda mass: mass / WMAP7.h / 5e13),
        ],
    )
    def test_masses_in_any_unit_become_log10_of_msun_per_h(self, unit, of_mass):
        mass = 10 ** np.array([13.5, 14.2, 15.0])
        column = "M500", of_mass(mass)
        found = log_masses("t.csv", column, target_unit(unit), "WMAP7")
        assert_allclose(found, [13.5, 14.2, 15.0], rtol=1e-12)

    def test_h_is_that_of_the_cosmology(self):
        unit = target_unit("1e14Msun")
        planck, wmap = (
            log_masses("t.csv", ("M500", np.array([3.0])), unit, cosmology)
            for cosmology in ("Planck18", "WMAP7")
        )
        assert_allclose(planck - wmap, np.log10(0.6766 / 0.704), atol=1e-12)

    @pytest.mark.parametrize("unit", ["foo", "kg", "1e14", "", "0Msun", "Msun/h2"])
    def test_other_units_are_wrong_usage(self, unit):
        with pytest.raises(argparse.ArgumentTypeError, match="is not a unit of masses"):
            target_unit(unit)

    def test_a_network_learns_what_the_unit_says(
        self, survey, model, tmp_path, outcome
    ):
        mass = 10 ** Table.read(survey)["log_mass"] / WMAP7.h / 1e14
        table = table_like(survey, "erosita", M500=mass)
        path = tmp_path / "model.skops"
        options = ["--target=M500", "--target-unit=1e14Msun", *TINY]
        assert outcome("train", table, "-o", path, *options)[0] == 0
        found, expected = (
            json.loads(outcome("predict", each, survey, "--json")[1])
            for each in (path, model)
        )
        assert_allclose(
            [row["log_mass"] for row in found],
            [row["log_mass"] for row in expected],
            atol=1e-4,
        )

    @pytest.mark.parametrize(
        ("convert", "unit"),
        [
            (lambda log: 10 ** (log - 13), "1e13"),
            (lambda log: 10**log, "Msun"),
            (lambda log: log * np.log(10), "ln"),
        ],
    )
    def test_other_masses_are_refused_before_training(
        self, survey, tmp_path, refused, convert, unit
    ):
        table = table_like(survey, "other", M=convert(Table.read(survey)["log_mass"]))
        path = tmp_path / "model.skops"
        command = ["train", table, "-o", path, "--target=M", *TINY]
        line = refused(*command)
        assert "Column 'M' of" in line
        assert unit in line
        assert "--target-unit log10Msun/h, log10Msun, Msun" in line
        assert not path.exists()

    @pytest.mark.parametrize(
        ("unit", "of_mass"),
        [
            ("1e13 Msun", lambda mass: mass / WMAP7.h / 1e13),
            ("10**14 Msun", lambda mass: mass / WMAP7.h / 1e14),
            ("solMass", lambda mass: mass / WMAP7.h),
            ("solMass / littleh", lambda mass: mass),
            ("h-1 Msun", lambda mass: mass),
            ("1e+14 solMass / littleh", lambda mass: mass / 1e14),
            ("10+14Msun", lambda mass: mass / WMAP7.h / 1e14),
            ("1e14 Msun h^-1", lambda mass: mass / 1e14),
            ("dex(solMass)", lambda mass: np.log10(mass / WMAP7.h)),
            ("log(Msun/h)", lambda mass: np.log10(mass)),
            ("[solMass]", lambda mass: np.log10(mass / WMAP7.h)),
            ("solMass", lambda mass: np.log10(mass / WMAP7.h)),
            ("Msun/h", lambda mass: np.log10(mass)),
            ("dex", lambda mass: np.log10(mass)),
            (None, lambda mass: np.log10(mass)),
        ],
    )
    def test_the_unit_of_a_column_is_used(self, unit, of_mass, tmp_path):
        path = self.table_in(unit, tmp_path, of_mass(10 ** np.array([13.5, 15.0])))
        column = "M", np.asarray(Table.read(path)["M"])
        found = log_masses(path, column, unit_of_target(path, column, None), "WMAP7")
        assert_allclose(found, [13.5, 15.0], rtol=1e-12)

    @staticmethod
    def table_in(unit, folder, masses=(13.5, 15.0)):
        table = Table({"M": masses})
        with warnings.catch_warnings(action="ignore"):
            table["M"].unit = unit and Unit(unit, parse_strict="silent")
            table.write(folder / "masses.ecsv")
        return str(folder / "masses.ecsv")

    @pytest.mark.parametrize(
        ("own", "given"),
        [
            ("1e13 Msun", "1e14Msun"),
            ("solMass", "Msun/h"),
            ("dex(solMass)", "log10Msun/h"),
            ("dex(solMass)", "Msun"),
        ],
    )
    def test_an_option_that_contradicts_the_column_is_refused(
        self, own, given, tmp_path
    ):
        path = self.table_in(own, tmp_path)
        message = (
            rf"has the unit .*, but --target-unit {given} says otherwise\. Leave out"
        )
        with pytest.raises(ValueError, match=message):
            unit_of_target(path, ("M", np.array([13.5, 15.0])), target_unit(given))

    @pytest.mark.parametrize("given", ["1e13Msun", "1e13 M_sun", "any"])
    def test_an_option_that_says_the_same_or_any_is_accepted(self, given, tmp_path):
        path = self.table_in("1e13 solMass", tmp_path)
        found, given = (
            unit_of_target(path, ("M", np.array([13.5, 15.0])), target_unit(given)),
            target_unit(given),
        )
        assert (found.factor, found.is_log) == (given.factor, given.is_log)

    @pytest.mark.parametrize("unit", ["kg", "keV", "1e14"])
    def test_a_column_in_other_units_is_refused(self, unit, tmp_path):
        path = self.table_in(unit, tmp_path)
        for given in (None, target_unit("Msun")):
            with pytest.raises(ValueError, match=r"not one of masses.* 1e13Msun, 1e14"):
                unit_of_target(path, ("M", np.array([13.5, 15.0])), given)

    def test_training_takes_the_unit_of_the_column(
        self, survey, tmp_path, outcome, refused
    ):
        table = Table.read(survey)
        table["M"] = 10 ** (table["log_mass"] - 13) / WMAP7.h
        table["M"].unit = "1e13 solMass"
        table.write(survey.parent / "unit.ecsv", overwrite=True)
        command = ["train", survey.parent / "unit.ecsv", "--target=M", *TINY]
        code, _, err = outcome(*command, "-o", tmp_path / "m.skops")
        assert code == 0
        assert "Masses are read from M [1e+13 solMass]." in err
        command += ["--target-unit=1e14Msun", "-o", tmp_path / "n.skops"]
        assert "--target-unit 1e14Msun says otherwise" in refused(*command)

    def test_a_wrong_unit_is_asked_about(self, survey, tmp_path, refused):
        command = ["train", survey, "-o", tmp_path / "m.skops", "--target-unit=Msun"]
        line = refused(*command, *TINY)
        assert "This is after --target-unit Msun; is that its unit?" in line

    def test_masses_that_are_not_positive_have_no_logarithm(self):
        column = "M", np.array([1e14, -99.0, 0.0])
        message = r"2 of 3 are not positive \(first: row 1, -99\)\. Drop these rows;"
        with pytest.raises(ValueError, match=message):
            log_masses("t.csv", column, target_unit("Msun"), "WMAP7")

    def test_gaps_among_the_masses_are_refused_as_gaps(self, survey, tmp_path, refused):
        masses = np.array(Table.read(survey)["log_mass"])
        masses[3] = np.nan
        table = table_like(survey, "gaps", log_mass=masses)
        line = refused("train", table, "-o", tmp_path / "m.skops", *TINY)
        assert "NaN" in line

    def test_any_is_told_to_every_estimator_that_checks(self):
        command = ["train", "t.csv", "-o", "m.skops", "--calibrate"]
        for options, checks in ((["--target-unit=any"], False), ([], True)):
            arguments = skcluster.cli._parser().parse_args([*command, *options])
            parameters = train_module._pipeline(arguments).get_params()
            found = [
                value is not None
                for name, value in parameters.items()
                if name.endswith("mass_range")
            ]
            assert found == [checks] * 2

    def test_masses_that_are_meant_to_be_elsewhere(
        self, survey, tmp_path, outcome, refused
    ):
        table = table_like(survey, "low", M=Table.read(survey)["log_mass"] - 8)
        path = tmp_path / "low.skops"
        command = ["train", table, "-o", path, "--target=M", *TINY]
        assert "--target-unit any" in refused(*command)
        assert outcome(*command, "--target-unit=any")[0] == 0
        rows = json.loads(outcome("predict", path, survey, "--json")[1])
        assert all(4 < row["log_mass"] < 8 for row in rows)

    def test_a_target_of_text_is_shown(self, survey, tmp_path, refused):
        names = [f"A{i}" for i in range(16)]
        table = table_like(survey, "text", kind=names)
        command = ["train", table, "-o", tmp_path / "m.skops", "--target=kind"]
        line = refused(*command)
        assert "must hold numbers, log10 M500c, but it holds 'A0', 'A1', 'A2'" in line
        assert "--target" in line

    def test_numbers_written_as_text_are_numbers(self):
        column = "M", np.array(["14.1", "13.9"])
        assert_allclose(log_masses("t.csv", column, None, "WMAP7"), [14.1, 13.9])


class TestTheOptionsOfLists:
    def test_a_table_of_lists_is_read_with_them(self, survey, model, tmp_path, outcome):
        expected = json.loads(outcome("predict", model, survey, "--json")[1])
        table = Table.read(survey)
        for row in table:
            events = Table.read(survey.parent / row["photons"], hdu=1)
            odd = Table({"ALPHA": events["RA"], "DELTA": events["DEC"]})
            odd["CHAN"] = np.asarray(events["ENERGY"], float) / 0.002
            odd.write(tmp_path / f"{row['name']}.fits")
        table["photons"] = [f"{name}.fits" for name in table["name"]]
        table.remove_column("galaxies")
        table.write(tmp_path / "odd.ecsv")
        named = ["--ra-column=ALPHA", "--dec-column=DELTA", "--energy=CHAN"]
        options = [*named, "--energy-unit=0.002"]
        command = ["predict", model, tmp_path / "odd.ecsv", *options, "--json"]
        code, out, _ = outcome(*command)
        assert code == 0
        for row, same in zip(json.loads(out), expected, strict=True):
            assert row["n_photons"] == same["n_photons"]
            assert_allclose(row["log_mass"], same["log_mass"], atol=1e-5)
        path = tmp_path / "odd.skops"
        command = ["train", tmp_path / "odd.ecsv", "-o", path, *options, *TINY]
        assert outcome(*command)[0] == 0
        assert load_model(path)[-1].n_iter_ == 1

    def test_galaxies_of_one_list_are_not_for_a_table(self, survey, tmp_path, refused):
        path = tmp_path / "joint.skops"
        options = ["--joint", "--bins=16", "--allow-missing", *TINY]
        assert main(["train", str(survey), "-o", str(path), *options]) == 0
        line = refused("predict", path, survey, "--galaxies=galaxies.csv")
        assert "A table names its lists in a column galaxies." in line

    def test_galaxies_for_a_model_of_photons_are_refused(self, model, survey, refused):
        for command in ("predict", "explain"):
            out = ["-o", survey.parent / "out"] if command == "explain" else []
            options = ["--galaxies=g.csv", "--redshift=0.2", "--ra=1", "--dec=2", *out]
            line = refused(command, model, "events.fits", *options)
            assert "takes no galaxies, so --galaxies would change nothing" in line

    def test_an_event_list_alone_is_told_of_its_options(self, survey, model, refused):
        events = survey.parent / Table.read(survey)["photons"][0]
        line = refused("predict", model, events)
        assert "is a list of photons, not a table of clusters" in line
        assert "Give --redshift, --ra and --dec of its cluster; or a table" in line

    def test_a_table_with_the_options_of_a_list_is_told_to_drop_them(
        self, survey, model, refused
    ):
        about = ["--redshift=0.2", "--ra=1", "--dec=2"]
        line = refused("predict", model, survey, *about)
        assert (
            "clusters.ecsv is a table, and --redshift, --ra and --dec are for" in line
        )

    @pytest.mark.parametrize("unit", ["erg", "1,2,3", ""])
    def test_units_of_energies_that_are_none_are_wrong_usage(self, unit, capsys):
        with pytest.raises(SystemExit) as stop:
            main(["predict", "m.skops", "t.csv", f"--energy-unit={unit}"])
        assert stop.value.code == 2
        assert (
            "is not keV, eV, MeV, a positive number of keV per"
            in capsys.readouterr().err
        )


def test_galaxies_are_placed_by_the_cosmology_of_the_model(tmp_path):
    own = FlatLambdaCDM(70, 0.9)
    mapper = PhotonMapper(cosmology="FlatLambdaCDM(70, 0.9)")
    events, galaxies = str(tmp_path / "a.fits"), str(tmp_path / "galaxies.csv")
    write_photons(events, {"ra": [10.0], "dec": [0.0], "energy": [1.0]})
    Table({"ra": [10.0], "dec": [0.05], "z": [0.3]}).write(galaxies)
    row = {"redshift": [0.3], "ra": [10.0], "dec": [0.0]}
    table = str(tmp_path / "clusters.csv")
    Table(row | {"photons": ["a.fits"], "galaxies": ["galaxies.csv"]}).write(table)
    parse = skcluster.cli._parser().parse_args
    about = ["--redshift=0.3", "--ra=10", "--dec=0", f"--galaxies={galaxies}"]
    one = one_cluster(parse(["predict", "m", events, *about]), [], mapper)
    listed = cluster_table(table, parse(["predict", "m", table]), mapper).read()
    expected = np.tan(np.radians(0.05)) * own.comoving_distance(0.3).value * own.h
    for sample in (one, listed):
        assert_allclose(sample.galaxies["y"], expected)


def test_options_of_another_choice_are_refused(survey, model, tmp_path, refused):
    command = ["train", survey, "-o", tmp_path / "m.skops"]
    assert "--bins are the cells of the" in refused(*command, "--bins=16")
    command = ["explain", model, survey, "-o", tmp_path / "out", "--seed=3"]
    assert "gradient has none. Leave it out, or give" in refused(*command)
    assert not (tmp_path / "out").exists()


class TestFilesThatAreRead:
    def test_no_output_replaces_an_input(self, survey, model, tmp_path, refused):
        link = tmp_path / "link.ecsv"
        link.symlink_to(survey)
        table = Table.read(survey)
        lists = [survey.parent / table[name][2] for name in ("photons", "galaxies")]
        before = {path: path.read_bytes() for path in (survey, model, *lists)}
        for command in (
            ["predict", model, survey, "-o", survey],
            ["predict", model, survey, "-o", link],
            ["predict", model, link, "-o", survey],
            ["predict", model, survey, "-o", lists[0]],
            ["train", survey, *TINY, "-o", survey],
            ["train", survey, *TINY, "-o", link],
            ["train", survey, *TINY, "-o", lists[0]],
            ["train", survey, *TINY, "-o", lists[1]],
        ):
            line = refused(*command)
            assert "is an input, " in line
            assert "and would be replaced. Give another path with -o." in line
        assert {path: path.read_bytes() for path in before} == before

    def test_explain_replaces_no_list_even_with_overwrite(
        self, survey, model, tmp_path, refused
    ):
        table = Table.read(survey)[:1]
        content = (survey.parent / table["photons"][0]).read_bytes()
        (tmp_path / "A1.fits").write_bytes(content)
        table["name"], table["photons"] = ["A1"], ["A1.fits"]
        table.remove_column("galaxies")
        table.write(tmp_path / "one.ecsv")
        command = ["explain", model, tmp_path / "one.ecsv", "-o", tmp_path]
        assert "A1.fits is an input" in refused(*command, "--overwrite")
        assert (tmp_path / "A1.fits").read_bytes() == content


class TestWorkIsNotLost:
    @pytest.fixture
    def no_work(self, monkeypatch):
        def predicted(*args, **kwargs):
            raise AssertionError("It has begun.")

        monkeypatch.setattr(predict_module, "predicted_masses", predicted)

    def test_what_cannot_be_written_is_refused_before_it(
        self, survey, model, tmp_path, refused, no_work
    ):
        (tmp_path / "folder.csv").mkdir()
        line = refused("predict", model, survey, "-o", tmp_path / "folder.csv")
        assert "folder.csv is a folder." in line
        if os.geteuid():
            (tmp_path / "locked").mkdir(mode=0o500)
            path = tmp_path / "locked" / "a.csv"
            line = refused("predict", model, survey, "-o", path)
            assert "cannot be written (Permission denied), so the work has not" in line
        (tmp_path / "file").write_text("")
        line = refused("predict", model, survey, "-o", tmp_path / "file" / "a.csv")
        assert "so the work has not begun" in line

    def test_parquet_without_pyarrow_is_refused_before_it(
        self, survey, model, tmp_path, refused, no_work, monkeypatch
    ):
        monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
        line = refused("predict", model, survey, "-o", tmp_path / "a.parquet")
        assert 'pip install "skcluster[io]", or write the table as ECSV.' in line

    def test_a_disk_that_is_full_meanwhile_costs_no_masses(
        self, survey, model, tmp_path, outcome, monkeypatch
    ):
        def full(path, table):
            raise OSError(28, "No space left on device")

        monkeypatch.setattr("skcluster.io.table_writing.write_table", full)
        command = ["predict", model, survey, "-o", tmp_path / "a.csv", "--json"]
        code, out, err = outcome(*command)
        assert code == 1
        assert len(json.loads(out)) == 16
        assert "No space left on device" in err

    @pytest.mark.filterwarnings("ignore:FITS holds only ASCII")  # as it does
    @pytest.mark.parametrize("suffix", ["csv", "fits", "ecsv"])
    def test_names_of_any_script_are_written(
        self, survey, model, tmp_path, outcome, suffix
    ):
        names = ["Persée 7", "銀河団", *[f"A{i}" for i in range(14)]]
        table = table_like(survey, "names", name=names)
        path = tmp_path / f"masses.{suffix}"
        code, out, _ = outcome("predict", model, table, "-o", path, "--json")
        assert code == 0
        assert [row["name"] for row in json.loads(out)][:2] == names[:2]
        written = [str(name) for name in Table.read(path)["name"]]
        assert len(written) == 16
        assert written[2:] == names[2:]
        assert (written[0] == "Persee 7") if suffix == "fits" else written == names

    def test_dev_stdout_is_a_file_like_any_other(self, survey, model, capfd):
        if not os.path.exists("/dev/stdout"):
            pytest.skip("There is no /dev/stdout.")
        assert check_output("/dev/stdout", inputs=[survey]) is None


def run(command, stdout):
    command = [sys.executable, "-m", "skcluster", *map(str, command)]
    return subprocess.Popen(command, stdout=stdout, stderr=subprocess.PIPE)


FORKS = """
import json, os, runpy, sys
import skcluster.regressors.joint  # once for all forks, since it takes most of the time
for command in json.loads(sys.argv[1]):
    if os.fork() == 0:
        reader, writer = os.pipe()
        os.dup2(writer, 1)
        os.close(writer)
        os.close(reader)  # as head does, once it has its lines
        sys.argv[1:] = command
        runpy.run_module("skcluster", run_name="__main__")
    print(os.waitstatus_to_exitcode(os.wait()[1]), flush=True)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="pipes of POSIX")
def test_a_reader_that_is_gone_is_no_error(model, survey):
    predict = ["predict", str(model), str(survey), "--quiet"]
    inspect = ["inspect", str(model)]
    commands = [predict, [*predict, "--json"], inspect, [*inspect, "--json"]]
    command = [sys.executable, "-c", FORKS, json.dumps(commands)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.split() == ["141"] * 4


@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="no /dev/full here")
def test_an_output_that_is_full_is_an_error(model):
    with open("/dev/full", "w") as full, run(["inspect", model], full) as done:
        assert done.wait(60) == 1
        assert done.stderr.read() == (
            b"skcluster: Standard output cannot be written (No space left on device).\n"
        )


EVIL = "A1\x1b[31m\x07\nA2 \u202e3"


def test_nothing_that_a_terminal_obeys_is_shown(
    survey, model, tmp_path, outcome, refused, capsys
):
    table = table_like(survey, "evil", name=[EVIL, *"bcdefghijklmnop"])
    code, out, err = outcome("predict", model, table)
    assert code == 0
    assert all(line.isprintable() for line in (out + err).splitlines())
    assert r"A1\x1b[31m\x07\nA2 \u202e3" in out
    missing = tmp_path / f"no\x1b[2J{EVIL}.skops"
    for command in (["predict", missing, table], ["inspect", missing]):
        line = refused(*command)
        assert line.isprintable()
    with pytest.raises(SystemExit):
        main(["inspect", "a", EVIL])
    assert all(line.isprintable() for line in capsys.readouterr().err.splitlines())


def test_tables_and_messages_are_spelled_without_control_characters(capsys):
    print_table(Table({"name": [EVIL], "n": [1]}), as_json=False)
    assert all(line.isprintable() for line in capsys.readouterr().out.splitlines())
    assert one_line(f"one {EVIL}\n  two").isprintable()


def test_a_warning_is_said_once(survey, model, outcome):
    with warnings.catch_warnings():
        warnings.simplefilter("always")
        about = ["--redshift=0.9", "--ra=10", "--dec=1"]
        events = survey.parent / Table.read(survey)["photons"][0]
        center = Table.read(survey)[0]
        about = ["--redshift=0.9", f"--ra={center['ra']}", f"--dec={center['dec']}"]
        _, _, err = outcome("predict", model, events, *about)
    lines = [line for line in err.splitlines() if "warning" in line]
    assert lines
    assert len(lines) == len(set(lines))


def test_an_unforeseen_error_is_one_line_that_says_how_to_see_more(
    monkeypatch, survey, model, refused
):
    def broken(*args, **kwargs):
        raise KeyError("surprise")

    monkeypatch.setattr(predict_module, "predicted_masses", broken)
    line = refused("predict", model, survey)
    assert line == (
        "skcluster: KeyError: 'surprise' (--traceback shows where it came from)"
    )
    with pytest.raises(KeyError, match="surprise"):
        main(["predict", str(model), str(survey), "--traceback"])


class TestErrorsNameOptions:
    """What the library says about its parameters is said of the options."""

    @pytest.mark.parametrize(
        ("columns", "message"),
        [
            (
                ["RA", "DEC", "PI"],
                "Give --energy-unit: keV per channel, a pair .*'MeV' or name another "
                "column with --energy.",
            ),
            (
                ["RA", "DEC", "E"],
                "Name them with --ra-column, --dec-column and --energy. It has: ",
            ),
        ],
    )
    def test_of_event_lists(self, model, tmp_path, refused, columns, message):
        photon = zip(columns, ([100.0], [10.0], [80.0]), strict=True)
        Table(dict(photon)).write(tmp_path / "a.fits")
        place = "--redshift=0.2", "--ra=100", "--dec=10"
        line = refused("predict", model, tmp_path / "a.fits", *place)
        assert re.search(message, line)

    @pytest.mark.parametrize(
        ("option", "message"),
        [
            ("--pixels=0", "--pixels must be a positive int, got 0"),
            ("--epochs=0", "--epochs must be a positive int, got 0"),
            ("--members=0", "--members must be an int from 1 to 1000, got 0"),
            ("--seed=-1", r"--seed must be a seed \(an int from 0"),
            ("--half-width=2300", "--half-width must be a number from 0.01 to 100"),
        ],
    )
    def test_of_training(self, survey, tmp_path, refused, option, message):
        command = "train", survey, "-o", tmp_path / "m.skops", "--device=cpu", option
        assert re.match(f"skcluster: {message}", refused(*command))

    def test_of_exposures(self, survey, model, tmp_path, refused):
        """Of a model without them; and, as by a model with them, of their absence."""
        table = table_like(survey, "exposed", exposure=np.full(16, 900.0))
        line = refused("predict", model, table)
        assert line.endswith(
            "if these were exposed like its training clusters, leave out the table's "
            "column exposure, --exposure, --exposure-keyword and --exposure-map."
        )
        with pytest.raises(ValueError, match="these have none") as error:
            relative_exposure(None, argparse.Namespace(exposure_=900.0))
        line = with_options(str(error.value), argparse.Namespace(energy_unit=None))
        assert line.endswith(
            "give the table the column exposure in seconds, one event list --exposure, or "
            "any of them --exposure-keyword or --exposure-map."
        )

    @pytest.mark.parametrize(
        ("lost", "message"),
        [
            (["ra", "dec"], "the table the columns ra and dec in degrees"),
            (
                ["photons"],
                "the table the column photons .* of their lists, or --events",
            ),
        ],
    )
    def test_of_columns_that_a_table_lacks(self, survey, model, refused, lost, message):
        table = Table.read(survey)
        table.remove_columns(lost)
        path = survey.parent / f"without_{lost[0]}.ecsv"
        table.write(path, overwrite=True)
        assert re.search(f": give {message}.$", refused("predict", model, path))

    def test_a_command_without_the_option_keeps_the_parameter(self):
        message = "max_epochs must be an int; see /data/n_clusters.fits"
        arguments = argparse.Namespace(clusters=1)
        assert with_options(message, arguments) == message


class TestUnreadableLists:
    """One list that cannot be read costs one mass, not those of all other clusters."""

    @pytest.fixture
    def table(self, survey, tmp_path):
        """Table with one list that is missing, one without FITS and one in channels."""
        paths = [survey.parent / path for path in Table.read(survey)["photons"]]
        paths[1] = tmp_path / "nowhere.fits"
        (tmp_path / "torn.fits").write_bytes(paths[4].read_bytes()[:3000])
        paths[4] = tmp_path / "torn.fits"
        channels = Table({"RA": [10.0], "DEC": [0.0], "PI": [100]})
        channels.write(tmp_path / "channels.fits")
        paths[7] = tmp_path / "channels.fits"
        return table_like(survey, "broken", photons=[*map(str, paths)])

    def test_they_are_named_and_all_others_have_their_mass(
        self, table, survey, model, tmp_path, outcome
    ):
        all_rows = json.loads(outcome("predict", model, survey, "--json")[1])
        command = ["predict", model, table, "--json", "-o", tmp_path / "masses.ecsv"]
        code, out, err = outcome(*command)
        rows = json.loads(out)
        lost = [i for i, row in enumerate(rows) if row["log_mass"] is None]
        assert (code, lost) == (3, [1, 4, 7])
        for i, row in enumerate(rows):
            if i not in lost:
                assert row == all_rows[i]
        for i in lost:
            assert f"photons of row {i} (cluster mock-0000{i}) cannot be read" in err
        assert (
            "3 of 16 clusters have a list that cannot be read, or a gap in their row, "
            "so no mass. Mend the lists or rows, "
            "or remove them from the table: mock-00001, mock-00004, mock-00007."
        ) in err
        assert "no photon" not in err
        written = Table.read(tmp_path / "masses.ecsv")
        assert_array_equal(np.isnan(written["log_mass"]).nonzero()[0], lost)
        assert sorted(path.name for path in tmp_path.iterdir()) == [
            "channels.fits",
            "masses.ecsv",
            "torn.fits",
        ]

    def test_of_several_tables_each_keeps_its_rows(self, table, survey, model, outcome):
        code, out, _ = outcome("predict", model, survey, table, "--json")
        rows = json.loads(out)
        lost = [i for i, row in enumerate(rows) if row["log_mass"] is None]
        assert (code, lost) == (3, [17, 20, 23])

    def test_explain_goes_on_without_them(self, table, model, tmp_path, outcome):
        pytest.importorskip("matplotlib")
        folder = tmp_path / "explained"
        Table.read(table)[:8].write(table, overwrite=True)
        code, out, err = outcome("explain", model, table, "--json", "-o", folder)
        rows = json.loads(out)
        lost = [i for i, row in enumerate(rows) if not row["fits"]]
        assert (code, lost) == (3, [1, 4, 7])
        assert len([*folder.iterdir()]) == 2 * 5
        assert "3 of 8 clusters have a list that cannot be read" in err

    def test_a_table_of_nothing_else_is_refused(self, survey, model, tmp_path, refused):
        nowhere = [str(tmp_path / f"{i}.fits") for i in range(16)]
        table = table_like(survey, "nowhere", photons=nowhere)
        line = refused("predict", model, table, "-o", tmp_path / "masses.csv")
        assert "photons of row 0 (cluster mock-00000) cannot be read" in line
        assert not [*tmp_path.iterdir()]

    def test_training_on_a_part_is_refused(self, table, tmp_path, refused):
        line = refused("train", table, "-o", tmp_path / "model.skops", *TINY)
        assert "photons of row 1 (cluster mock-00001) cannot be read" in line


@pytest.mark.parametrize("arguments", [["--help"], ["inspect", "--help"]])
def test_help_loads_nothing_heavy(arguments):
    code = (
        "import sys; from skcluster.cli import main\n"
        f"try: main({arguments})\n"
        "except SystemExit: pass\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'astropy', 'pandas', 'matplotlib'}\n"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_inspect_loads_nothing_heavy(model):
    code = (
        f"import sys; from skcluster.cli import main; main(['inspect', {str(model)!r}])\n"
        "heavy = {'torch', 'sklearn', 'scipy', 'astropy', 'pandas', 'skops'}\n"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr)"
    )
    command = [sys.executable, "-c", code]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"


def test_garbage_is_collected_after_a_model_is_loaded_or_refused(
    model, survey, outcome
):
    outcome("predict", model, survey)
    assert gc.isenabled()
    outcome("predict", survey, survey)
    assert gc.isenabled()
    gc.disable()
    try:
        outcome("predict", model, survey)
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_predict_loads_no_compiler_and_spells_letters_that_an_encoding_lacks(
    model, survey
):
    """Two questions to one process, since each takes seconds to import torch."""
    table = table_like(survey, "accents", name=["Persée", *"bcdefghijklmnop"])
    command = ["predict", str(model), str(table), "--quiet"]
    code = (
        "import sys; from skcluster.cli import main;"
        f"code = main({command});"
        "heavy = {'torch._dynamo', 'skops', 'matplotlib.pyplot', 'captum'};"
        "print(sorted(heavy & {*sys.modules}), file=sys.stderr);"
        "sys.exit(code)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        timeout=240,
    )
    assert (done.returncode, done.stderr) == (0, b"[]\n")
    assert rb"Pers\xe9e" in done.stdout


def test_scalars_reach_the_network_that_needs_them(survey, tmp_path, outcome, refused):
    path = tmp_path / "scalars.skops"
    command = ["train", survey, "-o", path, *TINY, "--architecture=krippendorf2024"]
    assert "in the terminal, --scalars redshift." in refused(*command)
    assert outcome(*command, "--scalars", "redshift")[0] == 0
    assert load_model(path)[-1].scalars == ["redshift"]
    wrong = refused(*command, "--scalars", "mass")
    assert "scalars must be a list of different names out of" in wrong


def test_quiet_leaves_the_result_and_the_problems(
    outcome, refused, survey, model, tmp_path
):
    code, out, err = outcome(
        "simulate", tmp_path / "few", "--clusters=3", "--json", "--quiet"
    )
    assert (code, err) == (0, "")
    assert json.loads(out)
    names = [*Table.read(survey)["photons"]]
    lost = table_like(survey, "lost", photons=["nowhere.fits", *names[1:]])
    loud, expected, said = outcome("predict", model, lost, "--json")
    code, out, err = outcome("predict", model, lost, "--json", "--quiet")
    assert (code, out) == (loud, expected) == (3, expected)
    assert "1 of 16 clusters have a list that cannot be read" in err
    assert set(err.splitlines()) <= set(said.splitlines())
    missing = tmp_path / "missing.ecsv"
    assert "missing.ecsv" in refused("predict", model, missing, "-q")


def test_every_command_has_the_same_common_options():
    parser = skcluster.cli._parser()
    (commands,) = (a.choices for a in parser._actions if hasattr(a, "_name_parser_map"))
    for name, command in commands.items():
        options = {o for action in command._actions for o in action.option_strings}
        assert options >= {"--json", "--quiet", "-q", "--traceback", "--help"}, name


def test_a_cosmology_of_ones_own_is_kept_in_the_model(
    outcome, refused, survey, tmp_path
):
    path = tmp_path / "own.skops"
    own = "FlatLambdaCDM(70, 0.25)"
    code, _, _ = outcome(
        "train", survey, "-o", path, "--cosmology", own, "--quiet", *TINY
    )
    assert code == 0
    assert load_model(path)[0].cosmology == own
    line = refused(
        "train", survey, "-o", path, "--cosmology", "FlatLambdaCDM(70)", *TINY
    )
    assert "Cosmology 'FlatLambdaCDM(70)' cannot be made" in line


def test_shells_complete_commands_and_options(tmp_path):
    pytest.importorskip("argcomplete")
    for line, expected in (
        ("skcluster si", "simulate"),
        ("skcluster train --qu", "--quiet"),
    ):
        shell = {
            "_ARGCOMPLETE": "1",
            "COMP_LINE": line,
            "COMP_POINT": str(len(line)),
            "_ARGCOMPLETE_STDOUT_FILENAME": str(tmp_path / "completions"),
        }
        code = "from skcluster.cli import main; main()"
        subprocess.run([sys.executable, "-c", code], env=os.environ | shell, check=True)
        assert (tmp_path / "completions").read_text().split() == [expected]
