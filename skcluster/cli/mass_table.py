"""Table of the masses that a stored model predicts."""

import numpy as np

from ..progress import say
from .new_clusters import NAMED, mapper_and_rest

UNLIKE = 1e-3
"""Probability below which clusters are said to be unlike the training set."""


def predicted_masses(model, sample, **options):
    """Return the `mass_table` of a sample with photons and a model that takes them."""
    mapper, rest = mapper_and_rest(model)
    return mass_table(rest, mapper.transform(sample), **options)


def mass_table(steps, mapped, *, unread=False, quantiles=(), beta=None):
    """Return masses, their errors, and how unlike the training set the clusters are.

    Parameters
    ----------
    steps : Pipeline
        Steps that follow the PhotonMapper or the PhotonFeaturizer.
    mapped : ClusterSample
        Clusters as that step returns them; those without a photon get NaN.
    unread : bool or ndarray of bool of shape (n_clusters,), default=False
        Clusters with a list that cannot be read, which get NaN, too.
    quantiles : sequence of float, default=()
        Probabilities of the posterior's quantiles, one column each, such as ``q0.025``.
    beta : float, default=None
        Slope of a population prior, see `reweight_prior`.
    """
    from astropy.table import Table

    maps, photons = mapped.maps, mapped.photons
    total = photons.lengths if maps is None else maps.total()
    seen = (total > 0) & ~np.asarray(unread)
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
    return f"q{float(q)!r}"


def _measured(steps, mapped, quantiles, beta):
    from .. import misspecification_score, predict_posterior, reweight_prior
    from ..estimator_parts import last_step

    last, found = last_step(steps), {}
    if hasattr(last, "outlier_detector_"):
        found["misspecification"] = misspecification_score(steps, mapped)
        _say_if_unlike(steps, mapped)
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


def _say_if_unlike(steps, mapped):
    from .. import population_test
    from ..outliers import MIN_TESTED

    if len(mapped) < MIN_TESTED:
        return
    p_value = population_test(steps, mapped)
    if p_value < UNLIKE:
        say(
            f"Together these {len(mapped)} clusters are unlike the training set (p = "
            f"{p_value:.1g}), so all masses may be off: another exposure, background, "
            "point-spread function or selection?"
        )


def exit_code(table, unread):
    """Return exit code 0; or 3, after a message about the clusters without a mass.

    Parameters
    ----------
    table : Table
        Result of `mass_table`.
    unread : ndarray of bool of shape (n_clusters,)
        Clusters with a list that cannot be read.
    """
    lost = np.isnan(table["log_mass"])
    _say_without_mass(
        table["name"][unread],
        f"of {len(table)} clusters have a list that cannot be read, so no mass. Mend the "
        "lists, or remove them from the table",
    )
    _say_without_mass(
        table["name"][lost & ~unread],
        f"of {len(table)} clusters have no photon in the map, so no mass. Check their "
        "centers, redshifts and energies",
    )
    return 3 if lost.any() else 0


def _say_without_mass(names, why):
    if len(names):
        shown = ", ".join([*names[:NAMED], *(["..."] if len(names) > NAMED else [])])
        say(f"{len(names)} {why}: {shown}.")
