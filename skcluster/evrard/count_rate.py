"""`CountRateMassRegressor`: masses by a published relation of count rate and mass."""

import warnings
from types import MappingProxyType

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_array, validate_data

from ..cosmology import comoving_distance, get_cosmology
from ..parameters import REFUSED, Kind, Number, Positive, ReadBy, check_parameters
from ..plausible_masses import LN_10
from ..posterior import MassPosterior, PosteriorMixin, log_prior, reweight_prior
from ..posterior.predictors import moments_of
from ..sample.plain_arrays import as_numbers
from ..sample.units import check_plausible
from .logarithms import check_logarithms

RELATIONS = MappingProxyType(
    {
        "ghirardini2024_second_hand": MappingProxyType(
            {
                "amplitude": 0.64,
                "mass_slope": 1.38,
                "mass_slope_evolution": -0.33,
                "distance_slope": -2.0,
                "growth_slope": 2.0,
                "redshift_slope": 0.29,
                "pivot_rate": 0.1,
                "pivot_mass": 2e14,
                "pivot_redshift": 0.35,
            }
        )
    }
)
"""Published relations: for each name, the parameters of `CountRateMassRegressor`.

"ghirardini2024_second_hand" is the relation of eRASS1's cosmology sample (Ghirardini et al.
2024), for the rate in 0.2-2.3 keV within R500c. Its digits were taken from the code of two
students who cite that paper, which agree with each other; we have not seen the paper's own
table. Stated errors: A 0.64 +0.04 -0.06, B 1.38 +0.03 -0.04, F -0.33 +-0.12, G 0.29 +0.12
-0.13; D = -2 and E = 2 are fixed.
"""

PARAMETERS = tuple(RELATIONS["ghirardini2024_second_hand"])


class Relation(Kind):
    """The name of a published relation, or the parameters of one's own."""

    says = f"one of {list(RELATIONS)} or a dict of the numbers {', '.join(PARAMETERS)}"

    def read(self, value):
        if isinstance(value, str):
            return str(value) if value in RELATIONS else REFUSED
        if isinstance(value, MappingProxyType):  # which cannot be cloned or stored
            return REFUSED
        try:
            named = dict(value)
        except (TypeError, ValueError):
            return REFUSED
        numbers = {name: Number().read(named[name]) for name in named}
        is_right = set(numbers) == set(PARAMETERS) and REFUSED not in numbers.values()
        pivots = ("amplitude", "pivot_rate", "pivot_mass", "pivot_redshift")
        is_right = is_right and all(numbers[name] > 0 for name in pivots)
        return numbers if is_right else REFUSED

    def hint(self, value):
        is_frozen = isinstance(value, MappingProxyType)
        return (
            "Give the name of a relation in RELATIONS, or a copy by dict." * is_frozen
        )


class Prior(Kind):
    """What `log_prior` takes."""

    says = "a function of log10 M, a number, a table of shape (2, n) or None"

    def read(self, value):
        try:
            log_prior(value)
        except (TypeError, ValueError):
            return REFUSED
        return REFUSED if isinstance(value, type) else value


