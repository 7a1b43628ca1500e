"""Whatever number a page states, a command has made: it is named, exists and agrees."""

import argparse
import csv
import os
import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from astropy.table import Table
from numpy.testing import assert_allclose
from scipy.stats import norm, t

from skcluster.metrics import mass_scatter

ROOT = Path(__file__).parents[1]
DATA = Path(os.environ.get("SKCLUSTER_DATA", ROOT.parent / "shared" / "data"))
SOURCES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("**/*.rst"))]
TABLES = runpy.run_path(str(ROOT / "docs" / "result_tables.py"))
PAGES = {
    path.relative_to(ROOT).as_posix(): TABLES["expanded"](path.read_text("utf-8"))
    for path in SOURCES
    if not {"_build", "gallery", "generated", "_templates"} & {*path.parts}
}
SCRIPT = r"(?:experiments|benchmarks|tests/stress)/\w+\.py"
MADE_BY = re.compile(rf"{SCRIPT}|tests/test_\w+\.py|skcluster demo|make demo")
MEASURED = re.compile(
    r"±|\d ?(?:%|times|sigma|σ|dex|seconds?|minutes?|hours?|m?s\b|[KMG]iB|[a-z]+bytes?\b)"
)
NOT_MEASURED = {
    ("docs/mock.rst", "What it is"): "a parameter of the generator",
    ("docs/mock.rst", "Known differences"): "the same, and an example that runs",
    ("docs/paper.rst", "Where text, released code and skcluster differ"): "the paper's",
    ("docs/quickstart.rst", "From photons to masses"): "a definition",
    ("docs/vocabulary.rst", "Quantities"): "a definition",
}


def sections(text):
    """Headings with what stands below them, examples left out."""
    parts = re.split(r"^(?:(.+)\n[-=]{3,}|#+ (.+))\n", text, flags=re.M)
    for underlined, marked, body in zip(
        parts[1::3], parts[2::3], parts[3::3], strict=True
    ):
        examples = r"^ *>>> .*\n(?: *\S.*\n)*"
        yield underlined or marked, re.sub(examples, "", body, flags=re.M)


def section(page, title):
    return dict(sections(PAGES[page]))[title]


def commands():
    """Every script that a page names, with its options, as one would type them."""
    for page, text in PAGES.items():
        in_one_line = re.sub(
            r"``[^`]+``", lambda match: " ".join(match[0].split()), text
        )
        for script, options in re.findall(rf"({SCRIPT})((?: +[^`\s#]+)*)", in_one_line):
            is_command = options.lstrip().startswith("-")
            yield page, script, options.strip() if is_command else ""


COMMANDS = sorted({command[1:] for command in commands()})


class ParsedError(Exception):
    """Raised in place of the work of a script, when its options are understood."""


def parse(script, options, monkeypatch):
    """Let a script read its options, and stop it there."""
    original = argparse.ArgumentParser.parse_args

    def parse_args(parser, *args, **kwargs):
        original(parser, *args, **kwargs)
        raise ParsedError("understood")

    monkeypatch.setattr(argparse.ArgumentParser, "parse_args", parse_args)
    monkeypatch.setattr(sys, "argv", [script, *shlex.split(options)])
    monkeypatch.syspath_prepend((ROOT / script).parent)
    with pytest.raises(ParsedError, match="understood"):
        runpy.run_path(str(ROOT / script), run_name="__main__")


def test_every_number_that_a_page_states_names_what_made_it():
    nameless = {
        (page, title)
        for page, text in PAGES.items()
        for title, body in sections(text)
        if MEASURED.search(body) and not MADE_BY.search(body)
    }
    assert nameless - {*NOT_MEASURED} == set()
    assert {*NOT_MEASURED} - nameless == set()


def test_every_result_of_an_experiment_says_from_how_many_seeds():
    reported = [
        (page, title, body)
        for page, text in PAGES.items()
        for title, body in sections(text)
        if "±" in body and "experiments/" in body
    ]
    assert len(reported) > 4
    assert [(page, title) for page, title, body in reported if "seed" not in body] == []


@pytest.mark.parametrize(("script", "options"), COMMANDS)
def test_a_command_on_a_page_is_understood_by_its_script(script, options, monkeypatch):
    pytest.importorskip("torch")
    parse(script, options, monkeypatch)


def test_a_command_with_an_option_that_is_gone_is_found(monkeypatch, capsys):
    with pytest.raises(SystemExit, match="2"):
        parse("experiments/magneticum_scatter.py", "--gone", monkeypatch)
    assert "unrecognized arguments: --gone" in capsys.readouterr().err


def load(script, monkeypatch):
    """Names that a script defines."""
    monkeypatch.syspath_prepend((ROOT / script).parent)
    return runpy.run_path(str(ROOT / script))


