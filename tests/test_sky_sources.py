"""Masks and circles of other sources: photons and area that they take away."""

import numpy as np
import pytest
from astropy import units
from astropy.coordinates import SkyCoord
from astropy.table import Table
from numpy.testing import assert_allclose, assert_array_equal
from synthetic_sky import (
    CENTER,
    DISTANCE,
    REDSHIFT,
    edge_of,
    flat,
    image_of,
    net,
    sample_of,
    wcs_of,
)

from skcluster import (
    ClusterSample,
    PhotonMapper,
    SkyImage,
    remove_sources,
    rotate,
    thin_photons,
    write_sample,
)
from skcluster.cosmology import plane_to_sky


def test_a_mask_removes_photons_and_area():
    mask = image_of(lambda x, y: (x < 0) | (y < 0))
    x, y = flat(8000)
    sample = remove_sources(sample_of(x, y), mask)
    assert_array_equal(sample.photons.lengths, [((x < 0) | (y < 0)).sum()])
    mapped = PhotonMapper(n_pixels=16).transform(sample)
    assert not np.asarray(mapped.maps)[0, 0, 8:, 8:].any()
    assert_allclose(mapped.coverage, [0.75], atol=0.01)


def test_the_area_of_a_hole_is_lost_and_made_up_for():
    x, y = flat(40_000)
    sample = sample_of(x, y)
    ra, dec = plane_to_sky(0.6 / DISTANCE, 0.2 / DISTANCE, *CENTER)
    radius = np.degrees(0.3 / DISTANCE)
    catalog = {"RAJ2000": [ra, 10.0], "DEJ2000": [dec, -80.0]}
    cleaned = remove_sources(sample, catalog, radius=radius)
    removed = np.hypot(x - 0.6, y - 0.2) < 0.3
    assert cleaned.photons.lengths[0] == (~removed).sum()
    assert_array_equal(cleaned.holes.lengths, [1])
    mapped = PhotonMapper(n_pixels=64).transform(cleaned)
    assert_allclose(mapped.coverage, [1 - np.pi * 0.09 / 4.6**2], atol=0.001)
    found, before = net(cleaned), net(sample)
    assert_allclose(found.observed, [1 - 0.09], atol=0.004)
    expected = 40_000 / 25 * np.pi
    assert found.photons[0] < 0.93 * expected
    assert abs(found.net[0] - expected) < 4 * found.error[0]
    assert_allclose(before.net, before.photons)


@pytest.mark.parametrize("center", [(0.001, 0.0), (359.999, 60.0), (30.0, 89.99)])
def test_a_hole_is_a_circle_on_the_sky_everywhere(center):
    rng = np.random.default_rng(0)
    at = SkyCoord(*center, unit="deg")
    angle, distance = rng.uniform(0, 360, 500), rng.uniform(0, 0.02, 500)
    photons = at.directional_offset_by(angle * units.deg, distance * units.deg)
    source = at.directional_offset_by(30 * units.deg, 0.012 * units.deg)
    sample = ClusterSample(
        [0.2],
        center=[center],
        photons=[
            {"ra": photons.ra.deg, "dec": photons.dec.deg, "energy": np.ones(500)}
        ],
    )
    catalog = {"ra": [source.ra.deg], "dec": [source.dec.deg]}
    cleaned = remove_sources(sample, catalog, radius=0.01)
    kept = photons.separation(source).deg > 0.01
    assert_allclose(cleaned.photons["dec"], photons.dec.deg[kept])


SOURCE = {"ra": [10.12], "dec": [0.0]}


def on_the_equator(lists):
    """Clusters by the RA of their center, with that of their photons."""
    photons = [{"ra": x, "dec": np.zeros(len(x)), "energy": x} for x in lists.values()]
    center = [(ra, 0.0) for ra in lists]
    return ClusterSample([REDSHIFT] * len(lists), center=center, photons=photons)


def test_a_source_beyond_all_photons_removes_those_within_its_radius():
    sample = on_the_equator({10.0: [10.0, 10.1]})
    cleaned = remove_sources(sample, SOURCE, radius=0.03)
    assert_array_equal(cleaned.photons["ra"], [10.0])
    assert_array_equal(cleaned.holes.lengths, [1])


