"""The mock survey hits what it was tuned to, and each switch does one thing."""

import re
from types import SimpleNamespace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import spearmanr

from skcluster import ClusterSample
from skcluster.cosmology import comoving_distance, sky_to_plane
from skcluster.datasets import make_mock_survey, plant_dispersion, shuffle_galaxies

PIXEL = np.radians(9.6 / 3600)
SMALL = 30


@pytest.fixture(scope="module")
def survey():
    return make_mock_survey(1100, random_state=0)


@pytest.fixture(scope="module")
def small():
    return make_mock_survey(SMALL, random_state=1)


def plane(sample):
    """Photon offsets from their cluster [rad]."""
    cluster = sample.photons.cluster
    center = sample.center[cluster].T
    x, y = sky_to_plane(sample.photons["ra"], sample.photons["dec"], *center)
    return x, y


def plane_mpc(sample):
    distance = comoving_distance(sample.redshift)[sample.photons.cluster]
    x, y = plane(sample)
    return x * distance, y * distance


def clipped_velocity(x, y, v):
    v = v[(np.hypot(x, y) < 1.25) & (np.abs(v) < 2000)]
    for _ in range(5):
        v = v[np.abs(v - np.median(v)) <= 3 * v.std()]
    return v


@pytest.fixture(scope="module", params=[False, True], ids=["relaxed", "dynamics"])
def tuned(survey, request):
    """Surveys that are tuned to the paper's tables."""
    if request.param:
        return make_mock_survey(1100, random_state=0, dynamics=True)
    return survey


@pytest.fixture(scope="module")
def observables(tuned):
    """What the paper's tables count, measured here without the package's proxies."""
    sample, catalog = tuned.sample, tuned.catalog
    photons = sample.photons
    x, y = plane_mpc(sample)
    box = (np.abs(x) < 2.3) & (np.abs(y) < 2.3)
    within = np.hypot(x, y) < sample.r500c[photons.cluster]
    lists = [sample.galaxies.table(i) for i in range(len(sample))]
    velocity = [clipped_velocity(g["x"], g["y"], g["v"]) for g in lists]
    return {
        "n_phot": photons.sum(box),
        "n_phot_500c": photons.sum(box & within),
        "n_icm": photons.sum(box & (photons["origin"] == 0)),
        "n_agn": photons.sum(box & (photons["origin"] == 1)),
        "n_gal_cylinder": sample.galaxies.lengths,
        "n_gal": np.array([len(v) for v in velocity]),
        "sigma_v": np.array([v.std(ddof=1) for v in velocity]),
        **{name: np.asarray(catalog[name]) for name in catalog.colnames[4:9]},
    }


def evrard_scatter(log_observables, log_mass, redshift):
    """Per cent, root mean square over redshifts (Evrard et al. 2014, their Eq. 13)."""
    variance = []
    for z in np.unique(redshift):
        mu = np.log(10) * (log_mass[redshift == z] - 14)
        s = log_observables[redshift == z]
        design = np.column_stack([mu, np.ones_like(mu)])
        line = np.linalg.lstsq(design, s, rcond=None)[0]
        residual = s - design @ line
        inverse = np.linalg.inv(residual.T @ residual / (len(mu) - 2))
        variance.append(1 / (line[0] @ inverse @ line[0]))
    return 100 * np.sqrt(np.mean(variance))


TABLE_1 = {"n_phot": 1072, "n_icm": 762, "n_agn": 225, "n_gal_cylinder": 112}


@pytest.mark.parametrize(("name", "median"), TABLE_1.items())
def test_median_counts_are_those_of_table_1(observables, name, median):
    assert_allclose(np.median(observables[name]), median, rtol=0.20)


def test_masses_and_redshifts_are_those_of_table_1(survey):
    assert_allclose(np.median(survey.log_mass), 13.94, atol=0.05)
    assert 13.5 <= survey.log_mass.min() < 13.52
    assert 14.8 < survey.log_mass.max() < 15.2
    assert_allclose(np.median(survey.sample.redshift), 0.21, atol=0.05)
    assert len(np.unique(survey.sample.redshift)) == 11


