"""Do masses stay the same when the same clusters are observed for longer or shorter?

    python experiments/exposure.py             # ten minutes: three seeds, 1500 clusters
    python experiments/exposure.py --models network "network, t"

For each seed, models are trained on clusters of 2 ks, and on clusters whose exposures are
spread evenly in the logarithm from 0.2 to 6 ks (thinned from 6 ks). Other clusters,
observed for 6 ks, are then thinned to 0.1, 0.3 and 1 times 2 ks. Prints for each exposure
the mean change of log10 M against 2 ks of the same clusters, its error over clusters, and
the scatter of log10 M about the truth; and the control, in which the exposure is ignored.
Models with ", t" take the exposure of each cluster as one more number. "Rings, sums" have
no medians of sectors and a softening of 100; "rings, thinned" are these with the exposure,
trained also on two copies of the clusters of 2 ks that are thinned to 0.2 to 2 ks.

Exits with 1 unless the changes of the covariance model are below 0.01 dex or 3 sigma at 0.3
and 3 times the exposure of training, and those of the control are beyond 3 sigma.
"""

import argparse
import sys
import warnings

import numpy as np
from astropy.table import Table, vstack
from power_laws import power_law
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    ProxyMeasurer,
    RedshiftNormalizer,
    RotationAugmentedRegressor,
    XrayCNNRegressor,
    thin_photons,
)
from skcluster.contest.entries import ridge_on_rings
from skcluster.datasets import make_mock_survey
from skcluster.metrics import mass_scatter

TYPICAL, DEEP = 2000.0, 6000.0
SHARES = (0.1, 0.3, 1.0, 3.0)
MODELS = ("N_phot", "N_phot,500c", "rings", "rings, sums", "rings, thinned", "rings, t")
SMALL = 0.01
"""Change of log10 M that is called none [dex]."""


def rings(**parameters):
    """Ridge regression on counts in rings; keywords are RingProfiler's."""
    return make_pipeline(PhotonMapper(n_pixels=64), ridge_on_rings(**parameters))


def network(seed, **parameters):
    """The paper's network, for half as many pixels."""
    return make_pipeline(
        PhotonMapper(n_pixels=64),
        RedshiftNormalizer(),
        LogScaler(),
        XrayCNNRegressor(max_epochs=20, random_state=seed, **parameters),
    )


def models(seed, training, only):
    """Name -> unfitted model. Different exposures show what a model learns from them."""
    found = {
        "N_phot": power_law(proxies=["n_phot"]),
        "N_phot,500c": power_law(proxies=["n_phot_500c"]),
        "rings": rings(),
        "rings, sums": rings(n_sectors=1, softening=100.0),
        "network": network(seed),
    }
    if training != "spread":
        found["rings, thinned"] = RotationAugmentedRegressor(
            rings(n_sectors=1, softening=100.0, with_exposure=True),
            n_rotations=2,
            thin_to=SHARES[0],
            random_state=seed,
        )
    if training == "spread":
        found["rings, t"] = rings(with_exposure=True)
        found["network, t"] = network(seed, scalars=["log_exposure"])
    return {name: model for name, model in found.items() if name in only}


def survey(n_clusters, seed):
    """Mock survey of 6 ks, without galaxies."""
    return make_mock_survey(
        n_clusters, random_state=seed, galaxies=False, exposure=DEEP
    )


def observed(sample, exposure, seed):
    """The same clusters, each for its own exposure or all for one."""
    return thin_photons(sample, exposure=exposure, random_state=seed)


def trained(seed, arguments):
    """Yield the name of the training exposures, of the model, and the fitted model."""
    training = survey(arguments.clusters, seed)
    spread = np.random.default_rng(seed).uniform(
        np.log(SHARES[0]), np.log(SHARES[-1]), arguments.clusters
    )
    for name, exposure in (("2 ks", TYPICAL), ("spread", TYPICAL * np.exp(spread))):
        sample = observed(training.sample, exposure, seed)
        for model_name, model in models(seed, name, arguments.models).items():
            yield name, model_name, model.fit(sample, training.log_mass)


