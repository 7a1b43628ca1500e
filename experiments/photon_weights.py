"""Which photons does the network on photons listen to, and is that what was planted?

    python experiments/photon_weights.py                       # half an hour on one core
    python experiments/photon_weights.py --seeds 0 --figures docs/figures

For every seed, of a mock survey and of the networks, one octant is held out, and the
photons of its clusters are explained by three networks that have seen the others:

as it is         trained on the mock as it is
no core scatter  trained on the same clusters without scatter of the core's brightness
no AGN           trained on the same clusters without active nuclei

All three are shown the same photons of the mock as it is. Printed are the weights of
photons (see `skcluster.photon_attention`; 1 is the mean photon of a cluster, and all those
of a photon count), and per seed the medians over clusters of

agn    log10 of the mean weight of AGN photons over that of ICM photons within R500c
core   log10 of the mean weight of ICM photons within 0.25 R500c over that at 0.75 to 1

The claims are that AGN photons count less than those of the gas, and those of the core less
than others; the controls are the networks for which there was nothing to learn that from.
A claim is met if it and its difference from the control are beyond 3 sigma, by Student's t
over the seeds and a bootstrap over clusters.
"""

import argparse
import sys
from pathlib import Path

import matplotlib as mpl
import numpy as np
from significance import significance, verdict

from skcluster import (
    PhotonFeaturizer,
    PhotonSetRegressor,
    photon_attention,
    photon_contributions,
    radial_contributions,
)
from skcluster.datasets import make_mock_survey
from skcluster.metrics import bootstrap_error
from skcluster.model_selection import octants
from skcluster.plotting import OKABE_ITO, PhotonWeightDisplay

TRAINED_ON = {
    "as it is": {},
    "no core scatter": {"core_scatter": 0.0},
    "no AGN": {"agn": False},
}
EDGES = np.array([0, 0.1, 0.25, 0.5, 0.75, 1.0, 1.5, 2.0])
CORE, EDGE = slice(0, 2), slice(4, 5)
WITHIN_R500 = slice(0, 5)
CLAIMS = {"agn": "no AGN", "core": "no core scatter"}
"""What is claimed to lie below zero -> the network that is its control."""


def described(n_clusters, seed, **switches):
    """Mock clusters whose photons are described, their masses and octants."""
    survey = make_mock_survey(n_clusters, random_state=seed, galaxies=False, **switches)
    sample = PhotonFeaturizer(n_jobs=2).transform(survey.sample)
    return sample, survey.log_mass, octants(survey.sample.position)


def measured(explained):
    """The two numbers of each cluster, NaN where it has no such photons."""
    icm, agn = (
        radial_contributions(explained, bins=EDGES, origin=origin).profiles
        for origin in ("icm", "agn")
    )
    with np.errstate(invalid="ignore", divide="ignore"):
        return {
            "agn": np.log10(_mean(agn, WITHIN_R500) / _mean(icm, WITHIN_R500)),
            "core": np.log10(_mean(icm, CORE) / _mean(icm, EDGE)),
        }


def _mean(profiles, bins):
    some = np.isfinite(profiles[:, bins]).any(axis=1)
    found = np.full(len(profiles), np.nan)
    found[some] = np.nanmean(profiles[some, bins], axis=1)
    return np.where(found > 0, found, np.nan)


def explained_by(name, seed, arguments, shown, test):
    """Photons of the test clusters, explained by the network of this name."""
    sample, log_mass, octant = described(arguments.clusters, seed, **TRAINED_ON[name])
    train = np.flatnonzero(octant != arguments.octant)
    regressor = PhotonSetRegressor(
        max_epochs=arguments.epochs,
        random_state=seed,
        precision=arguments.precision,
        n_threads=1,
    )
    return photon_contributions(
        regressor.fit(sample[train], log_mass[train]), shown[test]
    )


