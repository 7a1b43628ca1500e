"""The front page's figure: photons of one cluster, their saliency, and the mass they imply.

    python docs/front_figure.py    # minutes of one core: trains a network

Trains a network that predicts its own error on the octants of a mock survey but the first,
and shows one cluster of the first octant: of those within 0.2 dex of 10^14.5 Msun/h and
below redshift 0.2, the one with the median number of photons. Writes
docs/figures/photons-to-mass.png, which the README shows, too.
"""

import argparse
from pathlib import Path

import numpy as np
from sklearn.pipeline import make_pipeline

from skcluster import (
    LogScaler,
    PhotonMapper,
    QuadrantGroupKFold,
    RedshiftNormalizer,
    SaliencyExplainer,
    XrayCNNRegressor,
    predict_posterior,
)
from skcluster.cosmology import comoving_distance, sky_to_plane
from skcluster.datasets import make_mock_survey
from skcluster.paper import THREE_BANDS
from skcluster.plotting import OKABE_ITO

FIGURE = Path(__file__).parent / "figures" / "photons-to-mass.png"
BAND_COLORS = "#D55E00", "#009E73", "#0072B2"
SHOWN = 1.6
"""Half-width of the panels [comoving Mpc/h]."""


def trained(arguments):
    """Train on seven octants; return the network and the clusters of the eighth."""
    survey = make_mock_survey(
        arguments.clusters, random_state=0, galaxies=False, verbose=1
    )
    train, test = next(QuadrantGroupKFold().split(survey.sample))
    pipeline = make_pipeline(
        PhotonMapper(bands=THREE_BANDS, n_pixels=arguments.pixels),
        RedshiftNormalizer(),
        LogScaler(),
        XrayCNNRegressor(
            loss="gaussian_nll",
            dropout=0.1,
            augment=True,
            max_epochs=arguments.epochs,
            random_state=0,
            n_threads=1,
            verbose=1,
        ),
    ).fit(survey.sample[train], survey.log_mass[train])
    return pipeline, survey.sample[test], survey.log_mass[test]


def typical(sample, log_mass):
    """Return the row of the cluster that is shown."""
    near = np.abs(log_mass - 14.5) < 0.2
    rows = np.flatnonzero(near & (sample.redshift < 0.2))
    return rows[np.argsort(sample.photons.lengths[rows])[len(rows) // 2]]


def draw_photons(ax, cluster):
    """Draw each photon at its place, in the color of its energy band."""
    photons = cluster.photons
    offsets = sky_to_plane(photons["ra"], photons["dec"], *cluster.center[0])
    x, y = comoving_distance(cluster.redshift) * np.array(offsets)
    is_in = np.digitize(photons["energy"], np.ravel(THREE_BANDS)[[0, 2, 4, 5]]) - 1
    for (low, high), color in zip(THREE_BANDS, BAND_COLORS, strict=True):
        ax.plot([], [], ".", ms=7, color=color, label=f"{low:g}–{high:g} keV")
    shown = (is_in >= 0) & (is_in < len(THREE_BANDS))
    colors = np.array(BAND_COLORS)[is_in[shown]]
    ax.scatter(x[shown], y[shown], c=colors, s=1, linewidths=0)
    ax.legend(
        loc="upper center",
        bbox_to_anchor=(0.5, 0),
        ncols=3,
        frameon=False,
        handletextpad=0,
        columnspacing=0.8,
        fontsize="small",
    )
    ax.set_title(f"{photons.lengths[0]:,} photons", loc="left")


def draw_posterior(ax, pipeline, cluster, log_mass):
    """Draw the posterior of the mass, its central 68 % and the true mass."""
    posterior = predict_posterior(pipeline, cluster)
    low, middle, high = posterior.quantile([0.16, 0.5, 0.84])[0]
    grid, density = posterior.middle[0], posterior.density[0]
    ax.plot(grid, density, color=OKABE_ITO[0], lw=2)
    inside = (grid >= low) & (grid <= high)
    ax.fill_between(grid[inside], density[inside], color=OKABE_ITO[0], alpha=0.2, lw=0)
    ax.axvline(log_mass, color=OKABE_ITO[1], lw=1.5, ls="--")
    ax.text(log_mass, 0.97 * density.max(), " truth", color=OKABE_ITO[1], va="top")
    ax.set(xlabel=r"$\log_{10} M_{500c}$ [M$_\odot$/h]", ylabel="p(M)", yticks=[])
    reach = 5 * (high - middle)
    ax.set(xlim=(middle - reach, middle + reach), ylim=0)
    ax.set_title(
        f"{middle:.2f} $^{{+{high - middle:.2f}}}_{{-{middle - low:.2f}}}$", loc="left"
    )
    ax.spines[["top", "right", "left"]].set_visible(False)


def figure(pipeline, cluster, log_mass):
    """Draw the three panels."""
    import matplotlib.pyplot as plt

    with plt.rc_context({"font.size": 9, "axes.titlesize": 11}):
        fig, axes = plt.subplots(1, 3, figsize=(9.4, 3.3), layout="constrained")
        draw_photons(axes[0], cluster)
        saliency = SaliencyExplainer(pipeline).explain(cluster)[0].mean(axis=0)
        half = PhotonMapper().half_width
        axes[1].imshow(
            saliency, origin="lower", extent=[-half, half, -half, half], cmap="magma"
        )
        axes[1].set_xlabel("brighter: changes the mass more", fontsize="small")
        axes[1].set_title("where the network looks", loc="left")
        for ax, color in zip(axes[:2], ("0.3", "w"), strict=True):
            ax.add_patch(
                plt.Circle((0, 0), cluster.r500c[0], fill=False, ec=color, ls=":")
            )
            ax.set(xlim=(SHOWN, -SHOWN), ylim=(-SHOWN, SHOWN), aspect=1)
            ax.set(xticks=[], yticks=[])
        draw_posterior(axes[2], pipeline, cluster, log_mass)
    return fig


def main():
    """Train, choose the cluster, and draw it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--clusters", type=int, default=1000)
    parser.add_argument("--pixels", type=int, default=64)
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--output", type=Path, default=FIGURE)
    arguments = parser.parse_args()
    pipeline, sample, log_mass = trained(arguments)
    row = typical(sample, log_mass)
    drawn = figure(pipeline, sample[[row]], log_mass[row])
    drawn.savefig(arguments.output, dpi=160)


if __name__ == "__main__":
    main()
