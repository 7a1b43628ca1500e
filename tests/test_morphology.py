"""Morphology has its closed forms, agrees with slow loops, and can do without noise."""

import math
import warnings

import numpy as np
import pytest
from astropy.cosmology import FlatLambdaCDM
from hypothesis import given
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.stats import binom
from sklearn.ensemble import RandomForestRegressor
from sklearn.pipeline import make_pipeline

from skcluster import (
    ClusterSample,
    IteratedRadiusRegressor,
    MorphologyMeasurer,
    PhotonMapper,
    SparseMaps,
    remove_sources,
)
from skcluster.cosmology import comoving_distance
from skcluster.proxies import morphology
from skcluster.proxies.morphology_measures import binomial_deviation

ALL = tuple(morphology.MEASURES)
POWERS = tuple(f"power_ratio_{m}" for m in (1, 2, 3, 4))


def measured(maps, r500c=1.0, half_width=1.5, **parameters):
    """Dict of measures of maps of shape (n, y, x), or of one map, in a single band."""
    maps = np.atleast_3d(maps) if np.ndim(maps) == 3 else np.asarray(maps)[None]
    sample = ClusterSample(
        np.full(len(maps), 0.2), r500c=np.full(len(maps), r500c), maps=maps[:, None]
    )
    measurer = MorphologyMeasurer(half_width=half_width, **parameters)
    values = measurer.fit_transform(sample)
    return dict(zip(measurer.get_feature_names_out(), values.T, strict=True))


def grid(size, half_width=1.5):
    """Places (x, y) of the pixels of a map."""
    center = (np.arange(size) + 0.5) / size * 2 * half_width - half_width
    return np.meshgrid(center, center)


def gaussian(size, sigma_x, sigma_y, angle=0.0, x0=0.0, y0=0.0, peak=1e6):
    x, y = grid(size)
    x, y = x - x0, y - y0
    u = x * np.cos(angle) + y * np.sin(angle)
    v = y * np.cos(angle) - x * np.sin(angle)
    return np.rint(peak * np.exp(-(u**2) / sigma_x**2 / 2 - v**2 / sigma_y**2 / 2))


