"""A fitted estimator taken apart: the steps before the network, and the network."""

import numpy as np
from sklearn.utils.validation import check_is_fitted

from ..estimator_parts import changes_target, fitted_inside, steps_before
from ..maps import LogScaler, PhotonMapper, RedshiftNormalizer
from ..regressors.neural import NeuralMassRegressor

LN_10 = np.log(10)


def split_network(estimator):
    """The fitted steps before the network, in order, and the network's regressor.

    A search, or another estimator that fits a copy of one, stands for its copy.

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
        if fitted_inside(last) is None or changes_target(last):
            raise _not_a_network(last)
        last = fitted_inside(last)
    check_is_fitted(last)
    return steps_before(estimator), last


def _not_a_network(estimator):
    is_class = isinstance(estimator, type)
    kind = f"the class {estimator.__name__}" if is_class else type(estimator).__name__
    advice = "Give a fitted XrayCNNRegressor, or a Pipeline that ends in one."
    if kind == "EvrardProxyRegressor":
        advice = "For the mass of a photon count, take proxy_saliency."
    return TypeError(
        f"SaliencyExplainer explains fitted networks, got {kind}. {advice}"
    )


def transformed(steps, X):
    """What the steps make of X, and what becomes of a photon on its way through them.

    Each function takes what is added to the pixels that a step is given, and rows, and
    returns what that adds to the pixels that the step makes; a step that leaves the maps
    alone has none. None stands for a step of which that is not known.

    Parameters
    ----------
    steps : list of fitted transformers
    X : what the first of them takes

    Returns
    -------
    X : what the last of them returns
    increments : list of (step, callable or None)
        From the counts to the last step.
    """
    increments = []
    for step in steps:
        before, X = X, step.transform(X)
        if isinstance(step, PhotonMapper):
            increments = []
        elif isinstance(step, LogScaler):
            increments.append((step, _of_log_scaler(X)))
        elif isinstance(step, RedshiftNormalizer):
            increments.append((step, _of_normalizer(step, before.redshift)))
        elif _maps(before) is not _maps(X):
            increments.append((step, None))
    return X, increments


def change_by_a_photon(increments, rows):
    """What one photon more, in each pixel of some clusters, changes of that pixel's x."""
    change = 1.0
    for _, increment in increments:
        change = increment(change, rows)
    return change


def check_increments(increments):
    """Refuse a saliency per photon where the way back to counts is not known."""
    names = ", ".join(type(step).__name__ for step, _ in increments)
    unknown = [type(step).__name__ for step, known in increments if known is None]
    if unknown:
        raise ValueError(
            f"per_photon=True goes back from the network to counts, but what {unknown[0]} "
            f"does to a photon is not known (the steps are {names}). Give a Pipeline of "
            "PhotonMapper, RedshiftNormalizer, LogScaler and steps that leave maps alone."
        )
    if not increments:
        raise ValueError(
            "per_photon=True goes back from the network to counts, but the estimator has "
            "no step that makes its maps of counts. Give a fitted Pipeline with "
            "RedshiftNormalizer and LogScaler before the network, and what it takes as X."
        )


def _of_log_scaler(after):
    maps = _maps(after)
    # log10(n + d + 1) - log10(n + 1) = log10(1 + d / (n + 1)), and n + 1 = 10^x.
    return lambda added, rows: np.log1p(added * 10.0 ** -np.asarray(maps[rows])) / LN_10


def _of_normalizer(step, redshift):
    expected = 10 ** (step.slope_ * redshift + step.intercept_)
    factor = step.pivot_count / expected
    return lambda added, rows: added * factor[rows, None, None, None]


def _maps(X):
    return getattr(X, "maps", X)
