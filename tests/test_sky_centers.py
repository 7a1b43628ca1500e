"""Centers are found where photons were planted, and everything follows them."""

import numpy as np
import pytest
from astropy.coordinates import SkyCoord
from astropy.cosmology import FlatLambdaCDM
from astropy.wcs import WCS
from numpy.testing import assert_allclose, assert_array_equal

from skcluster import ClusterSample, PhotonMapper, SkyImage, recenter, with_exposure_map
from skcluster.cosmology import comoving_distance, plane_to_sky

REDSHIFT = 0.2
DISTANCE = comoving_distance([REDSHIFT])[0]
TRUE = (359.98, 40.0)
METHODS = pytest.mark.parametrize("method", ["peak", "centroid"])


def planted(n, offset=(0.0, 0.0), n_background=0, width=0.15, seed=0, **fields):
    """A Gaussian cluster at `TRUE` on a flat background; its center is off by `offset`."""
    rng = np.random.default_rng(seed)
    x, y = rng.normal(0, width, (2, n))
    background = rng.uniform(-2, 2, (2, n_background))
    x, y = np.append(x, background[0]), np.append(y, background[1])
    ra, dec = plane_to_sky(x / DISTANCE, y / DISTANCE, *TRUE)
    photons = {"ra": ra, "dec": dec, "energy": np.ones(len(ra))}
    center = plane_to_sky(*np.array(offset) / DISTANCE, *TRUE)
    return ClusterSample([REDSHIFT], center=[center], photons=[photons], **fields)


def error(sample):
    """Distance of the center from the true one [Mpc/h], by astropy."""
    found = SkyCoord(*sample.center.T, unit="deg")
    return found.separation(SkyCoord(*TRUE, unit="deg")).rad[0] * DISTANCE


@METHODS
@pytest.mark.parametrize("offset", [(0.25, 0.1), (-0.05, -0.3), (0.0, 0.0)])
def test_a_planted_center_is_found(method, offset):
    found = recenter(planted(4000, offset, 400), method=method)
    assert_allclose(error(planted(4000, offset, 400)), np.hypot(*offset), atol=1e-4)
    # The error of a mean, and a few cells of the grid of the peak.
    assert error(found) < {"peak": 0.06, "centroid": 0.02}[method]


def test_the_centroid_has_the_error_of_a_mean():
    errors = [
        error(recenter(planted(400, seed=s), method="centroid")) for s in range(60)
    ]
    # Each of two coordinates scatters by width / sqrt(n).
    assert_allclose(np.mean(np.square(errors)), 2 * 0.15**2 / 400, rtol=0.4)


def test_the_peak_is_that_of_the_smoothed_density():
    sample = planted(5)
    ra, dec = plane_to_sky(np.array([0.3, 0.3, 0.31]) / DISTANCE, 0.1 / DISTANCE, *TRUE)
    photons = {"ra": ra, "dec": np.broadcast_to(dec, 3), "energy": np.ones(3)}
    photons = {
        name: np.append(sample.photons[name], value) for name, value in photons.items()
    }
    x = np.append(np.random.default_rng(0).normal(0, 0.15, (2, 5))[0], [0.3, 0.3, 0.31])
    y = np.append(np.random.default_rng(0).normal(0, 0.15, (2, 5))[1], [0.1] * 3)
    grid = np.arange(-60, 61) / 120
    at_x, at_y = np.meshgrid(grid, grid)
    square = (at_x[..., None] - x) ** 2 + (at_y[..., None] - y) ** 2
    density = np.exp(-square / (2 * 0.05**2)).sum(axis=-1)
    best = np.unravel_index(density.argmax(), density.shape)
    found = recenter(sample.assign(photons=[photons]))
    expected = plane_to_sky(at_x[best] / DISTANCE, at_y[best] / DISTANCE, *TRUE)
    expected = SkyCoord(*expected, unit="deg")
    apart = SkyCoord(*found.center.T, unit="deg").separation(expected).rad[0]
    assert apart * DISTANCE < 0.02


@METHODS
def test_the_radius_limits_the_search(method):
    sample = planted(1000, (1.5, 0.0), 2000)
    found = recenter(sample, method=method, radius=0.3)
    moved = SkyCoord(*sample.center.T, unit="deg").separation(
        SkyCoord(*found.center.T, unit="deg")
    )
    if method == "peak":
        assert moved.rad[0] * DISTANCE <= 0.301
    assert error(found) > 0.5


@METHODS
def test_vignetting_moves_no_center(method):
    """A slope of the exposure, that alone would draw the centroid along by 0.02 Mpc/h."""
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval = ["RA---TAN", "DEC--TAN"], TRUE
    wcs.wcs.crpix, wcs.wcs.cdelt = [100, 100], [-0.001, 0.001]
    west = np.radians(0.001) * (np.arange(199) - 99) * DISTANCE
    image = SkyImage(np.tile(1000 * np.exp(west), (199, 1)), wcs)
    bright = planted(200_000)
    photons = bright.photons
    x = np.radians((TRUE[0] - photons["ra"] + 180) % 360 - 180) * np.cos(np.radians(40))
    chance = np.exp(x * DISTANCE) / 3
    kept = np.random.default_rng(0).random(len(x)) < chance
    thinned = bright.assign(photons=photons.select(kept))
    exposed = with_exposure_map(thinned, image)
    if method == "centroid":
        assert error(recenter(thinned, method=method)) > 0.015
    assert (
        error(recenter(exposed, method=method))
        < {"peak": 0.03, "centroid": 0.004}[method]
    )


