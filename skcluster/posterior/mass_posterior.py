"""Posteriors of log10 M, and replacement of the prior that they contain."""

import numpy as np
from scipy.special import ndtr
from sklearn.utils import check_random_state

from ..parameters import Integer
from ..plausible_masses import MASS_RANGE, checked_log_mass
from ..printable import counted
from ..sample.plain_arrays import as_numbers
from .printed import as_html
from .priors import check_table_covers, log_prior
from .sharp_edges import cut_at_support

N_CELLS = 512
N_SIGMA = 8.0
MOST_LOST = 1e-3
"""Most probability that a posterior with another prior may have beyond its cells."""


class MassPosterior:
    r"""Posteriors of log10 M of n clusters, as probabilities of narrow cells of mass.

    The probabilities of cells, and the cumulative ones at their edges, are exact also
    for very narrow posteriors.

    Parameters
    ----------
    edges : ndarray of shape (n_clusters, n_cells + 1)
        log10 masses that bound the cells of each cluster, in increasing order.
    probability : ndarray of shape (n_clusters, n_cells)
        Probability of each cell; rows are scaled such that they sum to 1.
    log_prior : ndarray of shape (n_clusters, n_cells), default=None
        Natural logarithm, up to a constant, of the prior that the posterior contains, at
        the middle of each cell. None: a prior that is flat in log M. Where the prior is
        zero (minus infinity), so is the posterior.

    Examples
    --------
    >>> import numpy as np
    >>> posterior = MassPosterior.from_gaussians([14.0, 14.5], [0.1, 0.2])
    >>> posterior.mean(), posterior.std().round(3)
    (array([14. , 14.5]), array([0.1, 0.2]))
    >>> posterior.quantile([0.16, 0.5, 0.84]).round(3)
    array([[13.901, 14.   , 14.099],
           [14.301, 14.5  , 14.699]])
    """

    def __init__(self, edges, probability, log_prior=None):
        self.edges, probability = _checked_cells(edges, probability)
        self.log_prior = np.zeros_like(probability) if log_prior is None else log_prior
        probability = np.where(np.isneginf(self.log_prior), 0.0, probability)
        total = probability.sum(axis=1, keepdims=True)
        if not (total > 0).all():
            lost = np.flatnonzero(~(total[:, 0] > 0))
            raise ValueError(
                f"The posteriors of {len(lost)} of {len(total)} clusters vanish (first: "
                f"cluster {lost[0]}): the prior is zero where their masses are. Give one "
                "that is positive there."
            )
        self.probability = probability / total

    @classmethod
    def from_gaussians(cls, mean, std, *, log_prior=None, match_std=True):
        """Make posteriors that are Gaussians, or means of several Gaussians.

        Parameters
        ----------
        mean, std : array-like of shape (n_clusters,) or (n_clusters, n_components)
            Mean and standard deviation of each Gaussian in log10 M; `std` may also be one
            number for all.
        log_prior : callable, default=None
            The prior inside the Gaussians: a function of an array of log10 masses, see
            `skcluster.posterior.log_prior`. At the ends of a
            `skcluster.posterior.TrainingPrior` posteriors are cut: those that reach beyond
            become truncated Gaussians (or mixtures) of the same mean and, if possible, the
            same standard deviation.
        match_std : bool, default=True
            Whether `std` is that of each cluster. Give False if it is a mean over all
            clusters: the posteriors near the ends are then narrower than it.
        """
        mean = as_numbers(mean, "mean", "log_mass")
        std = as_numbers(std, "std", "log_mass")
        mean, std = np.atleast_1d(*np.broadcast_arrays(mean, std))
        if mean.ndim == 1:
            mean, std = mean[:, None], std[:, None]
        if not (std > 0).all() or not np.isfinite(mean + std).all():
            wrong = np.flatnonzero(~(np.isfinite(mean + std) & (std > 0)).all(axis=1))
            raise ValueError(
                f"{len(wrong)} of {len(mean)} posteriors have no finite mean, or no "
                f"positive standard deviation (first: cluster {wrong[0]})."
            )
        low, high = _reach(mean, std, N_SIGMA)
        support = getattr(log_prior, "support", (-np.inf, np.inf))
        is_cut = (low < support[0]) | (high > support[1])
        low, high = np.where(is_cut, _reach(mean, std, 2 * N_SIGMA), [low, high])
        edges = np.linspace(low, high, N_CELLS + 1, axis=1)
        probability = np.zeros((len(mean), N_CELLS))
        for each, width in zip(mean.T, std.T, strict=True):
            probability += _gaussian_cells((edges - each[:, None]) / width[:, None])
        return cls.from_cells(edges, probability, log_prior, match_std=match_std)

    @classmethod
    def from_cells(cls, edges, probability, log_prior=None, *, match_std=True):
        """Make posteriors of cells, cut where the prior ends.

        Parameters
        ----------
        edges, probability : ndarrays
            As for `MassPosterior`.
        log_prior, match_std
            As in `from_gaussians`.
        """
        support = getattr(log_prior, "support", None)
        if support is not None:
            edges, probability = cut_at_support(
                edges, probability, support, match_std=match_std
            )
        middle = (edges[:, 1:] + edges[:, :-1]) / 2
        return cls(edges, probability, None if log_prior is None else log_prior(middle))

    @classmethod
    def concatenate(cls, parts):
        """Join the clusters of several posteriors, in their order."""
        names = ("edges", "probability", "log_prior")
        parts = list(parts)
        return cls(
            *(np.concatenate([getattr(p, name) for p in parts]) for name in names)
        )

    def __len__(self):
        return len(self.edges)

    def __getitem__(self, rows):
        rows = np.atleast_1d(np.arange(len(self))[rows])
        return MassPosterior(
            self.edges[rows], self.probability[rows], self.log_prior[rows]
        )

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "A MassPosterior is not an array of masses. Take its mean(), quantile(q) or "
            "sample(n_samples)."
        )

    def __repr__(self):
        n_cells = self.probability.shape[1]
        return (
            f"<MassPosterior of {counted(len(self), 'cluster')}, "
            f"{n_cells} cells of mass each>"
        )

    def _repr_html_(self):
        return as_html(self)

    @property
    def middle(self):
        """log10 masses at the middle of the cells, of shape (n_clusters, n_cells)."""
        return (self.edges[:, 1:] + self.edges[:, :-1]) / 2

    @property
    def density(self):
        """Mean density of each cell [1/dex], of shape (n_clusters, n_cells)."""
        return self.probability / np.diff(self.edges, axis=1)

    def mean(self):
        """Posterior mean of log10 M, of shape (n_clusters,)."""
        return np.sum(self.probability * self.middle, axis=1)

    def std(self):
        """Posterior standard deviation of log10 M [dex], of shape (n_clusters,)."""
        offset = self.middle - self.mean()[:, None]
        return np.sqrt(np.sum(self.probability * offset**2, axis=1))

    def cdf(self, log_mass):
        """Probability that each cluster's mass lies below a given one.

        For true masses this is the probability integral transform (PIT).

        Parameters
        ----------
        log_mass : float or array-like of shape (n_clusters,)
            log10 masses, one per cluster or one for all.

        Returns
        -------
        probability : ndarray of shape (n_clusters,)
        """
        log_mass = as_numbers(log_mass, "log_mass", "")
        if log_mass.shape not in ((), (len(self),)):
            raise ValueError(
                "log_mass must be one mass for all or one per cluster, but there are "
                f"{counted(len(self), 'cluster')}, and its shape is {log_mass.shape}."
            )
        log_mass = np.broadcast_to(log_mass, len(self))
        self._check_unit(log_mass)
        return _interp_rows(log_mass[:, None], self.edges, self._below())[:, 0]

    def quantile(self, q):
        """Quantiles of log10 M: masses below which each posterior has the probability q.

        Parameters
        ----------
        q : float or array-like of shape (n_quantiles,)

        Returns
        -------
        log_mass : ndarray of shape (n_clusters,) or (n_clusters, n_quantiles)
        """
        wanted = np.atleast_1d(np.asarray(q, float))
        if not ((wanted >= 0) & (wanted <= 1)).all():
            raise ValueError(f"Quantiles must be in [0, 1], got {q!r}.")
        if wanted.ndim > 1:
            raise ValueError(
                "q must be a number or 1-d, the same for all clusters, got the shape "
                f"{wanted.shape}."
            )
        wanted = np.broadcast_to(wanted, (len(self), wanted.size))
        log_mass = _interp_rows(wanted, self._below(), self.edges)
        # Where the last cells are empty, all of them have q = 1.
        n_empty = np.argmax(self.probability[:, ::-1] > 0, axis=1)[:, None]
        last = np.take_along_axis(self.edges, self.edges.shape[1] - 1 - n_empty, axis=1)
        log_mass = np.minimum(log_mass, last)
        return log_mass if np.ndim(q) else log_mass[:, 0]

    def sample(self, n_samples=1, *, random_state=None):
        """Masses drawn from each posterior, of shape (n_clusters, n_samples).

        For a given seed, the draws depend on the order and number of the clusters.
        """
        n_samples = Integer(0).check("n_samples", n_samples)
        rng = check_random_state(random_state)
        drawn = rng.uniform(size=(len(self), n_samples))
        return _interp_rows(drawn, self._below(), self.edges)

    def reweight_prior(self, prior):
        """Replace the prior, as in `skcluster.reweight_prior`."""
        return reweight_prior(self, prior)

    def _check_unit(self, log_mass):
        """Refuse masses outside of the cells if they do not look like log10 of Msun/h."""
        if not (len(self) and MASS_RANGE[0] <= np.median(self.mean()) <= MASS_RANGE[1]):
            return
        is_inside = (self.edges[:, 0] <= log_mass) & (log_mass <= self.edges[:, -1])
        beyond = np.where(is_inside, np.nan, log_mass)
        checked_log_mass(
            beyond, by="MassPosterior.cdf", name="log_mass", has_parameter=False
        )

    def _below(self):
        below = np.zeros_like(self.edges)
        np.cumsum(self.probability, axis=1, out=below[:, 1:])
        return np.minimum(below, 1.0)  # rounding may add up to a little more


