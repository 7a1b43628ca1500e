"""What `predict` and `explain` share: new clusters, and a table of their masses."""

import numpy as np

from .output import say

NAMED = 10
"""Clusters that a line names at most."""


def add_cluster_options(parser):
    """Add the options that tell the model and the clusters."""
    parser.add_argument("model", help="stored by `skcluster train`")
    parser.add_argument(
        "photons",
        nargs="+",
        help="tables of clusters, or one FITS event list with --redshift, --ra and --dec",
    )
    parser.add_argument(
        "--redshift", type=float, help="of the cluster in an event list"
    )
    parser.add_argument("--ra", type=float, help="its centre [deg]")
    parser.add_argument("--dec", type=float, help="its centre [deg]")
    parser.add_argument("--galaxies", help="list of its galaxies: ra, dec, z")
    parser.add_argument("--energy", help="name of the list's energy column")
    parser.add_argument(
        "--energy-unit",
        type=_unit,
        help="its unit: keV, eV, MeV, keV per channel, or both 'keV per channel,keV of "
        "channel 0', such as 0.04,1.6 for NuSTAR",
    )
    for name in ("RA", "DEC"):
        parser.add_argument(
            f"--{name.lower()}-column",
            default=name,
            metavar="NAME",
            help=f"name of the list's column of it; default: {name}",
        )


def load_photon_model(path):
    """A stored model whose first step is a PhotonMapper, or an error that says so."""
    from ..persistence import load_model

    return _check_takes_photons(load_model(path), path)


def mapper_and_rest(model):
    """The PhotonMapper of a model, and what predicts from the sample that it maps.

    Where the mapper is not a step of its own, as in a calibrated pipeline, the rest is the
    model itself, which maps the photons again.
    """
    from ..estimator_parts import steps_before

    (mapper, *_) = steps_before(model)
    is_own_step = getattr(model, "steps", [("", None)])[0][1] is mapper
    return mapper, model[1:] if is_own_step else model


def new_clusters(arguments, cosmology):
    """The clusters of the command line: of tables, or one of an event list.

    Parameters
    ----------
    arguments : Namespace
        Of a parser with `add_cluster_options`.
    cosmology : str or astropy.cosmology.Cosmology
        For galaxies given as ``ra``, ``dec``, ``z``.
    """
    from .. import ClusterSample
    from ..io import read_galaxies, read_photons, read_sample

    about = {name: getattr(arguments, name) for name in ("redshift", "ra", "dec")}
    missing = [f"--{name}" for name, value in about.items() if value is None]
    if len(missing) == len(about):
        samples = [
            read_sample(path, cosmology=cosmology, verbose=1)[0]
            for path in arguments.photons
        ]
        return ClusterSample.concatenate(samples) if len(samples) > 1 else samples[0]
    if len(arguments.photons) > 1:
        raise ValueError(
            "One set of --redshift, --ra and --dec tells of one event list, got "
            f"{len(arguments.photons)}. Give a table with a row for each cluster: its "
            "redshift, ra and dec, and in the column photons the path of its list."
        )
    if missing:
        raise ValueError(
            "One event list needs --redshift, --ra and --dec, but there is no "
            f"{' and no '.join(missing)}."
        )
    (path,) = arguments.photons
    photons = read_photons(
        path,
        ra=arguments.ra_column,
        dec=arguments.dec_column,
        energy=arguments.energy,
        energy_unit=arguments.energy_unit,
    )
    center, galaxies = (arguments.ra, arguments.dec), None
    if arguments.galaxies:
        galaxies = read_galaxies(
            arguments.galaxies,
            center=center,
            redshift=arguments.redshift,
            cosmology=cosmology,
        )
    return ClusterSample(
        [arguments.redshift],
        photons=[photons],
        galaxies=None if galaxies is None else [galaxies],
        center=[center],
        name=[path],
    )


def check_galaxies(model, sample, source):
    """Refuse clusters without galaxies for a model that needs them.

    Parameters
    ----------
    model : Pipeline
    sample : ClusterSample
    source : str
        The table or event list that it comes from.
    """
    from ..estimator_parts import last_step

    allows_none = getattr(last_step(model), "allow_missing", True)
    if not allows_none and sample.galaxies is None:
        raise ValueError(
            f"{source} has no column galaxies (nor is there --galaxies), of which a model "
            "of --joint makes its cubes. Add the paths of the lists of galaxies, or let "
            "clusters be without: `skcluster train --joint --allow-missing`."
        )