def test_galaxies_and_exposures_follow_the_center():
    wcs = WCS(naxis=2)
    wcs.wcs.ctype, wcs.wcs.crval, wcs.wcs.crpix = (
        ["RA---TAN", "DEC--TAN"],
        TRUE,
        [50, 50],
    )
    wcs.wcs.cdelt = [-0.002, 0.002]
    image = SkyImage(np.tile(np.linspace(500, 1500, 99), (99, 1)), wcs)
    galaxies = [{"x": [0.0, 1.0], "y": [0.2, 0.0], "v": [0.0, 100.0]}]
    sample = planted(3000, (0.3, -0.2), galaxies=galaxies)
    sample = PhotonMapper(n_pixels=8).transform(with_exposure_map(sample, image))
    found = recenter(sample, method="centroid")
    assert_allclose(found.galaxies["x"], np.add([0.0, 1.0], 0.3), atol=0.02)
    assert_allclose(found.galaxies["y"], np.add([0.2, 0.0], -0.2), atol=0.02)
    assert_array_equal(found.galaxies["v"], [0, 100])
    assert_allclose(found.exposure, image.at(*found.center.T), rtol=1e-6)
    assert abs(found.exposure[0] - sample.exposure[0]) > 20
    assert found.maps is None
    own = with_exposure_map(sample.assign(exposure=[100.0]), image)
    change = recenter(own, method="centroid").exposure / 100
    assert_allclose(change, found.exposure / sample.exposure, rtol=1e-6)


@METHODS
def test_the_radius_is_that_of_the_cosmology_that_it_is_given(method):
    own = FlatLambdaCDM(70, 0.9)
    angle = 0.48 / (own.comoving_distance(0.3).value * own.h)  # 0.51 in WMAP7
    ra, dec = plane_to_sky(np.full(20, 0.6 * angle), np.full(20, 0.8 * angle), *TRUE)
    photons = {"ra": ra, "dec": dec, "energy": np.ones(20)}
    sample = ClusterSample([0.3], center=[TRUE], photons=[photons])
    found = recenter(sample, method=method, cosmology=own)
    cell = np.degrees(0.0125 / 2 / DISTANCE) / np.cos(np.radians(TRUE[1]))
    atol = {"peak": cell, "centroid": 1e-6}[method]
    assert_allclose(found.center, [[ra[0], dec[0]]], atol=atol)


def test_the_grid_of_the_peak_is_centered_on_its_cells():
    x, y = 0.1 / DISTANCE, -0.05 / DISTANCE  # the middle of a cell
    ra, dec = plane_to_sky(np.full(9, x), np.full(9, y), *TRUE)
    photons = {"ra": ra, "dec": dec, "energy": np.ones(9)}
    found = recenter(ClusterSample([REDSHIFT], center=[TRUE], photons=[photons]))
    assert_allclose(found.center, [[ra[0], dec[0]]], atol=1e-7)


@METHODS
def test_the_field_of_view_stays_where_it_is(method):
    """The circle about the new center is the largest one inside of the old one."""
    sample = planted(4000, (0.3, -0.2), field_radius=[0.2])
    found = recenter(sample, method=method)
    old, new = (SkyCoord(*each.center.T, unit="deg") for each in (sample, found))
    moved = old.separation(new).deg
    assert moved > 0.02
    assert_allclose(found.field_radius, 0.2 - moved, rtol=1e-9)
    with pytest.raises(
        ValueError, match=r"1 of 1 clusters lie at the edge .*=0\.03 deg"
    ):
        recenter(sample.assign(field_radius=[0.03]), method=method)


def test_a_cluster_does_not_depend_on_its_neighbors():
    samples = [planted(300, (0.1 * k, 0.0), 100, seed=k) for k in range(3)]
    joined = recenter(ClusterSample.concatenate(samples))
    alone = [recenter(sample).center[0] for sample in samples]
    assert_array_equal(joined.center, alone)


def test_only_photons_of_the_band_count():
    sample = planted(500, (0.2, 0.0))
    hard = sample.assign(photons=sample.photons.assign(energy=np.full(500, 3.0)))
    with pytest.warns(
        UserWarning, match=r"1 of 1 clusters have no photon within 0.5 Mpc/h"
    ):
        same = recenter(hard, band=(0.5, 2.0))
    assert_allclose(same.center, sample.center % [360, 90])
    assert error(recenter(hard, method="centroid", band=(2, 4))) < 0.03


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        (
            {"method": "mean"},
            r"method must be one of \['peak', 'centroid'\], got 'mean'",
        ),
        ({"radius": 500}, r"radius must be a number from 0.01 .* It looks like kpc/h"),
        ({"smoothing": 0}, r"smoothing must be a number from"),
        ({"band": (500, 2000)}, "looks like eV"),
    ],
)
def test_a_wrong_parameter_is_named(parameters, message):
    with pytest.raises(ValueError, match=message):
        recenter(planted(10), **parameters)
