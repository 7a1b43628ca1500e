"""`SaliencyExplainer`: how a network's mass depends on every pixel of its maps."""

from functools import partial
from numbers import Integral

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator
from sklearn.utils import Bunch, gen_batches

from ..model_selection import spatial_folds
from ..model_selection.fold_policy import check_partition, over_folds
from ..parameters import (
    Anything,
    Boolean,
    Choice,
    Integer,
    NonNegative,
    RandomState,
    check_parameters,
)
from ..plausible_masses import checked_log_mass
from ..progress import Progress
from ..regressors.kept_memory import kept_memory
from ..regressors.network_parameters import N_THREADS, Device
from ..regressors.symmetries import N_SYMMETRIES
from ..regressors.torch_session import resolve_device, torch_session
from .attribution import (
    DERIVATIVES,
    METHODS,
    ONE_CLUSTER_AT_A_TIME,
    MassGradient,
    Options,
    require_captum,
)
from .cluster_statistics import seed_of
from .explained_network import (
    change_by_a_photon,
    check_increments,
    refuse_scaled_maps,
    split_network,
    transformed,
)

MAPS_PER_BATCH = 8
"""Number of maps in the network at a time on a CPU; more are not faster."""


class SaliencyExplainer(BaseEstimator):
    r"""Explain a network's mass by its saliency: its slope in every pixel (paper Eq. 10).

    .. math::

        S_{ij} = \left| \frac{\partial f}{\partial x_{ij}} \right|, \qquad
        f = \log_{10} M_{500c}

    with x the log-scaled map that the network is given, before it is standardized. With
    several members, f is the mean of their masses.

    ======================== ======================================================
    ``gradient``             :math:`\partial f / \partial x` [dex per unit of x]
    ``smoothgrad``           its mean over `n_samples` maps with Gaussian noise of
                             standard deviation `noise` (Smilkov+2017)
    ``integrated_gradients`` :math:`x` times its mean between a map without photons and
                             x, in `n_samples` steps (Sundararajan+2017): each pixel's
                             part in :math:`f(x) - f(0)` [dex], and 0 where there is no
                             photon. Needs captum: ``pip install "skcluster[explain]"``
    ``deep_dream``           change of x after two steps of gradient ascent on f; each is
                             the gradient, divided by its mean size in the map, times
                             0.01 training standard deviations (Yan+2020) [unit of x]
    ======================== ======================================================

    Parameters
    ----------
    estimator : fitted estimator
        An `XrayCNNRegressor` or another network, or a meta-estimator around one: a
        Pipeline that ends in it, a search, a ``FrozenEstimator``, a
        `CalibratedMassRegressor`, a `RotationAugmentedRegressor`. The fitted network
        inside is explained. ``clone`` of an explainer also clones its estimator, which
        is then no longer fitted unless it is a ``FrozenEstimator``.
    method : str, default="gradient"
        One of the methods of the table above.
    signed : bool, default=False
        Keep the sign instead of taking the absolute value.
    per_photon : bool, default=False
        Return the response to raw counts instead: the derivative times the change of the
        pixel's x when one photon is added,
        :math:`S_{ij} \, [x(m_{ij} + 1) - x(m_{ij})]` [dex per photon]. See the notes. Not
        for ``integrated_gradients`` and ``deep_dream``, which are not derivatives.
    n_samples : int, default=32
        Number of noisy maps, or of steps.
    noise : float, default=0.2
        Standard deviation of the noise, in standard deviations of the training pixels.
    batch_size : int, default=None
        Number of maps in the network at a time; None chooses it.
    device : str, default=None
        A torch device; None is that of the network.
    random_state : int, RandomState instance or None, default=None
        Seed of the noise. The noise of a cluster depends only on this and on its photons.
    n_threads : int, default=None
        Number of batches at a time on a CPU, each in its own thread; None takes the
        network's parameter. The result does not depend on it.
    verbose : int, default=0
        1 shows the progress.

    Notes
    -----
    The joint network's saliency is that of its maps, with the cubes held fixed. So are the
    scalars of a network: with ``scalars=["log_counts"]``, ``per_photon=True`` is the
    response to a photon in the map that the scalar does not count.

    With c the factor by which `RedshiftNormalizer` multiplies counts, often 2 to 20,
    ``per_photon=True`` takes the secant

    .. math::

        x(m + 1) - x(m) = \log_{10} \frac{(m + 1) c + 1}{m c + 1}

    and not the slope :math:`c / [(m c + 1) \ln 10]`, which is up to ten times as large in
    an empty pixel. The network itself is taken to be linear. A photon in an empty pixel
    changes x by :math:`\log_{10}(c + 1)`, and over such a step some of the network's ReLUs
    and pooling windows switch. `photon_response` adds the photon and predicts again.
    Under an exposure map, a mask or holes, a photon adds 1 over the relative exposure of
    its pixel to m, as `PhotonMapper` counts it, and 0 where nothing was observed, as beyond
    the field of view.

    The saliency of a `CalibratedMassRegressor` is that of the network's own mass, before it
    is calibrated.

    A cluster's saliency does not depend on its neighbors in the sample.

    Where a map is empty, all pixels under a max-pooling window are equal, and rounding
    decides which of them receives the gradient. So single empty pixels may differ between
    machines; averages over a few hardly do.

    References
    ----------
    Simonyan, Vedaldi & Zisserman (2014), arXiv:1312.6034; Smilkov et al. (2017),
    arXiv:1706.03825; Sundararajan, Taly & Yan (2017), arXiv:1703.01365; Yan et al. (2020),
    MNRAS 499, 3445.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import SaliencyExplainer, XrayCNNRegressor
    >>> rng = np.random.default_rng(0)
    >>> maps, log_mass = rng.poisson(1, (12, 1, 8, 8)), rng.uniform(13.5, 15, 12)
    >>> regressor = XrayCNNRegressor(max_epochs=2, random_state=0).fit(maps, log_mass)
    >>> saliency = SaliencyExplainer(regressor).explain(maps)
    >>> saliency.shape, bool((saliency >= 0).all())
    ((12, 1, 8, 8), True)
    """

    _parameter_kinds = {
        "estimator": Anything(),
        "method": Choice(METHODS),
        "signed": Boolean(),
        "per_photon": Boolean(),
        "n_samples": Integer(1, 10_000),
        "noise": NonNegative(),
        "batch_size": Integer(1) | None,
        "device": Device() | None,
        "random_state": RandomState(),
        "n_threads": N_THREADS,
        "verbose": Integer(0) | Boolean(),
    }

    def __init__(
        self,
        estimator,
        *,
        method="gradient",
        signed=False,
        per_photon=False,
        n_samples=32,
        noise=0.2,
        batch_size=None,
        device=None,
        random_state=None,
        n_threads=None,
        verbose=0,
    ):
        self.estimator = estimator
        self.method = method
        self.signed = signed
        self.per_photon = per_photon
        self.n_samples = n_samples
        self.noise = noise
        self.batch_size = batch_size
        self.device = device
        self.random_state = random_state
        self.n_threads = n_threads
        self.verbose = verbose

    def explain(self, X):
        """Return the saliency of every pixel of the clusters' maps.

        Parameters
        ----------
        X : what the estimator predicts from
            For a sample that has its maps already, explain the later steps of a Pipeline,
            ``pipeline[1:]``.

        Returns
        -------
        saliency : ndarray of float32 of shape (n_clusters, n_bands, n_pixels, n_pixels)
            One value for each pixel of the maps, in the order ``[band, y, x]``.
        """
        parameters = checked_explainer_parameters(self)
        steps, regressor = split_network(self.estimator)
        given = X
        X, increments = transformed(steps, given)
        if parameters.per_photon:
            check_increments(increments)
            refuse_scaled_maps(steps, given, by="per_photon=True")
        inputs = regressor._read(X)
        regressor._check_shape(inputs)
        saliency = _explain_inputs(regressor, inputs, parameters)
        if parameters.per_photon:
            for rows in gen_batches(len(saliency), MAPS_PER_BATCH):
                saliency[rows] *= change_by_a_photon(increments, rows)
        return saliency if parameters.signed else np.abs(saliency, out=saliency)


