"""What each photon and galaxy adds to a mass: exact, because the network sums over them."""

import copy

import numpy as np
import torch

from ..networks.rows import ROWS_AT_ONCE
from ..regressors.output_curve import on_curve
from ..regressors.photon_set import PhotonSetRegressor
from ..regressors.torch_session import torch_session
from ..sample.described_columns import CONTRIBUTION
from .explained_network import split_network

LAYERS = {"photons": "of_photon", "galaxies": "of_galaxy"}
"""Part of the network that looks at each photon, and at each galaxy."""


def photon_contributions(estimator, X):
    r"""Compute how much each photon, and each galaxy, adds to the predicted log10 M.

    The contribution of photon i is the predicted log10 M with all photons less that
    without photon i, as a `PhotonSetRegressor` predicts both:

    .. math::

        c_i = f\left( \sum_j \phi_j \right) - f\left( \sum_{j \neq i} \phi_j \right)

    Since the network sums over photons, this is exact and needs no gradients. Members of
    an ensemble are averaged. Columns such as the local density stay as they are: the
    photon is taken away from the sum, not from the descriptions of its neighbors. If the
    network looks at galaxies, what each of them adds is computed likewise. Draws of
    dropout are left out, and so is the calibration of a `CalibratedMassRegressor`.

    Parameters
    ----------
    estimator : fitted estimator
        A `PhotonSetRegressor`, or a Pipeline or other meta-estimator around one.
    X : ClusterSample
        What the estimator takes.

    Returns
    -------
    sample : ClusterSample
        X as the network receives it. The photons in its band and aperture, and the
        galaxies inside its cuts, have the new column ``contribution`` [dex].

    Examples
    --------
    >>> from sklearn.pipeline import make_pipeline
    >>> from skcluster import PhotonFeaturizer, PhotonSetRegressor, photon_contributions
    >>> from skcluster.datasets import make_mock_survey
    >>> survey = make_mock_survey(40, random_state=0, galaxies=False)
    >>> model = make_pipeline(
    ...     PhotonFeaturizer(), PhotonSetRegressor(max_epochs=2, random_state=0)
    ... )
    >>> explained = photon_contributions(
    ...     model.fit(survey.sample, survey.log_mass), survey.sample
    ... )
    >>> "contribution" in explained.photons
    True
    """
    steps, regressor = split_network(estimator)
    _check_sums(regressor)
    for step in steps:
        X = step.transform(X)
    inputs = regressor._read(X)
    batches = regressor._batches(inputs)
    found = {
        name: np.zeros(each.all_rows.offsets[-1]) for name, each in inputs.sets.items()
    }
    with torch_session(n_threads=regressor.n_threads), torch.no_grad():
        networks = [
            copy.deepcopy(net.module_).cpu().double().eval() for net in regressor.nets_
        ]
        for i in range(len(X)):
            one = _standardized(inputs[[i]], batches)
            for name, each in _mean_contributions(regressor, networks, one).items():
                rows = slice(*inputs.sets[name].all_rows.offsets[i : i + 2])
                found[name][rows] = each
    explained = {
        name: getattr(X, name).assign(**{CONTRIBUTION: each})
        for name, each in found.items()
    }
    return X.assign(**explained)


def _standardized(one, batches):
    """Return photons and galaxies of one cluster, the weight of each, and its redshift."""
    rows, weights = {}, {}
    for name, sets in one.sets.items():
        rows[name] = torch.from_numpy(batches.described(name, one)).double()
        weight = 1 / (batches.scalings[name].count * sets.relative_exposure[0])
        weight = np.full(len(rows[name]), weight) * sets.weights(sets.rows()[0])
        weights[name] = torch.from_numpy(weight)[:, None]
    redshift = batches.standardized_redshift(one).astype(np.float32)
    return rows, weights, torch.from_numpy(redshift).double()


def _mean_contributions(regressor, networks, one):
    """Contributions in one cluster, on average over the networks [dex]."""
    of_networks = [
        _contributions(network, curve, *one)
        for network, curve in zip(networks, regressor.curve_[:, 0], strict=True)
    ]
    return {
        name: sum(regressor.target_scale_ * each[name] for each in of_networks)
        / len(networks)
        for name in of_networks[0]
    }


def _contributions(network, curve, rows, weights, redshift):
    """Standardized mass with all of a cluster, less that without each photon or galaxy."""
    added = {
        name: [
            weight * getattr(network, LAYERS[name])(block)
            for block, weight in zip(
                values.split(ROWS_AT_ONCE),
                weights[name].split(ROWS_AT_ONCE),
                strict=True,
            )
        ]
        for name, values in rows.items()
    }
    totals = {
        name: sum(each.sum(0) for each in blocks) for name, blocks in added.items()
    }
    with_all = on_curve(_mean(network, totals, redshift), curve)
    found = {}
    for name, blocks in added.items():
        left_out = [
            _mean(network, {**totals, name: totals[name] - block}, redshift)
            for block in blocks
        ]
        found[name] = (with_all - on_curve(torch.cat(left_out), curve)).numpy()
    return found


def _mean(network, sums, redshift):
    """Standardized masses from sums, of which some are those of several cases."""
    n_cases = max((len(each) for each in sums.values() if each.ndim == 2), default=1)
    # The difference of two equal numbers may be a little less than zero.
    each = [part.expand(n_cases, -1).clamp(min=0) for part in sums.values()]
    features = network.with_sums(torch.cat(each, 1), redshift.expand(n_cases))
    predicted = network.estimate(features)
    return predicted[:, 0] if network.has_variance else predicted


def _check_sums(regressor):
    name = type(regressor).__name__
    if not isinstance(regressor, PhotonSetRegressor):
        raise TypeError(
            f"photon_contributions explains a PhotonSetRegressor, got a {name}. For the "
            "pixels of maps there is SaliencyExplainer."
        )
    network = regressor.net_.module_
    needed = [*(LAYERS[name] for name in regressor.columns_), "with_sums"]
    if not all(hasattr(network, name) for name in needed):
        raise TypeError(
            f"The network {type(network).__name__} has no methods {' and '.join(needed)}, "
            "so what a photon adds is not known. Derive it from PhotonSetNetwork."
        )