IDEAL = ["temperature", "luminosity", "gas_mass", "stellar_mass", "sigma_v_true"]
TABLE_3 = dict(zip(IDEAL, (11.75, 26.33, 8.46, 12.56, 37.56), strict=True)) | {
    "n_gal": 39.72,
    "sigma_v": 70.39,
    "n_phot": 40.02,
    "n_phot_500c": 34.07,
}
COMBINATIONS = [
    (("gas_mass", "stellar_mass"), 4.93),
    (("temperature", "gas_mass"), 5.08),
    (("temperature", "gas_mass", "stellar_mass"), 4.06),
    (("temperature", "luminosity", "gas_mass", "stellar_mass"), 3.90),
]


@pytest.mark.parametrize(
    ("names", "percent", "tolerance"),
    [((name,), percent, 0.15) for name, percent in TABLE_3.items()]
    + [(names, percent, 0.10) for names, percent in COMBINATIONS],
)
def test_mass_scatters_are_those_of_table_3(
    tuned, observables, names, percent, tolerance
):
    s = np.log(np.column_stack([observables[name] for name in names]))
    scatter = evrard_scatter(s, tuned.log_mass, tuned.sample.redshift)
    assert_allclose(scatter, percent, rtol=tolerance)


def test_counts_fall_with_redshift_as_in_the_first_catalog(tuned, observables):
    near = tuned.sample.redshift < 0.3
    counts = np.log10(observables["n_phot"][near])
    slope = np.polyfit(tuned.sample.redshift[near], counts, 1)[0]
    assert -6.5 < slope < -4.8


def same_lists(a, b):
    for field in ("photons", "galaxies"):
        assert_array_equal(getattr(a, field).offsets, getattr(b, field).offsets)
        for name, column in getattr(a, field).columns.items():
            assert column.tobytes() == getattr(b, field)[name].tobytes()


def test_same_seed_gives_the_same_bytes(small):
    again = make_mock_survey(SMALL, random_state=1)
    same_lists(small.sample, again.sample)
    assert small.DESCR == again.DESCR
    other = make_mock_survey(SMALL, random_state=2)
    assert not np.isin(other.log_mass, small.log_mass).any()


def test_a_cluster_depends_neither_on_n_clusters_nor_on_n_jobs(small):
    fewer = make_mock_survey(SMALL - 3, random_state=1, n_jobs=2)
    same_lists(small.sample[: SMALL - 3], fewer.sample)
    for field in ("redshift", "center", "position", "r500c", "name"):
        kept = getattr(small.sample, field)[: SMALL - 3]
        assert_array_equal(getattr(fewer.sample, field), kept)
    for name in small.catalog.colnames:
        assert_array_equal(fewer.catalog[name], small.catalog[name][: SMALL - 3])


def test_dynamics_change_only_the_gas(small):
    moving = make_mock_survey(SMALL, random_state=1, dynamics=True)
    a, b = (
        SimpleNamespace(
            photons=s.sample.photons.select(s.sample.photons["origin"] > 0),
            galaxies=s.sample.galaxies,
        )
        for s in (small, moving)
    )
    same_lists(a, b)
    changed = {"luminosity", "n_icm", "disturbance"}
    for name in set(moving.catalog.colnames) - changed:
        assert_array_equal(moving.catalog[name], small.catalog[name])
    ratio = np.asarray(moving.catalog["luminosity"] / small.catalog["luminosity"])
    assert 1 / 1.075 < ratio.min() < 1 < ratio.max() < 1.6
    assert_allclose(np.median(ratio), 1, atol=0.05)
    assert "disturbance" not in small.catalog.colnames
    assert "dynamics=True" in moving.DESCR
    assert "disturbance" not in small.DESCR


def test_a_disturbed_cluster_depends_neither_on_n_clusters_nor_on_n_jobs():
    surveys = [
        make_mock_survey(n, random_state=1, n_jobs=n_jobs, dynamics=True)
        for n, n_jobs in ((28, 2), (5, 1))
    ]
    same_lists(surveys[0].sample[:5], surveys[1].sample)
    for name in surveys[0].catalog.colnames:
        assert_array_equal(surveys[0].catalog[name][:5], surveys[1].catalog[name])


