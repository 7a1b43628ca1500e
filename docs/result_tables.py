"""Tables of the site and of the README, drawn from the committed result files.

    python docs/result_tables.py          # print every table
    python docs/result_tables.py --write  # and write the README's into README.md

A page says ``.. result-table:: NAME`` where the table belongs, and ``|NAME|`` for a
fact in a sentence; conf.py lets `expanded` replace them before Sphinx reads the page.
So nobody types a result by hand: a new run changes the files, and they the pages.
"""

import re
import runpy
import sys
from pathlib import Path

import numpy as np
from astropy.table import Table

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "experiments" / "results"
CATALOG = ROOT / "benchmarks" / "results" / "catalog.csv"
SPEED_UP = ROOT / "benchmarks" / "results" / "catalog_speed_up.csv"
CONTEST = RESULTS / "equal_contexts"

# Posteriors whose coverage in parts is shown: those of networks.
NETWORKS = ("gaussian_nll", "MC dropout")
RIVAL = "ho2023, three bands"
ITS_RIVALS = (
    "recommended network, eight bands",
    "photon set",
    "mean of photon set and recommended network",
)

KINDS = ("std", "robust")

BLOCK = re.compile(r"^\.\. result-table:: (.+)\n((?:   :.+\n)*)", re.M)
FACT = re.compile(r"\|(n_tested|n_octants|without_predictions|made_with)\|")
IN_README = re.compile(r"(<!-- results -->\n).*?(<!-- /results -->)", re.S)


def kept(path):
    """Read a committed table."""
    return Table.read(RESULTS / path)


def files_of_results():
    """Return what the tables depend on: the result files and this module."""
    of_experiments = [*RESULTS.rglob("*.csv"), *RESULTS.rglob("*.md")]
    return [Path(__file__), CATALOG, SPEED_UP, *of_experiments]


def markdown_rows():
    """Return the readable table of the contest, as `skcluster benchmark` wrote it."""
    lines = (CONTEST / "results.md").read_text("utf-8").splitlines()
    cells = [line.strip("| ").split(" | ") for line in lines if line.startswith("| ")]
    return [dict(zip(cells[0], row, strict=True)) for row in cells[1:]]


def columns_of(rows, titles):
    """Return a header and rows of the columns named, under their titles on the page."""
    return [[*titles.values()]] + [[row[name] for name in titles] for row in rows]


def equal_contexts():
    """Accuracy of every estimator of the contest."""
    titles = {
        "estimator": "estimator",
        "std [%]": "std [%]",
        "robust [%]": "robust [%]",
        "median bias [dex]": "median bias [dex]",
        "slope with log M": "slope with log M",
    }
    return columns_of(markdown_rows(), titles)


def equal_contexts_errors():
    """Coverage and cost of every estimator of the contest."""
    titles = {
        "estimator": "estimator",
        "training [CPU s]": "CPU s",
        "parameters": "parameters",
        "in 68 % [%]": "in 68 %",
        "in 95 % [%]": "in 95 %",
    }
    return columns_of(markdown_rows(), titles)


def front():
    """Scatter and cost of what an observer can use, all costs of one machine."""
    titles = {
        "estimator": "estimator",
        "std [%]": "std [%]",
        "robust [%]": "robust [%]",
        "training [CPU s]": "training [CPU s]",
    }
    rows = markdown_rows()
    left_out = r"^(?!.*true R500c|mean of|ho2023, one band|ridge on rings, eight bands)"
    is_shown = re.compile(left_out)
    return columns_of([row for row in rows if is_shown.match(row["estimator"])], titles)


def significance_of_mean(*arguments):
    """Call `significance_of_mean` of the experiments."""
    script = ROOT / "experiments" / "significance.py"
    return runpy.run_path(str(script))["significance_of_mean"](*arguments)


def gains():
    """Gains over the paper's three-band network in each survey, with their sigma."""
    table = kept("equal_contexts/results.csv")
    seeds = ", ".join(str(seed) for seed in sorted(set(table["seed"])))
    rows = [["estimator", f"std, seeds {seeds}", f"robust, seeds {seeds}"]]
    for name in ITS_RIVALS:
        part = table[table["estimator"] == name]
        cells = [name]
        for kind in ("std_gain", "robust_gain"):
            sigma = significance_of_mean(part[kind], part[f"{kind}_error"])
            shown = ", ".join(f"{100 * each:.1f}" for each in part[kind])
            cells.append(f"{shown} ({sigma:.1f} sigma)")
        rows.append(cells)
    return rows


