"""Read clusters given on the command line: tables, or one event list."""

import argparse
import contextlib
import gc
import re
from pathlib import Path

from ..printable import printable
from .field import with_field
from .list_options import (
    add_list_options,
    bands_of,
    list_options,
    options_of_headers,
    options_of_tables,
    refuse_options_of_tables,
)

ABOUT = "redshift", "ra", "dec"
SEXAGESIMAL = re.compile(r"([+-]?)(\d+)[: hd]\s*(\d+)[: m']\s*(\d+(?:\.\d*)?)[s\"]?")
UNITS_OF_ANGLES = {
    15.0: "hours, minutes and seconds",
    1.0: "degrees, arcminutes and arcseconds",
}
"""Degrees per unit -> what angles of this unit and its sixtieths are called."""

NAMED = 10
"""Largest number of clusters that a message names."""


def add_cluster_options(parser):
    """Add the options that name the model and the clusters."""
    parser.add_argument("model", help="model that `skcluster train` has stored")
    parser.add_argument(
        "photons",
        nargs="+",
        help="tables of clusters, or one FITS event list with --redshift, --ra and --dec",
    )
    one = parser.add_argument_group("the cluster in one event list")
    one.add_argument("--redshift", type=float, help="its redshift")
    one.add_argument(
        "--ra", type=right_ascension, help="right ascension of its center [deg]"
    )
    one.add_argument("--dec", type=declination, help="declination of its center [deg]")
    one.add_argument("--exposure", type=float, help="its exposure at the center [s]")
    one.add_argument(
        "--galaxies",
        metavar="LIST",
        help="list of its galaxies with the columns ra, dec, z",
    )
    add_list_options(parser)


def right_ascension(text):
    """Convert the option --ra to degrees, or refuse hours, minutes and seconds."""
    return _degrees(text, 15.0)


def declination(text):
    """Convert the option --dec to degrees, or refuse degrees, minutes and seconds."""
    return _degrees(text, 1.0)


def _degrees(text, per_unit):
    try:
        return float(text)
    except ValueError:
        found = SEXAGESIMAL.fullmatch(text.strip())
    way = "Give degrees"
    if found:
        first, minutes, seconds = (float(part) for part in found.groups()[1:])
        degrees = per_unit * (first + minutes / 60 + seconds / 3600)
        way = f"If it is in {UNITS_OF_ANGLES[per_unit]}, give {found[1]}{degrees:.6f}"
    raise argparse.ArgumentTypeError(
        f"{printable(text)!r} is not a number of degrees. {way}"
    )


def load_photon_model(path):
    """Load a stored model, and refuse one whose first step takes no photons."""
    with _imported_objects_stay():
        from ..persistence import load_model

        return _check_takes_photons(load_model(path), path)


@contextlib.contextmanager
def _imported_objects_stay():
    """Context for imports, in which and after which Python looks for no garbage in them.

    With torch and scikit-learn come 300,000 objects that stay until the process ends.
    Visiting them again and again takes a fourth of the time of `skcluster predict`.
    """
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        if was_enabled:
            gc.enable()


def mapper_and_rest(model):
    """Split a model into its first step and the steps that predict from its output.

    The first step is a PhotonMapper or a PhotonFeaturizer. If it is nested deeper, as in a
    calibrated pipeline, the second part is the model itself, which begins anew.
    """
    from ..estimator_parts import steps_before

    (mapper, *_) = steps_before(model)
    is_own_step = getattr(model, "steps", [("", None)])[0][1] is mapper
    return mapper, model[1:] if is_own_step else model


def unused_columns(model):
    """Return the columns of a table of new clusters that a model makes no use of."""
    uses_r500c = any(
        name.rpartition("__")[2] == "r500c" and value == "true"
        for name, value in model.get_params(deep=True).items()
        if isinstance(value, str)
    )
    return ("x", "y", "z", "group", *(() if uses_r500c else ("r500c",)))


def read_clusters(path, arguments, mapper):
    """Read the sample of a table, its other columns, and the paths of all its lists.

    Progress is shown.
    """
    table = cluster_table(path, arguments, mapper)
    files = {file for row in table.files() for file in row if file}
    return with_field(table.read(verbose=1), arguments), table.others, files


def cluster_table(path, arguments, mapper, *, unused=None):
    """Read a table of clusters, but not yet the lists that it names.

    Parameters
    ----------
    path : str
    arguments : Namespace
        Result of a parser with `add_list_options`.
    mapper : PhotonMapper or PhotonFeaturizer
        What sees the photons, whose `half_width` sets how many are read of a shared list.
    unused : iterable of str, default=None
        As in `ClusterTable`.

    Returns
    -------
    table : ClusterTable
    """
    from ..io.cluster_table import ClusterTable

    try:
        return ClusterTable(
            path,
            cosmology=mapper.cosmology,
            **options_of_tables(arguments, mapper.half_width),
            bands=bands_of(mapper),
            unused=unused,
            verbose=1,
        )
    except ValueError as error:
        if _is_event_list(path):
            raise ValueError(
                f"{path} is a list of photons, not a table of clusters. Give --redshift, "
                "--ra and --dec of its cluster; or a table with one row per cluster: its "
                "redshift, ra and dec, and in the column photons the path of its list."
            ) from error
        raise