def test_disturbed_clusters_are_too_bright_for_their_mass_and_off_center():
    # Signs of Green et al. (2019): light far from the core is bright, and the
    # centroid shifts, where the mass is low.
    survey = make_mock_survey(
        500, random_state=0, dynamics=True, agn=False, background=0, galaxies=False
    )
    sample, photons = survey.sample, survey.sample.photons
    x, y = plane_mpc(sample)
    radius = np.hypot(x, y) / sample.r500c[photons.cluster]
    within = radius < 1
    offset = np.hypot(*(photons.sum(np.where(within, v, 0.0)) for v in (x, y)))
    offset /= photons.sum(within) * sample.r500c
    excised = survey.catalog["luminosity"]
    excised = excised * photons.sum(within & (radius > 0.15)) / photons.sum(within)
    log_luminosity = np.log10(excised)
    design = np.column_stack(
        [np.vander(log_luminosity, 3), np.log(1 + sample.redshift)]
    )
    residual = survey.log_mass - design @ np.linalg.lstsq(design, survey.log_mass)[0]
    disturbance = survey.catalog["disturbance"]
    assert spearmanr(offset, disturbance)[0] > 0.2
    assert spearmanr(residual, disturbance)[0] < -0.3
    assert spearmanr(residual, offset)[0] < -0.15


@pytest.mark.parametrize("make", [np.random.default_rng, np.random.RandomState])
def test_random_state_may_be_a_generator(make):
    first, second = (make_mock_survey(2, random_state=make(5)) for _ in range(2))
    same_lists(first.sample, second.sample)


def test_a_survey_without_seed_can_be_made_again_from_its_description():
    survey = make_mock_survey(1)
    entropy = int(survey.DESCR.split("random_state=")[1].split(",")[0])
    same_lists(survey.sample, make_mock_survey(1, random_state=entropy).sample)


def test_origins_partition_the_photons(survey):
    photons = survey.sample.photons
    for origin, name in enumerate(("n_icm", "n_agn", "n_background")):
        assert_array_equal(
            photons.sum(photons["origin"] == origin), survey.catalog[name]
        )
    total = sum(survey.catalog[name] for name in ("n_icm", "n_agn", "n_background"))
    assert_array_equal(photons.lengths, total)
    types = {name: column.dtype for name, column in photons.columns.items()}
    assert types == {"ra": "f8", "dec": "f8", "energy": "f4", "origin": "i1"}


def test_photons_lie_in_the_field_and_in_the_energy_range(survey):
    angle = np.degrees(np.hypot(*plane(survey.sample)))
    assert 0.5 < angle.max() < 0.51 + np.degrees(PIXEL / np.sqrt(2))
    assert_array_equal(survey.sample.field_radius, 0.51)
    energy = survey.sample.photons["energy"]
    assert energy.min() >= 0.5
    assert energy.max() <= 10.0


def test_photons_of_agn_lie_on_galaxies():
    # Joins the two frames: the sky, through the projection, and the galaxies' plane.
    sharp = make_mock_survey(10, random_state=3, psf_hew=0.0, pixelize=False).sample
    x, y = plane_mpc(sharp)
    near = (sharp.photons["origin"] == 1) & (np.hypot(x, y) < 2.2)
    cluster, found = sharp.photons.cluster, []
    for i in np.unique(cluster[near]):
        rows, listed = near & (cluster == i), sharp.galaxies.table(i)
        separation = np.hypot(
            x[rows][:, None] - listed["x"], y[rows][:, None] - listed["y"]
        )
        found.extend(separation.min(axis=1) < 1e-6)
    assert np.mean(found) > 0.99


def icm(sample):
    photons = sample.photons
    return photons.select(photons["origin"] == 0)