def scalar_proxies():
    """Scatter of the scalar proxies over all octants of three surveys."""
    names = ["std_percent", "std_percent_error", "std_percent_between_seeds"]
    rows = [["estimator", "std [%]", "error", "between surveys"]]
    return rows + [
        [row["estimator"], *(f"{row[name]:.1f}" for name in names)]
        for row in kept("scalar_systems/summary.csv")
    ]


def proxy_subsets():
    """Errors of all combinations of measured proxies, the best first."""
    rows = [["proxies", "error of ln M [%]"]]
    return rows + [
        [row["proxies"], f"{row['cv_error_percent']:.1f}"]
        for row in kept("scalar_systems/subsets.csv")
        if row["proxies_of"] == "measured"
    ]


def coverage():
    """Coverage of all clusters, with the p-values of every seed."""
    levels = (50, 68, 90, 95)
    mean, by_seed = kept("coverage-mean.csv"), kept("coverage-by-seed.csv")
    seeds = ", ".join(str(seed) for seed in sorted(set(by_seed["seed"])))
    rows = [
        ["posterior", "std", "mean error"]
        + [f"{level} %" for level in levels]
        + [f"p of the PIT, seeds {seeds}"]
    ]
    for row in mean[mean["quantity"] == "all"]:
        same = (by_seed["quantity"] == "all") & np.logical_and.reduce(
            [by_seed[name] == row[name] for name in ("estimator", "posterior")]
        )
        rows.append(
            [
                f"{row['estimator']}, {row['posterior']}",
                f"{row['scatter']:.1f}",
                f"{row['mean_error']:.1f}",
                *(covered(row, level) for level in levels),
                ", ".join(f"{p:.2g}" for p in by_seed[same]["p_two_samples"]),
            ]
        )
    return rows


def coverage_in_thirds():
    """Coverage of 68 % intervals in thirds of predicted mass and of redshift."""
    header = [
        f"{part} {name}"
        for name in ("mass", "redshift")
        for part in ("lowest", "middle", "highest")
    ]
    return covered_parts(header, "predicted mass", "redshift")


def coverage_at_the_end():
    """Coverage of 68 % intervals near the least training mass."""
    header = ["within 0.1 dex", "0.1 to 0.2", "0.2 to 0.3", "beyond"]
    return covered_parts(header, "above least mass")


def covered_parts(header, *quantities):
    """Return the coverage of each network's 68 % intervals in the bins of quantities."""
    mean = kept("coverage-mean.csv")
    rows = [["68 % intervals", *header]]
    of_all = mean[mean["quantity"] == "all"]
    for estimator, posterior in zip(
        of_all["estimator"], of_all["posterior"], strict=True
    ):
        if estimator not in NETWORKS:
            continue
        of_row = (mean["estimator"] == estimator) & (mean["posterior"] == posterior)
        cells = [
            covered(row, 68)
            for quantity in quantities
            for row in mean[of_row & (mean["quantity"] == quantity)]
        ]
        rows.append([f"{estimator}, {posterior}", *cells])
    return rows


def apertures():
    """Scatter of masses from counts in true, iterated and fixed apertures."""
    mean = kept("apertures-mean.csv")
    skies = ("paper", "eFEDS")
    rows = [["aperture", *(f"{sky}, {kind}" for sky in skies for kind in KINDS)]]
    for name in dict.fromkeys(kept("apertures.csv")["aperture"]):
        parts = [
            mean[(mean["aperture"] == name) & (mean["sky"] == sky)][0] for sky in skies
        ]
        cells = [with_error(part, kind, 3) for part in parts for kind in KINDS]
        rows.append([name, *cells])
    return rows


