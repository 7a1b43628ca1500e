"""What each photon adds to a mass: exact, because the network sums over photons."""

import copy

import numpy as np
import torch

from ..networks.rows import ROWS_AT_ONCE
from ..regressors.photon_set import PhotonSetRegressor
from ..regressors.torch_session import torch_session
from .explained_network import split_network
from .weighted_photons import COLUMN


def photon_contributions(estimator, X):
    r"""Compute how much each photon adds to its cluster's predicted log10 M.

    The contribution of photon i is the predicted log10 M with all photons less that
    without photon i, as a `PhotonSetRegressor` predicts both:

    .. math::

        c_i = f\left( \sum_j \phi_j \right) - f\left( \sum_{j \neq i} \phi_j \right)

    Since the network sums over photons, this is exact and needs no gradients. Members of
    an ensemble are averaged. Columns such as the local density stay as they are: the
    photon is taken away from the sum, not from the descriptions of its neighbors.

    Parameters
    ----------
    estimator : fitted estimator
        A `PhotonSetRegressor`, or a Pipeline or other meta-estimator around one.
    X : ClusterSample
        What the estimator takes.

    Returns
    -------
    sample : ClusterSample
        X as the network receives it, with the photons in its band and aperture, which have
        the new column ``contribution`` [dex].

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
    sets = regressor._read(X)
    batches = regressor._batches(sets)
    found = np.zeros(len(X.photons["ra"]))
    with torch_session(n_threads=regressor.n_threads), torch.no_grad():
        networks = [
            copy.deepcopy(net.module_).cpu().double().eval() for net in regressor.nets_
        ]
        for i in range(len(X)):
            one = sets[[i]]
            described = [torch.from_numpy(v).double() for v in batches.described(one)]
            weight = 1 / (regressor.count_scale_ * one.relative_exposure[0])
            rows = slice(*X.photons.offsets[i : i + 2])
            for network in networks:
                found[rows] += _contributions(network, *described, weight)
    found *= regressor.target_scale_ / len(regressor.nets_)
    return X.assign(photons=X.photons.assign(**{COLUMN: found}))


def _contributions(network, values, redshift, weight):
    """Standardized mass with all photons of a cluster, less that without each."""
    blocks = values.split(ROWS_AT_ONCE)
    added = [weight * network.of_photon(block) for block in blocks]
    total = sum((each.sum(0) for each in added), torch.zeros(1, dtype=values.dtype))
    left_out = [
        _mean(network, total - each, redshift.expand(len(each))) for each in added
    ]
    with_all = _mean(network, total[None], redshift)
    return (with_all - torch.cat(left_out)).numpy() if len(values) else np.zeros(0)


def _mean(network, sums, redshift):
    # The difference of two equal numbers may be a little less than zero.
    predicted = network.estimate(network.with_sums(sums.clamp(min=0), redshift))
    return predicted[:, 0] if network.has_variance else predicted


def _check_sums(regressor):
    name = type(regressor).__name__
    if not isinstance(regressor, PhotonSetRegressor):
        raise TypeError(
            f"photon_contributions explains a PhotonSetRegressor, got a {name}. For the "
            "pixels of maps there is SaliencyExplainer."
        )
    network = regressor.net_.module_
    if not (hasattr(network, "of_photon") and hasattr(network, "with_sums")):
        raise TypeError(
            f"The network {type(network).__name__} has no methods of_photon and with_sums, "
            "so what a photon adds is not known. Derive it from PhotonSetNetwork."
        )
