"""The network in a fitted estimator, and the steps that make its maps."""

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ..estimator_parts import (
    changes_target,
    fitted_inside,
    last_step,
    steps_before,
    walk,
)
from ..maps import LogScaler, PhotonMapper, RedshiftNormalizer
from ..plausible_masses import LN_10
from ..regressors.neural import NeuralMassRegressor


def split_network(estimator):
    """Return the fitted steps before the network, in order, and the network's regressor.

    Parameters
    ----------
    estimator : fitted estimator
        A network, or a meta-estimator around one: a Pipeline, a search, a calibration,
        or any nesting of these.

    Returns
    -------
    steps : list of fitted transformers
    regressor : fitted NeuralMassRegressor

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import LogScaler, XrayCNNRegressor
    >>> split_network(make_pipeline(LogScaler(), XrayCNNRegressor()))
    Traceback (most recent call last):
    sklearn.exceptions.NotFittedError: This XrayCNNRegressor instance is not fitted yet...
    """
    last = estimator
    while not isinstance(last, NeuralMassRegressor):
        if changes_target(last):
            raise TypeError(
                "SaliencyExplainer explains log10 M, but this TransformedTargetRegressor "
                "fits its network to a transformed target. Fit the network to log10 M "
                "itself, or explain its regressor_ in units of the transformed target."
            )
        if fitted_inside(last) is None:
            raise _not_a_network(last)
        last = fitted_inside(last)
    check_is_fitted(last)
    return steps_before(estimator), last


def _not_a_network(estimator):
    """Return the error for an estimator without a fitted network inside."""
    from sklearn.ensemble import BaseEnsemble

    is_ensemble = any(isinstance(each, BaseEnsemble) for each in walk(estimator))
    if isinstance(last_step(estimator), NeuralMassRegressor) and not is_ensemble:
        name = type(estimator).__name__
        return NotFittedError(
            f"This {name} is not fitted yet. Call fit before explain."
        )
    estimator = estimator if is_ensemble else last_step(estimator)
    is_class = isinstance(estimator, type)
    kind = f"the class {estimator.__name__}" if is_class else type(estimator).__name__
    advice = "Give a fitted XrayCNNRegressor, or a Pipeline that ends in one."
    if kind == "EvrardProxyRegressor":
        advice = "For the mass of a photon count, take proxy_saliency."
    elif hasattr(estimator, "estimators_") or isinstance(estimator, BaseEnsemble):
        advice = "It predicts with several estimators: explain each of its estimators_."
    return TypeError(
        f"SaliencyExplainer explains fitted networks, got {kind}. {advice}"
    )


def transformed(steps, X):
    """Apply fitted steps to X, and find how each of them changes an added photon.

    Parameters
    ----------
    steps : list of fitted transformers
    X : input of the first step

    Returns
    -------
    X : output of the last step
    increments : list of (step, callable or None)
        One pair for each step after the counts that changes the maps. The function
        ``increment(added, rows)`` returns how much the output pixels of the step rise
        if the input pixels of the clusters `rows` rise by `added`. It is None for a
        step of unknown type.
    """
    increments: list[tuple] = []
    for step in steps:
        if isinstance(step, PhotonMapper):
            check_has_photons(X)
        before, X = X, step.transform(X)
        if isinstance(step, PhotonMapper):
            increments = []
        elif isinstance(step, LogScaler):
            increments.append((step, _log_scaler_increment(X)))
        elif isinstance(step, RedshiftNormalizer):
            increments.append((step, _normalizer_increment(step, before)))
        elif _maps(before) is not _maps(X):
            increments.append((step, None))
    return X, increments


def check_has_photons(X):
    """Refuse a sample of maps for a pipeline that makes its maps from photons."""
    if getattr(X, "maps", None) is not None and X.photons is None:
        raise ValueError(
            "The sample has maps and no photons, but the estimator starts with "
            "PhotonMapper, which makes maps from photons. Give pipeline[1:] as the "
            "estimator, which takes these maps."
        )


def change_by_a_photon(increments, rows):
    """Return the change of each pixel's x when that pixel gets one more photon."""
    change = 1.0
    for _, increment in increments:
        change = increment(change, rows)
    return change


def check_increments(increments):
    """Refuse a saliency per photon unless the steps from counts to maps are known."""
    names = ", ".join(type(step).__name__ for step, _ in increments)
    unknown = [type(step).__name__ for step, known in increments if known is None]
    if unknown:
        raise ValueError(
            f"per_photon=True goes back from the network to counts, but what {unknown[0]} "
            f"does to a photon is not known (the steps are {names}). Give a Pipeline of "
            "PhotonMapper, RedshiftNormalizer, LogScaler and steps that do not change maps."
        )
    if not increments:
        raise ValueError(
            "per_photon=True goes back from the network to counts, but the estimator has "
            "no step that makes its maps from counts. Give a fitted Pipeline with "
            "RedshiftNormalizer and LogScaler before the network, and what it takes as X."
        )


def _log_scaler_increment(after):
    maps = _maps(after)
    # log10(n + d + 1) - log10(n + 1) = log10(1 + d / (n + 1)), and n + 1 = 10^x.
    return lambda added, rows: np.log1p(added * 10.0 ** -np.asarray(maps[rows])) / LN_10


def _normalizer_increment(step, before):
    factor = step.pivot_count / step.expected_counts(before)
    return lambda added, rows: added * factor[rows, None, None, None]


def _maps(X):
    return getattr(X, "maps", X)