class TestClosedForms:
    def test_a_uniform_disc_is_round_still_and_evenly_spread(self):
        found = measured(np.full((128, 128), 7), r500c=1.2)
        assert_allclose(found["concentration"], 0.01, rtol=0.02)
        assert_allclose(found["gini"], 0, atol=1e-12)
        assert_allclose(found["asymmetry"], 0, atol=1e-12)
        assert_allclose(found["smoothness"], 0, atol=1e-12)
        assert_allclose(found["ellipticity"], 0, atol=1e-9)
        assert_allclose(found["centroid_shift"], 0, atol=1e-12)
        for name in POWERS:
            assert found[name] < 1e-6
        # All pixels are as bright as the faintest of the brightest: M20 is log10(1).
        assert_allclose(found["m20"], 0, atol=1e-12)
        n_pixels_area = np.pi * 1.2**2 * (128 / 3) ** 2
        counts = 7 * n_pixels_area * (1 - 0.15**2)
        assert_allclose(found["core_excised_counts"], counts, rtol=1e-3)

    @pytest.mark.parametrize("radius", [0.05, 0.1, 0.3])
    def test_a_core_takes_its_share_of_a_disc_even_if_it_is_two_pixels_wide(
        self, radius
    ):
        found = measured(np.full((128, 128), 1), concentration_radius=radius)
        assert_allclose(found["concentration"], radius**2, rtol=0.05)

    def test_a_point_source_in_the_center_is_all_core(self):
        counts = np.zeros((65, 65))
        counts[32, 32] = 100
        with pytest.warns(UserWarning, match=r"m20 1, ellipticity 1\)"):
            found = measured(counts, smoothing=0.25)
        assert found["concentration"] == 1
        assert found["core_excised_counts"] == 0
        assert found["centroid_shift"] == 0
        assert found["asymmetry"] == 0
        assert_allclose(found["gini"], 1)
        # 0.25 R500c are 5.4 pixels: a square of 5 x 5.
        assert_allclose(found["smoothness"], 24 / 25 + 24 / 25)

    @pytest.mark.parametrize("m", [1, 2, 3, 4])
    def test_powers_of_a_point_go_with_its_distance(self, m):
        counts = np.zeros((65, 65))
        counts[32 - 4, 32 + 3] = 50
        counts_of_five_pixels = 5 * 3 / 65
        with pytest.warns(UserWarning, match="NaN"):
            found = measured(counts)
        expected = counts_of_five_pixels ** (2 * m) / (2 * m**2)
        assert_allclose(found[f"power_ratio_{m}"], expected)
        assert_allclose(found["asymmetry"], 2)
        # Two of ten apertures do not contain it and have no centroid; it does not move.
        assert_allclose(found["centroid_shift"], 0, atol=1e-12)

    @pytest.mark.parametrize("aperture", [0.8, 1.2])
    def test_powers_are_in_units_of_the_aperture(self, aperture):
        counts = np.zeros((65, 65))
        counts[32, 32 + 8] = 50
        with pytest.warns(UserWarning, match="NaN"):
            found = measured(counts, aperture=aperture)
        place = 8 * 3 / 65 / aperture
        assert_allclose(found["power_ratio_3"], place**6 / 18)

    def test_two_equal_blobs_have_even_powers_alone(self):
        counts = np.zeros((65, 65))
        counts[32, 32 - 10] = counts[32, 32 + 10] = 50
        found = measured(counts)
        place = 10 * 3 / 65
        for m, name in enumerate(POWERS, 1):
            expected = place ** (2 * m) / (2 * m**2) if m % 2 == 0 else 0
            assert_allclose(found[name], expected, atol=1e-20)
        assert_allclose(found["ellipticity"], 1)
        assert_allclose(found["asymmetry"], 0)
        assert_allclose(found["m20"], 0, atol=1e-12)

    def test_m20_of_a_bright_center_and_a_faint_ring(self):
        counts = np.zeros((65, 65))
        counts[32, 31:34] = 8, 10, 8  # second moment 16 pixels²
        counts[32 - 12, 32] = counts[32 + 12, 32] = 1  # 288 pixels²
        # 1 + 1 + 8 + 8 are less than 80 % of 28, so only the 10 is bright: it lies at the
        # centroid, where it has no moment.
        with pytest.warns(UserWarning, match="m20 1"):
            assert np.isnan(measured(counts)["m20"])
        counts[32, 31:34] = 10, 9, 10
        assert_allclose(measured(counts)["m20"], np.log10(20 / 308))

    def test_m20_takes_pixels_until_the_fainter_ones_hold_less_than_80_per_cent(self):
        counts = np.zeros((65, 65))
        counts[32, 28:37:2] = 41, 39, 40, 40, 40  # 159 of 200 are below the 41
        place = np.arange(-4, 5, 2) - (39 * -2 + 40 * (0 + 2 + 4) + 41 * -4) / 200
        moment = counts[32, 28:37:2] * place**2
        found = measured(counts)["m20"]
        assert_allclose(found, np.log10(moment[0] / moment.sum()))

    @pytest.mark.parametrize("angle", [0.0, 0.3, 1.2])
    @pytest.mark.parametrize("ratio", [0.5, 0.8, 0.95])
    def test_ellipticity_of_a_gaussian_is_that_of_its_axes(self, ratio, angle):
        counts = gaussian(96, 0.2, 0.2 * ratio, angle, x0=0.05)
        assert_allclose(measured(counts)["ellipticity"], 1 - ratio, atol=0.003)

    def test_centroids_of_two_discs_move_as_computed_by_hand(self):
        # A narrow source in the center and a narrow one 0.55 R500c to the East.
        counts = np.zeros((201, 201))
        counts[100, 100], counts[100, 100 - 40] = 300, 100
        found = measured(counts, r500c=40 * 3 / 201 / 0.55)
        centroids = np.array([0] * 5 + [-0.55 / 4] * 5)
        assert_allclose(found["centroid_shift"], centroids.std(ddof=1), rtol=1e-6)


