"""Posteriors of masses: prediction, calibration, and change of their prior."""

from .calibration import CalibratedMassRegressor
from .mass_posterior import MassPosterior, reweight_prior
from .predictors import PosteriorMixin, cross_val_posterior, predict_posterior
from .priors import TrainingPrior, log_prior, mass_density

__all__ = [
    "CalibratedMassRegressor",
    "MassPosterior",
    "PosteriorMixin",
    "TrainingPrior",
    "cross_val_posterior",
    "log_prior",
    "mass_density",
    "predict_posterior",
    "reweight_prior",
]
