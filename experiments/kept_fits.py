"""Networks' predictions of held-out clusters, kept in small files and read again."""

from itertools import combinations

import numpy as np
from joblib import Parallel, delayed
from sklearn.base import BaseEstimator, RegressorMixin, clone

from skcluster.model_selection import octants
from skcluster.posterior import PosteriorMixin, TrainingPrior, mass_density

N_OCTANTS = 8


def keep_fits(pipeline, maps, log_mass, folder, *, n_draws, n_jobs=1):
    """Train without each octant and each pair of them, and keep what is predicted there.

    These are all the fits of a calibration by octants inside a cross-validation by octants:
    the one that leaves out octant i, and octant j in its calibration, is also the one that
    leaves out j, and i in its calibration. So 36 fits do, not 64. Fits whose files are
    there are not repeated.

    Parameters
    ----------
    pipeline : Pipeline
        It ends in a network.
    maps : ClusterSample
    log_mass : ndarray of shape (n_clusters,)
    folder : Path
    n_draws : int
        Number of draws of dropout of the predictions with dropout.
    n_jobs : int
        Number of fits that run at the same time.
    """
    octant = octants(maps.position)
    singles = [(i,) for i in range(N_OCTANTS)]
    left_out = [*singles, *combinations(range(N_OCTANTS), 2)]
    Parallel(n_jobs=n_jobs)(
        delayed(_keep_fit)(
            pipeline, maps, log_mass, np.isin(octant, each), path, n_draws
        )
        for each in left_out
        if not (path := path_of(folder, each)).exists()
    )


def path_of(folder, left_out):
    """File of the fit without these octants."""
    return folder / f"without-{'-'.join(map(str, sorted(left_out)))}.npz"


def _keep_fit(pipeline, maps, log_mass, is_left_out, path, n_draws):
    fitted = clone(pipeline).fit(maps[~is_left_out], log_mass[~is_left_out])
    shown = fitted[:-1].transform(maps[is_left_out])
    kept = {"position": shown.position}
    for draws in (0, n_draws):
        network = fitted[-1].set_params(n_dropout_draws=draws)
        mean, std = network._components(shown)
        kept[f"mean_{draws}"], kept[f"std_{draws}"] = mean, std.astype(np.float32)
    unfinished = path.with_suffix(".unfinished")
    with unfinished.open("wb") as file:
        np.savez_compressed(file, **kept)
    unfinished.replace(path)


class KeptFit(PosteriorMixin, RegressorMixin, BaseEstimator):
    """Estimator that reads what a network trained on the same clusters has predicted.

    It takes a sample with positions, which need no maps.

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
        """Find the file of the fit to these clusters."""
        left_out = {*range(N_OCTANTS)} - {*octants(X.position)}
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