def judged(values, controls, seed):
    """Median over clusters of each seed, and sigma of the claim and of its control."""
    found = []
    for pair in (values, [v - c for v, c in zip(values, controls, strict=True)]):
        medians = np.array([np.nanmedian(each) for each in pair])
        pooled = np.concatenate([each[np.isfinite(each)] for each in pair])
        of_clusters = bootstrap_error(
            lambda a, _: np.median(a), pooled, pooled, random_state=seed
        )
        of_seeds = (
            medians.std(ddof=1) / np.sqrt(len(medians)) if len(medians) > 1 else 0
        )
        sigma = significance(-medians.mean(), of_clusters, of_seeds, len(medians))
        found.append((medians, sigma))
    return found


def draw(explained, log_mass, profiles, folder):
    """Photons of three clusters in the color of their weights, and weights by radius."""
    from matplotlib import pyplot as plt

    folder.mkdir(parents=True, exist_ok=True)
    bright = np.argsort(-explained.photons.lengths)
    chosen = bright[[len(bright) // 20, len(bright) // 5, len(bright) // 2]]
    display = PhotonWeightDisplay.from_sample(explained, chosen, log_mass=log_mass)
    display.figure_.savefig(folder / "photon_weights.png", dpi=150)
    figure, ax = plt.subplots(figsize=(3.5, 2.8), layout="constrained")
    middle = (EDGES[1:] + EDGES[:-1]) / 2
    for color, (label, (low, median, high)) in zip(
        OKABE_ITO, profiles.items(), strict=False
    ):
        ax.plot(middle, median, color=color, label=label)
        ax.fill_between(middle, low, high, color=color, alpha=0.2, lw=0)
    ax.axhline(1, color="k", lw=0.8, ls=":", label="photon count")
    ax.set(xlabel="$r / R_{500c}$", ylabel="weight of a photon", xlim=(0, 2))
    ax.legend(frameon=False, fontsize="small")
    figure.savefig(folder / "photon_weights_by_radius.png", dpi=150)


def parsed_arguments():
    """Options of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--clusters", type=int, default=1500)
    parser.add_argument("--epochs", type=int, default=25)
    parser.add_argument("--octant", type=int, default=0, help="the one held out")
    parser.add_argument("--precision", default="float32")
    parser.add_argument("--figures", type=Path, default=Path("photon-weights"))
    return parser.parse_args()


def main():
    """Train, explain, judge and draw."""
    arguments = parsed_arguments()
    mpl.use("Agg")
    values = {claim: {name: [] for name in TRAINED_ON} for claim in CLAIMS}
    for seed in arguments.seeds:
        shown, log_mass, octant = described(arguments.clusters, seed)
        test = np.flatnonzero(octant == arguments.octant)
        profiles = {}
        for name in TRAINED_ON:
            explained = explained_by(name, seed, arguments, shown, test)
            attention = photon_attention(explained, random_state=seed)
            weights = ", ".join(
                f"{origin} {each['median']:.2f} ± {each['median_error']:.2f}"
                for origin, each in attention.items()
            )
            print(f"seed {seed}, trained on mock {name}: median weight of {weights}")
            sys.stdout.flush()
            for claim, numbers in measured(explained).items():
                values[claim][name].append(numbers)
            if name == "as it is":
                first = explained
                for origin in ("icm", "agn"):
                    found = radial_contributions(explained, bins=EDGES, origin=origin)
                    profiles[origin.upper()] = found.low, found.median, found.high
        if seed == arguments.seeds[0]:
            draw(first, log_mass[test], profiles, arguments.figures)
    is_met = []
    for claim, control in CLAIMS.items():
        own = judged(values[claim]["as it is"], values[claim][control], 0)
        (medians, sigma), (differences, against) = own
        is_met.append(verdict(sigma, against))
        print(
            f"{claim}: {_listed(medians)} ({sigma:.1f} sigma); less than with {control} "
            f"by {_listed(-differences)} ({against:.1f} sigma): {is_met[-1]}"
        )
    return int(any(each != "met" for each in is_met))


def _listed(numbers):
    return ", ".join(f"{each:+.3f}" for each in numbers)


if __name__ == "__main__":
    sys.exit(main())