def pair_posteriors():
    """Coverage of posteriors by kernel densities of pairs, beside those by scores."""
    mean = kept("pair-posteriors-mean.csv")
    titles = {"coverage_68": "in 68 % [%]", "coverage_95": "in 95 % [%]"}
    titles |= {"mean_error": "mean error [%]", "log_density": "log density"}
    thirds = [f"{name} third, in 68 %" for name in ("lowest", "middle", "highest")]
    rows = [["estimator, calibration", *titles.values(), *thirds]]
    for part in mean[mean["third"] == "all"]:
        same = mean[
            (mean["estimator"] == part["estimator"])
            & (mean["calibration"] == part["calibration"])
        ]
        digits = {"log_density": 3}
        cells = [with_error(part, name, digits.get(name, 1)) for name in titles]
        for name in ("lowest", "middle", "highest"):
            (third,) = same[same["third"] == name]
            cells.append(with_error(third, "coverage_68", 1))
        rows.append([f"{part['estimator']}, {part['calibration']}", *cells])
    return rows


def neural_slopes():
    """How far slopes from a network's masses are off, with and without its covariance."""
    rows = [["observable", "ρ", "slope", "ρ = 0", "with the covariance", "difference"]]
    for row in kept("neural-proxy-slopes-mean.csv"):
        off = [
            f"{with_error(row, name, 1, '+')} ({row[f'{name}_sigma']:+.1f})"
            for name in ("rho_0", "with_covariance", "bias")
        ]
        cells = [with_error(row, "rho", 3, "+"), with_error(row, "true", 3)]
        rows.append([LABELS[row["observable"]], *cells, *off])
    return rows


def neural_gains():
    """Errors of masses by proxies without and with a network, for every seed."""
    table = kept("neural-proxy-gains.csv")
    seeds = ", ".join(str(seed) for seed in sorted(set(table["seed"])))
    rows = [["proxies", f"alone, seeds {seeds}", "with the network"]]
    for name in dict.fromkeys(table["proxies"]):
        part = table[table["proxies"] == name]
        cells = [
            ", ".join(f"{value:.1f}" if np.isfinite(value) else "–" for value in values)
            for values in (part["without"], part["with_network"])
        ]
        label = ", ".join(LABELS[each] for each in name.split(", "))
        rows.append([label, *("–" if "–" in cell else cell for cell in cells)])
    return rows


LABELS = {name: name for name in ("none", "T", "L_X", "M_gas", "M_star")} | {
    "n_phot": "N_phot",
    "n_phot_500c": "N_phot,500c",
    "n_gal": "N_gal",
    "sigma_v": "σ_v",
}


def explanations():
    """Claims about what networks look at, with the numbers that decide them."""
    table = kept("explanations.csv")
    rows = [["claim", "", "numbers"]]
    for claim in dict.fromkeys(table["claim"]):
        part = table[table["claim"] == claim]
        numbers = "; ".join(
            f"{row['number']}: {row['value']:.3f} ± {row['error_clusters']:.3f} "
            f"± {row['error_seeds']:.3f}, {row['sigma']:.2f} sigma"
            for row in part
        )
        rows.append([claim, part["verdict"][0], numbers])
    return rows


def dynamical_state():
    """What morphology knows of the mass in a simulation and in the mock survey."""
    table = kept("dynamical-state.csv")
    values = {(row["sample"], row["quantity"]): float(row["value"]) for row in table}
    seeds = sorted({int(name.split()[-1]) for name in table["sample"] if " " in name})
    samples = {
        "Green et al.": ["Green+19"],
        "as many of theirs": [f"as many {seed}" for seed in seeds],
        "``dynamics=True``": [f"dynamics {seed}" for seed in seeds],
        "``dynamics=False``": [f"without {seed}" for seed in seeds],
    }
    rows = [["quantity", *samples]]
    for quantity in dict.fromkeys(table["quantity"][table["sample"] == "Green+19"]):
        digits = 0 if quantity == "n" or "%" in quantity else 2
        digits = 3 if "dex" in quantity else digits
        cells = (
            ", ".join(f"{values[name, quantity]:.{digits}f}" for name in names)
            for names in samples.values()
        )
        rows.append([quantity, *cells])
    return rows


STRESSES = {
    "center": ("center off by", '{:g}"', (10, 20, 60)),
    "redshift": ("redshift off by", "{:g}", (0.005, 0.01, 0.02)),
    "cosmology": ("Ωm =", "{:g}", (0.2, 0.4)),
    "exposure": ("exposure ×", "{:g}", (0.1, 0.3, 3.0)),
    "exposure ignored": ("exposure ×", "{:g}, ignored", (0.3,)),
}
"""Stresses that the pages show: their name, levels, and how these are spelled."""


