"""Kill training at random moments, let it go on, and compare with training in one go.

    python tests/stress/kill_and_resume.py                    # 200 kills, some minutes
    python tests/stress/kill_and_resume.py --signal INT       # 200 times Ctrl-C
    python tests/stress/kill_and_resume.py --kills 20 --configurations mse

Each fit runs in a child process that is killed after a random time; the same fit starts
again until it comes to its end, then the next fit begins in an empty folder, until there
were enough kills. A short fit is killed at each call that touches the disk, in turn.
Weights, history and predictions must be equal to the last bit. Networks and data are tiny,
so that writing takes a good part of the time.

kills     at calls, and at random; "in a write" are those that left a half-written file
fits      that came to their end
epochs    trained by these fits, and what they need in one go: a kill costs one at most
same      fits with the same bits as the one that nobody killed

The exit code is 0 if all fits have the same bits and no kill cost more than an epoch.
"""

# ruff: noqa: E402 (threads must be known before the libraries that start them)

import argparse
import itertools
import json
import os
import shutil
import signal
import sys
import tempfile
import time
import traceback
from pathlib import Path

for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"

import numpy as np
from sklearn.model_selection import KFold
from skorch.callbacks import Callback, LRScheduler
from torch.optim.lr_scheduler import StepLR

from skcluster import ClusterSample, JointCNNRegressor, XrayCNNRegressor

DISK_CALLS = ("open", "fsync", "replace", "unlink")
"""Of the module os; they begin, write, replace and remove a file."""
CALLS_OF_A_START_AND_A_WRITE = 9
INTERRUPTED = 130


class CountEpochs(Callback):
    """Adds one byte to a file after each epoch."""

    def __init__(self, path):
        self.path = path

    def on_epoch_end(self, net, **kwargs):
        with open(self.path, "ab") as file:
            file.write(b".")


def network(kind, folder, callbacks=(), **changes):
    """A regressor that is quick to train and keeps checkpoints in a folder."""
    settings = {
        "max_epochs": 12,
        "patience": None,
        "random_state": 0,
        "n_threads": 1,
        "device": "cpu",
        "checkpoint_dir": folder / "checkpoints",
        "callbacks": [*callbacks, CountEpochs(str(folder / "epochs"))],
    }
    return kind(**(settings | changes))


def mse(folder):
    return [network(XrayCNNRegressor, folder)]


def turned(folder):
    """Augmentation, dropout, early stopping and a schedule of the learning rate."""
    schedule = LRScheduler(policy=StepLR, step_size=4, gamma=0.5)
    settings = {"augment": True, "dropout": 0.2, "lr": 3e-3, "patience": 6}
    settings |= {"max_epochs": 40, "callbacks": [schedule]}
    return [network(XrayCNNRegressor, folder, **settings)]


def one_cycle(folder):
    """A schedule, averaged weights and a loss that changes."""
    settings = {"recipe": "one_cycle", "loss": "gaussian_nll", "augment": True}
    return [network(XrayCNNRegressor, folder, batch_size=5, **settings)]


def members(folder):
    return [network(XrayCNNRegressor, folder, n_members=2, patience=4, max_epochs=6)]


def joint(folder):
    settings = {"augment": True, "dropout": 0.2, "max_epochs": 6}
    return [network(JointCNNRegressor, folder, **settings)]


def folds(folder):
    """Three networks, of three folds."""
    return [network(XrayCNNRegressor, folder, max_epochs=5) for _ in range(3)]


CONFIGURATIONS = {
    build.__name__: build for build in (mse, turned, one_cycle, members, joint, folds)
}


def survey():
    """Sixteen maps and cubes of noise; made without torch, so that children can use it."""
    rng = np.random.default_rng(0)
    log_mass = rng.uniform(13.5, 15.0, 16)
    rate = 10 ** (log_mass - 13.5)[:, None, None, None] / 4
    maps = rng.poisson(rate, (16, 1, 16, 16)).astype(float)
    cubes = rng.random((16, 16, 16, 16), dtype=np.float32)
    return ClusterSample(np.full(16, 0.2), maps=maps, cubes=cubes), log_mass


def fit_all(regressors, sample, log_mass):
    """Weights, history and predictions as bytes, of one fit, or of one fit per fold."""
    found = []
    cuts = KFold(len(regressors)).split(sample) if len(regressors) > 1 else None
    for regressor in regressors:
        train, test = (slice(None), slice(None)) if cuts is None else next(cuts)
        regressor.fit(sample[train], log_mass[train])
        for weights in regressor.__getstate__()["weights_"]:
            found += [values.tobytes() for values in weights.values()]
        rows = [{**row, "dur": None} for row in regressor.history_]
        found.append(json.dumps(rows).encode())
        found.append(regressor.predict(sample[test]).tobytes())
    return b"".join(found)


def start(build, folder, data, kill_at=None):
    """Fit in a child process, which writes what it found; returns its number."""
    # A signal must not find the child on the way back into this script.
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    child = os.fork()
    if child:
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        return child
    try:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
        if kill_at is not None:
            kill_at_call(kill_at)
        result = fit_all(build(folder), *data)
        (folder / "result").write_bytes(result)
        os._exit(0)
    except KeyboardInterrupt:
        os._exit(INTERRUPTED)
    except BaseException:
        traceback.print_exc()
        os._exit(1)


