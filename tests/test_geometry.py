"""Maps and cubes know their square of the sky, and networks refuse another one."""

import pickle
import re

import numpy as np
import pytest
from astropy.cosmology import WMAP7, FlatLambdaCDM
from numpy.testing import assert_array_equal
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    JointCNNRegressor,
    LogScaler,
    PhaseSpaceKDE,
    PhotonMapper,
    RedshiftNormalizer,
    SparseMaps,
    XrayCNNRegressor,
    load_model,
    rotate,
    save_model,
)
from skcluster.datasets import make_mock_survey
from skcluster.sample import MapGeometry

GEOMETRY = MapGeometry(((0.5, 2.0), (2.0, 7.0)), 1.5, "WMAP7")


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(n_clusters=14, random_state=0)


def mapper(**changed):
    defaults = {"bands": [(0.5, 2), (2, 7)], "half_width": 1.5, "n_pixels": 16}
    return PhotonMapper(**(defaults | changed))


def kde(**changed):
    return PhaseSpaceKDE(**({"n_bins": 16, "half_width": 1.5} | changed))


def quick(kind=XrayCNNRegressor, **parameters):
    return kind(max_epochs=1, random_state=0, n_threads=1, device="cpu", **parameters)


def test_maps_know_their_mapper_whatever_becomes_of_them(survey):
    mapped = mapper().transform(survey.sample)
    assert mapped.maps.geometry == GEOMETRY
    scaled = make_pipeline(RedshiftNormalizer(), LogScaler()).fit_transform(mapped)
    for sample in (
        scaled,
        scaled[3],
        scaled[[5, 2]],
        scaled[scaled.redshift > 0.2],
        scaled.assign(r500c=None),
        scaled.drop("photons"),
        pickle.loads(pickle.dumps(scaled)),
        ClusterSample.concatenate([scaled[:3], scaled[3:]]),
    ):
        assert sample.maps.geometry == GEOMETRY


def test_a_cosmology_is_known_by_its_name_or_by_its_parameters(survey):
    few = survey.sample[:2]
    named = mapper(cosmology=WMAP7).transform(few).maps.geometry
    assert named == GEOMETRY
    own = mapper(cosmology=FlatLambdaCDM(70, 0.3)).transform(few).maps.geometry
    assert own != GEOMETRY
    posing = mapper(cosmology=WMAP7.clone(name="WMAP7", H0=60)).transform(few)
    assert posing.maps.geometry != GEOMETRY


def test_maps_of_two_geometries_are_not_joined(survey):
    few = survey.sample[:2]
    narrow, wide = (mapper(half_width=w).transform(few) for w in (1.5, 2.3))
    with pytest.raises(ValueError, match=r"half_width=1\.5.* and .*half_width=2\.3"):
        ClusterSample.concatenate([narrow, wide])
    unknown = narrow.assign(maps=np.asarray(narrow.maps))
    joined = ClusterSample.concatenate([narrow, unknown])
    assert unknown.maps.geometry is joined.maps.geometry is None


def test_cubes_know_their_extent_until_they_are_replaced(survey):
    cubed = kde(velocity_max=3000).transform(survey.sample)
    for sample in (
        cubed[[4, 1]],
        pickle.loads(pickle.dumps(cubed)),
        ClusterSample.concatenate([cubed[:3], cubed[3:]]),
    ):
        assert_array_equal(sample.cube_extent, [[1.5, 3000]] * len(sample))
    for sample in (
        cubed.assign(cubes=cubed.cubes),
        cubed.assign(cubes=None),
        cubed.drop("cubes"),
        rotate(cubed, 30.0),
    ):
        assert sample.cube_extent is None


@pytest.mark.parametrize(
    "changed",
    [
        {"half_width": 2.3},
        {"cosmology": "Planck15"},
        {"bands": ((2.0, 7.0), (0.5, 2.0))},
    ],
)
def test_a_network_refuses_maps_of_another_geometry_and_names_both(
    survey, changed, tmp_path
):
    pytest.importorskip("skops")
    mapped = mapper().transform(survey.sample)
    fitted = quick().fit(mapped, survey.log_mass)
    assert fitted.map_geometry_ == GEOMETRY
    save_model(fitted, tmp_path / "model.skops")
    other = mapper(**changed).transform(survey.sample)
    for regressor in (fitted, load_model(tmp_path / "model.skops")):
        both = rf"{re.escape(str(other.maps.geometry))}.*{re.escape(str(GEOMETRY))}"
        with pytest.raises(ValueError, match=both):
            regressor.predict(other)
        # Of an array nothing is known, and it is taken as it always was.
        expected = regressor.predict(mapped)
        assert_array_equal(regressor.predict(np.asarray(mapped.maps)), expected)


def test_a_network_fitted_to_arrays_takes_any_maps_of_its_shape(survey):
    mapped = mapper().transform(survey.sample)
    fitted = quick().fit(np.asarray(mapped.maps), survey.log_mass)
    assert fitted.map_geometry_ is None
    assert fitted.predict(mapped).shape == (14,)


@pytest.mark.parametrize("with_cubes", [True, False])
def test_maps_and_cubes_of_two_half_widths_are_refused(survey, with_cubes):
    wide = kde(half_width=2.3)
    mapped = mapper().transform(survey.sample)
    sample = wide.transform(mapped) if with_cubes else mapped
    regressor = quick(JointCNNRegressor, phase_space=wide)
    text = r"maps have half_width=1\.5, but the cubes half_width=2\.3"
    with pytest.raises(ValueError, match=text):
        regressor.fit(sample, survey.log_mass)


def test_a_joint_network_refuses_cubes_of_another_extent(survey):
    mapped = mapper().transform(survey.sample)
    fitted = quick(JointCNNRegressor, phase_space=kde()).fit(mapped, survey.log_mass)
    assert fitted.cube_extent_ == (1.5, 3785)
    expected = fitted.predict(mapped)
    cubed = kde().transform(mapped)
    assert_array_equal(fitted.predict(cubed), expected)
    slow = kde(velocity_max=2000).transform(mapped)
    text = r"velocity_max=2000\.0, but .*velocity_max=3785\.0"
    with pytest.raises(ValueError, match=text):
        fitted.predict(slow)
    with pytest.raises(ValueError, match="14 clusters have 2 half-widths and highest"):
        fitted.predict(ClusterSample.concatenate([cubed[:7], slow[7:]]))
    # Maps and cubes as arrays: nothing is known of either, and nothing refused.
    arrays = mapped.assign(maps=np.asarray(mapped.maps), cubes=slow.cubes)
    assert isinstance(arrays.maps, SparseMaps)
    assert np.isfinite(fitted.predict(arrays)).all()