def rows_of_seed(seed, arguments):
    """Table of changes of the mass, one row per model and exposure."""
    test = survey(arguments.test_clusters, 1000 + seed)
    samples = {s: observed(test.sample, s * TYPICAL, 1000 + seed) for s in SHARES}
    # The shortest exposure shows no photon of a few clusters, which have no mass there.
    counts = ProxyMeasurer(proxies=["n_phot_500c"]).fit(test.sample)
    seen = _has_photons(samples[SHARES[0]], counts)
    samples = {share: sample[seen] for share, sample in samples.items()}
    log_mass = test.log_mass[seen]
    for training, name, model in trained(seed, arguments):
        masses = {s: model.predict(sample) for s, sample in samples.items()}
        for share, sample in samples.items():
            change = masses[share] - masses[1.0]
            ignored = sample.assign(exposure=np.full(len(sample), TYPICAL))
            control = model.predict(ignored) - masses[1.0]
            yield {
                "seed": seed,
                "model": name,
                "training": training,
                "exposure": share,
                "change": change.mean(),
                "error": change.std() / np.sqrt(len(change)),
                "scatter": mass_scatter(log_mass, masses[share]),
                "ignored": control.mean(),
                "clusters": len(change),
            }


def _has_photons(sample, measurer):
    has = np.zeros(len(sample), bool)
    for i in range(len(sample)):
        try:
            has[i] = np.isfinite(measurer.transform(sample[i])).all()
        except ValueError:  # no photon within R500c
            has[i] = False
    return has


def main():
    """Train, predict and judge."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=1500)
    parser.add_argument("--test-clusters", type=int, default=500)
    parser.add_argument("--models", nargs="+", default=MODELS)
    arguments = parser.parse_args()
    warnings.simplefilter(
        "ignore", UserWarning
    )  # of exposures unlike those of training
    tables = []
    for seed in arguments.seeds:
        tables.append(Table(rows=list(rows_of_seed(seed, arguments))))
        for name in ("change", "error", "scatter", "ignored"):
            tables[-1][name].format = "+.4f" if name in ("change", "ignored") else ".4f"
        first = seed == arguments.seeds[0]
        lines = tables[-1].pformat(max_width=-1, max_lines=-1, show_name=first)
        print(*lines, sep="\n", flush=True)
    table = vstack(tables)
    print(*_means(table).pformat(max_width=-1, max_lines=-1), sep="\n")
    fails = not _as_promised(table)
    print("NOT what is promised." if fails else "As promised.")
    return int(fails)


def _means(table):
    """Mean over the seeds, and its error from their scatter."""
    rows = []
    for group in table.group_by(["model", "training", "exposure"]).groups:
        n = len(group)
        between = np.std(group["change"], ddof=1) / np.sqrt(n) if n > 1 else 0.0
        rows.append(
            {
                **{name: group[name][0] for name in ("model", "training", "exposure")},
                "change": f"{np.mean(group['change']):+.4f}",
                "error": f"{max(between, group['error'].mean() / np.sqrt(n)):.4f}",
                "scatter": f"{np.mean(group['scatter']):.3f}",
                "ignored": f"{np.mean(group['ignored']):+.3f}",
            }
        )
    return Table(rows=rows)


def _as_promised(table):
    is_counts = np.char.startswith(np.asarray(table["model"], str), "N_phot")
    near = table[is_counts & np.isin(table["exposure"], (0.3, 3.0))]
    small = np.abs(near["change"]) < np.maximum(SMALL, 3 * near["error"])
    seen = np.abs(near["ignored"]) > 3 * near["error"]
    return bool(np.all(small & seen))


if __name__ == "__main__":
    sys.exit(main())
