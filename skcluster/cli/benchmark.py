"""`skcluster benchmark`: compare estimators on the same clusters, maps and folds."""

import argparse
from dataclasses import replace
from pathlib import Path

from ..printable import counted
from ..progress import say
from .output import print_table, require_matplotlib

INCOMPLETE = 3

EXAMPLE = """\
CONFIG is a TOML file:

  output = "results"             # folder, beside CONFIG
  reference = "rings"            # the others are compared with it (optional)

  [survey]                       # a mock survey with any switch of make_mock_survey
  n_clusters = 3285
  seeds = [0, 1, 2]              # also of the estimators
  agn = true
                                 # or: table = "clusters.csv", target = "log_mass"
  [maps]
  n_pixels = 64

  [folds]                        # octants of the box by default
  max_folds = 2                  # run only the first two
  box_size = 352                 # of a table: side of its box [comoving Mpc/h]

  [parameters]                   # of every estimator that has them
  n_threads = 1
  precision = "bfloat16"

  [estimators.n_phot]            # a built-in estimator by its name
  [estimators.rings]
  [estimators."paper, 100 epochs"]
  builtin = "ho2023_three_bands"
  arguments = { max_epochs = 100 }
  [estimators.mine]              # or your own, in a module beside CONFIG
  factory = "my_module:make_estimator"
  arguments = { depth = 3 }
  bands = "three"                # its X is a sample with these maps; or
                                 # photon_features = true: of each photon; or
                                 # columns = ["n_phot", "sigma_v"]: a table of ln S and z
  [estimators.both]              # the mean of others, for which nothing is trained
  mean_of = ["n_phot", "rings"]

An entry without any of these gets the sample with its photons and galaxies. CONFIG
and the modules that it names run as code: use only those that you trust.

"""

ENDING = """
Each fold of each estimator is kept in a file. Run the same command again after Ctrl-C, a
kill or --minutes, and it goes on with what is missing; a changed entry is trained again.
Exit code 3: some folds are missing or failed.
"""


def add_benchmark(commands):
    """Add the parser of `benchmark`."""
    parser = commands.add_parser(
        "benchmark",
        help="compare estimators on the same clusters, maps and folds",
        description="Cross-validate estimators in equal contexts, fold by fold, and write "
        "results.csv, summary.csv, results.md, scatter.png and time_to_accuracy.png.",
        epilog=EXAMPLE + _built_in() + ENDING,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="TOML file, see below")
    parser.add_argument(
        "--tables-only",
        action="store_true",
        help="make tables and figures from the files that are there; train nothing",
    )
    parser.add_argument(
        "--minutes", type=float, help="begin no fold after this many minutes"
    )
    parser.add_argument(
        "--jobs", type=int, help="folds at a time (default: n_jobs of CONFIG, or 1)"
    )
    parser.add_argument(
        "-o", "--output", metavar="FOLDER", help="folder in place of that of CONFIG"
    )
    parser.set_defaults(run=benchmark)
    return parser


def benchmark(arguments):
    """Run what is missing of a contest, and write its tables and figures."""
    from ..contest import read_configuration, run_contest
    from ..contest.reports import readable_table, write_results
    from ..parameters import NJobs, Positive

    require_matplotlib(by="`skcluster benchmark`")
    minutes = (Positive() | None).check("--minutes", arguments.minutes)
    jobs = NJobs().check("--jobs", arguments.jobs)
    configuration = read_configuration(arguments.config)
    if jobs is not None:
        configuration = replace(configuration, n_jobs=jobs)
    if arguments.output is not None:
        configuration = replace(configuration, output=Path(arguments.output))
    code = 0
    if not arguments.tables_only:
        try:
            outcome = run_contest(configuration, minutes=minutes)
        except KeyboardInterrupt:
            say("Finished folds are kept. The same command goes on from here.")
            raise
        code = _report(outcome)
        if not outcome.n_trained + outcome.n_kept:
            why = "time was up" if outcome.n_left else "all of them failed"
            say(f"Without any fold there are no tables: {why}.")
            return code
    summary = write_results(configuration)
    shown = summary if arguments.json else readable_table(summary)
    print_table(shown, as_json=arguments.json)
    say(f"Wrote {configuration.output}/results.md, the tables and figures beside it.")
    return code


def _report(outcome):
    """Say how many folds there are, and what the next run will do; return the exit code."""
    n_missing = outcome.n_left + len(outcome.failures)
    say(
        f"{counted(outcome.n_trained, 'fold')} trained, {outcome.n_kept} kept from "
        f"before, {n_missing} missing.",
        is_problem=n_missing > 0,
    )
    if outcome.n_left:
        say("The same command goes on with what is missing.")
    if outcome.failures:
        say("Folds that failed, see above, are tried again by the same command.")
    return INCOMPLETE if n_missing else 0


def _built_in():
    from ..contest.entries import BUILT_IN

    width = max(map(len, BUILT_IN))
    lines = [f"  {name:{width}}  {each.says}" for name, each in BUILT_IN.items()]
    return "\n".join(["Built-in estimators:", "", *lines, ""])