def slow_measures(counts, r500c, half_width, debias):
    """Every quantity of one map with its default radii, by loops over pixels."""
    size = len(counts)
    pixel = 2 * half_width / size / r500c
    place = [(i + 0.5 - size / 2) * pixel for i in range(size)]
    every = [
        (counts[j][i], place[i], place[j], math.hypot(place[i], place[j]), j, i)
        for j in range(size)
        for i in range(size)
    ]

    def share(r, radius):
        return min(max((radius - r) / pixel + 0.5, 0), 1)

    def summed(radius, function=lambda x, y: 1):
        return sum(share(r, radius) * n * function(x, y) for n, x, y, r, *_ in every)

    total = summed(1.0)
    out = {
        "concentration": summed(0.1) / total,
        "core_excised_counts": total - summed(0.15),
    }
    centers = []
    for k in range(1, 11):
        inner = summed(k / 10)
        if inner > 0:
            x = summed(k / 10, lambda x, y: x) / inner
            centers.append((x, summed(k / 10, lambda x, y: y) / inner))
    out["centroid_shift"] = math.sqrt(np.var(centers, axis=0, ddof=1).sum())
    for m in (1, 2, 3, 4):
        a, b = (
            summed(
                1,
                lambda x, y, m=m, f=f: math.hypot(x, y) ** m * f(m * math.atan2(y, x)),
            )
            for f in (math.cos, math.sin)
        )
        own = sum(share(r, 1) ** 2 * n * r ** (2 * m) for n, x, y, r, *_ in every)
        own_counts = sum(share(r, 1) ** 2 * n for n, x, y, r, *_ in every)
        power, monopole = a**2 + b**2, total**2
        if debias:
            power, monopole = power - own, monopole - own_counts
        out[f"power_ratio_{m}"] = power / (2 * m**2 * monopole)
    hard = [row for row in every if row[3] < 1]
    n_hard = sum(row[0] for row in hard)
    half = max(round((0.25 / pixel - 1) / 2), 1)
    different = rough = 0.0
    for n, _, _, _, j, i in hard:
        opposite = counts[size - 1 - j][size - 1 - i]
        different += abs(n - opposite)
        square = [
            counts[jj][ii]
            for jj in range(max(j - half, 0), min(j + half + 1, size))
            for ii in range(max(i - half, 0), min(i + half + 1, size))
        ]
        rough += abs(n - sum(square) / len(square))
        if debias:
            both, about = n + opposite, sum(square)
            different -= sum(
                binom.pmf(k, both, 0.5) * abs(2 * k - both) for k in range(both + 1)
            )
            chance = 1 / len(square)
            rough -= sum(
                binom.pmf(k, about, chance) * abs(k - about * chance)
                for k in range(about + 1)
            )
    out["asymmetry"], out["smoothness"] = different / n_hard, rough / n_hard
    cx, cy = (sum(row[0] * row[axis] for row in hard) / n_hard for axis in (1, 2))
    by_count = sorted(row[0] for row in hard)
    k = len(hard)
    out["gini"] = sum(
        (2 * i - k - 1) * n / ((k - 1) * n_hard) for i, n in enumerate(by_count, 1)
    )
    below = 0
    for threshold in by_count:
        below += threshold
        if 5 * below >= 4 * n_hard:
            break
    moments = [(n, n * ((x - cx) ** 2 + (y - cy) ** 2)) for n, x, y, *_ in hard]
    bright = sum(moment for n, moment in moments if n >= threshold)
    out["m20"] = math.log10(bright / sum(moment for _, moment in moments))
    cx, cy = summed(1.0, lambda x, y: x) / total, summed(1.0, lambda x, y: y) / total
    xx = summed(1.0, lambda x, y: (x - cx) ** 2)
    yy = summed(1.0, lambda x, y: (y - cy) ** 2)
    xy = summed(1.0, lambda x, y: (x - cx) * (y - cy))
    small, large = np.linalg.eigvalsh([[xx, xy], [xy, yy]])
    out["ellipticity"] = 1 - math.sqrt(small / large)
    return out


