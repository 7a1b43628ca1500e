"""`skcluster train` and `skcluster predict`: models from tables, masses from lists."""

from pathlib import Path

import numpy as np

from .output import print_table, say


def add_train(commands):
    """Add the parser of `train`."""
    parser = commands.add_parser(
        "train",
        help="train a network on a table of clusters and store it",
        description="Train PhotonMapper - RedshiftNormalizer - LogScaler - "
        "XrayCNNRegressor on a table with one row per cluster: redshift, ra, dec [deg], "
        "photons (path of the list) and the true log_mass.",
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
        "--half-width", type=float, default=2.3, help="[comoving Mpc/h]"
    )
    parser.add_argument("--cosmology", default="WMAP7", help="an astropy name")
    parser.add_argument("--epochs", type=int, default=200, help="at most; default: 200")
    parser.add_argument("--members", type=int, default=1, help="networks to average")
    parser.add_argument("--dropout", type=float, default=0.0)
    parser.add_argument("--augment", action="store_true", help="turn and flip maps")
    parser.add_argument("--checkpoints", help="folder to go on from after a stop")
    parser.add_argument("--seed", type=int, default=0, help="default: 0")
    parser.add_argument(
        "--device", default="auto", help="default: a GPU if there is one"
    )
    parser.set_defaults(run=train)
    return parser


def train(arguments):
    """Fit the pipeline of the paper and store it."""
    from sklearn.pipeline import make_pipeline

    from .. import LogScaler, PhotonMapper, RedshiftNormalizer, XrayCNNRegressor
    from ..io import read_sample
    from ..persistence import require_skops, save_model

    require_skops()
    _make_folder_of(arguments.output)
    pipeline = make_pipeline(
        PhotonMapper(
            bands=_bands(arguments.bands),
            n_pixels=arguments.pixels,
            half_width=arguments.half_width,
            cosmology=arguments.cosmology,
        ),
        RedshiftNormalizer(),
        LogScaler(),
        XrayCNNRegressor(
            max_epochs=arguments.epochs,
            n_members=arguments.members,
            dropout=arguments.dropout,
            augment=arguments.augment,
            checkpoint_dir=arguments.checkpoints,
            random_state=arguments.seed,
            device=arguments.device,
            verbose=1,
        ),
    )
    sample, columns = read_sample(arguments.table, verbose=1)
    if arguments.target not in columns:
        raise ValueError(
            f"{arguments.table} has no column {arguments.target!r} of true log10 M500c; "
            f"besides the photons it has {sorted(columns)}. Name it with --target."
        )
    pipeline.fit(sample, np.asarray(columns[arguments.target], float))
    save_model(pipeline, arguments.output)
    regressor = pipeline[-1]
    std = regressor.residual_std_
    say(
        f"Trained on {len(sample)} clusters for {regressor.n_iter_} epochs; "
        + (
            "too few to hold any out, so masses get no error."
            if np.isnan(std)
            else f"held-out clusters scatter by {std:.4f} dex."
        )
    )
    print(arguments.output)
    return 0


def add_predict(commands):
    """Add the parser of `predict`."""
    parser = commands.add_parser(
        "predict",
        help="predict masses for photon lists with a stored model",
        description="Masses of new clusters: those of a table like that of `train` "
        "(without masses), or one event list with --redshift, --ra and --dec.",
    )
    parser.add_argument("model", help="stored by `skcluster train`")
    parser.add_argument("photons", help="a table of clusters, or one FITS event list")
    parser.add_argument(
        "--redshift", type=float, help="of the cluster in an event list"
    )
    parser.add_argument("--ra", type=float, help="its centre [deg]")
    parser.add_argument("--dec", type=float, help="its centre [deg]")
    parser.add_argument("--energy", help="name of the list's energy column")
    parser.add_argument("--energy-unit", help="its unit: keV, eV, ...")
    parser.add_argument(
        "-o", "--output", help="also write the table: *.csv, *.ecsv, ..."
    )
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(run=predict)
    return parser