def stress_changes():
    """Mean change of log10 M under each stress."""
    return stressed("change", "+")


def stress_scatters():
    """Scatter of log10 M without stress and under each."""
    return stressed("scatter")


def stressed(kind, sign=""):
    """Return a row per stress and level, and a column per model."""
    mean = kept("stress-tests-mean.csv")
    names = [*dict.fromkeys(kept("stress-tests.csv")["model"])]
    columns = {name: mean[mean["model"] == name] for name in names}
    chosen = [("none", 0.0, "no stress")] if kind == "scatter" else []
    for stress, (words, spelled, levels) in STRESSES.items():
        chosen += [(stress, at, f"{words} {spelled.format(at)}") for at in levels]
    rows = [["stress", *names]]
    for stress, level, words in chosen:
        cells = []
        for part in columns.values():
            is_it = (part["stress"] == stress) & np.isclose(part["level"], level)
            cells.append(with_error(part[is_it][0], kind, 3, sign))
        rows.append([words, *cells])
    return rows


def sky_ladder():
    """Scatter of estimators under three skies, and their gain over counts."""
    mean, by_seed = kept("sky-ladder-mean.csv"), kept("sky-ladder.csv")
    skies = [*dict.fromkeys(by_seed["sky"])]  # in the order of the experiment
    titles = [f"{sky}, {what}" for sky in skies for what in ("std [dex]", "gain [%]")]
    rows = [["estimator", *titles]]
    for name in dict.fromkeys(by_seed["estimator"]):
        cells = [name]
        for sky in skies:
            (row,) = mean[(mean["estimator"] == name) & (mean["sky"] == sky)]
            cells += with_error(row, "std", 3), with_error(row, "std_gain", 1, "+")
        rows.append(cells)
    return rows


def contest_skies():
    """Scatters of all estimators of the contest under each sky."""
    return by_sky(lambda row: with_error(row, "std", 1))


def contest_skies_gains():
    """Gains over the paper's network under each sky, and their sigma."""
    others = ("N_phot", "ho2023, three bands")
    return by_sky(lambda row: with_sigma(row, "std_gain", 1, "+"), without=others)


def by_sky(cell, without=()):
    """Return a row per sky, with a cell for each estimator of the contest."""
    mean = kept("contest-skies-mean.csv")
    names = [name for name in dict.fromkeys(mean["estimator"]) if name not in without]
    rows = [["sky", *names]]
    for sky in dict.fromkeys(mean["sky"]):
        part = mean[mean["sky"] == sky]
        rows.append(
            [sky, *(cell(part[part["estimator"] == each][0]) for each in names)]
        )
    return rows


def learning_curve():
    """Scatters of three estimators by the number of their training clusters."""
    mean = kept("learning-curve-mean.csv")
    names = [*dict.fromkeys(mean["estimator"])]
    rows = [["share of the clusters", "training clusters", *names]]
    for share in dict.fromkeys(mean["share"]):
        part = mean[mean["share"] == share]
        cells = [
            f"{with_error(row, 'std', 1)}, {with_error(row, 'robust', 1)}"
            for row in part
        ]
        rows.append([f"{share:g}", f"{part['clusters'][0]:.0f}", *cells])
    return rows


def map_size():
    """Scatters of networks on maps of 64 and of 128 pixels per side."""
    rows = [["estimator", "std [%]: 64, 128", "robust [%]: 64, 128", "smaller by [%]"]]
    for row in kept("map-size.csv"):
        scatters = [
            f"{row[f'{kind}_64']:.1f}, {row[f'{kind}_128']:.1f}"
            for kind in ("std", "robust")
        ]
        gains = [with_error(row, f"{kind}_gain", 1, "+") for kind in ("std", "robust")]
        rows.append([row["estimator"], *scatters, ", ".join(gains)])
    return rows


WITHHELD = {
    "paper": "the paper's network",
    "no densities": "photon set without local densities",
    "energies shuffled": "photon set, energies shuffled",
    "angles shuffled": "photon set, angles shuffled",
}
RATIOS = ("std_ratio", "robust_ratio")
RATIO_TITLES = ("std / that of the photon set", "robust / that of the photon set")


