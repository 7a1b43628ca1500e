"""Table of the masses that a stored model predicts."""

import warnings

import numpy as np

from ..printable import printable
from ..progress import say
from .new_clusters import NAMED, mapper_and_rest

FORMATS = {"redshift": ".4f", "mass": ".3e"}
MEASURES = "population_measures"
"""Column with what `population_test` compares."""
LEAST_COVERAGE = 0.9
"""Share of a map's area that was observed, below which a warning tells."""
UNLIKE = 1e-3
"""Probability below which clusters are said to be unlike the training set."""


def predicted_masses(model, sample, **options):
    """Return the `mass_columns` of a sample with photons and a model that takes them."""
    mapper, rest = mapper_and_rest(model)
    mapped = mapper.transform(sample)
    n_photons = photons_counted(mapper, sample, mapped)
    return mass_columns(rest, mapped, n_photons, **options)


def _warn_of_gaps(mapped, names):
    """Warn of maps that lack so much of their field that the masses are too low."""
    from ..sky import has_field

    if (
        mapped.coverage is None
        or mapped.unobserved is not None
        or not has_field(mapped)
    ):
        return
    wrong = np.flatnonzero(mapped.coverage < LEAST_COVERAGE)
    if len(wrong):
        least = wrong[np.argmin(mapped.coverage[wrong])]
        warnings.warn(
            f"The maps of {len(wrong)} of {len(mapped)} clusters were observed in less "
            f"than {LEAST_COVERAGE:.0%} of their area (least: {printable(names[least])}, "
            f"{mapped.coverage[least]:.0%}). The model takes the rest for an empty sky, "
            "and their masses may be too low.",
            UserWarning,
            stacklevel=2,
        )


def photons_counted(mapper, sample, mapped):
    """Return how many photons of each cluster the model sees, an int per cluster.

    Maps under an exposure map, mask or holes hold counts that are corrected to the
    exposure at the center, so their photons are counted without these.

    Parameters
    ----------
    mapper : PhotonMapper or PhotonFeaturizer
    sample : ClusterSample
        Clusters with photons.
    mapped : ClusterSample
        The same as `mapper` returns them.
    """
    from sklearn.base import clone

    from ..sample.lists import OF_THE_SKY
    from ..sky import has_field, is_observed

    if mapped.maps is None:
        return mapped.photons.lengths
    if not has_field(sample):
        return mapped.maps.total().astype(int)
    photons = sample.photons.select(is_observed(sample, sample.photons))
    bare = sample.assign(photons=photons).drop(*OF_THE_SKY)
    counts = clone(mapper).set_params(with_unobserved=False).transform(bare).maps
    # Pixels with too little exposure are empty in maps.
    is_counted = mapped.maps.rows != 0
    return counts.rows.multiply(is_counted).sum(axis=1).astype(int)


def mass_columns(
    steps, mapped, n_photons, *, names, unread=False, quantiles=(), beta=None
):
    """Return masses, their errors, and how unlike the training set the clusters are.

    Parameters
    ----------
    steps : Pipeline
        Steps that follow the PhotonMapper or the PhotonFeaturizer.
    mapped : ClusterSample
        Clusters as that step returns them.
    n_photons : ndarray of int of shape (n_clusters,)
        Photons of each; those without any get NaN.
    names : ndarray of str of shape (n_clusters,)
    unread : bool or ndarray of bool of shape (n_clusters,), default=False
        Clusters with a list that cannot be read, which get NaN, too.
    quantiles : sequence of float, default=()
        Probabilities of the posterior's quantiles, one column each, such as ``q0.025``.
    beta : float, default=None
        Slope of a population prior, see `reweight_prior`.

    Returns
    -------
    columns : dict of ndarray
        Those of the table, and `MEASURES`, of shape (n_clusters, n_measures).
    """
    _warn_of_gaps(mapped, names)
    seen = (n_photons > 0) & ~np.asarray(unread)
    found = _measured(steps, mapped[seen], quantiles, beta) if seen.any() else {}
    found["mass"] = 10.0 ** found.get("log_mass", np.nan)
    columns = {"name": names, "redshift": mapped.redshift, "n_photons": n_photons}
    wanted = "log_mass", "std_dex", "mass", "lower_68", "upper_68", "misspecification"
    for name in (*wanted, *map(_quantile_name, quantiles)):
        columns[name] = np.full(len(mapped), np.nan)
        columns[name][seen] = found.get(name, np.nan)
    if MEASURES in found:
        measures = found[MEASURES]
        columns[MEASURES] = np.full((len(mapped), measures.shape[1]), np.nan)
        columns[MEASURES][seen] = measures
    return columns