def checked_explainer_parameters(explainer):
    """Return the parameters of a SaliencyExplainer as plain values, or refuse them."""
    parameters = check_parameters(explainer)
    if parameters.per_photon and parameters.method not in DERIVATIVES:
        raise ValueError(
            f"per_photon=True needs a derivative, and method={parameters.method!r} gives "
            f"none. Take one of {list(DERIVATIVES)}."
        )
    if parameters.method == "integrated_gradients":
        require_captum()
    return parameters


def _explain_inputs(regressor, inputs, parameters):
    """Return the signed saliency of maps that were read for the network."""
    network = regressor.nets_[0].module_
    if "maps" not in network.inputs:
        raise TypeError(
            f"SaliencyExplainer explains maps, but the network {type(network).__name__} "
            f"takes only {', '.join(network.inputs)}."
        )
    device = regressor.nets_[0].device
    if parameters.device is not None:
        device = resolve_device(parameters.device)
    options = _options(regressor, device, parameters)
    saliency = np.empty((len(inputs), *regressor.map_shape_), np.float32)
    one_at_a_time = parameters.method in ONE_CLUSTER_AT_A_TIME
    size = 1 if one_at_a_time else options.batch_size
    starts = range(0, len(inputs), size)
    n_workers = _n_workers(regressor, device, parameters)
    # One thread per batch and no threads inside: that is faster, and the last bits are
    # the same whatever the number of threads.
    with (
        torch.inference_mode(False),  # under which there would be no gradients
        torch_session(device=device, n_threads=1),
        kept_memory(regressor.keep_memory),
        Progress("explained", len(inputs), verbose=parameters.verbose) as progress,
    ):
        explain = _BatchExplainer(parameters.method, regressor, inputs, device, options)
        parallel = Parallel(n_workers, "threading", return_as="generator")
        found = parallel(delayed(explain)(start, size) for start in starts)
        for start, pixels in zip(starts, found, strict=True):
            saliency[start : start + size] = pixels
            progress.update(len(pixels))
    return saliency