def test_without_agn_the_gas_photons_are_the_same(small):
    calm = make_mock_survey(SMALL, random_state=1, agn=False)
    assert not (calm.sample.photons["origin"] == 1).any()
    a = SimpleNamespace(photons=icm(calm.sample), galaxies=calm.sample.galaxies)
    b = SimpleNamespace(photons=icm(small.sample), galaxies=small.sample.galaxies)
    same_lists(a, b)


def test_with_one_spectrum_origins_differ_in_place_but_not_in_energy(survey):
    photons = make_mock_survey(300, random_state=0, one_spectrum=True).sample.photons
    theirs = survey.sample[:300].photons
    for name in ("ra", "dec", "origin"):
        assert_array_equal(photons[name], theirs[name])
    hard = [
        [np.mean(p["energy"][p["origin"] == origin] >= 2) for origin in (0, 1, 2)]
        for p in (photons, theirs)
    ]
    # The hard shares of gas of 2.4 keV, which the survey's photons otherwise lack.
    assert_allclose(hard[0], hard[0][0], rtol=0.1)
    assert hard[1][2] > 3 * hard[1][0]
    assert 0.05 < hard[0][0] < 0.12


def test_catalog_tells_where_clusters_lie(small):
    sample, catalog = small.sample, small.catalog
    assert_array_equal(np.c_[catalog["ra"], catalog["dec"]], sample.center)
    assert_array_equal(np.c_[catalog["x"], catalog["y"], catalog["z"]], sample.position)


def test_clusters_are_counted_only_if_it_takes_longer(monkeypatch, capsys):
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 600.0)
    make_mock_survey(2, random_state=0, verbose=1)
    assert capsys.readouterr().err == ""
    monkeypatch.setattr("skcluster.progress.QUIET_SECONDS", 0.0)
    make_mock_survey(27, random_state=0, verbose=1)
    first, last = capsys.readouterr().err.splitlines()
    assert re.fullmatch(r"mock clusters 25 / 27 \(\d:\d\d left\)", first)
    assert re.fullmatch(r"mock clusters 27 / 27 \(\d:\d\d in all\)", last)
    make_mock_survey(2, random_state=0)
    assert capsys.readouterr().err == ""


def test_without_core_scatter_the_luminosity_scatters_less(survey):
    smooth = make_mock_survey(300, random_state=0, core_scatter=0)
    log_mass, redshift = smooth.log_mass, smooth.sample.redshift
    assert_array_equal(log_mass, survey.log_mass[:300])
    with_cores, without = (
        evrard_scatter(np.log(np.c_[luminosity]), log_mass, redshift)
        for luminosity in (
            survey.catalog["luminosity"][:300],
            smooth.catalog["luminosity"],
        )
    )
    assert without < 0.85 * with_cores
    assert_array_equal(smooth.catalog["gas_mass"], survey.catalog["gas_mass"][:300])
    assert_array_equal(smooth.catalog["n_agn"], survey.catalog["n_agn"][:300])


@pytest.mark.parametrize("background", [0.0, 0.005, 1.0])
def test_background_has_the_measured_rate(background):
    survey = make_mock_survey(8, random_state=0, background=background)
    expected = background * 5.52e-3 * 2000 * np.pi * (0.51 * 60) ** 2
    total = survey.catalog["n_background"].sum()
    assert_allclose(total, 8 * expected, atol=4 * np.sqrt(8 * expected))


def test_field_agn_are_added_behind_the_cluster(small):
    crowded = make_mock_survey(SMALL, random_state=1, field_agn=True)
    assert (crowded.catalog["n_agn"] > small.catalog["n_agn"] + 1000).all()
    assert_array_equal(crowded.catalog["n_icm"], small.catalog["n_icm"])


def test_pixelized_photons_sit_at_pixel_centers(small):
    x, y = plane(small.sample)
    for offset in (x / PIXEL, y / PIXEL):
        assert_allclose(offset % 1, 0.5, atol=1e-4)


