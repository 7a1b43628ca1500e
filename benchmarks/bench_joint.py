"""One training step of the joint network against its naive form, and memory at survey size.

    python benchmarks/bench_joint.py
    python benchmarks/bench_joint.py --memory 20000      # peak memory must stay flat

The peak may grow with the survey by a quarter of its cubes: selected maps and their order
are copied, cubes are not.

ours    the first 3-D convolution over the maps, which do not change along v, is a 2-D one
        with the kernel summed over v; channels last; pooling before in-place ReLU; parts of
        a batch
naive   Conv3d over the stack of repeated maps and cube, ReLU before pooling, one batch

Both have the same weights and must give the same loss; turns alternate in one process, two
threads. A profile of ours has its time in the first 3-D convolution of the cube (which is
left: one channel in, 24 out, 5³) and in the second one; max-pooling comes next.
"""

import argparse
import resource
import subprocess
import sys
import time

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from skcluster import JointCNNRegressor, PhaseSpaceKDE, PhotonMapper
from skcluster.datasets import make_mock_survey
from skcluster.networks import Ho2023JointNetwork
from skcluster.paper import THREE_BANDS
from skcluster.regressors.kept_memory import kept_memory

N_BANDS = 3

MEMORY_GROWTH = 0.25
"""Part of the cubes of the added clusters."""


class Naive(nn.Module):
    """The network as Fig. 5 draws it, with the weights of ours."""

    inputs = Ho2023JointNetwork.inputs

    def __init__(self, network):
        super().__init__()
        self.network = network
        self.convolutions = [
            layer for layer in network.cube_branch if isinstance(layer, nn.Conv3d)
        ]

    def forward(self, maps, cubes, has_cube=None):
        n_bins = cubes.shape[-1]
        sky = self.network.to_cells(maps)[..., None]
        x = torch.cat([sky.expand(-1, -1, -1, -1, n_bins), cubes[:, None]], dim=1)
        for layer in (self.network.first, *self.convolutions):
            weight = layer.weight.contiguous()
            x = functional.relu(functional.conv3d(x, weight, layer.bias))
            x = functional.max_pool3d(x, 2)
        features = [self.network.map_branch(maps), self.network.cube_head(x.flatten(1))]
        return self.network.output(self.network.head(torch.cat(features, 1))).squeeze(
            -1
        )


def sample_of(n_clusters, n_pixels, seed=0):
    """A mock survey with maps, few enough clusters repeated to make it large."""
    survey = make_mock_survey(min(n_clusters, 100), random_state=seed)
    mapped = PhotonMapper(bands=THREE_BANDS, n_pixels=n_pixels).transform(
        survey.sample.drop("name")
    )
    mapped = mapped.drop("photons")
    rows = np.arange(n_clusters) % len(mapped)
    return mapped[rows], survey.log_mass[rows]


def step(net, batch):
    """Loss of one training step, and its seconds."""
    started = time.perf_counter()
    net.optimizer_.zero_grad()
    loss = net.train_step_single(batch)["loss"]
    net.optimizer_.step()
    return float(loss), time.perf_counter() - started


def compare(n_bins, batch_size, n_turns):
    """Print the median ratio of a step for one size of cubes."""
    torch.set_num_threads(2)
    sample, log_mass = sample_of(batch_size, 2 * n_bins)
    regressor = JointCNNRegressor(
        phase_space=PhaseSpaceKDE(n_bins=n_bins),
        batch_size=batch_size,
        max_epochs=1,
        dropout=0.0,
        validation_fraction=None,
        allow_missing=True,
        random_state=0,
        lr=1e-9,  # the weights stay, so that all losses are to be equal
    ).fit(sample, log_mass)
    batches = regressor._batches(regressor._read(sample), np.zeros(batch_size))
    batch = batches.__getitems__(range(batch_size))
    net = regressor.net_
    network, part_size = net.module_, net.part_size
    network.with_indicator = False
    network.head[0] = nn.Linear(network.head[0].in_features - 1, 128)
    naive = Naive(network)
    seconds = {"ours": [], "naive": []}
    with kept_memory():
        for turn in range(n_turns + 1):
            losses = {}
            for name, module, size in (
                ("ours", network, part_size),
                ("naive", naive, batch_size),
            ):
                net.module_, net.part_size = module, size
                losses[name], took = step(net, batch)
                if turn:
                    seconds[name].append(took)
            np.testing.assert_allclose(losses["ours"], losses["naive"], rtol=1e-3)
    ours, theirs = (np.median(seconds[name]) for name in ("ours", "naive"))
    print(
        f"{n_bins}³ cells, {N_BANDS} bands, batch {batch_size}: a step takes {ours:.2f} s, "
        f"naive {theirs:.2f} s; naive / ours: {theirs / ours:.2f} (at least 1.5)"
    )
    return theirs / ours


def added_memory(n_clusters):
    """MiB that one epoch adds to the peak of this process."""
    sample, log_mass = sample_of(n_clusters, 16)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    JointCNNRegressor(
        phase_space=PhaseSpaceKDE(n_bins=16),
        max_epochs=1,
        allow_missing=True,
        random_state=0,
        n_threads=1,
    ).fit(sample, log_mass)
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return sample.nbytes / 2**20, (after - before) / 1024


def memory(n_clusters):
    """Print what an epoch adds for a tenth of the survey and for all of it."""
    added = []
    for n in (n_clusters // 10, n_clusters):
        # A process of its own: what one leaves behind, the other would not add.
        command = [sys.executable, __file__, "--added-memory", str(n)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        size, more = map(float, done.stdout.split())
        added.append(more)
        print(
            f"{n} clusters ({size:.0f} MiB; their cubes would take "
            f"{n * 16**3 * 4 / 2**20:.0f} MiB): training added {more:.0f} MiB",
            flush=True,
        )
    growth = added[1] - added[0]
    most = MEMORY_GROWTH * (n_clusters - n_clusters // 10) * 16**3 * 4 / 2**20
    print(f"It grew by {growth:.0f} MiB (at most {most:.0f})")
    return growth <= most


def main():
    """Run what the arguments ask for; exit 1 where a promise is not kept."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--bins", type=int, nargs="+", default=[32, 64])
    parser.add_argument("--batch", type=int, default=24)
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--memory", type=int, metavar="CLUSTERS")
    parser.add_argument("--added-memory", type=int, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.added_memory:
        print(*added_memory(arguments.added_memory))
        return 0
    if arguments.memory:
        return int(not memory(arguments.memory))
    ratios = [compare(n, arguments.batch, arguments.turns) for n in arguments.bins]
    return int(min(ratios) < 1.5)


if __name__ == "__main__":
    sys.exit(main())
