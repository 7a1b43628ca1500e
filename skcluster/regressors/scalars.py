"""Scalars: numbers of each cluster that a network takes beside its maps."""

from collections.abc import Sequence

import numpy as np

from ..parameters import REFUSED, Kind
from ..printable import all_of
from ..sample import require
from ..training_ranges import LEAST_SPREAD, hardly_vary

SCALARS = {
    "redshift": ("redshift", lambda sample: sample.redshift),
    "log_counts": ("photons", lambda sample: np.log10(sample.photons.lengths + 1)),
    "log_exposure": ("exposure", lambda sample: np.log10(sample.exposure)),
}
"""Field of a sample that each scalar needs, and the function that computes it."""


COUNTS_BEHIND = {"log_counts": "photons", "log_exposure": "exposure"}
"""What scalars are logarithms of."""


class ScalarNames(Kind):
    """Different names out of `SCALARS`, or none."""

    says = f"a list of different names out of {list(SCALARS)}"

    def read(self, value):
        if isinstance(value, str) or not isinstance(value, list | tuple):
            return REFUSED
        is_known = all(isinstance(name, str) and name in SCALARS for name in value)
        are_different = is_known and len(set(value)) == len(value)
        return tuple(map(str, value)) if are_different else REFUSED

    def hint(self, value):
        is_name = isinstance(value, str) and value in SCALARS
        return f"Give a list: [{value!r}]." if is_name else ""


def read_scalars(X, names, *, by):
    """Compute the scalars of a sample, or refuse a sample that lacks them.

    Parameters
    ----------
    X : ClusterSample
    names : sequence of str
        Out of `SCALARS`.
    by : str
        Name of the estimator, for messages.

    Returns
    -------
    scalars : ndarray of shape (n_clusters, n_names)

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> sample = ClusterSample([0.1, 0.2], exposure=[1e3, 1e4])
    >>> read_scalars(sample, ["redshift", "log_exposure"], by="A network")
    array([[0.1, 3. ],
           [0.2, 4. ]])
    """
    by = f"{by} with scalars={list(names)}"
    columns = []
    for name in names:
        field, compute = SCALARS[name]
        columns.append(compute(require(X, field, by=by)))
    return np.stack(columns, axis=1).astype(float)


def counts_behind(scalars, names):
    """Return photons and exposures [s] behind scalars, whose ranges are remembered.

    Parameters
    ----------
    scalars : ndarray of shape (n_clusters, n_names) or None
    names : sequence of str

    Returns
    -------
    counts : dict of str to ndarray of shape (n_clusters,)

    Examples
    --------
    >>> counts_behind(np.array([[0.1, 3.0]]), ["redshift", "log_exposure"])
    {'exposure': array([1000.])}
    """
    if scalars is None:
        return {}
    return {
        COUNTS_BEHIND[name]: 10**column
        for name, column in zip(names, scalars.T, strict=True)
        if name in COUNTS_BEHIND
    }


def scalar_moments(scalars, names):
    """Means and standard deviations of training scalars; refuse those that do not vary.

    Parameters
    ----------
    scalars : ndarray of shape (n_clusters, n_names)
    names : sequence of str

    Returns
    -------
    moments : ndarray of shape (2, n_names)
    """
    constant = [
        name
        for name, column in zip(names, scalars.T, strict=True)
        if hardly_vary(column)
    ]
    if constant:
        raise ValueError(
            f"{all_of(len(scalars), 'training cluster has', 'training clusters have')} "
            f"the same {constant[0]} to about {LEAST_SPREAD}, so a network cannot learn "
            f"what it means. Leave {constant[0]!r} out of scalars."
        )
    return np.stack([scalars.mean(axis=0), scalars.std(axis=0)])


class WithScalars:
    """Mixin of regressors that can take scalars beside other inputs.

    Their inputs have an attribute `scalars`, which is None without any.
    """

    scalars: Sequence[str]

    def _scalars_of(self, X):
        if not len(self.scalars):
            return None
        return read_scalars(X, self.scalars, by=type(self).__name__)

    def _learn_scalar_scaling(self, inputs):
        self.scalars_ = tuple(self.scalars)
        if len(self.scalars):
            self.scalar_moments_ = scalar_moments(inputs.scalars, self.scalars)

    def _standardized_scalars(self, inputs):
        # Older models do not know with which scalars they were fitted.
        fitted = getattr(self, "scalars_", tuple(self.scalars))
        if tuple(self.scalars) != fitted:
            raise ValueError(
                f"{type(self).__name__} was fitted with scalars={list(fitted)}, which were "
                f"then set to {list(self.scalars)}. Fit it again."
            )
        if not len(self.scalars):
            return None
        mean, deviation = self.scalar_moments_
        return (inputs.scalars - mean) / deviation

    def _with_scalars(self, *offered):
        """Return the names of all inputs, and keywords that describe the scalars."""
        if not len(self.scalars):
            return offered, {}
        return (*offered, "scalars"), {"n_scalars": len(self.scalars)}