class TestEveryMeasure:
    @pytest.mark.parametrize("debias", [False, True])
    @pytest.mark.parametrize(("size", "r500c"), [(24, 1.1), (21, 1.45), (24, 0.6)])
    def test_is_that_of_a_loop_over_pixels(self, size, r500c, debias):
        rng = np.random.default_rng(size)
        x, y = grid(size)
        counts = rng.poisson(4 * np.exp(-np.hypot(x - 0.1, 1.3 * y)) + 0.2)
        found = measured(counts, r500c=r500c, debias=debias)
        expected = slow_measures(counts.tolist(), r500c, 1.5, debias)
        assert {*found} == {*expected}
        for name, value in expected.items():
            assert_allclose(found[name], value, rtol=1e-9, atol=1e-12, err_msg=name)

    @given(st.integers(0, 2**32 - 1), st.sampled_from([0.05, 1.0]))
    def test_does_not_see_turns_and_flips(self, seed, mean):
        counts = np.random.default_rng(seed).poisson(mean, (20, 20))
        moved = [np.rot90(counts, k) for k in range(4)]
        moved += [image[::-1] for image in moved]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = measured(moved, debias=True)
        for name, values in found.items():
            expected = np.full(8, values[0])
            assert_allclose(values, expected, rtol=1e-7, atol=1e-9, err_msg=name)

    def test_ratios_do_not_see_brightness_nor_size(self):
        counts = gaussian(64, 0.3, 0.2, 0.4, x0=0.1, peak=200)
        one, ten = measured(counts), measured(10 * counts)
        wide = measured(counts, r500c=2.0, half_width=3.0)
        counts = one.pop("core_excised_counts")
        assert_allclose(ten.pop("core_excised_counts"), 10 * counts)
        for name, value in one.items():
            assert_allclose(ten[name], value, err_msg=name)
            assert_allclose(wide[name], value, err_msg=name)

    def test_a_stray_photon_outside_of_the_aperture_changes_nothing(self):
        counts = gaussian(64, 0.3, 0.2, peak=50)
        beside = counts.copy()
        beside[1, 1] += 1000
        one, other = measured(counts), measured(beside)
        assert {name: float(v[0]) for name, v in one.items()} == {
            name: float(v[0]) for name, v in other.items()
        }


class TestNoise:
    """With debias=True, what photon noise adds is zero in the mean of many draws."""

    N = 4000

    def means(self, image, names):
        """Name, mean, its error, and the mean without debias, of many observations."""
        draws = np.random.default_rng(0).poisson(image, (self.N, *image.shape))
        counts = draws[:, np.hypot(*grid(len(image))) < 1].sum(axis=1)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            found = measured(draws, quantities=names, debias=True)
            biased = measured(draws, quantities=names)
        for name in names:
            # What debias subtracts from the smoothness is exact above the fraction line.
            weight = counts if name == "smoothness" else np.ones(self.N)
            values = (found[name] * weight)[np.isfinite(found[name])]
            error = values.std() / np.sqrt(len(values))
            yield name, values.mean(), error, np.nanmean(biased[name] * weight)

    @pytest.mark.parametrize("counts_per_pixel", [0.05, 0.5, 3.0])
    def test_an_even_disc_has_neither_power_nor_asymmetry_nor_clumps(
        self, counts_per_pixel
    ):
        names = (*POWERS, "asymmetry", "smoothness")
        image = np.full((20, 20), counts_per_pixel)
        for name, mean, error, biased in self.means(image, names):
            if name == "power_ratio_4":
                continue  # the corners of pixels have some
            assert abs(mean) < 4 * error, name
            assert biased > 20 * error, name

    def test_powers_of_a_disturbed_cluster_are_those_without_noise(self):
        image = gaussian(20, 0.5, 0.3, 0.4, x0=0.3, peak=1000)
        true = measured(image, quantities=POWERS)
        for name, mean, error, biased in self.means(image * 5e-4, POWERS):
            assert abs(mean - true[name][0]) < 4 * error, name
            assert biased - true[name][0] > 10 * error, name

    def test_asymmetry_of_a_symmetric_cluster_is_zero_however_clumpy(self):
        image = np.random.default_rng(5).exponential(1.0, (20, 20))
        image += image[::-1, ::-1]
        for _, mean, error, biased in self.means(image, ["asymmetry"]):
            assert abs(mean) < 4 * error
            assert biased > 20 * error

    def test_many_photons_need_no_correction(self):
        image = 50 * gaussian(24, 0.5, 0.3, 0.4, x0=0.3, peak=1000)
        noisy = np.random.default_rng(1).poisson(image)
        names = (*POWERS, "asymmetry")
        with_it = measured(noisy, quantities=names, debias=True)
        without = measured(noisy, quantities=names)
        true = measured(image, quantities=names)
        for name in names:
            assert_allclose(with_it[name], true[name], rtol=0.02)
            assert_allclose(without[name], true[name], rtol=0.02)

    @pytest.mark.parametrize("n", [0, 1, 2, 3, 10, 999])
    @pytest.mark.parametrize("p", [0.5, 1 / 9, 0.01])
    def test_deviation_of_a_binomial_is_the_sum_of_its_definition(self, n, p):
        k = np.arange(n + 1)
        expected = binom.pmf(k, n, p) @ np.abs(k - n * p)
        assert_allclose(binomial_deviation(n, p), expected, rtol=1e-9, atol=1e-15)