def reweight_prior(posterior, prior):
    r"""Replace the prior of posteriors: divide by the old one and multiply by a new one.

    .. math::

        p_\mathrm{new}(\mu | x) \propto p(\mu | x) \,
            \frac{n_\mathrm{new}(\mu)}{n_\mathrm{old}(\mu)}

    The prior of a network is the distribution of its training masses; that of
    `EvrardProxyRegressor` is :math:`e^{-\beta \mu}`. With a population that has more small
    clusters than large ones, masses come out lower (Eddington bias).

    Parameters
    ----------
    posterior : MassPosterior
        Posteriors from `predict_posterior`, which contain their prior.
    prior : callable, float, table or None
        Density of masses in the population: a function of log10 M that returns
        densities per dex; or the slope :math:`\beta` of :math:`e^{-\beta \mu}` with
        :math:`\mu = \ln M`; or a table of shape (2, n) of log10 masses and densities;
        or None, flat in log M.

    Returns
    -------
    posterior : MassPosterior
        Posteriors with the new prior.

    Raises
    ------
    ValueError
        The prior varies so much that it moves a posterior by about 5 standard deviations or
        more, to the ends of the masses that were computed.

    Notes
    -----
    A training set says nothing about masses beyond its own, where the posteriors of a
    network are zero with any prior. So the new posterior is that of clusters whose masses
    are known to lie between the least and the greatest training mass.

    Examples
    --------
    >>> from skcluster import reweight_prior
    >>> from skcluster.posterior import MassPosterior
    >>> flat = MassPosterior.from_gaussians([14.0], [0.1])
    >>> shift = reweight_prior(flat, 3.0).mean() - flat.mean()
    >>> shift.round(3)  # -3 sigma_lnM**2 / ln 10
    array([-0.069])
    """
    if not isinstance(posterior, MassPosterior):
        raise TypeError(
            f"reweight_prior takes a MassPosterior, got {type(posterior).__name__}. Give "
            "what predict_posterior(estimator, X) returns."
        )
    density = log_prior(prior)
    check_table_covers(prior, posterior.mean())
    new = np.where(np.isneginf(posterior.log_prior), -np.inf, density(posterior.middle))
    with np.errstate(divide="ignore", invalid="ignore"):
        weight = np.where(np.isneginf(new), -np.inf, new - posterior.log_prior)
        log_probability = np.log(posterior.probability) + weight
    top = log_probability.max(axis=1, keepdims=True)
    top = np.where(np.isfinite(top), top, 0.0)
    probability = np.exp(log_probability - top)
    _check_within_cells(probability)
    return MassPosterior(posterior.edges, probability, new)


