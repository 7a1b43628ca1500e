"""`skcluster train`: train a network on a table of clusters, and store it."""

import numpy as np

from ..networks import ARCHITECTURES, EIGHT_BANDS, JOINT_ARCHITECTURES
from ..paper import BOX_SIZE, HALF_WIDTH
from ..printable import counted
from ..progress import say
from .list_options import add_list_options, check_energies, input_files
from .new_clusters import check_galaxies, read_clusters
from .output import emit_path, print_record
from .output_files import check_is_no_input, check_output
from .target import add_target_options, log_masses, unit_of_target

BINS = 64


def add_train(commands):
    """Add the parser of `train`."""
    parser = commands.add_parser(
        "train",
        help="train a network on a table of clusters and store it",
        description="Train PhotonMapper - RedshiftNormalizer - LogScaler - "
        "XrayCNNRegressor on a table with one row per cluster: redshift, ra, dec [deg], "
        "photons (path of the list) and the true log_mass. With --joint it ends in "
        "JointCNNRegressor, and the table also has a column galaxies: paths of lists "
        "with ra, dec, z or x, y, v. With --photon-set it is PhotonFeaturizer - "
        "PhotonSetRegressor, which needs neither bands nor pixels; with both options "
        "it is PhotonFeaturizer - GalaxyFeaturizer - PhotonSetRegressor.",
    )
    parser.add_argument("table", help="CSV, ECSV, FITS, Parquet or VOTable")
    parser.add_argument(
        "-o", "--output", required=True, metavar="MODEL", help="the model, *.skops"
    )
    add_target_options(parser)
    _add_input_options(parser)
    _add_network_options(parser)
    add_list_options(parser)
    parser.set_defaults(run=train)
    return parser


def _add_input_options(parser):
    parser.add_argument(
        "--photon-set",
        action="store_true",
        help="learn from the photons themselves instead of maps",
    )
    parser.add_argument(
        "--recommended",
        action="store_true",
        help="the network on maps and the training that we recommend, see "
        "XrayCNNRegressor.recommended",
    )
    parser.add_argument(
        "--bands",
        help='energy bands in keV, for instance "0.5-1.2,1.2-2,2-7" (default: 0.5-10, '
        "with --recommended eight bands)",
    )
    parser.add_argument(
        "--pixels",
        type=int,
        help="pixels per side (default: 128, with --recommended 64)",
    )
    parser.add_argument(
        "--half-width",
        type=float,
        default=HALF_WIDTH,
        help=f"half of a map's side [comoving Mpc/h] (default: {HALF_WIDTH:g})",
    )
    parser.add_argument(
        "--cosmology",
        default="WMAP7",
        help="an astropy name, or 'FlatLambdaCDM(70, 0.3)' (default: WMAP7); the model "
        "keeps it",
    )


def _add_network_options(parser):
    network = parser.add_argument_group("the network and its training")
    network.add_argument(
        "--architecture",
        choices=sorted({*ARCHITECTURES, *JOINT_ARCHITECTURES}),
        help="the network (default: ho2023)",
    )
    network.add_argument(
        "--scalars",
        nargs="+",
        default=[],
        metavar="NAME",
        help="numbers that the network takes beside the maps: redshift, log_counts or "
        "log_exposure",
    )
    network.add_argument(
        "--epochs", type=int, help="largest number (default: 200, with --photon-set 40)"
    )
    network.add_argument(
        "--dropout",
        type=float,
        help="its rate (default: 0, with --joint or --photon-set 0.1)",
    )
    network.add_argument(
        "--augment", action="store_true", help="rotate and flip the maps in training"
    )
    network.add_argument(
        "--checkpoints",
        metavar="FOLDER",
        help="where training is saved, so that the same command continues after a stop",
    )
    network.add_argument(
        "--seed", type=int, default=0, help="seed of all randomness (default: 0)"
    )
    network.add_argument(
        "--device", default="auto", help="cpu or cuda (default: a GPU if there is one)"
    )
    _add_options_of_errors(parser.add_argument_group("errors of the masses"))
    _add_options_of_joint(parser.add_argument_group("photons and galaxies"))