class TestErrors:
    # Third and fourth powers are mostly noise here, M20 jumps where a pixel joins the
    # brightest, and most pixels are empty.
    BOUNDS = dict.fromkeys(["m20", "power_ratio_3", "power_ratio_4"], (0.6, 2.2))
    BOUNDS["gini"] = (0.6, 1.0)

    def test_they_are_the_scatter_of_independent_observations(self):
        image = gaussian(48, 0.4, 0.25, 0.4, x0=0.15, peak=1000) * 4e-3
        rng = np.random.default_rng(0)
        seen = rng.poisson(image, (300, 48, 48))
        measured_again = measured(seen)
        sample = ClusterSample(
            np.full(20, 0.2), r500c=np.ones(20), maps=seen[:20, None]
        )
        measurer = MorphologyMeasurer(half_width=1.5)
        errors = measurer.errors(sample, n_resamples=60, random_state=1)
        for name, column in zip(ALL, errors.T, strict=True):
            scatter = measured_again[name].std()
            low, high = self.BOUNDS.get(name, (0.75, 1.35))
            assert low < np.median(column) / scatter < high, name

    def test_the_error_of_a_count_is_its_root(self):
        counts = np.full((64, 64), 3)
        sample = ClusterSample([0.2], r500c=[1.0], maps=counts[None, None])
        measurer = MorphologyMeasurer(
            quantities=["core_excised_counts"], half_width=1.5
        )
        error = measurer.errors(sample, n_resamples=800, random_state=0)
        assert_allclose(error, np.sqrt(measurer.transform(sample)), rtol=0.08)

    def test_a_seed_gives_the_same_and_noise_of_nothing_is_nan(self):
        maps = np.zeros((2, 1, 16, 16))
        maps[0] = 4
        sample = ClusterSample([0.2, 0.2], r500c=[1.0, 1.0], maps=maps)
        measurer = MorphologyMeasurer(half_width=1.5)
        one = measurer.errors(sample, 5, random_state=3)
        assert_array_equal(one, measurer.errors(sample, 5, random_state=3))
        assert (one[0] != measurer.errors(sample, 5, random_state=4)[0]).all()
        assert np.isfinite(one[0]).all()
        assert_array_equal(np.isnan(one[1]), np.array(ALL) != "core_excised_counts")
        with pytest.raises(
            ValueError, match="n_resamples must be an int of at least 2"
        ):
            measurer.errors(sample, 1)