def photon_ablation():
    """Scatters of networks that lack something, in units of the photon set's."""
    mean = kept("photon-ablation-mean.csv")
    clean = mean[mean["sky"] == "clean"]
    rows = [["network", *RATIO_TITLES]]
    for network, words in WITHHELD.items():
        (row,) = clean[clean["network"] == network]
        rows.append([words, *(with_sigma(row, name, 2) for name in RATIOS)])
    return rows


def photon_robustness():
    """Changes of both networks under other skies."""
    mean = kept("photon-ablation-mean.csv")
    names = ("paper", "photon set")
    titles = ("bias [%]", "std ratio")
    rows = [["sky", *(f"{name}: {title}" for title in titles for name in names)]]
    for sky in dict.fromkeys(mean["sky"]):
        of_sky = mean[(mean["sky"] == sky) & (sky != "clean")]
        if len(of_sky):
            parts = [of_sky[of_sky["network"] == name][0] for name in names]
            rows.append(
                [str(sky)]
                + [with_sigma(part, "bias", 1, "+") for part in parts]
                + [with_sigma(part, "std_ratio", 2) for part in parts]
            )
    return rows


def with_sigma(row, name, digits, sign=""):
    """Spell a value with its error and its sigma."""
    return f"{with_error(row, name, digits, sign)} ({abs(row[f'{name}_sigma']):.1f})"


def real_sky():
    """Masses of two real clusters by each estimator, and what their radii imply."""
    table = kept("real-sky.csv")
    titles = "cluster", "estimator", "log10 M", "error of one mass", "published R500"
    rows = [[*titles, "difference / error"]]
    for position, name in dict.fromkeys(
        zip(table["position"], table["estimator"], strict=True)
    ):
        is_it = (table["position"] == position) & (table["estimator"] == name)
        part = table[is_it]
        if position.startswith("blank"):
            continue
        mass, published = np.mean(part["mass"]), part["published"][0]
        between = np.std(part["mass"], ddof=1) / np.sqrt(len(part))
        width = np.mean(part["high"] - part["low"]) / 2
        spelled = f"{mass:.2f} ± {between:.2f}", f"{width:.2f}", f"{published:.2f}"
        names = str(position), str(name)
        rows.append([*names, *spelled, f"{(mass - published) / width:+.1f}"])
    return rows[:1] + sorted(rows[1:], key=lambda row: row[0], reverse=True)


def catalog_cost():
    """Cost of `skcluster predict` for catalogs of many clusters, in medians over turns."""
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "bench_catalog.py"))
    found = benchmark["read_pieces"](CATALOG)
    header = ["clusters", "workers", "CPU ms per cluster", "CPU s", "command [MiB]"]
    rows = [[*header, "largest worker [MiB]", "turns"]]
    for n_clusters, n_jobs in sorted({key[:2] for key in found}):
        turns = [key for key in found if key[:2] == (n_clusters, n_jobs)]
        n_turns = sum(benchmark["is_finished"](found[key]) for key in turns)
        if n_turns == 0 or n_clusters == n_jobs * benchmark["PART"]:
            continue
        cost = benchmark["per_cluster"](found, n_clusters, n_jobs)
        cpu, _, _, command, worker = benchmark["medians"](found, n_clusters, n_jobs)
        sizes = [f"{command:.0f}", f"{worker:.0f}" if n_jobs > 1 else ""]
        row = [f"{n_clusters:,}", f"{n_jobs}", f"{cost:.1f}", f"{cpu:.0f}"]
        rows.append([*row, *sizes, f"{n_turns}"])
    return rows


def catalog_speed_up():
    """Seconds on the clock that more clusters take `skcluster predict`, by its workers."""
    benchmark = runpy.run_path(str(ROOT / "benchmarks" / "bench_catalog.py"))
    found = benchmark["read_pieces"](SPEED_UP)
    of_start = {n_jobs * benchmark["PART"] for _, n_jobs, _ in found}
    sizes = sorted({key[0] for key in found} - of_start)
    n_turns = 1 + max(turn for _, _, turn in found)
    more = {
        n_jobs: np.array(
            [
                np.subtract(*(clock(found[n, n_jobs, i]) for n in sizes[::-1]))
                for i in range(n_turns)
            ]
        )
        for n_jobs in sorted({key[1] for key in found})
    }
    rows = [["workers", f"{np.ptp(sizes):,} clusters more take [s]", "speed-up"]]
    for n_jobs, seconds in more.items():
        ratio = with_range(more[1] / seconds) if n_jobs > 1 else "1"
        rows.append([f"{n_jobs}", with_range(seconds), ratio])
    return rows