def one_cluster(arguments, missing, mapper):
    """Read the cluster of one event list, given by --redshift, --ra and --dec."""
    from .. import ClusterSample
    from ..io import read_galaxies, read_photons
    from ..io.count_images import band_of_image, check_bands_of_images

    _check_one_list(arguments, missing)
    (path,) = arguments.photons
    photons = read_photons(path, **list_options(arguments))
    if "pixel" in photons:  # they are those of an image
        band = band_of_image(path, **options_of_headers(arguments))
        check_bands_of_images([band], bands_of(mapper))
    center, galaxies = (arguments.ra, arguments.dec), None
    if arguments.galaxies:
        galaxies = read_galaxies(
            arguments.galaxies,
            center=center,
            redshift=arguments.redshift,
            cosmology=mapper.cosmology,
        )
    exposure = _exposure_of(path, arguments)
    sample = ClusterSample(
        [arguments.redshift],
        exposure=None if exposure is None else [exposure],
        photons=[photons],
        galaxies=None if galaxies is None else [galaxies],
        center=[center],
        name=[path],
    )
    return with_field(sample, arguments)


def _check_one_list(arguments, missing):
    """Refuse anything but one event list, whose cluster is known."""
    if len(arguments.photons) > 1:
        raise ValueError(
            "One set of --redshift, --ra and --dec describes one event list, got "
            f"{len(arguments.photons)}. Give a table with a row for each cluster: its "
            "redshift, ra and dec, and in the column photons the path of its list."
        )
    if missing:
        raise ValueError(
            "One event list needs --redshift, --ra and --dec, but there is no "
            f"{' and no '.join(missing)}."
        )
    refuse_options_of_tables(arguments)
    (path,) = arguments.photons
    if _is_table_of_text(path):
        raise ValueError(
            f"{path} is a table, and --redshift, --ra and --dec are for one event list. "
            "Leave them out: a table has such columns."
        )


def _exposure_of(path, arguments):
    """Return the exposure that is given, or that the header of a list holds, or None."""
    from ..io import read_exposure

    exposure, keyword = arguments.exposure, arguments.exposure_keyword
    if keyword is None:
        return exposure
    if exposure is not None:
        raise ValueError("Give either --exposure or --exposure-keyword.")
    return read_exposure(path, keyword=keyword, **options_of_headers(arguments))


def _is_table_of_text(path):
    return Path(path).name.lower().endswith((".csv", ".ecsv", ".csv.gz", ".ecsv.gz"))


def _is_event_list(path):
    """Return whether a file is FITS with a table of photons."""
    from ..io.event_table import has_list_of_photons
    from ..io.fits_files import opened_fits

    try:
        with opened_fits(path) as hdus:
            return has_list_of_photons(hdus, path)
    except (OSError, ValueError, TypeError):
        return False


def check_galaxies(model, has_galaxies, source):
    """Refuse clusters without galaxies for a model that needs them.

    Parameters
    ----------
    model : Pipeline
    has_galaxies : bool
    source : str
        Path of the table or event list of the clusters, for the message.
    """
    from ..estimator_parts import last_step

    allows_none = getattr(last_step(model), "allow_missing", not _describes(model))
    if not allows_none and not has_galaxies:
        raise ValueError(
            f"{source} has no column galaxies (nor is there --galaxies), which a model of "
            "--joint needs. Add the paths of the lists of galaxies. A network on cubes "
            "also takes clusters without them: `skcluster train --joint --allow-missing`."
        )


def check_galaxies_are_used(model, arguments):
    """Refuse --galaxies for a model that takes photons alone."""
    from ..estimator_parts import last_step

    is_joint = hasattr(last_step(model), "allow_missing") or _describes(model)
    if arguments.galaxies and not is_joint:
        raise ValueError(
            f"{arguments.model} takes no galaxies, so --galaxies would change nothing. "
            "Leave it out, or give a model of `skcluster train --joint`."
        )


def _describes(model):
    """Return whether one of the steps of a model describes galaxies."""
    from .. import GalaxyFeaturizer
    from ..estimator_parts import steps_before

    return any(isinstance(step, GalaxyFeaturizer) for step in steps_before(model))


def _check_takes_photons(model, path):
    from .. import PhotonFeaturizer, PhotonMapper
    from ..estimator_parts import last_step, steps_before

    first = [*steps_before(model), last_step(model)][0]
    if not isinstance(first, PhotonMapper | PhotonFeaturizer):
        raise ValueError(
            f"{path} holds a {type(model).__name__} that starts with "
            f"{type(first).__name__}, but photon lists need PhotonMapper or "
            "PhotonFeaturizer first. Give a model of `skcluster train`."
        )
    return model
