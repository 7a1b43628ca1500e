"""Tests of whether an explanation depends on what the network learned."""

import copy

import numpy as np
from scipy.stats import rankdata
from sklearn.utils import check_random_state, gen_batches

from ..parameters import Integer
from ..parameters.kinds import REFUSED
from ..regressors.torch_session import torch_session
from .cluster_statistics import CLUSTERS_PER_BLOCK, ratio, seed_of
from .explained_network import split_network
from .radial_profile import checked_saliency


def randomized_weights(estimator, n_layers, random_state=None):
    """Copy a fitted network and replace its last layers by untrained ones.

    If an explanation stays the same when layer after layer, starting at the output,
    loses what it has learned, it does not explain the network (Adebayo et al. 2018).
    Compare the two saliencies by `saliency_similarity`. The other half of that test is
    a network trained on masses in random order, ``clone(estimator).fit(X,
    rng.permutation(y))``: structure that its saliency still shows comes from the data
    and not from what was learned.

    Parameters
    ----------
    estimator : fitted estimator
        A network, or a meta-estimator around one, such as a Pipeline.
    n_layers : int
        Number of layers, counted from the output, that get random initial weights. The
        paper's network has 8.
    random_state : int, RandomState instance or None, default=None
        Seed of the new weights.

    Returns
    -------
    copy : estimator
        The network with the same standardization of pixels and masses. `estimator` itself
        is not changed.

    References
    ----------
    Adebayo et al. (2018), arXiv:1810.03292.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import XrayCNNRegressor
    >>> from skcluster.explain import randomized_weights
    >>> rng = np.random.default_rng(0)
    >>> maps, log_mass = rng.poisson(1, (12, 1, 8, 8)), rng.uniform(13.5, 15, 12)
    >>> network = XrayCNNRegressor(max_epochs=1, random_state=0).fit(maps, log_mass)
    >>> forgetful = randomized_weights(network, 1, random_state=0)
    >>> bool((forgetful.predict(maps) == network.predict(maps)).any())
    False
    """
    estimator = copy.deepcopy(estimator)
    _, regressor = split_network(estimator)
    rng = check_random_state(random_state)
    for net in regressor.nets_:
        with torch_session(_seed(rng)):
            fresh = regressor._module()
        trained, untrained = layers(net.module_), layers(fresh)
        number = Integer(0, len(trained)).read(n_layers)
        if number is REFUSED:
            raise ValueError(
                f"n_layers must be from 0 to {len(trained)}, the layers of the network, "
                f"got {n_layers!r}."
            )
        for i in range(len(trained) - number, len(trained)):
            trained[i].load_state_dict(untrained[i].state_dict())
    return estimator


def _seed(rng):
    # Networks draw their initial weights from random_state itself. Without this change
    # of seed, a network with the same random_state would get exactly its own initial
    # weights.
    return int(np.random.SeedSequence([seed_of(rng), 1]).generate_state(1)[0])


def layers(module):
    """List the layers of a torch module that have weights, from input to output."""
    return [part for part in module.modules() if [*part.parameters(recurse=False)]]


def saliency_similarity(a, b):
    """Spearman's rank correlation between two saliencies of each cluster.

    Parameters
    ----------
    a, b : array-like of shape (n_clusters, n_bands, n_pixels, n_pixels)

    Returns
    -------
    correlation : ndarray of shape (n_clusters,)
        Correlation over the pixels of all bands, NaN where a saliency is constant.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster.explain import saliency_similarity
    >>> saliency = np.arange(16.0).reshape(1, 1, 4, 4)
    >>> saliency_similarity(saliency, saliency**2), saliency_similarity(saliency, -saliency)
    (array([1.]), array([-1.]))
    """
    a, b = checked_saliency(a), checked_saliency(b)
    if a.shape != b.shape:
        raise ValueError(
            f"The saliencies have the shapes {a.shape} and {b.shape}. Compare those of "
            "the same clusters, bands and pixels."
        )
    correlation = np.empty(len(a))
    for rows in gen_batches(len(a), CLUSTERS_PER_BLOCK):
        correlation[rows] = _spearman(a[rows], b[rows])
    return correlation


def _spearman(a, b):
    ranks = [rankdata(part.reshape(len(part), -1), axis=1) for part in (a, b)]
    a, b = (rank - rank.mean(axis=1, keepdims=True) for rank in ranks)
    size = np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1))
    return ratio((a * b).sum(axis=1), size)
