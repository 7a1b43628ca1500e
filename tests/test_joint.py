"""JointCNNRegressor: map and cube meet at one place on the sky, however cubes come."""

import copy
import pickle
import tracemalloc

import joblib
import numpy as np
import pytest
import torch
from numpy.testing import assert_allclose, assert_array_equal
from sklearn.base import clone
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from skorch.callbacks import Callback
from torch.nn import functional

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    RedshiftNormalizer,
    SaliencyExplainer,
    XrayCNNRegressor,
    load_model,
    rotate,
    save_model,
)
from skcluster.datasets import make_mock_survey
from skcluster.networks import Ho2023JointNetwork
from skcluster.regressors.output_curve import on_curve
from skcluster.regressors.phase_space_batches import (
    JointBatches,
    JointInputs,
    cube_moments,
)
from skcluster.regressors.symmetries import SKY_AXES, randomly_turned, square_symmetry
from skcluster.sample import SparseMaps

KDE = PhaseSpaceKDE(n_bins=16)


def quick(**parameters):
    defaults = {
        "phase_space": KDE,
        "max_epochs": 2,
        "batch_size": 16,
        "random_state": 0,
        "n_threads": 1,
        "device": "cpu",
    }
    return JointCNNRegressor(**(defaults | parameters))


def test_gaps_that_it_would_not_see_are_refused(survey):
    mapper = PhotonMapper(n_pixels=16, with_unobserved=True)
    mapped = mapper.transform(survey.sample)
    with pytest.raises(ValueError, match="does not look at `unobserved`"):
        quick().fit(mapped, survey.log_mass)


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(n_clusters=24, random_state=2)


@pytest.fixture(scope="module")
def with_galaxies(survey):
    return PhotonMapper(n_pixels=32).transform(survey.sample)


@pytest.fixture(scope="module")
def with_cubes(with_galaxies):
    return KDE.transform(with_galaxies)


@pytest.fixture(scope="module")
def fitted(with_galaxies, survey):
    return quick().fit(with_galaxies, survey.log_mass)


