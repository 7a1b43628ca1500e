"""CPU time of the command: `skcluster predict` for one cluster, `inspect` and `--help`.

    python benchmarks/bench_startup.py

Each line is a process of its own, on one thread; its seconds are user and system time, from
the start of Python to its end. The processes take turns, and the least of all turns counts:
another process on the machine can only add to it. `predict` may take half a second more
than importing torch and scikit-learn, `inspect` and `--help` 0.3 s in all.
"""

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

from skcluster import write_sample
from skcluster.cli import main as skcluster
from skcluster.datasets import make_mock_survey

BEYOND_IMPORTS, LIGHT = 0.5, 0.3
"""Bars [s]: of `predict` beyond torch and scikit-learn, and of `inspect` and `--help`."""


def contestants(folder):
    """Arguments of Python for each line, with a small model and two ways to predict."""
    survey = make_mock_survey(40, random_state=0)
    table = write_sample(folder / "many", survey.sample, log_mass=survey.log_mass)
    one = write_sample(folder / "one", survey.sample[:1])
    model = str(folder / "model.skops")
    training = ["train", str(table), "--output", model, "--pixels", "32"]
    if skcluster([*training, "--epochs", "2"]):
        raise RuntimeError("The model for the benchmark could not be trained.")
    (photons,) = (folder / "one" / "photons").iterdir()
    sky = zip(
        ("--redshift", "--ra", "--dec"),
        (survey.sample.redshift[0], *survey.sample.center[0]),
        strict=True,
    )
    place = [f"{name}={float(value)!r}" for name, value in sky]
    command = ["-m", "skcluster"]
    return {
        "Python alone": ["-c", "pass"],
        "import numpy": ["-c", "import numpy"],
        "import astropy.io.fits, cosmology, table": [
            "-c",
            "import astropy.io.fits, astropy.table; from astropy.cosmology import WMAP7",
        ],
        "import sklearn": ["-c", "import sklearn.base"],
        "import torch": ["-c", "import torch"],
        "import torch, sklearn": ["-c", "import torch, sklearn.base"],
        "skcluster --help": [*command, "--help"],
        "skcluster inspect": [*command, "inspect", model],
        "skcluster predict, event list": [
            *command,
            "predict",
            model,
            str(photons),
            *place,
        ],
        "skcluster predict, table": [*command, "predict", model, str(one)],
    }


def cpu_seconds(arguments):
    """User and system time of a process of Python."""
    before = os.times()
    subprocess.run(
        [sys.executable, *arguments],
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    after = os.times()
    children = "children_user", "children_system"
    return sum(getattr(after, name) - getattr(before, name) for name in children)


def main():
    """Print the seconds and the bars; exit 1 if one is not met."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--turns", type=int, default=5)
    n_turns = parser.parse_args().turns
    with tempfile.TemporaryDirectory() as folder:
        lines = contestants(Path(folder))
        times = {name: [] for name in lines}
        for _ in range(n_turns):
            for name, arguments in lines.items():
                times[name].append(cpu_seconds(arguments))
    least = {name: min(found) for name, found in times.items()}
    for name, seconds in least.items():
        print(f"{seconds:6.2f} s CPU  {name}")
    imports, failed = least["import torch, sklearn"], 0
    for name, bar in (
        ("skcluster --help", LIGHT),
        ("skcluster inspect", LIGHT),
        ("skcluster predict, event list", imports + BEYOND_IMPORTS),
        ("skcluster predict, table", imports + BEYOND_IMPORTS),
    ):
        failed += least[name] > bar
        print(f"{name}: {least[name]:.2f} s (at most {bar:.2f})")
    return int(failed > 0)


if __name__ == "__main__":
    sys.exit(main())