class TestMeasurer:
    def test_bands_are_chosen_or_summed(self):
        bands = np.random.default_rng(0).poisson(1.0, (3, 2, 16, 16))
        sample = ClusterSample([0.1, 0.2, 0.3], r500c=[1.0, 1.2, 0.9], maps=bands)

        def table(maps, **parameters):
            measurer = MorphologyMeasurer(half_width=1.5, **parameters)
            return measurer.fit_transform(
                sample.assign(maps=SparseMaps.from_dense(maps))
            )

        assert_array_equal(table(bands, band=1), table(bands[:, 1:]))
        assert_array_equal(table(bands), table(bands.sum(axis=1, keepdims=True)))
        with pytest.raises(ValueError, match="number of bands of the maps, 2, got 2"):
            table(bands, band=2)

    def test_blocks_give_what_one_block_gives(self, sample, monkeypatch):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        measurer = MorphologyMeasurer()
        expected = measurer.transform(mapped)
        monkeypatch.setattr(morphology, "PIXELS_PER_BLOCK", 7 * 32**2)
        assert_array_equal(measurer.transform(mapped), expected)

    def test_a_fixed_radius_needs_no_r500c(self, sample):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        fixed = MorphologyMeasurer(r500c=0.8)
        same = mapped.assign(r500c=np.full(len(mapped), 0.8))
        expected = MorphologyMeasurer().transform(same)
        assert_array_equal(fixed.transform(mapped.assign(r500c=None)), expected)
        with pytest.raises(ValueError, match=r"MorphologyMeasurer needs sample\.r500c"):
            MorphologyMeasurer().fit(mapped.assign(r500c=None))

    def test_a_cluster_without_counts_is_nan_and_one_warning_says_so(self):
        maps = np.ones((4, 1, 16, 16))
        maps[1] = 0
        maps[3] = 0
        maps[3, 0, 8, 8] = 1
        sample = ClusterSample([0.1] * 4, r500c=[1.0] * 4, maps=maps)
        measurer = MorphologyMeasurer(half_width=1.5, debias=True)
        with pytest.warns(UserWarning, match="2 of 4 clusters have too few") as caught:
            values = measurer.transform(sample)
        assert len(caught) == 1
        assert (
            "first: cluster 1; concentration 1, centroid_shift 1, power_ratio_1 2"
            in (str(caught[0].message))
        )
        assert np.isfinite(values[[0, 2]]).all()
        assert values[1, -1] == 0
        assert np.isnan(values[1, :-1]).all()

    def test_what_is_not_counts_is_refused(self):
        maps = np.ones((3, 1, 16, 16))
        maps[0] = 0
        maps[1:] = 0.5
        sample = ClusterSample([0.1] * 3, r500c=[1.0] * 3, maps=maps)
        with pytest.raises(
            ValueError, match=r"2 of 3 maps hold .* \(first: cluster 1\)"
        ):
            MorphologyMeasurer(half_width=1.5).fit(sample)
        with pytest.raises(ValueError, match="3 of 3 maps hold negative"):
            MorphologyMeasurer(half_width=1.5).fit(sample.assign(maps=maps - 3))

    def test_an_aperture_beyond_the_map_is_refused(self):
        maps = np.ones((3, 1, 16, 16))
        sample = ClusterSample([0.1] * 3, r500c=[1.0, 1.6, 1.0], maps=maps)
        with pytest.raises(
            ValueError, match=r"1 of 3 clusters .* \(first: cluster 1, 1.6 of 1.5"
        ):
            MorphologyMeasurer(half_width=1.5).fit(sample)
        with pytest.raises(ValueError, match="or a smaller aperture"):
            MorphologyMeasurer(half_width=1.5, aperture=2).transform(sample[:1])

    def test_bands_that_overlap_are_not_summed(self, sample):
        mapped = PhotonMapper(bands=((0.5, 10), (0.5, 2)), n_pixels=32).transform(
            sample
        )
        with pytest.raises(ValueError, match=r"overlap \(up to 2 keV and 0.5-10 keV\)"):
            MorphologyMeasurer().fit(mapped)
        one = PhotonMapper(bands=((0.5, 2),), n_pixels=32).transform(sample)
        assert_array_equal(
            MorphologyMeasurer(band=1).fit_transform(mapped),
            MorphologyMeasurer().fit_transform(one),
        )
        apart = PhotonMapper(bands=((2, 10), (0.5, 2)), n_pixels=32).transform(sample)
        MorphologyMeasurer().fit(apart)

    @pytest.mark.parametrize("field", ["circle", "hole"])
    def test_gaps_in_the_aperture_are_refused(self, sample, field):
        if field == "circle":
            distance = comoving_distance(sample.redshift)
            edge = np.degrees(np.arctan(0.9 * sample.r500c / distance))
            cut = sample.assign(field_radius=edge)
        else:
            # All photons of a pixel, or none, so that counts are not fractional.
            hole = {"ra": sample.center[:1, 0] + 0.02, "dec": sample.center[:1, 1]}
            cut = remove_sources(sample, hole, radius=20 / 3600)
        mapped = PhotonMapper(n_pixels=32).transform(cut)
        mapped = mapped.assign(maps=PhotonMapper(n_pixels=32).transform(sample).maps)
        with pytest.raises(ValueError, match=r"have gaps \(first: cluster 0, \d"):
            MorphologyMeasurer().fit(mapped)
        if field == "circle":
            MorphologyMeasurer(aperture=0.8).fit(mapped)

    def test_gaps_are_looked_for_in_a_cosmology_without_a_name(self, sample):
        own = PhotonMapper(n_pixels=32, cosmology=FlatLambdaCDM(70, 0.3))
        wide = sample.assign(field_radius=np.full(len(sample), 5.0))
        assert len(MorphologyMeasurer().fit_transform(own.transform(wide))) == len(
            sample
        )
        cut = sample.assign(field_radius=np.full(len(sample), 0.01))
        with pytest.raises(ValueError, match="have gaps"):
            MorphologyMeasurer().fit(own.transform(cut))

    def test_counts_are_those_in_the_exposure_of_training(self, sample):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        exposed = mapped.assign(exposure=np.full(len(mapped), 1000.0))
        measurer = MorphologyMeasurer(quantities=["gini", "core_excised_counts"])
        plain = measurer.fit_transform(mapped)
        errors = measurer.errors(mapped, random_state=0)
        assert_array_equal(measurer.fit(exposed).transform(exposed), plain)
        longer = exposed.assign(exposure=np.full(len(mapped), 4000.0))
        assert_allclose(measurer.transform(longer), plain * [1, 0.25])
        assert_allclose(measurer.errors(longer, random_state=0), errors * [1, 0.25])
        with pytest.raises(ValueError, match="was fitted to clusters with exposures"):
            measurer.transform(mapped)
        MorphologyMeasurer(quantities=["gini"]).transform(exposed)

    @pytest.mark.parametrize("name", ["concentration_radius", "core_radius"])
    def test_a_core_beyond_the_aperture_is_refused(self, name):
        sample = ClusterSample([0.1], r500c=[1.0], maps=np.ones((1, 1, 16, 16)))
        measurer = MorphologyMeasurer(half_width=1.5, aperture=0.5, **{name: 0.6})
        with pytest.raises(
            ValueError, match=f"{name} must be at most the aperture, 0.5"
        ):
            measurer.fit(sample)

    def test_the_redshift_is_the_last_column_on_request(self, sample):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        plain, longer = MorphologyMeasurer(), MorphologyMeasurer(with_redshift=True)
        expected = np.column_stack([plain.transform(mapped), mapped.redshift])
        assert_array_equal(longer.transform(mapped), expected)
        assert_array_equal(longer.errors(mapped, 2, random_state=0)[:, -1], 0)
        table = longer.set_output(transform="pandas").fit_transform(mapped)
        assert table.columns.tolist() == [*ALL, "redshift"]

    def test_one_redshift_in_fit_is_that_of_all_clusters_after_it(self, sample):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        snapshot = mapped.assign(redshift=np.where(np.arange(60) % 3, 0.3, 0.3 + 1e-9))
        measurer = MorphologyMeasurer(with_redshift=True).fit(snapshot)
        near = mapped.assign(redshift=np.linspace(0.281, 0.319, 60))
        assert_array_equal(measurer.transform(near)[:, -1], np.full(60, 0.3))
        with pytest.warns(UserWarning, match="MorphologyMeasurer, redshift 0.3 to 0.3"):
            measurer.transform(mapped)
        plain = MorphologyMeasurer().fit(snapshot)
        assert plain.transform(mapped).shape == (60, len(ALL))  # without a warning

    def test_it_ends_in_a_forest_whose_aperture_may_follow_from_the_mass(
        self, sample, log_mass
    ):
        mapped = PhotonMapper(n_pixels=32).transform(sample)
        forest = make_pipeline(
            MorphologyMeasurer(with_redshift=True),
            RandomForestRegressor(20, random_state=0),
        )
        iterated = IteratedRadiusRegressor(forest, tolerance=0.02)
        for model, X in ((forest, mapped), (iterated, mapped.assign(r500c=None))):
            model.fit(X[:40], log_mass[:40])
            residual = model.predict(X[40:]) - log_mass[40:]
            assert residual.std() < 0.6 * log_mass[40:].std()


