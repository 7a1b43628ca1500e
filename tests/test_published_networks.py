"""Published networks: parameters as printed, layers as listed, trained by their names."""

import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from torch.nn import functional

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    save_model,
)
from skcluster.networks import (
    ARCHITECTURES,
    EIGHT_BANDS,
    JOINT_ARCHITECTURES,
    KRIPPENDORF2024_BANDS,
    Ho2019Network,
    Ho2023Network,
    KodiRamanah2021Network,
    Krippendorf2024Network,
    Krippendorf2024WideNetwork,
    Ntampaka2019Network,
    SkclusterNetwork,
    Yan2020Network,
)
from skcluster.networks.ho2019 import mean_over_rings


def built(kind, shape):
    if kind in (Ho2019Network, KodiRamanah2021Network):
        return kind((1, 64, 64), shape[0])
    more = {"n_scalars": 1} if issubclass(kind, Krippendorf2024Network) else {}
    return kind(shape, **more)


# Printed by the authors' own code or in their papers, see docs/architectures.rst.
PRINTED = [
    (Ntampaka2019Network, (1, 128, 128), 58_437),
    (Ntampaka2019Network, (1, 64, 64), 58_437),
    (Yan2020Network, (1, 79, 79), 874_937),
    (Krippendorf2024Network, (10, 50, 50), 155_322),
    (Krippendorf2024WideNetwork, (10, 50, 50), 300_942),
    (Ho2023Network, (1, 128, 128), 363_629),
    (KodiRamanah2021Network, (50, 50, 50), 123_189),
]


@pytest.mark.parametrize(("kind", "shape", "n_parameters"), PRINTED)
def test_number_of_parameters(kind, shape, n_parameters):
    network = built(kind, shape)
    assert sum(each.numel() for each in network.parameters()) == n_parameters


def test_ho2019_has_76403_parameters_for_48_velocities_and_48_radii():
    """Counted by hand: the authors' network has twice as many radii as ours."""
    by_hand = 24 * (5 * 48 + 1) + 10 * (3 * 24 + 1)
    by_hand += 128 * (480 + 1) + 64 * 129 + 65
    assert by_hand == 76_403
    network = built(Ho2019Network, (48, 48, 48))
    fewer = 24 * 5 * (48 - 24)
    assert sum(each.numel() for each in network.parameters()) == by_hand - fewer


def test_three_bands_are_the_thesis_300281_parameters_with_one_output():
    network = Krippendorf2024WideNetwork((3, 50, 50), n_scalars=1, n_outputs=1)
    assert sum(each.numel() for each in network.parameters()) == 300_281


def layers_of(network):
    kinds = torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d | torch.nn.Linear
    return iter([each for each in network.modules() if isinstance(each, kinds)])


def same(found, expected):
    assert_allclose(found.detach(), expected.detach(), rtol=1e-4, atol=1e-6)
    assert found.detach().std() > 0


def with_drawn_biases(network):
    """Biases start at zero, and would hide a layer that is left out."""
    torch.manual_seed(1)
    for name, each in network.named_parameters():
        if name.endswith("bias"):
            torch.nn.init.uniform_(each, -0.3, 0.3)
    return network.eval()


def test_layers_of_ntampaka2019():
    network = with_drawn_biases(Ntampaka2019Network((2, 30, 30), 0.1))
    x = maps = torch.rand(4, 2, 30, 30)
    layers = layers_of(network)
    for _ in range(3):
        x = functional.max_pool2d(next(layers)(x).relu(), 2)
    x = x.mean((2, 3))
    for _ in range(3):
        x = next(layers)(x).relu()
    same(network(maps), next(layers)(x)[:, 0])


def test_layers_of_yan2020():
    network = with_drawn_biases(Yan2020Network((2, 31, 31), 0.1))
    x = maps = torch.rand(4, 2, 31, 31)
    layers = layers_of(network)
    for _ in range(3):
        x = functional.avg_pool2d(next(layers)(x).relu(), 2)
    x = x.flatten(1)
    for _ in range(4):
        x = next(layers)(x).relu()
    same(network(maps), next(layers)(x)[:, 0])


