"""What networks look at on the mock survey, and experiments in which they must not.

    python benchmarks/explanations.py --output explanations    # 20 minutes, two cores
    python benchmarks/explanations.py --clusters 3285 --pixels 128 --epochs 200

Every cluster is explained by the network that did not see it (cross-validation by octant).

1. Saliency against radius, of the one-band network and of N_phot (paper Fig. 7).
2. Saliency of AGN pixels over that of ICM pixels, one band against three (paper 6.2, 6.3);
   and at equal radius, because sources differ in where they lie.
3. Nulls. Without core scatter in the survey, the network has less reason to distrust the
   core. A network trained on a survey without AGN cannot have learned to ignore them, so on
   the survey with AGN its contrast must be gone. A network trained on shuffled masses must
   show no structure.

Numbers go to standard output, figures into the folder.
"""

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from joblib import Parallel, delayed
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    SaliencyExplainer,
    XrayCNNRegressor,
    proxy_saliency,
    radial_saliency,
    source_attention,
    source_maps,
    source_masks,
)
from skcluster.datasets import make_mock_survey
from skcluster.explain import band_attention
from skcluster.metrics import summarize_residuals
from skcluster.plotting import AttentionDisplay, RadialSaliencyDisplay, SaliencyDisplay

ONE_BAND = ((0.5, 10.0),)
THREE_BANDS = ((0.5, 1.2), (1.2, 2.0), (2.0, 7.0))
# Edges are in R500c. The innermost pixel of four lies at 0.05 Mpc/h for 64 pixels a side.
EDGES = np.array([0, 0.15, 0.3, 0.45, 0.6, 0.8, 1, 1.25, 1.5, 2, 2.5, 3])
CORE, OUTSKIRTS = slice(0, 1), slice(5, 6)


def explained(train_on, look_at, log_mass, bands, arguments):
    """Saliency and mass of each cluster of one survey, by networks trained on another.

    Both surveys hold the same clusters at the same places.
    """
    regressor = XrayCNNRegressor(
        dropout=0.1 if len(bands) > 1 else 0.0,
        augment=True,
        max_epochs=arguments.epochs,
        random_state=arguments.seed,
        n_threads=1,
        device=arguments.device,
    )
    pipeline = make_pipeline(RedshiftNormalizer(), LogScaler(), regressor)
    mapper = PhotonMapper(bands=bands, n_pixels=arguments.pixels)
    seen, shown = (
        mapper.transform(sample).drop("photons", "galaxies", "name")
        for sample in (train_on, look_at)
    )
    folds = list(QuadrantGroupKFold().split(shown))
    results = Parallel(n_jobs=arguments.jobs)(
        delayed(one_fold)(pipeline, seen[train], log_mass[train], shown[test])
        for train, test in folds
    )
    saliency = np.empty((len(shown), len(bands), arguments.pixels, arguments.pixels))
    predicted = np.empty(len(shown))
    for (_, test), (maps, masses) in zip(folds, results, strict=True):
        saliency[test], predicted[test] = maps, masses
    return saliency, predicted


def one_fold(pipeline, train, log_mass, test):
    """Saliency and masses of the test clusters."""
    pipeline.fit(train, log_mass)
    return SaliencyExplainer(pipeline).explain(test), pipeline.predict(test)


def of_proxy(survey, arguments):
    """Saliency of the N_phot proxy, on the maps that a one-band network sees."""
    log_counts = ProxyMeasurer(proxies=("n_phot",), with_redshift=True)
    regressor = EvrardProxyRegressor(redshift_column=-1)
    regressor.fit(log_counts.fit_transform(survey.sample), survey.log_mass)
    mapped = PhotonMapper(n_pixels=arguments.pixels).transform(survey.sample)
    scaled = make_pipeline(RedshiftNormalizer(), LogScaler()).fit_transform(mapped)
    return proxy_saliency(scaled.maps, np.mean(regressor.slope_))


def core_over_outskirts(profile):
    """Median over clusters of saliency in the core over that at R500c, and its error."""
    ratio = profile.profiles[:, CORE].mean(1) / profile.profiles[:, OUTSKIRTS].mean(1)
    ratio = ratio[np.isfinite(ratio)]
    rng = np.random.default_rng(0)
    drawn = rng.integers(0, len(ratio), (1000, len(ratio)))
    return np.median(ratio), np.median(ratio[drawn], axis=1).std()


