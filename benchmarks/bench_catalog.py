"""Cost per cluster, speed-up and memory of `skcluster predict` on large catalogs.

    python benchmarks/bench_catalog.py                          # 1000 and 10,000 clusters
    python benchmarks/bench_catalog.py --clusters 1000 10000 100000
    python benchmarks/bench_catalog.py --jobs 1 2 --turns 3
    python benchmarks/bench_catalog.py -o catalog.csv --folder F --minutes 9   # and go on

Each cluster has an event list of its own, a symbolic link to one of 200 mock lists, and
the model is the paper's network on maps of 128 x 128 pixels. Each line is a process of its
own and its workers: the CPU time that the kernel counts for them, and the most memory that
each had. The contestants take turns, and medians are compared. The cost per cluster leaves
out that of a catalog of one part per process, which is mostly imports. It may grow by a
tenth from the smallest to the largest catalog. Measurements that the output has are not
repeated; one that --minutes has stopped goes on in the same folder, and its start counts
each time.
"""

import argparse
import csv
import os
import resource
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import defaultdict
from pathlib import Path

import numpy as np
from astropy.table import Table, vstack

N_LISTS = 200
STOPPED = 130
"""Exit code of the command after Ctrl-C."""
PART = 256
"""Clusters of a part. A catalog of one part per process costs little but the start."""
MAY_GROW = 1.1
"""Bar: cost per cluster of the largest catalog, over that of the smallest."""
COLUMNS = (
    *("clusters", "jobs", "turn", "cpu_seconds", "cpu_seconds_of_workers", "seconds"),
    *("command_mib", "worker_mib", "load", "is_finished"),
)
SUMMED, LARGEST = slice(0, 3), slice(3, 5)
"""Of the numbers after clusters, jobs and turn: what pieces of one measurement make."""


def skcluster(*arguments, **options):
    """Start the command in a process of its own.

    At its end it writes its own CPU seconds, without its workers', to standard error.
    """
    code = (
        "import resource, sys; from skcluster.cli import main\n"
        "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "code = main(sys.argv[1:])\n"
        "used = resource.getrusage(resource.RUSAGE_SELF)\n"
        "print(used.ru_utime + used.ru_stime, file=sys.stderr)\n"
        "sys.exit(code)"
    )
    command = [sys.executable, "-c", code, *map(str, arguments)]
    return subprocess.Popen(command, stdout=subprocess.DEVNULL, **options)