def table_of(columns):
    """Return the columns that people see as a table, with all digits."""
    from astropy.table import Table

    return Table({n: column for n, column in columns.items() if n != MEASURES})


def in_few_digits(table):
    """Return a copy of a table that is printed in few digits; CSV would have no more."""
    table = table.copy()
    for name in table.colnames:
        if table[name].dtype.kind == "f":
            table[name].format = FORMATS.get(name, ".3f")
    return table


def _quantile_name(q):
    return f"q{float(q)!r}"


def _measured(steps, mapped, quantiles, beta):
    from .. import misspecification_score, predict_posterior, reweight_prior
    from ..estimator_parts import last_step
    from ..outliers.population import measured_population

    last, found = last_step(steps), {}
    if hasattr(last, "outlier_detector_"):
        found["misspecification"] = misspecification_score(steps, mapped)
        _, found[MEASURES], _ = measured_population(steps, mapped)
    if _has_no_error(last):
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


def _has_no_error(last):
    return getattr(last, "loss", None) != "gaussian_nll" and np.isnan(
        getattr(last, "residual_std_", 0.0)
    )


def check_has_errors(model, quantiles, beta):
    """Refuse quantiles and a prior for a model whose masses have no errors."""
    from ..estimator_parts import last_step

    if _has_no_error(last_step(model)) and (beta is not None or len(quantiles)):
        raise ValueError(
            "The model was trained on too few clusters to hold any out, so its masses "
            "have no errors, no quantiles and no prior. Train it on more."
        )


def say_if_unlike(model, columns):
    """Warn if the clusters together are unlike those that the model was trained on."""
    from ..estimator_parts import last_step
    from ..outliers.population import MIN_TESTED, p_value_of_population

    seen = np.isfinite(columns.get("misspecification", np.array([])))
    n_seen = int(seen.sum())
    if n_seen < MIN_TESTED or MEASURES not in columns:
        return
    p_value = p_value_of_population(
        last_step(model), columns[MEASURES][seen], columns["redshift"][seen]
    )
    if p_value < UNLIKE:
        say(
            f"Together these {n_seen} clusters are unlike the training set (p = "
            f"{p_value:.1g}), so all masses may be off: another exposure, background, "
            "point-spread function or selection?",
            is_problem=True,
        )


def exit_code(table, found, rows):
    """Return exit code 0; or 3, after a message about the clusters without a mass.

    Parameters
    ----------
    table : Table
        Result of `table_of`.
    found : Outcome
    rows : range
        Rows of the clusters in their catalog.
    """
    unread, failed = (np.isin(rows, [*each]) for each in (found.unread, found.failed))
    lost = np.isnan(table["log_mass"])
    _say_without_mass(
        table["name"][unread],
        f"of {len(table)} clusters have a list that cannot be read, or a gap in their row, "
        "so no mass. Mend the lists or rows, or remove them from the table",
    )
    _say_without_mass(
        table["name"][failed],
        f"of {len(table)} clusters have no mass, because of the errors above",
    )
    _say_without_mass(
        table["name"][lost & ~unread & ~failed],
        f"of {len(table)} clusters have no photon in the map, so no mass. Check their "
        "centers, redshifts and energies",
    )
    return 3 if lost.any() else 0


def _say_without_mass(names, why):
    if len(names):
        shown = ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])
        say(f"{len(names)} {why}: {shown}.", is_problem=True)
