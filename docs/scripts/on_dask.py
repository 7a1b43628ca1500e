"""Fold by fold and part by part on a Dask cluster, here two workers on this machine."""

import numpy as np
from distributed import Client, LocalCluster
from joblib import Parallel, delayed, parallel_config
from sklearn.model_selection import cross_val_predict
from sklearn.pipeline import make_pipeline

from skcluster import ClusterSample, EvrardProxyRegressor, PhotonMapper, ProxyMeasurer
from skcluster.datasets import make_mock_survey


def main():
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=None
        ) as cluster,
        Client(cluster),
        parallel_config("dask"),
    ):
        survey = make_mock_survey(100, random_state=0, n_jobs=-1)
        sample, log_mass = survey.sample, survey.log_mass
        model = make_pipeline(ProxyMeasurer(), EvrardProxyRegressor())
        predicted = cross_val_predict(model, sample, log_mass, cv=4, n_jobs=-1)
        parts = [sample[i : i + 25] for i in range(0, len(sample), 25)]
        maps = Parallel()(delayed(PhotonMapper().transform)(part) for part in parts)
        maps = ClusterSample.concatenate(maps).maps
    expected = cross_val_predict(model, sample, log_mass, cv=4)
    print("the same bits:", np.array_equal(predicted, expected))
    print("photons in the maps:", maps.total().sum())


if __name__ == "__main__":
    main()