def naive(network, maps, cubes):
    """The first 3-D convolution as Fig. 5 draws it, over repeated maps."""
    n_bins = cubes.shape[-1]
    sky = functional.avg_pool2d(maps, maps.shape[-1] // n_bins)
    repeated = sky[..., None].expand(-1, -1, -1, -1, n_bins)
    return network.first(torch.cat([repeated, cubes[:, None]], dim=1))


@pytest.mark.parametrize("n_bands", [1, 3])
def test_the_first_convolution_equals_that_over_repeated_maps(n_bands):
    torch.manual_seed(0)
    network = Ho2023JointNetwork((n_bands, 32, 32), 16)
    torch.nn.init.normal_(network.first.bias)
    maps, cubes = torch.randn(3, n_bands, 32, 32), torch.randn(3, 16, 16, 16)
    gradients = []
    for form in (network.on_the_sky, lambda *inputs: naive(network, *inputs)):
        network.zero_grad()
        first = form(maps, cubes)
        (first**2).sum().backward()
        gradients.append((first.detach(), network.first.weight.grad.clone()))
    (ours, our_gradient), (theirs, their_gradient) = gradients
    assert_allclose(ours, theirs, atol=1e-5)
    assert_allclose(our_gradient, their_gradient, rtol=1e-4, atol=1e-2)


def test_layers_are_those_of_the_paper():
    network = Ho2023JointNetwork((3, 128, 128), 64)
    shapes = []
    for layer in network.cube_branch:
        layer.register_forward_hook(lambda _, __, out: shapes.append(out.shape[1:]))
    with torch.no_grad():
        assert network(
            torch.zeros(1, 3, 128, 128), torch.zeros(1, 64, 64, 64)
        ).shape == (1,)
    sizes = [tuple(shape) for shape in shapes]
    assert sizes[0] == (24, 30, 30, 30)
    assert sizes[2] == (16, 28, 28, 28)
    assert sizes[3] == (16, 14, 14, 14)
    assert sizes[5] == (8, 14, 14, 14)
    assert sizes[6] == (8, 7, 7, 7)
    assert sizes[-1] == (8 * 7**3,)
    assert network.first.weight.shape == (24, 4, 5, 5, 5)
    linear = [m for m in network.modules() if isinstance(m, torch.nn.Linear)]
    widths = [(layer.in_features, layer.out_features) for layer in linear]
    assert widths == [(2744, 128), (2560 + 128, 128), (128, 64), (64, 1)]


def test_sky_grids_that_do_not_fit_are_refused():
    for shape, n_bins in (((1, 32, 32), 8), ((1, 40, 40), 16), ((1, 32, 16), 16)):
        with pytest.raises(ValueError, match="multiple of the bins"):
            Ho2023JointNetwork(shape, n_bins)


def one_place(x, y):
    """A cluster whose photons and galaxies are all about one place on the sky."""
    from skcluster.cosmology import comoving_distance, plane_to_sky

    rng = np.random.default_rng(0)
    distance = comoving_distance([0.2])[0]
    near = rng.normal(0, 0.02, (2, 50))
    ra, dec = plane_to_sky(
        (x + near[0]) / distance, (y + near[1]) / distance, 150.0, 30.0
    )
    galaxies = {"x": x + near[0], "y": y + near[1], "v": rng.normal(0, 300, 50)}
    return ClusterSample(
        [0.2],
        center=[[150.0, 30.0]],
        photons=[{"ra": ra, "dec": dec, "energy": np.ones(50)}],
        galaxies=[galaxies],
    )


def test_a_source_and_a_clump_at_one_place_share_a_cell():
    sample = one_place(x=1.0, y=-0.6)
    cube = KDE.transform(sample).cubes[0].sum(axis=-1)
    mapped = PhotonMapper(n_pixels=32).transform(sample)
    network = Ho2023JointNetwork((1, 32, 32), 16)
    sky = network.to_cells(torch.from_numpy(np.asarray(mapped.maps)))[0, 0].numpy()
    brightest = np.unravel_index(sky.argmax(), sky.shape)
    densest = np.unravel_index(cube.argmax(), cube.shape)
    assert brightest == densest == (5, 11)
    # Either one transposed, and they part.
    assert np.unravel_index(sky.T.argmax(), sky.shape) != densest
    assert np.unravel_index(cube.T.argmax(), cube.shape) != brightest


def test_the_convolution_sees_photons_and_galaxies_of_one_place_together():
    """Kernels that look at one cell respond most where source and clump meet."""
    network = Ho2023JointNetwork((1, 32, 32), 16)
    sample = one_place(x=1.0, y=-0.6)
    maps = torch.from_numpy(
        np.asarray(PhotonMapper(n_pixels=32).transform(sample).maps)
    )
    cubes = torch.tensor(KDE.transform(sample).cubes)
    with torch.no_grad():
        network.first.weight.zero_()
        network.first.bias.zero_()
        network.first.weight[0, 0, 2, 2, 2] = 1 / maps.max()
        network.first.weight[0, 1, 2, 2, 2] = 1 / cubes.max()
        together = network.on_the_sky(maps, cubes)[0, 0].numpy()
        apart = network.on_the_sky(maps, cubes.transpose(1, 2))[0, 0].numpy()
    row, column, _ = np.unravel_index(together.argmax(), together.shape)
    assert (row + 2, column + 2) == (5, 11)
    assert together.max() > 1.2 * apart.max()


def test_cubes_and_galaxies_give_the_same_model(
    with_cubes, with_galaxies, survey, fitted
):
    expected = fitted.predict(with_galaxies)
    assert_array_equal(fitted.predict(with_cubes), expected)
    from_cubes = quick().fit(with_cubes, survey.log_mass)
    assert from_cubes.cube_scale_ == fitted.cube_scale_
    assert_array_equal(from_cubes.predict(with_galaxies), expected)
    assert expected.std() > 0


def test_the_galaxies_matter(with_cubes, fitted):
    turned = with_cubes.assign(cubes=with_cubes.cubes[::-1])
    assert not np.allclose(
        fitted.predict(turned), fitted.predict(with_cubes), atol=1e-6
    )


def test_standardisation_is_that_of_all_training_cells(with_cubes, fitted):
    cubes = with_cubes.cubes.astype(float)
    assert fitted.cube_mean_ == pytest.approx(cubes.mean(), rel=1e-6)
    assert fitted.cube_mean_ == pytest.approx(1 / 16**3, rel=1e-5)
    assert fitted.cube_scale_ == pytest.approx(cubes.std(), rel=1e-6)
    batches = JointBatches(
        JointInputs(with_cubes.maps, cubes=with_cubes.cubes),
        n_bins=16,
        cube_mean=fitted.cube_mean_,
        cube_deviation=fitted.cube_scale_,
        mean=fitted.pixel_mean_,
        deviation=fitted.pixel_scale_,
    )
    batch, _ = batches.__getitems__(range(len(with_cubes)))
    for name in ("maps", "cubes"):
        assert float(batch[name].double().mean()) == pytest.approx(0, abs=1e-5)
        assert float(batch[name].double().std()) == pytest.approx(1, abs=1e-4)
    single, _ = batches[3]
    assert_array_equal(single["cubes"], batch["cubes"][3])


def test_missing_cubes_stand_at_the_mean_and_do_not_move_the_moments(with_cubes):
    cubes = with_cubes.cubes.copy()
    cubes[[2, 5]] = 0
    inputs = JointInputs(with_cubes.maps, cubes=cubes)
    mean, deviation, missing = cube_moments(inputs.blocks_of_cubes())
    kept = np.delete(with_cubes.cubes, [2, 5], axis=0).astype(float)
    assert missing.tolist() == [2, 5]
    assert mean == pytest.approx(kept.mean(), rel=1e-6)
    assert deviation == pytest.approx(kept.std(), rel=1e-6)
    batch, _ = JointBatches(
        inputs, n_bins=16, cube_mean=mean, cube_deviation=deviation
    ).__getitems__([1, 2])
    assert batch["has_cube"].tolist() == [1.0, 0.0]
    assert not batch["cubes"][1].any()


def test_clusters_without_spectroscopy_are_refused_or_allowed(with_cubes, survey):
    cubes = with_cubes.cubes.copy()
    cubes[[2, 5]] = 0
    mixed = with_cubes.assign(cubes=cubes, galaxies=None)
    with pytest.raises(ValueError, match=r"2 of 24 clusters .* \(first: cluster 2\)"):
        quick().fit(mixed, survey.log_mass)
    strict = quick().fit(with_cubes, survey.log_mass)
    with pytest.raises(ValueError, match="allow_missing=True"):
        strict.predict(mixed[:3])
    mild = quick(allow_missing=True).fit(mixed, survey.log_mass)
    expected = mild.predict(mixed)
    # A survey without any spectroscopy is one in which all cubes are missing.
    bare = mixed.drop("cubes")
    without = mild.predict(bare)
    assert_array_equal(without[[2, 5]], expected[[2, 5]])
    assert not np.allclose(without[:2], expected[:2], atol=1e-7)
    # The indicator is seen: the same mean cube, said to be there, gives another mass.
    net = mild.nets_[0].module_
    batch, _ = mild._batches(mild._read(bare[:4])).__getitems__(range(4))
    with torch.no_grad():
        absent, present = net(**batch), net(**{**batch, "has_cube": torch.ones(4)})
    assert not torch.allclose(absent, present, atol=1e-6)


@pytest.mark.parametrize("is_set", ["before the fit", "after it"])
def test_an_indicator_that_was_not_trained_is_not_relied_on(with_cubes, survey, is_set):
    """In training it was constant: what it does to the mass was drawn at random."""
    cubes = with_cubes.cubes.copy()
    cubes[[2, 5]] = 0
    mixed, bare = with_cubes.assign(cubes=cubes), with_cubes.drop("cubes", "galaxies")
    model = quick(allow_missing=is_set == "before the fit")
    model.fit(with_cubes, survey.log_mass)
    expected = model.predict(with_cubes[6:9])
    text = (
        r"of 24 clusters have no .*cluster {}\).* fitted to clusters of which all had"
    )
    for clusters, n, first in ((mixed, 2, 2), (bare, 24, 0)):
        model.set_params(allow_missing=True)
        is_set_after = "was fitted with allow_missing=False, which was then set to True"
        now = is_set_after if is_set == "after it" else f"{n} {text.format(first)}"
        with pytest.raises(ValueError, match=now):
            model.predict(clusters)
    model.set_params(allow_missing=is_set == "before the fit")
    assert_array_equal(model.predict(mixed[6:9]), expected)


def test_a_joint_model_of_0_1_0_predicts_clusters_without_cubes(with_cubes, survey):
    """It does not know whether some were missing in training."""
    model = quick(allow_missing=True).fit(with_cubes, survey.log_mass)
    del model.has_missing_
    stored = pickle.loads(pickle.dumps(model))
    assert stored.predict(with_cubes.drop("cubes", "galaxies")).shape == (24,)


def test_a_sample_without_galaxies_is_told_what_to_do(with_galaxies, survey):
    bare = with_galaxies.drop("galaxies")
    with pytest.raises(ValueError, match="put PhaseSpaceKDE before this step"):
        quick().fit(bare, survey.log_mass)
    with pytest.raises(ValueError, match="None of the 24 training clusters"):
        quick(allow_missing=True).fit(bare, survey.log_mass)


def test_cubes_of_another_size_are_refused(with_galaxies, fitted):
    finer = PhaseSpaceKDE(n_bins=18).transform(with_galaxies[:4])
    with pytest.raises(ValueError, match=r"18 cells per side.* fitted to 16"):
        fitted.predict(finer)


def test_maps_and_cubes_turn_together():
    torch.manual_seed(0)
    sky = torch.rand(64, 16, 16)
    batch = {
        "maps": sky[:, None],
        "cubes": sky[..., None].expand(-1, -1, -1, 4).clone(),
    }
    turned = randomly_turned(batch)
    assert_array_equal(turned["maps"][:, 0], turned["cubes"][..., 2])
    ways = {
        k
        for k in range(8)
        for i in range(64)
        if torch.equal(turned["maps"][i], square_symmetry(batch["maps"][i], k))
    }
    assert ways == set(range(8))
    cube = torch.rand(2, 3, 3, 5)
    assert_array_equal(
        square_symmetry(cube, 5, SKY_AXES["cubes"])[..., 1],
        square_symmetry(cube[..., 1], 5),
    )


def test_subsets_orders_and_copies_predict_the_same(with_galaxies, fitted):
    expected = fitted.predict(with_galaxies)
    order = np.random.default_rng(0).permutation(len(with_galaxies))
    assert_array_equal(fitted.predict(with_galaxies[order]), expected[order])
    assert_array_equal(fitted.predict(with_galaxies[7:10]), expected[7:10])
    again = pickle.loads(pickle.dumps(fitted))
    assert_array_equal(again.predict(with_galaxies), expected)


def test_the_same_seed_gives_the_same_network(with_galaxies, survey, fitted):
    again = clone(fitted).fit(with_galaxies, survey.log_mass)
    assert_array_equal(again.predict(with_galaxies), fitted.predict(with_galaxies))
    other = quick(random_state=1).fit(with_galaxies, survey.log_mass)
    assert not np.allclose(other.predict(with_galaxies), fitted.predict(with_galaxies))


def test_a_search_over_the_cubes_and_a_stored_pipeline(survey, tmp_path):
    pipeline = make_pipeline(
        PhotonMapper(n_pixels=32),
        RedshiftNormalizer(),
        LogScaler(),
        quick(max_epochs=1),
    )
    grid = {"jointcnnregressor__phase_space__bandwidth": [0.1, 0.3]}
    searches = [
        GridSearchCV(pipeline, grid, cv=2, n_jobs=n_jobs, refit=n_jobs == 1).fit(
            survey.sample, survey.log_mass
        )
        for n_jobs in (1, 2)
    ]
    scores = [search.cv_results_["mean_test_score"] for search in searches]
    assert_array_equal(*scores)
    assert scores[0][0] != scores[0][1]
    pytest.importorskip("skops")
    best = searches[0].best_estimator_
    path = tmp_path / "joint.skops"
    save_model(best, path)
    assert_array_equal(
        load_model(path).predict(survey.sample), best.predict(survey.sample)
    )


class PressCtrlC(Callback):
    epoch = 2

    def on_epoch_end(self, net, **kwargs):
        if len(net.history) == PressCtrlC.epoch:
            raise KeyboardInterrupt


def test_a_stopped_fit_goes_on_bit_for_bit(
    with_galaxies, survey, tmp_path, monkeypatch
):
    settings = {"max_epochs": 3, "augment": True}
    complete = quick(**settings).fit(with_galaxies, survey.log_mass)
    parts = quick(**settings, checkpoint_dir=tmp_path, callbacks=[PressCtrlC()])
    with pytest.raises(KeyboardInterrupt):
        parts.fit(with_galaxies, survey.log_mass)
    monkeypatch.setattr(PressCtrlC, "epoch", None)
    resumed = parts.fit(with_galaxies, survey.log_mass)
    assert len(list(tmp_path.iterdir())) == 1
    assert_array_equal(resumed.predict(with_galaxies), complete.predict(with_galaxies))


def test_memory_does_not_grow_with_the_survey(with_galaxies):
    """Selections of inputs copy no cubes, and a batch makes only its own."""
    big = ClusterSample.concatenate([with_galaxies] * 40)
    # A cube without galaxies takes the same memory, and no time to make.
    few = big.galaxies.select(big.galaxies.cluster % 10 == 0)
    inputs = JointInputs(big.maps, galaxies=few, phase_space=KDE)
    tracemalloc.start()
    for _, cubes in inputs[np.arange(len(big))].blocks_of_cubes():
        assert len(cubes) <= 50
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 0.5 * len(big) * 16**3 * 4


@pytest.mark.slow
def test_a_network_that_sees_dynamics_learns_what_photons_cannot_tell():
    """Maps of noise, galaxies whose velocities are the mass: only the joint one learns."""
    rng = np.random.default_rng(0)
    n = 160
    log_mass = rng.uniform(13.5, 15, n)
    galaxies = [
        {
            "x": rng.normal(0, 0.6, 80),
            "y": rng.normal(0, 0.6, 80),
            "v": rng.normal(0, 300 * 10 ** (0.5 * (mass - 13.5)), 80),
        }
        for mass in log_mass
    ]
    maps = SparseMaps.from_dense(rng.poisson(0.3, (n, 1, 16, 16)).astype(np.float32))
    sample = ClusterSample(np.full(n, 0.1), maps=maps, galaxies=galaxies)
    train, test = sample[:120], sample[120:]
    scatter = {}
    for name, regressor in (
        ("joint", quick(max_epochs=12, dropout=0.0)),
        ("maps", XrayCNNRegressor(max_epochs=12, random_state=0, n_threads=1)),
    ):
        predicted = regressor.fit(train, log_mass[:120]).predict(test)
        scatter[name] = (predicted - log_mass[120:]).std()
    assert scatter["joint"] < 0.6 * scatter["maps"]


def test_threads_of_folds_do_not_disturb_each_other(with_galaxies, survey):
    folds = [np.arange(24)[::2], np.arange(24)[1::2]]

    def fit(rows):
        return quick(max_epochs=1).fit(with_galaxies[rows], survey.log_mass[rows])

    alone = [fit(rows).predict(with_galaxies) for rows in folds]
    with joblib.parallel_backend("threading", n_jobs=2):
        pooled = joblib.Parallel()(joblib.delayed(fit)(rows) for rows in folds)
    for one, many in zip(alone, pooled, strict=True):
        assert_array_equal(many.predict(with_galaxies), one)


@pytest.mark.parametrize("method", ["gradient", "smoothgrad", "deep_dream"])
def test_the_maps_of_the_joint_network_are_explained(fitted, with_galaxies, method):
    few = with_galaxies[:3]
    explainer = SaliencyExplainer(
        fitted, method=method, signed=True, n_samples=2, random_state=0
    )
    saliency = explainer.explain(few)
    assert saliency.shape == few.maps.shape
    assert_array_equal(explainer.explain(few[1:2]), saliency[1:2])
    if method != "gradient":
        assert saliency.std() > 0
        return
    # The mass of a map that is a little brighter where the saliency is largest, exactly.
    net, n = copy.deepcopy(fitted.net_.module_).double().eval(), 3
    batch, _ = fitted._batches(fitted._read(few)).__getitems__(range(n))
    batch = {name: value.double() for name, value in batch.items()}
    place = np.abs(saliency).reshape(n, -1).argmax(axis=1)
    step = 1e-6
    masses = []
    for sign in (-1, 1):
        moved = batch["maps"].reshape(n, -1).clone()
        moved[range(n), place] += sign * step / fitted.pixel_scale_
        with torch.no_grad():
            mass = net(**{**batch, "maps": moved.reshape(batch["maps"].shape)})
        masses.append(
            on_curve(mass.numpy(), fitted.curve_[0, 0]) * fitted.target_scale_
        )
    slope = (masses[1] - masses[0]) / (2 * step)
    assert_allclose(saliency.reshape(n, -1)[range(n), place], slope, rtol=1e-3)


def test_a_prediction_makes_each_cube_once(fitted, with_galaxies, monkeypatch):
    made = []
    cubes_of = PhaseSpaceKDE.cubes_of

    def counted(self, galaxies):
        made.append(len(galaxies))
        return cubes_of(self, galaxies)

    monkeypatch.setattr(PhaseSpaceKDE, "cubes_of", counted)
    fitted.predict(ClusterSample.concatenate([with_galaxies, with_galaxies[:8]]))
    assert sum(made) == 32


def test_which_clusters_have_a_kernel_is_known_without_their_cubes(with_galaxies):
    few = with_galaxies.galaxies.select(
        (with_galaxies.galaxies.cluster % 3 > 0) | (with_galaxies.galaxies["v"] < -2500)
    )
    has_cube = KDE.cubes_of(few).any(axis=(1, 2, 3))
    assert 0 < has_cube.sum() < len(has_cube)
    assert_array_equal(KDE.has_kernel(few), has_cube)


def test_a_drawn_part_of_the_galaxies_is_the_same_at_every_prediction(
    with_galaxies, survey
):
    half = PhaseSpaceKDE(n_bins=16, sampling_fraction=0.5)
    regressor = quick(phase_space=half).fit(with_galaxies, survey.log_mass)
    expected = regressor.predict(with_galaxies)
    assert_array_equal(regressor.predict(with_galaxies), expected)
    copied = pickle.loads(pickle.dumps(regressor))
    assert_array_equal(copied.predict(with_galaxies[5:9]), expected[5:9])
    assert half.random_state is None


def test_a_source_and_a_clump_lie_where_the_whole_network_looks():
    """One that gains by light and galaxies in one cell loses by either's transpose."""
    network = Ho2023JointNetwork((1, 32, 32), 16, dropout=0.0).eval()
    sample = one_place(x=1.0, y=-0.6)
    maps = torch.from_numpy(
        np.asarray(PhotonMapper(n_pixels=32).transform(sample).maps)
    )
    cubes = torch.tensor(KDE.transform(sample).cubes)
    convolutions = [m for m in network.cube_branch if isinstance(m, torch.nn.Conv3d)]
    dense = [*network.cube_head, *network.head, network.output]
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.zero_()
        network.first.weight[0, 0, 2, 2, 2] = 1 / network.to_cells(maps).max()
        network.first.weight[0, 1, 2, 2, 2] = 1 / cubes.max()
        network.first.bias[0] = -1.2  # neither of the two alone is enough
        for layer in convolutions:
            layer.weight[0, 0] = 1
        for layer in dense:
            if isinstance(layer, torch.nn.Linear):
                layer.weight[0] = 1
        together = network(maps, cubes)
        for other in (
            network(maps.transpose(2, 3), cubes),
            network(maps, cubes.transpose(1, 2)),
        ):
            assert together > 0.5
            assert other == 0
        both = network(maps.transpose(2, 3), cubes.transpose(1, 2))
    assert_allclose(both, together, rtol=1e-5)


def test_the_whole_network_equals_the_naive_one():
    """Conv3d over repeated maps, ReLU before pooling, as Fig. 5 draws it."""
    torch.manual_seed(0)
    network = Ho2023JointNetwork((3, 32, 32), 16, dropout=0.0)
    maps, cubes = torch.randn(4, 3, 32, 32), torch.randn(4, 16, 16, 16)
    results = []
    for form in (network, lambda *inputs: naive_network(network, *inputs)):
        network.zero_grad()
        mass = form(maps, cubes)
        (mass**2).sum().backward()
        gradients = [parameter.grad.clone() for parameter in network.parameters()]
        results.append((mass.detach(), gradients))
    (ours, our_gradients), (theirs, their_gradients) = results
    assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)
    for one, other in zip(our_gradients, their_gradients, strict=True):
        assert_allclose(one, other, rtol=1e-3, atol=1e-4 * float(other.abs().max()))


def naive_network(network, maps, cubes):
    """Fig. 5 layer by layer, with the weights of a network."""
    x = functional.max_pool3d(naive(network, maps, cubes).relu(), 2)
    for layer in network.cube_branch:
        if isinstance(layer, torch.nn.Conv3d):
            x = functional.max_pool3d(layer(x).relu(), 2)
    features = [network.map_branch(maps), network.cube_head(x.flatten(1))]
    return network.output(network.head(torch.cat(features, 1))).squeeze(-1)


def test_the_cube_of_turned_galaxies_is_the_turned_cube(with_galaxies):
    few = with_galaxies[:3]
    cubes = torch.tensor(KDE.transform(few).cubes)
    for k in range(8):
        turned = KDE.transform(rotate(few, -90 * (k % 4), mirror=k >= 4)).cubes
        expected = square_symmetry(cubes, k, SKY_AXES["cubes"]).numpy()
        assert_allclose(turned, expected, atol=1e-6 * expected.max())
        assert k == 0 or not np.allclose(turned, cubes, atol=1e-6 * expected.max())