def catalog(folder, n_clusters):
    """Write a table of clusters whose event lists are links, and return its path."""
    lists = Table.read(folder / "survey" / "clusters.ecsv")
    table = vstack([lists] * -(-n_clusters // len(lists)))[:n_clusters]
    links = folder / f"{n_clusters}"
    (links / "photons").mkdir(parents=True)
    names = [f"cluster-{i}" for i in range(n_clusters)]
    for name, source in zip(names, table["photons"], strict=True):
        (links / "photons" / f"{name}.fits").symlink_to(folder / "survey" / source)
    table["name"] = names
    table["photons"] = [f"photons/{name}.fits" for name in names]
    table.remove_column("galaxies")
    table.write(links / "clusters.ecsv")
    return links / "clusters.ecsv"


def peak_mib(pid):
    """Return the most memory that a process has had, in MiB; 0 where Linux tells none."""
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return 0
    peak = status.partition("VmHWM:")[2].split()
    return int(peak[0]) / 1024 if peak else 0


def workers_of(pid):
    """Return the children of a process that load the package as it does."""
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        try:
            found += task.read_text().split()
        except OSError:
            continue
    return found


def watch_memory(process, peaks):
    """Note the largest peak of a process, and of its workers, until it ends."""
    while process.poll() is None:
        peaks[0] = max(peaks[0], peak_mib(process.pid))
        peaks[1] = max([peaks[1], *map(peak_mib, workers_of(process.pid))])
        time.sleep(0.2)


def measure(folder, table, n_jobs, end):
    """Predict a catalog, no longer than until `end`; return its cost as in COLUMNS."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    process = skcluster(
        *("predict", folder / "model.skops", table),
        *("-o", folder / "masses.csv", f"--jobs={n_jobs}"),
        stderr=subprocess.PIPE,
        text=True,
    )
    peaks = [0, 0]
    watcher = threading.Thread(target=watch_memory, args=(process, peaks))
    watcher.start()
    try:
        _, said = process.communicate(timeout=end and end - time.monotonic())
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)
        _, said = process.communicate()
    watcher.join()
    seconds = time.perf_counter() - start
    if process.returncode not in (0, STOPPED):
        raise RuntimeError(said)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    of_workers = cpu - float(said.splitlines()[-1]) if n_jobs > 1 else 0
    load = os.getloadavg()[0]
    return cpu, of_workers, seconds, *peaks, load, process.returncode == 0


def read_pieces(path):
    """Return the pieces of each measurement of a file, by clusters, jobs and turn."""
    pieces = defaultdict(list)
    if path is not None and path.exists():
        with path.open(newline="") as file:
            for row in csv.DictReader(file):
                values = [*map(float, row.values())]
                pieces[tuple(map(int, values[:3]))].append(values[3:])
    return pieces


def append_piece(path, key, piece):
    """Add a line to the file of measurements."""
    is_new = not path.exists()
    with path.open("a") as file:
        if is_new:
            file.write(",".join(COLUMNS) + "\n")
        numbers = [f"{value:.2f}" for value in piece[:-1]]
        file.write(",".join([*map(str, key), *numbers, str(int(piece[-1]))]) + "\n")


def is_finished(pieces):
    """Return whether the last piece of a measurement came to its end."""
    return bool(pieces) and bool(pieces[-1][-1])


def medians(found, n_clusters, n_jobs):
    """Return the medians over turns of what a catalog cost."""
    rows = []
    for key, pieces in found.items():
        if key[:2] == (n_clusters, n_jobs) and is_finished(pieces):
            table = np.array(pieces)
            rows.append([*table[:, SUMMED].sum(axis=0), *table[:, LARGEST].max(axis=0)])
    return np.median(rows, axis=0)


def per_cluster(found, n_clusters, n_jobs):
    """Return the CPU milliseconds per cluster, without those for starting."""
    start = medians(found, n_jobs * PART, n_jobs)[0]
    cpu = medians(found, n_clusters, n_jobs)[0]
    return 1000 * (cpu - start) / (n_clusters - n_jobs * PART)


def prepared(folder, sizes):
    """Return the catalogs in a folder, and make them and the model if it has none."""
    if not (folder / "model.skops").exists():
        survey = folder / "survey"
        skcluster("simulate", survey, f"--clusters={N_LISTS}").wait()
        train = ["train", survey / "clusters.ecsv", "-o", folder / "model.skops"]
        skcluster(*train, "--epochs=1").wait()
    for n_clusters in sizes:
        table = folder / f"{n_clusters}" / "clusters.ecsv"
        yield n_clusters, table if table.exists() else catalog(folder, n_clusters)


def main():
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--clusters", type=int, nargs="+", default=[1000, 10_000])
    parser.add_argument("--jobs", type=int, nargs="+", default=[1])
    parser.add_argument("--turns", type=int, default=1)
    parser.add_argument("--output", "-o", type=Path, help="file of the measurements")
    parser.add_argument(
        "--folder", type=Path, help="keeps the catalogs and what is done"
    )
    parser.add_argument(
        "--minutes", type=float, help="then stop; the same command goes on"
    )
    arguments = parser.parse_args()
    end = arguments.minutes and time.monotonic() + 60 * arguments.minutes
    found, sizes = read_pieces(arguments.output), sorted(arguments.clusters)
    missing = [
        (n_clusters, n_jobs, turn)
        for turn in range(arguments.turns)
        for n_jobs in arguments.jobs
        for n_clusters in (n_jobs * PART, *sizes)
        if not is_finished(found[n_clusters, n_jobs, turn])
    ]
    with tempfile.TemporaryDirectory() as temporary:
        folder = (arguments.folder or Path(temporary)).absolute()
        tables = dict(prepared(folder, {n_clusters for n_clusters, _, _ in missing}))
        for key in missing:
            piece = measure(folder, tables[key[0]], key[1], end)
            found[key].append(piece)
            if arguments.output is not None:
                append_piece(arguments.output, key, piece)
            print(*(f"{value:g}" for value in (*key, *piece)), flush=True)
            if not piece[-1]:
                sys.exit("Stopped after --minutes; the same command goes on.")
    sys.exit(0 if report(found, sizes, arguments.jobs) else 1)


def report(found, sizes, all_jobs):
    """Print the medians; return whether the cost per cluster is flat."""
    print("clusters  jobs  CPU ms per cluster      s  command, worker [MiB]")
    is_flat = True
    for n_jobs in all_jobs:
        for n_clusters in sizes:
            _, _, seconds, command, worker = medians(found, n_clusters, n_jobs)
            print(
                f"{n_clusters:8d}  {n_jobs:4d}  "
                f"{per_cluster(found, n_clusters, n_jobs):18.2f}  {seconds:5.0f}"
                f"  {command:15.0f} {worker:5.0f}"
            )
        first, last = (per_cluster(found, n, n_jobs) for n in (sizes[0], sizes[-1]))
        print(f"{n_jobs} jobs: the last over the first is {last / first:.3f}")
        is_flat &= last <= MAY_GROW * first
    return is_flat


if __name__ == "__main__":
    main()
