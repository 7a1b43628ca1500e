"""`skcluster explain`: write the saliency of a stored model as FITS files and pictures."""

from pathlib import Path

import numpy as np

from ..printable import printable
from .catalog import Catalog
from .list_options import check_energies
from .mass_table import (
    exit_code,
    in_few_digits,
    mass_columns,
    photons_counted,
    say_if_unlike,
    table_of,
)
from .model_work import ModelWork
from .new_clusters import (
    add_cluster_options,
    check_galaxies_are_used,
    mapper_and_rest,
    unused_columns,
)
from .outcomes import KeptParts
from .output import print_table, require_matplotlib
from .output_files import check_folder_is_free
from .parts import add_part_options, checked_jobs, rows_of_share, work_through

METHODS = ("gradient", "smoothgrad", "integrated_gradients", "deep_dream")
KINDS = ("fits", "png")
CLUSTERS_AT_A_TIME = 16
CLUSTERS_IN_A_PART = 64


def add_explain(commands):
    """Add the parser of `explain`."""
    parser = commands.add_parser(
        "explain",
        help="show where on the sky a stored model looks",
        description="For each cluster, write FOLDER/NAME.fits with its photon maps, the "
        "network's input and the saliency on the sky, and FOLDER/NAME.png with a picture. "
        "Clusters are given as for `predict`.",
    )
    add_cluster_options(parser)
    add_part_options(parser)
    parser.add_argument(
        "-o", "--output", required=True, metavar="FOLDER", help="folder for the files"
    )
    parser.add_argument(
        "--method",
        default="gradient",
        choices=METHODS,
        help="how the saliency is found (default: gradient)",
    )
    parser.add_argument(
        "--signed", action="store_true", help="keep the sign of the saliency"
    )
    parser.add_argument(
        "--per-photon",
        action="store_true",
        help="saliency per photon instead of per unit of the network's input",
    )
    parser.add_argument(
        "--seed", type=int, help="seed of smoothgrad's noise (default: 0)"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace old files")
    parser.set_defaults(run=explain)
    return parser


def explain(arguments):
    """Write a FITS file and a picture for each cluster, and print a table of them."""
    require_matplotlib(by="`skcluster explain`")
    jobs = checked_jobs(arguments)
    work = SaliencyWork(arguments)
    model = work.load()
    check_galaxies_are_used(model, arguments)
    mapper, _ = mapper_and_rest(model)
    check_energies(mapper, arguments)
    work.explainer()  # refuses what cannot be explained, before lists are read
    catalog = Catalog(arguments, mapper, unused_columns(model))
    rows = rows_of_share(len(catalog), arguments.share)
    parts = catalog.parts(rows, CLUSTERS_IN_A_PART)
    folder = Path(arguments.output)
    kept = KeptParts(
        _folder_of_parts(folder, parts, arguments), work.description(catalog, rows)
    )
    if not kept.has_begun:  # then files that are there are its own
        check_folder_is_free(
            folder,
            [f"{catalog.stems[i]}.{kind}" for i in rows for kind in KINDS],
            overwrite=arguments.overwrite,
            inputs=[arguments.model, *catalog.files()],
        )
    found = work_through(
        work, parts, kept=kept, n_jobs=jobs, what="explained", dask=arguments.dask
    )
    say_if_unlike(model, found.columns)
    table = table_of(found.columns)
    kept.remove()
    print_table(in_few_digits(table), as_json=arguments.json)
    return exit_code(table, found, rows)


def _folder_of_parts(folder, parts, arguments):
    """Return the folder that keeps finished parts, those of each share in another one."""
    if len(parts) == 1:
        return None
    share = "-{}-of-{}".format(*arguments.share) if arguments.share else ""
    return folder / f"explain{share}.parts"


class SaliencyWork(ModelWork):
    """Write the files of a part of the clusters, and return its rows of the table.

    Parameters
    ----------
    arguments : Namespace
    """

    command = "explain"

    def load(self):
        require_matplotlib(by="`skcluster explain`")
        return super().load()

    def explainer(self):
        """Return the explainer; refuse a model without saliency, and wrong options."""
        from ..explain.explainer import SaliencyExplainer, checked_explainer_parameters

        model = self.load()
        _, rest = mapper_and_rest(model)
        _taken_apart(rest, self.path)
        explainer = SaliencyExplainer(
            # The mapper knows what a photon adds under an exposure map.
            model if self.arguments.per_photon else rest,
            method=self.arguments.method,
            signed=self.arguments.signed,
            per_photon=self.arguments.per_photon,
            random_state=_seed(self.arguments),
        )
        checked_explainer_parameters(explainer)
        return explainer

    def __call__(self, part, sample, unread, tick):
        mapper, rest = mapper_and_rest(self.load())
        steps, _ = _taken_apart(rest, self.path)
        mapped = mapper.transform(sample)
        # The cluster of an event list is named for that file.
        names = part.names if part.tables else np.array(part.stems)
        n_photons = photons_counted(mapper, sample, mapped)
        columns = mass_columns(rest, mapped, n_photons, names=names, unread=unread)
        del columns["mass"]
        shown = np.flatnonzero(np.isfinite(columns["log_mass"]))
        files = np.full((2, len(sample)), "", dtype=object)
        images = _images(self.explainer(), steps, mapped, shown)
        for i, found in zip(shown, images, strict=True):
            stem = Path(self.arguments.output) / part.stems[i]
            files[:, i] = paths = [f"{stem}.{kind}" for kind in KINDS]
            row = {name: column[i] for name, column in columns.items()}
            cluster = mapped[[i]]
            _write_fits(paths[0], row, cluster, found, mapper, self.arguments)
            _write_png(paths[1], row, cluster, found[1], mapper, self.arguments)
            tick()
        for kind, names in zip(KINDS, files, strict=True):
            columns[kind] = names.astype(str)
        return columns

    def is_done(self, outcome):
        """Return whether the files that a finished part has written are still there."""
        names = [name for kind in KINDS for name in outcome.columns.get(kind, ())]
        return all(Path(name).exists() for name in names if name)


def _images(explainer, steps, mapped, rows):
    """Yield the network's input and the saliency of one cluster after the other."""
    from sklearn.utils import gen_batches

    for part in gen_batches(len(rows), CLUSTERS_AT_A_TIME):
        block = mapped[rows[part]]
        saliency = explainer.explain(block)
        for step in steps:
            block = step.transform(block)
        yield from zip(np.asarray(block.maps), saliency, strict=True)


def _write_fits(path, row, cluster, images, mapper, arguments):
    """Write the maps, the input and the saliency of one cluster as FITS images."""
    from ..io import write_maps
    from ..io.fits_writing import header_text

    cards = {
        "MODEL": (header_text(Path(arguments.model).name), "that was explained"),
        "METHOD": (arguments.method, "of the saliency"),
        "SIGNED": (arguments.signed, "whether the saliency keeps its sign"),
        "PERPHOT": (arguments.per_photon, "whether it is per photon"),
        "SALUNIT": (_unit(arguments), "of the saliency"),
        "NPHOT": (int(row["n_photons"]), "photons in the maps, before any correction"),
        "LOGMASS": (float(row["log_mass"]), "predicted log10 M500c [Msun/h]"),
    }
    if np.isfinite(row["std_dex"]):
        cards["LOGM_STD"] = (float(row["std_dex"]), "its standard deviation [dex]")
    write_maps(
        path,
        cluster.maps,
        input=images[0],
        saliency=images[1],
        center=cluster.center[0],
        redshift=cluster.redshift[0],
        half_width=mapper.half_width,
        cosmology=mapper.cosmology,
        bands=mapper.bands,
        name=row["name"],
        units={"map": "count", "saliency": _unit(arguments)},
        header=cards,
        overwrite=True,
    )


def _write_png(path, row, cluster, saliency, mapper, arguments):
    """Write a picture of one cluster: its map, and the saliency averaged over bands."""
    from matplotlib import pyplot as plt

    from ..cosmology import r500c_of_mass
    from ..plotting import SaliencyDisplay
    from ..plotting.sky import saliency_label
    from ..plotting.style import save_figure

    r500c = cluster.r500c
    if r500c is None:
        mass = [10 ** row["log_mass"]]
        r500c = r500c_of_mass(mass, cluster.redshift, mapper.cosmology)
    label = saliency_label(
        arguments.method, signed=arguments.signed, per_photon=arguments.per_photon
    )
    display = SaliencyDisplay(
        np.asarray(cluster.maps).sum(axis=1),
        saliency.mean(axis=0, keepdims=True),
        half_width=mapper.half_width,
        r500c=r500c,
        label=label,
    ).plot(figsize=(7.1, 4.3))
    try:
        display.figure_.suptitle(_title(row), fontsize="medium")
        save_figure(path, display.figure_)
    finally:
        plt.close(display.figure_)


def _title(row):
    # In matplotlib, a dollar sign would start a formula.
    name = printable(row["name"]).replace("$", r"\$")
    std = f" ± {row['std_dex']:.2f}" if np.isfinite(row["std_dex"]) else ""
    mass = rf"$\log_{{10}} M$ = {row['log_mass']:.2f}{std}"
    return f"{name}: z = {row['redshift']:.3f}, {mass}"


def _unit(arguments):
    if arguments.method == "deep_dream":
        return ""
    return "dex/count" if arguments.per_photon else "dex"


def _taken_apart(rest, path):
    """Return the steps between the maps and the network, and the network."""
    from ..explain.explained_network import split_network

    try:
        steps, network = split_network(rest)
    except TypeError as error:
        raise ValueError(f"The model in {path} cannot be explained. {error}") from error
    if not hasattr(network, "map_shape_"):
        raise ValueError(
            f"The model in {path} sees photons, not maps, so it has no saliency. In "
            "Python, skcluster.photon_contributions says what each photon adds to the "
            "mass."
        )
    return steps, network


def _seed(arguments):
    if arguments.seed is not None and arguments.method != "smoothgrad":
        raise ValueError(
            f"--seed is for the noise of smoothgrad; {arguments.method} has none. Leave it "
            "out, or give --method=smoothgrad."
        )
    return arguments.seed or 0