class TestOtherPackages:
    """The same quantities by statmorph and photutils, if they are installed."""

    @pytest.fixture
    def image(self):
        rng = np.random.default_rng(0)
        smooth = gaussian(101, 0.25, 0.2, 0.4, peak=60)
        smooth += gaussian(101, 0.1, 0.1, x0=0.3, y0=0.1, peak=20)
        return rng.poisson(smooth).astype(float)

    def circle(self, radius=1.0):
        return np.hypot(*grid(101)) < radius

    def test_gini_is_that_of_photutils(self, image):
        pytest.importorskip("photutils")
        from photutils.morphology import gini

        found = measured(image, quantities=["gini"])["gini"]
        assert_allclose(found, gini(image, mask=~self.circle()), rtol=1e-12)

    def test_ellipticity_is_that_of_photutils(self):
        pytest.importorskip("photutils")
        from photutils.morphology import data_properties

        # No count near the border of the aperture, where we take shares of pixels.
        image = gaussian(101, 0.2, 0.15, 0.4, x0=0.1, peak=1000)
        expected = data_properties(image).ellipticity
        found = measured(image, quantities=["ellipticity"])["ellipticity"]
        assert_allclose(found, float(expected), rtol=1e-6)

    @pytest.fixture
    def statmorph(self, image):
        statmorph = pytest.importorskip("statmorph")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            found = statmorph.SourceMorphology(
                image, self.circle(0.9).astype(int), 1, gain=1.0, skybox_size=8
            )
        return found

    def test_m20_is_that_of_statmorph_on_the_pixels_that_it_chose(
        self, image, statmorph
    ):
        kept = np.zeros_like(image)
        kept[statmorph._slice_stamp] = np.where(
            statmorph._segmap_gini, image[statmorph._slice_stamp], 0
        )
        found = measured(kept, quantities=["m20"])["m20"]
        assert_allclose(found, statmorph.m20, rtol=1e-9)

    def test_asymmetry_is_that_of_statmorph_about_the_same_center(
        self, image, statmorph
    ):
        stamp = statmorph._slice_stamp
        center = 50 - stamp[1].start, 50 - stamp[0].start
        radius = statmorph._petro_extent_cas * statmorph._rpetro_circ_centroid
        aperture = radius * 3 / 101
        inside = np.where(self.circle(aperture), image, 0)
        found = measured(inside, r500c=aperture, quantities=["asymmetry"])["asymmetry"]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            theirs = statmorph._asymmetry_function(center, inside[stamp], "cas")
        sky = statmorph._sky_asymmetry * np.pi * radius**2 / inside.sum()
        # They take the exact area of the pixels on the border.
        assert_allclose(found, theirs + sky, rtol=0.02)