class CountRateMassRegressor(PosteriorMixin, RegressorMixin, BaseEstimator):
    r"""Masses by a published relation of count rate, mass and redshift.

    The relation of the eRASS1 survey gives the mean of the logarithm of the count rate,

    .. math::

        \ln \frac{C}{C_p} &= \ln A + b(z) \ln \frac{M}{M_p}
            + D \ln \frac{d_L(z)}{d_L(z_p)} + E \ln \frac{E(z)}{E(z_p)}
            + G \ln \frac{1 + z}{1 + z_p} \\
        b(z) &= B + F \ln \frac{1 + z}{1 + z_p}

    about which the logarithms scatter with a standard deviation :math:`\sigma`. The
    posterior is that of Bayes' theorem,

    .. math::

        p(M | C, z) \propto p(C | M, z) \, n(M)

    and not the mean relation inverted: in a population with more small clusters than large
    ones, most clusters of a given rate are smaller than the inverse says (Eddington bias).

    Parameters
    ----------
    relation : str or dict, default="ghirardini2024_second_hand"
        A name of `RELATIONS`, or a dict of ``amplitude`` (A), ``mass_slope`` (B),
        ``mass_slope_evolution`` (F), ``distance_slope`` (D), ``growth_slope`` (E),
        ``redshift_slope`` (G), ``pivot_rate`` [1/s], ``pivot_mass`` [Msun] and
        ``pivot_redshift``. The digits of the default are second-hand: compare them with the
        paper before you publish masses.
    prior : callable, float, table or None, default=None
        :math:`n(M)`, the distribution of the masses of the population, as in
        `reweight_prior`: a function of log10 M that returns densities per dex; or
        :math:`\beta` of :math:`n(\mu) \propto e^{-\beta \mu}` with :math:`\mu = \ln M`; or
        a table. None is flat in log M.
    cosmology : str or astropy.cosmology.Cosmology, default="WMAP7"
        Gives distances and E(z), and the h by which masses in Msun become Msun/h.
    scatter : float
        :math:`\sigma`, intrinsic scatter of :math:`\ln C` at fixed mass. There is no
        default, because our sources of the relation do not state it.

    Notes
    -----
    There is nothing to learn: `fit` only checks, and masses are predicted without it.

    The rate is that of net counts in 0.2-2.3 keV within R500c over an exposure that means
    the same as the survey's. A vignetted exposure and one that is normalized to a response
    differ by almost a factor of two, and masses by 0.2 dex.

    A detected sample is brighter than its population; this selection is not corrected for.
    Nor are the errors of the relation itself, which all clusters share. The masses M500 in
    the eRASS1 catalog are themselves made from count rates by such a relation: scoring an
    estimator against them tests how well it agrees with count rates, not its accuracy.

    References
    ----------
    Ghirardini et al. (2024), A&A 689, A298; Bulbul et al. (2024), A&A 685, A106.

    Examples
    --------
    >>> import numpy as np
    >>> from skcluster import CountRateMassRegressor
    >>> X = np.array([[np.log(0.35), 0.333]])  # ln of the count rate [1/s], and redshift
    >>> flat = CountRateMassRegressor(scatter=0.3)
    >>> steep = CountRateMassRegressor(scatter=0.3, prior=2.0)
    >>> flat.predict(X).round(2), steep.predict(X).round(2)
    (array([14.65]), array([14.61]))
    >>> flat.predict_posterior(X).quantile([0.16, 0.84]).round(2)
    array([[14.56, 14.75]])
    """

    _parameter_kinds = {
        "scatter": Positive(),
        "relation": Relation(),
        "prior": Prior(),
        "cosmology": ReadBy(get_cosmology),
    }

    def __init__(
        self,
        *,
        relation="ghirardini2024_second_hand",
        prior=None,
        cosmology="WMAP7",
        scatter,
    ):
        self.scatter = scatter
        self.relation = relation
        self.prior = prior
        self.cosmology = cosmology

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        tags.target_tags.required = False
        # The relation is given, so it does not suit any data.
        tags.regressor_tags.poor_score = True
        return tags

    def __sklearn_is_fitted__(self):
        return True

    def fit(self, X, y=None):
        """Check the parameters and X; there is nothing to learn, and y is not read."""
        validate_data(self, X, dtype=np.float64, ensure_min_features=2)
        self._checked(X)
        return self

    def predict(self, X, return_std=False):
        """Return the posterior mean of log10 M500c [Msun/h].

        Parameters
        ----------
        X : array-like of shape (n_clusters, 2) or (n_clusters, 3)
            ln of the count rate [1/s]; its error, if there are three columns, which the
            noise of few photons makes; and, last, the redshift.
        return_std : bool, default=False
            Whether to return the standard deviation of the posterior, too [dex].
        """
        components = self._components(X)
        if not return_std:
            return self._by_blocks(components, MassPosterior.mean)
        return tuple(self._by_blocks(components, moments_of).T)

    def expected_rate(self, log_mass, redshift):
        """Return the rate that the relation expects of clusters [1/s].

        It is the median of their rates, since these scatter in ln.

        Parameters
        ----------
        log_mass : array-like of shape (n_clusters,)
            log10 M500c [Msun/h].
        redshift : array-like of shape (n_clusters,)

        Examples
        --------
        >>> CountRateMassRegressor(scatter=0.3).expected_rate([14.0, 14.5], [0.3, 0.3])
        array([0.05344225, 0.26552897])
        """
        parameters = check_parameters(self)
        log_mass = as_numbers(log_mass, "log_mass", "log_mass")
        redshift = as_numbers(redshift, "redshift", "redshift")
        if redshift.shape not in ((), log_mass.shape) and log_mass.ndim:
            raise ValueError(
                f"log_mass has the shape {log_mass.shape}, but redshift {redshift.shape}. "
                "Give one of each per cluster."
            )
        check_plausible("log_mass", log_mass, rows="cluster")
        check_plausible("redshift", redshift, rows="cluster")
        intercept, slope = _line(redshift, parameters)
        return np.exp(intercept + slope * LN_10 * log_mass)

    def _components(self, X):
        """Return mean and standard deviation of log10 M with a flat prior."""
        log_rate, error, redshift, parameters = self._checked(X)
        intercept, slope = _line(redshift, parameters)
        std = np.hypot(parameters.scatter, error) / slope
        return (log_rate - intercept) / slope / LN_10, std / LN_10

    def _log_prior(self):
        return log_prior(self.prior)

    def _posterior(self, mean, std):
        flat = MassPosterior.from_gaussians(mean, std)
        return flat if self.prior is None else reweight_prior(flat, self.prior)

    def _checked(self, X):
        parameters = check_parameters(self)
        check_logarithms(X)
        options = {"dtype": np.float64, "ensure_min_features": 2}
        if hasattr(self, "n_features_in_"):
            X = validate_data(self, X, reset=False, **options)
        else:
            X = check_array(X, **options)
        if X.shape[1] > 3:
            raise ValueError(
                "X must have 2 columns, ln of the count rate and the redshift, or 3, with "
                f"the error of ln of the rate between them, got {X.shape[1]}."
            )
        redshift, error = X[:, -1], X[:, 1] if X.shape[1] == 3 else np.zeros(len(X))
        check_plausible("redshift", redshift, rows="cluster")
        check_plausible("log_count_rate", X[:, 0], rows="cluster")
        if len(X) > 1 and X[:, 0].min() > 0:
            warnings.warn(
                f"All {len(X)} clusters have a positive ln of the count rate: more than "
                "one photon per second. Give the natural logarithm, if these are rates.",
                stacklevel=3,
            )
        wrong = np.flatnonzero(error < 0)
        if len(wrong):
            raise ValueError(
                f"{len(wrong)} of {len(X)} errors of ln of the rate are negative (first: "
                f"cluster {wrong[0]}, {error[wrong[0]]:g})."
            )
        return X[:, 0], error, redshift, parameters