def test_a_hole_reaches_a_lone_photon():
    sample = on_the_equator({10.0: [10.1], 50.0: [50.0, 50.1]})
    cleaned = remove_sources(sample, SOURCE, radius=0.03)
    assert_array_equal(cleaned.photons.lengths, [0, 2])


def test_radii_come_from_a_column_or_with_a_unit():
    sample = sample_of(*flat(3000))
    catalog = Table({"ra": [150.0, 150.05], "dec": [2.03, 2.0], "rad": [40.0, 60.0]})
    plain = remove_sources(sample, catalog, radius=[40 / 3600, 60 / 3600])
    catalog["rad"].unit = "arcsec"
    for radius in ("rad", "RAD", [40, 60] * units.arcsec):
        same = remove_sources(sample, catalog, radius=radius)
        assert_allclose(same.photons["ra"], plain.photons["ra"])
    both = remove_sources(sample, catalog[:1], radius="rad")
    both = remove_sources(both, catalog[1:], radius="rad")
    assert_allclose(both.photons["ra"], plain.photons["ra"])
    assert_array_equal(both.holes.lengths, [2])


@pytest.mark.parametrize(
    ("catalog", "radius", "error", "message"),
    [
        (
            {"x": [1.0]},
            0.01,
            ValueError,
            r"lacks the columns ra and dec; it has \['x'\]",
        ),
        (
            {"ra": [1.0], "dec": [1.0]},
            None,
            TypeError,
            "Give radius: one .* or the name",
        ),
        ({"ra": [1.0], "dec": [1.0]}, "rad", ValueError, "has no column 'rad'"),
        ({"ra": [1.0], "dec": [1.0]}, 30, ValueError, "radius=30 .* arcmin or arcsec"),
        ({"ra": [1.0], "dec": [1.0]}, [1, 2], ValueError, "one for each of 1"),
    ],
)
def test_a_catalog_that_cannot_be_used_is_named(catalog, radius, error, message):
    with pytest.raises(error, match=message):
        remove_sources(sample_of(*flat(10)), catalog, radius=radius)


def test_an_inverted_mask_is_noticed():
    mask = image_of(lambda x, y: np.hypot(x, y) > 2.4)
    with pytest.raises(ValueError, match=r"photons would be removed.*mask inverted\?"):
        remove_sources(sample_of(*flat(1000)), mask)
    nothing = image_of(lambda x, y: 0.0)
    with pytest.raises(ValueError, match="1000 of 1000 photons would be removed"):
        remove_sources(sample_of(*flat(1000, half_width=1.0)), nothing)


def test_a_catalog_that_lists_the_cluster_itself_is_noticed():
    catalog = {"ra": [CENTER[0]], "dec": [CENTER[1]]}
    with pytest.warns(
        UserWarning, match="centers of 1 of 1 clusters are removed .first: c"
    ):
        remove_sources(sample_of(*flat(1000)), catalog, radius=0.01)


def test_one_mask_and_no_radius_with_it():
    mask = image_of(lambda x, y: 1.0)
    masked = remove_sources(sample_of(*flat(10)), mask)
    with pytest.raises(ValueError, match=r"has a mask already. Multiply the two"):
        remove_sources(masked, mask)
    with pytest.raises(TypeError, match="A mask has no radius"):
        remove_sources(masked, mask, radius=0.1)


def test_what_cannot_follow_the_photons_is_said(tmp_path):
    masked = remove_sources(sample_of(*flat(10)), image_of(lambda x, y: 1.0))
    with pytest.raises(
        ValueError, match=r"with mask cannot be rotated.*drop\(\*\['mask'\]"
    ):
        rotate(masked, 10)
    with pytest.warns(
        UserWarning, match="mask are not written. Give them to the sample"
    ):
        write_sample(tmp_path, masked)
    assert thin_photons(masked, fraction=0.5).mask is not None