def test_dither_spreads_photons_over_their_own_pixels(small):
    dithered = make_mock_survey(SMALL, random_state=1, dither=True).sample
    for there, here in zip(plane(dithered), plane(small.sample), strict=True):
        move = (there - here) / PIXEL
        assert np.abs(move).max() < 0.5001
        assert_allclose(move.mean(), 0, atol=0.01)
        assert_allclose(move.std(), np.sqrt(1 / 12), rtol=0.01)


def test_galaxy_lists_can_be_left_out(small):
    lean = make_mock_survey(3, random_state=1, galaxies=False).sample
    assert lean.galaxies is None
    assert_array_equal(lean.photons["ra"], small.sample[:3].photons["ra"])


def test_galaxies_keep_the_cuts_and_the_central_one_comes_first(survey):
    galaxies = survey.sample.galaxies
    assert np.hypot(galaxies["x"], galaxies["y"]).max() <= 2.3
    assert np.abs(galaxies["v"]).max() <= 3785
    assert galaxies["log_stellar_mass"].min() >= 9.5
    first = galaxies.offsets[:-1]
    assert galaxies["is_member"][first].all()
    assert_allclose(galaxies["x"][first], 0)
    central = 10 ** galaxies["log_stellar_mass"][first]
    assert_allclose(central, 0.3 * survey.catalog["stellar_mass"])


def test_description_tells_the_parameters_and_what_not_to_do(small):
    for words in ("background=0.005", "random_state=1,", "NOT the", "do not apply"):
        assert words in small.DESCR
    words = ("smooth self-similar gas", "perfect centering")
    assert all(each in small.DESCR for each in words)
    other = make_mock_survey(
        1, random_state=0, galaxies=False, dynamics=True, center_error=10.0
    )
    assert not any(each in other.DESCR for each in words)


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"n_clusters": 0}, r"n_clusters must be an int from 1 to 100000000, got 0\."),
        (
            {"n_clusters": 2.5},
            r"n_clusters must be an int from 1 to 100000000, got 2\.5\.",
        ),
        ({"background": -1}, r"background must be in \[0, 1000\], got -1"),
        ({"background": "1"}, r"background must be in \[0, 1000\], got '1'"),
        ({"psf_hew": np.nan}, "psf_hew must be 0 or a number from .* arcsec, got nan"),
        ({"psf_hew": 30 / 3600}, r"It looks like deg\. Multiply it by 3600\."),
        ({"core_scatter": -0.1}, r"core_scatter must be in \[0, 5\], got -0\.1"),
        ({"core_scatter": 110}, r"core_scatter must be in \[0, 5\], got 110"),
        ({"agn": "no"}, r"agn must be True or False or in \[0, 1\], got 'no'"),
        ({"galaxies": None}, "galaxies must be True or False, got None"),
        ({"dynamics": "yes"}, "dynamics must be True or False, got 'yes'"),
        ({"pixelize": 1}, "pixelize must be True or False, got 1"),
        ({"n_jobs": 0}, "n_jobs must be an int that is not 0, or None, got 0"),
        ({"dither": True, "pixelize": False}, "leaves no pixels"),
        ({"random_state": -3}, "non-negative integer, got -3"),
    ],
)
def test_senseless_parameters_are_refused(parameters, message):
    with pytest.raises(ValueError, match=message):
        make_mock_survey(**{"n_clusters": 1, **parameters})


def test_numpys_integers_numbers_and_booleans_make_the_same_survey():
    plain = make_mock_survey(27, random_state=3, field_agn=False, psf_hew=20.0)
    typed = make_mock_survey(
        np.int8(27),
        random_state=np.uint8(3),
        field_agn=np.False_,
        psf_hew=np.int16(20),
        n_jobs=np.int64(1),
    )
    assert typed.DESCR == plain.DESCR
    for name, column in plain.sample.photons.columns.items():
        assert_array_equal(typed.sample.photons[name], column)


def test_a_random_state_of_another_type_is_refused():
    with pytest.raises(TypeError, match="or a RandomState, got str"):
        make_mock_survey(1, random_state="seed")


