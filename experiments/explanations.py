"""What networks look at on the mock survey, and experiments in which they must not.

    OMP_NUM_THREADS=2 python experiments/explanations.py --output docs/figures
    python experiments/explanations.py --clusters 3285 --pixels 128 --epochs 200

Every cluster is explained by networks that did not see it (cross-validation by octant), one
for each seed, and so is N_phot's mass, with the slope of the cluster's redshift bin.
Surveys with and without an ingredient hold the same clusters at the same places, so what is
compared is the difference of each cluster, its median over clusters. Its error has two
parts: the bootstrap over clusters of the mean over seeds, and the spread over seeds, which
enters significances by Student's t: with three seeds, 3 sigma need 19 times the error of
the mean over seeds.

core       log10 of the mean saliency within 0.25 R500c over that at 1 to 1.25 R500c
contrast   log10 of the saliency of AGN pixels over that of ICM pixels at equal radius

Each claim is printed with its number and its sigma, as met if it and its control are
beyond 3 sigma, and as not shown otherwise; the exit status is 1 if one is not shown. The
control is clean if both kinds of networks look at the same maps.

The experiments are named core (claim 2), AGN (3) and shuffled (4); bands draws the figures.

1. N_phot's saliency is many times (3) the network's in the core.
2. Without core scatter in the survey, the network distrusts the core less: N_phot's core
   minus the network's core is smaller. The control: of two networks that look at the same
   maps, the one that was trained without core scatter has more saliency in the core.
3. Without AGN in the survey there is no AGN contrast: at the places where the twin survey
   has its AGN, networks trained on and looking at the survey without AGN have less than
   half of it. Once for pixels that AGN dominate over those that the gas dominates, as in
   the paper, and once for pixels with AGN photons over those without. The control: networks
   that were trained without AGN have less contrast on the survey with AGN, too.
4. Networks trained on shuffled masses differ from networks that never were trained, in core
   and contrast, by less than half of what those trained on true masses do.
"""

import argparse
import sys
import time
from pathlib import Path

import matplotlib as mpl
import numpy as np
from astropy.table import Table
from joblib import Parallel, delayed
from kept_fits import folder_of, kept
from seed_tables import write
from significance import significance, verdict
from sklearn.model_selection import GroupKFold
from sklearn.pipeline import make_pipeline