def test_layers_of_krippendorf2024():
    network = with_drawn_biases(Krippendorf2024Network((3, 13, 13), 1))
    maps, redshift = torch.rand(4, 3, 13, 13), torch.rand(4, 1)
    layers, x = layers_of(network), maps
    for pool in (functional.avg_pool2d, functional.max_pool2d):
        # A kernel of 2 pixels sees the pixel itself and those right of and below it.
        x = pool(next(layers)(functional.pad(x, (0, 1, 0, 1))).relu(), 2)
    assert x.shape == (4, 10, 3, 3)
    x = torch.cat([x.flatten(1), redshift], 1)
    for _ in range(2):
        x = next(layers)(x).relu()
    same(network(maps, redshift), next(layers)(x))


def test_layers_of_kodi_ramanah2021():
    network = with_drawn_biases(built(KodiRamanah2021Network, (19, 19, 19)))
    cubes = torch.rand(4, 19, 19, 19)
    layers, x = layers_of(network), cubes[:, None]
    for _ in range(3):
        x = functional.max_pool3d(next(layers)(x).relu(), 2, ceil_mode=True)
    x = x.flatten(1)
    for layer in layers:
        x = layer(x)
    same(network(cubes), x[:, 0])


def test_shapes_of_kodi_ramanah2021_are_those_of_the_authors():
    network, sides = built(KodiRamanah2021Network, (50, 50, 50)), []
    for layer in network.extractor[:-1]:
        layer.register_forward_hook(lambda layer, x, out: sides.append(out.shape[-1]))
    network(torch.zeros(1, 50, 50, 50))
    assert list(dict.fromkeys(sides)) == [46, 23, 21, 11, 6]


def test_layers_of_ho2019():
    """A convolution along v, written out as products of shifted columns."""
    network = with_drawn_biases(built(Ho2019Network, (8, 8, 8)))
    cubes = torch.rand(4, 8, 8, 8)
    y, x = np.mgrid[:8, :8] - 3.5
    ring = np.floor(np.hypot(y, x)).astype(int)
    rings = torch.stack([cubes[:, ring == r].mean(1) for r in range(4)], 1)
    layers, features = layers_of(network), rings
    for half in (2, 1):
        layer = next(layers)
        padded = functional.pad(features, (half, half))
        shifted = torch.stack([padded[..., i : i + 8] for i in range(2 * half + 1)], -1)
        features = torch.einsum("nivk,oik->nov", shifted, layer.weight)
        features = (features + layer.bias[:, None]).relu()
    features = features.flatten(1)
    for _ in range(2):
        features = next(layers)(features).relu()
    same(network(cubes), next(layers)(features)[:, 0])


def test_rings_leave_out_the_corners_and_average():
    means = mean_over_rings(6)
    assert_allclose(means.sum(1), np.ones(3), rtol=1e-6)
    assert (means > 0).sum() == 32  # of 36 cells


def test_ours_is_the_layers_of_the_paper():
    torch.manual_seed(0)
    ours = SkclusterNetwork((8, 16, 16))
    torch.manual_seed(0)
    papers = Ho2023Network((8, 16, 16))
    maps = torch.rand(3, 8, 16, 16)
    assert torch.equal(ours(maps), papers(maps))


def test_bands_join_without_gap():
    for bands, low, high in (
        (EIGHT_BANDS, 0.5, 7.0),
        (KRIPPENDORF2024_BANDS, 0.25, 2.3),
    ):
        edges = [low, *(edge for _, edge in bands)]
        assert [edge for edge, _ in bands] == edges[:-1]
        assert edges[-1] == high
    assert_allclose(np.diff(KRIPPENDORF2024_BANDS), 0.205)


@pytest.mark.parametrize("kind", [Ntampaka2019Network, Yan2020Network])
def test_maps_too_small_to_pool_are_an_error(kind):
    kind((1, 22, 22))(torch.zeros(2, 1, 22, 22))
    with pytest.raises(ValueError, match="at least 22 pixels per side, got 21 x 21"):
        kind((1, 21, 21))


