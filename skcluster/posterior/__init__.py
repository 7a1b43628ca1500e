"""p(M), not M: posteriors of masses, their priors, and how to exchange these."""

from .mass_posterior import MassPosterior, reweight_prior
from .predictors import PosteriorMixin, predict_posterior
from .priors import log_prior, mass_density

__all__ = [
    "MassPosterior",
    "PosteriorMixin",
    "log_prior",
    "mass_density",
    "predict_posterior",
    "reweight_prior",
]