def _add_options_of_errors(group):
    group.add_argument(
        "--loss",
        choices=("mse", "mae", "gaussian_nll"),
        help="gaussian_nll also learns the errors of the masses (default: mse, with "
        "--photon-set gaussian_nll)",
    )
    group.add_argument(
        "--members", type=int, default=1, help="networks to average (default: 1)"
    )
    group.add_argument(
        "--dropout-draws",
        type=int,
        default=0,
        metavar="N",
        help="draws of Monte Carlo dropout (default: 0)",
    )
    group.add_argument(
        "--calibrate",
        action="store_true",
        help="learn the biases and errors of masses, as functions of mass and redshift, on "
        "held-out octants (or fifths, where the table has no positions), which takes as "
        "many more trainings; of fewer than 100 clusters, one error for all",
    )
    group.add_argument(
        "--box-size",
        type=float,
        help="with --calibrate, side of the periodic box in which the columns x, y and z "
        f"are places, in comoving Mpc/h (default: {BOX_SIZE})",
    )


def _add_options_of_joint(group):
    group.add_argument(
        "--joint", action="store_true", help="learn from photons and galaxies"
    )
    group.add_argument(
        "--bins",
        type=int,
        help="with --joint, cells per side of the galaxies' cubes; --pixels must be a "
        f"multiple of it (default: {BINS})",
    )
    group.add_argument(
        "--allow-missing",
        action="store_true",
        help="with --joint, also take clusters without galaxies",
    )


def train(arguments):
    """Train the pipeline of the paper and store it."""
    from ..estimator_parts import last_step
    from ..persistence import save_model
    from ..sample.plain_arrays import find_column

    check_output(arguments.output, inputs=[arguments.table, *input_files(arguments)])
    pipeline = _pipeline(arguments)
    check_energies(pipeline[0], arguments)
    sample, columns, files = read_clusters(arguments.table, arguments, pipeline[0])
    target = find_column([*columns], arguments.target)
    if target is None:
        raise ValueError(
            f"{arguments.table} has no column {arguments.target!r} of true log10 M500c; "
            f"besides the photons it has {sorted(columns)}. Name it with --target."
        )
    column = target, columns[target]
    unit = unit_of_target(
        arguments.table, column, arguments.target_unit, arguments.table_hdu
    )
    y = log_masses(arguments.table, column, unit, arguments.cosmology)
    check_galaxies(pipeline, sample.galaxies is not None, arguments.table)
    _check_has_box(sample, arguments)
    check_is_no_input(arguments.output, files)
    if arguments.calibrate:
        _follow_trend(pipeline[-1], len(sample))
    pipeline.fit(sample, y)
    save_model(pipeline, arguments.output)
    summary = _training_summary(last_step(pipeline), len(sample))
    say(_as_sentence(summary, last_step(pipeline).patience is not None))
    if arguments.json:
        print_record({"model": str(arguments.output), **summary})
    else:
        emit_path(arguments.output)
    return 0


def _pipeline(arguments):
    from sklearn.pipeline import make_pipeline

    from .. import CalibratedMassRegressor, QuadrantGroupKFold

    target: dict = {}
    if arguments.target_unit is not None and not arguments.target_unit.is_checked:
        target["mass_range"] = None
    first, *steps = _steps(arguments, target)
    box = arguments.box_size
    if box is not None and not arguments.calibrate:
        raise ValueError("--box-size is for the octants of --calibrate. Give both.")
    if arguments.calibrate:
        cv = None if box is None else QuadrantGroupKFold(box_size=box)
        steps = [CalibratedMassRegressor(make_pipeline(*steps), cv=cv, **target)]
    return make_pipeline(first, *steps)


def _check_has_box(sample, arguments):
    if arguments.box_size is not None and sample.position is None:
        raise ValueError(
            f"--box-size is that of the columns x, y and z, which {arguments.table} lacks."
        )


def _follow_trend(calibration, n_clusters):
    """Make calibrated errors depend on mass and redshift, if there are enough clusters."""
    from ..posterior.calibration import MIN_FOR_TREND

    if n_clusters >= MIN_FOR_TREND:
        calibration.set_params(by="trend")
        return
    say(
        f"{counted(n_clusters, 'cluster')} are too few to learn how errors depend on mass "
        f"and redshift, which takes {MIN_FOR_TREND}: all are calibrated alike.",
        is_problem=True,
    )


def _steps(arguments, target):
    """Return the steps of the pipeline, of which the first learns nothing."""
    from .. import LogScaler, PhotonMapper, RedshiftNormalizer

    sky = {"half_width": arguments.half_width, "cosmology": arguments.cosmology}
    if arguments.photon_set:
        return _steps_of_sets(arguments, target, sky)
    bands, n_pixels = _bands("0.5-10"), 128
    if arguments.recommended:
        _refuse(
            arguments,
            "--recommended, which is a network on maps",
            ("architecture", "joint"),
        )
        bands, n_pixels = EIGHT_BANDS, 64
    bands = bands if arguments.bands is None else _bands(arguments.bands)
    n_pixels = n_pixels if arguments.pixels is None else arguments.pixels
    mapper = PhotonMapper(bands=bands, n_pixels=n_pixels, **sky)
    return mapper, RedshiftNormalizer(), LogScaler(), _regressor(arguments, target)