class TestQuickCommandsRunAgain:
    def test_scatters_of_the_public_list_agree(self, monkeypatch, capsys):
        if not (DATA / "magneticum").exists():
            pytest.skip("needs the public list of clusters")
        script = load("experiments/magneticum_scatter.py", monkeypatch)
        assert script["main"](["--data-home", str(DATA)]) == 0
        assert "8 of 8 agree to 3%" in capsys.readouterr().out

    @pytest.mark.filterwarnings("ignore:.*far outside the training range")
    @pytest.mark.filterwarnings("ignore:.*clusters have maps unlike")
    def test_photons_change_the_mass_as_the_page_says(self, monkeypatch):
        pytest.importorskip("torch")
        script = load("experiments/photon_response.py", monkeypatch)
        arguments = argparse.Namespace(clusters=60, epochs=6, shown=9)
        table = script["summary"]([0, 1, 2], arguments)
        text = section("docs/explain.rst", "Per photon")
        stated = np.array(re.findall(r"(0\.\d+) ± (0\.\d+)", text)[:6], float)
        for kind in ("slope", "correlation"):
            values, errors = stated[kind == "correlation" :: 2].T
            assert (np.abs(table[kind] - values) < errors).all()
            assert_allclose(table[f"{kind}_error"], errors, rtol=0.5)


