"""Predictions of networks for clusters that they have not seen, kept in small files.

An experiment that is stopped goes on where it was: it reads the files that are there.
"""

import json

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin, clone

from skcluster.model_selection import octants
from skcluster.posterior import PosteriorMixin, TrainingPrior, mass_density
from skcluster.regressors.output_curve import KNOTS

N_OCTANTS = 8


def folder_of(path, settings):
    """Make a folder for files of these settings; exit if it holds those of others."""
    path.mkdir(parents=True, exist_ok=True)
    described = path / "settings.json"
    if not described.exists():
        described.write_text(json.dumps(settings))
    if json.loads(described.read_text()) != settings:
        raise SystemExit(
            f"{path} is of a run with {described.read_text()}. Give another folder."
        )
    return path


def kept(path, compute, *args, **kwargs):
    """Read the arrays of a file, which are computed unless it is there.

    Parameters
    ----------
    path : Path
        Its name ends in ``.npz``.
    compute : callable
        Returns a dict of arrays.
    *args, **kwargs
        Arguments of ``compute``.

    Returns
    -------
    arrays : dict
    """
    if not path.exists():
        unfinished = path.with_suffix(".unfinished")
        with unfinished.open("wb") as file:
            np.savez_compressed(file, **compute(*args, **kwargs))
        unfinished.replace(path)
    with np.load(path) as file:
        return dict(file)


def kept_predictions(pipeline, X, log_mass, folds, folder, *, n_jobs=1):
    """Predict each fold by a fit to its training clusters, kept in a file per fold.

    Parameters
    ----------
    pipeline : estimator
    X : ClusterSample
    log_mass : ndarray of shape (n_clusters,)
    folds : list of (train, test)
    folder : Path
    n_jobs : int
        Number of fits that run at the same time.

    Returns
    -------
    predicted : ndarray of shape (n_clusters,)
        NaN for clusters in no fold.
    """
    folder.mkdir(parents=True, exist_ok=True)

    def predictions(train, test):
        fitted = clone(pipeline).fit(X[train], log_mass[train])
        return {"log_mass": fitted.predict(X[test])}

    results = Parallel(n_jobs=n_jobs)(
        delayed(kept)(folder / f"fold-{k}.npz", predictions, *fold)
        for k, fold in enumerate(folds)
    )
    predicted = np.full(len(X), np.nan)
    for (_, test), result in zip(folds, results, strict=True):
        predicted[test] = result["log_mass"]
    return predicted


def keep_fits(pipeline, maps, log_mass, tested, folder, *, n_draws, n_jobs=1):
    """Fit to all clusters, and without each octant, and keep what is predicted.

    These are the fits of a calibration by octants. The fit without an octant predicts its
    clusters, that to all of them predicts the tested ones. Fits whose files are there are
    not repeated.

    Parameters
    ----------
    pipeline : Pipeline
        It ends in a network.
    maps : ClusterSample
    log_mass : ndarray of shape (n_clusters,)
    tested : ClusterSample
        Other clusters.
    folder : Path
    n_draws : int
        Number of draws of dropout of the predictions with dropout.
    n_jobs : int
        Number of fits that run at the same time.
    """
    octant = octants(maps.position)
    paths = {
        left_out: path_of(folder, left_out) for left_out in [None, *range(N_OCTANTS)]
    }
    Parallel(n_jobs=n_jobs)(
        delayed(kept)(
            *(path, predicted_by_fit, pipeline),
            *(maps[octant != left_out], log_mass[octant != left_out]),
            *(tested if left_out is None else maps[octant == left_out], n_draws),
        )
        for left_out, path in paths.items()
        if not path.exists()
    )


def path_of(folder, left_out):
    """File of the fit without an octant, or (None) to all clusters."""
    return folder / ("all.npz" if left_out is None else f"without-{left_out}.npz")


def predicted_by_fit(pipeline, train, log_mass, tested, n_draws):
    """Fit, and predict other clusters without and with draws of dropout."""
    fitted = clone(pipeline).fit(train, log_mass)
    shown = fitted[:-1].transform(tested)
    network = fitted[-1]
    found = {"position": shown.position}
    found["bend"] = (network.curve_[0, 0] - KNOTS) * network.target_scale_
    for draws in (0, n_draws):
        mean, std = network.set_params(n_dropout_draws=draws)._components(shown)
        found[f"mean_{draws}"], found[f"std_{draws}"] = mean, std.astype(np.float32)
    return found


class KeptFit(PosteriorMixin, RegressorMixin, BaseEstimator):
    """Estimator that reads what a network trained on the same clusters has predicted.

    It takes samples with positions, by which it finds the clusters in the files.

    Parameters
    ----------
    folder : Path
        Folder of `keep_fits`.
    n_dropout_draws : int
        0, or the number that was given to `keep_fits`.
    """

    def __init__(self, folder, *, n_dropout_draws=0):
        self.folder = folder
        self.n_dropout_draws = n_dropout_draws

    def fit(self, X, y):
        """Read the file of the fit to these clusters."""
        (left_out,) = {*range(N_OCTANTS)} - {*octants(X.position)} or {None}
        with np.load(path_of(self.folder, left_out)) as file:
            position = file["position"]
            self.mean_ = file[f"mean_{self.n_dropout_draws}"]
            self.std_ = file[f"std_{self.n_dropout_draws}"].astype(float)
        self.rows_ = {each.tobytes(): row for row, each in enumerate(position)}
        self.mass_density_ = mass_density(y)
        return self

    def predict(self, X, return_std=False):
        """Predict masses and errors as the network has."""
        mean, std = self._components(X)
        center = mean.mean(axis=1)
        if not return_std:
            return center
        return center, np.sqrt(mean.var(axis=1) + np.mean(std**2, axis=1))

    def _components(self, X):
        rows = [self.rows_[each.tobytes()] for each in X.position]
        return self.mean_[rows], self.std_[rows]

    def _log_prior(self):
        return TrainingPrior(self.mass_density_)
