"""`skcluster predict`: masses of new clusters, from tables or one event list."""

from .mass_table import exit_code, predicted_masses
from .new_clusters import (
    add_cluster_options,
    check_galaxies,
    check_galaxies_are_used,
    load_photon_model,
    mapper_and_rest,
    new_clusters,
)
from .output import print_table
from .output_files import check_is_no_input, check_output, files_of_tables


def add_predict(commands):
    """Add the parser of `predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict masses for photon lists with a stored model",
        description="Predict the masses of new clusters: those of tables like that of "
        "`train` (without masses), or that of one event list with --redshift, --ra and "
        "--dec (and, for a model of `train --joint`, --galaxies).",
    )
    add_cluster_options(parser)
    parser.add_argument(
        "--quantiles",
        metavar="Q,Q",
        help='quantiles of the posterior as more columns, for instance "0.025,0.975"',
    )
    parser.add_argument(
        "--prior-beta",
        type=float,
        metavar="BETA",
        help="population prior M^-BETA in place of the training set's distribution",
    )
    parser.add_argument(
        "-o",
        "--output",
        metavar="FILE",
        help="also write the table, and replace a file of that name: *.csv, *.ecsv, "
        "*.fits, *.parquet",
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(run=predict)
    return parser


def predict(arguments):
    """Print a table of masses; some clusters have none in it, see `exit_code`."""
    from ..io.table_writing import check_table_path, write_table

    quantiles = _quantiles(arguments.quantiles)
    inputs = arguments.model, arguments.galaxies, *arguments.photons
    if arguments.output:
        check_table_path(arguments.output)
        check_output(arguments.output, inputs=[path for path in inputs if path])
    model = load_photon_model(arguments.model)
    check_galaxies_are_used(model, arguments)
    mapper, _ = mapper_and_rest(model)
    sample, unread = new_clusters(arguments, mapper.cosmology)
    check_galaxies(model, sample, ", ".join(arguments.photons))
    if arguments.output:
        check_is_no_input(arguments.output, files_of_tables(arguments.photons))
    table = predicted_masses(
        model, sample, unread=unread, quantiles=quantiles, beta=arguments.prior_beta
    )
    try:
        if arguments.output:
            write_table(arguments.output, table)
    finally:  # a disk that is full meanwhile must not cost the masses
        print_table(table, as_json=arguments.json)
    return exit_code(table, unread)


def _quantiles(text):
    try:
        quantiles = [float(part) for part in (text or "").split(",") if part]
    except ValueError:
        quantiles = [2.0]
    if not all(0 < q < 1 for q in quantiles):
        raise ValueError(
            f'--quantiles must be numbers between 0 and 1, like "0.16,0.84", got {text!r}.'
        )
    return quantiles