def kill_at_call(number):
    """Let this process kill itself in place of a call that touches the disk."""
    left = [number]

    def watched(call):
        def killing(*args, **kwargs):
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return call(*args, **kwargs)

        return killing

    for name in DISK_CALLS:
        setattr(os, name, watched(getattr(os, name)))


def has_ended(child):
    """Wait for a child: False if it was killed, an error if it failed by itself."""
    _, status = os.waitpid(child, 0)
    code = os.waitstatus_to_exitcode(status)
    if code not in (0, INTERRUPTED, -signal.SIGKILL):
        raise RuntimeError("A fit failed by itself: see above.")
    return code == 0


def kept_epochs(folder):
    """Epochs of each checkpoint, as their first lines tell."""
    files = sorted((folder / "checkpoints").glob("*.checkpoint"))
    lines = [file.read_bytes().split(b"\n", 1)[0] for file in files]
    return [json.loads(line)["epochs"] for line in lines]


class KilledFits:
    """The same fit over and over, killed on its way, against one that was not."""

    def __init__(self, build, data, root, verbose=False):
        self.build, self.data, self.verbose = build, data, verbose
        self.n_kills = self.n_in_a_write = self.n_fits = self.n_same = 0
        self.n_trained = self.n_needed = 0
        self.folder = Path(root)
        self._begin()
        started = time.perf_counter()
        has_ended(start(build, self.folder, data))
        self.seconds = time.perf_counter() - started
        self.expected, self.n_epochs = self._found()
        self._begin()

    def kill_at_each_call(self):
        """Kill one fit at each disk call of its start and its writes, in turn."""
        for number in itertools.cycle(range(1, CALLS_OF_A_START_AND_A_WRITE + 1)):
            if self._comes_to_its_end(
                start(self.build, self.folder, self.data, number)
            ):
                return

    def kill_at_random(self, n_kills, rng, kind):
        """Kill fits after random times, and let the last one come to its end."""
        # Enough to start and train some epochs, and mostly too short to come to the end.
        longest = 0.1 + 0.4 * self.seconds
        has_ended = True
        while self.n_kills < n_kills or not has_ended:
            child = start(self.build, self.folder, self.data)
            if self.n_kills < n_kills:
                time.sleep(rng.uniform(0, longest))
                os.kill(child, kind)
            has_ended = self._comes_to_its_end(child)

    def _begin(self):
        shutil.rmtree(self.folder, ignore_errors=True)
        (self.folder / "checkpoints").mkdir(parents=True)

    def _found(self):
        result, epochs = self.folder / "result", self.folder / "epochs"
        return result.read_bytes(), epochs.stat().st_size

    def _halves(self):
        return list((self.folder / "checkpoints").glob("*.part"))

    def _comes_to_its_end(self, child):
        if not has_ended(child):
            halves = self._halves()
            self.n_kills += 1
            self.n_in_a_write += bool(halves)
            if self.verbose:
                where = " in a write" if halves else ""
                kept = kept_epochs(self.folder)
                print(f"kill {self.n_kills}: {kept}{where}", file=sys.stderr)
            return False
        result, n_trained = self._found()
        self.n_fits += 1
        self.n_same += result == self.expected and not self._halves()
        self.n_trained += n_trained
        self.n_needed += self.n_epochs
        self._begin()
        return True

    @property
    def is_good(self):
        """Whether all bits are the same and no kill cost more than an epoch."""
        lost = self.n_trained - self.n_needed
        return self.n_same == self.n_fits > 0 and 0 <= lost <= self.n_kills


def of_two_epochs(build):
    """A configuration with short fits."""

    def short(folder):
        return [regressor.set_params(max_epochs=2) for regressor in build(folder)]

    return short


def show(name, fits):
    print(
        f"{name:20s} {fits.n_kills:5d} {fits.n_in_a_write:11d} {fits.n_fits:5d} "
        f"{fits.n_trained:15d} {fits.n_needed:7d} {fits.n_same:5d}",
        flush=True,
    )


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--kills", type=int, default=200, help="at random; default: 200"
    )
    parser.add_argument(
        "--configurations",
        nargs="+",
        choices=CONFIGURATIONS,
        default=list(CONFIGURATIONS),
    )
    parser.add_argument(
        "--at-calls",
        nargs="*",
        choices=CONFIGURATIONS,
        default=list(CONFIGURATIONS),
        help="of them those that are killed at calls, too; default: all",
    )
    parser.add_argument("--signal", choices=("KILL", "INT"), default="KILL")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--verbose", action="store_true", help="a line for each kill")
    arguments = parser.parse_args()
    rng, data = np.random.default_rng(arguments.seed), survey()
    kind = getattr(signal, f"SIG{arguments.signal}")
    shares = np.array_split(range(arguments.kills), len(arguments.configurations))
    print(f"{'':20s} kills  in a write  fits  epochs trained  needed  same")
    done = []
    for name, share in zip(arguments.configurations, shares, strict=True):
        build = CONFIGURATIONS[name]
        with tempfile.TemporaryDirectory() as root:
            if kind == signal.SIGKILL and name in arguments.at_calls:
                fits = KilledFits(of_two_epochs(build), data, root, arguments.verbose)
                fits.kill_at_each_call()
                show(f"{name}, at calls", fits)
                done.append(fits)
            fits = KilledFits(build, data, root, arguments.verbose)
            fits.kill_at_random(len(share), rng, kind)
            show(f"{name}, at random", fits)
            done.append(fits)
    return 0 if all(fits.is_good for fits in done) else 1


if __name__ == "__main__":
    sys.exit(main())