def with_range(values):
    """Spell the median of values with the lowest and the highest of them."""
    return f"{np.median(values):.1f} ({min(values):.1f} to {max(values):.1f})"


def clock(pieces):
    """Return the seconds on the clock of a measurement of `bench_catalog.py`."""
    return sum(piece[2] for piece in pieces)


def with_error(row, name, digits, sign=""):
    """Spell a value with its error."""
    error = row["error" if name == "change" else f"{name}_error"]
    return f"{row[name]:{sign}.{digits}f} ± {error:.{digits}f}"


def covered(row, level):
    """Spell a coverage with its error."""
    return f"{row[f'coverage_{level}']:.1f} ± {row[f'error_{level}']:.1f}"


TABLES = {
    "equal contexts": equal_contexts,
    "equal contexts, errors and cost": equal_contexts_errors,
    "front": front,
    "gains": gains,
    "scalar proxies": scalar_proxies,
    "proxy subsets": proxy_subsets,
    "coverage": coverage,
    "coverage in thirds": coverage_in_thirds,
    "coverage at the end": coverage_at_the_end,
    "apertures": apertures,
    "real sky": real_sky,
    "stress changes": stress_changes,
    "stress scatters": stress_scatters,
    "sky ladder": sky_ladder,
    "learning curve": learning_curve,
    "map size": map_size,
    "contest skies": contest_skies,
    "contest skies, gains": contest_skies_gains,
    "pair posteriors": pair_posteriors,
    "photon ablation": photon_ablation,
    "photon robustness": photon_robustness,
    "neural slopes": neural_slopes,
    "neural gains": neural_gains,
    "explanations": explanations,
    "dynamical state": dynamical_state,
    "catalog cost": catalog_cost,
    "catalog speed-up": catalog_speed_up,
}


def facts():
    """Return what a page may say in a sentence, by its name between bars."""
    summary = kept("equal_contexts/summary.csv")
    report = (CONTEST / "results.md").read_text("utf-8")
    missing = re.search(r"^Without any prediction: (.+)\.$", report, re.M)
    return {
        "n_tested": str(summary["n_clusters"][0]),
        "n_octants": str(summary["n_folds"][0]),
        "without_predictions": missing[1] if missing else "none",
        "made_with": re.search(r"Versions: (.+)\.$", report, re.M)[1],
    }


def expanded(page):
    """Return the text of a page with its tables and numbers filled in.

    Parameters
    ----------
    page : str
        Source in reStructuredText.

    Returns
    -------
    page : str
    """
    page = FACT.sub(lambda match: facts()[match[1]], page)
    return BLOCK.sub(lambda match: as_rst(TABLES[match[1]](), match[2]), page)


def as_rst(rows, options=""):
    """Return rows as a csv-table, the first of them as its header."""
    header, *body = [", ".join(map(csv_cell, row)) for row in rows]
    lines = [".. csv-table::", f"   :header: {header}", *options.splitlines(), ""]
    return "\n".join([*lines, *(f"   {row}" for row in body)]) + "\n"


def as_markdown(rows):
    """Return rows as a table in Markdown, the first of them as its header."""
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|---" * len(rows[0]) + "|", *lines[1:]]) + "\n"


def csv_cell(cell):
    """Return a cell as it is for a decimal number, or else in quotes."""
    if re.fullmatch(r"-?\d+\.\d+", cell):
        return cell
    return '"' + cell.replace('"', '""') + '"'


def with_results(readme):
    """Return the text of the README with its table filled in."""
    return IN_README.sub(
        lambda match: match[1] + as_markdown(front()) + match[2], readme
    )


def main(arguments):
    """Print all tables; with ``--write``, write the README's."""
    for name, table in TABLES.items():
        print(f"{name}\n\n{as_markdown(table())}")
    if "--write" in arguments:
        readme = ROOT / "README.md"
        readme.write_text(with_results(readme.read_text("utf-8")), "utf-8")


if __name__ == "__main__":
    main(sys.argv[1:])
