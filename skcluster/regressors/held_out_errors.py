"""Curves of trained networks, and the scale of their errors, by held-out clusters."""

from typing import NamedTuple

import numpy as np

from ..cluster_weights import effective_number
from .failed_fits import has_learned_nothing, judged_clusters
from .losses import LOG_VARIANCE_MIN
from .mass_net import MassNet, dropout_layers
from .output_curve import KNOTS, curve_of, error_curve_of, on_curve

N_DRAWS = 20
"""Draws of dropout by which curves and errors with dropout are learned."""
PRIOR_CLUSTERS = 4
"""Held-out clusters that the errors as predicted count as, in the scale of the variance.

n held-out clusters tell the logarithm of the scale to the root of 2 / n. But early stopping
makes errors too small by more than that: by factors of 2 to 10.
"""
LEAST_SCALE = 1e-6


class TrainedMember(NamedTuple):
    """A trained network, its clusters, and how it did on them.

    `curves` holds `curve_of` without draws of dropout, and with them; `error_curve` is that
    of `error_curve_of`, or zero without predicted variances.
    """

    net: MassNet
    train: np.ndarray
    held_out: np.ndarray
    curves: tuple
    error_curve: np.ndarray
    has_failed: bool


def judged_member(regressor, net, training, train, held_out):
    """Judge a trained network by its training clusters.

    Parameters
    ----------
    regressor : NeuralMassRegressor
    net : MassNet
    training : TrainingSet
    train, held_out : ndarray of int
        Clusters of the training set that the network has learned from, and others.

    Returns
    -------
    member : TrainedMember
    """
    inputs, target, weight = training.inputs, training.target[train], training.weight
    weight = None if weight is None else weight[train]
    judged = judged_clusters(np.arange(len(train)))
    others = np.setdiff1d(np.arange(len(train)), judged)
    seeds = _seeds_of_draws(regressor, net)
    # Dropout is drawn for some of the clusters only: it moves all of them alike.
    of_judged = regressor._outputs(net, inputs[train[judged]], [None, *seeds])
    standardized = np.empty((len(train), of_judged.shape[-1]))
    standardized[judged] = of_judged[:, 0]
    if len(others):
        standardized[others] = regressor._outputs(net, inputs[train[others]])[:, 0]
    output, *log_variance = standardized.T
    curve = with_draws = curve_of(output, target, weight)
    error_curve = np.zeros(len(KNOTS))
    if log_variance:
        residual = target - on_curve(output, curve)
        predicted = np.maximum(log_variance[0], LOG_VARIANCE_MIN)
        error_curve = error_curve_of(output, residual, predicted, weight)
    has_failed = has_learned_nothing(output[judged], target[judged], len(net.history))
    if seeds:
        as_without = on_curve(output[judged], curve)
        with_draws = curve_of(of_judged[:, 1:, 0], as_without)
    curves = curve, with_draws
    return TrainedMember(net, train, held_out, curves, error_curve, has_failed)


def held_out_errors(regressor, training, members):
    """Compare predictions with the masses of held-out clusters.

    Parameters
    ----------
    regressor : NeuralMassRegressor
    training : TrainingSet
    members : list of TrainedMember

    Returns
    -------
    residual : ndarray
        Predicted minus true masses, without draws of dropout, member by member.
    std : float
        Root of their mean square, NaN without any.
    moments : dict of str to dict of str to float
        `error_moments` ``without_draws`` and, if there is dropout, ``with_draws``.
    """
    inputs, y, weight = training.inputs, training.log_mass, training.weight
    rows = np.unique(np.concatenate([each.held_out for each in members]))
    if len(rows) == 0:
        return np.zeros(0), np.nan, {}
    is_own = np.array([np.isin(rows, each.held_out) for each in members])
    drawn = [_seeds_of_draws(regressor, each.net) for each in members]
    outputs = [
        regressor._outputs(each.net, inputs[rows], [None, *seeds])
        for each, seeds in zip(members, drawn, strict=True)
    ]
    found = {"without_draws": _in_dex(regressor, members, outputs, slice(0, 1), 0)}
    if all(drawn):
        found["with_draws"] = _in_dex(regressor, members, outputs, slice(1, None), 1)
    share = None if weight is None else np.broadcast_to(weight[rows], is_own.shape)
    mean, _ = found["without_draws"]
    residual = (mean - y[rows, None])[is_own][:, 0]
    own_share = None if share is None else share[is_own]
    std = float(np.sqrt(np.average(residual**2, weights=own_share)))
    moments = {}
    for name, (mean, variance) in found.items():
        if variance is None:
            variance = np.full_like(mean, std**2)
        moments[name] = error_moments(mean, variance, y[rows], is_own, share)
    return residual, std, moments


