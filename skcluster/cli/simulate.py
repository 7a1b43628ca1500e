"""`skcluster simulate`: write a mock survey as FITS photon lists and a table."""

from pathlib import Path

from ..printable import counted
from ..progress import say
from .output import emit_path, print_record

SKIES = ("eFEDS", "eRASS1")
"""Names of `skcluster.datasets.skies.SKIES`, whose import takes longer than `--help`."""


def add_simulate(commands):
    """Add the parser of `simulate`."""
    parser = commands.add_parser(
        "simulate",
        help="write a mock survey: FITS photon lists and a table",
        description="Write a mock survey: FITS photon and galaxy lists, and the table "
        "clusters.ecsv that `skcluster train` and `predict` read.",
    )
    parser.add_argument("folder", help="where to write")
    parser.add_argument(
        "--clusters", type=int, default=100, help="how many (default: 100)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of all randomness (default: 0)"
    )
    parser.add_argument(
        "--jobs", type=int, default=None, help="processes (default: 1; -1: all cores)"
    )
    parser.add_argument(
        "--sky",
        choices=SKIES,
        help="real survey whose exposures, background, field AGN and errors of centers and "
        "redshifts the mock has (default: an even sky with hardly any background)",
    )
    parser.add_argument(
        "--background",
        type=float,
        help="background as a fraction of eROSITA's real one (default: 0.005, or that of "
        "the sky)",
    )
    parser.add_argument(
        "--no-agn",
        action="store_true",
        help="leave out all AGN, also those of the sky behind the clusters",
    )
    parser.add_argument("--overwrite", action="store_true", help="replace old files")
    parser.set_defaults(run=simulate)
    return parser


def simulate(arguments):
    """Make the survey and write it."""
    from ..datasets import make_mock_survey
    from ..io import write_sample

    table = Path(arguments.folder) / "clusters.ecsv"
    if table.exists() and not arguments.overwrite:
        raise FileExistsError(
            f"There is already a {table}. Give another folder, or --overwrite."
        )
    survey = make_mock_survey(
        arguments.clusters,
        random_state=arguments.seed,
        n_jobs=arguments.jobs,
        sky=arguments.sky,
        background=arguments.background,
        agn=False if arguments.no_agn else None,
        field_agn=False if arguments.no_agn else None,
        verbose=1,
    )
    path = write_sample(
        arguments.folder,
        survey.sample,
        overwrite=arguments.overwrite,
        verbose=1,
        log_mass=survey.log_mass,
    )
    n_clusters, n_photons = len(survey.sample), survey.sample.photons.offsets[-1]
    say(f"Wrote {counted(n_clusters, 'mock cluster')}, {counted(n_photons, 'photon')}.")
    if arguments.json:
        print_record(
            {"table": str(path), "n_clusters": n_clusters, "n_photons": n_photons}
        )
    else:
        emit_path(path)
    return 0
