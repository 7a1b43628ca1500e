"""`skcluster demo`: compare nine estimators of mass on the same folds of a mock survey."""

import shutil
import time
from pathlib import Path

import numpy as np

from ..paper import THREE_BANDS, WIDE_BAND
from ..printable import counted
from ..progress import Progress, say
from .output import print_table, require_matplotlib


def add_demo(commands):
    """Add the parser of `demo`."""
    parser = commands.add_parser(
        "demo",
        help="mock clusters become masses: the paper's ladder of estimators",
        description="Make a mock survey and cross-validate by octant: two photon counts "
        "and four proxies, by the covariance model and by least squares, a ridge "
        "regression on counts in rings, and the networks on one and three bands.",
    )
    parser.add_argument(
        "--clusters", type=int, default=1200, help="mock clusters (default: 1200)"
    )
    parser.add_argument(
        "--pixels", type=int, default=32, help="pixels per side of a map (default: 32)"
    )
    parser.add_argument(
        "--epochs", type=int, default=45, help="largest number (default: 45)"
    )
    parser.add_argument(
        "--jobs", type=int, default=-1, help="folds at a time (default: one per core)"
    )
    parser.add_argument(
        "--seed", type=int, default=0, help="seed of all randomness (default: 0)"
    )
    parser.add_argument(
        "--device", default="auto", help="cpu or cuda (default: a GPU if there is one)"
    )
    parser.add_argument(
        "--output",
        default="skcluster-demo",
        metavar="FOLDER",
        help="folder for the results (default: skcluster-demo)",
    )
    parser.add_argument(
        "--checkpoints",
        metavar="FOLDER",
        help="folder that keeps trained folds, so that the same command need not train "
        "them again (default: one in the results' folder, removed at the end)",
    )
    parser.set_defaults(run=demo)
    return parser


def demo(arguments):
    """Compare the paper's estimators, print their table, and write it with two figures."""
    from .. import QuadrantGroupKFold
    from ..comparison import compare_estimators
    from ..datasets import make_mock_survey

    require_matplotlib(by="The demo")
    folder = Path(arguments.output)
    folder.mkdir(parents=True, exist_ok=True)
    started = time.perf_counter()
    survey = make_mock_survey(
        arguments.clusters, random_state=arguments.seed, verbose=1
    )
    say(
        f"Mock survey: {counted(len(survey.sample), 'cluster')}, "
        f"{counted(survey.sample.photons.offsets[-1], 'photon')}, "
        f"{time.perf_counter() - started:.1f} s."
    )
    checkpoints = arguments.checkpoints or folder / "demo-checkpoints"
    try:
        comparison = compare_estimators(
            paper_ladder(survey.sample, arguments, checkpoints),
            survey.log_mass,
            cv=QuadrantGroupKFold(),
            groups=survey.sample.position,
            n_jobs=arguments.jobs,
            on_progress=_FoldProgress(),
        )
    except KeyboardInterrupt:
        say("The same command continues from here.")
        raise
    if not arguments.checkpoints:
        shutil.rmtree(checkpoints, ignore_errors=True)
    table = comparison.table
    print_table(table if arguments.json else readable(table), as_json=arguments.json)
    say(
        "std: standard deviation, robust: half of the central 68 %, both of the residuals "
        "of clusters in octants that the fit has not seen (% of ln M)."
    )
    _write(folder, comparison, survey)
    say(f"Wrote {folder}/table.csv, maps.png and masses.png.")
    return 0


