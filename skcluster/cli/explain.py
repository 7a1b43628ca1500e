"""`skcluster explain`: write the saliency of a stored model as FITS files and pictures."""

import re
from pathlib import Path

import numpy as np

from ..printable import printable
from ..progress import Progress
from .mass_table import exit_code, mass_table
from .new_clusters import (
    add_cluster_options,
    check_galaxies_are_used,
    load_photon_model,
    mapper_and_rest,
    new_clusters,
)
from .output import print_table, require_matplotlib, save_figure
from .output_files import check_folder_is_free, files_of_tables

METHODS = ("gradient", "smoothgrad", "integrated_gradients", "deep_dream")
KINDS = ("fits", "png")
CLUSTERS_AT_A_TIME = 16


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
    parser.add_argument(
        "-o",
        "--output",
        required=True,
        metavar="FOLDER",
        help="folder for the files",
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
    parser.add_argument("--json", action="store_true", help="JSON on standard output")
    parser.set_defaults(run=explain)
    return parser


def explain(arguments):
    """Write a FITS file and a picture for each cluster, and print a table of them."""
    from ..explain import SaliencyExplainer

    require_matplotlib(by="`skcluster explain`")
    model = load_photon_model(arguments.model)
    check_galaxies_are_used(model, arguments)
    mapper, rest = mapper_and_rest(model)
    steps, _ = _taken_apart(rest, arguments.model)
    explainer = SaliencyExplainer(
        rest,
        method=arguments.method,
        signed=arguments.signed,
        per_photon=arguments.per_photon,
        random_state=_seed(arguments),
    )
    explainer._checked_parameters()
    sample, unread, stems = _clusters_and_stems(arguments, mapper.cosmology)
    folder = Path(arguments.output)
    check_folder_is_free(
        folder,
        [f"{stem}.{kind}" for stem in stems for kind in KINDS],
        overwrite=arguments.overwrite,
        inputs=[arguments.model, *files_of_tables(arguments.photons)],
    )
    mapped = mapper.transform(sample)
    table = mass_table(rest, mapped, unread=unread)
    del table["mass"]
    shown = np.flatnonzero(np.isfinite(table["log_mass"]))
    files = np.full((2, len(sample)), "", dtype=object)
    images = _images(explainer, steps, mapped, shown)
    with Progress("explained", len(shown)) as progress:
        for i, found in zip(shown, images, strict=True):
            files[:, i] = paths = [f"{folder / stems[i]}.{kind}" for kind in KINDS]
            cluster = mapped[[i]]
            _write_fits(paths[0], table[i], cluster, found, mapper, arguments)
            _write_png(paths[1], table[i], cluster, found[1], mapper, arguments)
            progress.update()
    for kind, names in zip(KINDS, files, strict=True):
        table[kind] = names.astype(str)
    print_table(table, as_json=arguments.json)
    return exit_code(table, unread)


def _images(explainer, steps, mapped, rows):
    """Yield the network's input and the saliency of one cluster after the other."""
    for start in range(0, len(rows), CLUSTERS_AT_A_TIME):
        block = mapped[rows[start : start + CLUSTERS_AT_A_TIME]]
        saliency = explainer.explain(block)
        for step in steps:
            block = step.transform(block)
        yield from zip(np.asarray(block.maps), saliency, strict=True)


def _write_fits(path, row, cluster, images, mapper, arguments):
    """Write the maps, the input and the saliency of one cluster as FITS images."""
    from ..io import write_maps

    cards = {
        "MODEL": (_printable(Path(arguments.model).name), "that was explained"),
        "METHOD": (arguments.method, "of the saliency"),
        "SIGNED": (arguments.signed, "whether the saliency keeps its sign"),
        "PERPHOT": (arguments.per_photon, "whether it is per photon"),
        "SALUNIT": (_unit(arguments), "of the saliency"),
        "NPHOT": (int(row["n_photons"]), "photons in the maps"),
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
        overwrite=arguments.overwrite,
    )


def _write_png(path, row, cluster, saliency, mapper, arguments):
    """Write a picture of one cluster: its map, and the saliency averaged over bands."""
    from matplotlib import pyplot as plt

    from ..cosmology import r500c_of_mass
    from ..plotting import SaliencyDisplay
    from ..plotting.sky import saliency_label

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


def _printable(text):
    # A FITS header holds nothing but printable ASCII.
    return re.sub(r"[^ -~]", "?", text)


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


def _clusters_and_stems(arguments, cosmology):
    """Return clusters, which of them are unread, and the stems of their files.

    The cluster of an event list is named for that file.
    """
    from ..io.samples import file_stems

    sample, unread = new_clusters(arguments, cosmology)
    if arguments.redshift is not None:
        name = re.sub(r"\.(fits?|evt)(\.gz)?$", "", Path(arguments.photons[0]).name)
        sample = sample.assign(name=[name])
    return sample, unread, file_stems(sample)


def _seed(arguments):
    if arguments.seed is not None and arguments.method != "smoothgrad":
        raise ValueError(
            f"--seed is for the noise of smoothgrad; {arguments.method} has none. Leave it "
            "out, or give --method=smoothgrad."
        )
    return arguments.seed or 0
