"""Base classes of the estimators that take a sample, and of the steps that return one."""

from sklearn.base import BaseEstimator, TransformerMixin


class TakesSample(BaseEstimator):
    """Base of estimators whose X is a sample, which scikit-learn's checks do not know."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        return tags


class WorksUnfitted(TakesSample):
    """Base of estimators that work without `fit`, even if it can learn something."""

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = False
        return tags

    def __sklearn_is_fitted__(self):
        return True


class SampleTransformer(TransformerMixin, TakesSample):
    """Base class of steps that take a sample and return a new one.

    Your own step defines `fit`, which learns or only checks, and `transform`, which
    returns ``X.assign(...)``. Steps that learn nothing leave ``learns = False`` and work
    without `fit`.

    Examples
    --------
    >>> from skcluster import ClusterSample
    >>> from skcluster.sample import SampleTransformer
    >>> class SoftPhotons(SampleTransformer):
    ...     def fit(self, X, y=None):
    ...         return self
    ...
    ...     def transform(self, X):
    ...         return X.assign(photons=X.photons.select(X.photons["energy"] < 2.0))
    >>> photons = {"ra": [10.0, 10.0], "dec": [0.0, 0.0], "energy": [1.0, 3.0]}
    >>> sample = ClusterSample([0.2], center=[[10.0, 0.0]], photons=[photons])
    >>> SoftPhotons().transform(sample).photons["energy"]
    array([1.])
    """

    learns = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.requires_fit = self.learns
        return tags

    def __sklearn_is_fitted__(self):
        return not self.learns or any(
            name.endswith("_") and not name.startswith("_") for name in vars(self)
        )

    def set_output(self, *, transform=None):
        """Do nothing: the output is a sample, whatever container is chosen for tables."""
        # Pipeline.set_output raises for a step without this method.
        return self