def test_cubes_too_small_to_pool_are_an_error():
    built(KodiRamanah2021Network, (10, 10, 10))(torch.zeros(2, 10, 10, 10))
    with pytest.raises(ValueError, match="at least 10 cells per side, got 9"):
        built(KodiRamanah2021Network, (9, 9, 9))


@pytest.fixture(scope="module")
def survey():
    """Maps and cubes whose brightness is the mass, fainter at a higher redshift."""
    rng = np.random.default_rng(0)
    log_mass, redshift = rng.uniform(13.5, 15.0, 48), rng.uniform(0.05, 0.4, 48)
    rate = 10 ** (log_mass - 13.5 - redshift)
    maps = rng.poisson(np.tile(rate[:, None, None, None], (1, 2, 32, 32)) / 4)
    photons = [
        {"ra": np.zeros(n), "dec": np.zeros(n), "energy": np.ones(n)}
        for n in rng.poisson(rate * 20)
    ]
    cubes = rng.random((48, 16, 16, 16), np.float32) * rate[:, None, None, None]
    sample = ClusterSample(
        redshift,
        maps=maps,
        cubes=cubes.astype(np.float32),
        photons=photons,
        center=np.zeros((48, 2)),
        exposure=rng.uniform(1000, 3000, 48),
    )
    return sample, log_mass


def quick(kind=XrayCNNRegressor, **changes):
    settings = {"max_epochs": 2, "random_state": 0, "device": "cpu", "n_threads": 1}
    return kind(**(settings | changes))


@pytest.mark.parametrize("name", ARCHITECTURES)
def test_a_name_trains_explains_stores_and_loads(survey, tmp_path, name):
    sample, log_mass = survey
    scalars = ["redshift"] if "krippendorf" in name else ()
    settings = {"loss": "gaussian_nll", "scalars": scalars, "dropout": 0.1}
    regressor = quick(architecture=name, **settings).fit(sample, log_mass)
    expected = regressor.predict(sample, return_std=True)
    assert expected[0].std() > 0.01
    saliency = SaliencyExplainer(regressor).explain(sample[:2])
    assert saliency.shape == (2, 2, 32, 32)
    assert saliency.max() > 0
    save_model(regressor, tmp_path / "model.skops")
    loaded = load_model(tmp_path / "model.skops")
    assert_array_equal(loaded.predict(sample, return_std=True), expected)


@pytest.mark.parametrize("name", JOINT_ARCHITECTURES)
def test_a_name_of_a_network_of_galaxies_trains_stores_and_loads(
    survey, tmp_path, name
):
    sample, log_mass = survey
    regressor = quick(JointCNNRegressor, architecture=name).fit(sample, log_mass)
    expected = regressor.predict(sample)
    assert expected.std() > 0.001
    save_model(regressor, tmp_path / "model.skops")
    assert_array_equal(load_model(tmp_path / "model.skops").predict(sample), expected)
    brighter = sample.assign(maps=np.asarray(sample.maps) * 1.5)
    assert (regressor.predict(brighter) == expected).all() == (name != "ho2023")


@pytest.mark.parametrize("name", ["ho2019", "kodi_ramanah2021"])
def test_networks_of_galaxies_alone_refuse_missing_cubes_and_saliency_of_maps(
    survey, name
):
    regressor = quick(JointCNNRegressor, architecture=name)
    fitted = regressor.fit(*survey)
    with pytest.raises(TypeError, match=r"Network takes only cubes\."):
        SaliencyExplainer(fitted).explain(survey[0])
    with pytest.raises(ValueError, match=r"only the galaxies, so every .* 'ho2023'"):
        quick(JointCNNRegressor, architecture=name, allow_missing=True).fit(*survey)
    with pytest.raises(ValueError, match=r"takes no scalars\. Give scalars=\(\)"):
        regressor.set_params(scalars=["redshift"]).fit(*survey)
