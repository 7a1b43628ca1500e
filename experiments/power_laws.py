"""The estimator that most experiments compare others with."""

from sklearn.pipeline import make_pipeline

from skcluster import ProxyMeasurer
from skcluster.contest.entries import covariance_model


def power_law(**parameters):
    """Power laws of proxies, the same at all redshifts; keywords are ProxyMeasurer's."""
    measurer = ProxyMeasurer(with_redshift=True, **parameters)
    return make_pipeline(measurer, covariance_model(redshift_bins=1))
