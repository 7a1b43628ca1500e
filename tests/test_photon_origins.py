"""Origins of photons as a second task: its penalty, what it learns, and who needs it."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonSetRegressor, Ragged, load_model, save_model
from skcluster.networks import PhotonSetNetwork
from skcluster.networks.rows import Rows

COLUMNS = ("log_radius", "log_contrast_6")


def clusters(n, seed=0):
    """Clusters whose AGN photons have a high contrast, and tell nothing of the mass."""
    rng = np.random.default_rng(seed)
    log_mass = rng.uniform(13.5, 14.7, n)
    gas = rng.poisson(20 * 10 ** (log_mass - 13.5))
    agn = rng.poisson(20 * 10 ** rng.uniform(0, 1.2, n))
    origin = np.repeat(np.tile([0, 1], n), np.stack([gas, agn], 1).ravel())
    m = len(origin)
    columns = {"ra": np.full(m, 10.0), "dec": np.zeros(m), "energy": np.ones(m)}
    columns["log_radius"] = rng.normal(0, 0.3, m).astype(np.float32)
    columns["log_contrast_6"] = rng.normal(0.5 * origin, 0.3).astype(np.float32)
    columns["origin"] = origin.astype(np.int8)
    offsets = np.concatenate([[0], np.cumsum(gas + agn)])
    return ClusterSample(np.full(n, 0.2), photons=Ragged(columns, offsets)), log_mass


def without_origin(sample):
    columns = {k: v for k, v in sample.photons.columns.items() if k != "origin"}
    return sample.assign(photons=Ragged(columns, sample.photons.offsets))


def regressor(**parameters):
    settings = {"max_epochs": 2, "random_state": 0, "n_threads": 1, "device": "cpu"}
    settings["origin_weight"] = 0.3
    return PhotonSetRegressor(**{**settings, **parameters})


@pytest.fixture(scope="module")
def trained():
    sample, log_mass = clusters(120)
    return regressor(max_epochs=15, batch_size=20).fit(sample, log_mass)


def test_the_penalty_is_the_cross_entropy_of_each_clusters_known_photons():
    torch.manual_seed(0)
    network = PhotonSetNetwork(2, n_outputs=1, origin_weight=0.7)
    values, n_blocks = torch.randn(48, 2), torch.tensor([2, 0, 1])
    weight = torch.rand(48)
    weight[40:] = 0  # they fill the block
    labels = torch.randint(0, 3, (48,))
    labels[[3, 9, 35]] = -1
    labels[40:] = -1
    rows = Rows(values, weight, n_blocks, labels)
    outputs, penalty = network.outputs_and_penalty(
        photons=rows, redshift=torch.zeros(3)
    )
    logits = network.origin(network.of_photon[:4](values)).detach().double().numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    mean = []
    for rows_of_cluster in (range(32), range(32, 48)):
        known = [i for i in rows_of_cluster if labels[i] >= 0]
        w = weight[known].double().numpy()
        each = -log_p[known, labels[known]]
        mean.append((w * each).sum() / w.sum())
    # The second of three clusters has no photons.
    assert_allclose(penalty.item(), 0.7 * sum(mean) / 3, rtol=1e-5)
    network.zero_grad()
    (outputs.sum() + penalty).backward()
    assert all(each.grad.abs().max() > 0 for each in network.parameters())


def test_outputs_are_those_of_prediction_whether_origins_are_known_or_not():
    torch.manual_seed(0)
    network = PhotonSetNetwork(2, origin_weight=0.7).eval()
    values, n_blocks = torch.randn(48, 2), torch.tensor([2, 0, 1])
    redshift, labels = torch.zeros(3), torch.full((48,), -1)
    known = Rows(values, torch.ones(48), n_blocks, labels)
    outputs, penalty = network.outputs_and_penalty(photons=known, redshift=redshift)
    assert penalty == 0
    bare = Rows(values, torch.ones(48), n_blocks)
    assert_allclose(outputs.detach(), network(bare, redshift).detach(), rtol=1e-5)
    assert network.outputs_and_penalty(photons=bare, redshift=redshift)[1] == 0


def test_parts_of_rows_keep_their_labels():
    rows = Rows(
        torch.ones(48, 1), torch.ones(48), torch.tensor([2, 1]), torch.arange(48)
    )
    first, second = rows.split(1)
    assert_array_equal(first.labels, range(32))
    assert_array_equal(second.to("cpu").labels, range(32, 48))


def test_it_learns_to_tell_origins(trained):
    assert trained.learns_origins_
    sample, _ = clusters(40, seed=1)
    network, origin = trained.net_.module_, sample.photons["origin"]
    inputs = trained._read(sample)
    rows = torch.from_numpy(trained._batches(inputs).described("photons", inputs))
    with torch.no_grad():
        found = network.origin(network.of_photon[:4](rows)).argmax(1).numpy()
    # Two Gaussians of 0.3, 0.5 apart, are told apart in 80 % of cases at the best.
    assert 0.76 < np.mean(found == origin) < 0.84


def test_new_photons_need_no_origin(trained, tmp_path):
    sample, _ = clusters(20, seed=2)
    expected = trained.predict(sample)
    assert_array_equal(trained.predict(without_origin(sample)), expected)
    save_model(trained, tmp_path / "model.skops")
    assert_array_equal(load_model(tmp_path / "model.skops").predict(sample), expected)


def test_without_origins_or_without_weight_nothing_changes():
    sample, log_mass = clusters(40)
    bare = without_origin(sample)
    expected = regressor(origin_weight=0.0).fit(sample, log_mass).predict(bare)
    fitted = regressor().fit(bare, log_mass)
    assert not fitted.learns_origins_
    assert_array_equal(fitted.predict(bare), expected)
    learned = regressor().fit(sample, log_mass).predict(bare)
    assert (learned != expected).all()


def test_origins_of_other_codes_are_unknown():
    sample, log_mass = clusters(30)
    unknown = sample.photons.assign(origin=np.full(sample.photons.offsets[-1], 7))
    fitted = regressor().fit(sample.assign(photons=unknown), log_mass)
    batches = fitted._batches(
        fitted._read(sample.assign(photons=unknown)), is_training=True
    )
    assert (batches.__getitems__([0, 1])[0]["photons"].labels == -1).all()


def test_a_network_of_ones_own_may_ignore_origins():
    class Doubled(PhotonSetNetwork):
        def extract(self, photons, redshift):
            return self.with_sums(2 * photons.sum(self.of_photon), redshift)

    sample, log_mass = clusters(30)
    found = [
        regressor(architecture=Doubled, origin_weight=weight).fit(sample, log_mass)
        for weight in (0.3, 3.0)
    ]
    assert_array_equal(found[0].predict(sample), found[1].predict(sample))

    def plain(n_columns, dropout, n_outputs):
        return PhotonSetNetwork(n_columns, dropout, n_outputs)

    with pytest.raises(
        ValueError, match=r"plain takes no origin_weight\. Give origin_we"
    ):
        regressor(architecture=plain).fit(sample, log_mass)