def paper_ladder(sample, arguments, checkpoints):
    """Return the paper's estimators and regressions beside them, each with its X.

    The covariance model inverts power laws of the proxies in mass, whatever masses are
    frequent. Networks regress the mass on what is seen, and so draw uncertain masses
    towards the mean of the training set. The regressions do that, too, on the same proxies
    and on counts in rings: they show what of a network's gain is not the network's.
    """
    from .. import ProxyMeasurer
    from ..contest.entries import covariance_model, least_squares

    measurer = ProxyMeasurer(with_redshift=True)
    measured = measurer.transform(sample)
    columns = measurer.get_feature_names_out().tolist()

    def proxies(*names):
        return measured[:, [columns.index(name) for name in (*names, "redshift")]]

    rungs = {
        "N_phot": proxies("n_phot"),
        "N_phot,500c": proxies("n_phot_500c"),
        "four proxies": proxies("n_gal", "sigma_v", "n_phot", "n_phot_500c"),
    }
    inverse = covariance_model()
    return {
        **{name: (inverse, X) for name, X in rungs.items()},
        **{f"least squares, {name}": (least_squares(), X) for name, X in rungs.items()},
        "ridge on rings, three bands": _rings(sample),
        "network, one band": _network(
            sample, (WIDE_BAND,), 0.0, arguments, checkpoints
        ),
        "network, three bands": _network(
            sample, THREE_BANDS, 0.1, arguments, checkpoints
        ),
    }


def _rings(sample):
    """The ridge regression on counts in rings, with its maps of 64 x 64 pixels."""
    from .. import PhotonMapper
    from ..contest.entries import ridge_on_rings

    mapper = PhotonMapper(bands=THREE_BANDS, n_pixels=64)
    return ridge_on_rings(), mapper.transform(sample)


def _network(sample, bands, dropout, arguments, checkpoints):
    from .. import PhotonMapper
    from ..contest.entries import map_network

    network = map_network(
        dropout=dropout,
        augment=True,
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        device=arguments.device,
        n_threads=1,
        checkpoint_dir=checkpoints,
    )
    mapper = PhotonMapper(bands=bands, n_pixels=arguments.pixels)
    return network, mapper.transform(sample)


def readable(table):
    """Return the main columns for printing, rounded and with bootstrap errors."""
    short = table["estimator", "n_clusters"]
    for name in ("std", "robust"):
        dex, percent = table[f"{name}_dex"], table[f"{name}_percent"]
        errors = table[f"{name}_percent_error"]
        short[f"{name} [dex]"] = [f"{value:.4f}" for value in dex]
        short[f"{name} [%]"] = [
            f"{value:.1f} ± {error:.1f}"
            for value, error in zip(percent, errors, strict=True)
        ]
    short["median bias [dex]"] = [f"{value:+.3f}" for value in table["median_bias_dex"]]
    short["seconds"] = [f"{value:.1f}" for value in table["seconds"]]
    return short


class _FoldProgress:
    """Progress of the folds of each estimator in turn, on standard error."""

    def __call__(self, name, done, n_folds, seconds):
        if done == 1:
            self._progress = Progress(
                f"{name:27s} fold", n_folds, quiet_for=0.0, worked_for=seconds
            )
        self._progress.update()
        if done == n_folds:
            self._progress.close()


def _write(folder, comparison, survey):
    from .. import PhotonMapper
    from ..io.table_writing import write_table
    from ..plotting import MassPredictionDisplay, PhotonMapDisplay
    from ..plotting.style import save_figure

    write_table(folder / "table.csv", comparison.table)
    sample, log_mass = survey.sample, survey.log_mass
    examples = _examples(log_mass, sample.redshift)
    maps = PhotonMapper(n_pixels=64).transform(sample[examples])
    display = PhotonMapDisplay.from_sample(
        maps, range(len(examples)), log_mass=log_mass[examples]
    )
    display.figure_.suptitle("Mock clusters")
    save_figure(folder / "maps.png", display.figure_)
    display = None
    for name in ("N_phot", "network, three bands"):
        display = MassPredictionDisplay.from_predictions(
            log_mass,
            comparison.predictions[name],
            name=f"{name} (mock)",
            ax=None if display is None else display.axes_,
        )
    save_figure(folder / "masses.png", display.figure_)


def _examples(log_mass, redshift):
    """Choose six different clusters, closest to three masses at two redshifts."""
    chosen: list[int] = []
    for near in (0.137, 0.379):
        for mass in (13.7, 14.2, 14.7):
            distance = np.hypot(log_mass - mass, 10 * (redshift - near))
            distance[chosen] = np.inf
            chosen.append(int(distance.argmin()))
    return chosen
