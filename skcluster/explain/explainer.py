"""SaliencyExplainer: how a network's mass answers to every pixel of its maps."""

from numbers import Integral, Real

import numpy as np
import torch
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, clone
from sklearn.utils import Bunch, check_random_state

from ..model_selection import spatial_folds
from ..progress import Progress
from ..regressors.mass_net import resolve_device, torch_session
from ..regressors.memory import kept_memory
from .attribution import (
    METHODS,
    OF_MANY_MAPS,
    OF_SLOPES,
    MassFunction,
    Options,
    require_captum,
)
from .explained_network import (
    change_by_a_photon,
    check_increments,
    split_network,
    transformed,
)

MAPS_PER_BATCH = 8
"""On a CPU; more are not faster."""


class SaliencyExplainer(BaseEstimator):
    r"""Saliency of maps: how log10 M answers to every pixel (paper Eq. 10).

    .. math::

        S_{ij} = \left| \frac{\partial f}{\partial x_{ij}} \right|, \qquad
        f = \log_{10} M_{500c}

    with x the log-scaled map that the network is given: the scalings of the target and of
    the input are undone. Of several members, f is their mean.

    ======================== ======================================================
    ``gradient``             :math:`\partial f / \partial x` [dex per unit of x]
    ``smoothgrad``           its mean over `n_samples` maps with Gaussian noise of
                             standard deviation `noise` (Smilkov+2017)
    ``integrated_gradients`` :math:`x` times its mean between a map without photons and
                             x, in `n_samples` steps (Sundararajan+2017): each pixel's
                             part in :math:`f(x) - f(0)` [dex], and 0 where there is no
                             photon. Needs captum: ``pip install "skcluster[explain]"``
    ``deep_dream``           the change of x by two steps of gradient ascent on f, each
                             of 0.01 training standard deviations times the gradient
                             over its mean size in the map (Yan+2020) [unit of x]
    ======================== ======================================================

    Parameters
    ----------
    estimator : fitted estimator
        An `XrayCNNRegressor` or another network of this package, or a Pipeline that ends
        in one. Of a search, the best estimator is explained. ``clone`` of an explainer
        forgets what its estimator learned, unless that is a ``FrozenEstimator``.
    method : str, default="gradient"
    signed : bool, default=False
        Keep the sign instead of the absolute value.
    per_photon : bool, default=False
        Go on to raw counts, through the steps of the Pipeline: the derivative times what
        one photon more changes of the pixel's x,
        :math:`S_{ij} \, [x(m_{ij} + 1) - x(m_{ij})]` [dex per photon added]. See the
        notes. Not for ``integrated_gradients`` and ``deep_dream``, which are no
        derivatives.
    n_samples : int, default=32
        Noisy maps, or steps.
    noise : float, default=0.2
        In standard deviations of the training pixels.
    batch_size : int, default=None
        Maps in the network at a time; None chooses.
    device : str, default=None
        A torch device; None is that of the network.
    random_state : int, RandomState instance or None, default=None
        Of the noise. A cluster's noise hangs on this and on its own photons only.
    n_threads : int, default=None
        Batches at a time on a CPU, each in a thread; None is the network's choice. It
        changes no result.
    verbose : int, default=0
        1 shows a line of progress.

    Notes
    -----
    The joint network's saliency is that of its maps, with the cubes held fixed.

    With f the factor of `RedshiftNormalizer`, which is often 2 to 20,
    ``per_photon=True`` takes the secant

    .. math::

        x(m + 1) - x(m) = \log_{10} \frac{(m + 1) f + 1}{m f + 1}

    and not the slope :math:`f / [(m f + 1) \ln 10]` of an infinitesimal part of a photon,
    which is up to ten times as large where a pixel is empty. The network's own response
    remains linear: a photon in an empty pixel changes x by log10(f + 1), over which some
    of the network's ReLUs and pooling windows switch. `photon_response` adds the photon
    and asks again.

    A cluster's saliency does not depend on its neighbours in the sample.

    Where a map is empty, all pixels under a max-pooling window are equal, and rounding
    decides which of them the gradient goes to: single empty pixels may differ between
    machines, averages over a few hardly.

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
        """Saliency of every pixel.

        Parameters
        ----------
        X : what the estimator predicts from
            A sample whose maps are made already is for the later steps of a Pipeline:
            explain ``pipeline[1:]``.

        Returns
        -------
        saliency : ndarray of float32 of shape (n_clusters, n_bands, n_pixels, n_pixels)
            ``[band, y, x]``, pixel for pixel that of the maps.
        """
        self._check_parameters()
        steps, regressor = split_network(self.estimator)
        X, increments = transformed(steps, X)
        if self.per_photon:
            check_increments(increments)
        inputs = regressor._read(X)
        regressor._check_shape(inputs)
        saliency = self._explain_inputs(regressor, inputs)
        if self.per_photon:
            for row in range(0, len(saliency), MAPS_PER_BATCH):
                rows = slice(row, row + MAPS_PER_BATCH)
                saliency[rows] *= change_by_a_photon(increments, rows)
        return saliency if self.signed else np.abs(saliency, out=saliency)

    def _explain_inputs(self, regressor, inputs):
        device = regressor.nets_[0].device
        device = device if self.device is None else resolve_device(self.device)
        options = self._options(regressor, device)
        saliency = np.empty((len(inputs), *regressor.map_shape_), np.float32)
        size = 1 if self.method in OF_MANY_MAPS else options.batch_size
        starts = range(0, len(inputs), size)
        n_workers = self._n_workers(regressor, device)
        # A thread for each batch and no threads inside: that is faster, and the last bits
        # are the same whatever the number of threads.
        with (
            torch_session(device=device, n_threads=1),
            kept_memory(regressor.keep_memory),
            Progress("explained", len(inputs), verbose=self.verbose) as progress,
        ):
            explain = _BatchExplainer(self.method, regressor, inputs, device, options)
            parallel = Parallel(n_workers, "threading", return_as="generator")
            found = parallel(delayed(explain)(start, size) for start in starts)
            for start, pixels in zip(starts, found, strict=True):
                saliency[start : start + size] = pixels
                progress.update(len(pixels))
        return saliency

    def _n_workers(self, regressor, device):
        if not _is_cpu(device):
            return 1
        return self.n_threads or regressor.n_threads or torch.get_num_threads()

    def _options(self, regressor, device):
        part_size = regressor.nets_[0].part_size
        chosen = min(MAPS_PER_BATCH, part_size) if _is_cpu(device) else part_size
        entropy = 0
        if self.method == "smoothgrad":
            entropy = int(check_random_state(self.random_state).randint(2**31 - 1))
        return Options(
            self.n_samples,
            self.noise,
            chosen if self.batch_size is None else self.batch_size,
            entropy,
        )

    def _check_parameters(self):
        if self.method not in METHODS:
            raise ValueError(
                f"method must be one of {list(METHODS)}, got {self.method!r}."
            )
        if self.per_photon and self.method not in OF_SLOPES:
            raise ValueError(
                f"per_photon=True needs a derivative, and method={self.method!r} gives "
                f"none. Take one of {list(OF_SLOPES)}."
            )
        for name in ("n_samples", "batch_size", "n_threads"):
            value = getattr(self, name)
            may_be_none = value is None and name != "n_samples"
            if not may_be_none and not (isinstance(value, Integral) and value >= 1):
                raise ValueError(f"{name} must be a positive int, got {value!r}.")
        if not (isinstance(self.noise, Real) and 0 <= self.noise < np.inf):
            raise ValueError(
                f"noise must be a number that is not negative, got {self.noise!r}."
            )
        if self.method == "integrated_gradients":
            require_captum()


def cross_val_saliency(
    estimator, X, y, *, cv=None, groups=None, n_jobs=None, **explainer_params
):
    """Saliency and log10 M of every cluster from the network that did not see it.

    Parameters
    ----------
    estimator : estimator
        A network or a Pipeline that ends in one; a clone is fitted to each fold.
    X : ClusterSample, or what the estimator takes
    y : array-like of shape (n_clusters,)
        log10 M500c.
    cv : cross-validation splitter, int, iterable or None, default=None
        The folds, as in `skcluster.model_selection.spatial_folds`: octants by default
        where the sample has positions, otherwise five folds. Each cluster must be in
        exactly one test fold.
    groups : array-like, default=None
        Labels that no fold may split, in place of ``X.group`` of a sample.
    n_jobs : int, default=None
        Folds at a time, each in a process of its own. Give the network ``n_threads=1``
        then.
    **explainer_params
        Of `SaliencyExplainer`: ``method``, ``signed``, ``per_photon`` and the others.

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
    y = np.asarray(y, float)
    folds = spatial_folds(cv, X, y, groups)
    tested = np.concatenate([test for _, test in folds])
    if not np.array_equal(np.sort(tested), np.arange(len(y))):
        missed = len(y) - len(np.unique(tested))
        raise ValueError(
            f"Every cluster must be tested once, but {cv} tests {len(tested)} times and "
            f"leaves out {missed} of {len(y)} clusters. Give folds that share the sample."
        )
    params = dict(explainer_params)
    if not isinstance(params.get("random_state", 0), Integral):
        rng = check_random_state(params["random_state"])
        params["random_state"] = int(rng.randint(2**31 - 1))
    results = Parallel(n_jobs=n_jobs)(
        delayed(_explain_fold)(estimator, X, y, train, test, params)
        for train, test in folds
    )
    saliency = log_mass = None
    for (_, test), (of_fold, masses) in zip(folds, results, strict=True):
        if saliency is None:
            saliency = np.empty((len(y), *of_fold.shape[1:]), np.float32)
            log_mass = np.empty(len(y))
        saliency[test], log_mass[test] = of_fold, masses
    return Bunch(saliency=saliency, log_mass=log_mass)


def _explain_fold(estimator, X, y, train, test, params):
    fitted = clone(estimator).fit(X[train], y[train])
    saliency = SaliencyExplainer(fitted, **params).explain(X[test])
    return saliency, fitted.predict(X[test])


class _BatchExplainer:
    """A function from the first row of a batch, and its size, to the saliency."""

    def __init__(self, method, regressor, inputs, device, options):
        self.method, self.options = METHODS[method], options
        self.function = MassFunction(regressor, device)
        self.batches, self.n = regressor._batches(inputs), len(inputs)
        self.device = device

    def __call__(self, start, size):
        # The last bits of float32 depend on the shape of the batch, and a cluster's
        # saliency must not depend on its neighbours: fill the last batch up.
        rows = np.minimum(np.arange(start, start + size), self.n - 1)
        batch, _ = self.batches.__getitems__(rows)
        taken = self.function.modules[0].inputs
        others = {name: batch[name].to(self.device) for name in taken}
        maps = others.pop("maps")
        saliency = self.method(self.function, maps, others, self.options)
        return saliency[: self.n - start].cpu().numpy()


def _is_cpu(device):
    return torch.device(device).type == "cpu"