def test_holes_are_those_of_the_field_wherever_the_photons_are():
    x, y = flat(50, half_width=0.2)
    field = {"field_radius": edge_of(2.0)}
    few, far = (
        sample_of(np.append(x, end), np.append(y, 0), **field) for end in (0, 1.9)
    )
    ra, dec = plane_to_sky(0.0, 1.2 / DISTANCE, *CENTER)
    source, radius = {"ra": [ra], "dec": [dec]}, np.degrees(0.4 / DISTANCE)
    cleaned = [remove_sources(each, source, radius=radius) for each in (few, far)]
    assert [each.holes.lengths[0] for each in cleaned] == [1, 1]
    covered = [PhotonMapper(n_pixels=64).transform(each).coverage for each in cleaned]
    assert_allclose(covered, np.pi * (2.0**2 - 0.4**2) / 4.6**2, rtol=0.01)


def test_a_mask_of_another_field_is_named():
    mask = image_of(lambda x, y: np.hypot(x, y) > 0.3)
    elsewhere = SkyImage(mask.values, wcs_of(center=(170.0, 2.0)), name="mask.fits")
    with pytest.warns(
        UserWarning,
        match=r"mask\.fits lies in another field.*RA 170\.0000, Dec 2\.0000",
    ):
        remove_sources(sample_of([0.5], [0.5]), elsewhere)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (lambda x, y: 1500.0 - x, r"values from 1497 to 1503. Is it an exposure map\?"),
        (
            lambda x, y: np.where(x > 0, np.nan, 1),
            "must be 0 where photons are removed",
        ),
        (lambda x, y: np.where(x > 0, -0.5, 0.5), r"2 values from -0\.5 to 0\.5"),
    ],
)
def test_what_is_not_a_mask_is_refused(values, message):
    with pytest.raises(ValueError, match=message):
        remove_sources(sample_of([0.5], [0.5]), image_of(values))


@pytest.mark.parametrize("kept", [1, 255])
def test_a_mask_may_hold_any_number_where_photons_are_kept(kept):
    mask = image_of(lambda x, y: kept * (np.hypot(x - 1, y) > 0.3))
    assert remove_sources(sample_of([0.5, 1.1], [0.5, 0]), mask).photons.lengths == [1]


def test_sources_of_another_field_bring_a_warning_and_need_positions():
    sample = sample_of([0.5], [0.5])
    radians = {"ra": np.radians([150.0]), "dec": np.radians([2.0])}
    with pytest.warns(UserWarning, match=r"None of the 1 sources .*RA 2\.6180"):
        remove_sources(sample, radians, radius=0.01)
    with pytest.raises(ValueError, match=r"1 of 2 sources have no position .*row 1"):
        remove_sources(sample, {"ra": [150, np.nan], "dec": [2.0, 2.0]}, radius=0.01)


def test_pixels_that_a_source_touches_are_removed():
    """The source lies at a corner of a pixel of 40 arcsec, wider than its hole."""
    image = photons_in_pixels(40 / 3600)
    hole = {"ra": [CENTER[0]], "dec": [CENTER[1]]}
    with pytest.warns(UserWarning, match="centers of 1 of 1 clusters are removed"):
        cleaned = remove_sources(image, hole, radius=15 / 3600)
    assert_allclose(cleaned.holes["radius"], (15 + 20 * 2**0.5) / 3600, rtol=1e-5)
    assert image.photons.lengths - cleaned.photons.lengths == 4


def photons_in_pixels(side):
    """One photon at the center of each of 10 × 10 pixels about the center."""
    offsets = (np.arange(10) - 4.5) * side
    dec, ra = np.meshgrid(offsets, offsets)
    ra = CENTER[0] + ra.ravel() / np.cos(np.radians(CENTER[1]))
    n = np.ones(100)
    photons = {"ra": ra, "dec": CENTER[1] + dec.ravel(), "energy": n, "pixel": side * n}
    return ClusterSample([REDSHIFT], center=[CENTER], photons=[photons])


def test_contributions_of_photons_are_those_of_all():
    photons = {"ra": [150.0, 150.01], "dec": [2.0, 2.0], "energy": [1.0, 1.0]}
    photons["contribution"] = [0.1, 0.2]
    sample = ClusterSample([REDSHIFT], center=[CENTER], photons=[photons])
    hole = {"ra": [150.01], "dec": [2.0]}
    assert "contribution" not in remove_sources(sample, hole, radius=0.001).photons