def _checked_cells(edges, probability):
    """Return edges and probabilities as arrays, or refuse those that are no cells."""
    edges, probability = np.asarray(edges, float), np.asarray(probability, float)
    if not edges.ndim == probability.ndim == 2 or (
        edges.shape != (len(probability), probability.shape[1] + 1)
    ):
        raise ValueError(
            "Edges and probabilities of cells must have the shapes (n_clusters, n_cells + "
            f"1) and (n_clusters, n_cells), got {edges.shape} and {probability.shape}."
        )
    wrong = {
        "edges": (~(np.diff(edges, axis=1) >= 0), "do not increase"),
        "probabilities": (~(probability >= 0), "are negative or NaN"),
    }
    for name, (is_wrong, what) in wrong.items():
        rows = np.flatnonzero(is_wrong.any(axis=1))
        if len(rows):
            raise ValueError(
                f"The {name} of {len(rows)} of {len(edges)} posteriors {what} (first: "
                f"cluster {rows[0]})."
            )
    return edges, probability


def _reach(mean, std, n_sigma):
    """Least and greatest mass that any component of each cluster reaches."""
    return (mean - n_sigma * std).min(axis=1), (mean + n_sigma * std).max(axis=1)


def _gaussian_cells(z):
    """Probabilities of a standard Gaussian between neighbors of z, exact in both tails."""
    tail, is_above = ndtr(-np.abs(z)), z > 0
    signed = np.where(is_above, -tail, tail)
    return np.diff(signed, axis=1) + (is_above[:, 1:] & ~is_above[:, :-1])