def _line(redshift, parameters):
    """Return a and b of the mean relation ln C = a + b ln M, with M in Msun/h."""
    p, cosmology = parameters.relation, get_cosmology(parameters.cosmology)
    p = RELATIONS[p] if isinstance(p, str) else p
    pivot = p["pivot_redshift"]

    def over_pivot(function):
        return np.log(function(redshift) / function(np.array([pivot])))

    opening = over_pivot(lambda z: 1 + z)
    slope = p["mass_slope"] + p["mass_slope_evolution"] * opening
    wrong = np.flatnonzero(slope <= 0)
    if len(wrong):
        raise ValueError(
            f"The relation gives no mass to {len(wrong)} of {len(redshift)} clusters "
            f"(first: cluster {wrong[0]}, z = {redshift[wrong[0]]:g}), because its slope "
            f"is {slope[wrong[0]]:.3g} there. Leave them out."
        )
    distance = over_pivot(lambda z: (1 + z) * comoving_distance(z, cosmology))
    intercept = (
        np.log(p["amplitude"] * p["pivot_rate"])
        + p["distance_slope"] * distance
        + p["growth_slope"] * over_pivot(cosmology.efunc)
        + p["redshift_slope"] * opening
        - slope * np.log(p["pivot_mass"] * cosmology.h)
    )
    return intercept, slope