class TestStatedNumbersFollowFromEachOther:
    def test_significances_are_those_of_the_values_and_errors(self, monkeypatch):
        significance = load("experiments/significance.py", monkeypatch)["significance"]
        kept = Table.read(ROOT / "experiments/results/explanations.csv")
        for row in kept:
            above = np.log10(3) if "3 times" in row["claim"] else 0
            errors = row["error_clusters"], row["error_seeds"]
            found = significance(row["value"] - above, *errors, 8)
            assert_allclose(found, row["sigma"], atol=0.05)
            if row["verdict"] == "met":
                assert abs(row["sigma"]) > 3

    @pytest.mark.parametrize(("n_seeds", "ratio"), [(3, "19 times"), (8, "4.5 times")])
    def test_three_sigma_are_a_multiple_of_the_error(self, n_seeds, ratio):
        text = section("docs/explain.rst", "What was found on the mock survey")
        needed = t.isf(norm.sf(3), n_seeds - 1)
        assert_allclose(float(ratio.split()[0]), needed, rtol=0.02)
        assert ratio in " ".join(text.split())

    def test_a_ratio_of_three_point_eight_is_six_per_cent(self):
        text = " ".join(section("docs/mock.rst", "How to report a number").split())
        p_value = 2 * t.sf(3.8, 2)
        assert (
            f"{100 * p_value:.0f} % by chance, {norm.isf(p_value / 2):.1f} sigma"
            in text
        )

    def test_coverages_are_those_of_the_committed_results(self):
        results = Table.read(ROOT / "experiments/results/coverage-mean.csv")
        text = section("docs/uncertainty.rst", "What was measured")
        row = r'^   "([\w ]+), (raw|calibrated|by trend)", (.+)\n'
        rows = re.findall(row, text, flags=re.M)
        shown = {
            7: (["all"], ["50", "68", "90", "95"]),
            6: (["predicted mass", "redshift"], ["68"]),
            4: (["above least mass"], ["68"]),
        }
        assert len(rows) == 21
        for estimator, posterior, cells in rows:
            pairs = np.array(re.findall(r"([\d.]+) ± ([\d.]+)", cells), float)
            pairs_and_numbers = re.findall(r'"[^"]*"|[\d.]+', cells)
            quantities, levels = shown[len(pairs_and_numbers)]
            of_row = results[
                (results["estimator"] == estimator)
                & (results["posterior"] == posterior)
            ]
            expected = [
                (one[f"coverage_{level}"], one[f"error_{level}"])
                for quantity in quantities
                for one in of_row[of_row["quantity"] == quantity]
                for level in levels
            ]
            assert_allclose(pairs, expected, atol=0.051)

    def test_coverages_of_seeds_give_their_mean(self, monkeypatch):
        pytest.importorskip("torch")
        script = load("experiments/coverage.py", monkeypatch)
        folder = ROOT / "experiments" / "results"
        by_seed, mean = (
            Table.read(folder / f"coverage-{name}.csv") for name in ("by-seed", "mean")
        )
        assert np.unique(by_seed["seed"]).tolist() == [0, 1, 2]
        found = script["over_seeds"](by_seed)
        assert len(found) == len(mean) == 99
        for name in found.colnames:
            if name.startswith(("coverage", "error")):
                assert_allclose(found[name], mean[name], atol=0.002)
        assert not [*script["broken_promises"](by_seed, mean)]

    def test_thirds_miss_as_often_and_by_as_much_as_the_page_says(self):
        text = " ".join(section("docs/uncertainty.rst", "What was measured").split())
        by_seed = Table.read(ROOT / "experiments/results/coverage-by-seed.csv")
        by_seed = by_seed[by_seed["posterior"] == "by trend"]
        is_third = np.isin(by_seed["quantity"], ["predicted mass", "redshift"])
        misses, worst = {}, {}
        for name in ("gaussian_nll", "MC dropout", "covariance model"):
            rows = by_seed[is_third & (by_seed["estimator"] == name)]
            off = np.abs(rows["coverage_68"] - 68)
            misses[name], worst[name] = np.sum(off > 3), rows[np.argmax(off)]
            assert len(rows) == 18
        networks = ("gaussian_nll", "MC dropout")
        words = "{} of 18 thirds miss it for {}, {} for {} and {} for the {}"
        pairs = [part for name, n in misses.items() for part in (n, name)]
        assert words.format(*pairs) in text
        off = [abs(worst[name]["coverage_68"] - 68) for name in networks]
        assert "the worst of the networks by {:.1f} and {:.1f} %".format(*off) in text
        counted = Table.read(ROOT / "experiments/results/coverage-control.csv")
        by = {
            kind: counted[counted["calibrated_by"] == kind]
            for kind in ("octants", "control")
        }
        missed = {
            name: [each["off"][each["estimator"] == name].sum() for each in by.values()]
            for name in misses
        }
        assert {name: int(octants) for name, (octants, _) in missed.items()} == {
            name: int(n) for name, n in misses.items()
        }
        n_thirds = by["control"]["thirds"].sum() // len(misses)
        words = "{}, {} and {} of {} thirds miss it then, {:.0f}, {:.0f} and {:.0f} %"
        controls = [control for _, control in missed.values()]
        shares = [100 * control / n_thirds for control in controls]
        assert words.format(*controls, n_thirds, *shares) in text

    def test_thirds_that_are_not_uniform_are_those_that_the_page_names(self):
        text = " ".join(section("docs/uncertainty.rst", "What was measured").split())
        by_seed = Table.read(ROOT / "experiments/results/coverage-by-seed.csv")
        by_seed = by_seed[by_seed["posterior"] == "by trend"]
        is_third = np.isin(by_seed["quantity"], ["predicted mass", "redshift"])
        is_network = by_seed["estimator"] != "covariance model"
        thirds = by_seed[is_network & is_third]
        is_uniform = thirds["p_two_samples"] > 0.01
        assert f"have p ≥ {thirds['p_two_samples'][is_uniform].min():.2g}." in text
        others = {}
        for row in thirds[~is_uniform]:
            third = ("lowest", "middle", "highest")[row["bin"]]
            key = int(row["seed"]), f"in the {third} third of {row['quantity']}"
            others.setdefault(key, []).append(f"{row['p_two_samples']:.2g}")
        named = r"in the \w+ third of [\w ]+ \(p = [^)]+\)"
        of_seeds = re.findall(rf"of seed (\d)((?: (?:and )?{named})+)", text)
        assert sorted(
            (int(seed), words)
            for seed, several in of_seeds
            for words in re.findall(named, several)
        ) == sorted(
            (seed, f"{words} (p = {' and '.join(p)})")
            for (seed, words), p in others.items()
        )
        of_all = by_seed[by_seed["quantity"] == "all"]
        p_value = of_all["p_two_samples"]
        of_networks = of_all["estimator"] != "covariance model"
        assert f"p ≥ {p_value[of_networks].min():.2g} in each seed" in text
        words = "{:.2g}, {:.2g} and {:.2g} for the covariance model"
        assert words.format(*p_value[~of_networks]) in text

    def test_all_clusters_are_covered_as_the_page_says(self):
        text = " ".join(section("docs/uncertainty.rst", "What was measured").split())
        by_seed = Table.read(ROOT / "experiments/results/coverage-by-seed.csv")
        of_all = by_seed[
            (by_seed["quantity"] == "all")
            & (by_seed["estimator"] != "covariance model")
        ]
        for level, words in (
            (68, "networks cover {:.1f} to {:.1f} % of all"),
            (95, "95 % intervals {:.1f} to {:.1f} %, within"),
        ):
            covered = of_all[f"coverage_{level}"]
            assert words.format(covered.min(), covered.max()) in text

    def test_curves_of_fits_are_as_large_as_the_page_says(self):
        text = " ".join(section("docs/uncertainty.rst", "What was measured").split())
        fits = Table.read(ROOT / "experiments/results/coverage-fits.csv")
        moved = np.array([fits[name] for name in fits.colnames if " std" in name])
        assert moved.shape == (4, 27)
        size = f"{np.abs(moved).max():.2f} dex, and by {np.sqrt((moved**2).mean()):.3f}"
        assert f"moves masses by up to {size} in the root mean square" in text
        of_all = fits[fits["fit"] == "all"]
        left = "{:.3f}, {:.3f} and {:.3f} ± ".format(*of_all["slope_left"])
        assert f"{left}{of_all['slope_left_error'].max():.3f} on predicted" in text

    def test_coverage_near_the_least_mass_is_that_of_the_results(self):
        text = " ".join(section("docs/uncertainty.rst", "What was measured").split())
        mean = Table.read(ROOT / "experiments/results/coverage-mean.csv")
        mean = mean[(mean["quantity"] == "above least mass") & (mean["bin"] == 0)]
        cover = {
            (row["estimator"], row["posterior"]): "{:.0f} ± {:.0f}".format(
                row["coverage_68"], row["error_68"]
            )
            for row in mean
        }
        networks, model = ("gaussian_nll", "MC dropout"), "covariance model"
        by_trend, raw = (
            " and ".join(cover[name, posterior] for name in networks)
            for posterior in ("by trend", "raw")
        )
        assert f"calibrated by trend, {by_trend} %, and raw {raw} %" in text
        assert f"model {cover[model, 'by trend']} % by trend, and raw" in text
        assert f"and raw {cover[model, 'raw']} %, since" in text

    def test_gains_by_galaxies_are_those_of_the_seeds(self, monkeypatch):
        significance = load("experiments/significance.py", monkeypatch)["significance"]
        text = section("docs/joint.rst", "Do galaxies help?").replace("*", "")
        rows = re.findall(r"- (0|1)(\.\d+), (-?[\d.]+) sigma\n +- ([\d., ]+)\n", text)
        assert len(rows) == 6
        for units, decimals, sigma, seeds in rows:
            ratio = np.array(seeds.split(", "), float)
            assert_allclose(float(units + decimals), ratio.mean(), atol=0.002)
            error = ratio.std(ddof=1) / np.sqrt(3)
            found = significance(1 - ratio.mean(), 0, error, 3)
            assert_allclose(found, float(sigma), atol=0.06)

    def test_slopes_of_seeds_give_their_mean(self, monkeypatch):
        pytest.importorskip("torch")
        script = load("experiments/neural_proxy.py", monkeypatch)
        folder = ROOT / "experiments" / "results"
        by_seed, mean = (
            Table.read(folder / f"neural-proxy-slopes{name}.csv")
            for name in ("", "-mean")
        )
        assert np.unique(by_seed["seed"]).tolist() == [0, 1, 2, 3, 4]
        found = script["over_seeds"](by_seed)
        for name in found.colnames[1:]:
            # Slopes are written with four decimals.
            loose = {"atol": 0.03, "rtol": 0.05 if "sigma" in name else 0}
            assert_allclose(found[name], mean[name], **loose)

    def test_dense_maps_and_cubes_have_their_size(self):
        text = " ".join(section("docs/scaling.rst", "Measured").split())
        assert f"dense {3285 * 3 * 128**2 * 4 / 2**20:.0f}" in text
        assert f"would take {20_000 * 16**3 * 4 / 2**20:.0f} MiB" in text

    def test_kills_add_up(self):
        text = section("docs/scaling.rst", "Stop and go on")
        rows = re.findall(r"^ +\w+, at \w+" + r" +(\d+)" * 6, text, flags=re.M)
        kills, in_a_write, fits, trained, needed, same = np.array(rows, int).sum(axis=0)
        assert fits == same
        words = " ".join(text.split())
        assert f"all {fits} fits, which were killed {kills} times" in words
        assert f"{in_a_write} times while a file was being written" in words
        assert f"all kills together cost {trained - needed} epochs" in words

    @pytest.mark.parametrize(
        ("page", "title", "n_files"),
        [
            ("docs/scaling.rst", "Measured", r"(20,000) mutated"),
            ("docs/persistence.rst", "What is checked", r"Of (8,000) files"),
        ],
    )
    def test_mutated_files_add_up(self, page, title, n_files):
        text = " ".join(section(page, title).split())
        text = text[re.search(n_files, text).start() :]
        total, *parts = (
            int(number.replace(",", ""))
            for number in re.findall(r"\b(\d{1,2},\d{3}|\d{3})\b", text)[:4]
        )
        assert sum(parts) == total