def _check_within_cells(probability):
    """Refuse posteriors that a prior has moved beyond the cells that they are made of."""
    total = probability.sum(axis=1)
    lost = np.zeros(len(probability))
    for end, next_to_it in ((0, 1), (-1, -2)):
        last, before = probability[:, end], probability[:, next_to_it]
        # Beyond the end, as if the probability fell by the same factor from cell to cell.
        ratio = np.divide(last, before, out=np.ones_like(last), where=last < before)
        lost += last * ratio / np.maximum(1 - ratio, 1e-3)
    wrong = np.flatnonzero((total > 0) & (lost > MOST_LOST * total))
    if len(wrong):
        raise ValueError(
            f"With this prior the posteriors of {len(wrong)} of {len(total)} clusters "
            f"(first: cluster {wrong[0]}) move to the ends of the masses that were "
            f"computed, {N_SIGMA:g} standard deviations from where they were. Give a prior "
            "that varies less within a posterior: this one overrules the data."
        )


def _interp_rows(x, xp, fp):
    """Interpolate row by row, as np.interp does: x (n, m), increasing xp and fp (n, k)."""
    # One long table of all rows would be a little faster, but then rounding would make
    # the last digits of a cluster depend on its row.
    rows = [np.interp(*row) for row in zip(x, xp, fp, strict=True)]
    return np.array(rows).reshape(x.shape)