def predicted_masses(model, sample, **options):
    """The `mass_table` of a sample with photons and a model that takes them."""
    mapper, rest = mapper_and_rest(model)
    return mass_table(rest, mapper.transform(sample), **options)


def mass_table(steps, mapped, *, quantiles=(), beta=None):
    """Table of masses, their errors, and how unlike the training set the clusters are.

    Parameters
    ----------
    steps : Pipeline
        What follows the PhotonMapper.
    mapped : ClusterSample
        With the PhotonMapper's maps; one without a photon gets NaN.
    quantiles : sequence of float, default=()
        One column each, such as ``q0.025``.
    beta : float, default=None
        Of a population prior, see `reweight_prior`.
    """
    from astropy.table import Table

    total = mapped.maps.total()
    seen = total > 0
    found = _measured(steps, mapped[seen], quantiles, beta) if seen.any() else {}
    names = np.arange(len(mapped)).astype(str) if mapped.name is None else mapped.name
    table = Table(
        {"name": names, "redshift": mapped.redshift, "n_photons": total.astype(int)}
    )
    found["mass"] = 10.0 ** found.get("log_mass", np.nan)
    wanted = "log_mass", "std_dex", "mass", "lower_68", "upper_68", "misspecification"
    for name in (*wanted, *map(_quantile_name, quantiles)):
        table[name] = np.full(len(mapped), np.nan)
        table[name][seen] = found.get(name, np.nan)
        table[name].format = ".3e" if name == "mass" else ".3f"
    table["redshift"].format = ".4f"
    return table


def _quantile_name(q):
    return f"q{q:g}"


def _measured(steps, mapped, quantiles, beta):
    from .. import misspecification_score, predict_posterior, reweight_prior
    from ..estimator_parts import last_step

    last, found = last_step(steps), {}
    if hasattr(last, "outlier_detector_"):
        found["misspecification"] = misspecification_score(steps, mapped)
    has_no_error = getattr(last, "loss", None) != "gaussian_nll" and np.isnan(
        getattr(last, "residual_std_", 0.0)
    )
    if has_no_error:
        if beta is not None or len(quantiles):
            raise ValueError(
                "The model was trained on too few clusters to hold any out, so its masses "
                "have no errors, no quantiles and no prior. Train it on more."
            )
        return {**found, "log_mass": steps.predict(mapped)}
    posterior = predict_posterior(steps, mapped)
    if beta is None:
        found["log_mass"], found["std_dex"] = steps.predict(mapped, return_std=True)
    else:
        posterior = reweight_prior(posterior, beta)
        found["log_mass"], found["std_dex"] = posterior.mean(), posterior.std()
    names = ["lower_68", "upper_68", *map(_quantile_name, quantiles)]
    columns = posterior.quantile([0.16, 0.84, *quantiles]).T
    return found | dict(zip(names, columns, strict=True))


def _unit(text):
    """Return keV per channel, a pair "SLOPE,OFFSET" of these, or the name of a unit."""
    try:
        numbers = tuple(map(float, text.split(",")))
    except ValueError:
        return text
    return numbers if len(numbers) > 1 else numbers[0]


def exit_code(table):
    """0, or 3 with a line that says which clusters of the table have no mass."""
    lost = table["name"][np.isnan(table["log_mass"])]
    if not len(lost):
        return 0
    names = ", ".join([*lost[:NAMED], *(["..."] if len(lost) > NAMED else [])])
    say(
        f"{len(lost)} of {len(table)} clusters have no photon in the map, so no mass. "
        f"Check their centres, redshifts and energies: {names}."
    )
    return 3


def _check_takes_photons(model, path):
    from .. import PhotonMapper
    from ..estimator_parts import last_step, steps_before

    first = [*steps_before(model), last_step(model)][0]
    if not isinstance(first, PhotonMapper):
        raise ValueError(
            f"{path} holds a {type(model).__name__} that starts with "
            f"{type(first).__name__}, but photon lists need PhotonMapper first. "
            "Give a model of `skcluster train`."
        )
    return model
