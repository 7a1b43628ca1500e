"""`skcluster train` and `skcluster predict`: models from tables, masses from lists."""

from pathlib import Path

import numpy as np

from ..networks import ARCHITECTURES, JOINT_ARCHITECTURES
from ..paper import HALF_WIDTH
from .clusters import (
    add_cluster_options,
    check_galaxies,
    exit_code,
    load_photon_model,
    mapper_and_rest,
    new_clusters,
    predicted_masses,
)
from .output import print_record, print_table, say


def add_train(commands):
    """Add the parser of `train`."""
    parser = commands.add_parser(
        "train",
        help="train a network on a table of clusters and store it",
        description="Train PhotonMapper - RedshiftNormalizer - LogScaler - "
        "XrayCNNRegressor on a table with one row per cluster: redshift, ra, dec [deg], "
        "photons (path of the list) and the true log_mass. With --joint it ends in "
        "JointCNNRegressor, and the table has a column galaxies, too: paths of lists "
        "with ra, dec, z or x, y, v.",
    )
    parser.add_argument("table", help="CSV, ECSV, FITS or Parquet")
    parser.add_argument("-o", "--output", required=True, help="the model, *.skops")
    parser.add_argument("--target", default="log_mass", help="column of log10 M500c")
    parser.add_argument(
        "--bands",
        default="0.5-10",
        help='energy bands in keV, for instance "0.5-1.2,1.2-2,2-7" (default: 0.5-10)',
    )
    parser.add_argument("--pixels", type=int, default=128, help="default: 128")
    parser.add_argument(
        "--half-width", type=float, default=HALF_WIDTH, help="[comoving Mpc/h]"
    )
    parser.add_argument("--cosmology", default="WMAP7", help="an astropy name")
    _add_network_options(parser)
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(run=train)
    return parser


def _add_network_options(parser):
    parser.add_argument(
        "--architecture",
        default="ho2023",
        choices=sorted({*ARCHITECTURES, *JOINT_ARCHITECTURES}),
        help="the network (default: ho2023)",
    )
    parser.add_argument("--epochs", type=int, default=200, help="at most; default: 200")
    parser.add_argument("--members", type=int, default=1, help="networks to average")
    parser.add_argument("--dropout", type=float, help="default: 0, with --joint 0.1")
    parser.add_argument(
        "--loss",
        default="mse",
        choices=("mse", "mae", "gaussian_nll"),
        help="gaussian_nll learns the errors of masses, too (default: mse)",
    )
    parser.add_argument(
        "--dropout-draws", type=int, default=0, help="Monte Carlo dropout; default: 0"
    )
    parser.add_argument(
        "--calibrate",
        action="store_true",
        help="learn the width of posteriors on held-out octants (or fifths, where the "
        "table has no positions): as many more trainings",
    )
    parser.add_argument("--augment", action="store_true", help="turn and flip maps")
    parser.add_argument(
        "--joint", action="store_true", help="learn from photons and galaxies"
    )
    parser.add_argument(
        "--bins",
        type=int,
        default=64,
        help="cells a side of the galaxies' cubes, of which --pixels is a multiple "
        "(default: 64)",
    )
    parser.add_argument(
        "--allow-missing",
        action="store_true",
        help="with --joint, take clusters without galaxies, too",
    )
    parser.add_argument("--checkpoints", help="folder to go on from after a stop")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--device", default="auto", help="default: a GPU if there is one"
    )


def train(arguments):
    """Fit the pipeline of the paper and store it."""
    from sklearn.pipeline import make_pipeline

    from .. import (
        CalibratedMassRegressor,
        LogScaler,
        PhotonMapper,
        RedshiftNormalizer,
    )
    from ..estimator_parts import last_step
    from ..io import read_sample
    from ..persistence import save_model

    _make_folder_of(arguments.output)
    mapper = PhotonMapper(
        bands=_bands(arguments.bands),
        n_pixels=arguments.pixels,
        half_width=arguments.half_width,
        cosmology=arguments.cosmology,
    )
    steps = RedshiftNormalizer(), LogScaler(), _regressor(arguments)
    if arguments.calibrate:
        steps = (CalibratedMassRegressor(make_pipeline(*steps)),)
    pipeline = make_pipeline(mapper, *steps)
    sample, columns = read_sample(
        arguments.table, cosmology=arguments.cosmology, verbose=1
    )
    if arguments.target not in columns:
        raise ValueError(
            f"{arguments.table} has no column {arguments.target!r} of true log10 M500c; "
            f"besides the photons it has {sorted(columns)}. Name it with --target."
        )
    check_galaxies(pipeline, sample, arguments.table)
    pipeline.fit(sample, np.asarray(columns[arguments.target], float))
    save_model(pipeline, arguments.output)
    about = _how_it_went(last_step(pipeline), len(sample))
    say(_sentence(about))
    if arguments.json:
        print_record({"model": str(arguments.output), **about})
    else:
        print(arguments.output)
    return 0