def scatter_of(parts, kind):
    """Scatter [%] of the kept predictions of one survey."""
    true, predicted = (
        np.concatenate([part[column] for part in parts]).astype(float)
        for column in ("log_mass", "predicted")
    )
    return mass_scatter(true, predicted, kind=kind, unit="percent")


class TestPredictionsAreKept:
    @pytest.fixture
    def contest(self):
        pytest.importorskip("torch")
        from skcluster.contest import read_configuration

        return read_configuration(ROOT / "experiments" / "equal_contexts.toml")

    def test_scatters_in_equal_contexts_are_those_of_the_files(self, contest):
        from skcluster.contest.results import common_folds, read_predictions

        predictions = read_predictions(contest)
        folds = common_folds(contest, predictions)
        text = section("docs/equal_contexts.rst", "On the mock survey")
        number = r'"([\d.]+) ± [\d.]+ \([\d.]+\)"'
        rows = re.findall(rf'^   "([^"]+)", {number}, {number}', text, flags=re.M)
        assert {name for name, *_ in rows} == {name for name, _, _ in predictions}
        seeds = {seed for seed, _ in folds}
        for name, *stated in rows:
            parts = {
                seed: [predictions[name, *fold] for fold in folds if fold[0] == seed]
                for seed in seeds
            }
            for kind, value in zip(("std", "robust"), stated, strict=True):
                found = [scatter_of(parts[seed], kind) for seed in seeds]
                assert_allclose(np.mean(found), float(value), atol=0.051)
        n_tested = sum(len(part.cluster) for seed in seeds for part in parts[seed])
        assert n_tested == int(re.search(r"(\d+) clusters are tested", text)[1])

    def test_scalar_proxies_are_as_the_kept_table_says(self):
        folder = ROOT / "experiments" / "results" / "scalar_systems"
        text = section("docs/equal_contexts.rst", "Scalar proxies")
        for table, column in (
            ("summary.csv", "std_percent"),
            ("subsets.csv", "cv_error_percent"),
        ):
            kept = Table.read(folder / table)
            values = dict(zip(kept[kept.colnames[0]], kept[column], strict=True))
            if table == "subsets.csv":
                values = dict(zip(kept["proxies"], kept[column], strict=True))
            rows = re.findall(r'^   "(.+?)", ([\d.]+)', text, flags=re.M)
            stated = [(name, value) for name, value in rows if name in values]
            assert len(stated) > 4
            for name, value in stated:
                assert_allclose(float(value), values[name], atol=0.051)


