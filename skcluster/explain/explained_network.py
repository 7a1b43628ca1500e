"""The network in a fitted estimator, and the steps that make its maps."""

import numpy as np
from sklearn.exceptions import NotFittedError
from sklearn.utils.validation import check_is_fitted

from ..cosmology import comoving_distance
from ..estimator_parts import (
    changes_target,
    fitted_inside,
    last_step,
    steps_before,
    walk,
)
from ..maps import LogScaler, PhotonMapper, RedshiftNormalizer
from ..maps.coverage import exposure_of_pixels
from ..plausible_masses import LN_10
from ..regressors.neural import NeuralMassRegressor
from ..sample import SparseMaps, refuse_maps_after, require
from ..sky import field_edge, has_field, knows_field


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


def maps_of_counts(steps, X):
    """Apply the fitted steps that make maps of counts from X, if there are any.

    Parameters
    ----------
    steps : list of fitted transformers
    X : input of the first step

    Returns
    -------
    X : output of the last PhotonMapper, or X itself without one
    made_by : PhotonMapper or MapGeometry or None
        What has made these maps; None if it is not known that they hold counts.
    later_steps : list of fitted transformers
    """
    is_mapper = [isinstance(step, PhotonMapper) for step in steps]
    n_before = len(steps) - is_mapper[::-1].index(True) if any(is_mapper) else 0
    before, after = steps[:n_before], steps[n_before:]
    for step in before:
        if isinstance(step, PhotonMapper):
            check_has_photons(X)
        X = step.transform(X)
    if before:
        return X, before[-1], after
    maps = getattr(X, "maps", None)
    are_counts = not getattr(maps, "steps", ())
    return X, getattr(maps, "geometry", None) if are_counts else None, after


def refuse_scaled_maps(steps, X, *, by):
    """Refuse maps that hold no counts, to which a photon adds nobody knows how much.

    Parameters
    ----------
    steps : list of fitted transformers
    X : input of the first step
    by : str
        What adds photons, for the message.
    """
    maps = getattr(X, "maps", X)
    makes_maps = any(isinstance(step, PhotonMapper) for step in steps)
    if isinstance(maps, SparseMaps) and not makes_maps:
        refuse_maps_after(maps, "RedshiftNormalizer", "LogScaler", by=by)


def photon_size(X, made_by, rows=slice(None)):
    """Return how much a photon that was observed adds to each pixel of maps of counts.

    Parameters
    ----------
    X : output of `maps_of_counts`
    made_by : PhotonMapper or MapGeometry or None
    rows : slice, default=slice(None)
        The clusters that are asked for.

    Returns
    -------
    size : ndarray of shape (n, 1, n_pixels, n_pixels), or 1.0
        `PhotonMapper` divides counts by the exposure of their pixel relative to the center
        and leaves what was not observed empty: 1 over this exposure, and 0. Where only a
        circular field of view is known: 1, and 0 beyond it. It is 1.0 where nothing is
        known of the field, or of what made the maps.
    """
    if made_by is None or not knows_field(X):
        return 1.0
    if not has_field(X) and X.coverage is not None and (X.coverage[rows] >= 1).all():
        return 1.0
    X = require(X[rows], "center", by="The response to a photon in a known field")
    n_pixels = X.maps.shape[-1]
    grid = {"n_pixels": n_pixels, "half_width": X.maps.geometry.half_width}
    if not has_field(X):
        return _touch_circle(X, made_by, **grid)[:, None].astype(float)
    size = np.zeros((len(X), n_pixels**2))
    for i, distance in enumerate(_distances(X.redshift, made_by.cosmology)):
        exposure, _ = exposure_of_pixels(X, i, distance, **grid)
        np.divide(1, exposure, out=size[i], where=exposure > 0)
    return size.reshape(-1, 1, n_pixels, n_pixels)


def _touch_circle(X, made_by, *, n_pixels, half_width):
    """Return whether pixels reach into the circular field of view, (n, rows, columns)."""
    edges = np.linspace(-1, 1, n_pixels + 1) * half_width
    nearest = np.maximum(0, np.maximum(edges[:-1], -edges[1:]))
    radius = _distances(X.redshift, made_by.cosmology) * field_edge(X)
    return np.hypot(nearest[:, None], nearest) <= radius[:, None, None]


def _distances(redshift, cosmology):
    try:
        return comoving_distance(redshift, cosmology)
    except ValueError as error:
        raise ValueError(
            "The response to a photon in a known field needs the "
            f"cosmology of the maps, {cosmology}, as an object. Give the Pipeline with its "
            "PhotonMapper as the estimator, and the sample without its maps."
        ) from error


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
        One pair for the step that counts photons, if it is known, and for each later step
        that changes the maps. The function ``increment(added, rows)`` returns how much the
        output pixels of the step rise if the input pixels of the clusters `rows` rise by
        `added`; for the first it is the number of photons. It is None for a step of
        unknown type.
    """
    X, made_by, steps = maps_of_counts(steps, X)
    increments: list[tuple] = []
    if made_by is not None:
        increments.append((made_by, _mapper_increment(X, made_by)))
    for step in steps:
        before, X = X, step.transform(X)
        if isinstance(step, LogScaler):
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


def _mapper_increment(X, made_by):
    return lambda n_photons, rows: n_photons * photon_size(X, made_by, rows)


def _log_scaler_increment(after):
    maps = _maps(after)
    # log10(n + d + 1) - log10(n + 1) = log10(1 + d / (n + 1)), and n + 1 = 10^x.
    return lambda added, rows: np.log1p(added * 10.0 ** -np.asarray(maps[rows])) / LN_10


def _normalizer_increment(step, before):
    factor = step.pivot_count / step.expected_counts(before)
    return lambda added, rows: added * factor[rows, None, None, None]


def _maps(X):
    return getattr(X, "maps", X)
