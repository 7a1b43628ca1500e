"""`skcluster predict`: masses of new clusters, from tables or one event list."""

import argparse
import os
from pathlib import Path

from .catalog import Catalog
from .described_masses import columns_text, described
from .list_options import check_energies
from .mass_table import (
    check_has_errors,
    exit_code,
    in_few_digits,
    predicted_masses,
    say_if_unlike,
    table_of,
)
from .model_work import ModelWork
from .new_clusters import (
    add_cluster_options,
    check_galaxies,
    check_galaxies_are_used,
    mapper_and_rest,
    unused_columns,
)
from .outcomes import KeptParts
from .output import print_table
from .output_files import check_is_no_input, check_output
from .parts import add_part_options, checked_jobs, rows_of_share, work_through

CLUSTERS_IN_A_PART = 256


class _HelpWithTable(argparse.HelpFormatter):
    """Help whose epilog keeps its lines."""

    def _fill_text(self, text, width, indent):
        if text == columns_text():
            return text
        return super()._fill_text(text, width, indent)


def add_predict(commands):
    """Add the parser of `predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict masses for photon lists with a stored model",
        description="Predict the masses of new clusters: those of tables like that of "
        "`train` (without masses), or that of one event list with --redshift, --ra and "
        "--dec (and, for a model of `train --joint`, --galaxies).",
        epilog=columns_text(),
        formatter_class=_HelpWithTable,
    )
    add_cluster_options(parser)
    add_part_options(parser)
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
    parser.set_defaults(run=predict)
    return parser


def predict(arguments):
    """Print a table of masses; some clusters have none in it, see `exit_code`."""
    from ..io.table_writing import check_table_path, write_table

    quantiles = _quantiles(arguments.quantiles)
    jobs = checked_jobs(arguments)
    inputs = arguments.model, arguments.galaxies, *arguments.photons
    if arguments.output:
        check_table_path(arguments.output)
        check_output(arguments.output, inputs=[path for path in inputs if path])
    work = MassWork(arguments, quantiles)
    model = work.load()
    check_galaxies_are_used(model, arguments)
    check_has_errors(model, quantiles, arguments.prior_beta)
    mapper, _ = mapper_and_rest(model)
    check_energies(mapper, arguments)
    catalog = Catalog(arguments, mapper, unused_columns(model))
    check_galaxies(model, catalog.has_galaxies, ", ".join(arguments.photons))
    if arguments.output:
        check_is_no_input(arguments.output, catalog.files())
    rows = rows_of_share(len(catalog), arguments.share)
    parts = catalog.parts(rows, CLUSTERS_IN_A_PART)
    kept = KeptParts(
        _folder_of_parts(arguments, parts), work.description(catalog, rows)
    )
    found = work_through(
        work, parts, kept=kept, n_jobs=jobs, what="predicted", dask=arguments.dask
    )
    say_if_unlike(model, found.columns)
    table = table_of(found.columns)
    try:
        if arguments.output:
            described_table = described(table, work, mapper.cosmology)
            write_table(arguments.output, described_table)
            kept.remove()
    finally:  # a disk that is full meanwhile must not cost the masses
        print_table(in_few_digits(table), as_json=arguments.json)
    return exit_code(table, found, rows)


class MassWork(ModelWork):
    """Predict the masses of a part of the clusters.

    Parameters
    ----------
    arguments : Namespace
    quantiles : list of float
    """

    command = "predict"

    def __init__(self, arguments, quantiles):
        super().__init__(arguments)
        self.quantiles = quantiles

    def __call__(self, part, sample, unread, tick):
        return predicted_masses(
            self.load(),
            sample,
            names=part.names,
            unread=unread,
            quantiles=self.quantiles,
            beta=self.arguments.prior_beta,
        )


def _folder_of_parts(arguments, parts):
    """Return the folder that keeps finished parts; None for one part, or no file."""
    path = Path(arguments.output or os.devnull)
    if len(parts) == 1 or (path.exists() and not path.is_file()):
        return None
    return path.with_name(f"{path.name}.parts")


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