class TestTablesAreDrawnFromFiles:
    def test_the_readme_has_the_table_of_the_results(self):
        readme = PAGES["README.md"]
        assert TABLES["with_results"](readme) == readme, (
            "run `python docs/result_tables.py --write`"
        )
        assert readme.count("| photon set |") == 1
        assert len(readme.splitlines()) < 120

    def test_gains_are_those_of_the_scatters_of_each_survey(self):
        kept = Table.read(ROOT / "experiments/results/equal_contexts/results.csv")
        scatter = {(row["estimator"], row["seed"]): row["std_dex"] for row in kept}
        header, *rows = TABLES["gains"]()
        seeds = [int(seed) for seed in re.findall(r"\d", header[1])]
        assert len(rows) == 3
        for name, std, _ in rows:
            gains = [
                100 * (1 - scatter[name, seed] / scatter["ho2023, three bands", seed])
                for seed in seeds
            ]
            *stated, _ = re.findall(r"-?\d+\.\d", std)
            assert_allclose(np.array(stated, float), gains, atol=0.051)

    def test_the_front_page_shows_what_an_observer_can_use(self):
        rows = re.findall(
            r'^   "(.+?)", "([\d.]+) ±', PAGES["docs/index.rst"], flags=re.M
        )
        kept = Table.read(ROOT / "experiments/results/equal_contexts/summary.csv")
        scatter = dict(zip(kept["estimator"], kept["std_percent"], strict=True))
        assert "photon set" in dict(rows)
        assert not any("true" in name for name, _ in rows)
        for name, std in rows:
            assert_allclose(float(std), scatter[name], atol=0.051)

    @pytest.mark.parametrize("page", ["equal_contexts", "uncertainty", "index"])
    def test_no_table_of_results_is_typed_by_hand(self, page):
        typed = (ROOT / "docs" / f"{page}.rst").read_text("utf-8")
        tables = re.findall(r"^\.\. (?:csv|list)-table::\n(?:   .*\n|\n)+", typed, re.M)
        assert [table for table in tables if "±" in table] == []

    def test_a_table_can_be_read_as_csv_again(self):
        rows = [["name", "a, b"], ['60"', "1.0"], ["x", "2 ± 1"]]
        _, header, _, *body = TABLES["as_rst"](rows).splitlines()
        lines = [header.removeprefix("   :header: "), *(line.strip() for line in body)]
        assert list(csv.reader(lines, skipinitialspace=True)) == rows

    def test_an_unknown_table_or_fact_is_an_error(self):
        with pytest.raises(KeyError, match="no such table"):
            TABLES["expanded"](".. result-table:: no such table\n")
        assert (
            TABLES["expanded"]("a |word| between bars\n") == "a |word| between bars\n"
        )


class TestOneMeaningOfScatter:
    """A table or an axis says which scatter it shows: one word has several meanings."""

    def test_no_table_of_results_calls_a_column_scatter(self):
        for name, table in TABLES["TABLES"].items():
            assert "scatter" not in " ".join(table()[0]), name

    def test_no_axis_of_the_gallery_is_called_scatter(self):
        pages = sorted((ROOT / "examples").glob("*.py"))
        assert len(pages) > 5
        for page in pages:
            labels = re.findall(
                r"[xy]label\w*[=(]\s*r?\"([^\"]+)", page.read_text("utf-8")
            )
            assert not [label for label in labels if "scatter" in label], page.name

    def test_pages_with_both_kinds_define_them(self):
        pages = [
            page for page, text in PAGES.items() if re.search(r"robust \[%\]", text)
        ]
        pages += ["docs/real_sky.rst", "docs/photon_set.rst"]
        assert {"README.md", "docs/index.rst", "docs/equal_contexts.rst"} < {*pages}
        for page in pages:
            text = " ".join(PAGES[page].split())
            assert re.search(
                r"standard deviation \(std\).{,20} and half of (the|their) central 68 % "
                r"\(robust\)",
                text,
            ), page