def _steps_of_sets(arguments, target, sky):
    """Return the steps of a pipeline that takes photons, or photons and galaxies."""
    from .. import GalaxyFeaturizer, PhotonFeaturizer, PhotonSetRegressor

    _refuse_options_of_maps(arguments)
    _refuse_options_of_joint(arguments)
    galaxies = [GalaxyFeaturizer(half_width=arguments.half_width)] * arguments.joint
    regressor = PhotonSetRegressor(**_training(arguments, target))
    return PhotonFeaturizer(**sky), *galaxies, regressor


def _training_summary(regressor, n_clusters):
    """Return the number of clusters and epochs, and the scatter of held-out clusters."""
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


def _as_sentence(summary, chose_the_epoch):
    """Describe a training summary in a sentence for the user."""
    start = (
        f"Trained on {counted(summary['n_clusters'], 'cluster')} for "
        f"{counted(summary['n_epochs'], 'epoch')}; "
    )
    if not summary["n_held_out"]:
        return f"{start}too few to hold any out, so masses get no error."
    return (
        f"{start}{summary['n_held_out']} held-out ones scatter by "
        f"{summary['held_out_std_dex']:.4f} dex (robust: "
        f"{summary['held_out_robust_dex']:.4f})."
        + (
            " They chose the epoch, so new clusters will scatter more."
            if chose_the_epoch
            else ""
        )
    )


def _regressor(arguments, target):
    from .. import JointCNNRegressor, PhaseSpaceKDE, XrayCNNRegressor

    parameters = {
        "scalars": arguments.scalars,
        "augment": arguments.augment,
        **_training(arguments, target),
    }
    if arguments.architecture is not None:
        parameters["architecture"] = arguments.architecture
    if arguments.recommended:
        _refuse_options_of_joint(arguments)
        parameters["augment"] = True
        return XrayCNNRegressor.recommended(**parameters)
    if not arguments.joint:
        _refuse_options_of_joint(arguments)
        return XrayCNNRegressor(**parameters)
    n_bins = BINS if arguments.bins is None else arguments.bins
    return JointCNNRegressor(
        phase_space=PhaseSpaceKDE(n_bins=n_bins, half_width=arguments.half_width),
        allow_missing=arguments.allow_missing,
        **parameters,
    )


def _training(arguments, target):
    """Return the parameters that all networks share, without those that were not given."""
    parameters = {
        "loss": arguments.loss,
        "dropout": arguments.dropout,
        "max_epochs": arguments.epochs,
        "n_dropout_draws": arguments.dropout_draws,
        "n_members": arguments.members,
        "checkpoint_dir": arguments.checkpoints,
        "random_state": arguments.seed,
        "device": arguments.device,
        "verbose": 1,
    }
    given = {name: value for name, value in parameters.items() if value is not None}
    return {**given, **target}


def _refuse_options_of_maps(arguments):
    options = ("bands", "pixels", "architecture", "scalars", "augment")
    why = "--photon-set, whose network sees no maps"
    _refuse(arguments, why, (*options, "recommended"))


def _refuse(arguments, beside, options):
    given = [f"--{name}" for name in options if getattr(arguments, name)]
    if given:
        raise ValueError(
            f"{', '.join(given)} cannot go with {beside}. Leave out one or the other."
        )


def _refuse_options_of_joint(arguments):
    if arguments.allow_missing:
        raise ValueError(
            "--allow-missing is for clusters without galaxies, which only matter to a "
            "network of --joint on cubes. Give both, or neither: with --photon-set, "
            "clusters without galaxies are allowed."
        )
    if arguments.bins is not None:
        raise ValueError(
            "--bins are the cells of the galaxies' cubes, which only a network of --joint "
            "uses. Give both, or neither."
        )


def _bands(text):
    try:
        return tuple(tuple(map(float, band.split("-", 1))) for band in text.split(","))
    except ValueError as error:
        raise ValueError(
            f'--bands must look like "0.5-1.2,1.2-2,2-7" (keV), got {text!r}.'
        ) from error