from skcluster import (
    EvrardProxyRegressor,
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
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
from skcluster.explain import band_attention, equal_radius_contrast, randomized_weights
from skcluster.metrics import bootstrap_error, summarize_residuals
from skcluster.model_selection import octants
from skcluster.paper import HALF_WIDTH, THREE_BANDS, WIDE_BAND

ONE_BAND = (WIDE_BAND,)
# In R500c. The innermost four pixels of 32 per side lie at 0.1 Mpc/h.
EDGES = np.array([0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 2.5, 3])
CORE, OUTSKIRTS = 0, 4
SETTINGS = ("clusters", "pixels", "folds", "epochs", "batch_size", "precision")
"""Options that the kept files depend on."""
MANY = 3.0


def network(bands, seed, arguments):
    """A pipeline from count maps to mass."""
    regressor = XrayCNNRegressor(
        dropout=0.1 if len(bands) > 1 else 0.0,
        augment=True,
        max_epochs=arguments.epochs,
        batch_size=arguments.batch_size,
        precision=arguments.precision,
        random_state=seed,
        n_threads=1,
        device=arguments.device,
    )
    return make_pipeline(RedshiftNormalizer(), LogScaler(), regressor)


def folds_of(sample, arguments):
    """Folds of octants."""
    groups = octants(sample.position)
    return list(GroupKFold(arguments.folds).split(sample, groups=groups))


def explained(name, train_on, targets, shown, bands, arguments, forget=False):
    """Saliency of each cluster of the shown surveys, by networks that did not see it.

    Parameters
    ----------
    name : str
        Folder of the kept files, one file per network and fold.
    train_on : ClusterSample
    targets : list of ndarray of shape (n_clusters,)
        Masses to train on, one for each network.
    shown : list of ClusterSample
        The same clusters at the same places.
    bands : sequence of (low, high)
    arguments : Namespace
    forget : bool
        Give the trained networks the weights of untrained ones.

    Returns
    -------
    saliency : list of ndarray of shape (n_networks, n_clusters, n_bands, p, p)
        One for each shown survey.
    predicted : ndarray of shape (n_networks, n_clusters)
        Those of the first survey.
    """
    mapper = PhotonMapper(bands=bands, n_pixels=arguments.pixels)
    seen, *maps = (
        mapper.transform(sample).drop("photons", "galaxies", "name")
        for sample in (train_on, *shown)
    )
    folds = folds_of(seen, arguments)
    settings = {key: getattr(arguments, key) for key in SETTINGS}
    folder = folder_of(arguments.folder / name, settings)
    results = Parallel(n_jobs=arguments.jobs)(
        delayed(kept)(
            folder / f"network-{seed}-fold-{k}.npz",
            *(one_fold, network(bands, seed, arguments)),
            *(seen[train], target[train], [each[test] for each in maps]),
            forget=forget,
        )
        for seed, target in enumerate(targets)
        for k, (train, test) in enumerate(folds)
    )
    size = (len(targets), len(seen))
    saliency = [np.empty((*size, *maps[0].maps.shape[1:]), np.float32) for _ in shown]
    predicted = np.empty(size)
    for i, result in enumerate(results):
        seed, test = i // len(folds), folds[i % len(folds)][1]
        predicted[seed, test] = result["log_mass"]
        for all_clusters, of_fold in zip(saliency, result["saliency"], strict=True):
            all_clusters[seed, test] = of_fold
    return saliency, predicted


def one_fold(pipeline, train, log_mass, tests, forget):
    """Saliency of the test clusters of each survey, and masses of the first, by name."""
    pipeline.fit(train, log_mass)
    if forget:
        pipeline = randomized_weights(pipeline, 8, pipeline[-1].random_state)
    found = [SaliencyExplainer(pipeline).explain(test) for test in tests]
    return {"saliency": found, "log_mass": pipeline.predict(tests[0])}


def of_proxy(survey, arguments):
    """Cross-validated saliency of N_phot's mass, on the maps that a network sees."""
    mapped = PhotonMapper(n_pixels=arguments.pixels).transform(survey.sample)
    log_counts = ProxyMeasurer(proxies=("n_phot",), with_redshift=True)
    log_counts = log_counts.fit_transform(survey.sample)
    saliency = np.empty(mapped.maps.shape)
    for train, test in folds_of(mapped, arguments):
        regressor = EvrardProxyRegressor(redshift_column=-1)
        regressor.fit(log_counts[train], survey.log_mass[train])
        # log10 M changes by 1 / (slope ln 10) with ln S, the slope that of the bin.
        steps = log_counts[test] + [[0.0, 0.0]], log_counts[test] + [[1.0, 0.0]]
        low, high = map(regressor.predict, steps)
        scaler = make_pipeline(RedshiftNormalizer(), LogScaler()).fit(mapped[train])
        saliency[test] = proxy_saliency(
            scaler.transform(mapped[test]).maps, 1 / (np.log(10) * (high - low))
        )
    return saliency


class Measured:
    """Core and contrast of one experiment: (n_networks, n_clusters) each."""

    def __init__(self, saliency, r500c, masks):
        saliency = saliency if saliency.ndim == 5 else saliency[None]
        profiles = np.array(
            [
                radial_saliency(each, r500c, half_width=HALF_WIDTH, bins=EDGES).profiles
                for each in saliency
            ]
        )
        contrasts = [
            equal_radius_contrast(each, masks["agn"], masks["icm"], random_state=0)
            for each in saliency
        ]
        blind = [
            equal_radius_contrast(each, masks["with_agn"], masks["without_agn"])
            for each in saliency
        ]
        with np.errstate(divide="ignore", invalid="ignore"):
            self.center = np.log10(profiles[..., CORE])
            self.core = self.center - np.log10(profiles[..., OUTSKIRTS])
        self.contrast = np.array([each.per_cluster for each in contrasts])
        self.blind = np.array([each.per_cluster for each in blind])
        self.compared = np.nanmedian(contrasts[0].compared)


def median_and_errors(values):
    """Median over clusters of the mean over networks; its bootstrap error; that of seeds.

    Parameters
    ----------
    values : ndarray of shape (n_networks, n_clusters)
        Of one number, or of the difference of two for the same clusters.
    """
    values = values[:, np.isfinite(values).all(axis=0)]
    mean = values.mean(axis=0)
    of_clusters = bootstrap_error(lambda a, _: np.median(a), mean, mean, random_state=0)
    of_seeds = 0.0
    if len(values) > 1:
        of_seeds = np.median(values, axis=1).std(ddof=1) / np.sqrt(len(values))
    return np.median(mean), of_clusters, of_seeds


def text(values):
    """Write a median with its two errors."""
    median, of_clusters, of_seeds = median_and_errors(values)
    return f"{median:+.3f} ± {of_clusters:.3f} (clusters) ± {of_seeds:.3f} (seeds)"


class Claims:
    """Prints claims, counts those that are not shown, and keeps their numbers."""

    def __init__(self):
        self.not_shown, self.rows = 0, []

    def say(self, words, sigmas, numbers):
        """Judge a claim by the sigma of its effect, and of its control if it has one.

        Parameters
        ----------
        words : str
        sigmas : list of float
        numbers : dict
            Each number by name: its value, errors over clusters and seeds, and sigma.
        """
        judged = verdict(*sigmas)
        self.not_shown += judged != "met"
        print(f"CLAIM {judged:9}: {words}", flush=True)
        for name, each in numbers.items():
            value, of_clusters, of_seeds, sigma = each
            print(
                f"  {name}: {value:+.3f} ± {of_clusters:.3f} ± {of_seeds:.3f}, "
                f"{sigma:.1f} sigma"
            )
            row = {"value": value, "error_clusters": of_clusters}
            row |= {"error_seeds": of_seeds, "sigma": sigma}
            self.rows.append({"claim": words, "verdict": judged, "number": name} | row)


def number(values, minus=0.0):
    """Median, its errors over clusters and seeds, and the sigma by which it differs."""
    return *median_and_errors(values), sigmas(values, minus)


def sigmas(values, minus=0.0):
    """Sigma by which the median over clusters lies above a number."""
    median, *errors = median_and_errors(values)
    return significance(median - minus, *errors, len(values))


def unpaired(first, second):
    """Median difference of two sets of networks with seeds of their own, and its errors.

    Each network's difference is from the other networks' mean, cluster by cluster; the
    spreads over seeds of both add up.
    """
    difference = first.mean(axis=0, keepdims=True) - second.mean(axis=0)
    median, of_clusters, _ = median_and_errors(difference)
    spreads = [median_and_errors(values)[2] for values in (first, second)]
    return median, of_clusters, np.hypot(*spreads)


def with_blind_masks(sample, arguments):
    """Source masks, and masks of pixels with and without AGN photons whatever else.

    A pixel that AGN dominate has few photons of the gas, and one that the gas dominates
    has some. The other two masks know nothing of the gas.
    """
    sources = source_maps(sample, PhotonMapper(n_pixels=arguments.pixels))
    masks = source_masks(sources)
    with_agn = np.asarray(sources["agn"]).sum(axis=1) > 0
    return {**masks, "with_agn": with_agn, "without_agn": ~with_agn}


def main():
    """Run the experiments; 1 if a claim is not shown."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--clusters", type=int, default=800)
    parser.add_argument("--pixels", type=int, default=32)
    parser.add_argument("--folds", type=int, default=8, help="of octants")
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--batch-size", type=int, default=25)
    parser.add_argument("--seeds", type=int, default=8, help="networks of each kind")
    parser.add_argument("--shuffles", type=int, default=3)
    parser.add_argument("--jobs", type=int, default=2, help="folds at a time")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--device", default="auto")
    parser.add_argument(
        "--experiments",
        nargs="*",
        choices=EXPERIMENTS,
        default=[*EXPERIMENTS],
        help="beside one band against N_phot",
    )
    parser.add_argument("--output", default="explanations", help="folder of figures")
    parser.add_argument("--results", type=Path, help="folder of the claims' numbers")
    parser.add_argument(
        "--folder",
        type=Path,
        default=Path("explanations"),
        help="folder of the networks' saliencies, which are not computed again",
    )
    arguments = parser.parse_args()
    mpl.use("Agg")
    return run(arguments)


def run(arguments):
    """Train, explain, compare."""
    bench, claims = Bench(arguments), Claims()
    in_core = bench.proxy.center - bench.one.center
    above = number(in_core, np.log10(MANY))
    claims.say(
        f"N_phot's saliency is more than {MANY:g} times the network's in the core",
        [above[-1]],
        {"log10 of N_phot's over the network's": above},
    )
    for name in arguments.experiments:
        EXPERIMENTS[name](bench, claims)
    if arguments.results:
        write(Table(rows=claims.rows), arguments.results / "explanations.csv")
    print(f"{bench.seconds():.0f} s, {claims.not_shown} claims not shown")
    return int(claims.not_shown > 0)


class Bench:
    """The survey with everything in it, explained by N_phot and by networks on one band."""

    def __init__(self, arguments):
        self.started, self.arguments = time.perf_counter(), arguments
        self.survey = self.survey_with()
        self.masks = with_blind_masks(self.survey.sample, arguments)
        self.targets = [self.survey.log_mass] * arguments.seeds
        self.proxy_maps = of_proxy(self.survey, arguments)
        self.proxy = self.measured(self.proxy_maps)
        self.say("N_phot", self.proxy)
        print(
            f"  {self.proxy.compared:.0%} of a cluster's AGN pixels have ICM ones at "
            "equal radius"
        )
        (self.one_maps,), predicted = self.explained(
            "one band", self.survey.sample, self.targets, [self.survey.sample]
        )
        self.one = self.measured(self.one_maps)
        self.say("one band", self.one, predicted)

    def seconds(self):
        return time.perf_counter() - self.started

    def survey_with(self, **switches):
        """The same clusters with other switches."""
        return make_mock_survey(
            self.arguments.clusters,
            random_state=0,
            n_jobs=self.arguments.jobs,
            galaxies=False,
            **switches,
        )

    def explained(self, name, train_on, targets, shown, bands=ONE_BAND, **options):
        """Call `explained` with the arguments of the command."""
        arguments = argparse.Namespace(**{**vars(self.arguments), **options})
        forget = "epochs" in options
        return explained(name, train_on, targets, shown, bands, arguments, forget)

    def measured(self, maps, masks=None):
        """Core and contrast, with the sources of the survey unless others are given."""
        r500c = self.survey.sample.r500c
        return Measured(maps, r500c, self.masks if masks is None else masks)

    def say(self, name, measured, predicted=None):
        """Print what was measured, and how good the masses are."""
        scatter = ""
        if predicted is not None:
            summary = summarize_residuals(
                self.survey.log_mass, predicted.mean(axis=0), random_state=0
            )
            scatter = "scatter {std_percent:.1f} ± {std_percent_error:.1f} %; "
            scatter = scatter.format_map(summary)
        print(
            f"{name} [{self.seconds():.0f} s]: {scatter}core {text(measured.core)}; "
            f"AGN / ICM {text(measured.contrast)}; with AGN photons / without "
            f"{text(measured.blind)}",
            flush=True,
        )


def draw_bands(bench, claims):
    """Train on three bands, and draw all figures."""
    (maps,), predicted = bench.explained(
        "three bands",
        *(bench.survey.sample, bench.targets, [bench.survey.sample], THREE_BANDS),
    )
    bench.say("three bands", bench.measured(maps), predicted)
    networks = {"one band": bench.one_maps, "three bands": maps}
    draw(
        *(Path(bench.arguments.output), bench.survey, bench.proxy_maps),
        *(networks, bench.masks, bench.arguments),
    )


def judge_core(bench, claims):
    """Claim 2."""
    calm, survey = bench.survey_with(core_scatter=0), bench.survey
    (on_calm, on_survey), predicted = bench.explained(
        "no core scatter", calm.sample, bench.targets, [calm.sample, survey.sample]
    )
    proxy = bench.measured(of_proxy(calm, bench.arguments))
    one = bench.measured(on_calm, with_blind_masks(calm.sample, bench.arguments))
    shown_survey = bench.measured(on_survey)
    bench.say("N_phot, no core scatter", proxy)
    bench.say("one band, no core scatter", one, predicted)
    bench.say("one band, trained without core scatter, shown it", shown_survey)
    with_scatter, without = bench.proxy.core - bench.one.core, proxy.core - one.core
    shrinks, same = with_scatter - without, shown_survey.core - bench.one.core
    claims.say(
        "core_scatter=0 shrinks the core down-weighting",
        [sigmas(shrinks), sigmas(same)],
        {
            "with core scatter": number(with_scatter),
            "without": number(without),
            "difference": number(shrinks),
            "control, on the same maps": number(same),
        },
    )


def judge_agn(bench, claims):
    """Claim 3."""
    clean, survey = bench.survey_with(agn=False), bench.survey
    (on_clean, on_survey), predicted = bench.explained(
        "no AGN", clean.sample, bench.targets, [clean.sample, survey.sample]
    )
    twin, shown_survey = bench.measured(on_clean), bench.measured(on_survey)
    bench.say("one band, no AGN, masks of the twin", twin, predicted)
    bench.say("one band, trained without AGN, shown them", shown_survey)
    for name, attribute in (
        ("AGN pixels over ICM pixels", "contrast"),
        ("pixels with AGN photons over those without", "blind"),
    ):
        of_one, of_twin, of_shown = (
            getattr(each, attribute) for each in (bench.one, twin, shown_survey)
        )
        differ, learned = of_one - of_twin, of_one - of_shown
        size, rest = (median_and_errors(each)[0] for each in (of_one, of_twin))
        # The differences must have the sign of the contrast itself.
        effects = [np.sign(size) * sigmas(each) for each in (of_one, differ, learned)]
        claims.say(
            f"AGN switched off removes the contrast of {name}",
            [*effects, np.inf if abs(rest) < abs(size) / 2 else -np.inf],
            {
                "with AGN": number(of_one),
                "in the twin without": number(of_twin),
                "difference": number(differ),
                "control, on the same maps": number(learned),
            },
        )


def judge_shuffled(bench, claims):
    """Claim 4."""
    survey, n = bench.survey, bench.arguments.shuffles
    rng = np.random.default_rng(0)
    shuffled = [rng.permutation(survey.log_mass) for _ in range(n)]
    (maps,), _ = bench.explained("shuffled", survey.sample, shuffled, [survey.sample])
    of_shuffled = bench.measured(maps)
    bench.say("one band, masses shuffled", of_shuffled)
    targets = [survey.log_mass] * n
    (maps,), _ = bench.explained(
        "untrained", survey.sample, targets, [survey.sample], epochs=1
    )
    untrained = bench.measured(maps)
    bench.say("one band, untrained", untrained)
    for name in ("core", "contrast"):
        judge_beyond_untrained(
            claims,
            name,
            *(getattr(each, name) for each in (bench.one, of_shuffled, untrained)),
        )


def judge_beyond_untrained(claims, name, trained, shuffled, untrained):
    """Is less than half of a structure left by shuffled masses?"""
    n_seeds = min(map(len, (trained, shuffled, untrained)))
    found, reference = (unpaired(each, untrained) for each in (shuffled, trained))
    errors = np.hypot(found[1:], np.divide(reference[1:], 2))
    numbers = {
        "shuffled": found,
        "true masses": reference,
        "below half of it by": (abs(reference[0]) / 2 - abs(found[0]), *errors),
    }
    numbers = {
        key: (*each, significance(*each, n_seeds)) for key, each in numbers.items()
    }
    claims.say(
        f"shuffled masses leave less than half of the {name} structure",
        [numbers["below half of it by"][-1], abs(numbers["true masses"][-1])],
        numbers,
    )


EXPERIMENTS = {
    "bands": draw_bands,
    "core": judge_core,
    "AGN": judge_agn,
    "shuffled": judge_shuffled,
}


def draw(folder, survey, proxy_maps, networks, masks, arguments):
    """Write the figures, and the numbers of the profile and the bands."""
    from skcluster.plotting import (
        AttentionDisplay,
        BandSaliencyDisplay,
        RadialSaliencyDisplay,
        SaliencyDisplay,
        SourceMaskDisplay,
    )

    folder.mkdir(parents=True, exist_ok=True)
    r500c = survey.sample.r500c
    one, three = networks["one band"].mean(axis=0), networks["three bands"].mean(axis=0)
    profiles = {
        name: radial_saliency(maps, r500c, half_width=HALF_WIDTH, bins=EDGES)
        for name, maps in (("N_phot", proxy_maps), ("one band", one))
    }
    ratio = profiles["N_phot"].median / profiles["one band"].median
    for low, high, value in zip(EDGES[:-1], EDGES[1:], ratio, strict=True):
        print(f"  r/R500c {low:.2f} to {high:.2f}: N_phot / one band {value:.2f}")
    share = band_attention(three, random_state=0).share
    print("  three bands, median share by band:", np.median(share, axis=0).round(3))
    profiles["three bands"] = radial_saliency(
        three, r500c, half_width=HALF_WIDTH, bins=EDGES
    )
    display = None
    for name, profile in profiles.items():
        ax = None if display is None else display.ax_
        display = RadialSaliencyDisplay.from_profile(profile, name=name, ax=ax)
    displays = {"radial": display}
    attention = source_attention(one, masks_of_sources(masks), random_state=0)
    displays["sources"] = AttentionDisplay.from_sources(attention)
    displays["bands"] = AttentionDisplay.from_bands(
        band_attention(three, random_state=0), bands=THREE_BANDS
    )
    brightest = np.argsort(survey.sample.photons.lengths)[-3:]
    single = PhotonMapper(n_pixels=arguments.pixels)
    shown = single.transform(survey.sample[brightest])
    displays["saliency"] = SaliencyDisplay(
        np.asarray(shown.maps).sum(axis=1),
        one[brightest].mean(axis=1),
        half_width=HALF_WIDTH,
        r500c=shown.r500c,
    ).plot()
    chosen = brightest[-1]
    several = PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels)
    displays["saliency-bands"] = BandSaliencyDisplay(
        np.asarray(several.transform(survey.sample[[chosen]]).maps)[0],
        three[chosen],
        bands=THREE_BANDS,
        single=(np.asarray(shown.maps)[-1, 0], one[chosen, 0]),
        half_width=HALF_WIDTH,
        r500c=float(r500c[chosen]),
    ).plot()
    displays["source-masks"] = SourceMaskDisplay.from_sample(
        survey.sample, chosen, single, saliency=one
    )
    for name, each in displays.items():
        each.figure_.savefig(folder / f"{name}.png", dpi=110)


def masks_of_sources(masks):
    """Without those that are blind to the gas."""
    return {name: masks[name] for name in ("icm", "agn", "background")}


if __name__ == "__main__":
    sys.exit(main())