class TestSentencesOnTheNetworkAsAProxy:
    """What docs/neural_proxy.rst says of its tables."""

    def test_slopes_are_too_steep_without_the_covariance(self):
        folder = ROOT / "experiments" / "results"
        by_seed = Table.read(folder / "neural-proxy-slopes.csv")
        mean = Table.read(folder / "neural-proxy-slopes-mean.csv")
        for name, percent in (("n_phot", 9), ("n_phot_500c", 7)):
            part = by_seed[by_seed["observable"] == name]
            assert len(part) == 5
            assert (part["rho_0"] / part["true"] > 1.04).all()
            (row,) = mean[mean["observable"] == name]
            assert round(row["rho_0"]) == percent
            assert round(row["bias_sigma"], 1) == 4.1
        assert np.abs(mean["with_covariance"]).max() < 2

    def test_the_network_adds_to_counts_and_not_to_gas_masses(self):
        kept = Table.read(ROOT / "experiments/results/neural-proxy-gains.csv")
        alone, both = (
            {
                name: np.asarray(kept[column][kept["proxies"] == name])
                for name in set(kept["proxies"])
            }
            for column in ("without", "with_network")
        )
        assert_allclose(both["n_phot"] / alone["n_phot"], 0.5, atol=0.07)
        for name, *expected in (
            ("n_phot, n_phot_500c, n_gal, sigma_v", 28, 19),
            ("T", 12, 9),
        ):
            found = alone[name].mean(), both[name].mean()
            assert_allclose(found, expected, atol=0.5)
        for name in ("M_gas", "T, L_X, M_gas, M_star"):
            assert (both[name] >= alone[name]).all()


class TestSentencesOnDynamics:
    """What docs/mock.rst says of its table."""

    @pytest.fixture
    def of(self):
        kept = Table.read(ROOT / "experiments/results/dynamical-state.csv")

        def of(sample, quantity):
            """Values of all columns of the sample."""
            chosen = [name.startswith(sample) for name in kept["sample"]]
            return np.asarray(kept["value"][chosen & (kept["quantity"] == quantity)])

        return of

    def test_correlations_and_the_gain_are_met(self, of, monkeypatch):
        script = load("experiments/dynamical_state.py", monkeypatch)
        for name, (target, *_) in script["PUBLISHED"].items():
            assert len(of("dynamics", name)) == 3
            assert_allclose(of("dynamics", name).mean(), target, atol=0.1)
        gain = of("dynamics", script["GAIN"])
        assert_allclose(gain.mean(), script["PUBLISHED_GAIN"], atol=5)
        assert_allclose(gain.mean(), of("as many", script["GAIN"]).mean(), atol=1)

    def test_smoothness_cannot_be_compared(self, of):
        assert (
            of("Green", "smoothness")
            < -0.05
            < 0.15
            < of("dynamics", "smoothness").min()
        )
        assert of("dynamics", "counts per pixel").max() < -0.6
        assert_allclose(of("Green", "counts per pixel"), 0, atol=0.05)
        gain = "ridge: gain [%]"
        assert_allclose(
            of("dynamics", gain).mean() / of("as many", gain).mean(), 2.2, atol=0.2
        )
        gain = "ridge: w/o smoothness [%]"
        assert_allclose(of("dynamics", gain).mean(), of("as many", gain).mean(), atol=2)
        assert (of("without", gain) > of("dynamics", gain)).all()


