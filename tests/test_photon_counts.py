"""Net counts: backgrounds, particles, and what an aperture has lost."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from synthetic_sky import (
    CENTER,
    DISTANCE,
    edge_of,
    flat,
    image_of,
    net,
    sample_of,
    wcs_of,
)

from skcluster import (
    ClusterSample,
    ProxyMeasurer,
    SkyImage,
    remove_sources,
    with_exposure_map,
)
from skcluster.cosmology import plane_to_sky, sky_to_plane
from skcluster.sky import relative_exposure_at


def cluster_on_background(n_cluster, density, seed, **fields):
    """A cluster within 1 Mpc/h on a background of `density` per (Mpc/h)²."""
    rng = np.random.default_rng(seed)
    n_background = rng.poisson(density * 8**2)
    x, y = rng.uniform(-4, 4, (2, n_background))
    radius, angle = (
        np.sqrt(rng.random(rng.poisson(n_cluster))),
        2 * np.pi * rng.random(1),
    )
    x = np.append(x, radius * np.cos(angle))
    y = np.append(y, radius * np.sin(angle))
    return sample_of(x, y, **fields)


def test_the_background_of_the_annulus_is_that_of_its_area():
    sample = cluster_on_background(300, 50, 0)
    found = net(sample, background="annulus", background_annulus=(2, 3))
    x, y = sky_to_plane(sample.photons["ra"], sample.photons["dec"], *CENTER)
    radius = np.hypot(x, y) * DISTANCE
    n_annulus = ((radius > 2) & (radius <= 3)).sum()
    assert_allclose(found.photons, [(radius <= 1).sum()])
    assert_allclose(found.background, [n_annulus / 5], rtol=1e-10)
    assert_allclose(found.background_error, [np.sqrt(n_annulus) / 5], rtol=1e-10)
    assert_allclose(found.net, found.photons - found.background, rtol=1e-10)
    variance = found.photons + found.background_error**2
    assert_allclose(found.error, np.sqrt(variance), rtol=1e-10)
    assert_allclose(found.log_error, found.error / found.net)


def test_net_counts_scatter_by_their_stated_error():
    parameters = {"background": "annulus", "background_annulus": (1.5, 2.5)}
    found = [net(cluster_on_background(60, 40, s), **parameters) for s in range(150)]
    pull = np.array([(each.net[0] - 60) / each.error[0] for each in found])
    assert abs(pull.mean()) < 4 / np.sqrt(150)
    assert abs(pull.std() - 1) < 4 / np.sqrt(300)


def test_a_hole_in_the_annulus_lowers_no_background():
    sample = cluster_on_background(300, 200, 1)
    ra, dec = plane_to_sky(
        np.array([2.5, 0]) / DISTANCE, np.array([0, 2.4]) / DISTANCE, *CENTER
    )
    cleaned = remove_sources(
        sample, {"ra": ra, "dec": dec}, radius=np.degrees(0.5 / DISTANCE)
    )
    parameters = {"background": "annulus", "background_annulus": (2, 3)}
    full, holed = net(sample, **parameters), net(cleaned, **parameters)
    assert_allclose(
        holed.background, full.background, atol=3 * full.background_error[0]
    )
    assert holed.background_error[0] > 1.03 * full.background_error[0]


def test_a_hole_in_the_aperture_takes_no_background_away():
    x, y = flat(40_000)
    ra, dec = plane_to_sky(0.6 / DISTANCE, 0.2 / DISTANCE, *CENTER)
    radius = np.degrees(0.3 / DISTANCE)
    holed = remove_sources(sample_of(x, y), {"ra": [ra], "dec": [dec]}, radius=radius)
    found = net(holed, background="annulus", background_annulus=(1.1, 2.4))
    # A flat sky has no net counts; the hole is worth 9 % of the aperture, 450 photons.
    assert abs(found.net[0]) < 4 * found.error[0] < 400
    assert_allclose(found.background, found.photons, atol=4 * found.error[0])


@pytest.mark.parametrize("background", [None, 0.0, "annulus"])
@pytest.mark.parametrize(
    "observed", [lambda x, y: x < 0.2, lambda x, y: np.maximum(abs(x), abs(y)) < 1.1]
)
def test_photons_where_nothing_was_observed_are_not_counted(observed, background):
    """A list may hold more than the exposure map: the counts are those without the rest."""
    x, y = flat(20_000)
    sample = with_exposure_map(
        sample_of(x, y, exposure=[1000.0], r500c=[1.2]), image_of(observed)
    )
    known = {"background": background, "background_annulus": (1.2, 1.5)}
    found = net(sample, **known)
    ra, dec = sample.photons["ra"], sample.photons["dec"]
    seen = relative_exposure_at(sample, 0, ra, dec) > 0
    less = net(sample.assign(photons=sample.photons.select(seen)), **known)
    assert_array_equal(found.net, less.net)
    assert_array_equal(found.background, less.background)
    truth = 0 if background == "annulus" else 20_000 * np.pi * 1.2**2 / 5**2
    assert_allclose(found.net, [truth], atol=4 * found.error[0])


@pytest.mark.parametrize("is_cut", [True, False])
def test_a_field_that_ends_inside_the_aperture_is_made_up_for(is_cut):
    """The ring in which it ends is lost in part, and counts like the rest of it.

    Without a background, photons are counted as they are.
    """
    x, y = flat(40_000)
    kept = np.hypot(x, y) <= 1.1 if is_cut else slice(None)
    sample = sample_of(x[kept], y[kept], exposure=[1000.0], field_radius=edge_of(1.1))
    for radius_factor in (1.0, 1.12):
        found = net(sample, background=0.0, radius_factor=radius_factor)
        truth = 40_000 * np.pi * radius_factor**2 / 5**2
        assert_allclose(found.net, [truth], atol=4 * found.error[0])
        assert_array_equal(
            found.photons, [(np.hypot(x, y) <= min(radius_factor, 1.1)).sum()]
        )
        plain = net(sample, background=None, radius_factor=radius_factor)
        inside = np.hypot(x[kept], y[kept]) <= radius_factor
        assert_array_equal(plain.net, [inside.sum()])


def test_complete_clusters_do_not_depend_on_cut_ones():
    complete = sample_of(*flat(5_000), field_radius=edge_of(1.1))
    cut = sample_of(*flat(5_000, 1.0), field_radius=edge_of(0.95))
    alone = net(complete)
    (together, _) = net(ClusterSample.concatenate([complete, cut])).net
    x, y = flat(5_000)
    assert alone.net[0] == together == (np.hypot(x, y) <= 1).sum()


def test_an_aperture_that_is_mostly_lost_brings_a_warning():
    complete = sample_of(*flat(2_000), field_radius=edge_of(2.0))
    cut = complete.assign(field_radius=edge_of(0.5))
    both = ClusterSample.concatenate([complete, cut]).assign(name=["wide", "narrow"])
    with pytest.warns(
        UserWarning, match=r"n_phot_500c of 1 of 2 cl.*cluster 1, narrow, 75% of"
    ):
        net(both)
    net(complete.assign(field_radius=edge_of(0.8)))  # a third of the area
    with pytest.warns(UserWarning, match="100% of the area"):
        net(complete.assign(redshift=[5e-324]))


def test_a_known_rate_is_scaled_to_area_and_exposure():
    sample = cluster_on_background(300, 50, 2, exposure=[1500.0])
    arcmin2 = np.pi * (np.degrees(1 / DISTANCE) * 60) ** 2
    found = net(sample, background=1e-3)
    assert_allclose(found.background, [1e-3 * 1500 * arcmin2])
    assert_array_equal(found.background_error, [0])
    measurer = ProxyMeasurer(proxies=["n_phot"], background=1e-3)
    with pytest.raises(
        ValueError, match=r"ProxyMeasurer\(background=0.001\) needs sample.e"
    ):
        measurer.fit(sample.drop("exposure"))


def test_a_cluster_below_the_background_is_flagged_and_the_others_are_measured():
    sample = ClusterSample.concatenate(
        [cluster_on_background(300, 20, 3), sample_of([0.1, 2.2, 2.5, 2.6], [0.1] * 4)]
    ).assign(name=["bright", "faint"])
    measurer = ProxyMeasurer(
        proxies=["n_phot_500c", "n_phot"],
        half_width=0.5,
        background="annulus",
        background_annulus=(2, 2.8),
        radius_factor=2,
    )
    message = (
        "n_phot_500c of 1 of 2 .* is NaN .first: cluster 1, faint, 1 photons and a back"
    )
    with pytest.warns(UserWarning, match=message):
        logs = measurer.fit_transform(sample)
    assert_array_equal(np.isnan(logs), [[False, False], [True, False]])
    counts = measurer.count_photons(sample)["n_phot_500c"]
    assert np.isnan(counts.log_error[1])
    assert counts.log_error[0] < 0.1


def test_a_cluster_without_any_photon_is_flagged_if_a_background_is_subtracted():
    empty = sample_of([], [])
    sample = ClusterSample.concatenate([cluster_on_background(300, 20, 3), empty])
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], background="annulus")
    with pytest.warns(
        UserWarning, match=r"cluster 1, 0 photons and a background of 0 "
    ):
        logs = measurer.fit_transform(sample)
    assert_array_equal(np.isnan(logs[:, 0]), [False, True])
    with pytest.raises(ValueError, match="n_phot_500c is 0 for 1 of 2 clusters"):
        ProxyMeasurer(proxies=["n_phot_500c"]).fit_transform(sample)


def test_an_annulus_that_was_not_observed_is_flagged():
    sample = sample_of(*flat(2000, 1.0), field_radius=np.degrees(1.2 / DISTANCE))
    measurer = ProxyMeasurer(proxies=["n_phot_500c"], background="annulus")
    with pytest.warns(
        UserWarning, match="no background, because its annulus was not obs"
    ):
        assert np.isnan(measurer.fit_transform(sample)).all()


def test_an_annulus_without_photons_brings_a_warning():
    """A list that ends before the annulus looks like a sky without background."""
    x, y = flat(5_000)
    kept = np.hypot(x, y) <= 1.2
    cut = ClusterSample.concatenate([sample_of(x, y), sample_of(x[kept], y[kept])])
    known = {"background": "annulus", "background_annulus": (1.5, 2.0)}
    with pytest.warns(
        UserWarning, match=r"no photon in the background's annulus of 1 of 2.*cluster 1"
    ):
        found = net(cut, **known)
    assert_array_equal(found.background[1:], [0])
    # With the field that ends there, the background is not known.
    unknown = net(cut[1:].assign(field_radius=edge_of(1.2)), **known)
    assert np.isnan(unknown.net).all()
    # A field that reaches there was empty, unless it is so for most clusters.
    wide = cut.assign(field_radius=edge_of(2.0))
    assert_array_equal(net(wide, **known).background[1:], [0])
    with pytest.warns(UserWarning, match="annulus of 1 of 1 clusters"):
        net(wide[1:], **known)


def test_a_list_that_ends_within_the_annulus_brings_a_warning():
    x, y = flat(5_000)
    radius = np.hypot(x, y)
    cut = [sample_of(x[radius <= end], y[radius <= end]) for end in (2.5, 1.8)]
    both = ClusterSample.concatenate(cut)
    known = {"background": "annulus", "background_annulus": (1.5, 2.0)}
    with pytest.warns(
        UserWarning, match=r"of 1 of 2 clusters end .*cluster 1, at 1.8 Mpc/h of 2\)"
    ):
        found = net(both, **known)
    # Of the annulus from 1.5 to 2 this part of the area has photons.
    share = (1.8**2 - 1.5**2) / (2**2 - 1.5**2)
    low = found.background[1] / found.background[0]
    assert_allclose(low, share, atol=0.05)
    # The field says where the annulus ends: nothing is missing, and no warning comes.
    right = net(cut[1].assign(field_radius=edge_of(1.8)), **known)
    assert_allclose(right.background[0] / found.background[0], 1, atol=0.1)


def test_a_few_photons_end_before_the_annulus_by_chance():
    rng = np.random.default_rng(0)
    radius = np.sqrt(rng.uniform(0, 2.0**2, (200, 30)))
    few = [sample_of(each, 0 * each) for each in radius]
    found = net(
        ClusterSample.concatenate(few),
        background="annulus",
        background_annulus=(1.5, 2.0),
    )
    assert (found.background > 0).all()


@pytest.mark.parametrize("annulus", [(1, 2, 3), (-1, 2), (2, np.inf)])
def test_an_annulus_has_two_radii(annulus):
    with pytest.raises(
        ValueError, match="background_annulus must be an inner and an outer"
    ):
        net(sample_of(*flat(10)), background_annulus=annulus)


def with_two_maps(sample, vignetted, unvignetted):
    return with_exposure_map(
        sample, image_of(vignetted), unvignetted=image_of(unvignetted)
    )


def falling(x, y):
    """Vignetting by the square of the distance from the center."""
    return 2000 * (1 - 0.1 * np.hypot(x, y) ** 2)


def constant(x, y):
    return 3000.0 + 0 * x


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_particles_follow_the_unvignetted_map(share):
    r"""The closed form for vignetting :math:`1 - a r^2`, whose mean over a disk is known.

    Within R the mean of the vignetting is :math:`1 - a R^2 / 2`. An annulus of N photons
    with the mean v implies the density :math:`N / (A ((1 - f) v + f))` at the center.
    """
    inner, outer, radius = 1.4, 2.0, 0.8
    rng = np.random.default_rng(0)
    r, angle = np.sqrt(rng.uniform(inner**2, outer**2, 700)), rng.uniform(0, 6.28, 700)
    around = r * np.cos(angle), r * np.sin(angle)
    sample = with_two_maps(sample_of(*around), falling, constant)
    counts = net(
        sample,
        background="annulus",
        background_annulus=(inner, outer),
        r500c=radius,
        particle_share=share,
    )
    of_sky = 1 - 0.1 * (inner**2 + outer**2) / 2
    density = 700 / (np.pi * (outer**2 - inner**2) * ((1 - share) * of_sky + share))
    disk = np.pi * radius**2
    within = disk * ((1 - share) * (1 - 0.05 * radius**2) + share)
    assert_allclose(counts.background, density * within, rtol=2e-3)
    # The net counts are divided by the vignetting, which raises the particles among them.
    raised = np.log(1 / (1 - 0.1 * radius**2)) / (0.1 * radius**2)
    expected = -density * disk * ((1 - share) + share * raised)
    assert_allclose(counts.net, expected, rtol=2e-3)


def test_no_particles_are_expected_where_the_exposure_map_has_a_gap():
    """Half of the annulus is a gap; the unvignetted map knows nothing of it."""
    inner, outer, radius = 1.4, 2.0, 0.8
    rng = np.random.default_rng(0)
    r, angle = (
        np.sqrt(rng.uniform(inner**2, outer**2, 700)),
        rng.uniform(-1.5, 1.5, 700),
    )
    sample = with_two_maps(
        sample_of(r * np.cos(angle), r * np.sin(angle)),
        lambda x, y: np.where((x > 0) | (np.hypot(x, y) < 1), 2000.0, 0),
        constant,
    )
    counts = net(
        sample,
        background="annulus",
        background_annulus=(inner, outer),
        r500c=radius,
        particle_share=0.7,
    )
    density = 700 / (np.pi * (outer**2 - inner**2) / 2)
    assert_allclose(counts.background, density * np.pi * radius**2, rtol=0.01)


def test_particles_of_clusters_without_an_exposure_map_of_their_own():
    """Joined with a cluster that has maps; the other has none, so nothing to correct."""
    known = {"background": 2e-3, "r500c": 1.0, "particle_share": 0.7}
    mapped = with_two_maps(sample_of(*flat(300)), falling, constant)
    bare = sample_of(*flat(300, seed=1), exposure=[2000.0])
    joined = net(ClusterSample.concatenate([mapped, bare]), **known)
    alone = net(mapped, **known), net(bare, **(known | {"particle_share": None}))
    assert_allclose(joined.net, [each.net[0] for each in alone], rtol=1e-3)


def test_a_known_rate_of_particles_follows_the_unvignetted_map():
    sample = with_two_maps(sample_of([0.0], [0.0]), falling, constant)
    rate = 2e-3
    counts = net(sample, background=rate, r500c=1.0, particle_share=1.0)
    area = np.pi * (np.degrees(1.0 / DISTANCE) * 60) ** 2
    assert_allclose(counts.background, rate * 2000 * area, rtol=1e-3)


def test_without_particles_both_maps_give_what_one_gives():
    x, y = flat(3000)
    one = with_exposure_map(sample_of(x, y), image_of(falling))
    both = with_two_maps(sample_of(x, y), falling, constant)
    known = {"background": "annulus", "background_annulus": (1.4, 2.0)}
    before = net(one, **known)
    after = net(both, **known, particle_share=0.0)
    assert_array_equal(before.net, after.net)
    assert_array_equal(before.error, after.error)


def test_both_maps_need_the_share_of_particles_and_it_needs_both():
    one = with_exposure_map(sample_of([0.0], [0.0]), image_of(falling))
    both = with_two_maps(sample_of([0.0], [0.0]), falling, constant)
    with pytest.raises(ValueError, match=r"Say how many .*particle_share=0\.5"):
        net(both, background="annulus")
    with pytest.raises(ValueError, match=r"needs sample.unvignetted_map.*unvignetted="):
        net(one, background="annulus", particle_share=0.5)
    assert_array_equal(net(both).net, net(one).net)  # no background to subtract


def test_exchanged_and_missing_unvignetted_maps_are_refused():
    with pytest.raises(ValueError, match="Are the two exchanged"):
        with_two_maps(sample_of([0.0], [0.0]), constant, falling)
    with pytest.raises(ValueError, match="1 exposure maps and 2 unvignetted ones"):
        with_exposure_map(
            sample_of([0.0], [0.0]),
            image_of(falling),
            unvignetted=[image_of(constant)] * 2,
        )
    with pytest.raises(ValueError, match=r"no exposure at the center of cluster 0"):
        with_two_maps(sample_of([0.0], [0.0]), falling, lambda x, y: 3e3 * (x > 1))


def test_the_unit_of_an_unvignetted_map_does_not_matter():
    wcs = wcs_of()
    seconds = SkyImage(np.full((300, 300), 2000.0), wcs, unit="s")
    kiloseconds = SkyImage(np.full((300, 300), 3.0), wcs, unit="ks")
    sample = sample_of([0.0], [0.0])
    found = with_exposure_map(sample, seconds, unvignetted=kiloseconds)
    assert found.unvignetted_map.image(0) is kiloseconds
    with pytest.raises(ValueError, match="Are the two exchanged"):
        with_exposure_map(sample, kiloseconds, unvignetted=seconds)


def test_an_annulus_inside_of_the_aperture_brings_a_warning():
    sample = sample_of(*flat(500), r500c=[1.2])
    with pytest.warns(UserWarning, match=r"annulus begins at 1 Mpc/h.*0, 1\.2 Mpc/h"):
        net(sample, background="annulus", background_annulus=(1.0, 2.0))
    net(sample, background="annulus", background_annulus=(1.2, 2.0))