def contrast_at_equal_radius(saliency, masks):
    """log10 of the saliency of AGN pixels over that of ICM pixels equally far out.

    Sources differ in where they lie, and saliency falls with radius whatever is there.
    Median over clusters, and its bootstrap error.
    """
    pixels = saliency.mean(axis=1)
    n, size, _ = pixels.shape
    offset = np.arange(size) - (size - 1) / 2
    ring = np.hypot(*np.meshgrid(offset, offset)).astype(int).ravel()
    n_rings = ring.max() + 1
    place = np.arange(n)[:, None] * n_rings + ring
    icm, agn = (masks[name].reshape(n, -1) for name in ("icm", "agn"))
    flat = pixels.reshape(n, -1)
    total = np.bincount(place[icm], flat[icm], n * n_rings)
    count = np.bincount(place[icm], minlength=n * n_rings)
    mean = np.divide(total, count, out=np.full(n * n_rings, np.nan), where=count > 0)
    expected = mean[place]
    compared = agn & np.isfinite(expected)
    sums = [np.where(compared, part, 0).sum(axis=1) for part in (flat, expected)]
    seen = compared.any(axis=1) & (sums[0] > 0) & (sums[1] > 0)
    contrast = np.log10(sums[0][seen] / sums[1][seen])
    drawn = np.random.default_rng(0).integers(0, len(contrast), (1000, len(contrast)))
    return np.median(contrast), np.median(contrast[drawn], axis=1).std()


def report(name, survey, saliency, predicted, arguments):
    """Print what one network looks at; return its profile and attention."""
    profile = radial_saliency(saliency, survey.sample.r500c, bins=EDGES)
    sources = source_maps(survey.sample, PhotonMapper(n_pixels=arguments.pixels))
    masks = source_masks(sources)
    attention = source_attention(saliency, masks, random_state=0)
    matched, matched_error = contrast_at_equal_radius(saliency, masks)
    core, core_error = core_over_outskirts(profile)
    contrast = attention.log_ratio
    scatter = ""
    if predicted is not None:
        summary = summarize_residuals(survey.log_mass, predicted, random_state=0)
        error = summary["std_percent_error"]
        scatter = f"scatter {summary['std_percent']:.1f} ± {error:.1f} %, "
    print(
        f"{name}: {scatter}core / R500c {core:.3f} ± {core_error:.3f}, "
        f"log10 AGN / ICM {contrast['median']:+.3f} ± {contrast['median_error']:.3f} "
        f"(16-84 %: {contrast['low']:+.3f} to {contrast['high']:+.3f}), at equal radius "
        f"{matched:+.3f} ± {matched_error:.3f}",
        flush=True,
    )
    return profile, attention


def main():
    """Run the experiments."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=800)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--output", default="explanations", help="folder of the figures"
    )
    arguments = parser.parse_args()
    mpl.use("Agg")

    def survey_with(**switches):
        return make_mock_survey(
            arguments.clusters,
            random_state=arguments.seed,
            n_jobs=arguments.jobs,
            **switches,
        )

    survey = survey_with()
    one, three = (
        explained(survey.sample, survey.sample, survey.log_mass, bands, arguments)
        for bands in (ONE_BAND, THREE_BANDS)
    )
    proxy = report("N_phot", survey, of_proxy(survey, arguments), None, arguments)
    single = report("one band", survey, *one, arguments)
    multi = report("three bands", survey, *three, arguments)
    ratio = proxy[0].median / single[0].median
    for low, high, value in zip(EDGES[:-1], EDGES[1:], ratio, strict=True):
        print(f"  r/R500c {low:.2f} to {high:.2f}: N_phot / one band {value:.2f}")
    share = np.median(band_attention(three[0]).share, axis=0)
    print("three bands, median share of the saliency by band:", share.round(3))

    calm = survey_with(core_scatter=0)
    report(
        "one band, no core scatter",
        calm,
        *explained(calm.sample, calm.sample, calm.log_mass, ONE_BAND, arguments),
        arguments,
    )
    empty = survey_with(agn=False)
    report(
        "one band, trained without AGN",
        survey,
        *explained(empty.sample, survey.sample, survey.log_mass, ONE_BAND, arguments),
        arguments,
    )
    shuffled = np.random.default_rng(0).permutation(survey.log_mass)
    saliency, _ = explained(survey.sample, survey.sample, shuffled, ONE_BAND, arguments)
    report("one band, masses shuffled", survey, saliency, None, arguments)
    draw(Path(arguments.output), survey, one[0], proxy, single, multi, arguments)


def draw(folder, survey, saliency, proxy, single, multi, arguments):
    """Write the figures."""
    folder.mkdir(parents=True, exist_ok=True)
    display = RadialSaliencyDisplay.from_profile(proxy[0], name="N_phot")
    for name, (profile, _) in (("one band", single), ("three bands", multi)):
        display = RadialSaliencyDisplay.from_profile(profile, name=name, ax=display.ax_)
    display.figure_.savefig(folder / "radial.png", dpi=150)
    display = AttentionDisplay.from_sources(single[1])
    display.figure_.savefig(folder / "sources.png", dpi=150)
    mapper = PhotonMapper(n_pixels=arguments.pixels)
    counts = survey.sample.photons.lengths
    chosen = np.argsort(counts)[-3:]
    sample = survey.sample[chosen]
    display = SaliencyDisplay(
        np.asarray(mapper.transform(sample).maps).sum(axis=1),
        saliency[chosen].mean(axis=1),
        r500c=sample.r500c,
    ).plot()
    display.figure_.savefig(folder / "saliency.png", dpi=150)


if __name__ == "__main__":
    sys.exit(main())