class TestSentencesOnEqualContexts:
    """What docs/equal_contexts.rst says of its tables."""

    NETWORK, RIDGE = "ho2023, three bands", "ridge on rings, three bands"

    @pytest.fixture
    def of(self):
        kept = Table.read(ROOT / "experiments/results/equal_contexts/results.csv")

        def of(estimator, column):
            """Values of the surveys."""
            return np.asarray(kept[column][kept["estimator"] == estimator])

        return of

    def test_the_photon_set_is_16_percent_better_at_two_thirds_of_the_cost(self, of):
        for kind, less in (("std_dex", 0.16), ("robust_dex", 0.17)):
            gain = 1 - of("photon set", kind) / of(self.NETWORK, kind)
            assert_allclose(gain.mean(), less, atol=0.005)
            assert 0.115 < gain.min() < gain.max() < 0.195
        cost = of("photon set", "fit_cpu_seconds") / of(self.NETWORK, "fit_cpu_seconds")
        assert_allclose(cost.mean(), 2 / 3, atol=0.05)
        sigmas = [
            float(each) for each in re.findall(r"\((\S+) sigma", str(self.gain()))
        ]
        std, robust = sigmas
        assert std < 3 <= robust

    @staticmethod
    def gain():
        return next(row for row in TABLES["gains"]() if row[0] == "photon set")

    def test_a_mean_of_both_is_no_better(self, of):
        mean = "mean of photon set and recommended network"
        for kind in ("std_dex", "robust_dex"):
            change = of(mean, kind) / of("photon set", kind) - 1
            error = of("photon set", f"{kind}_error") / of("photon set", kind)
            assert (change < 0).sum() == (3 if kind == "std_dex" else 2)
            assert abs(change.mean()) < 1.1 * error.mean()
            by_seed = abs(change.mean()) / np.std(change, ddof=1) * np.sqrt(3)
            assert 2 * t.sf(by_seed, 2) > 2 * norm.sf(3)
        cost = of(mean, "fit_cpu_seconds") / of("photon set", "fit_cpu_seconds")
        assert_allclose(cost.mean(), 2.5, atol=0.05)

    @pytest.mark.parametrize(("kind", "percent"), [("std_dex", -1), ("robust_dex", 1)])
    def test_ten_bands_and_the_redshift_are_little_better(self, of, kind, percent):
        ratio = of("krippendorf2024, ten bands", kind) / of("ho2023, one band", kind)
        assert round(100 * (1 - ratio.mean())) == percent

    def test_one_band_is_worse_than_three(self, of):
        for kind, percent in (("std_dex", 9), ("robust_dex", 13)):
            ratio = of("ho2023, one band", kind) / of(self.NETWORK, kind)
            assert (ratio > 1).all()
            assert round(100 * (ratio.mean() - 1)) == percent

    def test_published_layers_are_not_shown_to_differ(self, of):
        others = (
            "ntampaka2019, one band",
            "yan2020, one band",
            "krippendorf2024, ten bands",
        )
        for name in others:
            for kind in ("std_dex", "robust_dex"):
                change = of(name, kind) / of("ho2023, one band", kind) - 1
                error = np.std(change, ddof=1) / np.sqrt(3)
                chance = 2 * t.sf(abs(change.mean()) / error, len(change) - 1)
                assert chance > 2 * norm.sf(3)
                assert of(self.RIDGE, kind).mean() <= of(name, kind).mean()

    def test_a_ridge_on_three_bands_comes_close_to_the_network(self, of):
        for kind, wider in (("std_dex", 0.070), ("robust_dex", 0.081)):
            change = of(self.RIDGE, kind) / of(self.NETWORK, kind) - 1
            assert_allclose(change.mean(), wider, atol=0.0005)
            eight = of("ridge on rings, eight bands", kind)
            assert eight.mean() > of(self.RIDGE, kind).mean()
        assert of(self.RIDGE, "fit_cpu_seconds").mean() < 10
        assert of("ridge on rings, eight bands", "n_parameters")[0] > 3285

    def test_a_forest_on_morphology_does_not_reach_the_rings(self, of):
        std = {
            radius: of(f"forest on morphology, {radius}", "std_dex").mean()
            for radius in ("true R500c", "iterated R500c", "0.6 Mpc/h")
        }
        assert min(std.values()) > 1.15 * of(self.RIDGE, "std_dex").mean()
        assert std["true R500c"] >= std["0.6 Mpc/h"]


def test_that_pairs_give_better_posteriors_is_not_shown():
    kept = Table.read(ROOT / "experiments/results/pair-posteriors.csv")
    kept = kept[kept["third"] == "all"]
    for estimator in set(kept["estimator"]):
        density = {
            name: np.asarray(part["log_density"])
            for name in ("pairs", "scores", "scores by trend")
            for part in [
                kept[(kept["estimator"] == estimator) & (kept["calibration"] == name)]
            ]
        }
        for name in ("scores", "scores by trend"):
            gain = density["pairs"] - density[name]
            assert (gain > 0).all()
            assert len(gain) == 3
            error = np.std(gain, ddof=1) / np.sqrt(3)
            assert 2 * t.sf(gain.mean() / error, 2) > 2 * norm.sf(3)


