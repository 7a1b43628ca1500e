"""The kind of step that takes a sample and returns one."""

from sklearn.base import BaseEstimator, TransformerMixin


class SampleTransformer(TransformerMixin, BaseEstimator):
    """Base of the steps ClusterSample → ClusterSample.

    Steps that learn nothing set ``learns = False``: they work without `fit`.
    """

    learns = False

    def __sklearn_tags__(self):
        tags = super().__sklearn_tags__()
        tags.input_tags.two_d_array = False
        tags.no_validation = True
        tags.requires_fit = self.learns
        return tags

    def __sklearn_is_fitted__(self):
        return not self.learns or any(
            name.endswith("_") and not name.startswith("_") for name in vars(self)
        )

    def set_output(self, *, transform=None):
        """Do nothing: a sample stays a sample, whatever container tables come in."""
        # Pipeline.set_output raises for a step without this method.
        return self