def _how_it_went(regressor, n_clusters):
    from ..metrics import mass_scatter

    residual = regressor.held_out_residual_
    scatter = {
        kind: mass_scatter(np.zeros(len(residual)), residual, kind=kind)
        if len(residual)
        else np.nan
        for kind in ("std", "robust")
    }
    return {
        "n_clusters": n_clusters,
        "n_epochs": regressor.n_iter_,
        "n_held_out": len(residual),
        "held_out_std_dex": scatter["std"],
        "held_out_robust_dex": scatter["robust"],
    }


def _sentence(about):
    start = (
        f"Trained on {about['n_clusters']} clusters for {about['n_epochs']} epochs; "
    )
    if not about["n_held_out"]:
        return f"{start}too few to hold any out, so masses get no error."
    return (
        f"{start}{about['n_held_out']} held-out ones scatter by "
        f"{about['held_out_std_dex']:.4f} dex (robust: "
        f"{about['held_out_robust_dex']:.4f}). They chose the epoch, so new clusters "
        "will scatter more."
    )


def _regressor(arguments):
    from .. import JointCNNRegressor, PhaseSpaceKDE, XrayCNNRegressor

    parameters = {
        "architecture": arguments.architecture,
        "loss": arguments.loss,
        "n_dropout_draws": arguments.dropout_draws,
        "max_epochs": arguments.epochs,
        "n_members": arguments.members,
        "augment": arguments.augment,
        "checkpoint_dir": arguments.checkpoints,
        "random_state": arguments.seed,
        "device": arguments.device,
        "verbose": 1,
    }
    if arguments.dropout is not None:
        parameters["dropout"] = arguments.dropout
    if not arguments.joint:
        if arguments.allow_missing:
            raise ValueError(
                "--allow-missing is about clusters without galaxies, of which only a "
                "network of --joint knows. Give both, or neither."
            )
        return XrayCNNRegressor(**parameters)
    return JointCNNRegressor(
        phase_space=PhaseSpaceKDE(
            n_bins=arguments.bins, half_width=arguments.half_width
        ),
        allow_missing=arguments.allow_missing,
        **parameters,
    )


def add_predict(commands):
    """Add the parser of `predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict masses for photon lists with a stored model",
        description="Masses of new clusters: those of a table like that of `train` "
        "(without masses), or one event list with --redshift, --ra and --dec (and, for a "
        "model of `train --joint`, --galaxies).",
    )
    add_cluster_options(parser)
    parser.add_argument(
        "--quantiles", help='columns of the posterior, for instance "0.025,0.975"'
    )
    parser.add_argument(
        "--prior-beta",
        type=float,
        metavar="BETA",
        help="population prior M^-BETA in place of the training set's distribution",
    )
    parser.add_argument(
        "-o", "--output", help="also write the table: *.csv, *.ecsv, ..."
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(run=predict)
    return parser


def predict(arguments):
    """Print a table of masses; clusters without photons in the map get none."""
    from ..io.table_writing import check_table_path, write_table

    if arguments.output:
        check_table_path(arguments.output)
        _make_folder_of(arguments.output)
    quantiles = _quantiles(arguments.quantiles)
    model = load_photon_model(arguments.model)
    mapper, _ = mapper_and_rest(model)
    sample = new_clusters(arguments, mapper.cosmology)
    check_galaxies(model, sample, ", ".join(map(str, arguments.photons)))
    table = predicted_masses(
        model, sample, quantiles=quantiles, beta=arguments.prior_beta
    )
    if arguments.output:
        write_table(arguments.output, table)
    print_table(table, as_json=arguments.json)
    return exit_code(table)


def _make_folder_of(path):
    # Before the work: a name that cannot be written must not cost a trained model.
    Path(path).parent.mkdir(parents=True, exist_ok=True)


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


def _bands(text):
    try:
        return tuple(tuple(map(float, band.split("-", 1))) for band in text.split(","))
    except ValueError as error:
        raise ValueError(
            f'--bands must look like "0.5-1.2,1.2-2,2-7" (keV), got {text!r}.'
        ) from error