def _n_workers(regressor, device, parameters):
    if not _is_cpu(device):
        return 1
    return parameters.n_threads or regressor.n_threads or torch.get_num_threads()


def _options(regressor, device, parameters):
    batch_size = parameters.batch_size
    if batch_size is None:
        net = regressor.nets_[0]
        batch_size = min(MAPS_PER_BATCH, net.part_size)
        batch_size = batch_size if _is_cpu(device) else net.part_size
        if net.symmetric:  # The network sees each map under all symmetries.
            batch_size = max(1, batch_size // N_SYMMETRIES)
    draws = parameters.method == "smoothgrad"
    entropy = seed_of(parameters.random_state) if draws else 0
    return Options(parameters.n_samples, parameters.noise, batch_size, entropy)


def cross_val_saliency(
    estimator, X, y, *, cv=None, groups=None, n_jobs=None, **explainer_params
):
    """Explain and predict every cluster by a network that was not trained on it.

    Parameters
    ----------
    estimator : estimator
        A network or a Pipeline that ends in one. A clone is fitted for each fold.
    X : ClusterSample, or what the estimator takes
    y : array-like of shape (n_clusters,)
        log10 M500c of each cluster.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`: octants by default
        where the sample has positions, otherwise five folds. Each cluster must be in
        exactly one test fold.
    groups : array-like, default=None
        Labels that no fold may split, in place of ``X.group`` of a sample.
    n_jobs : int, default=None
        Number of folds that run at the same time, each in its own process. With more
        than 1, give the network ``n_threads=1``.
    **explainer_params
        Parameters of `SaliencyExplainer`: ``method``, ``signed``, ``per_photon`` and so on.

    Returns
    -------
    result : Bunch
        ``saliency``, ndarray of float32 of shape (n_clusters, n_bands, n_pixels,
        n_pixels), and ``log_mass`` of shape (n_clusters,), the predictions.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.model_selection import KFold
    >>> from skcluster import XrayCNNRegressor, cross_val_saliency
    >>> rng = np.random.default_rng(0)
    >>> maps, log_mass = rng.poisson(1, (12, 1, 8, 8)), rng.uniform(13.5, 15, 12)
    >>> network = XrayCNNRegressor(max_epochs=1, random_state=0)
    >>> result = cross_val_saliency(network, maps, log_mass, cv=KFold(2))
    >>> result.saliency.shape, result.log_mass.shape
    ((12, 1, 8, 8), (12,))
    """
    y = checked_log_mass(y, by="cross_val_saliency", mass_range=None)
    folds = spatial_folds(cv, X, y, groups)
    check_partition(folds, len(y))
    params = dict(explainer_params)
    if not isinstance(params.get("random_state", 0), Integral):
        params["random_state"] = seed_of(params["random_state"])
    explainer = SaliencyExplainer(estimator, **params)
    checked_explainer_parameters(explainer)  # before the training
    explain = partial(_explain_and_predict, params=params)
    results = [*over_folds(explain, estimator, X, y, folds, groups, n_jobs=n_jobs)]
    saliency = np.empty((len(y), *results[0][0].shape[1:]), np.float32)
    log_mass = np.empty(len(y))
    for (_, test), (of_fold, masses) in zip(folds, results, strict=True):
        saliency[test], log_mass[test] = of_fold, masses
    return Bunch(saliency=saliency, log_mass=log_mass)


def _explain_and_predict(estimator, X, params):
    return SaliencyExplainer(estimator, **params).explain(X), estimator.predict(X)


class _BatchExplainer:
    """Explains the batch of clusters that starts at a row."""

    def __init__(self, method, regressor, inputs, device, options):
        self.method, self.options = METHODS[method], options
        self.mass_gradient = MassGradient(regressor, device)
        self.batches, self.n = regressor._batches(inputs), len(inputs)
        self.device = device

    def __call__(self, start, size):
        # The last bits of float32 depend on the size of the batch, and a cluster's
        # saliency must not depend on its neighbors: fill up the last batch.
        rows = np.minimum(np.arange(start, start + size), self.n - 1)
        batch, _ = self.batches.__getitems__(rows)
        taken = self.mass_gradient.networks[0].inputs
        others = {name: batch[name].to(self.device) for name in taken}
        maps = others.pop("maps")
        saliency = self.method(self.mass_gradient, maps, others, self.options)
        return saliency[: self.n - start].cpu().numpy()


def _is_cpu(device):
    return torch.device(device).type == "cpu"