def test_maps_that_were_corrected_for_holes_say_how_to_get_counts():
    rng = np.random.default_rng(0)
    photons = {"ra": 150 + rng.normal(0, 0.03, 500), "dec": rng.normal(0, 0.03, 500)}
    photons["energy"] = np.ones(500)
    sample = ClusterSample([0.2], center=[[150.0, 0.0]], photons=[photons], r500c=[0.7])
    sample = remove_sources(sample, {"ra": [150.03], "dec": [0.0]}, radius=0.007)
    mapper = PhotonMapper(n_pixels=64)
    words = (
        r"corrected them for holes.*give sample\.drop\('holes'\) to PhotonMapper; what"
    )
    with pytest.raises(ValueError, match=words):
        MorphologyMeasurer().fit_transform(mapper.transform(sample))
    mapped = mapper.transform(sample.drop("holes"))
    (left,) = MorphologyMeasurer(
        quantities=["core_excised_counts"], core_radius=0.01, aperture=3.0
    ).fit_transform(mapped)
    # All photons outside of the hole and inside of the aperture, at about 0.21 deg.
    hole = np.hypot(photons["ra"] - 150.03, photons["dec"]) < 0.007
    assert_allclose(left, (~hole).sum(), atol=0.5)
    assert hole.any()
    halved = mapped.assign(maps=mapped.maps.scaled(np.array([0.5])).after("LogScaler"))
    with pytest.raises(ValueError, match="Put it before RedshiftNormalizer and LogS"):
        MorphologyMeasurer().fit_transform(halved)