def _in_dex(regressor, members, outputs, draws, which):
    """Means and variances (or None) of all members, (n_members, n_clusters, n_draws)."""
    each = [
        regressor._in_dex(output[:, draws], one.curves[which], one.error_curve)
        for one, output in zip(members, outputs, strict=True)
    ]
    means, variances = zip(*each, strict=True)
    return np.array(means), None if variances[0] is None else np.array(variances)


def error_moments(mean, variance, y, is_own, weight=None):
    r"""Squared residuals, and variances of means, in units of the predicted variance.

    Parameters
    ----------
    mean, variance : ndarray of shape (n_members, n_clusters, n_draws)
    y : ndarray of shape (n_clusters,)
    is_own : ndarray of bool of shape (n_members, n_clusters)
        Whether the member was not trained on the cluster.
    weight : ndarray of shape (n_members, n_clusters), default=None
        Weights of the clusters.

    Returns
    -------
    moments : dict of str to float
        ``n``, the (effective) number of residuals of members; ``residual``, the mean
        square of the residuals of single draws of single members; ``draws``, the variance
        between the draws of a member; ``members``, that between the averages of members
        over infinitely many draws, divided by n_members (not by one less).

    Examples
    --------
    >>> mean = np.array([[[14.1], [14.3]], [[13.9], [14.1]]])
    >>> moments = error_moments(
    ...     mean, np.full((2, 2, 1), 0.01), np.array([14.0, 14.0]), np.ones((2, 2), bool)
    ... )
    >>> {name: round(value, 3) for name, value in moments.items()}
    {'n': 4, 'residual': 3.0, 'draws': 0.0, 'members': 1.0}
    """
    n_members, _, n_draws = mean.shape
    variance = np.broadcast_to(variance.mean(axis=(0, 2)), is_own.shape)
    square = np.mean((mean - y[:, None]) ** 2, axis=2)
    draws = mean.var(axis=2, ddof=1) if n_draws > 1 else np.zeros(is_own.shape)
    own, each = (None, None) if weight is None else (weight[is_own], weight[0])
    draws = float(np.average((draws / variance)[is_own], weights=own))
    members = np.average(mean.mean(axis=2).var(axis=0) / variance[0], weights=each)
    # Averages of a few draws differ between members even if the members do not.
    members -= draws / n_draws * (1 - 1 / n_members)
    return {
        "n": int(is_own.sum()) if own is None else float(effective_number(own)),
        "residual": float(np.average((square / variance)[is_own], weights=own)),
        "draws": draws,
        "members": float(max(members, 0.0)),
    }


def variance_scale(moments, n_members, n_draws):
    r"""Factor by which the predicted variance of a combined prediction is too small.

    The mean of components :math:`m_k` has, for a cluster of mass y, the squared residual

    .. math::

        (\bar{m} - y)^2 = \langle (m_k - y)^2 \rangle - \mathrm{var}(m_k)

    (Krogh & Vedelsby 1995). Its mean over held-out clusters is compared with that of the
    variance of their mixture, :math:`\langle \sigma_k^2 \rangle + \mathrm{var}(m_k)`,
    both in units of :math:`\langle \sigma_k^2 \rangle`. The ratio is raised to the power
    n / (n + `PRIOR_CLUSTERS`), with n held-out clusters: few of them change little.

    Parameters
    ----------
    moments : dict of str to float, or None
        See `error_moments`; None gives 1.
    n_members, n_draws : int
        Number of networks, and of draws of dropout of each (1 without draws).

    Examples
    --------
    >>> moments = {"n": 100_000, "residual": 1.5, "draws": 0.0, "members": 0.5}
    >>> round(variance_scale(moments, n_members=2, n_draws=1), 3)
    0.667
    """
    if moments is None:
        return 1.0
    n_components = n_members * n_draws
    spread = moments["members"] + moments["draws"] * (1 - 1 / n_components)
    # Components err together or independently, but not in opposite directions.
    left = max(moments["residual"] - spread, moments["residual"] / n_components)
    scale = max(left / (1 + spread), LEAST_SCALE)
    return float(scale ** (moments["n"] / (moments["n"] + PRIOR_CLUSTERS)))


def _seeds_of_draws(regressor, net):
    has_dropout = regressor.dropout > 0 and dropout_layers(net.module_)
    return regressor._dropout_seeds(N_DRAWS) if has_dropout else []