def predict(arguments):
    """Print a table of masses; clusters without photons in the map get none."""
    from ..persistence import load_model

    if arguments.output:
        _check_table_name(arguments.output)
        _make_folder_of(arguments.output)
    model = _check_takes_photons(load_model(arguments.model), arguments.model)
    table = predicted_masses(model, _new_clusters(arguments))
    if arguments.output:
        table.write(arguments.output, overwrite=True)
    print_table(table, as_json=arguments.json)
    missing = int(np.isnan(table["log_mass"]).sum())
    if missing:
        say(
            f"{missing} of {len(table)} clusters have no photon in the map, so no mass. "
            "Check their centres, redshifts and energies."
        )
    return 3 if missing else 0


def predicted_masses(model, sample):
    """Table of name, redshift, photons in the map, log10 M500c and its σ [dex].

    Parameters
    ----------
    model : Pipeline that starts with a PhotonMapper
    sample : ClusterSample with photons
    """
    from astropy.table import Table

    mapped = model[0].transform(sample)
    total = mapped.maps.total()
    seen = total > 0
    log_mass, std = np.full((2, len(sample)), np.nan)
    if seen.any():
        log_mass[seen], std[seen] = _with_std(model[1:], mapped[seen])
    names = np.arange(len(sample)).astype(str) if sample.name is None else sample.name
    table = Table(
        {
            "name": names,
            "redshift": sample.redshift,
            "n_photons": total.astype(int),
            "log_mass": log_mass,
            "std_dex": std,
            "mass": 10**log_mass,
        }
    )
    for column, form in (("redshift", ".4f"), ("log_mass", ".3f"), ("std_dex", ".3f")):
        table[column].format = form
    table["mass"].format = ".3e"
    return table


def _with_std(steps, mapped):
    if np.isnan(getattr(steps[-1], "residual_std_", 0.0)):
        return steps.predict(mapped), np.nan
    return steps.predict(mapped, return_std=True)


def _check_takes_photons(model, path):
    from .. import PhotonMapper

    steps = getattr(model, "steps", [("", model)])
    if not isinstance(steps[0][1], PhotonMapper):
        raise ValueError(
            f"{path} holds a {type(model).__name__} that starts with "
            f"{type(steps[0][1]).__name__}, but photon lists need PhotonMapper first. "
            "Give a model of `skcluster train`."
        )
    return model


def _check_table_name(path):
    from ..io.tables import FORMATS

    if Path(path).suffix.lower() not in FORMATS:
        raise ValueError(
            f"{path} is no table of a known format; its name must end in "
            f"{', '.join(FORMATS)}."
        )


def _make_folder_of(path):
    # Before the work: a name that cannot be written must not cost a trained model.
    Path(path).parent.mkdir(parents=True, exist_ok=True)


def _new_clusters(arguments):
    from .. import ClusterSample
    from ..io import read_photons, read_sample

    about = {name: getattr(arguments, name) for name in ("redshift", "ra", "dec")}
    missing = [f"--{name}" for name, value in about.items() if value is None]
    if len(missing) == len(about):
        return read_sample(arguments.photons, verbose=1)[0]
    if missing:
        raise ValueError(
            "One event list needs --redshift, --ra and --dec, but there is no "
            f"{' and no '.join(missing)}."
        )
    photons = read_photons(
        arguments.photons, energy=arguments.energy, energy_unit=arguments.energy_unit
    )
    return ClusterSample(
        [arguments.redshift],
        photons=[photons],
        center=[[arguments.ra, arguments.dec]],
        name=[str(arguments.photons)],
    )


def _bands(text):
    try:
        return tuple(tuple(map(float, band.split("-", 1))) for band in text.split(","))
    except ValueError as error:
        raise ValueError(
            f'--bands must look like "0.5-1.2,1.2-2,2-7" (keV), got {text!r}.'
        ) from error