def test_shuffled_galaxies_are_those_of_another_cluster_of_that_redshift(survey):
    sample = survey.sample
    shuffled = shuffle_galaxies(sample, random_state=0)
    old, new = sample.galaxies, shuffled.galaxies
    # The sum of velocities tells whose galaxies they are.
    whose = {total: i for i, total in enumerate(old.sum(old["v"]))}
    giver = np.array([whose[total] for total in new.sum(new["v"])])
    assert_array_equal(np.sort(giver), np.arange(len(sample)))
    assert (giver != np.arange(len(sample))).all()
    assert_array_equal(sample.redshift[giver], sample.redshift)
    assert_array_equal(new["x"][: new.lengths[0]], old.table(giver[0])["x"])
    assert shuffled.photons is sample.photons


@pytest.mark.filterwarnings("ignore:2 of 30 clusters keep their own galaxies")
def test_a_shuffle_is_fixed_by_its_seed_and_drops_the_old_cubes(small):
    sample = small.sample.assign(cubes=np.ones((SMALL, 2, 2, 2)))
    first, again, other = (
        shuffle_galaxies(sample, random_state=seed).galaxies["v"] for seed in (0, 0, 1)
    )
    assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    assert shuffle_galaxies(sample, random_state=0).cubes is None
    with pytest.raises(ValueError, match=r"shuffle_galaxies needs sample\.galaxies"):
        shuffle_galaxies(sample.drop("galaxies"))


def test_clusters_alone_at_their_redshift_are_counted_and_can_be_binned():
    velocities = np.arange(6.0)
    galaxies = [{"x": [0.0], "y": [0.0], "v": [v]} for v in velocities]
    z = np.array([0.1, 0.1, 0.21, 0.22, 0.31, 0.32])
    sample = ClusterSample(z, galaxies=galaxies)
    with pytest.warns(UserWarning, match="4 of 6 clusters keep their own galaxies, as"):
        shuffled = shuffle_galaxies(sample, random_state=0)
    assert_array_equal(shuffled.galaxies["v"], [1, 0, 2, 3, 4, 5])
    with pytest.raises(
        ValueError, match=r"4 of 4 clusters keep .* or round the redshifts"
    ):
        shuffle_galaxies(sample[2:])
    binned = sample.assign(redshift=np.round(sample.redshift, 1))
    shuffled = sample.assign(galaxies=shuffle_galaxies(binned).galaxies)
    assert_array_equal(shuffled.galaxies["v"], [1, 0, 3, 2, 5, 4])
    assert_array_equal(shuffled.redshift, z)


def test_a_planted_dispersion_is_that_of_the_mass_and_nothing_else_changes(survey):
    sample = survey.sample
    planted = plant_dispersion(sample, survey.log_mass, slope=0.4, random_state=0)
    v = planted.galaxies["v"]
    n = sample.galaxies.lengths
    measured = 0.5 * np.log10(planted.galaxies.sum(v**2) / n)
    expected = np.log10(500) + 0.4 * (survey.log_mass - 14)
    pull = (measured - expected) * np.log(10) * np.sqrt(2 * n)
    assert abs(pull.mean()) < 4 / np.sqrt(len(sample))
    assert_allclose(pull.std(), 1, rtol=0.1)
    assert_array_equal(planted.galaxies["x"], sample.galaxies["x"])
    assert planted.photons is sample.photons
    again = plant_dispersion(sample, survey.log_mass, slope=0.4, random_state=0)
    assert_array_equal(again.galaxies["v"], v)


def test_a_dispersion_is_planted_by_one_mass_a_cluster(small):
    with pytest.raises(ValueError, match=r"30 clusters, but log_mass has .*\(29,\)"):
        plant_dispersion(small.sample, small.log_mass[1:])
    gaps = np.ma.masked_array(small.log_mass, np.arange(SMALL) == 4)
    with pytest.raises(ValueError, match=r"log_mass has no value in 1 of 30 .* row 4"):
        plant_dispersion(small.sample, gaps)
    with pytest.raises(ValueError, match=r"plant_dispersion needs sample\.galaxies"):
        plant_dispersion(small.sample.drop("galaxies"), small.log_mass)