class TestSentencesOnTheAblation:
    """What docs/photon_set.rst says of the ablation, from its tables."""

    ROBUST_AGAINST = ("no pixels", "dynamics")

    @pytest.fixture
    def mean(self):
        return Table.read(ROOT / "experiments/results/photon-ablation-mean.csv")

    def of(self, mean, sky, network):
        (row,) = mean[(mean["sky"] == sky) & (mean["network"] == network)]
        return row

    def test_no_part_of_the_gain_is_shown_but_all_seeds_agree(self, mean):
        by_seed = Table.read(ROOT / "experiments/results/photon-ablation.csv")
        clean = by_seed[by_seed["sky"] == "clean"]
        without = [*TABLES["WITHHELD"]]
        assert {*clean["network"]} == {"photon set", *without}
        assert sorted(set(clean["seed"])) == [0, 1, 2]
        assert sum(clean["clusters"][clean["network"] == "photon set"]) == 356
        for kind in ("std", "robust"):
            scatter = {
                (row["seed"], row["network"]): row[f"{kind}_percent"] for row in clean
            }
            for network in without:
                row = self.of(mean, "clean", network)
                ratios = [
                    scatter[seed, network] / scatter[seed, "photon set"]
                    for seed in (0, 1, 2)
                ]
                assert min(ratios) > 1
                assert_allclose(row[f"{kind}_ratio"], np.mean(ratios), atol=2e-3)
                error = np.std(ratios, ddof=1) / np.sqrt(3)
                assert_allclose(row[f"{kind}_ratio_error"], error, atol=2e-3)
                p_value = 2 * t.sf((np.mean(ratios) - 1) / error, 2)
                assert_allclose(
                    row[f"{kind}_ratio_sigma"], norm.isf(p_value / 2), rtol=0.05
                )
                assert row[f"{kind}_ratio_sigma"] < 3
        cost = {name: self.of(mean, "clean", name)["std_ratio"] for name in without}
        assert_allclose(cost["no densities"], cost["paper"], atol=0.05)
        assert_allclose(cost["angles shuffled"], 1.23, atol=0.005)
        assert_allclose(cost["energies shuffled"], 1.13, atol=0.005)

    @pytest.mark.parametrize(
        ("sky", "network", "bias"),
        [
            ("exposure / 2", "paper", -28),
            ("exposure / 2", "photon set", -28),
            ("exposure / 4", "paper", -48),
            ("exposure / 4", "photon set", -52),
            ("centers wrong", "photon set", -5.8),
        ],
    )
    def test_shorter_exposures_and_wrong_centers_lower_masses(
        self, mean, sky, network, bias
    ):
        row = self.of(mean, sky, network)
        assert_allclose(row["bias"], bias, atol=0.5 if abs(bias) > 6 else 0.05)
        assert row["bias_sigma"] < -3

    def test_background_raises_masses_by_an_amount_that_differs(self, mean):
        for sky in ("background x 10", "background x 100"):
            paper, photon_set = (
                self.of(mean, sky, network) for network in ("paper", "photon set")
            )
            assert min(paper["bias"], photon_set["bias"]) > 20
            assert photon_set["bias_error"] > 2 * paper["bias_error"]

    def test_pixels_and_dynamics_change_no_scatter(self, mean):
        for sky in self.ROBUST_AGAINST:
            for network in ("paper", "photon set"):
                assert abs(self.of(mean, sky, network)["std_ratio"] - 1) < 0.025

    def test_neither_network_is_shown_to_be_more_robust(self, mean):
        against = mean[mean["network"] == "photon set against paper"]
        assert len(against) == 10
        for name in ("bias", "std_ratio", "robust_ratio"):
            assert np.abs(against[f"{name}_sigma"]).max() < 3
        (centers,) = against[against["sky"] == "centers wrong"]
        assert_allclose(
            [centers["bias"], centers["bias_error"]], [-3.5, 0.3], atol=0.05
        )
        assert np.abs(against["bias_sigma"]).max() == -centers["bias_sigma"]


class TestSentencesOnPairs:
    """What docs/uncertainty.rst says of posteriors from pairs, from their tables."""

    @staticmethod
    def table(name):
        return Table.read(ROOT / f"experiments/results/pair-posteriors{name}.csv")

    def test_all_clusters_are_covered(self):
        mean = self.table("-mean")
        of_all = mean[mean["third"] == "all"]
        assert len(of_all) == 6
        assert np.abs(of_all["coverage_68"] - 68).max() < 3
        assert np.abs(of_all["coverage_95"] - 95).max() < 1

    def test_pairs_cover_every_third_and_single_scores_do_not(self):
        mean = self.table("-mean")
        thirds = mean[mean["third"] != "all"]
        pairs = thirds["coverage_68"][thirds["calibration"] == "pairs"]
        assert len(pairs) == 6
        assert 69 < pairs.min() < pairs.max() < 72
        ridge = thirds[
            (thirds["calibration"] == "scores")
            & (thirds["estimator"] == "ridge on rings")
        ]
        covered = dict(zip(ridge["third"], ridge["coverage_68"], strict=True))
        assert_allclose([covered["lowest"], covered["highest"]], [64, 76], atol=0.6)

    @pytest.mark.parametrize(
        ("estimator", "gain", "error"),
        [("covariance model", 0.05, 0.02), ("ridge on rings", 0.03, 0.01)],
    )
    def test_that_pairs_are_better_is_not_shown(self, estimator, gain, error):
        table = self.table("")
        table = table[table["estimator"] == estimator]

        def differences(third):
            of_third = table[table["third"] == third]
            pairs, trend = (
                np.asarray(of_third["log_density"][of_third["calibration"] == name])
                for name in ("pairs", "scores by trend")
            )
            return pairs - trend

        every = differences("all")
        assert len(every) == 3
        assert (every > 0).all()
        assert (differences("lowest") > every).all()
        assert (differences("highest") < 0).all()
        assert_allclose(every.mean(), gain, atol=0.005)
        assert_allclose(every.std(ddof=1) / np.sqrt(3), error, atol=0.005)
        for third in ("all", "lowest", "middle", "highest"):
            each = differences(third)
            in_errors = abs(each.mean()) / (each.std(ddof=1) / np.sqrt(3))
            assert norm.isf(t.sf(in_errors, 2)) < 3
